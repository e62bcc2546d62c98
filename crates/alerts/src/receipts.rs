//! What becomes of pages: sent, sent again, delivered, undeliverable. The message's own row is read afresh each time, so
//! events that come late, twice or out of order change nothing that is not so.

use messaging::Details;
use messaging::State as MessageState;
use store::Tx;

use crate::Error;
use crate::alerts::Inner;
use crate::escalate::pull;
use crate::happening::{Cause, Happening, Person};
use crate::rows;
use crate::steps::{self, StepRow, Why};
use crate::timeline::save;
use crate::views::StepState;

/// What changed in a step.
enum News {
    Sent,
    Again,
    Delivered,
    Failed,
}

impl Inner {
    /// Brings the step of a page up to its message, and moves on at once when the page cannot arrive.
    pub(crate) fn follow(
        &self,
        tx: &mut Tx<'_>,
        notification: base::NotificationId,
        message: &Details,
    ) -> Result<(), Error> {
        let Some(mut alert) = rows::lock_paged(tx, notification)? else { return Ok(()) };
        // Read under the lock.
        let Some(mut step) = steps::by_id(tx, notification)?.filter(|step| step.message == Some(message.summary.id))
        else {
            return Ok(());
        };
        let known = step.carrier.clone();
        let news = compare(&mut step, message);
        // First of all the ways it went: an answer may come as soon as the phone has the text. The way it was meant to go is
        // known since it was paged.
        if let Some(device) = step.device
            && message.parts.iter().any(|part| known.as_deref() != Some(&*part.carrier))
            && let Some(device) = self.oncall.device(tx, device)?
        {
            for part in &message.parts {
                self.sms.went(tx, step.alert.uuid(), &device.handset, &part.carrier, &message.summary.sender)?;
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        steps::save(tx, &step)?;
        let person = Person { id: step.user, name: step.person.clone() };
        let carrier = step.carrier.clone();
        let mut failed = false;
        for item in news {
            let happening = match item {
                News::Sent => {
                    Happening::Sent { person: person.clone(), parts: step.parts_sent, carrier: carrier.clone() }
                }
                News::Again => {
                    Happening::Again { person: person.clone(), parts: step.parts_again, carrier: carrier.clone() }
                }
                News::Delivered => Happening::Delivered { person: person.clone(), carrier: carrier.clone() },
                News::Failed => {
                    failed = true;
                    Happening::Undelivered { person: person.clone(), why: Some(failure_words(message)) }
                }
            };
            self.record(tx, &mut alert, &happening)?;
        }
        if failed && alert.is_open() {
            let push = pull(tx, &mut alert, Cause::Undeliverable { to: person.name })?;
            if push.is_some() {
                self.advance(tx, &mut alert, push)?;
            }
        }
        save(tx, &mut alert)
    }
}

/// Moves the step forward, never back; what is new about it.
fn compare(step: &mut StepRow, message: &Details) -> Vec<News> {
    let summary = &message.summary;
    let count = |wanted: fn(&messaging::PartDetails) -> bool| {
        u32::try_from(message.parts.iter().filter(|part| wanted(part)).count()).unwrap_or(u32::MAX)
    };
    let mut news = Vec::new();
    let sent = count(|part| part.submitted_at.is_some());
    let again = count(|part| part.unknown_outcome).max(summary.unknown_outcomes.min(summary.parts));
    let changed = sent > step.parts_sent;
    step.parts = summary.parts;
    step.parts_sent = step.parts_sent.max(sent);
    step.carrier = Some(summary.carrier.clone());
    if again > step.parts_again {
        step.parts_again = again;
        news.push(News::Again);
    }
    if changed && step.parts_sent >= step.parts && step.sent.is_none() {
        step.sent = summary.submitted_at.or(message.parts.iter().filter_map(|part| part.submitted_at).max());
        news.push(News::Sent);
    }
    if step.delivered.is_none() && step.failed.is_none() {
        if summary.state == MessageState::Delivered {
            step.delivered = summary.done_at;
            if step.state == StepState::Sent {
                step.state = StepState::Delivered;
            }
            news.push(News::Delivered);
        } else if summary.state.is_failure() {
            step.failed = summary.done_at;
            // Who has answered was reached, whatever the carrier says.
            if step.state == StepState::Sent {
                step.state = StepState::Failed;
                step.why = Some(Why::Refused(failure_words(message)));
                news.push(News::Failed);
            }
        }
    }
    news
}

fn failure_words(message: &Details) -> String {
    let summary = &message.summary;
    match (&summary.reason, &summary.error) {
        (Some(reason), _) => reason.trim_end_matches('.').to_owned(),
        (None, Some(error)) => format!("{} by {}, network error {error}", summary.state, summary.carrier),
        (None, None) => format!("{} by {}", summary.state, summary.carrier),
    }
}
