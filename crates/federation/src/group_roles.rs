//! The form in which people say which group of elsewhere gives which role: the same for identity providers and for directories.

use access::{Role, RoleRef, Scope};
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
    Field::new("role", Class::Internal, Shape::ChoiceOr(Role::NAMES, ROLES))
        .required()
        .about("a ready role, such as on_call, or the name of a custom one"),
    Field::new("workspace", Class::Internal, Shape::Reference("workspaces"))
        .about("where the role holds; in the whole organisation when absent"),
]));

/// Notes what is wrong with the field `group_roles`.
pub fn check_group_roles(roles: &[GroupRole], check: &mut Check<'_, '_>) {
    if roles.len() > MAPPINGS {
        check.problem("group_roles", "too-many", format!("at most {MAPPINGS} are read"));
    }
    for (at, one) in roles.iter().enumerate() {
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
    }
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
