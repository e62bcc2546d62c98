//! The identities elsewhere that open an account: one's own, and for administrators those of somebody else.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::{Explain as _, UserId};
use federation::{Error, LinkedIdentity, Purpose};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response, StatusCode};
use identity::Session;
use serde::Deserialize;

use crate::Console;
use crate::editing::everywhere;
use crate::page::{encode, page, page_with, see_other};
use crate::shell::{Page, Shell};

struct Row {
    label: String,
    provider: String,
    subject: String,
    words: String,
}

#[derive(Template)]
#[template(path = "identities.html")]
struct IdentitiesPage {
    shell: Shell,
    /// Whose page this stands below, and what it is called.
    back: (String, String),
    here: String,
    own: bool,
    heading: String,
    said: Option<&'static str>,
    problem: Option<String>,
    rows: Vec<Row>,
    providers: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "sso-onward.html")]
struct OnwardPage {
    shell: Shell,
    location: String,
    back: String,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

/// Which identity.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    provider: String,
    subject: String,
}

fn row(shell: &Shell, one: LinkedIdentity) -> Row {
    let by = match one.origin.as_str() {
        "person" => "linked by the person",
        "administrator" => "linked by an administrator",
        "directory" => "linked by a directory",
        _ => "the account was made for it",
    };
    let last = one
        .last_used
        .map_or_else(|| "not used yet".to_owned(), |at| format!("last used {}", shell.zone.day_clock(&at)));
    let groups = if one.groups.is_empty() { String::new() } else { format!("; groups: {}", one.groups.join(", ")) };
    Row {
        words: format!("{by} {}, {last}{groups}", shell.zone.day_clock(&one.since)),
        label: one.label,
        provider: one.provider_name,
        subject: one.subject,
    }
}

/// Whose identities a page shows.
struct Whose {
    user: UserId,
    own: bool,
    name: String,
}

impl Console {
    async fn identities_page<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        headers: &HeaderMap,
        whose: Whose,
        said: &str,
        problem: Option<Error>,
    ) -> Answer<Response> {
        let shell = self.shell(guard, headers, if whose.own { Page::You } else { Page::Users }).await?;
        let (federation, user, slug) = (self.federation.clone(), whose.user, guard.name());
        let (rows, providers) = self
            .db
            .read(move |tx| -> Result<_, Error> { Ok((federation.identities(tx, user)?, federation.ways_in(tx)?)) })
            .await?;
        let status = problem.as_ref().map_or(StatusCode::OK, |error| http::status(error.problem().kind));
        let below = if whose.own { format!("/w/{slug}/you") } else { format!("/w/{slug}/users/{user}") };
        page_with(
            status,
            &IdentitiesPage {
                here: format!("{below}/identities"),
                heading: if whose.own { "Your identities".to_owned() } else { format!("Identities of {}", whose.name) },
                back: (below, whose.name),
                own: whose.own,
                said: match said {
                    "linked" => Some("Linked. From now on it opens this account."),
                    "gone" => Some(
                        "Removed. It opens this account no more, and the roles that came from its groups are gone.",
                    ),
                    _ => None,
                },
                problem: problem.map(|error| error.problem().detail.to_string()),
                rows: rows.into_iter().map(|one| row(&shell, one)).collect(),
                providers,
                shell,
            },
        )
    }

    /// The session of whoever asks.
    async fn own_session(&self, guard: &InWorkspace<cap::OverviewRead>) -> Answer<Session> {
        let session = match guard.caller().session_token() {
            Some(token) => self.identity.by_session(token, &guard.caller().source().into()).await?,
            None => None,
        };
        session.ok_or_else(Refusal::unauthenticated)
    }

    async fn whose(&self, guard: &InWorkspace<cap::SignInManage>, user: UserId) -> Answer<Whose> {
        Ok(Whose { user, own: false, name: self.person_of(guard, user).await?.name })
    }
}

/// One's own.
pub async fn own(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let session = console.own_session(&guard).await?;
    let whose = Whose { user: session.user, own: true, name: session.name };
    console.identities_page(&guard, &headers, whose, &said.did, None).await
}

/// Begins to link one. A page stands between this form and the provider: a browser that posts a form here goes nowhere else by it
/// (the page's `form-action`), and the person sees where they go.
pub async fn link_own(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(which): Form<Which>,
) -> Answer<Response> {
    let session = console.own_session(&guard).await?;
    let back = format!("/w/{}/you/identities", guard.name());
    let next = format!("{back}?did=linked");
    let (caller, purpose) = (guard.caller().source().into(), Purpose::Link(session.user));
    match console.federation.begin(&which.provider, purpose, &next, None, &console.public_url, &caller).await {
        Ok(begun) => {
            let shell = console.shell(&guard, &headers, Page::You).await?;
            let response = page(&OnwardPage { shell, location: begun.location, back })?;
            Ok(http::begin_sign_on(response, &begun.token))
        }
        Err(error) => {
            let whose = Whose { user: session.user, own: true, name: session.name };
            console.identities_page(&guard, &headers, whose, "", Some(error)).await
        }
    }
}

/// Takes one's own away.
pub async fn unlink_own(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(which): Form<Which>,
) -> Answer<Response> {
    let session = console.own_session(&guard).await?;
    let (federation, of) = (console.federation.clone(), session.clone());
    let done = console.db.write(move |tx| federation.unlink_own(tx, &of, &which.provider, &which.subject)).await;
    match done {
        Ok(()) => Ok(see_other(&format!("/w/{}/you/identities?did=gone", guard.name()))),
        Err(error) => {
            let whose = Whose { user: session.user, own: true, name: session.name };
            console.identities_page(&guard, &headers, whose, "", Some(error)).await
        }
    }
}

/// Somebody's.
pub async fn show(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, user)): Path<(String, UserId)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let whose = console.whose(&guard, user).await?;
    console.identities_page(&guard, &headers, whose, &said.did, None).await
}

/// Links one with somebody's account.
pub async fn link(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, user)): Path<(String, UserId)>,
    Form(which): Form<Which>,
) -> Answer<Response> {
    let (permit, federation) = (everywhere(&guard)?, console.federation.clone());
    let subject = which.subject.trim().to_owned();
    let done = console.db.write(move |tx| federation.link_for(tx, &permit, user, &which.provider, &subject)).await;
    console.acted(&guard, &headers, user, "linked", done).await
}

/// Takes one from somebody's account.
pub async fn unlink(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, user)): Path<(String, UserId)>,
    Form(which): Form<Which>,
) -> Answer<Response> {
    let (permit, federation) = (everywhere(&guard)?, console.federation.clone());
    let done =
        console.db.write(move |tx| federation.unlink_for(tx, &permit, user, &which.provider, &which.subject)).await;
    console.acted(&guard, &headers, user, "gone", done).await
}

impl Console {
    async fn acted(
        &self,
        guard: &InWorkspace<cap::SignInManage>,
        headers: &HeaderMap,
        user: UserId,
        did: &str,
        done: Result<(), Error>,
    ) -> Answer<Response> {
        match done {
            Ok(()) => Ok(see_other(&format!("/w/{}/users/{user}/identities?did={}", guard.name(), encode(did)))),
            Err(error) => {
                let whose = self.whose(guard, user).await?;
                self.identities_page(guard, headers, whose, "", Some(error)).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn sample(own: bool) -> IdentitiesPage {
        IdentitiesPage {
            shell: shell(),
            back: ("/w/demo/you".into(), "Dina Sample".into()),
            here: "/w/demo/you/identities".into(),
            own,
            heading: "Your identities".into(),
            said: Some("Linked."),
            problem: Some("This identity opens another account already.".into()),
            rows: vec![Row {
                label: HOSTILE.into(),
                provider: "corp".into(),
                subject: HOSTILE.into(),
                words: HOSTILE.into(),
            }],
            providers: vec![("corp".into(), HOSTILE.into())],
        }
    }

    #[test]
    fn a_person_links_by_going_there_and_an_administrator_by_the_subject() {
        let html = checked(&sample(true));
        assert!(html.contains("/you/identities/link") && html.contains("opens another account"));
        assert!(!html.contains("id=\"subject\""));
        assert!(checked(&sample(false)).contains("id=\"subject\""));
    }

    #[test]
    fn the_way_to_the_provider_is_a_link() {
        let location = "https://login.example.com/auth?a=1&b=2".into();
        let html = checked(&OnwardPage { shell: shell(), location, back: "/w/demo/you/identities".into() });
        assert!(html.contains("href=\"https://login.example.com/auth?a=1&#38;b=2\"") || html.contains("a=1&amp;b=2"));
    }
}
