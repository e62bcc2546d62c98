//! The schema: steps that each room brings, embedded in the program, applied in order and verified at every start.
//! One SQL text serves both databases; for SQLite its types are translated and its tables made STRICT.

use std::collections::BTreeMap;

use base::{Explain, Problem, ProblemKind};

use crate::db::{Access, Db};
use crate::dialect::{Piece, Pieces};
use crate::{Dialect, Error, Tx, params};

/// The steps of one room.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The room, such as `alerts`; part of the record in the database, so it never changes.
    pub room: &'static str,
    /// Its steps, versions rising from 1 without a gap.
    pub steps: &'static [Migration],
}

/// One step. Once released its text never changes: a later step mends it.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// 1, 2, 3, …
    pub version: u32,
    /// What it does, in one word or two.
    pub name: &'static str,
    /// Its statements. A line that starts with `-- postgres: ` or `-- sqlite: ` is run on that database alone.
    pub sql: &'static str,
}

/// What [`Db::migrate`] did or [`Db::pending`] found: the steps as `room/003 name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Steps applied now (or, when only looking, still to be applied).
    pub applied: Vec<String>,
    /// How many steps were there already.
    pub present: usize,
}

/// Why the schema cannot be brought to what this program needs.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MigrationError {
    /// A step that was applied has another text now.
    #[error("migration {step} was changed after it had been applied to this database; run the program that applied it")]
    Changed {
        /// The step.
        step: String,
    },
    /// The database was made by a newer program.
    #[error(
        "this database was migrated by a newer version (it has {step}); run that version, or restore a backup made before it"
    )]
    Newer {
        /// The first step that this program does not know.
        step: String,
    },
    /// The rooms' own lists are wrong: a defect of the program.
    #[error("the migrations of {room} are not numbered 1, 2, 3, … or the room appears twice")]
    Numbering {
        /// The room.
        room: String,
    },
    /// A step failed; it left nothing behind.
    #[error("migration {step} failed and was undone")]
    Failed {
        /// The step.
        step: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
}

impl Explain for MigrationError {
    fn problem(&self) -> Problem {
        Problem::new(ProblemKind::Unavailable, "schema-mismatch", self.to_string())
    }
}

/// The store's own tables. [`Db::migrate`] always applies them first, whether they are in its list or not.
pub const MIGRATIONS: Migrations = Migrations {
    room: "store",
    steps: &[
        Migration { version: 1, name: "store", sql: include_str!("../migrations/001_store.sql") },
        Migration { version: 2, name: "kept answers", sql: include_str!("../migrations/002_kept_answers.sql") },
    ],
};

/// Any number that nobody else uses for an advisory lock in this database.
const ADVISORY_LOCK: &str = "SELECT CAST(pg_advisory_xact_lock(7305804402566522) AS TEXT)";

const RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
  room TEXT NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL,
  PRIMARY KEY (room, version)
)";

impl Db {
    /// Brings the schema to what `rooms` need: verifies every step that was applied, then applies what is missing, in
    /// the given order of rooms, each step in a transaction of its own. Nodes that start together take turns.
    pub async fn migrate(&self, rooms: &[Migrations]) -> Result<Report, Error> {
        let steps = steps(rooms)?;
        self.run(Access::Patient, begin).await?;
        let mut report = self.check(&steps, false).await?;
        let missing = std::mem::take(&mut report.applied);
        for step in steps.into_iter().filter(|step| missing.contains(&step.label())) {
            let label = step.label();
            let applied = self.run(Access::Patient, move |tx| step.apply(tx)).await.map_err(|source| {
                Error::from(MigrationError::Failed { step: label.clone(), source: Box::new(source) })
            })?;
            if applied {
                tracing::info!(step = %label, "schema migrated");
                report.applied.push(label);
            } else {
                report.present += 1;
            }
        }
        Ok(report)
    }

    /// What [`Db::migrate`] would do: verifies what was applied and changes nothing.
    pub async fn pending(&self, rooms: &[Migrations]) -> Result<Report, Error> {
        self.check(&steps(rooms)?, true).await
    }

    async fn check(&self, steps: &[Step], tolerate_missing_record: bool) -> Result<Report, Error> {
        let known = steps.to_vec();
        self.read(move |tx| {
            let there = if tolerate_missing_record && !record_exists(tx)? { BTreeMap::new() } else { applied(tx)? };
            verify(&known, &there)
        })
        .await
    }
}

#[derive(Clone)]
struct Step {
    room: &'static str,
    migration: Migration,
}

impl Step {
    fn label(&self) -> String {
        label(self.room, self.migration.version.into(), self.migration.name)
    }

    fn checksum(&self) -> String {
        base::hex(&crypto::sha256(self.migration.sql.as_bytes()))
    }

    /// Applies the step unless another node did so while we waited for our turn.
    fn apply(&self, tx: &mut Tx<'_>) -> Result<bool, Error> {
        begin(tx)?;
        let key = (self.room.to_owned(), i64::from(self.migration.version));
        if applied(tx)?.contains_key(&key) {
            return Ok(false);
        }
        let sql = translate(self.migration.sql, tx.dialect());
        tx.script(&sql)?;
        let now = tx.now();
        tx.execute(
            "INSERT INTO schema_migrations (room, version, name, checksum, applied_at) VALUES ($1, $2, $3, $4, $5)",
            &params![self.room, self.migration.version, self.migration.name, self.checksum(), now],
        )?;
        Ok(true)
    }
}

/// Takes turns with other nodes, and makes the record if there is none.
fn begin(tx: &mut Tx<'_>) -> Result<(), Error> {
    if tx.dialect() == Dialect::Postgres {
        tx.query(ADVISORY_LOCK, &[], |_| Ok(()))?;
    }
    if !record_exists(tx)? {
        let sql = translate(RECORD, tx.dialect());
        tx.script(&sql)?;
    }
    Ok(())
}

fn record_exists(tx: &mut Tx<'_>) -> Result<bool, Error> {
    let sql = tx.dialect().pick(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
        "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_migrations'",
    );
    Ok(tx.query_opt(sql, &[], |_| Ok(()))?.is_some())
}

type Applied = BTreeMap<(String, i64), (String, String)>;

fn applied(tx: &mut Tx<'_>) -> Result<Applied, Error> {
    let rows = tx.query("SELECT room, version, name, checksum FROM schema_migrations", &[], |row| {
        Ok(((row.get("room")?, row.get("version")?), (row.get("name")?, row.get("checksum")?)))
    })?;
    Ok(rows.into_iter().collect())
}

fn label(room: &str, version: i64, name: &str) -> String {
    format!("{room}/{version:03} {name}")
}

/// All steps in order, the store's own first.
fn steps(rooms: &[Migrations]) -> Result<Vec<Step>, Error> {
    let mut out: Vec<Step> = Vec::new();
    for room in std::iter::once(&MIGRATIONS).chain(rooms.iter().filter(|room| room.room != MIGRATIONS.room)) {
        let numbered = room.steps.iter().zip(1..).all(|(step, number)| step.version == number);
        if !numbered || out.iter().any(|step| step.room == room.room) {
            return Err(MigrationError::Numbering { room: room.room.to_owned() }.into());
        }
        out.extend(room.steps.iter().map(|migration| Step { room: room.room, migration: *migration }));
    }
    Ok(out)
}

/// Compares what the program knows with what the database has.
fn verify(known: &[Step], there: &Applied) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut unknown: BTreeMap<_, _> = there.iter().collect();
    for step in known {
        let key = (step.room.to_owned(), i64::from(step.migration.version));
        match unknown.remove(&key) {
            Some((_, checksum)) if *checksum != step.checksum() => {
                return Err(MigrationError::Changed { step: step.label() }.into());
            }
            Some(_) => report.present += 1,
            None => report.applied.push(step.label()),
        }
    }
    // Rooms that this program does not carry (a tool with fewer rooms) are none of its business; a newer step of a
    // room that it does carry is.
    let newer = unknown.iter().find(|((room, _), _)| known.iter().any(|step| step.room == room));
    match newer {
        Some(((room, version), (name, _))) => Err(MigrationError::Newer { step: label(room, *version, name) }.into()),
        None => Ok(report),
    }
}

/// One SQL text as the database at hand wants it.
pub(crate) fn translate(sql: &str, dialect: Dialect) -> String {
    let (ours, other) = match dialect {
        Dialect::Sqlite => ("-- sqlite: ", "-- postgres: "),
        Dialect::Postgres => ("-- postgres: ", "-- sqlite: "),
    };
    let sql: String = sql
        .split_inclusive('\n')
        .filter(|line| !line.starts_with(other))
        .map(|line| line.strip_prefix(ours).unwrap_or(line))
        .collect();
    match dialect {
        Dialect::Sqlite => sqlite_schema(&sql),
        Dialect::Postgres => sql,
    }
}

/// Types as SQLite's STRICT tables know them, and STRICT behind each table's closing parenthesis.
fn sqlite_schema(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    // The words of the statement so far, as far as they tell that it is a CREATE TABLE.
    let mut words: Vec<String> = Vec::new();
    let mut depth = 0_u32;
    for piece in Pieces::new(sql) {
        let code = match piece {
            Piece::Verbatim(text) => {
                out.push_str(text);
                continue;
            }
            Piece::Code(code) => code,
        };
        let mut rest = code;
        while let Some(first) = rest.chars().next() {
            let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            if length > 0 {
                let word = &rest[..length];
                let upper = word.to_ascii_uppercase();
                match upper.as_str() {
                    "BIGINT" | "BOOLEAN" | "SMALLINT" => out.push_str("INTEGER"),
                    "BYTEA" => out.push_str("BLOB"),
                    "DOUBLE" => out.push_str("REAL"),
                    // The second half of DOUBLE PRECISION.
                    "PRECISION" => out.truncate(out.trim_end().len()),
                    _ => out.push_str(word),
                }
                words.push(upper);
                rest = &rest[length..];
                continue;
            }
            out.push(first);
            match first {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0
                        && words.first().is_some_and(|word| word == "CREATE")
                        && words.get(1).is_some_and(|word| word == "TABLE")
                    {
                        out.push_str(" STRICT");
                    }
                }
                ';' => words.clear(),
                _ => {}
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_translated_and_tables_made_strict_for_sqlite() {
        let check = |sql: &str, expected: &str| assert_eq!(translate(sql, Dialect::Sqlite), expected);
        check(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, a BOOLEAN NOT NULL, b BYTEA, c DOUBLE PRECISION, d TEXT);",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b BLOB, c REAL, d TEXT) STRICT;",
        );
        check(
            "create table if not exists t (a TEXT DEFAULT 'BIGINT (', b bigint, CHECK (b IN (1, 2)))",
            "create table if not exists t (a TEXT DEFAULT 'BIGINT (', b INTEGER, CHECK (b IN (1, 2))) STRICT",
        );
        check(
            "CREATE INDEX i ON t (a) WHERE state < 2; -- a BIGINT (x)\n",
            "CREATE INDEX i ON t (a) WHERE state < 2; -- a BIGINT (x)\n",
        );
        check("ALTER TABLE t ADD COLUMN bigint_of_old BIGINT;", "ALTER TABLE t ADD COLUMN bigint_of_old INTEGER;");
        check(
            "INSERT INTO t (a) VALUES (1); CREATE TABLE u (x TEXT); CREATE INDEX i ON u (x);",
            "INSERT INTO t (a) VALUES (1); CREATE TABLE u (x TEXT) STRICT; CREATE INDEX i ON u (x);",
        );
    }

    #[test]
    fn a_marked_line_runs_on_its_database_alone() {
        let sql = "A;\n-- postgres: P;\n-- sqlite: S;\nZ;\n";
        assert_eq!(translate(sql, Dialect::Sqlite), "A;\nS;\nZ;\n");
        assert_eq!(translate(sql, Dialect::Postgres), "A;\nP;\nZ;\n");
    }

    #[test]
    fn steps_are_numbered_without_gaps_and_rooms_are_unique() {
        const GAP: Migrations = Migrations { room: "a", steps: &[Migration { version: 2, name: "x", sql: "" }] };
        const GOOD: Migrations = Migrations { room: "b", steps: &[Migration { version: 1, name: "x", sql: "" }] };
        assert!(steps(&[GAP]).is_err());
        assert!(steps(&[GOOD, GOOD]).is_err());
        assert_eq!(steps(&[GOOD]).unwrap().len(), MIGRATIONS.steps.len() + 1, "the store's own come first");
    }
}
