//! Answers: somebody takes an alert, passes it on, ends it, or takes that back. The same for a phone, the console and
//! a program; only who may and what is said in return differ.

use access::{Actor, AuthMethod, Permit, Principal, cap};
use base::AlertId;
use serde_json::json;
use store::Tx;

use crate::Error;
use crate::alerts::Inner;
use crate::escalate::{next_person, planned, pull, stop};
use crate::happening::{Cause, Happening, Told, Typed};
use crate::rows::{self, AlertRow};
use crate::state::{Life, Moved, Refusal};
use crate::steps::{self, Why};
use crate::timeline::{Deed, audit, save};
use crate::types::{Answer, Answered, By, Outcome, Via};
use crate::views::StepState;

/// Characters of a note at most.
const NOTE_MAX: usize = 2_000;

/// Who answers, over which way.
pub(crate) struct Answerer<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) by: By,
    /// What was typed, when it was a phone.
    pub(crate) reply: Option<Typed>,
}

impl By {
    /// The person or program behind an actor.
    pub(crate) fn of(actor: &Actor) -> Self {
        let via = match (&actor.principal, actor.auth) {
            (_, AuthMethod::Handset) => Via::Sms,
            (Principal::ApiKey { .. } | Principal::OauthClient { .. } | Principal::Issued { .. }, _) => Via::Api,
            (Principal::Engine(_) | Principal::Integration { .. }, _) => Via::Flow,
            _ => Via::Console,
        };
        let name = match &actor.principal {
            Principal::Engine(_) => "a signal".to_owned(),
            other => other.name().to_owned(),
        };
        Self { user: actor.principal.user(), name, via }
    }
}

impl Inner {
    /// An answer by the permit's actor.
    pub(crate) fn answer(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsAnswer>,
        alert: AlertId,
        answer: &Answer,
    ) -> Result<Answered, Error> {
        let mut row = rows::lock(tx, permit.workspace(), alert)?.ok_or(Error::NotFound)?;
        let answerer = Answerer { actor: permit.actor(), by: By::of(permit.actor()), reply: None };
        let outcome = self.apply(tx, &mut row, &answerer, answer)??;
        Ok(Answered { id: row.id, number: row.number, state: row.state(), outcome })
    }

    /// Carries an answer out on a locked row and saves it. A refusal changes nothing.
    pub(crate) fn apply(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut AlertRow,
        answerer: &Answerer<'_>,
        answer: &Answer,
    ) -> Result<Result<Outcome, Refusal>, Error> {
        let outcome = match answer {
            Answer::Acknowledge => self.take(tx, alert, answerer)?,
            Answer::PassOn => self.pass(tx, alert, answerer)?,
            Answer::Resolve { note } => self.end(tx, alert, answerer, note.as_deref())?,
            Answer::Undo => self.take_back(tx, alert, answerer)?,
        };
        Ok(outcome)
    }

    fn take(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut AlertRow,
        who: &Answerer<'_>,
    ) -> Result<Result<Outcome, Refusal>, Error> {
        let now = tx.now();
        let life = match alert.life.clone().acknowledge(who.by.clone(), now) {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(Moved::Same) => return Ok(Ok(Outcome::AlreadyYours)),
            Ok(Moved::To(life)) => life,
        };
        alert.life = life;
        alert.unanswered = false;
        stop(alert);
        mark_answered(tx, alert, who, "acknowledge")?;
        self.record(tx, alert, &Happening::Acknowledged { by: who.by.clone(), reply: who.reply.clone() })?;
        self.tell_others(tx, alert, &who.by, Told::Taken)?;
        audit_answer(tx, alert, who, "alert.acknowledge")?;
        save(tx, alert)?;
        Ok(Ok(Outcome::Acknowledged))
    }

    fn pass(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut AlertRow,
        who: &Answerer<'_>,
    ) -> Result<Result<Outcome, Refusal>, Error> {
        match alert.life.clone().pass_on(&who.by) {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(Moved::Same) => {}
            Ok(Moved::To(life)) => alert.life = life,
        }
        alert.unanswered = false;
        mark_answered(tx, alert, who, "pass on")?;
        if planned(tx, alert)?.is_empty() && alert.cursor.group.is_some() && alert.cursor.round < alert.cursor.rounds {
            self.next_round(tx, alert)?;
        }
        // Whoever passes it on is not the next to be called.
        for mut step in planned(tx, alert)? {
            if step.user.is_none() || step.user != who.by.user {
                break;
            }
            step.state = StepState::Skipped;
            step.why = Some(Why::PassedOn);
            steps::save(tx, &step)?;
        }
        let next = next_person(tx, alert)?;
        self.record(
            tx,
            alert,
            &Happening::PassedOn { by: who.by.clone(), next: next.clone(), reply: who.reply.clone() },
        )?;
        let push = pull(tx, alert, Cause::PassedOn { by: who.by.name.clone() })?;
        self.advance(tx, alert, push)?;
        audit_answer(tx, alert, who, "alert.pass_on")?;
        save(tx, alert)?;
        Ok(Ok(Outcome::PassedOn { next }))
    }

    fn end(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut AlertRow,
        who: &Answerer<'_>,
        note: Option<&str>,
    ) -> Result<Result<Outcome, Refusal>, Error> {
        let now = tx.now();
        // On a phone only the one who has it ends it; in the console anybody with the right does.
        let owner_only = who.by.via == Via::Sms;
        let life = match alert.life.clone().resolve(who.by.clone(), now, owner_only) {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(Moved::Same) => return Ok(Ok(Outcome::AlreadyOver)),
            Ok(Moved::To(life)) => life,
        };
        mark_answered(tx, alert, who, "resolve")?;
        self.close(tx, alert, life)?;
        let note = note
            .map(str::trim)
            .filter(|note| !note.is_empty())
            .map(|note| note.chars().take(NOTE_MAX).collect::<String>());
        if let Some(note) = &note {
            alert.note = Some(self.seal_note(tx, alert, note)?);
        }
        let happening = Happening::Resolved { by: who.by.clone(), note, signal: None, reply: who.reply.clone() };
        self.record(tx, alert, &happening)?;
        self.tell_others(tx, alert, &who.by, Told::Resolved)?;
        audit_answer(tx, alert, who, "alert.resolve")?;
        save(tx, alert)?;
        Ok(Ok(Outcome::Resolved))
    }

    fn take_back(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut AlertRow,
        who: &Answerer<'_>,
    ) -> Result<Result<Outcome, Refusal>, Error> {
        let now = tx.now();
        let was_over = !alert.state().is_live();
        let life = match alert.life.clone().undo(&who.by, now) {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(Moved::Same) => return Ok(Err(Refusal::NothingToUndo)),
            Ok(Moved::To(life)) => life,
        };
        if was_over {
            // The key may live again in a newer alert; two that live with one key cannot be.
            if let Some(key) = &alert.key
                && let Some(newer) = rows::lock_live(tx, alert.workspace, alert.integration, key)?
            {
                return Ok(Err(Refusal::Replaced { number: newer.number }));
            }
            self.sms.reopen(tx, alert.id.uuid())?;
            alert.note = None;
            for mut step in steps::of_alert(tx, alert.workspace, alert.id)? {
                if step.why == Some(Why::Ended) {
                    step.state = StepState::Planned;
                    step.why = None;
                    steps::save(tx, &step)?;
                }
            }
        }
        alert.life = life;
        unmark_answered(tx, alert, who)?;
        let next = next_person(tx, alert)?;
        self.record(
            tx,
            alert,
            &Happening::Undone { by: who.by.clone(), next: next.clone(), reply: who.reply.clone() },
        )?;
        self.tell_others(tx, alert, &who.by, Told::Reopened)?;
        self.resume(tx, alert, &who.by.name)?;
        audit_answer(tx, alert, who, "alert.undo")?;
        save(tx, alert)?;
        Ok(Ok(Outcome::Undone { next }))
    }

    /// Ends an alert: no timer counts any more, nobody planned is paged, its digits rest.
    pub(crate) fn close(&self, tx: &mut Tx<'_>, alert: &mut AlertRow, life: Life) -> Result<(), Error> {
        alert.life = life;
        alert.unanswered = false;
        stop(alert);
        for mut step in planned(tx, alert)? {
            step.state = StepState::Skipped;
            step.why = Some(Why::Ended);
            steps::save(tx, &step)?;
        }
        self.sms.close(tx, alert.id.uuid())?;
        Ok(())
    }
}

/// Notes the answer in the person's own step, if the person was paged.
fn mark_answered(tx: &mut Tx<'_>, alert: &AlertRow, who: &Answerer<'_>, verb: &str) -> Result<(), Error> {
    let Some(user) = who.by.user else { return Ok(()) };
    let now = tx.now();
    let all = steps::of_alert(tx, alert.workspace, alert.id)?;
    if let Some(mut step) = all.into_iter().rev().find(|step| step.user == Some(user) && step.paged.is_some()) {
        step.state = StepState::Answered;
        step.answered = Some(now);
        step.answer = Some(match &who.reply {
            Some(typed) => format!("“{}” {verb}", typed.words),
            None => format!("{verb}, in the console"),
        });
        steps::save(tx, &step)?;
    }
    Ok(())
}

/// The answer is taken back: the step stands where its message got to.
fn unmark_answered(tx: &mut Tx<'_>, alert: &AlertRow, who: &Answerer<'_>) -> Result<(), Error> {
    for mut step in steps::of_alert(tx, alert.workspace, alert.id)? {
        if step.state == StepState::Answered && step.user == who.by.user {
            step.state = if step.delivered.is_some() { StepState::Delivered } else { StepState::Sent };
            step.answered = None;
            step.answer = None;
            steps::save(tx, &step)?;
        }
    }
    Ok(())
}

fn audit_answer(tx: &mut Tx<'_>, alert: &AlertRow, who: &Answerer<'_>, action: &'static str) -> Result<(), Error> {
    let changes = json!({ "number": alert.number, "state": alert.state().as_str(), "via": who.by.via });
    audit(tx, who.actor, alert, Deed::done(action, changes))
}
