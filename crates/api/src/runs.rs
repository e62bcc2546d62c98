//! Runs of flows.

use ::flows::{Run, RunDetail, RunFilter, RunState, StepRecord, StepState};
use access::cap;
use base::{AlertId, FlowId, IntegrationId, RunId, SignalId};
use http::{Answer, InWorkspace, Json, PageQuery, Path, Query, Routes, State};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::body::{List, TakenElsewhere, found};
use crate::time::At;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes.get("/api/v1/workspaces/{workspace}/runs", list).get("/api/v1/workspaces/{workspace}/runs/{run}", get)
}

/// A run as callers see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunView {
    id: RunId,
    flow: FlowId,
    flow_name: String,
    version: i64,
    integration: Option<IntegrationId>,
    signal: Option<SignalId>,
    ordinal: u32,
    state: RunState,
    reason: Option<String>,
    alert: Option<AlertId>,
    started: At,
    finished: Option<At>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            flow: run.flow,
            flow_name: run.flow_name,
            version: run.version,
            integration: run.integration,
            signal: run.signal,
            ordinal: run.ordinal,
            state: run.state,
            reason: run.reason,
            alert: run.alert,
            started: At(run.started),
            finished: run.finished.map(At),
        }
    }
}

/// One step of a run.
#[derive(Debug, Serialize)]
struct StepView {
    number: u32,
    step: String,
    kind: String,
    state: StepState,
    record: Vec<String>,
    next: Option<String>,
    at: At,
}

impl From<StepRecord> for StepView {
    fn from(step: StepRecord) -> Self {
        Self {
            number: step.number,
            step: step.step,
            kind: step.kind,
            state: step.state,
            record: step.record,
            next: step.next,
            at: At(step.at),
        }
    }
}

/// A run with its steps.
#[derive(Debug, Serialize)]
struct DetailView {
    #[serde(flatten)]
    run: RunView,
    steps: Vec<StepView>,
}

impl From<RunDetail> for DetailView {
    fn from(detail: RunDetail) -> Self {
        Self { run: detail.run.into(), steps: detail.steps.into_iter().map(StepView::from).collect() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    flow: Option<FlowId>,
    signal: Option<SignalId>,
    integration: Option<IntegrationId>,
    state: Option<RunState>,
    #[serde(default, rename = "limit")]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
    _cursor: TakenElsewhere,
}

#[derive(Debug, Deserialize)]
struct Named {
    run: RunId,
}

async fn list(
    guard: InWorkspace<cap::RunsRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<RunView>>> {
    let filter = RunFilter {
        flow: wanted.flow,
        signal: wanted.signal,
        integration: wanted.integration,
        state: wanted.state,
        ..RunFilter::default()
    };
    let page = api.flows.runs(guard.permit(), filter, page).await?;
    Ok(Json(List::of(page, RunView::from)))
}

async fn get(
    guard: InWorkspace<cap::RunsRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<DetailView>> {
    let detail = api.flows.run(guard.permit(), named.run).await?;
    Ok(Json(found(detail, "run")?.into()))
}
