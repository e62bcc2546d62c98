//! The form with which a webhook is made and changed. Its signing secret is drawn here and shown once; credentials for the
//! receiver go in and never come out.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::{ExposeSecret as _, ResourceId, SecretString, WebhookId};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Draft, Json};
use serde::Deserialize;

use crate::Console;
use crate::editing::{Act, Why, WhyView, mistakes, number, prune, secret, shown, text};
use crate::facts::{Choice, choices};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::webhook_page::Around;

const KIND: &str = webhooks::WEBHOOKS;

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WebhookForm {
    name: String,
    url: String,
    enabled: bool,
    receipts: bool,
    inbound: bool,
    /// `none`, `header` or `oauth`.
    proof: String,
    #[serde(deserialize_with = "secret")]
    authorization: SecretString,
    token_url: String,
    client_id: String,
    #[serde(deserialize_with = "secret")]
    client_secret: SecretString,
    credentials_in: String,
    scope: String,
    tls_ca: String,
    rotation_hours: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl WebhookForm {
    /// What is usual.
    fn fresh() -> Self {
        Self {
            enabled: true,
            receipts: true,
            inbound: true,
            proof: "none".to_owned(),
            credentials_in: "header".to_owned(),
            rotation_hours: "24".to_owned(),
            ..Self::default()
        }
    }

    /// What is stored.
    fn of(body: &Json, version: i64) -> Self {
        let hears = |event: &str| {
            body.get("events").and_then(Json::as_array).is_some_and(|all| all.iter().any(|one| one == event))
        };
        let oauth = body.get("oauth").cloned().unwrap_or_default();
        Self {
            name: shown(body, "name"),
            url: shown(body, "url"),
            enabled: body.get("enabled").and_then(Json::as_bool).unwrap_or(true),
            receipts: hears("receipts"),
            inbound: hears("inbound"),
            proof: proof_of(body).to_owned(),
            token_url: shown(&oauth, "url"),
            client_id: shown(&oauth, "client_id"),
            credentials_in: Some(shown(&oauth, "credentials_in"))
                .filter(|place| !place.is_empty())
                .unwrap_or("header".to_owned()),
            scope: shown(&oauth, "scope"),
            tls_ca: shown(body, "tls_ca"),
            rotation_hours: shown(body, "rotation_hours"),
            version: Some(version),
            ..Self::default()
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    /// The plain fields; what was left empty gets its default.
    fn body(&self) -> Json {
        let events: Vec<&str> = [("receipts", self.receipts), ("inbound", self.inbound)]
            .iter()
            .filter(|(_, on)| *on)
            .map(|(event, _)| *event)
            .collect();
        let mut body = serde_json::json!({
            "name": text(&self.name),
            "url": text(&self.url),
            "enabled": self.enabled,
            "events": events,
            "tls_ca": text(&self.tls_ca),
            "rotation_hours": number(&self.rotation_hours),
        });
        if self.proof == "oauth" {
            body["oauth"] = serde_json::json!({
                "url": text(&self.token_url),
                "client_id": text(&self.client_id),
                "credentials_in": text(&self.credentials_in),
                "scope": text(&self.scope),
            });
        }
        prune(&mut body);
        body
    }

    /// The form as a draft over what is stored: a credential that was left empty stays as it is, while its way is the same.
    fn draft(&self, stored: Option<&Json>) -> Draft {
        let mut draft = Draft::new(self.body());
        let before = stored.map(proof_of);
        if before.is_some() {
            draft = draft.unchanged("signing_secret");
        }
        let (way, path, given) = match self.proof.as_str() {
            "header" => ("header", "authorization", &self.authorization),
            "oauth" => ("oauth", "oauth.client_secret", &self.client_secret),
            _ => return draft,
        };
        match (given.expose_secret().is_empty(), before == Some(way)) {
            (false, _) => draft.secret(path, given.clone()),
            (true, true) => draft.unchanged(path),
            (true, false) => draft,
        }
    }
}

/// How a stored webhook proves itself.
fn proof_of(body: &Json) -> &'static str {
    if body.get("authorization").is_some_and(|value| !value.is_null()) {
        "header"
    } else if body.get("oauth").is_some_and(Json::is_object) {
        "oauth"
    } else {
        "none"
    }
}

#[derive(Template)]
#[template(path = "webhook-form.html")]
struct FormPage {
    shell: Shell,
    known: Option<WebhookId>,
    action: String,
    back: String,
    wrong: Wrong,
    form: WebhookForm,
    proofs: Vec<Choice>,
    places: Vec<Choice>,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "url",
        "enabled",
        "events",
        "proof",
        "authorization",
        "token_url",
        "client_id",
        "client_secret",
        "credentials_in",
        "scope",
        "tls_ca",
        "rotation_hours",
        "change",
    ];
}

/// The writer's paths as the form's fields.
fn placed(wrong: Wrong) -> Wrong {
    wrong
        .moved("oauth.url", "token_url")
        .moved("oauth.client_id", "client_id")
        .moved("oauth.client_secret", "client_secret")
        .moved("oauth.scope", "scope")
        .moved("oauth", "proof")
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::IntegrationsWrite>,
    headers: &HeaderMap,
    known: Option<WebhookId>,
    form: WebhookForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Webhooks).await?;
    let slug = guard.name().to_owned();
    let wrong = placed(wrong);
    let status = wrong.status();
    page_with(
        status,
        &FormPage {
            action: match known {
                Some(id) => format!("/w/{slug}/webhooks/{id}/edit"),
                None => format!("/w/{slug}/webhooks/new"),
            },
            back: match known {
                Some(id) => format!("/w/{slug}/webhooks/{id}"),
                None => format!("/w/{slug}/webhooks"),
            },
            proofs: choices(
                &[
                    ("none", "The signature alone"),
                    ("header", "A fixed header Authorization besides"),
                    ("oauth", "An OAuth token besides"),
                ],
                &form.proof,
            ),
            places: choices(&[("header", "In the header"), ("body", "In the body")], &form.credentials_in),
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
    render(&console, &guard, &headers, None, WebhookForm::fresh(), Wrong::default()).await
}

/// Makes it. The answer to this very request is the only page that ever shows its signing secret.
pub async fn create(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<WebhookForm>,
) -> Answer<Response> {
    match console.edit(&guard, Act::Save, KIND, None, form.draft(None), &form.why()).await {
        Ok(written) => {
            let drawn = written.drawn.into_iter().next().map(|one| one.secret);
            let said = Some("Saved. Send a test, and see what the receiver answers.".to_owned());
            let around = Around { said, drawn, ..Around::default() };
            console.webhook_page(&guard, &headers, WebhookId::from(written.id.uuid()), around).await
        }
        Err(error) => render(&console, &guard, &headers, None, form, mistakes(error)?).await,
    }
}

/// The form of one that is there.
pub async fn edit(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, WebhookId)>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, ResourceId::from(id.uuid())).await?;
    let form = WebhookForm::of(&stored.body, stored.version);
    render(&console, &guard, &headers, Some(id), form, Wrong::default()).await
}

/// Saves it.
pub async fn save(
    guard: InWorkspace<cap::IntegrationsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, WebhookId)>,
    Form(mut form): Form<WebhookForm>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, ResourceId::from(id.uuid())).await?;
    form.name.clone_from(&stored.key);
    let draft = form.draft(Some(&stored.body));
    match console.edit(&guard, Act::Save, KIND, Some(&stored.key), draft, &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/webhooks/{id}?did=saved", guard.name()))),
        Err(error) => render(&console, &guard, &headers, Some(id), form, mistakes(error)?).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn sample(known: Option<WebhookId>, form: WebhookForm, wrong: Wrong) -> FormPage {
        FormPage {
            shell: shell(),
            known,
            action: "/w/demo/webhooks/new".into(),
            back: "/w/demo/webhooks".into(),
            wrong: placed(wrong),
            proofs: choices(&[("none", "x")], "none"),
            places: choices(&[("header", "x")], "header"),
            why: Why::default().view(true),
            form,
        }
    }

    #[test]
    fn what_is_left_empty_gets_its_default() {
        let form = WebhookForm { name: " app ".into(), url: "https://a.example/".into(), ..WebhookForm::fresh() };
        let body = form.body();
        assert_eq!(body["name"], "app");
        assert_eq!(body["events"], serde_json::json!(["receipts", "inbound"]));
        assert!(body.get("oauth").is_none() && body.get("tls_ca").is_none());
        let oauth = WebhookForm { proof: "oauth".into(), token_url: "https://id.example/".into(), ..form }.body();
        assert_eq!(oauth["oauth"], serde_json::json!({"url": "https://id.example/", "credentials_in": "header"}));
    }

    /// what was typed as a credential is not sent back, not even to its author.
    #[test]
    fn x_14_credentials_go_in_and_never_come_out() {
        let form = WebhookForm {
            name: HOSTILE.into(),
            authorization: "Bearer s3cret!!".into(),
            client_secret: "s3cret!!".into(),
            ..WebhookForm::fresh()
        };
        let html = checked(&sample(None, form, Wrong::one("oauth.client_secret", "is missing")));
        assert!(!html.contains("s3cret!!") && html.contains("type=\"password\"") && html.contains("is missing"));
    }

    #[test]
    fn a_form_shows_what_is_stored() {
        let body = serde_json::json!({
            "name": "app", "url": "https://a.example/", "enabled": false, "events": ["inbound"],
            "authorization": {"sealed": "x"}, "signing_secret": {"sealed": "y"}
        });
        let form = WebhookForm::of(&body, 7);
        assert_eq!((form.proof.as_str(), form.enabled, form.receipts, form.inbound), ("header", false, false, true));
        assert!(form.body().get("authorization").is_none(), "a credential never goes through the form");
        let known = Some(uuid::Uuid::from_u128(2).into());
        assert!(checked(&sample(known, form, Wrong::default())).contains("disabled"));
    }
}
