//! Texts for carriers whose default alphabet is not the GSM one. Pure.

use sms::{Coding, Encoding};

use crate::dialect::Alphabet;

/// Octets and `data_coding` of a part in the GSM alphabet, for a carrier with another default. A character that its alphabet lacks
/// makes the whole part UCS-2 where it stands alone; in a part of a longer text, whose size is fixed, the nearest letter takes its
/// place.
pub fn written(alphabet: Alphabet, payload: &[u8], alone: bool, text_coding: u8, unicode_coding: u8) -> (Vec<u8>, u8) {
    let last = match alphabet {
        Alphabet::Gsm => return (payload.to_vec(), text_coding),
        Alphabet::Latin1 => 0xFF,
        Alphabet::Ascii => 0x7F,
    };
    let text = sms::decode(Coding::Gsm7, payload);
    let octet = |letter: char| u8::try_from(u32::from(letter)).ok().filter(|octet| *octet <= last);
    if let Some(octets) = text.chars().map(octet).collect::<Option<Vec<u8>>>() {
        return (octets, text_coding);
    }
    if alone && let Ok(octets) = sms::encode(Encoding::Ucs2, &text) {
        return (octets, unicode_coding);
    }
    let near = |letter: char| octet(letter).or_else(|| octet(nearest(letter))).unwrap_or(b'?');
    (text.chars().map(near).collect(), text_coding)
}

/// The letter of ASCII that is nearest to one of the GSM alphabet.
const fn nearest(letter: char) -> char {
    match letter {
        '¥' => 'Y',
        'è' | 'é' => 'e',
        'ù' | 'ü' => 'u',
        'ì' => 'i',
        'ò' | 'ø' | 'ö' => 'o',
        'å' | 'ä' | 'à' | 'æ' => 'a',
        'ñ' => 'n',
        'Ç' => 'C',
        'Ø' | 'Ö' | 'Ω' => 'O',
        'Å' | 'Ä' | 'Æ' => 'A',
        '€' | 'É' => 'E',
        'Ñ' => 'N',
        'Ü' => 'U',
        'ß' => 's',
        'Δ' => 'D',
        'Φ' => 'F',
        'Γ' => 'G',
        '£' | 'Λ' => 'L',
        'Π' => 'P',
        'Σ' => 'S',
        'Θ' => 'T',
        'Ξ' => 'X',
        '¡' => '!',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(alphabet: Alphabet, text: &str, alone: bool, expected: &[u8], coding: u8) {
        let gsm = sms::encode(Encoding::Gsm7, text).unwrap();
        assert_eq!(written(alphabet, &gsm, alone, 0, 8), (expected.to_vec(), coding), "{text}");
    }

    #[test]
    fn a_text_is_written_in_the_carriers_alphabet() {
        check(Alphabet::Gsm, "@é", true, &[0x00, 0x05], 0);
        check(Alphabet::Latin1, "@é [x]", true, b"@\xE9 [x]", 0);
        check(Alphabet::Ascii, "a_b", true, b"a_b", 0);
        // What the alphabet lacks: UCS-2 where the part stands alone, the nearest letter where its size is fixed.
        check(Alphabet::Latin1, "5€", true, &[0x00, b'5', 0x20, 0xAC], 8);
        check(Alphabet::Latin1, "5€ Ω", false, b"5E O", 0);
        check(Alphabet::Ascii, "Ünß", false, b"Uns", 0);
    }
}
