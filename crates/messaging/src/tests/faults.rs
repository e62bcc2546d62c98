//! The faults that messages must survive (F-12 to F-15 and crashes).

use std::sync::atomic::Ordering;
use std::time::Duration;

use access::cap;
use sms::ReceiptState;
use store::{Db, params};

use super::house::{Answer, Fake, House, eventually, number, receipt};
use crate::*;

const SOON: Answer = Answer::Silence(Duration::from_millis(100));

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &MIGRATIONS];

    /// F-12: the carrier drops after k of n in the window: k are sent, the others in doubt; by policy held, shown, and
    /// nobody's until a person decides.
    async fn f_12_what_was_out_when_the_carrier_dropped_is_held_and_shown(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").window(8).then([Answer::Take, Answer::Take, Answer::Take, SOON, SOON]));
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(house.send(n, "bulk").await);
        }
        house.until_count("SELECT COUNT(*) FROM messages WHERE state IN (2, 3)", 5).await;
        assert_eq!(house.count("SELECT COUNT(*) FROM messages WHERE state = 2").await, 3);
        let mut held = Vec::new();
        for id in ids {
            if house.state(id).await == State::Unknown {
                held.push(id);
            }
        }
        assert_eq!((held.len(), carrier.seen().len()), (2, 3));
        let shown = house.get(held[0]).await;
        assert_eq!(shown.summary.unknown_outcomes, 1);
        let note = &shown.notes[0];
        assert_eq!(note.kind, "unknown_outcome");
        assert!(note.text.contains("it is held, as the carrier's setting says"), "{}", note.text);
        assert!(shown.history.iter().any(|step| step.kind == "unknown_outcome"));

        // Counted, and found by state and carrier.
        let (messaging, permit) = (house.messaging.clone(), house.permit::<cap::MessagesRead>());
        let (figures, listed, elsewhere) = db.read(move |tx| {
            let of = |carrier: &str| Filter { states: vec![State::Unknown], carrier: Some(carrier.to_owned()), ..Filter::default() };
            let page = base::PageRequest::default();
            let listed = messaging.list(tx, &permit, &of("sim"), &page)?;
            Ok::<_, Error>((messaging.unknown(tx, &permit)?, listed, messaging.list(tx, &permit, &of("other"), &page)?))
        }).await.unwrap();
        assert_eq!((figures.len(), figures[0].carrier.as_str(), figures[0].messages), (1, "sim", 2));
        assert_eq!((listed.items.len(), elsewhere.items.len()), (2, 0));

        // A person decides: one again, one not.
        for (id, decide, state) in [(held[0], Decide::SendAgain, State::Queued), (held[1], Decide::GiveUp, State::Failed)] {
            assert_eq!(house.decide(id, decide, "the carrier\nsays so").await.unwrap(), state);
        }
        let sent = house.until(held[0], State::Sent).await;
        assert!(sent.history.iter().any(|step| step.text.contains("decided to send it again: the carriersays so")), "{:#?}", sent.history);
        assert!(matches!(house.decide(held[0], Decide::SendAgain, "").await, Err(Error::NothingToDecide(_))));
        assert_eq!(house.count("SELECT COUNT(*) FROM audit_entries WHERE action = 'message.decide'").await, 2);
        assert_eq!(house.count("SELECT COUNT(*) FROM messages WHERE state = 3").await, 0);
        house.messaging.stop().await;
    }

    /// A person who learned that the carrier has it says so: one part is sent then, a long one goes on with its next part.
    async fn f_12_what_the_carrier_has_is_taken_for_sent(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").then([SOON, Answer::Take, SOON]));
        let single = house.send(17, "x").await;
        house.until(single, State::Unknown).await;
        let long = house.send(18, &"a".repeat(400)).await;
        house.until(long, State::Unknown).await;
        assert_eq!(house.decide(single, Decide::Sent, "").await.unwrap(), State::Sent);
        assert!(house.get(single).await.summary.submitted_at.is_some());
        assert_eq!(house.decide(long, Decide::Sent, "seen in its log").await.unwrap(), State::Queued);
        house.until(long, State::Sent).await;
        let parts: Vec<_> = carrier.seen().iter().map(|(_, part)| part.concat.unwrap().sequence).collect();
        assert_eq!(parts, [1, 3], "the part in doubt is not sent twice");
        house.messaging.stop().await;
    }

    /// F-12: alerts are always sent again; other messages where the carrier's setting says so.
    async fn f_12_alerts_are_sent_again_whatever_the_setting(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").then([SOON]));
        let page = house.page(17, "page").await;
        let sent = house.until(page, State::Sent).await;
        assert_eq!((sent.summary.unknown_outcomes, carrier.seen().len()), (1, 1));
        assert!(sent.notes[0].text.contains("it is sent again, because alerts always are"), "{:?}", sent.notes);
        let resending = house.attach(Fake::new("sim").resends().then([SOON]));
        let bulk = house.send(18, "bulk").await;
        let sent = house.until(bulk, State::Sent).await;
        assert!(sent.notes[0].text.contains("as the carrier's setting says"), "{:?}", sent.notes);
        assert_eq!((sent.summary.unknown_outcomes, resending.seen().len()), (1, 1));
        house.messaging.stop().await;
    }

    /// F-12 for a long message: what the carrier has is not sent again.
    async fn f_12_a_long_alert_goes_on_where_it_was_cut(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").then([Answer::Take, SOON]));
        let page = house.page(17, &"a".repeat(400)).await;
        let sent = house.until(page, State::Sent).await;
        let sequence: Vec<_> = carrier.seen().iter().map(|(_, part)| part.concat.unwrap().sequence).collect();
        assert_eq!(sequence, [1, 2, 3]);
        let doubt: Vec<_> = sent.parts.iter().map(|part| part.unknown_outcome).collect();
        assert_eq!(doubt, [false, true, false]);
        house.messaging.stop().await;
    }

    /// F-13: a carrier that takes and never answers: the window is freed, pages fail over within 15 s, and new messages
    /// go elsewhere while it is mute.
    async fn f_13_a_mute_carrier_is_left(db: Db) {
        let house = House::new(&db, &["mute", "good"]).await;
        house.attach(Fake::new("mute").otherwise(Answer::Silence(Duration::from_millis(300))));
        let good = house.attach(Fake::new("good"));
        let began = db.context().monotonic();
        let mut pages = Vec::new();
        for n in 0..4 {
            pages.push(house.page(n, "page").await);
        }
        for page in pages {
            let sent = house.until(page, State::Sent).await;
            assert_eq!((sent.summary.carrier.as_str(), sent.summary.unknown_outcomes), ("good", 1));
            assert!(sent.history.iter().any(|step| step.kind == "moved"), "{:#?}", sent.history);
        }
        assert!(db.context().monotonic().saturating_sub(began) < Duration::from_secs(15));
        let accepted = house.submit(New::text(number(9), "bulk")).await.unwrap();
        assert_eq!(accepted.carrier, "good", "a carrier that does not answer is passed over");
        house.until(accepted.id, State::Sent).await;
        assert_eq!(good.seen().len(), 5);
        house.messaging.stop().await;
    }

    /// Failover: what waits for a carrier that is down goes by the next one of the decision, and says why.
    async fn what_waits_for_a_carrier_that_is_down_goes_by_another(db: Db) {
        let house = House::new(&db, &["first"]).await;
        let first = house.attach(Fake::new("first").down("connection refused"));
        let page = house.page(17, "page").await;
        let waiting = house.get(page).await;
        assert_eq!(waiting.summary.state, State::Queued);
        assert!(waiting.history.iter().any(|step| step.text.contains("it waits for carrier first")), "{:#?}", waiting.history);
        // Another carrier joins the route, as an operator would make it.
        let workspace = house.workspace;
        db.write(move |tx| tx.execute("UPDATE routes SET carriers = '[\"first\",\"second\"]' WHERE workspace = $1", &params![workspace])).await.unwrap();
        let second = house.attach(Fake::new("second"));
        let sent = house.until(page, State::Sent).await;
        assert_eq!((first.seen().len(), second.seen().len()), (0, 1));
        let moved = sent.notes.iter().find(|note| note.kind == "moved").unwrap();
        assert!(moved.text.contains("first is down (connection refused); moved to second"), "{}", moved.text);
        house.messaging.stop().await;
    }

    /// F-14: no message fails because its carrier wants it slower.
    async fn f_14_no_message_fails_for_throttling(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").then(std::iter::repeat_n(Answer::Throttle, 12)));
        let mut ids = Vec::new();
        for n in 0..10 {
            ids.push(house.send(n, "bulk").await);
        }
        for id in ids {
            house.until(id, State::Sent).await;
        }
        assert_eq!(carrier.seen().len(), 10);
        assert_eq!(house.count("SELECT CAST(SUM(throttled) AS BIGINT) FROM messages").await, 12);
        house.messaging.stop().await;
    }

    /// F-15: a receipt that overtakes the answer to its submit is matched.
    async fn f_15_a_receipt_before_its_submit_is_answered(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim"));
        carrier.receipts_before_answers(&house.messaging);
        let id = house.send(17, "fast").await;
        house.until(id, State::Delivered).await;
        assert_eq!(house.messaging.stray_receipts(), 0);
        house.messaging.stop().await;
    }

    /// F-15: duplicates and contradictions after the end change nothing and are told.
    async fn f_15_the_first_final_receipt_stands(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let id = house.send(17, "x").await;
        house.until(id, State::Sent).await;
        // At once, so that some share a batch.
        let all = [ReceiptState::Delivered, ReceiptState::Delivered, ReceiptState::Expired, ReceiptState::Enroute, ReceiptState::Undeliverable];
        house.receipt("sim", "sim-0", ReceiptState::Delivered).await;
        let mut rest = tokio::task::JoinSet::new();
        for state in all {
            let messaging = house.messaging.clone();
            rest.spawn(async move { messaging.on_receipt(receipt("sim", "sim-0", state)).await });
        }
        for done in rest.join_all().await {
            done.unwrap();
        }
        let details = house.get(id).await;
        assert_eq!(details.summary.state, State::Delivered);
        assert_eq!(details.notes.len(), 5, "{:#?}", details.notes);
        assert!(details.notes.iter().any(|note| note.text == "sim said EXPIRED after DELIVRD; the first one stands"));
        house.messaging.stop().await;
    }

    /// F-15: a receipt counts only on the carrier that took the part; unknown ids are counted and kept.
    async fn f_15_strays_are_kept_and_another_carriers_ids_match_nothing(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        house.attach(Fake::new("other"));
        let id = house.send(17, "x").await;
        house.until(id, State::Sent).await;
        house.receipt("other", "sim-0", ReceiptState::Undeliverable).await;
        house.receipt("sim", "nobody's", ReceiptState::Delivered).await;
        assert_eq!(house.state(id).await, State::Sent);
        assert_eq!(house.messaging.stray_receipts(), 2);
        assert_eq!(house.count("SELECT COUNT(*) FROM stray_receipts").await, 2);
        house.messaging.stop().await;
    }

    /// F-15: a stray is taken up when the answer to its submit comes so late.
    async fn f_15_a_stray_is_taken_up_by_its_message(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim").latency(Duration::from_millis(2_500)));
        let id = house.send(17, "slow").await;
        house.receipt("sim", "sim-0", ReceiptState::Delivered).await;
        assert_eq!(house.count("SELECT COUNT(*) FROM stray_receipts").await, 1);
        house.until(id, State::Delivered).await;
        assert_eq!(house.count("SELECT COUNT(*) FROM stray_receipts").await, 0);
        house.messaging.stop().await;
    }

    /// F-15: after a restart late receipts are found through the segments, of long messages too.
    async fn f_15_late_receipts_after_a_restart(db: Db) {
        let mut house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let single = house.send(17, "x").await;
        house.until(single, State::Sent).await;
        let long = house.send(18, &"a".repeat(300)).await;
        house.until(long, State::Sent).await;
        house.messaging.stop().await;
        // Before the map can be rebuilt these are looked up; after it, they are in memory.
        house.messaging = Messaging::start(db.clone(), house.vault.clone(), &RoutesKind::new()).await.unwrap();
        for id in ["sim-2", "sim-0", "sim-1"] {
            house.receipt("sim", id, ReceiptState::Delivered).await;
        }
        assert_eq!(house.state(single).await, State::Delivered);
        assert_eq!(house.state(long).await, State::Delivered);
        assert_eq!(house.messaging.stray_receipts(), 0);
        let plan = db.read(|tx| {
            let found = probe::find(tx, "sim", "sim-2")?.unwrap();
            Ok::<_, Error>((found.part, found.plain, probe::find(tx, "other", "sim-2")?.is_none()))
        }).await.unwrap();
        assert_eq!(plan, (2, false, true));
        house.messaging.stop().await;
    }

    /// I1, I2: what a killed process had claimed is decided by policy, counted and told; what it had not is sent once.
    async fn a_killed_process_leaves_nothing_behind(db: Db) {
        let mut house = House::new(&db, &["sim"]).await;
        let never = Answer::Silence(Duration::from_hours(1));
        house.attach(Fake::new("sim").window(8).otherwise(never));
        let (held, page) = (house.send(17, "bulk").await, house.page(18, "page").await);
        house.until_count("SELECT COUNT(*) FROM messages WHERE state = 1", 2).await;
        house.crash_and_start().await;
        // Accepted while the carrier is still being attached: it waits.
        let early = house.send(19, "early").await;
        let carrier = house.attach(Fake::new("sim"));
        house.until(early, State::Sent).await;
        house.until(page, State::Sent).await;
        let shown = house.until(held, State::Unknown).await;
        assert_eq!(shown.summary.unknown_outcomes, 1);
        assert!(shown.notes[0].text.contains("the server stopped without knowing"), "{:?}", shown.notes);
        let mut texts = carrier.texts();
        texts.sort();
        assert_eq!(texts, ["early", "page"]);
        house.messaging.stop().await;
    }

    /// What was claimed but not handed over goes back when the carrier goes down or the server stops: it is not in doubt.
    async fn only_what_was_really_out_is_in_doubt(db: Db) {
        let mut house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").window(1).otherwise(Answer::Silence(Duration::from_secs(4))));
        let mut ids = Vec::new();
        for n in 0..6 {
            ids.push(house.send(n, "bulk").await);
        }
        eventually("the first is out", || carrier.most_out.load(Ordering::SeqCst) == 1).await;
        carrier.set_down("connection lost");
        house.until_count("SELECT COUNT(*) FROM messages WHERE state = 0", 5).await;
        house.messaging.stop().await;
        assert_eq!(house.count("SELECT COUNT(*) FROM messages WHERE state = 3").await, 1);
        assert_eq!(house.count("SELECT COUNT(*) FROM messages WHERE state = 1").await, 0);
        house.messaging = Messaging::start(db.clone(), house.vault.clone(), &RoutesKind::new()).await.unwrap();
        let carrier = house.attach(Fake::new("sim"));
        eventually("sent", || carrier.seen().len() == 5).await;
        house.messaging.stop().await;
    }

    /// F-27: a panic in a carrier is an unknown outcome, not the end of its lane.
    async fn f_27_a_panic_in_a_carrier_does_not_end_its_lane(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").then([Answer::Panic]));
        let poisoned = house.send(17, "poison").await;
        house.until(poisoned, State::Unknown).await;
        let next = house.send(18, "fine").await;
        house.until(next, State::Sent).await;
        assert_eq!(carrier.texts(), ["fine"]);
        house.messaging.stop().await;
    }

    /// A part that surely never left is tried again without a doubt.
    async fn not_sent_is_tried_again(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").then([Answer::NotSent, Answer::NotSent]));
        let id = house.send(17, "x").await;
        let sent = house.until(id, State::Sent).await.summary;
        assert_eq!((sent.unknown_outcomes, sent.attempts, carrier.seen().len()), (0, 1, 1));
        house.messaging.stop().await;
    }

    /// I7: with the carrier down everything waits in the table, nothing in memory; then it drains.
    async fn i7_a_long_queue_waits_in_the_table_and_drains(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").window(100).down("maintenance"));
        house.submit_all((0..2_000).map(|n| New::text(number(n % 99), n.to_string()))).await;
        assert_eq!(house.count("SELECT COUNT(*) FROM messages WHERE state = 0").await, 2_000);
        let lanes = house.messaging.lanes(&house.permit::<cap::CarriersRead>());
        assert_eq!((lanes[0].claimed, lanes[0].down.as_deref()), (0, Some("maintenance")));
        carrier.set_up();
        eventually("drained", || carrier.seen().len() >= 2_000).await;
        let mut texts = carrier.texts();
        texts.sort();
        texts.dedup();
        assert_eq!((texts.len(), carrier.seen().len()), (2_000, 2_000));
        house.messaging.stop().await;
    }
}
