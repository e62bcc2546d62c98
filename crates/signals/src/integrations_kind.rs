//! The kind `integrations` and its projection, with its credentials.

use std::time::Duration;

use access::Capability;
use base::{ExposeSecret, FlowId, IntegrationId};
use crypto::token;
use crypto::webhook::WebhookKey;
use resources::{Check, Class, Field, KindScope, Projection, SecretSlot, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::{Tx, params};
use vault::{SealedColumn, Vault};

use crate::credentials::{self, Fresh};
use crate::mapping::{built_in, built_in_names};
use crate::rows;
use crate::types::Auth;

/// Signals a minute when an integration says nothing.
const RATE: u32 = 600;
/// Signals a minute at most.
const RATE_MAX: u32 = 60_000;
/// Characters of an imported credential at least: shorter ones could be tried out.
const SHORTEST: usize = 24;
/// Characters of a user name at most.
const USERNAME_LIMIT: usize = 100;

/// The kind `integrations`. Secrets of signatures are sealed by the vault.
#[derive(Clone, Debug)]
pub struct IntegrationsKind {
    vault: Option<Vault>,
}

impl IntegrationsKind {
    /// The kind over a vault; without one it can check files, and stores nothing.
    pub const fn new(vault: Option<Vault>) -> Self {
        Self { vault }
    }
}

/// The field that holds the credential of a method; none for API keys, which belong to the workspace, and for
/// certificates, which are no secret.
pub(crate) const fn field_of(method: Auth) -> Option<&'static str> {
    match method {
        Auth::UrlToken => Some("token"),
        Auth::Basic => Some("password"),
        Auth::Hmac => Some("signing_secret"),
        Auth::ApiKey | Auth::Certificate => None,
    }
}

/// An integration as people configure it.
#[derive(Debug, Serialize, Deserialize)]
pub struct IntegrationBody {
    name: String,
    #[serde(default = "url_token")]
    auth: Vec<Auth>,
    #[serde(default = "generic")]
    mapping: String,
    flow: String,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default = "usual_rate")]
    rate_per_minute: u32,
    #[serde(default = "one_day")]
    rotation_hours: u32,
    #[serde(default = "ninety_days")]
    keep_days: u32,
    #[serde(default = "thirty_days")]
    keep_refused_days: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<SecretSlot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<SecretSlot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signing_secret: Option<SecretSlot>,
}

fn url_token() -> Vec<Auth> {
    vec![Auth::UrlToken]
}

fn generic() -> String {
    "generic".to_owned()
}

const fn yes() -> bool {
    true
}

const fn usual_rate() -> u32 {
    RATE
}

const fn one_day() -> u32 {
    24
}

const fn ninety_days() -> u32 {
    90
}

const fn thirty_days() -> u32 {
    30
}

const METHODS: &[&str] = &["url_token", "api_key", "basic", "hmac", "certificate"];

impl TypedKind for IntegrationsKind {
    type Body = IntegrationBody;
    const NAME: &'static str = "integrations";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::IntegrationsWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("what sends"),
        Field::new("auth", Class::Internal, Shape::List(&Shape::Choice(METHODS)))
            .about("how senders prove themselves, one way or several; url_token when left out"),
        Field::new("mapping", Class::Internal, Shape::Text)
            .about("how its signals are read: generic (when left out), another mapping of the product, or one of the workspace"),
        Field::new("flow", Class::Internal, Shape::Reference("flows")).required().about("what is done with its events"),
        Field::new("enabled", Class::Internal, Shape::Boolean).about("whether it takes signals; true when left out"),
        Field::new("rate_per_minute", Class::Internal, Shape::Integer(1, RATE_MAX as i64))
            .about("signals a minute at most; 600 when left out"),
        Field::new("rotation_hours", Class::Internal, Shape::Integer(0, 720))
            .about("hours for which the credential before works on after a new one was set"),
        Field::new("keep_days", Class::Internal, Shape::Integer(1, 3_650))
            .about("days for which accepted signals are kept with their bodies; 90 when left out"),
        Field::new("keep_refused_days", Class::Internal, Shape::Integer(1, 3_650))
            .about("days for which refused requests are kept; 30 when left out"),
        Field::new("certificates", Class::Internal, Shape::List(&Shape::Text)).about(
            "client certificates that prove the sender, with auth: certificate: a SHA-256 fingerprint, or \"CN=app issued by CN=Example CA\"",
        ),
        Field::new("username", Class::Internal, Shape::Text)
            .about("the user name of HTTP Basic; the integration's id when left out"),
        Field::new("token", Class::Restricted, Shape::token(token::Kind::Url))
            .about("the token of its URL, when it is brought along; drawn by us and shown once otherwise"),
        Field::new("password", Class::Restricted, Shape::token(token::Kind::Basic))
            .about("the password of HTTP Basic, when it is brought along; drawn by us and shown once otherwise"),
        Field::new("signing_secret", Class::Restricted, Shape::WEBHOOK).about(
            "the secret of signatures (whsec_…), when it is brought along; drawn by us and shown once otherwise",
        ),
    ];

    fn sealed_columns(&self) -> &'static [SealedColumn] {
        &[credentials::SEALED]
    }

    fn key(&self, body: &IntegrationBody) -> String {
        body.name.clone()
    }

    fn draws(&self, body: &IntegrationBody, path: &str) -> bool {
        body.auth.iter().any(|method| field_of(*method) == Some(path))
    }

    fn validate(&self, body: &IntegrationBody, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        if body.auth.is_empty() {
            check.problem(
                "auth",
                "no-auth",
                "Nobody could send to it. Write `auth: [url_token]`, `[api_key]`, `[basic]`, `[hmac]`, `[certificate]`, or several.",
            );
        }
        identity::check_certificates(check, &body.certificates);
        check_kinds(body, check)?;
        let by_certificate = body.auth.contains(&Auth::Certificate);
        if by_certificate == body.certificates.is_empty() {
            let detail = if by_certificate {
                "Name the certificate that proves the sender."
            } else {
                "Certificates count with `auth: [certificate]` alone. Add it, or remove them."
            };
            if by_certificate || !body.certificates.is_empty() {
                check.problem("certificates", "certificates-and-auth", detail);
            }
        }
        if built_in(&body.mapping).is_none() {
            let workspace = check.workspace();
            let mut names = rows::mapping_names(check.tx(), workspace)?;
            if !names.contains(&body.mapping) {
                names.extend(built_in_names().map(str::to_owned));
                let near = base::nearest(&body.mapping, names.iter().map(String::as_str));
                check.problem(
                    "mapping",
                    "unknown-mapping",
                    format!("There is no such mapping. Did you mean `{near}`?"),
                );
            }
        }
        if let Some(name) = &body.username {
            let fits = (1..=USERNAME_LIMIT).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
            if !fits {
                check.problem(
                    "username",
                    "bad-username",
                    "A user name of HTTP Basic has 1 to 100 visible ASCII characters, and no colon (RFC 7617).",
                );
            }
        }
        token_fits(check, "token", token::Kind::Url, "a URL token");
        token_fits(check, "password", token::Kind::Basic, "a password of HTTP Basic");
        let secret = check.secret("signing_secret").map(|secret| WebhookKey::parse(secret.expose_secret()).is_ok());
        if secret == Some(false) {
            check.problem(
                "signing_secret",
                "bad-secret",
                "A signing secret is `whsec_` and the base64 of 24 to 64 bytes. Leave it out to have one drawn.",
            );
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, IntegrationBody>) -> Result<(), resources::Error> {
        let id: IntegrationId = change.id();
        let owner = credentials::holder(id);
        let Some(new) = change.new else {
            identity::forget_certificates(tx, owner)?;
            for method in Auth::ALL {
                credentials::withdraw(tx, id, method)?;
            }
            tx.execute("UPDATE integrations SET removed = TRUE, changed = $2 WHERE id = $1", &params![id, change.now])?;
            return Ok(());
        };
        let flow: FlowId = change.reference("flows", &new.flow)?;
        let auth = serde_json::to_string(&new.auth).map_err(|error| resources::Error::Body(Box::new(error)))?;
        tx.execute(
            "INSERT INTO integrations (id, workspace, name, auth, mapping, flow, flow_name, enabled, rate, changed, removed,
                 username, rotation_hours, keep_days, keep_refused_days)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, FALSE, $11, $12, $13, $14)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, auth = excluded.auth, mapping = excluded.mapping,
                 flow = excluded.flow, flow_name = excluded.flow_name, enabled = excluded.enabled, rate = excluded.rate,
                 changed = excluded.changed, removed = FALSE, username = excluded.username,
                 rotation_hours = excluded.rotation_hours, keep_days = excluded.keep_days,
                 keep_refused_days = excluded.keep_refused_days",
            &params![
                id,
                change.workspace,
                &new.name,
                auth,
                &new.mapping,
                flow,
                &new.flow,
                new.enabled,
                new.rate_per_minute,
                change.now,
                new.username.as_deref(),
                new.rotation_hours,
                new.keep_days,
                new.keep_refused_days
            ],
        )?;
        if let Some(workspace) = change.workspace {
            identity::set_certificates(tx, owner, workspace, &new.certificates)?;
        }
        for method in Auth::ALL {
            if new.auth.contains(&method) {
                self.credential(tx, change, id, method, new.rotation_hours)?;
            } else {
                credentials::withdraw(tx, id, method)?;
            }
        }
        Ok(())
    }
}

/// The right to make credentials of a method; none for API keys, which are made elsewhere.
pub const fn kind_of(method: Auth) -> Option<Capability> {
    match method {
        Auth::UrlToken => Some(Capability::CredentialUrlToken),
        Auth::Basic => Some(Capability::CredentialBasic),
        Auth::Hmac => Some(Capability::CredentialHmac),
        Auth::Certificate => Some(Capability::CredentialCertificate),
        Auth::ApiKey => None,
    }
}

/// A role says which kinds of credentials its holders may make (control X-08). What is there already stays as it is.
fn check_kinds(body: &IntegrationBody, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
    let id: IntegrationId = check.id();
    let before = rows::methods(check.tx(), id)?;
    for method in &body.auth {
        let changed = field_of(*method).is_some_and(|path| check.secret_changed(path));
        if let Some(kind) = kind_of(*method).filter(|_| changed || !before.contains(method)) {
            identity::check_credential(check, "auth", kind);
        }
    }
    Ok(identity::check_new_certificates(check, IntegrationsKind::NAME, &body.certificates)?)
}

impl IntegrationsKind {
    /// Brings the credential of a method in line with the body: a new one takes over, the one that is there stays.
    fn credential(
        &self,
        tx: &mut Tx<'_>,
        change: &Projection<'_, IntegrationBody>,
        id: IntegrationId,
        method: Auth,
        rotation_hours: u32,
    ) -> Result<(), resources::Error> {
        let Some(path) = field_of(method) else { return Ok(()) };
        let (hash, sealed) = if method == Auth::Hmac {
            let Some(secret) = change.secret(path) else { return Ok(()) };
            let vault = self.vault.as_ref().ok_or(resources::Error::NotFound)?;
            let hash = vault.token_hash(secret.expose_secret());
            let sealed = credentials::seal(tx, vault, change.workspace, id, secret.expose_secret(), change.now);
            (hash, Some(sealed.map_err(resources::Error::kind)?))
        } else {
            let Some(hash) = change.secret_hash(path) else { return Ok(()) };
            (hash, None)
        };
        // One of our tokens that a file brings along was drawn by us all the same.
        let ours = change.secret(path).is_some_and(|secret| token::check(secret.expose_secret()).is_ok());
        let fresh = Fresh {
            method,
            hash,
            sealed,
            imported: !ours && !change.secret_drawn(path),
            now: change.now,
            old_until: change.now.plus(Duration::from_hours(u64::from(rotation_hours))),
            id,
            workspace: change.workspace,
        };
        credentials::replace(tx, &fresh)?;
        Ok(())
    }
}

/// Whether a given token or password is one of ours unharmed, or an imported one that cannot be tried out.
fn token_fits(check: &mut Check<'_, '_>, path: &'static str, kind: token::Kind, what: &str) {
    let given = check.secret(path).map(|token| token.expose_secret().to_owned());
    let Some(given) = given.filter(|given| token::check(given) != Ok(kind)) else { return };
    if given.starts_with("loudhailer_") {
        let detail = format!("This looks like one of our tokens, but not like {what}, unharmed.");
        check.problem(path, "bad-token", detail);
    } else if !(SHORTEST..=256).contains(&given.len()) || !given.bytes().all(|byte| byte.is_ascii_graphic()) {
        let detail = format!(
            "As {what}, an imported value has 24 to 256 visible ASCII characters; it is never a person's password."
        );
        check.problem(path, "bad-token", detail);
    }
}
