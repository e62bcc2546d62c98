//! The routes in the order in which they are tried, and the question "where would a text go now, and why".

use access::{Permit, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use http::{Answer, Form, HeaderMap, InWorkspace, Response};
use messaging::{Class, Sender};
use routing::{Reason, Route};
use serde::Deserialize;
use sms::Number;

use crate::Console;
use crate::draw::Draw;
use crate::editing::entry_path;
use crate::facts::{Choice, choices};
use crate::page::{Wrong, encode, page_with, sentence};
use crate::shell::{Page, Shell};

/// A carrier that a route names.
struct Way {
    name: String,
    href: String,
    knot: Knot,
}

struct Row {
    order: usize,
    matcher: String,
    own: bool,
    ways: Vec<Way>,
    sender: String,
    cost: String,
    open: bool,
    entry: Option<String>,
    edit: Option<String>,
}

struct Step {
    knot: Knot,
    words: String,
}

/// The answer to the question.
struct Answered {
    headline: String,
    detail: String,
    good: bool,
    steps: Vec<Step>,
    others: Vec<String>,
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

fn step(reason: &Reason) -> Step {
    let knot = match reason {
        Reason::Matched { .. } => Knot::Now,
        Reason::Chosen { .. } => Knot::Done,
        Reason::Waits { .. } => Knot::Waiting,
        Reason::Tried { .. } | Reason::NotForDevelopment { .. } => Knot::Skipped,
        Reason::NoRoute { .. } | Reason::UnknownCarrier { .. } | Reason::Down { .. } | Reason::NoSender { .. } => {
            Knot::Failed
        }
    };
    Step { knot, words: sentence(&reason.to_string()) }
}

/// Why the routes that the decision does not speak of had no part in it, by the rule that the decision itself goes by.
fn others(routes: &[Route], record: &[Reason], digits: &str, class: Class) -> Vec<String> {
    let mut spoken: Vec<&str> = record
        .iter()
        .filter_map(|step| if let Reason::Matched { route, .. } = step { Some(route.as_str()) } else { None })
        .collect();
    let mut out = Vec::new();
    for route in routes {
        let name = route.matcher.to_string();
        if !route.matcher.matches(digits, class) {
            out.push(format!("The route for {name} does not match this number and class."));
        } else if let Some(at) = spoken.iter().position(|known| *known == name) {
            spoken.remove(at);
        } else {
            out.push(format!("The route for {name} would match; one before it took the message."));
        }
    }
    out
}

fn answer(
    routes: &[Route],
    decided: Result<routing::Decision, routing::Refused>,
    number: &Number,
    class: Class,
) -> Answered {
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
    Answered {
        headline,
        detail,
        good,
        steps: record.iter().map(step).collect(),
        others: others(routes, &record, number.digits(), class),
    }
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
            (Wrong::default(), Some(answer(&routes, decided, &number, class)))
        }
    };
    let way = |name: &String| {
        let found = status.iter().find(|one| one.name == *name);
        Way {
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
                matcher: route.matcher.to_string(),
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
            standing: "They are tried from the top: the longest beginning of the number first, then a named class, then the lower cost. In each, the first carrier that is up takes the message.",
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
            matcher: routing::Matcher { prefix: Some(prefix.into()), class },
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
    fn every_route_has_its_reason() {
        let routes = [route("4477", None), route("44", None), route("49", None)];
        let matched = Reason::Matched { route: "+4477".into(), own: false };
        let said = others(&routes, &[matched], "447700900117", Class::Alert);
        assert_eq!(said.len(), 2);
        assert!(said[0].contains("+44 would match; one before it took") && said[1].contains("+49 does not match"));
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
        let answered = answer(
            &[],
            Err(routing::Refused {
                record: vec![Reason::UnknownCarrier { carrier: HOSTILE.into() }],
                wants_sender: false,
            }),
            &Number::parse("+447700900117", None).unwrap(),
            Class::Alert,
        );
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
                own: true,
                ways: vec![Way { name: HOSTILE.into(), href: "/w/demo/carriers/x".into(), knot: Knot::Failed }],
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
