//! The numbers of alerts that other rooms know by their ids.

use std::collections::HashMap;

use access::{Permit, cap};
use base::AlertId;
use store::Value;

use crate::types::alert_name;
use crate::{Alerts, Error};

/// Alerts that are named at a time; more are left out.
const MOST: usize = 200;

impl Alerts {
    /// What these alerts of the permit's workspace are called (`A-1042`), for lists that link to them. Those of another
    /// workspace, and those that are not there, are left out.
    pub async fn names(
        &self,
        permit: Permit<cap::AlertsRead>,
        mut ids: Vec<AlertId>,
    ) -> Result<HashMap<AlertId, String>, Error> {
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(MOST);
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        self.0
            .db
            .read(move |tx| {
                let places: Vec<String> = (2..).take(ids.len()).map(|place| format!("${place}")).collect();
                let sql =
                    format!("SELECT id, number FROM alerts WHERE workspace = $1 AND id IN ({})", places.join(", "));
                let mut values: Vec<Value<'_>> = vec![permit.workspace().into()];
                values.extend(ids.iter().map(|id| Value::from(*id)));
                let rows = tx.query(&sql, &values, |row| {
                    Ok((row.get::<AlertId>("id")?, alert_name(row.get::<i64>("number")?)))
                })?;
                Ok(rows.into_iter().collect())
            })
            .await
    }
}
