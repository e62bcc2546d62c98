//! Unknown outcomes: the messages of which nobody knows whether they arrived, and what a person decides about them.

use access::{Capability, cap};
use askama::Template;
use axum::extract::State;
use base::{MessageId, PageRequest, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Query, Refusal, Response};
use messaging::{Decide, Error as MessagingError, Filter, State as MessageState, Summary, UnknownFigures};
use serde::Deserialize;

use crate::Console;
use crate::facts::{Choice, choices};
use crate::page::{encode, page, see_other};
use crate::shell::{Page, Shell};
use crate::zone::age;

struct Row {
    id: String,
    href: String,
    at: Timestamp,
    to: String,
    class: &'static str,
    parts: u32,
    carrier: String,
    why: String,
}

#[derive(Template)]
#[template(path = "unknown.html")]
struct UnknownPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: String,
    said: Option<String>,
    /// Whether something was decided.
    decided: bool,
    carriers: Vec<Choice>,
    times: Vec<Choice>,
    rows: Vec<Row>,
    older: Option<String>,
    may_decide: bool,
}

/// Which are listed, and what was just done.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    carrier: String,
    hours: String,
    decided: Option<usize>,
    left: Option<usize>,
}

/// What was decided about which.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Decision {
    message: Vec<String>,
    decide: String,
    reason: String,
    carrier: String,
    hours: String,
}

fn said(which: &Which) -> Option<String> {
    let decided = match which.decided? {
        0 => "Nothing was decided: no message was chosen, or none of them is unknown any more.".to_owned(),
        1 => "Decided about one message.".to_owned(),
        count => format!("Decided about {count} messages."),
    };
    Some(match which.left {
        None | Some(0) => decided,
        Some(1) => format!("{decided} One was decided already, or its receipt came."),
        Some(left) => format!("{decided} {left} were decided already, or their receipts came."),
    })
}

fn heading(figures: &[UnknownFigures], now: Timestamp) -> (String, String) {
    let count: u64 = figures.iter().map(|one| one.messages).sum();
    let oldest = figures.iter().map(|one| one.oldest).min();
    let sentence = match count {
        0 => "No outcome is unknown".to_owned(),
        1 => "One message may or may not have arrived".to_owned(),
        count => format!("{count} messages may or may not have arrived"),
    };
    let standing = match oldest {
        None => "When a link breaks between a text and its answer, nobody knows whether the carrier has it. Where a carrier's setting is to hold such texts, they wait here for somebody to decide; alerts are always sent again.".to_owned(),
        Some(oldest) => format!(
            "Their carrier was handed them and no answer came, or says itself that it does not know. The oldest is from {} ago. Ask the carrier, then decide.",
            age(now.since(oldest))
        ),
    };
    (sentence, standing)
}

/// Why nobody knows, as a sentence; a carrier is called by its name also where it begins one.
fn why(reason: &str, carrier: &str) -> String {
    let words = crate::page::sentence(reason);
    match reason.strip_prefix(carrier) {
        Some(_) if !carrier.is_empty() => format!("{carrier}{}", words.get(carrier.len()..).unwrap_or_default()),
        _ => words,
    }
}

fn row(slug: &str, message: Summary) -> Row {
    Row {
        href: format!("/w/{slug}/messages/{}", message.id),
        id: message.id.to_string(),
        at: message.created_at,
        to: message.to,
        class: message.class.name(),
        parts: message.parts,
        carrier: message.carrier.clone(),
        why: why(message.reason.as_deref().unwrap_or_default(), &message.carrier),
    }
}

/// The list.
pub async fn list(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Unknown).await?.listening(&[messaging::TOPIC]);
    let slug = guard.name().to_owned();
    let hours = which.hours.parse::<u64>().ok().filter(|hours| *hours <= 24 * 366);
    let filter = Filter {
        states: vec![MessageState::Unknown],
        carrier: Some(which.carrier.clone()).filter(|carrier| !carrier.is_empty()),
        since: hours.map(|hours| shell.now.minus(std::time::Duration::from_hours(hours))),
        ..Filter::default()
    };
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    let request = PageRequest::new(100, request.after);
    let (figures, found) = console
        .db
        .read(move |tx| {
            let listed = messaging.list(tx, &permit, &filter, &request)?;
            Ok::<_, MessagingError>((messaging.unknown(tx, &permit)?, listed))
        })
        .await?;
    let (sentence, standing) = heading(&figures, shell.now);
    let here = format!("/w/{slug}/unknown?carrier={}&hours={}", encode(&which.carrier), encode(&which.hours));
    let named: Vec<String> = figures.iter().map(|one| format!("{} ({})", one.carrier, one.messages)).collect();
    let mut carriers = vec![("", "every carrier")];
    carriers.extend(figures.iter().zip(&named).map(|(one, name)| (one.carrier.as_str(), name.as_str())));
    page(&UnknownPage {
        said: said(&which),
        decided: which.decided != Some(0),
        carriers: choices(&carriers, &which.carrier),
        times: choices(
            &[("", "any time"), ("1", "the last hour"), ("24", "the last day"), ("168", "the last week")],
            &which.hours,
        ),
        older: found.next.map(|next| format!("{here}&cursor={}", encode(&next.0))),
        rows: found.items.into_iter().map(|message| row(&slug, message)).collect(),
        may_decide: guard.may(Capability::MessagesSend),
        sentence,
        standing,
        slug,
        shell,
    })
}

/// Decides about those that were chosen.
pub async fn decide(
    guard: InWorkspace<cap::MessagesSend>,
    State(console): State<Console>,
    Form(form): Form<Decision>,
) -> Answer<Response> {
    let decide = Decide::named(&form.decide).ok_or_else(Refusal::not_found)?;
    let slug = guard.name().to_owned();
    let ids: Vec<MessageId> = form.message.iter().take(messaging::DECIDED).filter_map(|id| id.parse().ok()).collect();
    let (messaging, permit, reason) = (console.messaging.clone(), guard.into_permit(), form.reason);
    let (decided, left) = console
        .db
        .write(move |tx| {
            let (mut decided, mut left) = (0, 0);
            for id in &ids {
                match messaging.decide_unknown(tx, &permit, *id, decide, &reason) {
                    Ok(_) => decided += 1,
                    // Somebody was quicker, or its receipt came: it is not unknown any more.
                    Err(MessagingError::NotFound | MessagingError::NothingToDecide(_)) => left += 1,
                    Err(error) => return Err(error),
                }
            }
            Ok((decided, left))
        })
        .await?;
    let (carrier, hours) = (encode(&form.carrier), encode(&form.hours));
    Ok(see_other(&format!("/w/{slug}/unknown?carrier={carrier}&hours={hours}&decided={decided}&left={left}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn sample() -> UnknownPage {
        UnknownPage {
            shell: shell().listening(&[messaging::TOPIC]),
            slug: "demo".into(),
            sentence: "One message may or may not have arrived".into(),
            standing: HOSTILE.into(),
            said: said(&Which { decided: Some(2), left: Some(1), ..Which::default() }),
            decided: true,
            carriers: choices(&[("", "every carrier"), (HOSTILE, HOSTILE)], HOSTILE),
            times: choices(&[("", "any time")], ""),
            rows: vec![Row {
                id: uuid::Uuid::from_u128(7).to_string(),
                href: "/w/demo/messages/7".into(),
                at: NOW,
                to: "+44 77•• ••• 117".into(),
                class: "otp",
                parts: 2,
                carrier: HOSTILE.into(),
                why: HOSTILE.into(),
            }],
            older: Some("/w/demo/unknown?cursor=1".into()),
            may_decide: true,
        }
    }

    #[test]
    fn who_may_send_decides_and_others_look_on() {
        let html = checked(&sample());
        for words in
            ["Decided about 2 messages. One was decided already", "send_again", "give_up", "name=\"message\"", "Older"]
        {
            assert!(html.contains(words), "{words}");
        }
        assert!(!html.contains(" checked"), "nobody decides about what they did not choose");
        let closed = checked(&UnknownPage { may_decide: false, ..sample() });
        assert!(!closed.contains("give_up") && !closed.contains("name=\"message\""));
        assert!(checked(&UnknownPage { rows: Vec::new(), ..sample() }).contains("Nothing waits for a decision"));
    }

    #[test]
    fn the_first_sentence_counts() {
        let one = UnknownFigures { carrier: "a".into(), messages: 1, oldest: NOW };
        assert_eq!(heading(&[], NOW).0, "No outcome is unknown");
        assert_eq!(heading(std::slice::from_ref(&one), NOW).0, "One message may or may not have arrived");
        let two =
            UnknownFigures { carrier: "b".into(), messages: 4, oldest: NOW.minus(std::time::Duration::from_mins(3)) };
        let (sentence, standing) = heading(&[one, two], NOW);
        assert!(sentence.starts_with("5 messages") && standing.contains("3 min ago"), "{standing}");
        assert!(said(&Which { decided: Some(0), ..Which::default() }).unwrap().starts_with("Nothing was decided"));
    }
}
