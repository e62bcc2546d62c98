//! What the directory's groups give a person: worked out anew whenever groups, members or the mapping change. Roles that were given
//! by hand, or by the groups of an identity provider, are other sources and stay.

use access::{Actor, RoleRef, Scope};
use base::{ResourceId, UserId, WorkspaceId};
use federation::Mapping;
use identity::Identity;
use store::{Tx, params};

use crate::Error;

/// Says which groups of a source give which roles from now on.
pub(crate) fn put(tx: &mut Tx<'_>, source: ResourceId, all: &[(&str, RoleRef, Scope)]) -> Result<(), store::Error> {
    tx.execute("DELETE FROM provisioning_roles WHERE source = $1", &params![source])?;
    for (group, role, scope) in all {
        let scope = match scope {
            Scope::Organisation => String::new(),
            Scope::Workspace(id) => id.to_string(),
        };
        tx.execute(
            "INSERT INTO provisioning_roles (source, name, role, scope) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            &params![source, *group, role.to_string(), scope],
        )?;
    }
    Ok(())
}

/// The mappings of a source.
pub(crate) fn of(tx: &mut Tx<'_>, source: ResourceId) -> Result<Vec<Mapping>, store::Error> {
    let rows = tx.query(
        "SELECT name, role, scope FROM provisioning_roles WHERE source = $1 ORDER BY name, role, scope",
        &params![source],
        |row| Ok((row.get::<String>("name")?, row.get::<String>("role")?, row.get::<String>("scope")?)),
    )?;
    let read = |(group, role, scope): (String, String, String)| {
        let scope = match scope.as_str() {
            "" => Scope::Organisation,
            id => Scope::Workspace(id.parse::<WorkspaceId>().ok()?),
        };
        Some(Mapping { group, role: access::role_ref(&role)?, scope })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// What these groups give. Groups are compared exactly, as those of identity providers are.
fn roles(mappings: &[Mapping], groups: &[String]) -> Vec<(RoleRef, Scope)> {
    mappings.iter().filter(|one| groups.contains(&one.group)).map(|one| (one.role, one.scope)).collect()
}

/// The directory's groups of a person, by name.
pub(crate) fn groups_of(
    tx: &mut Tx<'_>,
    source: ResourceId,
    user: UserId,
) -> Result<Vec<(String, String)>, store::Error> {
    tx.query(
        "SELECT g.id, g.name FROM directory_members m JOIN directory_groups g ON g.id = m.group_id \
         WHERE m.user_id = $1 AND g.source = $2 ORDER BY g.name_folded",
        &params![user, source],
        |row| Ok((row.get("id")?, row.get("name")?)),
    )
}

fn given(
    tx: &mut Tx<'_>,
    source: ResourceId,
    mappings: &[Mapping],
    user: UserId,
) -> Result<Vec<(RoleRef, Scope)>, store::Error> {
    // Nobody who is switched off holds anything, and an account for emergencies holds nothing by a directory.
    if mappings.is_empty() || !identity::is_enabled(tx, user)? || identity::is_break_glass(tx, user)? {
        return Ok(Vec::new());
    }
    let groups: Vec<String> = groups_of(tx, source, user)?.into_iter().map(|(_, name)| name).collect();
    Ok(roles(mappings, &groups))
}

/// Gives a person what they hold by the groups of a source, and writes down what that changed; whether it did.
fn give(
    tx: &mut Tx<'_>,
    actor: &Actor,
    source: ResourceId,
    mappings: &[Mapping],
    (user, why): (UserId, &str),
) -> Result<bool, Error> {
    let now = tx.now();
    let wanted = given(tx, source, mappings, user)?;
    let before = access::roles_of(tx, user)?;
    if !access::set_roles_from(tx, user, &source.to_string(), &wanted, now)? {
        return Ok(false);
    }
    let held = access::roles_of(tx, user)?;
    let list = |roles: &[access::Held]| roles.iter().map(words).collect::<Vec<_>>();
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

/// Works out anew what a person holds by the groups of a source. Other roles, other session: those of before end (7.2.4).
pub(crate) fn person(
    tx: &mut Tx<'_>,
    identity: &Identity,
    actor: &Actor,
    (source, label): (ResourceId, &str),
    mappings: &[Mapping],
    user: UserId,
) -> Result<(), Error> {
    let administrators = access::count_administrators(tx)?;
    if !give(tx, actor, source, mappings, (user, &format!("groups of {label}")))? {
        return Ok(());
    }
    if administrators > 0 && access::count_administrators(tx)? == 0 {
        return Err(Error::HandsOff(
            "With this the last administrator would be none any more. Make another one first, by hand or by a group.",
        ));
    }
    identity.end_all(tx, user)?;
    Ok(())
}

/// Works out anew what everybody of a source holds by these mappings, since the source was configured otherwise: `why` says how.
/// Whoever's roles change is signed out.
pub(crate) fn everybody(tx: &mut Tx<'_>, source: ResourceId, mappings: &[Mapping], why: &str) -> Result<(), Error> {
    let people = tx.query(
        "SELECT p.user_id FROM provisioned_people p JOIN users u ON u.id = p.user_id \
         WHERE p.source = $1 AND u.removed_at IS NULL AND u.disabled_at IS NULL",
        &params![source],
        |row| row.get::<UserId>("user_id"),
    )?;
    for user in people {
        if give(tx, &Actor::engine("scim"), source, mappings, (user, why))? {
            identity::end_everything_of(tx, user)?;
        }
    }
    Ok(())
}

fn words(held: &access::Held) -> String {
    match held.scope {
        Scope::Organisation => held.role.name().to_owned(),
        Scope::Workspace(id) => format!("{} in {id}", held.role.name()),
    }
}

#[cfg(test)]
mod tests {
    use access::Role;

    use super::*;

    #[test]
    fn groups_give_roles_exactly() {
        let mapping =
            |group: &str, role: Role| Mapping { group: group.into(), role: role.into(), scope: Scope::Organisation };
        let all = [mapping("night", Role::Operator), mapping("Night", Role::Administrator)];
        assert_eq!(roles(&all, &["night".to_owned()]), [(Role::Operator.into(), Scope::Organisation)]);
        assert!(roles(&all, &["NIGHT".to_owned(), "night ".to_owned()]).is_empty());
    }
}
