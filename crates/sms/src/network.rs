//! What the error codes in delivery receipts mean, in the numbering of the 8x8-compatible doors.

const MEANINGS: [&str; 62] = [
    "none",
    "absent subscriber",
    "content",
    "data missing",
    "deferred",
    "pending upstream",
    "",
    "delivery failure",
    "denied",
    "equipment protocol error",
    "external system",
    "flooding",
    "home register",
    "illegal subscriber or equipment",
    "internal",
    "invalid destination",
    "format",
    "length",
    "parameter",
    "source address",
    "cancelled locally",
    "memory of the handset full",
    "being retried",
    "network failure",
    "age check",
    "aborted by network or user",
    "barred",
    "permanent failure of the operator",
    "permanent failure of the phone",
    "failure of the phone",
    "number portability",
    "premium service",
    "roaming",
    "route",
    "screening",
    "message centre congested",
    "expired",
    "SMS not supported",
    "malformed",
    "cancelled by the message centre",
    "message centre error",
    "rejected by the message centre",
    "credit of the sender",
    "spam filter",
    "billing of the subscriber",
    "subscriber busy",
    "unreachable",
    "temporarily unavailable",
    "system failure",
    "transaction error",
    "throttling",
    "timeout",
    "undecodable response",
    "unexpected value",
    "unexpected error",
    "unidentified subscriber",
    "unknown state",
    "unknown error",
    "unknown message centre",
    "unknown subscriber",
    "content filtered",
    "session expired",
];

/// What an `err` value means, when it is a number of that table. Carriers with a numbering of their own may mean
/// something else by it, so show the number too.
pub fn network_error(code: &str) -> Option<&'static str> {
    let number: usize = code.trim().parse().ok()?;
    MEANINGS.get(number).copied().filter(|meaning| !meaning.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_their_place() {
        for (code, meaning) in [
            ("000", "none"),
            ("1", "absent subscriber"),
            ("036", "expired"),
            ("61", "session expired"),
            ("27", "permanent failure of the operator"),
        ] {
            assert_eq!(network_error(code), Some(meaning));
        }
        for code in ["6", "62", "999", "", "A1", "-1"] {
            assert_eq!(network_error(code), None);
        }
    }
}
