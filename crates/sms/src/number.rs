//! Phone numbers in E.164.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

pub use rlibphonenumber::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A phone number in international form: country code and national number, 7 to 15 digits.
///
/// A personal value: `Debug` prints a mask. `{}` prints `+447700900117` and `{:#}` without the plus sign;
/// show [`Self::masked`] to those who may not read it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(Box<str>);

/// A text that is no phone number. Does not repeat the text, which may be personal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a number, or not in international form while no region was given.
    #[error("not a phone number in international form, such as +447700900117")]
    Malformed,
    /// The country code does not exist.
    #[error("the country code does not exist; write the number in international form, such as +447700900117")]
    Country,
    /// Too short or too long for its country.
    #[error("the number is too short or too long for its country")]
    Length,
}

/// The country of these two letters (ISO 3166-1 alpha-2), in either case; `None` when its telephone numbers are not known, or there is
/// no such country.
pub fn region(letters: &str) -> Option<Region> {
    let region: Region = letters.to_ascii_uppercase().parse().ok()?;
    PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| region)
}

impl Number {
    /// Reads what a person or program wrote. Without a `region` the number must be international (`+44…`, `0044…`
    /// or bare digits with the country code); with one, a national number of that region is read too.
    pub fn parse(text: &str, region: Option<Region>) -> Result<Self, NumberError> {
        let text = text.trim();
        if text.len() > 40 {
            return Err(NumberError::Malformed);
        }
        let cleaned = text.strip_prefix("00").filter(|_| region.is_none());
        let digits: String = cleaned
            .unwrap_or(text)
            .trim_start_matches('+')
            .chars()
            .filter(|character| !matches!(character, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{A0}'))
            .collect();
        if text.starts_with('+') || cleaned.is_some() || region.is_none() {
            let number = Self::from_digits(&digits)?;
            number.check()?;
            return Ok(number);
        }
        let number = PhoneNumber::parse(text, region).map_err(|_| NumberError::Malformed)?;
        possible(&number)?;
        Self::from_digits(number.format_as(PhoneNumberFormat::E164).trim_start_matches('+'))
    }

    /// Reads what a carrier delivered, trusting it: 7 to 15 digits that do not start with zero, perhaps with a
    /// plus sign, without asking whether such a number can exist.
    pub fn from_carrier(text: &str) -> Result<Self, NumberError> {
        Self::from_digits(text.trim().trim_start_matches('+'))
    }

    fn from_digits(digits: &str) -> Result<Self, NumberError> {
        let sound = (7..=15).contains(&digits.len())
            && digits.bytes().all(|octet| octet.is_ascii_digit())
            && !digits.starts_with('0');
        if sound { Ok(Self(digits.into())) } else { Err(NumberError::Malformed) }
    }

    fn check(&self) -> Result<(), NumberError> {
        let kind = kind(&self.0);
        if let Some((place, kind)) = kind
            && KNOWN[place].load(Ordering::Relaxed) == kind
        {
            return Ok(());
        }
        self.look_up()?;
        if let Some((place, kind)) = kind {
            KNOWN[place].store(kind, Ordering::Relaxed);
        }
        Ok(())
    }

    fn look_up(&self) -> Result<(), NumberError> {
        use rlibphonenumber::ParseError;
        let number = PhoneNumber::parse(format!("{self}"), None).map_err(|error| match error {
            ParseError::InvalidCountryCode => NumberError::Country,
            _ => NumberError::Malformed,
        })?;
        possible(&number)
    }

    /// The digits alone, `447700900117`: how carriers and stored rows have it.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The number for those who may not read it: `+44 77•• ••• 117`, less of a short one.
    pub fn masked(&self) -> String {
        if self.0.len() < 10 {
            return format!("+{} •••• {}", &self.0[..2], &self.0[self.0.len() - 2..]);
        }
        base::mask_phone(&self.0)
    }
}

/// Kinds of numbers that were found possible, one in each place; the latest stays. Looking one up costs as much as everything else that
/// is done to a message before it is sealed.
static KNOWN: [AtomicU32; 4096] = [const { AtomicU32::new(0) }; 4096];

/// Where a number's kind is kept, and the kind: its first seven digits and its length, which is what decides whether a number can exist.
/// `None` where more digits than these have a say: some countries write prefixes of carriers between area and line.
fn kind(digits: &str) -> Option<(usize, u32)> {
    let first: u32 = digits.get(..7)?.parse().ok()?;
    if matches!(first / 100_000, 52 | 54 | 55) {
        return None;
    }
    let kind = first << 4 | u32::try_from(digits.len()).ok()?;
    let place = kind.wrapping_mul(0x9E37_79B1) >> 20;
    Some((place as usize, kind))
}

fn possible(number: &PhoneNumber) -> Result<(), NumberError> {
    use rlibphonenumber::{NumberLengthType, ValidationError};
    match number.is_possible_with_reason() {
        Ok(NumberLengthType::IsPossible) => Ok(()),
        Err(ValidationError::InvalidCountryCode) => Err(NumberError::Country),
        Ok(NumberLengthType::IsPossibleLocalOnly) | Err(_) => Err(NumberError::Length),
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { f.write_str(&self.0) } else { write!(f, "+{}", self.0) }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({})", self.masked())
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        Self::parse(text, None)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text, None).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_known_of_a_kind_is_what_looking_up_says() {
        // Each twice, so that the second time is from memory.
        for text in [
            "+447700900117",
            "+4477009001",
            "+14155552671",
            "+999123456789",
            "+390612345678",
            "+5491123456789",
            "+358401234567",
        ] {
            let number = Number::from_carrier(text).unwrap();
            assert_eq!(number.check().is_ok(), number.look_up().is_ok(), "{text}");
            assert_eq!(number.check().is_ok(), number.look_up().is_ok(), "{text}");
        }
        assert!(kind("5491123456789").is_none() && kind("447700900117").is_some());
        assert_ne!(kind("447700900117"), kind("4477009001170"));
    }

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ways_people_write_a_number() {
        for text in ["+447700900117", "447700900117", "+44 7700 900-117", "00447700900117", " +44 (7700) 900117 "] {
            assert_eq!(Number::parse(text, None).unwrap().to_string(), "+447700900117", "{text}");
        }
        let national = Number::parse("07700 900117", Some(Region::GB)).unwrap();
        assert_eq!((national.digits(), format!("{national:#}").as_str()), ("447700900117", "447700900117"));
        // An international number wins over the region.
        assert_eq!(Number::parse("+14155550100", Some(Region::GB)).unwrap().digits(), "14155550100");
        assert_eq!(Number::parse("6591234567", None).unwrap().to_string(), "+6591234567");
    }

    #[test]
    fn what_is_no_number_is_refused_without_repeating_it() {
        for text in ["", "+", "07700900117", "Mum", "+44 7700 9001l7", "+4477009001171234567", "+٤٤٧٧٠٠٩٠٠١١٧"]
        {
            assert_eq!(Number::parse(text, None), Err(NumberError::Malformed), "{text}");
        }
        assert_eq!(Number::parse("+999123456789", None), Err(NumberError::Country));
        assert_eq!(Number::parse("+4477009", None), Err(NumberError::Length));
    }

    /// E-11: a number is a restricted value and does not print by accident.
    #[test]
    fn debug_prints_a_mask() {
        let number = Number::parse("+447700900117", None).unwrap();
        let shown = format!("{number:?}");
        assert!(!shown.contains("900117") && shown.ends_with("117)"), "{shown}");
        assert_eq!(Number::from_carrier("6512345").unwrap().masked(), "+65 •••• 45");
    }

    #[test]
    fn it_travels_as_text() {
        let number = Number::from_carrier("447700900117").unwrap();
        assert_eq!(serde_json::to_string(&number).unwrap(), "\"+447700900117\"");
        assert_eq!(serde_json::from_str::<Number>("\"+447700900117\"").unwrap(), number);
        assert!(serde_json::from_str::<Number>("\"12\"").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,60}") {
            for region in [None, Some(Region::GB)] {
                if let Ok(number) = Number::parse(&text, region) {
                    prop_assert_eq!(Number::from_carrier(&number.to_string()), Ok(number));
                }
            }
        }
    }
}
