//! The versions of an entry, compared each with the one before, and an older one taken back.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::{ResourceId, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response, StatusCode};
use resources::{Stored, VersionEntry};

use crate::Console;
use crate::difference::{Changed, lines};
use crate::draw::Draw as _;
use crate::editing::{Coming, Going, Why, WhyView, entry_path, mistakes};
use crate::page::{page_with, see_other};
use crate::shell::{Page, Shell};

struct VersionRow {
    number: i64,
    at: Timestamp,
    who: String,
    outcome: &'static str,
    reason: Option<String>,
    lines: Vec<Changed>,
    audit: Option<String>,
    newest: bool,
}

#[derive(Template)]
#[template(path = "entry-history.html")]
struct HistoryPage {
    shell: Shell,
    slug: String,
    kind: &'static str,
    key: String,
    here: String,
    may_write: bool,
    problem: Option<String>,
    versions: Vec<VersionRow>,
    why: WhyView,
}

async fn history_page(
    console: &Console,
    guard: InWorkspace<cap::ResourcesRead>,
    headers: &HeaderMap,
    stored: Stored,
    problem: Option<String>,
    why: Why,
) -> Answer<Response> {
    let shell = console.shell(&guard, headers, Page::Configuration).await?;
    let slug = guard.name().to_owned();
    let found = console.versions(&guard, &stored).await?;
    let audit = guard.may(access::Capability::AuditRead);
    let controlled = console.is_controlled_at(stored.workspace).await?;
    let row = |version: VersionEntry| VersionRow {
        number: version.version,
        at: version.at,
        who: version.actor,
        outcome: version.outcome.name(),
        reason: version.reason,
        lines: lines(&version.difference),
        audit: audit.then(|| format!("/w/{slug}/audit/{}", version.audit)),
        newest: version.version == stored.version,
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let here = entry_path(&slug, stored.kind, stored.id);
    page_with(
        status,
        &HistoryPage {
            versions: found.into_iter().map(row).collect(),
            may_write: console.may_edit(&guard, stored.kind),
            why: why.view(controlled),
            kind: stored.kind,
            key: stored.key,
            problem,
            here,
            slug,
            shell,
        },
    )
}

/// The versions of an entry.
pub async fn history(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind, id)): Path<(String, String, ResourceId)>,
) -> Answer<Response> {
    let stored = console.entry(&guard, console.kind(&kind)?, id).await?;
    history_page(&console, guard, &headers, stored, None, Why::default()).await
}

/// Makes an older version the newest one.
pub async fn restore(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind, id)): Path<(String, String, ResourceId)>,
    Form(why): Form<Why>,
) -> Answer<Response> {
    let stored = console.entry(&guard, console.kind(&kind)?, id).await?;
    let entry = Going { kind: stored.kind, workspace: stored.workspace, key: stored.key.clone() };
    let coming = Coming { entry, version: why.version.unwrap_or_default() };
    match console.restore(&guard, coming, &why).await {
        Ok(_) => Ok(see_other(&format!("{}?did=restored", entry_path(guard.name(), stored.kind, id)))),
        Err(error) => {
            let wrong = mistakes(error)?;
            let words: Vec<String> = wrong.all().map(|(_, detail)| detail.to_owned()).collect();
            history_page(&console, guard, &headers, stored, Some(words.join(" ")), why).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::difference::tests::difference;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    #[test]
    fn the_newest_version_is_not_restored() {
        let row = |number, newest| VersionRow {
            number,
            at: NOW,
            who: HOSTILE.into(),
            outcome: "updated",
            reason: Some(HOSTILE.into()),
            lines: lines(&difference()),
            audit: Some("/w/demo/audit/1".into()),
            newest,
        };
        let html = checked(&HistoryPage {
            shell: shell(),
            slug: "demo".into(),
            kind: "groups",
            key: HOSTILE.into(),
            here: "/w/demo/config/groups/1".into(),
            may_write: true,
            problem: None,
            versions: vec![row(2, true), row(1, false)],
            why: WhyView::default(),
        });
        assert_eq!(html.matches("/restore\"").count(), 1, "the newest is not restored");
    }
}
