//! One entry changed by hand: conflicts, rehearsal, the text of an entry.

use access::{Authority as _, cap};
use resources::{Draft, Edit, Error, Ground, Outcome, Resources, Upon};
use store::Db;

use crate::house::{self, HOUSE, administrator, apply, auditor, count, lines, open, reader};

async fn stored(resources: &Resources, db: &Db, name: &'static str) -> resources::Stored {
    let resources = resources.clone();
    let read = move |tx: &mut store::Tx<'_>| {
        let demo = resources.workspace(tx, "demo")?;
        resources.get(tx, &reader(), "teams", demo, name)
    };
    db.read(read).await.unwrap().unwrap()
}

async fn demo(resources: &Resources, db: &Db) -> Option<base::WorkspaceId> {
    let resources = resources.clone();
    db.read(move |tx| resources.workspace(tx, "demo")).await.unwrap()
}

async fn save(resources: &Resources, db: &Db, edit: Edit) -> Result<resources::Written, Error> {
    let resources = resources.clone();
    db.write(move |tx| resources.edit(tx, &administrator(), &edit)).await
}

fn on(stored: &resources::Stored, draft: Draft) -> Edit {
    Edit {
        kind: "teams".into(),
        workspace: stored.workspace,
        upon: Upon::Version { key: stored.key.clone(), version: stored.version },
        draft,
        reason: Some("by hand".into()),
        ground: Ground::None,
    }
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &house::TABLES];

    /// E-25, E-11: the text of an entry holds no secret, comes back as the same entry, and keeps what it does not show.
    async fn e_25_a_text_comes_back_as_the_same_entry(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let ops = stored(&resources, &db, "ops").await;
        let text = resources.text("teams", &ops.body).unwrap();
        assert!(text.contains("password:") && text.contains("unchanged: true") && !text.contains("hush"), "{text}");
        let same = resources.read_text("teams", &text).unwrap();
        assert_eq!(save(&resources, &db, on(&ops, same)).await.unwrap().outcome, Outcome::Unchanged);
        let louder = resources.read_text("teams", &text.replace("motto: quietly", "motto: louder")).unwrap();
        let written = save(&resources, &db, on(&ops, louder)).await.unwrap();
        assert_eq!((written.outcome, written.version, written.difference.0.len()), (Outcome::Updated, 2, 1));
        let kept = "SELECT password FROM team_rows WHERE name = 'ops'";
        let kept: String = db.read(move |tx| tx.query_one(kept, &[], |row| row.get(0))).await.unwrap();
        assert_eq!(kept, "hush hush");
        let clear = resources.read_text("teams", "name: ops\nlink: {password: hush}\n").unwrap_err();
        assert!(lines(&clear)[0].starts_with("link.password: a secret is never part of this text"), "{:?}", lines(&clear));
    }

    /// Nobody overwrites what somebody else saved in between.
    async fn a_change_on_an_older_version_is_refused(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let seen = stored(&resources, &db, "ops").await;
        let mut draft = resources.draft_of(&seen).unwrap();
        draft = with(draft, "motto", "first");
        save(&resources, &db, on(&seen, draft.clone())).await.unwrap();
        assert!(matches!(save(&resources, &db, on(&seen, with(draft.clone(), "motto", "second"))).await, Err(Error::Conflict)));
        let renamed = save(&resources, &db, on(&stored(&resources, &db, "ops").await, with(draft.clone(), "name", "other"))).await;
        assert!(lines(&renamed.unwrap_err())[0].starts_with("name: a name stays for ever"));
        let taken = Edit { upon: Upon::Nothing, ..on(&seen, draft) };
        assert!(lines(&save(&resources, &db, taken).await.unwrap_err())[0].starts_with("name: there is one of this name already"));
    }

    /// What is shown before saving is what saving does; and it leaves nothing behind.
    async fn a_rehearsal_says_the_difference_and_writes_nothing(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let before = (count(&db, "resource_versions").await, count(&db, "audit_entries").await);
        let new = Edit {
            kind: "teams".into(),
            workspace: demo(&resources, &db).await,
            upon: Upon::Nothing,
            draft: resources.read_text("teams", "name: night\nmotto: hoot\n").unwrap(),
            reason: None,
            ground: Ground::None,
        };
        let said = resources.rehearse(&administrator(), new.clone()).await.unwrap();
        assert_eq!((said.outcome, said.drawn.len()), (Outcome::Created, 0));
        assert_eq!((count(&db, "resource_versions").await, count(&db, "audit_entries").await), before);
        let done = save(&resources, &db, new).await.unwrap();
        assert_eq!((done.difference, done.outcome), (said.difference, said.outcome));
        let wrong = resources.read_text("teams", "name: day\nmotto: shout\n").unwrap();
        let wrong = Edit { draft: wrong, ..on(&stored(&resources, &db, "night").await, Draft::default()) };
        let wrong = Edit { upon: Upon::Nothing, ..wrong };
        assert_eq!(lines(&resources.rehearse(&administrator(), wrong).await.unwrap_err()), ["motto: speak quietly"]);
    }

    /// E-17: a permit that reads writes nothing; what depends on an entry is named before it goes.
    async fn dependants_are_named_and_rights_are_those_of_the_kind(db: Db) {
        let resources = open(&db).await;
        apply(&resources, HOUSE).await.unwrap();
        let (room, demo) = (resources.clone(), demo(&resources, &db).await);
        let by = db.read(move |tx| room.referrers(tx, &auditor(), "teams", demo, "everyone")).await.unwrap();
        assert_eq!(by, ["teams demo/ops (fallback)"]);
        let ops = stored(&resources, &db, "ops").await;
        let (room, edit) = (resources.clone(), on(&ops, resources.draft_of(&ops).unwrap()));
        let read_only = administrator().also::<cap::ResourcesRead>().unwrap();
        assert!(read_only.require(access::Capability::ResourcesApply).is_ok());
        let refused = db.write(move |tx| room.edit(tx, &read_only, &edit)).await;
        assert!(matches!(refused, Err(Error::WrongRight)), "{refused:?}");
    }
}

/// The same draft with another value in a plain field.
fn with(draft: Draft, field: &str, value: &str) -> Draft {
    let mut body = draft.body().clone();
    body[field] = value.into();
    draft.with_body(body)
}
