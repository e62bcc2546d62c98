//! Signatures of Standard Webhooks (standardwebhooks.com, version 1): HMAC-SHA-256 over `id.timestamp.body`, under a
//! secret that is written `whsec_` and base64. Who sent what and when it counts is for the rooms that send and receive.

use std::fmt;

use base::{Chance, SecretString};
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use zeroize::Zeroizing;

use crate::{HmacKey, constant_time_eq};

/// What every secret begins with.
pub const PREFIX: &str = "whsec_";
/// Bytes of a secret that we draw.
const DRAWN: usize = 32;
/// Bytes that a secret may have.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Signatures of one message that are looked at; senders show two while they rotate.
const SIGNATURES: usize = 8;

/// Base64 with or without padding: senders write both.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A text that is no signing secret. It says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: whsec_ and the base64 of 24 to 64 bytes are expected")]
pub struct WebhookSecretError;

/// Draws a new secret.
pub fn mint(chance: &dyn Chance) -> SecretString {
    let mut bytes = Zeroizing::new([0_u8; DRAWN]);
    chance.fill(&mut *bytes);
    let text = Zeroizing::new(format!("{PREFIX}{}", *Zeroizing::new(STANDARD.encode(*bytes))));
    SecretString::from(text.as_str())
}

/// A secret, ready to sign and to check.
#[derive(Clone)]
pub struct WebhookKey(HmacKey);

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(…)")
    }
}

impl WebhookKey {
    /// Reads a secret as it was shown.
    pub fn parse(secret: &str) -> Result<Self, WebhookSecretError> {
        let encoded = secret.strip_prefix(PREFIX).ok_or(WebhookSecretError)?;
        let bytes = Zeroizing::new(TOLERANT.decode(encoded).map_err(|_| WebhookSecretError)?);
        if BYTES.contains(&bytes.len()) { Ok(Self(HmacKey::new(&bytes))) } else { Err(WebhookSecretError) }
    }

    /// A key that nobody has a secret of, to spend the same time on a sender who does not exist.
    pub fn of_nobody() -> Self {
        Self(HmacKey::new(&[0; DRAWN]))
    }

    /// The value of `webhook-signature` for a message.
    pub fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(self.tag(id, timestamp, body)))
    }

    /// Whether one of the signatures in a `webhook-signature` header is this key's. Compares each, in constant time;
    /// signatures of other versions are left aside.
    pub fn verify(&self, id: &str, timestamp: &str, body: &[u8], header: &str) -> bool {
        let tag = self.tag(id, timestamp, body);
        let mut found = false;
        for signature in header.split(' ').filter_map(|part| part.strip_prefix("v1,")).take(SIGNATURES) {
            found |= TOLERANT.decode(signature).is_ok_and(|given| constant_time_eq(&given, &tag));
        }
        found
    }

    fn tag(&self, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
        self.0.sign_parts(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body])
    }
}

#[cfg(test)]
mod tests {
    use base::{ExposeSecret, SeededChance};

    use super::*;

    /// The example of the specification's own libraries, so that our signatures are everybody's.
    #[test]
    fn signatures_are_those_of_the_specification() {
        let key = WebhookKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let several = format!("v1a,xyz v1,AAAA {signature}");
        assert!(key.verify("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body, &several));
        assert!(!key.verify("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265331", body, &several));
        assert!(!key.verify("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b"{}", &several));
        assert!(!WebhookKey::of_nobody().verify("a", "1", b"", &several));
    }

    #[test]
    fn a_drawn_secret_reads_and_others_are_refused() {
        let drawn = mint(&SeededChance::new(1));
        assert!(WebhookKey::parse(drawn.expose_secret()).is_ok());
        for wrong in
            ["", "whsec_", "whsec_QUJD", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8IL*ZIo2LaLaSw"]
        {
            assert!(WebhookKey::parse(wrong).is_err(), "{wrong}");
        }
        assert!(WebhookKey::parse(&format!("whsec_{}", "A".repeat(88))).is_err(), "more than 64 bytes");
    }
}
