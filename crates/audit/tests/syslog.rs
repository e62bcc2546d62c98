//! The stream to a collector that is not ours: rsyslog of the distribution, over TLS with certificates on both sides. It is
//! stopped, entries come in, it is started again: it has all of them, and the log's own acts never waited.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use access::{Actor, Engine, OrganisationPermit, cap};
use audit::{Entry, Format, Outcome, Sealer, Shipper, Target};
use base::{Context, ExposeSecret as _, SystemClock};
use crypto::OsChance;
use crypto::tls::{Roots, SelfSigned};
use store::{Db, Options};
use tokio_util::sync::CancellationToken;

struct Collector {
    home: PathBuf,
    port: u16,
    running: Option<Child>,
}

impl Collector {
    fn start(&mut self) {
        let child = Command::new("/usr/sbin/rsyslogd")
            .args(["-n", "-iNONE", "-f"])
            .arg(self.home.join("rsyslog.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rsyslogd is installed by scripts/install-test-tools");
        self.running = Some(child);
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.home.join("got.log")).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop();
    }
}

fn collector(home: &Path, ours: &SelfSigned, theirs: &SelfSigned) -> Collector {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::write(home.join("client-ca.pem"), &ours.ca_pem).unwrap();
    std::fs::write(home.join("cert.pem"), &theirs.cert_pem).unwrap();
    std::fs::write(home.join("key.pem"), theirs.key_pem.expose_secret()).unwrap();
    let here = home.display();
    let conf = format!(
        "global(workDirectory=\"{here}\" defaultNetstreamDriverCAFile=\"{here}/client-ca.pem\"\n\
           defaultNetstreamDriverCertFile=\"{here}/cert.pem\" defaultNetstreamDriverKeyFile=\"{here}/key.pem\")\n\
         module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"x509/certvalid\")\n\
         template(name=\"raw\" type=\"string\" string=\"%pri% %app-name% %msgid% %structured-data% %msg%\\n\")\n\
         input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\")\n\
         action(type=\"omfile\" file=\"{here}/got.log\" template=\"raw\")\n"
    );
    std::fs::write(home.join("rsyslog.conf"), conf).unwrap();
    Collector { home: home.to_owned(), port, running: None }
}

async fn record(db: &Db, count: usize, word: &'static str) {
    db.write(move |tx| {
        for at in 0..count {
            let actor = Actor::engine("tests");
            let target = format!("{word}-{at}");
            let entry = Entry {
                actor: &actor,
                workspace: None,
                action: "alert.acknowledge",
                target: ("alert", &target),
                outcome: Outcome::Success,
                reason: Some("with \"quotes\" ] and a \\ backslash"),
                changes: None,
            };
            audit::record(tx, entry)?;
        }
        Ok::<_, audit::Error>(())
    })
    .await
    .unwrap();
}

async fn until(within: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < within, "{what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn targets(lines: &[String], word: &str) -> BTreeSet<String> {
    let found = lines.iter().filter_map(|line| {
        let event: serde_json::Value = serde_json::from_str(&line[line.find("{\"")?..]).ok()?;
        Some(event["target"]["id"].as_str()?.to_owned())
    });
    found.filter(|id| id.starts_with(word)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_collector_gets_every_entry_also_across_its_own_stop() {
    crypto::install_default_provider();
    let dir = tempfile::tempdir().unwrap();
    let context = Context::new(Arc::new(SystemClock), Arc::new(OsChance));
    let (ours, theirs) = (
        SelfSigned::generate(&["loudhailer".into()], &context).unwrap(),
        SelfSigned::generate(&["localhost".into()], &context).unwrap(),
    );
    let mut collector = collector(dir.path(), &ours, &theirs);
    let database = testdb::sqlite_url();
    let db = Db::open(Options::new(database.url().clone()), context).await.unwrap();
    db.migrate(&[access::MIGRATIONS, audit::MIGRATIONS]).await.unwrap();

    let stop = CancellationToken::new();
    let sealer = tokio::spawn(Sealer::new(db.clone()).run(stop.clone()));
    let (roots, cert, key) = (theirs.ca_pem.clone(), ours.cert_pem.clone(), ours.key_pem.expose_secret().to_owned());
    let read = move || Ok((Roots::Pem(roots.clone()), Some((cert.clone(), key.clone()))));
    let target = Target::new(&format!("localhost:{}", collector.port), "host1", read).unwrap();
    let shipper = tokio::spawn(Shipper::new(db.clone(), target, Format::JsonLines).run(stop.clone()));
    let permit: OrganisationPermit<cap::AuditRead> = OrganisationPermit::engine(Engine("tests"));
    let streaming = async || {
        let permit = permit.clone();
        db.read(move |tx| audit::streaming(tx, &permit)).await.unwrap()
    };

    // Nobody listens yet: the act is done all the same, and the page says what is wrong.
    record(&db, 3, "early").await;
    until(Duration::from_secs(30), "the failure is said", async || {
        streaming().await.is_some_and(|said| said.failure.is_some() && said.behind >= 3)
    })
    .await;

    collector.start();
    until(Duration::from_secs(90), "what waited arrives", async || targets(&collector.lines(), "early").len() == 3)
        .await;
    let first = collector.lines().remove(0);
    assert!(first.starts_with("110 loudhailer alert.acknowledge [meta sequenceId=\"1\"][origin software="), "{first}");
    assert!(first.contains("with \\\"quotes\\\" ] and a \\\\ backslash"), "{first}");

    // While the collector is gone entries come in; after its return none is missing.
    collector.stop();
    record(&db, 40, "while").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    collector.start();
    until(Duration::from_mins(2), "nothing is lost", async || targets(&collector.lines(), "while").len() == 40).await;
    until(Duration::from_secs(90), "what arrived counts as delivered", async || {
        streaming().await.is_some_and(|said| said.behind == 0 && said.failure.is_none())
    })
    .await;
    stop.cancel();
    shipper.await.unwrap();
    sealer.await.unwrap();
    db.close().await;
}
