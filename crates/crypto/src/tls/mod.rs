//! TLS as every listener and every client of the house speaks it: 1.2 and 1.3 only, authenticated ciphers
//! with forward secrecy, no renegotiation, no compression, no early data. There is no way to trust all.

pub(crate) mod certificate;
mod holder;
mod names;
mod pin;
mod resolver;
pub(crate) mod self_signed;
mod ticket;

use std::sync::{Arc, LazyLock};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

pub use certificate::{Fingerprint, fingerprint, fingerprint_pem, not_after, not_after_pem};
pub use holder::{ClientCertificate, DistinguishedName, NameError};
pub use names::{Names, names};
pub use pin::{Pin, PinError, Unpinned, client_config_with_pins};
pub use resolver::CertResolver;
pub use self_signed::SelfSigned;

use crate::Error;

const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// The provider with exactly the suites and groups the house speaks (X-21, E-01).
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            cipher_suites: vec![
                cipher_suite::TLS13_AES_256_GCM_SHA384,
                cipher_suite::TLS13_AES_128_GCM_SHA256,
                cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
                cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            ],
            kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
            ..aws_lc_rs::default_provider()
        })
    });
    Arc::clone(&PROVIDER)
}

/// Makes [`provider`] the process's default, for libraries that ask for one. Call it once at start; calling
/// it again does nothing.
pub fn install_default_provider() {
    // The only failure is that one is installed already.
    let _ = CryptoProvider::install_default((*provider()).clone());
}

/// Whom a client trusts to vouch for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The certificate authorities of this machine.
    System,
    /// These authorities (PEM) and no others.
    Pem(String),
}

/// What a listener does about certificates of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients<'a> {
    /// Nothing: it asks for none.
    Unasked,
    /// It asks for one of these authorities (PEM). Who shows none goes on without; a wrong or ended one ends the handshake.
    Asked(&'a str),
    /// It demands one of these authorities (PEM).
    Demanded(&'a str),
}

/// The configuration of a listener: certificates from `resolver` (which reloads live), what it does about certificates of its
/// clients, and the ALPN protocols in order.
pub fn server_config(
    resolver: Arc<CertResolver>,
    clients: Clients<'_>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS)?;
    let builder = match clients {
        Clients::Unasked => builder.with_no_client_auth(),
        Clients::Asked(pem) | Clients::Demanded(pem) => {
            let roots = Arc::new(roots_of_pem(pem, "client certificate authority")?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier =
                if matches!(clients, Clients::Asked(_)) { verifier.allow_unauthenticated() } else { verifier };
            let verifier = verifier
                .build()
                .map_err(|error| Error::certificate("client certificate authority", error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.ticketer = ticket::rotating()?;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// The configuration of a client that verifies chain and name against `roots`.
pub fn client_config(roots: &Roots, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, Error> {
    client(roots, alpn, None)
}

/// The same for a server that asks for a client certificate: ours is `cert_pem` (chain) with `key_pem`.
pub fn client_config_with_identity(
    roots: &Roots,
    alpn: &[&[u8]],
    cert_pem: &str,
    key_pem: &str,
) -> Result<Arc<ClientConfig>, Error> {
    client(roots, alpn, Some((cert_pem, key_pem)))
}

fn client(roots: &Roots, alpn: &[&[u8]], identity: Option<(&str, &str)>) -> Result<Arc<ClientConfig>, Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots_of(roots)?), provider())
        .build()
        .map_err(|error| Error::certificate("certificate authority", error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .with_webpki_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((cert_pem, key_pem)) => {
            let (chain, key) = resolver::parse(cert_pem, key_pem)?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.enable_early_data = false;
    Ok(Arc::new(config))
}

fn roots_of(roots: &Roots) -> Result<RootCertStore, Error> {
    match roots {
        Roots::System => system_roots(),
        Roots::Pem(pem) => roots_of_pem(pem, "certificate authority"),
    }
}

fn roots_of_pem(pem: &str, what: &'static str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| Error::certificate(what, "it is not PEM; give the PEM file"))?;
        roots
            .add(certificate)
            .map_err(|_| Error::certificate(what, "it holds something that is no X.509 authority"))?;
    }
    if roots.is_empty() {
        return Err(Error::certificate(what, "it holds no certificate; give a file with BEGIN CERTIFICATE in it"));
    }
    Ok(roots)
}

/// Where distributions keep the machine's authorities as one file.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

fn system_roots() -> Result<RootCertStore, Error> {
    let pem = SYSTEM_BUNDLES.iter().find_map(|path| std::fs::read(path).ok()).ok_or_else(|| {
        Error::certificate("machine's certificate authorities", "none found; install the package ca-certificates")
    })?;
    let mut roots = RootCertStore::empty();
    // Bundles hold the odd certificate that rustls cannot use; what it can use is enough.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(Error::certificate(
            "machine's certificate authorities",
            "the bundle holds none; reinstall the package ca-certificates",
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
