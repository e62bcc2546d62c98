//! Messages from handsets: in lists, and opened for those who may read them.

use access::{Authority, Permit, Scope, cap};
use base::{Cursor, InboundId, Page, PageRequest, mask_phone};
use store::{Row, Tx, params};

use super::{ERASED, country};
use crate::Error;
use crate::engine::Engine;
use crate::inbound::{coding, open};
use crate::model::{InboundMessage, InboundSummary};

struct ReadInbound {
    row: i64,
    summary: InboundSummary,
    source: String,
    body: String,
}

const INBOUND_COLUMNS: &str =
    "id, uid, workspace, carrier, destination, parts, missing_parts, received_at, coding, source, body";

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
            coding: coding(row.get("coding")?),
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
