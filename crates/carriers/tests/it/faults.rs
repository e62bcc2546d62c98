//! What carriers do to us, and what messaging is told of it (F-12, F-13, F-14).

use std::sync::Arc;

use carriers::Settings;
use messaging::{Carrier, Remedy, SubmitError};
use simulator::ledger::Outcome;
use simulator::{Behaviour, Cut};

use crate::stage::{Stage, burst, part, rate, until, until_bound};

fn no_receipts() -> Behaviour {
    Behaviour { receipt_percent: 0.0, ..Behaviour::default() }
}

/// F-12: the carrier drops after k of n in the window, for every k: the k are known, each of the others is in doubt or was
/// surely not sent, none is lost, and none that was surely not sent is at the carrier.
#[tokio::test]
async fn after_a_drop_each_part_is_answered_in_doubt_or_not_sent() {
    const OF: u32 = 6;
    for answered in 0..=OF {
        let cut = Some(Cut { answered, of: OF, times: Some(1) });
        let stage = Stage::new(Behaviour { cut, ..no_receipts() }).await;
        let (carrier, _inbox) = Stage::bound(Settings { window: 8, ..stage.settings() }).await;
        let outcomes = burst(&carrier, 12).await;
        let count = |wanted: fn(&Result<_, SubmitError>) -> bool| outcomes.iter().filter(|one| wanted(one)).count();
        let taken = count(Result::is_ok);
        let unknown = count(|one| matches!(one, Err(SubmitError::Unknown { .. })));
        let not_sent = count(|one| matches!(one, Err(SubmitError::NotSent { .. })));
        assert_eq!(taken + unknown + not_sent, 12, "after {answered} of {OF}: {outcomes:?}");
        let ledger = stage.ledger();
        let accepted = ledger.iter().filter(|entry| entry.outcome == Outcome::Accepted).count();
        let lost = ledger.iter().filter(|entry| entry.outcome == Outcome::Lost).count();
        // Each answer that was given arrived; what was swallowed is among what is in doubt.
        assert_eq!(taken, accepted, "after {answered} of {OF}");
        assert!(lost <= unknown, "after {answered} of {OF}: {lost} swallowed, {unknown} in doubt");
        until_bound(&carrier).await;
        assert!(carrier.submit(part("after the cut")).await.is_ok());
        carrier.stop().await;
    }
}

/// F-13: a carrier that never answers: the response timer frees the window, and the outcome is unknown.
#[tokio::test]
async fn a_mute_carrier_leaves_its_parts_in_doubt_and_its_window_free() {
    let stage = Stage::new(Behaviour { loss_percent: 100.0, ..no_receipts() }).await;
    let (carrier, _inbox) = Stage::bound(Settings { window: 3, ..stage.settings() }).await;
    let outcomes = burst(&carrier, 3).await;
    assert!(outcomes.iter().all(|one| matches!(one, Err(SubmitError::Unknown { .. }))), "{outcomes:?}");
    assert_eq!(carrier.status().window_used, 0);
    stage.behave(no_receipts()).await;
    assert!(carrier.submit(part("it speaks again")).await.is_ok());
}

/// F-14: throttling is told as such, whichever of its two faces it shows; nothing fails for it.
#[tokio::test]
async fn throttling_is_no_refusal() {
    let stage = Stage::new(no_receipts()).await;
    let (carrier, _inbox) = Stage::bound(Settings { rate: rate(500), ..stage.settings() }).await;
    assert_eq!(carrier.rate().map(std::num::NonZeroU32::get), Some(500));
    for throttle_status in [0x58, 0x14] {
        stage.behave(Behaviour { throttle_percent: 100.0, throttle_status, ..no_receipts() }).await;
        assert_eq!(carrier.submit(part("x")).await, Err(SubmitError::Throttled));
    }
    // Above its rate it throttles some; each of those can be handed over a moment later.
    stage.behave(Behaviour { throttle_above: Some(100), ..no_receipts() }).await;
    let throttled = Arc::new(burst(&carrier, 40).await);
    assert!(throttled.contains(&Err(SubmitError::Throttled)));
    assert!(throttled.iter().all(|one| matches!(one, Ok(_) | Err(SubmitError::Throttled))));
    until("room again", async || carrier.submit(part("x")).await.is_ok()).await;
}

#[tokio::test]
async fn refusals_say_whether_they_are_for_ever() {
    let stage = Stage::new(no_receipts()).await;
    let (carrier, _inbox) = Stage::bound(stage.settings()).await;
    for (reject_status, expected, leaves) in [
        (0x0B, "ESME_RINVDSTADR (0x0B)", Remedy::Elsewhere),
        (0x08, "ESME_RSYSERR (0x08)", Remedy::Later),
        (0x45, "ESME_RSUBMITFAIL (0x45)", Remedy::Later),
        (0x411, "status 0x411", Remedy::Later),
    ] {
        stage.behave(Behaviour { reject_percent: 100.0, reject_status, ..no_receipts() }).await;
        let Err(SubmitError::Rejected { status, remedy }) = carrier.submit(part("x")).await else { panic!("taken") };
        assert_eq!((status.as_str(), remedy), (expected, leaves));
    }
}
