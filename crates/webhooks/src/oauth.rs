//! Tokens for the header Authorization: fetched with client credentials (RFC 6749 section 4.4) through the guarded client,
//! and used until they expire. They are in memory alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base::{Context, ExposeSecret, SecretString, WebhookId};
use form_urlencoded::Serializer;
use outbound::{Guarded, HeaderName, HeaderValue, Post};
use serde::Deserialize;

use crate::deliver::{TOKEN, basic};
use crate::rows::{Opened, Proof};

/// A token is left alone this long before it expires.
const MARGIN: Duration = Duration::from_secs(30);
/// The longest time that a token is used.
const LONGEST: Duration = Duration::from_hours(24);

/// A token of one version of a webhook, with the monotonic time until which it is used.
struct Token {
    version: i64,
    header: SecretString,
    until: Duration,
}

/// The tokens of all webhooks.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<WebhookId, Token>>);

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Granted {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<f64>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

impl Tokens {
    /// The value of the header Authorization for a webhook; fetched when none is at hand. The error is a sentence.
    pub(crate) async fn of(
        &self,
        context: &Context,
        guarded: &Guarded,
        webhook: &Opened,
    ) -> Result<SecretString, String> {
        let now = context.monotonic();
        {
            let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(token) = tokens.get(&webhook.id)
                && token.version == webhook.version
                && now < token.until
            {
                return Ok(token.header.clone());
            }
        }
        let granted = fetch(guarded, webhook).await?;
        let header = SecretString::from(format!("Bearer {}", granted.access_token.expose_secret()));
        let lives =
            granted.expires_in.map_or(TOKEN, |seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9))).min(LONGEST);
        let token =
            Token { version: webhook.version, header: header.clone(), until: now + lives.saturating_sub(MARGIN) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(webhook.id, token);
        Ok(header)
    }

    /// The next try fetches a new one.
    pub(crate) fn forget(&self, webhook: WebhookId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&webhook);
    }
}

/// What is asked of a token endpoint.
fn request(webhook: &Opened) -> Result<Post<'_>, String> {
    let Proof::Oauth { url, client_id, client_secret, in_body, scope } = &webhook.proof else {
        return Err("the webhook has no token endpoint".to_owned());
    };
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = scope {
        form.append_pair("scope", scope);
    }
    let mut headers = vec![
        (HeaderName::from_static("content-type"), HeaderValue::from_static("application/x-www-form-urlencoded")),
        (HeaderName::from_static("accept"), HeaderValue::from_static("application/json")),
    ];
    if *in_body {
        form.append_pair("client_id", client_id).append_pair("client_secret", client_secret.expose_secret());
    } else {
        let value = basic(client_id, client_secret);
        let mut value =
            HeaderValue::from_str(value.expose_secret()).map_err(|_| "the client id cannot be sent".to_owned())?;
        value.set_sensitive(true);
        headers.push((HeaderName::from_static("authorization"), value));
    }
    Ok(Post { url, authority: webhook.authority.as_deref(), headers, body: form.finish().into_bytes() })
}

async fn fetch(guarded: &Guarded, webhook: &Opened) -> Result<Granted, String> {
    let reply = guarded.post(request(webhook)?).await.map_err(|error| format!("no token: {error}"))?;
    if !(200..300).contains(&reply.status) {
        return Err(format!("no token: the token endpoint answered {}", reply.status));
    }
    let granted: Result<Granted, _> = serde_json::from_slice(&reply.body);
    let granted = granted.map_err(|_| "no token: the token endpoint's answer holds no access_token".to_owned())?;
    let sendable = |byte: u8| (0x21..0x7f).contains(&byte);
    if granted.access_token.expose_secret().is_empty() || !granted.access_token.expose_secret().bytes().all(sendable) {
        return Err("no token: the token endpoint's token cannot be sent in a header".to_owned());
    }
    Ok(granted)
}
