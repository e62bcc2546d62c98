//! Runs that go well, and runs in which something is wrong with a template, a condition or the sandbox (rule 10).

use base::PageRequest;
use flows::{RunFilter, RunState, Status, StepState};
use store::Db;

use crate::world::{PAGES, World, event};

/// A flow that the code never saw: it is written here as an operator would write it.
const FLOW: &str = r#"
flows:
  - workspace: demo
    name: checkout
    description: Pages the people of checkout
    group: ops
    steps:
      - id: start
        type: trigger
        next: is-firing
      - id: is-firing
        type: condition
        if: event.status == "firing"
        then: words
        else: clear
      - id: words
        type: set
        values:
          where: "{{ event.fields.labels.host }}"
          count: "{{ event.fields.labels | length }}"
        next: page
      - id: page
        type: create_alert
        title: "{{ vars.where }}: {{ event.title }}"
        text: "{{ event.text }} ({{ vars.count + 1 }})"
        sms: "{{ event.title | upper | truncate(12) }}"
        priority: critical
        expires_in: 30
        next: second
      - id: second
        type: condition
        if: steps.page.alert.joined
        then: end
        else: note
      - id: note
        type: create_alert
        title: "About {{ steps.page.alert.name }}"
        key: "note-{{ event.key }}"
        priority: info
        next: end
      - id: clear
        type: resolve_alert
        key: "{{ event.key }}"
        close_critical: true
        next: end
"#;

fn one_step(fields: &str) -> String {
    format!(
        "flows:\n  - workspace: demo\n    name: f\n    group: ops\n    priority: medium\n    steps:\n      - {{id: start, type: trigger, next: page}}\n      - id: page\n        type: create_alert\n{}        next: end\n",
        fields.lines().fold(String::new(), |text, line| format!("{text}        {line}\n"))
    )
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &resources::MIGRATIONS, &flows::MIGRATIONS, &PAGES];

    /// X-02: a flow written as YAML runs after `apply`, with its conditions, values and alerts.
    async fn a_flow_that_the_code_never_saw_runs(db: Db) {
        let world = World::new(db).await;
        world.apply(FLOW).await.unwrap();
        let detail = world.run("checkout", event(Status::Firing)).await;
        assert_eq!((detail.run.state, detail.run.reason.as_deref(), detail.run.version), (RunState::Done, None, 1));
        let steps: Vec<_> = detail.steps.iter().map(|step| (step.step.as_str(), step.state)).collect();
        let names = ["start", "is-firing", "words", "page", "second", "note"];
        assert_eq!(steps, names.map(|name| (name, StepState::Done)));
        assert!(detail.steps[1].record[0].contains("goes on at `words`"), "{:?}", detail.steps[1]);
        assert_eq!(detail.steps[5].next, None);

        let kept = world.kept().await;
        assert_eq!(kept.len(), 2);
        assert_eq!(kept[0].title, "db-1: Disk full on db-1");
        assert_eq!(kept[0].text, "97 % of /var is used (3)");
        assert_eq!(kept[0].sms.as_deref(), Some("DISK FULL..."));
        assert_eq!((kept[0].priority.as_str(), kept[0].group.as_str()), ("critical", "ops"));
        assert_eq!((kept[1].title.as_str(), kept[1].key.as_deref()), ("About A-1", Some("note-disk-db-1")));
        assert!(detail.run.alert.is_some());

        // The same again joins, and the flow sees that it did.
        let again = world.run("checkout", event(Status::Firing)).await;
        assert_eq!(again.steps.last().unwrap().step, "second");
        assert_eq!(world.kept().await[0].joined, 1);

        let over = world.run("checkout", event(Status::Resolved)).await;
        assert_eq!((over.run.state, over.steps.len()), (RunState::Done, 3));
        assert_eq!(over.steps[2].record, ["Resolved one alert."]);
        assert!(!world.kept().await[0].live);
    }

    /// E-11: the values of a run are named for whoever reads runs, and opened one at a time, on record.
    async fn values_are_named_and_opened_on_record(db: Db) {
        let world = World::new(db.clone()).await;
        world.apply(FLOW).await.unwrap();
        let run = world.run("checkout", event(Status::Firing)).await.run;
        let named = world.flows.values(&world.permit(), run.id).await.unwrap().unwrap();
        let of = |name: &str| named.iter().find(|value| value.name == name).cloned().unwrap();
        assert_eq!((of("event.title").value, of("event.title").characters), (None, 17));
        assert_eq!((of("vars.where").step.as_str(), of("vars.where").value), ("words", None));
        assert_eq!(of("event.status").value.as_deref(), Some("firing"));
        assert_eq!(of("steps.page.alert.name").value.as_deref(), Some("A-1"));
        let audited = || async {
            db.read(|tx| {
                tx.query(
                    "SELECT reason FROM audit_entries WHERE action = 'run.value.read' ORDER BY counter",
                    &store::params![],
                    |row| row.get::<String>("reason"),
                )
            })
            .await
            .unwrap()
        };
        assert!(audited().await.is_empty(), "naming opens nothing");
        let read = world.flows.value(&world.permit(), run.id, "event.fields.labels.host").await.unwrap();
        assert_eq!(read.as_deref(), Some("db-1"));
        assert_eq!(audited().await, ["confidential: event.fields.labels.host"]);
        assert_eq!(world.flows.value(&world.permit(), run.id, "event.nothing").await.unwrap(), None);
        let elsewhere = access::Grants::of_operator(access::Actor::os("test", "here"));
        let foreign: base::WorkspaceId = db.context().id();
        assert!(world.flows.values(&elsewhere.permit(foreign).unwrap(), run.id).await.unwrap().is_none());
        assert!(world.flows.value(&elsewhere.permit(foreign).unwrap(), run.id, "event.title").await.unwrap().is_none());
        assert_eq!(audited().await.len(), 1, "what was not shown is not on record as shown");
    }

    /// A flow is read at any of its versions, also after it was removed.
    async fn a_flow_is_read_at_each_version(db: Db) {
        let world = World::new(db).await;
        world.apply(FLOW).await.unwrap();
        world.apply(&FLOW.replace("expires_in: 30", "expires_in: 60")).await.unwrap();
        let id = world.flow("checkout").await;
        let newest = world.flows.get(&world.permit(), id, None).await.unwrap().unwrap();
        assert_eq!((newest.version, newest.removed, newest.document.steps.len()), (2, false, 7));
        assert_eq!(newest.versions.iter().map(|one| one.version).collect::<Vec<_>>(), [2, 1]);
        let first = world.flows.get(&world.permit(), id, Some(1)).await.unwrap().unwrap();
        assert_eq!((first.version, first.row.version), (1, 2));
        assert_ne!(first.definition, newest.definition);
        assert!(world.flows.get(&world.permit(), id, Some(3)).await.unwrap().is_none());
        let elsewhere = access::Grants::of_operator(access::Actor::os("test", "here"));
        let foreign: base::WorkspaceId = world.db.context().id();
        assert!(world.flows.get(&elsewhere.permit(foreign).unwrap(), id, None).await.unwrap().is_none());
    }

    /// X-04: runs can be found by signal, flow and state, newest first, and their events read with their own right.
    async fn runs_can_be_found_and_read(db: Db) {
        let world = World::new(db).await;
        world.apply(FLOW).await.unwrap();
        let first = world.run("checkout", event(Status::Firing)).await.run;
        let second = world.run("checkout", event(Status::Resolved)).await.run;
        let all = world.runs(RunFilter::default()).await;
        assert_eq!(all.iter().map(|run| run.id).collect::<Vec<_>>(), [second.id, first.id]);
        let by_signal = world.runs(RunFilter { signal: first.signal, ..RunFilter::default() }).await;
        assert_eq!(by_signal.iter().map(|run| run.id).collect::<Vec<_>>(), [first.id]);
        assert!(world.runs(RunFilter { state: Some(RunState::Failed), ..RunFilter::default() }).await.is_empty());
        assert_eq!(world.runs(RunFilter { state: Some(RunState::Done), ..RunFilter::default() }).await.len(), 2);
        assert_eq!(world.runs(RunFilter { alert: first.alert, ..RunFilter::default() }).await.len(), 1);
        assert_eq!(world.runs(RunFilter { integration: Some(world.integration), ..RunFilter::default() }).await.len(), 2);
        let (past, future) = (first.started, first.started.plus(std::time::Duration::from_hours(1)));
        assert_eq!(world.runs(RunFilter { since: Some(past), until: Some(future), ..RunFilter::default() }).await.len(), 2);
        assert!(world.runs(RunFilter { since: Some(future), ..RunFilter::default() }).await.is_empty());
        assert!(world.runs(RunFilter { until: Some(past), ..RunFilter::default() }).await.is_empty());
        let nonsense = PageRequest::new(1, Some(base::Cursor("nonsense".into())));
        let refused = world.flows.runs(&world.permit(), RunFilter::default(), nonsense).await;
        assert!(matches!(refused, Err(flows::Error::Cursor)));
        let page = world.flows.runs(&world.permit(), RunFilter::default(), PageRequest::new(1, None)).await.unwrap();
        let rest = world.flows.runs(&world.permit(), RunFilter::default(), PageRequest::new(1, page.next)).await.unwrap();
        assert_eq!(rest.items, std::slice::from_ref(&first));
        let sent = event(Status::Firing);
        for (name, expected) in [
            ("event.key", sent.key.as_deref()),
            ("event.status", Some(sent.status.as_str())),
            ("event.title", Some(sent.title.as_str())),
            ("event.text", Some(sent.text.as_str())),
            ("event.priority", Some(sent.priority.as_str())),
            ("event.group", sent.group.as_deref()),
            ("event.link", sent.link.as_deref()),
            ("event.fields.labels.host", sent.fields["labels"]["host"].as_str()),
            ("event.fields.labels.service", sent.fields["labels"]["service"].as_str()),
        ] {
            assert_eq!(world.flows.value(&world.permit(), first.id, name).await.unwrap().as_deref(), expected, "{name}");
        }
        // Another workspace sees nothing of it.
        let elsewhere = access::Grants::of_operator(access::Actor::os("test", "here"));
        let foreign: base::WorkspaceId = world.db.context().id();
        assert!(world.flows.run(&elsewhere.permit(foreign).unwrap(), first.id).await.unwrap().is_none());
        assert!(world.flows.value(&elsewhere.permit(foreign).unwrap(), first.id, "event.title").await.unwrap().is_none());
    }

    /// What lists of runs are filtered by has an index on the embedded database, and none sorts what it reads.
    async fn lists_of_runs_have_their_indexes(db: Db) {
        if db.dialect() == store::Dialect::Postgres {
            // A planner with an empty table reads it whole, and is right.
            return;
        }
        for (filter, index) in [
            ("r.flow = $2", "runs_by_flow"),
            ("r.integration = $2", "runs_by_integration"),
            ("r.alert = $2", "runs_by_alert"),
            ("r.state <> 'done' AND r.state = $2", "runs_to_look_at"),
            ("r.id < $2", "runs_by_workspace"),
        ] {
            let sql = format!("EXPLAIN QUERY PLAN SELECT r.id FROM runs r WHERE r.workspace = $1 AND {filter} ORDER BY r.id DESC LIMIT 50");
            let read = move |tx: &mut store::Tx<'_>| tx.query(&sql, &store::params!["w", "x"], |row| row.get::<String>("detail"));
            let plan = db.read(read).await.unwrap().join("\n");
            assert!(plan.contains(index) && !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{filter}: {plan}");
        }
    }

    /// A change of the flow makes a new version; what began under the old one ends under it.
    async fn a_run_keeps_the_version_it_began_with(db: Db) {
        let world = World::new(db).await;
        world.apply(FLOW).await.unwrap();
        let start = world.start("checkout", event(Status::Firing)).await;
        let prepared = world.flows.prepare(vec![start]).await.remove(0).unwrap();
        let run = prepared.run();
        let flows = world.flows.clone();
        world.db.write(move |tx| flows.begin(tx, &prepared)).await.unwrap();
        world.apply(&FLOW.replace("About {{", "Changed {{")).await.unwrap();
        world.drain().await;
        let detail = world.flows.run(&world.permit(), run).await.unwrap().unwrap();
        assert_eq!((detail.run.version, detail.run.state), (1, RunState::Done));
        assert_eq!(world.kept().await[1].title, "About A-1");
        let mut other = event(Status::Firing);
        other.key = Some("other".into());
        assert_eq!(world.run("checkout", other).await.run.version, 2);
        assert_eq!(world.kept().await[3].title, "Changed A-3");
    }

    /// Mistakes are found at apply, all at once, each at its step.
    async fn apply_refuses_a_wrong_flow(db: Db) {
        let world = World::new(db).await;
        let wrong = FLOW.replace("else: clear", "else: claer").replace("truncate(12)", "truncat(12)");
        let problems = world.apply(&wrong).await.unwrap_err();
        assert!(problems.iter().any(|one| one.contains("steps[1].else: unknown-step") && one.contains("`clear`")), "{problems:?}");
        assert!(problems.iter().any(|one| one.contains("steps[3].sms: template-syntax") && one.contains("truncate")), "{problems:?}");
        let nobody = world.apply(&FLOW.replace("group: ops", "group: nobody")).await.unwrap_err();
        assert!(nobody[0].contains("group"), "{nobody:?}");
    }

    /// Rule 10: a template that fails, is endless or makes too much is replaced, the page goes out, the record says so.
    async fn a_broken_template_never_stops_a_page(db: Db) {
        let world = World::new(db).await;
        let cases = [
            ("title: \"{{ event.fields.nothing.here }}\"", "Disk full on db-1", "`title`"),
            ("title: \"{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}\"", "Disk full on db-1", "`title`"),
            ("title: \"{{ '' }}\"", "Disk full on db-1", "empty"),
            ("title: ok\ntext: \"{{ range(100000) | join('xxxx') }}\"", "ok", "`text`"),
            ("title: ok\nsms: \"{{ event.a.b }}\"", "ok", "`sms`"),
            ("title: ok\npriority: \"{{ event.fields.labels.host }}\"", "ok", "no priority"),
            ("title: ok\nkey: \"{{ event.a.b }}\"", "ok", "`key`"),
            ("title: ok\ngroup: \"{{ event.a.b }}\"", "ok", "`group`"),
            ("title: ok\nexpires_in: \"{{ event.title }}\"", "ok", "minutes"),
        ];
        for (count, (fields, title, said)) in cases.into_iter().enumerate() {
            world.apply(&one_step(fields)).await.unwrap();
            let mut mine = event(Status::Firing);
            mine.key = Some(format!("key-{count}"));
            let detail = world.run("f", mine).await;
            assert_eq!(detail.run.state, RunState::Degraded, "{fields}");
            assert!(detail.run.reason.as_deref().unwrap().starts_with("Step `page`"), "{:?}", detail.run.reason);
            let step = &detail.steps[1];
            assert_eq!(step.state, StepState::Replaced);
            assert!(step.record.iter().any(|line| line.contains(said)), "{fields}: {:?}", step.record);
            let kept = world.kept().await;
            assert_eq!(kept.len(), count + 1, "{fields}");
            assert_eq!((kept[count].title.as_str(), kept[count].group.as_str()), (title, "ops"), "{fields}");
            assert_eq!(kept[count].key.as_deref(), Some(format!("key-{count}").as_str()));
        }
    }

    /// A condition that cannot be evaluated fails the run visibly, and the trouble is paged all the same.
    async fn a_broken_condition_pages_with_a_fixed_text(db: Db) {
        let world = World::new(db).await;
        let broken = FLOW.replace(r#"event.status == "firing""#, "event.fields.nothing.here");
        world.apply(&broken).await.unwrap();
        let detail = world.run("checkout", event(Status::Firing)).await;
        assert_eq!((detail.run.state, detail.steps.len()), (RunState::Failed, 2));
        assert!(detail.run.reason.as_deref().unwrap().contains("opened instead (on_error: alert)"), "{:?}", detail.run.reason);
        assert!(detail.steps[1].record.last().unwrap().contains("Opened alert A-1 for the group ops"), "{:?}", detail.steps[1]);
        assert_eq!(detail.steps[1].state, StepState::Failed);
        assert!(detail.run.alert.is_some());
        assert_eq!(world.kept().await[0].title, "Disk full on db-1");

        // That the trouble is over pages nobody and resolves nothing blindly.
        let over = world.run("checkout", event(Status::Resolved)).await;
        assert_eq!(over.run.state, RunState::Failed);
        assert!(over.run.reason.as_deref().unwrap().contains("stays open"));
        assert_eq!(world.kept().await.len(), 1);

        world.apply(&broken.replace("group: ops", "group: ops\n    on_error: fail")).await.unwrap();
        let mut other = event(Status::Firing);
        other.key = Some("other".into());
        assert_eq!(world.run("checkout", other).await.run.state, RunState::Failed);
        assert_eq!(world.kept().await.len(), 1);
    }

    /// What alerts refuses as written is opened with the event's own words.
    async fn a_refused_alert_is_opened_with_fixed_words(db: Db) {
        let world = World::new(db).await;
        world.apply(&one_step("title: please refuse this")).await.unwrap();
        let detail = world.run("f", event(Status::Firing)).await;
        assert_eq!(detail.run.state, RunState::Degraded);
        assert!(detail.steps[1].record[0].contains("It is not wanted here."), "{:?}", detail.steps[1].record);
        assert_eq!(world.kept().await[0].title, "Disk full on db-1");

        let mut hopeless = event(Status::Firing);
        hopeless.title = "refuse this too".into();
        let failed = world.run("f", hopeless).await;
        assert_eq!(failed.run.state, RunState::Failed);
        assert!(failed.run.reason.as_deref().unwrap().contains("No alert could be opened"), "{:?}", failed.run.reason);
    }

    /// A machine may close a critical alert only where its flow says so.
    async fn a_critical_alert_is_not_closed_without_permission(db: Db) {
        let world = World::new(db).await;
        world.apply(&FLOW.replace("close_critical: true", "close_critical: false")).await.unwrap();
        world.run("checkout", event(Status::Firing)).await;
        let over = world.run("checkout", event(Status::Resolved)).await;
        assert!(over.steps[2].record[0].contains("none was resolved"), "{:?}", over.steps[2]);
        assert!(world.kept().await[0].live);
    }
}
