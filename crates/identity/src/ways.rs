//! Which ways in are open: everybody's own proof, or an identity provider alone with accounts for emergencies beside it. The
//! rule is configured in a room above; it is kept here, where every way in passes.

use access::{AuthMethod, Principal};
use base::{ResourceId, Timestamp, UserId};
use store::{Tx, params};

use crate::account::{self, Account};
use crate::{Caller, Error};

/// Whether a proof of one's own (a password, a passkey, an invitation) opens an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opens {
    /// It does, as everybody's.
    Yes,
    /// It does, since the account is one for emergencies.
    BreakGlass,
    /// A provider is the only way in.
    No,
}

/// Why a right password was refused, in the audit log.
pub(crate) const CLOSED: &str = "an identity provider is the only way in, and this is no break-glass account";

/// Makes a provider the only way in besides these accounts; `None` opens every way again.
pub fn set_only_way(tx: &mut Tx<'_>, provider: Option<ResourceId>, break_glass: &[UserId]) -> Result<(), store::Error> {
    tx.execute("DELETE FROM sign_in", &[])?;
    let Some(provider) = provider else {
        tx.execute("DELETE FROM break_glass", &[])?;
        return Ok(());
    };
    tx.execute("INSERT INTO sign_in (only_row, provider) VALUES (1, $1)", &params![provider])?;
    let held = tx.query("SELECT user_id FROM break_glass", &[], |row| row.get::<UserId>("user_id"))?;
    for gone in held.iter().filter(|one| !break_glass.contains(one)) {
        tx.execute("DELETE FROM break_glass WHERE user_id = $1", &params![*gone])?;
    }
    for one in break_glass {
        tx.execute("INSERT INTO break_glass (user_id) VALUES ($1) ON CONFLICT DO NOTHING", &params![*one])?;
    }
    Ok(())
}

/// The provider that is the only way in, if one is.
pub fn only_way(tx: &mut Tx<'_>) -> Result<Option<ResourceId>, store::Error> {
    tx.query_opt("SELECT provider FROM sign_in", &[], |row| row.get("provider"))
}

/// Accounts for emergencies that were used since then: whose, and when last.
pub fn break_glass_used(tx: &mut Tx<'_>, since: Timestamp) -> Result<Vec<(UserId, String, Timestamp)>, store::Error> {
    tx.query(
        "SELECT b.user_id, u.name, b.last_used_at FROM break_glass b JOIN users u ON u.id = b.user_id \
         WHERE b.last_used_at > $1 ORDER BY b.last_used_at DESC",
        &params![since],
        |row| Ok((row.get("user_id")?, row.get("name")?, row.get("last_used_at")?)),
    )
}

/// Whether a proof of one's own opens this account.
pub(crate) fn opens(tx: &mut Tx<'_>, user: UserId) -> Result<Opens, store::Error> {
    if only_way(tx)?.is_none() {
        return Ok(Opens::Yes);
    }
    let found = tx.query_opt("SELECT user_id FROM break_glass WHERE user_id = $1", &params![user], |_| Ok(()))?;
    Ok(if found.is_some() { Opens::BreakGlass } else { Opens::No })
}

/// Writes down, loudly, that an account for emergencies was used.
pub(crate) fn glass_broken(tx: &mut Tx<'_>, account: &Account, auth: AuthMethod, caller: &Caller) -> Result<(), Error> {
    let now = tx.now();
    tx.execute("UPDATE break_glass SET last_used_at = $2 WHERE user_id = $1", &params![account.id, now])?;
    audit::record(
        tx,
        audit::Entry {
            actor: &caller.actor(Principal::User { id: account.id, name: account.name.clone() }, auth),
            workspace: None,
            action: "break_glass.use",
            target: ("user", &account.id.to_string()),
            outcome: audit::Outcome::Success,
            reason: Some("a proof of their own was accepted beside the provider that is the only way in"),
            changes: None,
        },
    )?;
    let user = account.id;
    tx.after_commit(move || tracing::warn!(user = %user, "a break-glass account was used to sign in"));
    Ok(())
}

/// Whether an account is there and not switched off.
pub fn is_enabled(tx: &mut Tx<'_>, user: UserId) -> Result<bool, store::Error> {
    Ok(account::by_id(tx, user)?.is_some())
}

/// Whether somebody has that log-in name, also somebody who cannot sign in just now.
pub fn login_taken(tx: &mut Tx<'_>, login: &str) -> Result<bool, store::Error> {
    account::is_taken(tx, login)
}

/// Whether an account has a password.
pub fn has_password(tx: &mut Tx<'_>, user: UserId) -> Result<bool, store::Error> {
    Ok(account::password_hash(tx, user)?.is_some())
}

/// Whether a proof of their own, a password or a passkey, opens somebody's account as things are now.
pub fn has_own_way(tx: &mut Tx<'_>, user: UserId) -> Result<bool, Error> {
    if opens(tx, user)? == Opens::No {
        return Ok(false);
    }
    Ok(has_password(tx, user)? || !crate::passkey::of(tx, user)?.is_empty())
}

/// Whether an IANA time zone is known here.
pub fn is_time_zone(name: &str) -> bool {
    jiff::tz::TimeZone::get(name).is_ok()
}

/// Ends everything that a person holds, sessions, links and tokens, for kinds of rooms above that take rights away.
pub fn end_everything_of(tx: &mut Tx<'_>, user: UserId) -> Result<u64, store::Error> {
    account::end_everything(tx, user)
}
