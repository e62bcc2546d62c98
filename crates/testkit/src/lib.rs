//! What end-to-end tests stand on: the real binary as a process of its own, programs that we did not write (a browser,
//! Alertmanager), and the simulated carrier's handsets. Never part of a release.
//!
//! Helpers fail a test by panicking with what they saw; that is what they are for.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a helper of tests fails the test")]

mod alertmanager;
mod answers;
mod browser;
mod icinga;
mod look;
mod mailserver;
mod power;
mod process;
mod product;
mod python;
mod receiver;
mod relay;
mod signer;
mod strace;

pub use alertmanager::Alertmanager;
pub use answers::Answers;
pub use browser::{Browser, artefact};
pub use icinga::{Icinga, RunningIcinga};
pub use look::{SIZES, Size, THEMES, npm};
pub use mailserver::{MAIL_ACCOUNT, MailMode, MailServer};
pub use power::{Record, Unsynced};
pub use process::{Process, eventually, free_port};
pub use product::{Demo, client, serve};
pub use python::python;
pub use receiver::{Behaviour, Received, Receiver};
pub use relay::Relay;
pub use signer::{Signer, base64url};
pub use strace::{Tracer, recorded};
