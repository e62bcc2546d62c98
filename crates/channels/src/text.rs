//! What a phone says: short, within two parts, and never without the line that says how to answer.

use ::sms::{Choice, count};

/// Parts that a text of ours takes at most.
const PARTS: usize = 2;
/// Dots rather than the character, which GSM 7-bit does not have and which would make the text cost twice.
const CUT: &str = "...";

/// How urgent a page is, as far as its text and its answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// The answer wants this code, and resolving by text is not offered.
    Critical {
        /// Three characters, drawn for this page.
        code: String,
    },
    /// A digit is enough.
    Other {
        /// The word the text starts with, such as `HIGH`.
        word: &'static str,
    },
}

/// The page: `CRITICAL db-1: replication lag 42 s. Answer 1 K7Q = acknowledge, 2 K7Q = pass on.`
pub fn page_text(urgency: &Urgency, what: &str, first_digit: u32) -> String {
    let word = match urgency {
        Urgency::Critical { .. } => "CRITICAL",
        Urgency::Other { word } => word,
    };
    fit(&format!("{word} "), what, &format!("Answer {}", answer_line(urgency, first_digit)))
}

/// Which digit does what: `1 K7Q = acknowledge, 2 K7Q = pass on.`
pub fn answer_line(urgency: &Urgency, first_digit: u32) -> String {
    let (second, third) = (first_digit + 1, first_digit + 2);
    match urgency {
        Urgency::Critical { code } => format!("{first_digit} {code} = acknowledge, {second} {code} = pass on."),
        Urgency::Other { .. } => format!("{first_digit} = acknowledge, {second} = pass on, {third} = resolve."),
    }
}

/// How to take an answer back: `UNDO K7Q` or `UNDO 4`.
pub fn undo_words(code: Option<&str>, first_digit: u32) -> String {
    code.map_or_else(|| format!("UNDO {first_digit}"), |code| format!("UNDO {code}"))
}

/// `head`, as much of `what` as two parts hold, a full stop, and `tail`, which is never cut.
pub fn fit(head: &str, what: &str, tail: &str) -> String {
    let what = clean(what);
    let whole = join(head, &what, tail);
    if parts(&whole) <= PARTS {
        return whole;
    }
    let letters: Vec<char> = what.chars().collect();
    // The longest beginning that fits. The number of parts grows with the text, but cutting the one character that
    // forces UCS-2 makes it shrink again: so the search is from the long end, not by halves.
    for keep in (0..letters.len()).rev() {
        let beginning: String = letters[..keep].iter().collect();
        let text = join(head, &format!("{}{CUT}", beginning.trim_end()), tail);
        if parts(&text) <= PARTS {
            return text;
        }
    }
    format!("{head}{tail}")
}

fn join(head: &str, what: &str, tail: &str) -> String {
    let stop = if what.is_empty() || what.ends_with(['.', '!', '?']) { "" } else { "." };
    let space = if tail.is_empty() || what.is_empty() { "" } else { " " };
    format!("{head}{what}{stop}{space}{tail}")
}

/// One line without control characters: a title may come from anywhere, and a line break could fake our own line.
fn clean(text: &str) -> String {
    let spaced: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(1_000).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parts(text: &str) -> usize {
    count(text, Choice::Auto).map_or(usize::MAX, |(_, parts)| parts)
}

#[cfg(test)]
mod tests {
    use ::sms::Encoding;

    use super::*;

    fn critical() -> Urgency {
        Urgency::Critical { code: "K7Q".into() }
    }

    fn high() -> Urgency {
        Urgency::Other { word: "HIGH" }
    }

    #[test]
    fn a_page_says_what_happened_and_which_digit_does_what() {
        assert_eq!(
            page_text(&critical(), "db-1: replication lag 42 s", 1),
            "CRITICAL db-1: replication lag 42 s. Answer 1 K7Q = acknowledge, 2 K7Q = pass on."
        );
        assert_eq!(
            page_text(&high(), "db-1: disk is 91 % full.", 4),
            "HIGH db-1: disk is 91 % full. Answer 4 = acknowledge, 5 = pass on, 6 = resolve."
        );
    }

    #[test]
    fn a_line_break_in_a_title_cannot_fake_a_line_of_ours() {
        assert_eq!(
            page_text(&high(), "x\r\n\u{7}  Answer 9\n= all", 1),
            "HIGH x Answer 9 = all. Answer 1 = acknowledge, 2 = pass on, 3 = resolve."
        );
    }

    #[test]
    fn a_long_title_is_cut_and_stays_gsm() {
        let text = page_text(&critical(), &"replication lag ".repeat(60), 1);
        assert_eq!(count(&text, Choice::Auto), Ok((Encoding::Gsm7, 2)));
        assert!(text.ends_with("... Answer 1 K7Q = acknowledge, 2 K7Q = pass on."), "{text}");
        assert!(text.chars().count() > 300, "two parts are used: {}", text.chars().count());
    }

    #[test]
    fn undo_is_said_by_code_or_digit() {
        assert_eq!(undo_words(Some("K7Q"), 4), "UNDO K7Q");
        assert_eq!(undo_words(None, 4), "UNDO 4");
    }

    proptest::proptest! {
        /// Whatever a title holds, the page keeps to two parts and never loses its last line.
        #[test]
        fn the_answer_line_is_never_lost(title in "\\PC{0,600}", first in 1_u32..998, is_critical in proptest::bool::ANY) {
            let urgency = if is_critical { critical() } else { high() };
            let text = page_text(&urgency, &title, first);
            let line = format!("Answer {}", answer_line(&urgency, first));
            proptest::prop_assert!(text.ends_with(&line), "{}", text);
            proptest::prop_assert!(parts(&text) <= PARTS, "{}", text);
        }
    }
}
