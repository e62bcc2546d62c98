//! The kind `api_keys`: the key of a program in one workspace. We draw the token and show it once, or it is imported;
//! either way only its hash is kept. Created and deleted by people with the right `keys:manage` alone (control E-08).

use std::time::Duration;

use access::Capability;
use base::{ApiKeyId, ExposeSecret, Timestamp};
use resources::{Check, Class, Error, Field, KindScope, Projection, SecretSlot, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::{Tx, params};

use crate::certificates::{
    CertificateOwner, check_certificates, check_credential, check_new_certificates, forget_certificates,
    set_certificates, taken,
};
use crate::fields::{check_networks, check_rights, check_scopes, ends};
use crate::key_rotation::{KEYS, rotate_secret};

/// The path of the token.
const TOKEN: &str = "token";
/// Characters of an imported token at least: shorter ones could be tried out.
const SHORTEST: usize = 24;

/// API keys as a kind of resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiKeysKind;

/// An API key as people configure it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiKeyBody {
    name: String,
    scopes: Vec<String>,
    #[serde(default = "ninety_days")]
    expires_days: u32,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<String>,
    #[serde(default = "one_day")]
    rotation_hours: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<SecretSlot>,
}

const fn ninety_days() -> u32 {
    90
}

const fn one_day() -> u32 {
    24
}

impl TypedKind for ApiKeysKind {
    type Body = ApiKeyBody;
    const NAME: &'static str = "api_keys";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::ApiKeysManage;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("which program uses it"),
        Field::new("scopes", Class::Internal, Shape::List(&Shape::Text))
            .required()
            .about("what it may do, such as signals:send or messages:send"),
        Field::new("expires_days", Class::Internal, Shape::Integer(1, 366))
            .about("days a token works, counted from when it is set"),
        Field::new("allow", Class::Internal, Shape::List(&Shape::Text))
            .about("addresses and networks from which it may be used; from everywhere when empty"),
        Field::new("certificates", Class::Internal, Shape::List(&Shape::Text))
            .about("client certificates that stand instead of the token: a SHA-256 fingerprint, or \"CN=app issued by CN=Example CA\""),
        Field::new("rotation_hours", Class::Internal, Shape::Integer(0, 720))
            .about("hours for which the token before works on after a new one was set"),
        Field::new(TOKEN, Class::Restricted, Shape::token(crypto::token::Kind::Key))
            .about("the token, when it is brought along; drawn by us and shown once otherwise"),
    ];

    fn key(&self, body: &ApiKeyBody) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &ApiKeyBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        check_scopes(check, "scopes", &body.scopes);
        Self::within_rights(body, check)?;
        check_networks(check, &body.allow);
        check_certificates(check, &body.certificates);
        if check.secret_changed(TOKEN) {
            check_credential(check, TOKEN, Capability::CredentialApiKey);
        }
        check_new_certificates(check, Self::NAME, &body.certificates)?;
        let given = check.secret(TOKEN).map(|token| token.expose_secret().to_owned());
        if let Some(token) = given.filter(|token| crypto::token::check(token) != Ok(crypto::token::Kind::Key)) {
            if token.starts_with("loudhailer_") {
                check.problem(
                    TOKEN,
                    "bad-token",
                    "this looks like one of our tokens, but not like an unharmed API key",
                );
            } else if !(SHORTEST..=256).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                check.problem(TOKEN, "bad-token", "an imported token has 24 to 256 visible ASCII characters");
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, ApiKeyBody>) -> Result<(), Error> {
        let id: ApiKeyId = change.id();
        let owner = CertificateOwner { kind: Self::NAME, id: id.uuid() };
        let (Some(new), Some(workspace)) = (change.new, change.workspace) else {
            forget_certificates(tx, owner)?;
            tx.execute("DELETE FROM api_key_tokens WHERE api_key = $1", &params![id])?;
            tx.execute("DELETE FROM api_keys WHERE id = $1", &params![id])?;
            return Ok(());
        };
        let now = change.now;
        let before: Option<(Timestamp, Timestamp)> =
            tx.query_opt("SELECT created_at, expires_at FROM api_keys WHERE id = $1", &params![id], |row| {
                Ok((row.get("created_at")?, row.get("expires_at")?))
            })?;
        let kept = before.zip(change.old).filter(|_| !change.secret_changed(TOKEN));
        let expires_at = ends(kept.map(|((_, end), old)| (end, old.expires_days)), new.expires_days, now);
        tx.execute(
            "INSERT INTO api_keys (id, workspace, name, scopes, allow, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, scopes = excluded.scopes, allow = excluded.allow, \
             expires_at = excluded.expires_at",
            &params![
                id,
                workspace,
                new.name.as_str(),
                new.scopes.join(" "),
                new.allow.join(" "),
                before.map_or(now, |(created_at, _)| created_at),
                expires_at
            ],
        )?;
        if taken(tx, owner, &new.certificates)?.is_some() {
            let remedy = "another key has this certificate, and one certificate is one program; use another";
            return Err(Error::invalid("certificates", "certificate-taken", remedy));
        }
        set_certificates(tx, owner, workspace, &new.certificates)?;
        if change.secret_changed(TOKEN) {
            rotate(tx, change, id, Duration::from_hours(u64::from(new.rotation_hours)))?;
        }
        Ok(())
    }
}

impl ApiKeysKind {
    /// A key is a program of whoever holds its token, so it never holds what they do not. What it held before stays when no
    /// token is drawn: a security officer narrows a key that they could not make.
    fn within_rights(body: &ApiKeyBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        let mut kept = String::new();
        // A certificate is a credential too, and could be one's own.
        if !check.is_new() && !check.secret_changed(TOKEN) && body.certificates.is_empty() {
            let id: ApiKeyId = check.id();
            let sql = "SELECT scopes FROM api_keys WHERE id = $1";
            kept = check.tx().query_opt(sql, &params![id], |row| row.get("scopes"))?.unwrap_or_default();
        }
        check_rights(check, "scopes", &body.scopes, &kept);
        Ok(())
    }
}

/// The new token, with the one before in rotation.
fn rotate(tx: &mut Tx<'_>, change: &Projection<'_, ApiKeyBody>, id: ApiKeyId, overlap: Duration) -> Result<(), Error> {
    let Some(hash) = change.secret_hash(TOKEN) else { return Ok(()) };
    rotate_secret(tx, &KEYS, id.uuid().into(), &hash, change.now.plus(overlap))?;
    let imported = change.secret(TOKEN).is_none_or(|token| crypto::token::check(token.expose_secret()).is_err());
    tx.execute(
        "INSERT INTO api_key_tokens (token_hash, api_key, retires_at, imported, set_at) VALUES ($1, $2, $3, $4, $5)",
        &params![hash.to_vec(), id, None::<Timestamp>, imported, change.now],
    )?;
    Ok(())
}
