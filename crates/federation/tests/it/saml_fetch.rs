//! How often metadata is fetched, what comes of a certificate that changed, and metadata whose time is over.

use std::time::Duration;

use federation::{Error, Left, Purpose};

use crate::forge::{IDP, ISSUER, STRANGER};
use crate::house::{House, PUBLIC, from, lines, open};
use crate::saml::{answer, post, sign_on};
use crate::saml_keys::{by_address, leave, left, metadata};

/// How often the metadata was asked for.
fn asked(house: &House) -> usize {
    house.receiver.seen().iter().filter(|one| one.path == "/metadata").count()
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// strangers have metadata fetched once in half a minute, however many come, and whether or not it can be had; and an
    /// address that has it fetched in vain waits.
    async fn x_11_strangers_have_metadata_fetched_rarely(db: store::Db, clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_address(&house, "metadata")).await.unwrap();
        {
            let mut said = house.said.lock().unwrap();
            (said.metadata, said.metadata_after) = (metadata(IDP.own.certificate()), Duration::from_millis(700));
        }
        let begin = || {
            let federation = house.federation.clone();
            tokio::spawn(async move { federation.begin("corp", Purpose::SignIn, "", None, PUBLIC, &from("192.0.2.1")).await })
        };
        let all = [begin(), begin(), begin(), begin(), begin()];
        let mut good = 0;
        for one in all {
            match one.await.unwrap() {
                Ok(_) => good += 1,
                Err(Error::Provider(why)) => assert!(why.contains("once in 30 seconds"), "{why}"),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(good >= 1 && asked(&house) == 1, "{good} of {}", asked(&house));
        // A certificate that is not known, again and again, while the metadata cannot be had.
        house.said.lock().unwrap().metadata = "nonsense".into();
        house.said.lock().unwrap().metadata_after = Duration::ZERO;
        let shown = answer("_x", "bea").replace(">bea<", ">root<");
        let strangers = leave(&house, "_l1", "bea", None, &STRANGER.own);
        clock.advance(Duration::from_secs(31));
        for _ in 0..3 {
            assert!(left(&house, &strangers).await.is_err());
        }
        assert_eq!(asked(&house), 2);
        clock.advance(Duration::from_secs(31));
        assert!(left(&house, &strangers).await.is_err());
        assert_eq!(asked(&house), 3);
        // Without anything known, each try is one in vain of its address.
        house.apply(&by_address(&house, "other")).await.unwrap();
        let mut waits = 0;
        for _ in 0..30 {
            match post(&house, None, &shown).await.unwrap_err() {
                Error::Provider(_) => {}
                Error::Identity(identity::Error::TooManyTries { .. }) => waits += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(waits, 10);
    }

    /// a log-out that is signed with the provider's new key counts once its metadata says so; an address shows no certificate.
    async fn x_17_a_log_out_counts_after_a_change_of_certificate(db: store::Db, clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        let by_post = |der: &[u8]| metadata(der).replace("HTTP-POST", "HTTP-Redirect");
        house.said.lock().unwrap().metadata = by_post(IDP.own.certificate());
        house.apply(&by_address(&house, "metadata")).await.unwrap();
        let (_, token) = sign_on(&house, "bea").await.unwrap();
        house.said.lock().unwrap().metadata = by_post(STRANGER.own.certificate());
        let query = leave(&house, "_l1", "bea", None, &STRANGER.own);
        match left(&house, &query).await {
            Err(Error::Saml(refused)) => assert_eq!(refused.name(), "Signature", "within half a minute"),
            other => panic!("{other:?}"),
        }
        assert!(house.is_in(&token).await);
        clock.advance(Duration::from_secs(31));
        assert!(matches!(left(&house, &query).await.unwrap(), Left::Here { ended: 1, answer: None }));
        assert!(!house.is_in(&token).await);
        // The key before is nobody's now.
        clock.advance(Duration::from_secs(31));
        let old = leave(&house, "_l2", "bea", None, &IDP.own);
        assert!(matches!(left(&house, &old).await, Err(Error::Saml(_))));
    }

    /// Entered metadata whose time is over keeps nobody from other changes, and is not entered anew.
    async fn metadata_that_ran_out_blocks_no_change(db: store::Db, clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        let until = house.db.context().now().plus(Duration::from_hours(1)).rfc3339();
        let text = metadata(IDP.own.certificate()).replacen(" entityID", &format!(" validUntil=\"{until}\" entityID"), 1);
        let file = |beside: &str, text: &str| {
            format!(
                "identity_providers:\n  - name: corp\n    kind: saml\n    issuer: {ISSUER}\n{beside}    saml:\n      metadata: '{}'\n",
                text.replace('\n', " ")
            )
        };
        house.apply(&file("", &text)).await.unwrap();
        let known = house.texts("SELECT facts FROM saml_providers").await;
        clock.advance(Duration::from_hours(2));
        house.apply(&file("    label: Corporate\n", &text)).await.unwrap();
        assert_eq!(house.texts("SELECT facts FROM saml_providers").await, known, "it is known as it was");
        house.apply(&file("    enabled: false\n", &text)).await.unwrap();
        let other = text.replace("idp.example.com/post", "idp.example.com/other");
        let refused = lines(&house.apply(&file("", &other)).await.unwrap_err());
        assert!(refused.contains("it ran out (validUntil)"), "{refused}");
    }
}
