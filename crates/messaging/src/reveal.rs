//! What only some may read of messages, opened one value at a time. Each reading is on record before it is shown (E-11).

use std::net::IpAddr;

use access::{Permit, cap};
use base::{InboundId, MessageId};
use store::{Tx, params};

use crate::Error;
use crate::engine::Engine;
use crate::inbound::open;
use crate::model::InboundMessage;
use crate::reads;

/// The number a message goes to.
pub(crate) fn number(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessageContentRead>,
    id: MessageId,
) -> Result<Option<sms::Number>, Error> {
    let sql = "SELECT destination FROM messages WHERE umid = $1 AND workspace = $2";
    let found = tx.query_opt(sql, &params![id, permit.workspace()], |row| row.get::<String>(0))?;
    let Some(sealed) = found else { return Ok(None) };
    if sealed.is_empty() {
        return Err(Error::Erased);
    }
    let uid = id.to_string();
    let number = open(tx, engine, Some(permit.workspace()), "messages", "destination", &uid, &sealed)?;
    let number = String::from_utf8(number).map_err(|_| Error::Corrupt("destination"))?;
    record(tx, permit, "message.number.read", ("message", &uid), "confidential: the number it goes to")?;
    Ok(Some(sms::Number::from_carrier(&number).map_err(|_| Error::Corrupt("destination"))?))
}

/// Where the person was for whom a message was sent.
pub(crate) fn client_ip(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessageContentRead>,
    id: MessageId,
) -> Result<Option<IpAddr>, Error> {
    let sql = "SELECT id FROM messages WHERE umid = $1 AND workspace = $2";
    let found = tx.query_opt(sql, &params![id, permit.workspace()], |row| row.get::<i64>(0))?;
    let Some(row) = found else { return Ok(None) };
    let Some(address) = reads::client_ip(tx, engine, permit.workspace(), (row, id))?.flatten() else { return Ok(None) };
    let why = "confidential: where the person was for whom it was sent";
    record(tx, permit, "message.client_ip.read", ("message", &id.to_string()), why)?;
    Ok(Some(address))
}

/// Handset and words of a message that came in.
pub(crate) fn inbound(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessageContentRead>,
    id: InboundId,
) -> Result<Option<InboundMessage>, Error> {
    let Some(message) = reads::inbound(tx, engine, permit, id)? else { return Ok(None) };
    let why = "restricted: the text and the number it came from";
    record(tx, permit, "inbound.content.read", ("inbound", &id.to_string()), why)?;
    Ok(Some(message))
}

fn record(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessageContentRead>,
    action: &'static str,
    target: (&str, &str),
    why: &str,
) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor: permit.actor(),
            workspace: Some(permit.workspace()),
            action,
            target,
            outcome: audit::Outcome::Success,
            reason: Some(why),
            changes: None,
        },
    )?;
    Ok(())
}
