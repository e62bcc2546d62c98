//! Signals: what machines send us. Proves the sender, bounds and parses what it sent, puts it on disk, and turns it by a
//! mapping (which is data) into events that start flows. Keeps a line of activity for every request.
//!
//! The verbs are on `Signals` (signatures, while the bodies are being written):
//!
//! ```text
//! Signals::new(db: Db, vault: Vault, identity: Identity, flows: Flows, sandbox: Sandbox) -> Signals     // cheap to clone
//! signals.accept(Request) -> Result<Accepted, Refused>                  // async; Ok only after the commit: answer 202 {"requestId": …}
//!     // Refused: base::Explain; problem().kind is Unauthenticated | TooLarge | UnsupportedMedia | TooMany (retry_after) | Invalid (field) | Unavailable
//! signals.work(worker: store::Worker) -> store::Worker                  // registers the job "signals.handle"
//! signals.list(&Permit<cap::SignalsRead>, Filter, PageRequest) -> Result<Page<Activity>, Error>         // async
//! signals.get(&Permit<cap::SignalsRead>, SignalId) -> Result<Option<SignalDetail>, Error>               // async
//! signals.payload(&Permit<cap::SignalPayloadRead>, SignalId) -> Result<Option<Payload>, Error>          // async, audited
//! signals.integrations(&Permit<cap::IntegrationsRead>) -> Result<Vec<Integration>, Error>               // async
//! signals.rotate_token(&Permit<cap::IntegrationsWrite>, IntegrationId, overlap: Duration) -> Result<SecretString, Error>
//! signals::kinds() -> Vec<Box<dyn resources::Kind>>                     // the kinds "mappings" and "integrations"
//! signals::MIGRATIONS; signals::BODY_LIMIT (256 KiB, for the door's own limit)
//! ```
//!
//! This room does not decide what happens with an event (that is `flows`) and knows no HTTP.

mod types;

pub use types::{
    Accepted, Activity, Auth, Credential, Door, Filter, Integration, Payload, Request, SignalDetail, SignalState, TokenRow,
};

/// Bytes of a signal's body at most; a door may stop reading there.
pub const BODY_LIMIT: usize = 256 * 1024;
