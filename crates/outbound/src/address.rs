//! Which addresses a request to somebody else may go to: those that RFC 6890 calls global, and no others. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 that are not global, as address and prefix.
const NOT_GLOBAL_4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared by carriers
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, and where clouds keep their credentials
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // 6to4 relays
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 3),     // multicast, reserved, broadcast
];

/// Networks of IPv6 that are not global, or that carry an IPv4 address which nobody would check.
const NOT_GLOBAL_6: &[([u16; 8], u32)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 96),          // unspecified, loopback, IPv4-compatible
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),     // IPv4-mapped
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 32),  // translation
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64),      // discard
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),     // protocol assignments, Teredo
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),     // 6to4
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),     // documentation
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),     // segment routing
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),      // unique local
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),     // link-local
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),     // site-local, once
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),      // multicast
];

/// Whether an address is one of the open internet.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_GLOBAL_4.iter().any(|(network, prefix)| {
            same(u128::from(address.to_bits()), u128::from(Ipv4Addr::from(*network).to_bits()), 32 - prefix)
        }),
        IpAddr::V6(address) => !NOT_GLOBAL_6
            .iter()
            .any(|(network, prefix)| same(address.to_bits(), Ipv6Addr::from(*network).to_bits(), 128 - prefix)),
    }
}

const fn same(address: u128, network: u128, ignored: u32) -> bool {
    address >> ignored == network >> ignored
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Fault F-35: each kind of address that leads into a house, at its first and last.
    #[test]
    fn f_35_addresses_of_houses_are_not_global() {
        for inside in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_global(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2a00:1450::1",
            "2003::1",
        ] {
            assert!(is_global(outside.parse().unwrap()), "{outside}");
        }
    }

    proptest! {
        /// However an IPv4 address is dressed up as an IPv6 one, it is never taken; and what the standard library calls
        /// private is never global.
        #[test]
        fn f_35_no_dress_lets_an_address_in(bits in any::<u32>(), high in any::<u32>()) {
            let plain = Ipv4Addr::from_bits(bits);
            for dressed in [
                plain.to_ipv6_mapped(),
                plain.to_ipv6_compatible(),
                Ipv6Addr::from_bits((0x0064_ff9b_u128 << 96) | u128::from(bits)),
                Ipv6Addr::from_bits((0x2002_u128 << 112) | (u128::from(bits) << 80) | u128::from(high)),
            ] {
                prop_assert!(!is_global(dressed.into()));
            }
            let inside = plain.is_private() || plain.is_loopback() || plain.is_link_local() || plain.is_multicast()
                || plain.is_broadcast() || plain.is_documentation() || plain.is_unspecified();
            prop_assert!(!(inside && is_global(plain.into())));
        }
    }
}
