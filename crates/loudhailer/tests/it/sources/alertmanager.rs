//! Alertmanager, configured as `docs/sources/alertmanager.md` says: the token in a file, not in the address.

use testkit::Alertmanager;

use super::stage::{Stage, block};

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn pages_and_resolves_as_its_guide_says() {
        super::proof().await;
    }
}

async fn proof() {
    let stage = Stage::start("alertmanager", None).await;
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("loudhailer-token");
    std::fs::write(&token, &stage.token).unwrap();
    let config = block("docs/sources/alertmanager.md", "alertmanager.yml")
        .replace("https://alerts.example.com/signals/ID", &stage.url)
        .replace("/etc/prometheus/loudhailer-token", &token.display().to_string())
        .replace("/etc/prometheus/loudhailer-ca.pem", &stage.ca().display().to_string())
        .replace("group_wait: 10s", "group_wait: 0s")
        .replace("group_interval: 1m", "group_interval: 1s");
    let alertmanager = Alertmanager::with(&config).await;
    let labels = ["severity=critical", "instance=shop.example.com"];
    alertmanager.fire("CertificateExpires", &labels, "The certificate of shop.example.com ends in 2 days");
    stage.text(&["The certificate of shop.example.com ends in 2 days"]).await;
    alertmanager.resolve("CertificateExpires", &labels);
    stage.text(&["esolved", "certificate of shop.example.com"]).await;
}
