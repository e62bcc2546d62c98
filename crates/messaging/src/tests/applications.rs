//! What applications are told.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use access::cap;
use base::ManualClock;
use sms::ReceiptState;
use store::{Db, params};

use super::house::{Fake, House, number};
use crate::*;

fn wants(tell: Tell) -> New {
    New { tell, ..New::text(number(17), "Disk full on db-1, 97 %") }
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &MIGRATIONS];

    /// The end of a message is told once, to whoever wants it, until it is taken.
    async fn an_end_waits_until_it_is_taken(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let permit = house.permit::<cap::MessageContentRead>();
        for (tell, receipt) in [
            (Tell::End, ReceiptState::Delivered),
            (Tell::Failure, ReceiptState::Delivered),
            (Tell::Success, ReceiptState::Undeliverable),
            (Tell::Nothing, ReceiptState::Delivered),
        ] {
            let accepted = house.submit(wants(tell)).await.unwrap();
            let sent = house.until(accepted.id, State::Sent).await;
            let carrier_ref = sent.parts[0].carrier_ref.clone().unwrap();
            for _ in 0..2 {
                house.receipt("sim", &carrier_ref, receipt).await;
            }
        }
        let waiting = house.messaging.waiting(&permit, base::Timestamp::from_micros(i64::MAX), HashSet::new(), 10).await.unwrap();
        let [delivery] = waiting.as_slice() else { panic!("{waiting:?}") };
        let What::End(ended) = &delivery.what else { panic!("{delivery:?}") };
        assert_eq!((ended.state, ended.stat.as_deref(), ended.to.clone()), (State::Delivered, Some("DELIVRD"), number(17)));
        assert_eq!(ended.beginning, "Disk full on db-1, 9");
        let on_the_way = HashSet::from([delivery.key]);
        assert!(house.messaging.waiting(&permit, base::Timestamp::from_micros(i64::MAX), on_the_way, 10).await.unwrap().is_empty(), "what is on its way is left out");
        house.messaging.taken(&permit, vec![delivery.key]).await.unwrap();
        assert!(house.messaging.waiting(&permit, base::Timestamp::from_micros(i64::MAX), HashSet::new(), 10).await.unwrap().is_empty());
        house.messaging.stop().await;
    }

    /// One process tells an application; when it is gone, another one does.
    async fn the_lease_of_a_process_that_is_gone_is_anybodys(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let permit = house.permit::<cap::MessageContentRead>();
        assert!(house.messaging.lease_deliveries(&permit).await.unwrap());
        assert!(house.messaging.lease_deliveries(&permit).await.unwrap(), "kept");
        let others = |sql: &'static str| db.write(move |tx| tx.execute(sql, &params![]));
        others("INSERT INTO messaging_owners (epoch, node, counter) VALUES (999, 'other', 0)").await.unwrap();
        others("UPDATE delivery_leases SET epoch = 999").await.unwrap();
        assert!(!house.messaging.lease_deliveries(&permit).await.unwrap(), "another process has it");
        others("DELETE FROM messaging_owners WHERE epoch = 999").await.unwrap();
        assert!(house.messaging.lease_deliveries(&permit).await.unwrap(), "that process is gone");
        house.messaging.release_deliveries(&permit).await.unwrap();
        assert_eq!(house.count("SELECT COUNT(*) FROM delivery_leases").await, 0);
        house.messaging.stop().await;
    }

    /// Fault I7: what nobody takes does not wait for ever.
    async fn i7_what_nobody_takes_is_forgotten_after_two_weeks(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let accepted = house.submit(wants(Tell::End)).await.unwrap();
        house.until(accepted.id, State::Sent).await;
        house.receipt("sim", "sim-0", ReceiptState::Delivered).await;
        let forget = async || db.write(|tx| { let now = tx.now(); deliveries::forget(tx, now) }).await.unwrap();
        clock.advance(Duration::from_hours(13 * 24));
        assert_eq!(forget().await, 0);
        clock.advance(Duration::from_hours(25));
        assert_eq!(forget().await, 1);
        house.messaging.stop().await;
    }
}
