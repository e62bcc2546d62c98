//! The kind `roles`: sets of capabilities that the organisation makes itself, given to people exactly like the ready ones.

use access::{Capabilities, Capability, CustomRole, Role};
use base::{RoleId, WorkspaceId};
use resources::{Check, Class, Error, Field, KindScope, Projection, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::Tx;

/// The kind's name.
pub(crate) const NAME: &str = "roles";

/// Custom roles as a kind of resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct RolesKind;

/// A custom role as people configure one.
#[derive(Debug, Serialize, Deserialize)]
pub struct CustomRoleBody {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    capabilities: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
}

impl CustomRoleBody {
    fn held(&self) -> Capabilities {
        self.capabilities.iter().filter_map(|name| name.parse::<Capability>().ok()).collect()
    }
}

impl TypedKind for RolesKind {
    type Body = CustomRoleBody;
    const NAME: &'static str = NAME;
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::RolesWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("how people name it where roles are given"),
        Field::new("description", Class::Internal, Shape::Text).about("whom it is for"),
        Field::new("capabilities", Class::Internal, Shape::List(&Shape::Text))
            .required()
            .about("what it holds, such as alerts:read; nobody makes a role that holds more than they do"),
        Field::new("workspace", Class::Internal, Shape::Reference("workspaces"))
            .about("the one workspace it can be given in; everywhere when absent"),
    ];

    fn key(&self, body: &CustomRoleBody) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &CustomRoleBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        if !(1..=60).contains(&body.name.chars().count()) || body.name.contains(':') {
            check.problem("name", "bad-name", "a role's name has 1 to 60 characters and no colon");
        }
        let plain = body.name.to_lowercase().replace([' ', '-'], "_");
        let ready = |role: Role| role.name() == plain || role.words() == body.name.to_lowercase();
        if plain.parse::<Role>().is_ok() || Role::ALL.into_iter().any(ready) {
            check.problem("name", "ready-role", "a ready role has this name; choose another");
        }
        if body.description.as_ref().is_some_and(|text| text.chars().count() > 1_024) {
            check.problem("description", "too-long", "a description has at most 1,024 characters");
        }
        if body.capabilities.is_empty() {
            check.problem("capabilities", "no-capability", "a role without a capability gives nothing; name one");
        }
        let own = organisation_only(body.workspace.is_some());
        // What is given everywhere must be held everywhere: the right to write roles is one of the organisation.
        let beyond = check.beyond(body.held());
        for (at, name) in body.capabilities.iter().enumerate() {
            let path = format!("capabilities[{at}]");
            let Ok(capability) = name.parse::<Capability>() else {
                let near = base::nearest(name, Capability::ALL.iter().map(|one| one.name()));
                check.problem(path, "no-such-capability", format!("no such capability; did you mean {near}?"));
                continue;
            };
            if body.capabilities[..at].contains(name) {
                check.problem(path, "twice", "this capability stands here twice; leave one out");
            } else if own.contains(capability) {
                let words = format!("{capability} belongs to the whole organisation and holds in no single workspace");
                check.problem(path, "organisation-only", words);
            } else if beyond.contains(capability) {
                let words = format!("you do not hold {capability} in the whole organisation, so you cannot give it");
                check.problem(path, "beyond-your-rights", words);
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, CustomRoleBody>) -> Result<(), Error> {
        let id: RoleId = change.id();
        let Some(new) = change.new else { return Ok(access::remove_custom_role(tx, id)?) };
        let workspace = match &new.workspace {
            Some(slug) => Some(change.reference::<WorkspaceId>("workspaces", slug)?),
            None => None,
        };
        let role = CustomRole { id, name: new.name.clone(), capabilities: new.held(), workspace };
        let before = access::custom_role(tx, id)?;
        access::put_custom_role(tx, &role, change.now)?;
        // Other rights, other session: whoever holds the role signs in again (7.2.4), and no stream goes on under rights of
        // before.
        if before.is_some_and(|old| (old.capabilities, old.workspace) != (role.capabilities, role.workspace)) {
            for (user, _) in access::holders_of(tx, id.into())? {
                crate::account::end_everything(tx, user)?;
            }
        }
        Ok(())
    }
}

fn organisation_only(local: bool) -> Capabilities {
    if local { access::organisation_only() } else { Capabilities::NONE }
}
