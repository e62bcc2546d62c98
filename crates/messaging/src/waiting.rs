//! What waits of one submitter: how much, and which, for those who bound it and take it back.

use access::{Permit, cap};
use base::MessageId;
use routing::Sender;
use sms::Number;
use store::{Tx, params};

use crate::asked::Asked;
use crate::numbers::SEGMENT;
use crate::{Error, Messaging, indexes};

/// Messages between two addresses that are named at once.
const MOST: i64 = 1_000;

impl Messaging {
    /// How many messages of the permit's holder wait for a carrier, counted up to `most`. Reads the index of what waits,
    /// so it takes the longer the more waits: not for every message.
    pub async fn waiting_of(&self, permit: &Permit<cap::MessagesSend>, most: usize) -> Result<usize, Error> {
        let (submitter, most) = (permit.actor().principal.key(), i64::try_from(most).unwrap_or(i64::MAX));
        let count = self
            .engine()
            .db
            .read(move |tx| {
                // The carrier leads the index.
                let sql = format!(
                    "SELECT COUNT(*) FROM (SELECT 1 FROM messages WHERE {} AND carrier >= '' AND submitter = $1 LIMIT $2) AS waiting",
                    indexes::under_way(tx.dialect())
                );
                tx.query_one(
                    &sql,
                    &params![&submitter, most],
                    |row| row.get::<i64>(0),
                )
            })
            .await?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// The messages of the permit's holder that wait from `sender` to `to`, the oldest thousand.
    pub fn waiting_between(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesSend>,
        sender: &Sender,
        to: &Number,
    ) -> Result<Vec<MessageId>, Error> {
        let (workspace, submitter) = (permit.workspace(), permit.actor().principal.key());
        let mut found = Vec::new();
        // The key of the blind index changes with the month; what waits may be older than that.
        for (_, key) in self.engine().vault.index_keys(tx, Some(workspace))? {
            let sql = format!(
                "SELECT id, umid FROM messages WHERE {} AND carrier >= '' AND workspace = $1
                 AND submitter = $2 AND sender = $3 AND blind = $4 ORDER BY id LIMIT $5",
                indexes::queued(tx.dialect())
            );
            let rows = tx.query(
                &sql,
                &params![workspace, &submitter, sender.as_str(), key.index(to.digits()), MOST],
                |row| Ok((row.get::<i64>(0)?, row.get::<MessageId>(1)?)),
            )?;
            found.extend(rows);
        }
        found.sort_unstable_by_key(|(row, _)| *row);
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// The messages that the permit's holder submitted together with `id`, that one included; none when it is not one of
    /// its own.
    pub fn submitted_together(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesSend>,
        id: MessageId,
    ) -> Result<Vec<MessageId>, Error> {
        let submitter = permit.actor().principal.key();
        let first = tx.query_opt(
            "SELECT id, tell FROM messages WHERE umid = $1 AND workspace = $2 AND submitter = $3",
            &params![id, permit.workspace(), &submitter],
            |row| Ok((row.get::<i64>(0)?, Asked::stored(row.get(1)?))),
        )?;
        let Some((row, asked)) = first else { return Ok(Vec::new()) };
        let mut all = vec![id];
        if asked.together() && asked.first(row).is_none() {
            // Their numbers were drawn in one transaction: they are near.
            let near = tx.query(
                "SELECT id, umid, tell FROM messages WHERE id > $1 AND id < $2 AND workspace = $3 AND submitter = $4",
                &params![row - 8 * SEGMENT, row + 8 * SEGMENT, permit.workspace(), &submitter],
                |near| Ok((near.get::<i64>(0)?, near.get::<MessageId>(1)?, Asked::stored(near.get(2)?))),
            )?;
            all.extend(
                near.into_iter().filter(|(other, _, asked)| asked.first(*other) == Some(row)).map(|(_, id, _)| id),
            );
        }
        Ok(all)
    }

    /// How full the queue before the store is, in hundredths: 0 idle, 100 full.
    pub fn congestion(&self) -> u8 {
        let free = self.intake_room();
        let used = crate::intake::QUEUE.saturating_sub(free);
        u8::try_from(used * 100 / crate::intake::QUEUE).unwrap_or(100)
    }
}
