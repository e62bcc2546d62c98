//! The kind `sign_in`: whether passwords open every account, or a provider is the only way in, with accounts for emergencies
//! beside it. One entry at most; without it passwords open every account.

use access::{Capability, Role, RoleRef, Scope};
use base::{ResourceId, UserId};
use resources::{Check, Class, Error, Field, KindScope, Projection, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::{PROVIDERS, rows};

/// The kind's name.
pub const SIGN_IN: &str = "sign_in";
/// The key of the one entry.
const ONLY: &str = "organisation";

/// How people sign in, as a kind of resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignInKind;

/// How people sign in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SignInBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only_provider: Option<String>,
    #[serde(default)]
    break_glass: Vec<String>,
}

impl TypedKind for SignInKind {
    type Body = SignInBody;
    const NAME: &'static str = SIGN_IN;
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::SignInManage;
    const FIELDS: &'static [Field] = &[
        Field::new("only_provider", Class::Internal, Shape::Reference(PROVIDERS)).about(
            "the provider that is the only way in; when left out, everybody signs in as they can. Other providers that are \
             switched on stay open",
        ),
        Field::new("break_glass", Class::Confidential, Shape::List(&Shape::Reference("users"))).about(
            "accounts for emergencies, whose passwords work all the same; each use is audited and shown on the overview",
        ),
    ];

    fn key(&self, _body: &SignInBody) -> String {
        ONLY.to_owned()
    }

    fn validate(&self, body: &SignInBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        let Some(name) = &body.only_provider else { return Ok(()) };
        let id = check.reference::<ResourceId>(PROVIDERS, name);
        let provider = match id {
            Some(id) => rows::by_id(check.tx(), id)?,
            None => None,
        };
        // Missing only where a file is checked without what is stored; the reference is checked in any case.
        if let Some(provider) = provider {
            if !provider.enabled {
                check.problem("only_provider", "switched-off", "this provider is switched off; switch it on first");
            } else if provider.health.last_success.is_none() || provider.health.is_failing() {
                check.problem(
                    "only_provider",
                    "unproven",
                    "nobody has signed in with this provider yet, or it failed since; sign in with it once, then make it the \
                     only way in",
                );
            }
        }
        let mut able = false;
        for key in &body.break_glass {
            let Some(user) = check.reference::<UserId>("users", key) else { continue };
            // One by a group of the very provider that may be lost is none.
            let administers = |(source, role, scope): &(String, RoleRef, Scope)| {
                source == access::CONFIGURED
                    && *role == RoleRef::Ready(Role::Administrator)
                    && *scope == Scope::Organisation
            };
            able |= access::roles_by_source(check.tx(), user)?.iter().any(administers)
                && identity::is_enabled(check.tx(), user)?
                && identity::has_password(check.tx(), user)?;
        }
        if !able {
            check.problem(
                "break_glass",
                "nobody-left",
                "name at least one administrator of the organisation who has a password: when the provider is lost, they are \
                 the way in",
            );
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, SignInBody>) -> Result<(), Error> {
        let Some(name) = change.new.and_then(|new| new.only_provider.as_ref()) else {
            return Ok(identity::set_only_way(tx, None, &[])?);
        };
        let provider = change.reference::<ResourceId>(PROVIDERS, name)?;
        let accounts = change.new.map(|new| new.break_glass.as_slice()).unwrap_or_default();
        let accounts: Result<Vec<UserId>, Error> = accounts.iter().map(|key| change.reference("users", key)).collect();
        Ok(identity::set_only_way(tx, Some(provider), &accounts?)?)
    }
}
