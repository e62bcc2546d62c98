//! The SQL of receipts.

use std::sync::Arc;

use base::{MessageId, Timestamp, WorkspaceId};
use sms::ReceiptState;
use store::{Tx, params};
use uuid::Uuid;

use crate::carrier::Receipt;
use crate::deliveries::{Tell, tell_known, tell_many, tell_passing};
use crate::inbox::Handed;
use crate::job::{NewNote, StoredOrigin};
use crate::news;
use crate::outstanding::Outstanding;
use crate::settle::Matched;
use crate::settle_store::{Applied, Touched, note, part_states, publish, state};
use crate::state::{Event, aggregate};
use crate::{Error, State};

/// Receipts beyond the first that are told in a message's history; a carrier in a loop must not fill the table.
const MOST_NOTES: i64 = 20;

/// Final receipts of messages of one part that nobody above listens to: written without reading the rows.
pub(crate) fn plain_receipts(
    tx: &mut Tx<'_>,
    receipts: &[Matched],
    applied: &mut Applied,
    touched: &mut Touched,
) -> Result<(), Error> {
    let rows: Vec<_> = receipts
        .iter()
        .map(|matched| {
            // The table says so for a sent message; every final receipt ends it.
            let state = State::Sent.after(Event::Receipt(matched.receipt.state)).unwrap_or(State::Sent);
            Vec::from(params![
                matched.to.row,
                state.code(),
                matched.receipt.state.stat(),
                matched.at,
                matched.receipt.error.as_deref(),
                &*matched.receipt.carrier,
                &matched.receipt.carrier_ref,
                failure_sentence(&matched.receipt),
                matched.receipt.done_at
            ])
        })
        .collect();
    let written = tx.change_many(
        "UPDATE messages SET state = $2, receipt = $3, receipt_at = $4, done_at = $4, error = $5, reason = $8,
         receipt_time = $9
         WHERE id = $1 AND carrier = $6 AND carrier_ref = $7 AND receipt_at IS NULL",
        &rows,
    )?;
    let complete = written == receipts.len() as u64;
    networks(tx, receipts)?;
    let (mut told, mut known, mut each) = (Vec::new(), Vec::new(), Vec::new());
    for matched in receipts {
        // Another node may have been first, or an entry of the map was wrong: then each is looked at.
        if complete || has_receipt(tx, matched)? {
            let Some(workspace) = matched.workspace else { continue };
            let state = State::Sent.after(Event::Receipt(matched.receipt.state)).unwrap_or(State::Sent);
            applied.ended_as(workspace, matched.at, state);
            touched.message(workspace, None);
            match &matched.to.telling {
                Some(telling) if telling.tell.wants(state) => {
                    known.push((&*telling.recipient, matched.to.row, state, matched.at));
                    applied.handed.push(Handed {
                        telling: Arc::clone(telling),
                        row: matched.to.row,
                        state,
                        stat: matched.receipt.state.stat(),
                        error: matched.receipt.error.clone(),
                        network: matched.receipt.network.clone(),
                        at: matched.at,
                    });
                }
                None if matched.to.tell.ends() => told.push((matched.to.row, state, matched.at)),
                None if matched.to.tell == Tell::Each => each.push((matched.to.row, state, matched.at)),
                Some(_) | None => {}
            }
        } else {
            careful_receipt(tx, &matched.to, &matched.receipt, matched.at, applied, touched)?;
        }
    }
    applied.look |= !told.is_empty();
    tell_known(tx, &known)?;
    tell_many(tx, &told)?;
    news::changed_many(tx, &each)
}

/// The networks of handsets, which few carriers tell.
fn networks(tx: &mut Tx<'_>, receipts: &[Matched]) -> Result<(), Error> {
    let told: Vec<_> = receipts
        .iter()
        .filter_map(|matched| {
            let network = matched.receipt.network.as_ref()?.to_string();
            Some(Vec::from(params![matched.to.row, network]))
        })
        .collect();
    if !told.is_empty() {
        tx.execute_many("UPDATE messages SET network = $2 WHERE id = $1", &told)?;
    }
    Ok(())
}

fn has_receipt(tx: &mut Tx<'_>, matched: &Matched) -> Result<bool, Error> {
    let found = tx.query_opt(
        "SELECT 1 FROM messages WHERE id = $1 AND carrier_ref = $2 AND receipt_at = $3 AND receipt = $4",
        &params![matched.to.row, &matched.receipt.carrier_ref, matched.at, matched.receipt.state.stat()],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

fn failure_sentence(receipt: &Receipt) -> Option<String> {
    if matches!(
        receipt.state,
        ReceiptState::Delivered | ReceiptState::Enroute | ReceiptState::Accepted | ReceiptState::Scheduled
    ) {
        return None;
    }
    let error = receipt.error.as_deref().filter(|error| !error.trim_start_matches('0').is_empty());
    let detail = error.map_or_else(String::new, |error| match sms::network_error(error) {
        Some(meaning) => format!(", error {error}: {meaning}"),
        None => format!(", error {error}"),
    });
    Some(format!("{} says {}{detail}", receipt.carrier, receipt.state.stat()))
}

/// What a careful receipt wants to know of its message.
struct Row {
    id: MessageId,
    workspace: WorkspaceId,
    state: State,
    parts: i64,
    carrier: String,
    carrier_ref: Option<String>,
    receipt: Option<String>,
    origin: Option<StoredOrigin>,
    tell: Tell,
}

fn row(tx: &mut Tx<'_>, row: i64) -> Result<Option<Row>, Error> {
    let sql = format!(
        "SELECT umid, workspace, state, parts, carrier, carrier_ref, receipt, origin_kind, origin_id, tell
         FROM messages WHERE id = $1{}",
        tx.dialect().for_update()
    );
    let found = tx.query_opt(&sql, &params![row], |row| {
        let (kind, id) = (row.get::<Option<String>>("origin_kind")?, row.get::<Option<Uuid>>("origin_id")?);
        let found = Row {
            id: row.get("umid")?,
            workspace: row.get("workspace")?,
            state: State::Queued,
            parts: row.get("parts")?,
            carrier: row.get("carrier")?,
            carrier_ref: row.get("carrier_ref")?,
            receipt: row.get("receipt")?,
            origin: kind.zip(id).map(|(kind, id)| StoredOrigin { kind, id }),
            tell: Tell::from_code(row.get("tell")?),
        };
        Ok((found, row.get::<i64>("state")?))
    })?;
    found.map(|(found, code)| Ok(Row { state: state(code)?, ..found })).transpose()
}

/// A receipt whose row is read first: of a message with parts or an origin, a repeated, late or passing one. Whether
/// nothing more is expected for its part.
pub(crate) fn careful_receipt(
    tx: &mut Tx<'_>,
    to: &Outstanding,
    receipt: &Receipt,
    at: Timestamp,
    applied: &mut Applied,
    touched: &mut Touched,
) -> Result<bool, Error> {
    applied.look = true;
    let Some(message) = row(tx, to.row)? else {
        keep_stray(tx, receipt, at)?;
        return Ok(true);
    };
    touched.message(message.workspace, Some(message.id));
    if message.parts > 1 {
        part_receipt(tx, to, &message, receipt, at, applied)
    } else {
        single_receipt(tx, to, &message, receipt, at, applied)
    }
}

fn single_receipt(
    tx: &mut Tx<'_>,
    to: &Outstanding,
    message: &Row,
    receipt: &Receipt,
    at: Timestamp,
    applied: &mut Applied,
) -> Result<bool, Error> {
    if message.carrier != *receipt.carrier || message.carrier_ref.as_deref() != Some(&receipt.carrier_ref) {
        keep_stray(tx, receipt, at)?;
        return Ok(true);
    }
    let Ok(next) = message.state.after(Event::Receipt(receipt.state)) else {
        again(tx, to.row, None, message.receipt.as_deref(), receipt, at)?;
        return Ok(message.state.is_terminal());
    };
    if let Some(network) = &receipt.network {
        tx.send("UPDATE messages SET network = $2 WHERE id = $1", &params![to.row, network.to_string()])?;
    }
    let reason = failure_sentence(receipt);
    tx.send(
        "UPDATE messages SET state = $2, receipt = $3, receipt_at = $4, error = $5, done_at = $6, reason = $7, receipt_time = $8
         WHERE id = $1",
        &params![
            to.row,
            next.code(),
            receipt.state.stat(),
            at,
            receipt.error.as_deref(),
            next.is_terminal().then_some(at),
            reason.as_deref(),
            receipt.done_at
        ],
    )?;
    if next != message.state {
        let (origin, reason) = (message.origin.as_ref(), reason.as_deref());
        publish(tx, message.id, message.workspace, origin, message.tell, next, None, reason, at)?;
        applied.ended_as(message.workspace, at, next);
    } else if !receipt.state.is_final() {
        tell_passing(tx, &[(to.row, at)])?;
    }
    Ok(next.is_terminal())
}

fn part_receipt(
    tx: &mut Tx<'_>,
    to: &Outstanding,
    message: &Row,
    receipt: &Receipt,
    at: Timestamp,
    applied: &mut Applied,
) -> Result<bool, Error> {
    let part = tx.query_opt(
        "SELECT state, receipt FROM message_parts WHERE message = $1 AND part = $2 AND carrier = $3 AND carrier_ref = $4",
        &params![to.row, i64::from(to.part), &*receipt.carrier, &receipt.carrier_ref],
        |row| Ok((row.get::<i64>(0)?, row.get::<Option<String>>(1)?)),
    )?;
    let Some((code, before)) = part else {
        keep_stray(tx, receipt, at)?;
        return Ok(true);
    };
    let now = state(code)?;
    let Ok(next) = now.after(Event::Receipt(receipt.state)) else {
        again(tx, to.row, Some(usize::from(to.part)), before.as_deref(), receipt, at)?;
        return Ok(now.is_terminal());
    };
    if let Some(network) = &receipt.network {
        tx.send("UPDATE messages SET network = $2 WHERE id = $1", &params![to.row, network.to_string()])?;
    }
    // What went whole has one id for all its parts.
    tx.send(
        "UPDATE message_parts SET state = $3, receipt = $4, receipt_at = $5, error = $6, receipt_time = $7
         WHERE message = $1 AND carrier_ref = $2",
        &params![
            to.row,
            &receipt.carrier_ref,
            next.code(),
            receipt.state.stat(),
            at,
            receipt.error.as_deref(),
            receipt.done_at
        ],
    )?;
    // While parts are still to be handed over, the message's state is the dispatcher's.
    let known = part_states(tx, to.row)?;
    let all = aggregate(known.iter().copied())
        .filter(|all| all.is_failure() || i64::try_from(known.len()) == Ok(message.parts));
    if let Some(all) = all.filter(|all| matches!(message.state, State::Sent | State::Unknown) && *all > message.state) {
        let reason = failure_sentence(receipt).map(|sentence| format!("part {}: {sentence}", to.part));
        tx.send(
            "UPDATE messages SET state = $2, error = $3, done_at = $4, reason = $5 WHERE id = $1",
            &params![to.row, all.code(), receipt.error.as_deref(), all.is_terminal().then_some(at), reason.as_deref()],
        )?;
        publish(
            tx,
            message.id,
            message.workspace,
            message.origin.as_ref(),
            message.tell,
            all,
            Some(u32::from(to.part)),
            reason.as_deref(),
            at,
        )?;
        applied.ended_as(message.workspace, at, all);
    }
    Ok(next.is_terminal())
}

/// A receipt after the end, told in the history.
fn again(
    tx: &mut Tx<'_>,
    row: i64,
    part: Option<usize>,
    before: Option<&str>,
    receipt: &Receipt,
    at: Timestamp,
) -> Result<(), Error> {
    let told = tx.query_one(
        "SELECT COUNT(*) FROM message_notes WHERE message = $1 AND kind = 'receipt'",
        &params![row],
        |row| row.get::<i64>(0),
    )?;
    if told >= MOST_NOTES {
        return Ok(());
    }
    let stat = receipt.state.stat();
    let text = match before {
        Some(before) if before == stat => format!("{} sent its receipt again: {stat}", receipt.carrier),
        Some(before) => format!("{} said {stat} after {before}; the first one stands", receipt.carrier),
        None => format!("{} said {stat} when the message was past that", receipt.carrier),
    };
    note(tx, row, at, &NewNote { kind: "receipt", part, text })
}

/// Keeps a receipt that belongs to nothing.
pub(crate) fn keep_stray(tx: &mut Tx<'_>, receipt: &Receipt, at: Timestamp) -> Result<(), Error> {
    let id = tx.next_number("messaging.strays")?;
    tx.execute(
        "INSERT INTO stray_receipts (id, carrier, carrier_ref, receipt, error, received_at, receipt_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &params![
            id,
            &*receipt.carrier,
            &receipt.carrier_ref,
            receipt.state.stat(),
            receipt.error.as_deref(),
            at,
            receipt.done_at
        ],
    )?;
    Ok(())
}

/// Takes up the receipts that came so long before their submit was answered that they were kept as strays.
pub(crate) fn take_strays(
    tx: &mut Tx<'_>,
    carrier: &str,
    carrier_ref: &str,
    to: &Outstanding,
    applied: &mut Applied,
    touched: &mut Touched,
) -> Result<(), Error> {
    let kept = tx.query(
        "SELECT id, receipt, error, receipt_time, received_at FROM stray_receipts WHERE carrier = $1 AND carrier_ref = $2
         ORDER BY id",
        &params![carrier, carrier_ref],
        |row| {
            let receipt = Receipt {
                carrier: carrier.into(),
                carrier_ref: carrier_ref.to_owned(),
                state: ReceiptState::from_stat(&row.get::<String>(1)?).unwrap_or(ReceiptState::Unknown),
                error: row.get(2)?,
                done_at: row.get(3)?,
                network: None,
            };
            Ok((row.get::<i64>(0)?, receipt, row.get::<Timestamp>(4)?))
        },
    )?;
    for (id, receipt, at) in kept {
        tx.execute("DELETE FROM stray_receipts WHERE id = $1", &params![id])?;
        careful_receipt(tx, to, &receipt, at, applied, touched)?;
    }
    Ok(())
}
