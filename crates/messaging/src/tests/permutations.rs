//! F-15 as a property: in whichever order the answer to a submit and its receipts come — early, twice, contradicting, of another
//! carrier, of nobody — a message ends in the one right state, and no other message is touched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sms::ReceiptState;
use store::{Db, Dialect};
use tokio::sync::{Semaphore, watch};

use super::house::{Fake, House, receipt, workspace_id};
use crate::*;

/// What happens to one message, in the order of its case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The carrier answers the submit of the first part.
    Answer,
    /// It says of a part (from 1) that it is on its way.
    Enroute(usize),
    /// It says how a part ended.
    Final(usize, ReceiptState),
    /// Another carrier says how a part with the same id ended.
    Foreign(usize),
    /// It speaks of an id that it never gave.
    Nobodys,
}

#[derive(Clone, Debug)]
struct Case {
    parts: usize,
    events: Vec<Event>,
}

fn ends() -> impl Strategy<Value = ReceiptState> {
    prop_oneof![
        4 => Just(ReceiptState::Delivered),
        1 => Just(ReceiptState::Undeliverable),
        1 => Just(ReceiptState::Expired),
        1 => Just(ReceiptState::Rejected),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    (1_usize..=2, ends(), ends(), ends()).prop_flat_map(|(parts, first, second, contradiction)| {
        let mut events = vec![Event::Answer, Event::Foreign(1), Event::Nobodys];
        for (part, end) in [(1, first), (2, second)].into_iter().take(parts) {
            events.extend([Event::Enroute(part), Event::Final(part, end), Event::Final(part, end)]);
        }
        events.push(Event::Final(1, contradiction));
        Just(events).prop_shuffle().prop_map(move |events| Case { parts, events })
    })
}

impl Case {
    /// How a part ends: as the first final receipt of its carrier says.
    fn end(&self, part: usize) -> State {
        let first = self.events.iter().find_map(|event| match event {
            Event::Final(of, end) if *of == part => Some(*end),
            _ => None,
        });
        State::Sent.after(crate::Event::Receipt(first.unwrap())).unwrap()
    }
}

/// A carrier that answers the first part of a case when it is told to. Ids are `g-CASE-PART`.
#[derive(Default)]
struct Gated {
    link: Option<watch::Sender<LinkState>>,
    gates: Mutex<HashMap<usize, Arc<Semaphore>>>,
    submits: Mutex<HashMap<usize, usize>>,
}

impl Gated {
    fn gate(&self, case: usize) -> Arc<Semaphore> {
        Arc::clone(self.gates.lock().unwrap().entry(case).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }
}

#[async_trait]
impl Carrier for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn window(&self) -> usize {
        512
    }

    fn rate(&self) -> Option<std::num::NonZeroU32> {
        None
    }

    fn on_unknown_outcome(&self) -> OnUnknownOutcome {
        OnUnknownOutcome::Hold
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.link.as_ref().unwrap().subscribe()
    }

    async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        // The destination says which case it is: the second part of a text has no room for it.
        let case: usize = submission.destination.digits()[7..].parse().unwrap();
        let part = {
            let mut submits = self.submits.lock().unwrap();
            let part = submits.entry(case).or_default();
            *part += 1;
            *part
        };
        if part == 1 {
            self.gate(case).acquire().await.unwrap().forget();
        }
        Ok(Submitted { carrier_ref: format!("g-{case}-{part}") })
    }
}

async fn play(house: &House, carrier: &Gated, at: usize, case: Case) {
    let to = sms::Number::from_carrier(&format!("4477009{at:05}")).unwrap();
    let text = if case.parts == 1 { "x".to_owned() } else { "a".repeat(200) };
    let id = house.submit(New::text(to, &text)).await.unwrap().id;
    let mut receipts = tokio::task::JoinSet::new();
    for event in &case.events {
        let brought = match *event {
            Event::Answer => {
                carrier.gate(at).add_permits(1);
                None
            }
            Event::Enroute(part) => Some(("gated", format!("g-{at}-{part}"), ReceiptState::Enroute)),
            Event::Final(part, end) => Some(("gated", format!("g-{at}-{part}"), end)),
            Event::Foreign(part) => Some(("other", format!("g-{at}-{part}"), ReceiptState::Rejected)),
            Event::Nobodys => Some(("gated", format!("nobodys-{at}"), ReceiptState::Delivered)),
        };
        if let Some((from, id, state)) = brought {
            let messaging = house.messaging.clone();
            // Its first poll hands it in: tasks of their own would be begun in any order.
            let mut brought = Box::pin(async move { messaging.on_receipt(receipt(from, &id, state)).await });
            match futures_util::poll!(&mut brought) {
                std::task::Poll::Ready(done) => done.unwrap(),
                std::task::Poll::Pending => drop(receipts.spawn(brought)),
            }
        }
        // So that each is handed in before the next, and some in a batch of their own.
        if at.is_multiple_of(2) {
            tokio::time::sleep(Duration::from_millis(3)).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
    for done in receipts.join_all().await {
        done.unwrap();
    }
    let ends: Vec<State> = (1..=case.parts).map(|part| case.end(part)).collect();
    let message = house.get(id).await;
    for part in &message.parts {
        let part_end = ends[part.part as usize - 1];
        assert_eq!(part.state, part_end, "part {} of case {at}: {case:?}\n{:#?}", part.part, message.history);
    }
    let state = message.summary.state;
    if ends.iter().all(|end| *end == State::Delivered) {
        assert_eq!(state, State::Delivered, "case {at}: {case:?}\n{:#?}", message.history);
    } else {
        assert!(state.is_failure() && ends.contains(&state), "case {at} is {state}: {case:?}\n{:#?}", message.history);
    }
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &MIGRATIONS];

    async fn f_15_any_order_of_answer_and_receipts_ends_in_one_right_state(db: Db) {
        let count = match db.dialect() {
            Dialect::Sqlite => 160,
            Dialect::Postgres => 24,
        };
        let mut house = House::new(&db, &["gated"]).await;
        let carrier = Arc::new(Gated { link: Some(watch::Sender::new(LinkState::Up)), ..Gated::default() });
        house.messaging.attach(Arc::clone(&carrier) as Arc<dyn Carrier>);
        // A message of another workspace is out by another carrier all the while.
        house.attach(Fake::new("other"));
        house.workspace = workspace_id(2);
        db.write(|tx| tx.execute("UPDATE routes SET carriers = '[\"other\"]' WHERE workspace = $1", &store::params![workspace_id(2)])).await.unwrap();
        house.messaging.stop().await;
        house.messaging = Messaging::start(db.clone(), house.vault.clone(), &RoutesKind::new()).await.unwrap();
        house.messaging.attach(Arc::clone(&carrier) as Arc<dyn Carrier>);
        house.attach(Fake::new("other"));
        let bystander = house.send(17, "of another").await;
        house.until(bystander, State::Sent).await;
        house.workspace = workspace_id(1);

        let mut runner = TestRunner::deterministic();
        let cases: Vec<Case> = (0..count).map(|_| cases().new_tree(&mut runner).unwrap().current()).collect();
        let plays = cases.into_iter().enumerate().map(|(at, case)| play(&house, &carrier, at, case));
        futures_util::future::join_all(plays).await;

        // What was foreign or nobody's is kept and counted, and nothing else is.
        assert_eq!(house.count("SELECT COUNT(*) FROM stray_receipts").await, 2 * count);
        house.workspace = workspace_id(2);
        assert_eq!(house.state(bystander).await, State::Sent);
        assert_eq!(house.get(bystander).await.notes.len(), 0);
        house.messaging.stop().await;
    }
}
