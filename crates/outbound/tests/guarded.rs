//! The guarded client against receivers that mean no good, and against names that lie.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use outbound::{Guarded, Lookup, Outcome, Post, Refused, Reply, Rules};
use testkit::{Behaviour, Receiver};

/// A look-up that says something else each time.
struct Lies(Vec<Vec<&'static str>>, AtomicUsize);

#[async_trait]
impl Lookup for Lies {
    async fn addresses(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.1.fetch_add(1, Ordering::SeqCst);
        let said = self.0.get(turn).or(self.0.last()).cloned().unwrap_or_default();
        Ok(said.into_iter().map(|text| text.parse().unwrap()).collect())
    }
}

fn lies(answers: &[&[&'static str]]) -> Arc<Lies> {
    Arc::new(Lies(answers.iter().map(|answer| answer.to_vec()).collect(), AtomicUsize::new(0)))
}

fn allowing(receiver: &Receiver, host: &str) -> Rules {
    Rules { allow: vec![format!("{host}:{}", receiver.port).parse().unwrap()], ..Rules::default() }
}

async fn post(client: &Guarded, url: &str, receiver: &Receiver) -> Result<Reply, Outcome> {
    let authority = Some(receiver.authority.as_str());
    client.post(Post { url, authority, headers: Vec::new(), body: b"{}".to_vec() }).await
}

#[tokio::test]
async fn x_07_an_allowed_target_is_asked_and_its_certificate_verified() {
    let receiver = Receiver::start(&["hooks.internal"], |_, _| Behaviour::ok()).await;
    let client = Guarded::with_lookup(allowing(&receiver, "hooks.internal"), lies(&[&["127.0.0.1"]]));
    let url = format!("https://hooks.internal:{}/a?b=c", receiver.port);
    assert_eq!(post(&client, &url, &receiver).await.unwrap().status, 200);
    assert_eq!(receiver.seen()[0].path, "/a?b=c");
    // The machine's own authorities do not vouch for it, and nobody is trusted blindly.
    let untrusted = client.post(Post { url: &url, authority: None, headers: Vec::new(), body: Vec::new() }).await;
    assert!(matches!(untrusted, Err(Outcome::Broken(..))), "{untrusted:?}");
    // A right authority, but for another name.
    let other = Guarded::with_lookup(allowing(&receiver, "other.internal"), lies(&[&["127.0.0.1"]]));
    let refused = post(&other, &format!("https://other.internal:{}/", receiver.port), &receiver).await;
    assert!(matches!(refused, Err(Outcome::Broken(..))), "{refused:?}");
    assert_eq!(receiver.seen().len(), 1);
}

/// Fault F-35: a name that leads inside, in any dress, at once or beside a good address, is never connected to.
#[tokio::test]
async fn f_35_no_connection_is_made_to_an_inside_address() {
    let inside: &[&[&'static str]] = &[
        &["127.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["169.254.169.254"],
        &["93.184.215.14", "10.0.0.1"],
        &["64:ff9b::a00:1"],
        &["fe80::1"],
    ];
    for said in inside {
        let client = Guarded::with_lookup(Rules::default(), lies(&[said]));
        let sent = client
            .post(Post {
                url: "https://app.example.com/s3cret",
                authority: None,
                headers: Vec::new(),
                body: Vec::new(),
            })
            .await;
        let Err(Outcome::Refused(refused @ Refused::Inside(..))) = sent else { panic!("{said:?}: {sent:?}") };
        assert!(!refused.to_string().contains("s3cret"));
    }
}

/// Fault F-35: a name is asked once for each connection, and what was checked is what is connected to.
#[tokio::test]
async fn f_35_a_name_that_changes_its_mind_gains_nothing() {
    let receiver = Receiver::start(&["hooks.internal"], |_, _| Behaviour::Close).await;
    let lookup = lies(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let client = Guarded::with_lookup(allowing(&receiver, "hooks.internal"), Arc::clone(&lookup) as Arc<dyn Lookup>);
    let url = format!("https://hooks.internal:{}/", receiver.port);
    assert!(post(&client, &url, &receiver).await.is_err());
    assert_eq!((lookup.1.load(Ordering::SeqCst), receiver.seen().len()), (1, 1));
    // The same name under the rules of strangers: good first, inside afterwards. The second connection is refused.
    let lookup = lies(&[&["10.9.9.9"]]);
    let client = Guarded::with_lookup(Rules::default(), lookup);
    let again = client
        .post(Post { url: "https://app.example.com/", authority: None, headers: Vec::new(), body: Vec::new() })
        .await;
    assert!(matches!(again, Err(Outcome::Refused(Refused::Inside(..)))), "{again:?}");
}

/// Fault F-35: a redirect is a reply like any other.
#[tokio::test]
async fn f_35_redirects_are_not_followed() {
    let receiver = Receiver::start(&["127.0.0.1"], |_, _| {
        Behaviour::With(302, "location", "https://169.254.169.254/latest".into())
    })
    .await;
    let client = Guarded::new(allowing(&receiver, "127.0.0.1"));
    let reply = post(&client, &format!("https://127.0.0.1:{}/", receiver.port), &receiver).await.unwrap();
    assert_eq!((reply.status, receiver.seen().len()), (302, 1));
}

#[tokio::test]
async fn own_ports_are_never_asked_whoever_allows_it() {
    let receiver = Receiver::start(&["hooks.internal"], |_, _| Behaviour::ok()).await;
    let rules = Rules { own_ports: vec![receiver.port], ..allowing(&receiver, "hooks.internal") };
    let client = Guarded::with_lookup(rules, lies(&[&["127.0.0.1"]]));
    let sent = post(&client, &format!("https://hooks.internal:{}/", receiver.port), &receiver).await;
    assert!(matches!(sent, Err(Outcome::Refused(Refused::Ourselves(_)))), "{sent:?}");
    assert!(receiver.seen().is_empty());
}

/// Fault F-26: ten gigabytes, a drip, silence and a hang-up each end, soon and small.
#[tokio::test]
async fn f_26_hostile_replies_end() {
    let receiver = Receiver::start(&["127.0.0.1"], |received, _| match received.path.as_str() {
        "/flood" => Behaviour::Flood,
        "/drip" => Behaviour::Drip,
        "/hang" => Behaviour::Hang,
        _ => Behaviour::Close,
    })
    .await;
    let client = Guarded::new(allowing(&receiver, "127.0.0.1"));
    let url = |path: &str| format!("https://127.0.0.1:{}{path}", receiver.port);
    let (flood, drip, hang, close) = (url("/flood"), url("/drip"), url("/hang"), url("/close"));
    let all = async {
        tokio::join!(
            post(&client, &flood, &receiver),
            post(&client, &drip, &receiver),
            post(&client, &hang, &receiver),
            post(&client, &close, &receiver)
        )
    };
    let (flood, drip, hang, close) = tokio::time::timeout(Duration::from_secs(20), all).await.expect("all end in time");
    let flood = flood.unwrap();
    assert_eq!((flood.status, flood.body.len(), flood.cut), (200, 64 * 1024, true));
    let drip = drip.unwrap();
    assert!(drip.status == 200 && drip.cut && drip.body.len() < 20, "{drip:?}");
    assert!(matches!(hang, Err(Outcome::TooSlow(_, 15))), "{hang:?}");
    assert!(matches!(close, Err(Outcome::Broken(..))), "{close:?}");
}
