//! What the forms of the first use send. They hold a password and a number, so that neither is printed.

use serde::Deserialize;

/// A first workspace.
#[derive(Debug, Deserialize)]
pub struct WorkspaceForm {
    /// Its name in addresses.
    pub slug: String,
    /// `development`, `qa` or `production`.
    pub environment: String,
}

/// A carrier and the route to it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CarrierForm {
    /// Its name.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// Our account.
    pub system_id: String,
    /// Its password; never shown again.
    pub password: String,
    /// Whose texts these are.
    pub sender: String,
    /// Present when the connection is in clear text.
    pub plain: Option<String>,
    /// Present when a development workspace may reach real phones by it.
    pub open: Option<String>,
    /// The reference of an approved change.
    pub change: String,
}

impl std::fmt::Debug for CarrierForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CarrierForm").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The reader's own phone.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PhoneForm {
    /// Its number.
    pub number: String,
}

impl std::fmt::Debug for PhoneForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PhoneForm(•••)")
    }
}
