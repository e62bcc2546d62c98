//! What the routes of the SMS API mean.

use http::doc::Doc;
use http::{StatusCode, parse_json};
use serde_json::json;
use utoipa::ToSchema;

use super::batch::{self, BatchView};
use super::cancel::CancelledView;
use super::details::DetailsView;
use super::exports::{Asked, ExportView, StartedView};
use super::feedback::Feedback;
use super::fields::Item;
use super::order::{Order, Rules};
use super::send::SentView;
use crate::tag::SMS;
use crate::time::At;

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

/// A message to be sent. Fields that are not listed are ignored and named in `X-Ignored-Fields`.
#[derive(ToSchema)]
#[schema(as = SmsRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of what is read field by field")]
struct SendBody {
    /// The phone number: in international form with or without a plus sign, or a national one with `country`.
    #[schema(pattern = r"^\+?[0-9]{3,15}$")]
    destination: String,
    /// The text. One of more than ten parts is refused, or cut where the workspace's setting says so.
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
    /// `transactional` (as without it), `otp`, `marketing`, or `alert`, which wants a key with the scope `messages:alert`.
    #[schema(required = false)]
    class: Option<String>,
    /// `None` or `Outcome`; feedback is taken for every message.
    #[schema(required = false)]
    track: Option<String>,
}

/// Many messages to be sent: `messages`, or `destinations` with a `template`.
#[derive(ToSchema)]
#[schema(as = SmsBatchRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of what is read item by item")]
struct BatchBody {
    /// 1 to 10,000 messages. What one leaves out, the template says.
    #[schema(required = false, min_items = 1, max_items = 10000)]
    messages: Option<Vec<SendBody>>,
    /// 1 to 10,000 numbers; not looked at beside `messages`.
    #[schema(required = false, min_items = 1, max_items = 10000)]
    destinations: Option<Vec<String>>,
    /// What all of them have in common.
    #[schema(required = false)]
    template: Option<TemplateBody>,
    /// The caller's own id. A message without `clientMessageId` gets it with its place, `batch-7/1`.
    #[schema(required = false, max_length = 20)]
    client_batch_id: Option<String>,
    /// Whether the answer says of each message what became of it.
    #[schema(required = false)]
    include_messages_in_response: Option<bool>,
}

/// What the messages of a batch have in common.
#[derive(ToSchema)]
#[schema(as = SmsTemplate, rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of what is read item by item")]
struct TemplateBody {
    /// The text.
    #[schema(required = false)]
    text: Option<String>,
    /// The sender.
    #[schema(required = false, max_length = 16)]
    source: Option<String>,
    /// `AUTO`, `GSM7` or `UCS2`.
    #[schema(required = false)]
    encoding: Option<String>,
    /// Not before this.
    #[schema(required = false)]
    scheduled: Option<At>,
    /// Not after this.
    #[schema(required = false)]
    expiry: Option<At>,
    /// The class.
    #[schema(required = false)]
    class: Option<String>,
    /// The country of national numbers.
    #[schema(required = false)]
    country: Option<String>,
}

/// Said of the older paths.
pub(super) const OLD: &str = "The older path of that API, with the same bodies and answers.";

pub(super) fn send(name: &'static str) -> Doc {
    Doc::new(name, SMS, "Send a text message")
        .text("Answers once the message is on disk. What we decide against (no route, too late) is 200 with the status `REJECTED`.")
        .reads_by::<SendBody>(
            json!({"destination": "+447700900117", "text": "Your code is 4711", "clientMessageId": "order-7"}),
            |bytes| {
                let item: Item<'_> = parse_json(bytes)?;
                let rules = Rules { now: base::Timestamp::from_micros(0), truncate: false, may_alert: false };
                Order::of(item, rules).map(drop)
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

pub(super) fn batch(name: &'static str) -> Doc {
    Doc::new(name, SMS, "Send many text messages")
        .text(
            "Up to 10,000 in one request of at most 20 MiB. A mistake in the JSON refuses the whole request, and nothing of it is sent; what is \
             wrong with one message rejects that one inside the 200. The batch can be read and cancelled by its id.",
        )
        .reads_by::<BatchBody>(
            json!({
                "clientBatchId": "batch-7", "destinations": ["+447700900117", "+447700900118"],
                "template": {"text": "The water is back.", "source": "Sample"}, "includeMessagesInResponse": true,
            }),
            batch::check,
        )
        .answers::<BatchView>(
            StatusCode::OK,
            "Everything that could be taken is on disk.",
            json!({
                "batchId": ID, "clientBatchId": "batch-7", "acceptedCount": 2, "rejectedCount": 0,
                "messages": [{
                    "umid": ID, "clientMessageId": "batch-7/1", "destination": "447700900117", "encoding": "GSM7",
                    "status": {"code": "QUEUED", "description": "SMS is accepted and queued for processing"},
                }],
            }),
        )
}

pub(super) fn cancel(name: &'static str) -> Doc {
    Doc::new(name, SMS, "Cancel a message that still waits")
        .text("One that is scheduled or queued. What a carrier may have already is not cancelled: that is a 400.")
        .path("umid", "The message's id, of the answer to sending.", ID)
        .answers::<CancelledView>(StatusCode::OK, "It is cancelled.", json!({"cancelledCount": 1}))
}

pub(super) fn cancel_batch(name: &'static str) -> Doc {
    Doc::new(name, SMS, "Cancel what still waits of a batch")
        .path("batch", "The batch's id, of the answer to sending.", ID)
        .answers::<CancelledView>(StatusCode::OK, "How many were cancelled.", json!({"cancelledCount": 2}))
}

pub(super) fn erase() -> Doc {
    Doc::new("eraseSms", SMS, "Erase number and text of a message for good")
        .text("Of one that went out or came in. One that still waits is erased when it has been handed over. Wants the scope `messages:erase`.")
        .path("umid", "The message's id.", ID)
        .answers_nothing(StatusCode::ACCEPTED, "They are erased, or will be.")
}

pub(super) fn feedback() -> Doc {
    Doc::new("giveSmsFeedback", SMS, "Say what became of a message for the application")
        .text("Within 15 minutes after it was due. It is kept and shown with the message.")
        .path("umid", "The message's id.", ID)
        .reads_by::<Feedback>(json!({"outcome": "success", "timestamp": "2026-10-23T01:13:00Z"}), |bytes| {
            parse_json::<Feedback>(bytes)?.understood().map(drop)
        })
        .answers_nothing(StatusCode::OK, "It is kept.")
}

const JOB: &str = "The job's id, of the answer to starting it.";

pub(super) fn export() -> Doc {
    Doc::new("exportSms", SMS, "Write messages out as files")
        .text("A job makes CSV files with masked numbers and without texts, oldest first, at most five jobs at a time. They are kept for a month.")
        .reads_by::<Asked>(
            json!({"from": "2026-10-01", "to": "2026-10-23", "countries": ["GB"], "limit": 0}),
            |bytes| parse_json::<Asked>(bytes)?.understood(base::Timestamp::from_micros(0)).map(drop),
        )
        .answers::<StartedView>(StatusCode::ACCEPTED, "The job waits for its turn.", json!({"jobId": ID}))
}

pub(super) fn get_export() -> Doc {
    Doc::new("getSmsExport", SMS, "Read how far an export is").path("job", JOB, ID).answers::<ExportView>(
        StatusCode::OK,
        "How far it is; its files, once it succeeded.",
        json!({
            "status": "succeeded",
            "data": [format!("https://loudhailer.example.com/api/v1/subaccounts/demo/messages/exports/{ID}/files/0")],
            "expires": "2026-11-22T01:12:07.214Z", "rows": 1204, "reason": null,
        }),
    )
}

pub(super) fn delete_export() -> Doc {
    Doc::new("deleteSmsExport", SMS, "Delete an export with its files, or stop it")
        .path("job", JOB, ID)
        .answers_nothing(StatusCode::NO_CONTENT, "It is gone.")
}

pub(super) fn export_file() -> Doc {
    Doc::new("getSmsExportFile", SMS, "Read a file of an export")
        .text("CSV, streamed; no cell of it runs in a spreadsheet.")
        .path("job", JOB, ID)
        .path("file", "Which file, from 0, as `data` lists them.", "0")
        .answers_with(StatusCode::OK, "The file.", "text/csv", "umid,subaccountid,direction,…")
}
