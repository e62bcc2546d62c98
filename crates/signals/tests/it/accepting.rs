//! The door: who may send, what may be sent, and what is kept of it.

use std::sync::Arc;
use std::time::Duration;

use access::{Actor, Grants};
use base::{Explain, ManualClock, PageRequest, Problem, ProblemKind};
use signals::{Credential, Filter, Request, SignalState};
use store::{Db, params};

use crate::world::{PAGES, TOKEN, World, bearer, url};

async fn refusal(world: &World, request: Request) -> Problem {
    world.signals.accept(request).await.unwrap_err().problem()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &identity::MIGRATIONS,
        &flows::MIGRATIONS, &signals::MIGRATIONS, &PAGES];

    /// X-03: each integration says how its senders prove themselves; everything else is the same 401.
    async fn each_integration_chooses_how_senders_prove_themselves(db: Db) {
        let world = World::new(db).await;
        let key = "imported-key-of-cron-000000000001";
        let reader = "imported-key-of-reader-0000000001";
        let keyed = "imported-token-of-keyed-0000000001";
        let cases: Vec<(&str, Credential, bool)> = vec![
            ("prometheus", url(TOKEN), true),
            ("prometheus", bearer(TOKEN), true),
            ("prometheus", bearer(key), false),
            ("prometheus", url(key), false),
            ("prometheus", url("imported-token-of-prometheus-0002"), false),
            ("prometheus", url(""), false),
            ("prometheus", Credential::None, false),
            ("keyed", bearer(key), true),
            ("keyed", url(key), false),
            ("keyed", url(keyed), false),
            ("keyed", bearer(keyed), false),
            ("keyed", bearer(reader), false),
            ("both", url(&world.drawn), true),
            ("both", bearer(key), true),
            ("both", url(TOKEN), false),
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
        for path in ["019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "prometheus", "", "../x"] {
            let mut request = world.request("prometheus", url(TOKEN), "{}").await;
            request.integration = path.into();
            unproven.push(refusal(&world, request).await);
        }
        assert!(unproven.iter().all(|problem| *problem == unproven[0]), "no hint: {unproven:?}");
        assert_eq!(unproven[0].kind, ProblemKind::Unauthenticated);
    }

    /// X-04: every request leaves a line: outcome of the proof, run, timing; the body only with its own right, audited.
    async fn every_request_is_tracked(db: Db) {
        let world = World::new(db).await;
        let accepted = world.send(r#"{"title": "Disk full", "id": 7}"#).await.unwrap();
        let key = bearer("imported-key-of-cron-000000000001");
        world.signals.accept(world.request("keyed", key, "{}").await).await.unwrap();
        refusal(&world, world.request("prometheus", url("wrong-wrong-wrong-wrong-wrong"), "secret").await).await;
        refusal(&world, world.request("prometheus", url(TOKEN), "{]").await).await;
        let lines = world.activity_of(4).await;
        let seen: Vec<_> = lines.iter().map(|line| (line.status, line.state, line.method.as_str())).collect();
        assert_eq!(lines.len(), 4, "{seen:?}");
        let of = |status: u16| lines.iter().find(|line| line.status == status).unwrap();
        assert_eq!(of(401).state, SignalState::Refused);
        assert_eq!(of(401).integration_name.as_deref(), Some("prometheus"));
        assert!(of(400).reason.as_deref().unwrap().contains("line 1, column 2"), "{:?}", of(400).reason);
        let by_key = lines.iter().find(|line| line.method == "api_key").unwrap();
        assert_eq!(by_key.sender.as_deref(), Some("cron"));
        let first = lines.iter().find(|line| line.id == accepted.request_id).unwrap();
        assert_eq!((first.state, first.events, first.bytes), (SignalState::Accepted, 0, 31));
        assert_eq!((first.source.as_deref(), first.user_agent.as_deref()), (Some("192.0.2.7"), Some("curl/8.0")));

        world.drain().await;
        let detail = world.signals.get(&world.permit(), accepted.request_id).await.unwrap().unwrap();
        assert_eq!((detail.activity.state, detail.activity.events, detail.runs.len()), (SignalState::Handled, 1, 1));
        assert!(detail.activity.handled.is_some());
        let run = world.flows.run(&world.permit(), detail.runs[0]).await.unwrap().unwrap();
        assert_eq!(run.run.signal, Some(accepted.request_id));

        let payload = world.signals.payload(&world.permit(), accepted.request_id).await.unwrap().unwrap();
        assert_eq!(payload.body, r#"{"title": "Disk full", "id": 7}"#);
        assert!(!format!("{payload:?}").contains("Disk"));
        let audited = world.db.read(|tx| {
            tx.query("SELECT action FROM audit_entries WHERE action = 'signal.payload.read'", &[], |row| row.get::<String>("action"))
        }).await.unwrap();
        assert_eq!(audited.len(), 1);

        // Nothing of it for another workspace.
        let elsewhere = Grants::of_operator(Actor::os("test", "here"));
        let foreign: base::WorkspaceId = world.db.context().id();
        assert!(world.signals.get(&elsewhere.permit(foreign).unwrap(), accepted.request_id).await.unwrap().is_none());
        assert!(world.signals.payload(&elsewhere.permit(foreign).unwrap(), accepted.request_id).await.unwrap().is_none());
        assert!(world.signals.list(&elsewhere.permit(foreign).unwrap(), Filter::default(), PageRequest::default()).await.unwrap().items.is_empty());
    }

    /// What was sent lies sealed; a refused body and any credential lie nowhere.
    async fn nothing_lies_in_clear(db: Db) {
        let world = World::new(db).await;
        world.send(r#"{"title": "open sesame"}"#).await.unwrap();
        refusal(&world, world.request("prometheus", url("wrong-credential-wrong-credential"), r#"{"title": "open sesame"}"#).await).await;
        world.activity_of(2).await;
        world.drain().await;
        let everything = world.db.read(|tx| {
            let mut all = String::new();
            for (table, columns) in [
                ("signals", "COALESCE(reason, '') || COALESCE(user_agent, '') || COALESCE(content_type, '') || method"),
                ("signal_payloads", "body"), ("runs", "data || COALESCE(reason, '')"), ("run_steps", "record"),
                ("jobs", "payload"), ("integrations", "name || auth"),
                ("signals", "COALESCE(summary, '')"), ("integration_credentials", "COALESCE(sealed, '')"),
            ] {
                all.extend(tx.query(&format!("SELECT {columns} AS text FROM {table}"), &[], |row| row.get::<String>("text"))?);
            }
            Ok::<_, store::Error>(all)
        }).await.unwrap();
        assert!(!everything.contains("whsec_"));
        assert!(!everything.contains("sesame") && !everything.contains("wrong-credential") && !everything.contains(TOKEN));
    }

    /// The limits, each with its own answer.
    async fn limits_are_kept(db: Db, clock: Arc<ManualClock>) {
        let world = World::new(db).await;
        let big = format!("{{\"a\": \"{}\"}}", "x".repeat(signals::BODY_LIMIT));
        assert_eq!(world.send(&big).await.unwrap_err().problem().kind, ProblemKind::TooLarge);
        let just = format!("{{\"a\": \"{}\"}}", "x".repeat(signals::BODY_LIMIT - 9));
        assert_eq!(just.len(), signals::BODY_LIMIT);
        assert!(world.send(&just).await.is_ok());
        let mut text = world.request("prometheus", url(TOKEN), "disk full").await;
        text.content_type = Some("text/plain".into());
        assert_eq!(refusal(&world, text).await.kind, ProblemKind::UnsupportedMedia);
        // XML has its own limit, and a DOCTYPE is refused whatever it says.
        for (document, kind) in [
            (format!("<a>{}</a>", "x".repeat(signals::BODY_LIMIT)), None),
            (format!("<a>{}</a>", "x".repeat(signals::XML_LIMIT)), Some(ProblemKind::TooLarge)),
            ("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>".to_owned(), Some(ProblemKind::Invalid)),
        ] {
            let mut xml = world.request("prometheus", url(TOKEN), &document).await;
            xml.content_type = Some("text/xml; charset=utf-8".into());
            assert_eq!(world.signals.accept(xml).await.err().map(|refused| refused.problem().kind), kind);
        }
        let mut form = world.request("prometheus", url(TOKEN), "title=Disk+full").await;
        form.content_type = Some("application/x-www-form-urlencoded".into());
        assert!(world.signals.accept(form).await.is_ok());
        let nested = world.send(r#"{"a": {"b": [1, 2, {"c": 1, "c": 2}]}}"#).await.unwrap_err().problem();
        assert_eq!((nested.kind, nested.field.as_deref()), (ProblemKind::Invalid, Some("a.b[2].c")));

        let slow = || async { world.signals.accept(world.request("slow", url("imported-token-of-slow-0000000001"), "{}").await).await };
        for _ in 0..3 {
            assert!(slow().await.is_ok());
        }
        let full = slow().await.unwrap_err().problem();
        assert_eq!(full.kind, ProblemKind::TooMany);
        assert!(full.retry_after.is_some_and(|after| after > Duration::ZERO && after <= Duration::from_secs(20)), "{full:?}");
        clock.advance(Duration::from_secs(21));
        assert!(slow().await.is_ok(), "a place is free again");
        // A stranger takes nobody's place.
        for _ in 0..10 {
            refusal(&world, world.request("slow", url("wrong-credential-wrong-credential"), "{}").await).await;
        }
        clock.advance(Duration::from_secs(21));
        assert!(slow().await.is_ok());

        let off = refusal(&world, world.request("off", url("imported-token-of-off-00000000001"), "{}").await).await;
        assert_eq!(off.kind, ProblemKind::Forbidden);
        let stranger = refusal(&world, world.request("off", url("wrong-credential-wrong-credential"), "{}").await).await;
        assert_eq!(stranger.kind, ProblemKind::Unauthenticated, "only a proven sender hears that it is off");
    }

    /// Refused signals cost strangers nothing they can use: twenty lines a minute, then a count.
    async fn a_flood_of_refusals_is_counted(db: Db) {
        let world = World::new(db).await;
        let request = world.request("prometheus", url("wrong-credential-wrong-credential"), "{}").await;
        for _ in 0..60 {
            refusal(&world, request.clone()).await;
        }
        let mut counted = 0;
        for _ in 0..400 {
            counted = world.activity().await.iter().map(|line| line.count).sum();
            if counted == 60 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!((counted, world.activity().await.len()), (60, 21));
        // What is for nobody's integration is seen by the organisation alone.
        let mut nowhere = request;
        nowhere.integration = world.db.context().id::<base::IntegrationId>().to_string();
        nowhere.source = Some("192.0.2.8:1".parse().unwrap());
        refusal(&world, nowhere).await;
        let strangers = async || world.signals.strangers(&world.organisation(), PageRequest::default()).await.unwrap().items;
        for _ in 0..400 {
            if !strangers().await.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!((strangers().await.len(), world.activity().await.len()), (1, 21));
    }

    /// Rule 1: no 202 without the commit. A database that refuses is a 5xx, and nothing is there.
    async fn nothing_is_accepted_that_is_not_on_disk(db: Db) {
        let world = World::new(db).await;
        let request = world.request("prometheus", url(TOKEN), "{}").await;
        world.db.write(|tx| tx.execute("ALTER TABLE signal_payloads RENAME TO elsewhere", &params![])).await.unwrap();
        let problem = refusal(&world, request.clone()).await;
        assert!(matches!(problem.kind, ProblemKind::Internal | ProblemKind::Unavailable), "{problem:?}");
        assert!(world.activity().await.is_empty());
        world.db.write(|tx| tx.execute("ALTER TABLE elsewhere RENAME TO signal_payloads", &params![])).await.unwrap();
        assert!(world.signals.accept(request).await.is_ok());
    }

    /// Mistakes in integrations and mappings are found at apply.
    async fn apply_refuses_wrong_configuration(db: Db) {
        let world = World::new(db).await;
        let wrong = crate::world::FILE
            .replace("mapping: generic", "mapping: genric")
            .replace("each: payload.lines", "each: payload..lines")
            .replace("auth: [api_key]", "auth: []")
            .replace("imported-token-of-off-00000000001", "short");
        let problems = world.apply(&wrong).await.unwrap_err();
        for expected in ["unknown-mapping", "template-syntax", "no-auth", "bad-token"] {
            assert!(problems.iter().any(|one| one.contains(expected)), "{expected}: {problems:?}");
        }
        let taken = world.apply(&crate::world::FILE.replace("name: lines", "name: generic")).await.unwrap_err();
        assert!(taken.iter().any(|one| one.contains("built-in-mapping")), "{taken:?}");
    }
}
