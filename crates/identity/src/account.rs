//! People's rows: who may log in, with which password hash.

use base::{Timestamp, UserId};
use store::{Tx, params};

use crate::lockout::Failures;

/// A person who can log in.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub id: UserId,
    pub name: String,
    pub login: String,
}

/// A log-in name as it is compared.
pub(crate) fn fold(login: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    login.trim().nfc().collect::<String>().to_lowercase()
}

fn account(row: &store::Row<'_>) -> Result<Account, store::Error> {
    Ok(Account { id: row.get("id")?, name: row.get("name")?, login: row.get("login")? })
}

/// The person with that log-in name, unless their account is switched off.
pub(crate) fn by_login(tx: &mut Tx<'_>, login: &str) -> Result<Option<Account>, store::Error> {
    tx.query_opt(
        "SELECT id, name, login FROM users WHERE login_folded = $1 AND removed_at IS NULL AND disabled_at IS NULL",
        &params![fold(login)],
        account,
    )
}

/// Whether somebody has that log-in name, also somebody who cannot sign in just now.
pub(crate) fn is_taken(tx: &mut Tx<'_>, login: &str) -> Result<bool, store::Error> {
    let found = tx.query_opt(
        "SELECT id FROM users WHERE login_folded = $1 AND removed_at IS NULL",
        &params![fold(login)],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// The person of that id, unless removed or switched off.
pub(crate) fn by_id(tx: &mut Tx<'_>, id: UserId) -> Result<Option<Account>, store::Error> {
    tx.query_opt(
        "SELECT id, name, login FROM users WHERE id = $1 AND removed_at IS NULL AND disabled_at IS NULL",
        &params![id],
        account,
    )
}

/// The stored password hash.
pub(crate) fn password_hash(tx: &mut Tx<'_>, id: UserId) -> Result<Option<String>, store::Error> {
    tx.query_opt("SELECT password_hash FROM credentials WHERE user_id = $1", &params![id], |row| row.get(0))
}

/// Stores a password hash.
pub(crate) fn set_password_hash(tx: &mut Tx<'_>, id: UserId, hash: &str, now: Timestamp) -> Result<(), store::Error> {
    tx.execute(
        "INSERT INTO credentials (user_id, password_hash, changed_at) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash, changed_at = excluded.changed_at",
        &params![id, hash, now],
    )?;
    Ok(())
}

/// Whether an administrator of the organisation other than `besides` has a password that opens their account.
pub(crate) fn another_administrator(tx: &mut Tx<'_>, besides: Option<UserId>) -> Result<bool, store::Error> {
    let besides = besides.map(|id| id.to_string()).unwrap_or_default();
    let found = tx.query_opt(
        "SELECT 1 AS found FROM role_assignments r JOIN users u ON u.id = r.user_id \
         JOIN credentials c ON c.user_id = r.user_id \
         WHERE r.role = 'administrator' AND r.scope = 'organisation' AND u.removed_at IS NULL AND r.user_id <> $1 \
         AND (NOT EXISTS (SELECT 1 FROM sign_in) OR EXISTS (SELECT 1 FROM break_glass b WHERE b.user_id = r.user_id)) LIMIT 1",
        &params![besides],
        |row| row.get::<i64>("found"),
    )?;
    Ok(found.is_some())
}

/// The failures of an account from one device ('' for strangers), with their row locked until the end of the
/// transaction: of tries that come at once, each sees the one before.
pub(crate) fn failures(tx: &mut Tx<'_>, id: UserId, device: &str) -> Result<Failures, store::Error> {
    tx.query_one(
        "INSERT INTO login_failures (user_id, device, failures, next_at) VALUES ($1, $2, 0, 0) \
         ON CONFLICT (user_id, device) DO UPDATE SET failures = login_failures.failures RETURNING failures, next_at",
        &params![id, device],
        |row| Ok(Failures { count: row.get("failures")?, next_at: row.get("next_at")? }),
    )
}

/// Whether the password hash is still this one, with its row locked until the end of the transaction: a log-in and a
/// change of the password cannot pass each other.
pub(crate) fn still_has(tx: &mut Tx<'_>, id: UserId, hash: &str) -> Result<bool, store::Error> {
    let rows = tx.execute(
        "UPDATE credentials SET changed_at = changed_at WHERE user_id = $1 AND password_hash = $2",
        &params![id, hash],
    )?;
    Ok(rows == 1)
}

/// Stores the failures of an account from one device.
pub(crate) fn set_failures(tx: &mut Tx<'_>, id: UserId, device: &str, failures: Failures) -> Result<(), store::Error> {
    tx.execute(
        "INSERT INTO login_failures (user_id, device, failures, next_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (user_id, device) DO UPDATE SET failures = excluded.failures, next_at = excluded.next_at",
        &params![id, device, failures.count, failures.next_at],
    )?;
    Ok(())
}

/// Forgets the failures of an account from one device.
pub(crate) fn forgive(tx: &mut Tx<'_>, id: UserId, device: &str) -> Result<(), store::Error> {
    tx.execute("DELETE FROM login_failures WHERE user_id = $1 AND device = $2", &params![id, device])?;
    Ok(())
}

/// Forgets all failures of an account: a reset.
pub(crate) fn forgive_all(tx: &mut Tx<'_>, id: UserId) -> Result<(), store::Error> {
    tx.execute("DELETE FROM login_failures WHERE user_id = $1", &params![id])?;
    Ok(())
}

/// Ends everything a person holds: sessions, links, administrator tokens.
pub(crate) fn end_everything(tx: &mut Tx<'_>, id: UserId) -> Result<u64, store::Error> {
    tx.execute("DELETE FROM one_time_links WHERE user_id = $1", &params![id])?;
    tx.execute("DELETE FROM admin_tokens WHERE user_id = $1", &params![id])?;
    tx.execute("DELETE FROM half_way WHERE user_id = $1", &params![id])?;
    tx.execute("DELETE FROM sessions WHERE user_id = $1", &params![id])
}
