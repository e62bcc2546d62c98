//! The differences between the two databases that reach SQL text, each under a name. A room that needs another one
//! adds a method here; nothing else asks which database it is talking to.

/// Which database a store runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The embedded database: one file, one process.
    Sqlite,
    /// PostgreSQL 15 or newer: several nodes.
    Postgres,
}

impl Dialect {
    /// What a claiming SELECT ends with, so that nodes claim past each other. SQLite has one writer anyway. Put that
    /// SELECT into `WITH due AS MATERIALIZED (…)`: elsewhere PostgreSQL may run it more than once for one statement,
    /// and then it locks more rows than its `LIMIT`.
    pub const fn skip_locked(self) -> &'static str {
        self.pick("", " FOR UPDATE SKIP LOCKED")
    }

    /// What a SELECT ends with whose rows this transaction is about to change.
    pub const fn for_update(self) -> &'static str {
        self.pick("", " FOR UPDATE")
    }

    /// What a SELECT ends with whose rows must not change until this transaction ends.
    pub const fn for_share(self) -> &'static str {
        self.pick("", " FOR SHARE")
    }

    /// The scalar function for the smaller of two values.
    pub const fn least(self) -> &'static str {
        self.pick("MIN", "LEAST")
    }

    /// The scalar function for the greater of two values.
    pub const fn greatest(self) -> &'static str {
        self.pick("MAX", "GREATEST")
    }

    /// One of two texts: for statements that cannot be written once.
    pub const fn pick<'a>(self, sqlite: &'a str, postgres: &'a str) -> &'a str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.pick("SQLite", "PostgreSQL"))
    }
}

/// Turns `$1` into `?1`, which is how SQLite counts parameters. Texts, quoted names and comments stay as they are.
pub(crate) fn sqlite_placeholders(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    for piece in Pieces::new(sql) {
        match piece {
            Piece::Code(code) => {
                let mut chars = code.chars().peekable();
                while let Some(char) = chars.next() {
                    let number_follows = chars.peek().is_some_and(char::is_ascii_digit);
                    out.push(if char == '$' && number_follows { '?' } else { char });
                }
            }
            Piece::Verbatim(text) => out.push_str(text),
        }
    }
    out
}

/// A stretch of SQL text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Keywords, names, numbers, operators, white space.
    Code(&'a str),
    /// A string literal, a quoted name or a comment, with its marks.
    Verbatim(&'a str),
}

/// Cuts SQL text into code and what must not be touched.
pub(crate) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    pub(crate) const fn new(sql: &'a str) -> Self {
        Self { rest: sql }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let verbatim = verbatim_length(self.rest);
        if verbatim > 0 {
            let (text, rest) = self.rest.split_at(verbatim);
            self.rest = rest;
            return Some(Piece::Verbatim(text));
        }
        let end = self
            .rest
            .char_indices()
            .skip(1)
            .find(|(at, _)| verbatim_length(&self.rest[*at..]) > 0)
            .map_or(self.rest.len(), |(at, _)| at);
        let (code, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(Piece::Code(code))
    }
}

/// How long the literal, quoted name or comment is that `text` starts with; 0 when it starts with code.
fn verbatim_length(text: &str) -> usize {
    let until = |from: usize, end: &str| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    match text.as_bytes() {
        // A doubled quote inside starts a second literal right behind the first: the same result.
        [b'\'', ..] => until(1, "'"),
        [b'"', ..] => until(1, "\""),
        [b'-', b'-', ..] => until(2, "\n"),
        [b'/', b'*', ..] => until(2, "*/"),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_change_only_where_they_are_placeholders() {
        let check = |sql: &str, expected: &str| assert_eq!(sqlite_placeholders(sql), expected);
        check("SELECT $1, $12 FROM t", "SELECT ?1, ?12 FROM t");
        check("SELECT '$1', \"$2\", $3", "SELECT '$1', \"$2\", ?3");
        check("SELECT 'it''s $1' || $1", "SELECT 'it''s $1' || ?1");
        check("SELECT $1 -- costs $2\n, $2", "SELECT ?1 -- costs $2\n, ?2");
        check("SELECT /* $1 */ $1, '…' || $2", "SELECT /* $1 */ ?1, '…' || ?2");
        check("SELECT 'never closed $1", "SELECT 'never closed $1");
        check("SELECT $x, 5 $ 1", "SELECT $x, 5 $ 1");
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_text_nothing_is_lost_and_nothing_quoted_is_touched(sql in "[a$1'\"/*;\n -]{0,40}") {
            let (mut joined, mut quoted) = (String::new(), Vec::new());
            for piece in Pieces::new(&sql) {
                match piece {
                    Piece::Code(text) => joined.push_str(text),
                    Piece::Verbatim(text) => { joined.push_str(text); quoted.push(text.to_owned()); }
                }
            }
            assert_eq!(joined, sql);
            let translated = sqlite_placeholders(&sql);
            assert_eq!(translated.len(), sql.len());
            let still: Vec<String> = Pieces::new(&translated)
                .filter_map(|piece| match piece { Piece::Verbatim(text) => Some(text.to_owned()), Piece::Code(_) => None })
                .collect();
            assert_eq!(still, quoted);
        }
    }

    #[test]
    fn no_text_is_lost_when_it_is_cut() {
        for sql in ["", "'", "--", "a'b'c\"d\"--e\nf/*g*/h", "/*", "''''"] {
            let joined: String = Pieces::new(sql)
                .map(|piece| match piece {
                    Piece::Code(text) | Piece::Verbatim(text) => text,
                })
                .collect();
            assert_eq!(joined, sql);
        }
    }
}
