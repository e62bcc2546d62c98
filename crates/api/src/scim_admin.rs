//! What administrators see of directories that keep people here, and do about them.

use ::scim::{Kept, KeptGroup, Report, Request, Standing, base_address};
use access::cap;
use base::{ResourceId, UserId};
use http::doc::Doc;
use http::{Answer, InOrganisation, Json, Path, Refusal, Response, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::body::List;
use crate::scim::Provisioning;
use crate::tag::PEOPLE;
use crate::time::At;

pub(crate) fn routes(routes: Routes<Provisioning>) -> Routes<Provisioning> {
    routes
        .get("/api/v1/provisioning", list)
        .doc(
            Doc::new("listDirectories", PEOPLE, "List the directories that keep people here")
                .text("Directories are configured as the kind `provisioning_sources`. What they speak is SCIM 2.0, at `baseUrl`.")
                .lists::<SourceView>("The directories, by name.", false, json!({"items": [example()], "next": null})),
        )
        .get("/api/v1/provisioning/{source}", show)
        .doc(
            of_source(Doc::new("getDirectory", PEOPLE, "Read a directory"))
                .text("With the people and groups that it keeps, 200 of each at most, and its last requests.")
                .answers::<ReportView>(StatusCode::OK, "The directory.", report_example()),
        )
        .post("/api/v1/provisioning/{source}/people", hand_over)
        .doc(
            of_source(Doc::new("handOverPerson", PEOPLE, "Hand a person over to a directory"))
                .text(
                    "Somebody who was made by hand is found by the directory from now on, by their log-in name; it says their name and \
                     whether their account is in use. Roles, phones and ways in stay. Audited.",
                )
                .reads::<HandOver>(json!({"login": "sam@example.com"}))
                .answers::<HandedOver>(
                    StatusCode::CREATED,
                    "The person.",
                    json!({"id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"}),
                )
                .refuses(StatusCode::CONFLICT, "There is nobody of that name, or they cannot be handed over."),
        )
        .delete("/api/v1/provisioning/{source}/people/{user}", release)
        .doc(
            of_source(Doc::new("releasePerson", PEOPLE, "Take a person back from their directory"))
                .path("user", "The person's id.", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
                .text(
                    "The directory finds them no more, what its groups gave goes, and they are kept by hand. In an emergency this is how \
                     somebody is switched off here while the directory says otherwise. Audited.",
                )
                .answers_nothing(StatusCode::NO_CONTENT, "They are kept by hand."),
        )
}

fn of_source(doc: Doc) -> Doc {
    doc.path("source", "The directory's id.", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5c")
}

fn example() -> Value {
    json!({
        "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5c", "name": "entra", "label": "Entra ID", "enabled": true,
        "baseUrl": "https://pager.example.com/scim/v2/entra", "people": 120, "inactive": 3, "groups": 6,
        "lastRequest": "2026-10-23T01:12:07.214Z", "failing": null,
    })
}

fn request_example() -> Value {
    json!({
        "at": "2026-10-23T01:12:07.214Z", "program": "entra", "method": "POST", "target": "Users", "id": "", "status": 409,
        "reason": "Somebody here has this userName, and is not this directory's.",
    })
}

fn report_example() -> Value {
    json!({
        "source": example(),
        "people": [{
            "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "name": "Ada Sample", "userName": "ada@example.com", "active": true,
            "linked": true, "changed": "2026-10-23T01:12:07.214Z",
        }],
        "groups": [{"id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5d", "name": "Night", "members": 12, "roles": ["on-call member @ demo"]}],
        "unknownGroups": ["Day"], "requests": [request_example()], "wrong": [request_example()],
    })
}

/// A directory.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Directory)]
struct SourceView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: ResourceId,
    /// How addresses name it.
    name: String,
    /// What people call it.
    label: String,
    /// Whether its requests are answered.
    enabled: bool,
    /// The address of its door: what is typed into the directory.
    base_url: String,
    /// People whom it keeps.
    people: i64,
    /// Of these, those whose accounts are switched off.
    inactive: i64,
    /// Its groups.
    groups: i64,
    /// When it last asked something, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_request: Option<At>,
    /// The last request that was refused, when nothing went well since.
    failing: Option<RequestView>,
}

/// A request of a directory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DirectoryRequest)]
struct RequestView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: At,
    /// The name of the key or client.
    program: String,
    /// The method.
    method: String,
    /// What it was about: `Users`, `Groups`, or `all` for a search of both, which is not done.
    target: String,
    /// Which one; empty for a list, and for a new one that was refused.
    id: String,
    /// The status of the answer.
    status: u16,
    /// Why it was refused, or what was done otherwise than asked; empty when all is well.
    reason: String,
}

/// Somebody whom a directory keeps.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DirectoryPerson)]
struct PersonView {
    /// Their id.
    #[schema(value_type = Uuid)]
    id: UserId,
    /// Their name.
    name: String,
    /// What the directory calls them.
    user_name: String,
    /// Whether the account is in use.
    active: bool,
    /// Whether they can sign in with the directory's provider.
    linked: bool,
    /// When the directory last changed something.
    #[schema(value_type = String, format = DateTime)]
    changed: At,
}

/// A group of a directory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DirectoryGroup)]
struct GroupView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: String,
    /// Its name.
    name: String,
    /// How many people are in it.
    members: i64,
    /// The roles that it gives.
    roles: Vec<String>,
}

/// Everything about a directory.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DirectoryReport)]
struct ReportView {
    /// How it is.
    source: SourceView,
    /// The people, by log-in name.
    people: Vec<PersonView>,
    /// The groups, by name.
    groups: Vec<GroupView>,
    /// Groups that would give roles and were not heard of.
    unknown_groups: Vec<String>,
    /// The last requests: changes, and whatever was refused.
    requests: Vec<RequestView>,
    /// The last that were refused, or done otherwise than asked.
    wrong: Vec<RequestView>,
}

/// Whom to hand over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HandOver {
    /// Their log-in name.
    login: String,
}

/// Who was handed over.
#[derive(Debug, Serialize, ToSchema)]
struct HandedOver {
    /// Their id.
    #[schema(value_type = Uuid)]
    id: UserId,
}

fn request(one: Request) -> RequestView {
    RequestView {
        at: At(one.at),
        program: one.program,
        method: one.method,
        target: one.target,
        id: one.id,
        status: one.status,
        reason: one.reason,
    }
}

fn person(one: Kept) -> PersonView {
    PersonView {
        id: one.user,
        name: one.name,
        user_name: one.user_name,
        active: one.active,
        linked: one.linked,
        changed: At(one.changed_at),
    }
}

fn group(one: KeptGroup) -> GroupView {
    GroupView { id: one.id, name: one.name, members: one.members, roles: one.roles }
}

fn source(door: &Provisioning, one: Standing) -> SourceView {
    SourceView {
        base_url: base_address(&door.public_url, &one.source.name),
        id: one.source.id,
        name: one.source.name,
        label: one.source.label,
        enabled: one.source.enabled,
        people: one.people,
        inactive: one.inactive,
        groups: one.groups,
        last_request: one.source.last_request.map(At),
        failing: one.failing.map(request),
    }
}

fn report(door: &Provisioning, one: Report) -> ReportView {
    ReportView {
        source: source(door, one.standing),
        people: one.people.into_iter().map(person).collect(),
        groups: one.groups.into_iter().map(group).collect(),
        unknown_groups: one.unknown,
        requests: one.last.into_iter().map(request).collect(),
        wrong: one.wrong.into_iter().map(request).collect(),
    }
}

async fn list(
    guard: InOrganisation<cap::SignInManage>,
    State(door): State<Provisioning>,
) -> Answer<Json<List<SourceView>>> {
    let (scim, permit) = (door.scim.clone(), guard.into_permit());
    let all = door.scim.db().read(move |tx| scim.sources(tx, &permit)).await?;
    Ok(Json(List::whole(all.into_iter().map(|one| source(&door, one)).collect())))
}

async fn show(
    guard: InOrganisation<cap::SignInManage>,
    State(door): State<Provisioning>,
    Path(id): Path<ResourceId>,
) -> Answer<Json<ReportView>> {
    let (scim, permit) = (door.scim.clone(), guard.into_permit());
    let found = door.scim.db().read(move |tx| scim.report(tx, &permit, id)).await?;
    Ok(Json(report(&door, found.ok_or_else(Refusal::not_found)?)))
}

async fn hand_over(
    guard: InOrganisation<cap::SignInManage>,
    State(door): State<Provisioning>,
    Path(id): Path<ResourceId>,
    Json(asked): Json<HandOver>,
) -> Answer<Response> {
    let (scim, permit) = (door.scim.clone(), guard.into_permit());
    let user = door.scim.db().write(move |tx| scim.hand_over(tx, &permit, id, &asked.login)).await?;
    Ok(http::IntoResponse::into_response((StatusCode::CREATED, Json(HandedOver { id: user }))))
}

async fn release(
    guard: InOrganisation<cap::SignInManage>,
    State(door): State<Provisioning>,
    Path((source, user)): Path<(ResourceId, UserId)>,
) -> Answer<StatusCode> {
    let (scim, permit) = (door.scim.clone(), guard.into_permit());
    door.scim.db().write(move |tx| scim.release(tx, &permit, source, user)).await?;
    Ok(StatusCode::NO_CONTENT)
}
