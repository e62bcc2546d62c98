//! One integration: what it does in a sentence, what came, examples to copy, the test button, and its secrets.

use std::time::Duration;

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{Explain as _, ExposeSecret as _, FlowId, IntegrationId, SecretString, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use serde::Deserialize;
use signals::{Activity, Auth, CredentialRow, Example, Filter, Integration, Rotation, SignalState, examples};

use crate::Console;
use crate::certificate_rows::CertificateRow;
use crate::change::ground;
use crate::draw::Draw;
use crate::facts::{Choice, Fact, choices};
use crate::integrations_page::last_days;
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::signals_page::outcome;
use crate::spark::Spark;
use crate::zone::age;

struct Line {
    href: Option<String>,
    at: Timestamp,
    knot: Knot,
    title: String,
    words: String,
}

/// One way of proving a sender, with its secrets and what can be done about them.
struct Method {
    auth: &'static str,
    name: &'static str,
    /// What it is, in a sentence.
    words: &'static str,
    secrets: Vec<Secret>,
    /// Whether a new one can be drawn.
    renews: bool,
    /// Whether an old one still counts and can be ended.
    retires: bool,
}

struct Secret {
    knot: Knot,
    words: String,
    created: Timestamp,
    last: Option<Timestamp>,
    last_words: String,
    by: String,
    old: bool,
}

/// A secret just drawn, for the one page that shows it.
pub struct Drawn {
    /// `HTTP Basic`
    pub method: &'static str,
    /// The user name that goes with a password.
    pub user: Option<String>,
    /// The secret.
    pub secret: SecretString,
    /// What happens to the one before.
    pub after: String,
}

/// An example with the names of its tabs.
struct Snippet {
    language: &'static str,
    tab: &'static str,
    method: &'static str,
    spot: String,
    text: String,
}

#[derive(Template)]
#[template(path = "integration.html")]
#[expect(clippy::struct_excessive_bools, reason = "what the reader may do, each asked on its own by the template")]
struct IntegrationPage {
    shell: Shell,
    slug: String,
    id: IntegrationId,
    name: String,
    sentence: String,
    standing: String,
    said: Option<String>,
    wrong: Wrong,
    drawn: Vec<Drawn>,
    url: String,
    spark: Spark,
    lines: Vec<Line>,
    languages: Vec<Choice>,
    methods_of_examples: Vec<Choice>,
    snippets: Vec<Snippet>,
    methods: Vec<Method>,
    overlaps: Vec<Choice>,
    facts: Vec<Fact>,
    certificates: Vec<CertificateRow>,
    may_write: bool,
    may_test: bool,
    may_signals: bool,
    controlled: bool,
    change: String,
}

/// The choices of an overlap, in hours.
const OVERLAPS: [(&str, &str); 4] = [
    ("24", "The old one works on for 24 hours"),
    ("168", "The old one works on for 7 days"),
    ("1", "The old one works on for an hour"),
    ("0", "The old one ends at once: it leaked"),
];

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

fn said_words(did: &str) -> Option<String> {
    let words = match did {
        "saved" => "Saved. The next signal is handled as it stands here.",
        "retired" => "The old secret is ended. A sender that still shows it is refused from now on.",
        "nothing" => "There was no old secret any more. Nothing changed.",
        _ => return None,
    };
    Some(words.to_owned())
}

/// One integration.
pub async fn show(
    guard: InWorkspace<cap::IntegrationsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, IntegrationId)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let around = Around { said: said_words(&said.did), ..Around::default() };
    console.integration_page(&guard, &headers, id, around).await
}

/// Sends the mapping's sample through the integration and leads to the signal, where it can be followed.
pub async fn test(
    guard: InWorkspace<cap::SignalsSend>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, IntegrationId)>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    match console.signals.test(guard.permit(), id, None).await {
        Ok(accepted) => Ok(see_other(&format!("/w/{}/signals/{}?did=test", guard.name(), accepted.request_id))),
        Err(refused) => {
            let wrong = Wrong::of(vec![refused.problem()]).map_err(|_| Refusal::from(refused))?;
            console.integration_page(&guard, &headers, id, Around { wrong, ..Around::default() }).await
        }
    }
}

/// What the forms about secrets send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecretForm {
    method: String,
    hours: String,
    reason: String,
    change: String,
}

impl SecretForm {
    fn method(&self) -> Answer<Auth> {
        Auth::ALL.into_iter().find(|auth| auth.as_str() == self.method).ok_or_else(Refusal::not_found)
    }

    fn reason(&self) -> Option<String> {
        Some(self.reason.trim().to_owned()).filter(|reason| !reason.is_empty())
    }
}

/// Draws a new secret. The answer to this very request is the only page that ever shows it.
pub async fn rotate(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, IntegrationId)>,
    Form(form): Form<SecretForm>,
) -> Answer<Response> {
    let method = form.method()?;
    let hours = OVERLAPS.iter().find(|(value, _)| *value == form.hours).and_then(|(value, _)| value.parse().ok());
    let ground = match ground(&form.change) {
        Ok(ground) => ground,
        Err(error) => {
            let around = Around { wrong: crate::editing::mistakes(error)?, change: form.change, ..Around::default() };
            return console.integration_page(&guard, &headers, id, around).await;
        }
    };
    let rotation = Rotation {
        integration: id,
        method,
        overlap: hours.map_or(Rotation::OVERLAP, Duration::from_hours),
        ground,
        reason: form.reason(),
    };
    let around = match console.signals.rotate(&console.resources, guard.permit(), rotation).await {
        Ok(rotated) => Around {
            drawn: vec![Drawn {
                method: rotated.method.label(),
                user: rotated.user,
                after: String::new(),
                secret: rotated.secret,
            }],
            fresh: Some(method),
            old_until: rotated.old_until,
            ..Around::default()
        },
        Err(error) => Around {
            wrong: Wrong::of(vec![error.problem()]).map_err(|_| Refusal::from(error))?,
            change: form.change,
            ..Around::default()
        },
    };
    console.integration_page(&guard, &headers, id, around).await
}

/// Ends the old secret of a rotation before its time.
pub async fn retire(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, IntegrationId)>,
    Form(form): Form<SecretForm>,
) -> Answer<Response> {
    let ended = console.signals.retire(guard.permit(), id, form.method()?, form.reason()).await?;
    let did = if ended > 0 { "retired" } else { "nothing" };
    Ok(see_other(&format!("/w/{}/integrations/{id}?did={did}", guard.name())))
}

/// What the page shows besides the integration itself.
#[derive(Default)]
pub struct Around {
    /// What was done.
    pub said: Option<String>,
    /// What is wrong with what was sent.
    pub wrong: Wrong,
    /// Secrets drawn by this very request.
    pub drawn: Vec<Drawn>,
    /// The method whose examples carry the drawn secret.
    pub fresh: Option<Auth>,
    /// Until when the one before works on.
    pub old_until: Option<Timestamp>,
    /// The change reference that was typed.
    pub change: String,
}

impl Console {
    /// The page of one integration.
    pub async fn integration_page<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        headers: &HeaderMap,
        id: IntegrationId,
        mut around: Around,
    ) -> Answer<Response> {
        let shell = self.shell(guard, headers, Page::Integrations).await?.listening(&[signals::TOPIC]);
        let slug = guard.name().to_owned();
        let permit = guard.also::<cap::IntegrationsRead>().ok_or_else(Refusal::not_found)?;
        let found = self.signals.integration(&permit, id).await?.ok_or_else(Refusal::not_found)?;
        let (days, borders) = last_days(&shell.zone, shell.now);
        let volumes = self.volumes(guard, Some(id), borders).await?;
        let lines = match guard.also::<cap::SignalsRead>() {
            Some(permit) => {
                let filter = Filter { integration: Some(id), ..Filter::default() };
                let recent = self.signals.list(&permit, filter, base::PageRequest::new(10, None)).await?;
                recent.items.iter().map(|activity| line(&slug, activity)).collect()
            }
            None => Vec::new(),
        };
        let flow = match guard.also::<cap::FlowsRead>() {
            Some(permit) => {
                self.flows.list(&permit).await?.into_iter().find(|flow| flow.name == found.flow).map(|flow| flow.id)
            }
            None => None,
        };
        let fresh = around.fresh.zip(around.drawn.first()).map(|(method, drawn)| (method, drawn.secret.clone()));
        let all = examples(&found, &self.public_url, fresh.as_ref().map(|(method, secret)| (*method, secret)));
        for drawn in &mut around.drawn {
            if drawn.after.is_empty() {
                drawn.after = match around.old_until {
                    Some(until) => format!("The old one works on until {}.", shell.zone.day_clock(&until)),
                    None => "There is no old one any more.".to_owned(),
                };
            }
        }
        let status = around.wrong.status();
        page_with(
            status,
            &IntegrationPage {
                sentence: heading(&found, shell.now),
                standing: standing(&found),
                said: around.said,
                wrong: around.wrong,
                url: format!("{}/signals/{id}", self.public_url),
                spark: Spark::new(&days, volumes.get(&id)),
                lines,
                languages: languages(&all),
                methods_of_examples: example_methods(&found, around.fresh),
                snippets: all.into_iter().enumerate().map(|(at, one)| snippet(at, one)).collect(),
                methods: found.auth.iter().map(|auth| method(*auth, &found.credentials, &shell)).collect(),
                overlaps: choices(&OVERLAPS, "24"),
                facts: facts(&slug, &found, flow),
                certificates: self.certificates_of(guard, "integrations", id.uuid(), &shell).await?,
                may_write: guard.may(Capability::IntegrationsWrite),
                may_test: guard.may(Capability::SignalsSend),
                may_signals: guard.may(Capability::SignalsRead),
                controlled: self.is_controlled(guard.workspace()).await?,
                change: around.change,
                drawn: around.drawn,
                name: found.name,
                id,
                slug,
                shell,
            },
        )
    }
}

fn heading(integration: &Integration, now: Timestamp) -> String {
    match (integration.enabled, integration.last_signal) {
        (false, _) => format!("“{}” is switched off and refuses every signal", integration.name),
        (true, None) => format!("“{}” waits for its first signal", integration.name),
        (true, Some(at)) => format!("“{}” took its last signal {} ago", integration.name, age(now.since(at))),
    }
}

fn standing(integration: &Integration) -> String {
    let ways: Vec<&str> = integration.auth.iter().map(|auth| auth.label()).collect();
    let ways = match ways.as_slice() {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    };
    format!(
        "Senders prove themselves by {ways}. Their signals are read by the mapping {} and start the flow {}, at most {} a minute.",
        integration.mapping, integration.flow, integration.rate_per_minute
    )
}

fn line(slug: &str, activity: &Activity) -> Line {
    let (knot, words) = outcome(activity);
    let refused = activity.state == SignalState::Refused;
    Line {
        href: (!refused).then(|| format!("/w/{slug}/signals/{}", activity.id)),
        at: activity.at,
        knot,
        title: activity.summary.clone().unwrap_or_default(),
        words: if activity.count > 1 { format!("{} requests: {words}", activity.count) } else { words },
    }
}

fn tab(language: &str) -> &'static str {
    match language {
        "Python" => "python",
        "PowerShell" => "powershell",
        _ => "curl",
    }
}

fn snippet(at: usize, example: Example) -> Snippet {
    Snippet {
        language: example.language,
        tab: tab(example.language),
        method: example.method.as_str(),
        spot: format!("example-{at}"),
        text: example.text,
    }
}

fn languages(all: &[Example]) -> Vec<Choice> {
    let mut names: Vec<&'static str> = Vec::new();
    for example in all {
        if !names.contains(&example.language) {
            names.push(example.language);
        }
    }
    let first = names.first().copied();
    names
        .into_iter()
        .map(|name| Choice {
            value: tab(name).to_owned(),
            name: name.to_owned(),
            href: String::new(),
            current: Some(name) == first,
        })
        .collect()
}

fn example_methods(integration: &Integration, fresh: Option<Auth>) -> Vec<Choice> {
    let chosen = fresh.or_else(|| Auth::ALL.into_iter().find(|method| integration.auth.contains(method)));
    Auth::ALL
        .into_iter()
        .filter(|method| integration.auth.contains(method))
        .map(|method| Choice {
            value: method.as_str().to_owned(),
            name: method.label().to_owned(),
            href: String::new(),
            current: Some(method) == chosen,
        })
        .collect()
}

fn secret(row: &CredentialRow, shell: &Shell) -> Secret {
    let origin = if row.origin == "imported" { "Brought along" } else { "Drawn here" };
    let words = match row.expires {
        Some(until) => format!("{origin}, the old one: ends {}", shell.zone.day_clock(&until)),
        None => origin.to_owned(),
    };
    let by =
        [row.last_source.as_deref(), row.last_agent.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ");
    Secret {
        knot: if row.expires.is_some() { Knot::Unknown } else { Knot::Done },
        words,
        created: row.created,
        last: row.last_used,
        last_words: row.last_used.map(|at| age(shell.now.since(at))).unwrap_or_default(),
        by,
        old: row.expires.is_some(),
    }
}

fn method(auth: Auth, credentials: &[CredentialRow], shell: &Shell) -> Method {
    let secrets: Vec<Secret> =
        credentials.iter().filter(|row| row.method == auth).map(|row| secret(row, shell)).collect();
    Method {
        auth: auth.as_str(),
        name: auth.label(),
        words: match auth {
            Auth::UrlToken => {
                "The token stands in the address. Addresses end up in logs of proxies, so prefer another way where the sender can."
            }
            Auth::ApiKey => {
                "Any API key of this workspace with the scope signals:send, or an access token for signals."
            }
            Auth::Certificate => "A client certificate of its own, named in the configuration; nothing secret travels.",
            Auth::Basic => "User name and password, as most programs can.",
            Auth::Hmac => "Each message is signed (Standard Webhooks): nothing secret travels, and none counts twice.",
        },
        renews: !matches!(auth, Auth::ApiKey | Auth::Certificate),
        retires: secrets.iter().any(|one| one.old),
        secrets,
    }
}

fn facts(slug: &str, integration: &Integration, flow: Option<FlowId>) -> Vec<Fact> {
    let mut facts = vec![match flow {
        Some(id) => Fact::link("Flow", integration.flow.clone(), format!("/w/{slug}/flows/{id}")),
        None => Fact::new("Flow", integration.flow.clone()),
    }];
    facts.push(Fact::new("Mapping", integration.mapping.clone()));
    if integration.auth.contains(&Auth::Basic) {
        facts.push(Fact::mono("User name", integration.user.clone()));
    }
    facts.push(Fact::new("At most", format!("{} signals a minute", integration.rate_per_minute)));
    facts.push(Fact::new(
        "Kept for",
        format!("{} days; refused ones {} days", integration.keep_days, integration.keep_refused_days),
    ));
    facts.push(Fact::mono("Id", integration.id.to_string()));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrations_page::tests::{credential, integration};
    use crate::signals_page::tests::activity;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn sample(drawn: Vec<Drawn>, may_write: bool) -> IntegrationPage {
        let mut found = integration();
        found.credentials.push(credential(Auth::UrlToken, Some(NOW), Some(NOW)));
        let fresh = drawn.first().map(|one| (Auth::UrlToken, one.secret.clone()));
        let all =
            examples(&found, "https://pager.example.com", fresh.as_ref().map(|(method, secret)| (*method, secret)));
        let (days, _) = last_days(&shell().zone, NOW);
        IntegrationPage {
            shell: shell().listening(&["signal"]),
            slug: "demo".into(),
            id: found.id,
            name: found.name.clone(),
            sentence: heading(&found, NOW),
            standing: standing(&found),
            said: said_words("saved"),
            wrong: Wrong::one("method", "It is switched off."),
            url: "https://pager.example.com/signals/2".into(),
            spark: Spark::new(&days, None),
            lines: vec![line("demo", &activity())],
            languages: languages(&all),
            methods_of_examples: example_methods(&found, None),
            snippets: all.into_iter().enumerate().map(|(at, one)| snippet(at, one)).collect(),
            methods: found.auth.iter().map(|auth| method(*auth, &found.credentials, &shell())).collect(),
            overlaps: choices(&OVERLAPS, "24"),
            facts: facts("demo", &found, Some(uuid::Uuid::from_u128(6).into())),
            certificates: Vec::new(),
            may_write,
            may_test: may_write,
            may_signals: true,
            controlled: false,
            change: String::new(),
            drawn,
        }
    }

    #[test]
    fn the_page_says_first_what_it_does() {
        let html = checked(&sample(Vec::new(), true));
        assert!(html.contains("took its last signal 3 min ago"), "{html}");
        assert!(html.contains("by URL token or HTTP Basic. Their signals are read by the mapping alertmanager"));
        for act in ["/test\"", "/rotate\"", "/retire\"", "/edit\""] {
            assert!(html.contains(act), "{act}");
        }
        assert!(html.contains("/w/demo/flows/") && html.contains("class=\"spark\""));
    }

    #[test]
    fn each_language_and_method_is_a_tab_without_script() {
        let html = checked(&sample(Vec::new(), true));
        for tab in ["id=\"t-curl\"", "id=\"t-python\"", "id=\"t-powershell\"", "id=\"t-url_token\"", "id=\"t-basic\""] {
            assert!(html.contains(tab), "{tab}");
        }
        assert!(html.contains("YOUR_URL_TOKEN") && !html.contains("id=\"t-hmac\""));
        assert_eq!(html.matches("data-copy=\"#example-").count(), 6);
    }

    /// E-25, E-08: a secret stands on the page of the request that drew it, and on no other.
    #[test]
    fn e_25_a_drawn_secret_is_shown_on_one_page() {
        let drawn = vec![Drawn {
            method: "URL token",
            user: None,
            secret: "loudhailer_url_sample".to_owned().into(),
            after: "The old one works on until tomorrow.".into(),
        }];
        let html = checked(&sample(drawn, true));
        assert!(
            html.contains("only time") && html.matches("loudhailer_url_sample").count() >= 2,
            "the examples carry it too"
        );
        assert!(html.contains("works on until tomorrow"));
        assert!(!checked(&sample(Vec::new(), true)).contains("loudhailer_url_sample"));
    }

    #[test]
    fn a_reader_sees_no_buttons_that_would_be_refused() {
        let html = checked(&sample(Vec::new(), false));
        for act in ["/test\"", "/rotate\"", "/retire\"", "/edit\""] {
            assert!(!html.contains(act), "{act}");
        }
        assert!(html.contains("signals:send") && html.contains("integrations:write"), "{html}");
    }

    #[test]
    fn a_switched_off_integration_says_so() {
        let mut found = integration();
        (found.enabled, found.last_signal) = (false, None);
        assert!(heading(&found, NOW).ends_with("is switched off and refuses every signal"));
        found.enabled = true;
        assert!(heading(&found, NOW).ends_with("waits for its first signal"));
        assert!(heading(&integration(), NOW).contains(HOSTILE));
    }
}
