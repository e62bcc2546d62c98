//! The handle: what the doors call.

use std::sync::Arc;

use access::{Actor, OrganisationPermit, cap};
use base::{ResourceId, UserId};
use federation::Mapping;
use identity::Identity;
use resources::Resources;
use serde_json::Value;
use store::{Db, Tx};
use vault::Vault;

use crate::error::Fault;
use crate::filter::condition;
use crate::rows::{self, Source};
use crate::schema::{PAGE, Sort};
use crate::settle;
use crate::show::Shown;
use crate::{Error, filter};

/// People and groups that directories elsewhere keep here. Cheap to clone.
#[derive(Clone)]
pub struct Scim(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) resources: Resources,
    pub(crate) identity: Identity,
}

impl std::fmt::Debug for Scim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scim(…)")
    }
}

/// A program of a directory at its door: what it may do ends at the people and groups of its source.
#[derive(Clone, Debug)]
pub struct Desk {
    pub(crate) permit: OrganisationPermit<cap::PeopleProvision>,
    pub(crate) source: Source,
    /// The address of the door, without a slash at its end.
    pub(crate) base: String,
}

impl Desk {
    /// The source.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The address of the door.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn actor(&self) -> &Actor {
        self.permit.actor()
    }
}

/// The address of a source's door: what is typed into the directory.
pub fn base_address(public_url: &str, source: &str) -> String {
    format!("{}/scim/v2/{source}", public_url.trim_end_matches('/'))
}

/// What a list is asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The filter; all when empty.
    pub filter: String,
    /// The first one, counted from 1.
    pub start: i64,
    /// How many at most; a page when absent.
    pub count: Option<i64>,
    /// What is shown.
    pub shown: Shown,
}

/// A resource as an answer shows it.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its id.
    pub id: String,
    /// Its version, for `ETag`.
    pub version: i64,
    /// Itself.
    pub body: Value,
}

impl Scim {
    /// Provisioning over `db`. People are written through `resources`, whose registry must have the kind `users` and this
    /// room's.
    pub fn new(db: Db, vault: Vault, resources: Resources, identity: Identity) -> Self {
        Self(Arc::new(Inner { db, vault, resources, identity }))
    }

    /// The store, for doors.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Waits until nobody else changes people or configuration. Every change says it first, before it reads anything: what a
    /// change is worked out from is then what is there when it is written.
    pub fn hold(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        Ok(self.0.resources.lock(tx)?)
    }

    /// Lets a program to the door of a source. A person never comes in here, whatever they hold.
    ///
    /// # Errors
    /// [`Error::PeopleNever`]; [`Error::NoSource`] for one that is not there and for a program that does not speak for it;
    /// [`Error::SwitchedOff`].
    pub fn desk(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleProvision>,
        source: &str,
        public_url: &str,
    ) -> Result<Desk, Error> {
        let principal = &permit.actor().principal;
        if !principal.is_program() {
            return Err(Error::PeopleNever);
        }
        let source = rows::source_by_name(tx, source)?.ok_or(Error::NoSource)?;
        if !source.programs.is_empty() && !speaks_for(tx, &source, principal)? {
            return Err(Error::NoSource);
        }
        if !source.enabled {
            return Err(Error::SwitchedOff);
        }
        let base = base_address(public_url, &source.name);
        Ok(Desk { permit: permit.clone(), source, base })
    }

    pub(crate) fn settle(&self, tx: &mut Tx<'_>, desk: &Desk, mappings: &[Mapping], user: UserId) -> Result<(), Error> {
        let source = (desk.source.id, desk.source.label.as_str());
        settle::person(tx, &self.0.identity, desk.actor(), source, mappings, user)
    }

    /// Removes what is left of people who are gone, and old requests. Called now and then.
    pub async fn sweep(&self) -> Result<u64, Error> {
        self.0.db.write(|tx| Ok(rows::forget_removed(tx)? + crate::requests::sweep(tx)?)).await
    }
}

/// Whether a program is one that the source names. The same name in another workspace is another program.
fn speaks_for(tx: &mut Tx<'_>, source: &Source, program: &access::Principal) -> Result<bool, Error> {
    let Some(place) = identity::workspace_of(tx, program)? else { return Ok(false) };
    let Some(place) = access::workspace(tx, place)? else { return Ok(false) };
    let name = format!("{}/{}", place.slug, program.name());
    Ok(source.programs.contains(&name))
}

/// Where a list begins and how long it is (RFC 7644 section 3.4.2.4): what is out of bounds is brought in.
pub(crate) fn bounds(query: &Query) -> (usize, usize) {
    let skip = usize::try_from(query.start.max(1) - 1).unwrap_or_default();
    let most = query.count.map_or(PAGE, |count| usize::try_from(count.max(0)).unwrap_or(PAGE).min(PAGE));
    (skip, most)
}

/// The condition of a list.
pub(crate) fn wanted(sort: Sort, query: &Query) -> Result<Option<filter::Condition>, Error> {
    match query.filter.trim() {
        "" => Ok(None),
        text => condition(sort, text, rows::FIRST).map(Some),
    }
}

/// Whether the version that a change was made on is the one that is there.
pub(crate) fn same_version(wanted: Option<i64>, version: i64) -> Result<(), Error> {
    if wanted.is_some_and(|wanted| wanted != version) { Err(Error::OtherVersion) } else { Ok(()) }
}

/// An id of a path: what is none names nothing.
pub(crate) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::NotFound)
}

/// A text of an attribute that has to be there.
pub(crate) fn required<'a>(said: &'a crate::schema::Resource, name: &str) -> Result<&'a str, Error> {
    said.get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| Error::refused(Fault::InvalidValue, format!("{name} is required.")))
}

/// A resource's id as that of the kind of people.
pub(crate) fn entry(user: UserId) -> ResourceId {
    ResourceId::from(user.uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_brought_into_bounds() {
        let of = |start, count| bounds(&Query { start, count, ..Query::default() });
        assert_eq!(of(0, None), (0, PAGE));
        assert_eq!(of(-5, Some(-1)), (0, 0));
        assert_eq!(of(11, Some(10_000)), (10, PAGE));
        assert_eq!(of(1, Some(0)), (0, 0));
        assert_eq!(base_address("https://a.example/", "entra"), "https://a.example/scim/v2/entra");
    }
}
