//! One handler at a time for each integration on this node, so that what one machine says is done in the order in which
//! it said it. Another node is kept away by what is written, not by this.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::IntegrationId;

/// The integrations that are being handled, each with whether more came in meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes(Arc<Mutex<HashMap<IntegrationId, bool>>>);

/// The right to handle an integration, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lane {
    lanes: Lanes,
    integration: IntegrationId,
    left: bool,
}

impl Lanes {
    /// The lane, if nobody has it. Otherwise whoever has it will look once more before leaving.
    pub(crate) fn enter(&self, integration: IntegrationId) -> Option<Lane> {
        let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = busy.get_mut(&integration) {
            *more = true;
            return None;
        }
        busy.insert(integration, false);
        Some(Lane { lanes: self.clone(), integration, left: false })
    }
}

impl Lane {
    /// Leaves the lane, unless more came in meanwhile: then it stays, and the caller looks again.
    pub(crate) fn leave(&mut self) -> bool {
        let mut busy = self.lanes.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = busy.get_mut(&self.integration).filter(|more| **more) {
            *more = false;
            return false;
        }
        busy.remove(&self.integration);
        self.left = true;
        true
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if !self.left {
            self.lanes.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.integration);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_in_looks_again_for_those_who_came() {
        let lanes = Lanes::default();
        let id = IntegrationId::from(uuid::Uuid::nil());
        let mut lane = lanes.enter(id).unwrap();
        assert!(lanes.enter(id).is_none());
        assert!(!lane.leave(), "more came in");
        assert!(lane.leave());
        drop(lane);
        let again = lanes.enter(id).unwrap();
        drop(again);
        assert!(lanes.enter(id).is_some(), "given up without leaving, it is free all the same");
    }
}
