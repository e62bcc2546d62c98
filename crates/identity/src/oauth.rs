//! The token endpoint (OAuth 2.1, client credentials): a program proves itself once in a while and works with a short-lived token,
//! of which only the hash is kept. A token says where it counts (RFC 8707), allows no more than was asked for, and is bound to the
//! certificate that it was fetched with (RFC 8705).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{AuthMethod, Grants, KeyScope, Principal};
use base::{ExposeSecret, OauthClientId, SecretString, Timestamp};
use store::{Tx, params};

use crate::assertion::{self, Assertion, Once};
use crate::certificates::{CertificateOwner, certificate_fits, certificate_used};
use crate::oauth_client::{self, Audience, ClientProof, OauthClientInfo};
use crate::oauth_error::OauthRefusal;
use crate::{Caller, Error, Identity};

/// Failed proofs a minute from one address.
pub(crate) const FAILURES_A_MINUTE: u32 = 20;
/// Tokens a minute that one client fetches: it is to use one until it ends.
pub(crate) const TOKENS_A_MINUTE: u32 = 60;
/// Bytes of a secret or assertion at most.
const LONGEST: usize = 8 * 1024;

const KIND: &str = "oauth_clients";

/// How a client says who it is. `Debug` shows no secret.
#[derive(Clone, Debug, Default)]
pub struct ClientCredentials {
    /// Its `client_id`.
    pub id: Option<String>,
    /// Its secret, from the header or from the form.
    pub secret: Option<SecretString>,
    /// What it signed.
    pub assertion: Option<Assertion>,
}

/// What a client asks for.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// Who it is.
    pub client: ClientCredentials,
    /// The grant.
    pub grant_type: Option<String>,
    /// Scopes, with spaces between; all of the client's when left out.
    pub scope: Option<String>,
    /// Resource indicators; every audience of the client's when there is none.
    pub resources: Vec<String>,
}

/// A token, shown once.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: SecretString,
    /// How long it works.
    pub expires_in: Duration,
    /// What it allows.
    pub scopes: Vec<KeyScope>,
}

/// A live access token as it is remembered.
#[derive(Clone)]
pub(crate) struct AccessToken {
    client: OauthClientInfo,
    scopes: Vec<KeyScope>,
    audiences: Vec<Audience>,
    /// The fingerprint of the certificate that it is bound to.
    certificate: Option<[u8; 32]>,
    expires_at: Timestamp,
}

/// A client that proved itself.
struct Proven {
    client: OauthClientInfo,
    /// The hash of the secret that was shown.
    secret: Option<[u8; 32]>,
    /// The assertion that was shown, before its one use is taken.
    once: Option<Once>,
    /// The certificate that the token is to be bound to.
    certificate: Option<Arc<crypto::tls::ClientCertificate>>,
}

impl Identity {
    /// Gives a client a token, or says in the RFC's words why not. `public_url` is what resource indicators begin with.
    pub async fn issue_token(
        &self,
        request: TokenRequest,
        public_url: &str,
        caller: &Caller,
    ) -> Result<Result<IssuedToken, OauthRefusal>, Error> {
        let proven = match self.prove_client(&request.client, public_url, caller).await? {
            Ok(proven) => proven,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let wanted = match wanted(&request, &proven.client, public_url) {
            Ok(wanted) => wanted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Err(wait) = self.0.token_rate.take(proven.client.id, self.0.db.context().monotonic()) {
            return Ok(Err(OauthRefusal::SlowDown(wait)));
        }
        let (this, caller) = (self.clone(), caller.clone());
        self.0.db.write(move |tx| this.write_token(tx, &proven, &wanted, &caller)).await
    }

    /// Ends a token of the client's that shows it (RFC 7009). A token that is not the client's, or is none, is no failure: it does
    /// not work, which is what was wanted.
    pub async fn revoke_token(
        &self,
        credentials: &ClientCredentials,
        token: &SecretString,
        public_url: &str,
        caller: &Caller,
    ) -> Result<Result<(), OauthRefusal>, Error> {
        let proven = match self.prove_client(credentials, public_url, caller).await? {
            Ok(proven) => proven,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if crypto::token::check(token.expose_secret()) != Ok(crypto::token::Kind::Access) {
            return Ok(Ok(()));
        }
        let hash = self.0.vault.token_hash(token.expose_secret());
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .write(move |tx| {
                let client = &proven.client;
                let sql = "DELETE FROM oauth_tokens WHERE token_hash = $1 AND client = $2";
                if tx.execute(sql, &params![hash.to_vec(), client.id])? > 0 {
                    note(tx, &caller, client, "oauth_token.revoke", None)?;
                    let this = this.clone();
                    tx.after_commit(move || this.0.access_tokens.clear());
                }
                Ok(Ok(()))
            })
            .await
    }

    /// The grants of an access token of ours, if it is alive, counts at `audience`, and comes from where it may, over the
    /// connection that it is bound to. One answer, `None`, for all that is not so.
    pub(crate) async fn by_access_token(
        &self,
        token: &str,
        audience: Audience,
        caller: &Caller,
    ) -> Result<Option<Grants>, Error> {
        let hash = self.0.vault.token_hash(token);
        let context = self.0.db.context();
        let found = match self.0.access_tokens.get(&hash, context.monotonic()) {
            Ok(found) => found,
            Err(generation) => {
                let began = context.monotonic();
                let Some(found) = self.0.db.read(move |tx| find(tx, &hash)).await? else { return Ok(None) };
                self.0.access_tokens.keep(hash, found.clone(), generation, began);
                found
            }
        };
        let shown = caller.certificate.as_ref().map(|certificate| certificate.fingerprint.0);
        let counts = context.now() < found.expires_at
            && found.audiences.contains(&audience)
            && found.client.admits(caller.ip())
            && found.certificate.is_none_or(|bound| shown == Some(bound));
        if !counts {
            return Ok(None);
        }
        let actor = caller.actor(principal(&found.client), AuthMethod::OauthToken);
        Ok(Some(Grants::of_api_key(actor, found.client.workspace, &found.scopes)))
    }

    /// The client, proven in its one way. Strangers have a bounded number of failures a minute.
    async fn prove_client(
        &self,
        given: &ClientCredentials,
        public_url: &str,
        caller: &Caller,
    ) -> Result<Result<Proven, OauthRefusal>, Error> {
        let now = self.0.db.context().monotonic();
        if let Some(Err(wait)) = caller.ip().map(|address| self.0.token_failures.look(address, now)) {
            return Ok(Err(OauthRefusal::SlowDown(wait)));
        }
        let signed = given.assertion.clone();
        let claimed = signed.as_ref().map(|signed| signed.client().map(|id| id.to_string()).unwrap_or_default());
        if given.id.is_some() && claimed.is_some() && given.id != claimed {
            return Ok(Err(OauthRefusal::InvalidClient));
        }
        let url = public_url.trim_end_matches('/').to_owned();
        let Some(id) = given.id.as_ref().or(claimed.as_ref()) else {
            let what = "Say which client it is: by HTTP Basic, by client_id and client_secret in the form, or by client_assertion.";
            return Ok(Err(OauthRefusal::InvalidRequest(what)));
        };
        let id: Option<OauthClientId> = id.parse().ok();
        let secret = given.secret.as_ref().map(|secret| {
            let text = secret.expose_secret();
            self.0.vault.token_hash(if text.len() <= LONGEST { text } else { "" })
        });
        let shown = caller.certificate.clone();
        let address = caller.ip();
        let shown_proof = Shown { secret, signed, certificate: shown, url };
        let outcome: Result<Proven, (Option<OauthClientInfo>, &'static str)> = self
            .0
            .db
            .read(move |tx| {
                let Some(client) = id.map(|id| oauth_client::by_id(tx, id)).transpose()?.flatten() else {
                    return Ok::<_, Error>(Err((None, "unknown client")));
                };
                match check(tx, &client, &shown_proof, address)? {
                    Ok(once) => {
                        // A certificate beside another proof binds the token too (RFC 8705 section 3).
                        let certificate = shown_proof.certificate.clone();
                        Ok(Ok(Proven { client, secret, once, certificate }))
                    }
                    Err(why) => Ok(Err((Some(client), why))),
                }
            })
            .await?;
        let outcome = match outcome {
            Ok(Proven { client, once: Some(once), secret, certificate }) => {
                let (id, once) = (client.id, Arc::new(once));
                if self.0.db.write(move |tx| assertion::spend(tx, id, &once)).await? {
                    Ok(Proven { client, once: None, secret, certificate })
                } else {
                    Err((Some(client), "its assertion counted before"))
                }
            }
            other => other,
        };
        match outcome {
            Ok(proven) => Ok(Ok(proven)),
            Err((client, why)) => {
                if let Some(address) = caller.ip() {
                    self.count_failure(address);
                }
                self.refused(client, why, caller).await?;
                Ok(Err(OauthRefusal::InvalidClient))
            }
        }
    }

    fn count_failure(&self, address: IpAddr) {
        // That none is left is for the next try to hear.
        let _ = self.0.token_failures.take(address, self.0.db.context().monotonic());
    }

    /// Writes a refusal down. As many as an address may have failures, so strangers cannot flood the log.
    async fn refused(&self, client: Option<OauthClientInfo>, why: &'static str, caller: &Caller) -> Result<(), Error> {
        let actor = caller.actor(Principal::Anonymous, AuthMethod::OauthClient);
        self.0
            .db
            .write(move |tx| {
                let target = client.as_ref().map(|client| client.id.to_string()).unwrap_or_default();
                let entry = audit::Entry {
                    actor: &actor,
                    workspace: client.as_ref().map(|client| client.workspace),
                    action: "oauth_token.issue",
                    target: (KIND, &target),
                    outcome: audit::Outcome::Failure,
                    reason: Some(why),
                    changes: None,
                };
                Ok::<_, Error>(audit::record(tx, entry)?)
            })
            .await?;
        Ok(())
    }

    fn write_token(
        &self,
        tx: &mut Tx<'_>,
        proven: &Proven,
        wanted: &Wanted,
        caller: &Caller,
    ) -> Result<Result<IssuedToken, OauthRefusal>, Error> {
        let client = &proven.client;
        let now = tx.now();
        let life = Duration::from_mins(u64::from(client.token_minutes));
        let expires_at = now.plus(life);
        // Deleted between the two transactions: then there is nobody to give a token to.
        let used = "UPDATE oauth_clients SET last_used_at = $2 WHERE id = $1";
        if tx.execute(used, &params![client.id, now])? == 0 {
            return Ok(Err(OauthRefusal::InvalidClient));
        }
        let token = crypto::token::mint(crypto::token::Kind::Access, tx.context().chance());
        let hash = self.0.vault.token_hash(token.expose_secret()).to_vec();
        let scopes: Vec<&str> = wanted.scopes.iter().map(|scope| scope.name()).collect();
        let bound = proven.certificate.as_ref().map(|certificate| certificate.fingerprint.0.to_vec());
        tx.execute(
            "INSERT INTO oauth_tokens (token_hash, client, scopes, audiences, certificate, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &params![hash, client.id, scopes.join(" "), Audience::text(&wanted.audiences), bound, now, expires_at],
        )?;
        if let Some(secret) = proven.secret {
            tx.execute(
                "UPDATE oauth_client_secrets SET last_used_at = $2 WHERE token_hash = $1",
                &params![secret.to_vec(), now],
            )?;
        }
        if let Some(certificate) =
            proven.certificate.as_ref().filter(|_| client.proof == Some(ClientProof::Certificate))
        {
            certificate_used(tx, CertificateOwner { kind: KIND, id: client.id.uuid() }, certificate)?;
        }
        let changes = serde_json::json!({
            "scopes": scopes,
            "audiences": Audience::text(&wanted.audiences),
            "expires_at": expires_at.rfc3339(),
            "proof": client.proof.map(ClientProof::name),
        });
        note(tx, caller, client, "oauth_token.issue", Some(changes))?;
        Ok(Ok(IssuedToken { token, expires_in: life, scopes: wanted.scopes.clone() }))
    }
}

fn principal(client: &OauthClientInfo) -> Principal {
    Principal::OauthClient { id: client.id, name: client.name.clone() }
}

/// What the audit log hears of a client that proved itself.
fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    client: &OauthClientInfo,
    action: &'static str,
    changes: Option<serde_json::Value>,
) -> Result<(), Error> {
    let entry = audit::Entry {
        actor: &caller.actor(principal(client), AuthMethod::OauthClient),
        workspace: Some(client.workspace),
        action,
        target: (KIND, &client.id.to_string()),
        outcome: audit::Outcome::Success,
        reason: None,
        changes,
    };
    audit::record(tx, entry)?;
    Ok(())
}

/// Whether the proof is the client's own, and comes from where it may. The reason is for the audit log alone.
fn check(
    tx: &mut Tx<'_>,
    client: &OauthClientInfo,
    shown: &Shown,
    address: Option<IpAddr>,
) -> Result<Result<Option<Once>, &'static str>, Error> {
    let now = tx.now();
    let mut once = None;
    // One proof and no other beside it: a client that shows two is not set up as it should be.
    let right = match (client.proof, shown.secret, &shown.signed) {
        (Some(ClientProof::Secret), Some(hash), None) => {
            let found = tx.query_opt(
                "SELECT client FROM oauth_client_secrets WHERE token_hash = $1 AND client = $2 \
                 AND (retires_at IS NULL OR retires_at > $3)",
                &params![hash.to_vec(), client.id, now],
                |row| row.get::<String>("client"),
            )?;
            found.is_some()
        }
        (Some(ClientProof::PrivateKeyJwt), None, Some(signed)) => {
            let url = &shown.url;
            let (token, revoke) = (format!("{url}/oauth/token"), format!("{url}/oauth/revoke"));
            let audiences = [url.as_str(), token.as_str(), revoke.as_str()];
            match signed.check(client.id, &client.public_keys, &audiences, now) {
                Ok(counts) => once = Some(counts),
                Err(why) => return Ok(Err(why)),
            }
            true
        }
        (Some(ClientProof::Certificate), None, None) => match &shown.certificate {
            Some(certificate) => {
                certificate_fits(tx, CertificateOwner { kind: KIND, id: client.id.uuid() }, certificate)?
            }
            None => false,
        },
        _ => false,
    };
    if !right {
        return Ok(Err("wrong proof"));
    }
    if client.expires_at.is_some_and(|end| end <= now) {
        return Ok(Err("its secret has ended"));
    }
    Ok(if client.admits(address) { Ok(once) } else { Err("from an address that is not on its list") })
}

/// Everything that was shown.
struct Shown {
    /// The hash of a secret.
    secret: Option<[u8; 32]>,
    signed: Option<Assertion>,
    certificate: Option<Arc<crypto::tls::ClientCertificate>>,
    /// The address that assertions are meant for.
    url: String,
}

/// What a token is to allow, and where it is to count.
struct Wanted {
    scopes: Vec<KeyScope>,
    audiences: Vec<Audience>,
}

fn wanted(request: &TokenRequest, client: &OauthClientInfo, public_url: &str) -> Result<Wanted, OauthRefusal> {
    match request.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(OauthRefusal::UnsupportedGrant),
        None => return Err(OauthRefusal::InvalidRequest("grant_type is missing; send grant_type=client_credentials.")),
    }
    let mut scopes: Vec<KeyScope> = match &request.scope {
        None => client.scopes.clone(),
        Some(text) => text
            .split(' ')
            .filter(|name| !name.is_empty())
            .map(|name| client.scopes.iter().copied().find(|scope| scope.name() == name))
            .collect::<Option<_>>()
            .ok_or(OauthRefusal::InvalidScope)?,
    };
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(OauthRefusal::InvalidScope);
    }
    let audiences = if request.resources.is_empty() {
        client.audiences.clone()
    } else {
        let named = |indicator: &String| {
            let found = Audience::ALL.into_iter().find(|audience| audience.resource(public_url) == *indicator);
            found.filter(|audience| client.audiences.contains(audience))
        };
        let mut audiences: Vec<Audience> = Vec::new();
        for audience in request.resources.iter().map(named) {
            let audience = audience.ok_or(OauthRefusal::InvalidTarget)?;
            if !audiences.contains(&audience) {
                audiences.push(audience);
            }
        }
        audiences
    };
    Ok(Wanted { scopes, audiences })
}

/// A live token with its client. What was taken from the client since is taken from its tokens.
fn find(tx: &mut Tx<'_>, hash: &[u8; 32]) -> Result<Option<AccessToken>, Error> {
    let now = tx.now();
    let sql = format!(
        "SELECT {}, t.scopes AS token_scopes, t.audiences AS token_audiences, t.certificate, t.expires_at AS token_ends \
         FROM oauth_tokens t JOIN oauth_clients c ON c.id = t.client {} WHERE t.token_hash = $1 AND t.expires_at > $2",
        oauth_client::COLUMNS,
        oauth_client::SECRETS
    );
    let found = tx.query_opt(&sql, &params![hash.to_vec(), now], |row| {
        let client = oauth_client::info(row)?;
        let mut scopes = crate::fields::scopes_of(&row.get::<String>("token_scopes")?);
        scopes.retain(|scope| client.scopes.contains(scope));
        let mut audiences = Audience::read(&row.get::<String>("token_audiences")?);
        audiences.retain(|audience| client.audiences.contains(audience));
        let certificate = row.get::<Option<Vec<u8>>>("certificate")?;
        // A fingerprint that cannot be read is nobody's.
        let certificate = certificate.map(|bytes| bytes.try_into().unwrap_or_default());
        Ok(AccessToken { client, scopes, audiences, certificate, expires_at: row.get("token_ends")? })
    })?;
    Ok(found)
}
