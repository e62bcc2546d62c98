//! How the console shows a failure: what, the remedy, and at the end the code and the request's id.

use askama::Template;
use http::{Failure, HeaderMap, IntoResponse as _, Render, Response, StatusCode, header};

use crate::page::{bare, sentence};
use crate::shell::Shell;

/// The console's own shape of a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorPages;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    heading: &'static str,
    detail: String,
    /// All that is wrong, when it is more than one thing.
    errors: Vec<String>,
    remedy: &'static str,
    acts: Vec<(&'static str, &'static str)>,
    code: String,
    request: String,
}

impl Render for ErrorPages {
    fn render(&self, failure: &Failure) -> Response {
        if let Some(asked) = &failure.asked
            && !failure.fragment
            && let Some(page) = crate::step_up::page(asked, failure.at)
        {
            return page;
        }
        let shell = bare(&HeaderMap::new(), failure.at, "");
        let page = ErrorPage {
            shell,
            heading: heading(failure.status),
            detail: sentence(&failure.problem.detail),
            errors: failure.errors.iter().map(named).collect(),
            remedy: remedy(failure.status, failure.signed_in),
            acts: acts(failure.status, failure.signed_in),
            code: format!("{} {}", failure.status.as_u16(), failure.problem.code),
            request: failure.request.to_string(),
        };
        match page.render() {
            Ok(html) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
            Err(_) => failure.problem.detail.to_string().into_response(),
        }
    }
}

/// A problem with the field that it is about.
fn named(problem: &base::Problem) -> String {
    match &problem.field {
        Some(field) => format!("{field}: {}", sentence(&problem.detail)),
        None => sentence(&problem.detail),
    }
}

/// What to do, where the failure itself does not say it.
const fn remedy(status: StatusCode, signed_in: bool) -> &'static str {
    match status.as_u16() {
        400 | 413 | 415 | 422 => "Go back: what you typed is still in the form.",
        403 if signed_in => "Your own page says who you are. An administrator can give you another role.",
        404 if signed_in => {
            "It may have been deleted, or it belongs to a workspace that you do not see. Look for it by its name or number."
        }
        409 => "Load the page again to see what it is now, then repeat what you did.",
        421 => "Open the console under the address in its configuration (public_url).",
        429 => "Wait a moment, then load the page again. Nothing is lost: pages go out all the same.",
        503 => "Load the page again in a few seconds. Alerts that were accepted go on by themselves.",
        500..=599 => {
            "Nothing that was accepted is lost. Load the page again; if it stays so, give the request’s id below to whoever runs this server."
        }
        _ => "",
    }
}

/// Where to go from here, the best first.
fn acts(status: StatusCode, signed_in: bool) -> Vec<(&'static str, &'static str)> {
    match status.as_u16() {
        _ if !signed_in && !matches!(status.as_u16(), 421 | 429 | 500..=599) => vec![("/sign-in", "Sign in")],
        429 | 500..=599 => vec![("", "Load again"), ("/", "To the overview")],
        _ => vec![("/", "To the overview")],
    }
}

fn heading(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 422 => "That could not be read",
        401 => "Sign in first",
        403 => "Your role does not do this",
        404 => "There is nothing here",
        405 => "This address does not do that",
        409 => "It changed in the meantime",
        413 => "That is too large",
        421 => "This server has another name",
        429 => "Too many requests",
        503 => "Not just now",
        _ => "Something failed on our side",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked};

    #[test]
    fn a_failure_says_what_the_remedy_and_last_the_code() {
        let shell = bare(&HeaderMap::new(), NOW, "");
        let html = checked(&ErrorPage {
            shell,
            heading: heading(StatusCode::NOT_FOUND),
            detail: HOSTILE.into(),
            errors: vec!["name: Is missing.".into(), HOSTILE.into()],
            remedy: remedy(StatusCode::NOT_FOUND, true),
            acts: acts(StatusCode::NOT_FOUND, true),
            code: "404 not-found".into(),
            request: "0192b6f4".into(),
        });
        assert!(html.contains("There is nothing here") && html.contains("404 not-found · 0192b6f4"));
        assert!(html.contains("name: Is missing.") && html.contains("It may have been deleted"));
        assert!(!html.contains("htmx-2"), "a page that does not change by itself loads no library for it");
    }

    #[test]
    fn each_failure_has_words_and_a_way_on() {
        for code in [400, 401, 403, 404, 405, 409, 413, 415, 421, 422, 429, 500, 503] {
            let status = StatusCode::from_u16(code).unwrap();
            for signed_in in [true, false] {
                assert!(!acts(status, signed_in).is_empty() && !heading(status).is_empty(), "{code}");
            }
        }
        let up = |code| acts(StatusCode::from_u16(code).unwrap(), false)[0].0;
        assert_eq!((up(404), up(503)), ("/sign-in", ""));
    }
}
