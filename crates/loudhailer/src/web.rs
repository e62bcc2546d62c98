//! The HTTPS side: doors and pages over the rooms, behind one listener.

use std::net::SocketAddr;
use std::sync::Arc;

use console::{Console, ErrorPages, Handsets, Parts};
use crypto::tls::{CertResolver, Clients};
use http::{App, Door, Doorkeeper, Settings};

use crate::certificates::{self, Certificates};
use crate::config::Smpp;
use crate::error::{Error, Result};
use crate::figures::AllFigures;
use crate::health;
use crate::product::Product;

/// What the pages need besides the rooms.
#[derive(Default)]
pub struct Extras {
    /// The demo's phones.
    pub handsets: Option<Handsets>,
    /// SHA-256 of the certificate.
    pub fingerprint: Option<String>,
    /// The certificate, when it follows its files.
    pub certificates: Option<Arc<Certificates>>,
}

/// All routes over `product`.
pub fn app(product: &Product, settings: Settings, extras: Extras) -> App {
    let public_url = settings.public_url().to_owned();
    product.identity.served_at(&public_url);
    let keeper = Doorkeeper::new(product.identity.clone(), product.db.clone(), product.refusals.clone());
    let console = Console::new(Parts {
        db: product.db.clone(),
        identity: product.identity.clone(),
        mail: product.mail.clone(),
        federation: product.federation.clone(),
        scim: product.scim.clone(),
        resources: product.resources.clone(),
        alerts: product.alerts.clone(),
        oncall: product.oncall.clone(),
        messaging: product.messaging.clone(),
        webhooks: product.webhooks.clone(),
        webhook_test: api::callbacks::test,
        carriers: product.carriers.clone(),
        smppd: product.smppd.clone(),
        flows: product.flows.clone(),
        signals: product.signals.clone(),
        handsets: extras.handsets,
        public_url: public_url.clone(),
        fingerprint: extras.fingerprint,
    });
    let provisioning = api::Provisioning { scim: product.scim.clone(), public_url: public_url.clone() };
    let api = api::Api {
        db: product.db.clone(),
        identity: product.identity.clone(),
        mail: product.mail.clone(),
        resources: product.resources.clone(),
        alerts: product.alerts.clone(),
        oncall: product.oncall.clone(),
        messaging: product.messaging.clone(),
        smppd: product.smppd.clone(),
        webhooks: product.webhooks.clone(),
        flows: product.flows.clone(),
        signals: product.signals.clone(),
        sub_accounts: api::SubAccounts::new(product.db.clone()),
        public_url,
    };
    let builder = App::builder(settings, Arc::new(keeper), product.db.context().clone())
        .routes(console.routes())
        .routes(api::routes(api))
        .routes(api::provisioning_routes(provisioning))
        .render(Door::Console, ErrorPages)
        .render(Door::Scim, api::ScimErrors)
        .render(Door::Compatible, api::Envelope)
        .replays(product.replays())
        .overview(api::overview())
        .health(http::DatabaseHealth::new(product.db.clone()))
        .health(health::Carriers(product.carriers.clone()))
        .health(health::Templates(product.sandbox.clone()))
        .figures(AllFigures::new(product.clone()));
    let builder = match extras.certificates {
        Some(certificates) => builder.health(health::Shared(certificates)),
        None => builder,
    };
    builder.build()
}

/// The TLS side of a listener, from certificate and key in PEM.
pub fn tls(
    cert_pem: &str,
    key_pem: &str,
    clients: Clients<'_>,
) -> Result<(Arc<CertResolver>, Arc<rustls::ServerConfig>)> {
    let resolver = Arc::new(CertResolver::from_pem(cert_pem, key_pem)?);
    certificates::show_end(&resolver);
    let config = tls_of(Arc::clone(&resolver), clients)?;
    Ok((resolver, config))
}

/// The TLS side of a listener whose certificate `resolver` has.
pub fn tls_of(resolver: Arc<CertResolver>, clients: Clients<'_>) -> Result<Arc<rustls::ServerConfig>> {
    Ok(crypto::tls::server_config(resolver, clients, &[])?)
}

/// The listeners for applications that bind by SMPP, with the certificate of the HTTPS listener, which reloads for both.
///
/// # Errors
/// When an address cannot be listened on.
pub async fn smpp_listeners(
    config: &Smpp,
    resolver: Arc<CertResolver>,
    clients: Clients<'_>,
) -> Result<Vec<smppd::Listener>> {
    let mut listeners = Vec::new();
    if let Some(address) = config.listen_tls {
        let tls = crypto::tls::server_config(resolver, clients, &[])?;
        listeners.push(smpp_listener(address, "listen_tls", smppd::Security::Tls(tls)).await?);
    }
    if let Some(address) = config.listen_plain {
        tracing::warn!(%address, "SMPP in clear text: passwords and texts can be read on the way");
        listeners.push(smpp_listener(address, "listen_plain", smppd::Security::Plaintext).await?);
    }
    Ok(listeners)
}

async fn smpp_listener(address: SocketAddr, key: &str, security: smppd::Security) -> Result<smppd::Listener> {
    smppd::Listener::bind(address, security).await.map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Error::told(format!("cannot listen on {address} (smpp.{key}): {why}; choose another address, or \"off\""))
    })
}
