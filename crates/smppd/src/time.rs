//! Times of SMPP (3.4 section 7.1.1): `YYMMDDhhmmsstnnp`, absolute or from now on.

use base::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use smpp::Text;

/// A text that is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoTime;

/// Reads a time; `None` for an empty field, which leaves it to us.
pub(crate) fn parse(text: &Text, now: Timestamp) -> Result<Option<Timestamp>, NoTime> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(after) = smpp::time::parse_relative(text) {
        return Ok(Some(now.plus(after)));
    }
    absolute(text.as_bytes()).map(Some).ok_or(NoTime)
}

fn absolute(text: &[u8]) -> Option<Timestamp> {
    let [digits @ .., sign] = text else { return None };
    if digits.len() != 15 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pair = |at: usize| i8::try_from((digits[at] - b'0') * 10 + digits[at + 1] - b'0').ok();
    // The year is 1990 to 2089: below 90 it is this century's (section 7.1.1 leaves it open; 3.4 implementations agree).
    let year = i16::from(pair(0)?);
    let year = if year >= 90 { 1900 + year } else { 2000 + year };
    let date = Date::new(year, pair(2)?, pair(4)?).ok()?;
    let tenths = i32::from(digits[12] - b'0');
    let time = Time::new(pair(6)?, pair(8)?, pair(10)?, tenths * 100_000_000).ok()?;
    // Quarters of an hour ahead of or behind UTC, at most twelve hours.
    let quarters = i32::from(pair(13)?);
    let seconds = match sign {
        b'+' => quarters * 900,
        b'-' => -quarters * 900,
        _ => return None,
    };
    let offset = Offset::from_seconds(seconds).ok().filter(|_| quarters <= 48)?;
    offset.to_timestamp(DateTime::from_parts(date, time)).ok().map(Timestamp::from_jiff)
}

/// An absolute time in UTC, as answers have it.
pub(crate) fn write(at: Timestamp) -> Text {
    Text::from(at.to_jiff().strftime("%y%m%d%H%M%S000+").to_string())
}

/// A date of a receipt text: `YYMMDDhhmm` in UTC (appendix B).
pub(crate) fn receipt_date(at: Timestamp) -> Option<sms::ReceiptDate> {
    sms::ReceiptDate::parse(&at.to_jiff().strftime("%y%m%d%H%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<String>, NoTime> {
        let now = Timestamp::from_jiff("2026-11-22T03:12:07Z".parse().unwrap());
        Ok(parse(&Text::from(text), now)?.map(|at| at.to_string()))
    }

    #[test]
    fn absolute_and_relative_times() {
        for (text, expected) in [
            ("", None),
            ("000002030000000R", Some("2026-11-24T06:12:07.000Z")),
            ("261122031207000+", Some("2026-11-22T03:12:07.000Z")),
            ("261122041207504+", Some("2026-11-22T03:12:07.500Z")),
            ("261121221207020-", Some("2026-11-22T03:12:07.000Z")),
        ] {
            assert_eq!(read(text), Ok(expected.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "261322031207000+",
            "2611220312070",
            "261122031207000x",
            "261122251207000+",
            "261122031207049+",
            "tomorrow",
        ] {
            assert_eq!(read(text), Err(NoTime), "{text}");
        }
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        let at = Timestamp::from_jiff("2026-11-22T03:12:07Z".parse().unwrap());
        assert_eq!(write(at).to_str(), "261122031207000+");
        assert_eq!(parse(&write(at), at), Ok(Some(at)));
        assert_eq!(receipt_date(at).unwrap().to_string(), "2611220312");
    }
}
