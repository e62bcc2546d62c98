//! What people do about an alert: each act is a form, so that it works without script.

use access::cap;
use alerts::{Alert, Answer as Act, Outcome, State as AlertState};
use axum::extract::State;
use http::{Answer, Form, InWorkspace, Path, Refusal, Response};
use serde::Deserialize;

use crate::Console;
use crate::page::see_other;

/// A button that is a form.
#[derive(Clone, Debug)]
pub struct ActButton {
    /// Where it posts to.
    pub action: String,
    /// What it says.
    pub name: String,
    /// Its icon; none when empty.
    pub icon: &'static str,
    /// Its key.
    pub key: &'static str,
    /// Whether it is the one filled button of the view.
    pub chief: bool,
}

/// What this reader can do about `alert` now.
pub fn acts(slug: &str, alert: &Alert) -> Vec<ActButton> {
    let to = |verb: &str| format!("/w/{slug}/alerts/{}/{verb}", alert.name());
    let button =
        |verb: &str, name: &str, icon, key, chief| ActButton { action: to(verb), name: name.into(), icon, key, chief };
    let pass_on = alert.next_person.as_ref().map_or_else(|| "Pass on".to_owned(), |next| format!("Pass on to {next}"));
    match alert.state {
        AlertState::Open => vec![
            button("acknowledge", "Acknowledge", "check", "a", true),
            button("pass-on", &pass_on, "next", "p", false),
            button("resolve", "Resolve", "", "r", false),
        ],
        AlertState::Acknowledged => vec![
            button("resolve", "Resolve", "check", "r", true),
            button("pass-on", &pass_on, "next", "p", false),
            button("undo", "Undo", "", "u", false),
        ],
        AlertState::Resolved | AlertState::Expired => Vec::new(),
    }
}

/// The form of an act: nothing but the proof that it comes from our page, and for resolving a note.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ActForm {
    note: Option<String>,
}

async fn act(guard: InWorkspace<cap::AlertsAnswer>, console: &Console, name: &str, act: Act) -> Answer<Response> {
    let slug = guard.name().to_owned();
    let number = alerts::parse_alert_name(name).ok_or_else(Refusal::not_found)?;
    let read = guard.also::<cap::AlertsRead>().ok_or_else(Refusal::not_found)?;
    let alert = console.alerts.by_number(read, number).await?.ok_or_else(Refusal::not_found)?;
    let done = console.alerts.answer(guard.into_permit(), alert.id, act).await?;
    let did = match done.outcome {
        Outcome::Acknowledged => "acknowledged",
        Outcome::AlreadyYours => "yours",
        Outcome::PassedOn { .. } => "passed-on",
        Outcome::Resolved => "resolved",
        Outcome::AlreadyOver => "over",
        Outcome::Undone { .. } => "undone",
    };
    Ok(see_other(&format!("/w/{slug}/alerts/{}?did={did}", alert.name())))
}

/// What an act did, said on the page after it.
pub fn said_words(did: &str) -> Option<String> {
    let words = match did {
        "acknowledged" => "It is yours. Nobody else is paged.",
        "yours" => "It was yours already. Nothing changed.",
        "passed-on" => "Passed on. The next person is being paged.",
        "resolved" => "Resolved. Everybody who was paged is told.",
        "over" => "It was over already. Nothing changed.",
        "undone" => "Taken back. Paging goes on.",
        _ => return None,
    };
    Some(words.into())
}

/// "I have it."
pub async fn acknowledge(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    act(guard, &console, &name, Act::Acknowledge).await
}

/// "Page the next person."
pub async fn pass_on(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    act(guard, &console, &name, Act::PassOn).await
}

/// "It is over."
pub async fn resolve(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<ActForm>,
) -> Answer<Response> {
    act(guard, &console, &name, Act::Resolve { note: form.note.filter(|note| !note.trim().is_empty()) }).await
}

/// "Take my last answer back."
pub async fn undo(
    guard: InWorkspace<cap::AlertsAnswer>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    act(guard, &console, &name, Act::Undo).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alert;

    #[test]
    fn a_state_offers_what_can_be_done_in_it_with_one_chief_act() {
        let offered = |state| {
            let acts = acts("demo", &Alert { state, ..alert() });
            assert!(acts.iter().filter(|act| act.chief).count() <= 1);
            acts.into_iter().map(|act| act.name).collect::<Vec<_>>()
        };
        assert_eq!(offered(AlertState::Open), ["Acknowledge", "Pass on to Dina Sample", "Resolve"]);
        assert_eq!(offered(AlertState::Acknowledged), ["Resolve", "Pass on to Dina Sample", "Undo"]);
        for over in [AlertState::Resolved, AlertState::Expired] {
            assert!(offered(over).is_empty());
        }
    }

    #[test]
    fn only_known_acts_are_said() {
        for did in ["acknowledged", "yours", "passed-on", "resolved", "over", "undone"] {
            assert!(said_words(did).is_some(), "{did}");
        }
        assert_eq!(said_words("<script>"), None);
    }
}
