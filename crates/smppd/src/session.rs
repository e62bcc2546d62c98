//! One bind: submits into `messaging`, answers after the commit.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use messaging::{Accepted, Later, New, Reply};
use smpp::{DataSmResp, Pdu, Status, SubmitSmResp, Tag, Text, Tlvs};
use smpplink::{Incoming, Request, Responder};
use tokio::sync::{Mutex, Notify};

use crate::account::Rights;
use crate::binds::Bind;
use crate::server::Inner;
use crate::submit::{self, Submit};

/// Requests taken from the connection in one go.
const BATCH: usize = 64;
/// What `congestion_state` says when a rate or a bound was reached: congested (5.0 section 4.8.4.18).
const CONGESTED: u8 = 90;

pub(crate) type Work = FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// What a session needs.
pub(crate) struct Session {
    pub(crate) inner: Arc<Inner>,
    pub(crate) bind: Arc<Bind>,
    pub(crate) rights: Arc<Rights>,
    /// Whose message is queued next: in the order in which they came.
    turn: Mutex<()>,
    /// Messages that wait for their turn: nothing that came later passes them.
    waiting: AtomicUsize,
    /// Messages that are not on disk yet.
    under_way: AtomicUsize,
    settled: Notify,
}

/// Which answer carries the id.
#[derive(Clone, Copy)]
enum Form {
    SubmitSm,
    DataSm,
}

/// A message that waits for its turn.
enum Waits {
    /// It has a place below the account's bound.
    Placed(Later),
    /// Whether it may wait is not known yet.
    Counted(Box<New>, Reply<Accepted>),
}

impl Form {
    fn answer(self, message_id: Text, tlvs: Tlvs) -> Pdu {
        match self {
            Self::SubmitSm => SubmitSmResp { message_id, tlvs }.into(),
            Self::DataSm => DataSmResp { message_id, tlvs }.into(),
        }
    }
}

impl Session {
    pub(crate) fn new(inner: Arc<Inner>, bind: Arc<Bind>, rights: Arc<Rights>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            bind,
            rights,
            turn: Mutex::default(),
            waiting: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            settled: Notify::new(),
        })
    }

    /// Serves until the connection is over, and then until everything that was asked is on disk.
    pub(crate) async fn serve(self: Arc<Self>, mut incoming: Incoming) {
        // Grows with what comes: most binds are idle most of the time.
        let mut batch = Vec::new();
        let mut work = Work::new();
        loop {
            tokio::select! {
                biased;
                // Begun in the order of arrival: so messages keep their order into the store.
                taken = incoming.next_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    for request in batch.drain(..) {
                        self.take(request, &mut work);
                    }
                }
                Some(()) = work.next(), if !work.is_empty() => {}
            }
        }
        while work.next().await.is_some() {}
        while self.under_way.load(Ordering::Acquire) > 0 {
            self.settled.notified().await;
        }
    }

    fn take(self: &Arc<Self>, request: Request, work: &mut Work) {
        let (pdu, responder) = request.into_parts();
        let session = Arc::clone(self);
        match pdu {
            Pdu::SubmitSm(pdu) => {
                let read = Submit::of(&pdu).and_then(|submit| self.read(&submit));
                self.submit(read, responder, Form::SubmitSm, work);
            }
            Pdu::DataSm(pdu) => {
                let read = self.read(&Submit::of_data(&pdu));
                self.submit(read, responder, Form::DataSm, work);
            }
            Pdu::SubmitMulti(pdu) => work.push(Box::pin(async move { session.submit_multi(pdu, responder).await })),
            Pdu::QuerySm(pdu) => work.push(Box::pin(async move { session.query(&pdu, responder).await })),
            Pdu::CancelSm(pdu) => work.push(Box::pin(async move { session.cancel(&pdu, responder).await })),
            Pdu::ReplaceSm(pdu) => work.push(Box::pin(async move { session.replace(pdu, responder).await })),
            // What we do not do is said, not ignored.
            _ => responder.refuse(Status::RINVCMDID),
        }
    }

    /// The message that a PDU asks for, when the account may send one more now.
    pub(crate) fn read(&self, submit: &Submit<'_>) -> Result<New, Status> {
        if !self.bind.handle.mode().transmits() {
            return Err(Status::RINVBNDSTS);
        }
        if !self.inner.may_send(&self.bind.account) {
            return Err(Status::RTHROTTLED);
        }
        submit.message(&self.bind.account, self.inner.ctx.now())
    }

    /// Whether one more message of the account may wait for a carrier.
    pub(crate) async fn has_room(&self) -> bool {
        let (inner, account) = (&self.inner, &self.bind.account);
        let clock = || inner.ctx.monotonic();
        self.bind.backlog.admits(account.max_waiting, &inner.messaging, &self.rights.send, clock).await
    }

    /// Queues the message and answers when it is on disk. What nothing has to be waited for is queued at once.
    fn submit(self: &Arc<Self>, read: Result<New, Status>, responder: Responder, form: Form, work: &mut Work) {
        let new = match read {
            Ok(new) => new,
            Err(status) => return self.refuse(responder, form, status),
        };
        self.bind.counts.unanswered.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let session = Arc::clone(self);
        let reply = Reply::new(move |accepted| session.stored(accepted, responder, form));
        let (messaging, permit) = (&self.inner.messaging, &self.rights.send);
        let first = self.waiting.load(Ordering::Relaxed) == 0;
        let waits = if first && self.bind.backlog.below(self.bind.account.max_waiting) {
            match messaging.enqueue_now(permit, new, reply) {
                Ok(()) => return,
                Err(later) => Waits::Placed(later),
            }
        } else {
            Waits::Counted(Box::new(new), reply)
        };
        let session = Arc::clone(self);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        work.push(Box::pin(async move { session.queue(waits).await }));
    }

    /// Queues it after all that came before it in this session.
    async fn queue(&self, waits: Waits) {
        let (messaging, permit) = (&self.inner.messaging, &self.rights.send);
        let turn = self.turn.lock().await;
        match waits {
            Waits::Placed(later) => messaging.enqueue_later(permit, later).await,
            Waits::Counted(new, reply) if self.has_room().await => messaging.enqueue(permit, *new, reply).await,
            Waits::Counted(_, reply) => reply.say(Err(messaging::Error::Busy)),
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        drop(turn);
    }

    /// What became of a message, from the task that wrote it.
    fn stored(&self, accepted: Result<Accepted, messaging::Error>, responder: Responder, form: Form) {
        self.bind.counts.unanswered.fetch_sub(1, Ordering::Relaxed);
        match accepted {
            // On disk (rule 1). A connection that is over has nobody to answer; the message stands.
            Ok(accepted) => {
                self.bind.counts.answered(Status::ROK);
                let id = self.bind.account.message_ids.write(accepted.id, accepted.number);
                let _ = responder.answer(Status::ROK, form.answer(id, self.congestion(Status::ROK)));
            }
            Err(error) => self.refuse(responder, form, said(&error)),
        }
        if self.under_way.fetch_sub(1, Ordering::Release) == 1 {
            self.settled.notify_one();
        }
    }

    fn refuse(&self, responder: Responder, form: Form, status: Status) {
        self.bind.counts.answered(status);
        let tlvs = self.congestion(status);
        if tlvs.is_empty() {
            return responder.refuse(status);
        }
        let _ = responder.answer(status, form.answer(Text::EMPTY, tlvs));
    }

    /// `congestion_state` for those who know it: how busy we are, or that they are to slow down.
    pub(crate) fn congestion(&self, status: Status) -> Tlvs {
        if !self.bind.knows_congestion() {
            return Tlvs::EMPTY;
        }
        let state = match status {
            Status::RTHROTTLED | Status::RMSGQFUL => CONGESTED,
            _ => self.inner.messaging.congestion().min(CONGESTED),
        };
        Tlvs::EMPTY.with(Tag::CONGESTION_STATE, [state])
    }
}

/// The status for what messaging said; what the operator should know goes into the log.
pub(crate) fn said(error: &messaging::Error) -> Status {
    let status = submit::status(error);
    if status == Status::RSYSERR {
        tracing::warn!(error = error as &dyn std::error::Error, "a submit could not be stored");
    }
    status
}

/// How long a stopping server waits for what is unanswered on each bind.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);
