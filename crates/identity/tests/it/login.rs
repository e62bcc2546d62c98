//! Log-in and lock-out.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Explain, ManualClock, SystemClock};
use crypto::password::Cost;
use identity::{Caller, Error, LogIn};
use store::Db;

use crate::house::{self, House, PASSWORD, from, log_in, open, open_with, secret, text};

/// From a fresh address each time, so that only the account's own count is at work.
fn stranger(n: u32) -> Caller {
    from(&format!("198.51.{}.{}", n / 200, n % 200 + 1))
}

async fn fail(house: &House, n: u32) {
    let refused = house.identity.login(log_in("ada@example.com", "wrong"), &stranger(n)).await;
    assert!(matches!(refused, Err(Error::BadLogin)));
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// unknown, wrong, paused and removed read the same.
    async fn x_12_every_refusal_is_the_same_answer(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply("users: [{name: Ada Sample, login: ada@example.com, roles: [{role: administrator}]}, {name: Cem Sample, login: cem@example.com}]\n").await.unwrap();
        let mut answers = Vec::new();
        for (login, password) in [("ada@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("cem@example.com", PASSWORD), ("ada@example.com", "")] {
            let error = house.identity.login(log_in(login, password), &stranger(1)).await.unwrap_err();
            answers.push(format!("{error} {:?}", error.problem()));
        }
        for n in 2..8 {
            fail(&house, n).await;
        }
        let error = house.identity.login(log_in("ada@example.com", PASSWORD), &stranger(9)).await.unwrap_err();
        answers.push(format!("{error} {:?}", error.problem()));
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        clock.advance(Duration::from_mins(15));
        assert!(house.identity.login(log_in("ADA@Example.com ", PASSWORD), &stranger(10)).await.is_ok());
        let why = house.texts("SELECT reason FROM audit_entries WHERE outcome = 'failure' ORDER BY counter").await;
        assert_eq!(why[..3], ["wrong password", "unknown name", "no password yet"]);
        assert_eq!(why.last().map(String::as_str), Some("paused after failures"), "the audit log knows which it was");
    }

    /// from the fifth failure on the account pauses, longer each time; a success forgets them.
    async fn x_12_failures_pause_the_account(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        for n in 0..4 {
            fail(&house, n).await;
        }
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &stranger(5)).await.is_ok(), "four are free");
        for n in 10..15 {
            fail(&house, n).await;
        }
        let nowhere = Caller::default();
        let right = || house.identity.login(log_in("ada@example.com", PASSWORD), &nowhere);
        assert!(right().await.is_err(), "the right password too waits for a second");
        clock.advance(Duration::from_secs(1));
        fail(&house, 20).await;
        clock.advance(Duration::from_secs(1));
        assert!(right().await.is_err(), "now two seconds");
        clock.advance(Duration::from_secs(1));
        assert!(right().await.is_ok());
        assert_eq!(house.count("login_failures").await, 0);
    }

    /// a hundred failures lock strangers out until a reset; the known device of the person on call goes on.
    async fn x_12_strangers_cannot_lock_out_a_known_device(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let known = house.set_up().await.device;
        for n in 0..100 {
            fail(&house, n).await;
            clock.advance(Duration::from_mins(15));
        }
        clock.advance(Duration::from_hours(1000));
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &stranger(200)).await.is_err(), "locked");
        let from_here = |device| LogIn { device: Some(device), ..log_in("ada@example.com", PASSWORD) };
        assert!(house.identity.login(from_here(known.clone()), &stranger(201)).await.is_ok());
        let forged = secret(&text(&known).replace('.', "A."));
        assert!(house.identity.login(from_here(forged), &stranger(202)).await.is_err());
        let link = house.invite("ada@example.com").await;
        house.identity.accept_invite(link, secret(PASSWORD), &stranger(203)).await.unwrap();
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &stranger(204)).await.is_ok(), "a reset unlocks");
    }

    /// tries sent at once are counted before their passwords are looked at.
    async fn x_12_tries_at_once_are_not_free(db: Db, _clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        let tries: Vec<_> = (0..30)
            .map(|n| {
                let identity = house.identity.clone();
                tokio::spawn(async move { identity.login(log_in("ada@example.com", "wrong"), &stranger(n)).await })
            })
            .collect();
        for one in tries {
            assert!(one.await.unwrap().is_err());
        }
        let looked_at = house.texts("SELECT reason FROM audit_entries WHERE reason = 'wrong password'").await;
        assert_eq!(looked_at.len(), 5, "the clock stands still: five are looked at, the others are paused");
    }

    /// 20 tries a minute from one address, whatever account they aim at.
    async fn x_12_an_address_is_throttled(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        clock.advance(Duration::from_mins(2));
        let caller = from("203.0.113.9");
        for n in 0..20 {
            let refused = house.identity.login(log_in(&format!("p{n}@example.com"), "wrong"), &caller).await;
            assert!(matches!(refused, Err(Error::BadLogin)));
        }
        let refused = house.identity.login(log_in("ada@example.com", PASSWORD), &caller).await;
        assert!(matches!(refused, Err(Error::TooManyTries { .. })));
        clock.advance(Duration::from_secs(3));
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &caller).await.is_ok());
    }

    async fn a_hash_of_another_cost_is_replaced_at_log_in(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        let dearer = open_with(&db, Cost::new(19_456, 2).unwrap()).await;
        dearer.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.2")).await.unwrap();
        let stored = house.texts("SELECT password_hash FROM credentials").await;
        assert!(stored[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored:?}");
        assert!(dearer.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.2")).await.is_ok());
    }

    /// 7.2.4: a log-in makes a new session and ends the one that the browser had.
    async fn a_log_in_replaces_the_session_of_the_browser(db: Db) {
        let house = open(&db).await;
        let before = house.set_up().await;
        let again = LogIn { session: Some(before.token.clone()), ..log_in("ada@example.com", PASSWORD) };
        let after = house.identity.login(again, &from("192.0.2.2")).await.unwrap().into_session().unwrap();
        assert_ne!(text(&before.token), text(&after.token));
        assert!(!house.is_in(&before.token).await && house.is_in(&after.token).await);
        assert_ne!(text(&before.session.csrf), text(&after.session.csrf));
    }
}

/// unknown names and paused accounts take as long as wrong passwords. One database is enough: the time goes
/// into the hash.
#[test]
fn x_12_every_refusal_takes_as_long() {
    async fn quickest(house: &House, login: &str, n: u32) -> Duration {
        let mut best = Duration::MAX;
        for round in 0..4 {
            let before = SystemClock.monotonic();
            let refused = house.identity.login(log_in(login, "wrong"), &stranger(n + round)).await;
            assert!(matches!(refused, Err(Error::BadLogin)));
            best = best.min(SystemClock.monotonic().saturating_sub(before));
        }
        best
    }
    async fn check(db: Db) {
        let house = open_with(&db, Cost::new(47_104, 1).unwrap()).await;
        house.set_up().await;
        let wrong = quickest(&house, "ada@example.com", 0).await;
        for n in 10..20 {
            fail(&house, n).await;
        }
        let paused = quickest(&house, "ada@example.com", 30).await;
        let unknown = quickest(&house, "nobody@example.com", 60).await;
        for (which, time) in [("paused", paused), ("unknown", unknown)] {
            assert!(time * 2 > wrong && wrong * 2 > time, "{which} took {time:?}, a wrong password {wrong:?}");
        }
    }
    let rooms = [
        access::MIGRATIONS,
        vault::MIGRATIONS,
        audit::MIGRATIONS,
        resources::MIGRATIONS,
        mail::MIGRATIONS,
        identity::MIGRATIONS,
        house::TABLES,
    ];
    testdb::run(testdb::Dialect::Sqlite, &rooms, check);
}
