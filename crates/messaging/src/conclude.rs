//! What an attempt comes to: the decision after each answer or silence of a carrier. No I/O.

use std::time::Duration;

use routing::{Class, Decision};

use crate::State;
use crate::carrier::{OnUnknownOutcome, Remedy};
use crate::dispatch::{Attempt, End};
use crate::engine::Engine;
use crate::job::{Job, NewNote, Outcome, PartOutcome};
use crate::lane::Lane;
use crate::state::Event;

/// Attempts after which a message that a carrier keeps refusing for the moment has failed.
const MOST_ATTEMPTS: u32 = 20;
/// Attempts within which a message that a carrier refuses for good is led to another one.
const MOST_REFUSALS: u32 = 4;
/// The wait after the first refusal for the moment; doubles to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The wait after a part that surely never left.
const NOT_SENT_WAIT: Duration = Duration::from_millis(500);

/// The outcome of `attempt` on `lane`. `pause` is how long the carrier wants nothing.
pub(crate) fn conclude(engine: &Engine, lane: &Lane, attempt: Attempt, pause: Duration) -> Outcome {
    let Attempt { job, parts, end, began: _ } = attempt;
    let now = engine.ctx.now();
    // What one carrier refuses for good may still go by another: the fault may be our account there.
    let elsewhere = matches!(end, End::Refused { remedy: Remedy::Elsewhere, .. })
        && job.attempts < MOST_REFUSALS
        && job.sent == 0
        && parts.is_empty();
    let elsewhere = if elsewhere { engine.another(&job, &lane.name, true) } else { None };
    let event = match &end {
        End::Complete => Event::Submitted,
        End::Refused { remedy: Remedy::Nothing | Remedy::Elsewhere, .. } if elsewhere.is_none() => Event::Refused,
        End::Refused { .. } if job.attempts + 1 >= MOST_ATTEMPTS => Event::GaveUp,
        End::Refused { .. } | End::Throttled | End::NotSent { .. } => Event::Release,
        End::Unknown { .. } if sends_again(lane, job.class) => Event::SendAgain,
        End::Unknown { .. } => Event::Held,
        End::TooLate => Event::TooLate,
        End::Unsendable => Event::GaveUp,
    };
    // Every event above is one that a claimed message takes; see the table.
    let state = State::Claimed.after(event).unwrap_or(State::Queued);
    let mut outcome = Outcome::new(job.key(), engine.epoch(), &lane.name, state, now);
    outcome.attempts = 1;
    outcome.parts = parts;
    match end {
        End::Complete => {}
        End::Refused { part, status, remedy } => {
            outcome.error = Some(status.clone());
            if state == State::Rejected {
                outcome.reason = Some(format!("{} refused it: {status}", lane.name));
            } else if state == State::Failed {
                outcome.reason =
                    Some(format!("given up after {MOST_ATTEMPTS} attempts; {} last said: {status}", lane.name));
            } else {
                let wait = engine.jittered((FIRST_WAIT * 2_u32.saturating_pow(job.attempts.min(6))).min(LONGEST_WAIT));
                let for_now = if remedy == Remedy::Later { " for now" } else { "" };
                let why = format!("{} refused it{for_now}: {status}", lane.name);
                again(engine, lane, &job, &mut outcome, wait, &why, elsewhere);
            }
            if job.parts > 1 {
                let state = if outcome.state == State::Rejected { State::Rejected } else { State::Queued };
                outcome.parts.push(PartOutcome { part, state, carrier_ref: None, at: now, error: Some(status) });
            }
        }
        End::Throttled => {
            outcome.attempts = 0;
            outcome.throttled = 1;
            outcome.reason = Some(format!("{} asked us to slow down", lane.name));
            outcome.due_at = Some(now.plus(pause.max(Duration::from_millis(50))));
        }
        End::NotSent { reason } => {
            outcome.attempts = 0;
            let wait = engine.jittered(NOT_SENT_WAIT);
            let why = format!("it could not be handed to {}: {reason}", lane.name);
            again(engine, lane, &job, &mut outcome, wait, &why, None);
        }
        End::Unknown { part, reason } => {
            unknown(engine, lane, &job, &mut outcome, part, &reason);
            if job.parts > 1 {
                outcome.parts.push(PartOutcome {
                    part,
                    state: State::Unknown,
                    carrier_ref: None,
                    at: now,
                    error: None,
                });
            }
        }
        End::TooLate => {
            outcome.attempts = 0;
            outcome.reason = Some("its time ran out before it could be handed over".to_owned());
        }
        End::Unsendable => outcome.reason = Some("its text cannot be cut into parts any more".to_owned()),
    }
    outcome.room = Some(job.room);
    outcome
}

/// Whether a message of `class` whose submit was cut off unanswered goes again (rule 3: alerts always do).
pub(crate) fn sends_again(lane: &Lane, class: Class) -> bool {
    class == Class::Alert || lane.policy == OnUnknownOutcome::Resend
}

/// The sentence about an unknown outcome, for the history.
pub(crate) fn unknown_sentence(carrier: &str, class: Class, again: bool, what: &str) -> String {
    let why = match (class, again) {
        (Class::Alert, _) => "it is sent again, because alerts always are",
        (_, true) => "it is sent again, as the carrier's setting says",
        (_, false) => "it is held, as the carrier's setting says, until somebody decides",
    };
    format!("{what} was handed to {carrier} and no answer came, so it may have arrived; {why}")
}

fn unknown(engine: &Engine, lane: &Lane, job: &Job, outcome: &mut Outcome, part: usize, reason: &str) {
    let what = if job.parts > 1 { format!("Part {part}") } else { "The message".to_owned() };
    let goes_again = outcome.state == State::Queued;
    let text = unknown_sentence(&lane.name, job.class, goes_again, &what);
    outcome.unknown_outcomes = 1;
    outcome.notes.push(NewNote { kind: "unknown_outcome", part: Some(part), text: format!("{text} ({reason})") });
    if goes_again {
        let why = format!("{} did not answer: {reason}", lane.name);
        again(engine, lane, job, outcome, Duration::ZERO, &why, None);
    } else {
        outcome.reason = Some(format!("{} did not answer: {reason}; it may have arrived, and is held", lane.name));
    }
}

/// Back into the table, to another carrier if there is one: to that of `decided` where it was looked for already.
fn again(
    engine: &Engine,
    lane: &Lane,
    job: &Job,
    outcome: &mut Outcome,
    wait: Duration,
    why: &str,
    decided: Option<Decision>,
) {
    let now = engine.ctx.now();
    outcome.reason = Some(why.to_owned());
    outcome.due_at = Some(now.plus(wait));
    // Parts of one message must come from one sender by one carrier to be joined; a message that has begun stays.
    if job.sent != 0 || outcome.parts.iter().any(|part| part.state == State::Sent) {
        return;
    }
    if let Some(decision) = decided.or_else(|| engine.another(job, &lane.name, false)) {
        outcome.due_at = Some(now);
        outcome.notes.push(NewNote {
            kind: "moved",
            part: None,
            text: format!("{why}; moved to {}: {}", decision.carrier, decision.explanation()),
        });
        outcome.move_to = Some((decision.carrier, decision.sender));
    }
}
