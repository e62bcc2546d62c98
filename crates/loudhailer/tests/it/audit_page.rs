//! The audit page from outside: the real server over HTTPS, a reader who is signed in, and a collector that speaks TLS.

use std::path::PathBuf;
use std::process::Command;

use reqwest::Method;
use testkit::{Process, eventually, free_port};

use crate::installation::{Installation, Session};

const RESOURCES: &str = "
workspaces: [{slug: home, environment: development}, {slug: away, environment: development}]
users:
  - {name: Olga Sample, login: olga@example.com, roles: [{role: observer, workspace: home}]}
  - {name: Aino Sample, login: aino@example.com, roles: [{role: auditor, workspace: home}]}
";

/// A collector that is not ours: Python's TLS, which writes down what comes.
const COLLECTOR: &str = "
import socket, ssl, sys
port, cert, key, out = int(sys.argv[1]), *sys.argv[2:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
listener = socket.create_server(('127.0.0.1', port))
print('listening', flush=True)
with open(out, 'ab', buffering=0) as file:
    while True:
        peer, _ = listener.accept()
        try:
            with context.wrap_socket(peer, server_side=True) as stream:
                while octets := stream.recv(65536):
                    file.write(octets)
        except OSError:
            pass
";

async fn exported(who: &Session<'_>, format: &str) -> String {
    let (status, text) = who.form("/w/home/audit/export", &[("place", "everywhere"), ("format", format)]).await;
    assert_eq!(status, 200, "{format}: {text}");
    text
}

/// Filter, search, export in each format, verify now, and the stream: each as the page offers it (E-04, E-31).
#[tokio::test(flavor = "multi_thread")]
async fn e_04_the_log_is_searched_exported_verified_and_streamed() {
    let _alone = crate::ALONE.lock().await;
    let port = free_port();
    let house = Installation::make(&[])
        .with("LOUDHAILER_AUDIT_SYSLOG", format!("localhost:{port}"))
        .with("LOUDHAILER_AUDIT_SYSLOG_CA", "ca.pem");
    house.apply(RESOURCES);
    let taken: PathBuf = house.path("collected");
    let mut collector = Command::new("python3");
    collector.args(["-c", COLLECTOR, &port.to_string()]);
    collector.args([house.path("server.pem"), house.path("server.key"), taken.clone()]);
    let mut collector = Process::start(&mut collector);
    assert_eq!(collector.line().trim(), "listening");
    let link = house.done(&["setup-link", "--config", "loudhailer.toml"]);
    let _server = house.serve().await;
    let ada = house.set_up(&link).await;

    // Filter and search, here and everywhere.
    let rows = async |query: &str| ada.page(&format!("/w/home/audit?{query}")).await.1;
    let all = rows("place=everywhere").await;
    assert!(all.contains("resource.create") && all.contains("type=\"date\"") && all.contains("JSON lines"), "{all}");
    let fits = async |query: &str| !rows(&format!("place=everywhere&{query}")).await.contains("No entry fits.");
    for (query, expected) in [
        ("action=resource.", true),
        ("action=nothing.", false),
        ("who=Ada", true),
        ("who=Nobody+At+All", false),
        ("outcome=success", true),
        ("q=olga%40example.com", false),
        ("q=resource", true),
        ("q=zzzz", false),
        ("target=users", true),
        ("target=pigeons", false),
        ("from=2020-01-01", true),
        ("from=2999-01-01", false),
        ("to=2020-01-01", false),
    ] {
        assert_eq!(fits(query).await, expected, "{query}");
    }
    assert!(rows("from=yesterday").await.contains("A day is written as"), "a day that is none is said");

    // As a file, in each format; the export is written to the log itself.
    let lines = exported(&ada, "jsonl").await;
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.len() > 5 && events.iter().any(|event| event["hash"].is_string()), "{lines}");
    assert!(exported(&ada, "csv").await.lines().next().unwrap().contains("action"));
    assert!(exported(&ada, "cef").await.lines().all(|line| line.starts_with("CEF:0|")));
    let ocsf = exported(&ada, "ocsf").await;
    assert!(
        ocsf.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["class_uid"].is_u64()),
        "{ocsf}"
    );
    assert!(fits("action=audit.export").await);

    // Verify now: the page says how far it is, and then whether it holds.
    assert_eq!(ada.form("/w/home/audit/verify", &[]).await.0, 303);
    eventually("the verdict", || async {
        rows("").await.contains("The audit log is as it was recorded.").then_some(())
    })
    .await;

    // Streamed: framed by octets (RFC 5425), in the order of the chain.
    eventually("the collector has it", || async {
        let text = std::fs::read_to_string(&taken).ok()?;
        (text.contains("sequenceId=\"1\"") && text.contains("resource.create")).then_some(())
    })
    .await;
    let text = std::fs::read_to_string(&taken).unwrap();
    let (length, rest) = text.split_once(' ').unwrap();
    let first = &rest[..length.parse::<usize>().unwrap()];
    assert!(first.starts_with("<110>1 ") && first.contains("loudhailer"), "{first}");
    assert!(rows("").await.contains(&format!("Streamed to localhost:{port}")));

    // Refusals: who may not read it finds no page; who reads one workspace sees nothing of the organisation.
    let olga = house.invited(&ada, "olga@example.com").await;
    for path in ["/w/home/audit", "/w/away/audit"] {
        assert!([403, 404].contains(&olga.status(path).await), "{path}");
    }
    assert!([403, 404].contains(&olga.form("/w/home/audit/export", &[("format", "jsonl")]).await.0));
    assert!([403, 404].contains(&olga.form("/w/home/audit/verify", &[]).await.0));
    let aino = house.invited(&ada, "aino@example.com").await;
    let (status, page) = aino.page("/w/home/audit?place=everywhere").await;
    // What she asked for is not what she sees: no entry of the organisation, no choice of it, and not where it is streamed to.
    assert!(status == 200 && page.contains("access.use"), "{page}");
    for hidden in ["setup_link.", "<option value=\"everywhere\"", "Streamed to"] {
        assert!(!page.contains(hidden), "{hidden}: {page}");
    }
    assert_eq!(aino.status("/w/away/audit").await, 404);
    let asked = aino.request(Method::GET, "/api/v1/audit").send().await.unwrap();
    assert_eq!(asked.status().as_u16(), 403, "the organisation's log by the API");
}
