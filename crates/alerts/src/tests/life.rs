//! Answers in the console: who has it, who is next, what the others hear.

use std::sync::Arc;

use access::Permit;
use base::{ManualClock, PageRequest};
use store::Db;

use super::{ADA, CEM, ELI, House, ROOMS};
use crate::Error;
use crate::types::{Answer, Filter, Outcome, Priority, State, Via};
use crate::views::Knot;

testdb::both_databases! {
    migrations = [ROOMS[0], ROOMS[1], ROOMS[2], ROOMS[3], ROOMS[4], ROOMS[5], &crate::MIGRATIONS];

    /// E-20: once somebody has it, nobody else is paged; those who were are told; it is all in the audit log.
    async fn e_20_an_acknowledged_alert_pages_nobody_else(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::Critical, "db-1 is down").await;
        house.wait(120).await;
        house.texts().await;
        let done = house.answer(0, ADA.0, alert, Answer::Acknowledge).await.unwrap();
        assert_eq!((done.state, done.outcome), (State::Acknowledged, Outcome::Acknowledged));
        assert_eq!(house.texts().await, ["102: A-1 is Ada Sample's now: db-1 is down. You need not answer."]);
        house.wait(1_200).await;
        assert!(house.texts().await.is_empty());
        let now = house.get(alert).await;
        let by = now.acknowledged_by.unwrap();
        assert_eq!((by.name.as_str(), by.via, now.next_page), (ADA.0, Via::Console, None));
        let chain = house.chain(alert).await;
        assert_eq!((chain.rows[0].answer.knot, chain.rows[0].answer.words.as_deref()), (Knot::Done, Some("acknowledge, in the console")));
        assert_eq!(chain.rows[1].answer.knot, Knot::Skipped);
        assert_eq!(house.audited().await, ["alert.open by engine (internal): success", "alert.acknowledge by user (password): success"]);

        let twice = house.answer(0, ADA.0, alert, Answer::Acknowledge).await.unwrap();
        assert_eq!(twice.outcome, Outcome::AlreadyYours);
        let late = house.answer(1, CEM.0, alert, Answer::Acknowledge).await;
        assert!(matches!(late, Err(Error::Taken { by }) if by == ADA.0));
        house.end().await;
    }

    /// E-20: two people at the same instant: one has it, the other is told whose it is.
    async fn e_20_of_two_answers_at_once_one_counts(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::High, "Trouble").await;
        let (one, other) = tokio::join!(
            house.answer(0, ADA.0, alert, Answer::Acknowledge),
            house.answer(1, CEM.0, alert, Answer::Acknowledge)
        );
        assert_eq!([one.is_ok(), other.is_ok()].iter().filter(|ok| **ok).count(), 1);
        house.end().await;
    }

    /// Passing on pages the next person at once and keeps the delays after that; with nobody left it says so.
    async fn passing_on_pages_the_next_person_at_once(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        house.group(house.demo, "Database", &[(ADA, 0), (CEM, 120), (ELI, 180)], 0).await;
        let alert = house.open(Priority::High, "Trouble").await;
        house.wait(30).await;
        house.texts().await;
        let done = house.answer(0, ADA.0, alert, Answer::PassOn).await.unwrap();
        assert_eq!(done.outcome, Outcome::PassedOn { next: Some(CEM.0.into()) });
        assert!(house.texts().await[0].starts_with("102: HIGH Trouble."));
        assert_eq!(house.get(alert).await.next_person.as_deref(), Some(ELI.0));
        house.wait(180).await;
        assert!(house.texts().await[0].starts_with("103: HIGH"), "three minutes after Cem Sample, as planned");
        let done = house.answer(2, ELI.0, alert, Answer::PassOn).await.unwrap();
        assert_eq!((done.outcome, done.state), (Outcome::PassedOn { next: None }, State::Open));
        assert!(house.texts().await.is_empty());
        house.end().await;
    }

    /// Whoever has it can pass it on later: it is open again, and the next round does not start with the same person.
    async fn a_taken_alert_can_be_passed_on_and_does_not_come_back_at_once(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        house.group(house.demo, "Database", &[(ADA, 0)], 3).await;
        house.group(house.demo, "Two", &[(ADA, 0), (CEM, 60)], 3).await;
        let lonely = house.open(Priority::High, "Trouble").await;
        house.answer(0, ADA.0, lonely, Answer::Acknowledge).await.unwrap();
        let done = house.answer(0, ADA.0, lonely, Answer::PassOn).await.unwrap();
        assert_eq!(done.outcome, Outcome::PassedOn { next: None }, "Ada Sample is alone in this group");
        house.texts().await;
        house.wait(300).await;
        assert!(house.texts().await[0].starts_with("101:"), "but the next round asks her again");

        let mut new = house.new_alert(Priority::High, "Trouble");
        new.group = "Two".into();
        let alert = house.try_open(new).await.unwrap().id;
        house.wait(60).await;
        house.texts().await;
        let done = house.answer(0, ADA.0, alert, Answer::PassOn).await.unwrap();
        assert_eq!(done.outcome, Outcome::PassedOn { next: Some(CEM.0.into()) }, "a second round, without Ada Sample first");
        assert!(house.texts().await[0].starts_with("102:"));
        house.end().await;
    }

    /// An answer can be taken back for five minutes: paging goes on where it stopped, overdue pages at once.
    async fn an_undone_answer_resumes_the_escalation(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::High, "Trouble").await;
        house.answer(0, ADA.0, alert, Answer::Acknowledge).await.unwrap();
        house.wait(180).await;
        house.texts().await;
        let done = house.answer(0, ADA.0, alert, Answer::Undo).await.unwrap();
        assert_eq!(done.outcome, Outcome::Undone { next: Some(CEM.0.into()) });
        assert!(house.texts().await[0].starts_with("102: HIGH Trouble."), "he was due a minute ago");
        assert!(matches!(house.answer(0, ADA.0, alert, Answer::Undo).await, Err(Error::NothingToUndo)));

        house.answer(1, CEM.0, alert, Answer::Resolve { note: None }).await.unwrap();
        assert_eq!(house.texts().await, ["101: A-1 resolved by Cem Sample: Trouble."]);
        house.answer(1, CEM.0, alert, Answer::Undo).await.unwrap();
        assert_eq!(house.get(alert).await.state, State::Open);
        assert_eq!(house.texts().await, ["101: A-1 is open again, Cem Sample took the answer back: Trouble."]);
        house.wait(300).await;
        assert!(house.texts().await[0].starts_with("101: HIGH"), "the next round comes");
        house.answer(1, CEM.0, alert, Answer::Acknowledge).await.unwrap();
        house.wait(301).await;
        assert!(matches!(house.answer(1, CEM.0, alert, Answer::Undo).await, Err(Error::TooLateToUndo)));
        house.end().await;
    }

    /// A resolved alert whose key lives in a newer one cannot be reopened.
    async fn an_alert_that_was_replaced_is_not_reopened(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let mut new = house.new_alert(Priority::High, "Trouble");
        new.key = Some("k".into());
        let alert = house.try_open(new.clone()).await.unwrap().id;
        house.answer(0, ADA.0, alert, Answer::Resolve { note: None }).await.unwrap();
        house.try_open(new).await.unwrap();
        assert!(matches!(house.answer(0, ADA.0, alert, Answer::Undo).await, Err(Error::Replaced { by }) if by == "A-2"));
        house.end().await;
    }

    /// E-17: an alert of another workspace is not there for whoever has no right in it; lists are paged, newest first.
    async fn e_17_workspaces_do_not_see_each_other(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        for number in 0..5 {
            house.open(Priority::High, &format!("Trouble {number}")).await;
        }
        let alert = house.open(Priority::Low, "Last").await;
        let elsewhere = || Permit::engine(access::Engine("test"), house.other);
        assert!(house.alerts.get(elsewhere(), alert).await.unwrap().is_none());
        assert!(house.alerts.by_number(elsewhere(), 1).await.unwrap().is_none());
        assert!(house.alerts.chain(elsewhere(), alert).await.unwrap().is_none());
        assert!(matches!(house.alerts.timeline(elsewhere(), alert).await, Err(Error::NotFound)));
        let crossed = house.alerts.answer(Permit::engine(access::Engine("test"), house.other), alert, Answer::Acknowledge).await;
        assert!(matches!(crossed, Err(Error::NotFound)));

        let list = async |filter: Filter, after| {
            let page = house.alerts.list(house.read(), filter, PageRequest::new(4, after)).await.unwrap();
            (page.items.iter().map(|alert| alert.number).collect::<Vec<_>>(), page.next)
        };
        let (first, next) = list(Filter::default(), None).await;
        assert_eq!(first, [6, 5, 4, 3]);
        assert_eq!(list(Filter::default(), next).await, (vec![2, 1], None));
        house.answer(0, ADA.0, alert, Answer::Resolve { note: None }).await.unwrap();
        let done = Filter { states: vec![State::Resolved], ..Filter::default() };
        assert_eq!(list(done, None).await.0, [6]);
        let signal = house.get(alert).await.signal;
        assert_eq!(list(Filter { signal, ..Filter::default() }, None).await.0, [6]);
        let counts = house.alerts.counts(house.read()).await.unwrap();
        assert_eq!((counts.open, counts.open_critical, counts.acknowledged), (5, 0, 0));
        house.end().await;
    }
}
