//! The set-up link and invitations.

use std::sync::Arc;
use std::time::Duration;

use access::Capability;
use base::{Explain, ManualClock};
use identity::Error;
use store::Db;

use crate::house::{self, PASSWORD, form, from, log_in, open, secret, text};

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// nothing ships with a credential; the link makes the first administrator, once.
    async fn x_14_the_set_up_link_makes_the_first_administrator_once(db: Db) {
        let house = open(&db).await;
        let identity = house.identity.clone();
        assert!(db.read(move |tx| identity.needs_setup(tx)).await.unwrap());
        assert_eq!(house.count("users").await + house.count("credentials").await, 0);
        let link = house.setup_secret().await;
        let stored = house.texts("SELECT purpose || user_id FROM one_time_links").await;
        assert_eq!(stored, ["setup"], "the store has a hash and no secret");
        let done = house.identity.setup(form(link.clone()), &from("192.0.2.1")).await.unwrap().into_session().unwrap();
        assert!(done.session.grants.organisation_capabilities().contains(Capability::PeopleWrite));
        assert!(house.is_in(&done.token).await);
        let identity = house.identity.clone();
        assert!(!db.read(move |tx| identity.needs_setup(tx)).await.unwrap());
        let mut again = form(link);
        again.login = "eve@example.com".into();
        assert!(matches!(house.identity.setup(again, &from("192.0.2.1")).await, Err(Error::BadLink)));
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.1")).await.is_ok());
        let told = house.texts("SELECT action || ' ' || outcome FROM audit_entries ORDER BY counter").await;
        assert_eq!(told, ["setup_link.create success", "resource.create success", "setup_link.use success", "session.start success"]);
    }

    /// a day, and a new link replaces the old one.
    async fn x_14_a_link_ends_after_a_day_and_with_the_next_one(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let first = house.setup_secret().await;
        let second = house.setup_secret().await;
        assert!(matches!(house.identity.setup(form(first), &from("192.0.2.1")).await, Err(Error::BadLink)));
        clock.advance(Duration::from_hours(24));
        assert!(matches!(house.identity.setup(form(second), &from("192.0.2.1")).await, Err(Error::BadLink)));
        let third = house.setup_secret().await;
        clock.advance(Duration::from_hours(24) - Duration::from_secs(1));
        assert!(house.identity.setup(form(third), &from("192.0.2.1")).await.is_ok());
    }

    async fn a_refused_form_leaves_the_link_usable(db: Db) {
        let house = open(&db).await;
        let link = house.setup_secret().await;
        for (login, password) in [("ada@example.com", "short"), ("not an address", PASSWORD), ("ada@example.com", "ada sample ada sample")] {
            let mut bad = form(link.clone());
            bad.login = login.into();
            bad.password = secret(password);
            let error = house.identity.setup(bad, &from("192.0.2.1")).await.unwrap_err();
            assert!(!matches!(error, Error::BadLink), "{login}: {error}");
            assert!(error.problem().field.is_some(), "the form can say which field: {error:?}");
        }
        assert!(house.identity.setup(form(link), &from("192.0.2.1")).await.is_ok());
    }

    /// E-25: an administrator starts a reset and never picks the password; sessions and lock-out end with it.
    async fn e_25_an_invitation_lets_a_person_choose_the_password(db: Db) {
        let house = open(&db).await;
        house.apply("users: [{name: Cem Sample, login: cem@example.com, roles: [{role: responder}]}]\n").await.unwrap();
        assert!(house.identity.login(log_in("cem@example.com", ""), &from("192.0.2.1")).await.is_err());
        let first = house.invite("cem@example.com").await;
        let caller = from("192.0.2.9");
        let weak = house.identity.accept_invite(first.clone(), secret("cem cem cem cem cem"), &caller).await;
        assert!(matches!(weak, Err(Error::Password(_))));
        let joined = house.identity.accept_invite(first.clone(), secret(PASSWORD), &caller).await.unwrap().into_session().unwrap();
        assert!(house.is_in(&joined.token).await);
        assert!(matches!(house.identity.accept_invite(first, secret(PASSWORD), &caller).await, Err(Error::BadLink)));
        let next = house.invite("cem@example.com").await;
        house.identity.accept_invite(next, secret("another long walk by the sea"), &caller).await.unwrap();
        assert!(!house.is_in(&joined.token).await, "other sessions end");
        assert!(house.identity.login(log_in("cem@example.com", PASSWORD), &caller).await.is_err());
        let setup = house.setup_secret().await;
        assert!(matches!(house.identity.accept_invite(setup, secret(PASSWORD), &caller).await, Err(Error::BadLink)));
    }

    async fn links_are_throttled_by_address(db: Db) {
        let house = open(&db).await;
        let guess = secret(&format!("loudhailer_setup_{}", "A".repeat(36)));
        for _ in 0..20 {
            assert!(matches!(house.identity.setup(form(guess.clone()), &from("192.0.2.7")).await, Err(Error::BadLink)));
        }
        assert!(matches!(house.identity.setup(form(guess), &from("192.0.2.7")).await, Err(Error::TooManyTries { .. })));
        let link = house.setup_secret().await;
        assert!(text(&link).starts_with("loudhailer_setup_"));
        assert!(house.identity.setup(form(link), &from("192.0.2.8")).await.is_ok());
    }
}
