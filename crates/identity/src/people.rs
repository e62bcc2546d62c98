//! The people of the organisation as pages list them: who they are, what they are trusted with, and whether they can sign in.

use access::{Authority, Held, OrganisationPermit, Scope, cap};
use base::{Page, PageRequest, ResourceId, Timestamp, UserId};
use store::{Row, Tx, params};

use crate::{Error, Identity, SignInRules, account, session};

/// People read at once while looking for those that fit.
const BATCH: u32 = 200;

/// Whether a person can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// With a password, a passkey, or an identity at a provider.
    Active,
    /// They have a link with which they choose a password, and have not used it yet.
    Invited,
    /// They have none of these: they are reached by text and answer by text.
    ReachedOnly,
    /// After too many wrong passwords or factors; to be unlocked.
    Locked,
    /// The account is switched off, since then.
    Disabled(Timestamp),
}

/// A person as others see one.
#[derive(Clone, Debug)]
pub struct PersonInfo {
    /// Their id; also that of the resource.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// Their log-in name, an e-mail address.
    pub login: String,
    /// Their IANA time zone.
    pub time_zone: String,
    /// What they are trusted with. Nothing while the account is switched off.
    pub roles: Vec<Held>,
    /// Whether they can sign in.
    pub standing: Standing,
    /// Whether they have a password.
    pub has_password: bool,
    /// Whether a password opens their account: not where a provider is the only way in, but for emergencies.
    pub passwords_open: bool,
    /// Whether tries of strangers are refused unseen just now, after failures.
    pub pausing: bool,
    /// When they last signed in; none when they never did.
    pub last_sign_in: Option<Timestamp>,
    /// Sessions that are open now.
    pub sessions: u32,
    /// When one of those was last used.
    pub last_use: Option<Timestamp>,
    /// When they were added.
    pub created_at: Timestamp,
    /// The directory that keeps them; none when they are kept by hand.
    pub directory: Option<ResourceId>,
}

/// Which people are listed.
#[derive(Clone, Debug, Default)]
pub struct PeopleFilter {
    /// A part of the name or of the log-in name.
    pub search: String,
    /// Those who stand so: `active`, `invited`, `reached_only`, `locked`, `disabled`.
    pub standing: Option<String>,
    /// Those who hold this role, anywhere; a ready one by its name of today or of before.
    pub role: Option<String>,
}

impl Standing {
    /// The word for programs and addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Invited => "invited",
            Self::ReachedOnly => "reached_only",
            Self::Locked => "locked",
            Self::Disabled(_) => "disabled",
        }
    }
}

impl From<&str> for PeopleFilter {
    fn from(search: &str) -> Self {
        Self { search: search.to_owned(), ..Self::default() }
    }
}

struct Found {
    person: PersonInfo,
    folded: String,
}

impl Identity {
    /// People by log-in name, those who fit. A permit of one workspace shows those who have a
    /// role there or everywhere; one of the organisation shows all.
    pub fn people(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::PeopleRead>,
        filter: &PeopleFilter,
        request: &PageRequest,
    ) -> Result<Page<PersonInfo>, Error> {
        let wanted = account::fold(&filter.search);
        let role = filter.role.as_deref().map(role_name);
        let mut after = request.after.as_ref().map(|cursor| cursor.0.clone()).unwrap_or_default();
        let mut fitting: Vec<Found> = Vec::new();
        let enough = request.limit() as usize + 1;
        loop {
            let batch = self.batch(tx, &after)?;
            let full = batch.len() == BATCH as usize;
            if let Some(last) = batch.last() {
                after.clone_from(&last.folded);
            }
            // In Rust rather than in SQL: the two databases fold letters beyond ASCII in their own ways.
            fitting.extend(batch.into_iter().filter(|found| {
                let named = found.folded.contains(&wanted) || account::fold(&found.person.name).contains(&wanted);
                let stands = filter.standing.as_deref().is_none_or(|standing| standing == found.person.standing.name());
                let holds = role
                    .as_ref()
                    .is_none_or(|role| found.person.roles.iter().any(|held| role_name(held.role.name()) == *role));
                named && stands && holds && seen_by(permit.scope(), &found.person)
            }));
            if fitting.len() >= enough || !full {
                fitting.truncate(enough);
                return Ok(
                    Page::from_overread(fitting, request, |found| found.folded.clone()).map(|found| found.person)
                );
            }
        }
    }

    /// One person, as [`Self::people`] shows them.
    pub fn person(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::PeopleRead>,
        id: UserId,
    ) -> Result<Option<PersonInfo>, Error> {
        let (now, used_after) = times(tx)?;
        let locked = SignInRules::of(tx)?.limits().locked;
        let found =
            tx.query_opt(&format!("{PERSON} AND u.id = $3"), &params![now, used_after, id], |row| read(row, locked))?;
        let Some(mut found) = found else { return Ok(None) };
        self.complete(tx, &mut found.person)?;
        Ok(Some(found.person).filter(|person| seen_by(permit.scope(), person)))
    }

    /// Ends every session, link and administrator token of a person: they are out at once here, and within a second on every
    /// node. Audited.
    pub fn end_sessions(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::PeopleWrite>,
        user: UserId,
    ) -> Result<u64, Error> {
        let ended = self.end_all(tx, user)?;
        audit::record(
            tx,
            audit::Entry {
                actor: permit.actor(),
                workspace: None,
                action: "session.end_all",
                target: ("user", &user.to_string()),
                outcome: audit::Outcome::Success,
                reason: None,
                changes: Some(serde_json::json!({ "sessions": ended })),
            },
        )?;
        Ok(ended)
    }
}

impl Identity {
    fn batch(&self, tx: &mut Tx<'_>, after: &str) -> Result<Vec<Found>, Error> {
        let (now, used_after) = times(tx)?;
        let locked = SignInRules::of(tx)?.limits().locked;
        let sql = format!("{PERSON} AND u.login_folded > $3 ORDER BY u.login_folded LIMIT $4");
        let mut found = tx.query(&sql, &params![now, used_after, after, BATCH], |row| read(row, locked))?;
        for one in &mut found {
            self.complete(tx, &mut one.person)?;
        }
        Ok(found)
    }

    /// Adds what other rooms know of a person.
    fn complete(&self, tx: &mut Tx<'_>, person: &mut PersonInfo) -> Result<(), Error> {
        person.roles = access::roles_of(tx, person.id)?;
        if matches!(person.standing, Standing::Invited | Standing::ReachedOnly)
            && let Some(signs_on) = self.0.signs_on.get()
            && signs_on(tx, person.id)?
        {
            person.standing = Standing::Active;
        }
        Ok(())
    }
}

/// A role's name as it is compared: a ready one's of today, one of the organisation's own without regard to case.
fn role_name(name: &str) -> String {
    name.parse::<access::Role>().map_or_else(|_| name.to_lowercase(), |role| role.name().to_owned())
}

/// Now, and when a session must have been used since to be open still.
fn times(tx: &mut Tx<'_>) -> Result<(Timestamp, Timestamp), Error> {
    let idle = session::idle(tx)?;
    Ok((tx.now(), tx.now().minus(idle)))
}

const PERSON: &str = "SELECT u.id, u.name, u.login, u.login_folded, u.time_zone, u.created_at, u.last_sign_in_at, u.disabled_at, u.directory,
    (SELECT COUNT(*) FROM credentials c WHERE c.user_id = u.id) AS passwords,
    (CASE WHEN EXISTS (SELECT 1 FROM sign_in) AND NOT EXISTS (SELECT 1 FROM break_glass b WHERE b.user_id = u.id)
        THEN 0 ELSE 1 END) AS opens,
    (SELECT COUNT(*) FROM passkeys p WHERE p.user_id = u.id) AS passkeys,
    (SELECT COUNT(*) FROM one_time_links l WHERE l.user_id = u.id AND l.expires_at > $1) AS links,
    (SELECT COALESCE(MAX(f.failures), 0) FROM login_failures f
        WHERE f.user_id = u.id AND (f.device = '' OR f.device LIKE 'factor:%')) AS failures,
    (SELECT COUNT(*) FROM login_failures f
        WHERE f.user_id = u.id AND (f.device = '' OR f.device LIKE 'factor:%') AND f.next_at > $1) AS pauses,
    (SELECT COUNT(*) FROM sessions s WHERE s.user_id = u.id AND s.expires_at > $1 AND s.last_seen_at > $2) AS sessions,
    (SELECT MAX(s.last_seen_at) FROM sessions s WHERE s.user_id = u.id AND s.expires_at > $1 AND s.last_seen_at > $2) AS last_use
    FROM users u WHERE u.removed_at IS NULL";

fn read(row: &Row<'_>, locked: i64) -> Result<Found, store::Error> {
    let disabled: Option<Timestamp> = row.get("disabled_at")?;
    let (passwords, passkeys, links): (i64, i64, i64) =
        (row.get("passwords")?, row.get("passkeys")?, row.get("links")?);
    let standing = match (disabled, passwords, links) {
        (Some(since), ..) => Standing::Disabled(since),
        (None, ..) if row.get::<i64>("failures")? >= locked => Standing::Locked,
        (None, 1.., _) => Standing::Active,
        (None, _, _) if passkeys > 0 => Standing::Active,
        (None, _, 1..) => Standing::Invited,
        (None, _, _) => Standing::ReachedOnly,
    };
    Ok(Found {
        folded: row.get("login_folded")?,
        person: PersonInfo {
            id: row.get("id")?,
            name: row.get("name")?,
            login: row.get("login")?,
            time_zone: row.get("time_zone")?,
            roles: Vec::new(),
            standing,
            has_password: passwords > 0,
            passwords_open: row.get::<i64>("opens")? > 0,
            pausing: row.get::<i64>("pauses")? > 0,
            last_sign_in: row.get("last_sign_in_at")?,
            sessions: row.get("sessions")?,
            last_use: row.get("last_use")?,
            created_at: row.get("created_at")?,
            directory: row.get("directory")?,
        },
    })
}

fn seen_by(scope: Scope, person: &PersonInfo) -> bool {
    match scope {
        Scope::Organisation => true,
        here @ Scope::Workspace(_) => {
            person.roles.iter().any(|held| held.scope == Scope::Organisation || held.scope == here)
        }
    }
}
