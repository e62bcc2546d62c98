//! How many alerts are live, for figures over the whole installation.

use access::{Authority, cap};
use store::params;

use crate::{Alerts, Error};

/// Live alerts of one state and priority, over all workspaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveFigures {
    /// `open` or `acknowledged`.
    pub state: String,
    /// The priority's word.
    pub priority: String,
    /// How many.
    pub alerts: u64,
}

impl Alerts {
    /// How many alerts are live, by state and priority. It counts by workspace, so that an index serves it however many
    /// alerts have ended.
    pub async fn figures(&self, _permit: &impl Authority<cap::MetricsRead>) -> Result<Vec<LiveFigures>, Error> {
        self.0
            .db
            .read(|tx| {
                Ok(tx.query(
                    "SELECT state, priority, COUNT(*) AS alerts FROM alerts
                     WHERE state IN ('open', 'acknowledged') AND workspace IN (SELECT id FROM workspaces)
                     GROUP BY state, priority ORDER BY state, priority",
                    &params![],
                    |row| {
                        Ok(LiveFigures {
                            state: row.get("state")?,
                            priority: row.get("priority")?,
                            alerts: u64::try_from(row.get::<i64>("alerts")?).unwrap_or(0),
                        })
                    },
                )?)
            })
            .await
    }
}
