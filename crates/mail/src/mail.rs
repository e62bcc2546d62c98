//! The handle: what the rooms above call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base::{MailId, Timestamp, UserId};
use crypto::tls::Roots;
use lettre::message::Mailbox;
use rustls::ClientConfig;
use store::{Db, NewJob, Tx};
use vault::{Aad, Purpose, Vault};

use crate::letter::{Letter, Words};
use crate::settings::{Security, Settings};
use crate::state::{Event, State};
use crate::{Error, rows};

/// How long it is known what became of a letter.
const KEPT: Duration = Duration::from_hours(24 * 90);
/// Letters of a person that are told of at most.
const SHOWN: u32 = 5;
/// The job that sends.
pub(crate) const JOB: &str = "mail.send";

/// Where a letter is sealed.
pub(crate) const fn place(id: &str) -> Aad<'_> {
    Aad { table: "mails", column: "letter", row: id }
}

/// E-mail. Cheap to clone.
#[derive(Clone)]
pub struct Mail(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub db: Db,
    pub vault: Vault,
    pub way: Option<Way>,
}

/// The way out, ready for use.
pub(crate) struct Way {
    pub settings: Settings,
    pub from: Mailbox,
    /// None in clear text, on this machine.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Way {
    fn new(settings: Settings) -> Result<Self, Error> {
        let from = settings.from.parse().map_err(|_| Error::Corrupt)?;
        let roots = settings.authority.clone().map_or(Roots::System, Roots::Pem);
        let tls = match settings.security {
            Security::ClearOnLoopback => None,
            Security::Implicit | Security::StartTls => Some(crypto::tls::client_config(&roots, &[])?),
        };
        Ok(Self { settings, from, tls })
    }
}

/// What became of a letter.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its id; also in its `Message-ID`.
    pub id: MailId,
    /// Which sort it is.
    pub purpose: String,
    /// Where it stands.
    pub state: State,
    /// How often it was tried.
    pub tries: u32,
    /// Why it waits, or why it failed.
    pub reason: Option<String>,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it left or was given up.
    pub settled_at: Option<Timestamp>,
}

/// Takes the waiting letters of a person back, of one sort or all: their links are dead, or the person is gone.
///
/// # Errors
/// When the store fails.
pub fn withdraw(tx: &mut Tx<'_>, user: UserId, purpose: Option<&str>, reason: &str) -> Result<(), store::Error> {
    for id in rows::of_person(tx, user, purpose)? {
        rows::happened(tx, id, Event::Withdrawn, Some(reason))?;
    }
    Ok(())
}

/// When the newest letter of that sort to a person was queued, of those that left or are about to: one that was given up or taken
/// back reached nobody.
///
/// # Errors
/// When the store fails.
pub fn last_out(tx: &mut Tx<'_>, user: UserId, purpose: &str) -> Result<Option<Timestamp>, store::Error> {
    rows::last_out(tx, user, purpose)
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("on", &self.is_on()).finish_non_exhaustive()
    }
}

impl Mail {
    /// Mail by these settings; without any, no letter can be queued.
    ///
    /// # Errors
    /// When the authority in the settings cannot be used.
    pub fn new(db: Db, vault: Vault, settings: Option<Settings>) -> Result<Self, Error> {
        let way = settings.map(Way::new).transpose()?;
        Ok(Self(Arc::new(Inner { db, vault, way })))
    }

    /// Whether letters can be sent at all.
    pub fn is_on(&self) -> bool {
        self.0.way.is_some()
    }

    /// Queues a letter in the caller's transaction: it goes out if and only if that commits. One of the same sort that
    /// has not left yet is withdrawn.
    ///
    /// # Errors
    /// [`Error::Off`] without a mail server.
    pub fn queue(&self, tx: &mut Tx<'_>, letter: &Letter) -> Result<MailId, Error> {
        if !self.is_on() {
            return Err(Error::Off);
        }
        withdraw(tx, letter.user, Some(letter.purpose), "a newer one took its place")?;
        let (id, now): (MailId, _) = (tx.context().id(), tx.now());
        let words = zeroize::Zeroizing::new(serde_json::to_vec(&Words::from(letter)).map_err(|_| Error::Corrupt)?);
        let key = self.0.vault.data_key(tx, None, Purpose::Mail, now)?;
        let sealed = key.seal(tx.context().chance(), &place(&id.to_string()), &words);
        let new = rows::New {
            id,
            user: letter.user,
            purpose: letter.purpose,
            letter: &sealed,
            expires_at: letter.expires_at,
        };
        rows::insert(tx, &new)?;
        tx.enqueue(NewJob { kind: JOB, key: None, payload: &serde_json::json!({ "id": id }), run_at: now })?;
        Ok(id)
    }

    /// What became of the newest letters of a person, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn of(&self, tx: &mut Tx<'_>, user: UserId) -> Result<Vec<Status>, Error> {
        rows::newest(tx, user, SHOWN)
    }

    /// Removes what is older than 90 days.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self) -> Result<u64, Error> {
        Ok(self.0.db.write(|tx| rows::sweep(tx, tx.now().minus(KEPT))).await?)
    }
}
