//! What a person chose about how pages look to them. It follows them from browser to browser; no right depends on it.

use access::{Actor, Principal};
use audit::{Entry, Outcome};
use base::UserId;
use store::{Tx, params};

use crate::Error;

const TIME_ZONE: &str = "time_zone";

/// A person's choices; what was not chosen is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The IANA zone in which they read times.
    pub time_zone: Option<String>,
}

impl Preferences {
    /// What `user` chose.
    pub fn of(tx: &mut Tx<'_>, user: UserId) -> Result<Self, Error> {
        let rows: Vec<(String, String)> =
            tx.query("SELECT name, value FROM preferences WHERE user_id = $1", &params![user], |row| {
                Ok((row.get("name")?, row.get("value")?))
            })?;
        let mut chosen = Self::default();
        for (name, value) in rows {
            if name == TIME_ZONE {
                chosen.time_zone = Some(value);
            }
        }
        Ok(chosen)
    }

    /// Keeps the zone that the person behind `actor` chose for themselves, or forgets the choice. An unknown zone, and an
    /// actor who is no person, change nothing: `false`.
    pub fn choose_time_zone(tx: &mut Tx<'_>, actor: &Actor, zone: Option<&str>) -> Result<bool, Error> {
        let Principal::User { id, .. } = &actor.principal else { return Ok(false) };
        if zone.is_some_and(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
            return Ok(false);
        }
        match zone {
            Some(zone) => tx.execute(
                "INSERT INTO preferences (user_id, name, value, changed_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (user_id, name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
                &params![*id, TIME_ZONE, zone, tx.now()],
            )?,
            None => tx.execute("DELETE FROM preferences WHERE user_id = $1 AND name = $2", &params![*id, TIME_ZONE])?,
        };
        let said = zone.map_or_else(|| "the zone of the browser".to_owned(), |zone| format!("the zone {zone}"));
        audit::record(
            tx,
            Entry {
                actor,
                workspace: None,
                action: "user.preference.set",
                target: ("user", &id.to_string()),
                outcome: Outcome::Success,
                reason: Some(&said),
                changes: None,
            },
        )?;
        Ok(true)
    }

    /// Forgets everything that a person chose: they are gone.
    pub(crate) fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), store::Error> {
        tx.execute("DELETE FROM preferences WHERE user_id = $1", &params![user])?;
        Ok(())
    }
}
