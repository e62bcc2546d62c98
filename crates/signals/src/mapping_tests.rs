use super::*;

async fn understand(mapping: &str, payload: Json) -> Understood {
    let mapping = built_in(mapping).expect("comes with the product");
    let sandbox = sandbox::Sandbox::in_this_process();
    let outcome = sandbox.task(mapping.task(payload, false, "prometheus"), sandbox::DEADLINE).await;
    mapping.understand(outcome, "prometheus")
}

#[test]
fn what_comes_with_the_product_is_right() {
    assert!(built_in_names().is_sorted() && built_in_names().count() == TEXTS.len());
    for mapping in BUILT_IN.iter() {
        assert_eq!(mapping.mistakes(), [], "{}", mapping.name);
    }
}

/// What a vendor's published format comes to, in `mappings/fixtures`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// Where the format is published.
    source: String,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    payload: Json,
    events: Vec<Json>,
}

/// Each format as its vendor publishes it: what comes out, and that nothing had to be guessed.
#[tokio::test]
async fn published_formats_become_events() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/fixtures");
    let mut seen = 0;
    for entry in std::fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let fixture: Fixture = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(fixture.source.starts_with("https://"), "{name}");
        for Case { payload, events } in fixture.cases {
            let understood = understand(name, payload.clone()).await;
            assert_eq!(understood.notes, Vec::<String>::new(), "{name}: {payload}");
            let shown = |event: &Event| {
                let mut shown = json!({"key": event.key, "status": event.status, "title": event.title, "text": event.text,
                    "priority": event.priority, "group": event.group, "link": event.link});
                shown.as_object_mut().unwrap().retain(|_, value| !value.is_null() && value != "");
                shown
            };
            let came: Vec<Json> = understood.events.iter().map(shown).collect();
            assert_eq!(came, events, "{name}: {payload}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

/// The body that Alertmanager's documentation shows, with a firing and a resolved alert in one group.
#[tokio::test]
async fn alertmanager_groups_become_events() {
    let payload = json!({
        "version": "4", "groupKey": "{}:{alertname=\"DiskFull\"}", "truncatedAlerts": 0, "status": "firing", "receiver": "loudhailer",
        "groupLabels": {"alertname": "DiskFull"}, "commonLabels": {"alertname": "DiskFull"}, "commonAnnotations": {},
        "externalURL": "http://am.example:9093",
        "alerts": [
            {"status": "firing", "labels": {"alertname": "DiskFull", "severity": "page", "host": "db-1", "oncall": "storage"},
             "annotations": {"summary": "Disk full on db-1", "description": "97 % used", "runbook_url": "https://example.com/r"},
             "startsAt": "2026-10-23T01:12:00Z", "endsAt": "0001-01-01T00:00:00Z",
             "generatorURL": "http://prom.example/graph", "fingerprint": "aaaa1111"},
            {"status": "resolved", "labels": {"alertname": "DiskFull", "severity": "critical", "host": "db-2"}, "annotations": {},
             "startsAt": "2026-10-23T01:00:00Z", "endsAt": "2026-10-23T01:12:00Z",
             "generatorURL": "http://prom.example/graph", "fingerprint": "bbbb2222"},
            {"status": "firing", "labels": {"alertname": "Odd", "severity": "weird"}, "annotations": {"summary": "Odd"}, "startsAt": "x", "endsAt": "x", "generatorURL": ""}
        ]
    });
    let understood = understand("alertmanager", payload).await;
    let [first, second, third] = understood.events.as_slice() else { panic!("{understood:?}") };
    assert_eq!(
        (first.key.as_deref(), first.status, first.priority.as_str()),
        (Some("aaaa1111"), Status::Firing, "high")
    );
    assert_eq!(first.title, "Disk full on db-1");
    assert_eq!(first.text, "97 % used\n\nalertname: DiskFull\nhost: db-1\noncall: storage\nseverity: page");
    assert_eq!((first.group.as_deref(), first.link.as_deref()), (Some("storage"), Some("https://example.com/r")));
    assert_eq!(first.fields["labels"]["host"], "db-1");
    assert_eq!(
        (second.key.as_deref(), second.status, second.priority.as_str()),
        (Some("bbbb2222"), Status::Resolved, "critical")
    );
    assert_eq!((second.title.as_str(), second.link.as_deref()), ("DiskFull", Some("http://prom.example/graph")));
    assert!(third.key.as_deref().unwrap().contains("Odd"), "labels stand in for a missing fingerprint: {third:?}");
    assert_eq!((third.priority.as_str(), third.link.as_deref()), ("medium", Some("http://am.example:9093")));
    assert_eq!(understood.notes, ["Event 3: Nobody knows its `priority`; it counts as medium."]);
}

#[tokio::test]
async fn generic_takes_the_usual_names_of_any_json() {
    let one = async |payload: Json| understand("generic", payload).await.events.remove(0);
    let event = one(json!({"title": "Disk full", "severity": "CRITICAL", "id": 4711, "status": "OK", "text": "x", "url": "https://example.com"})).await;
    assert_eq!(
        (event.key.as_deref(), event.status, event.priority.as_str()),
        (Some("4711"), Status::Resolved, "critical")
    );
    assert_eq!(
        (event.title.as_str(), event.text.as_str(), event.link.as_deref()),
        ("Disk full", "x", Some("https://example.com"))
    );
    assert_eq!(event.fields["severity"], "CRITICAL");
    let event = one(json!({"message": {"a": 1}, "level": 2})).await;
    assert_eq!((event.title.as_str(), event.priority.as_str(), event.key), (r#"{"a":1}"#, "high", None));
    // Whatever comes, somebody hears of it.
    for odd in
        [json!({}), json!([]), json!([1, 2]), json!("text"), json!(7), json!(null), json!({"title": {}, "status": []})]
    {
        let event = one(odd.clone()).await;
        assert_eq!(event.status, Status::Firing, "{odd}");
        assert!(!event.title.is_empty(), "{odd}");
    }
}

/// What contrib/icinga2 sends: problems and recoveries of services and hosts; acknowledgements are none of our business.
#[tokio::test]
async fn icinga_notifications_become_events() {
    let service = |kind: &str, state: &str| {
        json!({"type": kind, "host": "db-1.example.com", "host_name": "db-1", "service": "replication", "service_name": "",
               "state": state, "output": "lag 42 s", "author": "", "comment": "", "priority": "", "group": "", "link": "https://icinga.example/x"})
    };
    let event = understand("icinga2", service("PROBLEM", "CRITICAL")).await.events.remove(0);
    assert_eq!(
        (event.key.as_deref(), event.status, event.priority.as_str()),
        (Some("db-1.example.com!replication"), Status::Firing, "high")
    );
    assert_eq!((event.title.as_str(), event.text.as_str()), ("replication on db-1 is CRITICAL: lag 42 s", "lag 42 s"));
    assert_eq!(event.link.as_deref(), Some("https://icinga.example/x"));
    let over = understand("icinga2", service("RECOVERY", "OK")).await;
    assert_eq!((over.events[0].status, over.events[0].key.clone()), (Status::Resolved, event.key));
    assert!(over.notes.is_empty(), "{:?}", over.notes);
    let bare = understand("icinga2", json!({"type": "RECOVERY", "host": "db-1", "state": "UP"})).await;
    assert!(bare.notes.is_empty() && bare.events[0].status == Status::Resolved, "{bare:?}");
    assert_eq!(understand("icinga2", service("ACKNOWLEDGEMENT", "CRITICAL")).await.events, []);
    let host = json!({"type": "PROBLEM", "host": "db-1", "state": "DOWN", "output": "no ping", "comment": "on it", "author": "Ada Sample"});
    let event = understand("icinga2", host).await.events.remove(0);
    assert_eq!((event.key.as_deref(), event.title.as_str()), (Some("db-1"), "Host on db-1 is DOWN: no ping"));
    assert_eq!(event.text, "no ping\n\nAda Sample: on it");
}

/// What contrib/git sends for branches that were pushed, rewritten and deleted.
#[tokio::test]
async fn pushes_become_events() {
    let push = |action: &str| {
        json!({"repository": "shop", "ref": "refs/heads/main", "name": "main", "action": action, "new": "c0ffee", "pusher": "Ada Sample",
               "commits": "2", "subject": "Pay twice no more", "log": "c0ffee Pay twice no more", "priority": "", "group": "", "link": ""})
    };
    let event = understand("git", push("pushed")).await.events.remove(0);
    assert_eq!(
        (event.key.as_deref(), event.status, event.priority.as_str()),
        (Some("shop refs/heads/main c0ffee"), Status::Firing, "info")
    );
    assert_eq!(event.title, "shop: main: Pay twice no more");
    assert_eq!(event.text, "Ada Sample pushed main (2 commits)\n\nc0ffee Pay twice no more");
    let bare = understand("git", json!({})).await;
    assert!(bare.notes.is_empty() && bare.events[0].title == "A repository: something was pushed", "{bare:?}");
    assert_eq!(understand("git", push("forced")).await.events[0].title, "shop: main was rewritten");
    assert_eq!(understand("git", push("deleted")).await.events[0].title, "shop: main was deleted");
}

#[tokio::test]
async fn what_cannot_be_read_is_an_event_too() {
    let understood = understand("alertmanager", json!(7)).await;
    assert_eq!((understood.events.len(), understood.events[0].priority.as_str()), (1, "high"));
    assert_eq!(understood.events[0].title, "Signal from prometheus could not be read");
    assert!(understood.notes[0].contains("alertmanager"));
    let none = understand("alertmanager", json!({"alerts": []})).await;
    assert_eq!(none, Understood { events: vec![], notes: vec![] });
    let mapping = built_in("generic").unwrap();
    let given_up = mapping.understand(Err(sandbox::Error::TimedOut), "x");
    assert_eq!(given_up.events.len(), 1);
}

#[test]
fn mistakes_are_named() {
    let mapping: Mapping = serde_saphyr::from_str(
        "name: x\neach: payload..alerts\nevent: {title: \"{{ item.a | uper }}\"}\nwords: {resolvd: [gone]}\ndefault_priority: urgent",
    )
    .unwrap();
    let paths: Vec<String> = mapping.mistakes().into_iter().map(|(path, _, _)| path).collect();
    assert_eq!(paths, ["each", "event.title", "words.resolvd", "default_priority"]);
}

#[test]
fn own_words_count() {
    let mut mapping = built_in("generic").unwrap().clone();
    mapping.words.insert("resolved".into(), vec!["Entwarnung".into()]);
    assert_eq!(mapping.meaning(" ENTWARNUNG ", &STATES), Some("resolved"));
    assert_eq!(mapping.meaning("firing", &STATES), Some("firing"));
    assert_eq!(mapping.meaning("p1", &PRIORITIES), Some("critical"));
    assert_eq!(mapping.meaning("?", &PRIORITIES), None);
}

#[test]
fn a_long_key_is_hashed() {
    assert_eq!(bounded("short"), "short");
    let long = bounded(&"x".repeat(1_000));
    assert!(long.starts_with("sha256:") && long.len() == 71);
    assert_ne!(long, bounded(&"x".repeat(1_001)));
}

/// Every ready mapping brings a sample that can be sent as it is: the test button makes an event of it that says so.
#[tokio::test]
async fn each_ready_mapping_has_a_sample_that_it_reads() {
    for name in built_in_names() {
        let mapping = built_in(name).unwrap();
        assert!(mapping.sample.is_some(), "{name} brings none of its own");
        let sample = mapping.sample();
        let media = crate::body::Media::of(Some(&sample.content_type)).unwrap();
        let payload = crate::body::parse(media, sample.body.as_bytes()).unwrap();
        let understood = understand(name, payload).await;
        assert_eq!(understood.events.len(), 1, "{name}");
        assert!(understood.notes.is_empty(), "{name}: {:?}", understood.notes);
        let event = &understood.events[0];
        assert!(event.title.contains("Test signal from Loudhailer"), "{name}: {}", event.title);
        assert!(
            event.key.is_some() && event.status == Status::Firing && event.priority != "critical",
            "{name}: {event:?}"
        );
    }
}

/// XML by the usual names, whatever its root is called; a mapping that knows its root sees it.
#[tokio::test]
async fn xml_is_read_by_its_names() {
    let payload =
        crate::xml::read(br#"<alert severity="high"><title>Disk full</title><status>down</status></alert>"#).unwrap();
    let sandbox = sandbox::Sandbox::in_this_process();
    let generic = built_in("generic").unwrap();
    let outcome = sandbox.task(generic.task(payload.clone(), true, "scada"), sandbox::DEADLINE).await;
    let event = generic.understand(outcome, "scada").events.remove(0);
    assert_eq!((event.title.as_str(), event.status), ("Disk full", Status::Firing));
    let own = Mapping {
        unwrap: false,
        event: EventTemplates {
            title: Some("{{ payload.alert.title }}".into()),
            priority: Some("{{ payload.alert['@severity'] }}".into()),
            ..EventTemplates::default()
        },
        ..generic.clone()
    };
    let outcome = sandbox.task(own.task(payload, true, "scada"), sandbox::DEADLINE).await;
    let event = own.understand(outcome, "scada").events.remove(0);
    assert_eq!((event.title.as_str(), event.priority.as_str()), ("Disk full", "high"));
}
