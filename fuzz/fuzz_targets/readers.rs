// The readers of signal bodies, compiled from the files of `signals` itself: a target that includes this file is their whole crate.

#[path = "../../crates/signals/src/body.rs"]
#[allow(dead_code, reason = "a target uses one of the readers")]
mod body;
#[path = "../../crates/signals/src/xml.rs"]
mod xml;
#[path = "../../crates/signals/src/xml_lexis.rs"]
mod xml_lexis;

// What the files expect at the root of their crate.
pub const BODY_LIMIT: usize = 256 * 1024;
pub const XML_LIMIT: usize = 1024 * 1024;
