//! The reader's own page: sign out, appearance, workspaces, and on a phone the menu.

use access::{Cap, Capability, cap};
use askama::Template;
use axum::extract::State;
use base::ExposeSecret as _;
use http::{Answer, Form, HeaderMap, InWorkspace, Query, Refusal, Response};
use identity::AdminToken;
use serde::Deserialize;

use crate::Console;
use crate::facts::{Choice, choices};
use crate::page::{page, see_other};
use crate::shell::{Link, Page, Shell};
use crate::zone_choice::ZoneForm;

#[derive(Template)]
#[template(path = "you.html")]
struct YouPage {
    shell: Shell,
    slug: String,
    standing: String,
    links: Vec<(&'static str, Vec<Link>)>,
    workspaces: Vec<Choice>,
    themes: Vec<Choice>,
    shortcuts: Vec<Choice>,
    zone: ZoneForm,
    /// Whether the reader may draw a token for the command line.
    may_apply: bool,
    /// A token drawn just now: shown once.
    token: Option<Token>,
}

/// A token as the page shows it.
struct Token {
    text: String,
    until: String,
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(said): Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, &said.zone, None).await
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    zone: String,
}

/// Draws a short-lived token with which `loudhailer apply` and its like act as this person.
pub async fn token(
    guard: InWorkspace<cap::ResourcesApply>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let session = match guard.caller().session_token() {
        Some(token) => console.identity.by_session(token, &guard.caller().source().into()).await?,
        None => None,
    };
    let session = session.ok_or_else(Refusal::unauthenticated)?;
    let drawn = console.identity.admin_token(&session).await?;
    render(&console, &guard, &headers, "", Some(drawn)).await
}

async fn render<C: Cap>(
    console: &Console,
    guard: &InWorkspace<C>,
    headers: &HeaderMap,
    said: &str,
    drawn: Option<AdminToken>,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::You).await?;
    let grants = guard.caller().grants().clone();
    let workspaces = console
        .workspaces()
        .await?
        .into_iter()
        .filter(|workspace| grants.sees(workspace.id))
        .map(|workspace| Choice {
            value: String::new(),
            href: format!("/w/{}", workspace.slug),
            current: workspace.id == guard.workspace(),
            name: format!("{} ({})", workspace.slug, workspace.environment),
        })
        .collect();
    page(&YouPage {
        slug: guard.name().to_owned(),
        standing: "What you do here is written to the audit log.".into(),
        links: shell.place.as_ref().map(crate::shell::Place::all).unwrap_or_default(),
        themes: choices(
            &[("system", "As the system"), ("light", "Light"), ("dark", "Dark")],
            shell.theme.unwrap_or("system"),
        ),
        shortcuts: choices(
            &[("on", "On"), ("off", "Off")],
            if shell.place.as_ref().is_some_and(|place| place.shortcuts) { "on" } else { "off" },
        ),
        workspaces,
        zone: console.zone_form(guard, headers, said).await?,
        may_apply: guard.may(Capability::ResourcesApply),
        token: drawn.map(|drawn| Token {
            text: drawn.token.expose_secret().to_owned(),
            until: shell.zone.day_clock(&drawn.expires_at),
        }),
        shell,
    })
}

/// The chosen appearance.
#[derive(Debug, Deserialize)]
pub struct Appearance {
    theme: String,
}

/// Keeps the choice in a cookie: it is nobody's business but the browser's.
pub async fn appearance(guard: InWorkspace<cap::OverviewRead>, Form(chosen): Form<Appearance>) -> Answer<Response> {
    let kept = Some(chosen.theme.as_str()).filter(|theme| matches!(*theme, "light" | "dark"));
    Ok(remembered(&format!("/w/{}/you", guard.name()), "theme", kept))
}

/// Whether single keys are shortcuts.
#[derive(Debug, Deserialize)]
pub struct Shortcuts {
    shortcuts: String,
}

/// Switches the single keys off or on in this browser (WCAG 2.1.4): a matter of the keyboard in front of the reader.
pub async fn shortcuts(guard: InWorkspace<cap::OverviewRead>, Form(chosen): Form<Shortcuts>) -> Answer<Response> {
    let kept = Some("off").filter(|_| chosen.shortcuts == "off");
    Ok(remembered(&format!("/w/{}/you#shortcuts", guard.name()), "keys", kept))
}

/// Sends the browser to `path` with a choice to keep for a year, or to forget.
fn remembered(path: &str, name: &str, value: Option<&str>) -> Response {
    let mut response = see_other(path);
    let age = if value.is_some() { 31_536_000 } else { 0 };
    let value = value.unwrap_or_default();
    if let Ok(cookie) = format!("{name}={value}; Path=/; Secure; SameSite=Lax; Max-Age={age}").parse() {
        response.headers_mut().append(http::header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{checked, shell};

    #[test]
    fn the_page_leads_everywhere_the_reader_may_go() {
        let shell = shell();
        let links = shell.place.as_ref().map(crate::shell::Place::all).unwrap_or_default();
        let html = checked(&YouPage {
            may_apply: true,
            token: None,
            slug: "demo".into(),
            standing: "Times are shown in your browser’s zone.".into(),
            links,
            workspaces: choices(&[("", "demo (development)")], ""),
            themes: choices(&[("dark", "Dark")], "dark"),
            shortcuts: choices(&[("on", "On")], "on"),
            zone: ZoneForm {
                chosen: "Europe/Zurich".into(),
                standing: "Times are shown in Europe/Zurich, which you chose.".into(),
                zones: vec!["Europe/Zurich".into()],
                wrong: None,
            },
            shell,
        });
        for path in [
            "/w/demo/alerts",
            "/w/demo/handsets",
            "/w/demo/signals",
            "/w/demo/messages",
            "/w/demo/audit",
            "/w/demo/keys",
        ] {
            assert!(html.contains(&format!("href=\"{path}\"")), "{path}");
        }
        assert!(html.contains("aria-pressed=\"true\"") && html.contains("action=\"/sign-out\""));
    }
}
