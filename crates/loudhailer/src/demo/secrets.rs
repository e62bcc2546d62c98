//! The demo's secrets: drawn once, kept in `DIR/demo.json` (0600), and handed to the seed by name.

use std::fs;
use std::path::Path;

use base::{Context, SecretString};
use crypto::token::{self, Kind};
use resources::{SecretSource, SourceError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::init::write_private;
use crate::serve::DEMO_MARK;

/// What was drawn for this directory.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// Opens the REST API for workspace `demo`.
    pub api_key: String,
    /// Opens the integration `generic`.
    pub generic_token: String,
    /// Opens the integration `alertmanager`.
    pub alertmanager_token: String,
    /// Opens the handsets' page.
    pub handset_key: String,
    /// Between product and simulated carrier.
    pub carrier_password: String,
    /// Of the SMPP account `demo`; empty in directories of before there was one.
    #[serde(default)]
    pub smpp_password: String,
}

impl Secrets {
    /// Those of `dir`; drawn now if there are none.
    pub fn of(dir: &Path, context: &Context) -> Result<Self> {
        kept(&dir.join(DEMO_MARK), || Self {
            api_key: mint(Kind::Key, context),
            generic_token: mint(Kind::Url, context),
            alertmanager_token: mint(Kind::Url, context),
            handset_key: mint(Kind::Setup, context),
            carrier_password: password(context),
            smpp_password: password(context),
        })
    }
}

/// What `path` keeps (mode 0600); drawn now if it is not there.
fn kept<T: Serialize + DeserializeOwned>(path: &Path, draw: impl FnOnce() -> T) -> Result<T> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|_| Error::told(format!("{} is damaged. Move the directory away to start anew.", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secrets = draw();
            write_private(path, &serde_json::to_vec_pretty(&secrets)?, 0o600)?;
            Ok(secrets)
        }
        Err(error) => Err(Error::file(path, error)),
    }
}

fn mint(kind: Kind, context: &Context) -> String {
    base::ExposeSecret::expose_secret(&token::mint(kind, context.chance())).to_owned()
}

/// SMPP 3.4 gives a password eight characters; letters and digits without look-alikes.
pub fn password(context: &Context) -> String {
    (0..8).map(|_| char::from(b"abcdefghjkmnpqrstuvwxyz23456789"[context.chance().below(31) as usize])).collect()
}

/// What the story's sources and its shop show: drawn once, kept in a file of their own (0600).
#[derive(Clone, Serialize, Deserialize)]
pub struct StorySecrets {
    /// Opens the story's integrations.
    pub token: String,
    /// The shop's API key.
    pub key: String,
}

impl StorySecrets {
    /// Those of `dir`; drawn now if there are none.
    pub fn of(dir: &Path, context: &Context) -> Result<Self> {
        kept(&dir.join("story.json"), || Self { token: mint(Kind::Url, context), key: mint(Kind::Key, context) })
    }
}

impl SecretSource for Secrets {
    fn file(&self, path: &str) -> std::result::Result<SecretString, SourceError> {
        Err(SourceError(format!("the demo reads no file {path}")))
    }

    fn env(&self, name: &str) -> std::result::Result<SecretString, SourceError> {
        let value = match name {
            "API_KEY" => &self.api_key,
            "GENERIC_TOKEN" => &self.generic_token,
            "ALERTMANAGER_TOKEN" => &self.alertmanager_token,
            "CARRIER_PASSWORD" => &self.carrier_password,
            "SMPP_PASSWORD" => &self.smpp_password,
            _ => return Err(SourceError(format!("the demo has no secret {name}"))),
        };
        Ok(SecretString::from(value.clone()))
    }
}
