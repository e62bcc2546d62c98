//! Unknown outcomes: how many there are, and a person's decision about one or many.

use ::messaging::{DECIDED, Decide, Error as MessagingError};
use access::cap;
use base::{Explain as _, MessageId, Problem, ProblemKind};
use http::doc::Doc;
use http::{Answer, InWorkspace, Json, Refusal, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::Api;
use crate::body::List;
use crate::tag::MESSAGES;
use crate::time::At;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/unknown-outcomes", list)
        .doc(list_doc())
        .post("/api/v1/workspaces/{workspace}/unknown-outcomes/decide", decide)
        .doc(decide_doc())
}

fn list_doc() -> Doc {
    Doc::new("listUnknownOutcomes", MESSAGES, "Count messages with an unknown outcome")
        .text("Messages whose submit was cut off unanswered and that their carrier's setting holds, or of which the carrier says that it does not know. The messages themselves: list messages with `state=unknown`, by `carrier`, `since` and `until`.")
        .lists::<FigureView>(
            "One for each carrier that has any.",
            false,
            json!({"items": [{"carrier": "carrier-a", "messages": 12, "oldest": "2026-10-23T01:12:07.214Z"}], "next": null}),
        )
}

fn decide_doc() -> Doc {
    let id = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";
    Doc::new("decideUnknownOutcomes", MESSAGES, "Decide about messages with an unknown outcome")
        .text("`send_again`: it goes again, perhaps twice. `sent`: the carrier has it, as somebody learned elsewhere. `give_up`: it does not go again and counts as failed. The decision and its reason stand in each message's history and in the audit log. A message that is not unknown any more is left as it is and named under `left`.")
        .reads::<Decision>(json!({"messages": [id], "decision": "send_again", "reason": "the carrier lost its queue"}))
        .answers::<DecidedView>(
            StatusCode::OK,
            "What became of each.",
            json!({"decided": [{"id": id, "state": "queued"}], "left": []}),
        )
}

/// The unknown outcomes by one carrier.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnknownOutcomes)]
struct FigureView {
    /// The carrier.
    carrier: String,
    /// How many messages.
    messages: u64,
    /// When the oldest of them was accepted.
    oldest: At,
}

/// What is decided, and about which.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UnknownOutcomeDecision)]
struct Decision {
    /// The messages, 1 to 500.
    #[schema(value_type = Vec<Uuid>)]
    messages: Vec<MessageId>,
    /// `send_again`, `sent` or `give_up`.
    #[serde(rename = "decision")]
    what: String,
    /// Why, for the history; at most 200 characters.
    #[serde(default)]
    reason: String,
}

/// What became of the messages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnknownOutcomesDecided)]
struct DecidedView {
    /// Those that were decided about.
    decided: Vec<OneView>,
    /// Those that were not.
    left: Vec<LeftView>,
}

/// A message that was decided about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnknownOutcomeDecided)]
struct OneView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: MessageId,
    /// Where it stands now.
    #[schema(value_type = crate::words::MessageStateWord)]
    state: ::messaging::State,
}

/// A message that was left as it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnknownOutcomeLeft)]
struct LeftView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: MessageId,
    /// A stable code.
    code: String,
    /// Why.
    why: String,
}

async fn list(guard: InWorkspace<cap::MessagesRead>, State(api): State<Api>) -> Answer<Json<List<FigureView>>> {
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let found = api.db.read(move |tx| messaging.unknown(tx, &permit)).await?;
    let view = |one: ::messaging::UnknownFigures| FigureView {
        carrier: one.carrier,
        messages: one.messages,
        oldest: At(one.oldest),
    };
    Ok(Json(List::whole(found.into_iter().map(view).collect())))
}

async fn decide(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    Json(asked): Json<Decision>,
) -> Answer<Json<DecidedView>> {
    let wrong = |field: &'static str, detail: String| {
        Refusal::new(Problem::new(ProblemKind::Invalid, "invalid", detail).at(field))
    };
    let decision =
        Decide::named(&asked.what).ok_or_else(|| wrong("decision", "Say send_again, sent or give_up.".to_owned()))?;
    if !(1..=DECIDED).contains(&asked.messages.len()) {
        return Err(wrong("messages", format!("Name 1 to {DECIDED} messages.")));
    }
    if asked.reason.chars().count() > 200 {
        return Err(wrong("reason", "A reason has at most 200 characters.".to_owned()));
    }
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let decided = api
        .db
        .write(move |tx| -> Result<DecidedView, MessagingError> {
            let mut view = DecidedView { decided: Vec::new(), left: Vec::new() };
            for id in &asked.messages {
                match messaging.decide_unknown(tx, &permit, *id, decision, &asked.reason) {
                    Ok(state) => view.decided.push(OneView { id: *id, state }),
                    Err(error @ (MessagingError::NotFound | MessagingError::NothingToDecide(_))) => {
                        let problem = error.problem();
                        let (code, why) = (problem.code.to_string(), problem.detail.into_owned());
                        view.left.push(LeftView { id: *id, code, why });
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(view)
        })
        .await?;
    Ok(Json(decided))
}
