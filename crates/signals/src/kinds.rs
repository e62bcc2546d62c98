//! The kinds `mappings` and `integrations` and their projections.

use std::time::Duration;

use access::Capability;
use base::{ExposeSecret, FlowId, IntegrationId, Timestamp};
use resources::{Check, Class, Field, Kind, KindScope, Projection, SecretSlot, Shape, TypedKind, typed};
use serde::{Deserialize, Serialize};
use store::{Tx, params};

use crate::mapping::{Mapping, PRIORITIES, built_in, built_in_names};
use crate::rows;
use crate::types::Auth;

/// Signals a minute when an integration says nothing.
const RATE: u32 = 600;
/// Signals a minute at most.
const RATE_MAX: u32 = 60_000;
/// Characters of an imported token at least: shorter ones could be tried out.
const SHORTEST: usize = 24;

/// The kinds of this room, for the registry: mappings first, because integrations name them.
pub fn kinds() -> Vec<Box<dyn Kind>> {
    vec![typed(MappingsKind), typed(IntegrationsKind)]
}

/// The kind `mappings`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MappingsKind;

const EVENT: &[Field] = &[
    Field::new("key", Class::Internal, Shape::Text).about("what tells this trouble from others of the integration"),
    Field::new("status", Class::Internal, Shape::Text).about("whether it is there or over"),
    Field::new("title", Class::Internal, Shape::Text).about("one line"),
    Field::new("text", Class::Internal, Shape::Text).about("what is known"),
    Field::new("priority", Class::Internal, Shape::Text).about("how urgent"),
    Field::new("group", Class::Internal, Shape::Text).about("the group that the sender names"),
    Field::new("link", Class::Internal, Shape::Text).about("where to read on"),
    Field::new("fields", Class::Internal, Shape::Any)
        .about("everything else: templates by name, or one that gives an object"),
];

impl TypedKind for MappingsKind {
    type Body = Mapping;
    const NAME: &'static str = "mappings";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::IntegrationsWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("what integrations call it"),
        Field::new("description", Class::Internal, Shape::Text).about("what sends such signals"),
        Field::new("each", Class::Internal, Shape::Text)
            .about("the expression that gives the list of events, each seen as item"),
        Field::new("event", Class::Internal, Shape::Object(EVENT))
            .required()
            .about("what an event is made of: templates"),
        Field::new("words", Class::Internal, Shape::Map(&Shape::List(&Shape::Text)))
            .about("further words for firing, resolved and the priorities"),
        Field::new("default_priority", Class::Internal, Shape::Choice(&PRIORITIES))
            .about("the priority of an event that says none; medium when left out"),
    ];

    fn key(&self, body: &Mapping) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &Mapping, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        if built_in(&body.name).is_some() {
            let detail = format!("`{}` comes with the product. Give this mapping another name.", body.name);
            check.problem("name", "built-in-mapping", detail);
        }
        for (path, code, detail) in body.mistakes() {
            check.problem(path, code, detail);
        }
        Ok(())
    }

    fn validate_delete(&self, body: &Mapping, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        let workspace = check.workspace();
        let user = check.tx().query_opt(
            "SELECT name FROM integrations WHERE workspace = $1 AND mapping = $2 AND removed = FALSE ORDER BY name LIMIT 1",
            &params![workspace, &body.name],
            |row| row.get::<String>("name"),
        )?;
        if let Some(user) = user {
            check.problem(
                "",
                "mapping-in-use",
                format!("The integration `{user}` uses this mapping. Give it another one first."),
            );
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, Mapping>) -> Result<(), resources::Error> {
        let Some(mapping) = change.new else {
            tx.execute("DELETE FROM mappings WHERE id = $1", &params![change.resource])?;
            return Ok(());
        };
        let document = serde_json::to_string(mapping).map_err(|error| resources::Error::Body(Box::new(error)))?;
        tx.execute(
            "INSERT INTO mappings (id, workspace, name, document, version, changed) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, document = excluded.document,
                 version = excluded.version, changed = excluded.changed",
            &params![change.resource, change.workspace, &mapping.name, document, change.version, change.now],
        )?;
        Ok(())
    }
}

/// The kind `integrations`.
#[derive(Clone, Copy, Debug, Default)]
pub struct IntegrationsKind;

/// The path of the token.
pub(crate) const TOKEN: &str = "token";

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<SecretSlot>,
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

impl TypedKind for IntegrationsKind {
    type Body = IntegrationBody;
    const NAME: &'static str = "integrations";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::IntegrationsWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("what sends"),
        Field::new("auth", Class::Internal, Shape::List(&Shape::Choice(&["url_token", "api_key"])))
            .about("how senders prove themselves, one or several; url_token when left out"),
        Field::new("mapping", Class::Internal, Shape::Text)
            .about("how its signals are read: alertmanager, generic (when left out), or a mapping of the workspace"),
        Field::new("flow", Class::Internal, Shape::Reference("flows")).required().about("what is done with its events"),
        Field::new("enabled", Class::Internal, Shape::Boolean).about("whether it takes signals; true when left out"),
        Field::new("rate_per_minute", Class::Internal, Shape::Integer(1, RATE_MAX as i64))
            .about("signals a minute at most; 600 when left out"),
        Field::new("rotation_hours", Class::Internal, Shape::Integer(0, 720))
            .about("hours for which the token before works on after a new one was set"),
        Field::new(TOKEN, Class::Restricted, Shape::token(crypto::token::Kind::Url))
            .about("the token of its URL, when it is brought along; drawn by us and shown once otherwise"),
    ];

    fn key(&self, body: &IntegrationBody) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &IntegrationBody, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        if body.auth.is_empty() {
            check.problem(
                "auth",
                "no-auth",
                "Nobody could send to it. Write `auth: [url_token]`, `[api_key]`, or both.",
            );
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
        let given = check.secret(TOKEN).map(|token| token.expose_secret().to_owned());
        if let Some(token) = given.filter(|token| crypto::token::check(token) != Ok(crypto::token::Kind::Url)) {
            if token.starts_with("loudhailer_") {
                check.problem(
                    TOKEN,
                    "bad-token",
                    "This looks like one of our tokens, but not like an unharmed URL token.",
                );
            } else if !(SHORTEST..=256).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                check.problem(TOKEN, "bad-token", "An imported token has 24 to 256 visible ASCII characters.");
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, IntegrationBody>) -> Result<(), resources::Error> {
        let id: IntegrationId = change.id();
        let Some(new) = change.new else {
            tx.execute("DELETE FROM integration_tokens WHERE integration = $1", &params![id])?;
            tx.execute("UPDATE integrations SET removed = TRUE, changed = $2 WHERE id = $1", &params![id, change.now])?;
            return Ok(());
        };
        let flow: FlowId = change.reference("flows", &new.flow)?;
        let auth = serde_json::to_string(&new.auth).map_err(|error| resources::Error::Body(Box::new(error)))?;
        tx.execute(
            "INSERT INTO integrations (id, workspace, name, auth, mapping, flow, flow_name, enabled, rate, changed, removed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, FALSE)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, auth = excluded.auth, mapping = excluded.mapping,
                 flow = excluded.flow, flow_name = excluded.flow_name, enabled = excluded.enabled, rate = excluded.rate,
                 changed = excluded.changed, removed = FALSE",
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
                change.now
            ],
        )?;
        if change.secret_changed(TOKEN) {
            rotate(tx, change, id, Duration::from_hours(u64::from(new.rotation_hours)))?;
        }
        Ok(())
    }
}

/// Control X-22: the new token counts from now on, and the one before until it retires. Older ones go at once.
fn rotate(
    tx: &mut Tx<'_>,
    change: &Projection<'_, IntegrationBody>,
    id: IntegrationId,
    overlap: Duration,
) -> Result<(), resources::Error> {
    let Some(hash) = change.secret_hash(TOKEN) else { return Ok(()) };
    tx.execute(
        "DELETE FROM integration_tokens WHERE integration = $1 AND (expires IS NOT NULL OR hash = $2)",
        &params![id, hash.to_vec()],
    )?;
    tx.execute(
        "UPDATE integration_tokens SET expires = $2 WHERE integration = $1",
        &params![id, change.now.plus(overlap)],
    )?;
    let imported = change.secret(TOKEN).is_none_or(|token| crypto::token::check(token.expose_secret()).is_err());
    tx.execute(
        "INSERT INTO integration_tokens (integration, hash, imported, created, expires) VALUES ($1, $2, $3, $4, $5)",
        &params![id, hash.to_vec(), imported, change.now, None::<Timestamp>],
    )?;
    Ok(())
}
