//! A provider as the only way in, and the accounts for emergencies beside it.

use base::SecretString;
use identity::{Error, LogIn};

use crate::house::{House, PASSWORD, from, lines, open};

const ONLY: &str = "sign_in:\n  - only_provider: corp\n    break_glass: [ada@example.com]\n";
const OPEN: &str = "sign_in:\n  - break_glass: []\n";

async fn log_in(house: &House, login: &str) -> Result<(), Error> {
    let given = LogIn { login: login.into(), password: SecretString::from(PASSWORD), device: None, session: None };
    house.identity.login(given, &from("192.0.2.1")).await.map(drop)
}

const BOB: &str = "users:\n  - { name: Bob, login: bob@example.com }\n  - { name: Ada Sample, login: ada@example.com, roles: \
                   [{ role: administrator }] }\n";

/// An invitation for Bob.
async fn invited(house: &House) -> SecretString {
    let identity = house.identity.clone();
    let link = house
        .db
        .write(move |tx| {
            let user =
                tx.query_one("SELECT id FROM users WHERE login = 'bob@example.com'", &[], |row| row.get("id"))?;
            let grants = access::Grants::of_operator(access::Actor::os("root", "host1"));
            identity.invite_link(tx, &grants.permit_organisation::<access::cap::PeopleWrite>()?, user)
        })
        .await
        .unwrap();
    link.secret
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// with a provider as the only way in, passwords open the accounts for emergencies alone, and that is told.
    async fn x_11_passwords_open_break_glass_accounts_alone(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        house.ada().await;
        house.apply(BOB).await.unwrap();
        house.identity.accept_invite(invited(&house).await, SecretString::from(PASSWORD), &from("192.0.2.1")).await.unwrap();
        // Not before it was seen to work.
        let refused = lines(&house.apply(ONLY).await.unwrap_err());
        assert!(refused.contains("only_provider: nobody has signed in with this provider yet"), "{refused}");
        house.sign_on("cyd", &[]).await.unwrap();
        house.apply(ONLY).await.unwrap();
        assert!(matches!(log_in(&house, "bob@example.com").await, Err(Error::BadLogin)));
        let refusals = house.refusals().await;
        assert!(refusals.last().unwrap().contains("no break-glass account"), "{refusals:?}");
        let invited = invited(&house).await;
        let refused = house.identity.accept_invite(invited, SecretString::from(PASSWORD), &from("192.0.2.1")).await;
        assert!(matches!(refused, Err(Error::PasswordsClosed)));
        log_in(&house, "ada@example.com").await.unwrap();
        assert_eq!(house.texts("SELECT action FROM audit_entries WHERE action LIKE 'break_glass%'").await, ["break_glass.use"]);
        let since = db.context().now().minus(std::time::Duration::from_hours(1));
        let used = db.read(move |tx| identity::break_glass_used(tx, since)).await.unwrap();
        assert_eq!(used[0].1, "Ada Sample");
        house.sign_on("cyd", &[]).await.unwrap();
        house.apply(OPEN).await.unwrap();
        log_in(&house, "bob@example.com").await.unwrap();
        assert_eq!(house.texts("SELECT action FROM audit_entries WHERE action LIKE 'break_glass%'").await.len(), 1);
    }

    /// Nobody locks everybody out: the provider stays, and so does an account that needs none.
    async fn the_way_in_cannot_be_taken_away(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        house.ada().await;
        house.sign_on("cyd", &[]).await.unwrap();
        for (accounts, because) in [("[]", "name at least one"), ("[cyd@example.com]", "name at least one")] {
            let yaml = ONLY.replace("[ada@example.com]", accounts);
            let refused = lines(&house.apply(&yaml).await.unwrap_err());
            assert!(refused.contains(because), "{refused}");
        }
        house.apply(ONLY).await.unwrap();
        let off = house.apply(&house.configured("    enabled: false\n    accounts: everyone\n")).await.unwrap_err();
        assert!(lines(&off).contains("only way in"), "{}", lines(&off));
        let ada = "users:\n  - { name: Ada Sample, login: ada@example.com, roles: [], enabled: true }\n";
        assert!(lines(&house.apply(ada).await.unwrap_err()).contains("last administrator"));
    }
}
