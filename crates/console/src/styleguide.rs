//! Every part of the console in every state, drawn by the templates and styles of the pages themselves: what is seen here is
//! what pages show. Only the demo has this page.

use access::{Capability, cap};
use alerts::{Knot, Priority};
use askama::Template;
use axum::extract::State;
use base::Timestamp;
use http::{Answer, HeaderMap, InWorkspace, Refusal, Response};

use crate::Console;
use crate::alerts::AlertRow;
use crate::chain::{Link, Row, View};
use crate::draw::{Draw as _, MiniKnot, mini};
use crate::mask::{Class, Masked};
use crate::page::page;
use crate::shell::{Page, Shell};

/// A small chain with its words.
struct Small {
    knots: Vec<MiniKnot>,
    words: &'static str,
}

#[derive(Template)]
#[template(path = "styleguide.html")]
struct StyleguidePage {
    shell: Shell,
    slug: String,
    chain: View,
    knots: Vec<(Knot, &'static str)>,
    minis: Vec<Small>,
    priorities: [Priority; 5],
    rows: Vec<AlertRow>,
    masked: Vec<(&'static str, Masked)>,
    colours: &'static [(&'static str, &'static str)],
    icons: &'static [&'static str],
}

/// The grounds and inks, with what they are for.
const COLOURS: &[(&str, &str)] = &[
    ("paper", "page"),
    ("sheet", "what is lifted, fields"),
    ("sunk", "code, night hours"),
    ("rule", "hairlines"),
    ("edge", "control borders"),
    ("line", "the chain"),
    ("ink", "text, headings"),
    ("ink-2", "running text"),
    ("ink-3", "labels, times"),
    ("accent", "the one accent"),
    ("wash", "selected"),
    ("crit", "critical, failed"),
    ("high", "high"),
    ("med", "medium, unknown"),
    ("low", "low"),
    ("ok", "checked and good"),
    ("crit-wash", "error"),
    ("med-wash", "care"),
    ("ok-wash", "done"),
];

/// The icons that stand beside words.
const ICONS: &[&str] = &[
    "mark", "signal", "run", "bell", "sms", "receipt", "answer", "watch", "people", "week", "shield", "menu", "search",
    "lock", "eye", "key", "copy", "down", "next", "check", "cross", "plus", "care", "clock", "doc", "phone", "branch",
];

/// The page.
pub async fn show(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Styleguide).await?;
    if !shell.place.as_ref().is_some_and(|place| place.handsets) {
        return Err(Refusal::not_found());
    }
    page(&sample(shell, guard.name().to_owned()))
}

fn sample(shell: Shell, slug: String) -> StyleguidePage {
    use Knot::{Done, Failed, Now, Skipped, Unknown, Waiting};
    let small = |knots, words| Small { knots: mini(knots), words };
    StyleguidePage {
        chain: chain(shell.now),
        knots: vec![
            (Done, "done"),
            (Now, "in progress"),
            (Waiting, "waiting"),
            (Skipped, "skipped, with reason"),
            (Unknown, "outcome unknown"),
            (Failed, "failed"),
        ],
        minis: vec![
            small([Done; 6], "answered"),
            small([Done, Done, Done, Done, Now, Waiting], "receipt awaited"),
            small([Done, Done, Done, Unknown, Now, Waiting], "unknown, going on"),
            small([Done, Done, Done, Failed, Waiting, Waiting], "failed at the parts"),
            small([Done, Done, Waiting, Waiting, Waiting, Waiting], "held"),
        ],
        priorities: [Priority::Critical, Priority::High, Priority::Medium, Priority::Low, Priority::Info],
        rows: rows(shell.now),
        masked: vec![
            (
                "Masked",
                number("g-offered").offered(true, Capability::MessageContentRead, format!("/w/{slug}/styleguide")),
            ),
            ("No right", number("g-closed").offered(false, Capability::MessageContentRead, "")),
            ("Erased", number("g-gone").gone("erased 22 Sep 2026, retention 30 days")),
        ],
        colours: COLOURS,
        icons: ICONS,
        slug,
        shell,
    }
}

fn number(spot: &str) -> Masked {
    Masked::new(spot, "number", "+44 77•• ••• •117", Class::Confidential)
}

fn link(knot: Knot, title: &str, gap: Option<&str>, at: Option<Timestamp>) -> Link {
    Link { knot, title: title.into(), at, small: None, href: None, gap: gap.map(Into::into), wait: false }
}

/// One person who answered, and one whom no carrier takes.
fn chain(now: Timestamp) -> View {
    let at = |millis: u64| Some(now.plus(std::time::Duration::from_millis(millis)));
    View {
        alert: "A-1042".into(),
        signal: None,
        run: None,
        first_page: None,
        answered: String::new(),
        trunk: vec![
            link(Knot::Done, "Icinga", Some("+18 ms"), at(0)),
            link(Knot::Done, "Site alerts, v3", Some("+24 ms"), at(18)),
        ],
        lonely: false,
        rows: vec![
            Row {
                first: link(Knot::Done, "Fay Sample", Some("+58 ms"), at(42)),
                links: vec![
                    Link { small: Some("sim-1".into()), ..link(Knot::Done, "1 of 1 sent", Some("+2.2 s"), None) },
                    link(Knot::Done, "Delivered", Some("+41 s"), at(2_300)),
                    link(Knot::Done, "“1” acknowledge", None, at(43_300)),
                ],
                reason: None,
                later: false,
            },
            Row {
                first: link(Knot::Skipped, "Eli Sample", None, None),
                links: Vec::new(),
                reason: Some("Not paged: Eli Sample has no phone. Add one to the account.".into()),
                later: false,
            },
            Row {
                first: link(Knot::Waiting, "Dina Sample", None, at(60_000)),
                links: Vec::new(),
                reason: None,
                later: true,
            },
        ],
        policy: "Group “on-call”, in words: Fay Sample at once, after 1 minute Dina Sample.".into(),
    }
}

fn rows(now: Timestamp) -> Vec<AlertRow> {
    let row = |priority: Priority, title: &str, state: &str, who: &str| AlertRow {
        priority,
        name: "A-1042".into(),
        title: title.into(),
        from: "alertmanager · on-call".into(),
        mini: mini([Knot::Done, Knot::Done, Knot::Done, Knot::Done, Knot::Done, Knot::Waiting]),
        mini_label: "delivered, not answered".into(),
        state: state.into(),
        who: who.into(),
        opened: now,
        age: "4 min".into(),
    };
    vec![
        row(Priority::Critical, "Replication lag on db-1 is 42 s, limit 30 s", "Open", "next: Dina Sample"),
        row(
            Priority::Medium,
            "PersistentVolumeClaimAlmostFullOnNodeWithAVeryLongNameThatNobodyWouldHaveChosen on store-3.example.com",
            "Acknowledged",
            "Cem Sample, 03:15:02",
        ),
        row(Priority::Low, "<script>alert(1)</script> &amp; \u{202e}abc\u{202c} 𝔘 ﷽", "Resolved", "alertmanager"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{checked, shell};

    #[test]
    fn every_part_is_drawn_by_the_pages_own_templates() {
        let html = checked(&sample(shell(), "demo".into()));
        for words in
            ["1 of 1 sent", "Eli Sample has no phone", "outcome unknown", "Severity critical", "needs the right"]
        {
            assert!(html.contains(words), "{words}");
        }
        let style = include_str!("../assets/demo.css");
        for (colour, _) in COLOURS {
            assert!(style.contains(&format!(".c-{colour} ")), "{colour}");
        }
    }
}
