//! What people are written: an invitation, a link for a new password, the news that a password was changed, and that credentials of programs end. Plain text,
//! in few sentences; links are made of the public URL alone.

use std::time::Duration;

use base::{ExposeSecret, MailId};
use mail::Letter;
use store::Tx;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::link::{INVITE, Link, RESET};
use crate::{Error, Identity};

/// The sort of letter that tells of a changed password.
const CHANGED: &str = "password-changed";
/// The sort of letter about credentials that end.
const ENDS: &str = "credentials-end";
/// For how long one is worth sending.
const ENDS_WORTH: Duration = Duration::from_hours(48);
/// For how long it is worth telling.
const NEWS: Duration = Duration::from_hours(24);

/// What a letter says.
struct Said {
    purpose: &'static str,
    subject: String,
    text: Zeroizing<String>,
}

impl Identity {
    /// Queues an invitation.
    pub(crate) fn write_invitation(&self, tx: &mut Tx<'_>, to: &Account, link: &Link) -> Result<MailId, Error> {
        let here = here(tx)?;
        let url = self.url("invite", link);
        let said = Said {
            purpose: INVITE,
            subject: format!("Your access to {here}"),
            text: Zeroizing::new(format!(
                "Hello {},\n\nyou are invited to {here}. Choose your password here:\n\n{}\n\nThe link works once, for 24 hours. \
                 Nobody but you learns the password. If you did not expect this, do nothing.\n",
                to.name, *url
            )),
        };
        self.post(tx, to, said, link.expires_at)
    }

    /// Queues a link for a new password.
    pub(crate) fn write_reset(&self, tx: &mut Tx<'_>, to: &Account, link: &Link, asked: bool) -> Result<MailId, Error> {
        let here = here(tx)?;
        let url = self.url("reset", link);
        let cause = if asked {
            "somebody, most likely you, asked for a new password"
        } else {
            "an administrator asks you to choose a new password"
        };
        let said = Said {
            purpose: RESET,
            subject: format!("A new password for {here}"),
            text: Zeroizing::new(format!(
                "Hello {},\n\n{cause} for your account in {here}. Choose it here:\n\n{}\n\nThe link works once, for 15 minutes. \
                 If you did not ask for it, do nothing: your password stays as it is, and nobody has seen it.\n",
                to.name, *url
            )),
        };
        self.post(tx, to, said, link.expires_at)
    }

    /// Tells a person that their password is another one now (ASVS 6.3.7). Without a mail server nobody is told.
    pub(crate) fn write_changed(&self, tx: &mut Tx<'_>, to: &Account) -> Result<(), Error> {
        if !self.sends_mail() {
            return Ok(());
        }
        let here = here(tx)?;
        let said = Said {
            purpose: CHANGED,
            subject: format!("Your password for {here} was changed"),
            text: Zeroizing::new(format!(
                "Hello {},\n\nyour password for {here} was changed just now, and all your sessions were ended. If that was you, \
                 all is well.\n\nIf it was not, tell your administrator at once, and choose another one here:\n\n{}/forgot\n",
                to.name, self.0.options.public_url
            )),
        };
        let until = tx.now().plus(NEWS);
        self.post(tx, to, said, until).map(drop)
    }

    /// Queues a letter about credentials of programs that end soon.
    pub(crate) fn write_of_ends(&self, tx: &mut Tx<'_>, to: &Account, lines: &str) -> Result<MailId, Error> {
        let here = here(tx)?;
        let said = Said {
            purpose: ENDS,
            subject: format!("Credentials of programs in {here} end soon"),
            text: Zeroizing::new(format!(
                "Hello {},\n\nthese credentials of programs in {here} end soon:\n\n{lines}\nDraw new ones in time; the old ones work on \
                 meanwhile:\n\n{}\n\nYou get this because you may manage keys there: fourteen days and three days before an end.\n",
                to.name, self.0.options.public_url
            )),
        };
        let until = tx.now().plus(ENDS_WORTH);
        self.post(tx, to, said, until)
    }

    /// Whether letters to people can go out.
    pub fn sends_mail(&self) -> bool {
        self.0.options.mail.as_ref().is_some_and(mail::Mail::is_on)
    }

    fn post(&self, tx: &mut Tx<'_>, to: &Account, said: Said, expires_at: base::Timestamp) -> Result<MailId, Error> {
        let mail = self.0.options.mail.as_ref().ok_or(mail::Error::Off)?;
        let letter = Letter {
            user: to.id,
            name: to.name.clone(),
            address: to.login.clone(),
            purpose: said.purpose,
            subject: said.subject,
            text: said.text,
            expires_at,
        };
        Ok(mail.queue(tx, &letter)?)
    }

    /// A link with its secret in the fragment, which no server on the way gets to see.
    fn url(&self, page: &str, link: &Link) -> Zeroizing<String> {
        Zeroizing::new(format!("{}/{page}#{}", self.0.options.public_url, link.secret.expose_secret()))
    }
}

/// How the organisation is called in a letter.
fn here(tx: &mut Tx<'_>) -> Result<String, Error> {
    Ok(access::organisation(tx)?.map_or_else(|| "Loudhailer".to_owned(), |one| one.name))
}
