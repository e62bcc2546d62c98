//! What the tests of the pages share: sample readers, and rules that hold for every page.

use std::time::Duration;

use access::{Capability, Environment};
use alerts::{
    Alert, AnswerKnot, By, Chain, ChainRow, Knot, KnotAt, MessageKnot, Priority, State as AlertState, StepState, Via,
};
use askama::Template;
use base::Timestamp;
use uuid::Uuid;

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
        moment: "64f1c2a9b0-1f4".into(),
        ends: Some((1_800_000, 43_200_000)),
        place: Some(Place {
            slug: "demo".into(),
            environment: Environment::Development,
            page: Page::Alerts,
            open_alerts: 2,
            unknown: 1,
            handsets: true,
            find: String::new(),
            may: Capability::ALL.to_vec(),
            workspaces: crate::facts::choices(&[("development", "demo"), ("production", "live")], "development"),
            shortcuts: true,
        }),
    }
}

/// So many milliseconds after [`NOW`].
pub fn after(millis: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(millis))
}

/// A stranger's words, as every page must survive them.
pub const HOSTILE: &str = "<script>alert(1)</script> & \"><img src=x onerror=alert(1)>";

/// An open alert with a hostile title.
pub fn alert() -> Alert {
    Alert {
        id: Uuid::from_u128(7).into(),
        workspace: Uuid::from_u128(1).into(),
        number: 1042,
        integration: Some(Uuid::from_u128(2).into()),
        signal: Some(Uuid::from_u128(3).into()),
        run: Some(Uuid::from_u128(4).into()),
        key: Some(HOSTILE.into()),
        priority: Priority::Critical,
        title: HOSTILE.into(),
        text: Some(HOSTILE.into()),
        link: Some("https://runbooks.example.com/db".into()),
        group: "Database".into(),
        state: AlertState::Open,
        opened: NOW,
        changed: NOW,
        acknowledged: None,
        acknowledged_by: None,
        closed: None,
        closed_by: None,
        note: None,
        expires: after(86_400_000),
        joined: 2,
        next_page: Some(after(60_000)),
        next_person: Some("Dina Sample".into()),
        unanswered: false,
    }
}

/// Somebody who did something in the console.
#[expect(clippy::unnecessary_wraps, reason = "as the fields have it")]
pub fn by(name: &str) -> Option<By> {
    Some(By { user: None, name: name.into(), via: Via::Console })
}

/// Cem's step of a chain: paged, delivered, not answered.
pub fn step() -> ChainRow {
    ChainRow {
        notification: Uuid::from_u128(8).into(),
        person: "Cem Sample".into(),
        user: None,
        device: None,
        round: 1,
        step: 1,
        state: StepState::Delivered,
        notified: KnotAt { knot: Knot::Done, at: Some(after(28)) },
        message: MessageKnot {
            knot: Knot::Done,
            at: Some(after(95)),
            sent: 1,
            total: 1,
            again: 0,
            carrier: Some("sim-1".into()),
        },
        receipt: KnotAt { knot: Knot::Done, at: Some(after(3_195)) },
        answer: AnswerKnot { knot: Knot::Waiting, at: None, words: None },
        message_id: Some(Uuid::from_u128(9).into()),
        reason: None,
    }
}

/// A chain of these steps.
pub fn chain(rows: Vec<ChainRow>) -> Chain {
    Chain {
        alert: Uuid::from_u128(7).into(),
        signal: None,
        run: None,
        opened: NOW,
        rows,
        first_page_after: Some(Duration::from_millis(28)),
        first_answer_after: None,
        policy: "Group “Database”, in words: Cem Sample at once.".into(),
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
    assert!(!html.contains("<script>alert") && !html.contains("<img"), "a stranger's words became HTML");
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
