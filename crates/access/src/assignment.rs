//! Which person has which role where: SQL of `role_assignments`.

use base::{Timestamp, UserId};
use store::{Tx, params};

use crate::{Actor, Error, Grants, Role, Scope};

const EVERYWHERE: &str = "organisation";

fn scope_text(scope: Scope) -> String {
    match scope {
        Scope::Organisation => EVERYWHERE.to_owned(),
        Scope::Workspace(id) => id.to_string(),
    }
}

fn scope_of(text: &str) -> Result<Scope, Error> {
    if text == EVERYWHERE {
        return Ok(Scope::Organisation);
    }
    text.parse().map(Scope::Workspace).map_err(|_| Error::Unreadable("role_assignments.scope"))
}

/// Gives a person exactly these roles; whether anything changed, so that the caller ends their sessions.
pub fn set_roles(tx: &mut Tx<'_>, user: UserId, roles: &[(Role, Scope)], now: Timestamp) -> Result<bool, Error> {
    let mut wanted = roles.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let held = roles_of(tx, user)?;
    let mut changed = false;
    for (role, scope) in held.iter().filter(|pair| !wanted.contains(pair)) {
        tx.execute(
            "DELETE FROM role_assignments WHERE user_id = $1 AND role = $2 AND scope = $3",
            &params![user, role.name(), scope_text(*scope)],
        )?;
        changed = true;
    }
    for (role, scope) in wanted.iter().filter(|pair| !held.contains(pair)) {
        tx.execute(
            "INSERT INTO role_assignments (user_id, role, scope, granted_at) VALUES ($1, $2, $3, $4)",
            &params![user, role.name(), scope_text(*scope), now],
        )?;
        changed = true;
    }
    Ok(changed)
}

/// The roles of a person.
pub fn roles_of(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<(Role, Scope)>, Error> {
    let rows = tx.query("SELECT role, scope FROM role_assignments WHERE user_id = $1", &params![user], |row| {
        Ok((row.get::<String>("role")?, row.get::<String>("scope")?))
    })?;
    let mut roles = rows
        .into_iter()
        .map(|(role, scope)| {
            let role: Role = role.parse().map_err(|_| Error::Unreadable("role_assignments.role"))?;
            Ok((role, scope_of(&scope)?))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    roles.sort_unstable();
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
