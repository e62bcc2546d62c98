//! What the routes of alerts mean.

use http::StatusCode;
use http::doc::Doc;
use serde_json::{Value, json};

use super::views::{AlertView, AnsweredView, EntryView};
use super::{NewBody, OpenedView, Resolution, Wanted};
use crate::tag::ALERTS;

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

fn alert() -> Value {
    json!({
        "id": ID, "name": "A-1042", "number": 1042, "state": "acknowledged", "priority": "high", "title": "Disk full on db-1",
        "link": null, "group": "on-call", "key": "disk/db-1", "integration": ID, "signal": ID, "run": ID,
        "opened": "2026-10-23T01:12:07.214Z", "changed": "2026-10-23T01:13:40.002Z",
        "acknowledged": "2026-10-23T01:13:40.002Z", "acknowledgedBy": {"name": "Dina Sample", "via": "sms"},
        "closed": null, "closedBy": null, "note": null, "expires": "2026-10-24T01:12:07.214Z", "joined": 0,
        "nextPage": null, "nextPerson": null, "unanswered": false,
    })
}

fn whole() -> Value {
    let mut alert = alert();
    alert["text"] = "97 % used, 1.2 GB left".into();
    alert
}

fn answered(outcome: &str, state: &str, next: Option<&str>) -> Value {
    json!({"id": ID, "name": "A-1042", "number": 1042, "state": state, "outcome": outcome, "next": next})
}

fn one(doc: Doc) -> Doc {
    doc.path("alert", "Its id, its name (`A-1042`) or its number.", "A-1042")
}

pub(super) fn list() -> Doc {
    Doc::new("listAlerts", ALERTS, "List and search alerts")
        .text("Newest first, without their texts.")
        .query::<Wanted>()
        .lists::<AlertView>("The alerts.", true, json!({"items": [alert()], "next": "1042"}))
}

pub(super) fn open() -> Doc {
    Doc::new("openAlert", ALERTS, "Open an alert")
        .text("Pages the first person of the group, or joins the live alert with the same key; then nobody is paged again.")
        .reads::<NewBody>(json!({
            "title": "Disk full on db-1", "text": "97 % used, 1.2 GB left", "priority": "high", "group": "on-call",
            "key": "disk/db-1",
        }))
        .answers::<OpenedView>(
            StatusCode::CREATED,
            "It is open, or joined, and on disk.",
            json!({"id": ID, "name": "A-1042", "number": 1042, "joined": false}),
        )
}

pub(super) fn get() -> Doc {
    one(Doc::new("getAlert", ALERTS, "Read an alert")).answers::<AlertView>(StatusCode::OK, "The alert.", whole())
}

pub(super) fn timeline() -> Doc {
    let entry = json!({
        "number": 3, "at": "2026-10-23T01:12:08.100Z", "afterSeconds": 0.9, "kind": "page.sent", "knot": "done",
        "headline": "Dina Sample was paged by SMS.", "detail": null, "why": ["Dina is first in on-call."], "alarming": false,
    });
    one(Doc::new("getAlertTimeline", ALERTS, "Read an alert's timeline"))
        .text("What happened and why, newest first, with what is still to come at the head.")
        .lists::<EntryView>("The timeline.", false, json!({"items": [entry], "next": null}))
}

fn answers(doc: Doc, outcome: &str, state: &str, next: Option<&str>) -> Doc {
    one(doc).answers::<AnsweredView>(StatusCode::OK, "What it did.", answered(outcome, state, next))
}

pub(super) fn acknowledge() -> Doc {
    let doc = Doc::new("acknowledgeAlert", ALERTS, "Acknowledge an alert").text("\"I have it\": nobody else is paged.");
    answers(doc, "acknowledged", "acknowledged", None)
}

pub(super) fn pass_on() -> Doc {
    let doc = Doc::new("passAlertOn", ALERTS, "Pass an alert on").text("The next person is paged at once.");
    answers(doc, "passed_on", "open", Some("Cem Sample"))
}

pub(super) fn resolve() -> Doc {
    let doc = Doc::new("resolveAlert", ALERTS, "Resolve an alert")
        .text("It is over; everybody who was paged is told.")
        .reads::<Resolution>(json!({"note": "Logs rotated"}))
        .or_nothing();
    answers(doc, "resolved", "resolved", None)
}

pub(super) fn undo() -> Doc {
    let doc = Doc::new("undoAnswer", ALERTS, "Take your last answer back")
        .text("Within five minutes of the caller's own last answer; paging goes on.");
    answers(doc, "undone", "open", Some("Dina Sample"))
}
