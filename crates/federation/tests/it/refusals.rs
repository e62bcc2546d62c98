//! Everything between the button and the session that can be forged, stolen, mixed up or too late.

use base::Explain as _;
use federation::{Answered, Arrived, Error};
use serde_json::json;
use testkit::Signer;

use crate::house::{PUBLIC, from, open};

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// X-11: the answer must be one to this browser's request, by this provider, once.
    async fn x_11_answers_that_nobody_began_are_refused(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let good = |way: &crate::house::Way| house.answer(way);
        // No cookie, somebody else's cookie, nonsense for a cookie.
        let way = house.begin(None).await;
        house.says(&house.claims(&way, "bea", &[]));
        let none = house.federation.finish("corp", None, good(&way), None, PUBLIC, &from("192.0.2.1")).await;
        assert!(matches!(none, Err(Error::NotBegun)));
        for text in ["", "x", &"A".repeat(43), &"!".repeat(43)] {
            let token = base::SecretString::from(text);
            let refused = house.federation.finish("corp", Some(&token), good(&way), None, PUBLIC, &from("192.0.2.1")).await;
            assert!(matches!(refused, Err(Error::NotBegun)), "{text}");
        }
        // Login CSRF: an answer to the attacker's own request in the victim's browser.
        let (victim, attacker) = (house.begin(None).await, house.begin(None).await);
        assert!(matches!(house.finish(&victim, good(&attacker)).await, Err(Error::NotBegun)));
        // The cookie is used up by that, even for the right answer; and a right answer works once.
        house.says(&house.claims(&victim, "bea", &[]));
        assert!(matches!(house.finish(&victim, good(&victim)).await, Err(Error::NotBegun)));
        assert!(matches!(house.finish(&way, Answered { state: None, ..good(&way) }).await, Err(Error::NotBegun)));
        let way = house.begin(None).await;
        house.says(&house.claims(&way, "bea", &[]));
        assert!(matches!(house.finish(&way, good(&way)).await, Ok(Arrived::In { .. })));
        assert!(matches!(house.finish(&way, good(&way)).await, Err(Error::NotBegun)));
    }

    /// RFC 9207: an answer of another provider, or of one that hides who it is.
    async fn x_11_mixed_up_answers_are_refused(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        for iss in [Some("https://evil.example".to_owned()), Some(format!("{}/", house.issuer)), None] {
            let way = house.begin(None).await;
            house.says(&house.claims(&way, "bea", &[]));
            let refused = house.finish(&way, Answered { iss: iss.clone(), ..house.answer(&way) }).await.unwrap_err();
            assert!(matches!(refused, Error::Mixed(_)), "{iss:?}: {refused}");
        }
        let refusals = house.refusals().await;
        assert!(refusals[0].contains("another issuer (iss)") && refusals[2].contains("names no issuer"), "{refusals:?}");
        let paths: Vec<String> = house.receiver.seen().into_iter().map(|one| one.path).collect();
        assert!(!paths.contains(&"/token".to_owned()), "no code is shown to anybody: {paths:?}");
        // What a browser brought says nothing about the provider: strangers cannot make it look broken.
        assert!(!house.is_failing().await);
    }

    /// Tokens that a provider never made for this request.
    async fn x_11_forged_identity_tokens_open_nothing(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let stranger = Signer::ec("one", "P-256");
        let mut reasons = Vec::new();
        for case in ["stranger", "nonce", "audience", "issuer", "expired", "algorithm", "party"] {
            let way = house.begin(None).await;
            let mut claims = house.claims(&way, "bea", &[]);
            match case {
                "nonce" => claims["nonce"] = json!("of another request"),
                "audience" => claims["aud"] = json!("another client"),
                "issuer" => claims["iss"] = json!("https://evil.example"),
                "expired" => claims["exp"] = json!(1_700_000_000),
                "party" => claims["azp"] = json!("another client"),
                _ => {}
            }
            house.says(&claims);
            if case == "stranger" {
                house.said.lock().unwrap().id_token = stranger.token("ES256", &claims);
            }
            if case == "algorithm" {
                house.said.lock().unwrap().id_token = format!("{}.{}.", testkit::base64url(r#"{"alg":"none"}"#), testkit::base64url(claims.to_string()));
            }
            let refused = house.finish(&way, house.answer(&way)).await.unwrap_err();
            assert!(matches!(refused, Error::Provider(_)), "{case}: {refused}");
            assert!(!refused.problem().detail.contains("nonce"), "the person is told no cause");
            reasons.push(refused.to_string());
        }
        assert_eq!(reasons.iter().collect::<std::collections::BTreeSet<_>>().len(), 7, "{reasons:?}");
        assert!(house.texts("SELECT id FROM users").await.is_empty());
        // The administrator sees why on the provider's page.
        let (federation, db) = (house.federation.clone(), house.db.clone());
        let found = db
            .read(move |tx| -> Result<_, Error> {
                let grants = access::Grants::of_operator(access::Actor::os("root", "host1"));
                federation.providers(tx, &grants.permit_organisation()?)
            })
            .await
            .unwrap();
        assert!(found[0].0.health.is_failing() && found[0].0.health.reason.as_deref() == Some("the token was given to another party (azp)"));
    }

    /// A user info endpoint that speaks of somebody else, a token endpoint that refuses, a person who went back.
    async fn what_the_provider_refuses_is_explained(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let way = house.begin(None).await;
        let mut claims = house.claims(&way, "bea", &[]);
        claims.as_object_mut().unwrap().remove("email");
        house.says(&claims);
        house.said.lock().unwrap().user_info = Some(json!({ "sub": "somebody else", "email": "boss@example.com" }));
        let refused = house.finish(&way, house.answer(&way)).await.unwrap_err();
        assert!(refused.to_string().contains("another subject"), "{refused}");
        let way = house.begin(None).await;
        house.said.lock().unwrap().token_status = 401;
        let refused = house.finish(&way, house.answer(&way)).await.unwrap_err();
        assert!(refused.to_string().contains("invalid_client; look at client id"), "{refused}");
        assert!(!refused.to_string().contains("s3cret"));
        let way = house.begin(None).await;
        let back = Answered { code: None, error: Some("access_denied".into()), ..house.answer(&way) };
        let refused = house.finish(&way, back).await.unwrap_err();
        assert!(refused.problem().detail.contains("access_denied"), "{refused}");
        let way = house.begin(None).await;
        let odd = Answered { code: None, error: Some("<script>".into()), ..house.answer(&way) };
        assert!(!house.finish(&way, odd).await.unwrap_err().problem().detail.contains("script"));
    }

    async fn a_sign_on_lasts_ten_minutes(db: store::Db, clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (slow, slower) = (house.begin(None).await, house.begin(None).await);
        clock.advance(std::time::Duration::from_secs(599));
        house.says(&house.claims(&slow, "bea", &[]));
        assert!(house.finish(&slow, house.answer(&slow)).await.is_ok());
        clock.advance(std::time::Duration::from_secs(1));
        house.says(&house.claims(&slower, "bea", &[]));
        assert!(matches!(house.finish(&slower, house.answer(&slower)).await, Err(Error::NotBegun)));
        house.begin(None).await;
        clock.advance(std::time::Duration::from_mins(10));
        assert_eq!(house.federation.sweep().await.unwrap(), 1);
    }

    async fn settings_that_cannot_work_are_refused(db: store::Db) {
        let house = open(&db).await;
        house.configure("").await;
        let cases = [
            ("    scopes: [profile]\n", "scopes: openid has to be among"),
            ("    algorithms: []\n", "algorithms: no signature"),
            ("    algorithms: [HS256]\n", "algorithms[0]"),
            ("    client_auth: none\n", "client_secret: with client_auth none"),
            ("    group_roles: [{ group: a, role: observer }, { group: a, role: observer }]\n", "group_roles[1]: the same"),
            ("    group_roles: [{ group: a, role: observer, workspace: nowhere }]\n", "group_roles[0].workspace"),
            ("    kind: ldap\n", "kind:"),
        ];
        for (more, expected) in cases {
            let refused = crate::house::lines(&house.apply(&house.configured(more)).await.unwrap_err());
            assert!(refused.contains(expected), "{more}: {refused}");
        }
        let second = format!("identity_providers:\n  - {{ name: two, issuer: '{}', client_id: x, client_auth: none }}\n", house.issuer);
        let refused = crate::house::lines(&house.apply(&second).await.unwrap_err());
        assert!(refused.contains("issuer: another provider has this issuer"), "{refused}");
        let bad = second.replace("https://", "http://");
        assert!(crate::house::lines(&house.apply(&bad).await.unwrap_err()).contains("issuer: an https:// address"));
    }
}
