//! Runs of flows.

use ::flows::{Run, RunDetail, RunFilter, RunState, StepRecord, StepState};
use access::cap;
use base::{AlertId, FlowId, IntegrationId, RunId, SignalId};
use http::doc::Doc;
use http::{Answer, InWorkspace, Json, PageQuery, Path, Query, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{List, TakenElsewhere, found};
use crate::tag::RUNS;
use crate::time::At;
use crate::words::{RunStateWord, RunStepStateWord};

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/runs", list)
        .doc(list_doc())
        .get("/api/v1/workspaces/{workspace}/runs/{run}", get)
        .doc(get_doc())
}

fn example() -> Value {
    let id = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";
    json!({
        "id": id, "flow": id, "flowName": "page", "version": 3, "integration": id, "signal": id, "ordinal": 0, "state": "done",
        "reason": null, "alert": id, "started": "2026-10-23T01:12:07.190Z", "finished": "2026-10-23T01:12:07.214Z",
    })
}

fn list_doc() -> Doc {
    Doc::new("listRuns", RUNS, "List runs")
        .text("Newest first; those of one signal in the order of its events.")
        .query::<Wanted>()
        .lists::<RunView>("The runs.", true, json!({"items": [example()], "next": null}))
}

fn get_doc() -> Doc {
    let mut run = example();
    run["steps"] = json!([{
        "number": 1, "step": "start", "kind": "trigger", "state": "done", "record": ["Started by a signal."], "next": "open",
        "at": "2026-10-23T01:12:07.190Z",
    }]);
    Doc::new("getRun", RUNS, "Read a run with its steps")
        .path("run", "The run's id.", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
        .answers::<DetailView>(StatusCode::OK, "The run.", run)
}

/// A run as callers see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
struct RunView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: RunId,
    /// The flow.
    #[schema(value_type = Uuid)]
    flow: FlowId,
    /// Its name.
    flow_name: String,
    /// The version that ran, to the end.
    version: i64,
    /// The integration whose signal started it.
    #[schema(value_type = Option<Uuid>)]
    integration: Option<IntegrationId>,
    /// The signal that started it.
    #[schema(value_type = Option<Uuid>)]
    signal: Option<SignalId>,
    /// The event's place in its signal, from 0.
    ordinal: u32,
    /// Where it stands.
    #[schema(value_type = RunStateWord)]
    state: RunState,
    /// Why it failed or what was done in its place; a whole sentence.
    reason: Option<String>,
    /// The alert it opened or joined last.
    #[schema(value_type = Option<Uuid>)]
    alert: Option<AlertId>,
    /// When it started.
    started: At,
    /// When it ended.
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunStep)]
struct StepView {
    /// Its place in the run, from 1.
    number: u32,
    /// The step's id in the flow.
    step: String,
    /// Its type, such as `create_alert`.
    kind: String,
    /// How it ended.
    #[schema(value_type = RunStepStateWord)]
    state: StepState,
    /// What it did and why, in sentences.
    record: Vec<String>,
    /// The step that came next; null at the end.
    next: Option<String>,
    /// When it was written.
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunDetail)]
struct DetailView {
    #[serde(flatten)]
    run: RunView,
    /// Its steps, in order.
    steps: Vec<StepView>,
}

impl From<RunDetail> for DetailView {
    fn from(detail: RunDetail) -> Self {
        Self { run: detail.run.into(), steps: detail.steps.into_iter().map(StepView::from).collect() }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only those of this flow.
    #[schema(value_type = Option<Uuid>)]
    flow: Option<FlowId>,
    /// Only those that this signal started.
    #[schema(value_type = Option<Uuid>)]
    signal: Option<SignalId>,
    /// Only those of this integration.
    #[schema(value_type = Option<Uuid>)]
    integration: Option<IntegrationId>,
    /// Only those that opened or joined this alert last.
    #[schema(value_type = Option<Uuid>)]
    alert: Option<AlertId>,
    /// Only those in this state.
    #[schema(value_type = Option<RunStateWord>)]
    state: Option<RunState>,
    /// Only those started at or after this.
    since: Option<At>,
    /// Only those started before this.
    until: Option<At>,
    #[serde(default, rename = "limit")]
    #[schema(ignore)]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
    #[schema(ignore)]
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
        alert: wanted.alert,
        state: wanted.state,
        since: wanted.since.map(|At(at)| at),
        until: wanted.until.map(|At(at)| at),
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
