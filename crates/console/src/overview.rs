//! The first page: what waits for somebody now, and whether everything that reaches people works.

use access::{Capability, cap};
use alerts::{Alert, Filter, Knot, Priority, State as AlertState};
use askama::Template;
use axum::extract::State;
use base::PageRequest;
use http::{Answer, HeaderMap, InWorkspace, Response};
use messaging::Minute;
use oncall::{Group, Plan, Step};

use crate::Console;
use crate::alerts::AlertRow;
use crate::answers::{ActButton, acts};
use crate::chain::View;
use crate::draw::{Draw, MiniKnot, mini};
use crate::groups_page::named;
use crate::messages_page::last_hour;
use crate::page::page;
use crate::programs_due::{ProgramsDue, programs_due};
use crate::shell::{Page, Shell};
use crate::zone::{counter, length};

/// The alert that calls.
struct Call {
    priority: Priority,
    name: String,
    title: String,
    from: String,
    since: i64,
    age: String,
    chain: View,
    mini: Vec<MiniKnot>,
    mini_label: String,
    acts: Vec<ActButton>,
}

struct GroupRow {
    name: String,
    members: String,
    policy: String,
    warnings: Vec<String>,
}

struct CarrierRow {
    name: String,
    knot: Knot,
    words: String,
    used: usize,
    window: usize,
    percent: usize,
    p99: String,
}

struct FirstStep {
    knot: Knot,
    words: String,
    href: Option<String>,
}

/// One minute of the chart.
pub struct Bar {
    x: String,
    y: u32,
    height: u32,
    failed: u32,
}

/// A label under the chart.
pub struct Label {
    x: u32,
    anchor: &'static str,
    text: String,
}

/// Messages a minute, over an hour.
pub struct Chart {
    bars: Vec<Bar>,
    labels: Vec<Label>,
    top: u32,
    failed: u64,
    sentence: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: String,
    next_until: Option<i64>,
    next_words: String,
    next_in: String,
    call: Option<Call>,
    rows: Vec<AlertRow>,
    chart: Option<Chart>,
    groups: Option<Vec<GroupRow>>,
    carriers: Option<Vec<CarrierRow>>,
    steps: Vec<FirstStep>,
    /// How many messages have an unknown outcome, in words; none when there is none.
    unknown: Option<String>,
    /// Credentials of programs that end soon.
    due: Option<ProgramsDue>,
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let topics = [alerts::TOPIC, messaging::TOPIC, carriers::TOPIC];
    let shell = console.shell(&guard, &headers, Page::Overview).await?.listening(&topics);
    let slug = guard.name().to_owned();
    let live = match guard.also::<cap::AlertsRead>() {
        Some(permit) => {
            let filter = Filter { states: vec![AlertState::Open, AlertState::Acknowledged], ..Filter::default() };
            console.alerts.list(permit, filter, PageRequest::default()).await?.items
        }
        None => Vec::new(),
    };
    let waiting = live.iter().filter(|alert| alert.state == AlertState::Open).count();
    let first =
        live.iter().filter(|alert| alert.state == AlertState::Open).min_by_key(|alert| (alert.priority, alert.opened));
    let call = match first {
        Some(alert) => Some(call(&console, &guard, &slug, alert, &shell).await?),
        None => None,
    };
    let next = first.and_then(|alert| Some((alert.next_page?, alert.next_person.clone()?)));
    let minutes = match guard.also::<cap::MessagesRead>() {
        Some(permit) => Some(console.minutes(permit).await?),
        None => None,
    };
    let others = live.iter().filter(|alert| first.is_none_or(|first| first.id != alert.id));
    let rows = console.rows(&guard, others, &shell).await?;
    page(&OverviewPage {
        sentence: match waiting {
            0 if live.is_empty() => "All quiet: nothing is open".into(),
            0 => "Nothing waits for an answer".into(),
            1 => "One alert waits for an answer".into(),
            count => format!("{count} alerts wait for an answer"),
        },
        standing: match (waiting, live.len()) {
            (0, 0) => "When a signal comes in, the people on call are paged in order until someone answers.".into(),
            (0, taken) => format!("{taken} taken by somebody."),
            _ => "If nobody answers, the next person is paged.".into(),
        },
        next_until: next.as_ref().map(|(at, _)| at.as_millis()),
        next_words: next.as_ref().map(|(_, person)| format!("{person} is paged in")).unwrap_or_default(),
        next_in: next.as_ref().map(|(at, _)| counter(at.since(shell.now))).unwrap_or_default(),
        call,
        rows,
        chart: minutes.as_deref().map(|minutes| chart(minutes, &shell)),
        groups: groups(&console, &guard).await?,
        carriers: carriers(&console, &guard),
        steps: first_steps(&console, &guard, &slug, minutes.as_deref()).await?,
        due: programs_due(&console, &guard).await?,
        unknown: match shell.place.as_ref().map_or(0, |place| place.unknown) {
            0 => None,
            1 => Some("One message may or may not have arrived".to_owned()),
            count => Some(format!("{count} messages may or may not have arrived")),
        },
        slug,
        shell,
    })
}

async fn call(
    console: &Console,
    guard: &InWorkspace<cap::OverviewRead>,
    slug: &str,
    alert: &Alert,
    shell: &Shell,
) -> Answer<Call> {
    let chain = console.chain(guard, alert).await?;
    Ok(Call {
        priority: alert.priority,
        name: alert.name(),
        title: alert.title.clone(),
        from: format!("{} · from {}", alert.group, chain.trunk[0].title),
        since: alert.opened.as_millis(),
        age: counter(shell.now.since(alert.opened)),
        mini: mini(chain.six(alert)),
        mini_label: format!("Chain of {}", alert.name()),
        chain,
        acts: if guard.may(Capability::AlertsAnswer) { acts(slug, alert) } else { Vec::new() },
    })
}

/// Bars for `minutes`, oldest first, scaled to a round number.
fn chart(minutes: &[Minute], shell: &Shell) -> Chart {
    const HEIGHT: u32 = 80;
    let most = minutes.iter().map(|minute| minute.accepted).max().unwrap_or(0);
    let top = [4, 8, 20, 40, 80, 200, 400, 800, 2_000, 4_000, 8_000, 20_000, 80_000, 400_000, 4_000_000]
        .into_iter()
        .find(|step| *step >= most)
        .unwrap_or(most.max(1));
    let scale = |count: u32| u32::try_from(u64::from(count) * u64::from(HEIGHT) / u64::from(top)).unwrap_or(HEIGHT);
    let count = minutes.len().max(1);
    let bars = minutes
        .iter()
        .enumerate()
        .map(|(place, minute)| {
            let height = scale(minute.accepted).max(u32::from(minute.accepted > 0));
            let thousandths = place * 100_000 / count + 150;
            Bar {
                x: format!("{}.{:02}", thousandths / 1_000, thousandths % 1_000 / 10),
                y: 104 - height,
                height,
                failed: scale(minute.failed).max(u32::from(minute.failed > 0)).min(height),
            }
        })
        .collect();
    let at = |index: usize| {
        minutes.get(index).map(|minute| shell.zone.clock(&minute.at)[..5].to_owned()).unwrap_or_default()
    };
    let labels = vec![
        Label { x: 0, anchor: "start", text: at(0) },
        Label { x: 25, anchor: "middle", text: at(count / 4) },
        Label { x: 50, anchor: "middle", text: at(count / 2) },
        Label { x: 75, anchor: "middle", text: at(count * 3 / 4) },
        Label { x: 100, anchor: "end", text: at(count - 1) },
    ];
    let (sentence, standing) = last_hour(minutes);
    Chart {
        bars,
        labels,
        top,
        failed: minutes.iter().map(|minute| u64::from(minute.failed)).sum(),
        sentence: format!("{sentence}. {standing}"),
    }
}

async fn groups(console: &Console, guard: &InWorkspace<cap::OverviewRead>) -> Answer<Option<Vec<GroupRow>>> {
    let Some(permit) = guard.also::<cap::OnCallRead>() else { return Ok(None) };
    let (oncall, now) = (console.oncall.clone(), console.db.context().now());
    let found = console.db.read(move |tx| oncall.groups(tx, &permit, now)).await?;
    let people = guard.may(Capability::PeopleRead);
    let row = |group: Group| group_row(group.definition.name, &group.plan, group.policy, people);
    Ok(Some(found.into_iter().map(row).collect()))
}

/// Who is paged in which order, and who would be but is not.
fn group_row(name: String, plan: &Plan, policy: String, may_see_people: bool) -> GroupRow {
    let mut people: Vec<&str> = Vec::new();
    let mut warnings = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Page { who, .. } => people.push(&who.name),
            Step::Skip { login, who, reason, .. } => {
                let who = named(login, who.as_ref(), may_see_people);
                warnings.push(format!("{who} is not paged: {}.", reason.words()));
            }
        }
    }
    if !plan.reaches_anybody() {
        warnings.push("An alert to it pages nobody.".to_owned());
    }
    GroupRow { name, members: people.join(", then "), policy, warnings }
}

fn carriers(console: &Console, guard: &InWorkspace<cap::OverviewRead>) -> Option<Vec<CarrierRow>> {
    if !guard.may(Capability::CarriersRead) {
        return None;
    }
    Some(
        console
            .carriers
            .status()
            .into_iter()
            .map(|status| CarrierRow {
                knot: if status.sessions_bound == 0 {
                    Knot::Failed
                } else if status.sessions_bound < status.sessions {
                    Knot::Unknown
                } else {
                    Knot::Done
                },
                words: status.words,
                percent: (status.window_used * 100).checked_div(status.window).unwrap_or(0).min(100),
                used: status.window_used,
                window: status.window,
                p99: status.p99.map_or_else(|| "–".into(), length),
                name: status.name,
            })
            .collect(),
    )
}

/// What a new administrator does first; gone once a person has answered an alert.
async fn first_steps(
    console: &Console,
    guard: &InWorkspace<cap::OverviewRead>,
    slug: &str,
    minutes: Option<&[Minute]>,
) -> Answer<Vec<FirstStep>> {
    let Some(permit) = guard.also::<cap::AlertsRead>() else { return Ok(Vec::new()) };
    let replies = console.alerts.replies(permit.clone(), PageRequest::new(1, None)).await?;
    if !replies.items.is_empty() {
        return Ok(Vec::new());
    }
    let any = console.alerts.list(permit, Filter::default(), PageRequest::new(1, None)).await?;
    let step = |done: bool, words: &str, href: Option<String>| FirstStep {
        knot: if done { Knot::Done } else { Knot::Waiting },
        words: words.to_owned(),
        href,
    };
    let handsets = console.handsets.is_some().then(|| format!("/w/{slug}/handsets"));
    Ok(vec![
        step(true, "The first administrator is made", None),
        step(
            !any.items.is_empty(),
            "Send a first signal: press “Raise an alert” beside the handsets",
            handsets.clone(),
        ),
        step(
            minutes.is_some_and(|minutes| minutes.iter().any(|m| m.delivered > 0)),
            "See the text arrive on a handset",
            handsets.clone(),
        ),
        step(false, "Tap 1 on the handset, and watch the alert become acknowledged", handsets),
    ])
}

#[cfg(test)]
mod tests {
    use oncall::{SkipReason, Who};

    use super::*;
    use crate::testing::{NOW, alert, chain, checked, shell, step};

    fn minute(number: u64, accepted: u32, failed: u32) -> Minute {
        let at = NOW.plus(std::time::Duration::from_secs(60 * number));
        Minute { at, accepted, delivered: accepted - failed, failed }
    }

    #[test]
    fn the_chart_is_scaled_to_a_round_number_and_never_hides_a_failure() {
        let mut minutes: Vec<Minute> = (0..60).map(|number| minute(number, 10, 0)).collect();
        minutes[30] = minute(30, 61, 1);
        let chart = chart(&minutes, &shell());
        assert_eq!((chart.top, chart.bars.len(), chart.failed), (80, 60, 1));
        assert_eq!((chart.bars[30].height, chart.bars[30].failed), (61, 1));
        assert!(chart.bars.iter().all(|bar| bar.y + bar.height == 104));
        assert_eq!(chart.labels[0].text, "03:12");
        assert_eq!(super::chart(&[], &shell()).top, 4, "no minutes are no reason to fail");
    }

    #[test]
    fn a_group_says_who_is_paged_and_who_is_not() {
        let who = |name: &str| Who { id: uuid::Uuid::nil().into(), name: name.into() };
        let page = |name: &str| Step::Page { position: 1, due: NOW, who: who(name), device: uuid::Uuid::nil().into() };
        let skip = Step::Skip {
            position: 2,
            login: "eli@example.com".into(),
            who: Some(who("Eli Sample")),
            reason: SkipReason::NoDevice,
        };
        let plan = Plan { steps: vec![page("Cem Sample"), skip.clone(), page("Dina Sample")], ends: NOW };
        let row = group_row("on-call".into(), &plan, String::new(), false);
        assert_eq!(row.members, "Cem Sample, then Dina Sample");
        assert_eq!(row.warnings, ["Eli Sample is not paged: no phone number is stored; add one under People."]);
        let nobody = group_row("empty".into(), &Plan { steps: vec![skip.clone()], ends: NOW }, String::new(), false);
        assert!(nobody.warnings.contains(&"An alert to it pages nobody.".to_owned()));
        let Step::Skip { position, login, .. } = skip else { unreachable!("it is one") };
        let unknown = Step::Skip { position, login, who: None, reason: SkipReason::UnknownUser };
        let said = |people| {
            let plan = Plan { steps: vec![unknown.clone()], ends: NOW };
            group_row("gone".into(), &plan, String::new(), people).warnings.remove(0)
        };
        assert!(said(true).starts_with("eli@example.com is not paged"));
        assert!(!said(false).contains("eli@example.com"), "an address is for those who may see people");
    }

    fn sample() -> OverviewPage {
        let (alert, minutes) = (alert(), [minute(0, 3, 1)]);
        let chain = View::new(&alert, &chain(vec![step()]), None, None, None);
        OverviewPage {
            due: None,
            unknown: Some("3 messages may or may not have arrived".into()),
            shell: shell().listening(&["alerts"]),
            slug: "demo".into(),
            sentence: "One alert waits for an answer".into(),
            standing: "If nobody answers, the next person is paged.".into(),
            next_until: Some(NOW.as_millis()),
            next_words: "Dina Sample is paged in".into(),
            next_in: "1:00".into(),
            call: Some(Call {
                priority: alert.priority,
                name: alert.name(),
                title: alert.title.clone(),
                from: "Database · from alertmanager".into(),
                since: NOW.as_millis(),
                age: "2:51".into(),
                mini: mini(chain.six(&alert)),
                mini_label: "Chain of A-1042".into(),
                chain,
                acts: acts("demo", &alert),
            }),
            rows: vec![AlertRow::new(&alert, &shell(), &std::collections::HashMap::new(), None)],
            chart: Some(chart(&minutes, &shell())),
            groups: Some(vec![GroupRow {
                name: "on-call".into(),
                members: "Cem Sample".into(),
                policy: "Cem Sample at once.".into(),
                warnings: vec!["Eli Sample is not paged.".into()],
            }]),
            carriers: Some(vec![CarrierRow {
                name: "sim-1".into(),
                knot: Knot::Done,
                words: "2 of 2 sessions".into(),
                used: 90,
                window: 100,
                percent: 90,
                p99: "14 ms".into(),
            }]),
            steps: vec![FirstStep {
                knot: Knot::Waiting,
                words: "Send a first signal".into(),
                href: Some("/w/demo/handsets".into()),
            }],
        }
    }

    #[test]
    fn the_overview_shows_what_calls_and_whether_all_works() {
        let html = checked(&sample());
        for words in [
            "Dina Sample is paged in",
            "Eli Sample is not paged.",
            "90/100",
            "Send a first signal",
            "See those that did not arrive",
        ] {
            assert!(html.contains(words), "{words}");
        }
        assert!(html.contains("bar\" role=\"img\"") && html.contains("class=\"v hot\""));
    }

    #[test]
    fn a_reader_with_little_rights_sees_a_page_all_the_same() {
        let page = OverviewPage {
            call: None,
            rows: Vec::new(),
            chart: None,
            groups: None,
            carriers: None,
            steps: Vec::new(),
            ..sample()
        };
        let html = checked(&page);
        assert!(html.contains("Nothing is open.") && !html.contains("<h2>Carriers</h2>"));
    }
}
