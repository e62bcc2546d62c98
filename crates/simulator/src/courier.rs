//! Handing receipts and handset texts to applications: over any bind that receives, within its window,
//! again and again until they are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base::Timestamp;
use smpp::{DeliverSm, EsmClass, MessageState, Status, Tag, Text, Tlvs};
use smpplink::{NoAnswer, Pending, Slot};
use sms::{ReceiptDate, ReceiptText};
use tokio::sync::mpsc;

use crate::MessageIds;
use crate::hub::Hub;
use crate::later::{Due, ReceiptDue};

/// Tries before the carrier gives up: an hour and more, with the pauses between them.
const TRIES: u32 = 120;

/// One `deliver_sm` and what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) account: String,
    pub(crate) pdu: DeliverSm,
    pub(crate) about: About,
    pub(crate) tries: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum About {
    /// A receipt.
    Receipt { number: String, id: u64, state: &'static str, submitted: Timestamp },
    /// A part of a text that a handset wrote.
    Text { number: String, text: u64, left: Arc<AtomicUsize> },
}

/// Starts the courier of one account.
pub(crate) fn start(hub: &Arc<Hub>, account: String) -> mpsc::UnboundedSender<Parcel> {
    let (door, mut parcels) = mpsc::unbounded_channel::<Parcel>();
    let hub = Arc::clone(hub);
    tokio::spawn(async move {
        loop {
            let parcel = tokio::select! {
                () = hub.shutdown.cancelled() => return,
                parcel = parcels.recv() => match parcel {
                    Some(parcel) => parcel,
                    None => return,
                },
            };
            let slot = tokio::select! {
                () = hub.shutdown.cancelled() => return,
                slot = place(&hub, &account) => slot,
            };
            // Sending fails only for a text that no PDU can hold; the handset hears it.
            match slot.send(parcel.pdu.clone()) {
                Ok(pending) => {
                    hub.sent(&parcel);
                    let hub = Arc::clone(&hub);
                    // At most as many at a time as the windows have places.
                    tokio::spawn(async move { settle(&hub, parcel, pending).await });
                }
                Err(error) => hub.given_up(&parcel, &error.to_string()),
            }
        }
    });
    door
}

/// A place in the window of a bind that receives, as soon as there is one.
async fn place(hub: &Hub, account: &str) -> Slot {
    let mut changes = hub.binds_changed.subscribe();
    let mut turn = 0;
    loop {
        changes.mark_unchanged();
        let links = hub.receivers(account);
        turn += 1;
        for offset in 0..links.len() {
            if let Some(slot) = links[(turn + offset) % links.len()].try_reserve() {
                return slot;
            }
        }
        match links.get(turn % links.len().max(1)) {
            // All are full: wait for one of them, and look at the others when binds come or go.
            Some(link) => tokio::select! {
                slot = link.reserve() => match slot {
                    Ok(slot) => return slot,
                    // It is closing: whoever takes it off the list has to get a turn.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                },
                _ = changes.changed() => {}
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            },
            None => {
                let _ = changes.changed().await;
            }
        }
    }
}

async fn settle(hub: &Arc<Hub>, mut parcel: Parcel, pending: Pending) {
    let outcome = pending.await;
    let again = match &outcome {
        Ok(response) if response.status.is_ok() => {
            hub.taken(&parcel);
            return;
        }
        Ok(response) => !is_permanent(response.status),
        Err(NoAnswer::NotSent(_) | NoAnswer::Unknown(_)) => true,
    };
    parcel.tries += 1;
    if again && parcel.tries < TRIES {
        let pause = Duration::from_secs(1 << (parcel.tries - 1).min(5)).min(Duration::from_secs(30));
        // What was never sent has no reason to wait.
        let pause = if matches!(outcome, Err(NoAnswer::NotSent(_))) { Duration::from_millis(10) } else { pause };
        hub.later.push(pause, Due::Retry(Box::new(parcel)));
        return;
    }
    let why = match outcome {
        Ok(response) => response.status.to_string(),
        Err(none) => none.to_string(),
    };
    hub.given_up(&parcel, &why);
}

/// Whether an application's refusal is meant for good.
const fn is_permanent(status: Status) -> bool {
    matches!(
        status,
        Status::RX_P_APPN | Status::RX_R_APPN | Status::RINVDSTADR | Status::RINVSRCADR | Status::RINVCMDID
    )
}

impl About {
    /// Whether this was the last part of a text that the application still had to take.
    pub(crate) fn completes(&self) -> bool {
        match self {
            Self::Receipt { .. } => false,
            Self::Text { left, .. } => left.fetch_sub(1, Ordering::Relaxed) == 1,
        }
    }
}

/// The receipt as a parcel.
pub(crate) fn receipt(due: ReceiptDue, ids: MessageIds, with_tlvs: bool, now: Timestamp) -> Parcel {
    let id = written(due.id, ids, false);
    let text = ReceiptText {
        error: Some(if due.state == sms::ReceiptState::Delivered { "000".into() } else { "001".into() }),
        submit_date: Some(date(due.submitted)),
        done_date: Some(date(now)),
        text: Some(due.words),
        ..ReceiptText::new(id.to_str(), due.state)
    };
    let tlvs = if with_tlvs {
        let state = MessageState::from_octet(due.state.message_state()).unwrap_or(MessageState::Unknown);
        Tlvs::EMPTY
            .with(Tag::RECEIPTED_MESSAGE_ID, [id.as_bytes(), b"\0"].concat())
            .with(Tag::MESSAGE_STATE, [state.octet()])
    } else {
        Tlvs::EMPTY
    };
    let pdu = DeliverSm {
        source: due.destination,
        destination: due.source,
        esm_class: EsmClass::RECEIPT,
        tlvs,
        ..DeliverSm::default()
    };
    let about = About::Receipt { number: due.number, id: due.id, state: due.state.stat(), submitted: due.submitted };
    Parcel { account: due.account, pdu: pdu.with_message(text.to_string()), about, tries: 0 }
}

/// A message id as this carrier writes it, in answers or in receipts.
pub(crate) fn written(id: u64, ids: MessageIds, in_answer: bool) -> Text {
    let hex = match ids {
        MessageIds::Hex => true,
        MessageIds::Decimal => false,
        MessageIds::HexThenDecimal => in_answer,
        MessageIds::DecimalThenHex => !in_answer,
    };
    Text::from(if hex { format!("{id:x}") } else { id.to_string() })
}

fn date(at: Timestamp) -> ReceiptDate {
    let at = jiff::tz::Offset::UTC.to_datetime(at.to_jiff());
    let octet = |number: i8| u8::try_from(number).unwrap_or(0);
    ReceiptDate {
        year: u16::try_from(at.year()).unwrap_or(2000),
        month: octet(at.month()),
        day: octet(at.day()),
        hour: octet(at.hour()),
        minute: octet(at.minute()),
        second: None,
    }
}
