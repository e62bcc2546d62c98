//! API keys at the door: one hash, one look-up (or none, within a second of the last), no session (control X-06).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{AuthMethod, Authority, Grants, KeyScope, Principal, Scope, cap};
use base::{ApiKeyId, ExposeSecret, SecretString, Timestamp, WorkspaceId};
use store::{Tx, params};

use crate::certificates::{self, CertificateOwner, certificate_used};
use crate::cidr::Cidr;
use crate::fields::{networks_of, scopes_of};
use crate::{Caller, Error, Identity, admin_token};

/// The last use is written down when the last one written is older than this.
const WRITTEN: Duration = Duration::from_mins(1);
const KIND: &str = "api_keys";
/// What a machine secret's length may be; anything else is not looked up.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// A key as lists show it: never the token, nor its hash.
#[derive(Clone, Debug)]
pub struct ApiKeyInfo {
    /// Its id.
    pub id: ApiKeyId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<KeyScope>,
    /// From where it may be used; from everywhere when empty. Networks as texts.
    pub allow: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to work.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Whether its token was brought along rather than drawn by us.
    pub imported: bool,
    /// When its present token was set: the key's beginning, or its last rotation.
    pub token_set_at: Timestamp,
    /// When the present token was last used, to the minute. [`Self::last_used_at`] counts every token of the key.
    pub token_used_at: Option<Timestamp>,
    /// The token before, while it still works. Only lists say it.
    pub retiring: Option<Retiring>,
    networks: Arc<[Cidr]>,
    /// When the token that was shown retires; only in rotation.
    retires_at: Option<Timestamp>,
    /// The token that was shown.
    token_hash: [u8; 32],
}

/// The token before a rotation, while it still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retiring {
    /// When it stops to work.
    pub until: Timestamp,
    /// When it was last used, to the minute: a use after the rotation is a program that has to be told.
    pub last_used_at: Option<Timestamp>,
}

/// How long before its end a key is due for rotation.
pub const DUE_WITHIN: Duration = Duration::from_hours(14 * 24);

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It works, for longer than [`DUE_WITHIN`].
    Good,
    /// It works, but ends within [`DUE_WITHIN`]: rotate it.
    Due,
    /// It works no more.
    Over,
}

impl KeyState {
    /// The word that machines read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Due => "due",
            Self::Over => "over",
        }
    }
}

impl ApiKeyInfo {
    /// How the key stands at `now`.
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.expires_at <= now {
            KeyState::Over
        } else if self.expires_at.since(now) <= DUE_WITHIN {
            KeyState::Due
        } else {
            KeyState::Good
        }
    }

    fn admits(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty() || address.is_some_and(|ip| self.networks.iter().any(|network| network.contains(ip)))
    }

    fn grants(&self, caller: &Caller, auth: AuthMethod) -> Grants {
        let principal = Principal::ApiKey { id: self.id, name: self.name.clone() };
        Grants::of_api_key(caller.actor(principal, auth), self.workspace, &self.scopes)
    }
}

const COLUMNS: &str = "k.id, k.workspace, k.name, k.scopes, k.allow, k.created_at, k.expires_at, k.last_used_at, \
                       t.imported, t.retires_at, t.set_at, t.last_used_at AS token_used_at, t.token_hash, \
                       o.retires_at AS old_until, o.last_used_at AS old_used_at";

/// The token before, of a key in rotation. A key has one such token at most.
const OLD_TOKEN: &str = "LEFT JOIN api_key_tokens o ON o.api_key = k.id AND o.retires_at IS NOT NULL";

fn info(row: &store::Row<'_>) -> Result<ApiKeyInfo, store::Error> {
    let (scopes, allow): (String, String) = (row.get("scopes")?, row.get("allow")?);
    Ok(ApiKeyInfo {
        id: row.get("id")?,
        workspace: row.get("workspace")?,
        name: row.get("name")?,
        scopes: scopes_of(&scopes),
        networks: networks_of(&allow).into(),
        allow: allow.split_whitespace().map(str::to_owned).collect(),
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        imported: row.get("imported")?,
        token_set_at: row.get("set_at")?,
        token_used_at: row.get("token_used_at")?,
        retiring: match row.get::<Option<Timestamp>>("old_until")? {
            Some(until) => Some(Retiring { until, last_used_at: row.get("old_used_at")? }),
            None => None,
        },
        retires_at: row.get("retires_at")?,
        token_hash: row.get::<Vec<u8>>("token_hash")?.try_into().unwrap_or_default(),
    })
}

impl Identity {
    /// The grants of an API key or of an administrator's token, if it is alive and allowed from there. One answer,
    /// `None`, for unknown, expired, retired and elsewhere.
    pub async fn by_api_key(&self, token: &SecretString, caller: &Caller) -> Result<Option<Grants>, Error> {
        let text = token.expose_secret();
        if !LENGTHS.contains(&text.len()) {
            return Ok(None);
        }
        // What looks like one of ours must have the right checksum; imported tokens look like anything else.
        let ours = crypto::token::check(text);
        if text.starts_with("loudhailer_") && ours.is_err() {
            return Ok(None);
        }
        let hash = self.0.vault.token_hash(text);
        if ours == Ok(crypto::token::Kind::Admin) {
            let caller = caller.clone();
            return self.0.db.read(move |tx| admin_token::grants_of(tx, &hash, &caller)).await;
        }
        let context = self.0.db.context();
        let key = match self.0.keys.get(&hash, context.monotonic()) {
            Ok(key) => key,
            Err(generation) => {
                let began = context.monotonic();
                let Some(key) = self.0.db.read(move |tx| find(tx, &hash)).await? else { return Ok(None) };
                self.0.keys.keep(hash, key.clone(), generation, began);
                self.used(&key).await;
                key
            }
        };
        let now = context.now();
        let alive = now < key.expires_at && key.retires_at.is_none_or(|retires_at| now < retires_at);
        Ok((alive && key.admits(caller.ip())).then(|| key.grants(caller, AuthMethod::ApiKey)))
    }

    /// The grants of the API key whose certificate the caller showed, if the key is alive and allowed from there (RFC 8705 for
    /// keys: the connection is the proof, and no token travels).
    pub async fn by_certificate(&self, caller: &Caller) -> Result<Option<Grants>, Error> {
        let Some(certificate) = caller.certificate.clone() else { return Ok(None) };
        let context = self.0.db.context();
        let hash = certificate.fingerprint.0;
        let key = match self.0.certificates.get(&hash, context.monotonic()) {
            Ok(key) => key,
            Err(generation) => {
                let (began, shown) = (context.monotonic(), Arc::clone(&certificate));
                let Some(key) = self.0.db.read(move |tx| find_by_certificate(tx, &shown)).await? else {
                    return Ok(None);
                };
                self.0.certificates.keep(hash, key.clone(), generation, began);
                let (id, shown) = (key.id, Arc::clone(&certificate));
                let written: Result<(), store::Error> = self
                    .0
                    .db
                    .write(move |tx| {
                        let now = tx.now();
                        let (sql, old) = ("UPDATE api_keys SET last_used_at = $2 WHERE id = $1", now.minus(WRITTEN));
                        tx.send(
                            &format!("{sql} AND (last_used_at IS NULL OR last_used_at <= $3)"),
                            &params![id, now, old],
                        )?;
                        certificate_used(tx, CertificateOwner { kind: KIND, id: id.uuid() }, &shown)
                    })
                    .await;
                if let Err(error) = written {
                    tracing::warn!(api_key.id = %id, %error, "the last use of a certificate could not be written down");
                }
                key
            }
        };
        let now = context.now();
        let alive = now < key.expires_at && now < certificate.not_after;
        Ok((alive && key.admits(caller.ip())).then(|| key.grants(caller, AuthMethod::Certificate)))
    }

    /// The certificates of a workspace's programs of every kind, with what was seen of them.
    pub fn certificates(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::WorkspaceRead>,
        workspace: WorkspaceId,
    ) -> Result<Vec<certificates::MappedCertificate>, Error> {
        match permit.scope() {
            Scope::Workspace(here) if here != workspace => return Err(resources::Error::OutOfScope.into()),
            _ => {}
        }
        Ok(certificates::of_workspace(tx, workspace)?)
    }

    /// Writes the last use of a token down, once a minute. A failure to do so refuses nobody.
    async fn used(&self, key: &ApiKeyInfo) {
        let now = self.0.db.context().now();
        if key.token_used_at.is_some_and(|last| now.since(last) < WRITTEN) {
            return;
        }
        let (id, hash) = (key.id, key.token_hash);
        let written: Result<(), store::Error> = self
            .0
            .db
            .write(move |tx| {
                tx.send("UPDATE api_keys SET last_used_at = $2 WHERE id = $1", &params![id, now])?;
                tx.send(
                    "UPDATE api_key_tokens SET last_used_at = $2 WHERE token_hash = $1",
                    &params![hash.to_vec(), now],
                )
            })
            .await;
        if let Err(error) = written {
            tracing::warn!(api_key.id = %id, %error, "the last use of an API key could not be written down");
        }
    }

    /// The keys of a workspace that a person has to see to: ended, or ending within [`DUE_WITHIN`]; the first to end first.
    pub fn keys_due(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::WorkspaceRead>,
        workspace: WorkspaceId,
    ) -> Result<Vec<ApiKeyInfo>, Error> {
        let now = tx.now();
        let mut due = self.api_keys(tx, permit, workspace)?;
        due.retain(|key| key.state(now) != KeyState::Good);
        due.sort_by_key(|key| key.expires_at);
        Ok(due)
    }

    /// The keys of a workspace, by name, each with the token before while that one still works.
    pub fn api_keys(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::WorkspaceRead>,
        workspace: WorkspaceId,
    ) -> Result<Vec<ApiKeyInfo>, Error> {
        match permit.scope() {
            Scope::Workspace(here) if here != workspace => return Err(resources::Error::OutOfScope.into()),
            _ => {}
        }
        let now = tx.now();
        let sql = format!(
            "SELECT {COLUMNS} FROM api_keys k JOIN api_key_tokens t ON t.api_key = k.id AND t.retires_at IS NULL \
             {OLD_TOKEN} WHERE k.workspace = $1 ORDER BY k.name, k.id"
        );
        let mut keys = tx.query(&sql, &params![workspace], info)?;
        for key in &mut keys {
            // A token that has retired stays in the table until it is swept; it works no more.
            key.retiring = key.retiring.filter(|old| now < old.until);
        }
        Ok(keys)
    }
}

fn find_by_certificate(
    tx: &mut Tx<'_>,
    certificate: &crypto::tls::ClientCertificate,
) -> Result<Option<ApiKeyInfo>, Error> {
    let Some(owner) = certificates::owner_of(tx, KIND, certificate)? else { return Ok(None) };
    let now = tx.now();
    Ok(tx.query_opt(
        &format!(
            "SELECT {COLUMNS} FROM api_keys k JOIN api_key_tokens t ON t.api_key = k.id AND t.retires_at IS NULL \
             {OLD_TOKEN} WHERE k.id = $1 AND k.expires_at > $2"
        ),
        &params![owner, now],
        info,
    )?)
}

fn find(tx: &mut Tx<'_>, hash: &[u8; 32]) -> Result<Option<ApiKeyInfo>, Error> {
    let now = tx.now();
    Ok(tx.query_opt(
        &format!(
            "SELECT {COLUMNS} FROM api_key_tokens t JOIN api_keys k ON k.id = t.api_key {OLD_TOKEN} \
             WHERE t.token_hash = $1 AND k.expires_at > $2 AND (t.retires_at IS NULL OR t.retires_at > $2)"
        ),
        &params![hash.to_vec(), now],
        info,
    )?)
}
