//! The HTTPS side: doors and pages over the rooms, behind one listener.

use std::sync::Arc;

use console::{Console, ErrorPages, Handsets, Parts};
use crypto::tls::CertResolver;
use http::{App, Door, Doorkeeper, Settings};

use crate::error::Result;
use crate::product::Product;

/// What the pages need besides the rooms.
#[derive(Default)]
pub struct Extras {
    /// The demo's phones.
    pub handsets: Option<Handsets>,
    /// SHA-256 of the certificate.
    pub fingerprint: Option<String>,
}

/// All routes over `product`.
pub fn app(product: &Product, settings: Settings, extras: Extras) -> App {
    let public_url = settings.public_url().to_owned();
    let keeper = Doorkeeper::new(product.identity.clone(), product.db.clone(), product.refusals.clone());
    let console = Console::new(Parts {
        db: product.db.clone(),
        identity: product.identity.clone(),
        resources: product.resources.clone(),
        alerts: product.alerts.clone(),
        oncall: product.oncall.clone(),
        messaging: product.messaging.clone(),
        carriers: product.carriers.clone(),
        flows: product.flows.clone(),
        signals: product.signals.clone(),
        handsets: extras.handsets,
        public_url,
        fingerprint: extras.fingerprint,
    });
    let api = api::Api {
        db: product.db.clone(),
        identity: product.identity.clone(),
        resources: product.resources.clone(),
        alerts: product.alerts.clone(),
        oncall: product.oncall.clone(),
        messaging: product.messaging.clone(),
        flows: product.flows.clone(),
        signals: product.signals.clone(),
    };
    App::builder(settings, Arc::new(keeper), product.db.context().clone())
        .routes(console.routes())
        .routes(api::routes(api))
        .render(Door::Console, ErrorPages)
        .render(Door::Compatible, api::Envelope)
        .ready(product.db.clone())
        .build()
}

/// The TLS side of a listener, from certificate and key in PEM.
pub fn tls(
    cert_pem: &str,
    key_pem: &str,
    client_ca: Option<&str>,
) -> Result<(Arc<CertResolver>, Arc<rustls::ServerConfig>)> {
    let resolver = Arc::new(CertResolver::from_pem(cert_pem, key_pem)?);
    let config = crypto::tls::server_config(Arc::clone(&resolver), client_ca, &[])?;
    Ok((resolver, config))
}
