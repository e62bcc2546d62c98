//! The token endpoint, revocation and what clients find out by themselves: RFC 6749 with client credentials alone, RFC 7009,
//! RFC 8414, RFC 8705 and RFC 8707. What is decided is decided in `identity`; here it gets the RFCs' words.

use ::identity::{Assertion, Audience, ClientCredentials, OauthRefusal, TokenRequest};
use access::KeyScope;
use base::{ExposeSecret as _, SecretString};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::doc::Doc;
use http::{
    Answer, ContentType, Door, HeaderMap, HeaderValue, IntoResponse as _, Method, Open, Raw, Response, Routes, State,
    StatusCode, form_pairs, header,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::Api;
use crate::tag::OAUTH;

/// Bytes of a form at most: an assertion is some thousand long.
const LIMIT: usize = 16 * 1024;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    let client = "the client proves itself in the request, and the handler looks (RFC 6749 section 2.3)";
    let public = "clients find the endpoints by it (RFC 8414); it says nothing that the documentation does not";
    routes
        .door(Door::Public)
        .public(Method::POST, "/oauth/token", client, token)
        .accepts(&[ContentType::Any])
        .limit(LIMIT)
        .doc(token_doc())
        .public(Method::POST, "/oauth/revoke", client, revoke)
        .accepts(&[ContentType::Any])
        .limit(LIMIT)
        .doc(revoke_doc())
        .public(Method::GET, "/.well-known/token-patterns", "scanners for leaked secrets know ours by it", patterns)
        .doc(
            Doc::new("getTokenPatterns", OAUTH, "How secrets of this product look")
                .text("For scanners that look for leaked secrets. The last six characters are a checksum.")
                .answers::<Patterns>(
                    StatusCode::OK,
                    "The pattern.",
                    json!({"patterns": [{"name": "Loudhailer token", "regex": crypto::token::PATTERN, "keywords": ["loudhailer_"], "checksum": "CRC-32 in base 62"}]}),
                ),
        )
        .public(Method::GET, "/.well-known/oauth-authorization-server", public, metadata)
        .doc(
            Doc::new("getOauthMetadata", OAUTH, "What the authorisation server can do")
                .text("RFC 8414. Libraries read it to find the endpoints.")
                .answers::<Metadata>(StatusCode::OK, "The metadata.", json!({
                    "issuer": "https://alerts.example.com", "token_endpoint": "https://alerts.example.com/oauth/token",
                    "revocation_endpoint": "https://alerts.example.com/oauth/revoke",
                    "token_endpoint_auth_methods_supported": METHODS,
                    "token_endpoint_auth_signing_alg_values_supported": SIGNING,
                    "revocation_endpoint_auth_methods_supported": METHODS,
                    "grant_types_supported": ["client_credentials"], "response_types_supported": [],
                    "scopes_supported": ["messages:send"], "protected_resources": ["https://alerts.example.com/api"],
                    "tls_client_certificate_bound_access_tokens": true,
                    "service_documentation": "https://alerts.example.com/api/openapi.json",
                })),
        )
}

fn token_doc() -> Doc {
    Doc::new("issueToken", OAUTH, "Fetch an access token")
        .text(
            "OAuth 2.1, client credentials. The client proves itself as it was set up to: by its secret (HTTP Basic, or client_id \
             and client_secret in the form) or by the certificate of the connection (client_id in the form). `resource` says \
             where the token is to count: the addresses are in the metadata.",
        )
        .reads_form::<TokenForm>(json!({
            "grant_type": "client_credentials", "scope": "messages:send",
            "client_id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "client_secret": "loudhailer_client_…",
        }))
        .answers::<TokenView>(
            StatusCode::OK,
            "A token. Use it until it ends.",
            json!({"access_token": "loudhailer_access_…", "token_type": "Bearer", "expires_in": 900, "scope": "messages:send"}),
        )
        .answers::<OauthProblem>(
            StatusCode::UNAUTHORIZED,
            "The client is not known, or its proof does not count (`invalid_client`).",
            json!({"error": "invalid_client", "error_description": "The client is not known, or its proof does not count."}),
        )
        .answers::<OauthProblem>(
            StatusCode::BAD_REQUEST,
            "The request is not one that this endpoint knows.",
            json!({"error": "invalid_request", "error_description": "The form is not as expected."}),
        )
}

fn revoke_doc() -> Doc {
    Doc::new("revokeToken", OAUTH, "End an access token")
        .text("RFC 7009. A token that is unknown, or another client's, is answered in the same way. Audited.")
        .reads_form::<RevokeForm>(json!({
            "token": "loudhailer_access_…", "client_id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
            "client_secret": "loudhailer_client_…",
        }))
        .answers_nothing(StatusCode::OK, "The token works no more.")
        .answers::<OauthProblem>(
            StatusCode::UNAUTHORIZED,
            "The client is not known, or its proof does not count (`invalid_client`).",
            json!({"error": "invalid_client", "error_description": "The client is not known, or its proof does not count."}),
        )
        .answers::<OauthProblem>(
            StatusCode::BAD_REQUEST,
            "The request is not one that this endpoint knows.",
            json!({"error": "invalid_request", "error_description": "The form is not as expected."}),
        )
}

/// What the token endpoint reads.
#[derive(Deserialize, ToSchema)]
#[schema(as = TokenRequest)]
#[expect(dead_code, reason = "the shape of the form, for the document; the handler reads pairs")]
struct TokenForm {
    /// `client_credentials`.
    grant_type: String,
    /// Scopes with spaces between; all of the client's when left out.
    #[serde(default)]
    scope: Option<String>,
    /// Where the token is to count; may be there more than once. Every place of the client's when left out.
    #[serde(default)]
    resource: Option<String>,
    /// The client, unless HTTP Basic names it.
    #[serde(default)]
    client_id: Option<String>,
    /// Its secret, unless HTTP Basic has it.
    #[serde(default)]
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`, with an assertion.
    #[serde(default)]
    client_assertion_type: Option<String>,
    /// What the client signed, when that is its proof.
    #[serde(default)]
    client_assertion: Option<String>,
}

/// What the revocation endpoint reads.
#[derive(Deserialize, ToSchema)]
#[schema(as = RevocationRequest)]
#[expect(dead_code, reason = "the shape of the form, for the document; the handler reads pairs")]
struct RevokeForm {
    /// The token.
    token: String,
    /// The client, unless HTTP Basic names it.
    #[serde(default)]
    client_id: Option<String>,
    /// Its secret, unless HTTP Basic has it.
    #[serde(default)]
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`, with an assertion.
    #[serde(default)]
    client_assertion_type: Option<String>,
    /// What the client signed, when that is its proof.
    #[serde(default)]
    client_assertion: Option<String>,
}

/// A token. It is shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedToken)]
struct TokenView {
    /// The token.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until it ends.
    expires_in: u64,
    /// What it allows.
    scope: String,
}

/// What this server can do (RFC 8414).
#[derive(Serialize, ToSchema)]
#[schema(as = OauthMetadata)]
struct Metadata {
    /// This server.
    issuer: String,
    /// Where tokens are fetched.
    token_endpoint: String,
    /// Where they are ended.
    revocation_endpoint: String,
    /// How clients prove themselves.
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// What clients may sign with.
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// The same, for revocation.
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// The one grant.
    grant_types_supported: Vec<&'static str>,
    /// None: nobody signs in to a program here.
    response_types_supported: Vec<&'static str>,
    /// Every scope that a program can have.
    scopes_supported: Vec<&'static str>,
    /// Where tokens count: the values of `resource` (RFC 8707, RFC 9728).
    protected_resources: Vec<String>,
    /// Tokens that were fetched over a connection with a certificate count with that certificate alone (RFC 8705).
    tls_client_certificate_bound_access_tokens: bool,
    /// The API that tokens open.
    service_documentation: String,
}

/// How secrets look.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenPatterns)]
struct Patterns {
    /// Each pattern.
    patterns: Vec<Pattern>,
}

/// One pattern.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenPattern)]
struct Pattern {
    /// What it finds.
    name: &'static str,
    /// A regular expression without look-around, for linear engines too.
    regex: &'static str,
    /// Texts that stand in every one: scanners look for them first.
    keywords: Vec<&'static str>,
    /// How to tell a real one from a look-alike.
    checksum: &'static str,
}

async fn patterns(_: Open) -> http::Json<Patterns> {
    http::Json(Patterns {
        patterns: vec![Pattern {
            name: "Loudhailer token",
            regex: crypto::token::PATTERN,
            keywords: vec!["loudhailer_"],
            checksum: "the last 6 characters are CRC-32 of what precedes them, in base 62 (0-9A-Za-z), with zeros in front",
        }],
    })
}

const METHODS: [&str; 4] = ["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"];
/// What clients may sign with.
const SIGNING: [&str; 5] = ["ES256", "ES384", "EdDSA", "PS256", "RS256"];

async fn metadata(_: Open, State(api): State<Api>) -> http::Json<Metadata> {
    let url = api.public_url.trim_end_matches('/');
    http::Json(Metadata {
        issuer: url.to_owned(),
        token_endpoint: format!("{url}/oauth/token"),
        revocation_endpoint: format!("{url}/oauth/revoke"),
        token_endpoint_auth_methods_supported: METHODS.to_vec(),
        token_endpoint_auth_signing_alg_values_supported: SIGNING.to_vec(),
        revocation_endpoint_auth_methods_supported: METHODS.to_vec(),
        grant_types_supported: vec!["client_credentials"],
        response_types_supported: Vec::new(),
        scopes_supported: KeyScope::all().map(KeyScope::name).collect(),
        protected_resources: Audience::ALL.into_iter().map(|audience| audience.resource(url)).collect(),
        tls_client_certificate_bound_access_tokens: true,
        service_documentation: format!("{url}/api/openapi.json"),
    })
}

/// The parameters of a request, each once (RFC 6749 section 3.2) but `resource` (RFC 8707 section 2). One without a value counts
/// as left out.
#[derive(Default)]
struct Form {
    pairs: Vec<(String, Zeroizing<String>)>,
}

impl Form {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, OauthRefusal> {
        let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !ContentType::Form.matches(given) {
            return Err(OauthRefusal::InvalidRequest("Send a form: Content-Type: application/x-www-form-urlencoded."));
        }
        let body = std::str::from_utf8(body).map_err(|_| OauthRefusal::InvalidRequest("The form is not UTF-8."))?;
        let mut form = Self::default();
        for (name, value) in form_pairs(body).filter(|(_, value)| !value.is_empty()) {
            if name != "resource" && form.pairs.iter().any(|(known, _)| *known == name) {
                return Err(OauthRefusal::InvalidRequest("A parameter is there twice. Send each once."));
            }
            form.pairs.push((name, Zeroizing::new(value)));
        }
        Ok(form)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn resources(&self) -> Vec<String> {
        self.pairs.iter().filter(|(name, _)| name == "resource").map(|(_, value)| value.to_string()).collect()
    }

    /// Who the client says it is, in one way alone (RFC 6749 section 2.3).
    fn client(&self, headers: &HeaderMap) -> Result<ClientCredentials, OauthRefusal> {
        let secret = self.get("client_secret").map(SecretString::from);
        let id = self.get("client_id").map(str::to_owned);
        let assertion = match (self.get("client_assertion"), self.get("client_assertion_type")) {
            (Some(token), Some(kind)) => Some(Assertion { kind: kind.to_owned(), token: SecretString::from(token) }),
            (None, None) => None,
            _ => {
                return Err(OauthRefusal::InvalidRequest(
                    "client_assertion and client_assertion_type belong together.",
                ));
            }
        };
        if assertion.is_some() && (secret.is_some() || headers.contains_key(header::AUTHORIZATION)) {
            return Err(OauthRefusal::InvalidRequest("The client proves itself in two ways. Use one."));
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(ClientCredentials { id, secret, assertion });
        };
        let (user, password) = value.to_str().ok().and_then(basic).ok_or(OauthRefusal::InvalidClient)?;
        if secret.is_some() || id.is_some_and(|id| id != user) {
            return Err(OauthRefusal::InvalidRequest("The client is named in two ways. Use one."));
        }
        Ok(ClientCredentials { id: Some(user), secret: Some(password), assertion: None })
    }
}

/// Name and secret of HTTP Basic, each form-encoded within (RFC 6749 section 2.3.1).
fn basic(value: &str) -> Option<(String, SecretString)> {
    let (scheme, pair) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(pair.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    // As the value of a pair, so that `+` and `%XX` are read as in any form.
    let plain = |text: &str| {
        let whole = Zeroizing::new(format!("v={}", text.replace('&', "%26")));
        form_pairs(&whole).next().map(|(_, value)| value)
    };
    Some((plain(user)?, SecretString::from(plain(password)?)))
}

async fn token(open: Open, State(api): State<Api>, headers: HeaderMap, Raw(body): Raw) -> Answer<Response> {
    let request = Form::read(&headers, &body).and_then(|form| {
        Ok(TokenRequest {
            client: form.client(&headers)?,
            grant_type: form.get("grant_type").map(str::to_owned),
            scope: form.get("scope").map(str::to_owned),
            resources: form.resources(),
        })
    });
    let issued = match request {
        Ok(request) => api.identity.issue_token(request, &api.public_url, &open.source().into()).await?,
        Err(refusal) => Err(refusal),
    };
    Ok(match issued {
        Ok(issued) => {
            let scopes: Vec<&str> = issued.scopes.iter().map(|scope| scope.name()).collect();
            let view = TokenView {
                access_token: issued.token.expose_secret().to_owned(),
                token_type: "Bearer",
                expires_in: issued.expires_in.as_secs(),
                scope: scopes.join(" "),
            };
            http::Json(view).into_response()
        }
        Err(refusal) => refused(refusal, &headers),
    })
}

async fn revoke(open: Open, State(api): State<Api>, headers: HeaderMap, Raw(body): Raw) -> Answer<Response> {
    let request = Form::read(&headers, &body).and_then(|form| {
        let missing = OauthRefusal::InvalidRequest("token is missing; send the token that is to end.");
        Ok((form.client(&headers)?, SecretString::from(form.get("token").ok_or(missing)?)))
    });
    let revoked = match request {
        Ok((client, token)) => {
            api.identity.revoke_token(&client, &token, &api.public_url, &open.source().into()).await?
        }
        Err(refusal) => Err(refusal),
    };
    Ok(match revoked {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refused(refusal, &headers),
    })
}

/// A refusal as RFC 6749 section 5.2 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = OauthError)]
struct OauthProblem {
    /// Which sort it is.
    error: &'static str,
    /// What is wrong and what to do, in words.
    error_description: &'static str,
}

/// RFC 6749 section 5.2.
fn refused(refusal: OauthRefusal, headers: &HeaderMap) -> Response {
    let status = match refusal {
        OauthRefusal::InvalidClient => StatusCode::UNAUTHORIZED,
        OauthRefusal::SlowDown(_) => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = OauthProblem { error: refusal.code(), error_description: refusal.description() };
    let mut response = (status, http::Json(body)).into_response();
    if let OauthRefusal::SlowDown(wait) = refusal {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    if status == StatusCode::UNAUTHORIZED && headers.contains_key(header::AUTHORIZATION) {
        let challenge = HeaderValue::from_static("Basic realm=\"loudhailer\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> Result<Form, OauthRefusal> {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, form);
        Form::read(&headers, body.as_bytes())
    }

    #[test]
    fn a_parameter_is_there_once_but_resources() {
        let read = form("grant_type=client_credentials&resource=a&resource=b&scope=").unwrap();
        assert_eq!(read.resources(), ["a", "b"]);
        assert_eq!(read.get("scope"), None, "without a value it is left out (RFC 6749 section 3.2)");
        assert!(matches!(form("scope=a&scope=b"), Err(OauthRefusal::InvalidRequest(_))));
        assert!(matches!(Form::read(&HeaderMap::new(), b"{}"), Err(OauthRefusal::InvalidRequest(_))));
    }

    #[test]
    fn basic_is_form_encoded_within() {
        let encoded = STANDARD.encode("my%3Aid:a%2Bb+c%26");
        let (user, password) = basic(&format!("basic {encoded}")).unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("my:id", "a+b c&"));
        assert!(basic("Bearer x").is_none() && basic("Basic !").is_none());
    }

    #[test]
    fn a_client_names_itself_in_one_way() {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode("id:secret"));
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        assert_eq!(form("client_id=id").unwrap().client(&headers).unwrap().id.as_deref(), Some("id"));
        for twice in ["client_id=other", "client_secret=x"] {
            assert!(matches!(form(twice).unwrap().client(&headers), Err(OauthRefusal::InvalidRequest(_))), "{twice}");
        }
    }
}
