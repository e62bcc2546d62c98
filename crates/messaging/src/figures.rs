//! How many messages wait, for figures over the whole installation.

use access::{Authority, cap};
use store::params;

use crate::{Class, Error, Messaging, indexes};

/// Messages that are on disk and not yet handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFigures {
    /// The carrier that was decided on.
    pub carrier: String,
    /// Their class.
    pub class: Class,
    /// How many, claimed ones included.
    pub messages: u64,
    /// When the first of them is or was due.
    pub oldest_due: base::Timestamp,
}

impl Messaging {
    /// What waits, by carrier and class. The index that it reads holds nothing else.
    pub async fn queues(&self, _permit: &impl Authority<cap::MetricsRead>) -> Result<Vec<QueueFigures>, Error> {
        self.0
            .engine
            .db
            .read(|tx| {
                let sql = format!(
                    "SELECT carrier, class, COUNT(*) AS messages, MIN(due_at) AS due FROM messages
                     WHERE {} GROUP BY carrier, class ORDER BY carrier, class",
                    indexes::under_way(tx.dialect())
                );
                let rows = tx.query(&sql, &params![], |row| {
                    let messages = u64::try_from(row.get::<i64>("messages")?).unwrap_or(0);
                    Ok((row.get::<String>("carrier")?, row.get::<i64>("class")?, messages, row.get("due")?))
                })?;
                let queue = |(carrier, class, messages, oldest_due)| QueueFigures {
                    carrier,
                    class: Class::from_code(class),
                    messages,
                    oldest_due,
                };
                Ok(rows.into_iter().map(queue).collect())
            })
            .await
    }
}
