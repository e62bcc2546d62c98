//! The handle: proves tokens of issuers, and says what they publish.

use std::sync::Arc;
use std::time::Duration;

use base::Context;
use crypto::jwt::{Claims, Expected, KeySet, Refused, Unproven};
use outbound::{Get, Guarded, HeaderName, HeaderValue, Outcome};

use crate::Metadata;
use crate::cache::{Cache, Need};

/// Why a token is not believed, or its issuer cannot be asked. Texts hold no part of a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The token is not believed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The issuer was not asked, or did not answer.
    #[error("the issuer cannot be asked: {0}")]
    Unreachable(#[from] Outcome),
    /// The issuer answered with something that cannot be used.
    #[error("the issuer's answer cannot be used: {0}")]
    Unusable(String),
}

/// Where an issuer's keys come from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The issuer, as its tokens name it.
    pub issuer: &'a str,
    /// Where its keys are, when it does not publish that itself.
    pub jwks_uri: Option<&'a str>,
    /// The authority (PEM) that vouches for its addresses, in place of the machine's.
    pub authority: Option<&'a str>,
}

/// What is known of an issuer's keys, without asking it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// How many keys there are at hand, and how long ago they were fetched.
    pub keys: Option<(usize, Duration)>,
    /// Why it could not be asked when it was last tried, and how long ago that was.
    pub failed: Option<(Duration, String)>,
}

/// All issuers, with what was fetched from them. Cheap to clone.
#[derive(Clone)]
pub struct Issuers(Arc<Inner>);

/// A URL, as one authority vouches for it.
type At = (String, Option<String>);

struct Inner {
    guarded: Guarded,
    context: Context,
    metadata: Cache<At, Metadata>,
    keys: Cache<At, KeySet>,
}

impl std::fmt::Debug for Issuers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issuers(…)")
    }
}

impl Issuers {
    /// Issuers that are asked through `guarded`.
    pub fn new(guarded: Guarded, context: Context) -> Self {
        let (metadata, keys) = (Cache::default(), Cache::default());
        Self(Arc::new(Inner { guarded, context, metadata, keys }))
    }

    /// The client that asks, for what else is asked of an issuer.
    pub fn guarded(&self) -> &Guarded {
        &self.0.guarded
    }

    /// Proves a token: its signature by a key that the issuer publishes, and what is expected of its claims. A key that is
    /// not known has the keys fetched anew, at most once in 30 seconds.
    pub async fn prove(&self, token: &str, source: Source<'_>, expected: &Expected<'_>) -> Result<Claims, Error> {
        // What is no token costs no request.
        let unproven = Unproven::read(token)?;
        let keys = self.keys(source).await?;
        match unproven.prove(&keys, expected) {
            Err(Refused::UnknownKey(kid)) => match self.keys_for(source, Need::Other(&keys)).await? {
                Some(newer) => Ok(unproven.prove(&newer, expected)?),
                None => Err(Refused::UnknownKey(kid).into()),
            },
            proven => Ok(proven?),
        }
    }

    /// The keys of an issuer, at most ten minutes old where it answers.
    pub async fn keys(&self, source: Source<'_>) -> Result<Arc<KeySet>, Error> {
        let found = self.keys_for(source, Need::Usual).await?;
        found.ok_or_else(|| Error::Unusable("it publishes no keys".to_owned()))
    }

    /// What is known of an issuer's keys by now. Where they are may be the issuer's own word, which may not be known yet.
    pub fn known(&self, source: Source<'_>) -> Known {
        let (now, authority) = (self.0.context.monotonic(), source.authority.map(str::to_owned));
        let (published, unpublished) = self.0.metadata.held(&(source.issuer.to_owned(), authority.clone()));
        let url = source.jwks_uri.map(str::to_owned).or_else(|| published.map(|(found, _)| found.jwks_uri.clone()));
        let (keys, failed) = url.map(|url| self.0.keys.held(&(url, authority))).unwrap_or_default();
        let failed = failed.or_else(|| unpublished.filter(|_| source.jwks_uri.is_none()));
        Known {
            keys: keys.map(|(keys, at)| (keys.len(), now.saturating_sub(at))),
            failed: failed.map(|(error, at)| (now.saturating_sub(at), error.to_string())),
        }
    }

    async fn keys_for(&self, source: Source<'_>, need: Need<'_, KeySet>) -> Result<Option<Arc<KeySet>>, Error> {
        let url = match source.jwks_uri {
            Some(url) => url.to_owned(),
            None => self.metadata(source.issuer, source.authority).await?.jwks_uri.clone(),
        };
        let authority = source.authority.map(str::to_owned);
        let fetch = async {
            let keys = KeySet::parse(&self.fetch(&url, source.authority).await?)?;
            if keys.is_empty() {
                return Err(Error::Unusable("none of the keys that it publishes can be used here".to_owned()));
            }
            Ok(keys)
        };
        self.0.keys.get((url.clone(), authority), need, self.0.context.monotonic(), fetch).await
    }

    /// What an issuer publishes about itself, at most ten minutes old where it answers.
    pub async fn metadata(&self, issuer: &str, authority: Option<&str>) -> Result<Arc<Metadata>, Error> {
        let key = (issuer.to_owned(), authority.map(str::to_owned));
        let fetch = async {
            let body = self.fetch(&Metadata::url(issuer), authority).await?;
            Metadata::read(&body, issuer).map_err(Error::Unusable)
        };
        let found = self.0.metadata.get(key, Need::Usual, self.0.context.monotonic(), fetch).await?;
        found.ok_or_else(|| Error::Unusable("it publishes nothing about itself".to_owned()))
    }

    async fn fetch(&self, url: &str, authority: Option<&str>) -> Result<Vec<u8>, Error> {
        let headers = vec![(HeaderName::from_static("accept"), HeaderValue::from_static("application/json"))];
        let reply = self.0.guarded.get(Get { url, authority, headers }).await?;
        match reply.status {
            200 if reply.cut => Err(Error::Unusable("it is longer than 64 KiB, or broke off".to_owned())),
            200 => Ok(reply.body),
            status => Err(Error::Unusable(format!("it answered {status} where 200 was expected"))),
        }
    }
}
