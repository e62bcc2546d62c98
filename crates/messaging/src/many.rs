//! Many messages at once: prepared by the caller's task, stored in one transaction for each call.
//!
//! Nothing is waited for message by message. Whoever brings ten thousand brings them in pieces, each to a call of its own and
//! several at the same time; how many pieces are under way in the whole process is bounded, so that single messages and alerts
//! find the writer free between them.

use std::sync::Arc;

use access::{Permit, cap};
use tokio::sync::Semaphore;

use crate::Error;
use crate::engine::Engine;
use crate::intake::{Submit, at_hand, prepare, store_batch};
use crate::model::{Accepted, New};
use crate::reply::Reply;

/// Messages of one call at most.
pub(crate) const MOST: usize = 1_024;
/// Calls under way at once.
pub(crate) const AT_ONCE: usize = 4;

/// Stores what can be sent of `items`, and says of each what became of it, in their order.
pub(crate) async fn submit(
    engine: &Arc<Engine>,
    turns: &Semaphore,
    permit: &Permit<cap::MessagesSend>,
    batch: Option<i64>,
    items: Vec<New>,
) -> Vec<Result<Accepted, Error>> {
    let most = items.len();
    if most > MOST {
        return refused(most, || Error::TooMany { most: MOST });
    }
    let Ok(_turn) = turns.acquire().await else { return refused(most, || Error::Stopped) };
    let now = engine.ctx.now();
    let keys = match at_hand(engine, permit.workspace(), now).await {
        Ok(keys) => keys,
        Err(error) => return refused(most, || crate::intake::refusal(&error)),
    };
    let (mut answers, mut taken) = (Vec::with_capacity(most), Vec::with_capacity(most));
    for new in items {
        answers.push(match prepare(engine, permit, &keys, new, now) {
            Ok(mut prepared) => {
                prepared.of_batch(batch);
                let place = prepared.place(engine);
                let (reply, answer) = Reply::channel();
                taken.push(Submit { prepared, place, reply });
                Ok(answer)
            }
            Err(error) => Err(error),
        });
    }
    if !taken.is_empty() {
        store_batch(engine, &mut taken).await;
    }
    let mut said = Vec::with_capacity(most);
    for answer in answers {
        said.push(match answer {
            Ok(answer) => answer.await.unwrap_or(Err(Error::Stopped)),
            Err(error) => Err(error),
        });
    }
    said
}

fn refused(count: usize, why: impl Fn() -> Error) -> Vec<Result<Accepted, Error>> {
    (0..count).map(|_| Err(why())).collect()
}
