//! What people see: webhooks with their health, callbacks with their tries. No secret, no address of a message's own, and
//! nothing that a callback says.

use std::fmt::Write as _;

use access::Scope;
use base::{Page, PageRequest, Timestamp, WebhookId};
use store::{Row, Tx, Value, params};
use vault::Vault;

use crate::types::{Attempt, Callback, CallbackState, Details, Filter, Listed};
use crate::{COUNTED, Error, queue, rows};

/// Tries of one callback that are shown at most.
const ATTEMPTS: i64 = 500;

const LISTED: &str = "(SELECT COUNT(*) FROM (SELECT 1 AS one FROM callbacks c WHERE c.webhook = w.id AND c.state < 3 LIMIT 1000) a) AS waiting,
    (SELECT COUNT(*) FROM (SELECT 1 AS one FROM callbacks c WHERE c.webhook = w.id AND c.state = 4 LIMIT 1000) b) AS given_up,
    (SELECT MAX(s.created) FROM webhook_secrets s WHERE s.webhook = w.id AND s.expires IS NULL) AS secret_since,
    (SELECT MAX(s.expires) FROM webhook_secrets s WHERE s.webhook = w.id AND s.expires IS NOT NULL) AS old_until";

fn listed(row: &Row<'_>) -> Result<Listed, store::Error> {
    let count = |name: &str| Ok::<_, store::Error>(u64::try_from(row.get::<i64>(name)?).unwrap_or(COUNTED));
    Ok(Listed {
        webhook: rows::read(row)?.shown,
        waiting: count("waiting")?,
        given_up: count("given_up")?,
        secret_since: row.get("secret_since")?,
        old_secret_until: row.get("old_until")?,
    })
}

/// Whose webhooks a scope sees: its own and the account's; the account's alone.
fn place(scope: Scope) -> String {
    queue::place(scope).unwrap_or_default()
}

pub(crate) fn list(tx: &mut Tx<'_>, scope: Scope) -> Result<Vec<Listed>, Error> {
    let sql = format!(
        "SELECT {columns}, {LISTED} FROM webhooks w WHERE w.workspace IN ($1, '') AND w.removed = FALSE
         ORDER BY w.own, w.workspace DESC, w.name, w.id LIMIT 1000",
        columns = rows::COLUMNS
    );
    let now = tx.now();
    let found = tx.query(&sql, &params![place(scope)], listed)?;
    Ok(found.into_iter().map(|one| current(one, now)).collect())
}

/// An old secret that has retired is none.
fn current(mut listed: Listed, now: Timestamp) -> Listed {
    listed.old_secret_until = listed.old_secret_until.filter(|until| *until > now);
    listed
}

pub(crate) fn get(tx: &mut Tx<'_>, scope: Scope, id: WebhookId) -> Result<Option<Listed>, Error> {
    let sql = format!(
        "SELECT {columns}, {LISTED} FROM webhooks w WHERE w.id = $2 AND w.workspace IN ($1, '') AND w.removed = FALSE",
        columns = rows::COLUMNS
    );
    let now = tx.now();
    Ok(tx.query_opt(&sql, &params![place(scope), id], listed)?.map(|one| current(one, now)))
}

const COLUMNS: &str = "c.id, c.uid, c.webhook, w.name AS webhook_name, c.event, c.subject, c.state, c.created_at, c.due_at, \
    c.give_up_at, c.done_at, c.attempts, c.status, c.error";

fn callback_of(row: &Row<'_>) -> Result<Callback, store::Error> {
    Ok(Callback {
        id: row.get("id")?,
        uid: row.get("uid")?,
        webhook: row.get("webhook")?,
        webhook_name: row.get("webhook_name")?,
        event: row.get("event")?,
        subject: row.get("subject")?,
        state: CallbackState::from_code(row.get("state")?),
        created_at: row.get("created_at")?,
        due_at: row.get("due_at")?,
        give_up_at: row.get("give_up_at")?,
        done_at: row.get("done_at")?,
        attempts: u32::try_from(row.get::<i64>("attempts")?).unwrap_or(u32::MAX),
        status: row.get::<Option<i64>>("status")?.and_then(|status| u16::try_from(status).ok()),
        error: row.get("error")?,
    })
}

pub(crate) fn callbacks(
    tx: &mut Tx<'_>,
    scope: Scope,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Callback>, Error> {
    let below = match &page.after {
        None => i64::MAX,
        Some(cursor) => cursor.0.parse().map_err(|_| Error::Cursor)?,
    };
    let mut values: Vec<Value<'_>> = Vec::from(params![below, i64::from(page.limit()) + 1]);
    let mut wheres = String::from("c.id < $1");
    let mut also = |column: &str, value: Value<'static>| {
        values.push(value);
        let _ = write!(wheres, " AND {column} = ${}", values.len());
    };
    if let Some(place) = queue::place(scope) {
        also("c.workspace", place.into());
    }
    if let Some(webhook) = filter.webhook {
        also("c.webhook", webhook.into());
    }
    if let Some(subject) = filter.subject.clone() {
        also("c.subject", subject.into());
    }
    // Literally, so that the index of those that were given up counts.
    if let Some(state) = filter.state {
        let _ = write!(wheres, " AND c.state = {}", state.code());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM callbacks c JOIN webhooks w ON w.id = c.webhook WHERE {wheres} ORDER BY c.id DESC LIMIT $2"
    );
    let found = tx.query(&sql, &values, callback_of)?;
    Ok(Page::from_overread(found, page, |callback| callback.id.to_string()))
}

pub(crate) fn about(tx: &mut Tx<'_>, scope: Scope, subject: &str) -> Result<Vec<Callback>, Error> {
    let (place, anywhere) = (queue::place(scope), queue::place(scope).is_none());
    let sql = format!(
        "SELECT {COLUMNS} FROM callbacks c JOIN webhooks w ON w.id = c.webhook
         WHERE c.subject = $1 AND ($3 OR c.workspace = $2) ORDER BY c.id LIMIT 100"
    );
    Ok(tx.query(&sql, &params![subject, place.unwrap_or_default(), anywhere], callback_of)?)
}

pub(crate) fn callback(tx: &mut Tx<'_>, vault: &Vault, scope: Scope, id: i64) -> Result<Option<Details>, Error> {
    let (place, anywhere) = (queue::place(scope), queue::place(scope).is_none());
    let sql = format!(
        "SELECT {COLUMNS}, c.workspace, c.body FROM callbacks c JOIN webhooks w ON w.id = c.webhook
         WHERE c.id = $1 AND ($3 OR c.workspace = $2)"
    );
    let found = tx.query_opt(&sql, &params![id, place.unwrap_or_default(), anywhere], |row| {
        Ok((callback_of(row)?, row.get::<String>("workspace")?, row.get::<String>("body")?))
    })?;
    let Some((callback, workspace, body)) = found else { return Ok(None) };
    let content = queue::content(tx, vault, workspace.parse().ok(), &callback.uid, None, &body)?;
    let attempts = tx.query(
        "SELECT number, at, duration_ms, status, error, beginning FROM callback_attempts WHERE callback = $1 ORDER BY number LIMIT $2",
        &params![id, ATTEMPTS],
        |row| {
            Ok(Attempt {
                number: u32::try_from(row.get::<i64>("number")?).unwrap_or(u32::MAX),
                at: row.get("at")?,
                duration_ms: u64::try_from(row.get::<i64>("duration_ms")?).unwrap_or(0),
                status: row.get::<Option<i64>>("status")?.and_then(|status| u16::try_from(status).ok()),
                error: row.get("error")?,
                beginning: row.get("beginning")?,
            })
        },
    )?;
    let webhook = rows::find(tx, callback.webhook, false)?.map(|stored| stored.shown);
    let last = attempts.last().map_or(callback.created_at, |attempt| attempt.at);
    let headers = headers(
        &callback.uid,
        last,
        webhook
            .as_ref()
            .is_some_and(|webhook| !webhook.own && (webhook.has_authorization || webhook.token_url.is_some())),
    );
    let size = content.map_or(0, |(_, body)| body.len() as u64);
    Ok(Some(Details { callback, attempts, headers, size }))
}

/// The headers of a callback as they may be shown.
fn headers(uid: &str, at: Timestamp, proven: bool) -> Vec<(String, String)> {
    let mut headers = vec![
        ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
        ("webhook-id".to_owned(), uid.to_owned()),
        ("webhook-timestamp".to_owned(), (at.as_micros() / 1_000_000).to_string()),
        ("webhook-signature".to_owned(), "v1,•••".to_owned()),
    ];
    if proven {
        headers.push(("authorization".to_owned(), "•••".to_owned()));
    }
    headers
}
