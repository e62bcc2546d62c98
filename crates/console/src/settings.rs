//! The settings of a workspace: its name and zone, where signals come in, and what was changed by whom.

use access::{Environment, OrganisationPermit, Workspace, cap};
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use http::{Answer, Form, HeaderMap, InWorkspace, Query, Response, StatusCode};
use resources::{Change, Error, VersionEntry};
use serde::Deserialize;

use crate::Console;
use crate::change::ground;
use crate::editing::mistakes;
use crate::facts::{Fact, paired};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::signals_page::IntegrationRow;

const KIND: &str = "workspaces";

struct Version {
    number: i64,
    actor: String,
    words: String,
    lines: Vec<String>,
    at: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    slug: String,
    sentence: String,
    said: Option<&'static str>,
    wrong: Wrong,
    name: String,
    time_zone: String,
    truncate: bool,
    requests: String,
    zones: Vec<String>,
    change: String,
    controlled: bool,
    may_write: bool,
    integrations: Option<Vec<IntegrationRow>>,
    facts: Vec<Fact>,
    history: Option<Vec<Version>>,
}

impl SettingsPage {
    const FIELDS: &'static [&'static str] = &["name", "time_zone", "requests_per_second"];
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    saved: bool,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SettingsForm {
    name: String,
    time_zone: String,
    truncate_long_texts: bool,
    requests_per_second: String,
    change: String,
}

fn version(entry: VersionEntry, shell: &Shell) -> Version {
    let lines: Vec<String> = entry.difference.0.iter().map(ToString::to_string).collect();
    let what = match entry.reason {
        Some(reason) => format!("{}: {reason}", entry.outcome.name()),
        None => entry.outcome.name().to_owned(),
    };
    Version { number: entry.version, actor: entry.actor, words: what, lines, at: shell.zone.day_clock(&entry.at) }
}

fn facts(console: &Console, workspace: &Workspace) -> Vec<Fact> {
    let mut facts = vec![
        Fact::mono("Short name", workspace.slug.to_string()),
        Fact::new("Environment", workspace.environment.to_string()),
        Fact::new(
            "Change control",
            match (workspace.environment, workspace.controlled) {
                (Environment::Production, true) => "changes want the reference of an approved change",
                (_, true) => "on, once this is production",
                (_, false) => "off",
            },
        ),
        Fact::new(
            "Carriers",
            if workspace.environment == Environment::Development { "simulated ones only" } else { "by its routes" },
        ),
        Fact::mono("Id", workspace.id.to_string()),
        Fact::mono("Address", console.public_url.clone()),
    ];
    facts.extend(console.fingerprint.as_deref().map(|print| Fact::mono("Certificate", paired(print))));
    facts
}

async fn render<C: access::Cap>(
    console: &Console,
    guard: &InWorkspace<C>,
    headers: &HeaderMap,
    said: Option<&'static str>,
    given: Option<(Wrong, SettingsForm)>,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Settings).await?;
    let workspace = console.workspace(guard.workspace()).await?;
    let id = workspace.id;
    let sms = console.db.read(move |tx| resources::sms_settings(tx, id)).await?;
    let grants = guard.caller().grants();
    let history = match grants.permit_organisation::<cap::ResourcesRead>() {
        Ok(permit) => {
            let (resources, slug) = (console.resources.clone(), workspace.slug.to_string());
            let found: Result<_, Error> =
                console.db.read(move |tx| resources.history(tx, &permit, KIND, None, &slug)).await;
            Some(found?.into_iter().take(20).map(|entry| version(entry, &shell)).collect())
        }
        Err(_) => None,
    };
    let integrations = match guard.also::<cap::IntegrationsRead>() {
        Some(permit) => Some(console.integrations(permit).await?),
        None => None,
    };
    let status = if given.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (wrong, form) = given.unwrap_or_else(|| {
        let form = SettingsForm {
            name: workspace.name.clone(),
            time_zone: workspace.time_zone.clone(),
            truncate_long_texts: sms.truncate_long_texts,
            requests_per_second: sms.requests_per_second.to_string(),
            change: String::new(),
        };
        (Wrong::default(), form)
    });
    page_with(
        status,
        &SettingsPage {
            sentence: format!("{} is a {} workspace", workspace.name, workspace.environment),
            facts: facts(console, &workspace),
            may_write: grants.permit_organisation::<cap::WorkspaceWrite>().is_ok(),
            controlled: workspace.controlled && workspace.environment == Environment::Production,
            zones: crate::zone::all(),
            slug: guard.name().to_owned(),
            said,
            wrong,
            name: form.name,
            time_zone: form.time_zone,
            truncate: form.truncate_long_texts,
            requests: form.requests_per_second,
            change: form.change,
            integrations,
            history,
            shell,
        },
    )
}

/// The settings.
pub async fn show(
    guard: InWorkspace<cap::WorkspaceRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(said): Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, said.saved.then_some("Saved. The history beside says what changed."), None).await
}

/// Writes name and zone. A workspace belongs to the organisation, so the right must hold there.
pub async fn save(
    guard: InWorkspace<cap::WorkspaceWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<SettingsForm>,
) -> Answer<Response> {
    let permit: OrganisationPermit<cap::WorkspaceWrite> = guard.caller().grants().permit_organisation()?;
    let (resources, workspace) = (console.resources.clone(), guard.workspace());
    let (name, zone, change) = (form.name.trim().to_owned(), form.time_zone.trim().to_owned(), form.change.clone());
    let (truncate, requests) = (form.truncate_long_texts, form.requests_per_second.trim().to_owned());
    let written: Result<_, Error> = console
        .db
        .write(move |tx| {
            let stored = resources.by_id(tx, KIND, ResourceId::from(workspace.uuid()))?.ok_or(Error::NotFound)?;
            let mut body = stored.body.clone();
            body["name"] = name.clone().into();
            body["time_zone"] = zone.clone().into();
            body["truncate_long_texts"] = truncate.into();
            // What is no number is refused by the kind, at its field.
            body["requests_per_second"] = requests.parse::<u32>().map_or_else(|_| requests.clone().into(), Into::into);
            let draft = resources::Draft::new(body);
            let clearance = resources.clear(tx, &permit, Some(workspace), &ground(&change)?)?;
            let change = Change { kind: KIND, workspace: None, body: draft, reason: None, clearance: &clearance };
            resources.put(tx, &permit, change)
        })
        .await;
    match written {
        Ok(_) => Ok(see_other(&format!("/w/{}/settings?saved=true", guard.name()))),
        Err(error) => {
            let wrong = mistakes(error)?;
            render(&console, &guard, &headers, None, Some((wrong, form))).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{checked, shell};

    fn sample() -> SettingsPage {
        SettingsPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "Demo is a development workspace".into(),
            said: None,
            wrong: Wrong::default(),
            name: "Demo".into(),
            time_zone: "Europe/Berlin".into(),
            truncate: false,
            requests: "1800".into(),
            zones: vec!["Europe/Berlin".into()],
            change: String::new(),
            controlled: false,
            may_write: true,
            integrations: Some(vec![IntegrationRow {
                name: "alertmanager".into(),
                url: "https://pager.example.com/signals/1".into(),
                words: "URL token · mapping alertmanager".into(),
            }]),
            facts: vec![Fact::mono("Short name", "demo")],
            history: Some(vec![Version {
                number: 2,
                actor: "Dina Sample".into(),
                words: "updated".into(),
                lines: vec!["time_zone: Etc/UTC → Europe/Berlin".into()],
                at: "Fri 23 Oct 03:12 CEST".into(),
            }]),
        }
    }

    #[test]
    fn what_was_changed_stands_beside_the_form() {
        let html = checked(&sample());
        for words in ["Version 2", "Dina Sample", "Etc/UTC → Europe/Berlin", "https://pager.example.com/signals/1"] {
            assert!(html.contains(words), "{words}");
        }
        assert!(!html.contains("disabled"));
    }

    #[test]
    fn a_reader_without_the_right_sees_why_the_form_is_closed() {
        let html = checked(&SettingsPage { may_write: false, history: None, integrations: None, ..sample() });
        assert!(html.contains("disabled") && html.contains("An administrator of the organisation changes it"));
    }

    #[test]
    fn a_wrong_zone_is_said_at_its_field() {
        let wrong = Wrong::one("time_zone", "An IANA name such as Europe/Zurich is expected.");
        let html = checked(&SettingsPage { wrong, time_zone: "\"><b>".into(), ..sample() });
        assert!(html.contains("aria-invalid=\"true\"") && html.contains("Europe/Zurich"));
        assert!(!html.contains("\"><b>"));
    }
}
