//! What a text will be, before it is sent; and cutting one that is too long.

use crate::gsm::septets;
use crate::segment::{Choice, Encoding, MAX_PARTS, SegmentError, count};

/// A character that makes a text UCS-2, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forcing {
    /// The character.
    pub character: char,
    /// Its places, counted in characters from 0; the first [`PLACES`].
    pub at: Vec<usize>,
    /// How often it stands there.
    pub times: usize,
}

/// Places that are told of one character.
pub const PLACES: usize = 20;
/// Characters that are told.
const FORCING: usize = 50;

/// What a text will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The alphabet.
    pub encoding: Encoding,
    /// How many parts, without an upper limit.
    pub parts: usize,
    /// Characters of the text.
    pub characters: usize,
    /// Septets or 16-bit units that it takes.
    pub units: usize,
    /// Septets or units that still fit into its last part.
    pub left: usize,
    /// The characters that GSM 7-bit cannot write, in the order in which they come.
    pub forcing: Vec<Forcing>,
}

/// Looks at a text.
pub fn look(text: &str, choice: Choice) -> Result<Look, SegmentError> {
    let (encoding, parts) = count(text, choice)?;
    let mut forcing: Vec<Forcing> = Vec::new();
    let (mut units, mut characters) = (0, 0);
    for (place, character) in text.chars().enumerate() {
        characters += 1;
        let in_gsm = septets(character);
        units += match (encoding, &in_gsm) {
            (Encoding::Gsm7, Some(septets)) => septets.len(),
            _ => character.len_utf16(),
        };
        if in_gsm.is_some() {
            continue;
        }
        if let Some(known) = forcing.iter_mut().find(|one| one.character == character) {
            known.times += 1;
            if known.at.len() < PLACES {
                known.at.push(place);
            }
        } else if forcing.len() < FORCING {
            forcing.push(Forcing { character, at: vec![place], times: 1 });
        }
    }
    Ok(Look { encoding, parts, characters, units, left: left(text, choice, encoding, parts), forcing })
}

/// How many more units fit: found by adding until there is one part more, because a pair is never cut.
fn left(text: &str, choice: Choice, encoding: Encoding, parts: usize) -> usize {
    let most = if encoding == Encoding::Gsm7 { 160 } else { 70 };
    let fits = |more: usize| {
        let longer = format!("{text}{}", "a".repeat(more));
        count(&longer, choice).is_ok_and(|(_, count)| count <= parts.max(1))
    };
    let (mut low, mut high) = (0_usize, most);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// The text, cut to [`MAX_PARTS`] parts when it is longer, and whether it was.
pub fn fit(mut text: String, choice: Choice) -> Result<(String, bool), SegmentError> {
    /// Characters that cannot fit in any alphabet.
    const NEVER: usize = MAX_PARTS * 153;
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).take(NEVER + 1).collect();
    let (encoding, parts) = count(&text, choice)?;
    if parts <= MAX_PARTS {
        return Ok((text, false));
    }
    // Which alphabet is used must not change by cutting off the one character that needs it.
    let choice = if encoding == Encoding::Ucs2 { Choice::Ucs2 } else { Choice::Gsm7 };
    let fits = |end: usize| count(&text[..end], choice).is_ok_and(|(_, parts)| parts <= MAX_PARTS);
    let longest = starts.partition_point(|end| fits(*end)).saturating_sub(1);
    let end = starts.get(longest).copied().unwrap_or(0);
    text.truncate(end);
    Ok((text, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_at() {
        let plain = look("Hello {€}", Choice::Auto).unwrap();
        assert_eq!((plain.encoding, plain.parts, plain.characters, plain.units), (Encoding::Gsm7, 1, 9, 12));
        assert_eq!((plain.left, plain.forcing.len()), (148, 0));
        let smart = look("It’s “it” – it’s", Choice::Auto).unwrap();
        assert_eq!((smart.encoding, smart.parts, smart.left), (Encoding::Ucs2, 1, 54));
        let told: Vec<_> = smart.forcing.iter().map(|one| (one.character, one.at.clone())).collect();
        assert_eq!(told, [('’', vec![2, 14]), ('“', vec![5]), ('”', vec![8]), ('–', vec![10])]);
        assert_eq!(look(&"a".repeat(161), Choice::Auto).unwrap().left, 145);
        assert_eq!(look("", Choice::Auto).unwrap().left, 160);
        assert_eq!(look(&"ж".repeat(100), Choice::Ucs2).unwrap().forcing[0].times, 100);
    }

    #[test]
    fn a_long_text_is_cut_to_ten_parts() {
        for (text, longest) in
            [("a".repeat(5000), 1530), ("€".repeat(2000), 760), ("ж".repeat(1000), 670), ("𝄞".repeat(999), 330)]
        {
            let (fitted, cut) = fit(text.clone(), Choice::Auto).unwrap();
            assert!(cut && text.starts_with(&fitted));
            assert_eq!(count(&fitted, Choice::Auto).unwrap().1, 10);
            assert_eq!(fitted.chars().count(), longest, "{}", &text[..4]);
        }
        assert_eq!(fit("a".repeat(1530), Choice::Auto), Ok(("a".repeat(1530), false)));
        // The character that needs UCS-2 is behind the cut: the sender still meant UCS-2.
        let (fitted, _) = fit(format!("{}ж", "a".repeat(2000)), Choice::Auto).unwrap();
        assert_eq!(fitted.len(), 670);
    }
}
