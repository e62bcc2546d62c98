//! What a change to configuration stands on, as a form says it.

use resources::{ChangeReference, Error, Ground};

use base::WorkspaceId;
use http::Answer;

use crate::Console;

/// The ground that a form names: the reference of an approved change, or none.
pub fn ground(change: &str) -> Result<Ground, Error> {
    match change.trim() {
        "" => Ok(Ground::None),
        reference => ChangeReference::new(reference).map(Ground::Change),
    }
}

impl Console {
    /// Whether forms in this workspace ask for a change reference (control E-15).
    pub async fn is_controlled(&self, workspace: WorkspaceId) -> Answer<bool> {
        let found = self.workspace(workspace).await?;
        Ok(found.controlled && found.environment == access::Environment::Production)
    }

    /// The same for an entry: what belongs to the organisation is not under change control.
    pub async fn is_controlled_at(&self, place: Option<WorkspaceId>) -> Answer<bool> {
        match place {
            Some(workspace) => self.is_controlled(workspace).await,
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_a_change_or_none() {
        assert_eq!(ground("  ").ok(), Some(Ground::None));
        assert!(matches!(ground(" CHG-1042 "), Ok(Ground::Change(reference)) if reference.as_str() == "CHG-1042"));
        assert!(matches!(ground("because"), Err(Error::ChangeReference)));
    }
}
