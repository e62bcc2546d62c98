//! How the parts behind the doors are, for `/healthz` and `/readyz`.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Condition, Health};
use sandbox::{Error as SandboxError, Sandbox};
use serde_json::json;

/// The southbound connections. They never take the node out of service: a carrier that is down is down for every node, and
/// requests are accepted and kept for it all the same.
pub struct Carriers(pub carriers::Carriers);

#[async_trait]
impl Health for Carriers {
    fn name(&self) -> &'static str {
        "carriers"
    }

    async fn look(&self) -> Condition {
        let each = self.0.status();
        let words = each.iter().map(|carrier| format!("{}: {}", carrier.name, carrier.words)).collect::<Vec<_>>();
        let bound = each.iter().filter(|carrier| carrier.sessions_bound > 0).count();
        Condition::good(format!("{bound} of {} bound; {}", each.len(), words.join("; ")))
    }
}

/// The processes that evaluate customers' templates.
pub struct Templates(pub Sandbox);

#[async_trait]
impl Health for Templates {
    fn name(&self) -> &'static str {
        "templates"
    }

    async fn look(&self) -> Condition {
        let mut outcome = self.0.evaluate("1 + 1", &json!({})).await;
        if outcome.is_err() {
            // A worker that was killed a moment ago is replaced by the next call.
            outcome = self.0.evaluate("1 + 1", &json!({})).await;
        }
        match outcome {
            Ok(_) => Condition::good("a worker answers"),
            Err(SandboxError::Busy) => Condition::good("all workers are busy"),
            Err(error) => Condition::unready(format!("no worker answers: {error}")),
        }
    }
}

/// A part that others hold too.
pub struct Shared<T>(pub Arc<T>);

#[async_trait]
impl<T: Health> Health for Shared<T> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn look(&self) -> Condition {
        self.0.look().await
    }
}
