//! Between password and session: the page that asks for the second factor, and the one that sets it up where a role must have
//! one. Both live on the half-way cookie alone; whoever has it and no more can open nothing else.

use askama::Template;
use axum::extract::State;
use base::{Explain as _, ExposeSecret as _, ProblemKind, SecretString};
use http::{Answer, Form, HeaderMap, Open, Query, Refusal, Response, StatusCode};
use identity::{Enrolled, Entered, Error, LoggedIn, Needs, NewFactor, Offer, Proof, Ways};
use serde::Deserialize;

use crate::Console;
use crate::page::{bare, encode, page_with, see_other};
use crate::qr;
use crate::reset_page::due;
use crate::shell::Shell;
use crate::sign_in::{local, told_when};

#[derive(Template)]
#[template(path = "second-factor.html")]
struct FactorPage {
    shell: Shell,
    problem: Option<String>,
    ways: Ways,
    next: String,
}

/// An app to be set up, as a page shows it.
pub struct App {
    /// The picture for a camera.
    pub picture: Option<qr::Qr>,
    /// The secret in groups of four, to be typed.
    pub text: String,
}

impl App {
    /// As it is offered.
    pub fn of(secret: &identity::AuthenticatorSecret) -> Self {
        let text = secret.text.expose_secret();
        let groups: Vec<&str> =
            (0..text.len()).step_by(4).filter_map(|at| text.get(at..(at + 4).min(text.len()))).collect();
        Self { picture: qr::code(secret.uri.expose_secret()), text: groups.join(" ") }
    }
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct EnrolPage {
    shell: Shell,
    problem: Option<String>,
    app: Option<App>,
    passkey: Option<String>,
    action: String,
    next: String,
}

#[derive(Template)]
#[template(path = "recovery-codes.html")]
struct CodesPage {
    shell: Shell,
    codes: Vec<String>,
    file: String,
    next: String,
}

impl Console {
    /// Lets somebody in after a proof, or leads them to what is still needed.
    pub(crate) fn let_on(next: &str, entered: &Entered) -> Response {
        match entered {
            Entered::In(entered) => Self::let_in(next, entered),
            Entered::Half(half) => {
                let page = match half.needs {
                    Needs::Factor => "/sign-in/factor",
                    Needs::Enrolment => "/sign-in/enrol",
                };
                let to = local(next).map_or_else(|| page.to_owned(), |next| format!("{page}?next={}", encode(next)));
                http::start_half(see_other(&to), &half.token)
            }
        }
    }

    /// Lets somebody in who was half way.
    fn let_in_whole(next: &str, entered: &LoggedIn) -> Response {
        http::end_half(Self::let_in(next, entered))
    }
}

/// Where to go on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    next: String,
}

/// The page that asks for the second factor.
pub async fn show(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Answer<Response> {
    let next = local(&asked.next).unwrap_or_default().to_owned();
    render(&console, &open, &headers, next, None).await
}

async fn render(
    console: &Console,
    open: &Open,
    headers: &HeaderMap,
    next: String,
    problem: Option<(StatusCode, String)>,
) -> Answer<Response> {
    let Some(token) = http::half(headers) else { return Ok(see_other("/sign-in")) };
    match console.identity.half_way(&token).await? {
        None => Ok(http::end_half(see_other("/sign-in"))),
        Some((Needs::Enrolment, _)) => Ok(see_other("/sign-in/enrol")),
        Some((Needs::Factor, ways)) => {
            let shell = bare(headers, console.db.context().now(), open.caller().csrf());
            let status = problem.as_ref().map_or(StatusCode::OK, |(status, _)| *status);
            page_with(status, &FactorPage { shell, problem: problem.map(|(_, words)| words), ways, next })
        }
    }
}

/// What the form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct FactorForm {
    code: String,
    passkey: String,
    next: String,
}

/// What is worth an error of ours, and what a page can say.
fn words(error: Error) -> Answer<(StatusCode, String)> {
    let problem = error.problem();
    if matches!(problem.kind, ProblemKind::Internal | ProblemKind::Unavailable) {
        return Err(Refusal::from(error));
    }
    Ok((http::status(problem.kind), problem.detail.to_string()))
}

/// Proves the second factor.
pub async fn prove(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<FactorForm>,
) -> Answer<Response> {
    let Some(token) = http::half(&headers) else { return Ok(see_other("/sign-in")) };
    let next = local(&form.next).unwrap_or_default().to_owned();
    let proof = if form.passkey.is_empty() {
        Proof::Code(SecretString::from(form.code))
    } else {
        Proof::Passkey(SecretString::from(form.passkey))
    };
    let old = open.caller().session_token().cloned();
    match console
        .identity
        .second_factor(&token, proof, console.federation.kept(&token), old, &open.source().into())
        .await
    {
        Ok(entered) => Ok(Console::let_in_whole(if next.is_empty() { "/" } else { &next }, &entered)),
        Err(Error::MustChange(link)) => Ok(http::end_half(due(&console, &open, &headers, &link).await?)),
        Err(Error::HalfWayOver) => {
            let to = if next.is_empty() {
                "/sign-in?again=true".into()
            } else {
                format!("/sign-in?again=true&next={}", encode(&next))
            };
            Ok(http::end_half(see_other(&to)))
        }
        Err(error) => {
            let problem = error.problem();
            let wrong = words(error)?;
            Ok(told_when(render(&console, &open, &headers, next, Some(wrong)).await?, &problem))
        }
    }
}

/// Gives the way up, to sign in as somebody else. Whom a provider vouched for may then sign out there: it would send the same person
/// again.
pub async fn give_up(_: Open, State(console): State<Console>, headers: HeaderMap) -> Answer<Response> {
    let onward = match http::half(&headers) {
        Some(token) => console.federation.give_up(&token, &console.public_url).await?,
        None => None,
    };
    let response = match onward {
        Some(onward) => console.sign_out_onward(&headers, "You are not signed in here", onward)?,
        None => see_other("/sign-in"),
    };
    Ok(http::end_half(response))
}

/// A page on which a factor is set up. What it shows is secret, so it is not packed.
pub fn enrol_page(
    shell: Shell,
    offer: &Offer,
    action: &str,
    next: String,
    problem: Option<(StatusCode, String)>,
) -> Answer<Response> {
    let status = problem.as_ref().map_or(StatusCode::OK, |(status, _)| *status);
    secret_page(
        status,
        &EnrolPage {
            shell,
            problem: problem.map(|(_, words)| words),
            app: offer.app.as_ref().map(App::of),
            passkey: offer.passkey.clone(),
            action: action.to_owned(),
            next,
        },
    )
}

/// The page that shows recovery codes, this once.
pub fn codes_page(shell: Shell, codes: &[SecretString], file: &str, next: &str) -> Answer<Response> {
    let codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
    let shown = CodesPage { shell, codes, file: file.to_owned(), next: next.to_owned() };
    secret_page(StatusCode::OK, &shown)
}

/// A page that shows a secret is not packed.
pub(crate) fn secret_page(status: StatusCode, template: &impl Template) -> Answer<Response> {
    let mut response = page_with(status, template)?;
    response.extensions_mut().insert(http::AsIs);
    Ok(response)
}

/// The page on which somebody sets up the factor that a role of theirs must have.
pub async fn show_enrol(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Answer<Response> {
    let next = local(&asked.next).unwrap_or_default().to_owned();
    render_enrol(&console, &open, &headers, next, None).await
}

async fn render_enrol(
    console: &Console,
    open: &Open,
    headers: &HeaderMap,
    next: String,
    problem: Option<(StatusCode, String)>,
) -> Answer<Response> {
    let Some(token) = http::half(headers) else { return Ok(see_other("/sign-in")) };
    let Some(offer) = console.identity.half_way_offer(&token).await? else {
        return Ok(see_other("/sign-in/factor"));
    };
    let shell = bare(headers, console.db.context().now(), open.caller().csrf());
    enrol_page(shell, &offer, "/sign-in/enrol", next, problem)
}

/// What the form of a new factor sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct EnrolForm {
    code: String,
    passkey: String,
    name: String,
    next: String,
}

impl EnrolForm {
    /// What is to be set up.
    pub fn factor(&self) -> NewFactor {
        if self.passkey.is_empty() {
            NewFactor::App(SecretString::from(self.code.as_str()))
        } else {
            NewFactor::Passkey(SecretString::from(self.passkey.as_str()), self.name.clone())
        }
    }
}

/// Sets the factor up, and lets its person in; their recovery codes are on the page that answers.
pub async fn enrol(
    open: Open,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<EnrolForm>,
) -> Answer<Response> {
    let Some(token) = http::half(&headers) else { return Ok(see_other("/sign-in")) };
    let next = local(&form.next).unwrap_or_default().to_owned();
    let old = open.caller().session_token().cloned();
    match console
        .identity
        .enrol_half_way(&token, form.factor(), console.federation.kept(&token), old, &open.source().into())
        .await
    {
        Ok(Enrolled { codes, entered: Some(entered) }) => {
            let next = if next.is_empty() { "/" } else { &next };
            // The session begins with this answer, so its forms do not work on this page yet: the codes go by script or by hand.
            let shell = bare(&headers, console.db.context().now(), "");
            let page = codes_page(shell, &codes, "", next)?;
            Ok(http::end_half(http::remember_device(http::start_session(page, &entered.token), &entered.device)))
        }
        Ok(Enrolled { .. }) | Err(Error::HalfWayOver) => Ok(http::end_half(see_other("/sign-in?again=true"))),
        Err(error) => {
            let wrong = words(error)?;
            render_enrol(&console, &open, &headers, next, Some(wrong)).await
        }
    }
}

/// What a page says of a refused set-up.
pub fn enrol_problem(error: Error) -> Answer<(StatusCode, String)> {
    words(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn outside() -> Shell {
        Shell { place: None, stream: None, ..shell() }
    }

    #[test]
    fn the_second_page_offers_what_the_person_has_and_no_more() {
        let ways = Ways {
            password: false,
            app: true,
            recovery: true,
            passkey: Some(r#"{"challenge":"a\"b"}"#.into()),
            elsewhere: false,
        };
        let page = FactorPage { shell: outside(), problem: Some(HOSTILE.into()), ways, next: "/w/demo".into() };
        let html = checked(&page);
        assert!(html.contains("autocomplete=\"one-time-code\"") && html.contains("data-passkey=\"get\""));
        assert!(html.contains("value=\"/w/demo\"") && html.contains("recovery code"));
        let html = checked(&FactorPage { ways: Ways { passkey: None, ..page.ways }, ..page });
        assert!(!html.contains("data-passkey"));
    }

    #[test]
    fn a_factor_is_set_up_by_camera_by_hand_or_by_passkey() {
        let secret = identity::AuthenticatorSecret {
            text: "ABCDEFGHIJ".into(),
            uri: "otpauth://totp/a?secret=ABCDEFGHIJ".into(),
        };
        let page = EnrolPage {
            shell: outside(),
            problem: None,
            app: Some(App::of(&secret)),
            passkey: Some("{}".into()),
            action: "/sign-in/enrol".into(),
            next: String::new(),
        };
        let html = checked(&page);
        assert!(html.contains("ABCD EFGH IJ") && html.contains("<svg") && html.contains("data-passkey=\"create\""));
    }

    #[test]
    fn recovery_codes_are_shown_with_their_file() {
        let codes = vec!["ABCD-EFGH-IJKL-MNOP-QRST-UVWX".to_owned()];
        let page = CodesPage {
            shell: outside(),
            codes,
            file: "/w/demo/you/security/codes/file".into(),
            next: "/w/demo".into(),
        };
        let html = checked(&page);
        assert!(html.contains("ABCD-EFGH") && html.contains("only time") && html.contains("/codes/file"));
    }
}
