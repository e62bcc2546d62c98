//! What clients sign, and tokens of others: what counts and what does not.

use identity::{Audience, ClientCredentials, OauthClientInfo, OauthRefusal, TokenRequest};
use store::Db;

use crate::house::{self, House, from, lines, open};
use crate::oauth::{URL, client, issue, opens};

/// A client that signs, and what it signs by.
async fn signing(house: &House, signer: &testkit::Signer) -> OauthClientInfo {
    let jwks = String::from_utf8(testkit::Signer::set(&[signer])).unwrap();
    house
        .apply(&format!(
            "workspaces: [{{slug: demo, environment: development}}]\noauth_clients:\n  - {{workspace: demo, name: app, \
             scopes: ['messages:send'], proof: private_key_jwt, jwks: {jwks}}}\n"
        ))
        .await
        .unwrap();
    client(house).await
}

fn asserting(token: String) -> TokenRequest {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned();
    TokenRequest {
        client: ClientCredentials {
            assertion: Some(identity::Assertion { kind, token: token.into() }),
            ..Default::default()
        },
        grant_type: Some("client_credentials".into()),
        ..TokenRequest::default()
    }
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// RFC 7523: each assertion once, for us alone, for five minutes, by the client's own key.
    async fn an_assertion_counts_once_and_for_us_alone(db: Db) {
        let house = open(&db).await;
        let signer = testkit::Signer::ec("k1", "P-256");
        let app = signing(&house, &signer).await;
        let here = from("192.0.2.1");
        let now = db.context().now().as_millis() / 1_000;
        let id = app.id.to_string();
        let claims = |jti: &str| serde_json::json!({
            "iss": id, "sub": id, "aud": format!("{URL}/oauth/token"), "jti": jti, "iat": now, "exp": now + 300,
        });
        let good = signer.token("ES256", &claims("one"));
        let token = issue(&house, asserting(good.clone()), &here).await.unwrap();
        assert!(opens(&house, &token, Audience::Api, &here).await.is_some());
        assert_eq!(issue(&house, asserting(good), &here).await.unwrap_err(), OauthRefusal::InvalidClient, "once");

        let with = |name: &str, value: serde_json::Value| {
            let mut claims = claims(&format!("two {name} {value}"));
            claims[name] = value;
            claims
        };
        let mut no_jti = claims("");
        no_jti.as_object_mut().unwrap().remove("jti");
        for wrong in [
            no_jti,
            with("aud", serde_json::json!("https://elsewhere.example")),
            with("aud", serde_json::json!([URL, "https://elsewhere.example"])),
            with("sub", serde_json::json!("another")),
            with("exp", serde_json::json!(now + 301)),
            with("exp", serde_json::json!(now - 61)),
            with("iss", serde_json::json!(uuid::Uuid::from_u128(1).to_string())),
        ] {
            let refused = issue(&house, asserting(signer.token("ES256", &wrong)), &here).await;
            assert_eq!(refused.unwrap_err(), OauthRefusal::InvalidClient, "{wrong}");
        }
        let stranger = testkit::Signer::ec("k1", "P-256").token("ES256", &claims("three"));
        assert!(issue(&house, asserting(stranger), &here).await.is_err(), "another's key of the same name");
        let mut typed = asserting(signer.token("ES256", &claims("four")));
        typed.client.assertion.as_mut().unwrap().kind = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer".into();
        assert!(issue(&house, typed, &here).await.is_err());
        let last = issue(&house, asserting(signer.token("ES256", &claims("five"))), &here).await;
        assert!(last.is_ok(), "the client itself is not in the way of all that");
    }

    /// What keys of a client must be.
    async fn a_client_gives_public_keys_and_those_alone(db: Db) {
        let house = open(&db).await;
        let signer = testkit::Signer::ec("k1", "P-256");
        let with = |proof: &str, jwks: &str| format!("workspaces: [{{slug: demo, environment: development}}]\noauth_clients:\n  - {{workspace: demo, name: app, scopes: ['messages:send'], proof: {proof}, jwks: {jwks}}}\n");
        let mut private = signer.jwk();
        private["d"] = "AAAA".into();
        let private = serde_json::json!({ "keys": [private] }).to_string();
        let public = String::from_utf8(testkit::Signer::set(&[&signer])).unwrap();
        for (proof, jwks, expected) in [
            ("private_key_jwt", private.as_str(), "a private key is in it"),
            ("private_key_jwt", "{keys: []}", "1 to 4 public keys"),
            ("private_key_jwt", "none", "1 to 4 public keys"),
            ("secret", public.as_str(), "private_key_jwt alone"),
        ] {
            let error = house.apply(&with(proof, jwks)).await.unwrap_err();
            assert!(lines(&error).iter().any(|line| line.contains(expected)), "{expected}: {:?}", lines(&error));
        }
    }

    /// An issuer without a rule of its own, or one whose audience is another workspace's, is refused.
    async fn an_issuer_needs_rules_that_not_every_token_fits(db: Db) {
        let house = open(&db).await;
        let with = |rest: &str| format!("workspaces: [{{slug: demo, environment: development}}]\ntoken_issuers:\n  - {{workspace: demo, name: ci, issuer: 'https://ci.example', audiences: [alerts], {rest}}}\n");
        for (rest, expected) in [
            ("rules: []", "1 to 50 rules"),
            ("rules: [{claims: {sub: '*'}, scopes: ['messages:send']}]", "every token of this issuer fits"),
            ("rules: [{claims: {aud: alerts}, scopes: ['messages:send']}]", "every token of this issuer fits"),
            ("rules: [{claims: {sub: x}, scopes: ['keys:manage']}]", "never creates or changes keys"),
            ("rules: [{claims: {sub: x}, scopes: ['messages:send']}], algorithms: [HS256]", "is expected"),
            ("rules: [{claims: {sub: x}, scopes: ['messages:send']}], jwks_uri: 'http://ci.example'", "https:"),
        ] {
            let error = house.apply(&with(rest)).await.unwrap_err();
            assert!(lines(&error).iter().any(|line| line.contains(expected)), "{rest}: {:?}", lines(&error));
        }
        let good = with("rules: [{claims: {sub: 'repo:acme/*'}, scopes: ['messages:send']}]");
        house.apply(&good).await.unwrap();
        let twice = format!("{good}  - {{workspace: demo, name: two, issuer: 'https://ci.example', audiences: [alerts], rules: [{{claims: {{sub: x}}, scopes: ['messages:send']}}]}}\n");
        assert!(lines(&house.apply(&twice).await.unwrap_err())[0].contains("one token is of one workspace"));
    }
}
