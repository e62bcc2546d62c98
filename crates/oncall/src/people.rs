//! The typed projections and what other rooms ask of them.

use access::{Authority, cap};
use base::{DeviceId, Timestamp, UserId, WorkspaceId};
use sms::Number;
use store::{Migration, Migrations, Row, Tx, params};
use vault::Vault;

use crate::Error;
use crate::definition::Definition;
use crate::devices::{self, Device, Handset, NewDevice, Stored};
use crate::groups;
use crate::plan::{Plan, Reachable, Who, plan};

/// The tables of this room.
pub const MIGRATIONS: Migrations = Migrations {
    room: "oncall",
    steps: &[Migration { version: 1, name: "oncall", sql: include_str!("../migrations/001_oncall.sql") }],
};

/// A person, as far as being reached goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The id.
    pub id: UserId,
    /// The login.
    pub login: String,
    /// The name to print.
    pub name: String,
    /// Whether the account is in use.
    pub enabled: bool,
}

impl Person {
    fn read(row: &Row<'_>) -> Result<Self, store::Error> {
        Ok(Self { id: row.get("id")?, login: row.get("login")?, name: row.get("name")?, enabled: row.get("enabled")? })
    }
}

/// What configuration says about a person.
#[derive(Clone, Debug)]
pub struct PersonChange {
    /// The person.
    pub person: Person,
    /// All devices, the first to use first.
    pub devices: Vec<NewDevice>,
}

/// A group's plan for one instant, with what it was made from.
#[derive(Clone, Debug)]
pub struct Round {
    /// The group.
    pub group: Definition,
    /// The people it names, as far as they are known.
    pub people: Vec<Reachable>,
    /// Who is paged when, and who is not and why.
    pub plan: Plan,
}

/// Reads and writes of on-call data, each in the caller's transaction. Cheap to clone.
#[derive(Clone)]
pub struct OnCall {
    vault: Vault,
}

impl OnCall {
    /// On-call data whose numbers `vault` seals.
    pub fn new(vault: Vault) -> Self {
        Self { vault }
    }

    /// Makes what is stored about a person equal to configuration.
    pub fn set_person(&self, tx: &mut Tx<'_>, change: &PersonChange) -> Result<(), Error> {
        let person = &change.person;
        tx.execute(
            "INSERT INTO oncall_people (id, login, login_folded, name, enabled) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET login = excluded.login, login_folded = excluded.login_folded,
                 name = excluded.name, enabled = excluded.enabled",
            &params![person.id, &person.login, fold(&person.login), &person.name, person.enabled],
        )?;
        let now = tx.now();
        devices::replace(tx, &self.vault, person.id, &change.devices, now)
    }

    /// Forgets a person with all devices.
    pub fn remove_person(&self, tx: &mut Tx<'_>, user: UserId) -> Result<(), Error> {
        tx.execute("DELETE FROM devices WHERE user_id = $1", &params![user])?;
        tx.execute("DELETE FROM oncall_people WHERE id = $1", &params![user])?;
        Ok(())
    }

    /// A person by id.
    pub fn person(&self, tx: &mut Tx<'_>, user: UserId) -> Result<Option<Person>, Error> {
        Ok(tx.query_opt("SELECT * FROM oncall_people WHERE id = $1", &params![user], Person::read)?)
    }

    /// A person's devices, the first to use first.
    pub fn devices(&self, tx: &mut Tx<'_>, user: UserId) -> Result<Vec<Device>, Error> {
        let rows =
            tx.query("SELECT * FROM devices WHERE user_id = $1 ORDER BY position", &params![user], Stored::read)?;
        rows.into_iter().map(|row| row.open(tx, &self.vault)).collect()
    }

    /// One device; `None` once its owner gave it up.
    pub fn device(&self, tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<Device>, Error> {
        let row = tx.query_opt("SELECT * FROM devices WHERE id = $1", &params![device], Stored::read)?;
        row.map(|row| row.open(tx, &self.vault)).transpose()
    }

    /// The number of a person's device in full, for those who may write people. Audited, so `tx` must be a writing one; `None`
    /// when the person has no such device.
    pub fn reveal(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::PeopleWrite>,
        user: UserId,
        device: DeviceId,
    ) -> Result<Option<Number>, Error> {
        let Some(found) = self.device(tx, device)?.filter(|found| found.user == user) else { return Ok(None) };
        audit::record(
            tx,
            audit::Entry {
                actor: permit.actor(),
                workspace: None,
                action: "device.reveal",
                target: ("user", &user.to_string()),
                outcome: audit::Outcome::Success,
                reason: None,
                changes: Some(serde_json::json!({ "device": device.to_string() })),
            },
        )?;
        Ok(Some(found.number))
    }

    /// Where a number is filed.
    pub fn handset(&self, number: &Number) -> Handset {
        Handset::of(&self.vault, number)
    }

    /// Whose phone this is: nobody's, one person's, or several people's (a phone that is handed over with the duty).
    pub fn owners(&self, tx: &mut Tx<'_>, handset: &Handset) -> Result<Vec<Person>, Error> {
        Ok(tx.query(
            "SELECT p.id, p.login, p.name, p.enabled FROM devices d JOIN oncall_people p ON p.id = d.user_id
             WHERE d.handset = $1 ORDER BY p.id",
            &params![handset.as_str()],
            Person::read,
        )?)
    }

    /// One round through a group starting at `at`; `None` when there is no such group.
    pub fn round(
        &self,
        tx: &mut Tx<'_>,
        workspace: WorkspaceId,
        group: &str,
        at: Timestamp,
    ) -> Result<Option<Round>, Error> {
        let Some(group) = groups::definition(tx, workspace, group)? else { return Ok(None) };
        let people = self.people_of(tx, &group)?;
        let plan = plan(&group, &people, at);
        Ok(Some(Round { group, people, plan }))
    }

    /// What the plan needs to know about the people a group names.
    pub fn people_of(&self, tx: &mut Tx<'_>, group: &Definition) -> Result<Vec<Reachable>, Error> {
        let mut out = Vec::with_capacity(group.members.len());
        for member in &group.members {
            let rows = tx.query(
                "SELECT p.id, p.login, p.name, p.enabled, d.id AS device FROM oncall_people p
                 LEFT JOIN devices d ON d.user_id = p.id WHERE p.login_folded = $1 ORDER BY d.position",
                &params![fold(&member.user)],
                |row| Ok((Person::read(row)?, row.get::<Option<DeviceId>>("device")?)),
            )?;
            let devices = rows.iter().filter_map(|(_, device)| *device).collect();
            let Some((person, _)) = rows.into_iter().next() else { continue };
            out.push(Reachable {
                who: Who { id: person.id, name: person.name },
                login: person.login,
                enabled: person.enabled,
                devices,
            });
        }
        Ok(out)
    }
}

/// Logins and names are found without regard to case.
pub(crate) fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}
