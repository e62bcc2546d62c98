//! Who vouched for a person elsewhere: kept with their session, so that a log-out there ends it here, and a log-out here can end
//! that there.

use std::sync::Arc;

use access::{Actor, AuthMethod};
use base::{ExposeSecret, ResourceId, SecretString, SessionId, Timestamp, UserId};
use store::{Row, Tx, params};

use crate::{Caller, Error, Identity, Session, factors, session};

/// An identity elsewhere, and the session that its provider has with the person.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// The provider.
    pub provider: ResourceId,
    /// Who they are there.
    pub subject: String,
    /// What the provider calls its session with them (`sid`, `SessionIndex`); empty when it did not say.
    pub session: String,
    /// The provider's word itself, shown to it when the person signs out there. It lies sealed under the session's own token, so
    /// that only the browser's next request opens it.
    pub hint: Option<SecretString>,
}

/// Characters of a hint at most; a longer one is left out.
pub const HINT: usize = 8_000;

/// A provider's word that waits with another room while its person is half way in. It is taken in the transaction that ends the
/// way, and by nothing before.
#[derive(Clone, Default)]
pub struct Kept(Option<Arc<Take>>);

type Take = dyn Fn(&mut Tx<'_>) -> Result<Option<SecretString>, store::Error> + Send + Sync;

impl Kept {
    /// What `take` finds, and removes.
    pub fn by(
        take: impl Fn(&mut Tx<'_>) -> Result<Option<SecretString>, store::Error> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(take)))
    }

    /// Takes it, for whom a provider vouched.
    pub(crate) fn take(&self, tx: &mut Tx<'_>, vouched: Option<Vouched>) -> Result<Option<Vouched>, store::Error> {
        let hint = match &self.0 {
            Some(take) => take(tx)?,
            None => None,
        };
        Ok(vouched.map(|by| Vouched { hint, ..by }))
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kept").field(&self.0.is_some()).finish()
    }
}

impl Vouched {
    /// Reads the columns `provider`, `provider_subject` and `provider_session`.
    pub(crate) fn read(row: &Row<'_>) -> Result<Option<Self>, store::Error> {
        let Ok(provider) = row.get::<String>("provider")?.parse() else { return Ok(None) };
        let (subject, session) = (row.get("provider_subject")?, row.get("provider_session")?);
        Ok(Some(Self { provider, subject, session, hint: None }))
    }

    /// What a session keeps of the provider's word.
    pub(crate) fn kept_hint(&self) -> Option<String> {
        let hint = self.hint.as_ref().map(|hint| hint.expose_secret().to_owned());
        hint.filter(|hint| hint.len() <= HINT)
    }
}

/// Log-out tokens that do not count, a minute from one address.
const FAILURES_A_MINUTE: u32 = 20;

/// Which sessions a provider ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedThere<'a> {
    /// The provider.
    pub provider: ResourceId,
    /// Of whom; of whomever the session is when absent.
    pub subject: Option<&'a str>,
    /// Which session there; all of the subject when absent.
    pub session: Option<&'a str>,
}

impl Identity {
    /// Ends the sessions that rest on one that a provider ended, and ways that are half gone; how many sessions ended. Each is
    /// audited, with `reason`. Without a subject and a session nothing ends.
    pub fn end_vouched(
        &self,
        tx: &mut Tx<'_>,
        ended: EndedThere<'_>,
        actor: &Actor,
        reason: &str,
    ) -> Result<u64, Error> {
        let (subject, session) = (ended.subject.unwrap_or_default(), ended.session.unwrap_or_default());
        if subject.is_empty() && session.is_empty() {
            return Ok(0);
        }
        // A session of which the provider did not say what it calls it is the subject's all the same.
        let which = "provider = $1 AND ($2 = '' OR provider_subject = $2) \
                     AND ($3 = '' OR provider_session = $3 OR (provider_session = '' AND $2 <> ''))";
        let provider = ended.provider.to_string();
        let found: Vec<(SessionId, UserId)> = tx.query(
            &format!("DELETE FROM sessions WHERE {which} RETURNING id, user_id"),
            &params![provider.as_str(), subject, session],
            |row| Ok((row.get("id")?, row.get("user_id")?)),
        )?;
        tx.execute(&format!("DELETE FROM half_way WHERE {which}"), &params![provider.as_str(), subject, session])?;
        for (id, user) in &found {
            audit::record(
                tx,
                audit::Entry {
                    actor,
                    workspace: None,
                    action: "session.end",
                    target: ("session", &id.to_string()),
                    outcome: audit::Outcome::Success,
                    reason: Some(reason),
                    changes: Some(serde_json::json!({ "user": user.to_string() })),
                },
            )?;
        }
        self.forget_after(tx);
        Ok(found.len() as u64)
    }

    /// Takes a provider's word as the fresh proof of a session's person: the token that takes the old one's place. Who has a
    /// factor of their own proves that, unless the provider's word is as good (`strong`). From then on the session rests on what
    /// the provider said now (`by`): its end is told by that name, and shown that word.
    pub fn step_up_vouched(
        &self,
        tx: &mut Tx<'_>,
        session: &Session,
        token: &SecretString,
        by: &Vouched,
        at: Timestamp,
        strong: bool,
    ) -> Result<SecretString, Error> {
        if !strong && factors::has_any(tx, session.user)? {
            return Err(Error::BadFactor);
        }
        let at = at.min(tx.now());
        let rests = session.vouched.as_ref().is_some_and(|old| old.provider == by.provider);
        let fresh = session::replace(tx, token, at, rests.then_some(by))?.ok_or(Error::HalfWayOver)?;
        if rests {
            tx.execute(
                "UPDATE sessions SET provider_session = CASE WHEN $3 = '' AND provider_subject = $2 THEN provider_session ELSE $3 END, \
                 provider_subject = $2 WHERE id = $1",
                &params![session.id, by.subject.as_str(), by.session.as_str()],
            )?;
        }
        crate::step_up::note(tx, session, audit::Outcome::Success, AuthMethod::SingleSignOn.name())?;
        self.forget_after(tx);
        Ok(fresh)
    }

    /// Whether an address may still show log-out tokens: after too many that did not count, it waits.
    pub fn logout_door(&self, caller: &Caller) -> Result<(), Error> {
        let now = self.0.db.context().monotonic();
        let Some(address) = caller.ip() else { return Ok(()) };
        let look = self.0.logout_failures.look(address, now, FAILURES_A_MINUTE);
        look.map_err(|retry_after| Error::TooManyTries { retry_after })
    }

    /// Counts a log-out token that did not count.
    pub fn logout_refused(&self, caller: &Caller) {
        if let Some(address) = caller.ip() {
            // That none is left is for the next try to hear.
            let _ = self.0.logout_failures.take(address, self.0.db.context().monotonic(), FAILURES_A_MINUTE);
        }
    }
}
