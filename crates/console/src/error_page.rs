//! How the console shows a failure: what, the remedy, and at the end the code and the request's id.

use askama::Template;
use http::{Failure, IntoResponse as _, Render, Response, StatusCode, header};

use crate::shell::Shell;
use crate::zone::Zone;

/// The console's own shape of a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorPages;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    heading: &'static str,
    detail: String,
    code: String,
    request: String,
}

impl Render for ErrorPages {
    fn render(&self, failure: &Failure) -> Response {
        let shell = Shell {
            name: String::new(),
            csrf: String::new(),
            theme: None,
            zone: Zone::first_of(["UTC"]),
            now: failure.at,
            stream: None,
            moment: String::new(),
            place: None,
        };
        let page = ErrorPage {
            shell,
            heading: heading(failure.status),
            detail: failure.problem.detail.to_string(),
            code: format!("{} {}", failure.status.as_u16(), failure.problem.code),
            request: failure.request.to_string(),
        };
        match page.render() {
            Ok(html) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
            Err(_) => failure.problem.detail.to_string().into_response(),
        }
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
        let shell = Shell {
            name: String::new(),
            csrf: String::new(),
            theme: None,
            zone: Zone::first_of(["UTC"]),
            now: NOW,
            stream: None,
            moment: String::new(),
            place: None,
        };
        let html = checked(&ErrorPage {
            shell,
            heading: heading(StatusCode::NOT_FOUND),
            detail: HOSTILE.into(),
            code: "404 not-found".into(),
            request: "0192b6f4".into(),
        });
        assert!(html.contains("There is nothing here") && html.contains("404 not-found · 0192b6f4"));
        assert!(!html.contains("htmx-2"), "a page that does not change by itself loads no library for it");
    }
}
