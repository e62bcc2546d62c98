//! People from a table: pasted, looked at row by row, and added all together or not at all.

use access::cap;
use askama::Template;
use axum::extract::State;
use http::{Answer, Form, HeaderMap, InWorkspace, Response, StatusCode};
use identity::{ImportRow, Imported};
use serde::Deserialize;

use crate::Console;
use crate::editing::everywhere;
use crate::page::{page_with, see_other};
use crate::shell::{Page, Shell};

/// Bytes of a form with a table.
pub const LIMIT: usize = 3 * 1024 * 1024;

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    shell: Shell,
    slug: String,
    /// The table as it was pasted.
    table: String,
    sentence: String,
    problem: Option<String>,
    rows: Vec<ImportRow>,
    /// Whether all rows can be taken.
    good: bool,
}

/// What the form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ImportForm {
    table: String,
    act: String,
}

/// The form.
pub async fn show(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    everywhere(&guard)?;
    render(&console, &guard, &headers, String::new(), None).await
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::PeopleWrite>,
    headers: &HeaderMap,
    table: String,
    report: Option<Imported>,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Users).await?;
    let good = report.as_ref().is_some_and(Imported::is_good);
    let status = if report.is_some() && !good { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (sentence, problem, rows) = match report {
        None => ("Add people from a table".to_owned(), None, Vec::new()),
        Some(report) => (sentence(&report), report.problem, report.rows),
    };
    let page = ImportPage { shell, slug: guard.name().to_owned(), table, sentence, problem, rows, good };
    page_with(status, &page)
}

fn sentence(report: &Imported) -> String {
    let (all, wrong) = (report.rows.len(), report.rows.iter().filter(|row| !row.problems.is_empty()).count());
    match (all, wrong) {
        (0, _) => "This table cannot be read".to_owned(),
        (1, 0) => "One person can be added".to_owned(),
        (all, 0) => format!("All {all} people can be added"),
        (all, 1) => format!("One of {all} rows is wrong, so nobody is added"),
        (all, wrong) => format!("{wrong} of {all} rows are wrong, so nobody is added"),
    }
}

/// Looks at the table, or adds everybody in it.
pub async fn act(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<ImportForm>,
) -> Answer<Response> {
    let permit = everywhere(&guard)?;
    let rehearsal = form.act != "add";
    let report = console.identity.import(&permit, form.table.clone(), rehearsal, Some("import".into())).await?;
    if report.done {
        return Ok(see_other(&format!("/w/{}/users?added={}", guard.name(), report.rows.len())));
    }
    render(&console, &guard, &headers, form.table, Some(report)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn row(problems: &[&str]) -> ImportRow {
        ImportRow {
            line: 2,
            name: HOSTILE.into(),
            login: "ada@example.com".into(),
            role: "observer everywhere".into(),
            problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
        }
    }

    fn page(rows: Vec<ImportRow>) -> String {
        let report = Imported { rows, problem: None, done: false };
        let good = report.is_good();
        checked(&ImportPage {
            shell: shell(),
            slug: "demo".into(),
            table: HOSTILE.into(),
            sentence: sentence(&report),
            problem: None,
            rows: report.rows,
            good,
        })
    }

    #[test]
    fn everybody_is_added_or_nobody_and_wrong_rows_are_named() {
        let html = page(vec![row(&[]), row(&["phone: a number in international form is expected"])]);
        assert!(html.contains("One of 2 rows is wrong") && html.contains("phone: a number in international form"));
        assert!(!html.contains("value=\"add\""));
        let html = page(vec![row(&[]), row(&[])]);
        assert!(html.contains("All 2 people can be added") && html.contains("value=\"add\""));
    }
}
