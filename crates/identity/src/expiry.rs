//! Letters about credentials of programs that end soon: keys, secrets of OAuth clients, certificates. Fourteen days and three days
//! before, once each, to everybody who may manage keys where the credential is; whom it belongs to is not known. A letter names
//! everything that ends within fourteen days, so that one which replaces another that has not left yet loses nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use access::{Actor, Capability};
use base::{Timestamp, UserId, WorkspaceId};
use store::{Tx, params};

use crate::account::{self, Account};
use crate::{Error, Identity};

/// Days before an end at which a letter goes out, the last one first.
const MARKS: [u32; 2] = [3, 14];
/// Lines of a letter at most; the rest is counted.
const LINES: usize = 50;
/// What was written is remembered for as long after the end.
const REMEMBERED: Duration = Duration::from_hours(24 * 30);

/// A credential that ends.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) workspace: WorkspaceId,
    pub(crate) kind: &'static str,
    /// What tells it from others of its kind.
    owner: String,
    /// As a person calls it.
    pub(crate) words: String,
    pub(crate) ends_at: Timestamp,
}

const fn days(count: u32) -> Duration {
    Duration::from_hours(24 * count as u64)
}

/// The mark that has been reached, the nearest to the end.
fn mark(ends_at: Timestamp, now: Timestamp) -> Option<u32> {
    MARKS.into_iter().find(|mark| now < ends_at && ends_at <= now.plus(days(*mark)))
}

fn ending(tx: &mut Tx<'_>) -> Result<Vec<Ending>, store::Error> {
    let now = tx.now();
    let until = now.plus(days(MARKS[MARKS.len() - 1]));
    let mut all = Vec::new();
    for (kind, what, sql) in [
        (
            "api_keys",
            "API key",
            "SELECT workspace, id AS owner, name, expires_at AS ends_at FROM api_keys \
             WHERE expires_at > $1 AND expires_at <= $2",
        ),
        (
            "oauth_clients",
            "secret of OAuth client",
            "SELECT workspace, id AS owner, name, expires_at AS ends_at FROM oauth_clients \
             WHERE expires_at > $1 AND expires_at <= $2",
        ),
        (
            "client_certificates",
            "certificate",
            "SELECT workspace, kind || ' ' || owner || ' ' || matcher AS owner, rule AS name, seen_not_after AS ends_at \
             FROM client_certificates WHERE seen_not_after > $1 AND seen_not_after <= $2",
        ),
    ] {
        let found = tx.query(sql, &params![now, until], |row| {
            Ok(Ending {
                workspace: row.get("workspace")?,
                kind,
                owner: row.get("owner")?,
                words: format!("{what} “{}”", row.get::<String>("name")?),
                ends_at: row.get("ends_at")?,
            })
        })?;
        all.extend(found);
    }
    all.sort_by(|one, two| (one.ends_at, &one.words).cmp(&(two.ends_at, &two.words)));
    Ok(all)
}

/// Everybody who may manage keys in one of these workspaces, with those in which they may.
fn keepers(tx: &mut Tx<'_>, workspaces: &[WorkspaceId]) -> Result<Vec<(Account, Vec<WorkspaceId>)>, Error> {
    let people: Vec<UserId> = tx.query(
        "SELECT DISTINCT u.id FROM users u JOIN role_assignments a ON a.user_id = u.id \
         WHERE u.removed_at IS NULL AND u.disabled_at IS NULL ORDER BY u.id",
        &[],
        |row| row.get("id"),
    )?;
    let mut keepers = Vec::new();
    for user in people {
        let roles = access::roles_of(tx, user)?;
        let holds = |place: WorkspaceId| roles.iter().any(|held| held.gives(Capability::ApiKeysManage, Some(place)));
        let theirs: Vec<WorkspaceId> = workspaces.iter().copied().filter(|place| holds(*place)).collect();
        if !theirs.is_empty()
            && let Some(account) = account::by_id(tx, user)?
        {
            keepers.push((account, theirs));
        }
    }
    Ok(keepers)
}

impl Identity {
    /// Writes the letters that are due; how many. Called now and then, on every node: what was written stands in the store beside
    /// the letter, so each goes out once, whoever restarts.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn remind_of_ends(&self) -> Result<u64, Error> {
        if !self.sends_mail() {
            return Ok(0);
        }
        let this = self.clone();
        self.0.db.write(move |tx| this.remind(tx)).await
    }

    fn remind(&self, tx: &mut Tx<'_>) -> Result<u64, Error> {
        let now = tx.now();
        tx.execute("DELETE FROM expiry_letters WHERE ends_at <= $1", &params![now.minus(REMEMBERED)])?;
        let all = ending(tx)?;
        if all.is_empty() {
            return Ok(0);
        }
        let names: BTreeMap<WorkspaceId, String> =
            access::workspaces(tx)?.into_iter().map(|one| (one.id, one.slug.to_string())).collect();
        // Of a workspace that is archived nobody is told.
        let places: Vec<WorkspaceId> =
            names.keys().copied().filter(|place| all.iter().any(|one| one.workspace == *place)).collect();
        let mut letters = 0;
        for (keeper, theirs) in keepers(tx, &places)? {
            let own: Vec<&Ending> = all.iter().filter(|one| theirs.contains(&one.workspace)).collect();
            let mut new = 0_usize;
            for one in &own {
                let Some(mark) = mark(one.ends_at, now) else { continue };
                new += usize::try_from(tx.execute(
                    "INSERT INTO expiry_letters (user_id, kind, owner, ends_at, days, sent_at) \
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                    &params![keeper.id, one.kind, one.owner.as_str(), one.ends_at, mark, now],
                )?)
                .unwrap_or_default();
            }
            if new == 0 {
                continue;
            }
            self.write_of_ends(tx, &keeper, &lines(&own, &names, now))?;
            audit::record(
                tx,
                audit::Entry {
                    actor: &Actor::engine("identity"),
                    workspace: None,
                    action: "credentials.remind",
                    target: ("user", &keeper.id.to_string()),
                    outcome: audit::Outcome::Success,
                    reason: Some("credentials of programs end soon"),
                    changes: Some(serde_json::json!({ "new": new, "named": own.len() })),
                },
            )?;
            letters += 1;
        }
        Ok(letters)
    }
}

fn lines(own: &[&Ending], names: &BTreeMap<WorkspaceId, String>, now: Timestamp) -> String {
    let mut text = String::new();
    for one in own.iter().take(LINES) {
        let place = names.get(&one.workspace).map(String::as_str).unwrap_or_default();
        let left = one.ends_at.since(now).as_secs().div_ceil(24 * 3_600);
        let left = if left == 1 { "1 day".to_owned() } else { format!("{left} days") };
        text.extend(["- ", place, ": ", &one.words, ", in ", &left, " (", &one.ends_at.rfc3339(), ")\n"]);
    }
    if own.len() > LINES {
        text.extend(["- and ", &(own.len() - LINES).to_string(), " more\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mark_counts_and_an_end_that_is_past_has_none() {
        let now = Timestamp::from_micros(1_796_040_000_000_000);
        let at = |days: u64| now.plus(Duration::from_hours(24 * days));
        assert_eq!(mark(at(15), now), None);
        assert_eq!(mark(at(14), now), Some(14));
        assert_eq!(mark(at(4), now), Some(14));
        assert_eq!(mark(at(3), now), Some(3));
        assert_eq!(mark(now.plus(Duration::from_secs(1)), now), Some(3));
        assert_eq!(mark(now, now), None);
    }
}
