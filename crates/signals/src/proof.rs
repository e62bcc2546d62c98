//! Proving a sender (control X-03): by a token, an API key, a user name and password, or a signature. Whoever proves
//! nothing gets one answer, after the same work, whatever the cause.

use std::sync::Arc;
use std::time::Duration;

use access::cap;
use base::{ExposeSecret, IntegrationId, SecretString, Timestamp};
use crypto::tls::ClientCertificate;
use crypto::webhook::WebhookKey;
use identity::{Audience, Caller};

use crate::credentials::{self, Known, Stored, Used};
use crate::error::{Error, Refused};
use crate::signals::Signals;
use crate::text::printable;
use crate::types::{Auth, Credential, Request, Signature};

/// The last use of a credential is written down when the last one written is older than this.
const WRITTEN: Duration = Duration::from_mins(1);
/// What a machine secret's length may be; anything else is not looked at.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;
/// Bytes of a bearer at most: tokens of other services are some thousand long.
const LONGEST_BEARER: usize = 8 * 1024;
/// How far a signature's time may be from ours, before and after (IA-2(8)).
const WINDOW: Duration = Duration::from_mins(5);
/// Characters of a `webhook-id` at most.
const ID_LIMIT: usize = 255;
/// Credentials of one method that can count at the same time.
const IN_ROTATION: usize = 2;

/// A sender that proved itself.
#[derive(Debug)]
pub(crate) struct Proven {
    pub method: &'static str,
    pub sender: Option<String>,
    /// The credential that was shown, when its last use is to be written down.
    pub used: Option<Used>,
    /// The certificate that proved it, when its use is to be written down.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// The `webhook-id` of a signed message, which counts once.
    pub webhook_id: Option<String>,
}

/// The keys of an integration's signatures, each with its credential.
pub(crate) type Keys = Vec<(WebhookKey, Stored)>;

impl Signals {
    /// The integration that a path names, with the keys of its signatures if the request has one.
    pub(crate) async fn known(&self, path: &str, signed: bool, now: Timestamp) -> Result<Option<(Known, Keys)>, Error> {
        let Ok(id) = path.parse::<IntegrationId>() else { return Ok(None) };
        let vault = self.0.vault.clone();
        self.0
            .db
            .read(move |tx| {
                let Some(known) = credentials::known(tx, id, false)? else { return Ok(None) };
                let mut keys = Keys::new();
                if signed && known.auth.contains(&Auth::Hmac) {
                    for stored in known.credentials.iter().filter(|one| one.method == Auth::Hmac && one.counts(now)) {
                        let sealed = stored.sealed.as_deref().ok_or(Error::Corrupt("signing secret"))?;
                        let secret = credentials::open(tx, &vault, &known, sealed)?;
                        let key = WebhookKey::parse(secret.expose_secret());
                        keys.push((key.map_err(|_| Error::Corrupt("signing secret"))?, stored.clone()));
                    }
                }
                Ok(Some((known, keys)))
            })
            .await
    }

    /// The sender, proven in one of the ways that the integration allows. A signature decides where one is taken.
    pub(crate) async fn prove(
        &self,
        request: &Request,
        known: Option<&Known>,
        keys: &Keys,
        now: Timestamp,
    ) -> Result<Proven, Refused> {
        let allows = |way: Auth| known.is_some_and(|known| known.auth.contains(&way));
        if let Some(signature) = &request.signature {
            let signed = verify(signature, &request.body, keys);
            if allows(Auth::Hmac) {
                let stored = signed.ok_or(Refused::Unproven)?;
                fresh(signature, now)?;
                let used = used(stored, request, now);
                let webhook_id = Some(signature.id.clone());
                return Ok(Proven { method: Auth::Hmac.as_str(), sender: None, used, certificate: None, webhook_id });
            }
        }
        let (secret, user) = match &request.credential {
            Credential::UrlToken(secret) | Credential::Bearer(secret) => (secret, None),
            Credential::Basic { user, password } => (password, Some(user)),
            Credential::None => return self.certified(request, known).await,
        };
        let longest = if matches!(request.credential, Credential::Bearer(_)) { LONGEST_BEARER } else { *LENGTHS.end() };
        if !(*LENGTHS.start()..=longest).contains(&secret.expose_secret().len()) {
            return Err(Refused::Unproven);
        }
        let way = if user.is_some() { Auth::Basic } else { Auth::UrlToken };
        let found = self.shown(secret, known, way, now);
        let named = user.is_none_or(|user| is_user(user, known));
        if let Some(stored) = found.filter(|_| allows(way) && named) {
            let used = used(stored, request, now);
            return Ok(Proven { method: way.as_str(), sender: None, used, certificate: None, webhook_id: None });
        }
        let (Credential::Bearer(key), Some(known)) = (&request.credential, known) else {
            return self.stranger(request).await;
        };
        let grants = self.0.identity.by_bearer(key, Audience::Signals, &caller(request)).await.map_err(Error::from)?;
        let grants =
            grants.filter(|grants| allows(Auth::ApiKey) && grants.permit::<cap::SignalsSend>(known.workspace).is_ok());
        let sender = Some(grants.ok_or(Refused::Unproven)?.actor().principal.name().to_owned());
        Ok(Proven { method: Auth::ApiKey.as_str(), sender, used: None, certificate: None, webhook_id: None })
    }

    /// A sender that shows nothing but the certificate of its connection: the integration's own, or that of an API key.
    async fn certified(&self, request: &Request, known: Option<&Known>) -> Result<Proven, Refused> {
        let (Some(certificate), Some(known)) = (&request.certificate, known) else { return Err(Refused::Unproven) };
        let allows = |way: Auth| known.auth.contains(&way);
        if allows(Auth::Certificate) {
            let (holder, shown) = (credentials::holder(known.id), Arc::clone(certificate));
            let fits = self.0.db.read(move |tx| identity::certificate_fits(tx, holder, &shown)).await;
            if fits.map_err(Error::from)? {
                return Ok(Proven {
                    method: Auth::Certificate.as_str(),
                    sender: None,
                    used: None,
                    certificate: Some(Arc::clone(certificate)),
                    webhook_id: None,
                });
            }
        }
        let grants = self.0.identity.by_certificate(&caller(request)).await.map_err(Error::from)?;
        let grants =
            grants.filter(|grants| allows(Auth::ApiKey) && grants.permit::<cap::SignalsSend>(known.workspace).is_ok());
        let sender = Some(grants.ok_or(Refused::Unproven)?.actor().principal.name().to_owned());
        Ok(Proven { method: Auth::ApiKey.as_str(), sender, used: None, certificate: None, webhook_id: None })
    }

    /// A sender to an integration that does not exist: its key is looked up like anybody's.
    async fn stranger(&self, request: &Request) -> Result<Proven, Refused> {
        if let Credential::Bearer(key) = &request.credential {
            self.0.identity.by_bearer(key, Audience::Signals, &caller(request)).await.map_err(Error::from)?;
        }
        Err(Refused::Unproven)
    }

    /// The credential of a method whose value was shown.
    fn shown<'k>(
        &self,
        secret: &SecretString,
        known: Option<&'k Known>,
        way: Auth,
        now: Timestamp,
    ) -> Option<&'k Stored> {
        let hash = self.0.vault.token_hash(secret.expose_secret());
        let mut found = None;
        // Each is compared, so that the time does not tell which one nearly fits.
        for stored in known.map(|known| known.credentials.as_slice()).unwrap_or_default() {
            let same = crypto::constant_time_eq(&stored.hash, &hash);
            if same && stored.method == way && stored.counts(now) {
                found = Some(stored);
            }
        }
        found
    }
}

fn caller(request: &Request) -> Caller {
    Caller {
        source: request.source,
        user_agent: request.user_agent.clone(),
        request: request.request,
        certificate: request.certificate.clone(),
    }
}

/// Compared as hashes, because user names have different lengths.
fn is_user(user: &SecretString, known: Option<&Known>) -> bool {
    let expected = known.map(|known| known.user.as_bytes()).unwrap_or_default();
    crypto::constant_time_eq(&crypto::sha256(user.expose_secret().as_bytes()), &crypto::sha256(expected))
}

/// The credential whose signature it is. As many signatures are computed for a stranger as in a rotation.
fn verify<'k>(signature: &Signature, body: &[u8], keys: &'k Keys) -> Option<&'k Stored> {
    let Signature { id, timestamp, signatures } = signature;
    let mut found = None;
    for (key, stored) in keys {
        if key.verify(id, timestamp, body, signatures) {
            found = Some(stored);
        }
    }
    for _ in keys.len()..IN_ROTATION {
        WebhookKey::of_nobody().verify(id, timestamp, body, signatures);
    }
    found
}

/// What is checked only once the signature is right, so that only its owner hears of it.
fn fresh(signature: &Signature, now: Timestamp) -> Result<(), Refused> {
    let id_fits =
        (1..=ID_LIMIT).contains(&signature.id.len()) && signature.id.bytes().all(|byte| byte.is_ascii_graphic());
    if !id_fits {
        let why = format!("its webhook-id is not 1 to {ID_LIMIT} visible ASCII characters");
        return Err(Refused::Stale(why));
    }
    let digits = !signature.timestamp.is_empty() && signature.timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let at = signature.timestamp.parse::<i64>().ok().filter(|_| digits).and_then(|at| at.checked_mul(1_000_000));
    let Some(at) = at.map(Timestamp::from_micros) else {
        return Err(Refused::Stale("its webhook-timestamp is no number of seconds since 1970".to_owned()));
    };
    let (behind, ahead) = (now.since(at), at.since(now));
    if behind.max(ahead) > WINDOW {
        let (off, word) = if behind > ahead { (behind, "old") } else { (ahead, "ahead of ours") };
        let (off, most) = (off.as_secs(), WINDOW.as_secs());
        let why = format!(
            "its webhook-timestamp is {off} s {word} and may be {most} s. Set the sender's clock, and sign each try anew"
        );
        return Err(Refused::Stale(why));
    }
    Ok(())
}

/// The use to be written down, when the last one that was is a while ago.
fn used(stored: &Stored, request: &Request, now: Timestamp) -> Option<Used> {
    stored.last_used.is_none_or(|last| now.since(last) >= WRITTEN).then(|| Used {
        method: stored.method,
        hash: stored.hash,
        source: request.source.map(|source| source.ip().to_string()),
        agent: request.user_agent.as_deref().map(printable),
    })
}
