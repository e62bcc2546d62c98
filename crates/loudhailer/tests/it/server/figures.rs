//! `/metrics` of a real server, after real traffic, read by the rules of the format.

use std::collections::BTreeMap;

use testkit::eventually;

use super::Operated;

/// Every sample by its name and labels; panics at whatever Prometheus would not take.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(rest.split_once(' ').is_some_and(|(_, help)| !help.is_empty()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is told twice");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
                let family = name.strip_suffix(suffix)?;
                (kinds.get(family).map(String::as_str) == Some("histogram")).then_some(family)
            });
            assert!(kinds.contains_key(family.unwrap_or(name)), "{line} has no type before it");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} is there twice");
        }
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_move_with_what_happens() {
    let operated = Operated::make(None).await;
    let _server = operated.start(&[]);
    operated.ready().await;
    for number in 0..5 {
        assert!(operated.signal(&format!("F-{number}"), number).await);
    }
    let refused = operated.http.post(format!("{}/signals/none", operated.site.base)).json(&1).send().await.unwrap();
    assert!(refused.status().is_client_error());
    let samples = eventually("five texts are delivered and counted", || async {
        let samples = parse(&operated.text("/metrics").await);
        let sent = samples.get("loudhailer_carrier_parts_total{carrier=\"sim-1\",outcome=\"submitted\"}");
        let ended = samples.get("loudhailer_messages_ended_total{outcome=\"delivered\"}");
        (sent >= Some(&5.0) && ended >= Some(&5.0)).then_some(samples)
    })
    .await;
    let at = |series: &str| *samples.get(series).unwrap_or_else(|| panic!("{series} is in {samples:#?}"));
    assert!(at("loudhailer_signals_accepted_total") >= 5.0);
    assert!(samples.iter().any(|(name, count)| name.starts_with("loudhailer_signals_refused_total{") && *count >= 1.0));
    assert!(at("loudhailer_messages_accepted_total{class=\"alert\",carrier=\"sim-1\"}") >= 5.0);
    assert!(at("loudhailer_alerts{state=\"open\",priority=\"low\"}") >= 5.0);
    assert!(at("loudhailer_carrier_sessions{carrier=\"sim-1\",state=\"bound\"}") > 1.5, "both of them");
    assert!(at("loudhailer_store_commit_duration_seconds_count") > 0.0);
    assert!(at("loudhailer_http_requests_total{door=\"signal\",status=\"2xx\"}") >= 5.0);
    assert!(at("loudhailer_process_resident_memory_bytes") > 1e6);
    assert!(at("loudhailer_process_open_fds") > 3.0);
    assert!(at("loudhailer_tls_certificate_expiry_timestamp_seconds") > 1.7e9);
    assert!(at("loudhailer_store_up") > 0.5);
    assert!(at("loudhailer_store_file_bytes") > 0.0);
    assert!(at("loudhailer_sandbox_tasks_total{outcome=\"done\"}") >= 5.0);
    assert!(at("loudhailer_audit_sealing_lag_seconds") < 60.0);
    assert!(samples.keys().any(|name| name.starts_with("loudhailer_build_info{version=")));
    assert!(!samples.keys().any(|name| name.contains("work\"") || name.contains("7700")), "no workspace, no number");
}
