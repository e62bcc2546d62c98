//! Telling an account what became of its messages, and what handsets sent: one task for each account that has a bind which
//! receives. Each delivery stays on disk until the application said `ESME_ROK`; what it did not take comes again.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::SmppAccountId;
use futures_util::stream::{FuturesUnordered, StreamExt};
use messaging::{Delivery, DeliveryKey};
use smpp::{DeliverSm, Status};
use smpplink::{NoAnswer, Response, Slot};

use crate::account::Rights;
use crate::binds::Bind;
use crate::meters::DELIVERIES;
use crate::receipt::{self, Telling};
use crate::server::Inner;

/// Read from the store in one go.
const BATCH: usize = 256;
/// The poll that decides when nothing woke the courier.
const POLL: Duration = Duration::from_secs(1);
/// After an application refused a delivery for now: the first wait, doubled up to the longest.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

type OnTheWay = FuturesUnordered<Pin<Box<dyn Future<Output = (DeliveryKey, Told)> + Send>>>;

/// What an application said to a delivery.
enum Told {
    Taken,
    /// It never will.
    Refused(Status),
    NotNow,
}

impl Told {
    const fn name(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused(_) => "refused",
            Self::NotNow => "again",
        }
    }
}

/// What an answer means.
fn answered(bind: &Bind, answer: Result<Response, NoAnswer>) -> Told {
    match answer {
        Ok(response) if response.status.is_ok() => {
            bind.counts.delivered.fetch_add(1, Ordering::Relaxed);
            Told::Taken
        }
        Ok(response) if receipt::is_refusal(response.status) => Told::Refused(response.status),
        Ok(_) | Err(NoAnswer::NotSent(_) | NoAnswer::Unknown(_)) => Told::NotNow,
    }
}

/// A long text part by part, in order and over one bind; all of it again when one part was not taken.
async fn in_parts(bind: &Bind, parts: Vec<DeliverSm>) -> Told {
    for part in parts {
        match answered(bind, bind.handle.request(part).await) {
            Told::Taken => {}
            other => return other,
        }
    }
    Told::Taken
}

struct Courier {
    inner: Arc<Inner>,
    account: SmppAccountId,
    rights: Rights,
    under_way: OnTheWay,
    /// On their way, or taken and not yet off the disk.
    in_flight: HashSet<DeliveryKey>,
    /// Refused for now: how often, and until when (monotonic) they rest.
    later: HashMap<DeliveryKey, (u32, Duration)>,
    taken: Vec<DeliveryKey>,
    /// For taking turns between binds.
    turn: usize,
}

/// Runs until the account has no bind that receives, or the server stops.
pub(crate) async fn run(inner: Arc<Inner>, account: SmppAccountId, rights: Rights) {
    let mut courier = Courier {
        inner,
        account,
        rights,
        under_way: FuturesUnordered::new(),
        in_flight: HashSet::new(),
        later: HashMap::new(),
        taken: Vec::new(),
        turn: 0,
    };
    courier.work().await;
    // What was sent and is unanswered may still be taken within the response timer.
    while let Some((key, told)) = courier.under_way.next().await {
        courier.told(key, told);
    }
    courier.write().await;
    if let Err(error) = courier.inner.messaging.release_deliveries(&courier.rights.content).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a lease on deliveries runs out by itself");
    }
}

impl Courier {
    async fn work(&mut self) {
        let (mut told, mut changes) = (self.inner.messaging.told(), self.inner.binds.changes());
        let mut leased = false;
        loop {
            let receivers = self.inner.binds.receivers(self.account);
            if receivers.is_empty() || self.inner.stop.is_cancelled() {
                return;
            }
            if !leased {
                leased = self.lease().await;
            }
            if leased {
                while self.send(&receivers).await {}
            }
            if !self.taken.is_empty() {
                self.write().await;
            }
            tokio::select! {
                () = self.inner.stop.cancelled() => return,
                Some((key, answer)) = self.under_way.next(), if !self.under_way.is_empty() => {
                    self.told(key, answer);
                    // Whatever else is answered already shares the transaction.
                    while let Some(Some((key, answer))) = futures_util::FutureExt::now_or_never(self.under_way.next()) {
                        self.told(key, answer);
                    }
                }
                changed = told.changed() => if changed.is_err() { return },
                _ = changes.changed() => {}
                // The lease is taken anew now and then, in case this process was taken for gone.
                () = tokio::time::sleep(POLL) => leased = false,
            }
        }
    }

    async fn lease(&mut self) -> bool {
        match self.inner.messaging.lease_deliveries(&self.rights.content).await {
            Ok(ours) => ours,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "deliveries could not be leased");
                false
            }
        }
    }

    /// What is not to be read now: what is on its way, and what rests after a refusal.
    fn not_now(&self) -> HashSet<DeliveryKey> {
        let now = self.inner.ctx.monotonic();
        let resting = self.later.iter().filter(|(_, (_, until))| now < *until).map(|(key, _)| *key);
        self.in_flight.iter().copied().chain(resting).collect()
    }

    /// Sends what waits, as far as windows have room; whether there may be more and room for it.
    async fn send(&mut self, receivers: &[Arc<Bind>]) -> bool {
        let room: usize =
            receivers.iter().map(|bind| bind.handle.window().saturating_sub(bind.handle.in_flight())).sum();
        let most = room.min(BATCH);
        if most == 0 {
            return false;
        }
        let waiting = match self.inner.messaging.waiting(&self.rights.content, self.not_now(), most).await {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what waits for an application could not be read"
                );
                return false;
            }
        };
        let full = waiting.len() == most;
        for delivery in waiting {
            let Some((bind, slot)) = self.place(receivers) else { return false };
            self.hand_over(&delivery, &bind, slot);
        }
        full
    }

    /// A place in the window of one of the binds, taking turns.
    fn place(&mut self, receivers: &[Arc<Bind>]) -> Option<(Arc<Bind>, Slot)> {
        self.turn = self.turn.wrapping_add(1);
        (0..receivers.len()).find_map(|offset| {
            let bind = &receivers[(self.turn + offset) % receivers.len()];
            bind.handle.try_reserve().map(|slot| (Arc::clone(bind), slot))
        })
    }

    fn hand_over(&mut self, delivery: &Delivery, bind: &Arc<Bind>, slot: Slot) {
        let key = delivery.key;
        self.in_flight.insert(key);
        let pdu = match receipt::telling(&delivery.what, delivery.at, bind.form()) {
            Telling::One(pdu) => *pdu,
            Telling::Parts(parts) => {
                drop(slot);
                let bind = Arc::clone(bind);
                return self.under_way.push(Box::pin(async move { (key, in_parts(&bind, parts).await) }));
            }
            // Erased meanwhile: there is nothing to tell any more.
            Telling::Nothing => return self.taken.push(key),
        };
        let bind = Arc::clone(bind);
        match slot.send(pdu) {
            Ok(pending) => self.under_way.push(Box::pin(async move { (key, answered(&bind, pending.await)) })),
            // Only a defect of ours makes a PDU that cannot be written; it would fail again.
            Err(error) => {
                tracing::error!(%error, "a delivery cannot be written as SMPP and is dropped");
                self.taken.push(key);
            }
        }
    }

    fn told(&mut self, key: DeliveryKey, told: Told) {
        DELIVERIES.add(&[told.name()], 1);
        match told {
            Told::Taken => self.taken.push(key),
            Told::Refused(status) => {
                tracing::info!(%status, account = %self.account, "an application refused a delivery for good");
                self.taken.push(key);
            }
            Told::NotNow => {
                self.in_flight.remove(&key);
                let now = self.inner.ctx.monotonic();
                let (tries, until) = self.later.entry(key).or_insert((0, now));
                *until = now + (AGAIN * 2_u32.saturating_pow((*tries).min(10))).min(LONGEST);
                *tries += 1;
            }
        }
    }

    /// Takes what was taken off the disk. When that fails it is told again: at least once.
    async fn write(&mut self) {
        let keys = std::mem::take(&mut self.taken);
        let written = self.inner.messaging.taken(&self.rights.content, keys.clone()).await;
        for key in keys {
            self.later.remove(&key);
            self.in_flight.remove(&key);
        }
        if let Err(error) = written {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "deliveries that were taken stay, and are told again"
            );
        }
    }
}
