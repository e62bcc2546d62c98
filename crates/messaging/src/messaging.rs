//! The handle.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use access::{Authority, OrganisationPermit, Permit, Principal, cap};
use async_trait::async_trait;
use base::{BatchId, ExportId, InboundId, MessageId, Page, PageRequest, Timestamp, WorkspaceId};
use futures_util::Stream;
use store::{Db, Tx, params};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vault::Vault;

use crate::batches::{Batch, BatchDetails, OpenBatch, Rejection};
use crate::carrier::{Carrier, Deliveries, Inbound, Receipt};
use crate::deliveries::{Delivery, DeliveryKey};
use crate::engine::{Engine, Lanes};
use crate::erase::Erased;
use crate::exports::{Export, Lines, NewExport};
use crate::inbox::Inbox;
use crate::intake::{Later, Submit};
use crate::lane::Lane;
use crate::model::{Accepted, Content, Details, Filter, InboundMessage, InboundSummary, Minute, New, Summary};
use crate::news::{self, News};
use crate::reply::Reply;
use crate::routes::RoutesKind;
use crate::settle::{Settle, Waiting};
use crate::{
    Decide, Error, State, UnknownFigures, batches, cancel, claim, deliveries, dispatch, erase, exports, feedback,
    inbound, intake, many, owners, reads, rebuild, recover, reroute, reveal, routes, settle, unknown,
};

/// Routes that other nodes changed are read this often.
const ROUTES: Duration = Duration::from_secs(5);
/// What no application took is looked after this often.
const FORGET: Duration = Duration::from_hours(1);
/// Long inbound messages are looked after this often.
const SWEEP: Duration = Duration::from_secs(10);
/// Stray receipts younger than this are remembered at start.
const STRAYS: Duration = Duration::from_mins(10);

/// Messages out and in. Cheap to clone. Carriers hand in what their peer brings through [`Deliveries`].
#[derive(Clone)]
pub struct Messaging(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    intake: mpsc::Sender<Submit>,
    /// Turns of [`Messaging::submit_many`].
    turns: Semaphore,
    /// Ends intake, lanes and housekeeping.
    stop: CancellationToken,
    /// Ends the settler, which must outlive them.
    settled: CancellationToken,
    tasks: TaskTracker,
    settler: TaskTracker,
}

impl Messaging {
    /// Starts messaging on a migrated database. What a process that is gone had claimed is decided as each carrier is
    /// attached (rule 3). Must run inside a tokio runtime; ends with [`Self::stop`].
    pub async fn start(db: Db, vault: Vault, kind: &RoutesKind) -> Result<Self, Error> {
        let (settler, items) = mpsc::unbounded_channel();
        let engine = Arc::new(Engine::new(db.clone(), vault, settler));
        kind.serve(&engine);
        let (node, since) = (db.node().to_owned(), engine.ctx.now().minus(STRAYS));
        let (epoch, known, strays) = db
            .write(move |tx| {
                let strays = tx.query(
                    "SELECT carrier, carrier_ref FROM stray_receipts WHERE received_at >= $1",
                    &params![since],
                    |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
                )?;
                Ok::<_, Error>((owners::register(tx, &node)?, routes::load(tx)?, strays))
            })
            .await?;
        engine.set_epoch(epoch);
        engine.routes.store(Arc::new(known));
        let (intake, queue) = mpsc::channel(intake::QUEUE);
        let (stop, settled) = (CancellationToken::new(), CancellationToken::new());
        let (tasks, settler) = (TaskTracker::new(), TaskTracker::new());
        settler.spawn(settle::run(Arc::clone(&engine), items, strays, settled.clone()));
        tasks.spawn(intake::run(Arc::clone(&engine), queue, stop.clone()));
        tasks.spawn(owners::run(Arc::clone(&engine), stop.clone()));
        tasks.spawn(reroute::run(Arc::clone(&engine), stop.clone()));
        tasks.spawn(rebuild::run(Arc::clone(&engine), stop.clone()));
        tasks.spawn(housekeeping(Arc::clone(&engine), stop.clone()));
        let turns = Semaphore::new(many::AT_ONCE);
        Ok(Self(Arc::new(Inner { engine, intake, turns, stop, settled, tasks, settler })))
    }

    /// Stops: what queued is stored, what is out is waited for (twelve seconds at most), what was not handed over goes
    /// back into the table, and everything known is written.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.settled.cancel();
        self.0.settler.close();
        self.0.settler.wait().await;
        owners::leave(&self.0.engine).await;
    }

    /// Attaches a carrier under its name; one that was attached under that name before stops, and gives back what it
    /// had not handed over.
    pub fn attach(&self, carrier: Arc<dyn Carrier>) {
        let engine = &self.0.engine;
        let (lane, queues) = Lane::new(carrier, self.0.stop.child_token());
        let name = lane.name.to_string();
        let before = self.change_lanes(|lanes| lanes.insert(name.clone(), Arc::clone(&lane)));
        if let Some(before) = before {
            before.stop.cancel();
        }
        self.0.tasks.spawn(dispatch::run(Arc::clone(engine), Arc::clone(&lane), queues));
        let engine = Arc::clone(engine);
        self.0.tasks.spawn(async move {
            match recover::recover(&engine, &lane.name, lane.policy).await {
                Ok(0) => {}
                Ok(messages) => tracing::warn!(carrier = %lane.name, messages, "messages had an unknown outcome and were decided by policy"),
                // The rerouter tries again.
                Err(error) => tracing::warn!(carrier = %lane.name, error = &error as &dyn std::error::Error, "messages in doubt could not be read yet"),
            }
            lane.wake.notify_one();
            claim::run(engine, lane).await;
        });
    }

    /// Detaches a carrier. What waits for it is led elsewhere, or stays until it is attached again.
    pub fn detach(&self, name: &str) {
        if let Some(lane) = self.change_lanes(|lanes| lanes.remove(name)) {
            lane.stop.cancel();
            self.0.engine.reroute.notify_one();
        }
    }

    /// Attaching is rare and comes from one task; should two ever meet, the later map wins whole.
    fn change_lanes<T>(&self, mut change: impl FnMut(&mut Lanes) -> T) -> T {
        let mut lanes = Lanes::clone(&self.0.engine.lanes.load());
        let result = change(&mut lanes);
        self.0.engine.lanes.store(Arc::new(lanes));
        result
    }

    /// Takes a message in the caller's transaction: it is accepted if and when that commits, and handed over then.
    pub fn accept(&self, tx: &mut Tx<'_>, permit: &Permit<cap::MessagesSend>, new: New) -> Result<Accepted, Error> {
        if self.0.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        intake::accept(&self.0.engine, tx, permit, new)
    }

    /// Takes a message in a commit shared with whoever else asks at the moment. Returns when it is on disk (control
    /// E-31); [`Error::Busy`] when more arrive than can be taken.
    pub async fn submit(&self, permit: &Permit<cap::MessagesSend>, new: New) -> Result<Accepted, Error> {
        let (reply, answer) = Reply::channel();
        self.enqueue(permit, new, reply).await;
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    /// The first half of [`Self::submit`]: returns when the message has its place in the queue, and is not on disk yet; `reply` hears
    /// when it is (control E-31), or why it never will be. Who does this for one message after the other has them leave in that order.
    pub async fn enqueue(&self, permit: &Permit<cap::MessagesSend>, new: New, reply: Reply<Accepted>) {
        if let Err(later) = self.enqueue_now(permit, new, reply) {
            self.enqueue_later(permit, later).await;
        }
    }

    /// [`Self::enqueue`] where nothing has to be waited for; else what to wait with.
    pub fn enqueue_now(
        &self,
        permit: &Permit<cap::MessagesSend>,
        new: New,
        reply: Reply<Accepted>,
    ) -> Result<(), Later> {
        intake::enqueue_now(&self.0.engine, &self.0.intake, permit, new, reply)
    }

    /// The rest of [`Self::enqueue`].
    pub async fn enqueue_later(&self, permit: &Permit<cap::MessagesSend>, later: Later) {
        intake::enqueue_later(&self.0.engine, &self.0.intake, permit, later).await;
    }

    /// Takes up to 1,024 messages in one commit of their own, and says of each what became of it, in their order. Bring more in
    /// several calls side by side. They belong to `batch` when one is given.
    pub async fn submit_many(
        &self,
        permit: &Permit<cap::MessagesSend>,
        batch: Option<OpenBatch>,
        items: Vec<New>,
    ) -> Vec<Result<Accepted, Error>> {
        many::submit(&self.0.engine, &self.0.turns, permit, batch.map(|batch| batch.number), items).await
    }

    /// Notes that a request with `items` messages came, before the first of them is taken.
    pub async fn begin_batch(
        &self,
        permit: &Permit<cap::MessagesSend>,
        client_ref: Option<String>,
        items: usize,
    ) -> Result<OpenBatch, Error> {
        let permit = permit.clone();
        self.0.engine.db.write(move |tx| batches::begin(tx, &permit, client_ref.as_deref(), items)).await
    }

    /// Notes what became of the messages of that request: how many were accepted and rejected, and why those were.
    pub async fn end_batch(
        &self,
        batch: OpenBatch,
        counts: (u32, u32),
        rejections: Vec<Rejection>,
    ) -> Result<(), Error> {
        self.0.engine.db.write(move |tx| batches::end(tx, batch, counts, &rejections)).await
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

    /// Erases number and text of a message for good, out or in: now, or as soon as it has been handed over. Audited.
    pub fn erase(&self, tx: &mut Tx<'_>, permit: &Permit<cap::MessagesErase>, id: uuid::Uuid) -> Result<Erased, Error> {
        erase::erase(tx, &self.0.engine, permit, id)
    }

    /// Notes what the application says became of a message for it, within 15 minutes after the message was due.
    pub fn feedback(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesSend>,
        id: MessageId,
        success: bool,
        at: Option<Timestamp>,
    ) -> Result<(), Error> {
        feedback::feedback(tx, &self.0.engine, permit, id, success, at)
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

    /// Adds the jobs of this room to the worker; `lines` is how exports are written.
    #[must_use]
    pub fn work(&self, worker: store::Worker, lines: Lines) -> store::Worker {
        let (erasing, exporting) = (self.clone(), self.clone());
        worker
            .handle(erase::JOB, 2, move |job| erase::work(erasing.clone(), job))
            .handle(exports::JOB, 1, move |job| exports::work(exporting.clone(), lines, job))
    }

    /// One message from a handset, as lists show it.
    pub fn inbound_summary(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        id: InboundId,
    ) -> Result<Option<InboundSummary>, Error> {
        reads::inbound_one(tx, &self.0.engine, permit, id)
    }

    /// Messages of the permit's workspace, newest first, with masked numbers and without texts.
    pub fn list(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Page<Summary>, Error> {
        reads::list(tx, &self.0.engine, permit, filter, page)
    }

    /// One message with its parts, receipts, notes and readable history.
    pub fn get(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        id: MessageId,
    ) -> Result<Option<Details>, Error> {
        reads::get(tx, &self.0.engine, permit, id)
    }

    /// The id of a message by its [number](Accepted::number), when it is one of the permit's workspace.
    pub fn by_number(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        number: i64,
    ) -> Result<Option<MessageId>, Error> {
        reads::by_number(tx, permit, number)
    }

    /// Number and text of a message, for those who may read content. Audited, so `tx` must be a writing one.
    pub fn content(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessageContentRead>,
        id: MessageId,
    ) -> Result<Option<Content>, Error> {
        reads::content(tx, &self.0.engine, permit, id)
    }

    /// The number alone that a message goes to, for those who may read content. Audited, so `tx` must be a writing one.
    pub fn number(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessageContentRead>,
        id: MessageId,
    ) -> Result<Option<sms::Number>, Error> {
        reveal::number(tx, &self.0.engine, permit, id)
    }

    /// Handset and words of a message that came in, for a person to read. Audited, so `tx` must be a writing one;
    /// [`Self::inbound`] is for the rooms that act on it.
    pub fn inbound_content(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessageContentRead>,
        id: InboundId,
    ) -> Result<Option<InboundMessage>, Error> {
        reveal::inbound(tx, &self.0.engine, permit, id)
    }

    /// The last hour minute by minute, the oldest first. Approximate after a crash; about a second behind.
    pub fn last_hour(&self, tx: &mut Tx<'_>, permit: &Permit<cap::MessagesRead>) -> Result<Vec<Minute>, Error> {
        reads::last_hour(tx, permit, self.now())
    }

    /// Messages from handsets, newest first: of the permit's workspace, or, for a permit of the organisation, those that
    /// belong to no workspace.
    pub fn inbound_list(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::MessagesRead>,
        page: &PageRequest,
    ) -> Result<Page<InboundSummary>, Error> {
        reads::inbound_list(tx, &self.0.engine, permit, page)
    }

    /// One message from a handset, opened. A permit of the organisation opens every one, also those of no workspace.
    pub fn inbound(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::MessageContentRead>,
        id: InboundId,
    ) -> Result<Option<InboundMessage>, Error> {
        reads::inbound(tx, &self.0.engine, permit, id)
    }

    /// Decides about a message of which nobody knows whether it arrived: audited, and told in its history.
    pub fn decide_unknown(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesSend>,
        id: MessageId,
        decide: Decide,
        reason: &str,
    ) -> Result<State, Error> {
        unknown::decide(tx, &self.0.engine, permit, id, decide, reason)
    }

    /// How many messages have an unknown outcome, by carrier.
    pub fn unknown(&self, tx: &mut Tx<'_>, permit: &Permit<cap::MessagesRead>) -> Result<Vec<UnknownFigures>, Error> {
        unknown::figures(tx, permit)
    }

    /// How many they are together, up to [`COUNTED`](crate::COUNTED): for a number beside a link.
    pub fn unknown_count(&self, tx: &mut Tx<'_>, permit: &Permit<cap::MessagesRead>) -> Result<u32, Error> {
        unknown::count(tx, permit.workspace())
    }

    /// The same over the whole installation, for figures.
    pub async fn unknown_everywhere(
        &self,
        permit: &OrganisationPermit<cap::MetricsRead>,
    ) -> Result<Vec<UnknownFigures>, Error> {
        let permit = permit.clone();
        self.0.engine.db.read(move |tx| unknown::figures(tx, &permit)).await
    }

    /// Takes a message back that still waits or is scheduled; refused for one that a dispatcher or carrier has, and for one that
    /// a room above caused. Audited, told in its history, and to its submitter like any end.
    pub fn cancel(&self, tx: &mut Tx<'_>, permit: &Permit<cap::MessagesSend>, id: MessageId) -> Result<State, Error> {
        cancel::cancel(tx, &self.0.engine, permit, id)
    }

    /// Turns whenever there may be something new to tell an application; what there is, [`Self::waiting`] says.
    pub fn told(&self) -> watch::Receiver<u64> {
        self.0.engine.told.subscribe()
    }

    /// What waits for the holder of the permit: ends of its messages that it wants to hear of, and messages from handsets
    /// for it. The oldest `most` since `before` or longer, without those in `skip` (that are on their way to it).
    pub async fn waiting(
        &self,
        permit: &Permit<cap::MessageContentRead>,
        before: Timestamp,
        skip: HashSet<DeliveryKey>,
        most: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let (engine, permit) = (Arc::clone(&self.0.engine), permit.clone());
        self.0.engine.db.read(move |tx| deliveries::waiting(tx, &engine, &permit, before, &skip, most)).await
    }

    /// Where ends of the permit holder's messages are put from now on, in memory, once they are on disk. It only saves looking: what
    /// is not put here is [`Self::waiting`] all the same.
    pub fn inbox(&self, permit: &Permit<cap::MessageContentRead>) -> Inbox {
        self.0.engine.desks.open(permit.actor().principal.key())
    }

    /// The holder of the permit has these, and is not told them again.
    pub async fn taken(&self, permit: &Permit<cap::MessageContentRead>, keys: Vec<DeliveryKey>) -> Result<(), Error> {
        let permit = permit.clone();
        self.0.engine.db.write(move |tx| deliveries::taken(tx, &permit, &keys)).await
    }

    /// Takes or keeps the lease on telling the holder of the permit; false while another process has it.
    pub async fn lease_deliveries(&self, permit: &Permit<cap::MessageContentRead>) -> Result<bool, Error> {
        let (engine, permit) = (Arc::clone(&self.0.engine), permit.clone());
        self.0.engine.db.write(move |tx| deliveries::lease(tx, &engine, &permit)).await
    }

    /// Gives that lease back.
    pub async fn release_deliveries(&self, permit: &Permit<cap::MessageContentRead>) -> Result<(), Error> {
        let (engine, permit) = (Arc::clone(&self.0.engine), permit.clone());
        self.0.engine.db.write(move |tx| deliveries::release(tx, &engine, &permit)).await
    }

    /// Gives a message from a handset to an application. Called by the room that knows whose it is, in the transaction in
    /// which it heard of the message.
    pub fn give_inbound(&self, tx: &mut Tx<'_>, recipient: &Principal, id: InboundId) -> Result<(), Error> {
        deliveries::tell_inbound(tx, &recipient.key(), id)?;
        let engine = Arc::clone(&self.0.engine);
        tx.after_commit(move || engine.told.send_modify(|turn| *turn += 1));
        Ok(())
    }

    /// Who listens to what becomes of a workspace's messages: said once, by the composition, before the first message. Asked
    /// for each message that [wants it](Tell::Each), so it answers from memory.
    pub fn listeners(&self, listens: impl Fn(WorkspaceId) -> bool + Send + Sync + 'static) {
        self.0.engine.set_listeners(Box::new(listens));
    }

    /// Whose an address of ours is, as a room above knows: said once, before the first message. Asked for messages from handsets
    /// that nothing was sent to from there.
    pub fn address_owners(
        &self,
        owners: impl Fn(&mut Tx<'_>, &str) -> Result<Vec<WorkspaceId>, store::Error> + Send + Sync + 'static,
    ) {
        self.0.engine.set_address_owners(Box::new(owners));
    }

    /// What became of messages that somebody listens to, and what came in for them: the oldest `most`, opened. It stays until
    /// it is [told](Self::told_news).
    pub fn news(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::MessageContentRead>,
        most: usize,
    ) -> Result<Vec<News>, Error> {
        news::read(tx, &self.0.engine, permit, most)
    }

    /// These are told, or written down where they will be; they are not read again.
    pub fn told_news(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::MessageContentRead>,
        news: &[News],
    ) -> Result<(), Error> {
        news::told(tx, permit, news)
    }

    /// Receipts that belonged to no message we know, since the start.
    pub fn stray_receipts(&self) -> u64 {
        self.0.engine.strays.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        inbound::sweep(&self.0.engine).await
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn engine_arc(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    /// Places that are free in the queue before the store.
    pub(crate) fn intake_room(&self) -> usize {
        self.0.intake.capacity()
    }

    fn now(&self) -> Timestamp {
        self.0.engine.ctx.now()
    }
}

impl std::fmt::Debug for Messaging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Messaging(…)")
    }
}

#[async_trait]
impl Deliveries for Messaging {
    fn take_receipt(&self, receipt: Receipt, reply: Reply<()>) {
        let at = self.now();
        // A settler that is gone drops the reply, and that says so.
        let _ = self.0.engine.settler.send(Settle::Receipt(Waiting { receipt, at, ack: reply }));
    }

    async fn on_inbound(&self, inbound: Inbound) -> Result<(), Error> {
        if self.0.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        inbound::arrived(&self.0.engine, inbound).await
    }
}

/// What is done now and then.
async fn housekeeping(engine: Arc<Engine>, stop: CancellationToken) {
    let (mut routes, mut sweep) = (tokio::time::interval(ROUTES), tokio::time::interval(SWEEP));
    let mut forget = tokio::time::interval(FORGET);
    loop {
        let done = tokio::select! {
            () = stop.cancelled() => return,
            _ = routes.tick() => reload_routes(&engine).await,
            _ = sweep.tick() => inbound::sweep(&engine).await,
            _ = forget.tick() => forget_deliveries(&engine).await,
        };
        if let Err(error) = done {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "housekeeping of messages failed; it is tried again"
            );
        }
    }
}

async fn forget_deliveries(engine: &Engine) -> Result<(), Error> {
    let now = engine.ctx.now();
    engine.db.write(move |tx| exports::forget(tx, now)).await?;
    let forgotten = engine.db.write(move |tx| deliveries::forget(tx, now)).await?;
    if forgotten > 0 {
        tracing::warn!(
            deliveries = forgotten,
            "receipts and texts that no application took for two weeks are forgotten"
        );
    }
    Ok(())
}

async fn reload_routes(engine: &Engine) -> Result<(), Error> {
    let before = engine.routes.load_full();
    let stored = engine.db.read(routes::load).await?;
    // Only if nothing was applied here meanwhile: what was read may be older than that.
    let current = engine.routes.load();
    if *before != stored && Arc::ptr_eq(&before, &current) {
        engine.routes.compare_and_swap(&before, Arc::new(stored));
        engine.reroute.notify_one();
    }
    Ok(())
}
