//! Messages that came in one request, as one thing: how far they are, and taking back those that still wait.

use std::collections::BTreeMap;

use access::{Permit, cap};
use base::{BatchId, Cursor, Page, PageRequest, Timestamp};
use store::{Row, Tx, params};

use crate::deliveries::{Tell, tell_many};
use crate::engine::Engine;
use crate::settle_store::Touched;
use crate::state::Event;
use crate::{Error, State, news};

/// Characters of a caller's own id of a batch.
const MOST_CLIENT_REF: usize = 50;
/// Rejected messages of one batch of which the reasons are kept; the number of all of them is known beside.
pub const KEPT_REJECTIONS: usize = 100;
/// Characters of a reason that are kept.
const MOST_REASON: usize = 300;
/// Messages taken back in one transaction.
const BATCH: i64 = 500;

/// A batch that messages are added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBatch {
    /// Its id.
    pub id: BatchId,
    pub(crate) number: i64,
}

/// A batch as lists show it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// The caller's own id of it.
    pub client_ref: Option<String>,
    /// Who sent it, as kind and id.
    pub submitter: String,
    /// When it came.
    pub created_at: Timestamp,
    /// How many messages the request held.
    pub items: u32,
    /// How many were accepted; `None` while it is under way, or when the server stopped in it.
    pub accepted: Option<u32>,
    /// How many were rejected; `None` likewise.
    pub rejected: Option<u32>,
    /// When what still waited of it was taken back.
    pub cancelled_at: Option<Timestamp>,
}

/// A message of a batch that was rejected at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its place in the request, from 0.
    pub index: u32,
    /// Why, as a word for programs.
    pub code: String,
    /// The field that was wrong, when it was one.
    pub field: Option<String>,
    /// Why, in a sentence that names no number and no text.
    pub reason: String,
}

/// A batch with where its messages stand.
#[derive(Clone, Debug)]
pub struct BatchDetails {
    /// The batch.
    pub batch: Batch,
    /// How many of its messages are in each state.
    pub states: BTreeMap<State, u32>,
    /// What was rejected, in the order of the request; of many the first [`KEPT_REJECTIONS`].
    pub rejections: Vec<Rejection>,
}

const COLUMNS: &str = "number, uid, client_ref, submitter, created_at, items, accepted, rejected, cancelled_at";

fn read(row: &Row<'_>) -> Result<(i64, Batch), store::Error> {
    let batch = Batch {
        id: row.get("uid")?,
        client_ref: row.get("client_ref")?,
        submitter: row.get("submitter")?,
        created_at: row.get("created_at")?,
        items: row.get("items")?,
        accepted: row.get("accepted")?,
        rejected: row.get("rejected")?,
        cancelled_at: row.get("cancelled_at")?,
    };
    Ok((row.get("number")?, batch))
}

/// Notes that a request with `items` messages came.
pub(crate) fn begin(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesSend>,
    client_ref: Option<&str>,
    items: usize,
) -> Result<OpenBatch, Error> {
    if client_ref.is_some_and(|text| text.chars().count() > MOST_CLIENT_REF) {
        return Err(Error::TooLong { field: "clientBatchId", most: MOST_CLIENT_REF });
    }
    let id: BatchId = tx.context().id();
    let number = tx.next_number("messaging.batches")?;
    let now = tx.now();
    tx.execute(
        "INSERT INTO message_batches (number, uid, workspace, client_ref, submitter, created_at, items)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &params![
            number,
            id,
            permit.workspace(),
            client_ref,
            permit.actor().principal.key(),
            now,
            i64::try_from(items).unwrap_or(i64::MAX)
        ],
    )?;
    Ok(OpenBatch { id, number })
}

/// Notes what became of the request.
pub(crate) fn end(
    tx: &mut Tx<'_>,
    batch: OpenBatch,
    (accepted, rejected): (u32, u32),
    rejections: &[Rejection],
) -> Result<(), Error> {
    let rows: Vec<_> = rejections
        .iter()
        .take(KEPT_REJECTIONS)
        .map(|one| {
            let reason: String = one.reason.chars().take(MOST_REASON).collect();
            Vec::from(params![batch.number, one.index, &one.code, one.field.as_deref(), reason])
        })
        .collect();
    if !rows.is_empty() {
        let sql =
            "INSERT INTO message_batch_rejections (batch, place, code, field, reason) VALUES ($1, $2, $3, $4, $5)";
        tx.execute_many(sql, &rows)?;
    }
    tx.execute(
        "UPDATE message_batches SET accepted = $2, rejected = $3 WHERE number = $1",
        &params![batch.number, accepted, rejected],
    )?;
    Ok(())
}

/// The number of a batch of this workspace.
pub(crate) fn number(tx: &mut Tx<'_>, workspace: base::WorkspaceId, id: BatchId) -> Result<Option<i64>, store::Error> {
    tx.query_opt(
        "SELECT number FROM message_batches WHERE uid = $1 AND workspace = $2",
        &params![id, workspace],
        |row| row.get(0),
    )
}

/// Ids of batches by their numbers, with their callers' own ids.
pub(crate) fn names(
    tx: &mut Tx<'_>,
    numbers: &[i64],
) -> Result<BTreeMap<i64, (BatchId, Option<String>)>, store::Error> {
    if numbers.is_empty() {
        return Ok(BTreeMap::new());
    }
    // Our own numbers, written out.
    let list: Vec<_> = numbers.iter().map(i64::to_string).collect();
    let sql = format!("SELECT number, uid, client_ref FROM message_batches WHERE number IN ({})", list.join(", "));
    let found = tx.query(&sql, &params![], |row| Ok((row.get::<i64>(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(found.into_iter().collect())
}

/// Batches of the workspace, the newest first.
pub(crate) fn list(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesRead>,
    client_ref: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Batch>, Error> {
    let before = match &page.after {
        Some(Cursor(text)) => text.parse::<i64>().map_err(|_| Error::Cursor)?,
        None => i64::MAX,
    };
    let mut values = Vec::from(params![permit.workspace(), before, i64::from(page.limit()) + 1]);
    let named = match client_ref {
        Some(client_ref) => {
            values.push(client_ref.into());
            " AND client_ref = $4"
        }
        None => "",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM message_batches WHERE workspace = $1 AND number < $2{named} ORDER BY number DESC LIMIT $3"
    );
    let rows = tx.query(&sql, &values, read)?;
    let page = Page::from_overread(rows, page, |(number, _)| number.to_string());
    Ok(Page { items: page.items.into_iter().map(|(_, batch)| batch).collect(), next: page.next })
}

/// One batch with its messages counted.
pub(crate) fn get(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesRead>,
    id: BatchId,
) -> Result<Option<BatchDetails>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM message_batches WHERE uid = $1 AND workspace = $2");
    let Some((number, batch)) = tx.query_opt(&sql, &params![id, permit.workspace()], read)? else { return Ok(None) };
    let counted =
        tx.query("SELECT state, COUNT(*) FROM messages WHERE batch = $1 GROUP BY state", &params![number], |row| {
            Ok((row.get::<i64>(0)?, row.get::<u32>(1)?))
        })?;
    let states = counted
        .into_iter()
        .map(|(code, count)| Ok((State::from_code(code).ok_or(Error::Corrupt("state"))?, count)))
        .collect::<Result<_, Error>>()?;
    let rejections = tx.query(
        "SELECT place, code, field, reason FROM message_batch_rejections WHERE batch = $1 ORDER BY place",
        &params![number],
        |row| {
            let (index, code) = (row.get("place")?, row.get("code")?);
            Ok(Rejection { index, code, field: row.get("field")?, reason: row.get("reason")? })
        },
    )?;
    Ok(Some(BatchDetails { batch, states, rejections }))
}

/// Takes back what still waits of a batch, in pieces so that nothing else waits long; how many were. Audited once.
pub(crate) async fn cancel(engine: &Engine, permit: &Permit<cap::MessagesSend>, id: BatchId) -> Result<u32, Error> {
    let workspace = permit.workspace();
    let found = engine.db.read(move |tx| number(tx, workspace, id)).await?;
    let number = found.ok_or(Error::NoSuchBatch)?;
    let (mut after, mut total) = (0, 0_u32);
    loop {
        let permit = permit.clone();
        let (seen, cancelled, last) = engine.db.write_bulk(move |tx| piece(tx, &permit, number, after)).await?;
        total += cancelled;
        if i64::from(seen) < BATCH {
            break;
        }
        after = last;
    }
    let permit = permit.clone();
    engine
        .db
        .write(move |tx| {
            let now = tx.now();
            tx.execute(
                "UPDATE message_batches SET cancelled_at = COALESCE(cancelled_at, $2) WHERE number = $1",
                &params![number, now],
            )?;
            let target = id.to_string();
            let reason = format!("{total} messages that still waited");
            audit::record(
                tx,
                audit::Entry {
                    actor: permit.actor(),
                    workspace: Some(permit.workspace()),
                    action: "batch.cancel",
                    target: ("batch", &target),
                    outcome: audit::Outcome::Success,
                    reason: Some(&reason),
                    changes: None,
                },
            )?;
            Ok::<_, Error>(())
        })
        .await?;
    engine.told.send_modify(|turn| *turn += 1);
    Ok(total)
}

/// One piece: how many waiting ones it saw, how many it took back, and the last row.
fn piece(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesSend>,
    number: i64,
    after: i64,
) -> Result<(u32, u32, i64), Error> {
    let state = State::Queued.after(Event::Cancel).map_err(|refusal| Error::NotCancellable(refusal.state))?;
    let now = tx.now();
    // Those that another transaction is claiming right now are on their way.
    let sql = format!(
        "SELECT id, parts, tell FROM messages WHERE batch = $1 AND id > $2 AND state = 0 ORDER BY id LIMIT {BATCH}{}",
        tx.dialect().skip_locked()
    );
    let rows = tx.query(&sql, &params![number, after], |row| {
        Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, Tell::from_code(row.get(2)?)))
    })?;
    let (seen, last) = (rows.len(), rows.last().map_or(after, |(row, ..)| *row));
    let reason = format!("its batch was cancelled by {}", permit.actor().principal.key());
    let (mut ended, mut listened) = (Vec::with_capacity(seen), Vec::new());
    for (row, parts, tell) in rows {
        if parts == 1 || !crate::cancel::has_begun(tx, row)? {
            ended.push((row, state, now));
            if tell == Tell::Each {
                listened.push((row, state, now));
            }
        }
    }
    let changes: Vec<_> =
        ended.iter().map(|(row, state, at)| Vec::from(params![*row, state.code(), &reason, *at])).collect();
    tx.execute_many("UPDATE messages SET state = $2, reason = $3, done_at = $4 WHERE id = $1 AND state = 0", &changes)?;
    tell_many(tx, &ended)?;
    news::changed_many(tx, &listened)?;
    let mut touched = Touched::default();
    if !ended.is_empty() {
        touched.message(permit.workspace(), None);
    }
    touched.announce(tx);
    Ok((u32::try_from(seen).unwrap_or(u32::MAX), u32::try_from(ended.len()).unwrap_or(u32::MAX), last))
}
