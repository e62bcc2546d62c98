//! API keys of a workspace: made, shown once, rotated, deleted. By people alone (control E-08).

use access::{Capability, KeyScope, Permit, cap};
use askama::Template;
use axum::extract::State;
use base::{Explain as _, ExposeSecret as _, SecretString, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Refusal, Response};
use resources::{Change, Draft, Removal};
use serde::Deserialize;

use crate::Console;
use crate::carrier_dialect::listed;
use crate::change::ground;
use crate::facts::Choice;
use crate::key_rows::{Row, overlaps, reminder, row};
use crate::page::{Wrong, encode, page_with, see_other};
use crate::shell::{Page, Shell};

const KIND: &str = "api_keys";

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    shell: Shell,
    slug: String,
    sentence: String,
    made: Option<Made>,
    said: Option<String>,
    wrong: Wrong,
    /// What ends soon, or has ended.
    reminder: Option<String>,
    rows: Vec<Row>,
    overlaps: Vec<Choice>,
    common: Vec<Choice>,
    others: Vec<Choice>,
    /// Whether one of the others is chosen.
    open: bool,
    days: Vec<Choice>,
    name: String,
    allow: String,
    certificates: String,
    change: String,
    controlled: bool,
}

impl KeysPage {
    const FIELDS: &'static [&'static str] = &["name", "scopes", "allow", "certificates", "change"];
}

/// A token, for the one page that shows it.
pub struct Made {
    pub name: String,
    pub token: SecretString,
    /// After a rotation: until when the token before works.
    pub old_until: Option<Timestamp>,
}

/// What the form had in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct KeyForm {
    name: String,
    scope: Vec<String>,
    days: Option<u32>,
    /// Networks, one a line.
    allow: String,
    /// Certificates, one a line.
    certificates: String,
    change: String,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    gone: String,
    retired: String,
}

/// What a scope lets a program do. A new capability does not compile until it is said here.
fn words(capability: Capability) -> &'static str {
    match capability {
        Capability::OverviewRead => "the overview and live updates",
        Capability::AlertsRead => "read alerts and their timelines",
        Capability::AlertsAnswer => "acknowledge, pass on, resolve",
        Capability::AlertsOpen => "open alerts without a signal",
        Capability::SignalsRead => "read the activity of integrations",
        Capability::SignalPayloadRead => "read what senders sent",
        Capability::SignalsSend => "send signals to integrations",
        Capability::MessagesRead => "read messages, numbers masked",
        Capability::MessageContentRead => "read texts and full numbers",
        Capability::MessagesSend => "send messages",
        Capability::MessagesAlert => "send messages of class alert, ahead of all others",
        Capability::MessagesErase => "erase numbers and texts for good",
        Capability::RunsRead => "read runs of flows",
        Capability::OnCallRead => "see who is on call",
        Capability::PeopleRead => "see people",
        Capability::PeopleWrite => "change people",
        Capability::GroupsWrite => "change on-call groups",
        Capability::AccessRead => "see who may do what",
        Capability::RolesWrite => "change custom roles",
        Capability::SignInManage => "set up how people sign in",
        Capability::CarriersRead => "see carriers and their health",
        Capability::CarriersWrite => "change carriers and routes",
        Capability::IntegrationsRead => "see integrations",
        Capability::IntegrationsWrite => "change integrations",
        Capability::FlowsRead => "read flows",
        Capability::FlowsWrite => "change flows",
        Capability::ResourcesRead => "export what is configured",
        Capability::ResourcesApply => "apply files of configuration",
        Capability::ApiKeysManage => "make and delete keys",
        Capability::CredentialUrlToken => "make tokens in addresses of integrations",
        Capability::CredentialBasic => "make passwords of integrations",
        Capability::CredentialHmac => "make signing secrets of integrations",
        Capability::CredentialCertificate => "name client certificates of programs",
        Capability::CredentialApiKey => "make tokens of keys",
        Capability::CredentialOauth => "make OAuth clients and their secrets",
        Capability::WorkspaceRead => "read the workspace’s settings",
        Capability::WorkspaceWrite => "change the workspace’s settings",
        Capability::AuditRead => "read the audit log",
        Capability::AuditVerify => "verify the audit log",
        Capability::HandsetsUse => "use the demo’s handsets",
        Capability::MetricsRead => "read metrics",
    }
}

/// What most programs need; the others stand behind a fold.
const COMMON: [Capability; 5] = [
    Capability::MessagesSend,
    Capability::MessagesRead,
    Capability::SignalsSend,
    Capability::AlertsRead,
    Capability::AlertsAnswer,
];

pub fn scopes(chosen: &[String]) -> (Vec<Choice>, Vec<Choice>) {
    let choice = |scope: KeyScope| Choice {
        value: scope.name().to_owned(),
        name: words(scope.capability()).to_owned(),
        href: String::new(),
        current: chosen.iter().any(|name| name == scope.name()),
    };
    let (mut common, others): (Vec<KeyScope>, Vec<KeyScope>) =
        KeyScope::all().partition(|scope| COMMON.contains(&scope.capability()));
    common.sort_by_key(|scope| COMMON.iter().position(|one| *one == scope.capability()));
    (common.into_iter().map(choice).collect(), others.into_iter().map(choice).collect())
}

/// What the page shows besides the keys themselves.
#[derive(Default)]
pub struct Around {
    pub made: Option<Made>,
    pub said: Option<String>,
    pub wrong: Wrong,
    pub form: KeyForm,
}

/// The page, as it is after `around`.
pub async fn render(
    console: &Console,
    guard: &InWorkspace<cap::ApiKeysManage>,
    headers: &HeaderMap,
    around: Around,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Keys).await?;
    let read: Permit<cap::WorkspaceRead> = guard.also().ok_or_else(Refusal::not_found)?;
    let (identity, workspace) = (console.identity.clone(), guard.workspace());
    let (found, shown) = console
        .db
        .read(move |tx| {
            let keys = identity.api_keys(tx, &read, workspace)?;
            Ok::<_, identity::Error>((keys, identity.certificates(tx, &read, workspace)?))
        })
        .await?;
    let controlled = console.is_controlled(workspace).await?;
    let Around { made, said, wrong, form } = around;
    let (common, others) = scopes(&form.scope);
    let days = form.days.unwrap_or(90);
    let status = wrong.status();
    let slug = guard.name().to_owned();
    page_with(
        status,
        &KeysPage {
            sentence: match found.len() {
                0 => "No program has a key".to_owned(),
                1 => "One program has a key".to_owned(),
                count => format!("{count} programs have a key"),
            },
            reminder: reminder(&found, &shell),
            overlaps: overlaps(),
            rows: found.iter().map(|key| row(&slug, key, &shown, &shell)).collect(),
            days: [(30, "30 days"), (90, "90 days"), (365, "1 year")]
                .into_iter()
                .map(|(value, name)| Choice {
                    value: value.to_string(),
                    name: name.to_owned(),
                    href: String::new(),
                    current: value == days,
                })
                .collect(),
            made,
            said,
            wrong,
            open: others.iter().any(|choice| choice.current),
            common,
            others,
            name: form.name,
            allow: form.allow,
            certificates: form.certificates,
            change: form.change,
            controlled,
            slug,
            shell,
        },
    )
}

/// The keys of the workspace.
pub async fn list(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    http::Query(said): http::Query<Said>,
) -> Answer<Response> {
    let said = match (said.gone.as_str(), said.retired.as_str()) {
        ("", "") => None,
        ("", name) => Some(format!("The old key of “{name}” is refused from now on.")),
        (name, _) => Some(format!("“{name}” is deleted. A program that still shows it is refused from now on.")),
    };
    render(&console, &guard, &headers, Around { said, ..Around::default() }).await
}

/// Makes a key. The answer to this very request is the only page that ever shows the token.
pub async fn create(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<KeyForm>,
) -> Answer<Response> {
    let read: Permit<cap::WorkspaceRead> = guard.also().ok_or_else(Refusal::not_found)?;
    let (identity, resources, permit) = (console.identity.clone(), console.resources.clone(), guard.permit().clone());
    let name = form.name.trim().to_owned();
    let body = serde_json::json!({
        "name": name,
        "scopes": form.scope,
        "expires_days": form.days.unwrap_or(90),
        "allow": listed(&form.allow),
        "certificates": listed(&form.certificates),
    });
    let change = form.change.clone();
    let written: Result<Option<Made>, identity::Error> = console
        .db
        .write(move |tx| {
            let workspace = permit.workspace();
            // Putting again would give a program in use another token without anybody having meant it.
            let taken = identity.api_keys(tx, &read, workspace)?.iter().any(|key| key.name.eq_ignore_ascii_case(&name));
            if taken {
                return Ok(None);
            }
            let clearance = resources.clear(tx, &permit, Some(workspace), &ground(&change)?)?;
            let body = Draft::new(body.clone()).draw("token");
            let change = Change { kind: KIND, workspace: Some(workspace), body, reason: None, clearance: &clearance };
            let drawn = resources.put(tx, &permit, change)?.drawn;
            let drawn = drawn.into_iter().next().ok_or(identity::Error::Lost)?;
            Ok(Some(Made { name: drawn.key, token: drawn.secret, old_until: None }))
        })
        .await;
    let around = match written {
        Ok(Some(made)) => Around { made: Some(made), ..Around::default() },
        Ok(None) => {
            let wrong = Wrong::one("name", "There is a key of that name. Rotate it, or choose another name.");
            Around { wrong, form, ..Around::default() }
        }
        Err(error) => Around { wrong: mistakes(error)?, form, ..Around::default() },
    };
    render(&console, &guard, &headers, around).await
}

/// What the page says of a refused change.
pub fn mistakes(error: identity::Error) -> Answer<Wrong> {
    let problems = match &error {
        identity::Error::Resources(inner) => inner.problems(),
        other => vec![other.problem()],
    };
    Wrong::of(problems).map_err(|_| Refusal::from(error))
}

/// Deletes a key: it works no more from here on.
pub async fn delete(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<KeyForm>,
) -> Answer<Response> {
    let (resources, permit, key, change) =
        (console.resources.clone(), guard.permit().clone(), name.clone(), form.change.clone());
    let deleted: Result<_, resources::Error> = console
        .db
        .write(move |tx| {
            let workspace = permit.workspace();
            let clearance = resources.clear(tx, &permit, Some(workspace), &ground(&change)?)?;
            let removal =
                Removal { kind: KIND, workspace: Some(workspace), key: &key, reason: None, clearance: &clearance };
            resources.delete(tx, &permit, removal)
        })
        .await;
    match deleted {
        Ok(_) => Ok(see_other(&format!("/w/{}/keys?gone={}", guard.name(), encode(&name)))),
        Err(error) => {
            let wrong = mistakes(error.into())?;
            render(&console, &guard, &headers, Around { wrong, ..Around::default() }).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::choices;
    use crate::key_rows::Old;
    use crate::testing::{NOW, checked, shell};

    #[test]
    fn every_scope_is_offered_once_and_none_that_keys_never_get() {
        let (common, others) = scopes(&["signals:send".into()]);
        assert_eq!(common.len(), COMMON.len());
        assert_eq!(common.len() + others.len(), KeyScope::all().count());
        let all: Vec<&str> = common.iter().chain(&others).map(|choice| choice.value.as_str()).collect();
        for never in ["keys:manage", "people:write", "workspace:write"] {
            assert!(!all.contains(&never), "{never}");
        }
        let chosen: Vec<&str> =
            common.iter().filter(|choice| choice.current).map(|choice| choice.value.as_str()).collect();
        assert_eq!(chosen, ["signals:send"]);
    }

    fn sample() -> KeysPage {
        let (common, others) = scopes(&[]);
        KeysPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "One program has a key".into(),
            made: None,
            said: None,
            wrong: Wrong::default(),
            rows: vec![Row {
                name: "<script>ci</script>".into(),
                scopes: vec!["messages:send"],
                until: "Thu 21 Jan, in 90 d".into(),
                due: false,
                over: false,
                used: "never".into(),
                from: "anywhere".into(),
                old: None,
                certificates: Vec::new(),
                entry: "/w/demo/config/api_keys/ci".into(),
                path: "/w/demo/keys/ci".into(),
            }],
            reminder: None,
            overlaps: overlaps(),
            common,
            others,
            open: false,
            days: choices(&[("90", "90 days")], "90"),
            name: String::new(),
            allow: String::new(),
            certificates: String::new(),
            change: String::new(),
            controlled: false,
        }
    }

    /// E-25: a token stands on the page of the request that made it, and on no other.
    #[test]
    fn e_25_the_token_is_shown_on_one_page() {
        let made = Made { name: "ci".into(), token: "loudhailer_key_sample".into(), old_until: None };
        let html = checked(&KeysPage { made: Some(made), ..sample() });
        assert!(html.contains("loudhailer_key_sample") && html.contains("only time"));
        assert!(!checked(&sample()).contains("loudhailer_key_"));
    }

    #[test]
    fn deleting_says_what_breaks_before_it_is_done() {
        let html = checked(&sample());
        assert!(html.contains("&#60;script&#62;ci"), "{html}");
        assert!(html.contains("last used: never") || html.contains("Last used: never"), "{html}");
        assert!(html.contains(r#"action="/w/demo/keys/ci/delete""#));
    }

    /// X-22: a rotation says until when the old key works, and whether a program still shows it.
    #[test]
    fn x_22_a_rotated_key_shows_its_old_one_on_the_way_out() {
        let html = checked(&sample());
        assert!(html.contains(r#"action="/w/demo/keys/ci/rotate""#) && !html.contains("/retire"), "{html}");
        let mut page = sample();
        page.made = Some(Made { name: "ci".into(), token: "loudhailer_key_sample".into(), old_until: Some(NOW) });
        page.rows[0].old = Some(Old { until: "in 24 h".into(), used: "2 min ago".into(), in_use: true });
        page.reminder = Some("Ends within 14 days: “ci”.".into());
        let html = checked(&page);
        for words in [
            "is rotated",
            "old key works until",
            "still in use",
            "2 min ago",
            "/w/demo/keys/ci/retire",
            "Ends within 14 days",
        ] {
            assert!(html.contains(words), "{words} in {html}");
        }
    }

    #[test]
    fn a_controlled_workspace_asks_for_the_change() {
        assert!(!checked(&sample()).contains("Change reference"));
        assert!(checked(&KeysPage { controlled: true, ..sample() }).contains("Change reference"));
    }
}
