//! The REST doors: our own API under `/api/v1`, the door for signals, and the SMS API in the shape of 8x8's.
//!
//! Each handler is thin: extract, one use-case call, answer. Rights come in as the handler's first argument (see
//! [`http::Routes`]); every answer is a typed struct of this room, so that what callers hold on to does not change when a
//! room below does. Nothing here holds business rules or sees SQL.
//!
//! | file | what |
//! |---|---|
//! | `alerts`, `signals`, `runs`, `messages`, `groups`, `keys` | our own API of a workspace |
//! | `resources`, `audit` | our own API of the organisation |
//! | `signals` | `POST /signals/{integration}` and the xMatters-shaped alias |
//! | `sms` | `/api/v1/subaccounts/{workspace}/messages` with its own error envelope |

mod alerts;
mod audit;
mod body;
mod groups;
mod keys;
mod messages;
mod resources;
mod runs;
mod signals;
mod sms;
mod time;

use ::alerts::Alerts;
use ::flows::Flows;
use ::identity::Identity;
use ::messaging::Messaging;
use ::oncall::OnCall;
use ::resources::Resources;
use ::signals::Signals;
use http::{Door, Routes};
use store::Db;

pub use sms::Envelope;

/// What the handlers call. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// The store, for use-cases that are plain functions over a transaction.
    pub db: Db,
    /// API keys.
    pub identity: Identity,
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
}

/// Bytes of an imported file of resources at most.
const IMPORT_LIMIT: usize = 20 * 1024 * 1024;

/// Every REST route. Give [`Envelope`] to [`http::Builder::render`] for [`Door::Compatible`].
pub fn routes(api: Api) -> Routes {
    let routes = Routes::new(Door::Signal);
    let routes = signals::doors(routes);
    let routes = sms::routes(routes.door(Door::Compatible));
    let routes = alerts::routes(routes.door(Door::Api));
    let routes = signals::routes(routes);
    let routes = runs::routes(routes);
    let routes = messages::routes(routes);
    let routes = groups::routes(routes);
    let routes = keys::routes(routes);
    let routes = resources::routes(routes);
    audit::routes(routes).with_state(api)
}
