//! The door for directories: `/scim/v2/{source}/…`, SCIM 2.0 (RFC 7644). Each handler is a verb of the room `scim`; here are the
//! addresses, the headers, and the record of what was asked.

use ::scim::{
    Answered, Asked, Desk, Error, Gone, Query as List, Scim, Sort, resource_types, schemas, searched, seen,
    service_provider_config, told,
};
use access::{OrganisationPermit, cap};
use base::{Explain, ProblemKind};
use http::{
    Answer, Door, HeaderMap, HeaderValue, InOrganisation, Method, Path, Query, Refusal, Response, Routes, State,
    StatusCode, header,
};
use serde_json::Value;
use store::Tx;

use crate::scim_admin;
use crate::scim_error::{MEDIA, said};
use crate::scim_said::{About, Asks, Sent, body, is_ours, shown, tag, version};

/// How often a source that only reads is noted as heard of.
const HEARD: std::time::Duration = std::time::Duration::from_mins(1);

/// What the handlers call. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Provisioning {
    /// The room.
    pub scim: Scim,
    /// The address under which programs reach this server, without a slash at its end.
    pub public_url: String,
}

/// The door for directories, and what administrators do about them. Give [`crate::ScimErrors`] to [`http::Builder::render`] for
/// [`Door::Scim`].
pub fn provisioning_routes(state: Provisioning) -> Routes {
    let routes = Routes::new(Door::Scim)
        .get("/scim/v2/{source}/ServiceProviderConfig", config)
        .get("/scim/v2/{source}/ResourceTypes", types)
        .get("/scim/v2/{source}/ResourceTypes/{name}", one_type)
        .get("/scim/v2/{source}/Schemas", all_schemas)
        .get("/scim/v2/{source}/Schemas/{urn}", one_schema)
        .post("/scim/v2/{source}/.search", search_all)
        .hears_of_bodies()
        .get("/scim/v2/{source}/Users", users)
        .post("/scim/v2/{source}/Users", create_user)
        .hears_of_bodies()
        .post("/scim/v2/{source}/Users/.search", search_users)
        .hears_of_bodies()
        .get("/scim/v2/{source}/Users/{id}", user)
        .guarded(Method::PUT, "/scim/v2/{source}/Users/{id}", replace_user)
        .hears_of_bodies()
        .guarded(Method::PATCH, "/scim/v2/{source}/Users/{id}", patch_user)
        .hears_of_bodies()
        .delete("/scim/v2/{source}/Users/{id}", delete_user)
        .get("/scim/v2/{source}/Groups", groups)
        .post("/scim/v2/{source}/Groups", create_group)
        .hears_of_bodies()
        .post("/scim/v2/{source}/Groups/.search", search_groups)
        .hears_of_bodies()
        .get("/scim/v2/{source}/Groups/{id}", group)
        .guarded(Method::PUT, "/scim/v2/{source}/Groups/{id}", replace_group)
        .hears_of_bodies()
        .guarded(Method::PATCH, "/scim/v2/{source}/Groups/{id}", patch_group)
        .hears_of_bodies()
        .delete("/scim/v2/{source}/Groups/{id}", delete_group);
    scim_admin::routes(routes.door(Door::Api)).with_state(state)
}

type Guard = InOrganisation<cap::PeopleProvision>;
type One = Path<(String, String)>;

fn etag(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("W/\"{version}\"")).unwrap_or(HeaderValue::from_static("*"))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, MEDIA);
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// A resource with its version.
fn one(status: StatusCode, answered: &Answered) -> Response {
    let mut response = answer(status, &answered.body);
    response.headers_mut().insert(header::ETAG, etag(answered.version));
    response
}

fn created(desk: &Desk, sort: Sort, answered: &Answered) -> Response {
    let mut response = one(StatusCode::CREATED, answered);
    let location = format!("{}/{}/{}", desk.base(), sort.endpoint(), answered.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn refused(error: Error) -> Answer<Response> {
    if matches!(error, Error::OtherVersion) {
        return Ok(said(StatusCode::PRECONDITION_FAILED, &error.problem()));
    }
    Err(Refusal::from(error))
}

impl Provisioning {
    /// Reads, for a program of the source. What is refused is recorded.
    async fn read<T: Send + 'static>(
        &self,
        permit: OrganisationPermit<cap::PeopleProvision>,
        source: String,
        about: About,
        f: impl Fn(&mut Tx<'_>, &Scim, &Desk) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (scim, url) = (self.scim.clone(), self.public_url.clone());
        let (desk, done) = self
            .scim
            .db()
            .read(move |tx| {
                let desk = scim.desk(tx, &permit, &source, &url)?;
                let done = f(tx, &scim, &desk);
                Ok::<_, Error>((desk, done))
            })
            .await?;
        match &done {
            Err(error) if !is_ours(error) => {
                let asked = about.refused(error);
                self.scim.db().write(move |tx| told(tx, &desk, &asked)).await?;
            }
            Ok(_) => {
                let now = self.scim.db().context().now();
                let id = desk.source().id;
                if desk.source().last_request.is_none_or(|last| now.since(last) > HEARD) {
                    self.scim.db().write(move |tx| seen(tx, id)).await?;
                }
            }
            Err(_) => {}
        }
        done
    }

    /// Changes something, for a program of the source, and records that, in one transaction. What is refused is undone and
    /// recorded.
    async fn change<T: Send + 'static>(
        &self,
        permit: OrganisationPermit<cap::PeopleProvision>,
        source: String,
        about: About,
        f: impl Fn(&mut Tx<'_>, &Scim, &Desk) -> Result<(T, Asked), Error> + Send + 'static,
    ) -> Result<(Desk, T), Error> {
        let (scim, url) = (self.scim.clone(), self.public_url.clone());
        let done = self.scim.db().write(move |tx| {
            scim.hold(tx)?;
            let desk = scim.desk(tx, &permit, &source, &url)?;
            match tx.attempt(|tx| f(tx, &scim, &desk)) {
                Ok((done, asked)) => {
                    told(tx, &desk, &asked)?;
                    Ok::<_, Error>(Ok((desk, done)))
                }
                Err(error) if is_ours(&error) => Err(error),
                Err(error) => {
                    told(tx, &desk, &about.clone().refused(&error))?;
                    Ok(Err(error))
                }
            }
        });
        done.await?
    }

    /// What was read of a request; records it with the reason where it could not be.
    async fn heard<T>(
        &self,
        permit: &OrganisationPermit<cap::PeopleProvision>,
        source: &str,
        about: &About,
        read: Result<T, Refusal>,
    ) -> Answer<T> {
        let Err(refusal) = read else { return read };
        if refusal.status().is_client_error() {
            let asked = about.clone().told(refusal.status().as_u16(), refusal.problem().detail.to_string());
            self.note(permit, source, asked).await?;
        }
        Err(refusal)
    }

    /// Writes down what was asked, by a program of the source.
    async fn note(
        &self,
        permit: &OrganisationPermit<cap::PeopleProvision>,
        source: &str,
        asked: Asked,
    ) -> Result<(), Error> {
        let (scim, url) = (self.scim.clone(), self.public_url.clone());
        let (permit, source) = (permit.clone(), source.to_owned());
        let noted = self.scim.db().write(move |tx| {
            let desk = scim.desk(tx, &permit, &source, &url)?;
            told(tx, &desk, &asked)
        });
        noted.await
    }
}

fn done(method: &'static str, sort: Sort, id: &str, status: u16) -> Asked {
    About::one(method, sort, id).told(status, String::new())
}

async fn discovery(door: &Provisioning, guard: Guard, source: String) -> Result<Desk, Refusal> {
    let (scim, permit, url) = (door.scim.clone(), guard.into_permit(), door.public_url.clone());
    Ok(door.scim.db().read(move |tx| scim.desk(tx, &permit, &source, &url)).await?)
}

async fn config(guard: Guard, State(door): State<Provisioning>, Path(source): Path<String>) -> Answer<Response> {
    let desk = discovery(&door, guard, source).await?;
    Ok(answer(StatusCode::OK, &service_provider_config(desk.base())))
}

async fn types(guard: Guard, State(door): State<Provisioning>, Path(source): Path<String>) -> Answer<Response> {
    let desk = discovery(&door, guard, source).await?;
    let all = resource_types(desk.base());
    let total = all.len();
    Ok(answer(StatusCode::OK, &list_of(all, total)))
}

async fn one_type(guard: Guard, State(door): State<Provisioning>, Path((source, name)): One) -> Answer<Response> {
    let desk = discovery(&door, guard, source).await?;
    named(resource_types(desk.base()), &name)
}

async fn all_schemas(guard: Guard, State(door): State<Provisioning>, Path(source): Path<String>) -> Answer<Response> {
    let desk = discovery(&door, guard, source).await?;
    let all = schemas(desk.base());
    let total = all.len();
    Ok(answer(StatusCode::OK, &list_of(all, total)))
}

async fn one_schema(guard: Guard, State(door): State<Provisioning>, Path((source, urn)): One) -> Answer<Response> {
    let desk = discovery(&door, guard, source).await?;
    named(schemas(desk.base()), &urn)
}

fn list_of(all: Vec<Value>, total: usize) -> Value {
    ::scim::list(all, total, 1)
}

/// The one of that id.
fn named(all: Vec<Value>, id: &str) -> Answer<Response> {
    let found = all.into_iter().find(|one| one["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id)));
    Ok(answer(StatusCode::OK, &found.ok_or(Error::NotFound)?))
}

async fn list(door: Provisioning, guard: Guard, (sort, source): (Sort, String), asks: Asks) -> Answer<Response> {
    let about = About::one("GET", sort, "");
    let Query(wanted) = door.heard(guard.permit(), &source, &about, asks).await?;
    let wanted = wanted.list();
    let read = door.read(guard.into_permit(), source, about, move |tx, scim, desk| page(tx, scim, desk, sort, &wanted));
    read.await.map_or_else(refused, |body| Ok(answer(StatusCode::OK, &body)))
}

fn page(tx: &mut Tx<'_>, scim: &Scim, desk: &Desk, sort: Sort, wanted: &List) -> Result<Value, Error> {
    match sort {
        Sort::User => scim.users(tx, desk, wanted),
        Sort::Group => scim.groups(tx, desk, wanted),
    }
}

async fn search(door: Provisioning, guard: Guard, (sort, source): (Sort, String), sent: Sent) -> Answer<Response> {
    let about = About::one("POST", sort, "");
    let body = door.heard(guard.permit(), &source, &about, body(sent)).await?;
    let read = door
        .read(guard.into_permit(), source, about, move |tx, scim, desk| page(tx, scim, desk, sort, &searched(&body)?));
    read.await.map_or_else(refused, |body| Ok(answer(StatusCode::OK, &body)))
}

async fn users(guard: Guard, State(door): State<Provisioning>, Path(source): Path<String>, asks: Asks) -> Answer {
    list(door, guard, (Sort::User, source), asks).await
}

async fn search_users(
    guard: Guard,
    State(door): State<Provisioning>,
    Path(source): Path<String>,
    sent: Sent,
) -> Answer {
    search(door, guard, (Sort::User, source), sent).await
}

/// People and groups in one search are not done (RFC 7644 section 3.12: 501).
async fn search_all(guard: Guard, State(door): State<Provisioning>, Path(source): Path<String>, sent: Sent) -> Answer {
    let about = About::everything("POST");
    door.heard(guard.permit(), &source, &about, sent).await?;
    let words = "People and groups are not searched at once here. Send it to /Users/.search or to /Groups/.search.";
    let asked = about.told(StatusCode::NOT_IMPLEMENTED.as_u16(), words.to_owned());
    door.note(guard.permit(), &source, asked).await?;
    let problem = base::Problem::new(ProblemKind::Invalid, "not-implemented", words);
    Ok(said(StatusCode::NOT_IMPLEMENTED, &problem))
}

async fn groups(guard: Guard, State(door): State<Provisioning>, Path(source): Path<String>, asks: Asks) -> Answer {
    list(door, guard, (Sort::Group, source), asks).await
}

async fn search_groups(
    guard: Guard,
    State(door): State<Provisioning>,
    Path(source): Path<String>,
    sent: Sent,
) -> Answer {
    search(door, guard, (Sort::Group, source), sent).await
}

/// One resource, or 304 for a program that has this version already.
async fn get(
    door: Provisioning,
    guard: Guard,
    (sort, source, id): (Sort, String, String),
    headers: &HeaderMap,
    asks: Asks,
) -> Answer<Response> {
    let about = About::one("GET", sort, &id);
    let shown = door.heard(guard.permit(), &source, &about, shown(asks)).await?;
    let read = door.read(guard.into_permit(), source, about, move |tx, scim, desk| match sort {
        Sort::User => scim.user(tx, desk, &id, &shown),
        Sort::Group => scim.group(tx, desk, &id, &shown),
    });
    let answered = match read.await {
        Ok(answered) => answered,
        Err(error) => return refused(error),
    };
    let has = headers.get(header::IF_NONE_MATCH).and_then(|value| tag(value.to_str().ok()?));
    if has == Some(answered.version) {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        response.headers_mut().insert(header::ETAG, etag(answered.version));
        return Ok(response);
    }
    Ok(one(StatusCode::OK, &answered))
}

async fn user(
    guard: Guard,
    State(door): State<Provisioning>,
    Path((source, id)): One,
    asks: Asks,
    headers: HeaderMap,
) -> Answer<Response> {
    get(door, guard, (Sort::User, source, id), &headers, asks).await
}

async fn group(
    guard: Guard,
    State(door): State<Provisioning>,
    Path((source, id)): One,
    asks: Asks,
    headers: HeaderMap,
) -> Answer<Response> {
    get(door, guard, (Sort::Group, source, id), &headers, asks).await
}

async fn create(
    door: Provisioning,
    guard: Guard,
    (sort, source): (Sort, String),
    (asks, sent): (Asks, Sent),
) -> Answer<Response> {
    let about = About::one("POST", sort, "");
    let shown = door.heard(guard.permit(), &source, &about, shown(asks)).await?;
    let body = door.heard(guard.permit(), &source, &about, body(sent)).await?;
    let made = door.change(guard.into_permit(), source, about, move |tx, scim, desk| {
        let made = match sort {
            Sort::User => scim.create_user(tx, desk, &body, &shown)?,
            Sort::Group => scim.create_group(tx, desk, &body, &shown)?,
        };
        let asked = done("POST", sort, &made.id, 201);
        Ok((made, asked))
    });
    made.await.map_or_else(refused, |(desk, made)| Ok(created(&desk, sort, &made)))
}

async fn create_user(
    guard: Guard,
    State(door): State<Provisioning>,
    Path(source): Path<String>,
    asks: Asks,
    sent: Sent,
) -> Answer<Response> {
    create(door, guard, (Sort::User, source), (asks, sent)).await
}

async fn create_group(
    guard: Guard,
    State(door): State<Provisioning>,
    Path(source): Path<String>,
    asks: Asks,
    sent: Sent,
) -> Answer<Response> {
    create(door, guard, (Sort::Group, source), (asks, sent)).await
}

/// Changes one resource, as a whole (`PUT`) or in part (`PATCH`).
async fn write(
    door: Provisioning,
    guard: Guard,
    (method, sort, source, id): (&'static str, Sort, String, String),
    headers: &HeaderMap,
    (asks, sent): (Asks, Sent),
) -> Answer<Response> {
    let (about, version) = (About::one(method, sort, &id), version(headers));
    let shown = door.heard(guard.permit(), &source, &about, shown(asks)).await?;
    let body = door.heard(guard.permit(), &source, &about, body(sent)).await?;
    let written = door.change(guard.into_permit(), source, about, move |tx, scim, desk| {
        let place = (id.as_str(), version);
        let written = match (sort, method) {
            (Sort::User, "PUT") => scim.replace_user(tx, desk, place, &body, &shown)?,
            (Sort::User, _) => scim.patch_user(tx, desk, place, &body, &shown)?,
            (Sort::Group, "PUT") => scim.replace_group(tx, desk, place, &body, &shown)?,
            (Sort::Group, _) => scim.patch_group(tx, desk, place, &body, &shown)?,
        };
        Ok((written, done(method, sort, &id, 200)))
    });
    written.await.map_or_else(refused, |(_, written)| Ok(one(StatusCode::OK, &written)))
}

async fn replace_user(
    guard: Guard,
    State(door): State<Provisioning>,
    Path((source, id)): One,
    asks: Asks,
    headers: HeaderMap,
    sent: Sent,
) -> Answer<Response> {
    write(door, guard, ("PUT", Sort::User, source, id), &headers, (asks, sent)).await
}

async fn patch_user(
    guard: Guard,
    State(door): State<Provisioning>,
    Path((source, id)): One,
    asks: Asks,
    headers: HeaderMap,
    sent: Sent,
) -> Answer<Response> {
    write(door, guard, ("PATCH", Sort::User, source, id), &headers, (asks, sent)).await
}

async fn replace_group(
    guard: Guard,
    State(door): State<Provisioning>,
    Path((source, id)): One,
    asks: Asks,
    headers: HeaderMap,
    sent: Sent,
) -> Answer<Response> {
    write(door, guard, ("PUT", Sort::Group, source, id), &headers, (asks, sent)).await
}

async fn patch_group(
    guard: Guard,
    State(door): State<Provisioning>,
    Path((source, id)): One,
    asks: Asks,
    headers: HeaderMap,
    sent: Sent,
) -> Answer<Response> {
    write(door, guard, ("PATCH", Sort::Group, source, id), &headers, (asks, sent)).await
}

async fn delete_user(
    guard: Guard,
    State(door): State<Provisioning>,
    Path((source, id)): One,
    headers: HeaderMap,
) -> Answer<Response> {
    let (version, about) = (version(&headers), About::one("DELETE", Sort::User, &id));
    let gone = door.change(guard.into_permit(), source, about, move |tx, scim, desk| {
        let mut asked = done("DELETE", Sort::User, &id, 204);
        if let Gone::SwitchedOff(why) = scim.delete_user(tx, desk, (&id, version))? {
            asked.reason = why;
        }
        Ok(((), asked))
    });
    gone.await.map_or_else(refused, |_| Ok(empty(StatusCode::NO_CONTENT)))
}

async fn delete_group(
    guard: Guard,
    State(door): State<Provisioning>,
    Path((source, id)): One,
    headers: HeaderMap,
) -> Answer<Response> {
    let (version, about) = (version(&headers), About::one("DELETE", Sort::Group, &id));
    let gone = door.change(guard.into_permit(), source, about, move |tx, scim, desk| {
        scim.delete_group(tx, desk, (&id, version))?;
        Ok(((), done("DELETE", Sort::Group, &id, 204)))
    });
    gone.await.map_or_else(refused, |_| Ok(empty(StatusCode::NO_CONTENT)))
}
