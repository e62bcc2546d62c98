//! The SMS API in the shape of 8x8's: `/api/v1/subaccounts/{workspace}/messages`. The workspace's name is the sub-account.
//!
//! Unknown fields are ignored, as that API's clients expect; which they were is said in the answer's header
//! `X-Ignored-Fields`. Every failure has the envelope `{code, message, errorId, timestamp}`. What the sender got wrong is a 400;
//! what we decide against (no route, too late) is a 200 with the status `REJECTED`, as its clients must expect.

pub(crate) mod callback;
mod details;
mod docs;
mod envelope;
mod send;
mod webhooks;

use ::messaging::Error;
use access::cap;
use base::{MessageId, Problem, ProblemKind};
use http::{
    Answer, Attempt, HeaderValue, InWorkspace, IntoResponse, Json, Path, Raw, Refusal, Reply, Response, Routes, State,
    StatusCode, header::HeaderName, parse_json,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Api;
use details::DetailsView;
pub use envelope::Envelope;
use send::{Order, SentView};

const IGNORED: HeaderName = HeaderName::from_static("x-ignored-fields");

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .post("/api/v1/subaccounts/{workspace}/messages", send)
        .atomic()
        .doc(docs::send())
        .get("/api/v1/subaccounts/{workspace}/messages/{umid}", get)
        .doc(docs::get())
        .get("/api/v1/accounts/{account}/webhooks", webhooks::get)
        .doc(webhooks::get_doc())
        .post("/api/v1/accounts/{account}/webhooks", webhooks::put)
        .doc(webhooks::put_doc())
        .delete("/api/v1/accounts/{account}/webhooks", webhooks::delete)
        .doc(webhooks::delete_doc())
}

async fn send(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    attempt: Attempt,
    Raw(body): Raw,
) -> Answer<Response> {
    let fields: Map<String, Value> = parse_json(&body).map_err(Refusal::new)?;
    let order = Order::read(fields, api.db.context().now()).map_err(Refusal::new)?;
    callback::check(&api.webhooks, order.message.callback.as_deref())?;
    if attempt.has_key() {
        // With its answer, in a transaction of its own.
        let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
        let effect = move |tx: &mut store::Tx<'_>| {
            let outcome = messaging.accept(tx, &permit, order.message.clone());
            let answer = SentView::of(&order, outcome, tx.context())?;
            let reply = Reply::json(StatusCode::OK, &answer);
            Ok::<_, Error>(match order.ignored_header() {
                Some(ignored) => reply.header(IGNORED, ignored),
                None => reply,
            })
        };
        return attempt.write(&api.db, Refusal::from, effect).await;
    }
    let outcome = api.messaging.submit(guard.permit(), order.message.clone()).await;
    let mut response = Json(SentView::of(&order, outcome, api.db.context())?).into_response();
    if let Some(ignored) = order.ignored_header() {
        response.headers_mut().insert(IGNORED, ignored);
    }
    Ok(response)
}

#[derive(Debug, Deserialize)]
struct Named {
    umid: String,
}

async fn get(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<DetailsView>> {
    let id: MessageId = named.umid.parse().map_err(|_| {
        Refusal::new(Problem::new(
            ProblemKind::Invalid,
            "invalid-umid",
            "The umid is not a UUID. Send the one of the answer.",
        ))
    })?;
    let (messaging, workspace, permit) = (api.messaging.clone(), guard.name().to_owned(), guard.into_permit());
    let details = api.db.read(move |tx| messaging.get(tx, &permit, id)).await?;
    Ok(Json(DetailsView::of(details.ok_or(Error::NotFound)?, workspace)))
}

/// A list of field names as a header, when there are any that a header can hold.
fn names_header(names: &[String]) -> Option<HeaderValue> {
    let plain = |name: &&String| {
        name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    let list: Vec<&str> = names.iter().filter(plain).take(20).map(String::as_str).collect();
    if list.is_empty() { None } else { HeaderValue::from_str(&list.join(", ")).ok() }
}
