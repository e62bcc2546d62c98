//! A database from before segments became smaller: nothing of it is numbered again, and all of it is found.

use store::{Db, Migrations, params};

use crate::numbers::{Numbers, SEGMENT, segment};
use crate::probe::find;
use crate::*;

/// Rows of a segment before migration 12.
const BEFORE: i64 = 4_096;

const OLD: Migrations = Migrations { room: MIGRATIONS.room, steps: MIGRATIONS.steps.split_at(11).0 };

async fn insert(db: &Db, row: i64, segment: i64, carrier_ref: &'static str) {
    db.write(move |tx| {
        tx.execute(
            "INSERT INTO messages (id, umid, segment, workspace, state, class, encoding, parts, attempts, throttled, unknown_outcomes,
             created_at, due_at, carrier, sender, carrier_ref, submitter, blind, destination, body)
             VALUES ($1, $2, $3, $4, 2, 1, 0, 1, 1, 0, 0, 0, 0, 'sim', '1', $5, 'x', $6, 'x', 'x')",
            &params![row, carrier_ref, segment, super::house::workspace_id(1), carrier_ref, vec![0_u8]],
        )
    })
    .await
    .unwrap();
}

testdb::both_databases! {
    migrations = [&OLD];

    async fn rows_of_before_keep_their_place_and_are_found_beside_new_ones(db: Db) {
        // Two segments were leased in full; the last row of the second is in use.
        db.write(|tx| {
            tx.next_number("messages.segments")?;
            tx.next_number("messages.segments")
        }).await.unwrap();
        let old = 3 * BEFORE - 1;
        insert(&db, old, 2, "old").await;
        db.migrate(&[MIGRATIONS]).await.unwrap();
        let numbers = Numbers::default();
        let new = db.write(move |tx| numbers.take(tx, 1)).await.unwrap()[0];
        assert!(new > old, "{new} stands in place of something that may be there");
        assert!(segment(new) > 2 && new % SEGMENT == 0);
        insert(&db, new, segment(new), "new").await;
        for (reference, row) in [("old", old), ("new", new)] {
            let found = db.read(move |tx| find(tx, "sim", reference)).await.unwrap();
            assert_eq!(found.map(|found| found.row), Some(row), "{reference}");
        }
    }
}
