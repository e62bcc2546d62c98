//! Unknown outcomes: messages of which nobody knows whether they arrived. How many there are, and what a person decides about
//! them; how they are found is [`list`](crate::Messaging::list) with the state alone.

use std::sync::Arc;

use access::{Authority, Permit, Scope, cap};
use audit::{Entry, Outcome};
use base::{MessageId, Timestamp, WorkspaceId};
use store::{Row, Tx, params};
use uuid::Uuid;

use crate::deliveries::Tell;
use crate::engine::Engine;
use crate::job::{NewNote, StoredOrigin};
use crate::settle_store::{Touched, note, publish};
use crate::state::Event;
use crate::{Error, State, indexes};

/// Messages decided about in one go at most.
pub const DECIDED: usize = 500;
/// Characters of a reason at most.
const REASON: usize = 200;

/// What a person decides about a message of which nobody knows whether it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decide {
    /// It goes again: perhaps twice.
    SendAgain,
    /// The carrier has it, as a person learned elsewhere; what was not handed over yet of a long one goes on.
    Sent,
    /// It does not go again, and counts as failed.
    GiveUp,
}

impl Decide {
    /// Every decision.
    pub const ALL: [Self; 3] = [Self::SendAgain, Self::Sent, Self::GiveUp];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendAgain => "send_again",
            Self::Sent => "sent",
            Self::GiveUp => "give_up",
        }
    }

    /// The decision that is called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decide| decide.name() == name)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::SendAgain => "decided to send it again",
            Self::Sent => "decided that the carrier has it",
            Self::GiveUp => "decided not to send it again",
        }
    }
}

/// The unknown outcomes by one carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFigures {
    /// The carrier.
    pub carrier: String,
    /// How many messages.
    pub messages: u64,
    /// When the oldest of them was accepted.
    pub oldest: Timestamp,
}

/// How many there are by carrier: of the permit's workspace, or of all for one of the organisation.
pub(crate) fn figures<C: access::Cap>(
    tx: &mut Tx<'_>,
    permit: &impl Authority<C>,
) -> Result<Vec<UnknownFigures>, Error> {
    let read = |row: &Row<'_>| {
        Ok(UnknownFigures {
            carrier: row.get("carrier")?,
            messages: u64::try_from(row.get::<i64>("messages")?).unwrap_or(0),
            oldest: row.get("oldest")?,
        })
    };
    let unknown = indexes::unknown(tx.dialect());
    let columns = "carrier, COUNT(*) AS messages, MIN(created_at) AS oldest";
    Ok(match permit.scope() {
        Scope::Workspace(workspace) => tx.query(
            &format!(
                "SELECT {columns} FROM messages WHERE {unknown} AND workspace = $1 GROUP BY carrier ORDER BY carrier"
            ),
            &params![workspace],
            read,
        )?,
        Scope::Organisation => tx.query(
            &format!("SELECT {columns} FROM messages WHERE {unknown} GROUP BY carrier ORDER BY carrier"),
            &params![],
            read,
        )?,
    })
}

/// How many there are in a workspace, counted no further than people read.
pub(crate) fn count(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<u32, Error> {
    let sql = format!(
        "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM messages WHERE {} AND workspace = $1 LIMIT $2) AS u",
        indexes::unknown(tx.dialect())
    );
    Ok(tx.query_one(&sql, &params![workspace, crate::COUNTED], |row| row.get("n"))?)
}

/// One that is to be decided.
struct Found {
    row: i64,
    id: MessageId,
    state: State,
    parts: i64,
    carrier: String,
    origin: Option<StoredOrigin>,
    tell: Tell,
}

fn find(tx: &mut Tx<'_>, workspace: WorkspaceId, id: MessageId) -> Result<Option<Found>, Error> {
    let sql = format!(
        "SELECT id, state, parts, carrier, origin_kind, origin_id, tell FROM messages WHERE umid = $1 AND workspace = $2{}",
        tx.dialect().for_update()
    );
    let found = tx.query_opt(&sql, &params![id, workspace], |row| {
        let origin = row.get::<Option<String>>("origin_kind")?.zip(row.get::<Option<Uuid>>("origin_id")?);
        let found = Found {
            row: row.get("id")?,
            id,
            state: State::Unknown,
            parts: row.get("parts")?,
            carrier: row.get("carrier")?,
            origin: origin.map(|(kind, id)| StoredOrigin { kind, id }),
            tell: Tell::from_code(row.get("tell")?),
        };
        Ok((found, row.get::<i64>("state")?))
    })?;
    let with_state =
        |(found, code)| Ok(Found { state: State::from_code(code).ok_or(Error::Corrupt("state"))?, ..found });
    found.map(with_state).transpose()
}

/// Decides about one; audited, and told in its history with who decided and why.
pub(crate) fn decide(
    tx: &mut Tx<'_>,
    engine: &Arc<Engine>,
    permit: &Permit<cap::MessagesSend>,
    id: MessageId,
    decide: Decide,
    reason: &str,
) -> Result<State, Error> {
    let found = find(tx, permit.workspace(), id)?.ok_or(Error::NotFound)?;
    // Only an unknown one is anybody's to decide; a claimed one is the dispatcher's.
    if found.state != State::Unknown {
        return Err(Error::NothingToDecide(found.state));
    }
    let now = engine.ctx.now();
    let goes_on = decide == Decide::Sent && goes_on(tx, &found)?;
    let event = match decide {
        Decide::SendAgain => Event::SendAgain,
        Decide::Sent if goes_on => Event::SendAgain,
        Decide::Sent => Event::TakenForSent,
        Decide::GiveUp => Event::GaveUp,
    };
    let next = found.state.after(event).map_err(|_| Error::NothingToDecide(found.state))?;
    let reason: String = reason.trim().chars().filter(|letter| !letter.is_control()).take(REASON).collect();
    let who = permit.actor().principal.name();
    let text = match reason.as_str() {
        "" => format!("{who} {}", decide.words()),
        why => format!("{who} {}: {why}", decide.words()),
    };
    let queued = next == State::Queued;
    let again = decide == Decide::SendAgain;
    tx.execute(
        "UPDATE messages SET state = $2, due_at = CASE WHEN $3 THEN $4 ELSE due_at END, reason = $5, done_at = $6,
         submitted_at = CASE WHEN $8 THEN COALESCE(submitted_at, $4) ELSE submitted_at END,
         carrier_ref = CASE WHEN $7 THEN NULL ELSE carrier_ref END, receipt = CASE WHEN $7 THEN NULL ELSE receipt END,
         receipt_at = CASE WHEN $7 THEN NULL ELSE receipt_at END WHERE id = $1",
        &params![
            found.row,
            next.code(),
            queued,
            now,
            &text,
            next.is_terminal().then_some(now),
            again,
            decide == Decide::Sent
        ],
    )?;
    note(tx, found.row, now, &NewNote { kind: "decided", part: None, text: text.clone() })?;
    publish(tx, id, permit.workspace(), found.origin.as_ref(), found.tell, next, None, Some(&text), now)?;
    let target = found.id.to_string();
    audit::record(
        tx,
        Entry {
            actor: permit.actor(),
            workspace: Some(permit.workspace()),
            action: "message.decide",
            target: ("message", &target),
            outcome: Outcome::Success,
            reason: Some(&text),
            changes: None,
        },
    )?;
    let mut touched = Touched::default();
    touched.message(permit.workspace(), Some(id));
    touched.announce(tx);
    let (engine, carrier) = (Arc::clone(engine), found.carrier);
    tx.after_commit(move || match engine.lane(&carrier) {
        Some(lane) if queued => {
            for side in [&lane.alerts, &lane.others] {
                side.set_backlog();
            }
            lane.wake.notify_one();
        }
        _ => engine.reroute.notify_one(),
    });
    Ok(next)
}

/// Takes the parts in doubt of a long message for sent; whether parts are left that were never handed over.
fn goes_on(tx: &mut Tx<'_>, found: &Found) -> Result<bool, Error> {
    if found.parts < 2 {
        return Ok(false);
    }
    tx.execute("UPDATE message_parts SET state = 2 WHERE message = $1 AND state = 3", &params![found.row])?;
    let sql = "SELECT COUNT(*) FROM message_parts WHERE message = $1 AND state >= 2";
    Ok(tx.query_one(sql, &params![found.row], |row| row.get::<i64>(0))? < found.parts)
}
