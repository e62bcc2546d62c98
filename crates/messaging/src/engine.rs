//! What the tasks of this room share: the database, the keys, the lanes, the routes, and caches that can be rebuilt.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use access::Environment;
use arc_swap::ArcSwap;
use base::{Context, Timestamp, WorkspaceId};
use routing::{CarrierFacts, Decision, Query, Refused, Route};
use store::{Db, Tx, params};
use tokio::sync::{Notify, mpsc, watch};
use vault::Vault;

use crate::Error;
use crate::inbox::Desks;
use crate::job::{Job, Outcome};
use crate::lane::Lane;
use crate::numbers::Numbers;
use crate::outstanding::{Hashed, RefHasher};
use crate::settle::Settle;

/// How long the environment of a workspace is remembered.
const ENVIRONMENT_FOR: Duration = Duration::from_secs(5);
/// Conversations remembered for finding the workspace of a reply; the table knows the older ones.
const CONVERSATIONS: usize = 100_000;

/// For how long after an alert's message bulk makes way for the next ones.
const ALERTING: Duration = Duration::from_secs(2);

/// After the start, carriers have this long to be attached before what waits for them is led elsewhere.
pub(crate) const START: Duration = Duration::from_secs(10);

pub(crate) type Lanes = BTreeMap<String, Arc<Lane>>;

/// The shared part.
pub(crate) struct Engine {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) ctx: Context,
    pub(crate) numbers: Numbers,
    pub(crate) lanes: ArcSwap<Lanes>,
    pub(crate) routes: ArcSwap<Vec<Route>>,
    pub(crate) settler: mpsc::UnboundedSender<Settle>,
    /// The rerouter shall look.
    pub(crate) reroute: Notify,
    /// Turns when there may be something to tell an application.
    pub(crate) told: watch::Sender<u64>,
    /// Applications that are told in memory.
    pub(crate) desks: Arc<Desks>,
    pub(crate) minutes: Minutes,
    pub(crate) strays: AtomicU64,
    pub(crate) refs: RefHasher,
    pub(crate) started: Duration,
    epoch: AtomicI64,
    /// Until when alerts count as under way, in microseconds of the monotonic clock.
    alerting_until: AtomicU64,
    environments: Mutex<HashMap<WorkspaceId, (bool, Duration)>>,
    conversations: Mutex<Conversations>,
    /// Whether somebody above listens to what becomes of a workspace's messages.
    listeners: OnceLock<Listens>,
    /// Whose our addresses are, as rooms above know.
    address_owners: OnceLock<AddressOwners>,
}

type Listens = Box<dyn Fn(WorkspaceId) -> bool + Send + Sync>;
type AddressOwners = Box<dyn Fn(&mut Tx<'_>, &str) -> Result<Vec<WorkspaceId>, store::Error> + Send + Sync>;

impl Engine {
    pub(crate) fn new(db: Db, vault: Vault, settler: mpsc::UnboundedSender<Settle>) -> Self {
        Self {
            started: db.context().monotonic(),
            ctx: db.context().clone(),
            db,
            vault,
            numbers: Numbers::default(),
            lanes: ArcSwap::default(),
            routes: ArcSwap::default(),
            settler,
            reroute: Notify::new(),
            told: watch::Sender::new(0),
            desks: Arc::default(),
            minutes: Minutes::default(),
            strays: AtomicU64::new(0),
            refs: RefHasher::default(),
            epoch: AtomicI64::new(0),
            alerting_until: AtomicU64::new(0),
            environments: Mutex::default(),
            conversations: Mutex::default(),
            listeners: OnceLock::new(),
            address_owners: OnceLock::new(),
        }
    }

    pub(crate) fn set_listeners(&self, listens: Listens) {
        // Set once, by the composition, before the first message.
        let _ = self.listeners.set(listens);
    }

    /// Whether somebody above listens to what becomes of the messages of `workspace`.
    pub(crate) fn listens(&self, workspace: WorkspaceId) -> bool {
        self.listeners.get().is_some_and(|listens| listens(workspace))
    }

    pub(crate) fn set_address_owners(&self, owners: AddressOwners) {
        // Set once, by the room above, before the first message.
        let _ = self.address_owners.set(owners);
    }

    /// The workspace that an address of ours belongs to when nothing went from it to the handset yet: the one whose applications
    /// receive at it or whose routes by this carrier send from it. None when there are two: it would be a guess.
    pub(crate) fn address_owner(
        &self,
        tx: &mut Tx<'_>,
        carrier: &str,
        ours: &str,
    ) -> Result<Option<WorkspaceId>, store::Error> {
        let mut found = match self.address_owners.get() {
            Some(owners) => owners(tx, ours)?,
            None => Vec::new(),
        };
        let sends = |route: &&Route| {
            route.sender.as_ref().is_some_and(|sender| sender.as_str() == ours)
                && route.carriers.iter().any(|name| name == carrier)
        };
        found.extend(self.routes.load().iter().filter(sends).filter_map(|route| route.workspace));
        let mut found = found.into_iter();
        let first = found.next();
        Ok(first.filter(|first| found.all(|other| other == *first)))
    }

    /// The epoch under which this process claims.
    pub(crate) fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn set_epoch(&self, epoch: i64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    /// A message of an alert is being accepted.
    pub(crate) fn alerts_now(&self) {
        self.alerting_until.fetch_max(micros(self.ctx.monotonic() + ALERTING), Ordering::Relaxed);
    }

    /// Whether alerts are under way.
    pub(crate) fn is_alerting(&self, now: Duration) -> bool {
        micros(now) < self.alerting_until.load(Ordering::Relaxed)
    }

    /// The lane of `carrier`, when that is attached.
    pub(crate) fn lane(&self, carrier: &str) -> Option<Arc<Lane>> {
        self.lanes.load().get(carrier).cloned()
    }

    /// Hands an outcome to the settler. When that has stopped, the row stays claimed by this epoch, and the next start
    /// finds it in doubt.
    pub(crate) fn settle(&self, outcome: Outcome) {
        if self.settler.send(Settle::Outcome(Box::new(outcome))).is_err() {
            tracing::warn!("an outcome came after the settler stopped; its message is in doubt");
        }
    }

    /// A wait of `around`, give or take a quarter, so that many do not come back at once.
    pub(crate) fn jittered(&self, around: Duration) -> Duration {
        let share = self.ctx.chance().below(512);
        around * 3 / 4 + around * share / 1024
    }

    /// Decides where a message goes.
    pub(crate) fn decide(&self, query: &Query<'_>) -> Result<Decision, Refused> {
        let (lanes, routes, now) = (self.lanes.load(), self.routes.load(), self.ctx.monotonic());
        // Just after the start a carrier that is not attached yet is waited for. Whether it is simulated is not known
        // then, so a development workspace is refused rather than trusted (control E-12).
        let coming = || CarrierFacts { simulated: false, down: Some("it is being started".to_owned()), senders: None };
        let starting = now.saturating_sub(self.started) < START;
        routing::decide(query, routes.iter(), |name| {
            lanes.get(name).map(|lane| lane.facts(now)).or_else(|| starting.then(coming))
        })
    }

    /// Another carrier than `not` that takes the message now, if there is one; after a refusal for good (`refused`) one that
    /// was not asked before. Asks the cache whether the workspace is one for development, and trusts nothing when that does
    /// not know.
    pub(crate) fn another(&self, job: &Job, not: &str, refused: bool) -> Option<Decision> {
        let development = self.known_environment(job.workspace).unwrap_or(true);
        let first = Query::first(job.workspace, development, job.destination.digits(), job.class, Some(&job.sender));
        let query = Query { avoid: &[not], beyond: refused.then_some(not), ..first };
        self.decide(&query).ok().filter(|decision| decision.carrier != not && !decision.waits)
    }

    /// Whether `workspace` is for development, when that was read lately.
    pub(crate) fn fresh_environment(&self, workspace: WorkspaceId) -> Option<bool> {
        let now = self.ctx.monotonic();
        let environments = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        environments.get(&workspace).filter(|(_, at)| now.saturating_sub(*at) < ENVIRONMENT_FOR).map(|(is, _)| *is)
    }

    fn known_environment(&self, workspace: WorkspaceId) -> Option<bool> {
        self.environments.lock().unwrap_or_else(PoisonError::into_inner).get(&workspace).map(|(is, _)| *is)
    }

    /// Whether `workspace` is for development. One that does not exist may do least.
    pub(crate) fn is_development(&self, tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<bool, Error> {
        if let Some(known) = self.fresh_environment(workspace) {
            return Ok(known);
        }
        let found = access::workspace(tx, workspace)?;
        let is = found.is_none_or(|found| found.environment == Environment::Development);
        let mut environments = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        environments.insert(workspace, (is, self.ctx.monotonic()));
        Ok(is)
    }

    /// Remembers whose message went from our address to that handset, for the reply.
    pub(crate) fn remember_conversation(&self, carrier: &str, job: &Job) {
        let key = self.refs.of(&[carrier, job.sender.as_str(), job.destination.digits()]);
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner).remember(key, job.workspace);
    }

    /// Whose message went last from `ours` to `handset`, as far as memory knows.
    pub(crate) fn conversation(&self, carrier: &str, ours: &str, handset: &str) -> Option<WorkspaceId> {
        let key = self.refs.of(&[carrier, ours, handset]);
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner).workspaces.get(&key).copied()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The latest conversations, by a keyed hash; the oldest is forgotten first.
#[derive(Default)]
struct Conversations {
    workspaces: HashMap<u64, WorkspaceId, Hashed>,
    order: std::collections::VecDeque<u64>,
}

impl Conversations {
    fn remember(&mut self, key: u64, workspace: WorkspaceId) {
        if self.workspaces.insert(key, workspace).is_none() {
            self.order.push_back(key);
            if self.order.len() > CONVERSATIONS
                && let Some(oldest) = self.order.pop_front()
            {
                self.workspaces.remove(&oldest);
            }
        }
    }
}

type Counts = HashMap<(WorkspaceId, i64), [i64; 3]>;

/// How many a minute, gathered in memory and added to the table once a second, so that the hot path pays nothing.
#[derive(Default)]
pub(crate) struct Minutes {
    shards: [Mutex<Counts>; 4],
    hasher: RandomState,
}

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Counted {
    Accepted = 0,
    Delivered = 1,
    Failed = 2,
}

impl Minutes {
    pub(crate) fn add(&self, workspace: WorkspaceId, at: Timestamp, what: Counted, count: i64) {
        let minute = at.as_micros().div_euclid(60_000_000);
        let shard = usize::try_from(self.hasher.hash_one(workspace) % 4).unwrap_or(0);
        let mut counts = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        counts.entry((workspace, minute)).or_default()[what as usize] += count;
    }

    /// What was gathered; the table has to be told of it.
    pub(crate) fn take(&self) -> Vec<(WorkspaceId, i64, [i64; 3])> {
        let taken = self
            .shards
            .iter()
            .flat_map(|shard| std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner)));
        taken.map(|((workspace, minute), counts)| (workspace, minute, counts)).collect()
    }

    /// Gives back what could not be written.
    pub(crate) fn give_back(&self, counts: &[(WorkspaceId, i64, [i64; 3])]) {
        for (workspace, minute, [accepted, delivered, failed]) in counts {
            let at = Timestamp::from_micros(minute * 60_000_000);
            self.add(*workspace, at, Counted::Accepted, *accepted);
            self.add(*workspace, at, Counted::Delivered, *delivered);
            self.add(*workspace, at, Counted::Failed, *failed);
        }
    }
}

/// Adds what was counted to the table.
pub(crate) fn write_minutes(tx: &mut Tx<'_>, counts: &[(WorkspaceId, i64, [i64; 3])]) -> Result<(), store::Error> {
    let mut rows: Vec<_> = counts
        .iter()
        .map(|(workspace, minute, [accepted, delivered, failed])| {
            Vec::from(params![*workspace, *minute, *accepted, *delivered, *failed])
        })
        .collect();
    // Two nodes lock the same rows in the same order.
    rows.sort_by_key(|row| format!("{row:?}"));
    tx.execute_many(
        "INSERT INTO message_minutes (workspace, minute, accepted, delivered, failed) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (workspace, minute) DO UPDATE SET accepted = message_minutes.accepted + excluded.accepted,
         delivered = message_minutes.delivered + excluded.delivered, failed = message_minutes.failed + excluded.failed",
        &rows,
    )?;
    Ok(())
}
