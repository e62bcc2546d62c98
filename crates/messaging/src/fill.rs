//! Old messages in any number, for measuring: copies of what is in the table already, with ids, numbers and blind indexes of their
//! own, made by the database itself. Nothing in the product calls this but `loudhailer bench`, on a database that it made.

use store::{Db, Dialect, Tx, params};

use crate::numbers::{SEGMENT, segment};
use crate::probe::newest_row;
use crate::{Error, State};

/// Rows of one transaction.
const STEP: i64 = 160 * SEGMENT;

/// Adds `rows` delivered messages behind the newest, whole segments of them. There has to be a message to copy.
///
/// # Errors
/// When the database fails.
pub async fn fill(db: &Db, rows: u64) -> Result<(), Error> {
    let newest = db.read(newest_row).await?;
    let mut from = (segment(newest) + 1) * SEGMENT;
    let end = from + i64::try_from(rows).unwrap_or(i64::MAX / 2);
    while from < end {
        db.write_bulk(move |tx| step(tx, newest, from, (from + STEP).min(end))).await?;
        from += STEP;
    }
    let used = segment(end) + 1;
    db.write(move |tx| {
        let sql = "UPDATE counters SET value = $1 WHERE name = 'messages.segments' AND value < $1";
        tx.execute(sql, &params![used]).map(drop).map_err(Error::from)
    })
    .await
}

fn step(tx: &mut Tx<'_>, like: i64, from: i64, below: i64) -> Result<(), Error> {
    // Random octets, and an id that is like any other: what is filed under them is spread as in life.
    let (series, blind, umid, reference) = match tx.dialect() {
        Dialect::Sqlite => (
            "WITH RECURSIVE s(n) AS (SELECT $1 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < $2)",
            "randomblob(length(m.blind))",
            "printf('%08x-0000-7000-8000-%012x', s.n >> 16, s.n)",
            "lower(hex(randomblob(8)))",
        ),
        Dialect::Postgres => (
            "WITH s AS (SELECT generate_series($1, $2 - 1) AS n)",
            "substr(decode(md5(random()::text) || md5(random()::text), 'hex'), 1, length(m.blind))",
            "lpad(to_hex(s.n >> 16), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(s.n), 12, '0')",
            "substr(md5(random()::text), 1, 16)",
        ),
    };
    let sql = format!(
        "{series} INSERT INTO messages (id, umid, segment, workspace, state, class, encoding, parts, attempts, throttled,
         unknown_outcomes, created_at, due_at, submitted_at, receipt_at, done_at, carrier, sender, carrier_ref, receipt, submitter,
         blind, destination, body, tell)
         SELECT s.n, {umid}, s.n / {SEGMENT}, m.workspace, $4, m.class, m.encoding, m.parts, 1, 0, 0, m.created_at, m.due_at,
         m.created_at, m.created_at, m.created_at, m.carrier, m.sender, {reference}, 'DELIVRD', m.submitter, {blind}, m.destination,
         m.body, m.tell FROM s, messages m WHERE m.id = $3"
    );
    tx.execute(&sql, &params![from, below, like, State::Delivered.code()])?;
    Ok(())
}
