//! The handle, for many messages at once: batches and exports.

use access::{Permit, cap};
use base::{BatchId, ExportId, Page, PageRequest};
use futures_util::Stream;
use store::Tx;

use crate::batches::{Batch, BatchDetails, OpenBatch, Rejection};
use crate::exports::{Export, NewExport};
use crate::messaging::Messaging;
use crate::{Error, batches, exports};

impl Messaging {
    /// Notes that a request with `items` messages came, before the first of them is taken.
    pub async fn begin_batch(
        &self,
        permit: &Permit<cap::MessagesSend>,
        client_ref: Option<String>,
        items: usize,
    ) -> Result<OpenBatch, Error> {
        let permit = permit.clone();
        self.0.engine.db.write_bulk(move |tx| batches::begin(tx, &permit, client_ref.as_deref(), items)).await
    }

    /// Notes what became of the messages of that request: how many were accepted and rejected, and why those were.
    pub async fn end_batch(
        &self,
        batch: OpenBatch,
        counts: (u32, u32),
        rejections: Vec<Rejection>,
    ) -> Result<(), Error> {
        self.0.engine.db.write_bulk(move |tx| batches::end(tx, batch, counts, &rejections)).await
    }

    /// Batches of the permit's workspace, the newest first; those with the caller's own id `client_ref` when it is given.
    pub fn batches(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        client_ref: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Batch>, Error> {
        batches::list(tx, permit, client_ref, page)
    }

    /// One batch, with how many of its messages are in each state.
    pub fn batch(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        id: BatchId,
    ) -> Result<Option<BatchDetails>, Error> {
        batches::get(tx, permit, id)
    }

    /// Takes back what still waits of a batch, in pieces; how many were. Audited.
    pub async fn cancel_batch(&self, permit: &Permit<cap::MessagesSend>, id: BatchId) -> Result<u32, Error> {
        batches::cancel(&self.0.engine, permit, id).await
    }

    /// Asks for messages as files; a job makes them. Audited.
    pub fn start_export(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        new: &NewExport,
    ) -> Result<ExportId, Error> {
        exports::start(tx, &self.0.engine, permit, new)
    }

    /// Exports of the permit's workspace, the newest first.
    pub fn exports(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        page: &PageRequest,
    ) -> Result<Page<Export>, Error> {
        exports::list(tx, permit, page)
    }

    /// How far an export is.
    pub fn export(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        id: ExportId,
    ) -> Result<Option<Export>, Error> {
        exports::get(tx, permit, id)
    }

    /// Removes an export with its files, or stops it. Audited.
    pub fn delete_export(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        id: ExportId,
    ) -> Result<(), Error> {
        exports::delete(tx, permit, id)
    }

    /// A file of an export piece by piece, so that memory holds one of them; `None` when there is no such file.
    pub async fn export_file(
        &self,
        permit: &Permit<cap::MessagesRead>,
        id: ExportId,
        file: u32,
    ) -> Result<Option<impl Stream<Item = Result<bytes::Bytes, Error>> + Send + 'static + use<>>, Error> {
        let read = {
            let (messaging, permit) = (self.clone(), permit.clone());
            move |piece: i64| {
                let (messaging, permit) = (messaging.clone(), permit.clone());
                let db = messaging.0.engine.db.clone();
                async move { db.read(move |tx| exports::piece(tx, &messaging.0.engine, &permit, id, (file, piece))).await }
            }
        };
        if read(0).await?.is_none() {
            return Ok(None);
        }
        let pieces = futures_util::stream::unfold(Some(0_i64), move |place| {
            let next = place.map(&read);
            async move {
                match next?.await {
                    Ok(Some(text)) => Some((Ok(bytes::Bytes::from(text)), place.map(|place| place + 1))),
                    Ok(None) => None,
                    // Whoever reads sees a file that was cut off, and not one that looks whole.
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        Ok(Some(pieces))
    }
}
