//! E-02, X-21: a carrier known by the key of its certificate.

use carriers::Settings;
use messaging::Carrier;
use simulator::Behaviour;

use crate::stage::{Stage, part, until, until_bound};

const OTHER: &str = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The pin as the carrier's page shows it.
async fn pin(stage: &Stage) -> String {
    let (carrier, _inbox) = Stage::bound(stage.settings()).await;
    let pin = carrier.status().each[0].peer.clone().unwrap().pin;
    carrier.stop().await;
    pin
}

/// A pin alone is the whole proof; beside an authority it narrows it; with two, either is believed, so that a key can change.
#[tokio::test]
async fn x_21_a_pinned_key_is_believed() {
    let stage = Stage::new(Behaviour::default()).await;
    let pin = pin(&stage).await;
    assert!(pin.starts_with("sha256/"), "{pin}");
    let alone = Settings { tls_ca: String::new(), tls_pins: vec![pin.clone()], ..stage.settings() };
    let both = Settings { tls_pins: vec![pin.clone()], ..stage.settings() };
    let rotating = Settings { tls_pins: vec![OTHER.into(), pin.clone()], ..alone.clone() };
    // The key is the proof: the name in the certificate says nothing then.
    let named = Settings { tls_name: "smpp.example.com".into(), ..alone.clone() };
    for settings in [alone, both, rotating, named] {
        let (carrier, _inbox) = Stage::carrier(settings);
        until_bound(&carrier).await;
        carrier.submit(part("believed")).await.unwrap();
        carrier.stop().await;
    }
}

/// Another key ends the attempt before the password is sent, and says which key it was and what to do.
#[tokio::test]
async fn x_21_another_key_gets_no_password() {
    let stage = Stage::new(Behaviour::default()).await;
    let (pin, stranger) = (pin(&stage).await, Stage::new(Behaviour::default()).await);
    let before = stage.control.counters().await.unwrap();
    let wrong = [
        (
            Settings { tls_ca: String::new(), tls_pins: vec![OTHER.into()], ..stage.settings() },
            "none of those that are pinned",
        ),
        (Settings { tls_pins: vec![OTHER.into()], ..stage.settings() }, "none of those that are pinned"),
        // A pin beside an authority does not replace it: chain and name still count.
        (Settings { tls_pins: vec![pin.clone()], tls_ca: stranger.ca_pem.clone(), ..stage.settings() }, "TLS failed"),
        (
            Settings { tls_pins: vec![pin.clone()], tls_name: "smpp.example.com".into(), ..stage.settings() },
            "TLS failed",
        ),
        (Settings { tls_pins: vec![pin.clone()], tls_ca: "system".into(), ..stage.settings() }, "TLS failed"),
    ];
    for (settings, why) in wrong {
        let (carrier, _inbox) = Stage::carrier(settings);
        until("it says why", async || carrier.status().words.contains(why)).await;
        let status = carrier.status();
        if why != "TLS failed" {
            assert!(status.words.contains(&pin), "the key that it showed is named: {}", status.words);
            assert!(status.remedy.unwrap().contains("add its pin beside the old one"));
        }
        assert!(!carrier.link().borrow().is_up());
        carrier.stop().await;
    }
    let after = stage.control.counters().await.unwrap();
    assert_eq!((after.binds.len(), after.binds_refused), (0, before.binds_refused), "nobody said a password");
}
