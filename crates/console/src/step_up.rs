//! The page that asks for a fresh proof before something risky, and then goes on with what was asked for.

use askama::Template;
use base::Timestamp;
use http::{Answer, Asked, Form, HeaderMap, IntoResponse as _, Response, SignedIn, header};
use serde::Deserialize;

use crate::page::{bare, see_other};
use crate::shell::Shell;
use crate::sign_in::local;

#[derive(Template)]
#[template(path = "step-up.html")]
struct StepUpPage {
    shell: Shell,
    asked: Asked,
}

/// The page; none when it could not be written.
pub fn page(asked: &Asked, now: Timestamp) -> Option<Response> {
    let shell = bare(&HeaderMap::new(), now, &asked.csrf);
    let html = StepUpPage { shell, asked: asked.clone() }.render().ok()?;
    Some(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

/// Where to go on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Next {
    next: String,
}

/// Goes on to a page that had asked for a proof. The door has checked the proof before.
pub async fn go_on(_: SignedIn, Form(form): Form<Next>) -> Answer<Response> {
    Ok(see_other(local(&form.next).unwrap_or("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};
    use http::Ways;

    #[test]
    fn what_was_typed_is_on_the_page_and_goes_where_it_was_going() {
        let shell = Shell { place: None, stream: None, ..shell() };
        let asked = Asked {
            action: "/w/demo/keys".into(),
            fields: vec![("name".into(), HOSTILE.into()), ("scope".into(), "a".into()), ("scope".into(), "b".into())],
            ways: Ways { password: false, code: true, passkey: Some("{}".into()) },
            csrf: "token".into(),
            wrong: Some(HOSTILE.into()),
        };
        let html = checked(&StepUpPage { shell, asked });
        assert_eq!(html.matches("action=\"/w/demo/keys\"").count(), 2);
        assert_eq!(html.matches("name=\"scope\" value=\"b\"").count(), 2, "in each of the forms");
        assert!(html.contains("name=\"prove-code\"") && html.contains("name=\"prove-passkey\""));
        assert!(!html.contains("name=\"prove-password\""));
    }
}
