//! One bound connection: its submits are read, their fate drawn, the ledger written, and then, in this
//! order, they are answered and go on to their handsets.

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use smpp::{CommandId, DataSm, DataSmResp, Pdu, Status, SubmitSm, SubmitSmResp, Text, Tlvs};
use smpplink::{Handle, Incoming, Request, Responder};
use sms::ReceiptState;

use crate::arrival::Arrival;
use crate::courier::written;
use crate::fate::{Fate, ReceiptFate, Verdict};
use crate::hub::{Hub, State};
use crate::later::Due;
use crate::ledger::{Entry, Outcome};
use crate::phones::Landing;

/// Submits that are written to the ledger in one go.
const BATCH: usize = 256;
/// How much later the answer comes than its receipt, when receipts come before answers.
const BEHIND_RECEIPT: Duration = Duration::from_millis(50);

/// A submit and what becomes of it.
struct Work {
    arrival: Arrival,
    responder: Responder,
    fate: Fate,
    outcome: Outcome,
}

/// Serves one bound connection until it is over.
pub(crate) async fn serve(hub: &Arc<Hub>, handle: &Handle, mut incoming: Incoming, account: &str) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut taken = 0;
    while incoming.next_many(&mut batch, BATCH).await > 0 {
        let now = hub.ctx.now();
        let submits: Vec<_> = batch.drain(..).filter_map(|request| read(request, account, now)).collect();
        let (work, cut) = decide(hub, submits, &mut taken);
        if !work.is_empty() && !write_ledger(hub, &work).await {
            for work in work {
                work.responder.refuse(Status::RSYSERR);
            }
            continue;
        }
        carry_out(hub, work);
        if cut {
            let slowest = {
                let behaviour = Arc::clone(&hub.state().behaviour);
                Duration::from_millis(behaviour.answer_delay_ms + behaviour.answer_spread_ms)
            };
            if !slowest.is_zero() {
                tokio::time::sleep(slowest + Duration::from_millis(5)).await;
            }
            handle.flushed().await;
            handle.abort();
            return;
        }
    }
}

/// Reads a request; what is no submit is answered here.
fn read(request: Request, account: &str, now: Timestamp) -> Option<(Arrival, Responder)> {
    let (pdu, responder) = request.into_parts();
    let submit = match pdu {
        Pdu::SubmitSm(submit) => submit,
        Pdu::DataSm(data) => as_submit(data),
        // A carrier that keeps no message to ask after, as most of those that sell to applications.
        Pdu::QuerySm(_) => return refuse(responder, Status::RQUERYFAIL),
        Pdu::CancelSm(_) => return refuse(responder, Status::RCANCELFAIL),
        Pdu::ReplaceSm(_) => return refuse(responder, Status::RREPLACEFAIL),
        Pdu::SubmitMulti(_) => return refuse(responder, Status::RCNTSUBDL),
        _ => return refuse(responder, Status::RINVCMDID),
    };
    Some((Arrival::read(&submit, account, now), responder))
}

fn refuse<T>(responder: Responder, status: Status) -> Option<T> {
    responder.refuse(status);
    None
}

fn as_submit(data: DataSm) -> SubmitSm {
    SubmitSm {
        source: data.source,
        destination: data.destination,
        esm_class: data.esm_class,
        registered_delivery: data.registered_delivery,
        data_coding: data.data_coding,
        tlvs: data.tlvs,
        ..SubmitSm::default()
    }
}

/// Draws the fate of each submit; true when the connection is to be cut after these. Submits behind the cut
/// are as if they had never been read.
fn decide(hub: &Hub, submits: Vec<(Arrival, Responder)>, taken: &mut u32) -> (Vec<Work>, bool) {
    let mut state = hub.state();
    let cut = if state.cuts() { state.behaviour.cut } else { None };
    let lost = if state.behaviour.lost_are_delivered { Outcome::Lost } else { Outcome::Dropped };
    let mut work = Vec::with_capacity(submits.len());
    for (mut arrival, responder) in submits {
        if cut.is_some_and(|cut| *taken >= cut.of) {
            responder.forget();
            continue;
        }
        *taken = taken.saturating_add(1);
        let (mut fate, id) = state.draw(&hub.ctx);
        arrival.id = id;
        if !arrival.is_number && fate.verdict == Verdict::Accept {
            fate.verdict = Verdict::Reject(Status::RINVDSTADR);
        }
        if cut.is_some_and(|cut| *taken > cut.answered) {
            fate.verdict = Verdict::Lose;
        }
        let outcome = match fate.verdict {
            Verdict::Accept => Outcome::Accepted,
            Verdict::Reject(_) => Outcome::Rejected,
            Verdict::Throttle(_) => Outcome::Throttled,
            Verdict::Lose if arrival.is_number => lost,
            Verdict::Lose => Outcome::Dropped,
        };
        count(&mut state, outcome);
        work.push(Work { arrival, responder, fate, outcome });
    }
    let cut_now = cut.is_some_and(|cut| *taken >= cut.of);
    if cut_now {
        state.cut_done();
    }
    (work, cut_now)
}

fn count(state: &mut State, outcome: Outcome) {
    let counters = &mut state.counters;
    counters.submits += 1;
    match outcome {
        Outcome::Accepted => counters.accepted += 1,
        Outcome::Rejected => counters.rejected += 1,
        Outcome::Throttled => counters.throttled += 1,
        Outcome::Lost | Outcome::Dropped => counters.unanswered += 1,
    }
}

async fn write_ledger(hub: &Hub, work: &[Work]) -> bool {
    let Some(ledger) = &hub.ledger else { return true };
    let mut lines = Vec::with_capacity(work.len() * 320);
    for work in work {
        let entry = Entry {
            time: work.arrival.submitted,
            id: work.arrival.id,
            system_id: work.arrival.system_id.clone(),
            source: work.arrival.peer(),
            destination: work.arrival.number.clone(),
            text: work.arrival.text(),
            encoding: work.arrival.encoding(),
            part: work.arrival.part,
            receipt_wanted: work.arrival.registered.wants(true),
            outcome: work.outcome,
            status: match work.fate.verdict {
                Verdict::Accept => Some(0),
                Verdict::Reject(status) | Verdict::Throttle(status) => Some(status.0),
                Verdict::Lose => None,
            },
        };
        // An entry of plain fields always has a JSON form.
        if serde_json::to_writer(&mut lines, &entry).is_err() {
            return false;
        }
        lines.push(b'\n');
    }
    ledger.append(lines).await
}

/// Answers, shows the texts on their handsets and plans receipts.
fn carry_out(hub: &Arc<Hub>, work: Vec<Work>) {
    let (ids, before_answer) = {
        let state = hub.state();
        (state.behaviour.message_ids, state.behaviour.receipt_before_answer)
    };
    let mut taken = Vec::with_capacity(work.len());
    for work in work {
        let mut delay = work.fate.answer;
        if before_answer && work.fate.receipt.is_some() {
            delay += BEHIND_RECEIPT;
        }
        match work.fate.verdict {
            Verdict::Accept => {
                let id = written(work.arrival.id, ids, true);
                answer_after(hub, delay, work.responder, Status::ROK, Some(id));
            }
            Verdict::Reject(status) | Verdict::Throttle(status) => {
                answer_after(hub, delay, work.responder, status, None);
            }
            Verdict::Lose => work.responder.forget(),
        }
        if work.outcome.is_taken() {
            taken.push((work.arrival, work.fate));
        }
    }
    if taken.is_empty() {
        hub.bump();
        return;
    }
    let now = hub.ctx.now();
    let mut state = hub.state();
    for (arrival, fate) in taken {
        state.owns(&arrival.system_id, arrival.peer());
        let receipt = fate.receipt.map(|receipt| ReceiptFate {
            after: if before_answer { Duration::ZERO } else { fate.answer + receipt.after },
            ..receipt
        });
        let end = if fate.delivered {
            let id = written(arrival.id, ids, true).to_string();
            match state.phones.arrive(arrival.clone(), id, now) {
                Landing::Shown => ReceiptState::Delivered,
                Landing::Waits => {
                    let number = arrival.number.clone();
                    hub.later.push(arrival.validity, Due::Expire { number, id: arrival.id });
                    continue;
                }
                Landing::Full => ReceiptState::Undeliverable,
            }
        } else {
            ReceiptState::Undeliverable
        };
        if let Some(receipt) = receipt {
            hub.plan_receipt(&mut state, &arrival, end, receipt);
        }
    }
    drop(state);
    hub.bump();
}

fn answer_after(hub: &Hub, delay: Duration, responder: Responder, status: Status, id: Option<Text>) {
    if delay.is_zero() {
        answer(responder, status, id);
    } else {
        hub.later.push(delay, Due::Answer(responder, status, id));
    }
}

/// Answers a submit. A connection that is over has nobody to answer.
pub(crate) fn answer(responder: Responder, status: Status, id: Option<Text>) {
    let Some(message_id) = id else { return responder.refuse(status) };
    let tlvs = Tlvs::EMPTY;
    let pdu: Pdu = if responder.command() == CommandId::DATA_SM {
        DataSmResp { message_id, tlvs }.into()
    } else {
        SubmitSmResp { message_id, tlvs }.into()
    };
    let _ = responder.answer(status, pdu);
}
