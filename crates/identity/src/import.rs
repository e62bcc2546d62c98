//! People from a table: CSV with a head line, looked at as a whole and taken as a whole. One row that is wrong, and nobody is
//! added; every wrong row is named with its line.

use std::collections::HashMap;

use access::{OrganisationPermit, cap};
use resources::{Draft, Edit, Ground, Upon};
use serde_json::json;
use store::Tx;

use crate::users_kind::NAME;
use crate::{Error, Identity, account};

/// Rows at most.
const ROWS: usize = 5_000;
/// Bytes at most.
const BYTES: usize = 1024 * 1024;
/// The columns that are known; the first two must be there.
pub(crate) const COLUMNS: [&str; 6] = ["name", "login", "role", "workspace", "time_zone", "phone"];

/// One row of the table, as it was read.
#[derive(Clone, Debug)]
pub struct ImportRow {
    /// Its line in the text, from 1.
    pub line: u64,
    /// The person's name.
    pub name: String,
    /// Their log-in name.
    pub login: String,
    /// What they are to be trusted with, in words; empty for nothing.
    pub role: String,
    /// What is wrong with it; nothing when it can be taken.
    pub problems: Vec<String>,
}

/// What an import did or would do.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Every row.
    pub rows: Vec<ImportRow>,
    /// What is wrong with the text as a whole: then there are no rows.
    pub problem: Option<String>,
    /// Whether the people were added.
    pub done: bool,
}

impl Imported {
    fn not_a_table(problem: impl Into<String>) -> Self {
        Self { rows: Vec::new(), problem: Some(problem.into()), done: false }
    }

    /// Whether every row can be taken, and there is one.
    pub fn is_good(&self) -> bool {
        self.problem.is_none() && !self.rows.is_empty() && self.rows.iter().all(|row| row.problems.is_empty())
    }
}

/// Carries the report out of a transaction that is rolled back.
enum Ended {
    Report(Imported),
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Ended {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Identity {
    /// Looks at a table of people and, unless this is a rehearsal or a row is wrong, adds them all.
    ///
    /// # Errors
    /// When the store fails. What is wrong with the table is in the report.
    pub async fn import(
        &self,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        text: String,
        rehearsal: bool,
        reason: Option<String>,
    ) -> Result<Imported, Error> {
        let rows = match read(&text) {
            Ok(rows) => rows,
            Err(report) => return Ok(report),
        };
        let (this, permit) = (self.clone(), permit.clone());
        let ended = self
            .0
            .db
            .write(move |tx| {
                let mut report = Imported { rows: Vec::with_capacity(rows.len()), problem: None, done: false };
                let mut seen: HashMap<String, u64> = HashMap::new();
                for row in rows.clone() {
                    let mut shown = row.shown();
                    match seen.entry(account::fold(&row.login)) {
                        std::collections::hash_map::Entry::Occupied(first) => shown
                            .problems
                            .push(format!("the same log-in name stands in line {}; leave one out", first.get())),
                        std::collections::hash_map::Entry::Vacant(place) => {
                            place.insert(row.line);
                            shown.problems.extend(row.problems.iter().cloned());
                            if shown.problems.is_empty() {
                                shown.problems = this.add(tx, &permit, &row, reason.as_deref())?;
                            }
                        }
                    }
                    report.rows.push(shown);
                }
                if rehearsal || !report.is_good() {
                    return Err(Ended::Report(report));
                }
                let added = report.rows.len();
                audit::record(
                    tx,
                    audit::Entry {
                        actor: permit.actor(),
                        workspace: None,
                        action: "people.import",
                        target: ("people", ""),
                        outcome: audit::Outcome::Success,
                        reason: reason.as_deref(),
                        changes: Some(json!({ "added": added })),
                    },
                )
                .map_err(Error::from)?;
                Ok(Imported { done: true, ..report })
            })
            .await;
        match ended {
            Ok(report) | Err(Ended::Report(report)) => Ok(report),
            Err(Ended::Failed(error)) => Err(error),
        }
    }

    /// Adds one person; what is wrong with the row, in words.
    fn add(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        row: &Row,
        reason: Option<&str>,
    ) -> Result<Vec<String>, Error> {
        const THERE: &str = "there is a person of this log-in name already; change them on their page";
        if account::by_login(tx, &row.login)?.is_some() {
            return Ok(vec![THERE.to_owned()]);
        }
        let edit = Edit {
            kind: NAME.to_owned(),
            workspace: None,
            upon: Upon::Nothing,
            draft: Draft::new(row.body()),
            reason: reason.map(str::to_owned),
            ground: Ground::None,
        };
        match self.0.resources.edit(tx, permit, &edit) {
            Ok(_) => Ok(Vec::new()),
            Err(error) => {
                let problems = error.problems();
                if problems.iter().any(|problem| problem.kind == base::ProblemKind::Internal) || problems.is_empty() {
                    return Err(error.into());
                }
                let words = |problem: base::Problem| match problem.field.as_deref().unwrap_or_default() {
                    "" => problem.detail.to_string(),
                    field => format!("{}: {}", column(field), problem.detail),
                };
                Ok(problems.into_iter().map(words).collect())
            }
        }
    }
}

/// The column of a field, for people who see a table.
fn column(field: &str) -> &str {
    if field.starts_with("devices") {
        "phone"
    } else if field.starts_with("roles") && field.ends_with("workspace") {
        "workspace"
    } else if field.starts_with("roles") {
        "role"
    } else {
        field
    }
}

#[derive(Clone, Debug)]
struct Row {
    line: u64,
    name: String,
    login: String,
    role: String,
    workspace: String,
    time_zone: String,
    phone: String,
    problems: Vec<String>,
}

impl Row {
    fn shown(&self) -> ImportRow {
        let role = match (self.role.as_str(), self.workspace.as_str()) {
            ("", _) => String::new(),
            (role, "") => format!("{role} everywhere"),
            (role, workspace) => format!("{role} in {workspace}"),
        };
        ImportRow { line: self.line, name: self.name.clone(), login: self.login.clone(), role, problems: Vec::new() }
    }

    fn body(&self) -> serde_json::Value {
        let mut body = json!({ "name": self.name, "login": self.login });
        if !self.role.is_empty() {
            let place = Some(&self.workspace).filter(|workspace| !workspace.is_empty());
            body["roles"] = json!([{ "role": self.role, "workspace": place }]);
        }
        if !self.time_zone.is_empty() {
            body["time_zone"] = json!(self.time_zone);
        }
        if !self.phone.is_empty() {
            // People write numbers in groups; they are kept as carriers write them.
            let phone: String = self.phone.chars().filter(|c| !c.is_whitespace()).collect();
            body["devices"] = json!([{ "kind": "sms", "number": phone, "order": 1 }]);
        }
        body
    }
}

/// The rows of a text, or what is wrong with it as a whole.
fn read(text: &str) -> Result<Vec<Row>, Imported> {
    if text.len() > BYTES {
        return Err(Imported::not_a_table("The table is larger than 1 MiB. Take it in parts."));
    }
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let broken = |error: csv::Error| {
        let place = error.position().map(|at| format!(" in line {}", at.line())).unwrap_or_default();
        Imported::not_a_table(format!("The text is no table of comma-separated values{place}."))
    };
    let head = reader.headers().map_err(broken)?.clone();
    let places: HashMap<String, usize> = head.iter().enumerate().map(|(at, name)| (name.to_lowercase(), at)).collect();
    if let Some(unknown) = head.iter().find(|name| !COLUMNS.contains(&name.to_lowercase().as_str())) {
        let nearest = base::nearest(unknown, COLUMNS.iter().copied());
        return Err(Imported::not_a_table(format!(
            "There is no column “{unknown}”; “{nearest}” is nearest. The first line names the columns: {}.",
            COLUMNS.join(", ")
        )));
    }
    if let Some(missing) = COLUMNS[..2].iter().find(|name| !places.contains_key(**name)) {
        return Err(Imported::not_a_table(format!(
            "The column “{missing}” is missing. The first line names the columns, such as: {}.",
            COLUMNS.join(",")
        )));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        if rows.len() == ROWS {
            return Err(Imported::not_a_table(format!("There are more than {ROWS} rows. Take them in parts.")));
        }
        let of = |name: &str| places.get(name).and_then(|at| record.get(*at)).unwrap_or_default().to_owned();
        let mut row = Row {
            line: record.position().map_or(0, csv::Position::line),
            name: of("name"),
            login: of("login"),
            role: of("role"),
            workspace: of("workspace"),
            time_zone: of("time_zone"),
            phone: of("phone"),
            problems: Vec::new(),
        };
        if record.len() != head.len() {
            row.problems.push(format!("{} cells stand here and {} in the first line", record.len(), head.len()));
        }
        if row.role.is_empty() && !row.workspace.is_empty() {
            row.problems
                .push("a workspace without a role means nothing; give the role, or leave the workspace out".into());
        }
        for (column, value) in [("name", &row.name), ("login", &row.login)] {
            if value.is_empty() {
                row.problems.push(format!("{column}: is missing"));
            }
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(Imported::not_a_table("There are no rows below the first line."));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        read(text).unwrap_err().problem.unwrap()
    }

    #[test]
    fn a_table_is_read_by_its_first_line() {
        let rows = read("\u{feff}Login, Name ,phone\nada@example.com,\"Sample, Ada\",+44 7700 900117\n").unwrap();
        assert_eq!((rows[0].name.as_str(), rows[0].login.as_str()), ("Sample, Ada", "ada@example.com"));
        assert_eq!(rows[0].body()["devices"][0]["number"], "+447700900117");
        assert_eq!(rows[0].line, 2);
    }

    #[test]
    fn what_is_no_table_is_said_as_a_whole() {
        assert!(problem("name,mail\nAda,a@example.com\n").contains("no column “mail”"));
        assert!(problem("name\nAda\n").contains("“login” is missing"));
        assert!(problem("name,login\n").contains("no rows"));
        assert!(problem("").contains("missing"));
        assert!(problem(&format!("name,login\n{}", "a,b@example.com\n".repeat(ROWS + 1))).contains("more than 5000"));
        assert!(problem(&"x".repeat(BYTES + 1)).contains("1 MiB"));
    }

    #[test]
    fn a_row_that_is_short_or_empty_is_named() {
        let rows = read("name,login,role,workspace\nAda\n,bo@example.com,,demo\n").unwrap();
        assert!(rows[0].problems[0].contains("1 cells stand here and 4"), "{:?}", rows[0].problems);
        assert!(
            rows[1].problems.concat().contains("without a role")
                && rows[1].problems.concat().contains("name: is missing")
        );
    }
}
