//! The page that an invitation leads to: a person chooses a password, and is in.

use askama::Template;
use axum::extract::State;
use base::SecretString;
use http::{Answer, Form, HeaderMap, Open, Response, StatusCode};
use serde::Deserialize;

use crate::Console;
use crate::page::{Wrong, bare, page, page_with};
use crate::reset_page::beside;
use crate::shell::Shell;

#[derive(Template)]
#[template(path = "invite.html")]
struct InvitePage {
    shell: Shell,
    wrong: Wrong,
    code: String,
    /// What the password must be.
    rules: String,
}

impl InvitePage {
    const FIELDS: &'static [&'static str] = &["code", "password", "again"];
}

/// The page.
pub async fn show(open: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let shell = bare(&headers, console.db.context().now(), open.caller().csrf());
    let rules = console.password_words(None).await?;
    page(&InvitePage { shell, wrong: Wrong::default(), code: String::new(), rules })
}

/// What the form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct InviteForm {
    code: String,
    password: String,
    again: String,
}

/// Sets the password and lets the person in.
pub async fn accept(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<InviteForm>,
) -> Answer<Response> {
    let InviteForm { code, password, again } = form;
    let wrong = if password == again {
        let secret = SecretString::from(code.trim().trim_start_matches('#').to_owned());
        match console.identity.accept_invite(secret, SecretString::from(password), &open.source().into()).await {
            Ok(entered) => {
                return Ok(Console::let_on("/", &entered));
            }
            Err(error) => beside(error)?,
        }
    } else {
        Wrong::one("again", "The two are not the same. Write it again.")
    };
    let shell = bare(&headers, console.db.context().now(), open.caller().csrf());
    let rules = console.password_words(None).await?;
    page_with(StatusCode::UNPROCESSABLE_ENTITY, &InvitePage { shell, wrong, code, rules })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn an_invitation_keeps_its_code_and_forgets_the_password() {
        let shell = Shell { place: None, stream: None, ..shell() };
        let wrong = Wrong::one("password", "It is one of the most used.");
        let html = checked(&InvitePage { shell, wrong, code: HOSTILE.into(), rules: "20 to 128 characters.".into() });
        assert!(html.contains("It is one of the most used.") && html.contains("data-from-fragment"));
        assert!(html.contains("20 to 128 characters.") && !html.contains("minlength"), "the rules are those in force");
    }
}
