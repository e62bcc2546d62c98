//! Log-outs both ways, keys that change, and metadata that is fetched.

use std::time::Duration;

use base::ResourceId;
use federation::{Came, Error, KeyAct, Left, Purpose};
use saml::{Asked, Binding, NameId, OwnKey, PublicKey, Sent, Way};

use crate::forge::{IDP, ISSUER, STRANGER};
use crate::house::{House, PUBLIC, from, open};
use crate::saml::{answer, by_hand, message, pem, post, sign_on};

const MAPPED: &str = "    accounts: everyone\n";
const SLO: &str = "https://gateway.example.com/sso/corp/slo";

fn named(value: &str) -> NameId {
    NameId { value: value.to_owned(), format: None, qualifier: None, for_us: None }
}

/// A provider's request that somebody be signed out, as the query of an address.
pub fn leave(house: &House, id: &str, subject: &str, session: Option<&str>, key: &OwnKey) -> String {
    let now = house.db.context().now();
    let text = saml::ask_logout(&Asked { id, us: ISSUER, to: SLO, subject: &named(subject), session, now });
    match Sent::new(Binding::Redirect, Way::Request, SLO, &text, id, Some("stay"), key).unwrap() {
        Sent::Redirect(address) => address.split_once('?').unwrap().1.to_owned(),
        Sent::Post { .. } => panic!("a redirect"),
    }
}

pub async fn left(house: &House, query: &str) -> Result<Left, Error> {
    house.federation.saml_leave("corp", Came::Query(query), PUBLIC, &from("192.0.2.9")).await
}

async fn id_of(house: &House) -> ResourceId {
    house.texts("SELECT id FROM identity_providers").await[0].parse().unwrap()
}

async fn act(house: &House, act: KeyAct) -> Result<(), Error> {
    let permit = access::Grants::of_operator(access::Actor::os("root", "host1")).permit_organisation().unwrap();
    house.federation.saml_keys(&permit, id_of(house).await, act, PUBLIC).await
}

/// The provider by the address of its metadata, at the house's own server.
pub fn by_address(house: &House, path: &str) -> String {
    let ca = house.receiver.authority.trim_end().replace('\n', "\n      ");
    format!(
        "identity_providers:\n  - name: corp\n    kind: saml\n    issuer: {ISSUER}\n    accounts: everyone\n    tls_ca: |\n      \
         {ca}\n    saml:\n      metadata_url: {}/{path}\n",
        house.issuer
    )
}

pub fn metadata(der: &[u8]) -> String {
    let certificate =
        pem(der, "").replace("-----BEGIN CERTIFICATE-----\n", "").replace("-----END CERTIFICATE-----\n", "");
    format!(
        "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{ISSUER}\"><IDPSSODescriptor \
         protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><KeyDescriptor><KeyInfo \
         xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo>\
         </KeyDescriptor><SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
         Location=\"https://idp.example.com/post\"/></IDPSSODescriptor></EntityDescriptor>"
    )
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// a log-out at the provider ends what is open here, once, of whom it names alone.
    async fn x_17_a_log_out_there_ends_the_session_here(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_hand("", MAPPED)).await.unwrap();
        let (_, bea) = sign_on(&house, "bea").await.unwrap();
        let (_, cyd) = sign_on(&house, "cyd").await.unwrap();
        let elsewhere = leave(&house, "_l0", "bea", Some("_another"), &IDP.own);
        assert!(matches!(left(&house, &elsewhere).await.unwrap(), Left::Here { ended: 0, .. }));
        let query = leave(&house, "_l1", "bea", Some("_s1"), &IDP.own);
        let Left::Here { ended: 1, answer: Some(Sent::Redirect(back)) } = left(&house, &query).await.unwrap() else { panic!("signed out") };
        assert!(back.starts_with("https://idp.example.com/slo?SAMLResponse=") && back.contains("RelayState=stay"));
        assert!(message(&back).contains("InResponseTo=\"_l1\"") && message(&back).contains("status:Success"));
        assert!(!house.is_in(&bea).await && house.is_in(&cyd).await);
        // Again, by a stranger, changed, not signed.
        let strangers = leave(&house, "_l2", "cyd", None, &STRANGER.own);
        let changed = leave(&house, "_l3", "cyd", None, &IDP.own).replace("RelayState=stay", "RelayState=go");
        let unsigned = leave(&house, "_l4", "cyd", None, &IDP.own).split("&RelayState").next().unwrap().to_owned();
        for (query, because) in [(query, "Replayed"), (strangers, "Signature"), (changed, "Signature"), (unsigned, "UnsignedMessage")] {
            match left(&house, &query).await {
                Err(Error::Saml(refused)) => assert_eq!(refused.name(), because),
                other => panic!("{because}: {other:?}"),
            }
        }
        assert!(house.is_in(&cyd).await);
        let refused = house.texts("SELECT reason FROM audit_entries WHERE action = 'session.end_there' AND outcome = 'failure'").await;
        assert_eq!(refused.len(), 4, "{refused:?}");
    }

    /// where somebody is known by an attribute, a log-out that says the NameID still finds them.
    async fn x_17_a_log_out_finds_whom_an_attribute_names(db: store::Db, clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        let by = "      subject_attribute: mail\n";
        house.apply(&by_hand(by, MAPPED)).await.unwrap();
        let (_, bea) = sign_on(&house, "bea").await.unwrap();
        assert_eq!(house.texts("SELECT subject FROM linked_identities").await, ["bea@example.com"]);
        let query = leave(&house, "_l1", "bea", None, &IDP.own);
        assert!(matches!(left(&house, &query).await.unwrap(), Left::Here { ended: 1, .. }));
        assert!(!house.is_in(&bea).await);
        // A name is known as long as a session with it can last, and as long as it is somebody's.
        let names = || house.texts("SELECT subject FROM saml_names ORDER BY subject");
        let (cyd, _) = sign_on(&house, "cyd").await.unwrap();
        assert_eq!(names().await, ["bea@example.com", "cyd@example.com"]);
        let federation = house.federation.clone();
        let unlink = house.db.write(move |tx| -> Result<(), Error> {
            let permit = access::Grants::of_operator(access::Actor::os("root", "host1")).permit_organisation()?;
            federation.unlink_for(tx, &permit, cyd.user, "corp", "cyd@example.com")
        });
        unlink.await.unwrap();
        assert_eq!(names().await, ["bea@example.com"]);
        clock.advance(Duration::from_hours(23));
        house.federation.sweep().await.unwrap();
        assert_eq!(names().await, ["bea@example.com"]);
        clock.advance(Duration::from_hours(1));
        house.federation.sweep().await.unwrap();
        assert!(names().await.is_empty());
    }

    /// whoever signs out here may sign out there; the answer counts once.
    async fn x_17_a_log_out_here_goes_on_there(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_hand("", MAPPED)).await.unwrap();
        let (_, token) = sign_on(&house, "bea").await.unwrap();
        let session = house.identity.by_session(&token, &from("192.0.2.1")).await.unwrap().unwrap();
        let onward = house.federation.sign_out_there(&session, PUBLIC).await.unwrap().unwrap();
        let text = message(&onward.location);
        assert!(text.contains(">bea</saml:NameID>") && text.contains("<samlp:SessionIndex>_s1<"), "{text}");
        assert!(text.contains("nameid-format:persistent"), "the name as the provider wrote it: {text}");
        let id = text.split("ID=\"").nth(1).unwrap().split('"').next().unwrap();
        let reply = |to: &str, key: &OwnKey| {
            let text = saml::answer_logout("_reply", to, ISSUER, SLO, house.db.context().now());
            match Sent::new(Binding::Redirect, Way::Response, SLO, &text, "_reply", None, key).unwrap() {
                Sent::Redirect(address) => address.split_once('?').unwrap().1.to_owned(),
                Sent::Post { .. } => panic!("a redirect"),
            }
        };
        assert!(matches!(left(&house, &reply("_nobody", &IDP.own)).await, Err(Error::Saml(_))));
        assert!(matches!(left(&house, &reply(id, &STRANGER.own)).await, Err(Error::Saml(_))));
        assert_eq!(left(&house, &reply(id, &IDP.own)).await.unwrap(), Left::There { done: true });
        assert!(matches!(left(&house, &reply(id, &IDP.own)).await, Err(Error::Saml(_))));
    }

    /// our key for a provider changes with overlap; nothing that was encrypted to the one before is lost meanwhile.
    async fn x_22_our_keys_change_with_overlap(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_hand("", MAPPED)).await.unwrap();
        let published = || async {
            let text = house.federation.saml_metadata("corp", PUBLIC).await.unwrap();
            text.split("<ds:X509Certificate>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        // Whoever comes first has the key made, once.
        let ask = || {
            let federation = house.federation.clone();
            tokio::spawn(async move { federation.saml_metadata("corp", PUBLIC).await.unwrap() })
        };
        let all = [ask(), ask(), ask(), ask()];
        let mut texts = std::collections::BTreeSet::new();
        for one in all {
            texts.insert(one.await.unwrap());
        }
        assert_eq!(texts.len(), 1);
        let made = "SELECT actor_id FROM audit_entries WHERE action = 'identity_provider.key_make'";
        assert_eq!(house.texts(made).await, ["federation"]);
        // What is published needs no key: here none opens any more.
        let one = published().await;
        let hidden = house.texts("SELECT private_key FROM saml_keys").await[0].clone();
        let sealed = hidden.clone();
        let set = |to: String| house.db.write(move |tx| tx.execute("UPDATE saml_keys SET private_key = $1", &store::params![to.as_str()]));
        set("closed".to_owned()).await.unwrap();
        assert_eq!(published().await, one);
        assert!(house.federation.begin("corp", Purpose::SignIn, "", None, PUBLIC, &from("192.0.2.1")).await.is_err());
        set(sealed).await.unwrap();
        assert_eq!(one.len(), 2, "one key, to sign and to encrypt");
        assert!(matches!(act(&house, KeyAct::Use).await, Err(Error::Key(_))));
        assert!(matches!(act(&house, KeyAct::Drop).await, Err(Error::Key(_))));
        act(&house, KeyAct::Prepare).await.unwrap();
        assert!(matches!(act(&house, KeyAct::Prepare).await, Err(Error::Key(_))));
        let two = published().await;
        assert_eq!((two.len(), &two[0]), (4, &one[0]), "the current one is the first");
        act(&house, KeyAct::Use).await.unwrap();
        assert_eq!(published().await, [two[1].clone(), two[1].clone()]);
        assert_eq!(house.texts("SELECT state FROM saml_keys ORDER BY state").await, ["current", "old"]);
        // What is asked is signed with the new one.
        let begun = house.federation.begin("corp", Purpose::SignIn, "", None, PUBLIC, &from("192.0.2.1")).await.unwrap();
        let key = |text: &String| PublicKey::of_certificate(&base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()).unwrap();
        let query = begun.location.split_once('?').unwrap().1;
        assert!(saml::Posted::query(query, &[key(&two[1])]).is_ok() && saml::Posted::query(query, &[key(&one[0])]).is_err());
        act(&house, KeyAct::Drop).await.unwrap();
        assert!(house.texts("SELECT private_key FROM saml_keys").await.iter().all(|sealed| sealed.starts_with("v1.")));
        let acts = house.texts("SELECT action FROM audit_entries WHERE action LIKE 'identity_provider.key%' ORDER BY id").await;
        assert_eq!(acts, ["identity_provider.key_make", "identity_provider.key_prepare", "identity_provider.key_use", "identity_provider.key_drop"]);
    }

    /// metadata that was under way while an administrator changed the provider counts no more: nothing overwrites what they
    /// pinned. What metadata changes is audited.
    async fn x_11_late_metadata_overwrites_nothing(db: store::Db, clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_address(&house, "metadata")).await.unwrap();
        house.said.lock().unwrap().metadata = metadata(IDP.own.certificate());
        assert_eq!(house.federation.renew().await.unwrap(), 1);
        let known = || house.texts("SELECT facts FROM saml_providers");
        let print = |der: &[u8]| crypto::tls::fingerprint(der).to_string();
        for to in ["pinned", "elsewhere", "authority", "failing"] {
            house.apply(&by_address(&house, "metadata")).await.unwrap();
            clock.advance(Duration::from_hours(7));
            {
                let mut said = house.said.lock().unwrap();
                said.metadata_after = Duration::from_millis(1_500);
                said.metadata = if to == "failing" { "nonsense".into() } else { metadata(STRANGER.own.certificate()) };
            }
            let federation = house.federation.clone();
            let fetching = tokio::spawn(async move { federation.renew().await });
            tokio::time::sleep(Duration::from_millis(500)).await;
            let (changed, ca) = (by_address(&house, "metadata"), house.receiver.authority.trim_end().replace('\n', "\n      "));
            let changed = match to {
                "elsewhere" => by_address(&house, "other"),
                "authority" => changed.replace(&format!("    tls_ca: |\n      {ca}\n"), ""),
                _ => by_hand("", MAPPED),
            };
            house.apply(&changed).await.unwrap();
            let before = known().await;
            assert_eq!(fetching.await.unwrap().unwrap(), 0, "{to}");
            assert_eq!(known().await, before, "{to}");
            assert!(house.texts("SELECT fetch_failure FROM saml_providers WHERE fetch_failure IS NOT NULL").await.is_empty(), "{to}");
        }
        house.said.lock().unwrap().metadata_after = Duration::ZERO;
        let of = "SELECT changes FROM audit_entries WHERE action = 'identity_provider.metadata_changed' ORDER BY id";
        assert_eq!(house.texts(of).await.len(), 1, "the first one alone");
        house.said.lock().unwrap().metadata = metadata(IDP.own.certificate());
        house.apply(&by_address(&house, "metadata")).await.unwrap();
        assert_eq!(house.federation.renew().await.unwrap(), 1);
        house.said.lock().unwrap().metadata = metadata(STRANGER.own.certificate());
        clock.advance(Duration::from_hours(7));
        assert_eq!(house.federation.renew().await.unwrap(), 1);
        let changes = house.texts(of).await;
        let last: serde_json::Value = serde_json::from_str(changes.last().unwrap()).unwrap();
        assert_eq!(last["from"]["certificates"], serde_json::json!([print(IDP.own.certificate())]));
        assert_eq!(last["to"]["certificates"], serde_json::json!([print(STRANGER.own.certificate())]));
        assert_eq!(last["to"]["sign_in"], serde_json::json!(["https://idp.example.com/post"]));
    }

    /// metadata is fetched at first use, now and then, and when a certificate is not known; and by POST where only that is taken.
    async fn x_11_metadata_is_fetched_and_renewed(db: store::Db, clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_address(&house, "metadata")).await.unwrap();
        let caller = from("192.0.2.1");
        let begin = || house.federation.begin("corp", Purpose::SignIn, "/w/ops", None, PUBLIC, &caller);
        house.said.lock().unwrap().metadata = "nonsense".into();
        assert!(matches!(begin().await, Err(Error::Provider(_))));
        house.said.lock().unwrap().metadata = metadata(STRANGER.own.certificate());
        assert!(matches!(begin().await, Err(Error::Provider(_))), "not twice within half a minute");
        clock.advance(Duration::from_secs(31));
        let begun = begin().await.unwrap();
        assert_eq!(begun.location, "/sso/corp/request");
        let asked_by = |token: base::SecretString| {
            let federation = house.federation.clone();
            async move { federation.saml_request("corp", Some(&token), PUBLIC).await }
        };
        let Sent::Post { to, fields } = asked_by(begun.token.clone()).await.unwrap() else { panic!("a form") };
        assert_eq!((to.as_str(), fields[0].0), ("https://idp.example.com/post", "SAMLRequest"));
        let text = String::from_utf8(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &fields[0].1).unwrap()).unwrap();
        let id = text.split("ID=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert!(asked_by("A".repeat(43).into()).await.is_err());
        // The provider's certificate has changed: within half a minute it is a stranger's, then the metadata is asked again.
        house.said.lock().unwrap().metadata = metadata(IDP.own.certificate());
        let refused = post(&house, Some(&begun.token), &answer(&id, "bea")).await.unwrap_err();
        assert!(matches!(&refused, Error::Saml(refused) if refused.name() == "Stranger"), "{refused:?}");
        clock.advance(Duration::from_secs(31));
        let begun = begin().await.unwrap();
        let Sent::Post { fields, .. } = asked_by(begun.token.clone()).await.unwrap() else { panic!("a form") };
        let text = String::from_utf8(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &fields[0].1).unwrap()).unwrap();
        let id = text.split("ID=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        post(&house, Some(&begun.token), &answer(&id, "bea")).await.unwrap();
        // What was known stays while nothing newer can be had.
        house.said.lock().unwrap().metadata = "nonsense".into();
        clock.advance(Duration::from_hours(6));
        assert_eq!(house.federation.renew().await.unwrap(), 0);
        assert!(begin().await.is_ok());
        house.said.lock().unwrap().metadata = metadata(STRANGER.own.certificate());
        assert_eq!(house.federation.renew().await.unwrap(), 0, "not before its time");
        clock.advance(Duration::from_mins(10));
        assert_eq!(house.federation.renew().await.unwrap(), 1);
        let known = house.texts("SELECT facts FROM saml_providers").await;
        assert!(known[0].contains(&base64::Engine::encode(&base64::engine::general_purpose::STANDARD, STRANGER.own.certificate())));
    }
}
