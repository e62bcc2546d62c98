//! Telling an account what became of its messages, and what handsets sent: one task for each account that has a bind which
//! receives. Each delivery stays on disk until the application said `ESME_ROK`; what it did not take comes again.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::{SmppAccountId, Timestamp};
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt};
use messaging::{Delivery, DeliveryKey, Inbox};
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

type Leaving = Pin<Box<dyn Future<Output = Left> + Send>>;
/// What was to be taken off the disk, and whether that went well.
type Left = (Vec<DeliveryKey>, Result<(), messaging::Error>);
type OnTheWay = FuturesUnordered<Pin<Box<dyn Future<Output = (DeliveryKey, Told)> + Send>>>;

/// What an application said to a delivery.
enum Told {
    Taken,
    /// It never will.
    Refused(Status),
    NotNow,
}

/// What was leaving, when it has left.
async fn gone(leaving: &mut Option<Leaving>) -> Option<Left> {
    Some(leaving.as_mut()?.await)
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
    rights: Arc<Rights>,
    under_way: OnTheWay,
    /// On their way, or taken and not yet off the disk.
    in_flight: HashSet<DeliveryKey>,
    /// Refused for now: how often, and until when (monotonic) they rest.
    later: HashMap<DeliveryKey, (u32, Duration)>,
    taken: Vec<DeliveryKey>,
    /// These are being taken off the disk.
    leaving: Option<Leaving>,
    /// Read from the store and told lately: should memory bring one of them too, it is told already.
    read: HashSet<DeliveryKey>,
    read_before: HashSet<DeliveryKey>,
    /// For taking turns between binds.
    turn: usize,
}

/// Runs until the account has no bind that receives, or the server stops.
pub(crate) async fn run(inner: Arc<Inner>, account: SmppAccountId, rights: Arc<Rights>) {
    let mut courier = Courier {
        inner,
        account,
        rights,
        under_way: FuturesUnordered::new(),
        in_flight: HashSet::new(),
        later: HashMap::new(),
        taken: Vec::new(),
        leaving: None,
        read: HashSet::new(),
        read_before: HashSet::new(),
        turn: 0,
    };
    courier.work().await;
    // What was sent and is unanswered may still be taken within the response timer.
    while let Some((key, told)) = courier.under_way.next().await {
        courier.told(key, told);
    }
    // What is leaving already first, then the rest.
    for _ in 0..2 {
        courier.leave();
        if let Some(leaving) = courier.leaving.take() {
            let left = leaving.await;
            courier.left(left);
        }
    }
    if let Err(error) = courier.inner.messaging.release_deliveries(&courier.rights.content).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a lease on deliveries runs out by itself");
    }
}

impl Courier {
    async fn work(&mut self) {
        let (mut told, mut changes) = (self.inner.messaging.told(), self.inner.binds.changes());
        let inbox = self.inner.messaging.inbox(&self.rights.content);
        let mut leased = false;
        // Whether to look into the store, and for what waits how long: what ended a moment ago comes from memory.
        let (mut look, mut patience) = (true, Duration::ZERO);
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let receivers = self.inner.binds.receivers(self.account);
            if receivers.is_empty() || self.inner.stop.is_cancelled() {
                return;
            }
            if !leased {
                leased = self.lease().await;
                if !leased {
                    // Another process tells; memory would only grow old.
                    inbox.take(usize::MAX);
                }
            }
            if leased {
                if inbox.left_some() {
                    (look, patience) = (true, Duration::ZERO);
                }
                let mut sent = 0;
                if look && Self::room(&receivers) > 0 {
                    let before = self.inner.ctx.now().minus(patience);
                    (look, sent) = self.send(&receivers, before).await;
                }
                self.pass_on(&receivers, &inbox);
                if look && sent > 0 {
                    continue;
                }
            }
            self.leave();
            tokio::select! {
                () = self.inner.stop.cancelled() => return,
                Some((key, answer)) = self.under_way.next(), if !self.under_way.is_empty() => {
                    self.told(key, answer);
                    // Whatever else is answered already shares the transaction.
                    while let Some(Some((key, answer))) = self.under_way.next().now_or_never() {
                        self.told(key, answer);
                    }
                }
                Some(left) = gone(&mut self.leaving), if self.leaving.is_some() => {
                    self.leaving = None;
                    self.left(left);
                }
                () = inbox.changed() => {}
                changed = told.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    (look, patience) = (true, Duration::ZERO);
                }
                _ = changes.changed() => (look, patience) = (true, Duration::ZERO),
                // The lease is taken anew now and then, in case this process was taken for gone.
                _ = poll.tick() => {
                    leased = false;
                    if !look {
                        (look, patience) = (true, POLL);
                    }
                    self.read_before = std::mem::take(&mut self.read);
                }
            }
        }
    }

    /// Places in the windows of its binds.
    fn room(receivers: &[Arc<Bind>]) -> usize {
        receivers.iter().map(|bind| bind.handle.window().saturating_sub(bind.handle.in_flight())).sum()
    }

    /// Sends what memory has, as far as windows have room.
    fn pass_on(&mut self, receivers: &[Arc<Bind>], inbox: &Inbox) {
        for delivery in inbox.take(Self::room(receivers)) {
            let key = delivery.key;
            let known = self.in_flight.contains(&key) || self.read.contains(&key) || self.read_before.contains(&key);
            // Without a place after all, it is in the store as before.
            if !known && let Some((bind, slot)) = self.place(receivers) {
                self.hand_over(&delivery, &bind, slot);
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

    /// Sends what waits in the store since `before` or longer, as far as windows have room; whether there may be more,
    /// and how many were sent.
    async fn send(&mut self, receivers: &[Arc<Bind>], before: Timestamp) -> (bool, usize) {
        let most = Self::room(receivers).min(BATCH);
        if most == 0 {
            return (true, 0);
        }
        let waiting = match self.inner.messaging.waiting(&self.rights.content, before, self.not_now(), most).await {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what waits for an application could not be read"
                );
                return (false, 0);
            }
        };
        let full = waiting.len() == most;
        for (sent, delivery) in waiting.iter().enumerate() {
            let Some((bind, slot)) = self.place(receivers) else { return (true, sent) };
            self.read.insert(delivery.key);
            self.hand_over(delivery, &bind, slot);
        }
        (full, waiting.len())
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

    /// Begins to take what was taken off the disk, one transaction at a time: what is answered meanwhile shares the next.
    fn leave(&mut self) {
        if self.leaving.is_some() || self.taken.is_empty() {
            return;
        }
        let keys = std::mem::take(&mut self.taken);
        let (messaging, permit) = (self.inner.messaging.clone(), self.rights.content.clone());
        self.leaving = Some(Box::pin(async move {
            let left = messaging.taken(&permit, keys.clone()).await;
            (keys, left)
        }));
    }

    /// They left. When that failed they are told again: at least once.
    fn left(&mut self, (keys, result): Left) {
        for key in keys {
            self.later.remove(&key);
            self.in_flight.remove(&key);
        }
        if let Err(error) = result {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "deliveries that were taken stay, and are told again"
            );
        }
    }
}
