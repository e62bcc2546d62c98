//! Answers by text message, as the product-specific threats want them.

use std::sync::Arc;

use ::sms::{Coding, ReceiptState, ShortMessage, Udh};
use base::ManualClock;
use messaging::{Deliveries as _, Inbound, Receipt};
use store::Db;

use super::{ADA, CEM, House, ROOMS, SENDER, code_of, user};
use crate::types::{Answer, NewAlert, Priority, State, Via};
use crate::views::{Knot, StepState};

testdb::both_databases! {
    migrations = [ROOMS[0], ROOMS[1], ROOMS[2], ROOMS[3], ROOMS[4], ROOMS[5], &crate::MIGRATIONS];

    /// E-20: the whole way of a critical alert's answer: digit and code, confirmed, in the timeline, once.
    async fn e_20_a_critical_alert_is_answered_by_digit_and_code(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::Critical, "db-1: replication lag 42 s").await;
        let text = house.texts().await.remove(0);
        let code = code_of(&text);
        assert_eq!(text, format!("101: CRITICAL db-1: replication lag 42 s. Answer 1 {code} = acknowledge, 2 {code} = pass on."));

        house.text(ADA.1, "1").await;
        assert_eq!(house.get(alert).await.state, State::Open);
        assert_eq!(house.last_reply().await, "not bound: the alert is critical and the text lacks the page's code");
        assert_eq!(house.texts().await, [format!("101: Not understood. A-1: answer 1 {code} = acknowledge, 2 {code} = pass on.")]);

        let inbound = house.text(ADA.1, &format!(" 1{} ", code.to_lowercase())).await;
        let now = house.get(alert).await;
        let by = now.acknowledged_by.clone().unwrap();
        assert_eq!((now.state, by.user, by.via), (State::Acknowledged, Some(user(0)), Via::Sms));
        assert_eq!(house.last_reply().await, "bound to A-1: acknowledge");
        assert_eq!(
            house.texts().await,
            [format!("101: A-1 is yours: db-1: replication lag 42 s. Answer UNDO {code} within 5 min to give it back.")]
        );
        let timeline = house.alerts.timeline(house.read(), alert).await.unwrap();
        let line = timeline.iter().find(|entry| entry.kind == "alert.acknowledged").unwrap();
        assert_eq!(line.headline, "Ada Sample has it.");
        assert_eq!(line.detail.as_deref().unwrap(), format!("Acknowledged by SMS: “1 {code}” from +44 77•• ••• 101. Nobody else is paged."));
        assert!(house.audited().await.contains(&"alert.acknowledge by user (handset): success".to_owned()));

        // Events come at least once, carriers deliver twice: nothing happens again.
        house.again(inbound, "simulated", SENDER, ADA.1, &format!("1 {code}")).await;
        assert!(house.texts().await.is_empty());
        house.text(ADA.1, &format!("1 {code}")).await;
        assert_eq!(house.texts().await, ["101: A-1 is yours already: db-1: replication lag 42 s."]);

        house.text(ADA.1, &format!("undo {code}")).await;
        assert_eq!(house.get(alert).await.state, State::Open);
        assert_eq!(house.texts().await, ["101: A-1 is open again. Next: Cem Sample."]);
        house.end().await;
    }

    /// E-20: SMS does not resolve a critical alert; a person is told where to.
    async fn e_20_a_text_does_not_resolve_a_critical_alert(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::Critical, "db-1 is down").await;
        let code = code_of(&house.texts().await[0]);
        for text in [format!("3 {code}"), format!("resolve {code}")] {
            house.text(ADA.1, &text).await;
            assert_eq!(house.get(alert).await.state, State::Open);
            assert_eq!(house.texts().await, ["101: A-1 is critical, and a text does not resolve it. Resolve it in the console."]);
        }
        assert!(house.audited().await.contains(&"alert.answer by user (handset): denied".to_owned()));
        house.end().await;
    }

    /// E-20: a stranger's reply, another carrier, another sender, a wrong code, a digit of nothing: nothing changes, all of
    /// it is recorded, only a known phone is helped, and not more than three times an hour.
    async fn e_20_what_does_not_fit_exactly_changes_nothing(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::Critical, "db-1 is down").await;
        let code = code_of(&house.texts().await[0]);
        let answer = format!("1 {code}");

        house.text("+447700900177", &answer).await;
        assert_eq!(house.last_reply().await, "not bound: no page on this phone waits for an answer; the phone is nobody’s here");
        house.text(CEM.1, &answer).await;
        assert_eq!(house.last_reply().await, "not bound: no page on this phone waits for an answer", "Cem Sample was not paged yet");
        assert_eq!(house.texts().await, ["102: Not understood. No alert waits for your answer."], "and the stranger hears nothing");

        house.text_over("carrier-b", SENDER, ADA.1, &answer).await;
        assert_eq!(house.last_reply().await, "not bound: the page went out over another carrier or from another sender");
        house.text_over("simulated", "447700900198", ADA.1, &answer).await;
        house.text(ADA.1, "1 CCC").await;
        assert_eq!(house.last_reply().await, "not bound: the code is not the page's");
        house.text(ADA.1, "9").await;
        assert_eq!(house.last_reply().await, "not bound: no open page on this phone has this digit");
        house.text(ADA.1, "2 people are on it").await;
        assert_eq!(house.texts().await.len(), 3, "three helpful texts an hour, then silence");
        assert_eq!(house.get(alert).await.state, State::Open);
        // The three that nearly fitted are detections.
        let headlines = house.headlines(alert).await;
        let kept: Vec<_> = headlines.iter().filter(|line| line.contains("nothing changed")).collect();
        assert_eq!(kept.len(), 3, "{headlines:?}");
        assert_eq!(house.audited().await.iter().filter(|line| line.ends_with("denied")).count(), 3);

        house.wait(3_700).await;
        house.texts().await;
        house.text(ADA.1, "hello").await;
        assert_eq!(house.texts().await.len(), 1, "an hour later help comes again");
        house.text(ADA.1, &answer).await;
        assert_eq!(house.get(alert).await.state, State::Acknowledged, "and the right answer still counts");
        house.end().await;
    }

    /// E-20: nobody tries all codes: after twenty wrong ones in an hour none is compared any more.
    async fn e_20_codes_cannot_be_tried_out(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::Critical, "db-1 is down").await;
        let code = code_of(&house.texts().await[0]);
        for _ in 0..20 {
            house.text(ADA.1, "1 CCC").await;
        }
        house.text(ADA.1, &format!("1 {code}")).await;
        assert_eq!(house.get(alert).await.state, State::Open);
        assert!(house.last_reply().await.starts_with("not bound: too many wrong codes"));
        house.wait(3_700).await;
        house.text(ADA.1, &format!("1 {code}")).await;
        assert_eq!(house.get(alert).await.state, State::Acknowledged);
        house.end().await;
    }

    /// E-20: several alerts on one phone, over all workspaces, each with digits of its own; freed only after 72 hours.
    async fn e_20_several_alerts_on_one_phone_keep_apart(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        house.group(house.other, "Database", &[(ADA, 0)], 0).await;
        let first = house.open(Priority::High, "First").await;
        let second = house.open(Priority::Low, "Second").await;
        let foreign = NewAlert { workspace: house.other, ..house.new_alert(Priority::High, "Third") };
        house.try_open(foreign).await.unwrap();
        assert_eq!(house.texts().await, [
            "101: HIGH First. Answer 1 = acknowledge, 2 = pass on, 3 = resolve.",
            "101: LOW Second. Answer 4 = acknowledge, 5 = pass on, 6 = resolve.",
            "101: HIGH Third. Answer 7 = acknowledge, 8 = pass on, 9 = resolve.",
        ]);
        house.text(ADA.1, "4").await;
        assert_eq!((house.get(first).await.state, house.get(second).await.state), (State::Open, State::Acknowledged));
        assert_eq!(house.texts().await, ["101: A-2 is yours: Second. Answer UNDO 4 within 5 min to give it back."]);
        house.text(ADA.1, "3").await;
        assert_eq!(house.get(first).await.state, State::Resolved);
        assert_eq!(house.texts().await, ["101: A-1 resolved: First. Answer UNDO 1 within 5 min to open it again."]);
        house.text(ADA.1, "ack").await;
        assert!(house.last_reply().await.contains("several pages wait"), "words alone are not guessed at");
        house.texts().await;

        // A closed page keeps its digits while an old text could still be answered by mistake …
        house.open(Priority::High, "Fourth").await;
        assert!(house.texts().await[0].contains("Answer 10 = acknowledge, 11 = pass on, 12 = resolve."));
        house.text(ADA.1, "1").await;
        assert_eq!(house.last_reply().await, "refused: A-1 was resolved by Ada Sample 0 s ago. Nothing changed.");
        // … and gives them back after 72 hours.
        house.wait(1_000).await;
        house.jump(73 * 3_600).await;
        house.texts().await;
        house.open(Priority::High, "Fifth").await;
        let last = house.texts().await;
        assert!(last.iter().any(|text| text.contains("HIGH Fifth. Answer 1 = acknowledge")), "{last:?}");
        house.end().await;
    }

    /// E-20: transactions that page one phone at the same instant never give the same digits, and none of them is lost.
    async fn e_20_digits_stay_apart_when_many_page_at_once(db: Db, clock: Arc<ManualClock>) {
        let house = Arc::new(House::new(db, clock).await);
        let tasks: Vec<_> = (0..12).map(|number| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.open(Priority::High, &format!("Trouble {number}")).await })
        }).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let texts = house.texts().await;
        let mut digits: Vec<u32> = texts
            .iter()
            .map(|text| text.split("Answer ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap())
            .collect();
        digits.sort_unstable();
        assert_eq!(digits, (0..12).map(|block| block * 3 + 1).collect::<Vec<_>>());
        house.messaging.stop().await;
    }

    /// E-20: a late answer hears whose it is; passing on by text pages the next person; resolving tells everybody.
    async fn e_20_late_answers_and_passing_on_by_text(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::High, "Trouble").await;
        house.texts().await;
        house.text(ADA.1, "pass on").await;
        assert_eq!(house.texts().await, [
            "102: HIGH Trouble. Answer 1 = acknowledge, 2 = pass on, 3 = resolve.",
            "101: A-1 passed on to Cem Sample.",
        ]);
        house.text(CEM.1, "1").await;
        assert_eq!(
            house.texts().await,
            ["102: A-1 is yours: Trouble. Answer UNDO 1 within 5 min to give it back."],
            "Ada Sample has answered and is left in peace"
        );
        house.clock.advance(std::time::Duration::from_mins(2));
        for late in ["1", "2", "3"] {
            house.text(ADA.1, late).await;
            assert_eq!(house.texts().await, ["101: A-1 is Cem Sample's already, for 2 min. Nothing changed."]);
        }
        house.text(CEM.1, "Resolved!").await;
        assert_eq!(house.texts().await, [
            "101: A-1 resolved by Cem Sample: Trouble.",
            "102: A-1 resolved: Trouble. Answer UNDO 1 within 5 min to open it again.",
        ]);
        house.text(CEM.1, "undo").await;
        assert_eq!(house.get(alert).await.state, State::Open);
        house.end().await;
    }

    /// E-20: a phone that changed hands answers nothing: the reply must come from the device of the person who was paged.
    async fn e_20_a_number_that_was_given_up_answers_nothing(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::High, "Trouble").await;
        house.person(0, ADA.0, Some("+447700900111")).await;
        house.text(ADA.1, "1").await;
        assert_eq!(house.get(alert).await.state, State::Open);
        assert_eq!(house.last_reply().await, "not bound: this phone is no longer the device of the person who was paged");
        house.end().await;
    }

    /// E-31, E-20: the same over the rooms below: the carrier takes the page, its receipt moves the chain, a text that the
    /// carrier brings is bound by the events of `messaging`.
    async fn e_31_the_whole_way_over_messaging(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::Critical, "db-1 is down").await;
        let code = code_of(&house.texts().await[0]);
        house.settled().await;
        house.messaging.on_receipt(Receipt {
            carrier: "simulated".into(),
            carrier_ref: "1".to_owned(),
            state: ReceiptState::Delivered,
            error: None,
            done_at: None,
            network: None,
        }).await.unwrap();
        house.settled().await;
        let row = house.chain(alert).await.rows.remove(0);
        assert_eq!((row.state, row.message.knot, row.receipt.knot, row.answer.knot), (StepState::Delivered, Knot::Done, Knot::Done, Knot::Waiting));
        assert_eq!((row.message.sent, row.message.total, row.message.carrier.as_deref()), (1, 1, Some("simulated")));

        let message = ShortMessage { coding: Coding::Gsm7, udh: Udh::default(), payload: format!("1 {code}").into_bytes() };
        let (from, to) = (ADA.1.trim_start_matches('+').to_owned(), SENDER.to_owned());
        house.messaging.on_inbound(Inbound { carrier: "simulated".into(), from, to, message }).await.unwrap();
        house.settled().await;
        assert_eq!(house.get(alert).await.state, State::Acknowledged);
        let row = house.chain(alert).await.rows.remove(0);
        assert_eq!((row.state, row.answer.knot), (StepState::Answered, Knot::Done));
        assert_eq!(row.answer.words, Some(format!("“1 {code}” acknowledge")));
        assert_eq!(house.headlines(alert).await, [
            "Alert A-1 opened, critical.",
            "Ada Sample is paged by SMS.",
            "The page for Ada Sample went out.",
            "Delivered to Ada Sample’s phone.",
            "Ada Sample has it.",
        ]);
        house.end().await;
    }

    /// A page repeated in the next round keeps its digits and its code, so that either text can be answered.
    async fn a_repeated_page_keeps_its_digits_and_code(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock).await;
        let alert = house.open(Priority::Critical, "db-1 is down").await;
        let first = code_of(&house.texts().await[0]);
        house.wait(420).await;
        let texts = house.texts().await;
        let again = texts.iter().rfind(|text| text.starts_with("101: CRITICAL")).unwrap();
        assert_eq!(code_of(again), first);
        assert!(again.contains("Answer 1 "));
        house.text(ADA.1, &format!("1 {first}")).await;
        assert_eq!(house.get(alert).await.state, State::Acknowledged);
        house.answer(0, ADA.0, alert, Answer::Resolve { note: None }).await.unwrap();
        house.end().await;
    }
}
