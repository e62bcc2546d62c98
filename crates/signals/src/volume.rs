//! How many signals came, day by day: what the pages of integrations draw.

use std::collections::HashMap;

use access::{Permit, cap};
use base::{IntegrationId, SignalId, Timestamp};
use store::params;

use crate::activity::AROUND;
use crate::error::Error;
use crate::signals::Signals;
use crate::types::SignalState;

/// A quarter of an hour: days of every time zone begin at one.
const QUARTER: i64 = 15 * 60 * 1_000_000;

/// What came in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Signals that were accepted.
    pub accepted: u64,
    /// Requests that were refused.
    pub refused: u64,
}

impl Signals {
    /// For each integration of the permit's workspace how many signals came between each two of `borders`, which ascend
    /// and fall on quarters of an hour. Reads the lines of that time, so give it days and not years.
    pub async fn volumes(
        &self,
        permit: &Permit<cap::SignalsRead>,
        integration: Option<IntegrationId>,
        borders: Vec<Timestamp>,
    ) -> Result<HashMap<IntegrationId, Vec<Volume>>, Error> {
        let workspace = permit.workspace();
        let Some((first, last)) = borders.first().copied().zip(borders.last().copied()) else {
            return Ok(HashMap::new());
        };
        self.0
            .db
            .read(move |tx| {
                let mut values = Vec::from(params![workspace, first.minus(AROUND).first_id::<SignalId>(), first, last]);
                let whose = match integration {
                    Some(id) => {
                        values.push(id.into());
                        "s.integration = $5"
                    }
                    None => "s.integration IS NOT NULL",
                };
                let sql = format!(
                    "SELECT s.integration, s.received / {QUARTER} AS quarter, s.state, CAST(SUM(s.count) AS BIGINT) AS n
                     FROM signals s WHERE s.workspace = $1 AND s.id >= $2 AND s.received >= $3 AND s.received < $4 AND {whose}
                     GROUP BY s.integration, s.received / {QUARTER}, s.state"
                );
                let rows = tx.query(&sql, &values, |row| {
                    let at = Timestamp::from_micros(row.get::<i64>("quarter")? * QUARTER);
                    let refused = row.get::<String>("state")? == SignalState::Refused.as_str();
                    let count = u64::try_from(row.get::<i64>("n")?).unwrap_or_default();
                    Ok((row.get::<IntegrationId>("integration")?, at, refused, count))
                })?;
                let mut out: HashMap<IntegrationId, Vec<Volume>> = HashMap::new();
                for (id, at, refused, count) in rows {
                    let volumes = out.entry(id).or_insert_with(|| vec![Volume::default(); borders.len() - 1]);
                    let stretch = borders.partition_point(|border| *border <= at).saturating_sub(1);
                    if let Some(volume) = volumes.get_mut(stretch) {
                        *(if refused { &mut volume.refused } else { &mut volume.accepted }) += count;
                    }
                }
                Ok(out)
            })
            .await
    }

    /// The names of the mappings that an integration of the permit's workspace can have: those that come with the product,
    /// then its own.
    pub async fn mappings(&self, permit: &Permit<cap::IntegrationsRead>) -> Result<Vec<String>, Error> {
        let workspace = permit.workspace();
        let own = self.0.db.read(move |tx| crate::rows::mapping_names(tx, Some(workspace))).await?;
        Ok(crate::mapping::built_in_names().map(str::to_owned).chain(own).collect())
    }
}
