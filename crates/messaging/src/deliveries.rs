//! What applications are to be told and have not taken yet: the ends of their messages, and messages from handsets.
//!
//! A row is written in the transaction that ends the message (or stores the inbound one) and goes when the application
//! says that it has it: at least once, whatever breaks between. Who tells which application is a lease, so that two nodes
//! do not tell the same thing. How it is told is the business of the room that asks.

use std::collections::HashSet;
use std::time::Duration;

use access::{Permit, cap};
use base::{InboundId, MessageId, Timestamp, WorkspaceId};
use sms::Number;
use store::{Tx, params};

use crate::asked::Asked;
use crate::engine::Engine;
use crate::inbound::{Pieces, open};
use crate::octets::Body;
use crate::{Error, State};

/// What a submitter wants to be told of its message (`registered_delivery`, SMPP 3.4 section 5.2.17; or callbacks).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tell {
    /// Never.
    #[default]
    Nothing,
    /// However it ends.
    End,
    /// When it was not delivered.
    Failure,
    /// When it was delivered (SMPP 5.0).
    Success,
    /// Each step, by whoever listens above; see [`Messaging::news`](crate::Messaging::news). It is kept only where somebody
    /// listens: the workspace, or an address of the message's own.
    Each,
}

impl Tell {
    /// As stored.
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::End => 1,
            Self::Failure => 2,
            Self::Success => 3,
            Self::Each => 4,
        }
    }

    /// Whether it wants to hear of `state`.
    pub(crate) const fn wants(self, state: State) -> bool {
        let code = self.code();
        code == Self::End.code() || code == Self::of(state)
    }

    /// What the column says.
    pub(crate) const fn from_code(code: Option<i64>) -> Self {
        // What else is remembered there stands above these bits: see `asked`.
        let Some(code) = code else { return Self::Nothing };
        match code & 7 {
            1 => Self::End,
            2 => Self::Failure,
            3 => Self::Success,
            4 => Self::Each,
            _ => Self::Nothing,
        }
    }

    /// Whether an application that is bound hears of an end.
    pub(crate) const fn ends(self) -> bool {
        matches!(self, Self::End | Self::Failure | Self::Success)
    }

    /// The code, besides that for any end, that wants to hear of `state`.
    pub(crate) const fn of(state: State) -> i64 {
        if matches!(state, State::Delivered) { Self::Success.code() } else { Self::Failure.code() }
    }
}

/// Which delivery: the kind, and the row it is about. Copied into [`Messaging::taken`](crate::Messaging::taken).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    kind: i64,
    subject: i64,
}

/// How long something waits for its application.
const KEPT: Duration = Duration::from_hours(14 * 24);

const END: i64 = 0;
const INBOUND: i64 = 1;
const PASSING: i64 = 2;

/// Something to tell an application.
#[derive(Debug)]
pub struct Delivery {
    /// Which.
    pub key: DeliveryKey,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

impl Delivery {
    /// The end of the message in `row`.
    pub(crate) fn end(row: i64, at: Timestamp, ended: Ended) -> Self {
        Self { key: DeliveryKey { kind: END, subject: row }, at, what: What::End(Box::new(ended)) }
    }
}

/// What there is to tell.
pub enum What {
    /// A message of the application came to its end.
    End(Box<Ended>),
    /// The carrier took a message of the application, or says that it is on its way.
    Passing(Box<Ended>),
    /// A handset sent something.
    Inbound {
        /// Its id.
        id: InboundId,
        /// The handset: digits, or a name where a network sends such.
        from: String,
        /// Our address.
        to: String,
        /// What it says.
        text: String,
        /// The parts it came in, when it came in several.
        pieces: Option<Pieces>,
    },
    /// It cannot be opened any more: erased, or its key is gone.
    Gone,
}

impl std::fmt::Debug for What {
    /// Without numbers and texts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::End(ended) => write!(f, "End({}, {:?})", ended.message, ended.state),
            Self::Passing(passing) => write!(f, "Passing({})", passing.message),
            Self::Inbound { id, .. } => write!(f, "Inbound({id})"),
            Self::Gone => f.write_str("Gone"),
        }
    }
}

/// A message that came to its end.
#[derive(Clone)]
pub struct Ended {
    /// Its id.
    pub message: MessageId,
    /// Its number in order.
    pub number: i64,
    /// Its source address.
    pub sender: String,
    /// Who it was for.
    pub to: Number,
    /// Its end.
    pub state: State,
    /// `DELIVRD` and so on, as the carrier said it; `None` when no carrier did.
    pub stat: Option<String>,
    /// The network's error.
    pub error: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The first twenty characters of its text (appendix B).
    pub beginning: String,
    /// The first message of the same submission, when it is not that itself: the submitter knows it by that.
    pub submission: Option<(MessageId, i64)>,
    /// The handset's network, where the carrier told it.
    pub network: Option<sms::Network>,
}

/// Characters of a text that a receipt repeats (SMPP 3.4 appendix B).
pub(crate) const BEGINNING: usize = 20;

/// Notes the end of one message, if its submitter wants to hear of it.
pub(crate) fn tell(tx: &mut Tx<'_>, message: MessageId, state: State, at: Timestamp) -> Result<(), Error> {
    if state.is_terminal() {
        tx.send(
            "INSERT INTO deliveries (recipient, kind, subject, state, at) SELECT submitter, 0, id, $2, $3 FROM messages
             WHERE umid = $1 AND (tell & 7) IN (1, $4) ON CONFLICT (recipient, kind, subject) DO NOTHING",
            &params![message, state.code(), at, Tell::of(state)],
        )?;
    }
    Ok(())
}

/// The same for many, by their rows.
pub(crate) fn tell_many(tx: &mut Tx<'_>, ended: &[(i64, State, Timestamp)]) -> Result<(), Error> {
    let rows: Vec<_> =
        ended.iter().map(|(row, state, at)| Vec::from(params![*row, state.code(), *at, Tell::of(*state)])).collect();
    tx.execute_many(
        "INSERT INTO deliveries (recipient, kind, subject, state, at) SELECT submitter, 0, id, $2, $3 FROM messages
         WHERE id = $1 AND (tell & 7) IN (1, $4) ON CONFLICT (recipient, kind, subject) DO NOTHING",
        &rows,
    )?;
    Ok(())
}

/// Notes for many that the carrier has them, by their rows, where their submitter wants to hear of that. Once for each
/// while it waits: what the carrier says on the way is the newest word, not one more.
pub(crate) fn tell_passing(tx: &mut Tx<'_>, passing: &[(i64, Timestamp)]) -> Result<(), Error> {
    let rows: Vec<_> =
        passing.iter().map(|(row, at)| Vec::from(params![*row, PASSING, State::Sent.code(), *at])).collect();
    tx.execute_many(
        "INSERT INTO deliveries (recipient, kind, subject, state, at) SELECT submitter, $2, id, $3, $4 FROM messages
         WHERE id = $1 AND (tell & 8) = 8 ON CONFLICT (recipient, kind, subject) DO NOTHING",
        &rows,
    )?;
    Ok(())
}

/// The same for ends that are in hand: whom to tell, the row, its end and when.
pub(crate) fn tell_known(tx: &mut Tx<'_>, ended: &[(&str, i64, State, Timestamp)]) -> Result<(), Error> {
    let rows: Vec<_> =
        ended.iter().map(|(to, row, state, at)| Vec::from(params![*to, END, *row, state.code(), *at])).collect();
    tx.send_many(
        "INSERT INTO deliveries (recipient, kind, subject, state, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        &rows,
    )?;
    Ok(())
}

/// Notes that a message from a handset is for `recipient`.
pub(crate) fn tell_inbound(tx: &mut Tx<'_>, recipient: &str, id: InboundId) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO deliveries (recipient, kind, subject, state, at) SELECT $1, 1, id, NULL, received_at
         FROM inbound_messages WHERE uid = $2 ON CONFLICT (recipient, kind, subject) DO NOTHING",
        &params![recipient, id],
    )?;
    Ok(())
}

/// What waits for the holder of the permit since `before` or longer, the oldest messages first, without those in `skip`.
pub(crate) fn waiting(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessageContentRead>,
    before: Timestamp,
    skip: &HashSet<DeliveryKey>,
    most: usize,
) -> Result<Vec<Delivery>, Error> {
    let (recipient, workspace) = (permit.actor().principal.key(), permit.workspace());
    let limit = i64::try_from(most + skip.len()).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    let mut waiting = ends(tx, PASSING, &recipient, workspace, before, limit)?;
    waiting.extend(ends(tx, END, &recipient, workspace, before, limit)?);
    waiting.extend(inbounds(tx, &recipient, workspace, before, limit)?);
    for row in waiting {
        if found.len() < most && !skip.contains(&row.key) {
            found.push(row.open(tx, engine, workspace)?);
        }
    }
    Ok(found)
}

/// A delivery before it is opened.
struct Sealed {
    key: DeliveryKey,
    at: Timestamp,
    what: SealedWhat,
}

enum SealedWhat {
    End(Box<SealedEnd>),
    Inbound { id: InboundId, to: String, source: String, body: String, pieces: Option<String> },
}

/// An end before number and text are opened.
struct SealedEnd {
    message: MessageId,
    sender: String,
    state: State,
    stat: Option<String>,
    error: Option<String>,
    accepted_at: Timestamp,
    destination: String,
    body: String,
    encoding: i64,
    asked: Asked,
    network: Option<String>,
}

fn ends(
    tx: &mut Tx<'_>,
    kind: i64,
    recipient: &str,
    workspace: WorkspaceId,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Sealed>, Error> {
    let rows = tx.query(
        "SELECT d.subject, d.state, d.at, m.umid, m.sender, m.destination, m.body, m.encoding, m.receipt, m.error, m.created_at, m.tell, m.network
         FROM deliveries d JOIN messages m ON m.id = d.subject
         WHERE d.recipient = $1 AND d.kind = $5 AND m.workspace = $2 AND d.at <= $3 ORDER BY d.subject LIMIT $4",
        &params![recipient, workspace, before, limit, kind],
        |row| {
            let (subject, at) = (row.get("subject")?, row.get("at")?);
            let state = State::from_code(row.get("state")?)
                .ok_or_else(|| store::Error::Decode { column: "state".to_owned(), expected: "a state" })?;
            let end = SealedEnd {
                message: row.get("umid")?,
                sender: row.get("sender")?,
                state,
                stat: row.get("receipt")?,
                error: row.get("error")?,
                accepted_at: row.get("created_at")?,
                destination: row.get("destination")?,
                body: row.get("body")?,
                encoding: row.get("encoding")?,
                asked: Asked::stored(row.get("tell")?),
                network: row.get("network")?,
            };
            let what = SealedWhat::End(Box::new(end));
            Ok(Sealed { key: DeliveryKey { kind, subject }, at, what })
        },
    )?;
    Ok(rows)
}

fn inbounds(
    tx: &mut Tx<'_>,
    recipient: &str,
    workspace: WorkspaceId,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Sealed>, Error> {
    let rows = tx.query(
        "SELECT d.subject, d.at, i.uid, i.destination, i.source, i.body, i.pieces FROM deliveries d JOIN inbound_messages i ON i.id = d.subject
         WHERE d.recipient = $1 AND d.kind = 1 AND i.workspace = $2 AND d.at <= $3 ORDER BY d.subject LIMIT $4",
        &params![recipient, workspace, before, limit],
        |row| {
            let (subject, at) = (row.get("subject")?, row.get("at")?);
            let what = SealedWhat::Inbound {
                id: row.get("uid")?,
                to: row.get("destination")?,
                source: row.get("source")?,
                body: row.get("body")?,
                pieces: row.get("pieces")?,
            };
            Ok(Sealed { key: DeliveryKey { kind: INBOUND, subject }, at, what })
        },
    )?;
    Ok(rows)
}

impl Sealed {
    fn open(self, tx: &mut Tx<'_>, engine: &Engine, workspace: WorkspaceId) -> Result<Delivery, Error> {
        let what = match self.what.open(tx, engine, workspace, self.key) {
            Ok(what) => what,
            // The database failed: later. Anything else stays as it is for ever.
            Err(Error::Vault(vault::Error::Store(cause)) | Error::Store(cause)) => return Err(cause.into()),
            Err(_) => What::Gone,
        };
        Ok(Delivery { key: self.key, at: self.at, what })
    }
}

impl SealedWhat {
    fn open(self, tx: &mut Tx<'_>, engine: &Engine, workspace: WorkspaceId, key: DeliveryKey) -> Result<What, Error> {
        let text = |octets| String::from_utf8(octets).map_err(|_| Error::Corrupt("a delivery"));
        match self {
            Self::End(end) => {
                let id = end.message.to_string();
                let to = open(tx, engine, Some(workspace), "messages", "destination", &id, &end.destination)?;
                let body = open(tx, engine, Some(workspace), "messages", "body", &id, &end.body)?;
                let body = Body::opened(end.encoding, body).ok_or(Error::Corrupt("body"))?;
                let first = end.asked.first(key.subject).map(|row| umid(tx, row)).transpose()?.flatten();
                let ended = Box::new(Ended {
                    message: end.message,
                    number: key.subject,
                    sender: end.sender,
                    to: Number::from_carrier(&text(to)?).map_err(|_| Error::Corrupt("destination"))?,
                    state: end.state,
                    stat: end.stat,
                    error: end.error,
                    accepted_at: end.accepted_at,
                    beginning: body.beginning(BEGINNING),
                    submission: first,
                    network: end.network.as_deref().and_then(sms::Network::parse),
                });
                Ok(if key.kind == PASSING { What::Passing(ended) } else { What::End(ended) })
            }
            Self::Inbound { id, to, source, body, pieces } => {
                let uid = id.to_string();
                let from = open(tx, engine, Some(workspace), "inbound_messages", "source", &uid, &source)?;
                let body = open(tx, engine, Some(workspace), "inbound_messages", "body", &uid, &body)?;
                let pieces = match pieces {
                    Some(sealed) => {
                        let octets = open(tx, engine, Some(workspace), "inbound_messages", "pieces", &uid, &sealed)?;
                        Pieces::read(&octets)
                    }
                    None => None,
                };
                Ok(What::Inbound { id, from: text(from)?, to, text: text(body)?, pieces })
            }
        }
    }
}

/// The id of the message numbered `row`, with its number.
fn umid(tx: &mut Tx<'_>, row: i64) -> Result<Option<(MessageId, i64)>, Error> {
    let found = tx.query_opt("SELECT umid FROM messages WHERE id = $1", &params![row], |found| found.get(0))?;
    Ok(found.map(|id| (id, row)))
}

/// Forgets what nobody took for so long that nobody will (fault I7: every queue is bounded); how many.
pub(crate) fn forget(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, Error> {
    Ok(tx.execute("DELETE FROM deliveries WHERE at < $1", &params![now.minus(KEPT)])?)
}

/// The holder of the permit has these; they are not told again.
pub(crate) fn taken(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessageContentRead>,
    keys: &[DeliveryKey],
) -> Result<(), Error> {
    let recipient = permit.actor().principal.key();
    let rows: Vec<_> = keys.iter().map(|key| Vec::from(params![&recipient, key.kind, key.subject])).collect();
    tx.change_many("DELETE FROM deliveries WHERE recipient = $1 AND kind = $2 AND subject = $3", &rows)?;
    Ok(())
}

/// Takes or keeps the lease on telling the holder of the permit; whether it is ours. A lease of a process that is gone
/// (see `owners`) is anybody's.
pub(crate) fn lease(tx: &mut Tx<'_>, engine: &Engine, permit: &Permit<cap::MessageContentRead>) -> Result<bool, Error> {
    let (recipient, epoch) = (permit.actor().principal.key(), engine.epoch());
    let held = tx.execute(
        "INSERT INTO delivery_leases (recipient, epoch) VALUES ($1, $2) ON CONFLICT (recipient) DO UPDATE SET epoch = excluded.epoch
         WHERE delivery_leases.epoch = excluded.epoch OR delivery_leases.epoch NOT IN (SELECT epoch FROM messaging_owners)",
        &params![&recipient, epoch],
    )?;
    Ok(held > 0)
}

/// Gives the lease back, when nobody is bound here any more.
pub(crate) fn release(tx: &mut Tx<'_>, engine: &Engine, permit: &Permit<cap::MessageContentRead>) -> Result<(), Error> {
    let recipient = permit.actor().principal.key();
    tx.execute(
        "DELETE FROM delivery_leases WHERE recipient = $1 AND epoch = $2",
        &params![&recipient, engine.epoch()],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_of_which_end() {
        let told = |tell: Tell, state| tell.code() == 1 || tell.code() == Tell::of(state);
        assert!(told(Tell::End, State::Delivered) && told(Tell::End, State::Expired));
        assert!(told(Tell::Success, State::Delivered) && !told(Tell::Success, State::Rejected));
        assert!(!told(Tell::Failure, State::Delivered) && told(Tell::Failure, State::Undelivered));
        assert!(!told(Tell::Nothing, State::Delivered) && !told(Tell::Nothing, State::Failed));
    }
}
