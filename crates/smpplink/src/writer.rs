//! Writing: everything queued goes out in one write, so that a busy connection costs few system calls.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::driver::Shared;
use crate::error::Closed;
use crate::outgoing::{Outgoing, Waiter};
use crate::pile::Receiver;

/// PDUs taken off the queue at a time.
const BATCH: usize = 256;
/// Octets written at a time; more are written in turns.
const CHUNK: usize = 64 * 1024;

pub(crate) async fn run<W: AsyncWrite + Unpin>(
    mut write: W,
    mut queue: Receiver<Outgoing>,
    shared: Arc<Shared>,
) -> Closed {
    // Grows with what there is to write: most binds are silent.
    let mut batch = Vec::new();
    let mut buffer = BytesMut::new();
    let mut permits: Vec<OwnedSemaphorePermit> = Vec::new();
    loop {
        if queue.recv_many(&mut batch, BATCH).await == 0 {
            // The driver keeps a sender until it ends, so this does not happen while it runs.
            return Closed::Aborted;
        }
        for outgoing in batch.drain(..) {
            match outgoing {
                Outgoing::Request(bytes, waiter) => enter(&shared, &mut buffer, bytes, waiter),
                Outgoing::Answer(bytes, permit) => {
                    buffer.extend_from_slice(&bytes);
                    permits.extend(permit);
                }
                Outgoing::Flushed(done) => {
                    if let Err(closed) = flush(&mut write, &mut buffer, &shared).await {
                        return closed;
                    }
                    let _ = done.send(());
                }
                Outgoing::Shutdown(done) => {
                    if let Err(closed) = flush(&mut write, &mut buffer, &shared).await {
                        return closed;
                    }
                    // A peer that is gone already does not mind.
                    let _ = timeout(shared.limits.stalled, write.shutdown()).await;
                    let _ = done.send(());
                }
            }
            if buffer.len() >= CHUNK
                && let Err(closed) = flush(&mut write, &mut buffer, &shared).await
            {
                return closed;
            }
        }
        if let Err(closed) = flush(&mut write, &mut buffer, &shared).await {
            return closed;
        }
        // Only what was written gives its place back: a peer that does not read cannot make us remember more.
        permits.clear();
        if buffer.capacity() > 4 * CHUNK {
            buffer = BytesMut::new();
        }
    }
}

/// Takes a sequence number and puts the request behind what is about to be written. From here on its
/// outcome can be unknown.
fn enter(shared: &Shared, buffer: &mut BytesMut, mut bytes: BytesMut, mut waiter: Waiter) {
    if let Waiter::Caller(caller) = &mut waiter {
        if caller.is_gone() {
            return;
        }
        caller.written = Some(tokio::time::Instant::now());
    }
    let Some(sequence) = shared.enter(waiter) else { return };
    bytes[12..16].copy_from_slice(&sequence.to_be_bytes());
    buffer.extend_from_slice(&bytes);
}

async fn flush<W: AsyncWrite + Unpin>(write: &mut W, buffer: &mut BytesMut, shared: &Shared) -> Result<(), Closed> {
    if buffer.is_empty() {
        return Ok(());
    }
    let written = timeout(shared.limits.stalled, async {
        write.write_all(buffer).await?;
        write.flush().await
    })
    .await;
    buffer.clear();
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Closed::Network(error.kind())),
        Err(_) => Err(Closed::Stalled),
    }
}
