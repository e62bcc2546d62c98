//! The two kinds that hold the others: workspaces, and the organisation's settings.

use access::{Capability, Environment, Slug};
use base::WorkspaceId;
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::check::Check;
use crate::field::{Class, Field, Shape};
use crate::kind::{Kind, KindScope, Projection, TypedKind, typed};
use crate::{Error, rows};

/// The name of the kind that all workspace kinds live in.
pub(crate) const WORKSPACES: &str = "workspaces";
const SETTINGS: &str = "settings";

/// The kinds of this room.
pub(crate) fn kinds() -> Vec<Box<dyn Kind>> {
    vec![typed(Workspaces), typed(SettingsKind)]
}

/// Workspaces: the unit of separation, with its environment.
struct Workspaces;

#[derive(Serialize, Deserialize)]
struct Workspace {
    slug: String,
    environment: Environment,
    #[serde(default)]
    name: String,
    #[serde(default = "utc")]
    time_zone: String,
    #[serde(default)]
    controlled: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    truncate_long_texts: bool,
    #[serde(default = "requests", skip_serializing_if = "is_requests")]
    requests_per_second: u32,
}

/// Requests a second to the SMS API, as the API that ours is compatible with has it for one of its sub-accounts.
const REQUESTS: u32 = 1_800;

const fn requests() -> u32 {
    REQUESTS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_requests(requests: &u32) -> bool {
    *requests == REQUESTS
}

fn utc() -> String {
    "Etc/UTC".to_owned()
}

impl TypedKind for Workspaces {
    type Body = Workspace;
    const NAME: &'static str = WORKSPACES;
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::WorkspaceWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("slug", Class::Internal, Shape::Text)
            .required()
            .about("how addresses and the SMS API (subAccountId) name it, for ever"),
        Field::new("environment", Class::Internal, Shape::Choice(&["development", "qa", "production"]))
            .required()
            .about("development reaches simulated carriers only"),
        Field::new("name", Class::Internal, Shape::Text).about("how pages call it"),
        Field::new("time_zone", Class::Internal, Shape::Text).about("an IANA name such as Europe/Zurich"),
        Field::new("controlled", Class::Internal, Shape::Boolean)
            .about("whether changes in production want the reference of an approved change"),
        Field::new("truncate_long_texts", Class::Internal, Shape::Boolean)
            .about("whether texts of more than ten parts are cut to ten and sent, rather than refused"),
        Field::new("requests_per_second", Class::Internal, Shape::Integer(1, 1_000_000))
            .about("requests to the SMS API a second; 1800 by default"),
    ];

    fn key(&self, body: &Workspace) -> String {
        body.slug.clone()
    }

    fn validate(&self, body: &Workspace, check: &mut Check<'_, '_>) -> Result<(), Error> {
        if let Err(error) = body.slug.parse::<Slug>() {
            check.problem("slug", "bad-slug", error.to_string());
        }
        if jiff::tz::TimeZone::get(&body.time_zone).is_err() {
            check.problem(
                "time_zone",
                "no-such-time-zone",
                "an IANA name such as Europe/Zurich or Etc/UTC is expected",
            );
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, Workspace>) -> Result<(), Error> {
        let id: WorkspaceId = change.id();
        match change.new {
            Some(new) => access::put_workspace(
                tx,
                &access::Workspace {
                    id,
                    slug: new.slug.parse().map_err(|_| Error::invalid("slug", "bad-slug", "this is no slug"))?,
                    environment: new.environment,
                    name: if new.name.is_empty() { new.slug.clone() } else { new.name.clone() },
                    time_zone: new.time_zone.clone(),
                    controlled: new.controlled,
                },
                change.now,
            )?,
            None => {
                access::archive_workspace(tx, id, change.now)?;
            }
        }
        Ok(())
    }
}

/// The environment of a workspace and whether it is controlled, as stored.
pub(crate) fn control(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<Option<(Environment, bool)>, Error> {
    let stored = rows::by_id(tx, WORKSPACES, base::ResourceId::from(id.uuid()))?;
    stored
        .map(|stored| Workspace::deserialize(&stored.body).map_err(Error::body))
        .transpose()
        .map(|body| body.map(|body| (body.environment, body.controlled)))
}

/// What a workspace sets for applications that send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmsSettings {
    /// Whether texts of more than ten parts are cut to ten and sent, rather than refused.
    pub truncate_long_texts: bool,
    /// Requests to the SMS API a second.
    pub requests_per_second: u32,
}

impl Default for SmsSettings {
    fn default() -> Self {
        Self { truncate_long_texts: false, requests_per_second: REQUESTS }
    }
}

/// What the workspace sets for applications, as it is now.
pub fn sms_settings(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<SmsSettings, Error> {
    let Some(stored) = rows::by_id(tx, WORKSPACES, base::ResourceId::from(id.uuid()))? else {
        return Ok(SmsSettings::default());
    };
    let body = Workspace::deserialize(&stored.body).map_err(Error::body)?;
    Ok(SmsSettings {
        truncate_long_texts: body.truncate_long_texts,
        requests_per_second: body.requests_per_second.max(1),
    })
}

/// What the organisation sets for everybody. One entry at most; without it the defaults hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Minutes without a request after which a session ends: 5 to 60 (control X-17).
    #[serde(default = "default_idle")]
    pub session_idle_minutes: u32,
    /// Sessions of one person at a time: 1 to 100; the oldest end.
    #[serde(default = "default_sessions")]
    pub sessions_per_person: u32,
    /// Minutes for which a proof is fresh enough for what is risky: 1 to 15.
    #[serde(default = "default_step_up")]
    pub step_up_minutes: u32,
    /// Names of the roles that must have a second factor; who has such a role and none sets one up at the next log-in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub second_factor_for: Vec<String>,
    /// Whether the code before the present one is taken too, for phones whose clock is behind. Deviates from ASVS 6.5.5.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code_one_step_back: bool,
}

const fn default_idle() -> u32 {
    30
}

const fn default_sessions() -> u32 {
    10
}

const fn default_step_up() -> u32 {
    5
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_idle_minutes: default_idle(),
            sessions_per_person: default_sessions(),
            step_up_minutes: default_step_up(),
            second_factor_for: Vec::new(),
            code_one_step_back: false,
        }
    }
}

/// The settings as they are now.
pub fn settings(tx: &mut Tx<'_>) -> Result<Settings, Error> {
    match rows::find(tx, SETTINGS, None, ONLY)? {
        Some(stored) => Settings::deserialize(&stored.body).map_err(Error::body),
        None => Ok(Settings::default()),
    }
}

/// The key of the one entry.
const ONLY: &str = "organisation";

struct SettingsKind;

impl TypedKind for SettingsKind {
    type Body = Settings;
    const NAME: &'static str = SETTINGS;
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::WorkspaceWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("session_idle_minutes", Class::Internal, Shape::Integer(5, 60))
            .about("minutes without a request after which a session ends"),
        Field::new("sessions_per_person", Class::Internal, Shape::Integer(1, 100))
            .about("sessions of one person at a time; with one more the oldest ends; 10 unless said"),
        Field::new("step_up_minutes", Class::Internal, Shape::Integer(1, 15))
            .about("minutes after a proof in which nobody is asked for another before something risky; 5 unless said"),
        Field::new("second_factor_for", Class::Internal, Shape::List(&Shape::Text)).about(
            "roles that must have a second factor; who has one of them and no factor sets one up at the next log-in",
        ),
        Field::new("code_one_step_back", Class::Internal, Shape::Boolean).about(
            "whether the code before the present one of an authenticator app is taken too; deviates from ASVS 6.5.5",
        ),
    ];

    fn validate(&self, body: &Settings, check: &mut Check<'_, '_>) -> Result<(), Error> {
        let custom = access::custom_roles(check.tx())?;
        for (at, name) in body.second_factor_for.iter().enumerate() {
            if custom.iter().any(|role| crate::fold(&role.name) == crate::fold(name)) {
                continue;
            }
            if let Err(unknown) = name.parse::<access::Role>() {
                check.problem(format!("second_factor_for[{at}]"), "no-such-role", unknown.to_string());
            }
        }
        Ok(())
    }

    fn key(&self, _body: &Settings) -> String {
        ONLY.to_owned()
    }

    fn project(&self, _tx: &mut Tx<'_>, _change: &Projection<'_, Settings>) -> Result<(), Error> {
        // Read where it is needed, by `settings`: there is no table to keep in step.
        Ok(())
    }
}
