//! Which digits a page gets. Each page holds a block of three; a block is given again only when no text that shows it
//! can be answered by mistake any more.

/// Digits a page takes: acknowledge, pass on, resolve.
pub const BLOCK: u32 = 3;

/// The first digit of the lowest block that none of `taken` (first digits) holds.
pub fn first_free(taken: &[u32]) -> u32 {
    // One of the first n + 1 blocks is free when n are taken.
    (0..=taken.len())
        .zip((1..).step_by(BLOCK as usize))
        .map(|(_, first)| first)
        .find(|first| !taken.contains(first))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_given_from_the_lowest() {
        for (taken, first) in [(&[][..], 1), (&[1], 4), (&[1, 4], 7), (&[1, 4, 7], 10), (&[4, 7], 1), (&[1, 7, 10], 4)]
        {
            assert_eq!(first_free(taken), first, "{taken:?}");
        }
    }

    proptest::proptest! {
        /// However pages come and go, no two that live share a digit.
        #[test]
        fn no_two_live_pages_share_a_digit(steps in proptest::collection::vec((proptest::bool::ANY, 0_usize..20), 1..60)) {
            let mut live: Vec<u32> = Vec::new();
            for (open, which) in steps {
                if open || live.is_empty() {
                    live.push(first_free(&live));
                } else {
                    live.remove(which % live.len());
                }
                let mut digits: Vec<u32> = live.iter().flat_map(|first| *first..*first + BLOCK).collect();
                digits.sort_unstable();
                let count = digits.len();
                digits.dedup();
                proptest::prop_assert_eq!(digits.len(), count);
            }
        }
    }
}
