//! The headers that every answer carries (ASVS 3.4, 14.3.2), set after the handler, so that no page can forget them.

use axum::body::HttpBody;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SERVER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use base::RequestId;

use crate::routes::Door;

/// Where browsers report what the policy stopped.
pub(crate) const CSP_REPORTS: &str = "/csp-reports";

const CONSOLE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types app; report-to csp";
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

const ALWAYS: [(HeaderName, &str); 4] = [
    (STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

const PAGES: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, CONSOLE_POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    (HeaderName::from_static("reporting-endpoints"), "csp=\"/csp-reports\""),
];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Marks an answer that is a file to be saved: it gets the policy of data even at the console's door.
#[derive(Clone, Copy, Debug)]
struct Download;

/// Marks a page with a form that is posted to another server: its policy names that place beside our own.
#[derive(Clone, Debug)]
struct FormsTo(String);

/// Lets the forms of a page be posted to `address`, too: to an identity provider, and to no other place of it. Our own stay, because
/// a provider that answers the form with a redirect leads back here under the same policy. Without an origin in it nothing changes.
#[must_use]
pub fn forms_to(mut response: Response, address: &str) -> Response {
    if let Some(place) = place(address) {
        response.extensions_mut().insert(FormsTo(place));
    }
    response
}

/// An address as a policy writes it: origin and path. A path with characters that mean something in a policy is left out, which
/// leaves its origin.
fn place(address: &str) -> Option<String> {
    let plain = |more: &'static [u8]| move |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
    let bare = address.strip_prefix("https://")?.split(['?', '#']).next()?;
    let (authority, path) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
    if authority.is_empty() || !authority.bytes().all(plain(b".-:[]")) {
        return None;
    }
    let path = if path.bytes().all(plain(b"/-._~%:@!$&()*+=")) { path } else { "" };
    Some(format!("https://{authority}{path}"))
}

/// Sets what belongs on every answer.
pub(crate) fn secure(response: &mut Response, door: Door, request: RequestId) {
    let page = door == Door::Console && response.extensions().get::<Download>().is_none();
    let empty = response.body().is_end_stream();
    let forms = response
        .extensions()
        .get::<FormsTo>()
        .map(|to| CONSOLE_POLICY.replace("form-action 'self'", &format!("form-action 'self' {}", to.0)));
    let headers = response.headers_mut();
    headers.remove(SERVER);
    set(headers, &ALWAYS);
    if page {
        set(headers, &PAGES);
        if let Some(policy) = forms.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
    } else {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(DATA_POLICY));
    }
    // Only hashed assets, which are public and never change, may be kept by anybody.
    if door != Door::Public || !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !empty && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    if let Ok(id) = HeaderValue::from_str(&request.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
}

fn set(headers: &mut HeaderMap, pairs: &[(HeaderName, &'static str)]) {
    for (name, value) in pairs {
        headers.insert(name.clone(), HeaderValue::from_static(value));
    }
}

/// An answer that browsers save as a file named `name` (ASVS 5.4.1). Characters that a file name should not have
/// become `_`.
pub fn download(name: &str, content_type: &'static str, bytes: impl Into<bytes::Bytes>) -> Response {
    attachment(name, content_type, bytes.into().into())
}

/// The same for what is too long to hold in memory: piece by piece, as the browser takes it. A piece that fails cuts the file off,
/// which browsers show.
pub fn download_stream<E>(
    name: &str,
    content_type: &'static str,
    pieces: impl futures_util::Stream<Item = Result<bytes::Bytes, E>> + Send + 'static,
) -> Response
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    attachment(name, content_type, axum::body::Body::from_stream(pieces))
}

fn attachment(name: &str, content_type: &'static str, body: axum::body::Body) -> Response {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    let name: String = name.trim_start_matches('.').chars().take(100).map(safe).collect();
    let mut response = Response::new(body);
    response.extensions_mut().insert(Download);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    headers.insert(CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment")));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use base::RequestId;

    use super::*;

    fn secured(mut response: Response, door: Door) -> Response {
        secure(&mut response, door, RequestId::from(uuid_zero()));
        response
    }

    fn uuid_zero() -> uuid::Uuid {
        uuid::Uuid::nil()
    }

    #[test]
    fn a_form_goes_to_one_other_place_where_a_page_says_so() {
        let policy = |address: &str| {
            let response = secured(forms_to(Response::default(), address), Door::Console);
            response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        let own = policy("nonsense");
        assert!(own.contains("form-action 'self';"), "{own}");
        let one = policy("https://idp.example.com:8443/slo?x=1");
        assert!(one.contains("form-action 'self' https://idp.example.com:8443/slo;"), "{one}");
        let bare = policy("https://idp.example.com?x=1/2");
        assert!(bare.contains("form-action 'self' https://idp.example.com;"), "{bare}");
        for path in ["a;b", "a,b", "a'b", "a b"] {
            let whole = policy(&format!("https://idp.example.com/{path}"));
            assert!(whole.contains("form-action 'self' https://idp.example.com;"), "{whole}");
        }
        for odd in [
            "http://idp.example.com/",
            "https://",
            "https://a b/",
            "https://a;script-src *",
            "https://a' 'unsafe-inline",
        ] {
            assert_eq!(policy(odd), own, "{odd}");
        }
    }

    #[test]
    fn only_public_assets_may_be_cached() {
        let cached = || {
            let mut response = Response::new(Body::from("x"));
            response
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
            response
        };
        assert_eq!(secured(cached(), Door::Public).headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(secured(cached(), Door::Console).headers()[CACHE_CONTROL], "no-store");
        assert_eq!(secured(Response::default(), Door::Public).headers()[CACHE_CONTROL], "no-store");
    }

    /// ASVS 5.4.1.
    #[test]
    fn downloads_have_a_safe_name_and_the_policy_of_data() {
        let response = secured(download("../\"Ada\n.csv", "text/csv; charset=utf-8", "a,b"), Door::Console);
        assert_eq!(response.headers()[CONTENT_DISPOSITION], "attachment; filename=\"__Ada_.csv\"");
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], DATA_POLICY);
    }
}
