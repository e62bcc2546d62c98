//! People of the organisation: who they are, whether they can sign in, and what an administrator does about that. What is
//! configured about them (name, roles, phones) is a resource, written by `apply` as well as here.

use ::identity::{Imported, PeopleFilter, PersonInfo, Standing};
use ::resources::{Change, Draft, Error, Ground, Json as Body, Outcome, Removal};
use access::{OrganisationPermit, Scope, cap};
use base::{ExposeSecret, Problem, ProblemKind, ResourceId, UserId, WorkspaceId};
use http::doc::Doc;
use http::{
    Answer, Attempt, InOrganisation, Json, PageQuery, Path, Query, Refusal, Reply, Response, Routes, State, StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::Api;
use crate::body::{List, TakenElsewhere};
use crate::resources::explained;
use crate::tag::PEOPLE;
use crate::time::At;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/people", list)
        .doc(list_doc())
        .get("/api/v1/people/{user}", show)
        .doc(of_one(Doc::new("getPerson", PEOPLE, "Read a person")).answers::<OnePerson>(
            StatusCode::OK,
            "The person, with the letters that were sent to them.",
            json!({"person": example(), "letters": [{
                "purpose": "invite", "state": "sent", "tries": 1, "reason": null, "queued": "2026-10-23T01:12:07.214Z",
                "settled": "2026-10-23T01:12:08.002Z",
            }]}),
        ))
        .post("/api/v1/people", create)
        .atomic()
        .doc(
            Doc::new("createPerson", PEOPLE, "Add a person")
                .text("Log-in names are never used twice, also after deletion: one that belonged to somebody is refused.")
                .reads::<NewPerson>(json!({
                    "name": "Rae Sample", "login": "rae@example.com", "roles": [{"role": "on_call", "workspace": "demo"}],
                    "timeZone": "Europe/London", "phones": ["+447700900117"],
                }))
                .answers::<PersonView>(StatusCode::CREATED, "The person.", example()),
        )
        .post("/api/v1/people/import", import)
        .doc(
            Doc::new("importPeople", PEOPLE, "Add people from a table")
                .text(
                    "Comma-separated values whose first line names the columns: name, login, role, workspace, time_zone, phone. All \
                     of them or none; `dryRun` looks and adds nobody. Audited.",
                )
                .reads::<Import>(json!({"csv": "name,login,role,workspace\nDina Sample,dina@example.com,on_call,demo\n", "dryRun": true}))
                .answers::<ImportView>(
                    StatusCode::OK,
                    "Each row with what is wrong with it.",
                    json!({"done": false, "problem": null, "rows": [
                        {"line": 2, "name": "Dina Sample", "login": "dina@example.com", "problems": []},
                    ]}),
                ),
        )
        .post("/api/v1/people/{user}", change)
        .atomic()
        .doc(
            of_one(Doc::new("changePerson", PEOPLE, "Change a person"))
                .text("What is left out stays. `enabled: false` switches the account off: no signing in, no pages.")
                .reads::<Changes>(json!({"enabled": false, "reason": "Left the company"}))
                .answers::<PersonView>(StatusCode::OK, "The person.", example()),
        )
        .delete("/api/v1/people/{user}", delete)
        .atomic()
        .doc(
            of_one(Doc::new("deletePerson", PEOPLE, "Delete a person"))
                .text("Their sessions, links and tokens end. Id and log-in name are never given again.")
                .answers_nothing(StatusCode::NO_CONTENT, "They are gone.")
                .refuses(StatusCode::CONFLICT, "A group names them, or they are the last administrator."),
        )
        .post("/api/v1/people/{user}/unlock", unlock)
        .session_only()
        .atomic()
        .doc(
            of_one(Doc::new("unlockPerson", PEOPLE, "Unlock a person"))
                .text("Forgets their wrong passwords. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "Their next try is looked at."),
        )
        .post("/api/v1/people/{user}/expire-password", expire)
        .session_only()
        .atomic()
        .doc(
            of_one(Doc::new("expirePassword", PEOPLE, "Ask a person for another password"))
                .text("At their next sign-in; their sessions end now. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "It is asked for.")
                .refuses(StatusCode::CONFLICT, "They have no password."),
        )
        .post("/api/v1/people/{user}/letter", letter)
        .session_only()
        .atomic()
        .doc(
            of_one(Doc::new("writeToPerson", PEOPLE, "Send a person the link with which they sign in"))
                .text(
                    "By e-mail: an invitation to somebody without a password, else a link for a new one. Whoever asks for it sees \
                     neither link nor password. Audited.",
                )
                .answers::<Queued>(StatusCode::ACCEPTED, "The letter is queued.", json!({"queued": true}))
                .refuses(StatusCode::CONFLICT, "There is no mail server."),
        )
        .post("/api/v1/people/{user}/invitation", invite)
        .session_only()
        .atomic()
        .shows_secret()
        .doc(
            of_one(Doc::new("invitePerson", PEOPLE, "Draw an invitation"))
                .text("The link is shown once, to be handed over by another way than e-mail. Audited.")
                .answers::<Invitation>(
                    StatusCode::CREATED,
                    "The link.",
                    json!({"url": "https://pager.example.com/invite#loudhailer_setup_…", "expires": "2026-10-24T01:12:07.214Z"}),
                ),
        )
        .delete("/api/v1/people/{user}/sessions", end_sessions)
        .session_only()
        .atomic()
        .doc(
            of_one(Doc::new("endSessionsOfPerson", PEOPLE, "Sign a person out everywhere"))
                .text("Ends their sessions, links and tokens, within a second on every node. Audited.")
                .answers::<Ended>(StatusCode::OK, "How many sessions ended.", json!({"ended": 2})),
        )
}

fn of_one(doc: Doc) -> Doc {
    doc.path("user", "The person's id.", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
}

fn example() -> serde_json::Value {
    json!({
        "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "name": "Dina Sample", "login": "dina@example.com",
        "timeZone": "Europe/London", "roles": [{"role": "on_call", "workspace": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5c"}],
        "standing": "active", "created": "2026-09-01T08:00:00.000Z", "lastSignIn": "2026-10-23T01:12:07.214Z",
        "sessions": 1, "lastUse": "2026-10-23T01:20:00.000Z",
    })
}

fn list_doc() -> Doc {
    Doc::new("listPeople", PEOPLE, "List and search people")
        .text("By log-in name.")
        .query::<Wanted>()
        .lists::<PersonView>("The people.", true, json!({"items": [example()], "next": null}))
}

/// Who is listed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// A part of the name or of the log-in name.
    #[serde(default)]
    search: String,
    /// Whether they can sign in: `active`, `invited`, `reached_only`, `locked` or `disabled`.
    #[serde(default)]
    standing: Option<String>,
    /// A role that they hold, anywhere.
    #[serde(default)]
    role: Option<String>,
    #[serde(default, rename = "limit")]
    #[schema(ignore)]
    _limit: TakenElsewhere,
    #[serde(default, rename = "cursor")]
    #[schema(ignore)]
    _cursor: TakenElsewhere,
}

/// A role and where it holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PersonRole)]
struct RoleView {
    /// The role.
    role: String,
    /// In which workspace; null for the whole organisation.
    #[schema(value_type = Option<Uuid>)]
    workspace: Option<WorkspaceId>,
}

/// Whether a person can sign in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PersonStanding)]
enum StandingWord {
    /// With a password.
    Active,
    /// They have an invitation that was not used yet.
    Invited,
    /// They have neither; they are reached by text.
    ReachedOnly,
    /// After too many wrong passwords.
    Locked,
    /// The account is switched off.
    Disabled,
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Person)]
struct PersonView {
    /// Their id, which nobody else ever gets.
    #[schema(value_type = Uuid)]
    id: UserId,
    /// Their name.
    name: String,
    /// Their log-in name, an e-mail address.
    login: String,
    /// Their IANA time zone.
    time_zone: String,
    /// What they are trusted with.
    roles: Vec<RoleView>,
    /// Whether they can sign in.
    standing: StandingWord,
    /// When they were added.
    created: At,
    /// When they last signed in; null when they never did.
    last_sign_in: Option<At>,
    /// Sessions that are open now.
    sessions: u32,
    /// When one of these was last used.
    last_use: Option<At>,
}

impl From<PersonInfo> for PersonView {
    fn from(person: PersonInfo) -> Self {
        let roles = person.roles.iter().map(|held| RoleView {
            role: held.role.name().to_owned(),
            workspace: match held.scope {
                Scope::Organisation => None,
                Scope::Workspace(id) => Some(id),
            },
        });
        Self {
            roles: roles.collect(),
            id: person.id,
            name: person.name,
            login: person.login,
            time_zone: person.time_zone,
            standing: match person.standing {
                Standing::Active => StandingWord::Active,
                Standing::Invited => StandingWord::Invited,
                Standing::ReachedOnly => StandingWord::ReachedOnly,
                Standing::Locked => StandingWord::Locked,
                Standing::Disabled(_) => StandingWord::Disabled,
            },
            created: At(person.created_at),
            last_sign_in: person.last_sign_in.map(At),
            sessions: person.sessions,
            last_use: person.last_use.map(At),
        }
    }
}

/// What became of a letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Letter)]
struct LetterView {
    /// Which sort it is: `invite`, `reset`, `password-changed` or `credentials-end`.
    purpose: String,
    /// `queued`, `sent`, `failed` or `withdrawn`.
    state: &'static str,
    /// How often it was tried.
    tries: u32,
    /// Why it waits or failed.
    reason: Option<String>,
    /// When it was queued.
    queued: At,
    /// When it left or was given up.
    settled: Option<At>,
}

impl From<mail::Status> for LetterView {
    fn from(letter: mail::Status) -> Self {
        Self {
            purpose: letter.purpose,
            state: letter.state.name(),
            tries: letter.tries,
            reason: letter.reason,
            queued: At(letter.queued_at),
            settled: letter.settled_at.map(At),
        }
    }
}

/// A person with their letters.
#[derive(Debug, Serialize, ToSchema)]
struct OnePerson {
    /// The person.
    person: PersonView,
    /// The newest letters to them, newest first.
    letters: Vec<LetterView>,
}

async fn list(
    guard: InOrganisation<cap::PeopleRead>,
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    PageQuery(page): PageQuery,
) -> Answer<Json<List<PersonView>>> {
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    // A cursor is the log-in name of the last person of a page, an address.
    if page.after.as_ref().is_some_and(|cursor| !cursor.0.contains('@')) {
        let detail = "The cursor is not one of ours. Take it from `next` of the last page.";
        return Err(Refusal::new(Problem::new(ProblemKind::Invalid, "invalid-query", detail).at("cursor")));
    }
    let filter = PeopleFilter { search: wanted.search, standing: wanted.standing, role: wanted.role };
    let people = api.db.read(move |tx| identity.people(tx, &permit, &filter, &page)).await?;
    Ok(Json(List::of(people, PersonView::from)))
}

async fn show(
    guard: InOrganisation<cap::PeopleRead>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
) -> Answer<Json<OnePerson>> {
    let (identity, mail, permit) = (api.identity.clone(), api.mail.clone(), guard.into_permit());
    let found = api
        .db
        .read(move |tx| {
            let Some(person) = identity.person(tx, &permit, user)? else { return Ok(None) };
            Ok::<_, ::identity::Error>(Some((person, mail.of(tx, user)?)))
        })
        .await?;
    let (person, letters) = found.ok_or(::identity::Error::NoSuchUser)?;
    Ok(Json(OnePerson { person: person.into(), letters: letters.into_iter().map(LetterView::from).collect() }))
}

/// A letter is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueuedLetter)]
struct Queued {
    /// Always true.
    queued: bool,
}

async fn letter(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        identity.write_link_to(tx, &permit, user)?;
        Ok::<_, ::identity::Error>(Reply::json(StatusCode::ACCEPTED, &Queued { queued: true }))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

/// An invitation. It is shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonInvitation)]
struct Invitation {
    /// The link.
    url: String,
    /// When it stops to work.
    expires: At,
}

async fn invite(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, permit, public_url) = (api.identity.clone(), guard.into_permit(), api.public_url.clone());
    let effect = move |tx: &mut store::Tx<'_>| {
        let link = identity.invite_link(tx, &permit, user)?;
        let url = format!("{public_url}/invite#{}", link.secret.expose_secret());
        Ok::<_, ::identity::Error>(Reply::json(StatusCode::CREATED, &Invitation { url, expires: At(link.expires_at) }))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

/// What ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndedSessions)]
struct Ended {
    /// How many sessions.
    ended: u64,
}

async fn end_sessions(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let ended = identity.end_sessions(tx, &permit, user)?;
        Ok::<_, ::identity::Error>(Reply::json(StatusCode::OK, &Ended { ended }))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

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
struct NewPerson {
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
}

/// What of a person is to be another.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = PersonChanges)]
struct Changes {
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

/// Writes a person, and what they are now.
fn put(
    api: &Api,
    tx: &mut store::Tx<'_>,
    permit: &OrganisationPermit<cap::PeopleWrite>,
    body: Body,
    reason: Option<&str>,
    new: bool,
) -> Result<PersonView, Error> {
    let clearance = api.resources.clear(tx, permit, None, &Ground::None)?;
    let change = Change { kind: KIND, workspace: None, body: Draft::new(body), reason, clearance: &clearance };
    let written = api.resources.put(tx, permit, change)?;
    if new && written.outcome != Outcome::Created {
        // The error rolls the change back: adding must not change somebody who is there.
        return Err(Error::invalid("login", "person-exists", "there is a person of this log-in name already"));
    }
    let read = permit.also::<cap::PeopleRead>()?;
    let person = api.identity.person(tx, &read, UserId::from(written.id.uuid())).map_err(Error::kind)?;
    person.map(PersonView::from).ok_or(Error::NotFound)
}

async fn create(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    attempt: Attempt,
    Json(new): Json<NewPerson>,
) -> Answer<Response> {
    let (db, permit) = (api.db.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let view = put(&api, tx, &permit, new.body(), new.reason.as_deref(), true)?;
        Ok::<_, Error>(Reply::json(StatusCode::CREATED, &view))
    };
    attempt.write(&db, explained, effect).await
}

async fn change(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
    Json(changes): Json<Changes>,
) -> Answer<Response> {
    let (db, permit) = (api.db.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let stored = api.resources.by_id(tx, KIND, ResourceId::from(user.uuid()))?.ok_or(Error::NotFound)?;
        let view = put(&api, tx, &permit, changes.over(stored.body), changes.reason.as_deref(), false)?;
        Ok::<_, Error>(Reply::json(StatusCode::OK, &view))
    };
    attempt.write(&db, explained, effect).await
}

async fn delete(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let (db, permit) = (api.db.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let stored = api.resources.by_id(tx, KIND, ResourceId::from(user.uuid()))?.ok_or(Error::NotFound)?;
        let clearance = api.resources.clear(tx, &permit, None, &Ground::None)?;
        let removal = Removal { kind: KIND, workspace: None, key: &stored.key, reason: None, clearance: &clearance };
        api.resources.delete(tx, &permit, removal)?;
        Ok::<_, Error>(Reply::empty(StatusCode::NO_CONTENT))
    };
    attempt.write(&db, explained, effect).await
}

async fn unlock(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        identity.unlock(tx, &permit, user)?;
        Ok::<_, ::identity::Error>(Reply::empty(StatusCode::NO_CONTENT))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

async fn expire(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        identity.expire_password(tx, &permit, user)?;
        Ok::<_, ::identity::Error>(Reply::empty(StatusCode::NO_CONTENT))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

/// A table of people.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = PeopleImport)]
struct Import {
    /// The table, as comma-separated values.
    csv: String,
    /// Whether it is only looked at.
    #[serde(default)]
    dry_run: bool,
    /// Why, for history and audit log.
    #[serde(default)]
    reason: Option<String>,
}

/// A row of the table.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PeopleImportRow)]
struct RowView {
    /// Its line, from 1.
    line: u64,
    /// The person's name.
    name: String,
    /// Their log-in name.
    login: String,
    /// What is wrong with it; nothing when it can be taken.
    problems: Vec<String>,
}

/// What an import did or would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PeopleImported)]
struct ImportView {
    /// Whether the people were added.
    done: bool,
    /// What is wrong with the table as a whole.
    problem: Option<String>,
    /// Its rows.
    rows: Vec<RowView>,
}

impl From<Imported> for ImportView {
    fn from(report: Imported) -> Self {
        let row = |row: ::identity::ImportRow| RowView {
            line: row.line,
            name: row.name,
            login: row.login,
            problems: row.problems,
        };
        Self { done: report.done, problem: report.problem, rows: report.rows.into_iter().map(row).collect() }
    }
}

async fn import(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Json(given): Json<Import>,
) -> Answer<Json<ImportView>> {
    let report = api.identity.import(guard.permit(), given.csv, given.dry_run, given.reason).await?;
    Ok(Json(report.into()))
}
