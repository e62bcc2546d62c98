//! The sessions of a person as a list: seen and ended by themselves, or ended by whoever administers people.

use access::{Actor, AuthMethod, OrganisationPermit, cap};
use base::{SessionId, Timestamp, UserId};
use store::{Tx, params};

use crate::{Error, Identity, account, factors, session};

/// A session that is open.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Its id; not the token, which nobody but the browser has.
    pub id: SessionId,
    /// How the person proved themselves at its start.
    pub auth: AuthMethod,
    /// The address it was opened from.
    pub address: String,
    /// The program it was opened with, as that says itself.
    pub user_agent: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

fn open_of(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<SessionInfo>, Error> {
    let (used_after, wanted) = (tx.now().minus(session::idle(tx)?), factors::are_wanted(tx, user)?);
    let open = tx.query(
        "SELECT id, auth, strong, address, user_agent, created_at, last_seen_at, expires_at FROM sessions \
         WHERE user_id = $1 AND expires_at > $2 AND last_seen_at > $3 ORDER BY created_at DESC, id",
        &params![user, tx.now(), used_after],
        |row| {
            let auth = session::method(&row.get::<String>("auth")?);
            let counts = !wanted || session::is_strong(row.get("strong")?, auth);
            Ok(counts.then_some(SessionInfo {
                id: row.get("id")?,
                auth,
                address: row.get("address")?,
                user_agent: row.get("user_agent")?,
                created_at: row.get("created_at")?,
                last_seen_at: row.get("last_seen_at")?,
                expires_at: row.get("expires_at")?,
            }))
        },
    )?;
    Ok(open.into_iter().flatten().collect())
}

impl Identity {
    /// The open sessions of the person behind `actor`, the newest first.
    pub fn own_sessions(&self, tx: &mut Tx<'_>, actor: &Actor) -> Result<Vec<SessionInfo>, Error> {
        open_of(tx, actor.principal.user().ok_or(Error::NoSuchUser)?)
    }

    /// The open sessions of somebody else.
    pub fn sessions_of(
        &self,
        tx: &mut Tx<'_>,
        _: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<Vec<SessionInfo>, Error> {
        account::known(tx, user)?;
        open_of(tx, user)
    }

    /// Ends one session of the person behind `actor`; `false` when it is not there any more.
    pub fn end_own_session(&self, tx: &mut Tx<'_>, actor: &Actor, id: SessionId) -> Result<bool, Error> {
        let user = actor.principal.user().ok_or(Error::NoSuchUser)?;
        self.end_one(tx, actor, user, id)
    }

    /// Ends all sessions of the person behind `actor` but the one they act in.
    pub fn end_other_sessions(&self, tx: &mut Tx<'_>, actor: &Actor) -> Result<u64, Error> {
        let user = actor.principal.user().ok_or(Error::NoSuchUser)?;
        let mut ended = 0;
        for one in open_of(tx, user)?.into_iter().filter(|one| Some(one.id) != actor.session) {
            ended += u64::from(self.end_one(tx, actor, user, one.id)?);
        }
        Ok(ended)
    }

    /// Ends one session of somebody else.
    pub fn end_session_of(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
        id: SessionId,
    ) -> Result<bool, Error> {
        self.end_one(tx, permit.actor(), user, id)
    }

    fn end_one(&self, tx: &mut Tx<'_>, actor: &Actor, user: UserId, id: SessionId) -> Result<bool, Error> {
        let rows = tx.execute("DELETE FROM sessions WHERE id = $1 AND user_id = $2", &params![id, user])?;
        if rows == 0 {
            return Ok(false);
        }
        audit::record(
            tx,
            audit::Entry {
                actor,
                workspace: None,
                action: "session.end",
                target: ("session", &id.to_string()),
                outcome: audit::Outcome::Success,
                reason: Some("ended from the list"),
                changes: Some(serde_json::json!({ "user": user.to_string() })),
            },
        )?;
        self.forget_after(tx);
        Ok(true)
    }
}
