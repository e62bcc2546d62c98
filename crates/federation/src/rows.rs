//! Providers as rows.

use base::{ExposeSecret, ResourceId, SecretString, Timestamp};
use crypto::jwt::Algorithm;
use store::{Row, Tx, params};
use vault::{Aad, Purpose, SealedColumn, Vault};

use crate::kind::{ProviderBody, listed};
use crate::{Error, saml2};

const SECRET: SealedColumn = SealedColumn {
    table: "identity_providers",
    column: "client_secret",
    id: "id",
    workspace: Some("workspace"),
    purpose: Purpose::Configuration,
};

/// Where the sealed secrets lie, for a rotation of keys.
pub(crate) const SEALED: &[SealedColumn] = &[SECRET, saml2::SEALED];

/// A provider, with everything but its secret.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its id; also that of the resource.
    pub id: ResourceId,
    /// How addresses name it.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// What it speaks: `oidc` or `saml`.
    pub kind: String,
    /// Whether people sign in with it.
    pub enabled: bool,
    /// The issuer as its tokens name it.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// How we prove that: `basic`, `post`, `none`.
    pub client_auth: String,
    /// What is asked for, apart by spaces.
    pub scopes: String,
    /// Signatures that are believed.
    pub algorithms: Vec<Algorithm>,
    /// The authority (PEM) that vouches for its addresses.
    pub authority: Option<String>,
    /// For whom an account is made: `never`, `mapped`, `everyone`.
    pub accounts: String,
    /// The claim that lists groups.
    pub groups_claim: String,
    /// Whether the provider's word is enough where a second factor is wanted.
    pub trusted_factor: bool,
    /// How the last sign-ons went.
    pub health: Health,
    pub(crate) sealed: Option<String>,
}

/// How the last sign-ons with a provider went.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// When somebody last came in.
    pub last_success: Option<Timestamp>,
    /// When it last failed because of the provider or its settings.
    pub last_failure: Option<Timestamp>,
    /// Why, in a sentence.
    pub reason: Option<String>,
}

impl Health {
    /// Whether the last thing that was heard of it was a failure.
    pub fn is_failing(&self) -> bool {
        self.last_failure.is_some_and(|failure| self.last_success.is_none_or(|success| failure > success))
    }
}

const COLUMNS: &str = "id, name, label, kind, enabled, issuer, client_id, client_auth, client_secret, scopes, algorithms, \
     authority, accounts, groups_claim, second_factor, last_success_at, last_failure_at, last_failure";

fn read(row: &Row<'_>) -> Result<Provider, store::Error> {
    let (name, label): (String, String) = (row.get("name")?, row.get("label")?);
    Ok(Provider {
        id: row.get("id")?,
        label: if label.is_empty() { name.clone() } else { label },
        name,
        kind: row.get("kind")?,
        enabled: row.get("enabled")?,
        issuer: row.get("issuer")?,
        client_id: row.get("client_id")?,
        client_auth: row.get("client_auth")?,
        scopes: row.get("scopes")?,
        algorithms: listed(&row.get::<String>("algorithms")?),
        authority: row.get("authority")?,
        accounts: row.get("accounts")?,
        groups_claim: row.get("groups_claim")?,
        trusted_factor: row.get::<String>("second_factor")? == "trust",
        health: Health {
            last_success: row.get("last_success_at")?,
            last_failure: row.get("last_failure_at")?,
            reason: row.get("last_failure")?,
        },
        sealed: row.get("client_secret")?,
    })
}

/// All providers, by name.
pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<Provider>, store::Error> {
    tx.query(&format!("SELECT {COLUMNS} FROM identity_providers ORDER BY name"), &[], read)
}

/// The provider of a name.
pub(crate) fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Provider>, store::Error> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM identity_providers WHERE name = $1"), &params![name], read)
}

/// The provider of an issuer.
pub(crate) fn by_issuer(tx: &mut Tx<'_>, issuer: &str) -> Result<Option<Provider>, store::Error> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM identity_providers WHERE issuer = $1"), &params![issuer], read)
}

/// The provider of an id.
pub(crate) fn by_id(tx: &mut Tx<'_>, id: ResourceId) -> Result<Option<Provider>, store::Error> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM identity_providers WHERE id = $1"), &params![id], read)
}

/// Whether another provider has this issuer.
pub(crate) fn issuer_taken(tx: &mut Tx<'_>, issuer: &str, besides: ResourceId) -> Result<bool, store::Error> {
    Ok(by_issuer(tx, issuer)?.is_some_and(|other| other.id != besides))
}

/// Seals a client secret for its place.
pub(crate) fn seal(
    tx: &mut Tx<'_>,
    vault: &Vault,
    id: ResourceId,
    secret: &SecretString,
    at: Timestamp,
) -> Result<String, vault::Error> {
    let key = vault.data_key(tx, None, Purpose::Configuration, at)?;
    let aad = Aad { table: SECRET.table, column: SECRET.column, row: &id.to_string() };
    Ok(key.seal(tx.context().chance(), &aad, secret.expose_secret().as_bytes()))
}

impl Provider {
    /// The secret that we prove ourselves with there.
    pub(crate) fn secret(&self, tx: &mut Tx<'_>, vault: &Vault) -> Result<Option<SecretString>, Error> {
        let Some(sealed) = &self.sealed else { return Ok(None) };
        let aad = Aad { table: SECRET.table, column: SECRET.column, row: &self.id.to_string() };
        let opened = vault.open(tx, None, &aad, sealed)?;
        Ok(std::str::from_utf8(&opened).ok().map(SecretString::from))
    }
}

/// Writes a provider as it was configured. One with another issuer has to be seen to work anew.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    id: ResourceId,
    new: &ProviderBody,
    secret: Option<String>,
) -> Result<(), store::Error> {
    tx.execute(
        "INSERT INTO identity_providers (id, workspace, name, label, kind, enabled, issuer, client_id, client_auth, client_secret, \
             scopes, algorithms, authority, accounts, groups_claim, second_factor) \
         VALUES ($1, '', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, label = excluded.label, kind = excluded.kind, \
             enabled = excluded.enabled, issuer = excluded.issuer, client_id = excluded.client_id, \
             client_auth = excluded.client_auth, client_secret = excluded.client_secret, scopes = excluded.scopes, \
             algorithms = excluded.algorithms, authority = excluded.authority, accounts = excluded.accounts, \
             groups_claim = excluded.groups_claim, second_factor = excluded.second_factor, \
             last_success_at = CASE WHEN identity_providers.issuer = excluded.issuer \
                 THEN identity_providers.last_success_at ELSE NULL END, \
             last_failure_at = NULL, last_failure = NULL",
        &params![
            id,
            new.name.as_str(),
            new.label.as_str(),
            new.kind.as_str(),
            new.enabled,
            new.issuer.as_str(),
            new.client_id.as_str(),
            new.client_auth.as_str(),
            secret,
            new.scopes.join(" "),
            new.algorithms.join(" "),
            new.tls_ca.as_deref(),
            new.accounts.as_str(),
            new.groups_claim.as_str(),
            new.second_factor.as_str()
        ],
    )?;
    Ok(())
}

/// Removes a provider.
pub(crate) fn remove(tx: &mut Tx<'_>, id: ResourceId) -> Result<(), store::Error> {
    saml2::remove(tx, id)?;
    for sql in [
        "DELETE FROM group_mappings WHERE provider = $1",
        "DELETE FROM sign_ons WHERE provider = $1",
        "DELETE FROM identity_providers WHERE id = $1",
    ] {
        tx.execute(sql, &params![id])?;
    }
    Ok(())
}

/// Notes that somebody came in.
pub(crate) fn went_well(tx: &mut Tx<'_>, id: ResourceId) -> Result<(), store::Error> {
    let now = tx.now();
    tx.execute("UPDATE identity_providers SET last_success_at = $2 WHERE id = $1", &params![id, now])?;
    Ok(())
}

/// Notes that the provider or its settings failed somebody.
pub(crate) fn went_wrong(tx: &mut Tx<'_>, id: ResourceId, why: &str) -> Result<(), store::Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE identity_providers SET last_failure_at = $2, last_failure = $3 WHERE id = $1",
        &params![id, now, why],
    )?;
    Ok(())
}
