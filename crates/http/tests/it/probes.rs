//! `/healthz`, `/readyz` and `/metrics`: who learns what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use http::{Condition, Figures, Health};

use super::stage::Stage;

/// 0: well, 1: not ready, 2: dead.
struct Part(Arc<AtomicU8>);

#[async_trait]
impl Health for Part {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn look(&self) -> Condition {
        match self.0.load(Ordering::SeqCst) {
            0 => Condition::good("a write took 1 ms"),
            1 => Condition::unready("no answer from db-1"),
            _ => Condition::dead("no answer for 60 s"),
        }
    }
}

struct Numbers;

#[async_trait]
impl Figures for Numbers {
    async fn text(&self) -> String {
        "# TYPE loudhailer_up gauge\nloudhailer_up 1\n".into()
    }
}

async fn stage(state: &Arc<AtomicU8>) -> Stage {
    let part = Part(Arc::clone(state));
    let proxies = |settings: http::Settings| settings.trust_proxies(vec!["127.0.0.0/8".parse().unwrap()]);
    Stage::build(proxies, |builder| builder.health(part).figures(Numbers)).await
}

async fn ask(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut get = stage.client().get(stage.url(path));
    for (name, value) in headers {
        get = get.header(*name, *value);
    }
    let response = get.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

const JSON: (&str, &str) = ("accept", "application/json");
const STRANGER: (&str, &str) = ("x-forwarded-for", "203.0.113.9");

#[tokio::test]
async fn strangers_learn_one_word() {
    for (state, healthz, readyz) in [
        (0, (200, "ok\n"), (200, "ready\n")),
        (1, (200, "ok\n"), (503, "not ready\n")),
        (2, (503, "stuck\n"), (503, "not ready\n")),
    ] {
        let stage = stage(&Arc::new(AtomicU8::new(state))).await;
        for headers in [&[STRANGER, JSON][..], &[STRANGER], &[]] {
            let (status, word) = ask(&stage, "/healthz", headers).await;
            assert_eq!((status, &*word), healthz, "{headers:?}");
            let (status, word) = ask(&stage, "/readyz", headers).await;
            assert_eq!((status, &*word), readyz, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn the_machine_itself_and_holders_of_the_right_see_the_parts() {
    let stage = stage(&Arc::new(AtomicU8::new(1))).await;
    for headers in [&[JSON][..], &[STRANGER, JSON, ("authorization", "Bearer k-metrics")]] {
        let (status, body) = ask(&stage, "/readyz", headers).await;
        let expected = r#"{"status":"not ready","parts":[{"part":"database","alive":true,"ready":false,"detail":"no answer from db-1"}]}"#;
        assert_eq!((status, &*body), (503, expected));
    }
    let (_, body) = ask(&stage, "/readyz", &[STRANGER, JSON, ("authorization", "Bearer k-demo")]).await;
    assert_eq!(body, "not ready\n", "a key without the right is a stranger");
}

/// E-08, X-06: figures are for the machine itself and for keys with the right.
#[tokio::test]
async fn metrics_are_not_for_strangers() {
    let stage = stage(&Arc::new(AtomicU8::new(0))).await;
    assert_eq!(ask(&stage, "/metrics", &[]).await.0, 200);
    assert_eq!(ask(&stage, "/metrics", &[STRANGER]).await.0, 401);
    for proxy in ["forwarded", "via", "x-real-ip"] {
        assert_eq!(ask(&stage, "/metrics", &[(proxy, "127.0.0.1")]).await.0, 401, "{proxy}");
    }
    assert_eq!(ask(&stage, "/metrics", &[STRANGER, ("authorization", "Bearer k-demo")]).await.0, 403);
    assert_eq!(ask(&stage, "/metrics", &[STRANGER, ("cookie", "__Host-sid=s-administrator")]).await.0, 401);
    let (status, text) = ask(&stage, "/metrics", &[STRANGER, ("authorization", "Bearer k-metrics")]).await;
    assert_eq!((status, text.ends_with("loudhailer_up 1\n")), (200, true));
}

/// Readiness ends first; what is served meanwhile goes on being served.
#[tokio::test]
async fn a_draining_server_is_not_ready_and_serves_all_the_same() {
    let stage = stage(&Arc::new(AtomicU8::new(0))).await;
    assert_eq!(ask(&stage, "/readyz", &[]).await.0, 200);
    stage.app.drain();
    assert_eq!(ask(&stage, "/readyz", &[]).await, (503, "not ready\n".into()));
    assert_eq!(ask(&stage, "/healthz", &[]).await.0, 200);
    assert_eq!(ask(&stage, "/robots.txt", &[]).await.0, 200);
}
