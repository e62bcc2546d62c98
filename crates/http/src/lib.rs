//! The doors of the house: an HTTPS server with limits, and everything that holds for every route, so that no
//! page and no API handler can forget it (controls, E-01).
//!
//! - [`Routes`]: what a room offers. A guarded handler receives its proven right as its first argument.
//! - [`InWorkspace`], [`InOrganisation`], [`SignedIn`], [`Open`]: those first arguments.
//! - [`Json`], [`Form`], [`Query`], [`Path`], [`PageQuery`], [`Raw`], [`events`]: strict readers and live streams.
//! - [`Refusal`], [`Answer`]: every failure is a [`base::Problem`], rendered once by the door's [`Render`].
//! - [`App`], [`Server`]: routes plus [`Settings`] become a running listener.
//! - [`matrix`]: the test that tries each route with each role, none, and a foreign workspace.
//!
//! It does not decide rights (`access`), does not prove who somebody is (`identity`, seen through [`Keeper`]), and knows no
//! business noun.

mod app;
mod body;
mod caller;
mod cookie;
mod csrf;
mod database;
pub mod doc;
mod doorkeeper;
mod events;
mod gate;
mod guard;
mod headers;
mod health;
mod inflate;
mod keeper;
mod leftover;
pub mod matrix;
mod meters;
mod once;
mod origin;
mod packed;
mod probes;
mod rates;
mod read;
mod refusal;
mod reply;
mod routes;
mod server;
mod settings;
mod step_up;

pub use app::{App, Builder};
pub use axum::extract::State;
pub use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
pub use axum::response::sse::Event;
pub use axum::response::{IntoResponse, Response};
pub use body::Raw;
pub use caller::Caller;
pub use cookie::{
    SESSION_COOKIE, begin_sign_on, device, end_half, end_session, end_sign_on, half, remember_device, sign_on,
    start_half, start_session,
};
pub use csrf::CSRF_FIELD;
pub use database::DatabaseHealth;
pub use doorkeeper::Doorkeeper;
pub use events::{Watch, events};
pub use guard::{Guard, InOrganisation, InWorkspace, Open, SignedIn};
pub use headers::{download, download_stream, forms_to};
pub use health::{Condition, Findings, Health};
pub use keeper::{Keeper, LiveSession, Proof, Source, Ways};
pub use meters::METERS;
pub use once::{Attempt, Keeping, Replays};
pub use origin::UrlError;
pub use packed::AsIs;
pub use probes::Figures;
pub use rates::Quota;
pub use read::{Form, Json, PageQuery, Path, Query, form_pairs, parse_json};
pub use refusal::{Answer, Failure, ProblemJson, Refusal, Render, status};
pub use reply::Reply;
pub use routes::{ContentType, Door, Guarded, RouteInfo, Routes, Rule, StepUp, Unguarded};
pub use server::Server;
pub use settings::{Limits, Network, NetworkError, Rates, Settings};
pub use step_up::{Asked, PROOF_FIELDS, STEP_UP};
