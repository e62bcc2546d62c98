//! Step-up at the door (ASVS 7.5.1, 7.5.3): a route that says so wants a fresh proof of its person, five minutes old at most unless the organisation
//! says otherwise.
//!
//! A form that comes too late is not lost. The page that asks for the proof holds everything that was sent, and sends it once
//! more with the proof beside it, to the very same address; here the proof is taken out, checked, and the handler sees the form
//! as if nothing had been. The session gets another identifier on the way.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use base::{Problem, ProblemKind, SecretString};

use crate::caller::Caller;
use crate::csrf::{CSRF_FIELD, is_safe};
use crate::gate::{Gate, sign_in_first};
use crate::keeper::{Proof, Ways};
use crate::refusal::Refusal;
use crate::routes::{ContentType, Door, RouteInfo, StepUp};
use crate::{body, cookie};

/// The fields of a form that prove somebody once more; no form of a page may use these names for anything else.
pub const PROOF_FIELDS: [&str; 3] = ["prove-password", "prove-code", "prove-passkey"];

/// What is asked of somebody whose proof is too old, and what goes on afterwards.
#[derive(Clone)]
pub struct Asked {
    /// Where the form goes, with the proof.
    pub action: String,
    /// What had been sent, to be sent again.
    pub fields: Vec<(String, String)>,
    /// What they can prove themselves with.
    pub ways: Ways,
    /// The token of the session's forms.
    pub csrf: String,
    /// What was wrong with the proof before.
    pub wrong: Option<String>,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("fields", &self.fields.len()).finish_non_exhaustive()
    }
}

/// What a form held beside its token and its proof.
#[derive(Clone)]
struct Sent(Arc<Vec<(String, String)>>);

/// The identifier that a session has from now on.
#[derive(Clone)]
pub(crate) struct Renewed(pub(crate) SecretString);

/// Takes the proof out of a form that brings one, and checks it. The form's other fields stay at hand for [`ask`].
pub(crate) async fn take(
    gate: &Gate,
    route: &RouteInfo,
    request: Request,
    caller: Caller,
) -> Result<(Request, Caller, Option<Renewed>), Refusal> {
    let here = route.step_up == StepUp::Needed && route.door == Door::Console && caller.in_session();
    if !here || is_safe(request.method()) {
        return Ok((request, caller, None));
    }
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !ContentType::Form.matches(kind) {
        return Ok((request, caller, None));
    }
    let (mut parts, form) = request.into_parts();
    let bytes = body::read(form).await?;
    let pairs: Vec<(String, String)> = form_urlencoded::parse(&bytes).into_owned().collect();
    let given = pairs.iter().find(|(name, value)| PROOF_FIELDS.contains(&&**name) && !value.is_empty());
    let Some((name, value)) = given.cloned() else {
        let sent =
            pairs.into_iter().filter(|(name, _)| name != CSRF_FIELD && !PROOF_FIELDS.contains(&&**name)).collect();
        parts.extensions.insert(Sent(Arc::new(sent)));
        return Ok((Request::from_parts(parts, Body::from(bytes)), caller, None));
    };
    let (own, rest): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| PROOF_FIELDS.contains(&&**name));
    drop(own);
    let sent = rest.iter().filter(|(name, _)| name != CSRF_FIELD).cloned().collect();
    parts.extensions.insert(Sent(Arc::new(sent)));
    let value = SecretString::from(value);
    let proof = match name.as_str() {
        "prove-password" => Proof::Password(value),
        "prove-code" => Proof::Code(value),
        _ => Proof::Passkey(value),
    };
    let (caller, renewed) = prove(gate, route, &parts, caller, proof).await?;
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&rest).finish();
    parts.headers.insert(CONTENT_LENGTH, text.len().into());
    Ok((Request::from_parts(parts, Body::from(text)), caller, Some(renewed)))
}

async fn prove(
    gate: &Gate,
    route: &RouteInfo,
    parts: &Parts,
    caller: Caller,
    proof: Proof,
) -> Result<(Caller, Renewed), Refusal> {
    let Some(token) = caller.session_token() else { return Err(Refusal::unauthenticated()) };
    let (keeper, source) = (gate.keeper(), caller.source().clone());
    match keeper.step_up(token, proof, &source).await {
        Ok(token) => {
            let live = keeper.session(&token, &source).await?.ok_or_else(|| sign_in_first(parts, route.door))?;
            let renewed = Renewed(token.clone());
            Ok((Caller::of_session(live, token, source, &gate.context), renewed))
        }
        Err(refusal) if matches!(refusal.problem().kind, ProblemKind::Unauthenticated | ProblemKind::TooMany) => {
            if keeper.session_still(token, &source).await?.is_none() {
                return Err(sign_in_first(parts, route.door));
            }
            Err(ask(gate, parts, &caller, Some(refusal.problem().detail.to_string())).await?)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Whether a caller's proof is fresh enough for the route. Programs prove themselves with every request.
pub(crate) fn is_fresh(gate: &Gate, caller: &Caller) -> bool {
    caller.fresh_until().is_none_or(|until| gate.context.now() < until)
}

/// The refusal that asks for a proof, with everything that had been sent.
pub(crate) async fn ask(
    gate: &Gate,
    parts: &Parts,
    caller: &Caller,
    wrong: Option<String>,
) -> Result<Refusal, Refusal> {
    let ways = match caller.session_token() {
        Some(token) => gate.keeper().ways(token, caller.source()).await?,
        None => Ways::default(),
    };
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
    let (action, fields) = if is_safe(&parts.method) {
        (STEP_UP.to_owned(), vec![("next".to_owned(), path)])
    } else {
        let sent = parts.extensions.get::<Sent>().map(|sent| sent.0.to_vec());
        (path, sent.unwrap_or_default())
    };
    let asked = Asked { action, fields, ways, csrf: caller.csrf().to_owned(), wrong };
    Ok(needed().asking(asked))
}

/// Where a proof goes that was asked for by a page rather than by a form.
pub const STEP_UP: &str = "/step-up";

fn needed() -> Refusal {
    Refusal::new(Problem::new(
        ProblemKind::Forbidden,
        "step-up-needed",
        "This wants a fresh proof that it is you. Give it in the console, or sign in again; then repeat what you did.",
    ))
}

/// Tells the browser which identifier its session has now.
pub(crate) fn renew(response: axum::response::Response, renewed: Option<Renewed>) -> axum::response::Response {
    match renewed {
        Some(Renewed(token)) => cookie::start_session(response, &token),
        None => response,
    }
}
