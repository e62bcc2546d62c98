//! Handshakes in memory between our listeners and our clients.

use std::io::{Read, Write};
use std::time::Duration;

use base::{Context, ExposeSecret, ManualClock, SystemClock, Timestamp};
use rustls::NamedGroup::{X25519, X25519MLKEM768, secp256r1, secp384r1};
use rustls::{ClientConnection, ServerConnection};
use rustls_pki_types::ServerName;

use super::*;
use crate::OsChance;

fn context() -> Context {
    Context::new(Arc::new(SystemClock), Arc::new(OsChance))
}

fn issue(names: &[&str]) -> SelfSigned {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    SelfSigned::generate(&names, &context()).unwrap()
}

fn listener(issued: &SelfSigned, client_ca: Option<&str>) -> Arc<ServerConfig> {
    let resolver = CertResolver::from_pem(&issued.cert_pem, issued.key_pem.expose_secret()).unwrap();
    server_config(Arc::new(resolver), client_ca.map_or(Clients::Unasked, Clients::Demanded), &[b"h2", b"http/1.1"])
        .unwrap()
}

/// Shakes hands and sends one word each way; the error of the side that failed first.
fn talk(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &'static str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(client, ServerName::try_from(name).unwrap())?;
    let mut server = ServerConnection::new(server)?;
    client.writer().write_all(b"ping").unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        if !wire.is_empty() {
            client.read_tls(&mut &wire[..]).unwrap();
            client.process_new_packets()?;
        }
    }
    let mut heard = [0; 4];
    server.reader().read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"ping");
    Ok((client, server))
}

/// E-01, X-21: the newest version and the hybrid group are what two of ours agree on.
#[test]
fn e_01_ours_speak_tls_1_3_with_the_hybrid_group() {
    let issued = issue(&["localhost", "127.0.0.1"]);
    let client = client_config(&Roots::Pem(issued.ca_pem.clone()), &[b"h2"]).unwrap();
    for name in ["localhost", "127.0.0.1"] {
        let (client, server) = talk(client.clone(), listener(&issued, None), name).unwrap();
        assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), X25519MLKEM768);
        assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]));
    }
}

/// only TLS 1.2 and 1.3, only authenticated suites with forward secrecy, only the four groups.
#[test]
fn x_21_nothing_older_and_nothing_weaker_is_offered() {
    let provider = provider();
    for suite in &provider.cipher_suites {
        let name = format!("{:?}", suite.suite());
        assert!(name.contains("GCM") || name.contains("CHACHA20_POLY1305"), "{name}");
        assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
    }
    let groups: Vec<_> = provider.kx_groups.iter().map(|group| group.name()).collect();
    assert_eq!(groups, [X25519MLKEM768, X25519, secp256r1, secp384r1]);
    assert_eq!(
        VERSIONS.iter().map(|version| version.version).collect::<Vec<_>>(),
        [rustls::ProtocolVersion::TLSv1_3, rustls::ProtocolVersion::TLSv1_2]
    );
}

#[test]
fn a_tls_1_2_client_is_served_with_forward_secrecy() {
    let issued = issue(&["localhost"]);
    let roots = Arc::new(roots_of_pem(&issued.ca_pem, "test").unwrap());
    let old = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (client, _) = talk(Arc::new(old), listener(&issued, None), "localhost").unwrap();
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
}

/// X-07, E-02: chain and name are verified; there is no way round it.
#[test]
fn x_07_a_client_refuses_another_authority_and_another_name() {
    let issued = issue(&["localhost"]);
    let stranger = issue(&["localhost"]);
    let trusting_other = client_config(&Roots::Pem(stranger.ca_pem), &[]).unwrap();
    let error = talk(trusting_other, listener(&issued, None), "localhost").unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");

    let trusting = client_config(&Roots::Pem(issued.ca_pem.clone()), &[]).unwrap();
    let error = talk(trusting, listener(&issued, None), "carrier.example").unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
}

#[test]
fn a_listener_with_a_client_authority_wants_a_certificate_of_it() {
    let issued = issue(&["localhost"]);
    let peer = issue(&["peer"]);
    let server = listener(&issued, Some(&peer.ca_pem));
    let roots = Roots::Pem(issued.ca_pem.clone());
    assert!(talk(client_config(&roots, &[]).unwrap(), server.clone(), "localhost").is_err());
    let known = client_config_with_identity(&roots, &[], &peer.cert_pem, peer.key_pem.expose_secret()).unwrap();
    assert!(talk(known, server, "localhost").is_ok());
}

#[test]
fn a_second_connection_resumes_by_ticket() {
    let issued = issue(&["localhost"]);
    let server = listener(&issued, None);
    let client = client_config(&Roots::Pem(issued.ca_pem.clone()), &[]).unwrap();
    let (first, _) = talk(client.clone(), server.clone(), "localhost").unwrap();
    assert_eq!(first.handshake_kind(), Some(rustls::HandshakeKind::Full));
    let (second, _) = talk(client, server, "localhost").unwrap();
    assert_eq!(second.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
}

#[test]
fn certificates_reload_live_and_a_bad_file_keeps_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let write = |issued: &SelfSigned| {
        std::fs::write(&cert, &issued.cert_pem).unwrap();
        std::fs::write(&key, issued.key_pem.expose_secret()).unwrap();
    };
    let (first, second) = (issue(&["localhost"]), issue(&["localhost"]));
    write(&first);
    let resolver = CertResolver::from_files(&cert, &key).unwrap();
    assert_eq!(resolver.fingerprint(), fingerprint_pem(&first.cert_pem));
    assert!(!resolver.reload().unwrap());
    write(&second);
    assert!(resolver.reload().unwrap());
    assert_eq!(resolver.fingerprint(), fingerprint_pem(&second.cert_pem));
    std::fs::write(&key, first.key_pem.expose_secret()).unwrap();
    let error = resolver.reload().unwrap_err();
    assert!(error.to_string().contains("not the key of this certificate"), "{error}");
    std::fs::write(&cert, "nothing").unwrap();
    assert!(resolver.reload().unwrap_err().to_string().contains("BEGIN CERTIFICATE"));
    assert_eq!(resolver.fingerprint(), fingerprint_pem(&second.cert_pem));
}

#[test]
fn the_end_of_a_certificate_is_read() {
    let clock = ManualClock::new(Timestamp::from_micros(1_792_717_927_214_000));
    let ctx = Context::new(Arc::new(clock), Arc::new(OsChance));
    let issued = SelfSigned::generate(&["localhost".to_owned()], &ctx).unwrap();
    let end = not_after_pem(&issued.cert_pem).unwrap();
    assert_eq!(end.rfc3339(), "2029-01-20T00:00:00.000Z");
    assert!(end.since(ctx.now()) > Duration::from_hours(800 * 24));
    assert_eq!(not_after_pem(&issued.ca_pem).unwrap().rfc3339(), "2036-10-20T00:00:00.000Z");
}

#[test]
fn names_that_are_no_names_are_refused_with_a_remedy() {
    let error = SelfSigned::generate(&["café déjà".to_owned()], &context()).unwrap_err();
    assert!(error.to_string().contains("host name"), "{error}");
    assert!(client_config(&Roots::Pem(String::new()), &[]).unwrap_err().to_string().contains("BEGIN CERTIFICATE"));
}

#[test]
fn the_machines_authorities_are_found_or_the_remedy_is_named() {
    match client_config(&Roots::System, &[]) {
        Ok(config) => assert_eq!(config.alpn_protocols, Vec::<Vec<u8>>::new()),
        Err(error) => assert!(error.to_string().contains("ca-certificates"), "{error}"),
    }
}

#[test]
fn no_key_shows_in_debug() {
    let issued = issue(&["localhost"]);
    assert_eq!(format!("{issued:?}"), "SelfSigned(…)");
}

#[test]
fn weak_rsa_keys_are_refused() {
    let pair = |size| {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap();
        let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let (cert, key) = pair(rcgen::RsaKeySize::_2048);
    let error = CertResolver::from_pem(&cert, &key).unwrap_err();
    assert!(error.to_string().contains("3072"), "{error}");
    let (cert, key) = pair(rcgen::RsaKeySize::_3072);
    assert!(CertResolver::from_pem(&cert, &key).is_ok());
}
