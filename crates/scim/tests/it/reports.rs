//! What administrators see of a directory.

use scim::{Asked, Report, Shown};
use serde_json::json;

use crate::house::{House, open, operator};

async fn report(house: &House) -> Report {
    let source = house.texts("SELECT id FROM provisioning_sources WHERE name = 'entra'").await[0].parse().unwrap();
    let scim = house.scim.clone();
    house.db.read(move |tx| scim.report(tx, &operator(), source)).await.unwrap().unwrap()
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS, &scim::MIGRATIONS];

    /// Also of more groups than a page has.
    async fn a_group_that_came_is_not_said_to_be_unknown(db: store::Db) {
        let house = open(&db).await;
        assert_eq!(report(&house).await.unknown, ["Admins", "Night"]);
        house
            .at("entra", |tx, scim, desk| {
                let names = (0..201).map(|number| format!("A group {number:03}")).chain(["Night".to_owned()]);
                for name in names {
                    scim.create_group(tx, desk, &json!({"schemas": [scim::GROUP], "displayName": name}), &Shown::default())?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let report = report(&house).await;
        assert_eq!((report.groups.len(), report.standing.groups, report.unknown), (200, 202, vec!["Admins".to_owned()]));
    }

    /// Good reads are not written down one by one, and still say that all is well again.
    async fn a_directory_fails_no_more_once_it_reads_well(db: store::Db) {
        let house = open(&db).await;
        house
            .at("entra", |tx, _, desk| {
                let asked = Asked { method: "GET", target: "Users", id: String::new(), status: 400, reason: "This filter cannot be read.".into() };
                scim::told(tx, desk, &asked)
            })
            .await
            .unwrap();
        let failing = report(&house).await.standing.failing;
        assert_eq!(failing.map(|one| one.status), Some(400));
        house.at("entra", |tx, _, desk| scim::seen(tx, desk.source().id)).await.unwrap();
        let report = report(&house).await;
        assert!(report.standing.failing.is_none());
        assert_eq!(report.wrong.len(), 1, "it stands in the list still");
    }
}
