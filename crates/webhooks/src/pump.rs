//! What runs: one node at a time hands callbacks over, each webhook by a task of its own, so that a slow one delays nobody.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::WebhookId;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use store::Held;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::webhooks::Inner;
use crate::{Error, deliver, queue, rows};

/// Callbacks of one webhook that are out at the same time.
const AT_ONCE: usize = 4;
/// Callbacks claimed at once.
const BATCH: usize = 32;
/// Webhooks that are served at the same time.
const SERVED: usize = 256;
/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_millis(250);
/// How often who listens is read again, for what other nodes changed.
const LISTENING: Duration = Duration::from_secs(5);
/// How often what is late or old is looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// Runs until `stop`; what is out is waited for, as long as a receiver may take.
pub(crate) async fn run(inner: Arc<Inner>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let served = Arc::new(Mutex::new(HashSet::new()));
    let lease = inner.db.lease("webhooks");
    let (mut fence, mut listening, mut sweep) = (None, Duration::ZERO, Duration::ZERO);
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            () = inner.shared.wake.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = inner.db.context().monotonic();
        if now >= listening {
            listening = now + LISTENING;
            let before = inner.shared.listening();
            match inner.db.read(rows::listening).await {
                Ok(heard) => inner.shared.heard_elsewhere(&before, heard),
                Err(error) => tracing::warn!(%error, "who listens to callbacks could not be read"),
            }
        }
        let held = match lease.hold().await {
            Ok(Some(held)) => held,
            Ok(None) => {
                fence = None;
                continue;
            }
            Err(store::Error::Closed) => break,
            Err(error) => {
                tracing::warn!(%error, "the lease on callbacks could not be looked at");
                continue;
            }
        };
        if fence != Some(held.fence()) {
            let token = held.clone();
            match inner.db.write(move |tx| queue::recover(tx, &token)).await {
                Ok(0) => {}
                Ok(callbacks) => {
                    tracing::warn!(callbacks, "callbacks were under way when their server ended; they are sent again");
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "callbacks in doubt could not be read yet"
                    );
                    continue;
                }
            }
            fence = Some(held.fence());
        }
        if now >= sweep {
            sweep = now + SWEEP;
            housekeeping(&inner, &held).await;
        }
        if let Err(error) = look(&inner, &held, &tasks, &served, &stop).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "callbacks that are due could not be read");
        }
    }
    tasks.close();
    tasks.wait().await;
    if let Err(error) = lease.release().await {
        tracing::debug!(%error, "the lease on callbacks was not released; others see it stand still");
    }
}

type Served = Arc<Mutex<HashSet<WebhookId>>>;

/// Starts a task for each webhook that has something due and none yet.
async fn look(
    inner: &Arc<Inner>,
    held: &Held,
    tasks: &TaskTracker,
    served: &Served,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let ready = inner
        .db
        .read(|tx| {
            let now = tx.now();
            queue::ready(tx, now)
        })
        .await?;
    for webhook in ready {
        {
            let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
            if served.len() >= SERVED || !served.insert(webhook) {
                continue;
            }
        }
        let (inner, held, served, stop) = (Arc::clone(inner), held.clone(), Arc::clone(served), stop.clone());
        tasks.spawn(async move {
            if let Err(error) = serve(&inner, &held, webhook, &stop).await {
                tracing::warn!(%webhook, error = &error as &dyn std::error::Error, "callbacks could not be claimed or settled; they are sent again");
            }
            served.lock().unwrap_or_else(PoisonError::into_inner).remove(&webhook);
            inner.shared.wake.notify_one();
        });
    }
    Ok(())
}

/// Hands over what is due for one webhook, until nothing is or it is to be left alone.
async fn serve(inner: &Arc<Inner>, held: &Held, webhook: WebhookId, stop: &CancellationToken) -> Result<(), Error> {
    let (mut waiting, mut out) = (VecDeque::new(), FuturesUnordered::new());
    let mut opened = None;
    let mut enough = false;
    let mut failed = None;
    loop {
        enough |= stop.is_cancelled();
        if !enough && waiting.is_empty() && out.len() < AT_ONCE {
            let (vault, token) = (inner.vault.clone(), held.clone());
            match inner.db.write(move |tx| queue::claim(tx, &vault, &token, webhook, BATCH)).await {
                Ok(Some((found, claimed))) => {
                    // A probe goes alone; what follows is decided by its answer.
                    enough = found.health.circuit == crate::Circuit::Open;
                    opened = Some(Arc::new(found));
                    waiting.extend(claimed);
                }
                Ok(None) => {}
                Err(error) => (enough, failed) = (true, Some(error)),
            }
        }
        let probing = opened.as_ref().is_some_and(|opened| opened.health.circuit == crate::Circuit::Open);
        while out.len() < AT_ONCE && (!enough || probing) {
            let (Some(opened), Some(claimed)) = (opened.clone(), waiting.pop_front()) else { break };
            let (inner, held) = (Arc::clone(inner), held.clone());
            out.push(async move {
                let outcome =
                    deliver::try_once(inner.db.context(), inner.guarded(), &inner.tokens, &opened, &claimed).await;
                let db = inner.db.clone();
                db.write(move |tx| queue::settle(tx, &held, webhook, &claimed, &outcome)).await
            });
        }
        match out.next().await {
            None => break,
            Some(Ok(left_alone)) => enough |= left_alone,
            Some(Err(error)) => (enough, failed) = (true, Some(error)),
        }
    }
    let rest: Vec<i64> = waiting.iter().map(|claimed| claimed.id).collect();
    if !rest.is_empty() {
        let token = held.clone();
        inner.db.write(move |tx| queue::give_back(tx, &token, &rest)).await?;
    }
    failed.map_or(Ok(()), Err)
}

async fn housekeeping(inner: &Arc<Inner>, held: &Held) {
    for (what, sweep) in
        [("late", queue::give_up_late as fn(&mut store::Tx<'_>, &Held) -> Result<u64, Error>), ("old", queue::forget)]
    {
        loop {
            let token = held.clone();
            match inner.db.write(move |tx| sweep(tx, &token)).await {
                Ok(0) => break,
                Ok(callbacks) => tracing::info!(callbacks, what, "callbacks were given up or forgotten"),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        what,
                        "callbacks could not be swept; tried again"
                    );
                    break;
                }
            }
        }
    }
}
