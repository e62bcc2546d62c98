//! Cutting a text into parts: 160 septets or 70 units alone, 153 or 67 in each part of a longer one.

use serde::{Deserialize, Serialize};

use crate::gsm;
use crate::udh::Concat;

/// Parts a submission may have at most.
pub const MAX_PARTS: usize = 10;

/// Which alphabet a message is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// GSM 7-bit default alphabet with its extension table.
    Gsm7,
    /// Big-endian UTF-16.
    Ucs2,
}

impl Encoding {
    /// `GSM7` or `UCS2`, as the compatible doors write it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM7",
            Self::Ucs2 => "UCS2",
        }
    }

    /// `GSM-7` or `UCS-2`, in sentences.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        }
    }

    /// Septets or 16-bit units of a message of one part, and of each part of a longer one.
    const fn room(self, wide: bool) -> (usize, usize) {
        match (self, wide) {
            (Self::Gsm7, false) => (160, 153),
            (Self::Gsm7, true) => (160, 152),
            (Self::Ucs2, false) => (70, 67),
            (Self::Ucs2, true) => (70, 66),
        }
    }

    /// Septets or units of one character; `None` when it cannot be written.
    fn width(self, character: char) -> Option<usize> {
        match self {
            Self::Gsm7 => gsm::septets(character).map(gsm::Septets::len),
            Self::Ucs2 => Some(character.len_utf16()),
        }
    }
}

/// What the sender asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// GSM 7-bit when it can write the text, else UCS-2.
    #[default]
    Auto,
    /// GSM 7-bit or an error.
    Gsm7,
    /// UCS-2.
    Ucs2,
}

/// One part, ready for a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part information; `None` when the message has one part.
    pub concat: Option<Concat>,
    /// The text in its encoding, without the header.
    pub payload: Vec<u8>,
}

impl Part {
    /// The header with its length octet; empty when there is none.
    pub fn udh(&self) -> Vec<u8> {
        self.concat.map(Concat::to_header).unwrap_or_default()
    }

    /// Header and payload, as `short_message` carries them (with the UDHI bit when there is a header).
    pub fn octets(&self) -> Vec<u8> {
        let mut octets = self.udh();
        octets.extend_from_slice(&self.payload);
        octets
    }
}

/// A text cut into parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segmented {
    /// The alphabet of every part.
    pub encoding: Encoding,
    /// One or more parts, in order.
    pub parts: Vec<Part>,
}

/// Why a text cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// GSM 7-bit was asked for and cannot write this character.
    #[error("the character {character:?} cannot be written in GSM 7-bit; send it as UCS-2 or leave the choice to us")]
    NotGsm {
        /// The first such character.
        character: char,
    },
    /// More parts than a submission may have.
    #[error("the text needs {parts} parts and at most {MAX_PARTS} are sent; shorten it")]
    TooManyParts {
        /// How many it would need.
        parts: usize,
    },
}

/// Encoding and parts of `text` without making them: what a preview shows. Has no upper limit.
pub fn count(text: &str, choice: Choice) -> Result<(Encoding, usize), SegmentError> {
    let encoding = choose(text, choice)?;
    let mut parts = 1;
    cut(text, encoding, false, |_| parts += 1);
    Ok((encoding, parts))
}

/// Cuts `text` into at most [`MAX_PARTS`] parts. `reference` joins the parts of one message on the handset: the
/// messages that a sender has under way to one handset must differ in it. `wide` writes it in 16 bits, which
/// costs one septet or unit in each part. Never cuts through an escape pair, a surrogate pair or a character.
pub fn segment(text: &str, choice: Choice, reference: u16, wide: bool) -> Result<Segmented, SegmentError> {
    let encoding = choose(text, choice)?;
    let mut ends = Vec::new();
    cut(text, encoding, wide, |end| ends.push(end));
    ends.push(text.len());
    let total = ends.len();
    if total > MAX_PARTS {
        return Err(SegmentError::TooManyParts { parts: total });
    }
    let mut parts = Vec::with_capacity(total);
    let mut start = 0;
    for (sequence, end) in (1..).zip(ends) {
        let concat = (total > 1).then(|| Concat {
            reference: if wide { reference } else { reference & 0xFF },
            wide,
            total: u8::try_from(total).unwrap_or(u8::MAX),
            sequence,
        });
        let payload =
            crate::encode(encoding, &text[start..end]).map_err(|character| SegmentError::NotGsm { character })?;
        parts.push(Part { concat, payload });
        start = end;
    }
    Ok(Segmented { encoding, parts })
}

fn choose(text: &str, choice: Choice) -> Result<Encoding, SegmentError> {
    let outside = text.chars().find(|&character| gsm::septets(character).is_none());
    match (choice, outside) {
        (Choice::Ucs2, _) | (Choice::Auto, Some(_)) => Ok(Encoding::Ucs2),
        (Choice::Auto | Choice::Gsm7, None) => Ok(Encoding::Gsm7),
        (Choice::Gsm7, Some(character)) => Err(SegmentError::NotGsm { character }),
    }
}

/// Calls `at` with the place (in `text`) where each part but the last ends.
fn cut(text: &str, encoding: Encoding, wide: bool, mut at: impl FnMut(usize)) {
    let (alone, each) = encoding.room(wide);
    let width = |character| encoding.width(character).unwrap_or(1);
    // Every character of one octet is one septet or unit unless it is escaped, so this skips most counting.
    if text.len() * 2 <= alone || text.chars().map(width).sum::<usize>() <= alone {
        return;
    }
    let mut filled = 0;
    for (place, character) in text.char_indices() {
        let width = width(character);
        if filled + width > each {
            at(place);
            filled = 0;
        }
        filled += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Coding, decode};
    use proptest::prelude::*;

    fn check(text: &str, encoding: Encoding, lengths: &[usize]) {
        let cut = segment(text, Choice::Auto, 0x1234, false).unwrap();
        assert_eq!(cut.encoding, encoding);
        assert_eq!(cut.parts.iter().map(|part| part.payload.len()).collect::<Vec<_>>(), lengths);
        assert_eq!(count(text, Choice::Auto).unwrap(), (encoding, lengths.len()));
    }

    #[test]
    fn the_limits_are_160_and_153_70_and_67() {
        check("", Encoding::Gsm7, &[0]);
        check(&"a".repeat(160), Encoding::Gsm7, &[160]);
        check(&"a".repeat(161), Encoding::Gsm7, &[153, 8]);
        check(&"a".repeat(306), Encoding::Gsm7, &[153, 153]);
        check(&"ğ".repeat(70), Encoding::Ucs2, &[140]);
        check(&"ğ".repeat(71), Encoding::Ucs2, &[134, 8]);
        check(&"ğ".repeat(134), Encoding::Ucs2, &[134, 134]);
    }

    #[test]
    fn an_escape_pair_is_never_cut() {
        check(&"€".repeat(80), Encoding::Gsm7, &[160]);
        // 153 is odd: the pair that would straddle the edge moves on whole.
        check(&"€".repeat(81), Encoding::Gsm7, &[152, 10]);
        check(&format!("{}€{}", "a".repeat(152), "b".repeat(20)), Encoding::Gsm7, &[152, 22]);
    }

    #[test]
    fn a_surrogate_pair_is_never_cut() {
        check(&"😀".repeat(35), Encoding::Ucs2, &[140]);
        check(&"😀".repeat(36), Encoding::Ucs2, &[132, 12]);
    }

    #[test]
    fn a_wide_reference_costs_one_unit_in_each_part() {
        let cut = segment(&"a".repeat(161), Choice::Auto, 0x1234, true).unwrap();
        assert_eq!(cut.parts[0].payload.len(), 152);
        assert_eq!(cut.parts[0].udh(), [6, 8, 4, 0x12, 0x34, 2, 1]);
        assert_eq!(
            segment(&"a".repeat(161), Choice::Auto, 0x1234, false).unwrap().parts[1].udh(),
            [5, 0, 3, 0x34, 2, 2]
        );
    }

    #[test]
    fn refusals_name_the_character_and_the_count() {
        assert_eq!(segment("naïve ğ", Choice::Gsm7, 0, false), Err(SegmentError::NotGsm { character: 'ï' }));
        let error = segment(&"a".repeat(1_531), Choice::Auto, 0, false).unwrap_err();
        assert_eq!(error, SegmentError::TooManyParts { parts: 11 });
        assert_eq!(error.to_string(), "the text needs 11 parts and at most 10 are sent; shorten it");
        assert!(segment(&"a".repeat(1_530), Choice::Auto, 0, false).is_ok());
    }

    proptest! {
        #[test]
        fn parts_join_to_the_text_and_fit(text in ".{0,600}", forced in any::<bool>(), wide in any::<bool>()) {
            let choice = if forced { Choice::Ucs2 } else { Choice::Auto };
            let Ok(cut) = segment(&text, choice, 7, wide) else { return Ok(()) };
            let joined: String = cut.parts.iter().map(|part| decode(Coding::from(cut.encoding), &part.payload)).collect();
            prop_assert_eq!(&joined, &text);
            prop_assert_eq!(cut.parts.len() == 1, cut.parts[0].concat.is_none());
            for part in &cut.parts {
                // What a handset counts: the header's octets, then septets of 7 bits or units of 16.
                let header = part.udh().len();
                let fits = match cut.encoding {
                    Encoding::Gsm7 => (header * 8).div_ceil(7) + part.payload.len() <= 160,
                    Encoding::Ucs2 => header + part.payload.len() <= 140,
                };
                prop_assert!(fits);
                // No part starts with the second half of a pair.
                if cut.encoding == Encoding::Gsm7 {
                    prop_assert!(part.payload.last() != Some(&gsm::ESCAPE));
                }
            }
        }

        #[test]
        fn a_text_of_gsm_characters_stays_gsm(text in "[a-zA-Z0-9@£$¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ€{}\\[\\]|~^\\\\ ]{0,500}") {
            prop_assert_eq!(count(&text, Choice::Auto).unwrap().0, Encoding::Gsm7);
            let octets = crate::encode(Encoding::Gsm7, &text).unwrap();
            prop_assert_eq!(decode(Coding::Gsm7, &octets), text);
        }
    }
}
