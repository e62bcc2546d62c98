//! The stored side of answers: which page holds which digits on which phone, and the ways it went.

use std::fmt;
use std::time::Duration;

use base::{NotificationId, Timestamp, WorkspaceId};
use oncall::Handset;
use store::{Migration, Migrations, Row, Tx, params};
use uuid::Uuid;
use vault::{Aad, Purpose, Vault};

use crate::Error;
use crate::answer::{CODE_FIRST, CODE_LENGTH, CODE_REST};
use crate::digits::{BLOCK, first_free};

/// The tables of this room.
pub const MIGRATIONS: Migrations = Migrations {
    room: "channels",
    steps: &[Migration { version: 1, name: "answers", sql: include_str!("../migrations/001_answers.sql") }],
};

/// How long a closed page keeps its digits, counted from its last text: twice as long as an answer counts, so that nobody
/// answers a text of yesterday and hits an alert of today.
const KEPT: Duration = Duration::from_hours(72);
/// Digits stay below this, so that an answer is quickly typed and never read as something else.
const DIGITS_MAX: u32 = 9_000;

/// A page on one phone that can be answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its id.
    pub id: Uuid,
    /// The workspace of its subject.
    pub workspace: WorkspaceId,
    /// What it is about: an alert's id.
    pub subject: Uuid,
    /// How people call that: `A-1042`.
    pub label: String,
    /// The last notification about it on this phone.
    pub notification: NotificationId,
    /// The first of its [`BLOCK`] digits.
    pub first_digit: u32,
    /// The code that an answer must carry.
    pub code: Option<String>,
    /// The ways it went.
    pub ways: Vec<Way>,
    /// When its last text was handed over.
    pub paged: Timestamp,
    /// When its subject ended.
    pub closed: Option<Timestamp>,
}

/// Without the code, which is a credential for an hour of the night.
impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("id", &self.id)
            .field("label", &self.label)
            .field("first_digit", &self.first_digit)
            .finish_non_exhaustive()
    }
}

/// A way a text goes and its answer comes back: the carrier and our address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    carrier: String,
    sender: String,
}

impl Way {
    /// A way. Carriers write our address with and without a plus sign and in any case; both mean the same.
    pub fn new(carrier: &str, sender: &str) -> Self {
        Self { carrier: carrier.to_owned(), sender: sender.trim().trim_start_matches('+').to_ascii_lowercase() }
    }
}

/// What a new page says about itself.
pub(crate) struct NewSlot<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) handset: &'a Handset,
    pub(crate) subject: Uuid,
    pub(crate) label: &'a str,
    pub(crate) notification: NotificationId,
    pub(crate) wants_code: bool,
}

fn aad(id: &str) -> Aad<'_> {
    Aad { table: "answer_slots", column: "code", row: id }
}

/// Gives a page its digits and, if wanted, a code. A second page about the same subject on the same phone keeps both, so
/// that either text can be answered.
pub(crate) fn take(tx: &mut Tx<'_>, vault: &Vault, new: &NewSlot<'_>) -> Result<Slot, Error> {
    let now = tx.now();
    // Locks the phone's row until the commit.
    tx.send(
        "INSERT INTO answer_handsets (handset, given_at) VALUES ($1, $2)
         ON CONFLICT (handset) DO UPDATE SET given_at = excluded.given_at",
        &params![new.handset.as_str(), now],
    )?;
    tx.send(
        "UPDATE answer_slots SET released_at = $2
         WHERE handset = $1 AND released_at IS NULL AND closed_at IS NOT NULL AND paged_at < $3",
        &params![new.handset.as_str(), now, now.minus(KEPT)],
    )?;
    let taken = tx.query(
        "SELECT first_digit, subject FROM answer_slots WHERE handset = $1 AND released_at IS NULL",
        &params![new.handset.as_str()],
        |row| Ok((row.get::<u32>("first_digit")?, row.get::<Uuid>("subject")?)),
    )?;
    if taken.iter().any(|(_, subject)| *subject == new.subject)
        && let Some(mut slot) = of_subject(tx, vault, new.handset, new.subject)?
    {
        tx.send(
            "UPDATE answer_slots SET notification = $2, paged_at = $3, closed_at = NULL WHERE id = $1",
            &params![slot.id, new.notification, now],
        )?;
        slot.notification = new.notification;
        slot.paged = now;
        slot.closed = None;
        return Ok(slot);
    }
    // A released slot of the same subject (reopened days later) starts anew.
    tx.send(
        "DELETE FROM answer_slots WHERE subject = $1 AND handset = $2",
        &params![new.subject, new.handset.as_str()],
    )?;
    // The slot of this subject, if it is in there, could not be opened any more and was deleted.
    let taken: Vec<u32> =
        taken.into_iter().filter(|(_, subject)| *subject != new.subject).map(|(digit, _)| digit).collect();
    let first_digit = first_free(&taken);
    if first_digit + BLOCK > DIGITS_MAX {
        return Err(Error::NoDigitsLeft);
    }
    let id: Uuid = tx.context().id();
    let code = new.wants_code.then(|| draw_code(tx.context()));
    let sealed = match &code {
        None => None,
        Some(code) => {
            let key = vault.data_key(tx, Some(new.workspace), Purpose::Alerts, now)?;
            Some(key.seal(tx.context().chance(), &aad(&id.to_string()), code.as_bytes()))
        }
    };
    tx.send(
        "INSERT INTO answer_slots (id, workspace, handset, subject, label, notification, first_digit, code, paged_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &params![
            id,
            new.workspace,
            new.handset.as_str(),
            new.subject,
            new.label,
            new.notification,
            first_digit,
            sealed,
            now
        ],
    )?;
    Ok(Slot {
        id,
        workspace: new.workspace,
        subject: new.subject,
        label: new.label.to_owned(),
        notification: new.notification,
        first_digit,
        code,
        ways: Vec::new(),
        paged: now,
        closed: None,
    })
}

/// Three characters that are easy to read and type. The first is a letter, so that "1K7Q" reads in one way alone.
fn draw_code(context: &base::Context) -> String {
    // Taking a byte modulo the alphabet's length would prefer its beginning: bytes beyond the last full round are drawn anew.
    let pick = |alphabet: &[u8]| loop {
        let [byte] = context.random::<1>();
        let round = alphabet.len();
        if usize::from(byte) < 256 / round * round {
            break char::from(alphabet[usize::from(byte) % round]);
        }
    };
    (0..CODE_LENGTH).map(|place| pick(if place == 0 { CODE_FIRST } else { CODE_REST })).collect()
}

/// Notes a way that a page went.
pub(crate) fn add_way(tx: &mut Tx<'_>, slot: Uuid, way: &Way) -> Result<(), Error> {
    tx.send(
        "INSERT INTO answer_ways (slot, carrier, sender) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        &params![slot, &way.carrier, &way.sender],
    )?;
    Ok(())
}

/// The same for the page about a subject on a phone, if there is one.
pub(crate) fn add_way_of(tx: &mut Tx<'_>, subject: Uuid, handset: &Handset, way: &Way) -> Result<(), Error> {
    tx.send(
        "INSERT INTO answer_ways (slot, carrier, sender)
         SELECT id, $3, $4 FROM answer_slots WHERE subject = $1 AND handset = $2 ON CONFLICT DO NOTHING",
        &params![subject, handset.as_str(), &way.carrier, &way.sender],
    )?;
    Ok(())
}

/// The subject ended: its pages are answered no more, but a late answer is still told apart from a wrong one.
pub(crate) fn close(tx: &mut Tx<'_>, subject: Uuid, at: Timestamp) -> Result<(), Error> {
    tx.send("UPDATE answer_slots SET closed_at = $2 WHERE subject = $1 AND closed_at IS NULL", &params![subject, at])?;
    Ok(())
}

/// The subject goes on.
pub(crate) fn reopen(tx: &mut Tx<'_>, subject: Uuid) -> Result<(), Error> {
    tx.send("UPDATE answer_slots SET closed_at = NULL WHERE subject = $1 AND released_at IS NULL", &params![subject])?;
    Ok(())
}

/// Every page that holds digits on a phone.
pub(crate) fn of_handset(tx: &mut Tx<'_>, vault: &Vault, handset: &Handset) -> Result<Vec<Slot>, Error> {
    let rows = tx.query(
        "SELECT * FROM answer_slots WHERE handset = $1 AND released_at IS NULL ORDER BY first_digit",
        &params![handset.as_str()],
        read,
    )?;
    open_all(tx, vault, rows)
}

/// The page about a subject on a phone, if it holds digits.
pub(crate) fn of_subject(
    tx: &mut Tx<'_>,
    vault: &Vault,
    handset: &Handset,
    subject: Uuid,
) -> Result<Option<Slot>, Error> {
    let rows = tx.query(
        "SELECT * FROM answer_slots WHERE handset = $1 AND subject = $2 AND released_at IS NULL",
        &params![handset.as_str(), subject],
        read,
    )?;
    Ok(open_all(tx, vault, rows)?.into_iter().next())
}

/// A row with its code still sealed.
fn read(row: &Row<'_>) -> Result<Slot, store::Error> {
    Ok(Slot {
        id: row.get("id")?,
        workspace: row.get("workspace")?,
        subject: row.get("subject")?,
        label: row.get("label")?,
        notification: row.get("notification")?,
        first_digit: row.get("first_digit")?,
        code: row.get("code")?,
        ways: Vec::new(),
        paged: row.get("paged_at")?,
        closed: row.get("closed_at")?,
    })
}

/// Opens codes and adds the ways. A page whose code cannot be opened (its key is gone) can be answered no more.
fn open_all(tx: &mut Tx<'_>, vault: &Vault, rows: Vec<Slot>) -> Result<Vec<Slot>, Error> {
    let mut out = Vec::with_capacity(rows.len());
    for mut slot in rows {
        if let Some(sealed) = slot.code.take() {
            match vault.open(tx, Some(slot.workspace), &aad(&slot.id.to_string()), &sealed) {
                Ok(plain) => slot.code = Some(String::from_utf8_lossy(&plain).into_owned()),
                Err(vault::Error::Destroyed) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        slot.ways = tx.query("SELECT carrier, sender FROM answer_ways WHERE slot = $1", &params![slot.id], |row| {
            Ok(Way { carrier: row.get("carrier")?, sender: row.get("sender")? })
        })?;
        out.push(slot);
    }
    Ok(out)
}
