//! What the charts of integrations are drawn from.

use std::sync::Arc;
use std::time::Duration;

use base::ManualClock;
use signals::Volume;
use store::Db;

use crate::world::{PAGES, World, url};

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &identity::MIGRATIONS,
        &flows::MIGRATIONS, &signals::MIGRATIONS, &PAGES];

    async fn what_came_is_counted_between_borders(db: Db, clock: Arc<ManualClock>) {
        let world = World::new(db.clone()).await;
        let quarter = 15 * 60 * 1_000_000;
        let start = base::Timestamp::from_micros(db.context().now().as_micros() / quarter * quarter);
        let borders: Vec<_> = (0..4).map(|hour| start.plus(Duration::from_hours(hour))).collect();
        world.send(r#"{"title": "one"}"#).await.unwrap();
        clock.advance(Duration::from_hours(1));
        for title in ["two", "three"] {
            world.send(&format!(r#"{{"title": "{title}"}}"#)).await.unwrap();
        }
        world.signals.accept(world.request("prometheus", url("imported-token-of-prometheus-0002"), "{}").await).await.unwrap_err();
        world.activity_of(4).await;
        let id = world.id("prometheus").await;
        let permit = world.permit();
        let counted = |of| world.signals.volumes(&permit, of, borders.clone());
        for of in [None, Some(id)] {
            let all = counted(of).await.unwrap();
            let volume = |accepted, refused| Volume { accepted, refused };
            assert_eq!(all[&id], [volume(1, 0), volume(2, 1), volume(0, 0)], "{of:?}");
        }
        assert!(counted(Some(world.id("keyed").await)).await.unwrap().is_empty());
        let elsewhere = access::Grants::of_operator(access::Actor::os("test", "here"));
        let foreign: base::WorkspaceId = db.context().id();
        assert!(world.signals.volumes(&elsewhere.permit(foreign).unwrap(), None, borders.clone()).await.unwrap().is_empty());
        assert!(world.signals.volumes(&world.permit(), None, Vec::new()).await.unwrap().is_empty());
        let names = world.signals.mappings(&world.permit()).await.unwrap();
        assert!(names.iter().any(|name| name == "alertmanager") && names.iter().any(|name| name == "generic"), "{names:?}");
    }
}
