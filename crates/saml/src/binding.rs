//! How messages travel through the browser: packed into an address that is signed as a whole (redirect), or as a field of a form
//! (POST), signed inside.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::xmlsec::{OURS, OwnKey, PublicKey};
use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use form_urlencoded::{byte_serialize, parse};

use crate::names::{POST, REDIRECT};
use crate::signature::{base64, believed, signed};
use crate::{MESSAGE_BYTES, Refused};

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Binding {
    /// In the address.
    Redirect,
    /// In a form.
    Post,
}

impl Binding {
    /// The binding of an address, if it is one that is spoken here.
    pub(crate) fn parse(address: &str) -> Option<Self> {
        match address {
            REDIRECT => Some(Self::Redirect),
            POST => Some(Self::Post),
            _ => None,
        }
    }
}

/// Whether a message asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `SAMLRequest`.
    Request,
    /// `SAMLResponse`.
    Response,
}

impl Way {
    /// The name of the field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// A message of ours on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The browser is sent to this address.
    Redirect(String),
    /// The browser posts a form.
    Post {
        /// Where to.
        to: String,
        /// Name and value of each field.
        fields: Vec<(&'static str, String)>,
    },
}

impl Sent {
    /// Signs a message of ours and makes it ready for the way. `id` is its identifier.
    pub fn new(
        binding: Binding,
        way: Way,
        to: &str,
        message: &str,
        id: &str,
        relay: Option<&str>,
        key: &OwnKey,
    ) -> Result<Self, Refused> {
        if binding == Binding::Post {
            let mut fields = vec![(way.field(), STANDARD.encode(signed(message, id, key)?))];
            fields.extend(relay.map(|relay| ("RelayState", relay.to_owned())));
            return Ok(Self::Post { to: to.to_owned(), fields });
        }
        let mut packed = Vec::new();
        DeflateEncoder::new(message.as_bytes(), Compression::best())
            .read_to_end(&mut packed)
            .map_err(|_| Refused::Ours)?;
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
        let mut query = format!("{}={}", way.field(), encoded(&STANDARD.encode(packed)));
        if let Some(relay) = relay {
            query = format!("{query}&RelayState={}", encoded(relay));
        }
        query = format!("{query}&SigAlg={}", encoded(OURS));
        let signature = key.sign(query.as_bytes()).map_err(|_| Refused::Ours)?;
        let join = if to.contains('?') { '&' } else { '?' };
        Ok(Self::Redirect(format!("{to}{join}{query}&Signature={}", encoded(&STANDARD.encode(signature)))))
    }
}

/// The fields of a query that count; each stands there once.
const NAMES: [&str; 5] = ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature"];

/// A message that came, unpacked.
#[derive(Clone, PartialEq, Eq)]
pub struct Posted {
    /// Whether it asks or answers.
    pub way: Way,
    /// The message.
    pub message: Vec<u8>,
    /// What came beside it.
    pub relay: Option<String>,
    /// Where its signature is, and whether it holds.
    pub signed: Signed,
}

impl std::fmt::Debug for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Posted").field("way", &self.way).field("signed", &self.signed).finish_non_exhaustive()
    }
}

/// Where the signature of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// In the message, still to be looked at.
    Inside,
    /// In the address, and it held.
    Around,
    /// In the address, and there is none.
    Nowhere,
}

impl Posted {
    /// Reads a form, of one message and at most one `RelayState`.
    pub fn form(body: &[u8]) -> Result<Self, Refused> {
        let fields: Vec<_> = parse(body).take(20).collect();
        let (mut message, mut relay) = (None, None);
        for (name, value) in &fields {
            let way = match &**name {
                "SAMLRequest" => Way::Request,
                "SAMLResponse" => Way::Response,
                "RelayState" if relay.is_none() => {
                    relay = Some(value.clone().into_owned());
                    continue;
                }
                "RelayState" => return Err(Refused::NoMessage),
                _ => continue,
            };
            if message.replace((way, value)).is_some() {
                return Err(Refused::NoMessage);
            }
        }
        let (way, text) = message.ok_or(Refused::NoMessage)?;
        if text.len() > MESSAGE_BYTES * 3 / 2 {
            return Err(Refused::TooLarge("bytes"));
        }
        Ok(Self { way, message: base64(text)?, relay: relay.filter(|text| !text.is_empty()), signed: Signed::Inside })
    }

    /// Reads the query of an address, as it stands there, and verifies its signature by one of `keys`.
    pub fn query(query: &str, keys: &[PublicKey]) -> Result<Self, Refused> {
        let mut raw: [Option<&str>; 5] = [None; 5];
        for pair in query.split('&').take(20) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let Some(at) = NAMES.iter().position(|known| *known == name)
                && raw[at].replace(value).is_some()
            {
                return Err(Refused::NoMessage);
            }
        }
        let [request, response, relay, algorithm, signature] = raw;
        let (way, value) = match (request, response) {
            (Some(value), None) => (Way::Request, value),
            (None, Some(value)) => (Way::Response, value),
            _ => return Err(Refused::NoMessage),
        };
        let decoded = |value: &str| -> Result<String, Refused> {
            let text = format!("v={value}");
            parse(text.as_bytes()).next().map(|(_, value)| value.into_owned()).ok_or(Refused::NoMessage)
        };
        let signed = match (algorithm, signature) {
            (Some(algorithm), Some(signature)) => {
                // The octets as they came: encoded anew they could be others.
                let mut text = format!("{}={value}", way.field());
                if let Some(relay) = relay {
                    text = format!("{text}&RelayState={relay}");
                }
                text = format!("{text}&SigAlg={algorithm}");
                let (algorithm, signature) = (believed(&decoded(algorithm)?)?, base64(&decoded(signature)?)?);
                if !keys.iter().any(|key| key.verifies(algorithm, text.as_bytes(), &signature)) {
                    return Err(Refused::Signature);
                }
                Signed::Around
            }
            (None, None) => Signed::Nowhere,
            _ => return Err(Refused::SignatureShape("an address has a signature and its algorithm, or neither")),
        };
        let message = inflated(&base64(&decoded(value)?)?)?;
        let relay = relay.map(decoded).transpose()?.filter(|text| !text.is_empty());
        Ok(Self { way, message, relay, signed })
    }
}

/// Unpacks, within limits whatever it says.
fn inflated(packed: &[u8]) -> Result<Vec<u8>, Refused> {
    let limit = MESSAGE_BYTES.min(packed.len().saturating_mul(100));
    let mut message = Vec::new();
    let mut reader = DeflateDecoder::new(packed).take(limit as u64 + 1);
    reader.read_to_end(&mut message).map_err(|_| Refused::Unpacking)?;
    if message.len() > limit || message.is_empty() { Err(Refused::Unpacking) } else { Ok(message) }
}
