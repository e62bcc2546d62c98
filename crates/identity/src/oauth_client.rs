//! OAuth clients as the token endpoint finds them and as lists show them: never a secret, nor its hash.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use access::{Authority, KeyScope, Scope, cap};
use base::{OauthClientId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use store::{Row, Tx, params};

use crate::cidr::Cidr;
use crate::fields::{networks_of, scopes_of};
use crate::{DUE_WITHIN, Error, Identity, KeyState, Retiring};

/// How a client proves itself at the token endpoint: in this way and no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientProof {
    /// A secret of ours, as `client_secret_basic` or `client_secret_post`.
    #[default]
    Secret,
    /// An assertion that it signs by a key of its own, `private_key_jwt` (RFC 7523).
    PrivateKeyJwt,
    /// A client certificate, `tls_client_auth` (RFC 8705). Its tokens are bound to the certificate.
    Certificate,
}

impl ClientProof {
    /// Every way, as files name it.
    pub const NAMES: [&'static str; 3] = ["secret", "private_key_jwt", "certificate"];

    /// The name in files and rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::Certificate => "certificate",
        }
    }
}

impl FromStr for ClientProof {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Secret, Self::PrivateKeyJwt, Self::Certificate].into_iter().find(|proof| proof.name() == text).ok_or(())
    }
}

/// Where a token counts (RFC 8707).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// The REST doors, the SMS API among them.
    Api,
    /// The doors for signals.
    Signals,
}

impl Audience {
    /// Every audience.
    pub const ALL: [Self; 2] = [Self::Api, Self::Signals];
    /// Their names.
    pub const NAMES: [&'static str; 2] = ["api", "signals"];

    /// The name in files and rows, and the last part of its resource indicator.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Signals => "signals",
        }
    }

    /// Its resource indicator: the address under which the doors are.
    pub fn resource(self, public_url: &str) -> String {
        format!("{}/{}", public_url.trim_end_matches('/'), self.name())
    }

    pub(crate) fn text(audiences: &[Self]) -> String {
        audiences.iter().map(|audience| audience.name()).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn read(text: &str) -> Vec<Self> {
        text.split_whitespace()
            .filter_map(|name| Self::ALL.into_iter().find(|audience| audience.name() == name))
            .collect()
    }
}

/// A client as lists show it.
#[derive(Clone, Debug)]
pub struct OauthClientInfo {
    /// Its id, which is its `client_id`.
    pub id: OauthClientId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: String,
    /// How it proves itself; `None` when this version cannot read it: then nobody is it.
    pub proof: Option<ClientProof>,
    /// What its tokens may allow at most.
    pub scopes: Vec<KeyScope>,
    /// Where they may count.
    pub audiences: Vec<Audience>,
    /// From where it may be used; from everywhere when empty. Networks as texts.
    pub allow: Vec<String>,
    /// Minutes a token lives.
    pub token_minutes: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its secret stops to work; never for other proofs.
    pub expires_at: Option<Timestamp>,
    /// When it last fetched a token.
    pub last_used_at: Option<Timestamp>,
    /// When its present secret was set.
    pub secret_set_at: Option<Timestamp>,
    /// When its present secret was last used.
    pub secret_used_at: Option<Timestamp>,
    /// The secret before, while it still works.
    pub retiring: Option<Retiring>,
    networks: Arc<[Cidr]>,
    /// Its public keys, as a set (RFC 7517); empty for other proofs.
    pub(crate) public_keys: String,
}

impl OauthClientInfo {
    /// How its secret stands at `now`; other proofs have their own ends.
    pub fn state(&self, now: Timestamp) -> KeyState {
        match self.expires_at {
            Some(end) if end <= now => KeyState::Over,
            Some(end) if end.since(now) <= DUE_WITHIN => KeyState::Due,
            _ => KeyState::Good,
        }
    }

    /// Whether it may be used from there.
    pub(crate) fn admits(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty() || address.is_some_and(|ip| self.networks.iter().any(|network| network.contains(ip)))
    }
}

pub(crate) const COLUMNS: &str = "c.id, c.workspace, c.name, c.proof, c.scopes, c.audiences, c.allow, c.token_minutes, c.public_keys, \
     c.created_at, c.expires_at, c.last_used_at, s.set_at AS secret_set_at, s.last_used_at AS secret_used_at, \
     o.retires_at AS old_until, o.last_used_at AS old_used_at";

/// A client has one current secret and one on its way out at most.
pub(crate) const SECRETS: &str = "LEFT JOIN oauth_client_secrets s ON s.client = c.id AND s.retires_at IS NULL \
     LEFT JOIN oauth_client_secrets o ON o.client = c.id AND o.retires_at IS NOT NULL";

pub(crate) fn info(row: &Row<'_>) -> Result<OauthClientInfo, store::Error> {
    let allow: String = row.get("allow")?;
    Ok(OauthClientInfo {
        id: row.get("id")?,
        workspace: row.get("workspace")?,
        name: row.get("name")?,
        public_keys: row.get("public_keys")?,
        proof: row.get::<String>("proof")?.parse().ok(),
        scopes: scopes_of(&row.get::<String>("scopes")?),
        audiences: Audience::read(&row.get::<String>("audiences")?),
        networks: networks_of(&allow).into(),
        allow: allow.split_whitespace().map(str::to_owned).collect(),
        token_minutes: u32::try_from(row.get::<i64>("token_minutes")?).unwrap_or(1).clamp(1, 60),
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        secret_set_at: row.get("secret_set_at")?,
        secret_used_at: row.get("secret_used_at")?,
        retiring: match row.get::<Option<Timestamp>>("old_until")? {
            Some(until) => Some(Retiring { until, last_used_at: row.get("old_used_at")? }),
            None => None,
        },
    })
}

/// The client of this id.
pub(crate) fn by_id(tx: &mut Tx<'_>, id: OauthClientId) -> Result<Option<OauthClientInfo>, store::Error> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM oauth_clients c {SECRETS} WHERE c.id = $1"), &params![id], info)
}

impl Identity {
    /// The OAuth clients of a workspace, by name, each with the secret before while that one still works.
    pub fn oauth_clients(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::WorkspaceRead>,
        workspace: WorkspaceId,
    ) -> Result<Vec<OauthClientInfo>, Error> {
        match permit.scope() {
            Scope::Workspace(here) if here != workspace => return Err(resources::Error::OutOfScope.into()),
            _ => {}
        }
        let now = tx.now();
        let sql =
            format!("SELECT {COLUMNS} FROM oauth_clients c {SECRETS} WHERE c.workspace = $1 ORDER BY c.name, c.id");
        let mut clients = tx.query(&sql, &params![workspace], info)?;
        for client in &mut clients {
            // A secret that has retired stays in the table until it is swept; it works no more.
            client.retiring = client.retiring.filter(|old| now < old.until);
        }
        Ok(clients)
    }
}
