//! The handle: what the doors call.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use access::{Actor, AuthMethod, Principal};
use base::{OauthClientId, RequestId};
use crypto::password::Cost;
use crypto::tls::ClientCertificate;
use crypto::webauthn::Site;
use issuers::Issuers;
use mail::Mail;
use resources::Resources;
use store::Db;
use vault::Vault;

use crate::cache::Cache;
use crate::gate::Gate;
use crate::issued_token::Issued;
use crate::oauth::AccessToken;
use crate::throttle::Throttle;
use crate::{ApiKeyInfo, Error, Session, SignInRules};

/// Settings of this room that are not resources.
#[derive(Clone, Debug)]
pub struct Options {
    /// What a password hash costs.
    pub cost: Cost,
    /// How letters go out to people.
    pub mail: Option<Mail>,
    /// Where links in letters lead, without a trailing slash.
    pub public_url: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { cost: Cost::PRODUCTION, mail: None, public_url: String::new() }
    }
}

/// Where a try to prove something comes from, for lock-out and audit log.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Address and port, if it came over the network.
    pub source: Option<SocketAddr>,
    /// The program, as it says itself.
    pub user_agent: Option<String>,
    /// The request.
    pub request: Option<RequestId>,
    /// The certificate that the client showed at the handshake, verified by the TLS library.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl Caller {
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.source.map(|source| source.ip())
    }

    /// An actor who proved itself by `auth` from here.
    pub fn actor(&self, principal: Principal, auth: AuthMethod) -> Actor {
        Actor {
            source: self.source,
            user_agent: self.user_agent.clone(),
            request: self.request,
            ..Actor::new(principal, auth)
        }
    }
}

/// Tells whether a person has an identity at a provider that opens their account.
pub type SignsOn = fn(&mut store::Tx<'_>, base::UserId) -> Result<bool, store::Error>;

/// How principals prove themselves. Cheap to clone.
#[derive(Clone)]
pub struct Identity(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub db: Db,
    pub vault: Vault,
    pub resources: Resources,
    pub options: Options,
    pub gate: Gate,
    pub throttle: Throttle<IpAddr>,
    /// Tries a minute from one address, as the rules said when they were last read.
    pub tries: AtomicU32,
    /// Sessions and keys that were looked up within the last second, so that a page with twenty parts and an API
    /// client at full speed cost one read.
    pub sessions: Cache<Session>,
    pub keys: Cache<ApiKeyInfo>,
    /// Keys by the fingerprints of their certificates.
    pub certificates: Cache<ApiKeyInfo>,
    /// Access tokens.
    pub access_tokens: Cache<AccessToken>,
    /// Tokens of others.
    pub issued_tokens: Cache<Issued>,
    /// Who asks others for their keys.
    pub issuers: OnceLock<Issuers>,
    /// Tries of strangers at the token endpoint that failed, by address.
    pub token_failures: Throttle<IpAddr>,
    /// Log-out tokens that did not count, by address.
    pub logout_failures: Throttle<IpAddr>,
    /// Tokens that each client fetches.
    pub token_rate: Throttle<OauthClientId>,
    /// What an unknown person's password is checked against, so that the answer takes as long as any.
    pub decoy: String,
    /// Where the pages are, once somebody serves them: passkeys are bound to it.
    pub site: OnceLock<Site>,
    /// Who knows whether a provider vouches for somebody: a room above.
    pub signs_on: OnceLock<SignsOn>,
}

impl Identity {
    /// Identity over `db`. Users and keys are written through `resources`, whose registry must have this room's
    /// kinds ([`UsersKind`](crate::UsersKind), [`ApiKeysKind`](crate::ApiKeysKind)).
    pub fn new(db: Db, vault: Vault, resources: Resources, options: Options) -> Result<Self, Error> {
        let decoy = decoy(options.cost, db.context())?;
        Ok(Self(Arc::new(Inner {
            db,
            vault,
            resources,
            options,
            gate: Gate::new(),
            throttle: Throttle::default(),
            tries: AtomicU32::new(SignInRules::default().tries_per_address),
            sessions: Cache::default(),
            keys: Cache::default(),
            certificates: Cache::default(),
            access_tokens: Cache::default(),
            issued_tokens: Cache::default(),
            issuers: OnceLock::new(),
            token_failures: Throttle::default(),
            logout_failures: Throttle::default(),
            token_rate: Throttle::default(),
            decoy,
            site: OnceLock::new(),
            signs_on: OnceLock::new(),
        })))
    }

    /// Names who knows whether somebody has an identity at a provider: such a person can sign in, also without a password. Said
    /// once, by whoever puts the rooms together.
    pub fn ask_sign_on(&self, known: SignsOn) {
        let _ = self.0.signs_on.set(known);
    }

    /// The rules in force, for everybody who signs in.
    pub(crate) fn rules(&self, tx: &mut store::Tx<'_>) -> Result<SignInRules, store::Error> {
        let rules = SignInRules::of(tx)?;
        self.0.tries.store(rules.tries_per_address, Ordering::Relaxed);
        Ok(rules)
    }

    /// Removes what ran out: sessions, links, administrator tokens, retired key hashes. Called now and then.
    pub async fn sweep(&self) -> Result<u64, Error> {
        self.0
            .db
            .write(|tx| {
                let now = tx.now();
                let mut gone = 0;
                for sql in [
                    "DELETE FROM sessions WHERE expires_at <= $1",
                    "DELETE FROM one_time_links WHERE expires_at <= $1",
                    "DELETE FROM admin_tokens WHERE expires_at <= $1",
                    "DELETE FROM api_key_tokens WHERE retires_at <= $1",
                    "DELETE FROM half_way WHERE expires_at <= $1",
                    "DELETE FROM spent_challenges WHERE expires_at <= $1",
                    "DELETE FROM oauth_client_secrets WHERE retires_at <= $1",
                    "DELETE FROM oauth_tokens WHERE expires_at <= $1",
                    "DELETE FROM oauth_assertions WHERE expires_at <= $1",
                ] {
                    gone += tx.execute(sql, &store::params![now])?;
                }
                // Who was away for too long has no session; nothing that lies in it is kept until its last hour.
                let idle = now.minus(crate::session::idle(tx)?);
                gone += tx.execute("DELETE FROM sessions WHERE last_seen_at <= $1", &store::params![idle])?;
                Ok(gone + crate::step_up::sweep(tx)? + crate::session::sweep(tx)?)
            })
            .await
    }
}

/// A hash of nothing that anybody knows, at today's cost.
fn decoy(cost: Cost, context: &base::Context) -> Result<String, Error> {
    let unknown: [u8; 32] = context.random();
    let unknown: String = unknown.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    Ok(crypto::password::hash(&unknown.into(), cost, context.chance())?)
}
