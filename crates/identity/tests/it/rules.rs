//! The rules for passwords and lock-out as settings, changes that are asked for, and the change of one's own password.

use std::sync::Arc;
use std::time::Duration;

use access::{Grants, OrganisationPermit, cap};
use base::{Explain, ManualClock};
use identity::{Error, PasswordChange};
use store::Db;

use crate::house::{self, House, PASSWORD, from, lines, log_in, open, operator, secret};

const NEW: &str = "seven grey lanterns over water";

fn permit() -> OrganisationPermit<cap::PeopleWrite> {
    Grants::of_operator(operator()).permit_organisation().unwrap()
}

fn change(old: &str, new: &str) -> PasswordChange {
    PasswordChange { old: secret(old), new: secret(new), device: None }
}

async fn rules(house: &House, rules: &str) {
    house.apply(&format!("sign_in_rules: [{{{rules}}}]\n")).await.unwrap();
}

async fn expire(house: &House, login: &str) -> Result<(), Error> {
    let (identity, user) = (house.identity.clone(), house.user(login).await);
    house.db.write(move |tx| identity.expire_password(tx, &permit(), user)).await
}

/// Signs in, is sent to choose another password, and chooses it.
async fn replaced(house: &House, old: &str, new: &str) -> Result<(), Error> {
    match house.identity.login(log_in("ada@example.com", old), &from("192.0.2.1")).await {
        Err(Error::MustChange(link)) => {
            house.identity.reset_password(link.secret, secret(new), &from("192.0.2.1")).await
        }
        other => panic!("let in, or refused: {other:?}"),
    }
}

fn code(error: Error) -> String {
    error.problem().code.to_string()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    async fn x_10_the_owner_changes_a_password_with_the_old_one(db: Db) {
        let house = open(&db).await;
        let entered = house.set_up().await;
        let other = house.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.1")).await.unwrap().into_session().unwrap();
        let caller = from("192.0.2.1");
        let wrong = house.identity.change_password(&entered.session, change("not the password", NEW), &caller).await.unwrap_err();
        assert_eq!((code(wrong), house.count("credentials").await), ("bad-login".to_owned(), 1));
        let weak = house.identity.change_password(&entered.session, change(PASSWORD, "short"), &caller).await.unwrap_err();
        assert_eq!(code(weak), "password-too-short");
        house.identity.change_password(&entered.session, change(PASSWORD, NEW), &caller).await.unwrap();
        assert!(house.is_in(&entered.token).await, "this session goes on");
        assert!(!house.is_in(&other.token).await, "the others end");
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &caller).await.is_err());
        assert!(house.identity.login(log_in("ada@example.com", NEW), &caller).await.is_ok());
        let told = house.texts("SELECT outcome FROM audit_entries WHERE action = 'password.change' ORDER BY counter").await;
        assert_eq!(told, ["failure", "success"]);
    }

    /// the old password cannot be guessed at from a session that lies open.
    async fn x_12_guesses_at_the_old_password_pause_the_account(db: Db) {
        let house = open(&db).await;
        let entered = house.set_up().await;
        for _ in 0..5 {
            let _ = house.identity.change_password(&entered.session, change("not the password", NEW), &from("192.0.2.1")).await;
        }
        let paused = house.identity.change_password(&entered.session, change(PASSWORD, NEW), &from("192.0.2.1")).await;
        assert_eq!(code(paused.unwrap_err()), "bad-login");
    }

    async fn x_10_history_and_ages_hold_where_they_are_set(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        rules(&house, "password_history: 3, password_min_age_hours: 24, password_max_age_days: 30").await;
        let entered = house.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.1")).await.unwrap().into_session().unwrap();
        let young = house.identity.change_password(&entered.session, change(PASSWORD, NEW), &from("192.0.2.1")).await;
        assert_eq!(code(young.unwrap_err()), "password-too-young");
        clock.advance(Duration::from_hours(25));
        let entered = house.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.1")).await.unwrap().into_session().unwrap();
        let same = house.identity.change_password(&entered.session, change(PASSWORD, PASSWORD), &from("192.0.2.1")).await;
        assert_eq!(code(same.unwrap_err()), "password-used-before");
        house.identity.change_password(&entered.session, change(PASSWORD, NEW), &from("192.0.2.1")).await.unwrap();
        assert_eq!(house.count("old_passwords").await, 1);
        // After thirty days another one is asked for, and neither the last nor the one before is taken.
        clock.advance(Duration::from_hours(24 * 30));
        assert_eq!(code(replaced(&house, NEW, PASSWORD).await.unwrap_err()), "password-used-before");
        replaced(&house, NEW, "eleven brass kettles in a row").await.unwrap();
        let let_in = house.identity.login(log_in("ada@example.com", "eleven brass kettles in a row"), &from("192.0.2.1")).await;
        assert!(let_in.is_ok());
        // Without a history what was remembered goes with the next change.
        rules(&house, "password_history: 0").await;
        expire(&house, "ada@example.com").await.unwrap();
        replaced(&house, "eleven brass kettles in a row", PASSWORD).await.unwrap();
        assert_eq!(house.count("old_passwords").await, 0);
    }

    async fn x_15_a_change_is_forced_at_the_next_sign_in(db: Db) {
        let house = open(&db).await;
        let entered = house.set_up().await;
        expire(&house, "ada@example.com").await.unwrap();
        assert!(!house.is_in(&entered.token).await, "sessions end");
        let wrong = house.identity.login(log_in("ada@example.com", "not the password"), &from("192.0.2.1")).await;
        assert!(matches!(wrong, Err(Error::BadLogin)), "only the right password hears of it");
        let sessions = house.count("sessions").await;
        replaced(&house, PASSWORD, NEW).await.unwrap();
        assert_eq!(house.count("sessions").await, sessions, "no session before the change, and none by it");
        assert!(house.identity.login(log_in("ada@example.com", NEW), &from("192.0.2.1")).await.is_ok());
        let told = house.texts("SELECT action || ' ' || outcome FROM audit_entries WHERE action LIKE 'password.%' OR outcome = 'denied' ORDER BY counter").await;
        assert_eq!(told, ["password.expire success", "session.start denied", "password.reset.use success"]);
        house.apply("users:\n  - {name: Ada Sample, login: ada@example.com, roles: [{role: administrator}]}\n  - {name: Bo Sample, login: bo@example.com}\n").await.unwrap();
        assert!(matches!(expire(&house, "bo@example.com").await, Err(Error::NoPassword)));
    }

    async fn x_12_thresholds_are_settings_and_an_administrator_unlocks(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        rules(&house, "lockout_after: 2, locked_after: 3, lockout_longest_minutes: 1").await;
        let login = |password: &'static str| {
            let identity = house.identity.clone();
            async move { identity.login(log_in("ada@example.com", password), &from("192.0.2.1")).await }
        };
        for _ in 0..2 {
            assert!(login("not the password").await.is_err());
        }
        assert!(login(PASSWORD).await.is_err(), "the second failure pauses");
        let (identity, user) = (house.identity.clone(), house.user("ada@example.com").await);
        db.write(move |tx| identity.unlock(tx, &permit(), user)).await.unwrap();
        assert!(login(PASSWORD).await.is_ok());
        let told = house.texts("SELECT outcome FROM audit_entries WHERE action = 'user.unlock'").await;
        assert_eq!(told, ["success"]);
    }

    async fn x_12_tries_of_an_address_are_a_setting(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        rules(&house, "tries_per_address: 2").await;
        // Read with the first try; those before counted by the rules of then.
        let mut refused = 0;
        for _ in 0..6 {
            if let Err(Error::TooManyTries { .. }) = house.identity.login(log_in("ada@example.com", "not it"), &from("192.0.2.9")).await {
                refused += 1;
            }
        }
        assert!(refused >= 3, "{refused}");
    }

    async fn rules_that_cannot_be_are_refused(db: Db) {
        let house = open(&db).await;
        for (rules, words) in [
            ("lockout_after: 10, locked_after: 10", "locked_after: an account pauses before it is locked"),
            ("password_min_length: 7", "password_min_length"),
            ("password_min_age_hours: 48, password_max_age_days: 2", "password_min_age_hours: a password that must be kept"),
            ("password_classes: [emoji]", "password_classes"),
        ] {
            let error = house.apply(&format!("sign_in_rules: [{{{rules}}}]\n")).await.unwrap_err();
            assert!(lines(&error).concat().contains(words), "{rules}: {:?}", lines(&error));
        }
    }
}
