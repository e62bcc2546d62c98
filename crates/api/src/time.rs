//! Times as callers write and read them: RFC 3339.

use base::{Problem, ProblemKind, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant on the wire: `2026-10-23T01:12:07.214Z`; any offset is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Timestamp);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        read(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a time with its offset is expected, such as 2026-10-23T01:12:07Z"))
    }
}

/// A time with its offset; without one it would mean something else in every place.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(Timestamp::from_jiff)
}

/// The problem with a text that is no id, as "not found": it names nothing.
pub(crate) fn no_such(what: &'static str) -> Problem {
    Problem::new(ProblemKind::NotFound, "not-found", format!("There is no such {what} in this workspace."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset_and_written_in_utc() {
        let at: At = serde_json::from_str("\"2026-10-23T03:12:07.2+02:00\"").unwrap();
        assert_eq!(serde_json::to_string(&at).unwrap(), "\"2026-10-23T01:12:07.200Z\"");
        for wrong in ["2026-10-23", "2026-10-23T01:12:07", "yesterday", ""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
