//! What an operator sets about the doors. Every default is the value of the security facts.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::origin::{Hosts, UrlError};

/// Settings of all doors.
#[derive(Clone, Debug)]
pub struct Settings {
    public_url: String,
    hosts: Hosts,
    trusted_proxies: Vec<Network>,
    contact: Option<String>,
    /// Sizes and times.
    pub limits: Limits,
    /// Requests per time.
    pub rates: Rates,
}

impl Settings {
    /// Settings for a server whose address, for people and programs, is `public_url` (`https://host[:port]`).
    pub fn new(public_url: &str) -> Result<Self, UrlError> {
        Ok(Self {
            public_url: public_url.trim_end_matches('/').to_owned(),
            hosts: Hosts::of_url(public_url)?,
            trusted_proxies: Vec::new(),
            contact: None,
            limits: Limits::default(),
            rates: Rates::default(),
        })
    }

    /// Answers for `authority` (`host[:port]`) too: the loopback names of a demo.
    pub fn alias(mut self, authority: &str) -> Result<Self, UrlError> {
        self.hosts.add(authority)?;
        Ok(self)
    }

    /// Believes `X-Forwarded-For` from these networks, and from nobody else (ASVS 4.1.3).
    #[must_use]
    pub fn trust_proxies(mut self, networks: Vec<Network>) -> Self {
        self.trusted_proxies = networks;
        self
    }

    /// Whom to tell about a weakness: a `mailto:` or `https:` address for security.txt.
    #[must_use]
    pub fn contact(mut self, contact: impl Into<String>) -> Self {
        self.contact = Some(contact.into());
        self
    }

    /// The public address, without a slash at its end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    pub(crate) const fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    pub(crate) fn contact_address(&self) -> Option<&str> {
        self.contact.as_deref()
    }

    /// Whether a peer is a proxy of ours.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }
}

/// Sizes and times (security.md, input limits).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address (IPv6: one /64). Trusted proxies are not counted.
    pub connections_per_address: usize,
    /// TLS handshake and first byte.
    pub handshake: Duration,
    /// A request's head, from its first byte to its last.
    pub head: Duration,
    /// A request's body, from when it is first read.
    pub body: Duration,
    /// Bytes of body a second at least, after the first seconds.
    pub body_rate: u64,
    /// Time without a request after which a connection ends.
    pub keep_alive: Duration,
    /// Time for which a client may stop reading its answer.
    pub stalled: Duration,
    /// Time a handler may take to answer, reading the body included.
    pub answer: Duration,
    /// Time for answers under way when the server stops.
    pub drain: Duration,
    /// Bytes of a request target.
    pub url: usize,
    /// Bytes of all header fields.
    pub headers: usize,
    /// Header fields.
    pub header_fields: usize,
    /// Requests at once on an HTTP/2 connection.
    pub streams: u32,
    /// Requests that an HTTP/2 client may take back within a minute.
    pub resets_per_minute: u32,
    /// Live event streams at once.
    pub event_streams: usize,
    /// Time between two heart-beats of an event stream.
    pub heartbeat: Duration,
    /// Time between two checks of the rights of an event stream.
    pub recheck: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 100,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_mins(1),
            body_rate: 1024,
            keep_alive: Duration::from_mins(1),
            stalled: Duration::from_secs(30),
            answer: Duration::from_secs(75),
            drain: Duration::from_secs(20),
            url: 8 * 1024,
            headers: 16 * 1024,
            header_fields: 100,
            streams: 100,
            resets_per_minute: 200,
            event_streams: 2_000,
            heartbeat: Duration::from_secs(15),
            recheck: Duration::from_mins(1),
        }
    }
}

/// Requests a second, and as many at once after a pause.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// From one address (IPv6: one /64).
    pub per_address: NonZeroU32,
    /// From one user, key or integration.
    pub per_principal: NonZeroU32,
}

impl Default for Rates {
    /// The published limits of the SMS API that ours is compatible with: 3,000 a second from an address, 1,800 for an account.
    fn default() -> Self {
        const ADDRESS: NonZeroU32 = NonZeroU32::new(3_000).unwrap();
        const PRINCIPAL: NonZeroU32 = NonZeroU32::new(1_800).unwrap();
        Self { per_address: ADDRESS, per_principal: PRINCIPAL }
    }
}

/// A network, written `10.0.0.0/8`, `2001:db8::/32` or as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a network: an address such as 192.0.2.7 or a range such as 192.0.2.0/24 is expected")]
pub struct NetworkError;

impl Network {
    /// Whether `address` lies in the network. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn prefix(bits: u8, width: u8, value: u128) -> u128 {
            if bits == 0 { 0 } else { value >> (width - bits) }
        }
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                prefix(self.bits, 32, own.to_bits().into()) == prefix(self.bits, 32, other.to_bits().into())
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                prefix(self.bits, 128, own.to_bits()) == prefix(self.bits, 128, other.to_bits())
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().map_err(|_| NetworkError)?.to_canonical();
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), |bits| bits.parse().map_err(|_| NetworkError))?;
        if bits > width { Err(NetworkError) } else { Ok(Self { address, bits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_they_should() {
        let inside =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(inside("10.0.0.0/8", "10.255.1.2"));
        assert!(inside("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(inside("192.0.2.7", "192.0.2.7"));
        assert!(inside("2001:db8::/32", "2001:db8:1::1"));
        assert!(inside("0.0.0.0/0", "192.0.2.7"));
        assert!(!inside("10.0.0.0/8", "11.0.0.1"));
        assert!(!inside("192.0.2.7", "192.0.2.8"));
        assert!(!inside("::/0", "192.0.2.7"));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "2001:db8::/129", "10.0.0.0/x"] {
            assert_eq!(wrong.parse::<Network>(), Err(NetworkError), "{wrong}");
        }
    }
}
