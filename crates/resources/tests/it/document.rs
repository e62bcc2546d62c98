//! Files: what is read, what is refused and in which words.

use resources::{Document, Parsed};

use crate::house::{HOUSE, SECRETS, lines, registry};

fn refused(yaml: &str) -> Vec<String> {
    lines(&Parsed::yaml(yaml, &registry()).unwrap_err())
}

#[test]
fn unknown_fields_and_kinds_name_their_nearest_neighbour() {
    assert_eq!(
        refused("teams:\n  - {workspace: demo, name: a, moto: x}\n"),
        ["teams[0].moto: unknown field; did you mean motto?"]
    );
    assert_eq!(refused("team: []\n"), ["team: unknown kind of resource; did you mean teams?"]);
    assert_eq!(
        refused("teams:\n  - {workspace: demo, name: a, members: [{persn: x}]}\n"),
        ["teams[0].members[0].persn: unknown field; did you mean person?", "teams[0].members[0].person: is missing",]
    );
}

#[test]
fn wrong_types_say_what_is_expected_and_the_remedy() {
    assert_eq!(
        refused(
            "teams:\n  - {workspace: demo, name: 12, colour: grün, active: maybe, weight: heavy,\n     members: {a: b}, labels: [x], link: text}\n  - just a text\n  - {workspace: [demo], name: b, members: [{person: a, delay_seconds: 99999999}, {person: b, delay_seconds: 1.5}]}\n"
        ),
        [
            "teams[0].name: a text is expected here, not a number; put it in quotes",
            "teams[0].colour: one of green, red, blue is expected; did you mean green?",
            "teams[0].members: a list is expected here, not an object",
            "teams[0].labels: an object with names is expected here, not a list",
            "teams[0].weight: a number is expected here, not a text",
            "teams[0].active: true or false is expected here, not a text",
            "teams[0].link: an object with named fields is expected here, not a text",
            "teams[1]: an object with named fields is expected here, not a text",
            "teams[2].workspace: the slug of a workspace is expected here, as a text",
            "teams[2].members[0].delay_seconds: a number between 0 and 86400 is expected",
            "teams[2].members[1].delay_seconds: a whole number between 0 and 86400 is expected here, not a number with a fraction",
        ]
    );
}

#[test]
fn a_secret_is_named_and_never_written_down() {
    let plain = refused("teams:\n  - {workspace: demo, name: a, link: {password: hunter2hunter2}}\n");
    assert_eq!(
        plain,
        ["teams[0].link.password: a secret is given as {file: PATH} or {env: NAME}, never as the value itself"]
    );
    assert!(!plain[0].contains("hunter2"));
    assert_eq!(refused("teams:\n  - {workspace: demo, name: a, token: {value: x}}\n").len(), 1);
    let parsed =
        Parsed::yaml("teams:\n  - {workspace: demo, name: a, token: {file: /nowhere}}\n", &registry()).unwrap();
    let error = parsed.resolve(&SECRETS).unwrap_err();
    assert_eq!(lines(&error), ["teams[0].token: there is no such file"]);
}

/// A server reads neither its own files nor its own variables for somebody else, and no plain text is a secret.
#[test]
fn the_wire_marks_secrets_and_refuses_files_variables_and_plain_texts() {
    let registry = registry();
    let wire = |secret: &str| format!("{{\"teams\":[{{\"workspace\":\"demo\",\"name\":\"a\",\"token\":{secret}}}]}}");
    assert!(Document::from_wire(wire("{\"value\":\"an-imported-token-0123456789\"}").as_bytes(), &registry).is_ok());
    assert!(Document::from_wire(wire("{\"unchanged\":true}").as_bytes(), &registry).is_ok());
    for bad in [
        "\"plain\"",
        "{\"file\":\"/etc/passwd\"}",
        "{\"env\":\"HOME\"}",
        "{\"value\":\"\"}",
        "{\"value\":1}",
        "{\"unchanged\":false}",
        "{\"value\":\"a\",\"x\":1}",
    ] {
        let error = Document::from_wire(wire(bad).as_bytes(), &registry).unwrap_err();
        assert_eq!(lines(&error).len(), 1, "{bad}");
        assert!(lines(&error)[0].starts_with("teams[0].token: "), "{bad}");
    }
    let document = Parsed::yaml(HOUSE, &registry).unwrap().resolve(&SECRETS).unwrap();
    assert!(!format!("{document:?}").contains("hush hush"));
    assert_eq!(Document::from_wire(document.to_wire().as_bytes(), &registry).unwrap().len(), 6);
}

#[test]
fn what_is_no_file_of_resources_is_refused_with_its_place() {
    assert_eq!(refused("- a\n- b\n"), [": a file of resources has lists such as groups: at its top"]);
    assert_eq!(refused("teams: {name: a}\n"), ["teams: a list is expected here; start each entry with -"]);
    let twice = refused("teams: []\nteams: []\n");
    assert!(twice[0].contains("line 2"), "{twice:?}");
    assert!(refused("teams: [\n")[0].starts_with(": The file is no YAML"));
    assert!(Parsed::yaml("", &registry()).unwrap().resolve(&SECRETS).unwrap().is_empty());
}

/// Limits: 1 MiB, 32 levels, no alias bombs, no duplicate names in JSON (RFC 7493).
#[test]
fn bombs_do_not_go_off() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    assert!(refused(bomb)[0].starts_with(": The file is no YAML"), "{:?}", refused(bomb));
    let deep = format!("teams: {}{}\n", "[".repeat(40), "]".repeat(40));
    assert_eq!(refused(&deep).len(), 1);
    let long = format!("teams:\n  - {{workspace: demo, name: a, motto: {}}}\n", "x".repeat(1 << 20));
    assert!(refused(&long)[0].contains("1 MiB"));
    let registry = registry();
    for bad in
        ["{\"teams\":[],\"teams\":[]}", "{", "[1]", "{\"teams\":[{\"workspace\":\"a\",\"name\":\"a\",\"name\":\"b\"}]}"]
    {
        assert!(Document::from_wire(bad.as_bytes(), &registry).is_err(), "{bad}");
    }
    let deep = format!(
        "{{\"teams\":[{{\"workspace\":\"a\",\"name\":\"a\",\"steps\":{}{}}}]}}",
        "[".repeat(60),
        "]".repeat(60)
    );
    assert!(Document::from_wire(deep.as_bytes(), &registry).is_err());
}

#[test]
fn aliases_of_a_bearable_size_are_read() {
    let parsed = Parsed::yaml(
        "teams:\n  - {workspace: demo, name: a, members: &who [{person: ada@example.com}]}\n  - {workspace: demo, name: b, members: *who}\n",
        &registry(),
    );
    assert!(parsed.is_ok(), "{parsed:?}");
}
