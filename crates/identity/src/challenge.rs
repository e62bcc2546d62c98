//! Challenges for passkeys. One is not stored when it is given out, so strangers fill no table: it carries its own end and a
//! tag under a key of the vault, over whom and what it is for. Once it was answered it is written down, and works no more.

use std::time::Duration;

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use store::{Tx, params};
use vault::Vault;

use crate::Error;

/// How long one may be answered.
const LIFE: Duration = Duration::from_mins(10);

/// What an answer is for. An answer to one is none to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// To make a passkey.
    Make,
    /// To sign in with it alone.
    SignIn,
    /// To prove a second factor, at the log-in or later.
    Prove,
}

impl Aim {
    const fn name(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::SignIn => "sign-in",
            Self::Prove => "prove",
        }
    }
}

fn tag(vault: &Vault, aim: Aim, subject: &str, head: &[u8]) -> [u8; 16] {
    let text = format!("passkey-challenge\0{}\0{subject}\0{}", aim.name(), BASE64.encode(head));
    let mut tag = [0; 16];
    tag.copy_from_slice(&vault.token_hash(&text)[..16]);
    tag
}

/// A new challenge for `subject`, in base64url.
pub(crate) fn draw(vault: &Vault, context: &base::Context, aim: Aim, subject: &str) -> String {
    let chance: [u8; 16] = context.random();
    let until = context.now().plus(LIFE).as_micros().to_be_bytes();
    let head = [&chance[..], &until].concat();
    BASE64.encode([&head[..], &tag(vault, aim, subject, &head)].concat())
}

/// Whether a challenge is one of ours, for this, and not over. It may have been answered before: see [`spend`].
pub(crate) fn is_ours(vault: &Vault, now: Timestamp, aim: Aim, subject: &str, challenge: &[u8]) -> bool {
    let Some((head, given)) = challenge.split_at_checked(24) else { return false };
    crypto::constant_time_eq(given, &tag(vault, aim, subject, head)) && now < until(head)
}

fn until(head: &[u8]) -> Timestamp {
    let micros = head.get(16..24).and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_be_bytes);
    Timestamp::from_micros(micros)
}

/// Uses a challenge up; `false` when it was before.
pub(crate) fn spend(tx: &mut Tx<'_>, challenge: &[u8]) -> Result<bool, Error> {
    let rows = tx.execute(
        "INSERT INTO spent_challenges (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
        &params![crypto::sha256(challenge).to_vec(), until(challenge)],
    )?;
    Ok(rows == 1)
}
