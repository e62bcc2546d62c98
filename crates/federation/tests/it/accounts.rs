//! Accounts: made for somebody, linked by somebody, and the roles that come and go with groups.

use federation::{Arrived, Error, Purpose};

use crate::house::{from, open, shown};

const MAPPED: &str = "    accounts: mapped\n    group_roles:\n      - { group: night, role: on_call, workspace: ops }\n      \
                      - { group: admins, role: administrator }\n";

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS,
        &federation::MIGRATIONS];

    /// what is sent to the provider, and what comes of its answer.
    async fn x_11_a_first_sign_on_makes_an_account(db: store::Db) {
        let house = open(&db).await;
        house.configure(MAPPED).await;
        let way = house.begin(None).await;
        for part in [
            "/auth?prompt=x&response_type=code&client_id=loudhailer",
            "redirect_uri=https%3A%2F%2Fgateway.example.com%2Fsso%2Fcorp%2Fcallback",
            "scope=openid+profile+email",
            "code_challenge_method=S256",
            "login_hint=ada",
            "max_age=43200",
        ] {
            assert!(way.location.contains(part), "{part} in {}", way.location);
        }
        assert!(!way.location.contains(shown(&way.token)), "the cookie's secret is never in a URL");
        house.says(&house.claims(&way, "bea", &["night", "other"]));
        let arrived = house.finish(&way, house.answer(&way)).await.unwrap();
        let Arrived::In { entered, next } = arrived else { panic!("{arrived:?}") };
        let entered = entered.into_session().unwrap();
        assert_eq!((entered.session.name.as_str(), next.as_str()), ("Bea Sample", "/w/ops"));
        assert_eq!(house.roles(entered.session.user).await, ["on_call"]);
        assert!(house.is_in(&entered.token).await);
        // The exchange proved itself, and showed the verifier.
        let seen = house.receiver.seen();
        let exchange = seen.iter().find(|one| one.path == "/token").unwrap();
        let body = String::from_utf8(exchange.body.clone()).unwrap();
        assert!(exchange.header("authorization").starts_with("Basic "), "{body}");
        assert!(body.contains("code_verifier=") && body.contains("grant_type=authorization_code"), "{body}");
        assert!(!body.contains("sample-client-secret"));
        // The second time it is the same account.
        let (again, _) = house.sign_on("bea", &["night"]).await.unwrap();
        assert_eq!(again.user, entered.session.user);
        let actions = house.texts("SELECT action FROM audit_entries WHERE action <> 'session.end_all' ORDER BY id").await;
        assert!(actions.ends_with(&["user.roles_mapped".into(), "session.start".into(), "session.start".into()]), "{actions:?}");
    }

    /// Groups are looked at anew at each sign-on; what was configured stays, what a group gave goes with it.
    async fn roles_follow_groups_and_take_no_configured_one_along(db: store::Db) {
        let house = open(&db).await;
        house.configure(MAPPED).await;
        let (bea, first) = house.sign_on("bea", &["night", "admins"]).await.unwrap();
        assert_eq!(house.roles(bea.user).await, ["administrator", "on_call"]);
        house
            .apply("users:\n  - name: Bea Sample\n    login: bea@example.com\n    roles: [{ role: observer }]\n")
            .await
            .unwrap();
        assert_eq!(house.roles(bea.user).await, ["administrator", "on_call", "observer"]);
        assert!(!house.is_in(&first).await, "other roles, other session");
        let (_, second) = house.sign_on("bea", &["night", "admins"]).await.unwrap();
        let (_, third) = house.sign_on("bea", &["night"]).await.unwrap();
        assert_eq!(house.roles(bea.user).await, ["on_call", "observer"]);
        assert!(!house.is_in(&second).await && house.is_in(&third).await, "what was opened with more rights ended");
        // A group that gives no more role takes it at once, without a sign-on.
        house.configure("    accounts: mapped\n    group_roles:\n      - { group: admins, role: administrator }\n").await;
        assert_eq!(house.roles(bea.user).await, ["observer"]);
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        assert!(!house.is_in(&third).await, "on every node within a second");
        // Switched off, a provider gives nothing and lets nobody in.
        house.configure(MAPPED).await;
        assert_eq!(house.roles(bea.user).await, ["on_call", "observer"]);
        house.configure(&format!("    enabled: false\n{MAPPED}")).await;
        assert_eq!(house.roles(bea.user).await, ["observer"]);
        assert!(matches!(house.federation.begin("corp", Purpose::SignIn, "", None, "https://x", &from("192.0.2.9")).await, Err(Error::NoProvider)));
    }

    /// 6.8.1: an address is no identity. An account that exists is linked by its owner or an administrator alone.
    async fn an_address_opens_nothing(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: everyone\n").await;
        let (ada, token) = house.ada().await;
        assert!(matches!(house.sign_on("ada", &[]).await.unwrap_err(), Error::AddressTaken));
        // She links it herself: signed in, and signed in there.
        let way = house.begin(Some(ada.user)).await;
        house.says(&house.claims(&way, "ada", &[]));
        let linked = house.finish_with(&way, house.answer(&way), Some((ada.clone(), token.clone()))).await.unwrap();
        assert!(matches!(&linked, Arrived::Linked { next } if next == "/w/ops"), "{linked:?}");
        let (same, _) = house.sign_on("ada", &[]).await.unwrap();
        assert_eq!((same.user, house.roles(ada.user).await), (ada.user, vec!["administrator".to_owned()]));
        // Another subject with her address is somebody else, and stays outside.
        let way = house.begin(None).await;
        let mut claims = house.claims(&way, "mallory", &[]);
        claims["email"] = serde_json::json!("ada@example.com");
        house.says(&claims);
        assert!(matches!(house.finish(&way, house.answer(&way)).await.unwrap_err(), Error::AddressTaken));
        // And hers cannot be linked with a second account.
        let (eve, eve_token) = house.sign_on("eve", &[]).await.unwrap();
        let way = house.begin(Some(eve.user)).await;
        house.says(&house.claims(&way, "ada", &[]));
        let refused = house.finish_with(&way, house.answer(&way), Some((eve, eve_token))).await.unwrap_err();
        assert!(matches!(refused, Error::LinkedElsewhere), "{refused}");
        // Whoever began to link and is somebody else now links nothing.
        let way = house.begin(Some(ada.user)).await;
        house.says(&house.claims(&way, "new", &[]));
        assert!(matches!(house.finish(&way, house.answer(&way)).await.unwrap_err(), Error::OtherPerson));
    }

    async fn an_administrator_links_and_unlinks(db: store::Db) {
        let house = open(&db).await;
        house.configure(MAPPED).await;
        let (ada, _) = house.ada().await;
        let refused = house.sign_on("ada", &[]).await.unwrap_err();
        assert!(matches!(&refused, Error::NoAccount { subject, .. } if subject == "ada"), "{refused}");
        let (federation, user) = (house.federation.clone(), ada.user);
        let act = move |link: bool| {
            let (federation, db) = (federation.clone(), db.clone());
            async move {
                db.write(move |tx| -> Result<(), Error> {
                    let permit = access::Grants::of_operator(access::Actor::os("root", "host1")).permit_organisation()?;
                    if link {
                        federation.link_for(tx, &permit, user, "corp", "ada")
                    } else {
                        federation.unlink_for(tx, &permit, user, "corp", "ada")
                    }
                })
                .await
            }
        };
        act(true).await.unwrap();
        let (_, token) = house.sign_on("ada", &["night"]).await.unwrap();
        assert_eq!(house.roles(user).await, ["administrator", "on_call"]);
        act(false).await.unwrap();
        assert_eq!(house.roles(user).await, ["administrator"]);
        assert!(!house.is_in(&token).await);
        assert!(matches!(act(false).await, Err(Error::NoLink)));
        // Where no role goes with it, what it opened is over all the same, and nothing else is.
        act(true).await.unwrap();
        let (_, there) = house.sign_on("ada", &[]).await.unwrap();
        let (_, other) = house.sign_on("cyd", &["night"]).await.unwrap();
        act(false).await.unwrap();
        assert!(!house.is_in(&there).await && house.is_in(&other).await);
        let why = house.texts("SELECT reason FROM audit_entries WHERE action = 'session.end'").await;
        assert_eq!(why, ["the identity was taken from the account"; 2]);
        // Somebody whose only way in is the identity keeps it.
        let (bea, _) = house.sign_on("bea", &["night"]).await.unwrap();
        let federation = house.federation.clone();
        let refused = house.db.write(move |tx| federation.unlink_own(tx, &bea, "corp", "bea")).await.unwrap_err();
        assert!(matches!(refused, Error::LastWay), "{refused}");
        let actions = house.texts("SELECT action FROM audit_entries WHERE action LIKE 'identity.%' ORDER BY id").await;
        assert_eq!(actions, ["identity.link", "identity.unlink", "identity.link", "identity.unlink"]);
    }

    /// What a directory links and takes away is audited as its own, and what the groups gave goes along at once. An account that
    /// was made at a first sign-on is none of a directory's.
    async fn a_directory_links_and_unlinks(db: store::Db) {
        let house = open(&db).await;
        house.configure(MAPPED).await;
        let (ada, _) = house.ada().await;
        let provider = house.texts("SELECT id FROM identity_providers").await[0].parse().unwrap();
        let actor = access::Actor::engine("directory-test");
        let link = |subject: String| {
            let (db, actor) = (house.db.clone(), actor.clone());
            async move { db.write(move |tx| federation::link_provisioned(tx, &actor, provider, &subject, ada.user)).await }
        };
        let unlink = |subject: &'static str, user| {
            let (db, actor) = (house.db.clone(), actor.clone());
            async move { db.write(move |tx| federation::unlink_provisioned(tx, &actor, provider, subject, user)).await }
        };
        for bad in [String::new(), "x".repeat(256), "a\nb".to_owned()] {
            assert!(matches!(link(bad).await, Err(identity::Error::Invalid(_))));
        }
        assert_eq!(link("ada".to_owned()).await.unwrap(), federation::Linked::Done);
        let (_, token) = house.sign_on("ada", &["night"]).await.unwrap();
        assert_eq!(house.roles(ada.user).await, ["administrator", "on_call"]);
        assert!(unlink("ada", ada.user).await.unwrap());
        assert_eq!(house.roles(ada.user).await, ["administrator"]);
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        assert!(!house.is_in(&token).await);
        let (cyd, _) = house.sign_on("cyd", &["night"]).await.unwrap();
        assert!(!unlink("cyd", cyd.user).await.unwrap(), "made at a first sign-on");
        let of = "SELECT action || ' by ' || actor_id FROM audit_entries WHERE action LIKE 'identity.%' ORDER BY id";
        assert_eq!(house.texts(of).await, ["identity.link by directory-test", "identity.unlink by directory-test"]);
    }

    async fn accounts_are_made_for_whom_the_settings_say(db: store::Db) {
        let house = open(&db).await;
        house.configure("    accounts: never\n    group_roles: [{ group: night, role: on_call, workspace: ops }]\n").await;
        assert!(matches!(house.sign_on("bea", &["night"]).await, Err(Error::NoAccount { .. })));
        house.configure(MAPPED).await;
        assert!(matches!(house.sign_on("bea", &["unknown"]).await, Err(Error::NoAccount { .. })));
        // The claims that an account needs, also where only the user info endpoint has them.
        let way = house.begin(None).await;
        let mut claims = house.claims(&way, "cyd", &["night"]);
        claims.as_object_mut().unwrap().remove("email");
        house.says(&claims);
        house.said.lock().unwrap().user_info = Some(serde_json::json!({ "sub": "cyd", "email": "cyd@example.com", "email_verified": false }));
        let refused = house.finish(&way, house.answer(&way)).await.unwrap_err();
        assert!(matches!(refused, Error::Incomplete(_)), "an unproven address is none: {refused}");
        let way = house.begin(None).await;
        claims["nonce"] = serde_json::json!(way.nonce);
        house.says(&claims);
        house.said.lock().unwrap().user_info = Some(serde_json::json!({ "sub": "cyd", "email": "cyd@example.com" }));
        let arrived = house.finish(&way, house.answer(&way)).await.unwrap();
        assert!(matches!(arrived, Arrived::In { .. }));
        // An account that is switched off stays so.
        house.apply("users:\n  - { name: C, login: cyd@example.com, enabled: false }\n").await.unwrap();
        house.said.lock().unwrap().user_info = None;
        assert!(matches!(house.sign_on("cyd", &["night"]).await, Err(Error::SwitchedOff)));
    }
}
