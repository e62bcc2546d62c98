//! One transaction of a run: at most one effect, the records of the steps before and at it, and where the run stands.

use access::{Engine, Permit, cap};
use alerts::{NewAlert, ResolveKey};
use base::{Explain, ProblemKind, RunId, WorkspaceId};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::{Changed, NewJob, Tx, Value};
use vault::{Aad, Purpose};

use crate::document::{Document, Next};
use crate::error::Error;
use crate::flows::{Inner, Prepared};
use crate::interpreter::{Effect, Need, Page, Progress, Settled, Verdict};
use crate::memory::Memory;
use crate::rows::{self, Standing, Waiting};
use crate::types::{Run, RunState, StepRecord};

/// The job that carries a run on.
pub(crate) const RUN_JOB: &str = "flows.run";
/// What [`Tx::touched`] says when a run changed.
pub const TOPIC: &str = "run";

/// The payload of [`RUN_JOB`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunJob {
    pub run: RunId,
    pub workspace: WorkspaceId,
}

/// Whom the effects of a run are for.
struct Cause {
    run: RunId,
    workspace: WorkspaceId,
    integration: Option<base::IntegrationId>,
    signal: Option<base::SignalId>,
}

/// The first segment of a run.
pub(crate) fn begin(inner: &Inner, tx: &mut Tx<'_>, prepared: &Prepared) -> Result<RunId, Error> {
    let start = &prepared.start;
    let cause =
        Cause { run: prepared.run, workspace: start.workspace, integration: start.integration, signal: start.signal };
    // A transaction can be run again, so it works on a copy.
    let mut progress = prepared.progress.clone();
    let alert = act(inner, tx, &cause, &mut progress)?;
    let data = seal_memory(inner, tx, &cause, &progress.memory)?;
    let mut standing = standing(&mut progress, 0, alert, &data, tx);
    seal_reason(inner, tx, &cause, &mut standing)?;
    rows::insert(tx, prepared.run, start, prepared.version, &standing)?;
    after(inner, tx, &cause, &progress, 0, &standing)?;
    Ok(prepared.run)
}

/// A further segment; whether the run is over.
pub(crate) fn carry_on(inner: &Inner, tx: &mut Tx<'_>, waiting: &Waiting, progress: &Progress) -> Result<bool, Error> {
    let cause = Cause {
        run: waiting.run,
        workspace: waiting.workspace,
        integration: waiting.integration,
        signal: waiting.signal,
    };
    let mut progress = progress.clone();
    let alert = act(inner, tx, &cause, &mut progress)?;
    let data = seal_memory(inner, tx, &cause, &progress.memory)?;
    let mut standing = standing(&mut progress, waiting.steps, alert, &data, tx);
    seal_reason(inner, tx, &cause, &mut standing)?;
    rows::carry_on(tx, waiting, &standing)?;
    write_records(inner, tx, &cause, &progress, waiting.steps, &standing)?;
    Ok(standing.state != RunState::Running)
}

/// Does the effect that the run wants now, if it wants one.
fn act(inner: &Inner, tx: &mut Tx<'_>, cause: &Cause, progress: &mut Progress) -> Result<Option<String>, Error> {
    let Need::Effect(effect) = progress.advance() else { return Ok(None) };
    let (settled, alert) = match effect {
        Effect::Open(page) => open_alert(inner, tx, cause, progress, &page)?,
        Effect::Resolve { key, note, close_critical } => (resolve(inner, tx, cause, key, note, close_critical)?, None),
    };
    progress.settle(&settled);
    Ok(alert)
}

/// Opens the page's alert; when alerts refuses it, the one with fixed texts for the flow's own group.
fn open_alert(
    inner: &Inner,
    tx: &mut Tx<'_>,
    cause: &Cause,
    progress: &Progress,
    page: &Page,
) -> Result<(Settled, Option<String>), Error> {
    let refusal = match try_open(inner, tx, cause, page)? {
        Ok(opened) => return Ok(settled(&opened, None)),
        Err(refusal) => refusal,
    };
    if !page.rescue {
        let mut rescue = progress.rescue();
        // Joining what lives under the step's own key is better than a second alert.
        rescue.key.clone_from(&page.key);
        if let Ok(opened) = try_open(inner, tx, cause, &rescue)? {
            let why = format!(
                "The alert could not be opened as written ({refusal}) One with the event's own title was opened."
            );
            return Ok(settled(&opened, Some(why)));
        }
    }
    Ok((Settled::Refused { why: format!("No alert could be opened: {refusal}") }, None))
}

fn settled(opened: &alerts::Opened, instead: Option<String>) -> (Settled, Option<String>) {
    let id = opened.id.to_string();
    (Settled::Opened { id: id.clone(), number: opened.number, joined: opened.joined, instead }, Some(id))
}

/// The outer error is ours or the machine's and ends the transaction; the inner one is what alerts says about the page.
fn try_open(
    inner: &Inner,
    tx: &mut Tx<'_>,
    cause: &Cause,
    page: &Page,
) -> Result<Result<alerts::Opened, String>, Error> {
    let permit: Permit<cap::AlertsOpen> = Permit::engine(Engine("flows"), cause.workspace);
    let alert = NewAlert {
        workspace: cause.workspace,
        integration: cause.integration,
        signal: cause.signal,
        run: Some(cause.run),
        key: page.key.clone(),
        priority: page.priority,
        title: page.title.clone(),
        text: page.text.clone(),
        sms: page.sms.clone(),
        link: page.link.clone(),
        group: page.group.clone(),
        expires_in: page.expires_in.map(|minutes| Duration::from_secs(minutes * 60)),
    };
    let opened = tx.attempt(|tx| inner.pages.open(tx, &permit, alert.clone()));
    refused(opened)
}

fn resolve(
    inner: &Inner,
    tx: &mut Tx<'_>,
    cause: &Cause,
    key: String,
    note: Option<String>,
    may_close_critical: bool,
) -> Result<Settled, Error> {
    if key.trim().is_empty() {
        let left = vec!["The key came out empty; an alert is resolved by the key it was opened with.".to_owned()];
        return Ok(Settled::Resolved { count: 0, left });
    }
    let permit: Permit<cap::AlertsOpen> = Permit::engine(Engine("flows"), cause.workspace);
    let wish = ResolveKey {
        workspace: cause.workspace,
        integration: cause.integration,
        key,
        note,
        may_close_critical,
        signal: cause.signal,
        run: Some(cause.run),
    };
    let resolved = tx.attempt(|tx| inner.pages.resolve_key(tx, &permit, wish.clone()));
    Ok(match refused(resolved)? {
        Ok(resolved) => Settled::Resolved { count: resolved.len(), left: Vec::new() },
        Err(why) => Settled::Refused { why: format!("Nothing could be resolved: {why}") },
    })
}

/// Sorts an answer of `alerts`: what is wrong with the wish is for the record, anything else ends the transaction.
fn refused<T>(answer: Result<T, alerts::Error>) -> Result<Result<T, String>, Error> {
    match answer {
        Ok(done) => Ok(Ok(done)),
        Err(error) => {
            let problem = error.problem();
            match problem.kind {
                ProblemKind::Internal | ProblemKind::Unavailable | ProblemKind::TooMany => Err(error.into()),
                _ => Ok(Err(problem.detail.into_owned())),
            }
        }
    }
}

fn standing<'a>(
    progress: &mut Progress,
    before: i64,
    alert: Option<String>,
    data: &'a str,
    tx: &Tx<'_>,
) -> Standing<'a> {
    // A trigger at the end of a segment needs nobody; anything that does is for the next one.
    let need = progress.advance();
    let (state, reason) = match (need, progress.verdict()) {
        (Need::Evaluate(_) | Need::Effect(_), _) => (RunState::Running, None),
        (Need::End, Verdict::Done) => (RunState::Done, None),
        (Need::End, Verdict::Degraded(reason)) => (RunState::Degraded, Some(reason)),
        (Need::End, Verdict::Failed(reason)) => (RunState::Failed, Some(reason)),
    };
    let steps = before + i64::try_from(progress.records.len()).unwrap_or_default();
    Standing { state, step: progress.place(), steps, reason, alert, data, at: tx.now() }
}

/// What follows a first segment: its records, and the job for what is left.
fn after(
    inner: &Inner,
    tx: &mut Tx<'_>,
    cause: &Cause,
    progress: &Progress,
    before: i64,
    standing: &Standing<'_>,
) -> Result<(), Error> {
    write_records(inner, tx, cause, progress, before, standing)?;
    if standing.state == RunState::Running {
        let payload = serde_json::to_value(RunJob { run: cause.run, workspace: cause.workspace })
            .map_err(|_| Error::Corrupt("job"))?;
        tx.enqueue(NewJob { kind: RUN_JOB, key: None, payload: &payload, run_at: standing.at })?;
    }
    Ok(())
}

fn write_records(
    inner: &Inner,
    tx: &mut Tx<'_>,
    cause: &Cause,
    progress: &Progress,
    before: i64,
    standing: &Standing<'_>,
) -> Result<(), Error> {
    let key = inner.vault.data_key(tx, Some(cause.workspace), Purpose::Runs, standing.at)?;
    let run = cause.run.to_string();
    let mut rows: Vec<Vec<Value<'_>>> = Vec::with_capacity(progress.records.len());
    for (number, record) in (before + 1..).zip(&progress.records) {
        let words = serde_json::to_vec(&record.said).map_err(|_| Error::Corrupt("step"))?;
        let row = step_row(&run, number);
        let sealed = key.seal(tx.context().chance(), &Aad { table: "run_steps", column: "record", row: &row }, &words);
        rows.push(vec![
            cause.run.into(),
            number.into(),
            cause.workspace.into(),
            record.step.as_str().into(),
            record.kind.into(),
            record.state.as_str().into(),
            sealed.into(),
            record.next.clone().into(),
            standing.at.into(),
        ]);
    }
    tx.send_many(
        "INSERT INTO run_steps (run, number, workspace, step, kind, state, record, next, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &rows,
    )?;
    tx.touched(Changed { workspace: Some(cause.workspace), topic: TOPIC, id: run });
    Ok(())
}

fn step_row(run: &str, number: i64) -> String {
    format!("{run}/{number}")
}

fn seal_memory(inner: &Inner, tx: &mut Tx<'_>, cause: &Cause, memory: &Memory) -> Result<String, Error> {
    let at = tx.now();
    let key = inner.vault.data_key(tx, Some(cause.workspace), Purpose::Runs, at)?;
    let plain = serde_json::to_vec(memory).map_err(|_| Error::Corrupt("run"))?;
    let row = cause.run.to_string();
    Ok(key.seal(tx.context().chance(), &Aad { table: "runs", column: "data", row: &row }, &plain))
}

/// A reason quotes what the sandbox said, which can quote the signal.
fn seal_reason(inner: &Inner, tx: &mut Tx<'_>, cause: &Cause, standing: &mut Standing<'_>) -> Result<(), Error> {
    let Some(reason) = standing.reason.take() else { return Ok(()) };
    let key = inner.vault.data_key(tx, Some(cause.workspace), Purpose::Runs, standing.at)?;
    let row = cause.run.to_string();
    let aad = Aad { table: "runs", column: "reason", row: &row };
    standing.reason = Some(key.seal(tx.context().chance(), &aad, reason.as_bytes()));
    Ok(())
}

/// Opens the reason of a run that was read.
pub(crate) fn open_reason(inner: &Inner, tx: &mut Tx<'_>, run: &mut Run) -> Result<(), Error> {
    let Some(sealed) = run.reason.take() else { return Ok(()) };
    let row = run.id.to_string();
    let aad = Aad { table: "runs", column: "reason", row: &row };
    let plain = inner.vault.open(tx, Some(run.workspace), &aad, &sealed)?;
    run.reason = Some(String::from_utf8_lossy(&plain).into_owned());
    Ok(())
}

/// What a run remembers.
pub(crate) fn open(
    inner: &Inner,
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    run: RunId,
    sealed: &str,
) -> Result<Memory, Error> {
    let row = run.to_string();
    let plain = inner.vault.open(tx, Some(workspace), &Aad { table: "runs", column: "data", row: &row }, sealed)?;
    serde_json::from_slice(&plain).map_err(|_| Error::Corrupt("run"))
}

pub(crate) fn open_memory(inner: &Inner, tx: &mut Tx<'_>, waiting: &Waiting) -> Result<Memory, Error> {
    open(inner, tx, waiting.workspace, waiting.run, &waiting.data)
}

/// The steps of a run with their records.
pub(crate) fn open_steps(
    inner: &Inner,
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    run: RunId,
) -> Result<Vec<StepRecord>, Error> {
    let name = run.to_string();
    let mut out = Vec::new();
    for (mut step, sealed) in rows::steps(tx, workspace, run)? {
        let row = step_row(&name, i64::from(step.number));
        let aad = Aad { table: "run_steps", column: "record", row: &row };
        let plain = inner.vault.open(tx, Some(workspace), &aad, &sealed)?;
        step.record = serde_json::from_slice(&plain).map_err(|_| Error::Corrupt("step"))?;
        out.push(step);
    }
    Ok(out)
}

/// The place of the step that a run goes on at. A step that its version does not have cannot be; it would be the end.
pub(crate) fn place(document: &Document, step: Option<&str>) -> Next {
    step.and_then(|id| document.steps.iter().position(|step| step.id == id)).map_or(Next::End, Next::Step)
}
