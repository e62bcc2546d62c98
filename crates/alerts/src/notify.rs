//! Telling people what became of an alert they were paged for: one short text each, that wants no answer.

use base::Explain as _;
use channels::{fit, undo_words};
use oncall::Device;
use store::Tx;

use crate::Error;
use crate::alerts::Inner;
use crate::happening::{Happening, Told};
use crate::rows::AlertRow;
use crate::state::Life;
use crate::steps;
use crate::types::{By, Outcome, alert_name};
use crate::views::StepState;

impl Inner {
    /// Tells everybody who was paged, but for whoever did it: when somebody takes it, those who have not answered
    /// (their digits do nothing now); otherwise all of them.
    pub(crate) fn tell_others(&self, tx: &mut Tx<'_>, alert: &mut AlertRow, by: &By, what: Told) -> Result<(), Error> {
        let content = self.content(tx, alert)?;
        let name = alert_name(alert.number);
        let text = match what {
            Told::Taken => fit(&format!("{name} is {}'s now: ", by.name), &content.title, "You need not answer."),
            Told::Resolved if by.user.is_some() => {
                fit(&format!("{name} resolved by {}: ", by.name), &content.title, "")
            }
            Told::Resolved => fit(&format!("{name} resolved: "), &content.title, ""),
            Told::Expired => fit(&format!("{name} expired, nobody resolved it: "), &content.title, ""),
            Told::Reopened => {
                fit(&format!("{name} is open again, {} took the answer back: ", by.name), &content.title, "")
            }
        };
        let mut told = Vec::new();
        let mut seen = Vec::new();
        for step in steps::of_alert(tx, alert.workspace, alert.id)? {
            let paged = matches!(step.state, StepState::Sent | StepState::Delivered)
                || (step.state == StepState::Answered && what != Told::Taken);
            let (true, Some(user), Some(device)) = (paged, step.user, step.device) else { continue };
            if by.user == Some(user) || seen.contains(&user) {
                continue;
            }
            seen.push(user);
            let Some(device) = self.oncall.device(tx, device)? else { continue };
            if self.say(tx, alert, &step.person, &device, text.clone())? {
                told.push(step.person);
            }
        }
        if !told.is_empty() {
            self.record(tx, alert, &Happening::Told { people: told, what })?;
        }
        Ok(())
    }

    /// Says something to one person. A refused note is written down and stops nothing.
    pub(crate) fn say(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut AlertRow,
        person: &str,
        device: &Device,
        text: String,
    ) -> Result<bool, Error> {
        let (workspace, id) = (alert.workspace, alert.id.uuid());
        match tx.attempt(|tx| self.sms.say(tx, workspace, &device.number, text, id)) {
            Ok(_) => Ok(true),
            Err(error) if error.is_refusal() => {
                let why = error.problem().detail.into_owned();
                self.record(tx, alert, &Happening::NotTold { person: person.to_owned(), why })?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What a phone hears about its own answer.
pub(crate) fn confirmation(alert: &AlertRow, title: &str, outcome: &Outcome, undo: &str) -> String {
    let name = alert_name(alert.number);
    match outcome {
        Outcome::Acknowledged => {
            fit(&format!("{name} is yours: "), title, &format!("Answer {undo} within 5 min to give it back."))
        }
        Outcome::AlreadyYours => fit(&format!("{name} is yours already: "), title, ""),
        Outcome::PassedOn { next: Some(next) } => format!("{name} passed on to {next}."),
        Outcome::PassedOn { next: None } => {
            fit(&format!("{name} stays open, nobody is left to pass it to: "), title, "")
        }
        Outcome::Resolved => {
            fit(&format!("{name} resolved: "), title, &format!("Answer {undo} within 5 min to open it again."))
        }
        Outcome::AlreadyOver => format!("{name} was resolved already. Nothing changed."),
        Outcome::Undone { next: Some(next) } => format!("{name} is open again. Next: {next}."),
        Outcome::Undone { next: None } => format!("{name} is open again. Nobody is left to page."),
    }
}

/// The words that take back an answer given on this page.
pub(crate) fn undo_of(slot: &channels::Slot) -> String {
    undo_words(slot.code.as_deref(), slot.first_digit)
}

/// How an alert stands, for a late answer: `A-1042 is Cem Sample's already, for 2 min. Nothing changed.`
pub(crate) fn standing(alert: &AlertRow, now: base::Timestamp) -> String {
    let name = alert_name(alert.number);
    let ago = |at: base::Timestamp| oncall::delay_words(now.since(at).as_secs());
    let what = match &alert.life {
        Life::Open => "is open".to_owned(),
        Life::Acknowledged { at, by } => format!("is {}'s already, for {}", by.name, ago(*at)),
        Life::Resolved { at, by } if by.user.is_some() => format!("was resolved by {} {} ago", by.name, ago(*at)),
        Life::Resolved { at, .. } => format!("was resolved {} ago", ago(*at)),
        Life::Expired { at } => format!("expired {} ago", ago(*at)),
    };
    format!("{name} {what}. Nothing changed.")
}
