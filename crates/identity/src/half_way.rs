//! Between a first proof and the second factor. Who has given a password and has or must have a factor is half way: the server
//! knows it for ten minutes, and it opens nothing but the page that asks for the factor, or the one that sets it up.

use std::time::Duration;

use access::{AuthMethod, Principal};
use base::{ExposeSecret, SecretString, Timestamp, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use store::{Tx, params};

use crate::account::{self, Account};
use crate::factors::{self, Proof};
use crate::lockout::Door;
use crate::login::LoggedIn;
use crate::session::{method, start};
use crate::vouched::{Kept, Vouched};
use crate::ways::{self, Opens};
use crate::{Caller, Error, Identity, device};

/// How long the way may take.
const LIFE: Duration = Duration::from_mins(10);
/// Wrong factors before the first proof is asked for again.
pub(crate) const TRIES: i64 = 5;
/// Of one person at a time, at most; the oldest go.
const PER_USER: usize = 5;
/// The count that strangers' failures go to.
const STRANGERS: &str = "";
/// The count that failures after a provider's word go to: they are none of strangers.
const AFTER_SIGN_ON: &str = "sign-on";

/// What is still needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A factor that the person has.
    Factor,
    /// A factor, which has to be set up first: a role of theirs wants one.
    Enrolment,
}

impl Needs {
    const fn name(self) -> &'static str {
        match self {
            Self::Factor => "factor",
            Self::Enrolment => "enrolment",
        }
    }
}

/// Somebody is half way in.
#[derive(Clone, Debug)]
pub struct HalfWay {
    /// For the cookie `__Host-half`. It opens no page but the next one.
    pub token: SecretString,
    /// Until when.
    pub expires_at: Timestamp,
    /// What is still needed.
    pub needs: Needs,
}

/// What came of a first proof.
#[derive(Clone, Debug)]
pub enum Entered {
    /// A session.
    In(Box<LoggedIn>),
    /// A second factor is needed.
    Half(HalfWay),
}

impl Entered {
    /// The session, when nothing more is needed.
    pub fn into_session(self) -> Option<LoggedIn> {
        match self {
            Self::In(entered) => Some(*entered),
            Self::Half(_) => None,
        }
    }
}

/// A first proof that holds.
pub(crate) struct First<'a> {
    /// How it was made.
    pub auth: AuthMethod,
    /// Whether it was two factors at once: then no other is asked for.
    pub strong: bool,
    /// Which count wrong factors go to: a known device's, or '' for strangers.
    pub device: &'a str,
    /// The token of a session that the browser still has; it ends with the new one.
    pub old: Option<&'a SecretString>,
    /// When the person proved themselves.
    pub at: Timestamp,
    /// Who vouched for them elsewhere.
    pub vouched: Option<&'a Vouched>,
}

/// Somebody whom another room proved.
#[derive(Clone, Copy, Debug)]
pub struct Proven<'a> {
    /// Whose account it is.
    pub user: UserId,
    /// How they were proven.
    pub auth: AuthMethod,
    /// Whether it was two factors at once: then no other is asked for.
    pub strong: bool,
    /// When they proved themselves there. Who does not say it proved nothing that is fresh: what is risky asks anew.
    pub at: Option<Timestamp>,
    /// Who vouched for them.
    pub vouched: &'a Vouched,
    /// The token of a session that the browser still has; it ends with the new one.
    pub old: Option<&'a SecretString>,
    /// How, for the audit log.
    pub reason: &'a str,
}

/// Who is half way, and where wrong factors are counted.
pub(crate) struct Walker {
    pub account: Account,
    pub needs: Needs,
    pub device: String,
    /// How they proved themselves first.
    first: AuthMethod,
    pub vouched: Option<Vouched>,
    tries: i64,
}

fn hash(token: &SecretString) -> Vec<u8> {
    crypto::sha256(token.expose_secret().as_bytes()).to_vec()
}

/// Whom the secret of an app is drawn for that somebody half way sets up.
pub(crate) fn place(token: &SecretString) -> String {
    format!("half:{}", base::hex(&hash(token)))
}

/// Who is half way with this token. A way that leads to setting a factor up is over once there is one: whoever began it with the
/// password alone must not add a factor of theirs to that of the owner.
pub(crate) fn walker(tx: &mut Tx<'_>, token: &SecretString) -> Result<Option<Walker>, Error> {
    let now = tx.now();
    let found = tx.query_opt(
        "UPDATE half_way SET tries = tries WHERE token_hash = $1 AND expires_at > $2 \
         RETURNING user_id, stage, device, first_proof, tries, provider, provider_subject, provider_session",
        &params![hash(token), now],
        |row| {
            let stage: String = row.get("stage")?;
            let needs = if stage == Needs::Factor.name() { Needs::Factor } else { Needs::Enrolment };
            let first = method(&row.get::<String>("first_proof")?);
            let (user, device) = (row.get::<UserId>("user_id")?, row.get::<String>("device")?);
            Ok((user, needs, device, first, Vouched::read(row)?, row.get::<i64>("tries")?))
        },
    )?;
    let Some((user, needs, device, first, vouched, tries)) = found else { return Ok(None) };
    if needs == Needs::Enrolment && factors::has_any(tx, user)? {
        return Ok(None);
    }
    Ok(account::by_id(tx, user)?.map(|account| Walker { account, needs, device, first, vouched, tries }))
}

/// Ends it; who vouched for whoever went it.
pub(crate) fn end(tx: &mut Tx<'_>, token: &SecretString) -> Result<Option<Vouched>, store::Error> {
    let ended = tx.query_opt(
        "DELETE FROM half_way WHERE token_hash = $1 RETURNING provider, provider_subject, provider_session",
        &params![hash(token)],
        Vouched::read,
    )?;
    Ok(ended.flatten())
}

impl Identity {
    /// What follows from a first proof: a session, or half the way to one. Writes no audit entry.
    pub(crate) fn enter(
        &self,
        tx: &mut Tx<'_>,
        account: &Account,
        first: &First<'_>,
        caller: &Caller,
    ) -> Result<Entered, Error> {
        // A provider's word and the machine's own link open every account; everything else only what the rule leaves open.
        if !matches!(first.auth, AuthMethod::SingleSignOn | AuthMethod::SetupLink) {
            match ways::opens(tx, account.id)? {
                Opens::Yes => {}
                Opens::BreakGlass => ways::glass_broken(tx, account, first.auth, caller)?,
                Opens::No => return Err(Error::PasswordsClosed),
            }
        }
        if !first.strong {
            if factors::has_any(tx, account.id)? {
                return Self::half(tx, account, Needs::Factor, first);
            }
            if factors::are_wanted(tx, account.id)? {
                return Self::half(tx, account, Needs::Enrolment, first);
            }
        }
        Ok(Entered::In(Box::new(self.admit(tx, account, first, caller)?)))
    }

    /// Starts the session.
    pub(crate) fn admit(
        &self,
        tx: &mut Tx<'_>,
        account: &Account,
        first: &First<'_>,
        caller: &Caller,
    ) -> Result<LoggedIn, Error> {
        account::forgive(tx, account.id, first.device)?;
        account::forgive(tx, account.id, &account::factor_place(first.device))?;
        if let Some(old) = first.old {
            crate::session::end(tx, old)?;
        }
        let (token, session) = start(tx, account, first, caller)?;
        let device = device::mint(&self.0.vault, &tx.context().clone(), account.id);
        self.forget_after(tx);
        Ok(LoggedIn { token, session, device })
    }

    fn half(tx: &mut Tx<'_>, account: &Account, needs: Needs, first: &First<'_>) -> Result<Entered, Error> {
        let (now, expires_at) = (tx.now(), tx.now().plus(LIFE));
        let token = SecretString::from(BASE64.encode(tx.context().random::<32>()));
        tx.execute(
            "INSERT INTO half_way (token_hash, user_id, stage, device, tries, created_at, expires_at, first_proof, \
             provider, provider_subject, provider_session) VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10)",
            &params![
                hash(&token),
                account.id,
                needs.name(),
                first.device,
                now,
                expires_at,
                first.auth.name(),
                first.vouched.map(|by| by.provider.to_string()).unwrap_or_default(),
                first.vouched.map(|by| by.subject.as_str()).unwrap_or_default(),
                first.vouched.map(|by| by.session.as_str()).unwrap_or_default()
            ],
        )?;
        let all: Vec<Vec<u8>> = tx.query(
            "SELECT token_hash FROM half_way WHERE user_id = $1 ORDER BY created_at DESC, token_hash",
            &params![account.id],
            |row| row.get("token_hash"),
        )?;
        for old in all.into_iter().skip(PER_USER) {
            tx.execute("DELETE FROM half_way WHERE token_hash = $1", &params![old])?;
        }
        Ok(Entered::Half(HalfWay { token, expires_at, needs }))
    }

    /// Lets in whom another room proved, an identity provider's assertion for instance; or leads them half way. Audited.
    pub fn enter_proven(&self, tx: &mut Tx<'_>, proven: &Proven<'_>, caller: &Caller) -> Result<Entered, Error> {
        let account = account::by_id(tx, proven.user)?.ok_or(Error::BadLogin)?;
        let first = First {
            auth: proven.auth,
            strong: proven.strong,
            device: AFTER_SIGN_ON,
            old: proven.old,
            at: proven.at.unwrap_or_default().min(tx.now()),
            vouched: Some(proven.vouched),
        };
        let entered = self.enter(tx, &account, &first, caller)?;
        note(tx, &account, &entered, proven.auth, proven.reason, caller)?;
        Ok(entered)
    }

    /// What somebody half way can prove themselves with; none when their time is over.
    pub async fn half_way(&self, token: &SecretString) -> Result<Option<(Needs, factors::Ways)>, Error> {
        let (this, token) = (self.clone(), token.clone());
        self.0
            .db
            .write(move |tx| {
                let Some(walker) = walker(tx, &token)? else { return Ok(None) };
                Ok(Some((walker.needs, this.ways(tx, walker.account.id)?)))
            })
            .await
    }

    /// The second factor of a log-in. A wrong one counts: five, and the first proof is asked for again; the account's count of
    /// wrong factors goes on, so that starting over gives no more tries (control X-12), and a right password takes none back. What
    /// a provider said first waits in `kept`.
    ///
    /// # Errors
    /// [`Error::BadFactor`], [`Error::HalfWayOver`], and [`Error::MustChange`] when the proof was right and the password, which came
    /// first, has to be replaced.
    pub async fn second_factor(
        &self,
        token: &SecretString,
        proof: Proof,
        kept: Kept,
        old: Option<SecretString>,
        caller: &Caller,
    ) -> Result<LoggedIn, Error> {
        self.throttled(caller)?;
        let (this, token, caller) = (self.clone(), token.clone(), caller.clone());
        self.0.db.write(move |tx| this.second(tx, &token, &proof, &kept, old.as_ref(), &caller)).await?
    }

    /// The inner result is what the caller hears: a refusal must not undo its own count.
    fn second(
        &self,
        tx: &mut Tx<'_>,
        token: &SecretString,
        proof: &Proof,
        kept: &Kept,
        old: Option<&SecretString>,
        caller: &Caller,
    ) -> Result<Result<LoggedIn, Error>, Error> {
        let Some(walker) = walker(tx, token)?.filter(|walker| walker.needs == Needs::Factor) else {
            return Ok(Err(Error::HalfWayOver));
        };
        let (user, now) = (walker.account.id, tx.now());
        let place = account::factor_place(&walker.device);
        let failures = account::failures(tx, user, &place)?;
        let limits = self.rules(tx)?.limits();
        if failures.door(now, limits) != Door::Open {
            refused(tx, &walker, "paused or locked after failures", caller)?;
            return Ok(Err(Error::BadFactor));
        }
        match self.prove(tx, user, proof)? {
            Ok(auth) => {
                end(tx, token)?;
                if walker.first == AuthMethod::Password
                    && let Some(why) = self.change_due(tx, user)?
                {
                    account::forgive(tx, user, &place)?;
                    return self.send_to_change(tx, &walker.account, why, auth, caller).map(Err);
                }
                let vouched = kept.take(tx, walker.vouched)?;
                let vouched = vouched.as_ref();
                let first = First { auth, strong: true, device: &walker.device, old, at: now, vouched };
                let entered = self.admit(tx, &walker.account, &first, caller)?;
                record(tx, entered.session.grants.actor(), "session.start", user, auth.name())?;
                Ok(Ok(entered))
            }
            Err(reason) => {
                account::set_failures(tx, user, &place, failures.after(now, limits))?;
                refused(tx, &walker, reason, caller)?;
                if walker.tries + 1 >= TRIES {
                    self.give_up(tx, token, kept)?;
                    return Ok(Err(Error::HalfWayOver));
                }
                tx.execute("UPDATE half_way SET tries = tries + 1 WHERE token_hash = $1", &params![hash(token)])?;
                Ok(Err(Error::BadFactor))
            }
        }
    }

    /// Gives the way up: who vouched for whoever went it, with what was kept of their word.
    pub fn give_up(&self, tx: &mut Tx<'_>, token: &SecretString, kept: &Kept) -> Result<Option<Vouched>, Error> {
        let vouched = end(tx, token)?;
        Ok(kept.take(tx, vouched)?)
    }
}

fn refused(tx: &mut Tx<'_>, walker: &Walker, reason: &'static str, caller: &Caller) -> Result<(), Error> {
    let known = ![STRANGERS, AFTER_SIGN_ON].contains(&walker.device.as_str());
    audit::record(
        tx,
        audit::Entry {
            actor: &caller.actor(Principal::Anonymous, AuthMethod::None),
            workspace: None,
            action: "session.start",
            target: ("user", &walker.account.id.to_string()),
            outcome: audit::Outcome::Failure,
            reason: Some(reason),
            changes: Some(serde_json::json!({ "stage": "second factor", "known_device": known })),
        },
    )?;
    Ok(())
}

fn record(
    tx: &mut Tx<'_>,
    actor: &access::Actor,
    action: &'static str,
    user: UserId,
    reason: &str,
) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor,
            workspace: None,
            action,
            target: ("user", &user.to_string()),
            outcome: audit::Outcome::Success,
            reason: Some(reason),
            changes: None,
        },
    )?;
    Ok(())
}

/// Writes down what followed from a first proof.
pub(crate) fn note(
    tx: &mut Tx<'_>,
    account: &Account,
    entered: &Entered,
    auth: AuthMethod,
    reason: &str,
    caller: &Caller,
) -> Result<(), Error> {
    match entered {
        Entered::In(entered) => record(tx, entered.session.grants.actor(), "session.start", account.id, reason),
        Entered::Half(_) => record(tx, &actor(account, auth, caller), "session.half_way", account.id, reason),
    }
}

/// The person behind a proof, without a session.
pub(crate) fn actor(account: &Account, auth: AuthMethod, caller: &Caller) -> access::Actor {
    caller.actor(Principal::User { id: account.id, name: account.name.clone() }, auth)
}
