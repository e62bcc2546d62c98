//! The organisation and its workspaces: types, rules and their SQL. The rows are projections of resources;
//! the functions that write them are for the room that owns configuration and ask for no permit.

use std::fmt;
use std::str::FromStr;

use base::{Context, OrganisationId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use store::{Row, Tx, params};

use crate::Error;

/// What a workspace is for; what it may reach follows from it (E-12).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// For building: reaches simulated carriers only.
    Development,
    /// For checking what was built.
    Qa,
    /// For real.
    Production,
}

impl Environment {
    /// Every environment.
    pub const ALL: [Self; 3] = [Self::Development, Self::Qa, Self::Production];

    /// The name in YAML, pages and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Qa => "qa",
            Self::Production => "production",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such environment: development, qa or production is expected")]
pub struct UnknownEnvironment;

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, UnknownEnvironment> {
        Self::ALL.into_iter().find(|environment| environment.name() == text).ok_or(UnknownEnvironment)
    }
}

/// The short name of a workspace in paths, and the `subAccountId` of the 8x8-compatible API: 3 to 50 of
/// `A-Z a-z 0-9 - . _ &`. Kept as given, unique without regard to case.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

/// A text that is no slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a workspace's slug is 3 to 50 letters, digits and - . _ &")]
pub struct SlugError;

impl Slug {
    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness and look-ups go by.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for Slug {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, SlugError> {
        let fits = (3..=50).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._&".contains(&byte));
        if fits { Ok(Self(text.to_owned())) } else { Err(SlugError) }
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The organisation that runs this installation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organisation {
    /// Its id; the `accountId` of the 8x8-compatible API.
    pub id: OrganisationId,
    /// Its name.
    pub name: String,
}

/// A workspace, the unit of separation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its short name.
    pub slug: Slug,
    /// What it is for.
    pub environment: Environment,
    /// Its name for people.
    pub name: String,
    /// The IANA time zone its pages and shifts are shown in.
    pub time_zone: String,
    /// Whether changes to it need a change reference.
    pub controlled: bool,
}

/// The organisation, if it was founded.
pub fn organisation(tx: &mut Tx<'_>) -> Result<Option<Organisation>, Error> {
    Ok(tx.query_opt("SELECT id, name FROM organisation WHERE only_row = 1", &[], |row| {
        Ok(Organisation { id: row.get("id")?, name: row.get("name")? })
    })?)
}

/// The organisation; founds it as `name` when there is none yet.
pub fn ensure_organisation(tx: &mut Tx<'_>, ctx: &Context, name: &str) -> Result<Organisation, Error> {
    let id: OrganisationId = ctx.id();
    tx.execute(
        "INSERT INTO organisation (only_row, id, name, created_at) VALUES (1, $1, $2, $3) ON CONFLICT DO NOTHING",
        &params![id, name, ctx.now()],
    )?;
    Ok(tx.query_one("SELECT id, name FROM organisation WHERE only_row = 1", &[], |row| {
        Ok(Organisation { id: row.get("id")?, name: row.get("name")? })
    })?)
}

/// Renames the organisation.
pub fn rename_organisation(tx: &mut Tx<'_>, name: &str) -> Result<(), Error> {
    tx.execute("UPDATE organisation SET name = $1 WHERE only_row = 1", &params![name])?;
    Ok(())
}

/// Creates the workspace or changes it to this; an archived one of this id is in use again. Refuses a slug
/// that another workspace has or had.
pub fn put_workspace(tx: &mut Tx<'_>, workspace: &Workspace, now: Timestamp) -> Result<(), Error> {
    let holder =
        tx.query_opt("SELECT id FROM workspaces WHERE slug_folded = $1", &params![workspace.slug.folded()], |row| {
            row.get::<WorkspaceId>("id")
        })?;
    if holder.is_some_and(|id| id != workspace.id) {
        return Err(Error::SlugTaken(workspace.slug.clone()));
    }
    tx.execute(
        "INSERT INTO workspaces (id, slug, slug_folded, environment, name, time_zone, controlled, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, slug_folded = excluded.slug_folded,
             environment = excluded.environment, name = excluded.name, time_zone = excluded.time_zone,
             controlled = excluded.controlled, archived_at = NULL",
        &params![
            workspace.id,
            workspace.slug.as_str(),
            workspace.slug.folded(),
            workspace.environment.name(),
            workspace.name.as_str(),
            workspace.time_zone.as_str(),
            workspace.controlled,
            now
        ],
    )?;
    Ok(())
}

/// Takes a workspace out of use; whether it was in use. Its rows and its slug stay.
pub fn archive_workspace(tx: &mut Tx<'_>, id: WorkspaceId, now: Timestamp) -> Result<bool, Error> {
    let changed =
        tx.execute("UPDATE workspaces SET archived_at = $1 WHERE id = $2 AND archived_at IS NULL", &params![now, id])?;
    Ok(changed > 0)
}

const COLUMNS: &str = "id, slug, environment, name, time_zone, controlled";

/// The workspace of this id, unless it is archived.
pub fn workspace(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<Option<Workspace>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM workspaces WHERE id = $1 AND archived_at IS NULL");
    read(tx.query_opt(&sql, &params![id], |row| Ok(from_row(row)))?)
}

/// The workspace of this slug in whichever case, unless it is archived. A text that is no slug is nobody's.
pub fn workspace_by_slug(tx: &mut Tx<'_>, slug: &str) -> Result<Option<Workspace>, Error> {
    let Ok(slug) = slug.parse::<Slug>() else { return Ok(None) };
    let sql = format!("SELECT {COLUMNS} FROM workspaces WHERE slug_folded = $1 AND archived_at IS NULL");
    read(tx.query_opt(&sql, &params![slug.folded()], |row| Ok(from_row(row)))?)
}

/// Every workspace in use, by slug.
pub fn workspaces(tx: &mut Tx<'_>) -> Result<Vec<Workspace>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM workspaces WHERE archived_at IS NULL ORDER BY slug_folded");
    tx.query(&sql, &[], |row| Ok(from_row(row)))?.into_iter().collect()
}

fn read(row: Option<Result<Workspace, Error>>) -> Result<Option<Workspace>, Error> {
    row.transpose()
}

fn from_row(row: &Row<'_>) -> Result<Workspace, Error> {
    let text = |column: &str| row.get::<String>(column);
    Ok(Workspace {
        id: row.get("id")?,
        slug: text("slug")?.parse().map_err(|_| Error::Unreadable("workspaces.slug"))?,
        environment: text("environment")?.parse().map_err(|_| Error::Unreadable("workspaces.environment"))?,
        name: text("name")?,
        time_zone: text("time_zone")?,
        controlled: row.get("controlled")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_what_the_compatible_api_calls_a_subaccount() {
        for (text, fits) in [
            ("demo", true),
            ("Acme_QA.1&2-x", true),
            ("abc", true),
            ("ab", false),
            (&"x".repeat(50), true),
            (&"x".repeat(51), false),
            ("with space", false),
            ("slash/slash", false),
            ("käse", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<Slug>().is_ok(), fits, "{text}");
        }
        assert_eq!("Acme".parse::<Slug>().map(|slug| slug.folded()), Ok("acme".to_owned()));
    }

    #[test]
    fn environment_names_read_back() {
        for environment in Environment::ALL {
            assert_eq!(environment.name().parse(), Ok(environment));
        }
        assert_eq!("prod".parse::<Environment>(), Err(UnknownEnvironment));
    }
}
