//! The way in and out: the first page, signing in, signing out, and set-up with the one-time link.

use access::Grants;
use askama::Template;
use axum::extract::State;
use base::{Explain as _, Problem, SecretString};
use http::{Answer, Form, HeaderMap, Open, Query, Refusal, Response, SignedIn, StatusCode, header};
use identity::{Entered, LogIn, LoggedIn, SetUp};
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw as _;
use crate::facts::paired;
use crate::page::{Wrong, bare, encode, own_zone, page, page_with, see_other};
use crate::reset_page::due;
use crate::shell::Shell;
use crate::start_forms::WorkspaceForm;

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignInPage {
    shell: Shell,
    standing: &'static str,
    problem: Option<String>,
    login: String,
    next: String,
    /// What the browser is asked for a passkey; none where there are none.
    passkey: Option<String>,
    sso: Ways,
}

/// The identity providers, as the sign-in page offers them.
#[derive(Default)]
pub(crate) struct Ways {
    /// Where each button leads, and what it says.
    buttons: Vec<(String, String)>,
    /// Whether one of them is the only way in, so that passwords open the accounts for emergencies alone.
    only: bool,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetUpPage {
    shell: Shell,
    standing: &'static str,
    wrong: Wrong,
    code: String,
    name: String,
    login: String,
    /// What the password must be.
    rules: String,
    already: Vec<&'static str>,
    fingerprint: Option<String>,
}

impl SetUpPage {
    const FIELDS: &'static [&'static str] = &["code", "name", "login", "password", "again"];
}

#[derive(Template)]
#[template(path = "nowhere.html")]
struct NowherePage {
    shell: Shell,
    administrator: bool,
    slug: String,
    environment: String,
    environments: [(&'static str, &'static str); 3],
    wrong: Wrong,
}

impl Console {
    /// Whether nobody has any way in: no proof of their own, and no provider that vouches for them.
    async fn needs_setup(&self) -> Answer<bool> {
        let (identity, federation) = (self.identity.clone(), self.federation.clone());
        let found = self.db.read(move |tx| -> Result<_, federation::Error> {
            Ok(identity.needs_setup(tx)? && federation.ways_in(tx)?.is_empty())
        });
        Ok(found.await?)
    }

    /// Where somebody starts who does not say where to go: the first workspace in which they may do something.
    pub(crate) async fn first_workspace(&self, grants: &Grants) -> Answer<Option<String>> {
        let found = self.workspaces().await?.into_iter().find(|workspace| grants.sees(workspace.id));
        Ok(found.map(|workspace| format!("/w/{}", workspace.slug)))
    }

    /// The page of somebody for whom there is no workspace; an administrator makes the first one here.
    pub fn nowhere(
        &self,
        headers: &HeaderMap,
        name: &str,
        csrf: &str,
        administrator: bool,
        tried: Option<(WorkspaceForm, Wrong)>,
    ) -> Answer<Response> {
        let mut shell = bare(headers, self.db.context().now(), csrf);
        name.clone_into(&mut shell.name);
        let status = if tried.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let (slug, environment, wrong) = match tried {
            Some((form, wrong)) => (form.slug, form.environment, wrong),
            None => (String::new(), "production".to_owned(), Wrong::default()),
        };
        page_with(status, &NowherePage { shell, administrator, slug, environment, environments: ENVIRONMENTS, wrong })
    }

    /// The identity providers that somebody can sign in with, to go on to `next`.
    async fn ways_in(&self, next: &str) -> Answer<Ways> {
        let federation = self.federation.clone();
        let found = self.db.read(move |tx| -> Result<_, federation::Error> {
            Ok((federation.ways_in(tx)?, identity::only_way(tx)?.is_some()))
        });
        let (all, only) = found.await?;
        let query = if next.is_empty() { String::new() } else { format!("?next={}", encode(next)) };
        let buttons = all.into_iter().map(|(name, label)| (format!("/sso/{name}/begin{query}"), label)).collect();
        Ok(Ways { buttons, only })
    }

    pub(crate) fn let_in(next: &str, entered: &LoggedIn) -> Response {
        let response = http::start_session(see_other(next), &entered.token);
        http::remember_device(response, &entered.device)
    }
}

/// What sorts of workspaces there are, in words.
const ENVIRONMENTS: [(&str, &str); 3] = [
    ("production", "people are paged for real"),
    ("qa", "texts reach real phones, of people who expect tests"),
    ("development", "nothing reaches a real phone unless a route is opened on purpose"),
];

/// A path of this server that can be gone to after signing in. Anything else would let a link on another site decide where
/// people end up with a fresh session.
pub fn local(path: &str) -> Option<&str> {
    let plain = path.len() <= 2_000 && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let rooted = path.starts_with('/') && !path.starts_with("//");
    let back = ["/sign-in", "/sign-out", "/signed-out", "/setup", "/invite", "/forgot", "/reset", "/sso"]
        .iter()
        .any(|way| path.starts_with(way));
    (plain && rooted && !back && path != "/").then_some(path)
}

/// `/`: the reader's workspace, or the way in.
pub async fn home(open: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    if open.caller().is_nobody() {
        return Ok(see_other(if console.needs_setup().await? { "/setup" } else { "/sign-in" }));
    }
    let grants = open.caller().grants();
    if let Some(path) = console.first_workspace(grants).await? {
        return Ok(see_other(&path));
    }
    let administrator = grants.organisation_capabilities().contains(access::Capability::WorkspaceWrite);
    let caller = open.caller();
    console.nowhere(&headers, caller.actor().principal.name(), caller.csrf(), administrator, None)
}

/// Where to go after signing in, and what was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    next: String,
    left: bool,
    again: bool,
    changed: bool,
}

/// The sign-in page.
pub async fn show(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Answer<Response> {
    let next = local(&asked.next);
    if !open.caller().is_nobody() {
        return Ok(see_other(next.unwrap_or("/")));
    }
    if console.needs_setup().await? {
        return Ok(see_other("/setup"));
    }
    let sso = console.ways_in(next.unwrap_or_default()).await?;
    page(&SignInPage {
        shell: bare(&headers, console.db.context().now(), ""),
        standing: match (asked.left, next) {
            _ if asked.again => "That took too long, or there were too many tries. Begin again.",
            _ if asked.changed => "Your new password is set. Sign in with it.",
            (true, _) => "You are signed out. This browser has forgotten what it kept of this server.",
            (false, Some(_)) => "Then you go on where you wanted to.",
            (false, None) if sso.only => "With the identity provider of your organisation.",
            (false, None) => "With the e-mail address and the password of your account.",
        },
        problem: None,
        login: String::new(),
        next: next.unwrap_or_default().to_owned(),
        passkey: console.identity.passkey_sign_in(),
        sso,
    })
}

/// What the sign-in form sends.
#[derive(Deserialize)]
pub struct SignInForm {
    login: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// Proves who somebody is.
pub async fn sign_in(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Answer<Response> {
    let next = local(&form.next).unwrap_or_default().to_owned();
    let given = LogIn {
        login: form.login.trim().to_owned(),
        password: SecretString::from(form.password),
        device: http::device(&headers),
        session: open.caller().session_token().cloned(),
    };
    match console.identity.login(given, &open.source().into()).await {
        Ok(entered) => Ok(Console::let_on(if next.is_empty() { "/" } else { &next }, &entered)),
        Err(identity::Error::MustChange(link)) => due(&console, &open, &headers, &link).await,
        Err(error) => {
            let sso = console.ways_in(&next).await?;
            refused(&console, &open, &headers, error, form.login, next, sso)
        }
    }
}

/// The sign-in page once more, with what went wrong.
fn refused(
    console: &Console,
    open: &Open,
    headers: &HeaderMap,
    error: identity::Error,
    login: String,
    next: String,
    sso: Ways,
) -> Answer<Response> {
    let problem = error.problem();
    if problem.kind == base::ProblemKind::Internal {
        return Err(error.into());
    }
    let shown = SignInPage {
        shell: bare(headers, console.db.context().now(), open.caller().csrf()),
        standing: "That did not work.",
        problem: Some(problem.detail.to_string()),
        login,
        next,
        passkey: console.identity.passkey_sign_in(),
        sso,
    };
    Ok(told_when(page_with(http::status(problem.kind), &shown)?, &problem))
}

/// What the form of a passkey sends.
#[derive(Deserialize)]
pub struct PasskeyForm {
    passkey: String,
    #[serde(default)]
    next: String,
}

/// Proves who somebody is by a passkey alone.
pub async fn by_passkey(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<PasskeyForm>,
) -> Answer<Response> {
    let next = local(&form.next).unwrap_or_default().to_owned();
    let old = open.caller().session_token().cloned();
    match console.identity.passkey_login(SecretString::from(form.passkey), old, &open.source().into()).await {
        Ok(entered) => Ok(Console::let_in(if next.is_empty() { "/" } else { &next }, &entered)),
        Err(identity::Error::MustChange(link)) => due(&console, &open, &headers, &link).await,
        Err(error) => {
            let sso = console.ways_in(&next).await?;
            refused(&console, &open, &headers, error, String::new(), next, sso)
        }
    }
}

/// Adds when to come back, where the problem says so.
pub fn told_when(mut response: Response, problem: &Problem) -> Response {
    if let Some(after) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, after.as_secs().max(1).into());
    }
    response
}

/// Ends the session, here and in the browser, and what was half way to another. Whom a provider vouched for may then sign out there,
/// too.
pub async fn sign_out(guard: SignedIn, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let mut onward = None;
    if let Some(token) = guard.caller().session_token() {
        let session = console.identity.session_still(token, &guard.caller().source().into()).await?;
        console.identity.logout(token, &guard.caller().source().into()).await?;
        if let Some(session) = session {
            onward = console.federation.sign_out_there(&session, &console.public_url).await?;
        }
    }
    let half = http::half(&headers);
    if let Some(half) = &half {
        let there = console.federation.give_up(half, &console.public_url).await?;
        onward = onward.or(there);
    }
    let response = match onward {
        Some(onward) => console.sign_out_onward(&headers, "You are signed out here", onward)?,
        None => see_other("/sign-in?left=true"),
    };
    let response = http::end_session(response);
    Ok(if half.is_some() { http::end_half(response) } else { response })
}

async fn setup_page(
    console: &Console,
    open: &Open,
    headers: &HeaderMap,
    wrong: Wrong,
    form: SetUpForm,
) -> Answer<SetUpPage> {
    let needed = console.needs_setup().await?;
    let mut already = vec![
        "This page came over TLS: nobody on the way could read it",
        "Keys lie in a file that only their owner reads",
    ];
    if needed {
        already.push("There is no account and no default password");
    }
    Ok(SetUpPage {
        shell: bare(headers, console.db.context().now(), open.caller().csrf()),
        standing: if needed {
            "Your set-up link is good for one use and for 24 hours. It was printed in the terminal that started the server."
        } else {
            "People sign in here already. With a new link from “loudhailer setup-link” you can make another administrator."
        },
        wrong,
        code: form.code,
        name: form.name,
        login: form.login,
        rules: console.password_words(None).await?,
        already,
        fingerprint: console.fingerprint.as_deref().map(paired),
    })
}

/// The set-up page.
pub async fn show_setup(open: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    page(&setup_page(&console, &open, &headers, Wrong::default(), SetUpForm::default()).await?)
}

/// What the set-up form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SetUpForm {
    code: String,
    name: String,
    login: String,
    password: String,
    again: String,
}

/// Makes the first administrator and lets them in.
pub async fn set_up(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(mut form): Form<SetUpForm>,
) -> Answer<Response> {
    let (password, again) = (std::mem::take(&mut form.password), std::mem::take(&mut form.again));
    if password != again {
        let wrong = Wrong::one("again", "The two are not the same. Write it again.");
        let shown = setup_page(&console, &open, &headers, wrong, form).await?;
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown);
    }
    let given = SetUp {
        secret: SecretString::from(form.code.trim().trim_start_matches('#').to_owned()),
        name: form.name.trim().to_owned(),
        login: form.login.trim().to_owned(),
        password: SecretString::from(password),
        time_zone: own_zone(&headers),
    };
    match console.identity.setup(given, &open.source().into()).await {
        Ok(entered) => {
            // The way to their own first text; without a workspace it begins with making one.
            let path = match &entered {
                Entered::In(entered) => console.first_workspace(&entered.session.grants).await?,
                Entered::Half(_) => None,
            };
            let path = path.map(|path| format!("{path}/start"));
            Ok(Console::let_on(path.as_deref().unwrap_or("/"), &entered))
        }
        Err(error) => {
            let mut problems = match &error {
                identity::Error::Resources(inner) => inner.problems(),
                other => vec![other.problem()],
            };
            if matches!(error, identity::Error::BadLink) {
                problems = problems.into_iter().map(|problem| problem.at("code")).collect();
            }
            let (kind, first) = (problems[0].kind, problems[0].clone());
            // A database that is away is no mistake in the form.
            let Ok(wrong) = Wrong::of(problems) else { return Err(Refusal::from(error)) };
            let shown = setup_page(&console, &open, &headers, wrong, form).await?;
            Ok(told_when(page_with(http::status(kind), &shown)?, &first))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    /// ASVS 3.7.2: nobody is sent away from here by a link.
    #[test]
    fn only_paths_of_this_server_are_gone_to() {
        for good in ["/w/demo/alerts/A-1?x=1", "/handsets", "/w/demo/messages?q=%2B44"] {
            assert_eq!(local(good), Some(good));
        }
        let bad = [
            "",
            "/",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "w/demo",
            "/w/demo\r\nSet-Cookie: a=b",
            "/w/\u{1f600}",
            "/sign-in?next=/sign-in",
            "/sign-out",
            "/setup",
            "/sso/corp/begin",
        ];
        for bad in bad {
            assert_eq!(local(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_sign_in_page_keeps_the_name_and_never_the_password() {
        let html = checked(&SignInPage {
            shell: shell(),
            standing: "That did not work.",
            problem: Some("Name or password are wrong.".into()),
            login: "\"><script>alert(1)</script>".into(),
            next: "/w/demo/alerts".into(),
            passkey: Some(r#"{"challenge":"x"}"#.into()),
            sso: Ways { buttons: vec![("/sso/corp/begin?next=%2Fw%2Fdemo".into(), HOSTILE.into())], only: true },
        });
        assert!(html.contains("href=\"/sso/corp/begin?next=%2Fw%2Fdemo\"") && html.contains("for emergencies"));
        assert!(html.contains("Name or password are wrong."));
        assert!(html.contains(r#"name="next" value="/w/demo/alerts""#));
        assert!(html.contains("autocomplete=\"current-password\""));
        assert!(!html.contains("<script>alert"));
    }

    #[test]
    fn the_set_up_page_says_what_is_wrong_beside_the_field() {
        let html = checked(&SetUpPage {
            shell: shell(),
            standing: "Your link is good for one use.",
            wrong: Wrong::one("again", "The two are not the same. Write it again."),
            code: "loudhailer_setup_x".into(),
            name: "Dina Sample".into(),
            login: "dina@example.com".into(),
            rules: "20 to 128 characters.".into(),
            already: vec!["There is no default password"],
            fingerprint: Some("4E:91".into()),
        });
        assert!(html.contains("aria-invalid=\"true\"") && html.contains("The two are not the same."));
        assert!(html.contains("data-from-fragment") && html.contains("4E:91"));
        assert!(html.contains("20 to 128 characters.") && !html.contains("minlength"), "the rules are those in force");
        for field in SetUpPage::FIELDS {
            assert!(html.contains(&format!("id=\"{field}\"")), "{field}");
        }
    }

    #[test]
    fn somebody_without_a_workspace_is_told_how_to_get_one() {
        let page = |administrator| NowherePage {
            shell: shell(),
            administrator,
            slug: "ops".into(),
            environment: "qa".into(),
            environments: ENVIRONMENTS,
            wrong: Wrong::one("slug", "There is one of this name already."),
        };
        let html = checked(&page(true));
        assert!(html.contains("value=\"qa\" required checked") && html.contains("There is one of this name already."));
        let html = checked(&page(false));
        assert!(!html.contains("<form class=\"panel") && html.contains("Ask an administrator"));
    }
}
