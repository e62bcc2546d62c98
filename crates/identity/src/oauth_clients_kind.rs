//! The kind `oauth_clients`: a program that fetches short-lived tokens (OAuth 2.1, client credentials). It proves itself in one
//! way alone, so that nobody can choose a weaker one for it: by a secret that we draw, by a key of its own, or by a certificate.
//! Created and deleted by people with the right `keys:manage` alone (control E-08).

use std::time::Duration;

use access::Capability;
use base::{ExposeSecret, OauthClientId, Timestamp};
use resources::{Check, Class, Error, Field, KindScope, Projection, SecretSlot, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::{Tx, params};

use crate::certificates::{
    CertificateOwner, check_certificates, check_credential, check_new_certificates, forget_certificates,
    set_certificates,
};
use crate::fields::{check_networks, check_rights, check_scopes, ends};
use crate::key_rotation::{CLIENTS, rotate_secret};
use crate::oauth_client::{Audience, ClientProof};

/// The path of the secret.
const SECRET: &str = "secret";
/// Keys of one client at most.
const MOST_KEYS: usize = 4;

/// OAuth clients as a kind of resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct OauthClientsKind;

/// An OAuth client as people configure it.
#[derive(Debug, Serialize, Deserialize)]
pub struct OauthClientBody {
    name: String,
    scopes: Vec<String>,
    #[serde(default)]
    proof: ClientProof,
    #[serde(default = "both")]
    audiences: Vec<Audience>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default = "a_quarter")]
    token_minutes: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks: Option<serde_json::Value>,
    #[serde(default = "ninety_days")]
    expires_days: u32,
    #[serde(default = "one_day")]
    rotation_hours: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<SecretSlot>,
}

fn both() -> Vec<Audience> {
    Audience::ALL.to_vec()
}

const fn a_quarter() -> u32 {
    15
}

const fn ninety_days() -> u32 {
    90
}

const fn one_day() -> u32 {
    24
}

impl TypedKind for OauthClientsKind {
    type Body = OauthClientBody;
    const NAME: &'static str = "oauth_clients";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::ApiKeysManage;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("which program uses it"),
        Field::new("scopes", Class::Internal, Shape::List(&Shape::Text))
            .required()
            .about("what its tokens may allow at most, such as signals:send or messages:send"),
        Field::new("proof", Class::Internal, Shape::Choice(&ClientProof::NAMES)).about(
            "how it proves itself: by a secret of ours, by a key of its own (private_key_jwt), or by a certificate",
        ),
        Field::new("audiences", Class::Internal, Shape::List(&Shape::Choice(&Audience::NAMES)))
            .about("where its tokens count: at the API, at the doors for signals, or both"),
        Field::new("allow", Class::Internal, Shape::List(&Shape::Text))
            .about("addresses and networks from which it fetches and uses tokens; from everywhere when empty"),
        Field::new("token_minutes", Class::Internal, Shape::Integer(1, 60)).about("minutes a token lives"),
        Field::new("certificates", Class::Internal, Shape::List(&Shape::Text)).about(
            "its certificates, with proof: certificate: a SHA-256 fingerprint, or \"CN=app issued by CN=Example CA\"",
        ),
        Field::new("jwks", Class::Internal, Shape::Any)
            .about("its public keys, with proof: private_key_jwt: a set as RFC 7517 has it, two keys in rotation"),
        Field::new("expires_days", Class::Internal, Shape::Integer(1, 366))
            .about("days a secret works, counted from when it is set"),
        Field::new("rotation_hours", Class::Internal, Shape::Integer(0, 720))
            .about("hours for which the secret before works on after a new one was set"),
        Field::new(SECRET, Class::Restricted, Shape::token(crypto::token::Kind::Client))
            .about("the secret, with proof: secret; drawn by us and shown once when left out"),
    ];

    fn key(&self, body: &OauthClientBody) -> String {
        body.name.clone()
    }

    fn draws(&self, body: &OauthClientBody, path: &str) -> bool {
        path == SECRET && body.proof == ClientProof::Secret
    }

    fn validate(&self, body: &OauthClientBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        check_scopes(check, "scopes", &body.scopes);
        check_rights(check, "scopes", &body.scopes, "");
        check_networks(check, &body.allow);
        check_certificates(check, &body.certificates);
        if check.is_new() || check.secret_changed(SECRET) {
            check_credential(check, SECRET, Capability::CredentialOauth);
        }
        check_new_certificates(check, Self::NAME, &body.certificates)?;
        if body.audiences.is_empty() {
            check.problem("audiences", "no-audience", "a token that counts nowhere is of no use; give api or signals");
        }
        match (body.proof, body.certificates.is_empty()) {
            (ClientProof::Certificate, true) => {
                check.problem(
                    "certificates",
                    "no-certificate",
                    "name the certificate that the client proves itself by",
                );
            }
            (ClientProof::Secret | ClientProof::PrivateKeyJwt, false) => {
                let remedy = "certificates count with proof: certificate alone; remove them, or change the proof";
                check.problem("certificates", "certificate-unused", remedy);
            }
            _ => {}
        }
        check_keys(check, body);
        let given = check.secret(SECRET).map(|secret| secret.expose_secret().to_owned());
        if let Some(secret) = given {
            if body.proof != ClientProof::Secret {
                check.problem(SECRET, "secret-unused", "a secret counts with proof: secret alone; remove it");
            } else if crypto::token::check(&secret) != Ok(crypto::token::Kind::Client) {
                let remedy =
                    "a client's secret is one that we drew, exactly as it was shown; leave it out for a new one";
                check.problem(SECRET, "bad-secret", remedy);
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, OauthClientBody>) -> Result<(), Error> {
        let id: OauthClientId = change.id();
        let owner = CertificateOwner { kind: Self::NAME, id: id.uuid() };
        let (Some(new), Some(workspace)) = (change.new, change.workspace) else {
            for sql in [
                "DELETE FROM oauth_tokens WHERE client = $1",
                "DELETE FROM oauth_client_secrets WHERE client = $1",
                "DELETE FROM oauth_assertions WHERE client = $1",
                "DELETE FROM oauth_clients WHERE id = $1",
            ] {
                tx.execute(sql, &params![id])?;
            }
            forget_certificates(tx, owner)?;
            return Ok(());
        };
        if change.old.is_some_and(|old| old.proof != new.proof) {
            let remedy =
                "a client proves itself in one way for as long as it lives; make another client and delete this one";
            return Err(Error::invalid("proof", "proof-is-kept", remedy));
        }
        let now = change.now;
        let before: Option<(Timestamp, Option<Timestamp>)> =
            tx.query_opt("SELECT created_at, expires_at FROM oauth_clients WHERE id = $1", &params![id], |row| {
                Ok((row.get("created_at")?, row.get("expires_at")?))
            })?;
        let kept = before.and_then(|(_, end)| end).zip(change.old).filter(|_| !change.secret_changed(SECRET));
        let expires_at = (new.proof == ClientProof::Secret)
            .then(|| ends(kept.map(|(end, old)| (end, old.expires_days)), new.expires_days, now));
        tx.execute(
            "INSERT INTO oauth_clients \
             (id, workspace, name, proof, scopes, audiences, allow, token_minutes, public_keys, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, proof = excluded.proof, scopes = excluded.scopes, \
             audiences = excluded.audiences, allow = excluded.allow, token_minutes = excluded.token_minutes, \
             public_keys = excluded.public_keys, expires_at = excluded.expires_at",
            &params![
                id,
                workspace,
                new.name.as_str(),
                new.proof.name(),
                new.scopes.join(" "),
                Audience::text(&new.audiences),
                new.allow.join(" "),
                i64::from(new.token_minutes),
                new.jwks.as_ref().map(ToString::to_string).unwrap_or_default(),
                before.map_or(now, |(created_at, _)| created_at),
                expires_at
            ],
        )?;
        set_certificates(tx, owner, workspace, &new.certificates)?;
        if change.secret_changed(SECRET) {
            rotate(tx, change, id, Duration::from_hours(u64::from(new.rotation_hours)))?;
        }
        Ok(())
    }
}

/// Notes what is wrong with the keys of a client.
fn check_keys(check: &mut Check<'_, '_>, body: &OauthClientBody) {
    let problem = match (&body.jwks, body.proof) {
        (None, ClientProof::PrivateKeyJwt) => {
            Some(("no-keys", "give the client's public keys: {keys: [{kty: EC, crv: P-256, kid: …, x: …, y: …}]}"))
        }
        (Some(_), ClientProof::Secret | ClientProof::Certificate) => {
            Some(("keys-unused", "keys count with proof: private_key_jwt alone; remove them"))
        }
        (Some(jwks), ClientProof::PrivateKeyJwt) => {
            let listed = jwks.get("keys").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
            let private = jwks
                .get("keys")
                .and_then(serde_json::Value::as_array)
                .is_some_and(|keys| keys.iter().any(|key| key.get("d").is_some() || key.get("k").is_some()));
            let usable = crypto::jwt::KeySet::parse(jwks.to_string().as_bytes()).map_or(0, |keys| keys.len());
            if private {
                Some(("private-key", "a private key is in it: make a new pair, and give the public half alone"))
            } else if usable == 0 || usable != listed || listed > MOST_KEYS {
                Some((
                    "bad-keys",
                    "1 to 4 public keys for signing are expected, each RSA (2048 bits or more), EC or Ed25519",
                ))
            } else {
                None
            }
        }
        (None, _) => None,
    };
    if let Some((code, remedy)) = problem {
        check.problem("jwks", code, remedy);
    }
}

/// The new secret, with the one before in rotation.
fn rotate(
    tx: &mut Tx<'_>,
    change: &Projection<'_, OauthClientBody>,
    id: OauthClientId,
    overlap: Duration,
) -> Result<(), Error> {
    let Some(hash) = change.secret_hash(SECRET) else { return Ok(()) };
    rotate_secret(tx, &CLIENTS, id.uuid().into(), &hash, change.now.plus(overlap))?;
    tx.execute(
        "INSERT INTO oauth_client_secrets (token_hash, client, retires_at, set_at) VALUES ($1, $2, $3, $4)",
        &params![hash.to_vec(), id, None::<Timestamp>, change.now],
    )?;
    Ok(())
}
