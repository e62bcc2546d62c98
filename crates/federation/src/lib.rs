//! Signing in with an identity elsewhere: providers, their word about a person, the account here that it opens, and the roles
//! that follow from groups.
//!
//! | file | what |
//! |---|---|
//! | `kind`, `rows` | the kind `identity_providers` and its table |
//! | `sign_in` | the kind `sign_in`: whether a provider is the only way in, and the accounts for emergencies |
//! | `flight` | a sign-on under way: ten minutes, one browser, once |
//! | `oidc` | OpenID Connect: code with PKCE, state and nonce, and what the provider's token says |
//! | `saml2` | SAML 2.0: signed requests, signed and encrypted answers, metadata both ways, single log-out |
//! | `assertion` | [`Assertion`]: what any protocol comes to; everything after it is the same for all |
//! | `arrive` | from an assertion to a session: the linked account, or a new one, its roles, the audit; [`Arrival`] is the entry |
//! | `logout` | log-out here that goes on there, and log-out there that ends what is open here |
//! | `links`, `mapping` | which identity is which account; which group gives which role |
//!
//! Another protocol is a new word for `kind`, a module beside `oidc` and `saml2` that ends in an [`Arrival`], and its routes;
//! provisioning by the provider (SCIM) writes `users`, `linked_identities` and `groups` and calls `mapping::settle`.
//!
//! Identity is issuer and subject, never an address: whoever controls a mailbox, or a provider that lets people write their own
//! address, takes nobody's account over. An account that exists is linked by its owner or by an administrator alone.

mod arrive;
mod assertion;
mod error;
mod federation;
mod flight;
mod group_roles;
mod half;
mod kind;
mod links;
mod logout;
mod mapping;
mod naming;
mod oidc;
mod parked;
mod provisioned;
mod rows;
mod saml2;
mod sign_in;

pub use arrive::{Arrival, Arrived};
pub use assertion::Assertion;
pub use error::Error;
pub use federation::{Answered, Begun, Federation, redirect_uri};
pub use flight::Purpose;
pub use group_roles::{GROUP_ROLES, GroupRole, Mapping, check_group_roles, resolve_group_roles};
pub use kind::{PROVIDERS, ProvidersKind};
pub use links::{LinkedIdentity, signs_on};
pub use logout::{Onward, back_channel_uri, signed_out_uri};
pub use naming::check_name_and_label;
pub use provisioned::{Linked, link_provisioned, unlink_provisioned};
pub use rows::{Health, Provider};
pub use saml2::{Addresses, Came, KeyAct, KeyInfo, Left, SAML, SamlState};
pub use sign_in::{SIGN_IN, SignInKind};

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "federation",
    steps: &[
        store::Migration { version: 1, name: "federation", sql: include_str!("../migrations/001_federation.sql") },
        store::Migration { version: 2, name: "sessions", sql: include_str!("../migrations/002_sessions.sql") },
        store::Migration { version: 3, name: "saml", sql: include_str!("../migrations/003_saml.sql") },
    ],
};
