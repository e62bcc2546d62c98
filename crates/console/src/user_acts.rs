//! What an administrator does about how a person signs in: unlock them, or ask for another password.

use access::cap;
use axum::extract::State;
use base::UserId;
use http::{Answer, Form, InWorkspace, Path, Response};

use crate::Console;
use crate::answers::ActForm;
use crate::editing::everywhere;
use crate::page::see_other;

/// Forgets the failures of a person.
pub async fn unlock(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    Path((_, user)): Path<(String, UserId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (permit, identity) = (everywhere(&guard)?, console.identity.clone());
    console.db.write(move |tx| identity.unlock(tx, &permit, user)).await?;
    Ok(see_other(&format!("/w/{}/users/{user}?did=unlocked", guard.name())))
}

/// Asks for another password at the next sign-in, and ends the sessions.
pub async fn expire(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    Path((_, user)): Path<(String, UserId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (permit, identity) = (everywhere(&guard)?, console.identity.clone());
    console.db.write(move |tx| identity.expire_password(tx, &permit, user)).await?;
    Ok(see_other(&format!("/w/{}/users/{user}?did=expired", guard.name())))
}
