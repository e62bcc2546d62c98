//! The handle: preparing, beginning and carrying on runs, and reading them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use access::{Permit, cap};
use base::{FlowId, Page, PageRequest, RunId, WorkspaceId};
use sandbox::{DEADLINE, Sandbox};
use store::{Db, Job, JobError, Worker};
use vault::Vault;

use crate::document::Document;
use crate::error::Error;
use crate::interpreter::{Need, Progress};
use crate::memory::Memory;
use crate::pages::Pages;
use crate::rows;
use crate::segment::{self, RUN_JOB, RunJob};
use crate::types::{FlowRow, Run, RunDetail, RunFilter, Start};

/// Versions of flows kept in memory at most; they never change, so the cache can only be too small.
const CACHE: usize = 256;
/// Runs that are carried on at the same time on a node.
const CONCURRENCY: usize = 4;

/// Flows and their runs. Cheap to clone.
#[derive(Clone)]
pub struct Flows(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub db: Db,
    pub vault: Vault,
    pub sandbox: Sandbox,
    pub pages: Box<dyn Pages>,
    cache: Mutex<HashMap<(FlowId, i64), Arc<Document>>>,
}

impl fmt::Debug for Flows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flows")
    }
}

/// A run that was evaluated up to its first effect, ready to be begun in a transaction.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) start: Start,
    pub(crate) run: RunId,
    pub(crate) version: i64,
    pub(crate) progress: Progress,
}

impl Prepared {
    /// The run's id.
    pub const fn run(&self) -> RunId {
        self.run
    }
}

impl Flows {
    /// Flows over a store, whose runs evaluate in `sandbox` and open their alerts by `pages` (which is [`alerts::Alerts`]).
    pub fn new(db: Db, vault: Vault, sandbox: Sandbox, pages: impl Pages) -> Self {
        Self(Arc::new(Inner { db, vault, sandbox, pages: Box::new(pages), cache: Mutex::new(HashMap::new()) }))
    }

    /// Registers what runs by itself: runs that have steps to go.
    #[must_use]
    pub fn work(&self, worker: Worker) -> Worker {
        let flows = self.clone();
        worker.handle(RUN_JOB, CONCURRENCY, move |job: Job| {
            let flows = flows.clone();
            async move { flows.carry_on(job).await }
        })
    }

    /// Evaluates each run up to its first effect, outside of any transaction and for all of them in few round trips. What
    /// is wrong with one is no matter for the others.
    pub async fn prepare(&self, starts: Vec<Start>) -> Vec<Result<Prepared, Error>> {
        let documents = match self.newest(&starts).await {
            Ok(documents) => documents,
            // Found out again for each, because the error may be about one only.
            Err(_) if starts.len() > 1 => {
                let mut out = Vec::with_capacity(starts.len());
                for start in starts {
                    out.extend(Box::pin(self.prepare(vec![start])).await);
                }
                return out;
            }
            Err(error) => return vec![Err(error)],
        };
        let mut prepared: Vec<Prepared> = starts
            .into_iter()
            .zip(documents)
            .map(|(start, (version, document))| {
                let run: RunId = self.0.db.context().id();
                let memory = Memory {
                    run,
                    signal: start.signal,
                    integration: start.integration_name.clone(),
                    received: start.received,
                    event: start.event.clone(),
                    notes: start.notes.clone(),
                    vars: serde_json::Map::new(),
                    steps: serde_json::Map::new(),
                    troubles: Vec::new(),
                };
                Prepared { start, run, version, progress: Progress::start(document, memory) }
            })
            .collect();
        let mut progresses: Vec<&mut Progress> = prepared.iter_mut().map(|one| &mut one.progress).collect();
        self.evaluate(&mut progresses).await;
        prepared.into_iter().map(Ok).collect()
    }

    /// Begins a prepared run in the caller's transaction: its first effect, its step records and where it stands commit
    /// together, with whatever else the caller writes. What is left of it is carried on by the job `flows.run`.
    pub fn begin(&self, tx: &mut store::Tx<'_>, prepared: &Prepared) -> Result<RunId, Error> {
        segment::begin(&self.0, tx, prepared)
    }

    /// Evaluates runs until each wants an effect or is over; one round trip a level, not a run.
    async fn evaluate(&self, runs: &mut [&mut Progress]) {
        loop {
            let mut asking = Vec::new();
            let mut tasks = Vec::new();
            for (place, run) in runs.iter_mut().enumerate() {
                if let Need::Evaluate(task) = run.advance() {
                    asking.push(place);
                    tasks.push(task);
                }
            }
            if tasks.is_empty() {
                return;
            }
            let outcomes = self.0.sandbox.run(&tasks, DEADLINE).await;
            for (place, outcome) in asking.into_iter().zip(outcomes) {
                runs[place].take(outcome);
            }
        }
    }

    /// One handling of the job `flows.run`: the run's next segments, one transaction each.
    async fn carry_on(&self, job: Job) -> Result<(), JobError> {
        let RunJob { run, workspace } = job.parse()?;
        loop {
            let this = self.clone();
            let found = self
                .0
                .db
                .read(move |tx| {
                    let Some(waiting) = rows::waiting(tx, workspace, run)? else { return Ok(None) };
                    let memory = segment::open_memory(&this.0, tx, &waiting)?;
                    Ok::<_, Error>(Some((waiting, memory)))
                })
                .await
                .map_err(|error| JobError::retry(error.to_string()))?;
            let Some((waiting, memory)) = found else { return Ok(()) };
            let document = self
                .version(waiting.flow, waiting.version)
                .await
                .map_err(|error| JobError::retry(error.to_string()))?;
            let at = segment::place(&document, waiting.step.as_deref());
            let mut progress = Progress::resume(document, memory, at);
            self.evaluate(&mut [&mut progress]).await;
            let (this, job, waiting) = (self.clone(), job.clone(), Arc::new(waiting));
            let over = self
                .0
                .db
                .write(move |tx| {
                    let over = segment::carry_on(&this.0, tx, &waiting, &progress)?;
                    if over {
                        job.finish(tx)?;
                    }
                    Ok::<_, Error>(over)
                })
                .await;
            match over {
                Ok(true) => return Ok(()),
                // More to go, or somebody else was quicker: look again.
                Ok(false) | Err(Error::Overtaken) => {}
                Err(error) => return Err(JobError::retry(error.to_string())),
            }
        }
    }

    /// The newest version of each start's flow.
    async fn newest(&self, starts: &[Start]) -> Result<Vec<(i64, Arc<Document>)>, Error> {
        let wanted: Vec<(WorkspaceId, FlowId)> = starts.iter().map(|start| (start.workspace, start.flow)).collect();
        let this = self.clone();
        self.0
            .db
            .read(move |tx| {
                let mut known: HashMap<FlowId, (i64, Arc<Document>)> = HashMap::new();
                let mut out = Vec::with_capacity(wanted.len());
                for (workspace, flow) in &wanted {
                    if let Some(found) = known.get(flow) {
                        out.push(found.clone());
                        continue;
                    }
                    let version = rows::newest(tx, *workspace, *flow)?.ok_or(Error::NoFlow)?;
                    let found = (version, this.cached_or_read(tx, *flow, version)?);
                    known.insert(*flow, found.clone());
                    out.push(found);
                }
                Ok::<_, Error>(out)
            })
            .await
    }

    pub(crate) async fn version(&self, flow: FlowId, version: i64) -> Result<Arc<Document>, Error> {
        let this = self.clone();
        self.0.db.read(move |tx| this.cached_or_read(tx, flow, version)).await
    }

    pub(crate) fn cached_or_read(
        &self,
        tx: &mut store::Tx<'_>,
        flow: FlowId,
        version: i64,
    ) -> Result<Arc<Document>, Error> {
        let cached = |cache: &Mutex<HashMap<_, Arc<Document>>>| {
            cache.lock().unwrap_or_else(PoisonError::into_inner).get(&(flow, version)).cloned()
        };
        if let Some(document) = cached(&self.0.cache) {
            return Ok(document);
        }
        let document = Arc::new(rows::document(tx, flow, version)?);
        let mut cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE {
            cache.clear();
        }
        cache.insert((flow, version), Arc::clone(&document));
        Ok(document)
    }

    /// The flows of the permit's workspace, by name.
    pub async fn list(&self, permit: &Permit<cap::FlowsRead>) -> Result<Vec<FlowRow>, Error> {
        let workspace = permit.workspace();
        self.0.db.read(move |tx| rows::flows(tx, workspace)).await
    }

    /// Runs of the permit's workspace, newest first; those of one signal in the order of its events.
    pub async fn runs(
        &self,
        permit: &Permit<cap::RunsRead>,
        filter: RunFilter,
        page: PageRequest,
    ) -> Result<Page<Run>, Error> {
        let (workspace, this) = (permit.workspace(), self.clone());
        self.0
            .db
            .read(move |tx| {
                let mut page = rows::runs(tx, workspace, &filter, &page)?;
                for run in &mut page.items {
                    segment::open_reason(&this.0, tx, run)?;
                }
                Ok(page)
            })
            .await
    }

    /// One run with its steps.
    pub async fn run(&self, permit: &Permit<cap::RunsRead>, id: RunId) -> Result<Option<RunDetail>, Error> {
        let (workspace, this) = (permit.workspace(), self.clone());
        self.0
            .db
            .read(move |tx| {
                let Some(mut run) = rows::run(tx, workspace, id)? else { return Ok(None) };
                segment::open_reason(&this.0, tx, &mut run)?;
                let steps = segment::open_steps(&this.0, tx, workspace, id)?;
                Ok(Some(RunDetail { run, steps }))
            })
            .await
    }
}
