//! The demo's secrets: drawn once, kept in `DIR/demo.json` (0600), and handed to the seed by name.

use std::fs;
use std::path::Path;

use base::{Context, SecretString};
use crypto::token::{self, Kind};
use resources::{SecretSource, SourceError};
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
        let path = dir.join(DEMO_MARK);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
                Error::told(format!("{} is damaged. Move the directory away to start anew.", path.display()))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Self::draw(context);
                write_private(&path, &serde_json::to_vec_pretty(&secrets)?, 0o600)?;
                Ok(secrets)
            }
            Err(error) => Err(Error::file(&path, error)),
        }
    }

    fn draw(context: &Context) -> Self {
        let mint = |kind| base::ExposeSecret::expose_secret(&token::mint(kind, context.chance())).to_owned();
        Self {
            api_key: mint(Kind::Key),
            generic_token: mint(Kind::Url),
            alertmanager_token: mint(Kind::Url),
            handset_key: mint(Kind::Setup),
            carrier_password: password(context),
            smpp_password: password(context),
        }
    }
}

/// SMPP 3.4 gives a password eight characters; letters and digits without look-alikes.
fn password(context: &Context) -> String {
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
        let path = dir.join("story.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
                Error::told(format!("{} is damaged. Move the directory away to start anew.", path.display()))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mint = |kind| base::ExposeSecret::expose_secret(&token::mint(kind, context.chance())).to_owned();
                let secrets = Self { token: mint(Kind::Url), key: mint(Kind::Key) };
                write_private(&path, &serde_json::to_vec_pretty(&secrets)?, 0o600)?;
                Ok(secrets)
            }
            Err(error) => Err(Error::file(&path, error)),
        }
    }
}

impl SecretSource for StorySecrets {
    fn file(&self, path: &str) -> std::result::Result<SecretString, SourceError> {
        Err(SourceError(format!("the story reads no file {path}")))
    }

    fn env(&self, name: &str) -> std::result::Result<SecretString, SourceError> {
        match name {
            "STORY_TOKEN" => Ok(SecretString::from(self.token.clone())),
            "STORY_KEY" => Ok(SecretString::from(self.key.clone())),
            _ => Err(SourceError(format!("the story has no secret {name}"))),
        }
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
