//! Nobody becomes more than they are by setting up how people sign in.

use access::Capability::{ResourcesApply, ResourcesRead, SignInManage};
use federation::Error;

use crate::house::{House, lines, open};

const MAPPED: &str = "    group_roles:\n      - { group: admins, role: administrator }\n";

async fn link_as(house: &House, capabilities: &[access::Capability], user: base::UserId) -> Result<(), Error> {
    let role = access::CustomRole {
        id: uuid::Uuid::from_u128(8).into(),
        name: "doorkeeper".into(),
        capabilities: capabilities.iter().copied().collect(),
        workspace: None,
    };
    let held = access::Held {
        role: access::HeldRole::Custom(role.into()),
        scope: access::Scope::Organisation,
        groups: Vec::new(),
    };
    let federation = house.federation.clone();
    house
        .db
        .write(move |tx| -> Result<(), Error> {
            let grants = access::Grants::of_roles(access::Actor::os("eve", "host1"), std::slice::from_ref(&held));
            federation.link_for(tx, &grants.permit_organisation()?, user, "corp", "mallory")
        })
        .await
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// E-17: `sign_in:manage` alone makes nobody an administrator, by no group and by no identity.
    async fn e_17_who_sets_up_sign_on_gives_no_more_than_they_hold(db: store::Db) {
        let house = open(&db).await;
        let theirs = [SignInManage, ResourcesApply, ResourcesRead, access::Capability::WorkspaceWrite];
        let refused = lines(&house.apply_with(&house.configured(MAPPED), &theirs).await.unwrap_err());
        assert!(refused.contains("group_roles[0].role: it gives ") && refused.contains("you do not hold that yourself"), "{refused}");
        // What an administrator configured stays when they change a word of it.
        house.configure(MAPPED).await;
        let label = format!("{MAPPED}    second_factor: trust\n");
        house.apply_with(&house.configured(&label), &theirs).await.unwrap();
        // Not when another claim, client or issuer would decide who is in the group.
        for other in [format!("{MAPPED}    groups_claim: name\n"), format!("{MAPPED}    algorithms: [RS256]\n")] {
            let refused = lines(&house.apply_with(&house.configured(&other), &theirs).await.unwrap_err());
            assert!(refused.contains("group_roles[0].role"), "{refused}");
        }
        for (old, new) in [("client_id: loudhailer", "client_id: mine"), (house.issuer.as_str(), "https://mine.example")] {
            let refused = lines(&house.apply_with(&house.configured(MAPPED).replace(old, new), &theirs).await.unwrap_err());
            assert!(refused.contains("group_roles[0].role"), "{refused}");
        }
        let wider = format!("{MAPPED}      - {{ group: mine, role: security_officer }}\n");
        let refused = lines(&house.apply_with(&house.configured(&wider), &theirs).await.unwrap_err());
        assert!(refused.contains("group_roles[1].role") && !refused.contains("group_roles[0]"), "{refused}");
    }

    /// An identity of one's own at somebody else's account is that account.
    async fn e_17_an_identity_is_linked_with_nobody_who_may_more(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (ada, _) = house.ada().await;
        let refused = link_as(&house, &[SignInManage], ada.user).await.unwrap_err();
        assert!(matches!(refused, Error::Identity(identity::Error::Denied(_))), "{refused:?}");
        assert!(house.texts("SELECT subject FROM linked_identities").await.is_empty());
        let (bea, _) = house.sign_on("bea", &[]).await.unwrap();
        link_as(&house, &[SignInManage], bea.user).await.unwrap();
    }
}
