//! What the tests of the pages share: sample readers, and rules that hold for every page.

use access::{Capability, Environment};
use askama::Template;
use base::Timestamp;

use crate::shell::{Page, Place, Shell};
use crate::zone::Zone;

/// Fri 23 Oct 2026 03:12:07.214 CEST.
pub const NOW: Timestamp = Timestamp::from_micros(1_792_717_927_214_000);

/// A reader who may do everything, on the alerts page of the demo.
pub fn shell() -> Shell {
    Shell {
        name: "Dina Sample".into(),
        csrf: "token-of-the-session".into(),
        theme: None,
        zone: Zone::first_of(["Europe/Berlin"]),
        now: NOW,
        stream: Some("/w/demo/events?topics=alerts".into()),
        place: Some(Place {
            slug: "demo".into(),
            environment: Environment::Development,
            page: Page::Alerts,
            open_alerts: 2,
            handsets: true,
            find: String::new(),
            may: Capability::ALL.to_vec(),
        }),
    }
}

/// Renders a page and checks what holds for all of them: the content security policy leaves no room for inline script or
/// style, every form that changes something carries the token, and nothing is left unrendered.
pub fn checked(template: &impl Template) -> String {
    let html = template.render().unwrap();
    assert!(html.starts_with("<!doctype html>"), "{}", &html[..40.min(html.len())]);
    for tag in tags(&html) {
        let name = tag.split([' ', '>', '/']).next().unwrap_or_default();
        for attribute in attributes(tag) {
            assert!(attribute != "style", "inline style in <{tag}>");
            assert!(!attribute.starts_with("on") && !attribute.starts_with("hx-on"), "inline script in <{tag}>");
        }
        assert!(name != "style", "a style element");
        assert!(name != "script" || tag.contains(" src=\"/assets/"), "inline script <{tag}>");
    }
    for form in html.split("<form").skip(1) {
        let form = form.split("</form>").next().unwrap_or_default();
        assert!(!form.contains("method=\"post\"") || form.contains("name=\"csrf\""), "a form without a token: {form}");
    }
    assert!(!html.contains("/assets/missing"), "an asset that is not embedded");
    assert!(!html.contains("{{") && !html.contains("{%"), "something is left unrendered");
    html
}

/// What stands between `<` and `>` of each opening tag.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<')
        .skip(1)
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(|rest| rest.split('>').next().unwrap_or_default())
}

/// The attributes' names, with values left out.
fn attributes(tag: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut quoted = None;
    let mut name = String::new();
    for letter in tag.chars().skip_while(|c| !c.is_whitespace()) {
        match (quoted, letter) {
            (Some(end), letter) if letter == end => quoted = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quoted = Some(letter),
            (None, '=' | ' ' | '\n') => {
                if !name.is_empty() {
                    names.push(std::mem::take(&mut name));
                }
            }
            (None, letter) => name.push(letter.to_ascii_lowercase()),
        }
    }
    names.push(name);
    names
}

#[test]
fn attributes_are_found_in_a_tag() {
    assert_eq!(attributes(r#"a href="x y=z" hx-get='q' checked"#), ["href", "hx-get", "checked"]);
}
