//! Exports: messages as files, asked for here, made by a job, gone after a month.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::{ExportId, PageRequest, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Path, Refusal, Response, download_stream};
use messaging::{Export, ExportState, NewExport};
use serde::Deserialize;
use sms::Number;

use crate::Console;
use crate::answers::ActForm;
use crate::draw::Draw;
use crate::page::{Wrong, page_with, see_other, sentence};
use crate::shell::{Page, Shell};
use alerts::Knot;

struct File {
    href: String,
    name: String,
}

struct Row {
    at: Timestamp,
    span: String,
    knot: Knot,
    state: String,
    found: u32,
    files: Vec<File>,
    until: String,
    delete: String,
    /// What deleting it does.
    ends: &'static str,
    act: &'static str,
}

#[derive(Template)]
#[template(path = "exports.html")]
struct ExportsPage {
    shell: Shell,
    slug: String,
    sentence: &'static str,
    wrong: Wrong,
    form: ExportForm,
    rows: Vec<Row>,
    older: Option<String>,
}

impl ExportsPage {
    const FIELDS: &'static [&'static str] = &["from", "to", "number", "countries", "limit"];
}

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExportForm {
    from: String,
    to: String,
    number: String,
    countries: String,
    limit: String,
}

impl ExportForm {
    fn meant(&self, shell: &Shell) -> Result<NewExport, Wrong> {
        let day = |field: &'static str, text: &str| {
            let at = shell.zone.instant(&format!("{}T00:00", text.trim()));
            at.ok_or_else(|| Wrong::one(field, "Write a day, such as 2026-10-23."))
        };
        let from = day("from", &self.from)?;
        let last = day("to", &self.to)?;
        let until = shell.zone.days(last, 1).first().map_or(last, |day| day.end);
        let number = match self.number.trim() {
            "" => None,
            text => Some(
                Number::parse(text, None)
                    .map_err(|error| Wrong::one("number", sentence(&format!("this is {error}"))))?,
            ),
        };
        let countries: Vec<String> = self
            .countries
            .split([',', ' '])
            .filter(|country| !country.is_empty())
            .map(str::to_ascii_uppercase)
            .collect();
        if countries
            .iter()
            .any(|country| country.len() != 2 || !country.bytes().all(|letter| letter.is_ascii_uppercase()))
        {
            return Err(Wrong::one("countries", "Write countries by their two letters, such as GB, DE."));
        }
        let limit = match self.limit.trim() {
            "" => 0,
            text => text.parse().map_err(|_| Wrong::one("limit", "Write a number, or leave it empty."))?,
        };
        if from >= until {
            return Err(Wrong::one("to", "The last day lies before the first."));
        }
        Ok(NewExport { from, until, number, countries, limit })
    }
}

fn row(slug: &str, export: &Export, shell: &Shell) -> Row {
    let (knot, state) = match export.state {
        ExportState::Queued => (Knot::Waiting, "Waits for its turn".to_owned()),
        ExportState::Running => (Knot::Now, "Is being written".to_owned()),
        ExportState::Succeeded => (Knot::Done, "Ready".to_owned()),
        ExportState::Empty => (Knot::Skipped, "No message fits".to_owned()),
        ExportState::Failed => (Knot::Failed, export.reason.clone().unwrap_or_default()),
    };
    let base = format!("/w/{slug}/exports/{}", export.id);
    let name = |file: u32| if export.files == 1 { "Download".to_owned() } else { format!("File {}", file + 1) };
    Row {
        at: export.created_at,
        span: format!(
            "{} – {}",
            shell.zone.day(&export.from),
            shell.zone.day(&export.until.minus(std::time::Duration::from_millis(1)))
        ),
        knot,
        state,
        found: export.found,
        files: (0..export.files).map(|file| File { href: format!("{base}/files/{file}"), name: name(file) }).collect(),
        until: shell.zone.day(&export.expires_at),
        delete: format!("{base}/delete"),
        ends: match export.state {
            ExportState::Queued | ExportState::Running => "It is stopped, and what is written of it is gone for good.",
            ExportState::Succeeded => "Its files are gone for good. The messages stay, and can be exported again.",
            ExportState::Empty | ExportState::Failed => "It is taken off this list.",
        },
        act: match export.state {
            ExportState::Queued | ExportState::Running => "Stop and delete it",
            _ => "Delete it for good",
        },
    }
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::MessagesRead>,
    headers: &HeaderMap,
    (form, wrong): (Option<ExportForm>, Wrong),
    request: PageRequest,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Exports).await?.listening(&[messaging::TOPIC]);
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    let found = console.db.read(move |tx| messaging.exports(tx, &permit, &request)).await?;
    let slug = guard.name().to_owned();
    let today = shell.zone.date(&shell.now);
    let week = shell.zone.date(&shell.now.minus(std::time::Duration::from_hours(7 * 24)));
    let form = form.unwrap_or(ExportForm { from: week, to: today, ..ExportForm::default() });
    page_with(
        wrong.status(),
        &ExportsPage {
            sentence: if found.items.is_empty() { "No export yet" } else { "Exports of messages" },
            rows: found.items.iter().map(|export| row(&slug, export, &shell)).collect(),
            older: found.next.map(|cursor| format!("/w/{slug}/exports?cursor={}", crate::page::encode(&cursor.0))),
            wrong,
            form,
            slug,
            shell,
        },
    )
}

/// The list, and the form for another one.
pub async fn list(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    render(&console, &guard, &headers, (None, Wrong::default()), request).await
}

/// Asks for one.
pub async fn start(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<ExportForm>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Exports).await?;
    let wrong = match form.meant(&shell) {
        Ok(new) => {
            let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
            let started = console.db.write(move |tx| messaging.start_export(tx, &permit, &new)).await;
            match started {
                Ok(_) => return Ok(see_other(&format!("/w/{}/exports", guard.name()))),
                Err(error @ messaging::Error::TooManyExports) => Wrong::one("", sentence(&error.to_string())),
                Err(error) => return Err(error.into()),
            }
        }
        Err(wrong) => wrong,
    };
    render(&console, &guard, &headers, (Some(form), wrong), PageRequest::default()).await
}

/// One of its files.
pub async fn file(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    Path((_, id, file)): Path<(String, ExportId, u32)>,
) -> Answer<Response> {
    let found = console.messaging.export_file(guard.permit(), id, file).await?;
    let pieces = found.ok_or_else(Refusal::not_found)?;
    Ok(download_stream(&format!("messages-{}-{}.csv", guard.name(), file + 1), "text/csv; charset=utf-8", pieces))
}

/// Removes it with its files.
pub async fn delete(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, ExportId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    console.db.write(move |tx| messaging.delete_export(tx, &permit, id)).await?;
    Ok(see_other(&format!("/w/{}/exports", guard.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    #[test]
    fn days_are_the_readers_own() {
        let form = ExportForm {
            from: "2026-10-22".into(),
            to: "2026-10-23".into(),
            countries: "gb, de".into(),
            ..ExportForm::default()
        };
        let new = form.meant(&shell()).unwrap();
        assert_eq!(
            (new.from.rfc3339(), new.until.rfc3339()),
            ("2026-10-21T22:00:00.000Z".into(), "2026-10-23T22:00:00.000Z".into())
        );
        assert_eq!((new.countries, new.limit), (vec!["GB".to_owned(), "DE".to_owned()], 0));
        let wrong = |form: ExportForm| form.meant(&shell()).unwrap_err().all().next().unwrap().0.unwrap().to_owned();
        assert_eq!(wrong(ExportForm { from: "x".into(), ..form.clone() }), "from");
        assert_eq!(wrong(ExportForm { to: "2026-10-20".into(), ..form.clone() }), "to");
        assert_eq!(wrong(ExportForm { number: "12".into(), ..form.clone() }), "number");
        assert_eq!(wrong(ExportForm { countries: "Britain".into(), ..form.clone() }), "countries");
        assert_eq!(wrong(ExportForm { limit: "all".into(), ..form }), "limit");
    }

    #[test]
    fn a_ready_export_leads_to_its_files() {
        let export = Export {
            id: uuid::Uuid::from_u128(7).into(),
            state: ExportState::Succeeded,
            created_at: NOW,
            requested_by: "user:1".into(),
            from: NOW.minus(std::time::Duration::from_hours(24)),
            until: NOW,
            found: 60_000,
            files: 2,
            expires_at: NOW.plus(std::time::Duration::from_hours(720)),
            reason: None,
        };
        let html = checked(&ExportsPage {
            rows: vec![
                row("demo", &export, &shell()),
                row(
                    "demo",
                    &Export { state: ExportState::Failed, reason: Some(HOSTILE.into()), ..export.clone() },
                    &shell(),
                ),
            ],
            shell: shell(),
            slug: "demo".into(),
            sentence: "Exports of messages",
            wrong: Wrong::one("from", "Write a day."),
            form: ExportForm { number: HOSTILE.into(), ..ExportForm::default() },
            older: None,
        });
        assert!(html.contains("/files/1") && html.contains("File 2"), "{html}");
    }
}
