//! What a rotation of keys asks of the rooms: an audit entry for each step, and the secrets of configuration under the new key.

use std::error::Error as StdError;
use std::sync::Arc;

use access::Actor;
use resources::Resources;
use serde_json::json;
use store::Tx;
use vault::{Around, KeyEvent, Pass};

/// The rooms, as the vault meets them.
struct Rooms {
    resources: Resources,
    actor: Actor,
}

/// The rooms around the vault; what happens is recorded as done by `actor`.
pub fn around(resources: Resources, actor: Actor) -> Arc<dyn Around> {
    Arc::new(Rooms { resources, actor })
}

impl Around for Rooms {
    fn record(&self, tx: &mut Tx<'_>, event: &KeyEvent) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let (action, version, changes) = match *event {
            KeyEvent::Activated { version, before } => ("keys.activate", version, json!({ "before": before })),
            KeyEvent::Rewrapped { version, keys } => ("keys.rewrap", version, json!({ "keys": keys })),
            KeyEvent::Renewed { keys } => ("keys.renew", 0, json!({ "keys": keys })),
            KeyEvent::Removed { keys } => ("keys.remove", 0, json!({ "keys": keys })),
            KeyEvent::Retired { version } => ("keys.retire", version, json!({})),
        };
        let target = if version == 0 { "configuration".to_owned() } else { format!("version {version}") };
        let entry = audit::Entry {
            actor: &self.actor,
            workspace: None,
            action,
            target: ("keys", &target),
            outcome: audit::Outcome::Success,
            reason: None,
            changes: Some(changes),
        };
        audit::record(tx, entry)?;
        Ok(())
    }

    fn reseal(&self, tx: &mut Tx<'_>, pass: &mut Pass) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(self.resources.reseal(tx, pass)?)
    }
}
