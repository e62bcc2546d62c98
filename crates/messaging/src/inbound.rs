//! Messages from handsets: on disk before the carrier is answered, long ones joined, each given to the workspace
//! whose message last went from that address to that handset.

use std::sync::Arc;
use std::time::Duration;

use base::{InboundId, Timestamp, WorkspaceId};
use routing::Sender;
use sms::{Coding, Concat};
use store::{Tx, params};
use vault::{Aad, Month, Purpose};

use crate::carrier::Inbound;
use crate::engine::Engine;
use crate::model::InboundArrived;
use crate::numbers::segment;
use crate::probe::newest_row;
use crate::{Error, INBOUND};

/// How long the parts of a long message may be apart.
const PATIENCE: Duration = Duration::from_mins(10);
/// Long messages that may be open for one carrier; beyond it a part stands alone.
const OPEN: i64 = 1_000;
/// Parts that are waited for; of a longer message each part stands alone. The protocol allows 255, people do not write so much.
const MOST_PARTS: u8 = 10;
/// Segments searched for a conversation, from the newest, and how many at once.
const SEGMENTS: i64 = 8_192;
const STRIDE: i64 = 256;
/// What stands for parts that never came.
const GAP: &str = "[…]";

/// A message complete enough to be given to somebody.
struct Whole {
    carrier: Arc<str>,
    from: String,
    to: String,
    text: String,
    coding: Coding,
    parts: i64,
    missing: i64,
    at: Timestamp,
    thread: Option<Vec<u8>>,
    pieces: Option<Pieces>,
}

/// The parts of a long message as a handset sent them.
#[derive(Clone, PartialEq, Eq)]
pub struct Pieces {
    /// SMPP's `data_coding`.
    pub data_coding: u8,
    /// Each with its user data header, in order; those that never came are not here.
    pub parts: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Pieces {
    /// Without the octets: they are a text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}

impl Pieces {
    /// What is sealed: the coding, then each part behind its length.
    fn write(&self) -> Vec<u8> {
        let mut octets = vec![self.data_coding];
        for part in &self.parts {
            octets.extend_from_slice(&u16::try_from(part.len()).unwrap_or(0).to_be_bytes());
            octets.extend_from_slice(part);
        }
        octets
    }

    /// As it was sealed.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let (data_coding, mut rest) = octets.split_first()?;
        let mut parts = Vec::new();
        while let [high, low, after @ ..] = rest {
            let (part, next) = after.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
            parts.push(part.to_vec());
            rest = next;
        }
        Some(Self { data_coding: *data_coding, parts })
    }
}

/// Takes one short message. Returns after the commit.
pub(crate) async fn arrived(engine: &Arc<Engine>, inbound: Inbound) -> Result<(), Error> {
    let at = engine.ctx.now();
    let (from, to) = (address(&inbound.from), address(&inbound.to));
    let concat = inbound.message.udh.concat().filter(|concat| (2..=MOST_PARTS).contains(&concat.total));
    let whole = match concat {
        None => Whole {
            text: inbound.message.text(),
            coding: inbound.coding(),
            carrier: inbound.carrier,
            from,
            to,
            parts: 1,
            missing: 0,
            at,
            thread: None,
            pieces: None,
        },
        Some(concat) => match part(engine, inbound, concat, from, to, at).await? {
            Some(whole) => whole,
            None => return Ok(()),
        },
    };
    deliver(engine, whole).await
}

/// An address in one form: digits without plus sign, or the name as it came.
fn address(text: &str) -> String {
    let text = text.trim();
    text.parse::<Sender>().map_or_else(|_| text.chars().take(32).collect(), String::from)
}

/// Stores a part; the whole message when it was the last one missing.
async fn part(
    engine: &Arc<Engine>,
    inbound: Inbound,
    concat: Concat,
    from: String,
    to: String,
    at: Timestamp,
) -> Result<Option<Whole>, Error> {
    let shared = Arc::clone(engine);
    let carrier = Arc::clone(&inbound.carrier);
    let (thread, complete) =
        engine.db.write(move |tx| store_part(tx, &shared, &inbound, concat, &from, &to, at)).await?;
    if complete { open_thread(engine, carrier, thread).await } else { Ok(None) }
}

fn store_part(
    tx: &mut Tx<'_>,
    engine: &Engine,
    inbound: &Inbound,
    concat: Concat,
    from: &str,
    to: &str,
    at: Timestamp,
) -> Result<(Vec<u8>, bool), Error> {
    let carrier = &*inbound.carrier;
    let name = format!("{carrier}|{from}|{to}|{}|{}|{}", concat.reference, concat.wide, concat.total);
    // The key of the index changes with the month; what began before midnight goes on under its own.
    let mut thread = engine.vault.blind_index(tx, None, at.minus(PATIENCE), &name)?.0.to_vec();
    let begun = "SELECT COUNT(*) FROM inbound_parts WHERE thread = $1";
    if tx.query_one(begun, &params![&thread], |row| row.get::<i64>(0))? == 0 {
        thread = engine.vault.blind_index(tx, None, at, &name)?.0.to_vec();
    }
    let known = tx.query_one(begun, &params![&thread], |row| row.get::<i64>(0))?;
    if known == 0 {
        let open = "SELECT COUNT(DISTINCT thread) FROM inbound_parts WHERE carrier = $1";
        if tx.query_one(open, &params![carrier], |row| row.get::<i64>(0))? >= OPEN {
            // Bounded (fault F-20): a flood of beginnings must not fill the table. This part waits alone.
            thread.push(concat.sequence);
        }
    }
    let uid = engine.ctx.id::<InboundId>().to_string();
    let key = engine.vault.data_key(tx, None, Purpose::Messages, at)?;
    let seal =
        |column, plain: &[u8]| key.seal(engine.ctx.chance(), &Aad { table: "inbound_parts", column, row: &uid }, plain);
    let (source, payload) = (seal("source", from.as_bytes()), seal("payload", &inbound.message.payload));
    // The same part again changes nothing: its carrier did not hear our answer.
    tx.execute(
        "INSERT INTO inbound_parts (thread, sequence, total, coding, carrier, destination, received_at, uid, source, payload,
         header) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (thread, sequence) DO NOTHING",
        &params![
            &thread,
            i64::from(concat.sequence),
            i64::from(concat.total),
            i64::from(inbound.coding().data_coding()),
            carrier,
            to,
            at,
            &uid,
            source,
            payload,
            inbound.message.udh.octets()
        ],
    )?;
    let have = tx.query_one(begun, &params![&thread], |row| row.get::<i64>(0))?;
    Ok((thread, have >= i64::from(concat.total)))
}

struct StoredPart {
    sequence: i64,
    total: i64,
    coding: i64,
    destination: String,
    received_at: Timestamp,
    uid: String,
    source: String,
    payload: String,
    header: Option<Vec<u8>>,
}

/// Joins what there is of a thread.
async fn open_thread(engine: &Arc<Engine>, carrier: Arc<str>, thread: Vec<u8>) -> Result<Option<Whole>, Error> {
    let shared = Arc::clone(engine);
    engine
        .db
        .read(move |tx| {
            let parts = tx.query(
                "SELECT sequence, total, coding, destination, received_at, uid, source, payload, header FROM inbound_parts
                 WHERE thread = $1 ORDER BY sequence",
                &params![&thread],
                |row| {
                    Ok(StoredPart {
                        sequence: row.get("sequence")?,
                        total: row.get("total")?,
                        coding: row.get("coding")?,
                        destination: row.get("destination")?,
                        received_at: row.get("received_at")?,
                        uid: row.get("uid")?,
                        source: row.get("source")?,
                        payload: row.get("payload")?,
                        header: row.get("header")?,
                    })
                },
            )?;
            join(tx, &shared, Arc::clone(&carrier), thread.clone(), &parts)
        })
        .await
}

fn join(
    tx: &mut Tx<'_>,
    engine: &Engine,
    carrier: Arc<str>,
    thread: Vec<u8>,
    parts: &[StoredPart],
) -> Result<Option<Whole>, Error> {
    // Somebody else joined it meanwhile.
    let Some(first) = parts.first() else { return Ok(None) };
    let coding = Coding::from_data_coding(u8::try_from(first.coding).unwrap_or(0));
    // Octets are joined before they are read: a careless handset cuts through pairs.
    let (mut text, mut octets, mut next) = (String::new(), Vec::new(), 1);
    let mut pieces = Pieces { data_coding: coding.data_coding(), parts: Vec::new() };
    for part in parts {
        let payload = open(tx, engine, None, "inbound_parts", "payload", &part.uid, &part.payload)?;
        if part.sequence != next {
            text.push_str(&sms::decode(coding, &octets));
            text.push_str(GAP);
            octets.clear();
        }
        octets.extend_from_slice(&payload);
        if let Some(header) = &part.header {
            pieces.parts.push([header.as_slice(), &payload].concat());
        }
        next = part.sequence + 1;
    }
    text.push_str(&sms::decode(coding, &octets));
    if next <= first.total {
        text.push_str(GAP);
    }
    let from = open(tx, engine, None, "inbound_parts", "source", &first.uid, &first.source)?;
    let have = i64::try_from(parts.len()).unwrap_or(i64::MAX);
    Ok(Some(Whole {
        carrier,
        from: String::from_utf8_lossy(&from).into_owned(),
        to: first.destination.clone(),
        text,
        coding,
        parts: first.total,
        missing: (first.total - have).max(0),
        at: parts.iter().map(|part| part.received_at).max().unwrap_or(first.received_at),
        thread: Some(thread),
        pieces: Some(pieces).filter(|pieces| !pieces.parts.is_empty()),
    }))
}

pub(crate) fn open(
    tx: &mut Tx<'_>,
    engine: &Engine,
    workspace: Option<WorkspaceId>,
    table: &'static str,
    column: &'static str,
    row: &str,
    sealed: &str,
) -> Result<Vec<u8>, Error> {
    Ok(engine.vault.open(tx, workspace, &Aad { table, column, row }, sealed)?.to_vec())
}

/// The coding in a row.
pub(crate) fn coding(code: Option<i64>) -> Option<Coding> {
    code.and_then(|code| u8::try_from(code).ok()).map(Coding::from_data_coding)
}

/// Finds whose it is, stores it and tells who listens.
async fn deliver(engine: &Arc<Engine>, whole: Whole) -> Result<(), Error> {
    let remembered = engine.conversation(&whole.carrier, &whole.to, &whole.from);
    let workspace = if remembered.is_some() {
        remembered
    } else {
        let shared = Arc::clone(engine);
        let (carrier, ours, handset, at) = (Arc::clone(&whole.carrier), whole.to.clone(), whole.from.clone(), whole.at);
        let find = move |tx: &mut Tx<'_>| match conversation(tx, &shared, &carrier, &ours, &handset, at)? {
            Some(workspace) => Ok(Some(workspace)),
            None => Ok::<_, Error>(shared.address_owner(tx, &carrier, &ours)?),
        };
        engine.db.read(find).await?
    };
    let shared = Arc::clone(engine);
    engine.db.write(move |tx| store_whole(tx, &shared, &whole, workspace)).await
}

/// The workspace whose message went last from `ours` to `handset` by `carrier`, from the table: a look into each
/// segment for each workspace and month, the newest segments first.
fn conversation(
    tx: &mut Tx<'_>,
    engine: &Engine,
    carrier: &str,
    ours: &str,
    handset: &str,
    at: Timestamp,
) -> Result<Option<WorkspaceId>, Error> {
    let month = Month::of(at).number();
    let mut looks = Vec::new();
    for workspace in access::workspaces(tx)? {
        for (of, key) in engine.vault.index_keys(tx, Some(workspace.id))? {
            if of.number() + 1 >= month {
                looks.push((workspace.id, key.index(handset)));
            }
        }
    }
    let newest = segment(newest_row(tx)?);
    let mut upper = newest;
    while upper >= 0 && newest - upper < SEGMENTS {
        let mut latest: Option<(i64, WorkspaceId)> = None;
        for (workspace, blind) in &looks {
            let row = tx.query_one(
                "WITH RECURSIVE s(n) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT n - 1 FROM s WHERE n > $2)
                 SELECT MAX(m.id) FROM s CROSS JOIN messages m WHERE m.segment = s.n AND m.blind = $3 AND m.carrier = $4
                 AND m.sender = $5 AND m.workspace = $6",
                &params![upper, (upper - STRIDE + 1).max(0), *blind, carrier, ours, *workspace],
                |row| row.get::<Option<i64>>(0),
            )?;
            latest = latest.max(row.map(|row| (row, *workspace)));
        }
        if let Some((_, workspace)) = latest {
            return Ok(Some(workspace));
        }
        upper -= STRIDE;
    }
    Ok(None)
}

fn store_whole(tx: &mut Tx<'_>, engine: &Engine, whole: &Whole, workspace: Option<WorkspaceId>) -> Result<(), Error> {
    if let Some(thread) = &whole.thread
        && tx.execute("DELETE FROM inbound_parts WHERE thread = $1", &params![thread])? == 0
    {
        // Joined already, by the sweeper or for a repeated part.
        return Ok(());
    }
    let id: InboundId = engine.ctx.id();
    let uid = id.to_string();
    let key = engine.vault.data_key(tx, workspace, Purpose::Messages, whole.at)?;
    let seal = |column, plain: &[u8]| {
        key.seal(engine.ctx.chance(), &Aad { table: "inbound_messages", column, row: &uid }, plain)
    };
    let (source, body) = (seal("source", whole.from.as_bytes()), seal("body", whole.text.as_bytes()));
    let pieces = whole.pieces.as_ref().map(|pieces| seal("pieces", &pieces.write()));
    let blind = engine.vault.blind_index(tx, workspace, whole.at, &whole.from)?;
    let row = tx.next_number("messaging.inbound")?;
    tx.execute(
        "INSERT INTO inbound_messages (id, uid, segment, workspace, carrier, destination, parts, missing_parts, received_at,
         blind, source, body, pieces, coding) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &params![
            row,
            &uid,
            segment(row),
            workspace,
            &*whole.carrier,
            &whole.to,
            whole.parts,
            whole.missing,
            whole.at,
            blind,
            source,
            body,
            pieces,
            i64::from(whole.coding.data_coding())
        ],
    )?;
    let arrived = InboundArrived {
        inbound: id,
        workspace,
        carrier: whole.carrier.to_string(),
        to: whole.to.clone(),
        at: whole.at,
    };
    tx.publish(INBOUND, &serde_json::to_value(&arrived).map_err(|_| Error::Corrupt("event"))?)?;
    if workspace.is_some_and(|workspace| engine.listens(workspace)) {
        crate::news::arrived(tx, row, whole.at)?;
    }
    tx.touched(store::Changed { workspace, topic: crate::INBOUND_TOPIC, id: uid });
    Ok(())
}

/// Gives away long messages whose other parts never came, and those that a crash left complete but not joined.
pub(crate) async fn sweep(engine: &Arc<Engine>) -> Result<(), Error> {
    let now = engine.ctx.now();
    let threads = engine
        .db
        .read(move |tx| {
            tx.query(
                "SELECT thread, carrier FROM inbound_parts GROUP BY thread, carrier
                 HAVING MIN(received_at) <= $1 OR (COUNT(*) >= MAX(total) AND MAX(received_at) <= $2) LIMIT 500",
                &params![now.minus(PATIENCE), now.minus(Duration::from_secs(15))],
                |row| Ok((row.get::<Vec<u8>>(0)?, row.get::<String>(1)?)),
            )
        })
        .await?;
    for (thread, carrier) in threads {
        if let Some(whole) = open_thread(engine, carrier.into(), thread).await? {
            deliver(engine, whole).await?;
        }
    }
    Ok(())
}
