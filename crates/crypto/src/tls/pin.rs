//! Pinned keys: a peer is known by the public key of its certificate, whoever signed that.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::{element, skip};
use super::{Roots, VERSIONS, provider, roots_of};
use crate::{Error, sha256};

/// SHA-256 over the public key of a certificate (its `SubjectPublicKeyInfo`, RFC 7469 section 2.4): it stays when the
/// certificate is renewed with the same key. Reads and prints as `sha256/` and base64; hexadecimal digits are read too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

/// A text that is no pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pin: sha256/ and 44 characters of base64, or 64 hexadecimal digits, over the certificate's public key")]
pub struct PinError;

/// A peer whose key is none of those that are pinned. Nothing was sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpinned {
    /// It showed another key.
    #[error("its certificate has the key {0}, which is none of those that are pinned")]
    Other(Pin),
    /// It showed what is no certificate.
    #[error("its certificate cannot be read")]
    Unreadable,
}

impl Pin {
    /// The pin of a certificate in DER; `None` when it cannot be read.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        const SEQUENCE: u8 = 0x30;
        const VERSION: u8 = 0xa0;
        let (certificate, _) = element(der, SEQUENCE)?;
        let (mut rest, _) = element(certificate, SEQUENCE)?;
        if rest.first() == Some(&VERSION) {
            rest = skip(rest)?;
        }
        // Serial number, signature algorithm, issuer, validity and subject come before the key.
        for _ in 0..5 {
            rest = skip(rest)?;
        }
        let (_, after) = element(rest, SEQUENCE)?;
        Some(Self(sha256(&rest[..rest.len() - after.len()])))
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let text = text.trim();
        let octets = if let Some(rest) = text.strip_prefix("sha256/") {
            STANDARD.decode(rest).map_err(|_| PinError)?
        } else {
            let digits: Vec<u8> = text.bytes().filter(|octet| *octet != b':').collect();
            let pairs = digits.chunks(2).map(|pair| {
                let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
                u8::from_str_radix(pair, 16).ok()
            });
            pairs.collect::<Option<Vec<u8>>>().ok_or(PinError)?
        };
        octets.try_into().map(Self).map_err(|_| PinError)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The configuration of a client that knows the server by one of `pins`. With `roots`, chain and name are verified as well; without
/// them the key alone counts, and who signed the certificate, for which name and until when says nothing.
pub fn client_config_with_pins(roots: Option<&Roots>, pins: Vec<Pin>) -> Result<Arc<ClientConfig>, Error> {
    if pins.is_empty() {
        return Err(Error::certificate("pins", "there is none, so nobody could be believed"));
    }
    let chain = match roots {
        None => None,
        Some(roots) => Some(
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots_of(roots)?), provider())
                .build()
                .map_err(|error| Error::certificate("certificate authority", error.to_string()))?,
        ),
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { chain, pins }))
        .with_no_client_auth();
    config.enable_early_data = false;
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Pinned {
    chain: Option<Arc<WebPkiServerVerifier>>,
    pins: Vec<Pin>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unpinned = |why| rustls::Error::Other(OtherError(Arc::new(why)));
        let pin = Pin::of_certificate(end_entity).ok_or_else(|| unpinned(Unpinned::Unreadable))?;
        if !self.pins.contains(&pin) {
            return Err(unpinned(Unpinned::Other(pin)));
        }
        match &self.chain {
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use base::{Context, SeededChance, SystemClock};
    use proptest::prelude::*;

    use super::*;
    use crate::tls::SelfSigned;

    fn certificate() -> Vec<u8> {
        use rustls_pki_types::pem::PemObject;
        let context = Context::new(Arc::new(SystemClock), Arc::new(SeededChance::new(7)));
        let made = SelfSigned::generate(&["localhost".to_owned()], &context).unwrap();
        CertificateDer::from_pem_slice(made.cert_pem.as_bytes()).unwrap().to_vec()
    }

    /// As `openssl x509 -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256` has it: rustls reads the same key.
    #[test]
    fn a_pin_is_the_hash_of_the_public_key() {
        let der = certificate();
        let pin = Pin::of_certificate(&der).unwrap();
        let der = CertificateDer::from(der);
        let parsed = rustls::server::ParsedCertificate::try_from(&der).unwrap();
        assert_eq!(pin, Pin(sha256(&parsed.subject_public_key_info())));
        assert_eq!(pin.to_string().parse(), Ok(pin));
        let hex: Vec<String> = pin.0.iter().map(|octet| format!("{octet:02X}")).collect();
        assert_eq!((hex.join(":").parse(), hex.concat().to_lowercase().parse()), (Ok(pin), Ok(pin)));
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        for text in ["", "sha256/", "sha256/AAAA", "AB:CD", &"0".repeat(63), &"g".repeat(64), "üü"] {
            assert_eq!(text.parse::<Pin>(), Err(PinError), "{text}");
        }
        assert!(client_config_with_pins(None, Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>) {
            let _ = Pin::of_certificate(&bytes);
        }
    }
}
