//! A person added, changed and deleted, one at a time: the resource is the same that `apply` writes.

use ::resources::{Change, Draft, Edit, Error, Json as Body, Upon, Written};
use access::{OrganisationPermit, cap};
use base::{ResourceId, UserId};
use http::{Answer, Attempt, InOrganisation, Json, Path, Query, Reply, Response, State, StatusCode};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::PersonView;
use crate::Api;
use crate::resources::{Standing, explained, ground};

const KIND: &str = "users";

/// A role to be given.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPersonRole)]
struct NewRole {
    /// The role.
    role: String,
    /// The short name of the workspace; the whole organisation when left out.
    #[serde(default)]
    workspace: Option<String>,
}

/// A person to be added.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewPerson {
    /// Their name.
    name: String,
    /// Their log-in name, an e-mail address.
    login: String,
    /// What they are trusted with.
    #[serde(default)]
    roles: Vec<NewRole>,
    /// An IANA name such as Europe/Zurich; UTC when left out.
    #[serde(default)]
    time_zone: Option<String>,
    /// Their phones in international form, the first to use first.
    #[serde(default)]
    phones: Vec<String>,
    /// Why, for history and audit log.
    #[serde(default)]
    reason: Option<String>,
    /// The approved change that it is part of, for the audit log.
    #[serde(default)]
    change: Option<String>,
}

/// What of a person is to be another.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = PersonChanges)]
pub(super) struct Changes {
    /// Their name.
    name: Option<String>,
    /// What they are trusted with, all of it. Other roles end the sessions.
    roles: Option<Vec<NewRole>>,
    /// An IANA name.
    time_zone: Option<String>,
    /// Whether the account is in use.
    enabled: Option<bool>,
    /// Their phones, all of them.
    phones: Option<Vec<String>>,
    /// Why, for history and audit log.
    reason: Option<String>,
    /// The approved change that it is part of, for the audit log.
    change: Option<String>,
}

fn roles(given: &[NewRole]) -> Body {
    given.iter().map(|one| json!({ "role": one.role, "workspace": one.workspace })).collect()
}

fn phones(given: &[String]) -> Body {
    (1..).zip(given).map(|(order, number)| json!({ "kind": "sms", "number": number, "order": order })).collect()
}

impl NewPerson {
    fn body(&self) -> Body {
        let mut body = json!({
            "name": self.name, "login": self.login, "roles": roles(&self.roles), "devices": phones(&self.phones),
        });
        if let Some(zone) = &self.time_zone {
            body["time_zone"] = json!(zone);
        }
        body
    }
}

impl Changes {
    fn over(&self, mut body: Body) -> Body {
        let given = [
            ("name", self.name.as_ref().map(|name| json!(name))),
            ("roles", self.roles.as_deref().map(roles)),
            ("time_zone", self.time_zone.as_ref().map(|zone| json!(zone))),
            ("enabled", self.enabled.map(|enabled| json!(enabled))),
            ("devices", self.phones.as_deref().map(phones)),
        ];
        for (field, value) in given {
            if let Some(value) = value {
                body[field] = value;
            }
        }
        body
    }
}

/// What a person is now that they are written.
fn view(
    api: &Api,
    tx: &mut store::Tx<'_>,
    permit: &OrganisationPermit<cap::PeopleWrite>,
    written: &Written,
) -> Result<PersonView, Error> {
    let read = permit.also::<cap::PeopleRead>()?;
    let person = api.identity.person(tx, &read, UserId::from(written.id.uuid())).map_err(Error::kind)?;
    person.map(PersonView::from).ok_or(Error::NotFound)
}

pub(super) async fn create(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    attempt: Attempt,
    Json(new): Json<NewPerson>,
) -> Answer<Response> {
    let (db, permit) = (api.db.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let edit = Edit {
            kind: KIND.to_owned(),
            workspace: None,
            upon: Upon::Nothing,
            draft: Draft::new(new.body()),
            reason: new.reason.clone(),
            ground: ground(new.change.as_deref())?,
        };
        let written = api.resources.edit(tx, &permit, &edit)?;
        Ok::<_, Error>(Reply::json(StatusCode::CREATED, &view(&api, tx, &permit, &written)?))
    };
    attempt.write(&db, explained, effect).await
}

pub(super) async fn change(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
    Json(changes): Json<Changes>,
) -> Answer<Response> {
    let (db, permit) = (api.db.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        // Before it is read: what is left out stays as it is then, and two that change different fields both stand.
        api.resources.lock(tx)?;
        let stored = api.resources.by_id(tx, KIND, ResourceId::from(user.uuid()))?.ok_or(Error::NotFound)?;
        let clearance = api.resources.clear(tx, &permit, None, &ground(changes.change.as_deref())?)?;
        let body = Draft::new(changes.over(stored.body));
        let reason = changes.reason.as_deref();
        let change = Change { kind: KIND, workspace: None, body, reason, clearance: &clearance };
        let written = api.resources.put(tx, &permit, change)?;
        Ok::<_, Error>(Reply::json(StatusCode::OK, &view(&api, tx, &permit, &written)?))
    };
    attempt.write(&db, explained, effect).await
}

pub(super) async fn delete(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    Query(standing): Query<Standing>,
    attempt: Attempt,
) -> Answer<Response> {
    let (db, permit) = (api.db.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let stored = api.resources.by_id(tx, KIND, ResourceId::from(user.uuid()))?.ok_or(Error::NotFound)?;
        standing.delete(&api.resources, tx, &permit, (KIND, None, &stored.key))
    };
    attempt.write(&db, explained, effect).await
}
