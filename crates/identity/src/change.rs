//! Passwords that are changed: by their owner who knows the old one, because an administrator or a rule asks for it (control
//! X-15), and never to one that the rules refuse.

use access::{AuthMethod, OrganisationPermit, Principal, cap};
use base::{Explain as _, Problem, ProblemKind, SecretString, Timestamp, UserId};
use store::Tx;

use crate::account::Account;
use crate::link::RESET;
use crate::sign_in_rules::Whose;
use crate::{Caller, Error, Identity, Session, SignInRules, account, factors, password};

/// What the owner of a password sends to change it.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// The password that they have.
    pub old: SecretString,
    /// The one that they want.
    pub new: SecretString,
    /// The cookie of a known device, so that strangers' failures do not count against them.
    pub device: Option<SecretString>,
}

fn refused(code: &'static str, detail: impl Into<String>) -> Error {
    Error::Password(Box::new(Problem::new(ProblemKind::Unprocessable, code, detail.into()).at("password")))
}

impl Identity {
    /// The password as it is hashed, if the rules take it for somebody of this name and log-in name.
    pub(crate) async fn good_password(
        &self,
        given: &SecretString,
        user: Option<UserId>,
        name: &str,
        login: &str,
    ) -> Result<SecretString, Error> {
        let this = self.clone();
        let (rules, organisation, before, enforced) = self
            .0
            .db
            .read(move |tx| {
                let rules = this.rules(tx)?;
                let organisation = access::organisation(tx)?.map(|one| one.name).unwrap_or_default();
                let Some(user) = user else { return Ok((rules, organisation, Vec::new(), false)) };
                // What has to be replaced is not replaced by itself, whatever the rules remember.
                let due = u32::from(this.change_due(tx, user)?.is_some());
                let before = account::last_hashes(tx, user, rules.password_history.max(due))?;
                let enforced = factors::are_wanted(tx, user)?;
                Ok::<_, Error>((rules, organisation, before, enforced))
            })
            .await?;
        let password = password::check(&rules, rules.shortest(enforced), given, &[name, login, &organisation])?;
        for phc in before {
            let secret = password.clone();
            if self.0.gate.run(move || crypto::password::verify(&secret, &phc)).await? {
                let words = match rules.password_history {
                    0 | 1 => "This is the password that you have. Choose another one.".to_owned(),
                    last => format!("This is one of your last {last} passwords. Choose another one."),
                };
                return Err(refused("password-used-before", words));
            }
        }
        Ok(password)
    }

    /// What a new password must be, in words for a form: of this person, or of whoever opens a link.
    ///
    /// # Errors
    /// When the store fails.
    pub fn password_words(&self, tx: &mut Tx<'_>, user: Option<UserId>) -> Result<String, Error> {
        let rules = self.rules(tx)?;
        Ok(match user {
            Some(user) => rules.words(if factors::are_wanted(tx, user)? { Whose::Enforced } else { Whose::Other }),
            None if resources::settings(tx)?.second_factor_for.is_empty() => rules.words(Whose::Other),
            None => rules.words(Whose::Unknown),
        })
    }

    /// Why a right password does not let its owner in: it must be changed first.
    pub(crate) fn change_due(&self, tx: &mut Tx<'_>, user: UserId) -> Result<Option<&'static str>, Error> {
        let Some((changed_at, asked)) = account::password_state(tx, user)? else { return Ok(None) };
        let age = tx.now().since(changed_at);
        let too_old = self.rules(tx)?.max_age().is_some_and(|most| age >= most);
        Ok(match (asked, too_old) {
            (true, _) => Some("a change of the password was asked for"),
            (_, true) => Some("the password is too old"),
            _ => None,
        })
    }

    /// Answers a right proof, made by `auth`, with a link for another password instead of a session.
    pub(crate) fn send_to_change(
        &self,
        tx: &mut Tx<'_>,
        found: &Account,
        why: &'static str,
        auth: AuthMethod,
        caller: &Caller,
    ) -> Result<Error, Error> {
        // A letter with the link before this one must not leave any more.
        mail::withdraw(tx, found.id, Some(RESET), "a newer link took its place")?;
        // Whoever could know this password can choose the next one with it.
        let seen = account::shown_to(tx, found.id)?;
        let link = self.draw(tx, RESET, Some(found.id), seen)?;
        audit::record(
            tx,
            audit::Entry {
                actor: &caller.actor(Principal::User { id: found.id, name: found.name.clone() }, auth),
                workspace: None,
                action: "session.start",
                target: ("user", &found.id.to_string()),
                outcome: audit::Outcome::Denied,
                reason: Some(why),
                changes: None,
            },
        )?;
        Ok(Error::MustChange(Box::new(link)))
    }

    /// Asks a person for another password at their next sign-in, and ends their sessions. Audited.
    ///
    /// # Errors
    /// [`Error::NoPassword`] for somebody who has none.
    pub fn expire_password(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<(), Error> {
        account::by_id(tx, user)?.ok_or(Error::NoSuchUser)?;
        if !account::demand_change(tx, user)? {
            return Err(Error::NoPassword);
        }
        let ended = self.end_all(tx, user)?;
        act(tx, permit, "password.expire", user, serde_json::json!({ "sessions": ended }))
    }

    /// Forgets the failures of a person, so that they are looked at again. Audited.
    ///
    /// # Errors
    /// [`Error::NoSuchUser`].
    pub fn unlock(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<(), Error> {
        account::by_id(tx, user)?.ok_or(Error::NoSuchUser)?;
        account::forgive_all(tx, user)?;
        act(tx, permit, "user.unlock", user, serde_json::json!({}))
    }

    /// Changes the password of the person behind a session, who proves themselves with the old one. Their other sessions end.
    ///
    /// # Errors
    /// [`Error::BadLogin`] for a wrong old password (it counts as any try), and what is wrong with the new one.
    pub async fn change_password(
        &self,
        session: &Session,
        change: PasswordChange,
        caller: &Caller,
    ) -> Result<(), Error> {
        self.throttled(caller)?;
        let (user, kept) = (session.user, session.id);
        if !password::plausible(&change.old) {
            return Err(wrong());
        }
        let this = self.clone();
        let (counted, found, state, rules) = self
            .0
            .db
            .write(move |tx| {
                let found = account::by_id(tx, user)?.ok_or(Error::NoSuchUser)?;
                let state = account::password_state(tx, user)?;
                let rules = this.rules(tx)?;
                let counted = this.count(tx, &found.login, change.device.as_ref())?;
                Ok::<_, Error>((counted, found, state, rules))
            })
            .await?;
        let Some((_, phc)) = counted.open.clone() else { return Err(wrong()) };
        let (secret, known) = (password::normalise(&change.old), phc.clone());
        let right = match self.0.gate.run(move || crypto::password::verify(&secret, &known)).await {
            Err(Error::Busy) => {
                self.uncount(&counted).await?;
                return Err(Error::Busy);
            }
            other => other?,
        };
        let caller = caller.clone();
        let told = move |tx: &mut Tx<'_>, found: &Account, outcome, reason| {
            let principal = Principal::User { id: found.id, name: found.name.clone() };
            let mut actor = caller.actor(principal, AuthMethod::Password);
            actor.session = Some(kept);
            let target = found.id.to_string();
            let changes = (outcome == audit::Outcome::Success).then(|| serde_json::json!({ "password": "(changed)" }));
            audit::record(
                tx,
                audit::Entry {
                    actor: &actor,
                    workspace: None,
                    action: "password.change",
                    target: ("user", &target),
                    outcome,
                    reason,
                    changes,
                },
            )
        };
        if !right {
            self.0
                .db
                .write(move |tx| {
                    told(tx, &found, audit::Outcome::Failure, Some("wrong password"))?;
                    Ok::<_, Error>(())
                })
                .await?;
            return Err(wrong());
        }
        // The old password was right: what follows is no failure of its owner.
        self.uncount(&counted).await?;
        old_enough(state.map(|(at, _)| at), &rules, self.0.db.context().now())?;
        let new = self.good_password(&change.new, Some(user), &found.name, &found.login).await?;
        let hash = self.stretch(new).await?;
        let this = self.clone();
        self.0
            .db
            .write(move |tx| {
                // Changed by somebody else in between: the old proof is worth nothing.
                if !account::still_has(tx, user, &phc)? {
                    return Err(wrong());
                }
                let (now, seen) = (tx.now(), account::shown_to(tx, user)?);
                account::set_password_hash(tx, user, &hash, seen, now)?;
                account::end_others(tx, user, kept)?;
                account::forgive_passwords(tx, user)?;
                this.write_changed(tx, &found)?;
                told(tx, &found, audit::Outcome::Success, None)?;
                this.forget_after(tx);
                Ok(())
            })
            .await
    }
}

fn wrong() -> Error {
    Error::Invalid(Box::new(Error::BadLogin.problem().at("old")))
}

/// Where the rules make a person keep a password for a while.
fn old_enough(changed_at: Option<Timestamp>, rules: &SignInRules, now: Timestamp) -> Result<(), Error> {
    match (changed_at, rules.min_age()) {
        (Some(at), Some(least)) if now.since(at) < least => Err(refused(
            "password-too-young",
            format!(
                "Your password was changed less than {} hours ago, and this organisation asks you to keep one for as long. If \
                 somebody may know it, have an administrator ask you for another one.",
                rules.password_min_age_hours
            ),
        )),
        _ => Ok(()),
    }
}

fn act(
    tx: &mut Tx<'_>,
    permit: &OrganisationPermit<cap::PeopleWrite>,
    action: &'static str,
    user: UserId,
    changes: serde_json::Value,
) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor: permit.actor(),
            workspace: None,
            action,
            target: ("user", &user.to_string()),
            outcome: audit::Outcome::Success,
            reason: None,
            changes: Some(changes),
        },
    )?;
    Ok(())
}
