//! The readers and the mapping without doors, database and keys: for benches and fuzzing, which measure and attack exactly these.
//! Nothing of the product calls it.

use sandbox::{Rows, Task};
use serde_json::Value as Json;

use crate::body::{self, Media};
use crate::{mapping, xml};

/// Reads a JSON body as a door does; `None` when it is refused.
pub fn json(bytes: &[u8]) -> Option<Json> {
    body::parse(Media::Json, bytes).ok()
}

/// Reads a form.
pub fn form(bytes: &[u8]) -> Option<Json> {
    body::parse(Media::Form, bytes).ok()
}

/// Reads an XML document.
pub fn xml(bytes: &[u8]) -> Option<Json> {
    xml::read(bytes).ok()
}

/// What the sandbox is asked to evaluate a payload with a mapping that comes with the product.
pub fn task(name: &str, payload: Json) -> Option<Task> {
    Some(mapping::built_in(name)?.task(payload, false, "bench"))
}

/// How many events come of what the sandbox answered.
pub fn events(name: &str, rows: Result<Rows, sandbox::Error>) -> usize {
    mapping::built_in(name).map_or(0, |mapping| mapping.understand(rows, "bench").events.len())
}
