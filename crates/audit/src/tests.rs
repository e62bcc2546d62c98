//! The audit log on both databases: recorded, sealed, tampered with, read, erased.

use std::time::Duration;

use access::{Actor, AuthMethod, Grants, Permit, Principal, Role, Scope, cap};
use base::{PageRequest, UserId, WorkspaceId};
use serde_json::json;
use store::{Db, Tx, params};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;

fn workspace(n: u128) -> WorkspaceId {
    Uuid::from_u128(n).into()
}

fn ada() -> Actor {
    let id: UserId = Uuid::from_u128(7).into();
    let mut actor = Actor::new(Principal::User { id, name: "Ada Sample".into() }, AuthMethod::Password);
    actor.source = Some(([192, 0, 2, 7], 40_000).into());
    actor.user_agent = Some("Browser\r\nforged: line".into());
    actor
}

fn entry(actor: &Actor, n: u128) -> Entry<'_> {
    Entry {
        actor,
        workspace: Some(workspace(n)),
        action: "alert.acknowledge",
        target: ("alert", "A-1042"),
        outcome: Outcome::Success,
        reason: Some("looking\u{202e} into it"),
        changes: Some(json!({"state": ["open", "acknowledged"]})),
    }
}

fn everywhere() -> access::OrganisationPermit<cap::AuditVerify> {
    Grants::of_roles(ada(), &[(Role::Auditor, Scope::Organisation)]).permit_organisation().unwrap()
}

fn reader(n: u128) -> Permit<cap::AuditRead> {
    Grants::of_roles(ada(), &[(Role::Auditor, Scope::Workspace(workspace(n)))]).permit(workspace(n)).unwrap()
}

async fn write(db: &Db, f: impl FnMut(&mut Tx<'_>) -> Result<(), Error> + Send + 'static) {
    db.write(f).await.unwrap();
}

/// Records `count` entries in turn in workspaces 1 and 2.
async fn fill(db: &Db, count: u128) {
    write(db, move |tx| {
        for n in 0..count {
            record(tx, entry(&ada(), 1 + n % 2))?;
        }
        Ok(())
    })
    .await;
}

async fn seal_all(db: &Db) {
    while db.write(seal).await.unwrap() > 0 {}
}

async fn sql(db: &Db, statement: &'static str) -> u64 {
    db.write(move |tx| tx.execute(statement, &[])).await.unwrap()
}

async fn verdict(db: &Db) -> Verdict {
    let in_one = db.read(|tx| verify(tx, &everywhere())).await.unwrap();
    assert_eq!(verify_all(db, &everywhere()).await.unwrap(), in_one, "in pages as in one");
    in_one
}

async fn broken(db: &Db) -> (Option<i64>, Tampering) {
    match verdict(db).await {
        Verdict::Broken(found) => {
            assert!(!found.to_string().contains('\n'), "one clear line: {found}");
            (found.seq, found.what)
        }
        intact @ Verdict::Intact { .. } => panic!("{intact:?}"),
    }
}

async fn sealed(db: &Db, count: u128) {
    fill(db, count).await;
    seal_all(db).await;
    match verdict(db).await {
        Verdict::Intact { entries, unsealed: 0, erased: 0, head: Some(head) } => {
            assert_eq!((u128::from(entries), head.seq), (count, i64::try_from(count).unwrap()));
        }
        other => panic!("{other:?}"),
    }
}

testdb::both_databases! {
    migrations = [&MIGRATIONS];

    async fn an_untouched_log_is_intact_sealed_or_not(db: Db) {
        assert_eq!(verdict(&db).await, Verdict::Intact { entries: 0, unsealed: 0, erased: 0, head: None });
        fill(&db, 5).await;
        assert_eq!(verdict(&db).await, Verdict::Intact { entries: 0, unsealed: 5, erased: 0, head: None });
        seal_all(&db).await;
        fill(&db, 3).await;
        let found = verdict(&db).await;
        assert!(matches!(found, Verdict::Intact { entries: 5, unsealed: 3, .. }), "{found:?}");
        seal_all(&db).await;
        let found = verdict(&db).await;
        assert!(matches!(found, Verdict::Intact { entries: 8, unsealed: 0, .. }), "{found:?}");
    }

    async fn a_log_longer_than_a_page_is_walked_to_its_end(db: Db) {
        sealed(&db, 2_100).await;
        sql(&db, "UPDATE audit_entries SET outcome = 'denied' WHERE seq = 2050").await;
        assert_eq!(broken(&db).await, (Some(2_050), Tampering::Altered));
    }

    async fn a_rolled_back_change_leaves_no_entry_and_no_gap(db: Db) {
        fill(&db, 1).await;
        let failed: Result<(), Error> = db
            .write(|tx| {
                record(tx, entry(&ada(), 1))?;
                Err(Error::Cursor)
            })
            .await;
        assert!(failed.is_err());
        fill(&db, 1).await;
        let found = verdict(&db).await;
        assert!(matches!(found, Verdict::Intact { unsealed: 2, .. }), "{found:?}");
    }

    /// No audit, no change (AU-5).
    async fn a_change_that_cannot_be_recorded_does_not_happen(db: Db) {
        sql(&db, "CREATE TABLE things (id BIGINT)").await;
        sql(&db, "DROP TABLE audit_lanes").await;
        let failed = db
            .write(|tx| {
                tx.execute("INSERT INTO things (id) VALUES (1)", &[])?;
                record(tx, entry(&ada(), 1))
            })
            .await;
        assert!(failed.is_err());
        let count: i64 = db.read(|tx| tx.query_one("SELECT COUNT(*) FROM things", &[], |row| row.get(0))).await.unwrap();
        assert_eq!(count, 0);
    }

    async fn an_altered_entry_is_named(db: Db) {
        sealed(&db, 9).await;
        for statement in [
            "UPDATE audit_entries SET reason = 'nothing to see' WHERE seq = 4",
            "UPDATE audit_entries SET actor_id = 'somebody else' WHERE seq = 4",
            "UPDATE audit_entries SET changes = '{}' WHERE seq = 4",
            "UPDATE audit_entries SET time = time + 1 WHERE seq = 4",
            "UPDATE audit_entries SET workspace = NULL WHERE seq = 4",
            "UPDATE audit_entries SET hash = prev_hash WHERE seq = 4",
        ] {
            let kept = db.read(|tx| tx.query_one(
                "SELECT reason, actor_id, changes, time, workspace, hash FROM audit_entries WHERE seq = 4", &[],
                |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<String>(2)?, row.get::<i64>(3)?,
                    row.get::<String>(4)?, row.get::<Vec<u8>>(5)?)),
            )).await.unwrap();
            assert_eq!(sql(&db, statement).await, 1);
            assert_eq!(broken(&db).await, (Some(4), Tampering::Altered), "{statement}");
            write(&db, move |tx| {
                tx.execute(
                    "UPDATE audit_entries SET reason = $1, actor_id = $2, changes = $3, time = $4, workspace = $5,
                         hash = $6 WHERE seq = 4",
                    &params![&kept.0, &kept.1, &kept.2, kept.3, &kept.4, &kept.5],
                )?;
                Ok(())
            })
            .await;
            assert!(matches!(verdict(&db).await, Verdict::Intact { .. }), "put back, the chain holds again");
        }
    }

    async fn an_entry_that_was_altered_and_hashed_anew_is_named(db: Db) {
        sealed(&db, 9).await;
        for (seq, count) in [(4_i64, 9), (9, 9)] {
            write(&db, move |tx| {
                tx.execute("UPDATE audit_entries SET reason = 'forged' WHERE seq = $1", &params![seq])?;
                let sql = format!("SELECT {} FROM audit_entries WHERE seq = $1", stored::COLUMNS);
                let row = tx.query_one(&sql, &params![seq], stored::Stored::from_row)?;
                let hash = row.chain_hash(row.prev_hash.as_deref().unwrap_or_default());
                tx.execute("UPDATE audit_entries SET hash = $1 WHERE seq = $2", &params![hash, seq])?;
                Ok(())
            })
            .await;
            assert_eq!(broken(&db).await, (Some(seq), Tampering::Altered), "of {count}");
            sql(&db, "DELETE FROM audit_entries").await;
            sql(&db, "DELETE FROM audit_lanes").await;
            sql(&db, "DELETE FROM audit_head").await;
            sealed(&db, 9).await;
        }
    }

    async fn a_removed_entry_is_named(db: Db) {
        for (statement, seq) in [
            ("DELETE FROM audit_entries WHERE seq = 5", 5),
            ("DELETE FROM audit_entries WHERE seq = 1", 1),
            ("DELETE FROM audit_entries WHERE seq = 9", 9),
            ("DELETE FROM audit_entries WHERE seq >= 3", 3),
        ] {
            sealed(&db, 9).await;
            assert!(sql(&db, statement).await > 0);
            assert_eq!(broken(&db).await, (Some(seq), Tampering::Removed), "{statement}");
            for statement in ["DELETE FROM audit_entries", "DELETE FROM audit_lanes", "DELETE FROM audit_head"] {
                sql(&db, statement).await;
            }
        }
    }

    async fn a_removed_entry_is_named_even_when_the_numbers_close_up(db: Db) {
        sealed(&db, 9).await;
        sql(&db, "DELETE FROM audit_entries WHERE seq = 5").await;
        // In two steps, since a unique index looks at each row.
        sql(&db, "UPDATE audit_entries SET seq = -seq WHERE seq > 5").await;
        sql(&db, "UPDATE audit_entries SET seq = -seq - 1 WHERE seq < 0").await;
        sql(&db, "UPDATE audit_head SET seq = 8").await;
        assert_eq!(broken(&db).await, (Some(5), Tampering::Removed));
    }

    async fn reordered_entries_are_named(db: Db) {
        sealed(&db, 9).await;
        sql(&db, "UPDATE audit_entries SET seq = 100 WHERE seq = 4").await;
        sql(&db, "UPDATE audit_entries SET seq = 4 WHERE seq = 7").await;
        sql(&db, "UPDATE audit_entries SET seq = 7 WHERE seq = 100").await;
        assert_eq!(broken(&db).await, (Some(4), Tampering::Reordered));
    }

    async fn an_entry_put_in_by_hand_is_named(db: Db) {
        sealed(&db, 4).await;
        write(&db, |tx| {
            record(tx, entry(&ada(), 1))?;
            let head = seal::head(tx, "")?.ok_or(Error::Cursor)?;
            let columns = stored::COLUMNS;
            let sql = format!("SELECT {columns} FROM audit_entries WHERE seq IS NULL");
            let row = tx.query_one(&sql, &[], stored::Stored::from_row)?;
            tx.execute(
                "UPDATE audit_entries SET seq = 5, prev_hash = $1, hash = $2 WHERE seq IS NULL",
                &params![head.hash, row.chain_hash(&head.hash)],
            )?;
            Ok(())
        })
        .await;
        assert_eq!(broken(&db).await, (Some(5), Tampering::Added));
    }

    async fn an_entry_removed_before_its_seal_is_named_by_its_lane(db: Db) {
        for statement in [
            "DELETE FROM audit_entries WHERE seq IS NULL AND counter = 4 AND workspace LIKE '%1'",
            "DELETE FROM audit_entries WHERE seq IS NULL AND counter = 3",
            "DELETE FROM audit_entries WHERE seq IS NULL",
        ] {
            sealed(&db, 4).await;
            fill(&db, 4).await;
            assert!(sql(&db, statement).await > 0);
            match verdict(&db).await {
                Verdict::Broken(Break { seq: None, what: Tampering::Removed, detail, .. }) => {
                    assert!(detail.contains("of lane"), "{detail}");
                }
                other => panic!("{statement}: {other:?}"),
            }
            // A gap that is sealed over stays a gap.
            seal_all(&db).await;
            assert_eq!(broken(&db).await.1, Tampering::Removed, "{statement}");
            for statement in ["DELETE FROM audit_entries", "DELETE FROM audit_lanes", "DELETE FROM audit_head"] {
                sql(&db, statement).await;
            }
        }
    }

    async fn doctored_personal_values_are_named(db: Db) {
        sealed(&db, 4).await;
        sql(&db, r#"UPDATE audit_entries SET personal = '{"name":"Cem Sample"}' WHERE seq = 3"#).await;
        assert_eq!(broken(&db).await, (Some(3), Tampering::Altered));
        sql(&db, "UPDATE audit_entries SET personal = NULL WHERE seq = 3").await;
        assert_eq!(broken(&db).await, (Some(3), Tampering::Altered), "erasure takes the salt along");
    }

    /// E-34: a person's values go, the chain stays valid.
    async fn e_34_erasure_keeps_the_chain_valid(db: Db) {
        sealed(&db, 4).await;
        let erased = db
            .write(|tx| {
                let permit = Grants::of_roles(ada(), &[(Role::Administrator, Scope::Organisation)])
                    .permit_organisation::<cap::PeopleWrite>()?;
                erase_person(tx, &permit, Uuid::from_u128(7).into())
            })
            .await
            .unwrap();
        assert_eq!(erased, 4);
        let found = verdict(&db).await;
        assert!(matches!(found, Verdict::Intact { entries: 4, erased: 4, .. }), "{found:?}");
        let page = db.read(|tx| list(tx, &reader(1), &Filter::default(), &PageRequest::default())).await.unwrap();
        assert!(page.items.iter().all(|entry| entry.actor_name.is_none() && entry.source_ip.is_none()));
        let here = Grants::of_roles(ada(), &[(Role::Administrator, Scope::Workspace(workspace(1)))]);
        let refused = db
            .write(move |tx| {
                let permit = here.permit::<cap::PeopleWrite>(workspace(1))?;
                erase_person(tx, &permit, Uuid::from_u128(7).into())
            })
            .await;
        assert!(matches!(refused, Err(Error::Denied(_))), "not with a right in one workspace");
    }

    async fn writers_side_by_side_leave_no_gap_while_the_sealer_runs(db: Db) {
        let shutdown = CancellationToken::new();
        let sealer = tokio::spawn(Sealer::new(db.clone()).run(shutdown.clone()));
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        fill(&db, 2).await;
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        shutdown.cancel();
        sealer.await.unwrap();
        let found = verdict(&db).await;
        assert!(matches!(found, Verdict::Intact { entries: 160, unsealed: 0, .. }), "{found:?}");
    }

    async fn two_sealers_never_fork_the_chain(db: Db) {
        fill(&db, 1_200).await;
        let run = || {
            let db = db.clone();
            async move {
                loop {
                    match db.write(seal).await {
                        Ok(0) => return,
                        Ok(_) | Err(Error::Overtaken) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        };
        tokio::join!(run(), run(), run());
        let found = verdict(&db).await;
        assert!(matches!(found, Verdict::Intact { entries: 1_200, unsealed: 0, .. }), "{found:?}");
    }

    async fn the_sealer_seals_within_a_second_and_at_its_end(db: Db) {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(Sealer::new(db.clone()).run(shutdown.clone()));
        fill(&db, 10).await;
        let started = db.context().monotonic();
        let look = || db.read(|tx| verify(tx, &everywhere()));
        while !matches!(look().await.unwrap(), Verdict::Intact { entries: 10, .. }) {
            assert!(db.context().monotonic().saturating_sub(started) < Duration::from_secs(3), "entries were not sealed in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fill(&db, 3).await;
        shutdown.cancel();
        task.await.unwrap();
        let found = verdict(&db).await;
        assert!(matches!(found, Verdict::Intact { entries: 13, unsealed: 0, .. }), "{found:?}");
    }

    async fn a_list_is_of_one_workspace_newest_first_and_pages(db: Db) {
        fill(&db, 10).await;
        let permit = reader(1);
        let first = db
            .read(move |tx| list(tx, &permit, &Filter::default(), &PageRequest::new(3, None)))
            .await
            .unwrap();
        assert_eq!(first.items.len(), 3);
        assert!(first.items.iter().all(|entry| entry.workspace == Some(workspace(1))));
        assert!(first.items.windows(2).all(|pair| pair[0].id > pair[1].id));
        let next = PageRequest::new(200, first.next);
        let rest = db.read(move |tx| list(tx, &reader(1), &Filter::default(), &next)).await.unwrap();
        assert_eq!((rest.items.len(), rest.next), (2, None));
        let shown = &first.items[0];
        assert_eq!(shown.actor_name.as_deref(), Some("Ada Sample"));
        assert_eq!((shown.source_ip.as_deref(), shown.source_port), (Some("192.0.2.7"), Some(40_000)));
        assert_eq!(shown.changes, Some(json!({"state": ["open", "acknowledged"]})));
        let id = rest.items[0].id;
        assert!(db.read(move |tx| get(tx, &reader(1), id)).await.unwrap().is_some());
        assert!(db.read(move |tx| get(tx, &reader(2), id)).await.unwrap().is_none(), "not across workspaces");
        let bad = PageRequest::new(1, Some(base::Cursor("x".into())));
        assert!(matches!(db.read(move |tx| list(tx, &reader(1), &Filter::default(), &bad)).await, Err(Error::Cursor)));
    }

    async fn a_filter_holds_in_all_its_parts(db: Db) {
        fill(&db, 4).await;
        write(&db, |tx| {
            let engine = Actor::engine("flows");
            record(tx, Entry { action: "alert.open", outcome: Outcome::Failure, ..entry(&engine, 1) })?;
            record(tx, Entry { action: "alerting.pause", target: ("workspace", "demo"), ..entry(&engine, 1) })?;
            Ok(())
        })
        .await;
        let count = |filter: Filter| {
            let db = db.clone();
            async move {
                db.read(move |tx| list(tx, &reader(1), &filter, &PageRequest::default())).await.unwrap().items.len()
            }
        };
        let none = Filter::default;
        let user = Uuid::from_u128(7).to_string();
        assert_eq!(count(none()).await, 4);
        assert_eq!(count(Filter { actor: Some(user), ..none() }).await, 2);
        assert_eq!(count(Filter { action_prefix: Some("alert.".into()), ..none() }).await, 3);
        assert_eq!(count(Filter { action_prefix: Some("alert%".into()), ..none() }).await, 0);
        assert_eq!(count(Filter { outcome: Some(Outcome::Failure), ..none() }).await, 1);
        assert_eq!(count(Filter { target: Some(("workspace".into(), None)), ..none() }).await, 1);
        assert_eq!(count(Filter { target: Some(("alert".into(), Some("A-1042".into()))), ..none() }).await, 3);
        let now = db.context().now();
        assert_eq!(count(Filter { from: Some(now.plus(Duration::from_mins(1))), ..none() }).await, 0);
        assert_eq!(count(Filter { to: Some(now.plus(Duration::from_mins(1))), ..none() }).await, 4);
        let user = Uuid::from_u128(7).to_string();
        assert_eq!(count(Filter { actors: Some(vec![user, "nobody".into()]), ..none() }).await, 2);
        assert_eq!(count(Filter { actors: Some(Vec::new()), ..none() }).await, 0);
        for (search, expected) in [("ALERTING", 1), ("acknow", 2), ("a-1042", 3), ("looking", 4), ("%", 0), ("_", 0), ("!", 0)] {
            assert_eq!(count(Filter { search: Some(search.into()), ..none() }).await, expected, "{search}");
        }
    }

    /// X-18 and 16.2.5: what leaves as a table leaves its own entry, in all its lines, and runs in no spreadsheet.
    async fn an_export_as_a_table_is_recorded_and_complete(db: Db) {
        for _ in 0..12 {
            fill(&db, 100).await;
        }
        let permit = reader(1);
        write(&db, move |tx| record_export(tx, &permit, &Filter::default(), Format::Csv).map(drop)).await;
        let (mut text, mut after, mut pages) = (Format::Csv.head(), None, 0);
        loop {
            let at = after;
            let (more, next) =
                db.read(move |tx| export(tx, &reader(1), &Filter::default(), Format::Csv, at)).await.unwrap();
            text.push_str(&more);
            pages += 1;
            after = next;
            if after.is_none() {
                break;
            }
        }
        let expected = db.read(move |tx| tx.query_one(
            "SELECT COUNT(*) FROM audit_entries WHERE workspace = $1", &params![workspace(1)], |row| row.get::<i64>(0),
        )).await.unwrap();
        assert_eq!((text.lines().count(), pages), (usize::try_from(expected).unwrap() + 1, 2));
        assert!(text.lines().last().unwrap().contains("audit.export"));
    }

    /// E-25: a verification runs by itself, says how far it is, and leaves its own entry; a second one waits for the first.
    async fn a_verification_in_the_background_ends_in_the_log(db: Db) {
        sealed(&db, 9).await;
        let verifier = Verifier::new(db.clone());
        assert_eq!(verifier.latest(&everywhere()), None);
        verifier.begin(&everywhere()).await.unwrap();
        let first = verifier.latest(&everywhere()).unwrap().began;
        verifier.begin(&everywhere()).await.unwrap();
        // On a busy machine the first may be over before the second is asked for; then it is one of its own.
        let runs = if verifier.latest(&everywhere()).unwrap().began == first { 1 } else { 2 };
        let ended = async || loop {
            match verifier.latest(&everywhere()) {
                Some(latest) if latest.stage != Stage::Running => break latest,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let latest = ended().await;
        assert!(matches!(latest.stage, Stage::Done(Verdict::Intact { entries: 9, .. })), "{latest:?}");
        assert_eq!((latest.looked_at, latest.of), (9, 9));
        let recorded = db.read(|tx| tx.query(
            "SELECT outcome FROM audit_entries WHERE action = 'audit.verify'", &[], |row| row.get::<String>(0),
        )).await.unwrap();
        assert_eq!(recorded, vec!["success"; runs], "asked twice while it ran, done once");
        sql(&db, "UPDATE audit_entries SET reason = 'nothing to see' WHERE seq = 4").await;
        verifier.begin(&everywhere()).await.unwrap();
        assert!(matches!(ended().await.stage, Stage::Done(Verdict::Broken(Break { seq: Some(4), .. }))));
    }

    /// 16.4.1: what a stranger wrote cannot forge a line or turn text round.
    async fn an_export_is_lines_of_json_without_invisible_characters(db: Db) {
        fill(&db, 3).await;
        seal_all(&db).await;
        let auditor = Grants::of_roles(ada(), &[(Role::Auditor, Scope::Organisation)]);
        let (text, next) = db
            .read(move |tx| export(tx, &auditor.permit_organisation()?, &Filter::default(), Format::JsonLines, None))
            .await
            .unwrap();
        assert_eq!((text.lines().count(), next), (3, None));
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["user_agent"], "Browser\\u{d}\\u{a}forged: line");
            assert_eq!(value["reason"], "looking\\u{202e} into it");
            assert_eq!(value["hash"].as_str().map(str::len), Some(64));
        }
    }

    async fn refusals_are_written_outside_the_request_and_counted_beyond_twenty(db: Db) {
        let (refusals, writer) = Refusals::new(db.clone());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(writer.run(shutdown.clone()));
        for _ in 0..50 {
            refusals.record(Refusal {
                actor: Actor::anonymous(Some(([203, 0, 113, 9], 5_555).into())),
                workspace: Some(workspace(1)),
                action: "signal.accept",
                target: ("integration", "alertmanager".into()),
                reason: "the token is not one of ours",
            });
        }
        shutdown.cancel();
        task.await.unwrap();
        let auditor = Grants::of_roles(ada(), &[(Role::Auditor, Scope::Organisation)]);
        let page = db
            .read(move |tx| {
                let filter = Filter { outcome: Some(Outcome::Denied), ..Filter::default() };
                list(tx, &auditor.permit_organisation()?, &filter, &PageRequest::default())
            })
            .await
            .unwrap();
        assert_eq!(page.items.len(), 21);
        let counted = page.items.iter().find(|entry| entry.action == "refusals.counted").unwrap();
        assert_eq!(counted.changes, Some(json!({"count": 30})));
        assert_eq!(counted.source_ip.as_deref(), Some("203.0.113.9"));
        seal_all(&db).await;
        assert!(matches!(verdict(&db).await, Verdict::Intact { entries: 21, .. }));
    }
}
