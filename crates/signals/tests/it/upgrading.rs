//! An update of the product changes no sender's credential: tokens drawn by the version before prove their senders after it.

use base::{IntegrationId, WorkspaceId};
use signals::{Auth, SignalState};
use store::{Db, Migrations, params};
use vault::{KeyFile, Vault};

use crate::world::{PAGES, World, url};

const TOKEN: &str = "imported-token-of-long-ago-00001";

/// The other rooms, as they are; this room's steps are added.
fn rooms(steps: usize) -> Vec<Migrations> {
    let signals = Migrations { room: "signals", steps: &signals::MIGRATIONS.steps[..steps] };
    let mut rooms = vec![access::MIGRATIONS, audit::MIGRATIONS, vault::MIGRATIONS, resources::MIGRATIONS];
    rooms.extend([identity::MIGRATIONS, flows::MIGRATIONS, signals, PAGES]);
    rooms
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &identity::MIGRATIONS,
        &flows::MIGRATIONS, &PAGES];

    async fn tokens_of_the_version_before_still_count(db: Db) {
        db.migrate(&rooms(1)).await.unwrap();
        let keys = KeyFile::parse("1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let hash = Vault::unlock(db.clone(), keys).await.unwrap().token_hash(TOKEN).to_vec();
        let (id, workspace): (IntegrationId, WorkspaceId) = (db.context().id(), db.context().id());
        db.write(move |tx| {
            tx.execute(
                "INSERT INTO integrations (id, workspace, name, auth, mapping, flow, flow_name, enabled, rate, changed, removed)
                 VALUES ($1, $2, 'old', '[\"url_token\"]', 'generic', $3, 'page', TRUE, 600, 1, FALSE)",
                &params![id, workspace, uuid::Uuid::nil().to_string()],
            )?;
            tx.execute(
                "INSERT INTO integration_tokens (integration, hash, imported, created) VALUES ($1, $2, TRUE, 1)",
                &params![id, hash.clone()],
            )
        })
        .await
        .unwrap();

        db.migrate(&rooms(signals::MIGRATIONS.steps.len())).await.unwrap();
        let mut world = World::over(db).await;
        world.workspace = workspace;
        let listed = world.signals.integration(&world.permit(), id).await.unwrap().unwrap();
        assert_eq!((listed.user, listed.keep_days, listed.rotation_hours), (id.to_string(), 90, 24));
        let [credential] = listed.credentials.as_slice() else { panic!("{:?}", listed.credentials) };
        assert_eq!((credential.method, credential.origin.as_str()), (Auth::UrlToken, "imported"));
        world.signals.accept(world.request("old", url(TOKEN), "{}").await).await.unwrap();
        assert_eq!(world.activity().await[0].state, SignalState::Accepted);
    }
}
