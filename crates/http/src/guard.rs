//! The first argument of every handler: what was proven before its body could run.

use std::fmt;
use std::sync::Arc;

use access::{Cap, Capability, Denied, Grants, OrganisationPermit, Permit, Scope};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use base::WorkspaceId;

use crate::caller::Caller;
use crate::events::Watch;
use crate::gate::{Gate, sign_in_first};
use crate::keeper::Source;
use crate::matrix::{self, rehearse};
use crate::once;
use crate::origin;
use crate::refusal::Refusal;
use crate::routes::{Matched, Rule, StepUp};
use crate::step_up;

/// First arguments that guard a handler. Sealed: these are all there are.
pub trait Guard: sealed::Sealed {
    /// What it requires.
    fn rule() -> Rule;
}

mod sealed {
    pub trait Sealed {}
    impl<C: access::Cap> Sealed for super::InWorkspace<C> {}
    impl<C: access::Cap> Sealed for super::InOrganisation<C> {}
    impl Sealed for super::SignedIn {}
}

/// The caller holds `C` in the workspace that the path names as `{workspace}`.
///
/// A workspace that is not there and one in which the caller has no right at all get the same 404; a caller who
/// may see the workspace but lacks `C` gets 403.
pub struct InWorkspace<C: Cap> {
    permit: Permit<C>,
    name: String,
    caller: Caller,
    watch: Watch,
}

impl<C: Cap> InWorkspace<C> {
    /// The proof that a use-case takes.
    pub const fn permit(&self) -> &Permit<C> {
        &self.permit
    }

    /// The proof, to be moved into a task or a transaction.
    pub fn into_permit(self) -> Permit<C> {
        self.permit
    }

    /// The workspace's name as in the path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The workspace's id.
    pub const fn workspace(&self) -> WorkspaceId {
        self.permit.workspace()
    }

    /// The proof of another right in the same workspace, if held too: for showing more to those who may see more.
    pub fn also<D: Cap>(&self) -> Option<Permit<D>> {
        self.permit.also().ok()
    }

    /// Whether the caller holds another right here: for showing a button or not.
    pub fn may(&self, capability: Capability) -> bool {
        self.caller.grants().may(capability, self.workspace())
    }

    /// Who calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What a live stream of this handler is held to; see [`events`](crate::events).
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }
}

/// The caller holds `C` in the whole organisation.
pub struct InOrganisation<C: Cap> {
    permit: OrganisationPermit<C>,
    caller: Caller,
    watch: Watch,
}

impl<C: Cap> InOrganisation<C> {
    /// The proof that a use-case takes.
    pub const fn permit(&self) -> &OrganisationPermit<C> {
        &self.permit
    }

    /// The proof, to be moved into a task or a transaction.
    pub fn into_permit(self) -> OrganisationPermit<C> {
        self.permit
    }

    /// The proof of another right of the organisation, if held too.
    pub fn also<D: Cap>(&self) -> Option<OrganisationPermit<D>> {
        self.permit.also().ok()
    }

    /// Who calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What a live stream of this handler is held to; see [`events`](crate::events).
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }
}

/// The caller is somebody; no particular right is needed.
#[derive(Debug)]
pub struct SignedIn {
    caller: Caller,
    watch: Watch,
}

impl SignedIn {
    /// Who calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What a live stream of this handler is held to; see [`events`](crate::events).
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }
}

/// Nothing was proven, and nothing needs to be. The caller may be somebody all the same.
#[derive(Debug)]
pub struct Open {
    caller: Caller,
}

impl Open {
    /// Who calls; often nobody.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Where the request comes from.
    pub fn source(&self) -> &Source {
        self.caller.source()
    }
}

impl<C: Cap> Guard for InWorkspace<C> {
    fn rule() -> Rule {
        Rule::Workspace(C::CAPABILITY)
    }
}

impl<C: Cap> Guard for InOrganisation<C> {
    fn rule() -> Rule {
        Rule::Organisation(C::CAPABILITY)
    }
}

impl Guard for SignedIn {
    fn rule() -> Rule {
        Rule::SignedIn
    }
}

impl<C: Cap> fmt::Debug for InWorkspace<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.permit.fmt(f)
    }
}

impl<C: Cap> fmt::Debug for InOrganisation<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.permit.fmt(f)
    }
}

/// What every guard starts from: the gate, the matched route, and a caller who is somebody.
struct Entry {
    gate: Arc<Gate>,
    step_up: StepUp,
    caller: Caller,
    watch: Watch,
}

impl Entry {
    fn of(parts: &Parts) -> Result<Self, Refusal> {
        let internal = || Refusal::new(base::Problem::internal());
        let gate = parts.extensions.get::<Arc<Gate>>().cloned().ok_or_else(internal)?;
        let route = parts.extensions.get::<Matched>().ok_or_else(internal)?;
        let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(internal)?;
        if caller.is_nobody() {
            return Err(sign_in_first(parts, route.door));
        }
        if route.session_only && !caller.in_session() {
            return Err(Refusal::new(base::Problem::new(
                base::ProblemKind::Forbidden,
                "people-only",
                "Only a person in a session may do this, never a program with an API key. Sign in to the console.",
            )));
        }
        let same_origin = origin::not_cross_site(&parts.headers, gate.hosts());
        let watch = Watch::new(Arc::clone(&gate), caller.clone(), route.rule, same_origin);
        Ok(Self { gate, step_up: route.step_up, caller, watch })
    }

    /// Refuses a proof that is too old for the route, once it is known that the caller may do what it does.
    async fn fresh(&self, parts: &Parts) -> Result<(), Refusal> {
        if self.step_up != StepUp::Needed || !self.caller.in_session() {
            return Ok(());
        }
        let fresh = matrix::fresh_in_rehearsal(parts).unwrap_or_else(|| step_up::is_fresh(&self.gate, &self.caller));
        if fresh { Ok(()) } else { Err(step_up::ask(&self.gate, parts, &self.caller, None).await?) }
    }

    async fn denied(&self, denied: Denied) -> Refusal {
        self.gate.keeper().refused(self.caller.grants(), denied).await;
        Refusal::from(denied)
    }
}

impl<C: Cap, S: Send + Sync> FromRequestParts<S> for InWorkspace<C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let entry = Entry::of(parts)?;
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Refusal::no_workspace())?;
        let named = params.iter().find(|(key, _)| *key == "workspace").map(|(_, value)| value.to_owned());
        let name = named.ok_or_else(Refusal::no_workspace)?;
        let workspace = entry.gate.keeper().workspace(&name).await?;
        let grants: &Grants = entry.caller.grants();
        let workspace = workspace.filter(|id| grants.sees(*id)).ok_or_else(Refusal::no_workspace)?;
        match grants.permit::<C>(workspace) {
            Ok(permit) => {
                entry.fresh(parts).await?;
                rehearse(parts)?;
                once::admit(parts, &entry.caller, Scope::Workspace(workspace)).await?;
                let watch = entry.watch.within(Scope::Workspace(workspace));
                Ok(Self { permit, name, caller: entry.caller, watch })
            }
            Err(denied) => Err(entry.denied(denied).await),
        }
    }
}

impl<C: Cap, S: Send + Sync> FromRequestParts<S> for InOrganisation<C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let entry = Entry::of(parts)?;
        match entry.caller.grants().permit_organisation::<C>() {
            Ok(permit) => {
                entry.fresh(parts).await?;
                rehearse(parts)?;
                once::admit(parts, &entry.caller, Scope::Organisation).await?;
                Ok(Self { permit, watch: entry.watch.within(Scope::Organisation), caller: entry.caller })
            }
            Err(denied) => Err(entry.denied(denied).await),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let entry = Entry::of(parts)?;
        entry.fresh(parts).await?;
        rehearse(parts)?;
        once::admit(parts, &entry.caller, Scope::Organisation).await?;
        Ok(Self { caller: entry.caller, watch: entry.watch })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Open {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self { caller: Caller::from_request_parts(parts, state).await? })
    }
}
