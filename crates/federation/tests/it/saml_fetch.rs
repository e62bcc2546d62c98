//! Metadata whose time is over.

use std::time::Duration;

use crate::forge::{IDP, ISSUER};
use crate::house::{lines, open};
use crate::saml_keys::metadata;

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// Entered metadata whose time is over keeps nobody from other changes, and is not entered anew.
    async fn metadata_that_ran_out_blocks_no_change(db: store::Db, clock: std::sync::Arc<base::ManualClock>) {
        let house = open(&db).await;
        let until = house.db.context().now().plus(Duration::from_hours(1)).rfc3339();
        let text = metadata(IDP.own.certificate()).replacen(" entityID", &format!(" validUntil=\"{until}\" entityID"), 1);
        let file = |beside: &str, text: &str| {
            format!(
                "identity_providers:\n  - name: corp\n    kind: saml\n    issuer: {ISSUER}\n{beside}    saml:\n      metadata: '{}'\n",
                text.replace('\n', " ")
            )
        };
        house.apply(&file("", &text)).await.unwrap();
        let known = house.texts("SELECT facts FROM saml_providers").await;
        clock.advance(Duration::from_hours(2));
        house.apply(&file("    label: Corporate\n", &text)).await.unwrap();
        assert_eq!(house.texts("SELECT facts FROM saml_providers").await, known, "it is known as it was");
        house.apply(&file("    enabled: false\n", &text)).await.unwrap();
        let other = text.replace("idp.example.com/post", "idp.example.com/other");
        let refused = lines(&house.apply(&file("", &other)).await.unwrap_err());
        assert!(refused.contains("it ran out (validUntil)"), "{refused}");
    }
}
