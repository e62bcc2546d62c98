//! Where a file's secrets come from: this machine.

use base::SecretString;
use resources::{SecretSource, SourceError};

/// Files and environment of the process that reads the file.
#[derive(Debug, Default)]
pub struct FromHere;

impl SecretSource for FromHere {
    fn file(&self, path: &str) -> Result<SecretString, SourceError> {
        std::fs::read_to_string(path)
            .map(|text| SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned()))
            .map_err(|error| SourceError(format!("the file {path} cannot be read: {error}")))
    }

    fn env(&self, name: &str) -> Result<SecretString, SourceError> {
        std::env::var(name)
            .map(SecretString::from)
            .map_err(|_| SourceError(format!("the environment has no variable {name}; set it, or use {{file: PATH}}")))
    }
}
