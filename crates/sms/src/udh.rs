//! The user data header (3GPP TS 23.040 section 9.2.3.24): information elements before the text.

/// Which part of which long message this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Concat {
    /// The number that the parts of one message share.
    pub reference: u16,
    /// Whether the reference is written in 16 bits (element 0x08) rather than 8 (element 0x00).
    pub wide: bool,
    /// How many parts there are.
    pub total: u8,
    /// Which one this is, from 1.
    pub sequence: u8,
}

impl Concat {
    /// The whole header that says so, its length octet included.
    pub fn to_header(self) -> Vec<u8> {
        let [high, low] = self.reference.to_be_bytes();
        if self.wide {
            vec![6, 0x08, 4, high, low, self.total, self.sequence]
        } else {
            vec![5, 0x00, 3, low, self.total, self.sequence]
        }
    }

    /// Whether this can be joined with others at all.
    const fn is_sound(self) -> bool {
        self.total >= 1 && self.sequence >= 1 && self.sequence <= self.total
    }
}

/// A header taken apart. Elements that we do not act on (ports, national languages, …) are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Udh {
    elements: Vec<(u8, Vec<u8>)>,
}

impl Udh {
    /// The header at the start of `octets`, and what follows it. Tolerant: an element that overruns ends the
    /// header's reading, a header longer than the message leaves no text, nothing panics.
    pub fn parse(octets: &[u8]) -> (Self, &[u8]) {
        let Some((&length, rest)) = octets.split_first() else {
            return (Self::default(), octets);
        };
        let (mut header, text) = rest.split_at(usize::from(length).min(rest.len()));
        let mut elements = Vec::new();
        while let [identifier, length, after @ ..] = header {
            let Some((value, next)) = after.split_at_checked(usize::from(*length)) else { break };
            elements.push((*identifier, value.to_vec()));
            header = next;
        }
        (Self { elements }, text)
    }

    /// The part information; the last sound one when a header repeats it (TS 23.040 section 9.2.3.24).
    pub fn concat(&self) -> Option<Concat> {
        self.elements.iter().rev().find_map(|(identifier, value)| {
            let concat = match (identifier, value.as_slice()) {
                (0x00, [reference, total, sequence]) => {
                    Concat { reference: u16::from(*reference), wide: false, total: *total, sequence: *sequence }
                }
                (0x08, [high, low, total, sequence]) => Concat {
                    reference: u16::from_be_bytes([*high, *low]),
                    wide: true,
                    total: *total,
                    sequence: *sequence,
                },
                _ => return None,
            };
            concat.is_sound().then_some(concat)
        })
    }

    /// Destination and source port, when the message is addressed to an application (elements 0x04 and 0x05).
    pub fn ports(&self) -> Option<(u16, u16)> {
        self.elements.iter().rev().find_map(|(identifier, value)| match (identifier, value.as_slice()) {
            (0x04, [to, from]) => Some((u16::from(*to), u16::from(*from))),
            (0x05, [to_high, to_low, from_high, from_low]) => {
                Some((u16::from_be_bytes([*to_high, *to_low]), u16::from_be_bytes([*from_high, *from_low])))
            }
            _ => None,
        })
    }

    /// The whole header as it is written, its length octet included; empty when there are no elements.
    pub fn octets(&self) -> Vec<u8> {
        if self.elements.is_empty() {
            return Vec::new();
        }
        let mut octets = vec![0];
        for (identifier, value) in &self.elements {
            octets.push(*identifier);
            // A header is at most 255 octets, so are its elements.
            octets.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
            octets.extend_from_slice(value);
        }
        octets[0] = u8::try_from(octets.len() - 1).unwrap_or(u8::MAX);
        octets
    }

    /// The elements in order: identifier and value.
    pub fn elements(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.elements.iter().map(|(identifier, value)| (*identifier, value.as_slice()))
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_widths_of_reference_are_written_and_read() {
        for concat in [
            Concat { reference: 0xAB, wide: false, total: 3, sequence: 2 },
            Concat { reference: 0xABCD, wide: true, total: 255, sequence: 255 },
        ] {
            let header = concat.to_header();
            let octets = [header.as_slice(), b"text"].concat();
            let (udh, rest) = Udh::parse(&octets);
            assert_eq!((udh.concat(), rest), (Some(concat), b"text".as_slice()));
        }
    }

    #[test]
    fn ports_beside_the_part_information_are_tolerated() {
        let octets = [12, 0x05, 4, 0x0B, 0x84, 0x23, 0xF0, 0x00, 3, 9, 2, 1, 0xEE, b'x'];
        let (udh, _) = Udh::parse(&octets);
        assert_eq!(udh.ports(), Some((2948, 9200)));
        assert_eq!(udh.concat().map(|concat| concat.sequence), Some(1));
    }

    #[test]
    fn nonsense_is_no_part_information() {
        for header in [
            &[5, 0, 3, 1, 0, 0][..], // no parts
            &[5, 0, 3, 1, 2, 3],     // third of two
            &[5, 0, 9, 1, 2, 1],     // overruns
            &[200, 0, 3],            // longer than the message
            &[0],
            &[],
        ] {
            assert_eq!(Udh::parse(header).0.concat(), None, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_survived(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (udh, rest) = Udh::parse(&octets);
            prop_assert!(rest.len() <= octets.len());
            prop_assert!(udh.concat().is_none_or(Concat::is_sound));
        }
    }
}
