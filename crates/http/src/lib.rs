//! The doors of the house: an HTTPS server with limits, and everything that holds for every route, so that no
//! page and no API handler can forget it (controls, E-01).
//!
//! - [`Routes`]: what a room offers. A guarded handler receives its proven right as its first argument.
//! - [`InWorkspace`], [`InOrganisation`], [`SignedIn`], [`Open`]: those first arguments.
//! - [`Json`], [`Form`], [`Query`], [`PageQuery`], [`events`]: strict readers and live streams.
//! - [`Refusal`], [`Answer`]: every failure is a [`base::Problem`], rendered once by the door's [`Render`].
//! - [`Service`], [`Server`]: routes plus [`Settings`] become a running listener.
//! - [`matrix`]: the test that tries each route with each role, none, and a foreign workspace.
//!
//! It does not decide rights (`access`), does not prove who somebody is (`identity`), and knows no business noun.

mod guard;
mod routes;

pub use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use axum::response::{IntoResponse, Response};
pub use guard::{Guard, InOrganisation, InWorkspace, Open, SignedIn};
pub use routes::{ContentType, Door, Guarded, RouteInfo, Routes, Rule, Unguarded};
