//! What the token endpoint refuses, in the words of RFC 6749 section 5.2 and RFC 8707.

use std::time::Duration;

/// A refusal at the token endpoint. What is said of it is the same for every cause that a stranger could tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OauthRefusal {
    /// The request is not what the RFC asks for.
    InvalidRequest(&'static str),
    /// Unknown client, wrong proof, elsewhere: one answer.
    InvalidClient,
    /// Another grant than client credentials.
    UnsupportedGrant,
    /// A scope that the client has not.
    InvalidScope,
    /// A resource that is not here, or at which the client's tokens do not count.
    InvalidTarget,
    /// Too many tries.
    SlowDown(Duration),
}

impl OauthRefusal {
    /// The code of the answer.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnsupportedGrant => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::SlowDown(_) => "temporarily_unavailable",
        }
    }

    /// What is wrong and what to do. ASCII without quotes and backslashes, as RFC 6749 asks.
    pub const fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest(what) => what,
            Self::InvalidClient => {
                "The client is not known, or its proof does not count. Check client_id, secret or certificate, and where the request comes from."
            }
            Self::UnsupportedGrant => "Only grant_type=client_credentials is served here.",
            Self::InvalidScope => {
                "A scope was asked for that this client does not have. Leave scope out for all it has."
            }
            Self::InvalidTarget => {
                "The resource is not one at which tokens of this client count. The metadata of this server lists them."
            }
            Self::SlowDown(_) => "Too many requests. Use a token until it ends, and wait as Retry-After says.",
        }
    }
}
