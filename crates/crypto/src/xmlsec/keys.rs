//! The keys: of others, out of the certificates that they publish; and our own, which signs and decrypts.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey};
use base::{Context, ExposeSecret, SecretString};
use rcgen::{CertificateParams, IsCa, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::{Digest, Signature, Transport};
use crate::Error;
use crate::tls::{Fingerprint, certificate as der, fingerprint, self_signed};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OID: u8 = 0x06;
const VERSION: u8 = 0xa0;
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// How long our own certificates are good. Providers hold them as keys; a longer life would outlast the habit of looking.
const DAYS: u32 = 1_825;
const WHAT: &str = "key pair for SAML";

/// A public key of somebody else, out of a certificate that was configured. Nothing else of the certificate counts: whoever
/// configured it vouches for it, and its dates are shown to people.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    material: Material,
    /// SHA-256 over the certificate.
    pub fingerprint: Fingerprint,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Point(Digest, Vec<u8>),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint)
    }
}

impl PublicKey {
    /// The key of a certificate in DER: RSA of 2048 to 8192 bits, or a point of P-256, P-384 or P-521. `None` for anything else.
    pub fn of_certificate(certificate: &[u8]) -> Option<Self> {
        let (outer, rest) = der::element(certificate, SEQUENCE)?;
        if !rest.is_empty() {
            return None;
        }
        let (mut fields, _) = der::element(outer, SEQUENCE)?;
        if fields.first() == Some(&VERSION) {
            fields = der::skip(fields)?;
        }
        // Serial number, signature algorithm, issuer, validity and subject come before the key.
        for _ in 0..5 {
            fields = der::skip(fields)?;
        }
        let (info, _) = der::element(fields, SEQUENCE)?;
        let (algorithm, bits) = der::element(info, SEQUENCE)?;
        let (kind, parameters) = der::element(algorithm, OID)?;
        let (bits, _) = der::element(bits, BITS)?;
        let (unused, key) = bits.split_first()?;
        if *unused != 0 {
            return None;
        }
        let material = if kind == RSA { rsa(key)? } else { point(kind, parameters, key)? };
        Some(Self { material, fingerprint: fingerprint(certificate) })
    }

    /// Whether `signature` is this key's over `text`.
    pub fn verifies(&self, algorithm: Signature, text: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm.rsa(), algorithm.curve()) {
            (Material::Rsa { n, e }, Some(parameters), _) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, text, signature).is_ok()
            }
            (Material::Point(of, point), None, Some(parameters)) if algorithm == Signature::Ecdsa(*of) => {
                UnparsedPublicKey::new(parameters, point).verify(text, signature).is_ok()
            }
            _ => false,
        }
    }
}

fn rsa(key: &[u8]) -> Option<Material> {
    let (numbers, _) = der::element(key, SEQUENCE)?;
    let (n, rest) = der::element(numbers, INTEGER)?;
    let (e, _) = der::element(rest, INTEGER)?;
    let plain = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number[zeros..].to_vec()
    };
    let (n, e) = (plain(n), plain(e));
    // Below 2048 bits it is broken soon; an exponent of one makes every text its own signature.
    if !(256..=1024).contains(&n.len()) || e.len() > 4 || matches!(e.as_slice(), [] | [0..=2]) {
        return None;
    }
    Some(Material::Rsa { n, e })
}

fn point(kind: &[u8], parameters: &[u8], key: &[u8]) -> Option<Material> {
    let (curve, _) = der::element(parameters, OID).filter(|_| kind == EC)?;
    let (digest, length) = match curve {
        P256 => (Digest::Sha256, 32),
        P384 => (Digest::Sha384, 48),
        P521 => (Digest::Sha512, 66),
        _ => return None,
    };
    (key.len() == 2 * length + 1 && key[0] == 4).then(|| Material::Point(digest, key.to_vec()))
}

/// A key pair of our own, RSA of 3072 bits: it signs what we ask, and opens what is encrypted to us.
pub struct OwnKey {
    signing: RsaKeyPair,
    opening: OaepPrivateDecryptingKey,
    certificate: Vec<u8>,
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnKey({})", fingerprint(&self.certificate))
    }
}

impl OwnKey {
    /// Makes one: the private key (PEM), and a certificate for it (PEM) that `name` signs itself. Takes a part of a second.
    pub fn generate(name: &str, ctx: &Context) -> Result<(SecretString, String), Error> {
        let refused = |_: rcgen::Error| Error::Refused(WHAT);
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(refused)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = self_signed::common_name(name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.serial_number = Some(self_signed::serial(ctx));
        self_signed::set_life(&mut params, ctx.now(), DAYS);
        let certificate = params.self_signed(&pair).map_err(refused)?;
        Ok((SecretString::from(pair.serialize_pem()), certificate.pem()))
    }

    /// How long a new one is good.
    pub const fn life() -> Duration {
        Duration::from_secs(DAYS as u64 * 86_400)
    }

    /// Reads one back.
    pub fn of_pem(key: &SecretString, certificate: &str) -> Result<Self, Error> {
        let unusable = |_| Error::certificate(WHAT, "the stored key pair cannot be read");
        let der = PrivatePkcs8KeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(unusable)?;
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(unusable)?.to_vec();
        let refused = || Error::certificate(WHAT, "the stored key pair cannot be used");
        let signing = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| refused())?;
        let opening = PrivateDecryptingKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| refused())?;
        let opening = OaepPrivateDecryptingKey::new(opening).map_err(|_| refused())?;
        Ok(Self { signing, opening, certificate })
    }

    /// Its certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Signs with RSA PKCS #1 v1.5 and SHA-256, which every provider reads: [`super::OURS`].
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .map_err(|_| Error::Refused(WHAT))?;
        Ok(signature)
    }

    /// Opens a key that was encrypted to us; `None` when it was to somebody else, without a word about why.
    pub fn unwrap(&self, transport: Transport, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut room = Zeroizing::new(vec![0; self.opening.min_output_size()]);
        let length = self.opening.decrypt(transport.oaep(), wrapped, &mut room, None).ok()?.len();
        Some(Zeroizing::new(room[..length].to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::{ManualClock, SeededChance, Timestamp};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pair_of_ours_signs_and_its_certificate_proves_it() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_792_717_927_000_000)));
        let context = Context::new(clock, Arc::new(SeededChance::new(3)));
        let (key, certificate) = OwnKey::generate("gateway.example.com", &context).unwrap();
        let own = OwnKey::of_pem(&key, &certificate).unwrap();
        let public = PublicKey::of_certificate(own.certificate()).unwrap();
        let signature = own.sign(b"a text").unwrap();
        assert_eq!(signature.len(), 384);
        assert!(public.verifies(Signature::Rsa(Digest::Sha256), b"a text", &signature));
        assert!(!public.verifies(Signature::Rsa(Digest::Sha256), b"another", &signature));
        assert!(!public.verifies(Signature::RsaPss(Digest::Sha256), b"a text", &signature));
        assert!(!public.verifies(Signature::Ecdsa(Digest::Sha256), b"a text", &signature));
        assert!(own.unwrap(Transport::OaepSha1, &signature).is_none());
        assert!(!format!("{own:?} {public:?}").contains("BEGIN"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_certificate(bytes: Vec<u8>) {
            prop_assert!(PublicKey::of_certificate(&bytes).is_none());
        }
    }
}
