//! Where messages go: the routes in the order in which they are tried, and the decision about one destination.

use std::num::NonZeroU32;

use ::messaging::{Class, Sender};
use ::routing::{Considered, Decision, Refused, Route, considered};
use access::cap;
use base::{Problem, ProblemKind, RouteId};
use http::doc::Doc;
use http::{Answer, InWorkspace, Json, Refusal, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sms::Number;
use utoipa::ToSchema;

use crate::Api;
use crate::body::List;
use crate::tag::ROUTES;
use crate::words::ClassWord;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/routes", list)
        .doc(list_doc())
        .post("/api/v1/workspaces/{workspace}/routes/explain", explain)
        .doc(explain_doc())
}

fn list_doc() -> Doc {
    Doc::new("listRoutes", ROUTES, "List routes")
        .text("In the order in which they are tried: the workspace's own first, then by higher priority, then from the most to the least specific (destination, sender, class), then by weight or lower cost.")
        .lists::<RouteView>(
            "The routes.",
            false,
            json!({"items": [{
                "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "matches": "+44, alert", "name": "", "prefix": "+44", "country": null,
                "class": "alert", "fromSender": null, "own": true, "priority": 0, "weight": null,
                "carriers": ["carrier-a", "carrier-b"], "sender": "70007", "openToDevelopment": false,
            }], "next": null}),
        )
}

fn explain_doc() -> Doc {
    Doc::new("explainRoute", ROUTES, "Say where a message would go now")
        .text("The decision that sending itself makes, with its record, step by step. Nothing is sent. A POST, so that the number stands in no address.")
        .reads::<Question>(json!({"to": "+447700900117", "class": "alert"}))
        .answers::<ExplainedView>(
            StatusCode::OK,
            "The decision. `carrier` is null when the message would be refused.",
            json!({
                "carrier": "carrier-b", "sender": "70007", "route": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "waits": false,
                "record": ["the workspace's route for everything matches", "carrier carrier-a is down (connection refused)", "carrier carrier-b takes it"],
                "path": [{
                    "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "route": "everything", "verdict": "taken",
                    "words": ["the workspace's route for everything matches"],
                    "carriers": [
                        {"carrier": "carrier-a", "verdict": "failed", "words": ["carrier carrier-a is down (connection refused)"]},
                        {"carrier": "carrier-b", "verdict": "taken", "words": ["carrier carrier-b takes it"]},
                    ],
                }],
            }),
        )
}

/// A route as callers see it. What a part costs is confidential: it is part of the resource.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Route)]
struct RouteView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: RouteId,
    /// Which messages, in words.
    matches: String,
    /// What tells it from another route for the same messages; mostly empty.
    name: String,
    /// How the destination begins; every one when null.
    prefix: Option<String>,
    /// The country of the destination (ISO 3166-1); every one when null.
    country: Option<String>,
    /// The sender that the message must name, perhaps with a star at its end; any when null.
    from_sender: Option<String>,
    /// Among the routes that match, the higher goes first.
    priority: i32,
    /// Its share among routes that are otherwise equal; null when cost decides.
    weight: Option<u32>,
    /// Which class; every one when null.
    #[schema(value_type = Option<ClassWord>)]
    class: Option<&'static str>,
    /// Whether it is this workspace's alone.
    own: bool,
    /// The carriers, in the order in which they are tried.
    carriers: Vec<String>,
    /// The source address when a message names none.
    sender: Option<String>,
    /// Whether a development workspace reaches real carriers by it.
    open_to_development: bool,
}

impl From<Route> for RouteView {
    fn from(route: Route) -> Self {
        Self {
            id: route.id,
            matches: route.label(),
            name: route.name,
            prefix: route.matcher.prefix,
            country: route.matcher.country,
            from_sender: route.matcher.sender,
            priority: route.priority,
            weight: route.weight.map(NonZeroU32::get),
            class: route.matcher.class.map(Class::name),
            own: route.workspace.is_some(),
            carriers: route.carriers,
            sender: route.sender.map(|sender| sender.to_string()),
            open_to_development: route.open_to_development,
        }
    }
}

/// What is asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RouteQuestion)]
struct Question {
    /// The number, with its country code.
    to: String,
    /// The class; `transactional` when left out.
    #[schema(value_type = Option<ClassWord>)]
    #[serde(default)]
    class: Option<String>,
    /// The source address that the message names; the route's when left out.
    #[serde(default)]
    sender: Option<String>,
}

/// The decision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RouteDecision)]
struct ExplainedView {
    /// The carrier; null when the message would be refused.
    carrier: Option<String>,
    /// The source address.
    sender: Option<String>,
    /// The route that led there.
    #[schema(value_type = Option<Uuid>)]
    route: Option<RouteId>,
    /// Whether every carrier that could take it is away, so that it waits.
    waits: bool,
    /// How it came to this, in order.
    record: Vec<String>,
    /// The same as a path: each route that was considered, those that do not match last, and in it each carrier.
    path: Vec<StepView>,
}

/// A route on the path of a decision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RouteStep)]
struct StepView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: RouteId,
    /// What it is called.
    route: String,
    /// `taken`, `waits`, `failed`, `skipped` or `not_reached`.
    verdict: &'static str,
    /// Why.
    words: Vec<String>,
    /// Its carriers, as far as they were looked at.
    carriers: Vec<WayView>,
}

/// A carrier on the path of a decision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RouteWay)]
struct WayView {
    /// Its name.
    carrier: String,
    /// `taken`, `waits`, `failed` or `skipped`.
    verdict: &'static str,
    /// Why.
    words: Vec<String>,
}

impl From<Considered> for StepView {
    fn from(route: Considered) -> Self {
        let way = |way: ::routing::Way| WayView { carrier: way.carrier, verdict: way.verdict.name(), words: way.words };
        Self {
            id: route.id,
            route: route.route,
            verdict: route.verdict.name(),
            words: route.words,
            carriers: route.carriers.into_iter().map(way).collect(),
        }
    }
}

impl From<Result<Decision, Refused>> for ExplainedView {
    fn from(decided: Result<Decision, Refused>) -> Self {
        let lines = |record: &[::routing::Reason]| record.iter().map(ToString::to_string).collect();
        let path = |record: &[::routing::Reason]| considered(record).into_iter().map(StepView::from).collect();
        match decided {
            Ok(decision) => Self {
                record: lines(&decision.record),
                path: path(&decision.record),
                carrier: Some(decision.carrier),
                sender: Some(decision.sender.to_string()),
                route: Some(decision.route),
                waits: decision.waits,
            },
            Err(refused) => Self {
                record: lines(&refused.record),
                path: path(&refused.record),
                carrier: None,
                sender: None,
                route: None,
                waits: false,
            },
        }
    }
}

async fn list(guard: InWorkspace<cap::CarriersRead>, State(api): State<Api>) -> Answer<Json<List<RouteView>>> {
    let routes = api.messaging.routes(guard.permit());
    Ok(Json(List::whole(routes.into_iter().map(RouteView::from).collect())))
}

async fn explain(
    guard: InWorkspace<cap::CarriersRead>,
    State(api): State<Api>,
    Json(asked): Json<Question>,
) -> Answer<Json<ExplainedView>> {
    let wrong = |field: &'static str, code: &'static str, detail: String| {
        Refusal::new(Problem::new(ProblemKind::Invalid, code, detail).at(field))
    };
    let to = Number::parse(&asked.to, None).map_err(|error| wrong("to", "bad-number", format!("{error}.")))?;
    let class = match asked.class.as_deref() {
        None => Class::Transactional,
        Some(word) => word
            .parse()
            .map_err(|error: ::routing::UnknownClass| wrong("class", "no-such-class", format!("That is {error}.")))?,
    };
    let sender = asked
        .sender
        .as_deref()
        .map(|text| text.parse::<Sender>().map_err(|error| wrong("sender", "not-a-sender", format!("{error}."))))
        .transpose()?;
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let decided = api.db.read(move |tx| messaging.explain(tx, &permit, &to, class, sender.as_ref())).await?;
    Ok(Json(decided.into()))
}
