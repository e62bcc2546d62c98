//! Who acts: the principal behind a request, how it proved itself and from where.

use std::fmt;
use std::net::SocketAddr;

use base::{ApiKeyId, IntegrationId, OauthClientId, RequestId, SessionId, SmppAccountId, TokenIssuerId, UserId};
use serde::{Deserialize, Serialize};

/// Who somebody is, once proven.
#[derive(Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person.
    User {
        /// Their id.
        id: UserId,
        /// Their name, for pages and the audit log.
        name: String,
    },
    /// A program with a key.
    ApiKey {
        /// The key's id.
        id: ApiKeyId,
        /// The key's name.
        name: String,
    },
    /// A program with an access token of ours.
    OauthClient {
        /// The client's id.
        id: OauthClientId,
        /// The client's name.
        name: String,
    },
    /// A program with a token of another service that counts here.
    Issued {
        /// The issuer's id.
        id: TokenIssuerId,
        /// The issuer's name, and whom the token is about.
        name: String,
    },
    /// A program that is bound by SMPP.
    SmppAccount {
        /// The account's id.
        id: SmppAccountId,
        /// Its `system_id`.
        name: String,
    },
    /// A source of signals.
    Integration {
        /// Its id.
        id: IntegrationId,
        /// Its name.
        name: String,
    },
    /// A part of the product itself, doing work that nobody asked for just now.
    Engine(&'static str),
    /// An operator on the machine, `user@host`.
    Os(String),
    /// Nobody proven: only ever seen in refusals and before a log-in.
    Anonymous,
}

impl Principal {
    /// The sort of principal, as the audit log names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::ApiKey { .. } => "api_key",
            Self::OauthClient { .. } => "oauth_client",
            Self::Issued { .. } => "token_issuer",
            Self::SmppAccount { .. } => "smpp_account",
            Self::Integration { .. } => "integration",
            Self::Engine(_) => "engine",
            Self::Os(_) => "os",
            Self::Anonymous => "anonymous",
        }
    }

    /// The id that tells it from others of its sort.
    pub fn id(&self) -> String {
        match self {
            Self::User { id, .. } => id.to_string(),
            Self::ApiKey { id, .. } => id.to_string(),
            Self::OauthClient { id, .. } => id.to_string(),
            Self::Issued { id, .. } => id.to_string(),
            Self::SmppAccount { id, .. } => id.to_string(),
            Self::Integration { id, .. } => id.to_string(),
            Self::Engine(part) => (*part).to_owned(),
            Self::Os(who) => who.clone(),
            Self::Anonymous => String::new(),
        }
    }

    /// Kind and id in one text, as rows name a principal: no name, since that is personal.
    pub fn key(&self) -> String {
        format!("{}:{}", self.kind(), self.id())
    }

    /// The name for pages and timelines.
    pub fn name(&self) -> &str {
        match self {
            Self::User { name, .. }
            | Self::ApiKey { name, .. }
            | Self::OauthClient { name, .. }
            | Self::Issued { name, .. }
            | Self::SmppAccount { name, .. }
            | Self::Integration { name, .. } => name,
            Self::Engine(part) => part,
            Self::Os(who) => who,
            Self::Anonymous => "nobody",
        }
    }

    /// Whether it is a program with a credential of its own: a key, a token of ours, a token of another service.
    pub const fn is_program(&self) -> bool {
        matches!(self, Self::ApiKey { .. } | Self::OauthClient { .. } | Self::Issued { .. })
    }

    /// The person's id, when it is a person.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::User { id, .. } => Some(*id),
            _ => None,
        }
    }
}

impl fmt::Debug for Principal {
    /// Without names: they are personal values and `Debug` ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { .. }
            | Self::ApiKey { .. }
            | Self::OauthClient { .. }
            | Self::Issued { .. }
            | Self::SmppAccount { .. }
            | Self::Integration { .. }
            | Self::Engine(_) => {
                write!(f, "{}:{}", self.kind(), self.id())
            }
            Self::Os(_) | Self::Anonymous => f.write_str(self.kind()),
        }
    }
}

/// How a principal proved itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Not at all.
    None,
    /// The one-time set-up link.
    SetupLink,
    /// A password, now or at the start of the session.
    Password,
    /// A code of an authenticator app, after another proof.
    Totp,
    /// A passkey, alone or after another proof.
    Passkey,
    /// A recovery code, after another proof.
    RecoveryCode,
    /// The word of an identity provider, now or at the start of the session.
    SingleSignOn,
    /// An API key.
    ApiKey,
    /// An access token of ours (OAuth 2.1).
    OauthToken,
    /// The secret, key or certificate of an OAuth client, at the token endpoint.
    OauthClient,
    /// A token of another service.
    IssuedToken,
    /// A token in the URL of an integration.
    UrlToken,
    /// An SMPP bind.
    Smpp,
    /// An answer from the handset that was paged.
    Handset,
    /// A client certificate.
    Certificate,
    /// The product's own work.
    Internal,
    /// Rights on the machine itself.
    Os,
}

impl AuthMethod {
    /// The name in the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SetupLink => "setup_link",
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery_code",
            Self::SingleSignOn => "single_sign_on",
            Self::ApiKey => "api_key",
            Self::OauthToken => "oauth_token",
            Self::OauthClient => "oauth_client",
            Self::IssuedToken => "issued_token",
            Self::UrlToken => "url_token",
            Self::Smpp => "smpp",
            Self::Handset => "handset",
            Self::Certificate => "certificate",
            Self::Internal => "internal",
            Self::Os => "os",
        }
    }
}

/// Who acts, with everything the audit log wants to know about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub principal: Principal,
    /// In which session.
    pub session: Option<SessionId>,
    /// How proven.
    pub auth: AuthMethod,
    /// From which address and port.
    pub source: Option<SocketAddr>,
    /// With which program, as it said itself.
    pub user_agent: Option<String>,
    /// In which request.
    pub request: Option<RequestId>,
}

impl fmt::Debug for Actor {
    /// Without the address and the program: they are personal values too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor")
            .field("principal", &self.principal)
            .field("auth", &self.auth)
            .field("session", &self.session)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

impl Actor {
    /// An actor of which nothing but the proof is known yet; set the other fields as they are learnt.
    pub const fn new(principal: Principal, auth: AuthMethod) -> Self {
        Self { principal, session: None, auth, source: None, user_agent: None, request: None }
    }

    /// The product itself, named after the part that works.
    pub const fn engine(part: &'static str) -> Self {
        Self::new(Principal::Engine(part), AuthMethod::Internal)
    }

    /// Somebody who proved nothing.
    pub const fn anonymous(source: Option<SocketAddr>) -> Self {
        Self {
            principal: Principal::Anonymous,
            session: None,
            auth: AuthMethod::None,
            source,
            user_agent: None,
            request: None,
        }
    }

    /// An operator on the machine: `user` at `host`.
    pub fn os(user: &str, host: &str) -> Self {
        Self::new(Principal::Os(format!("{user}@{host}")), AuthMethod::Os)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_name() {
        let mut actor = Actor::new(
            Principal::User { id: UserId::from(uuid_of(1)), name: "Ada Sample".into() },
            AuthMethod::Password,
        );
        actor.source = Some(([192, 0, 2, 7], 4_000).into());
        let shown = format!("{actor:?}");
        assert!(!shown.contains("192.0"), "{shown}");
        assert!(!shown.contains("Ada") && shown.contains("user:00000000"), "{shown}");
        assert!(!format!("{:?}", Actor::os("ada", "host1")).contains("ada"));
    }

    fn uuid_of(last: u8) -> uuid::Uuid {
        uuid::Uuid::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
    }
}
