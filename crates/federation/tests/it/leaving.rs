//! Log-out both ways: here and then there, and there and then here.

use std::time::Duration;

use federation::Error;
use serde_json::{Value, json};

use crate::house::{House, PUBLIC, from, open};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn logout(house: &House, jti: &str) -> Value {
    let now = house.db.context().now().as_millis() / 1_000;
    json!({
        "iss": house.issuer, "aud": "loudhailer", "iat": now, "exp": now + 120, "jti": jti, "sub": "bea", "sid": "sid-bea",
        "events": { EVENT: {} },
    })
}

async fn show(house: &House, claims: &Value) -> Result<u64, Error> {
    let token = house.signer.token("ES256", claims);
    house.federation.back_channel_logout("corp", &token, &from("192.0.2.7")).await
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// a session that its provider ended ends here, on every node within a second, and nobody else's does.
    async fn x_17_a_provider_ends_what_rests_on_its_session(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (_, first) = house.sign_on("bea", &[]).await.unwrap();
        let (_, other) = house.sign_on("cyd", &[]).await.unwrap();
        assert_eq!(show(&house, &logout(&house, "1")).await.unwrap(), 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!house.is_in(&first).await && house.is_in(&other).await);
        // Another session of the same person there stays; all of them go when none is named.
        let (_, second) = house.sign_on("bea", &[]).await.unwrap();
        let mut elsewhere = logout(&house, "2");
        elsewhere["sid"] = json!("another");
        assert_eq!(show(&house, &elsewhere).await.unwrap(), 0);
        let mut all = logout(&house, "3");
        all.as_object_mut().unwrap().remove("sid");
        assert_eq!(show(&house, &all).await.unwrap(), 1);
        // A session alone is enough.
        let (_, third) = house.sign_on("cyd", &[]).await.unwrap();
        let mut session = logout(&house, "4");
        session.as_object_mut().unwrap().remove("sub");
        session["sid"] = json!("sid-cyd");
        assert_eq!(show(&house, &session).await.unwrap(), 2);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!house.is_in(&second).await && !house.is_in(&third).await && !house.is_in(&other).await);
        let ended = house.texts("SELECT reason FROM audit_entries WHERE action = 'session.end'").await;
        assert_eq!(ended.len(), 4, "{ended:?}");
    }

    /// Anything that is no log-out token of this provider ends nothing.
    async fn x_17_forged_log_out_tokens_end_nothing(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (_, token) = house.sign_on("bea", &[]).await.unwrap();
        let mut reasons = std::collections::BTreeSet::new();
        for case in ["events", "event", "nonce", "jti", "audience", "issuer", "expired", "long", "nobody", "future"] {
            let mut claims = logout(&house, case);
            let map = claims.as_object_mut().unwrap();
            match case {
                "events" => drop(map.remove("events")),
                "event" => map["events"] = json!({ "https://other.example/event": {} }),
                "nonce" => drop(map.insert("nonce".into(), json!("n"))),
                "jti" => drop(map.remove("jti")),
                "audience" => map["aud"] = json!("another client"),
                "issuer" => map["iss"] = json!("https://evil.example"),
                "expired" => map["exp"] = json!(1_700_000_000),
                "long" => map["exp"] = json!(map["iat"].as_i64().unwrap() + 86_400),
                "future" => map["iat"] = json!(map["iat"].as_i64().unwrap() + 86_000),
                _ => {
                    map.remove("sub");
                    map.remove("sid");
                }
            }
            let refused = show(&house, &claims).await.unwrap_err();
            assert!(matches!(refused, Error::NotLogout(_)), "{case}: {refused}");
            reasons.insert(refused.to_string());
        }
        assert!(reasons.len() >= 8, "{reasons:?}");
        let stranger = testkit::Signer::ec("one", "P-256").token("ES256", &logout(&house, "s"));
        let refused = house.federation.back_channel_logout("corp", &stranger, &from("192.0.2.7")).await;
        assert!(matches!(refused, Err(Error::NotLogout(_))), "{refused:?}");
        // An identity token that somebody saw is none, and a log-out token counts once.
        let way = house.begin(None).await;
        assert!(matches!(show(&house, &house.claims(&way, "bea", &[])).await, Err(Error::NotLogout(_))));
        assert!(house.is_in(&token).await);
        assert_eq!(show(&house, &logout(&house, "once")).await.unwrap(), 1);
        let again = show(&house, &logout(&house, "once")).await.unwrap_err();
        assert!(again.to_string().contains("shown before"), "{again}");
        let told = house.refusals().await;
        assert!(told.iter().any(|why| why.starts_with("log-out at corp: ")), "{told:?}");
        // Whoever shows many waits; the provider itself, elsewhere, does not.
        let mut slowed = false;
        for _ in 0..30 {
            let refused = show(&house, &json!({ "iss": house.issuer })).await.unwrap_err();
            slowed |= matches!(refused, Error::Identity(identity::Error::TooManyTries { .. }));
        }
        assert!(slowed);
        let token = house.signer.token("ES256", &logout(&house, "elsewhere"));
        assert!(house.federation.back_channel_logout("corp", &token, &from("198.51.100.9")).await.is_ok());
        assert!(matches!(house.federation.back_channel_logout("none", &token, &from("198.51.100.9")).await, Err(Error::NoProvider)));
    }

    /// Whoever signs out here is shown the way to sign out there; who has no provider is not.
    async fn who_signs_out_here_can_sign_out_there(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (ada, _) = house.ada().await;
        assert!(house.federation.sign_out_there(&ada, PUBLIC).await.unwrap().is_none());
        let (_, token) = house.sign_on("bea", &[]).await.unwrap();
        let bea = house.identity.by_session(&token, &from("192.0.2.1")).await.unwrap().unwrap();
        let onward = house.federation.sign_out_there(&bea, PUBLIC).await.unwrap().unwrap();
        assert_eq!(onward.label, "Corporate");
        for part in [
            "/out?client_id=loudhailer",
            "post_logout_redirect_uri=https%3A%2F%2Fgateway.example.com%2Fsigned-out",
            "id_token_hint=ey",
        ] {
            assert!(onward.location.contains(part), "{part} in {}", onward.location);
        }
        // The hint is nowhere in the store but sealed under the session's own token.
        assert!(house.texts("SELECT data FROM sessions").await.iter().all(|data| !data.contains("eyJ")));
    }
}
