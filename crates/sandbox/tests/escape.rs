//! The sandbox against what hostile templates do: with real workers, locked down as in the product (faults F-25, and the
//! "Sandbox" lines of the security rules).

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use sandbox::{DEADLINE, Error, FailureKind, Mode, NO_RESERVE, Options, Piece, Sandbox, Task, WorkerCommand};
use serde_json::{Value as Json, json};

fn command() -> WorkerCommand {
    WorkerCommand::new(env!("CARGO_BIN_EXE_sandbox-worker"), [] as [&str; 0])
}

fn sandbox() -> Sandbox {
    Sandbox::new(command())
}

/// Debug builds of the engine are some ten times slower, and test machines are shared.
const PATIENT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn texts_expressions_and_values_come_out_as_written() {
    let sandbox = sandbox();
    sandbox.warm().await.unwrap();
    let context = json!({"event": {"title": "Disk <full>", "status": "firing", "count": 3, "tags": ["a", "b"]}});
    assert_eq!(
        sandbox.render("{{ event.title | upper }} & {{ event.tags | join('+') }}", &context).await.unwrap(),
        "DISK <FULL> & a+b"
    );
    assert_eq!(sandbox.evaluate("event.status == 'firing'", &context).await.unwrap(), json!(true));
    let pieces = vec![
        Piece::new(Mode::Value, "{{ event.count + 1 }}"),
        Piece::new(Mode::Value, "n={{ event.count }}"),
        Piece::new(Mode::Value, "{{ event.missing }}"),
        Piece::new(Mode::Value, "{{ event.a.b }}"),
        Piece::new(Mode::Condition, "event.tags"),
        Piece::new(Mode::Value, "{{ event.title | truncate(6) }}"),
    ];
    let rows = sandbox.task(Task::new(context, pieces), PATIENT).await.unwrap().rows;
    let mut row = rows.into_iter().next().unwrap().into_iter();
    assert_eq!(row.next().unwrap(), Ok(json!(4)));
    assert_eq!(row.next().unwrap(), Ok(json!("n=3")));
    assert_eq!(row.next().unwrap(), Ok(Json::Null));
    assert_eq!(row.next().unwrap().unwrap_err().kind, FailureKind::Evaluation);
    assert_eq!(row.next().unwrap(), Ok(json!(true)));
    assert_eq!(row.next().unwrap(), Ok(json!("Dis...")));
}

#[tokio::test]
async fn a_task_over_a_list_has_a_row_for_each_element() {
    let sandbox = sandbox();
    let task = Task::new(
        json!({"payload": {"alerts": [{"n": 1}, {"n": 2}, {}]}}),
        vec![
            Piece::new(Mode::Value, "{{ item.n }}"),
            Piece::new(Mode::Template, "#{{ index }} of {{ payload.alerts|length }}"),
        ],
    )
    .each("payload.alerts", "item");
    let rows = sandbox.task(task, PATIENT).await.unwrap();
    assert_eq!(rows.total, 3);
    assert_eq!(rows.rows[1], vec![Ok(json!(2)), Ok(json!("#1 of 3"))]);
    assert_eq!(rows.rows[2][0], Ok(Json::Null));
    let none = Task::new(json!({}), vec![Piece::new(Mode::Value, "x")]).each("payload", "item");
    assert!(matches!(sandbox.task(none, PATIENT).await, Err(Error::Template(_))));
    let empty = Task::new(json!({"payload": []}), vec![Piece::new(Mode::Value, "x")]).each("payload", "item");
    assert_eq!(sandbox.task(empty, PATIENT).await.unwrap().rows.len(), 0);
    let many = Task::new(json!({}), vec![Piece::new(Mode::Value, "{{ item }}")]).each("range(5000)", "item");
    let rows = sandbox.task(many, PATIENT).await.unwrap();
    assert_eq!((rows.rows.len(), rows.total), (sandbox::ROW_LIMIT, 5_000));
}

#[tokio::test]
async fn mistakes_name_their_line() {
    let sandbox = sandbox();
    let error = sandbox.render("a\nb {{ c | nonsense }}", &json!({"c": 1})).await.unwrap_err();
    let Error::Template(failure) = error else { panic!("{error:?}") };
    assert_eq!((failure.kind, failure.line), (FailureKind::Syntax, Some(2)));
    let error = sandbox.render("{{ a.b.c }}", &json!({"a": {}})).await.unwrap_err();
    assert!(matches!(error, Error::Template(failure) if failure.kind == FailureKind::Evaluation));
}

/// The bombs that were found to get through the engine's own fuel: none of them makes the caller wait, none hurts the
/// next one.
#[tokio::test]
async fn bombs_are_stopped_and_the_neighbours_go_on() {
    let sandbox = sandbox();
    sandbox.warm().await.unwrap();
    let doubling =
        format!("{{% set a = 'xxxxxxxxxxxxxxxx' %}}{}{{{{ a | length }}}}", "{% set a = a ~ a %}".repeat(40));
    let capture =
        format!("{{% set a = 'xxxxxxxx' %}}{}{{{{ a|length }}}}", "{% set a %}{{ a }}{{ a }}{% endset %}".repeat(40));
    let chained = format!("{{{{ {} }}}}", "x|first|".repeat(8_000) + "first");
    let bombs = [
        "{{ '%1000000000d' | format(1) }}",
        "{{ 'a' | indent(1000000000) }}",
        "{{ ('a' * 99999999) | replace('a', 'bbbbbbbbbb') }}",
        "{% set ns = namespace(x='a') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{{ i }} and more text{% endfor %}",
        "{{ range(100000) | join('x' * 10000) }}",
        "{{ range(100000) | list | tojson }}",
        "{% for a in [[1]] recursive %}{{ loop([a]) }}{% endfor %}",
        "{{ 'a' * 99999999 }}",
        "{{ [1] * 99999999 }}",
        "{{ 2 ** 1000000000 }}",
        "{{ (9 ** 30) ** 99999 }}",
        doubling.as_str(),
        capture.as_str(),
        chained.as_str(),
    ];
    for bomb in bombs {
        let outcome =
            tokio::time::timeout(PATIENT, sandbox.render(bomb, &json!({"x": "y"}))).await.expect("stopped in time");
        assert!(outcome.is_err(), "{} gave {:?}", &bomb[..bomb.len().min(80)], outcome.map(|text| text.len()));
        assert_eq!(
            sandbox.render("{{ 1 + 1 }}", &json!({})).await.unwrap(),
            "2",
            "after {}",
            &bomb[..bomb.len().min(80)]
        );
    }
}

/// Rule 10: what takes too long is given up, and only that.
#[tokio::test]
async fn a_task_that_overruns_costs_its_worker_and_not_its_neighbours() {
    let sandbox = sandbox();
    sandbox.warm().await.unwrap();
    // Sorting is one instruction for the fuel and a long time for the clock.
    let slow =
        "{{ (range(100000)|map('string')|sort(reverse=true)|map('upper')|unique|sort|list|groupby('x')|list|length) }}"
            .repeat(20);
    let quick = Task::new(json!({"a": 1}), vec![Piece::new(Mode::Template, "{{ a }}")]);
    let tasks = [quick.clone(), Task::new(json!({}), vec![Piece::new(Mode::Template, slow)]), quick];
    let before = sandbox.run(&tasks[..1], PATIENT).await;
    assert_eq!(before[0].as_ref().unwrap().rows[0][0], Ok(json!("1")));
    let outcomes = sandbox.run(&tasks, DEADLINE).await;
    assert_eq!(outcomes[1], Err(Error::TimedOut));
    assert_eq!(outcomes[2].as_ref().unwrap().rows[0][0], Ok(json!("1")));
}

#[tokio::test]
async fn when_all_workers_are_busy_callers_are_told_so() {
    let options = Options { workers: 1, queue: 1, wait: Duration::from_millis(50), ..Options::default() };
    let sandbox = Sandbox::with(command(), options);
    sandbox.warm().await.unwrap();
    let slow = Task::new(
        json!({}),
        vec![Piece::new(Mode::Template, "{{ range(100000)|map('string')|sort|unique|list|length }}".repeat(200))],
    );
    let busy = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { sandbox.task(slow, Duration::from_millis(800)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(sandbox.render("x", &json!({})).await, Err(Error::Busy));
    assert_eq!(busy.await.unwrap(), Err(Error::TimedOut));
    assert_eq!(sandbox.render("x", &json!({})).await.unwrap(), "x");
}

#[tokio::test]
async fn a_program_that_is_no_worker_is_refused() {
    for program in ["/bin/true", "/nonexistent"] {
        let sandbox = Sandbox::new(WorkerCommand::new(program, [] as [&str; 0]));
        assert!(matches!(sandbox.warm().await, Err(Error::Unavailable(_))), "{program}");
    }
}

/// A worker seen from the outside: what the kernel says about it.
#[test]
fn the_worker_is_locked_down_and_leaves_with_its_parent() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sandbox-worker"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut head = [0; 4];
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut head).unwrap();
    let mut hello = vec![0; u32::from_be_bytes(head) as usize];
    output.read_exact(&mut hello).unwrap();
    assert_eq!(serde_json::from_slice::<Json>(&hello).unwrap(), json!({"refusal": null}));

    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned()).unwrap_or_default()
    };
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2", "filter mode");
    assert_eq!(field("Threads:"), "1");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(limit("Max open files"), "0");
    assert_eq!(limit("Max file size"), "0");
    assert_eq!(limit("Max core file size"), "0");
    assert_ne!(limit("Max address space"), "unlimited");
    assert_ne!(limit("Max cpu time"), "unlimited");

    drop(child.stdin.take());
    let ended = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        child.try_wait().unwrap()
    });
    assert!(ended.expect("it ends when its parent's pipe does").success());
}

/// Garbage on its input ends a worker; it never answers it.
#[test]
fn a_frame_that_is_too_long_ends_the_worker() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sandbox-worker"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&[255; 8]).unwrap();
    assert!(!child.wait().unwrap().success());
}

/// Code that broke out of the engine finds no way out of the process (security rules: no open, socket, exec, fork).
#[test]
fn forbidden_system_calls_end_the_process() {
    let attempt = |what: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_sandbox-worker"))
            .arg(what)
            .env_clear()
            .env(NO_RESERVE.0, NO_RESERVE.1)
            .output()
            .unwrap();
        (output.status, String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, said) = attempt("nothing");
    assert!(status.success(), "{said}");
    assert_eq!(said, "locked down\nsurvived\n");
    for what in ["open", "create", "socket", "exec", "thread", "list", "kill", "memory"] {
        let (status, said) = attempt(what);
        assert!(!status.success(), "{what}: {status:?} {said}");
        assert_eq!(said, "locked down\n", "{what}");
    }
    assert!(!std::path::Path::new("/tmp/loudhailer-sandbox-escape").exists());
}
