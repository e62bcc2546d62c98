//! Lists of alerts: what they are filtered by, the search, and that no filter reads the whole table.

use std::sync::Arc;
use std::time::Duration;

use base::{ManualClock, PageRequest};
use store::{Db, Dialect, params};

use super::{House, ROOMS};
use crate::types::{Filter, Priority};

impl House {
    async fn numbers(&self, filter: Filter) -> Vec<i64> {
        let page = self.alerts.list(self.read(), filter, PageRequest::new(100, None)).await.unwrap();
        page.items.iter().map(|alert| alert.number).collect()
    }
}

fn searching(words: &str) -> Filter {
    Filter { search: Some(words.to_owned()), ..Filter::default() }
}

testdb::both_databases! {
    migrations = [ROOMS[0], ROOMS[1], ROOMS[2], ROOMS[3], ROOMS[4], ROOMS[5], &crate::MIGRATIONS];

    async fn alerts_are_found_by_what_they_say(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(db, clock.clone()).await;
        let began = house.db.context().now();
        for (priority, title, key) in [
            (Priority::High, "Disk full on db-1", Some("disk/db-1")),
            (Priority::Low, "Certificate ends soon", None),
            (Priority::Critical, "Disk broken on DB-2", Some("disk/db-2")),
        ] {
            let mut new = house.new_alert(priority, title);
            new.key = key.map(str::to_owned);
            house.try_open(new).await.unwrap();
            clock.advance(Duration::from_hours(1));
        }
        assert_eq!(house.numbers(searching("disk")).await, [3, 1]);
        assert_eq!(house.numbers(searching("  DISK db-2 ")).await, [3], "each word, in any case and order");
        assert_eq!(house.numbers(searching("a-2")).await, [2], "the name");
        assert_eq!(house.numbers(searching("disk/db-1")).await, [1], "the key");
        assert!(house.numbers(searching("disk certificate")).await.is_empty());
        assert_eq!(house.numbers(searching("  ")).await, [3, 2, 1], "nothing sought is everything");

        let wanted = Filter { priorities: vec![Priority::Critical, Priority::Low], ..Filter::default() };
        assert_eq!(house.numbers(wanted).await, [3, 2]);
        assert_eq!(house.numbers(Filter { key: Some("disk/db-1".into()), ..Filter::default() }).await, [1]);
        assert!(house.numbers(Filter { group: Some("nobody".into()), ..Filter::default() }).await.is_empty());
        let after = |hours: u64| Some(began.plus(Duration::from_mins(hours * 60 - 30)));
        assert_eq!(house.numbers(Filter { since: after(1), ..Filter::default() }).await, [3, 2]);
        assert_eq!(house.numbers(Filter { until: after(2), ..Filter::default() }).await, [2, 1]);
        assert_eq!(house.numbers(Filter { since: after(1), until: after(2), ..Filter::default() }).await, [2]);
        assert!(house.numbers(Filter { since: after(9), ..Filter::default() }).await.is_empty());
        assert!(house.numbers(Filter { until: Some(began.minus(Duration::from_secs(1))), ..Filter::default() }).await.is_empty());

        let first = house.alerts.list(house.read(), searching("disk"), PageRequest::new(1, None)).await.unwrap();
        assert_eq!((first.items.len(), first.items[0].number), (1, 3));
        let rest = house.alerts.list(house.read(), searching("disk"), PageRequest::new(1, first.next)).await.unwrap();
        assert_eq!((rest.items[0].number, rest.next), (1, None));
        house.end().await;
    }

    /// No filter's query reads the whole table: each has its index.
    async fn lists_have_their_indexes(db: Db) {
        if db.dialect() == Dialect::Postgres {
            // A planner with an empty table reads it whole, and is right.
            return;
        }
        for (filter, index) in [
            ("number < $2", "alerts_number"),
            ("integration = $2", "alerts_integration"),
            ("priority IN ('critical')", "alerts_priority"),
            ("state IN ('open')", "alerts_state"),
            ("dedup_key = $2", "alerts_key"),
            ("opened_at >= $2", "alerts_opened"),
        ] {
            let order = if index == "alerts_opened" { "opened_at" } else { "number DESC" };
            let sql = format!(
                "EXPLAIN QUERY PLAN SELECT number FROM alerts WHERE workspace = $1 AND {filter} AND $2 = $2 ORDER BY {order} LIMIT 50"
            );
            let plan = db
                .read(move |tx| tx.query(&sql, &params!["w", "x"], |row| row.get::<String>("detail")))
                .await
                .unwrap()
                .join("\n");
            assert!(plan.contains(index) && !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{filter}: {plan}");
        }
    }
}
