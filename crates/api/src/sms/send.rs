//! Sending one message, and what is answered.

use ::messaging::{Accepted, Error};
use ::sms::count;
use access::cap;
use base::{Context, Explain, MessageId, Problem};
use http::{
    Answer, Attempt, InWorkspace, IntoResponse, Json, Raw, Refusal, Reply, Response, State, StatusCode, parse_json,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::Item;
use super::order::Order;
use super::{IGNORED, batch, callback, names_header};
use crate::Api;

pub(super) async fn send(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    attempt: Attempt,
    Raw(body): Raw,
) -> Answer<Response> {
    let account = api.sub_accounts.admit(&guard).await?;
    let item: Item<'_> = parse_json(&body).map_err(Refusal::new)?;
    let order = Order::of(item, account.rules(&guard, api.db.context().now())).map_err(Refusal::new)?;
    callback::check(&api.webhooks, order.message.callback.as_deref())?;
    if attempt.has_key() {
        // With its answer, in a transaction of its own.
        let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
        let effect = move |tx: &mut store::Tx<'_>| {
            let outcome = messaging.accept(tx, &permit, order.message.clone());
            let answer = SentView::of(&order, outcome, tx.context())?;
            let reply = Reply::json(StatusCode::OK, &answer);
            Ok::<_, Error>(match names_header(&order.ignored) {
                Some(ignored) => reply.header(IGNORED, ignored),
                None => reply,
            })
        };
        return attempt.write(&api.db, Refusal::from, effect).await;
    }
    let outcome = api.messaging.submit(guard.permit(), order.message.clone()).await;
    let mut response = Json(SentView::of(&order, outcome, api.db.context())?).into_response();
    if let Some(ignored) = names_header(&order.ignored) {
        response.headers_mut().insert(IGNORED, ignored);
    }
    Ok(response)
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsResponse)]
pub(super) struct SentView {
    /// Its id.
    #[schema(value_type = Uuid)]
    umid: MessageId,
    /// The caller's own id.
    client_message_id: Option<String>,
    /// The number, in digits.
    destination: String,
    /// `GSM7` or `UCS2`.
    encoding: &'static str,
    /// Whether it was taken.
    status: StatusView,
}

/// Whether a message was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SmsStatus)]
struct StatusView {
    /// `QUEUED` or `REJECTED`.
    code: &'static str,
    /// The same in words.
    description: String,
}

impl SentView {
    /// What is answered: also what we decide against is an answer, since it is not the sender's mistake.
    fn of(order: &Order, outcome: Result<Accepted, Error>, context: &Context) -> Result<Self, Error> {
        match outcome {
            Ok(accepted) => Ok(Self::queued(order, &accepted)),
            Err(error @ (Error::Refused(_) | Error::Expired)) => Ok(Self::rejected(order, context.id(), &error)),
            Err(error) => Err(error),
        }
    }

    /// The same for one of many: whatever was wrong is said of that one.
    pub(super) fn either(order: &Order, outcome: Result<Accepted, Error>, context: &Context) -> Self {
        match outcome {
            Ok(accepted) => Self::queued(order, &accepted),
            Err(error) => Self::rejected(order, context.id(), &error),
        }
    }

    fn queued(order: &Order, accepted: &Accepted) -> Self {
        let mut description = String::from("SMS is accepted and queued for processing");
        if order.cut {
            description.push_str("; the text was longer than 10 parts and was cut");
        }
        Self::new(order, accepted.id, accepted.encoding.label(), StatusView { code: "QUEUED", description })
    }

    fn rejected(order: &Order, umid: MessageId, error: &Error) -> Self {
        let encoding =
            count(&order.message.text, order.message.encoding).map_or("GSM7", |(encoding, _)| encoding.label());
        let problem = error.problem();
        let description = match error {
            Error::Refused(_) | Error::Expired => problem.detail.into_owned(),
            _ => batch::sentence(&problem),
        };
        Self::new(order, umid, encoding, StatusView { code: "REJECTED", description })
    }

    fn new(order: &Order, umid: MessageId, encoding: &'static str, status: StatusView) -> Self {
        let (client_message_id, destination) = (order.message.client_ref.clone(), order.destination.clone());
        Self { umid, client_message_id, destination, encoding, status }
    }

    /// One of many that was not understood.
    pub(super) fn refused(
        umid: MessageId,
        destination: Option<String>,
        client_message_id: Option<String>,
        problem: &Problem,
    ) -> Self {
        let status = StatusView { code: "REJECTED", description: batch::sentence(problem) };
        Self { umid, client_message_id, destination: destination.unwrap_or_default(), encoding: "GSM7", status }
    }
}
