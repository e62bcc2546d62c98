//! What people see.

use access::{Engine, Permit, cap};
use base::{Cursor, Page, PageRequest};
use sms::ReceiptState;
use store::Db;

use super::house::{Fake, House, number, workspace_id};
use crate::*;

async fn list(house: &House, filter: Filter, page: PageRequest) -> Page<Summary> {
    let (messaging, permit) = (house.messaging.clone(), house.permit::<cap::MessagesRead>());
    house.db.read(move |tx| messaging.list(tx, &permit, &filter, &page)).await.unwrap()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &MIGRATIONS];

    async fn lists_are_paged_filtered_and_searched_by_number(db: Db) {
        let mut house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let mut ids = Vec::new();
        for n in 0..7 {
            ids.push(house.send(if n % 2 == 0 { 17 } else { 18 }, &format!("text {n}")).await);
        }
        let page = house.page(17, "page").await;
        house.until_count("SELECT COUNT(*) FROM messages WHERE state = 2", 8).await;
        house.receipt("sim", "sim-0", ReceiptState::Delivered).await;

        let first = list(&house, Filter::default(), PageRequest::new(5, None)).await;
        assert_eq!((first.items.len(), first.items[0].id), (5, page));
        let rest = list(&house, Filter::default(), PageRequest::new(5, first.next)).await;
        assert_eq!((rest.items.len(), rest.next, rest.items[2].id), (3, None, ids[0]));

        let of = |filter| list(&house, filter, PageRequest::default());
        assert_eq!(of(Filter { class: Some(Class::Alert), ..Filter::default() }).await.items.len(), 1);
        assert_eq!(of(Filter { states: vec![State::Delivered, State::Failed], ..Filter::default() }).await.items.len(), 1);
        assert_eq!(of(Filter { carrier: Some("other".into()), ..Filter::default() }).await.items.len(), 0);
        let found = of(Filter { to: Some(number(18)), ..Filter::default() }).await;
        assert_eq!(found.items.len(), 3);
        assert!(found.items.iter().all(|item| item.to == "+44 77•• ••• 118"));
        let both = Filter { to: Some(number(17)), class: Some(Class::Alert), ..Filter::default() };
        assert_eq!(of(both).await.items[0].id, page);
        let paged = list(&house, Filter { to: Some(number(17)), ..Filter::default() }, PageRequest::new(3, None)).await;
        let paged = list(&house, Filter { to: Some(number(17)), ..Filter::default() }, PageRequest::new(3, paged.next)).await;
        assert_eq!((paged.items.len(), paged.next), (2, None));

        // By time: exactly, though only about where it is found by halving.
        let all = of(Filter::default()).await.items;
        let middle = all[3].created_at;
        let later = all.iter().filter(|item| item.created_at >= middle).count();
        assert_eq!(of(Filter { since: Some(middle), ..Filter::default() }).await.items.len(), later);
        assert_eq!(of(Filter { until: Some(middle), ..Filter::default() }).await.items.len(), 8 - later);
        let last = all[0].created_at.plus(std::time::Duration::from_secs(1));
        assert_eq!(of(Filter { until: Some(last), ..Filter::default() }).await.items.len(), 8);
        assert!(of(Filter { since: Some(last), ..Filter::default() }).await.items.is_empty());
        assert!(of(Filter { client_ref: Some("unknown".into()), ..Filter::default() }).await.items.is_empty());

        // A foreign workspace sees nothing, by whichever way.
        house.workspace = workspace_id(2);
        let of = |filter| list(&house, filter, PageRequest::default());
        assert!(of(Filter::default()).await.items.is_empty());
        assert!(of(Filter { to: Some(number(17)), ..Filter::default() }).await.items.is_empty());
        let messaging = house.messaging.clone();
        db.write(move |tx| {
            let engine = Engine("tests");
            assert!(messaging.get(tx, &Permit::engine(engine, workspace_id(2)), page)?.is_none());
            assert!(messaging.content(tx, &Permit::engine(engine, workspace_id(2)), page)?.is_none());
            let refused = messaging.decide_unknown(tx, &Permit::engine(engine, workspace_id(2)), page, Decide::SendAgain, "");
            assert!(matches!(refused, Err(Error::NotFound)));
            let wrong = PageRequest::new(5, Some(Cursor("'; DROP TABLE".into())));
            assert!(matches!(messaging.list(tx, &Permit::engine(engine, workspace_id(2)), &Filter::default(), &wrong), Err(Error::Cursor)));
            Ok::<_, Error>(())
        }).await.unwrap();
        house.messaging.stop().await;
    }

    /// E-11: a number and an inbound text are opened for a person on record, and for nobody of another workspace.
    async fn numbers_and_inbound_texts_are_opened_on_record(db: Db) {
        let mut house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let id = house.send(17, "from us").await;
        house.until(id, State::Sent).await;
        let new = New { client_ip: "192.0.2.7".parse().ok(), ..New::text(number(18), "for somebody") };
        let placed = house.submit(new).await.unwrap().id;
        house.messaging.on_inbound(super::incoming::text("+447700900117", "Dina here")).await.unwrap();
        let (messaging, content) = (house.messaging.clone(), house.permit::<cap::MessageContentRead>());
        let read = house.permit::<cap::MessagesRead>();
        db.write(move |tx| {
            let inbound = messaging.inbound_list(tx, &read, &PageRequest::default())?.items.remove(0).id;
            let number = messaging.number(tx, &content, id)?.unwrap();
            assert_eq!(number.to_string(), "+447700900117");
            assert_eq!(messaging.inbound_content(tx, &content, inbound)?.unwrap().text, "Dina here");
            assert_eq!(messaging.client_ip(tx, &content, placed)?, "192.0.2.7".parse().ok());
            assert!(messaging.client_ip(tx, &content, id)?.is_none(), "nobody said where");
            let foreign = Permit::engine(Engine("tests"), workspace_id(9));
            assert!(messaging.client_ip(tx, &foreign, placed)?.is_none());
            assert!(messaging.number(tx, &foreign, id)?.is_none());
            assert!(messaging.inbound_content(tx, &foreign, inbound)?.is_none());
            // Two entries of one millisecond have no order.
            let audited = tx.query("SELECT action FROM audit_entries ORDER BY action", &store::params![], |row| row.get::<String>(0))?;
            assert_eq!(audited, ["inbound.content.read", "message.client_ip.read", "message.number.read"]);
            Ok::<_, Error>(())
        }).await.unwrap();
        house.workspace = workspace_id(1);
        house.messaging.stop().await;
    }

    async fn the_last_hour_is_counted_by_minute(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        for n in 0..3 {
            let id = house.send(n, "x").await;
            house.until(id, State::Sent).await;
        }
        house.receipt("sim", "sim-0", ReceiptState::Delivered).await;
        house.receipt("sim", "sim-1", ReceiptState::Expired).await;
        let mut sums = (0, 0, 0);
        for _ in 0..200 {
            let (messaging, permit) = (house.messaging.clone(), house.permit::<cap::MessagesRead>());
            let minutes = db.read(move |tx| messaging.last_hour(tx, &permit)).await.unwrap();
            assert_eq!(minutes.len(), 60);
            let sum = |of: fn(&Minute) -> u32| minutes.iter().map(of).sum::<u32>();
            sums = (sum(|minute| minute.accepted), sum(|minute| minute.delivered), sum(|minute| minute.failed));
            if sums == (3, 1, 1) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(sums, (3, 1, 1));
        house.messaging.stop().await;
    }

    async fn live_pages_hear_of_each_change(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let mut changes = db.subscribe();
        house.attach(Fake::new("sim"));
        let id = house.send(17, "x").await;
        house.until(id, State::Sent).await;
        let mut heard = 0;
        while let Ok(change) = changes.try_recv() {
            heard += usize::from(change.topic == TOPIC && change.id == id.to_string() && change.workspace == Some(house.workspace));
        }
        assert_eq!(heard, 2, "accepted and sent");
        house.messaging.stop().await;
    }

    /// Rule 7: "explain" calls the function that decides.
    async fn explain_is_the_decision(db: Db) {
        let house = House::new(&db, &["first", "second"]).await;
        house.attach(Fake::new("first").down("maintenance"));
        house.attach(Fake::new("second"));
        let (messaging, permit) = (house.messaging.clone(), house.permit::<cap::CarriersRead>());
        let decision = db.read(move |tx| messaging.explain(tx, &permit, &number(17), Class::Alert, None)).await.unwrap().unwrap();
        assert_eq!(decision.carrier, "second");
        assert_eq!(decision.explanation(), "the workspace's route for everything matches; carrier first is down (maintenance); carrier second takes it");
        let id = house.send(17, "x").await;
        assert!(house.until(id, State::Sent).await.history.iter().any(|step| step.text == decision.explanation()));
        house.messaging.stop().await;
    }

    /// What waits for a carrier is counted by index, and no further than helps anybody.
    async fn what_waits_for_a_carrier_is_counted(db: Db) {
        let house = House::new(&db, &["first"]).await;
        house.attach(Fake::new("first").down("maintenance"));
        for last in 1..=3 {
            house.send(last, "x").await;
        }
        for (carrier, expected) in [("first", 3), ("second", 0)] {
            let (messaging, permit) = (house.messaging.clone(), house.permit::<cap::CarriersRead>());
            let counted = db.read(move |tx| messaging.queued(tx, &permit, carrier)).await.unwrap();
            assert_eq!(counted, expected, "{carrier}");
        }
        let routes = house.messaging.routes(&house.permit::<cap::CarriersRead>());
        assert_eq!(routes.iter().map(|route| route.carriers.join(" ")).collect::<Vec<_>>(), ["first"]);
    }
}
