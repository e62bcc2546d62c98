//! The SQL of this room.

use std::time::Duration;

use base::{FlowId, Page, PageRequest, RunId, Timestamp, WorkspaceId};
use store::{Row, Tx, Value, params};

use crate::detail::FlowVersion;
use crate::document::{Definition, Document, read};
use crate::error::Error;
use crate::types::{FlowRow, Run, RunFilter, RunState, StepRecord, StepState};

/// The newest version of a flow that is not removed.
pub(crate) fn newest(tx: &mut Tx<'_>, workspace: WorkspaceId, flow: FlowId) -> Result<Option<i64>, Error> {
    Ok(tx.query_opt(
        "SELECT version FROM flows WHERE id = $1 AND workspace = $2 AND removed = FALSE",
        &params![flow, workspace],
        |row| row.get("version"),
    )?)
}

/// One version of a flow, read back into types.
pub(crate) fn document(tx: &mut Tx<'_>, flow: FlowId, version: i64) -> Result<Document, Error> {
    let definition = definition(tx, flow, version)?.ok_or(Error::NoFlow)?;
    read(&definition).map_err(|_| Error::Corrupt("flow"))
}

/// One version of a flow as people wrote it.
pub(crate) fn definition(tx: &mut Tx<'_>, flow: FlowId, version: i64) -> Result<Option<Definition>, Error> {
    let text: Option<String> = tx.query_opt(
        "SELECT document FROM flow_versions WHERE flow = $1 AND version = $2",
        &params![flow, version],
        |row| row.get("document"),
    )?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| Error::Corrupt("flow"))).transpose()
}

/// One flow and whether it was removed.
pub(crate) fn flow(tx: &mut Tx<'_>, workspace: WorkspaceId, flow: FlowId) -> Result<Option<(FlowRow, bool)>, Error> {
    let sql =
        "SELECT id, name, description, version, steps, changed, removed FROM flows WHERE id = $1 AND workspace = $2";
    Ok(tx.query_opt(sql, &params![flow, workspace], |row| Ok((flow_of(row)?, row.get("removed")?)))?)
}

/// The versions of a flow, newest first.
pub(crate) fn versions(tx: &mut Tx<'_>, flow: FlowId, most: u32) -> Result<Vec<FlowVersion>, Error> {
    let sql = "SELECT version, created FROM flow_versions WHERE flow = $1 ORDER BY version DESC LIMIT $2";
    Ok(tx.query(sql, &params![flow, i64::from(most)], |row| {
        Ok(FlowVersion { version: row.get("version")?, created: row.get("created")? })
    })?)
}

fn flow_of(row: &Row<'_>) -> Result<FlowRow, store::Error> {
    Ok(FlowRow {
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        version: row.get("version")?,
        steps: usize::try_from(row.get::<i64>("steps")?).unwrap_or_default(),
        changed: row.get("changed")?,
    })
}

/// Every flow of a workspace that is not removed, by name.
pub(crate) fn flows(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<Vec<FlowRow>, Error> {
    let sql = "SELECT id, name, description, version, steps, changed FROM flows
        WHERE workspace = $1 AND removed = FALSE ORDER BY name, id";
    Ok(tx.query(sql, &params![workspace], flow_of)?)
}

/// How far a run's start may be from the moment in which its id was drawn: the time to evaluate it.
const AROUND: Duration = Duration::from_mins(10);

const RUN: &str =
    "SELECT r.id, r.workspace, r.flow, f.name AS flow_name, r.version, r.integration, r.signal, r.ordinal,
    r.state, r.reason, r.alert, r.started, r.finished FROM runs r JOIN flows f ON f.id = r.flow";

fn run_of(row: &Row<'_>) -> Result<Run, store::Error> {
    Ok(Run {
        id: row.get("id")?,
        workspace: row.get("workspace")?,
        flow: row.get("flow")?,
        flow_name: row.get("flow_name")?,
        version: row.get("version")?,
        integration: row.get("integration")?,
        signal: row.get("signal")?,
        ordinal: u32::try_from(row.get::<i64>("ordinal")?).unwrap_or_default(),
        state: RunState::read(&row.get::<String>("state")?),
        reason: row.get("reason")?,
        alert: row.get("alert")?,
        started: row.get("started")?,
        finished: row.get("finished")?,
    })
}

/// A page of runs, newest first: ids of one clock sort by time.
pub(crate) fn runs(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    filter: &RunFilter,
    page: &PageRequest,
) -> Result<Page<Run>, Error> {
    let mut sql = format!("{RUN} WHERE r.workspace = $1");
    let mut values: Vec<Value<'_>> = vec![workspace.into()];
    let mut also = |condition: &str, value: Value<'static>| {
        values.push(value);
        sql = format!("{sql} AND {}", condition.replace('?', &format!("${}", values.len())));
    };
    if let Some(flow) = filter.flow {
        also("r.flow = ?", flow.into());
    }
    if let Some(signal) = filter.signal {
        also("r.signal = ?", signal.into());
    }
    if let Some(integration) = filter.integration {
        also("r.integration = ?", integration.into());
    }
    if let Some(alert) = filter.alert {
        also("r.alert = ?", alert.into());
    }
    match filter.state {
        // The condition of the partial index, literally.
        Some(state) if state != RunState::Done => also("r.state <> 'done' AND r.state = ?", state.as_str().into()),
        Some(state) => also("r.state = ?", state.as_str().into()),
        None => {}
    }
    // The exact time, and the stretch of ids around it, which is what the indexes know.
    if let Some(since) = filter.since {
        also("r.started >= ?", since.into());
        also("r.id >= ?", since.minus(AROUND).first_id::<RunId>().into());
    }
    if let Some(until) = filter.until {
        also("r.started < ?", until.into());
        also("r.id < ?", until.plus(AROUND).first_id::<RunId>().into());
    }
    if let Some(after) = &page.after {
        let after: RunId = after.0.parse().map_err(|_| Error::Cursor)?;
        // Runs of one signal come in the order of its events.
        let on = match filter.signal {
            Some(_) => "r.ordinal > (SELECT o.ordinal FROM runs o WHERE o.id = ?)",
            None => "r.id < ?",
        };
        also(on, after.to_string().into());
    }
    let order = if filter.signal.is_some() { "r.ordinal, r.id" } else { "r.id DESC" };
    sql = format!("{sql} ORDER BY {order} LIMIT {}", page.limit() + 1);
    let rows = tx.query(&sql, &values, run_of)?;
    Ok(Page::from_overread(rows, page, |run| run.id.to_string()))
}

/// One run.
pub(crate) fn run(tx: &mut Tx<'_>, workspace: WorkspaceId, id: RunId) -> Result<Option<Run>, Error> {
    Ok(tx.query_opt(&format!("{RUN} WHERE r.workspace = $1 AND r.id = $2"), &params![workspace, id], run_of)?)
}

/// A step as stored, its record still sealed.
pub(crate) fn steps(tx: &mut Tx<'_>, workspace: WorkspaceId, id: RunId) -> Result<Vec<(StepRecord, String)>, Error> {
    let sql = "SELECT number, step, kind, state, record, next, at FROM run_steps
        WHERE run = $1 AND workspace = $2 ORDER BY number";
    Ok(tx.query(sql, &params![id, workspace], |row| {
        let record = StepRecord {
            number: u32::try_from(row.get::<i64>("number")?).unwrap_or_default(),
            step: row.get("step")?,
            kind: row.get("kind")?,
            state: StepState::read(&row.get::<String>("state")?),
            record: Vec::new(),
            next: row.get("next")?,
            at: row.get("at")?,
        };
        Ok((record, row.get("record")?))
    })?)
}

/// What is needed to carry a run on.
pub(crate) struct Waiting {
    pub run: RunId,
    pub workspace: WorkspaceId,
    pub flow: FlowId,
    pub version: i64,
    pub integration: Option<base::IntegrationId>,
    pub signal: Option<base::SignalId>,
    pub segment: i64,
    pub steps: i64,
    pub step: Option<String>,
    pub data: String,
}

/// A run that has steps to go; `None` when it is over or gone.
pub(crate) fn waiting(tx: &mut Tx<'_>, workspace: WorkspaceId, id: RunId) -> Result<Option<Waiting>, Error> {
    let sql = "SELECT flow, version, integration, signal, segment, steps, step, data FROM runs
        WHERE id = $1 AND workspace = $2 AND state = 'running'";
    Ok(tx.query_opt(sql, &params![id, workspace], |row| {
        Ok(Waiting {
            run: id,
            workspace,
            flow: row.get("flow")?,
            version: row.get("version")?,
            integration: row.get("integration")?,
            signal: row.get("signal")?,
            segment: row.get("segment")?,
            steps: row.get("steps")?,
            step: row.get("step")?,
            data: row.get("data")?,
        })
    })?)
}

/// Which version of which flow a run is of.
pub(crate) struct Of {
    pub flow: FlowId,
    pub version: i64,
}

/// What a run is of, and its sealed data.
pub(crate) fn of(tx: &mut Tx<'_>, workspace: WorkspaceId, id: RunId) -> Result<Option<(Of, String)>, Error> {
    let sql = "SELECT flow, version, data FROM runs WHERE id = $1 AND workspace = $2";
    Ok(tx.query_opt(sql, &params![id, workspace], |row| {
        Ok((Of { flow: row.get("flow")?, version: row.get("version")? }, row.get("data")?))
    })?)
}

/// Where a run stands after a segment.
pub(crate) struct Standing<'a> {
    pub state: RunState,
    pub step: Option<String>,
    pub steps: i64,
    pub reason: Option<String>,
    pub alert: Option<String>,
    pub data: &'a str,
    pub at: Timestamp,
}

impl Standing<'_> {
    fn finished(&self) -> Option<Timestamp> {
        (self.state != RunState::Running).then_some(self.at)
    }
}

/// Writes a new run with its first segment.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    run: RunId,
    start: &crate::types::Start,
    version: i64,
    standing: &Standing<'_>,
) -> Result<(), Error> {
    tx.send(
        "INSERT INTO runs (id, workspace, flow, version, integration, signal, ordinal, state, segment, step, steps,
             reason, alert, data, started, finished)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10, $11, $12, $13, $14, $15)",
        &params![
            run,
            start.workspace,
            start.flow,
            version,
            start.integration,
            start.signal,
            start.ordinal,
            standing.state.as_str(),
            standing.step.clone(),
            standing.steps,
            standing.reason.clone(),
            standing.alert.clone(),
            standing.data,
            standing.at,
            standing.finished()
        ],
    )?;
    Ok(())
}

/// Writes a further segment, unless somebody else did.
pub(crate) fn carry_on(tx: &mut Tx<'_>, waiting: &Waiting, standing: &Standing<'_>) -> Result<(), Error> {
    let changed = tx.execute(
        "UPDATE runs SET state = $3, segment = segment + 1, step = $4, steps = $5, reason = $6,
             alert = COALESCE($7, alert), data = $8, finished = $9
         WHERE id = $1 AND segment = $2 AND state = 'running'",
        &params![
            waiting.run,
            waiting.segment,
            standing.state.as_str(),
            standing.step.clone(),
            standing.steps,
            standing.reason.clone(),
            standing.alert.clone(),
            standing.data,
            standing.finished()
        ],
    )?;
    if changed == 1 { Ok(()) } else { Err(Error::Overtaken) }
}
