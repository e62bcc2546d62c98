//! The audit log: who did what, and whether it is still as it was recorded.

use access::{Capability, OrganisationPermit, Permit, cap};
use alerts::Knot;
use askama::Template;
use audit::{Filter, Outcome, Recorded, Stage, Verdict, Verification};
use axum::extract::State;
use base::{Page as Listed, PageRequest, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, PageQuery, Query, Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Choice, choices};
use crate::page::{encode, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::zone::age;

/// People that a filter by name finds at most.
const ACTORS: u32 = 100;

struct Row {
    href: String,
    at: Timestamp,
    who: String,
    by: String,
    action: String,
    target: String,
    knot: Knot,
    outcome: &'static str,
    reason: Option<String>,
    from: String,
    number: String,
}

/// The verification that runs, or the last one.
struct Said {
    knot: Knot,
    headline: String,
    detail: String,
    running: bool,
    class: &'static str,
    /// The entry that is wrong, for those who may see it.
    entry: Option<String>,
}

/// The stream to the collector, as a shape and in words.
struct Streamed {
    class: &'static str,
    knot: Knot,
    headline: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    stream: Option<Streamed>,
    shell: Shell,
    slug: String,
    sentence: String,
    standing: &'static str,
    may_verify: bool,
    verification: Option<Said>,
    which: Which,
    problem: Option<&'static str>,
    outcomes: Vec<Choice>,
    /// Where to look; empty when the reader sees this workspace alone.
    places: Vec<Choice>,
    filtered: bool,
    rows: Vec<Row>,
    newest: String,
    older: Option<String>,
}

/// Which entries are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Which {
    /// What an action begins with.
    pub action: String,
    /// How it ended.
    pub outcome: String,
    /// `everywhere`, or here.
    pub place: String,
    /// A part of somebody's name, or an id.
    pub who: String,
    /// What sort of thing, perhaps with the id of one of them behind a space.
    pub target: String,
    /// From this day on, in the reader's zone.
    pub from: String,
    /// To the end of this day.
    pub to: String,
    /// Any word of it.
    pub q: String,
}

impl Which {
    fn is_all(&self) -> bool {
        Self { place: String::new(), ..self.clone() } == Self::default()
    }

    /// The query of the list with these.
    fn query(&self) -> String {
        let pairs = [
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("place", &self.place),
            ("who", &self.who),
            ("target", &self.target),
            ("from", &self.from),
            ("to", &self.to),
            ("q", &self.q),
        ];
        let given: Vec<String> = pairs
            .into_iter()
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(name, value)| format!("{name}={}", encode(value.trim())))
            .collect();
        given.join("&")
    }
}

/// Whose doing it was, and how they had proven themselves.
pub fn who(entry: &Recorded) -> (String, String) {
    let who = match (&entry.actor_name, entry.actor_type.as_str()) {
        (_, "engine") => format!("Loudhailer ({})", entry.actor_id),
        (Some(name), _) => name.clone(),
        (None, "os") => entry.actor_id.clone(),
        (None, "anonymous") => "nobody known".to_owned(),
        (None, kind) => format!("{} whose name was erased", kind.replace('_', " ")),
    };
    let by = match (entry.actor_type.as_str(), entry.auth.as_str()) {
        ("engine", _) => "by itself".to_owned(),
        (_, auth) => auth.replace('_', " "),
    };
    (who, by)
}

/// How it ended, as a shape and a word.
pub const fn ended(outcome: Outcome) -> (Knot, &'static str) {
    match outcome {
        Outcome::Success => (Knot::Done, "done"),
        Outcome::Failure => (Knot::Failed, "failed"),
        Outcome::Denied => (Knot::Skipped, "refused"),
    }
}

fn row(slug: &str, entry: Recorded) -> Row {
    let (knot, outcome) = ended(entry.outcome);
    let (who, by) = who(&entry);
    Row {
        href: format!("/w/{slug}/audit/{}", entry.id),
        at: entry.time,
        who,
        by,
        action: entry.action,
        target: match entry.target_id.as_str() {
            "" => entry.target_type,
            id => format!("{} {id}", entry.target_type),
        },
        knot,
        outcome,
        reason: entry.reason,
        from: entry.source_ip.unwrap_or_default(),
        number: entry.seq.map(|number| number.to_string()).unwrap_or_default(),
    }
}

fn verdict(verdict: &Verdict) -> (Knot, &'static str, String, String) {
    match verdict {
        Verdict::Intact { entries, unsealed, erased, .. } => {
            let waiting = (*unsealed > 0).then(|| format!("{unsealed} wait for their seal, less than a second."));
            let erased = (*erased > 0)
                .then(|| format!("Personal values were erased from {erased}; the chain holds without them."));
            let sealed = format!("{entries} entries are sealed in a chain, each with the one before.");
            let sentences: Vec<String> = std::iter::once(sealed).chain(waiting).chain(erased).collect();
            (Knot::Done, "good", "The audit log is as it was recorded.".into(), sentences.join(" "))
        }
        Verdict::Broken(found) => (
            Knot::Failed,
            "bad",
            "The audit log was tampered with.".into(),
            format!(
                "The first wrong one: {found}. Compare with a backup, and find out who could write to the database."
            ),
        ),
    }
}

fn verification(slug: &str, latest: &Verification, shell: &Shell) -> Said {
    let began = shell.zone.day_clock(&latest.began);
    match &latest.stage {
        Stage::Running => {
            let share = latest.looked_at * 100 / latest.of.max(1);
            Said {
                knot: Knot::Now,
                headline: format!("Verifying: {} of {} entries, {share} %", latest.looked_at, latest.of),
                detail: format!("Begun by {}, {began}.", latest.by),
                running: true,
                class: "",
                entry: None,
            }
        }
        Stage::Failed(why) => Said {
            knot: Knot::Unknown,
            headline: "The verification could not be finished.".into(),
            detail: why.clone(),
            running: false,
            class: "care",
            entry: None,
        },
        Stage::Done(found) => {
            let (knot, class, headline, detail) = verdict(found);
            let entry = match found {
                Verdict::Broken(found) => found.id.map(|id| format!("/w/{slug}/audit/{id}")),
                Verdict::Intact { .. } => None,
            };
            let detail = format!("{detail} Verified for {}, {began}.", latest.by);
            Said { knot, headline, detail, running: false, class, entry }
        }
    }
}

/// Where a filter looks.
pub enum Wide {
    /// In the whole organisation.
    Everywhere(OrganisationPermit<cap::AuditRead>),
    /// In this workspace.
    Here(Permit<cap::AuditRead>),
}

/// The first instant of a day in the reader's zone; `None` when that is no day.
fn day(text: &str, zone: &str, later: i64) -> Option<Timestamp> {
    let date: jiff::civil::Date = text.trim().parse().ok()?;
    let date = date.checked_add(jiff::Span::new().days(later)).ok()?;
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    Some(Timestamp::from_jiff(date.to_zoned(zone).ok()?.timestamp()))
}

impl Console {
    /// The filter that a reader asks for, and where it looks. A day that is none is said, and left out.
    pub async fn audit_filter(
        &self,
        guard: &InWorkspace<cap::AuditRead>,
        which: &Which,
        zone: &str,
    ) -> Answer<(Filter, Wide, Option<&'static str>)> {
        let wide = match guard.caller().grants().permit_organisation::<cap::AuditRead>() {
            Ok(permit) if which.place == "everywhere" => Wide::Everywhere(permit),
            _ => Wide::Here(guard.permit().clone()),
        };
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let (from, to) = (day(&which.from, zone, 0), day(&which.to, zone, 1));
        let wrong = (from.is_none() && given(&which.from).is_some()) || (to.is_none() && given(&which.to).is_some());
        let actors = match given(&which.who) {
            None => None,
            Some(name) => {
                // An id stands for itself; a part of a name for everybody whom this reader sees by it.
                let mut ids = vec![name.clone()];
                if guard.may(Capability::PeopleRead) {
                    let found = self.people_of(guard, &name.as_str().into(), PageRequest::new(ACTORS, None)).await?;
                    ids.extend(found.items.iter().map(|person| person.id.to_string()));
                }
                Some(ids)
            }
        };
        let filter = Filter {
            action_prefix: given(&which.action),
            outcome: outcome(&which.outcome),
            target: given(&which.target).map(|target| match target.split_once(char::is_whitespace) {
                Some((kind, id)) => (kind.to_owned(), given(id)),
                None => (target, None),
            }),
            from,
            to,
            actors,
            search: given(&which.q),
            ..Filter::default()
        };
        Ok((filter, wide, wrong.then_some("A day is written as 2026-10-23. What is no day was left out.")))
    }
}

fn outcome(word: &str) -> Option<Outcome> {
    word.parse().ok()
}

/// The log, newest first.
pub async fn list(
    guard: InWorkspace<cap::AuditRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    render(&console, &guard, &headers, which, &request, None).await
}

/// The page; with a `refused` form, what is wrong with that.
pub async fn render(
    console: &Console,
    guard: &InWorkspace<cap::AuditRead>,
    headers: &HeaderMap,
    which: Which,
    request: &PageRequest,
    refused: Option<&'static str>,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Audit).await?.listening(&[]);
    let slug = guard.name().to_owned();
    let (filter, wide, problem) = console.audit_filter(guard, &which, shell.zone.iana()).await?;
    let request = request.clone();
    let found: Listed<Recorded> = match wide {
        Wide::Everywhere(permit) => console.db.read(move |tx| audit::list(tx, &permit, &filter, &request)).await?,
        Wide::Here(permit) => console.db.read(move |tx| audit::list(tx, &permit, &filter, &request)).await?,
    };
    let query = which.query();
    let stream = match guard.caller().grants().permit_organisation::<cap::AuditRead>() {
        Ok(permit) => console.db.read(move |tx| audit::streaming(tx, &permit)).await?,
        Err(_) => None,
    };
    let everywhere = guard.caller().grants().organisation_capabilities().contains(Capability::AuditRead);
    let latest = guard.also::<cap::AuditVerify>().and_then(|permit| console.verifier().latest(&permit));
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    page_with(
        status,
        &AuditPage {
            sentence: match found.items.first() {
                Some(last) => format!("The last entry is of {}", shell.zone.day_clock(&last.time)),
                None => "No entry fits".to_owned(),
            },
            standing: "Who did what, when and from where. Each entry is sealed into a chain within a second, so that none can be altered or taken out unseen.",
            may_verify: guard.may(Capability::AuditVerify),
            stream: stream.map(|stream| streamed(&stream, &shell)),
            verification: latest.map(|latest| verification(&slug, &latest, &shell)),
            outcomes: choices(
                &[("", "All"), ("success", "Done"), ("denied", "Refused"), ("failure", "Failed")],
                &which.outcome,
            ),
            places: if everywhere {
                choices(&[("", "This workspace"), ("everywhere", "Everywhere")], &which.place)
            } else {
                Vec::new()
            },
            filtered: !which.is_all(),
            newest: format!("/w/{slug}/audit?{query}"),
            older: found.next.map(|cursor| format!("/w/{slug}/audit?{query}&cursor={}", encode(&cursor.0))),
            rows: found.items.into_iter().map(|entry| row(&slug, entry)).collect(),
            which,
            problem: refused.or(problem),
            slug,
            shell,
        },
    )
}

/// How far the stream to the collector is, in words.
fn streamed(stream: &audit::Streaming, shell: &Shell) -> Streamed {
    let waiting = match (stream.behind, stream.oldest) {
        (0, _) | (_, None) => "Every entry counts as delivered.".to_owned(),
        (1, Some(at)) => format!("One entry waits, {} old.", age(shell.now.since(at))),
        (count, Some(at)) => format!("{count} entries wait, the oldest for {}.", age(shell.now.since(at))),
    };
    match &stream.failure {
        None => Streamed {
            class: "",
            knot: Knot::Done,
            headline: format!("Streamed to {}", stream.target),
            detail: format!(
                "{waiting} An entry counts as delivered 15 s after it was sent on a connection that lives."
            ),
        },
        Some((said, at)) => Streamed {
            class: "bad",
            knot: Knot::Failed,
            headline: format!("{} does not take the log", stream.target),
            detail: format!("{said} ({}). {waiting} Nothing is lost: it goes on from there.", shell.zone.day_clock(at)),
        },
    }
}

/// Has the whole chain walked, in the background: the page says how far it is, and then whether it holds.
pub async fn verify(
    guard: InWorkspace<cap::AuditVerify>,
    State(console): State<Console>,
    Form(_): Form<crate::answers::ActForm>,
) -> Answer<Response> {
    console.verifier().begin(guard.permit()).await?;
    Ok(see_other(&format!("/w/{}/audit#verification", guard.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    #[test]
    fn the_outcomes_of_the_filter_are_those_of_the_log() {
        let cases = [("success", Outcome::Success), ("denied", Outcome::Denied), ("failure", Outcome::Failure)];
        for (word, expected) in cases {
            assert_eq!(outcome(word), Some(expected), "{word}");
        }
        assert_eq!(outcome(""), None);
    }

    #[test]
    fn a_verdict_is_said_in_a_sentence_with_the_first_wrong_entry() {
        let latest = |stage| Verification { began: NOW, by: "Ada Sample".into(), looked_at: 500, of: 2_000, stage };
        let said = |stage| verification("demo", &latest(stage), &shell());
        let running = said(Stage::Running);
        assert!(running.running && running.headline.contains("500 of 2000 entries, 25 %"), "{}", running.headline);
        let intact = said(Stage::Done(Verdict::Intact { entries: 12, unsealed: 1, erased: 0, head: None }));
        assert!(intact.class == "good" && intact.detail.contains("12 entries") && intact.detail.contains("1 wait"));
        let id: base::AuditId = uuid::Uuid::from_u128(9).into();
        let found =
            audit::Break { seq: Some(7), id: Some(id), what: audit::Tampering::Removed, detail: "a gap".into() };
        let broken = said(Stage::Done(Verdict::Broken(found)));
        assert!(broken.class == "bad" && broken.detail.contains("entry 7"), "{}", broken.detail);
        assert_eq!(broken.entry, Some(format!("/w/demo/audit/{id}")));
        assert_eq!(said(Stage::Failed("why".into())).class, "care");
    }

    #[test]
    fn days_are_those_of_the_reader() {
        let at = |text, later| day(text, "Europe/Berlin", later).map(Timestamp::rfc3339);
        assert_eq!(at("2026-10-25", 0).as_deref(), Some("2026-10-24T22:00:00.000Z"));
        assert_eq!(at("2026-10-25", 1).as_deref(), Some("2026-10-25T23:00:00.000Z"), "that day has 25 hours");
        assert_eq!(at("yesterday", 0), None);
    }

    #[test]
    fn a_filter_keeps_its_words_in_its_links() {
        let which = Which { who: "Dina & co".into(), q: "  lag ".into(), ..Which::default() };
        assert_eq!(which.query(), "who=Dina%20%26%20co&q=lag");
        assert!(!which.is_all() && Which { place: "everywhere".into(), ..Which::default() }.is_all());
    }

    #[test]
    fn hostile_names_stay_text() {
        let html = checked(&AuditPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "The last entry is of Fri 23 Oct".into(),
            standing: "Who did what.",
            may_verify: true,
            stream: Some(streamed(
                &audit::Streaming {
                    target: HOSTILE.into(),
                    delivered: 3,
                    behind: 2,
                    oldest: Some(NOW),
                    failure: Some((HOSTILE.into(), NOW)),
                },
                &shell(),
            )),
            verification: Some(verification(
                "demo",
                &Verification { began: NOW, by: HOSTILE.into(), looked_at: 1, of: 2, stage: Stage::Running },
                &shell(),
            )),
            which: Which { action: "\"><script>".into(), ..Which::default() },
            problem: Some("A day is written as 2026-10-23."),
            outcomes: choices(&[("", "All")], ""),
            places: choices(&[("", "This workspace")], ""),
            filtered: true,
            newest: "/w/demo/audit?".into(),
            rows: vec![Row {
                href: "/w/demo/audit/1".into(),
                at: NOW,
                who: HOSTILE.into(),
                by: "password".into(),
                action: "alert.acknowledge".into(),
                target: "alert 7".into(),
                knot: Knot::Done,
                outcome: "done",
                reason: Some("<img src=x>".into()),
                from: "192.0.2.7".into(),
                number: "41".into(),
            }],
            older: None,
        });
        assert!(html.contains("alert.acknowledge") && html.contains("Verify the chain") && html.contains("csv"));
    }
}
