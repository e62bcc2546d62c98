//! Which signals are still needed: for the room that removes them when their time is over.

use base::{AlertId, SignalId};
use store::{Tx, Value};

use crate::error::Error;
use crate::flows::Flows;

impl Flows {
    /// Those of `signals` with a run that goes on, or whose last alert is live.
    pub fn holding(&self, tx: &mut Tx<'_>, signals: &[SignalId]) -> Result<Vec<SignalId>, Error> {
        if signals.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<String> = (1..=signals.len()).map(|place| format!("${place}")).collect();
        let sql = format!(
            "SELECT signal, state, alert FROM runs WHERE (state = 'running' OR alert IS NOT NULL) AND signal IN ({})",
            places.join(", ")
        );
        let values: Vec<Value<'_>> = signals.iter().map(|id| (*id).into()).collect();
        let runs: Vec<(SignalId, bool, Option<AlertId>)> = tx.query(&sql, &values, |row| {
            Ok((row.get("signal")?, row.get::<String>("state")? == "running", row.get("alert")?))
        })?;
        let mut alerts: Vec<AlertId> = runs.iter().filter_map(|(_, _, alert)| *alert).collect();
        alerts.sort_unstable();
        alerts.dedup();
        let mut live = Vec::new();
        // A signal can have a thousand events, and a statement takes so many places only.
        for some in alerts.chunks(500) {
            live.extend(self.0.pages.live(tx, some)?);
        }
        let holds = |running: bool, alert: Option<AlertId>| running || alert.is_some_and(|alert| live.contains(&alert));
        Ok(runs.into_iter().filter(|(_, running, alert)| holds(*running, *alert)).map(|(signal, ..)| signal).collect())
    }
}
