//! Which groups of a provider give which roles. What a person holds by them is worked out anew whenever the provider speaks of
//! the person and whenever the mapping changes; what was configured by hand is left alone.
//!
//! A person may have several identities, at one provider and at several: [`settle`] gives them what all of these together give,
//! and it is the one way by which roles come from groups.

use std::collections::BTreeMap;

use access::{Actor, Held, RoleRef, Scope};
use base::{ResourceId, UserId, WorkspaceId};
use store::{Tx, params};

use crate::group_roles::Mapping;
use crate::{Error, links, rows};

fn place(scope: Scope) -> String {
    match scope {
        Scope::Organisation => String::new(),
        Scope::Workspace(id) => id.to_string(),
    }
}

/// Says which groups give which roles from now on.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    provider: ResourceId,
    all: &[(&str, RoleRef, Scope)],
) -> Result<(), resources::Error> {
    tx.execute("DELETE FROM group_mappings WHERE provider = $1", &params![provider])?;
    for (group, role, scope) in all {
        tx.execute(
            "INSERT INTO group_mappings (provider, name, role, scope) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            &params![provider, *group, role.to_string(), place(*scope)],
        )?;
    }
    Ok(())
}

/// The mappings of a provider.
pub(crate) fn of(tx: &mut Tx<'_>, provider: ResourceId) -> Result<Vec<Mapping>, store::Error> {
    let rows = tx.query(
        "SELECT name, role, scope FROM group_mappings WHERE provider = $1 ORDER BY name, role, scope",
        &params![provider],
        |row| Ok((row.get::<String>("name")?, row.get::<String>("role")?, row.get::<String>("scope")?)),
    )?;
    Ok(rows
        .into_iter()
        .filter_map(|(group, role, scope)| {
            let scope = match scope.as_str() {
                "" => Scope::Organisation,
                id => Scope::Workspace(id.parse::<WorkspaceId>().ok()?),
            };
            Some(Mapping { group, role: access::role_ref(&role)?, scope })
        })
        .collect())
}

/// What these groups give. Groups are compared exactly: what the provider tells apart is apart here.
pub(crate) fn roles(mappings: &[Mapping], groups: &[String]) -> Vec<(RoleRef, Scope)> {
    let mut roles: Vec<(RoleRef, Scope)> =
        mappings.iter().filter(|one| groups.contains(&one.group)).map(|one| (one.role, one.scope)).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// Gives a person exactly the roles that all their identities give, each by the groups that its provider named last, besides
/// those that were configured. When that changes what they hold, it is audited with `why`, and everything that they have open
/// ends. Whether it did; the caller's node then forgets what it knows of their sessions.
pub(crate) fn settle(tx: &mut Tx<'_>, actor: &Actor, user: UserId, why: &str) -> Result<bool, identity::Error> {
    // Whoever is switched off holds nothing, and gets it back by signing on.
    let counts = identity::is_enabled(tx, user)?;
    let before = access::roles_of(tx, user)?;
    let mut given: BTreeMap<ResourceId, Vec<(RoleRef, Scope)>> = BTreeMap::new();
    // Providers whose groups gave something so far: what nobody gives any more goes.
    for (source, ..) in access::roles_by_source(tx, user)? {
        if let Ok(provider) = source.parse::<ResourceId>()
            && rows::by_id(tx, provider)?.is_some()
        {
            given.entry(provider).or_default();
        }
    }
    for (provider, enabled, groups) in links::groups_of(tx, user)? {
        let held = given.entry(provider).or_default();
        if enabled && counts {
            held.extend(roles(&of(tx, provider)?, &groups));
        }
    }
    let (now, mut changed) = (tx.now(), false);
    for (provider, roles) in given {
        changed |= access::set_roles_from(tx, user, &provider.to_string(), &roles, now)?;
    }
    if !changed {
        return Ok(false);
    }
    // Other rights, other session: those of before end.
    identity::end_everything_of(tx, user)?;
    let held = access::roles_of(tx, user)?;
    let list = |roles: &[Held]| roles.iter().map(words).collect::<Vec<_>>();
    audit::record(
        tx,
        audit::Entry {
            actor,
            workspace: None,
            action: "user.roles_mapped",
            target: ("user", &user.to_string()),
            outcome: audit::Outcome::Success,
            reason: Some(why),
            changes: Some(serde_json::json!({ "from": list(&before), "to": list(&held) })),
        },
    )?;
    Ok(true)
}

fn words(held: &Held) -> String {
    match held.scope {
        Scope::Organisation => held.role.name().to_owned(),
        Scope::Workspace(id) => format!("{} in {id}", held.role.name()),
    }
}

/// Works out anew what everybody holds who is known by this provider.
pub(crate) fn settle_all(tx: &mut Tx<'_>, provider: ResourceId, why: &str) -> Result<(), Error> {
    for user in links::people(tx, provider)? {
        settle(tx, &Actor::engine("federation"), user, why)?;
    }
    Ok(())
}

/// A provider is no more who it was: nobody is known by it, and nothing is held by it.
pub(crate) fn forget(tx: &mut Tx<'_>, provider: ResourceId, why: &str) -> Result<(), Error> {
    let people = links::people(tx, provider)?;
    tx.execute("DELETE FROM linked_identities WHERE provider = $1", &params![provider])?;
    for user in people {
        settle(tx, &Actor::engine("federation"), user, why)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use access::Role;

    use super::*;

    #[test]
    fn groups_give_roles_exactly_and_once() {
        let here = Scope::Workspace(WorkspaceId::from(store_uuid(1)));
        let mapping = |group: &str, role: Role, scope| Mapping { group: group.to_owned(), role: role.into(), scope };
        let all = [
            mapping("ops", Role::Operator, here),
            mapping("Ops", Role::Administrator, Scope::Organisation),
            mapping("night", Role::Operator, here),
            mapping("auditors", Role::Auditor, Scope::Organisation),
        ];
        let groups = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(roles(&all, &groups(&["ops", "night"])), [(Role::Operator.into(), here)]);
        assert_eq!(roles(&all, &groups(&["auditors"])), [(Role::Auditor.into(), Scope::Organisation)]);
        assert!(roles(&all, &groups(&["OPS", "op", "ops "])).is_empty());
        assert!(roles(&all, &[]).is_empty());
    }

    fn store_uuid(last: u8) -> uuid::Uuid {
        uuid::Uuid::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
    }
}
