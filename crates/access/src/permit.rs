//! Proven rights. A use-case takes a [`Permit`] (or an [`OrganisationPermit`]) of the right it needs; only
//! [`Grants`](crate::Grants) and the [`Engine`] door make one, so forgetting the check does not compile (rule 6).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use base::{Explain, Problem, ProblemKind, ResourceId, WorkspaceId};

use crate::{Actor, Cap, Capabilities, Capability};

/// Where a right holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// Everywhere.
    Organisation,
    /// In one workspace.
    Workspace(WorkspaceId),
}

/// A right that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{capability} is not granted in {scope:?}")]
pub struct Denied {
    /// What was wanted.
    pub capability: Capability,
    /// Where.
    pub scope: Scope,
}

impl Explain for Denied {
    fn problem(&self) -> Problem {
        let whereabouts = match self.scope {
            Scope::Organisation => "for the organisation",
            Scope::Workspace(_) => "in this workspace",
        };
        Problem::new(
            ProblemKind::Forbidden,
            "not-permitted",
            format!("This needs the right {} {whereabouts}. Ask an administrator for it.", self.capability),
        )
    }
}

/// What the holder of a permit may do where the permit holds.
#[derive(Clone)]
pub(crate) struct Proof {
    pub(crate) actor: Arc<Actor>,
    pub(crate) capabilities: Capabilities,
    pub(crate) bounds: Option<Arc<Bounds>>,
}

/// What holds for single entries alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) capabilities: Capabilities,
    pub(crate) entries: Vec<ResourceId>,
}

impl Bounds {
    pub(crate) fn covers(&self, capability: Capability, entry: ResourceId) -> bool {
        !self.capabilities.contains(capability) || self.entries.contains(&entry)
    }
}

/// What somebody may do in one scope, for rules that compare rights: nobody gives what they do not hold.
#[derive(Clone, Debug)]
pub struct Rights {
    capabilities: Capabilities,
    bounds: Option<Arc<Bounds>>,
}

impl Rights {
    /// What holds for every entry there.
    pub fn unbounded(&self) -> Capabilities {
        let bounded = self.bounds.as_ref().map_or(Capabilities::NONE, |bounds| bounds.capabilities);
        self.capabilities.without(bounded)
    }

    /// Whether `capability` holds for this entry.
    pub fn covers(&self, capability: Capability, entry: ResourceId) -> bool {
        let bounds = self.bounds.as_ref();
        self.capabilities.contains(capability) && bounds.is_none_or(|bounds| bounds.covers(capability, entry))
    }
}

impl Proof {
    /// The proof of `C` in a workspace, for [`Grants`](crate::Grants) alone.
    pub(crate) fn permit<C: Cap>(self, workspace: WorkspaceId) -> Result<Permit<C>, Denied> {
        check(self.capabilities, C::CAPABILITY, Scope::Workspace(workspace))?;
        Ok(Permit { proof: self, workspace, right: PhantomData })
    }

    /// The proof of `C` in the organisation, for [`Grants`](crate::Grants) alone.
    pub(crate) fn permit_organisation<C: Cap>(self) -> Result<OrganisationPermit<C>, Denied> {
        check(self.capabilities, C::CAPABILITY, Scope::Organisation)?;
        Ok(OrganisationPermit { proof: self, right: PhantomData })
    }
}

/// The proof that its actor holds `C` in one workspace.
pub struct Permit<C: Cap> {
    proof: Proof,
    workspace: WorkspaceId,
    right: PhantomData<C>,
}

/// The proof that its actor holds `C` in the whole organisation.
pub struct OrganisationPermit<C: Cap> {
    proof: Proof,
    right: PhantomData<C>,
}

/// What both permits can say. Use-cases that serve the organisation and a workspace alike take
/// `&impl Authority<C>`. Nothing outside this room can implement it.
pub trait Authority<C: Cap>: sealed::Sealed {
    /// Who acts.
    fn actor(&self) -> &Actor;
    /// Where the right holds.
    fn scope(&self) -> Scope;
    /// What else the actor may do there.
    fn capabilities(&self) -> Capabilities;
    /// The same with its bounds: a supervisor's right to change groups holds for their own ones.
    fn rights(&self) -> Rights;

    /// Fails unless the actor holds `capability` too, in the same scope.
    fn require(&self, capability: Capability) -> Result<(), Denied> {
        check(self.capabilities(), capability, self.scope())
    }
}

mod sealed {
    pub trait Sealed {}
    impl<C: crate::Cap> Sealed for super::Permit<C> {}
    impl<C: crate::Cap> Sealed for super::OrganisationPermit<C> {}
}

fn check(held: Capabilities, capability: Capability, scope: Scope) -> Result<(), Denied> {
    if held.contains(capability) { Ok(()) } else { Err(Denied { capability, scope }) }
}

impl<C: Cap> Permit<C> {
    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.proof.actor
    }

    /// The workspace the right holds in.
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// A permit of another right for the same actor and workspace, if it is held too.
    pub fn also<D: Cap>(&self) -> Result<Permit<D>, Denied> {
        check(self.proof.capabilities, D::CAPABILITY, Scope::Workspace(self.workspace))?;
        Ok(Permit { proof: self.proof.clone(), workspace: self.workspace, right: PhantomData })
    }

    /// The one door for the product's own work: what the engine does in `workspace` without a person or
    /// program asking just now (an escalation that is due, a receipt that came in). The permit holds `C`
    /// and nothing else.
    pub fn engine(engine: Engine, workspace: WorkspaceId) -> Self {
        Self { proof: engine.proof::<C>(), workspace, right: PhantomData }
    }
}

impl<C: Cap> OrganisationPermit<C> {
    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.proof.actor
    }

    /// The same right in one workspace: what holds everywhere holds there.
    pub fn in_workspace(&self, workspace: WorkspaceId) -> Permit<C> {
        Permit { proof: self.proof.clone(), workspace, right: PhantomData }
    }

    /// A permit of another right for the same actor, if it is held too.
    pub fn also<D: Cap>(&self) -> Result<OrganisationPermit<D>, Denied> {
        check(self.proof.capabilities, D::CAPABILITY, Scope::Organisation)?;
        Ok(OrganisationPermit { proof: self.proof.clone(), right: PhantomData })
    }

    /// The product's own work in the whole organisation.
    pub fn engine(engine: Engine) -> Self {
        Self { proof: engine.proof::<C>(), right: PhantomData }
    }
}

impl OrganisationPermit<crate::cap::PeopleProvision> {
    /// The right to write people that follows from the right to provision, for the room that bounds it to the people of the
    /// actor's own directory. It holds nothing else, and the actor stays who they are.
    pub fn of_directory(&self) -> OrganisationPermit<crate::cap::PeopleWrite> {
        let proof = Proof {
            actor: Arc::clone(&self.proof.actor),
            capabilities: [Capability::PeopleWrite].into_iter().collect(),
            bounds: None,
        };
        OrganisationPermit { proof, right: PhantomData }
    }
}

impl<C: Cap> Authority<C> for Permit<C> {
    fn actor(&self) -> &Actor {
        self.actor()
    }

    fn scope(&self) -> Scope {
        Scope::Workspace(self.workspace)
    }

    fn capabilities(&self) -> Capabilities {
        self.proof.capabilities
    }

    fn rights(&self) -> Rights {
        Rights { capabilities: self.proof.capabilities, bounds: self.proof.bounds.clone() }
    }
}

impl<C: Cap> Authority<C> for OrganisationPermit<C> {
    fn actor(&self) -> &Actor {
        self.actor()
    }

    fn scope(&self) -> Scope {
        Scope::Organisation
    }

    fn capabilities(&self) -> Capabilities {
        self.proof.capabilities
    }

    fn rights(&self) -> Rights {
        Rights { capabilities: self.proof.capabilities, bounds: self.proof.bounds.clone() }
    }
}

// By hand, because a derived `Clone` would ask `C: Clone` of callers for nothing.
impl<C: Cap> Clone for Permit<C> {
    fn clone(&self) -> Self {
        Self { proof: self.proof.clone(), workspace: self.workspace, right: PhantomData }
    }
}

impl<C: Cap> Clone for OrganisationPermit<C> {
    fn clone(&self) -> Self {
        Self { proof: self.proof.clone(), right: PhantomData }
    }
}

impl<C: Cap> fmt::Debug for Permit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({} for {:?} in {})", C::CAPABILITY, self.proof.actor.principal, self.workspace)
    }
}

impl<C: Cap> fmt::Debug for OrganisationPermit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrganisationPermit({} for {:?})", C::CAPABILITY, self.proof.actor.principal)
    }
}

/// A part of the product, by name: `Engine("flows")`. See [`Permit::engine`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Engine(pub &'static str);

impl Engine {
    fn proof<C: Cap>(self) -> Proof {
        Proof {
            actor: Arc::new(Actor::engine(self.0)),
            capabilities: [C::CAPABILITY].into_iter().collect(),
            bounds: None,
        }
    }
}
