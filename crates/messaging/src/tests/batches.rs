//! Many messages at once.

use std::time::Duration;

use access::cap;
use base::{BatchId, PageRequest};
use store::Db;
use uuid::Uuid;

use super::house::{Fake, House, number};
use crate::*;

impl House {
    async fn batch(&self, id: BatchId) -> BatchDetails {
        let (messaging, permit) = (self.messaging.clone(), self.permit::<cap::MessagesRead>());
        self.db.read(move |tx| messaging.batch(tx, &permit, id)).await.unwrap().unwrap()
    }
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &MIGRATIONS];

    /// E-31: each of many is on disk before it is answered; what cannot be sent is said of that one alone.
    async fn e_31_many_are_taken_at_once_and_counted(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim"));
        let permit = house.permit::<cap::MessagesSend>();
        let batch = house.messaging.begin_batch(&permit, Some("b-1".into()), 4).await.unwrap();
        let items = vec![
            New::text(number(1), "one"),
            New::text(number(2), ""),
            New { client_ref: Some("mine".into()), ..New::text(number(3), "three") },
            New::text(number(4), "a".repeat(2000)),
        ];
        let answers = house.messaging.submit_many(&permit, Some(batch), items).await;
        assert!(matches!(answers[1], Err(Error::EmptyText)) && matches!(answers[3], Err(Error::Text(_))), "{answers:?}");
        assert_eq!(house.count("SELECT COUNT(*) FROM messages WHERE batch = 1").await, 2);
        let rejection = |index: u32| Rejection {
            index,
            code: "text-missing".into(),
            field: Some("text".into()),
            reason: "é".repeat(400),
        };
        let many = (0..150).map(|n| rejection(2 * n + 1)).collect();
        house.messaging.end_batch(batch, (2, 2), many).await.unwrap();
        let third = answers[2].as_ref().unwrap().id;
        let shown = house.until(third, State::Sent).await;
        assert_eq!(shown.summary.batch, Some(BatchRef { id: batch.id, client_ref: Some("b-1".into()) }));
        house.until(answers[0].as_ref().unwrap().id, State::Sent).await;
        let mut texts = carrier.texts();
        texts.sort();
        assert_eq!(texts, ["one", "three"]);
        let seen = house.batch(batch.id).await;
        assert_eq!((seen.batch.items, seen.batch.accepted, seen.batch.rejected), (4, Some(2), Some(2)));
        assert_eq!(seen.rejections.len(), KEPT_REJECTIONS, "bounded");
        assert_eq!((seen.rejections[0].index, seen.rejections[99].index), (1, 199), "the first ones, in order");
        assert_eq!(seen.rejections[0].reason.chars().count(), 300);
        assert_eq!(seen.states.into_iter().collect::<Vec<_>>(), [(State::Sent, 2)]);
        let (messaging, read) = (house.messaging.clone(), house.permit::<cap::MessagesRead>());
        let (of_batch, batches, named) = db
            .read(move |tx| {
                let page = PageRequest::default();
                let of = |batch| Filter { batch: Some(batch), ..Filter::default() };
                let of_batch = messaging.list(tx, &read, &of(batch.id), &page)?;
                assert!(messaging.list(tx, &read, &of(Uuid::from_u128(7).into()), &page)?.items.is_empty());
                let batches = messaging.batches(tx, &read, None, &page)?;
                Ok::<_, Error>((of_batch, batches, messaging.batches(tx, &read, Some("b-2"), &page)?))
            })
            .await
            .unwrap();
        assert_eq!((of_batch.items.len(), batches.items.len(), named.items.len()), (2, 1, 0));
        let too_many = (0..1_025).map(|_| New::text(number(1), "x")).collect();
        let refused = house.messaging.submit_many(&permit, None, too_many).await;
        assert!(refused.iter().all(|answer| matches!(answer, Err(Error::TooMany { .. }))));
        house.messaging.stop().await;
    }

    async fn what_waits_of_a_batch_is_taken_back_in_pieces(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim"));
        let permit = house.permit::<cap::MessagesSend>();
        let batch = house.messaging.begin_batch(&permit, None, 702).await.unwrap();
        let later = Some(db.context().now().plus(Duration::from_hours(1)));
        let first = house.messaging.submit_many(&permit, Some(batch), vec![New::text(number(1), "now")]).await;
        house.until(first[0].as_ref().unwrap().id, State::Sent).await;
        let scheduled =
            (0..701).map(|_| New { scheduled: later, tell: Tell::End, ..New::text(number(2), "later") }).collect();
        assert!(house.messaging.submit_many(&permit, Some(batch), scheduled).await.iter().all(Result::is_ok));
        assert_eq!(house.messaging.cancel_batch(&permit, batch.id).await.unwrap(), 701);
        assert_eq!(house.messaging.cancel_batch(&permit, batch.id).await.unwrap(), 0);
        let seen = house.batch(batch.id).await;
        assert_eq!(seen.states.into_iter().collect::<Vec<_>>(), [(State::Sent, 1), (State::Cancelled, 701)]);
        assert!(seen.batch.cancelled_at.is_some());
        assert_eq!(house.count("SELECT COUNT(*) FROM deliveries WHERE state = 9").await, 701);
        assert_eq!(house.count("SELECT COUNT(*) FROM audit_entries WHERE action = 'batch.cancel'").await, 2);
        assert_eq!(carrier.seen().len(), 1);
        let foreign = access::Permit::engine(access::Engine("tests"), super::house::workspace_id(2));
        assert!(matches!(house.messaging.cancel_batch(&foreign, batch.id).await, Err(Error::NoSuchBatch)));
        house.messaging.stop().await;
    }
}
