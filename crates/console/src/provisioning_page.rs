//! Directories that keep people here by SCIM: how each is, and what to do first where there is none.

use access::cap;
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::Timestamp;
use http::{Answer, HeaderMap, InWorkspace, Query, Response};
use scim::{Standing, base_address};
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::editing::everywhere;
use crate::page::{page, sentence};
use crate::shell::{Page, Shell};
use crate::zone::age;

struct Row {
    href: String,
    label: String,
    base: String,
    knot: Knot,
    state: String,
    reason: String,
    last: Option<Timestamp>,
    last_words: String,
    people: String,
    groups: String,
}

#[derive(Template)]
#[template(path = "provisioning.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    heading: String,
    said: Option<&'static str>,
    rows: Vec<Row>,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    pub(crate) did: String,
}

/// How a directory is, in words, and why.
pub fn health(one: &Standing, now: Timestamp) -> (Knot, String, String) {
    match (one.source.enabled, &one.failing, one.source.last_request) {
        (false, ..) => (Knot::Skipped, "switched off".into(), "Its requests are refused.".into()),
        (true, Some(wrong), _) => {
            (Knot::Failed, format!("refused {} ago", age(now.since(wrong.at))), sentence(&wrong.reason))
        }
        (true, None, Some(_)) => (Knot::Done, "keeps people here".into(), String::new()),
        (true, None, None) => (Knot::Waiting, "waits for its first request".into(), String::new()),
    }
}

/// How many people a directory keeps, in words.
pub fn people_words(one: &Standing) -> String {
    match one.inactive {
        0 => one.people.to_string(),
        inactive => format!("{}, {inactive} switched off", one.people),
    }
}

fn row(slug: &str, public_url: &str, one: Standing, now: Timestamp) -> Row {
    let (knot, state, reason) = health(&one, now);
    Row {
        href: format!("/w/{slug}/provisioning/{}", one.source.id),
        base: base_address(public_url, &one.source.name),
        people: people_words(&one),
        groups: one.groups.to_string(),
        last: one.source.last_request,
        last_words: one.source.last_request.map(|at| age(now.since(at))).unwrap_or_default(),
        label: one.source.label,
        knot,
        state,
        reason,
    }
}

/// The page.
pub async fn list(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Provisioning).await?;
    let (scim, permit, slug) = (console.scim.clone(), everywhere(&guard)?, guard.name().to_owned());
    let all = console.db.read(move |tx| scim.sources(tx, &permit)).await?;
    page(&ListPage {
        heading: match all.len() {
            0 => "No directory keeps people here".to_owned(),
            1 => "One directory keeps people here".to_owned(),
            count => format!("{count} directories keep people here"),
        },
        said: (said.did == "gone").then_some("Deleted. Its people stay, and are kept by hand from now on."),
        rows: all.into_iter().map(|one| row(&slug, &console.public_url, one, shell.now)).collect(),
        slug,
        shell,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn a_directory_says_how_it_is_and_an_empty_page_what_to_do() {
        let page = |rows: Vec<Row>| ListPage {
            shell: shell(),
            slug: "demo".into(),
            heading: "One directory keeps people here".into(),
            said: Some("Deleted."),
            rows,
        };
        let row = Row {
            href: "/w/demo/provisioning/1".into(),
            label: HOSTILE.into(),
            base: "https://gateway.example.com/scim/v2/entra".into(),
            knot: Knot::Failed,
            state: "refused 3 min ago".into(),
            reason: "Somebody here has this userName.".into(),
            last: None,
            last_words: String::new(),
            people: "12, 3 switched off".into(),
            groups: "4".into(),
        };
        let html = checked(&page(vec![row]));
        for words in ["/scim/v2/entra", "Somebody here has this userName.", "12, 3 switched off"] {
            assert!(html.contains(words), "{words}");
        }
        let html = checked(&page(Vec::new()));
        assert!(html.contains("No directory yet") && html.contains("/provisioning/new"));
    }
}
