//! Reading the log: lists, and the erasure of a person's values.

use access::{Authority, Scope, cap};
use base::{AuditId, Page, PageRequest, RequestId, SessionId, Timestamp, UserId, WorkspaceId};
use serde_json::{Value, json};
use store::{Tx, Value as Param, params};

use crate::canonical::{hex, to_text};
use crate::stored::{COLUMNS, Stored};
use crate::{Error, Outcome};

/// An entry as a reader sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded {
    /// Its id.
    pub id: AuditId,
    /// Its number in the chain; none while it waits for its seal.
    pub seq: Option<i64>,
    /// When.
    pub time: Timestamp,
    /// In which workspace.
    pub workspace: Option<WorkspaceId>,
    /// What sort of principal: `user`, `api_key`, `integration`, `engine`, `os`, `anonymous`.
    pub actor_type: String,
    /// Which one.
    pub actor_id: String,
    /// Its name, unless erased.
    pub actor_name: Option<String>,
    /// In which session.
    pub session: Option<SessionId>,
    /// How it had proven itself.
    pub auth: String,
    /// From which address, unless erased.
    pub source_ip: Option<String>,
    /// From which port, unless erased.
    pub source_port: Option<u16>,
    /// With which program, unless erased.
    pub user_agent: Option<String>,
    /// In which request.
    pub request: Option<RequestId>,
    /// What.
    pub action: String,
    /// On what sort of thing.
    pub target_type: String,
    /// On which one.
    pub target_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<String>,
    /// Under which change reference.
    pub ticket: Option<String>,
    /// What was different then.
    pub changes: Option<Value>,
    /// Its hash, once sealed.
    pub hash: Option<String>,
    /// The hash it follows, once sealed.
    pub prev_hash: Option<String>,
}

impl Recorded {
    fn of(stored: &Stored) -> Result<Self, Error> {
        let text = |name| stored.personal_value(name).and_then(|value| value.as_str().map(ToOwned::to_owned));
        Ok(Self {
            id: stored.id,
            seq: stored.seq,
            time: stored.time,
            workspace: stored.workspace,
            actor_type: stored.actor_type.clone(),
            actor_id: stored.actor_id.clone(),
            actor_name: text("name"),
            session: stored.session,
            auth: stored.auth.clone(),
            source_ip: text("ip"),
            source_port: stored.personal_value("port").and_then(|port| u16::try_from(port.as_u64()?).ok()),
            user_agent: text("user_agent"),
            request: stored.request_id,
            action: stored.action.clone(),
            target_type: stored.target_type.clone(),
            target_id: stored.target_id.clone(),
            outcome: stored.outcome.parse().map_err(|_| Error::Unreadable("audit_entries.outcome"))?,
            reason: stored.reason.clone(),
            ticket: stored.ticket.clone(),
            changes: stored
                .changes
                .as_deref()
                .map(serde_json::from_str)
                .transpose()
                .map_err(|_| Error::Unreadable("audit_entries.changes"))?,
            hash: stored.hash.as_deref().map(hex),
            prev_hash: stored.prev_hash.as_deref().map(hex),
        })
    }

    /// The entry as a line of JSON (without the line's end), keys sorted.
    pub fn to_json_line(&self) -> String {
        to_text(&json!({
            "id": self.id.to_string(),
            "seq": self.seq,
            "time": self.time.rfc3339(),
            "tenant": self.workspace.map(|id| id.to_string()),
            "actor": {
                "type": self.actor_type,
                "id": self.actor_id,
                "name": self.actor_name,
                "session": self.session.map(|id| id.to_string()),
                "auth": self.auth,
            },
            "src": { "ip": self.source_ip, "port": self.source_port },
            "user_agent": self.user_agent,
            "request_id": self.request.map(|id| id.to_string()),
            "action": self.action,
            "target": { "type": self.target_type, "id": self.target_id },
            "outcome": self.outcome.name(),
            "reason": self.reason,
            "ticket": self.ticket,
            "changes": self.changes,
            "prev_hash": self.prev_hash,
            "hash": self.hash,
        }))
    }
}

/// Which entries. Everything that is set must hold.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Filter {
    /// Of this principal, by its id.
    pub actor: Option<String>,
    /// Actions that start so: `alert.` or `alert.acknowledge`.
    pub action_prefix: Option<String>,
    /// On this sort of thing, and on this one of them if the second is given.
    pub target: Option<(String, Option<String>)>,
    /// That ended so.
    pub outcome: Option<Outcome>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// Of one of these principals, by their ids; an empty list fits nothing.
    pub actors: Option<Vec<String>>,
    /// That hold this text, in any case: in action, target, reason, change reference or request id.
    pub search: Option<String>,
}

/// Principals of a filter at most.
const ACTORS: usize = 200;

/// Entries, newest first: those of the permit's workspace, or all with a right in the organisation.
pub fn list(
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::AuditRead>,
    filter: &Filter,
    request: &PageRequest,
) -> Result<Page<Recorded>, Error> {
    let mut query = Query::new(permit.scope(), filter);
    if let Some(after) = &request.after {
        let after: AuditId = after.0.parse().map_err(|_| Error::Cursor)?;
        query.and("id < ", Param::from(after));
    }
    let limit = query.param(Param::from(request.limit() + 1));
    let sql = format!("SELECT {COLUMNS} FROM audit_entries {} ORDER BY id DESC LIMIT {limit}", query.conditions());
    let rows = tx.query(&sql, &query.params, Stored::from_row)?;
    let entries = rows.iter().map(Recorded::of).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::from_overread(entries, request, |entry| entry.id.to_string()))
}

/// One entry, if the permit's scope has it.
pub fn get(tx: &mut Tx<'_>, permit: &impl Authority<cap::AuditRead>, id: AuditId) -> Result<Option<Recorded>, Error> {
    let mut query = Query::new(permit.scope(), &Filter::default());
    query.and("id = ", Param::from(id));
    let sql = format!("SELECT {COLUMNS} FROM audit_entries {}", query.conditions());
    tx.query_opt(&sql, &query.params, Stored::from_row)?.as_ref().map(Recorded::of).transpose()
}

/// The next entries in the order of the log, and where to go on; nothing more when the cursor is `None`.
pub(crate) fn pages(
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::AuditRead>,
    filter: &Filter,
    after: Option<AuditId>,
) -> Result<(Vec<Recorded>, Option<AuditId>), Error> {
    const LINES: u32 = 500;
    let mut query = Query::new(permit.scope(), filter);
    if let Some(after) = after {
        query.and("id > ", Param::from(after));
    }
    let limit = query.param(Param::from(LINES));
    let sql = format!("SELECT {COLUMNS} FROM audit_entries {} ORDER BY id LIMIT {limit}", query.conditions());
    let rows = tx.query(&sql, &query.params, Stored::from_row)?;
    let next = rows.last().filter(|_| rows.len() == LINES as usize).map(|row| row.id);
    Ok((rows.iter().map(Recorded::of).collect::<Result<_, _>>()?, next))
}

/// The sealed entries behind a number, in the order of the chain.
pub(crate) fn after_seq(tx: &mut Tx<'_>, seq: i64, most: u32) -> Result<Vec<Recorded>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM audit_entries WHERE seq > $1 ORDER BY seq LIMIT $2");
    tx.query(&sql, &params![seq, most], Stored::from_row)?.iter().map(Recorded::of).collect()
}

/// Erases a person's values (name, addresses, programs) from the log; how many entries held them. The chain
/// stays valid, and the caller records the erasure.
pub fn erase_person(tx: &mut Tx<'_>, permit: &impl Authority<cap::PeopleWrite>, user: UserId) -> Result<u64, Error> {
    if permit.scope() != Scope::Organisation {
        return Err(access::Denied { capability: access::Capability::PeopleWrite, scope: Scope::Organisation }.into());
    }
    Ok(tx.execute(
        "UPDATE audit_entries SET personal = NULL, personal_salt = NULL
         WHERE actor_type = 'user' AND actor_id = $1 AND personal IS NOT NULL",
        &params![user.to_string()],
    )?)
}

/// Conditions of a query and their parameters, numbered as they come.
struct Query {
    conditions: Vec<String>,
    params: Vec<Param<'static>>,
}

impl Query {
    fn new(scope: Scope, filter: &Filter) -> Self {
        let mut query = Self { conditions: Vec::new(), params: Vec::new() };
        if let Scope::Workspace(workspace) = scope {
            query.and("workspace = ", Param::from(workspace));
        }
        if let Some(actor) = &filter.actor {
            query.and("actor_id = ", Param::from(actor.clone()));
        }
        if let Some(actors) = &filter.actors {
            let places: Vec<String> =
                actors.iter().take(ACTORS).map(|actor| query.param(Param::from(actor.clone()))).collect();
            // Nobody fits: no entry does.
            let any = if places.is_empty() { "NULL".to_owned() } else { places.join(", ") };
            query.conditions.push(format!("actor_id IN ({any})"));
        }
        if let Some(search) = &filter.search {
            query.search(search);
        }
        if let Some(prefix) = &filter.action_prefix {
            // Not LIKE: its wild cards and its case differ between the databases.
            let length = u32::try_from(prefix.chars().count()).unwrap_or(u32::MAX);
            let (prefix, length) = (query.param(Param::from(prefix.clone())), query.param(Param::from(length)));
            query.conditions.push(format!("SUBSTR(action, 1, {length}) = {prefix}"));
        }
        if let Some((kind, id)) = &filter.target {
            query.and("target_type = ", Param::from(kind.clone()));
            if let Some(id) = id {
                query.and("target_id = ", Param::from(id.clone()));
            }
        }
        if let Some(outcome) = filter.outcome {
            query.and("outcome = ", Param::from(outcome.name()));
        }
        if let Some(from) = filter.from {
            query.and("time >= ", Param::from(from));
        }
        if let Some(to) = filter.to {
            query.and("time < ", Param::from(to));
        }
        query
    }

    /// Both sides are in lower case, so that LIKE means the same in both databases; its wild cards mean nothing.
    fn search(&mut self, text: &str) {
        let plain: String = text
            .to_lowercase()
            .chars()
            .flat_map(|letter| match letter {
                '%' | '_' | '!' => vec!['!', letter],
                other => vec![other],
            })
            .collect();
        let place = self.param(Param::from(format!("%{plain}%")));
        let columns = ["action", "target_type", "target_id", "reason", "ticket", "request_id"];
        let held = columns.map(|column| format!("LOWER(COALESCE({column}, '')) LIKE {place} ESCAPE '!'"));
        self.conditions.push(format!("({})", held.join(" OR ")));
    }

    fn param(&mut self, value: Param<'static>) -> String {
        self.params.push(value);
        format!("${}", self.params.len())
    }

    fn and(&mut self, condition: &str, value: Param<'static>) {
        let place = self.param(value);
        self.conditions.push(format!("{condition}{place}"));
    }

    fn conditions(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!("WHERE {}", self.conditions.join(" AND ")) }
    }
}
