//! Pages, fragments and live updates: what people see and do in a browser.
//!
//! A page is a template with a typed context; the full page holds the fragment that live updates fetch again. This room has
//! no business rules and no SQL: it asks the rooms below with the reader's [`access::Permit`] and shows what they say.

mod access_page;
mod addresses;
mod alert_page;
mod alerts;
mod answers;
mod api_examples;
mod api_page;
mod api_reading;
mod assets;
mod audit_entry;
mod audit_page;
mod batches_page;
mod callbacks_page;
mod carrier_dialect;
mod carrier_form;
mod carrier_page;
mod carriers_page;
mod certificate_rows;
mod chain;
mod change;
mod compose;
mod config_page;
mod difference;
mod draw;
mod editing;
mod entry_delete;
mod entry_history;
mod entry_page;
mod error_page;
mod exports_page;
mod facts;
mod find;
mod find_hits;
mod flows_page;
mod group_form;
mod group_page;
mod groups_page;
mod handsets;
mod identities_page;
mod import_page;
mod integration_form;
mod integration_page;
mod integrations_page;
mod invite_page;
mod issuer_rules;
mod issuers_page;
mod key_rotation;
mod key_rows;
mod keys;
mod live;
mod mask;
mod meant;
mod menu;
mod message_page;
mod message_words;
mod messages_page;
mod oauth_page;
mod overview;
mod page;
mod password_page;
mod phones;
mod picture;
mod programs_due;
mod provisioning_form;
mod provisioning_page;
mod provisioning_source;
mod qr;
mod reset_page;
mod role_form;
mod route_form;
mod routes_page;
mod rules_page;
mod run_page;
mod runs_page;
mod saml;
mod saml_form;
mod second_stage;
mod security_page;
mod settings;
mod shell;
mod sign_in;
mod signal_page;
mod signals_page;
mod smpp_form;
mod smpp_page;
mod spark;
mod sso;
mod sso_form;
mod sso_page;
mod start;
mod start_acts;
mod start_forms;
mod stay;
mod step_up;
mod styleguide;
#[cfg(test)]
mod testing;
mod unknown_page;
mod user_acts;
mod user_form;
mod user_page;
mod user_security;
mod users_page;
mod webhook_form;
mod webhook_page;
mod webhooks_page;
mod you;
mod zone;
mod zone_choice;

use std::ops::Deref;
use std::sync::Arc;

use access::cap;
use base::{Problem, WorkspaceId};
use http::{Answer, HeaderMap, InWorkspace, Open, Path, Refusal, Response, StatusCode, header};

pub use error_page::ErrorPages;
pub use handsets::Handsets;

/// What the pages ask.
pub struct Parts {
    /// The database, for workspaces and live updates.
    pub db: store::Db,
    /// Who may come in.
    pub identity: identity::Identity,
    /// Letters by e-mail.
    pub mail: mail::Mail,
    /// Signing in with identities elsewhere.
    pub federation: federation::Federation,
    /// People whom directories keep.
    pub scim: scim::Scim,
    /// What people configure.
    pub resources: resources::Resources,
    /// Alerts.
    pub alerts: ::alerts::Alerts,
    /// Who is on call.
    pub oncall: oncall::OnCall,
    /// Texts.
    pub messaging: messaging::Messaging,
    /// Callbacks to applications.
    pub webhooks: webhooks::Webhooks,
    /// The body of a test callback: workspace and time. The shape is the API's.
    pub webhook_test: fn(&str, base::Timestamp) -> Vec<u8>,
    /// Southbound connections.
    pub carriers: carriers::Carriers,
    /// Applications that bind by SMPP.
    pub smppd: smppd::Smppd,
    /// Runs.
    pub flows: flows::Flows,
    /// Inbound requests.
    pub signals: signals::Signals,
    /// The demo's phones.
    pub handsets: Option<Handsets>,
    /// Where links lead, without a trailing slash.
    pub public_url: String,
    /// SHA-256 of the certificate, for comparing with the terminal.
    pub fingerprint: Option<String>,
}

/// The console. Cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// One for all readers: a verification reads the whole log.
    verifier: audit::Verifier,
}

impl Deref for Console {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

impl Console {
    /// The console over its parts.
    pub fn new(parts: Parts) -> Self {
        let verifier = audit::Verifier::new(parts.db.clone());
        Self(Arc::new(Inner { parts, verifier }))
    }

    pub(crate) fn verifier(&self) -> &audit::Verifier {
        &self.0.verifier
    }

    /// The chain of `alert` with its signal and run, as far as this reader may see them.
    pub(crate) async fn chain<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        alert: &::alerts::Alert,
    ) -> Answer<chain::View> {
        let read = guard.also::<cap::AlertsRead>().ok_or_else(Refusal::not_found)?;
        let chain = self.alerts.chain(read, alert.id).await?.ok_or_else(Refusal::not_found)?;
        let signal = match (chain.signal, guard.also::<cap::SignalsRead>()) {
            (Some(id), Some(permit)) => self.signals.get(&permit, id).await?.map(|found| chain::SignalFacts {
                id: Some(id),
                integration: found.activity.integration_name.unwrap_or_else(|| "deleted integration".into()),
                at: Some(found.activity.at),
                took: Some(found.activity.took),
            }),
            _ => None,
        };
        let run = match (chain.run, guard.also::<cap::RunsRead>()) {
            (Some(id), Some(permit)) => self.flows.run(&permit, id).await?.map(|found| chain::RunFacts {
                id: Some(id),
                flow: found.run.flow_name,
                version: found.run.version,
                at: Some(found.run.started),
                steps: (found.steps.len(), found.steps.len()),
            }),
            _ => None,
        };
        let messages = guard.may(access::Capability::MessagesRead);
        Ok(chain::View::new(alert, &chain, signal, run, messages.then(|| format!("/w/{}", guard.name())).as_deref()))
    }

    pub(crate) async fn workspaces(&self) -> Answer<Vec<access::Workspace>> {
        Ok(self.db.read(access::workspaces).await?)
    }

    pub(crate) async fn workspace(&self, id: WorkspaceId) -> Answer<access::Workspace> {
        self.workspaces().await?.into_iter().find(|workspace| workspace.id == id).ok_or_else(Refusal::not_found)
    }
}

/// An embedded file; a browser keeps it for a year, since its name changes with its content.
async fn asset(_: Open, headers: HeaderMap, Path(name): Path<String>) -> Answer<Response> {
    let asset = assets::find(&name).ok_or_else(Refusal::not_found)?;
    let (coding, bytes) = asset.coded(headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()));
    let mut response = Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, asset.media_type)
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .header(header::VARY, "Accept-Encoding");
    if let Some(coding) = coding {
        response = response.header(header::CONTENT_ENCODING, coding);
    }
    response.body(axum::body::Body::from(bytes)).map_err(|error| Refusal::new(Problem::internal()).because(error))
}
