//! Metadata that is fetched by its address. What was fetched last counts until something newer is fetched, whatever happens.

use std::time::Duration;

use base::ResourceId;
use outbound::{Get, HeaderName, HeaderValue};
use saml::Facts;
use store::params;

use super::state::{self, Known};
use crate::federation::Federation;
use crate::{Error, Provider, rows};

/// How often metadata is fetched.
const OFTEN: Duration = Duration::from_hours(6);
/// How soon it is tried again.
const SOON: Duration = Duration::from_mins(10);
/// How rarely it is fetched because somebody comes: strangers can show certificates that are not known.
const RARELY: Duration = Duration::from_secs(30);
/// Providers at a time.
const BATCH: i64 = 20;

impl Federation {
    /// Fetches the metadata of providers whose time it is. Called now and then, on every node: whoever claims one fetches it.
    pub async fn renew(&self) -> Result<u64, Error> {
        let due: Vec<ResourceId> = self
            .0
            .db
            .write(|tx| {
                let (now, again) = (tx.now(), tx.now().plus(SOON));
                tx.query(
                    "UPDATE saml_providers SET next_fetch_at = $2, tried_at = $1 WHERE provider IN (SELECT provider FROM saml_providers \
                     WHERE next_fetch_at <= $1 ORDER BY next_fetch_at LIMIT $3) RETURNING provider",
                    &params![now, again, BATCH],
                    |row| row.get("provider"),
                )
            })
            .await?;
        let mut done = 0;
        for id in due {
            let found = self.0.db.read(move |tx| -> Result<_, Error> {
                Ok((rows::by_id(tx, id)?.filter(|one| one.enabled), state::known(tx, id)?))
            });
            if let (Some(provider), Some(known)) = found.await?
                && self.fetch(&provider, &known).await.is_ok()
            {
                done += 1;
            }
        }
        Ok(done)
    }

    /// What is known of a provider, fetched now if it never was, and nobody tried just before.
    pub(crate) async fn saml_facts(&self, provider: &Provider, known: &Known) -> Result<Facts, Error> {
        if let Some(facts) = &known.facts {
            return Ok(facts.clone());
        }
        if self.may_fetch(provider, known).await? {
            return self.fetch(provider, known).await;
        }
        // Whoever tried may have it by now.
        let id = provider.id;
        let now = self.0.db.read(move |tx| state::known(tx, id)).await?;
        let facts = now.and_then(|now| now.facts).filter(|facts| facts.entity_id == provider.issuer);
        facts.ok_or_else(|| {
            Error::Provider("its metadata is not known yet; it is fetched once in 30 seconds".to_owned())
        })
    }

    /// What is known of a provider after somebody showed a certificate that is not; nothing when that cannot be newer.
    pub(crate) async fn saml_newer(&self, provider: &Provider, known: &Known) -> Result<Option<Facts>, Error> {
        if !self.may_fetch(provider, known).await? {
            return Ok(None);
        }
        Ok(self.fetch(provider, known).await.ok().filter(|newer| Some(newer) != known.facts.as_ref()))
    }

    /// Whether it is this one who fetches: of all who come within half a minute, on whichever node, one does, whatever comes of it.
    async fn may_fetch(&self, provider: &Provider, known: &Known) -> Result<bool, Error> {
        let now = self.0.db.context().now();
        if known.settings.metadata_url.is_none() {
            // Nothing is fetched: that is said without a claim.
            return Ok(known.facts.is_none());
        }
        if known.tried_at.is_some_and(|at| now.since(at) < RARELY) {
            return Ok(false);
        }
        let id = provider.id;
        Ok(self.0.db.write(move |tx| state::claim(tx, id, RARELY)).await?)
    }

    async fn fetch(&self, provider: &Provider, known: &Known) -> Result<Facts, Error> {
        let Some(url) = known.settings.metadata_url.as_deref() else {
            return Err(Error::Provider("its metadata is missing".to_owned()));
        };
        let (of, at) = (provider.clone(), url.to_owned());
        match self.metadata_at(url, provider.authority.as_deref(), Some(&provider.issuer)).await {
            Ok(facts) => {
                let noted = facts.clone();
                let counts = self.0.db.write(move |tx| state::fetched(tx, &of, &at, &noted, OFTEN)).await?;
                let changed = || Error::Provider("its settings changed while its metadata was fetched".to_owned());
                if counts { Ok(facts) } else { Err(changed()) }
            }
            Err(error) => {
                let why = error.to_string();
                tracing::warn!(provider = %provider.name, why, "the metadata of an identity provider could not be fetched");
                self.0.db.write(move |tx| state::not_fetched(tx, &of, &at, &why, SOON)).await?;
                Err(error)
            }
        }
    }

    /// Fetches metadata, through the guarded client. `issuer` says which of several providers is meant; without it there must be
    /// one.
    pub async fn metadata_at(&self, url: &str, authority: Option<&str>, issuer: Option<&str>) -> Result<Facts, Error> {
        let accept = HeaderValue::from_static("application/samlmetadata+xml, application/xml, text/xml");
        let get = Get { url, authority, headers: vec![(HeaderName::from_static("accept"), accept)] };
        let reply = self.0.issuers.guarded().get_long(get, saml::METADATA_BYTES).await;
        let reply = reply.map_err(|error| Error::Provider(format!("its metadata: {error}")))?;
        if reply.status != 200 || reply.cut {
            let why = if reply.cut {
                "is longer than 1 MiB, or broke off".to_owned()
            } else {
                format!("answered {}", reply.status)
            };
            return Err(Error::Provider(format!("the address of its metadata {why}")));
        }
        let now = self.0.db.context().now();
        saml::facts(&reply.body, issuer, now).map_err(|error| Error::Provider(error.to_string()))
    }
}
