//! Reading a text as an answer. Tolerant of case, spaces and punctuation, strict about everything else: "2 people are
//! on it" is no answer, because a wrong guess would silence an alert.

use std::fmt;

/// What an answer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// "I have it."
    Acknowledge,
    /// "Not me: page the next person."
    PassOn,
    /// "It is over."
    Resolve,
    /// "Take my last answer back."
    Undo,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acknowledge => "acknowledge",
            Self::PassOn => "pass on",
            Self::Resolve => "resolve",
            Self::Undo => "undo",
        })
    }
}

/// A text that can be an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What it asks for.
    pub ask: Ask,
    /// The code it carries.
    pub code: Option<String>,
}

/// How the answer says what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// By a digit of a page.
    Digit(u32),
    /// By a word, perhaps with what it is about.
    Word(Action, Option<Pointer>),
}

/// What an answer in words is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// The page that this digit belongs to.
    Digit(u32),
    /// The page with this label, such as `A-1042`.
    Label(String),
}

/// Characters in a code.
pub(crate) const CODE_LENGTH: usize = 3;
/// A code starts with one of these, so that "1K7Q" can be read in one way alone. Nothing that looks like something else:
/// no I, L, O, U, and none of S, Z, B beside 5, 2, 8. No A and E, so that no word comes out.
pub(crate) const CODE_FIRST: &[u8] = b"CDFGHJKMNPQRTVWXY";
/// The other characters of a code.
pub(crate) const CODE_REST: &[u8] = b"CDFGHJKMNPQRTVWXY23456789";

/// Texts longer than this are prose.
const LONGEST: usize = 60;

/// Reads a text, or `None` when it is no answer in any way.
pub fn parse(text: &str) -> Option<Candidate> {
    if text.chars().count() > LONGEST {
        return None;
    }
    let tokens = tokens(text);
    let mut tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let action = leading_word(&mut tokens);
    // "K7Q 1" as well as "1 K7Q".
    if tokens.len() == 2 && is_code(tokens[0]) && number(tokens[1]).is_some() {
        tokens.swap(0, 1);
    }
    match action {
        None => {
            let digit = take_number(&mut tokens)?;
            Some(Candidate { ask: Ask::Digit(digit), code: code_of(&tokens).ok()? })
        }
        Some(action) => {
            let pointer =
                take_label(&mut tokens).map(Pointer::Label).or_else(|| take_number(&mut tokens).map(Pointer::Digit));
            Some(Candidate { ask: Ask::Word(action, pointer), code: code_of(&tokens).ok()? })
        }
    }
}

/// Upper-case words and numbers. "1K7Q" becomes "1", "K7Q".
fn tokens(text: &str) -> Vec<String> {
    let folded: String = text.chars().map(fold).collect();
    let mut out = Vec::new();
    for word in folded.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && digits < word.len() && is_code(&word[digits..]) {
            out.push(word[..digits].to_owned());
            out.push(word[digits..].to_owned());
        } else {
            out.push(word.to_owned());
        }
    }
    out
}

/// Upper case, and the digits of other keyboards as ASCII.
fn fold(letter: char) -> char {
    for zero in ['\u{0660}', '\u{06F0}', '\u{0966}', '\u{FF10}'] {
        let place = u32::from(letter).wrapping_sub(u32::from(zero));
        if let Some(digit) = char::from_digit(place, 10) {
            return digit;
        }
    }
    letter.to_ascii_uppercase()
}

fn leading_word(tokens: &mut Vec<&str>) -> Option<Action> {
    let action = match *tokens.first()? {
        "ACK" | "ACKNOWLEDGE" | "ACKNOWLEDGED" | "ACCEPT" | "MINE" => Action::Acknowledge,
        "PASS" | "NEXT" | "ESCALATE" => Action::PassOn,
        "RESOLVE" | "RESOLVED" | "CLOSE" | "CLOSED" => Action::Resolve,
        "UNDO" => Action::Undo,
        _ => return None,
    };
    tokens.remove(0);
    if action == Action::PassOn && tokens.first() == Some(&"ON") {
        tokens.remove(0);
    }
    Some(action)
}

fn number(token: &str) -> Option<u32> {
    let plain = (1..=4).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_digit());
    if plain { token.parse().ok().filter(|digit| *digit > 0) } else { None }
}

fn take_number(tokens: &mut Vec<&str>) -> Option<u32> {
    let digit = number(tokens.first()?)?;
    tokens.remove(0);
    Some(digit)
}

/// `A-1042` came apart at its hyphen, `A1042` did not.
fn take_label(tokens: &mut Vec<&str>) -> Option<String> {
    let first = *tokens.first()?;
    let (digits, used) = match first.strip_prefix('A')? {
        "" => (*tokens.get(1)?, 2),
        digits => (digits, 1),
    };
    if digits.len() > 12 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let label = format!("A-{digits}");
    tokens.drain(..used);
    Some(label)
}

fn is_code(token: &str) -> bool {
    token.len() == CODE_LENGTH
        && token.starts_with(|first: char| first.is_ascii_alphabetic())
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// There are words behind an answer that are no code.
struct Prose;

/// The code in what is left, perhaps typed with gaps; anything else makes the text no answer.
fn code_of(tokens: &[&str]) -> Result<Option<String>, Prose> {
    if tokens.is_empty() {
        return Ok(None);
    }
    let joined = tokens.concat();
    if is_code(&joined) { Ok(Some(joined)) } else { Err(Prose) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> String {
        match parse(text) {
            None => "nothing".into(),
            Some(Candidate { ask, code }) => {
                let ask = match ask {
                    Ask::Digit(digit) => digit.to_string(),
                    Ask::Word(action, None) => action.to_string(),
                    Ask::Word(action, Some(Pointer::Digit(digit))) => format!("{action} at {digit}"),
                    Ask::Word(action, Some(Pointer::Label(label))) => format!("{action} of {label}"),
                };
                code.map_or(ask.clone(), |code| format!("{ask}, code {code}"))
            }
        }
    }

    #[test]
    fn texts_and_what_they_mean() {
        for (text, meaning) in [
            ("1", "1"),
            (" 1 ", "1"),
            ("1.", "1"),
            ("\"1\"", "1"),
            ("#1!", "1"),
            ("01", "1"),
            ("12", "12"),
            ("١", "1"),
            ("２", "2"),
            ("1 K7Q", "1, code K7Q"),
            (" 1 k7q ", "1, code K7Q"),
            ("1K7Q", "1, code K7Q"),
            ("1k7q.", "1, code K7Q"),
            ("1-K7Q", "1, code K7Q"),
            ("1 k 7 q", "1, code K7Q"),
            ("K7Q 1", "1, code K7Q"),
            ("10KKK", "10, code KKK"),
            ("1\nK7Q", "1, code K7Q"),
            ("ack", "acknowledge"),
            ("ACK", "acknowledge"),
            ("Ack K7Q", "acknowledge, code K7Q"),
            ("ack 4", "acknowledge at 4"),
            ("ack 4 K7Q", "acknowledge at 4, code K7Q"),
            ("ack 4K7Q", "acknowledge at 4, code K7Q"),
            ("acknowledge A-1042", "acknowledge of A-1042"),
            ("acknowledged a1042 k7q", "acknowledge of A-1042, code K7Q"),
            ("pass", "pass on"),
            ("Pass on", "pass on"),
            ("pass on 5", "pass on at 5"),
            ("next", "pass on"),
            ("escalate K7Q", "pass on, code K7Q"),
            ("resolve", "resolve"),
            ("Closed.", "resolve"),
            ("undo", "undo"),
            ("UNDO K7Q", "undo, code K7Q"),
            ("undo 4", "undo at 4"),
        ] {
            assert_eq!(seen(text), meaning, "{text:?}");
        }
    }

    #[test]
    fn prose_is_no_answer() {
        for text in [
            "",
            "   ",
            "?",
            "0",
            "-",
            "yes",
            "2 people are on it",
            "1 hour late",
            "1 2",
            "1 1",
            "12345",
            "ack that I will not",
            "please pass",
            "undo everything",
            "K7Q",
            "1 K7QQ",
            "1 77Q",
            "STOP",
            "1\u{0}K7Q but a very long text that goes on and on, far beyond any answer",
        ] {
            assert_eq!(seen(text), "nothing", "{text:?}");
        }
    }

    proptest::proptest! {
        /// Strangers send anything: nothing panics, and what is read is inside its bounds.
        #[test]
        fn any_text_is_survived(text in "\\PC{0,80}") {
            if let Some(Candidate { ask: Ask::Digit(digit), .. }) = parse(&text) {
                proptest::prop_assert!((1..10_000).contains(&digit));
            }
        }

        /// Case, spaces and punctuation around a digit and a code change nothing.
        #[test]
        fn decoration_changes_nothing(digit in 1_u32..1000, lower in proptest::bool::ANY, pad in "[ .,!#\\-]{0,4}", gap in "[ .,\\-]{0,3}") {
            let code = if lower { "k7q" } else { "K7Q" };
            let text = format!("{pad}{digit}{gap}{code}{pad}");
            proptest::prop_assert_eq!(
                parse(&text),
                Some(Candidate { ask: Ask::Digit(digit), code: Some("K7Q".into()) })
            );
        }
    }
}
