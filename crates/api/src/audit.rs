//! The audit log: read it, and have it verified.

use ::audit::{
    Filter, Format, Head, Outcome, Recorded, Tampering, Verdict, list as entries, record_export, verify_all,
};
use access::{Authority, cap};
use base::{AuditId, PageRequest, Problem, ProblemKind, RequestId, SessionId, WorkspaceId, hex};
use http::doc::Doc;
use http::{
    Answer, InOrganisation, InWorkspace, Json, PageQuery, Query, Refusal, Response, Routes, State, StatusCode,
    download_stream,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{List, TakenElsewhere};
use crate::tag::AUDIT;
use crate::time::At;
use crate::words::AuditOutcomeWord;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/audit", list)
        .doc(list_doc("listAudit", "List and search the audit log"))
        .post("/api/v1/audit/verify", verify)
        .doc(verify_doc())
        .get("/api/v1/workspaces/{workspace}/audit", list_of_workspace)
        .doc(list_doc("listWorkspaceAudit", "List and search a workspace's audit log"))
        .get("/api/v1/audit/export", export)
        .doc(export_doc("exportAudit", "Export the audit log"))
        .get("/api/v1/workspaces/{workspace}/audit/export", export_of_workspace)
        .doc(export_doc("exportWorkspaceAudit", "Export a workspace's audit log"))
}

fn export_doc(operation: &'static str, summary: &'static str) -> Doc {
    Doc::new(operation, AUDIT, summary)
        .text("In the order of the chain, streamed, up to the moment of the request. With `format=csv` as a table (`text/csv`) whose cells run in no spreadsheet, with `format=cef` as lines of the Common Event Format, with `format=ocsf` as events of the Open Cybersecurity Schema Framework 1.3, one a line. The export itself is written to the log.")
        .query::<Exported>()
        .answers_with(StatusCode::OK, "One entry a line, with the hashes of the chain.", "application/x-ndjson", EXPORTED)
}

/// One line of an export.
const EXPORTED: &str =
    "{\"action\":\"alert.acknowledge\",\"outcome\":\"success\",\"seq\":4711,\"time\":\"2026-10-23T01:13:40.002Z\"}\n";

fn list_doc(operation: &'static str, summary: &'static str) -> Doc {
    let id = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";
    let entry = json!({
        "id": id, "seq": 4711, "time": "2026-10-23T01:13:40.002Z", "workspace": id,
        "actor": {"type": "user", "id": id, "name": "Dina Sample", "session": null, "auth": "sms"}, "source": null,
        "userAgent": null, "requestId": null, "action": "alert.acknowledge", "target": {"type": "alert", "id": id},
        "outcome": "success", "reason": null, "ticket": null, "changes": null, "hash": "9f2c…", "prevHash": "07ab…",
    });
    Doc::new(operation, AUDIT, summary)
        .text("Newest first. Entries without `seq` and `hash` are not sealed yet; that takes about a second.")
        .query::<Wanted>()
        .lists::<EntryView>("The entries.", true, json!({"items": [entry], "next": "4711"}))
}

fn verify_doc() -> Doc {
    Doc::new("verifyAudit", AUDIT, "Verify the audit log")
        .text("Reads the whole chain and says whether every entry is as it was written.")
        .answers::<VerdictView>(
            StatusCode::OK,
            "The verdict: `intact`, or `broken` with the first entry that is not as it was.",
            json!({"verdict": "intact", "entries": 4711, "unsealed": 0, "erased": 0, "head": {"seq": 4711, "hash": "9f2c…"}}),
        )
}

/// Who acted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditActor)]
struct ActorView {
    /// What sort of principal: `user`, `api_key`, `engine`, …
    #[serde(rename = "type")]
    kind: String,
    /// Its id.
    id: String,
    /// Its name then.
    name: Option<String>,
    /// The session it acted in.
    #[schema(value_type = Option<Uuid>)]
    session: Option<SessionId>,
    /// How it had proven itself.
    auth: String,
}

/// On what.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditTarget)]
struct TargetView {
    /// What sort of thing.
    #[serde(rename = "type")]
    kind: String,
    /// Which one.
    id: String,
}

/// An entry as callers see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
struct EntryView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: AuditId,
    /// Its place in the chain, once it is sealed.
    seq: Option<i64>,
    /// When.
    time: At,
    /// In which workspace.
    #[schema(value_type = Option<Uuid>)]
    workspace: Option<WorkspaceId>,
    /// Who.
    actor: ActorView,
    /// From which address.
    source: Option<String>,
    /// With which program.
    user_agent: Option<String>,
    /// In which request.
    #[schema(value_type = Option<Uuid>)]
    request_id: Option<RequestId>,
    /// What.
    action: String,
    /// On what.
    target: TargetView,
    /// How it ended.
    #[schema(value_type = AuditOutcomeWord)]
    outcome: &'static str,
    /// Why, as the actor said.
    reason: Option<String>,
    /// The change reference.
    ticket: Option<String>,
    /// What changed, without confidential values.
    changes: Option<Value>,
    /// SHA-256 of the entry and the one before.
    hash: Option<String>,
    /// That of the one before.
    prev_hash: Option<String>,
}

impl From<Recorded> for EntryView {
    fn from(entry: Recorded) -> Self {
        Self {
            id: entry.id,
            seq: entry.seq,
            time: At(entry.time),
            workspace: entry.workspace,
            actor: ActorView {
                kind: entry.actor_type,
                id: entry.actor_id,
                name: entry.actor_name,
                session: entry.session,
                auth: entry.auth,
            },
            source: entry.source_ip,
            user_agent: entry.user_agent,
            request_id: entry.request,
            action: entry.action,
            target: TargetView { kind: entry.target_type, id: entry.target_id },
            outcome: entry.outcome.name(),
            reason: entry.reason,
            ticket: entry.ticket,
            changes: entry.changes,
            hash: entry.hash,
            prev_hash: entry.prev_hash,
        }
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    /// Of this principal, by its id.
    actor: Option<String>,
    /// Actions that start so: `alert.` or `alert.acknowledge`.
    #[schema(example = "alert.")]
    action: Option<String>,
    /// On this sort of thing.
    #[schema(example = "alert")]
    target_type: Option<String>,
    /// On this one; with `targetType`.
    target: Option<String>,
    /// That ended so.
    #[schema(value_type = Option<AuditOutcomeWord>)]
    outcome: Option<String>,
    /// From this instant on.
    from: Option<At>,
    /// Before this instant.
    to: Option<At>,
    /// That hold this text, in any case: in action, target, reason, change reference or request id.
    #[schema(max_length = 200)]
    q: Option<String>,
    #[serde(default, rename = "limit")]
    #[schema(ignore)]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
    #[schema(ignore)]
    _cursor: TakenElsewhere,
}

impl Wanted {
    fn filter(self) -> Answer<Filter> {
        let wrong = |detail: String, field: &'static str| {
            Refusal::new(Problem::new(ProblemKind::Invalid, "invalid-query", detail).at(field))
        };
        if self.target.is_some() && self.target_type.is_none() {
            return Err(wrong("Give targetType together with target.".into(), "targetType"));
        }
        let outcome = self.outcome.map(|word| word.parse::<Outcome>()).transpose();
        Ok(Filter {
            actor: self.actor,
            action_prefix: self.action,
            target: self.target_type.map(|kind| (kind, self.target)),
            outcome: outcome.map_err(|error| wrong(format!("There is {error}."), "outcome"))?,
            from: self.from.map(|At(at)| at),
            to: self.to.map(|At(at)| at),
            search: self.q.map(|text| text.chars().take(200).collect()),
            ..Filter::default()
        })
    }
}

async fn read<P>(api: &Api, permit: P, wanted: Wanted, page: PageRequest) -> Answer<Json<List<EntryView>>>
where
    P: Authority<cap::AuditRead> + Send + 'static,
{
    let filter = wanted.filter()?;
    let page = api.db.read(move |tx| entries(tx, &permit, &filter, &page)).await?;
    Ok(Json(List::of(page, EntryView::from)))
}

async fn list(
    guard: InOrganisation<cap::AuditRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<EntryView>>> {
    read(&api, guard.into_permit(), wanted, page).await
}

async fn list_of_workspace(
    guard: InWorkspace<cap::AuditRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<EntryView>>> {
    read(&api, guard.into_permit(), wanted, page).await
}

/// What verification found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditVerdict)]
#[serde(tag = "verdict", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum VerdictView {
    Intact {
        /// Entries read.
        entries: u64,
        /// Of these, not sealed yet.
        unsealed: u64,
        /// Of these, with personal values erased, as they may be.
        erased: u64,
        /// The end of the chain.
        head: Option<HeadView>,
    },
    Broken {
        /// The place of the first entry that is not as it was.
        seq: Option<i64>,
        /// Its id.
        #[schema(value_type = Option<Uuid>)]
        id: Option<AuditId>,
        /// `altered`, `removed`, `reordered` or `added`.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

/// The end of the chain.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditHead)]
struct HeadView {
    /// Its place.
    seq: i64,
    /// Its hash.
    hash: String,
}

impl From<Verdict> for VerdictView {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Intact { entries, unsealed, erased, head } => {
                let head = head.map(|head: Head| HeadView { seq: head.seq, hash: hex(&head.hash) });
                Self::Intact { entries, unsealed, erased, head }
            }
            Verdict::Broken(found) => Self::Broken {
                seq: found.seq,
                id: found.id,
                what: match found.what {
                    Tampering::Altered => "altered",
                    Tampering::Removed => "removed",
                    Tampering::Reordered => "reordered",
                    Tampering::Added => "added",
                },
                detail: found.detail,
            },
        }
    }
}

async fn verify(guard: InOrganisation<cap::AuditVerify>, State(api): State<Api>) -> Answer<Json<VerdictView>> {
    Ok(Json(verify_all(&api.db, guard.permit()).await?.into()))
}

/// Which entries, and how they are written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Exported {
    /// `jsonl` (usual), `csv`, `cef` or `ocsf`.
    format: Option<String>,
    /// Of this principal, by its id.
    actor: Option<String>,
    /// Actions that begin so: `alert.`.
    action: Option<String>,
    /// On this sort of thing.
    target_type: Option<String>,
    /// On this one of them.
    target: Option<String>,
    /// That ended so.
    #[schema(value_type = Option<AuditOutcomeWord>)]
    outcome: Option<String>,
    /// From this instant on.
    from: Option<At>,
    /// Before this instant.
    to: Option<At>,
    /// That hold this text, in any case: in action, target, reason, change reference or request id.
    #[schema(max_length = 200)]
    q: Option<String>,
}

async fn export(
    guard: InOrganisation<cap::AuditRead>,
    State(api): State<Api>,
    Query(wanted): Query<Exported>,
) -> Answer<Response> {
    exported(&api, guard.into_permit(), wanted, "everywhere").await
}

async fn export_of_workspace(
    guard: InWorkspace<cap::AuditRead>,
    State(api): State<Api>,
    Query(wanted): Query<Exported>,
) -> Answer<Response> {
    let place = guard.name().to_owned();
    exported(&api, guard.into_permit(), wanted, &place).await
}

async fn exported<P>(api: &Api, permit: P, wanted: Exported, place: &str) -> Answer<Response>
where
    P: Authority<cap::AuditRead> + Clone + Send + Sync + 'static,
{
    let format = match wanted.format.as_deref() {
        None => Format::JsonLines,
        Some(name) => Format::named(name).ok_or_else(|| {
            let detail = "There are four formats: jsonl, csv, cef and ocsf.";
            Refusal::new(Problem::new(ProblemKind::Invalid, "invalid-query", detail).at("format"))
        })?,
    };
    let Exported { actor, action, target_type, target, outcome, from, to, q, .. } = wanted;
    let listed = Wanted { actor, action, target_type, target, outcome, from, to, q, ..Wanted::default() };
    let filter = listed.filter()?;
    let now = api.db.context().now();
    // What comes after this instant is not in it, so that it ends.
    let filter = Filter { to: Some(filter.to.map_or(now, |to| to.min(now))), ..filter };
    let (by, kept) = (permit.clone(), filter.clone());
    api.db.write(move |tx| record_export(tx, &by, &kept, format)).await?;
    let name = format!("audit-{place}.{}", format.ending());
    Ok(download_stream(&name, format.media_type(), ::audit::export_stream(api.db.clone(), permit, filter, format)))
}
