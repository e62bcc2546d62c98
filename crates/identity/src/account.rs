//! People's rows: who may log in, with which password hash.

use base::{Timestamp, UserId};
use store::{Tx, params};

use crate::lockout::Failures;
use crate::{Error, SignInRules};

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

/// Refuses whoever is not there, or was removed; not who is switched off.
pub(crate) fn known(tx: &mut Tx<'_>, id: UserId) -> Result<(), Error> {
    let found = tx.query_opt("SELECT id FROM users WHERE id = $1 AND removed_at IS NULL", &params![id], |_| Ok(()))?;
    found.ok_or(Error::NoSuchUser)
}

/// The stored password hash.
pub(crate) fn password_hash(tx: &mut Tx<'_>, id: UserId) -> Result<Option<String>, store::Error> {
    tx.query_opt("SELECT password_hash FROM credentials WHERE user_id = $1", &params![id], |row| row.get(0))
}

/// Who besides its owner could know the password: whoever saw the link with which it was chosen.
pub(crate) fn shown_to(tx: &mut Tx<'_>, id: UserId) -> Result<Option<UserId>, store::Error> {
    let seen: Option<String> =
        tx.query_opt("SELECT shown_to FROM credentials WHERE user_id = $1", &params![id], |row| row.get("shown_to"))?;
    Ok(seen.and_then(|seen| seen.parse().ok()))
}

/// Stores the hash of a new password, and who besides its owner saw the link with which it was chosen. The one before is
/// remembered where the rules ask for a history.
pub(crate) fn set_password_hash(
    tx: &mut Tx<'_>,
    id: UserId,
    hash: &str,
    shown_to: Option<UserId>,
    now: Timestamp,
) -> Result<(), store::Error> {
    let history = SignInRules::of(tx)?.password_history;
    if history > 0 {
        tx.execute(
            "INSERT INTO old_passwords (user_id, password_hash, changed_at) \
             SELECT user_id, password_hash, changed_at FROM credentials WHERE user_id = $1 ON CONFLICT DO NOTHING",
            &params![id],
        )?;
    }
    tx.execute(
        "DELETE FROM old_passwords WHERE user_id = $1 AND changed_at NOT IN \
         (SELECT changed_at FROM old_passwords WHERE user_id = $1 ORDER BY changed_at DESC LIMIT $2)",
        &params![id, history],
    )?;
    tx.execute(
        "INSERT INTO credentials (user_id, password_hash, changed_at, shown_to) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash, changed_at = excluded.changed_at, \
         must_change = FALSE, shown_to = excluded.shown_to",
        &params![id, hash, now, shown_to.map(|seen| seen.to_string()).unwrap_or_default()],
    )?;
    Ok(())
}

/// Stores the same password under another hash: its age does not change.
pub(crate) fn rehash(tx: &mut Tx<'_>, id: UserId, hash: &str) -> Result<(), store::Error> {
    tx.execute("UPDATE credentials SET password_hash = $2 WHERE user_id = $1", &params![id, hash]).map(drop)
}

/// When the password was set, and whether it must be changed before its owner goes on.
pub(crate) fn password_state(tx: &mut Tx<'_>, id: UserId) -> Result<Option<(Timestamp, bool)>, store::Error> {
    tx.query_opt("SELECT changed_at, must_change FROM credentials WHERE user_id = $1", &params![id], |row| {
        Ok((row.get("changed_at")?, row.get("must_change")?))
    })
}

/// Asks for another password at the next sign-in; whether there is one.
pub(crate) fn demand_change(tx: &mut Tx<'_>, id: UserId) -> Result<bool, store::Error> {
    Ok(tx.execute("UPDATE credentials SET must_change = TRUE WHERE user_id = $1", &params![id])? == 1)
}

/// The hashes of the last passwords, the present one first: as many as the rules remember.
pub(crate) fn last_hashes(tx: &mut Tx<'_>, id: UserId, most: u32) -> Result<Vec<String>, store::Error> {
    tx.query(
        "SELECT password_hash FROM (SELECT password_hash, changed_at FROM credentials WHERE user_id = $1 \
         UNION ALL SELECT password_hash, changed_at FROM old_passwords WHERE user_id = $1) AS kept \
         ORDER BY changed_at DESC LIMIT $2",
        &params![id, most],
        |row| row.get("password_hash"),
    )
}

/// Forgets how a person proved themselves: they are gone.
pub(crate) fn forget_passwords(tx: &mut Tx<'_>, id: UserId) -> Result<(), store::Error> {
    tx.execute("DELETE FROM credentials WHERE user_id = $1", &params![id])?;
    tx.execute("DELETE FROM old_passwords WHERE user_id = $1", &params![id]).map(drop)
}

/// Administrators of the organisation who were configured as such and have a password that opens their account. One by a
/// provider's group is none: the group, or the provider, can go at any time.
const ADMINISTRATORS: &str = "SELECT 1 AS found FROM role_sources r JOIN users u ON u.id = r.user_id \
     JOIN credentials c ON c.user_id = r.user_id \
     WHERE r.source = '' AND r.role = 'administrator' AND r.scope = 'organisation' \
     AND u.removed_at IS NULL AND u.disabled_at IS NULL \
     AND (NOT EXISTS (SELECT 1 FROM sign_in) OR EXISTS (SELECT 1 FROM break_glass b WHERE b.user_id = r.user_id))";

/// Whether this is an administrator of the organisation who can sign in whatever becomes of providers.
pub(crate) fn is_administrator(tx: &mut Tx<'_>, id: UserId) -> Result<bool, store::Error> {
    let sql = format!("{ADMINISTRATORS} AND r.user_id = $1 LIMIT 1");
    Ok(tx.query_opt(&sql, &params![id], |row| row.get::<i64>("found"))?.is_some())
}

/// Whether there is such an administrator besides this one.
pub(crate) fn another_administrator(tx: &mut Tx<'_>, besides: UserId) -> Result<bool, store::Error> {
    let sql = format!("{ADMINISTRATORS} AND r.user_id <> $1 LIMIT 1");
    Ok(tx.query_opt(&sql, &params![besides], |row| row.get::<i64>("found"))?.is_some())
}

/// Whether anybody has a proof of their own that opens an account: a password or a passkey.
pub(crate) fn anybody_has_a_proof(tx: &mut Tx<'_>) -> Result<bool, store::Error> {
    let found = tx.query_opt(
        "SELECT 1 AS found FROM users u WHERE u.removed_at IS NULL AND u.disabled_at IS NULL \
         AND (EXISTS (SELECT 1 FROM credentials c WHERE c.user_id = u.id) \
         OR EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id)) LIMIT 1",
        &[],
        |row| row.get::<i64>("found"),
    )?;
    Ok(found.is_some())
}

/// Which count wrong second factors from a device go to. A place of their own: a right password says nothing about codes, and
/// must not forgive them.
pub(crate) fn factor_place(device: &str) -> String {
    format!("factor:{device}")
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

/// Forgets the wrong passwords of an account, which has another one now. Wrong second factors stay counted.
pub(crate) fn forgive_passwords(tx: &mut Tx<'_>, id: UserId) -> Result<(), store::Error> {
    tx.execute("DELETE FROM login_failures WHERE user_id = $1 AND device NOT LIKE 'factor:%'", &params![id])?;
    Ok(())
}

/// Forgets all failures of an account: somebody unlocked it, or it is gone.
pub(crate) fn forgive_all(tx: &mut Tx<'_>, id: UserId) -> Result<(), store::Error> {
    tx.execute("DELETE FROM login_failures WHERE user_id = $1", &params![id])?;
    Ok(())
}

/// Ends what a person has under way besides sessions: links, administrator tokens, half-way sign-ins, and an app that is being
/// set up, whose secret somebody else may have seen.
fn end_what_is_under_way(tx: &mut Tx<'_>, id: UserId) -> Result<(), store::Error> {
    tx.execute("DELETE FROM one_time_links WHERE user_id = $1", &params![id])?;
    tx.execute("DELETE FROM admin_tokens WHERE user_id = $1", &params![id])?;
    tx.execute("DELETE FROM half_way WHERE user_id = $1", &params![id])?;
    tx.execute("DELETE FROM authenticators WHERE user_id = $1 AND confirmed_at IS NULL", &params![id])?;
    Ok(())
}

/// Ends everything a person holds: sessions, and all that is under way.
pub(crate) fn end_everything(tx: &mut Tx<'_>, id: UserId) -> Result<u64, store::Error> {
    end_what_is_under_way(tx, id)?;
    tx.execute("DELETE FROM sessions WHERE user_id = $1", &params![id])
}

/// Ends the sessions of a person but one, and all that is under way.
pub(crate) fn end_others(tx: &mut Tx<'_>, id: UserId, kept: base::SessionId) -> Result<u64, store::Error> {
    end_what_is_under_way(tx, id)?;
    tx.execute("DELETE FROM sessions WHERE user_id = $1 AND id <> $2", &params![id, kept])
}
