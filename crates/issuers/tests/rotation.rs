//! An issuer that changes its keys, and strangers who show names of keys that never were.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Context, ManualClock, Timestamp};
use crypto::jwt::{Algorithm, Expected, Refused};
use issuers::{Error, Issuers, Source};
use outbound::{Guarded, Rules};
use serde_json::{Value, json};
use testkit::{Behaviour, Receiver, Signer};

const NOW: i64 = 1_796_040_000;
const LISTED: &[Algorithm] = &[Algorithm::Es256];

struct House {
    clock: Arc<ManualClock>,
    issuers: Issuers,
    receiver: Receiver,
    published: Arc<Mutex<Vec<u8>>>,
    slow: Arc<Mutex<bool>>,
    issuer: String,
}

async fn house(first: &Signer) -> House {
    let published = Arc::new(Mutex::new(Signer::set(&[first])));
    let (keys, port, slow) = (Arc::clone(&published), Arc::new(Mutex::new(0)), Arc::new(Mutex::new(false)));
    let (own, hangs) = (Arc::clone(&port), Arc::clone(&slow));
    let receiver = Receiver::start(&["127.0.0.1"], move |received, _| match received.path.as_str() {
        _ if *hangs.lock().unwrap() => Behaviour::Hang,
        "/.well-known/openid-configuration" => {
            let at = format!("https://127.0.0.1:{}", own.lock().unwrap());
            Behaviour::Answer(200, json!({ "issuer": at, "jwks_uri": format!("{at}/jwks") }).to_string())
        }
        "/jwks" => Behaviour::Answer(200, String::from_utf8(keys.lock().unwrap().clone()).unwrap()),
        _ => Behaviour::Answer(404, String::new()),
    })
    .await;
    *port.lock().unwrap() = receiver.port;
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(NOW * 1_000_000)));
    let context = Context::new(clock.clone(), Arc::new(crypto::OsChance));
    let allow = vec![format!("127.0.0.1:{}", receiver.port).parse().unwrap()];
    let guarded = Guarded::new(Rules { allow, ..Rules::default() });
    let issuer = format!("https://127.0.0.1:{}", receiver.port);
    House { clock, issuers: Issuers::new(guarded, context), receiver, published, slow, issuer }
}

impl House {
    fn claims(&self) -> Value {
        json!({ "iss": self.issuer, "sub": "ada", "aud": "api", "exp": NOW + 100_000 })
    }

    async fn prove(&self, token: &str) -> Result<String, Error> {
        self.prove_by(token, None).await
    }

    async fn prove_by(&self, token: &str, jwks_uri: Option<&str>) -> Result<String, Error> {
        let source = Source { issuer: &self.issuer, jwks_uri, authority: Some(&self.receiver.authority) };
        let now = Timestamp::from_micros(NOW * 1_000_000);
        let expected = Expected::access_token(LISTED, &self.issuer, &["api"], now);
        Ok(self.issuers.prove(token, source, &expected).await?.subject().to_owned())
    }

    fn asked(&self) -> usize {
        self.receiver.seen().len()
    }
}

#[tokio::test]
async fn x_11_a_new_key_is_fetched_once_and_strangers_cause_no_flood() {
    let (old, new) = (Signer::ec("old", "P-256"), Signer::ec("new", "P-256"));
    let house = house(&old).await;
    assert_eq!(house.prove(&old.token("ES256", &house.claims())).await.unwrap(), "ada");
    assert_eq!(house.asked(), 2, "what it publishes, and its keys");
    // It rotates; the first token with the new key has the keys fetched, at once.
    *house.published.lock().unwrap() = Signer::set(&[&new]);
    assert_eq!(house.prove(&new.token("ES256", &house.claims())).await.unwrap(), "ada");
    assert_eq!(house.asked(), 3);
    // A key that it took back is worth nothing, and asking again for names that nobody has waits its time.
    for _ in 0..50 {
        let refused = house.prove(&old.token("ES256", &house.claims())).await.unwrap_err();
        assert_eq!(refused, Refused::UnknownKey(Some("old".into())).into());
    }
    assert_eq!(house.asked(), 3);
    house.clock.advance(Duration::from_secs(30));
    assert!(house.prove(&old.token("ES256", &house.claims())).await.is_err());
    assert_eq!(house.asked(), 4);
    // What is no token asks nobody at all.
    assert_eq!(house.prove("a.b").await.unwrap_err(), Refused::Form.into());
    assert_eq!(house.asked(), 4);
}

/// An issuer that stops answering: tokens whose key is at hand count on, at once, while somebody asks it in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x_11_a_slow_issuer_holds_up_nobody_whose_key_is_known() {
    let key = Signer::ec("k", "P-256");
    let house = Arc::new(house(&key).await);
    let token = key.token("ES256", &house.claims());
    let keys = format!("{}/jwks", house.issuer);
    assert_eq!(house.prove_by(&token, Some(&keys)).await.unwrap(), "ada");
    house.clock.advance(Duration::from_secs(601));
    *house.slow.lock().unwrap() = true;
    let asked = house.asked();
    let first = {
        let (house, token, keys) = (Arc::clone(&house), token.clone(), keys.clone());
        tokio::spawn(async move { house.prove_by(&token, Some(&keys)).await })
    };
    while house.asked() == asked {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let all = async {
        for _ in 0..200 {
            assert_eq!(house.prove_by(&token, Some(&keys)).await.unwrap(), "ada");
        }
    };
    tokio::time::timeout(Duration::from_secs(1), all).await.expect("nobody waits for the slow one");
    assert_eq!(house.asked(), asked + 1, "one asks, and no more");
    // The one who asked gives up in its time, and goes on with what was there.
    assert_eq!(first.await.unwrap().unwrap(), "ada");
}

#[tokio::test]
async fn x_07_an_issuer_inside_the_house_needs_the_operators_word() {
    let key = Signer::ec("k", "P-256");
    let house = house(&key).await;
    let context = Context::new(house.clock.clone(), Arc::new(crypto::OsChance));
    let strict = Issuers::new(Guarded::new(Rules::default()), context);
    let source = Source { issuer: &house.issuer, jwks_uri: None, authority: None };
    let now = Timestamp::from_micros(NOW * 1_000_000);
    let expected = Expected::access_token(LISTED, &house.issuer, &["api"], now);
    let error = strict.prove(&key.token("ES256", &house.claims()), source, &expected).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)) && error.to_string().contains("[outbound]"), "{error}");
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn an_issuer_that_calls_itself_otherwise_is_not_asked_for_keys() {
    let key = Signer::ec("k", "P-256");
    let house = house(&key).await;
    let issuer = format!("{}/", house.issuer);
    let source = Source { issuer: &issuer, jwks_uri: None, authority: Some(&house.receiver.authority) };
    let error = house.issuers.keys(source).await.unwrap_err();
    assert!(error.to_string().contains("calls itself"), "{error}");
    assert_eq!(house.asked(), 1);
}
