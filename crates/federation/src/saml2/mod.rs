//! SAML 2.0: a provider that speaks it, from its settings to an [`crate::Arrival`]. The protocol is the crate `saml`'s.
//!
//! | file | what |
//! |---|---|
//! | `settings` | what people configure, and the checks of it |
//! | `state` | what is known of each: its facts, and how the last answers went |
//! | `keys` | our own key pairs, one for each provider, and their rotation with overlap |
//! | `renewal` | metadata fetched by URL: at first use, every few hours, and when a certificate is not known |
//! | `words` | what a provider's attributes come to |
//! | `sign_on` | asking, the posted answer, and the page that it is brought to |
//! | `leaving` | single log-out, whichever side begins |
//!
//! A provider posts its answer from its own page, so the cookie of our session does not come with it (`SameSite=Lax`), and must not
//! act. That post is only proven, by the cookie `__Host-sso` (`SameSite=None`) that the sign-on began with; what it says is laid
//! down sealed under a new token, and the browser is sent to a page of ours, where it shows all of its cookies and arrives.

mod keys;
mod leaving;
mod renewal;
mod settings;
mod sign_on;
mod state;
mod words;

pub use keys::KeyAct;
pub(crate) use keys::SEALED;
pub use leaving::{Came, Left};
pub(crate) use settings::{FIELDS, SamlBody, check, impersonation, same};
pub use state::{KeyInfo, SamlState};
pub(crate) use state::{nameless, project, remove, sweep};

/// What a provider that speaks SAML is called in `kind`.
pub const SAML: &str = "saml";

/// Where a provider's own addresses of ours are: what is registered there.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Who we are to it, and where our metadata is.
    pub entity_id: String,
    /// Where it posts answers to.
    pub acs: String,
    /// Where it sends log-outs.
    pub slo: String,
}

impl Addresses {
    /// Those of a provider of this name.
    pub fn of(public_url: &str, provider: &str) -> Self {
        let base = format!("{}/sso/{provider}", public_url.trim_end_matches('/'));
        Self { entity_id: format!("{base}/metadata"), acs: format!("{base}/acs"), slo: format!("{base}/slo") }
    }
}
