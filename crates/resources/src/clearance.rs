//! The proof that a change may reach its workspace (control E-15, first part). The writer takes a [`Clearance`],
//! and for a controlled production workspace none can be made without a change reference or, on the machine
//! itself, a reason for breaking the glass.

use access::{Actor, Environment, Principal};
use base::WorkspaceId;
use store::Tx;

use crate::Error;

/// The reference of an approved change: `CHG-1042`. Letters, digits, `-`, `_`, `/`, `.`; at most 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeReference(String);

impl ChangeReference {
    /// The reference `text`.
    pub fn new(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let fits = (3..=64).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_/.".contains(c))
            && text.chars().any(|c| c.is_ascii_digit());
        if fits { Ok(Self(text.to_owned())) } else { Err(Error::ChangeReference) }
    }

    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a change stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Nothing in particular: enough for every workspace that is not controlled.
    None,
    /// An approved change.
    Change(ChangeReference),
    /// An emergency, with its reason; only for the operating system's user on the machine.
    BreakGlass(String),
}

/// The proof that a change may reach one workspace (or the organisation). Made by [`Clearance::check`] alone.
#[derive(Clone, Debug)]
pub struct Clearance {
    workspace: Option<WorkspaceId>,
    ground: Ground,
}

impl Clearance {
    /// Clears a change to `workspace` (`None`: to what belongs to the organisation) on `ground`.
    pub fn check(
        tx: &mut Tx<'_>,
        workspace: Option<WorkspaceId>,
        ground: &Ground,
        actor: &Actor,
    ) -> Result<Self, Error> {
        let controlled = match workspace {
            Some(id) => crate::own::control(tx, id)?
                .is_some_and(|(environment, controlled)| controlled && environment == Environment::Production),
            None => false,
        };
        match ground {
            Ground::None if controlled => Err(Error::Controlled),
            Ground::BreakGlass(reason) if reason.trim().chars().count() < 10 => Err(Error::BreakGlassReason),
            Ground::BreakGlass(_) if !matches!(actor.principal, Principal::Os(_)) => Err(Error::BreakGlassHere),
            ground => Ok(Self { workspace, ground: ground.clone() }),
        }
    }

    pub(crate) fn covers(&self, workspace: Option<WorkspaceId>) -> bool {
        self.workspace == workspace
    }

    pub(crate) fn ground(&self) -> &Ground {
        &self.ground
    }
}
