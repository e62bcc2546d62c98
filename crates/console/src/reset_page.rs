//! A forgotten password: the page that asks for a letter, and the one that its link leads to. Neither signs anybody in.

use askama::Template;
use axum::extract::State;
use base::{Explain as _, ExposeSecret as _, ProblemKind, SecretString, UserId};
use http::{Answer, Form, HeaderMap, Open, Refusal, Response, StatusCode};
use identity::Link;
use serde::Deserialize;

use crate::Console;
use crate::page::{Wrong, bare, page, page_with, see_other};
use crate::second_stage::secret_page;
use crate::shell::Shell;
use crate::sign_in::told_when;

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage {
    shell: Shell,
    standing: &'static str,
    /// Whether letters can go out.
    on: bool,
    /// Whether a provider is the only way in, so that passwords open the accounts for emergencies alone.
    closed: bool,
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
    let (on, closed) = (console.identity.sends_mail(), console.passwords_closed().await?);
    page(&ForgotPage { shell, standing: STANDING, on, closed, asked: false, problem: None })
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
    let (on, closed) = (console.identity.sends_mail(), console.passwords_closed().await?);
    match done {
        Ok(()) => {
            let standing = "The letter comes from this server and holds a link to it, nothing else.";
            page(&ForgotPage { shell, standing, on, closed, asked: true, problem: None })
        }
        Err(error) => {
            let problem = error.problem();
            if problem.kind == ProblemKind::Internal {
                return Err(error.into());
            }
            let said = Some(problem.detail.to_string());
            let shown = ForgotPage { shell, standing: STANDING, on, closed, asked: false, problem: said };
            Ok(told_when(page_with(http::status(problem.kind), &shown)?, &problem))
        }
    }
}

/// The page that the link leads to.
pub async fn show(open: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let shell = bare(&headers, console.db.context().now(), open.caller().csrf());
    let rules = console.password_words(None).await?;
    page(&ResetPage { shell, wrong: Wrong::default(), code: String::new(), rules, due: false })
}

/// The same page as the answer to a right proof whose password has to be replaced. The code of the link stands in its form, and in
/// no address.
pub(crate) async fn due(console: &Console, open: &Open, headers: &HeaderMap, link: &Link) -> Answer<Response> {
    let shell = bare(headers, console.db.context().now(), open.caller().csrf());
    let rules = console.password_words(None).await?;
    let code = link.secret.expose_secret().to_owned();
    secret_page(StatusCode::OK, &ResetPage { shell, wrong: Wrong::default(), code, rules, due: true })
}

/// What the form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ResetForm {
    due: bool,
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
    let ResetForm { due, code, password, again } = form;
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
    let rules = console.password_words(None).await?;
    secret_page(StatusCode::UNPROCESSABLE_ENTITY, &ResetPage { shell, wrong, code, rules, due })
}

/// What is wrong with a link or a password, at its field.
pub(crate) fn beside(error: identity::Error) -> Answer<Wrong> {
    let problem = error.problem();
    let field = if matches!(error, identity::Error::BadLink) { "code" } else { "password" };
    let problem = if problem.field.is_none() { problem.at(field) } else { problem };
    Wrong::of(vec![problem]).map_err(|_| Refusal::from(error))
}

impl Console {
    /// What a new password must be, in words: of this person, or of whoever opens a link.
    pub(crate) async fn password_words(&self, user: Option<UserId>) -> Answer<String> {
        let identity = self.identity.clone();
        Ok(self.db.read(move |tx| identity.password_words(tx, user)).await?)
    }

    /// Whether a provider is the only way in.
    async fn passwords_closed(&self) -> Answer<bool> {
        Ok(self.db.read(identity::only_way).await?.is_some())
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
        let page =
            |asked, on| ForgotPage { shell: outside(), standing: STANDING, on, closed: false, asked, problem: None };
        assert!(checked(&page(false, true)).contains("action=\"/forgot\""));
        let html = checked(&page(true, true));
        assert!(html.contains("If there is an account") && !html.contains("<form class=\"panel"));
        let html = checked(&page(false, false));
        assert!(html.contains("sends no e-mail") && !html.contains("action=\"/forgot\""));
        let html = checked(&ForgotPage { closed: true, ..page(false, true) });
        assert!(html.contains("identity provider") && html.contains("for emergencies"));
    }

    /// a right password that has to be replaced leads to a form that knows its code, and shows it again when it is refused.
    #[test]
    fn x_15_the_form_of_a_password_that_is_due_holds_its_code() {
        let page =
            |wrong| ResetPage { shell: outside(), wrong, code: "code-7".into(), rules: String::new(), due: true };
        let html = checked(&page(Wrong::default()));
        assert!(html.contains("type=\"hidden\" name=\"code\" value=\"code-7\"") && html.contains("has to be replaced"));
        let html = checked(&page(Wrong::one("code", "This link was used already.")));
        assert!(html.contains("id=\"code\"") && html.contains("This link was used already."));
    }

    #[test]
    fn a_refused_password_is_forgotten_and_its_code_kept() {
        let wrong = Wrong::one("password", "It is one of the most used.");
        let html = checked(&ResetPage {
            shell: outside(),
            wrong,
            code: HOSTILE.into(),
            rules: "15 characters or more.".into(),
            due: false,
        });
        assert!(html.contains("It is one of the most used.") && html.contains("data-from-fragment"));
        assert!(html.contains("15 characters or more.") && !html.contains("has to be replaced"));
    }
}
