//! Two writers at once: neither undoes what the other has done.

use serde_json::json;

use crate::house::{open, operator};

/// How often the two meet: without the lock they do so within a few.
const ROUNDS: u32 = 12;

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS, &scim::MIGRATIONS];

    /// AC-2: whoever left stays out, whatever else is said of them in the same moment.
    async fn ac_2_a_change_beside_it_does_not_switch_a_leaver_on_again(db: store::Db) {
        let house = open(&db).await;
        let (id, _) = house.made("bea@example.com").await;
        for round in 0..ROUNDS {
            let (off, other) = tokio::join!(
                house.patch(&id, json!([{"op": "replace", "path": "active", "value": false}])),
                house.patch(&id, json!([{"op": "replace", "path": "title", "value": format!("Title {round}")}])),
            );
            off.unwrap();
            other.unwrap();
            let read = house.read(&id).await.unwrap();
            assert_eq!((read["active"].as_bool(), read["title"].as_str()), (Some(false), Some(format!("Title {round}").as_str())), "round {round}");
            house.patch(&id, json!([{"op": "replace", "path": "active", "value": true}])).await.unwrap();
        }
    }

    async fn whoever_is_released_stays_so(db: store::Db) {
        let house = open(&db).await;
        for round in 0..ROUNDS {
            let (id, person) = house.made(&format!("p{round}@example.com")).await;
            let source = house.texts("SELECT id FROM provisioning_sources WHERE name = 'entra'").await[0].parse().unwrap();
            let scim = house.scim.clone();
            let (released, changed) = tokio::join!(
                db.write(move |tx| scim.release(tx, &operator(), source, person)),
                house.patch(&id, json!([{"op": "replace", "path": "title", "value": "Another"}])),
            );
            released.unwrap();
            assert!(matches!(changed, Ok(_) | Err(scim::Error::NotFound)), "{changed:?}");
            assert!(house.texts("SELECT user_id FROM provisioned_people").await.is_empty(), "round {round}");
            assert!(house.texts("SELECT login FROM users WHERE directory IS NOT NULL").await.is_empty(), "round {round}");
        }
    }

    async fn who_leaves_two_groups_at_once_keeps_no_role(db: store::Db) {
        let house = open(&db).await;
        house.apply(&crate::house::CONFIGURED.replace("{ group: Admins, role: administrator }", "{ group: Day, role: on_call, workspace: ops }")).await.unwrap();
        let (id, person) = house.made("bea@example.com").await;
        let (night, day) = (house.group("Night", &[]).await.unwrap(), house.group("Day", &[]).await.unwrap());
        for round in 0..ROUNDS {
            for group in [&night, &day] {
                house.patch_group(&group.id, json!([{"op": "add", "path": "members", "value": [{"value": id}]}])).await.unwrap();
            }
            assert_eq!(house.roles(person).await, ["on_call there"]);
            let out = || json!([{"op": "remove", "path": "members"}]);
            let (one, other) = tokio::join!(house.patch_group(&night.id, out()), house.patch_group(&day.id, out()));
            one.unwrap();
            other.unwrap();
            assert!(house.roles(person).await.is_empty(), "round {round}");
        }
    }
}
