//! As much of CBOR (RFC 8949) as an authenticator writes: integers, byte and text strings, arrays, maps, booleans; of definite
//! length, four deep at most (CTAP2 canonical form allows no more). Everything is borrowed; nothing is allocated before it
//! was read.

use crate::Error;

/// Levels at most, as in CTAP2.
const DEPTH: usize = 4;

/// One item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Item<'a>>),
    Map(Vec<(Item<'a>, Item<'a>)>),
    Bool(bool),
    Null,
}

impl<'a> Item<'a> {
    /// The value under a text key.
    pub(super) fn named(&self, key: &str) -> Option<&Item<'a>> {
        self.find(|at| matches!(at, Item::Text(text) if *text == key))
    }

    /// The value under a number.
    pub(super) fn at(&self, key: i64) -> Option<&Item<'a>> {
        self.find(|at| *at == Item::Int(key))
    }

    fn find(&self, wanted: impl Fn(&Item<'a>) -> bool) -> Option<&Item<'a>> {
        let Item::Map(pairs) = self else { return None };
        pairs.iter().find(|(key, _)| wanted(key)).map(|(_, value)| value)
    }

    pub(super) fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Item::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Item::Int(number) => Some(*number),
            _ => None,
        }
    }
}

/// The first item of `input`, and what stands behind it.
pub(super) fn first(input: &[u8]) -> Result<(Item<'_>, &[u8]), Error> {
    let mut reader = Reader { rest: input };
    let item = reader.item(0)?;
    Ok((item, reader.rest))
}

struct Reader<'a> {
    rest: &'a [u8],
}

const BAD: Error = Error::Refused("CBOR");

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(BAD)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self, info: u8) -> Result<u64, Error> {
        let count = match info {
            0..=23 => return Ok(u64::from(info)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(BAD),
        };
        Ok(self.take(count)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn item(&mut self, depth: usize) -> Result<Item<'a>, Error> {
        if depth > DEPTH {
            return Err(BAD);
        }
        let head = self.take(1)?[0];
        let (major, info) = (head >> 5, head & 31);
        let number = self.number(info)?;
        // A count beyond what is left cannot be meant, and nothing is reserved for it.
        let count = || usize::try_from(number).ok().filter(|count| *count <= self.rest.len()).ok_or(BAD);
        Ok(match major {
            0 => Item::Int(i64::try_from(number).map_err(|_| BAD)?),
            1 => Item::Int(-1 - i64::try_from(number).map_err(|_| BAD)?),
            2 => {
                let count = count()?;
                Item::Bytes(self.take(count)?)
            }
            3 => {
                let count = count()?;
                Item::Text(std::str::from_utf8(self.take(count)?).map_err(|_| BAD)?)
            }
            4 => {
                let mut items = Vec::new();
                for _ in 0..count()? {
                    items.push(self.item(depth + 1)?);
                }
                Item::Array(items)
            }
            5 => {
                let mut pairs: Vec<(Item<'a>, Item<'a>)> = Vec::new();
                for _ in 0..count()? {
                    let (key, value) = (self.item(depth + 1)?, self.item(depth + 1)?);
                    // Two readers of a map with one key twice may see two things.
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return Err(BAD);
                    }
                    pairs.push((key, value));
                }
                Item::Map(pairs)
            }
            7 if info == 20 => Item::Bool(false),
            7 if info == 21 => Item::Bool(true),
            7 if info == 22 => Item::Null,
            _ => return Err(BAD),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples_of_rfc_8949() {
        let rows: [(&[u8], Item<'_>); 6] = [
            (&[0x18, 0x64], Item::Int(100)),
            (&[0x38, 0x63], Item::Int(-100)),
            (&[0x44, 1, 2, 3, 4], Item::Bytes(&[1, 2, 3, 4])),
            (&[0x64, b'I', b'E', b'T', b'F'], Item::Text("IETF")),
            (&[0x82, 0x01, 0x20], Item::Array(vec![Item::Int(1), Item::Int(-1)])),
            (&[0xa1, 0x61, b'a', 0xf5], Item::Map(vec![(Item::Text("a"), Item::Bool(true))])),
        ];
        for (bytes, item) in rows {
            assert_eq!(first(bytes).unwrap(), (item, &[][..]));
        }
    }

    #[test]
    fn what_no_authenticator_writes_is_refused() {
        let deep = [0x81; 6];
        let rows: [&[u8]; 7] = [
            &[],
            &[0x44, 1],
            &[0x5f, 0x41, 0, 0xff],
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xa2, 1, 1, 1, 2],
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &deep,
        ];
        for bytes in rows {
            assert!(first(bytes).is_err(), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = first(&bytes);
        }
    }
}
