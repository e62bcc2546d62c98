//! The demo's phones: what the simulated carrier delivered, and what their owners tap or write. Opened by a signed-in reader
//! within a development workspace, or with the key that the demo printed.

use std::convert::Infallible;
use std::time::Duration;

use access::cap;
use askama::Template;
use axum::extract::State;
use axum::response::sse::{KeepAlive, Sse};
use base::{Context, ExposeSecret as _, Problem, ProblemKind, SecretString};
use futures_util::{Stream, StreamExt as _, stream};
use http::{
    Answer, Event, Form, HeaderMap, InWorkspace, IntoResponse as _, Method, Open, Refusal, Response, Routes, StatusCode,
};
use serde::Deserialize;
use simulator::{Change, Control, Direction};

use crate::Console;
use crate::live;
use crate::page::{cookie, page, page_with, see_other};
use crate::phones::{Dial, Phone, count_word, counted, dials, draw};
use crate::shell::{Page, Shell};

/// Where the simulated carrier is, and the key that opens its phones without a session.
#[derive(Debug)]
pub struct Handsets {
    /// The simulator's control socket.
    pub control: Control,
    /// What stands in the fragment of the printed link.
    pub key: SecretString,
    /// The signal that "Raise an alert" sends: integration and token.
    pub raise: (String, SecretString),
    /// Where a phone writes to when nothing has come to it yet.
    pub peer: String,
}

const COOKIE: &str = "__Host-handsets";

#[derive(Template)]
#[template(path = "handsets.html")]
struct HandsetsPage {
    shell: Shell,
    /// Proves, at the outer door, that a form comes from this page.
    proof: String,
    base: String,
    sentence: String,
    problem: Option<String>,
    phones: Vec<Phone>,
    counters: String,
    dials: Vec<Dial>,
}

#[derive(Template)]
#[template(path = "handsets-key.html")]
struct KeyPage {
    shell: Shell,
    problem: Option<String>,
}

/// The routes: the same acts at both doors.
pub fn routes(routes: Routes<Console>) -> Routes<Console> {
    const REASON: &str = "the demo's handsets: the key from the printed link is asked for, and only the demo has them";
    let at = |verb: &str| format!("/w/{{workspace}}/handsets{verb}");
    routes
        .get(&at(""), show_inside)
        .get(&at("/events"), events_inside)
        .post(&at("/say"), say_inside)
        .post(&at("/network"), network_inside)
        .post(&at("/add"), add_inside)
        .post(&at("/raise"), raise_inside)
        .post(&at("/behaviour"), behaviour_inside)
        .public(Method::GET, "/handsets", REASON, show_outside)
        .public(Method::POST, "/handsets/open", REASON, open)
        .public(Method::GET, "/handsets/events", REASON, events_outside)
        .public(Method::POST, "/handsets/say", REASON, say_outside)
        .public(Method::POST, "/handsets/network", REASON, network_outside)
        .public(Method::POST, "/handsets/add", REASON, add_outside)
        .public(Method::POST, "/handsets/raise", REASON, raise_outside)
        .public(Method::POST, "/handsets/behaviour", REASON, behaviour_outside)
}

impl Console {
    fn phones(&self) -> Answer<&Handsets> {
        self.handsets.as_ref().ok_or_else(Refusal::not_found)
    }

    /// The phones, for a browser that shows the key's cookie.
    fn phones_by_key(&self, headers: &HeaderMap) -> Answer<&Handsets> {
        let phones = self.phones()?;
        let shown = cookie(headers, COOKIE).unwrap_or_default();
        let expected = cookie_value(&phones.key);
        if crypto::constant_time_eq(shown.as_bytes(), expected.as_bytes()) {
            Ok(phones)
        } else {
            Err(Refusal::new(Problem::new(
                ProblemKind::Unauthenticated,
                "handsets-key",
                "Open the handsets with the link that the demo printed, or sign in and choose Handsets.",
            )))
        }
    }

    /// Forms at the outer door carry a proof made from the key, which another site cannot make. It stands beside what the
    /// door itself asks of every form: that it comes from a page of this server and, within a session, its token.
    fn check_proof(phones: &Handsets, proof: &str) -> Answer<()> {
        if crypto::constant_time_eq(proof.as_bytes(), form_proof(&phones.key).as_bytes()) {
            Ok(())
        } else {
            Err(Refusal::new(Problem::new(
                ProblemKind::Forbidden,
                "form-out-of-date",
                "This form is too old. Load the page again and repeat what you did.",
            )))
        }
    }
}

fn derived(key: &SecretString, label: &str) -> String {
    crate::assets::hex(&crypto::hmac_sha256(key.expose_secret().as_bytes(), label.as_bytes()))
}

fn cookie_value(key: &SecretString) -> String {
    derived(key, "handsets cookie")
}

fn form_proof(key: &SecretString) -> String {
    derived(key, "handsets form")
}

/// From which door the phones are looked at.
struct Seen {
    shell: Shell,
    proof: String,
    base: String,
}

async fn render(phones: &Handsets, seen: Seen, problem: Option<String>) -> Answer<Response> {
    let control = &phones.control;
    let handsets = control.handsets().await?;
    let (counters, behaviour) = (control.counters().await?, control.behaviour().await?);
    let sentence = match handsets.len() {
        1 => "One phone on the simulated carrier".to_owned(),
        count => format!("{} phones on the simulated carrier", count_word(count)),
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let Seen { mut shell, proof, base } = seen;
    shell.stream = Some(format!("{base}/events"));
    // The proof is the same every time, and stands beside texts that anybody can send.
    let constant = !proof.is_empty();
    let mut response = page_with(
        status,
        &HandsetsPage {
            phones: handsets.iter().map(|handset| draw(handset, &shell)).collect(),
            counters: counted(&counters),
            dials: dials(&behaviour),
            sentence,
            problem,
            proof,
            base,
            shell,
        },
    )?;
    if constant {
        response.extensions_mut().insert(http::AsIs);
    }
    Ok(response)
}

/// What the acts of a phone send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PhoneForm {
    proof: String,
    from: String,
    number: String,
    name: String,
    text: String,
    reach: bool,
    twice: bool,
}

/// The dials of the carrier.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DialForm {
    proof: String,
    answer_delay_ms: Option<u64>,
    receipt_delay_ms: Option<u64>,
    loss_percent: Option<f64>,
    reject_percent: Option<f64>,
    throttle_percent: Option<f64>,
    receipts_twice_percent: Option<f64>,
}

/// An act on the simulated network.
enum Deed {
    Say { from: String, text: String },
    Network { number: String, reach: bool, twice: bool },
    Add { number: String, name: String },
    Raise,
    Set(Box<DialForm>),
}

async fn carry_out(console: &Console, phones: &Handsets, deed: Deed) -> Answer<()> {
    let control = &phones.control;
    match deed {
        Deed::Say { from, text } => {
            let handset = control.handset(&from).await?;
            let peer = handset.texts.iter().rev().find(|text| text.direction == Direction::Received);
            let to = peer.map_or_else(|| phones.peer.clone(), |text| text.peer.clone());
            control.send(&from, &to, &text).await?;
        }
        Deed::Network { number, reach, twice } => {
            let now = control.handset(&number).await?;
            if now.receipts_twice != twice {
                control.set_receipts_twice(&number, twice).await?;
            }
            if now.in_reach != reach {
                control.set_reach(&number, reach).await?;
            }
        }
        Deed::Add { number, name } => {
            let number: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
            control.add_handset(&number, Some(name.trim()).filter(|name| !name.is_empty())).await?;
        }
        Deed::Raise => raise(console, phones).await?,
        Deed::Set(form) => {
            let mut behaviour = control.behaviour().await?;
            behaviour.answer_delay_ms = form.answer_delay_ms.unwrap_or(behaviour.answer_delay_ms);
            behaviour.receipt_delay_ms = form.receipt_delay_ms.unwrap_or(behaviour.receipt_delay_ms);
            behaviour.loss_percent = form.loss_percent.unwrap_or(behaviour.loss_percent);
            behaviour.reject_percent = form.reject_percent.unwrap_or(behaviour.reject_percent);
            behaviour.throttle_percent = form.throttle_percent.unwrap_or(behaviour.throttle_percent);
            behaviour.receipts_twice_percent = form.receipts_twice_percent.unwrap_or(behaviour.receipts_twice_percent);
            control.set_behaviour(&behaviour).await?;
        }
    }
    Ok(())
}

/// A signal like any other, through the same door as a monitoring system's.
async fn raise(console: &Console, phones: &Handsets) -> Answer<()> {
    let now = console.db.context().now();
    let body = serde_json::json!({
        "key": format!("handsets/{}", now.as_millis()),
        "title": "Replication lag on db-1.example.com is 42 s, limit 30 s",
        "priority": "high",
        "text": "Raised from the handsets page of the demo.",
    });
    let (integration, token) = &phones.raise;
    console
        .signals
        .accept(signals::Request {
            integration: integration.clone(),
            credential: signals::Credential::UrlToken(token.clone()),
            signature: None,
            content_type: Some("application/json".into()),
            body: body.to_string().into_bytes(),
            source: None,
            user_agent: Some("Loudhailer handsets page".into()),
            request: None,
            certificate: None,
            door: signals::Door::Test,
        })
        .await?;
    Ok(())
}

async fn inside(console: &Console, guard: &InWorkspace<cap::HandsetsUse>, headers: &HeaderMap) -> Answer<Seen> {
    let shell = console.shell(guard, headers, Page::Handsets).await?;
    Ok(Seen { shell, proof: String::new(), base: format!("/w/{}/handsets", guard.name()) })
}

fn outside(console: &Console, phones: &Handsets, open: &Open, headers: &HeaderMap) -> Seen {
    let shell = crate::page::bare(headers, console.db.context().now(), open.caller().csrf());
    Seen { shell, proof: form_proof(&phones.key), base: "/handsets".into() }
}

async fn show_inside(
    guard: InWorkspace<cap::HandsetsUse>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let phones = console.phones()?;
    render(phones, inside(&console, &guard, &headers).await?, None).await
}

async fn show_outside(open: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    if console.phones()?.key.expose_secret().is_empty() {
        return Err(Refusal::not_found());
    }
    if let Ok(phones) = console.phones_by_key(&headers) {
        return render(phones, outside(&console, phones, &open, &headers), None).await;
    }
    let shell = crate::page::bare(&headers, console.db.context().now(), open.caller().csrf());
    page(&KeyPage { shell, problem: None })
}

/// The key, moved from the link's fragment into a form.
#[derive(Debug, Deserialize)]
struct KeyForm {
    key: String,
}

async fn open(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<KeyForm>,
) -> Answer<Response> {
    let phones = console.phones()?;
    if !crypto::constant_time_eq(form.key.trim().as_bytes(), phones.key.expose_secret().as_bytes()) {
        let shell = crate::page::bare(&headers, console.db.context().now(), open.caller().csrf());
        let problem =
            Some("That is not the key of these handsets. Copy the whole link that the demo printed.".to_owned());
        return page_with(StatusCode::UNAUTHORIZED, &KeyPage { shell, problem });
    }
    let mut response = see_other("/handsets");
    let value = format!("{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax", cookie_value(&phones.key));
    if let Ok(value) = value.parse() {
        response.headers_mut().append(http::header::SET_COOKIE, value);
    }
    Ok(response)
}

async fn events_inside(guard: InWorkspace<cap::HandsetsUse>, State(console): State<Console>) -> Answer<Response> {
    let stream = changes(console.phones()?, console.db.context().clone()).await?;
    http::events(guard.watch(), stream)
}

/// A stream at the outer door ends after this, and the browser opens it again: so it cannot outlive the key's cookie, nor
/// hold up a server that stops.
const OUTSIDE: Duration = Duration::from_secs(30);

async fn events_outside(_: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let stream = changes(console.phones_by_key(&headers)?, console.db.context().clone()).await?;
    let stream = stream.take_until(tokio::time::sleep(OUTSIDE)).map(Ok::<_, Infallible>);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(live::TICK)).into_response())
}

/// `handsets` when a phone changed, `carrier` when the counters moved, and the clock.
async fn changes(phones: &Handsets, context: Context) -> Answer<impl Stream<Item = Event> + Send + use<>> {
    let watch = phones.control.watch().await?;
    Ok(stream::unfold((watch, context), |(mut watch, context)| async move {
        let event = match tokio::time::timeout(live::TICK, watch.next()).await {
            Err(_) => live::clock(&context),
            Ok(Ok(Some(Change::Handset(_) | Change::Removed { .. }))) => {
                Event::default().event("handsets").data("changed")
            }
            Ok(Ok(Some(Change::Behaviour(_) | Change::Counters(_)))) => {
                Event::default().event("carrier").data("changed")
            }
            Ok(Ok(None) | Err(_)) => return None,
        };
        Some((event, (watch, context)))
    }))
}

/// After an act: back to the phones, with what was wrong when the act was refused.
async fn after(phones: &Handsets, done: Answer<()>, seen: Seen) -> Answer<Response> {
    match done {
        Ok(()) => Ok(see_other(&seen.base)),
        Err(refusal) if refusal.status().is_client_error() => {
            let problem = refusal.problem().detail.to_string();
            render(phones, seen, Some(problem)).await
        }
        Err(refusal) => Err(refusal),
    }
}

macro_rules! acts {
    ($($inside:ident, $outside:ident, $form:ty, |$given:ident| $deed:expr;)*) => {$(
        async fn $inside(
            guard: InWorkspace<cap::HandsetsUse>,
            State(console): State<Console>,
            headers: HeaderMap,
            Form($given): Form<$form>,
        ) -> Answer<Response> {
            let phones = console.phones()?;
            let done = carry_out(&console, phones, $deed).await;
            after(phones, done, inside(&console, &guard, &headers).await?).await
        }

        async fn $outside(
            open: Open,
            State(console): State<Console>,
            headers: HeaderMap,
            Form($given): Form<$form>,
        ) -> Answer<Response> {
            let phones = console.phones_by_key(&headers)?;
            Console::check_proof(phones, &$given.proof)?;
            let done = carry_out(&console, phones, $deed).await;
            after(phones, done, outside(&console, phones, &open, &headers)).await
        }
    )*};
}

acts! {
    say_inside, say_outside, PhoneForm, |form| Deed::Say { from: form.from, text: form.text };
    network_inside, network_outside, PhoneForm, |form| Deed::Network { number: form.number, reach: form.reach, twice: form.twice };
    add_inside, add_outside, PhoneForm, |form| Deed::Add { number: form.number, name: form.name };
    raise_inside, raise_outside, PhoneForm, |form| { drop(form); Deed::Raise };
    behaviour_inside, behaviour_outside, DialForm, |form| Deed::Set(Box::new(form));
}

#[cfg(test)]
mod tests {
    use simulator::{Behaviour, Counters, Handset, Part, Text, TextEncoding, TextState};

    use super::*;
    use crate::testing::{HOSTILE, NOW, after as at, checked, shell};

    fn text(direction: Direction, words: &str, parts: u8, total: u8, state: TextState) -> Text {
        let part = |number| Part { number, message_id: String::new(), submitted: NOW, receipt: None };
        Text {
            id: 1,
            at: NOW,
            direction,
            peer: "447700900000".into(),
            text: words.into(),
            encoding: TextEncoding::Gsm7,
            parts: (1..=parts).map(part).collect(),
            total,
            state,
        }
    }

    fn handset() -> Handset {
        Handset {
            number: "+447700900104".into(),
            name: Some("Cem Sample".into()),
            in_reach: true,
            out_of_reach_since: None,
            receipts_twice: true,
            waiting: 0,
            last_receipt: Some(simulator::ReceiptNote { after_ms: 3_100, times: 2 }),
            texts: vec![
                text(Direction::Received, "HIGH. Answer 1 = acknowledge, 2 = pass on.", 1, 2, TextState::Partial),
                text(Direction::Sent, HOSTILE, 1, 1, TextState::Waiting),
            ],
        }
    }

    fn sample(handsets: &[Handset], problem: Option<String>) -> HandsetsPage {
        let shell = shell();
        HandsetsPage {
            phones: handsets.iter().map(|handset| draw(handset, &shell)).collect(),
            counters: counted(&Counters::default()),
            dials: dials(&Behaviour::default()),
            sentence: "One phone on the simulated carrier".into(),
            proof: "proof-of-the-page".into(),
            base: "/handsets".into(),
            problem,
            shell,
        }
    }

    #[test]
    fn a_phone_shows_its_texts_and_offers_its_keys() {
        let html = checked(&sample(&[handset()], None));
        for words in ["one part is on its way", "waits for an application", "last receipt 3.1 s after submit, twice"] {
            assert!(html.contains(words), "{words}");
        }
        assert!(html.contains("id=\"phone-447700900104\"") && html.contains("acknowledge, phone of Cem Sample"));
        assert!(html.contains("name=\"twice\" value=\"true\" checked"));
        let forms = html.split("<form").skip(1).filter(|form| form.contains("/handsets/"));
        for form in forms {
            assert!(form.contains("value=\"proof-of-the-page\""), "{form}");
        }
    }

    #[test]
    fn a_phone_out_of_reach_says_since_when_and_what_waits() {
        let away = Handset { in_reach: false, out_of_reach_since: Some(at(0)), waiting: 2, ..handset() };
        let html = checked(&sample(&[away], Some("There is no such handset.".into())));
        assert!(html.contains("Out of reach since 03:12.") && html.contains("2 parts wait at the carrier"));
        assert!(html.contains("phone away") && html.contains("There is no such handset."));
    }

    #[test]
    fn the_key_is_asked_for_in_a_form() {
        let html = checked(&KeyPage { shell: shell(), problem: None });
        assert!(html.contains("data-from-fragment=\"submit\""));
    }

    #[test]
    fn cookie_and_proof_are_made_from_the_key_and_are_not_the_key() {
        let (one, two) = (SecretString::from("one"), SecretString::from("two"));
        let all = [cookie_value(&one), cookie_value(&two), form_proof(&one), form_proof(&two)];
        for (at, value) in all.iter().enumerate() {
            assert!(value.len() == 64 && !all[at + 1..].contains(value));
        }
    }
}
