//! Texts that come in: bound to a page, carried out, confirmed. Whatever does not fit exactly changes nothing.

use std::time::Duration;

use access::{Actor, AuthMethod, Principal};
use channels::{Action, Inbound, Slot, Unbound, Verdict, help_text};
use messaging::{InboundArrived, InboundMessage};
use oncall::{Device, Handset, Person};
use sms::Number;
use store::Tx;

use crate::Error;
use crate::alerts::Inner;
use crate::answer::Answerer;
use crate::happening::{Happening, Typed};
use crate::notify::{confirmation, standing, undo_of};
use crate::replies::{self, ReplyRow};
use crate::rows::{self, AlertRow};
use crate::state::Refusal;
use crate::steps;
use crate::timeline::{Deed, audit, save};
use crate::types::{Answer, By, Priority, Via, alert_name};
use crate::views::ReplyOutcome;

/// Helpful texts a phone gets in an hour at most: two automata must not talk to each other for ever.
const HELPS_AN_HOUR: i64 = 3;
/// Wrong codes a phone may send in an hour; then none is compared any more, so that nobody tries them all.
const WRONG_CODES_AN_HOUR: i64 = 20;
/// Texts of a phone in an hour that are answered; more are acted on in silence.
const ANSWERED_AN_HOUR: i64 = 60;
const HOUR: Duration = Duration::from_hours(1);

/// Where a text came from, as far as it is known.
struct Sender<'a> {
    arrived: &'a InboundArrived,
    number: Option<Number>,
    handset: Option<Handset>,
    owners: Vec<Person>,
}

impl Sender<'_> {
    fn handset(&self) -> &str {
        self.handset.as_ref().map_or("", Handset::as_str)
    }

    fn row(&self, outcome: ReplyOutcome, code: &'static str, reason: String) -> ReplyRow<'_> {
        // A phone that several people share names nobody.
        let owner = match self.owners.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        ReplyRow {
            inbound: self.arrived.inbound,
            workspace: self.arrived.workspace,
            at: self.arrived.at,
            handset: self.handset(),
            user: owner.map(|person| person.id),
            person: owner.map(|person| person.name.clone()),
            alert: None,
            outcome,
            code,
            reason,
            helped: false,
        }
    }
}

impl Inner {
    /// Acts on a text that came in. Idempotent: a second event about the same text does nothing.
    pub(crate) fn receive(
        &self,
        tx: &mut Tx<'_>,
        arrived: &InboundArrived,
        message: &InboundMessage,
    ) -> Result<(), Error> {
        if replies::is_known(tx, arrived.inbound)? {
            return Ok(());
        }
        let number = Number::from_carrier(&message.from).ok();
        let handset = number.as_ref().map(|number| self.oncall.handset(number));
        let owners = match &handset {
            Some(handset) => self.oncall.owners(tx, handset)?,
            None => Vec::new(),
        };
        let sender = Sender { arrived, number, handset, owners };
        let Some(handset) = sender.handset.clone() else {
            let row =
                sender.row(ReplyOutcome::NotBound, "no_number", "not bound: the sender is no phone number".to_owned());
            return replies::insert(tx, &row);
        };
        let inbound = Inbound {
            id: arrived.inbound,
            carrier: arrived.carrier.clone(),
            to: arrived.to.clone(),
            handset: handset.clone(),
            text: message.text.clone(),
            at: arrived.at,
        };
        match self.sms.read(tx, &inbound)? {
            Verdict::Bound { slot, action, words } => {
                let wrong = replies::wrong_codes_since(tx, handset.as_str(), arrived.at.minus(HOUR))?;
                if slot.code.is_some() && wrong >= WRONG_CODES_AN_HOUR {
                    let reason =
                        "not bound: too many wrong codes came from this phone within an hour; answer in the console";
                    let row = sender.row(ReplyOutcome::NotBound, "too_many_codes", reason.to_owned());
                    return replies::insert(tx, &row);
                }
                self.bound(tx, &sender, &slot, action, words)
            }
            Verdict::Unbound { why, words, aimed, waiting } => {
                if let (true, Some(slot)) = (why.is_suspicious(), &aimed) {
                    self.note_mismatch(tx, &sender, why, words, slot)?;
                }
                self.unbound(tx, &sender, why, &waiting)
            }
        }
    }

    fn bound(
        &self,
        tx: &mut Tx<'_>,
        sender: &Sender<'_>,
        slot: &Slot,
        action: Action,
        words: String,
    ) -> Result<(), Error> {
        let step = steps::by_id(tx, slot.notification)?.filter(|step| step.alert.uuid() == slot.subject);
        let person = step
            .as_ref()
            .and_then(|step| sender.owners.iter().find(|owner| Some(owner.id) == step.user && owner.enabled));
        let (Some(step), Some(person)) = (&step, person.cloned()) else {
            let reason = "not bound: this phone is no longer the device of the person who was paged".to_owned();
            return replies::insert(tx, &sender.row(ReplyOutcome::NotBound, "not_their_device", reason));
        };
        let Some(mut alert) = rows::lock(tx, slot.workspace, step.alert)? else {
            let reason = "not bound: the alert is gone".to_owned();
            return replies::insert(tx, &sender.row(ReplyOutcome::NotBound, "no_alert", reason));
        };
        let actor = Actor::new(Principal::User { id: person.id, name: person.name.clone() }, AuthMethod::Handset);
        let typed = Typed {
            words,
            phone: sender.number.as_ref().map(Number::masked).unwrap_or_default(),
            inbound: sender.arrived.inbound,
        };
        let by = By { user: Some(person.id), name: person.name.clone(), via: Via::Sms };
        let answerer = Answerer { actor: &actor, by, reply: Some(typed.clone()) };
        let title = self.content(tx, &alert)?.title;
        let name = alert_name(alert.number);
        let result = match self.answer_of(&alert, action) {
            Some(answer) => self.apply(tx, &mut alert, &answerer, &answer)?.map_err(Some),
            None => Err(None),
        };
        let now = tx.now();
        // An automaton at the other end must not have a line, an audit entry and a text for each of its own.
        let is_chatty = replies::count_since(tx, sender.handset(), sender.arrived.at.minus(HOUR))? >= ANSWERED_AN_HOUR;
        let (outcome, code, reason, text) = match result {
            Ok(outcome) => (
                ReplyOutcome::Accepted,
                "bound",
                format!("bound to {name}: {action}"),
                confirmation(&alert, &title, &outcome, &undo_of(slot)),
            ),
            Err(refusal) => {
                let why = refusal_words(&alert, refusal.as_ref(), now);
                if !is_chatty {
                    let happening = Happening::Refused { person: person.name.clone(), reply: typed, why: why.clone() };
                    self.record(tx, &mut alert, &happening)?;
                    audit(tx, &actor, &alert, Deed::denied("alert.answer", &why))?;
                }
                (ReplyOutcome::Refused, "refused", format!("refused: {why}"), why)
            }
        };
        if !is_chatty {
            self.reply_to(tx, &mut alert, sender, &person, step.device, text)?;
        }
        // `apply` saved already, but lines may have been added since.
        save(tx, &mut alert)?;
        let row = ReplyRow {
            workspace: Some(slot.workspace),
            user: Some(person.id),
            person: Some(person.name.clone()),
            alert: Some(alert.id),
            ..sender.row(outcome, code, reason)
        };
        replies::insert(tx, &row)
    }

    /// What a phone may ask for; `None` when it may not.
    fn answer_of(&self, alert: &AlertRow, action: Action) -> Option<Answer> {
        match action {
            Action::Acknowledge => Some(Answer::Acknowledge),
            Action::PassOn => Some(Answer::PassOn),
            Action::Undo => Some(Answer::Undo),
            Action::Resolve if alert.priority == Priority::Critical && !self.settings.sms_resolves_critical => None,
            Action::Resolve => Some(Answer::Resolve { note: None }),
        }
    }

    /// Answers the phone that answered: always the stored device, never an address from the text that came in.
    fn reply_to(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut AlertRow,
        sender: &Sender<'_>,
        person: &Person,
        paged: Option<base::DeviceId>,
        text: String,
    ) -> Result<(), Error> {
        let device = match paged {
            Some(device) => self.oncall.device(tx, device)?,
            None => None,
        };
        let device = match device {
            Some(device) if device.handset.as_str() == sender.handset() => Some(device),
            _ => self.own_device(tx, person, sender)?,
        };
        if let Some(device) = device {
            self.say(tx, alert, &person.name, &device, text)?;
        }
        Ok(())
    }

    fn own_device(&self, tx: &mut Tx<'_>, person: &Person, sender: &Sender<'_>) -> Result<Option<Device>, Error> {
        let devices = self.oncall.devices(tx, person.id)?;
        Ok(devices.into_iter().find(|device| device.handset.as_str() == sender.handset()))
    }

    fn unbound(&self, tx: &mut Tx<'_>, sender: &Sender<'_>, why: Unbound, waiting: &[Slot]) -> Result<(), Error> {
        let mut row = sender.row(ReplyOutcome::NotBound, why.as_str(), why.words().to_owned());
        row.workspace = row.workspace.or_else(|| waiting.last().map(|slot| slot.workspace));
        let known = sender.owners.iter().find(|owner| owner.enabled).cloned();
        let Some(person) = known else {
            // A stranger learns nothing, not even that somebody reads here.
            row.reason = format!("{}; the phone is nobody’s here", row.reason);
            return replies::insert(tx, &row);
        };
        let helps = replies::helps_since(tx, sender.handset(), sender.arrived.at.minus(HOUR))?;
        if helps < HELPS_AN_HOUR
            && let Some(workspace) = row.workspace
            && let Some(device) = self.own_device(tx, &person, sender)?
        {
            let text = help_text(waiting);
            let origin = sender.arrived.inbound.uuid();
            row.helped = match tx.attempt(|tx| self.sms.say(tx, workspace, &device.number, text, origin)) {
                Ok(_) => true,
                Err(error) if error.is_refusal() => false,
                Err(error) => return Err(error.into()),
            };
        }
        replies::insert(tx, &row)
    }

    /// A reply that nearly fitted is a detection: it stands in the timeline of what it was aimed at and in the audit log.
    /// Only a phone that was paged gets here, and only so often: then its texts are merely listed.
    fn note_mismatch(
        &self,
        tx: &mut Tx<'_>,
        sender: &Sender<'_>,
        why: Unbound,
        words: Option<String>,
        slot: &Slot,
    ) -> Result<(), Error> {
        let since = sender.arrived.at.minus(HOUR);
        if replies::mismatches_since(tx, sender.handset(), since)? >= WRONG_CODES_AN_HOUR {
            return Ok(());
        }
        let Some(mut alert) = rows::lock(tx, slot.workspace, slot.subject.into())? else { return Ok(()) };
        let person = match sender.owners.as_slice() {
            [one] => one.name.clone(),
            _ => "Somebody".to_owned(),
        };
        let typed = Typed {
            words: words.unwrap_or_default(),
            phone: sender.number.as_ref().map(Number::masked).unwrap_or_default(),
            inbound: sender.arrived.inbound,
        };
        let happening = Happening::Refused { person, reply: typed, why: why.words().to_owned() };
        self.record(tx, &mut alert, &happening)?;
        let actor = Actor::new(Principal::Anonymous, AuthMethod::None);
        audit(tx, &actor, &alert, Deed::denied("alert.answer", why.words()))?;
        save(tx, &mut alert)
    }
}

/// Why an answer changed nothing, for the phone and the timeline.
fn refusal_words(alert: &AlertRow, refusal: Option<&Refusal>, now: base::Timestamp) -> String {
    let name = alert_name(alert.number);
    match refusal {
        None => format!("{name} is critical, and a text does not resolve it. Resolve it in the console."),
        Some(Refusal::Taken { .. } | Refusal::Over { .. }) => standing(alert, now),
        Some(Refusal::NothingToUndo) => format!("There is no answer of yours to take back on {name}."),
        Some(Refusal::TooLateToUndo) => {
            format!("An answer can be taken back for 5 min. Pass {name} on instead.")
        }
        Some(Refusal::Replaced { number }) => {
            format!("{} was opened for the same trouble meanwhile. Answer that one.", alert_name(*number))
        }
    }
}
