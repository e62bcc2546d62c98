//! The kind `users`.

use std::sync::Arc;
use std::time::Duration;

use access::{Engine, Grants, OrganisationPermit, Permit, Role, Scope, cap};
use base::{ManualClock, PageRequest};
use identity::Standing;
use store::Db;

use crate::house::{self, PASSWORD, from, lines, log_in, open, secret};

const PEOPLE: &str = "
workspaces: [{slug: demo, environment: development}]
users:
  - name: Ada Sample
    login: ada@example.com
    roles: [{role: administrator}]
  - name: Cem Sample
    login: cem@example.com
    roles: [{role: responder, workspace: demo}, {role: viewer}]
    time_zone: Europe/Zurich
    devices:
      - {kind: sms, number: '+447700900117', order: 1}
      - {kind: sms, number: '+447700900118', order: 2}
";

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    async fn people_have_roles_and_devices_and_no_password(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        assert!(house.apply(PEOPLE).await.unwrap().changes.is_empty());
        let cem = house.user("cem@example.com").await;
        let resources = house.resources.clone();
        let (roles, demo) = db
            .read(move |tx| Ok::<_, resources::Error>((access::roles_of(tx, cem)?, resources.workspace(tx, "demo")?)))
            .await
            .unwrap();
        let wanted = [(Role::OnCall, Scope::Workspace(demo.unwrap())), (Role::Observer, Scope::Organisation)];
        assert_eq!(roles, wanted.map(Into::into), "under their names of today");
        assert_eq!(house.texts("SELECT number FROM device_rows ORDER BY number").await, ["+447700900117", "+447700900118"]);
        assert_eq!(house.count("credentials").await, 0);
        let audited = house.texts("SELECT COALESCE(changes, '') FROM audit_entries").await.join("\n");
        for personal in ["Cem", "cem@example.com", "7700900117"] {
            assert!(!audited.contains(personal), "{personal} in {audited}");
        }
        assert!(audited.contains("on_call"), "roles are told: {audited}");
    }

    /// A chosen zone follows its person, is on record, and goes with them.
    async fn a_zone_is_kept_with_its_person(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let cem = house.user("cem@example.com").await;
        let of = || async { db.read(move |tx| identity::Preferences::of(tx, cem)).await.unwrap().time_zone };
        let choose = |zone: Option<&'static str>| {
            let who = access::Principal::User { id: cem, name: "Cem Sample".into() };
            let actor = access::Actor::new(who, access::AuthMethod::Password);
            db.write(move |tx| identity::Preferences::choose_time_zone(tx, &actor, zone))
        };
        assert_eq!(of().await, None);
        assert!(choose(Some("America/New_York")).await.unwrap());
        assert!(choose(Some("Asia/Kolkata")).await.unwrap());
        assert_eq!(of().await.as_deref(), Some("Asia/Kolkata"));
        assert!(!choose(Some("Mars/Olympus")).await.unwrap(), "not a zone");
        assert!(choose(None).await.unwrap());
        assert_eq!(of().await, None);
        let said = house.texts("SELECT reason FROM audit_entries WHERE action = 'user.preference.set' ORDER BY counter").await;
        assert_eq!(said, ["the zone America/New_York", "the zone Asia/Kolkata", "the zone of the browser"]);
        choose(Some("Asia/Kolkata")).await.unwrap();
        house.delete("cem@example.com").await;
        assert_eq!(house.count("preferences").await, 0);
        let machine = access::Actor::os("test", "here");
        assert!(!db.write(move |tx| identity::Preferences::choose_time_zone(tx, &machine, Some("Asia/Kolkata"))).await.unwrap());
    }

    async fn what_is_no_person_is_refused_with_its_place(db: Db) {
        let house = open(&db).await;
        let error = house
            .apply(
                "users:\n  - {name: ' Ada', login: ada, time_zone: Mars/Olympus, roles: [{role: viewer}, {role: viewer}], \
                 devices: [{kind: sms, number: '07700 900117'}]}\n",
            )
            .await
            .unwrap_err();
        assert_eq!(
            lines(&error),
            [
                "users[0].name: a name has 1 to 120 characters, without spaces at its ends",
                "users[0].login: an e-mail address such as ada@example.com is expected",
                "users[0].time_zone: an IANA name such as Europe/Zurich or Etc/UTC is expected",
                "users[0].roles[1]: the same role stands here twice; leave one out",
                "users[0].devices[0].number: a number in international form is expected, such as +447700900117, without spaces and in quotes",
            ]
        );
        let root = house.apply("users: [{name: Ada Sample, login: ada@example.com, roles: [{role: root}]}]\n").await.unwrap_err();
        let said = lines(&root);
        assert!(said[0].contains("one of administrator, security_officer"), "{said:?}");
        assert!(!said[0].contains("responder") && !said[0].contains("viewer"), "former names are read, not offered: {said:?}");
    }

    /// E-16: who is removed never comes back, neither as themselves nor as another.
    async fn e_16_a_removed_person_never_comes_back_as_the_same(db: Db) {
        let house = open(&db).await;
        house.apply(PEOPLE).await.unwrap();
        let link = house.invite("cem@example.com").await;
        house.identity.accept_invite(link, secret(PASSWORD), &from("192.0.2.1")).await.unwrap();
        house.apply("users: [{name: Ada Sample, login: ada@example.com, roles: [{role: administrator}]}]\n").await.unwrap();
        assert_eq!(house.count("device_rows").await, 0);
        let again = house.apply(PEOPLE).await.unwrap_err();
        assert!(lines(&again).concat().contains("an identifier is never given again"), "{:?}", lines(&again));
        assert!(house.identity.login(log_in("cem@example.com", PASSWORD), &from("192.0.2.1")).await.is_err());
        assert_eq!(house.count("users").await, 2, "the old row stays, so that its id is taken");
    }

    /// X-09, E-17: nobody is left without an administrator who can log in.
    async fn the_last_administrator_stays(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        for (yaml, place) in [
            ("users: []\n", "users ada@example.com"),
            ("users: [{name: Ada Sample, login: ada@example.com, roles: [{role: viewer}]}]\n", "users[0].roles"),
            (
                "users: [{name: Cem Sample, login: cem@example.com, roles: [{role: administrator}]}]\n",
                "users ada@example.com",
            ),
        ] {
            let error = house.apply(yaml).await.unwrap_err();
            assert_eq!(lines(&error), [format!("{place}: this is the last administrator who can log in; make another one first")]);
        }
        house.apply(PEOPLE).await.unwrap();
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.1")).await.is_ok());
    }

    /// What the list of people says of each, to whom, and a page at a time.
    async fn people_are_listed_with_their_standing(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply(MORE).await.unwrap();
        house.invite("dina@example.com").await;
        let everybody: OrganisationPermit<cap::PeopleRead> = OrganisationPermit::engine(Engine("tests"));
        let list = async |search: &'static str, limit: u32, after: Option<base::Cursor>| {
            let (identity, permit) = (house.identity.clone(), everybody.clone());
            let request = PageRequest::new(limit, after);
            db.read(move |tx| identity.people(tx, &permit, &search.into(), &request)).await.unwrap()
        };
        let all = list("", 50, None).await;
        let said: Vec<_> = all.items.iter().map(|one| (one.name.as_str(), one.standing, one.sessions)).collect();
        assert_eq!(
            said,
            [("Ada Sample", Standing::Active, 1), ("Cem Sample", Standing::ReachedOnly, 0), ("Dina Sample", Standing::Invited, 0)]
        );
        assert!(all.items[0].last_sign_in.is_some() && all.items[0].last_use.is_some() && all.items[1].last_sign_in.is_none());
        let first = list("SAMPLE", 2, None).await;
        assert_eq!(first.items.len(), 2);
        assert_eq!(list("sample", 2, first.next).await.items[0].name, "Dina Sample");
        assert_eq!(list("dina@", 50, None).await.items.len(), 1);
        // Somebody of one workspace sees those who have to do with it.
        let resources = house.resources.clone();
        let other = db.read(move |tx| resources.workspace(tx, "other")).await.unwrap().unwrap();
        let (identity, permit) = (house.identity.clone(), Permit::<cap::PeopleRead>::engine(Engine("tests"), other));
        let seen = db.read(move |tx| identity.people(tx, &permit, &"".into(), &PageRequest::default())).await.unwrap();
        assert_eq!(seen.items.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["Ada Sample"]);
    }

    /// E-17: whoever is switched off is out within a second, cannot come back in, holds nothing, and keeps their roles for later.
    async fn x_16_a_switched_off_account_is_out_within_a_second(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply(MORE).await.unwrap();
        let link = house.invite("dina@example.com").await;
        let inside =
            house.identity.accept_invite(link, secret(PASSWORD), &from("192.0.2.1")).await.unwrap().into_session().unwrap();
        assert!(house.is_in(&inside.token).await);
        house.apply(&MORE.replace("login: dina@example.com", "login: dina@example.com\n    enabled: false")).await.unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(!house.is_in(&inside.token).await);
        assert!(house.identity.login(log_in("dina@example.com", PASSWORD), &from("192.0.2.1")).await.is_err());
        let dina = house.user("dina@example.com").await;
        let roles = db.read(move |tx| access::roles_of(tx, dina)).await.unwrap();
        assert_eq!(roles, []);
        let off = house.apply("users:\n  - {name: Ada Sample, login: ada@example.com, roles: [{role: administrator}], enabled: false}\n").await;
        assert_eq!(lines(&off.unwrap_err()), ["users[0].enabled: this is the last administrator who can log in; make another one first"]);
        house.apply(MORE).await.unwrap();
        assert!(house.identity.login(log_in("dina@example.com", PASSWORD), &from("192.0.2.1")).await.is_ok());
        assert_eq!(db.read(move |tx| access::roles_of(tx, dina)).await.unwrap().len(), 1);
    }

    /// an administrator ends everything somebody has open, and the audit log says so.
    async fn x_16_all_sessions_of_a_person_end_together(db: Db) {
        let house = open(&db).await;
        let inside = house.set_up().await;
        let ada = house.user("ada@example.com").await;
        let permit = Grants::of_operator(house::operator()).permit_organisation::<cap::PeopleWrite>().unwrap();
        let identity = house.identity.clone();
        assert_eq!(db.write(move |tx| identity.end_sessions(tx, &permit, ada)).await.unwrap(), 1);
        assert!(!house.is_in(&inside.token).await);
        assert!(house.texts("SELECT action FROM audit_entries").await.contains(&"session.end_all".to_owned()));
    }
}

const MORE: &str = "
workspaces: [{slug: demo, environment: development}, {slug: other, environment: development}]
users:
  - name: Ada Sample
    login: ada@example.com
    roles: [{role: administrator}]
  - name: Cem Sample
    login: cem@example.com
  - name: Dina Sample
    login: dina@example.com
    roles: [{role: responder, workspace: demo}]
";
