//! The form with which a directory is added and changed.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Draft, Json};
use scim::{SOURCES, base_address};
use serde::Deserialize;

use crate::Console;
use crate::editing::{Act, Why, WhyView, everywhere, mistakes, shown, text};
use crate::facts::{Choice, choices};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::sso_form::{line, mapping};

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SourceForm {
    name: String,
    label: String,
    enabled: bool,
    provider: String,
    subject: String,
    invite: bool,
    programs: String,
    group_roles: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl SourceForm {
    fn of(body: &Json, version: i64) -> Self {
        let list = |name: &str| body.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
        let flag = |name: &str| body.get(name).and_then(Json::as_bool);
        Self {
            name: shown(body, "name"),
            label: shown(body, "label"),
            enabled: flag("enabled").unwrap_or(true),
            provider: shown(body, "provider"),
            subject: shown(body, "subject"),
            invite: flag("invite").unwrap_or_default(),
            programs: list("programs").iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n"),
            group_roles: list("group_roles").iter().map(line).collect::<Vec<_>>().join("\n"),
            version: Some(version),
            ..Self::default()
        }
    }

    /// Names who speaks for a new one where nobody was named: the key that is made on its page next.
    fn speaks(mut self, slug: &str) -> Self {
        let name = self.name.trim();
        if self.programs.trim().is_empty() && !name.is_empty() {
            self.programs = format!("{slug}/{}", key_name(name));
        }
        self
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    fn draft(&self) -> Draft {
        let lines = |text: &str| -> Vec<String> {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        };
        let mut body = serde_json::json!({
            "name": text(&self.name),
            "label": self.label.trim(),
            "enabled": self.enabled,
            "provider": text(&self.provider),
            "subject": text(&self.subject),
            "invite": self.invite,
            "programs": lines(&self.programs),
            "group_roles": lines(&self.group_roles).iter().map(|line| mapping(line)).collect::<Vec<_>>(),
        });
        if let Json::Object(map) = &mut body {
            map.retain(|_, value| !value.is_null());
        }
        Draft::new(body)
    }
}

/// The name of the key that is made on a directory's page.
pub fn key_name(source: &str) -> String {
    format!("{source}-provisioning")
}

#[derive(Template)]
#[template(path = "provisioning-form.html")]
struct FormPage {
    shell: Shell,
    known: bool,
    action: String,
    back: String,
    base: String,
    /// Who speaks for it when nobody else is named.
    key: String,
    wrong: Wrong,
    form: SourceForm,
    providers: Vec<Choice>,
    subjects: Vec<Choice>,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] =
        &["name", "label", "enabled", "provider", "subject", "invite", "programs", "group_roles"];
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::SignInManage>,
    headers: &HeaderMap,
    known: Option<ResourceId>,
    form: SourceForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Provisioning).await?;
    let slug = guard.name().to_owned();
    let (federation, permit) = (console.federation.clone(), everywhere(guard)?);
    let all = console.db.read(move |tx| federation.providers(tx, &permit)).await?;
    let mut providers = vec![("", "None: they are invited, or linked by hand")];
    providers.extend(all.iter().map(|(one, _)| (one.name.as_str(), one.label.as_str())));
    let wrong = wrong.moved("group_roles", "group_roles").moved("programs", "programs");
    let named = if form.name.trim().is_empty() { "NAME" } else { form.name.trim() };
    let here = known.map(|id| format!("/w/{slug}/provisioning/{id}"));
    page_with(
        wrong.status(),
        &FormPage {
            known: known.is_some(),
            action: here.as_ref().map_or_else(|| format!("/w/{slug}/provisioning/new"), |here| format!("{here}/edit")),
            back: here.unwrap_or_else(|| format!("/w/{slug}/provisioning")),
            base: base_address(&console.public_url, named),
            key: format!("{slug}/{}", key_name(named)),
            providers: choices(&providers, &form.provider),
            subjects: choices(
                &[("external_id", "externalId, the directory’s own id"), ("user_name", "userName")],
                &form.subject,
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
    let form = SourceForm { enabled: true, subject: "external_id".into(), ..SourceForm::default() };
    render(&console, &guard, &headers, None, form, Wrong::default()).await
}

/// Adds it.
pub async fn create(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<SourceForm>,
) -> Answer<Response> {
    let form = form.speaks(guard.name());
    match console.edit(&guard, Act::Save, SOURCES, None, form.draft(), &form.why()).await {
        Ok(written) => Ok(see_other(&format!("/w/{}/provisioning/{}?did=added", guard.name(), written.id))),
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
    let stored = console.stored(&guard, SOURCES, id).await?;
    let form = SourceForm::of(&stored.body, stored.version);
    render(&console, &guard, &headers, Some(id), form, Wrong::default()).await
}

/// Saves it.
pub async fn save(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
    Form(mut form): Form<SourceForm>,
) -> Answer<Response> {
    let stored = console.stored(&guard, SOURCES, id).await?;
    form.name.clone_from(&stored.key);
    match console.edit(&guard, Act::Save, SOURCES, Some(&stored.key), form.draft(), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/provisioning/{id}?did=saved", guard.name()))),
        Err(error) => render(&console, &guard, &headers, Some(id), form, mistakes(error)?).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn the_form_keeps_what_was_typed_and_says_what_is_wrong() {
        let form = SourceForm {
            name: "entra".into(),
            label: HOSTILE.into(),
            group_roles: "Night = on_call @ demo\nAuditors = auditor".into(),
            ..SourceForm::default()
        }
        .speaks("demo");
        assert_eq!(form.programs, "demo/entra-provisioning", "the key that is made on its page next");
        let html = checked(&FormPage {
            shell: shell(),
            known: false,
            action: "/w/demo/provisioning/new".into(),
            back: "/w/demo/provisioning".into(),
            base: "https://gateway.example.com/scim/v2/entra".into(),
            key: "demo/entra-provisioning".into(),
            wrong: Wrong::one("group_roles", "There is no such role."),
            providers: choices(&[("", "None")], ""),
            subjects: choices(&[("external_id", "externalId")], "external_id"),
            why: Why::default().view(false),
            form,
        });
        for words in ["Night = on_call @ demo", "There is no such role.", "/scim/v2/entra"] {
            assert!(html.contains(words), "{words}");
        }
    }
}
