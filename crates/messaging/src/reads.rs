//! What people may see of messages: lists, one message with its history, its content, charts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use access::{Authority, Permit, Scope, cap};
use base::{BatchId, Cursor, InboundId, MessageId, Page, PageRequest, Timestamp, mask_phone};
use routing::Class;
use store::{Row, Tx, Value, params};
use uuid::Uuid;

use crate::engine::Engine;
use crate::inbound::open;
use crate::model::{
    BatchRef, Content, Details, Filter, InboundMessage, InboundSummary, Minute, Note, OriginRef, PartDetails,
    ReceiptDetails, Summary,
};
use crate::numbers::segment;
use crate::octets::{Body, encoding};
use crate::probe::newest_row;
use crate::{Error, State, batches, history};

/// Rows looked at for one page when a filter drops most of them; the page then says where to go on.
const SCANNED: i64 = 20_000;
/// Segments searched for a number or a sender's id.
const SEGMENTS: i64 = 20_000;
/// Rows that other processes may have taken at the same time.
const SIDE_BY_SIDE: i64 = 16 * crate::numbers::SEGMENT;

const COLUMNS: &str = "id, umid, workspace, state, class, carrier, sender, destination, parts, encoding, created_at, due_at, \
     expires_at, submitted_at, receipt_at, receipt_time, done_at, reason, routed, error, attempts, throttled, unknown_outcomes, origin_kind, \
     origin_id, client_ref, submitter, carrier_ref, receipt, batch";

/// What stands in place of a number that was erased.
pub const ERASED: &str = "erased";

/// The country of a number in digits.
fn country(digits: &str) -> Option<String> {
    sms::Country::of_digits(digits.trim_start_matches('+')).map(|country| country.as_str().to_owned())
}

/// A row with what only this file shows.
struct Read {
    row: i64,
    summary: Summary,
    destination: String,
    routed: Option<String>,
    carrier_ref: Option<String>,
    receipt: Option<ReceiptDetails>,
    batch: Option<i64>,
}

fn read(row: &Row<'_>) -> Result<Read, store::Error> {
    let origin = row.get::<Option<String>>("origin_kind")?.zip(row.get::<Option<Uuid>>("origin_id")?);
    let error: Option<String> = row.get("error")?;
    let state = State::from_code(row.get("state")?)
        .ok_or_else(|| store::Error::Decode { column: "state".to_owned(), expected: "a state" })?;
    Ok(Read {
        row: row.get("id")?,
        destination: row.get("destination")?,
        routed: row.get("routed")?,
        carrier_ref: row.get("carrier_ref")?,
        receipt: receipt(row, error.clone())?,
        batch: row.get("batch")?,
        summary: Summary {
            id: row.get("umid")?,
            workspace: row.get("workspace")?,
            state,
            class: Class::from_code(row.get("class")?),
            carrier: row.get("carrier")?,
            sender: row.get("sender")?,
            to: String::new(),
            country: None,
            parts: row.get("parts")?,
            encoding: encoding(row.get("encoding")?),
            created_at: row.get("created_at")?,
            due_at: row.get("due_at")?,
            expires_at: row.get("expires_at")?,
            submitted_at: row.get("submitted_at")?,
            done_at: row.get("done_at")?,
            reason: row.get("reason")?,
            error,
            attempts: row.get("attempts")?,
            throttled: row.get("throttled")?,
            unknown_outcomes: row.get("unknown_outcomes")?,
            origin: origin.map(|(kind, id)| OriginRef { kind, id }),
            client_ref: row.get("client_ref")?,
            submitter: row.get("submitter")?,
            batch: None,
        },
    })
}

/// The receipt in a row of a message or a part.
fn receipt(row: &Row<'_>, error: Option<String>) -> Result<Option<ReceiptDetails>, store::Error> {
    let (stat, at) = (row.get::<Option<String>>("receipt")?, row.get::<Option<Timestamp>>("receipt_at")?);
    let carrier_time = row.get("receipt_time")?;
    Ok(stat.zip(at).map(|(stat, at)| ReceiptDetails { stat, error, at, carrier_time }))
}

impl Read {
    /// With the name of its batch.
    fn named(mut self, names: &BTreeMap<i64, (BatchId, Option<String>)>) -> Self {
        self.summary.batch = self
            .batch
            .and_then(|number| names.get(&number))
            .map(|(id, client_ref)| BatchRef { id: *id, client_ref: client_ref.clone() });
        self
    }

    /// Fills in the masked number. A number whose key is gone shows as gone; the rest of the row stays readable.
    fn masked(mut self, tx: &mut Tx<'_>, engine: &Engine) -> Result<Self, Error> {
        if self.destination.is_empty() {
            ERASED.clone_into(&mut self.summary.to);
            return Ok(self);
        }
        let id = self.summary.id.to_string();
        self.summary.to =
            match open(tx, engine, Some(self.summary.workspace), "messages", "destination", &id, &self.destination) {
                Ok(number) => {
                    let number = String::from_utf8_lossy(&number);
                    self.summary.country = country(&number);
                    mask_phone(&number)
                }
                Err(Error::Vault(vault::Error::Store(cause))) => return Err(cause.into()),
                Err(_) => "gone".to_owned(),
            };
        Ok(self)
    }
}

/// Messages of a workspace, newest first.
pub(crate) fn list(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessagesRead>,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Summary>, Error> {
    let before = match &page.after {
        Some(Cursor(text)) => text.parse::<i64>().map_err(|_| Error::Cursor)?,
        None => i64::MAX,
    };
    // Row numbers rise with time but for processes that took their blocks side by side: the search finds about where, the
    // time says exactly.
    let before = match filter.until {
        Some(until) => before.min(row_at(tx, permit.workspace(), until)?.saturating_add(SIDE_BY_SIDE)),
        None => before,
    };
    let lowest = match filter.since {
        Some(since) => row_at(tx, permit.workspace(), since)?.saturating_sub(SIDE_BY_SIDE),
        None => 0,
    };
    let of_batch = match filter.batch {
        Some(id) => match batches::number(tx, permit.workspace(), id)? {
            Some(number) => Some(number),
            None => return Ok(Page { items: Vec::new(), next: None }),
        },
        None => None,
    };
    let filter = &Narrowed { filter, of_batch };
    let (rows, next) = match (&filter.to, &filter.client_ref) {
        (Some(number), _) => {
            let blinds: Vec<_> = engine
                .vault
                .index_keys(tx, Some(permit.workspace()))?
                .into_iter()
                .map(|(_, key)| Value::from(key.index(number.digits())))
                .collect();
            by_segment(tx, permit, filter, "blind", &blinds, before, page.limit())?
        }
        (None, Some(client_ref)) => {
            by_segment(tx, permit, filter, "client_ref", &[client_ref.into()], before, page.limit())?
        }
        (None, None) => by_time(tx, permit, filter, before, page.limit())?,
    };
    let next = next.filter(|row| *row > lowest);
    let mut numbers: Vec<i64> = rows.iter().filter_map(|row| row.batch).collect();
    numbers.dedup();
    let names = batches::names(tx, &numbers)?;
    let items = rows.into_iter().map(|row| Ok(row.named(&names).masked(tx, engine)?.summary));
    let items = items.collect::<Result<Vec<_>, Error>>()?;
    Ok(Page { items, next: next.map(|row| Cursor(row.to_string())) })
}

/// A filter whose batch was found.
struct Narrowed<'a> {
    filter: &'a Filter,
    of_batch: Option<i64>,
}

impl std::ops::Deref for Narrowed<'_> {
    type Target = Filter;

    fn deref(&self) -> &Filter {
        self.filter
    }
}

/// The conditions of a filter, and their values from `$from` on. States and classes are our own numbers and are written
/// out.
fn conditions<'a>(filter: &'a Narrowed<'_>, values: &mut Vec<Value<'a>>) -> String {
    let mut sql = String::new();
    let mut and = |text: &str, value: Option<Value<'a>>| {
        sql.push_str(" AND ");
        sql.push_str(text);
        if let Some(value) = value {
            values.push(value);
            // Writing to a string cannot fail.
            let _ = write!(sql, " ${}", values.len());
        }
    };
    if !filter.states.is_empty() {
        let codes: Vec<_> = filter.states.iter().map(|state| state.code().to_string()).collect();
        and(&format!("state IN ({})", codes.join(", ")), None);
    }
    if let Some(class) = filter.class {
        and(&format!("class = {}", class.code()), None);
    }
    if let Some(carrier) = &filter.carrier {
        and("carrier =", Some(carrier.into()));
    }
    if let Some(origin) = &filter.origin {
        and("origin_id =", Some(origin.id.into()));
        and("origin_kind =", Some((&origin.kind).into()));
    }
    if let Some(number) = filter.of_batch {
        and("batch =", Some(number.into()));
    }
    if let Some(since) = filter.since {
        and("created_at >=", Some(since.into()));
    }
    if let Some(until) = filter.until {
        and("created_at <", Some(until.into()));
    }
    sql
}

type Rows = (Vec<Read>, Option<i64>);

fn by_time(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesRead>,
    filter: &Narrowed<'_>,
    before: i64,
    limit: u32,
) -> Result<Rows, Error> {
    let mut values = Vec::from(params![permit.workspace(), before, i64::from(limit) + 1]);
    let conditions = conditions(filter, &mut values);
    if filter.states == [State::Unknown] && filter.of_batch.is_none() {
        // They have an index of their own, which SQLite uses only where the state stands by itself.
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE state = 3 AND workspace = $1 AND id < $2{conditions} ORDER BY id DESC LIMIT $3"
        );
        return Ok(cut(tx.query(&sql, &values, read)?, limit));
    }
    if filter.origin.is_some() || filter.of_batch.is_some() || conditions.is_empty() {
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE workspace = $1 AND id < $2{conditions} ORDER BY id DESC LIMIT $3"
        );
        return Ok(cut(tx.query(&sql, &values, read)?, limit));
    }
    // A filter that drops most rows must not make one read long: it looks at a bounded stretch.
    let window = format!("SELECT * FROM messages WHERE workspace = $1 AND id < $2 ORDER BY id DESC LIMIT {SCANNED}");
    let sql = format!("SELECT {COLUMNS} FROM ({window}) AS stretch WHERE id > 0{conditions} ORDER BY id DESC LIMIT $3");
    let (rows, next) = cut(tx.query(&sql, &values, read)?, limit);
    if next.is_some() {
        return Ok((rows, next));
    }
    let bounds = format!(
        "SELECT COUNT(*), MIN(id) FROM (SELECT id FROM messages WHERE workspace = $1 AND id < $2 ORDER BY id DESC LIMIT {SCANNED}) AS stretch"
    );
    let (seen, lowest) = tx.query_one(&bounds, &params![permit.workspace(), before], |row| {
        Ok((row.get::<i64>(0)?, row.get::<Option<i64>>(1)?))
    })?;
    Ok((rows, lowest.filter(|_| seen == SCANNED)))
}

/// The lowest row of a workspace from which on all were accepted at `at` or later: found by halving, because an index
/// over times would cost each message something.
fn row_at(tx: &mut Tx<'_>, workspace: base::WorkspaceId, at: Timestamp) -> Result<i64, Error> {
    let sql = "SELECT id, created_at FROM messages WHERE workspace = $1 AND id >= $2 ORDER BY id LIMIT 1";
    let (mut low, mut high) = (0, newest_row(tx)?.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let found =
            tx.query_opt(sql, &params![workspace, middle], |row| Ok((row.get::<i64>(0)?, row.get::<Timestamp>(1)?)))?;
        match found {
            Some((row, created)) if created < at => low = row + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Messages by a column whose index is led by the segment: each segment is probed, the newest first.
fn by_segment(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesRead>,
    filter: &Narrowed<'_>,
    column: &str,
    sought: &[Value<'_>],
    before: i64,
    limit: u32,
) -> Result<Rows, Error> {
    let newest = segment(newest_row(tx)?.min(before));
    let mut values =
        Vec::from(params![newest, (newest - SEGMENTS).max(0), permit.workspace(), before, i64::from(limit) + 1]);
    let conditions = conditions(filter, &mut values);
    let mut rows = Vec::new();
    for one in sought {
        let mut values = values.clone();
        values.push(one.clone());
        let sql = format!(
            "WITH RECURSIVE s(n) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT n - 1 FROM s WHERE n > $2)
             SELECT {COLUMNS} FROM (SELECT m.* FROM s CROSS JOIN messages m WHERE m.segment = s.n AND m.{column} = ${}) AS found
             WHERE workspace = $3 AND id < $4{conditions} ORDER BY id DESC LIMIT $5",
            values.len()
        );
        rows.extend(tx.query(&sql, &values, read)?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.row));
    Ok(cut(rows, limit))
}

fn cut(mut rows: Vec<Read>, limit: u32) -> Rows {
    let limit = limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|row| row.row).filter(|_| more);
    (rows, next)
}

fn one(tx: &mut Tx<'_>, permit_workspace: base::WorkspaceId, id: MessageId) -> Result<Option<Read>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE umid = $1 AND workspace = $2");
    Ok(tx.query_opt(&sql, &params![id, permit_workspace], read)?)
}

/// One message with everything but its content.
pub(crate) fn get(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessagesRead>,
    id: MessageId,
) -> Result<Option<Details>, Error> {
    let Some(found) = one(tx, permit.workspace(), id)? else { return Ok(None) };
    let names = batches::names(tx, &found.batch.into_iter().collect::<Vec<_>>())?;
    let found = found.named(&names).masked(tx, engine)?;
    let notes = tx.query(
        "SELECT at, kind, part, note FROM message_notes WHERE message = $1 ORDER BY id",
        &params![found.row],
        |row| Ok(Note { at: row.get("at")?, kind: row.get("kind")?, part: row.get("part")?, text: row.get("note")? }),
    )?;
    let summary = found.summary;
    let parts = if summary.parts > 1 {
        parts(tx, found.row)?
    } else if summary.attempts > 0 || summary.unknown_outcomes > 0 {
        vec![PartDetails {
            part: 1,
            state: summary.state,
            carrier: summary.carrier.clone(),
            carrier_ref: found.carrier_ref,
            submitted_at: summary.submitted_at,
            receipt: found.receipt,
            unknown_outcome: summary.unknown_outcomes > 0,
        }]
    } else {
        Vec::new()
    };
    let history = history::tell(&summary, found.routed.as_deref(), &parts, &notes);
    Ok(Some(Details { summary, parts, notes, history }))
}

fn parts(tx: &mut Tx<'_>, row: i64) -> Result<Vec<PartDetails>, Error> {
    let parts = tx.query(
        "SELECT part, state, carrier, carrier_ref, submitted_at, receipt, receipt_at, receipt_time, error, unknown_outcome FROM message_parts
         WHERE message = $1 ORDER BY part",
        &params![row],
        |row| {
            let error = row.get("error")?;
            let part = PartDetails {
                part: row.get("part")?,
                state: State::Queued,
                carrier: row.get("carrier")?,
                carrier_ref: row.get("carrier_ref")?,
                submitted_at: row.get("submitted_at")?,
                receipt: receipt(row, error)?,
                unknown_outcome: row.get("unknown_outcome")?,
            };
            Ok((part, row.get::<i64>("state")?))
        },
    )?;
    let with_state =
        |(part, code)| Ok(PartDetails { state: State::from_code(code).ok_or(Error::Corrupt("state"))?, ..part });
    parts.into_iter().map(with_state).collect()
}

/// The id of a message by its number.
pub(crate) fn by_number(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesRead>,
    number: i64,
) -> Result<Option<MessageId>, Error> {
    let sql = "SELECT umid FROM messages WHERE id = $1 AND workspace = $2";
    Ok(tx.query_opt(sql, &params![number, permit.workspace()], |row| row.get(0))?)
}

/// Number and text of a message.
pub(crate) fn content(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessageContentRead>,
    id: MessageId,
) -> Result<Option<Content>, Error> {
    let sql = "SELECT destination, body, encoding FROM messages WHERE umid = $1 AND workspace = $2";
    let found = tx.query_opt(sql, &params![id, permit.workspace()], |row| {
        Ok((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<i64>(2)?))
    })?;
    let Some((destination, body, code)) = found else { return Ok(None) };
    if destination.is_empty() {
        return Err(Error::Erased);
    }
    let (workspace, uid) = (Some(permit.workspace()), id.to_string());
    let number = open(tx, engine, workspace, "messages", "destination", &uid, &destination)?;
    let body = open(tx, engine, workspace, "messages", "body", &uid, &body)?;
    let body = Body::opened(code, body).ok_or(Error::Corrupt("body"))?;
    let number = String::from_utf8(number).map_err(|_| Error::Corrupt("destination"))?;
    // Restricted data: whoever reads it is on record before it is shown (E-11).
    audit::record(
        tx,
        audit::Entry {
            actor: permit.actor(),
            workspace: Some(permit.workspace()),
            action: "message.content.read",
            target: ("message", &uid),
            outcome: audit::Outcome::Success,
            reason: Some("restricted: the text and the number it goes to"),
            changes: None,
        },
    )?;
    Ok(Some(Content {
        to: sms::Number::from_carrier(&number).map_err(|_| Error::Corrupt("destination"))?,
        text: body.text(),
    }))
}

/// The last hour, minute by minute, the oldest first, with zeros where nothing happened.
pub(crate) fn last_hour(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesRead>,
    now: Timestamp,
) -> Result<Vec<Minute>, Error> {
    const MINUTE: i64 = 60_000_000;
    let last = now.as_micros().div_euclid(MINUTE);
    let first = last - 59;
    let mut minutes: Vec<Minute> = (first..=last)
        .map(|minute| Minute { at: Timestamp::from_micros(minute * MINUTE), ..Minute::default() })
        .collect();
    let counted = tx.query(
        "SELECT minute, accepted, delivered, failed FROM message_minutes WHERE workspace = $1 AND minute >= $2 AND minute <= $3",
        &params![permit.workspace(), first, last],
        |row| Ok((row.get::<i64>(0)?, row.get::<u32>(1)?, row.get::<u32>(2)?, row.get::<u32>(3)?)),
    )?;
    for (minute, accepted, delivered, failed) in counted {
        if let Some(place) = usize::try_from(minute - first).ok().and_then(|place| minutes.get_mut(place)) {
            (place.accepted, place.delivered, place.failed) = (accepted, delivered, failed);
        }
    }
    Ok(minutes)
}

struct ReadInbound {
    row: i64,
    summary: InboundSummary,
    source: String,
    body: String,
}

const INBOUND_COLUMNS: &str =
    "id, uid, workspace, carrier, destination, parts, missing_parts, received_at, source, body";

fn read_inbound(row: &Row<'_>) -> Result<ReadInbound, store::Error> {
    Ok(ReadInbound {
        row: row.get("id")?,
        source: row.get("source")?,
        body: row.get("body")?,
        summary: InboundSummary {
            id: row.get("uid")?,
            workspace: row.get("workspace")?,
            carrier: row.get("carrier")?,
            from: String::new(),
            country: None,
            to: row.get("destination")?,
            parts: row.get("parts")?,
            missing_parts: row.get("missing_parts")?,
            at: row.get("received_at")?,
        },
    })
}

impl ReadInbound {
    /// With the masked number, or the word that it is erased or gone.
    fn masked(self, tx: &mut Tx<'_>, engine: &Engine) -> InboundSummary {
        if self.source.is_empty() {
            return InboundSummary { from: ERASED.to_owned(), ..self.summary };
        }
        match self.from(tx, engine) {
            Ok(from) => InboundSummary { country: country(&from), from: mask_phone(&from), ..self.summary },
            Err(_) => InboundSummary { from: "gone".to_owned(), ..self.summary },
        }
    }

    fn from(&self, tx: &mut Tx<'_>, engine: &Engine) -> Result<String, Error> {
        let uid = self.summary.id.to_string();
        let from = open(tx, engine, self.summary.workspace, "inbound_messages", "source", &uid, &self.source)?;
        String::from_utf8(from).map_err(|_| Error::Corrupt("source"))
    }
}

/// Messages from handsets, newest first: of the permit's workspace, or, for a permit of the organisation, those that
/// belong to none.
pub(crate) fn inbound_list(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &impl Authority<cap::MessagesRead>,
    page: &PageRequest,
) -> Result<Page<InboundSummary>, Error> {
    let before = match &page.after {
        Some(Cursor(text)) => text.parse::<i64>().map_err(|_| Error::Cursor)?,
        None => i64::MAX,
    };
    let mut values = Vec::from(params![before, i64::from(page.limit()) + 1]);
    let whose = match permit.scope() {
        Scope::Workspace(workspace) => {
            values.push(workspace.into());
            "workspace = $3"
        }
        Scope::Organisation => "workspace IS NULL",
    };
    let sql =
        format!("SELECT {INBOUND_COLUMNS} FROM inbound_messages WHERE {whose} AND id < $1 ORDER BY id DESC LIMIT $2");
    let rows = tx.query(&sql, &values, read_inbound)?;
    let page = Page::from_overread(rows, page, |row| row.row.to_string());
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(row.masked(tx, engine));
    }
    Ok(Page { items, next: page.next })
}

/// One message from a handset, opened. A permit of a workspace opens that workspace's, one of the organisation every one.
pub(crate) fn inbound(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &impl Authority<cap::MessageContentRead>,
    id: InboundId,
) -> Result<Option<InboundMessage>, Error> {
    let sql = format!("SELECT {INBOUND_COLUMNS} FROM inbound_messages WHERE uid = $1");
    let Some(found) = tx.query_opt(&sql, &params![id], read_inbound)? else { return Ok(None) };
    if let Scope::Workspace(workspace) = permit.scope()
        && found.summary.workspace != Some(workspace)
    {
        return Ok(None);
    }
    if found.source.is_empty() {
        return Err(Error::Erased);
    }
    let from = found.from(tx, engine)?;
    let uid = id.to_string();
    let text = open(tx, engine, found.summary.workspace, "inbound_messages", "body", &uid, &found.body)?;
    let text = String::from_utf8(text).map_err(|_| Error::Corrupt("body"))?;
    let summary = InboundSummary { from: mask_phone(&from), country: country(&from), ..found.summary };
    Ok(Some(InboundMessage { summary, from, text }))
}

/// The row from which on messages of a workspace may have been accepted at `at`.
pub(crate) fn about(tx: &mut Tx<'_>, workspace: base::WorkspaceId, at: Timestamp) -> Result<i64, Error> {
    Ok(row_at(tx, workspace, at)?.saturating_sub(SIDE_BY_SIDE).max(0) - 1)
}

/// The row behind which none was accepted before `at`.
pub(crate) fn ceiling(tx: &mut Tx<'_>, workspace: base::WorkspaceId, at: Timestamp) -> Result<i64, Error> {
    Ok(row_at(tx, workspace, at)?.saturating_add(SIDE_BY_SIDE))
}

/// Up to `limit` messages of a workspace behind a row, in order, each with its row; `None` for those to another number than the one
/// sought.
pub(crate) fn outbound_after(
    tx: &mut Tx<'_>,
    engine: &Engine,
    workspace: base::WorkspaceId,
    (after, limit): (i64, u32),
    sought: Option<&[Vec<u8>]>,
) -> Result<Vec<(i64, Option<Summary>)>, Error> {
    let sql = format!("SELECT {COLUMNS}, blind FROM messages WHERE workspace = $1 AND id > $2 ORDER BY id LIMIT $3");
    let rows =
        tx.query(&sql, &params![workspace, after, limit], |row| Ok((read(row)?, row.get::<Vec<u8>>("blind")?)))?;
    let mut numbers: Vec<i64> = rows.iter().filter_map(|(row, _)| row.batch).collect();
    numbers.dedup();
    let names = batches::names(tx, &numbers)?;
    rows.into_iter()
        .map(|(row, blind)| {
            let place = row.row;
            let other = sought.is_some_and(|sought| !sought.contains(&blind));
            Ok((place, if other { None } else { Some(row.named(&names).masked(tx, engine)?.summary) }))
        })
        .collect()
}

/// The same of messages from handsets.
pub(crate) fn inbound_after(
    tx: &mut Tx<'_>,
    engine: &Engine,
    workspace: base::WorkspaceId,
    (after, limit): (i64, u32),
    sought: Option<&[Vec<u8>]>,
) -> Result<Vec<(i64, Option<InboundSummary>)>, Error> {
    let sql = format!(
        "SELECT {INBOUND_COLUMNS}, blind FROM inbound_messages WHERE workspace = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    let rows = tx
        .query(&sql, &params![workspace, after, limit], |row| Ok((read_inbound(row)?, row.get::<Vec<u8>>("blind")?)))?;
    rows.into_iter()
        .map(|(row, blind)| {
            let place = row.row;
            let other = sought.is_some_and(|sought| !sought.contains(&blind));
            Ok((place, if other { None } else { Some(row.masked(tx, engine)) }))
        })
        .collect()
}

/// One message from a handset of the permit's workspace, as lists show it.
pub(crate) fn inbound_one(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessagesRead>,
    id: InboundId,
) -> Result<Option<InboundSummary>, Error> {
    let sql = format!("SELECT {INBOUND_COLUMNS} FROM inbound_messages WHERE uid = $1 AND workspace = $2");
    let found = tx.query_opt(&sql, &params![id, permit.workspace()], read_inbound)?;
    Ok(found.map(|found| found.masked(tx, engine)))
}
