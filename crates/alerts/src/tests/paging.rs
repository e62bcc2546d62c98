//! Who is paged when, and what the timeline says about it.

use std::sync::Arc;

use base::ManualClock;
use store::Db;

use super::{ADA, CEM, ELI, House, ROOMS};
use crate::types::{Answer, Priority, State};
use crate::views::{Knot, StepState};

testdb::both_databases! {
    migrations = [ROOMS[0], ROOMS[1], ROOMS[2], ROOMS[3], ROOMS[4], ROOMS[5], &crate::MIGRATIONS];

    /// E-20: the first person is paged in the transaction that opens the alert, the next after the delay, all of them again
    /// after the pause, and in the end the timeline says that nobody answered.
    async fn e_20_a_group_is_gone_through_until_nobody_is_left(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::High, "db-1: disk is 91 % full").await;
        assert_eq!(house.texts().await, ["101: HIGH db-1: disk is 91 % full. Answer 1 = acknowledge, 2 = pass on, 3 = resolve."]);
        let now = house.get(alert).await;
        assert_eq!((now.state, now.next_person.as_deref(), now.name()), (State::Open, Some(CEM.0), "A-1".to_owned()));
        assert_eq!(now.next_page.unwrap().since(now.opened).as_secs(), 120);

        house.wait(90).await;
        assert!(house.texts().await.is_empty(), "nobody before the time");
        house.wait(30).await;
        assert_eq!(house.texts().await.len(), 1);
        house.wait(300).await;
        assert!(house.texts().await[0].starts_with("101: HIGH"), "the second round begins with Ada Sample");
        house.wait(420).await;
        assert!(house.texts().await[0].starts_with("102: HIGH"));
        let end = house.get(alert).await;
        assert!(end.unanswered && end.next_page.is_none() && end.state == State::Open);
        let lines = house.headlines(alert).await;
        let kept: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.contains("went out")).collect();
        assert_eq!(kept, [
            "Alert A-1 opened, high.",
            "Ada Sample is paged by SMS.",
            "Cem Sample is paged by SMS.",
            "Group “Database” is paged again: round 2 of 2.",
            "Ada Sample is paged by SMS.",
            "Cem Sample is paged by SMS.",
            "Nobody answered.",
        ]);
        assert_eq!(house.alerts.counts(house.read()).await.unwrap().unanswered, 1);
        house.end().await;
    }

    /// E-20: a timer that was due while the machine was off does its work late, says so, and pages nobody twice.
    async fn e_20_late_timers_fire_late_not_never(db: Db, clock: Arc<ManualClock>) {
        let mut house = House::new(db, clock).await;
        let alert = house.open(Priority::Critical, "db-1 is down").await;
        house.texts().await;
        house.restarted();
        house.jump(3_600).await;
        let texts = house.texts().await;
        assert_eq!(texts.len(), 1, "an hour late, Cem Sample is paged, once: {texts:?}");
        assert!(texts[0].starts_with("102: CRITICAL"));
        let timeline = house.alerts.timeline(house.read(), alert).await.unwrap();
        let paged = timeline.iter().find(|entry| entry.headline.starts_with("Cem")).unwrap();
        assert_eq!(paged.why, ["It was due 58 min ago: late, because nothing ran here in between."]);
        assert_eq!(house.get(alert).await.next_page, None, "the next thing is the end of the round, after its full pause");
        house.end().await;
    }

    /// A lost timer (its job was given up, or a backup restored) is found by the look each minute.
    async fn a_lost_timer_is_found(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        house.open(Priority::High, "Trouble").await;
        house.texts().await;
        house.db.write(|tx| tx.execute("DELETE FROM jobs WHERE kind = 'alerts.escalate'", &[])).await.unwrap();
        house.wait(300).await;
        assert_eq!(house.texts().await.len(), 1, "Cem Sample is paged after all");
        house.end().await;
    }

    /// Whoever cannot be reached is named with the reason, and nobody waits for them.
    async fn a_person_without_a_phone_is_skipped_with_the_reason(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        house.person(0, ADA.0, None).await;
        let alert = house.open(Priority::High, "Trouble").await;
        assert!(house.texts().await[0].starts_with("102: HIGH Trouble."));
        let chain = house.chain(alert).await;
        assert_eq!(chain.rows[0].state, StepState::Skipped);
        assert_eq!(chain.rows[0].notified.knot, Knot::Skipped);
        assert_eq!(
            chain.rows[0].reason.as_deref(),
            Some("Ada Sample was not paged: no phone number is stored; add one under People.")
        );
        assert_eq!(house.headlines(alert).await[1], "Ada Sample was not paged.");
        house.end().await;
    }

    /// An alert that nobody can be paged for opens all the same and says so in red; a fallback or the group “default" helps.
    async fn an_unknown_or_empty_group_explains_itself(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let mut new = house.new_alert(Priority::Critical, "Trouble");
        new.group = "Nope".into();
        let alert = house.try_open(new.clone()).await.unwrap().id;
        assert!(house.texts().await.is_empty());
        let timeline = house.alerts.timeline(house.read(), alert).await.unwrap();
        assert!(timeline[0].alarming && timeline[0].headline == "Nobody is paged.", "{timeline:?}");
        assert_eq!(house.get(alert).await.state, State::Open);

        house.group(house.demo, "default", &[(ELI, 0)], 0).await;
        let alert = house.try_open(new).await.unwrap().id;
        assert!(house.texts().await[0].starts_with("103: CRITICAL Trouble."));
        assert_eq!(house.headlines(alert).await[1], "Group “Nope” pages nobody.");

        let mut empty = house.new_alert(Priority::Low, "Trouble");
        empty.group = "Empty".into();
        house.define(house.demo, oncall::Definition {
            supervisors: Vec::new(),
            name: "Empty".into(), description: None, members: Vec::new(), repeat: oncall::Repeat::default(), fallback: Some("Database".into()),
        }).await;
        house.try_open(empty).await.unwrap();
        assert!(house.texts().await[0].starts_with("101: LOW Trouble."), "the fallback goes before the default group");
        house.end().await;
    }

    /// Receipts move the chain on; one that says "undeliverable" pages the next person at once.
    async fn an_undeliverable_page_moves_on_at_once(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::High, "Trouble").await;
        house.texts().await;
        house.settled().await;
        let chain = house.chain(alert).await;
        assert_eq!((chain.rows[0].message.knot, chain.rows[0].message.sent, chain.rows[0].receipt.knot), (Knot::Done, 1, Knot::Now));
        house.receipt(alert, 0, messaging::State::Undelivered).await;
        assert!(house.texts().await[0].starts_with("102: HIGH"), "long before its time");
        house.settled().await;
        let chain = house.chain(alert).await;
        assert_eq!((chain.rows[0].state, chain.rows[0].receipt.knot), (StepState::Failed, Knot::Failed));
        let timeline = house.alerts.timeline(house.read(), alert).await.unwrap();
        let paged = timeline.iter().find(|entry| entry.headline.starts_with("Cem Sample is paged")).unwrap();
        assert_eq!(paged.why[0], "At once, because the page did not reach Ada Sample.");
        // The same and contradicting events again change nothing (F-15).
        let lines = timeline.len();
        house.receipt(alert, 0, messaging::State::Undelivered).await;
        house.receipt(alert, 0, messaging::State::Delivered).await;
        assert_eq!(house.alerts.timeline(house.read(), alert).await.unwrap().len(), lines);
        house.receipt(alert, 1, messaging::State::Delivered).await;
        assert_eq!(house.chain(alert).await.rows[1].state, StepState::Delivered);
        assert!(house.texts().await.is_empty());
        house.end().await;
    }

    /// What an alert says and what happened to it is sealed on disk (E-11): no table holds it readably.
    async fn texts_and_timelines_are_sealed(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::Critical, "Replication lag on db-1").await;
        house.answer(0, ADA.0, alert, Answer::Resolve { note: Some("Restarted the replica".into()) }).await.unwrap();
        let stored: Vec<String> = house.db.read(|tx| tx.query(
            "SELECT content || COALESCE(note, '') AS text FROM alerts UNION ALL SELECT data FROM alert_lines
             UNION ALL SELECT COALESCE(code, '') FROM answer_slots", &[], |row| row.get("text"))).await.unwrap();
        assert!(stored.len() >= 5);
        for text in stored {
            assert!(text.starts_with("v1."), "{text}");
        }
        let alert = house.get(alert).await;
        assert_eq!((alert.title.as_str(), alert.note.as_deref()), ("Replication lag on db-1", Some("Restarted the replica")));
        house.end().await;
    }
}
