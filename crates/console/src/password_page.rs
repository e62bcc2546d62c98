//! A person changes their own password, with the one they have.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::SecretString;
use http::{Answer, Form, HeaderMap, InWorkspace, Query, Refusal, Response};
use identity::PasswordChange;
use serde::Deserialize;

use crate::Console;
use crate::page::{Wrong, page_with, see_other};
use crate::reset_page::beside;
use crate::shell::{Page, Shell};

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    shell: Shell,
    slug: String,
    /// Their log-in name: under it a password manager keeps the new one.
    login: String,
    said: bool,
    wrong: Wrong,
    rules: String,
}

impl PasswordPage {
    const FIELDS: &'static [&'static str] = &["old", "password", "again"];
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    changed: bool,
}

/// The form.
pub async fn show(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(said): Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, said.changed, Wrong::default()).await
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::OverviewRead>,
    headers: &HeaderMap,
    said: bool,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::You).await?;
    let actor = guard.caller().actor().clone();
    let rules = console.password_words(actor.principal.user()).await?;
    let identity = console.identity.clone();
    let login = console.db.read(move |tx| identity.own_login(tx, &actor)).await?;
    page_with(wrong.status(), &PasswordPage { shell, slug: guard.name().to_owned(), login, said, wrong, rules })
}

/// What the form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PasswordForm {
    old: String,
    password: String,
    again: String,
}

/// Changes it. The person's other sessions end, this one goes on.
pub async fn change(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<PasswordForm>,
) -> Answer<Response> {
    let source = guard.caller().source().into();
    let session = match guard.caller().session_token() {
        Some(token) => console.identity.by_session(token, &source).await?,
        None => None,
    };
    let session = session.ok_or_else(Refusal::unauthenticated)?;
    let wrong = if form.password == form.again {
        let change = PasswordChange {
            old: SecretString::from(form.old),
            new: SecretString::from(form.password),
            device: http::device(&headers),
        };
        match console.identity.change_password(&session, change, &source).await {
            Ok(()) => return Ok(see_other(&format!("/w/{}/you/password?changed=true", guard.name()))),
            Err(error) => beside(error)?,
        }
    } else {
        Wrong::one("again", "The two are not the same. Write it again.")
    };
    render(&console, &guard, &headers, false, wrong).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{checked, shell};

    #[test]
    fn what_is_wrong_stands_at_its_field_and_nothing_is_kept() {
        let html = checked(&PasswordPage {
            shell: shell(),
            slug: "demo".into(),
            login: "dina@example.com".into(),
            said: true,
            wrong: Wrong::one("old", "Name or password are wrong."),
            rules: "15 to 128 characters.".into(),
        });
        assert!(html.contains("aria-invalid=\"true\"") && html.contains("15 to 128 characters."));
        assert!(html.contains("autocomplete=\"current-password\"") && !html.contains(" value=\"x"));
        assert!(html.contains("autocomplete=\"username\" value=\"dina@example.com\""));
        for field in PasswordPage::FIELDS {
            assert!(html.contains(&format!("id=\"{field}\"")), "{field}");
        }
    }
}
