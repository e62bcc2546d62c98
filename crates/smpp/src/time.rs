//! Times as SMPP writes them (7.1.1): `YYMMDDhhmmsstnnp`.

use std::time::Duration;

use crate::Text;

/// The longest time that fits the day field alone, and longer than carriers keep a message. Months are left
/// at zero because carriers differ about their length.
const LONGEST: u64 = 31 * 86_400;

/// A time from now on, as `validity_period` takes it: `000002030000000R` for two days and three hours.
/// Rounded up to whole seconds and held to 31 days.
pub fn relative(after: Duration) -> Text {
    let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).min(LONGEST);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    Text::from(format!("0000{days:02}{hours:02}{minutes:02}{seconds:02}000R"))
}

/// Reads a relative time; months count 30 days and years 365. `None` for an absolute or malformed one.
/// Fourteen characters (without the last two) have been seen and are tolerated.
pub fn parse_relative(text: &Text) -> Option<Duration> {
    let digits = text.as_bytes();
    if digits.len() < 12 || !digits[..12].iter().all(u8::is_ascii_digit) || digits.last() != Some(&b'R') {
        return None;
    }
    let pair = |at: usize| u64::from(digits[at] - b'0') * 10 + u64::from(digits[at + 1] - b'0');
    let days = pair(0) * 365 + pair(2) * 30 + pair(4);
    Some(Duration::from_secs(days * 86_400 + pair(6) * 3600 + pair(8) * 60 + pair(10)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_round_up_and_come_back() {
        assert_eq!(relative(Duration::from_hours(51)).to_str(), "000002030000000R");
        assert_eq!(relative(Duration::from_millis(1)).to_str(), "000000000001000R");
        for seconds in [1, 59, 60, 3600, 86_399, 86_400, 30 * 86_400] {
            let time = Duration::from_secs(seconds);
            assert_eq!(parse_relative(&relative(time)), Some(time));
        }
        assert_eq!(parse_relative(&relative(Duration::MAX)), Some(Duration::from_secs(LONGEST)));
    }

    #[test]
    fn what_is_not_relative_is_not_read_as_such() {
        for text in ["", "261023011207214+", "R", "00000203000000", "0000ü2030000000R"] {
            assert_eq!(parse_relative(&Text::from(text)), None, "{text}");
        }
        assert_eq!(parse_relative(&Text::from("0000000001000R")), Some(Duration::from_mins(1)));
    }
}
