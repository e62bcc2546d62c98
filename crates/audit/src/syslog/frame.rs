//! One entry as a syslog message (RFC 5424) in its frame (RFC 5425, section 4.3: the count of octets before it).

use super::short;
use crate::read::Recorded;
use crate::{Format, Outcome};

/// What every receiver should read (RFC 5425, section 4.3.1).
const MOST: usize = 8_192;
/// Facility 13: log audit.
const FACILITY: u8 = 13;

pub(super) fn framed(entry: &Recorded, format: Format, host: &str) -> Vec<u8> {
    let mut message = message(entry, format, host);
    if message.len() > MOST {
        message = self::message(&short(entry), format, host);
    }
    let mut frame = format!("{} ", message.len()).into_bytes();
    frame.extend_from_slice(message.as_bytes());
    frame
}

fn message(entry: &Recorded, format: Format, host: &str) -> String {
    let severity = match entry.outcome {
        Outcome::Success => 6,
        Outcome::Failure => 5,
        Outcome::Denied => 4,
    };
    // The number counts up to 2^31 - 1 and then from 1 again (RFC 5424, section 7.3.1).
    let sequence = entry.seq.map_or(0, |seq| (seq - 1).rem_euclid(i64::from(i32::MAX)) + 1);
    format!(
        "<{}>1 {} {} loudhailer - {} [meta sequenceId=\"{sequence}\"][origin software=\"Loudhailer\" swVersion=\"{}\"] {}",
        FACILITY * 8 + severity,
        entry.time.rfc3339(),
        name(host, 255),
        name(&entry.action, 32),
        env!("CARGO_PKG_VERSION"),
        entry.line(format)
    )
}

/// A field of the head: printable ASCII without spaces, or the sign for nothing.
fn name(text: &str, most: usize) -> String {
    let name: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siem::tests::recorded;

    #[test]
    fn a_frame_counts_its_octets_and_names_its_parts() {
        let frame = String::from_utf8(framed(&recorded(), Format::JsonLines, "host1")).unwrap();
        let (count, message) = frame.split_once(' ').unwrap();
        assert_eq!(count.parse::<usize>().unwrap(), message.len());
        assert!(message.starts_with("<108>1 2026-"), "{message}");
        assert!(
            message.contains(
                "Z host1 loudhailer - resource.change [meta sequenceId=\"12\"][origin software=\"Loudhailer\""
            )
        );
        assert!(message.contains("] {\"action\":\"resource.change\""), "{message}");
    }

    #[test]
    fn what_is_too_long_for_collectors_is_named_by_its_hash() {
        let long = Recorded { changes: Some(serde_json::json!({ "x": "y".repeat(60_000) })), ..recorded() };
        for format in Format::ALL {
            let frame = framed(&long, format, "");
            assert!(frame.len() < MOST && String::from_utf8_lossy(&frame).contains("sha256"), "{format:?}");
            assert!(String::from_utf8_lossy(&frame).contains("Z - loudhailer"));
        }
    }
}
