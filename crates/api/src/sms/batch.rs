//! Many messages in one request: up to 10,000, written out one by one or as numbers for one text.
//!
//! The body is checked as JSON from end to end before the first message is taken, so that a mistake in its syntax refuses the
//! whole request and loses nothing. Then its items are read one by one out of that body, in pieces side by side; what is wrong with one
//! of them rejects that one inside the 200. The work goes on when the caller goes away meanwhile.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use ::messaging::{KEPT_REJECTIONS, Messaging, OpenBatch, Rejection};
use ::webhooks::Webhooks;
use access::{Permit, cap};
use base::{BatchId, Context, Explain as _, Problem, ProblemKind};
use bytes::Bytes;
use http::{Answer, InWorkspace, IntoResponse, Json, Raw, Refusal, Response, State, parse_json};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use tokio::task::{JoinSet, spawn_blocking};
use utoipa::ToSchema;

use super::callback;
use super::fields::{Field, IGNORED, Item, Key, wrong};
use super::order::{DESTINATION, Order, Rules, client_ip};
use super::send::SentView;
use crate::Api;

/// Messages of one request.
const MOST: usize = 10_000;
/// Bytes of one request.
pub(super) const LIMIT: usize = 20 * 1024 * 1024;
/// Items that are read and stored together.
const PIECE: usize = 512;
/// Pieces of one request under way at once.
const AT_ONCE: usize = 4;
/// Characters of the caller's own id of a batch.
const CLIENT_ID: usize = 20;

/// The body, its items still unread.
#[derive(Default)]
struct Envelope<'a> {
    messages: Option<Vec<&'a RawValue>>,
    destinations: Option<Vec<&'a RawValue>>,
    template: Option<Item<'a>>,
    client_batch_id: Field<'a>,
    client_ip: Field<'a>,
    include_messages: Option<bool>,
    ignored: Vec<String>,
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnvelopeVisitor;

        impl<'de> Visitor<'de> for EnvelopeVisitor {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with messages or destinations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Envelope<'de>, A::Error> {
                let mut body = Envelope::default();
                while let Some(Key(key)) = entries.next_key()? {
                    match &*key {
                        "messages" => body.messages = entries.next_value()?,
                        "destinations" => body.destinations = entries.next_value()?,
                        "template" => body.template = entries.next_value()?,
                        "clientBatchId" => body.client_batch_id = entries.next_value()?,
                        "clientIp" => body.client_ip = entries.next_value()?,
                        "includeMessagesInResponse" => body.include_messages = entries.next_value()?,
                        _ => {
                            entries.next_value::<IgnoredAny>()?;
                            if body.ignored.len() < IGNORED {
                                body.ignored.push(key.into_owned());
                            }
                        }
                    }
                }
                Ok(body)
            }
        }

        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

/// A request understood but for its items.
struct Request {
    body: Bytes,
    /// Where each item stands in the body.
    items: Vec<Range<usize>>,
    /// Whether the items are numbers rather than messages.
    numbers: bool,
    template: Item<'static>,
    client_ref: Option<String>,
    include_messages: bool,
    ignored: Vec<String>,
}

impl Request {
    fn read(body: Bytes) -> Result<Self, Problem> {
        let mut envelope: Envelope<'_> = parse_json(&body)?;
        let numbers = envelope.messages.is_none();
        if envelope.messages.is_some() && envelope.destinations.take().is_some() {
            // That API's own rule: messages win.
            envelope.ignored.push("destinations".to_owned());
        }
        let items = envelope.messages.or(envelope.destinations).unwrap_or_default();
        if items.is_empty() {
            let detail =
                "There are no messages: send 1 to 10000 of them as messages, or their numbers as destinations.";
            return Err(Problem::new(ProblemKind::Invalid, "messages-missing", detail).at("messages"));
        }
        if items.len() > MOST {
            let detail = format!(
                "There are {} messages in one request, and at most {MOST} are taken. Send less at a time.",
                items.len()
            );
            return Err(Problem::new(ProblemKind::Invalid, "too-many-messages", detail).at("messages"));
        }
        if numbers && envelope.template.is_none() {
            return Err(wrong("template", "Numbers alone say nothing: give their text in template.text."));
        }
        let client_ref = envelope
            .client_batch_id
            .text("clientBatchId", CLIENT_ID, "client-batch-id-too-long")?
            .filter(|id| !id.is_empty());
        let mut ignored = envelope.ignored;
        let mut template = envelope.template.unwrap_or_default().owned();
        // Said of all of them; a message's own wins.
        if client_ip(envelope.client_ip.borrowed())?.is_some() {
            template.client_ip = envelope.client_ip.owned();
        }
        ignored.append(&mut template.ignored);
        // What a template may not say of all of them.
        template.destination = Field::Absent;
        template.client_message_id = Field::Absent;
        let start = body.as_ptr() as usize;
        let place = |item: &&RawValue| {
            let at = item.get().as_ptr() as usize - start;
            at..at + item.get().len()
        };
        Ok(Self {
            items: items.iter().map(place).collect(),
            numbers,
            template,
            client_ref: client_ref.map(std::borrow::Cow::into_owned),
            include_messages: envelope.include_messages.unwrap_or(false),
            ignored,
            body: body.clone(),
        })
    }

    /// The item at `place`, read.
    fn order(&self, place: usize, rules: Rules) -> Result<Order, Box<Rejected>> {
        let bytes = &self.body[self.items[place].clone()];
        let item = if self.numbers {
            let destination: Field<'_> = serde_json::from_slice(bytes).unwrap_or(Field::Other);
            Item { destination, ..Item::default() }
        } else {
            serde_json::from_slice(bytes).map_err(|_| {
                let problem = wrong("messages", "Each of the messages must be an object.");
                Rejected { destination: None, client_message_id: self.own_id(place), problem }
            })?
        };
        let shown = item.destination.shown(DESTINATION);
        let own = item.client_message_id.shown(400).filter(|id| !id.is_empty()).or_else(|| self.own_id(place));
        let mut order = Order::of(item.or(&self.template), rules).map_err(|problem| Rejected {
            destination: shown,
            client_message_id: own.clone(),
            problem,
        })?;
        order.message.client_ref = own;
        Ok(order)
    }

    /// That API's own: the batch's id and the place of the message.
    fn own_id(&self, place: usize) -> Option<String> {
        self.client_ref.as_ref().map(|batch| format!("{batch}/{}", place + 1))
    }
}

/// An item that was not understood.
struct Rejected {
    destination: Option<String>,
    client_message_id: Option<String>,
    problem: Problem,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsBatchResponse)]
pub(super) struct BatchView {
    /// Its id.
    #[schema(value_type = Uuid)]
    batch_id: BatchId,
    /// The caller's own id of it.
    client_batch_id: Option<String>,
    /// How many were taken.
    accepted_count: u32,
    /// How many were not.
    rejected_count: u32,
    /// Each message in its order, when `includeMessagesInResponse` asks for them.
    messages: Option<Vec<SentView>>,
}

/// What became of a piece.
#[derive(Default)]
struct Done {
    accepted: u32,
    rejected: u32,
    views: Vec<SentView>,
    ignored: BTreeSet<String>,
    /// Of the rejected ones the first few: where each stood, and why.
    rejections: Vec<Rejection>,
}

/// What the pieces share.
struct Work {
    request: Request,
    rules: Rules,
    batch: OpenBatch,
    messaging: Messaging,
    webhooks: Webhooks,
    permit: Permit<cap::MessagesSend>,
    context: Context,
}

impl Work {
    async fn piece(self: Arc<Self>, places: Range<usize>) -> Done {
        let mut done = Done::default();
        let (mut orders, mut news) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
        for place in places.clone() {
            let order = self.request.order(place, self.rules).and_then(|order| self.reachable(order));
            if let Ok(order) = &order {
                news.push(order.message.clone());
                for name in &order.ignored {
                    if done.ignored.len() < IGNORED && !done.ignored.contains(name) {
                        done.ignored.insert(name.clone());
                    }
                }
            }
            orders.push(order);
        }
        let mut outcomes = self.messaging.submit_many(&self.permit, Some(self.batch), news).await.into_iter();
        for (place, order) in places.zip(orders) {
            let view = match order {
                Ok(order) => {
                    let outcome = outcomes.next().unwrap_or(Err(::messaging::Error::Unwritten));
                    match &outcome {
                        Ok(_) => done.accepted += 1,
                        Err(error) => done.reject(place, &error.problem()),
                    }
                    if !self.request.include_messages {
                        continue;
                    }
                    SentView::either(&order, outcome, &self.context)
                }
                Err(rejected) => {
                    done.reject(place, &rejected.problem);
                    if !self.request.include_messages {
                        continue;
                    }
                    let Rejected { destination, client_message_id, problem } = *rejected;
                    SentView::refused(self.context.id(), destination, client_message_id, &problem)
                }
            };
            done.views.push(view);
        }
        done
    }

    /// The order, when its own address for receipts may be used.
    fn reachable(&self, order: Order) -> Result<Order, Box<Rejected>> {
        match callback::check(&self.webhooks, order.message.callback.as_deref()) {
            Ok(()) => Ok(order),
            Err(refusal) => Err(Box::new(Rejected {
                destination: Some(order.destination),
                client_message_id: order.message.client_ref,
                problem: refusal.problem().clone(),
            })),
        }
    }

    /// All pieces, a few at a time, and then the note of what became of them.
    async fn run(self: Arc<Self>) -> Result<(BatchView, BTreeSet<String>), ::messaging::Error> {
        let count = self.request.items.len();
        let mut pieces = (0..count.div_ceil(PIECE)).map(|n| n * PIECE..((n + 1) * PIECE).min(count)).enumerate();
        let mut done: Vec<Option<Done>> = (0..count.div_ceil(PIECE)).map(|_| None).collect();
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < AT_ONCE
                && let Some((place, range)) = pieces.next()
            {
                let work = Arc::clone(&self);
                tasks.spawn(async move { (place, work.piece(range).await) });
            }
            match tasks.join_next().await {
                None => break,
                Some(Ok((place, piece))) => done[place] = Some(piece),
                Some(Err(error)) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a piece of a batch broke off");
                    return Err(::messaging::Error::Unwritten);
                }
            }
        }
        let (mut accepted, mut rejected, mut views, mut ignored) = (0, 0, Vec::new(), BTreeSet::new());
        let mut rejections = Vec::new();
        for mut piece in done.into_iter().flatten() {
            accepted += piece.accepted;
            rejected += piece.rejected;
            views.append(&mut piece.views);
            ignored.append(&mut piece.ignored);
            rejections.append(&mut piece.rejections);
        }
        rejections.truncate(KEPT_REJECTIONS);
        self.messaging.end_batch(self.batch, (accepted, rejected), rejections).await?;
        ignored.extend(self.request.ignored.iter().cloned());
        let view = BatchView {
            batch_id: self.batch.id,
            client_batch_id: self.request.client_ref.clone(),
            accepted_count: accepted,
            rejected_count: rejected,
            messages: self.request.include_messages.then_some(views),
        };
        Ok((view, ignored))
    }
}

impl Done {
    /// One was rejected, at this place of the request.
    fn reject(&mut self, place: usize, problem: &Problem) {
        self.rejected += 1;
        if self.rejections.len() < KEPT_REJECTIONS {
            self.rejections.push(Rejection {
                index: u32::try_from(place).unwrap_or(u32::MAX),
                code: problem.code.to_string(),
                field: problem.field.clone(),
                reason: kept(problem),
            });
        }
    }
}

pub(super) async fn send(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    Raw(body): Raw,
) -> Answer<Response> {
    let account = api.sub_accounts.admit(&guard).await?;
    let broken = |error| Refusal::new(Problem::internal()).because(error);
    let request = spawn_blocking(move || Request::read(body)).await.map_err(broken)?.map_err(Refusal::new)?;
    let context = api.db.context().clone();
    let rules = account.rules(&guard, context.now());
    let permit = guard.into_permit();
    let batch = api.messaging.begin_batch(&permit, request.client_ref.clone(), request.items.len()).await?;
    let work = Work {
        request,
        rules,
        batch,
        messaging: api.messaging.clone(),
        webhooks: api.webhooks.clone(),
        permit,
        context,
    };
    // A task of its own: what was begun is ended, whether or not somebody still waits for the answer.
    let running = tokio::spawn(Arc::new(work).run());
    let (view, ignored) = running.await.map_err(broken)??;
    let mut response = Json(view).into_response();
    if let Some(names) = super::names_header(&ignored.into_iter().collect::<Vec<_>>()) {
        response.headers_mut().insert(super::IGNORED, names);
    }
    Ok(response)
}

/// Refuses what [`Request::read`] refuses: for the document's test of its own example.
pub(super) fn check(body: &[u8]) -> Result<(), Problem> {
    Request::read(Bytes::copy_from_slice(body)).map(drop)
}

/// What a rejected item is told: the sentence, and that API's number for it.
pub(super) fn sentence(problem: &Problem) -> String {
    format!("{} ({})", problem.detail, super::envelope::code(problem))
}

/// The same as the batch keeps it, where it is not sealed: nothing that stands in the text.
fn kept(problem: &Problem) -> String {
    let detail = match &*problem.code {
        "text-not-gsm7" => {
            "the text has a character that GSM 7-bit cannot write; send it as UCS-2 or leave the choice to us"
        }
        _ => &*problem.detail,
    };
    format!("{detail} ({})", super::envelope::code(problem))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(body: &Value) -> Result<Request, String> {
        Request::read(Bytes::from(body.to_string())).map_err(|problem| problem.code.to_string())
    }

    fn rules() -> Rules {
        Rules { now: crate::time::read("2026-10-23T01:00:00Z").unwrap(), truncate: false, may_alert: false }
    }

    #[test]
    fn both_forms_are_read_and_messages_win() {
        let both = json!({
            "clientBatchId": "b-1", "destinations": ["+447700900118"], "colour": 1,
            "messages": [{"destination": "+447700900117", "text": "own"}, {"destination": "+447700900118", "clientMessageId": "m"}, 7],
            "template": {"text": "shared", "source": "Sample", "destination": "+447700900199"},
        });
        let request = request(&both).unwrap();
        assert_eq!((request.items.len(), request.numbers), (3, false));
        assert_eq!(request.ignored, ["colour", "destinations"]);
        let orders: Vec<_> = (0..3).map(|place| request.order(place, rules())).collect();
        let first = orders[0].as_ref().ok().unwrap();
        assert_eq!((first.message.text.as_str(), first.message.client_ref.as_deref()), ("own", Some("b-1/1")));
        let second = orders[1].as_ref().ok().unwrap();
        assert_eq!((second.message.text.as_str(), second.message.client_ref.as_deref()), ("shared", Some("m")));
        assert!(orders[2].is_err());
    }

    #[test]
    fn numbers_need_a_text_and_each_is_looked_at() {
        assert_eq!(request(&json!({"destinations": ["+447700900117"]})).err(), Some("invalid-parameter".into()));
        let body = json!({"destinations": ["+447700900117", 5, "12", null], "template": {"text": "Hi"}});
        let request = request(&body).unwrap();
        let good: Vec<_> = (0..4).map(|place| request.order(place, rules()).is_ok()).collect();
        assert_eq!(good, [true, false, false, false]);
    }

    /// E-10: what is kept of a rejection says nothing of the text, the answer to its sender may.
    #[test]
    fn e_10_a_kept_rejection_has_no_character_of_the_text() {
        let problem = ::messaging::Error::Text(::sms::SegmentError::NotGsm { character: 'ğ' }).problem();
        assert!(sentence(&problem).contains('ğ'));
        assert!(kept(&problem).ends_with("(1003)") && !kept(&problem).contains('ğ'), "{}", kept(&problem));
        let mut done = Done::default();
        done.reject(3, &problem);
        let kept = &done.rejections[0];
        assert_eq!((kept.index, kept.code.as_str(), kept.reason.contains('ğ')), (3, "text-not-gsm7", false));
    }

    #[test]
    fn what_refuses_the_whole_request() {
        assert_eq!(request(&json!({})).err(), Some("messages-missing".into()));
        assert_eq!(request(&json!({"messages": []})).err(), Some("messages-missing".into()));
        let many: Vec<_> = (0..10_001).map(|_| json!("+447700900117")).collect();
        let body = json!({"destinations": many, "template": {"text": "Hi"}});
        assert_eq!(request(&body).err(), Some("too-many-messages".into()));
        let body = json!({"clientBatchId": "x".repeat(21), "messages": [{}]});
        assert_eq!(request(&body).err(), Some("client-batch-id-too-long".into()));
        // A mistake behind ten thousand good messages: nothing was taken.
        let broken = br#"{"messages": [{"destination": "+447700900117", "text": "a"}, {"destination": }"#;
        assert!(Request::read(Bytes::from_static(broken)).is_err());
    }
}
