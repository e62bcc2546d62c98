//! Batches: messages that came in one request, how far they are, and taking back what still waits.

use access::{Capability, cap};
use askama::Template;
use axum::extract::State;
use base::{BatchId, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Path, Query, Refusal, Response};
use messaging::{Batch, BatchDetails, Rejection, State as MessageState};
use serde::Deserialize;

use crate::Console;
use crate::answers::ActForm;
use crate::facts::Fact;
use crate::message_words::{Names, submitter};
use crate::page::{encode, page, see_other};
use crate::shell::{Page, Shell};

struct Row {
    href: String,
    name: String,
    at: Timestamp,
    items: u32,
    accepted: String,
    rejected: String,
    from: String,
    standing: &'static str,
}

#[derive(Template)]
#[template(path = "batches.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    sentence: String,
    rows: Vec<Row>,
    older: Option<String>,
}

/// A stretch of the bar.
struct Stretch {
    word: &'static str,
    count: u32,
    class: &'static str,
    x: String,
    width: String,
}

#[derive(Template)]
#[template(path = "batch.html")]
struct OnePage {
    shell: Shell,
    slug: String,
    id: BatchId,
    sentence: String,
    standing: String,
    said: Option<String>,
    stretches: Vec<Stretch>,
    waiting: u32,
    may_cancel: bool,
    facts: Vec<Fact>,
    rejections: Vec<Rejection>,
    /// Rejected ones of which no reason was kept.
    more: u32,
}

fn row(slug: &str, batch: &Batch, names: &Names) -> Row {
    let count = |count: Option<u32>| count.map(|count| count.to_string()).unwrap_or_default();
    Row {
        href: format!("/w/{slug}/batches/{}", batch.id),
        name: batch.client_ref.clone().unwrap_or_else(|| batch.id.to_string()),
        at: batch.created_at,
        items: batch.items,
        accepted: count(batch.accepted),
        rejected: count(batch.rejected),
        from: submitter(&batch.submitter, names),
        standing: match (batch.cancelled_at, batch.accepted) {
            (Some(_), _) => "cancelled",
            (None, None) => "under way",
            (None, Some(_)) => "taken",
        },
    }
}

/// The list.
pub async fn list(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Batches).await?;
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    let found = console.db.read(move |tx| messaging.batches(tx, &permit, None, &request)).await?;
    let senders = found.items.iter().map(|batch| batch.submitter.as_str());
    let names = console.names(guard.workspace(), senders).await?;
    let slug = guard.name().to_owned();
    page(&ListPage {
        sentence: match found.items.len() {
            0 => "No batch yet".to_owned(),
            1 if found.next.is_none() => "One batch".to_owned(),
            _ => "Batches, newest first".to_owned(),
        },
        rows: found.items.iter().map(|batch| row(&slug, batch, &names)).collect(),
        older: found.next.map(|cursor| format!("/w/{slug}/batches?cursor={}", encode(&cursor.0))),
        slug,
        shell,
    })
}

/// The parts of the bar, in the order in which messages go through them.
fn stretches(details: &BatchDetails) -> Vec<Stretch> {
    let of = |states: &[MessageState]| states.iter().filter_map(|state| details.states.get(state)).sum::<u32>();
    let rejected = details.batch.rejected.unwrap_or(0);
    let counts = [
        ("delivered", "ok", of(&[MessageState::Delivered])),
        ("taken by the carrier", "v", of(&[MessageState::Sent])),
        ("waiting", "wait", of(&[MessageState::Queued, MessageState::Claimed])),
        ("unknown", "med", of(&[MessageState::Unknown])),
        (
            "did not arrive",
            "hot",
            of(&[MessageState::Undelivered, MessageState::Expired, MessageState::Rejected, MessageState::Failed]),
        ),
        ("cancelled", "off", of(&[MessageState::Cancelled])),
        ("rejected at once", "hot", rejected),
    ];
    let all = f64::from(counts.iter().map(|(.., count)| count).sum::<u32>().max(1));
    let mut x = 0.0;
    let mut stretches = Vec::new();
    for (word, class, count) in counts.into_iter().filter(|(.., count)| *count > 0) {
        let width = f64::from(count) * 100.0 / all;
        stretches.push(Stretch { word, count, class, x: format!("{x:.2}"), width: format!("{width:.2}") });
        x += width;
    }
    stretches
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    cancelled: Option<u32>,
}

/// One batch.
pub async fn show(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, BatchId)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Batches).await?.listening(&[messaging::TOPIC]);
    let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
    let found = console.db.read(move |tx| messaging.batch(tx, &permit, id)).await?;
    let details = found.ok_or_else(Refusal::not_found)?;
    let batch = &details.batch;
    let names = console.names(guard.workspace(), [batch.submitter.as_str()]).await?;
    let count = |states: &[MessageState]| states.iter().filter_map(|state| details.states.get(state)).sum::<u32>();
    let delivered = count(&[MessageState::Delivered]);
    let accepted = batch.accepted.unwrap_or_else(|| details.states.values().sum());
    let mut facts = vec![
        Fact::new("From", submitter(&batch.submitter, &names)),
        Fact::new("Came", shell.zone.day_clock(&batch.created_at)),
        Fact::new("Messages in it", batch.items.to_string()),
    ];
    facts.extend(batch.client_ref.clone().map(|name| Fact::mono("Own reference", name)));
    facts.extend(batch.cancelled_at.map(|at| Fact::new("Cancelled", shell.zone.day_clock(&at))));
    page(&OnePage {
        sentence: format!("{delivered} of {accepted} delivered"),
        standing: match batch.accepted {
            None => "The request is under way, or the server stopped in it.".to_owned(),
            Some(_) => match batch.rejected.unwrap_or(0) {
                0 => "Every message of the request was taken.".to_owned(),
                1 => "One message of the request was rejected at once.".to_owned(),
                count => format!("{count} messages of the request were rejected at once."),
            },
        },
        said: said.cancelled.map(|count| match count {
            0 => "Nothing waited any more.".to_owned(),
            1 => "One message is cancelled.".to_owned(),
            count => format!("{count} messages are cancelled."),
        }),
        stretches: stretches(&details),
        waiting: count(&[MessageState::Queued]),
        may_cancel: guard.may(Capability::MessagesSend),
        more: batch.rejected.unwrap_or(0).saturating_sub(u32::try_from(details.rejections.len()).unwrap_or(u32::MAX)),
        rejections: details.rejections.clone(),
        facts,
        id,
        slug: guard.name().to_owned(),
        shell,
    })
}

/// Takes back what still waits.
pub async fn cancel(
    guard: InWorkspace<cap::MessagesSend>,
    State(console): State<Console>,
    Path((_, id)): Path<(String, BatchId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let count = console.messaging.cancel_batch(guard.permit(), id).await?;
    Ok(see_other(&format!("/w/{}/batches/{id}?cancelled={count}", guard.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn details() -> BatchDetails {
        BatchDetails {
            batch: Batch {
                id: uuid::Uuid::from_u128(7).into(),
                client_ref: Some(HOSTILE.into()),
                submitter: "api_key:7".into(),
                created_at: NOW,
                items: 100,
                accepted: Some(98),
                rejected: Some(2),
                cancelled_at: None,
            },
            states: [(MessageState::Delivered, 49), (MessageState::Queued, 49)].into(),
            rejections: vec![Rejection {
                index: 16,
                code: "invalid-parameter".into(),
                field: Some("text".into()),
                reason: HOSTILE.into(),
            }],
        }
    }

    #[test]
    fn a_bar_shows_every_message_of_the_request() {
        let stretches = stretches(&details());
        let shown: Vec<_> =
            stretches.iter().map(|one| (one.word, one.count, one.x.as_str(), one.width.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("delivered", 49, "0.00", "49.00"),
                ("waiting", 49, "49.00", "49.00"),
                ("rejected at once", 2, "98.00", "2.00")
            ]
        );
        let html = checked(&OnePage {
            shell: shell(),
            slug: "demo".into(),
            id: details().batch.id,
            sentence: "49 of 98 delivered".into(),
            standing: "Every message of the request was taken.".into(),
            said: Some("49 messages are cancelled.".into()),
            stretches,
            waiting: 49,
            may_cancel: true,
            facts: vec![Fact::mono("Own reference", HOSTILE)],
            rejections: details().rejections,
            more: 1,
        });
        assert!(html.contains("Cancel the 49 that wait"), "{html}");
        assert!(html.contains(">16</td>") && html.contains("and one more"), "{html}");
        let rows = vec![row("demo", &details().batch, &Names::default())];
        checked(&ListPage { shell: shell(), slug: "demo".into(), sentence: "One batch".into(), rows, older: None });
    }
}
