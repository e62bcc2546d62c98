//! The rows of `alert_replies`: each text that came in, once, and what became of it.

use base::{AlertId, InboundId, Page, PageRequest, Timestamp, UserId, WorkspaceId};
use store::{Tx, params};

use crate::Error;
use crate::views::{Reply, ReplyOutcome};

/// One reply as it is stored. Never its text.
#[derive(Clone, Debug)]
pub(crate) struct ReplyRow<'a> {
    pub(crate) inbound: InboundId,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) at: Timestamp,
    pub(crate) handset: &'a str,
    pub(crate) user: Option<UserId>,
    pub(crate) person: Option<String>,
    pub(crate) alert: Option<AlertId>,
    pub(crate) outcome: ReplyOutcome,
    pub(crate) code: &'a str,
    pub(crate) reason: String,
    pub(crate) helped: bool,
}

impl ReplyOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::NotBound => "not_bound",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Accepted, Self::Refused, Self::NotBound].into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Whether this text was acted on already: events come at least once.
pub(crate) fn is_known(tx: &mut Tx<'_>, inbound: InboundId) -> Result<bool, Error> {
    let known = tx.query_opt("SELECT inbound FROM alert_replies WHERE inbound = $1", &params![inbound], |row| {
        row.get::<InboundId>("inbound")
    })?;
    Ok(known.is_some())
}

/// Writes a reply down.
pub(crate) fn insert(tx: &mut Tx<'_>, reply: &ReplyRow<'_>) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO alert_replies (inbound, workspace, received_at, handset, user_id, person, alert, outcome, reason_code,
             reason, helped)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &params![
            reply.inbound,
            reply.workspace.map_or_else(String::new, |workspace| workspace.to_string()),
            reply.at,
            reply.handset,
            reply.user,
            reply.person.as_deref(),
            reply.alert,
            reply.outcome.as_str(),
            reply.code,
            &reply.reason,
            reply.helped,
        ],
    )?;
    Ok(())
}

/// How many helpful texts a phone got since `since`.
pub(crate) fn helps_since(tx: &mut Tx<'_>, handset: &str, since: Timestamp) -> Result<i64, Error> {
    Ok(tx.query_one(
        "SELECT COUNT(*) AS helps FROM alert_replies WHERE handset = $1 AND received_at > $2 AND helped = $3",
        &params![handset, since, true],
        |row| row.get("helps"),
    )?)
}

/// How many texts came from a phone since `since`.
pub(crate) fn count_since(tx: &mut Tx<'_>, handset: &str, since: Timestamp) -> Result<i64, Error> {
    Ok(tx.query_one(
        "SELECT COUNT(*) AS texts FROM alert_replies WHERE handset = $1 AND received_at > $2",
        &params![handset, since],
        |row| row.get("texts"),
    )?)
}

/// How many wrong codes came from a phone since `since`.
pub(crate) fn wrong_codes_since(tx: &mut Tx<'_>, handset: &str, since: Timestamp) -> Result<i64, Error> {
    Ok(tx.query_one(
        "SELECT COUNT(*) AS wrong FROM alert_replies WHERE handset = $1 AND received_at > $2 AND reason_code = 'code_wrong'",
        &params![handset, since],
        |row| row.get("wrong"),
    )?)
}

/// How many texts that nearly fitted came from a phone since `since`.
pub(crate) fn mismatches_since(tx: &mut Tx<'_>, handset: &str, since: Timestamp) -> Result<i64, Error> {
    Ok(tx.query_one(
        "SELECT COUNT(*) AS wrong FROM alert_replies
         WHERE handset = $1 AND received_at > $2 AND reason_code IN ('code_wrong', 'other_way')",
        &params![handset, since],
        |row| row.get("wrong"),
    )?)
}

/// A page of replies of a workspace, newest first.
pub(crate) fn list(tx: &mut Tx<'_>, workspace: WorkspaceId, page: &PageRequest) -> Result<Page<Reply>, Error> {
    // The cursor is time and id, because many can come in one microsecond of a test and none may be lost.
    let after = match &page.after {
        None => (i64::MAX, String::from("g")),
        Some(cursor) => {
            let (at, id) = cursor.0.split_once('/').ok_or(Error::Cursor)?;
            (at.parse().map_err(|_| Error::Cursor)?, id.to_owned())
        }
    };
    let rows = tx.query(
        "SELECT inbound, received_at, person, alert, outcome, reason FROM alert_replies
         WHERE workspace = $1 AND (received_at < $2 OR (received_at = $2 AND inbound < $3))
         ORDER BY received_at DESC, inbound DESC LIMIT $4",
        &params![workspace, after.0, after.1, i64::from(page.limit()) + 1],
        |row| {
            Ok(Reply {
                inbound: row.get("inbound")?,
                at: row.get("received_at")?,
                person: row.get("person")?,
                alert: row.get("alert")?,
                outcome: ReplyOutcome::parse(&row.get::<String>("outcome")?)
                    .ok_or_else(|| store::Error::Decode { column: "outcome".to_owned(), expected: "an outcome" })?,
                reason: row.get("reason")?,
            })
        },
    )?;
    Ok(Page::from_overread(rows, page, |reply| format!("{}/{}", reply.at.as_micros(), reply.inbound)))
}
