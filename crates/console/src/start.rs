//! The way from a fresh server to the reader's own text on their own phone, and to the first page that they answer: five
//! steps. Where somebody stands is never noted down: it is read from what is so, hence the way can be left and taken up
//! again, on any browser, and steps that were done elsewhere are done here too.

use access::{Cap, Capability, Environment, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{MessageId, PageRequest, UserId};
use http::{Answer, HeaderMap, InWorkspace, Response};
use messaging::State as MessageState;

use crate::Console;
use crate::draw::Draw as _;
use crate::page::{Wrong, page_with};
use crate::shell::{Page, Shell};
use crate::start_forms::{CarrierForm, PhoneForm};

/// One step as the page shows it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, as something to do.
    pub name: &'static str,
    /// Where it stands.
    pub knot: Knot,
    /// What is so, or what happens.
    pub words: String,
    /// What to do about it when it does not go on by itself.
    pub remedy: Option<String>,
}

/// What is so, as far as this way is concerned.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The workspace's environment.
    pub environment: Environment,
    /// The carriers: name, how it is doing in words, whether a text can leave by it.
    pub carriers: Vec<(String, String, bool)>,
    /// The reader's first phone, masked.
    pub phone: Option<String>,
    /// The text that the reader sent to themselves last.
    pub text: Option<(MessageId, MessageState, Option<String>)>,
    /// Whether the reader's own way for signals is there.
    pub connected: bool,
    /// The newest alert of that way: its name, and whether it was answered.
    pub alert: Option<(String, bool)>,
    /// Whether the phones are simulated.
    pub demo: bool,
}

/// What a signal is sent with, shown once.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The whole command.
    pub curl: String,
}

/// What a form left behind when it was not taken.
#[derive(Debug, Default)]
pub struct Around {
    /// What is wrong with it.
    pub wrong: Wrong,
    /// What stood in the carrier's form.
    pub carrier: CarrierForm,
    /// What stood in the phone's form.
    pub phone: PhoneForm,
    /// The way for signals that was made just now.
    pub connected: Option<Connected>,
}

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: String,
    steps: Vec<Step>,
    /// The step to take now, from 0; past the last when all is done.
    now: usize,
    facts: Facts,
    /// What the reader may not do here, so that the forms stay closed: each step's missing right.
    closed: Vec<Option<&'static str>>,
    controlled: bool,
    around: Around,
}

/// The name of what is made for one person: group, flow and integration of their first page.
pub fn own_name(user: UserId) -> String {
    let id = user.to_string();
    format!("first-page-{}", &id[id.len() - 6..])
}

/// The sender's own id of the texts that a reader sends to themselves.
pub fn text_ref(user: UserId) -> String {
    format!("first-text-{user}")
}

impl Console {
    /// What is so for the reader whom `guard` proved.
    pub async fn first_facts<C: Cap>(&self, guard: &InWorkspace<C>, environment: Environment) -> Answer<Facts> {
        let user = guard.caller().actor().principal.user();
        let carriers = if guard.may(Capability::CarriersRead) { self.carriers.status() } else { Vec::new() };
        let usable = |simulated: bool| environment != Environment::Development || simulated;
        let mut carriers: Vec<_> = carriers
            .into_iter()
            .map(|one| {
                let ready = one.sessions_bound > 0;
                let aside = if usable(one.simulated) {
                    ""
                } else {
                    "; a real one, which this development workspace reaches only by a route that is open to it"
                };
                (one.name, format!("{}{aside}", one.words), ready)
            })
            .collect();
        carriers.sort_by_key(|(_, _, ready)| !ready);
        let mut facts = Facts {
            environment,
            carriers,
            phone: None,
            text: None,
            connected: false,
            alert: None,
            demo: self.handsets.is_some() && environment == Environment::Development,
        };
        let Some(user) = user else { return Ok(facts) };
        let oncall = self.oncall.clone();
        let devices = self.db.read(move |tx| oncall.devices(tx, user)).await?;
        facts.phone = devices.first().map(|device| device.number.masked());
        if let Some(permit) = guard.also::<cap::MessagesRead>() {
            let filter = messaging::Filter { client_ref: Some(text_ref(user)), ..messaging::Filter::default() };
            let messaging = self.messaging.clone();
            let page = self.db.read(move |tx| messaging.list(tx, &permit, &filter, &PageRequest::new(1, None))).await?;
            facts.text = page.items.into_iter().next().map(|text| (text.id, text.state, text.reason));
        }
        let name = own_name(user);
        if let Some(permit) = guard.also::<cap::IntegrationsRead>() {
            facts.connected = self.signals.integrations(&permit).await?.iter().any(|one| one.name == name);
        }
        if let (true, Some(permit)) = (facts.connected, guard.also::<cap::AlertsRead>()) {
            let filter = alerts::Filter { group: Some(name), ..alerts::Filter::default() };
            let page = self.alerts.list(permit, filter, PageRequest::new(1, None)).await?;
            facts.alert = page.items.first().map(|alert| (alert.name(), alert.state != alerts::State::Open));
        }
        Ok(facts)
    }
}

/// The steps over these facts.
fn steps(facts: &Facts, slug: &str) -> Vec<Step> {
    let environment = facts.environment;
    let workspace = Step {
        name: "A workspace",
        knot: Knot::Done,
        words: format!(
            "“{slug}” is a {environment} workspace. {}",
            match environment {
                Environment::Development =>
                    "Nothing that leaves it reaches a real phone unless a route is opened on purpose.",
                Environment::Qa => "Texts that leave it reach real phones.",
                Environment::Production =>
                    "Texts that leave it reach real phones, and changes can be asked to name their reference.",
            }
        ),
        remedy: None,
    };
    let carrier = match facts.carriers.first() {
        Some((name, words, true)) => {
            Step { name: "A carrier", knot: Knot::Done, words: format!("{name} is bound: {words}."), remedy: None }
        }
        Some((name, words, false)) => Step {
            name: "A carrier",
            knot: Knot::Failed,
            words: format!("{name} is not bound. {words}."),
            remedy: Some("It is tried again by itself. If the reason stays, compare address, account and password with what the carrier gave you, and save them again.".into()),
        },
        None => Step {
            name: "A carrier",
            knot: Knot::Waiting,
            words: "Texts leave over SMPP. Enter what your carrier gave you; the connection is tried at once.".into(),
            remedy: None,
        },
    };
    let phone = match &facts.phone {
        Some(number) => {
            Step { name: "Your phone", knot: Knot::Done, words: format!("You are paged at {number}."), remedy: None }
        }
        None => Step {
            name: "Your phone",
            knot: Knot::Waiting,
            words: if facts.demo {
                "The number of a simulated phone, which is put on the network for you.".into()
            } else {
                "Your own number, with its country code. It is stored sealed and shown masked.".into()
            },
            remedy: None,
        },
    };
    let (knot, words, remedy) = text_step(facts);
    let text = Step { name: "A text to yourself", knot, words, remedy };
    let (knot, words) = match (&facts.alert, facts.connected) {
        (Some((name, true)), _) => (Knot::Done, format!("{name} paged you, and you answered. That is the whole way.")),
        (Some((name, false)), _) => (Knot::Now, format!("{name} pages you. Answer the text with 1.")),
        (None, true) => (Knot::Now, "Send the signal. Your phone gets a page; answer it with 1.".into()),
        (None, false) => (
            Knot::Waiting,
            "An address that machines report to, a flow that decides, and you as the one who is paged.".into(),
        ),
    };
    vec![workspace, carrier, phone, text, Step { name: "A page that you answer", knot, words, remedy: None }]
}

fn text_step(facts: &Facts) -> (Knot, String, Option<String>) {
    let Some((_, state, reason)) = &facts.text else {
        return (Knot::Waiting, "One text over the same way that pages take.".into(), None);
    };
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match state {
        MessageState::Delivered => (Knot::Done, "It arrived: the receipt came back from the handset.".into(), None),
        MessageState::Sent | MessageState::Unknown => {
            (Knot::Now, "The carrier has taken it. The receipt from the handset is still to come.".into(), None)
        }
        MessageState::Queued | MessageState::Claimed => (
            Knot::Now,
            format!("It waits to be handed to the carrier{why}."),
            Some("A text waits while its carrier is not bound; step 2 says why.".into()),
        ),
        _ => (
            Knot::Failed,
            format!("It did not arrive{why}."),
            Some("Open the message for its whole history, mend what it says, and send another.".into()),
        ),
    }
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    render(&console, &guard, &headers, Around::default()).await
}

/// The page with what a form left behind.
pub async fn render<C: Cap>(
    console: &Console,
    guard: &InWorkspace<C>,
    headers: &HeaderMap,
    around: Around,
) -> Answer<Response> {
    let topics = [carriers::TOPIC, messaging::TOPIC, ::alerts::TOPIC, signals::TOPIC];
    let shell = console.shell(guard, headers, Page::Start).await?.listening(&topics);
    let workspace = console.workspace(guard.workspace()).await?;
    let facts = console.first_facts(guard, workspace.environment).await?;
    let steps = steps(&facts, guard.name());
    let now = steps.iter().position(|step| step.knot != Knot::Done).unwrap_or(steps.len());
    let everywhere = |capability| guard.caller().grants().organisation_capabilities().contains(capability);
    let closed = |open: bool, why: &'static str| (!open).then_some(why);
    let status = around.wrong.status();
    let (sentence, standing) = match (now, steps.get(now)) {
        (_, None) => ("You were paged, and you answered".to_owned(), "Everything a page needs works. From here on: connect your own machines, and write down who is paged when.".to_owned()),
        (now, Some(step)) => (
            format!("Step {} of {}: {}", now + 1, steps.len(), step.name.to_lowercase()),
            "At the end a machine’s signal has become a text on your phone, and your answer has come back. Leave whenever you like; what is done stays done.".to_owned(),
        ),
    };
    let template = StartPage {
        slug: guard.name().to_owned(),
        sentence,
        standing,
        now,
        closed: vec![
            None,
            closed(
                everywhere(Capability::CarriersWrite) && guard.may(Capability::ResourcesApply),
                "Carriers are entered by an administrator of the organisation.",
            ),
            closed(
                everywhere(Capability::PeopleWrite),
                "Phones are entered by somebody who may change people. Ask an administrator.",
            ),
            closed(guard.may(Capability::MessagesSend), "Your role does not send texts."),
            closed(
                guard.may(Capability::ResourcesApply),
                "Integrations and flows are made by an administrator or an operator of the workspace.",
            ),
        ],
        controlled: console.is_controlled(guard.workspace()).await?,
        steps,
        facts,
        around,
        shell,
    };
    page_with(status, &template)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn facts() -> Facts {
        Facts {
            environment: Environment::Production,
            carriers: Vec::new(),
            phone: None,
            text: None,
            connected: false,
            alert: None,
            demo: false,
        }
    }

    fn knots(facts: &Facts) -> Vec<Knot> {
        steps(facts, "live").into_iter().map(|step| step.knot).collect()
    }

    #[test]
    fn where_somebody_stands_is_what_is_so() {
        let mut so = facts();
        assert_eq!(knots(&so), [Knot::Done, Knot::Waiting, Knot::Waiting, Knot::Waiting, Knot::Waiting]);
        so.carriers = vec![("acme".into(), "0 of 1 sessions: connection refused, retry in 6 s".into(), false)];
        let said = steps(&so, "live").swap_remove(1);
        assert!(said.words.contains("connection refused") && said.remedy.is_some(), "{said:?}");
        so.carriers[0].2 = true;
        so.phone = Some("+44 77•• ••• •101".into());
        so.text = Some((uuid::Uuid::from_u128(1).into(), MessageState::Sent, None));
        assert_eq!(knots(&so)[1..4], [Knot::Done, Knot::Done, Knot::Now]);
        so.text = Some((uuid::Uuid::from_u128(1).into(), MessageState::Rejected, Some("no route".into())));
        assert!(steps(&so, "live")[3].words.contains("no route"));
        so.text = Some((uuid::Uuid::from_u128(1).into(), MessageState::Delivered, None));
        so.connected = true;
        so.alert = Some(("A-1".into(), true));
        assert!(knots(&so).iter().all(|knot| *knot == Knot::Done));
    }

    fn sample(facts: Facts, now: usize, closed: Option<&'static str>) -> StartPage {
        StartPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "Step 2 of 5: a carrier".into(),
            standing: "Leave whenever you like.".into(),
            steps: steps(&facts, "demo"),
            now,
            facts,
            closed: vec![closed; 5],
            controlled: true,
            around: Around::default(),
        }
    }

    #[test]
    fn each_step_has_its_form_and_keeps_what_was_written() {
        for (now, field) in [(1, "name=\"address\""), (2, "name=\"number\""), (3, "/start/text"), (4, "/start/signal")]
        {
            let html = checked(&sample(facts(), now, None));
            assert!(html.contains(field), "step {now}: {field}");
            let html = checked(&sample(facts(), now, Some("Ask an administrator.")));
            assert!(!html.contains(field) && html.contains("Ask an administrator."), "step {now}");
        }
        let mut page = sample(facts(), 1, None);
        page.around.wrong = Wrong::one("address", "Is missing.");
        page.around.carrier.name = HOSTILE.into();
        let html = checked(&page);
        assert!(html.contains("Is missing.") && html.contains("aria-invalid"));
        let done = checked(&sample(facts(), 5, None));
        assert!(done.contains("/w/demo/integrations"));
    }
}
