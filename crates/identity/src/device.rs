//! Known devices: a signed cookie that says "somebody logged in as this person from here before". It proves nothing
//! else; it only keeps strangers' failures from counting against the person (control X-12).

use base::{ExposeSecret, SecretString, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use vault::Vault;

/// Draws the cookie of a new device of `user`.
pub(crate) fn mint(vault: &Vault, context: &base::Context, user: UserId) -> SecretString {
    let id = BASE64.encode(context.random::<16>());
    let tag = BASE64.encode(sign(vault, user, &id));
    SecretString::from(format!("{id}.{tag}"))
}

/// The id of a device that `user` logged in from before; `None` for strangers and forgeries.
pub(crate) fn check(vault: &Vault, user: UserId, cookie: &SecretString) -> Option<String> {
    let text = cookie.expose_secret();
    if text.len() > 128 {
        return None;
    }
    let (id, tag) = text.split_once('.')?;
    let tag = BASE64.decode(tag).ok()?;
    (id.len() == 22 && crypto::constant_time_eq(&tag, &sign(vault, user, id))).then(|| id.to_owned())
}

/// The vault's HMAC over a labelled text, so that no token's hash can be taken for it.
fn sign(vault: &Vault, user: UserId, id: &str) -> [u8; 32] {
    vault.token_hash(&format!("known-device\0{user}\0{id}"))
}
