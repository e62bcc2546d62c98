//! What whoever listens above is told, step by step.

use access::{Engine, OrganisationPermit, cap};
use sms::ReceiptState;
use store::Db;

use super::house::{Answer, Fake, House, number};
use crate::*;

fn wants(callback: Option<&str>) -> New {
    New { tell: Tell::Each, callback: callback.map(str::to_owned), ..New::text(number(17), "Disk full on db-1") }
}

async fn news(house: &House) -> Vec<News> {
    let messaging = house.messaging.clone();
    let permit = OrganisationPermit::<cap::MessageContentRead>::engine(Engine("tests"));
    house.db.read(move |tx| messaging.news(tx, &permit, 100)).await.unwrap()
}

async fn told(house: &House, all: Vec<News>) {
    let messaging = house.messaging.clone();
    let permit = OrganisationPermit::<cap::MessageContentRead>::engine(Engine("tests"));
    house.db.write(move |tx| messaging.told_news(tx, &permit, &all)).await.unwrap();
}

fn states(all: &[News]) -> Vec<State> {
    let step = |one: &News| if let Told::Step(step) = &one.what { Some(step.state) } else { None };
    all.iter().filter_map(step).collect()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &MIGRATIONS];

    /// E-31: each step is written with the change itself, in order, and stays until it is told.
    async fn e_31_each_step_is_kept_until_it_is_told(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        house.messaging.listeners(|_| true);
        let accepted = house.submit(wants(None)).await.unwrap();
        house.until(accepted.id, State::Sent).await;
        for _ in 0..2 {
            house.receipt("sim", "sim-0", ReceiptState::Delivered).await;
        }
        let all = news(&house).await;
        assert_eq!(states(&all), [State::Queued, State::Sent, State::Delivered], "a repeated receipt tells nothing twice");
        let Told::Step(step) = &all[2].what else { panic!("{all:?}") };
        assert_eq!((step.message, step.to.clone(), step.parts), (accepted.id, number(17), 1));
        assert_eq!((step.error.as_deref(), step.reason.as_deref()), (None, None), "nothing failed");
        told(&house, all).await;
        assert!(news(&house).await.is_empty());
        house.messaging.stop().await;
    }

    /// Messages that nobody listens to leave nothing; one with an address of its own is told all the same.
    async fn nothing_is_written_where_nobody_listens(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let fake = house.attach(Fake::new("sim"));
        let silent = house.submit(wants(None)).await.unwrap();
        house.until(silent.id, State::Sent).await;
        assert_eq!(house.count("SELECT COUNT(*) FROM message_news").await, 0);
        fake.set_otherwise(Answer::Refuse(Remedy::Elsewhere));
        let own = house.submit(wants(Some("https://app.example.com/dlr?key=s3cret"))).await.unwrap();
        house.until(own.id, State::Rejected).await;
        let all = news(&house).await;
        assert_eq!(states(&all), [State::Queued, State::Rejected]);
        let Told::Step(step) = &all[1].what else { panic!("{all:?}") };
        assert_eq!(step.callback.as_deref(), Some("https://app.example.com/dlr?key=s3cret"));
        assert!(step.reason.is_some());
        assert_eq!(house.count("SELECT COUNT(*) FROM message_callbacks WHERE url LIKE '%s3cret%'").await, 0, "sealed");
        told(&house, all).await;
        assert_eq!(house.count("SELECT COUNT(*) FROM message_callbacks").await, 0, "it goes with the last step");
        house.messaging.stop().await;
    }

    /// Steps of long messages, and those that memory has forgotten, are told as well.
    async fn long_messages_and_late_receipts_are_told(db: Db) {
        let mut house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        house.messaging.listeners(|_| true);
        let long = New { text: "x".repeat(200), ..wants(None) };
        let accepted = house.submit(long).await.unwrap();
        house.until(accepted.id, State::Sent).await;
        house.messaging.stop().await;
        house.crash_and_start().await;
        for part in ["sim-0", "sim-1"] {
            house.receipt("sim", part, ReceiptState::Undeliverable).await;
        }
        let all = news(&house).await;
        assert_eq!(states(&all), [State::Queued, State::Sent, State::Undelivered]);
        house.messaging.stop().await;
    }
}
