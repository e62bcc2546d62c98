//! What the routes of configuration mean.

use http::StatusCode;
use http::doc::Doc;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{AppliedView, Exported, Place, Restore, RestoredView, Standing, VersionView};
use crate::tag::RESOURCES;

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

/// A file of resources: a list for each kind. YAML with `Content-Type: application/yaml`, or JSON.
#[derive(ToSchema)]
#[schema(as = ResourceFile, value_type = Object)]
#[expect(dead_code, reason = "read by `resources`, whose registry knows the kinds")]
struct File(Value);

fn applied(dry_run: bool) -> Value {
    json!({
        "dryRun": dry_run, "unchanged": 11,
        "changes": [{
            "kind": "groups", "workspace": "demo", "key": "on-call", "outcome": "updated",
            "difference": [{"op": "changed", "path": "members[0].delay_seconds", "old": "300", "new": "60"}],
        }],
        "drawn": [],
    })
}

fn file(doc: Doc) -> Doc {
    let example = json!({"groups": [{
        "workspace": "demo", "name": "on-call", "members": [{"user": "dina@example.com", "delay_seconds": 60}],
    }]});
    // Which kinds and fields there are is the registry's to say, so the file is only known to be one.
    doc.query::<Standing>().reads_by::<File>(example, |bytes| http::parse_json::<Value>(bytes).map(drop))
}

pub(super) fn plan() -> Doc {
    file(Doc::new("planResources", RESOURCES, "Try a file of resources"))
        .text("Says what applying it would change, and changes nothing.")
        .answers::<AppliedView>(StatusCode::OK, "What it would do.", applied(true))
}

pub(super) fn apply() -> Doc {
    file(Doc::new("applyResources", RESOURCES, "Apply a file of resources"))
        .text(
            "Makes the stored resources equal to the file, all of it or nothing. Secrets are `{\"value\": …}` in JSON.",
        )
        .answers::<AppliedView>(StatusCode::OK, "What it did.", applied(false))
}

pub(super) fn export() -> Doc {
    Doc::new("exportResources", RESOURCES, "Export resources")
        .text("As a file that can be applied again, without secrets. Audited.")
        .query::<Exported>()
        .answers_with(
            StatusCode::OK,
            "The file.",
            "application/yaml",
            "groups:\n  - workspace: demo\n    name: on-call\n",
        )
        .refuses(StatusCode::NOT_FOUND, "There is no such workspace.")
}

fn one(doc: Doc) -> Doc {
    doc.path("kind", "The entry's kind.", "groups").path("name", "The entry's natural key.", "on-call")
}

pub(super) fn history() -> Doc {
    one(Doc::new("listResourceVersions", RESOURCES, "Read an entry's history")).query::<Place>().lists::<VersionView>(
        "The versions, newest first.",
        false,
        json!({"items": [{
            "resource": ID, "version": 4, "outcome": "updated",
            "difference": [{"op": "changed", "path": "members[0].delay_seconds", "old": "300", "new": "60"}],
            "actor": "Ada Sample", "at": "2026-10-23T01:12:07.214Z", "reason": "Nights were too slow", "audit": ID,
        }], "next": null}),
    )
}

pub(super) fn restore() -> Doc {
    one(Doc::new("restoreResourceVersion", RESOURCES, "Restore a version"))
        .text("Makes an old version the newest one.")
        .reads::<Restore>(json!({"version": 1, "workspace": "demo", "reason": "The change was wrong"}))
        .answers::<RestoredView>(
            StatusCode::OK,
            "It is restored.",
            json!({
                "id": ID, "version": 5, "outcome": "updated", "difference": [],
            }),
        )
}
