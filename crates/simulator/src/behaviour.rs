//! What the carrier does besides behaving well: latency, loss, rejections, throttling, receipts that come
//! late or twice, cut connections. Plain data: a YAML-free JSON document in a file, or set over the control
//! socket while it runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How the simulated carrier behaves. The default is a good carrier: it answers at once and sends one
/// receipt after a moment.
///
/// Shares are percentages from 0 to 100 and are drawn independently for each submit, in this order: cut,
/// lose, throttle, reject. With [`seed`](Self::seed) set, the same submits in the same order meet the same fate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a form of independent switches")]
pub struct Behaviour {
    /// How long the answer to a submit takes.
    pub answer_delay_ms: u64,
    /// By how much the answer may take longer, evenly spread.
    pub answer_spread_ms: u64,
    /// Share of submits that are never answered.
    pub loss_percent: f64,
    /// Whether an unanswered submit still reaches the handset, because only its answer was lost.
    pub lost_are_delivered: bool,
    /// Share of submits refused with [`reject_status`](Self::reject_status).
    pub reject_percent: f64,
    /// The `command_status` of a refusal; 0x0B (invalid destination) unless set.
    pub reject_status: u32,
    /// Share of submits refused with [`throttle_status`](Self::throttle_status).
    pub throttle_percent: f64,
    /// Submits a second over all binds; what is more is throttled. No limit when absent.
    pub throttle_above: Option<u32>,
    /// The `command_status` of throttling; 0x58 unless set, 0x14 (queue full) is its usual other face.
    pub throttle_status: u32,
    /// Share of accepted messages, of those that asked for a receipt, that get one.
    pub receipt_percent: f64,
    /// How long after the submit the receipt comes.
    pub receipt_delay_ms: u64,
    /// By how much the receipt may come later, evenly spread; enough spread reorders receipts.
    pub receipt_spread_ms: u64,
    /// Share of receipts that come twice.
    pub receipts_twice_percent: f64,
    /// Share of messages that do not arrive, with a receipt that says UNDELIV and `err:` 001.
    pub undelivered_percent: f64,
    /// Sends the receipt before the answer to its submit, as carriers under load do.
    pub receipt_before_answer: bool,
    /// Adds `receipted_message_id` and `message_state` to receipts, beside the text.
    pub receipt_tlvs: bool,
    /// How message ids are written.
    pub message_ids: MessageIds,
    /// Cuts the connection in the middle of a window, again and again, until set to nothing.
    pub cut: Option<Cut>,
    /// Refuses every bind, as a carrier does that has closed the account.
    pub refuse_binds: bool,
    /// Fate drawn from this seed instead of the machine's randomness.
    pub seed: Option<u64>,
}

/// How a message id is written in `submit_sm_resp` and in receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageIds {
    /// Hexadecimal in both.
    #[default]
    Hex,
    /// Decimal in both.
    Decimal,
    /// Hexadecimal in the answer, decimal in the receipt: the field's most frequent mix.
    HexThenDecimal,
    /// Decimal in the answer, hexadecimal in the receipt.
    DecimalThenHex,
}

/// Takes `of` submits on a connection, answers the first `answered`, then closes it without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Submits that are answered.
    pub answered: u32,
    /// Submits that are taken.
    pub of: u32,
    /// How many connections are cut before the carrier behaves again; without end when absent.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            answer_delay_ms: 0,
            answer_spread_ms: 0,
            loss_percent: 0.0,
            lost_are_delivered: true,
            reject_percent: 0.0,
            reject_status: 0x0B,
            throttle_percent: 0.0,
            throttle_above: None,
            throttle_status: 0x58,
            receipt_percent: 100.0,
            receipt_delay_ms: 100,
            receipt_spread_ms: 0,
            receipts_twice_percent: 0.0,
            undelivered_percent: 0.0,
            receipt_before_answer: false,
            receipt_tlvs: true,
            message_ids: MessageIds::default(),
            cut: None,
            refuse_binds: false,
            seed: None,
        }
    }
}

impl Behaviour {
    /// The longest delay that can be set: a message that waits longer is indistinguishable from a lost one.
    pub const MAX_DELAY: Duration = Duration::from_hours(24);

    /// Checks that every number means something; says which one does not.
    pub fn validate(&self) -> Result<(), Error> {
        let shares = [
            ("loss_percent", self.loss_percent),
            ("reject_percent", self.reject_percent),
            ("throttle_percent", self.throttle_percent),
            ("receipt_percent", self.receipt_percent),
            ("receipts_twice_percent", self.receipts_twice_percent),
            ("undelivered_percent", self.undelivered_percent),
        ];
        for (field, share) in shares {
            if !(0.0..=100.0).contains(&share) {
                return Err(Error::behaviour(field, "a share from 0 to 100"));
            }
        }
        let delays = [
            ("answer_delay_ms", self.answer_delay_ms),
            ("answer_spread_ms", self.answer_spread_ms),
            ("receipt_delay_ms", self.receipt_delay_ms),
            ("receipt_spread_ms", self.receipt_spread_ms),
        ];
        for (field, delay) in delays {
            if Duration::from_millis(delay) > Self::MAX_DELAY {
                return Err(Error::behaviour(field, "at most 24 hours, in milliseconds"));
            }
        }
        for (field, status) in [("reject_status", self.reject_status), ("throttle_status", self.throttle_status)] {
            if status == 0 {
                return Err(Error::behaviour(field, "a command_status other than 0, which means accepted"));
            }
        }
        if self.throttle_above == Some(0) {
            return Err(Error::behaviour("throttle_above", "at least 1 submit a second, or nothing"));
        }
        if self.cut.is_some_and(|cut| cut.of == 0 || cut.answered > cut.of) {
            return Err(Error::behaviour("cut", "`of` of at least 1 and `answered` not above it"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_survives_json() {
        let behaviour = Behaviour { cut: Some(Cut { answered: 2, of: 5, times: None }), ..Behaviour::default() };
        behaviour.validate().unwrap();
        let json = serde_json::to_string(&behaviour).unwrap();
        assert_eq!(serde_json::from_str::<Behaviour>(&json).unwrap(), behaviour);
        assert_eq!(serde_json::from_str::<Behaviour>("{}").unwrap(), Behaviour::default());
    }

    #[test]
    fn a_number_without_meaning_is_refused_by_name() {
        let check = |behaviour: Behaviour, field: &str| {
            let error = behaviour.validate().unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        };
        check(Behaviour { loss_percent: 101.0, ..Behaviour::default() }, "loss_percent");
        check(Behaviour { reject_percent: f64::NAN, ..Behaviour::default() }, "reject_percent");
        check(Behaviour { reject_status: 0, ..Behaviour::default() }, "reject_status");
        check(Behaviour { throttle_above: Some(0), ..Behaviour::default() }, "throttle_above");
        check(Behaviour { receipt_delay_ms: u64::MAX, ..Behaviour::default() }, "receipt_delay_ms");
        check(Behaviour { cut: Some(Cut { answered: 3, of: 2, times: None }), ..Behaviour::default() }, "cut");
        assert!(serde_json::from_str::<Behaviour>(r#"{"los_percent":1}"#).is_err(), "an unknown field is refused");
    }
}
