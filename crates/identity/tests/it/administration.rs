//! Central administration: identifiers that never come back (E-16), people from a table, filters.

use access::{Grants, OrganisationPermit, cap};
use base::PageRequest;
use identity::{Imported, PeopleFilter};
use store::Db;

use crate::house::{self, House, PASSWORD, lines, open, operator};

fn permit() -> OrganisationPermit<cap::PeopleWrite> {
    Grants::of_operator(operator()).permit_organisation().unwrap()
}

async fn import(house: &House, text: &str, rehearsal: bool) -> Imported {
    house.identity.import(&permit(), text.to_owned(), rehearsal, None).await.unwrap()
}

async fn logins(house: &House, filter: PeopleFilter) -> Vec<String> {
    let identity = house.identity.clone();
    let read = permit().also::<cap::PeopleRead>().unwrap();
    let page = house.db.read(move |tx| identity.people(tx, &read, &filter, &PageRequest::default())).await.unwrap();
    page.items.into_iter().map(|person| person.login).collect()
}

const ADA: &str = "users:\n  - {name: Ada Sample, login: ada@example.com, roles: [{role: administrator}]}\n";

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    async fn e_16_a_log_in_name_never_comes_back(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply(&format!("{ADA}  - {{name: Bo Sample, login: bo@example.com}}\n")).await.unwrap();
        let bo = house.user("bo@example.com").await;
        house.delete("bo@example.com").await;
        for login in ["bo@example.com", "BO@Example.com"] {
            let refused = house.apply(&format!("{ADA}  - {{name: Eve Sample, login: {login}}}\n")).await.unwrap_err();
            assert!(lines(&refused).concat().contains("users[1].login: this belonged to an entry that was deleted"), "{:?}", lines(&refused));
        }
        assert!(house.texts("SELECT id FROM users").await.contains(&bo.to_string()), "the row stays as a tombstone");
    }

    async fn a_table_is_taken_as_a_whole_or_not_at_all(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        house.apply("workspaces: [{slug: demo, environment: development}]\n").await.unwrap();
        let bad = "name,login,role,workspace,time_zone,phone\n\
                   Bo Sample,bo@example.com,responder,demo,Europe/London,+44 7700 900117\n\
                   Cem Sample,cem,emperor,nowhere,Mars/Base,12\n\
                   Ada Again,ada@example.com,,,,\n\
                   Bo Twice,BO@example.com,,,,\n";
        for rehearsal in [true, false] {
            let report = import(&house, bad, rehearsal).await;
            assert!(!report.done && !report.is_good());
            let wrong: Vec<_> = report.rows.iter().map(|row| (row.line, row.problems.len())).collect();
            assert_eq!(wrong[0], (2, 0), "{:?}", report.rows[0]);
            assert!(wrong[1].1 >= 2, "{:?}", report.rows[1]);
            assert!(report.rows[2].problems[0].contains("already"), "{:?}", report.rows[2]);
            assert!(report.rows[3].problems[0].contains("line 2"), "{:?}", report.rows[3]);
            assert_eq!(house.count("users").await, 1, "nobody was added");
        }
        let good = "login,name,role\nbo@example.com,Bo Sample,viewer\ncem@example.com,Cem Sample,\n";
        assert!(import(&house, good, true).await.is_good());
        assert_eq!(house.count("users").await, 1, "a rehearsal adds nobody");
        assert!(import(&house, good, false).await.done);
        assert_eq!(house.count("users").await, 3);
        let told = house.texts("SELECT action FROM audit_entries WHERE action = 'people.import'").await;
        assert_eq!(told.len(), 1);
        let viewers = PeopleFilter { role: Some("observer".into()), ..PeopleFilter::default() };
        assert_eq!(logins(&house, viewers).await, ["bo@example.com"]);
        let reached = PeopleFilter { standing: Some("reached_only".into()), ..PeopleFilter::default() };
        assert_eq!(logins(&house, reached).await, ["bo@example.com", "cem@example.com"]);
        let active = PeopleFilter { standing: Some("active".into()), search: "ADA".into(), role: None };
        assert_eq!(logins(&house, active).await, ["ada@example.com"]);
        let _ = PASSWORD;
    }
}
