//! What waits for a browser's next request, sealed under the token that this browser alone has: a proven answer of SAML on its way
//! from the provider's form to our own page, and a provider's word about somebody who is half way in. It lies in the table
//! `saml_arrivals`, which was made for the first of the two.

use base::{ExposeSecret, ResourceId, SecretString, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Tx, params};
use zeroize::Zeroizing;

use crate::Error;

/// What waits; nothing of one sort opens as another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sort {
    /// An answer that was proven.
    Arrival,
    /// A word that is shown to its provider at sign-out.
    Hint,
}

impl Sort {
    const fn label(self) -> &'static str {
        match self {
            Self::Arrival => "loudhailer sign-on arrival v1",
            Self::Hint => "loudhailer sign-on hint v1",
        }
    }
}

fn bytes(token: &SecretString) -> Option<Zeroizing<[u8; 32]>> {
    let decoded = Zeroizing::new(BASE64.decode(token.expose_secret()).ok()?);
    <[u8; 32]>::try_from(decoded.as_slice()).ok().map(Zeroizing::new)
}

/// Lays something down until a moment. Nothing happens with a token that is none of ours.
pub(crate) fn lay(
    tx: &mut Tx<'_>,
    sort: Sort,
    token: &SecretString,
    provider: ResourceId,
    what: &impl Serialize,
    until: Timestamp,
) -> Result<(), Error> {
    let Some(token) = bytes(token) else { return Ok(()) };
    let key = crypto::hkdf_sha256(&*token, b"", sort.label())?;
    let nonce: [u8; 12] = tx.context().random();
    let plain = Zeroizing::new(serde_json::to_vec(what).map_err(|_| Error::Saml(saml::Refused::Ours))?);
    let sealed = crypto::aead::seal(&key, nonce, provider.to_string().as_bytes(), &plain)?;
    let sealed = BASE64.encode([nonce.as_slice(), &sealed].concat());
    tx.execute(
        "INSERT INTO saml_arrivals (token_hash, provider, sealed, expires_at) VALUES ($1, $2, $3, $4)",
        &params![crypto::sha256(&*token).to_vec(), provider, sealed, until],
    )?;
    Ok(())
}

/// Takes it up again, once; only what came from `provider`, where one is named.
pub(crate) fn take<T: DeserializeOwned>(
    tx: &mut Tx<'_>,
    sort: Sort,
    token: &SecretString,
    provider: Option<ResourceId>,
) -> Result<Option<T>, Error> {
    let Some(token) = bytes(token) else { return Ok(None) };
    let named = provider.map(|id| id.to_string()).unwrap_or_default();
    let found = tx.query_opt(
        "DELETE FROM saml_arrivals WHERE token_hash = $1 AND ($2 = '' OR provider = $2) RETURNING provider, sealed, expires_at",
        &params![crypto::sha256(&*token).to_vec(), named],
        |row| Ok((row.get::<String>("provider")?, row.get::<String>("sealed")?, row.get::<Timestamp>("expires_at")?)),
    )?;
    let now = tx.now();
    let Some((provider, sealed, _)) = found.filter(|(_, _, until)| *until > now) else { return Ok(None) };
    let sealed = BASE64.decode(sealed).map_err(|_| Error::Saml(saml::Refused::Ours))?;
    let Some((nonce, sealed)) = sealed.split_first_chunk::<12>() else { return Ok(None) };
    let key = crypto::hkdf_sha256(&*token, b"", sort.label())?;
    let plain = crypto::aead::open(&key, *nonce, provider.as_bytes(), sealed)?;
    Ok(serde_json::from_slice(&plain).ok())
}
