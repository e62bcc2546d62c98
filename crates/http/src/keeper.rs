//! Who is asking: what the doors need from `identity`, as a small trait so that this room can be tested without
//! accounts and passwords.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use access::{Denied, Grants};
use async_trait::async_trait;
use base::{RequestId, SecretString, Timestamp, WorkspaceId};
use crypto::tls::ClientCertificate;

use crate::refusal::Refusal;

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The client's address; behind a trusted proxy the one the proxy named, then with port 0.
    pub address: SocketAddr,
    /// The client's program, as it says itself; at most 200 characters, no control characters.
    pub user_agent: Option<String>,
    /// The request's id.
    pub request: RequestId,
    /// The certificate that the client showed at the handshake, verified by the TLS library.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl Source {
    /// The client's address without the port.
    pub const fn ip(&self) -> IpAddr {
        self.address.ip()
    }
}

/// A live session.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// Who, and what they may do.
    pub grants: Grants,
    /// The token that forms of this session carry.
    pub csrf: SecretString,
    /// Until when the person's last proof is fresh enough for what is risky.
    pub fresh_until: Timestamp,
    /// When the session ends if it is not used.
    pub idle_until: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

/// What a person can prove themselves with once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// Their password.
    pub password: bool,
    /// A code of their app, or a recovery code.
    pub code: bool,
    /// A passkey: what the browser is asked, as JSON.
    pub passkey: Option<String>,
    /// Signing in anew with the provider that vouched for them.
    pub elsewhere: bool,
}

/// A proof that is given once more. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A password.
    Password(SecretString),
    /// A code.
    Code(SecretString),
    /// A passkey's answer.
    Passkey(SecretString),
}

/// Proves callers and names workspaces. The product's own is `identity::Identity`.
#[async_trait]
pub trait Keeper: Send + Sync + 'static {
    /// The live session that `token` opens; counts as use of it.
    async fn session(&self, token: &SecretString, source: &Source) -> Result<Option<LiveSession>, Refusal>;

    /// The grants of what a program shows as a bearer: an API key or an access token, if it is alive, meant for these doors, and
    /// allowed from this address.
    async fn api_key(&self, key: &SecretString, source: &Source) -> Result<Option<Grants>, Refusal>;

    /// The grants of the program whose certificate the client showed, when one has it.
    async fn certificate(&self, source: &Source) -> Result<Option<Grants>, Refusal> {
        let _ = source;
        Ok(None)
    }

    /// Like [`Keeper::session`], but does not count as use: an open stream must not keep a session from idling out.
    async fn session_still(&self, token: &SecretString, source: &Source) -> Result<Option<LiveSession>, Refusal>;

    /// What the person of a session can prove themselves with once more.
    async fn ways(&self, token: &SecretString, source: &Source) -> Result<Ways, Refusal>;

    /// Proves the person of a session once more: the token that takes the old one's place.
    async fn step_up(&self, token: &SecretString, proof: Proof, source: &Source) -> Result<SecretString, Refusal>;

    /// The workspace of this name.
    async fn workspace(&self, name: &str) -> Result<Option<WorkspaceId>, Refusal>;

    /// Somebody proven tried what they may not: for the audit log.
    async fn refused(&self, grants: &Grants, denied: Denied);
}
