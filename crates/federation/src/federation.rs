//! The handle: what the doors call.

use std::sync::Arc;

use access::{OrganisationPermit, cap};
use base::{SecretString, UserId};
use identity::{Caller, Identity, Session};
use issuers::Issuers;
use resources::Resources;
use store::{Db, Tx};
use vault::Vault;

pub use crate::oidc::Answered;
use crate::rows::Provider;
use crate::{Arrived, Error, LinkedIdentity, arrive, flight, links, oidc, rows};

/// Signing in with identities elsewhere. Cheap to clone.
#[derive(Clone)]
pub struct Federation(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) resources: Resources,
    pub(crate) identity: Identity,
    pub(crate) issuers: Issuers,
}

impl std::fmt::Debug for Federation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Federation(…)")
    }
}

/// A sign-on that begins.
#[derive(Debug)]
pub struct Begun {
    /// For the cookie `__Host-sso`.
    pub token: SecretString,
    /// Where the browser is sent.
    pub location: String,
}

/// Where a provider sends people back to: exactly this is registered there, and exactly this is sent.
pub fn redirect_uri(public_url: &str, provider: &str) -> String {
    format!("{}/sso/{provider}/callback", public_url.trim_end_matches('/'))
}

impl Federation {
    /// Federation over `db`. Providers are written through `resources`, whose registry must have [`crate::ProvidersKind`].
    pub fn new(db: Db, vault: Vault, resources: Resources, identity: Identity, issuers: Issuers) -> Self {
        Self(Arc::new(Inner { db, vault, resources, identity, issuers }))
    }

    /// The providers that people can sign in with, for the sign-in page: as a name for the address, and a label.
    pub fn ways_in(&self, tx: &mut Tx<'_>) -> Result<Vec<(String, String)>, Error> {
        let all = rows::all(tx)?.into_iter().filter(|one| one.enabled);
        Ok(all.map(|one| (one.name, one.label)).collect())
    }

    /// The name of the provider of an issuer, for sign-ons that the provider starts.
    pub fn of_issuer(&self, tx: &mut Tx<'_>, issuer: &str) -> Result<Option<String>, Error> {
        Ok(rows::by_issuer(tx, issuer)?.filter(|one| one.enabled).map(|one| one.name))
    }

    /// All providers with how they are, for those who look after them.
    pub fn providers(
        &self,
        tx: &mut Tx<'_>,
        _permit: &OrganisationPermit<cap::SignInManage>,
    ) -> Result<Vec<(Provider, i64)>, Error> {
        let all = rows::all(tx)?;
        all.into_iter().map(|one| Ok((links::count(tx, one.id)?, one)).map(|(people, one)| (one, people))).collect()
    }

    /// Begins a sign-on with a provider. `user` is whose account the identity is to be linked with, when somebody who is signed
    /// in asks for that; `hint` is who the provider shall expect.
    pub async fn begin(
        &self,
        name: &str,
        user: Option<UserId>,
        next: &str,
        hint: Option<&str>,
        public_url: &str,
        caller: &Caller,
    ) -> Result<Begun, Error> {
        self.0.identity.throttled(caller)?;
        let provider = self.provider(name).await?;
        let metadata = match oidc::metadata(&self.0.issuers, &provider).await {
            Ok(metadata) => metadata,
            Err(error) => return Err(self.refused(provider, error, caller).await),
        };
        let (id, next) = (provider.id, next.to_owned());
        let (token, secrets) = self.0.db.write(move |tx| flight::begin(tx, id, user, &next)).await?;
        let redirect = redirect_uri(public_url, name);
        let location = match oidc::request(&provider, &metadata, &redirect, &secrets, hint) {
            Ok(location) => location,
            Err(error) => return Err(self.refused(provider, error, caller).await),
        };
        Ok(Begun { token, location })
    }

    /// Ends a sign-on with what came back to the redirect URI. `token` is the cookie of whoever began it, `session` the session
    /// that the browser still has: it is replaced, or it is the one whose account an identity is linked with.
    pub async fn finish(
        &self,
        name: &str,
        token: Option<&SecretString>,
        answered: Answered,
        session: Option<(Session, SecretString)>,
        public_url: &str,
        caller: &Caller,
    ) -> Result<Arrived, Error> {
        let provider = self.provider(name).await?;
        let token = token.cloned().ok_or(Error::NotBegun)?;
        let (vault, of) = (self.0.vault.clone(), provider.clone());
        let begun = self
            .0
            .db
            .write(move |tx| -> Result<_, Error> {
                let flight = flight::take(tx, &token)?.filter(|flight| flight.provider == of.id);
                Ok((flight.map(Arc::new), of.secret(tx, &vault)?))
            })
            .await;
        let (flight, secret) = begun?;
        // Nothing is written down for answers that nobody began: strangers could fill the log.
        let flight = flight.ok_or(Error::NotBegun)?;
        let said = async {
            let metadata = oidc::metadata(&self.0.issuers, &provider).await?;
            let code = oidc::code(&provider, &metadata, &flight.secrets, &answered)?;
            let redirect = redirect_uri(public_url, name);
            let now = self.0.db.context().now();
            oidc::exchange(
                &self.0.issuers,
                &provider,
                secret.as_ref(),
                &metadata,
                &redirect,
                &flight.secrets,
                code,
                now,
            )
            .await
        };
        let said = match said.await {
            Ok(said) => Arc::new(said),
            Err(error) => return Err(self.refused(provider, error, caller).await),
        };
        let (this, of, by) = (self.clone(), provider.clone(), caller.clone());
        let arrived = self
            .0
            .db
            .write(move |tx| {
                tx.attempt(|tx| -> Result<Arrived, Error> {
                    // Switched off while the person was there: its word counts no more.
                    let of = rows::by_id(tx, of.id)?
                        .filter(|now| now.enabled && now.issuer == of.issuer)
                        .ok_or(Error::NoProvider)?;
                    match (flight.user, &session) {
                        (None, session) => {
                            let old = session.as_ref().map(|(_, token)| token);
                            let entered = this.arrive(tx, &of, &said, old, &by)?;
                            Ok(Arrived::In { entered, next: flight.next.clone() })
                        }
                        (Some(user), Some((session, _))) if session.user == user => {
                            arrive::link_own(tx, &of, &said, session.grants.actor(), user)?;
                            Ok(Arrived::Linked { next: flight.next.clone() })
                        }
                        (Some(_), _) => Err(Error::OtherPerson),
                    }
                })
            })
            .await;
        match arrived {
            Ok(arrived) => Ok(arrived),
            Err(error) => Err(self.refused(provider, error, caller).await),
        }
    }

    async fn provider(&self, name: &str) -> Result<Provider, Error> {
        let name = name.to_owned();
        let found = self.0.db.read(move |tx| rows::by_name(tx, &name)).await?;
        found.filter(|one| one.enabled).ok_or(Error::NoProvider)
    }

    /// Writes a refusal down, and gives it back. A failure of ours is none.
    async fn refused(&self, provider: Provider, error: Error, caller: &Caller) -> Error {
        if matches!(error, Error::Store(_) | Error::Vault(_) | Error::Crypto(_) | Error::Audit(_)) {
            return error;
        }
        let (by, why) = (caller.clone(), error.reason());
        let theirs = matches!(error, Error::Provider(_));
        match self.0.db.write(move |tx| arrive::note_refused(tx, &provider, &why, theirs, &by)).await {
            Ok(()) => error,
            Err(failed) => failed,
        }
    }

    /// The identities of an account, for its owner and for administrators.
    pub fn identities(&self, tx: &mut Tx<'_>, user: UserId) -> Result<Vec<LinkedIdentity>, Error> {
        Ok(links::of(tx, user)?)
    }

    /// Links an identity with somebody's account: an administrator's act, who has it from the provider's own pages.
    pub fn link_for(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::SignInManage>,
        user: UserId,
        provider: &str,
        subject: &str,
    ) -> Result<(), Error> {
        let provider = rows::by_name(tx, provider)?.ok_or(Error::NoProvider)?;
        if !identity::is_enabled(tx, user)? {
            return Err(identity::Error::NoSuchUser.into());
        }
        if !(1..=255).contains(&subject.len()) || subject.chars().any(char::is_control) {
            return Err(Error::Incomplete("subject: 1 to 255 characters, exactly as the provider writes it"));
        }
        arrive::link(tx, &provider, subject, user, "administrator", permit.actor())
    }

    /// Takes an identity from somebody's account; what its groups gave goes with it, and their sessions end.
    pub fn unlink_for(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::SignInManage>,
        user: UserId,
        provider: &str,
        subject: &str,
    ) -> Result<(), Error> {
        self.unlink(tx, permit.actor(), user, provider, subject)
    }

    /// Takes an identity from one's own account.
    pub fn unlink_own(&self, tx: &mut Tx<'_>, session: &Session, provider: &str, subject: &str) -> Result<(), Error> {
        if !identity::has_password(tx, session.user)? && links::of(tx, session.user)?.len() < 2 {
            return Err(Error::LastWay);
        }
        self.unlink(tx, session.grants.actor(), session.user, provider, subject)
    }

    fn unlink(
        &self,
        tx: &mut Tx<'_>,
        actor: &access::Actor,
        user: UserId,
        provider: &str,
        subject: &str,
    ) -> Result<(), Error> {
        let provider = rows::by_name(tx, provider)?.ok_or(Error::NoProvider)?;
        if !links::remove(tx, &provider.issuer, subject, user)? {
            return Err(Error::NoLink);
        }
        let now = tx.now();
        if access::set_roles_from::<access::RoleRef>(tx, user, &provider.id.to_string(), &[], now)? {
            self.0.identity.end_all(tx, user)?;
        }
        arrive::note(tx, actor, "identity.unlink", user, &provider)
    }

    /// Removes sign-ons that took too long. Called now and then.
    pub async fn sweep(&self) -> Result<u64, Error> {
        Ok(self.0.db.write(flight::sweep).await?)
    }
}
