//! What is known of each provider that speaks SAML.

use std::time::Duration;

use access::{Actor, OrganisationPermit, cap};
use base::{ResourceId, Timestamp};
use saml::{Binding, Endpoint, Facts};
use store::{Row, Tx, params};

use super::keys;
use super::settings::SamlBody;
use crate::federation::Federation;
use crate::kind::ProviderBody;
use crate::{Error, Provider, rows};

/// How long a name is known: longer than any session that began with it.
const NAMED: Duration = Duration::from_hours(24);

/// A provider's settings, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) settings: SamlBody,
    /// None until they were fetched.
    pub(crate) facts: Option<Facts>,
    pub(crate) fetched_at: Option<Timestamp>,
    /// When it was last tried.
    pub(crate) tried_at: Option<Timestamp>,
    pub(crate) fetch_failure: Option<String>,
    pub(crate) refusal: Option<(Timestamp, String)>,
}

fn read(row: &Row<'_>) -> Result<Known, store::Error> {
    let at: Option<Timestamp> = row.get("last_refusal_at")?;
    let why: Option<String> = row.get("last_refusal")?;
    Ok(Known {
        settings: serde_json::from_str(&row.get::<String>("settings")?).unwrap_or_default(),
        facts: serde_json::from_str(&row.get::<String>("facts")?).ok(),
        fetched_at: row.get("fetched_at")?,
        tried_at: row.get("tried_at")?,
        fetch_failure: row.get("fetch_failure")?,
        refusal: at.zip(why),
    })
}

pub(crate) fn known(tx: &mut Tx<'_>, id: ResourceId) -> Result<Option<Known>, store::Error> {
    tx.query_opt(
        "SELECT settings, facts, fetched_at, tried_at, fetch_failure, last_refusal_at, last_refusal FROM saml_providers \
         WHERE provider = $1",
        &params![id],
        read,
    )
}

pub(crate) fn settings(tx: &mut Tx<'_>, id: ResourceId) -> Result<Option<SamlBody>, store::Error> {
    Ok(known(tx, id)?.map(|known| known.settings))
}

/// Writes a provider as it was configured. Facts that were fetched stay as long as they are of the same place and issuer, and those
/// of entered metadata as long as that is the same.
pub(crate) fn project(tx: &mut Tx<'_>, id: ResourceId, new: &ProviderBody, now: Timestamp) -> Result<(), store::Error> {
    let Some(settings) = new.saml.as_ref().filter(|_| new.kind == super::SAML) else { return remove(tx, id) };
    let before = known(tx, id)?.filter(|known| {
        known.settings.metadata_url == settings.metadata_url && known.settings.metadata == settings.metadata
    });
    let before = before.and_then(|known| known.facts).filter(|facts| facts.entity_id == new.issuer);
    let facts = match settings.facts(&new.issuer, now) {
        Some(Ok(entered)) => Some(entered),
        Some(Err(_)) | None => before,
    };
    let facts = facts.and_then(|facts| serde_json::to_string(&facts).ok()).unwrap_or_default();
    let next = settings.metadata_url.is_some().then_some(now);
    tx.execute(
        "INSERT INTO saml_providers (provider, settings, facts, next_fetch_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (provider) DO UPDATE SET settings = excluded.settings, facts = excluded.facts, \
             next_fetch_at = excluded.next_fetch_at, tried_at = NULL, fetch_failure = NULL, last_refusal_at = NULL, last_refusal = NULL",
        &params![id, serde_json::json!(settings).to_string(), facts, next],
    )?;
    Ok(())
}

/// Removes all of a provider: it is gone, or speaks something else.
pub(crate) fn remove(tx: &mut Tx<'_>, id: ResourceId) -> Result<(), store::Error> {
    for sql in [
        "DELETE FROM saml_providers WHERE provider = $1",
        "DELETE FROM saml_keys WHERE provider = $1",
        "DELETE FROM saml_messages WHERE provider = $1",
        "DELETE FROM saml_arrivals WHERE provider = $1",
        "DELETE FROM saml_names WHERE provider = $1",
    ] {
        tx.execute(sql, &params![id])?;
    }
    Ok(())
}

/// What is known of a provider, if it is still the one that was asked: the same, at the same place, by the same authority. What
/// comes from a place that an administrator has left meanwhile counts no more. Whoever changes the provider waits until this is
/// written, or has written before.
fn still(tx: &mut Tx<'_>, asked: &Provider, at: &str) -> Result<Option<Known>, store::Error> {
    tx.execute("UPDATE saml_providers SET provider = provider WHERE provider = $1", &params![asked.id])?;
    let now = rows::by_id(tx, asked.id)?;
    let same =
        now.is_some_and(|now| now.kind == asked.kind && now.issuer == asked.issuer && now.authority == asked.authority);
    Ok(known(tx, asked.id)?.filter(|known| same && known.settings.metadata_url.as_deref() == Some(at)))
}

/// Takes the turn to fetch, which comes once in `rarely`; false when somebody else has it.
pub(crate) fn claim(tx: &mut Tx<'_>, id: ResourceId, rarely: Duration) -> Result<bool, store::Error> {
    let now = tx.now();
    let rows = tx.execute(
        "UPDATE saml_providers SET tried_at = $2 WHERE provider = $1 AND (tried_at IS NULL OR tried_at <= $3)",
        &params![id, now, now.minus(rarely)],
    )?;
    Ok(rows == 1)
}

/// Notes facts that were fetched from `at`, and when they are next. False, and nothing is noted, when the provider is not the one
/// any more that was asked.
pub(crate) fn fetched(
    tx: &mut Tx<'_>,
    asked: &Provider,
    at: &str,
    facts: &Facts,
    again: Duration,
) -> Result<bool, Error> {
    let Some(before) = still(tx, asked, at)? else { return Ok(false) };
    let now = tx.now();
    tx.execute(
        "UPDATE saml_providers SET facts = $2, fetched_at = $3, next_fetch_at = $4, fetch_failure = NULL WHERE provider = $1",
        &params![asked.id, serde_json::to_string(facts).unwrap_or_default(), now, now.plus(again)],
    )?;
    let before = before.facts.unwrap_or_default();
    if (&before.certificates, &before.sign_in, &before.sign_out)
        != (&facts.certificates, &facts.sign_in, &facts.sign_out)
    {
        audit::record(
            tx,
            audit::Entry {
                actor: &Actor::engine("federation"),
                workspace: None,
                action: "identity_provider.metadata_changed",
                target: ("identity_provider", &asked.id.to_string()),
                outcome: audit::Outcome::Success,
                reason: Some(&format!("the metadata of {} says something else", asked.name)),
                changes: Some(serde_json::json!({ "from": words(&before), "to": words(facts) })),
            },
        )?;
    }
    Ok(true)
}

/// Facts as they are audited: by whom the provider is known, and where people are sent.
fn words(facts: &Facts) -> serde_json::Value {
    let prints: Vec<_> =
        facts.certificates.iter().filter_map(|text| keys::info("signs", text)).map(|info| info.fingerprint).collect();
    let places = |all: &[Endpoint]| all.iter().map(|one| one.url.clone()).collect::<Vec<_>>();
    serde_json::json!({
        "certificates": prints, "sign_in": places(&facts.sign_in), "sign_out": places(&facts.sign_out),
    })
}

/// Notes why nothing was fetched from `at`, of a provider that is still the one that was asked.
pub(crate) fn not_fetched(
    tx: &mut Tx<'_>,
    asked: &Provider,
    at: &str,
    why: &str,
    again: Duration,
) -> Result<(), store::Error> {
    if still(tx, asked, at)?.is_some() {
        let next = tx.now().plus(again);
        tx.execute(
            "UPDATE saml_providers SET fetch_failure = $2, next_fetch_at = $3 WHERE provider = $1",
            &params![asked.id, why, next],
        )?;
    }
    Ok(())
}

/// Notes why an answer was refused. It came by a browser, so it says nothing about whether the provider works.
pub(crate) fn refused(tx: &mut Tx<'_>, id: ResourceId, why: &str) -> Result<(), store::Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE saml_providers SET last_refusal_at = $2, last_refusal = $3 WHERE provider = $1",
        &params![id, now, why],
    )?;
    Ok(())
}

/// Writes down an identifier; false when it is there already.
pub(crate) fn once(
    tx: &mut Tx<'_>,
    id: ResourceId,
    sort: &str,
    of: &str,
    until: Timestamp,
) -> Result<bool, store::Error> {
    let rows = tx.execute(
        "INSERT INTO saml_messages (provider, sort, id_hash, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &params![id, sort, crypto::sha256(of.as_bytes()).to_vec(), until],
    )?;
    Ok(rows == 1)
}

/// Takes an identifier back; false when it is not there, or has run out.
pub(crate) fn take(tx: &mut Tx<'_>, id: ResourceId, sort: &str, of: &str) -> Result<bool, store::Error> {
    let now = tx.now();
    let rows = tx.execute(
        "DELETE FROM saml_messages WHERE provider = $1 AND sort = $2 AND id_hash = $3 AND expires_at > $4",
        &params![id, sort, crypto::sha256(of.as_bytes()).to_vec(), now],
    )?;
    Ok(rows == 1)
}

/// Notes whose name a hash is of, for log-outs that say the name alone.
pub(crate) fn named(tx: &mut Tx<'_>, id: ResourceId, name: &[u8], subject: &str) -> Result<(), store::Error> {
    let until = tx.now().plus(NAMED);
    tx.execute(
        "INSERT INTO saml_names (provider, name_hash, subject, expires_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (provider, name_hash) DO UPDATE SET subject = excluded.subject, expires_at = excluded.expires_at",
        &params![id, name.to_vec(), subject, until],
    )?;
    Ok(())
}

/// Forgets the names of a subject whose identity was taken from its account.
pub(crate) fn nameless(tx: &mut Tx<'_>, id: ResourceId, subject: &str) -> Result<(), store::Error> {
    tx.execute("DELETE FROM saml_names WHERE provider = $1 AND subject = $2", &params![id, subject])?;
    Ok(())
}

/// Removes what has run out.
pub(crate) fn sweep(tx: &mut Tx<'_>) -> Result<u64, store::Error> {
    let now = tx.now();
    let messages = tx.execute("DELETE FROM saml_messages WHERE expires_at <= $1", &params![now])?;
    let arrivals = tx.execute("DELETE FROM saml_arrivals WHERE expires_at <= $1", &params![now])?;
    Ok(messages + arrivals + tx.execute("DELETE FROM saml_names WHERE expires_at <= $1", &params![now])?)
}

/// A certificate, as people look at it.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// What it does: `current`, `next`, `old` of ours; `signs` of the provider's.
    pub state: String,
    /// SHA-256 over the certificate.
    pub fingerprint: String,
    /// When it ends.
    pub ends: Option<Timestamp>,
}

/// How a provider that speaks SAML is, for those who look after it.
#[derive(Clone, Debug)]
pub struct SamlState {
    /// Where people are sent to sign in; none until its metadata was fetched.
    pub sign_in: Option<String>,
    /// Where they are sent to sign out, and how.
    pub sign_out: Option<(String, Binding)>,
    /// The certificates that are believed.
    pub theirs: Vec<KeyInfo>,
    /// Our own.
    pub ours: Vec<KeyInfo>,
    /// When its metadata was last fetched; none where it is not.
    pub fetched_at: Option<Timestamp>,
    /// Why it could not be fetched since.
    pub fetch_failure: Option<String>,
    /// When an answer was last refused, and why. Anybody can bring an answer, so it says nothing about the provider.
    pub refusal: Option<(Timestamp, String)>,
}

impl Federation {
    /// How a provider that speaks SAML is; nothing of one that does not.
    pub fn saml_state(
        &self,
        tx: &mut Tx<'_>,
        _permit: &OrganisationPermit<cap::SignInManage>,
        id: ResourceId,
    ) -> Result<Option<SamlState>, Error> {
        let Some(known) = known(tx, id)? else { return Ok(None) };
        let facts = known.facts.unwrap_or_default();
        let theirs = facts.certificates.iter().filter_map(|text| keys::info("signs", text)).collect();
        Ok(Some(SamlState {
            sign_in: facts.sign_in.first().map(|one| one.url.clone()),
            sign_out: facts.sign_out.first().map(|one| (one.url.clone(), one.binding)),
            theirs,
            ours: keys::infos(tx, id)?,
            fetched_at: known.fetched_at,
            fetch_failure: known.fetch_failure,
            refusal: known.refusal,
        }))
    }

    /// A provider that speaks SAML and is switched on, with what is known of it.
    pub(crate) async fn saml_provider(&self, name: &str) -> Result<(Provider, Known), Error> {
        let name = name.to_owned();
        let found = self.0.db.read(move |tx| -> Result<_, Error> {
            let Some(provider) = rows::by_name(tx, &name)?.filter(|one| one.enabled && one.kind == super::SAML) else {
                return Ok(None);
            };
            Ok(known(tx, provider.id)?.map(|known| (provider, known)))
        });
        found.await?.ok_or(Error::NoProvider)
    }
}
