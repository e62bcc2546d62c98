//! The audit log: who did what, and whether it is still as it was recorded.

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use audit::{Filter, Outcome, Recorded, Verdict};
use axum::extract::State;
use base::{Page as Listed, PageRequest, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Query, Response};
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Choice, choices};
use crate::page::{encode, page};
use crate::shell::{Page, Shell};

struct Row {
    at: Timestamp,
    who: String,
    by: String,
    action: String,
    target: String,
    knot: Knot,
    outcome: &'static str,
    reason: Option<String>,
    changes: Option<String>,
    from: String,
    number: String,
}

struct Said {
    intact: bool,
    headline: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: &'static str,
    may_verify: bool,
    verdict: Option<Said>,
    action: String,
    outcomes: Vec<Choice>,
    /// Where to look; empty when the reader sees this workspace alone.
    places: Vec<Choice>,
    rows: Vec<Row>,
    older: Option<String>,
}

/// Which entries are listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    action: String,
    outcome: String,
    place: String,
}

fn row(entry: Recorded) -> Row {
    let (knot, outcome) = match entry.outcome {
        Outcome::Success => (Knot::Done, "done"),
        Outcome::Failure => (Knot::Failed, "failed"),
        Outcome::Denied => (Knot::Skipped, "refused"),
    };
    let who = match (entry.actor_name, entry.actor_type.as_str()) {
        (_, "engine") => format!("Loudhailer ({})", entry.actor_id),
        (Some(name), _) => name,
        (None, "os") => entry.actor_id.clone(),
        (None, "anonymous") => "nobody known".to_owned(),
        (None, kind) => format!("{} whose name was erased", kind.replace('_', " ")),
    };
    Row {
        at: entry.time,
        who,
        by: match (entry.actor_type.as_str(), entry.auth.as_str()) {
            ("engine", _) => "by itself".to_owned(),
            (_, auth) => auth.replace('_', " "),
        },
        action: entry.action,
        target: match entry.target_id.as_str() {
            "" => entry.target_type,
            id => format!("{} {id}", entry.target_type),
        },
        knot,
        outcome,
        reason: entry.reason,
        changes: entry.changes.and_then(|changes| serde_json::to_string_pretty(&changes).ok()),
        from: entry.source_ip.unwrap_or_default(),
        number: entry.seq.map(|number| number.to_string()).unwrap_or_default(),
    }
}

fn said(verdict: Verdict) -> Said {
    match verdict {
        Verdict::Intact { entries, unsealed, erased, .. } => {
            let waiting = (unsealed > 0).then(|| format!("{unsealed} wait for their seal, less than a second."));
            let erased = (erased > 0)
                .then(|| format!("Personal values were erased from {erased}; the chain holds without them."));
            let sealed = format!("{entries} entries are sealed in a chain, each with the one before.");
            let sentences: Vec<String> = std::iter::once(sealed).chain(waiting).chain(erased).collect();
            Said { intact: true, headline: "The audit log is as it was recorded.".into(), detail: sentences.join(" ") }
        }
        Verdict::Broken(found) => Said {
            intact: false,
            headline: "The audit log was tampered with.".into(),
            detail: format!(
                "The first wrong one: {found}. Compare with a backup, and find out who could write to the database."
            ),
        },
    }
}

fn outcome(word: &str) -> Option<Outcome> {
    word.parse().ok()
}

async fn render<C: access::Cap>(
    console: &Console,
    guard: InWorkspace<C>,
    headers: &HeaderMap,
    which: Which,
    request: PageRequest,
    verdict: Option<Said>,
) -> Answer<Response> {
    let shell = console.shell(&guard, headers, Page::Audit).await?;
    let slug = guard.name().to_owned();
    let filter = Filter {
        action_prefix: Some(which.action.trim().to_owned()).filter(|action| !action.is_empty()),
        outcome: outcome(&which.outcome),
        ..Filter::default()
    };
    let everywhere = guard.caller().grants().permit_organisation::<cap::AuditRead>().ok();
    let wide = everywhere.is_some() && which.place == "everywhere";
    let found: Option<Listed<Recorded>> = match (everywhere.clone().filter(|_| wide), guard.also::<cap::AuditRead>()) {
        (Some(permit), _) => Some(console.db.read(move |tx| audit::list(tx, &permit, &filter, &request)).await?),
        (None, Some(permit)) => Some(console.db.read(move |tx| audit::list(tx, &permit, &filter, &request)).await?),
        (None, None) => None,
    };
    let (items, next) = found.map(|page| (page.items, page.next)).unwrap_or_default();
    let link = |cursor: &str| {
        let (action, outcome, place) = (encode(&which.action), encode(&which.outcome), encode(&which.place));
        format!("/w/{slug}/audit?action={action}&outcome={outcome}&place={place}&cursor={}", encode(cursor))
    };
    page(&AuditPage {
        sentence: match items.first() {
            Some(last) => format!("The last entry is of {}", shell.zone.day_clock(&last.time)),
            None => "No entry fits".to_owned(),
        },
        standing: "Who did what, when and from where. Each entry is sealed into a chain within a second, so that none can be altered or taken out unseen.",
        may_verify: guard.may(Capability::AuditVerify),
        verdict,
        outcomes: choices(
            &[("", "All"), ("success", "Done"), ("denied", "Refused"), ("failure", "Failed")],
            &which.outcome,
        ),
        places: match everywhere {
            Some(_) => choices(&[("", "This workspace"), ("everywhere", "Everywhere")], &which.place),
            None => Vec::new(),
        },
        older: next.map(|cursor| link(&cursor.0)),
        rows: items.into_iter().map(row).collect(),
        action: which.action,
        slug,
        shell,
    })
}

/// The log, newest first.
pub async fn list(
    guard: InWorkspace<cap::AuditRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    render(&console, guard, &headers, which, request, None).await
}

/// Walks the whole chain and says whether it holds.
pub async fn verify(
    guard: InWorkspace<cap::AuditVerify>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    let verdict = audit::verify_all(&console.db, guard.permit()).await?;
    render(&console, guard, &headers, Which::default(), PageRequest::default(), Some(said(verdict))).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, checked, shell};

    #[test]
    fn the_outcomes_of_the_filter_are_those_of_the_log() {
        let cases = [("success", Outcome::Success), ("denied", Outcome::Denied), ("failure", Outcome::Failure)];
        for (word, expected) in cases {
            assert_eq!(outcome(word), Some(expected), "{word}");
        }
        assert_eq!(outcome(""), None);
    }

    #[test]
    fn a_verdict_is_said_in_a_sentence() {
        let intact = said(Verdict::Intact { entries: 12, unsealed: 1, erased: 0, head: None });
        assert!(intact.intact && intact.detail.contains("12 entries") && intact.detail.contains("1 wait"));
        let broken = audit::Break { seq: Some(7), id: None, what: audit::Tampering::Removed, detail: "a gap".into() };
        let broken = said(Verdict::Broken(broken));
        assert!(!broken.intact && broken.detail.contains("entry 7"), "{}", broken.detail);
    }

    #[test]
    fn hostile_names_stay_text() {
        let html = checked(&AuditPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "The last entry is of Fri 23 Oct".into(),
            standing: "Who did what.",
            may_verify: true,
            verdict: Some(Said { intact: true, headline: "As recorded.".into(), detail: "12 entries.".into() }),
            action: "\"><script>".into(),
            outcomes: choices(&[("", "All")], ""),
            places: choices(&[("", "This workspace")], ""),
            rows: vec![Row {
                at: NOW,
                who: "<script>alert(1)</script>".into(),
                by: "password".into(),
                action: "alert.acknowledge".into(),
                target: "alert 7".into(),
                knot: Knot::Done,
                outcome: "done",
                reason: Some("<img src=x>".into()),
                changes: Some("{}".into()),
                from: "192.0.2.7".into(),
                number: "41".into(),
            }],
            older: None,
        });
        assert!(html.contains("alert.acknowledge") && html.contains("Verify the chain"));
        assert!(!html.contains("<script>alert") && !html.contains("<img"));
    }
}
