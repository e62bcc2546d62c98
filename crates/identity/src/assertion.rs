//! What a client signs to prove itself: `private_key_jwt` (RFC 7523). Its public keys are in its own entry, two in rotation; each
//! assertion counts once, for us alone, and for minutes.

use std::time::Duration;

use base::{ExposeSecret, OauthClientId, SecretString, Timestamp};
use crypto::jwt::{Algorithm, Expected, KeySet, Unproven};
use store::{Tx, params};

use crate::Error;

/// The one type of assertion.
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion may live.
const LONGEST: Duration = Duration::from_mins(5);
/// How far two clocks may be apart.
const LEEWAY: Duration = Duration::from_mins(1);
/// Characters of a `jti` at most.
const JTI: usize = 255;
/// Algorithms that clients sign with.
pub(crate) const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Ps256, Algorithm::Rs256];

/// An assertion as it came. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// `client_assertion_type`.
    pub kind: String,
    /// `client_assertion`.
    pub token: SecretString,
}

/// An assertion that counts, unless it did before.
pub(crate) struct Once {
    jti: [u8; 32],
    until: Timestamp,
}

impl Assertion {
    /// Which client it says to be of: to look up whose keys to try, and for nothing else.
    pub(crate) fn client(&self) -> Option<OauthClientId> {
        Unproven::read(self.token.expose_secret()).ok()?.claimed_issuer()?.parse().ok()
    }

    /// Whether the client signed it for one of `audiences`; the reason when not, for the audit log.
    pub(crate) fn check(
        &self,
        client: OauthClientId,
        keys: &str,
        audiences: &[&str],
        now: Timestamp,
    ) -> Result<Once, &'static str> {
        if self.kind != TYPE {
            return Err("an assertion of another type");
        }
        let keys = KeySet::parse(keys.as_bytes()).map_err(|_| "its keys cannot be read")?;
        let client = client.to_string();
        let expected = Expected::client_assertion(&ALGORITHMS, &client, audiences, now);
        let claims = crypto::jwt::verify(self.token.expose_secret(), &keys, &expected)
            .map_err(|_| "its assertion does not count")?;
        // Meant for us and for nobody else: who else it is meant for could use it here (RFC 7523bis).
        if claims.texts("aud").len() != 1 || claims.subject() != client {
            return Err("its assertion is meant for others too, or is about another");
        }
        let began = claims.time("iat").unwrap_or(now);
        if claims.expires().since(began) > LONGEST || claims.expires() > now.plus(LONGEST + LEEWAY) {
            return Err("its assertion lives longer than 5 minutes");
        }
        match claims.text("jti") {
            Some(jti) if (1..=JTI).contains(&jti.len()) => {
                Ok(Once { jti: crypto::sha256(jti.as_bytes()), until: claims.expires().plus(LEEWAY) })
            }
            _ => Err("its assertion has no jti"),
        }
    }
}

/// Takes an assertion's one use; false when it was used before.
pub(crate) fn spend(tx: &mut Tx<'_>, client: OauthClientId, once: &Once) -> Result<bool, Error> {
    let taken = tx.execute(
        "INSERT INTO oauth_assertions (client, jti_hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        &params![client, once.jti.to_vec(), once.until],
    )?;
    Ok(taken > 0)
}
