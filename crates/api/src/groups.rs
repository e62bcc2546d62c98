//! Who is on call: the groups with what would happen if somebody were paged now.

use ::oncall::{Group, Step};
use access::{Capability, cap};
use base::GroupId;
use http::doc::Doc;
use http::{Answer, InWorkspace, Json, Routes, State};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::Api;
use crate::body::List;
use crate::tag::ON_CALL;
use crate::time::At;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes.get("/api/v1/workspaces/{workspace}/on-call/groups", list).doc(
        Doc::new("listOnCallGroups", ON_CALL, "List groups and who is on call")
            .text("Each group with what would be done if an alert opened now, by the same function that pages.")
            .lists::<GroupView>(
                "The groups, by name.",
                false,
                json!({"items": [{
                    "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "name": "on-call", "description": null,
                    "policy": "Dina Sample at once, Cem Sample after 5 minutes; twice.",
                    "plan": [
                        {"position": 1, "person": "Dina Sample", "due": "2026-10-23T01:12:07.214Z", "reason": null},
                        {"position": 2, "person": "Cem Sample", "due": null, "reason": "has no phone"},
                    ],
                }], "next": null}),
            ),
    )
}

/// A group and its plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OnCallGroup)]
struct GroupView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: GroupId,
    /// Its name.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// The plan in words.
    policy: String,
    /// What would be done if an alert opened now.
    plan: Vec<StepView>,
}

/// What would be done about one member.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OnCallStep)]
struct StepView {
    /// The member's place in the group.
    position: u32,
    /// The person's name; null for somebody unknown.
    person: Option<String>,
    /// When they would be paged; null when they would not.
    due: Option<At>,
    /// Why not.
    reason: Option<String>,
}

impl GroupView {
    /// `people` says whether the reader may see logins, which are mail addresses.
    fn of(group: Group, people: bool) -> Self {
        let steps = group.plan.steps.into_iter().map(|step| match step {
            Step::Page { position, due, who, .. } => {
                StepView { position, person: Some(who.name), due: Some(At(due)), reason: None }
            }
            Step::Skip { position, login, who, reason } => {
                let person = who.map(|who| who.name).or_else(|| people.then_some(login));
                StepView { position, person, due: None, reason: Some(reason.words().to_owned()) }
            }
        });
        Self {
            id: group.id,
            name: group.definition.name,
            description: group.definition.description,
            policy: group.policy,
            plan: steps.collect(),
        }
    }
}

async fn list(guard: InWorkspace<cap::OnCallRead>, State(api): State<Api>) -> Answer<Json<List<GroupView>>> {
    let people = guard.may(Capability::PeopleRead);
    let (oncall, permit, now) = (api.oncall.clone(), guard.into_permit(), api.db.context().now());
    let groups = api.db.read(move |tx| oncall.groups(tx, &permit, now)).await?;
    Ok(Json(List::whole(groups.into_iter().map(|group| GroupView::of(group, people)).collect())))
}
