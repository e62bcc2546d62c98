//! A new password by a link in a letter (control X-13): asked for by the person, or started by an administrator who never
//! learns it. The link proves the mailbox and nothing else: whoever used it still signs in, with a second factor where one
//! is set.
//!
//! Whoever asks gets one answer, and it takes one time: the question is sealed and queued, whatever name it holds, and looked
//! at only after it was answered.

use std::net::SocketAddr;
use std::time::Duration;

use access::{AuthMethod, OrganisationPermit, Principal, cap};
use base::{RequestId, SecretString, UserId};
use serde::{Deserialize, Serialize};
use store::{Job, JobError, NewJob, Tx, Worker};
use vault::{Aad, Purpose};
use zeroize::Zeroizing;

use crate::link::{INVITE, RESET, tell_of};
use crate::ways::{self, Opens};
use crate::{Caller, Error, Identity, account};

/// The job that looks at a question.
const JOB: &str = "identity.reset";
/// A person is sent one such letter in this time at most.
const PAUSE: Duration = Duration::from_mins(5);
/// Bytes of a log-in name that are looked at.
const LONGEST: usize = 1024;

/// Who asked for what.
#[derive(Serialize, Deserialize)]
struct Asked {
    login: String,
    source: Option<SocketAddr>,
    user_agent: Option<String>,
    request: Option<RequestId>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    place: uuid::Uuid,
    asked: String,
}

const fn place(id: &str) -> Aad<'_> {
    Aad { table: "jobs", column: "payload", row: id }
}

/// Refuses what would lead to a password that opens nothing.
fn open_to_passwords(tx: &mut Tx<'_>, user: UserId) -> Result<(), Error> {
    if ways::opens(tx, user)? == Opens::No { Err(Error::PasswordsClosed) } else { Ok(()) }
}

impl Identity {
    /// Takes the question for a new password. The answer says nothing about whether there is such a person.
    ///
    /// # Errors
    /// [`mail::Error::Off`] without a mail server, and [`Error::TooManyTries`].
    pub async fn ask_reset(&self, login: &str, caller: &Caller) -> Result<(), Error> {
        let inner = &self.0;
        self.throttled(caller)?;
        if !self.sends_mail() {
            return Err(mail::Error::Off.into());
        }
        let login = if login.len() > LONGEST || login.contains('\0') { "" } else { login };
        let asked = Asked {
            login: login.to_owned(),
            source: caller.source,
            user_agent: caller.user_agent.clone(),
            request: caller.request,
        };
        let asked = Zeroizing::new(serde_json::to_vec(&asked).map_err(|_| Error::Lost)?);
        let vault = inner.vault.clone();
        inner
            .db
            .write(move |tx| {
                let (id, now): (uuid::Uuid, _) = (tx.context().id(), tx.now());
                let key = vault.data_key(tx, None, Purpose::Mail, now)?;
                let asked = key.seal(tx.context().chance(), &place(&id.to_string()), &asked);
                let payload = serde_json::to_value(Payload { place: id, asked }).map_err(|_| Error::Lost)?;
                tx.enqueue(NewJob { kind: JOB, key: None, payload: &payload, run_at: now })?;
                Ok(())
            })
            .await
    }

    /// Adds this room's job to a worker.
    #[must_use]
    pub fn work(&self, worker: Worker) -> Worker {
        let identity = self.clone();
        worker.handle(JOB, 1, move |job| {
            let identity = identity.clone();
            async move { identity.answer(job).await }
        })
    }

    async fn answer(&self, job: Job) -> Result<(), JobError> {
        let payload: Payload = job.parse()?;
        let this = self.clone();
        self.0
            .db
            .write(move |tx| {
                let plain = this.0.vault.open(tx, None, &place(&payload.place.to_string()), &payload.asked)?;
                let asked: Asked = serde_json::from_slice(&plain).map_err(|_| Error::Lost)?;
                this.look_at(tx, asked)?;
                job.finish(tx)?;
                Ok::<_, Error>(())
            })
            .await?;
        Ok(())
    }

    /// Sends the letter, or notes why there is none.
    fn look_at(&self, tx: &mut Tx<'_>, asked: Asked) -> Result<(), Error> {
        let caller =
            Caller { source: asked.source, user_agent: asked.user_agent, request: asked.request, certificate: None };
        let actor = caller.actor(Principal::Anonymous, AuthMethod::None);
        let found = account::by_login(tx, &asked.login)?;
        let reason = match &found {
            None => Some("unknown name"),
            Some(found) if account::password_hash(tx, found.id)?.is_none() => Some("no password yet"),
            Some(found) if ways::opens(tx, found.id)? == Opens::No => Some(ways::CLOSED),
            // Letters that went out, and no other links: whoever was sent to change a password may still ask for a letter.
            Some(found) => match mail::last_out(tx, found.id, RESET)? {
                Some(at) if tx.now().since(at) < PAUSE => Some("asked again within five minutes"),
                _ => None,
            },
        };
        match (found, reason) {
            (Some(found), None) => {
                let link = self.draw(tx, RESET, Some(found.id), None)?;
                self.write_reset(tx, &found, &link, true)?;
                tell_of(tx, &actor, "password.reset.ask", found.id, &link, "mail")
            }
            (found, reason) => {
                let target = found.map(|found| found.id.to_string()).unwrap_or_default();
                audit::record(
                    tx,
                    audit::Entry {
                        actor: &actor,
                        workspace: None,
                        action: "password.reset.ask",
                        target: ("user", &target),
                        outcome: audit::Outcome::Failure,
                        reason,
                        changes: None,
                    },
                )?;
                Ok(())
            }
        }
    }

    /// Sends a person a link with which they choose a new password. Whoever starts this learns neither.
    ///
    /// # Errors
    /// [`Error::NoPassword`] for somebody who has none yet, [`Error::PasswordsClosed`] where a provider is the only way in,
    /// [`mail::Error::Off`] without a mail server.
    pub fn start_reset(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<(), Error> {
        let found = account::by_id(tx, user)?.ok_or(Error::NoSuchUser)?;
        if account::password_hash(tx, user)?.is_none() {
            return Err(Error::NoPassword);
        }
        open_to_passwords(tx, user)?;
        let link = self.draw(tx, RESET, Some(user), None)?;
        self.write_reset(tx, &found, &link, false)?;
        tell_of(tx, permit.actor(), "password.reset.start", user, &link, "mail")
    }

    /// Sends a person an invitation by e-mail. Whoever starts this does not see the link.
    ///
    /// # Errors
    /// [`Error::PasswordsClosed`] where a provider is the only way in, [`mail::Error::Off`] without a mail server.
    pub fn invite_by_mail(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<(), Error> {
        let found = account::by_id(tx, user)?.ok_or(Error::NoSuchUser)?;
        open_to_passwords(tx, user)?;
        let link = self.draw(tx, INVITE, Some(user), None)?;
        self.write_invitation(tx, &found, &link)?;
        tell_of(tx, permit.actor(), "invite.create", user, &link, "mail")
    }

    /// Sends a person the letter that helps them to sign in: a link for a new password when they have one, else an invitation.
    ///
    /// # Errors
    /// [`mail::Error::Off`] without a mail server.
    pub fn write_link_to(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<(), Error> {
        if account::password_hash(tx, user)?.is_some() {
            self.start_reset(tx, permit, user)
        } else {
            self.invite_by_mail(tx, permit, user)
        }
    }

    /// Sets a new password with the link of a letter. Every session of the person ends, and none begins.
    ///
    /// # Errors
    /// [`Error::BadLink`], [`Error::PasswordsClosed`], and what is wrong with the password; then the link still works.
    pub async fn reset_password(
        &self,
        secret: SecretString,
        password: SecretString,
        caller: &Caller,
    ) -> Result<(), Error> {
        let user = self.works(RESET, &secret, caller).await?.ok_or(Error::BadLink)?;
        let found = self.0.db.read(move |tx| account::by_id(tx, user)).await?.ok_or(Error::BadLink)?;
        let password = self.good_password(&password, Some(user), &found.name, &found.login).await?;
        let phc = self.stretch(password).await?;
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .write(move |tx| {
                let link = this.redeem(tx, RESET, &secret)?;
                let user = link.user.ok_or(Error::BadLink)?;
                let found = account::by_id(tx, user)?.ok_or(Error::BadLink)?;
                open_to_passwords(tx, user)?;
                let now = tx.now();
                account::set_password_hash(tx, user, &phc, link.shown_to, now)?;
                this.end_all(tx, user)?;
                account::forgive_passwords(tx, user)?;
                this.write_changed(tx, &found)?;
                let principal = Principal::User { id: user, name: found.name.clone() };
                audit::record(
                    tx,
                    audit::Entry {
                        actor: &caller.actor(principal, AuthMethod::SetupLink),
                        workspace: None,
                        action: "password.reset.use",
                        target: ("user", &user.to_string()),
                        outcome: audit::Outcome::Success,
                        reason: None,
                        changes: Some(serde_json::json!({ "password": "(changed)" })),
                    },
                )?;
                Ok(())
            })
            .await
    }
}
