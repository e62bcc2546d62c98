//! What administrators see of directories and do about them: how each is, whom it keeps, and handing somebody over or back.

use access::{OrganisationPermit, cap};
use base::{Explain, Problem, ProblemKind, ResourceId, Timestamp, UserId};
use store::{Tx, params};

use crate::requests::{self, Request};
use crate::rows::{self, Person, Source};
use crate::schema::Resource;
use crate::settle;
use crate::{Error, Scim};

/// People or groups that one page has at most.
const MOST: u32 = 200;
/// Requests that one page has.
const LAST: u32 = 30;

/// How a directory is.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The directory.
    pub source: Source,
    /// People whom it keeps.
    pub people: i64,
    /// Of these, those whose accounts are switched off.
    pub inactive: i64,
    /// Its groups.
    pub groups: i64,
    /// The last request that was refused, when nothing went well since.
    pub failing: Option<Request>,
}

/// Somebody whom a directory keeps.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Their id.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// What the directory calls them.
    pub user_name: String,
    /// Whether the account is in use.
    pub active: bool,
    /// Whether an identity of the provider is linked, so that they can sign in with it.
    pub linked: bool,
    /// When the directory last changed something.
    pub changed_at: Timestamp,
}

/// A group of a directory.
#[derive(Clone, Debug)]
pub struct KeptGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many people are in it.
    pub members: i64,
    /// The roles that it gives, as `role` or `role @ workspace`.
    pub roles: Vec<String>,
}

/// Everything about a directory.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it is.
    pub standing: Standing,
    /// The people, by name.
    pub people: Vec<Kept>,
    /// The groups, by name.
    pub groups: Vec<KeptGroup>,
    /// Groups that give roles and were not heard of.
    pub unknown: Vec<String>,
    /// The last requests.
    pub last: Vec<Request>,
    /// The last that were refused or done otherwise than asked.
    pub wrong: Vec<Request>,
}

/// Why somebody is not handed over.
#[derive(Debug, thiserror::Error)]
#[error("not handed over: {0}")]
pub(crate) struct NotNow(&'static str);

impl Explain for NotNow {
    fn problem(&self) -> Problem {
        Problem::new(ProblemKind::Conflict, "not-handed-over", self.0).at("login")
    }
}

fn standing(tx: &mut Tx<'_>, source: Source) -> Result<Standing, Error> {
    let count = |tx: &mut Tx<'_>, sql: &str| tx.query_one(sql, &params![source.id], |row| row.get::<i64>(0));
    let people = "SELECT COUNT(*) FROM provisioned_people p JOIN users u ON u.id = p.user_id WHERE p.source = $1 AND \
         u.removed_at IS NULL";
    // Reads that went well are not written down one by one: that there was one since is.
    let heard_since = |one: &Request| source.last_request.is_some_and(|last| last > one.at);
    let failing = requests::last(tx, source.id, false, 1)?.into_iter().find(|one| one.failed() && !heard_since(one));
    Ok(Standing {
        people: count(tx, people)?,
        inactive: count(tx, &format!("{people} AND u.disabled_at IS NOT NULL"))?,
        groups: count(tx, "SELECT COUNT(*) FROM directory_groups WHERE source = $1")?,
        failing,
        source,
    })
}

impl Scim {
    /// The directories and how each is.
    pub fn sources(
        &self,
        tx: &mut Tx<'_>,
        _permit: &OrganisationPermit<cap::SignInManage>,
    ) -> Result<Vec<Standing>, Error> {
        rows::sources(tx)?.into_iter().map(|source| standing(tx, source)).collect()
    }

    /// The names of the directories, for saying where somebody comes from.
    pub fn labels(
        &self,
        tx: &mut Tx<'_>,
        _permit: &impl access::Authority<cap::PeopleRead>,
    ) -> Result<Vec<(ResourceId, String)>, Error> {
        Ok(rows::sources(tx)?.into_iter().map(|source| (source.id, source.label)).collect())
    }

    /// Everything about one directory.
    pub fn report(
        &self,
        tx: &mut Tx<'_>,
        _permit: &OrganisationPermit<cap::SignInManage>,
        id: ResourceId,
    ) -> Result<Option<Report>, Error> {
        let Some(source) = rows::source_by_id(tx, id)? else { return Ok(None) };
        let people = tx.query(
            "SELECT p.user_id, u.name, p.user_name, p.subject, p.changed_at, u.disabled_at IS NULL AS active \
             FROM provisioned_people p JOIN users u ON u.id = p.user_id \
             WHERE p.source = $1 AND u.removed_at IS NULL ORDER BY u.login_folded LIMIT $2",
            &params![id, MOST],
            |row| {
                Ok(Kept {
                    user: row.get("user_id")?,
                    name: row.get("name")?,
                    user_name: row.get("user_name")?,
                    active: row.get("active")?,
                    linked: row.get::<Option<String>>("subject")?.is_some(),
                    changed_at: row.get("changed_at")?,
                })
            },
        )?;
        let mut groups = tx.query(
            "SELECT g.id, g.name, (SELECT COUNT(*) FROM directory_members m WHERE m.group_id = g.id) AS members \
             FROM directory_groups g WHERE g.source = $1 ORDER BY g.name_folded LIMIT $2",
            &params![id, MOST],
            |row| {
                Ok(KeptGroup {
                    id: row.get("id")?,
                    name: row.get("name")?,
                    members: row.get("members")?,
                    roles: Vec::new(),
                })
            },
        )?;
        let unknown = tx.query(
            "SELECT DISTINCT r.name FROM provisioning_roles r WHERE r.source = $1 AND NOT EXISTS (SELECT 1 FROM directory_groups g \
             WHERE g.source = r.source AND g.name = r.name) ORDER BY r.name",
            &params![id],
            |row| row.get::<String>("name"),
        )?;
        let (workspaces, custom) = (access::workspaces(tx)?, access::custom_roles(tx)?);
        for one in settle::of(tx, id)? {
            let role = match one.role {
                access::RoleRef::Ready(role) => role.words().to_owned(),
                access::RoleRef::Custom(role) => {
                    custom.iter().find(|known| known.id == role).map(|known| known.name.clone()).unwrap_or_default()
                }
            };
            let words = match one.scope {
                access::Scope::Organisation => role,
                access::Scope::Workspace(place) => {
                    let place = workspaces.iter().find(|known| known.id == place);
                    let place = place.map(|known| known.slug.to_string()).unwrap_or_default();
                    format!("{role} @ {place}")
                }
            };
            if let Some(group) = groups.iter_mut().find(|group| group.name == one.group) {
                group.roles.push(words);
            }
        }
        Ok(Some(Report {
            standing: standing(tx, source)?,
            people,
            groups,
            unknown,
            last: requests::last(tx, id, false, LAST)?,
            wrong: requests::last(tx, id, true, LAST)?,
        }))
    }

    /// Hands somebody who was made by hand over to a directory: it finds them by their log-in name from now on, and says their
    /// name and whether their account is in use. Roles, devices and ways in stay. Audited.
    ///
    /// # Errors
    /// When there is nobody of that name, a directory keeps them already, theirs is an account for emergencies, or it may more than
    /// whoever asks.
    pub fn hand_over(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::SignInManage>,
        id: ResourceId,
        login: &str,
    ) -> Result<UserId, Error> {
        self.hold(tx)?;
        let source = rows::source_by_id(tx, id)?.ok_or(Error::NoSource)?;
        let not = |words| Error::from(resources::Error::kind(NotNow(words)));
        let user = identity::by_login(tx, login.trim())?
            .ok_or_else(|| not("There is nobody of this log-in name. Look at the list of people."))?;
        if identity::is_break_glass(tx, user)? {
            return Err(not("This is an account for emergencies, and no directory changes it."));
        }
        // A directory says who signs in with an account, so handing over is as good as a link into it.
        identity::stand_in(tx, permit, user)?;
        if identity::directory_of(tx, user)?.is_some() {
            return Err(not("A directory keeps this person already."));
        }
        let stored = self.0.resources.by_id(tx, "users", crate::scim::entry(user))?.ok_or(Error::NotFound)?;
        if rows::user_name_taken(tx, &stored.key, Some(user))? {
            return Err(not("A directory calls somebody else so. Look at the page Provisioning."));
        }
        let mut said = Resource::new();
        said.insert("userName".into(), stored.key.clone().into());
        if let Some(name) = stored.body.get("name") {
            said.insert("displayName".into(), name.clone());
        }
        let now = tx.now();
        let person = Person {
            user,
            user_name: stored.key,
            subject: None,
            active: identity::is_enabled(tx, user)?,
            said,
            version: 1,
            created_at: now,
            changed_at: now,
        };
        rows::put_person(tx, &self.0.vault, source.id, &person)?;
        identity::set_directory(tx, user, Some(source.id))?;
        note(tx, permit, "user.hand_over", user, &source)?;
        Ok(user)
    }

    /// Takes somebody back from their directory: it finds them no more, what its groups gave goes, and they are kept by hand.
    /// In an emergency, this is how somebody is switched off here while the directory still says otherwise. Audited.
    pub fn release(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::SignInManage>,
        source: ResourceId,
        user: UserId,
    ) -> Result<(), Error> {
        self.hold(tx)?;
        if identity::directory_of(tx, user)? != Some(source) {
            return Err(Error::NotFound);
        }
        let (now, administrators) = (tx.now(), access::count_administrators(tx)?);
        if access::set_roles_from::<access::RoleRef>(tx, user, &source.to_string(), &[], now)? {
            if administrators > 0 && access::count_administrators(tx)? == 0 {
                return Err(Error::HandsOff(
                    "With this the last administrator would be none any more. Give somebody that role by hand first.",
                ));
            }
            self.0.identity.end_all(tx, user)?;
        }
        rows::forget_person(tx, user)?;
        identity::set_directory(tx, user, None)?;
        match rows::source_by_id(tx, source)? {
            Some(source) => note(tx, permit, "user.release", user, &source),
            None => Ok(()),
        }
    }
}

/// Writes down whose a person is now.
fn note(
    tx: &mut Tx<'_>,
    permit: &OrganisationPermit<cap::SignInManage>,
    action: &'static str,
    user: UserId,
    source: &Source,
) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor: permit.actor(),
            workspace: None,
            action,
            target: ("user", &user.to_string()),
            outcome: audit::Outcome::Success,
            reason: None,
            changes: Some(serde_json::json!({ "source": source.name })),
        },
    )?;
    Ok(())
}
