//! The REST doors: our own API under `/api/v1`, the door for signals, and the SMS API in the shape of 8x8's.
//!
//! Each handler is thin: extract, one use-case call, answer. Rights come in as the handler's first argument (see
//! [`http::Routes`]); every answer is a typed struct of this room, so that what callers hold on to does not change when a
//! room below does. Nothing here holds business rules or sees SQL.
//!
//! | file | what |
//! |---|---|
//! | `alerts`, `activity`, `integrations`, `webhooks`, `runs`, `messages`, `routing`, `groups`, `keys`, `smpp` | our own API of a workspace |
//! | `people`, `sessions`, `factors`, `resources`, `audit`, `access` | our own API of the organisation |
//! | `scim`, `scim_admin`, `scim_error` | directories at their own door, and what administrators do about them |
//! | `signals` | `POST /signals/{integration}` and the xMatters-shaped alias |
//! | `sms` | `/api/v1/subaccounts/{workspace}/messages` with its own error envelope |
//! | `tag`, `words` | chapters and words of the OpenAPI document |
//!
//! Each route is declared with its [`http::doc::Doc`], and what it writes or reads has a schema; the document is made of
//! that, and a test holds it against what is served.

mod access;
mod activity;
mod alerts;
mod audit;
mod batches;
mod body;
mod factors;
mod groups;
mod integrations;
mod keys;
mod messages;
mod oauth;
mod oauth_clients;
mod people;
mod preview;
mod resources;
mod rotation;
mod routing;
mod runs;
mod scim;
mod scim_admin;
mod scim_error;
mod scim_said;
mod sessions;
mod signals;
mod smpp;
mod sms;
mod tag;
mod time;
mod unknown;
mod webhooks;
mod words;

use ::alerts::Alerts;
use ::flows::Flows;
use ::identity::Identity;
use ::mail::Mail;
use ::messaging::Messaging;
use ::oncall::OnCall;
use ::resources::Resources;
use ::signals::Signals;
use ::smppd::Smppd;
use ::webhooks::Webhooks;
use http::{Door, Routes};
use store::Db;

pub use scim::{Provisioning, provisioning_routes};
pub use scim_error::ScimErrors;
pub use sms::{Envelope, LINES, SubAccounts};

/// What applications are told, in that API's shape: for whoever writes callbacks down.
pub mod callbacks {
    pub use crate::sms::callback::{INBOUND, RECEIPT, inbound, receipt, test};
}

/// What the handlers call. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// The store, for use-cases that are plain functions over a transaction.
    pub db: Db,
    /// People and API keys.
    pub identity: Identity,
    /// Letters by e-mail.
    pub mail: Mail,
    /// Configuration.
    pub resources: Resources,
    /// Inbound signals.
    pub signals: Signals,
    /// Runs.
    pub flows: Flows,
    /// Alerts.
    pub alerts: Alerts,
    /// Who is on call.
    pub oncall: OnCall,
    /// Text messages.
    pub messaging: Messaging,
    /// Applications that bind by SMPP.
    pub smppd: Smppd,
    /// Callbacks to applications.
    pub webhooks: Webhooks,
    /// What workspaces set for applications that send.
    pub sub_accounts: SubAccounts,
    /// The address under which programs reach this server, without a slash at its end.
    pub public_url: String,
}

/// Bytes of an imported file of resources at most.
const IMPORT_LIMIT: usize = 20 * 1024 * 1024;

/// What the document says about the whole; give it to [`http::Builder::overview`].
pub fn overview() -> http::doc::Overview {
    http::doc::Overview { tags: tag::ALL.to_vec(), text: tag::OVERVIEW }
}

/// Every REST route. Give [`Envelope`] to [`http::Builder::render`] for [`Door::Compatible`].
pub fn routes(api: Api) -> Routes {
    let routes = Routes::new(Door::Signal);
    let routes = signals::doors(routes);
    let routes = sms::routes(routes.door(Door::Compatible));
    let routes = alerts::routes(routes.door(Door::Api));
    let routes = activity::routes(routes);
    let routes = integrations::routes(routes);
    let routes = runs::routes(routes);
    let routes = preview::routes(routes);
    let routes = batches::routes(routes);
    let routes = messages::routes(routes);
    let routes = unknown::routes(routes);
    let routes = webhooks::routes(routes);
    let routes = routing::routes(routes);
    let routes = groups::routes(routes);
    let routes = keys::routes(routes);
    let routes = people::routes(routes);
    let routes = sessions::routes(routes);
    let routes = factors::routes(routes);
    let routes = oauth_clients::routes(routes);
    let routes = smpp::routes(routes);
    let routes = resources::routes(routes);
    let routes = audit::routes(routes);
    let routes = access::routes(routes);
    oauth::routes(routes).with_state(api)
}
