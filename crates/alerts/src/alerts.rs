//! The handle: what other rooms hold, and how a call becomes a transaction.

use std::sync::Arc;
use std::time::Duration;

use access::{Permit, cap};
use base::{AlertId, Cursor, Page, PageRequest};
use channels::Sms;
use messaging::Messaging;
use oncall::OnCall;
use store::{Db, Migration, Migrations, Tx};
use vault::Vault;

use crate::Error;
use crate::types::{Alert, Answer, Answered, Counts, Filter, NewAlert, Opened, ResolveKey};
use crate::views::{Chain, Entry, Reply};

/// The tables of this room.
pub const MIGRATIONS: Migrations = Migrations {
    room: "alerts",
    steps: &[
        Migration { version: 1, name: "alerts", sql: include_str!("../migrations/001_alerts.sql") },
        Migration { version: 2, name: "alert lists", sql: include_str!("../migrations/002_alert_lists.sql") },
    ],
};

/// The topic of live updates; their id is the alert's.
pub const TOPIC: &str = "alerts";
/// The event that an alert changed, for whoever listens above.
pub const CHANGED: &str = "alert.changed";

/// The job that pages whoever is due.
pub(crate) const ESCALATE: &str = "alerts.escalate";
/// The job that ends an alert that nobody ended.
pub(crate) const EXPIRE: &str = "alerts.expire";
/// The job that looks each minute for timers that were lost.
pub(crate) const WATCH: &str = "alerts.watch";
/// The listener to what became of pages.
pub(crate) const RECEIPTS: &str = "alerts.receipts";
/// The listener to texts that come in.
pub(crate) const REPLIES: &str = "alerts.replies";

/// What an operator can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When an alert that nobody resolved expires, if its flow does not say.
    pub expires_in: Duration,
    /// The group that is paged when the named one reaches nobody and has no fallback. Need not exist.
    pub default_group: String,
    /// Whether a text may resolve a critical alert. Off: a text is proof of a phone, and phones get lost.
    pub sms_resolves_critical: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { expires_in: Duration::from_hours(24), default_group: "default".to_owned(), sms_resolves_critical: false }
    }
}

/// Alerts of every workspace. Cheap to clone.
#[derive(Clone)]
pub struct Alerts(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) oncall: OnCall,
    pub(crate) sms: Sms,
    pub(crate) messaging: Messaging,
    pub(crate) settings: Settings,
}

impl Alerts {
    /// The handle over the rooms below.
    pub fn new(db: Db, vault: Vault, oncall: OnCall, sms: Sms, messaging: Messaging, settings: Settings) -> Self {
        Self(Arc::new(Inner { db, vault, oncall, sms, messaging, settings }))
    }

    /// Opens an alert and pages the first person, or joins the one that lives with the same key. All in the caller's
    /// transaction.
    pub fn open(&self, tx: &mut Tx<'_>, permit: &Permit<cap::AlertsOpen>, new: NewAlert) -> Result<Opened, Error> {
        self.0.open(tx, permit, new)
    }

    /// Resolves what an integration opened with a key; which alerts it was. A critical alert stays, with a line that says
    /// why, unless the caller has the permission to close it.
    pub fn resolve_key(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsOpen>,
        resolve: ResolveKey,
    ) -> Result<Vec<AlertId>, Error> {
        self.0.resolve_key(tx, permit, resolve)
    }

    /// The permit's actor has it from now on; nobody else is paged.
    pub fn acknowledge(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsAnswer>,
        alert: AlertId,
    ) -> Result<Answered, Error> {
        self.0.answer(tx, permit, alert, &Answer::Acknowledge)
    }

    /// The next person is paged at once.
    pub fn pass_on(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsAnswer>,
        alert: AlertId,
    ) -> Result<Answered, Error> {
        self.0.answer(tx, permit, alert, &Answer::PassOn)
    }

    /// It is over; everybody who was paged is told.
    pub fn resolve(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsAnswer>,
        alert: AlertId,
        note: Option<&str>,
    ) -> Result<Answered, Error> {
        self.0.answer(tx, permit, alert, &Answer::Resolve { note: note.map(str::to_owned) })
    }

    /// Takes the actor's last answer back, within five minutes; paging goes on.
    pub fn undo(&self, tx: &mut Tx<'_>, permit: &Permit<cap::AlertsAnswer>, alert: AlertId) -> Result<Answered, Error> {
        self.0.answer(tx, permit, alert, &Answer::Undo)
    }

    /// Any of the four in a transaction of its own.
    pub async fn answer(
        &self,
        permit: Permit<cap::AlertsAnswer>,
        alert: AlertId,
        answer: Answer,
    ) -> Result<Answered, Error> {
        let inner = Arc::clone(&self.0);
        self.0.db.write(move |tx| inner.answer(tx, &permit, alert, &answer)).await
    }

    /// The alerts of the permit's workspace, newest first. A filter that drops most of them makes a page end early: it has
    /// fewer items than asked for, perhaps none, and says where to go on.
    pub async fn list(
        &self,
        permit: Permit<cap::AlertsRead>,
        filter: Filter,
        page: PageRequest,
    ) -> Result<Page<Alert>, Error> {
        let inner = Arc::clone(&self.0);
        self.0.db.read(move |tx| inner.list(tx, permit.workspace(), &filter, &page)).await
    }

    /// One alert with its text.
    pub async fn get(&self, permit: Permit<cap::AlertsRead>, alert: AlertId) -> Result<Option<Alert>, Error> {
        let inner = Arc::clone(&self.0);
        self.0.db.read(move |tx| inner.get(tx, permit.workspace(), alert)).await
    }

    /// One alert by its number: 1042 of `A-1042`.
    pub async fn by_number(&self, permit: Permit<cap::AlertsRead>, number: i64) -> Result<Option<Alert>, Error> {
        let inner = Arc::clone(&self.0);
        self.0.db.read(move |tx| inner.get_by_number(tx, permit.workspace(), number)).await
    }

    /// What happened, newest first, with what is still to come at the head.
    pub async fn timeline(&self, permit: Permit<cap::AlertsRead>, alert: AlertId) -> Result<Vec<Entry>, Error> {
        let inner = Arc::clone(&self.0);
        self.0.db.read(move |tx| inner.timeline(tx, permit.workspace(), alert)).await
    }

    /// The chain from signal to answer.
    pub async fn chain(&self, permit: Permit<cap::AlertsRead>, alert: AlertId) -> Result<Option<Chain>, Error> {
        let inner = Arc::clone(&self.0);
        self.0.db.read(move |tx| inner.chain(tx, permit.workspace(), alert)).await
    }

    /// How many alerts need somebody.
    pub async fn counts(&self, permit: Permit<cap::AlertsRead>) -> Result<Counts, Error> {
        self.0.db.read(move |tx| crate::rows::counts(tx, permit.workspace())).await
    }

    /// Texts that came in from phones and what they did, newest first.
    pub async fn replies(&self, permit: Permit<cap::AlertsRead>, page: PageRequest) -> Result<Page<Reply>, Error> {
        self.0.db.read(move |tx| crate::replies::list(tx, permit.workspace(), &page)).await
    }
}

/// Reads a cursor that is a number.
pub(crate) fn number_cursor(cursor: Option<&Cursor>) -> Result<Option<i64>, Error> {
    cursor.map(|cursor| cursor.0.parse().map_err(|_| Error::Cursor)).transpose()
}
