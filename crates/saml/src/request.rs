//! Asking for a sign-on.

use base::Timestamp;

use crate::c14n::escaped;
use crate::names::{ASSERTION, POST, PROTOCOL};
use crate::time;

/// A request for a sign-on, not yet signed: `id` is what the answer will name, `to` where it goes, `us` who asks, `acs` where the
/// answer shall be posted to. `again` has the provider ask the person for a proof, even when they are signed in there.
pub fn ask(id: &str, us: &str, acs: &str, to: &str, again: bool, now: Timestamp) -> String {
    let force = if again { " ForceAuthn=\"true\"" } else { "" };
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" \
         Destination=\"{}\" AssertionConsumerServiceURL=\"{}\" ProtocolBinding=\"{POST}\"{force}><saml:Issuer>{}</saml:Issuer>\
         <samlp:NameIDPolicy AllowCreate=\"true\"></samlp:NameIDPolicy></samlp:AuthnRequest>",
        escaped(id),
        time::written(now),
        escaped(to),
        escaped(acs),
        escaped(us),
    )
}
