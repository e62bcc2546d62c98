//! From a template to an answer, and from a request to the frame around the page.

use access::{Cap, Capability, Environment};
use askama::Template;
use base::{Problem, ProblemKind, Timestamp};
use http::{Answer, HeaderMap, InWorkspace, IntoResponse as _, Refusal, Response, StatusCode, header};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Console;
use crate::facts::Choice;
use crate::shell::{Page, Place, Shell};
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

/// The browser's own time zone, when it told us a real one.
pub fn own_zone(headers: &HeaderMap) -> Option<String> {
    let own = cookie(headers, "zone")?.replace("%2F", "/").replace("%2B", "+");
    Zone::named(&own).map(|_| own)
}

fn zone(headers: &HeaderMap, workspace: &str) -> Zone {
    let own = own_zone(headers).unwrap_or_default();
    Zone::first_of([own.as_str(), workspace])
}

/// What stays readable in a query value.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value for a query string, or one part of a path.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, QUERY_VALUE).to_string()
}

/// A problem on one field, or on the whole form.
#[derive(Clone, Debug, Default)]
pub struct Wrong(Vec<(Option<String>, String)>);

impl Wrong {
    /// These problems, if a person can do something about all of them; otherwise the first one as a refusal.
    pub fn of(problems: Vec<Problem>) -> Answer<Self> {
        let ours = problems.iter().position(|problem| {
            matches!(problem.kind, ProblemKind::Internal | ProblemKind::Unavailable | ProblemKind::NotFound)
        });
        match ours {
            Some(at) => Err(Refusal::new(problems[at].clone())),
            None => Ok(Self(problems.into_iter().map(|problem| (problem.field, sentence(&problem.detail))).collect())),
        }
    }

    /// One problem.
    pub fn one(field: &str, detail: impl Into<String>) -> Self {
        Self(vec![(Some(field.to_owned()), detail.into())])
    }

    /// The same, with what is wrong in `from` or below it (`devices[0].number`) said at the field `to`.
    #[must_use]
    pub fn moved(mut self, from: &str, to: &str) -> Self {
        for (field, _) in &mut self.0 {
            if field.as_deref().is_some_and(|field| field.starts_with(from)) {
                *field = Some(to.to_owned());
            }
        }
        self
    }

    /// What is wrong with `field`.
    pub fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(at, _)| at.as_deref() == Some(field)).map(|(_, detail)| detail.as_str())
    }

    /// What is wrong with something else than these fields.
    pub fn beside<'a>(&'a self, fields: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let own = |field: &Option<String>| field.as_deref().is_some_and(|field| fields.contains(&field));
        self.0.iter().filter(move |(field, _)| !own(field)).map(|(_, detail)| detail.as_str())
    }

    /// All of them, each with its field.
    pub fn all(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.0.iter().map(|(field, detail)| (field.as_deref(), detail.as_str()))
    }

    /// What a form is answered with that is shown once more: 422 when anything is wrong with it.
    pub fn status(&self) -> StatusCode {
        if self.any() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
    }

    /// Whether anything is.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }
}

/// With a capital letter in front and a full stop behind.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let mut out: String = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    if !out.is_empty() && !out.ends_with(['.', '?', '!', ':']) {
        out.push('.');
    }
    out
}

/// The frame of a page that anybody may see.
pub fn bare(headers: &HeaderMap, now: Timestamp, csrf: &str) -> Shell {
    Shell {
        name: String::new(),
        csrf: csrf.to_owned(),
        theme: theme(headers),
        zone: zone(headers, "UTC"),
        now,
        stream: None,
        moment: String::new(),
        ends: None,
        place: None,
    }
}

impl Console {
    /// The frame of `page` for the caller that `guard` proved.
    pub async fn shell<C: Cap>(&self, guard: &InWorkspace<C>, headers: &HeaderMap, page: Page) -> Answer<Shell> {
        let now = self.db.context().now();
        let all = self.workspaces().await?;
        let workspace = all.iter().find(|one| one.id == guard.workspace()).ok_or_else(Refusal::not_found)?.clone();
        let grants = guard.caller().grants();
        let seen = all.iter().filter(|one| grants.sees(one.id));
        let workspaces = seen
            .map(|one| Choice {
                value: one.environment.to_string(),
                name: one.slug.to_string(),
                href: format!("/w/{}", one.slug),
                current: one.id == workspace.id,
            })
            .collect();
        let may = Capability::ALL.iter().copied().filter(|capability| guard.may(*capability)).collect();
        let open_alerts = match guard.also::<access::cap::AlertsRead>() {
            Some(permit) => self.alerts.counts(permit).await?.open,
            None => 0,
        };
        let unknown = match guard.also::<access::cap::MessagesRead>() {
            Some(permit) => {
                let messaging = self.messaging.clone();
                i64::from(self.db.read(move |tx| messaging.unknown_count(tx, &permit)).await?)
            }
            None => 0,
        };
        let shell = Shell {
            name: guard.caller().actor().principal.name().to_owned(),
            csrf: guard.caller().csrf().to_owned(),
            theme: theme(headers),
            zone: self.zone_of(guard, headers, &workspace, now).await?,
            now,
            stream: None,
            moment: self.db.moment().to_string(),
            ends: guard
                .caller()
                .session_ends()
                .map(|(idle, end)| (idle.since(now).as_millis(), end.since(now).as_millis())),
            place: Some(Place {
                slug: workspace.slug.to_string(),
                find: String::new(),
                environment: workspace.environment,
                page,
                open_alerts,
                unknown,
                handsets: self.handsets.is_some() && workspace.environment == Environment::Development,
                may,
                workspaces,
                shortcuts: cookie(headers, "keys") != Some("off"),
            }),
        };
        Ok(shell.listening(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_value_keeps_its_meaning() {
        assert_eq!(encode("+44 7700/é&x=1"), "%2B44%207700%2F%C3%A9%26x%3D1");
    }

    #[test]
    fn problems_stand_at_their_fields() {
        let problem = |kind, field: &str, detail: &'static str| Problem::new(kind, "x", detail).at(field);
        let wrong = Wrong::of(vec![
            problem(ProblemKind::Invalid, "name", "is missing"),
            problem(ProblemKind::Conflict, "elsewhere", "That is taken."),
        ])
        .unwrap();
        assert_eq!(wrong.at("name"), Some("Is missing."));
        assert_eq!(wrong.at("days"), None);
        assert_eq!(wrong.beside(&["name"]).collect::<Vec<_>>(), ["That is taken."]);
        assert!(Wrong::of(vec![problem(ProblemKind::Unavailable, "", "The database is away.")]).is_err());
    }
}
