//! The kind `provisioning_sources`: directories that keep people here, and what follows from it.

use access::Capability;
use base::ResourceId;
use federation::{GROUP_ROLES, GroupRole, PROVIDERS, check_group_roles, check_name_and_label, resolve_group_roles};
use resources::{Check, Class, Error, Field, KindScope, Projection, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::Tx;
use vault::SealedColumn;

use crate::{links, rows, settle};

/// The kind's name.
pub const SOURCES: &str = "provisioning_sources";
/// Programs that one source names at most.
const PROGRAMS: usize = 20;

/// Directories as a kind of resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourcesKind;

/// A directory as people configure it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceBody {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) label: String,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(default = "external_id")]
    pub(crate) subject: String,
    #[serde(default)]
    pub(crate) invite: bool,
    #[serde(default)]
    pub(crate) programs: Vec<String>,
    #[serde(default)]
    group_roles: Vec<GroupRole>,
}

const fn yes() -> bool {
    true
}

fn external_id() -> String {
    "external_id".to_owned()
}

impl TypedKind for SourcesKind {
    type Body = SourceBody;
    const NAME: &'static str = SOURCES;
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::SignInManage;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text)
            .required()
            .about("how addresses name it, such as entra: letters, digits and hyphens; the base address of its door holds it"),
        Field::new("label", Class::Internal, Shape::Text).about("what people call it"),
        Field::new("enabled", Class::Internal, Shape::Boolean).about(
            "whether its requests are answered; switched off, the roles that came from its groups go; true when left out",
        ),
        Field::new("provider", Class::Internal, Shape::Reference(PROVIDERS))
            .about("the identity provider with which its people sign in; their accounts are linked with it as they come"),
        Field::new("subject", Class::Internal, Shape::Choice(&["external_id", "user_name"])).about(
            "which attribute is a person's subject at that provider: external_id (when left out), or user_name",
        ),
        Field::new("invite", Class::Internal, Shape::Boolean).about(
            "whether a new person is sent an invitation by e-mail, with which they choose a password; false when left out: they \
             sign in with the provider alone",
        ),
        Field::new("programs", Class::Internal, Shape::List(&Shape::Text)).about(
            "the API keys and OAuth clients that speak for it, as workspace/name; when left out, each with the scope \
             people:provision, which is refused where there is another source",
        ),
        Field::new("group_roles", Class::Internal, GROUP_ROLES)
            .about("which groups of the directory give which roles, by their displayName"),
    ];

    fn key(&self, body: &SourceBody) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &SourceBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        check_name_and_label(&body.name, &body.label, "entra", check);
        if body.programs.len() > PROGRAMS {
            check.problem("programs", "too-many", format!("at most {PROGRAMS} are read"));
        }
        check_programs(&body.programs, check)?;
        // What stands there already is not given now, as long as the same programs say who is in which group.
        let own = check.id();
        let known = match rows::source_by_id(check.tx(), own)? {
            Some(stored) if stored.programs == body.programs => settle::of(check.tx(), own)?,
            _ => Vec::new(),
        };
        check_group_roles(&body.group_roles, &known, check)
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, SourceBody>) -> Result<(), Error> {
        let id = change.resource;
        let Some(new) = change.new else {
            // Its people stay, and are kept by hand from now on.
            settle::everybody(tx, id, &[], "the directory was removed").map_err(Error::kind)?;
            identity::release_directory(tx, id)?;
            return Ok(rows::remove_source(tx, id)?);
        };
        let provider =
            new.provider.as_deref().map(|name| change.reference::<ResourceId>(PROVIDERS, name)).transpose()?;
        let old = rows::source_by_id(tx, id)?;
        rows::put_source(tx, id, new, provider, change.now)?;
        if let (Some(old), Some(new)) = (old, rows::source_by_id(tx, id)?) {
            links::again(tx, change.actor, &old, &new).map_err(Error::kind)?;
        }
        let roles = resolve_group_roles(&new.group_roles, change)?;
        settle::put(tx, id, &roles)?;
        let (roles, why) = if new.enabled {
            (settle::of(tx, id)?, format!("the groups of {} give other roles", new.name))
        } else {
            (Vec::new(), format!("{} is switched off", new.name))
        };
        settle::everybody(tx, id, &roles, &why).map_err(Error::kind)
    }

    fn sealed_columns(&self) -> &'static [SealedColumn] {
        rows::SEALED
    }
}

/// Looks at who speaks for a source: each is named with its workspace, and where there are several sources each names its own,
/// since one that is open to every program with the right would be open to the other's.
fn check_programs(programs: &[String], check: &mut Check<'_, '_>) -> Result<(), Error> {
    for (at, program) in programs.iter().enumerate() {
        let (place, name) = program.split_once('/').unwrap_or_default();
        if !(1..=120).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            check.problem(
                format!("programs[{at}]"),
                "bad-program",
                "a key or client is named with its workspace, such as ops/entra-provisioning",
            );
        } else if access::workspace_by_slug(check.tx(), place).map_err(Error::kind)?.is_none() {
            check.problem(
                format!("programs[{at}]"),
                "unknown-workspace",
                "there is no workspace of the name before the slash; a key or client is named as workspace/name",
            );
        }
    }
    let own = check.id::<ResourceId>();
    let others: Vec<rows::Source> = rows::sources(check.tx())?.into_iter().filter(|one| one.id != own).collect();
    if programs.is_empty() && !others.is_empty() {
        check.problem(
            "programs",
            "who-speaks",
            "there is another directory, and left empty its keys would reach these people too: name the keys and clients that \
             speak for this one, such as ops/entra-provisioning",
        );
    }
    if let Some(open) = others.iter().find(|one| one.programs.is_empty()) {
        check.problem(
            "programs",
            "other-open",
            format!(
                "the directory {} is open to every key with the scope people:provision, so to this one's too: name there first who \
                 speaks for it",
                open.name
            ),
        );
    }
    Ok(())
}
