//! The session's cookie, that of the way half in, that of a sign-on under way, and the known device's: all the cookies there are
//! (ASVS 3.3.1 to 3.3.4).

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use base::{ExposeSecret, SecretString};

/// The session cookie's name; the prefix makes browsers insist on `Secure`, `Path=/` and no `Domain`.
pub const SESSION_COOKIE: &str = "__Host-sid";

/// The cookie by which a browser is known: failures from strangers do not lock it out (ASVS 6.1.1).
const DEVICE_COOKIE: &str = "__Host-device";

/// The cookie between password and second factor. It opens the page of the second factor and nothing else.
const HALF_COOKIE: &str = "__Host-half";

/// The cookie of a sign-on with an identity provider that is under way. `SameSite=None`, since some providers answer by a form
/// that the browser posts from their page.
const SIGN_ON_COOKIE: &str = "__Host-sso";
const SIGN_ON_ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=None";

const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// Gives the browser a new session. The cookie has no lifetime of its own: the server decides when a session ends.
#[must_use]
pub fn start_session(mut response: Response, token: &SecretString) -> Response {
    let text = format!("{SESSION_COOKIE}={}; {ATTRIBUTES}", token.expose_secret());
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// Remembers in the browser that somebody is half way in.
#[must_use]
pub fn start_half(mut response: Response, token: &SecretString) -> Response {
    let text = format!("{HALF_COOKIE}={}; {ATTRIBUTES}; Max-Age=600", token.expose_secret());
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// What [`start_half`] gave the browser.
pub fn half(headers: &HeaderMap) -> Option<SecretString> {
    only(headers, HALF_COOKIE, 128)
}

/// Forgets it.
#[must_use]
pub fn end_half(mut response: Response) -> Response {
    let gone = format!("{HALF_COOKIE}=; {ATTRIBUTES}; Max-Age=0");
    if let Ok(value) = HeaderValue::from_str(&gone) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// Lets the browser be known for a year.
#[must_use]
pub fn remember_device(mut response: Response, device: &SecretString) -> Response {
    let text = format!("{DEVICE_COOKIE}={}; {ATTRIBUTES}; Max-Age=31536000", device.expose_secret());
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// Lets the browser carry a sign-on to a provider and back, for ten minutes.
#[must_use]
pub fn begin_sign_on(mut response: Response, token: &SecretString) -> Response {
    let text = format!("{SIGN_ON_COOKIE}={}; {SIGN_ON_ATTRIBUTES}; Max-Age=600", token.expose_secret());
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// What [`begin_sign_on`] gave the browser.
pub fn sign_on(headers: &HeaderMap) -> Option<SecretString> {
    only(headers, SIGN_ON_COOKIE, 128)
}

/// Lets the browser forget a sign-on that ended.
#[must_use]
pub fn end_sign_on(mut response: Response) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("{SIGN_ON_COOKIE}=; {SIGN_ON_ATTRIBUTES}; Max-Age=0")) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// What [`remember_device`] gave the browser.
pub fn device(headers: &HeaderMap) -> Option<SecretString> {
    only(headers, DEVICE_COOKIE, 512)
}

/// The session token that the browser shows, proven or not: it ends with a successful log-in.
pub(crate) fn session_token(headers: &HeaderMap) -> Option<SecretString> {
    only(headers, SESSION_COOKIE, 128)
}

/// Ends the browser's session and makes it forget what it had kept of us (ASVS 14.3.1).
///
/// `Clear-Site-Data` does not name `"cookies"`: that would take the known device's cookie too, and with it the protection
/// of the person against lock-out by strangers (ASVS 6.1.1). The session's cookie is expired by its name.
#[must_use]
pub fn end_session(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let gone = format!("{SESSION_COOKIE}=; {ATTRIBUTES}; Max-Age=0");
    if let Ok(value) = HeaderValue::from_str(&gone) {
        headers.append(SET_COOKIE, value);
    }
    headers.insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\", \"storage\""));
    response
}

/// The one cookie of that name. Two of them are none: a cookie that somebody planted beside ours must not win.
fn only(headers: &HeaderMap, wanted: &str, longest: usize) -> Option<SecretString> {
    let mut found = None;
    for value in headers.get_all(COOKIE) {
        for pair in value.to_str().ok()?.split(';') {
            if let Some((name, token)) = pair.trim().split_once('=')
                && name == wanted
            {
                if found.is_some() || token.is_empty() || token.len() > longest {
                    return None;
                }
                found = Some(SecretString::from(token));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookies: &[&'static str]) -> HeaderMap {
        cookies.iter().map(|value| (COOKIE, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_session_token_is_found_among_other_cookies() {
        let token = session_token(&with(&["a=b; __Host-sid=abc; c=d"]));
        assert_eq!(token.map(|token| token.expose_secret().to_owned()).as_deref(), Some("abc"));
        assert!(session_token(&with(&["sid=abc"])).is_none());
    }

    #[test]
    fn two_session_cookies_are_none() {
        assert!(session_token(&with(&["__Host-sid=a; __Host-sid=b"])).is_none());
        assert!(session_token(&with(&["__Host-sid=a", "__Host-sid=b"])).is_none());
        assert!(session_token(&with(&["__Host-sid="])).is_none());
    }

    /// ASVS 3.3.1-3.3.4, 14.3.1.
    #[test]
    fn the_cookie_is_locked_down_and_log_out_clears_the_browser() {
        let response = start_session(Response::default(), &SecretString::from("abc"));
        assert_eq!(response.headers()[SET_COOKIE], "__Host-sid=abc; Path=/; Secure; HttpOnly; SameSite=Lax");
        let response = begin_sign_on(Response::default(), &SecretString::from("abc"));
        assert_eq!(
            response.headers()[SET_COOKIE],
            "__Host-sso=abc; Path=/; Secure; HttpOnly; SameSite=None; Max-Age=600"
        );
        let response = end_session(Response::default());
        assert_eq!(response.headers()["clear-site-data"], "\"cache\", \"storage\"");
        assert!(response.headers()[SET_COOKIE].to_str().is_ok_and(|value| value.ends_with("Max-Age=0")));
    }
}
