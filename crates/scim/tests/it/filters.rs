//! Filters over what is stored, on both databases alike.

use scim::{Query, Shown};
use serde_json::json;

use crate::house::{open, user};

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS, &scim::MIGRATIONS];

    async fn people_are_found_as_rfc_7644_says(db: store::Db) {
        let house = open(&db).await;
        let (bea, _) = house.made("bea@example.com").await;
        let mut other = user("cem_100%@example.com");
        other["displayName"] = "CEM Ünal".into();
        other["emails"] = json!([{"value": "c@home.example", "type": "home"}, {"value": "cem@work.example", "type": "work"}]);
        other[scim::ENTERPRISE] = json!({"employeeNumber": "701", "manager": {"value": bea}});
        other["active"] = false.into();
        let cem = house.make(other).await.unwrap().id;
        let (b, c) = ("bea@example.com", "cem_100%@example.com");
        for (filter, expected) in [
            ("userName eq \"BEA@EXAMPLE.COM\"".to_owned(), vec![b]),
            ("userName sw \"cem_\"".into(), vec![c]),
            ("userName co \"_100%\"".into(), vec![c]),
            ("userName co \"m%x\"".into(), vec![]),
            ("userName ew \"example.com\"".into(), vec![b, c]),
            ("userName ne \"bea@example.com\"".into(), vec![c]),
            ("externalId eq \"id-of-bea@example.com\"".into(), vec![b]),
            ("externalId eq \"ID-OF-BEA@example.com\"".into(), vec![]),
            ("displayName co \"ünal\"".into(), vec![c]),
            ("displayName pr".into(), vec![c]),
            ("not (displayName pr)".into(), vec![b]),
            ("active eq true".into(), vec![b]),
            ("active eq \"False\"".into(), vec![c]),
            ("name.familyName eq \"sample\" and active eq false".into(), vec![c]),
            ("emails eq \"cem@work.example\"".into(), vec![c]),
            ("emails[type eq \"work\"].value eq \"cem@work.example\"".into(), vec![c]),
            ("emails[type eq \"home\" and value eq \"cem@work.example\"]".into(), vec![]),
            ("emails[primary eq true]".into(), vec![b]),
            (format!("{}:employeeNumber eq \"701\"", scim::ENTERPRISE), vec![c]),
            (format!("id eq \"{cem}\" and manager eq \"{bea}\""), vec![c]),
            ("meta.created gt \"2001-01-01T00:00:00Z\"".into(), vec![b, c]),
            ("meta.lastModified lt \"2001-01-01T00:00:00+01:00\"".into(), vec![]),
            ("(userName eq \"nobody\" or active eq true) and externalId pr".into(), vec![b]),
            ("userName eq \"x'; DROP TABLE users; --\"".into(), vec![]),
        ] {
            assert_eq!(house.find(&filter).await.unwrap_or_else(|error| panic!("{filter}: {error}")), expected, "{filter}");
        }
    }

    async fn lists_come_in_pages_and_in_part(db: store::Db) {
        let house = open(&db).await;
        for at in 0..7 {
            house.made(&format!("p{at}@example.com")).await;
        }
        for (start, count, names) in [(1, Some(3), vec!["p0", "p1", "p2"]), (6, Some(3), vec!["p5", "p6"]), (8, None, vec![]), (-3, Some(-1), vec![])] {
            let query = Query { filter: String::new(), start, count, shown: Shown::of("userName", "") };
            let found = house.at("entra", move |tx, scim, desk| scim.users(tx, desk, &query)).await.unwrap();
            assert_eq!((found["totalResults"].as_i64(), found["startIndex"].as_i64()), (Some(7), Some(start.max(1))));
            let all = found["Resources"].as_array().unwrap();
            assert_eq!(found["itemsPerPage"].as_u64(), Some(all.len() as u64));
            let found: Vec<&str> = all.iter().map(|one| one["userName"].as_str().unwrap().trim_end_matches("@example.com")).collect();
            assert_eq!(found, names);
            assert!(all.iter().all(|one| one.as_object().unwrap().keys().all(|key| ["id", "schemas", "userName"].contains(&key.as_str()))));
        }
    }
}
