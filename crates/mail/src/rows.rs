//! The rows of letters.

use base::{MailId, Timestamp, UserId};
use store::{Row, Tx, params};

use crate::state::{Event, State};
use crate::{Error, Status};

/// Longest reason that is kept.
const REASON: usize = 300;

/// A new letter.
pub(crate) struct New<'a> {
    pub id: MailId,
    pub user: UserId,
    pub purpose: &'static str,
    pub letter: &'a str,
    pub expires_at: Timestamp,
}

pub(crate) fn insert(tx: &mut Tx<'_>, new: &New<'_>) -> Result<(), store::Error> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO mails (id, user_id, purpose, state, letter, tries, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
        &params![new.id, new.user, new.purpose, State::Queued.name(), new.letter, now, new.expires_at],
    )
    .map(drop)
}

/// A letter that waits, for the job that sends it.
pub(crate) struct Waiting {
    pub user: UserId,
    pub purpose: String,
    pub letter: String,
    pub tries: u32,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The letter, while it waits.
pub(crate) fn waiting(tx: &mut Tx<'_>, id: MailId) -> Result<Option<Waiting>, store::Error> {
    tx.query_opt(
        "SELECT user_id, purpose, letter, tries, created_at, expires_at FROM mails \
         WHERE id = $1 AND state = $2 AND letter IS NOT NULL",
        &params![id, State::Queued.name()],
        |row| {
            Ok(Waiting {
                user: row.get("user_id")?,
                purpose: row.get("purpose")?,
                letter: row.get("letter")?,
                tries: row.get("tries")?,
                created_at: row.get("created_at")?,
                expires_at: row.get("expires_at")?,
            })
        },
    )
}

/// Writes down what happened to a waiting letter; whether it was waiting still. What is over loses its words.
pub(crate) fn happened(tx: &mut Tx<'_>, id: MailId, event: Event, reason: Option<&str>) -> Result<bool, store::Error> {
    let Some(next) = State::Queued.after(event) else { return Ok(false) };
    let reason: Option<String> = reason.map(|reason| reason.chars().take(REASON).collect());
    let now = tx.now();
    let rows = if next == State::Queued {
        tx.execute(
            "UPDATE mails SET tries = tries + 1, reason = $2 WHERE id = $1 AND state = $3",
            &params![id, reason, State::Queued.name()],
        )?
    } else {
        let tried = i64::from(matches!(event, Event::Taken | Event::Refused));
        tx.execute(
            "UPDATE mails SET state = $2, reason = $3, letter = NULL, settled_at = $4, tries = tries + $5 \
             WHERE id = $1 AND state = $6",
            &params![id, next.name(), reason, now, tried, State::Queued.name()],
        )?
    };
    Ok(rows == 1)
}

/// The waiting letters of a person, of one sort or of every sort.
pub(crate) fn of_person(tx: &mut Tx<'_>, user: UserId, purpose: Option<&str>) -> Result<Vec<MailId>, store::Error> {
    tx.query(
        "SELECT id FROM mails WHERE user_id = $1 AND state = $2 AND ($3 = '' OR purpose = $3)",
        &params![user, State::Queued.name(), purpose.unwrap_or_default()],
        |row| row.get("id"),
    )
}

/// When the newest letter of a sort was queued that left or waits.
pub(crate) fn last_out(tx: &mut Tx<'_>, user: UserId, purpose: &str) -> Result<Option<Timestamp>, store::Error> {
    tx.query_opt(
        "SELECT created_at FROM mails WHERE user_id = $1 AND purpose = $2 AND state IN ($3, $4) ORDER BY created_at DESC LIMIT 1",
        &params![user, purpose, State::Queued.name(), State::Sent.name()],
        |row| row.get("created_at"),
    )
}

/// The newest letters of a person.
pub(crate) fn newest(tx: &mut Tx<'_>, user: UserId, most: u32) -> Result<Vec<Status>, Error> {
    let rows = tx.query(
        "SELECT id, purpose, state, tries, reason, created_at, settled_at FROM mails \
         WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
        &params![user, most],
        status,
    )?;
    rows.into_iter()
        .map(|(state, status)| Ok(Status { state: state.parse().map_err(|_| Error::Corrupt)?, ..status }))
        .collect()
}

fn status(row: &Row<'_>) -> Result<(String, Status), store::Error> {
    let status = Status {
        id: row.get("id")?,
        purpose: row.get("purpose")?,
        state: State::Queued,
        tries: row.get("tries")?,
        reason: row.get("reason")?,
        queued_at: row.get("created_at")?,
        settled_at: row.get("settled_at")?,
    };
    Ok((row.get("state")?, status))
}

/// Removes rows older than `before`; how many.
pub(crate) fn sweep(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, store::Error> {
    tx.execute("DELETE FROM mails WHERE created_at < $1 AND state <> $2", &params![before, State::Queued.name()])
}
