//! The kind `users`: people who log in or can be reached, with their roles and devices. A password is never part of
//! it: an invitation lets the person choose one.

use std::sync::Arc;

use access::{Capability, HeldRole, Role, RoleRef, Scope};
use base::{RoleId, Timestamp, UserId, WorkspaceId};
use resources::{Check, Class, Error, Field, KindScope, Projection, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::{Tx, params};

use crate::{account, directory, roles_kind};

/// The kind's name.
pub(crate) const NAME: &str = "users";

/// One device of a person, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// The sort of device: `sms`.
    pub kind: String,
    /// The number in international form, `+447700900117`.
    pub number: String,
    /// Which one is tried first: 1 before 2.
    #[serde(default = "first")]
    pub order: u32,
}

const fn first() -> u32 {
    1
}

/// A person, as the rooms above see one.
#[derive(Clone, Copy, Debug)]
pub struct PersonSpec<'a> {
    /// Their id.
    pub id: UserId,
    /// Their name.
    pub name: &'a str,
    /// Their log-in name, an e-mail address; groups refer to people by it.
    pub login: &'a str,
    /// Whether their account is in use: somebody whose account is switched off neither signs in nor is paged.
    pub enabled: bool,
    /// Their IANA time zone.
    pub time_zone: &'a str,
    /// Their devices.
    pub devices: &'a [DeviceSpec],
}

/// What the rooms above do when people change. `oncall` keeps the devices, and it is above this room: the binary
/// hands its hook to [`UsersKind::new`].
pub trait PeopleHooks: Send + Sync + 'static {
    /// Checks devices; problems go to the check, with paths such as `devices[0].number`.
    fn validate(&self, devices: &[DeviceSpec], check: &mut Check<'_, '_>) -> Result<(), Error> {
        let _ = (devices, check);
        Ok(())
    }

    /// A person is now so.
    fn changed(&self, tx: &mut Tx<'_>, person: &PersonSpec<'_>, now: Timestamp) -> Result<(), Error>;

    /// A person is gone.
    fn removed(&self, tx: &mut Tx<'_>, user: UserId, now: Timestamp) -> Result<(), Error>;

    /// The columns that hold people's values, sealed: a rotation of keys seals them anew.
    fn sealed_columns(&self) -> &'static [vault::SealedColumn] {
        &[]
    }
}

/// No hooks: for tests of this room.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl PeopleHooks for NoHooks {
    fn changed(&self, _tx: &mut Tx<'_>, _person: &PersonSpec<'_>, _now: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    fn removed(&self, _tx: &mut Tx<'_>, _user: UserId, _now: Timestamp) -> Result<(), Error> {
        Ok(())
    }
}

/// Users as a kind of resource.
#[derive(Clone)]
pub struct UsersKind {
    hooks: Arc<dyn PeopleHooks>,
    sealed: &'static [vault::SealedColumn],
}

impl UsersKind {
    /// The kind, telling `hooks` of every change.
    pub fn new(hooks: Arc<dyn PeopleHooks>) -> Self {
        // Leaked: the registry wants it for ever, and there is one of it in a process.
        let sealed = [hooks.sealed_columns(), &[crate::authenticator::SEALED]].concat().leak();
        Self { hooks, sealed }
    }
}

/// A person as people configure one.
#[derive(Serialize, Deserialize)]
pub struct UserBody {
    pub(crate) name: String,
    login: String,
    #[serde(default)]
    roles: Vec<RoleBody>,
    #[serde(default = "utc")]
    time_zone: String,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub(crate) enabled: bool,
    #[serde(default)]
    devices: Vec<DeviceSpec>,
}

/// A role, in the organisation or in one workspace.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleBody {
    role: RoleName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
}

/// A ready role by its name of today, or the name of a custom one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String")]
struct RoleName(String);

impl From<String> for RoleName {
    fn from(name: String) -> Self {
        // A ready role is one however it is written: no custom role may have such a name.
        Self(name.to_lowercase().parse::<Role>().map_or(name, |role| role.name().to_owned()))
    }
}

impl RoleName {
    fn ready(&self) -> Option<Role> {
        self.0.parse().ok()
    }
}

fn utc() -> String {
    "Etc/UTC".to_owned()
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
const fn is_yes(enabled: &bool) -> bool {
    *enabled
}

impl UserBody {
    fn is_administrator(&self) -> bool {
        self.roles.iter().any(|one| one.role.ready() == Some(Role::Administrator) && one.workspace.is_none())
    }
}

impl TypedKind for UsersKind {
    type Body = UserBody;
    const NAME: &'static str = NAME;
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::PeopleWrite;
    const ONCE: Option<&'static str> = Some("login");
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Confidential, Shape::Text).required().about("how others call them"),
        Field::new("login", Class::Confidential, Shape::Text)
            .required()
            .about("their e-mail address, with which they log in and by which groups name them"),
        Field::new(
            "roles",
            Class::Internal,
            Shape::List(&Shape::Object(&[
                Field::new("role", Class::Internal, Shape::ChoiceOr(Role::NAMES, Role::FORMER, roles_kind::NAME))
                    .required()
                    .about("a ready role, such as on_call, or the name of a custom one"),
                Field::new("workspace", Class::Internal, Shape::Reference("workspaces"))
                    .about("where the role holds; in the whole organisation when absent"),
            ])),
        )
        .about("what they are trusted with"),
        Field::new("time_zone", Class::Internal, Shape::Text).about("an IANA name such as Europe/Zurich"),
        Field::new("enabled", Class::Internal, Shape::Boolean).about(
            "false switches the account off: no signing in, no pages, everything else stays; true when left out",
        ),
        Field::new(
            "devices",
            Class::Confidential,
            Shape::List(&Shape::Object(&[
                Field::new("kind", Class::Internal, Shape::Choice(&["sms"])).required(),
                Field::new("number", Class::Confidential, Shape::Text)
                    .required()
                    .about("in international form, such as +447700900117"),
                Field::new("order", Class::Internal, Shape::Integer(1, 20)).about("which one is tried first"),
            ])),
        )
        .about("how they are reached"),
    ];

    fn sealed_columns(&self) -> &'static [vault::SealedColumn] {
        self.sealed
    }

    fn key(&self, body: &UserBody) -> String {
        body.login.clone()
    }

    fn validate(&self, body: &UserBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        let length = body.name.chars().count();
        if !(1..=120).contains(&length) || body.name.trim() != body.name || body.name.chars().any(char::is_control) {
            check.problem("name", "bad-name", "a name has 1 to 120 characters, without spaces at its ends");
        }
        if !directory::login_fits(&body.login, is_address(&body.login), check) {
            check.problem("login", "bad-login", "an e-mail address such as ada@example.com is expected");
        }
        if jiff::tz::TimeZone::get(&body.time_zone).is_err() {
            check.problem(
                "time_zone",
                "no-such-time-zone",
                "an IANA name such as Europe/Zurich or Etc/UTC is expected",
            );
        }
        for (at, role) in body.roles.iter().enumerate() {
            if body.roles[..at].contains(role) {
                check.problem(format!("roles[{at}]"), "twice", "the same role stands here twice; leave one out");
            }
        }
        directory::check_owned(body, check)?;
        // A directory gives no role by a person's entry: what stands there was given by hand before.
        if !directory::provisions(&check.actor().principal) {
            check_roles(body, check)?;
        }
        for (at, one) in body.devices.iter().enumerate() {
            let digits = one.number.strip_prefix('+').unwrap_or_default();
            let fits = (7..=15).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_digit())
                && !digits.starts_with('0');
            if !fits {
                check.problem(
                    format!("devices[{at}].number"),
                    "bad-number",
                    "a number in international form is expected, such as +447700900117, without spaces and in quotes",
                );
            }
            if body.devices[..at].iter().any(|other| other.number == one.number && other.kind == one.kind) {
                check.problem(format!("devices[{at}].number"), "twice", "this device stands here twice; leave one out");
            }
        }
        let administers = body.is_administrator() && body.enabled;
        if !check.is_new() && !administers {
            keep_an_administrator(check, if body.enabled { "roles" } else { "enabled" })?;
        }
        self.hooks.validate(&body.devices, check)
    }

    fn validate_delete(&self, _body: &UserBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        keep_an_administrator(check, "")
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, UserBody>) -> Result<(), Error> {
        let (id, now): (UserId, Timestamp) = (change.id(), change.now);
        let Some(new) = change.new else {
            // The credentials first: a log-in that is under way either committed before, and its session ends here,
            // or finds them gone.
            account::forget_passwords(tx, id)?;
            account::end_everything(tx, id)?;
            account::forgive_all(tx, id)?;
            crate::factors::forget(tx, id).map_err(Error::kind)?;
            mail::withdraw(tx, id, None, "its person is no longer here")?;
            crate::Preferences::forget(tx, id)?;
            access::forget_roles(tx, id, now)?;
            tx.execute("UPDATE users SET removed_at = $2 WHERE id = $1", &params![id, now])?;
            return self.hooks.removed(tx, id, now);
        };
        tx.execute(
            "INSERT INTO users (id, name, login, login_folded, time_zone, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, login = excluded.login, \
             login_folded = excluded.login_folded, time_zone = excluded.time_zone",
            &params![id, new.name.as_str(), new.login.as_str(), account::fold(&new.login), new.time_zone.as_str(), now],
        )?;
        tx.execute(
            "UPDATE users SET disabled_at = CASE WHEN $2 THEN NULL ELSE COALESCE(disabled_at, $3) END WHERE id = $1",
            &params![id, new.enabled, now],
        )?;
        let mut roles = Vec::with_capacity(new.roles.len());
        for one in &new.roles {
            let scope = match &one.workspace {
                None => Scope::Organisation,
                Some(slug) => Scope::Workspace(change.reference::<WorkspaceId>("workspaces", slug)?),
            };
            let role = match one.role.ready() {
                Some(role) => RoleRef::Ready(role),
                None => RoleRef::Custom(change.reference::<RoleId>(roles_kind::NAME, &one.role.0)?),
            };
            roles.push((role, scope));
        }
        if new.enabled {
            access::set_roles_from(tx, id, access::CONFIGURED, &roles, now)?;
        } else {
            // Whoever is switched off keeps their roles in the resource and holds none, also none of a provider's groups.
            access::forget_roles(tx, id, now)?;
        }
        // Other roles, other session: the old ones end (7.2.4), and with them what was opened under the old rights.
        if change.old.is_some_and(|old| old.roles != new.roles || old.enabled != new.enabled) {
            account::end_everything(tx, id)?;
        }
        let person = PersonSpec {
            id,
            name: &new.name,
            login: &new.login,
            enabled: new.enabled,
            time_zone: &new.time_zone,
            devices: &new.devices,
        };
        self.hooks.changed(tx, &person, now)
    }
}

/// What each role needs to be given: a place it fits in, and somebody who may give it.
///
/// Nobody gives themselves a right they lack, and nobody gives a right with which rights are given (`access::governing`)
/// without holding it: so a security officer makes an operator, but neither becomes one nor makes an administrator.
fn check_roles(body: &UserBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
    let id: UserId = check.id();
    let giver = check.actor().principal.user();
    let own = giver == Some(id);
    // Whoever saw the link with which the password was chosen may have chosen it: the account counts as theirs.
    let seen = giver.is_some() && account::shown_to(check.tx(), id)? == giver;
    // What a provider's group gives is not theirs to keep: it can go with the next sign-on.
    let held = access::roles_by_source(check.tx(), id)?;
    for (at, one) in body.roles.iter().enumerate() {
        let path = format!("roles[{at}]");
        let place = one.workspace.as_ref().and_then(|slug| check.reference::<WorkspaceId>("workspaces", slug));
        let scope = place.map_or(Scope::Organisation, Scope::Workspace);
        let role = if let Some(role) = one.role.ready() {
            HeldRole::Ready(role)
        } else {
            let id = check.reference::<RoleId>(roles_kind::NAME, &one.role.0);
            let found = match id {
                Some(id) => access::custom_role(check.tx(), id)?,
                None => None,
            };
            let Some(found) = found else { continue };
            if found.workspace.is_some_and(|only| place != Some(only)) {
                check.problem(path.as_str(), "other-workspace", "this role is of one workspace; give it there");
            }
            HeldRole::Custom(found.into())
        };
        if one.role.ready().is_some_and(Role::is_local) && place.is_none() {
            check.problem(path.as_str(), "workspace-missing", "this role is one of a workspace; name the workspace");
        }
        // What they hold already is not given to them now.
        let known = |(source, known, place): &(String, RoleRef, Scope)| {
            source == access::CONFIGURED && *known == role.reference() && *place == scope
        };
        if held.iter().any(known) {
            continue;
        }
        let mut given = role.capabilities();
        if place.is_some() {
            given = given.without(access::organisation_only());
        }
        let beyond = check.beyond(given);
        let refused = if own || seen { beyond } else { beyond.without(beyond.without(access::governing())) };
        if let Some(first) = refused.iter().next() {
            let words = if own {
                format!("it gives you {first}, which you do not hold; somebody else who may has to give it to you")
            } else if seen {
                format!(
                    "it gives {first}, which you do not hold, and you saw the link with which the password of this account was \
                     chosen; somebody else who may has to give it"
                )
            } else {
                format!("it gives {first}, with which rights are given, and you do not hold that yourself")
            };
            check.problem(path, "beyond-your-rights", words);
        }
    }
    Ok(())
}

/// Refuses what would leave nobody who can administer: recovery would need the machine.
fn keep_an_administrator(check: &mut Check<'_, '_>, path: &str) -> Result<(), Error> {
    let id: UserId = check.id();
    if account::is_administrator(check.tx(), id)? && !account::another_administrator(check.tx(), id)? {
        check.problem(
            path,
            "last-administrator",
            "this is the last administrator who can log in; make another one first",
        );
    }
    Ok(())
}

/// Good enough for an address that is only compared and shown: one @, something on both sides, no spaces.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    text.len() <= 254
        && !local.is_empty()
        && !local.contains('@')
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"/".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts() {
        for good in ["ada@example.com", "ada.sample+x@mail.example.com", "dinä@example.com"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "ada@example",
            "a@b@example.com",
            "<ada@example.com>",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
