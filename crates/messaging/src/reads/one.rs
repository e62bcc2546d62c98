//! One message: with its parts and its history, and what only some may read of it.

use std::net::IpAddr;

use access::{Permit, cap};
use base::{MessageId, WorkspaceId, mask_ip};
use store::{Tx, params};

use super::{COLUMNS, ERASED, Read, read, receipt};
use crate::engine::Engine;
use crate::inbound::open;
use crate::model::{Content, Details, Note, PartDetails};
use crate::octets::Body;
use crate::{Error, State, batches, history};

fn one(tx: &mut Tx<'_>, permit_workspace: WorkspaceId, id: MessageId) -> Result<Option<Read>, Error> {
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
    let (row, summary) = (found.row, found.summary);
    let parts = if summary.parts > 1 {
        parts(tx, row)?
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
    let client_ip = client_ip(tx, engine, permit.workspace(), (row, id))?;
    let client_ip = client_ip.map(|address| address.map_or_else(|| ERASED.to_owned(), mask_ip));
    let history = history::tell(&summary, found.routed.as_deref(), &parts, &notes);
    Ok(Some(Details { summary, parts, notes, history, client_ip }))
}

/// Where the person was for whom a message was sent: `Some(None)` when that was erased, or its key is gone.
#[expect(clippy::option_option, reason = "none was given, one was erased, and one is there are three things")]
pub(crate) fn client_ip(
    tx: &mut Tx<'_>,
    engine: &Engine,
    workspace: WorkspaceId,
    (row, id): (i64, MessageId),
) -> Result<Option<Option<IpAddr>>, Error> {
    let sql = "SELECT client_ip FROM message_client_ips WHERE message = $1";
    let Some(sealed) = tx.query_opt(sql, &params![row], |row| row.get::<String>(0))? else { return Ok(None) };
    if sealed.is_empty() {
        return Ok(Some(None));
    }
    match open(tx, engine, Some(workspace), "messages", "client_ip", &id.to_string(), &sealed) {
        Ok(address) => Ok(Some(String::from_utf8_lossy(&address).parse().ok())),
        Err(Error::Vault(vault::Error::Store(cause))) => Err(cause.into()),
        Err(_) => Ok(Some(None)),
    }
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
    let sql = "SELECT destination, body, encoding, id FROM messages WHERE umid = $1 AND workspace = $2";
    let found = tx.query_opt(sql, &params![id, permit.workspace()], |row| {
        Ok((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<i64>(2)?, row.get::<i64>(3)?))
    })?;
    let Some((destination, body, code, row)) = found else { return Ok(None) };
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
        client_ip: client_ip(tx, engine, permit.workspace(), (row, id))?.flatten(),
    }))
}
