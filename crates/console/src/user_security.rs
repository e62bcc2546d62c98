//! What an administrator does about somebody's second factors and sessions: resets the one when it is lost, ends the other. They
//! learn no secret.

use access::cap;
use axum::extract::State;
use base::{SessionId, UserId};
use http::{Answer, Form, InWorkspace, Path, Refusal, Response};
use identity::Factors;

use crate::Console;
use crate::answers::ActForm;
use crate::editing::everywhere;
use crate::page::see_other;
use crate::security_page::{SessionRow, session_rows};
use crate::shell::Shell;

/// The part of a person's page about how they sign in.
pub struct Security {
    /// What there is, in words.
    pub factors: String,
    /// How many.
    pub count: usize,
    /// What is open.
    pub sessions: Vec<SessionRow>,
}

fn words(factors: &Factors) -> String {
    let mut have = Vec::new();
    match factors.passkeys.len() {
        0 => {}
        1 => have.push("a passkey".to_owned()),
        count => have.push(format!("{count} passkeys")),
    }
    if factors.app.is_some() {
        have.push("an authenticator app".to_owned());
    }
    match (have.is_empty(), factors.wanted) {
        (false, _) => format!("They have {}; {} recovery codes are left.", have.join(" and "), factors.recovery_left),
        (true, true) => "None. One of their roles must have one: they set it up when they sign in next.".to_owned(),
        (true, false) => "None: a password alone signs them in.".to_owned(),
    }
}

impl Console {
    /// How somebody signs in, for a reader who administers people everywhere.
    pub async fn security_of<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        shell: &Shell,
        user: UserId,
    ) -> Answer<Option<Security>> {
        let Ok(permit) = guard.caller().grants().permit_organisation::<cap::PeopleWrite>() else { return Ok(None) };
        let identity = self.identity.clone();
        let read: Result<_, identity::Error> = self
            .db
            .read(move |tx| Ok((identity.factors_of(tx, &permit, user)?, identity.sessions_of(tx, &permit, user)?)))
            .await;
        let (factors, sessions) = read?;
        let sessions = session_rows(shell, sessions, guard.caller().actor().session);
        Ok(Some(Security { factors: words(&factors), count: factors.count(), sessions }))
    }
}

/// Ends one session of somebody.
pub async fn end_session(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    Path((_, user, session)): Path<(String, UserId, SessionId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (permit, identity) = (everywhere(&guard)?, console.identity.clone());
    if !console.db.write(move |tx| identity.end_session_of(tx, &permit, user, session)).await? {
        return Err(Refusal::not_found());
    }
    Ok(see_other(&format!("/w/{}/users/{user}?did=one-ended", guard.name())))
}

/// Takes somebody's second factors away, who lost them.
pub async fn reset(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    Path((_, user)): Path<(String, UserId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (permit, identity) = (everywhere(&guard)?, console.identity.clone());
    console.db.write(move |tx| identity.reset_factors(tx, &permit, user)).await?;
    Ok(see_other(&format!("/w/{}/users/{user}?did=reset", guard.name())))
}

#[cfg(test)]
impl Security {
    /// For the tests of the page.
    pub fn sample() -> Self {
        let factors = Factors { recovery_left: 7, app: Some(crate::testing::NOW), ..Factors::default() };
        let row = SessionRow { id: "5".into(), browser: "Chrome".into(), words: "By password.".into(), current: false };
        Self { factors: words(&factors), count: factors.count(), sessions: vec![row] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_has_is_said_without_secrets() {
        assert!(Security::sample().factors.contains("an authenticator app; 7 recovery codes"));
        assert!(words(&Factors { wanted: true, ..Factors::default() }).contains("must have one"));
        assert!(words(&Factors::default()).contains("password alone"));
    }
}
