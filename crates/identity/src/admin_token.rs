//! Short-lived tokens with which an administrator's command line speaks to a server: `LOUDHAILER_TOKEN`. A token acts
//! as the person who drew it, with the roles they have at each use, and ends with their sessions' rights.

use std::time::Duration;

use access::{AuthMethod, Grants, Principal};
use base::{ExposeSecret, SecretString, Timestamp, UserId};
use store::{Tx, params};

use crate::{Caller, Error, Identity, Session, account};

/// How long a token works.
const LIFE: Duration = Duration::from_hours(1);
/// Tokens of one person at most; the oldest end.
const PER_USER: usize = 5;

/// A token, shown once.
#[derive(Clone, Debug)]
pub struct AdminToken {
    /// The token.
    pub token: SecretString,
    /// When it stops to work.
    pub expires_at: Timestamp,
}

impl Identity {
    /// Draws a token for the person of `session`.
    pub async fn admin_token(&self, session: &Session) -> Result<AdminToken, Error> {
        let (this, session) = (self.clone(), session.clone());
        self.0
            .db
            .write(move |tx| {
                let token = crypto::token::mint(crypto::token::Kind::Admin, tx.context().chance());
                let (now, expires_at) = (tx.now(), tx.now().plus(LIFE));
                let hash = this.0.vault.token_hash(token.expose_secret()).to_vec();
                tx.execute(
                    "INSERT INTO admin_tokens (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
                    &params![hash, session.user, now, expires_at],
                )?;
                let all: Vec<Vec<u8>> = tx.query(
                    "SELECT token_hash FROM admin_tokens WHERE user_id = $1 ORDER BY created_at DESC, token_hash",
                    &params![session.user],
                    |row| row.get("token_hash"),
                )?;
                for old in all.into_iter().skip(PER_USER) {
                    tx.execute("DELETE FROM admin_tokens WHERE token_hash = $1", &params![old])?;
                }
                audit::record(
                    tx,
                    audit::Entry {
                        actor: session.grants.actor(),
                        workspace: None,
                        action: "admin_token.create",
                        target: ("user", &session.user.to_string()),
                        outcome: audit::Outcome::Success,
                        reason: None,
                        changes: Some(serde_json::json!({ "expires_at": expires_at.rfc3339() })),
                    },
                )?;
                Ok(AdminToken { token, expires_at })
            })
            .await
    }
}

/// The grants of the person whose token has this hash.
pub(crate) fn grants_of(tx: &mut Tx<'_>, hash: &[u8; 32], caller: &Caller) -> Result<Option<Grants>, Error> {
    let now = tx.now();
    let found: Option<UserId> = tx.query_opt(
        "SELECT user_id FROM admin_tokens WHERE token_hash = $1 AND expires_at > $2",
        &params![hash.to_vec(), now],
        |row| row.get("user_id"),
    )?;
    let Some(user) = found else { return Ok(None) };
    let Some(account) = account::by_id(tx, user)? else { return Ok(None) };
    let roles = access::roles_of(tx, user)?;
    let actor = caller.actor(Principal::User { id: user, name: account.name }, AuthMethod::ApiKey);
    Ok(Some(Grants::of_roles(actor, &roles)))
}
