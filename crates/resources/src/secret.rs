//! Secrets on their way: given by a draft, kept in a body as a sealed or hashed leaf, opened for a projection.

use std::collections::BTreeMap;
use std::fmt;

use base::SecretString;
use serde::{Deserialize, Serialize};

use crate::Json;

/// A secret inside a typed body: something is set. Holds the sealed or hashed leaf, never the value, and
/// prints nothing. Use `Option<SecretSlot>` in a body struct.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretSlot(Json);

impl fmt::Debug for SecretSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSlot(•••)")
    }
}

/// What a draft says about a secret field.
#[derive(Clone, Debug)]
pub enum Given {
    /// This value.
    Value(SecretString),
    /// What is stored already.
    Unchanged,
    /// A new one that we draw: how a drawn token is renewed. Only for fields that we draw for.
    Draw,
}

/// A body on its way to the writer: plain fields as JSON, secrets apart, by path ("password", "tls.key").
#[derive(Clone, Default)]
pub struct Draft {
    pub(crate) body: Json,
    pub(crate) secrets: BTreeMap<String, Given>,
}

impl fmt::Debug for Draft {
    /// Without the body: it may hold personal values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

impl Draft {
    /// A draft with plain fields only. A value in a secret field is refused when it is put.
    pub fn new(body: Json) -> Self {
        Self { body, secrets: BTreeMap::new() }
    }

    /// The same draft with a value for the secret field at `path`.
    #[must_use]
    pub fn secret(mut self, path: impl Into<String>, value: SecretString) -> Self {
        self.secrets.insert(path.into(), Given::Value(value));
        self
    }

    /// The same draft, keeping the stored value of the secret field at `path`.
    #[must_use]
    pub fn unchanged(mut self, path: impl Into<String>) -> Self {
        self.secrets.insert(path.into(), Given::Unchanged);
        self
    }

    /// The same draft, asking for a newly drawn secret in the field at `path`.
    #[must_use]
    pub fn draw(mut self, path: impl Into<String>) -> Self {
        self.secrets.insert(path.into(), Given::Draw);
        self
    }

    /// The same draft, with what it says about secrets, over other plain fields.
    #[must_use]
    pub fn with_body(mut self, body: Json) -> Self {
        self.body = body;
        self
    }

    /// The plain fields.
    pub fn body(&self) -> &Json {
        &self.body
    }
}

/// The secrets of one entry while it is being written.
#[derive(Debug, Default)]
pub(crate) struct Secrets(BTreeMap<String, Opened>);

/// One secret. `SecretString` keeps the value out of `Debug`.
#[derive(Default)]
pub(crate) struct Opened {
    pub value: Option<SecretString>,
    pub hash: Option<[u8; 32]>,
    pub changed: bool,
    pub drawn: bool,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("changed", &self.changed).finish_non_exhaustive()
    }
}

impl Secrets {
    pub(crate) fn insert(&mut self, path: String, opened: Opened) {
        self.0.insert(path, opened);
    }

    pub(crate) fn value(&self, path: &str) -> Option<&SecretString> {
        self.0.get(path)?.value.as_ref()
    }

    pub(crate) fn hash(&self, path: &str) -> Option<[u8; 32]> {
        self.0.get(path)?.hash
    }

    pub(crate) fn drawn(&self, path: &str) -> bool {
        self.0.get(path).is_some_and(|opened| opened.drawn)
    }

    pub(crate) fn changed(&self, path: &str) -> bool {
        self.0.get(path).is_some_and(|opened| opened.changed)
    }
}
