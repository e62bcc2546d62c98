//! Flows: what a workspace wants done with the events of its signals, as stored, versioned steps, and the interpreter
//! that runs them durably.
//!
//! The verbs are on `Flows` (signatures, while the bodies are being written):
//!
//! ```text
//! Flows::new(db: Db, vault: Vault, sandbox: Sandbox, alerts: Alerts) -> Flows            // cheap to clone
//! flows.prepare(starts: Vec<Start>) -> Vec<Result<Prepared, Error>>                      // async, outside any transaction
//! flows.begin(tx, &Prepared) -> Result<RunId, Error>                                     // in the caller's transaction
//! flows.work(worker: store::Worker) -> store::Worker                                     // registers the job "flows.run"
//! flows.list(&Permit<cap::FlowsRead>) -> Result<Vec<FlowRow>, Error>                     // async
//! flows.runs(&Permit<cap::RunsRead>, RunFilter, PageRequest) -> Result<Page<Run>, Error> // async
//! flows.run(&Permit<cap::RunsRead>, RunId) -> Result<Option<RunDetail>, Error>           // async
//! flows.event(&Permit<cap::SignalPayloadRead>, RunId) -> Result<Option<Event>, Error>    // async
//! flows::kinds() -> Vec<Box<dyn resources::Kind>>                                        // the kind "flows"
//! flows::MIGRATIONS
//! ```
//!
//! This room opens no socket, knows no payload (that is `signals`) and pages nobody (that is `alerts`).

mod types;

pub use types::{Event, FlowRow, Run, RunDetail, RunFilter, RunState, Start, Status, StepRecord, StepState};
