//! Issuers of tokens elsewhere: which services' tokens count here, what each may do, how each is, and why a token did not count. Made
//! and changed by people alone (E-08).

use access::{Permit, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use identity::{IssuerKnown, IssuerRule, TokenIssuerInfo};
use resources::{Draft, Json};
use serde::Deserialize;

use crate::Console;
use crate::carrier_dialect::{lines, listed};
use crate::draw::Draw;
use crate::editing::{Act, Why, WhyView, entry_path, mistakes, number, shown, text};
use crate::facts::Choice;
use crate::issuer_rules::{rule_line, rules};
use crate::page::{Wrong, page_with, see_other, sentence};
use crate::shell::{Page, Shell};
use crate::zone::age;

const KIND: &str = "token_issuers";

/// An issuer as a row.
struct Row {
    name: String,
    issuer: String,
    knot: Knot,
    state: String,
    keys: String,
    audiences: String,
    doors: String,
    rules: Vec<String>,
    accepted: String,
    refused: Option<String>,
    /// Where it is changed; with `/ask` behind it, where it is asked for its keys.
    href: String,
}

#[derive(Template)]
#[template(path = "issuers.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    sentence: String,
    said: Option<String>,
    problem: Option<String>,
    rows: Vec<Row>,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

/// How an issuer is: what is known of its keys says whether the next token can be checked.
fn health(known: &IssuerKnown) -> (Knot, String, String) {
    let keys = match known.keys {
        Some((1, ago)) => format!("one key, fetched {} ago", age(ago)),
        Some((count, ago)) => format!("{count} keys, fetched {} ago", age(ago)),
        None => "its keys were not fetched yet by this server".to_owned(),
    };
    match (&known.failed, &known.keys) {
        (Some((ago, why)), _) => (Knot::Failed, format!("asked in vain {} ago. {}", age(*ago), sentence(why)), keys),
        (None, Some(_)) => (Knot::Done, "answers".to_owned(), keys),
        (None, None) => (Knot::Waiting, "waits for its first token".to_owned(), keys),
    }
}

fn row(slug: &str, one: &TokenIssuerInfo, known: &IssuerKnown, shell: &Shell) -> Row {
    let (knot, state, keys) = health(known);
    let ago = |at| format!("{} ago", age(shell.now.since(at)));
    Row {
        knot,
        state,
        keys,
        audiences: one.audiences.join(", "),
        doors: one.doors.iter().map(|door| door.name()).collect::<Vec<_>>().join(" and "),
        rules: one.rules.iter().map(rule_line).collect(),
        accepted: one.last_used_at.map_or_else(|| "never".to_owned(), ago),
        refused: one.refused.as_ref().map(|(at, why)| format!("{}: {}", ago(*at), why)),
        href: format!("/w/{slug}/issuers/{}", one.id),
        name: one.name.clone(),
        issuer: one.issuer.clone(),
    }
}

async fn all(console: &Console, guard: &InWorkspace<cap::ApiKeysManage>) -> Answer<Vec<TokenIssuerInfo>> {
    let read: Permit<cap::WorkspaceRead> = guard.also().ok_or_else(Refusal::not_found)?;
    let (identity, workspace) = (console.identity.clone(), guard.workspace());
    Ok(console.db.read(move |tx| identity.token_issuers(tx, &read, workspace)).await?)
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::ApiKeysManage>,
    headers: &HeaderMap,
    said: Option<String>,
    problem: Option<String>,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Oauth).await?;
    let slug = guard.name().to_owned();
    let found = all(console, guard).await?;
    page_with(
        http::StatusCode::OK,
        &ListPage {
            sentence: match found.len() {
                0 => "No token of another service counts here".to_owned(),
                1 => "Tokens of one other service count here".to_owned(),
                count => format!("Tokens of {count} other services count here"),
            },
            rows: found.iter().map(|one| row(&slug, one, &console.identity.issuer_known(one), &shell)).collect(),
            said,
            problem,
            slug,
            shell,
        },
    )
}

/// The issuers of the workspace.
pub async fn list(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let said = (said.did == "saved").then(|| "Saved. It holds for the next token.".to_owned());
    render(&console, &guard, &headers, said, None).await
}

/// Asks an issuer for its keys now, to see whether it can be asked.
pub async fn ask(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
) -> Answer<Response> {
    let found = all(&console, &guard).await?.into_iter().find(|one| one.id.uuid() == id.uuid());
    let issuer = found.ok_or_else(Refusal::not_found)?;
    let (said, problem) = match console.identity.ask_issuer(guard.permit(), &issuer).await {
        Ok(count) => (Some(format!("“{}” answers: {count} of its keys can be used.", issuer.name)), None),
        Err(why) => (None, Some(format!("“{}” cannot be asked. {}", issuer.name, sentence(&why)))),
    };
    render(&console, &guard, &headers, said, problem).await
}

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IssuerForm {
    name: String,
    issuer: String,
    audiences: String,
    rules: String,
    jwks_uri: String,
    ca: String,
    door: Vec<String>,
    allow: String,
    longest_minutes: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl IssuerForm {
    fn fresh() -> Self {
        Self {
            audiences: "loudhailer".into(),
            door: vec!["api".into(), "signals".into()],
            longest_minutes: "60".into(),
            ..Self::default()
        }
    }

    fn of(body: &Json, version: i64) -> Self {
        let rules = body.get("rules").and_then(Json::as_array).into_iter().flatten();
        let rules = rules.filter_map(|one| serde_json::from_value::<IssuerRule>(one.clone()).ok());
        Self {
            name: shown(body, "name"),
            issuer: shown(body, "issuer"),
            audiences: lines(body, "audiences"),
            rules: rules.map(|one| rule_line(&one)).collect::<Vec<_>>().join("\n"),
            jwks_uri: shown(body, "jwks_uri"),
            ca: shown(body, "ca"),
            door: lines(body, "doors").lines().map(str::to_owned).collect(),
            allow: lines(body, "allow"),
            longest_minutes: shown(body, "longest_minutes"),
            version: Some(version),
            ..Self::default()
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    /// The form as a draft over what is stored: what it does not show stays.
    fn draft(&self, stored: Option<&Json>) -> Result<Draft, Wrong> {
        let mut body = serde_json::json!({
            "name": self.name.trim(),
            "issuer": self.issuer.trim(),
            "audiences": listed(&self.audiences),
            "rules": rules(&self.rules)?,
            "jwks_uri": text(&self.jwks_uri),
            "ca": text(&self.ca),
            "doors": self.door,
            "allow": listed(&self.allow),
            "longest_minutes": number(&self.longest_minutes),
            "algorithms": stored.and_then(|body| body.get("algorithms")),
        });
        if let Json::Object(map) = &mut body {
            map.retain(|_, value| !value.is_null());
        }
        Ok(Draft::new(body))
    }
}

#[derive(Template)]
#[template(path = "issuer-form.html")]
struct FormPage {
    shell: Shell,
    known: bool,
    action: String,
    back: String,
    entry: Option<String>,
    wrong: Wrong,
    form: IssuerForm,
    doors: Vec<Choice>,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] =
        &["name", "issuer", "audiences", "rules", "jwks_uri", "ca", "doors", "allow", "longest_minutes", "change"];
}

fn doors(chosen: &[String]) -> Vec<Choice> {
    [("api", "the API"), ("signals", "the doors for signals")]
        .into_iter()
        .map(|(value, name)| Choice {
            value: value.to_owned(),
            name: name.to_owned(),
            href: String::new(),
            current: chosen.iter().any(|one| one == value),
        })
        .collect()
}

async fn render_form(
    console: &Console,
    guard: &InWorkspace<cap::ApiKeysManage>,
    headers: &HeaderMap,
    known: Option<ResourceId>,
    form: IssuerForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Oauth).await?;
    let slug = guard.name().to_owned();
    let wrong =
        ["rules", "audiences", "allow", "doors"].into_iter().fold(wrong, |wrong, field| wrong.moved(field, field));
    page_with(
        wrong.status(),
        &FormPage {
            known: known.is_some(),
            action: known.map_or_else(|| format!("/w/{slug}/issuers/new"), |id| format!("/w/{slug}/issuers/{id}")),
            back: format!("/w/{slug}/issuers"),
            entry: known.map(|id| entry_path(&slug, KIND, id)),
            doors: doors(&form.door),
            why: form.why().view(console.is_controlled(guard.workspace()).await?),
            wrong,
            form,
            shell,
        },
    )
}

/// The form for a new one.
pub async fn new(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    render_form(&console, &guard, &headers, None, IssuerForm::fresh(), Wrong::default()).await
}

/// Adds it.
pub async fn create(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<IssuerForm>,
) -> Answer<Response> {
    let wrong = match form.draft(None) {
        Err(wrong) => wrong,
        Ok(draft) => match console.edit(&guard, Act::Save, KIND, None, draft, &form.why()).await {
            Ok(_) => return Ok(see_other(&format!("/w/{}/issuers?did=saved", guard.name()))),
            Err(error) => mistakes(error)?,
        },
    };
    render_form(&console, &guard, &headers, None, form, wrong).await
}

/// The form of one that is there.
pub async fn change(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, id).await?;
    let form = IssuerForm::of(&stored.body, stored.version);
    render_form(&console, &guard, &headers, Some(id), form, Wrong::default()).await
}

/// Saves it.
pub async fn save(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
    Form(mut form): Form<IssuerForm>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, id).await?;
    form.name.clone_from(&stored.key);
    let wrong = match form.draft(Some(&stored.body)) {
        Err(wrong) => wrong,
        Ok(draft) => match console.edit(&guard, Act::Save, KIND, Some(&stored.key), draft, &form.why()).await {
            Ok(_) => return Ok(see_other(&format!("/w/{}/issuers?did=saved", guard.name()))),
            Err(error) => mistakes(error)?,
        },
    };
    render_form(&console, &guard, &headers, Some(id), form, wrong).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn an_issuer_says_how_it_is_and_why_a_token_did_not_count() {
        let failed = Some((Duration::from_mins(3), "the issuer cannot be asked: it hung up".to_owned()));
        let known = IssuerKnown { keys: Some((2, Duration::from_hours(1))), failed };
        let (knot, state, keys) = health(&known);
        assert!(matches!(knot, Knot::Failed) && state.contains("hung up") && keys.starts_with("2 keys"));
        let html = checked(&ListPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "Tokens of one other service count here".into(),
            said: None,
            problem: Some("“builds” cannot be asked.".into()),
            rows: vec![Row {
                name: HOSTILE.into(),
                issuer: "https://ci.example".into(),
                knot,
                state,
                keys,
                audiences: "loudhailer".into(),
                doors: "api and signals".into(),
                rules: vec![HOSTILE.into()],
                accepted: "2 min ago".into(),
                refused: Some("5 min ago: the token was made for somebody else (aud)".into()),
                href: "/w/demo/issuers/7".into(),
            }],
        });
        for part in ["made for somebody else (aud)", "/w/demo/issuers/7/ask", "2 min ago", "fetched 1 h ago"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let empty = checked(&ListPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "No token of another service counts here".into(),
            said: None,
            problem: None,
            rows: Vec::new(),
        });
        assert!(empty.contains("/w/demo/issuers/new"));
    }

    #[test]
    fn the_form_keeps_what_was_written() {
        let form = IssuerForm { name: HOSTILE.into(), rules: HOSTILE.into(), ..IssuerForm::fresh() };
        let html = checked(&FormPage {
            shell: shell(),
            known: false,
            action: "/w/demo/issuers/new".into(),
            back: "/w/demo/issuers".into(),
            entry: None,
            wrong: Wrong::one("rules", "1 to 20 claims are expected, such as sub"),
            doors: doors(&form.door),
            why: Why::default().view(true),
            form,
        });
        assert!(html.contains("such as sub") && html.contains("Change reference"));
    }
}
