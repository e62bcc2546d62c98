//! Tokens of one issuer that several workspaces trust: each hears of those that are meant for it, and of no others.

use identity::{Audience, Caller};
use issuers::Issuers;
use outbound::{Guarded, Rules};
use serde_json::json;
use store::Db;
use testkit::Signer;

use crate::house::{self, House, from, open, secret};

/// Nothing listens there, and nobody may ask: each entry that is looked at writes that down.
const ISSUER: &str = "https://127.0.0.1:1";

const TWO: &str = "
workspaces: [{slug: demo, environment: development}, {slug: other, environment: development}]
token_issuers:
  - {workspace: demo, name: builds, issuer: 'https://127.0.0.1:1', audiences: [of-demo], rules: [{claims: {sub: a}, scopes: ['alerts:read']}]}
  - {workspace: other, name: theirs, issuer: 'https://127.0.0.1:1', audiences: [of-other], rules: [{claims: {sub: a}, scopes: ['alerts:read']}]}
";

async fn house(db: &Db) -> House {
    let house = open(db).await;
    house.identity.ask_issuers(Issuers::new(Guarded::new(Rules::default()), db.context().clone()));
    house
}

/// Shows a token for this audience, and says which entries heard of it.
async fn heard(house: &House, audience: &str) -> Vec<String> {
    let ends = house.db.context().now().as_millis() / 1_000 + 300;
    let token =
        Signer::ec("one", "P-256").token("ES256", &json!({ "iss": ISSUER, "sub": "a", "aud": audience, "exp": ends }));
    let caller: Caller = from("192.0.2.7");
    let grants = house.identity.by_bearer(&secret(&token), Audience::Api, &caller).await.unwrap();
    assert!(grants.is_none(), "its keys cannot be had");
    house.texts("SELECT name || ': ' || last_refusal AS said FROM token_issuers WHERE last_refusal IS NOT NULL ORDER BY name").await
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// a token for one workspace writes nothing into another's entry, and does not wait for its keys.
    async fn x_11_only_the_entry_that_a_token_is_meant_for_hears_of_it(db: Db) {
        let house = house(&db).await;
        house.apply(TWO).await.unwrap();
        assert!(heard(&house, "of-nobody").await.is_empty(), "which of the two was meant is not for us to guess");
        let said = heard(&house, "of-demo").await;
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("builds: "), "{said:?}");
    }

    /// Where there is one entry alone, it was meant: whoever set it up with a wrong audience sees so.
    async fn an_entry_alone_hears_of_a_wrong_audience(db: Db) {
        let house = house(&db).await;
        let one = TWO.lines().filter(|line| !line.contains("theirs")).collect::<Vec<_>>().join("\n");
        house.apply(&one).await.unwrap();
        assert_eq!(heard(&house, "of-nobody").await, ["builds: the token is meant for another audience"]);
    }
}
