//! Everything an actor may do: the roles of a person, the scopes of a key, resolved once per request.

use std::sync::Arc;

use base::{ResourceId, WorkspaceId};

use crate::permit::{Bounds, Proof};
use crate::{Actor, Cap, Capabilities, Capability, Denied, Held, OrganisationPermit, Permit, Scope};

/// Everything an actor may do, resolved once per request by `identity`. This room trusts it to have proven
/// the actor; what the actor may do is decided here.
#[derive(Clone, Debug)]
pub struct Grants {
    actor: Arc<Actor>,
    everywhere: Capabilities,
    workspaces: Vec<(WorkspaceId, Capabilities)>,
    /// What holds for single entries alone.
    bounded: Vec<(Scope, Bounds)>,
}

impl Grants {
    /// Grants of nothing.
    pub fn none(actor: Actor) -> Self {
        Self { actor: Arc::new(actor), everywhere: Capabilities::NONE, workspaces: Vec::new(), bounded: Vec::new() }
    }

    /// What the roles of a person amount to.
    pub fn of_roles<H: Clone + Into<Held>>(actor: Actor, roles: &[H]) -> Self {
        let mut grants = Self::none(actor);
        for held in roles {
            let held: Held = held.clone().into();
            let Some(reach) = held.reach() else { continue };
            let bounded = held.role.bounded();
            grants.add(reach, held.role.capabilities().without(bounded));
            if !bounded.is_empty() {
                let entries = held.groups.iter().map(|group| ResourceId::from(group.uuid())).collect();
                grants.bounded.push((reach, Bounds { capabilities: bounded, entries }));
            }
        }
        grants
    }

    /// What an API key of `workspace` with these scopes may do. [`never_for_api_keys`](crate::never_for_api_keys)
    /// holds even if the scopes came from somewhere that forgot it.
    pub fn of_api_key(actor: Actor, workspace: WorkspaceId, scopes: &[crate::KeyScope]) -> Self {
        let held: Capabilities = scopes.iter().map(|scope| scope.capability()).collect();
        let mut grants = Self::none(actor);
        let held = held.without(crate::never_for_api_keys());
        grants.add(Scope::Workspace(workspace), held);
        if held.contains(Capability::PeopleProvision) {
            // A directory's people belong to no workspace. This is the one right of a program beyond its own.
            grants.add(Scope::Organisation, [Capability::PeopleProvision].into_iter().collect());
        }
        grants
    }

    /// What an integration of `workspace` may do: send its signals.
    pub fn of_integration(actor: Actor, workspace: WorkspaceId) -> Self {
        let mut grants = Self::none(actor);
        grants.add(Scope::Workspace(workspace), [Capability::SignalsSend].into_iter().collect());
        grants
    }

    /// What an application bound by SMPP may do in its `workspace`: send, and hear what became of its messages.
    pub fn of_smpp_account(actor: Actor, workspace: WorkspaceId) -> Self {
        let mut grants = Self::none(actor);
        grants.add(Scope::Workspace(workspace), crate::of_smpp_accounts());
        grants
    }

    /// What an operator on the machine may do: everything, since the database and the key file are theirs.
    pub fn of_operator(actor: Actor) -> Self {
        let mut grants = Self::none(actor);
        grants.add(Scope::Organisation, Capabilities::all());
        grants
    }

    fn add(&mut self, scope: Scope, capabilities: Capabilities) {
        let capabilities = match scope {
            Scope::Organisation => capabilities,
            // People and roles belong to no workspace: in one, nothing of that is held.
            Scope::Workspace(_) => capabilities.without(crate::organisation_only()),
        };
        match scope {
            Scope::Organisation => self.everywhere = self.everywhere.union(capabilities),
            Scope::Workspace(workspace) => match self.workspaces.iter_mut().find(|(id, _)| *id == workspace) {
                Some((_, held)) => *held = held.union(capabilities),
                None => self.workspaces.push((workspace, capabilities)),
            },
        }
    }

    /// Who these grants are of.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What the actor may do in `workspace`, with what they may do to single entries alone ([`Self::reaches`]).
    pub fn capabilities(&self, workspace: WorkspaceId) -> Capabilities {
        let bounds = self.bounds(workspace).map_or(Capabilities::NONE, |bounds| bounds.capabilities);
        self.unbounded(workspace).union(bounds)
    }

    fn unbounded(&self, workspace: WorkspaceId) -> Capabilities {
        let here =
            self.workspaces.iter().find(|(id, _)| *id == workspace).map_or(Capabilities::NONE, |(_, held)| *held);
        self.everywhere.union(here)
    }

    /// What holds in `workspace` for single entries alone, and for which.
    fn bounds(&self, workspace: WorkspaceId) -> Option<Bounds> {
        let held = self.unbounded(workspace);
        let mut all: Option<Bounds> = None;
        for (scope, bounds) in &self.bounded {
            let there = matches!(scope, Scope::Organisation) || *scope == Scope::Workspace(workspace);
            let capabilities = bounds.capabilities.without(held);
            if there && !capabilities.is_empty() {
                let all = all.get_or_insert_with(Bounds::default);
                all.capabilities = all.capabilities.union(capabilities);
                all.entries.extend_from_slice(&bounds.entries);
            }
        }
        all
    }

    /// Whether a right is held in `workspace` for this entry: a supervisor's right holds for their own groups.
    pub fn reaches(&self, capability: Capability, workspace: WorkspaceId, entry: ResourceId) -> bool {
        let bounds = self.bounds(workspace);
        self.may(capability, workspace) && bounds.is_none_or(|bounds| bounds.covers(capability, entry))
    }

    /// What the actor may do everywhere.
    pub const fn organisation_capabilities(&self) -> Capabilities {
        self.everywhere
    }

    /// Whether the actor may know that `workspace` exists. Doors answer "not found" when not, so that a
    /// stranger cannot learn which names are taken.
    pub fn sees(&self, workspace: WorkspaceId) -> bool {
        // A directory's program knows people, and no workspace by that.
        let of_directory = [Capability::PeopleProvision].into_iter().collect();
        !self.capabilities(workspace).without(of_directory).is_empty()
    }

    /// Whether a right is held in `workspace`: for showing or hiding a button. Acting needs a [`Permit`].
    pub fn may(&self, capability: Capability, workspace: WorkspaceId) -> bool {
        self.capabilities(workspace).contains(capability)
    }

    /// Whether a right is held at all, wherever: for figures that are of no workspace.
    pub fn holds_somewhere(&self, capability: Capability) -> bool {
        self.everywhere.contains(capability)
            || self.workspaces.iter().any(|(_, held)| held.contains(capability))
            || self.bounded.iter().any(|(_, bounds)| bounds.capabilities.contains(capability))
    }

    /// The proof of `C` in `workspace`.
    pub fn permit<C: Cap>(&self, workspace: WorkspaceId) -> Result<Permit<C>, Denied> {
        let bounds = self.bounds(workspace).map(Arc::new);
        Proof { actor: Arc::clone(&self.actor), capabilities: self.capabilities(workspace), bounds }.permit(workspace)
    }

    /// The proof of `C` in the whole organisation.
    pub fn permit_organisation<C: Cap>(&self) -> Result<OrganisationPermit<C>, Denied> {
        Proof { actor: Arc::clone(&self.actor), capabilities: self.everywhere, bounds: None }.permit_organisation()
    }
}

#[cfg(test)]
mod tests {
    use base::{ApiKeyId, UserId};
    use uuid::Uuid;

    use super::*;
    use crate::{AuthMethod, Authority, Engine, KeyScope, Principal, Role, cap};

    fn workspace(n: u128) -> WorkspaceId {
        Uuid::from_u128(n).into()
    }

    fn ada() -> Actor {
        let id: UserId = Uuid::from_u128(7).into();
        Actor::new(Principal::User { id, name: "Ada Sample".into() }, AuthMethod::Password)
    }

    #[test]
    fn a_role_in_one_workspace_gives_nothing_in_another() {
        let grants = Grants::of_roles(ada(), &[(Role::Operator, Scope::Workspace(workspace(1)))]);
        let permit = grants.permit::<cap::AlertsAnswer>(workspace(1)).unwrap();
        assert_eq!(permit.workspace(), workspace(1));
        assert_eq!(permit.actor().principal.name(), "Ada Sample");
        let denied = grants.permit::<cap::AlertsAnswer>(workspace(2)).unwrap_err();
        assert_eq!(denied, Denied { capability: Capability::AlertsAnswer, scope: Scope::Workspace(workspace(2)) });
        assert!(grants.sees(workspace(1)) && !grants.sees(workspace(2)));
        assert!(grants.permit_organisation::<cap::AlertsAnswer>().is_err());
    }

    #[test]
    fn a_role_in_the_organisation_holds_in_every_workspace() {
        let grants = Grants::of_roles(ada(), &[(Role::Auditor, Scope::Organisation)]);
        assert!(grants.permit::<cap::AuditRead>(workspace(9)).is_ok());
        let everywhere = grants.permit_organisation::<cap::AuditRead>().unwrap();
        assert_eq!(everywhere.in_workspace(workspace(3)).workspace(), workspace(3));
        assert!(grants.permit::<cap::AlertsAnswer>(workspace(9)).is_err());
    }

    #[test]
    fn roles_add_up() {
        let here = workspace(1);
        let grants = Grants::of_roles(
            ada(),
            &[
                (Role::OnCall, Scope::Workspace(here)),
                (Role::Developer, Scope::Workspace(here)),
                (Role::Observer, Scope::Organisation),
            ],
        );
        assert!(grants.may(Capability::AlertsAnswer, here) && grants.may(Capability::FlowsWrite, here));
        assert!(!grants.may(Capability::FlowsWrite, workspace(2)) && grants.may(Capability::AlertsRead, workspace(2)));
    }

    /// E-08: even a key with every scope there is cannot manage keys, people or the workspace.
    #[test]
    fn e_08_an_api_key_is_bound_to_its_workspace_and_never_manages_keys() {
        let id: ApiKeyId = Uuid::from_u128(5).into();
        let actor = Actor::new(Principal::ApiKey { id, name: "ci".into() }, AuthMethod::ApiKey);
        let scopes: Vec<_> = KeyScope::all().collect();
        let grants = Grants::of_api_key(actor, workspace(1), &scopes);
        assert!(grants.permit::<cap::MessagesSend>(workspace(1)).is_ok());
        assert!(grants.permit::<cap::MessagesSend>(workspace(2)).is_err());
        assert!(grants.permit::<cap::ApiKeysManage>(workspace(1)).is_err());
        let apply = grants.permit::<cap::ResourcesApply>(workspace(1)).unwrap();
        assert!(apply.also::<cap::PeopleWrite>().is_err());
        assert_eq!(
            grants.organisation_capabilities().iter().collect::<Vec<_>>(),
            [Capability::PeopleProvision],
            "a directory's key keeps people, and nothing else outside its workspace"
        );
        assert!(apply.require(Capability::ApiKeysManage).is_err());
    }

    /// E-08: the right to keep a directory's people comes by its scope alone, and gives the kind of people alone.
    #[test]
    fn e_08_only_its_own_scope_lets_a_key_provision() {
        let id: ApiKeyId = Uuid::from_u128(5).into();
        let actor = || Actor::new(Principal::ApiKey { id, name: "directory".into() }, AuthMethod::ApiKey);
        let others: Vec<_> =
            KeyScope::all().filter(|scope| scope.capability() != Capability::PeopleProvision).collect();
        let grants = Grants::of_api_key(actor(), workspace(1), &others);
        assert!(grants.permit_organisation::<cap::PeopleProvision>().is_err());
        assert!(grants.permit::<cap::PeopleProvision>(workspace(1)).is_err());
        let grants = Grants::of_api_key(actor(), workspace(1), &["people:provision".parse().unwrap()]);
        let permit = grants.permit_organisation::<cap::PeopleProvision>().unwrap();
        assert!(permit.also::<cap::PeopleWrite>().is_err(), "only the room that keeps the directory's people says so");
        let people = permit.of_directory();
        assert_eq!(people.actor().principal.name(), "directory");
        assert!(people.also::<cap::RolesWrite>().is_err() && people.require(Capability::ApiKeysManage).is_err());
    }

    /// E-17: the engine's permit holds the one right it was made for.
    #[test]
    fn e_17_the_engine_holds_one_right_at_a_time() {
        let permit = Permit::<cap::AlertsOpen>::engine(Engine("flows"), workspace(1));
        assert_eq!((permit.actor().principal.kind(), permit.actor().principal.name()), ("engine", "flows"));
        assert!(permit.also::<cap::MessagesSend>().is_err());
    }

    /// E-17: a supervisor's right to change groups ends at the groups that name them.
    #[test]
    fn e_17_a_supervisor_reaches_their_own_groups_alone() {
        let (mine, other): (base::GroupId, base::GroupId) = (Uuid::from_u128(31).into(), Uuid::from_u128(32).into());
        let entry = |group: base::GroupId| ResourceId::from(group.uuid());
        let here = workspace(1);
        let mut held = Held::from((Role::Supervisor, Scope::Workspace(here)));
        held.groups = vec![mine];
        let grants = Grants::of_roles(ada(), std::slice::from_ref(&held));
        let permit = grants.permit::<cap::GroupsWrite>(here).unwrap();
        let rights = permit.rights();
        assert!(
            rights.covers(Capability::GroupsWrite, entry(mine))
                && !rights.covers(Capability::GroupsWrite, entry(other))
        );
        assert!(!rights.unbounded().contains(Capability::GroupsWrite));
        assert!(grants.reaches(Capability::GroupsWrite, here, entry(mine)));
        assert!(!grants.reaches(Capability::GroupsWrite, here, entry(other)));
        assert!(grants.reaches(Capability::AlertsAnswer, here, entry(other)), "what is not bounded is not");
        assert!(grants.permit::<cap::GroupsWrite>(workspace(2)).is_err());
        assert!(grants.permit_organisation::<cap::GroupsWrite>().is_err());
        // With a role that changes all groups, nothing is bounded any more.
        let wide = Grants::of_roles(ada(), &[held, (Role::WorkspaceAdministrator, Scope::Workspace(here)).into()]);
        assert!(wide.permit::<cap::GroupsWrite>(here).unwrap().rights().covers(Capability::GroupsWrite, entry(other)));
    }

    /// E-17: whoever administers a workspace administers nothing outside it, and neither people nor roles.
    #[test]
    fn e_17_an_administrator_of_a_workspace_has_nothing_outside_it() {
        for role in [Role::WorkspaceAdministrator, Role::Administrator, Role::SecurityOfficer] {
            let grants = Grants::of_roles(ada(), &[(role, Scope::Workspace(workspace(1)))]);
            assert!(grants.permit::<cap::ApiKeysManage>(workspace(1)).is_ok());
            assert!(grants.capabilities(workspace(2)).is_empty() && grants.organisation_capabilities().is_empty());
            assert!(grants.permit::<cap::PeopleWrite>(workspace(1)).is_err(), "{role}");
            assert!(grants.permit::<cap::RolesWrite>(workspace(1)).is_err(), "{role}");
        }
    }

    /// E-17: neither given everywhere, nor given in another workspace before it became one of this.
    #[test]
    fn e_17_a_custom_role_of_a_workspace_never_holds_outside_it() {
        let role = crate::CustomRole {
            id: Uuid::from_u128(9).into(),
            name: "night".into(),
            capabilities: [Capability::AlertsAnswer].into_iter().collect(),
            workspace: Some(workspace(1)),
        };
        let held =
            Held { role: crate::HeldRole::Custom(Arc::new(role)), scope: Scope::Organisation, groups: Vec::new() };
        let grants = Grants::of_roles(ada(), std::slice::from_ref(&held));
        assert!(grants.may(Capability::AlertsAnswer, workspace(1)) && !grants.sees(workspace(2)));
        assert!(grants.organisation_capabilities().is_empty());
        assert!(
            held.gives(Capability::AlertsAnswer, Some(workspace(1))) && !held.gives(Capability::AlertsAnswer, None)
        );
        let elsewhere = Held { scope: Scope::Workspace(workspace(2)), ..held.clone() };
        let grants = Grants::of_roles(ada(), std::slice::from_ref(&elsewhere));
        assert!(elsewhere.reach().is_none() && !grants.sees(workspace(1)) && !grants.sees(workspace(2)));
        for place in [None, Some(workspace(1)), Some(workspace(2))] {
            assert!(!elsewhere.gives(Capability::AlertsAnswer, place));
        }
        let here = Held { scope: Scope::Workspace(workspace(1)), ..held };
        assert_eq!(here.reach(), Some(Scope::Workspace(workspace(1))));
    }

    #[test]
    fn a_denial_names_the_right_and_the_remedy() {
        use base::Explain;
        let denied = Grants::none(ada()).permit::<cap::MessagesSend>(workspace(1)).unwrap_err();
        let problem = denied.problem();
        assert_eq!(problem.kind, base::ProblemKind::Forbidden);
        assert!(problem.detail.contains("messages:send") && problem.detail.contains("administrator"));
    }
}
