//! Sessions. The token is 32 random bytes that the browser alone has; the store keeps its SHA-256, and the session's
//! data sealed under a key derived from the token: after log-out nobody can read it, the product included.

use std::fmt;
use std::time::Duration;

use access::{AuthMethod, Grants, Held, Principal};
use base::{ExposeSecret, SecretString, SessionId, Timestamp, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use resources::Settings;
use serde::{Deserialize, Serialize};
use store::{Tx, params};
use zeroize::Zeroizing;

use crate::account::Account;
use crate::half_way::First;
use crate::vouched::Vouched;
use crate::{Caller, Error, Identity, account, factors};

/// A session ends after this, used or not.
const ABSOLUTE: Duration = Duration::from_hours(12);
/// A use is written down when the last one written is older than this.
const WRITTEN: Duration = Duration::from_secs(15);
/// Names the purpose of the key that seals a session's data.
const LABEL: &str = "loudhailer session data v1";

/// A live session, proven by its token.
#[derive(Clone)]
pub struct Session {
    /// Its id, for the audit log and for ending it.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The person's name.
    pub name: String,
    /// What they may do.
    pub grants: Grants,
    /// The token that unsafe requests must carry: HMAC of the session's secret.
    pub csrf: SecretString,
    /// How the person proved themselves at its start.
    pub auth: AuthMethod,
    /// When the person last proved themselves: at its start, or since by a step-up.
    pub proven_at: Timestamp,
    /// Until when that is fresh enough for what is risky.
    pub fresh_until: Timestamp,
    /// When it ends if it is not used.
    pub idle_until: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// Who vouched for the person elsewhere, where somebody did.
    pub vouched: Option<Vouched>,
    roles: Vec<Held>,
    seen_at: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("user", &self.user).finish_non_exhaustive()
    }
}

impl Session {
    /// Whether `token` is this session's CSRF token; in constant time.
    pub fn csrf_matches(&self, token: &str) -> bool {
        crypto::constant_time_eq(token.as_bytes(), self.csrf.expose_secret().as_bytes())
    }

    /// The same session as seen from another request.
    fn from(mut self, caller: &Caller) -> Self {
        let mut actor = caller.actor(Principal::User { id: self.user, name: self.name.clone() }, self.auth);
        actor.session = Some(self.id);
        self.grants = Grants::of_roles(actor, &self.roles);
        self
    }
}

/// What only the holder of the token can read.
#[derive(Serialize, Deserialize)]
struct Data {
    /// Base64 of 32 random bytes; the CSRF token derives from it.
    secret: String,
    /// When the person proved themselves.
    proven_at: Timestamp,
    /// A provider's word, to be shown to it at sign-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

struct Row {
    id: SessionId,
    user: UserId,
    auth: String,
    strong: bool,
    data: String,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    vouched: Option<Vouched>,
}

/// The bytes of a token as it stands in the cookie.
fn bytes(token: &SecretString) -> Option<Zeroizing<[u8; 32]>> {
    let text = token.expose_secret();
    if text.len() != 43 {
        return None;
    }
    let mut out = Zeroizing::new([0; 32]);
    let length = BASE64.decode_slice(text, &mut *out).ok()?;
    (length == 32).then_some(out)
}

fn aad(id: SessionId) -> String {
    format!("v1|sessions|data|{id}")
}

fn seal(token: &[u8; 32], id: SessionId, data: &Data, context: &base::Context) -> Result<String, Error> {
    let key = crypto::hkdf_sha256(token, b"", LABEL)?;
    let nonce: [u8; 12] = context.random();
    let plain = Zeroizing::new(serde_json::to_vec(data).map_err(|_| Error::Lost)?);
    let sealed = crypto::aead::seal(&key, nonce, aad(id).as_bytes(), &plain)?;
    Ok(format!("v1.{}.{}", BASE64.encode(nonce), BASE64.encode(sealed)))
}

fn open(token: &[u8; 32], id: SessionId, sealed: &str) -> Option<Data> {
    let (nonce, sealed) = sealed.strip_prefix("v1.")?.split_once('.')?;
    let nonce: [u8; 12] = BASE64.decode(nonce).ok()?.try_into().ok()?;
    let key = crypto::hkdf_sha256(token, b"", LABEL).ok()?;
    let plain = crypto::aead::open(&key, nonce, aad(id).as_bytes(), &BASE64.decode(sealed).ok()?).ok()?;
    serde_json::from_slice(&plain).ok()
}

fn csrf(secret: &str) -> SecretString {
    let secret = BASE64.decode(secret).unwrap_or_default();
    SecretString::from(BASE64.encode(crypto::hmac_sha256(&secret, b"csrf")))
}

/// How long a session may idle, by the organisation's settings (control X-17).
pub(crate) fn idle(tx: &mut Tx<'_>) -> Result<Duration, Error> {
    Ok(idle_by(&resources::settings(tx)?))
}

fn idle_by(settings: &Settings) -> Duration {
    Duration::from_mins(u64::from(settings.session_idle_minutes.clamp(5, 60)))
}

/// How long a proof is fresh enough for what is risky (ASVS 7.5.1).
fn fresh_by(settings: &Settings) -> Duration {
    Duration::from_mins(u64::from(settings.step_up_minutes.clamp(1, 15)))
}

/// Whether a session began with two factors.
pub(crate) const fn is_strong(noted: bool, auth: AuthMethod) -> bool {
    noted || matches!(auth, AuthMethod::Totp | AuthMethod::Passkey | AuthMethod::RecoveryCode)
}

/// A method by the name it is stored under.
pub(crate) fn method(name: &str) -> AuthMethod {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).unwrap_or(AuthMethod::Password)
}

/// Starts a session of `account`: the token for the cookie, and the session.
pub(crate) fn start(
    tx: &mut Tx<'_>,
    account: &Account,
    first: &First<'_>,
    caller: &Caller,
) -> Result<(SecretString, Session), Error> {
    let (context, now, auth) = (tx.context().clone(), tx.now(), first.auth);
    let token: Zeroizing<[u8; 32]> = Zeroizing::new(context.random());
    let id: SessionId = context.id();
    let hint = first.vouched.and_then(Vouched::kept_hint);
    let data = Data { secret: BASE64.encode(context.random::<32>()), proven_at: first.at, hint };
    let expires_at = now.plus(ABSOLUTE);
    tx.execute(
        "INSERT INTO sessions (id, token_hash, user_id, data, created_at, last_seen_at, expires_at, auth, address, user_agent, \
         strong, provider, provider_subject, provider_session) VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &params![
            id,
            crypto::sha256(&*token).to_vec(),
            account.id,
            seal(&token, id, &data, &context)?,
            now,
            expires_at,
            auth.name(),
            caller.ip().map(|ip| ip.to_string()).unwrap_or_default(),
            caller.user_agent.as_deref().unwrap_or_default(),
            first.strong,
            first.vouched.map(|by| by.provider.to_string()).unwrap_or_default(),
            first.vouched.map(|by| by.subject.as_str()).unwrap_or_default(),
            first.vouched.map(|by| by.session.as_str()).unwrap_or_default(),
        ],
    )?;
    tx.execute("UPDATE users SET last_sign_in_at = $2 WHERE id = $1", &params![account.id, now])?;
    let all: Vec<SessionId> = tx.query(
        "SELECT id FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, id DESC",
        &params![account.id],
        |row| row.get("id"),
    )?;
    let settings = resources::settings(tx)?;
    for old in all.iter().skip(settings.sessions_per_person.clamp(1, 100) as usize) {
        tx.execute("DELETE FROM sessions WHERE id = $1", &params![*old])?;
    }
    let roles = access::roles_of(tx, account.id)?;
    let session = Session {
        id,
        user: account.id,
        name: account.name.clone(),
        grants: Grants::none(caller.actor(Principal::Anonymous, AuthMethod::None)),
        csrf: csrf(&data.secret),
        auth,
        proven_at: first.at,
        fresh_until: first.at.plus(fresh_by(&settings)),
        idle_until: now.plus(idle_by(&settings)).min(expires_at),
        expires_at,
        vouched: first.vouched.cloned(),
        roles,
        seen_at: now,
    };
    Ok((SecretString::from(BASE64.encode(*token)), session.from(caller)))
}

/// Ends the session of that token; whose it was.
pub(crate) fn end(tx: &mut Tx<'_>, token: &SecretString) -> Result<Option<(SessionId, UserId, AuthMethod)>, Error> {
    let Some(token) = bytes(token) else { return Ok(None) };
    let hash = crypto::sha256(&*token).to_vec();
    Ok(tx.query_opt(
        "DELETE FROM sessions WHERE token_hash = $1 RETURNING id, user_id, auth",
        &params![hash],
        |row| Ok((row.get("id")?, row.get("user_id")?, method(&row.get::<String>("auth")?))),
    )?)
}

/// Gives a session another identifier, and writes down when its person has proven themselves: the token that takes the old
/// one's place. The secret of its forms stays, so that those of other tabs still work. Where a provider vouched for them anew, its
/// new word takes the place of the old one.
pub(crate) fn replace(
    tx: &mut Tx<'_>,
    token: &SecretString,
    proven_at: Timestamp,
    vouched: Option<&Vouched>,
) -> Result<Option<SecretString>, Error> {
    let Some(old) = bytes(token) else { return Ok(None) };
    let hash = crypto::sha256(&*old).to_vec();
    let row: Option<(SessionId, String)> =
        tx.query_opt("SELECT id, data FROM sessions WHERE token_hash = $1", &params![hash.clone()], |row| {
            Ok((row.get("id")?, row.get("data")?))
        })?;
    let Some((id, data)) = row else { return Ok(None) };
    let Some(data) = open(&old, id, &data) else { return Ok(None) };
    let (context, now) = (tx.context().clone(), tx.now());
    let hint = vouched.map_or(data.hint, Vouched::kept_hint);
    let data = Data { secret: data.secret, proven_at, hint };
    let fresh: Zeroizing<[u8; 32]> = Zeroizing::new(context.random());
    let rows = tx.execute(
        "UPDATE sessions SET token_hash = $3, data = $4, last_seen_at = $5 WHERE id = $1 AND token_hash = $2",
        &params![id, hash, crypto::sha256(&*fresh).to_vec(), seal(&fresh, id, &data, &context)?, now],
    )?;
    Ok((rows == 1).then(|| SecretString::from(BASE64.encode(*fresh))))
}

fn find(tx: &mut Tx<'_>, token: &[u8; 32]) -> Result<Option<Session>, Error> {
    let row = tx.query_opt(
        "SELECT id, user_id, auth, strong, data, last_seen_at, expires_at, provider, provider_subject, provider_session \
         FROM sessions WHERE token_hash = $1",
        &params![crypto::sha256(token).to_vec()],
        |row| {
            Ok(Row {
                id: row.get("id")?,
                user: row.get("user_id")?,
                auth: row.get("auth")?,
                strong: row.get("strong")?,
                data: row.get("data")?,
                last_seen_at: row.get("last_seen_at")?,
                expires_at: row.get("expires_at")?,
                vouched: Vouched::read(row)?,
            })
        },
    )?;
    let Some(row) = row else { return Ok(None) };
    let (now, settings) = (tx.now(), resources::settings(tx)?);
    let idle_until = row.last_seen_at.plus(idle_by(&settings));
    if now >= row.expires_at || now >= idle_until {
        return Ok(None);
    }
    let Some(account) = account::by_id(tx, row.user)? else { return Ok(None) };
    // A row whose data does not open under its token was tampered with: no session.
    let Some(data) = open(token, row.id, &row.data) else { return Ok(None) };
    let (roles, auth) = (access::roles_of(tx, row.user)?, method(&row.auth));
    let vouched = row.vouched.map(|by| Vouched { hint: data.hint.clone().map(SecretString::from), ..by });
    // Since this session began, a second factor is asked of one of its person's roles: they sign in again, with one.
    if !is_strong(row.strong, auth) && factors::are_wanted_by(&settings.second_factor_for, &roles) {
        return Ok(None);
    }
    Ok(Some(Session {
        id: row.id,
        user: row.user,
        grants: Grants::none(access::Actor::new(Principal::Anonymous, AuthMethod::None)),
        name: account.name,
        csrf: csrf(&data.secret),
        auth,
        proven_at: data.proven_at,
        fresh_until: data.proven_at.plus(fresh_by(&settings)),
        idle_until: idle_until.min(row.expires_at),
        expires_at: row.expires_at,
        vouched,
        roles,
        seen_at: row.last_seen_at,
    }))
}

/// Removes the sessions that count no more since a second factor is asked of a role of their person: see [`find`].
pub(crate) fn sweep(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let wanted = resources::settings(tx)?.second_factor_for;
    if wanted.is_empty() {
        return Ok(0);
    }
    let open: Vec<(SessionId, UserId, String)> =
        tx.query("SELECT id, user_id, auth FROM sessions WHERE NOT strong ORDER BY user_id", &[], |row| {
            Ok((row.get("id")?, row.get("user_id")?, row.get("auth")?))
        })?;
    let mut gone = 0;
    for (id, user, auth) in open {
        if !is_strong(false, method(&auth)) && factors::are_wanted_by(&wanted, &access::roles_of(tx, user)?) {
            gone += tx.execute("DELETE FROM sessions WHERE id = $1", &params![id])?;
        }
    }
    Ok(gone)
}

impl Identity {
    /// The live session that `token` opens. Counts as use of it.
    pub async fn by_session(&self, token: &SecretString, caller: &Caller) -> Result<Option<Session>, Error> {
        let Some(mut session) = self.look_up(token).await? else { return Ok(None) };
        let now = self.0.db.context().now();
        if now.since(session.seen_at) >= WRITTEN {
            let id = session.id;
            let written = self
                .0
                .db
                .write(move |tx| {
                    tx.execute(
                        "UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2",
                        &params![id, now],
                    )
                })
                .await;
            match written {
                // The next look-up reads the new time.
                Ok(_) => {
                    session.idle_until = session.idle_until.plus(now.since(session.seen_at)).min(session.expires_at);
                    self.0.sessions.clear();
                }
                // A disk that is full must not lock out those who could mend it: reading goes on.
                Err(error) => {
                    let error: store::Error = error;
                    tracing::warn!(session.id = %id, %error, "the use of a session could not be written down");
                }
            }
        }
        Ok(Some(session.from(caller)))
    }

    /// Like [`Self::by_session`] without counting as use: for open streams, which must not keep a session alive.
    pub async fn session_still(&self, token: &SecretString, caller: &Caller) -> Result<Option<Session>, Error> {
        Ok(self.look_up(token).await?.map(|session| session.from(caller)))
    }

    async fn look_up(&self, token: &SecretString) -> Result<Option<Session>, Error> {
        let Some(token) = bytes(token) else { return Ok(None) };
        let context = self.0.db.context();
        let (hash, now) = (crypto::sha256(&*token), context.now());
        let generation = match self.0.sessions.get(&hash, context.monotonic()) {
            Ok(session) if now < session.idle_until && now < session.expires_at => return Ok(Some(session)),
            Ok(_) => return Ok(None),
            Err(generation) => generation,
        };
        let began = context.monotonic();
        let found = self.0.db.read(move |tx| find(tx, &token)).await?;
        if let Some(session) = &found {
            self.0.sessions.keep(hash, session.clone(), generation, began);
        }
        Ok(found)
    }

    /// Ends the session of `token` (log-out): row, data and key are gone, here at once and on every node within a
    /// second.
    pub async fn logout(&self, token: &SecretString, caller: &Caller) -> Result<(), Error> {
        let (this, token, caller) = (self.clone(), token.clone(), caller.clone());
        self.0
            .db
            .write(move |tx| {
                let Some((id, user, auth)) = end(tx, &token)? else { return Ok(()) };
                let name = account::by_id(tx, user)?.map(|account| account.name).unwrap_or_default();
                let mut actor = caller.actor(Principal::User { id: user, name }, auth);
                actor.session = Some(id);
                audit::record(
                    tx,
                    audit::Entry {
                        actor: &actor,
                        workspace: None,
                        action: "session.end",
                        target: ("session", &id.to_string()),
                        outcome: audit::Outcome::Success,
                        reason: Some("log-out"),
                        changes: None,
                    },
                )?;
                this.forget_after(tx);
                Ok(())
            })
            .await
    }

    /// Ends every session, link and administrator token of a person, in the caller's transaction.
    pub fn end_all(&self, tx: &mut Tx<'_>, user: UserId) -> Result<u64, Error> {
        let ended = account::end_everything(tx, user)?;
        self.forget_after(tx);
        Ok(ended)
    }

    /// Empties this node's caches once the transaction is on disk.
    pub(crate) fn forget_after(&self, tx: &mut Tx<'_>) {
        let inner = std::sync::Arc::clone(&self.0);
        tx.after_commit(move || {
            inner.sessions.clear();
            inner.keys.clear();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// the stored data opens under the token alone, in its own row alone.
    #[test]
    fn x_16_session_data_opens_with_its_own_token_and_row_only() {
        let context = base::Context::new(
            std::sync::Arc::new(base::ManualClock::new(Timestamp::from_micros(1_792_717_927_000_000))),
            std::sync::Arc::new(base::SeededChance::new(3)),
        );
        let (one, two): (SessionId, SessionId) = (context.id(), context.id());
        let data = Data { secret: BASE64.encode([7; 32]), proven_at: context.now(), hint: None };
        let sealed = seal(&[1; 32], one, &data, &context).unwrap();
        assert!(open(&[1; 32], one, &sealed).is_some());
        assert!(open(&[2; 32], one, &sealed).is_none());
        assert!(open(&[1; 32], two, &sealed).is_none());
        assert!(!sealed.contains(&data.secret));
    }

    #[test]
    fn only_43_characters_of_base64_are_a_token() {
        let good = SecretString::from(BASE64.encode([9; 32]));
        assert_eq!(bytes(&good).map(|bytes| *bytes), Some([9; 32]));
        for bad in ["", "x", &"!".repeat(43), &"A".repeat(44)] {
            assert!(bytes(&SecretString::from(bad)).is_none(), "{bad}");
        }
    }
}
