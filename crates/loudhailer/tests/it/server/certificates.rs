//! certificates are replaced under traffic and no connection notices; a bad one is refused and said to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crypto::tls::{Roots, client_config};
use rustix::process::Signal;
use testkit::eventually;

use super::{Operated, renew, send};

/// Connections that stay open all the time.
const CONNECTIONS: usize = 50;

fn trusting(ca: &str) -> reqwest::Client {
    let tls = client_config(&Roots::Pem(ca.to_owned()), &[b"http/1.1"]).unwrap();
    let builder = reqwest::Client::builder().tls_backend_preconfigured((*tls).clone()).no_proxy();
    builder.pool_max_idle_per_host(1).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn x_21_five_certificates_in_a_row_and_no_connection_is_dropped() {
    let operated = Operated::make(None).await;
    let mut server = operated.start(&[("LOUDHAILER_LOG_LEVEL", "info")]);
    operated.ready().await;
    let first = std::fs::read_to_string(operated.path("ca.pem")).unwrap();
    let url = format!("{}/robots.txt", operated.site.base);
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    // Each has one connection, made under the first certificate: a second one would fail, for its authority is gone.
    let steady: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (client, url) = (trusting(&first), url.clone());
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let answer = client.get(&url).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    answer.bytes().await.unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        })
        .collect();
    eventually("every connection is open", || async {
        (answered.load(Ordering::Relaxed) >= CONNECTIONS as u64 * 2).then_some(())
    })
    .await;
    let mut ca = String::new();
    for _ in 0..5 {
        ca = renew(operated.dir.path());
        send(&server, Signal::HUP);
        eventually("new connections see the new certificate", || async { trusting(&ca).get(&url).send().await.ok() })
            .await;
        assert!(trusting(&first).get(&url).send().await.is_err(), "and not the old one");
    }
    // Half a pair: refused, said, counted; the good one stays.
    std::fs::write(operated.path("server.pem"), &first).unwrap();
    send(&server, Signal::HUP);
    operated.logged("the new certificate was refused; the old one stays in service").await;
    let figures = trusting(&ca).get(format!("{}/metrics", operated.site.base)).send().await.unwrap();
    let figures = figures.text().await.unwrap();
    assert!(figures.contains("loudhailer_tls_certificate_reloads_total{outcome=\"replaced\"} 5\n"), "{figures}");
    assert!(figures.contains("loudhailer_tls_certificate_reloads_total{outcome=\"refused\"} 1\n"), "{figures}");
    over.store(true, Ordering::Relaxed);
    for one in steady {
        one.await.unwrap();
    }
    assert!(server.terminate(Duration::from_secs(50)));
}
