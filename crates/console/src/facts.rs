//! Small view models that several pages share.

/// A line of a list of facts.
#[derive(Clone, Debug, Default)]
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// The value, as it may be shown to this reader.
    pub value: String,
    /// Where it leads.
    pub href: Option<String>,
    /// Whether that is outside of this server.
    pub outside: bool,
    /// Whether it is an id, a key or a number.
    pub mono: bool,
}

impl Fact {
    /// A plain fact.
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), ..Self::default() }
    }

    /// An id, key or number.
    pub fn mono(name: &'static str, value: impl Into<String>) -> Self {
        Self { mono: true, ..Self::new(name, value) }
    }

    /// A fact that leads somewhere on this server.
    pub fn link(name: &'static str, value: impl Into<String>, href: impl Into<String>) -> Self {
        Self { href: Some(href.into()), ..Self::new(name, value) }
    }

    /// A link to another server; shown as text unless it is https.
    pub fn outside(name: &'static str, url: &str) -> Self {
        let href = url.starts_with("https://").then(|| url.to_owned());
        Self { href, outside: true, ..Self::new(name, url) }
    }
}

/// A choice of a select, a filter or a set of buttons.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub name: String,
    /// Where it leads, for links.
    pub href: String,
    /// Whether it is the one in force.
    pub current: bool,
}

/// Choices for a select, with the one in force marked.
pub fn choices(all: &[(&str, &str)], current: &str) -> Vec<Choice> {
    all.iter()
        .map(|(value, name)| Choice {
            value: (*value).to_owned(),
            name: (*name).to_owned(),
            href: String::new(),
            current: *value == current,
        })
        .collect()
}

/// What can be chosen, with the one that is stored: names are the same however they are written, and one that is not offered to
/// this reader stays what it is. Else saving the form would give a role everywhere, or take it away.
pub fn chosen<'a>(
    none: (&'a str, &'a str),
    offered: impl Iterator<Item = (&'a str, &'a str)>,
    stored: Option<&'a String>,
) -> Vec<Choice> {
    let stored = stored.map_or("", String::as_str);
    let mut all: Vec<(&str, &str)> = std::iter::once(none).chain(offered).collect();
    let same = |value: &str| value.to_lowercase() == stored.to_lowercase();
    let current = all.iter().map(|(value, _)| *value).find(|value| same(value)).unwrap_or(stored);
    if current == stored && !all.iter().any(|(value, _)| *value == stored) {
        all.push((stored, stored));
    }
    choices(&all, current)
}

/// A stretch of a sentence; code stands between backticks in a record.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The words.
    pub text: String,
    /// Whether they are code.
    pub code: bool,
}

/// The stretches of a sentence of a record.
pub fn pieces(sentence: &str) -> Vec<Piece> {
    let parts = sentence.split('`').enumerate();
    parts
        .map(|(at, text)| Piece { text: text.to_owned(), code: at % 2 == 1 })
        .filter(|one| !one.text.is_empty())
        .collect()
}

/// `A4:2B 29:AD …`: in pairs, so that it wraps between them and can be compared by eye.
pub fn paired(fingerprint: &str) -> String {
    let bytes: Vec<&str> = fingerprint.split(':').collect();
    bytes.chunks(2).map(|pair| pair.join(":")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_wraps_between_pairs() {
        assert_eq!(paired("A4:2B:29:AD:00"), "A4:2B 29:AD 00");
    }

    #[test]
    fn only_https_leads_outside() {
        assert!(Fact::outside("Read on", "https://runbooks.example.com/db").href.is_some());
        for bad in ["javascript:alert(1)", "http://runbooks.example.com", "data:text/html,x", ""] {
            assert!(Fact::outside("Read on", bad).href.is_none(), "{bad}");
        }
    }

    #[test]
    fn code_stands_between_backticks() {
        let pieces: Vec<_> =
            pieces("`page`, create alert: `x == 1` is true.").into_iter().map(|one| (one.text, one.code)).collect();
        let own = |text: &str, code| (text.to_owned(), code);
        assert_eq!(
            pieces,
            [own("page", true), own(", create alert: ", false), own("x == 1", true), own(" is true.", false)]
        );
    }
}
