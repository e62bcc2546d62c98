//! HTTP Basic and signatures, and renewing credentials while senders go on (controls X-03, X-16, X-22, E-08).

use std::sync::Arc;
use std::time::Duration;

use access::{Actor, Capability, CustomRole, Grants, Held, HeldRole, Permit, Scope, cap};
use base::{Explain, ExposeSecret, ManualClock, Problem, ProblemKind};
use resources::Ground;
use signals::{Auth, Credential, Request, Rotated, Rotation, SignalState};
use store::{Db, params};

use crate::world::{FILE, PAGES, World, basic, signed, url};

async fn refusal(world: &World, request: Request) -> Problem {
    world.signals.accept(request).await.unwrap_err().problem()
}

async fn rotate(world: &World, name: &str, method: Auth, overlap: Duration) -> Rotated {
    let integration = world.id(name).await;
    let rotation = Rotation { integration, method, overlap, ground: Ground::None, reason: Some("leaver".into()) };
    world.signals.rotate(&world.resources, &world.permit(), rotation).await.unwrap()
}

async fn actions(world: &World) -> Vec<String> {
    let sql = "SELECT action FROM audit_entries WHERE action LIKE 'integration.%' ORDER BY time, id";
    world.db.read(move |tx| tx.query(sql, &[], |row| row.get("action"))).await.unwrap()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &identity::MIGRATIONS,
        &flows::MIGRATIONS, &signals::MIGRATIONS, &PAGES];

    /// X-08: a role says which kinds of credentials its holders make; what others made stays, and so does the right to change the
    /// rest of an integration.
    async fn x_08_a_role_makes_only_the_kinds_that_it_holds(db: Db) {
        let world = World::new(db).await;
        let role = CustomRole {
            id: uuid::Uuid::from_u128(5).into(),
            name: "builder".into(),
            capabilities: [Capability::IntegrationsWrite, Capability::IntegrationsRead, Capability::CredentialHmac].into_iter().collect(),
            workspace: None,
        };
        let held = Held { role: HeldRole::Custom(role.into()), scope: Scope::Workspace(world.workspace), groups: Vec::new() };
        let grants = Grants::of_roles(Actor::os("dev", "host1"), &[held]);
        let permit: Permit<cap::IntegrationsWrite> = grants.permit(world.workspace).unwrap();
        let put = async |body: serde_json::Value| {
            let (resources, permit, place) = (world.resources.clone(), permit.clone(), world.workspace);
            let written: Result<(), resources::Error> = world
                .db
                .write(move |tx| {
                    let clearance = resources::Clearance::check(tx, Some(place), &Ground::None, permit.actor())?;
                    let body = resources::Draft::new(body.clone());
                    let change = resources::Change { kind: "integrations", workspace: Some(place), body, reason: None, clearance: &clearance };
                    resources.put(tx, &permit, change).map(drop)
                })
                .await;
            written.map_err(|error| error.problems().into_iter().map(|one| one.detail.to_string()).collect::<Vec<_>>().join("; "))
        };
        put(serde_json::json!({ "name": "mine", "flow": "page", "auth": ["hmac", "api_key"] })).await.unwrap();
        for (auth, kind) in [("url_token", "credentials:url_token"), ("basic", "credentials:basic")] {
            let refused = put(serde_json::json!({ "name": "other", "flow": "page", "auth": [auth] })).await.unwrap_err();
            assert!(refused.contains(kind) && refused.contains("none of your roles"), "{refused}");
        }
        let certified = serde_json::json!({ "name": "other", "flow": "page", "auth": ["certificate"], "certificates": ["CN=a issued by CN=b"] });
        assert!(put(certified).await.unwrap_err().contains("credentials:certificate"));
        // Renewing makes one, too.
        let rotation = |integration, method| Rotation { integration, method, overlap: Duration::ZERO, ground: Ground::None, reason: None };
        let foreign = rotation(world.id("both").await, Auth::UrlToken);
        let refused = world.signals.rotate(&world.resources, &permit, foreign).await.unwrap_err();
        assert!(refused.problem().detail.contains("credentials:url_token") || format!("{refused:?}").contains("credentials:url_token"), "{refused:?}");
        world.signals.rotate(&world.resources, &permit, rotation(world.id("mine").await, Auth::Hmac)).await.unwrap();
    }

    /// X-22: two certificates side by side carry a sender through a rotation; removed, the old one proves nobody.
    async fn x_22_certificates_of_senders_rotate_with_an_overlap(db: Db) {
        let world = World::new(db).await;
        let end = world.db.context().now().plus(Duration::from_hours(24));
        let shown = |name: &str, subject: &str| {
            let certificate = crypto::tls::ClientCertificate {
                fingerprint: crypto::tls::fingerprint(subject.as_bytes()),
                subject: subject.parse().unwrap(),
                issuer: "CN=CA".parse().unwrap(),
                not_after: end,
            };
            let (world, name) = (&world, name.to_owned());
            async move {
                let bare = world.request(&name, Credential::None, "{}").await;
                world.signals.accept(Request { certificate: Some(Arc::new(certificate)), ..bare }).await.is_ok()
            }
        };
        let rules = |rules: &str| format!("{FILE}  - {{workspace: demo, name: certified, flow: page, auth: [certificate], certificates: [{rules}]}}\n");
        world.apply(&rules("'CN=old issued by CN=CA'")).await.unwrap();
        assert!(shown("certified", "CN=old").await && !shown("certified", "CN=new").await);
        world.apply(&rules("'CN=old issued by CN=CA', 'CN=new issued by CN=CA'")).await.unwrap();
        assert!(shown("certified", "CN=old").await && shown("certified", "CN=new").await, "both, for as long as both stand there");
        world.apply(&rules("'CN=new issued by CN=CA'")).await.unwrap();
        assert!(!shown("certified", "CN=old").await && shown("certified", "CN=new").await);
    }

    /// HTTP Basic: user name and password of the integration, drawn or imported; all else is the same 401.
    async fn a_user_name_and_a_password_prove_a_sender(db: Db) {
        let world = World::new(db).await;
        let drawn = world.secrets[&("basic".to_owned(), "password".to_owned())].clone();
        assert_eq!(crypto::token::check(&drawn), Ok(crypto::token::Kind::Basic));
        assert!(!world.secrets.contains_key(&("keyed".to_owned(), "token".to_owned())), "nothing is drawn that nobody can use");
        let id = world.id("basic").await.to_string();
        let imported = "imported-password-of-scan-000001";
        let scan_token = world.secrets[&("scanner".to_owned(), "token".to_owned())].clone();
        let cases: Vec<(&str, Credential, bool)> = vec![
            ("basic", basic(&id, &drawn), true),
            ("basic", basic("basic", &drawn), false),
            ("basic", basic("", &drawn), false),
            ("basic", basic(&id, imported), false),
            ("basic", basic(&id, ""), false),
            ("basic", url(&drawn), false),
            ("scanner", basic("scan", imported), true),
            ("scanner", basic("scan", &scan_token), false),
            ("scanner", url(&scan_token), true),
            ("scanner", url(imported), false),
            ("prometheus", basic("prometheus", crate::world::TOKEN), false),
        ];
        let mut unproven = Vec::new();
        for (name, credential, allowed) in cases {
            let said = format!("{name} by {credential:?}");
            match world.signals.accept(world.request(name, credential, "{}").await).await {
                Ok(_) => assert!(allowed, "{said}"),
                Err(refused) => {
                    assert!(!allowed, "{said}: {refused}");
                    unproven.push(refused.problem());
                }
            }
        }
        let mut nowhere = world.request("basic", basic(&id, &drawn), "{}").await;
        nowhere.integration = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b".into();
        unproven.push(refusal(&world, nowhere).await);
        assert!(unproven.iter().all(|problem| *problem == unproven[0]), "no hint: {unproven:?}");
        let listed = world.signals.integrations(&world.permit()).await.unwrap();
        let origin = |name: &str| listed.iter().find(|one| one.name == name).unwrap().credentials
            .iter().find(|one| one.method == Auth::Basic).unwrap().origin.clone();
        assert_eq!((origin("basic").as_str(), origin("scanner").as_str()), ("drawn", "imported"));
        assert_eq!(listed.iter().find(|one| one.name == "scanner").unwrap().user, "scan");
    }

    /// A signed message counts once, within five minutes, and only as it was signed.
    async fn a_signature_proves_a_message_once(db: Db, clock: Arc<ManualClock>) {
        let world = World::new(db).await;
        let secret = world.secrets[&("signed".to_owned(), "signing_secret".to_owned())].clone();
        let now = || world.db.context().now();
        let body = r#"{"title": "signed"}"#;
        let first = world.signals.accept(signed(&world, &secret, "msg_1", now(), body).await).await.unwrap();

        let again = refusal(&world, signed(&world, &secret, "msg_1", now(), body).await).await;
        assert_eq!(again.kind, ProblemKind::Conflict);
        assert!(again.detail.contains(&first.request_id.to_string()), "{again:?}");
        // Another message of that id is a replay too; another integration has its own ids.
        assert_eq!(refusal(&world, signed(&world, &secret, "msg_1", now(), "{}").await).await.kind, ProblemKind::Conflict);
        assert!(world.signals.accept(signed(&world, &secret, "msg_2", now(), body).await).await.is_ok());

        for (at, word) in [
            (now().minus(Duration::from_secs(301)), "old"),
            (now().plus(Duration::from_secs(302)), "ahead"),
        ] {
            let stale = refusal(&world, signed(&world, &secret, "msg_3", at, body).await).await;
            assert_eq!(stale.kind, ProblemKind::Unauthenticated);
            assert!(stale.detail.contains(word), "{stale:?}");
        }
        for at in [now().minus(Duration::from_secs(299)), now().plus(Duration::from_secs(299))] {
            let id = format!("msg_at_{}", at.as_micros());
            assert!(world.signals.accept(signed(&world, &secret, &id, at, body).await).await.is_ok());
        }

        // Whoever has no secret hears the same as any stranger, whatever is wrong.
        let stranger = refusal(&world, world.request("signed", Credential::None, body).await).await;
        let forged = crypto::webhook::mint(world.db.context().chance());
        let mut requests = vec![
            signed(&world, forged.expose_secret(), "msg_1", now(), body).await,
            signed(&world, forged.expose_secret(), "msg_9", now().minus(Duration::from_hours(1)), body).await,
            world.request("signed", url(&secret), body).await,
        ];
        let mut altered = signed(&world, &secret, "msg_4", now(), body).await;
        altered.body = br#"{"title": "forged"}"#.to_vec();
        requests.push(altered);
        let mut renamed = signed(&world, &secret, "msg_5", now(), body).await;
        renamed.signature.as_mut().unwrap().id = "msg_6".into();
        requests.push(renamed);
        let mut later = signed(&world, &secret, "msg_7", now(), body).await;
        later.signature.as_mut().unwrap().timestamp = (now().as_micros() / 1_000_000 + 1).to_string();
        requests.push(later);
        let mut unsigned = signed(&world, &secret, "msg_8", now(), body).await;
        unsigned.signature.as_mut().unwrap().signatures = "v1,".into();
        requests.push(unsigned);
        for request in requests {
            assert_eq!(refusal(&world, request).await, stranger);
        }
        // A name that cannot be kept, and a time that is none: told only to who signed.
        let long = refusal(&world, signed(&world, &secret, &"x".repeat(300), now(), body).await).await;
        assert!(long.detail.contains("webhook-id"), "{long:?}");

        // Ids are remembered longer than a signature can be used, and forgotten in the end.
        clock.advance(Duration::from_hours(71));
        assert_eq!(refusal(&world, signed(&world, &secret, "msg_1", now(), body).await).await.kind, ProblemKind::Conflict);
        clock.advance(Duration::from_hours(2));
        assert!(world.signals.accept(signed(&world, &secret, "msg_1", now(), body).await).await.is_ok());
        let lines = world.activity_of(17).await;
        assert!(lines.iter().any(|line| line.status == 409 && line.state == SignalState::Refused && line.method == "hmac"));
    }

    /// Two messages of one id at the same moment: one counts, whichever.
    async fn one_of_two_at_once_counts(db: Db) {
        let world = World::new(db).await;
        let secret = world.secrets[&("signed".to_owned(), "signing_secret".to_owned())].clone();
        let request = signed(&world, &secret, "msg_1", world.db.context().now(), "{}").await;
        let sends = (0..8).map(|_| {
            let (signals, request) = (world.signals.clone(), request.clone());
            tokio::spawn(async move { signals.accept(request).await.is_ok() })
        });
        let mut accepted = 0;
        for send in sends.collect::<Vec<_>>() {
            accepted += usize::from(send.await.unwrap());
        }
        assert_eq!(accepted, 1);
    }

    /// X-22, E-08: each credential is renewed without downtime: two count in rotation, then one; the use of the old one shows.
    async fn credentials_are_renewed_without_downtime(db: Db, clock: Arc<ManualClock>) {
        let world = World::new(db).await;
        let old = world.drawn.clone();
        let rotated = rotate(&world, "both", Auth::UrlToken, Duration::from_hours(2)).await;
        let new = rotated.secret.expose_secret().to_owned();
        assert_eq!(crypto::token::check(&new), Ok(crypto::token::Kind::Url));
        assert_eq!(rotated.old_until, Some(world.db.context().now().plus(Duration::from_hours(2))));
        let sends = async |token: &str| world.signals.accept(world.request("both", url(token), r#"{"lines": []}"#).await).await.is_ok();
        assert!(sends(&old).await && sends(&new).await, "both count");
        let id = world.id("both").await;
        let listed = world.signals.integration(&world.permit(), id).await.unwrap().unwrap();
        let tokens: Vec<_> = listed.credentials.iter().filter(|one| one.method == Auth::UrlToken).collect();
        assert_eq!(tokens.len(), 2);
        assert!(tokens.iter().all(|token| token.origin == "drawn" && token.last_used.is_some()), "{tokens:?}");
        let ending = tokens.iter().find(|token| token.expires.is_some()).unwrap();
        assert_eq!((ending.last_source.as_deref(), ending.last_agent.as_deref()), (Some("192.0.2.7"), Some("curl/8.0")));
        clock.advance(Duration::from_mins(119));
        assert!(sends(&old).await);
        clock.advance(Duration::from_mins(1));
        assert!(!sends(&old).await && sends(&new).await, "the old one retired");
        assert!(!format!("{rotated:?}").contains(&new));

        // With no overlap it ends at once; a second rotation ends what still counted from the first.
        let newest = rotate(&world, "both", Auth::UrlToken, Duration::ZERO).await;
        assert!(newest.old_until.is_none() && !sends(&new).await && sends(newest.secret.expose_secret()).await);
        let a = rotate(&world, "both", Auth::UrlToken, Rotation::OVERLAP).await;
        let b = rotate(&world, "both", Auth::UrlToken, Rotation::OVERLAP).await;
        assert!(!sends(newest.secret.expose_secret()).await && sends(a.secret.expose_secret()).await && sends(b.secret.expose_secret()).await);

        // Retired on demand, before its time.
        let ended = world.signals.retire(&world.permit(), id, Auth::UrlToken, Some("leaked".into())).await.unwrap();
        assert_eq!(ended, 1);
        assert!(!sends(a.secret.expose_secret()).await && sends(b.secret.expose_secret()).await);
        assert_eq!(world.signals.retire(&world.permit(), id, Auth::UrlToken, None).await.unwrap(), 0);
        let told = actions(&world).await;
        assert_eq!(told.iter().filter(|action| *action == "integration.credential.rotate").count(), 4);
        assert_eq!(told.iter().filter(|action| *action == "integration.credential.retire").count(), 1);

        // Removed, everything is gone at once.
        let without = FILE.lines().filter(|line| !line.contains("name: both")).collect::<Vec<_>>().join("\n");
        let request = world.request("both", url(b.secret.expose_secret()), "{}").await;
        world.apply(&without).await.unwrap();
        assert_eq!(refusal(&world, request).await.kind, ProblemKind::Unauthenticated);
    }

    /// The same for passwords and signatures: senders that sign with old and new secret lose nothing.
    async fn passwords_and_secrets_are_renewed_too(db: Db, clock: Arc<ManualClock>) {
        let world = World::new(db).await;
        let id = world.id("basic").await.to_string();
        let old = world.secrets[&("basic".to_owned(), "password".to_owned())].clone();
        let rotated = rotate(&world, "basic", Auth::Basic, Rotation::OVERLAP).await;
        assert_eq!(rotated.user.as_deref(), Some(id.as_str()));
        let knocks = async |password: &str| world.signals.accept(world.request("basic", basic(&id, password), "{}").await).await.is_ok();
        assert!(knocks(&old).await && knocks(rotated.secret.expose_secret()).await);

        let old_secret = world.secrets[&("signed".to_owned(), "signing_secret".to_owned())].clone();
        let renewed = rotate(&world, "signed", Auth::Hmac, Rotation::OVERLAP).await;
        let new_secret = renewed.secret.expose_secret().to_owned();
        assert!(new_secret.starts_with("whsec_") && new_secret != old_secret);
        let mut number = 0;
        let mut signs = async |secret: &str| {
            number += 1;
            let request = signed(&world, secret, &format!("msg_{number}"), world.db.context().now(), "{}").await;
            world.signals.accept(request).await.is_ok()
        };
        assert!(signs(&old_secret).await && signs(&new_secret).await, "both count");
        // A sender that shows both signatures is proven by either.
        let now = world.db.context().now();
        let mut both = signed(&world, &old_secret, "msg_both", now, "{}").await;
        let other = signed(&world, &new_secret, "msg_both", now, "{}").await;
        let shown = both.signature.as_mut().unwrap();
        shown.signatures = format!("{} {}", other.signature.unwrap().signatures, shown.signatures);
        assert!(world.signals.accept(both).await.is_ok());
        clock.advance(Rotation::OVERLAP);
        assert!(!knocks(&old).await && knocks(rotated.secret.expose_secret()).await);
        assert!(!signs(&old_secret).await && signs(&new_secret).await, "the old one retired");
    }

    /// What cannot be renewed says why; nobody renews what is another workspace's.
    async fn a_rotation_that_cannot_be_is_refused(db: Db) {
        let world = World::new(db).await;
        let integration = world.id("keyed").await;
        let rotation = |method, overlap| Rotation { integration, method, overlap, ground: Ground::None, reason: None };
        let tried = async |rotation: Rotation| world.signals.rotate(&world.resources, &world.permit(), rotation).await.unwrap_err().problem();
        let keys = tried(rotation(Auth::ApiKey, Rotation::OVERLAP)).await;
        assert_eq!((keys.kind, keys.field.as_deref()), (ProblemKind::Unprocessable, Some("method")));
        assert_eq!(tried(rotation(Auth::Basic, Rotation::OVERLAP)).await.kind, ProblemKind::Unprocessable);
        let long = tried(rotation(Auth::UrlToken, Rotation::LONGEST + Duration::from_secs(1))).await;
        assert_eq!((long.kind, long.field.as_deref()), (ProblemKind::Invalid, Some("overlap")));
        let elsewhere: base::WorkspaceId = world.db.context().id();
        let foreign = Grants::of_operator(Actor::os("test", "here")).permit(elsewhere).unwrap();
        let both = Rotation { integration: world.id("both").await, ..rotation(Auth::UrlToken, Rotation::OVERLAP) };
        assert_eq!(world.signals.rotate(&world.resources, &foreign, both.clone()).await.unwrap_err().problem().kind, ProblemKind::NotFound);
        assert_eq!(world.signals.retire(&foreign, both.integration, Auth::UrlToken, None).await.unwrap_err().problem().kind, ProblemKind::NotFound);
    }

    /// A method that was taken away takes its credentials with it: they do not come back to life with the method. A token that
    /// a file brings along counts, whichever change allows it.
    async fn methods_come_and_go_with_their_credentials(db: Db) {
        let world = World::new(db).await;
        let old = world.drawn.clone();
        let keyed = FILE.replace("auth: [url_token, api_key], mapping: lines", "auth: [api_key], mapping: lines");
        world.apply(&keyed).await.unwrap();
        let sends = async |name: &str, token: &str| world.signals.accept(world.request(name, url(token), "{}").await).await.is_ok();
        assert!(!sends("both", &old).await);
        let drawn = world.apply(FILE).await.unwrap().drawn;
        assert!(!sends("both", &old).await, "a new one was drawn");
        let new = drawn.iter().find(|one| one.key == "both").unwrap().secret.expose_secret().to_owned();
        assert!(sends("both", &new).await);

        let open = FILE.replace("auth: [api_key], token:", "auth: [api_key, url_token], token:");
        world.apply(&open).await.unwrap();
        assert!(sends("keyed", "imported-token-of-keyed-0000000001").await);
        // Applying it once more changes nothing, and ends nothing.
        let again = world.apply(&open).await.unwrap();
        assert!(again.changes.is_empty() && sends("keyed", "imported-token-of-keyed-0000000001").await);
    }

    /// Mistakes in credentials are found at apply.
    async fn apply_refuses_wrong_credentials(db: Db) {
        let world = World::new(db).await;
        let wrong = FILE
            .replace("imported-password-of-scan-000001", "secret")
            .replace("username: scan", "username: \"a:b\"")
            .replace("auth: [hmac]}", "auth: [hmac], signing_secret: {env: whsec_short}}");
        let problems = world.apply(&wrong).await.unwrap_err();
        for expected in ["password: bad-token", "username: bad-username", "signing_secret: bad-secret"] {
            assert!(problems.iter().any(|one| one.contains(expected)), "{expected}: {problems:?}");
        }
        let kept = world.apply(&FILE.replace("auth: [hmac]}", "auth: [hmac], keep_days: 0}")).await.unwrap_err();
        assert!(kept.iter().any(|one| one.contains("keep_days")), "{kept:?}");
    }

    /// A secret of signatures lies sealed for its integration: copied to another one it opens nothing.
    async fn a_copied_secret_opens_nothing(db: Db) {
        let world = World::new(db).await;
        let secret = world.secrets[&("signed".to_owned(), "signing_secret".to_owned())].clone();
        let twin = FILE.replace("  - {workspace: demo, name: slow,", "  - {workspace: demo, name: twin, flow: page, auth: [hmac]}\n  - {workspace: demo, name: slow,");
        world.apply(&twin).await.unwrap();
        let (from, to) = (world.id("signed").await, world.id("twin").await);
        world.db.write(move |tx| tx.execute(
            "UPDATE integration_credentials SET sealed = (SELECT sealed FROM integration_credentials WHERE integration = $1) WHERE integration = $2",
            &params![from, to],
        )).await.unwrap();
        let mut request = signed(&world, &secret, "msg_1", world.db.context().now(), "{}").await;
        request.integration = to.to_string();
        assert_eq!(refusal(&world, request).await.kind, ProblemKind::Internal);
    }
}
