//! Text messages: list, one with its history, and its content for those who may read it.

use ::messaging::{Class, Content, Details, Filter, OriginRef, PartDetails, State as MessageState, Step, Summary};
use ::sms::{Encoding, Number};
use access::cap;
use base::{MessageId, Problem, ProblemKind};
use http::{Answer, InWorkspace, Json, PageQuery, Path, Query, Refusal, Routes, State};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Api;
use crate::body::{List, TakenElsewhere, found};
use crate::time::At;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/messages", list)
        .get("/api/v1/workspaces/{workspace}/messages/{message}", get)
        .get("/api/v1/workspaces/{workspace}/messages/{message}/content", content)
}

/// What caused a message.
#[derive(Debug, Serialize)]
struct OriginView {
    kind: String,
    id: Uuid,
}

/// A message as lists show it: its number masked, its text not at all.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageView {
    id: MessageId,
    state: MessageState,
    class: Class,
    carrier: String,
    sender: String,
    to: String,
    parts: u32,
    encoding: Encoding,
    created: At,
    due: At,
    expires: Option<At>,
    submitted: Option<At>,
    done: Option<At>,
    reason: Option<String>,
    error: Option<String>,
    attempts: u32,
    throttled: u32,
    unknown_outcomes: u32,
    origin: Option<OriginView>,
    client_message_id: Option<String>,
    submitter: String,
}

impl From<Summary> for MessageView {
    fn from(message: Summary) -> Self {
        Self {
            id: message.id,
            state: message.state,
            class: message.class,
            carrier: message.carrier,
            sender: message.sender,
            to: message.to,
            parts: message.parts,
            encoding: message.encoding,
            created: At(message.created_at),
            due: At(message.due_at),
            expires: message.expires_at.map(At),
            submitted: message.submitted_at.map(At),
            done: message.done_at.map(At),
            reason: message.reason,
            error: message.error,
            attempts: message.attempts,
            throttled: message.throttled,
            unknown_outcomes: message.unknown_outcomes,
            origin: message.origin.map(|OriginRef { kind, id }| OriginView { kind, id }),
            client_message_id: message.client_ref,
            submitter: message.submitter,
        }
    }
}

/// One part with its receipt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PartView {
    part: u32,
    state: MessageState,
    carrier: String,
    carrier_ref: Option<String>,
    submitted: Option<At>,
    receipt: Option<ReceiptView>,
    unknown_outcome: bool,
}

#[derive(Debug, Serialize)]
struct ReceiptView {
    stat: String,
    error: Option<String>,
    at: At,
}

impl From<PartDetails> for PartView {
    fn from(part: PartDetails) -> Self {
        Self {
            part: part.part,
            state: part.state,
            carrier: part.carrier,
            carrier_ref: part.carrier_ref,
            submitted: part.submitted_at.map(At),
            receipt: part.receipt.map(|receipt| ReceiptView {
                stat: receipt.stat,
                error: receipt.error,
                at: At(receipt.at),
            }),
            unknown_outcome: part.unknown_outcome,
        }
    }
}

/// A step of its history.
#[derive(Debug, Serialize)]
struct StepView {
    at: At,
    kind: String,
    text: String,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        Self { at: At(step.at), kind: step.kind, text: step.text }
    }
}

/// A message with its parts and history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsView {
    #[serde(flatten)]
    message: MessageView,
    part_details: Vec<PartView>,
    history: Vec<StepView>,
}

impl From<Details> for DetailsView {
    fn from(details: Details) -> Self {
        Self {
            message: details.summary.into(),
            part_details: details.parts.into_iter().map(PartView::from).collect(),
            history: details.history.into_iter().map(StepView::from).collect(),
        }
    }
}

/// The number and the text.
#[derive(Serialize)]
struct ContentView {
    to: String,
    text: String,
}

impl From<Content> for ContentView {
    fn from(content: Content) -> Self {
        Self { to: content.to.to_string(), text: content.text }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    state: Vec<MessageState>,
    class: Option<Class>,
    carrier: Option<String>,
    to: Option<String>,
    since: Option<At>,
    until: Option<At>,
    #[serde(default, rename = "limit")]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
    _cursor: TakenElsewhere,
}

#[derive(Debug, Deserialize)]
struct Named {
    message: MessageId,
}

async fn list(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<MessageView>>> {
    let to = wanted.to.map(|text| Number::parse(&text, None)).transpose().map_err(|error| {
        Refusal::new(Problem::new(ProblemKind::Invalid, "bad-number", format!("This is {error}.")).at("to"))
    })?;
    let filter = Filter {
        states: wanted.state,
        class: wanted.class,
        carrier: wanted.carrier,
        to,
        client_ref: None,
        origin: None,
        since: wanted.since.map(|At(at)| at),
        until: wanted.until.map(|At(at)| at),
    };
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let page = api.db.read(move |tx| messaging.list(tx, &permit, &filter, &page)).await?;
    Ok(Json(List::of(page, MessageView::from)))
}

async fn get(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<DetailsView>> {
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let details = api.db.read(move |tx| messaging.get(tx, &permit, named.message)).await?;
    Ok(Json(found(details, "message")?.into()))
}

async fn content(
    guard: InWorkspace<cap::MessageContentRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<ContentView>> {
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let content = api.db.write(move |tx| messaging.content(tx, &permit, named.message)).await?;
    Ok(Json(found(content, "message")?.into()))
}
