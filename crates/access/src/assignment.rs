//! Which person has which role where, which roles the organisation made itself, and who supervises which group: the SQL of
//! `role_assignments`, `custom_roles` and `group_supervisors`.

use std::sync::Arc;

use base::{GroupId, RoleId, Timestamp, UserId, WorkspaceId};
use store::{Row, Tx, params};

use crate::held::{CustomRole, Held, HeldRole, RoleRef};
use crate::{Actor, Capabilities, Capability, Error, Grants, Role, Scope};

const EVERYWHERE: &str = "organisation";

pub(crate) fn scope_text(scope: Scope) -> String {
    match scope {
        Scope::Organisation => EVERYWHERE.to_owned(),
        Scope::Workspace(id) => id.to_string(),
    }
}

pub(crate) fn scope_of(text: &str) -> Result<Scope, Error> {
    if text == EVERYWHERE {
        return Ok(Scope::Organisation);
    }
    text.parse().map(Scope::Workspace).map_err(|_| Error::Unreadable("role_assignments.scope"))
}

/// What a stored name names. Names of before are read as what they are called now.
pub fn role_ref(text: &str) -> Option<RoleRef> {
    text.parse::<Role>().map(RoleRef::Ready).ok().or_else(|| text.parse::<RoleId>().map(RoleRef::Custom).ok())
}

/// Gives a person exactly these roles; whether anything changed, so that the caller ends their sessions.
pub fn set_roles<R: Copy + Into<RoleRef>>(
    tx: &mut Tx<'_>,
    user: UserId,
    roles: &[(R, Scope)],
    now: Timestamp,
) -> Result<bool, Error> {
    let mut wanted: Vec<(RoleRef, Scope)> = roles.iter().map(|(role, scope)| ((*role).into(), *scope)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let stored = tx.query("SELECT role, scope FROM role_assignments WHERE user_id = $1", &params![user], |row| {
        Ok((row.get::<String>("role")?, row.get::<String>("scope")?))
    })?;
    let (mut held, mut changed) = (Vec::new(), false);
    for (role, scope) in stored {
        let pair = role_ref(&role).zip(scope_of(&scope).ok()).filter(|pair| wanted.contains(pair));
        match pair {
            // The same role under two names, one of before: one row of it is enough.
            Some(pair) if !held.contains(&pair) => held.push(pair),
            pair => {
                tx.execute(
                    "DELETE FROM role_assignments WHERE user_id = $1 AND role = $2 AND scope = $3",
                    &params![user, role, scope],
                )?;
                changed |= pair.is_none();
            }
        }
    }
    for (role, scope) in wanted.iter().filter(|pair| !held.contains(pair)) {
        tx.execute(
            "INSERT INTO role_assignments (user_id, role, scope, granted_at) VALUES ($1, $2, $3, $4)",
            &params![user, role.to_string(), scope_text(*scope), now],
        )?;
        changed = true;
    }
    Ok(changed)
}

/// The roles of a person. One that this version does not know gives nothing.
pub fn roles_of(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<Held>, Error> {
    let rows = tx.query(
        "SELECT a.role, a.scope, c.id, c.name, c.capabilities, c.workspace FROM role_assignments a \
         LEFT JOIN custom_roles c ON c.id = a.role WHERE a.user_id = $1",
        &params![user],
        |row| {
            let custom = row.get::<Option<RoleId>>("id")?.map(|_| custom(row)).transpose()?;
            Ok((row.get::<String>("role")?, row.get::<String>("scope")?, custom))
        },
    )?;
    let mut roles = Vec::with_capacity(rows.len());
    for (role, scope, custom) in rows {
        let role = match (role.parse::<Role>(), custom) {
            (Ok(role), _) => HeldRole::Ready(role),
            (Err(_), Some(custom)) => HeldRole::Custom(Arc::new(custom)),
            (Err(_), None) => continue,
        };
        let mut held = Held { role, scope: scope_of(&scope)?, groups: Vec::new() };
        if !held.role.bounded().is_empty() {
            held.groups = supervised(tx, user, held.scope)?;
        }
        if !roles.contains(&held) {
            roles.push(held);
        }
    }
    roles.sort_by(Held::order);
    Ok(roles)
}

/// What a proven person may do, from their stored roles.
pub fn grants_of_user(tx: &mut Tx<'_>, user: UserId, actor: Actor) -> Result<Grants, Error> {
    Ok(Grants::of_roles(actor, &roles_of(tx, user)?))
}

/// How many people administrate the whole organisation. Zero means that a set-up link may make the first;
/// a change that would lead back to zero locks everybody out and is the caller's to refuse.
pub fn count_administrators(tx: &mut Tx<'_>) -> Result<i64, Error> {
    Ok(tx.query_one(
        "SELECT COUNT(DISTINCT user_id) AS administrators FROM role_assignments WHERE role = $1 AND scope = $2",
        &params![Role::Administrator.name(), EVERYWHERE],
        |row| row.get("administrators"),
    )?)
}

fn custom(row: &Row<'_>) -> Result<CustomRole, store::Error> {
    let names: String = row.get("capabilities")?;
    Ok(CustomRole {
        id: row.get("id")?,
        name: row.get("name")?,
        // A capability that is gone, or one that only a newer version knows, gives nothing.
        capabilities: names.split_whitespace().filter_map(|name| name.parse::<Capability>().ok()).collect(),
        workspace: row.get("workspace")?,
    })
}

/// Creates a custom role or changes it to this. Whoever holds it holds the new set from their next request on.
pub fn put_custom_role(tx: &mut Tx<'_>, role: &CustomRole, now: Timestamp) -> Result<(), Error> {
    let names: Vec<&str> = role.capabilities.iter().map(Capability::name).collect();
    tx.execute(
        "INSERT INTO custom_roles (id, name, capabilities, workspace, changed_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, capabilities = excluded.capabilities, \
         workspace = excluded.workspace, changed_at = excluded.changed_at",
        &params![role.id, role.name.as_str(), names.join(" "), role.workspace, now],
    )?;
    Ok(())
}

/// Removes a custom role; whoever held it holds nothing of it any more.
pub fn remove_custom_role(tx: &mut Tx<'_>, id: RoleId) -> Result<(), Error> {
    tx.execute("DELETE FROM role_assignments WHERE role = $1", &params![id.to_string()])?;
    tx.execute("DELETE FROM role_sources WHERE role = $1", &params![id.to_string()])?;
    tx.execute("DELETE FROM custom_roles WHERE id = $1", &params![id])?;
    Ok(())
}

/// The roles that the organisation made itself, by name.
pub fn custom_roles(tx: &mut Tx<'_>) -> Result<Vec<CustomRole>, Error> {
    Ok(tx.query("SELECT id, name, capabilities, workspace FROM custom_roles ORDER BY name", &[], custom)?)
}

/// One custom role.
pub fn custom_role(tx: &mut Tx<'_>, id: RoleId) -> Result<Option<CustomRole>, Error> {
    let sql = "SELECT id, name, capabilities, workspace FROM custom_roles WHERE id = $1";
    Ok(tx.query_opt(sql, &params![id], custom)?)
}

/// The people who hold a role somewhere, with the scopes, most recently given last.
pub fn holders_of(tx: &mut Tx<'_>, role: RoleRef) -> Result<Vec<(UserId, Scope)>, Error> {
    let rows = tx.query(
        "SELECT user_id, scope FROM role_assignments WHERE role = $1 ORDER BY granted_at, user_id",
        &params![role.to_string()],
        |row| Ok((row.get::<UserId>("user_id")?, row.get::<String>("scope")?)),
    )?;
    rows.into_iter().map(|(user, scope)| Ok((user, scope_of(&scope)?))).collect()
}

/// Says who supervises a group from now on; nobody, when it goes.
pub fn set_supervisors(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    group: GroupId,
    supervisors: &[UserId],
) -> Result<(), Error> {
    tx.execute("DELETE FROM group_supervisors WHERE group_id = $1", &params![group])?;
    for user in supervisors {
        tx.execute(
            "INSERT INTO group_supervisors (group_id, user_id, workspace) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &params![group, *user, workspace],
        )?;
    }
    Ok(())
}

/// Who supervises a group.
pub fn supervisors_of(tx: &mut Tx<'_>, group: GroupId) -> Result<Vec<UserId>, Error> {
    let sql = "SELECT user_id FROM group_supervisors WHERE group_id = $1 ORDER BY user_id";
    Ok(tx.query(sql, &params![group], |row| row.get("user_id"))?)
}

fn supervised(tx: &mut Tx<'_>, user: UserId, scope: Scope) -> Result<Vec<GroupId>, Error> {
    let here = scope_text(scope);
    Ok(tx.query(
        "SELECT group_id FROM group_supervisors WHERE user_id = $1 AND (workspace = $2 OR $2 = 'organisation') \
         ORDER BY group_id",
        &params![user, here],
        |row| row.get("group_id"),
    )?)
}

/// The capabilities of everything that somebody holds, wherever it holds.
pub fn anywhere(roles: &[Held]) -> Capabilities {
    let grants = Grants::of_roles(Actor::anonymous(None), roles);
    Capability::ALL.iter().copied().filter(|capability| grants.holds_somewhere(*capability)).collect()
}
