//! Where letters go out: one server, with TLS.

use std::net::IpAddr;

use base::SecretString;
use lettre::message::Mailbox;

/// How the connection is kept from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte, as on port 465 (RFC 8314).
    Implicit,
    /// TLS after STARTTLS, as on port 587; a server that does not offer it gets nothing.
    StartTls,
    /// None: for a mail server on this very machine.
    ClearOnLoopback,
}

impl Security {
    /// Every way, by the word in the configuration.
    pub const ALL: [(&'static str, Self); 3] =
        [("implicit", Self::Implicit), ("starttls", Self::StartTls), ("clear-on-loopback", Self::ClearOnLoopback)];

    /// The port that is usual for it.
    pub const fn port(self) -> u16 {
        match self {
            Self::Implicit => 465,
            Self::StartTls => 587,
            Self::ClearOnLoopback => 25,
        }
    }
}

/// Who signs in at the mail server.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// The way out.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's host name, as its certificate says it.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from being read.
    pub security: Security,
    /// The authority that vouches for the server, PEM, in place of the machine's.
    pub authority: Option<String>,
    /// Who signs in; nobody where the server asks for nobody.
    pub account: Option<Account>,
    /// Whose letters these are: `Name <address>`, or an address.
    pub from: String,
    /// How we call ourselves in `EHLO`: the host of the public URL.
    pub hello: String,
}

/// A setting that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{remedy}")]
pub struct SettingsError {
    /// The key.
    pub key: &'static str,
    /// What is expected.
    pub remedy: String,
}

impl Settings {
    /// Checks what can be checked without asking anybody.
    ///
    /// # Errors
    /// The key that is wrong, and what is expected.
    pub fn check(&self) -> Result<(), SettingsError> {
        let wrong = |key, remedy: &str| Err(SettingsError { key, remedy: remedy.to_owned() });
        if rustls_pki_types::ServerName::try_from(self.server.as_str()).is_err() {
            return wrong("server", "write the mail server's host name, such as mail.example.com");
        }
        if self.port == 0 {
            return wrong("port", "write the mail server's port: 465 for implicit TLS, 587 for STARTTLS");
        }
        if self.security == Security::ClearOnLoopback && !is_loopback(&self.server) {
            return wrong(
                "tls",
                "without TLS letters go to this very machine alone: server must be localhost, 127.0.0.1 or ::1; \
                 everywhere else write implicit or starttls",
            );
        }
        if self.from.parse::<Mailbox>().is_err() {
            return wrong("from", "write an address, such as Loudhailer <pager@example.com>");
        }
        Ok(())
    }
}

fn is_loopback(server: &str) -> bool {
    server == "localhost" || server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(server: &str, security: Security, from: &str) -> Option<&'static str> {
        let settings = Settings {
            server: server.into(),
            port: security.port(),
            security,
            authority: None,
            account: None,
            from: from.into(),
            hello: "pager.example.com".into(),
        };
        settings.check().err().map(|error| error.key)
    }

    /// E-02: letters never travel in clear text, but to a mail server on this very machine.
    #[test]
    fn e_02_clear_text_is_for_this_machine_alone() {
        assert_eq!(check("mail.example.com", Security::ClearOnLoopback, "a@example.com"), Some("tls"));
        assert_eq!(check("10.0.0.7", Security::ClearOnLoopback, "a@example.com"), Some("tls"));
        for here in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(check(here, Security::ClearOnLoopback, "a@example.com"), None, "{here}");
        }
        assert_eq!(check("mail.example.com", Security::StartTls, "Pager <a@example.com>"), None);
    }

    #[test]
    fn what_is_no_host_and_no_address_is_named() {
        assert_eq!(check("mail example", Security::Implicit, "a@example.com"), Some("server"));
        assert_eq!(check("mail.example.com", Security::Implicit, "nobody"), Some("from"));
    }
}
