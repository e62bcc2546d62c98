//! A person of several identities, at one provider and at two: roles by groups are what all of them together give.

use federation::{Arrived, Error};
use identity::Session;

use crate::house::{House, open};

const MAPPED: &str = "    accounts: mapped\n    group_roles:\n      - { group: night, role: on_call, workspace: ops }\n      \
                      - { group: looks, role: observer }\n";

/// Links one more identity of the provider with an account.
async fn link(house: &House, user: base::UserId, subject: &'static str) {
    let federation = house.federation.clone();
    house
        .db
        .write(move |tx| -> Result<(), Error> {
            let grants = access::Grants::of_operator(access::Actor::os("root", "host1"));
            federation.link_for(tx, &grants.permit_organisation()?, user, "corp", subject)
        })
        .await
        .unwrap();
}

async fn unlink_own(house: &House, session: &Session, subject: &'static str) -> Result<(), Error> {
    let (federation, session) = (house.federation.clone(), session.clone());
    house.db.write(move |tx| federation.unlink_own(tx, &session, "corp", subject)).await
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// Two identities at one provider: neither takes what the other gives, and what one gave goes with it, audited.
    async fn two_identities_at_one_provider_give_what_both_give(db: store::Db) {
        let house = open(&db).await;
        house.configure(MAPPED).await;
        let (bea, first) = house.sign_on("bea", &["night"]).await.unwrap();
        link(&house, bea.user, "bea-admin").await;
        assert!(house.is_in(&first).await, "a link alone gives nothing yet");
        let (second, token) = house.sign_on("bea-admin", &["looks"]).await.unwrap();
        assert_eq!((second.user, house.roles(bea.user).await), (bea.user, vec!["on_call".to_owned(), "observer".to_owned()]));
        assert!(!house.is_in(&first).await && house.is_in(&token).await, "other rights, other session");
        // Signing on with either one changes nothing now.
        let (_, again) = house.sign_on("bea", &["night"]).await.unwrap();
        assert_eq!(house.roles(bea.user).await, ["on_call", "observer"]);
        assert!(house.is_in(&token).await && house.is_in(&again).await);
        // A mapping that goes takes from whoever had it by any identity.
        house.configure("    accounts: mapped\n    group_roles:\n      - { group: looks, role: observer }\n").await;
        assert_eq!(house.roles(bea.user).await, ["observer"]);
        house.configure(MAPPED).await;
        assert_eq!(house.roles(bea.user).await, ["on_call", "observer"]);
        // What one gave goes with it, and no more.
        let (live, token) = house.sign_on("bea", &["night"]).await.unwrap();
        unlink_own(&house, &live, "bea-admin").await.unwrap();
        assert_eq!(house.roles(bea.user).await, ["on_call"]);
        assert!(!house.is_in(&token).await);
        let reasons = house.texts("SELECT reason FROM audit_entries WHERE action = 'user.roles_mapped' ORDER BY id").await;
        assert_eq!(reasons.len(), 5, "{reasons:?}");
        assert!(reasons[4].contains("an identity of corp was removed") && reasons[2].contains("give other roles"), "{reasons:?}");
    }

    /// The last way in is the last one that is open: a provider that is switched off opens nothing, nor does a password where
    /// a provider is the only way in.
    async fn the_last_way_in_stays(db: store::Db) {
        let house = open(&db).await;
        let off = "  - { name: off, issuer: 'https://off.example', client_id: x, client_auth: none, enabled: false }\n";
        house.apply(&format!("{}{off}", house.configured("    accounts: everyone\n"))).await.unwrap();
        let (ada, token) = house.ada().await;
        link(&house, ada.user, "ada").await;
        let federation = house.federation.clone();
        house.db.write(move |tx| -> Result<(), Error> {
            let grants = access::Grants::of_operator(access::Actor::os("root", "host1"));
            federation.link_for(tx, &grants.permit_organisation()?, ada.user, "off", "ada")
        }).await.unwrap();
        // With a password she may go without, and link it again.
        unlink_own(&house, &ada, "ada").await.unwrap();
        let way = house.begin(Some(ada.user)).await;
        house.says(&house.claims(&way, "ada", &[]));
        let linked = house.finish_with(&way, house.answer(&way), Some((ada.clone(), token.clone()))).await.unwrap();
        assert!(matches!(linked, Arrived::Linked { .. }));
        // Somebody without a password keeps the one that opens: the other provider is switched off.
        let (bea, _) = house.sign_on("bea", &[]).await.unwrap();
        let federation = house.federation.clone();
        house.db.write(move |tx| -> Result<(), Error> {
            let grants = access::Grants::of_operator(access::Actor::os("root", "host1"));
            federation.link_for(tx, &grants.permit_organisation()?, bea.user, "off", "bea")
        }).await.unwrap();
        assert!(matches!(unlink_own(&house, &bea, "bea").await, Err(Error::LastWay)));
        link(&house, bea.user, "bea-two").await;
        unlink_own(&house, &bea, "bea").await.unwrap();
        assert!(matches!(unlink_own(&house, &bea, "bea-two").await, Err(Error::LastWay)));
        // Where the provider is the only way in, a password that opens nothing is no way either.
        house.apply("users:\n  - { name: Cyd, login: cyd@example.com, roles: [{ role: administrator }] }\n  - { name: Ada Sample, login: ada@example.com, \
             roles: [{ role: administrator }] }\n  - { name: Bea Sample, login: bea@example.com }\n").await.unwrap();
        let cyd = house.with_password("cyd@example.com").await;
        house.apply("sign_in:\n  - only_provider: corp\n    break_glass: [cyd@example.com]\n").await.unwrap();
        assert!(matches!(unlink_own(&house, &ada, "ada").await, Err(Error::LastWay)), "her password opens nothing now");
        link(&house, cyd.user, "cyd").await;
        unlink_own(&house, &cyd, "cyd").await.unwrap();
    }

    /// Another issuer is another provider: what was proven of the one before says nothing of it, nor who was who there.
    async fn another_issuer_has_to_be_seen_to_work_anew(db: store::Db) {
        let house = open(&db).await;
        house.configure(MAPPED).await;
        house.ada().await;
        let (bea, token) = house.sign_on("bea", &["night"]).await.unwrap();
        let only = "sign_in:\n  - only_provider: corp\n    break_glass: [ada@example.com]\n";
        house.apply(only).await.unwrap();
        let moved = house.configured(MAPPED).replace(&house.issuer, "https://elsewhere.example");
        let refused = crate::house::lines(&house.apply(&moved).await.unwrap_err());
        assert!(refused.contains("issuer: this is the only way in"), "{refused}");
        house.apply("sign_in:\n  - break_glass: []\n").await.unwrap();
        house.apply(&moved).await.unwrap();
        let refused = crate::house::lines(&house.apply(only).await.unwrap_err());
        assert!(refused.contains("nobody has signed in with this provider yet"), "{refused}");
        assert!(house.roles(bea.user).await.is_empty() && !house.is_in(&token).await);
    }
}
