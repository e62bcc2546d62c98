//! The tables of this room on both databases.

use base::{Explain, UserId, WorkspaceId};
use store::Db;
use uuid::Uuid;

use super::*;

fn made(n: u128, slug: &str) -> Workspace {
    Workspace {
        id: WorkspaceId::from(Uuid::from_u128(n)),
        slug: slug.parse().unwrap(),
        environment: Environment::Production,
        name: format!("The {slug}"),
        time_zone: "Europe/London".into(),
        controlled: true,
    }
}

async fn put(db: &Db, made: Workspace) -> Result<(), Error> {
    db.write(move |tx| {
        let now = tx.now();
        put_workspace(tx, &made, now)
    })
    .await
}

testdb::both_databases! {
    migrations = [&MIGRATIONS];

    async fn there_is_one_organisation(db: Db) {
        assert_eq!(db.read(organisation).await.unwrap(), None);
        let ctx = db.context().clone();
        let found = |name: &'static str| {
            let (db, ctx) = (db.clone(), ctx.clone());
            async move { db.write(move |tx| ensure_organisation(tx, &ctx, name)).await.unwrap() }
        };
        let first = found("Sample").await;
        assert_eq!(found("Other").await, first);
        db.write(|tx| rename_organisation(tx, "Sample & Co")).await.unwrap();
        let renamed = db.read(organisation).await.unwrap().unwrap();
        assert_eq!((renamed.id, renamed.name.as_str()), (first.id, "Sample & Co"));
    }

    async fn a_workspace_is_found_by_its_slug_in_any_case(db: Db) {
        put(&db, made(1, "Acme_QA")).await.unwrap();
        put(&db, made(2, "demo")).await.unwrap();
        let find = |slug: &'static str| {
            let db = db.clone();
            async move { db.read(move |tx| workspace_by_slug(tx, slug)).await.unwrap() }
        };
        assert_eq!(find("acme_qa").await, Some(made(1, "Acme_QA")));
        assert_eq!(find("ACME_QA").await.map(|found| found.slug.to_string()), Some("Acme_QA".into()));
        assert_eq!(find("nobody").await, None);
        assert_eq!(find("' OR 1=1 --").await, None);
        let all = db.read(workspaces).await.unwrap();
        assert_eq!(all.iter().map(|one| one.slug.as_str()).collect::<Vec<_>>(), ["Acme_QA", "demo"]);
        let changed = Workspace { name: "New name".into(), controlled: false, ..made(1, "Acme") };
        put(&db, changed.clone()).await.unwrap();
        assert_eq!(db.read(|tx| workspace(tx, Uuid::from_u128(1).into())).await.unwrap(), Some(changed));
        assert_eq!(find("acme_qa").await, None);
    }

    /// E-16: an archived workspace keeps its slug, so that old keys and URLs never reach another.
    async fn e_16_a_slug_is_never_reused(db: Db) {
        put(&db, made(1, "demo")).await.unwrap();
        let taken = put(&db, made(2, "DEMO")).await.unwrap_err();
        assert!(matches!(taken, Error::SlugTaken(_)), "{taken}");
        assert_eq!(taken.problem().field.as_deref(), Some("slug"));
        let archive = || db.write(|tx| {
            let now = tx.now();
            archive_workspace(tx, Uuid::from_u128(1).into(), now)
        });
        assert!(archive().await.unwrap());
        assert!(!archive().await.unwrap());
        assert_eq!(db.read(|tx| workspace_by_slug(tx, "demo")).await.unwrap(), None);
        assert!(matches!(put(&db, made(2, "demo")).await, Err(Error::SlugTaken(_))));
        put(&db, made(1, "demo")).await.unwrap();
        assert!(db.read(|tx| workspace_by_slug(tx, "demo")).await.unwrap().is_some(), "the same one may come back");
    }

    async fn roles_are_kept_exactly_as_given(db: Db) {
        let user: UserId = Uuid::from_u128(7).into();
        let here = Scope::Workspace(Uuid::from_u128(1).into());
        let set = |roles: Vec<(Role, Scope)>| {
            let db = db.clone();
            async move {
                db.write(move |tx| {
                    let now = tx.now();
                    set_roles(tx, user, &roles, now)
                })
                .await
                .unwrap()
            }
        };
        let administrators = || async { db.read(count_administrators).await.unwrap() };
        assert_eq!(administrators().await, 0);
        assert!(set(vec![(Role::Administrator, Scope::Organisation), (Role::OnCall, here), (Role::OnCall, here)]).await);
        assert!(!set(vec![(Role::OnCall, here), (Role::Administrator, Scope::Organisation)]).await, "nothing changed");
        assert_eq!(administrators().await, 1);
        assert!(set(vec![(Role::Administrator, here)]).await);
        assert_eq!(administrators().await, 0, "an administrator of one workspace is none of the organisation");
        let grants = db
            .read(move |tx| grants_of_user(tx, user, Actor::engine("test")))
            .await
            .unwrap();
        assert!(grants.permit::<cap::ApiKeysManage>(Uuid::from_u128(1).into()).is_ok());
        assert!(grants.permit::<cap::ApiKeysManage>(Uuid::from_u128(2).into()).is_err());
        assert!(set(Vec::new()).await);
        assert_eq!(db.read(move |tx| roles_of(tx, user)).await.unwrap(), []);
    }

    /// Rows of before the new names are read as what they are called now, and go when the role goes.
    async fn names_of_before_live_on(db: Db) {
        let user: UserId = Uuid::from_u128(7).into();
        let before = |role: &'static str| db.write(move |tx| {
            tx.execute(
                "INSERT INTO role_assignments (user_id, role, scope, granted_at) VALUES ($1, $2, 'organisation', 0)",
                &store::params![user, role],
            )?;
            Ok::<_, Error>(())
        });
        for role in ["responder", "viewer", "from_the_future"] {
            before(role).await.unwrap();
        }
        let now: Vec<Held> = [Role::OnCall, Role::Observer].map(|role| (role, Scope::Organisation).into()).into();
        assert_eq!(db.read(move |tx| roles_of(tx, user)).await.unwrap(), now, "what is not known gives nothing");
        let set = |roles: Vec<(Role, Scope)>| db.write(move |tx| {
            let now = tx.now();
            set_roles(tx, user, &roles, now)
        });
        assert!(set(vec![(Role::OnCall, Scope::Organisation)]).await.unwrap());
        assert!(!set(vec![(Role::OnCall, Scope::Organisation)]).await.unwrap(), "the same role under its new name");
        assert!(set(Vec::new()).await.unwrap());
        let rows = db
            .read(|tx| tx.query_one("SELECT COUNT(*) AS rows FROM role_assignments", &[], |row| row.get::<i64>("rows")))
            .await;
        assert_eq!(rows.unwrap(), 0);
    }

    async fn custom_roles_and_supervisors_are_read_with_the_roles(db: Db) {
        let user: UserId = Uuid::from_u128(7).into();
        let home: WorkspaceId = Uuid::from_u128(1).into();
        let group: base::GroupId = Uuid::from_u128(30).into();
        let night = CustomRole {
            id: Uuid::from_u128(9).into(),
            name: "night".into(),
            capabilities: [Capability::AlertsAnswer, Capability::MessagesSend].into_iter().collect(),
            workspace: None,
        };
        let wanted = night.clone();
        db.write(move |tx| {
            let now = tx.now();
            put_custom_role(tx, &wanted, now)?;
            let roles = [
                (RoleRef::Custom(wanted.id), Scope::Workspace(home)),
                (RoleRef::Ready(Role::Supervisor), Scope::Workspace(home)),
            ];
            set_roles(tx, user, &roles, now)?;
            set_supervisors(tx, home, group, &[user])
        })
        .await
        .unwrap();
        let roles = db.read(move |tx| roles_of(tx, user)).await.unwrap();
        assert_eq!(roles.iter().map(|held| held.role.name()).collect::<Vec<_>>(), ["supervisor", "night"]);
        assert_eq!(roles[0].groups, [group]);
        let grants = Grants::of_roles(Actor::engine("test"), &roles);
        assert!(grants.may(Capability::MessagesSend, home));
        assert!(grants.reaches(Capability::GroupsWrite, home, group.uuid().into()));
        assert_eq!(db.read(move |tx| holders_of(tx, night.id.into())).await.unwrap(), [(user, Scope::Workspace(home))]);
        db.write(move |tx| remove_custom_role(tx, night.id)).await.unwrap();
        assert_eq!(db.read(move |tx| roles_of(tx, user)).await.unwrap().len(), 1);
    }
}
