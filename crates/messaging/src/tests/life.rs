//! The life of a message when nothing, or only the usual, goes wrong.

use std::sync::atomic::Ordering;
use std::time::Duration;

use access::{Environment, cap};
use sms::ReceiptState;
use store::{Db, params};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::house::{Answer, Fake, House, eventually, number};
use crate::*;

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &MIGRATIONS];

    /// E-31: accepted means on disk; then sent, receipted, and told in full.
    async fn e_31_a_message_is_accepted_sent_and_delivered(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim"));
        let accepted = house.submit(New::text(number(17), "Disk full on db-1 {€}")).await.unwrap();
        assert_eq!((accepted.parts, accepted.encoding, accepted.carrier.as_str()), (1, sms::Encoding::Gsm7, "sim"));
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, 1);
        let sent = house.until(accepted.id, State::Sent).await;
        assert_eq!(carrier.texts(), ["Disk full on db-1 {€}"]);
        assert_eq!(carrier.seen()[0].1.destination, number(17));
        assert_eq!(sent.parts[0].carrier_ref.as_deref(), Some("sim-0"));
        house.receipt("sim", "sim-0", ReceiptState::Enroute).await;
        assert_eq!(house.state(accepted.id).await, State::Sent);
        house.receipt("sim", "sim-0", ReceiptState::Delivered).await;
        let done = house.get(accepted.id).await;
        assert_eq!(done.summary.state, State::Delivered);
        assert_eq!((done.summary.to.as_str(), done.summary.submitter.as_str()), ("+44 77•• ••• 117", "engine:tests"));
        let kinds: Vec<_> = done.history.iter().map(|step| step.kind.as_str()).collect();
        assert_eq!(kinds, ["accepted", "sent", "receipt", "delivered"], "{:#?}", done.history);
        house.messaging.stop().await;
    }

    /// E-11: number and text are sealed at rest, and read with a permit for content only.
    async fn e_11_number_and_text_are_sealed_at_rest(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let id = house.send(17, "Cem has the keys").await;
        let row = house.db.read(|tx| tx.query_one("SELECT destination, body, CAST(blind AS TEXT) FROM messages", &params![], |row| {
            Ok(format!("{} {} {:?}", row.get::<String>(0)?, row.get::<String>(1)?, row.get::<String>(2).is_ok()))
        })).await.unwrap();
        assert!(!row.contains("7700") && !row.contains("Cem") && row.starts_with("v1."), "{row}");
        let details = serde_json::to_string(&house.get(id).await).unwrap();
        assert!(!details.contains("900117") && !details.contains("keys"), "{details}");
        let (messaging, permit) = (house.messaging.clone(), house.permit::<cap::MessageContentRead>());
        let content = house.db.write(move |tx| messaging.content(tx, &permit, id)).await.unwrap().unwrap();
        assert_eq!((content.to, content.text.as_str()), (number(17), "Cem has the keys"));
        house.messaging.stop().await;
    }

    async fn a_message_in_a_transaction_goes_only_with_it(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim"));
        let (messaging, permit) = (house.messaging.clone(), house.permit::<cap::MessagesSend>());
        let rolled_back: Result<(), Error> = db.write(move |tx| {
            messaging.accept(tx, &permit, New::text(number(17), "never"))?;
            Err(Error::Busy)
        }).await;
        assert!(rolled_back.is_err());
        let (messaging, permit) = (house.messaging.clone(), house.permit::<cap::MessagesSend>());
        let accepted = db.write(move |tx| messaging.accept(tx, &permit, New { class: Class::Alert, ..New::text(number(17), "now") })).await.unwrap();
        house.until(accepted.id, State::Sent).await;
        assert_eq!(carrier.texts(), ["now"]);
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, 1);
        house.messaging.stop().await;
    }

    async fn changes_are_published_only_for_messages_that_something_caused(db: Db) {
        let (heard, mut events) = tokio::sync::mpsc::unbounded_channel();
        let shutdown = CancellationToken::new();
        let worker = store::Worker::new(db.clone()).listen(CHANGED, "test.changed", move |job| {
            let changed: Result<Changed, _> = job.parse();
            let heard = heard.clone();
            async move { heard.send(changed?).map_err(|_| store::JobError::fail("gone")) }
        }).spawn(shutdown.clone());
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let cause = Uuid::from_u128(77);
        let plain = house.send(17, "nobody listens").await;
        let origin = Some(Origin { kind: "notification", id: cause });
        let caused = house.submit(New { origin, class: Class::Alert, ..New::text(number(18), "page") }).await.unwrap().id;
        house.until(plain, State::Sent).await;
        let sent = house.until(caused, State::Sent).await;
        house.receipt("sim", "sim-0", ReceiptState::Delivered).await;
        house.receipt("sim", "sim-1", ReceiptState::Undeliverable).await;
        let mut told = Vec::new();
        while told.len() < 2 {
            told.push(tokio::time::timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap());
        }
        assert!(told.iter().all(|changed| changed.message == caused && changed.origin_id == cause));
        // Which of the two ids was the page's depends on which went first.
        let end = if sent.parts[0].carrier_ref.as_deref() == Some("sim-0") { State::Delivered } else { State::Undelivered };
        assert_eq!([told[0].state, told[1].state], [State::Sent, end]);
        house.messaging.stop().await;
        shutdown.cancel();
        worker.await.unwrap();
    }

    async fn a_long_text_goes_in_parts_and_is_delivered_when_all_are(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim"));
        let text = "Ünïcode ğ ".repeat(15);
        let accepted = house.submit(New::text(number(17), &text)).await.unwrap();
        assert_eq!((accepted.parts, accepted.encoding), (3, sms::Encoding::Ucs2));
        house.until(accepted.id, State::Sent).await;
        assert_eq!(carrier.texts().concat(), text);
        let concat: Vec<_> = carrier.seen().iter().map(|(_, part)| part.concat.unwrap()).collect();
        assert!(concat.iter().all(|part| part.total == 3 && part.reference == concat[0].reference));
        // In any order, with repeats.
        for id in ["sim-2", "sim-0", "sim-2", "sim-0"] {
            house.receipt("sim", id, ReceiptState::Delivered).await;
            assert_eq!(house.state(accepted.id).await, State::Sent);
        }
        house.receipt("sim", "sim-1", ReceiptState::Delivered).await;
        let done = house.get(accepted.id).await;
        assert_eq!(done.summary.state, State::Delivered);
        assert_eq!(done.parts.len(), 3);
        assert!(done.parts.iter().all(|part| part.state == State::Delivered && part.receipt.is_some()));
        assert_eq!(done.notes.iter().filter(|note| note.kind == "receipt").count(), 2, "{:#?}", done.notes);
        house.messaging.stop().await;
    }

    async fn one_undelivered_part_fails_the_message(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let accepted = house.submit(New::text(number(17), "a".repeat(200))).await.unwrap();
        house.until(accepted.id, State::Sent).await;
        house.messaging.on_receipt(Receipt { error: Some("001".into()), ..super::house::receipt("sim", "sim-1", ReceiptState::Undeliverable) }).await.unwrap();
        let failed = house.get(accepted.id).await.summary;
        assert_eq!(failed.state, State::Undelivered);
        assert_eq!(failed.reason.as_deref(), Some("part 2: sim says UNDELIV, error 001: absent subscriber"));
        house.receipt("sim", "sim-0", ReceiptState::Delivered).await;
        assert_eq!(house.state(accepted.id).await, State::Undelivered);
        house.messaging.stop().await;
    }

    async fn refusals_end_a_message_or_are_tried_again(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").then([Answer::Refuse(Remedy::Elsewhere)]));
        let id = house.send(17, "bad number").await;
        let refused = house.until(id, State::Rejected).await.summary;
        assert_eq!(refused.reason.as_deref(), Some("sim refused it: ESME_RTEST (0x400)"));
        assert!(refused.done_at.is_some());
        carrier.set_otherwise(Answer::Refuse(Remedy::Later));
        let again = house.send(17, "try again").await;
        house.until_count("SELECT COUNT(*) FROM messages WHERE attempts >= 1 AND state = 0", 1).await;
        carrier.set_otherwise(Answer::Take);
        let sent = house.until(again, State::Sent).await.summary;
        assert!(sent.attempts >= 2);
        house.messaging.stop().await;
    }

    /// I4: what one carrier refuses for good goes by another, once by each; a message that is itself at fault ends there.
    async fn i4_what_is_refused_by_one_carrier_goes_by_another(db: Db) {
        let house = House::new(&db, &["first", "second"]).await;
        let never = || Answer::Refuse(Remedy::Elsewhere);
        let first = house.attach(Fake::new("first").otherwise(never()));
        let second = house.attach(Fake::new("second"));
        let (page, bulk) = (house.page(17, "page").await, house.send(18, "bulk").await);
        for (id, text) in [(page, "page"), (bulk, "bulk")] {
            let sent = house.until(id, State::Sent).await;
            assert_eq!((sent.summary.carrier.as_str(), sent.notes[0].kind.as_str()), ("second", "moved"), "{text}");
        }
        second.set_otherwise(never());
        let nowhere = house.page(19, "page").await;
        let refused = house.until(nowhere, State::Rejected).await;
        assert_eq!(refused.summary.attempts, 2, "{:#?}", refused.history);
        first.set_otherwise(Answer::Refuse(Remedy::Nothing));
        let faulty = house.page(20, "faulty").await;
        let refused = house.until(faulty, State::Rejected).await;
        assert_eq!((refused.summary.attempts, refused.summary.carrier.as_str()), (1, "first"), "{:#?}", refused.history);
        assert_eq!((first.seen().len(), second.seen().len()), (0, 2));
        house.messaging.stop().await;
    }

    /// E-12: a development workspace reaches simulated carriers only, and is told so.
    async fn e_12_a_development_workspace_never_reaches_a_real_carrier(db: Db) {
        let house = House::of(&db, Environment::Development, &["real", "sim"]).await;
        let real = house.attach(Fake::new("real").real());
        let simulated = house.attach(Fake::new("sim"));
        let id = house.send(17, "try").await;
        let sent = house.until(id, State::Sent).await;
        assert_eq!((real.seen().len(), simulated.seen().len()), (0, 1));
        assert!(sent.history.iter().any(|step| step.text.contains("a development workspace reaches simulated carriers only")), "{:#?}", sent.history);
        // Not even while carriers are being started and nobody knows which they are.
        house.messaging.detach("sim");
        house.messaging.detach("real");
        let error = house.submit(New::text(number(17), "try")).await.unwrap_err();
        assert!(error.to_string().contains("simulated carriers only"), "{error}");
        house.messaging.stop().await;
    }

    async fn what_cannot_be_sent_is_refused_with_a_remedy(db: Db) {
        use base::Explain;
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let now = db.context().now();
        let base = || New::text(number(17), "x");
        for (new, code) in [
            (New { text: String::new(), ..base() }, "text-empty"),
            (New { text: "a".repeat(1_531), ..base() }, "text-too-long"),
            (New { text: "ğ".into(), encoding: sms::Choice::Gsm7, ..base() }, "text-not-gsm7"),
            (New { expires_at: Some(now), ..base() }, "expired"),
            (New { client_ref: Some("x".repeat(351)), ..base() }, "too-long"),
        ] {
            let problem = house.submit(new).await.unwrap_err().problem();
            assert_eq!(problem.code, code);
        }
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, 0);
        house.messaging.stop().await;
    }

    async fn a_scheduled_message_waits_for_its_time(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim"));
        let at = db.context().now().plus(Duration::from_millis(700));
        let id = house.submit(New { scheduled: Some(at), ..New::text(number(17), "later") }).await.unwrap().id;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!((house.state(id).await, carrier.seen().len()), (State::Queued, 0));
        let sent = house.until(id, State::Sent).await.summary;
        assert!(sent.submitted_at.unwrap() >= at);
        house.messaging.stop().await;
    }

    async fn an_expired_message_is_not_sent(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").down("not yet"));
        let expires_at = Some(db.context().now().plus(Duration::from_millis(500)));
        let id = house.submit(New { expires_at, ..New::text(number(17), "stale") }).await.unwrap().id;
        tokio::time::sleep(Duration::from_millis(600)).await;
        carrier.set_up();
        let expired = house.until(id, State::Expired).await.summary;
        assert!(expired.reason.unwrap().contains("its time ran out"));
        assert_eq!(carrier.seen().len(), 0);
        house.messaging.stop().await;
    }

    /// Whether there is room in memory or not: what came first leaves first, also past messages that went into the table.
    async fn what_is_accepted_in_order_leaves_in_order(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").window(2).latency(Duration::from_millis(1)));
        let permit = house.permit::<cap::MessagesSend>();
        for wave in 0..4 {
            // One after the other, as a session does; far more than there is room for.
            let mut queued = Vec::new();
            for n in 0..200 {
                let text = (wave * 200 + n).to_string();
                let (reply, answer) = Reply::channel();
                house.messaging.enqueue(&permit, New::text(number(17), text), reply).await;
                queued.push(answer);
            }
            for one in queued {
                one.await.unwrap().unwrap();
            }
            // In the midst of draining, and when it is done.
            tokio::time::sleep(Duration::from_millis(if wave % 2 == 0 { 5 } else { 400 })).await;
        }
        eventually("all have left", || carrier.seen().len() == 800).await;
        // One at a time of two may overtake the other at the carrier itself.
        let texts: Vec<i64> = carrier.texts().iter().map(|text| text.parse().unwrap()).collect();
        for (place, text) in (0..).zip(&texts) {
            assert!((text - place).abs() <= 2, "{text} left as number {place}: {texts:?}");
        }
        house.messaging.stop().await;
    }

    async fn window_and_rate_are_obeyed(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").window(3).rate(50).latency(Duration::from_millis(30)));
        let began = db.context().monotonic();
        let mut ids = Vec::new();
        for n in 0..40 {
            ids.push(house.send(17, &format!("text {n}")).await);
        }
        for id in ids {
            house.until(id, State::Sent).await;
        }
        let took = db.context().monotonic().saturating_sub(began);
        assert!(carrier.most_out.load(Ordering::SeqCst) <= 3);
        assert!(took >= Duration::from_millis(650), "40 parts at 50 a second took {took:?}");
        house.messaging.stop().await;
    }

    /// I7 and reserved capacity: a full bulk queue stays in the table, and a page goes past it.
    async fn i7_a_page_goes_ahead_of_a_full_bulk_queue(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").window(4).latency(Duration::from_millis(25)));
        let bulk = |n: u32| New { class: Class::Marketing, ..New::text(number(n % 99), format!("bulk {n}")) };
        house.submit_all((0..400).map(bulk)).await;
        let claimed = house.count("SELECT COUNT(*) FROM messages WHERE state = 1").await;
        assert!(claimed <= 8 + 4, "{claimed} claimed while the window is 4");
        let before = carrier.seen().len();
        let page = house.page(17, "page").await;
        let sent = house.until(page, State::Sent).await;
        let place = carrier.texts().iter().position(|text| text == "page").unwrap();
        assert!(place <= before + 30, "the page was number {place}, {before} were out before it: {:?}", sent.history);
        house.until_count("SELECT COUNT(*) FROM messages WHERE state = 2", 401).await;
        let mut texts = carrier.texts();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 401);
        house.messaging.stop().await;
    }
}
