//! Our own names: which `Host` is answered, and which origin may act with a cookie.

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use base::{Problem, ProblemKind};

use crate::refusal::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A public address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a public address: https://host or https://host:port is expected, with no path")]
pub struct UrlError;

/// The hosts this server answers for, each as `host` or `host:port` in lower case, port 443 left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn of_url(public_url: &str) -> Result<Self, UrlError> {
        let uri: Uri = public_url.parse().map_err(|_| UrlError)?;
        let authority = uri.authority().ok_or(UrlError)?;
        let plain = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
        if uri.scheme_str() != Some("https") || !plain {
            return Err(UrlError);
        }
        Ok(Self(vec![normal(authority)]))
    }

    pub(crate) fn add(&mut self, authority: &str) -> Result<(), UrlError> {
        let authority: Authority = authority.parse().map_err(|_| UrlError)?;
        self.0.push(normal(&authority));
        Ok(())
    }

    fn names(&self, authority: &Authority) -> bool {
        self.0.contains(&normal(authority))
    }

    /// Whether `origin` (`https://host[:port]`) is one of ours.
    fn is_origin(&self, origin: &HeaderValue) -> bool {
        let authority = origin.to_str().ok().and_then(|origin| origin.strip_prefix("https://"));
        authority.and_then(|text| text.parse().ok()).is_some_and(|authority| self.names(&authority))
    }
}

fn normal(authority: &Authority) -> String {
    let host = authority.host().to_ascii_lowercase();
    match authority.port_u16() {
        None | Some(443) => host,
        Some(port) => format!("{host}:{port}"),
    }
}

/// Refuses a request that is not for us: DNS rebinding and confused proxies end here (421).
pub(crate) fn check_host(uri: &Uri, headers: &HeaderMap, hosts: &Hosts) -> Result<(), Refusal> {
    let bad = |detail: &'static str| Refusal::new(Problem::new(ProblemKind::Invalid, "bad-host", detail));
    let mut named = headers.get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err(bad("There is more than one Host header. Send one."));
    }
    let header: Option<Authority> = match header {
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| bad("The Host header is not a host name with an optional port."))?,
        ),
        None => None,
    };
    // HTTP/2 names the host in `:authority`, an absolute-form request target in itself; a `Host` beside it must agree.
    let authority = match (uri.authority(), &header) {
        (Some(target), Some(header)) if normal(target) != normal(header) => {
            return Err(bad("The Host header names another host than the request target."));
        }
        (Some(target), _) => target,
        (None, Some(header)) => header,
        (None, None) => return Err(bad("The Host header is missing.")),
    };
    if authority.as_str().contains('@') {
        return Err(bad("The Host header must not hold a user's name."));
    }
    if hosts.names(authority) {
        return Ok(());
    }
    Err(Refusal::with_status(
        StatusCode::MISDIRECTED_REQUEST,
        Problem::new(
            ProblemKind::Invalid,
            "misdirected",
            "This server does not answer for that host. Use the host of its public address (setting server.public_url).",
        ),
    ))
}

/// Whether a request that changes something was made by one of our own pages (ASVS 3.5.1, 3.5.3): the browser says so in
/// `Sec-Fetch-Site`; an older browser at least names a matching `Origin`. Our own `Referrer-Policy: no-referrer` makes browsers
/// send `Origin: null` with a form (Fetch standard, "append a request Origin header"), so beside `Sec-Fetch-Site` that says nothing.
pub(crate) fn from_own_page(headers: &HeaderMap, hosts: &Hosts) -> bool {
    let fetched = headers.contains_key(SEC_FETCH_SITE);
    let origin = headers.get(ORIGIN).filter(|origin| !(fetched && *origin == "null"));
    let origin_matches = origin.map(|origin| hosts.is_origin(origin));
    match headers.get(SEC_FETCH_SITE) {
        Some(site) => site == "same-origin" && origin_matches != Some(false),
        None => origin_matches == Some(true),
    }
}

/// Whether a browser says that it made this request. Browsers show a client certificate by themselves, also to pages of others, so
/// there it proves no program.
pub(crate) fn by_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(ORIGIN)
}

/// Whether nothing says that another site made this request: enough for reading a live stream (ASVS 4.4.2).
pub(crate) fn not_cross_site(headers: &HeaderMap, hosts: &Hosts) -> bool {
    let site = headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none");
    site && headers.get(ORIGIN).is_none_or(|origin| hosts.is_origin(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let mut hosts = Hosts::of_url("https://Pager.example.com").unwrap();
        hosts.add("127.0.0.1:8443").unwrap();
        hosts
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_https_addresses_without_path_are_public_addresses() {
        for wrong in
            ["http://a.example", "https://a.example/x", "a.example", "https://u@a.example", "https://a.example/?q"]
        {
            assert!(Hosts::of_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_for_another_host_is_misdirected() {
        let check = |uri: &'static str, host: Option<&'static str>| {
            let headers = host.map(|host| headers(&[("host", host)])).unwrap_or_default();
            check_host(&Uri::from_static(uri), &headers, &hosts()).map_err(|refusal| refusal.status().as_u16())
        };
        assert_eq!(check("/", Some("pager.example.com")), Ok(()));
        assert_eq!(check("/", Some("PAGER.example.com:443")), Ok(()));
        assert_eq!(check("/", Some("127.0.0.1:8443")), Ok(()));
        assert_eq!(check("https://pager.example.com/", None), Ok(()));
        assert_eq!(check("/", Some("pager.example.com:8443")), Err(421));
        assert_eq!(check("/", Some("evil.example")), Err(421));
        assert_eq!(check("/", None), Err(400));
        assert_eq!(check("/", Some("a b")), Err(400));
        assert_eq!(check("/", Some("evil@pager.example.com")), Err(400));
        assert_eq!(check("https://pager.example.com/", Some("evil.example")), Err(400));
    }

    /// X-18, ASVS 3.5.1-3.5.3: what another site's page sends is told apart.
    #[test]
    fn x_18_own_pages_are_told_from_foreign_ones() {
        let own = |pairs: &[(&'static str, &'static str)]| from_own_page(&headers(pairs), &hosts());
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("origin", "https://pager.example.com")]));
        assert!(own(&[("sec-fetch-site", "same-origin"), ("origin", "https://127.0.0.1:8443")]));
        // What a form of ours sends under our own referrer policy.
        assert!(own(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(!own(&[("sec-fetch-site", "cross-site"), ("origin", "null")]));
        for foreign in ["same-site", "cross-site", "none"] {
            assert!(!own(&[("sec-fetch-site", foreign)]), "{foreign}");
        }
        assert!(!own(&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")]));
        assert!(!own(&[("origin", "http://pager.example.com")]));
        assert!(!own(&[("origin", "null")]));
        assert!(!own(&[]));
        assert!(not_cross_site(&headers(&[]), &hosts()));
        assert!(!not_cross_site(&headers(&[("sec-fetch-site", "cross-site")]), &hosts()));
    }
}
