//! The flows: which there are, and one of them as a picture, in words, with its versions and who uses it. Read only; a flow
//! is changed by file or as text.

use access::{Capability, cap};
use askama::Template;
use axum::extract::State;
use base::{FlowId, Timestamp};
use flows::FlowDetail;
use flows::document::{Action, Next, OnError, Step};
use http::{Answer, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use serde::Deserialize;
use signals::Integration;

use crate::Console;
use crate::facts::{Fact, Piece, pieces};
use crate::page::page;
use crate::picture::{self, Picture};
use crate::shell::{Page, Shell};
use crate::zone::age;

/// A user of a flow.
struct User {
    name: String,
    href: String,
    enabled: bool,
    last: Option<Timestamp>,
    last_words: String,
}

struct Row {
    href: String,
    runs: String,
    name: String,
    description: String,
    version: i64,
    steps: usize,
    changed: Timestamp,
    changed_words: String,
    users: Vec<User>,
}

#[derive(Template)]
#[template(path = "flows.html")]
struct ListPage {
    shell: Shell,
    sentence: String,
    standing: String,
    rows: Vec<Row>,
    may_runs: bool,
}

struct StepView {
    id: String,
    kind: String,
    words: Vec<Piece>,
    /// The step's texts, as written.
    parts: Vec<(&'static str, String)>,
}

struct Version {
    number: i64,
    href: String,
    current: bool,
    at: Timestamp,
    /// Who made it, and why, for whoever may read that.
    by: Option<String>,
    lines: Vec<String>,
}

#[derive(Template)]
#[template(path = "flow.html")]
struct FlowPage {
    shell: Shell,
    slug: String,
    id: FlowId,
    name: String,
    sentence: String,
    standing: String,
    notice: Option<String>,
    picture: Picture,
    steps: Vec<StepView>,
    versions: Vec<Version>,
    users: Option<Vec<User>>,
    facts: Vec<Fact>,
    may_runs: bool,
}

fn user(slug: &str, integration: &Integration, now: Timestamp) -> User {
    User {
        name: integration.name.clone(),
        href: format!("/w/{slug}/integrations/{}", integration.id),
        enabled: integration.enabled,
        last: integration.last_signal,
        last_words: integration.last_signal.map(|at| age(now.since(at))).unwrap_or_default(),
    }
}

fn used_by(slug: &str, flow: &str, integrations: &[Integration], now: Timestamp) -> Vec<User> {
    integrations.iter().filter(|one| one.flow == flow).map(|one| user(slug, one, now)).collect()
}

/// The flows of the workspace.
pub async fn list(
    guard: InWorkspace<cap::FlowsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Flows).await?;
    let slug = guard.name().to_owned();
    let found = console.flows.list(guard.permit()).await?;
    let integrations = match guard.also::<cap::IntegrationsRead>() {
        Some(permit) => console.signals.integrations(&permit).await?,
        None => Vec::new(),
    };
    let rows: Vec<Row> = found
        .into_iter()
        .map(|flow| Row {
            href: format!("/w/{slug}/flows/{}", flow.id),
            runs: format!("/w/{slug}/runs?flow={}", flow.id),
            users: used_by(&slug, &flow.name, &integrations, shell.now),
            changed_words: age(shell.now.since(flow.changed)),
            name: flow.name,
            description: flow.description,
            version: flow.version,
            steps: flow.steps,
            changed: flow.changed,
        })
        .collect();
    page(&ListPage {
        sentence: match rows.len() {
            0 => "No flow yet".to_owned(),
            1 => "One flow says what is done with signals".to_owned(),
            count => format!("{count} flows say what is done with signals"),
        },
        standing: match rows.iter().filter(|row| row.users.is_empty()).count() {
            _ if integrations.is_empty() => {
                "A flow begins when an event comes in, and each of its steps is recorded.".to_owned()
            }
            0 => "Each is used by an integration. A run keeps the version that it began with.".to_owned(),
            1 => "One is used by no integration. A run keeps the version that it began with.".to_owned(),
            idle => format!("{idle} are used by no integration. A run keeps the version that it began with."),
        },
        may_runs: guard.may(Capability::RunsRead),
        rows,
        shell,
    })
}

/// Which version of a flow is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct At {
    version: Option<i64>,
}

/// One flow.
pub async fn show(
    guard: InWorkspace<cap::FlowsRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, FlowId)>,
    Query(At { version }): Query<At>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Flows).await?;
    let slug = guard.name().to_owned();
    let flow = console.flows.get(guard.permit(), id, version).await?.ok_or_else(Refusal::not_found)?;
    let users = match guard.also::<cap::IntegrationsRead>() {
        Some(permit) => {
            let all = console.signals.integrations(&permit).await?;
            Some(used_by(&slug, &flow.row.name, &all, shell.now))
        }
        None => None,
    };
    let history = console.flow_history(&guard, &flow.row.name).await?;
    page(&FlowPage {
        sentence: sentence(&flow),
        standing: match flow.row.description.as_str() {
            "" => "It says nothing about what it is for.".to_owned(),
            words => crate::page::sentence(words),
        },
        notice: notice(&flow),
        picture: picture::draw(&flow.row.name, &flow.document, |_| None),
        steps: flow.document.steps.iter().map(|step| step_view(&flow, step)).collect(),
        versions: versions(&slug, &flow, &history),
        users,
        facts: facts(&flow),
        may_runs: guard.may(Capability::RunsRead),
        name: flow.row.name,
        id,
        slug,
        shell,
    })
}

impl Console {
    /// Who made which version and why, for those who may read what is configured.
    async fn flow_history(
        &self,
        guard: &InWorkspace<cap::FlowsRead>,
        name: &str,
    ) -> Answer<Vec<resources::VersionEntry>> {
        let Some(permit) = guard.also::<cap::ResourcesRead>() else { return Ok(Vec::new()) };
        let (resources, name, workspace) = (self.resources.clone(), name.to_owned(), guard.workspace());
        let found: Result<_, resources::Error> =
            self.db.read(move |tx| resources.history(tx, &permit, "flows", Some(workspace), &name)).await;
        Ok(found?)
    }
}

fn sentence(flow: &FlowDetail) -> String {
    let steps = match flow.document.steps.len() {
        1 => "one step".to_owned(),
        count => format!("{count} steps"),
    };
    format!("“{}” has {steps}", flow.row.name)
}

fn notice(flow: &FlowDetail) -> Option<String> {
    if flow.removed {
        return Some("This flow was removed: no run begins any more. Old runs can still be read with it.".to_owned());
    }
    (flow.version != flow.row.version)
        .then(|| format!("This is version {}. New runs begin with version {}.", flow.version, flow.row.version))
}

fn facts(flow: &FlowDetail) -> Vec<Fact> {
    vec![
        Fact::new("Version", flow.version.to_string()),
        Fact::new("Fallback group", flow.document.group.clone()),
        Fact::new("Fallback urgency", flow.document.priority.as_str()),
        Fact::new(
            "On a fault",
            match flow.document.on_error {
                OnError::Alert => "an alert with the event’s own title is opened for the fallback group",
                OnError::Fail => "the run stops, and nobody is paged",
            },
        ),
    ]
}

fn place(flow: &FlowDetail, next: Next) -> String {
    match next {
        Next::End => "the run ends".to_owned(),
        Next::Step(at) => flow
            .document
            .steps
            .get(at)
            .map_or_else(|| "the run ends".to_owned(), |step| format!("the run goes on at `{}`", step.id)),
    }
}

/// A step in words: what it does, and where the run goes on. Texts of the flow stand apart, since they can hold anything.
fn step_view(flow: &FlowDetail, step: &Step) -> StepView {
    let on = |next: Next| place(flow, next);
    let mut parts = Vec::new();
    let words = match &step.action {
        Action::Trigger { next } => format!("An event comes in; {}.", on(*next)),
        Action::Condition { test, then, otherwise } => {
            parts.push(("if", test.clone()));
            format!("When it holds, {}; otherwise {}.", on(*then), on(*otherwise))
        }
        Action::Set { values, next } => {
            parts.extend(values.iter().map(|(name, template)| ("keeps", format!("{name} = {template}"))));
            format!("Later steps see the values as `vars`; {}.", on(*next))
        }
        Action::CreateAlert(create) => {
            parts.push(("title", create.title.clone()));
            let optional = [
                ("text", &create.text),
                ("SMS", &create.sms),
                ("priority", &create.priority),
                ("key", &create.key),
                ("group", &create.group),
                ("link", &create.link),
                ("expires in", &create.expires_in),
            ];
            parts.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
            format!("Opens an alert, or joins the one that lives under its key; {}.", on(create.next))
        }
        Action::ResolveAlert { key, note, close_critical, next } => {
            parts.push(("key", key.clone()));
            parts.extend(note.clone().map(|note| ("note", note)));
            let critical = if *close_critical { "critical ones too" } else { "but no critical one" };
            format!("Resolves the alerts under that key, {critical}; {}.", on(*next))
        }
    };
    StepView { id: step.id.clone(), kind: step.action.kind().replace('_', " "), words: pieces(&words), parts }
}

fn versions(slug: &str, flow: &FlowDetail, history: &[resources::VersionEntry]) -> Vec<Version> {
    flow.versions
        .iter()
        .map(|one| {
            let entry = history
                .iter()
                .find(|entry| entry.version == one.version && entry.resource.uuid() == flow.row.id.uuid());
            Version {
                number: one.version,
                href: format!("/w/{slug}/flows/{}?version={}", flow.row.id, one.version),
                current: one.version == flow.version,
                at: one.created,
                by: entry.map(|entry| match &entry.reason {
                    Some(reason) => format!("{}: {reason}", entry.actor),
                    None => entry.actor.clone(),
                }),
                lines: entry
                    .map(|entry| entry.difference.0.iter().map(ToString::to_string).collect())
                    .unwrap_or_default(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flows::{FlowRow, FlowVersion};
    use serde_json::json;

    use super::*;
    use crate::picture::tests::document;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn flow() -> FlowDetail {
        FlowDetail {
            row: FlowRow {
                id: uuid::Uuid::from_u128(6).into(),
                name: HOSTILE.into(),
                description: HOSTILE.into(),
                version: 3,
                steps: 5,
                changed: NOW,
            },
            removed: false,
            version: 3,
            definition: serde_json::from_value(json!({"name": "checkout", "group": "ops", "steps": []})).unwrap(),
            document: Arc::new(document()),
            versions: vec![FlowVersion { version: 3, created: NOW }, FlowVersion { version: 2, created: NOW }],
        }
    }

    fn sample(flow: &FlowDetail) -> FlowPage {
        FlowPage {
            shell: shell(),
            slug: "demo".into(),
            id: flow.row.id,
            name: flow.row.name.clone(),
            sentence: sentence(flow),
            standing: "Pages.".into(),
            notice: notice(flow),
            picture: picture::draw(&flow.row.name, &flow.document, |_| None),
            steps: flow.document.steps.iter().map(|step| step_view(flow, step)).collect(),
            versions: versions("demo", flow, &[]),
            users: Some(Vec::new()),
            facts: facts(flow),
            may_runs: true,
        }
    }

    #[test]
    fn a_flow_is_a_picture_and_the_same_in_words() {
        let html = checked(&sample(&flow()));
        assert!(html.contains("<svg class=\"flowpic\"") && html.contains("role=\"img\""), "{html}");
        for words in ["When it holds, the run goes on at <code>keep</code>", "joins the one that lives", "version=2"] {
            assert!(html.contains(words), "{words} in {html}");
        }
        assert!(html.contains("Nothing uses it"), "{html}");
    }

    #[test]
    fn an_old_version_says_that_it_is_old() {
        let old = FlowDetail { version: 2, ..flow() };
        assert!(checked(&sample(&old)).contains("New runs begin with version 3"));
        let gone = FlowDetail { removed: true, ..flow() };
        assert!(checked(&sample(&gone)).contains("was removed"));
    }

    #[test]
    fn the_list_says_which_flow_nobody_uses() {
        let page = |rows: Vec<Row>| ListPage {
            shell: shell(),
            sentence: "One flow".into(),
            standing: "Each is used.".into(),
            rows,
            may_runs: true,
        };
        let row = Row {
            href: "/w/demo/flows/6".into(),
            runs: "/w/demo/runs?flow=6".into(),
            name: HOSTILE.into(),
            description: HOSTILE.into(),
            version: 3,
            steps: 5,
            changed: NOW,
            changed_words: "3 d".into(),
            users: Vec::new(),
        };
        let html = checked(&page(vec![row]));
        assert!(html.contains("nothing uses it") && html.contains("/w/demo/runs?flow=6"));
        assert!(checked(&page(Vec::new())).contains("loudhailer apply"));
    }
}
