//! Taking messages: what is asked is checked, routed and sealed outside the writer, stored in one transaction with
//! whatever else queued during the last commit, and answered after it. What its carrier has room for is claimed in that
//! same insert and goes straight to the dispatcher.

use std::sync::Arc;

use access::{Permit, cap};
use base::{MessageId, Timestamp, WorkspaceId};
use routing::{Class, Decision, Query};
use sms::Encoding;
use store::{Tx, Value, params};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use vault::{Aad, BlindIndex, DataKey, IndexKey, Purpose};

use crate::asked::Asked;
use crate::deliveries::Tell;
use crate::engine::{Counted, Engine};
use crate::inbox::Telling;
use crate::job::{Job, Outcome, StoredOrigin};
use crate::lane::{Lane, Place};
use crate::model::{Accepted, New};
use crate::news;
use crate::numbers::segment;
use crate::octets::Body;
use crate::reply::Reply;
use crate::settle_store::Touched;
use crate::{Error, State, meters};

/// Messages stored in one transaction at most.
const BATCH: usize = 512;
/// Messages that may wait for their transaction; beyond it callers are told to slow down.
pub(crate) const QUEUE: usize = 8_192;
/// Tries to learn what became of a commit whose answer was lost.
const LOOK_UPS: u32 = 20;

const MOST_CLIENT_REF: usize = 350;

/// The keys of one workspace for now.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) data: DataKey,
    pub(crate) index: IndexKey,
    pub(crate) development: bool,
}

/// A message ready to be stored.
pub(crate) struct Prepared {
    id: MessageId,
    umid: String,
    workspace: WorkspaceId,
    new: New,
    decision: Decision,
    encoding: Encoding,
    parts: usize,
    content: Body,
    destination: String,
    body: String,
    callback: Option<String>,
    client_ip: Option<String>,
    blind: BlindIndex,
    submitter: String,
    telling: Option<Arc<Telling>>,
    created_at: Timestamp,
    due_at: Timestamp,
    /// The number of its batch.
    batch: Option<i64>,
}

/// A message on its way into the table, and who waits for it.
pub(crate) struct Submit {
    /// Apart, because it changes hands several times and is large.
    pub(crate) prepared: Box<Prepared>,
    pub(crate) place: Place,
    pub(crate) reply: Reply<Accepted>,
}

/// The keys that memory has at hand.
pub(crate) fn cached_keys(engine: &Engine, workspace: WorkspaceId, now: Timestamp) -> Option<Keys> {
    Some(Keys {
        data: engine.vault.cached_key(Some(workspace), Purpose::Messages, now)?,
        index: engine.vault.cached_index_key(Some(workspace), now)?,
        development: engine.fresh_environment(workspace)?,
    })
}

/// The keys, made where there are none yet.
pub(crate) fn keys(engine: &Engine, tx: &mut Tx<'_>, workspace: WorkspaceId, now: Timestamp) -> Result<Keys, Error> {
    Ok(Keys {
        data: engine.vault.data_key(tx, Some(workspace), Purpose::Messages, now)?,
        index: engine.vault.index_key(tx, Some(workspace), now)?,
        development: engine.is_development(tx, workspace)?,
    })
}

/// Checks, routes and seals.
pub(crate) fn prepare(
    engine: &Engine,
    permit: &Permit<cap::MessagesSend>,
    keys: &Keys,
    mut new: New,
    now: Timestamp,
) -> Result<Box<Prepared>, Error> {
    let content = match new.octets.take() {
        Some(octets) => Body::Octets(octets),
        None => Body::Text(std::mem::take(&mut new.text)),
    };
    if new.client_ref.as_ref().is_some_and(|text| text.chars().count() > MOST_CLIENT_REF) {
        return Err(Error::TooLong { field: "clientMessageId", most: MOST_CLIENT_REF });
    }
    if new.tell == Tell::Each && new.callback.is_none() && !engine.listens(permit.workspace()) {
        new.tell = Tell::Nothing;
    }
    let due_at = new.scheduled.unwrap_or(now).max(now);
    if new.expires_at.is_some_and(|at| at <= due_at) {
        return Err(Error::Expired);
    }
    let (encoding, parts) = content.measure(new.encoding)?;
    let workspace = permit.workspace();
    let (to, sender) = (new.to.digits(), new.sender.as_ref());
    let decision = engine.decide(&Query::first(workspace, keys.development, to, new.class, sender))?;
    if new.class == Class::Alert {
        engine.alerts_now();
    }
    let id: MessageId = engine.ctx.id();
    let umid = id.to_string();
    let seal = |column, plain: &[u8]| {
        keys.data.seal(engine.ctx.chance(), &Aad { table: "messages", column, row: &umid }, plain)
    };
    let submitter = permit.actor().principal.key();
    let (sender, tell) = (decision.sender.as_str(), new.tell);
    // One of several that were submitted together is told by what the store knows of the others.
    let alone = !new.passing && !new.together && new.submission.is_none();
    let telling = Telling::of(&engine.desks, &submitter, tell, id, sender, &new.to, now, &content).filter(|_| alone);
    Ok(Box::new(Prepared {
        destination: seal("destination", new.to.digits().as_bytes()),
        body: seal("body", content.octets()),
        callback: new.callback.take().map(|url| seal("callback", url.as_bytes())),
        client_ip: new.client_ip.map(|address| seal("client_ip", address.to_string().as_bytes())),
        content,
        blind: keys.index.index(new.to.digits()),
        telling,
        submitter,
        id,
        umid,
        workspace,
        new,
        decision,
        encoding,
        parts,
        created_at: now,
        due_at,
        batch: None,
    }))
}

impl Prepared {
    /// When it was accepted and where its steps are told, if somebody listens to them.
    pub(crate) fn listened(&self) -> Option<(Timestamp, Option<&str>)> {
        (self.new.tell == Tell::Each).then_some((self.created_at, self.callback.as_deref()))
    }

    /// Where the person is for whom it is sent, sealed.
    pub(crate) fn client_ip(&self) -> Option<&str> {
        self.client_ip.as_deref()
    }

    /// As one of a batch.
    pub(crate) const fn of_batch(&mut self, batch: Option<i64>) {
        self.batch = batch;
    }

    /// The lane in which it waits for its carrier; `None` when its time has not come, or there is no such lane now.
    fn lane(&self, engine: &Engine) -> Option<Arc<Lane>> {
        if self.due_at > self.created_at { None } else { engine.lane(&self.decision.carrier) }
    }

    /// Its place in that lane.
    pub(crate) fn place(&self, engine: &Engine) -> Place {
        let place = |lane: &Arc<Lane>| lane.place(self.new.class, engine.ctx.monotonic());
        self.lane(engine).as_ref().map_or(Place::Table(None), place)
    }

    /// Its place, unless its lane is busy.
    fn place_now(&self, engine: &Engine) -> Option<Place> {
        match self.lane(engine) {
            Some(lane) => lane.place_now(self.new.class, engine.ctx.monotonic()),
            None => Some(Place::Table(None)),
        }
    }

    async fn place_soon(&self, engine: &Engine) -> Place {
        match self.lane(engine) {
            Some(lane) => lane.place_soon(self.new.class, engine.ctx.monotonic()).await,
            None => Place::Table(None),
        }
    }

    fn accepted(&self, row: i64) -> Accepted {
        Accepted {
            id: self.id,
            number: row,
            parts: self.parts,
            encoding: self.encoding,
            carrier: self.decision.carrier.clone(),
            sender: self.decision.sender.clone(),
            note: self.decision.unusual.then(|| self.decision.explanation()),
        }
    }

    fn values(&self, row: i64, claimed_by: Option<i64>) -> Vec<Value<'_>> {
        let state = if claimed_by.is_some() { State::Claimed } else { State::Queued };
        let origin = self.new.origin.as_ref();
        // In the row itself, so that a carrier that is down costs no second one for each message.
        let routed = self.decision.unusual.then(|| self.decision.explanation());
        Vec::from(params![
            row,
            &self.umid,
            segment(row),
            self.workspace,
            state.code(),
            self.new.class.code(),
            self.content.code(self.encoding),
            i64::try_from(self.parts).unwrap_or(i64::MAX),
            self.created_at,
            self.due_at,
            self.new.expires_at,
            claimed_by,
            &self.decision.carrier,
            self.decision.sender.as_str(),
            routed,
            &self.submitter,
            self.new.client_ref.as_deref(),
            origin.map(|origin| origin.kind),
            origin.map(|origin| origin.id),
            self.blind,
            &self.destination,
            &self.body,
            Asked::of(&self.new, row).column(),
            self.batch
        ])
    }

    /// Copies what the dispatcher needs: the database may hold its share of a batch a moment longer.
    fn job(&self, row: i64, room: OwnedSemaphorePermit) -> Job {
        Job {
            row,
            id: self.id,
            workspace: self.workspace,
            class: self.new.class,
            origin: self.new.origin.as_ref().map(|origin| StoredOrigin { kind: origin.kind.to_owned(), id: origin.id }),
            sender: self.decision.sender.clone(),
            destination: self.new.to.clone(),
            body: self.content.clone(),
            encoding: self.encoding,
            parts: self.parts,
            expires_at: self.new.expires_at,
            attempts: 0,
            sent: 0,
            tell: self.new.tell,
            passing: self.new.passing,
            telling: self.telling.clone(),
            room,
        }
    }
}

const INSERT: &str = "INSERT INTO messages (id, umid, segment, workspace, state, class, encoding, parts, created_at, due_at, \
     expires_at, claimed_by, carrier, sender, routed, submitter, client_ref, origin_kind, origin_id, blind, destination, body, \
     tell, batch, attempts, throttled, unknown_outcomes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
     $17, $18, $19, $20, $21, $22, $23, $24, 0, 0, 0)";

/// Stores one message in the caller's transaction and hands it over when that is on disk.
pub(crate) fn accept(
    engine: &Arc<Engine>,
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesSend>,
    new: New,
) -> Result<Accepted, Error> {
    let now = engine.ctx.now();
    let keys = keys(engine, tx, permit.workspace(), now)?;
    let prepared = prepare(engine, permit, &keys, new, now)?;
    let place = prepared.place(engine);
    let row = engine.numbers.take(tx, 1)?[0];
    let accepted = prepared.accepted(row);
    let claimed_by = place.is_room().then(|| engine.epoch());
    tx.send(INSERT, &prepared.values(row, claimed_by))?;
    news::accepted(tx, std::iter::once((row, &*prepared)))?;
    news::client_ips(tx, std::iter::once((row, &*prepared)))?;
    let mut touched = Touched::default();
    touched.message(prepared.workspace, Some(prepared.id));
    touched.announce(tx);
    let engine = Arc::clone(engine);
    tx.after_commit(move || hand_over(&engine, &prepared, row, place));
    Ok(accepted)
}

/// After the commit: to the dispatcher, or a word to the claimer.
fn hand_over(engine: &Engine, prepared: &Prepared, row: i64, place: Place) {
    engine.minutes.add(prepared.workspace, prepared.created_at, Counted::Accepted, 1);
    meters::ACCEPTED.add(&[prepared.new.class.name(), &prepared.decision.carrier], 1);
    let lane = engine.lane(&prepared.decision.carrier);
    match (lane, place) {
        (Some(lane), Place::Room(room)) => {
            let side = lane.side(prepared.new.class);
            if let Err(job) = side.push(prepared.job(row, room)) {
                // The lane stopped between the reservation and now: whoever follows it finds the message released.
                release(engine, &lane, *job);
            }
        }
        (Some(lane), Place::Table(tabled)) => {
            // From here on a look of the claimer finds it.
            drop(tabled);
            lane.due_at(prepared.due_at);
            lane.wake.notify_one();
        }
        // No lane any more: the rerouter finds it in the table.
        (None, _) => engine.reroute.notify_one(),
    }
}

fn release(engine: &Engine, lane: &Lane, job: Job) {
    let now = engine.ctx.now();
    let mut outcome = Outcome::new(job.key(), engine.epoch(), &lane.name, State::Queued, now);
    outcome.due_at = Some(now);
    outcome.room = Some(job.room);
    engine.settle(outcome);
}

/// The keys for now, from memory or the database.
pub(crate) async fn at_hand(engine: &Arc<Engine>, workspace: WorkspaceId, now: Timestamp) -> Result<Keys, Error> {
    if let Some(keys) = cached_keys(engine, workspace, now) {
        return Ok(keys);
    }
    let shared = Arc::clone(engine);
    // Apart, because it is rare and large: every submit would carry it along.
    Box::pin(engine.db.write(move |tx| keys(&shared, tx, workspace, now))).await
}

/// A message that has no place in the queue yet.
#[derive(Debug)]
pub struct Later(Before, Reply<Accepted>);

/// What it waits for.
enum Before {
    /// The workspace's keys.
    Keys(Box<New>),
    /// Its carrier.
    Room(Box<Prepared>),
}

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keys(_) => "Keys",
            Self::Room(_) => "Room",
        })
    }
}

/// Puts a message into the queue of the intake if nothing has to be waited for. One that is refused is told so.
pub(crate) fn enqueue_now(
    engine: &Engine,
    queue: &mpsc::Sender<Submit>,
    permit: &Permit<cap::MessagesSend>,
    new: New,
    reply: Reply<Accepted>,
) -> Result<(), Later> {
    let now = engine.ctx.now();
    let Some(keys) = cached_keys(engine, permit.workspace(), now) else {
        return Err(Later(Before::Keys(Box::new(new)), reply));
    };
    match prepare(engine, permit, &keys, new, now) {
        Ok(prepared) => match prepared.place_now(engine) {
            Some(place) => push(queue, Submit { prepared, place, reply }),
            None => return Err(Later(Before::Room(prepared), reply)),
        },
        Err(error) => reply.say(Err(error)),
    }
    Ok(())
}

/// Waits for a place in the queue of the intake. One that is refused is told so.
pub(crate) async fn enqueue_later(
    engine: &Arc<Engine>,
    queue: &mpsc::Sender<Submit>,
    permit: &Permit<cap::MessagesSend>,
    Later(before, reply): Later,
) {
    let prepared = match before {
        Before::Room(prepared) => Ok(prepared),
        Before::Keys(new) => {
            let now = engine.ctx.now();
            let keys = at_hand(engine, permit.workspace(), now).await;
            keys.and_then(|keys| prepare(engine, permit, &keys, *new, now))
        }
    };
    match prepared {
        Ok(prepared) => {
            let place = prepared.place_soon(engine).await;
            push(queue, Submit { prepared, place, reply });
        }
        Err(error) => reply.say(Err(error)),
    }
}

fn push(queue: &mpsc::Sender<Submit>, submit: Submit) {
    match queue.try_send(submit) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(submit)) => submit.reply.say(Err(Error::Busy)),
        Err(mpsc::error::TrySendError::Closed(submit)) => submit.reply.say(Err(Error::Stopped)),
    }
}

/// The task: commits what queued during the last commit, until `stop`.
pub(crate) async fn run(engine: Arc<Engine>, mut queue: mpsc::Receiver<Submit>, stop: CancellationToken) {
    let mut taken = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            taken = queue.recv_many(&mut taken, BATCH) => if taken == 0 { return },
            () = stop.cancelled() => {
                queue.close();
                while queue.recv_many(&mut taken, BATCH).await > 0 {
                    store_batch(&engine, &mut taken).await;
                }
                return;
            }
        }
        store_batch(&engine, &mut taken).await;
    }
}

pub(crate) async fn store_batch(engine: &Arc<Engine>, taken: &mut Vec<Submit>) {
    let (mut prepared, mut waiting) = (Vec::with_capacity(taken.len()), Vec::with_capacity(taken.len()));
    for submit in taken.drain(..) {
        let claimed_by = submit.place.is_room().then(|| engine.epoch());
        prepared.push((submit.prepared, claimed_by));
        waiting.push((submit.place, submit.reply));
    }
    let prepared = Arc::new(prepared);
    let stored = {
        let (engine, prepared) = (Arc::clone(engine), Arc::clone(&prepared));
        let db = engine.db.clone();
        // An alert makes the batch that it came with urgent.
        let urgent = prepared.iter().any(|(prepared, _)| prepared.new.class == Class::Alert);
        let store = move |tx: &mut Tx<'_>| insert(tx, &engine, &prepared);
        if urgent { db.write(store).await } else { db.write_bulk(store).await }
    };
    let rows = match stored {
        Ok(rows) => rows.into_iter().map(Some).collect(),
        Err(Error::Store(store::Error::CommitUnknown(cause))) => {
            tracing::warn!(
                error = &*cause as &dyn std::error::Error,
                "the answer to a commit was lost; looking whether it is in"
            );
            look_up(engine, &prepared).await
        }
        Err(error) => {
            tracing::warn!(
                messages = prepared.len(),
                error = &error as &dyn std::error::Error,
                "messages could not be stored and were refused"
            );
            for (_, reply) in waiting {
                reply.say(Err(refusal(&error)));
            }
            return;
        }
    };
    for (((prepared, _), row), (place, reply)) in prepared.iter().zip(rows).zip(waiting) {
        let answer = match row {
            Some(row) => {
                let accepted = prepared.accepted(row);
                hand_over(engine, prepared, row, place);
                Ok(accepted)
            }
            None => Err(Error::Unwritten),
        };
        reply.say(answer);
    }
}

/// The same refusal for each of many callers.
pub(crate) fn refusal(error: &Error) -> Error {
    match error {
        Error::Store(cause) => Error::Store(cause.clone()),
        _ => Error::Unwritten,
    }
}

fn insert(tx: &mut Tx<'_>, engine: &Engine, prepared: &[(Box<Prepared>, Option<i64>)]) -> Result<Vec<i64>, Error> {
    let rows = engine.numbers.take(tx, prepared.len())?;
    let values: Vec<_> =
        prepared.iter().zip(&rows).map(|((prepared, claimed_by), row)| prepared.values(*row, *claimed_by)).collect();
    tx.execute_many(INSERT, &values)?;
    news::accepted(tx, rows.iter().copied().zip(prepared.iter().map(|(prepared, _)| &**prepared)))?;
    news::client_ips(tx, rows.iter().copied().zip(prepared.iter().map(|(prepared, _)| &**prepared)))?;
    let mut touched = Touched::default();
    for (prepared, _) in prepared {
        touched.message(prepared.workspace, Some(prepared.id));
    }
    touched.announce(tx);
    Ok(rows)
}

/// Which of a batch are in the table, after the answer to their commit was lost.
async fn look_up(engine: &Arc<Engine>, prepared: &Arc<Vec<(Box<Prepared>, Option<i64>)>>) -> Vec<Option<i64>> {
    for attempt in 0..LOOK_UPS {
        let batch = Arc::clone(prepared);
        let found = engine.db.read(move |tx| {
            let find = |(prepared, _): &(Box<Prepared>, Option<i64>)| {
                tx.query_opt("SELECT id FROM messages WHERE umid = $1", &params![&prepared.umid], |row| {
                    row.get::<i64>(0)
                })
            };
            batch.iter().map(find).collect::<Result<Vec<_>, store::Error>>()
        });
        match found.await {
            Ok(found) => return found,
            Err(error) => {
                tracing::warn!(attempt, error = &error as &dyn std::error::Error, "still looking for a lost commit");
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        }
    }
    vec![None; prepared.len()]
}
