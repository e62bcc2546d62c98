//! The SQL of outcomes and receipts.

use base::{MessageId, Timestamp, WorkspaceId};
use store::{Tx, params};

use crate::deliveries::{Tell, tell, tell_passing};
use crate::engine::{Counted, Engine};
use crate::inbox::Handed;
use crate::job::{NewNote, Outcome, StoredOrigin};
use crate::model::Changed;
use crate::news;
use crate::numbers::segment;
use crate::state::aggregate;
use crate::{CHANGED, Error, State, meters};

/// What a batch came to.
#[derive(Default)]
pub(crate) struct Applied {
    /// For each careful receipt: whether nothing more is expected for its part.
    pub(crate) ended: Vec<bool>,
    counted: Vec<(WorkspaceId, Timestamp, bool)>,
    /// Ends whose application is told in memory.
    pub(crate) handed: Vec<Handed>,
    /// Whether there may be ends that are told from the store.
    pub(crate) look: bool,
}

impl Applied {
    pub(crate) fn ended_as(&mut self, workspace: WorkspaceId, at: Timestamp, state: State) {
        if state.is_terminal() {
            self.counted.push((workspace, at, state == State::Delivered));
        }
    }

    /// Adds the ends of messages to the charts; only after the commit.
    pub(crate) fn count(&self, engine: &Engine) {
        for (workspace, at, delivered) in &self.counted {
            engine.minutes.add(*workspace, *at, if *delivered { Counted::Delivered } else { Counted::Failed }, 1);
            meters::ENDED.add(&[if *delivered { "delivered" } else { "failed" }], 1);
        }
    }
}

/// What live pages are told: each message of a small batch, each workspace of a large one.
#[derive(Default)]
pub(crate) struct Touched {
    messages: Vec<(WorkspaceId, Option<MessageId>)>,
}

/// Above this many, a page is told to look again rather than at what.
const EACH: usize = 16;

impl Touched {
    pub(crate) fn message(&mut self, workspace: WorkspaceId, message: Option<MessageId>) {
        self.messages.push((workspace, message));
    }

    pub(crate) fn announce(mut self, tx: &mut Tx<'_>) {
        if self.messages.len() > EACH {
            for (_, message) in &mut self.messages {
                *message = None;
            }
        }
        self.messages.sort_unstable();
        self.messages.dedup();
        for (workspace, message) in self.messages {
            let id = message.map_or_else(|| "*".to_owned(), |message| message.to_string());
            tx.touched(store::Changed { workspace: Some(workspace), topic: crate::TOPIC, id });
        }
    }
}

/// Writes outcomes; the usual ones in one prepared loop.
pub(crate) fn outcomes(
    tx: &mut Tx<'_>,
    outcomes: &[Outcome],
    applied: &mut Applied,
    touched: &mut Touched,
) -> Result<(), Error> {
    let plain: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.is_plain_success())
        .map(|outcome| {
            touched.message(outcome.key.workspace, Some(outcome.key.id));
            let carrier_ref = outcome.parts.first().and_then(|part| part.carrier_ref.as_deref());
            Vec::from(params![outcome.key.row, carrier_ref, outcome.at, outcome.epoch])
        })
        .collect();
    let written = tx.change_many(
        "UPDATE messages SET state = 2, carrier_ref = $2, submitted_at = $3, attempts = attempts + 1, claimed_by = NULL,
         reason = NULL, error = NULL WHERE id = $1 AND claimed_by = $4",
        &plain,
    )?;
    let passing: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.key.passing && outcome.is_plain_success())
        .map(|outcome| (outcome.key.row, outcome.at))
        .collect();
    if !passing.is_empty() {
        applied.look = true;
        tell_passing(tx, &passing)?;
    }
    if written < plain.len() as u64 {
        tracing::warn!(
            messages = plain.len() as u64 - written,
            "carriers took messages that another node had meanwhile put in doubt"
        );
    }
    let listened = |outcome: &&Outcome| outcome.is_plain_success() && outcome.key.tell == Tell::Each;
    news::sent_many(tx, outcomes.iter().filter(listened).map(|outcome| (outcome.key.row, outcome.at)))?;
    for outcome in outcomes.iter().filter(|outcome| !outcome.is_plain_success()) {
        applied.look = true;
        careful_outcome(tx, outcome, applied, touched)?;
    }
    Ok(())
}

fn careful_outcome(
    tx: &mut Tx<'_>,
    outcome: &Outcome,
    applied: &mut Applied,
    touched: &mut Touched,
) -> Result<(), Error> {
    let key = &outcome.key;
    if key.parts > 1 {
        for part in &outcome.parts {
            tx.execute(
                "INSERT INTO message_parts (message, part, segment, state, carrier, carrier_ref, submitted_at, error, unknown_outcome)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (message, part) DO UPDATE SET state = excluded.state, carrier = excluded.carrier,
                 carrier_ref = COALESCE(excluded.carrier_ref, message_parts.carrier_ref),
                 submitted_at = COALESCE(excluded.submitted_at, message_parts.submitted_at), error = excluded.error,
                 unknown_outcome = message_parts.unknown_outcome OR excluded.unknown_outcome
                 WHERE message_parts.receipt_at IS NULL",
                &params![
                    key.row,
                    part_number(part.part),
                    segment(key.row),
                    part.state.code(),
                    &outcome.carrier,
                    part.carrier_ref.as_deref(),
                    (part.state == State::Sent).then_some(part.at),
                    part.error.as_deref(),
                    part.state == State::Unknown
                ],
            )?;
        }
    }
    // Receipts of the first parts may have come while the last was on its way.
    let state = match outcome.state {
        State::Sent if key.parts > 1 => aggregate(part_states(tx, key.row)?).unwrap_or(State::Sent).max(State::Sent),
        state => state,
    };
    let single = outcome.parts.first().filter(|part| key.parts == 1 && part.state == State::Sent);
    let submitted = outcome.parts.iter().filter(|part| part.state == State::Sent).map(|part| part.at).max();
    let written = tx.execute(
        "UPDATE messages SET state = $2, carrier = $3, sender = COALESCE($14, sender), due_at = COALESCE($4, due_at), reason = $5, error = $6,
         attempts = attempts + $7, throttled = throttled + $8, unknown_outcomes = unknown_outcomes + $9,
         submitted_at = COALESCE($10, submitted_at), carrier_ref = COALESCE($11, carrier_ref), done_at = $12, claimed_by = NULL
         WHERE id = $1 AND claimed_by = $13",
        &params![
            key.row,
            state.code(),
            outcome.goes_by(),
            outcome.due_at,
            outcome.reason.as_deref(),
            outcome.error.as_deref(),
            i64::from(outcome.attempts),
            i64::from(outcome.throttled),
            i64::from(outcome.unknown_outcomes),
            submitted,
            single.and_then(|part| part.carrier_ref.as_deref()),
            state.is_terminal().then_some(outcome.at),
            outcome.epoch,
            outcome.move_to.as_ref().map(|(_, sender)| sender.as_str())
        ],
    )?;
    if written == 0 {
        let text = format!("{} answered after another node had taken the message over", outcome.carrier);
        return note(tx, key.row, outcome.at, &NewNote { kind: "late_answer", part: None, text });
    }
    for new in &outcome.notes {
        note(tx, key.row, outcome.at, new)?;
    }
    // Waiting again for a moment is not news; everything else is.
    if state != State::Queued || outcome.unknown_outcomes > 0 || outcome.move_to.is_some() {
        let (tell, reason) = (key.tell, outcome.reason.as_deref());
        publish(tx, key.id, key.workspace, key.origin.as_ref(), tell, state, None, reason, outcome.at)?;
    }
    if state == State::Sent && key.passing {
        tell_passing(tx, &[(key.row, outcome.at)])?;
    }
    applied.ended_as(key.workspace, outcome.at, state);
    touched.message(key.workspace, Some(key.id));
    Ok(())
}

pub(crate) fn part_number(part: usize) -> i64 {
    i64::try_from(part).unwrap_or(i64::MAX)
}

pub(crate) fn part_states(tx: &mut Tx<'_>, row: i64) -> Result<Vec<State>, Error> {
    let codes = tx.query("SELECT state FROM message_parts WHERE message = $1 ORDER BY part", &params![row], |row| {
        row.get::<i64>(0)
    })?;
    codes.into_iter().map(state).collect()
}

pub(crate) fn state(code: i64) -> Result<State, Error> {
    State::from_code(code).ok_or(Error::Corrupt("state"))
}

/// Adds a sentence to a message's history.
pub(crate) fn note(tx: &mut Tx<'_>, row: i64, at: Timestamp, new: &NewNote) -> Result<(), Error> {
    let id = tx.next_number("messaging.notes")?;
    tx.send(
        "INSERT INTO message_notes (id, message, at, kind, part, note) VALUES ($1, $2, $3, $4, $5, $6)",
        &params![id, row, at, new.kind, new.part.map(part_number), &new.text],
    )?;
    Ok(())
}

/// Tells whoever listens: the room above that caused the message, or the application that submitted it.
#[expect(clippy::too_many_arguments, reason = "the fields of one event, from rows of different shapes")]
pub(crate) fn publish(
    tx: &mut Tx<'_>,
    message: MessageId,
    workspace: WorkspaceId,
    origin: Option<&StoredOrigin>,
    told: Tell,
    state: State,
    part: Option<u32>,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<(), Error> {
    let Some(origin) = origin else {
        return match told {
            Tell::Nothing => Ok(()),
            Tell::Each => news::changed(tx, message, state, at),
            Tell::End | Tell::Failure | Tell::Success => tell(tx, message, state, at),
        };
    };
    let changed = Changed {
        message,
        workspace,
        origin_kind: origin.kind.clone(),
        origin_id: origin.id,
        state,
        part,
        reason: reason.map(str::to_owned),
        at,
    };
    let body = serde_json::to_value(&changed).map_err(|_| Error::Corrupt("event"))?;
    tx.publish(CHANGED, &body)?;
    Ok(())
}
