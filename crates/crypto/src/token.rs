//! The format of every machine secret: `loudhailer_<kind>_`, 30 random base-62 characters (178 bits) and 6
//! base-62 characters of CRC-32 over what precedes. The checksum is looked at before any look-up, so that
//! mistyped and invented tokens cost no query, and scanners find leaked ones by [`PATTERN`].

use std::fmt;
use std::str::FromStr;

use base::{Chance, SecretString};
use zeroize::Zeroizing;

/// A regular expression that finds every token, published for secret scanners.
pub const PATTERN: &str = r"\bloudhailer_(?:key|url|smpp|basic|setup|admin|client|access)_[0-9A-Za-z]{36}\b";

const PREFIX: &str = "loudhailer_";
const RANDOM_CHARACTERS: usize = 30;
const CHECK_CHARACTERS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// An API key.
    Key,
    /// A token in the URL of an integration.
    Url,
    /// An SMPP password, for peers that take one longer than the 8 characters of SMPP 3.4.
    Smpp,
    /// The password of an integration that uses HTTP Basic.
    Basic,
    /// A one-time set-up link.
    Setup,
    /// An administrator's short-lived token for the command line.
    Admin,
    /// The secret of an OAuth client.
    Client,
    /// An access token of ours.
    Access,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] =
        [Self::Key, Self::Url, Self::Smpp, Self::Basic, Self::Setup, Self::Admin, Self::Client, Self::Access];

    /// The word in the token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Url => "url",
            Self::Smpp => "smpp",
            Self::Basic => "basic",
            Self::Setup => "setup",
            Self::Admin => "admin",
            Self::Client => "client",
            Self::Access => "access",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no token. It says nothing of the text: that could be somebody's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token: loudhailer_<kind>_ and 36 letters and digits are expected, exactly as they were shown")]
pub struct TokenError;

impl FromStr for Kind {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(TokenError)
    }
}

/// Draws a new token.
pub fn mint(kind: Kind, chance: &dyn Chance) -> SecretString {
    let mut text = Zeroizing::new(format!("{PREFIX}{kind}_"));
    push_random(&mut text, RANDOM_CHARACTERS, chance);
    let check = checksum(&text);
    text.extend(check.iter().map(|byte| char::from(*byte)));
    SecretString::from(text.as_str())
}

/// Which kind of token `text` is, if it is well-formed and its checksum is right. Whether it is anybody's
/// token is for the store to say.
pub fn check(text: &str) -> Result<Kind, TokenError> {
    let (kind, tail) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(TokenError)?;
    let kind: Kind = kind.parse()?;
    if tail.len() != RANDOM_CHARACTERS + CHECK_CHARACTERS || !tail.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(TokenError);
    }
    let (body, given) = text.split_at(text.len() - CHECK_CHARACTERS);
    // The checksum is no secret, so an ordinary comparison is right.
    if checksum(body) == given.as_bytes() { Ok(kind) } else { Err(TokenError) }
}

/// The first characters of a token, enough for a person to tell two apart in a list and useless otherwise.
pub fn hint(text: &str) -> String {
    let shown = check(text).map_or(0, |kind| PREFIX.len() + kind.name().len() + 1 + 4);
    format!("{}…", text.get(..shown).unwrap_or_default())
}

/// A password for peers of SMPP 3.4, whose field holds 8 characters: 47 bits, so an address list or a
/// client certificate has to stand beside it.
pub fn mint_smpp34_password(chance: &dyn Chance) -> SecretString {
    let mut text = Zeroizing::new(String::new());
    push_random(&mut text, 8, chance);
    SecretString::from(text.as_str())
}

fn push_random(text: &mut String, count: usize, chance: &dyn Chance) {
    // Reserved before the first character, so that growing leaves no copy behind.
    text.reserve_exact(count + CHECK_CHARACTERS);
    let mut pool = Zeroizing::new([0_u8; 64]);
    let mut left = count;
    while left > 0 {
        chance.fill(&mut *pool);
        // 248 is the largest multiple of 62 in a byte: refusing the rest keeps every character equally likely.
        for byte in pool.iter().filter(|byte| **byte < 248).take(left) {
            text.push(char::from(BASE62[usize::from(*byte % 62)]));
            left -= 1;
        }
    }
}

fn checksum(body: &str) -> [u8; CHECK_CHARACTERS] {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut out = [b'0'; CHECK_CHARACTERS];
    for place in out.iter_mut().rev() {
        *place = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

#[cfg(test)]
mod tests {
    use base::{ExposeSecret, SeededChance};
    use proptest::prelude::*;

    use super::*;
    use crate::OsChance;

    #[test]
    fn a_drawn_token_checks_as_its_kind() {
        for kind in Kind::ALL {
            let token = mint(kind, &OsChance);
            let text = token.expose_secret();
            assert_eq!(check(text), Ok(kind));
            assert_eq!(text.len(), PREFIX.len() + kind.name().len() + 1 + 36);
            assert!(PATTERN.contains(kind.name()), "the published pattern knows {kind}");
            assert!(!format!("{token:?}").contains(text), "debug shows no token");
        }
    }

    /// A value computed elsewhere (zlib's CRC-32), so that tokens in the field keep working when this code changes.
    #[test]
    fn the_format_is_stable() {
        assert_eq!(check("loudhailer_key_000000000000000000000000000000347Pqi"), Ok(Kind::Key));
        assert_eq!(check("loudhailer_key_000000000000000000000000000000000000"), Err(TokenError));
        assert_eq!(check("loudhailer_url_000000000000000000000000000000347Pqi"), Err(TokenError));
    }

    #[test]
    fn a_hint_shows_four_characters_of_a_token_and_nothing_of_anything_else() {
        let token = mint(Kind::Url, &SeededChance::new(2));
        let shown = hint(token.expose_secret());
        assert!(shown.starts_with("loudhailer_url_") && shown.chars().count() == PREFIX.len() + 4 + 4 + 1, "{shown}");
        assert_eq!(hint("somebody's password"), "…");
    }

    #[test]
    fn an_smpp_password_fits_the_field() {
        let password = mint_smpp34_password(&OsChance);
        assert_eq!(password.expose_secret().len(), 8);
        assert!(password.expose_secret().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    proptest! {
        /// One changed character anywhere is refused before any look-up.
        #[test]
        fn a_changed_character_is_refused(seed: u64, kind in 0_usize..8, place: proptest::sample::Index, to in "[ -~]") {
            let token = mint(Kind::ALL[kind], &SeededChance::new(seed));
            let mut text = token.expose_secret().to_owned();
            let place = place.index(text.len());
            prop_assume!(text[place..=place] != to);
            text.replace_range(place..=place, &to);
            prop_assert_eq!(check(&text), Err(TokenError));
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in "\\PC{0,80}") {
            let _ = check(&text);
            let _ = hint(&text);
        }
    }
}
