//! Strangers' texts, before they are kept.

/// Characters of one that are kept.
const LIMIT: usize = 200;

/// A stranger's text, cut and without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LIMIT).collect()
}
