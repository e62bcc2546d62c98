//! OpenID Connect, as a relying party: the flow with a code, PKCE (S256), `state` and `nonce`; the issuer checked in the answer
//! (RFC 9207) and in the token; the token proven by `issuers`. What comes out is an [`Assertion`].

use base::{ExposeSecret, SecretString, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::jwt::Expected;
use form_urlencoded::{Serializer, byte_serialize};
use issuers::{Issuers, Metadata, Source};
use outbound::{Get, HeaderName, HeaderValue, Post};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::flight::{Purpose, Secrets};
use crate::{Assertion, Error, Provider};

/// How old a proof may be that somebody signs in with, in seconds: as old as any session here.
const MAX_AGE: &str = "43200";

/// What comes back to the redirect URI.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Answered {
    /// The code.
    pub code: Option<String>,
    /// What we sent as `state`.
    pub state: Option<String>,
    /// The issuer that answers (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// What the token endpoint answers, as far as it is used.
#[derive(Deserialize)]
struct Granted {
    id_token: String,
    #[serde(default)]
    access_token: Option<String>,
}

fn provider(sentence: impl std::fmt::Display) -> Error {
    Error::Provider(sentence.to_string())
}

pub(crate) fn source(of: &Provider) -> Source<'_> {
    Source { issuer: &of.issuer, jwks_uri: None, authority: of.authority.as_deref() }
}

/// What a provider publishes about itself.
pub(crate) async fn metadata(issuers: &Issuers, of: &Provider) -> Result<std::sync::Arc<Metadata>, Error> {
    issuers.metadata(&of.issuer, of.authority.as_deref()).await.map_err(provider)
}

/// Where the browser is sent.
pub(crate) fn request(
    of: &Provider,
    metadata: &Metadata,
    redirect: &str,
    secrets: &Secrets,
    purpose: Purpose,
    hint: Option<&str>,
) -> Result<String, Error> {
    let endpoint = metadata
        .authorization_endpoint
        .as_deref()
        .ok_or_else(|| provider("it publishes no authorization_endpoint, so nobody can be sent there"))?;
    let mut query = Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &of.client_id)
        .append_pair("redirect_uri", redirect)
        .append_pair("scope", &of.scopes)
        .append_pair("state", &secrets.state)
        .append_pair("nonce", &secrets.nonce)
        .append_pair("code_challenge", &secrets.challenge())
        .append_pair("code_challenge_method", "S256");
    match purpose {
        // A fresh proof: they sign in there anew, whatever session they have there.
        Purpose::Prove(_) => query.append_pair("prompt", "login").append_pair("max_age", "0"),
        // With it the token says when they signed in there (OpenID Connect Core section 3.1.2.1), and nobody comes in by a proof
        // that is older than any session here may be.
        Purpose::SignIn | Purpose::Link(_) => query.append_pair("max_age", MAX_AGE),
    };
    if let Some(hint) = hint.filter(|hint| hint.len() <= 254 && !hint.chars().any(char::is_control)) {
        query.append_pair("login_hint", hint);
    }
    let join = if endpoint.contains('?') { '&' } else { '?' };
    Ok(format!("{endpoint}{join}{}", query.finish()))
}

/// Reads the answer: the code, when it is one to this request and by this issuer.
pub(crate) fn code<'a>(
    of: &Provider,
    metadata: &Metadata,
    secrets: &Secrets,
    answered: &'a Answered,
) -> Result<&'a str, Error> {
    let state = answered.state.as_deref().unwrap_or_default();
    if !crypto::constant_time_eq(state.as_bytes(), secrets.state.as_bytes()) {
        return Err(Error::NotBegun);
    }
    match answered.iss.as_deref() {
        Some(issuer) if issuer == of.issuer => {}
        None if !metadata.names_itself => {}
        Some(_) => return Err(Error::Mixed("the answer came from another issuer (iss)")),
        None => {
            return Err(Error::Mixed("the answer names no issuer (iss), though the provider says that its answers do"));
        }
    }
    if let Some(error) = &answered.error {
        // A code word of the standard, or what a stranger wrote into a URL.
        let word = error.len() <= 60 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        return Err(Error::Declined(if word { error.clone() } else { "something unreadable".to_owned() }));
    }
    answered.code.as_deref().filter(|code| (1..=4_096).contains(&code.len())).ok_or(Error::NotBegun)
}

/// Exchanges the code, and reads what the provider's token says.
#[expect(clippy::too_many_arguments, reason = "each is a fact of one request")]
pub(crate) async fn exchange(
    issuers: &Issuers,
    of: &Provider,
    secret: Option<&SecretString>,
    metadata: &Metadata,
    redirect: &str,
    secrets: &Secrets,
    code: &str,
    now: Timestamp,
) -> Result<Assertion, Error> {
    let granted = granted(issuers, exchanging(of, secret, metadata, redirect, secrets, code)?).await?;
    let client = of.client_id.as_str();
    let expected = Expected::id_token(&of.algorithms, &of.issuer, &client, &secrets.nonce, now);
    let claims = issuers.prove(&granted.id_token, source(of), &expected).await.map_err(provider)?;
    let mut more = Map::new();
    if let Some(token) = &granted.access_token {
        claims.check_access_token(&of.algorithms, token).map_err(provider)?;
        let lacking = ["email", "name", of.groups_claim.as_str()].into_iter().any(|name| claims.get(name).is_none());
        if let (Some(endpoint), true) = (&metadata.userinfo_endpoint, lacking) {
            more = user_info(issuers, of, endpoint, token).await?;
            // Otherwise an access token of somebody else could be slipped in (OpenID Connect Core section 5.3.2).
            if more.get("sub").and_then(Value::as_str) != Some(claims.subject()) {
                return Err(provider("what its user info endpoint says is about another subject"));
            }
        }
    }
    let find = |name: &str| claims.get(name).or_else(|| more.get(name)).cloned();
    let said = Assertion::of_claims(claims.subject(), &of.groups_claim, find);
    // Only the token itself says these two.
    let session = claims.text("sid").filter(|sid| sid.len() <= 255).map(str::to_owned);
    let hint = Some(SecretString::from(granted.id_token));
    Ok(Assertion { proven_at: claims.time("auth_time"), session, hint, ..said })
}

/// The request that exchanges the code.
fn exchanging<'a>(
    of: &'a Provider,
    secret: Option<&SecretString>,
    metadata: &'a Metadata,
    redirect: &str,
    secrets: &Secrets,
    code: &str,
) -> Result<Post<'a>, Error> {
    let url = metadata
        .token_endpoint
        .as_deref()
        .ok_or_else(|| provider("it publishes no token_endpoint, so no code can be exchanged"))?;
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", redirect)
        .append_pair("code_verifier", secrets.verifier.expose_secret());
    let mut headers = vec![
        (HeaderName::from_static("content-type"), HeaderValue::from_static("application/x-www-form-urlencoded")),
        (HeaderName::from_static("accept"), HeaderValue::from_static("application/json")),
    ];
    match (of.client_auth.as_str(), secret) {
        ("basic", Some(secret)) => {
            // RFC 6749 section 2.3.1: each is encoded as in a form before the two are put together.
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encoded(&of.client_id), encoded(secret.expose_secret()));
            let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
                .map_err(|_| provider("the client id cannot be sent"))?;
            value.set_sensitive(true);
            headers.push((HeaderName::from_static("authorization"), value));
        }
        ("post", Some(secret)) => {
            form.append_pair("client_id", &of.client_id).append_pair("client_secret", secret.expose_secret());
        }
        _ => {
            form.append_pair("client_id", &of.client_id);
        }
    }
    Ok(Post { url, authority: of.authority.as_deref(), headers, body: form.finish().into_bytes() })
}

async fn granted(issuers: &Issuers, post: Post<'_>) -> Result<Granted, Error> {
    let reply = issuers.guarded().post(post).await.map_err(|error| provider(format!("its token endpoint: {error}")))?;
    if reply.status != 200 || reply.cut {
        // The code came by the browser: whoever wrote one themselves must not make the provider look broken.
        let told = format!("its token endpoint answered {}{}", reply.status, word(&reply.body));
        return Err(if told.contains("(invalid_grant") { Error::BadCode(told) } else { provider(told) });
    }
    serde_json::from_slice(&reply.body)
        .map_err(|_| provider("its token endpoint's answer holds no id_token; is openid a scope?"))
}

/// The code word of an OAuth error, in brackets; nothing else of an answer is shown.
fn word(body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    match said.get("error").and_then(Value::as_str) {
        Some(word) if word.len() <= 60 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => {
            let hint = match word {
                "invalid_client" => "; look at client id, secret and client_auth",
                "invalid_grant" => "; look at the redirect URI that is registered there",
                _ => "",
            };
            format!(" ({word}{hint})")
        }
        _ => String::new(),
    }
}

async fn user_info(issuers: &Issuers, of: &Provider, url: &str, token: &str) -> Result<Map<String, Value>, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| provider("its access token cannot be sent in a header"))?;
    value.set_sensitive(true);
    let headers = vec![
        (HeaderName::from_static("authorization"), value),
        (HeaderName::from_static("accept"), HeaderValue::from_static("application/json")),
    ];
    let get = Get { url, authority: of.authority.as_deref(), headers };
    let reply =
        issuers.guarded().get(get).await.map_err(|error| provider(format!("its user info endpoint: {error}")))?;
    if reply.status != 200 || reply.cut {
        return Err(provider(format!("its user info endpoint answered {}", reply.status)));
    }
    match serde_json::from_slice(&reply.body) {
        Ok(Value::Object(said)) => Ok(said),
        _ => Err(provider("its user info endpoint's answer is no JSON object; signed answers are not read")),
    }
}
