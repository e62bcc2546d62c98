//! Where a person's roles come from: an administrator configured them, or the groups of an identity provider gave them. What
//! somebody holds is what follows from all sources, so that a role which came from a group goes with the group, and never
//! takes a configured one along.

use base::{Timestamp, UserId};
use store::{Tx, params};

use crate::assignment::{role_ref, scope_of, scope_text};
use crate::{Error, RoleRef, Scope, set_roles};

/// The source of roles that were configured.
pub const CONFIGURED: &str = "";

/// Gives a person exactly these roles from one source, and leaves those of others; whether what they hold changed, so that
/// the caller ends their sessions.
pub fn set_roles_from<R: Copy + Into<RoleRef>>(
    tx: &mut Tx<'_>,
    user: UserId,
    source: &str,
    roles: &[(R, Scope)],
    now: Timestamp,
) -> Result<bool, Error> {
    tx.execute("DELETE FROM role_sources WHERE user_id = $1 AND source = $2", &params![user, source])?;
    for (role, scope) in roles {
        tx.execute(
            "INSERT INTO role_sources (user_id, source, role, scope) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            &params![user, source, (*role).into().to_string(), scope_text(*scope)],
        )?;
    }
    let all: Vec<(RoleRef, Scope)> =
        roles_by_source(tx, user)?.into_iter().map(|(_, role, scope)| (role, scope)).collect();
    set_roles(tx, user, &all, now)
}

/// Takes every role from a person, wherever it came from.
pub fn forget_roles(tx: &mut Tx<'_>, user: UserId, now: Timestamp) -> Result<bool, Error> {
    tx.execute("DELETE FROM role_sources WHERE user_id = $1", &params![user])?;
    set_roles::<RoleRef>(tx, user, &[], now)
}

/// A person's roles with the source of each.
pub fn roles_by_source(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<(String, RoleRef, Scope)>, Error> {
    let rows = tx.query(
        "SELECT source, role, scope FROM role_sources WHERE user_id = $1 ORDER BY source, role, scope",
        &params![user],
        |row| Ok((row.get::<String>("source")?, row.get::<String>("role")?, row.get::<String>("scope")?)),
    )?;
    let mut roles = Vec::with_capacity(rows.len());
    for (source, role, scope) in rows {
        // A role that this version does not know gives nothing.
        if let Some(role) = role_ref(&role) {
            roles.push((source, role, scope_of(&scope)?));
        }
    }
    Ok(roles)
}
