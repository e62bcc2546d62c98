//! One entry of the audit log, with what it changed and how it hangs in the chain; and the log as a file.

use access::{Authority, cap};
use alerts::Knot;
use askama::Template;
use audit::{Filter, Format, Recorded};
use axum::extract::State;
use base::{AuditId, PageRequest};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Refusal, Response};
use serde::Deserialize;

use crate::Console;
use crate::audit_page::{Which, Wide, ended, render, who};
use crate::draw::Draw;
use crate::facts::Fact;
use crate::page::page;
use crate::shell::{Page, Shell};

#[derive(Template)]
#[template(path = "audit-entry.html")]
struct EntryPage {
    shell: Shell,
    slug: String,
    knot: Knot,
    sentence: String,
    standing: String,
    reason: Option<String>,
    facts: Vec<Fact>,
    changes: Option<String>,
    chain: Vec<Fact>,
    sealed: bool,
}

/// One entry.
pub async fn show(
    guard: InWorkspace<cap::AuditRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, AuditId)>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Audit).await?;
    let found = if let Ok(permit) = guard.caller().grants().permit_organisation::<cap::AuditRead>() {
        console.db.read(move |tx| audit::get(tx, &permit, id)).await?
    } else {
        let permit = guard.permit().clone();
        console.db.read(move |tx| audit::get(tx, &permit, id)).await?
    };
    let entry = found.ok_or_else(Refusal::not_found)?;
    let place = match entry.workspace {
        None => "the organisation".to_owned(),
        Some(id) => {
            let all = console.workspaces().await?;
            all.into_iter().find(|one| one.id == id).map_or_else(|| id.to_string(), |one| one.slug.to_string())
        }
    };
    page(&view(guard.name(), shell, &entry, place))
}

fn view(slug: &str, shell: Shell, entry: &Recorded, place: String) -> EntryPage {
    let (knot, outcome) = ended(entry.outcome);
    let (who, by) = who(entry);
    let mut facts = vec![
        Fact::new("Who", who.clone()),
        Fact::new("Proven by", by),
        Fact::mono("Did", entry.action.clone()),
        Fact::mono("To", format!("{} {}", entry.target_type, entry.target_id)),
        Fact::new("In", place),
        Fact::new("When", format!("{}, {} UTC", shell.zone.exact(&entry.time), entry.time.rfc3339())),
    ];
    let mut also = |name, value: Option<String>| facts.extend(value.map(|value| Fact::mono(name, value)));
    also("Change reference", entry.ticket.clone());
    also("From", entry.source_ip.clone());
    also("With", entry.user_agent.clone());
    also("Session", entry.session.map(|id| id.to_string()));
    also("Request", entry.request.map(|id| id.to_string()));
    also("Actor", Some(format!("{} {}", entry.actor_type, entry.actor_id)));
    let mut chain = vec![Fact::mono("Entry", entry.id.to_string())];
    chain.extend(entry.seq.map(|seq| Fact::mono("Number", seq.to_string())));
    chain.extend(entry.prev_hash.clone().map(|hash| Fact::mono("Follows", hash)));
    chain.extend(entry.hash.clone().map(|hash| Fact::mono("SHA-256", hash)));
    EntryPage {
        sentence: format!("{who}: {} was {outcome}", entry.action),
        standing: format!("{}.", shell.zone.day_clock(&entry.time)),
        reason: entry.reason.clone(),
        changes: entry.changes.as_ref().and_then(|changes| serde_json::to_string_pretty(changes).ok()),
        sealed: entry.hash.is_some(),
        slug: slug.to_owned(),
        knot,
        facts,
        chain,
        shell,
    }
}

/// What the export form sends: the filter of the list, and how to write it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExportForm {
    format: String,
    action: String,
    outcome: String,
    place: String,
    who: String,
    target: String,
    from: String,
    to: String,
    q: String,
}

/// The format of this name; JSON lines when none was chosen.
fn wanted(name: &str) -> Result<Format, &'static str> {
    match name.trim() {
        "" => Ok(Format::JsonLines),
        name => Format::named(name)
            .ok_or("There is no such format: jsonl, csv, cef or ocsf is expected. No file was written."),
    }
}

/// The filtered log as a file, page by page, in the order of the chain. A POST, because it is written to the log itself.
pub async fn export(
    guard: InWorkspace<cap::AuditRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<ExportForm>,
) -> Answer<Response> {
    let ExportForm { format, action, outcome, place, who, target, from, to, q } = form;
    let which = Which { action, outcome, place, who, target, from, to, q };
    let format = match wanted(&format) {
        Ok(format) => format,
        Err(problem) => return render(&console, &guard, &headers, which, &PageRequest::default(), Some(problem)).await,
    };
    let shell = console.shell(&guard, &headers, Page::Audit).await?;
    let (filter, wide, _) = console.audit_filter(&guard, &which, shell.zone.iana()).await?;
    // What comes after this instant is not in it, so that it ends.
    let filter = Filter { to: Some(filter.to.map_or(shell.now, |to| to.min(shell.now))), ..filter };
    let slug = guard.name();
    match wide {
        Wide::Everywhere(permit) => exported(&console, permit, filter, format, "everywhere", &shell).await,
        Wide::Here(permit) => exported(&console, permit, filter, format, slug, &shell).await,
    }
}

async fn exported<P>(
    console: &Console,
    permit: P,
    filter: Filter,
    format: Format,
    place: &str,
    shell: &Shell,
) -> Answer<Response>
where
    P: Authority<cap::AuditRead> + Clone + Send + Sync + 'static,
{
    let (by, wanted) = (permit.clone(), filter.clone());
    console.db.write(move |tx| audit::record_export(tx, &by, &wanted, format)).await?;
    let day = shell.now.rfc3339();
    let name = format!("audit-{place}-{}.{}", day.get(..10).unwrap_or("today"), format.ending());
    Ok(http::download_stream(
        &name,
        format.media_type(),
        audit::export_stream(console.db.clone(), permit, filter, format),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn entry() -> Recorded {
        Recorded {
            id: uuid::Uuid::from_u128(9).into(),
            seq: Some(41),
            time: NOW,
            workspace: None,
            actor_type: "user".into(),
            actor_id: "7".into(),
            actor_name: Some(HOSTILE.into()),
            session: None,
            auth: "password".into(),
            source_ip: Some("192.0.2.7".into()),
            source_port: None,
            user_agent: Some(HOSTILE.into()),
            request: None,
            action: "carrier.pause".into(),
            target_type: "carriers".into(),
            target_id: HOSTILE.into(),
            outcome: audit::Outcome::Success,
            reason: Some(HOSTILE.into()),
            ticket: Some("CHG-1042".into()),
            changes: Some(serde_json::json!({ "a": HOSTILE })),
            hash: Some("ab".repeat(32)),
            prev_hash: Some("cd".repeat(32)),
        }
    }

    #[test]
    fn a_format_that_is_none_is_refused() {
        for format in Format::ALL {
            assert_eq!(wanted(format.ending()).unwrap().ending(), format.ending());
        }
        assert_eq!(wanted("").unwrap().ending(), "jsonl");
        for name in ["xlsx", "CSV", "csv,cef"] {
            let said = wanted(name).err().unwrap();
            assert!(Format::ALL.iter().all(|format| said.contains(format.ending())), "{name}: {said}");
        }
    }

    #[test]
    fn an_entry_shows_its_changes_and_its_place_in_the_chain() {
        let html = checked(&view("demo", shell(), &entry(), "the organisation".into()));
        for words in ["carrier.pause", "CHG-1042", &"ab".repeat(32), &"cd".repeat(32), "192.0.2.7"] {
            assert!(html.contains(words), "{words}");
        }
        let waiting = Recorded { hash: None, prev_hash: None, seq: None, changes: None, ..entry() };
        assert!(checked(&view("demo", shell(), &waiting, "demo".into())).contains("waits for its seal"));
    }
}
