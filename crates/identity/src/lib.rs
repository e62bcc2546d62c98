//! How a principal proves itself: set-up and invitation links, passwords with lock-out, second factors and passkeys, sessions, API keys,
//! OAuth clients with their tokens, client certificates and short-lived administrator tokens; and the kinds `users`, `api_keys`,
//! `oauth_clients`, `token_issuers`, `sign_in_rules`.
//!
//! This room proves who somebody is and hands out [`access::Grants`]; what they may do is decided in `access`. A
//! password never appears in a resource. Cookies and headers are the business of `http`.

mod account;
mod admin_token;
mod api_key;
mod api_keys_kind;
mod assertion;
mod authenticator;
mod bearer;
mod blocklist;
mod cache;
mod certificates;
mod challenge;
mod change;
mod cidr;
mod device;
mod directory;
mod error;
mod expiry;
mod factors;
mod fields;
mod gate;
mod half_way;
mod identity;
mod import;
mod issued_token;
mod key_rotation;
mod letters;
mod link;
mod lockout;
mod login;
mod oauth;
mod oauth_client;
mod oauth_clients_kind;
mod oauth_error;
mod passkey;
mod password;
mod people;
mod preferences;
mod recovery;
mod reset;
mod rights;
mod roles_kind;
mod session;
mod sessions;
mod sign_in_rules;
mod step_up;
mod throttle;
mod token_issuers_kind;
mod users_kind;
mod vouched;
mod ways;

pub use admin_token::AdminToken;
pub use api_key::{ApiKeyInfo, DUE_WITHIN, KeyState, Retiring};
pub use api_keys_kind::ApiKeysKind;
pub use assertion::Assertion;
pub use authenticator::AuthenticatorSecret;
pub use certificates::{
    CERTIFICATE_DUE, CertificateOwner, CertificateRule, MOST_CERTIFICATES, MappedCertificate, RuleError,
    certificate_fits, certificate_used, check_certificates, check_credential, check_new_certificates,
    forget_certificates, set_certificates,
};
pub use change::PasswordChange;
pub use cidr::{Cidr, CidrError};
pub use directory::{
    by_login, directory_of, fold_login, is_break_glass, release_directory, set_directory, workspace_of,
};
pub use error::Error;
pub use factors::{Enrolled, Factors, Going, NewFactor, Offer, Proof, Ways};
pub use half_way::{Entered, HalfWay, Needs, Proven};
pub use identity::{Caller, Identity, Options, SignsOn};
pub use import::{ImportRow, Imported};
pub use issued_token::TokenIssuerInfo;
pub use issuers::Known as IssuerKnown;
pub use key_rotation::{KeyRotation, LONGEST_OVERLAP, RotatedKey, USUAL_OVERLAP};
pub use link::{Link, SetUp, stand_in};
pub use login::{LogIn, LoggedIn};
pub use oauth::{ClientCredentials, IssuedToken, TokenRequest};
pub use oauth_client::{Audience, ClientProof, OauthClientInfo};
pub use oauth_clients_kind::OauthClientsKind;
pub use oauth_error::OauthRefusal;
pub use passkey::PasskeyInfo;
pub use people::{PeopleFilter, PersonInfo, Standing};
pub use preferences::Preferences;
pub use rights::{Holder, HolderKind, RoleRow, Way, roles, what_can, who_can};
pub use roles_kind::RolesKind;
pub use session::Session;
pub use sessions::SessionInfo;
pub use sign_in_rules::{CharacterClass, SignInRules, SignInRulesKind};
pub use token_issuers_kind::{Rule as IssuerRule, TokenIssuersKind};
pub use users_kind::{DeviceSpec, NoHooks, PeopleHooks, PersonSpec, UsersKind};
pub use vouched::{EndedThere, HINT, Kept, Vouched};
pub use ways::{
    break_glass_used, end_everything_of, has_own_way, has_password, is_enabled, is_time_zone, login_taken, only_way,
    set_only_way,
};

/// The tables of this room.
pub const MIGRATIONS: store::Migrations = store::Migrations {
    room: "identity",
    steps: &[
        store::Migration { version: 1, name: "identity", sql: include_str!("../migrations/001_identity.sql") },
        store::Migration { version: 2, name: "token_use", sql: include_str!("../migrations/002_token_use.sql") },
        store::Migration { version: 3, name: "preferences", sql: include_str!("../migrations/003_preferences.sql") },
        store::Migration { version: 4, name: "people", sql: include_str!("../migrations/004_people.sql") },
        store::Migration { version: 5, name: "factors", sql: include_str!("../migrations/005_factors.sql") },
        store::Migration { version: 6, name: "programs", sql: include_str!("../migrations/006_programs.sql") },
        store::Migration { version: 7, name: "sign_in", sql: include_str!("../migrations/007_sign_in.sql") },
        store::Migration {
            version: 8,
            name: "sign_in_rules",
            sql: include_str!("../migrations/008_sign_in_rules.sql"),
        },
        store::Migration { version: 9, name: "proofs", sql: include_str!("../migrations/009_proofs.sql") },
        store::Migration { version: 10, name: "vouched", sql: include_str!("../migrations/010_vouched.sql") },
        store::Migration { version: 11, name: "directory", sql: include_str!("../migrations/011_directory.sql") },
    ],
};
