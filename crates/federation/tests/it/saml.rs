//! SAML from the button to the session, and what does not get there.

use std::io::Read as _;

use access::Capability::{ResourcesApply, ResourcesRead, SignInManage, WorkspaceWrite};
use base::{Explain as _, SecretString};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation::{Arrived, Error, Purpose};
use identity::Session;

use crate::forge::{IDP, ISSUER, STRANGER, assertion, signed, wrapped};
use crate::house::{House, PUBLIC, from, lines, open};

pub const METADATA: &str = "https://gateway.example.com/sso/corp/metadata";

/// A certificate as people paste it, indented for a file.
pub fn pem(der: &[u8], indent: &str) -> String {
    let inside = STANDARD.encode(der);
    let lines = inside.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
    let all = std::iter::once("-----BEGIN CERTIFICATE-----").chain(lines).chain(["-----END CERTIFICATE-----"]);
    all.map(|line| format!("{indent}{line}\n")).collect()
}

/// The provider, by hand, with more fields below `saml` and beside it.
pub fn by_hand(more: &str, beside: &str) -> String {
    format!(
        "workspaces:\n  - slug: ops\n    environment: production\nidentity_providers:\n  - name: corp\n    label: Corporate\n    \
         kind: saml\n    issuer: {ISSUER}\n{beside}    saml:\n      sign_in_url: https://idp.example.com/sso\n      sign_out_url: \
         https://idp.example.com/slo\n      certificates:\n        - |\n{}{more}",
        pem(IDP.own.certificate(), "          ")
    )
}

/// What a browser was sent to the provider with: its cookie, and the identifier of the request.
pub async fn asked(house: &House, purpose: Purpose) -> (SecretString, String) {
    let begun = house.federation.begin("corp", purpose, "/w/ops", None, PUBLIC, &from("192.0.2.1")).await.unwrap();
    let text = message(&begun.location);
    let id = text.split("ID=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (begun.token, id)
}

/// The message in an address, which is signed.
pub fn message(location: &str) -> String {
    assert!(location.contains("&SigAlg=") && location.contains("&Signature="), "{location}");
    let query = location.split_once('?').unwrap().1;
    let (_, value) = form_urlencoded::parse(query.as_bytes()).next().unwrap();
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(STANDARD.decode(&*value).unwrap().as_slice()).read_to_string(&mut text).unwrap();
    text
}

/// The form that the provider's page posts.
pub fn form(message: &str) -> Vec<u8> {
    let value: String = form_urlencoded::byte_serialize(STANDARD.encode(message).as_bytes()).collect();
    format!("SAMLResponse={value}&RelayState=%2Fw%2Fops%2Fyou").into_bytes()
}

/// A provider's answer to a request, about somebody.
pub fn answer(id: &str, subject: &str) -> String {
    let inner = assertion().replace("_asked", id).replace("ID=\"_a\"", &format!("ID=\"_a{id}\""));
    let inner =
        inner.replace(">bea<", &format!(">{subject}<")).replace("bea@example.com", &format!("{subject}@example.com"));
    wrapped(&signed(&inner)).replace("_asked", id)
}

pub async fn post(house: &House, token: Option<&SecretString>, message: &str) -> Result<SecretString, Error> {
    house.federation.saml_answer("corp", token, &form(message), PUBLIC, &from("192.0.2.1")).await
}

pub async fn arrive(
    house: &House,
    token: &SecretString,
    session: Option<(Session, SecretString)>,
) -> Result<Arrived, Error> {
    house.federation.saml_arrive("corp", Some(token), session, &from("192.0.2.1")).await
}

/// A whole sign-on of somebody.
pub async fn sign_on(house: &House, subject: &str) -> Result<(Session, SecretString), Error> {
    let (token, id) = asked(house, Purpose::SignIn).await;
    let token = post(house, Some(&token), &answer(&id, subject)).await?;
    match arrive(house, &token, None).await? {
        Arrived::In { entered, next } => {
            assert_eq!(next, "/w/ops");
            let entered = entered.into_session().unwrap();
            Ok((entered.session, entered.token))
        }
        other => panic!("{other:?}"),
    }
}

fn name(error: &Error) -> String {
    match error {
        Error::Saml(refused) => refused.name(),
        other => format!("{other:?}"),
    }
}

const MAPPED: &str =
    "    accounts: mapped\n    group_roles:\n      - { group: night, role: on_call, workspace: ops }\n";

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// an account is made, its roles follow from its groups, and an account is linked and proven anew by its owner.
    async fn x_11_a_signed_answer_opens_an_account(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_hand("", MAPPED)).await.unwrap();
        let (bea, token) = sign_on(&house, "bea").await.unwrap();
        assert_eq!(house.roles(bea.user).await, ["on_call"]);
        assert_eq!(house.texts("SELECT login FROM users").await, ["bea@example.com"]);
        assert!(house.is_in(&token).await);
        // The same person once more, encrypted this time; another one has another account.
        let (cookie, id) = asked(&house, Purpose::SignIn).await;
        let ours = house.federation.saml_metadata("corp", PUBLIC).await.unwrap();
        assert!(ours.contains(&format!("entityID=\"{METADATA}\"")) && ours.contains("use=\"encryption\""), "{ours}");
        let arrived = post(&house, Some(&cookie), &answer(&id, "bea")).await.unwrap();
        assert!(matches!(arrive(&house, &arrived, None).await, Ok(Arrived::In { .. })));
        sign_on(&house, "cyd").await.unwrap();
        assert_eq!(house.texts("SELECT login FROM users ORDER BY login").await, ["bea@example.com", "cyd@example.com"]);
        // Somebody with a password links theirs.
        let (ada, token) = house.ada().await;
        let (cookie, id) = asked(&house, Purpose::Link(ada.user)).await;
        let arrived = post(&house, Some(&cookie), &answer(&id, "ada")).await.unwrap();
        assert!(matches!(arrive(&house, &arrived, Some((ada, token))).await, Ok(Arrived::Linked { .. })));
        // A fresh proof is asked for as such.
        let begun = house.federation.begin("corp", Purpose::Prove(bea.user), "", None, PUBLIC, &from("192.0.2.1")).await.unwrap();
        assert!(message(&begun.location).contains("ForceAuthn=\"true\""));
    }

    /// an answer counts once, in the browser that asked, and what arrives arrives once and within a minute.
    async fn x_11_answers_are_replayed_by_nobody(db: store::Db, clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_hand("", MAPPED)).await.unwrap();
        let (cookie, id) = asked(&house, Purpose::SignIn).await;
        let (other, _) = asked(&house, Purpose::SignIn).await;
        let message = answer(&id, "bea");
        assert_eq!(name(&post(&house, None, &message).await.unwrap_err()), "InResponseTo");
        assert_eq!(name(&post(&house, Some(&other), &message).await.unwrap_err()), "InResponseTo");
        let arrived = post(&house, Some(&cookie), &message).await.unwrap();
        assert_eq!(name(&post(&house, Some(&cookie), &message).await.unwrap_err()), "InResponseTo");
        assert!(matches!(arrive(&house, &cookie, None).await, Err(Error::NotBegun)));
        assert!(matches!(arrive(&house, &arrived, None).await, Ok(Arrived::In { .. })));
        assert!(matches!(arrive(&house, &arrived, None).await, Err(Error::NotBegun)));
        assert!(matches!(house.federation.saml_arrive("corp", None, None, &from("192.0.2.1")).await, Err(Error::NotBegun)));
        let (cookie, id) = asked(&house, Purpose::SignIn).await;
        let late = post(&house, Some(&cookie), &answer(&id, "bea")).await.unwrap();
        clock.advance(std::time::Duration::from_mins(1));
        assert!(matches!(arrive(&house, &late, None).await, Err(Error::NotBegun)));
        // Nothing that was posted lies there in clear.
        assert!(house.texts("SELECT sealed FROM saml_arrivals").await.iter().all(|sealed| !sealed.contains("bea")));
        clock.advance(std::time::Duration::from_mins(10));
        assert!(house.federation.sweep().await.unwrap() > 0);
        assert!(house.texts("SELECT provider FROM saml_messages").await.is_empty());
        let refusals = house.refusals().await;
        assert!(refusals.iter().all(|why| why.contains("answers another request")), "{refusals:?}");
    }

    /// a provider begins only where that is allowed, and its answers count once, too.
    async fn x_11_unasked_answers_count_where_that_is_allowed_and_once(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_hand("", MAPPED)).await.unwrap();
        let inner = assertion().replace("InResponseTo=\"_asked\" ", "");
        let message = wrapped(&signed(&inner)).replace(" InResponseTo=\"_asked\"", "");
        let refused = post(&house, None, &message).await.unwrap_err();
        assert_eq!(name(&refused), "Unsolicited");
        assert!(refused.problem().detail.contains("Begin on the sign-in page"));
        house.apply(&by_hand("      allow_unsolicited: true\n", MAPPED)).await.unwrap();
        let arrived = post(&house, None, &message).await.unwrap();
        match arrive(&house, &arrived, None).await.unwrap() {
            Arrived::In { next, .. } => assert_eq!(next, "/w/ops/you"),
            other => panic!("{other:?}"),
        }
        assert_eq!(name(&post(&house, None, &message).await.unwrap_err()), "Replayed");
        let refusals = house.refusals().await;
        assert!(refusals.last().unwrap().contains("it was used before"), "{refusals:?}");
    }

    /// what is not believed is written down for administrators, and makes nobody think that the provider is broken.
    async fn x_11_refusals_are_written_down_and_limited(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.apply(&by_hand("      want_encrypted: true\n", MAPPED)).await.unwrap();
        let (cookie, id) = asked(&house, Purpose::SignIn).await;
        let refused = post(&house, Some(&cookie), &answer(&id, "bea")).await.unwrap_err();
        assert_eq!(name(&refused), "NotEncrypted");
        assert!(!refused.problem().detail.contains("encrypted"), "the person is told no cause");
        let federation = house.federation.clone();
        let (provider, state) = db
            .read(move |tx| -> Result<_, Error> {
                let permit = access::Grants::of_operator(access::Actor::os("root", "host1")).permit_organisation()?;
                let (provider, _) = federation.providers(tx, &permit)?.remove(0);
                let state = federation.saml_state(tx, &permit, provider.id)?;
                Ok((provider, state.unwrap()))
            })
            .await
            .unwrap();
        assert!(!provider.health.is_failing());
        assert!(state.refusal.unwrap().1.contains("not encrypted"));
        assert_eq!((state.theirs.len(), state.ours.len(), state.sign_in.as_deref()), (1, 1, Some("https://idp.example.com/sso")));
        let mut last = String::new();
        for _ in 0..25 {
            last = post(&house, None, "<x/>").await.unwrap_err().problem().code.to_string();
        }
        assert_eq!(last, "too-many-tries");
        assert!(house.refusals().await.len() <= 21);
    }

    /// A sign-on needs the other protocol's doors as little as it opens them.
    async fn protocols_do_not_mix(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        assert!(matches!(post(&house, None, &answer("_x", "bea")).await, Err(Error::NoProvider)));
        assert!(house.federation.saml_metadata("corp", PUBLIC).await.is_err());
        house.apply(&by_hand("", MAPPED)).await.unwrap();
        let (cookie, _) = asked(&house, Purpose::SignIn).await;
        let back = federation::Answered { code: Some("x".into()), ..federation::Answered::default() };
        let refused = house.federation.finish("corp", Some(&cookie), back, None, PUBLIC, &from("192.0.2.1")).await;
        assert!(matches!(refused, Err(Error::NoProvider)));
    }

    async fn settings_that_cannot_work_are_refused(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        let good = by_hand("", "");
        let cases = [
            (good.replace("https://idp.example.com/sso", "http://idp.example.com/sso"), "saml.sign_in_url: an https://"),
            (good.replace("      sign_in_url: https://idp.example.com/sso\n", ""), "saml.sign_in_url: without metadata"),
            (good.replace("BEGIN CERTIFICATE", "BEGIN NOTHING"), "saml.certificates[0]"),
            (by_hand("      metadata_url: https://idp.example.com/m\n", ""), "leave all but one out"),
            (good.split("    saml:").next().unwrap().to_owned(), "saml.metadata: the provider's metadata is expected"),
            (by_hand("      subject_attribute: ''\n", ""), "saml.subject_attribute"),
            (good.replace(&format!("issuer: {ISSUER}"), "issuer: 'two words'"), "issuer: the provider's entity id"),
            (good.replace("kind: saml", "kind: oidc"), "saml: these are fields"),
            (format!("{}    saml:\n      metadata: <a/>\n", good.split("    saml:").next().unwrap()), "saml.metadata: the metadata cannot be used"),
        ];
        for (yaml, expected) in cases {
            let refused = lines(&house.apply(&yaml).await.unwrap_err());
            assert!(refused.contains(expected), "{expected}: {refused}");
        }
    }

    /// as the only way in, after somebody came in with it and not before.
    async fn x_11_it_can_be_the_only_way_in(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        let only = "sign_in:\n  - only_provider: corp\n    break_glass: [ada@example.com]\n";
        house.apply(&by_hand("", MAPPED)).await.unwrap();
        house.ada().await;
        assert!(lines(&house.apply(only).await.unwrap_err()).contains("nobody has signed in with this provider yet"));
        sign_on(&house, "bea").await.unwrap();
        house.apply(only).await.unwrap();
        let off = by_hand("", &format!("    enabled: false\n{MAPPED}"));
        assert!(lines(&house.apply(&off).await.unwrap_err()).contains("only way in"));
        sign_on(&house, "bea").await.unwrap();
    }

    /// E-17: whoever says which certificate is believed could be everybody whom the provider knows.
    async fn e_17_who_may_less_changes_no_certificate(db: store::Db, _clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        let admins = "    accounts: mapped\n    group_roles:\n      - { group: night, role: administrator }\n";
        house.apply(&by_hand("", admins)).await.unwrap();
        sign_on(&house, "bea").await.unwrap();
        let theirs = [SignInManage, ResourcesApply, ResourcesRead, WorkspaceWrite];
        let labelled = by_hand("      want_encrypted: false\n", admins).replace("label: Corporate", "label: Corporation");
        house.apply_with(&labelled, &theirs).await.unwrap();
        let mine = pem(STRANGER.own.certificate(), "          ");
        let swapped = by_hand("", admins).replace(&pem(IDP.own.certificate(), "          "), &mine);
        let refused = lines(&house.apply_with(&swapped, &theirs).await.unwrap_err());
        assert!(refused.contains("could sign in as anybody of this provider"), "{refused}");
        house.apply(&swapped).await.unwrap();
        // Nor the authority of its addresses, nor what it speaks: the people of an issuer stay theirs.
        let ca = house.receiver.authority.trim_end().replace('\n', "\n      ");
        let vouched = by_hand("", admins).replace("    saml:\n", &format!("    tls_ca: |\n      {ca}\n    saml:\n"));
        let refused = lines(&house.apply_with(&vouched.replace(&pem(IDP.own.certificate(), "          "), &mine), &theirs).await.unwrap_err());
        assert!(refused.contains("].tls_ca: whoever changes what this provider is believed by"), "{refused}");
        let other = format!(
            "identity_providers:\n  - name: corp\n    issuer: {ISSUER}\n    client_id: loudhailer\n    client_auth: none\n{admins}"
        );
        let refused = lines(&house.apply_with(&other, &theirs).await.unwrap_err());
        assert!(refused.contains("].kind: whoever changes what this provider is believed by"), "{refused}");
        house.apply(&other).await.unwrap();
        let client = other.replace("client_id: loudhailer", "client_id: another");
        let refused = lines(&house.apply_with(&client, &theirs).await.unwrap_err());
        assert!(refused.contains("].client_id: whoever"), "{refused}");
        let back = lines(&house.apply_with(&by_hand("", admins), &theirs).await.unwrap_err());
        assert!(back.contains("].kind: whoever"), "{back}");
        house.apply_with(&other.replace("client_id: loudhailer", "client_id: loudhailer\n    label: Other"), &theirs).await.unwrap();
    }
}
