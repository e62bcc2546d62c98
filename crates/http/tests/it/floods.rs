//! Clients that come in too great numbers, or make too much of what one connection allows (faults F-18, F-32; security.md, input
//! limits: "100 connections/address; HTTP/2 100 streams, 200 resets/min").

use std::time::Duration;

use http::Limits;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Http2, RST_STREAM, SETTINGS, field, frame, get,
};
use super::stage::Stage;

const WINDOW: u32 = 65_535;
const PATIENCE: Duration = Duration::from_secs(5);

async fn with(change: impl FnOnce(&mut Limits)) -> Stage {
    Stage::with(|mut settings| {
        change(&mut settings.limits);
        settings
    })
    .await
}

/// All connections together are counted too, trusted proxies included.
#[tokio::test]
async fn the_server_has_a_number_of_connections_at_most() {
    let stage = Stage::with(|mut settings| {
        settings.limits.connections = 2;
        settings.trust_proxies(vec!["127.0.0.0/8".parse().unwrap()])
    })
    .await;
    let _open = [stage.raw().await, stage.raw().await];
    let mut third = TcpStream::connect(stage.address).await.unwrap();
    let end = tokio::time::timeout(PATIENCE, third.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "turned away at once");
    assert_eq!(Limits::default().connections, 10_000);
}

/// "HTTP/2 100 streams": announced, and held when the client does not.
#[tokio::test]
async fn a_connection_has_a_hundred_streams_at_once() {
    let stage = with(|_| {}).await;
    let mut client = Http2::open(&stage, WINDOW).await;
    for number in 0..110 {
        let head = frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &get(&stage, "/slow"));
        assert!(client.send(&head).await);
    }
    let (frames, _) = client.rest(Duration::from_secs(2)).await;
    let settings = frames.iter().find(|came| came.kind == SETTINGS && !came.payload.is_empty()).unwrap();
    let streams = settings.payload.chunks(6).find(|pair| pair[..2] == [0, 3]).unwrap();
    assert_eq!(streams[2..], 100_u32.to_be_bytes());
    let refused = frames.iter().filter(|came| came.kind == RST_STREAM && came.payload == [0, 0, 0, 7]);
    assert_eq!(refused.count(), 10);
    let answered = frames.iter().filter(|came| came.kind == HEADERS).count();
    assert_eq!(answered, 100, "those within the limit are served");
}

/// "200 resets/min" (CVE-2023-44487): the connection ends; how it is said is the client's loss.
#[tokio::test]
async fn two_hundred_resets_a_minute_end_the_connection() {
    let stage = with(|_| {}).await;
    let mut client = Http2::open(&stage, WINDOW).await;
    let mut sent = 0;
    for number in 0..1_000 {
        let stream = 2 * number + 1;
        let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(&stage, "/slow"));
        let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        if !client.send(&[head, reset].concat()).await {
            break;
        }
        sent += 1;
    }
    let (frames, ended) = client.rest(PATIENCE).await;
    let told = frames.iter().any(|came| came.kind == GOAWAY);
    assert!(ended || told, "after {sent} requests taken back: {frames:?}");
    assert_eq!(Limits::default().resets_per_minute, 200);
    assert_eq!(stage.client().get(stage.url("/robots.txt")).send().await.unwrap().status(), 200);
}

/// CVE-2024-27316: a head that never ends is not kept, and its connection ends.
#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let stage = with(|_| {}).await;
    let mut client = Http2::open(&stage, WINDOW).await;
    let head: Vec<u8> = get(&stage, "/robots.txt");
    let mut taken = client.send(&frame(HEADERS, END_STREAM, 1, &head)).await;
    let filler: Vec<u8> = (0..100).flat_map(|_| field("x-filler", &"x".repeat(100))).collect();
    let mut sent = 0;
    while taken && sent < 1_000 {
        taken = client.send(&frame(CONTINUATION, 0, 1, &filler)).await;
        sent += 1;
    }
    let (frames, ended) = client.rest(PATIENCE).await;
    assert!(ended || frames.iter().any(|came| came.kind == GOAWAY), "{sent} sent: {frames:?}");
}

/// "headers 16 KiB/100" over HTTP/2, by many small fields and by few large ones.
#[tokio::test]
async fn too_many_header_fields_are_refused() {
    let stage = with(|_| {}).await;
    for fields in [(0..101).map(|number| field(&format!("x-{number}"), "")).collect::<Vec<_>>().concat(), {
        let large = field("x-large", &"x".repeat(120));
        large.repeat(150)
    }] {
        let mut client = Http2::open(&stage, WINDOW).await;
        let head = [get(&stage, "/robots.txt"), fields].concat();
        let (first, last) = head.split_at(head.len().min(16_000));
        let mut bytes = frame(HEADERS, END_STREAM, 1, first);
        bytes.extend(frame(CONTINUATION, END_HEADERS, 1, last));
        client.send(&bytes).await;
        let (frames, ended) = client.rest(Duration::from_secs(1)).await;
        // 431 is not in HPACK's table: it stands in clear, or the stream or connection is refused as a whole.
        let refused = frames.iter().any(|came| {
            came.kind == RST_STREAM
                || came.kind == GOAWAY
                || (came.kind == HEADERS && came.stream == 1 && !came.payload.starts_with(&[0x88]))
        });
        assert!(ended || refused, "{frames:?}");
        assert!(!frames.iter().any(|came| came.kind == DATA && came.payload.starts_with(b"User-agent")));
    }
}

/// "header 10 s" over HTTP/2: bytes that keep coming do not help.
#[tokio::test]
async fn a_dripping_http2_head_is_cut() {
    let stage = with(|limits| limits.head = Duration::from_millis(400)).await;
    let mut client = Http2::open(&stage, WINDOW).await;
    assert!(client.send(&frame(HEADERS, END_STREAM, 1, &get(&stage, "/robots.txt"))).await);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !client.send(&frame(CONTINUATION, 0, 1, &field("x", ""))).await {
            break;
        }
    }
    let (_, ended) = client.rest(PATIENCE).await;
    assert!(ended);
}

/// F-18, slow read over HTTP/2: a window that never opens.
#[tokio::test]
async fn an_http2_client_that_takes_nothing_is_cut() {
    let stage = with(|limits| limits.stalled = Duration::from_millis(400)).await;
    let mut client = Http2::open(&stage, 0).await;
    assert!(client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get(&stage, "/big"))).await);
    let (frames, ended) = client.rest(PATIENCE).await;
    assert!(ended, "{frames:?}");
    assert!(frames.iter().all(|came| came.kind != DATA || came.payload.is_empty()));
}

/// Stopping: GOAWAY first, the answer under way to its end, and then the end of the connection.
#[tokio::test]
async fn stopping_says_goaway_and_finishes_what_was_begun() {
    let stage = with(|_| {}).await;
    let mut client = Http2::open(&stage, WINDOW).await;
    assert!(client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get(&stage, "/slow"))).await);
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.stop.cancel();
    let (frames, ended) = client.rest(PATIENCE).await;
    let goaway = frames.iter().position(|came| came.kind == GOAWAY);
    let answer = frames.iter().position(|came| came.kind == DATA && came.payload == b"done");
    assert!(ended && goaway.is_some() && answer.is_some() && goaway < answer, "{frames:?}");
    assert!(TcpStream::connect(stage.address).await.is_err(), "new connections are refused");
}
