//! Text messages: list, one with its history, and its content for those who may read it.

use ::messaging::{Class, Content, Details, Filter, OriginRef, PartDetails, State as MessageState, Step, Summary};
use ::sms::{Encoding, Number};
use access::cap;
use base::{BatchId, MessageId, Problem, ProblemKind};
use http::doc::Doc;
use http::{Answer, InWorkspace, Json, PageQuery, Path, Query, Refusal, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Api;
use crate::body::{List, TakenElsewhere, found};
use crate::tag::MESSAGES;
use crate::time::At;
use crate::words::{ClassWord, EncodingWord, MessageStateWord};

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/messages", list)
        .doc(list_doc())
        .get("/api/v1/workspaces/{workspace}/messages/{message}", get)
        .doc(get_doc())
        .get("/api/v1/workspaces/{workspace}/messages/{message}/content", content)
        .doc(content_doc())
}

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

fn example() -> Value {
    json!({
        "id": ID, "state": "delivered", "class": "transactional", "carrier": "main", "sender": "Sample", "to": "+44 77•• ••• 117",
        "parts": 1, "encoding": "gsm7", "created": "2026-10-23T01:12:07.214Z", "due": "2026-10-23T01:12:07.214Z",
        "expires": null, "submitted": "2026-10-23T01:12:07.301Z", "done": "2026-10-23T01:12:09.120Z", "reason": null,
        "error": null, "attempts": 1, "throttled": 0, "unknownOutcomes": 0, "origin": null, "clientMessageId": "order-7",
        "submitter": "checkout", "batch": null,
    })
}

fn list_doc() -> Doc {
    Doc::new("listMessages", MESSAGES, "List and search messages")
        .text("Newest first, with masked numbers and without texts. Texts lie sealed and cannot be searched; a number is found exactly.")
        .query::<Wanted>()
        .lists::<MessageView>("The messages.", true, json!({"items": [example()], "next": "8191"}))
}

fn get_doc() -> Doc {
    let mut message = example();
    message["partDetails"] = json!([{
        "part": 1, "state": "delivered", "carrier": "main", "carrierRef": "7f3a", "submitted": "2026-10-23T01:12:07.301Z",
        "receipt": {"stat": "DELIVRD", "error": "000", "at": "2026-10-23T01:12:09.120Z"}, "unknownOutcome": false,
    }]);
    message["history"] =
        json!([{"at": "2026-10-23T01:12:07.214Z", "kind": "accepted", "text": "Accepted from checkout."}]);
    Doc::new("getMessage", MESSAGES, "Read a message with its parts and history")
        .path("message", "The message's id (its umid).", ID)
        .answers::<DetailsView>(StatusCode::OK, "The message.", message)
}

fn content_doc() -> Doc {
    Doc::new("getMessageContent", MESSAGES, "Read a message's number and text")
        .text("Audited: who read it is on record before it is shown.")
        .path("message", "The message's id (its umid).", ID)
        .answers::<ContentView>(
            StatusCode::OK,
            "Number and text.",
            json!({"to": "+447700900117", "text": "Your code is 4711"}),
        )
}

/// What caused a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageOrigin)]
struct OriginView {
    /// What sort of thing, such as `notification`.
    kind: String,
    /// Which one.
    id: Uuid,
}

/// A message as lists show it: its number masked, its text not at all.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Message)]
struct MessageView {
    /// Its id; the `umid` of the SMS API.
    #[schema(value_type = Uuid)]
    id: MessageId,
    /// Where it stands.
    #[schema(value_type = MessageStateWord)]
    state: MessageState,
    /// How urgent it is.
    #[schema(value_type = ClassWord)]
    class: Class,
    /// The carrier it goes by.
    carrier: String,
    /// Our address.
    sender: String,
    /// The handset, masked.
    to: String,
    /// How many parts it has.
    parts: u32,
    /// Its alphabet.
    #[schema(value_type = EncodingWord)]
    encoding: Encoding,
    /// When it was accepted.
    created: At,
    /// Not before this.
    due: At,
    /// Not after this.
    expires: Option<At>,
    /// When the carrier took it.
    submitted: Option<At>,
    /// When it ended.
    done: Option<At>,
    /// Why it ended so.
    reason: Option<String>,
    /// The carrier's error code.
    error: Option<String>,
    /// How often it was handed over.
    attempts: u32,
    /// How often the carrier asked us to slow down.
    throttled: u32,
    /// How often a submit was cut off unanswered.
    unknown_outcomes: u32,
    /// What caused it.
    origin: Option<OriginView>,
    /// The sender's own id.
    client_message_id: Option<String>,
    /// Who sent it.
    submitter: String,
    /// The batch it came in.
    #[schema(value_type = Option<Uuid>)]
    batch: Option<BatchId>,
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
            batch: message.batch.map(|batch| batch.id),
        }
    }
}

/// One part with its receipt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessagePart)]
struct PartView {
    /// Its place, from 1.
    part: u32,
    /// Where it stands.
    #[schema(value_type = MessageStateWord)]
    state: MessageState,
    /// The carrier it went by.
    carrier: String,
    /// The carrier's id of it.
    carrier_ref: Option<String>,
    /// When the carrier took it.
    submitted: Option<At>,
    /// What the carrier said became of it.
    receipt: Option<ReceiptView>,
    /// Whether its submit was cut off unanswered.
    unknown_outcome: bool,
}

/// What a carrier said became of a part.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
struct ReceiptView {
    /// The carrier's word, such as `DELIVRD`.
    stat: String,
    /// The carrier's error code.
    error: Option<String>,
    /// When it came in.
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageStep)]
struct StepView {
    /// When.
    at: At,
    /// What sort of thing.
    kind: String,
    /// What happened, in a sentence.
    text: String,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        Self { at: At(step.at), kind: step.kind, text: step.text }
    }
}

/// A message with its parts and history.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageDetail)]
struct DetailsView {
    #[serde(flatten)]
    message: MessageView,
    /// Its parts, from the moment something is known about them.
    part_details: Vec<PartView>,
    /// What happened to it, in order.
    history: Vec<StepView>,
    /// Where the person is for whom it was sent, as the sender said, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: Option<String>,
}

impl From<Details> for DetailsView {
    fn from(details: Details) -> Self {
        Self {
            message: details.summary.into(),
            part_details: details.parts.into_iter().map(PartView::from).collect(),
            history: details.history.into_iter().map(StepView::from).collect(),
            client_ip: details.client_ip,
        }
    }
}

/// The number and the text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageContent)]
struct ContentView {
    /// The number, whole.
    to: String,
    /// The text.
    text: String,
    /// Where the person is for whom it was sent, when the sender said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: Option<String>,
}

impl From<Content> for ContentView {
    fn from(content: Content) -> Self {
        let client_ip = content.client_ip.map(|address| address.to_string());
        Self { to: content.to.to_string(), text: content.text, client_ip }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    /// Only those in this state; may be given several times.
    #[serde(default)]
    #[schema(value_type = Vec<MessageStateWord>, required = false)]
    state: Vec<MessageState>,
    /// Only those of this class.
    #[schema(value_type = Option<ClassWord>)]
    class: Option<Class>,
    /// Only those by this carrier.
    carrier: Option<String>,
    /// Only those to this number, whole and in international form.
    #[schema(example = "+447700900117")]
    to: Option<String>,
    /// Only those with this id of the sender's own.
    client_message_id: Option<String>,
    /// Only those of this batch.
    #[schema(value_type = Option<Uuid>)]
    batch: Option<BatchId>,
    /// Only those accepted at or after this.
    since: Option<At>,
    /// Only those accepted before this.
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
    message: MessageId,
}

async fn list(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<MessageView>>> {
    let to = wanted.to.map(|text| Number::parse(&text, None)).transpose().map_err(|error| {
        let problem = Problem::new(ProblemKind::Invalid, "bad-number", format!("This is {error}.")).at("to");
        let number = "a whole number in international form, such as +447700900117";
        Refusal::new(problem.limited(number).remedy(format!("Send {number}.")))
    })?;
    let filter = Filter {
        states: wanted.state,
        class: wanted.class,
        carrier: wanted.carrier,
        to,
        client_ref: wanted.client_message_id,
        batch: wanted.batch,
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
