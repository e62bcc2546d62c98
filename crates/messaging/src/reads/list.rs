//! Messages in lists, narrowed by filters: looked for along what rises, never through the whole table.

use std::fmt::Write as _;

use access::{Permit, cap};
use base::{Cursor, Page, PageRequest, Timestamp};
use store::{Tx, Value, params};

use super::{COLUMNS, Read, read};
use crate::engine::Engine;
use crate::model::{Filter, Summary};
use crate::numbers::segment;
use crate::probe::newest_row;
use crate::{Error, State, batches};

/// Rows looked at for one page when a filter drops most of them; the page then says where to go on.
const SCANNED: i64 = 20_000;
/// Segments searched for a number or a sender's id.
const SEGMENTS: i64 = 80_000;
/// Rows that other processes may have taken at the same time.
const SIDE_BY_SIDE: i64 = 64 * crate::numbers::SEGMENT;

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
        // They have an index of their own.
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE {} AND workspace = $1 AND id < $2{conditions} ORDER BY id DESC LIMIT $3",
            crate::indexes::unknown(tx.dialect())
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
