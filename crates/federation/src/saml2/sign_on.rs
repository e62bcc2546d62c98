//! A sign-on: asking, the posted answer, and the page where the browser arrives with it.

use std::sync::Arc;
use std::time::Duration;

use base::{SecretString, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use identity::{Caller, Session};
use saml::{Binding, Expected, Posted, Refused, Sent, Signed, Way};
use serde::{Deserialize, Serialize};
use store::Tx;

use super::Addresses;
use super::keys::Keys;
use super::state::{self, Known};
use super::words::translated;
use crate::federation::Federation;
use crate::flight::{self, Purpose, Secrets};
use crate::parked::{self, Sort};
use crate::{Arrival, Arrived, Begun, Error, Provider};

/// How long an answer waits for the browser to come to our own page with it.
const MINUTE: Duration = Duration::from_mins(1);

/// What waits between the provider's form and our page.
#[derive(Serialize, Deserialize)]
struct Parked {
    said: saml::Assertion,
    purpose: Purpose,
    began_at: Timestamp,
    next: String,
}

/// Lays an answer down under a new token.
fn park(tx: &mut Tx<'_>, provider: &Provider, parked: &Parked) -> Result<SecretString, Error> {
    let token = SecretString::from(BASE64.encode(tx.context().random::<32>()));
    let until = tx.now().plus(MINUTE);
    parked::lay(tx, Sort::Arrival, &token, provider.id, parked, until)?;
    Ok(token)
}

impl Federation {
    /// Our metadata for a provider.
    pub async fn saml_metadata(&self, name: &str, public_url: &str) -> Result<String, Error> {
        let (provider, _) = self.saml_provider(name).await?;
        let certificates = self.saml_certificates(&provider, public_url).await?;
        let certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        let at = Addresses::of(public_url, name);
        Ok(saml::ours(&saml::Ours {
            entity_id: &at.entity_id,
            acs: &at.acs,
            slo: &at.slo,
            certificates: &certificates,
        }))
    }

    /// Begins a sign-on. Where a provider takes requests by POST alone, the browser is sent to a page of ours with that form.
    pub(crate) async fn begin_saml(
        &self,
        provider: &Provider,
        purpose: Purpose,
        next: &str,
        public_url: &str,
    ) -> Result<Begun, Error> {
        let (provider, known) = self.saml_provider(&provider.name).await?;
        let facts = self.saml_facts(&provider, &known).await?;
        let keys = self.saml_keys_of(&provider, public_url).await?;
        let to =
            facts.sign_in.first().ok_or_else(|| Error::Provider("no address for signing in is known".to_owned()))?;
        let (id, next) = (provider.id, next.to_owned());
        let (token, secrets) = self.0.db.write(move |tx| flight::begin(tx, id, purpose, &next)).await?;
        let location = match to.binding {
            Binding::Post => format!("/sso/{}/request", provider.name),
            Binding::Redirect => match self.asking(&provider, to, &secrets, purpose, &keys, public_url)? {
                Sent::Redirect(location) => location,
                Sent::Post { .. } => return Err(Error::Saml(Refused::Ours)),
            },
        };
        Ok(Begun { token, location })
    }

    /// The form that asks a provider by POST for the sign-on of a cookie.
    pub async fn saml_request(
        &self,
        name: &str,
        token: Option<&SecretString>,
        public_url: &str,
    ) -> Result<Sent, Error> {
        let (provider, known) = self.saml_provider(name).await?;
        let token = token.cloned().ok_or(Error::NotBegun)?;
        let flight = self.0.db.read(move |tx| flight::peek(tx, &token)).await?;
        let flight = flight.filter(|flight| flight.provider == provider.id).ok_or(Error::NotBegun)?;
        let facts = self.saml_facts(&provider, &known).await?;
        let keys = self.saml_keys_of(&provider, public_url).await?;
        let to = facts.sign_in.first().ok_or(Error::NoProvider)?;
        self.asking(&provider, to, &flight.secrets, flight.purpose, &keys, public_url)
    }

    fn asking(
        &self,
        provider: &Provider,
        to: &saml::Endpoint,
        secrets: &Secrets,
        purpose: Purpose,
        keys: &Keys,
        public_url: &str,
    ) -> Result<Sent, Error> {
        let at = Addresses::of(public_url, &provider.name);
        let again = matches!(purpose, Purpose::Prove(_));
        let now = self.0.db.context().now();
        let text = saml::ask(&secrets.request, &at.entity_id, &at.acs, &to.url, again, now);
        let key = keys.current()?;
        Ok(Sent::new(to.binding, Way::Request, &to.url, &text, &secrets.request, None, key)?)
    }

    /// Proves the answer that a provider's page had the browser post, by the cookie that its sign-on began with. What comes back is
    /// the token with which the browser goes on to [`Self::saml_arrive`]. A refusal is written down.
    ///
    /// # Errors
    /// [`Error::Saml`] with the reason.
    pub async fn saml_answer(
        &self,
        name: &str,
        token: Option<&SecretString>,
        body: &[u8],
        public_url: &str,
        caller: &Caller,
    ) -> Result<SecretString, Error> {
        // Only failures count: a whole house comes by one address in the morning.
        self.0.identity.logout_door(caller)?;
        let (provider, known) = self.saml_provider(name).await?;
        let answered = self.answered(&provider, &known, token, body, public_url).await;
        match answered {
            Ok(token) => Ok(token),
            Err(error @ Error::Saml(_)) => {
                self.0.identity.logout_refused(caller);
                let (id, why) = (provider.id, error.to_string());
                self.0.db.write(move |tx| state::refused(tx, id, &why)).await?;
                Err(self.refused(provider, error, caller).await)
            }
            Err(error) => {
                // Whoever has metadata fetched that cannot be had waits like everybody whose answer does not count.
                if matches!(error, Error::Provider(_)) {
                    self.0.identity.logout_refused(caller);
                }
                Err(error)
            }
        }
    }

    async fn answered(
        &self,
        provider: &Provider,
        known: &Known,
        token: Option<&SecretString>,
        body: &[u8],
        public_url: &str,
    ) -> Result<SecretString, Error> {
        let posted = Posted::form(body)?;
        if posted.way != Way::Response || posted.signed != Signed::Inside {
            return Err(Refused::NoMessage.into());
        }
        let flight = match token.cloned() {
            Some(token) => self.0.db.write(move |tx| flight::take(tx, &token)).await?,
            None => None,
        };
        let flight = flight.filter(|flight| flight.provider == provider.id);
        let facts = self.saml_facts(provider, known).await?;
        let ours = self.saml_keys_of(provider, public_url).await?.into_all();
        let at = Addresses::of(public_url, &provider.name);
        let now = self.0.db.context().now();
        let read = |facts: &saml::Facts| {
            let expected = Expected {
                issuer: &provider.issuer,
                keys: &facts.keys(),
                us: &at.entity_id,
                acs: &at.acs,
                ours: &ours,
                request: flight.as_ref().map(|flight| flight.secrets.request.as_str()),
                unsolicited: known.settings.allow_unsolicited,
                encrypted: known.settings.want_encrypted,
                now,
            };
            saml::response(&posted.message, &expected)
        };
        let said = match read(&facts) {
            // Its certificate may have changed since its metadata was fetched.
            Err(Refused::Stranger) => match self.saml_newer(provider, known).await? {
                Some(newer) => read(&newer)?,
                None => return Err(Refused::Stranger.into()),
            },
            read => read?,
        };
        let asked = flight.filter(|_| said.answers.is_some());
        // Unasked, it may say where to go on, as many portals do; only a place of this server counts, which the door looks at.
        let next =
            asked.as_ref().map_or_else(|| posted.relay.clone().unwrap_or_default(), |flight| flight.next.clone());
        let (purpose, began_at) = asked.map_or((Purpose::SignIn, now), |flight| (flight.purpose, flight.began_at));
        let parked = Arc::new(Parked { said, purpose, began_at, next });
        let of = provider.clone();
        self.0
            .db
            .write(move |tx| {
                tx.attempt(|tx| -> Result<SecretString, Error> {
                    if !state::once(tx, of.id, "assertion", &parked.said.id, parked.said.good_until)? {
                        return Err(Refused::Replayed.into());
                    }
                    park(tx, &of, &parked)
                })
            })
            .await
    }

    /// Ends a sign-on, on our own page: `token` is what [`Self::saml_answer`] gave, `session` the session that the browser still has.
    /// The place where an answer that nobody asked for wants to go on is a stranger's word; [`Arrived`] brings it as it is.
    pub async fn saml_arrive(
        &self,
        name: &str,
        token: Option<&SecretString>,
        session: Option<(Session, SecretString)>,
        caller: &Caller,
    ) -> Result<Arrived, Error> {
        let (provider, known) = self.saml_provider(name).await?;
        let token = token.cloned().ok_or(Error::NotBegun)?;
        let of = provider.clone();
        let parked = self
            .0
            .db
            .write(move |tx| parked::take::<Parked>(tx, Sort::Arrival, &token, Some(of.id)))
            .await?
            .ok_or(Error::NotBegun)?;
        let said = match translated(&parked.said, &known.settings, &provider.groups_claim) {
            Ok(said) => said,
            Err(error) => {
                let (id, why) = (provider.id, error.to_string());
                self.0.db.write(move |tx| state::refused(tx, id, &why)).await?;
                return Err(self.refused(provider, error, caller).await);
            }
        };
        if known.settings.subject_attribute.is_some() {
            let (id, subject) = (provider.id, said.subject.clone());
            let name = crypto::sha256(parked.said.subject.value.as_bytes()).to_vec();
            self.0.db.write(move |tx| state::named(tx, id, &name, &subject)).await?;
        }
        let Parked { purpose, began_at, next, .. } = parked;
        self.land(Arrival { provider, said, purpose, began_at, next, session }, caller).await
    }
}
