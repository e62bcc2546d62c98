use serde_json::json;

use super::*;

fn wrong(body: &[u8]) -> BodyError {
    parse(Media::Json, body).unwrap_err()
}

#[test]
fn media_types_are_read_tolerantly_and_strangers_refused() {
    for known in ["application/json", "Application/JSON; charset=UTF-8", "application/vnd.x+json", "text/json"] {
        assert_eq!(Media::of(Some(known)), Some(Media::Json), "{known}");
    }
    assert_eq!(Media::of(None), Some(Media::Json));
    assert_eq!(Media::of(Some("application/x-www-form-urlencoded")), Some(Media::Form));
    for other in ["text/plain", "text/html", "multipart/form-data; boundary=x", "application/json; charset=utf-16", ""]
    {
        assert_eq!(Media::of(Some(other)), None, "{other}");
    }
}

#[test]
fn good_bodies_come_out_whole() {
    let body = br#" {"a": [1, -2, 3.5, true, null, "x\u00e9"], "b": {}} "#;
    assert_eq!(parse(Media::Json, body).unwrap(), json!({"a": [1, -2, 3.5, true, null, "x\u{e9}"], "b": {}}));
    assert_eq!(parse(Media::Form, b"title=Disk+full&n=1%20").unwrap(), json!({"title": "Disk full", "n": "1 "}));
    assert_eq!(parse(Media::Form, br#"{"title": "by curl -d"}"#).unwrap(), json!({"title": "by curl -d"}));
    assert_eq!(parse(Media::Json, b"3").unwrap(), json!(3));
}

/// F-23: one meaning everywhere, and the place is named.
#[test]
fn bad_bodies_are_refused_with_their_place() {
    let error = wrong(b"{\"a\": 1,\n \"b\": {\"c\": [1, {\"d\": 1, \"d\": 2}]}}");
    assert_eq!(error.path, "b.c[1].d");
    assert!(error.detail.contains("line 2") && error.detail.contains("twice"), "{error:?}");

    let deep = format!("{}1{}", "[".repeat(33), "]".repeat(33));
    assert!(wrong(deep.as_bytes()).detail.contains("32 levels"));
    let just = format!("{}1{}", "[".repeat(32), "]".repeat(32));
    assert!(parse(Media::Json, just.as_bytes()).is_ok());
    let bottomless = "[".repeat(200_000);
    assert!(wrong(bottomless.as_bytes()).detail.contains("32 levels"));

    assert!(wrong(b"{\"a\": \"\xff\"}").detail.contains("UTF-8 from byte 8"));
    for bad in [
        "{\"a\": 1e999}",
        "{\"a\": \"\\ud800\"}",
        "{\"a\": 1} x",
        "{a: 1}",
        "{\"a\": 01}",
        "{\"a\": NaN}",
        "{\"a\": 1,}",
        "  ",
        "",
    ] {
        assert!(parse(Media::Json, bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(parse(Media::Form, b"a=1&a=2").unwrap_err().detail.contains("Field 2"));
    assert_eq!(wrong(b"{\"a\": {\"b\": [0, tru]}}").path, "a.b[1]");
}

/// F-23, RFC 7493: hostile JSON. Each is refused with its reason, or has one meaning only.
#[test]
#[expect(clippy::disallowed_methods, reason = "the time that passes outside is what is measured")]
fn hostile_json_is_refused_with_its_reason_in_bounded_time() {
    let nested = |levels: usize, open: &str, close: &str| format!("{}1{}", open.repeat(levels), close.repeat(levels));
    let corpus: Vec<(&str, Vec<u8>, &str)> = vec![
        ("arrays without end", "[".repeat(200_000).into_bytes(), "32 levels"),
        ("objects without end", "{\"a\":".repeat(40_000).into_bytes(), "32 levels"),
        ("one level too many", nested(33, "[", "]").into_bytes(), "32 levels"),
        ("mixed nesting", nested(20, "[{\"a\":", "}]").into_bytes(), "32 levels"),
        ("a name twice", b"{\"role\": \"user\", \"role\": \"admin\"}".to_vec(), "twice"),
        ("a name twice by an escape", b"{\"role\": 1, \"r\\u006fle\": 2}".to_vec(), "twice"),
        ("a number beyond all", b"{\"a\": 1e999}".to_vec(), "number out of range"),
        (
            "a number of a hundred thousand digits",
            format!("{{\"a\": {}}}", "9".repeat(100_000)).into_bytes(),
            "number out of range",
        ),
        ("half a surrogate pair", b"{\"a\": \"\\ud800\"}".to_vec(), "line 1"),
        ("two halves of the same sort", b"{\"a\": \"\\ud800\\ud800\"}".to_vec(), "line 1"),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec(), "line 1, column 1"),
        ("UTF-16", "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect(), "UTF-8 from byte 1"),
        ("overlong UTF-8", b"{\"a\": \"\xc0\xaf\"}".to_vec(), "UTF-8 from byte 8"),
        ("a surrogate in UTF-8", b"{\"a\": \"\xed\xa0\x80\"}".to_vec(), "UTF-8 from byte 8"),
        ("a control character", b"{\"a\": \"\x01\"}".to_vec(), "control character"),
        ("a null byte behind the document", b"{}\0".to_vec(), "trailing characters"),
        ("two documents", b"{} {}".to_vec(), "trailing characters"),
        ("a comment", b"{/* x */}".to_vec(), "line 1"),
        ("a trailing comma", b"[1,]".to_vec(), "trailing comma"),
        ("no number", b"{\"a\": NaN}".to_vec(), "expected value"),
        ("Infinity", b"[-Infinity]".to_vec(), "line 1"),
        ("a number with a leading zero", b"[01]".to_vec(), "invalid number"),
        ("single quotes", b"{'a': 1}".to_vec(), "key must be a string"),
        ("cut off", b"{\"a\": [1, 2".to_vec(), "EOF"),
        ("an unknown escape", b"[\"\\x41\"]".to_vec(), "invalid escape"),
    ];
    for (name, document, reason) in corpus {
        let began = std::time::Instant::now();
        let error = parse(Media::Json, &document).expect_err(name);
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{name} took {:?}", began.elapsed());
        assert!(error.detail.contains(reason), "{name}: {error:?}");
        assert!(error.detail.len() < 300 && error.path.chars().count() <= PATH_LIMIT, "{name}: {error:?}");
        assert!(!error.detail.chars().any(char::is_control), "{name}: {error:?}");
    }
}
