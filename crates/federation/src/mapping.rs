//! Which groups of a provider give which roles. What a person holds by them is worked out anew whenever the provider speaks of
//! the person and whenever the mapping changes; what was configured by hand is left alone.

use access::{RoleRef, Scope};
use base::{ResourceId, Timestamp, UserId, WorkspaceId};
use store::{Tx, params};

/// A group that gives a role somewhere.
pub(crate) struct Mapping {
    pub(crate) group: String,
    pub(crate) role: RoleRef,
    pub(crate) scope: Scope,
}

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

/// Gives a person the roles of these groups of this provider; whether what they hold changed.
pub(crate) fn apply(
    tx: &mut Tx<'_>,
    provider: ResourceId,
    user: UserId,
    groups: &[String],
    now: Timestamp,
) -> Result<bool, access::Error> {
    let given = roles(&of(tx, provider)?, groups);
    access::set_roles_from(tx, user, &provider.to_string(), &given, now)
}

/// Works out anew what everybody holds by this provider, by the groups that it named last. Whoever's roles change is signed out.
pub(crate) fn apply_all(
    tx: &mut Tx<'_>,
    provider: ResourceId,
    enabled: bool,
    now: Timestamp,
) -> Result<(), resources::Error> {
    let mappings = of(tx, provider)?;
    let people = tx.query(
        "SELECT l.user_id, l.groups FROM linked_identities l JOIN users u ON u.id = l.user_id \
         WHERE l.provider = $1 AND u.removed_at IS NULL AND u.disabled_at IS NULL",
        &params![provider],
        |row| Ok((row.get::<UserId>("user_id")?, row.get::<String>("groups")?)),
    )?;
    for (user, groups) in people {
        let groups: Vec<String> = serde_json::from_str(&groups).unwrap_or_default();
        let given = if enabled { roles(&mappings, &groups) } else { Vec::new() };
        if access::set_roles_from(tx, user, &provider.to_string(), &given, now)? {
            identity::end_everything_of(tx, user)?;
        }
    }
    Ok(())
}

/// A provider is no more who it was: nobody is known by it, and nothing is held by it.
pub(crate) fn forget(tx: &mut Tx<'_>, provider: ResourceId, now: Timestamp) -> Result<(), resources::Error> {
    apply_all(tx, provider, false, now)?;
    tx.execute("DELETE FROM linked_identities WHERE provider = $1", &params![provider])?;
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
