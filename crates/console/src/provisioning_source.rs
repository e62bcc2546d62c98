//! One directory: what is typed into it, whom it keeps, what its groups give, and what it asked lately.

use access::cap;
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{Explain as _, ResourceId, Timestamp, UserId};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use scim::{Report, Request, SOURCES, base_address};
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::editing::{entry_path, everywhere};
use crate::page::{Wrong, page_with, see_other, sentence};
use crate::provisioning_page::{Said, health, people_words};
use crate::shell::{Page, Shell};

struct PersonRow {
    href: String,
    release: String,
    name: String,
    user_name: String,
    knot: Knot,
    state: &'static str,
    changed: Timestamp,
}

struct GroupRow {
    name: String,
    members: String,
    roles: String,
}

struct RequestRow {
    at: Timestamp,
    knot: Knot,
    what: String,
    program: String,
    status: u16,
    reason: String,
}

#[derive(Template)]
#[template(path = "provisioning-source.html")]
struct SourcePage {
    shell: Shell,
    slug: String,
    here: String,
    entry: Option<String>,
    heading: String,
    knot: Knot,
    state: String,
    reason: String,
    said: Option<&'static str>,
    base: String,
    /// The name that a key for this directory gets.
    key: String,
    may_make: bool,
    people_words: String,
    people: Vec<PersonRow>,
    more: bool,
    groups: Vec<GroupRow>,
    unknown: String,
    last: Vec<RequestRow>,
    wrong_ones: Vec<RequestRow>,
    login: String,
    wrong: Wrong,
}

impl SourcePage {
    const FIELDS: &'static [&'static str] = &["login"];
}

/// Whom to hand over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct HandOver {
    login: String,
}

fn request(one: Request) -> RequestRow {
    let verb = match (one.method.as_str(), one.id.is_empty()) {
        ("GET", true) => "listed",
        ("GET", false) => "read",
        ("POST", _) => "made",
        ("DELETE", _) => "deleted",
        _ => "changed",
    };
    let noun = if one.target == "Groups" { "a group" } else { "a person" };
    RequestRow {
        at: one.at,
        knot: match (one.failed(), one.reason.is_empty()) {
            (true, _) => Knot::Failed,
            (false, true) => Knot::Done,
            (false, false) => Knot::Waiting,
        },
        what: if one.failed() { format!("{} {}", one.method, one.target) } else { format!("{verb} {noun}") },
        program: one.program,
        status: one.status,
        reason: sentence(&one.reason),
    }
}

fn said(did: &str) -> Option<&'static str> {
    match did {
        "saved" => Some("Saved."),
        "added" => {
            Some("Added. Two things are typed into the directory: the base address, and a key that you make here.")
        }
        "handed" => Some("Handed over. The directory finds them by their log-in name from its next round on."),
        "released" => {
            Some("Released. They are kept by hand from now on, and what the directory’s groups gave is gone.")
        }
        _ => None,
    }
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::SignInManage>,
    headers: &HeaderMap,
    id: ResourceId,
    did: &str,
    (login, wrong): (String, Wrong),
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Provisioning).await?;
    let (scim, permit, slug) = (console.scim.clone(), everywhere(guard)?, guard.name().to_owned());
    let found = console.db.read(move |tx| scim.report(tx, &permit, id)).await?;
    let Report { standing, people, groups, unknown, last, wrong: refused } = found.ok_or_else(Refusal::not_found)?;
    let (knot, state, reason) = health(&standing, shell.now);
    let here = format!("/w/{slug}/provisioning/{id}");
    let status = wrong.status();
    page_with(
        status,
        &SourcePage {
            entry: Some(entry_path(&slug, SOURCES, id)),
            base: base_address(&console.public_url, &standing.source.name),
            key: crate::provisioning_form::key_name(&standing.source.name),
            may_make: guard.may(access::Capability::ApiKeysManage),
            people_words: people_words(&standing),
            more: i64::try_from(people.len()).unwrap_or(i64::MAX) < standing.people,
            people: people
                .into_iter()
                .map(|one| PersonRow {
                    href: format!("/w/{slug}/users/{}", one.user),
                    release: format!("{here}/people/{}/release", one.user),
                    name: one.name,
                    user_name: one.user_name,
                    knot: if one.active { Knot::Done } else { Knot::Skipped },
                    state: match (one.active, one.linked) {
                        (false, _) => "switched off",
                        (true, true) => "linked with the provider",
                        (true, false) => "in use",
                    },
                    changed: one.changed_at,
                })
                .collect(),
            groups: groups
                .into_iter()
                .map(|one| GroupRow {
                    name: one.name,
                    members: one.members.to_string(),
                    roles: if one.roles.is_empty() { "no role".to_owned() } else { one.roles.join(", ") },
                })
                .collect(),
            unknown: unknown.join(", "),
            last: last.into_iter().map(request).collect(),
            wrong_ones: refused.into_iter().map(request).collect(),
            heading: standing.source.label,
            said: said(did),
            knot,
            state,
            reason,
            here,
            login,
            wrong,
            slug,
            shell,
        },
    )
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, id, &said.did, (String::new(), Wrong::default())).await
}

/// Hands somebody over to the directory.
pub async fn hand_over(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
    Form(form): Form<HandOver>,
) -> Answer<Response> {
    let (scim, permit, login) = (console.scim.clone(), everywhere::<cap::SignInManage>(&guard)?, form.login.clone());
    match console.db.write(move |tx| scim.hand_over(tx, &permit, id, &login)).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/provisioning/{id}?did=handed", guard.name()))),
        Err(error) => {
            let wrong = Wrong::of(vec![error.problem()])?;
            render(&console, &guard, &headers, id, "", (form.login, wrong)).await
        }
    }
}

/// Takes somebody back from the directory.
pub async fn release(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id, user)): Path<(String, ResourceId, UserId)>,
) -> Answer<Response> {
    let (scim, permit) = (console.scim.clone(), everywhere::<cap::SignInManage>(&guard)?);
    match console.db.write(move |tx| scim.release(tx, &permit, id, user)).await {
        Ok(()) => Ok(see_other(&format!("/w/{}/provisioning/{id}?did=released", guard.name()))),
        Err(error) => {
            let wrong = Wrong::of(vec![error.problem()])?;
            render(&console, &guard, &headers, id, "", (String::new(), wrong)).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    #[test]
    fn a_directory_shows_whom_it_keeps_and_what_went_wrong() {
        let asked = |status: u16, reason: &str| Request {
            at: NOW,
            program: HOSTILE.into(),
            method: "POST".into(),
            target: "Users".into(),
            id: String::new(),
            status,
            reason: reason.into(),
        };
        let page = |people: Vec<PersonRow>| SourcePage {
            shell: shell(),
            slug: "demo".into(),
            here: "/w/demo/provisioning/1".into(),
            entry: Some("/w/demo/config/provisioning_sources/1".into()),
            heading: HOSTILE.into(),
            knot: Knot::Done,
            state: "keeps people here".into(),
            reason: String::new(),
            said: said("added"),
            base: "https://gateway.example.com/scim/v2/entra".into(),
            key: "entra-provisioning".into(),
            may_make: true,
            people_words: "1".into(),
            people,
            more: false,
            groups: vec![GroupRow { name: HOSTILE.into(), members: "12".into(), roles: "operator @ demo".into() }],
            unknown: "day".into(),
            last: vec![request(asked(201, ""))],
            wrong_ones: vec![request(asked(409, "somebody here has this userName"))],
            login: HOSTILE.into(),
            wrong: Wrong::one("login", "There is nobody of this log-in name."),
        };
        let row = PersonRow {
            href: "/w/demo/users/1".into(),
            release: "/w/demo/provisioning/1/people/1/release".into(),
            name: HOSTILE.into(),
            user_name: HOSTILE.into(),
            knot: Knot::Done,
            state: "linked with the provider",
            changed: NOW,
        };
        let html = checked(&page(vec![row]));
        for words in [
            "/scim/v2/entra",
            "people:provision",
            "Somebody here has this userName.",
            "operator @ demo",
            "There is nobody of this log-in name.",
            "/people/1/release",
            "not heard of",
        ] {
            assert!(html.contains(words), "{words}");
        }
        assert!(checked(&page(Vec::new())).contains("Nobody yet"));
    }
}
