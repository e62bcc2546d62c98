//! Channels: reaching a person's device and taking the answer. Today: text messages.
//!
//! [`Sms`] composes the page, gives it digits that are unique on that phone over all workspaces, hands it to
//! `messaging`, and binds what comes back: [`parse`] reads a text as an answer, [`bind`] decides which open page it
//! answers, both pure. Whoever calls gives a page a subject (an alert) and acts on the [`Bound`] answer.
//!
//! This room knows no escalation, no alert state and nobody's duty.

mod answer;
mod bind;
mod digits;
mod error;
mod slots;
mod sms;
mod text;

pub use answer::{Action, Ask, Candidate, Pointer, parse};
pub use bind::{Bound, Unbound, bind};
pub use digits::{BLOCK, first_free};
pub use error::Error;
pub use slots::{MIGRATIONS, Slot, Way};
pub use sms::{Inbound, Page, Paged, Phone, Sms, Verdict};
pub use text::{Urgency, answer_line, fit, page_text, undo_words};
