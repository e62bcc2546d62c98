//! Reading the activity log: pages of it, narrowed and searched, and one line with what came of it.

use std::time::Duration;

use base::{Cursor, Page, PageRequest, SignalId, WorkspaceId};
use store::{Row, Tx, Value, params};
use vault::Vault;

use crate::error::Error;
use crate::summary;
use crate::types::{Activity, Door, Filter, SignalState};

/// Lines that one search looks at; the next page goes on behind them.
const LOOKED_AT: u32 = 5_000;
/// Lines that a search reads at a time.
const STRETCH: u32 = 500;
/// Replays named with a signal.
const REPLAYS: u32 = 20;
/// How far a line's id may have been drawn from when it was received.
pub(crate) const AROUND: Duration = Duration::from_mins(10);

const ACTIVITY: &str =
    "SELECT s.id, s.workspace, s.integration, i.name AS integration_name, s.received, s.state, s.status, s.door, s.method,
    s.sender, s.source, s.user_agent, s.content_type, s.bytes, s.count, s.events, s.reason, s.took, s.handled, s.summary,
    s.replay_of FROM signals s LEFT JOIN integrations i ON i.id = s.integration";

/// A line with what is still sealed in it.
struct Sealed {
    line: Activity,
    workspace: Option<WorkspaceId>,
    summary: Option<String>,
    content_type: Option<String>,
}

fn sealed_of(row: &Row<'_>) -> Result<Sealed, store::Error> {
    let number = |name: &str| row.get::<i64>(name).map(|value| u64::try_from(value).unwrap_or_default());
    let line = Activity {
        id: row.get("id")?,
        integration: row.get("integration")?,
        integration_name: row.get("integration_name")?,
        at: row.get("received")?,
        state: SignalState::read(&row.get::<String>("state")?),
        status: u16::try_from(number("status")?).unwrap_or_default(),
        door: Door::read(&row.get::<String>("door")?),
        method: row.get("method")?,
        sender: row.get("sender")?,
        source: row.get("source")?,
        user_agent: row.get("user_agent")?,
        bytes: number("bytes")?,
        count: number("count")?,
        events: u32::try_from(number("events")?).unwrap_or_default(),
        summary: None,
        key: None,
        replay_of: row.get("replay_of")?,
        reason: row.get("reason")?,
        took: Duration::from_micros(number("took")?),
        handled: row.get("handled")?,
    };
    Ok(Sealed {
        line,
        workspace: row.get("workspace")?,
        summary: row.get("summary")?,
        content_type: row.get("content_type")?,
    })
}

impl Sealed {
    fn open(self, tx: &mut Tx<'_>, vault: &Vault) -> Result<Activity, Error> {
        let mut line = self.line;
        if let Some((sealed, workspace)) = self.summary.zip(self.workspace)
            && let Some(summary) = summary::open(tx, vault, workspace, line.id, &sealed)?
        {
            line.summary = Some(summary.title);
            line.key = summary.key;
        }
        Ok(line)
    }
}

/// The condition of a filter, but for the search.
struct Condition {
    sql: String,
    values: Vec<Value<'static>>,
}

impl Condition {
    fn of(workspace: Option<WorkspaceId>, filter: &Filter) -> Self {
        let mut all = Self { sql: String::new(), values: Vec::new() };
        match workspace {
            Some(workspace) => all.add("s.workspace = ?", workspace.into()),
            None => all.sql.push_str(" WHERE s.workspace IS NULL"),
        }
        if let Some(integration) = filter.integration {
            all.add("s.integration = ?", integration.into());
        }
        if let Some(state) = filter.state {
            all.add("s.state = ?", state.as_str().into());
        }
        if let Some(door) = filter.door {
            all.add("s.door = ?", door.as_str().into());
        }
        // The exact time, and the stretch of ids around it, which is what the indexes know.
        if let Some(since) = filter.since {
            all.add("s.received >= ?", since.into());
            all.add("s.id >= ?", since.minus(AROUND).first_id::<SignalId>().into());
        }
        if let Some(until) = filter.until {
            all.add("s.received < ?", until.into());
            all.add("s.id < ?", until.plus(AROUND).first_id::<SignalId>().into());
        }
        all
    }

    fn add(&mut self, condition: &str, value: Value<'static>) {
        self.values.push(value);
        let word = if self.sql.is_empty() { " WHERE " } else { " AND " };
        self.sql.push_str(word);
        self.sql.push_str(&condition.replace('?', &format!("${}", self.values.len())));
    }

    /// Up to `limit` lines after a cursor, newest first.
    fn read(&self, tx: &mut Tx<'_>, after: Option<&str>, limit: u32) -> Result<Vec<Sealed>, Error> {
        let mut values = self.values.clone();
        let mut sql = format!("{ACTIVITY}{}", self.sql);
        if let Some(after) = after {
            values.push(after.to_owned().into());
            sql = format!("{sql} AND s.id < ${}", values.len());
        }
        sql = format!("{sql} ORDER BY s.id DESC LIMIT {limit}");
        Ok(tx.query(&sql, &values, sealed_of)?)
    }
}

/// A page of activity, newest first. Without a workspace: what strangers sent to integrations that do not exist.
pub(crate) fn list(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: Option<WorkspaceId>,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Activity>, Error> {
    let condition = Condition::of(workspace, filter);
    let after = page.after.as_ref().map(|cursor| cursor.0.as_str());
    if after.is_some_and(|after| after.parse::<SignalId>().is_err()) {
        return Err(Error::Cursor);
    }
    let search = filter.search.as_deref().map(str::trim).filter(|search| !search.is_empty());
    if let Some(search) = search {
        return found(tx, vault, &condition, &Words::of(search), page, after);
    }
    let mut items = Vec::new();
    for sealed in condition.read(tx, after, page.limit() + 1)? {
        items.push(sealed.open(tx, vault)?);
    }
    Ok(Page::from_overread(items, page, |line| line.id.to_string()))
}

/// A page of what has all the words. What is searched lies sealed, so lines are opened one after the other; a page stops
/// after [`LOOKED_AT`] of them, and can then be short and still have a next one.
fn found(
    tx: &mut Tx<'_>,
    vault: &Vault,
    condition: &Condition,
    words: &Words,
    page: &PageRequest,
    after: Option<&str>,
) -> Result<Page<Activity>, Error> {
    let mut items: Vec<Activity> = Vec::new();
    let mut last = after.map(str::to_owned);
    let mut looked_at = 0;
    while looked_at < LOOKED_AT {
        let stretch = condition.read(tx, last.as_deref(), STRETCH)?;
        let exhausted = stretch.len() < STRETCH as usize;
        for sealed in stretch {
            let line = sealed.open(tx, vault)?;
            last = Some(line.id.to_string());
            if words.are_in(&line) {
                items.push(line);
                if items.len() > page.limit() as usize {
                    return Ok(Page::from_overread(items, page, |line| line.id.to_string()));
                }
            }
        }
        if exhausted {
            return Ok(Page { items, next: None });
        }
        looked_at += STRETCH;
    }
    Ok(Page { items, next: last.map(Cursor) })
}

/// The words of a search, in lower case.
struct Words(Vec<String>);

impl Words {
    fn of(search: &str) -> Self {
        let cut: String = search.chars().take(Filter::SEARCH_LIMIT).collect();
        Self(cut.split_whitespace().map(str::to_lowercase).collect())
    }

    fn are_in(&self, line: &Activity) -> bool {
        let texts: Vec<String> = [&line.summary, &line.key, &line.reason, &line.sender]
            .into_iter()
            .flatten()
            .map(|text| text.to_lowercase())
            .collect();
        self.0.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
    }
}

/// One line of activity with the media type of its body.
pub(crate) fn one(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: WorkspaceId,
    id: SignalId,
) -> Result<Option<(Activity, Option<String>)>, Error> {
    let sql = format!("{ACTIVITY} WHERE s.workspace = $1 AND s.id = $2");
    let Some(mut sealed) = tx.query_opt(&sql, &params![workspace, id], sealed_of)? else { return Ok(None) };
    let content_type = sealed.content_type.take();
    Ok(Some((sealed.open(tx, vault)?, content_type)))
}

/// The signals that took this one's body again, newest first.
pub(crate) fn replays(tx: &mut Tx<'_>, workspace: WorkspaceId, id: SignalId) -> Result<Vec<SignalId>, Error> {
    let sql =
        format!("SELECT id FROM signals WHERE replay_of = $1 AND workspace = $2 ORDER BY id DESC LIMIT {REPLAYS}");
    Ok(tx.query(&sql, &params![id, workspace], |row| row.get("id"))?)
}

/// Whether a signal's body is kept.
pub(crate) fn payload_kept(tx: &mut Tx<'_>, workspace: WorkspaceId, id: SignalId) -> Result<bool, Error> {
    let sql = "SELECT signal FROM signal_payloads WHERE signal = $1 AND workspace = $2";
    Ok(tx.query_opt(sql, &params![id, workspace], |row| row.get::<SignalId>("signal"))?.is_some())
}
