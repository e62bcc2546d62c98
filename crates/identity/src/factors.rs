//! Second factors as a person has them: setting them up, proving one, taking them away; and which roles must have one.

use access::{Actor, AuthMethod, OrganisationPermit, Principal, cap};
use base::{ExposeSecret, SecretString, Timestamp, UserId};
use store::Tx;
use uuid::Uuid;

use crate::account::{self, Account};
use crate::half_way::{self, First, Needs};
use crate::link::stand_in;
use crate::login::LoggedIn;
use crate::vouched::Kept;
use crate::ways::{self, Opens};
use crate::{AuthenticatorSecret, Caller, Error, Identity, PasskeyInfo, authenticator, passkey, recovery};

/// What somebody proves themselves with. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Their password.
    Password(SecretString),
    /// Six digits of their app, or a recovery code.
    Code(SecretString),
    /// A passkey's answer, as the page's script sends it.
    Passkey(SecretString),
}

/// What somebody could prove themselves with.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "ways that a person has or has not, each on its own")]
pub struct Ways {
    /// A password; only where there is no second factor, and where it opens the account.
    pub password: bool,
    /// A code of an app.
    pub app: bool,
    /// A recovery code.
    pub recovery: bool,
    /// A passkey: what the browser is asked, as JSON.
    pub passkey: Option<String>,
    /// The provider that vouched for them; only where there is no second factor.
    pub elsewhere: bool,
}

/// A person's factors.
#[derive(Clone, Debug, Default)]
pub struct Factors {
    /// Since when an authenticator app is in use.
    pub app: Option<Timestamp>,
    /// Their passkeys.
    pub passkeys: Vec<PasskeyInfo>,
    /// Recovery codes that are left.
    pub recovery_left: u32,
    /// Whether a role of theirs must have a factor.
    pub wanted: bool,
}

impl Factors {
    /// How many there are, recovery codes not counted.
    pub fn count(&self) -> usize {
        usize::from(self.app.is_some()) + self.passkeys.len()
    }
}

/// What setting one up came to.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// Recovery codes, with the first factor: shown once.
    pub codes: Vec<SecretString>,
    /// The session, when it was set up on the way in.
    pub entered: Option<Box<LoggedIn>>,
}

/// What is set up.
#[derive(Clone, Debug)]
pub enum NewFactor {
    /// An app, proven by its first code.
    App(SecretString),
    /// A passkey and its name.
    Passkey(SecretString, String),
}

/// What a page needs on which a factor is set up.
#[derive(Clone, Debug)]
pub struct Offer {
    /// For an app; none when one is in use.
    pub app: Option<AuthenticatorSecret>,
    /// For a passkey; none where they cannot be had, or when there are enough.
    pub passkey: Option<String>,
}

/// Which factor goes.
#[derive(Clone, Copy, Debug)]
pub enum Going {
    /// The app.
    App,
    /// One passkey.
    Passkey(Uuid),
}

/// Whether a person has a second factor.
pub(crate) fn has_any(tx: &mut Tx<'_>, user: UserId) -> Result<bool, Error> {
    Ok(authenticator::since(tx, user)?.is_some() || !passkey::of(tx, user)?.is_empty())
}

/// Whether a role of a person must have a second factor, by the organisation's settings.
pub(crate) fn are_wanted(tx: &mut Tx<'_>, user: UserId) -> Result<bool, Error> {
    let wanted = resources::settings(tx)?.second_factor_for;
    if wanted.is_empty() {
        return Ok(false);
    }
    Ok(are_wanted_by(&wanted, &access::roles_of(tx, user)?))
}

/// Whether one of these roles is among those that must have a second factor. A ready role is meant by each of its names; one of
/// the organisation's own as its name is compared everywhere, without regard to case.
pub(crate) fn are_wanted_by(wanted: &[String], roles: &[access::Held]) -> bool {
    let named = |held: &access::Held, name: &str| match name.parse::<access::Role>() {
        Ok(role) => held.role.name() == role.name(),
        Err(_) => held.role.name().to_lowercase() == name.to_lowercase(),
    };
    roles.iter().any(|held| wanted.iter().any(|name| named(held, name)))
}

/// Takes everything away: the person is gone, or an administrator starts over for them.
pub(crate) fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<u64, Error> {
    let gone = passkey::remove_all(tx, user)? + u64::from(authenticator::remove(tx, user)?);
    recovery::forget(tx, user)?;
    tx.execute("DELETE FROM half_way WHERE user_id = $1", &store::params![user])?;
    Ok(gone)
}

fn all(tx: &mut Tx<'_>, user: UserId) -> Result<Factors, Error> {
    Ok(Factors {
        app: authenticator::since(tx, user)?,
        passkeys: passkey::of(tx, user)?,
        recovery_left: recovery::left(tx, user)?,
        wanted: are_wanted(tx, user)?,
    })
}

/// Whom the secret of an app is drawn for that somebody sets up who is in: their session, and no other.
fn place_of(actor: &Actor) -> String {
    actor.session.map(|id| format!("session:{id}")).unwrap_or_default()
}

/// Takes one away; what it was, for the audit log.
fn take_away(tx: &mut Tx<'_>, user: UserId, going: Going) -> Result<String, Error> {
    let what = match going {
        Going::App => authenticator::remove(tx, user)?.then(|| "authenticator app".to_owned()),
        Going::Passkey(id) => passkey::remove(tx, user, id)?.map(|name| format!("passkey “{name}”")),
    };
    what.ok_or(Error::NoFactor)
}

fn record(tx: &mut Tx<'_>, actor: &Actor, action: &'static str, user: UserId, what: &str) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor,
            workspace: None,
            action,
            target: ("user", &user.to_string()),
            outcome: audit::Outcome::Success,
            reason: Some(what),
            changes: None,
        },
    )?;
    Ok(())
}

impl Identity {
    /// The factors of the person behind `actor`.
    pub fn own_factors(&self, tx: &mut Tx<'_>, actor: &Actor) -> Result<Factors, Error> {
        all(tx, actor.principal.user().ok_or(Error::NoSuchUser)?)
    }

    /// The factors of somebody else, for those who administer people: what there is, never a secret.
    pub fn factors_of(
        &self,
        tx: &mut Tx<'_>,
        _: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<Factors, Error> {
        account::known(tx, user)?;
        all(tx, user)
    }

    /// The log-in name of the person behind `actor`.
    pub fn own_login(&self, tx: &mut Tx<'_>, actor: &Actor) -> Result<String, Error> {
        Ok(Self::own_account(tx, actor)?.login)
    }

    /// What the person behind `actor` may set up.
    pub fn own_offer(&self, tx: &mut Tx<'_>, actor: &Actor) -> Result<Offer, Error> {
        let account = Self::own_account(tx, actor)?;
        self.offer(tx, &account, &place_of(actor))
    }

    fn own_account(tx: &mut Tx<'_>, actor: &Actor) -> Result<Account, Error> {
        let user = actor.principal.user().ok_or(Error::NoSuchUser)?;
        account::by_id(tx, user)?.ok_or(Error::NoSuchUser)
    }

    fn offer(&self, tx: &mut Tx<'_>, account: &Account, place: &str) -> Result<Offer, Error> {
        let app = match self.authenticator_offer(tx, account.id, &account.login, place) {
            Ok(secret) => Some(secret),
            Err(Error::FactorThere) => None,
            Err(error) => return Err(error),
        };
        Ok(Offer { app, passkey: self.passkey_offer(tx, account)? })
    }

    /// What somebody half way may set up, who must.
    pub async fn half_way_offer(&self, token: &SecretString) -> Result<Option<Offer>, Error> {
        let (this, token) = (self.clone(), token.clone());
        self.0
            .db
            .write(move |tx| {
                let walker = half_way::walker(tx, &token)?.filter(|walker| walker.needs == Needs::Enrolment);
                walker.map(|walker| this.offer(tx, &walker.account, &half_way::place(&token))).transpose()
            })
            .await
    }

    /// Sets up a factor of the person behind `actor`, who has proven themselves just now.
    pub fn enrol(&self, tx: &mut Tx<'_>, actor: &Actor, new: &NewFactor) -> Result<Enrolled, Error> {
        let account = Self::own_account(tx, actor)?;
        let codes = self.take(tx, actor, account.id, &place_of(actor), new)?;
        Ok(Enrolled { codes, entered: None })
    }

    /// Sets up the factor that somebody half way must have, and lets them in. What a provider said first waits in `kept`.
    pub async fn enrol_half_way(
        &self,
        token: &SecretString,
        new: NewFactor,
        kept: Kept,
        old: Option<SecretString>,
        caller: &Caller,
    ) -> Result<Enrolled, Error> {
        self.throttled(caller)?;
        let (this, token, caller) = (self.clone(), token.clone(), caller.clone());
        self.0
            .db
            .write(move |tx| {
                let walker = half_way::walker(tx, &token)?.filter(|walker| walker.needs == Needs::Enrolment);
                let walker = walker.ok_or(Error::HalfWayOver)?;
                let auth = match new {
                    NewFactor::App(_) => AuthMethod::Totp,
                    NewFactor::Passkey(..) => AuthMethod::Passkey,
                };
                let (actor, place) = (half_way::actor(&walker.account, auth, &caller), half_way::place(&token));
                let codes = this.take(tx, &actor, walker.account.id, &place, &new)?;
                half_way::end(tx, &token)?;
                let vouched = kept.take(tx, walker.vouched)?;
                let (at, vouched) = (tx.now(), vouched.as_ref());
                let first = First { auth, strong: true, device: &walker.device, old: old.as_ref(), at, vouched };
                let entered = this.admit(tx, &walker.account, &first, &caller)?;
                record(tx, entered.session.grants.actor(), "session.start", walker.account.id, auth.name())?;
                Ok(Enrolled { codes, entered: Some(Box::new(entered)) })
            })
            .await
    }

    fn take(
        &self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        user: UserId,
        place: &str,
        new: &NewFactor,
    ) -> Result<Vec<SecretString>, Error> {
        let first = !has_any(tx, user)?;
        let what = match new {
            NewFactor::App(code) => {
                if !self.authenticator_confirm(tx, user, code.expose_secret(), place)? {
                    return Err(Error::BadFactor);
                }
                "authenticator app".to_owned()
            }
            NewFactor::Passkey(answer, name) => format!("passkey “{}”", self.passkey_keep(tx, user, name, answer)?),
        };
        record(tx, actor, "factor.add", user, &what)?;
        if first || recovery::left(tx, user)? == 0 { recovery::draw(tx, user) } else { Ok(Vec::new()) }
    }

    /// Draws ten new recovery codes; the old ones work no more.
    pub fn draw_recovery_codes(&self, tx: &mut Tx<'_>, actor: &Actor) -> Result<Vec<SecretString>, Error> {
        let user = Self::own_account(tx, actor)?.id;
        if !has_any(tx, user)? {
            return Err(Error::NoFactor);
        }
        record(tx, actor, "recovery_codes.draw", user, "ten new ones")?;
        recovery::draw(tx, user)
    }

    /// Whether these are recovery codes of the person behind `actor`, so that they may have them as a file.
    pub fn are_recovery_codes(&self, tx: &mut Tx<'_>, actor: &Actor, codes: &[&str]) -> Result<bool, Error> {
        recovery::are_all(tx, actor.principal.user().ok_or(Error::NoSuchUser)?, codes)
    }

    /// Takes a factor of the person behind `actor` away. The last one stays where a role of theirs must have one.
    pub fn drop_factor(&self, tx: &mut Tx<'_>, actor: &Actor, going: Going) -> Result<(), Error> {
        let user = Self::own_account(tx, actor)?.id;
        let what = take_away(tx, user, going)?;
        if !has_any(tx, user)? {
            if are_wanted(tx, user)? {
                return Err(Error::LastFactor);
            }
            recovery::forget(tx, user)?;
        }
        record(tx, actor, "factor.remove", user, &what)
    }

    /// Takes one factor of somebody else away, who lost it. Recovery codes go with the last one, and their sessions end. Whoever
    /// does this learns no secret; it is audited.
    ///
    /// # Errors
    /// [`Error::NoFactor`], and [`Error::Denied`] for somebody who may more than whoever asks.
    pub fn remove_factor_of(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
        going: Going,
    ) -> Result<(), Error> {
        account::by_id(tx, user)?.ok_or(Error::NoSuchUser)?;
        stand_in(tx, permit, user)?;
        let what = take_away(tx, user, going)?;
        if !has_any(tx, user)? {
            forget(tx, user)?;
        }
        record(tx, permit.actor(), "factor.remove", user, &what)?;
        self.end_all(tx, user)?;
        Ok(())
    }

    /// Takes all factors of somebody away, who lost them: the next log-in asks for the password alone, or for a new factor where
    /// a role must have one. Their sessions end. Whoever does this learns no secret; it is audited.
    ///
    /// # Errors
    /// [`Error::Denied`] for somebody who may more than whoever asks: with the password, the way in would be half open.
    pub fn reset_factors(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<u64, Error> {
        account::by_id(tx, user)?.ok_or(Error::NoSuchUser)?;
        stand_in(tx, permit, user)?;
        let gone = forget(tx, user)?;
        record(tx, permit.actor(), "factor.reset", user, "all factors and recovery codes")?;
        self.end_all(tx, user)?;
        Ok(gone)
    }

    /// What a person could prove themselves with again.
    pub(crate) fn ways(&self, tx: &mut Tx<'_>, user: UserId) -> Result<Ways, Error> {
        let app = authenticator::since(tx, user)?.is_some();
        let passkey = self.passkey_ask(tx, user)?;
        let any = has_any(tx, user)?;
        Ok(Ways {
            // Where a provider is the only way in, a password proves nothing either.
            password: !any && account::password_hash(tx, user)?.is_some() && ways::opens(tx, user)? != Opens::No,
            app,
            recovery: any && recovery::left(tx, user)? > 0,
            passkey,
            elsewhere: false,
        })
    }

    /// Checks a second factor; why not, for the audit log.
    pub(crate) fn prove(
        &self,
        tx: &mut Tx<'_>,
        user: UserId,
        proof: &Proof,
    ) -> Result<Result<AuthMethod, &'static str>, Error> {
        match proof {
            Proof::Password(_) => Ok(Err("a password where a second factor is needed")),
            Proof::Code(code) => {
                if self.authenticator_check(tx, user, code)? {
                    return Ok(Ok(AuthMethod::Totp));
                }
                if has_any(tx, user)? && recovery::redeem(tx, user, code)? {
                    return Ok(Ok(AuthMethod::RecoveryCode));
                }
                Ok(Err("wrong code, or one that was used before"))
            }
            Proof::Passkey(answer) => Ok(self.passkey_check(tx, Some(user), answer)?.map(|_| AuthMethod::Passkey)),
        }
    }

    /// Signs somebody in by a passkey alone: what they have and who they are, proven by one touch.
    pub async fn passkey_login(
        &self,
        answer: SecretString,
        old: Option<SecretString>,
        caller: &Caller,
    ) -> Result<LoggedIn, Error> {
        self.throttled(caller)?;
        let (this, caller) = (self.clone(), caller.clone());
        self.0.db.write(move |tx| this.by_passkey(tx, &answer, old.as_ref(), &caller)).await?
    }

    fn by_passkey(
        &self,
        tx: &mut Tx<'_>,
        answer: &SecretString,
        old: Option<&SecretString>,
        caller: &Caller,
    ) -> Result<Result<LoggedIn, Error>, Error> {
        let auth = AuthMethod::Passkey;
        let found = self.passkey_check(tx, None, answer)?;
        let account = match found {
            Ok(user) if ways::opens(tx, user)? == Opens::No => Err(ways::CLOSED),
            Ok(user) => account::by_id(tx, user)?.ok_or("the account is switched off"),
            Err(reason) => Err(reason),
        };
        match account {
            Ok(account) => {
                if let Some(why) = self.change_due(tx, account.id)? {
                    return self.send_to_change(tx, &account, why, auth, caller).map(Err);
                }
                if ways::opens(tx, account.id)? == Opens::BreakGlass {
                    ways::glass_broken(tx, &account, auth, caller)?;
                }
                let first = First { auth, strong: true, device: "passkey", old, at: tx.now(), vouched: None };
                let entered = self.admit(tx, &account, &first, caller)?;
                record(tx, entered.session.grants.actor(), "session.start", account.id, "passkey alone")?;
                Ok(Ok(entered))
            }
            Err(reason) => {
                let target = found.map(|user| user.to_string()).unwrap_or_default();
                audit::record(
                    tx,
                    audit::Entry {
                        actor: &caller.actor(Principal::Anonymous, auth),
                        workspace: None,
                        action: "session.start",
                        target: ("user", &target),
                        outcome: audit::Outcome::Failure,
                        reason: Some(reason),
                        changes: None,
                    },
                )?;
                Ok(Err(Error::BadPasskey))
            }
        }
    }
}
