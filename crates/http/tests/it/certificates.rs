//! Certificates of programs at the doors, and those that a browser shows by itself.

use base::ExposeSecret as _;
use crypto::tls::{Clients, Roots, SelfSigned, client_config_with_identity};

use crate::stage::{Stage, context};

/// A browser shows a certificate that it has to whoever asks, also when a page of a stranger made the request: it proves no program,
/// neither at the doors for signals nor at any other.
#[tokio::test]
async fn x_22_a_browsers_certificate_proves_nobody_at_any_door() {
    crypto::install_default_provider();
    let program = SelfSigned::generate(&["app".into()], &context()).unwrap();
    let stage = Stage::asking(Clients::Asked(&program.ca_pem), |settings| settings, |builder| builder).await;
    let roots = Roots::Pem(stage.ca.clone());
    let tls = client_config_with_identity(&roots, &[b"http/1.1"], &program.cert_pem, program.key_pem.expose_secret())
        .unwrap();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured((*tls).clone())
        .no_proxy()
        .resolve("localhost", stage.address)
        .build()
        .unwrap();
    let seen = async |header: Option<(&str, &str)>| {
        let mut request = client.get(stage.url("/certificate"));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(seen(None).await, "shown");
    assert_eq!(seen(Some(("user-agent", "app/1"))).await, "shown");
    for by_browser in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")]
    {
        assert_eq!(seen(Some(by_browser)).await, "none", "{by_browser:?}");
    }
    let bare = stage.client().get(stage.url("/certificate")).send().await.unwrap().text().await.unwrap();
    assert_eq!(bare, "none");
}
