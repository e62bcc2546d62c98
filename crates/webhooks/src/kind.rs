//! The kinds `webhooks` (of a workspace) and `account_webhooks` (of the whole account): where callbacks go, and how we prove
//! ourselves there. Credentials are sealed, and written and seen by holders of the right to integrations alone.

use std::sync::Arc;
use std::time::Duration;

use access::Capability;
use base::{ExposeSecret, WebhookId};
use crypto::webhook::WebhookKey;
use outbound::{Refused, Rules, Target};
use resources::{Check, Class, Field, KindScope, Projection, SecretSlot, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::{Changed, Tx, params};
use vault::SealedColumn;

use crate::shared::Shared;
use crate::{TOPIC, rows};

/// The kind of a workspace's webhooks.
pub const WEBHOOKS: &str = "webhooks";
/// The kind of the account's webhooks.
pub const ACCOUNT_WEBHOOKS: &str = "account_webhooks";

/// Webhooks of a workspace.
#[derive(Clone, Debug)]
pub struct WebhooksKind(pub(crate) Arc<Shared>);

/// Webhooks of the whole account.
#[derive(Clone, Debug)]
pub struct AccountWebhooksKind(pub(crate) Arc<Shared>);

/// A webhook as people configure it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookBody {
    name: String,
    url: String,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default = "all")]
    events: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signing_secret: Option<SecretSlot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authorization: Option<SecretSlot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oauth: Option<OauthBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls_ca: Option<String>,
    #[serde(default = "one_day")]
    rotation_hours: u32,
}

/// How a token is fetched (RFC 6749 section 4.4).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OauthBody {
    url: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<SecretSlot>,
    #[serde(default = "header")]
    credentials_in: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

const fn yes() -> bool {
    true
}

const fn one_day() -> u32 {
    24
}

fn header() -> String {
    "header".to_owned()
}

fn all() -> Vec<String> {
    EVENTS.iter().map(|&event| event.to_owned()).collect()
}

/// What a webhook may want to hear of.
pub const EVENTS: &[&str] = &["receipts", "inbound"];

const OAUTH: &[Field] = &[
    Field::new("url", Class::Internal, Shape::Text).required().about("where the token is fetched; https"),
    Field::new("client_id", Class::Internal, Shape::Text).required().about("who we are there"),
    Field::new("client_secret", Class::Restricted, Shape::SECRET).required().about("how we prove it"),
    Field::new("credentials_in", Class::Internal, Shape::Choice(&["header", "body"]))
        .about("where id and secret are put: the header Authorization (when left out), or the body"),
    Field::new("scope", Class::Internal, Shape::Text).about("the scope that is asked for"),
];

const FIELDS: &[Field] = &[
    Field::new("name", Class::Internal, Shape::Text).required().about("what receives"),
    Field::new("url", Class::Internal, Shape::Text)
        .required()
        .about("where callbacks are sent; https, port 443 or 8443 unless the operator allows another"),
    Field::new("enabled", Class::Internal, Shape::Boolean).about("whether callbacks are sent; true when left out"),
    Field::new("events", Class::Internal, Shape::List(&Shape::Choice(EVENTS)))
        .about("what is sent: receipts, inbound; both when left out"),
    Field::new("signing_secret", Class::Restricted, Shape::WEBHOOK)
        .about("the secret of signatures (whsec_…), when it is brought along; drawn by us and shown once otherwise"),
    Field::new("authorization", Class::Restricted, Shape::SECRET)
        .about("the value of the header Authorization, such as Bearer …; not together with oauth"),
    Field::new("oauth", Class::Internal, Shape::Object(OAUTH))
        .about("how a token for the header Authorization is fetched (client credentials)"),
    Field::new("tls_ca", Class::Internal, Shape::Text)
        .about("a private authority (PEM) that vouches for the receiver, in place of the machine's"),
    Field::new("rotation_hours", Class::Internal, Shape::Integer(0, 168))
        .about("hours for which the signing secret before signs too after a new one was set; 24 when left out"),
];

macro_rules! kind {
    ($type:ty, $name:expr, $scope:expr) => {
        impl TypedKind for $type {
            type Body = WebhookBody;
            const NAME: &'static str = $name;
            const SCOPE: KindScope = $scope;
            const FIELDS: &'static [Field] = FIELDS;
            const CAPABILITY: Capability = Capability::IntegrationsWrite;

            fn key(&self, body: &WebhookBody) -> String {
                body.name.clone()
            }

            fn validate(&self, body: &WebhookBody, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
                validate(&self.0, body, check);
                Ok(())
            }

            fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, WebhookBody>) -> Result<(), resources::Error> {
                project(&self.0, tx, change)
            }

            fn sealed_columns(&self) -> &'static [SealedColumn] {
                rows::SEALED
            }
        }
    };
}

kind!(WebhooksKind, WEBHOOKS, KindScope::Workspace);
kind!(AccountWebhooksKind, ACCOUNT_WEBHOOKS, KindScope::Organisation);

fn validate(shared: &Shared, body: &WebhookBody, check: &mut Check<'_, '_>) {
    if !(1..=100).contains(&body.name.chars().count()) {
        check.problem("name", "bad-name", "A name has 1 to 100 characters.");
    }
    for (path, url) in [("url", Some(&body.url)), ("oauth.url", body.oauth.as_ref().map(|oauth| &oauth.url))] {
        if let Some(Err(refused)) = url.map(|url| acceptable(shared, url)) {
            check.problem(path, "bad-url", format!("{refused}."));
        }
    }
    if body.events.is_empty() {
        check.problem("events", "no-events", "Nothing would be sent. Write receipts, inbound, or both.");
    }
    if body.authorization.is_some() && body.oauth.is_some() {
        check.problem(
            "oauth",
            "two-authorizations",
            "A request has one header Authorization: give authorization or oauth, not both.",
        );
    }
    let secret = check.secret("signing_secret").map(|secret| WebhookKey::parse(secret.expose_secret()).is_ok());
    if secret == Some(false) {
        check.problem(
            "signing_secret",
            "bad-secret",
            "A signing secret is `whsec_` and the base64 of 24 to 64 bytes. Leave it out to have one drawn.",
        );
    }
    let header = check.secret("authorization").map(|value| {
        let value = value.expose_secret();
        (1..=4_096).contains(&value.len()) && value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    });
    if header == Some(false) {
        check.problem("authorization", "bad-header", "The value of a header has 1 to 4,096 visible ASCII characters.");
    }
    if let Some(pem) = &body.tls_ca
        && let Err(error) = crypto::tls::client_config(&crypto::tls::Roots::Pem(pem.clone()), &[])
    {
        check.problem("tls_ca", "bad-authority", format!("{error}."));
    }
}

/// Whether a URL may be asked, by the operator's rules where this process knows them.
fn acceptable(shared: &Shared, url: &str) -> Result<(), Refused> {
    match shared.guarded() {
        Some(guarded) => guarded.check(url).map(drop),
        // A tool on the machine does not know the server's rules: whether a port or an address is open is decided there.
        None => match Target::parse(url, &Rules::default()) {
            Err(Refused::Port(_) | Refused::Inside(..)) | Ok(_) => Ok(()),
            Err(refused) => Err(refused),
        },
    }
}

fn project(
    shared: &Arc<Shared>,
    tx: &mut Tx<'_>,
    change: &Projection<'_, WebhookBody>,
) -> Result<(), resources::Error> {
    let id: WebhookId = change.id();
    tx.touched(Changed { workspace: change.workspace, topic: TOPIC, id: id.to_string() });
    let Some(new) = change.new else {
        rows::remove(tx, id, change.now)?;
        return announce(shared, tx);
    };
    let place = change.workspace.map_or_else(String::new, |workspace| workspace.to_string());
    let mut sealed = |column, path| -> Result<Option<String>, resources::Error> {
        let (Some(secret), Some(vault)) = (change.secret(path), shared.vault()) else { return Ok(None) };
        let sealed = rows::seal(tx, vault, change.workspace, column, id, secret.expose_secret(), change.now);
        sealed.map(Some).map_err(resources::Error::kind)
    };
    let (authorization, client_secret) =
        (sealed("auth_header", "authorization")?, sealed("client_secret", "oauth.client_secret")?);
    let oauth = new.oauth.as_ref();
    tx.execute(
        "INSERT INTO webhooks (id, workspace, own, name, url, enabled, events, auth_header, token_url, client_id, client_secret,
             credentials_in, scope, authority, version, removed)
         VALUES ($1, $2, FALSE, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, FALSE)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, url = excluded.url, enabled = excluded.enabled,
             events = excluded.events, auth_header = excluded.auth_header, token_url = excluded.token_url,
             client_id = excluded.client_id, client_secret = excluded.client_secret, credentials_in = excluded.credentials_in,
             scope = excluded.scope, authority = excluded.authority, version = excluded.version, removed = FALSE",
        &params![
            id,
            &place,
            &new.name,
            &new.url,
            new.enabled,
            new.events.join(" "),
            authorization,
            oauth.map(|oauth| oauth.url.as_str()),
            oauth.map(|oauth| oauth.client_id.as_str()),
            client_secret,
            oauth.map(|oauth| oauth.credentials_in.as_str()),
            oauth.and_then(|oauth| oauth.scope.as_deref()),
            new.tls_ca.as_deref(),
            change.version
        ],
    )?;
    // What was changed may have mended it: it is asked at once.
    tx.execute("UPDATE webhooks SET probe_at = $2 WHERE id = $1 AND circuit = 1", &params![id, change.now])?;
    if let (Some(secret), Some(vault)) = (change.secret("signing_secret"), shared.vault()) {
        let old_until = change.now.plus(Duration::from_hours(u64::from(new.rotation_hours)));
        let hash = vault.token_hash(secret.expose_secret());
        let sealed = rows::seal_secret(tx, vault, change.workspace, id, secret.expose_secret(), change.now);
        let sealed = sealed.map_err(resources::Error::kind)?;
        rows::replace_secret(tx, id, &place, &hash, &sealed, change.now, old_until)?;
    }
    announce(shared, tx)
}

/// From the commit on, this process knows who listens.
fn announce(shared: &Arc<Shared>, tx: &mut Tx<'_>) -> Result<(), resources::Error> {
    let (listening, shared) = (rows::listening(tx)?, Arc::clone(shared));
    tx.after_commit(move || shared.heard(listening));
    Ok(())
}
