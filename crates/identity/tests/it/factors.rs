//! Second factors: codes, recovery codes and passkeys, at the log-in and later (X-16, E-25).

use std::sync::Arc;
use std::time::Duration;

use access::{Actor, Grants, OrganisationPermit, cap};
use base::{ExposeSecret as _, ManualClock, SecretString, UserId};
use identity::{Entered, Error, Going, Kept, LogIn, LoggedIn, Needs, NewFactor, Proof};
use store::Db;

use crate::authenticator::{Authenticator, SITE};
use crate::house::{self, House, PASSWORD, from, log_in, open, secret, text};

/// The code that an app shows for this secret now.
pub fn code(db: &Db, base32: &SecretString) -> SecretString {
    code_at(base32, crypto::totp::step(db.context().now()))
}

fn code_at(base32: &SecretString, step: i64) -> SecretString {
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for letter in base32.expose_secret().bytes() {
        let value = u32::from(if letter >= b'A' { letter - b'A' } else { letter - b'2' + 26 });
        held = (held << 5) | value;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 255).unwrap());
        }
    }
    crypto::totp::code(&bytes, step)
}

fn actor(entered: &LoggedIn) -> Actor {
    entered.session.grants.actor().clone()
}

/// Sets an app up for somebody who is in: its secret and the recovery codes.
pub async fn enrol(house: &House, entered: &LoggedIn) -> (SecretString, Vec<SecretString>) {
    let (identity, who) = (house.identity.clone(), actor(entered));
    let offer = house.db.write(move |tx| identity.own_offer(tx, &who)).await.unwrap().app.unwrap();
    let (identity, who, first) = (house.identity.clone(), actor(entered), code(&house.db, &offer.text));
    let new = NewFactor::App(first);
    let enrolled = house.db.write(move |tx| identity.enrol(tx, &who, &new)).await.unwrap();
    (offer.text, enrolled.codes)
}

pub async fn half(house: &House, n: u8) -> SecretString {
    match house.identity.login(log_in("ada@example.com", PASSWORD), &from(&format!("192.0.2.{n}"))).await.unwrap() {
        Entered::Half(half) => {
            assert_eq!(half.needs, Needs::Factor);
            half.token
        }
        Entered::In(_) => panic!("a password alone is not enough"),
    }
}

pub async fn second(house: &House, token: &SecretString, code: SecretString, n: u8) -> Result<LoggedIn, Error> {
    house
        .identity
        .second_factor(token, Proof::Code(code), Kept::default(), None, &from(&format!("198.51.100.{n}")))
        .await
}

fn people_write() -> OrganisationPermit<cap::PeopleWrite> {
    Grants::of_operator(house::operator()).permit_organisation().unwrap()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// E-25: password, then a code of the app; a code works once; half way opens nothing; the secret is sealed.
    async fn e_25_a_log_in_takes_a_password_and_a_code_that_works_once(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        let (app, codes) = enrol(&house, &ada).await;
        assert_eq!(codes.len(), 10);
        assert!(codes.iter().all(|code| text(code).len() == 29));
        let stored = house.texts("SELECT secret FROM authenticators").await;
        assert!(stored[0].starts_with("v1.") && !stored[0].contains(text(&app)));
        let used = code(&db, &app);
        let token = half(&house, 2).await;
        assert!(!house.is_in(&token).await, "half way is no session");
        assert!(matches!(second(&house, &token, used, 1).await, Err(Error::BadFactor)), "the code of the set-up is spent");
        clock.advance(Duration::from_secs(30));
        let entered = second(&house, &token, code(&db, &app), 2).await.unwrap();
        assert_eq!(entered.session.grants.actor().auth, access::AuthMethod::Totp);
        assert!(house.is_in(&entered.token).await);
        assert!(matches!(second(&house, &token, code(&db, &app), 3).await, Err(Error::HalfWayOver)), "once");
        let token = half(&house, 3).await;
        assert!(second(&house, &token, code(&db, &app), 4).await.is_err(), "the same code again");
        // The code before is taken only where the organisation says so.
        clock.advance(Duration::from_mins(1));
        let before = code_at(&app, crypto::totp::step(db.context().now()) - 1);
        assert!(second(&house, &token, before.clone(), 5).await.is_err());
        house.apply("settings: [{code_one_step_back: true}]\n").await.unwrap();
        assert!(second(&house, &token, before, 6).await.is_ok());
        let said = house.texts("SELECT reason FROM audit_entries WHERE action = 'session.half_way'").await;
        assert_eq!(said.len(), 2);
        let all = house.texts("SELECT COALESCE(reason, '') || COALESCE(changes, '') FROM audit_entries").await.join(" ");
        assert!(!all.contains(text(&app)) && !all.contains(text(&codes[0])), "no secret in the audit log");
    }

    /// five wrong codes end the way, and the account's count of them goes on over a new one, up to the lock-out. A right password
    /// takes none of them back.
    async fn x_12_wrong_codes_run_into_the_lock_out(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        let (app, _) = enrol(&house, &ada).await;
        clock.advance(Duration::from_mins(1));
        let token = half(&house, 2).await;
        for n in 0..4 {
            assert!(matches!(second(&house, &token, secret("000000"), n).await, Err(Error::BadFactor)));
        }
        assert!(matches!(second(&house, &token, secret("000000"), 5).await, Err(Error::HalfWayOver)), "the fifth");
        assert!(matches!(second(&house, &token, code(&db, &app), 6).await, Err(Error::HalfWayOver)));
        // Paused now, as after five wrong passwords: codes, and not the password, which was right.
        let token = half(&house, 3).await;
        assert!(matches!(second(&house, &token, code(&db, &app), 11).await, Err(Error::BadFactor)), "paused: unseen");
        clock.advance(Duration::from_secs(2));
        assert!(matches!(second(&house, &token, secret("000000"), 7).await, Err(Error::BadFactor)));
        assert!(matches!(second(&house, &token, code(&db, &app), 8).await, Err(Error::BadFactor)), "paused: unseen");
        clock.advance(Duration::from_secs(31));
        assert!(second(&house, &token, code(&db, &app), 9).await.is_ok());
        assert_eq!(house.count("login_failures").await, 0, "a whole log-in forgives");
        let token = half(&house, 4).await;
        clock.advance(Duration::from_mins(10));
        assert!(matches!(second(&house, &token, code(&db, &app), 10).await, Err(Error::HalfWayOver)), "ten minutes");
    }

    /// ASVS 6.5.2: a recovery code works once, however it is typed; drawing anew ends the old ones.
    async fn a_recovery_code_works_once(db: Db) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        let (_, codes) = enrol(&house, &ada).await;
        let token = half(&house, 2).await;
        let typed = secret(&text(&codes[3]).to_lowercase().replace('-', " "));
        let entered = second(&house, &token, typed.clone(), 1).await.unwrap();
        assert_eq!(entered.session.grants.actor().auth, access::AuthMethod::RecoveryCode);
        let token = half(&house, 3).await;
        assert!(second(&house, &token, typed, 2).await.is_err());
        let (identity, who) = (house.identity.clone(), actor(&entered));
        let fresh = db.write(move |tx| identity.draw_recovery_codes(tx, &who)).await.unwrap();
        assert!(second(&house, &token, codes[4].clone(), 3).await.is_err(), "replaced");
        let (identity, who) = (house.identity.clone(), actor(&entered));
        let lines: Vec<String> = fresh.iter().map(|code| text(code).to_owned()).collect();
        let all = db
            .read(move |tx| {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                Ok::<_, Error>((
                    identity.are_recovery_codes(tx, &who, &lines)?,
                    identity.are_recovery_codes(tx, &who, &["AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"])?,
                ))
            })
            .await
            .unwrap();
        assert_eq!(all, (true, false));
        assert!(second(&house, &token, fresh[9].clone(), 4).await.is_ok());
    }

    /// E-17: a role that must have a second factor leads to setting one up, and nothing else opens before.
    async fn e_17_a_role_that_needs_a_factor_leads_to_setting_one_up(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        assert!(house.apply("settings: [{second_factor_for: [emperor]}]\n").await.is_err());
        house.apply("settings: [{second_factor_for: [administrator]}]\n").await.unwrap();
        let way = house.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.2")).await.unwrap();
        let Entered::Half(way) = way else { panic!("not in without a factor") };
        assert_eq!(way.needs, Needs::Enrolment);
        assert!(!house.is_in(&way.token).await);
        assert!(matches!(second(&house, &way.token, secret("000000"), 1).await, Err(Error::HalfWayOver)), "nothing to prove yet");
        let offer = house.identity.half_way_offer(&way.token).await.unwrap().unwrap();
        let again = house.identity.half_way_offer(&way.token).await.unwrap().unwrap();
        let app = offer.app.unwrap().text;
        assert_eq!(text(&app), text(&again.app.unwrap().text), "loading the page again spoils nothing");
        let wrong = house.identity.enrol_half_way(&way.token, NewFactor::App(secret("000000")), Kept::default(), None, &from("192.0.2.3")).await;
        assert!(matches!(wrong, Err(Error::BadFactor)));
        let right = NewFactor::App(code(&db, &app));
        let done = house.identity.enrol_half_way(&way.token, right, Kept::default(), None, &from("192.0.2.3")).await.unwrap();
        assert_eq!(done.codes.len(), 10);
        let entered = done.entered.unwrap();
        assert!(house.is_in(&entered.token).await);
        // The last factor of somebody who must have one stays.
        let (identity, who) = (house.identity.clone(), actor(&entered));
        assert!(matches!(db.write(move |tx| identity.drop_factor(tx, &who, Going::App)).await, Err(Error::LastFactor)));
        clock.advance(Duration::from_secs(30));
        let token = half(&house, 5).await;
        assert!(second(&house, &token, code(&db, &app), 5).await.is_ok());
        house.apply("settings: []\n").await.unwrap();
        let (identity, who) = (house.identity.clone(), actor(&entered));
        db.write(move |tx| identity.drop_factor(tx, &who, Going::App)).await.unwrap();
        assert_eq!(house.count("recovery_codes").await, 0);
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.6")).await.unwrap().into_session().is_some());
    }

    /// An administrator takes lost factors away without learning anything, and is written down; a link does not go around them.
    async fn an_administrator_resets_factors_and_a_link_does_not_skip_them(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        let (app, _) = enrol(&house, &ada).await;
        clock.advance(Duration::from_secs(30));
        let link = house.invite("ada@example.com").await;
        let way = house.identity.accept_invite(link, secret("another long walk by the sea"), &from("192.0.2.3")).await.unwrap();
        let Entered::Half(way) = way else { panic!("a link does not replace the second factor") };
        assert!(!house.is_in(&ada.token).await, "what was open before is over");
        assert!(second(&house, &way.token, code(&db, &app), 1).await.is_ok());
        let (identity, user) = (house.identity.clone(), house.user("ada@example.com").await);
        let (seen, gone) = db
            .write(move |tx| {
                let seen = identity.factors_of(tx, &people_write(), user)?;
                Ok::<_, Error>((seen, identity.reset_factors(tx, &people_write(), user)?))
            })
            .await
            .unwrap();
        assert_eq!((seen.count(), gone), (1, 1));
        assert_eq!(house.count("sessions").await, 0);
        let written = house.texts("SELECT actor_type || ' ' || action FROM audit_entries WHERE action = 'factor.reset'").await;
        assert_eq!(written, ["os factor.reset"]);
        let in_again = house.identity.login(log_in("ada@example.com", "another long walk by the sea"), &from("192.0.2.4")).await;
        assert!(in_again.unwrap().into_session().is_some());
        house.apply("users: []\n").await.unwrap_err();
    }

    /// A passkey: as the second factor, and as the only one. Each answer holds once, for its own person, here.
    async fn a_passkey_is_a_second_factor_and_the_only_one(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        assert!(house.identity.passkey_sign_in().is_none(), "nobody serves pages yet");
        house.identity.served_at(SITE);
        let ada = house.set_up().await;
        let mut key = Authenticator::new("key-of-ada");
        let offer = |entered: &LoggedIn| {
            let (identity, who, db) = (house.identity.clone(), actor(entered), db.clone());
            async move { db.write(move |tx| identity.own_offer(tx, &who)).await.unwrap().passkey.unwrap() }
        };
        let keep = |entered: &LoggedIn, answer: SecretString| {
            let (identity, who, db) = (house.identity.clone(), actor(entered), db.clone());
            let new = NewFactor::Passkey(answer, "My key".into());
            async move { db.write(move |tx| identity.enrol(tx, &who, &new)).await }
        };
        // ASVS 6.3.3: that of an administrator verifies its person.
        key.verifies = false;
        assert!(keep(&ada, key.make(&offer(&ada).await)).await.is_err());
        key.verifies = true;
        key.origin = "https://evil.example.com";
        assert!(keep(&ada, key.make(&offer(&ada).await)).await.is_err(), "made on another site");
        key.origin = SITE;
        let made = key.make(&offer(&ada).await);
        assert_eq!(keep(&ada, made.clone()).await.unwrap().codes.len(), 10);
        assert!(keep(&ada, made).await.is_err(), "the same answer again");
        let old = offer(&ada).await;
        clock.advance(Duration::from_mins(11));
        assert!(matches!(keep(&ada, Authenticator::new("other").make(&old)).await, Err(Error::PageTooOld)));

        // After the password.
        let token = half(&house, 2).await;
        let ways = |token: SecretString| {
            let identity = house.identity.clone();
            async move { identity.half_way(&token).await.unwrap().unwrap().1 }
        };
        let asked = ways(token.clone()).await;
        assert!(!asked.app && !asked.password && asked.recovery);
        let asked = asked.passkey.unwrap();
        let prove = |token: SecretString, answer, n: u8| {
            let identity = house.identity.clone();
            async move { identity.second_factor(&token, Proof::Passkey(answer), Kept::default(), None, &from(&format!("192.0.2.{n}"))).await }
        };
        let mut stolen = Authenticator::new("key-of-ada");
        assert!(prove(token.clone(), stolen.answer(&asked, None), 3).await.is_err(), "another key pair");
        let answer = key.answer(&asked, None);
        assert!(prove(token.clone(), answer.clone(), 4).await.is_ok());
        let token = half(&house, 5).await;
        assert!(prove(token.clone(), answer, 6).await.is_err(), "given before");
        let asked = ways(token.clone()).await.passkey.unwrap();
        key.uses = 0;
        assert!(prove(token.clone(), key.answer(&asked, None), 7).await.is_err(), "its count went back");
        key.uses = 9;

        // Alone.
        let user: UserId = house.user("ada@example.com").await;
        let handle = *user.uuid().as_bytes();
        let sign_in = |answer, n: u8| {
            let identity = house.identity.clone();
            async move { identity.passkey_login(answer, None, &from(&format!("203.0.113.{n}"))).await }
        };
        let question = || house.identity.passkey_sign_in().unwrap();
        key.verifies = false;
        assert!(sign_in(key.answer(&question(), Some(&handle)), 1).await.is_err(), "possession alone is one factor");
        key.verifies = true;
        assert!(sign_in(key.answer(&question(), Some(&[7; 16])), 2).await.is_err(), "another person's handle");
        assert!(sign_in(key.answer(&asked, Some(&handle)), 3).await.is_err(), "the answer to another question");
        let answer = key.answer(&question(), Some(&handle));
        let entered = sign_in(answer.clone(), 4).await.unwrap();
        assert_eq!((entered.session.user, entered.session.grants.actor().auth), (user, access::AuthMethod::Passkey));
        assert!(matches!(sign_in(answer, 5).await, Err(Error::BadPasskey)), "once");
        assert!(matches!(sign_in(secret("{}"), 6).await, Err(Error::BadPasskey)));
        assert!(matches!(sign_in(Authenticator::new("unknown").answer(&question(), None), 7).await, Err(Error::BadPasskey)));

        // Gone with its person's wish.
        let (identity, who) = (house.identity.clone(), actor(&entered));
        let list = db.read(move |tx| identity.own_factors(tx, &who)).await.unwrap();
        assert_eq!((list.passkeys[0].name.as_str(), list.count()), ("My key", 1));
        let (identity, who, id) = (house.identity.clone(), actor(&entered), list.passkeys[0].id);
        db.write(move |tx| identity.drop_factor(tx, &who, Going::Passkey(id))).await.unwrap();
        assert!(sign_in(key.answer(&question(), Some(&handle)), 8).await.is_err());
    }

    /// 7.5.1, 7.2.4: a step-up replaces the session's identifier and nothing else; five wrong ones end the session, not the account.
    async fn x_16_a_step_up_replaces_the_identifier(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        clock.advance(Duration::from_mins(6));
        let caller = from("192.0.2.1");
        let ways = house.identity.step_up_ways(&ada.token, &caller).await.unwrap();
        assert!(ways.password && !ways.app && ways.passkey.is_none());
        let wrong = house.identity.step_up(&ada.token, Proof::Password(secret("wrong wrong wrong")), &caller).await;
        assert!(matches!(wrong, Err(Error::BadFactor)));
        let fresh = house.identity.step_up(&ada.token, Proof::Password(secret(PASSWORD)), &caller).await.unwrap();
        assert!(!house.is_in(&ada.token).await, "the old identifier is worth nothing");
        let session = house.identity.by_session(&fresh, &caller).await.unwrap().unwrap();
        assert_eq!(session.id, ada.session.id);
        assert_eq!(session.csrf.expose_secret(), ada.session.csrf.expose_secret(), "forms that are open go on");
        assert_eq!(session.expires_at, ada.session.expires_at, "no longer life");
        assert!(session.proven_at > ada.session.proven_at);
        // Who has a second factor proves that, and not the password.
        let (app, _) = enrol(&house, &LoggedIn { session, token: fresh.clone(), ..ada }).await;
        let by_password = house.identity.step_up(&fresh, Proof::Password(secret(PASSWORD)), &caller).await;
        assert!(matches!(by_password, Err(Error::BadFactor)));
        clock.advance(Duration::from_secs(30));
        let fresh = house.identity.step_up(&fresh, Proof::Code(code(&db, &app)), &caller).await.unwrap();
        for _ in 0..5 {
            assert!(house.identity.step_up(&fresh, Proof::Code(secret("000000")), &from("192.0.2.7")).await.is_err());
        }
        assert!(!house.is_in(&fresh).await, "the session is over");
        clock.advance(Duration::from_secs(30));
        let token = half(&house, 8).await;
        assert!(second(&house, &token, code(&db, &app), 9).await.is_ok(), "the account is not locked");
    }

    /// own sessions are seen and ended, each alone; the number at a time is a setting.
    async fn x_16_own_sessions_are_seen_and_ended(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let first = house.set_up().await;
        clock.advance(Duration::from_secs(5));
        let given = LogIn { session: None, ..log_in("ada@example.com", PASSWORD) };
        let other = house.identity.login(given, &from("192.0.2.44")).await.unwrap().into_session().unwrap();
        let (identity, who) = (house.identity.clone(), actor(&first));
        let list = db.read(move |tx| identity.own_sessions(tx, &who)).await.unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].address.as_str(), list[0].user_agent.as_str()), ("192.0.2.44", "test"));
        let (identity, who, id) = (house.identity.clone(), actor(&first), other.session.id);
        assert!(db.write(move |tx| identity.end_own_session(tx, &who, id)).await.unwrap());
        assert!(!house.is_in(&other.token).await && house.is_in(&first.token).await);
        // Nobody ends another's session by its id.
        let (identity, stranger) = (house.identity.clone(), Actor { principal: access::Principal::User { id: UserId::from(uuid::Uuid::nil()), name: String::new() }, ..actor(&first) });
        let id = first.session.id;
        assert!(!db.write(move |tx| identity.end_own_session(tx, &stranger, id)).await.unwrap());
        house.apply("settings: [{sessions_per_person: 2}]\n").await.unwrap();
        for n in 50..53 {
            clock.advance(Duration::from_secs(5));
            house.identity.login(log_in("ada@example.com", PASSWORD), &from(&format!("192.0.2.{n}"))).await.unwrap();
        }
        assert_eq!(house.count("sessions").await, 2);
        let (identity, user) = (house.identity.clone(), house.user("ada@example.com").await);
        let ended = db
            .write(move |tx| {
                let all = identity.sessions_of(tx, &people_write(), user)?;
                identity.end_session_of(tx, &people_write(), user, all[0].id)
            })
            .await
            .unwrap();
        assert!(ended);
        assert_eq!(house.count("sessions").await, 1);
    }
}
