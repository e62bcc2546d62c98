//! One carrier: its connections, what it showed of itself, what became of them, and what a person can do about it.

use access::{Permit, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{Explain as _, Timestamp};
use carriers::{CarrierStatus, LinkChange, Peer, Profile, SessionStatus, Settings};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response, StatusCode};
use messaging::{Class, LaneStatus, New};
use serde::Deserialize;
use sms::Number;

use crate::Console;
use crate::carriers_page::{Course, Health, health, waiting_words};
use crate::draw::Draw;
use crate::editing::everywhere;
use crate::facts::{Fact, paired};
use crate::page::{Wrong, encode, page_with, see_other, sentence};
use crate::shell::{Page, Shell};
use crate::zone::{age, length};

struct Session {
    number: usize,
    mode: &'static str,
    knot: Knot,
    words: String,
    since: Timestamp,
    ago: String,
    in_flight: String,
}

struct Change {
    at: Timestamp,
    knot: Knot,
    who: String,
    words: String,
}

#[expect(clippy::struct_excessive_bools, reason = "each decides about another part of the page")]
#[derive(Template)]
#[template(path = "carrier.html")]
struct CarrierPage {
    shell: Shell,
    slug: String,
    name: String,
    here: String,
    said: Option<&'static str>,
    health: Health,
    remedy: Option<String>,
    paused: bool,
    simulated: bool,
    standing: String,
    sessions: Vec<Session>,
    course: Course,
    sending: Vec<Fact>,
    peer: Option<Vec<Fact>>,
    peer_note: &'static str,
    ends_soon: Option<String>,
    settings: Vec<Fact>,
    history: Vec<Change>,
    may_write: bool,
    may_send: bool,
    wrong: Wrong,
    to: String,
    text: String,
    why_not: Vec<String>,
    /// Where its configuration is changed; none when the reader may not.
    entry: Option<String>,
}

impl CarrierPage {
    const FIELDS: &'static [&'static str] = &["to"];
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

fn said(did: &str) -> Option<&'static str> {
    match did {
        "paused" => Some("Sending is paused. What was to go by it goes by another carrier, or waits."),
        "resumed" => Some("Sending goes on."),
        "again" => Some("The connections are being made anew."),
        "saved" => Some("Saved. The connections are being made anew where that was needed."),
        _ => None,
    }
}

fn session(number: usize, session: &SessionStatus, shell: &Shell) -> Session {
    Session {
        number,
        mode: session.mode.name(),
        knot: match (session.bound, session.retry_in) {
            (true, _) => Knot::Done,
            (false, None) => Knot::Now,
            (false, Some(_)) => Knot::Failed,
        },
        words: match (session.bound, session.retry_in) {
            (true, _) => "Bound".to_owned(),
            (false, Some(left)) => format!("{} Tried again in {} s.", sentence(&session.words), left.as_secs() + 1),
            (false, None) => sentence(&session.words),
        },
        since: session.since,
        ago: age(shell.now.since(session.since)),
        in_flight: format!("{} of {}", session.in_flight, session.window),
    }
}

fn change(change: LinkChange) -> Change {
    Change {
        at: change.at,
        knot: match (change.session, change.bound) {
            (None, _) => Knot::Skipped,
            (Some(_), true) => Knot::Done,
            (Some(_), false) => Knot::Failed,
        },
        who: change.session.map(|number| format!("Connection {number}.")).unwrap_or_default(),
        words: sentence(&change.words),
    }
}

fn sending(status: &CarrierStatus, settings: &Settings, lane: Option<&LaneStatus>, waiting: u32) -> Vec<Fact> {
    let time =
        |time: Option<std::time::Duration>| time.map_or_else(|| "no answer in the last minutes".to_owned(), length);
    let mut facts = vec![
        Fact::new("Waiting", waiting_words(waiting)),
        Fact::new(
            "Window",
            match lane.filter(|lane| lane.allowed < lane.window) {
                Some(lane) => format!(
                    "{} of {} unanswered; {} allowed now, because it asked to slow down or did not answer",
                    status.window_used, status.window, lane.allowed
                ),
                None => format!("{} of {} unanswered", status.window_used, status.window),
            },
        ),
        Fact::new(
            "Rate",
            match settings.rate {
                Some(rate) => format!("{} a second of {rate} allowed", status.submits_per_second),
                None => format!("{} a second, no limit set", status.submits_per_second),
            },
        ),
        Fact::new("Answer, half within", time(status.p50)),
        Fact::new("Answer, 99 of 100 within", time(status.p99)),
        Fact::new("Parts since start", status.submits.to_string()),
    ];
    if let Some(lane) = lane {
        facts.extend([
            Fact::new("Refused", lane.refused.to_string()),
            Fact::new("Asked to slow down", lane.throttled.to_string()),
            Fact::new("Outcome unknown", lane.unknown.to_string()),
        ]);
    }
    facts
}

fn peer_facts(peer: &Peer, shell: &Shell) -> Vec<Fact> {
    let mut facts = vec![Fact::new("Version", peer.version)];
    facts.push(Fact::mono(
        "Certificate of",
        if peer.subject.is_empty() { "its alternative names" } else { &peer.subject },
    ));
    facts.push(Fact::mono("Issued by", peer.issuer.clone()));
    if let Some(end) = peer.not_after {
        facts.push(Fact::new("Good until", shell.zone.day_clock(&end)));
    }
    facts.push(Fact::mono("SHA-256", paired(&peer.fingerprint)));
    facts.push(Fact::mono("Key, as a pin", peer.pin.clone()));
    facts
}

/// A certificate that ends within a month is worth a word with the carrier.
fn ends_soon(peer: &Peer, shell: &Shell) -> Option<String> {
    let end = peer.not_after?;
    let left = end.since(shell.now);
    (left < std::time::Duration::from_hours(30 * 24)).then(|| {
        format!(
            "The carrier’s certificate ends {}, in {}. Ask them for the new one’s date.",
            shell.zone.day(&end),
            age(left)
        )
    })
}

fn settings_facts(settings: &Settings) -> Vec<Fact> {
    let word = |value: &str, none: &'static str| if value.is_empty() { none.to_owned() } else { value.to_owned() };
    vec![
        Fact::mono("Address", settings.address.clone()),
        Fact::new(
            "Encryption",
            match (settings.tls, settings.tls_ca.is_empty() && !settings.tls_pins.is_empty()) {
                (true, false) => "TLS, name and chain verified",
                (true, true) => "TLS, the carrier’s key verified",
                (false, _) => "none: clear text, allowed by two switches",
            },
        ),
        Fact::new(
            "Authority",
            match (settings.tls_ca.as_str(), settings.tls_pins.len()) {
                ("", 0) | ("system", _) => "the machine’s own",
                ("", _) => "none: its pinned key is the proof",
                _ => "its own, from its settings",
            },
        ),
        Fact::new(
            "Pinned keys",
            match settings.tls_pins.len() {
                0 => "none".to_owned(),
                count => format!("{count}, any of which is believed"),
            },
        ),
        Fact::mono("System id", settings.system_id.clone()),
        Fact::new("Password", "set, never shown"),
        Fact::mono("System type", word(&settings.system_type, "none")),
        Fact::new(
            "Binds",
            match settings.bind {
                carriers::BindAs::Transceiver => "as transceiver",
                carriers::BindAs::TransmitterReceiver => "as transmitter and receiver",
            },
        ),
        Fact::new("Sessions", settings.sessions.to_string()),
        Fact::new("Window of each", settings.window.to_string()),
        Fact::new(
            "After an unknown outcome",
            match settings.on_unknown_outcome {
                messaging::OnUnknownOutcome::Resend => "sends again: perhaps twice, never not at all",
                messaging::OnUnknownOutcome::Hold => "holds it for a person to decide; alerts are always sent again",
            },
        ),
    ]
}

/// What the page shows besides the carrier.
#[derive(Default)]
struct Around {
    said: Option<&'static str>,
    wrong: Wrong,
    to: String,
    text: String,
    why_not: Vec<String>,
}

const TEST: &str = "Test of the way to your phone. Nothing happened.";

async fn render<C: access::Cap>(
    console: &Console,
    guard: &InWorkspace<C>,
    headers: &HeaderMap,
    name: &str,
    around: Around,
) -> Answer<Response> {
    let permit: Permit<cap::CarriersRead> = guard.also().ok_or_else(Refusal::not_found)?;
    let shell = console.shell(guard, headers, Page::Carriers).await?.listening(&[carriers::TOPIC]);
    let Profile { status, settings, history } =
        console.carriers.profile(&permit, name).ok_or_else(Refusal::not_found)?;
    let lanes = console.messaging.lanes(&permit);
    let waiting = console.waiting(permit, vec![name.to_owned()]).await?.first().copied().unwrap_or(0);
    let slug = guard.name().to_owned();
    let health = health(&status, &shell);
    let peer = status.each.iter().find_map(|session| session.peer.as_ref());
    let may_write = console.may_edit(guard, "carriers");
    let Around { said, wrong, to, text, why_not } = around;
    let problem = wrong.any() || !why_not.is_empty();
    page_with(
        if problem { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK },
        &CarrierPage {
            here: format!("/w/{slug}/carriers/{}", encode(name)),
            entry: console.entry_path(guard, "carriers", name).await?,
            standing: match (status.sessions_bound, status.paused.is_some(), waiting) {
                (_, true, 0) => "Nothing is sent by it. Receipts and replies go on coming in.".into(),
                (_, true, count) => format!(
                    "Nothing is sent by it; {}. Receipts and replies go on coming in.",
                    if count == 1 {
                        "one message waits".into()
                    } else {
                        format!("{} messages wait", waiting_words(count))
                    }
                ),
                (0, false, 0) => {
                    "Nothing waits for it. Messages go by another carrier of their route while it is away.".into()
                }
                (0, false, 1) => "One message waits for it.".into(),
                (0, false, count) => format!("{} messages wait for it.", waiting_words(count)),
                (_, false, 0) => "It takes messages. Nothing waits.".into(),
                (_, false, 1) => "It takes messages; one waits.".into(),
                (_, false, count) => format!("It takes messages; {} wait.", waiting_words(count)),
            },
            remedy: if status.sessions_bound < status.sessions { status.remedy.clone() } else { None },
            paused: status.paused.is_some(),
            simulated: status.simulated,
            sessions: status.each.iter().enumerate().map(|(at, one)| session(at + 1, one, &shell)).collect(),
            course: Course::new(&status.course, 56),
            sending: sending(&status, &settings, lanes.iter().find(|lane| lane.carrier == name), waiting),
            peer: peer.map(|peer| peer_facts(peer, &shell)),
            peer_note: if settings.tls {
                "Nothing was agreed on yet since this server started."
            } else {
                "The connection is in clear text."
            },
            ends_soon: peer.and_then(|peer| ends_soon(peer, &shell)),
            settings: settings_facts(&settings),
            history: history.into_iter().map(change).collect(),
            may_write,
            may_send: guard.may(access::Capability::MessagesSend),
            name: name.to_owned(),
            text: if text.is_empty() { TEST.to_owned() } else { text },
            health,
            said,
            wrong,
            to,
            why_not,
            slug,
            shell,
        },
    )
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::CarriersRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Query(asked): Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, &name, Around { said: said(&asked.did), ..Around::default() }).await
}

/// What a pause asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PauseForm {
    reason: String,
}

fn done(guard: &InWorkspace<cap::CarriersWrite>, name: &str, did: &str) -> Response {
    see_other(&format!("/w/{}/carriers/{}?did={did}", guard.name(), encode(name)))
}

/// Stops sending by it.
pub async fn pause(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<PauseForm>,
) -> Answer<Response> {
    let (permit, carriers, named) = (everywhere(&guard)?, console.carriers.clone(), name.clone());
    console.db.write(move |tx| carriers.pause(tx, &permit, &named, &form.reason)).await?;
    Ok(done(&guard, &name, "paused"))
}

/// Sends by it again.
pub async fn resume(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(_): Form<PauseForm>,
) -> Answer<Response> {
    let (permit, carriers, named) = (everywhere(&guard)?, console.carriers.clone(), name.clone());
    console.db.write(move |tx| carriers.resume(tx, &permit, &named)).await?;
    Ok(done(&guard, &name, "resumed"))
}

/// Connects it anew.
pub async fn reconnect(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
    Form(_): Form<PauseForm>,
) -> Answer<Response> {
    console.carriers.reconnect(&everywhere(&guard)?, &name).await?;
    Ok(done(&guard, &name, "again"))
}

/// A test text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TestForm {
    to: String,
    text: String,
}

/// Sends a text that goes by this carrier, as any message would: by the routes, in the log, with its receipts. When the routes
/// lead elsewhere it says so and sends nothing, since that text would prove something about another carrier.
pub async fn test(
    guard: InWorkspace<cap::MessagesSend>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<TestForm>,
) -> Answer<Response> {
    let permit: Permit<cap::CarriersRead> = guard.also().ok_or_else(Refusal::not_found)?;
    let again = |wrong, why_not| Around { wrong, why_not, to: form.to.clone(), text: form.text.clone(), said: None };
    let number = match Number::parse(form.to.trim(), None) {
        Ok(number) => number,
        Err(error) => {
            let wrong = Wrong::one("to", sentence(&error.to_string()));
            return render(&console, &guard, &headers, &name, again(wrong, Vec::new())).await;
        }
    };
    let text = match form.text.trim() {
        "" => TEST.to_owned(),
        text => text.to_owned(),
    };
    let (messaging, to) = (console.messaging.clone(), number.clone());
    let decided = console.db.read(move |tx| messaging.explain(tx, &permit, &to, Class::Transactional, None)).await?;
    let (carrier, record) = match decided {
        Ok(decision) => (Some(decision.carrier), decision.record),
        Err(refused) => (None, refused.record),
    };
    if carrier.as_deref() != Some(name.as_str()) {
        let why: Vec<String> = record.iter().map(|step| sentence(&step.to_string())).collect();
        return render(&console, &guard, &headers, &name, again(Wrong::default(), why)).await;
    }
    match console.messaging.submit(guard.permit(), New::text(number, text)).await {
        Ok(accepted) => Ok(see_other(&format!("/w/{}/messages/{}", guard.name(), accepted.id))),
        Err(error) => {
            let wrong = Wrong::of(vec![error.problem()]).map_err(|_| Refusal::from(error))?;
            render(&console, &guard, &headers, &name, again(wrong, Vec::new())).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn sample() -> CarrierPage {
        let shell = shell().listening(&[carriers::TOPIC]);
        let peer = Peer {
            version: "TLS 1.3",
            subject: HOSTILE.into(),
            issuer: "CN=Authority".into(),
            not_after: Some(NOW.plus(std::time::Duration::from_hours(48))),
            fingerprint: "4E:91:AA".into(),
            pin: "sha256/AAAA".into(),
        };
        CarrierPage {
            slug: "demo".into(),
            name: "carrier-b".into(),
            here: "/w/demo/carriers/carrier-b".into(),
            said: None,
            health: Health { knot: Knot::Failed, word: "Not connected", words: HOSTILE.into() },
            remedy: Some("Check the address.".into()),
            paused: false,
            simulated: false,
            standing: "12 messages wait for it.".into(),
            sessions: Vec::new(),
            course: Course::new(&[0, 1], 56),
            sending: vec![Fact::new("Waiting", "12")],
            ends_soon: ends_soon(&peer, &shell),
            peer: Some(peer_facts(&peer, &shell)),
            peer_note: "",
            settings: settings_facts(&Settings { system_id: HOSTILE.into(), ..Settings::default() }),
            history: vec![change(LinkChange { at: NOW, session: Some(1), bound: false, words: HOSTILE.into() })],
            may_write: true,
            may_send: true,
            wrong: Wrong::default(),
            to: String::new(),
            text: TEST.into(),
            why_not: Vec::new(),
            entry: Some("/w/demo/config/carriers/1".into()),
            shell,
        }
    }

    #[test]
    fn a_carrier_shows_what_a_person_needs_at_night() {
        let html = checked(&sample());
        for words in
            ["Check the address.", "certificate ends", "set, never shown", "/pause", "/reconnect", "/test", "TLS 1.3"]
        {
            assert!(html.contains(words), "{words}");
        }
        let closed = checked(&CarrierPage { may_write: false, may_send: false, entry: None, paused: true, ..sample() });
        assert!(!closed.contains("/pause\"") && !closed.contains("/test\"") && closed.contains("An administrator"));
        let paused = checked(&CarrierPage { paused: true, ..sample() });
        assert!(paused.contains("/resume") && !paused.contains("/pause\""));
    }

    #[test]
    fn a_test_that_would_prove_nothing_says_why() {
        let why_not = vec!["Carrier sim-1 takes it.".to_owned()];
        let html = checked(&CarrierPage { why_not, wrong: Wrong::one("to", "No number."), ..sample() });
        assert!(html.contains("Carrier sim-1 takes it.") && html.contains("aria-invalid=\"true\""));
    }
}
