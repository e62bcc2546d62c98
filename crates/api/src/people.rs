//! People of the organisation: who they are, whether they can sign in, and what an administrator does about that. What is
//! configured about them (name, roles, phones) is a resource, written by `apply` as well as here.

use ::identity::{PersonInfo, Standing};
use access::{Scope, cap};
use base::{ExposeSecret, UserId, WorkspaceId};
use http::doc::Doc;
use http::{
    Answer, Attempt, InOrganisation, Json, PageQuery, Path, Query, Refusal, Reply, Response, Routes, State, StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::Api;
use crate::body::{List, TakenElsewhere};
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
        "timeZone": "Europe/London", "roles": [{"role": "responder", "workspace": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5c"}],
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
    /// People a page, 1 to 200; 50 when left out.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 200)]
    #[expect(dead_code, reason = "read by PageQuery")]
    limit: TakenElsewhere,
    /// `next` of the page before.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    #[expect(dead_code, reason = "read by PageQuery")]
    cursor: TakenElsewhere,
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
    /// Which sort it is: `invite`, `reset` or `password-changed`.
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
    let people = api.db.read(move |tx| identity.people(tx, &permit, &wanted.search, &page)).await?;
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
