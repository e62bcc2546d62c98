//! Which URLs may be asked at all, before any name is looked up. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

use crate::address::is_global;

/// Ports that may be asked anywhere.
const PORTS: [u16; 2] = [443, 8443];
/// Characters of a URL at most.
const LONGEST: usize = 2_048;

/// A host and a port, as an operator writes it: `hooks.internal:9443`, `[2001:db8::1]:443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The name or address, in lower case, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (host, port) = text.trim().rsplit_once(':').ok_or(Refused::NotHostPort)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(Refused::NotHostPort)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(['/', '@', '*', ' ']) {
            return Err(Refused::NotHostPort);
        }
        Ok(Self { host: host.trim_end_matches('.').to_ascii_lowercase(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a request is not made. Says the host and nothing behind it: a path may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no URL.
    #[error("this is no URL; one such as https://app.example.com/hooks is expected")]
    NotUrl,
    /// It is too long.
    #[error("a URL has at most 2048 characters")]
    TooLong,
    /// It is not HTTPS.
    #[error("only https:// is spoken")]
    NotHttps,
    /// It holds a user name or a password.
    #[error("a URL must not hold a user name or password; give credentials apart")]
    Userinfo,
    /// Its address is written in an odd way.
    #[error("write the address in its usual form; {0} is an odd way to write one")]
    OddAddress(String),
    /// Its port is not open to everybody.
    #[error("only the ports 443 and 8443 are asked; an operator can allow {0} under [outbound] in loudhailer.toml")]
    Port(HostPort),
    /// Its address leads into a house.
    #[error(
        "{0} leads to {1}, which is not an address of the open internet; an operator can allow {0} under [outbound] in loudhailer.toml"
    )]
    Inside(HostPort, IpAddr),
    /// It leads to this product itself, or to its database.
    #[error("{0} is this product itself or its database, which are never asked")]
    Ourselves(HostPort),
    /// It is no host and port.
    #[error("a host and a port are expected, such as hooks.internal:9443")]
    NotHostPort,
}

/// What the operator of this machine said.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Internal targets that may be asked.
    pub allow: Vec<HostPort>,
    /// Ports on which this product listens: on this machine they are never asked.
    pub own_ports: Vec<u16>,
    /// What is never asked, whoever allows it: the database.
    pub never: Vec<HostPort>,
    /// An authority (PEM) that vouches for the allowed targets, in place of the machine's.
    pub authority: Option<String>,
}

/// A URL that may be asked, as far as can be told before its name is looked up.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) url: Url,
    pub(crate) at: HostPort,
    pub(crate) allowed: bool,
}

impl Target {
    /// Checks a URL.
    pub fn parse(text: &str, rules: &Rules) -> Result<Self, Refused> {
        if text.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let url = Url::parse(text).map_err(|_| Refused::NotUrl)?;
        if url.scheme() != "https" {
            return Err(Refused::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() || written_host(text).contains('@') {
            return Err(Refused::Userinfo);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(Refused::NotUrl)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        let at = HostPort { host, port: url.port_or_known_default().ok_or(Refused::NotUrl)? };
        let allowed = rules.allow.contains(&at);
        if rules.never.contains(&at) {
            return Err(Refused::Ourselves(at));
        }
        if !allowed && !PORTS.contains(&at.port) {
            return Err(Refused::Port(at));
        }
        if let Ok(address) = at.host.parse::<IpAddr>() {
            // What browsers read as an address but nobody writes so: 127.1, 2130706433, 0x7f.0.0.1.
            if !is_usual(written_host(text), address) {
                return Err(Refused::OddAddress(written_host(text).chars().take(60).collect()));
            }
            let target = Self { url, at, allowed };
            target.admits(address, rules)?;
            return Ok(target);
        }
        Ok(Self { url, at, allowed })
    }

    /// Whether a connection may be made to this address of the target.
    pub fn admits(&self, address: IpAddr, rules: &Rules) -> Result<(), Refused> {
        if rules.own_ports.contains(&self.at.port) && is_ours(address) {
            return Err(Refused::Ourselves(self.at.clone()));
        }
        if self.allowed || is_global(address) { Ok(()) } else { Err(Refused::Inside(self.at.clone(), address)) }
    }

    /// Whom it asks.
    pub const fn host_port(&self) -> &HostPort {
        &self.at
    }
}

/// The host as it was written, with what stands before an `@`.
fn written_host(text: &str) -> &str {
    let rest = text.trim().split_once("//").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default()
}

fn is_usual(written: &str, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => written.split(':').next() == Some(&address.to_string()),
        IpAddr::V6(_) => written.starts_with('['),
    }
}

/// Whether an address is one of this machine: only such can be listened on.
fn is_ours(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified() || std::net::UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            allow: ["hooks.internal:9443", "127.0.0.1:9444", "127.0.0.1:8443"].map(|one| one.parse().unwrap()).to_vec(),
            own_ports: vec![8443],
            never: vec!["db.internal:443".parse().unwrap()],
            authority: None,
        }
    }

    fn parse(text: &str) -> Result<(), Refused> {
        Target::parse(text, &rules()).map(drop)
    }

    #[test]
    fn x_07_only_https_to_open_ports_and_allowed_targets() {
        for good in [
            "https://app.example.com/hooks?x=1",
            "https://app.example.com:8443/",
            "https://hooks.internal:9443/a",
            "https://HOOKS.internal:9443/a",
            "https://127.0.0.1:9444/",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
        ] {
            assert_eq!(parse(good), Ok(()), "{good}");
        }
        assert_eq!(parse("http://app.example.com/"), Err(Refused::NotHttps));
        assert_eq!(parse("ftp://app.example.com/"), Err(Refused::NotHttps));
        assert_eq!(parse("app.example.com"), Err(Refused::NotUrl));
        assert_eq!(parse("https://ada:pw@app.example.com/"), Err(Refused::Userinfo));
        assert_eq!(parse("https://@app.example.com/"), Err(Refused::Userinfo));
        assert!(matches!(parse("https://app.example.com:25/"), Err(Refused::Port(_))));
        assert!(matches!(parse("https://hooks.internal:9444/"), Err(Refused::Port(_))));
        assert!(matches!(parse("https://db.internal/"), Err(Refused::Ourselves(_))));
        assert!(matches!(parse("https://127.0.0.1:8443/"), Err(Refused::Ourselves(_))), "even when allowed");
        assert_eq!(parse(&format!("https://a.example/{}", "x".repeat(2_048))), Err(Refused::TooLong));
    }

    /// Fault F-35: literals that lead into a house, in every dress.
    #[test]
    fn f_35_literals_are_checked_before_any_connection() {
        for odd in [
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://134744072/",
        ] {
            assert!(matches!(parse(odd), Err(Refused::OddAddress(_))), "{odd}");
        }
        for inside in [
            "https://127.0.0.1/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:8.8.8.8]/",
            "https://[fd00::1]/",
            "https://[64:ff9b::7f00:1]/",
        ] {
            let refused = parse(inside).unwrap_err();
            assert!(matches!(refused, Refused::Inside(..) | Refused::Ourselves(_)), "{inside}: {refused}");
        }
    }

    #[test]
    fn a_refusal_never_repeats_what_stands_behind_the_host() {
        let refused = parse("https://10.0.0.1/s3cret?token=s3cret").unwrap_err();
        assert!(!refused.to_string().contains("s3cret") && refused.to_string().contains("10.0.0.1:443"));
    }

    #[test]
    fn what_an_operator_writes_is_read() {
        for (text, host, port) in [("Hooks.internal:9443", "hooks.internal", 9443), ("[::1]:443", "::1", 443)] {
            assert_eq!(text.parse(), Ok(HostPort { host: host.to_owned(), port }));
        }
        for wrong in ["", "host", "host:", "host:0", "https://host:1/", "*:443", ":443", "a b:1"] {
            assert_eq!(wrong.parse::<HostPort>(), Err(Refused::NotHostPort), "{wrong}");
        }
    }
}
