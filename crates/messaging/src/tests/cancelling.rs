//! What may be taken back, and what may not.

use std::time::Duration;

use access::cap;
use base::{MessageId, Timestamp};
use store::{Db, params};
use uuid::Uuid;

use super::house::{Answer, Fake, House, number};
use crate::*;

const SOON: Answer = Answer::Silence(Duration::from_millis(100));

async fn cancel(house: &House, id: MessageId) -> Result<State, Error> {
    let (messaging, permit) = (house.messaging.clone(), house.permit::<cap::MessagesSend>());
    house.db.write(move |tx| messaging.cancel(tx, &permit, id)).await
}

fn later(house: &House) -> Timestamp {
    house.db.context().now().plus(Duration::from_hours(2))
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &MIGRATIONS];

    async fn what_is_scheduled_is_taken_back_and_told(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim"));
        let scheduled = New { scheduled: Some(later(&house)), tell: Tell::Failure, ..New::text(number(1), "later") };
        let id = house.submit(scheduled).await.unwrap().id;
        assert_eq!(cancel(&house, id).await.unwrap(), State::Cancelled);
        let shown = house.get(id).await;
        assert_eq!(shown.summary.state, State::Cancelled);
        assert!(shown.summary.done_at.is_some());
        assert!(shown.history.iter().any(|step| step.text == "cancelled by engine:tests before it was handed over"));
        assert_eq!(house.count("SELECT COUNT(*) FROM deliveries WHERE state = 9").await, 1);
        assert_eq!(house.count("SELECT COUNT(*) FROM audit_entries WHERE action = 'message.cancel'").await, 1);
        assert!(matches!(cancel(&house, id).await, Err(Error::NotCancellable(State::Cancelled))));
        assert!(carrier.seen().is_empty());
        house.messaging.stop().await;
    }

    async fn what_waits_for_a_carrier_that_is_down_is_taken_back(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let carrier = house.attach(Fake::new("sim").down("a test"));
        let id = house.send(1, "stuck").await;
        assert_eq!(cancel(&house, id).await.unwrap(), State::Cancelled);
        carrier.set_up();
        let other = house.send(2, "goes").await;
        house.until(other, State::Sent).await;
        assert_eq!(carrier.texts(), ["goes"]);
        house.messaging.stop().await;
    }

    async fn what_is_out_half_out_owned_or_not_there_is_refused(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let sent = house.send(1, "gone").await;
        house.until(sent, State::Sent).await;
        assert!(matches!(cancel(&house, sent).await, Err(Error::NotCancellable(State::Sent))));
        assert!(matches!(cancel(&house, Uuid::from_u128(5).into()).await, Err(Error::NotFound)));
        let (messaging, foreign) =
            (house.messaging.clone(), access::Permit::<cap::MessagesSend>::engine(access::Engine("tests"), super::house::workspace_id(2)));
        assert!(matches!(db.write(move |tx| messaging.cancel(tx, &foreign, sent)).await, Err(Error::NotFound)));
        let origin = Some(Origin { kind: "notification", id: Uuid::from_u128(7) });
        let page = New { origin, scheduled: Some(later(&house)), ..New::text(number(3), "page") };
        let page = house.submit(page).await.unwrap().id;
        assert!(matches!(cancel(&house, page).await, Err(Error::Owned(_))));
        // Its first part is at the carrier, the second waits again.
        house.attach(Fake::new("sim").resends().then([Answer::Take, SOON]).otherwise(Answer::Throttle));
        let long = house.send(4, &"a".repeat(400)).await;
        house.until_count("SELECT COUNT(*) FROM message_parts WHERE state = 2", 1).await;
        house.messaging.detach("sim");
        house.until(long, State::Queued).await;
        // The lane may have claimed it once more before it stopped, and gives it back then.
        let half_sent = async {
            while !matches!(cancel(&house, long).await, Err(Error::HalfSent)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), half_sent).await.expect("half sent is refused");
        assert_eq!(db.read(|tx| tx.query_one("SELECT COUNT(*) FROM audit_entries", &params![], |row| row.get::<i64>(0))).await.unwrap(), 0);
        house.messaging.stop().await;
    }
}
