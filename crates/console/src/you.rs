//! The reader's own page: sign out, appearance, workspaces, and on a phone the menu.

use access::cap;
use askama::Template;
use axum::extract::State;
use http::{Answer, Form, HeaderMap, InWorkspace, Response};
use serde::Deserialize;

use crate::Console;
use crate::facts::{Choice, choices};
use crate::page::{page, see_other};
use crate::shell::{Link, Page, Shell};

#[derive(Template)]
#[template(path = "you.html")]
struct YouPage {
    shell: Shell,
    slug: String,
    standing: String,
    links: Vec<Link>,
    workspaces: Vec<Choice>,
    themes: Vec<Choice>,
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::You).await?;
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
        standing: "Times are shown in your browser’s zone. What you do here is written to the audit log.".into(),
        links: shell.place.as_ref().map(crate::shell::Place::all).unwrap_or_default(),
        themes: choices(
            &[("system", "As the system"), ("light", "Light"), ("dark", "Dark")],
            shell.theme.unwrap_or("system"),
        ),
        workspaces,
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
    let mut response = see_other(&format!("/w/{}/you", guard.name()));
    let (value, age) = match chosen.theme.as_str() {
        theme @ ("light" | "dark") => (theme, 31_536_000),
        _ => ("system", 0),
    };
    if let Ok(cookie) = format!("theme={value}; Path=/; Secure; SameSite=Lax; Max-Age={age}").parse() {
        response.headers_mut().append(http::header::SET_COOKIE, cookie);
    }
    Ok(response)
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
            slug: "demo".into(),
            standing: "Times are shown in your browser’s zone.".into(),
            links,
            workspaces: choices(&[("", "demo (development)")], ""),
            themes: choices(&[("dark", "Dark")], "dark"),
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
