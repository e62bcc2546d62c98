//! How the reader signs in: their second factors, their recovery codes, and the sessions that are open.

use access::{AuthMethod, cap};
use askama::Template;
use axum::extract::State;
use base::{SecretString, SessionId};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response, StatusCode};
use identity::{Factors, Going, SessionInfo};
use serde::Deserialize;

use crate::Console;
use crate::answers::ActForm;
use crate::page::{page, see_other};
use crate::second_stage::{EnrolForm, codes_page, enrol_page, enrol_problem};
use crate::shell::{Page, Shell};
use crate::zone::age;

/// A passkey as a row.
struct Key {
    id: String,
    name: String,
    words: String,
}

/// A session as a row.
pub struct SessionRow {
    /// Its id, for the form that ends it.
    pub id: String,
    /// The browser, in a word.
    pub browser: String,
    /// How it was proven, from where, since when, last used.
    pub words: String,
    /// Whether the reader is in it.
    pub current: bool,
}

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    shell: Shell,
    slug: String,
    sentence: String,
    said: Option<&'static str>,
    app: Option<String>,
    keys: Vec<Key>,
    recovery_left: u32,
    has_any: bool,
    sessions: Vec<SessionRow>,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

impl Said {
    fn words(&self) -> Option<&'static str> {
        match self.did.as_str() {
            "added" => Some("It is set up. From now on you need it to sign in."),
            "removed" => Some("It is removed, and signs nobody in any more."),
            "ended" => Some("The session is ended. Whoever used it has to sign in again."),
            "others" => Some("All your other sessions are ended."),
            _ => None,
        }
    }
}

/// How somebody proved themselves, for readers.
pub const fn method_words(auth: AuthMethod) -> &'static str {
    match auth {
        AuthMethod::Totp => "a code of an app",
        AuthMethod::Passkey => "passkey",
        AuthMethod::RecoveryCode => "recovery code",
        AuthMethod::SetupLink => "set-up link",
        AuthMethod::SingleSignOn => "single sign-on",
        _ => "password",
    }
}

/// The browser and system that a user agent names: the few that people have, else its first words.
pub fn browser(agent: &str) -> String {
    let find =
        |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let program = find(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        _ if agent.is_empty() => "A program that does not say its name".to_owned(),
        _ => agent.chars().take(40).collect(),
    }
}

/// Sessions as rows; `current` is the reader's own.
pub fn session_rows(shell: &Shell, sessions: Vec<SessionInfo>, current: Option<SessionId>) -> Vec<SessionRow> {
    let row = |one: SessionInfo| {
        let from = if one.address.is_empty() { String::new() } else { format!(" from {}", one.address) };
        let since = shell.zone.day_clock(&one.created_at);
        let used = age(shell.now.since(one.last_seen_at));
        SessionRow {
            id: one.id.to_string(),
            browser: browser(&one.user_agent),
            words: format!("By {}{from}, since {since}, last used {used} ago.", method_words(one.auth)),
            current: Some(one.id) == current,
        }
    };
    sessions.into_iter().map(row).collect()
}

fn sentence(factors: &Factors) -> String {
    match (factors.count(), factors.wanted) {
        (0, _) => "A password alone signs you in".to_owned(),
        (1, _) => "A second factor protects your account".to_owned(),
        (count, _) => format!("{count} second factors protect your account"),
    }
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(said): Query<Said>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::You).await?;
    let (identity, actor) = (console.identity.clone(), guard.caller().actor().clone());
    let read: Result<_, identity::Error> =
        console.db.read(move |tx| Ok((identity.own_factors(tx, &actor)?, identity.own_sessions(tx, &actor)?))).await;
    let (factors, sessions) = read?;
    let keys = factors.passkeys.iter().map(|key| {
        let used = key
            .last_used_at
            .map_or_else(|| "not used yet".to_owned(), |at| format!("last used {} ago", age(shell.now.since(at))));
        let kept = if key.backed_up { "kept in more than one place" } else { "on one device" };
        Key {
            id: key.id.to_string(),
            name: key.name.clone(),
            words: format!("Made {}, {used}, {kept}.", shell.zone.day_clock(&key.created_at)),
        }
    });
    page(&SecurityPage {
        sentence: sentence(&factors),
        said: said.words(),
        app: factors.app.map(|at| format!("Set up {}.", shell.zone.day_clock(&at))),
        keys: keys.collect(),
        recovery_left: factors.recovery_left,
        has_any: factors.count() > 0,
        sessions: session_rows(&shell, sessions, guard.caller().actor().session),
        slug: guard.name().to_owned(),
        shell,
    })
}

fn home(guard: &InWorkspace<cap::OverviewRead>, did: &str) -> Response {
    see_other(&format!("/w/{}/you/security?did={did}", guard.name()))
}

async fn render_new(
    console: &Console,
    guard: &InWorkspace<cap::OverviewRead>,
    headers: &HeaderMap,
    problem: Option<(StatusCode, String)>,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::You).await?;
    let (identity, actor) = (console.identity.clone(), guard.caller().actor().clone());
    let offer = console.db.write(move |tx| identity.own_offer(tx, &actor)).await?;
    enrol_page(shell, &offer, &format!("/w/{}/you/security/new", guard.name()), String::new(), problem)
}

/// The page on which a factor is set up.
pub async fn new(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    render_new(&console, &guard, &headers, None).await
}

/// Sets a factor up. With the first one come the recovery codes: the page that answers is the only one that shows them.
pub async fn create(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<EnrolForm>,
) -> Answer<Response> {
    let (identity, actor, new) = (console.identity.clone(), guard.caller().actor().clone(), form.factor());
    match console.db.write(move |tx| identity.enrol(tx, &actor, &new)).await {
        Ok(enrolled) if enrolled.codes.is_empty() => Ok(home(&guard, "added")),
        Ok(enrolled) => shown(&console, &guard, &headers, &enrolled.codes).await,
        Err(error) => {
            let wrong = enrol_problem(error)?;
            render_new(&console, &guard, &headers, Some(wrong)).await
        }
    }
}

async fn shown(
    console: &Console,
    guard: &InWorkspace<cap::OverviewRead>,
    headers: &HeaderMap,
    codes: &[SecretString],
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::You).await?;
    let here = format!("/w/{}/you/security", guard.name());
    codes_page(shell, codes, &format!("{here}/codes/file"), &here)
}

/// Draws new recovery codes.
pub async fn codes(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (identity, actor) = (console.identity.clone(), guard.caller().actor().clone());
    let codes = console.db.write(move |tx| identity.draw_recovery_codes(tx, &actor)).await?;
    shown(&console, &guard, &headers, &codes).await
}

/// Codes that go into a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CodesForm {
    code: Vec<String>,
}

/// The codes that a page has just shown, as a file. They come from that page, since the store has their hashes alone; what is
/// none of them is not answered with.
pub async fn file(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    Form(CodesForm { code: codes }): Form<CodesForm>,
) -> Answer<Response> {
    let (identity, actor, given) = (console.identity.clone(), guard.caller().actor().clone(), codes.clone());
    let ours: Result<bool, identity::Error> = console
        .db
        .read(move |tx| {
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            identity.are_recovery_codes(tx, &actor, &given)
        })
        .await;
    if !ours? {
        return Err(Refusal::not_found());
    }
    let text = format!(
        "Recovery codes of Loudhailer, {}. Each works once.\r\n\r\n{}\r\n",
        console.public_url,
        codes.join("\r\n")
    );
    Ok(http::download("loudhailer-recovery-codes.txt", "text/plain; charset=utf-8", text.into_bytes()))
}

/// Which factor goes.
#[derive(Debug, Deserialize)]
pub struct RemoveForm {
    factor: String,
}

/// Removes one.
pub async fn remove(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    Form(form): Form<RemoveForm>,
) -> Answer<Response> {
    let going = match form.factor.as_str() {
        "app" => Going::App,
        id => Going::Passkey(id.parse().map_err(|_| Refusal::not_found())?),
    };
    let (identity, actor) = (console.identity.clone(), guard.caller().actor().clone());
    console.db.write(move |tx| identity.drop_factor(tx, &actor, going)).await?;
    Ok(home(&guard, "removed"))
}

/// Ends one of the reader's sessions. Their own one ends like a sign-out.
pub async fn end(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    Path((_, session)): Path<(String, SessionId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (identity, actor) = (console.identity.clone(), guard.caller().actor().clone());
    let own = actor.session == Some(session);
    let ended = console.db.write(move |tx| identity.end_own_session(tx, &actor, session)).await?;
    match (ended, own) {
        (true, true) => Ok(http::end_session(see_other("/sign-in?left=true"))),
        (true, false) => Ok(home(&guard, "ended")),
        (false, _) => Err(Refusal::not_found()),
    }
}

/// Ends all of the reader's other sessions.
pub async fn end_others(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (identity, actor) = (console.identity.clone(), guard.caller().actor().clone());
    console.db.write(move |tx| identity.end_other_sessions(tx, &actor)).await?;
    Ok(home(&guard, "others"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn sample() -> SecurityPage {
        SecurityPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "2 second factors protect your account".into(),
            said: Some("It is set up."),
            app: Some("Set up Fri 23 Oct.".into()),
            keys: vec![Key { id: "7".into(), name: HOSTILE.into(), words: "Made today.".into() }],
            recovery_left: 3,
            has_any: true,
            sessions: vec![SessionRow {
                id: "9".into(),
                browser: HOSTILE.into(),
                words: "By password.".into(),
                current: true,
            }],
        }
    }

    /// what a person holds is on their page, each with its end.
    #[test]
    fn x_16_factors_and_sessions_stand_each_with_its_end() {
        let html = checked(&sample());
        for words in
            ["/you/security/remove", "/you/security/codes", "/sessions/9/end", "3 recovery codes", "this browser"]
        {
            assert!(html.contains(words), "{words}");
        }
        let bare = SecurityPage { app: None, keys: Vec::new(), has_any: false, recovery_left: 0, ..sample() };
        let html = checked(&bare);
        assert!(html.contains("/you/security/new") && !html.contains("/you/security/codes\""));
    }

    #[test]
    fn a_session_says_how_it_was_proven() {
        let words = |auth| method_words(auth);
        assert_eq!(words(AuthMethod::SingleSignOn), "single sign-on");
        assert_eq!((words(AuthMethod::Password), words(AuthMethod::Passkey)), ("password", "passkey"));
    }

    #[test]
    fn browsers_have_the_names_that_people_use() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Linux");
        assert_eq!(browser("curl/8.5"), "curl");
        assert_eq!(browser("my program"), "my program");
        assert!(browser("").contains("does not say"));
    }
}
