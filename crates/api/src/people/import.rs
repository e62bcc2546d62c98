//! People from a table.

use ::identity::Imported;
use access::cap;
use http::{Answer, InOrganisation, Json, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;

/// Bytes of a request: a table of 1 MiB whose quotes and line ends JSON writes in two characters.
pub(super) const LIMIT: usize = 3 * 1024 * 1024;

/// A table of people.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = PeopleImport)]
pub(super) struct Import {
    /// The table, as comma-separated values.
    csv: String,
    /// Whether it is only looked at.
    #[serde(default)]
    dry_run: bool,
    /// Why, for history and audit log.
    #[serde(default)]
    reason: Option<String>,
}

/// A row of the table.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PeopleImportRow)]
struct RowView {
    /// Its line, from 1.
    line: u64,
    /// The person's name.
    name: String,
    /// Their log-in name.
    login: String,
    /// What is wrong with it; nothing when it can be taken.
    problems: Vec<String>,
}

/// What an import did or would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PeopleImported)]
pub(super) struct ImportView {
    /// Whether the people were added.
    done: bool,
    /// What is wrong with the table as a whole.
    problem: Option<String>,
    /// Its rows.
    rows: Vec<RowView>,
}

impl From<Imported> for ImportView {
    fn from(report: Imported) -> Self {
        let row = |row: ::identity::ImportRow| RowView {
            line: row.line,
            name: row.name,
            login: row.login,
            problems: row.problems,
        };
        Self { done: report.done, problem: report.problem, rows: report.rows.into_iter().map(row).collect() }
    }
}

pub(super) async fn import(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Json(given): Json<Import>,
) -> Answer<Json<ImportView>> {
    let report = api.identity.import(guard.permit(), given.csv, given.dry_run, given.reason).await?;
    Ok(Json(report.into()))
}
