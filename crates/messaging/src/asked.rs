//! The column `tell`: what the submitter of a message asked to be told of it, and what else is remembered of how an
//! application submitted it. One number, because most messages have nothing of it and the insert is the hot path.
//!
//! Bits 0 and 1 say which ends it wants to hear of, bit 2 that it also wants to hear when the carrier took the message, bit 3
//! that it was submitted together with others, bits 8 to 15 hold the data coding its text came in, and from bit 16 on (with
//! its sign) stands how many numbers before this one the first message of the same submission has.

use crate::deliveries::Tell;
use crate::model::New;

const TELL: i64 = 7;
const PASSING: i64 = 8;
const TOGETHER: i64 = 16;
const CODING: u32 = 8;
const FIRST: u32 = 16;

/// What stands in the column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked(i64);

impl Asked {
    /// What `new` asks for as the message numbered `row`.
    pub(crate) fn of(new: &New, row: i64) -> Self {
        let before = new.submission.map_or(0, |first| row - first);
        let passing = if new.passing { PASSING } else { 0 };
        let together = if new.together { TOGETHER } else { 0 };
        Self(new.tell.code() | passing | together | i64::from(new.data_coding) << CODING | before << FIRST)
    }

    /// As stored; a message of REST and of the house itself has nothing there.
    pub(crate) const fn stored(column: Option<i64>) -> Self {
        match column {
            Some(bits) => Self(bits),
            None => Self(0),
        }
    }

    /// What is stored.
    pub(crate) fn column(self) -> Option<i64> {
        (self.0 != 0).then_some(self.0)
    }

    /// What its submitter wants to hear of its end.
    pub(crate) const fn tell(self) -> Tell {
        Tell::from_code(Some(self.0))
    }

    /// Whether it wants to hear that the carrier took it.
    pub(crate) const fn passing(self) -> bool {
        self.0 & PASSING != 0
    }

    /// Whether others were submitted together with it.
    pub(crate) const fn together(self) -> bool {
        self.0 & TOGETHER != 0
    }

    /// The data coding its text came in.
    pub(crate) const fn data_coding(self) -> u8 {
        (self.0 >> CODING).to_le_bytes()[0]
    }

    /// The number of the first message of the submission, when the message numbered `row` is not that itself.
    pub(crate) const fn first(self, row: i64) -> Option<i64> {
        match self.0 >> FIRST {
            0 => None,
            before => Some(row - before),
        }
    }

    /// The same with other wishes.
    pub(crate) const fn wanting(self, tell: Tell, passing: bool) -> Self {
        let kept = self.0 & !(TELL | PASSING);
        Self(kept | tell.code() | if passing { PASSING } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use sms::Number;

    use super::*;

    #[test]
    fn what_was_asked_is_read_as_it_was_written() {
        let plain = New::text(Number::parse("+447700900117", None).unwrap(), "x");
        assert_eq!(Asked::of(&plain, 7).column(), None, "nothing costs nothing");
        let new = New { tell: Tell::Failure, passing: true, data_coding: 8, submission: Some(4_000), ..plain };
        let asked = Asked::stored(Asked::of(&new, 4_100).column());
        assert!(asked.passing());
        assert_eq!(asked.tell(), Tell::Failure);
        assert_eq!((asked.data_coding(), asked.first(4_100)), (8, Some(4_000)));
        let other = asked.wanting(Tell::Nothing, false);
        assert!(!other.passing());
        assert_eq!(other.tell(), Tell::Nothing);
        assert_eq!((other.data_coding(), other.first(4_100)), (8, Some(4_000)));
        assert_eq!(Asked::of(&new, 4_000).first(4_000), None, "the first one itself");
    }
}
