//! People whom a directory elsewhere keeps: whose they are, and what is then not changed by hand. The directory itself, its
//! protocol and its groups are the business of a room above.

use access::Principal;
use base::{ResourceId, UserId, WorkspaceId};
use resources::{Check, Error};
use store::{Tx, params};

use crate::account;
use crate::users_kind::UserBody;

/// Says which directory keeps a person from now on; none, when they are kept here.
pub fn set_directory(tx: &mut Tx<'_>, user: UserId, source: Option<ResourceId>) -> Result<(), store::Error> {
    tx.execute("UPDATE users SET directory = $2 WHERE id = $1", &params![user, source]).map(drop)
}

/// Gives everybody whom a directory kept back to the administrators here.
pub fn release_directory(tx: &mut Tx<'_>, source: ResourceId) -> Result<u64, store::Error> {
    tx.execute("UPDATE users SET directory = NULL WHERE directory = $1", &params![source])
}

/// The directory that keeps a person.
pub fn directory_of(tx: &mut Tx<'_>, user: UserId) -> Result<Option<ResourceId>, store::Error> {
    let found =
        tx.query_opt("SELECT directory FROM users WHERE id = $1", &params![user], |row| row.get("directory"))?;
    Ok(found.flatten())
}

/// Whether this is an account for emergencies, which nobody elsewhere may touch.
pub fn is_break_glass(tx: &mut Tx<'_>, user: UserId) -> Result<bool, store::Error> {
    let found = tx.query_opt("SELECT user_id FROM break_glass WHERE user_id = $1", &params![user], |_| Ok(()))?;
    Ok(found.is_some())
}

/// Whether a program writes people: only a directory's door lets one, and it bounds it to its own people.
pub(crate) const fn provisions(actor: &Principal) -> bool {
    actor.is_program()
}

/// Good enough for a directory's name of somebody: no address need be in it.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=254).contains(&text.len()) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Why what a directory says is not changed here.
const WORDS: &str = "a directory keeps this person, and says this itself: change it there. In an emergency release the person \
     from the directory on the page Provisioning; then it is yours to change";

/// Refuses changes by hand of what the person's directory says: it would say it again.
pub(crate) fn check_owned(body: &UserBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
    if check.is_new() || provisions(&check.actor().principal) {
        return Ok(());
    }
    let id: UserId = check.id();
    let known = check.tx().query_opt(
        "SELECT name, disabled_at IS NULL AS enabled FROM users WHERE id = $1 AND directory IS NOT NULL",
        &params![id],
        |row| Ok((row.get::<String>("name")?, row.get::<bool>("enabled")?)),
    )?;
    let Some((name, enabled)) = known else { return Ok(()) };
    if body.name != name {
        check.problem("name", "owned-by-directory", WORDS);
    }
    if body.enabled != enabled {
        check.problem("enabled", "owned-by-directory", WORDS);
    }
    Ok(())
}

/// Whether a log-in name may stand: an address, or what a directory calls somebody.
pub(crate) fn login_fits(login: &str, address: bool, check: &mut Check<'_, '_>) -> bool {
    let by_directory = provisions(&check.actor().principal) || !check.is_new();
    address || (by_directory && is_name(login))
}

/// The person of a log-in name, for whoever hands one over to a directory.
pub fn by_login(tx: &mut Tx<'_>, login: &str) -> Result<Option<UserId>, store::Error> {
    tx.query_opt(
        "SELECT id FROM users WHERE login_folded = $1 AND removed_at IS NULL",
        &params![account::fold(login)],
        |row| row.get("id"),
    )
}

/// The workspace that a program belongs to: its name is one there alone.
pub fn workspace_of(tx: &mut Tx<'_>, program: &Principal) -> Result<Option<WorkspaceId>, store::Error> {
    let (table, id) = match program {
        Principal::ApiKey { id, .. } => ("api_keys", id.to_string()),
        Principal::OauthClient { id, .. } => ("oauth_clients", id.to_string()),
        Principal::Issued { id, .. } => ("token_issuers", id.to_string()),
        _ => return Ok(None),
    };
    tx.query_opt(&format!("SELECT workspace FROM {table} WHERE id = $1"), &params![id], |row| row.get("workspace"))
}

/// A log-in name as it is compared.
pub fn fold_login(login: &str) -> String {
    account::fold(login)
}
