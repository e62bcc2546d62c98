//! The demo's phones: what the simulated carrier delivered, and what their owners tap or write. Opened by a signed-in reader
//! within a development workspace, or with the key that the demo printed.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::{ExposeSecret as _, Problem, ProblemKind, SecretString};
use futures_util::stream;
use http::{Answer, Event, Form, HeaderMap, InWorkspace, Method, Open, Refusal, Response, Routes, StatusCode};
use serde::Deserialize;
use simulator::{Behaviour, Control, Direction, Handset, Text, TextState};

use crate::Console;
use crate::page::{cookie, page, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::zone::length;

/// Where the simulated carrier is, and the key that opens its phones without a session.
#[derive(Debug)]
pub struct Handsets {
    /// The simulator's control socket.
    pub control: Control,
    /// What stands in the fragment of the printed link.
    pub key: SecretString,
    /// The signal that "Raise an alert" sends: integration and token.
    pub raise: (String, SecretString),
}

const COOKIE: &str = "__Host-handsets";

/// A key under the phone's glass.
struct Key {
    digit: String,
    name: String,
    text: String,
}

struct TextView {
    mine: bool,
    body: String,
    rest: Option<String>,
    small: String,
}

struct Phone {
    name: String,
    number: String,
    digits: String,
    in_reach: bool,
    receipts_twice: bool,
    waiting_words: String,
    clock: String,
    texts: Vec<TextView>,
    keys: Vec<Key>,
}

struct Dial {
    name: &'static str,
    label: &'static str,
    max: u64,
    step: u64,
    value: u64,
    unit: &'static str,
    words: String,
}

#[derive(Template)]
#[template(path = "handsets.html")]
struct HandsetsPage {
    shell: Shell,
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
        .post(&at("/reach"), reach_inside)
        .post(&at("/twice"), twice_inside)
        .post(&at("/add"), add_inside)
        .post(&at("/raise"), raise_inside)
        .post(&at("/behaviour"), behaviour_inside)
        .public(Method::GET, "/handsets", REASON, show_outside)
        .public(Method::POST, "/handsets/open", REASON, open)
        .public(Method::GET, "/handsets/events", REASON, events_outside)
        .public(Method::POST, "/handsets/say", REASON, say_outside)
        .public(Method::POST, "/handsets/reach", REASON, reach_outside)
        .public(Method::POST, "/handsets/twice", REASON, twice_outside)
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

    /// Forms at the outer door carry a token made from the key: another site cannot make it.
    fn check_token(phones: &Handsets, token: &str) -> Answer<()> {
        if crypto::constant_time_eq(token.as_bytes(), form_token(&phones.key).as_bytes()) {
            Ok(())
        } else {
            Err(Refusal::new(Problem::new(ProblemKind::Forbidden, "csrf", "This form is too old. Reload the page and try again.")))
        }
    }
}

fn derived(key: &SecretString, label: &str) -> String {
    let mac = crypto::hmac_sha256(key.expose_secret().as_bytes(), label.as_bytes());
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cookie_value(key: &SecretString) -> String {
    derived(key, "handsets cookie")
}

fn form_token(key: &SecretString) -> String {
    derived(key, "handsets form")
}

async fn render(phones: &Handsets, shell: Shell, base: String, problem: Option<String>) -> Answer<Response> {
    let control = &phones.control;
    let handsets = control.handsets().await?;
    let (counters, behaviour) = (control.counters().await?, control.behaviour().await?);
    let sentence = match handsets.len() {
        0 => "No phone on the simulated carrier yet".to_owned(),
        1 => "One phone on the simulated carrier".to_owned(),
        count => format!("{} phones on the simulated carrier", count_word(count)),
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let counted = format!(
        "{} submits · {} answered · {} bound",
        counters.submits,
        counters.accepted + counters.rejected + counters.throttled,
        counters.binds.len()
    );
    page_with(status, &HandsetsPage {
        phones: handsets.iter().map(|handset| draw(handset, &shell)).collect(),
        counters: counted,
        dials: dials(&behaviour),
        sentence,
        problem,
        base,
        shell,
    })
}

fn count_word(count: usize) -> String {
    const WORDS: [&str; 13] =
        ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

fn draw(handset: &Handset, shell: &Shell) -> Phone {
    let latest = handset.texts.iter().rev().find(|text| text.direction == Direction::Received && offers(&text.text).next().is_some());
    let keys = latest.map(|text| offers(&text.text).take(3).collect()).unwrap_or_default();
    Phone {
        name: handset.name.clone().unwrap_or_else(|| "A phone".to_owned()),
        number: handset.number.clone(),
        digits: handset.number.trim_start_matches('+').to_owned(),
        in_reach: handset.in_reach,
        receipts_twice: handset.receipts_twice,
        waiting_words: match handset.waiting {
            0 => "Nothing waits at the carrier.".to_owned(),
            1 => "1 text waits at the carrier.".to_owned(),
            count => format!("{count} texts wait at the carrier."),
        },
        clock: shell.zone.clock(&shell.now).chars().take(5).collect(),
        texts: handset.texts.iter().rev().take(30).map(|text| view(text, shell)).collect(),
        keys,
    }
}

fn view(text: &Text, shell: &Shell) -> TextView {
    let (here, total) = (text.parts.len(), usize::from(text.total));
    let mine = text.direction == Direction::Sent;
    let at = shell.zone.clock(&text.at);
    let small = match (&text.state, mine) {
        (TextState::Waiting, _) => format!("{at} · waits for an application"),
        (TextState::Refused { status }, _) => format!("{at} · refused: {status}"),
        (_, true) => format!("{at} · taken"),
        _ => format!("{at} · {}", text.note()),
    };
    TextView {
        mine,
        body: text.text.clone(),
        rest: (!mine && here < total).then(|| format!("{} of {total} parts are here", here)),
        small,
    }
}

/// What a text offers to answer: `1 K7Q = acknowledge` gives the key 1.
fn offers(text: &str) -> impl Iterator<Item = Key> + '_ {
    text.split([',', '.', '\n', ';']).filter_map(|piece| {
        let (answer, name) = piece.split_once('=')?;
        let mut words: Vec<&str> = answer.split_whitespace().rev().take(2).collect();
        words.reverse();
        let at = words.iter().position(|word| word.chars().all(|c| c.is_ascii_digit()))?;
        let digit = (*words.get(at)?).to_owned();
        let name = name.trim().to_owned();
        (!name.is_empty() && name.len() <= 20).then(|| Key { text: words[at..].join(" "), digit, name })
    })
}

fn dials(now: &Behaviour) -> Vec<Dial> {
    let milliseconds = |ms: u64| length(std::time::Duration::from_millis(ms));
    let percent = |value: f64| value.round().clamp(0.0, 100.0) as u64;
    let share = |value: f64, what: &str| if value > 0.0 { format!("{value:.0} % {what}") } else { "none".to_owned() };
    vec![
        Dial { name: "answer_delay_ms", label: "Answer time", max: 2_000, step: 10, value: now.answer_delay_ms, unit: "ms", words: format!("{} after each submit_sm", milliseconds(now.answer_delay_ms)) },
        Dial { name: "receipt_delay_ms", label: "Receipt delay", max: 10_000, step: 100, value: now.receipt_delay_ms, unit: "ms", words: format!("{} after the submit", milliseconds(now.receipt_delay_ms)) },
        Dial { name: "loss_percent", label: "Loss", max: 100, step: 1, value: percent(now.loss_percent), unit: "%", words: share(now.loss_percent, "of submits are never answered") },
        Dial { name: "reject_percent", label: "Rejections", max: 100, step: 1, value: percent(now.reject_percent), unit: "%", words: share(now.reject_percent, "of submits are refused") },
        Dial { name: "throttle_percent", label: "Throttling", max: 100, step: 1, value: percent(now.throttle_percent), unit: "%", words: share(now.throttle_percent, "of submits are told to slow down") },
        Dial { name: "receipts_twice_percent", label: "Receipts twice", max: 100, step: 1, value: percent(now.receipts_twice_percent), unit: "%", words: share(now.receipts_twice_percent, "of receipts come twice") },
    ]
}

/// What the acts of a phone send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PhoneForm {
    csrf: String,
    from: String,
    number: String,
    text: String,
    on: bool,
}

/// The dials of the carrier.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DialForm {
    csrf: String,
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
    Reach { number: String, on: bool },
    Twice { number: String, on: bool },
    Add { number: String },
    Raise,
    Set(Box<DialForm>),
}

async fn carry_out(console: &Console, phones: &Handsets, deed: Deed) -> Answer<()> {
    let control = &phones.control;
    match deed {
        Deed::Say { from, text } => {
            let handset = control.handset(&from).await?;
            let peer = handset.texts.iter().rev().find(|text| text.direction == Direction::Received);
            let to = peer.map_or_else(|| "LOUDHAILER".to_owned(), |text| text.peer.clone());
            control.send(&from, &to, &text).await?;
        }
        Deed::Reach { number, on } => drop(control.set_reach(&number, on).await?),
        Deed::Twice { number, on } => drop(control.set_receipts_twice(&number, on).await?),
        Deed::Add { number } => {
            let number: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
            control.add_handset(&number, None).await?;
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
            content_type: Some("application/json".into()),
            body: body.to_string().into_bytes(),
            source: None,
            user_agent: Some("Loudhailer handsets page".into()),
            request: None,
            door: signals::Door::Test,
        })
        .await?;
    Ok(())
}

async fn show_inside(guard: InWorkspace<cap::HandsetsUse>, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Handsets).await?;
    let base = format!("/w/{}/handsets", guard.name());
    render(console.phones()?, shell, base, None).await
}

async fn show_outside(_: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let now = console.db.context().now();
    if console.phones()?.key.expose_secret().is_empty() {
        return Err(Refusal::not_found());
    }
    match console.phones_by_key(&headers) {
        Ok(phones) => {
            let shell = crate::page::bare(&headers, now, &form_token(&phones.key));
            render(phones, shell, "/handsets".into(), None).await
        }
        Err(_) => page(&KeyPage { shell: crate::page::bare(&headers, now, ""), problem: None }),
    }
}

/// The key, moved from the link's fragment into a form.
#[derive(Debug, Deserialize)]
struct KeyForm {
    key: String,
}

async fn open(_: Open, State(console): State<Console>, headers: HeaderMap, Form(form): Form<KeyForm>) -> Answer<Response> {
    let phones = console.phones()?;
    if !crypto::constant_time_eq(form.key.trim().as_bytes(), phones.key.expose_secret().as_bytes()) {
        let shell = crate::page::bare(&headers, console.db.context().now(), "");
        let problem = Some("That is not the key of these handsets. Copy the whole link that the demo printed.".to_owned());
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
    let stream = changes(console.phones()?).await?;
    http::events(guard.watch(), stream)
}

async fn events_outside(open: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let stream = changes(console.phones_by_key(&headers)?).await?;
    http::public_events(&open, stream)
}

async fn changes(phones: &Handsets) -> Answer<impl futures_util::Stream<Item = Event> + Send + use<>> {
    let watch = phones.control.watch().await?;
    Ok(stream::unfold(watch, |mut watch| async move {
        let changed = tokio::time::timeout(std::time::Duration::from_secs(10), watch.next()).await;
        match changed {
            Err(_) => Some((Event::default().event("clock").data("tick"), watch)),
            Ok(Ok(Some(_))) => Some((Event::default().event("handsets").data("changed"), watch)),
            Ok(Ok(None) | Err(_)) => None,
        }
    }))
}

macro_rules! acts {
    ($($inside:ident, $outside:ident, $form:ty, |$given:ident| $deed:expr;)*) => {$(
        async fn $inside(guard: InWorkspace<cap::HandsetsUse>, State(console): State<Console>, Form($given): Form<$form>) -> Answer<Response> {
            carry_out(&console, console.phones()?, $deed).await?;
            Ok(see_other(&format!("/w/{}/handsets", guard.name())))
        }

        async fn $outside(_: Open, State(console): State<Console>, headers: HeaderMap, Form($given): Form<$form>) -> Answer<Response> {
            let phones = console.phones_by_key(&headers)?;
            Console::check_token(phones, &$given.csrf)?;
            carry_out(&console, phones, $deed).await?;
            Ok(see_other("/handsets"))
        }
    )*};
}

acts! {
    say_inside, say_outside, PhoneForm, |form| Deed::Say { from: form.from, text: form.text };
    reach_inside, reach_outside, PhoneForm, |form| Deed::Reach { number: form.number, on: form.on };
    twice_inside, twice_outside, PhoneForm, |form| Deed::Twice { number: form.number, on: form.on };
    add_inside, add_outside, PhoneForm, |form| Deed::Add { number: form.number };
    raise_inside, raise_outside, PhoneForm, |form| { let _ = form.on; Deed::Raise };
    behaviour_inside, behaviour_outside, DialForm, |form| Deed::Set(Box::new(form));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_under_the_glass_are_what_the_text_offers() {
        let keys = |text: &str| offers(text).map(|key| (key.digit, key.name, key.text)).collect::<Vec<_>>();
        let own = |digit: &str, name: &str, text: &str| (digit.to_owned(), name.to_owned(), text.to_owned());
        assert_eq!(
            keys("HIGH queue-2: depth 5,210. Answer 1 = acknowledge, 2 = pass on, 3 = resolve."),
            [own("1", "acknowledge", "1"), own("2", "pass on", "2"), own("3", "resolve", "3")]
        );
        assert_eq!(
            keys("CRITICAL db-1. Answer 4 K7Q = acknowledge, 5 K7Q = pass on."),
            [own("4", "acknowledge", "4 K7Q"), own("5", "pass on", "5 K7Q")]
        );
        assert!(keys("A-1042 is resolved.").is_empty());
    }
}
