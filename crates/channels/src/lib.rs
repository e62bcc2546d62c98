//! Channels: reaching a person's device and taking the answer. Today: text messages.
//!
//! [`Sms`] composes the page, gives it digits that are unique on that phone over all workspaces, hands it to
//! `messaging`, and reads what comes back: [`parse`] takes a text as an answer, [`bind`] decides which open page it
//! answers; both are pure. Whoever calls gives a page a subject (an alert) and acts on the [`Verdict`].
//!
//! This room knows no escalation, no alert state and nobody's duty.

mod answer;
mod bind;
mod digits;
mod error;
mod slots;
mod sms;
mod text;

pub use self::sms::{Inbound, NOTE_ORIGIN, PAGE_ORIGIN, Page, Paged, Phone, Sms, Verdict, help_text};
pub use answer::{Action, Ask, Candidate, Pointer, parse};
pub use bind::{Bound, Unbound, bind};
pub use digits::{BLOCK, first_free};
pub use error::Error;
pub use slots::{MIGRATIONS, Slot, Way};
pub use text::{Urgency, answer_line, fit, page_text, undo_words};
