//! Randomness from the operating system, through the provider's generator.

use base::Chance;

/// The product's source of randomness; everything secret is drawn from it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsChance;

impl Chance for OsChance {
    /// # Panics
    ///
    /// When the machine gives no randomness. Going on would draw guessable secrets, so the process stops.
    #[expect(clippy::expect_used, reason = "without entropy no secret may be drawn: stop instead")]
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).expect("the operating system gives no randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ() {
        let mut first = [0; 32];
        let mut second = [0; 32];
        OsChance.fill(&mut first);
        OsChance.fill(&mut second);
        assert_ne!(first, second);
        assert_ne!(first, [0; 32]);
    }
}
