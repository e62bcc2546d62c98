//! Answers kept for requests that may be sent again: reserved before or with their effect, kept with or after it, and
//! swept when their time is over.
//!
//! The room that answers seals what it keeps; here are only digests and sealed text.

use std::time::Duration;

use base::Timestamp;

use crate::{Db, Error, Tx, params};

/// Which request, and what it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// A hash over who asks, where, and the key.
    pub digest: [u8; 32],
    /// A hash over what is asked.
    pub fingerprint: [u8; 32],
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing: it is new.
    None,
    /// It was answered; the sealed answer.
    Answered(String),
    /// The same key came with another request.
    Other,
    /// It is being worked on.
    UnderWay,
    /// It was begun, and whoever began it never said how it ended.
    Unknown,
}

/// How long an answer is kept (security.md: 48 h).
pub const KEPT_FOR: Duration = Duration::from_hours(48);

/// Rows removed in one transaction.
const SWEEP: i64 = 1_000;

impl Tx<'_> {
    /// What is known of a request, without changing anything.
    pub fn earlier(&mut self, asked: &Asked) -> Result<Earlier, Error> {
        let now = self.now();
        let sql = "SELECT fingerprint, answer, busy_until FROM kept_answers WHERE digest = $1 AND expires_at > $2";
        let found = self.query_opt(sql, &params![&asked.digest, now], |row| {
            Ok((row.get::<Vec<u8>>(0)?, row.get::<Option<String>>(1)?, row.get::<Timestamp>(2)?))
        })?;
        Ok(match found {
            None => Earlier::None,
            Some((fingerprint, ..)) if fingerprint != asked.fingerprint => Earlier::Other,
            Some((_, Some(answer), _)) => Earlier::Answered(answer),
            Some((_, None, until)) if until > now => Earlier::UnderWay,
            Some(_) => Earlier::Unknown,
        })
    }

    /// Notes that a request is begun, for `busy` at most; [`Earlier::None`] when it is the caller's to answer. Whoever does
    /// this in the transaction of the effect leaves nothing behind when that fails.
    pub fn begin_answer(&mut self, asked: &Asked, busy: Duration) -> Result<Earlier, Error> {
        let now = self.now();
        self.execute("DELETE FROM kept_answers WHERE digest = $1 AND expires_at <= $2", &params![&asked.digest, now])?;
        let begun = self.execute(
            "INSERT INTO kept_answers (digest, fingerprint, answer, busy_until, expires_at) VALUES ($1, $2, NULL, $3, $4)
             ON CONFLICT DO NOTHING",
            &params![&asked.digest, &asked.fingerprint, now.plus(busy), now.plus(KEPT_FOR)],
        )?;
        if begun == 1 { Ok(Earlier::None) } else { self.earlier(asked) }
    }

    /// Keeps the answer of a request that was [begun](Self::begin_answer); `false` when it has one or is gone.
    pub fn keep_answer(&mut self, asked: &Asked, sealed: &str) -> Result<bool, Error> {
        let sql = "UPDATE kept_answers SET answer = $3 WHERE digest = $1 AND fingerprint = $2 AND answer IS NULL";
        Ok(self.execute(sql, &params![&asked.digest, &asked.fingerprint, sealed])? == 1)
    }

    /// Forgets a request that was begun and had no effect: it may be sent again.
    pub fn forget_answer(&mut self, asked: &Asked) -> Result<(), Error> {
        let sql = "DELETE FROM kept_answers WHERE digest = $1 AND fingerprint = $2 AND answer IS NULL";
        self.execute(sql, &params![&asked.digest, &asked.fingerprint]).map(drop)
    }
}

impl Db {
    /// Removes the answers whose time is over, in small transactions; how many.
    pub async fn sweep_answers(&self) -> Result<u64, Error> {
        let mut total = 0;
        loop {
            match self.write(sweep).await? {
                0 => return Ok(total),
                removed => total += removed,
            }
        }
    }
}

fn sweep(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let now = tx.now();
    tx.execute(
        "DELETE FROM kept_answers WHERE digest IN
             (SELECT digest FROM kept_answers WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        &params![now, SWEEP],
    )
}
