//! The form with which an identity provider is added and changed. Its secret goes in and never comes out.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::{ExposeSecret as _, ResourceId, SecretString};
use federation::{PROVIDERS, SAML, redirect_uri};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Draft, Json};
use serde::Deserialize;

use crate::Console;
use crate::editing::{Act, Why, WhyView, entry_path, mistakes, shown, text};
use crate::facts::{Choice, choices};
use crate::page::{Wrong, page_with, see_other};
use crate::saml_form;
use crate::shell::{Page, Shell};

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProviderForm {
    name: String,
    label: String,
    enabled: bool,
    issuer: String,
    client_id: String,
    #[serde(deserialize_with = "secret")]
    client_secret: SecretString,
    client_auth: String,
    scopes: String,
    accounts: String,
    groups_claim: String,
    group_roles: String,
    second_factor: String,
    tls_ca: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

fn secret<'de, D: serde::Deserializer<'de>>(value: D) -> Result<SecretString, D::Error> {
    String::deserialize(value).map(SecretString::from)
}

/// A mapping as a line of the form: `group = role`, or `group = role @ workspace`.
pub fn line(mapping: &Json) -> String {
    let (group, role, workspace) = (shown(mapping, "group"), shown(mapping, "role"), shown(mapping, "workspace"));
    if workspace.is_empty() { format!("{group} = {role}") } else { format!("{group} = {role} @ {workspace}") }
}

/// The mapping of a line. What is no mapping stays a group without a role, for the writer to say so.
pub fn mapping(line: &str) -> Json {
    let (group, rest) = line.rsplit_once('=').unwrap_or((line, ""));
    let (role, workspace) =
        rest.split_once('@').map_or((rest, None), |(role, workspace)| (role, Some(workspace.trim())));
    let mut body = serde_json::json!({ "group": group.trim(), "role": role.trim() });
    if let Some(workspace) = workspace {
        body["workspace"] = workspace.into();
    }
    body
}

impl ProviderForm {
    fn fresh() -> Self {
        Self {
            enabled: true,
            client_auth: "basic".into(),
            scopes: "openid profile email".into(),
            accounts: "mapped".into(),
            groups_claim: "groups".into(),
            second_factor: "ask".into(),
            ..Self::default()
        }
    }

    fn of(body: &Json, version: i64) -> Self {
        let list = |name: &str| body.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
        Self {
            name: shown(body, "name"),
            label: shown(body, "label"),
            enabled: body.get("enabled").and_then(Json::as_bool).unwrap_or(true),
            issuer: shown(body, "issuer"),
            client_id: shown(body, "client_id"),
            client_auth: shown(body, "client_auth"),
            scopes: list("scopes").iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" "),
            accounts: shown(body, "accounts"),
            groups_claim: shown(body, "groups_claim"),
            group_roles: list("group_roles").iter().map(line).collect::<Vec<_>>().join("\n"),
            second_factor: shown(body, "second_factor"),
            tls_ca: shown(body, "tls_ca"),
            version: Some(version),
            ..Self::default()
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    /// The form as a draft over what is stored: a secret that was left empty stays, and so does what the form does not show.
    fn draft(&self, stored: Option<&Json>) -> Draft {
        let scopes: Vec<&str> = self.scopes.split_whitespace().collect();
        let lines = self.group_roles.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut body = serde_json::json!({
            "name": text(&self.name),
            "label": self.label.trim(),
            "enabled": self.enabled,
            "issuer": text(&self.issuer),
            "client_id": text(&self.client_id),
            "client_auth": text(&self.client_auth),
            "scopes": scopes,
            "accounts": text(&self.accounts),
            "groups_claim": text(&self.groups_claim),
            "group_roles": lines.map(mapping).collect::<Vec<_>>(),
            "second_factor": text(&self.second_factor),
            "tls_ca": text(&self.tls_ca),
            "algorithms": stored.and_then(|body| body.get("algorithms")),
        });
        if let Json::Object(map) = &mut body {
            map.retain(|_, value| !value.is_null());
        }
        let draft = Draft::new(body);
        let had = stored.is_some_and(|body| body.get("client_secret").is_some_and(|value| !value.is_null()));
        match (self.client_secret.expose_secret().is_empty(), had && self.client_auth != "none") {
            (false, _) => draft.secret("client_secret", self.client_secret.clone()),
            (true, true) => draft.unchanged("client_secret"),
            (true, false) => draft,
        }
    }
}

#[derive(Template)]
#[template(path = "sso-form.html")]
struct FormPage {
    shell: Shell,
    known: bool,
    action: String,
    back: String,
    entry: Option<String>,
    redirect: String,
    wrong: Wrong,
    form: ProviderForm,
    ways: Vec<Choice>,
    accounts: Vec<Choice>,
    factors: Vec<Choice>,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "label",
        "enabled",
        "issuer",
        "client_id",
        "client_secret",
        "client_auth",
        "scopes",
        "accounts",
        "groups_claim",
        "group_roles",
        "second_factor",
        "tls_ca",
    ];
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::SignInManage>,
    headers: &HeaderMap,
    known: Option<ResourceId>,
    form: ProviderForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::SignOn).await?;
    let slug = guard.name().to_owned();
    let wrong = wrong.moved("group_roles", "group_roles").moved("scopes", "scopes");
    let named = if form.name.trim().is_empty() { "NAME" } else { form.name.trim() };
    page_with(
        wrong.status(),
        &FormPage {
            known: known.is_some(),
            action: known.map_or_else(|| format!("/w/{slug}/sign-on/new"), |id| format!("/w/{slug}/sign-on/{id}")),
            back: format!("/w/{slug}/sign-on"),
            entry: known.map(|id| entry_path(&slug, PROVIDERS, id)),
            redirect: redirect_uri(&console.public_url, named),
            ways: choices(
                &[("basic", "In the header Authorization"), ("post", "In the body"), ("none", "No secret: PKCE alone")],
                &form.client_auth,
            ),
            accounts: choices(
                &[
                    ("mapped", "For people of a group that gives a role"),
                    ("everyone", "For everybody whom the provider lets in"),
                    ("never", "For nobody: accounts are made and linked here"),
                ],
                &form.accounts,
            ),
            factors: choices(
                &[("ask", "Asked for here, where one is set up or wanted"), ("trust", "The provider saw to it")],
                &form.second_factor,
            ),
            why: form.why().view(false),
            wrong,
            form,
            shell,
        },
    )
}

/// The form for a new one.
pub async fn new(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    render(&console, &guard, &headers, None, ProviderForm::fresh(), Wrong::default()).await
}

/// Adds it.
pub async fn create(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<ProviderForm>,
) -> Answer<Response> {
    match console.edit(&guard, Act::Save, PROVIDERS, None, form.draft(None), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/sign-on?did=saved", guard.name()))),
        Err(error) => render(&console, &guard, &headers, None, form, mistakes(error)?).await,
    }
}

/// The form of one that is there.
pub async fn change(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
) -> Answer<Response> {
    let stored = console.stored(&guard, PROVIDERS, id).await?;
    if shown(&stored.body, "kind") == SAML {
        return saml_form::change(&console, &guard, &headers, id, &stored.body, stored.version, "").await;
    }
    let form = ProviderForm::of(&stored.body, stored.version);
    render(&console, &guard, &headers, Some(id), form, Wrong::default()).await
}

/// Saves it.
pub async fn save(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
    Form(mut form): Form<ProviderForm>,
) -> Answer<Response> {
    let stored = console.stored(&guard, PROVIDERS, id).await?;
    form.name.clone_from(&stored.key);
    let draft = form.draft(Some(&stored.body));
    match console.edit(&guard, Act::Save, PROVIDERS, Some(&stored.key), draft, &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/sign-on?did=saved", guard.name()))),
        Err(error) => render(&console, &guard, &headers, Some(id), form, mistakes(error)?).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn lines_are_mappings_and_mappings_lines() {
        for (text, role, workspace) in
            [("night = responder @ ops", "responder", Some("ops")), ("cn=a,dc=b = auditor", "auditor", None)]
        {
            let read = mapping(text);
            assert_eq!((read["role"].as_str(), read["workspace"].as_str()), (Some(role), workspace));
            assert_eq!(line(&read), text);
        }
        assert_eq!(mapping("only a group")["role"], "");
    }

    /// the secret goes in and never comes out.
    #[test]
    fn x_14_the_secret_is_not_sent_back_and_stays_when_left_empty() {
        let form = ProviderForm { label: HOSTILE.into(), client_secret: "s3cret!!".into(), ..ProviderForm::fresh() };
        let html = checked(&FormPage {
            shell: shell(),
            known: true,
            action: "/w/demo/sign-on/1".into(),
            back: "/w/demo/sign-on".into(),
            entry: Some("/w/demo/config/identity_providers/1".into()),
            redirect: "https://gateway.example.com/sso/corp/callback".into(),
            wrong: Wrong::one("issuer", "An https:// address is expected."),
            ways: choices(&[("basic", "x")], "basic"),
            accounts: choices(&[("never", "x")], "never"),
            factors: choices(&[("ask", "x")], "ask"),
            why: Why::default().view(false),
            form,
        });
        assert!(!html.contains("s3cret!!") && html.contains("type=\"password\""));
        assert!(html.contains("/sso/corp/callback") && html.contains("An https:// address"));
    }
}
