//! Taking back what still waits: one message, or what is left of a batch.

use ::messaging::Error;
use access::cap;
use base::{BatchId, Explain, MessageId, Problem, ProblemKind};
use http::{Answer, InWorkspace, Json, Path, Refusal, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Named;
use crate::Api;

/// How many messages were taken back.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsCancelled)]
pub(super) struct CancelledView {
    /// How many.
    cancelled_count: u32,
}

pub(super) async fn one(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<CancelledView>> {
    api.sub_accounts.admit(&guard).await?;
    let id: MessageId = named.id()?;
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let cancelled = api.db.write(move |tx| messaging.cancel(tx, &permit, id)).await;
    cancelled.map_err(|error| match error {
        // That API knows no 409 here.
        Error::NotCancellable(_) | Error::HalfSent | Error::Owned(_) => {
            let mut problem = error.problem();
            problem.kind = ProblemKind::Invalid;
            Refusal::new(problem)
        }
        error => Refusal::from(error),
    })?;
    Ok(Json(CancelledView { cancelled_count: 1 }))
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedBatch {
    batch: String,
}

pub(super) async fn batch(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    Path(named): Path<NamedBatch>,
) -> Answer<Json<CancelledView>> {
    api.sub_accounts.admit(&guard).await?;
    let id: BatchId = named.batch.parse().map_err(|_| {
        let detail = "The batchId is not a UUID. Send the one of the answer.";
        Refusal::new(Problem::new(ProblemKind::Invalid, "invalid-batch-id", detail))
    })?;
    let cancelled_count = api.messaging.cancel_batch(guard.permit(), id).await?;
    Ok(Json(CancelledView { cancelled_count }))
}
