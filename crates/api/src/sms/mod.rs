//! The SMS API in the shape of 8x8's: `/api/v1/subaccounts/{workspace}/messages`, and its older paths `/sms/v1/…`. The workspace's
//! name is the sub-account.
//!
//! Unknown fields are ignored, as that API's clients expect; which they were is said in the answer's header
//! `X-Ignored-Fields`. Every failure has the envelope `{code, message, errorId, timestamp}`. What the sender got wrong is a 400;
//! what we decide against (no route, too late) is a 200 with the status `REJECTED`, as its clients must expect.

mod account;
mod batch;
pub(crate) mod callback;
mod cancel;
mod details;
mod docs;
mod envelope;
mod erase;
mod exports;
mod feedback;
mod fields;
mod order;
mod send;
mod webhooks;

use ::messaging::Error;
use access::cap;
use base::{MessageId, Problem, ProblemKind};
use http::{Answer, HeaderValue, InWorkspace, Json, Path, Refusal, Routes, State, header::HeaderName};
use serde::Deserialize;

use crate::Api;
pub use account::SubAccounts;
use details::DetailsView;
pub use envelope::Envelope;
pub use exports::LINES;

const IGNORED: HeaderName = HeaderName::from_static("x-ignored-fields");

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    let routes = routes
        .post("/api/v1/subaccounts/{workspace}/messages", send::send)
        .atomic()
        .doc(docs::send("sendSms"))
        .post("/api/v1/subaccounts/{workspace}/messages/batch", batch::send)
        .limit(batch::LIMIT)
        .doc(docs::batch("sendManySms"))
        .delete("/api/v1/subaccounts/{workspace}/messages/batch/{batch}", cancel::batch)
        .doc(docs::cancel_batch("cancelSmsBatch"))
        .get("/api/v1/subaccounts/{workspace}/messages/{umid}", get)
        .doc(docs::get())
        .delete("/api/v1/subaccounts/{workspace}/messages/{umid}", cancel::one)
        .doc(docs::cancel("cancelSms"))
        .delete("/api/v1/subaccounts/{workspace}/messages/{umid}/pii", erase::erase)
        .doc(docs::erase())
        .post("/api/v1/subaccounts/{workspace}/messages/{umid}/feedback", feedback::feedback)
        .doc(docs::feedback())
        .get("/api/v1/subaccounts/{workspace}/messages/batch/{batch}", crate::batches::get)
        .doc(crate::batches::get_doc("getSmsBatch"))
        .post("/api/v1/subaccounts/{workspace}/messages/exports", exports::start)
        .doc(docs::export())
        .get("/api/v1/subaccounts/{workspace}/messages/exports/{job}", exports::get)
        .doc(docs::get_export())
        .delete("/api/v1/subaccounts/{workspace}/messages/exports/{job}", exports::delete)
        .doc(docs::delete_export())
        .get("/api/v1/subaccounts/{workspace}/messages/exports/{job}/files/{file}", exports::file)
        .doc(docs::export_file())
        .get("/api/v1/accounts/{organisation}/webhooks", webhooks::get)
        .doc(webhooks::get_doc())
        .post("/api/v1/accounts/{organisation}/webhooks", webhooks::put)
        .doc(webhooks::put_doc())
        .delete("/api/v1/accounts/{organisation}/webhooks", webhooks::delete)
        .doc(webhooks::delete_doc());
    // The paths of that API before it had its present name.
    routes
        .post("/sms/v1/{workspace}/single", send::send)
        .atomic()
        .doc(docs::send("sendSmsOld").called("Send a text message, by the older path").text(docs::OLD))
        .delete("/sms/v1/{workspace}/single/{umid}", cancel::one)
        .doc(
            docs::cancel("cancelSmsOld").called("Cancel a message that still waits, by the older path").text(docs::OLD),
        )
        .post("/sms/v1/{workspace}/many", batch::send)
        .limit(batch::LIMIT)
        .doc(docs::batch("sendManySmsOld").called("Send many text messages, by the older path").text(docs::OLD))
        .post("/sms/v1/{workspace}/many/compact", batch::send)
        .limit(batch::LIMIT)
        .doc(
            docs::batch("sendCompactSmsOld").called("Send one text to many numbers, by the older path").text(docs::OLD),
        )
        .delete("/sms/v1/{workspace}/many/{batch}", cancel::batch)
        .doc(
            docs::cancel_batch("cancelSmsBatchOld")
                .called("Cancel what still waits of a batch, by the older path")
                .text(docs::OLD),
        )
}

#[derive(Debug, Deserialize)]
struct Named {
    umid: String,
}

impl Named {
    fn id<T: std::str::FromStr>(&self) -> Answer<T> {
        self.umid.parse().map_err(|_| {
            let detail = "The umid is not a UUID. Send the one of the answer.";
            Refusal::new(Problem::new(ProblemKind::Invalid, "invalid-umid", detail))
        })
    }
}

async fn get(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<Json<DetailsView>> {
    api.sub_accounts.admit(&guard).await?;
    let id: MessageId = named.id()?;
    let (messaging, workspace, permit) = (api.messaging.clone(), guard.name().to_owned(), guard.into_permit());
    let found = api.db.read(move |tx| {
        if let Some(details) = messaging.get(tx, &permit, id)? {
            return Ok(Some(DetailsView::of(details, workspace.clone())));
        }
        let inbound = messaging.inbound_summary(tx, &permit, id.uuid().into())?;
        Ok::<_, Error>(inbound.map(|inbound| details::inbound_details(inbound, workspace.clone())))
    });
    Ok(Json(found.await?.ok_or(Error::NotFound)?))
}

/// A list of field names as a header, when there are any that a header can hold.
fn names_header(names: &[String]) -> Option<HeaderValue> {
    let plain = |name: &&String| {
        name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    let list: Vec<&str> = names.iter().filter(plain).take(20).map(String::as_str).collect();
    if list.is_empty() { None } else { HeaderValue::from_str(&list.join(", ")).ok() }
}
