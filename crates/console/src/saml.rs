//! The doors of providers that speak SAML: our metadata, the form that asks, the answer that their page has the browser post, the
//! page of ours where it arrives, and log-outs. What is believed is `federation`'s to say.

use askama::Template;
use axum::extract::State;
use federation::{Arrived, Came, Error, Left};
use http::{Answer, HeaderMap, HeaderValue, IntoResponse as _, Open, Path, Raw, Response, Uri, header};
use saml::Sent;

use crate::Console;
use crate::page::{bare, page, see_other};
use crate::shell::Shell;
use crate::sign_in::local;
use crate::sso::{PROVEN, ToldPage, sent};

/// Bytes of a posted message at most: what `saml` reads, as base64 in a form.
pub const POSTED: usize = 512 * 1024;
/// Why pages of others post here.
pub const REASON: &str =
    "a provider's page posts its answer here; its signature and the sign-on's own cookie prove it, and no session acts";

#[derive(Template)]
#[template(path = "sso-post.html")]
struct PostPage {
    shell: Shell,
    heading: &'static str,
    words: &'static str,
    to: String,
    fields: Vec<(&'static str, String)>,
}

/// Our metadata for one provider.
pub async fn metadata(_open: Open, State(console): State<Console>, Path(provider): Path<String>) -> Answer<Response> {
    let text = console.federation.saml_metadata(&provider, &console.public_url).await?;
    let kind = HeaderValue::from_static("application/samlmetadata+xml; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Asks a provider that takes requests by POST alone, for the sign-on of the browser's cookie.
pub async fn request(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Path(provider): Path<String>,
) -> Answer<Response> {
    let token = http::sign_on(&headers);
    match console.federation.saml_request(&provider, token.as_ref(), &console.public_url).await {
        Ok(message) => console.sent_on(&open, &headers, message, "Sign in there, and come back"),
        Err(error) => console.sso_failed(&open, &headers, error, false),
    }
}

/// The answer of a provider. The browser's session does not come with it, and would not count.
pub async fn acs(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Path(provider): Path<String>,
    body: Raw,
) -> Answer<Response> {
    let (token, caller) = (http::sign_on(&headers), open.source().into());
    let answered =
        console.federation.saml_answer(&provider, token.as_ref(), &body.0, &console.public_url, &caller).await;
    match answered {
        Ok(token) => Ok(http::begin_sign_on(see_other(&format!("/sso/{provider}/arrive")), &token)),
        Err(error) => Ok(http::end_sign_on(console.sso_failed(&open, &headers, error, false)?)),
    }
}

/// Where the browser arrives with a proven answer, and with all of its cookies.
pub async fn arrive(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Path(provider): Path<String>,
) -> Answer<Response> {
    let (token, caller) = (http::sign_on(&headers), open.source().into());
    let session = console.session_of(&open).await?;
    let linking = session.is_some();
    let onward = |next: &str, otherwise: &str| {
        // An answer that nobody asked for says itself where to go on; only a place of this server counts.
        let here = next.strip_prefix(console.public_url.as_str()).unwrap_or(next);
        local(here).unwrap_or(otherwise).to_owned()
    };
    let response = match console.federation.saml_arrive(&provider, token.as_ref(), session, &caller).await {
        Ok(Arrived::In { entered, next }) => Console::let_on(&onward(&next, "/"), &entered),
        Ok(Arrived::Linked { next }) => see_other(&onward(&next, "/")),
        Ok(Arrived::Proved { token, next }) => http::start_session(see_other(&onward(&next, PROVEN)), &token),
        Err(error) => console.sso_failed(&open, &headers, error, linking)?,
    };
    Ok(http::end_sign_on(response))
}

/// A log-out in the address.
pub async fn leave(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Path(provider): Path<String>,
    uri: Uri,
) -> Answer<Response> {
    console.left(&open, &headers, &provider, Came::Query(uri.query().unwrap_or_default())).await
}

/// A log-out in a form.
pub async fn leave_by_form(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Path(provider): Path<String>,
    body: Raw,
) -> Answer<Response> {
    console.left(&open, &headers, &provider, Came::Form(&body.0)).await
}

impl Console {
    async fn left(&self, open: &Open, headers: &HeaderMap, provider: &str, came: Came<'_>) -> Answer<Response> {
        let caller = open.source().into();
        let left = match self.federation.saml_leave(provider, came, &self.public_url, &caller).await {
            Ok(left) => left,
            Err(error) => return self.log_out_failed(open, headers, error),
        };
        let words = match left {
            Left::Here { answer: Some(answer), .. } => {
                return self.sent_on(open, headers, answer, "You are signed out here");
            }
            Left::Here { answer: None, .. } | Left::There { done: true } => "Here, and at your provider.",
            Left::There { done: false } => "Here. Your provider says that something there is still open.",
        };
        let shell = bare(headers, self.db.context().now(), open.caller().csrf());
        page(&ToldPage { shell, heading: "You are signed out", words: words.to_owned(), onward: None })
    }

    fn log_out_failed(&self, open: &Open, headers: &HeaderMap, error: Error) -> Answer<Response> {
        self.sso_failed(open, headers, error, true)
    }

    /// Sends the browser on with a message: by its address, or by a page that posts its form.
    fn sent_on(&self, open: &Open, headers: &HeaderMap, message: Sent, heading: &'static str) -> Answer<Response> {
        match message {
            Sent::Redirect(location) => Ok(sent(&location)),
            Sent::Post { to, fields } => {
                let shell = bare(headers, self.db.context().now(), open.caller().csrf());
                let words =
                    "Your browser goes on to your provider by itself. If it does not, press “Go on to the provider”.";
                let response = page(&PostPage { shell, heading, words, to: to.clone(), fields })?;
                Ok(http::forms_to(response, &to))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn a_message_is_posted_by_a_page_of_ours() {
        let html = checked(&PostPage {
            shell: Shell { place: None, stream: None, ..shell() },
            heading: "Sign in there, and come back",
            words: "x",
            to: "https://idp.example.com/sso?a=1&b=2".into(),
            fields: vec![("SAMLRequest", HOSTILE.into())],
        });
        assert!(
            html.contains("action=\"https://idp.example.com/sso?a=1&#38;b=2\"") && html.contains("data-onward"),
            "{html}"
        );
        assert!(html.contains("name=\"SAMLRequest\"") && html.contains("/assets/onward"));
    }
}
