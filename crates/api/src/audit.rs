//! The audit log: read it, and have it verified.

use ::audit::{Filter, Head, Outcome, Recorded, Tampering, Verdict, list as entries, verify_all};
use access::{Authority, cap};
use base::{AuditId, PageRequest, Problem, ProblemKind, RequestId, SessionId, WorkspaceId};
use http::{Answer, InOrganisation, InWorkspace, Json, PageQuery, Query, Refusal, Routes, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Api;
use crate::body::{List, TakenElsewhere};
use crate::time::At;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/audit", list)
        .post("/api/v1/audit/verify", verify)
        .get("/api/v1/workspaces/{workspace}/audit", list_of_workspace)
}

/// Who acted.
#[derive(Debug, Serialize)]
struct ActorView {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    name: Option<String>,
    session: Option<SessionId>,
    auth: String,
}

/// On what.
#[derive(Debug, Serialize)]
struct TargetView {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// An entry as callers see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    id: AuditId,
    seq: Option<i64>,
    time: At,
    workspace: Option<WorkspaceId>,
    actor: ActorView,
    source: Option<String>,
    user_agent: Option<String>,
    request_id: Option<RequestId>,
    action: String,
    target: TargetView,
    outcome: &'static str,
    reason: Option<String>,
    ticket: Option<String>,
    changes: Option<Value>,
    hash: Option<String>,
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    actor: Option<String>,
    action: Option<String>,
    target_type: Option<String>,
    target: Option<String>,
    outcome: Option<String>,
    from: Option<At>,
    to: Option<At>,
    #[serde(default, rename = "limit")]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
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
#[derive(Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum VerdictView {
    Intact { entries: u64, unsealed: u64, erased: u64, head: Option<HeadView> },
    Broken { seq: Option<i64>, id: Option<AuditId>, what: &'static str, detail: String },
}

/// The end of the chain.
#[derive(Debug, Serialize)]
struct HeadView {
    seq: i64,
    hash: String,
}

fn hex(hash: [u8; 32]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

impl From<Verdict> for VerdictView {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Intact { entries, unsealed, erased, head } => {
                let head = head.map(|head: Head| HeadView { seq: head.seq, hash: hex(head.hash) });
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
