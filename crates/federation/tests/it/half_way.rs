//! A provider's word that waits beside somebody half way in, and what becomes of it: it is kept, replaced and gone as the session is.

use base::{ExposeSecret as _, SecretString};
use federation::{Arrived, Onward};
use identity::{Entered, Error, NewFactor, Proof, Session};

use crate::house::{House, PUBLIC, from, open};

/// A sign-on over the session that the browser has: what came of it, and the token that the provider gave.
async fn sign_on(house: &House, subject: &str, old: Option<(Session, SecretString)>) -> (Entered, String) {
    let way = house.begin(None).await;
    house.says(&house.claims(&way, subject, &[]));
    let given = house.said.lock().unwrap().id_token.clone();
    match house.finish_with(&way, house.answer(&way), old).await.unwrap() {
        Arrived::In { entered, .. } => (entered, given),
        other => panic!("nobody links here: {other:?}"),
    }
}

fn half(entered: Entered) -> SecretString {
    match entered {
        Entered::Half(half) => half.token,
        Entered::In(_) => panic!("a second factor is wanted"),
    }
}

/// Sets up an app for whoever has this session: their recovery codes.
async fn enrol(house: &House, session: &Session) -> Vec<SecretString> {
    let (identity, who) = (house.identity.clone(), session.grants.actor().clone());
    let (offer, actor) = (identity.clone(), who.clone());
    let app = house.db.write(move |tx| offer.own_offer(tx, &actor)).await.unwrap().app.unwrap();
    let mut secret = Vec::new();
    for group in app.text.expose_secret().as_bytes().chunks(8) {
        let value = |letter: &u8| u64::from(if *letter >= b'A' { letter - b'A' } else { letter - b'2' + 26 });
        let bits = group.iter().fold(0, |bits, letter| bits << 5 | value(letter));
        secret.extend_from_slice(&(bits << (64 - 5 * group.len())).to_be_bytes()[..group.len() * 5 / 8]);
    }
    let new = NewFactor::App(crypto::totp::code(&secret, crypto::totp::step(house.db.context().now())));
    house.db.write(move |tx| identity.enrol(tx, &who, &new)).await.unwrap().codes
}

fn hint(onward: Option<Onward>) -> Option<String> {
    let onward = onward?;
    let pairs = form_urlencoded::parse(onward.location.split_once('?')?.1.as_bytes()).into_owned();
    pairs.into_iter().find(|(name, _)| name == "id_token_hint").map(|(_, value)| value)
}

/// The hint of a session as the next request reads it.
async fn hint_of(house: &House, token: &SecretString) -> Option<String> {
    let session = house.identity.by_session(token, &from("192.0.2.1")).await.unwrap().unwrap();
    hint(house.federation.sign_out_there(&session, PUBLIC).await.unwrap())
}

/// How much is kept of anybody: sessions, ways half gone, and words that wait.
async fn kept(house: &House) -> [usize; 3] {
    let sessions = house.texts("SELECT id FROM sessions").await.len();
    let ways = house.texts("SELECT user_id FROM half_way").await.len();
    [sessions, ways, house.texts("SELECT sealed FROM saml_arrivals").await.len()]
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    async fn x_17_a_provider_s_word_waits_for_the_second_factor(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (session, token) = house.sign_on("bea", &[]).await.unwrap();
        let codes = enrol(&house, &session).await;
        let (entered, given) = sign_on(&house, "bea", None).await;
        let way = half(entered);
        assert_eq!(kept(&house).await, [1, 1, 1]);
        let waits = house.texts("SELECT sealed FROM saml_arrivals").await;
        assert!(!waits[0].contains("eyJ") && !waits[0].contains(&given[..20]), "it lies sealed");
        // A wrong code takes nothing away.
        let (one, caller) = (&house.identity, from("192.0.2.1"));
        let wrong = Proof::Code("AAAA-AAAA-AAAA-AAAA-AAAA-AAAA".into());
        let refused = one.second_factor(&way, wrong, house.federation.kept(&way), None, &caller).await;
        assert!(matches!(refused, Err(Error::BadFactor)));
        let right = Proof::Code(codes[0].clone());
        let whole = one.second_factor(&way, right, house.federation.kept(&way), Some(token), &caller).await.unwrap();
        assert_eq!(hint_of(&house, &whole.token).await, Some(given));
        // The session before ended, and nothing waits any more.
        assert_eq!(kept(&house).await, [1, 0, 0]);
        house.identity.logout(&whole.token, &caller).await.unwrap();
        assert_eq!(kept(&house).await, [0, 0, 0]);
    }

    async fn x_17_who_gives_up_half_way_can_sign_out_there(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (session, _) = house.sign_on("bea", &[]).await.unwrap();
        enrol(&house, &session).await;
        let (entered, given) = sign_on(&house, "bea", None).await;
        let way = half(entered);
        assert_eq!(hint(house.federation.give_up(&way, PUBLIC).await.unwrap()), Some(given));
        assert_eq!(kept(&house).await, [1, 0, 0]);
        assert!(house.federation.give_up(&way, PUBLIC).await.unwrap().is_none(), "once");
        assert!(house.federation.give_up(&SecretString::from("nonsense"), PUBLIC).await.unwrap().is_none());
        // Five wrong codes end the way, and the word with it.
        let (entered, _) = sign_on(&house, "bea", None).await;
        let way = half(entered);
        for n in 1..=5 {
            let wrong = Proof::Code("AAAA-AAAA-AAAA-AAAA-AAAA-AAAA".into());
            let caller = from(&format!("192.0.2.{n}"));
            let refused = house.identity.second_factor(&way, wrong, house.federation.kept(&way), None, &caller).await;
            assert_eq!(matches!(refused, Err(Error::HalfWayOver)), n == 5, "{n}");
        }
        assert_eq!(kept(&house).await, [1, 0, 0]);
    }

    async fn x_17_a_new_sign_on_replaces_the_old_word(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (entered, first) = sign_on(&house, "bea", None).await;
        let entered = entered.into_session().unwrap();
        assert_eq!(hint_of(&house, &entered.token).await.as_ref(), Some(&first));
        let old = Some((entered.session, entered.token.clone()));
        let (entered, second) = sign_on(&house, "bea", old).await;
        let whole = entered.into_session().unwrap();
        assert_ne!(first, second);
        assert_eq!(hint_of(&house, &whole.token).await, Some(second));
        assert_eq!(kept(&house).await, [1, 0, 0]);
        // A fresh proof, too: of another session there, whose end is told from then on.
        let way = house.federation.begin_proof(&whole.session, "/w/ops", PUBLIC, &from("192.0.2.1")).await.unwrap();
        let way = House::way(way);
        let mut claims = house.claims(&way, "bea", &[]);
        claims["sid"] = serde_json::json!("sid-anew");
        house.says(&claims);
        let third = house.said.lock().unwrap().id_token.clone();
        let arrived = house.finish_with(&way, house.answer(&way), Some((whole.session, whole.token))).await.unwrap();
        let Arrived::Proved { token, .. } = arrived else { panic!("{arrived:?}") };
        assert_eq!(hint_of(&house, &token).await, Some(third));
        assert_eq!(house.texts("SELECT provider_session FROM sessions").await, ["sid-anew"]);
    }
}
