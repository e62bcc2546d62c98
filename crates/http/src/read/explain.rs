//! What a reader says about wrong input, turned into what is wrong, what is allowed, and what to do.

use base::{Problem, ProblemKind, nearest};

/// Words in a list of what is allowed.
const LISTED: usize = 40;

/// The problem behind a reader's message (serde's, for JSON, forms and queries). `place` is where, as `a.b[2].c`; for what the
/// message names itself that is found in it.
pub(super) fn explain(code: &'static str, message: &str, place: &str) -> Problem {
    let (message, position) = split_position(message);
    let quoted = quoted(message);
    let at = |place: &str, problem: Problem| if place.is_empty() { problem } else { problem.at(place) };
    let invalid = |detail: String| Problem::new(ProblemKind::Invalid, code, detail);
    // The name of the field that was asked for, and what was said about its value.
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let name = rest.split('`').next().unwrap_or_default();
        let known: Vec<&str> = quoted.iter().skip(1).copied().collect();
        let limit = if known.is_empty() { "no fields".to_owned() } else { list(&known) };
        let remedy = match nearest(name, known.iter().copied()) {
            "" => "Leave it out.".to_owned(),
            near => format!("Did you mean `{near}`? Otherwise leave it out."),
        };
        let place = if ends_with(place, name) { place.to_owned() } else { name.to_owned() };
        let detail = format!("The field `{name}` is not known here. {remedy}");
        return invalid(detail).at(place).limited(format!("known: {limit}")).remedy(remedy);
    }
    if let Some(rest) = message.strip_prefix("missing field `") {
        let name = rest.split('`').next().unwrap_or_default();
        let place = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
        let remedy = format!("Add the field `{name}`.");
        return invalid(format!("The field `{name}` is missing. {remedy}"))
            .at(place)
            .limited("required")
            .remedy(remedy);
    }
    let (field, said) = of_field(message);
    let place = field.map_or_else(|| place.to_owned(), str::to_owned);
    if let Some(rest) = said.strip_prefix("unknown variant `") {
        let word = rest.split('`').next().unwrap_or_default();
        let known: Vec<&str> = self::quoted(said).into_iter().skip(1).collect();
        let remedy = match nearest(word, known.iter().copied()) {
            "" => "Leave it out.".to_owned(),
            near => format!("Did you mean `{near}`?"),
        };
        let what = if place.is_empty() { "The value".to_owned() } else { format!("The value of `{place}`") };
        let detail = format!("{what} is none of those known. {remedy}");
        return at(&place, invalid(detail).limited(format!("one of: {}", list(&known))).remedy(remedy));
    }
    let detail = format!("{}{position}.", capital(message));
    match said.split_once("expected ") {
        Some((_, expected)) => {
            let expected = plain(expected);
            at(&place, invalid(detail).limited(&expected).remedy(format!("Send {expected}.")))
        }
        None => match said.split_once("must be ") {
            Some((_, expected)) => at(&place, invalid(detail).limited(expected).remedy(format!("Send {expected}."))),
            None => at(&place, invalid(detail)),
        },
    }
}

/// serde's names of types in words that people use.
fn plain(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" | "u64" | "usize" => "a whole number, not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "a string" | "string" => "a text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other.starts_with("struct ") || other == "a map" => "an object".to_owned(),
        other => other.to_owned(),
    }
}

/// A message about one field: its name, and what is said about it.
fn of_field(message: &str) -> (Option<&str>, &str) {
    let Some(rest) = message.strip_prefix("the field `") else { return (None, message) };
    let Some((name, said)) = rest.split_once('`') else { return (None, message) };
    (Some(name), said.trim_start_matches([':', ' ']))
}

/// `at line 1 column 21`, which some readers append.
fn split_position(message: &str) -> (&str, &str) {
    message.rfind(" at line ").map_or((message, ""), |at| message.split_at(at))
}

fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

fn list(words: &[&str]) -> String {
    let more = if words.len() > LISTED { ", …" } else { "" };
    format!("{}{more}", words.iter().take(LISTED).copied().collect::<Vec<_>>().join(", "))
}

fn ends_with(place: &str, name: &str) -> bool {
    place.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str, place: &str) -> (String, String, String) {
        let problem = explain("invalid-json", message, place);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        (text(problem.field.as_deref()), text(problem.allowed()), text(problem.what_to_do()))
    }

    #[test]
    fn an_unknown_field_names_its_nearest() {
        let (field, limit, remedy) =
            said("unknown field `titel`, expected one of `title`, `text` at line 1 column 9", "a[0].titel");
        assert_eq!((field.as_str(), limit.as_str()), ("a[0].titel", "known: title, text"));
        assert_eq!(remedy, "Did you mean `title`? Otherwise leave it out.");
        assert_eq!(said("unknown field `x`, there are no fields", "").1, "known: no fields");
    }

    #[test]
    fn a_wrong_word_or_type_says_what_is_allowed() {
        assert_eq!(
            said("the field `state`: unknown variant `opened`, expected `open` or `resolved`", ""),
            ("state".into(), "one of: open, resolved".into(), "Did you mean `open`?".into())
        );
        assert_eq!(
            said("invalid type: string \"x\", expected u32 at line 2 column 3", "a.count"),
            ("a.count".into(), "a whole number, not negative".into(), "Send a whole number, not negative.".into())
        );
        assert_eq!(said("missing field `name` at line 1 column 2", "users[1]").0, "users[1].name");
        assert_eq!(said("the field `limit` must be a whole number", "").1, "a whole number");
    }
}
