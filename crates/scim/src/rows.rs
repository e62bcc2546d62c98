//! The tables of this room: sources, the people and groups they keep, and what they asked lately.

use base::{GroupId, ResourceId, Timestamp, UserId};
use serde_json::Value;
use store::{Row, Tx, Value as Param, params};
use vault::{Aad, Purpose, SealedColumn, Vault};

use crate::filter::Condition;
use crate::kind::SourceBody;
use crate::schema::Resource;
use crate::{Error, schema};

const ATTRIBUTES: SealedColumn = SealedColumn {
    table: "provisioned_people",
    column: "attributes",
    id: "user_id",
    workspace: None,
    purpose: Purpose::People,
};

/// Where sealed values lie, for a rotation of keys.
pub(crate) const SEALED: &[SealedColumn] = &[ATTRIBUTES];

/// A directory that keeps people here.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its id; also that of the resource.
    pub id: ResourceId,
    /// How addresses name it.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// Whether its requests are answered.
    pub enabled: bool,
    /// The identity provider with which its people sign in.
    pub provider: Option<ResourceId>,
    /// Which attribute is a person's subject there: `external_id` or `user_name`.
    pub subject: String,
    /// Whether a new person is sent an invitation.
    pub invite: bool,
    /// Who speaks for it, as `workspace/name`; anybody with the right when empty.
    pub programs: Vec<String>,
    /// When it last asked something, to the minute.
    pub last_request: Option<Timestamp>,
}

const SOURCE: &str = "SELECT id, name, label, enabled, provider, subject, invite, programs, last_request_at FROM \
     provisioning_sources";

fn source(row: &Row<'_>) -> Result<Source, store::Error> {
    let (name, label): (String, String) = (row.get("name")?, row.get("label")?);
    Ok(Source {
        id: row.get("id")?,
        label: if label.is_empty() { name.clone() } else { label },
        name,
        enabled: row.get("enabled")?,
        provider: row.get::<String>("provider")?.parse().ok(),
        subject: row.get("subject")?,
        invite: row.get("invite")?,
        programs: row.get::<String>("programs")?.lines().map(str::to_owned).collect(),
        last_request: row.get("last_request_at")?,
    })
}

/// All sources, by name.
pub(crate) fn sources(tx: &mut Tx<'_>) -> Result<Vec<Source>, store::Error> {
    tx.query(&format!("{SOURCE} ORDER BY name"), &[], source)
}

/// The source of a name.
pub(crate) fn source_by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Source>, store::Error> {
    tx.query_opt(&format!("{SOURCE} WHERE name = $1"), &params![name], source)
}

/// The source of an id.
pub(crate) fn source_by_id(tx: &mut Tx<'_>, id: ResourceId) -> Result<Option<Source>, store::Error> {
    tx.query_opt(&format!("{SOURCE} WHERE id = $1"), &params![id], source)
}

/// Writes a source as it was configured.
pub(crate) fn put_source(
    tx: &mut Tx<'_>,
    id: ResourceId,
    new: &SourceBody,
    provider: Option<ResourceId>,
    now: Timestamp,
) -> Result<(), store::Error> {
    tx.execute(
        "INSERT INTO provisioning_sources (id, name, label, enabled, provider, subject, invite, programs, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, label = excluded.label, enabled = excluded.enabled, \
         provider = excluded.provider, subject = excluded.subject, invite = excluded.invite, programs = excluded.programs",
        &params![
            id,
            new.name.as_str(),
            new.label.as_str(),
            new.enabled,
            provider.map(|id| id.to_string()).unwrap_or_default(),
            new.subject.as_str(),
            new.invite,
            new.programs.join("\n"),
            now
        ],
    )?;
    Ok(())
}

/// Removes a source with all that it kept; its people stay.
pub(crate) fn remove_source(tx: &mut Tx<'_>, id: ResourceId) -> Result<(), store::Error> {
    for sql in [
        "DELETE FROM provisioned_terms WHERE user_id IN (SELECT user_id FROM provisioned_people WHERE source = $1)",
        "DELETE FROM directory_members WHERE group_id IN (SELECT id FROM directory_groups WHERE source = $1)",
        "DELETE FROM directory_groups WHERE source = $1",
        "DELETE FROM provisioned_people WHERE source = $1",
        "DELETE FROM provisioning_roles WHERE source = $1",
        "DELETE FROM provisioning_requests WHERE source = $1",
        "DELETE FROM provisioning_sources WHERE id = $1",
    ] {
        tx.execute(sql, &params![id])?;
    }
    Ok(())
}

/// A person as their directory keeps them.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub user: UserId,
    pub user_name: String,
    pub subject: Option<String>,
    /// Whether the account is in use.
    pub active: bool,
    /// What the directory says, with the log-in name.
    pub said: Resource,
    pub version: i64,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

const PERSON: &str = "SELECT p.user_id, p.user_name, p.subject, p.attributes, p.version, p.created_at, p.changed_at, \
     u.disabled_at IS NULL AS active FROM provisioned_people p JOIN users u ON u.id = p.user_id \
     WHERE u.removed_at IS NULL AND p.source = $1";

struct Sealed {
    person: Person,
    attributes: String,
}

fn person(row: &Row<'_>) -> Result<Sealed, store::Error> {
    Ok(Sealed {
        attributes: row.get("attributes")?,
        person: Person {
            user: row.get("user_id")?,
            user_name: row.get("user_name")?,
            subject: row.get("subject")?,
            active: row.get("active")?,
            said: Resource::new(),
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            changed_at: row.get("changed_at")?,
        },
    })
}

fn open(tx: &mut Tx<'_>, vault: &Vault, sealed: Sealed) -> Result<Person, Error> {
    let Sealed { mut person, attributes } = sealed;
    let aad = Aad { table: ATTRIBUTES.table, column: ATTRIBUTES.column, row: &person.user.to_string() };
    let plain = vault.open(tx, None, &aad, &attributes)?;
    person.said = serde_json::from_slice(&plain).unwrap_or_default();
    Ok(person)
}

/// One person of a source.
pub(crate) fn person_of(
    tx: &mut Tx<'_>,
    vault: &Vault,
    source: ResourceId,
    user: UserId,
) -> Result<Option<Person>, Error> {
    let found = tx.query_opt(&format!("{PERSON} AND p.user_id = $2"), &params![source, user], person)?;
    found.map(|found| open(tx, vault, found)).transpose()
}

/// A page of a list: those that fit, how many there are in all.
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    pub total: i64,
}

/// The number that the first parameter of a filter has.
pub(crate) const FIRST: usize = 2;

fn bound(source: ResourceId, condition: Option<Condition>) -> (String, Vec<Param<'static>>) {
    let mut all: Vec<Param<'static>> = vec![Param::from(source.to_string())];
    let text = match condition {
        Some(condition) => {
            all.extend(condition.params);
            format!(" AND ({})", condition.sql)
        }
        None => String::new(),
    };
    (text, all)
}

/// People of a source, oldest first.
pub(crate) fn people(
    tx: &mut Tx<'_>,
    vault: &Vault,
    source: ResourceId,
    condition: Option<Condition>,
    (skip, most): (usize, usize),
) -> Result<Page<Person>, Error> {
    let (text, all) = bound(source, condition);
    let total = tx.query_one(
        &format!(
            "SELECT COUNT(*) AS total FROM provisioned_people p JOIN users u ON u.id = p.user_id \
             WHERE u.removed_at IS NULL AND p.source = $1{text}"
        ),
        &all,
        |row| row.get::<i64>("total"),
    )?;
    let sql = format!("{PERSON}{text} ORDER BY p.created_at, p.user_id LIMIT {most} OFFSET {skip}");
    let found = if most == 0 { Vec::new() } else { tx.query(&sql, &all, person)? };
    let items: Result<Vec<Person>, Error> = found.into_iter().map(|one| open(tx, vault, one)).collect();
    Ok(Page { items: items?, total })
}

/// Writes down what a directory says of a person.
pub(crate) fn put_person(tx: &mut Tx<'_>, vault: &Vault, source: ResourceId, one: &Person) -> Result<(), Error> {
    let key = vault.data_key(tx, None, ATTRIBUTES.purpose, one.changed_at)?;
    let aad = Aad { table: ATTRIBUTES.table, column: ATTRIBUTES.column, row: &one.user.to_string() };
    let sealed = key.seal(tx.context().chance(), &aad, Value::Object(one.said.clone()).to_string().as_bytes());
    tx.execute(
        "INSERT INTO provisioned_people (user_id, source, user_name, user_name_folded, external_id, subject, attributes, version, \
         created_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (user_id) DO UPDATE SET source = excluded.source, user_name = excluded.user_name, \
         user_name_folded = excluded.user_name_folded, external_id = excluded.external_id, subject = excluded.subject, \
         attributes = excluded.attributes, version = excluded.version, changed_at = excluded.changed_at",
        &params![
            one.user,
            source,
            one.user_name.as_str(),
            identity::fold_login(&one.user_name),
            one.said.get("externalId").and_then(Value::as_str),
            one.subject.as_deref(),
            sealed,
            one.version,
            one.created_at,
            one.changed_at
        ],
    )?;
    tx.execute("DELETE FROM provisioned_terms WHERE user_id = $1", &params![one.user])?;
    for (attribute, item, value) in terms(&one.said) {
        tx.execute(
            "INSERT INTO provisioned_terms (user_id, attribute, item, value) VALUES ($1, $2, $3, $4)",
            &params![one.user, attribute, item, identity::fold_login(&value)],
        )?;
    }
    Ok(())
}

/// What can be looked for besides columns of their own.
fn terms(said: &Resource) -> Vec<(String, i64, String)> {
    let mut out = Vec::new();
    let mut note = |attribute: &str, item: i64, value: Option<&Value>| match value {
        Some(Value::String(text)) => out.push((attribute.to_owned(), item, text.clone())),
        Some(Value::Bool(flag)) => out.push((attribute.to_owned(), item, flag.to_string())),
        _ => {}
    };
    note("displayname", 0, said.get("displayName"));
    for (part, attribute) in
        [("formatted", "name.formatted"), ("familyName", "name.familyname"), ("givenName", "name.givenname")]
    {
        note(attribute, 0, said.get("name").and_then(|name| name.get(part)));
    }
    for (item, email) in (0_i64..).zip(said.get("emails").and_then(Value::as_array).into_iter().flatten()) {
        for part in ["value", "type", "primary"] {
            note(&format!("emails.{part}"), item, email.get(part));
        }
    }
    let company = said.get(schema::ENTERPRISE);
    note("employeenumber", 0, company.and_then(|company| company.get("employeeNumber")));
    note("manager.value", 0, company.and_then(|company| company.get("manager")?.get("value")));
    out
}

/// Whether a directory gave somebody that log-in name who is still here.
pub(crate) fn user_name_taken(tx: &mut Tx<'_>, name: &str, besides: Option<UserId>) -> Result<bool, store::Error> {
    let found = tx.query_opt(
        "SELECT p.user_id FROM provisioned_people p WHERE p.user_name_folded = $1",
        &params![identity::fold_login(name)],
        |row| row.get::<UserId>("user_id"),
    )?;
    Ok(found.is_some_and(|found| Some(found) != besides))
}

/// A directory keeps a person no more: what it said of them goes.
pub(crate) fn forget_person(tx: &mut Tx<'_>, user: UserId) -> Result<(), store::Error> {
    for sql in [
        "DELETE FROM provisioned_terms WHERE user_id = $1",
        "DELETE FROM directory_members WHERE user_id = $1",
        "DELETE FROM provisioned_people WHERE user_id = $1",
    ] {
        tx.execute(sql, &params![user])?;
    }
    Ok(())
}

/// People who were removed here by hand: what their directory said of them goes too.
pub(crate) fn forget_removed(tx: &mut Tx<'_>) -> Result<u64, store::Error> {
    let gone = tx.query(
        "SELECT p.user_id FROM provisioned_people p JOIN users u ON u.id = p.user_id WHERE u.removed_at IS NOT NULL LIMIT 500",
        &[],
        |row| row.get::<UserId>("user_id"),
    )?;
    let count = gone.len() as u64;
    for user in gone {
        forget_person(tx, user)?;
    }
    Ok(count)
}

/// A group of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub id: GroupId,
    pub name: String,
    pub external_id: Option<String>,
    pub version: i64,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

const GROUP: &str = "SELECT g.id, g.name, g.external_id, g.version, g.created_at, g.changed_at FROM directory_groups g \
     WHERE g.source = $1";

fn group(row: &Row<'_>) -> Result<Group, store::Error> {
    Ok(Group {
        id: row.get("id")?,
        name: row.get("name")?,
        external_id: row.get("external_id")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
    })
}

/// One group of a source.
pub(crate) fn group_of(tx: &mut Tx<'_>, source: ResourceId, id: GroupId) -> Result<Option<Group>, store::Error> {
    tx.query_opt(&format!("{GROUP} AND g.id = $2"), &params![source, id], group)
}

/// Groups of a source, oldest first.
pub(crate) fn groups(
    tx: &mut Tx<'_>,
    source: ResourceId,
    condition: Option<Condition>,
    (skip, most): (usize, usize),
) -> Result<Page<Group>, store::Error> {
    let (text, all) = bound(source, condition);
    let total = tx.query_one(
        &format!("SELECT COUNT(*) AS total FROM directory_groups g WHERE g.source = $1{text}"),
        &all,
        |row| row.get::<i64>("total"),
    )?;
    let sql = format!("{GROUP}{text} ORDER BY g.created_at, g.id LIMIT {most} OFFSET {skip}");
    let items = if most == 0 { Vec::new() } else { tx.query(&sql, &all, group)? };
    Ok(Page { items, total })
}

/// Whether the source has another group of that name.
pub(crate) fn group_taken(
    tx: &mut Tx<'_>,
    source: ResourceId,
    name: &str,
    besides: Option<GroupId>,
) -> Result<bool, store::Error> {
    let found = tx.query_opt(
        "SELECT id FROM directory_groups WHERE source = $1 AND name_folded = $2",
        &params![source, identity::fold_login(name)],
        |row| row.get::<GroupId>("id"),
    )?;
    Ok(found.is_some_and(|found| Some(found) != besides))
}

/// Writes a group, without its members.
pub(crate) fn put_group(tx: &mut Tx<'_>, source: ResourceId, one: &Group) -> Result<(), store::Error> {
    tx.execute(
        "INSERT INTO directory_groups (id, source, name, name_folded, external_id, version, created_at, changed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_folded = excluded.name_folded, \
         external_id = excluded.external_id, version = excluded.version, changed_at = excluded.changed_at",
        &params![
            one.id,
            source,
            one.name.as_str(),
            identity::fold_login(&one.name),
            one.external_id.as_deref(),
            one.version,
            one.created_at,
            one.changed_at
        ],
    )?;
    Ok(())
}

/// Removes a group.
pub(crate) fn remove_group(tx: &mut Tx<'_>, id: GroupId) -> Result<(), store::Error> {
    tx.execute("DELETE FROM directory_members WHERE group_id = $1", &params![id])?;
    tx.execute("DELETE FROM directory_groups WHERE id = $1", &params![id]).map(drop)
}

/// The members of a group, in one order always.
pub(crate) fn members(tx: &mut Tx<'_>, id: GroupId) -> Result<Vec<UserId>, store::Error> {
    tx.query(
        "SELECT m.user_id FROM directory_members m JOIN users u ON u.id = m.user_id \
         WHERE m.group_id = $1 AND u.removed_at IS NULL ORDER BY m.user_id",
        &params![id],
        |row| row.get("user_id"),
    )
}

/// Puts a person into a group.
pub(crate) fn join(tx: &mut Tx<'_>, id: GroupId, user: UserId) -> Result<(), store::Error> {
    tx.execute(
        "INSERT INTO directory_members (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &params![id, user],
    )
    .map(drop)
}

/// Takes a person out of a group.
pub(crate) fn leave(tx: &mut Tx<'_>, id: GroupId, user: UserId) -> Result<(), store::Error> {
    tx.execute("DELETE FROM directory_members WHERE group_id = $1 AND user_id = $2", &params![id, user]).map(drop)
}

/// Whether a source keeps that person.
pub(crate) fn keeps(tx: &mut Tx<'_>, source: ResourceId, user: UserId) -> Result<bool, store::Error> {
    let found = tx.query_opt(
        "SELECT p.user_id FROM provisioned_people p JOIN users u ON u.id = p.user_id \
         WHERE p.source = $1 AND p.user_id = $2 AND u.removed_at IS NULL",
        &params![source, user],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}
