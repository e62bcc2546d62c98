//! Messages written out as files: asked for, made by a job piece by piece, read by those who may read messages, gone after a month.
//!
//! How a line looks is the business of the room that gives [`Lines`]. Numbers are masked and texts are not in it, so the files hold no
//! more than every list shows; they lie sealed all the same.

use std::time::Duration;

use access::{Permit, cap};
use base::{Cursor, ExportId, Page, PageRequest, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use sms::Number;
use store::{Job, JobError, NewJob, Row, Tx, params};
use vault::{Aad, Purpose};

use crate::engine::Engine;
use crate::inbound::open;
use crate::messaging::Messaging;
use crate::model::{InboundSummary, Summary};
use crate::{Error, reads};

/// The job that makes them.
pub(crate) const JOB: &str = "messaging.export";
/// How long they are kept.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// Rows looked at in one transaction.
const WINDOW: u32 = 1_000;
/// Windows of one run of the job.
const WINDOWS: usize = 200;
/// Pieces of one file.
pub const FILE: i64 = 50;
/// Messages in one export at most.
const MOST: i64 = 5_000_000;
/// Exports of a workspace that may be under way.
const UNDER_WAY: i64 = 5;

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportState {
    /// Waits for its turn.
    Queued,
    /// Is being made.
    Running,
    /// Can be read.
    Succeeded,
    /// Came to nothing; the reason says why.
    Failed,
    /// Held nothing.
    Empty,
}

impl ExportState {
    const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Empty];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Empty => "empty",
        }
    }

    const fn code(self) -> i64 {
        self as i64
    }

    fn from_code(code: i64) -> Option<Self> {
        usize::try_from(code).ok().and_then(|place| Self::ALL.get(place).copied())
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct NewExport {
    /// Accepted or received at or after this.
    pub from: Timestamp,
    /// Before this.
    pub until: Timestamp,
    /// To or from this number.
    pub number: Option<Number>,
    /// Only of these countries; of all when empty.
    pub countries: Vec<String>,
    /// At most so many; all when 0.
    pub limit: u32,
}

/// An export.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// How far it is.
    pub state: ExportState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// By whom, as kind and id.
    pub requested_by: String,
    /// Accepted or received at or after this.
    pub from: Timestamp,
    /// Before this.
    pub until: Timestamp,
    /// Messages written so far.
    pub found: u32,
    /// Files that can be read.
    pub files: u32,
    /// When it is gone.
    pub expires_at: Timestamp,
    /// Why it came to nothing.
    pub reason: Option<String>,
}

/// One message of an export.
#[derive(Debug)]
pub enum Exported<'a> {
    /// One that went out.
    Out(&'a Summary),
    /// One that came in.
    In(&'a InboundSummary),
}

/// How files are written: the first line, and one for each message with the workspace's short name.
#[derive(Clone, Copy)]
pub struct Lines {
    /// The first line, with its end.
    pub head: &'static str,
    /// The line of a message, with its end.
    pub line: fn(&str, &Exported<'_>) -> String,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lines(…)")
    }
}

#[derive(Serialize, Deserialize)]
struct Wanted {
    export: ExportId,
}

const COLUMNS: &str = "number, uid, workspace, requested_by, created_at, state, from_at, until_at, sought, countries, most, phase, \
     at_row, found, pieces, expires_at, reason";

struct Stored {
    number: i64,
    workspace: WorkspaceId,
    sought: Option<String>,
    countries: String,
    most: i64,
    phase: i64,
    at_row: i64,
    found: i64,
    pieces: i64,
    export: Export,
}

fn read(row: &Row<'_>) -> Result<Stored, store::Error> {
    let state = ExportState::from_code(row.get("state")?)
        .ok_or_else(|| store::Error::Decode { column: "state".to_owned(), expected: "a state" })?;
    let (found, pieces) = (row.get::<i64>("found")?, row.get::<i64>("pieces")?);
    Ok(Stored {
        number: row.get("number")?,
        workspace: row.get("workspace")?,
        sought: row.get("sought")?,
        countries: row.get("countries")?,
        most: row.get("most")?,
        phase: row.get("phase")?,
        at_row: row.get("at_row")?,
        found,
        pieces,
        export: Export {
            id: row.get("uid")?,
            state,
            created_at: row.get("created_at")?,
            requested_by: row.get("requested_by")?,
            from: row.get("from_at")?,
            until: row.get("until_at")?,
            found: u32::try_from(found).unwrap_or(u32::MAX),
            files: match state {
                ExportState::Succeeded => u32::try_from((pieces + FILE - 1) / FILE).unwrap_or(0),
                _ => 0,
            },
            expires_at: row.get("expires_at")?,
            reason: row.get("reason")?,
        },
    })
}

/// Asks for one; audited.
pub(crate) fn start(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessagesRead>,
    new: &NewExport,
) -> Result<ExportId, Error> {
    let (now, workspace) = (tx.now(), permit.workspace());
    if new.from >= new.until {
        return Err(Error::NoTime);
    }
    tx.lock("messaging.exports")?;
    let under_way = tx.query_one(
        "SELECT COUNT(*) FROM message_exports WHERE workspace = $1 AND state < 2",
        &params![workspace],
        |row| row.get::<i64>(0),
    )?;
    if under_way >= UNDER_WAY {
        return Err(Error::TooManyExports);
    }
    let id: ExportId = engine.ctx.id();
    let row = id.to_string();
    let key = engine.vault.data_key(tx, Some(workspace), Purpose::Messages, now)?;
    let sealed = new.number.as_ref().map(|number| {
        let aad = Aad { table: "message_exports", column: "sought", row: &row };
        key.seal(engine.ctx.chance(), &aad, number.digits().as_bytes())
    });
    let number = tx.next_number("messaging.exports")?;
    let first = reads::about(tx, workspace, new.from)?;
    tx.execute(
        "INSERT INTO message_exports (number, uid, workspace, requested_by, created_at, state, from_at, until_at, sought, countries,
         most, phase, at_row, found, pieces, expires_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10, 0, $11, 0, 0, $12)",
        &params![
            number,
            id,
            workspace,
            permit.actor().principal.key(),
            now,
            new.from,
            new.until,
            sealed,
            new.countries.join(","),
            i64::from(new.limit),
            first,
            now.plus(KEPT)
        ],
    )?;
    enqueue(tx, id)?;
    record(tx, permit, "message.export", id, &format!("messages from {} to {}", new.from, new.until))?;
    Ok(id)
}

fn enqueue(tx: &mut Tx<'_>, export: ExportId) -> Result<(), Error> {
    let payload = serde_json::to_value(Wanted { export }).map_err(|_| Error::Corrupt("job"))?;
    let run_at = tx.now();
    Ok(tx.enqueue(NewJob { kind: JOB, key: None, payload: &payload, run_at })?)
}

fn record(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesRead>,
    action: &'static str,
    id: ExportId,
    reason: &str,
) -> Result<(), Error> {
    let target = id.to_string();
    audit::record(
        tx,
        audit::Entry {
            actor: permit.actor(),
            workspace: Some(permit.workspace()),
            action,
            target: ("export", &target),
            outcome: audit::Outcome::Success,
            reason: Some(reason),
            changes: None,
        },
    )?;
    Ok(())
}

fn stored(tx: &mut Tx<'_>, workspace: WorkspaceId, id: ExportId) -> Result<Option<Stored>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM message_exports WHERE uid = $1 AND workspace = $2");
    Ok(tx.query_opt(&sql, &params![id, workspace], read)?)
}

/// One of the workspace.
pub(crate) fn get(tx: &mut Tx<'_>, permit: &Permit<cap::MessagesRead>, id: ExportId) -> Result<Option<Export>, Error> {
    Ok(stored(tx, permit.workspace(), id)?.map(|stored| stored.export))
}

/// Those of the workspace, the newest first.
pub(crate) fn list(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::MessagesRead>,
    page: &PageRequest,
) -> Result<Page<Export>, Error> {
    let before = match &page.after {
        Some(Cursor(text)) => text.parse::<i64>().map_err(|_| Error::Cursor)?,
        None => i64::MAX,
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM message_exports WHERE workspace = $1 AND number < $2 ORDER BY number DESC LIMIT $3"
    );
    let rows = tx.query(&sql, &params![permit.workspace(), before, i64::from(page.limit()) + 1], read)?;
    let page = Page::from_overread(rows, page, |stored| stored.number.to_string());
    Ok(Page { items: page.items.into_iter().map(|stored| stored.export).collect(), next: page.next })
}

/// Removes it with its files, or stops it; audited.
pub(crate) fn delete(tx: &mut Tx<'_>, permit: &Permit<cap::MessagesRead>, id: ExportId) -> Result<(), Error> {
    let stored = stored(tx, permit.workspace(), id)?.ok_or(Error::NoSuchExport)?;
    tx.execute("DELETE FROM message_export_pieces WHERE export = $1", &params![stored.number])?;
    tx.execute("DELETE FROM message_exports WHERE number = $1", &params![stored.number])?;
    record(tx, permit, "message.export.delete", id, "the files are gone")
}

/// Piece `piece` of file `file` (from 0), opened; `None` behind the last.
pub(crate) fn piece(
    tx: &mut Tx<'_>,
    engine: &Engine,
    permit: &Permit<cap::MessagesRead>,
    id: ExportId,
    (file, piece): (u32, i64),
) -> Result<Option<String>, Error> {
    let stored = stored(tx, permit.workspace(), id)?.ok_or(Error::NoSuchExport)?;
    if stored.export.state != ExportState::Succeeded || file >= stored.export.files || piece >= FILE {
        return Ok(None);
    }
    let place = i64::from(file) * FILE + piece;
    let sealed = tx.query_opt(
        "SELECT body FROM message_export_pieces WHERE export = $1 AND piece = $2",
        &params![stored.number, place],
        |row| row.get::<String>(0),
    )?;
    let Some(sealed) = sealed else { return Ok(None) };
    let row = format!("{id}/{place}");
    let body = open(tx, engine, Some(stored.workspace), "message_export_pieces", "body", &row, &sealed)?;
    String::from_utf8(body).map(Some).map_err(|_| Error::Corrupt("body"))
}

/// Removes what is older than it should be.
pub(crate) fn forget(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM message_export_pieces WHERE export IN (SELECT number FROM message_exports WHERE expires_at <= $1)",
        &params![now],
    )?;
    tx.execute("DELETE FROM message_exports WHERE expires_at <= $1", &params![now])?;
    Ok(())
}

/// What a window came to.
struct Window {
    text: String,
    found: i64,
    phase: i64,
    at_row: i64,
    over: bool,
}

/// One run of the job: some windows, and itself again when there is more.
pub(crate) async fn work(messaging: Messaging, lines: Lines, job: Job) -> Result<(), JobError> {
    let Wanted { export } = job.parse()?;
    let db = messaging.engine().db.clone();
    for turn in 0..WINDOWS {
        let reading = messaging.clone();
        let looked = db
            .read(move |tx| {
                let sql = format!("SELECT {COLUMNS} FROM message_exports WHERE uid = $1 AND state < 2");
                let Some(stored) = tx.query_opt(&sql, &params![export], read)? else { return Ok(None) };
                let window = window(tx, reading.engine(), &stored, lines)?;
                Ok::<_, Error>(Some((stored, window)))
            })
            .await?;
        // Deleted meanwhile, or made.
        let Some((stored, window)) = looked else { break };
        let (over, last) = (window.over, turn + 1 == WINDOWS);
        let (writing, finish) = (messaging.clone(), job.clone());
        db.write_bulk(move |tx| {
            write(tx, writing.engine(), &stored, &window, lines)?;
            if over || last {
                finish.finish(tx)?;
                if !over {
                    enqueue(tx, export)?;
                }
            }
            Ok::<_, Error>(())
        })
        .await?;
        if over || last {
            return Ok(());
        }
    }
    db.write(move |tx| Ok::<_, Error>(job.finish(tx)?)).await?;
    Ok(())
}

fn window(tx: &mut Tx<'_>, engine: &Engine, stored: &Stored, lines: Lines) -> Result<Window, Error> {
    let slug = access::workspace(tx, stored.workspace)?.map(|found| found.slug.to_string()).unwrap_or_default();
    let number = match &stored.sought {
        Some(sealed) => {
            let row = stored.export.id.to_string();
            Some(open(tx, engine, Some(stored.workspace), "message_exports", "sought", &row, sealed)?)
        }
        None => None,
    };
    let number = number.map(|digits| String::from_utf8(digits).map_err(|_| Error::Corrupt("sought"))).transpose()?;
    let blinds: Option<Vec<Vec<u8>>> = match number {
        Some(digits) => {
            let keys = engine.vault.index_keys(tx, Some(stored.workspace))?;
            Some(keys.into_iter().map(|(_, key)| key.index(&digits).0.to_vec()).collect())
        }
        None => None,
    };
    let countries: Vec<&str> = stored.countries.split(',').filter(|country| !country.is_empty()).collect();
    let fits =
        |country: Option<&str>| countries.is_empty() || country.is_some_and(|country| countries.contains(&country));
    let room = match stored.most {
        0 => i64::MAX,
        most => most - stored.found,
    };
    let span = (stored.export.from, stored.export.until);
    let after = (stored.at_row, WINDOW);
    let mut window =
        Window { text: String::new(), found: 0, phase: stored.phase, at_row: stored.at_row, over: room <= 0 };
    let mut last = stored.at_row;
    let mut take = |row: i64, at: Timestamp, country: Option<&str>, message: &Exported<'_>| {
        window.at_row = row;
        if at >= span.0 && at < span.1 && fits(country) && window.found < room {
            window.text.push_str(&(lines.line)(&slug, message));
            window.found += 1;
        }
    };
    let seen = if stored.phase == 0 {
        let rows = reads::outbound_after(tx, engine, stored.workspace, after, blinds.as_deref())?;
        for (row, message) in &rows {
            match message {
                Some(message) => take(*row, message.created_at, message.country.as_deref(), &Exported::Out(message)),
                None => last = last.max(*row),
            }
        }
        rows.len()
    } else {
        let rows = reads::inbound_after(tx, engine, stored.workspace, after, blinds.as_deref())?;
        for (row, message) in &rows {
            match message {
                Some(message) => take(*row, message.at, message.country.as_deref(), &Exported::In(message)),
                None => last = last.max(*row),
            }
        }
        rows.len()
    };
    window.at_row = window.at_row.max(last);
    let past = window.phase == 0 && window.at_row > reads::ceiling(tx, stored.workspace, span.1)?;
    if seen < WINDOW as usize || past {
        if window.phase == 0 {
            (window.phase, window.at_row) = (1, 0);
        } else {
            window.over = true;
        }
    }
    window.over |= window.found >= room;
    Ok(window)
}

fn write(tx: &mut Tx<'_>, engine: &Engine, stored: &Stored, window: &Window, lines: Lines) -> Result<(), Error> {
    let found = stored.found + window.found;
    let pieces = stored.pieces + i64::from(window.found > 0);
    let (state, reason) = match (window.over, found) {
        (_, found) if found > MOST => {
            (ExportState::Failed, Some("It holds more than 5,000,000 messages; ask for a shorter time.".to_owned()))
        }
        (true, 0) => (ExportState::Empty, None),
        (true, _) => (ExportState::Succeeded, None),
        (false, _) => (ExportState::Running, None),
    };
    // Another run may have been quicker: then this one wrote nothing.
    let changed = tx.execute(
        "UPDATE message_exports SET state = $2, phase = $3, at_row = $4, found = $5, pieces = $6, reason = $7
         WHERE number = $1 AND phase = $8 AND at_row = $9 AND state < 2",
        &params![
            stored.number,
            state.code(),
            window.phase,
            window.at_row,
            found,
            pieces,
            reason,
            stored.phase,
            stored.at_row
        ],
    )?;
    if changed > 0 && window.found > 0 {
        let now = tx.now();
        let key = engine.vault.data_key(tx, Some(stored.workspace), Purpose::Messages, now)?;
        let row = format!("{}/{}", stored.export.id, stored.pieces);
        let aad = Aad { table: "message_export_pieces", column: "body", row: &row };
        let head = if stored.pieces % FILE == 0 { lines.head } else { "" };
        let body = key.seal(engine.ctx.chance(), &aad, format!("{head}{}", window.text).as_bytes());
        tx.execute(
            "INSERT INTO message_export_pieces (export, piece, body) VALUES ($1, $2, $3)",
            &params![stored.number, stored.pieces, body],
        )?;
    }
    tx.touched(store::Changed { workspace: Some(stored.workspace), topic: crate::TOPIC, id: "*".to_owned() });
    Ok(())
}
