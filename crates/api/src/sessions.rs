//! Open sessions: of a person, for whoever administers people, and one's own. Nothing here shows a token: only its browser has it.

use ::identity::SessionInfo;
use access::cap;
use base::{SessionId, UserId};
use http::doc::Doc;
use http::{
    Answer, Attempt, InOrganisation, Json, Path, Refusal, Reply, Response, Routes, SignedIn, State, StatusCode,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::body::List;
use crate::tag::PEOPLE;
use crate::time::At;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/people/{user}/sessions", list)
        .session_only()
        .doc(of_person(Doc::new("listSessionsOfPerson", PEOPLE, "List a person's open sessions")).lists::<SessionView>(
            "The sessions, the newest first.",
            false,
            json!({"items": [example(false)], "next": null}),
        ))
        .delete("/api/v1/people/{user}/sessions/{session}", end)
        .session_only()
        .atomic()
        .doc(
            of_session(of_person(Doc::new("endSessionOfPerson", PEOPLE, "End one session of a person")))
                .text("It is over within a second on every node. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "It is over."),
        )
        .get("/api/v1/me/sessions", own)
        .session_only()
        .doc(Doc::new("listOwnSessions", PEOPLE, "List your open sessions").lists::<SessionView>(
            "The sessions, the newest first.",
            false,
            json!({"items": [example(true)], "next": null}),
        ))
        .delete("/api/v1/me/sessions", end_others)
        .session_only()
        .atomic()
        .doc(
            Doc::new("endOtherSessions", PEOPLE, "End your other sessions")
                .text("All but the one that asks. Audited.")
                .answers::<EndedOthers>(StatusCode::OK, "How many ended.", json!({"ended": 2})),
        )
        .delete("/api/v1/me/sessions/{session}", end_own)
        .session_only()
        .atomic()
        .doc(
            of_session(Doc::new("endOwnSession", PEOPLE, "End one of your sessions"))
                .text("Also the one that asks, which signs you out. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "It is over."),
        )
}

pub(crate) fn of_person(doc: Doc) -> Doc {
    doc.path("user", "The person's id.", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
}

fn of_session(doc: Doc) -> Doc {
    doc.path("session", "The session's id.", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5d")
}

fn example(current: bool) -> Value {
    json!({
        "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5d", "provenBy": "totp", "address": "192.0.2.44",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0", "created": "2026-10-23T01:12:07.214Z",
        "lastUsed": "2026-10-23T01:20:00.000Z", "expires": "2026-10-23T13:12:07.214Z", "current": current,
    })
}

/// A session that is open.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OpenSession)]
struct SessionView {
    /// Its id; not the token, which nobody but the browser has.
    #[schema(value_type = Uuid)]
    id: SessionId,
    /// How the person proved themselves last at its start: `password`, `totp`, `passkey`, `recovery_code`, `single_sign_on` or
    /// `setup_link`.
    proven_by: &'static str,
    /// The address it was opened from.
    address: String,
    /// The program it was opened with, as that says itself.
    user_agent: String,
    /// Since when.
    created: At,
    /// When it was last used.
    last_used: At,
    /// When it ends in any case.
    expires: At,
    /// Whether it is the one that asks.
    current: bool,
}

fn view(one: SessionInfo, current: Option<SessionId>) -> SessionView {
    SessionView {
        current: Some(one.id) == current,
        id: one.id,
        proven_by: one.auth.name(),
        address: one.address,
        user_agent: one.user_agent,
        created: At(one.created_at),
        last_used: At(one.last_seen_at),
        expires: At(one.expires_at),
    }
}

fn views(all: Vec<SessionInfo>, current: Option<SessionId>) -> Json<List<SessionView>> {
    Json(List::whole(all.into_iter().map(|one| view(one, current)).collect()))
}

async fn list(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
) -> Answer<Json<List<SessionView>>> {
    let current = guard.caller().actor().session;
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    Ok(views(api.db.read(move |tx| identity.sessions_of(tx, &permit, user)).await?, current))
}

async fn end(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path((user, session)): Path<(UserId, SessionId)>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let ended = identity.end_session_of(tx, &permit, user, session)?;
        if ended { Ok(Reply::empty(StatusCode::NO_CONTENT)) } else { Err(::identity::Error::NoSession) }
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

async fn own(guard: SignedIn, State(api): State<Api>) -> Answer<Json<List<SessionView>>> {
    let (identity, actor) = (api.identity.clone(), guard.caller().actor().clone());
    let current = actor.session;
    Ok(views(api.db.read(move |tx| identity.own_sessions(tx, &actor)).await?, current))
}

async fn end_own(
    guard: SignedIn,
    State(api): State<Api>,
    Path(session): Path<SessionId>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, actor) = (api.identity.clone(), guard.caller().actor().clone());
    let effect = move |tx: &mut store::Tx<'_>| {
        let ended = identity.end_own_session(tx, &actor, session)?;
        if ended { Ok(Reply::empty(StatusCode::NO_CONTENT)) } else { Err(::identity::Error::NoSession) }
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

/// What ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndedOtherSessions)]
struct EndedOthers {
    /// How many sessions.
    ended: u64,
}

async fn end_others(guard: SignedIn, State(api): State<Api>, attempt: Attempt) -> Answer<Response> {
    let (identity, actor) = (api.identity.clone(), guard.caller().actor().clone());
    let effect = move |tx: &mut store::Tx<'_>| {
        let ended = identity.end_other_sessions(tx, &actor)?;
        Ok::<_, ::identity::Error>(Reply::json(StatusCode::OK, &EndedOthers { ended }))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}
