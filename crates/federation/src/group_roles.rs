//! The form in which people say which group of elsewhere gives which role: the same for identity providers and for directories.

use access::{HeldRole, Role, RoleRef, Scope};
use base::{RoleId, WorkspaceId};
use resources::{Check, Class, Error, Field, Projection, Shape};

pub use crate::kind::GroupRole;

/// The kind of custom roles.
const ROLES: &str = "roles";
/// Groups that give roles, of one provider or directory at most.
const MAPPINGS: usize = 500;

/// The shape of the field `group_roles`.
pub const GROUP_ROLES: Shape = Shape::List(&Shape::Object(&[
    Field::new("group", Class::Internal, Shape::Text).required().about("the group, exactly as it is called elsewhere"),
    Field::new("role", Class::Internal, Shape::ChoiceOr(Role::NAMES, Role::FORMER, ROLES))
        .required()
        .about("a ready role, such as on_call, or the name of a custom one"),
    Field::new("workspace", Class::Internal, Shape::Reference("workspaces"))
        .about("where the role holds; in the whole organisation when absent"),
]));

/// A group that gives a role somewhere.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The group, as it is called elsewhere.
    pub group: String,
    /// The role that it gives.
    pub role: RoleRef,
    /// Where.
    pub scope: Scope,
}

/// Notes what is wrong with the field `group_roles`. Nobody gives by a group what they do not hold themselves: whoever says who
/// is in which group could be in each of them. `known` stands there already, so it is not given now.
pub fn check_group_roles(roles: &[GroupRole], known: &[Mapping], check: &mut Check<'_, '_>) -> Result<(), Error> {
    if roles.len() > MAPPINGS {
        check.problem("group_roles", "too-many", format!("at most {MAPPINGS} are read"));
    }
    for (at, one) in roles.iter().enumerate().take(MAPPINGS) {
        if !(1..=256).contains(&one.group.len()) || one.group.chars().any(char::is_control) {
            check.problem(format!("group_roles[{at}].group"), "bad-group", "a group has 1 to 256 characters");
        }
        if one.role.parse().is_ok_and(Role::is_local) && one.workspace.is_none() {
            check.problem(
                format!("group_roles[{at}].workspace"),
                "workspace-missing",
                "this role is one of a workspace; name the workspace",
            );
        }
        if roles[..at].contains(one) {
            check.problem(format!("group_roles[{at}]"), "twice", "the same stands here twice; leave one out");
        }
        check_given(at, one, known, check)?;
    }
    Ok(())
}

fn check_given(at: usize, one: &GroupRole, known: &[Mapping], check: &mut Check<'_, '_>) -> Result<(), Error> {
    let place = one.workspace.as_ref().and_then(|slug| check.reference::<WorkspaceId>("workspaces", slug));
    let scope = place.map_or(Scope::Organisation, Scope::Workspace);
    let role = if let Ok(role) = one.role.parse::<Role>() {
        HeldRole::Ready(role)
    } else {
        let id = check.reference::<RoleId>(ROLES, &one.role);
        let found = match id {
            Some(id) => access::custom_role(check.tx(), id)?,
            None => None,
        };
        let Some(found) = found else { return Ok(()) };
        if found.workspace.is_some_and(|only| place != Some(only)) {
            let path = format!("group_roles[{at}].workspace");
            check.problem(path, "other-workspace", "this role is of one workspace; give it there");
        }
        HeldRole::Custom(found.into())
    };
    if known.iter().any(|held| held.group == one.group && held.role == role.reference() && held.scope == scope) {
        return Ok(());
    }
    let mut given = role.capabilities();
    if place.is_some() {
        given = given.without(access::organisation_only());
    }
    if let Some(first) = check.beyond(given).iter().next() {
        let words = format!("it gives {first} to whoever is in that group there, and you do not hold that yourself");
        check.problem(format!("group_roles[{at}].role"), "beyond-your-rights", words);
    }
    Ok(())
}

/// The field `group_roles` with what its names name.
pub fn resolve_group_roles<'a, B>(
    roles: &'a [GroupRole],
    change: &Projection<'_, B>,
) -> Result<Vec<(&'a str, RoleRef, Scope)>, Error> {
    let one = |one: &'a GroupRole| {
        let scope = match &one.workspace {
            None => Scope::Organisation,
            Some(slug) => Scope::Workspace(change.reference::<WorkspaceId>("workspaces", slug)?),
        };
        let role = match one.role.parse::<Role>() {
            Ok(role) => RoleRef::Ready(role),
            Err(_) => RoleRef::Custom(change.reference::<RoleId>(ROLES, &one.role)?),
        };
        Ok((one.group.as_str(), role, scope))
    };
    roles.iter().map(one).collect()
}
