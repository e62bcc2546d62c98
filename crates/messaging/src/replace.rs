//! An application replaces the text of a message that still waits (SMPP 3.4 section 4.10).
//!
//! In two steps within one transaction: [`Messaging::replaceable`] says how the message was submitted, so that the caller can
//! read the new octets the same way; [`Messaging::replace`] seals them anew. Once a dispatcher has claimed the message,
//! or a part of it is out, it is too late.

use std::sync::Arc;

use access::{Permit, cap};
use base::{MessageId, Timestamp};
use routing::{Class, Sender};
use sms::Choice;
use store::{Tx, params};
use vault::{Aad, Purpose};

use crate::asked::Asked;
use crate::cancel::has_begun;
use crate::claim::sender;
use crate::deliveries::Tell;
use crate::engine::Engine;
use crate::job::NewNote;
use crate::octets::{Body, Octets};
use crate::settle_store::{Touched, note};
use crate::{Error, Messaging, State};

/// A message that waits, as its submitter may replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaceable {
    /// Its id.
    pub id: MessageId,
    /// Its source address.
    pub sender: Sender,
    /// SMPP's `data_coding` it came in.
    pub data_coding: u8,
    /// Whether it came with a user data header.
    pub has_header: bool,
    row: i64,
    asked: Asked,
    carrier: String,
    class: Class,
    due_at: Timestamp,
    expires_at: Option<Timestamp>,
}

/// What it becomes.
pub struct Replacement {
    /// The new text; empty when `octets` say it.
    pub text: String,
    /// One part as the application made it, in place of a text.
    pub octets: Option<Octets>,
    /// Not before this; as it was when absent.
    pub scheduled: Option<Timestamp>,
    /// Not after this; as it was when absent.
    pub expires_at: Option<Timestamp>,
    /// When the submitter wants to be told of its end.
    pub tell: Tell,
    /// Whether it also wants to be told that the carrier took it.
    pub passing: bool,
}

impl Messaging {
    /// A message of the permit's holder by its id. [`Error::NotFound`] when it is nobody's or somebody else's,
    /// [`Error::NotWaiting`] when it is too late.
    pub fn replaceable(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesSend>,
        id: MessageId,
    ) -> Result<Replaceable, Error> {
        let sql = format!(
            "SELECT id, state, submitter, sender, encoding, tell, carrier, class, due_at, expires_at FROM messages
             WHERE umid = $1 AND workspace = $2{}",
            tx.dialect().for_update()
        );
        let found = tx.query_opt(&sql, &params![id, permit.workspace()], |row| {
            let (code, asked): (i64, _) = (row.get("encoding")?, Asked::stored(row.get("tell")?));
            let octets = Body::opened(code, Vec::new()).and_then(Body::into_octets);
            let replaceable = Replaceable {
                id,
                sender: sender(&row.get::<String>("sender")?),
                data_coding: octets.as_ref().map_or_else(|| asked.data_coding(), |octets| octets.data_coding),
                has_header: octets.is_some_and(|octets| octets.has_header),
                row: row.get("id")?,
                asked,
                carrier: row.get("carrier")?,
                class: Class::from_code(row.get("class")?),
                due_at: row.get("due_at")?,
                expires_at: row.get("expires_at")?,
            };
            Ok((replaceable, row.get::<i64>("state")?, row.get::<String>("submitter")?))
        })?;
        let (found, code, submitter) = found.ok_or(Error::NotFound)?;
        if submitter != permit.actor().principal.key() {
            return Err(Error::NotFound);
        }
        let state = State::from_code(code).ok_or(Error::Corrupt("state"))?;
        if state != State::Queued || has_begun(tx, found.row)? {
            return Err(Error::NotWaiting(state));
        }
        Ok(found)
    }

    /// Replaces it, in the transaction in which it was found to wait.
    pub fn replace(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesSend>,
        found: &Replaceable,
        new: Replacement,
    ) -> Result<(), Error> {
        let engine = self.engine_arc();
        let now = engine.ctx.now();
        let due_at = new.scheduled.map_or(found.due_at, |at| at.max(now));
        let expires_at = new.expires_at.or(found.expires_at);
        if expires_at.is_some_and(|at| at <= due_at.max(now)) {
            return Err(Error::Expired);
        }
        let body = new.octets.map_or(Body::Text(new.text), Body::Octets);
        let (encoding, parts) = body.measure(Choice::Auto)?;
        let umid = found.id.to_string();
        let key = engine.vault.data_key(tx, Some(permit.workspace()), Purpose::Messages, now)?;
        let aad = Aad { table: "messages", column: "body", row: &umid };
        let sealed = key.seal(engine.ctx.chance(), &aad, body.octets());
        // Read under a lock or by the only writer: nothing can have claimed it since.
        tx.execute(
            "UPDATE messages SET body = $2, encoding = $3, parts = $4, due_at = $5, expires_at = $6, tell = $7 WHERE id = $1",
            &params![
                found.row,
                sealed,
                body.code(encoding),
                i64::try_from(parts).unwrap_or(i64::MAX),
                due_at,
                expires_at,
                found.asked.wanting(new.tell, new.passing).column()
            ],
        )?;
        let text = "the application replaced its text while it waited".to_owned();
        note(tx, found.row, now, &NewNote { kind: "replaced", part: None, text })?;
        let mut touched = Touched::default();
        touched.message(permit.workspace(), Some(found.id));
        touched.announce(tx);
        let (engine, carrier, class) = (Arc::clone(engine), found.carrier.clone(), found.class);
        tx.after_commit(move || wake(&engine, &carrier, class, due_at));
        Ok(())
    }
}

/// It may be due earlier than its lane expects.
fn wake(engine: &Engine, carrier: &str, class: Class, due_at: Timestamp) {
    if let Some(lane) = engine.lane(carrier) {
        lane.side(class).set_backlog();
        lane.due_at(due_at);
        lane.wake.notify_one();
    }
}
