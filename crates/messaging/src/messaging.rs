//! The handle.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use access::{OrganisationPermit, Permit, cap};
use async_trait::async_trait;
use base::{MessageId, Timestamp};
use store::{Db, Tx, params};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vault::Vault;

use crate::batches::OpenBatch;
use crate::carrier::{Carrier, Deliveries, Inbound, Receipt};
use crate::engine::{Engine, Lanes};
use crate::erase::Erased;
use crate::exports::Lines;
use crate::intake::{Later, Submit};
use crate::lane::Lane;
use crate::model::{Accepted, New};
use crate::reply::Reply;
use crate::routes::RoutesKind;
use crate::settle::{Settle, Waiting};
use crate::{
    Decide, Error, State, UnknownFigures, cancel, claim, deliveries, dispatch, erase, exports, feedback, inbound,
    intake, many, owners, rebuild, recover, reroute, routes, settle, unknown,
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

    /// Adds the jobs of this room to the worker; `lines` is how exports are written.
    #[must_use]
    pub fn work(&self, worker: store::Worker, lines: Lines) -> store::Worker {
        let (erasing, exporting) = (self.clone(), self.clone());
        worker
            .handle(erase::JOB, 2, move |job| erase::work(erasing.clone(), job))
            .handle(exports::JOB, 1, move |job| exports::work(exporting.clone(), lines, job))
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

    pub(crate) fn now(&self) -> Timestamp {
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
    engine.db.write_bulk(move |tx| exports::forget(tx, now)).await?;
    let forgotten = engine.db.write_bulk(move |tx| deliveries::forget(tx, now)).await?;
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
