//! The certificate a listener shows, replaced live when its files change.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use base::Timestamp;
use rustls::SignatureAlgorithm;
use rustls::client::verify_server_name;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::{Fingerprint, fingerprint, not_after, provider};
use crate::Error;

/// One certificate chain with its key, shared by every listener and replaceable while they run.
pub struct CertResolver {
    current: ArcSwap<CertifiedKey>,
    files: Option<(PathBuf, PathBuf)>,
}

impl CertResolver {
    /// From a chain (leaf first) and its private key, both PEM.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, Error> {
        Ok(Self { current: ArcSwap::from_pointee(certified(cert_pem, key_pem)?), files: None })
    }

    /// From files, which [`Self::reload`] reads again.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Self, Error> {
        let current = ArcSwap::from_pointee(read(cert, key)?);
        Ok(Self { current, files: Some((cert.to_owned(), key.to_owned())) })
    }

    /// Reads the files again; whether the certificate changed. When they cannot be used, the old
    /// certificate stays in service.
    pub fn reload(&self) -> Result<bool, Error> {
        let Some((cert, key)) = &self.files else { return Ok(false) };
        let fresh = read(cert, key)?;
        let changed = fresh.cert != self.current.load().cert;
        self.current.store(Arc::new(fresh));
        Ok(changed)
    }

    /// Reads the files again and puts what they hold in service if it is good: the key belongs to the certificate, and `now` lies
    /// before its end. Otherwise the old certificate stays. Whether it changed.
    pub fn renew(&self, now: Timestamp) -> Result<bool, Error> {
        let Some((cert, key)) = &self.files else { return Ok(false) };
        let fresh = read(cert, key)?;
        if fresh.cert == self.current.load().cert {
            return Ok(false);
        }
        if fresh.cert.first().and_then(|leaf| not_after(leaf)).is_none_or(|end| end <= now) {
            return Err(Error::certificate("certificate", "it has ended already; give one that is good"));
        }
        self.current.store(Arc::new(fresh));
        Ok(true)
    }

    /// Whether the certificate in service is for this host name or address. Clients refuse one that is not.
    pub fn is_for(&self, host: &str) -> bool {
        let current = self.current.load();
        let Some(leaf) = current.cert.first() else { return false };
        let Ok(name) = ServerName::try_from(host) else { return false };
        ParsedCertificate::try_from(leaf).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    }

    /// Puts another certificate in service.
    pub fn replace(&self, cert_pem: &str, key_pem: &str) -> Result<(), Error> {
        self.current.store(Arc::new(certified(cert_pem, key_pem)?));
        Ok(())
    }

    /// The fingerprint of the certificate in service.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.current.load().cert.first().map(|leaf| fingerprint(leaf))
    }

    /// When the certificate in service ends.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.current.load().cert.first().and_then(|leaf| not_after(leaf))
    }
}

impl ResolvesServerCert for CertResolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for CertResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CertResolver").field(&self.fingerprint()).finish()
    }
}

fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let text = |path: &Path, what| fs::read_to_string(path).map_err(|source| Error::File { what, source });
    certified(&text(cert, "certificate")?, &text(key, "certificate key")?)
}

pub(super) fn parse(
    cert_pem: &str,
    key_pem: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = CertificateDer::pem_slice_iter(cert_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Error::certificate("certificate", "it is not PEM; give the chain as PEM, the leaf first"))?;
    if chain.is_empty() {
        return Err(Error::certificate("certificate", "it holds no BEGIN CERTIFICATE; give the chain as PEM"));
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|_| Error::certificate("certificate key", "it holds no private key; give an unencrypted PEM key"))?;
    Ok((chain, key))
}

fn certified(cert_pem: &str, key_pem: &str) -> Result<CertifiedKey, Error> {
    let (chain, key) = parse(cert_pem, key_pem)?;
    let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            Error::certificate("certificate key", "it is not the key of this certificate; give the matching pair")
        }
        _ => Error::certificate("certificate key", "its type is not supported; use ECDSA P-256, P-384, Ed25519 or RSA"),
    })?;
    if weak_rsa(&certified) {
        return Err(Error::certificate("certificate key", "RSA below 3072 bits is refused; use ECDSA P-256"));
    }
    Ok(certified)
}

/// Whether the key is RSA below 3072 bits, told by the size of its public key: the encoding of a 3072-bit
/// key takes 422 bytes, that of a 2048-bit key 294.
fn weak_rsa(key: &CertifiedKey) -> bool {
    key.key.algorithm() == SignatureAlgorithm::RSA && key.key.public_key().is_none_or(|spki| spki.len() < 3072 / 8 + 30)
}
