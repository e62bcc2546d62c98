//! Escalation: who is paged next, and when. Each move is one transaction with its rows, its message, its line and its
//! next timer; a timer that fires late (the machine was off) does its work late, never not at all.

use std::time::Duration;

use base::Explain as _;
use base::Timestamp;
use channels::{Page, Phone};
use oncall::{Round, Step};
use store::{NewJob, Tx};

use crate::Error;
use crate::alerts::{ESCALATE, Inner};
use crate::happening::{Cause, Happening, Nobody, Person};
use crate::rows::AlertRow;
use crate::steps::{self, StepRow, Why};
use crate::types::Priority;
use crate::views::StepState;

/// Groups tried one after the other when none can be reached.
const FALLBACKS: usize = 5;

/// A reason to page the next person before the time.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    /// Why.
    pub(crate) cause: Cause,
    /// When it would have been due.
    pub(crate) due: Timestamp,
}

/// Which group is paged, and what was tried before.
pub(crate) struct Chosen {
    /// The round to begin with; `None` when nobody can be reached anywhere.
    pub(crate) round: Option<Round>,
    /// The groups that reach nobody, why, and what is tried instead, with their plans where there are any.
    pub(crate) failed: Vec<(String, Nobody, Option<String>, Option<Round>)>,
}

impl Inner {
    /// Finds the group to page: the named one, else its fallback, else the workspace's default group.
    pub(crate) fn choose_group(&self, tx: &mut Tx<'_>, alert: &AlertRow) -> Result<Chosen, Error> {
        let now = tx.now();
        let mut failed: Vec<(String, Nobody, Option<String>, Option<Round>)> = Vec::new();
        let mut name = alert.group.clone();
        for _ in 0..FALLBACKS {
            let found = self.oncall.round(tx, alert.workspace, &name, now)?;
            let why = match &found {
                None => Nobody::NoGroup,
                Some(round) if round.group.members.is_empty() => Nobody::Empty,
                Some(round) if !round.plan.reaches_anybody() => Nobody::Unreachable,
                Some(_) => return Ok(Chosen { round: found, failed }),
            };
            let tried = |other: &String| *other == name || failed.iter().any(|(before, ..)| before == other);
            let instead = found
                .as_ref()
                .and_then(|round| round.group.fallback.clone())
                .filter(|other| !tried(other))
                .or_else(|| Some(self.settings.default_group.clone()).filter(|other| !tried(other)));
            // The default group is named only if it is there: it is a help, not a demand.
            let instead = match instead {
                Some(other) if other == self.settings.default_group => {
                    self.oncall.round(tx, alert.workspace, &other, now)?.map(|_| other)
                }
                other => other,
            };
            failed.push((name, why, instead.clone(), found));
            match instead {
                Some(other) => name = other,
                None => break,
            }
        }
        Ok(Chosen { round: None, failed })
    }

    /// Writes the steps of a round and a line for each person left out; the steps.
    pub(crate) fn begin_round(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut AlertRow,
        round: &Round,
        number: u32,
    ) -> Result<Vec<StepRow>, Error> {
        alert.cursor.round = number;
        alert.cursor.round_ends = Some(round.plan.ends);
        let mut rows = Vec::with_capacity(round.plan.steps.len());
        for step in &round.plan.steps {
            let id = tx.context().id();
            match step {
                Step::Page { position, due, who, device } => {
                    let mut row =
                        StepRow::planned(id, alert.workspace, alert.id, number, *position, who.name.clone(), *due);
                    row.user = Some(who.id);
                    row.device = Some(*device);
                    steps::insert(tx, &row)?;
                    rows.push(row);
                }
                Step::Skip { position, login, who, reason } => {
                    let name = who.as_ref().map_or_else(|| login.clone(), |who| who.name.clone());
                    let mut row =
                        StepRow::planned(id, alert.workspace, alert.id, number, *position, name.clone(), alert.opened);
                    row.user = who.as_ref().map(|who| who.id);
                    row.state = StepState::Skipped;
                    row.why = Some(Why::Plan(*reason));
                    steps::insert(tx, &row)?;
                    let happening = Happening::Skipped {
                        person: Person { id: row.user, name },
                        step: *position,
                        round: number,
                        group: round.group.name.clone(),
                        reason: *reason,
                    };
                    self.record(tx, alert, &happening)?;
                    rows.push(row);
                }
            }
        }
        rows.sort_by_key(|row| row.step);
        Ok(rows)
    }

    /// Does whatever is due and sets the timer for what comes next. The caller holds the row and saves it.
    pub(crate) fn advance(&self, tx: &mut Tx<'_>, alert: &mut AlertRow, push: Option<Push>) -> Result<(), Error> {
        self.advance_from(tx, alert, push, None)
    }

    /// The same when all steps of the alert are at hand: `known`.
    pub(crate) fn advance_from(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut AlertRow,
        mut push: Option<Push>,
        mut known: Option<Vec<StepRow>>,
    ) -> Result<(), Error> {
        let now = tx.now();
        while alert.is_open() {
            let mut all = match known.take() {
                Some(all) => all,
                None => steps::of_alert(tx, alert.workspace, alert.id)?,
            };
            let next = all.iter_mut().find(|step| step.state == StepState::Planned);
            match next {
                Some(step) if step.due <= now => {
                    let pushed = push.take().unwrap_or(Push { cause: Cause::Due, due: step.due });
                    if self.page(tx, alert, step, &pushed)? {
                        known = Some(all);
                    } else {
                        // Whoever cannot be paged cannot answer either: the next person's time is now.
                        push = pull(tx, alert, Cause::Undeliverable { to: step.person.clone() })?;
                    }
                }
                Some(step) => {
                    let (due, person) = (step.due, step.person.clone());
                    return schedule(tx, alert, due, Some(person));
                }
                None => match alert.cursor.round_ends {
                    Some(ends) if now < ends => return schedule(tx, alert, ends, None),
                    Some(_) if alert.cursor.round < alert.cursor.rounds => self.next_round(tx, alert)?,
                    Some(_) => {
                        self.give_up(tx, alert, &all)?;
                        break;
                    }
                    None => break,
                },
            }
        }
        stop(alert);
        Ok(())
    }

    /// Pages one person. `false` when that is impossible, with the reason in the step and the timeline.
    fn page(&self, tx: &mut Tx<'_>, alert: &mut AlertRow, step: &mut StepRow, push: &Push) -> Result<bool, Error> {
        let now = tx.now();
        let person = Person { id: step.user, name: step.person.clone() };
        let device = match step.device {
            Some(device) => self.oncall.device(tx, device)?,
            None => None,
        };
        let Some(device) = device else {
            step.state = StepState::Skipped;
            step.why = Some(Why::Gone);
            steps::save(tx, step)?;
            self.record(
                tx,
                alert,
                &Happening::NotPaged { person, why: "the phone was removed in the meantime".to_owned() },
            )?;
            return Ok(false);
        };
        let content = self.content(tx, alert)?;
        let name = crate::types::alert_name(alert.number);
        let page = Page {
            workspace: alert.workspace,
            subject: alert.id.uuid(),
            label: &name,
            notification: step.id,
            word: page_word(alert.priority),
            what: content.sms.as_deref().unwrap_or(&content.title),
        };
        let phone = Phone { number: device.number.clone(), handset: device.handset.clone() };
        // Under a savepoint: if the text is refused, the digits it took go back and the escalation goes on.
        match tx.attempt(|tx| self.sms.page(tx, &phone, &page)) {
            Ok(paged) => {
                step.state = StepState::Sent;
                step.paged = Some(now);
                step.message = Some(paged.message);
                step.parts = paged.parts;
                step.carrier = Some(paged.carrier.clone());
                steps::save(tx, step)?;
                let interval = Duration::from_secs(u64::from(alert.cursor.interval_seconds));
                // A late page gives its reader the time to answer that an early one would have given.
                alert.cursor.round_ends = alert.cursor.round_ends.map(|ends| ends.max(now.plus(interval)));
                let happening = Happening::Paged {
                    person,
                    step: step.step,
                    round: step.round,
                    cause: push.cause.clone(),
                    due: push.due,
                    phone: device.number.masked(),
                    message: paged.message,
                    parts: paged.parts,
                    carrier: Some(paged.carrier),
                    digits: paged.first_digit,
                    answerable: paged.can_be_answered,
                };
                self.record(tx, alert, &happening)?;
                Ok(true)
            }
            Err(error) if error.is_refusal() => {
                let why = error.problem().detail.into_owned();
                step.state = StepState::Failed;
                step.failed = Some(now);
                step.why = Some(Why::Refused(why.trim_end_matches('.').to_owned()));
                steps::save(tx, step)?;
                self.record(tx, alert, &Happening::NotPaged { person, why })?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Paging goes on after an answer was taken back: what was still to come keeps its time, what is overdue is due now.
    pub(crate) fn resume(&self, tx: &mut Tx<'_>, alert: &mut AlertRow, by: &str) -> Result<(), Error> {
        let now = tx.now();
        let overdue = planned(tx, alert)?.first().is_some_and(|step| step.due <= now);
        let push = if overdue { pull(tx, alert, Cause::Undone { by: by.to_owned() })? } else { None };
        self.advance(tx, alert, push)
    }

    /// Another round, starting now.
    pub(crate) fn next_round(&self, tx: &mut Tx<'_>, alert: &mut AlertRow) -> Result<(), Error> {
        let now = tx.now();
        let Some(group) = alert.cursor.group.clone() else {
            alert.cursor.round_ends = None;
            return Ok(());
        };
        let Some(round) = self.oncall.round(tx, alert.workspace, &group, now)? else {
            // The group was deleted while the alert lived.
            alert.cursor.group = None;
            alert.cursor.round_ends = None;
            return self.record(tx, alert, &Happening::NobodyToPage { group, why: Nobody::NoGroup, instead: None });
        };
        let number = alert.cursor.round + 1;
        let happening = Happening::Round { round: number, rounds: alert.cursor.rounds, group };
        self.record(tx, alert, &happening)?;
        self.begin_round(tx, alert, &round, number)?;
        Ok(())
    }

    fn give_up(&self, tx: &mut Tx<'_>, alert: &mut AlertRow, all: &[StepRow]) -> Result<(), Error> {
        if alert.unanswered {
            return Ok(());
        }
        alert.unanswered = true;
        let paged = u32::try_from(all.iter().filter(|step| step.paged.is_some()).count()).unwrap_or(u32::MAX);
        let happening = Happening::Unanswered {
            group: alert.cursor.group.clone().unwrap_or_else(|| alert.group.clone()),
            rounds: alert.cursor.round,
            paged,
            priority: alert.priority,
        };
        self.record(tx, alert, &happening)
    }
}

/// Makes the next planned page due now and moves those after it by as much, so that their delays stay. `None` when
/// none is planned in this round.
pub(crate) fn pull(tx: &mut Tx<'_>, alert: &mut AlertRow, cause: Cause) -> Result<Option<Push>, Error> {
    let now = tx.now();
    let planned = planned(tx, alert)?;
    let Some(first) = planned.first() else { return Ok(None) };
    let push = Push { cause, due: first.due };
    let early = first.due.since(now);
    let late = now.since(first.due);
    for mut step in planned {
        step.due = step.due.minus(early).plus(late);
        steps::save(tx, &step)?;
    }
    alert.cursor.round_ends = alert.cursor.round_ends.map(|ends| ends.minus(early).plus(late));
    Ok(Some(push))
}

/// Makes every timer out of date.
pub(crate) fn stop(alert: &mut AlertRow) {
    alert.cursor.generation += 1;
    alert.cursor.next_at = None;
    alert.cursor.next_person = None;
}

/// The name of the person who is paged next, in this round or the one after it.
pub(crate) fn next_person(tx: &mut Tx<'_>, alert: &AlertRow) -> Result<Option<String>, Error> {
    Ok(planned(tx, alert)?.first().map(|step| step.person.clone()))
}

/// Sets the timer. Earlier ones are out of date from now on.
fn schedule(tx: &mut Tx<'_>, alert: &mut AlertRow, at: Timestamp, person: Option<String>) -> Result<(), Error> {
    stop(alert);
    alert.cursor.next_at = Some(at);
    alert.cursor.next_person = person;
    let key = format!("{}/{}", alert.id, alert.cursor.generation);
    tx.enqueue(NewJob {
        kind: ESCALATE,
        key: Some(&key),
        payload: &serde_json::json!({
            "version": 1,
            "alert": alert.id,
            "workspace": alert.workspace,
            "generation": alert.cursor.generation,
        }),
        run_at: at,
    })?;
    Ok(())
}

/// The steps still to come, in order.
pub(crate) fn planned(tx: &mut Tx<'_>, alert: &AlertRow) -> Result<Vec<StepRow>, Error> {
    let mut all = steps::of_alert(tx, alert.workspace, alert.id)?;
    all.retain(|step| step.state == StepState::Planned);
    Ok(all)
}

/// The word a page starts with; a critical one has its own form, whose answers want a code.
const fn page_word(priority: Priority) -> Option<&'static str> {
    match priority {
        Priority::Critical => None,
        Priority::High => Some("HIGH"),
        Priority::Medium => Some("MEDIUM"),
        Priority::Low => Some("LOW"),
        Priority::Info => Some("INFO"),
    }
}
