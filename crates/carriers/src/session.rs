//! One session: connects, binds, serves what the carrier brings, and connects again with back-off and jitter.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Context, Explain as _, Timestamp};
use futures_util::stream::{FuturesUnordered, StreamExt};
use messaging::{Deliveries, LinkState, Receipt, Reply};
use smpp::{Bind, BindMode, CommandId, DataSmResp, DeliverSmResp, Pdu, Status, Text, Tlvs};
use smpplink::{Closed, Handle, Incoming, Limits, Request, Responder, Slot, Target};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::dialect::Dialect;
use crate::journal::{Journal, LinkChange};
use crate::reference::{NotYet, References};
use crate::status::{Peer, SessionStatus};
use crate::translate::{self, Brought};

/// The first wait before connecting again; doubled each time, with full jitter.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Requests of the carrier that are taken from the connection in one go.
const BATCH: usize = 64;

type Work = FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// Where a session stands; shared with the carrier that submits through it.
#[derive(Debug)]
pub struct Place {
    number: usize,
    mode: BindMode,
    window: usize,
    now: Mutex<(Standing, Timestamp)>,
    last_error: Mutex<Option<Trouble>>,
    peer: Mutex<Option<Arc<Peer>>>,
}

/// Why a session is not bound, and what to do about it.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// What went wrong.
    pub reason: String,
    /// What to do; none when it mends itself.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone)]
enum Standing {
    Starting,
    Bound(Handle),
    Waiting { reason: String, until: Duration },
    Off,
}

impl Place {
    /// The place of the `number`th session (from 1), which has not connected yet at `now`.
    pub const fn new(number: usize, mode: BindMode, window: usize, now: Timestamp) -> Self {
        Self {
            number,
            mode,
            window,
            now: Mutex::new((Standing::Starting, now)),
            last_error: Mutex::new(None),
            peer: Mutex::new(None),
        }
    }

    /// Which session it is, from 1.
    pub const fn number(&self) -> usize {
        self.number
    }

    fn set(&self, standing: Standing, at: Timestamp) {
        if let Ok(mut now) = self.now.lock() {
            let bound = |standing: &Standing| matches!(standing, Standing::Bound(_));
            // "Since" is since it was bound or not bound: a second try in vain does not begin anew.
            let since = if !bound(&standing) && !bound(&now.0) { now.1 } else { at };
            *now = (standing, since);
        }
    }

    fn get(&self) -> (Standing, Timestamp) {
        self.now.lock().map_or((Standing::Off, Timestamp::from_micros(0)), |now| now.clone())
    }

    /// It is not bound because of `trouble`, and is tried again at `until` (monotonic).
    pub fn waits(&self, trouble: Trouble, until: Duration, at: Timestamp) {
        let reason = trouble.reason.clone();
        if let Ok(mut last) = self.last_error.lock() {
            *last = Some(trouble);
        }
        self.set(Standing::Waiting { reason, until }, at);
    }

    fn met(&self, peer: Option<Peer>) {
        if let (Ok(mut held), Some(peer)) = (self.peer.lock(), peer) {
            *held = Some(Arc::new(peer));
        }
    }

    /// The handle, while the session is bound.
    pub fn bound(&self) -> Option<Handle> {
        match self.get().0 {
            Standing::Bound(handle) if !handle.is_closed() => Some(handle),
            _ => None,
        }
    }

    /// Whether it is bound for sending.
    pub fn is_sending(&self) -> bool {
        self.mode.transmits() && self.look(|_| ()).is_some()
    }

    /// A place in its window, when there is one.
    pub fn try_reserve(&self) -> Option<Slot> {
        self.look(Handle::try_reserve).flatten()
    }

    fn look<T>(&self, at: impl FnOnce(&Handle) -> T) -> Option<T> {
        match &self.now.lock().ok()?.0 {
            Standing::Bound(handle) if !handle.is_closed() => Some(at(handle)),
            _ => None,
        }
    }

    /// How it is doing.
    pub fn status(&self, monotonic: Duration) -> SessionStatus {
        let bound = self.bound();
        let (standing, since) = self.get();
        let (words, retry_in) = match standing {
            Standing::Bound(_) if bound.is_some() => ("bound".to_owned(), None),
            // Closed a moment ago; the session's task has not noticed yet.
            Standing::Bound(_) | Standing::Starting => ("connecting".to_owned(), None),
            Standing::Waiting { reason, until } => (reason, Some(until.saturating_sub(monotonic))),
            Standing::Off => ("switched off".to_owned(), None),
        };
        let trouble = self.last_error.lock().map_or(None, |last| last.clone());
        SessionStatus {
            mode: self.mode,
            bound: bound.is_some(),
            words,
            since,
            last_error: trouble.as_ref().map(|trouble| trouble.reason.clone()),
            remedy: trouble.and_then(|trouble| trouble.remedy),
            peer: self.peer.lock().map_or(None, |peer| peer.as_deref().cloned()),
            retry_in,
            in_flight: bound.map_or(0, |handle| handle.in_flight()),
            window: self.window,
        }
    }
}

/// Everything a session works with.
pub struct Session {
    pub carrier: Arc<str>,
    pub target: Target,
    pub mode: BindMode,
    pub bind: Bind,
    pub limits: Limits,
    pub references: Arc<References>,
    pub dialect: Arc<Dialect>,
    pub deliveries: Arc<dyn Deliveries>,
    pub place: Arc<Place>,
    pub context: Context,
    pub journal: Arc<Journal>,
    /// Counts how often a person asked to connect again.
    pub again: watch::Receiver<u64>,
    /// Told whenever this session comes or goes.
    pub moved: watch::Sender<u64>,
}

impl Session {
    /// Keeps the session up until `stop`; then unbinds and waits for what is in flight.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let (mut failures, mut again) = (0_u32, self.again.clone());
        while !stop.is_cancelled() {
            again.mark_unchanged();
            let connecting = smpplink::connect(&self.target, self.mode, self.bind.clone(), self.limits);
            let link = tokio::select! {
                link = connecting => link,
                () = stop.cancelled() => break,
            };
            let (trouble, lasted) = match link {
                Ok(link) => {
                    tracing::info!(carrier = &*self.carrier, mode = self.mode.name(), "carrier bound");
                    let since = self.context.monotonic();
                    self.place.met(link.secured.as_ref().map(Peer::of));
                    self.place.set(Standing::Bound(link.handle.clone()), self.context.now());
                    self.note(true, "Bound".to_owned());
                    self.told();
                    let why = self.serve(link.handle, link.incoming, again.clone(), &stop).await;
                    let trouble = Trouble { reason: why.to_string(), remedy: None };
                    (trouble, self.context.monotonic().saturating_sub(since))
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                    let remedy = Some(error.problem().detail.into_owned());
                    (Trouble { reason: format!("{error}{cause}"), remedy }, Duration::ZERO)
                }
            };
            if stop.is_cancelled() {
                break;
            }
            self.note(false, trouble.reason.clone());
            if again.has_changed().unwrap_or(false) {
                // A person waits for it: at once, and with the patience of a first try.
                failures = 0;
                self.place.set(Standing::Starting, self.context.now());
                self.told();
                continue;
            }
            // A session that held for a while starts over; one that flaps backs off.
            failures = if lasted > Duration::from_mins(1) { 0 } else { failures.saturating_add(1) };
            let wait = wait(failures, self.context.chance().below(1_000));
            tracing::warn!(carrier = &*self.carrier, reason = %trouble.reason, wait_ms = wait.as_millis(), "carrier not bound");
            self.place.waits(trouble, self.context.monotonic() + wait, self.context.now());
            self.told();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Ok(()) = again.changed() => failures = 0,
                () = stop.cancelled() => break,
            }
        }
        self.place.set(Standing::Off, self.context.now());
        self.told();
    }

    fn note(&self, bound: bool, words: String) {
        self.journal.note(LinkChange { at: self.context.now(), session: Some(self.place.number()), bound, words });
    }

    fn told(&self) {
        self.moved.send_modify(|count| *count += 1);
    }

    /// Serves until the connection is over.
    async fn serve(
        self: &Arc<Self>,
        handle: Handle,
        mut incoming: Incoming,
        mut again: watch::Receiver<u64>,
        stop: &CancellationToken,
    ) -> Closed {
        let (mut batch, mut work) = (Vec::with_capacity(BATCH), Work::new());
        let over = loop {
            tokio::select! {
                biased;
                // Before what the carrier brings: one that never pauses is ended all the same.
                () = stop.cancelled() => break true,
                Ok(()) = again.changed() => break true,
                taken = incoming.next_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break false;
                    }
                    for request in batch.drain(..) {
                        self.take(request, &mut work);
                    }
                }
                Some(()) = work.next(), if !work.is_empty() => {}
            }
        };
        // What nobody has looked at is refused, so that the carrier keeps it.
        drop(incoming);
        let settled = async { while work.next().await.is_some() {} };
        let closed = async { if over { handle.unbind().await } else { handle.closed().await } };
        tokio::join!(settled, closed).1
    }

    /// The id of a receipt as the answer's was stored.
    async fn stored_as(&self, written: &str) -> String {
        let since = self.context.monotonic();
        loop {
            match self.references.of_receipt(written) {
                Ok(id) => return id,
                // Messaging keeps a stray receipt, should its message turn up after all.
                Err(NotYet(id)) if self.context.monotonic().saturating_sub(since) > FOR_ITS_ANSWER => return id,
                Err(NotYet(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Takes what the carrier brings, and answers when it is on disk. What has to wait for something does so in `work`.
    fn take(self: &Arc<Self>, request: Request, work: &mut Work) {
        let (pdu, responder) = request.into_parts();
        let brought = match &pdu {
            Pdu::DeliverSm(pdu) => translate::deliver_sm(pdu, &self.carrier, &self.dialect),
            Pdu::DataSm(pdu) => translate::data_sm(pdu, &self.carrier, &self.dialect),
            // An alert_notification has no answer, and nothing here waits for one.
            Pdu::AlertNotification(_) => return responder.forget(),
            _ => return responder.refuse(Status::RINVCMDID),
        };
        let session = Arc::clone(self);
        match brought {
            Brought::Receipt(mut receipt) => match self.references.of_receipt(&receipt.carrier_ref) {
                Ok(id) => {
                    receipt.carrier_ref = id;
                    self.keep(receipt, responder);
                }
                Err(NotYet(_)) => work.push(Box::pin(async move {
                    receipt.carrier_ref = session.stored_as(&receipt.carrier_ref).await;
                    session.keep(receipt, responder);
                })),
            },
            Brought::Inbound(inbound) => work.push(Box::pin(async move {
                let kept = session.deliveries.on_inbound(inbound).await;
                answer(&session.carrier, responder, kept);
            })),
            Brought::Nothing(why) => {
                tracing::warn!(carrier = &*self.carrier, why, "the carrier sent what makes no sense");
                answer(&self.carrier, responder, Ok(()));
            }
        }
    }

    fn keep(&self, receipt: Receipt, responder: Responder) {
        let carrier = Arc::clone(&self.carrier);
        self.deliveries.take_receipt(receipt, Reply::new(move |kept| answer(&carrier, responder, kept)));
    }
}

/// Answers the carrier.
fn answer(carrier: &str, responder: Responder, kept: Result<(), messaging::Error>) {
    let pdu: Pdu = match responder.command() {
        CommandId::DATA_SM => DataSmResp { message_id: Text::EMPTY, tlvs: Tlvs::EMPTY }.into(),
        _ => DeliverSmResp { message_id: Text::EMPTY, tlvs: Tlvs::EMPTY }.into(),
    };
    match kept {
        Ok(()) => drop(responder.answer(Status::ROK, pdu)),
        // Not on disk, so not taken: the carrier keeps it and sends it again.
        Err(error) => {
            tracing::error!(carrier, error = %error, "what the carrier brought could not be kept");
            responder.refuse(Status::RX_T_APPN);
        }
    }
}

/// How long a receipt whose id fits nothing that was sent waits for its answer, which it may have overtaken; only while it
/// is not known how the carrier writes ids.
const FOR_ITS_ANSWER: Duration = Duration::from_secs(2);

/// Exponential with full jitter: somewhere between nothing and twice the last wait, so that a carrier that comes back is not
/// run over by all its customers at once. `chance` is below 1,000.
fn wait(failures: u32, chance: u32) -> Duration {
    let most = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    most * (chance + 1) / 1_000
}

/// Whether any of `places` is bound for sending.
pub fn link_state(places: &[Arc<Place>], monotonic: Duration) -> LinkState {
    if places.iter().any(|place| place.bound().is_some_and(|handle| handle.mode().transmits())) {
        return LinkState::Up;
    }
    let sessions: Vec<SessionStatus> = places.iter().map(|place| place.status(monotonic)).collect();
    let reason = match sessions.iter().find(|session| session.mode.transmits() && !session.bound) {
        Some(SessionStatus { words, retry_in: Some(left), .. }) => {
            format!("{words}; next try in {} s", left.as_secs() + 1)
        }
        Some(SessionStatus { words, .. }) => words.clone(),
        None => "not bound for sending".to_owned(),
    };
    LinkState::Down { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_and_is_held() {
        assert_eq!(wait(1, 999), Duration::from_millis(500));
        assert_eq!(wait(3, 999), Duration::from_secs(2));
        assert_eq!(wait(40, 999), LONGEST_WAIT);
        assert!(wait(5, 0) < Duration::from_millis(10), "full jitter");
    }
}
