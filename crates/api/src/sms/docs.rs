//! What the routes of the SMS API mean.

use http::doc::Doc;
use http::{StatusCode, parse_json};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::details::DetailsView;
use super::send::{Order, SentView};
use crate::tag::SMS;
use crate::time::At;

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

/// A message to be sent. Fields that are not listed are ignored and named in `X-Ignored-Fields`.
#[derive(ToSchema)]
#[schema(as = SmsRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of what is read field by field")]
struct SendBody {
    /// The phone number, in international form.
    #[schema(pattern = r"^\+?[1-9][0-9]{6,14}$")]
    destination: String,
    /// The text. Longer than ten parts, it is cut.
    #[schema(min_length = 1)]
    text: String,
    /// The country of a national number, in two letters.
    #[schema(required = false, min_length = 2, max_length = 2)]
    country: Option<String>,
    /// The sender: up to 11 letters, digits and spaces, or a number.
    #[schema(required = false, max_length = 16)]
    source: Option<String>,
    /// The caller's own id.
    #[schema(required = false, max_length = 350)]
    client_message_id: Option<String>,
    /// `AUTO`, `GSM7` or `UCS2`.
    #[schema(required = false)]
    encoding: Option<String>,
    /// Not before this, up to 7 days ahead.
    #[schema(required = false)]
    scheduled: Option<At>,
    /// Not after this.
    #[schema(required = false)]
    expiry: Option<At>,
    /// Where this message's receipts go, in place of the webhooks; https.
    #[schema(required = false, max_length = 2000)]
    dlr_callback_url: Option<String>,
}

pub(super) fn send() -> Doc {
    Doc::new("sendSms", SMS, "Send a text message")
        .text("Answers once the message is on disk. What we decide against (no route, too late) is 200 with the status `REJECTED`.")
        .reads_by::<SendBody>(
            json!({"destination": "+447700900117", "text": "Your code is 4711", "clientMessageId": "order-7"}),
            |bytes| {
                let fields: Map<String, Value> = parse_json(bytes)?;
                Order::read(fields, base::Timestamp::from_micros(0)).map(drop)
            },
        )
        .answers::<SentView>(
            StatusCode::OK,
            "It is on disk (`QUEUED`), or decided against (`REJECTED`).",
            json!({
                "umid": ID, "clientMessageId": "order-7", "destination": "447700900117", "encoding": "GSM7",
                "status": {"code": "QUEUED", "description": "SMS is accepted and queued for processing"},
            }),
        )
}

pub(super) fn get() -> Doc {
    Doc::new("getSms", SMS, "Read what became of a message")
        .path("umid", "The message's id, of the answer to sending.", ID)
        .answers::<DetailsView>(
            StatusCode::OK,
            "The message; number and text are masked.",
            json!({
                "umid": ID, "subAccountId": "demo", "direction": "outbound", "country": null,
                "status": {
                    "state": "delivered", "detail": "delivered_to_recipient", "errorCode": null, "errorMessage": null,
                    "timestamp": "2026-10-23T01:12:09.120Z",
                },
                "msisdn": "4477xxxxxxxx", "source": "Sample", "body": "**MASKED**", "encoding": "GSM7",
                "createdAt": "2026-10-23T01:12:07.214Z", "smsCount": 1, "clientMessageId": "order-7", "clientBatchId": null,
                "batchId": null,
            }),
        )
}
