//! The carriers: who takes our texts, how each is doing, and what waits for it.

use access::cap;
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use carriers::{CarrierStatus, SessionStatus};
use http::{Answer, HeaderMap, InWorkspace, Refusal, Response};
use messaging::LaneStatus;

use crate::Console;
use crate::draw::Draw;
use crate::page::{encode, page};
use crate::shell::{Page, Shell};
use crate::zone::{age, length};

/// One bar of a small chart.
pub struct Bar {
    /// Its left edge, percent.
    pub x: String,
    /// Its upper edge, pixels.
    pub y: u64,
    /// Its height, pixels.
    pub height: u64,
}

/// A small chart of parts a second over the last ten minutes.
pub struct Course {
    /// Its bars; those of nothing are left out.
    pub bars: Vec<Bar>,
    /// The same in words.
    pub sentence: String,
}

impl Course {
    /// Of these spans of ten seconds, the oldest first, in a box `height` pixels high.
    pub fn new(spans: &[u64], height: u64) -> Self {
        let top = spans.iter().copied().max().unwrap_or(0);
        let share = 1_000 / (spans.len() as u64).max(1);
        let bars = spans.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| {
            let tall = (count * height).div_ceil(top.max(1)).max(1);
            let left = at as u64 * share;
            Bar { x: format!("{}.{}", left / 10, left % 10), y: height - tall, height: tall }
        });
        let now = spans.last().copied().unwrap_or(0);
        let sentence = match (top, now) {
            (0, _) => "Nothing was sent in the last ten minutes.".to_owned(),
            (top, 0) => format!("Nothing just now; at most {top} parts a second in the last ten minutes."),
            (top, now) => format!("{now} parts a second just now; at most {top} in the last ten minutes."),
        };
        Self { bars: bars.collect(), sentence }
    }
}

/// How a carrier is drawn and said.
pub struct Health {
    /// Its knot.
    pub knot: Knot,
    /// The word for it.
    pub word: &'static str,
    /// What is wrong, or since when it is so.
    pub words: String,
}

struct Row {
    name: String,
    href: String,
    address: String,
    simulated: bool,
    health: Health,
    sessions: String,
    window: String,
    used: u64,
    course: Course,
    rate: u64,
    p50: String,
    p99: String,
    throttled: u64,
    unknown: u64,
    waiting: String,
}

#[derive(Template)]
#[template(path = "carriers.html")]
struct CarriersPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: String,
    may_write: bool,
    rows: Vec<Row>,
}

/// How a carrier is doing, in a word and a sentence.
pub fn health(status: &CarrierStatus, shell: &Shell) -> Health {
    let for_how_long = |session: &SessionStatus| age(shell.now.since(session.since));
    if let Some(pause) = &status.paused {
        let words = format!(
            "{} That was {} ago. Connections stay bound.",
            crate::page::sentence(&pause.words()),
            age(shell.now.since(pause.since))
        );
        return Health { knot: Knot::Skipped, word: "Paused", words };
    }
    let newest = status.each.iter().filter(|session| session.bound).map(|session| session.since).max();
    match (status.sessions_bound, status.each.iter().find(|session| !session.bound)) {
        (0, Some(session)) => Health {
            knot: Knot::Failed,
            word: "Not connected",
            words: format!("{} Since {}.", crate::page::sentence(&trouble(session)), for_how_long(session)),
        },
        (_, Some(session)) => Health {
            knot: Knot::Unknown,
            word: "Partly connected",
            words: format!("{} Since {}.", crate::page::sentence(&trouble(session)), for_how_long(session)),
        },
        (_, None) => Health {
            knot: Knot::Done,
            word: "Connected",
            words: newest.map(|since| format!("For {}.", age(shell.now.since(since)))).unwrap_or_default(),
        },
    }
}

fn trouble(session: &SessionStatus) -> String {
    match (&session.last_error, session.retry_in) {
        (Some(error), Some(left)) => format!("{error}; tried again in {} s", left.as_secs() + 1),
        _ => session.words.clone(),
    }
}

/// How many wait, as people say it.
pub fn waiting_words(count: u32) -> String {
    if count >= messaging::COUNTED { format!("{}+", messaging::COUNTED) } else { count.to_string() }
}

fn row(slug: &str, status: &CarrierStatus, lane: Option<&LaneStatus>, waiting: u32, shell: &Shell) -> Row {
    let percentile = |time: Option<std::time::Duration>| time.map(length).unwrap_or_default();
    Row {
        href: format!("/w/{slug}/carriers/{}", encode(&status.name)),
        name: status.name.clone(),
        address: status.address.clone(),
        simulated: status.simulated,
        health: health(status, shell),
        sessions: format!("{} of {}", status.sessions_bound, status.sessions),
        window: format!("{} of {}", status.window_used, status.window),
        used: (status.window_used as u64 * 100) / (status.window as u64).max(1),
        course: Course::new(&status.course, 16),
        rate: status.submits_per_second,
        p50: percentile(status.p50),
        p99: percentile(status.p99),
        throttled: lane.map_or(0, |lane| lane.throttled),
        unknown: lane.map_or(0, |lane| lane.unknown),
        waiting: waiting_words(waiting),
    }
}

/// That so many wait, as the beginning of a sentence.
fn waits(count: u64) -> String {
    if count == 1 { "One message waits".to_owned() } else { format!("{count} messages wait") }
}

fn heading(all: &[CarrierStatus], waiting: u64) -> (String, String) {
    let down: Vec<&str> = all.iter().filter(|one| one.sessions_bound == 0).map(|one| one.name.as_str()).collect();
    let paused = all.iter().filter(|one| one.paused.is_some()).count();
    let sentence = match (all.len(), down.as_slice()) {
        (0, _) => "No carrier yet".to_owned(),
        (_, [one]) => format!("{one} is not connected"),
        (all, down) if down.len() == all && all > 1 => "No carrier is connected".to_owned(),
        (_, [_, _, ..]) => format!("{} carriers are not connected", down.len()),
        (1, _) if paused == 1 => "The one carrier is paused".to_owned(),
        (1, _) => "The one carrier is connected".to_owned(),
        (_, _) if paused > 0 => format!("All carriers are connected, {paused} of them paused"),
        (2, _) => "Both carriers are connected".to_owned(),
        (count, _) => format!("All {count} carriers are connected"),
    };
    let able = all.iter().any(|one| one.sessions_bound > 0 && one.paused.is_none());
    let standing = match (all.len(), able, waiting) {
        (0, ..) => {
            "A carrier takes our texts to the network, over SMPP and TLS. Without one nothing leaves.".to_owned()
        }
        (_, false, 0) => "Whatever is to be sent waits until one is connected again. Alerts go first then.".to_owned(),
        (_, false, count) => format!("{} until one is connected again. Alerts go first then.", waits(count)),
        (_, true, 0) => {
            "Nothing waits. When a carrier is lost, its messages go by the next one that a route names.".to_owned()
        }
        (_, true, count) => {
            format!("{}. When a carrier is lost, its messages go by the next one that a route names.", waits(count))
        }
    };
    (sentence, standing)
}

impl Console {
    /// How many messages wait for each of these carriers.
    pub async fn waiting(&self, permit: access::Permit<cap::CarriersRead>, names: Vec<String>) -> Answer<Vec<u32>> {
        let messaging = self.messaging.clone();
        let counted: Result<Vec<u32>, messaging::Error> =
            self.db.read(move |tx| names.iter().map(|name| messaging.queued(tx, &permit, name)).collect()).await;
        counted.map_err(Refusal::from)
    }
}

/// The list.
pub async fn list(
    guard: InWorkspace<cap::CarriersRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Carriers).await?.listening(&[carriers::TOPIC]);
    let all = console.carriers.status();
    let lanes = console.messaging.lanes(guard.permit());
    let names = all.iter().map(|one| one.name.clone()).collect();
    let waiting = console.waiting(guard.permit().clone(), names).await?;
    let (sentence, standing) = heading(&all, waiting.iter().map(|count| u64::from(*count)).sum());
    let slug = guard.name().to_owned();
    page(&CarriersPage {
        rows: all
            .iter()
            .zip(&waiting)
            .map(|(one, waiting)| row(&slug, one, lanes.iter().find(|lane| lane.carrier == one.name), *waiting, &shell))
            .collect(),
        may_write: console.may_edit(&guard, "carriers"),
        sentence,
        standing,
        slug,
        shell,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    /// A carrier of two sessions, the second of which is not bound.
    pub fn status(bound: usize) -> CarrierStatus {
        let session = |bound: bool| SessionStatus {
            mode: smpp::BindMode::Transceiver,
            bound,
            words: if bound { "bound".into() } else { HOSTILE.into() },
            since: NOW.minus(std::time::Duration::from_mins(3)),
            last_error: (!bound).then(|| HOSTILE.into()),
            remedy: (!bound).then(|| "Check the address.".into()),
            peer: None,
            retry_in: (!bound).then(|| std::time::Duration::from_secs(4)),
            in_flight: 0,
            window: 50,
        };
        CarrierStatus {
            name: "carrier-b".into(),
            address: "smpp.example.com:2776".into(),
            tls: true,
            simulated: false,
            sessions: 2,
            sessions_bound: bound,
            window: 100,
            window_used: 40,
            submits: 12,
            submits_per_second: 3,
            p50: None,
            p99: None,
            words: String::new(),
            last_error: None,
            remedy: None,
            paused: None,
            course: vec![0, 5, 10],
            each: (0..2).map(|at| session(at < bound)).collect(),
        }
    }

    #[test]
    fn the_first_sentence_is_the_answer() {
        let up = status(2);
        let down = CarrierStatus { name: "carrier-a".into(), ..status(0) };
        assert_eq!(heading(&[], 0).0, "No carrier yet");
        assert_eq!(heading(std::slice::from_ref(&up), 0).0, "The one carrier is connected");
        assert_eq!(heading(&[up.clone(), down.clone()], 0).0, "carrier-a is not connected");
        let (sentence, standing) = heading(&[up.clone(), up], 1);
        assert_eq!(sentence, "Both carriers are connected");
        assert!(standing.starts_with("One message waits. When a carrier is lost"));
        let (sentence, standing) = heading(&[down.clone(), CarrierStatus { name: "b".into(), ..down }], 7);
        assert_eq!(sentence, "No carrier is connected");
        assert!(standing.starts_with("7 messages wait until"));
    }

    #[test]
    fn health_is_told_by_shape_word_and_sentence() {
        let said = |bound| health(&status(bound), &shell());
        assert_eq!((said(2).knot, said(2).word, said(2).words.as_str()), (Knot::Done, "Connected", "For 3 min."));
        assert_eq!((said(1).knot, said(1).word), (Knot::Unknown, "Partly connected"));
        assert_eq!((said(0).knot, said(0).word), (Knot::Failed, "Not connected"));
        assert!(said(0).words.contains("tried again in 5 s"));
    }

    #[test]
    fn a_course_is_drawn_to_its_own_height_and_said() {
        let course = Course::new(&[0, 5, 10], 16);
        let bars: Vec<_> = course.bars.iter().map(|bar| (bar.x.as_str(), bar.y, bar.height)).collect();
        assert_eq!(bars, [("33.3", 8, 8), ("66.6", 0, 16)]);
        assert!(course.sentence.contains("10 parts a second just now"));
        assert!(Course::new(&[0, 0], 16).bars.is_empty());
    }

    #[test]
    fn a_carrier_speaks_no_html() {
        let page = |rows| CarriersPage {
            shell: shell().listening(&[carriers::TOPIC]),
            slug: "demo".into(),
            sentence: "carrier-b is not connected".into(),
            standing: "Nothing waits.".into(),
            may_write: true,
            rows,
        };
        let html = checked(&page(vec![row("demo", &status(1), None, 10_000, &shell())]));
        assert!(html.contains("/w/demo/carriers/carrier-b") && html.contains("10000+") && html.contains("1 of 2"));
        assert!(checked(&page(Vec::new())).contains("/w/demo/carriers/new"));
    }
}
