//! What else an application may ask: several destinations at once, and about what it submitted before.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::MessageId;
use messaging::{Accepted, New, Replacement, State};
use smpp::{
    Address, CancelSm, CancelSmResp, Destination, Destinations, QuerySm, QuerySmResp, ReplaceSm, ReplaceSmResp, Status,
    SubmitMulti, SubmitMultiResp, Text, Unsuccessful, UnsuccessfulList,
};
use smpplink::Responder;

use crate::account::Named;
use crate::receipt::message_state;
use crate::session::{Session, said};
use crate::submit::{self, Coded, Submit};
use crate::time;

/// What one destination came to: its message, or the status that says why there is none.
type Came = (Address, Result<Accepted, Status>);

impl Session {
    /// One message for each destination, all of them in one transaction (3.4 section 4.5). They share an id, that of the
    /// first, which their receipts have too; the source address of a receipt says whose it is.
    pub(crate) async fn submit_multi(&self, pdu: SubmitMulti, responder: Responder) {
        let status = match pdu.destinations.0.len() {
            0 => Some(Status::RINVNUMDESTS),
            count if count > Destinations::LIMIT => Some(Status::RINVNUMDESTS),
            _ if pdu.destinations.0.iter().any(|one| matches!(one, Destination::List(_))) => Some(Status::RCNTSUBDL),
            _ => None,
        };
        if let Some(status) = status {
            self.bind.counts.answered(status);
            return responder.refuse(status);
        }
        let mut read = Vec::with_capacity(pdu.destinations.0.len());
        for destination in &pdu.destinations.0 {
            let Destination::Address(address) = destination else { continue };
            let new = Submit::of_multi(&pdu, address).and_then(|submit| self.read(&submit));
            let new = if new.is_ok() && !self.has_room().await { Err(Status::RMSGQFUL) } else { new };
            read.push((address.clone(), new));
        }
        self.bind.counts.unanswered.fetch_add(1, Ordering::Relaxed);
        let came = self.accept_all(read).await;
        self.bind.counts.unanswered.fetch_sub(1, Ordering::Relaxed);
        for (_, came) in &came {
            self.bind.counts.answered(came.as_ref().map_or_else(|status| *status, |_| Status::ROK));
        }
        let (status, mut answer) = multi_answer(&came);
        if let Some(first) = came.iter().find_map(|(_, came)| came.as_ref().ok()) {
            answer.message_id = self.bind.account.message_ids.write(first.id, first.number);
        }
        answer.tlvs = self.congestion(status);
        let _ = responder.answer(status, answer);
    }

    /// Stores what can be stored; returns after the commit. A failure of the store is everyone's.
    async fn accept_all(&self, read: Vec<(Address, Result<New, Status>)>) -> Vec<Came> {
        let addresses: Vec<Address> = read.iter().map(|(address, _)| address.clone()).collect();
        let read = Arc::new(read);
        let (messaging, permit) = (self.inner.messaging.clone(), self.rights.send.clone());
        let stored = self
            .inner
            .db
            .write(move |tx| {
                let (mut first, mut came) = (None, Vec::with_capacity(read.len()));
                for (_, new) in read.iter() {
                    let accepted = match new {
                        Err(status) => Err(*status),
                        Ok(new) => match messaging.accept(
                            tx,
                            &permit,
                            New { submission: first, together: true, ..new.clone() },
                        ) {
                            Ok(accepted) => {
                                first = first.or(Some(accepted.number));
                                Ok(accepted)
                            }
                            // Said of this destination alone, and nothing was written for it.
                            Err(error) if submit::status(&error) != Status::RSYSERR => Err(submit::status(&error)),
                            Err(error) => return Err(error),
                        },
                    };
                    came.push(accepted);
                }
                Ok(came)
            })
            .await;
        match stored {
            Ok(came) => addresses.into_iter().zip(came).collect(),
            Err(error) => {
                let status = said(&error);
                addresses.into_iter().map(|address| (address, Err(status))).collect()
            }
        }
    }

    /// Where a message stands (3.4 section 4.8).
    pub(crate) async fn query(&self, pdu: &QuerySm, responder: Responder) {
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

    /// Where a message stands; only one that this account submitted. Of a submission for several, where the first stands.
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

    /// Takes back what still waits (3.4 section 4.9): one submission by its id, or everything between two addresses.
    pub(crate) async fn cancel(&self, pdu: &CancelSm, responder: Responder) {
        let status = match self.cancelled(pdu).await {
            Ok(()) => Status::ROK,
            Err(status) => status,
        };
        let _ = responder.answer(status, CancelSmResp {});
    }

    async fn cancelled(&self, pdu: &CancelSm) -> Result<(), Status> {
        let source = submit::source(&pdu.source)?;
        let by_id = !pdu.message_id.is_empty();
        let named = if by_id {
            Some(self.bind.account.message_ids.read(&pdu.message_id).ok_or(Status::RINVMSGID)?)
        } else {
            None
        };
        let between = match (named, source.clone()) {
            (None, None) => return Err(Status::RINVSRCADR),
            (None, Some(source)) => Some((source, submit::destination(&pdu.destination)?)),
            (Some(_), _) => None,
        };
        let (messaging, send, read) =
            (self.inner.messaging.clone(), self.rights.send.clone(), self.rights.read.clone());
        let done: Result<Result<usize, Status>, messaging::Error> = self
            .inner
            .db
            .write(move |tx| {
                let ids = match (named, &between) {
                    (Some(Named::Id(id)), _) => messaging.submitted_together(tx, &send, id)?,
                    (Some(Named::Number(number)), _) => match messaging.by_number(tx, &read, number)? {
                        Some(id) => messaging.submitted_together(tx, &send, id)?,
                        None => Vec::new(),
                    },
                    (None, Some((source, to))) => messaging.waiting_between(tx, &send, source, to)?,
                    (None, None) => Vec::new(),
                };
                if by_id {
                    let Some(first) = ids.first() else { return Ok(Err(Status::RINVMSGID)) };
                    let summary = messaging.get(tx, &read, *first)?.map(|details| details.summary);
                    let from = summary.and_then(|summary| summary.sender.parse().ok());
                    if source.is_some() && source != from {
                        return Ok(Err(Status::RINVSRCADR));
                    }
                }
                let mut taken_back = 0;
                for id in ids {
                    match messaging.cancel(tx, &send, id) {
                        Ok(_) => taken_back += 1,
                        // Too late for this one.
                        Err(error) if is_past(&error) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(Ok(taken_back))
            })
            .await;
        match done {
            Ok(Ok(0)) => Err(Status::RCANCELFAIL),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(status),
            Err(error) => Err(said(&error)),
        }
    }

    /// Replaces the text of what still waits (3.4 section 4.10).
    pub(crate) async fn replace(&self, pdu: ReplaceSm, responder: Responder) {
        let status = match self.replaced(pdu).await {
            Ok(()) => Status::ROK,
            Err(status) => status,
        };
        let _ = responder.answer(status, ReplaceSmResp {});
    }

    async fn replaced(&self, pdu: ReplaceSm) -> Result<(), Status> {
        if pdu.sm_default_msg_id != 0 {
            return Err(Status::RINVDFTMSGID);
        }
        let now = self.inner.ctx.now();
        let named = self.bind.account.message_ids.read(&pdu.message_id).ok_or(Status::RINVMSGID)?;
        let source = submit::source(&pdu.source)?;
        let scheduled = time::parse(&pdu.schedule_delivery_time, now).map_err(|_| Status::RINVSCHED)?;
        let expires_at = time::parse(&pdu.validity_period, now).map_err(|_| Status::RINVEXPIRY)?;
        let (messaging, send, read) =
            (self.inner.messaging.clone(), self.rights.send.clone(), self.rights.read.clone());
        let done = self.inner.db.write(move |tx| {
            let id = match named {
                Named::Id(id) => Some(id),
                Named::Number(number) => messaging.by_number(tx, &read, number)?,
            };
            let Some(id) = id else { return Err(messaging::Error::NotFound) };
            let found = messaging.replaceable(tx, &send, id)?;
            if source.as_ref().is_some_and(|source| *source != found.sender) {
                return Ok(Err(Status::RINVSRCADR));
            }
            let octets = if pdu.short_message.0.is_empty() {
                pdu.tlvs.message_payload().unwrap_or_default()
            } else {
                pdu.short_message.0.clone()
            };
            let coded =
                Coded { data_coding: smpp::DataCoding(found.data_coding), has_header: found.has_header, sar: None };
            let (text, octets) = match coded.read(&octets) {
                Ok(read) => read,
                Err(status) => return Ok(Err(status)),
            };
            let (tell, passing) = (submit::tell(pdu.registered_delivery), submit::passing(pdu.registered_delivery));
            messaging.replace(tx, &send, &found, Replacement { text, octets, scheduled, expires_at, tell, passing })?;
            Ok(Ok(()))
        });
        match done.await {
            Ok(done) => done,
            Err(error @ (messaging::Error::NotFound | messaging::Error::NotWaiting(_))) => Err(match error {
                messaging::Error::NotFound => Status::RINVMSGID,
                _ => Status::RREPLACEFAIL,
            }),
            Err(error) => Err(said(&error)),
        }
    }
}

/// Whether a message is past the point where its submitter may change it.
const fn is_past(error: &messaging::Error) -> bool {
    use messaging::Error;
    matches!(
        error,
        Error::NotCancellable(_) | Error::HalfSent | Error::Owned(_) | Error::NotWaiting(_) | Error::NotFound
    )
}

type Standing = (State, Option<base::Timestamp>, Option<String>);

/// The answer to a `submit_multi`: accepted when anybody's message was. When nobody's was, it says why: with the reason all of
/// them have, or that submitting failed.
fn multi_answer(came: &[Came]) -> (Status, SubmitMultiResp) {
    let failed: Vec<(&Address, Status)> =
        came.iter().filter_map(|(address, came)| Some((address, came.as_ref().err().copied()?))).collect();
    let status = match failed.first() {
        Some((_, first)) if failed.len() == came.len() => {
            if failed.iter().all(|(_, status)| status == first) {
                *first
            } else {
                Status::RSUBMITFAIL
            }
        }
        _ => Status::ROK,
    };
    let unsuccessful = failed
        .into_iter()
        .map(|(address, status)| {
            // What was too long to be an address is still said, as far as it may be written.
            let text = address.text.as_bytes();
            let text = Text::from(bytes::Bytes::copy_from_slice(&text[..text.len().min(20)]));
            Unsuccessful { address: Address { text, ..address.clone() }, status }
        })
        .collect();
    (status, SubmitMultiResp { unsuccessful: UnsuccessfulList(unsuccessful), ..SubmitMultiResp::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_who_was_not_reached_and_why() {
        let failed = |number: &str, status| (Address::international(number), Err(status));
        let (status, answer) =
            multi_answer(&[failed("12", Status::RINVDSTADR), failed("447700900117", Status::RTHROTTLED)]);
        assert_eq!((status, answer.unsuccessful.0.len()), (Status::RSUBMITFAIL, 2));
        assert_eq!(answer.unsuccessful.0[1].status, Status::RTHROTTLED);
        let (status, _) = multi_answer(&[failed("12", Status::RINVDSTADR), failed("13", Status::RINVDSTADR)]);
        assert_eq!(status, Status::RINVDSTADR);
        let long = "9".repeat(60);
        let (_, answer) = multi_answer(&[failed(&long, Status::RINVDSTADR)]);
        assert_eq!(answer.unsuccessful.0[0].address.text.as_bytes().len(), 20);
    }
}
