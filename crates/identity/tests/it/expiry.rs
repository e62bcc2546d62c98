//! Letters about credentials that end soon, over a mail server that we did not write.

use std::sync::Arc;
use std::time::Duration;

use base::ManualClock;
use mail::Mail;
use store::{Db, Worker};
use testkit::{MailMode, MailServer};

use crate::house::{self, House, open_with_mail};

const HOUSE: &str = "
workspaces: [{slug: demo, environment: development}, {slug: other, environment: development}]
users:
  - {name: Ada Sample, login: ada@example.com, roles: [{role: administrator}]}
  - {name: Wim Sample, login: wim@example.com, roles: [{role: workspace_administrator, workspace: demo}]}
  - {name: Oda Sample, login: oda@example.com, roles: [{role: workspace_administrator, workspace: other}]}
  - {name: Dev Sample, login: dev@example.com, roles: [{role: developer, workspace: demo}]}
api_keys:
  - {workspace: demo, name: billing, scopes: ['messages:send'], expires_days: 30, token: {env: ONE}}
";

const DAY: Duration = Duration::from_hours(24);

async fn remind(house: &House, mail: &Mail) -> u64 {
    let written = house.identity.remind_of_ends().await.unwrap();
    house.identity.work(mail.work(Worker::new(house.db.clone()))).drain().await.unwrap();
    written
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// fourteen days and three days before, once each, to those who can do something about it.
    async fn x_22_who_manages_keys_is_told_before_they_end(db: Db, clock: Arc<ManualClock>) {
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        house.apply(HOUSE).await.unwrap();
        assert_eq!(remind(&house, &mail).await, 0, "30 days are long");
        clock.advance(DAY * 16);
        assert_eq!(remind(&house, &mail).await, 2, "Ada and Wim; neither who manages keys elsewhere nor who manages none");
        let letters = server.until(2);
        let mut to: Vec<&str> = letters.iter().filter_map(|one| one["to"][0].as_str()).collect();
        to.sort_unstable();
        assert_eq!(to, ["ada@example.com", "wim@example.com"]);
        let said = letters[0]["text"].as_str().unwrap().replace("=\r\n", "").replace("=\n", "");
        assert!(said.contains("billing") && said.contains("demo") && said.contains("14 days"), "{said}");
        assert!(!said.contains(house::ONE), "no letter holds a credential");
        // Once, also by another node and after a restart.
        assert_eq!(remind(&house, &mail).await, 0);
        let (restarted, mail) = open_with_mail(&db, &server).await;
        clock.advance(DAY);
        assert_eq!(remind(&restarted, &mail).await, 0);
        // Three days before once more; a second key that comes near meanwhile has its own letter, which names both.
        let two = format!("{HOUSE}  - {{workspace: demo, name: night, scopes: ['messages:send'], expires_days: 18, token: {{env: TWO}}}}\n");
        house.apply(&two).await.unwrap();
        clock.advance(DAY * 4);
        assert_eq!(remind(&restarted, &mail).await, 2);
        let both = server.until(4).remove(3)["text"].as_str().unwrap().replace("=\r\n", "").replace("=\n", "");
        assert!(both.contains("billing") && both.contains("night"), "{both}");
        clock.advance(DAY * 6);
        assert_eq!(remind(&restarted, &mail).await, 2, "three days before billing");
        assert_eq!(remind(&restarted, &mail).await, 0);
        let told = house.texts("SELECT action FROM audit_entries WHERE action = 'credentials.remind'").await;
        assert_eq!(told.len(), 6);
        // What has ended is said on the pages; no letter follows it.
        clock.advance(DAY * 30);
        assert_eq!(remind(&restarted, &mail).await, 0);
    }

    async fn without_a_mail_server_nothing_is_noted_as_told(db: Db, clock: Arc<ManualClock>) {
        let house = house::open(&db).await;
        house.apply(HOUSE).await.unwrap();
        clock.advance(DAY * 28);
        assert_eq!(house.identity.remind_of_ends().await.unwrap(), 0);
        assert_eq!(house.count("expiry_letters").await, 0);
        // Switched on later, they hear of it, and in one letter.
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        assert_eq!(remind(&house, &mail).await, 2);
    }
}
