//! What a message will be, before it is sent: its alphabet and parts, its number, and where it would go. Nothing is sent.

use ::messaging::{Class, Sender};
use ::sms::{Choice, Forcing, MAX_PARTS, Number, Region, look};
use access::cap;
use base::{Explain, Problem, ProblemKind};
use http::doc::Doc;
use http::{Answer, InWorkspace, Json, Refusal, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::Api;
use crate::tag::MESSAGES;
use crate::words::{ClassWord, EncodingWord};

/// Characters that are looked at.
const TEXT: usize = 10_000;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes.post("/api/v1/workspaces/{workspace}/messages/preview", preview).doc(doc())
}

fn doc() -> Doc {
    Doc::new("previewMessage", MESSAGES, "Say what a message will be")
        .text("Its alphabet, parts and the characters that make it UCS-2, its number in international form, and where it would go now. Nothing is sent. A POST, so that number and text stand in no address.")
        .reads::<Asked>(json!({"text": "Your code is 4711 – don’t share it", "destination": "07700900117", "country": "GB"}))
        .answers::<PreviewView>(
            StatusCode::OK,
            "The message as it would be sent.",
            json!({
                "encoding": "ucs2", "parts": 1, "mostParts": 10, "tooLong": false, "characters": 34, "units": 34, "left": 36,
                "forcesUcs2": [{"character": "–", "times": 1, "positions": [18]}, {"character": "’", "times": 1, "positions": [23]}],
                "destination": "+447700900117", "country": "GB",
                "route": {"accepted": true, "carrier": "carrier-b", "sender": "70007", "decision": "carrier carrier-b takes it"},
            }),
        )
}

/// A message that may be sent later.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MessagePreviewRequest)]
struct Asked {
    /// The text.
    #[schema(max_length = 10000)]
    text: String,
    /// The number; without it only the text is looked at.
    #[serde(default)]
    destination: Option<String>,
    /// The country of a national number, in two letters.
    #[serde(default)]
    country: Option<String>,
    /// The sender; the route's when left out.
    #[serde(default)]
    source: Option<String>,
    /// The class; `transactional` when left out.
    #[serde(default)]
    #[schema(value_type = Option<ClassWord>)]
    class: Option<String>,
    /// `AUTO` (as without it), `GSM7` or `UCS2`.
    #[serde(default)]
    encoding: Option<String>,
}

/// A character that GSM 7-bit cannot write.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ForcingCharacter)]
struct ForcingView {
    /// The character.
    character: char,
    /// How often it stands in the text.
    times: usize,
    /// Where, counted in characters from 0; the first twenty places.
    positions: Vec<usize>,
}

impl From<Forcing> for ForcingView {
    fn from(forcing: Forcing) -> Self {
        Self { character: forcing.character, times: forcing.times, positions: forcing.at }
    }
}

/// Where it would go now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PreviewRoute)]
struct RouteView {
    /// Whether it would be taken.
    accepted: bool,
    /// The carrier.
    carrier: Option<String>,
    /// The sender.
    sender: Option<String>,
    /// How it came to this, in a sentence.
    decision: String,
}

/// What a message will be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessagePreview)]
struct PreviewView {
    /// Its alphabet.
    #[schema(value_type = EncodingWord)]
    encoding: ::sms::Encoding,
    /// How many parts it needs.
    parts: usize,
    /// How many a message may have.
    most_parts: usize,
    /// Whether it needs more than it may have.
    too_long: bool,
    /// Characters of the text.
    characters: usize,
    /// Septets or 16-bit units that it takes.
    units: usize,
    /// Septets or units that still fit into its last part.
    left: usize,
    /// The characters that make it UCS-2, in the order in which they come.
    forces_ucs2: Vec<ForcingView>,
    /// The number in international form.
    destination: Option<String>,
    /// Its country, in two letters.
    country: Option<String>,
    /// Where it would go now; null without a number.
    route: Option<RouteView>,
}

async fn preview(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    Json(asked): Json<Asked>,
) -> Answer<Json<PreviewView>> {
    let wrong = |field: &'static str, code: &'static str, detail: String| {
        Refusal::new(Problem::new(ProblemKind::Invalid, code, detail).at(field))
    };
    if asked.text.chars().count() > TEXT {
        return Err(wrong("text", "too-long", format!("At most {TEXT} characters are looked at.")));
    }
    let choice = match asked.encoding.as_deref() {
        None | Some("" | "AUTO") => Choice::Auto,
        Some("GSM7") => Choice::Gsm7,
        Some("UCS2") => Choice::Ucs2,
        Some(_) => return Err(wrong("encoding", "no-such-encoding", "AUTO, GSM7 or UCS2 is expected.".into())),
    };
    let looked = look(&asked.text, choice).map_err(|error| Refusal::new(::messaging::Error::Text(error).problem()))?;
    let region = match asked.country.as_deref().filter(|country| !country.is_empty()) {
        None => None,
        Some(country) => Some(
            country
                .to_ascii_uppercase()
                .parse::<Region>()
                .map_err(|_| wrong("country", "no-such-country", "Two letters such as GB are expected.".into()))?,
        ),
    };
    let to = match asked.destination.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(
            Number::parse(text, region)
                .map_err(|error| wrong("destination", "bad-number", format!("This is {error}.")))?,
        ),
    };
    let class = match asked.class.as_deref().filter(|word| !word.is_empty()) {
        None => Class::Transactional,
        Some(word) => word.parse().map_err(|error| wrong("class", "no-such-class", format!("That is {error}.")))?,
    };
    let sender = match asked.source.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            Some(text.parse::<Sender>().map_err(|error| wrong("source", "not-a-sender", format!("{error}.")))?)
        }
    };
    let route = match to.clone() {
        None => None,
        Some(to) => {
            let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
            let decided = api.db.read(move |tx| messaging.foresee(tx, &permit, &to, class, sender.as_ref())).await?;
            Some(match decided {
                Ok(decision) => RouteView {
                    accepted: true,
                    decision: decision.explanation(),
                    sender: Some(decision.sender.to_string()),
                    carrier: Some(decision.carrier),
                },
                Err(refused) => {
                    RouteView { accepted: false, decision: refused.explanation(), sender: None, carrier: None }
                }
            })
        }
    };
    Ok(Json(PreviewView {
        encoding: looked.encoding,
        parts: looked.parts,
        most_parts: MAX_PARTS,
        too_long: looked.parts > MAX_PARTS,
        characters: looked.characters,
        units: looked.units,
        left: looked.left,
        forces_ucs2: looked.forcing.into_iter().map(ForcingView::from).collect(),
        country: to
            .as_ref()
            .and_then(|to| ::sms::Country::of_digits(to.digits()))
            .map(|country| country.as_str().to_owned()),
        destination: to.map(|to| to.to_string()),
        route,
    }))
}
