//! A sign-on under way. The browser has 32 random bytes in the cookie `__Host-sso`; everything that proves the answer to be one
//! to this very request follows from them: `state`, `nonce` and the verifier of PKCE. The store has their hash alone, so whoever
//! reads it can finish nobody's sign-on. It works once, for ten minutes, in the browser that began it.

use std::time::Duration;

use base::{ExposeSecret, ResourceId, SecretString, Timestamp, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use store::{Tx, params};
use zeroize::Zeroizing;

use crate::Error;

/// How long one may take.
pub(crate) const LIFE: Duration = Duration::from_mins(10);

/// What follows from the token of a sign-on.
pub(crate) struct Secrets {
    /// Comes back in the answer: it is one to this browser's request.
    pub(crate) state: String,
    /// Comes back in the token: it was made for this request.
    pub(crate) nonce: String,
    /// Shown where the code is exchanged: whoever stole the code alone gets nothing.
    pub(crate) verifier: SecretString,
    /// The identifier of a request of SAML, which its answer names.
    pub(crate) request: String,
}

impl Secrets {
    fn of(token: &[u8; 32]) -> Result<Self, Error> {
        let derive = |label: &str| crypto::hkdf_sha256(token, b"", label).map(|key| BASE64.encode(*key));
        Ok(Self {
            state: derive("loudhailer sign-on state v1")?,
            nonce: derive("loudhailer sign-on nonce v1")?,
            verifier: SecretString::from(derive("loudhailer sign-on verifier v1")?),
            // An identifier of XML begins with a letter or this.
            request: format!("_{}", derive("loudhailer sign-on request v1")?),
        })
    }

    /// What the provider is told of the verifier beforehand (S256 of RFC 7636).
    pub(crate) fn challenge(&self) -> String {
        BASE64.encode(crypto::sha256(self.verifier.expose_secret().as_bytes()))
    }
}

/// What somebody was sent to a provider for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// To sign in.
    SignIn,
    /// To link an identity with the account of whoever is signed in.
    Link(UserId),
    /// To prove once more that they are whoever is signed in: by signing in there anew.
    Prove(UserId),
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "",
            Self::Link(_) => "link",
            Self::Prove(_) => "prove",
        }
    }

    const fn user(self) -> Option<UserId> {
        match self {
            Self::SignIn => None,
            Self::Link(user) | Self::Prove(user) => Some(user),
        }
    }

    /// The purpose of a row. One that is not known is none, and so is one without whom it is about.
    fn read(name: &str, user: Option<UserId>) -> Option<Self> {
        match (name, user) {
            ("", None) => Some(Self::SignIn),
            // Rows of the version before have no word for it.
            ("link" | "", Some(user)) => Some(Self::Link(user)),
            ("prove", Some(user)) => Some(Self::Prove(user)),
            _ => None,
        }
    }
}

/// A sign-on as it was begun.
pub(crate) struct Flight {
    pub(crate) provider: ResourceId,
    pub(crate) purpose: Purpose,
    /// Where the person goes on.
    pub(crate) next: String,
    pub(crate) began_at: Timestamp,
    pub(crate) secrets: Secrets,
}

/// Begins one: the token for the cookie, and what follows from it.
pub(crate) fn begin(
    tx: &mut Tx<'_>,
    provider: ResourceId,
    purpose: Purpose,
    next: &str,
) -> Result<(SecretString, Secrets), Error> {
    let token: Zeroizing<[u8; 32]> = Zeroizing::new(tx.context().random());
    let secrets = Secrets::of(&token)?;
    let expires_at = tx.now().plus(LIFE);
    tx.execute(
        "INSERT INTO sign_ons (token_hash, provider, user_id, purpose, next, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        &params![
            crypto::sha256(&*token).to_vec(),
            provider,
            purpose.user().map(|user| user.to_string()).unwrap_or_default(),
            purpose.name(),
            next,
            expires_at
        ],
    )?;
    Ok((SecretString::from(BASE64.encode(*token)), secrets))
}

/// Ends one, whatever comes of it: there is no second try with the same cookie.
pub(crate) fn take(tx: &mut Tx<'_>, token: &SecretString) -> Result<Option<Flight>, Error> {
    found(
        tx,
        token,
        "DELETE FROM sign_ons WHERE token_hash = $1 RETURNING provider, user_id, purpose, next, expires_at",
    )
}

/// Looks at one that goes on: what is asked of a provider follows from it.
pub(crate) fn peek(tx: &mut Tx<'_>, token: &SecretString) -> Result<Option<Flight>, Error> {
    found(tx, token, "SELECT provider, user_id, purpose, next, expires_at FROM sign_ons WHERE token_hash = $1")
}

fn found(tx: &mut Tx<'_>, token: &SecretString, sql: &str) -> Result<Option<Flight>, Error> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    if token.expose_secret().len() != 43
        || !BASE64.decode_slice(token.expose_secret(), &mut *bytes).is_ok_and(|n| n == 32)
    {
        return Ok(None);
    }
    let found = tx.query_opt(sql, &params![crypto::sha256(&*bytes).to_vec()], |row| {
        Ok((
            row.get::<ResourceId>("provider")?,
            row.get::<String>("user_id")?,
            row.get::<String>("purpose")?,
            row.get::<String>("next")?,
            row.get::<Timestamp>("expires_at")?,
        ))
    })?;
    let Some((provider, user, purpose, next, expires_at)) = found else { return Ok(None) };
    if tx.now() >= expires_at {
        return Ok(None);
    }
    let Some(purpose) = Purpose::read(&purpose, user.parse().ok()) else { return Ok(None) };
    Ok(Some(Flight { provider, purpose, next, began_at: expires_at.minus(LIFE), secrets: Secrets::of(&bytes)? }))
}

/// Removes those that took too long.
pub(crate) fn sweep(tx: &mut Tx<'_>) -> Result<u64, store::Error> {
    let now = tx.now();
    tx.execute("DELETE FROM sign_ons WHERE expires_at <= $1", &params![now])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_token_differs_by_purpose_and_by_token() {
        let (one, two) = (Secrets::of(&[1; 32]).unwrap(), Secrets::of(&[2; 32]).unwrap());
        let all =
            [&one.state, &one.nonce, &one.challenge(), &two.state, &two.nonce, &two.challenge()].map(ToOwned::to_owned);
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
        assert!(all.iter().all(|text| text.len() == 43));
    }

    /// The example of RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let secrets = Secrets { state: String::new(), nonce: String::new(), verifier, request: String::new() };
        assert_eq!(secrets.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
