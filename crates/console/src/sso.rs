//! The way to an identity provider and back, begun by a button or by the provider. Nothing here decides who somebody is: that is
//! `federation`'s; here are the cookie, the redirects, and the page that says why it did not work.

use askama::Template;
use axum::extract::State;
use base::{Explain as _, ProblemKind, SecretString};
use federation::{Answered, Arrived, Error, Onward, Purpose};
use http::{
    Answer, Form, HeaderMap, HeaderValue, IntoResponse as _, Open, Path, Query, Refusal, Response, SignedIn,
    StatusCode, header,
};
use identity::Session;
use serde::Deserialize;

use crate::Console;
use crate::page::{bare, page, page_with, see_other};
use crate::shell::Shell;
use crate::sign_in::local;

#[derive(Template)]
#[template(path = "sso-failed.html")]
struct FailedPage {
    shell: Shell,
    heading: &'static str,
    detail: String,
    back: String,
    back_words: &'static str,
}

/// Something that was done, and where one can go on.
#[derive(Template)]
#[template(path = "sso-told.html")]
pub struct ToldPage {
    pub shell: Shell,
    pub heading: &'static str,
    pub words: String,
    /// Where the person signs out, too.
    pub onward: Option<Onward>,
}

/// Where to go on after signing in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Next {
    next: String,
}

/// What a provider says that begins a sign-on (OpenID Connect Core section 4).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Initiated {
    iss: String,
    login_hint: String,
    target_link_uri: String,
}

/// Sends somebody to their provider.
pub async fn begin(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Path(provider): Path<String>,
    Query(asked): Query<Next>,
) -> Answer<Response> {
    let next = local(&asked.next).unwrap_or_default().to_owned();
    console.send_to(&open, &headers, &provider, &next, None).await
}

/// The answer of a provider.
pub async fn callback(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Path(provider): Path<String>,
    Query(answered): Query<Answered>,
) -> Answer<Response> {
    let caller = open.source().into();
    let token = http::sign_on(&headers);
    let session = console.session_of(&open).await?;
    let linking = session.is_some();
    let arrived =
        console.federation.finish(&provider, token.as_ref(), answered, session, &console.public_url, &caller).await;
    let response = match arrived {
        Ok(Arrived::In { entered, next }) => Console::let_on(if next.is_empty() { "/" } else { &next }, &entered),
        Ok(Arrived::Linked { next }) => see_other(if next.is_empty() { "/" } else { &next }),
        Ok(Arrived::Proved { token, next }) => {
            http::start_session(see_other(if next.is_empty() { PROVEN } else { &next }), &token)
        }
        Err(error) => console.sso_failed(&open, &headers, error, linking)?,
    };
    Ok(http::end_sign_on(response))
}

/// Sends somebody who is signed in to their provider once more, to prove that it is them: before something risky.
pub async fn again(
    guard: SignedIn,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(asked): Query<Next>,
) -> Answer<Response> {
    let source = guard.caller().source();
    let Some(token) = guard.caller().session_token() else { return Err(Refusal::unauthenticated()) };
    let session = console.identity.by_session(token, &source.into()).await?.ok_or_else(Refusal::unauthenticated)?;
    let next = local(&asked.next).unwrap_or_default();
    match console.federation.begin_proof(&session, next, &console.public_url, &source.into()).await {
        Ok(begun) => Ok(http::begin_sign_on(sent(&begun.location), &begun.token)),
        Err(error) => console.sso_failed_for(guard.caller().csrf(), &headers, error, true),
    }
}

/// Where somebody ends who proved themselves beside a form that waits.
pub const PROVEN: &str = "/sso/proven";

/// Says so.
pub async fn proven(open: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let shell = bare(&headers, console.db.context().now(), open.caller().csrf());
    page(&ToldPage {
        shell,
        heading: "It is you",
        words: "Go back to the tab where you came from, and press “Go on” there. You can close this one.".to_owned(),
        onward: None,
    })
}

/// Where a provider sends people back to who signed out there.
pub async fn signed_out(open: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let shell = bare(&headers, console.db.context().now(), open.caller().csrf());
    page(&ToldPage {
        shell,
        heading: "You are signed out",
        words: "Here, and at your provider.".to_owned(),
        onward: None,
    })
}

/// A provider's word that it ended a session (OpenID Connect Back-Channel Logout 1.0 section 2.5).
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct LoggedOut {
    logout_token: String,
}

/// Takes it: what rested on that session ends here. No cookie is read; the token proves the provider.
pub async fn back_channel(
    open: Open,
    State(console): State<Console>,
    Path(provider): Path<String>,
    Form(said): Form<LoggedOut>,
) -> Answer<Response> {
    console.federation.back_channel_logout(&provider, &said.logout_token, &open.source().into()).await?;
    Ok(StatusCode::OK.into_response())
}

/// A sign-on that a provider begins, by a link.
pub async fn start(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(asked): Query<Initiated>,
) -> Answer<Response> {
    console.initiated(open, headers, asked).await
}

/// The same by a form that the browser posts from the provider's page. No cookie is read: nothing here acts for anybody.
pub async fn start_by_form(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(asked): Form<Initiated>,
) -> Answer<Response> {
    console.initiated(open, headers, asked).await
}

impl Console {
    async fn initiated(&self, open: Open, headers: HeaderMap, asked: Initiated) -> Answer<Response> {
        let (federation, issuer) = (self.federation.clone(), asked.iss.clone());
        let Some(provider) = self.db.read(move |tx| federation.of_issuer(tx, &issuer)).await? else {
            return self.sso_failed(&open, &headers, Error::NoProvider, false);
        };
        // Only a place of this server, as everywhere; an address of ours is one too.
        let target = asked.target_link_uri.strip_prefix(self.public_url.as_str()).unwrap_or(&asked.target_link_uri);
        let next = local(target).unwrap_or_default().to_owned();
        let hint = Some(asked.login_hint.as_str()).filter(|hint| !hint.is_empty());
        self.send_to(&open, &headers, &provider, &next, hint).await
    }

    async fn send_to(
        &self,
        open: &Open,
        headers: &HeaderMap,
        provider: &str,
        next: &str,
        hint: Option<&str>,
    ) -> Answer<Response> {
        let caller = open.source().into();
        match self.federation.begin(provider, Purpose::SignIn, next, hint, &self.public_url, &caller).await {
            Ok(begun) => Ok(http::begin_sign_on(sent(&begun.location), &begun.token)),
            Err(error) => self.sso_failed(open, headers, error, false),
        }
    }

    /// The page that offers to sign out at a provider, after the end here.
    pub(crate) fn sign_out_onward(
        &self,
        headers: &HeaderMap,
        heading: &'static str,
        onward: Onward,
    ) -> Answer<Response> {
        let posted = (!onward.fields.is_empty()).then(|| onward.location.clone());
        let told = ToldPage {
            shell: bare(headers, self.db.context().now(), ""),
            heading,
            words: format!("This browser may still be signed in at {}.", onward.label),
            onward: Some(onward),
        };
        let response = page(&told)?;
        Ok(match posted {
            Some(to) => http::forms_to(response, &to),
            None => response,
        })
    }

    /// The session that the browser still has, with its token.
    pub(crate) async fn session_of(&self, open: &Open) -> Answer<Option<(Session, SecretString)>> {
        let Some(token) = open.caller().session_token() else { return Ok(None) };
        let session = self.identity.by_session(token, &open.source().into()).await?;
        Ok(session.map(|session| (session, token.clone())))
    }

    /// The page that says why somebody is not in.
    pub(crate) fn sso_failed(&self, open: &Open, headers: &HeaderMap, error: Error, linking: bool) -> Answer<Response> {
        self.sso_failed_for(open.caller().csrf(), headers, error, linking)
    }

    fn sso_failed_for(&self, csrf: &str, headers: &HeaderMap, error: Error, linking: bool) -> Answer<Response> {
        let problem = error.problem();
        if problem.kind == ProblemKind::Internal {
            return Err(error.into());
        }
        let shown = FailedPage {
            shell: bare(headers, self.db.context().now(), csrf),
            heading: if linking { "That did not work" } else { "You are not signed in" },
            detail: problem.detail.to_string(),
            back: if linking { "/" } else { "/sign-in" }.to_owned(),
            back_words: if linking { "Go back" } else { "To the sign-in page" },
        };
        let mut response = page_with(http::status(problem.kind), &shown)?;
        if let Some(after) = problem.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, after.as_secs().max(1).into());
        }
        Ok(response)
    }
}

/// Sends the browser to another server.
pub fn sent(location: &str) -> Response {
    let mut response = see_other("/sign-in");
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn a_failure_is_explained_and_leads_back() {
        let html = checked(&FailedPage {
            shell: Shell { place: None, stream: None, ..shell() },
            heading: "You are not signed in",
            detail: HOSTILE.into(),
            back: "/sign-in".into(),
            back_words: "To the sign-in page",
        });
        assert!(html.contains("href=\"/sign-in\"") && html.contains("role=\"alert\""));
    }

    #[test]
    fn who_signed_out_here_may_sign_out_there() {
        let told = |onward| ToldPage {
            shell: Shell { place: None, stream: None, ..shell() },
            heading: "You are signed out here",
            words: String::new(),
            onward,
        };
        let onward = |fields| Onward {
            label: HOSTILE.to_owned(),
            location: "https://login.example.com/out?a=1".to_owned(),
            fields,
        };
        let html = checked(&told(Some(onward(vec![("SAMLRequest", "AAAA".to_owned())]))));
        assert!(html.contains("action=\"https://login.example.com/out?a=1\"") && html.contains("value=\"AAAA\""));
        let html = checked(&told(Some(onward(Vec::new()))));
        assert!(html.contains("href=\"https://login.example.com/out?a=1\"") && html.contains("href=\"/sign-in\""));
        assert!(!checked(&told(None)).contains("login.example.com"));
    }

    #[test]
    fn a_provider_elsewhere_is_gone_to() {
        let response = sent("https://login.example.com/auth?x=1");
        assert_eq!(response.headers()[header::LOCATION], "https://login.example.com/auth?x=1");
    }
}
