//! The handle: what the doors call.

use std::sync::Arc;

use access::{OrganisationPermit, cap};
use base::{SecretString, UserId};
use identity::{Caller, EndedThere, Identity, Session};
use issuers::Issuers;
use resources::Resources;
use store::{Db, Tx};
use vault::Vault;

use crate::flight::Purpose;
pub use crate::oidc::Answered;
use crate::rows::Provider;
use crate::{Arrival, Arrived, Error, LinkedIdentity, arrive, flight, links, logout, oidc, rows, saml2};

/// Signing in with identities elsewhere. Cheap to clone.
#[derive(Clone)]
pub struct Federation(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) resources: Resources,
    pub(crate) identity: Identity,
    pub(crate) issuers: Issuers,
    /// Held while a first key is made.
    pub(crate) making: tokio::sync::Mutex<()>,
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
        Self(Arc::new(Inner { db, vault, resources, identity, issuers, making: tokio::sync::Mutex::default() }))
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

    /// Begins a sign-on with a provider, for whichever `purpose`; `hint` is who the provider shall expect.
    pub async fn begin(
        &self,
        name: &str,
        purpose: Purpose,
        next: &str,
        hint: Option<&str>,
        public_url: &str,
        caller: &Caller,
    ) -> Result<Begun, Error> {
        self.0.identity.throttled(caller)?;
        let provider = self.provider(name).await?;
        if provider.kind == saml2::SAML {
            return match self.begin_saml(&provider, purpose, next, public_url).await {
                Ok(begun) => Ok(begun),
                Err(error) => Err(self.refused(provider, error, caller).await),
            };
        }
        let metadata = match oidc::metadata(&self.0.issuers, &provider).await {
            Ok(metadata) => metadata,
            Err(error) => return Err(self.refused(provider, error, caller).await),
        };
        let (id, next) = (provider.id, next.to_owned());
        let (token, secrets) = self.0.db.write(move |tx| flight::begin(tx, id, purpose, &next)).await?;
        let redirect = redirect_uri(public_url, name);
        let location = match oidc::request(&provider, &metadata, &redirect, &secrets, purpose, hint) {
            Ok(location) => location,
            Err(error) => return Err(self.refused(provider, error, caller).await),
        };
        Ok(Begun { token, location })
    }

    /// Begins the fresh proof of a session's person: they sign in anew at the provider that vouched for them, whatever session they
    /// have there.
    ///
    /// # Errors
    /// [`Error::NoProvider`] when nobody elsewhere vouched for them, or the provider is switched off.
    pub async fn begin_proof(
        &self,
        session: &Session,
        next: &str,
        public_url: &str,
        caller: &Caller,
    ) -> Result<Begun, Error> {
        let id = session.vouched.as_ref().map(|by| by.provider).ok_or(Error::NoProvider)?;
        let provider = self.0.db.read(move |tx| rows::by_id(tx, id)).await?.ok_or(Error::NoProvider)?;
        self.begin(&provider.name, Purpose::Prove(session.user), next, None, public_url, caller).await
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
        if provider.kind == saml2::SAML {
            return Err(Error::NoProvider);
        }
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
            Ok(said) => said,
            Err(error) => return Err(self.refused(provider, error, caller).await),
        };
        let (purpose, began_at, next) = (flight.purpose, flight.began_at, flight.next.clone());
        self.land(Arrival { provider, said, purpose, began_at, next, session }, caller).await
    }

    pub(crate) async fn provider(&self, name: &str) -> Result<Provider, Error> {
        let name = name.to_owned();
        let found = self.0.db.read(move |tx| rows::by_name(tx, &name)).await?;
        found.filter(|one| one.enabled).ok_or(Error::NoProvider)
    }

    /// Writes a refusal down, and gives it back. A failure of ours is none.
    pub(crate) async fn refused(&self, provider: Provider, error: Error, caller: &Caller) -> Error {
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
        if !links::is_subject(subject) {
            return Err(Error::Incomplete("subject: 1 to 255 characters, exactly as the provider writes it"));
        }
        // Who holds the identity is that person from then on: nobody makes themselves one who may more than they do.
        identity::stand_in(tx, permit, user)?;
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

    /// Takes an identity from one's own account, unless nothing else would open it as things are now.
    pub fn unlink_own(&self, tx: &mut Tx<'_>, session: &Session, provider: &str, subject: &str) -> Result<(), Error> {
        links::hold(tx, session.user)?;
        let others = links::of(tx, session.user)?;
        let another =
            others.iter().any(|one| one.enabled && !(one.provider_name == provider && one.subject == subject));
        if !another && !identity::has_own_way(tx, session.user)? {
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
        if !links::remove(tx, &provider, subject, user)? {
            return Err(Error::NoLink);
        }
        arrive::note(tx, actor, "identity.unlink", ("user", &user.to_string()), &provider)?;
        // What it opened is over, whether or not a role goes with it.
        let which = EndedThere { provider: provider.id, subject: Some(subject), session: None };
        self.0.identity.end_vouched(tx, which, actor, "the identity was taken from the account")?;
        self.settle(tx, actor, user, &format!("an identity of {} was removed", provider.name))
    }

    /// Removes sign-ons that took too long, and log-out tokens that nobody can show again. Called now and then.
    pub async fn sweep(&self) -> Result<u64, Error> {
        self.0.db.write(|tx| Ok(flight::sweep(tx)? + logout::sweep(tx)? + saml2::sweep(tx)?)).await
    }
}
