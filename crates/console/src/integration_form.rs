//! The form with which an integration is made and changed. Its secrets are drawn here and shown once; none is ever typed in.

use access::{Capability, cap};
use askama::Template;
use axum::extract::State;
use base::{IntegrationId, ResourceId};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Refusal, Response};
use resources::{Draft, Json};
use serde::Deserialize;
use signals::Auth;

use crate::Console;
use crate::carrier_dialect::{lines, listed};
use crate::editing::{Act, Why, WhyView, mistakes, number, prune, shown, text};
use crate::facts::Choice;
use crate::integration_page::{Around, Drawn};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};

const KIND: &str = "integrations";

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IntegrationForm {
    name: String,
    auth: Vec<String>,
    certificates: String,
    username: String,
    mapping: String,
    flow: String,
    enabled: bool,
    rate_per_minute: String,
    rotation_hours: String,
    keep_days: String,
    keep_refused_days: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl IntegrationForm {
    /// What is usual.
    fn fresh() -> Self {
        let usual = |text: &str| text.to_owned();
        Self {
            auth: vec![Auth::Hmac.as_str().to_owned()],
            mapping: usual("generic"),
            enabled: true,
            rate_per_minute: usual("600"),
            rotation_hours: usual("24"),
            keep_days: usual("90"),
            keep_refused_days: usual("30"),
            ..Self::default()
        }
    }

    /// What is stored.
    fn of(body: &Json, version: i64) -> Self {
        let methods = body.get("auth").and_then(Json::as_array).into_iter().flatten();
        Self {
            name: shown(body, "name"),
            auth: methods.filter_map(Json::as_str).map(str::to_owned).collect(),
            certificates: lines(body, "certificates"),
            username: shown(body, "username"),
            mapping: shown(body, "mapping"),
            flow: shown(body, "flow"),
            enabled: body.get("enabled").and_then(Json::as_bool).unwrap_or(true),
            rate_per_minute: shown(body, "rate_per_minute"),
            rotation_hours: shown(body, "rotation_hours"),
            keep_days: shown(body, "keep_days"),
            keep_refused_days: shown(body, "keep_refused_days"),
            reason: String::new(),
            change: String::new(),
            version: Some(version),
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    /// The plain fields; what was left empty gets its default.
    fn body(&self) -> Json {
        let mut body = serde_json::json!({
            "name": self.name.trim(),
            "auth": self.auth,
            "certificates": listed(&self.certificates),
            "mapping": text(&self.mapping),
            "flow": text(&self.flow),
            "enabled": self.enabled,
            "username": text(&self.username),
            "rate_per_minute": number(&self.rate_per_minute),
            "rotation_hours": number(&self.rotation_hours),
            "keep_days": number(&self.keep_days),
            "keep_refused_days": number(&self.keep_refused_days),
        });
        prune(&mut body);
        body
    }
}

#[derive(Template)]
#[template(path = "integration-form.html")]
struct FormPage {
    shell: Shell,
    /// The integration that is changed; none for a new one.
    known: Option<IntegrationId>,
    action: String,
    back: String,
    wrong: Wrong,
    form: IntegrationForm,
    methods: Vec<(Choice, &'static str)>,
    mappings: Vec<Choice>,
    flows: Vec<Choice>,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "auth",
        "certificates",
        "username",
        "mapping",
        "flow",
        "enabled",
        "rate_per_minute",
        "rotation_hours",
        "keep_days",
        "keep_refused_days",
        "change",
    ];
}

fn method_words(method: Auth) -> &'static str {
    match method {
        Auth::Hmac => "each message is signed; nothing secret travels. The best, where the sender can.",
        Auth::Basic => "a user name and a password, as most programs can.",
        Auth::ApiKey => "an API key of this workspace with the scope signals:send, or an access token for signals.",
        Auth::Certificate => "a client certificate of its own; nothing secret travels.",
        Auth::UrlToken => "a token in the address, for senders that can do nothing else.",
    }
}

/// The ways that are chosen, and those of which the reader's roles let them make credentials.
fn method_choices(chosen: &[String], may: impl Fn(Capability) -> bool) -> Vec<(Choice, &'static str)> {
    [Auth::Hmac, Auth::Certificate, Auth::Basic, Auth::ApiKey, Auth::UrlToken]
        .into_iter()
        .filter(|method| {
            chosen.iter().any(|name| name == method.as_str()) || signals::kind_of(*method).is_none_or(&may)
        })
        .map(|method| {
            let choice = Choice {
                value: method.as_str().to_owned(),
                name: method.label().to_owned(),
                href: String::new(),
                current: chosen.iter().any(|name| name == method.as_str()),
            };
            (choice, method_words(method))
        })
        .collect()
}

/// Names as choices; one that is in force and gone stays to be seen.
fn named(names: Vec<String>, current: &str) -> Vec<Choice> {
    let gone = (!current.is_empty() && !names.iter().any(|name| name == current)).then(|| current.to_owned());
    names
        .into_iter()
        .chain(gone)
        .map(|name| Choice { value: name.clone(), current: name == current, name, href: String::new() })
        .collect()
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::IntegrationsWrite>,
    headers: &HeaderMap,
    known: Option<IntegrationId>,
    form: IntegrationForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Integrations).await?;
    let slug = guard.name().to_owned();
    let read = guard.also::<cap::IntegrationsRead>().ok_or_else(Refusal::not_found)?;
    let mappings = console.signals.mappings(&read).await?;
    let flows = match guard.also::<cap::FlowsRead>() {
        Some(permit) => console.flows.list(&permit).await?.into_iter().map(|flow| flow.name).collect(),
        None => Vec::new(),
    };
    let status = wrong.status();
    page_with(
        status,
        &FormPage {
            action: match known {
                Some(id) => format!("/w/{slug}/integrations/{id}/edit"),
                None => format!("/w/{slug}/integrations/new"),
            },
            back: match known {
                Some(id) => format!("/w/{slug}/integrations/{id}"),
                None => format!("/w/{slug}/integrations"),
            },
            methods: method_choices(&form.auth, |kind| guard.may(kind)),
            mappings: named(mappings, &form.mapping),
            flows: named(flows, &form.flow),
            why: form.why().view(console.is_controlled(guard.workspace()).await?),
            known,
            wrong,
            form,
            shell,
        },
    )
}

/// The form for a new one.
pub async fn new(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    render(&console, &guard, &headers, None, IntegrationForm::fresh(), Wrong::default()).await
}

/// Makes it. The answer to this very request is the only page that ever shows its secrets.
pub async fn create(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<IntegrationForm>,
) -> Answer<Response> {
    let draft = Draft::new(form.body());
    match console.edit(&guard, Act::Save, KIND, None, draft, &form.why()).await {
        Ok(written) => {
            let id = IntegrationId::from(written.id.uuid());
            console.integration_page(&guard, &headers, id, made(written.drawn, &form)).await
        }
        Err(error) => render(&console, &guard, &headers, None, form, mistakes(error)?).await,
    }
}

/// The form of one that is there.
pub async fn edit(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, IntegrationId)>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, ResourceId::from(id.uuid())).await?;
    let form = IntegrationForm::of(&stored.body, stored.version);
    render(&console, &guard, &headers, Some(id), form, Wrong::default()).await
}

/// Saves it. A way of proving senders that is new to it gets a secret, which only this answer shows.
pub async fn save(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, IntegrationId)>,
    Form(mut form): Form<IntegrationForm>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, ResourceId::from(id.uuid())).await?;
    form.name.clone_from(&stored.key);
    let draft = console.resources.draft_of(&stored).map(|kept| kept.with_body(form.body()));
    let saved = match draft {
        Ok(draft) => console.edit(&guard, Act::Save, KIND, Some(&stored.key), draft, &form.why()).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(written) if written.drawn.is_empty() => {
            Ok(see_other(&format!("/w/{}/integrations/{id}?did=saved", guard.name())))
        }
        Ok(written) => console.integration_page(&guard, &headers, id, made(written.drawn, &form)).await,
        Err(error) => render(&console, &guard, &headers, Some(id), form, mistakes(error)?).await,
    }
}

/// What was drawn, for the page that shows it.
fn made(drawn: Vec<resources::Drawn>, form: &IntegrationForm) -> Around {
    let method = |field: &str| match field {
        "password" => Auth::Basic,
        "signing_secret" => Auth::Hmac,
        _ => Auth::UrlToken,
    };
    let fresh = drawn.first().map(|one| method(&one.field));
    let drawn = drawn.into_iter().map(|one| Drawn {
        method: method(&one.field).label(),
        user: (one.field == "password").then(|| form.username.trim().to_owned()).filter(|user| !user.is_empty()),
        secret: one.secret,
        after: "Put it where the sender finds it, then leave this page.".to_owned(),
    });
    Around {
        said: Some("Saved. Copy an example beneath, or send a test.".to_owned()),
        drawn: drawn.collect(),
        fresh,
        ..Around::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn what_is_left_empty_gets_its_default() {
        let form = IntegrationForm {
            name: " ci ".into(),
            flow: "page".into(),
            rate_per_minute: String::new(),
            ..IntegrationForm::fresh()
        };
        let body = form.body();
        assert_eq!(body["name"], "ci");
        assert_eq!(body["auth"], serde_json::json!(["hmac"]));
        assert!(body.get("rate_per_minute").is_none() && body.get("username").is_none());
        let wrong = IntegrationForm { rate_per_minute: "many".into(), ..form };
        assert_eq!(wrong.body()["rate_per_minute"], "many", "the writer says what is wrong");
    }

    #[test]
    fn a_form_shows_what_is_stored() {
        let body = serde_json::json!({
            "name": "ci", "auth": ["url_token", "basic"], "mapping": "generic", "flow": "page", "enabled": false,
            "rate_per_minute": 60, "token": {"hash": "x"}
        });
        let form = IntegrationForm::of(&body, 7);
        assert_eq!(
            (form.auth.len(), form.rate_per_minute.as_str(), form.enabled, form.version),
            (2, "60", false, Some(7))
        );
        assert!(form.body().get("token").is_none(), "a secret never goes through the form");
    }

    fn sample(known: Option<IntegrationId>, wrong: Wrong) -> FormPage {
        let form = IntegrationForm { name: HOSTILE.into(), flow: "gone".into(), ..IntegrationForm::fresh() };
        FormPage {
            shell: shell(),
            action: "/w/demo/integrations/new".into(),
            back: "/w/demo/integrations".into(),
            methods: method_choices(&form.auth, |kind| kind != Capability::CredentialUrlToken),
            mappings: named(vec!["generic".into()], &form.mapping),
            flows: named(vec!["page".into()], &form.flow),
            why: form.why().view(true),
            known,
            wrong,
            form,
        }
    }

    #[test]
    fn mistakes_stand_at_their_fields_and_what_was_typed_stays() {
        let html = checked(&sample(None, Wrong::one("flow", "There is no such flow.")));
        assert!(html.contains("There is no such flow.") && html.contains("aria-invalid=\"true\""), "{html}");
        assert!(html.contains("value=\"gone\" selected") && html.contains("Change reference"), "{html}");
        assert!(html.contains("&#60;script&#62;"));
        let known = checked(&sample(Some(uuid::Uuid::from_u128(2).into()), Wrong::default()));
        assert!(known.contains("A name stays for ever"));
    }
}
