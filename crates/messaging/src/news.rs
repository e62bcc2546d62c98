//! What became of messages, step by step, for whoever listens above: a row for each step, written in the transaction
//! that makes it, read in order and gone when it is told. None is written where nobody listens.

use access::{OrganisationPermit, cap};
use base::{BatchId, InboundId, MessageId, Timestamp, WorkspaceId};
use sms::{Coding, Number};
use store::{Row, Tx, params};
use uuid::Uuid;

use crate::engine::Engine;
use crate::inbound::open;
use crate::intake::Prepared;
use crate::{Error, State};

const STEP: i64 = 0;
const INBOUND: i64 = 1;
const STEP_ERASED: i64 = 2;
const INBOUND_ERASED: i64 = 3;

/// Something to tell.
#[derive(Debug)]
pub struct News {
    key: i64,
    message: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Whose message it is; `None` when the message is gone.
    pub workspace: Option<WorkspaceId>,
    /// What.
    pub what: Told,
}

/// What there is to tell.
pub enum Told {
    /// A message came to a state.
    Step(Box<Step>),
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
        /// How many parts it came in.
        parts: u32,
        /// In what coding.
        coding: Option<Coding>,
    },
    /// Number and text were erased for good: what was told of it has to go too.
    Erased {
        /// The id of the message, out or in.
        id: Uuid,
    },
    /// It cannot be opened any more: erased, or its key is gone.
    Gone,
}

/// One step of a message.
#[derive(Clone)]
pub struct Step {
    /// The message.
    pub message: MessageId,
    /// The state it came to.
    pub state: State,
    /// The submitter's own id for it.
    pub client_ref: Option<String>,
    /// The batch it came in.
    pub batch: Option<BatchId>,
    /// The submitter's own id for that.
    pub batch_ref: Option<String>,
    /// Its source address.
    pub sender: String,
    /// Who it is for.
    pub to: Number,
    /// How many parts it has.
    pub parts: u32,
    /// The network's error, as the carrier wrote it.
    pub error: Option<String>,
    /// `UNDELIV` and so on; `None` when no carrier said so.
    pub stat: Option<String>,
    /// Why it ended so, for people.
    pub reason: Option<String>,
    /// Where it is told, when the message said so itself.
    pub callback: Option<String>,
}

impl std::fmt::Debug for Told {
    /// Without numbers, texts and addresses.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Step(step) => write!(f, "Step({}, {:?})", step.message, step.state),
            Self::Inbound { id, .. } => write!(f, "Inbound({id})"),
            Self::Erased { id } => write!(f, "Erased({id})"),
            Self::Gone => f.write_str("Gone"),
        }
    }
}

const INSERT: &str = "INSERT INTO message_news (kind, message, state, at) VALUES ($1, $2, $3, $4)";

/// Notes that messages were accepted, and where they want to be told of.
pub(crate) fn accepted<'a>(tx: &mut Tx<'_>, messages: impl Iterator<Item = (i64, &'a Prepared)>) -> Result<(), Error> {
    let (mut steps, mut callbacks) = (Vec::new(), Vec::new());
    for (row, prepared) in messages {
        let Some((at, callback)) = prepared.listened() else { continue };
        steps.push(Vec::from(params![STEP, row, State::Queued.code(), at]));
        if let Some(url) = callback {
            callbacks.push(Vec::from(params![row, url]));
        }
    }
    many(tx, INSERT, &steps)?;
    many(tx, "INSERT INTO message_callbacks (message, url) VALUES ($1, $2)", &callbacks)
}

/// Keeps where the persons are for whom messages are sent.
pub(crate) fn client_ips<'a>(
    tx: &mut Tx<'_>,
    messages: impl Iterator<Item = (i64, &'a Prepared)>,
) -> Result<(), Error> {
    let sealed =
        messages.filter_map(|(row, prepared)| prepared.client_ip().map(|sealed| Vec::from(params![row, sealed])));
    many(tx, "INSERT INTO message_client_ips (message, client_ip) VALUES ($1, $2)", &sealed.collect::<Vec<_>>())
}

/// Notes that carriers took messages, by their rows; those that somebody else has meanwhile are left out.
pub(crate) fn sent_many(tx: &mut Tx<'_>, sent: impl Iterator<Item = (i64, Timestamp)>) -> Result<(), Error> {
    let rows: Vec<_> = sent.map(|(row, at)| Vec::from(params![row, at])).collect();
    many(
        tx,
        "INSERT INTO message_news (kind, message, state, at) SELECT 0, id, 2, $2 FROM messages
         WHERE id = $1 AND state = 2 AND submitted_at = $2",
        &rows,
    )
}

/// Notes the states that messages came to, by their rows.
pub(crate) fn changed_many(tx: &mut Tx<'_>, changed: &[(i64, State, Timestamp)]) -> Result<(), Error> {
    let rows: Vec<_> =
        changed.iter().map(|(row, state, at)| Vec::from(params![STEP, *row, state.code(), *at])).collect();
    many(tx, INSERT, &rows)
}

/// Notes the state that one message came to, if somebody listens to it. Waiting again, or in doubt, is no step.
pub(crate) fn changed(tx: &mut Tx<'_>, message: MessageId, state: State, at: Timestamp) -> Result<(), Error> {
    if !matches!(state, State::Queued | State::Claimed | State::Unknown) {
        tx.send(
            "INSERT INTO message_news (kind, message, state, at) SELECT 0, id, $2, $3 FROM messages
             WHERE umid = $1 AND (tell & 7) = 4",
            &params![message, state.code(), at],
        )?;
    }
    Ok(())
}

/// Notes that a message from a handset came in, by its row.
pub(crate) fn arrived(tx: &mut Tx<'_>, row: i64, at: Timestamp) -> Result<(), Error> {
    tx.send(INSERT, &params![INBOUND, row, 0, at])?;
    Ok(())
}

/// Notes that a message was erased, by its row.
pub(crate) fn erased(tx: &mut Tx<'_>, row: i64, at: Timestamp) -> Result<(), Error> {
    tx.send(INSERT, &params![STEP_ERASED, row, 0, at])?;
    Ok(())
}

/// Notes that a message from a handset was erased, by its row.
pub(crate) fn inbound_erased(tx: &mut Tx<'_>, row: i64, at: Timestamp) -> Result<(), Error> {
    tx.send(INSERT, &params![INBOUND_ERASED, row, 0, at])?;
    Ok(())
}

fn many(tx: &mut Tx<'_>, sql: &str, rows: &[Vec<store::Value<'_>>]) -> Result<(), Error> {
    if !rows.is_empty() {
        tx.execute_many(sql, rows)?;
    }
    Ok(())
}

/// The oldest `most`.
pub(crate) fn read(
    tx: &mut Tx<'_>,
    engine: &Engine,
    _permit: &OrganisationPermit<cap::MessageContentRead>,
    most: usize,
) -> Result<Vec<News>, Error> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = tx.query(
        "SELECT n.id, n.kind, n.message, n.state, n.at, m.umid, m.workspace, m.client_ref, m.sender, m.destination, m.parts, m.error,
         m.receipt, m.reason, c.url, i.uid, i.workspace AS in_workspace, i.destination AS in_to, i.source AS in_from,
         i.body AS in_body, i.parts AS in_parts, i.coding AS in_coding, b.uid AS batch, b.client_ref AS batch_ref
         FROM (SELECT id, kind, message, state, at FROM message_news ORDER BY id LIMIT $1) n
         LEFT JOIN messages m ON n.kind IN (0, 2) AND m.id = n.message
         LEFT JOIN message_batches b ON b.number = m.batch
         LEFT JOIN message_callbacks c ON n.kind = 0 AND c.message = n.message
         LEFT JOIN inbound_messages i ON n.kind IN (1, 3) AND i.id = n.message ORDER BY n.id",
        &params![limit],
        sealed,
    )?;
    rows.into_iter().map(|row| row.open(tx, engine)).collect()
}

/// What the rows say before anything is opened.
struct Sealed {
    key: i64,
    message: i64,
    at: Timestamp,
    workspace: Option<WorkspaceId>,
    what: What,
}

enum What {
    Step { step: Box<SealedStep> },
    Inbound { id: InboundId, to: String, from: String, body: String, parts: i64, coding: Option<i64> },
    Erased { id: Uuid },
    Gone,
}

struct SealedStep {
    message: MessageId,
    state: State,
    client_ref: Option<String>,
    batch: Option<BatchId>,
    batch_ref: Option<String>,
    sender: String,
    destination: String,
    parts: i64,
    error: Option<String>,
    stat: Option<String>,
    reason: Option<String>,
    url: Option<String>,
}

fn sealed(row: &Row<'_>) -> Result<Sealed, store::Error> {
    let (key, message, at) = (row.get("id")?, row.get("message")?, row.get("at")?);
    let kind = row.get::<i64>("kind")?;
    if kind == STEP_ERASED || kind == INBOUND_ERASED {
        let (id, of) = if kind == STEP_ERASED { ("umid", "workspace") } else { ("uid", "in_workspace") };
        let what = row.get::<Option<Uuid>>(id)?.map_or(What::Gone, |id| What::Erased { id });
        return Ok(Sealed { key, message, at, workspace: row.get(of)?, what });
    }
    if kind == INBOUND {
        let what = match row.get::<Option<InboundId>>("uid")? {
            None => What::Gone,
            Some(id) => What::Inbound {
                id,
                to: row.get("in_to")?,
                from: row.get("in_from")?,
                body: row.get("in_body")?,
                parts: row.get("in_parts")?,
                coding: row.get("in_coding")?,
            },
        };
        return Ok(Sealed { key, message, at, workspace: row.get("in_workspace")?, what });
    }
    let what = match (row.get::<Option<MessageId>>("umid")?, State::from_code(row.get("state")?)) {
        (Some(message), Some(state)) => What::Step {
            step: Box::new(SealedStep {
                message,
                state,
                client_ref: row.get("client_ref")?,
                batch: row.get("batch")?,
                batch_ref: row.get("batch_ref")?,
                sender: row.get("sender")?,
                destination: row.get("destination")?,
                parts: row.get("parts")?,
                error: row.get("error")?,
                stat: row.get("receipt")?,
                reason: row.get("reason")?,
                url: row.get("url")?,
            }),
        },
        _ => What::Gone,
    };
    Ok(Sealed { key, message, at, workspace: row.get("workspace")?, what })
}

impl Sealed {
    fn open(self, tx: &mut Tx<'_>, engine: &Engine) -> Result<News, Error> {
        let what = match self.what.open(tx, engine, self.workspace) {
            Ok(what) => what,
            // The database failed: later. Anything else stays as it is for ever.
            Err(Error::Vault(vault::Error::Store(cause)) | Error::Store(cause)) => return Err(cause.into()),
            Err(_) => Told::Gone,
        };
        Ok(News { key: self.key, message: self.message, at: self.at, workspace: self.workspace, what })
    }
}

impl What {
    fn open(self, tx: &mut Tx<'_>, engine: &Engine, workspace: Option<WorkspaceId>) -> Result<Told, Error> {
        let text = |octets| String::from_utf8(octets).map_err(|_| Error::Corrupt("news"));
        let count = |parts| u32::try_from(parts).unwrap_or(1);
        match self {
            Self::Gone => Ok(Told::Gone),
            Self::Erased { id } => Ok(Told::Erased { id }),
            Self::Inbound { id, to, from, body, parts, coding } => {
                let uid = id.to_string();
                let from = open(tx, engine, workspace, "inbound_messages", "source", &uid, &from)?;
                let body = open(tx, engine, workspace, "inbound_messages", "body", &uid, &body)?;
                let (from, body, coding) = (text(from)?, text(body)?, crate::inbound::coding(coding));
                Ok(Told::Inbound { id, from, to, text: body, parts: count(parts), coding })
            }
            Self::Step { step } => {
                let id = step.message.to_string();
                let to = open(tx, engine, workspace, "messages", "destination", &id, &step.destination)?;
                let callback = match &step.url {
                    Some(url) => Some(text(open(tx, engine, workspace, "messages", "callback", &id, url)?)?),
                    None => None,
                };
                // What the row says of a failure belongs to the step that failed, not to the steps before it.
                let failed = step.state.is_failure();
                Ok(Told::Step(Box::new(Step {
                    message: step.message,
                    state: step.state,
                    client_ref: step.client_ref,
                    batch: step.batch,
                    batch_ref: step.batch_ref,
                    sender: step.sender,
                    to: Number::from_carrier(&text(to)?).map_err(|_| Error::Corrupt("destination"))?,
                    parts: count(step.parts),
                    error: step.error.filter(|_| failed),
                    stat: step.stat.filter(|_| failed),
                    reason: step.reason.filter(|_| failed),
                    callback,
                })))
            }
        }
    }
}

/// These are told. A message's own address goes with its last step.
pub(crate) fn told(
    tx: &mut Tx<'_>,
    _permit: &OrganisationPermit<cap::MessageContentRead>,
    news: &[News],
) -> Result<(), Error> {
    let rows: Vec<_> = news.iter().map(|one| Vec::from(params![one.key])).collect();
    many(tx, "DELETE FROM message_news WHERE id = $1", &rows)?;
    let last = news.iter().filter(|one| matches!(&one.what, Told::Step(step) if step.state.is_terminal()));
    let rows: Vec<_> = last.map(|one| Vec::from(params![one.message])).collect();
    many(tx, "DELETE FROM message_callbacks WHERE message = $1", &rows)
}
