//! Alerts as callers see them.

use ::alerts::{Alert, Answered, By, Entry, Outcome, Priority, State as AlertState};
use base::{AlertId, IntegrationId, RunId, SignalId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::time::At;
use crate::words::{AlertStateWord, KnotWord, PriorityWord, ViaWord};

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = By)]
pub(super) struct ByView {
    /// The name to print.
    name: String,
    /// The way it came.
    #[schema(value_type = ViaWord)]
    via: ::alerts::Via,
}

impl From<By> for ByView {
    fn from(by: By) -> Self {
        Self { name: by.name, via: by.via }
    }
}

/// One alert.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Alert)]
pub(super) struct AlertView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: AlertId,
    /// How people call it: `A-1042`.
    name: String,
    /// Its number in the workspace.
    number: i64,
    /// Where it stands.
    #[schema(value_type = AlertStateWord)]
    state: AlertState,
    /// How urgent it is.
    #[schema(value_type = PriorityWord)]
    priority: Priority,
    /// One line.
    title: String,
    /// What is known; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<String>,
    /// Where to read on.
    link: Option<String>,
    /// The group that is paged.
    group: String,
    /// Deduplication key: while an alert with it lives, another signal joins in place of opening a second one.
    key: Option<String>,
    /// The integration that caused it.
    #[schema(value_type = Option<Uuid>)]
    integration: Option<IntegrationId>,
    /// The signal that opened it.
    #[schema(value_type = Option<Uuid>)]
    signal: Option<SignalId>,
    /// The run that made it.
    #[schema(value_type = Option<Uuid>)]
    run: Option<RunId>,
    /// When it was opened.
    opened: At,
    /// When it was last changed.
    changed: At,
    /// When somebody took it, while it is theirs.
    acknowledged: Option<At>,
    /// Who has it.
    acknowledged_by: Option<ByView>,
    /// When it was resolved or expired.
    closed: Option<At>,
    /// Who resolved it.
    closed_by: Option<ByView>,
    /// What was said when it was resolved.
    note: Option<String>,
    /// When it expires if nobody resolves it.
    expires: At,
    /// How many later signals joined it.
    joined: i64,
    /// When the next person is paged, while it is open.
    next_page: Option<At>,
    /// Who that is.
    next_person: Option<String>,
    /// Whether everybody was paged and nobody answered.
    unanswered: bool,
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> Self {
        Self {
            name: alert.name(),
            id: alert.id,
            number: alert.number,
            state: alert.state,
            priority: alert.priority,
            title: alert.title,
            text: alert.text,
            link: alert.link,
            group: alert.group,
            key: alert.key,
            integration: alert.integration,
            signal: alert.signal,
            run: alert.run,
            opened: At(alert.opened),
            changed: At(alert.changed),
            acknowledged: alert.acknowledged.map(At),
            acknowledged_by: alert.acknowledged_by.map(ByView::from),
            closed: alert.closed.map(At),
            closed_by: alert.closed_by.map(ByView::from),
            note: alert.note,
            expires: At(alert.expires),
            joined: alert.joined,
            next_page: alert.next_page.map(At),
            next_person: alert.next_person,
            unanswered: alert.unanswered,
        }
    }
}

/// A line of the timeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineEntry)]
pub(super) struct EntryView {
    /// Its place in the timeline, from 1.
    number: i64,
    /// When it happened, or will.
    at: At,
    /// Seconds since the alert opened.
    after_seconds: f64,
    /// What sort of thing: `alert.opened`, `page.sent`, `page.planned`, …
    kind: &'static str,
    /// How it is drawn.
    #[schema(value_type = KnotWord)]
    knot: ::alerts::Knot,
    /// What happened, in a sentence.
    headline: String,
    /// More about it.
    detail: Option<String>,
    /// Why, in sentences.
    why: Vec<String>,
    /// Whether somebody should worry.
    alarming: bool,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            number: entry.number,
            at: At(entry.at),
            after_seconds: entry.after.as_secs_f64(),
            kind: entry.kind,
            knot: entry.knot,
            headline: entry.headline,
            detail: entry.detail,
            why: entry.why,
            alarming: entry.alarming,
        }
    }
}

/// What an answer did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Answered)]
pub(super) struct AnsweredView {
    /// The alert.
    #[schema(value_type = Uuid)]
    id: AlertId,
    /// Its name.
    name: String,
    /// Its number.
    number: i64,
    /// Where it stands now.
    #[schema(value_type = AlertStateWord)]
    state: AlertState,
    /// `acknowledged`, `already_yours`, `passed_on`, `resolved`, `already_over` or `undone`.
    outcome: &'static str,
    /// Who is paged next, when the answer makes somebody be paged.
    next: Option<String>,
}

impl From<Answered> for AnsweredView {
    fn from(answered: Answered) -> Self {
        let (outcome, next) = match answered.outcome {
            Outcome::Acknowledged => ("acknowledged", None),
            Outcome::AlreadyYours => ("already_yours", None),
            Outcome::PassedOn { next } => ("passed_on", next),
            Outcome::Resolved => ("resolved", None),
            Outcome::AlreadyOver => ("already_over", None),
            Outcome::Undone { next } => ("undone", next),
        };
        let name = format!("A-{}", answered.number);
        Self { id: answered.id, name, number: answered.number, state: answered.state, outcome, next }
    }
}
