//! The form with which a role of the organisation's own is made and changed: what it is called, what it holds, where it can be given.

use access::{Capability, cap, organisation_only};
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Draft, Json};
use serde::Deserialize;

use crate::Console;
use crate::editing::{Act, Why, WhyView, entry_path, everywhere, mistakes, shown, text};
use crate::facts::{Choice, chosen};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};

const KIND: &str = "roles";

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RoleForm {
    name: String,
    description: String,
    /// The names of the rights that are ticked.
    holds: Vec<String>,
    /// The one workspace in which it can be given; empty for everywhere.
    workspace: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl RoleForm {
    fn of(body: &Json, version: i64) -> Self {
        let held = body.get("capabilities").and_then(Json::as_array).into_iter().flatten();
        Self {
            name: shown(body, "name"),
            description: shown(body, "description"),
            holds: held.filter_map(Json::as_str).map(str::to_owned).collect(),
            workspace: shown(body, "workspace"),
            version: Some(version),
            ..Self::default()
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    /// The form as a draft; what is wrong with it is said by the kind.
    fn draft(&self) -> Draft {
        Draft::new(serde_json::json!({
            "name": self.name.trim(),
            "description": text(&self.description),
            "capabilities": self.holds,
            "workspace": text(&self.workspace),
        }))
    }
}

/// One right to be ticked.
struct Line {
    name: &'static str,
    /// What it is the right to do.
    about: &'static str,
    on: bool,
    /// Why it may be refused.
    hint: &'static str,
}

/// The rights over one noun.
struct Noun {
    name: &'static str,
    lines: Vec<Line>,
}

/// What a right is over that nobody has named yet; a test finds it.
const OTHER: &str = "Other rights";

/// What a right is over: the word before its colon, as people say it.
fn noun(capability: Capability) -> &'static str {
    match capability.name().split(':').next().unwrap_or_default() {
        "overview" => "Overview",
        "alerts" => "Alerts",
        "signals" => "Signals",
        "messages" => "Messages",
        "runs" | "flows" => "Flows and their runs",
        "oncall" | "groups" => "On call",
        "people" | "access" | "roles" | "sign_in" => "People and rights",
        "carriers" => "Carriers and routes",
        "integrations" => "Integrations",
        "resources" => "Configuration",
        "keys" => "Keys and accounts of programs",
        "workspace" => "Workspaces",
        "audit" => "Audit log",
        "credentials" => "Kinds of credentials",
        "handsets" => "Simulated handsets",
        "metrics" => "The running server",
        _ => OTHER,
    }
}

/// Every right, by noun, in the order of the declaration. What the reader does not hold everywhere they cannot give.
fn nouns(holds: &[String], own: access::Capabilities) -> Vec<Noun> {
    let mut nouns: Vec<Noun> = Vec::new();
    for capability in Capability::ALL.iter().copied() {
        let line = Line {
            name: capability.name(),
            about: capability.about(),
            on: holds.iter().any(|held| held == capability.name()),
            hint: match (own.contains(capability), organisation_only().contains(capability)) {
                (false, _) => "You do not hold it everywhere, so you cannot give it.",
                (true, true) => "Of the whole organisation: not in a role of one workspace.",
                (true, false) => "",
            },
        };
        let name = noun(capability);
        match nouns.iter_mut().find(|noun| noun.name == name) {
            Some(noun) => noun.lines.push(line),
            None => nouns.push(Noun { name, lines: vec![line] }),
        }
    }
    nouns
}

#[derive(Template)]
#[template(path = "role-form.html")]
struct FormPage {
    shell: Shell,
    slug: String,
    known: bool,
    action: String,
    entry: Option<String>,
    wrong: Wrong,
    form: RoleForm,
    nouns: Vec<Noun>,
    places: Vec<Choice>,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] = &["name", "description", "capabilities", "workspace"];
}

/// Where the role can be given: everywhere, or in one workspace.
fn places_of<'a>(offered: impl Iterator<Item = (&'a str, &'a str)>, stored: &'a String) -> Vec<Choice> {
    chosen(("", "everywhere"), offered, Some(stored))
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::RolesWrite>,
    headers: &HeaderMap,
    known: Option<ResourceId>,
    form: RoleForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Access).await?;
    let slug = guard.name().to_owned();
    let slugs = console.slugs(guard).await?;
    let places = slugs.iter().map(|(_, slug)| (slug.as_str(), slug.as_str()));
    let grants = guard.caller().grants();
    let read = grants.permit_organisation::<cap::ResourcesRead>().is_ok();
    page_with(
        wrong.status(),
        &FormPage {
            known: known.is_some(),
            action: known.map_or_else(|| format!("/w/{slug}/roles/new"), |id| format!("/w/{slug}/roles/{id}")),
            entry: known.filter(|_| read).map(|id| entry_path(&slug, KIND, id)),
            nouns: nouns(&form.holds, grants.organisation_capabilities()),
            places: places_of(places, &form.workspace),
            why: form.why().view(false),
            wrong,
            form,
            slug,
            shell,
        },
    )
}

/// The form for a new role.
pub async fn new(
    guard: InWorkspace<cap::RolesWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    everywhere(&guard)?;
    render(&console, &guard, &headers, None, RoleForm::default(), Wrong::default()).await
}

/// What was wrong with the form, at its fields: a right that is refused has no field of its own.
fn said(error: resources::Error) -> Answer<Wrong> {
    Ok(mistakes(error)?.moved("capabilities", "capabilities"))
}

/// Makes the role.
pub async fn create(
    guard: InWorkspace<cap::RolesWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<RoleForm>,
) -> Answer<Response> {
    everywhere(&guard)?;
    match console.edit(&guard, Act::Save, KIND, None, form.draft(), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/access?did=saved", guard.name()))),
        Err(error) => render(&console, &guard, &headers, None, form, said(error)?).await,
    }
}

/// The form of a role that is there.
pub async fn change(
    guard: InWorkspace<cap::RolesWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
) -> Answer<Response> {
    everywhere(&guard)?;
    let stored = console.stored(&guard, KIND, id).await?;
    let form = RoleForm::of(&stored.body, stored.version);
    render(&console, &guard, &headers, Some(id), form, Wrong::default()).await
}

/// Changes it. Whoever holds it signs in again.
pub async fn save(
    guard: InWorkspace<cap::RolesWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
    Form(mut form): Form<RoleForm>,
) -> Answer<Response> {
    everywhere(&guard)?;
    let stored = console.stored(&guard, KIND, id).await?;
    form.name.clone_from(&stored.key);
    match console.edit(&guard, Act::Save, KIND, Some(&stored.key), form.draft(), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/access?did=saved", guard.name()))),
        Err(error) => render(&console, &guard, &headers, Some(id), form, said(error)?).await,
    }
}

#[cfg(test)]
mod tests {
    use access::Capabilities;

    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn sample(known: bool, form: RoleForm, wrong: Wrong) -> FormPage {
        let own: Capabilities = [Capability::AlertsRead, Capability::RolesWrite].into_iter().collect();
        FormPage {
            shell: shell(),
            slug: "demo".into(),
            known,
            action: "/w/demo/roles/7".into(),
            entry: Some("/w/demo/config/roles/7".into()),
            nouns: nouns(&form.holds, own),
            places: places_of([("demo", "demo"), ("Berlin", "Berlin")].into_iter(), &form.workspace),
            why: Why::default().view(false),
            wrong,
            form,
        }
    }

    /// E-17: a role is made of rights, each with its sentence, once, under its noun.
    #[test]
    fn e_17_every_right_stands_once_with_its_sentence() {
        let form = RoleForm { name: HOSTILE.into(), holds: vec!["alerts:read".into()], ..RoleForm::default() };
        let html = checked(&sample(false, form, Wrong::default()));
        for capability in Capability::ALL {
            assert_eq!(html.matches(&format!("value=\"{capability}\"")).count(), 1, "{capability}");
            assert!(html.contains(capability.about().split(['\'', '(']).next().unwrap()), "{capability}");
        }
        assert_eq!(html.matches(" checked").count(), 1);
        assert!(html.contains("value=\"alerts:read\" checked"));
        assert!(html.contains("you cannot give it") && html.contains("not in a role of one workspace"));
    }

    #[test]
    fn every_right_stands_under_a_noun_of_its_own() {
        for capability in Capability::ALL.iter().copied() {
            assert_ne!(noun(capability), OTHER, "{capability}");
        }
        assert_eq!(noun(Capability::CredentialHmac), "Kinds of credentials");
    }

    /// E-17: a workspace that is stored in other letters, or is not offered, stays: the role would be one of everywhere.
    #[test]
    fn e_17_saving_the_form_widens_no_role() {
        for (stored, kept) in [("", ""), ("demo", "demo"), ("DEMO", "demo"), ("berlin", "Berlin"), ("hidden", "hidden")]
        {
            let form = RoleForm { name: "night shift".into(), workspace: stored.into(), ..RoleForm::default() };
            let html = checked(&sample(true, form, Wrong::default()));
            assert_eq!(html.matches(" selected").count(), 1, "{stored}");
            assert!(html.contains(&format!("<option value=\"{kept}\" selected>")), "{stored}: {html}");
        }
    }

    #[test]
    fn a_role_that_is_there_keeps_its_name_and_a_mistake_stands_at_its_place() {
        let form = RoleForm { name: "night shift".into(), workspace: "demo".into(), ..RoleForm::default() };
        let wrong = Wrong::one("capabilities", "A role without a capability gives nothing; name one.");
        let html = checked(&sample(true, form, wrong));
        assert!(html.contains("value=\"night shift\" disabled") && html.contains("gives nothing"));
        assert!(html.contains("<option value=\"demo\" selected>") && html.contains("/w/demo/config/roles/7/delete"));
    }

    #[test]
    fn a_form_that_changes_nothing_is_what_is_stored() {
        let stored = serde_json::json!({
            "name": "night shift", "description": "Those who look at night", "capabilities": ["alerts:read"], "workspace": "demo",
        });
        assert_eq!(*RoleForm::of(&stored, 3).draft().body(), stored);
    }
}
