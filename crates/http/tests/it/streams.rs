//! Live streams: ASVS 4.4.1 to 4.4.4, 7.4.2.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use http::StatusCode;

use super::stage::Stage;

async fn open(stage: &Stage, path: &str, site: &'static str) -> reqwest::Response {
    let get = stage.client().get(stage.url(path)).header("cookie", "__Host-sid=s-observer@demo");
    get.header("sec-fetch-site", site).send().await.unwrap()
}

async fn until_it_ends(response: reqwest::Response) -> usize {
    let mut stream = response.bytes_stream();
    let mut parts = 0;
    while let Ok(Some(Ok(_))) = tokio::time::timeout(Duration::from_secs(5), stream.next()).await {
        parts += 1;
    }
    parts
}

#[tokio::test]
async fn events_flow_to_our_own_pages_only() {
    let stage = Stage::new().await;
    let mut response = open(&stage, "/w/demo/live", "same-origin").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let first = response.chunk().await.unwrap().unwrap();
    assert_eq!(&*first, b"event: tick\ndata: 0\n\n");
    assert_eq!(open(&stage, "/w/demo/live", "cross-site").await.status(), 403);
}

/// that a page listens keeps no session alive, nor does a part of it that renews itself; what somebody opens does.
#[tokio::test]
async fn x_17_listening_is_no_use_of_a_session() {
    let stage = Stage::new().await;
    let cookie = ("cookie", "__Host-sid=s-observer@demo");
    let used = || stage.accounts.used.load(Ordering::SeqCst);
    let own = |path: &str| {
        stage.client().get(stage.url(path)).header(cookie.0, cookie.1).header("sec-fetch-site", "same-origin")
    };
    let listening = own("/w/demo/live").header("accept", "text/event-stream").send().await.unwrap();
    let part = own("/w/demo/alerts").header("hx-request", "true").send().await.unwrap();
    assert_eq!((listening.status(), part.status(), used()), (StatusCode::OK, StatusCode::OK, 0));
    assert_eq!(own("/w/demo/alerts").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(used(), 1);
}

fn end_session_after(stage: &Stage, pause: Duration) {
    let accounts = std::sync::Arc::clone(&stage.accounts);
    tokio::spawn(async move {
        tokio::time::sleep(pause).await;
        accounts.ended.store(true, Ordering::SeqCst);
    });
}

/// X-16, ASVS 7.4.1: nothing new is shown a second after the session ended.
#[tokio::test]
async fn x_16_a_busy_stream_ends_within_a_second_of_its_session() {
    let stage = Stage::new().await;
    let response = open(&stage, "/w/demo/live", "same-origin").await;
    end_session_after(&stage, Duration::from_millis(1500));
    let parts = tokio::time::timeout(Duration::from_secs(4), until_it_ends(response)).await.unwrap();
    assert!(parts > 40, "it lived through the first check: {parts}");
}

/// ASVS 4.4.4: a stream on which nothing happens is checked all the same.
#[tokio::test]
async fn a_quiet_stream_ends_with_its_session() {
    let stage = Stage::with(|mut settings| {
        settings.limits.recheck = Duration::from_millis(200);
        settings
    })
    .await;
    let response = open(&stage, "/w/demo/quiet", "same-origin").await;
    end_session_after(&stage, Duration::from_millis(500));
    tokio::time::timeout(Duration::from_secs(3), until_it_ends(response)).await.unwrap();
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let stage = Stage::new().await;
    let response = open(&stage, "/w/demo/live", "same-origin").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.stop.cancel();
    tokio::time::timeout(Duration::from_secs(3), until_it_ends(response)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(3), stage.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn streams_are_counted() {
    let stage = Stage::with(|mut settings| {
        settings.limits.event_streams = 1;
        settings
    })
    .await;
    let first = open(&stage, "/w/demo/live", "same-origin").await;
    let second = open(&stage, "/w/demo/live", "same-origin").await;
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 503));
    assert_eq!(second.headers()["retry-after"], "1");
}
