//! One bind: submits into `messaging`, answers after the commit.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use messaging::{New, Queued};
use smpp::{DataSmResp, Pdu, Status, SubmitSmResp, Tag, Text, Tlvs};
use smpplink::{Incoming, Request, Responder};
use tokio::sync::Mutex;

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
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) inner: Arc<Inner>,
    pub(crate) bind: Arc<Bind>,
    pub(crate) rights: Arc<Rights>,
    /// Whose message is queued next: in the order in which they came.
    turn: Arc<Mutex<()>>,
}

/// Which answer carries the id.
#[derive(Clone, Copy)]
enum Form {
    SubmitSm,
    DataSm,
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
    pub(crate) fn new(inner: Arc<Inner>, bind: Arc<Bind>, rights: Arc<Rights>) -> Self {
        Self { inner, bind, rights, turn: Arc::default() }
    }

    /// Serves until the connection is over, and then until everything that was asked is on disk.
    pub(crate) async fn serve(self, mut incoming: Incoming) {
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
    }

    fn take(&self, request: Request, work: &mut Work) {
        let (pdu, responder) = request.into_parts();
        let session = self.clone();
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

    /// Its place in the queue, after all that came before it in this session.
    async fn enqueue(&self, new: New) -> Result<Queued, Status> {
        let _turn = self.turn.lock().await;
        if !self.has_room().await {
            return Err(Status::RMSGQFUL);
        }
        self.inner.messaging.enqueue(&self.rights.send, new).await.map_err(|error| said(&error))
    }

    fn submit(&self, read: Result<New, Status>, responder: Responder, form: Form, work: &mut Work) {
        let new = match read {
            Ok(new) => new,
            Err(status) => return self.refuse(responder, form, status),
        };
        self.bind.counts.unanswered.fetch_add(1, Ordering::Relaxed);
        let session = self.clone();
        work.push(Box::pin(async move {
            let accepted = match session.enqueue(new).await {
                Ok(queued) => queued.stored().await.map_err(|error| said(&error)),
                Err(status) => Err(status),
            };
            session.bind.counts.unanswered.fetch_sub(1, Ordering::Relaxed);
            match accepted {
                // On disk (rule 1). A connection that is over has nobody to answer; the message stands.
                Ok(accepted) => {
                    session.bind.counts.answered(Status::ROK);
                    let id = session.bind.account.message_ids.write(accepted.id, accepted.number);
                    let _ = responder.answer(Status::ROK, form.answer(id, session.congestion(Status::ROK)));
                }
                Err(status) => session.refuse(responder, form, status),
            }
        }));
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
