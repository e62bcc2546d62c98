//! One task for each lane that claims waiting messages in batches, as room allows, and opens them for the
//! dispatcher. What came by way of [`accept`](crate::Messaging::accept) or
//! [`submit`](crate::Messaging::submit) with room at hand never passes here.

use std::sync::Arc;
use std::time::Duration;

use base::{MessageId, Timestamp, WorkspaceId};
use routing::{Class, Sender};
use sms::Number;
use store::{Row, Tx, params};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;
use vault::Aad;

use crate::asked::Asked;
use crate::engine::Engine;
use crate::inbox::Telling;
use crate::job::{Job, Key, Outcome, StoredOrigin};
use crate::lane::Lane;
use crate::octets::{Body, encoding};
use crate::state::Event;
use crate::{Error, State, indexes};

/// Claimed in one transaction at most.
const BATCH: usize = 512;
/// The poll that decides when nothing woke the claimer.
const POLL: Duration = Duration::from_secs(1);

/// Runs until the lane stops.
pub(crate) async fn run(engine: Arc<Engine>, lane: Arc<Lane>) {
    // What was announced as due and is not yet.
    let mut due: Option<Timestamp> = None;
    loop {
        let now = engine.ctx.now();
        due = [due.filter(|due| *due > now), lane.take_due()].into_iter().flatten().min();
        let sleep = due.map_or(POLL, |due| due.since(now)).clamp(Duration::from_millis(5), POLL);
        tokio::select! {
            () = lane.stop.cancelled() => return,
            () = lane.wake.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
        for classes in [&[Class::Alert][..], &[Class::Otp, Class::Transactional, Class::Marketing]] {
            // While the carrier is down they wait in the table, so that another one can have them.
            while let Some(most) = lane.admits(engine.ctx.monotonic(), BATCH)
                && !lane.stop.is_cancelled()
                && turn(&engine, &lane, classes, most).await
            {}
        }
    }
}

/// Claims one batch; whether there may be more and room for it.
async fn turn(engine: &Arc<Engine>, lane: &Arc<Lane>, classes: &'static [Class], most: usize) -> bool {
    let side = lane.side(classes[0]);
    let Some(mut room) = side.reserve(most) else { return false };
    let most = room.num_permits();
    // Known before looking: what is stored later may not be seen.
    let quiet = side.is_quiet();
    let (carrier, epoch, now) = (Arc::clone(&lane.name), engine.epoch(), engine.ctx.now());
    let look = move |tx: &mut Tx<'_>| claim(tx, &carrier, epoch, classes, now, most);
    let urgent = classes.contains(&Class::Alert);
    let claimed = if urgent { engine.db.write(look).await } else { engine.db.write_bulk(look).await };
    let claimed = match claimed {
        Ok(claimed) => claimed,
        Err(error) => {
            side.set_backlog();
            tracing::warn!(carrier = %lane.name, error = &error as &dyn std::error::Error, "waiting messages could not be claimed");
            return false;
        }
    };
    if !claimed.is_empty() {
        lane.admitted(engine.ctx.monotonic());
    }
    let full = claimed.len() >= most;
    if full {
        side.set_backlog();
    }
    let rows = Arc::new(claimed);
    let opened = {
        let (vault, rows) = (engine.vault.clone(), Arc::clone(&rows));
        engine.db.read(move |tx| Ok::<_, Error>(rows.iter().map(|row| row.open(tx, &vault)).collect::<Vec<_>>())).await
    };
    let opened = opened.unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "claimed messages could not be opened");
        rows.iter().map(|_| Err(Opening::Later)).collect()
    });
    for (row, opened) in rows.iter().zip(opened) {
        hand_over(engine, lane, row, opened, room.split(1));
    }
    full || side.drained(quiet)
}

/// To the dispatcher, or back: what is claimed ends as an outcome in any case.
fn hand_over(
    engine: &Engine,
    lane: &Lane,
    row: &Claimed,
    opened: Result<(Number, Body), Opening>,
    room: Option<OwnedSemaphorePermit>,
) {
    let now = engine.ctx.now();
    let mut outcome = Outcome::new(row.key.clone(), engine.epoch(), &lane.name, State::Queued, now);
    outcome.due_at = Some(now);
    match (opened, room) {
        (Ok((destination, body)), Some(room)) => {
            match lane.side(row.key.class).push(row.job(engine, destination, body, room)) {
                Ok(()) => return,
                // The lane has stopped.
                Err(job) => outcome.room = Some(job.room),
            }
        }
        // More rows than places: PostgreSQL may evaluate a LIMIT twice.
        (Ok(_), None) => {}
        (Err(Opening::Later), room) => {
            outcome.due_at = Some(now.plus(POLL));
            outcome.room = room;
        }
        (Err(Opening::Never), room) => {
            outcome.state = State::Claimed.after(Event::GaveUp).unwrap_or(State::Failed);
            outcome.due_at = None;
            outcome.reason =
                Some("its text or number cannot be opened any more: the key is gone or the row was altered".to_owned());
            outcome.room = room;
        }
    }
    engine.settle(outcome);
}

/// Why a row could not be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening {
    Later,
    Never,
}

/// A row as it comes from the table.
pub(crate) struct Claimed {
    pub(crate) key: Key,
    pub(crate) sender: String,
    pub(crate) carrier: String,
    pub(crate) due_at: Timestamp,
    destination: String,
    body: String,
    /// As stored: says how the body is to be read.
    code: i64,
    expires_at: Option<Timestamp>,
    attempts: u32,
    sent: u16,
    /// Nothing else is remembered of how it was submitted.
    alone: bool,
    submitter: String,
    created_at: Timestamp,
}

/// The columns that [`Claimed`] reads.
pub(crate) const COLUMNS: &str = "id, umid, workspace, class, encoding, parts, attempts, due_at, expires_at, carrier, sender, \
     origin_kind, origin_id, destination, body, tell, submitter, created_at";

impl Claimed {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, store::Error> {
        let asked = Asked::stored(row.get("tell")?);
        let (kind, origin) = (row.get::<Option<String>>("origin_kind")?, row.get::<Option<Uuid>>("origin_id")?);
        Ok(Self {
            key: Key {
                row: row.get("id")?,
                id: row.get::<MessageId>("umid")?,
                workspace: row.get::<WorkspaceId>("workspace")?,
                class: Class::from_code(row.get("class")?),
                origin: kind.zip(origin).map(|(kind, id)| StoredOrigin { kind, id }),
                parts: usize::try_from(row.get::<i64>("parts")?).unwrap_or(1),
                tell: asked.tell(),
                passing: asked.passing(),
                telling: None,
            },
            sender: row.get("sender")?,
            carrier: row.get("carrier")?,
            due_at: row.get("due_at")?,
            destination: row.get("destination")?,
            body: row.get("body")?,
            code: row.get("encoding")?,
            expires_at: row.get("expires_at")?,
            attempts: row.get("attempts")?,
            sent: 0,
            alone: !asked.passing() && !asked.together() && asked.first(row.get("id")?).is_none(),
            submitter: row.get("submitter")?,
            created_at: row.get("created_at")?,
        })
    }

    /// Number and text. `Later` when only the database failed.
    pub(crate) fn open(&self, tx: &mut Tx<'_>, vault: &vault::Vault) -> Result<(Number, Body), Opening> {
        let id = self.key.id.to_string();
        let workspace = Some(self.key.workspace);
        let mut open = |column, sealed: &str| {
            let aad = Aad { table: "messages", column, row: &id };
            let opened = vault.open(tx, workspace, &aad, sealed).map_err(|error| match error {
                vault::Error::Store(_) => Opening::Later,
                _ => Opening::Never,
            })?;
            Ok(opened.to_vec())
        };
        let number = String::from_utf8(open("destination", &self.destination)?).map_err(|_| Opening::Never)?;
        let number = Number::from_carrier(&number).map_err(|_| Opening::Never)?;
        let body = Body::opened(self.code, open("body", &self.body)?).ok_or(Opening::Never)?;
        Ok((number, body))
    }

    /// Whether its time ran out.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    fn job(&self, engine: &Engine, destination: Number, body: Body, room: OwnedSemaphorePermit) -> Job {
        let (to, at) = (&destination, self.created_at);
        let telling =
            Telling::of(&engine.desks, &self.submitter, self.key.tell, self.key.id, &self.sender, to, at, &body)
                .filter(|_| self.alone);
        Job {
            row: self.key.row,
            id: self.key.id,
            workspace: self.key.workspace,
            class: self.key.class,
            origin: self.key.origin.clone(),
            sender: sender(&self.sender),
            destination,
            body,
            encoding: encoding(self.code),
            parts: self.key.parts,
            expires_at: self.expires_at,
            attempts: self.attempts,
            sent: self.sent,
            tell: self.key.tell,
            passing: self.key.passing,
            telling,
            room,
        }
    }
}

/// A source address as stored.
pub(crate) fn sender(text: &str) -> Sender {
    text.parse().unwrap_or_else(|_| Sender::Name(text.to_owned()))
}

/// Claims up to `most` due messages of `classes`, the most urgent class first.
fn claim(
    tx: &mut Tx<'_>,
    carrier: &str,
    epoch: i64,
    classes: &[Class],
    now: Timestamp,
    most: usize,
) -> Result<Vec<Claimed>, Error> {
    let mut claimed = Vec::new();
    let sql = format!(
        "UPDATE messages SET state = 1, claimed_by = $1 WHERE id IN (SELECT id FROM messages WHERE {} AND carrier = $2
         AND class = $3 AND due_at <= $4 ORDER BY due_at, id LIMIT $5{}) RETURNING {COLUMNS}",
        indexes::queued(tx.dialect()),
        tx.dialect().skip_locked()
    );
    for class in classes {
        let rest = i64::try_from(most - claimed.len()).unwrap_or(0);
        if rest > 0 {
            claimed.extend(tx.query(&sql, &params![epoch, carrier, class.code(), now, rest], Claimed::read)?);
        }
    }
    claimed.sort_by_key(|row| (row.key.class, row.due_at, row.key.row));
    for row in claimed.iter_mut().filter(|row| row.key.parts > 1) {
        let sent = tx.query(
            "SELECT part FROM message_parts WHERE message = $1 AND ((state >= 2 AND state <> 3) OR carrier_ref IS NOT NULL)",
            &params![row.key.row],
            |part| part.get::<i64>(0),
        )?;
        row.sent = sent.into_iter().filter(|part| (1..=16).contains(part)).fold(0, |bits, part| bits | 1 << (part - 1));
    }
    Ok(claimed)
}
