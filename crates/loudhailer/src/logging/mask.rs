//! Masks for whatever may stand in a log: the last line of defence, after rooms that do not log such things in the first place.
//!
//! It errs on the side of hiding: a figure of seven digits in a sentence is taken for a telephone number.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What stands in place of what was hidden.
const HIDDEN: &str = "•••";
/// Bytes of one text that are logged at most.
const LONGEST: usize = 4 * 1024;
/// Digits in a row that are taken for a telephone number.
const DIGITS: usize = 7;
/// The least whole number of so many digits.
const LEAST_NUMBER: u128 = 1_000_000;
/// The same for digits in groups, such as `07700 900117`.
const GROUPED: usize = 9;

/// Names whose values are secrets, as the end of a word: `token` is in `access_token` and in `X-CSRF-Token`.
const SECRETS: [&str; 16] = [
    "token",
    "apikey",
    "api_key",
    "api-key",
    "password",
    "passwd",
    "pwd",
    "secret",
    "authorization",
    "cookie",
    "signature",
    "credential",
    "session",
    "sid",
    "csrf",
    "private_key",
];
/// Fields that hold what people write, or who they are: hidden whole.
const PERSONAL: [&str; 10] =
    ["text", "body", "payload", "content", "number", "phone", "msisdn", "email", "login", "recipient"];
/// Numeric fields whose many digits are no telephone number, by the end of their name.
const FIGURES: [&str; 14] = [
    "id", "ms", "micros", "nanos", "bytes", "seq", "epoch", "fence", "count", "total", "size", "rows", "pid", "seconds",
];
/// Beginnings of machine secrets; letters, digits and what base64 needs belong to them.
const PREFIXES: [&str; 10] = [
    "loudhailer_key_",
    "loudhailer_url_",
    "loudhailer_smpp_",
    "loudhailer_basic_",
    "loudhailer_setup_",
    "loudhailer_admin_",
    "loudhailer_client_",
    "loudhailer_access_",
    "whsec_",
    "whsk_",
];
/// Schemes of HTTP authentication that a credential follows.
const SCHEMES: [&str; 3] = ["bearer ", "basic ", "digest "];

/// Whether a field's name says that its value is nobody's business.
pub fn is_hidden(field: &str) -> bool {
    let name = field.rsplit('.').next().unwrap_or(field).to_ascii_lowercase();
    PERSONAL.contains(&&*name) || SECRETS.iter().any(|secret| name.ends_with(secret))
}

/// Whether a whole number in this field could be somebody's telephone number.
pub fn is_number(field: &str, value: u128) -> bool {
    let name = field.rsplit('.').next().unwrap_or(field);
    value >= LEAST_NUMBER && !FIGURES.iter().any(|figure| name.ends_with(figure))
}

/// A text as it may be logged: on one line, bounded, and without secrets and personal values.
pub fn clean(text: &str) -> Cow<'_, str> {
    let harmless = |byte: u8| byte.is_ascii_lowercase() || b" ,.;'-".contains(&byte);
    if text.len() <= LONGEST && text.bytes().all(harmless) && !SCHEMES.iter().any(|scheme| text.contains(scheme)) {
        return Cow::Borrowed(text);
    }
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut out = String::with_capacity(end + 16);
    let mut at = 0;
    while let Some(letter) = text[at..end].chars().next() {
        if let Some((length, shown)) = find(&text[..end], at) {
            out.push_str(&shown);
            at += length;
        } else {
            push(&mut out, letter);
            at += letter.len_utf8();
        }
    }
    if end < text.len() {
        let _ = write!(out, "… ({} bytes more)", text.len() - end);
    }
    Cow::Owned(out)
}

/// What begins at `at` and must not be shown: its length, and what is shown in its place.
fn find(text: &str, at: usize) -> Option<(usize, String)> {
    let rest = &text[at..];
    prefix(rest)
        .or_else(|| scheme(text, at))
        .or_else(|| value(text, at))
        .or_else(|| user_info(rest))
        .or_else(|| uuid(text, at))
        .or_else(|| address(text, at))
        .or_else(|| number(text, at))
}

fn push(out: &mut String, letter: char) {
    match letter {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // Also what turns or hides text in a terminal.
        _ if letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}') =>
        {
            out.extend(letter.escape_unicode());
        }
        _ => out.push(letter),
    }
}

fn starts_with(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

/// How many bytes at the start of `text` are letters that `belongs` takes.
fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

fn last_before(text: &str, at: usize) -> Option<char> {
    text[..at].chars().next_back()
}

const fn in_credential(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=' | '_' | '-' | '.' | '~')
}

/// A machine secret, known by how it begins, wherever it stands.
fn prefix(rest: &str) -> Option<(usize, String)> {
    let found = PREFIXES.iter().find(|prefix| starts_with(rest, prefix))?;
    let length =
        run(&rest[found.len()..], |letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '='));
    Some((found.len() + length, format!("{found}{HIDDEN}")))
}

/// What follows `Bearer`, `Basic` or `Digest`.
fn scheme(text: &str, at: usize) -> Option<(usize, String)> {
    if last_before(text, at).is_some_and(char::is_alphanumeric) {
        return None;
    }
    let rest = &text[at..];
    let found = SCHEMES.iter().find(|scheme| starts_with(rest, scheme))?;
    let blanks = run(&rest[found.len()..], |letter| letter == ' ');
    let start = found.len() + blanks;
    let length = run(&rest[start..], in_credential);
    (length >= 6).then(|| (start + length, format!("{}{HIDDEN}", &rest[..found.len()])))
}

/// What follows `token=`, `"password": ` and the like; `at` is at the separator.
fn value(text: &str, at: usize) -> Option<(usize, String)> {
    let rest = &text[at..];
    let separator = ["=", ":", "%3d", "%3a"].iter().find(|separator| starts_with(rest, separator))?.len();
    let name = text[..at].trim_end_matches([' ', '"', '\'', '\\', ']', ')']);
    let name = &name[name
        .rfind(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'))
        .map_or(0, |place| place + name[place..].chars().next().map_or(1, char::len_utf8))..];
    let name = name.to_ascii_lowercase();
    let kind = SECRETS.iter().find(|secret| name.ends_with(**secret))?;
    let opening = run(&rest[separator..], |letter| matches!(letter, ' ' | '"' | '\'' | '\\' | '(' | '[' | '{'));
    let start = separator + opening;
    let quoted = rest[separator..start].contains(['"', '\'']);
    // A header's value is all that follows it; anything else ends where a list or a query goes on.
    let header = matches!(*kind, "authorization" | "cookie" | "credential");
    let length = run(&rest[start..], |letter| match letter {
        '"' | '\n' | '\r' => false,
        '\'' => !quoted,
        '&' | ',' | ';' | ')' | ']' | '}' => quoted || header,
        _ => quoted || header || !letter.is_whitespace(),
    });
    (length > 0).then(|| (start + length, format!("{}{HIDDEN}", &rest[..start])))
}

/// User and password in an address: `postgres://app:secret@db`.
fn user_info(rest: &str) -> Option<(usize, String)> {
    let inner = rest.strip_prefix("://")?;
    let length =
        run(inner, |letter| !(letter.is_whitespace() || matches!(letter, '/' | '?' | '#' | '"' | '\'' | '<' | '>')));
    let at = inner[..length].rfind('@')?;
    Some((3 + at + 1, format!("://{HIDDEN}@")))
}

/// An id is no number of anybody.
fn uuid(text: &str, at: usize) -> Option<(usize, String)> {
    let rest = text.get(at..at + 36)?;
    let whole = rest.bytes().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let apart = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    (whole && apart(last_before(text, at)) && apart(text[at + 36..].chars().next())).then(|| (36, rest.to_owned()))
}

fn in_local_part(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '.' | '_' | '%' | '+' | '-' | '\'' | '~' | '!' | '#' | '$' | '*')
}

/// The local part of an e-mail address.
fn address(text: &str, at: usize) -> Option<(usize, String)> {
    if last_before(text, at).is_some_and(in_local_part) {
        return None;
    }
    let rest = &text[at..];
    let length = run(rest, in_local_part);
    let mut after = rest[length..].chars();
    let first = rest[..length].chars().next()?;
    (after.next() == Some('@') && after.next().is_some_and(|letter| letter.is_alphanumeric() || letter == '['))
        .then(|| (length, format!("{first}{HIDDEN}")))
}

/// A telephone number, as people and machines write it. The last two digits stay, to tell two apart.
fn number(text: &str, at: usize) -> Option<(usize, String)> {
    let rest = &text[at..];
    let first = rest.chars().next()?;
    let leads = first.is_numeric() || matches!(first, '+' | '(');
    if !leads || last_before(text, at).is_some_and(char::is_numeric) {
        return None;
    }
    let written = first == '+';
    let (mut digits, mut row, mut longest, mut end, mut gap) = (0, 0, 0, 0, 0);
    for (place, letter) in rest.char_indices() {
        if letter.is_numeric() {
            (digits, row, gap, end) = (digits + 1, row + 1, 0, place + letter.len_utf8());
            longest = longest.max(row);
        } else if place == 0
            || matches!(letter, ' ' | '-' | '(' | ')' | '/' | '\u{a0}' | '\u{202f}')
            || (written && letter == '.')
        {
            // A date is no number, nor what stands behind it.
            if place == 10 && is_date(&rest[..10]) {
                return Some((10, rest[..10].to_owned()));
            }
            (row, gap) = (0, gap + 1);
            if gap > 3 {
                break;
            }
        } else {
            break;
        }
    }
    if end == 10 && is_date(&rest[..10]) {
        return None;
    }
    let hidden = longest >= DIGITS || digits >= GROUPED || (written && digits >= DIGITS);
    hidden.then(|| {
        let figures: Vec<char> = rest[..end].chars().filter(|letter| letter.is_numeric()).collect();
        let last: String = figures[figures.len() - 2..].iter().collect();
        (end, format!("{HIDDEN}{last}"))
    })
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use base::{ExposeSecret as _, SeededChance};
    use crypto::token::{self, Kind};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_and_people_are_hidden_and_the_rest_is_not() {
        for (text, expected) in [
            ("the database answers", "the database answers"),
            ("took 12.5 ms for 100 rows", "took 12.5 ms for 100 rows"),
            ("listening on 127.0.0.1:8443", "listening on 127.0.0.1:8443"),
            ("at 2026-11-22T05:05:07.123Z", "at 2026-11-22T05:05:07.123Z"),
            ("on 2026-11-22 05:05:07", "on 2026-11-22 05:05:07"),
            ("01930e3f-2b1c-7000-8000-00000000abcd ended", "01930e3f-2b1c-7000-8000-00000000abcd ended"),
            ("to +447700900117", "to •••17"),
            ("to +44 7700 900 117 now", "to •••17 now"),
            ("to (07700) 900-117", "to •••17"),
            ("to 447700900117,", "to •••17,"),
            ("GET /x?apiKey=abc&limit=5", "GET /x?apiKey=•••&limit=5"),
            ("next=%2Fsignals%3Ftoken%3Dabc", "next=%2Fsignals%3Ftoken%3D•••"),
            ("{\"password\": \"a b, c\", \"x\": 1}", "{\"password\": \"•••\", \"x\": 1}"),
            ("Authorization: Basic YWRhOnNlY3JldA==", "Authorization: •••"),
            ("sent Bearer abc.def-ghi", "sent Bearer •••"),
            ("postgres://app:s3cret@db/app", "postgres://•••@db/app"),
            ("for dina.sample@example.com", "for d•••@example.com"),
            ("key whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "key whsec_•••"),
            ("a\nforged line\u{1b}[2J\u{202e}", "a\\nforged line\\u{1b}[2J\\u{202e}"),
        ] {
            assert_eq!(clean(text), expected);
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let cleaned = clean(&"é ".repeat(5_000)).into_owned();
        assert!(cleaned.len() < LONGEST + 64 && cleaned.ends_with("bytes more)"), "{}", cleaned.len());
    }

    #[test]
    fn fields_are_hidden_by_their_name() {
        for hidden in ["token", "api_key", "http.authorization", "Set-Cookie", "message.text", "phone", "csrf"] {
            assert!(is_hidden(hidden), "{hidden}");
        }
        for shown in ["status", "route", "context", "job.id", "carrier"] {
            assert!(!is_hidden(shown), "{shown}");
        }
        assert!(is_number("to", 447_700_900_117) && !is_number("took_ms", 1_000_000) && !is_number("to", 999_999));
    }

    proptest! {
        /// ASVS 16.2.5: whatever stands around it.
        #[test]
        fn a_token_never_comes_out(seed: u64, kind in 0_usize..6, before in "\\PC{0,40}", after in "\\PC{0,40}") {
            let token = token::mint(Kind::ALL[kind], &SeededChance::new(seed));
            let token = token.expose_secret();
            let cleaned = clean(&format!("{before}{token}{after}")).into_owned();
            prop_assert!(!cleaned.contains(&token[token.len() - 36..]), "{cleaned}");
        }

        #[test]
        fn a_number_never_comes_out(
            number in "[1-9][0-9]{6,14}", sign in "\\+?", before in "\\PC{0,40}", after in "\\PC{0,40}",
        ) {
            let cleaned = clean(&format!("{before}{sign}{number}{after}")).into_owned();
            prop_assert!(!cleaned.contains(&number), "{cleaned}");
        }

        #[test]
        fn a_number_in_groups_never_comes_out(
            groups in prop::collection::vec("[0-9]{3}", 3..5), between in "[ /-]", before in "[a-z ]{0,40}",
        ) {
            let written = groups.join(&between);
            let cleaned = clean(&format!("{before}+{written}")).into_owned();
            prop_assert!(!cleaned.contains(&written), "{cleaned}");
        }

        #[test]
        fn a_password_never_comes_out(
            name in "token|apiKey|password|client_secret|X-CSRF-Token", secret in "[A-Za-z0-9]{8,20}", before in "[a-z &?{\"]{0,20}",
        ) {
            for text in [format!("{before}{name}={secret}"), format!("{before}{name}: {secret}"), format!("{before}\"{name}\":\"{secret}\"")] {
                let cleaned = clean(&text).into_owned();
                prop_assert!(!cleaned.contains(&secret), "{cleaned}");
            }
        }

        /// ASVS 16.4.1: one event is one line.
        #[test]
        fn any_text_stays_on_its_line(text in ".{0,200}|[\\x00-\\x7f]{0,200}") {
            prop_assert!(!clean(&text).chars().any(char::is_control));
        }
    }
}
