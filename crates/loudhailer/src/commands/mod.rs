//! One function a command: read the arguments, call a room or a server, print.

pub mod keys;
mod machine;
mod remote;
mod resource;
mod secrets;
mod simulate;

pub use machine::{audit_verify, check, migrate, operator, setup_link};
pub use remote::{accepted, send, signal};
pub use resource::{apply, apply_here, export, history, restore_version, told};
pub use secrets::FromHere;
pub use simulate::simulator;
