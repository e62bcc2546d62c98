//! People, devices and groups as they are configured, on both databases.

use access::{Actor, Engine, Grants, Permit, cap};
use base::{Timestamp, WorkspaceId};
use identity::UsersKind;
use resources::{ApplyOptions, Document, Registry, Resources};
use sms::Number;
use std::sync::Arc;
use store::{Db, params};
use vault::{KeyFile, Vault};

use crate::{GroupsKind, OnCall, Step};

struct House {
    db: Db,
    oncall: OnCall,
    resources: Resources,
    _keys: tempfile::TempDir,
}

async fn house(db: Db) -> House {
    let directory = tempfile::tempdir().unwrap();
    let keys = KeyFile::create(&directory.path().join("keys"), db.context()).unwrap();
    let vault = Vault::unlock(db.clone(), keys).await.unwrap();
    let oncall = OnCall::new(vault.clone());
    let users = resources::typed(UsersKind::new(Arc::new(oncall.clone())));
    let registry =
        Registry::new(vec![resources::typed(identity::RolesKind), users, resources::typed(GroupsKind)]).unwrap();
    let resources = Resources::new(db.clone(), registry, vault);
    House { db, oncall, resources, _keys: directory }
}

impl House {
    async fn apply(&self, document: serde_json::Value) -> Result<(), resources::Error> {
        let document = Document::from_wire(document.to_string().as_bytes(), self.resources.registry())?;
        let permit = Grants::of_operator(Actor::os("tester", "here")).permit_organisation::<cap::ResourcesApply>()?;
        self.resources.apply(&permit, document, ApplyOptions::default()).await.map(drop)
    }

    async fn workspace(&self) -> WorkspaceId {
        self.db
            .read(move |tx| Ok::<_, access::Error>(access::workspace_by_slug(tx, "demo")?.unwrap().id))
            .await
            .unwrap()
    }

    async fn round(&self, group: &'static str) -> Option<Vec<String>> {
        let (oncall, workspace) = (self.oncall.clone(), self.workspace().await);
        self.db
            .read(move |tx| {
                let now = tx.now();
                let round = oncall.round(tx, workspace, group, now)?;
                Ok::<_, crate::Error>(round.map(|round| round.plan.steps.iter().map(|step| said(step, now)).collect()))
            })
            .await
            .unwrap()
    }
}

fn said(step: &Step, now: Timestamp) -> String {
    match step {
        Step::Page { due, who, .. } => format!("{} +{}", who.name, due.since(now).as_secs()),
        Step::Skip { login, reason, .. } => format!("{login} {reason:?}"),
    }
}

fn number(text: &str) -> Number {
    Number::parse(text, None).unwrap()
}

fn people(ada: &str) -> serde_json::Value {
    serde_json::json!({
        "workspaces": [{ "slug": "demo", "environment": "development" }],
        "users": [
            { "name": "Ada Sample", "login": "ada@example.com", "devices": [{ "kind": "sms", "number": ada }] },
            { "name": "Cem Sample", "login": "cem@example.com", "devices": [
                { "kind": "sms", "number": "+447700900105", "order": 2 },
                { "kind": "sms", "number": "+447700900102", "order": 1 },
            ] },
            { "name": "Dina Sample", "login": "dina@example.com" },
        ],
        "groups": [{
            "workspace": "demo",
            "name": "Database",
            "members": [
                { "user": "ada@example.com" },
                { "user": "dina@example.com", "delay_seconds": 60 },
                { "user": "cem@example.com", "delay_seconds": 120 },
            ],
        }],
    })
}

testdb::both_databases! {
    migrations = [
        &access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &identity::MIGRATIONS, &crate::MIGRATIONS
    ];

    /// What is configured is what is planned, and whoever is left out has a reason.
    async fn a_configured_group_makes_a_plan(db: Db, _clock: Arc<base::ManualClock>) {
        let house = house(db).await;
        house.apply(people("+447700900101")).await.unwrap();
        assert_eq!(
            house.round("database").await.unwrap(),
            ["Ada Sample +0", "dina@example.com NoDevice", "Cem Sample +60"],
            "found without regard to case; nobody waits for Dina Sample, who has no phone"
        );
        assert_eq!(house.round("Nope").await, None);

        let (oncall, workspace) = (house.oncall.clone(), house.workspace().await);
        let groups = house.db.read(move |tx| {
            let permit = Permit::<cap::OnCallRead>::engine(Engine("test"), workspace);
            let now = tx.now();
            oncall.groups(tx, &permit, now)
        }).await.unwrap();
        assert_eq!(groups[0].policy, "Group “Database”, in words: Ada Sample at once; Dina Sample 1 min later or when passed on; \
            Cem Sample 2 min later or when passed on; then the same again, 2 times with 5 min between, until someone answers.");
    }

    /// E-11: a number is shown in full to those with the right, of this person alone, and that it was is in the audit log.
    async fn e_11_a_revealed_number_leaves_its_entry(db: Db, _clock: Arc<base::ManualClock>) {
        let house = house(db).await;
        house.apply(people("+447700900101")).await.unwrap();
        let oncall = house.oncall.clone();
        let (shown, foreign) = house.db.write(move |tx| {
            let permit = access::OrganisationPermit::<cap::PeopleWrite>::engine(Engine("test"));
            let owners = oncall.owners(tx, &oncall.handset(&number("+447700900101")))?;
            let device = oncall.devices(tx, owners[0].id)?[0].id;
            let other = uuid::Uuid::from_u128(9).into();
            Ok::<_, crate::Error>((oncall.reveal(tx, &permit, owners[0].id, device)?, oncall.reveal(tx, &permit, other, device)?))
        }).await.unwrap();
        assert_eq!((shown, foreign), (Some(number("+447700900101")), None));
        let said = "SELECT changes FROM audit_entries WHERE action = 'device.reveal'";
        let said = house.db.read(move |tx| tx.query(said, &params![], |row| row.get::<String>(0))).await.unwrap();
        assert!(said.len() == 1 && !said[0].contains("7700900101"), "{said:?}");
    }

    /// The course is round after round what the plan says, beginning when the one before ends.
    async fn a_course_shows_each_round_and_its_end(db: Db, _clock: Arc<base::ManualClock>) {
        let house = house(db).await;
        house.apply(people("+447700900101")).await.unwrap();
        let (oncall, workspace) = (house.oncall.clone(), house.workspace().await);
        let (course, begins, elsewhere) = house.db.read(move |tx| {
            let permit = Permit::<cap::OnCallRead>::engine(Engine("test"), workspace);
            let at = tx.now();
            let id = oncall.groups(tx, &permit, at)?[0].id;
            let foreign = Permit::<cap::OnCallRead>::engine(Engine("test"), uuid::Uuid::from_u128(9).into());
            Ok::<_, crate::Error>((oncall.course(tx, &permit, id, at, 2)?.unwrap(), at, oncall.course(tx, &foreign, id, at, 2)?))
        }).await.unwrap();
        assert!(elsewhere.is_none(), "a group of another workspace is not there");
        assert_eq!((course.rounds.len(), course.all), (2, 3));
        let dues: Vec<_> = course.rounds.iter().flat_map(|round| &round.steps).filter_map(|step| match step {
            Step::Page { due, .. } => Some(due.since(begins).as_secs()),
            Step::Skip { .. } => None,
        }).collect();
        assert_eq!(dues, [0, 60, 360, 420]);
        assert_eq!(course.ends.since(begins).as_secs(), 1_080);
    }

    /// E-11 and the rule that personal values are sealed at rest: no table holds a readable number, a keyed hash finds it,
    /// and a number that stays keeps its device id.
    async fn numbers_are_sealed_found_by_hash_and_keep_their_ids(db: Db) {
        let house = house(db).await;
        house.apply(people("+447700900101")).await.unwrap();
        let oncall = house.oncall.clone();
        let look = move |tx: &mut store::Tx<'_>| {
            let cem = oncall.owners(tx, &oncall.handset(&number("+447700900102")))?;
            assert_eq!(cem.len(), 1);
            assert_eq!((cem[0].name.as_str(), cem[0].enabled), ("Cem Sample", true));
            assert!(oncall.owners(tx, &oncall.handset(&number("+447700900199")))?.is_empty(), "a stranger is nobody");
            let devices = oncall.devices(tx, cem[0].id)?;
            let numbers: Vec<String> = devices.iter().map(|device| device.number.to_string()).collect();
            assert_eq!(numbers, ["+447700900102", "+447700900105"], "in the order of configuration");
            let stored: Vec<String> = tx.query("SELECT number || handset AS all_of_it FROM devices", &params![], |row| row.get(0))?;
            assert!(stored.iter().all(|text| text.starts_with("v1.") && !text.contains("7700900")), "sealed");
            Ok::<_, crate::Error>(devices[0].id)
        };
        let before = house.db.read(look.clone()).await.unwrap();
        house.apply(people("+447700900109")).await.unwrap();
        assert_eq!(house.db.read(look).await.unwrap(), before);
        let oncall = house.oncall.clone();
        let gone = house.db.read(move |tx| oncall.owners(tx, &oncall.handset(&number("+447700900101")))).await.unwrap();
        assert!(gone.is_empty(), "Ada Sample gave that number up");
    }

    /// A wrong entry names its field and changes nothing.
    async fn wrong_devices_and_groups_are_refused_by_field(db: Db) {
        let house = house(db).await;
        house.apply(people("+447700900101")).await.unwrap();
        let refused = |error: resources::Error| match error {
            resources::Error::Invalid(problems) => problems.into_iter().filter_map(|problem| problem.field).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let wrong = serde_json::json!({ "users": [{ "name": "Eli Sample", "login": "eli@example.com", "devices": [
            { "kind": "sms", "number": "+4477009001067" }, { "kind": "sms", "number": "+9997700900106" },
        ] }] });
        let fields = refused(house.apply(wrong).await.unwrap_err());
        assert_eq!(fields, ["users[0].devices[0].number", "users[0].devices[1].number"]);
        let wrong = serde_json::json!({ "groups": [{ "workspace": "demo", "name": "Twice", "members": [
            { "user": "ada@example.com" }, { "user": "Ada@example.com" },
        ] }] });
        assert_eq!(refused(house.apply(wrong).await.unwrap_err()), ["groups[0].members[1].user"]);
        assert_eq!(house.round("Twice").await, None);
    }
}
