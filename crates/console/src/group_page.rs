//! One group in words: who is paged when, round by round, who is left out and why; now, or at any other instant.

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{GroupId, ResourceId, Timestamp};
use http::{Answer, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use oncall::{Course, Plan, Step};
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::editing::entry_path;
use crate::groups_page::left_out;
use crate::page::{Wrong, page_with};
use crate::shell::{Page, Shell};

/// Rounds that are drawn; further ones are the same again and are said in a sentence.
const ROUNDS: usize = 3;

struct Line {
    at: Option<Timestamp>,
    after: String,
    knot: Knot,
    headline: String,
    detail: String,
}

struct Round {
    title: String,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "group.html")]
struct GroupPage {
    shell: Shell,
    slug: String,
    here: String,
    name: String,
    description: String,
    sentence: String,
    policy: String,
    ending: String,
    fallback: Option<String>,
    simulated: bool,
    at: String,
    wrong: Wrong,
    rounds: Vec<Round>,
    more: Option<String>,
    ends: Timestamp,
    said: bool,
    may_write: bool,
    entry: Option<String>,
}

impl GroupPage {
    const FIELDS: &'static [&'static str] = &["at"];
}

/// Which instant, and what was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    at: String,
    saved: bool,
}

fn line(step: &Step, begins: Timestamp, people: bool) -> Line {
    match step {
        Step::Page { due, who, .. } => {
            let after = due.since(begins).as_secs();
            Line {
                at: Some(*due),
                after: if after == 0 { "at once".to_owned() } else { format!("after {}", oncall::delay_words(after)) },
                knot: Knot::Now,
                headline: format!("{}’s phone", who.name),
                detail: "A text with a digit to answer; it moves on when nobody does.".to_owned(),
            }
        }
        Step::Skip { .. } => Line {
            at: None,
            after: String::new(),
            knot: Knot::Skipped,
            headline: String::new(),
            detail: left_out(step, people).unwrap_or_default(),
        },
    }
}

fn rounds(course: &Course, begins: Timestamp, people: bool) -> Vec<Round> {
    let title = |at: usize| match at {
        0 => "First round".to_owned(),
        at => format!("Round {}, if nobody has answered", at + 1),
    };
    let lines = |plan: &Plan| plan.steps.iter().map(|step| line(step, begins, people)).collect();
    course.rounds.iter().enumerate().map(|(at, plan)| Round { title: title(at), lines: lines(plan) }).collect()
}

/// The instant that a form names, in the reader's zone: `2026-10-25T02:30`. An hour that does not exist, or exists twice, is
/// not guessed.
fn instant(text: &str, zone: &str) -> Result<Option<Timestamp>, Wrong> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong = |words: &str| Wrong::one("at", words.to_owned());
    let local: jiff::civil::DateTime =
        text.trim().parse().map_err(|_| wrong("A day and a time are expected, such as 2026-10-24 03:00."))?;
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    match zone.to_ambiguous_timestamp(local).unambiguous() {
        Ok(at) => Ok(Some(Timestamp::from_jiff(at))),
        Err(_) => Err(wrong(
            "The clocks change in that hour: it is there twice, or not at all. Name the hour before or after.",
        )),
    }
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::OnCallRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, GroupId)>,
    Query(asked): Query<Asked>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Groups).await?;
    let (at, wrong) = match instant(&asked.at, shell.zone.iana()) {
        Ok(at) => (at, Wrong::default()),
        Err(wrong) => (None, wrong),
    };
    let begins = at.unwrap_or(shell.now);
    let (oncall, permit) = (console.oncall.clone(), guard.permit().clone());
    let course = console
        .db
        .read(move |tx| oncall.course(tx, &permit, id, begins, ROUNDS))
        .await?
        .ok_or_else(Refusal::not_found)?;
    let slug = guard.name().to_owned();
    let definition = &course.group.definition;
    let first = course.group.plan.steps.iter().find_map(|step| match step {
        Step::Page { who, .. } => Some(who.name.clone()),
        Step::Skip { .. } => None,
    });
    let entry = guard.may(Capability::ResourcesRead).then(|| entry_path(&slug, "groups", ResourceId::from(id.uuid())));
    page_with(
        wrong.status(),
        &GroupPage {
            here: format!("/w/{slug}/groups/{id}"),
            sentence: match (&first, at) {
                (Some(name), None) => format!("{name} is first now"),
                (Some(name), Some(_)) => format!("{name} would be first"),
                (None, _) => "Nobody in it can be reached".to_owned(),
            },
            name: definition.name.clone(),
            description: definition.description.clone().unwrap_or_default(),
            policy: course.group.policy.clone(),
            ending: oncall::ending_words(definition),
            fallback: definition.fallback.clone(),
            simulated: at.is_some(),
            at: asked.at,
            rounds: rounds(&course, begins, guard.may(Capability::PeopleRead)),
            more: match course.all.saturating_sub(course.rounds.len()) {
                _ if first.is_none() => None,
                0 => None,
                1 => Some("One more round goes the same way.".to_owned()),
                count => Some(format!("{count} more rounds go the same way.")),
            },
            ends: course.ends,
            said: asked.saved,
            may_write: console.may_edit_entry(&guard, "groups", ResourceId::from(id.uuid())),
            entry,
            wrong,
            slug,
            shell,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    #[test]
    fn an_hour_that_is_there_twice_is_not_guessed() {
        let at = |text: &str| instant(text, "Europe/Berlin");
        assert_eq!(at("").unwrap(), None);
        assert_eq!(at("2026-10-24T03:00").unwrap().unwrap().rfc3339(), "2026-10-24T01:00:00.000Z");
        for bad in ["2026-10-25T02:30", "2026-03-29T02:30", "tomorrow", "2026-13-01T00:00"] {
            assert!(at(bad).unwrap_err().at("at").is_some(), "{bad}");
        }
    }

    #[test]
    fn a_course_reads_from_top_to_bottom() {
        let who = oncall::Who { id: uuid::Uuid::from_u128(1).into(), name: "Cem Sample".into() };
        let page = Step::Page { position: 1, due: NOW, who, device: uuid::Uuid::from_u128(2).into() };
        let skip =
            Step::Skip { position: 2, login: HOSTILE.into(), who: None, reason: oncall::SkipReason::UnknownUser };
        let lines = [line(&page, NOW, true), line(&skip, NOW, true)];
        assert_eq!((lines[0].headline.as_str(), lines[0].after.as_str()), ("Cem Sample’s phone", "at once"));
        assert!(lines[1].detail.ends_with("nobody has this login; correct the group."));
        let html = checked(&GroupPage {
            shell: shell(),
            slug: "demo".into(),
            here: "/w/demo/groups/1".into(),
            name: HOSTILE.into(),
            description: String::new(),
            sentence: "Cem Sample is first now".into(),
            policy: "Group “Database”, in words.".into(),
            ending: "If nobody answers.".into(),
            fallback: None,
            simulated: true,
            at: "2026-10-24T03:00".into(),
            wrong: Wrong::default(),
            rounds: vec![Round { title: "First round".into(), lines: lines.into() }],
            more: Some("One more round.".into()),
            ends: NOW,
            said: true,
            may_write: true,
            entry: Some("/w/demo/config/groups/1".into()),
        });
        assert!(html.contains("Cem Sample’s phone") && html.contains("Back to now"));
    }
}
