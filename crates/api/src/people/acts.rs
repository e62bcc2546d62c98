//! What an administrator does about a person's way in: letters, invitations, sessions, a lock, a password.

use ::identity::Error;
use access::{OrganisationPermit, cap};
use base::{ExposeSecret, UserId};
use http::{Answer, Attempt, InOrganisation, Path, Refusal, Reply, Response, State, StatusCode};
use serde::Serialize;
use store::Tx;
use utoipa::ToSchema;

use crate::Api;
use crate::time::At;

type Guard = InOrganisation<cap::PeopleWrite>;
type Act = fn(&Api, &mut Tx<'_>, &OrganisationPermit<cap::PeopleWrite>, UserId) -> Result<Reply, Error>;

async fn act(guard: Guard, api: Api, user: UserId, attempt: Attempt, does: Act) -> Answer<Response> {
    let (db, permit) = (api.db.clone(), guard.into_permit());
    attempt.write(&db, Refusal::from, move |tx: &mut Tx<'_>| does(&api, tx, &permit, user)).await
}

/// A letter is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueuedLetter)]
pub(super) struct Queued {
    /// Always true.
    queued: bool,
}

pub(super) async fn letter(
    guard: Guard,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let does: Act = |api, tx, permit, user| {
        api.identity.write_link_to(tx, permit, user)?;
        Ok(Reply::json(StatusCode::ACCEPTED, &Queued { queued: true }))
    };
    act(guard, api, user, attempt, does).await
}

/// An invitation. It is shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonInvitation)]
pub(super) struct Invitation {
    /// The link.
    url: String,
    /// When it stops to work.
    expires: At,
}

pub(super) async fn invite(
    guard: Guard,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let does: Act = |api, tx, permit, user| {
        let link = api.identity.invite_link(tx, permit, user)?;
        let url = format!("{}/invite#{}", api.public_url, link.secret.expose_secret());
        Ok(Reply::json(StatusCode::CREATED, &Invitation { url, expires: At(link.expires_at) }))
    };
    act(guard, api, user, attempt, does).await
}

/// What ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndedSessions)]
pub(super) struct Ended {
    /// How many sessions.
    ended: u64,
}

pub(super) async fn end_sessions(
    guard: Guard,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let does: Act = |api, tx, permit, user| {
        let ended = api.identity.end_sessions(tx, permit, user)?;
        Ok(Reply::json(StatusCode::OK, &Ended { ended }))
    };
    act(guard, api, user, attempt, does).await
}

pub(super) async fn unlock(
    guard: Guard,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let does: Act = |api, tx, permit, user| {
        api.identity.unlock(tx, permit, user)?;
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    };
    act(guard, api, user, attempt, does).await
}

pub(super) async fn expire(
    guard: Guard,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let does: Act = |api, tx, permit, user| {
        api.identity.expire_password(tx, permit, user)?;
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    };
    act(guard, api, user, attempt, does).await
}
