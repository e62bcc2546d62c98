//! Strangers' texts, before they are kept.

/// A stranger's text, cut and without control characters.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(limit).collect()
}
