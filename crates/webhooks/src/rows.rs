//! Webhooks as rows: who listens, what opens them, how they are.

use base::{SecretString, Timestamp, WebhookId, WorkspaceId};
use store::{Row, Tx, params};
use vault::{Aad, Purpose, SealedColumn, Vault};

use crate::circuit::{Circuit, Health};
use crate::shared::Listening;
use crate::types::Webhook;
use crate::{Error, queue};

const CONFIGURED: SealedColumn = SealedColumn {
    table: "webhooks",
    column: "auth_header",
    id: "id",
    workspace: Some("workspace"),
    purpose: Purpose::Configuration,
};
const SECRET: SealedColumn = SealedColumn { table: "webhook_secrets", column: "sealed", id: "webhook", ..CONFIGURED };

/// Where the sealed secrets lie, for a rotation of keys.
pub(crate) const SEALED: &[SealedColumn] =
    &[CONFIGURED, SealedColumn { column: "client_secret", ..CONFIGURED }, SECRET];

/// Seals a credential of a webhook for its place.
pub(crate) fn seal(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: Option<WorkspaceId>,
    column: &'static str,
    id: WebhookId,
    secret: &str,
    at: Timestamp,
) -> Result<String, vault::Error> {
    let key = vault.data_key(tx, workspace, Purpose::Configuration, at)?;
    let aad = Aad { table: "webhooks", column, row: &id.to_string() };
    Ok(key.seal(tx.context().chance(), &aad, secret.as_bytes()))
}

/// Seals a signing secret.
pub(crate) fn seal_secret(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: Option<WorkspaceId>,
    id: WebhookId,
    secret: &str,
    at: Timestamp,
) -> Result<String, vault::Error> {
    let key = vault.data_key(tx, workspace, Purpose::Configuration, at)?;
    let aad = Aad { table: SECRET.table, column: SECRET.column, row: &id.to_string() };
    Ok(key.seal(tx.context().chance(), &aad, secret.as_bytes()))
}

/// Control X-22: the new secret signs from now on, and the one before too, until it retires. Older ones go at once.
pub(crate) fn replace_secret(
    tx: &mut Tx<'_>,
    id: WebhookId,
    place: &str,
    hash: &[u8; 32],
    sealed: &str,
    now: Timestamp,
    old_until: Timestamp,
) -> Result<(), store::Error> {
    let present = tx.query_opt(
        "SELECT created FROM webhook_secrets WHERE webhook = $1 AND hash = $2 AND expires IS NULL",
        &params![id, hash.to_vec()],
        |row| row.get::<Timestamp>(0),
    )?;
    if present.is_some() {
        return Ok(());
    }
    tx.execute(
        "DELETE FROM webhook_secrets WHERE webhook = $1 AND (expires IS NOT NULL OR hash = $2)",
        &params![id, hash.to_vec()],
    )?;
    tx.execute("UPDATE webhook_secrets SET expires = $2 WHERE webhook = $1", &params![id, old_until])?;
    tx.execute(
        "INSERT INTO webhook_secrets (webhook, workspace, hash, sealed, created) VALUES ($1, $2, $3, $4, $5)",
        &params![id, place, hash.to_vec(), sealed, now],
    )?;
    Ok(())
}

/// Sets the end of the secret before; that end, when there is one. Zero or the past ends it now.
pub(crate) fn overlap(tx: &mut Tx<'_>, id: WebhookId, until: Timestamp) -> Result<Option<Timestamp>, Error> {
    if until <= tx.now() {
        tx.execute("DELETE FROM webhook_secrets WHERE webhook = $1 AND expires IS NOT NULL", &params![id])?;
        return Ok(None);
    }
    let changed = tx.execute(
        "UPDATE webhook_secrets SET expires = $2 WHERE webhook = $1 AND expires IS NOT NULL",
        &params![id, until],
    )?;
    Ok((changed > 0).then_some(until))
}

/// A webhook goes: its secrets at once, and what waited for it is given up.
pub(crate) fn remove(tx: &mut Tx<'_>, id: WebhookId, now: Timestamp) -> Result<(), store::Error> {
    tx.execute("DELETE FROM webhook_secrets WHERE webhook = $1", &params![id])?;
    tx.execute(
        "UPDATE webhooks SET removed = TRUE, enabled = FALSE, auth_header = NULL, client_secret = NULL WHERE id = $1",
        &params![id],
    )?;
    queue::give_up_all(tx, id, "the webhook was removed", now)
}

/// Who listens.
pub(crate) fn listening(tx: &mut Tx<'_>) -> Result<Listening, store::Error> {
    let places = tx.query(
        "SELECT DISTINCT workspace FROM webhooks WHERE own = FALSE AND enabled = TRUE AND removed = FALSE",
        &params![],
        |row| row.get::<String>(0),
    )?;
    Ok(Listening {
        everybody: places.iter().any(String::is_empty),
        workspaces: places.iter().filter_map(|place| place.parse().ok()).collect(),
    })
}

/// A webhook with its secrets opened: for sending alone.
pub(crate) struct Opened {
    pub(crate) id: WebhookId,
    pub(crate) own: bool,
    pub(crate) url: String,
    pub(crate) authority: Option<String>,
    pub(crate) version: i64,
    pub(crate) signing: Vec<SecretString>,
    pub(crate) proof: Proof,
    pub(crate) health: Health,
}

/// How we prove ourselves in the header Authorization.
pub(crate) enum Proof {
    Nothing,
    Header(SecretString),
    Oauth { url: String, client_id: String, client_secret: SecretString, in_body: bool, scope: Option<String> },
}

/// What a webhook's row says.
pub(crate) struct Stored {
    pub(crate) shown: Webhook,
    authorization: Option<String>,
    client_secret: Option<String>,
    authority: Option<String>,
    version: i64,
}

pub(crate) const COLUMNS: &str = "w.id, w.workspace, w.own, w.name, w.url, w.enabled, w.events, w.auth_header AS proof, w.token_url, \
    w.client_id, w.client_secret, w.credentials_in, w.scope, w.authority, w.version, w.circuit, w.circuit_reason, w.circuit_since, \
    w.probe_at, w.openings, w.failures, w.failing_since, w.last_success, w.last_failure, w.last_error";

fn health(row: &Row<'_>) -> Result<Health, store::Error> {
    let count = |name: &str| Ok::<_, store::Error>(u32::try_from(row.get::<i64>(name)?).unwrap_or(u32::MAX));
    Ok(Health {
        circuit: if row.get::<i64>("circuit")? == 0 { Circuit::Closed } else { Circuit::Open },
        reason: row.get("circuit_reason")?,
        since: row.get("circuit_since")?,
        probe_at: row.get("probe_at")?,
        openings: count("openings")?,
        failures: count("failures")?,
        failing_since: row.get("failing_since")?,
        last_success: row.get("last_success")?,
        last_failure: row.get("last_failure")?,
        last_error: row.get("last_error")?,
    })
}

pub(crate) fn read(row: &Row<'_>) -> Result<Stored, store::Error> {
    let authorization: Option<String> = row.get("proof")?;
    let token_url: Option<String> = row.get("token_url")?;
    let shown = Webhook {
        id: row.get("id")?,
        workspace: row.get::<String>("workspace")?.parse().ok(),
        own: row.get("own")?,
        name: row.get("name")?,
        url: row.get("url")?,
        enabled: row.get("enabled")?,
        events: row.get::<String>("events")?.split_whitespace().map(str::to_owned).collect(),
        has_authorization: authorization.is_some(),
        token_url,
        client_id: row.get("client_id")?,
        credentials_in: row.get("credentials_in")?,
        scope: row.get("scope")?,
        health: health(row)?,
    };
    Ok(Stored {
        shown,
        authorization,
        client_secret: row.get("client_secret")?,
        authority: row.get("authority")?,
        version: row.get("version")?,
    })
}

/// One webhook, whosever it is; removed ones too.
pub(crate) fn find(tx: &mut Tx<'_>, id: WebhookId, lock: bool) -> Result<Option<Stored>, Error> {
    let lock = if lock { tx.dialect().for_update() } else { "" };
    Ok(tx.query_opt(&format!("SELECT {COLUMNS} FROM webhooks w WHERE w.id = $1{lock}"), &params![id], read)?)
}

/// The webhook of a workspace that stands back where there is another: what a key of one workspace sets as that of the whole
/// account (`*`) in the SMS API.
pub const STANDS_BACK: &str = "*";

/// The webhooks that hear of a workspace's `event`: its own, else its own that stands back, else the account's.
pub(crate) fn hearing(tx: &mut Tx<'_>, workspace: WorkspaceId, event: &str) -> Result<Vec<WebhookId>, Error> {
    let sql = "SELECT id, workspace, name, events FROM webhooks WHERE workspace IN ($1, '') AND own = FALSE
         AND enabled = TRUE AND removed = FALSE ORDER BY name, id";
    let found = tx.query(sql, &params![workspace.to_string()], |row| {
        let rank = match (row.get::<String>("workspace")?.is_empty(), row.get::<String>("name")? == STANDS_BACK) {
            (false, false) => 0,
            (false, true) => 1,
            (true, _) => 2,
        };
        Ok((row.get::<WebhookId>("id")?, rank, row.get::<String>("events")?))
    })?;
    let first = found.iter().map(|(_, rank, _)| *rank).min();
    let hears = |rank: i32, events: &str| Some(rank) == first && events.split(' ').any(|one| one == event);
    Ok(found.into_iter().filter(|(_, rank, events)| hears(*rank, events)).map(|(id, ..)| id).collect())
}

impl Stored {
    /// Opens the secrets. Those of addresses that messages bring along are signed by the workspace's own webhook, so that the
    /// application knows them by the secret that it has; its header Authorization never goes to another host.
    pub(crate) fn open(self, tx: &mut Tx<'_>, vault: &Vault, now: Timestamp) -> Result<Opened, Error> {
        let shown = self.shown;
        let (id, workspace) = (shown.id, shown.workspace);
        let text = |octets: &[u8]| {
            std::str::from_utf8(octets).map(SecretString::from).map_err(|_| Error::Corrupt("a credential of a webhook"))
        };
        let mut open = |column: &'static str, sealed: &str| {
            let aad = Aad { table: "webhooks", column, row: &id.to_string() };
            text(&vault.open(tx, workspace, &aad, sealed)?)
        };
        let proof = match (&self.authorization, shown.token_url, shown.client_id, &self.client_secret) {
            (Some(sealed), ..) => Proof::Header(open("auth_header", sealed)?),
            (None, Some(url), Some(client_id), Some(sealed)) => Proof::Oauth {
                url,
                client_id,
                client_secret: open("client_secret", sealed)?,
                in_body: shown.credentials_in.as_deref() == Some("body"),
                scope: shown.scope,
            },
            _ => Proof::Nothing,
        };
        let signer = if shown.own {
            let place = workspace.map_or_else(String::new, |workspace| workspace.to_string());
            tx.query_opt(
                "SELECT id FROM webhooks WHERE workspace IN ($1, '') AND own = FALSE AND removed = FALSE
                 ORDER BY workspace DESC, name, id LIMIT 1",
                &params![place],
                |row| row.get::<WebhookId>(0),
            )?
        } else {
            Some(id)
        };
        let secrets = tx.query(
            "SELECT webhook, workspace, sealed FROM webhook_secrets WHERE webhook = $1 AND (expires IS NULL OR expires > $2)
             ORDER BY created DESC",
            &params![signer.unwrap_or(id), now],
            |row| Ok((row.get::<WebhookId>(0)?, row.get::<String>(1)?, row.get::<String>(2)?)),
        )?;
        let mut signing = Vec::with_capacity(secrets.len());
        for (webhook, place, sealed) in secrets {
            let aad = Aad { table: SECRET.table, column: SECRET.column, row: &webhook.to_string() };
            signing.push(text(&vault.open(tx, place.parse().ok(), &aad, &sealed)?)?);
        }
        Ok(Opened {
            id,
            own: shown.own,
            url: shown.url,
            authority: self.authority,
            version: self.version,
            signing,
            proof,
            health: shown.health,
        })
    }
}

/// Writes how a webhook is.
pub(crate) fn write_health(tx: &mut Tx<'_>, id: WebhookId, health: &Health) -> Result<(), Error> {
    tx.execute(
        "UPDATE webhooks SET circuit = $2, circuit_reason = $3, circuit_since = $4, probe_at = $5, openings = $6, failures = $7,
         failing_since = $8, last_success = $9, last_failure = $10, last_error = $11 WHERE id = $1",
        &params![
            id,
            i64::from(health.circuit == Circuit::Open),
            health.reason.as_deref(),
            health.since,
            health.probe_at,
            i64::from(health.openings),
            i64::from(health.failures),
            health.failing_since,
            health.last_success,
            health.last_failure,
            health.last_error.as_deref()
        ],
    )?;
    Ok(())
}

/// Hosts of messages' own addresses that a workspace may have at most; what comes beyond shares one.
const OWN: i64 = 1_000;

/// The webhook that stands for a host that messages of a workspace bring along; made when it is new.
pub(crate) fn own(tx: &mut Tx<'_>, workspace: WorkspaceId, host: &str) -> Result<WebhookId, Error> {
    let place = workspace.to_string();
    let find = "SELECT id FROM webhooks WHERE workspace = $1 AND own = TRUE AND name = $2";
    if let Some(id) = tx.query_opt(find, &params![&place, host], |row| row.get::<WebhookId>(0))? {
        return Ok(id);
    }
    let count = "SELECT COUNT(*) FROM webhooks WHERE workspace = $1 AND own = TRUE";
    let host = if tx.query_one(count, &params![&place], |row| row.get::<i64>(0))? < OWN { host } else { "other hosts" };
    if let Some(id) = tx.query_opt(find, &params![&place, host], |row| row.get::<WebhookId>(0))? {
        return Ok(id);
    }
    let id: WebhookId = tx.context().id();
    tx.execute(
        "INSERT INTO webhooks (id, workspace, own, name, url, enabled, events, version, removed)
         VALUES ($1, $2, TRUE, $3, '', TRUE, 'receipts', 0, FALSE)",
        &params![id, &place, host],
    )?;
    Ok(id)
}
