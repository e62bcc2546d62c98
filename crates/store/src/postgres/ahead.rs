//! Statements that nobody waits for. Most writes of a transaction have no answer of interest but "done"; waiting for each
//! costs a turn through the network, the server and two threads of ours, which is far more than the statement itself.

use std::pin::pin;
use std::task::Poll;

use deadpool_postgres::ClientWrapper;
use futures_util::poll;
use tokio_postgres::Error;

use super::types::Bound;
use crate::Value;

/// Something to be sent ahead of the next statement that is waited for.
pub(super) enum Ahead {
    /// A word of transaction control.
    Control(&'static str),
    /// A statement with its parameters.
    Statement {
        /// Its text.
        sql: String,
        /// Its parameters.
        params: Vec<Value<'static>>,
    },
}

/// Sends all that is ahead, in order, and then does `run`; none of their answers is waited for before the last is sent. The
/// first failure is the answer, because those behind it are its consequences. With `forgiving`, only what `run` came
/// to counts: it makes good what failed before it.
pub(super) async fn together<T>(
    client: &ClientWrapper,
    ahead: &[Ahead],
    forgiving: bool,
    run: impl AsyncFnOnce(&ClientWrapper) -> Result<T, Error>,
) -> Result<T, Error> {
    if ahead.is_empty() {
        return run(client).await;
    }
    let mut failed: Option<Error> = None;
    let mut unanswered = Vec::with_capacity(ahead.len());
    for sent in ahead {
        // Once per connection and text; then this is ready at once.
        let statement = match sent {
            Ahead::Control(_) => None,
            Ahead::Statement { sql, .. } => match client.prepare_cached(sql).await {
                Ok(statement) => Some(statement),
                Err(error) => {
                    failed.get_or_insert(error);
                    break;
                }
            },
        };
        let mut answer = Box::pin(async move {
            match (sent, statement) {
                (Ahead::Statement { params, .. }, Some(statement)) => {
                    client.execute_raw(&statement, params.iter().map(Bound)).await.map(drop)
                }
                (Ahead::Control(sql), _) => client.batch_execute(sql).await,
                (Ahead::Statement { .. }, None) => Ok(()),
            }
        });
        // The first poll sends.
        match poll!(&mut answer) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                failed.get_or_insert(error);
                break;
            }
            Poll::Pending => unanswered.push(answer),
        }
    }
    if let Some(error) = failed.take_if(|_| !forgiving) {
        // It never left, or its answer is there already; an earlier one's, which may explain it, counts first.
        for answer in unanswered {
            answer.await?;
        }
        return Err(error);
    }
    let result = pin!(run(client)).await;
    for answer in unanswered {
        if let Err(error) = answer.await {
            failed.get_or_insert(error);
        }
    }
    match (result, failed) {
        (Ok(value), Some(_)) if forgiving => Ok(value),
        (_, Some(error)) => Err(error),
        (result, None) => result,
    }
}
