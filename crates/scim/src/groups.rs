//! A directory's groups and who is in them. They give roles where the source says so; they are not the groups that are on call.

use std::collections::BTreeSet;

use base::{GroupId, UserId};
use serde_json::{Value, json};
use store::Tx;

use crate::error::Fault;
use crate::people::meta;
use crate::read::MEMBERS;
use crate::rows::{self, Group};
use crate::schema::{self, Resource, Sort};
use crate::scim::{Answered, Desk, Query, Scim, bounds, id, required, same_version, wanted};
use crate::show::Shown;
use crate::{Error, patch, read, settle};

/// Characters of a name at most: as long as a mapping can name.
const NAME: usize = 256;

impl Scim {
    /// Makes a group.
    pub fn create_group(&self, tx: &mut Tx<'_>, desk: &Desk, body: &Value, shown: &Shown) -> Result<Answered, Error> {
        let said = read::resource(Sort::Group, body)?;
        let (id, now): (GroupId, _) = (tx.context().id(), tx.now());
        let group = Group { id, name: String::new(), external_id: None, version: 0, created_at: now, changed_at: now };
        self.write_group(tx, desk, group, &said, shown)
    }

    /// One group.
    pub fn group(&self, tx: &mut Tx<'_>, desk: &Desk, group: &str, shown: &Shown) -> Result<Answered, Error> {
        let group = found(tx, desk, group)?;
        shown_group(tx, desk, group, shown)
    }

    /// The groups of the directory, those that fit.
    pub fn groups(&self, tx: &mut Tx<'_>, desk: &Desk, query: &Query) -> Result<Value, Error> {
        let condition = wanted(Sort::Group, query)?;
        let page = rows::groups(tx, desk.source.id, condition, bounds(query))?;
        let mut items = Vec::with_capacity(page.items.len());
        for group in page.items {
            items.push(shown_group(tx, desk, group, &query.shown)?.body);
        }
        Ok(schema::list(items, usize::try_from(page.total).unwrap_or_default(), bounds(query).0 + 1))
    }

    /// Says a group anew, with its members.
    pub fn replace_group(
        &self,
        tx: &mut Tx<'_>,
        desk: &Desk,
        (group, version): (&str, Option<i64>),
        body: &Value,
        shown: &Shown,
    ) -> Result<Answered, Error> {
        let group = found(tx, desk, group)?;
        same_version(version, group.version)?;
        let said = read::resource(Sort::Group, body)?;
        self.write_group(tx, desk, group, &said, shown)
    }

    /// Changes a part of a group: mostly, who is in it.
    pub fn patch_group(
        &self,
        tx: &mut Tx<'_>,
        desk: &Desk,
        (group, version): (&str, Option<i64>),
        body: &Value,
        shown: &Shown,
    ) -> Result<Answered, Error> {
        let group = found(tx, desk, group)?;
        same_version(version, group.version)?;
        let mut before = Resource::new();
        before.insert("displayName".to_owned(), group.name.clone().into());
        if let Some(external) = &group.external_id {
            before.insert("externalId".to_owned(), external.clone().into());
        }
        let members: Vec<Value> =
            rows::members(tx, group.id)?.into_iter().map(|user| json!({"value": user.to_string()})).collect();
        if !members.is_empty() {
            before.insert("members".to_owned(), members.into());
        }
        let said = patch::apply(Sort::Group, before, body)?;
        self.write_group(tx, desk, group, &said, shown)
    }

    /// Deletes a group; what it gave goes with it.
    pub fn delete_group(
        &self,
        tx: &mut Tx<'_>,
        desk: &Desk,
        (group, version): (&str, Option<i64>),
    ) -> Result<(), Error> {
        let group = found(tx, desk, group)?;
        same_version(version, group.version)?;
        let members = rows::members(tx, group.id)?;
        rows::remove_group(tx, group.id)?;
        note(tx, desk, "directory_group.delete", group.id, json!({ "members": members.len() }))?;
        let mappings = settle::of(tx, desk.source.id)?;
        for user in members {
            self.settle(tx, desk, &mappings, user)?;
        }
        Ok(())
    }

    fn write_group(
        &self,
        tx: &mut Tx<'_>,
        desk: &Desk,
        mut group: Group,
        said: &Resource,
        shown: &Shown,
    ) -> Result<Answered, Error> {
        let name = required(said, "displayName")?.to_owned();
        if name.chars().count() > NAME {
            return Err(Error::value(format!("displayName has at most {NAME} characters.")));
        }
        let known = (group.version > 0).then_some(group.id);
        if rows::group_taken(tx, desk.source.id, &name, known)? {
            return Err(Error::refused(
                Fault::Uniqueness,
                "This directory has another group of this displayName, and roles are given by it. Choose another name.",
            ));
        }
        let external = said.get("externalId").and_then(Value::as_str).map(str::to_owned);
        let wanted = members(said)?;
        let before: BTreeSet<UserId> = rows::members(tx, group.id)?.into_iter().collect();
        let (joined, left): (Vec<UserId>, Vec<UserId>) =
            (wanted.difference(&before).copied().collect(), before.difference(&wanted).copied().collect());
        for user in &joined {
            if !rows::keeps(tx, desk.source.id, *user)? {
                return Err(Error::value(format!("{user} is nobody of this directory. Provision the person first.")));
            }
        }
        let renamed = group.name != name;
        if known.is_some() && !renamed && external == group.external_id && joined.is_empty() && left.is_empty() {
            return shown_group(tx, desk, group, shown);
        }
        let old = std::mem::replace(&mut group.name, name);
        group.external_id = external;
        group.version += 1;
        group.changed_at = tx.now();
        rows::put_group(tx, desk.source.id, &group)?;
        for user in &joined {
            rows::join(tx, group.id, *user)?;
        }
        for user in &left {
            rows::leave(tx, group.id, *user)?;
        }
        let action = if known.is_none() { "directory_group.create" } else { "directory_group.change" };
        let ids = |all: &[UserId]| all.iter().take(100).map(ToString::to_string).collect::<Vec<_>>();
        let mut changes = json!({
            "joined": ids(&joined), "left": ids(&left), "joined_count": joined.len(), "left_count": left.len(),
        });
        if renamed {
            changes["name"] = json!({ "from": old, "to": group.name });
        }
        note(tx, desk, action, group.id, changes)?;
        let mappings = settle::of(tx, desk.source.id)?;
        if !mappings.is_empty() {
            let touched: BTreeSet<UserId> = if renamed {
                wanted.iter().chain(&before).copied().collect()
            } else {
                joined.into_iter().chain(left).collect()
            };
            for user in touched {
                self.settle(tx, desk, &mappings, user)?;
            }
        }
        shown_group(tx, desk, group, shown)
    }
}

fn found(tx: &mut Tx<'_>, desk: &Desk, group: &str) -> Result<Group, Error> {
    rows::group_of(tx, desk.source.id, id(group)?)?.ok_or(Error::NotFound)
}

/// Who is said to be in a group.
fn members(said: &Resource) -> Result<BTreeSet<UserId>, Error> {
    let all = said.get("members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if all.len() > MEMBERS {
        return Err(Error::refused(Fault::TooMany, format!("A group has at most {MEMBERS} members.")));
    }
    let one = |one: &Value| {
        let id = one.get("value").and_then(Value::as_str).unwrap_or_default();
        id.parse().map_err(|_| {
            Error::value("A member's value is the id of a person that was provisioned. Groups in groups are not kept.")
        })
    };
    all.iter().map(one).collect()
}

fn shown_group(tx: &mut Tx<'_>, desk: &Desk, group: Group, shown: &Shown) -> Result<Answered, Error> {
    let id = group.id.to_string();
    let location = format!("{}/Groups/{id}", desk.base);
    let mut out = Resource::new();
    out.insert("schemas".into(), json!([schema::GROUP]));
    out.insert("id".into(), id.clone().into());
    if let Some(external) = group.external_id {
        out.insert("externalId".into(), external.into());
    }
    out.insert("displayName".into(), group.name.into());
    if !shown.leaves_out("members") {
        let members = rows::members(tx, group.id)?;
        if !members.is_empty() {
            let one = |user: UserId| json!({"value": user.to_string(), "$ref": format!("{}/Users/{user}", desk.base)});
            out.insert("members".into(), members.into_iter().map(one).collect());
        }
    }
    out.insert("meta".into(), meta(Sort::Group, &location, group.created_at, group.changed_at, group.version));
    Ok(Answered { id, version: group.version, body: shown.cut(Sort::Group, out) })
}

fn note(tx: &mut Tx<'_>, desk: &Desk, action: &'static str, group: GroupId, mut changes: Value) -> Result<(), Error> {
    changes["source"] = desk.source.name.clone().into();
    audit::record(
        tx,
        audit::Entry {
            actor: desk.actor(),
            workspace: None,
            action,
            target: ("directory_group", &group.to_string()),
            outcome: audit::Outcome::Success,
            reason: None,
            changes: Some(changes),
        },
    )?;
    Ok(())
}
