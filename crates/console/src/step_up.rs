//! The page that asks for a fresh proof before something risky, and then goes on with what was asked for.

use askama::Template;
use base::Timestamp;
use http::{Answer, Asked, Form, HeaderMap, IntoResponse as _, Response, SignedIn, header};
use serde::Deserialize;

use crate::page::{bare, encode, see_other};
use crate::shell::Shell;
use crate::sign_in::local;

#[derive(Template)]
#[template(path = "step-up.html")]
struct StepUpPage {
    shell: Shell,
    asked: Asked,
}

impl StepUpPage {
    /// Where to go on after a proof elsewhere, for an address: known when a page was asked for rather than a form sent.
    fn onward(&self) -> Option<String> {
        let next = self.asked.fields.iter().find(|(name, _)| name == "next" && self.asked.action == http::STEP_UP)?;
        Some(encode(&next.1))
    }
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
            ways: Ways { password: false, code: true, passkey: Some("{}".into()), elsewhere: false },
            csrf: "token".into(),
            wrong: Some(HOSTILE.into()),
        };
        let html = checked(&StepUpPage { shell, asked });
        assert_eq!(html.matches("action=\"/w/demo/keys\"").count(), 2);
        assert_eq!(html.matches("name=\"scope\" value=\"b\"").count(), 2, "in each of the forms");
        assert!(html.contains("name=\"prove-code\"") && html.contains("name=\"prove-passkey\""));
        assert!(!html.contains("name=\"prove-password\""));
    }

    /// Who has sign-on alone proves themselves at their provider: straight on where a page was asked for, and beside the form where
    /// one was sent, so that nothing of it is lost.
    #[test]
    fn who_has_sign_on_alone_signs_in_there_again() {
        let page = |action: &str, fields: &[(&str, &str)]| {
            let asked = Asked {
                action: action.into(),
                fields: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
                ways: Ways { elsewhere: true, ..Ways::default() },
                csrf: "token".into(),
                wrong: None,
            };
            checked(&StepUpPage { shell: Shell { place: None, stream: None, ..shell() }, asked })
        };
        let asked_for = page(http::STEP_UP, &[("next", "/w/demo/keys?a=1")]);
        assert!(asked_for.contains("href=\"/sso/again?next=%2Fw%2Fdemo%2Fkeys%3Fa%3D1\""), "{asked_for}");
        let sent = page("/w/demo/keys", &[("name", "typed")]);
        assert!(sent.contains("href=\"/sso/again\" target=\"_blank\"") && sent.contains("value=\"typed\""), "{sent}");
        assert!(!sent.contains("Sign out, sign in again"));
    }
}
