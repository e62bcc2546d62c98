//! Fault F-18: clients that are slow on purpose. The times are made short by settings; what they are by default is asserted.

use std::time::{Duration, Instant};

use http::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{Stage, read_to_end};

const SHORT: Duration = Duration::from_millis(400);

async fn impatient() -> Stage {
    Stage::with(|mut settings| {
        settings.limits = Limits {
            handshake: SHORT,
            head: SHORT,
            body: SHORT,
            keep_alive: SHORT,
            stalled: SHORT,
            answer: Duration::from_secs(10),
            drain: Duration::from_secs(2),
            ..Limits::default()
        };
        settings
    })
    .await
}

/// Reads until the end, and how long that took.
async fn until_closed(mut stream: impl AsyncReadExt + Unpin) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a test that measures real time")]
    let start = Instant::now();
    let mut buffer = [0; 1024];
    while let Ok(Ok(1..)) = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await {}
    start.elapsed()
}

fn about(took: Duration, expected: Duration) -> bool {
    // Generous: the machine may be busy, and what matters is that it ends, and not at once.
    took >= expected / 2 && took < expected + Duration::from_secs(5)
}

#[test]
fn the_times_are_those_of_the_security_facts() {
    let limits = Limits::default();
    assert_eq!(limits.head, Duration::from_secs(10));
    assert_eq!(limits.body, Duration::from_mins(1));
    assert_eq!(limits.body_rate, 1024);
    assert_eq!(limits.keep_alive, Duration::from_mins(1));
    assert!(limits.stalled <= Duration::from_secs(30) && limits.handshake <= Duration::from_secs(10));
    assert_eq!((limits.streams, limits.resets_per_minute), (100, 200));
    assert_eq!((limits.url, limits.headers, limits.header_fields), (8 * 1024, 16 * 1024, 100));
}

#[tokio::test]
async fn silence_before_and_in_the_handshake_is_cut() {
    let stage = impatient().await;
    let silent = TcpStream::connect(stage.address).await.unwrap();
    assert!(about(until_closed(silent).await, SHORT));
    let mut half = TcpStream::connect(stage.address).await.unwrap();
    half.write_all(&[0x16, 3, 1]).await.unwrap();
    assert!(about(until_closed(half).await, SHORT));
}

#[tokio::test]
async fn a_dripping_head_is_cut_although_bytes_keep_coming() {
    let stage = impatient().await;
    let (read, mut write) = tokio::io::split(stage.raw().await);
    let drip = tokio::spawn(async move {
        for byte in b"GET / HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x')) {
            if write.write_all(&[*byte]).await.is_err() || write.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(about(until_closed(read).await, SHORT));
    drip.abort();
    // The second request of a connection has the same time as the first.
    let mut stream = stage.raw().await;
    let get = format!("GET /robots.txt HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", stage.address.port());
    stream.write_all(format!("{get}GET /robots").as_bytes()).await.unwrap();
    assert!(about(until_closed(stream).await, SHORT));
}

#[tokio::test]
async fn a_slow_body_is_answered_with_408() {
    let stage = impatient().await;
    let mut stream = stage.raw().await;
    let host = stage.address.port();
    let head = format!(
        "POST /signals/x HTTP/1.1\r\nHost: localhost:{host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body-too-slow"), "{answer}");
}

#[tokio::test]
async fn a_quiet_connection_ends_and_one_that_waits_for_us_does_not() {
    let stage = impatient().await;
    let mut stream = stage.raw().await;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", stage.address.port());
    // Longer than the keep-alive time, but it is our turn.
    stream.write_all(request("/slow").as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).await.unwrap();
    assert!(String::from_utf8_lossy(&buffer[..count]).starts_with("HTTP/1.1 200 "));
    assert!(about(until_closed(stream).await, SHORT));
    // HTTP/2 too: no preface at all, and a preface with nothing after it.
    let silent = stage.raw_speaking(&[b"h2"]).await;
    assert!(about(until_closed(silent).await, SHORT));
    let mut polite = stage.raw_speaking(&[b"h2"]).await;
    polite.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let took = until_closed(polite).await;
    assert!(took < SHORT + Duration::from_secs(9), "{took:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let stage = impatient().await;
    let mut stream = stage.raw_with_small_window().await;
    let request = format!("GET /big HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", stage.address.port());
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(SHORT * 8).await;
    let mut total = 0;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(Ok(count @ 1..)) = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer)).await {
        total += count;
    }
    assert!(total < 64 * 1024 * 1024, "the answer was given up: {total}");
}

/// Fault F-32: a client that takes back its requests as fast as it makes them.
#[tokio::test]
async fn requests_taken_back_again_and_again_end_the_connection() {
    let stage = Stage::with(|mut settings| {
        settings.limits.resets_per_minute = 20;
        settings
    })
    .await;
    let client = stage.client_speaking(&[b"h2"]);
    let mut failed = 0;
    for _ in 0..8 {
        let requests = (0..10).map(|_| client.get(stage.url("/slow")).timeout(Duration::from_millis(50)).send());
        let outcomes = futures_util::future::join_all(requests).await;
        failed += outcomes.iter().filter(|outcome| outcome.as_ref().is_err_and(|error| !error.is_timeout())).count();
    }
    assert!(failed > 0, "the connection was cut while it was being abused");
    assert_eq!(client.get(stage.url("/robots.txt")).send().await.unwrap().status(), 200, "a new one is welcome");
}

#[tokio::test]
async fn stopping_finishes_the_answers_under_way() {
    let stage = impatient().await;
    for alpn in [b"h2" as &[u8], b"http/1.1"] {
        let client = stage.client_speaking(&[alpn]);
        let url = stage.url("/slow");
        let answer = tokio::spawn(async move { client.get(url).send().await.unwrap().text().await.unwrap() });
        tokio::time::sleep(Duration::from_millis(200)).await;
        if alpn == b"http/1.1" {
            stage.stop.cancel();
        }
        assert_eq!(answer.await.unwrap(), "done");
    }
    tokio::time::timeout(Duration::from_secs(4), stage.running).await.unwrap().unwrap();
    assert!(TcpStream::connect(stage.address).await.is_err());
}
