use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base::ExposeSecret;
use crypto::tls::SelfSigned;
use http::{Door, Limits, Method, Open, Rates, Raw, Refusal, Routes};
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::stage::{Stage, context};

/// ASVS 4.2.1.
#[tokio::test]
async fn long_addresses_and_headers_are_refused() {
    let stage = Stage::new().await;
    for alpn in [&[b"http/1.1" as &[u8]], &[b"h2" as &[u8]]] {
        let client = stage.client_speaking(alpn);
        let url = |length: usize| stage.url(&format!("/robots.txt?{}", "x".repeat(length)));
        assert_eq!(client.get(url(8 * 1024 - 12)).send().await.unwrap().status(), 200);
        assert_eq!(client.get(url(8 * 1024 - 11)).send().await.unwrap().status(), 414);
        let large = client.get(stage.url("/robots.txt")).header("x-large", "x".repeat(17 * 1024)).send().await.unwrap();
        assert_eq!(large.status(), 431);
        let mut many = client.get(stage.url("/robots.txt"));
        for number in 0..101 {
            many = many.header(format!("x-{number}"), "x");
        }
        assert_eq!(many.send().await.unwrap().status(), 431);
    }
}

/// Each door has its own size; one byte more is 413, announced or not.
#[tokio::test]
async fn bodies_have_the_size_of_their_door() {
    let stage = Stage::new().await;
    let client = stage.client();
    let signal = |length: usize| {
        let post = client.post(stage.url("/signals/x")).header("content-type", "application/json");
        post.body("x".repeat(length)).send()
    };
    assert_eq!(signal(256 * 1024).await.unwrap().status(), 200);
    assert_eq!(signal(256 * 1024 + 1).await.unwrap().status(), 413);
    let pieces = futures_util::stream::iter((0..300).map(|_| Ok::<_, std::io::Error>("x".repeat(1024))));
    let post = client.post(stage.url("/signals/x")).header("content-type", "application/json");
    assert_eq!(post.body(reqwest::Body::wrap_stream(pieces)).send().await.unwrap().status(), 413);
    let post = client.post(stage.url("/api/v1/workspaces/demo/notes")).header("authorization", "Bearer k-demo");
    let post =
        post.header("content-type", "application/json").body(format!("{{\"text\":\"{}\"}}", "x".repeat(1 << 20)));
    assert_eq!(post.send().await.unwrap().status(), 413);
}

/// A handler that hears of bodies gets the refusal from what reads the body, where every other one is not reached.
#[tokio::test]
async fn a_handler_can_hear_of_a_body_that_is_not_read() {
    async fn heard(_: Open, body: Result<Raw, Refusal>) -> String {
        body.map_or_else(
            |refusal| format!("{} {}", refusal.status().as_u16(), refusal.problem().code),
            |_| "read".into(),
        )
    }
    let routes = || {
        let routes = Routes::<()>::new(Door::Api);
        routes.public(Method::POST, "/heard", "only for this test", heard).hears_of_bodies().with_state(())
    };
    let stage = Stage::build(|settings| settings, |builder| builder.routes(routes())).await;
    let client = stage.client();
    let says = async |media: &str, packed: &str, body: reqwest::Body| {
        let post = client.post(stage.url("/heard")).header("content-type", media).header("content-encoding", packed);
        let answer = post.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{media} {packed}");
        answer.text().await.unwrap()
    };
    let pieces = || {
        let pieces = (0..1_100).map(|_| Ok::<_, std::io::Error>("x".repeat(1024)));
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
    };
    assert_eq!(says("application/json", "identity", "{}".into()).await, "read");
    assert_eq!(says("text/xml", "identity", "<a/>".into()).await, "415 unsupported-media-type");
    assert_eq!(says("application/json", "br", "{}".into()).await, "415 unsupported-content-encoding");
    assert_eq!(says("application/json", "identity", "x".repeat(1_100_000).into()).await, "413 body-too-large");
    assert_eq!(says("application/json", "identity", pieces()).await, "413 body-too-large");
}

/// ASVS 4.2.1: what two servers could read differently is not read at all, and the connection ends.
#[tokio::test]
async fn two_lengths_are_refused() {
    let stage = Stage::new().await;
    for lengths in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let request = format!("POST /anything HTTP/1.1\r\nHost: HOST\r\n{lengths}\r\n\r\n0\r\n\r\n");
        let answer = stage.exchange(&format!("{request}GET /robots.txt HTTP/1.1\r\nHost: HOST\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("ambiguous-length") && answer.contains("connection: close"), "{answer}");
        assert!(!answer.contains("Disallow"), "the smuggled request was not answered: {answer}");
    }
    for broken in
        ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: +5", "Transfer-Encoding: gzip", "Bad Header: x"]
    {
        let answer = stage.exchange(&format!("POST /anything HTTP/1.1\r\nHost: HOST\r\n{broken}\r\n\r\nhello")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{broken}: {answer}");
    }
}

/// ASVS 4.2.1; RFC 9112 sections 2.2 and 5.2: a line that another server may end elsewhere.
#[tokio::test]
async fn odd_line_ends_are_refused() {
    let stage = Stage::new().await;
    for head in [
        "GET /robots.txt HTTP/1.1\nHost: HOST\r\n\r\n",
        "GET /robots.txt HTTP/1.1\r\nHost: HOST\nX: y\r\n\r\n",
        "GET /robots.txt HTTP/1.1\r\nHost: HOST\r\nX: y\r\n\n",
        "GET /robots.txt HTTP/1.1\r\nHost: HOST\r\nX: y\r\n z\r\n\r\n",
        "GET /robots.txt HTTP/1.1\r\nHost: HOST\r\nX : y\r\n\r\n",
    ] {
        let answer = stage.exchange(&format!("{head}GET /robots.txt HTTP/1.1\r\nHost: HOST\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
        assert!(!answer.contains("Disallow"), "{head:?}: nothing behind it is answered: {answer}");
    }
    let chunk = "POST /anything HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n";
    let answer = stage.exchange(&format!("{chunk}GET /robots.txt HTTP/1.1\r\nHost: HOST\r\n\r\n")).await;
    assert!(!answer.contains("200 OK") && !answer.contains("Disallow"), "{answer}");
}

#[tokio::test]
async fn a_request_must_name_one_host_and_it_must_be_ours() {
    let stage = Stage::new().await;
    for (hosts, status) in
        [("", 400), ("Host: HOST\r\nHost: HOST\r\n", 400), ("Host: evil.example\r\n", 421), ("Host: HOST\r\n", 200)]
    {
        let answer = stage.exchange(&format!("GET /robots.txt HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{hosts:?}: {answer}");
    }
}

/// ASVS 4.1.2: clear text is refused, never redirected.
#[tokio::test]
async fn clear_text_is_refused_and_not_redirected() {
    let stage = Stage::new().await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(b"GET /signals/x?apiKey=secret HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(!answer.to_lowercase().contains("location"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{answer}");
}

/// 429 says how long to wait; the next second is fine again.
#[tokio::test]
async fn too_many_requests_are_told_to_wait() {
    let three = NonZeroU32::new(3).unwrap();
    let stage = Stage::with(|mut settings| {
        settings.rates = Rates { per_address: NonZeroU32::new(1000).unwrap(), per_principal: three };
        settings
    })
    .await;
    let client = stage.client();
    let get =
        || client.get(stage.url("/api/v1/workspaces/demo/alerts")).header("authorization", "Bearer k-demo").send();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get().await.unwrap());
    }
    assert!(statuses[..3].iter().all(|response| response.status() == 200));
    assert_eq!(statuses[3].status(), 429);
    assert_eq!(statuses[3].headers()["retry-after"], "1");
    assert_eq!(client.get(stage.url("/robots.txt")).send().await.unwrap().status(), 200, "others are not held back");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(get().await.unwrap().status(), 200);
}

/// `X-Forwarded-For` is believed from our own proxies and from nobody else (ASVS 4.1.3).
#[tokio::test]
async fn only_our_proxies_say_where_a_request_comes_from() {
    let from = async |stage: &Stage, forwarded: &'static str| {
        let get = stage.client().get(stage.url("/sign-in")).header("x-forwarded-for", forwarded);
        get.send().await.unwrap().text().await.unwrap()
    };
    let plain = Stage::new().await;
    assert_eq!(from(&plain, "203.0.113.9").await, "sign in from 127.0.0.1");
    let behind = Stage::with(|settings| settings.trust_proxies(vec!["127.0.0.0/8".parse().unwrap()])).await;
    assert_eq!(from(&behind, "203.0.113.9").await, "sign in from 203.0.113.9");
    assert_eq!(from(&behind, "198.51.100.1, 203.0.113.9, 127.0.0.2").await, "sign in from 203.0.113.9");
    assert_eq!(from(&behind, "nonsense").await, "sign in from 127.0.0.1");
}

#[tokio::test]
async fn an_address_has_a_hundred_connections_at_most() {
    let stage = Stage::with(|mut settings| {
        settings.limits = Limits { connections_per_address: 3, ..Limits::default() };
        settings
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(stage.raw().await);
    }
    let mut fourth = TcpStream::connect(stage.address).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(5), fourth.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "turned away at once");
    drop(open.pop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(stage.client().get(stage.url("/robots.txt")).send().await.unwrap().status(), 200);
    assert_eq!(Limits::default().connections_per_address, 100);
}

/// X-21, E-01: TLS 1.2 and 1.3 answer; both protocols are offered; a client that does not trust the certificate is not served.
#[tokio::test]
async fn x_21_e_01_the_port_speaks_tls_and_both_protocols() {
    let stage = Stage::new().await;
    for (alpn, version) in [(b"h2" as &[u8], reqwest::Version::HTTP_2), (b"http/1.1", reqwest::Version::HTTP_11)] {
        let response = stage.client_speaking(&[alpn]).get(stage.url("/robots.txt")).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, version));
    }
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(stage.ca.as_bytes()).unwrap()).unwrap();
        let client =
            ClientConfig::builder_with_provider(crypto::tls::provider()).with_protocol_versions(&[version]).unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(stage.address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
    }
    let stranger = Stage::new().await;
    assert!(stranger.client().get(stage.url("/robots.txt")).send().await.is_err());
}

/// X-21: a new certificate is in service with the next connection, and the old connections go on.
#[tokio::test]
async fn x_21_certificates_are_replaced_live() {
    let mut stage = Stage::new().await;
    let before = stage.client();
    assert_eq!(before.get(stage.url("/robots.txt")).send().await.unwrap().status(), 200);
    let fresh = SelfSigned::generate(&["localhost".into()], &context()).unwrap();
    stage.certificate.replace(&fresh.cert_pem, fresh.key_pem.expose_secret()).unwrap();
    assert_eq!(
        before.get(stage.url("/robots.txt")).send().await.unwrap().status(),
        200,
        "its connection is open still"
    );
    assert!(stage.client().get(stage.url("/robots.txt")).send().await.is_err(), "the old authority vouches no more");
    stage.ca = fresh.ca_pem;
    assert_eq!(stage.client().get(stage.url("/robots.txt")).send().await.unwrap().status(), 200);
}

/// Whoever still sends is heard out, within bounds, so that they hear why they are refused.
#[tokio::test]
async fn a_refusal_reaches_who_still_sends() {
    let stage = Stage::new().await;
    let origin = stage.origin();
    let host = origin.trim_start_matches("https://");
    let client = stage.client_speaking(&[b"h2"]);
    let answer = client.post(stage.url("/nowhere")).body(vec![b'x'; 8_000_000]).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 404));
    for (head, status) in [("POST /nowhere", "404"), ("POST /robots.txt", "405"), ("POST /api/v1/demo/messages", "4")] {
        let mut stream = stage.raw().await;
        let head = format!(
            "{head} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..1000 {
            stream.write_all(&[b'x'; 8_000]).await.unwrap();
        }
        stream.flush().await.unwrap();
        let answer = super::stage::read_to_end(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
        assert!(answer.contains("\"code\""), "{answer}");
    }
}
