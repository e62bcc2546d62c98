//! The form of a provider that speaks SAML, with what is registered there, how it is, and our keys for it.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use federation::{Addresses, KeyAct, PROVIDERS, SAML, SamlState};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Response};
use resources::{Draft, Json};
use serde::Deserialize;

use crate::Console;
use crate::editing::{Act, Why, WhyView, entry_path, everywhere, mistakes, shown, text};
use crate::facts::{Choice, choices};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::sso_form::{line, mapping};
use crate::zone::age;

/// Bytes of the form at most: metadata is pasted into it.
pub const FORM: usize = 1024 * 1024;

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SamlForm {
    name: String,
    label: String,
    enabled: bool,
    issuer: String,
    metadata_url: String,
    metadata: String,
    sign_in_url: String,
    sign_out_url: String,
    certificates: String,
    subject_attribute: String,
    mail_attribute: String,
    name_attribute: String,
    groups_claim: String,
    group_roles: String,
    accounts: String,
    second_factor: String,
    want_encrypted: bool,
    allow_unsolicited: bool,
    tls_ca: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

/// What is done with our keys.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct KeyForm {
    act: String,
}

impl SamlForm {
    fn fresh() -> Self {
        Self {
            enabled: true,
            accounts: "mapped".into(),
            groups_claim: "groups".into(),
            second_factor: "ask".into(),
            ..Self::default()
        }
    }

    fn of(body: &Json, version: i64) -> Self {
        let own = body.get("saml").cloned().unwrap_or_default();
        let list = |body: &Json, name: &str| body.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
        let on = |body: &Json, name: &str| body.get(name).and_then(Json::as_bool);
        Self {
            name: shown(body, "name"),
            label: shown(body, "label"),
            enabled: on(body, "enabled").unwrap_or(true),
            issuer: shown(body, "issuer"),
            metadata_url: shown(&own, "metadata_url"),
            metadata: shown(&own, "metadata"),
            sign_in_url: shown(&own, "sign_in_url"),
            sign_out_url: shown(&own, "sign_out_url"),
            certificates: list(&own, "certificates").iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n"),
            subject_attribute: shown(&own, "subject_attribute"),
            mail_attribute: shown(&own, "mail_attribute"),
            name_attribute: shown(&own, "name_attribute"),
            groups_claim: shown(body, "groups_claim"),
            group_roles: list(body, "group_roles").iter().map(line).collect::<Vec<_>>().join("\n"),
            accounts: shown(body, "accounts"),
            second_factor: shown(body, "second_factor"),
            want_encrypted: on(&own, "want_encrypted").unwrap_or(false),
            allow_unsolicited: on(&own, "allow_unsolicited").unwrap_or(false),
            tls_ca: shown(body, "tls_ca"),
            version: Some(version),
            ..Self::default()
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    fn draft(&self) -> Draft {
        let lines = self.group_roles.lines().map(str::trim).filter(|line| !line.is_empty());
        let certificates = self.certificates.split_inclusive("-----END CERTIFICATE-----").map(str::trim);
        let mut saml = serde_json::json!({
            "metadata": text(&self.metadata),
            "metadata_url": text(&self.metadata_url),
            "sign_in_url": text(&self.sign_in_url),
            "sign_out_url": text(&self.sign_out_url),
            "certificates": certificates.filter(|one| !one.is_empty()).collect::<Vec<_>>(),
            "subject_attribute": text(&self.subject_attribute),
            "mail_attribute": text(&self.mail_attribute),
            "name_attribute": text(&self.name_attribute),
            "want_encrypted": self.want_encrypted,
            "allow_unsolicited": self.allow_unsolicited,
        });
        let mut body = serde_json::json!({
            "name": text(&self.name),
            "label": self.label.trim(),
            "kind": SAML,
            "enabled": self.enabled,
            "issuer": text(&self.issuer),
            "accounts": text(&self.accounts),
            "groups_claim": text(&self.groups_claim),
            "group_roles": lines.map(mapping).collect::<Vec<_>>(),
            "second_factor": text(&self.second_factor),
            "tls_ca": text(&self.tls_ca),
        });
        for part in [&mut saml, &mut body] {
            if let Json::Object(map) = part {
                map.retain(|_, value| !value.is_null());
            }
        }
        body["saml"] = saml;
        Draft::new(body)
    }
}

#[derive(Template)]
#[template(path = "saml-form.html")]
struct FormPage {
    shell: Shell,
    known: bool,
    action: String,
    back: String,
    entry: Option<String>,
    said: Option<&'static str>,
    keys: String,
    test: String,
    at: Addresses,
    state: Option<SamlState>,
    wrong: Wrong,
    form: SamlForm,
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
        "metadata_url",
        "metadata",
        "sign_in_url",
        "sign_out_url",
        "certificates",
        "subject_attribute",
        "mail_attribute",
        "name_attribute",
        "groups_claim",
        "group_roles",
        "accounts",
        "second_factor",
        "want_encrypted",
        "allow_unsolicited",
        "tls_ca",
    ];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand on references")]
    fn age(&self, at: &base::Timestamp) -> String {
        age(self.shell.now.since(*at))
    }

    fn has(&self, state: &str) -> bool {
        self.state.as_ref().is_some_and(|of| of.ours.iter().any(|key| key.state == state))
    }

    /// Whether one of the fields that are folded away is wrong.
    fn folded(&self) -> bool {
        [
            "sign_in_url",
            "sign_out_url",
            "certificates",
            "subject_attribute",
            "mail_attribute",
            "name_attribute",
            "groups_claim",
            "want_encrypted",
            "allow_unsolicited",
            "tls_ca",
        ]
        .iter()
        .any(|field| self.wrong.at(field).is_some())
    }
}

/// The form as a page.
pub async fn render(
    console: &Console,
    guard: &InWorkspace<cap::SignInManage>,
    headers: &HeaderMap,
    known: Option<ResourceId>,
    form: SamlForm,
    wrong: Wrong,
    said: &str,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::SignOn).await?;
    let (slug, permit, federation) = (guard.name().to_owned(), everywhere(guard)?, console.federation.clone());
    let state = match known {
        Some(id) => console.db.read(move |tx| federation.saml_state(tx, &permit, id)).await?,
        None => None,
    };
    let mut wrong = wrong.moved("group_roles", "group_roles");
    // The longer of two names first: one begins with the other.
    for field in [
        "metadata_url",
        "metadata",
        "sign_in_url",
        "sign_out_url",
        "certificates",
        "subject_attribute",
        "mail_attribute",
        "name_attribute",
    ] {
        wrong = wrong.moved(&format!("saml.{field}"), field);
    }
    let named = if form.name.trim().is_empty() { "NAME" } else { form.name.trim() };
    let base = format!("/w/{slug}/sign-on");
    page_with(
        wrong.status(),
        &FormPage {
            known: known.is_some(),
            action: known.map_or_else(|| format!("{base}/new-saml"), |id| format!("{base}/{id}/saml")),
            keys: known.map(|id| format!("{base}/{id}/keys")).unwrap_or_default(),
            entry: known.map(|id| entry_path(&slug, PROVIDERS, id)),
            said: match said {
                "prepare" => Some(
                    "The next key is published beside the current one. Let the provider read our metadata, then use it.",
                ),
                "use" => Some(
                    "It signs from now on. The one before still opens what is encrypted to it, until you remove it.",
                ),
                "drop" => Some("The old key is gone."),
                _ => None,
            },
            test: format!("/sso/{named}/begin?next=/w/{slug}/sign-on"),
            at: Addresses::of(&console.public_url, named),
            state,
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
            back: base,
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
    render(&console, &guard, &headers, None, SamlForm::fresh(), Wrong::default(), "").await
}

impl Console {
    /// Fills in the entity id, when it was left empty, from the metadata: as pasted, or as published.
    async fn with_issuer(&self, form: &mut SamlForm) -> Result<(), Wrong> {
        if !form.issuer.trim().is_empty() {
            return Ok(());
        }
        if !form.metadata.trim().is_empty() {
            let now = self.db.context().now();
            let read = saml::facts(form.metadata.trim().as_bytes(), None, now);
            form.issuer =
                read.map_err(|error| Wrong::one("metadata", crate::page::sentence(&error.to_string())))?.entity_id;
        } else if !form.metadata_url.trim().is_empty() {
            let ca = Some(form.tls_ca.trim()).filter(|ca| !ca.is_empty());
            let read = self.federation.metadata_at(form.metadata_url.trim(), ca, None).await;
            form.issuer =
                read.map_err(|error| Wrong::one("metadata_url", crate::page::sentence(&error.to_string())))?.entity_id;
        }
        Ok(())
    }
}

/// Adds it.
pub async fn create(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(mut form): Form<SamlForm>,
) -> Answer<Response> {
    if let Err(wrong) = console.with_issuer(&mut form).await {
        return render(&console, &guard, &headers, None, form, wrong, "").await;
    }
    match console.edit(&guard, Act::Save, PROVIDERS, None, form.draft(), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/sign-on?did=saved", guard.name()))),
        Err(error) => render(&console, &guard, &headers, None, form, mistakes(error)?, "").await,
    }
}

/// The form of one that is there.
pub async fn change(
    console: &Console,
    guard: &InWorkspace<cap::SignInManage>,
    headers: &HeaderMap,
    id: ResourceId,
    body: &Json,
    version: i64,
    said: &str,
) -> Answer<Response> {
    render(console, guard, headers, Some(id), SamlForm::of(body, version), Wrong::default(), said).await
}

/// The same, after something was done with our keys.
pub async fn show(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let stored = console.stored(&guard, PROVIDERS, id).await?;
    if shown(&stored.body, "kind") != SAML {
        return Ok(see_other(&format!("/w/{}/sign-on/{id}", guard.name())));
    }
    change(&console, &guard, &headers, id, &stored.body, stored.version, &said.did).await
}

/// Saves it.
pub async fn save(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
    Form(mut form): Form<SamlForm>,
) -> Answer<Response> {
    let stored = console.stored(&guard, PROVIDERS, id).await?;
    form.name.clone_from(&stored.key);
    if let Err(wrong) = console.with_issuer(&mut form).await {
        return render(&console, &guard, &headers, Some(id), form, wrong, "").await;
    }
    match console.edit(&guard, Act::Save, PROVIDERS, Some(&stored.key), form.draft(), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/sign-on?did=saved", guard.name()))),
        Err(error) => render(&console, &guard, &headers, Some(id), form, mistakes(error)?, "").await,
    }
}

/// Makes, uses or removes a key of ours.
pub async fn keys(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, ResourceId)>,
    Form(form): Form<KeyForm>,
) -> Answer<Response> {
    console.stored(&guard, PROVIDERS, id).await?;
    let act = KeyAct::parse(&form.act).ok_or_else(http::Refusal::not_found)?;
    let permit = everywhere(&guard)?;
    console.federation.saml_keys(&permit, id, act, &console.public_url).await?;
    Ok(see_other(&format!("/w/{}/sign-on/{id}/saml?did={}", guard.name(), form.act)))
}

#[cfg(test)]
mod tests {
    use federation::KeyInfo;

    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn the_form_shows_what_is_registered_there_and_how_it_is() {
        let key = |state: &str| KeyInfo { state: state.into(), fingerprint: "AB:CD".into(), ends: Some(shell().now) };
        let form = SamlForm { label: HOSTILE.into(), metadata: HOSTILE.into(), ..SamlForm::fresh() };
        let html = checked(&FormPage {
            shell: shell(),
            known: true,
            action: "/w/demo/sign-on/1/saml".into(),
            back: "/w/demo/sign-on".into(),
            entry: Some("/w/demo/config/identity_providers/1".into()),
            said: None,
            keys: "/w/demo/sign-on/1/keys".into(),
            test: "/sso/corp/begin".into(),
            at: Addresses::of("https://gateway.example.com", "corp"),
            state: Some(SamlState {
                sign_in: Some("https://idp.example.com/sso".into()),
                sign_out: None,
                theirs: vec![key("signs")],
                ours: vec![key("current"), key("next"), key("old")],
                fetched_at: Some(shell().now),
                fetch_failure: Some(HOSTILE.into()),
                refusal: Some((shell().now, "It was used before".into())),
            }),
            wrong: Wrong::one("metadata", "It holds no identity provider."),
            accounts: choices(&[("never", "x")], "never"),
            factors: choices(&[("ask", "x")], "ask"),
            why: Why::default().view(false),
            form,
        });
        for part in [
            "/sso/corp/metadata",
            "/sso/corp/acs",
            "/sso/corp/slo",
            "holds no identity provider",
            "was used before",
            "AB:CD",
        ] {
            assert!(html.contains(part), "{part}");
        }
        for act in ["use", "drop"] {
            assert!(html.contains(&format!("name=\"act\" value=\"{act}\"")), "{act}");
        }
    }
}
