//! People of the organisation: who they are, whether they can sign in, and what an administrator does about that. What is
//! configured about them (name, roles, phones) is a resource, written by `apply` as well as here.

mod acts;
mod import;
mod write;

use ::identity::{PeopleFilter, PersonInfo, Standing};
use access::{Scope, cap};
use base::{Problem, ProblemKind, UserId, WorkspaceId};
use http::doc::Doc;
use http::{Answer, InOrganisation, Json, PageQuery, Path, Query, Refusal, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::Api;
use crate::body::{List, TakenElsewhere};
use crate::tag::PEOPLE;
use crate::time::At;
use acts::{Ended, Invitation, Queued};
use import::{Import, ImportView};
use write::{Changes, NewPerson};

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/people", list)
        .doc(list_doc())
        .get("/api/v1/people/{user}", show)
        .doc(of_one(Doc::new("getPerson", PEOPLE, "Read a person")).answers::<OnePerson>(
            StatusCode::OK,
            "The person; with `people:write` also the letters that were sent to them.",
            json!({"person": example(), "letters": [{
                "purpose": "invite", "state": "sent", "tries": 1, "reason": null, "queued": "2026-10-23T01:12:07.214Z",
                "settled": "2026-10-23T01:12:08.002Z",
            }]}),
        ))
        .post("/api/v1/people", write::create)
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
        .post("/api/v1/people/import", import::import)
        .limit(import::LIMIT)
        .doc(
            Doc::new("importPeople", PEOPLE, "Add people from a table")
                .text(
                    "Comma-separated values whose first line names the columns: name, login, role, workspace, time_zone, phone; 5,000 \
                     rows and 1 MiB at most. All of them or none; `dryRun` looks and adds nobody. Audited.",
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
        .post("/api/v1/people/{user}", write::change)
        .atomic()
        .doc(
            of_one(Doc::new("changePerson", PEOPLE, "Change a person"))
                .text("What is left out stays. `enabled: false` switches the account off: no signing in, no pages.")
                .reads::<Changes>(json!({"enabled": false, "reason": "Left the company"}))
                .answers::<PersonView>(StatusCode::OK, "The person.", example()),
        )
        .delete("/api/v1/people/{user}", write::delete)
        .atomic()
        .doc(
            of_one(Doc::new("deletePerson", PEOPLE, "Delete a person"))
                .text(
                    "Their sessions, links and tokens end. Id and log-in name are never given again: whoever comes back gets a new \
                     account with another log-in name. To keep the way back, switch the account off.",
                )
                .query::<crate::resources::Standing>()
                .answers_nothing(StatusCode::NO_CONTENT, "They are gone.")
                .refuses(StatusCode::CONFLICT, "A group names them, or they are the last administrator."),
        )
        .post("/api/v1/people/{user}/unlock", acts::unlock)
        .session_only()
        .atomic()
        .doc(
            of_one(Doc::new("unlockPerson", PEOPLE, "Unlock a person"))
                .text("Forgets their wrong passwords. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "Their next try is looked at."),
        )
        .post("/api/v1/people/{user}/expire-password", acts::expire)
        .session_only()
        .atomic()
        .doc(
            of_one(Doc::new("expirePassword", PEOPLE, "Ask a person for another password"))
                .text("At their next sign-in; their sessions end now. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "It is asked for.")
                .refuses(StatusCode::CONFLICT, "They have no password."),
        )
        .post("/api/v1/people/{user}/letter", acts::letter)
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
        .post("/api/v1/people/{user}/invitation", acts::invite)
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
        .delete("/api/v1/people/{user}/sessions", acts::end_sessions)
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
    /// The newest letters to them, newest first; none for whoever does not hold `people:write`.
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
    // That somebody was asked for a new password is for those who look after accounts.
    let mail = guard.also::<cap::PeopleWrite>().map(|_| api.mail.clone());
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    let found = api
        .db
        .read(move |tx| {
            let Some(person) = identity.person(tx, &permit, user)? else { return Ok(None) };
            Ok::<_, ::identity::Error>(Some((
                person,
                mail.as_ref().map(|mail| mail.of(tx, user)).transpose()?.unwrap_or_default(),
            )))
        })
        .await?;
    let (person, letters) = found.ok_or(::identity::Error::NoSuchUser)?;
    Ok(Json(OnePerson { person: person.into(), letters: letters.into_iter().map(LetterView::from).collect() }))
}
