//! One bind: submits into `messaging`, answers after the commit, questions about messages.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::MessageId;
use futures_util::stream::{FuturesUnordered, StreamExt};
use messaging::{New, State};
use smpp::{DataSmResp, Pdu, QuerySm, QuerySmResp, Status, SubmitSmResp, Text, Tlvs};
use smpplink::{Incoming, Request, Responder};

use crate::account::{Named, Rights};
use crate::binds::Bind;
use crate::receipt::message_state;
use crate::server::Inner;
use crate::submit::{self, Submit};
use crate::time;

/// Requests taken from the connection in one go.
const BATCH: usize = 64;

type Work = FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// What a session needs.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) inner: Arc<Inner>,
    pub(crate) bind: Arc<Bind>,
    pub(crate) rights: Rights,
}

/// Which answer carries the id.
#[derive(Clone, Copy)]
enum Form {
    SubmitSm,
    DataSm,
}

impl Form {
    fn answer(self, message_id: Text) -> Pdu {
        match self {
            Self::SubmitSm => SubmitSmResp { message_id, tlvs: Tlvs::EMPTY }.into(),
            Self::DataSm => DataSmResp { message_id, tlvs: Tlvs::EMPTY }.into(),
        }
    }
}

impl Session {
    /// Serves until the connection is over, and then until everything that was asked is on disk.
    pub(crate) async fn serve(self, mut incoming: Incoming) {
        let mut batch = Vec::with_capacity(BATCH);
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
        match pdu {
            Pdu::SubmitSm(pdu) => {
                let read = Submit::of(&pdu).and_then(|submit| self.read(&submit));
                self.submit(read, responder, Form::SubmitSm, work);
            }
            Pdu::DataSm(pdu) => {
                let read = self.read(&Submit::of_data(&pdu));
                self.submit(read, responder, Form::DataSm, work);
            }
            Pdu::QuerySm(pdu) => {
                let session = self.clone();
                work.push(Box::pin(async move { session.query(&pdu, responder).await }));
            }
            // What we do not do is said, not ignored.
            Pdu::CancelSm(_) => responder.refuse(Status::RCANCELFAIL),
            Pdu::ReplaceSm(_) => responder.refuse(Status::RREPLACEFAIL),
            _ => responder.refuse(Status::RINVCMDID),
        }
    }

    fn read(&self, submit: &Submit<'_>) -> Result<New, Status> {
        if !self.bind.handle.mode().transmits() {
            return Err(Status::RINVBNDSTS);
        }
        if !self.inner.may_send(&self.bind.account) {
            return Err(Status::RTHROTTLED);
        }
        submit.message(&self.bind.account, self.inner.ctx.now())
    }

    fn submit(&self, read: Result<New, Status>, responder: Responder, form: Form, work: &mut Work) {
        let new = match read {
            Ok(new) => new,
            Err(status) => {
                self.bind.counts.answered(status);
                return responder.refuse(status);
            }
        };
        self.bind.counts.unanswered.fetch_add(1, Ordering::Relaxed);
        let session = self.clone();
        work.push(Box::pin(async move {
            let accepted = session.inner.messaging.submit(&session.rights.send, new).await;
            session.bind.counts.unanswered.fetch_sub(1, Ordering::Relaxed);
            match accepted {
                // On disk (rule 1). A connection that is over has nobody to answer; the message stands.
                Ok(accepted) => {
                    session.bind.counts.answered(Status::ROK);
                    let id = session.bind.account.message_ids.write(accepted.id, accepted.number);
                    let _ = responder.answer(Status::ROK, form.answer(id));
                }
                Err(error) => {
                    let status = submit::status(&error);
                    if status == Status::RSYSERR {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a submit could not be stored");
                    }
                    session.bind.counts.answered(status);
                    responder.refuse(status);
                }
            }
        }));
    }

    async fn query(&self, pdu: &QuerySm, responder: Responder) {
        let Some(named) = self.bind.account.message_ids.read(&pdu.message_id) else {
            return responder.refuse(Status::RINVMSGID);
        };
        match self.look_up(named).await {
            Ok(Some((state, done_at, error))) => {
                let answer = QuerySmResp {
                    message_id: pdu.message_id.clone(),
                    final_date: done_at.map_or(Text::EMPTY, time::write),
                    message_state: message_state(state),
                    error_code: error.and_then(|error| error.parse().ok()).unwrap_or(0),
                };
                let _ = responder.answer(Status::ROK, answer);
            }
            Ok(None) => responder.refuse(Status::RINVMSGID),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a query could not be answered");
                responder.refuse(Status::RQUERYFAIL);
            }
        }
    }

    /// Where a message stands; only one that this account submitted.
    async fn look_up(&self, named: Named) -> Result<Option<Standing>, messaging::Error> {
        let (messaging, permit) = (self.inner.messaging.clone(), self.rights.read.clone());
        let ours = self.rights.actor.principal.key();
        self.inner
            .db
            .read(move |tx| {
                let id: Option<MessageId> = match named {
                    Named::Id(id) => Some(id),
                    Named::Number(number) => messaging.by_number(tx, &permit, number)?,
                };
                let Some(id) = id else { return Ok(None) };
                let details = messaging.get(tx, &permit, id)?;
                Ok(details
                    .map(|details| details.summary)
                    .filter(|summary| summary.submitter == ours)
                    .map(|summary| (summary.state, summary.done_at, summary.error)))
            })
            .await
    }
}

type Standing = (State, Option<base::Timestamp>, Option<String>);

/// How long a stopping server waits for what is unanswered on each bind.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);
