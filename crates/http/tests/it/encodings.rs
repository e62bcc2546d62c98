//! Compressed bodies (ASVS 5.2.3; security.md: "Decompression: one layer, ratio 100:1, 20 MiB").

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::stage::Stage;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut out = ZlibEncoder::new(Vec::new(), Compression::best());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

async fn signal(stage: &Stage, encoding: &str, body: Vec<u8>) -> (u16, String) {
    let post = stage.client().post(stage.url("/signals/x")).header("content-type", "application/json");
    let response = post.header("content-encoding", encoding).body(body).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn programs_may_compress_what_they_send() {
    let stage = Stage::new().await;
    let text: String = (0..2_000).map(|number| format!("{{\"alert\": {number}}}")).collect::<Vec<_>>().concat();
    let expected = (200, text.len().to_string());
    assert_eq!(signal(&stage, "gzip", gzip(text.as_bytes())).await, expected);
    assert_eq!(signal(&stage, "x-gzip", gzip(text.as_bytes())).await, expected);
    assert_eq!(signal(&stage, "deflate", deflate(text.as_bytes())).await, expected);
    let post = stage.client().post(stage.url("/api/v1/workspaces/demo/notes")).header("authorization", "Bearer k-demo");
    let post = post.header("content-type", "application/json").header("content-encoding", "gzip");
    let response = post.body(gzip(br#"{"text": "packed"}"#)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("packed"));
}

/// The door's size counts what it unpacks to, and nothing unpacks to more than a hundred times its size.
#[tokio::test]
async fn bombs_are_refused() {
    let stage = Stage::new().await;
    let (status, answer) = signal(&stage, "gzip", gzip(&vec![b' '; 64 << 20])).await;
    assert!(status == 413, "{answer}");
    // Less than the door's 256 KiB, but more than a hundred times what came.
    let (status, answer) = signal(&stage, "gzip", gzip(&vec![b' '; 200 * 1024])).await;
    assert!(status == 413 && answer.contains("body-unpacks-too-far"), "{answer}");
    // Hard to pack, and more than the door reads.
    let text: Vec<u8> = (0..60_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let (status, answer) = signal(&stage, "gzip", gzip(&[&text[..], &text].concat())).await;
    assert!(status == 413 && answer.contains("body-too-large"), "{answer}");
}

/// One layer, of a sort that we know; what we would read is said (RFC 9110 section 15.5.16).
#[tokio::test]
async fn other_encodings_and_second_layers_are_refused() {
    let stage = Stage::new().await;
    let twice = gzip(&gzip(b"{}"));
    for encoding in ["gzip, gzip", "br", "zstd", "compress"] {
        let (status, answer) = signal(&stage, encoding, twice.clone()).await;
        assert!(status == 415 && answer.contains("unsupported-content-encoding"), "{encoding}: {answer}");
    }
    let (status, length) = signal(&stage, "gzip", twice).await;
    assert_eq!((status, length), (200, gzip(b"{}").len().to_string()), "one layer is taken off, never two");
    let form = stage.client().post(stage.url("/sign-in")).header("content-type", "application/x-www-form-urlencoded");
    let form = form.header("sec-fetch-site", "same-origin").header("content-encoding", "gzip").body(gzip(b"a=b"));
    let response = form.send().await.unwrap();
    assert_eq!(response.status(), 415);
    assert_eq!(response.headers()["accept-encoding"], "identity");
    for broken in [b"no gzip at all".to_vec(), gzip(b"{}")[..12].to_vec()] {
        assert_eq!(signal(&stage, "gzip", broken).await.0, 400);
    }
}
