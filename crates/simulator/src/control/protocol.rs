//! The shapes that go over the control socket.

use base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Behaviour;

/// One phone on the simulated network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handset {
    /// Its number, `+` and digits.
    pub number: String,
    /// Whose phone it is, if somebody said so.
    pub name: Option<String>,
    /// Whether it can be reached now.
    pub in_reach: bool,
    /// Since when it cannot be reached.
    pub out_of_reach_since: Option<Timestamp>,
    /// Whether each of its receipts is sent twice.
    pub receipts_twice: bool,
    /// Parts that wait at the carrier until it is in reach.
    pub waiting: u32,
    /// The latest receipt about this handset.
    pub last_receipt: Option<ReceiptNote>,
    /// The latest 100 texts in both directions, oldest first.
    pub texts: Vec<Text>,
}

/// When a receipt was sent, seen from its submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptNote {
    /// Milliseconds from submit to receipt.
    pub after_ms: u64,
    /// How many times it was sent.
    pub times: u32,
}

/// A text on a handset's screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// Grows with each text of the simulator.
    pub id: u64,
    /// When it reached, or left, the handset; of several parts, the first.
    pub at: Timestamp,
    /// Whether the handset got it or sent it.
    pub direction: Direction,
    /// The other end: the sender's address as it came, or the number the handset wrote to.
    pub peer: String,
    /// The words; of several parts, those that are there, in order, `…` for each gap.
    pub text: String,
    /// How the words travelled.
    pub encoding: TextEncoding,
    /// Parts that are there.
    pub parts: Vec<Part>,
    /// Parts that the text has.
    pub total: u8,
    /// Where it stands.
    pub state: TextState,
}

impl Text {
    /// `1 part, GSM-7`, or `1 of 2 parts, UCS-2` while one is missing: the small line below a text.
    pub fn note(&self) -> String {
        let (here, total) = (self.parts.len(), usize::from(self.total));
        let parts = match (here, total) {
            (_, 0 | 1) => "1 part".to_owned(),
            (here, total) if here < total => format!("{here} of {total} parts"),
            (_, total) => format!("{total} parts"),
        };
        format!("{parts}, {}", self.encoding.name())
    }
}

/// Which way a text went, seen from the handset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The handset got it.
    Received,
    /// The handset sent it.
    Sent,
}

/// How the words of a text travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextEncoding {
    /// The 7-bit default alphabet of GSM 03.38.
    Gsm7,
    /// UCS-2, two bytes a character.
    Ucs2,
    /// ISO 8859-1.
    Latin1,
    /// Bytes that are no text; shown in hexadecimal.
    Binary,
}

impl TextEncoding {
    /// The name people know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
            Self::Latin1 => "Latin-1",
            Self::Binary => "binary",
        }
    }
}

/// Where a text stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum TextState {
    /// On the handset, all parts.
    Complete,
    /// On the handset, parts missing.
    Partial,
    /// Sent by the handset; no application has taken it yet.
    Waiting,
    /// Sent by the handset and taken by an application.
    Taken,
    /// Sent by the handset and refused by the application.
    Refused {
        /// The `command_status` of the refusal, by name.
        status: String,
    },
}

/// One part of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its place, from 1.
    pub number: u8,
    /// The carrier's id of it, as answered; empty for what a handset sent.
    pub message_id: String,
    /// When the carrier took it.
    pub submitted: Timestamp,
    /// Its receipt, once sent.
    pub receipt: Option<PartReceipt>,
}

/// The receipt of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReceipt {
    /// `DELIVRD` and its like.
    pub state: String,
    /// Milliseconds from submit to receipt.
    pub after_ms: u64,
    /// How many times it was sent.
    pub times: u32,
    /// Whether the application acknowledged it.
    pub acknowledged: bool,
}

/// What the carrier has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// When it started.
    pub since: Timestamp,
    /// `submit_sm` taken from the wire, whatever came of them.
    pub submits: u64,
    /// Answered with an id.
    pub accepted: u64,
    /// Refused.
    pub rejected: u64,
    /// Throttled.
    pub throttled: u64,
    /// Never answered, by loss or by a cut.
    pub unanswered: u64,
    /// Receipts due and not yet acknowledged.
    pub receipts_waiting: u64,
    /// Receipts sent, repetitions included.
    pub receipts_sent: u64,
    /// Receipts acknowledged.
    pub receipts_acknowledged: u64,
    /// Texts sent by handsets.
    pub handset_texts: u64,
    /// Texts of handsets that an application took.
    pub handset_texts_taken: u64,
    /// Connections cut on purpose.
    pub cuts: u64,
    /// Binds refused.
    pub binds_refused: u64,
    /// Who is bound now.
    pub binds: Vec<Bind>,
}

/// One bound connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The account.
    pub system_id: String,
    /// `transmitter`, `receiver` or `transceiver`.
    pub mode: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Since when.
    pub since: Timestamp,
}

/// Something happened that a watcher may want to draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// A handset as it now is: a text, a receipt, its reach. Several changes within 100 ms come as one.
    Handset(Box<Handset>),
    /// A handset is gone.
    Removed {
        /// Its number.
        number: String,
    },
    /// The behaviour was set.
    Behaviour(Box<Behaviour>),
    /// The counters moved; at most twice a second.
    Counters(Box<Counters>),
}

/// One line to the simulator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
pub(crate) enum Request {
    Handsets,
    Handset { number: String },
    AddHandset { number: String, name: Option<String> },
    RemoveHandset { number: String },
    Send { from: String, to: String, text: String },
    SetReach { number: String, in_reach: bool },
    SetReceiptsTwice { number: String, twice: bool },
    Behaviour,
    SetBehaviour { behaviour: Box<Behaviour> },
    Counters,
    Watch,
}

/// One line back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Ok(serde_json::Value),
    Error { field: String, detail: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_below_a_text_counts_its_parts() {
        let part = |number| Part { number, message_id: String::new(), submitted: Timestamp::default(), receipt: None };
        let text = |parts: Vec<Part>, total, encoding| Text {
            id: 1,
            at: Timestamp::default(),
            direction: Direction::Received,
            peer: "ALERT".into(),
            text: "Replication lag 42 s".into(),
            encoding,
            parts,
            total,
            state: TextState::Complete,
        };
        assert_eq!(text(vec![part(1)], 1, TextEncoding::Gsm7).note(), "1 part, GSM-7");
        assert_eq!(text(vec![part(1)], 2, TextEncoding::Ucs2).note(), "1 of 2 parts, UCS-2");
        assert_eq!(text(vec![part(1), part(2)], 2, TextEncoding::Ucs2).note(), "2 parts, UCS-2");
    }

    #[test]
    fn requests_are_readable_lines() {
        let line =
            serde_json::to_string(&Request::SetReach { number: "+447700900101".into(), in_reach: false }).unwrap();
        assert_eq!(line, r#"{"do":"set_reach","number":"+447700900101","in_reach":false}"#);
        assert!(serde_json::from_str::<Request>(r#"{"do":"explode"}"#).is_err());
    }
}
