//! Step-up: what is risky wants a fresh proof, five minutes old at most unless the settings say otherwise (ASVS 7.5.1, 7.5.3). It replaces the session's
//! identifier; the session itself, and the token of its forms, go on, so that nothing that was typed is lost.

use access::AuthMethod;
use base::{SecretString, SessionId, UserId};
use store::Tx;

use crate::factors::{Proof, Ways};
use crate::half_way::TRIES;
use crate::{Caller, Error, Identity, Session, account, password, session};

/// Which count wrong proofs of a session go to. Not the account's: somebody who got hold of a session must not be able to lock
/// its owner out.
fn count_of(id: SessionId) -> String {
    format!("session:{id}")
}

impl Identity {
    /// What the person of a session can prove themselves with.
    pub async fn step_up_ways(&self, token: &SecretString, caller: &Caller) -> Result<Ways, Error> {
        let Some(session) = self.session_still(token, caller).await? else { return Ok(Ways::default()) };
        let this = self.clone();
        self.0
            .db
            .read(move |tx| {
                let ways = this.ways(tx, session.user)?;
                let factor = ways.app || ways.recovery || ways.passkey.is_some();
                Ok(Ways { elsewhere: !factor && session.vouched.is_some(), ..ways })
            })
            .await
    }

    /// Proves the person of a session once more: the token that takes the old one's place. Five wrong proofs end the session.
    pub async fn step_up(&self, token: &SecretString, proof: Proof, caller: &Caller) -> Result<SecretString, Error> {
        self.throttled(caller)?;
        let session = self.session_still(token, caller).await?.ok_or(Error::HalfWayOver)?;
        let user = session.user;
        let known = match &proof {
            Proof::Password(given) => Some(self.knows(user, given).await?),
            Proof::Code(_) | Proof::Passkey(_) => None,
        };
        let (this, token) = (self.clone(), token.clone());
        self.0.db.write(move |tx| this.conclude(tx, &session, &token, &proof, known)).await?
    }

    /// The inner result is what the caller hears: a refusal must not undo its own count.
    fn conclude(
        &self,
        tx: &mut Tx<'_>,
        session: &Session,
        token: &SecretString,
        proof: &Proof,
        known: Option<bool>,
    ) -> Result<Result<SecretString, Error>, Error> {
        let (user, place) = (session.user, count_of(session.id));
        let failures = account::failures(tx, user, &place)?;
        let proven = match known {
            Some(true) => Ok(AuthMethod::Password),
            Some(false) => Err("wrong password"),
            None => self.prove(tx, user, proof)?,
        };
        match proven {
            Ok(auth) => {
                account::forgive(tx, user, &place)?;
                let now = tx.now();
                let Some(fresh) = session::replace(tx, token, now, None)? else { return Ok(Err(Error::HalfWayOver)) };
                note(tx, session, audit::Outcome::Success, auth.name())?;
                self.forget_after(tx);
                Ok(Ok(fresh))
            }
            Err(reason) => {
                let (now, limits) = (tx.now(), self.rules(tx)?.limits());
                account::set_failures(tx, user, &place, failures.after(now, limits))?;
                note(tx, session, audit::Outcome::Failure, reason)?;
                if failures.count + 1 >= TRIES {
                    account::forgive(tx, user, &place)?;
                    session::end(tx, token)?;
                    self.forget_after(tx);
                }
                Ok(Err(Error::BadFactor))
            }
        }
    }

    /// Whether `given` is the password of a person who has no second factor. Who has one proves that.
    async fn knows(&self, user: UserId, given: &SecretString) -> Result<bool, Error> {
        let this = self.clone();
        let phc = self
            .0
            .db
            .read(move |tx| {
                if !this.ways(tx, user)?.password {
                    return Ok(None);
                }
                Ok::<_, Error>(account::password_hash(tx, user)?)
            })
            .await?;
        let Some(phc) = phc.filter(|_| password::plausible(given)) else { return Ok(false) };
        let secret = password::normalise(given);
        self.0.gate.run(move || crypto::password::verify(&secret, &phc)).await
    }
}

pub(crate) fn note(tx: &mut Tx<'_>, session: &Session, outcome: audit::Outcome, reason: &str) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor: session.grants.actor(),
            workspace: None,
            action: "session.step_up",
            target: ("session", &session.id.to_string()),
            outcome,
            reason: Some(reason),
            changes: None,
        },
    )?;
    Ok(())
}

/// Removes counts of sessions that are gone.
pub(crate) fn sweep(tx: &mut Tx<'_>) -> Result<u64, store::Error> {
    tx.execute(
        "DELETE FROM login_failures WHERE device LIKE 'session:%' \
         AND substr(device, 9) NOT IN (SELECT id FROM sessions)",
        &[],
    )
}
