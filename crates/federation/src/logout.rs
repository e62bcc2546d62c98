//! Log-out of OpenID Connect, both ways. Who signs out here may go on to sign out at their provider (RP-Initiated Logout 1.0). A
//! provider that ended its session says so by a log-out token (Back-Channel Logout 1.0), and what rested on that session ends
//! here, on every node within a second. The front channel, an invisible frame, does not work in browsers that keep cookies of
//! other sites away, and is not built.

use std::time::Duration;

use base::{ExposeSecret, Timestamp};
use crypto::jwt::{Claims, Expected};
use form_urlencoded::Serializer;
use identity::{Caller, EndedThere, Session, Vouched};
use store::{Tx, params};

use crate::federation::Federation;
use crate::{Error, Provider, oidc, rows};

/// The member of `events` that makes a token one of log-out.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Characters of a token's own name at most.
const JTI: usize = 255;
/// Why sessions end that rested on one there.
pub(crate) const THEIRS: &str = "the identity provider ended its session";
/// How far the clocks of two machines may be apart: so long a token counts after its end.
const LEEWAY: Duration = Duration::from_mins(1);

/// Where providers send people back to who signed out there: exactly this is registered there.
pub fn signed_out_uri(public_url: &str) -> String {
    format!("{}/signed-out", public_url.trim_end_matches('/'))
}

/// Where a provider says that it ended a session.
pub fn back_channel_uri(public_url: &str, provider: &str) -> String {
    format!("{}/sso/{provider}/back-channel-logout", public_url.trim_end_matches('/'))
}

/// Where somebody goes on who signed out here.
#[derive(Clone, Debug)]
pub struct Onward {
    /// What people call the provider.
    pub label: String,
    /// The address there.
    pub location: String,
    /// Fields of the form that is posted there; none where the address is gone to.
    pub fields: Vec<(&'static str, String)>,
}

impl Federation {
    /// Where the person of a session that rests on a provider's word signs out there, too; nothing when the provider has no such
    /// place, or cannot be asked.
    pub async fn sign_out_there(&self, session: &Session, public_url: &str) -> Result<Option<Onward>, Error> {
        match &session.vouched {
            Some(vouched) => self.sign_out_at(vouched, public_url).await,
            None => Ok(None),
        }
    }

    /// The same of whomever a provider vouched for.
    pub(crate) async fn sign_out_at(&self, vouched: &Vouched, public_url: &str) -> Result<Option<Onward>, Error> {
        let id = vouched.provider;
        let found: Option<Provider> = self.0.db.read(move |tx| rows::by_id(tx, id)).await?;
        let Some(provider) = found.filter(|one| one.enabled) else { return Ok(None) };
        if provider.kind == crate::saml2::SAML {
            return self.saml_onward(&provider, vouched, public_url).await;
        }
        let Ok(metadata) = oidc::metadata(&self.0.issuers, &provider).await else { return Ok(None) };
        let Some(endpoint) = metadata.end_session_endpoint.as_deref() else { return Ok(None) };
        let mut query = Serializer::new(String::new());
        query
            .append_pair("client_id", &provider.client_id)
            .append_pair("post_logout_redirect_uri", &signed_out_uri(public_url));
        if let Some(hint) = &vouched.hint {
            query.append_pair("id_token_hint", hint.expose_secret());
        }
        let join = if endpoint.contains('?') { '&' } else { '?' };
        Ok(Some(Onward {
            label: provider.label,
            location: format!("{endpoint}{join}{}", query.finish()),
            fields: Vec::new(),
        }))
    }

    /// Takes a provider's word that it ended a session: how many ended here. A refusal is written down.
    ///
    /// # Errors
    /// [`Error::NotLogout`] when the token is not the provider's, is none of log-out, or was shown before.
    pub async fn back_channel_logout(&self, name: &str, token: &str, caller: &Caller) -> Result<u64, Error> {
        // Only failures count: a provider may end a thousand sessions at once.
        self.0.identity.logout_door(caller)?;
        let provider = self.provider(name).await?;
        let proven = self.prove_logout(&provider, token).await;
        let (this, of, by) = (self.clone(), provider.clone(), caller.clone());
        let ended = match proven {
            Ok(claims) => self.0.db.write(move |tx| tx.attempt(|tx| this.end_there(tx, &of, &claims, &by))).await,
            Err(error) => Err(error),
        };
        if let Err(Error::NotLogout(why)) = &ended {
            self.0.identity.logout_refused(caller);
            let (by, why) = (caller.clone(), why.clone());
            self.0.db.write(move |tx| note_refused(tx, &provider, &why, &by)).await?;
        }
        ended
    }

    async fn prove_logout(&self, provider: &Provider, token: &str) -> Result<Claims, Error> {
        let (client, now) = (provider.client_id.as_str(), self.0.db.context().now());
        let expected = Expected::logout_token(&provider.algorithms, &provider.issuer, &client, now);
        let proven = self.0.issuers.prove(token, oidc::source(provider), &expected).await;
        let claims = match proven {
            Ok(claims) => claims,
            Err(issuers::Error::Refused(refused)) => return Err(Error::NotLogout(refused.to_string())),
            Err(error) => return Err(Error::Provider(error.to_string())),
        };
        let refused = |why: &str| Err(Error::NotLogout(why.to_owned()));
        // Otherwise an identity token, which anybody may have seen, could sign people out.
        if !claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(serde_json::Value::is_object) {
            return refused("it is no token of log-out (events)");
        }
        if claims.get("nonce").is_some() {
            return refused("it names a nonce, which a token of log-out must not");
        }
        if !claims.text("jti").is_some_and(|jti| (1..=JTI).contains(&jti.len())) {
            return refused("it has no name of its own (jti)");
        }
        Ok(claims)
    }

    fn end_there(&self, tx: &mut Tx<'_>, provider: &Provider, claims: &Claims, caller: &Caller) -> Result<u64, Error> {
        let hash = crypto::sha256(claims.text("jti").unwrap_or_default().as_bytes()).to_vec();
        let until = claims.expires().plus(LEEWAY);
        let new = tx.execute(
            "INSERT INTO logout_tokens (provider, jti_hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &params![provider.id, hash, until],
        )?;
        if new == 0 {
            return Err(Error::NotLogout("it was shown before".to_owned()));
        }
        let actor = caller.actor(access::Principal::Anonymous, access::AuthMethod::SingleSignOn);
        let ended = EndedThere {
            provider: provider.id,
            subject: Some(claims.subject()).filter(|subject| !subject.is_empty()),
            session: claims.text("sid"),
        };
        let count = self.0.identity.end_vouched(tx, ended, &actor, THEIRS)?;
        audit::record(
            tx,
            audit::Entry {
                actor: &actor,
                workspace: None,
                action: "session.end_there",
                target: ("identity_provider", &provider.id.to_string()),
                outcome: audit::Outcome::Success,
                reason: Some(&format!("log-out at {}", provider.name)),
                changes: Some(serde_json::json!({ "sessions": count })),
            },
        )?;
        Ok(count)
    }
}

/// Writes down that a log-out token did not count. As many as an address may have failures, so strangers cannot flood the log.
pub(crate) fn note_refused(tx: &mut Tx<'_>, provider: &Provider, why: &str, caller: &Caller) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor: &caller.actor(access::Principal::Anonymous, access::AuthMethod::SingleSignOn),
            workspace: None,
            action: "session.end_there",
            target: ("identity_provider", &provider.id.to_string()),
            outcome: audit::Outcome::Failure,
            reason: Some(&format!("log-out at {}: {why}", provider.name)),
            changes: None,
        },
    )?;
    Ok(())
}

/// Removes names of tokens that have run out.
pub(crate) fn sweep(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let now: Timestamp = tx.now();
    Ok(tx.execute("DELETE FROM logout_tokens WHERE expires_at <= $1", &params![now])?)
}
