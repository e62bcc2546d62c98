//! The chain from signal to answer, as values that a page draws. A pure translation of rows.

use base::{AlertId, WorkspaceId};
use store::Tx;

use crate::Error;
use crate::alerts::Inner;
use crate::rows;
use crate::steps::{self, StepRow};
use crate::types::State;
use crate::views::{AnswerKnot, Chain, ChainRow, Knot, KnotAt, MessageKnot, StepState};

impl Inner {
    pub(crate) fn chain(&self, tx: &mut Tx<'_>, workspace: WorkspaceId, id: AlertId) -> Result<Option<Chain>, Error> {
        let Some(alert) = rows::find(tx, workspace, id)? else { return Ok(None) };
        let content = self.content(tx, &alert)?;
        let all = steps::of_alert(tx, workspace, id)?;
        let first = |of: fn(&StepRow) -> Option<base::Timestamp>| {
            all.iter().filter_map(of).min().map(|at| at.since(alert.opened))
        };
        Ok(Some(Chain {
            alert: alert.id,
            signal: alert.signal,
            run: alert.run,
            opened: alert.opened,
            first_page_after: first(|step| step.paged),
            first_answer_after: first(|step| step.answered),
            rows: all.iter().map(|step| row(step, alert.state())).collect(),
            policy: content.policy,
        }))
    }
}

fn at(knot: Knot, at: Option<base::Timestamp>) -> KnotAt {
    KnotAt { knot, at }
}

/// One step as it is drawn while the alert stands at `state`.
fn row(step: &StepRow, state: State) -> ChainRow {
    let notified = match step.state {
        StepState::Planned if state == State::Open => at(Knot::Waiting, Some(step.due)),
        StepState::Planned | StepState::Skipped => at(Knot::Skipped, None),
        StepState::Failed if step.paged.is_none() => at(Knot::Failed, step.failed),
        _ => at(Knot::Done, step.paged),
    };
    let is_out = step.paged.is_some();
    let message_knot = match (is_out, step.sent, step.failed) {
        (false, ..) => notified.knot.not_done(),
        (true, Some(_), _) if step.parts_again > 0 => Knot::Unknown,
        (true, Some(_), _) => Knot::Done,
        (true, None, Some(_)) => Knot::Failed,
        (true, None, None) if step.delivered.is_some() => Knot::Done,
        (true, None, None) => Knot::Now,
    };
    let receipt = match (is_out, step.delivered, step.failed) {
        (false, ..) => at(notified.knot.not_done(), None),
        (true, Some(delivered), _) => at(Knot::Done, Some(delivered)),
        (true, None, Some(failed)) => at(Knot::Failed, Some(failed)),
        (true, None, None) if step.sent.is_some() => at(Knot::Now, step.sent),
        (true, None, None) => at(Knot::Waiting, None),
    };
    let answer = match (step.answered, is_out) {
        (Some(answered), _) => (Knot::Done, Some(answered)),
        // The alert was answered by somebody else, or is over: no answer is awaited from here.
        (None, true) if state != State::Open => (Knot::Skipped, None),
        (None, true) => (Knot::Waiting, None),
        (None, false) => (notified.knot.not_done(), None),
    };
    ChainRow {
        notification: step.id,
        person: step.person.clone(),
        user: step.user,
        device: step.device,
        round: step.round,
        step: step.step,
        state: step.state,
        notified,
        message: MessageKnot {
            knot: message_knot,
            at: step.sent,
            sent: step.parts_sent,
            total: step.parts,
            again: step.parts_again,
            carrier: step.carrier.clone(),
        },
        receipt,
        answer: AnswerKnot { knot: answer.0, at: answer.1, words: step.answer.clone() },
        message_id: step.message,
        reason: reason(step, state),
    }
}

fn reason(step: &StepRow, state: State) -> Option<String> {
    if let Some(why) = &step.why {
        return Some(why.words(&step.person));
    }
    match (step.state, state) {
        (StepState::Planned, State::Acknowledged) => {
            Some(format!("{} is not paged: somebody has the alert.", step.person))
        }
        _ => None,
    }
}

impl Knot {
    /// What follows a link that has not happened: waiting after waiting, skipped otherwise.
    const fn not_done(self) -> Self {
        match self {
            Self::Waiting | Self::Now => Self::Waiting,
            Self::Failed => Self::Skipped,
            other => other,
        }
    }
}
