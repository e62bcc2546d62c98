//! What a proven token says, and what is expected of it.

use std::fmt;
use std::time::Duration;

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Algorithm, Refused};
use crate::constant_time_eq;

/// How far the clocks of two machines may be apart.
const LEEWAY: Duration = Duration::from_mins(1);
/// Characters of a subject at most (OpenID Connect Core section 2).
const SUBJECT: usize = 255;
/// Audiences of a token at most.
const AUDIENCES: usize = 50;

/// The claims of a token whose signature fits. They are about a person, so nothing prints them.
#[derive(Clone)]
pub struct Claims(Map<String, Value>);

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(…)")
    }
}

impl Claims {
    pub(super) const fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// Who issued it.
    pub fn issuer(&self) -> &str {
        self.text("iss").unwrap_or_default()
    }

    /// Whom it is about; unique with its issuer.
    pub fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// A claim as it stands.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is a text or a list of texts; what else stands in the list is left aside.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// A claim that is a time.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        seconds(self.0.get(name)?)
    }

    /// Until when it counts.
    pub fn expires(&self) -> Timestamp {
        self.time("exp").unwrap_or_default()
    }

    /// Everything, for whoever reads claims that are named by a setting.
    pub const fn all(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether this identity token was made for this access token. It need not say so in the flow with a code.
    pub fn check_access_token(&self, algorithms: &[Algorithm], access_token: &str) -> Result<(), Refused> {
        let Some(hash) = self.0.get("at_hash") else { return Ok(()) };
        let hash = hash.as_str().ok_or(Refused::Claim("at_hash"))?;
        let fits = algorithms.iter().any(|one| URL_SAFE_NO_PAD.encode(one.half_hash(access_token.as_bytes())) == hash);
        if fits { Ok(()) } else { Err(Refused::AccessToken) }
    }
}

/// What a token must say. Made by one of the constructors, so that nothing is forgotten.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    pub(super) algorithms: &'a [Algorithm],
    /// Types that its header may name, in lower case and without `application/`; none when it must name none.
    types: &'a [&'a str],
    /// Whether the header must name a type.
    typed: bool,
    issuer: &'a str,
    audiences: &'a [&'a str],
    /// Who must be the authorised party, when the token names one or has several audiences.
    party: Option<&'a str>,
    nonce: Option<&'a str>,
    issued: bool,
    longest: Option<Duration>,
    now: Timestamp,
}

impl<'a> Expected<'a> {
    /// An identity token of OpenID Connect: `client` is its audience and its party, and `nonce` the one of the request.
    pub fn id_token(
        algorithms: &'a [Algorithm],
        issuer: &'a str,
        client: &'a &'a str,
        nonce: &'a str,
        now: Timestamp,
    ) -> Self {
        Self {
            algorithms,
            types: &["jwt"],
            typed: false,
            issuer,
            audiences: std::slice::from_ref(client),
            party: Some(client),
            nonce: Some(nonce),
            issued: true,
            longest: None,
            now,
        }
    }

    /// An access token of an issuer (RFC 9068, and those that came before it): one of `audiences` is us.
    pub fn access_token(
        algorithms: &'a [Algorithm],
        issuer: &'a str,
        audiences: &'a [&'a str],
        now: Timestamp,
    ) -> Self {
        Self {
            algorithms,
            types: &["at+jwt", "jwt"],
            typed: false,
            issuer,
            audiences,
            party: None,
            nonce: None,
            issued: false,
            longest: None,
            now,
        }
    }

    /// What a client signs to prove itself (`private_key_jwt`, RFC 7523): it is issuer and subject, and it lives for
    /// minutes. That each is used once is for the caller, who has the claim `jti` for it.
    pub fn client_assertion(
        algorithms: &'a [Algorithm],
        client: &'a str,
        audiences: &'a [&'a str],
        now: Timestamp,
    ) -> Self {
        Self {
            algorithms,
            types: &["jwt", "client-authentication+jwt"],
            typed: false,
            issuer: client,
            audiences,
            party: None,
            nonce: None,
            issued: false,
            longest: Some(Duration::from_mins(10)),
            now,
        }
    }

    /// A provider's word that somebody logged out (OpenID Connect Back-Channel Logout section 2.4).
    pub fn logout_token(algorithms: &'a [Algorithm], issuer: &'a str, client: &'a &'a str, now: Timestamp) -> Self {
        Self {
            algorithms,
            types: &["logout+jwt", "jwt"],
            typed: false,
            issuer,
            audiences: std::slice::from_ref(client),
            party: None,
            nonce: None,
            issued: true,
            longest: Some(Duration::from_mins(10)),
            now,
        }
    }

    /// The same, but the header must name one of these types.
    #[must_use]
    pub const fn typed(mut self, types: &'a [&'a str]) -> Self {
        self.types = types;
        self.typed = true;
        self
    }

    pub(super) fn check_type(&self, typ: Option<&Value>) -> Result<(), Refused> {
        let Some(typ) = typ else { return if self.typed { Err(Refused::Type) } else { Ok(()) } };
        let typ = typ.as_str().ok_or(Refused::Type)?.to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        if self.types.contains(&typ) { Ok(()) } else { Err(Refused::Type) }
    }

    pub(super) fn check(&self, claims: &Claims) -> Result<(), Refused> {
        if claims.text("iss").ok_or(Refused::Claim("iss"))? != self.issuer {
            return Err(Refused::Issuer);
        }
        self.check_audience(claims)?;
        self.check_times(claims)?;
        // A logout token may name a session in place of a subject; all others are about somebody.
        match claims.get("sub") {
            None if self.types.contains(&"logout+jwt") && claims.text("sid").is_some() => {}
            Some(Value::String(subject)) if (1..=SUBJECT).contains(&subject.len()) => {}
            _ => return Err(Refused::Claim("sub")),
        }
        match (self.nonce, claims.get("nonce")) {
            (Some(nonce), Some(Value::String(given))) if constant_time_eq(nonce.as_bytes(), given.as_bytes()) => Ok(()),
            (Some(_), _) => Err(Refused::Nonce),
            (None, _) => Ok(()),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), Refused> {
        let several = match claims.get("aud").ok_or(Refused::Claim("aud"))? {
            Value::String(one) if self.audiences.contains(&one.as_str()) => false,
            Value::Array(many) if (1..=AUDIENCES).contains(&many.len()) && many.iter().all(Value::is_string) => {
                let ours = many.iter().filter_map(Value::as_str).any(|one| self.audiences.contains(&one));
                if !ours {
                    return Err(Refused::Audience);
                }
                many.len() > 1
            }
            Value::String(_) => return Err(Refused::Audience),
            _ => return Err(Refused::Claim("aud")),
        };
        let Some(party) = self.party else { return Ok(()) };
        match claims.get("azp") {
            None if several => Err(Refused::Party),
            None => Ok(()),
            Some(Value::String(given)) if given == party => Ok(()),
            Some(_) => Err(Refused::Party),
        }
    }

    fn check_times(&self, claims: &Claims) -> Result<(), Refused> {
        let time = |name: &'static str| match claims.get(name) {
            None => Ok(None),
            Some(value) => seconds(value).map(Some).ok_or(Refused::Claim(name)),
        };
        let expires = time("exp")?.ok_or(Refused::Claim("exp"))?;
        let (not_before, issued) = (time("nbf")?, time("iat")?);
        if expires.plus(LEEWAY) <= self.now {
            return Err(Refused::Expired);
        }
        let soon = self.now.plus(LEEWAY);
        if not_before.is_some_and(|at| at > soon) || issued.is_some_and(|at| at > soon) {
            return Err(Refused::NotYet);
        }
        if self.issued && issued.is_none() {
            return Err(Refused::Claim("iat"));
        }
        let longest = self.longest.unwrap_or(Duration::MAX);
        if expires.since(issued.unwrap_or(self.now)) > longest || expires.since(self.now) > longest {
            return Err(Refused::LivesLong);
        }
        Ok(())
    }
}

/// A NumericDate (RFC 7519 section 2): seconds, perhaps with a fraction, within the years that make sense.
fn seconds(value: &Value) -> Option<Timestamp> {
    const END: i64 = 253_402_300_800;
    let whole = match (value.as_i64(), value.as_f64()) {
        (Some(whole), _) => whole,
        #[expect(clippy::cast_possible_truncation, reason = "checked to lie within the range")]
        (None, Some(real)) if (0.0..253_402_300_800.0).contains(&real) => real as i64,
        _ => return None,
    };
    (0..END).contains(&whole).then(|| Timestamp::from_micros(whole * 1_000_000))
}
