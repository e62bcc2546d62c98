//! Housekeeping over what waits in the table: failover to another carrier when one is down or gone, expiry, and what
//! gone processes left behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use routing::{Class, Decision, Query};
use store::{Tx, params};
use tokio_util::sync::CancellationToken;

use crate::cancel::has_begun;
use crate::carrier::OnUnknownOutcome;
use crate::claim::{COLUMNS, Claimed, Opening, sender};
use crate::engine::{Engine, START};
use crate::job::NewNote;
use crate::recover::recover;
use crate::settle_store::{Touched, note, publish};
use crate::state::Event;
use crate::{Error, State, indexes};

/// How often it looks.
const PASS: Duration = Duration::from_secs(2);
/// Alerts leave a carrier that has been down this long; others give it a little longer to come back.
const ALERT_PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// Looked at in one transaction, and in one pass for one carrier and class.
const BATCH: i64 = 200;
const BATCHES: usize = 25;

/// Where the last pass stopped, for one carrier and class.
type Cursors = HashMap<(String, Class), (Timestamp, i64)>;

/// Runs until `stop`.
pub(crate) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let mut cursors = Cursors::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.reroute.notified() => {}
            () = tokio::time::sleep(PASS) => {}
        }
        let settled = engine.ctx.monotonic().saturating_sub(engine.started) >= START;
        if let Err(error) = pass(&engine, &mut cursors, settled).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "waiting messages could not be looked after");
        }
    }
}

async fn pass(engine: &Arc<Engine>, cursors: &mut Cursors, settled: bool) -> Result<(), Error> {
    for carrier in engine.db.read(waiting_carriers).await? {
        let now = engine.ctx.monotonic();
        let lane = engine.lane(&carrier);
        if lane.is_some() || settled {
            let policy = lane.as_ref().map_or(OnUnknownOutcome::Hold, |lane| lane.policy);
            recover(engine, &carrier, policy).await?;
        }
        let down_for = match &lane {
            Some(lane) => lane.down_for(now).map(|(since, reason)| (since, format!("{carrier} is down ({reason})"))),
            None => settled.then(|| (Duration::MAX, format!("{carrier} does not exist any more"))),
        };
        let Some((down_for, why)) = down_for else { continue };
        for class in Class::ALL {
            let patience = if class == Class::Alert { ALERT_PATIENCE } else { PATIENCE };
            if down_for >= patience {
                lead_elsewhere(engine, &carrier, class, &why, cursors).await?;
            }
        }
    }
    Ok(())
}

/// The carriers that something waits for or is claimed for: one look into the claim index for each.
fn waiting_carriers(tx: &mut Tx<'_>) -> Result<Vec<String>, Error> {
    let mut found: Vec<String> = Vec::new();
    let sql = format!(
        "SELECT carrier FROM messages WHERE {} AND carrier > $1 ORDER BY carrier LIMIT 1",
        indexes::under_way(tx.dialect())
    );
    loop {
        let after = found.last().map_or("", String::as_str);
        let next = tx.query_opt(&sql, &params![after], |row| row.get::<String>(0))?;
        match next {
            Some(next) => found.push(next),
            None => return Ok(found),
        }
    }
}

/// What shall happen to one waiting message.
enum Verdict {
    Stay,
    Expire,
    Move(Box<Decision>),
    /// No carrier may have it at all.
    Stuck(String),
}

async fn lead_elsewhere(
    engine: &Arc<Engine>,
    carrier: &str,
    class: Class,
    why: &str,
    cursors: &mut Cursors,
) -> Result<(), Error> {
    let key = (carrier.to_owned(), class);
    for _ in 0..BATCHES {
        let (from, name, now) = (cursors.get(&key).copied(), carrier.to_owned(), engine.ctx.now());
        let shared = Arc::clone(engine);
        let verdicts = engine.db.read(move |tx| judge(tx, &shared, &name, class, from, now)).await?;
        let full = verdicts.len() as u64 == BATCH.unsigned_abs();
        match verdicts.last().filter(|_| full) {
            Some((last, _)) => cursors.insert(key.clone(), (last.due_at, last.key.row)),
            None => cursors.remove(&key),
        };
        let verdicts: Vec<_> = verdicts.into_iter().filter(|(_, verdict)| !matches!(verdict, Verdict::Stay)).collect();
        if !verdicts.is_empty() {
            let verdicts = Arc::new(verdicts);
            let (written, why) = (Arc::clone(&verdicts), why.to_owned());
            engine.db.write(move |tx| write(tx, &written, &why, now)).await?;
            for (row, verdict) in verdicts.iter() {
                if let Verdict::Move(decision) = verdict
                    && let Some(lane) = engine.lane(&decision.carrier)
                {
                    lane.side(row.key.class).set_backlog();
                    lane.wake.notify_one();
                }
            }
        }
        if !full {
            break;
        }
    }
    Ok(())
}

fn judge(
    tx: &mut Tx<'_>,
    engine: &Engine,
    carrier: &str,
    class: Class,
    from: Option<(Timestamp, i64)>,
    now: Timestamp,
) -> Result<Vec<(Claimed, Verdict)>, Error> {
    let (due, row) = from.unwrap_or((Timestamp::from_micros(i64::MIN), 0));
    let sql = format!(
        "SELECT {COLUMNS} FROM messages WHERE {} AND carrier = $1 AND class = $2 AND due_at <= $3
         AND (due_at > $4 OR (due_at = $4 AND id > $5)) ORDER BY due_at, id LIMIT {BATCH}",
        indexes::queued(tx.dialect())
    );
    let rows = tx.query(&sql, &params![carrier, class.code(), now, due, row], Claimed::read)?;
    let mut judged = Vec::with_capacity(rows.len());
    for row in rows {
        let verdict = if row.is_expired(now) {
            Verdict::Expire
        } else if row.key.parts > 1 && has_begun(tx, row.key.row)? {
            // The parts of one message go by one carrier.
            Verdict::Stay
        } else {
            match row.open(tx, &engine.vault) {
                Ok((destination, _)) => elsewhere(tx, engine, carrier, &row, destination.digits())?,
                Err(Opening::Later | Opening::Never) => Verdict::Stay,
            }
        };
        judged.push((row, verdict));
    }
    Ok(judged)
}

fn elsewhere(
    tx: &mut Tx<'_>,
    engine: &Engine,
    carrier: &str,
    row: &Claimed,
    destination: &str,
) -> Result<Verdict, Error> {
    let sender = sender(&row.sender);
    let development = engine.is_development(tx, row.key.workspace)?;
    let query = Query::first(row.key.workspace, development, destination, row.key.class, Some(&sender));
    Ok(match engine.decide(&Query { avoid: &[carrier], ..query }) {
        Ok(decision) if decision.carrier != carrier && !decision.waits => Verdict::Move(Box::new(decision)),
        Ok(_) => Verdict::Stay,
        Err(refused) => Verdict::Stuck(refused.explanation()),
    })
}

fn write(tx: &mut Tx<'_>, verdicts: &[(Claimed, Verdict)], why: &str, now: Timestamp) -> Result<(), Error> {
    let mut touched = Touched::default();
    for (row, verdict) in verdicts {
        let key = &row.key;
        match verdict {
            Verdict::Stay => {}
            Verdict::Expire => {
                let state = State::Queued.after(Event::TooLate).unwrap_or(State::Expired);
                let reason = format!("its time ran out while it waited: {why}");
                let changed = tx.execute(
                    "UPDATE messages SET state = $2, reason = $3, done_at = $4 WHERE id = $1 AND state = 0",
                    &params![key.row, state.code(), &reason, now],
                )?;
                if changed > 0 {
                    publish(tx, key.id, key.workspace, key.origin.as_ref(), key.tell, state, None, Some(&reason), now)?;
                    touched.message(key.workspace, Some(key.id));
                }
            }
            Verdict::Move(decision) => {
                let changed = tx.execute(
                    "UPDATE messages SET carrier = $2, reason = $3, due_at = $4, sender = $6 WHERE id = $1 AND state = 0 AND carrier = $5",
                    &params![key.row, &decision.carrier, why, now, &row.carrier, decision.sender.as_str()],
                )?;
                if changed > 0 {
                    let text = format!("{why}; moved to {}: {}", decision.carrier, decision.explanation());
                    note(tx, key.row, now, &NewNote { kind: "moved", part: None, text: text.clone() })?;
                    publish(
                        tx,
                        key.id,
                        key.workspace,
                        key.origin.as_ref(),
                        key.tell,
                        State::Queued,
                        None,
                        Some(&text),
                        now,
                    )?;
                    touched.message(key.workspace, Some(key.id));
                }
            }
            Verdict::Stuck(record) => {
                let reason = format!("{why}, and no other may take it: {record}");
                let changed = tx.execute(
                    "UPDATE messages SET reason = $2 WHERE id = $1 AND state = 0 AND (reason IS NULL OR reason <> $2)",
                    &params![key.row, &reason],
                )?;
                if changed > 0 {
                    publish(
                        tx,
                        key.id,
                        key.workspace,
                        key.origin.as_ref(),
                        key.tell,
                        State::Queued,
                        None,
                        Some(&reason),
                        now,
                    )?;
                    touched.message(key.workspace, Some(key.id));
                }
            }
        }
    }
    touched.announce(tx);
    Ok(())
}
