//! What is refused when a webhook is configured; how we prove ourselves; who hears of what.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use access::cap;
use base::Explain as _;
use resources::{Change, Clearance, Draft, Ground};
use serde_json::json;
use store::{Db, params};
use testkit::{Behaviour, Receiver};

use super::house::{House, body, rules};
use crate::*;

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &MIGRATIONS];

    async fn what_cannot_be_is_refused_at_its_field(db: Db) {
        let receiver = Receiver::start(&["127.0.0.1"], |_, _| Behaviour::ok()).await;
        let house = House::new(&db, rules(&[&receiver])).await;
        let oauth = json!({ "url": "https://id.example.com/token", "client_id": "app" });
        for (field, body, secrets) in [
            ("url", json!({ "name": "a", "url": "http://app.example.com/" }), &[][..]),
            ("url", json!({ "name": "a", "url": "https://10.0.0.1/" }), &[]),
            ("url", json!({ "name": "a", "url": "https://app.example.com:9999/" }), &[]),
            ("events", json!({ "name": "a", "url": "https://app.example.com/", "events": [] }), &[]),
            ("signing_secret", json!({ "name": "a", "url": "https://app.example.com/" }), &[("signing_secret", "short")]),
            ("authorization", json!({ "name": "a", "url": "https://app.example.com/" }), &[("authorization", "a\r\nx: y")]),
            ("tls_ca", json!({ "name": "a", "url": "https://app.example.com/", "tls_ca": "nonsense" }), &[]),
            ("oauth", json!({ "name": "a", "url": "https://app.example.com/", "oauth": oauth }), &[("authorization", "Bearer x"), ("oauth.client_secret", "y")]),
            ("oauth.client_secret", json!({ "name": "a", "url": "https://app.example.com/", "oauth": oauth }), &[]),
        ] {
            let error = house.put(body, secrets).await.unwrap_err();
            let fields: Vec<_> = error.problems().into_iter().filter_map(|problem| problem.field).collect();
            assert!(fields.iter().any(|one| one == field), "{field}: {fields:?} {}", error.problem().detail);
        }
        assert!(house.list().await.is_empty());
    }

    /// X-08: credentials are sealed and never shown; a static header is sent to its webhook alone.
    async fn x_08_credentials_are_sealed_and_sent_to_their_webhook_alone(db: Db) {
        let receiver = Receiver::start(&["127.0.0.1"], |_, _| Behaviour::ok()).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        let (id, _) = house.put(body("app", &receiver), &[("authorization", "Bearer s3cret-value")]).await.unwrap();
        let stored: Option<String> = db.read(move |tx| tx.query_one("SELECT auth_header FROM webhooks WHERE id = $1", &params![id], |row| row.get(0))).await.unwrap();
        assert!(!stored.unwrap().contains("s3cret"));
        assert!(!format!("{:?}", house.list().await).contains("s3cret"));
        house.run();
        house.tell("m", "to the webhook").await;
        house.until(CallbackState::Delivered, 1).await;
        assert_eq!(receiver.seen()[0].header("authorization"), "Bearer s3cret-value");
        house.tell_to("m", "to the message's own", Some(format!("https://127.0.0.1:{}/own", receiver.port))).await;
        // The private authority is the webhook's; the message's own address is verified by the machine's alone.
        for _ in 0..500 {
            if house.list().await.iter().any(|one| one.webhook.own && one.webhook.health.failures > 0) { break }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let own = house.list().await.into_iter().find(|one| one.webhook.own).unwrap();
        assert_eq!(own.webhook.name, format!("127.0.0.1:{}", receiver.port));
        assert!(own.webhook.health.failures > 0 && receiver.seen().len() == 1);
        house.halt().await;
    }

    /// A token is fetched once, sent until it expires or is refused, and its failures are told.
    async fn oauth_tokens_are_fetched_and_kept(db: Db) {
        let refuse = Arc::new(AtomicUsize::new(0));
        let decide = Arc::clone(&refuse);
        let receiver = Receiver::start(&["127.0.0.1"], move |received, _| match received.path.as_str() {
            "/token" => Behaviour::Answer(200, r#"{"access_token":"tok-1","token_type":"Bearer","expires_in":3600}"#.into()),
            _ if decide.fetch_add(1, Ordering::SeqCst) == 2 => Behaviour::Answer(401, String::new()),
            _ => Behaviour::ok(),
        }).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        let mut configured = body("app", &receiver);
        configured["oauth"] = json!({
            "url": format!("https://127.0.0.1:{}/token", receiver.port), "client_id": "app", "credentials_in": "body", "scope": "hooks",
        });
        house.put(configured, &[("oauth.client_secret", "c s")]).await.unwrap();
        house.run();
        for n in 0..3 {
            house.tell("m", &n.to_string()).await;
        }
        house.until(CallbackState::Delivered, 3).await;
        let seen = receiver.seen();
        let tokens: Vec<_> = seen.iter().filter(|one| one.path == "/token").collect();
        assert_eq!(tokens.len(), 2, "one at first, one after it was refused");
        assert_eq!(String::from_utf8_lossy(&tokens[0].body), "grant_type=client_credentials&scope=hooks&client_id=app&client_secret=c+s");
        assert!(seen.iter().filter(|one| one.path == "/app").all(|one| one.header("authorization") == "Bearer tok-1"));
        house.halt().await;
    }

    /// The account's webhook hears of workspaces that have none of their own, and is nobody's in a workspace to change.
    async fn the_accounts_webhook_is_for_workspaces_without_one(db: Db) {
        let receiver = Receiver::start(&["127.0.0.1"], |_, _| Behaviour::ok()).await;
        let mut house = House::new(&db, rules(&[&receiver])).await;
        let everywhere = House::grants().permit_organisation::<cap::IntegrationsWrite>().unwrap();
        let (resources, configured, permit) = (house.resources.clone(), body("all", &receiver), everywhere.clone());
        let id = db.write(move |tx| {
            let clearance = Clearance::check(tx, None, &Ground::None, permit.actor())?;
            let change = Change { kind: ACCOUNT_WEBHOOKS, workspace: None, body: Draft::new(configured.clone()), reason: None, clearance: &clearance };
            resources.put(tx, &permit, change).map(|written| written.id)
        }).await.unwrap();
        assert!(house.webhooks.listens(house.workspace));
        house.run();
        assert_eq!(house.tell("m", "to all").await, 1);
        house.until(CallbackState::Delivered, 1).await;
        assert_eq!(receiver.seen()[0].path, "/all");
        let (webhooks, permit) = (house.webhooks.clone(), house.permit::<cap::IntegrationsWrite>());
        let asked = db.write(move |tx| webhooks.ask_now(tx, &permit, id.uuid().into())).await;
        assert!(matches!(asked, Err(Error::NoWebhook)), "a workspace's permit does not reach the account's");
        house.to("mine", &receiver).await;
        assert_eq!(house.tell("m", "to mine").await, 1);
        house.until(CallbackState::Delivered, 2).await;
        assert_eq!(receiver.seen()[1].path, "/mine");
        house.halt().await;
    }
}
