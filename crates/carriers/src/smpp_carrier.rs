//! A carrier over SMPP: several sessions behind one [`messaging::Carrier`].

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base::{Context, ExposeSecret as _, SecretString};
use crypto::tls::{Pin, Roots};
use messaging::{
    Carrier, Deliveries, LinkState, OnUnknownOutcome, Remedy, SenderRules, Submission, SubmitError, Submitted,
};
use rustls_pki_types::ServerName;
use smpp::{Bind, BindMode, Npi, Password, Pdu, Text, Ton};
use smpplink::{Limits, NoAnswer, NotSent, Slot, Target, Tls};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dialect::{Dialect, LongMessages};
use crate::journal::{Journal, LinkChange};
use crate::measure::{AnswerTimes, Course, Speed};
use crate::pause::Pause;
use crate::reference::References;
use crate::session::{Place, Session, Trouble, link_state};
use crate::settings::{BindAs, Settings};
use crate::status::{CarrierStatus, SessionStatus};
use crate::translate::{remedy, submit_sm};

/// A file that could not be read is tried again after this.
const AGAIN: Duration = Duration::from_secs(10);

/// A running carrier. Stops when [`SmppCarrier::stop`] is called.
pub struct SmppCarrier {
    settings: Settings,
    places: Vec<Arc<Place>>,
    references: Arc<References>,
    dialect: Arc<Dialect>,
    limits: Limits,
    times: AnswerTimes,
    speed: Speed,
    course: Course,
    submits: AtomicU64,
    link: watch::Receiver<LinkState>,
    journal: Arc<Journal>,
    again: watch::Sender<u64>,
    paused: watch::Sender<Option<Pause>>,
    moves: watch::Receiver<u64>,
    context: Context,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for SmppCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmppCarrier").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

impl SmppCarrier {
    /// Starts the sessions that `settings` ask for. Connecting goes on in the background; a carrier that cannot be reached is
    /// there all the same and says why.
    pub fn start(
        settings: Settings,
        password: &SecretString,
        deliveries: Arc<dyn Deliveries>,
        context: Context,
    ) -> Arc<Self> {
        let limits = limits_of(&settings);
        Self::start_as(settings, password, deliveries, context, limits, Remembered::default())
    }

    /// The same with other timers; the window is always that of `settings`.
    pub fn start_with(
        settings: Settings,
        password: &SecretString,
        deliveries: Arc<dyn Deliveries>,
        context: Context,
        limits: Limits,
    ) -> Arc<Self> {
        Self::start_as(settings, password, deliveries, context, limits, Remembered::default())
    }

    /// The same for a carrier that was there before: what is remembered of it goes on.
    pub(crate) fn start_as(
        settings: Settings,
        password: &SecretString,
        deliveries: Arc<dyn Deliveries>,
        context: Context,
        limits: Limits,
        remembered: Remembered,
    ) -> Arc<Self> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (moved, mut moves) = watch::channel(0_u64);
        let (again, asked) = watch::channel(0_u64);
        let (paused, mut pausing) = watch::channel(remembered.paused);
        let (journal, told) = (remembered.journal, moves.clone());
        let references = Arc::new(References::new(settings.message_ids));
        let dialect = Arc::new(settings.dialect.clone());
        let name: Arc<str> = Arc::from(settings.name.as_str());
        let limits = Limits { window: settings.window as usize, ..limits };
        let mut places = Vec::new();
        let modes: &[BindMode] = match settings.bind {
            BindAs::Transceiver => &[BindMode::Transceiver],
            BindAs::TransmitterReceiver => &[BindMode::Transmitter, BindMode::Receiver],
        };
        for mode in (0..settings.sessions.max(1)).flat_map(|_| modes) {
            let place = Arc::new(Place::new(places.len() + 1, *mode, limits.window, context.now()));
            places.push(Arc::clone(&place));
            let session = Starting {
                settings: settings.clone(),
                password: password.clone(),
                mode: *mode,
                limits,
                name: Arc::clone(&name),
                references: Arc::clone(&references),
                dialect: Arc::clone(&dialect),
                deliveries: Arc::clone(&deliveries),
                place,
                context: context.clone(),
                journal: Arc::clone(&journal),
                again: asked.clone(),
                moved: moved.clone(),
            };
            tasks.spawn(session.run(stop.clone()));
        }
        let sending = |places: &[Arc<Place>], paused: Option<&Pause>, now| match paused {
            Some(pause) => LinkState::Down { reason: pause.words() },
            None => link_state(places, now),
        };
        let (state, link) = watch::channel(sending(&places, paused.borrow().as_ref(), context.monotonic()));
        let (watched, clock, ended) = (places.clone(), context.clone(), stop.clone());
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    changed = moves.changed() => if changed.is_err() { return },
                    changed = pausing.changed() => if changed.is_err() { return },
                    () = ended.cancelled() => return,
                }
                let new = sending(&watched, pausing.borrow().as_ref(), clock.monotonic());
                state.send_if_modified(|old| {
                    let differs = *old != new;
                    old.clone_from(&new);
                    differs
                });
            }
        });
        tasks.close();
        Arc::new(Self {
            settings,
            places,
            references,
            dialect,
            limits,
            times: AnswerTimes::default(),
            speed: Speed::default(),
            course: Course::default(),
            submits: AtomicU64::new(0),
            link,
            journal,
            again,
            paused,
            moves: told,
            context,
            stop,
            tasks,
        })
    }

    /// Unbinds in order: what is in flight is waited for.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// Unbinds every session and binds anew; one that waits for its next try does not wait any longer.
    pub fn connect_again(&self) {
        self.again.send_modify(|count| *count += 1);
    }

    /// Sends nothing while paused; messages go elsewhere or wait. Connections stay bound.
    pub(crate) fn set_paused(&self, pause: Option<Pause>) {
        let changed = self.paused.send_if_modified(|held| {
            let differs = *held != pause;
            held.clone_from(&pause);
            differs
        });
        if changed {
            let words =
                pause.map_or_else(|| "Sending was resumed".to_owned(), |pause| crate::status::sentence(&pause.words()));
            self.journal.note(LinkChange { at: self.context.now(), session: None, bound: true, words });
        }
    }

    /// Changes whenever a session comes or goes.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.moves.clone()
    }

    /// What goes on when its settings change.
    pub(crate) fn remembered(&self) -> Remembered {
        Remembered { journal: Arc::clone(&self.journal), paused: self.paused.borrow().clone() }
    }

    /// What became of its connections, newest first.
    pub fn history(&self) -> Vec<LinkChange> {
        self.journal.latest()
    }

    /// What it was started with.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How it is doing.
    pub fn status(&self) -> CarrierStatus {
        let now = self.context.monotonic();
        let each: Vec<SessionStatus> = self.places.iter().map(|place| place.status(now)).collect();
        let bound = each.iter().filter(|session| session.bound).count();
        let sessions = each.len();
        let trouble = each.iter().find(|session| !session.bound);
        let words = match trouble {
            Some(SessionStatus { last_error, retry_in: Some(left), .. }) => {
                let reason = last_error.as_deref().unwrap_or("not bound");
                format!("{bound} of {sessions} sessions: {reason}, retry in {} s", left.as_secs() + 1)
            }
            Some(SessionStatus { words, .. }) => format!("{bound} of {sessions} sessions: {words}"),
            None => format!("{bound} of {sessions} sessions"),
        };
        let troubled = trouble.or_else(|| each.iter().find(|session| session.last_error.is_some()));
        let last_error = troubled.and_then(|session| session.last_error.clone());
        let remedy = troubled.and_then(|session| session.remedy.clone());
        let paused = self.paused.borrow().clone();
        let window_used = each.iter().filter(|session| session.mode.transmits()).map(|session| session.in_flight).sum();
        CarrierStatus {
            name: self.settings.name.clone(),
            address: self.settings.address.clone(),
            tls: self.settings.tls,
            simulated: self.settings.simulated,
            sessions,
            sessions_bound: bound,
            window: self.window(),
            window_used,
            submits: self.submits.load(Ordering::Relaxed),
            submits_per_second: self.speed.per_second(now),
            p50: self.times.percentile(now, 50),
            p99: self.times.percentile(now, 99),
            words,
            last_error,
            remedy,
            paused,
            course: self.course.per_second(now),
            each,
        }
    }

    /// A place in the window of the session that this conversation has while it is bound, so that what goes from one sender to
    /// one destination keeps its order. Fails with the reason when there is none within the response timer.
    async fn slot(&self, submission: &Submission) -> Result<Slot, String> {
        let lot = routing::lot(submission.sender.as_str(), submission.destination.digits());
        let bound = self.places.iter().filter(|place| place.is_sending());
        // Each session draws for each conversation; the highest has it, so that one that comes or goes moves only its own.
        let drawn = |number: usize| {
            (lot ^ (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xFF51_AFD7_ED55_8CCD)
        };
        let place = bound.max_by_key(|place| drawn(place.number())).ok_or("no session is bound")?;
        if let Some(slot) = place.try_reserve() {
            return Ok(slot);
        }
        let session = place.bound().ok_or("the session has just gone")?;
        // Messaging keeps to the window of all sessions together, and draws are even: waiting is short, and in turn.
        match tokio::time::timeout(self.limits.response, session.reserve()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(gone)) => Err(gone.to_string()),
            Err(_) => Err("every place in the window is taken".to_owned()),
        }
    }
}

#[async_trait]
impl Carrier for SmppCarrier {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn is_simulated(&self) -> bool {
        self.settings.simulated
    }

    fn window(&self) -> usize {
        self.settings.window as usize * self.settings.sessions.max(1) as usize
    }

    fn rate(&self) -> Option<NonZeroU32> {
        self.settings.rate
    }

    fn on_unknown_outcome(&self) -> OnUnknownOutcome {
        self.settings.on_unknown_outcome
    }

    fn senders(&self) -> Option<Arc<SenderRules>> {
        self.settings.sender_rules()
    }

    fn takes_whole(&self) -> bool {
        self.dialect.long_messages == LongMessages::Payload
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.link.clone()
    }

    async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        let slot = self.slot(&submission).await.map_err(|reason| SubmitError::NotSent { reason })?;
        let pdu = submit_sm(&submission, self.context.now(), &self.dialect);
        let answer = match slot.send(pdu) {
            Ok(pending) => pending.await,
            // Sending it elsewhere or later would fail in the same way.
            Err(NoAnswer::NotSent(NotSent::Invalid(error))) => {
                return Err(SubmitError::Rejected {
                    status: format!("cannot be written: {error}"),
                    remedy: Remedy::Nothing,
                });
            }
            Err(error) => Err(error),
        };
        let response = match answer {
            Ok(response) => response,
            Err(NoAnswer::NotSent(why)) => return Err(SubmitError::NotSent { reason: why.to_string() }),
            Err(NoAnswer::Unknown(why)) => return Err(SubmitError::Unknown { reason: why.to_string() }),
        };
        self.submits.fetch_add(1, Ordering::Relaxed);
        self.speed.note(self.context.monotonic());
        self.course.note(self.context.monotonic());
        self.times.note(self.context.monotonic(), response.after);
        if response.status.is_throttling() {
            return Err(SubmitError::Throttled);
        }
        if !response.status.is_ok() {
            let remedy = remedy(response.status);
            return Err(SubmitError::Rejected { status: response.status.to_string(), remedy });
        }
        match response.pdu {
            Pdu::SubmitSmResp(answer) => {
                Ok(Submitted { carrier_ref: self.references.of_answer(&answer.message_id.to_str()) })
            }
            _ => Err(SubmitError::Unknown { reason: "the answer was of another kind".into() }),
        }
    }
}

/// A session before it knows its certificate authority: that may be a file, which is read off the runtime's threads, again and
/// again until it is there.
struct Starting {
    settings: Settings,
    limits: Limits,
    password: SecretString,
    mode: BindMode,
    name: Arc<str>,
    references: Arc<References>,
    dialect: Arc<Dialect>,
    deliveries: Arc<dyn Deliveries>,
    place: Arc<Place>,
    context: Context,
    journal: Arc<Journal>,
    again: watch::Receiver<u64>,
    moved: watch::Sender<u64>,
}

/// What outlives a change of a carrier's settings.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// What became of its connections.
    pub(crate) journal: Arc<Journal>,
    /// Whether sending is paused.
    pub(crate) paused: Option<Pause>,
}

impl Starting {
    async fn run(mut self, stop: CancellationToken) {
        let target = loop {
            match target(&self.settings).await {
                Ok(target) => break target,
                Err(reason) => {
                    tracing::warn!(carrier = &*self.name, reason, "carrier cannot be connected");
                    let change = LinkChange {
                        at: self.context.now(),
                        session: Some(self.place.number()),
                        bound: false,
                        words: reason.clone(),
                    };
                    self.journal.note(change);
                    let remedy = Some("Look at tls_ca, tls_pins and tls_name in the carrier’s settings.".to_owned());
                    let trouble = Trouble { reason, remedy };
                    self.place.waits(trouble, self.context.monotonic() + AGAIN, self.context.now());
                    self.moved.send_modify(|count| *count += 1);
                    tokio::select! {
                        () = tokio::time::sleep(AGAIN) => {}
                        Ok(()) = self.again.changed() => {}
                        () = stop.cancelled() => return,
                    }
                }
            }
        };
        let bind = Bind {
            system_id: Text::from(self.settings.system_id.as_str()),
            password: Password::new(self.password.expose_secret()),
            system_type: Text::from(self.settings.system_type.as_str()),
            interface_version: self.dialect.interface_version.octet(),
            addr_ton: Ton(self.dialect.bind_numbering.ton),
            addr_npi: Npi(self.dialect.bind_numbering.npi),
            address_range: Text::from(self.dialect.address_range.as_str()),
        };
        let session = Session {
            carrier: self.name,
            target,
            mode: self.mode,
            bind,
            limits: self.limits,
            references: self.references,
            dialect: self.dialect,
            deliveries: self.deliveries,
            place: self.place,
            context: self.context,
            journal: self.journal,
            again: self.again,
            moved: self.moved,
        };
        Arc::new(session).run(stop).await;
    }
}

/// The limits of a connection with these settings.
pub(crate) fn limits_of(settings: &Settings) -> Limits {
    let enquire = Duration::from_secs(u64::from(settings.enquire_seconds.max(1)));
    Limits {
        response: Duration::from_secs(u64::from(settings.response_seconds.max(1))),
        enquire,
        idle: enquire * 3,
        ..Limits::default()
    }
}

async fn target(settings: &Settings) -> Result<Target, String> {
    if !settings.tls {
        return Ok(Target { address: settings.address.clone(), tls: None });
    }
    let ca = settings.tls_ca.trim();
    let roots = match ca {
        "" | "system" => Roots::System,
        pem if pem.starts_with("-----BEGIN") => Roots::Pem(pem.to_owned()),
        path => {
            let read = tokio::fs::read_to_string(path).await;
            Roots::Pem(read.map_err(|error| format!("tls_ca cannot be read: {error}"))?)
        }
    };
    let pins =
        settings.tls_pins.iter().map(|pin| pin.parse::<Pin>().map_err(|error| format!("a pin of tls_pins is {error}")));
    let pins: Vec<Pin> = pins.collect::<Result<_, _>>()?;
    let config = if pins.is_empty() {
        crypto::tls::client_config(&roots, &[])
    } else {
        // A pin beside an authority narrows it; a pin alone is the whole proof.
        crypto::tls::client_config_with_pins((!ca.is_empty()).then_some(&roots), pins)
    };
    let config = config.map_err(|error| format!("tls_ca is not usable: {error}"))?;
    let server_name = ServerName::try_from(settings.server_name().to_owned())
        .map_err(|_| "the carrier's name cannot stand in a certificate".to_owned())?;
    Ok(Target { address: settings.address.clone(), tls: Some(Tls { server_name, config }) })
}
