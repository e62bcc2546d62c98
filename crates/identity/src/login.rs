//! Log-in by name and password.
//!
//! Every refusal looks the same and takes the same steps: a counting write, one password hash, an auditing write. An
//! unknown name is checked against a decoy; an account that is paused or locked has its password looked at only to
//! spend the time (control X-12). A try is counted before its password is checked, so that a hundred tries sent at
//! once are not a hundred tries for free.

use std::sync::atomic::Ordering;

use access::{AuthMethod, Principal};
use base::{SecretString, UserId};
use store::Tx;

use crate::account::Account;
use crate::half_way::{self, Entered, First};
use crate::lockout::{Door, Failures, Limits};
use crate::session::Session;
use crate::ways::{self, Opens};
use crate::{Caller, Error, Identity, account, device, factors, password};

/// A try to log in.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// The log-in name, an e-mail address.
    pub login: String,
    /// The password.
    pub password: SecretString,
    /// The cookie of a known device, if the browser has one.
    pub device: Option<SecretString>,
    /// The token of a session that the browser still has; it ends with a successful log-in.
    pub session: Option<SecretString>,
}

/// Somebody is in.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// The new session's token, for the cookie `__Host-sid`.
    pub token: SecretString,
    /// The session.
    pub session: Session,
    /// The cookie that makes this a known device: `__Host-device`, for a year.
    pub device: SecretString,
}

/// Whose row is written when there is no account to count against: an id that nobody has.
fn nobody() -> UserId {
    UserId::from(uuid::Uuid::nil())
}

/// What the counting write found.
#[derive(Clone)]
pub(crate) struct Try {
    /// The account, when there is one and its door is open.
    pub open: Option<(Account, String)>,
    /// The account, for the audit log.
    known: Option<UserId>,
    /// Which count the try went to.
    device: Option<String>,
    /// Why it will be refused whatever the password is.
    reason: Option<&'static str>,
    /// The count with this try.
    failures: Failures,
    /// The thresholds.
    limits: Limits,
}

impl Identity {
    /// Takes one of the tries of the caller's address.
    pub fn throttled(&self, caller: &Caller) -> Result<(), Error> {
        let Some(address) = caller.ip() else { return Ok(()) };
        let (now, tries) = (self.0.db.context().monotonic(), self.0.tries.load(Ordering::Relaxed));
        self.0.throttle.take(address, now, tries).map_err(|retry_after| Error::TooManyTries { retry_after })
    }

    /// Logs somebody in, or half way where a second factor is needed. Refusals say no more than [`Error::BadLogin`].
    pub async fn login(&self, given: LogIn, caller: &Caller) -> Result<Entered, Error> {
        let inner = &self.0;
        self.throttled(caller)?;
        if !password::plausible(&given.password) || given.login.len() > 1024 || given.login.contains('\0') {
            return Err(Error::BadLogin);
        }
        let counted = {
            let (this, login, cookie) = (self.clone(), given.login.clone(), given.device.clone());
            inner.db.write(move |tx| this.count(tx, &login, cookie.as_ref())).await?
        };

        let (phc, cost) = (counted.open.as_ref().map_or(&inner.decoy, |(_, phc)| phc).clone(), inner.options.cost);
        let (context, secret) = (inner.db.context().clone(), password::normalise(&given.password));
        let checked = inner
            .gate
            .run(move || {
                let right = crypto::password::verify(&secret, &phc)?;
                // A hash of another cost is replaced while the password is at hand.
                let anew = if right && crypto::password::needs_rehash(&phc, cost) {
                    Some(crypto::password::hash(&secret, cost, context.chance())?)
                } else {
                    None
                };
                Ok((right, anew))
            })
            .await;
        let (right, anew) = match checked {
            Ok(checked) => checked,
            Err(Error::Busy) => {
                // The machine was busy, nobody was wrong: the try does not count.
                self.uncount(&counted).await?;
                return Err(Error::Busy);
            }
            Err(error) => return Err(error),
        };

        let (this, caller, old) = (self.clone(), caller.clone(), given.session.clone());
        inner
            .db
            .write(move |tx| match &counted.open {
                Some((account, _)) if right => {
                    this.believe(tx, account, &counted, anew.as_deref(), old.as_ref(), &caller)
                }
                _ => refuse(tx, &counted, &caller).map(Err),
            })
            .await?
    }

    /// Counts a try against its account and device before the password is looked at. What is refused anyway writes as
    /// much: the time of a commit would tell names apart, too.
    pub(crate) fn count(&self, tx: &mut Tx<'_>, login: &str, cookie: Option<&SecretString>) -> Result<Try, Error> {
        let limits = self.rules(tx)?.limits();
        let refused = Try {
            open: None,
            known: None,
            device: None,
            reason: Some("unknown name"),
            failures: Failures::NONE,
            limits,
        };
        let Some(found) = account::by_login(tx, login)? else {
            account::set_failures(tx, nobody(), "", Failures::NONE)?;
            return Ok(refused);
        };
        let known = Some(found.id);
        let Some(phc) = account::password_hash(tx, found.id)? else {
            account::set_failures(tx, nobody(), "", Failures::NONE)?;
            return Ok(Try { known, reason: Some("no password yet"), ..refused });
        };
        let device = cookie.and_then(|cookie| device::check(&self.0.vault, found.id, cookie));
        let place = device.clone().unwrap_or_default();
        let failures = account::failures(tx, found.id, &place)?;
        let now = tx.now();
        match failures.door(now, limits) {
            Door::Open => {
                let failures = failures.after(now, limits);
                account::set_failures(tx, found.id, &place, failures)?;
                Ok(Try { open: Some((found, phc)), known, device, reason: None, failures, limits })
            }
            Door::Paused => Ok(Try { known, device, reason: Some("paused after failures"), failures, ..refused }),
            Door::Locked => Ok(Try { known, device, reason: Some("locked after failures"), failures, ..refused }),
        }
    }

    pub(crate) async fn uncount(&self, counted: &Try) -> Result<(), Error> {
        let Some((account, _)) = &counted.open else { return Ok(()) };
        let (id, place) = (account.id, counted.device.clone().unwrap_or_default());
        self.0
            .db
            .write(move |tx| {
                // The row is locked, so nothing is lost between reading and writing.
                let failures = account::failures(tx, id, &place)?;
                account::set_failures(tx, id, &place, failures.without_one(tx.now()))
            })
            .await?;
        Ok(())
    }

    fn believe(
        &self,
        tx: &mut Tx<'_>,
        found: &Account,
        counted: &Try,
        anew: Option<&str>,
        old: Option<&SecretString>,
        caller: &Caller,
    ) -> Result<Result<Entered, Error>, Error> {
        // Removed, or given another password, between the two writes: the old proof is worth nothing.
        let unchanged = match &counted.open {
            Some((_, phc)) => account::still_has(tx, found.id, phc)?,
            None => false,
        };
        if !unchanged || account::by_id(tx, found.id)?.is_none() {
            return refuse(tx, counted, caller).map(Err);
        }
        if ways::opens(tx, found.id)? == Opens::No {
            let closed = Try { reason: Some(ways::CLOSED), ..counted.clone() };
            return refuse(tx, &closed, caller).map(Err);
        }
        if let Some(phc) = anew {
            account::rehash(tx, found.id, phc)?;
        }
        // Whoever has a second factor proves that first: a right password alone changes nothing of theirs.
        if !factors::has_any(tx, found.id)?
            && let Some(why) = self.change_due(tx, found.id)?
        {
            // This try was no failure; those before it are forgotten with the new password.
            let place = counted.device.as_deref().unwrap_or_default();
            account::set_failures(tx, found.id, place, counted.failures.without_one(tx.now()))?;
            return self.send_to_change(tx, found, why, AuthMethod::Password, caller).map(Err);
        }
        let auth = AuthMethod::Password;
        let place = counted.device.as_deref().unwrap_or_default();
        let first = First { auth, strong: false, device: place, old, at: tx.now(), vouched: None };
        let entered = self.enter(tx, found, &first, caller)?;
        if let Entered::Half(_) = &entered {
            // This try was no failure; those before it count on until the second factor is right, whose own failures have a
            // count of their own.
            account::set_failures(tx, found.id, place, counted.failures.without_one(tx.now()))?;
        }
        half_way::note(tx, found, &entered, auth, auth.name(), caller)?;
        Ok(Ok(entered))
    }
}

/// Writes the refusal down and gives the one answer there is.
fn refuse(tx: &mut Tx<'_>, counted: &Try, caller: &Caller) -> Result<Error, Error> {
    let reason = counted.reason.unwrap_or("wrong password");
    let target = counted.known.map(|id| id.to_string()).unwrap_or_default();
    let count = counted.failures.count;
    audit::record(
        tx,
        audit::Entry {
            actor: &caller.actor(Principal::Anonymous, AuthMethod::Password),
            workspace: None,
            action: "session.start",
            target: ("user", &target),
            outcome: audit::Outcome::Failure,
            reason: Some(reason),
            changes: (count > 0).then(|| {
                serde_json::json!({
                    "failures": count,
                    "known_device": counted.device.is_some(),
                    "pausing": count > counted.limits.free,
                    "locked": count >= counted.limits.locked,
                })
            }),
        },
    )?;
    Ok(Error::BadLogin)
}
