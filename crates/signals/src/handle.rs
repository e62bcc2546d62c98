//! Handling what was accepted: map, and start a run for each event, in the order in which an integration sent it.
//!
//! A signal's row counts the events that have their run, and each transaction checks the count of the one before: stopped
//! at any point it goes on there, and two nodes at once do nothing twice.

use std::sync::Arc;
use std::time::Duration;

use base::{Explain, IntegrationId, SignalId, Timestamp};
use flows::{Event, Start};
use store::{Changed, Job, JobError, NewJob};
use vault::Aad;

use crate::TOPIC;
use crate::accept::{HANDLE_JOB, HandleJob};
use crate::again;
use crate::body::{Media, parse};
use crate::credentials::{self, Known};
use crate::error::Error;
use crate::mapping::{Mapping, Understood};
use crate::rows::{self, Advance, Waiting};
use crate::signals::Signals;
use crate::summary;

/// Signals that are mapped together.
const SIGNALS: usize = 16;
/// Events whose runs begin in one transaction: the writer is everybody's.
const EVENTS: usize = 50;
/// What the mapping of one signal may take. Nobody waits for it but the signal itself.
const DEADLINE: Duration = Duration::from_secs(1);
/// Tries until an event that cannot be handled is left, so that those behind it go on.
const TRIES: u32 = 5;
/// How long one job stays at an integration that never stops sending.
const SHIFT: Duration = Duration::from_mins(1);
/// Tries that wait for a busy sandbox before a signal is handled without its mapping.
const PATIENCE: u32 = 3;

/// What is waiting for one integration.
struct Batch {
    known: Known,
    mapping: Mapping,
    signals: Vec<(Waiting, Vec<u8>)>,
}

/// Some events of one signal.
#[derive(Clone)]
struct Portion {
    signal: SignalId,
    received: Timestamp,
    from: u32,
    total: u32,
    events: Vec<Event>,
    notes: Vec<String>,
}

impl Signals {
    /// One handling of the job `signals.handle`: everything that waits for its integration.
    pub(crate) async fn handle(&self, job: Job) -> Result<(), JobError> {
        let HandleJob { integration } = job.parse()?;
        // Somebody is at it and will look again: this signal is on disk, and its job is theirs now.
        let Some(mut lane) = self.0.lanes.enter(integration) else { return Ok(()) };
        let began = self.0.db.context().monotonic();
        loop {
            while self.handle_some(integration, job.attempt()).await? {
                if self.0.db.context().monotonic().saturating_sub(began) > SHIFT {
                    // First out of the lane: the next job must find it free, or it would leave everything to us.
                    drop(lane);
                    return self.hand_over(integration).await;
                }
            }
            if lane.leave() {
                return Ok(());
            }
        }
    }

    /// A job has a deadline, and an integration that never stops sending would run into it: the next job goes on.
    async fn hand_over(&self, integration: IntegrationId) -> Result<(), JobError> {
        let payload =
            serde_json::to_value(HandleJob { integration }).map_err(|error| JobError::fail(error.to_string()))?;
        let enqueued = self.0.db.write(move |tx| {
            let run_at = tx.now();
            tx.enqueue(NewJob { kind: HANDLE_JOB, key: None, payload: &payload, run_at })
        });
        enqueued.await.map_err(|error| JobError::retry(error.to_string()))
    }

    /// Handles the oldest signals that wait; whether there were any.
    async fn handle_some(&self, integration: IntegrationId, attempt: u32) -> Result<bool, JobError> {
        let this = self.clone();
        let loaded = self.0.db.read(move |tx| this.load(tx, integration)).await;
        let Some(batch) = loaded.map_err(|error| JobError::retry(error.to_string()))? else { return Ok(false) };
        let understood = self.understand(&batch, attempt).await?;
        let known = Arc::new(batch.known);
        let mut portions = Vec::new();
        for ((waiting, _), understood) in batch.signals.iter().zip(understood) {
            split(waiting, understood, &mut portions);
        }
        let mut chunk: Vec<Portion> = Vec::new();
        for portion in portions {
            let size: usize = chunk.iter().map(|portion| portion.events.len()).sum();
            if !chunk.is_empty()
                && size + portion.events.len() > EVENTS
                && !self.begin(&known, std::mem::take(&mut chunk), attempt).await?
            {
                return Ok(true);
            }
            chunk.push(portion);
        }
        self.begin(&known, chunk, attempt).await?;
        Ok(true)
    }

    fn load(&self, tx: &mut store::Tx<'_>, integration: IntegrationId) -> Result<Option<Batch>, Error> {
        let waiting = rows::waiting(tx, integration, SIGNALS)?;
        if waiting.is_empty() {
            return Ok(None);
        }
        let known = credentials::known(tx, integration, true)?.ok_or(Error::Corrupt("integration"))?;
        let mapping = again::mapping(tx, &known)?;
        let mut signals = Vec::with_capacity(waiting.len());
        for one in waiting {
            let row = one.id.to_string();
            let aad = Aad { table: "signal_payloads", column: "body", row: &row };
            let body = self.0.vault.open(tx, Some(known.workspace), &aad, &one.body)?;
            signals.push((one, body.to_vec()));
        }
        Ok(Some(Batch { known, mapping, signals }))
    }

    /// Maps the bodies, all in one worker of the sandbox.
    async fn understand(&self, batch: &Batch, attempt: u32) -> Result<Vec<Understood>, JobError> {
        let name = &batch.known.name;
        let tasks: Vec<_> = batch
            .signals
            .iter()
            .map(|(waiting, body)| {
                let media = Media::of(waiting.content_type.as_deref()).unwrap_or(Media::Json);
                // It was parsed when it was accepted, so it parses.
                let payload = parse(media, body).unwrap_or(serde_json::Value::Null);
                batch.mapping.task(payload, media == Media::Xml, name)
            })
            .collect();
        let outcomes = self.0.sandbox.run(&tasks, DEADLINE).await;
        let busy = |outcome: &Result<_, sandbox::Error>| {
            matches!(outcome, Err(sandbox::Error::Busy | sandbox::Error::Unavailable(_)))
        };
        if attempt <= PATIENCE && outcomes.iter().any(busy) {
            return Err(JobError::retry_after(Duration::from_millis(500), "the sandbox is busy"));
        }
        Ok(outcomes.into_iter().map(|outcome| batch.mapping.understand(outcome, name)).collect())
    }

    /// Begins the runs of a chunk's events in one transaction; whether it was we who did.
    async fn begin(&self, known: &Arc<Known>, chunk: Vec<Portion>, attempt: u32) -> Result<bool, JobError> {
        let starts: Vec<Start> = chunk.iter().flat_map(|portion| starts(known, portion)).collect();
        let mut prepared = self.0.flows.prepare(starts).await.into_iter();
        let mut planned = Vec::with_capacity(chunk.len());
        for portion in &chunk {
            let runs: Vec<_> = prepared.by_ref().take(portion.events.len()).collect();
            planned.push((portion.clone(), runs));
        }
        if let Some(error) = planned
            .iter()
            .flat_map(|(_, runs)| runs)
            .filter_map(|run| run.as_ref().err())
            .find(|error| is_transient(error))
        {
            return Err(JobError::retry(error.to_string()));
        }
        let (flows, vault, workspace) = (self.0.flows.clone(), self.0.vault.clone(), known.workspace);
        let written = self
            .0
            .db
            .write(move |tx| {
                let seen: Vec<_> = planned.iter().map(|(portion, _)| (portion.signal, portion.from)).collect();
                rows::hold(tx, &seen)?;
                for (portion, runs) in &planned {
                    let mut step = advance(portion);
                    for run in runs {
                        match run {
                            Ok(run) => step.runs.push(Some(flows.begin(tx, run)?)),
                            Err(error) => {
                                step.runs.push(None);
                                step.failed = true;
                                step.reason =
                                    Some(format!("An event could not be handled: {}", error.problem().detail));
                            }
                        }
                    }
                    let now = tx.now();
                    if let Some(first) = portion.events.first().filter(|_| portion.from == 0) {
                        step.summary = Some(summary::seal(tx, &vault, workspace, portion.signal, first, now)?);
                    }
                    rows::advance(tx, &step, now)?;
                    tx.touched(Changed { workspace: Some(workspace), topic: TOPIC, id: portion.signal.to_string() });
                }
                Ok::<_, Error>(())
            })
            .await;
        match written {
            Ok(()) => Ok(true),
            Err(Error::Overtaken) => Ok(false),
            Err(error) => self.one_by_one(known, chunk, attempt, error).await,
        }
    }

    /// A chunk failed: its events are begun one by one, so that one that cannot be begun does not hold the others up.
    async fn one_by_one(
        &self,
        known: &Arc<Known>,
        chunk: Vec<Portion>,
        attempt: u32,
        error: Error,
    ) -> Result<bool, JobError> {
        let events: usize = chunk.iter().map(|portion| portion.events.len().max(1)).sum();
        if events > 1 {
            for single in chunk.into_iter().flat_map(singles) {
                if !Box::pin(self.begin(known, vec![single], attempt)).await? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let transient = matches!(&error, Error::Store(error) if error.is_transient())
            || matches!(&error, Error::Flows(error) if is_transient(error));
        let Some(portion) = chunk.into_iter().next().filter(|_| attempt >= TRIES && !transient) else {
            return Err(JobError::retry(error.to_string()));
        };
        tracing::error!(signal.id = %portion.signal, %error, "an event of a signal was given up");
        let mut step = advance(&portion);
        step.runs = portion.events.iter().map(|_| None).collect();
        step.failed = true;
        step.reason = Some(format!("An event could not be handled, and was given up after {attempt} tries."));
        let given_up = self.0.db.write(move |tx| {
            rows::hold(tx, &[(step.id, step.from)])?;
            let now = tx.now();
            rows::advance(tx, &step, now)
        });
        match given_up.await {
            Ok(()) => Ok(true),
            Err(Error::Overtaken) => Ok(false),
            Err(error) => Err(JobError::retry(error.to_string())),
        }
    }
}

fn is_transient(error: &flows::Error) -> bool {
    matches!(error, flows::Error::Store(error) if error.is_transient())
}

/// What is left of a signal, in portions of at most [`EVENTS`].
fn split(waiting: &Waiting, understood: Understood, out: &mut Vec<Portion>) {
    let total = u32::try_from(understood.events.len()).unwrap_or(u32::MAX);
    let whole = Portion {
        signal: waiting.id,
        received: waiting.received,
        from: waiting.done.min(total),
        total,
        events: Vec::new(),
        notes: understood.notes,
    };
    let left: Vec<Event> = understood.events.into_iter().skip(whole.from as usize).collect();
    if left.is_empty() {
        out.push(whole);
        return;
    }
    let mut from = whole.from;
    for events in left.chunks(EVENTS) {
        out.push(Portion { from, events: events.to_vec(), ..whole.clone() });
        from += u32::try_from(events.len()).unwrap_or_default();
    }
}

/// A portion's events, each on its own.
fn singles(portion: Portion) -> Vec<Portion> {
    if portion.events.len() <= 1 {
        return vec![portion];
    }
    (portion.from..)
        .zip(&portion.events)
        .map(|(from, event)| Portion { from, events: vec![event.clone()], ..portion.clone() })
        .collect()
}

fn starts(known: &Known, portion: &Portion) -> Vec<Start> {
    (portion.from..)
        .zip(&portion.events)
        .map(|(ordinal, event)| Start {
            workspace: known.workspace,
            flow: known.flow,
            integration: Some(known.id),
            integration_name: known.name.clone(),
            signal: Some(portion.signal),
            ordinal,
            received: portion.received,
            event: event.clone(),
            notes: portion.notes.clone(),
        })
        .collect()
}

fn advance(portion: &Portion) -> Advance {
    let reason = match portion.notes.as_slice() {
        [] if portion.total == 0 => Some("The mapping found no event in it.".to_owned()),
        [] => None,
        notes => Some(notes.join(" ")),
    };
    Advance {
        id: portion.signal,
        from: portion.from,
        runs: Vec::new(),
        total: portion.total,
        reason,
        failed: false,
        summary: None,
    }
}
