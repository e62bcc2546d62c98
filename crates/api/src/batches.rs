//! Messages that came in one request, as one thing; and what can be done to single ones besides sending.

use std::collections::BTreeMap;

use ::messaging::{Batch, BatchDetails, Erased, Rejection, State as MessageState};
use access::cap;
use base::{BatchId, MessageId};
use http::doc::Doc;
use http::{Answer, InWorkspace, Json, PageQuery, Path, Query, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Api;
use crate::body::{List, TakenElsewhere, found};
use crate::tag::MESSAGES;
use crate::time::At;

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/batches", list)
        .doc(list_doc())
        .get("/api/v1/workspaces/{workspace}/batches/{batch}", get)
        .doc(get_doc("getBatch"))
        .post("/api/v1/workspaces/{workspace}/batches/{batch}/cancel", cancel)
        .doc(cancel_doc())
        .post("/api/v1/workspaces/{workspace}/messages/{message}/cancel", cancel_one)
        .doc(cancel_one_doc())
        .post("/api/v1/workspaces/{workspace}/messages/{message}/erase", erase)
        .doc(erase_doc())
}

fn example() -> Value {
    json!({
        "id": ID, "clientBatchId": "batch-7", "submitter": "api_key:019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
        "created": "2026-10-23T01:12:07.214Z", "items": 1000, "accepted": 998, "rejected": 2, "cancelled": null,
    })
}

fn list_doc() -> Doc {
    Doc::new("listBatches", MESSAGES, "List batches").text("The newest first.").query::<Wanted>().lists::<BatchView>(
        "The batches.",
        true,
        json!({"items": [example()], "next": "41"}),
    )
}

pub(crate) fn get_doc(name: &'static str) -> Doc {
    let mut batch = example();
    batch["states"] = json!({"queued": 12, "sent": 40, "delivered": 946});
    batch["rejections"] = json!([{
        "index": 16, "code": "invalid-parameter", "field": "text", "reason": "The field text is missing or empty. (1004)",
    }]);
    Doc::new(name, MESSAGES, "Read a batch with how many of its messages are in each state")
        .path("batch", "The batch's id, of the answer to sending.", ID)
        .answers::<DetailsView>(StatusCode::OK, "The batch.", batch)
}

fn cancel_doc() -> Doc {
    Doc::new("cancelBatch", MESSAGES, "Cancel what still waits of a batch")
        .path("batch", "The batch's id.", ID)
        .answers::<CancelledView>(StatusCode::OK, "How many were cancelled.", json!({"cancelled": 12}))
}

fn cancel_one_doc() -> Doc {
    Doc::new("cancelMessage", MESSAGES, "Cancel a message that still waits")
        .text("One that is scheduled or queued; what a carrier may have already is not cancelled (409).")
        .path("message", "The message's id.", ID)
        .answers::<CancelledView>(StatusCode::OK, "It is cancelled.", json!({"cancelled": 1}))
}

fn erase_doc() -> Doc {
    Doc::new("eraseMessage", MESSAGES, "Erase number and text of a message for good")
        .text("Of one that went out or came in. What happened to it stays readable without them. Nobody can bring them back.")
        .path("message", "The message's id.", ID)
        .answers::<ErasedView>(StatusCode::ACCEPTED, "They are erased, or will be as soon as it has been handed over.", json!({"erased": "now"}))
}

/// A batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Batch)]
pub(crate) struct BatchView {
    /// Its id; the `batchId` of the SMS API.
    #[schema(value_type = Uuid)]
    id: BatchId,
    /// The caller's own id of it.
    client_batch_id: Option<String>,
    /// Who sent it.
    submitter: String,
    /// When it came.
    created: At,
    /// How many messages the request held.
    items: u32,
    /// How many were taken; null while it is under way, or when the server stopped in it.
    accepted: Option<u32>,
    /// How many were rejected; null likewise.
    rejected: Option<u32>,
    /// When what still waited of it was cancelled.
    cancelled: Option<At>,
}

impl From<Batch> for BatchView {
    fn from(batch: Batch) -> Self {
        Self {
            id: batch.id,
            client_batch_id: batch.client_ref,
            submitter: batch.submitter,
            created: At(batch.created_at),
            items: batch.items,
            accepted: batch.accepted,
            rejected: batch.rejected,
            cancelled: batch.cancelled_at.map(At),
        }
    }
}

/// A batch with where its messages stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchDetail)]
pub(crate) struct DetailsView {
    #[serde(flatten)]
    batch: BatchView,
    /// How many of its messages are in each state.
    states: BTreeMap<&'static str, u32>,
    /// What was rejected at once, in the order of the request: the first 100, however many there were.
    rejections: Vec<RejectionView>,
}

/// A message of a batch that was rejected at once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchRejection)]
pub(crate) struct RejectionView {
    /// Its place in the request, from 0.
    index: u32,
    /// Why, as a word for programs.
    code: String,
    /// The field that was wrong, when it was one.
    field: Option<String>,
    /// Why, in a sentence, with the number of the SMS API for it.
    reason: String,
}

impl From<Rejection> for RejectionView {
    fn from(rejection: Rejection) -> Self {
        let Rejection { index, code, field, reason } = rejection;
        Self { index, code, field, reason }
    }
}

impl From<BatchDetails> for DetailsView {
    fn from(details: BatchDetails) -> Self {
        let states = details.states.into_iter().map(|(state, count): (MessageState, u32)| (state.name(), count));
        let rejections = details.rejections.into_iter().map(RejectionView::from).collect();
        Self { states: states.collect(), batch: details.batch.into(), rejections }
    }
}

/// How many were cancelled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cancelled)]
struct CancelledView {
    /// How many.
    cancelled: u32,
}

/// When something is erased.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErasedMessage)]
struct ErasedView {
    /// `now`, or `later`: as soon as the message has been handed over.
    erased: &'static str,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    /// Only those with this id of the sender's own.
    client_batch_id: Option<String>,
    #[serde(default, rename = "limit")]
    #[schema(ignore)]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
    #[schema(ignore)]
    _cursor: TakenElsewhere,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    batch: BatchId,
}

#[derive(Debug, Deserialize)]
struct NamedMessage {
    message: MessageId,
}

async fn list(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<BatchView>>> {
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let page = api.db.read(move |tx| messaging.batches(tx, &permit, wanted.client_batch_id.as_deref(), &page)).await?;
    Ok(Json(List::of(page, BatchView::from)))
}

pub(crate) async fn get(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<DetailsView>> {
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let batch = api.db.read(move |tx| messaging.batch(tx, &permit, named.batch)).await?;
    Ok(Json(found(batch, "batch")?.into()))
}

async fn cancel(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<CancelledView>> {
    let cancelled = api.messaging.cancel_batch(guard.permit(), named.batch).await?;
    Ok(Json(CancelledView { cancelled }))
}

async fn cancel_one(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    Path(named): Path<NamedMessage>,
) -> Answer<Json<CancelledView>> {
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    api.db.write(move |tx| messaging.cancel(tx, &permit, named.message)).await?;
    Ok(Json(CancelledView { cancelled: 1 }))
}

async fn erase(
    guard: InWorkspace<cap::MessagesErase>,
    State(api): State<Api>,
    Path(named): Path<NamedMessage>,
) -> Answer<(StatusCode, Json<ErasedView>)> {
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let id: Uuid = named.message.uuid();
    let erased = api.db.write(move |tx| messaging.erase(tx, &permit, id)).await?;
    let erased = match erased {
        Erased::Now => "now",
        Erased::Later => "later",
    };
    Ok((StatusCode::ACCEPTED, Json(ErasedView { erased })))
}
