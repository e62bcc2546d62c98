//! What goes from one sender to one destination keeps its order, over however many sessions.

use std::collections::BTreeMap;

use carriers::{BindAs, Settings};
use futures_util::stream::{FuturesUnordered, StreamExt};
use messaging::{Carrier, Submission};
use simulator::Behaviour;
use simulator::ledger::Outcome;
use sms::Number;

use crate::stage::{Stage, part, until_bound};

const CONVERSATIONS: u32 = 24;
const EACH: u32 = 25;

fn text(conversation: u32, number: u32) -> Submission {
    let destination = Number::parse(&format!("+4477009001{conversation:02}"), None).unwrap();
    Submission { destination, ..part(&format!("{number:04}")) }
}

/// The texts of each destination, in the order in which the carrier took them.
fn taken(stage: &Stage) -> BTreeMap<String, Vec<String>> {
    let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in stage.ledger().into_iter().filter(|entry| entry.outcome == Outcome::Accepted) {
        taken.entry(entry.destination).or_default().push(entry.text);
    }
    taken
}

/// The same pair takes the same session while that is up: its texts arrive in their order although the carrier answers at
/// different times and the windows are full; and the work is spread over all sessions.
#[tokio::test]
async fn a_conversation_keeps_its_order_over_several_sessions() {
    for bind in [BindAs::Transceiver, BindAs::TransmitterReceiver] {
        let behaviour =
            Behaviour { answer_delay_ms: 2, answer_spread_ms: 10, receipt_percent: 0.0, ..Behaviour::default() };
        let stage = Stage::new(behaviour).await;
        let settings = Settings { sessions: 4, window: 5, bind, ..stage.settings() };
        let (carrier, _inbox) = Stage::bound(settings).await;
        let mut out = FuturesUnordered::new();
        for number in 0..EACH {
            for conversation in 0..CONVERSATIONS {
                out.push(carrier.submit(text(conversation, number)));
            }
            // As a dispatcher does: some of what is out comes back before more goes.
            for _ in 0..CONVERSATIONS {
                if let Some(answer) = out.next().await {
                    answer.unwrap();
                }
            }
        }
        while let Some(answer) = out.next().await {
            answer.unwrap();
        }
        let expected: Vec<String> = (0..EACH).map(|number| format!("{number:04}")).collect();
        let taken = taken(&stage);
        assert_eq!(taken.len(), CONVERSATIONS as usize);
        for (destination, texts) in taken {
            assert_eq!(texts, expected, "{destination} with {bind:?}");
        }
        carrier.stop().await;
    }
}

/// A session that goes gives its conversations to the others; nothing is lost for it, and it is used again when it is back.
#[tokio::test]
async fn a_session_that_goes_gives_its_conversations_to_others() {
    let cut = Some(simulator::Cut { answered: 3, of: 3, times: Some(1) });
    let stage = Stage::new(Behaviour { cut, receipt_percent: 0.0, ..Behaviour::default() }).await;
    let (carrier, _inbox) = Stage::bound(Settings { sessions: 3, window: 4, ..stage.settings() }).await;
    let (mut sent, mut again) = (0, 0);
    for number in 0..CONVERSATIONS {
        match carrier.submit(text(number, 0)).await {
            Ok(_) => sent += 1,
            Err(_) => again += 1,
        }
    }
    assert!(sent >= CONVERSATIONS - 4 && again <= 4, "{sent} sent, {again} to be sent again");
    until_bound(&carrier).await;
    for number in 0..CONVERSATIONS {
        carrier.submit(text(number, 1)).await.unwrap();
    }
    carrier.stop().await;
}
