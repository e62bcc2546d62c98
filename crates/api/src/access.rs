//! Who may do what: by capability, by holder, and as the picture of all roles.

use ::access::{Authority, Capability, cap};
use ::identity::{Holder, HolderKind, RoleRow, Way};
use base::{Problem, ProblemKind};
use http::doc::Doc;
use http::{Answer, InOrganisation, InWorkspace, Json, Path, Query, Refusal, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::tag::AUDIT;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/access", who_in_workspace)
        .doc(who_doc("whoCanInWorkspace", "Who can do this in a workspace?"))
        .get("/api/v1/access", who_everywhere)
        .doc(who_doc("whoCan", "Who can do this in the whole organisation?"))
        .get("/api/v1/workspaces/{workspace}/access/{kind}/{id}", what)
        .doc(
            Doc::new("whatCan", AUDIT, "What can they do?")
                .path("kind", "`user`, `key`, `oauth_client`, `token_issuer`, `smpp_account` or `integration`.", "user")
                .path("id", "Its id.", ID)
                .text("Each right that the person or program holds in the workspace, with the role or scope that gives it.")
                .answers::<HolderView>(StatusCode::OK, "What it holds.", example()),
        )
        .get("/api/v1/workspaces/{workspace}/access/roles", roles)
        .doc(
            Doc::new("listRoles", AUDIT, "List roles with what they hold")
                .text("The ready ones and those that the organisation made itself.")
                .answers::<RolesView>(
                    StatusCode::OK,
                    "The roles.",
                    json!({"items": [{"name": "on_call", "words": "on-call member", "about": "is on call, answers alerts", "custom": false,
                        "capabilities": ["alerts:answer"], "bounded": []}]}),
                ),
        )
}

const ID: &str = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";

fn example() -> Value {
    let by = json!([{"by": "on_call", "words": "on-call member", "workspace": ID, "bounded": false}]);
    json!({"type": "user", "id": ID, "name": "Dina Sample", "rights": [{"capability": "alerts:answer",
        "about": "Acknowledge, resolve, escalate, annotate.", "by": by}]})
}

fn who_doc(operation: &'static str, summary: &'static str) -> Doc {
    Doc::new(operation, AUDIT, summary)
        .text("Everybody and every program that holds the capability there, and by which role or scope.")
        .query::<Wanted>()
        .answers::<HoldersView>(
            StatusCode::OK,
            "The holders, people first.",
            json!({"items": [example()], "more": false}),
        )
}

/// What is asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The capability, such as `alerts:answer`.
    #[schema(example = "alerts:answer")]
    capability: String,
}

/// By what a right is held.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessWay)]
struct WayView {
    /// The role's name, `scope` of a key, `smpp` of an account.
    by: String,
    /// The same in words.
    words: String,
    /// The workspace in which it was given; everywhere when null.
    workspace: Option<String>,
    /// Whether it holds for single entries alone, such as a supervisor's own groups.
    bounded: bool,
}

/// A right that is held.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessRight)]
struct RightView {
    /// The capability.
    capability: &'static str,
    /// What it is the right to do.
    about: &'static str,
    /// What gives it.
    by: Vec<WayView>,
}

/// Somebody who holds rights.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessHolder)]
struct HolderView {
    /// `user`, `key`, `oauth_client`, `token_issuer`, `smpp_account` or `integration`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// What it holds, of what was asked.
    rights: Vec<RightView>,
}

/// Holders of a right.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessHolders)]
struct HoldersView {
    /// The holders.
    items: Vec<HolderView>,
    /// Whether there are more than an answer has.
    more: bool,
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessRole)]
struct RoleView {
    /// Its name in files and requests.
    name: String,
    /// Its name in words.
    words: String,
    /// What it is for.
    about: String,
    /// Whether the organisation made it.
    custom: bool,
    /// What it holds.
    capabilities: Vec<&'static str>,
    /// What of that holds for single entries alone.
    bounded: Vec<&'static str>,
}

/// All roles.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessRoles)]
struct RolesView {
    /// The roles.
    items: Vec<RoleView>,
}

fn way(way: Way) -> WayView {
    WayView { by: way.by, words: way.words, workspace: way.scope.map(|id| id.to_string()), bounded: way.bounded }
}

fn holder(holder: Holder) -> HolderView {
    let right = |(capability, ways): (Capability, Vec<Way>)| RightView {
        capability: capability.name(),
        about: capability.about(),
        by: ways.into_iter().map(way).collect(),
    };
    HolderView {
        kind: holder.kind.name(),
        id: holder.id,
        name: holder.name,
        rights: holder.rights.into_iter().map(right).collect(),
    }
}

fn role(row: RoleRow) -> RoleView {
    RoleView {
        name: row.name,
        words: row.words,
        about: row.about,
        custom: row.custom,
        capabilities: row.capabilities.iter().map(Capability::name).collect(),
        bounded: row.bounded.iter().map(Capability::name).collect(),
    }
}

async fn who_in_workspace(
    guard: InWorkspace<cap::AccessRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<HoldersView>> {
    who(&api, guard.into_permit(), &wanted).await
}

async fn who_everywhere(
    guard: InOrganisation<cap::AccessRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<HoldersView>> {
    who(&api, guard.into_permit(), &wanted).await
}

async fn who<P>(api: &Api, permit: P, wanted: &Wanted) -> Answer<Json<HoldersView>>
where
    P: Authority<cap::AccessRead> + Send + Sync + 'static,
{
    let Ok(capability) = wanted.capability.parse::<Capability>() else {
        let near = base::nearest(&wanted.capability, Capability::ALL.iter().map(|one| one.name()));
        let detail = format!("There is no such capability; did you mean {near}?");
        return Err(Refusal::new(Problem::new(ProblemKind::Invalid, "invalid-query", detail).at("capability")));
    };
    let (items, more) = api.db.read(move |tx| ::identity::who_can(tx, &permit, capability)).await?;
    Ok(Json(HoldersView { items: items.into_iter().map(holder).collect(), more }))
}

async fn what(
    guard: InWorkspace<cap::AccessRead>,
    State(api): State<Api>,
    Path((_, kind, id)): Path<(String, String, String)>,
) -> Answer<Json<HolderView>> {
    let kind = HolderKind::named(&kind).ok_or_else(Refusal::not_found)?;
    let permit = guard.into_permit();
    let found = api.db.read(move |tx| ::identity::what_can(tx, &permit, kind, &id)).await?;
    Ok(Json(holder(found.ok_or_else(Refusal::not_found)?)))
}

async fn roles(guard: InWorkspace<cap::AccessRead>, State(api): State<Api>) -> Answer<Json<RolesView>> {
    let permit = guard.into_permit();
    let items = api.db.read(move |tx| ::identity::roles(tx, &permit)).await?;
    Ok(Json(RolesView { items: items.into_iter().map(role).collect() }))
}
