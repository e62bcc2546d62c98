//! `[mail]`: the server that takes letters to people.

use std::path::PathBuf;

use base::SecretString;
use mail::{Account, Security, Settings};
use serde::Deserialize;

use super::{Error, secret};

/// `[mail]`
#[derive(Debug, Deserialize)]
pub struct MailServer {
    /// The mail server's host name, as its certificate says it.
    pub server: String,
    /// Its port; 465 for implicit TLS and 587 for STARTTLS when left out.
    pub port: Option<u16>,
    /// How TLS begins: `implicit`, `starttls` (which is demanded), or `clear-on-loopback` for a server on this very machine.
    #[serde(default = "implicit")]
    pub tls: String,
    /// Authority that vouches for the server, PEM, in place of the machine's.
    pub ca: Option<PathBuf>,
    /// Who signs in there.
    pub user: Option<String>,
    /// With which password.
    #[serde(default, deserialize_with = "some_secret")]
    pub password: Option<SecretString>,
    /// Whose letters these are: an address, or `Name <address>`.
    pub from: String,
}

fn implicit() -> String {
    "implicit".to_owned()
}

fn some_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    secret(from).map(Some)
}

impl MailServer {
    fn security(&self) -> Result<Security, Error> {
        let found = Security::ALL.into_iter().find(|(word, _)| *word == self.tls);
        found.map(|(_, security)| security).ok_or_else(|| Error::Value {
            key: "mail.tls".into(),
            remedy: "write implicit (TLS from the first byte, port 465) or starttls (port 587, demanded)".into(),
        })
    }

    /// The settings without the authority's file.
    fn plain(&self, hello: String) -> Result<Settings, Error> {
        let security = self.security()?;
        let account = match (&self.user, &self.password) {
            (Some(user), Some(password)) => Some(Account { user: user.clone(), password: password.clone() }),
            (None, None) => None,
            _ => {
                return Err(Error::Value {
                    key: "mail.user".into(),
                    remedy: "give user and password (or password_file) together, or neither".into(),
                });
            }
        };
        Ok(Settings {
            server: self.server.clone(),
            port: self.port.unwrap_or(security.port()),
            security,
            authority: None,
            account,
            from: self.from.clone(),
            hello,
        })
    }

    /// Checks the section without reading files.
    pub(super) fn validated(&self, hello: String) -> Result<(), Error> {
        let wrong =
            |error: mail::SettingsError| Error::Value { key: format!("mail.{}", error.key), remedy: error.remedy };
        self.plain(hello)?.check().map_err(wrong)
    }

    /// The settings, with the authority's file read.
    pub(super) fn settings(&self, hello: String) -> Result<Settings, Error> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.display().to_string(), source })
        };
        Ok(Settings { authority: self.ca.as_ref().map(read).transpose()?, ..self.plain(hello)? })
    }
}

#[cfg(test)]
mod tests {
    use mail::Security;

    use crate::config::tests::{MINIMAL, check};

    fn with(section: &str) -> Result<mail::Settings, String> {
        let text = format!("{MINIMAL}[server]\npublic_url='https://pager.example.com:8443'\n[mail]\n{section}");
        check(&text, &[]).map(|config| config.mail().unwrap().unwrap())
    }

    #[test]
    fn a_server_and_an_address_are_enough() {
        let settings = with("server='mail.example.com'\nfrom='Pager <pager@example.com>'\n").unwrap();
        assert_eq!((settings.port, settings.security), (465, Security::Implicit));
        assert_eq!(settings.hello, "pager.example.com");
        assert!(settings.account.is_none());
        assert!(check(MINIMAL, &[]).unwrap().mail().unwrap().is_none());
    }

    #[test]
    fn the_environment_gives_the_password() {
        let text =
            format!("{MINIMAL}[mail]\nserver='mail.example.com'\nfrom='a@example.com'\ntls='starttls'\nuser='pager'\n");
        let settings = check(&text, &[("LOUDHAILER_MAIL_PASSWORD", "not shown"), ("LOUDHAILER_MAIL_PORT", "2587")]);
        let settings = settings.unwrap().mail().unwrap().unwrap();
        assert_eq!(settings.port, 2587);
        assert!(settings.account.is_some() && !format!("{settings:?}").contains("not shown"));
        assert_eq!(
            check(&text, &[]).unwrap_err(),
            "mail.user: give user and password (or password_file) together, or neither"
        );
    }

    #[test]
    fn what_cannot_be_is_named() {
        let unknown = with("server='m.example.com'\nfrom='a@example.com'\nsender='b'\n").unwrap_err();
        assert!(unknown.starts_with("unknown key mail.sender; did you mean mail."), "{unknown}");
        let clear = with("server='m.example.com'\nfrom='a@example.com'\ntls='clear-on-loopback'\n").unwrap_err();
        assert!(clear.starts_with("mail.tls: without TLS letters go to this very machine alone"), "{clear}");
        let off = with("server='m.example.com'\nfrom='a@example.com'\ntls='off'\n").unwrap_err();
        assert!(off.starts_with("mail.tls: write implicit"), "{off}");
        let from = with("server='m.example.com'\nfrom='Pager'\n").unwrap_err();
        assert!(from.starts_with("mail.from: write an address"), "{from}");
    }
}
