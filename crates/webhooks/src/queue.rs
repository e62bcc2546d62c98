//! Callbacks as rows: written with what they tell, claimed before they go out and settled after. Every write of the sender
//! checks its lease, so that one that was thought gone changes nothing (rule 2).

use std::collections::HashSet;
use std::time::Duration;

use access::Scope;
use base::{Timestamp, WebhookId, WorkspaceId};
use outbound::Guarded;
use store::{Changed, Held, Tx, params};
use vault::{Aad, Purpose, Vault};

use crate::circuit::Failure;
use crate::rows::{self, Opened};
use crate::schedule::{KEPT, PATIENCE, wait};
use crate::types::New;
use crate::{Error, TOPIC, meters};

/// Callbacks that one webhook may have waiting; beyond it new ones are given up at once, and said so (rule 9).
const WAITING: i64 = 1_000_000;

/// Webhooks that a transaction has locked: what is written for them meets no settling half-way.
#[derive(Default)]
pub(crate) struct Locked(HashSet<WebhookId>);

impl Locked {
    fn lock(&mut self, tx: &mut Tx<'_>, id: WebhookId) -> Result<(), Error> {
        if self.0.insert(id) {
            let sql = format!("SELECT id FROM webhooks WHERE id = $1{}", tx.dialect().for_update());
            tx.query_opt(&sql, &params![id], |_| Ok(()))?;
        }
        Ok(())
    }
}

/// Writes a callback down for everyone who hears of it; how many.
pub(crate) fn enqueue(
    tx: &mut Tx<'_>,
    vault: &Vault,
    guarded: Option<&Guarded>,
    locked: &mut Locked,
    new: &New<'_>,
) -> Result<usize, Error> {
    let webhooks = match new.url {
        None => rows::hearing(tx, new.workspace, new.topic)?,
        // One that cannot be read was refused when it came; the operator's rules may have changed since.
        Some(url) => match guarded.map(|guarded| guarded.check(url)) {
            Some(Ok(target)) => vec![rows::own(tx, new.workspace, &target.host_port().to_string())?],
            Some(Err(_)) | None => vec![rows::own(tx, new.workspace, "refused addresses")?],
        },
    };
    for webhook in &webhooks {
        write(tx, vault, locked, *webhook, new)?;
    }
    Ok(webhooks.len())
}

/// Writes a callback down for one webhook; its number.
pub(crate) fn write(
    tx: &mut Tx<'_>,
    vault: &Vault,
    locked: &mut Locked,
    webhook: WebhookId,
    new: &New<'_>,
) -> Result<i64, Error> {
    locked.lock(tx, webhook)?;
    let now = tx.now();
    let uid = format!("evt_{}", tx.context().id::<base::RequestId>());
    let key = vault.data_key(tx, Some(new.workspace), Purpose::Messages, now)?;
    let seal = |tx: &Tx<'_>, column, plain: &[u8]| {
        key.seal(tx.context().chance(), &Aad { table: "callbacks", column, row: &uid }, plain)
    };
    let (body, url) = (seal(tx, "body", new.body), new.url.map(|url| seal(tx, "url", url.as_bytes())));
    let full = tx.query_opt(
        "SELECT id FROM callbacks WHERE webhook = $1 AND state < 3 LIMIT 1 OFFSET $2",
        &params![webhook, WAITING],
        |_| Ok(()),
    );
    // Counted seldom: a look over a million rows for each would cost more than the row.
    let full = if now.as_micros() % 1_024 == 0 { full?.is_some() } else { false };
    let id = tx.query_one(
        "INSERT INTO callbacks (uid, webhook, workspace, event, subject, state, created_at, due_at, give_up_at, attempts, tries,
             url, body, error)
         VALUES ($1, $2, $3, $4, $5, CASE WHEN $10 THEN 4 WHEN EXISTS (SELECT 1 FROM callbacks
             WHERE webhook = $2 AND subject = $5 AND state < 3) THEN 2 ELSE 0 END, $6, $6, $7, 0, 0, $8, $9, $11) RETURNING id",
        &params![
            &uid,
            webhook,
            new.workspace.to_string(),
            new.event,
            new.subject,
            now,
            now.plus(PATIENCE),
            url,
            &body,
            full,
            full.then_some("a million callbacks wait for this webhook already")
        ],
        |row| row.get::<i64>(0),
    )?;
    meters::QUEUED.add(&[new.event], 1);
    tx.touched(Changed { workspace: Some(new.workspace), topic: TOPIC, id: webhook.to_string() });
    Ok(id)
}

/// What a callback says, and its own address where it has one.
type Content = (Option<String>, Vec<u8>);

/// A callback on its way.
pub(crate) struct Claimed {
    pub(crate) id: i64,
    pub(crate) uid: String,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) attempts: u32,
    tries: u32,
    give_up_at: Timestamp,
    /// Its own address, and what it says; `None` when that is erased.
    pub(crate) content: Option<Content>,
}

/// Webhooks for which something is due, and that may be asked.
pub(crate) fn ready(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<WebhookId>, Error> {
    Ok(tx.query(
        "SELECT w.id FROM webhooks w WHERE w.enabled = TRUE AND w.removed = FALSE AND (
             (w.circuit = 0 AND EXISTS (SELECT 1 FROM callbacks c WHERE c.webhook = w.id AND c.state = 0 AND c.due_at <= $1))
             OR (w.circuit = 1 AND w.probe_at <= $1 AND EXISTS (SELECT 1 FROM callbacks c WHERE c.webhook = w.id AND c.state = 0)))",
        &params![now],
        |row| row.get(0),
    )?)
}

/// Claims up to `most` due callbacks of a webhook, in order; one alone, due or not, when its circuit is open and it is time to
/// ask. `None` when there is nothing to do.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    vault: &Vault,
    held: &Held,
    webhook: WebhookId,
    most: usize,
) -> Result<Option<(Opened, Vec<Claimed>)>, Error> {
    held.check(tx)?;
    let now = tx.now();
    let Some(stored) = rows::find(tx, webhook, true)?.filter(|stored| stored.shown.enabled) else { return Ok(None) };
    let health = &stored.shown.health;
    let open = health.circuit == crate::Circuit::Open;
    if open && health.probe_at.is_some_and(|at| at > now) {
        return Ok(None);
    }
    let (most, until) = if open { (1, Timestamp::from_micros(i64::MAX)) } else { (most, now) };
    let mut rows = tx.query(
        "UPDATE callbacks SET state = 1, fence = $4 WHERE id IN (
             SELECT id FROM callbacks WHERE webhook = $1 AND state = 0 AND due_at <= $2 ORDER BY due_at, id LIMIT $3)
         RETURNING id, uid, workspace, attempts, tries, give_up_at, url, body",
        &params![webhook, until, i64::try_from(most).unwrap_or(1), held.fence()],
        |row| {
            let count = |name: &str| Ok::<_, store::Error>(u32::try_from(row.get::<i64>(name)?).unwrap_or(u32::MAX));
            let claimed = Claimed {
                id: row.get("id")?,
                uid: row.get("uid")?,
                workspace: row.get::<String>("workspace")?.parse().ok(),
                attempts: count("attempts")?,
                tries: count("tries")?,
                give_up_at: row.get("give_up_at")?,
                content: None,
            };
            Ok((claimed, row.get::<Option<String>>("url")?, row.get::<String>("body")?))
        },
    )?;
    if rows.is_empty() {
        return Ok(None);
    }
    rows.sort_by_key(|(claimed, ..)| claimed.id);
    let mut all = Vec::with_capacity(rows.len());
    for (mut claimed, url, body) in rows {
        claimed.content = content(tx, vault, claimed.workspace, &claimed.uid, url.as_deref(), &body)?;
        all.push(claimed);
    }
    Ok(Some((stored.open(tx, vault, now)?, all)))
}

/// Opens what a callback says; `None` when it is erased or its key is gone.
pub(crate) fn content(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: Option<WorkspaceId>,
    uid: &str,
    url: Option<&str>,
    body: &str,
) -> Result<Option<Content>, Error> {
    let mut open =
        |column, sealed: &str| match vault.open(tx, workspace, &Aad { table: "callbacks", column, row: uid }, sealed) {
            Ok(plain) => Ok(Some(plain.to_vec())),
            Err(vault::Error::Store(error)) => Err(Error::Store(error)),
            Err(_) => Ok(None),
        };
    let Some(body) = open("body", body)? else { return Ok(None) };
    let url = match url {
        None => None,
        Some(url) => match open("url", url)?.map(String::from_utf8) {
            Some(Ok(url)) => Some(url),
            _ => return Ok(None),
        },
    };
    Ok(Some((url, body)))
}

/// What one try came to.
pub(crate) struct Outcome {
    pub(crate) at: Timestamp,
    pub(crate) took: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<Failure>,
    pub(crate) beginning: Option<String>,
    /// It can never succeed.
    pub(crate) hopeless: bool,
}

/// Writes what a try came to. Whether the webhook is to be left alone now.
pub(crate) fn settle(
    tx: &mut Tx<'_>,
    held: &Held,
    webhook: WebhookId,
    claimed: &Claimed,
    outcome: &Outcome,
) -> Result<bool, Error> {
    held.check(tx)?;
    let now = tx.now();
    let Some(stored) = rows::find(tx, webhook, true)? else { return Ok(true) };
    let (mut health, number) = (stored.shown.health, claimed.attempts.saturating_add(1));
    let error = outcome.failure.as_ref().map(|failure| failure.error.as_str());
    let (state, due_at) = match &outcome.failure {
        None => (3, None),
        Some(failure) => {
            let pause =
                wait(claimed.tries.saturating_add(1), tx.context().chance()).max(failure.wish.unwrap_or_default());
            let due = now.plus(pause);
            if outcome.hopeless || due > claimed.give_up_at { (4, None) } else { (0, Some(due)) }
        }
    };
    let written = tx.execute(
        "UPDATE callbacks SET state = $3, due_at = COALESCE($4, due_at), done_at = $5, attempts = $6, tries = tries + 1, status = $7,
         error = $8 WHERE id = $1 AND state = 1 AND fence = $2",
        &params![
            claimed.id,
            held.fence(),
            state,
            due_at,
            due_at.is_none().then_some(now),
            i64::from(number),
            outcome.status.map(i64::from),
            error
        ],
    )?;
    if written == 0 {
        // Removed or given up meanwhile: what was seen is still a try.
        tracing::debug!(callback = claimed.id, "a callback was decided otherwise while it was under way");
    }
    note(tx, claimed.id, number, outcome)?;
    if written > 0 && due_at.is_none() {
        release_next(tx, webhook, claimed.id, now)?;
    }
    let (left_alone, changed) = match &outcome.failure {
        None => {
            let news = health.circuit == crate::Circuit::Open
                || health.failures > 0
                || health.last_success.is_none_or(|last| now.since(last) >= Duration::from_secs(5));
            if health.succeeded(now) {
                meters::CIRCUITS.add(&["closed"], 1);
                tracing::info!(%webhook, "a webhook takes callbacks again");
            }
            (false, news)
        }
        // A message that is erased says nothing about its receiver.
        Some(_) if outcome.hopeless => (false, false),
        Some(failure) => {
            let was_open = health.circuit == crate::Circuit::Open;
            let opened = health.failed(failure, now);
            if opened && !was_open {
                meters::CIRCUITS.add(&["opened"], 1);
                tracing::warn!(%webhook, failures = health.failures, "a webhook fails again and again and is left alone for a while");
            }
            (opened, true)
        }
    };
    if changed {
        rows::write_health(tx, webhook, &health)?;
    }
    tx.touched(Changed { workspace: claimed.workspace, topic: TOPIC, id: webhook.to_string() });
    let word = match (&outcome.failure, outcome.status, state) {
        (None, ..) => "delivered",
        (Some(_), _, 4) => "given_up",
        (Some(_), Some(_), _) => "refused",
        (Some(_), None, _) => "no_answer",
    };
    meters::ATTEMPTS.add(&[word], 1);
    Ok(left_alone)
}

fn note(tx: &mut Tx<'_>, callback: i64, number: u32, outcome: &Outcome) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO callback_attempts (callback, number, at, duration_ms, status, error, beginning)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (callback, number) DO NOTHING",
        &params![
            callback,
            i64::from(number),
            outcome.at,
            i64::try_from(outcome.took.as_millis()).unwrap_or(i64::MAX),
            outcome.status.map(i64::from),
            outcome.failure.as_ref().map(|failure| failure.error.as_str()),
            outcome.beginning.as_deref()
        ],
    )?;
    Ok(())
}

/// Lets the next callback of the same subject go, now that `done` came to its end.
fn release_next(tx: &mut Tx<'_>, webhook: WebhookId, done: i64, now: Timestamp) -> Result<(), Error> {
    tx.execute(
        "UPDATE callbacks SET state = 0, due_at = $3 WHERE id = (SELECT MIN(n.id) FROM callbacks n WHERE n.webhook = $1
             AND n.subject = (SELECT d.subject FROM callbacks d WHERE d.id = $2) AND n.state < 3) AND state = 2",
        &params![webhook, done, now],
    )?;
    Ok(())
}

/// Gives back what was claimed and not sent.
pub(crate) fn give_back(tx: &mut Tx<'_>, held: &Held, ids: &[i64]) -> Result<(), Error> {
    let rows: Vec<_> = ids.iter().map(|id| Vec::from(params![*id, held.fence()])).collect();
    tx.execute_many("UPDATE callbacks SET state = 0 WHERE id = $1 AND state = 1 AND fence = $2", &rows)?;
    Ok(())
}

/// What a process that is gone had under way goes again, under the same id: whether it arrived is not known (rule 3).
pub(crate) fn recover(tx: &mut Tx<'_>, held: &Held) -> Result<u64, Error> {
    held.check(tx)?;
    let now = tx.now();
    tx.execute(
        "INSERT INTO callback_attempts (callback, number, at, duration_ms, error)
         SELECT id, attempts + 1, $1, 0, 'the server ended while this was under way, so nobody knows whether it arrived; it is sent again under the same webhook-id'
         FROM callbacks WHERE state = 1 AND state < 3 AND fence <> $2 ON CONFLICT (callback, number) DO NOTHING",
        &params![now, held.fence()],
    )?;
    Ok(tx.execute(
        "UPDATE callbacks SET state = 0, due_at = $1, attempts = attempts + 1 WHERE state = 1 AND state < 3 AND fence <> $2",
        &params![now, held.fence()],
    )?)
}

/// Gives up everything that waits for a webhook.
pub(crate) fn give_up_all(tx: &mut Tx<'_>, webhook: WebhookId, why: &str, now: Timestamp) -> Result<(), store::Error> {
    tx.execute(
        "UPDATE callbacks SET state = 4, done_at = $2, error = $3 WHERE webhook = $1 AND state < 3",
        &params![webhook, now, why],
    )?;
    Ok(())
}

/// Rows that one transaction of housekeeping touches.
const SWEPT: i64 = 500;

/// Gives up what nobody took for 72 hours, also where a circuit is open; how many.
pub(crate) fn give_up_late(tx: &mut Tx<'_>, held: &Held) -> Result<u64, Error> {
    held.check(tx)?;
    let now = tx.now();
    let late = tx.query(
        "SELECT id, webhook FROM callbacks WHERE state < 3 AND state <> 1 AND give_up_at <= $1 ORDER BY give_up_at LIMIT $2",
        &params![now, SWEPT],
        |row| Ok((row.get::<i64>(0)?, row.get::<WebhookId>(1)?)),
    )?;
    let mut locked = Locked::default();
    for (id, webhook) in &late {
        locked.lock(tx, *webhook)?;
        tx.execute(
            "UPDATE callbacks SET state = 4, done_at = $2, error = COALESCE(error, 'the webhook was left alone or disabled all the time')
             WHERE id = $1",
            &params![*id, now],
        )?;
        release_next(tx, *webhook, *id, now)?;
        meters::ATTEMPTS.add(&["given_up"], 1);
    }
    Ok(late.len() as u64)
}

/// Removes what came to its end 30 days ago; how many.
pub(crate) fn forget(tx: &mut Tx<'_>, held: &Held) -> Result<u64, Error> {
    held.check(tx)?;
    let before = tx.now().minus(KEPT);
    let old = tx.query(
        "SELECT id FROM callbacks WHERE created_at < $1 AND state >= 3 ORDER BY created_at LIMIT $2",
        &params![before, SWEPT],
        |row| row.get::<i64>(0),
    )?;
    let rows: Vec<_> = old.iter().map(|id| Vec::from(params![*id])).collect();
    tx.execute_many("DELETE FROM callback_attempts WHERE callback = $1", &rows)?;
    tx.execute_many("DELETE FROM callbacks WHERE id = $1", &rows)?;
    tx.execute(
        "DELETE FROM webhooks WHERE own = TRUE AND (last_success IS NULL OR last_success < $1)
         AND (last_failure IS NULL OR last_failure < $1) AND (last_success IS NOT NULL OR last_failure IS NOT NULL)
         AND NOT EXISTS (SELECT 1 FROM callbacks c WHERE c.webhook = webhooks.id)",
        &params![before],
    )?;
    Ok(old.len() as u64)
}

/// Which rows of `callbacks` a scope may see: those of a workspace, or all.
pub(crate) fn place(scope: Scope) -> Option<String> {
    match scope {
        Scope::Organisation => None,
        Scope::Workspace(workspace) => Some(workspace.to_string()),
    }
}
