//! One try: what is sent, and what its answer means.

use std::time::Duration;

use base::{Context, ExposeSecret, SecretString, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::webhook::WebhookKey;
use outbound::{Guarded, HeaderName, HeaderValue, Post, Reply};

use crate::circuit::Failure;
use crate::oauth::Tokens;
use crate::queue::{Claimed, Outcome};
use crate::rows::{Opened, Proof};
use crate::schedule::retry_after;

/// Characters of an answer that are kept when it was no yes.
const BEGINNING: usize = 200;

/// Sends one callback and says what came of it.
pub(crate) async fn try_once(
    context: &Context,
    guarded: &Guarded,
    tokens: &Tokens,
    webhook: &Opened,
    claimed: &Claimed,
) -> Outcome {
    let (at, began) = (context.now(), context.monotonic());
    let answer = send(context, guarded, tokens, webhook, claimed, at).await;
    let took = context.monotonic().saturating_sub(began);
    let outcome = |status, failure, beginning, hopeless| Outcome { at, took, status, failure, beginning, hopeless };
    match answer {
        Ok(reply) if (200..300).contains(&reply.status) => outcome(Some(reply.status), None, None, false),
        Ok(reply) => {
            let failure = meaning(&reply, context.now());
            if reply.status == 401 {
                // A token that was withdrawn before its time is fetched anew.
                tokens.forget(webhook.id);
            }
            outcome(Some(reply.status), Some(failure), beginning(&reply.body), false)
        }
        Err(NotSent::Erased) => {
            let error = "what it said is erased, or its key is gone".to_owned();
            outcome(None, Some(Failure { error, ..Failure::default() }), None, true)
        }
        Err(NotSent::Why(error)) => outcome(None, Some(Failure { error, ..Failure::default() }), None, false),
    }
}

/// Why there was no answer.
pub(crate) enum NotSent {
    Erased,
    Why(String),
}

async fn send(
    context: &Context,
    guarded: &Guarded,
    tokens: &Tokens,
    webhook: &Opened,
    claimed: &Claimed,
    at: Timestamp,
) -> Result<Reply, NotSent> {
    let (own, body) = claimed.content.as_ref().ok_or(NotSent::Erased)?;
    let url = own.as_deref().unwrap_or(&webhook.url);
    let mut headers = signed(&webhook.signing, &claimed.uid, at, body);
    match &webhook.proof {
        // A credential of the workspace's webhook never goes to an address that a message brought along.
        _ if webhook.own => {}
        Proof::Nothing => {}
        Proof::Header(value) => headers.push(("authorization", value.clone())),
        Proof::Oauth { .. } => {
            let token = tokens.of(context, guarded, webhook).await.map_err(NotSent::Why)?;
            headers.push(("authorization", token));
        }
    }
    let headers = headers
        .into_iter()
        .map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.expose_secret()).ok()?;
            value.set_sensitive(name == "authorization");
            Some((HeaderName::from_static(name), value))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| NotSent::Why("a header cannot be written; set the webhook's authorization anew".to_owned()))?;
    let post = Post { url, authority: webhook.authority.as_deref(), headers, body: body.clone() };
    guarded.post(post).await.map_err(|outcome| NotSent::Why(outcome.to_string()))
}

/// The headers of a callback: its id, the time of this try, and a signature by each secret that counts (Standard Webhooks).
pub(crate) fn signed(
    signing: &[SecretString],
    uid: &str,
    at: Timestamp,
    body: &[u8],
) -> Vec<(&'static str, SecretString)> {
    let timestamp = (at.as_micros() / 1_000_000).to_string();
    let keys = signing.iter().filter_map(|secret| WebhookKey::parse(secret.expose_secret()).ok());
    let signatures: Vec<String> = keys.map(|key| key.sign(uid, &timestamp, body)).collect();
    let mut headers = vec![
        ("content-type", "application/json; charset=utf-8".into()),
        ("webhook-id", uid.into()),
        ("webhook-timestamp", timestamp.into()),
    ];
    if !signatures.is_empty() {
        headers.push(("webhook-signature", signatures.join(" ").into()));
    }
    headers
}

/// What an answer other than yes says.
fn meaning(reply: &Reply, now: Timestamp) -> Failure {
    let status = reply.status;
    let error = match status {
        300..=399 => format!("the receiver answered {status}, and redirects are not followed: give the final address"),
        401 | 403 => format!("the receiver answered {status}: it does not accept how we prove ourselves"),
        404 => "the receiver answered 404: there is nothing at this address".to_owned(),
        410 => "the receiver answered 410: it is gone".to_owned(),
        413 => "the receiver answered 413: it finds the callback too large".to_owned(),
        429 => "the receiver answered 429: it asks us to slow down".to_owned(),
        _ => format!("the receiver answered {status}"),
    };
    let wish =
        reply.retry_after.as_deref().filter(|_| matches!(status, 429 | 503)).and_then(|text| retry_after(text, now));
    Failure { error, gone: status == 410, wish }
}

/// The beginning of an answer, for people who look for a mistake: without digits that may be a number, long words that may be
/// a secret, and control characters.
fn beginning(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * BEGINNING)]);
    let shown: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let digits = word.chars().filter(char::is_ascii_digit).count();
            if word.chars().count() > 24 || digits > 3 { "•••".to_owned() } else { word.to_owned() }
        })
        .collect();
    let shown: String = shown.join(" ").chars().take(BEGINNING).collect();
    (!shown.is_empty()).then_some(shown)
}

/// `Basic …` of an id and its secret (RFC 6749 section 2.3.1).
pub(crate) fn basic(id: &str, secret: &SecretString) -> SecretString {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(id), encode(secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(pair)).into()
}

/// How long a token is used when nothing is said.
pub(crate) const TOKEN: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, retry_after: Option<&str>) -> Reply {
        Reply { status, retry_after: retry_after.map(str::to_owned), body: Vec::new(), cut: false }
    }

    /// Control X-22: in a rotation both secrets sign, and each verifies by itself.
    #[test]
    fn x_22_both_secrets_sign() {
        let old = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let new = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let at = Timestamp::from_micros(1_614_265_330_000_000);
        let headers = signed(&[new.into(), old.into()], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        let find = |name| headers.iter().find(|(is, _)| *is == name).unwrap().1.expose_secret().to_owned();
        assert_eq!(find("webhook-timestamp"), "1614265330");
        let signature = find("webhook-signature");
        // The vector of the specification's own libraries.
        assert!(signature.ends_with(" v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), "{signature}");
        for secret in [old, new] {
            let key = WebhookKey::parse(secret).unwrap();
            assert!(key.verify(&find("webhook-id"), "1614265330", br#"{"test": 2432232314}"#, &signature));
        }
    }

    #[test]
    fn every_answer_has_its_sentence() {
        let now = Timestamp::from_micros(0);
        assert!(meaning(&reply(302, None), now).error.contains("redirects are not followed"));
        assert!(meaning(&reply(410, None), now).gone);
        assert_eq!(meaning(&reply(429, Some("7")), now).wish, Some(Duration::from_secs(7)));
        assert_eq!(meaning(&reply(500, Some("7")), now).wish, None, "only where it has a meaning");
    }

    #[test]
    fn the_beginning_of_an_answer_shows_no_number_and_no_secret() {
        let body = b"Error for +447700900117 with token\nsk_live_0123456789abcdefghijklmnop: no such user \x1b[31m";
        assert_eq!(beginning(body).unwrap(), "Error for ••• with token ••• no such user [31m");
        assert_eq!(beginning(b""), None);
        assert_eq!(beginning(&[b'a'; 9_000]).unwrap(), "•••");
    }

    #[test]
    fn ids_and_secrets_are_encoded_before_they_are_joined() {
        assert_eq!(basic("a:b", &"c d".into()).expose_secret(), "Basic YSUzQWI6Yytk");
    }
}
