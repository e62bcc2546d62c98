//! Integrations and their credentials: the SQL, and the seal around the secrets of signatures.

use base::{FlowId, IntegrationId, SecretString, Timestamp, WorkspaceId};
use store::{Row, Tx, params};
use vault::{Aad, Purpose, SealedColumn, Vault};

use crate::error::Error;
use crate::types::{Auth, CredentialRow, Integration};

/// An integration, as the door needs it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub id: IntegrationId,
    pub workspace: WorkspaceId,
    pub name: String,
    pub auth: Vec<Auth>,
    pub user: String,
    pub mapping: String,
    pub flow: FlowId,
    pub enabled: bool,
    pub rate: u32,
    pub credentials: Vec<Stored>,
}

/// A credential of an integration.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub method: Auth,
    pub hash: [u8; 32],
    /// What the vault sealed: the secret of signatures.
    pub sealed: Option<String>,
    pub expires: Option<Timestamp>,
    pub last_used: Option<Timestamp>,
}

impl Stored {
    /// Whether it still counts.
    pub(crate) fn counts(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Who used a credential.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    pub method: Auth,
    pub hash: [u8; 32],
    pub source: Option<String>,
    pub agent: Option<String>,
}

/// As whom an integration's certificates know it.
pub(crate) const fn holder(id: IntegrationId) -> identity::CertificateOwner {
    identity::CertificateOwner { kind: "integrations", id: id.uuid() }
}

fn auth_of(text: &str) -> Vec<Auth> {
    // What cannot be read admits nobody.
    serde_json::from_str(text).unwrap_or_default()
}

/// The integration with its credentials; removed ones only when `removed` says so. The same query runs whether it exists
/// or not, so that the time of an answer tells a stranger nothing.
pub(crate) fn known(tx: &mut Tx<'_>, id: IntegrationId, removed: bool) -> Result<Option<Known>, Error> {
    let sql = "SELECT i.workspace, i.name, i.auth, i.username, i.mapping, i.flow, i.enabled, i.rate,
            c.method, c.hash, c.sealed, c.expires, c.last_used
        FROM integrations i LEFT JOIN integration_credentials c ON c.integration = i.id
        WHERE i.id = $1 AND (i.removed = FALSE OR $2) ORDER BY c.created DESC";
    let rows = tx.query(sql, &params![id, removed], |row| {
        let known = Known {
            id,
            workspace: row.get("workspace")?,
            name: row.get("name")?,
            auth: auth_of(&row.get::<String>("auth")?),
            user: row.get::<Option<String>>("username")?.unwrap_or_else(|| id.to_string()),
            mapping: row.get("mapping")?,
            flow: row.get("flow")?,
            enabled: row.get("enabled")?,
            rate: u32::try_from(row.get::<i64>("rate")?).unwrap_or(1),
            credentials: Vec::new(),
        };
        Ok((known, stored_of(row)?))
    })?;
    let (known, credentials): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let credentials = credentials.into_iter().flatten().collect();
    Ok(known.into_iter().next().map(|known| Known { credentials, ..known }))
}

/// None for an integration without credentials, and for one that this version cannot read: it admits nobody.
fn stored_of(row: &Row<'_>) -> Result<Option<Stored>, store::Error> {
    let method = row.get::<Option<String>>("method")?.and_then(|method| Auth::read(&method));
    let hash = row.get::<Option<Vec<u8>>>("hash")?.and_then(|hash| hash.try_into().ok());
    let Some((method, hash)) = method.zip(hash) else { return Ok(None) };
    let (sealed, expires, last_used) = (row.get("sealed")?, row.get("expires")?, row.get("last_used")?);
    Ok(Some(Stored { method, hash, sealed, expires, last_used }))
}

/// Writes a credential's last use down.
pub(crate) fn used(tx: &mut Tx<'_>, id: IntegrationId, used: &Used, at: Timestamp) -> Result<(), Error> {
    tx.send(
        "UPDATE integration_credentials SET last_used = $4, last_source = $5, last_agent = $6
         WHERE integration = $1 AND method = $2 AND hash = $3",
        &params![id, used.method.as_str(), used.hash.to_vec(), at, used.source.as_deref(), used.agent.as_deref()],
    )?;
    Ok(())
}

const INTEGRATION: &str = "SELECT i.id, i.workspace, i.name, i.auth, i.username, i.mapping, i.flow_name, i.enabled,
        i.rate, i.rotation_hours, i.keep_days, i.keep_refused_days,
        (SELECT max(s.received) FROM signals s WHERE s.integration = i.id AND s.state <> 'refused') AS last_signal
    FROM integrations i WHERE i.workspace = $1 AND i.removed = FALSE";

/// The integrations of a workspace, by name, without the values of their credentials.
pub(crate) fn integrations(tx: &mut Tx<'_>, workspace: WorkspaceId, now: Timestamp) -> Result<Vec<Integration>, Error> {
    let sql = format!("{INTEGRATION} ORDER BY i.name, i.id");
    let mut all = tx.query(&sql, &params![workspace], integration_of)?;
    for integration in &mut all {
        integration.credentials = rows_of(tx, integration.id, now)?;
    }
    Ok(all)
}

/// One of them.
pub(crate) fn integration(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: IntegrationId,
    now: Timestamp,
) -> Result<Option<Integration>, Error> {
    let sql = format!("{INTEGRATION} AND i.id = $2");
    let found = tx.query_opt(&sql, &params![workspace, id], integration_of)?;
    let Some(mut found) = found else { return Ok(None) };
    found.credentials = rows_of(tx, id, now)?;
    Ok(Some(found))
}

fn integration_of(row: &Row<'_>) -> Result<Integration, store::Error> {
    let number = |name: &str| row.get::<i64>(name).map(|number| u32::try_from(number).unwrap_or_default());
    let id: IntegrationId = row.get("id")?;
    Ok(Integration {
        id,
        workspace: row.get("workspace")?,
        name: row.get("name")?,
        auth: auth_of(&row.get::<String>("auth")?),
        user: row.get::<Option<String>>("username")?.unwrap_or_else(|| id.to_string()),
        mapping: row.get("mapping")?,
        flow: row.get("flow_name")?,
        enabled: row.get("enabled")?,
        rate_per_minute: number("rate")?.max(1),
        rotation_hours: number("rotation_hours")?,
        keep_days: number("keep_days")?,
        keep_refused_days: number("keep_refused_days")?,
        credentials: Vec::new(),
        last_signal: row.get("last_signal")?,
    })
}

fn rows_of(tx: &mut Tx<'_>, id: IntegrationId, now: Timestamp) -> Result<Vec<CredentialRow>, Error> {
    let sql = "SELECT method, imported, created, expires, last_used, last_source, last_agent
        FROM integration_credentials
        WHERE integration = $1 AND (expires IS NULL OR expires > $2) ORDER BY method, created DESC";
    let rows = tx.query(sql, &params![id, now], |row| {
        let Some(method) = Auth::read(&row.get::<String>("method")?) else { return Ok(None) };
        let origin = if row.get("imported")? { "imported" } else { "drawn" };
        Ok(Some(CredentialRow {
            method,
            origin: origin.to_owned(),
            created: row.get("created")?,
            expires: row.get("expires")?,
            last_used: row.get("last_used")?,
            last_source: row.get("last_source")?,
            last_agent: row.get("last_agent")?,
        }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// A credential that begins to count.
pub(crate) struct Fresh {
    pub method: Auth,
    pub hash: [u8; 32],
    pub sealed: Option<String>,
    pub imported: bool,
    pub now: Timestamp,
    /// Until when the one before counts.
    pub old_until: Timestamp,
    pub id: IntegrationId,
    pub workspace: Option<WorkspaceId>,
}

/// Control X-22: the new credential counts from now on, and the one before until it retires. Older ones go at once.
pub(crate) fn replace(tx: &mut Tx<'_>, fresh: &Fresh) -> Result<(), store::Error> {
    let (id, method, hash) = (fresh.id, fresh.method.as_str(), fresh.hash.to_vec());
    let present = tx.query_opt(
        "SELECT hash FROM integration_credentials
         WHERE integration = $1 AND method = $2 AND hash = $3 AND expires IS NULL",
        &params![id, method, hash.clone()],
        |row| row.get::<Vec<u8>>("hash"),
    )?;
    if present.is_some() {
        return Ok(());
    }
    tx.execute(
        "DELETE FROM integration_credentials
         WHERE integration = $1 AND method = $2 AND (expires IS NOT NULL OR hash = $3)",
        &params![id, method, hash.clone()],
    )?;
    tx.execute(
        "UPDATE integration_credentials SET expires = $3 WHERE integration = $1 AND method = $2",
        &params![id, method, fresh.old_until],
    )?;
    tx.execute(
        "INSERT INTO integration_credentials (integration, workspace, method, hash, sealed, imported, created)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &params![id, fresh.workspace, method, hash, fresh.sealed.as_deref(), fresh.imported, fresh.now],
    )?;
    Ok(())
}

/// Removes every credential of a method that the integration does not allow (any more): it shall not come back to life
/// when the method does.
pub(crate) fn withdraw(tx: &mut Tx<'_>, id: IntegrationId, method: Auth) -> Result<(), store::Error> {
    let sql = "DELETE FROM integration_credentials WHERE integration = $1 AND method = $2";
    tx.execute(sql, &params![id, method.as_str()])?;
    Ok(())
}

/// Sets the end of the old credential of a rotation; that end, when there is an old one.
pub(crate) fn overlap(
    tx: &mut Tx<'_>,
    id: IntegrationId,
    method: Auth,
    until: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let changed = tx.execute(
        "UPDATE integration_credentials SET expires = $3 WHERE integration = $1 AND method = $2 AND expires IS NOT NULL",
        &params![id, method.as_str(), until],
    )?;
    Ok((changed > 0).then_some(until))
}

/// Ends the old credentials of a method now; how many.
pub(crate) fn retire(tx: &mut Tx<'_>, id: IntegrationId, method: Auth, now: Timestamp) -> Result<u64, Error> {
    // What had ended by itself is swept here too, but is not what was asked for.
    let ended = tx.execute(
        "DELETE FROM integration_credentials WHERE integration = $1 AND method = $2 AND expires > $3",
        &params![id, method.as_str(), now],
    )?;
    Ok(ended)
}

/// Seals the secret of signatures for its row.
pub(crate) fn seal(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: Option<WorkspaceId>,
    id: IntegrationId,
    secret: &str,
    at: Timestamp,
) -> Result<String, vault::Error> {
    let key = vault.data_key(tx, workspace, Purpose::Configuration, at)?;
    Ok(key.seal(tx.context().chance(), &aad(&id.to_string()), secret.as_bytes()))
}

/// Opens it.
pub(crate) fn open(tx: &mut Tx<'_>, vault: &Vault, known: &Known, sealed: &str) -> Result<SecretString, Error> {
    let opened = vault.open(tx, Some(known.workspace), &aad(&known.id.to_string()), sealed)?;
    let text = std::str::from_utf8(&opened).map_err(|_| Error::Corrupt("signing secret"))?;
    Ok(SecretString::from(text))
}

/// Where the sealed secrets lie, for a rotation of keys. Both of an integration's are sealed for its id.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "integration_credentials",
    column: "sealed",
    id: "integration",
    workspace: Some("workspace"),
    purpose: Purpose::Configuration,
};

fn aad(row: &str) -> Aad<'_> {
    Aad { table: SEALED.table, column: SEALED.column, row }
}
