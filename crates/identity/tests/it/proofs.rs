//! What a proof is worth, and what it is not: a right password beside a second factor, a link that somebody else saw, a role that
//! comes from a provider's group.

use std::sync::Arc;
use std::time::Duration;

use access::{Actor, AuthMethod, Grants, OrganisationPermit, Principal, Role, Scope, cap};
use base::{Explain as _, ManualClock, PageRequest, SecretString, UserId};
use identity::{
    Entered, Error, Going, Kept, LoggedIn, Needs, NewFactor, PasswordChange, PeopleFilter, Proven, Standing, Vouched,
};
use store::{Db, Tx, Worker};
use testkit::{MailMode, MailServer};

use crate::factors::{code, enrol, half, second};
use crate::house::{self, House, PASSWORD, from, lines, log_in, open, open_with_mail, operator, secret, text};

const NEW: &str = "seven grey lanterns over water";
const OTHER: &str = "eleven brass kettles in a row";

const PEOPLE: &str = "
workspaces: [{slug: demo, environment: development}]
users:
  - {name: Ada Sample, login: ada@example.com, roles: [{role: administrator}]}
  - {name: Olga Sample, login: olga@example.com, roles: [{role: security_officer}]}
  - {name: Bo Sample, login: bo@example.com}
";

fn people_write() -> OrganisationPermit<cap::PeopleWrite> {
    Grants::of_operator(operator()).permit_organisation().unwrap()
}

/// Somebody in a session, with the roles that are stored for them.
fn acting(tx: &mut Tx<'_>, user: UserId) -> OrganisationPermit<cap::PeopleWrite> {
    let actor = Actor::new(Principal::User { id: user, name: "Somebody".into() }, AuthMethod::Password);
    access::grants_of_user(tx, user, actor).unwrap().permit_organisation().unwrap()
}

/// Does something as that person.
async fn as_person<T: Send + 'static>(
    house: &House,
    login: &str,
    act: impl Fn(&mut Tx<'_>, &OrganisationPermit<cap::PeopleWrite>) -> Result<T, Error> + Send + Sync + 'static,
) -> Result<T, Error> {
    let user = house.user(login).await;
    house
        .db
        .write(move |tx| {
            let permit = acting(tx, user);
            act(tx, &permit)
        })
        .await
}

async fn login(house: &House, name: &str, password: &str, n: u8) -> Result<Entered, Error> {
    house.identity.login(log_in(name, password), &from(&format!("192.0.2.{n}"))).await
}

async fn expire(house: &House, login: &str) {
    let (identity, user) = (house.identity.clone(), house.user(login).await);
    house.db.write(move |tx| identity.expire_password(tx, &people_write(), user)).await.unwrap();
}

async fn needs_enrolment(house: &House, n: u8) -> SecretString {
    match login(house, "ada@example.com", PASSWORD, n).await.unwrap() {
        Entered::Half(half) => {
            assert_eq!(half.needs, Needs::Enrolment);
            half.token
        }
        Entered::In(_) => panic!("in without a factor"),
    }
}

async fn own_secret(house: &House, entered: &LoggedIn) -> SecretString {
    let (identity, who) = (house.identity.clone(), entered.session.grants.actor().clone());
    house.db.write(move |tx| identity.own_offer(tx, &who)).await.unwrap().app.unwrap().text
}

/// By which proofs people came who had to change their password first.
async fn denied_by(house: &House) -> Vec<String> {
    house
        .texts("SELECT auth FROM audit_entries WHERE action = 'session.start' AND outcome = 'denied' ORDER BY id")
        .await
}

fn said(error: Error) -> String {
    error.problem().code.to_string()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// who has a second factor proves it before a password that is due is replaced, and never replaces it by itself.
    async fn x_15_a_forced_change_comes_after_the_second_factor(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        let (app, _) = enrol(&house, &ada).await;
        expire(&house, "ada@example.com").await;
        clock.advance(Duration::from_secs(30));
        let token = half(&house, 2).await;
        assert_eq!(house.count("one_time_links").await, 0, "a right password alone draws no link");
        assert!(matches!(second(&house, &token, secret("000000"), 3).await, Err(Error::BadFactor)));
        let Err(Error::MustChange(link)) = second(&house, &token, code(&db, &app), 4).await else { panic!("let in") };
        assert_eq!(house.count("sessions").await, 0);
        assert_eq!(denied_by(&house).await, ["totp"], "the last proof that was given");
        let same = house.identity.reset_password(link.secret.clone(), secret(PASSWORD), &from("192.0.2.5")).await;
        assert_eq!(said(same.unwrap_err()), "password-used-before", "without any history, too");
        house.identity.reset_password(link.secret, secret(NEW), &from("192.0.2.5")).await.unwrap();
        // The new one goes the same way, and is not asked for again.
        let Entered::Half(way) = login(&house, "ada@example.com", NEW, 6).await.unwrap() else { panic!("no factor") };
        clock.advance(Duration::from_secs(30));
        assert!(second(&house, &way.token, code(&db, &app), 7).await.is_ok());
    }

    /// the same for a password that is too old.
    async fn x_15_a_password_that_is_too_old_is_not_replaced_by_itself(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply("sign_in_rules: [{password_max_age_days: 30}]\n").await.unwrap();
        clock.advance(Duration::from_hours(24 * 31));
        let Err(Error::MustChange(link)) = login(&house, "ada@example.com", PASSWORD, 2).await else { panic!("let in") };
        let same = house.identity.reset_password(link.secret.clone(), secret(PASSWORD), &from("192.0.2.5")).await;
        assert_eq!(said(same.unwrap_err()), "password-used-before");
        house.identity.reset_password(link.secret, secret(NEW), &from("192.0.2.5")).await.unwrap();
        assert!(login(&house, "ada@example.com", NEW, 3).await.unwrap().into_session().is_some());
    }

    /// The secret of an app is drawn for one session, for ten minutes.
    async fn e_25_the_secret_of_an_app_is_of_one_session_and_ten_minutes(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        let other = login(&house, "ada@example.com", PASSWORD, 2).await.unwrap().into_session().unwrap();
        let first = own_secret(&house, &ada).await;
        assert_eq!(text(&first), text(&own_secret(&house, &ada).await), "loading the page again spoils nothing");
        let theirs = own_secret(&house, &other).await;
        assert_ne!(text(&first), text(&theirs), "another session has another secret");
        let confirm = async |entered: &LoggedIn, secret: &SecretString| {
            let (identity, who) = (house.identity.clone(), entered.session.grants.actor().clone());
            let new = NewFactor::App(code(&db, secret));
            db.write(move |tx| identity.enrol(tx, &who, &new)).await
        };
        assert!(matches!(confirm(&ada, &first).await, Err(Error::PageTooOld)), "a newer one took its place");
        assert!(matches!(confirm(&ada, &theirs).await, Err(Error::PageTooOld)), "and it is the other session's");
        let mine = own_secret(&house, &ada).await;
        clock.advance(Duration::from_mins(10));
        assert!(matches!(confirm(&ada, &mine).await, Err(Error::PageTooOld)), "after ten minutes");
        let fresh = own_secret(&house, &ada).await;
        assert_ne!(text(&mine), text(&fresh));
        // What was not confirmed goes with the sessions, also when one of them stays.
        let change = PasswordChange { old: secret(PASSWORD), new: secret(NEW), device: None };
        house.identity.change_password(&ada.session, change, &from("192.0.2.3")).await.unwrap();
        assert_eq!(house.count("authenticators").await, 0);
        own_secret(&house, &ada).await;
        let (identity, user) = (house.identity.clone(), ada.session.user);
        db.write(move |tx| identity.end_sessions(tx, &people_write(), user)).await.unwrap();
        assert_eq!(house.count("authenticators").await, 0);
    }

    /// E-17: of two ways that lead to a first factor, the second is over with the first factor.
    async fn e_17_a_second_way_adds_no_factor_beside_the_first(db: Db) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        house.apply("settings: [{second_factor_for: [administrator]}]\n").await.unwrap();
        let (owner, thief) = (needs_enrolment(&house, 2).await, needs_enrolment(&house, 3).await);
        let app = house.identity.half_way_offer(&owner).await.unwrap().unwrap().app.unwrap().text;
        let enrolled = house.identity.enrol_half_way(&owner, NewFactor::App(code(&db, &app)), Kept::default(), None, &from("192.0.2.2")).await;
        assert!(enrolled.unwrap().entered.is_some());
        assert!(house.identity.half_way_offer(&thief).await.unwrap().is_none(), "nothing is offered any more");
        assert!(house.identity.half_way(&thief).await.unwrap().is_none());
        let late = house.identity.enrol_half_way(&thief, NewFactor::App(secret("000000")), Kept::default(), None, &from("192.0.2.3")).await;
        assert!(matches!(late, Err(Error::HalfWayOver)));
        // A changed password ends what is half way.
        house.apply("settings: []\n").await.unwrap();
        let token = half(&house, 4).await;
        let change = PasswordChange { old: secret(PASSWORD), new: secret(NEW), device: None };
        house.identity.change_password(&ada.session, change, &from("192.0.2.5")).await.unwrap();
        assert!(matches!(second(&house, &token, code(&db, &app), 6).await, Err(Error::HalfWayOver)));
        assert_eq!(house.count("half_way").await, 0);
    }

    /// a provider that becomes the only way in ends what is under way with a password.
    async fn x_11_the_only_way_in_ends_what_is_under_way(db: Db) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        enrol(&house, &ada).await;
        house.apply(PEOPLE).await.unwrap();
        let token = half(&house, 2).await;
        let link = house.invite("bo@example.com").await;
        let provider = base::ResourceId::from(uuid::Uuid::from_u128(7));
        db.write(move |tx| identity::set_only_way(tx, Some(provider), &[])).await.unwrap();
        assert!(matches!(second(&house, &token, secret("000000"), 3).await, Err(Error::HalfWayOver)));
        assert!(matches!(house.identity.accept_invite(link, secret(NEW), &from("192.0.2.4")).await, Err(Error::BadLink)));
        // No new one is drawn for an account that passwords do not open.
        let (identity, bo) = (house.identity.clone(), house.user("bo@example.com").await);
        let drawn = as_person(&house, "ada@example.com", move |tx, permit| identity.invite_link(tx, permit, bo).map(drop)).await;
        assert!(matches!(drawn, Err(Error::PasswordsClosed)));
        let seen = {
            let (identity, read) = (house.identity.clone(), Grants::of_operator(operator()).permit_organisation::<cap::PeopleRead>().unwrap());
            db.read(move |tx| identity.person(tx, &read, bo)).await.unwrap().unwrap()
        };
        assert!(!seen.passwords_open);
    }

    /// wrong codes and wrong passwords are two counts; neither is taken back by what proves the other.
    async fn x_12_wrong_codes_have_a_count_of_their_own(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        let (app, _) = enrol(&house, &ada).await;
        let counted = || house.texts("SELECT device || ' ' || failures FROM login_failures WHERE failures > 0 ORDER BY device");
        for n in 0..3 {
            let token = half(&house, 10 + n).await;
            assert!(second(&house, &token, secret("000000"), 20 + n).await.is_err());
        }
        assert_eq!(counted().await, ["factor: 3"], "three right passwords forgave nothing");
        assert!(login(&house, "ada@example.com", "not the password", 30).await.is_err());
        assert_eq!(counted().await, [" 1", "factor: 3"]);
        // Another password forgives wrong passwords, and no codes.
        let link = house.invite("ada@example.com").await;
        house.identity.accept_invite(link, secret(NEW), &from("192.0.2.31")).await.unwrap();
        assert_eq!(counted().await, ["factor: 3"]);
        for n in 0..2 {
            let Entered::Half(way) = login(&house, "ada@example.com", NEW, 40 + n).await.unwrap() else { panic!("no factor") };
            assert!(second(&house, &way.token, secret("000000"), 50 + n).await.is_err());
        }
        let people = {
            let (identity, read) = (house.identity.clone(), Grants::of_operator(operator()).permit_organisation::<cap::PeopleRead>().unwrap());
            db.read(move |tx| identity.person(tx, &read, ada.session.user)).await.unwrap().unwrap()
        };
        assert!(people.pausing && people.standing == Standing::Active);
        let Entered::Half(way) = login(&house, "ada@example.com", NEW, 45).await.unwrap() else { panic!("no factor") };
        clock.advance(Duration::from_millis(900));
        assert!(matches!(second(&house, &way.token, code(&db, &app), 55).await, Err(Error::BadFactor)), "paused: unseen");
        let (identity, user) = (house.identity.clone(), ada.session.user);
        db.write(move |tx| identity.unlock(tx, &people_write(), user)).await.unwrap();
        clock.advance(Duration::from_secs(30));
        assert!(second(&house, &way.token, code(&db, &app), 56).await.is_ok(), "unlocked");
    }

    /// where a letter can bring it, nobody sees a link into an account that has a password; a new one is told to its owner.
    async fn x_13_no_link_into_an_account_with_a_password_is_shown(db: Db) {
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        house.set_up().await;
        house.apply(PEOPLE).await.unwrap();
        let bo = house.user("bo@example.com").await;
        let draw = async || {
            let identity = house.identity.clone();
            as_person(&house, "ada@example.com", move |tx, permit| identity.invite_link(tx, permit, bo)).await
        };
        let link = draw().await.unwrap();
        house.identity.accept_invite(link.secret, secret(PASSWORD), &from("192.0.2.4")).await.unwrap();
        assert_eq!(house.count("mails").await, 0, "a first password is no news");
        assert_eq!(said(draw().await.unwrap_err()), "has-password");
        // By the machine's own command it goes on, and its owner hears of it.
        let link = house.invite("bo@example.com").await;
        house.identity.accept_invite(link, secret(NEW), &from("192.0.2.5")).await.unwrap();
        house.identity.work(mail.work(Worker::new(db.clone()))).drain().await.unwrap();
        let letter = server.until(1).remove(0);
        assert_eq!(letter["to"][0], "bo@example.com");
        assert!(letter["text"].as_str().unwrap().contains("was changed"));
    }

    /// whoever was sent to change a password may still ask for a letter.
    async fn x_13_a_link_that_was_no_letter_does_not_count_as_one(db: Db) {
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        house.set_up().await;
        expire(&house, "ada@example.com").await;
        assert!(matches!(login(&house, "ada@example.com", PASSWORD, 2).await, Err(Error::MustChange(_))));
        house.identity.ask_reset("ada@example.com", &from("192.0.2.3")).await.unwrap();
        house.identity.work(mail.work(Worker::new(db.clone()))).drain().await.unwrap();
        assert_eq!(server.until(1).len(), 1);
        // Where a provider is the only way in, no letter leaves: its link would open nothing.
        let provider = base::ResourceId::from(uuid::Uuid::from_u128(7));
        db.write(move |tx| identity::set_only_way(tx, Some(provider), &[])).await.unwrap();
        house.identity.ask_reset("ada@example.com", &from("192.0.2.3")).await.unwrap();
        house.identity.work(mail.work(Worker::new(db.clone()))).drain().await.unwrap();
        assert_eq!(server.letters().len(), 1);
        let reasons = house.texts("SELECT COALESCE(reason, '') FROM audit_entries WHERE action = 'password.reset.ask' AND outcome = 'failure'").await;
        assert!(reasons[0].contains("only way in"), "{reasons:?}");
        let (identity, ada) = (house.identity.clone(), house.user("ada@example.com").await);
        let started = db.write(move |tx| identity.start_reset(tx, &people_write(), ada)).await;
        assert!(matches!(started, Err(Error::PasswordsClosed)));
    }

    /// E-17: nobody takes the second factor of somebody mightier away.
    async fn e_17_factors_of_somebody_mightier_stay(db: Db) {
        let house = open(&db).await;
        let ada = house.set_up().await;
        enrol(&house, &ada).await;
        house.apply(PEOPLE).await.unwrap();
        let user = ada.session.user;
        let identity = house.identity.clone();
        let reset = as_person(&house, "olga@example.com", move |tx, permit| identity.reset_factors(tx, permit, user)).await;
        assert!(matches!(reset, Err(Error::Denied(_))));
        let identity = house.identity.clone();
        let one = as_person(&house, "olga@example.com", move |tx, permit| identity.remove_factor_of(tx, permit, user, Going::App)).await;
        assert!(matches!(one, Err(Error::Denied(_))));
        assert!(house.is_in(&ada.token).await, "nothing happened");
        let identity = house.identity.clone();
        let none = as_person(&house, "ada@example.com", move |tx, permit| identity.remove_factor_of(tx, permit, user, Going::Passkey(uuid::Uuid::nil()))).await;
        assert!(matches!(none, Err(Error::NoFactor)));
        let identity = house.identity.clone();
        as_person(&house, "ada@example.com", move |tx, permit| identity.remove_factor_of(tx, permit, user, Going::App)).await.unwrap();
        assert_eq!((house.count("authenticators").await, house.count("recovery_codes").await, house.count("sessions").await), (0, 0, 0));
    }

    /// E-17: who saw the link with which a password was chosen may have chosen it, and so gives that account nothing that they lack.
    async fn e_17_who_saw_the_link_gives_the_account_nothing_they_lack(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let (olga, bo) = (house.user("olga@example.com").await, house.user("bo@example.com").await);
        let give = async |giver: UserId| {
            let resources = house.resources.clone();
            db.write(move |tx| {
                let permit = acting(tx, giver);
                let clearance = resources::Clearance::check(tx, None, &resources::Ground::None, permit.actor())?;
                let body = serde_json::json!({ "name": "Bo Sample", "login": "bo@example.com", "roles": [{ "role": "operator" }] });
                let change = resources::Change { kind: "users", workspace: None, body: resources::Draft::new(body), reason: None, clearance: &clearance };
                resources.put(tx, &permit, change).map(drop)
            })
            .await
        };
        let identity = house.identity.clone();
        let link = as_person(&house, "olga@example.com", move |tx, permit| identity.invite_link(tx, permit, bo)).await.unwrap();
        let inside = house.identity.accept_invite(link.secret, secret(PASSWORD), &from("192.0.2.4")).await.unwrap().into_session().unwrap();
        let refused = give(olga).await.unwrap_err();
        assert!(lines(&refused)[0].contains("you saw the link"), "{:?}", lines(&refused));
        // Another password chosen with this one may be theirs as well.
        let change = PasswordChange { old: secret(PASSWORD), new: secret(NEW), device: None };
        house.identity.change_password(&inside.session, change, &from("192.0.2.4")).await.unwrap();
        assert!(give(olga).await.is_err());
        expire(&house, "bo@example.com").await;
        let Err(Error::MustChange(link)) = login(&house, "bo@example.com", NEW, 5).await else { panic!("let in") };
        house.identity.reset_password(link.secret, secret(OTHER), &from("192.0.2.5")).await.unwrap();
        assert!(give(olga).await.is_err());
        // Somebody who may gives it; or a link that nobody saw made the password another one.
        let link = house.invite("bo@example.com").await;
        house.identity.accept_invite(link, secret("velvet cactus tuesday rowing"), &from("192.0.2.6")).await.unwrap();
        give(olga).await.unwrap();
    }

    /// E-17: a link that is open ends with the roles that are given.
    async fn e_17_a_link_that_was_shown_ends_with_the_roles_that_are_given(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let bo = house.user("bo@example.com").await;
        let identity = house.identity.clone();
        let link = as_person(&house, "olga@example.com", move |tx, permit| identity.invite_link(tx, permit, bo)).await.unwrap();
        house.apply(&PEOPLE.replace("login: bo@example.com", "login: bo@example.com, roles: [{role: operator}]")).await.unwrap();
        let late = house.identity.accept_invite(link.secret, secret(PASSWORD), &from("192.0.2.4")).await;
        assert!(matches!(late, Err(Error::BadLink)));
    }

    /// an administrator by a provider's group is not the one who stays; and what a group gives is not held already.
    async fn x_09_an_administrator_by_a_group_is_not_the_last_one(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply(PEOPLE).await.unwrap();
        let (olga, bo) = (house.user("olga@example.com").await, house.user("bo@example.com").await);
        let link = house.invite("bo@example.com").await;
        house.identity.accept_invite(link, secret(NEW), &from("192.0.2.4")).await.unwrap();
        db.write(move |tx| {
            let now = tx.now();
            access::set_roles_from(tx, bo, "a provider", &[(Role::Administrator, Scope::Organisation)], now)
        })
        .await
        .unwrap();
        let none = PEOPLE.replace("[{role: administrator}]", "[]");
        let refused = house.apply(&none).await.unwrap_err();
        assert!(lines(&refused).concat().contains("the last administrator"), "{:?}", lines(&refused));
        // An officer does not make it theirs to keep.
        let resources = house.resources.clone();
        let given = db
            .write(move |tx| {
                let permit = acting(tx, olga);
                let clearance = resources::Clearance::check(tx, None, &resources::Ground::None, permit.actor())?;
                let body = serde_json::json!({ "name": "Bo Sample", "login": "bo@example.com", "roles": [{ "role": "administrator" }] });
                let change = resources::Change { kind: "users", workspace: None, body: resources::Draft::new(body), reason: None, clearance: &clearance };
                resources.put(tx, &permit, change).map(drop)
            })
            .await;
        assert!(lines(&given.unwrap_err())[0].contains("with which rights are given"));
        // Whoever has a way in is not sent to the set-up page, administrator or not.
        let identity = house.identity.clone();
        assert!(!db.read(move |tx| identity.needs_setup(tx)).await.unwrap());
    }

    /// X-16, E-17: sessions that began without a second factor end when one is asked of a role of their person.
    async fn x_16_sessions_end_when_a_second_factor_is_asked_for(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let weak = house.set_up().await;
        let (app, _) = enrol(&house, &weak).await;
        clock.advance(Duration::from_secs(30));
        let token = half(&house, 2).await;
        let strong = second(&house, &token, code(&db, &app), 3).await.unwrap();
        house.apply("roles: [{name: Night Shift, capabilities: ['alerts:read']}]\n").await.unwrap();
        house.apply("settings: [{second_factor_for: [night shift]}]\n").await.unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(house.is_in(&weak.token).await, "not their role");
        house.apply("settings: [{second_factor_for: [administrator]}]\n").await.unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(!house.is_in(&weak.token).await);
        assert!(house.is_in(&strong.token).await, "who proved one goes on");
        let (identity, who) = (house.identity.clone(), strong.session.grants.actor().clone());
        let list = db.read(move |tx| identity.own_sessions(tx, &who)).await.unwrap();
        assert_eq!(list.iter().map(|one| one.id).collect::<Vec<_>>(), [strong.session.id]);
        assert_eq!(house.count("sessions").await, 2);
        house.identity.sweep().await.unwrap();
        assert_eq!(house.count("sessions").await, 1);
    }

    /// E-17: a role of the organisation's own is meant without regard to case, like every other name.
    async fn e_17_names_of_roles_are_compared_without_regard_to_case(db: Db) {
        let house = open(&db).await;
        house.apply(&format!("{PEOPLE}  - {{name: Cem Sample, login: cem@example.com, roles: [{{role: night shift}}]}}\nroles: [{{name: night shift, capabilities: ['alerts:read']}}]\n")).await.unwrap();
        house.apply("settings: [{second_factor_for: [NIGHT shift]}]\n").await.unwrap();
        let link = house.invite("cem@example.com").await;
        let entered = house.identity.accept_invite(link, secret(NEW), &from("192.0.2.4")).await.unwrap();
        assert!(matches!(entered, Entered::Half(way) if way.needs == Needs::Enrolment));
    }

    /// fifteen characters, or twelve of somebody for whom a second factor is enforced.
    async fn x_10_twelve_characters_do_where_a_second_factor_is_enforced(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply(&PEOPLE.replace("login: bo@example.com", "login: bo@example.com, roles: [{role: auditor}]")).await.unwrap();
        let twelve = "kx7#qvw9zt!b";
        let choose = async || {
            let link = house.invite("bo@example.com").await;
            house.identity.accept_invite(link, secret(twelve), &from("192.0.2.4")).await
        };
        assert_eq!(said(choose().await.unwrap_err()), "password-too-short");
        let words = async |user: Option<UserId>| {
            let identity = house.identity.clone();
            db.read(move |tx| identity.password_words(tx, user)).await.unwrap()
        };
        assert!(words(None).await.starts_with("15 to 128 characters, any"));
        house.apply("settings: [{second_factor_for: [auditor]}]\n").await.unwrap();
        choose().await.unwrap();
        let (ada, bo) = (house.user("ada@example.com").await, house.user("bo@example.com").await);
        assert!(words(Some(bo)).await.starts_with("12 to") && words(Some(ada)).await.starts_with("15 to"));
        assert!(words(None).await.starts_with("15 to 128 characters (12 with"));
        house.apply("sign_in_rules: [{password_min_length_with_factor: 14}]\n").await.unwrap();
        assert_eq!(said(choose().await.unwrap_err()), "password-too-short");
        house.apply("sign_in_rules: [{password_min_length: 8}]\n").await.unwrap();
        assert!(words(Some(bo)).await.starts_with("8 to"), "never more than of others");
    }

    /// Who signs in without a password can sign in; and a role is found by its name of before.
    async fn who_signs_in_without_a_password_can_sign_in(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply(&PEOPLE.replace("login: bo@example.com", "login: bo@example.com, roles: [{role: viewer}]")).await.unwrap();
        let read = || Grants::of_operator(operator()).permit_organisation::<cap::PeopleRead>().unwrap();
        let found = async |filter: PeopleFilter| {
            let (identity, read) = (house.identity.clone(), read());
            let people = db.read(move |tx| identity.people(tx, &read, &filter, &PageRequest::default())).await.unwrap();
            people.items.into_iter().map(|one| (one.login, one.standing)).collect::<Vec<_>>()
        };
        for role in ["viewer", "observer"] {
            let filter = PeopleFilter { role: Some(role.into()), ..PeopleFilter::default() };
            assert_eq!(found(filter).await, [("bo@example.com".to_owned(), Standing::ReachedOnly)], "{role}");
        }
        house.identity.ask_sign_on(|tx, user| {
            tx.query_opt("SELECT 1 AS found FROM users WHERE id = $1 AND login = 'bo@example.com'", &store::params![user], |_| Ok(()))
                .map(|found| found.is_some())
        });
        let filter = PeopleFilter { standing: Some("active".into()), ..PeopleFilter::default() };
        assert_eq!(found(filter).await.len(), 2, "Ada by her password, Bo by a provider");
        let (identity, bo) = (house.identity.clone(), house.user("bo@example.com").await);
        let bo = db.read(move |tx| identity.person(tx, &read(), bo)).await.unwrap().unwrap();
        assert!(bo.standing == Standing::Active && !bo.has_password && bo.passwords_open && !bo.pausing);
    }

    /// who comes by a provider alone and is locked out is shown as locked, whatever else they have, and can be unlocked.
    async fn x_12_a_lock_out_without_a_password_is_seen_and_undone(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply(PEOPLE).await.unwrap();
        let bo = house.user("bo@example.com").await;
        let provider = Vouched { provider: base::ResourceId::from(uuid::Uuid::from_u128(7)), subject: "bo".into(), session: String::new(), hint: None };
        let arrive = async || {
            let (identity, vouched) = (house.identity.clone(), provider.clone());
            db.write(move |tx| {
                let at = Some(tx.now());
                let proven = Proven { user: bo, auth: AuthMethod::SingleSignOn, strong: false, at, vouched: &vouched, old: None, reason: "sso" };
                identity.enter_proven(tx, &proven, &from("192.0.2.9"))
            })
            .await
            .unwrap()
        };
        let standing = async || {
            let (identity, read) = (house.identity.clone(), Grants::of_operator(operator()).permit_organisation::<cap::PeopleRead>().unwrap());
            db.read(move |tx| identity.person(tx, &read, bo)).await.unwrap().unwrap()
        };
        enrol(&house, &arrive().await.into_session().unwrap()).await;
        for n in 0..100_u8 {
            clock.advance(Duration::from_hours(1));
            let Entered::Half(way) = arrive().await else { panic!("no factor") };
            assert!(second(&house, &way.token, secret("000000"), n).await.is_err(), "{n}");
        }
        clock.advance(Duration::from_hours(1));
        let person = standing().await;
        assert_eq!((person.standing, person.has_password), (Standing::Locked, false));
        let identity = house.identity.clone();
        db.write(move |tx| identity.unlock(tx, &people_write(), bo)).await.unwrap();
        assert_eq!(standing().await.standing, Standing::ReachedOnly, "nothing is locked any more");
        assert_eq!(house.count("login_failures").await, 0);
    }

    /// a passkey is a way in like others: a password that is due is replaced first.
    async fn x_15_a_passkey_does_not_go_around_a_forced_change(db: Db) {
        use crate::authenticator::{Authenticator, SITE};
        let house = open(&db).await;
        house.identity.served_at(SITE);
        let ada = house.set_up().await;
        let mut key = Authenticator::new("key-of-ada");
        let (identity, who) = (house.identity.clone(), ada.session.grants.actor().clone());
        let asked = db.write(move |tx| identity.own_offer(tx, &who)).await.unwrap().passkey.unwrap();
        let (identity, who, new) = (house.identity.clone(), ada.session.grants.actor().clone(), NewFactor::Passkey(key.make(&asked), String::new()));
        db.write(move |tx| identity.enrol(tx, &who, &new)).await.unwrap();
        expire(&house, "ada@example.com").await;
        let handle = *ada.session.user.uuid().as_bytes();
        let answer = key.answer(&house.identity.passkey_sign_in().unwrap(), Some(&handle));
        let Err(Error::MustChange(link)) = house.identity.passkey_login(answer, None, &from("192.0.2.4")).await else { panic!("let in") };
        assert_eq!(denied_by(&house).await, ["passkey"], "the audit log says how they came");
        house.identity.reset_password(link.secret, secret(NEW), &from("192.0.2.4")).await.unwrap();
        let answer = key.answer(&house.identity.passkey_sign_in().unwrap(), Some(&handle));
        assert!(house.identity.passkey_login(answer, None, &from("192.0.2.5")).await.is_ok());
    }
}
