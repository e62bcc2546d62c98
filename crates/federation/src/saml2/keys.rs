//! Our own key pairs, one for each provider: what we ask is signed by the current one, and what is encrypted to any of them opens.
//! A new one is published beside the current one before it signs, and the old one still opens for a while, so that a provider that
//! reads our metadata now and then never meets a key that it does not know.

use std::sync::Arc;

use access::{Actor, OrganisationPermit, cap};
use base::{ExposeSecret, ResourceId, SecretString};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::OwnKey;
use store::{Tx, params};
use vault::{Aad, Purpose, SealedColumn, Vault};

use super::state::KeyInfo;
use crate::federation::Federation;
use crate::{Error, Provider, arrive, rows};

/// Where the private keys lie.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "saml_keys",
    column: "private_key",
    id: "id",
    workspace: Some("workspace"),
    purpose: Purpose::Configuration,
};

/// The states in the order in which keys count.
const STATES: [&str; 3] = ["current", "next", "old"];

/// What is done with our keys for a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAct {
    /// A new one is made, and published beside the current one.
    Prepare,
    /// The new one signs from now on; the one before only opens.
    Use,
    /// The old one goes.
    Drop,
}

impl KeyAct {
    /// The act of a word, as a form sends it.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "prepare" => Some(Self::Prepare),
            "use" => Some(Self::Use),
            "drop" => Some(Self::Drop),
            _ => None,
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Prepare => "identity_provider.key_prepare",
            Self::Use => "identity_provider.key_use",
            Self::Drop => "identity_provider.key_drop",
        }
    }
}

/// Our keys for a provider: the current one first, then the next, then the old one.
pub(crate) struct Keys(pub(crate) Vec<(String, OwnKey)>);

impl Keys {
    /// The one that signs.
    pub(crate) fn current(&self) -> Result<&OwnKey, Error> {
        self.0.first().map(|(_, key)| key).ok_or(Error::Saml(saml::Refused::Ours))
    }

    /// All of them, to open with.
    pub(crate) fn into_all(self) -> Vec<OwnKey> {
        self.0.into_iter().map(|(_, key)| key).collect()
    }
}

/// A certificate as people look at it.
pub(crate) fn info(state: &str, base64: &str) -> Option<KeyInfo> {
    let der = STANDARD.decode(base64).ok()?;
    Some(KeyInfo {
        state: state.to_owned(),
        fingerprint: crypto::tls::fingerprint(&der).to_string(),
        ends: crypto::tls::not_after(&der),
    })
}

/// Our certificates for a provider, as people look at them.
pub(crate) fn infos(tx: &mut Tx<'_>, provider: ResourceId) -> Result<Vec<KeyInfo>, store::Error> {
    let mut all =
        tx.query("SELECT state, certificate FROM saml_keys WHERE provider = $1", &params![provider], |row| {
            let (state, pem): (String, String) = (row.get("state")?, row.get("certificate")?);
            Ok(saml::certificate(&pem).and_then(|base64| info(&state, &base64)))
        })?;
    all.sort_by_key(|one| one.as_ref().and_then(|one| STATES.iter().position(|state| *state == one.state)));
    Ok(all.into_iter().flatten().collect())
}

/// The certificates (DER) of those that are published, the current one first; none before there is one. The keys stay closed.
fn published(tx: &mut Tx<'_>, provider: ResourceId) -> Result<Vec<Vec<u8>>, store::Error> {
    let mut all = tx.query(
        "SELECT state, certificate FROM saml_keys WHERE provider = $1 AND state <> 'old'",
        &params![provider],
        |row| Ok((row.get::<String>("state")?, row.get::<String>("certificate")?)),
    )?;
    all.sort_by_key(|(state, _)| STATES.iter().position(|known| known == state));
    let der = |(_, pem): (String, String)| STANDARD.decode(saml::certificate(&pem)?).ok();
    Ok(all.into_iter().filter_map(der).collect())
}

fn load(tx: &mut Tx<'_>, vault: &Vault, provider: ResourceId) -> Result<Vec<(String, OwnKey)>, Error> {
    let stored = tx.query(
        "SELECT id, state, certificate, private_key FROM saml_keys WHERE provider = $1",
        &params![provider],
        |row| {
            Ok((
                row.get::<String>("id")?,
                row.get::<String>("state")?,
                row.get::<String>("certificate")?,
                row.get::<String>("private_key")?,
            ))
        },
    )?;
    let mut all = Vec::with_capacity(stored.len());
    for (id, state, certificate, sealed) in stored {
        let aad = Aad { table: SEALED.table, column: SEALED.column, row: &id };
        let opened = vault.open(tx, None, &aad, &sealed)?;
        let key = SecretString::from(std::str::from_utf8(&opened).unwrap_or_default());
        all.push((state, OwnKey::of_pem(&key, &certificate)?));
    }
    all.sort_by_key(|(state, _)| STATES.iter().position(|known| known == state));
    Ok(all)
}

/// Writes down what was done with our keys for a provider.
fn note(tx: &mut Tx<'_>, actor: &Actor, action: &'static str, provider: &Provider) -> Result<(), audit::Error> {
    arrive::note(tx, actor, action, ("identity_provider", &provider.id.to_string()), provider)
}

/// Lays a key pair down; false when there is one of this state.
fn put(
    tx: &mut Tx<'_>,
    vault: &Vault,
    provider: ResourceId,
    state: &str,
    pair: &(SecretString, String),
) -> Result<bool, Error> {
    let (id, now) = (tx.context().id::<ResourceId>(), tx.now());
    let row = id.to_string();
    let key = vault.data_key(tx, None, Purpose::Configuration, now)?;
    let aad = Aad { table: SEALED.table, column: SEALED.column, row: &row };
    let sealed = key.seal(tx.context().chance(), &aad, pair.0.expose_secret().as_bytes());
    let rows = tx.execute(
        "INSERT INTO saml_keys (id, workspace, provider, state, certificate, private_key, created_at) \
         VALUES ($1, '', $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        &params![id, provider, state, pair.1.as_str(), sealed, now],
    )?;
    Ok(rows == 1)
}

impl Federation {
    /// Our keys for a provider. The first one is made when it is first needed.
    pub(crate) async fn saml_keys_of(&self, provider: &Provider, public_url: &str) -> Result<Keys, Error> {
        let (vault, id) = (self.0.vault.clone(), provider.id);
        let found = self.0.db.write(move |tx| load(tx, &vault, id)).await?;
        if found.first().is_some_and(|(state, _)| state == "current") {
            return Ok(Keys(found));
        }
        self.first_key(provider, public_url).await?;
        let vault = self.0.vault.clone();
        Ok(Keys(self.0.db.write(move |tx| load(tx, &vault, id)).await?))
    }

    /// The certificates of our keys for a provider, as its metadata publishes them. Anybody may ask for those, so nothing is opened
    /// for it, and nothing written once there is a key.
    pub(crate) async fn saml_certificates(&self, provider: &Provider, public_url: &str) -> Result<Vec<Vec<u8>>, Error> {
        let id = provider.id;
        let found = self.0.db.read(move |tx| published(tx, id)).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        self.first_key(provider, public_url).await?;
        Ok(self.0.db.read(move |tx| published(tx, id)).await?)
    }

    /// Makes the first key, once: of all who come at the same time, the first one makes it and the others wait.
    async fn first_key(&self, provider: &Provider, public_url: &str) -> Result<(), Error> {
        let _alone = self.0.making.lock().await;
        let id = provider.id;
        if self.0.db.read(move |tx| published(tx, id)).await?.is_empty() {
            let actor = Actor::engine("federation");
            self.make(provider, "current", public_url, actor, "identity_provider.key_make").await?;
        }
        Ok(())
    }

    /// Makes a key pair, outside of any transaction: it takes a part of a second. It is audited with the key.
    async fn make(
        &self,
        provider: &Provider,
        state: &'static str,
        public_url: &str,
        actor: Actor,
        action: &'static str,
    ) -> Result<bool, Error> {
        let context = self.0.db.context().clone();
        let host = public_url.split("://").nth(1).unwrap_or("loudhailer").split(['/', ':']).next().unwrap_or_default();
        let name = format!("{host} SAML");
        let pair = tokio::task::spawn_blocking(move || OwnKey::generate(&name, &context)).await;
        let pair = Arc::new(pair.map_err(|_| Error::Saml(saml::Refused::Ours))??);
        let (vault, of) = (self.0.vault.clone(), provider.clone());
        self.0
            .db
            .write(move |tx| {
                let new = put(tx, &vault, of.id, state, &pair)?;
                if new {
                    note(tx, &actor, action, &of)?;
                }
                Ok(new)
            })
            .await
    }

    /// Does something with our keys for a provider.
    ///
    /// # Errors
    /// When there is a next one already, none to use, or none to drop.
    pub async fn saml_keys(
        &self,
        permit: &OrganisationPermit<cap::SignInManage>,
        id: ResourceId,
        act: KeyAct,
        public_url: &str,
    ) -> Result<(), Error> {
        let provider = self.0.db.read(move |tx| rows::by_id(tx, id)).await?;
        let provider = provider.filter(|one| one.kind == super::SAML).ok_or(Error::NoProvider)?;
        self.first_key(&provider, public_url).await?;
        let actor = permit.actor().clone();
        if act == KeyAct::Prepare {
            return if self.make(&provider, "next", public_url, actor, act.action()).await? {
                Ok(())
            } else {
                Err(Error::Key("there is a next key already; use it first"))
            };
        }
        self.0
            .db
            .write(move |tx| {
                tx.attempt(|tx| -> Result<(), Error> {
                    match act {
                        KeyAct::Prepare => {}
                        KeyAct::Use => switch(tx, id)?,
                        KeyAct::Drop => {
                            let sql = "DELETE FROM saml_keys WHERE provider = $1 AND state = 'old'";
                            if tx.execute(sql, &params![id])? == 0 {
                                return Err(Error::Key("there is no old key any more"));
                            }
                        }
                    }
                    Ok(note(tx, &actor, act.action(), &provider)?)
                })
            })
            .await
    }
}

fn switch(tx: &mut Tx<'_>, provider: ResourceId) -> Result<(), Error> {
    let next = "SELECT COUNT(*) FROM saml_keys WHERE provider = $1 AND state = 'next'";
    if tx.query_one(next, &params![provider], |row| row.get::<i64>(0_usize))? == 0 {
        return Err(Error::Key("there is no next key; make one, and give the provider time to read our metadata"));
    }
    for sql in [
        "DELETE FROM saml_keys WHERE provider = $1 AND state = 'old'",
        "UPDATE saml_keys SET state = 'old' WHERE provider = $1 AND state = 'current'",
        "UPDATE saml_keys SET state = 'current' WHERE provider = $1 AND state = 'next'",
    ] {
        tx.execute(sql, &params![provider])?;
    }
    Ok(())
}
