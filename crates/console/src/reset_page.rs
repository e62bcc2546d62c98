//! A forgotten password: the page that asks for a letter, and the one that its link leads to. Neither signs anybody in.

use askama::Template;
use axum::extract::State;
use base::{Explain as _, ProblemKind, SecretString};
use http::{Answer, Form, HeaderMap, Open, Query, Refusal, Response, StatusCode};
use serde::Deserialize;

use crate::Console;
use crate::page::{Wrong, bare, page, page_with, see_other};
use crate::shell::Shell;
use crate::sign_in::told_when;

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage {
    shell: Shell,
    standing: &'static str,
    /// Whether letters can go out.
    on: bool,
    asked: bool,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    shell: Shell,
    wrong: Wrong,
    code: String,
    rules: String,
    /// Whether the right password was answered with this page.
    due: bool,
}

impl ResetPage {
    const FIELDS: &'static [&'static str] = &["code", "password", "again"];
}

const STANDING: &str =
    "We send a link to your mailbox. With it you choose a new password; the old one works until then.";

/// The page that asks for a letter.
pub async fn ask(open: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let shell = bare(&headers, console.db.context().now(), open.caller().csrf());
    let on = console.identity.sends_mail();
    page(&ForgotPage { shell, standing: STANDING, on, asked: false, problem: None })
}

/// Whose password is forgotten.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Forgotten {
    login: String,
}

/// Takes the question. The answer is the same for every address.
pub async fn asked(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<Forgotten>,
) -> Answer<Response> {
    let done = console.identity.ask_reset(form.login.trim(), &open.source().into()).await;
    let shell = bare(&headers, console.db.context().now(), open.caller().csrf());
    let on = console.identity.sends_mail();
    match done {
        Ok(()) => {
            let standing = "The letter comes from this server and holds a link to it, nothing else.";
            page(&ForgotPage { shell, standing, on, asked: true, problem: None })
        }
        Err(error) => {
            let problem = error.problem();
            if problem.kind == ProblemKind::Internal {
                return Err(error.into());
            }
            let said = Some(problem.detail.to_string());
            let shown = ForgotPage { shell, standing: STANDING, on, asked: false, problem: said };
            Ok(told_when(page_with(http::status(problem.kind), &shown)?, &problem))
        }
    }
}

/// Why somebody is here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Why {
    due: bool,
}

/// The page that the link leads to.
pub async fn show(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(why): Query<Why>,
) -> Answer<Response> {
    let shell = bare(&headers, console.db.context().now(), open.caller().csrf());
    let rules = console.password_words().await?;
    page(&ResetPage { shell, wrong: Wrong::default(), code: String::new(), rules, due: why.due })
}

/// What the form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ResetForm {
    code: String,
    password: String,
    again: String,
}

/// Sets the password, and sends the person to sign in with it.
pub async fn set(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<ResetForm>,
) -> Answer<Response> {
    let ResetForm { code, password, again } = form;
    let wrong = if password == again {
        let secret = SecretString::from(code.trim().trim_start_matches('#').to_owned());
        match console.identity.reset_password(secret, SecretString::from(password), &open.source().into()).await {
            Ok(()) => return Ok(see_other("/sign-in?changed=true")),
            Err(error) => beside(error)?,
        }
    } else {
        Wrong::one("again", "The two are not the same. Write it again.")
    };
    let shell = bare(&headers, console.db.context().now(), open.caller().csrf());
    let rules = console.password_words().await?;
    page_with(StatusCode::UNPROCESSABLE_ENTITY, &ResetPage { shell, wrong, code, rules, due: false })
}

/// What is wrong with a link or a password, at its field.
pub(crate) fn beside(error: identity::Error) -> Answer<Wrong> {
    let problem = error.problem();
    let field = if matches!(error, identity::Error::BadLink) { "code" } else { "password" };
    let problem = if problem.field.is_none() { problem.at(field) } else { problem };
    Wrong::of(vec![problem]).map_err(|_| Refusal::from(error))
}

impl Console {
    /// What a new password must be, in words.
    pub(crate) async fn password_words(&self) -> Answer<String> {
        let identity = self.identity.clone();
        Ok(self.db.read(move |tx| identity.password_words(tx)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn outside() -> Shell {
        Shell { place: None, stream: None, ..shell() }
    }

    #[test]
    fn the_answer_says_nothing_about_the_address() {
        let page = |asked, on| ForgotPage { shell: outside(), standing: STANDING, on, asked, problem: None };
        assert!(checked(&page(false, true)).contains("action=\"/forgot\""));
        let html = checked(&page(true, true));
        assert!(html.contains("If there is an account") && !html.contains("<form class=\"panel"));
        let html = checked(&page(false, false));
        assert!(html.contains("sends no e-mail") && !html.contains("action=\"/forgot\""));
    }

    #[test]
    fn a_refused_password_is_forgotten_and_its_code_kept() {
        let wrong = Wrong::one("password", "It is one of the most used.");
        let html = checked(&ResetPage {
            shell: outside(),
            wrong,
            code: HOSTILE.into(),
            rules: "15 characters or more.".into(),
            due: true,
        });
        assert!(html.contains("It is one of the most used.") && html.contains("data-from-fragment"));
        assert!(html.contains("15 characters or more.") && html.contains("has to be replaced"));
    }
}
