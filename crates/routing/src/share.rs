//! Weighted choice among equal routes. The chance comes in, and is drawn from sender and destination, so that a conversation
//! stays on its way, on every node and after every restart.

use std::cmp::Reverse;
use std::num::NonZeroU32;

use crate::Route;

/// The lot of a conversation: the same for the same sender and destination, evenly spread over different ones.
pub fn lot(sender: &str, destination: &str) -> u64 {
    // FNV-1a; what it must be is even and the same everywhere, not secret.
    let octets = sender.bytes().chain([0]).chain(destination.bytes());
    octets.fold(0xCBF2_9CE4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01B3))
}

/// A well mixed value of both (the end of `SplitMix64`).
const fn mixed(one: u64, other: u64) -> u64 {
    let mut value = one ^ other.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Where `route` stands among equals for this lot: the least comes first. Weighted rendezvous hashing: each gets its share as
/// first, and when one is added or goes, only its own conversations move.
pub(crate) fn place(route: &Route, lot: u64) -> impl Ord + use<> {
    let weight = f64::from(route.weight.map_or(1, NonZeroU32::get));
    let (high, low) = route.id.uuid().as_u64_pair();
    #[expect(clippy::cast_precision_loss, reason = "53 bits of chance are plenty")]
    let drawn = ((mixed(lot, high ^ low) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    // An exponential variate of the weight's rate: positive, so its bits are in order.
    (-drawn.ln() / weight).to_bits()
}

/// Brings `equals`, routes that nothing else tells apart, into their order: by lot where one has a weight, else by cost.
pub(crate) fn arrange(equals: &mut [&Route], lot: u64) {
    if equals.iter().any(|route| route.weight.is_some()) {
        equals.sort_by_cached_key(|route| place(route, lot));
    } else {
        let cost = |route: &Route| route.cost.as_ref().map_or(i64::MAX, |cost| cost.micros);
        equals.sort_by_key(|route| (cost(route), Reverse(Reverse(route.id))));
    }
}
