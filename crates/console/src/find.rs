//! The field in the head: a number, a name or an id leads to what it belongs to, among everything that the reader may see.

use access::cap;
use askama::Template;
use axum::extract::State;
use http::{Answer, HeaderMap, InWorkspace, Query, Response};
use serde::Deserialize;

use crate::Console;
use crate::find_hits::{Hits, Seeker};
use crate::meant::{Meant, meant};
use crate::page::{page, see_other};
use crate::shell::{Page, Shell};

#[derive(Template)]
#[template(path = "find.html")]
struct FindPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: String,
    query: String,
    found: Vec<Hits>,
}

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    q: String,
}

/// Characters that are looked for at most; what is longer is cut.
const LONGEST: usize = 100;

/// The results, by kind. What can only be one thing is opened at once.
pub async fn find(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Answer<Response> {
    let query: String = wanted.q.trim().chars().take(LONGEST).collect();
    let mut shell = console.shell(&guard, &headers, Page::Find).await?;
    let slug = guard.name().to_owned();
    let found = match &shell.place {
        Some(place) if !query.is_empty() => {
            Box::pin(Seeker::new(&console, &guard, place, &shell.zone).all(&query)).await?
        }
        _ => Vec::new(),
    };
    let exact = match meant(&query) {
        Meant::Id(_) => true,
        Meant::Alert(_) => query.starts_with(['A', 'a']),
        Meant::Number(_) | Meant::Words => false,
    };
    if let ([only], true) = (found.as_slice(), exact)
        && let [hit] = only.first.as_slice()
    {
        return Ok(see_other(&hit.href));
    }
    if let Some(place) = &mut shell.place {
        place.find.clone_from(&query);
    }
    page(&FindPage {
        sentence: sentence(&query, &found),
        standing: if query.is_empty() {
            "Alerts by number, title or key; signals, runs and messages by id; messages by the recipient’s whole number; \
             people, groups, flows, carriers, keys and pages by name."
                .into()
        } else {
            "Only what you may see is looked through.".into()
        },
        slug,
        query,
        found,
        shell,
    })
}

fn sentence(query: &str, found: &[Hits]) -> String {
    let count: usize = found.iter().map(|kind| kind.first.len()).sum();
    let more = found.iter().any(|kind| kind.more.is_some());
    match (query.is_empty(), count, more) {
        (true, ..) => "What are you looking for?".into(),
        (false, 0, _) => format!("Nothing is called “{query}”"),
        (false, 1, false) => format!("One thing fits “{query}”"),
        (false, count, false) => format!("{count} things fit “{query}”"),
        (false, count, true) => format!("More than {count} things fit “{query}”"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find_hits::Hit;
    use crate::testing::{HOSTILE, checked, shell};

    fn results(query: &str, found: Vec<Hits>) -> String {
        checked(&FindPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: sentence(query, &found),
            standing: String::new(),
            query: query.into(),
            found,
        })
    }

    #[test]
    fn results_stand_by_kind_with_their_counts() {
        let hit = Hit { href: "/w/demo/alerts/A-7".into(), title: HOSTILE.into(), detail: "Open".into() };
        let hits = Hits { kind: "Alerts", first: vec![hit], more: Some("/w/demo/alerts".into()) };
        let html = results(HOSTILE, vec![hits]);
        assert!(html.contains("1 or more") && html.contains("href=\"/w/demo/alerts/A-7\""));
        let html = results("zebra", Vec::new());
        assert!(html.contains("Nothing is called “zebra”") && html.contains("only found whole"));
    }
}
