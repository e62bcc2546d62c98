//! What an issuer publishes about itself. Nothing here is believed because it is there: an endpoint is asked through the
//! guarded client, and the issuer must name itself exactly as it was configured.

use serde::Deserialize;

/// The document behind `/.well-known/openid-configuration`, as far as it is used here.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// The issuer, as its tokens name it.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where people are sent to sign in.
    #[serde(default)]
    pub authorization_endpoint: Option<String>,
    /// Where a code is exchanged.
    #[serde(default)]
    pub token_endpoint: Option<String>,
    /// Where more is said about a person.
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
    /// Where people are sent to sign out.
    #[serde(default)]
    pub end_session_endpoint: Option<String>,
    /// Whether its answers name it (RFC 9207); one that says so and does not is not believed.
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub names_itself: bool,
    /// How a client may prove itself where a code is exchanged; left out means `client_secret_basic`.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Metadata {
    /// Where the document of an issuer is.
    pub fn url(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
    }

    /// Reads a document of `issuer`. The error is a sentence.
    pub(crate) fn read(body: &[u8], issuer: &str) -> Result<Self, String> {
        let metadata: Self = serde_json::from_slice(body)
            .map_err(|_| "what it publishes about itself is no JSON with issuer and jwks_uri".to_owned())?;
        // Otherwise one provider could speak for another (OpenID Connect Discovery section 4.3).
        if metadata.issuer != issuer {
            return Err(format!(
                "it calls itself {:?}, not {issuer:?}; write the issuer exactly as it does",
                metadata.issuer.chars().take(200).collect::<String>()
            ));
        }
        let endpoints = [
            Some(&metadata.jwks_uri),
            metadata.authorization_endpoint.as_ref(),
            metadata.token_endpoint.as_ref(),
            metadata.userinfo_endpoint.as_ref(),
            metadata.end_session_endpoint.as_ref(),
        ];
        if endpoints.into_iter().flatten().any(|url| !is_endpoint(url)) {
            return Err("one of its endpoints is no https:// address without a fragment".to_owned());
        }
        Ok(metadata)
    }
}

fn is_endpoint(url: &str) -> bool {
    url.len() <= 2_048
        && url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !url.contains('#')
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.example.com/realms/a";

    fn document(issuer: &str, jwks: &str) -> Vec<u8> {
        serde_json::json!({ "issuer": issuer, "jwks_uri": jwks, "more": [1] }).to_string().into_bytes()
    }

    #[test]
    fn an_issuer_names_itself_exactly_and_speaks_https() {
        let good = document(ISSUER, "https://keys.example.com/jwks");
        assert!(Metadata::read(&good, ISSUER).is_ok());
        assert!(Metadata::read(&good, "https://login.example.com/realms/b").unwrap_err().contains("calls itself"));
        assert!(Metadata::read(&good, "https://login.example.com/realms/a/").is_err(), "a slash more is another one");
        for bad in [
            "http://keys.example.com/",
            "https://",
            "https:///x",
            "https://a/#b",
            "javascript:alert(1)",
            "https://a/ b",
        ] {
            assert!(Metadata::read(&document(ISSUER, bad), ISSUER).is_err(), "{bad}");
        }
        assert!(Metadata::read(b"<html>", ISSUER).is_err());
        assert_eq!(Metadata::url("https://a.example/"), "https://a.example/.well-known/openid-configuration");
    }
}
