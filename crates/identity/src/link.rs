//! One-time links: the set-up link that makes an administrator, and invitations that let a person choose a password.
//! The secret stands in the URL's fragment, which browsers do not send, and comes back by POST; the store keeps its
//! hash (controls X-14, E-25). A new link of the same sort replaces the old one.

use std::time::Duration;

use access::{Actor, AuthMethod, Authority, Denied, Grants, Principal, Role, Scope, cap};
use base::{ExposeSecret, Problem, ProblemKind, SecretString, Timestamp, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use resources::{Change, Draft, Ground};
use store::{Tx, params};
use zeroize::Zeroizing;

use crate::account::Account;
use crate::half_way::{self, Entered, First};
use crate::ways::{self, Opens};
use crate::{Caller, Error, Identity, account, users_kind};

/// How long a set-up link and an invitation work.
pub(crate) const LIFE: Duration = Duration::from_hours(24);
/// How long a link works with which a password is set anew.
pub(crate) const RESET_LIFE: Duration = Duration::from_mins(15);
const SETUP: &str = "setup";
pub(crate) const INVITE: &str = "invite";
pub(crate) const RESET: &str = "reset";
/// How the secret of a link for a new password begins; 32 random bytes follow.
const RESET_PREFIX: &str = "loudhailer_reset_";

/// A link's secret: shown once, to whoever asked for it.
#[derive(Clone, Debug)]
pub struct Link {
    /// What goes behind the `#` of the URL.
    pub secret: SecretString,
    /// When it stops to work.
    pub expires_at: Timestamp,
}

/// What the first page asks for.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// The link's secret.
    pub secret: SecretString,
    /// The administrator's name.
    pub name: String,
    /// Their e-mail address, with which they log in.
    pub login: String,
    /// The password they choose.
    pub password: SecretString,
    /// Their time zone; UTC when absent.
    pub time_zone: Option<String>,
}

/// Refuses whoever would get, with a link or an identity that they hold, into an account that may more than they may.
///
/// # Errors
/// [`Error::Denied`] with the first right that the account holds and they do not.
pub fn stand_in<C: access::Cap>(tx: &mut Tx<'_>, permit: &impl Authority<C>, user: UserId) -> Result<(), Error> {
    if matches!(permit.actor().principal, Principal::Engine(_)) {
        return Ok(());
    }
    let theirs = access::anywhere(&access::roles_of(tx, user)?);
    match theirs.without(permit.rights().unbounded()).iter().next() {
        Some(capability) => Err(Denied { capability, scope: Scope::Organisation }.into()),
        None => Ok(()),
    }
}

/// A link that was used up.
pub(crate) struct Redeemed {
    /// Whose it was; none for a set-up link.
    pub user: Option<UserId>,
    /// Who besides them saw it.
    pub shown_to: Option<UserId>,
}

/// Whether it is the machine's own command or work that acts: whoever may do that holds the database.
fn is_machine(actor: &Actor) -> bool {
    matches!(actor.principal, Principal::Engine(_) | Principal::Os(_))
}

/// Writes down that somebody drew a link for a person, and by which way it reaches them.
pub(crate) fn tell_of(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: &'static str,
    user: UserId,
    link: &Link,
    way: &'static str,
) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor,
            workspace: None,
            action,
            target: ("user", &user.to_string()),
            outcome: audit::Outcome::Success,
            reason: None,
            changes: Some(serde_json::json!({ "expires_at": link.expires_at.rfc3339(), "by": way })),
        },
    )?;
    Ok(())
}

impl Identity {
    /// A new set-up link, in the caller's transaction; the one before stops to work. For the machine's own commands
    /// (`demo`, `setup-link`): whoever may call this holds the database and the key file.
    pub fn setup_link(&self, tx: &mut Tx<'_>, actor: &Actor) -> Result<Link, Error> {
        let link = self.draw(tx, SETUP, None, None)?;
        audit::record(
            tx,
            audit::Entry {
                actor,
                workspace: None,
                action: "setup_link.create",
                target: ("setup_link", ""),
                outcome: audit::Outcome::Success,
                reason: None,
                changes: Some(serde_json::json!({ "expires_at": link.expires_at.rfc3339() })),
            },
        )?;
        Ok(link)
    }

    /// Whether nobody has a proof of their own yet that opens an account. Whoever knows of providers asks these besides.
    pub fn needs_setup(&self, tx: &mut Tx<'_>) -> Result<bool, Error> {
        Ok(!account::anybody_has_a_proof(tx)?)
    }

    /// An invitation for a person: with it they choose a password (a first one or, where no letters go out, a new one). Whoever
    /// draws it never picks the password, but could: so it is remembered who saw the link.
    ///
    /// # Errors
    /// [`Error::HasPassword`] where a letter can bring a link that nobody else sees, [`Error::PasswordsClosed`] where a provider is
    /// the only way in, and [`Error::Denied`] for an account that may more than whoever asks.
    pub fn invite_link(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<Link, Error> {
        if permit.scope() != Scope::Organisation {
            return Err(resources::Error::OutOfScope.into());
        }
        account::by_id(tx, user)?.ok_or(Error::NoSuchUser)?;
        stand_in(tx, permit, user)?;
        if !is_machine(permit.actor()) {
            if ways::opens(tx, user)? == Opens::No {
                return Err(Error::PasswordsClosed);
            }
            if self.sends_mail() && account::password_hash(tx, user)?.is_some() {
                return Err(Error::HasPassword);
            }
        }
        // A letter with the link before this one must not leave any more.
        mail::withdraw(tx, user, Some(INVITE), "a newer link took its place")?;
        let seen = permit.actor().principal.user().filter(|seen| *seen != user);
        let link = self.draw(tx, INVITE, Some(user), seen)?;
        tell_of(tx, permit.actor(), "invite.create", user, &link, "link")?;
        Ok(link)
    }

    /// Draws a link; `shown_to` is who besides its user sees it.
    pub(crate) fn draw(
        &self,
        tx: &mut Tx<'_>,
        purpose: &'static str,
        user: Option<UserId>,
        shown_to: Option<UserId>,
    ) -> Result<Link, Error> {
        let user = user.map(|id| id.to_string()).unwrap_or_default();
        tx.execute("DELETE FROM one_time_links WHERE purpose = $1 AND user_id = $2", &params![purpose, user.as_str()])?;
        let (secret, life) = if purpose == RESET {
            let secret = Zeroizing::new(tx.context().random::<32>());
            (SecretString::from(format!("{RESET_PREFIX}{}", BASE64.encode(*secret))), RESET_LIFE)
        } else {
            (crypto::token::mint(crypto::token::Kind::Setup, tx.context().chance()), LIFE)
        };
        let (now, expires_at) = (tx.now(), tx.now().plus(life));
        tx.execute(
            "INSERT INTO one_time_links (token_hash, purpose, user_id, created_at, expires_at, shown_to) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &params![
                self.link_hash(&secret),
                purpose,
                user,
                now,
                expires_at,
                shown_to.map(|seen| seen.to_string()).unwrap_or_default(),
            ],
        )?;
        Ok(Link { secret, expires_at })
    }

    fn link_hash(&self, secret: &SecretString) -> Vec<u8> {
        self.0.vault.token_hash(secret.expose_secret()).to_vec()
    }

    /// Uses a link up. It works once, whoever comes second gets [`Error::BadLink`].
    pub(crate) fn redeem(
        &self,
        tx: &mut Tx<'_>,
        purpose: &'static str,
        secret: &SecretString,
    ) -> Result<Redeemed, Error> {
        let now = tx.now();
        let found = tx.query_opt(
            "DELETE FROM one_time_links WHERE token_hash = $1 AND purpose = $2 RETURNING user_id, shown_to, expires_at",
            &params![self.link_hash(secret), purpose],
            |row| {
                let (user, seen): (String, String) = (row.get("user_id")?, row.get("shown_to")?);
                let redeemed = Redeemed { user: user.parse().ok(), shown_to: seen.parse().ok() };
                Ok((redeemed, row.get::<Timestamp>("expires_at")?))
            },
        )?;
        match found {
            Some((redeemed, expires_at)) if now < expires_at => Ok(redeemed),
            _ => Err(Error::BadLink),
        }
    }

    /// Whether a link would work, without using it: before the expensive hash, and for the page to say so early.
    pub(crate) async fn works(
        &self,
        purpose: &'static str,
        secret: &SecretString,
        caller: &Caller,
    ) -> Result<Option<UserId>, Error> {
        let context = self.0.db.context();
        self.throttled(caller)?;
        let text = secret.expose_secret();
        let shaped = match purpose {
            RESET => text.len() == RESET_PREFIX.len() + 43 && text.starts_with(RESET_PREFIX),
            _ => crypto::token::check(text) == Ok(crypto::token::Kind::Setup),
        };
        if !shaped {
            return Err(Error::BadLink);
        }
        let (hash, now) = (self.link_hash(secret), context.now());
        let found = self
            .0
            .db
            .read(move |tx| {
                tx.query_opt(
                    "SELECT user_id FROM one_time_links WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3",
                    &params![hash.clone(), purpose, now],
                    |row| row.get::<String>("user_id"),
                )
            })
            .await?;
        found.map(|user| user.parse().ok()).ok_or(Error::BadLink)
    }

    /// Makes an administrator of the organisation with a set-up link, and logs them in.
    pub async fn setup(&self, form: SetUp, caller: &Caller) -> Result<Entered, Error> {
        self.works(SETUP, &form.secret, caller).await?;
        let password = self.good_password(&form.password, None, &form.name, &form.login).await?;
        let phc = self.stretch(password).await?;
        let (this, caller) = (self.clone(), caller.clone());
        self.0.db.write(move |tx| this.make_administrator(tx, &form, &phc, &caller)).await
    }

    fn make_administrator(&self, tx: &mut Tx<'_>, form: &SetUp, phc: &str, caller: &Caller) -> Result<Entered, Error> {
        self.redeem(tx, SETUP, &form.secret)?;
        if account::is_taken(tx, &form.login)? {
            return Err(Error::Invalid(Box::new(
                Problem::new(
                    ProblemKind::Conflict,
                    "login-taken",
                    "There is a person with this address already. Give another address, or have them invited.",
                )
                .at("login"),
            )));
        }
        // The link stands for the machine's operator, who may everything.
        let actor = caller.actor(Principal::Os("set-up link".to_owned()), AuthMethod::SetupLink);
        let permit = Grants::of_operator(actor).permit_organisation::<cap::PeopleWrite>()?;
        let clearance = self.0.resources.clear(tx, &permit, None, &Ground::None)?;
        let body = serde_json::json!({
            "name": form.name.trim(),
            "login": form.login.trim(),
            "roles": [{ "role": Role::Administrator.name() }],
            "time_zone": form.time_zone.as_deref().unwrap_or("Etc/UTC"),
        });
        let written = self.0.resources.put(
            tx,
            &permit,
            Change {
                kind: users_kind::NAME,
                workspace: None,
                body: Draft::new(body),
                reason: Some("set-up link"),
                clearance: &clearance,
            },
        )?;
        let user = UserId::from(written.id.uuid());
        let account = account::by_id(tx, user)?.ok_or(Error::NoSuchUser)?;
        let now = tx.now();
        account::set_password_hash(tx, user, phc, None, now)?;
        self.let_in(tx, &account, "setup_link.use", caller, AuthMethod::SetupLink)
    }

    /// Sets the password of an invited person, and logs them in, or half way: a link does not replace their second factor (ASVS
    /// 6.4.3). Their other sessions end.
    pub async fn accept_invite(
        &self,
        secret: SecretString,
        password: SecretString,
        caller: &Caller,
    ) -> Result<Entered, Error> {
        let user = self.works(INVITE, &secret, caller).await?.ok_or(Error::BadLink)?;
        let account = self.0.db.read(move |tx| account::by_id(tx, user)).await?.ok_or(Error::BadLink)?;
        let password = self.good_password(&password, Some(user), &account.name, &account.login).await?;
        let phc = self.stretch(password).await?;
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .write(move |tx| {
                let link = this.redeem(tx, INVITE, &secret)?;
                let user = link.user.ok_or(Error::BadLink)?;
                let account = account::by_id(tx, user)?.ok_or(Error::BadLink)?;
                let had = account::password_hash(tx, user)?.is_some();
                // The hash first: a log-in with the old one either committed before, and its session ends here, or
                // finds the old hash gone.
                let now = tx.now();
                account::set_password_hash(tx, user, &phc, link.shown_to, now)?;
                this.end_all(tx, user)?;
                account::forgive_passwords(tx, user)?;
                if had {
                    this.write_changed(tx, &account)?;
                }
                this.let_in(tx, &account, "invite.use", &caller, AuthMethod::Password)
            })
            .await
    }

    fn let_in(
        &self,
        tx: &mut Tx<'_>,
        account: &Account,
        action: &'static str,
        caller: &Caller,
        auth: AuthMethod,
    ) -> Result<Entered, Error> {
        let first = First { auth, strong: false, device: "", old: None, at: tx.now(), vouched: None };
        let entered = self.enter(tx, account, &first, caller)?;
        let actor = match &entered {
            Entered::In(entered) => entered.session.grants.actor().clone(),
            Entered::Half(_) => half_way::actor(account, auth, caller),
        };
        audit::record(
            tx,
            audit::Entry {
                actor: &actor,
                workspace: None,
                action,
                target: ("user", &account.id.to_string()),
                outcome: audit::Outcome::Success,
                reason: None,
                changes: Some(serde_json::json!({ "password": "(changed)" })),
            },
        )?;
        Ok(entered)
    }

    pub(crate) async fn stretch(&self, password: SecretString) -> Result<String, Error> {
        let (cost, context) = (self.0.options.cost, self.0.db.context().clone());
        self.0.gate.run(move || crypto::password::hash(&password, cost, context.chance())).await
    }
}
