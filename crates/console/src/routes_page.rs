//! The routes in the order in which they are tried, and the question "where would a text go now, and why".

use access::{Permit, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use http::{Answer, Form, HeaderMap, InWorkspace, Response};
use messaging::{Class, Sender};
use routing::{Considered, Reason, Route, Verdict, considered};
use serde::Deserialize;
use sms::Number;

use crate::Console;
use crate::draw::Draw;
use crate::editing::entry_path;
use crate::facts::{Choice, choices};
use crate::page::{Wrong, encode, page_with, sentence};
use crate::shell::{Page, Shell};

/// A carrier that a route names.
struct Lead {
    name: String,
    href: String,
    knot: Knot,
}

struct Row {
    order: usize,
    matcher: String,
    /// Its priority and share, where it has them.
    rank: String,
    own: bool,
    ways: Vec<Lead>,
    sender: String,
    cost: String,
    open: bool,
    entry: Option<String>,
    edit: Option<String>,
}

/// A carrier on the path of a decision.
struct Stop {
    name: String,
    knot: Knot,
    words: Vec<String>,
}

/// A route on the path of a decision.
struct Step {
    name: String,
    knot: Knot,
    words: Vec<String>,
    stops: Vec<Stop>,
    /// Whether the message came so far.
    reached: bool,
}

/// The answer to the question.
struct Answered {
    headline: String,
    detail: String,
    good: bool,
    /// The routes that match, in the order in which they were tried.
    path: Vec<Step>,
    /// The routes that do not.
    others: Vec<Step>,
    /// What stands in the record of no route.
    rest: Vec<String>,
}

#[derive(Template)]
#[template(path = "routes.html")]
struct RoutesPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: &'static str,
    said: bool,
    may_write: bool,
    may_cost: bool,
    rows: Vec<Row>,
    wrong: Wrong,
    form: Question,
    classes: Vec<Choice>,
    answered: Option<Answered>,
}

impl RoutesPage {
    const FIELDS: &'static [&'static str] = &["to", "class", "sender"];
}

/// Where would a text go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Question {
    to: String,
    class: String,
    sender: String,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    saved: bool,
}

fn cost(route: &Route) -> String {
    route.cost.as_ref().map_or_else(String::new, |cost| {
        let (whole, rest) = (cost.micros / 1_000_000, cost.micros % 1_000_000);
        let rest = format!("{rest:06}");
        let rest = rest.trim_end_matches('0');
        let rest = if rest.len() < 2 { format!("{rest:0<2}") } else { rest.to_owned() };
        format!("{whole}.{rest} {}", cost.currency)
    })
}

/// Priority and weight in words.
fn rank(route: &Route) -> String {
    let priority = (route.priority != 0).then(|| format!("priority {}", route.priority));
    let weight = route.weight.map(|weight| format!("weight {weight}"));
    [priority, weight].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

const fn knot(verdict: Verdict) -> Knot {
    match verdict {
        Verdict::Taken => Knot::Done,
        Verdict::Waits => Knot::Waiting,
        Verdict::Failed => Knot::Failed,
        Verdict::Skipped | Verdict::NotReached => Knot::Skipped,
    }
}

fn step(route: Considered) -> Step {
    let said = |words: Vec<String>| words.iter().map(|words| sentence(words)).collect();
    let stop = |way: routing::Way| Stop { name: way.carrier, knot: knot(way.verdict), words: said(way.words) };
    Step {
        name: route.route,
        knot: knot(route.verdict),
        words: said(route.words),
        stops: route.carriers.into_iter().map(stop).collect(),
        reached: route.verdict != Verdict::NotReached,
    }
}

fn answer(decided: Result<routing::Decision, routing::Refused>, number: &Number) -> Answered {
    let (headline, detail, good, record) = match decided {
        Ok(decision) if decision.waits => (
            format!("It waits for {}", decision.carrier),
            format!(
                "Every carrier that could take it is away. It goes out from “{}” when one is back.",
                decision.sender
            ),
            false,
            decision.record,
        ),
        Ok(decision) => (
            format!("It goes by {}", decision.carrier),
            format!("From “{}”, to {}.", decision.sender, number.masked()),
            true,
            decision.record,
        ),
        Err(refused) => (
            "It would be refused".to_owned(),
            "Whoever sends it is told so at once, with the last reason below.".to_owned(),
            false,
            refused.record,
        ),
    };
    let (others, path) = considered(&record).into_iter().partition(|route| route.verdict == Verdict::Skipped);
    let steps = |routes: Vec<Considered>| routes.into_iter().map(step).collect();
    let rest = record.iter().filter(|reason| matches!(reason, Reason::NoRoute { .. }));
    let rest = rest.map(|reason| sentence(&reason.to_string())).collect();
    Answered { headline, detail, good, path: steps(path), others: steps(others), rest }
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::CarriersRead>,
    headers: &HeaderMap,
    said: bool,
    form: Question,
    asked: Result<Option<(Number, Class, Option<Sender>)>, Wrong>,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Routes).await?;
    let slug = guard.name().to_owned();
    let routes = console.messaging.routes(guard.permit());
    let status = console.carriers.status();
    let may_write = console.may_edit(guard, "routes");
    let may_read = guard.may(access::Capability::ResourcesRead);
    let (wrong, answered) = match asked {
        Err(wrong) => (wrong, None),
        Ok(None) => (Wrong::default(), None),
        Ok(Some((number, class, sender))) => {
            let permit: Permit<cap::CarriersRead> = guard.permit().clone();
            let (messaging, to) = (console.messaging.clone(), number.clone());
            let decided =
                console.db.read(move |tx| messaging.explain(tx, &permit, &to, class, sender.as_ref())).await?;
            (Wrong::default(), Some(answer(decided, &number)))
        }
    };
    let way = |name: &String| {
        let found = status.iter().find(|one| one.name == *name);
        Lead {
            name: name.clone(),
            href: format!("/w/{slug}/carriers/{}", encode(name)),
            knot: match found {
                Some(one) if one.paused.is_some() => Knot::Skipped,
                Some(one) if one.sessions_bound > 0 => Knot::Done,
                Some(_) => Knot::Failed,
                None => Knot::Unknown,
            },
        }
    };
    let rows: Vec<Row> = routes
        .iter()
        .enumerate()
        .map(|(at, route)| {
            let own = route.workspace.is_some();
            Row {
                order: at + 1,
                matcher: route.label(),
                rank: rank(route),
                own,
                ways: route.carriers.iter().map(way).collect(),
                sender: route.sender.as_ref().map(ToString::to_string).unwrap_or_default(),
                cost: if may_write { cost(route) } else { String::new() },
                open: route.open_to_development,
                entry: (own && may_read).then(|| entry_path(&slug, "routes", ResourceId::from(route.id.uuid()))),
                edit: (own && may_write).then(|| format!("/w/{slug}/routes/{}", route.id)),
            }
        })
        .collect();
    let class = if form.class.is_empty() { "alert" } else { &form.class };
    page_with(
        wrong.status(),
        &RoutesPage {
            sentence: match rows.len() {
                0 => "No route yet: nothing can be sent".to_owned(),
                1 => "One route leads out".to_owned(),
                count => format!("{count} routes lead out"),
            },
            standing: "They are tried from the top: by priority, then the more exact destination, sender and class; equals share by weight, or the cheaper goes first. In each, the first carrier that is up takes the message.",
            classes: choices(
                &[
                    ("alert", "alert: a page to somebody on call"),
                    ("otp", "otp: a code that somebody types in"),
                    ("transactional", "transactional: one message"),
                    ("marketing", "marketing: one of many"),
                ],
                class,
            ),
            may_cost: rows.iter().any(|row| !row.cost.is_empty()),
            said,
            may_write,
            rows,
            wrong,
            form,
            answered,
            slug,
            shell,
        },
    )
}

/// The routes.
pub async fn list(
    guard: InWorkspace<cap::CarriersRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    http::Query(said): http::Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, said.saved, Question::default(), Ok(None)).await
}

/// Says where a text would go. A POST, so that the number stands in no address and no log; it sends nothing.
pub async fn explain(
    guard: InWorkspace<cap::CarriersRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<Question>,
) -> Answer<Response> {
    let asked = question(&form);
    render(&console, &guard, &headers, false, form, asked.map(Some)).await
}

fn question(form: &Question) -> Result<(Number, Class, Option<Sender>), Wrong> {
    let number = Number::parse(form.to.trim(), None).map_err(|error| Wrong::one("to", sentence(&error.to_string())))?;
    let class =
        form.class.parse().map_err(|error: routing::UnknownClass| Wrong::one("class", sentence(&error.to_string())))?;
    let sender = match form.sender.trim() {
        "" => None,
        text => Some(text.parse::<Sender>().map_err(|error| Wrong::one("sender", sentence(&error.to_string())))?),
    };
    Ok((number, class, sender))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn route(prefix: &str, class: Option<Class>) -> Route {
        Route {
            id: uuid::Uuid::from_u128(1).into(),
            workspace: None,
            name: String::new(),
            matcher: routing::Matcher { prefix: Some(prefix.into()), class, ..routing::Matcher::default() },
            priority: 0,
            weight: None,
            carriers: vec!["sim-1".into()],
            sender: Some("70007".parse().unwrap()),
            cost: Some(routing::Cost { micros: 42_500, currency: "EUR".into() }),
            open_to_development: false,
        }
    }

    #[test]
    fn a_cost_reads_as_a_price() {
        assert_eq!(cost(&route("44", None)), "0.0425 EUR");
        let whole =
            Route { cost: Some(routing::Cost { micros: 1_000_000, currency: "EUR".into() }), ..route("44", None) };
        assert_eq!(cost(&whole), "1.00 EUR");
    }

    #[test]
    fn every_route_has_its_place_on_the_path() {
        let routes = [route("4477", None), route("44", None), route("49", None)];
        let query = routing::Query::first(uuid::Uuid::nil().into(), false, "447700900117", Class::Alert, None);
        let facts = |_: &str| Some(routing::CarrierFacts { simulated: false, down: None, senders: None });
        let decided = routing::decide(&routing::Query { explain: true, ..query }, &routes, facts);
        let said = answer(decided, &Number::parse("+447700900117", None).unwrap());
        let names = |steps: &[Step]| steps.iter().map(|step| (step.name.clone(), step.knot)).collect::<Vec<_>>();
        assert_eq!(names(&said.path), [("+4477".to_owned(), Knot::Done), ("+44".to_owned(), Knot::Skipped)]);
        assert_eq!(names(&said.others), [("+49".to_owned(), Knot::Skipped)]);
        assert_eq!(said.path[0].stops[0].words, ["Carrier sim-1 takes it."]);
        assert!(!said.path[1].reached && said.path[1].words[0].contains("one before it took the message"));
    }

    #[test]
    fn priority_and_share_are_said() {
        assert_eq!(rank(&route("44", None)), "");
        let both = Route { priority: -2, weight: std::num::NonZeroU32::new(3), ..route("44", None) };
        assert_eq!(rank(&both), "priority -2, weight 3");
    }

    #[test]
    fn a_wrong_question_is_said_at_its_field() {
        let asked = |to: &str, class: &str, sender: &str| {
            question(&Question { to: to.into(), class: class.into(), sender: sender.into() }).err()
        };
        assert!(asked("0770", "alert", "").unwrap().at("to").is_some());
        assert!(asked("+447700900117", "loud", "").unwrap().at("class").is_some());
        assert!(asked("+447700900117", "alert", "much too long a sender").unwrap().at("sender").is_some());
        assert!(asked("+447700900117", "alert", "").is_none());
    }

    #[test]
    fn the_decision_stands_on_the_page_and_speaks_no_html() {
        let id = uuid::Uuid::from_u128(1).into();
        let record = vec![
            Reason::Matched { id, route: HOSTILE.into(), own: true, share: Some(25) },
            Reason::UnknownCarrier { carrier: HOSTILE.into() },
        ];
        let number = Number::parse("+447700900117", None).unwrap();
        let answered = answer(Err(routing::Refused { record, wants_sender: false }), &number);
        let html = checked(&RoutesPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "One route leads out".into(),
            standing: "From the top.",
            said: false,
            may_write: true,
            may_cost: true,
            rows: vec![Row {
                order: 1,
                matcher: "everything".into(),
                rank: "priority 5".into(),
                own: true,
                ways: vec![Lead { name: HOSTILE.into(), href: "/w/demo/carriers/x".into(), knot: Knot::Failed }],
                sender: "70007".into(),
                cost: "0.0425 EUR".into(),
                open: false,
                entry: Some("/w/demo/config/routes/1".into()),
                edit: Some("/w/demo/routes/1".into()),
            }],
            wrong: Wrong::default(),
            form: Question { to: HOSTILE.into(), ..Question::default() },
            classes: choices(&[("alert", "alert")], "alert"),
            answered: Some(answered),
        });
        assert!(html.contains("It would be refused") && html.contains("0.0425 EUR"));
    }
}
