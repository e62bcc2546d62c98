//! A provider's word as a fresh proof, and as one that is none.

use std::time::Duration;

use federation::{Arrived, Error, Purpose};
use serde_json::json;

use crate::house::{House, PUBLIC, from, open};

fn seconds(house: &House) -> i64 {
    house.db.context().now().as_millis() / 1_000
}

async fn prove_with(
    house: &House,
    session: &(identity::Session, base::SecretString),
    change: impl Fn(&mut serde_json::Value),
) -> Result<Arrived, Error> {
    let begun = house.federation.begin_proof(&session.0, "/w/ops", PUBLIC, &from("192.0.2.1")).await?;
    let way = House::way(begun);
    assert!(way.location.contains("prompt=login&max_age=0"), "{}", way.location);
    let mut claims = house.claims(&way, "bea", &[]);
    change(&mut claims);
    house.says(&claims);
    house.finish_with(&way, house.answer(&way), Some(session.clone())).await
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// ASVS 7.5.1: whoever comes through silently, by a session that they have at the provider, has not just proven themselves.
    async fn a_silent_sign_on_is_no_fresh_proof(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (fresh, _) = house.sign_on("bea", &[]).await.unwrap();
        assert!(fresh.fresh_until > house.db.context().now());
        for auth_time in [Some(seconds(&house) - 3_600), None] {
            let way = house.begin(None).await;
            let mut claims = house.claims(&way, "bea", &[]);
            match auth_time {
                Some(at) => claims["auth_time"] = json!(at),
                None => drop(claims.as_object_mut().unwrap().remove("auth_time")),
            }
            house.says(&claims);
            let arrived = house.finish(&way, house.answer(&way)).await.unwrap();
            let Arrived::In { entered, .. } = arrived else { panic!("{arrived:?}") };
            let entered = entered.into_session().unwrap();
            assert!(entered.session.fresh_until < house.db.context().now(), "{auth_time:?}");
            // Also as it is read back.
            let read = house.identity.by_session(&entered.token, &from("192.0.2.1")).await.unwrap().unwrap();
            assert!(read.fresh_until < house.db.context().now());
        }
        // A time to come is none.
        let way = house.begin(None).await;
        let mut claims = house.claims(&way, "bea", &[]);
        claims["auth_time"] = json!(seconds(&house) + 3_600);
        house.says(&claims);
        assert!(matches!(house.finish(&way, house.answer(&way)).await, Err(Error::Provider(_))));
    }

    /// Signing in there anew is a fresh proof of the same session; anything less is none, and nobody proves somebody else.
    async fn signing_in_anew_proves_the_person_of_a_session(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let way = house.begin(None).await;
        let mut claims = house.claims(&way, "bea", &[]);
        claims["auth_time"] = json!(seconds(&house) - 3_600);
        house.says(&claims);
        let Arrived::In { entered, .. } = house.finish(&way, house.answer(&way)).await.unwrap() else { panic!("in") };
        let entered = entered.into_session().unwrap();
        let stale = (entered.session, entered.token);
        let ways = house.identity.step_up_ways(&stale.1, &from("192.0.2.1")).await.unwrap();
        assert!(ways.elsewhere && !ways.password && !ways.app);
        let old = seconds(&house) - 3_600;
        let refused = prove_with(&house, &stale, |claims| claims["auth_time"] = json!(old)).await;
        assert!(matches!(refused, Err(Error::NotFresh)), "{refused:?}");
        let refused = prove_with(&house, &stale, |claims| drop(claims.as_object_mut().unwrap().remove("auth_time"))).await;
        assert!(matches!(refused, Err(Error::NotFresh)), "{refused:?}");
        let refused = prove_with(&house, &stale, |claims| claims["sub"] = json!("eve")).await;
        assert!(matches!(refused, Err(Error::OtherPerson)), "{refused:?}");
        let proved = prove_with(&house, &stale, |_| ()).await.unwrap();
        let Arrived::Proved { token, next } = proved else { panic!("{proved:?}") };
        assert_eq!(next, "/w/ops");
        let live = house.identity.by_session(&token, &from("192.0.2.1")).await.unwrap().unwrap();
        assert!(live.fresh_until > house.db.context().now());
        assert_eq!(live.id, stale.0.id, "the same session, by another identifier");
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert!(!house.is_in(&stale.1).await);
        // Without a session nobody is proven, and who has no provider has none to go to.
        let way = house.begin_at("corp", Purpose::Prove(live.user)).await;
        house.says(&house.claims(&way, "bea", &[]));
        assert!(matches!(house.finish(&way, house.answer(&way)).await, Err(Error::OtherPerson)));
        let (ada, _) = house.ada().await;
        assert!(matches!(house.federation.begin_proof(&ada, "", PUBLIC, &from("192.0.2.1")).await, Err(Error::NoProvider)));
        let reasons = house.texts("SELECT reason FROM audit_entries WHERE action = 'session.step_up'").await;
        assert_eq!(reasons, ["single_sign_on"]);
    }

    /// A code that somebody made up, or a provider's refusal of it, says nothing about the provider.
    async fn strangers_cannot_make_a_provider_look_broken(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let way = house.begin(None).await;
        {
            let mut said = house.said.lock().unwrap();
            (said.token_status, said.token_error) = (400, "invalid_grant");
        }
        assert!(matches!(house.finish(&way, house.answer(&way)).await, Err(Error::BadCode(_))));
        assert!(!house.is_failing().await);
        let way = house.begin(None).await;
        {
            let mut said = house.said.lock().unwrap();
            (said.token_status, said.token_error) = (401, "invalid_client");
        }
        assert!(matches!(house.finish(&way, house.answer(&way)).await, Err(Error::Provider(_))));
        assert!(house.is_failing().await, "that is between the provider and us");
    }
}
