//! The field in the head: a number, an id or a name leads to its page.

use access::cap;
use axum::extract::State;
use base::{MessageId, SignalId};
use http::{Answer, InWorkspace, Query, Response};
use serde::Deserialize;

use crate::Console;
use crate::page::{encode, see_other};

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    q: String,
}

/// What a reader may have meant.
#[derive(Debug, PartialEq, Eq)]
enum Meant<'a> {
    Alert(i64),
    Id(uuid::Uuid),
    Number(&'a str),
}

fn meant(text: &str) -> Meant<'_> {
    let text = text.trim();
    if let Ok(id) = text.parse::<uuid::Uuid>() {
        return Meant::Id(id);
    }
    // A bare number of a few digits is an alert's; one with a plus or many digits is a phone's.
    match alerts::parse_alert_name(text) {
        Some(number) if number < 10_000_000 && !text.starts_with(['+', '0']) => Meant::Alert(number),
        _ => Meant::Number(text),
    }
}

/// Leads there; what is not found is looked for in the message log, which says what it understood.
pub async fn find(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    Query(wanted): Query<Wanted>,
) -> Answer<Response> {
    let slug = guard.name();
    Ok(see_other(&match meant(&wanted.q) {
        Meant::Alert(number) => format!("/w/{slug}/alerts/A-{number}"),
        Meant::Number(text) => format!("/w/{slug}/messages?q={}", encode(text)),
        Meant::Id(id) => {
            let signal = match guard.also::<cap::SignalsRead>() {
                Some(permit) => console.signals.get(&permit, SignalId::from(id)).await?.is_some(),
                None => false,
            };
            if signal {
                format!("/w/{slug}/signals/{id}")
            } else {
                format!("/w/{slug}/messages/{}", MessageId::from(id))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_ids_are_told_apart() {
        let id = "0192b6f4-7c1e-7a02-9d55-3be1f0a4c217";
        let cases = [
            ("A-1042", Meant::Alert(1042)),
            (" a-7 ", Meant::Alert(7)),
            ("1042", Meant::Alert(1042)),
            ("+447700900117", Meant::Number("+447700900117")),
            ("447700900117", Meant::Number("447700900117")),
            ("0192", Meant::Number("0192")),
            ("lag", Meant::Number("lag")),
            (id, Meant::Id(id.parse().unwrap())),
        ];
        for (text, expected) in cases {
            assert_eq!(meant(text), expected, "{text}");
        }
    }
}
