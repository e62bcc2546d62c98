//! What messaging asks of a carrier, and what a carrier tells messaging. SMPP is not known here: room
//! `carriers` translates.

use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use base::Timestamp;
use routing::{Class, Sender, SenderRules};
use serde::{Deserialize, Serialize};
use sms::{Coding, Concat, Encoding, Number, ReceiptState, ShortMessage};
use tokio::sync::watch;

use crate::{Error, Reply};

/// What happens to a message whose submit was cut off unanswered. Alerts are always resent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknownOutcome {
    /// Send it again: perhaps twice, never not at all.
    Resend,
    /// Leave it for a person to decide: perhaps not at all, never twice.
    #[default]
    Hold,
}

/// Whether a carrier takes messages now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It does.
    Up,
    /// It does not; the reason is for people, without secrets.
    Down {
        /// Why, such as `connection refused; next try in 4 s`.
        reason: String,
    },
}

impl LinkState {
    /// Whether it takes messages.
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

/// One way out. Attached with `Messaging::attach`, which reads the plain values once;
/// a change of configuration attaches a new one under the same name.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    /// Its natural key, as routes name it.
    fn name(&self) -> &str;

    /// Whether nothing leaves the machine by it: the only kind that a development workspace reaches.
    fn is_simulated(&self) -> bool;

    /// Submits that may be outstanding at once, over all its sessions.
    fn window(&self) -> usize;

    /// Parts a second, `None` for no limit.
    fn rate(&self) -> Option<NonZeroU32>;

    /// What to do when a submit was cut off unanswered.
    fn on_unknown_outcome(&self) -> OnUnknownOutcome;

    /// Which source addresses it takes, and what it is given instead; all of them when absent.
    fn senders(&self) -> Option<Arc<SenderRules>> {
        None
    }

    /// Whether it takes a long text whole and cuts it itself.
    fn takes_whole(&self) -> bool {
        false
    }

    /// Whether it takes messages, now and whenever that changes.
    fn link(&self) -> watch::Receiver<LinkState>;

    /// Hands over one part and waits for the carrier's answer. Must return within the response timer, with
    /// [`SubmitError::Unknown`] when the part may have left and no answer came.
    async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError>;
}

/// One part on its way to a carrier.
#[derive(Clone)]
pub struct Submission {
    /// Who it is from; a number, a short code or up to eleven letters.
    pub sender: Sender,
    /// Who it is for.
    pub destination: Number,
    /// The alphabet of the payload.
    pub encoding: Encoding,
    /// Which part of a longer message this is; goes before the payload as a user data header.
    pub concat: Option<Concat>,
    /// The text in its encoding, without the header.
    pub payload: Vec<u8>,
    /// Set when an application coded the payload itself: then it goes as it is, header included, and `encoding` and
    /// `concat` say nothing.
    pub coded: Option<Coded>,
    /// After this the carrier should not deliver it any more.
    pub expires_at: Option<Timestamp>,
    /// How urgent it is.
    pub class: Class,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("sender", &self.sender)
            .field("destination", &self.destination)
            .field("concat", &self.concat)
            .field("octets", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// How an application coded a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded {
    /// SMPP's `data_coding`.
    pub data_coding: u8,
    /// Whether the payload begins with a user data header.
    pub has_header: bool,
}

/// The carrier took a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its id there, normalised so that its receipts bring the same text. Empty when the carrier gave none: then no
    /// receipt can be matched.
    pub carrier_ref: String,
}

/// What a refusal leaves to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing: the message itself is at fault, and every carrier would say so.
    Nothing,
    /// Another carrier: this one would refuse it again.
    Elsewhere,
    /// Time, or another carrier: it was refused for the moment.
    Later,
}

/// The carrier did not take a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// It said no.
    #[error("the carrier refused it: {status}")]
    Rejected {
        /// The status for people, such as `ESME_RINVDSTADR (0x0B)`.
        status: String,
        /// Where that leaves the message.
        remedy: Remedy,
    },
    /// It asked us to slow down; try again.
    #[error("the carrier asked us to slow down")]
    Throttled,
    /// It surely never left; try again or elsewhere.
    #[error("it was not handed over: {reason}")]
    NotSent {
        /// Why, for people.
        reason: String,
    },
    /// It may have left, and no answer came.
    #[error("it was handed over and no answer came: {reason}")]
    Unknown {
        /// Why, for people.
        reason: String,
    },
}

/// What a carrier says has become of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The carrier that says so. A receipt is matched only with parts that went by this carrier.
    pub carrier: Arc<str>,
    /// The id as [`Submitted::carrier_ref`] has it.
    pub carrier_ref: String,
    /// The state.
    pub state: ReceiptState,
    /// The network's error, as `err` has it.
    pub error: Option<String>,
    /// When the carrier says it happened. Only for people: nothing is decided by a stranger's clock.
    pub done_at: Option<Timestamp>,
    /// The handset's network, where the carrier tells it.
    pub network: Option<sms::Network>,
}

/// One short message from a handset.
#[derive(Clone)]
pub struct Inbound {
    /// The carrier that brought it.
    pub carrier: Arc<str>,
    /// The handset, as the carrier writes it (digits, or letters where a network sends such).
    pub from: String,
    /// Our address it was sent to.
    pub to: String,
    /// Coding, header and payload.
    pub message: ShortMessage,
}

impl Inbound {
    /// The alphabet of the payload.
    pub const fn coding(&self) -> Coding {
        self.message.coding
    }
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbound")
            .field("carrier", &self.carrier)
            .field("from", &base::mask_phone(&self.from))
            .field("to", &self.to)
            .field("octets", &self.message.payload.len())
            .finish_non_exhaustive()
    }
}

/// Where a carrier hands in what its peer brings. `Messaging` is one.
#[async_trait]
pub trait Deliveries: Send + Sync + 'static {
    /// Takes a receipt. `reply` hears of it after the commit that holds it, so that the peer is answered only then; on an
    /// error the peer must be told to try again.
    fn take_receipt(&self, receipt: Receipt, reply: Reply<()>);

    /// The same for one who waits.
    async fn on_receipt(&self, receipt: Receipt) -> Result<(), Error> {
        let (reply, answer) = Reply::channel();
        self.take_receipt(receipt, reply);
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    /// Takes a message from a handset, under the same promise.
    async fn on_inbound(&self, inbound: Inbound) -> Result<(), Error>;
}
