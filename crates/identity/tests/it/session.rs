//! Sessions.

use std::sync::Arc;
use std::time::Duration;

use access::Capability;
use base::{ManualClock, SecretString};
use store::{Db, params};

use crate::house::{self, House, PASSWORD, from, log_in, open, text};

async fn login(house: &House, n: u8) -> SecretString {
    house
        .identity
        .login(log_in("ada@example.com", PASSWORD), &from(&format!("192.0.2.{n}")))
        .await
        .unwrap()
        .into_session()
        .unwrap()
        .token
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// 256 random bits that the store does not know; what it keeps of a session is unreadable without them, and
    /// gone after log-out.
    async fn x_16_a_session_is_unreadable_after_log_out(db: Db) {
        let house = open(&db).await;
        let token = house.set_up().await.token;
        assert_eq!(text(&token).len(), 43);
        let stored: Vec<(Vec<u8>, String)> = db
            .read(|tx| tx.query("SELECT token_hash, data FROM sessions", &[], |row| Ok((row.get("token_hash")?, row.get("data")?))))
            .await
            .unwrap();
        let (hash, data) = stored[0].clone();
        assert!(data.starts_with("v1.") && !data.contains("secret"), "the data is sealed");
        assert!(!data.contains(text(&token)));
        house.identity.logout(&token, &from("192.0.2.1")).await.unwrap();
        assert!(!house.is_in(&token).await, "at once on this node");
        assert_eq!(house.count("sessions").await, 0);
        // Even a row brought back from a backup helps nobody who has no token, and a forged hash opens nothing.
        let ada = house.user("ada@example.com").await;
        let other = login(&house, 9).await;
        db.write(move |tx| {
            tx.execute("UPDATE sessions SET data = $1 WHERE user_id = $2", &params![data.as_str(), ada])?;
            tx.execute("UPDATE sessions SET id = '00000000-0000-7000-8000-000000000001' WHERE token_hash <> $1", &params![hash.clone()])
        })
        .await
        .unwrap();
        let fresh = open(&db).await;
        assert!(!fresh.is_in(&other).await, "data sealed under another token does not open");
        let ended = house.texts("SELECT action FROM audit_entries WHERE action = 'session.end'").await;
        assert_eq!(ended.len(), 1);
        house.identity.logout(&token, &from("192.0.2.1")).await.unwrap();
    }

    /// on every node within a second.
    async fn x_16_a_session_ends_on_every_node_within_a_second(db: Db, clock: Arc<ManualClock>) {
        let (here, there) = (open(&db).await, open(&db).await);
        let token = here.set_up().await.token;
        assert!(here.is_in(&token).await && there.is_in(&token).await);
        here.identity.logout(&token, &from("192.0.2.1")).await.unwrap();
        assert!(!here.is_in(&token).await);
        clock.advance(Duration::from_secs(1));
        assert!(!there.is_in(&token).await);
    }

    /// 30 minutes unless the organisation says otherwise, from 5 to 60; use keeps it alive, watching does not.
    async fn x_17_a_session_idles_out(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let token = house.set_up().await.token;
        for _ in 0..3 {
            clock.advance(Duration::from_mins(29));
            assert!(house.is_in(&token).await, "use keeps it alive");
        }
        clock.advance(Duration::from_mins(29));
        assert!(house.identity.session_still(&token, &from("192.0.2.1")).await.unwrap().is_some());
        clock.advance(Duration::from_mins(1));
        assert!(house.identity.session_still(&token, &from("192.0.2.1")).await.unwrap().is_none(), "an open stream does not");
        assert!(!house.is_in(&token).await);
        for minutes in [5_u32, 60] {
            house.apply(&format!("settings: [{{session_idle_minutes: {minutes}}}]\n")).await.unwrap();
            let token = login(&house, 3).await;
            clock.advance(Duration::from_secs(u64::from(minutes) * 60 - 1));
            assert!(house.is_in(&token).await);
            clock.advance(Duration::from_secs(u64::from(minutes) * 60));
            assert!(!house.is_in(&token).await, "{minutes}");
        }
    }

    /// 7.3.1: what lies in a session that nobody uses is not kept until its last hour.
    async fn a_session_that_nobody_uses_is_swept(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let token = house.set_up().await.token;
        clock.advance(Duration::from_mins(29));
        house.identity.sweep().await.unwrap();
        assert_eq!(house.count("sessions").await, 1);
        assert!(house.is_in(&token).await);
        clock.advance(Duration::from_mins(30));
        house.identity.sweep().await.unwrap();
        assert_eq!(house.count("sessions").await, 0);
    }

    /// 7.3.2: twelve hours in any case.
    async fn a_session_ends_after_twelve_hours_however_busy(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let token = house.set_up().await.token;
        for _ in 0..47 {
            clock.advance(Duration::from_mins(15));
            assert!(house.is_in(&token).await);
        }
        clock.advance(Duration::from_mins(15));
        assert!(!house.is_in(&token).await);
        assert!(house.identity.sweep().await.unwrap() >= 1);
        assert_eq!(house.count("sessions").await, 0);
    }

    /// AC-10: ten sessions a person, the oldest end.
    async fn the_eleventh_session_ends_the_oldest(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let first = house.set_up().await.token;
        let mut others = Vec::new();
        for n in 0..10 {
            clock.advance(Duration::from_secs(5));
            others.push(login(&house, 10 + n).await);
        }
        assert!(!house.is_in(&first).await);
        assert_eq!(house.count("sessions").await, 10);
        for token in &others {
            assert!(house.is_in(token).await);
        }
    }

    /// E-17: rights are those of now; a change of roles ends the sessions, removal ends everything.
    async fn a_change_of_roles_and_a_removal_end_sessions(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        let people = |role: &str| {
            format!(
                "users:\n  - {{name: Ada Sample, login: ada@example.com, roles: [{{role: administrator}}]}}\n  \
                 - {{name: Cem Sample, login: cem@example.com, roles: [{{role: {role}}}]}}\n"
            )
        };
        house.apply(&people("administrator")).await.unwrap();
        let link = house.invite("cem@example.com").await;
        let cem = house.identity.accept_invite(link, house::secret(PASSWORD), &from("192.0.2.5")).await.unwrap().into_session().unwrap();
        assert!(cem.session.grants.organisation_capabilities().contains(Capability::PeopleWrite));
        house.apply(&people("viewer")).await.unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(!house.is_in(&cem.token).await);
        let again = house.identity.login(log_in("cem@example.com", PASSWORD), &from("192.0.2.6")).await.unwrap().into_session().unwrap();
        assert!(!again.session.grants.organisation_capabilities().contains(Capability::PeopleWrite));
        house.apply("users:\n  - {name: Ada Sample, login: ada@example.com, roles: [{role: administrator}]}\n").await.unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(!house.is_in(&again.token).await);
        assert!(house.identity.login(log_in("cem@example.com", PASSWORD), &from("192.0.2.7")).await.is_err());
    }

    /// the CSRF token belongs to the session and says nothing about its token.
    async fn x_18_the_csrf_token_is_bound_to_the_session(db: Db) {
        let house = open(&db).await;
        let (one, two) = (house.set_up().await, login(&house, 2).await);
        let first = house.identity.by_session(&one.token, &from("192.0.2.1")).await.unwrap().unwrap();
        let second = house.identity.by_session(&two, &from("192.0.2.1")).await.unwrap().unwrap();
        assert!(first.csrf_matches(text(&one.session.csrf)), "the same at each request");
        assert!(!second.csrf_matches(text(&first.csrf)) && !first.csrf_matches("") && !first.csrf_matches("x"));
        assert_ne!(text(&first.csrf), text(&one.token));
        assert!(!format!("{first:?} {one:?}").contains(text(&one.token)));
        let actor = second.grants.actor();
        assert_eq!((actor.session, actor.source.map(|source| source.to_string())), (Some(second.id), Some("192.0.2.1:40000".into())));
    }

    async fn what_is_no_token_opens_nothing(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        for bad in ["", "x", &"A".repeat(43), &"-".repeat(43), &"a".repeat(5000)] {
            assert!(!house.is_in(&house::secret(bad)).await);
        }
    }
}
