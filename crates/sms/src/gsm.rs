//! The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038), as SMPP carries them: one septet
//! in each octet, unpacked.

/// The octet that announces a character of the extension table.
pub(crate) const ESCAPE: u8 = 0x1B;

/// The default alphabet; the place of a character is its septet. `ESCAPE` holds a placeholder.
#[rustfmt::skip]
const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1B}', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table: septet after [`ESCAPE`], character.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{0C}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// How one character is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Septets {
    One(u8),
    Escaped(u8),
}

impl Septets {
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Escaped(_) => 2,
        }
    }

    pub(crate) fn push_to(self, out: &mut Vec<u8>) {
        match self {
            Self::One(septet) => out.push(septet),
            Self::Escaped(septet) => out.extend([ESCAPE, septet]),
        }
    }
}

/// The septets of Latin-1 characters, made once by the compiler: most texts never leave this table.
const LATIN: [Option<Septets>; 256] = {
    let mut table = [None; 256];
    let mut septet = 0;
    while septet < 128 {
        let character = DEFAULT[septet] as usize;
        if character < 256 && septet != ESCAPE as usize {
            #[expect(clippy::cast_possible_truncation, reason = "the default alphabet has 128 places")]
            {
                table[character] = Some(Septets::One(septet as u8));
            }
        }
        septet += 1;
    }
    let mut place = 0;
    while place < EXTENSION.len() {
        let (septet, character) = EXTENSION[place];
        if (character as usize) < 256 {
            table[character as usize] = Some(Septets::Escaped(septet));
        }
        place += 1;
    }
    table
};

/// The septets of `character`, or `None` when GSM 7-bit cannot write it.
pub(crate) fn septets(character: char) -> Option<Septets> {
    if let Some(entry) = LATIN.get(character as usize) {
        return *entry;
    }
    if character == '€' {
        return Some(Septets::Escaped(0x65));
    }
    // The Greek capitals are the only others, and they stand in the second row.
    let place = DEFAULT[0x10..0x1B].iter().position(|&known| known == character)?;
    u8::try_from(place + 0x10).ok().map(Septets::One)
}

/// Whether GSM 7-bit can write every character of `text`.
pub fn is_gsm(text: &str) -> bool {
    text.chars().all(|character| septets(character).is_some())
}

/// The characters that make a text UCS-2 (and so cost more parts), each once and in order: for the preview.
pub fn characters_forcing_ucs2(text: &str) -> Vec<char> {
    let mut found = Vec::new();
    for character in text.chars() {
        if septets(character).is_none() && !found.contains(&character) {
            found.push(character);
        }
    }
    found
}

/// `text` in unpacked septets, or the first character that GSM 7-bit cannot write.
pub(crate) fn encode(text: &str) -> Result<Vec<u8>, char> {
    let mut out = Vec::with_capacity(text.len());
    for character in text.chars() {
        septets(character).ok_or(character)?.push_to(&mut out);
    }
    Ok(out)
}

/// The text of unpacked septets, tolerantly: the eighth bit is dropped, an unknown extension shows the
/// character of the default table (TS 23.038 section 6.2.1.1), and a lone escape at the end is a space.
pub(crate) fn decode(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len());
    let mut rest = octets.iter().map(|octet| octet & 0x7F);
    while let Some(septet) = rest.next() {
        if septet != ESCAPE {
            out.push(DEFAULT[septet as usize]);
            continue;
        }
        match rest.next() {
            None | Some(ESCAPE) => out.push(' '),
            Some(extended) => out.push(
                EXTENSION
                    .iter()
                    .find(|(known, _)| *known == extended)
                    .map_or(DEFAULT[extended as usize], |(_, character)| *character),
            ),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_both_tables_survives_the_way_there_and_back() {
        let all: String = DEFAULT
            .iter()
            .filter(|&&character| character != '\u{1B}')
            .chain(EXTENSION.iter().map(|(_, character)| character))
            .collect();
        let octets = encode(&all).unwrap();
        assert_eq!(octets.len(), 127 + 2 * 10);
        assert_eq!(decode(&octets), all);
        assert!(is_gsm(&all));
    }

    #[test]
    fn a_character_outside_is_named() {
        assert_eq!(encode("Grüße, İzmir"), Err('İ'));
        assert_eq!(characters_forcing_ucs2("ß“x”“ ğ"), vec!['“', '”', 'ğ']);
        assert_eq!(characters_forcing_ucs2("plain {€}"), Vec::<char>::new());
    }

    #[test]
    fn an_escape_character_in_a_text_is_not_gsm() {
        // Written as it is, it would swallow the character after it on the handset.
        assert!(!is_gsm("\u{1B}"));
    }

    #[test]
    fn decoding_is_tolerant() {
        assert_eq!(decode(&[ESCAPE]), " ");
        assert_eq!(decode(&[ESCAPE, b'a']), "a");
        assert_eq!(decode(&[ESCAPE, ESCAPE, b'b']), " b");
        assert_eq!(decode(&[0x80 | b'x']), "x");
        assert_eq!(decode(&[0x00]), "@");
    }
}
