//! Which of some alerts are live: for rooms that keep what an alert came from for as long as somebody may ask for it.

use base::AlertId;
use store::{Tx, Value};

use crate::alerts::Alerts;
use crate::error::Error;

impl Alerts {
    /// Those of `ids` that are open or acknowledged.
    pub fn live(&self, tx: &mut Tx<'_>, ids: &[AlertId]) -> Result<Vec<AlertId>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
        let sql =
            format!("SELECT id FROM alerts WHERE state IN ('open', 'acknowledged') AND id IN ({})", places.join(", "));
        let values: Vec<Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
        Ok(tx.query(&sql, &values, |row| row.get("id"))?)
    }
}
