//! Many rows into one statement. A plain `INSERT … VALUES (…)` for many rows becomes one with many rows, which costs
//! PostgreSQL a quarter of as many single ones; everything else is sent row by row without waiting in between.

use crate::dialect::{Piece, Pieces};

/// Rows of a large and of a small merged statement: two prepared texts serve every batch.
const LARGE: usize = 256;
const SMALL: usize = 16;
/// Parameters that the protocol can count.
const PARAMETERS: usize = 65_535;

/// An insert that can take several rows.
pub(super) struct Insert<'a> {
    /// Up to and including `VALUES`.
    head: &'a str,
    /// The parenthesised row.
    row: &'a str,
    /// What follows.
    tail: &'a str,
    parameters: usize,
}

impl<'a> Insert<'a> {
    /// Reads a statement; `None` when its rows must go one by one.
    pub(super) fn read(sql: &'a str, parameters: usize) -> Option<Self> {
        // Comments and literals could hold anything; such statements are few, and not on the hot path.
        let mut pieces = Pieces::new(sql);
        let Some(Piece::Code(code)) = pieces.next() else { return None };
        if pieces.next().is_some() || code.len() != sql.len() || parameters == 0 {
            return None;
        }
        let upper = sql.to_ascii_uppercase();
        if !upper.trim_start().starts_with("INSERT INTO ") || upper.matches("VALUES").count() != 1 {
            return None;
        }
        let open = upper.find("VALUES")? + "VALUES".len();
        let start = open + upper[open..].find('(')?;
        if !upper[open..start].trim().is_empty() {
            return None;
        }
        let mut depth = 0_i32;
        let end = sql[start..].char_indices().find_map(|(at, char)| {
            depth += match char {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            (depth == 0).then_some(start + at + 1)
        })?;
        let tail = upper[end..].trim();
        // An upsert may not meet one row twice in a statement, and a result has no place to go.
        let plain = tail.is_empty() || (tail.starts_with("ON CONFLICT") && tail.ends_with("DO NOTHING"));
        (plain && !tail.contains('$')).then(|| Self {
            head: &sql[..open],
            row: &sql[start..end],
            tail: &sql[end..],
            parameters,
        })
    }

    /// The statement for `rows` rows.
    pub(super) fn text(&self, rows: usize) -> String {
        let mut out = String::with_capacity(self.head.len() + rows * (self.row.len() + 8) + self.tail.len());
        out.push_str(self.head);
        for row in 0..rows {
            out.push_str(if row == 0 { " " } else { ", " });
            self.push_row(&mut out, row * self.parameters);
        }
        out.push_str(self.tail);
        out
    }

    /// How many of `left` rows the next statement takes.
    pub(super) fn step(&self, left: usize) -> usize {
        let large = LARGE.min(PARAMETERS / self.parameters);
        if left >= large {
            large
        } else if left >= SMALL && SMALL * self.parameters <= PARAMETERS {
            SMALL
        } else {
            1
        }
    }

    /// The row with its parameters counted from `offset`.
    fn push_row(&self, out: &mut String, offset: usize) {
        let mut rest = self.row;
        while let Some(at) = rest.find('$') {
            let (before, after) = rest.split_at(at + 1);
            out.push_str(before);
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let (number, after) = after.split_at(digits);
            match number.parse::<usize>() {
                Ok(number) => out.push_str(&(number + offset).to_string()),
                Err(_) => out.push_str(number),
            }
            rest = after;
        }
        out.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_insert_takes_several_rows() {
        let insert =
            Insert::read("INSERT INTO t (a, b) VALUES ($1, COALESCE($2, $1)) ON CONFLICT (a) DO NOTHING", 2).unwrap();
        assert_eq!(
            insert.text(3),
            "INSERT INTO t (a, b) VALUES ($1, COALESCE($2, $1)), ($3, COALESCE($4, $3)), ($5, COALESCE($6, $5)) ON CONFLICT (a) DO NOTHING"
        );
        assert_eq!((insert.step(1_000), insert.step(255), insert.step(15)), (256, 16, 1));
        let wide = Insert { parameters: 5_000, ..insert };
        assert_eq!((wide.step(1_000), wide.step(12)), (13, 1));
    }

    #[test]
    fn anything_else_goes_row_by_row() {
        for sql in [
            "UPDATE t SET a = $1",
            "INSERT INTO t (a) SELECT $1",
            "INSERT INTO t (a, b) VALUES ($1, 'x')",
            "INSERT INTO t (a) VALUES ($1) -- VALUES ($2)",
            "INSERT INTO t (a) VALUES ($1) RETURNING a",
            "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET b = 1",
            "INSERT INTO t (a) VALUES ($1), ($2)",
            "INSERT INTO t (a) VALUES ($1",
        ] {
            assert!(Insert::read(sql, 1).is_none(), "{sql}");
        }
        assert!(Insert::read("INSERT INTO t (a) VALUES (1)", 0).is_none());
    }
}
