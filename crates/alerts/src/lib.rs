//! Alerts: what a signal turns into when somebody has to act, and everything that happens until it is over.
//!
//! The verbs are on `Alerts` (signatures, while the bodies are being written):
//!
//! ```text
//! Alerts::new(db: Db, vault: Vault, oncall: OnCall, sms: channels::Sms, messaging: Messaging, settings: Settings) -> Alerts   // cheap to clone
//! alerts.open(tx, &Permit<cap::AlertsOpen>, NewAlert) -> Result<Opened, Error>                  // sync, in the caller's transaction
//! alerts.resolve_key(tx, &Permit<cap::AlertsOpen>, ResolveKey) -> Result<Vec<AlertId>, Error>   // sync, in the caller's transaction
//! alerts.acknowledge(tx, &Permit<cap::AlertsAnswer>, AlertId) -> Result<Answered, Error>        // sync; acts as the permit's user
//! alerts.pass_on(tx, …, AlertId), alerts.resolve(tx, …, AlertId, note: Option<&str>), alerts.undo(tx, …, AlertId)   // the same way
//! alerts.answer(Permit<cap::AlertsAnswer>, AlertId, Answer) -> Result<Answered, Error>          // async: any of the four in its own transaction
//! alerts.list(Permit<cap::AlertsRead>, Filter, PageRequest) -> Result<Page<Alert>, Error>       // async; newest first
//! alerts.get(Permit<cap::AlertsRead>, AlertId) -> Result<Option<Alert>, Error>                  // async; with its text
//! alerts.by_number(Permit<cap::AlertsRead>, i64) -> Result<Option<Alert>, Error>                // async; see parse_alert_name("A-1042")
//! alerts.timeline(Permit<cap::AlertsRead>, AlertId) -> Result<Vec<Entry>, Error>                // async; newest first, planned steps at the head
//! alerts.chain(Permit<cap::AlertsRead>, AlertId) -> Result<Option<Chain>, Error>                // async
//! alerts.counts(Permit<cap::AlertsRead>) -> Result<Counts, Error>                               // async; for the overview
//! alerts.replies(Permit<cap::AlertsRead>, PageRequest) -> Result<Page<Reply>, Error>            // async; texts that came in and what they did
//! alerts.work(worker: store::Worker) -> store::Worker                                           // registers jobs and listeners
//! alerts::MIGRATIONS; alerts::TOPIC ("alerts", the live-update topic; id = alert id)
//! ```
//!
//! This room does not decide who is on call (`oncall`) or how a phone is reached and answered (`channels`), and knows
//! nothing of HTTP, flows or pages.

mod types;

pub use types::{
    Alert, Answer, AnswerKnot, Answered, By, Chain, ChainRow, Counts, Entry, Filter, Knot, KnotAt, MessageKnot, NewAlert, Opened,
    Outcome, Priority, Reply, ReplyOutcome, ResolveKey, State, StepState, UnknownPriority, Via, parse_alert_name,
};
