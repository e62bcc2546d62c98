//! From a template to an answer, and from a request to the frame around the page.

use access::{Cap, Environment};
use askama::Template;
use base::{Problem, Timestamp};
use http::{Answer, HeaderMap, InWorkspace, IntoResponse as _, Refusal, Response, StatusCode, header};

use crate::Console;
use crate::shell::{Page, Place, READ_BY_PAGES, Shell};
use crate::zone::Zone;

/// Renders `template` as a whole page.
pub fn page(template: &impl Template) -> Answer<Response> {
    page_with(StatusCode::OK, template)
}

/// Renders `template` with another status: a form that has to be filled in again.
pub fn page_with(status: StatusCode, template: &impl Template) -> Answer<Response> {
    let html = template.render().map_err(|error| Refusal::new(Problem::internal()).because(error))?;
    Ok((status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

/// Sends the browser on with GET.
pub fn see_other(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path.to_owned())]).into_response()
}

/// The value of one cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

fn theme(headers: &HeaderMap) -> Option<&'static str> {
    match cookie(headers, "theme") {
        Some("light") => Some("light"),
        Some("dark") => Some("dark"),
        _ => None,
    }
}

fn zone(headers: &HeaderMap, workspace: &str) -> Zone {
    let own = cookie(headers, "zone").unwrap_or_default().replace("%2F", "/");
    Zone::first_of([own.as_str(), workspace])
}

/// The frame of a page that anybody may see.
pub fn bare(headers: &HeaderMap, now: Timestamp, csrf: &str) -> Shell {
    Shell { name: String::new(), csrf: csrf.to_owned(), theme: theme(headers), zone: zone(headers, "UTC"), now, place: None }
}

impl Console {
    /// The frame of `page` for the caller that `guard` proved.
    pub async fn shell<C: Cap>(&self, guard: &InWorkspace<C>, headers: &HeaderMap, page: Page) -> Answer<Shell> {
        let now = self.db.context().now();
        let workspace = self.workspace(guard.workspace()).await?;
        let may = READ_BY_PAGES.iter().copied().filter(|capability| guard.may(*capability)).collect();
        let open_alerts = match guard.also::<access::cap::AlertsRead>() {
            Some(permit) => self.alerts.counts(permit).await?.open,
            None => 0,
        };
        Ok(Shell {
            name: guard.caller().actor().principal.name().to_owned(),
            csrf: guard.caller().csrf().to_owned(),
            theme: theme(headers),
            zone: zone(headers, &workspace.time_zone),
            now,
            place: Some(Place {
                slug: workspace.slug,
                environment: workspace.environment,
                page,
                open_alerts,
                handsets: self.handsets.is_some() && workspace.environment == Environment::Development,
                may,
            }),
        })
    }
}
