//! Many rows into one statement: the columns of all rows travel as arrays, which the server unfolds. That costs PostgreSQL a fraction
//! of as many single statements, and one prepared text serves a batch of any size.

use std::error::Error as StdError;
use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

use super::types::Bound;
use crate::Value;
use crate::dialect::{Piece, Pieces};

/// A statement that can take several rows.
pub(super) struct Many<'a> {
    /// What goes before the unfolded rows, with its parameters.
    head: &'a str,
    /// Says where they come from.
    from: &'static str,
    /// What goes behind them, with its parameters.
    tail: &'a str,
    /// The values of an insert: they become a selection.
    values: Option<&'a str>,
}

impl<'a> Many<'a> {
    /// Reads a plain `INSERT … VALUES ($1, …)`, at most with `ON CONFLICT … DO NOTHING` behind it; `None` when its rows must go one by
    /// one.
    pub(super) fn insert(sql: &'a str) -> Option<Self> {
        let upper = plain(sql, "INSERT INTO ")?;
        if upper.matches("VALUES").count() != 1 {
            return None;
        }
        let open = upper.find("VALUES")?;
        let start = open + upper[open..].find('(')?;
        if !upper[open + "VALUES".len()..start].trim().is_empty() {
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
        let ends = tail.is_empty() || (tail.starts_with("ON CONFLICT") && tail.ends_with("DO NOTHING"));
        let values = Some(&sql[start + 1..end - 1]).filter(|values| values.contains('$'));
        (ends && !tail.contains('$') && values.is_some()).then_some(Self {
            head: &sql[..open],
            from: "FROM",
            tail: &sql[end..],
            values,
        })
    }

    /// Reads a plain `UPDATE … SET … WHERE …` or `DELETE FROM … WHERE …`. The caller knows that no two of its rows change the same one.
    pub(super) fn change(sql: &'a str) -> Option<Self> {
        let (upper, from) = match plain(sql, "UPDATE ") {
            Some(upper) => (upper, "FROM"),
            None => (plain(sql, "DELETE FROM ")?, "USING"),
        };
        let inner = ["SELECT", "RETURNING", " USING "].iter().any(|word| upper.contains(word));
        if inner || upper.matches("WHERE").count() != 1 || (from == "FROM" && upper.contains(" FROM ")) {
            return None;
        }
        let at = upper.find("WHERE")?;
        sql[at..].contains('$').then_some(Self { head: &sql[..at], from, tail: &sql[at..], values: None })
    }

    /// The statement for rows of these types.
    pub(super) fn text(&self, types: &[Type]) -> String {
        let mut out = String::with_capacity(self.head.len() + self.tail.len() + 64 + 24 * types.len());
        unfolded(&mut out, self.head);
        if let Some(values) = self.values {
            out.push_str("SELECT ");
            unfolded(&mut out, values);
            out.push(' ');
        }
        out.push_str(self.from);
        out.push_str(" unnest(");
        for (at, ty) in types.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}${}::{}[]", if at > 0 { ", " } else { "" }, at + 1, ty.name());
        }
        out.push_str(") AS v(");
        for at in 1..=types.len() {
            let _ = write!(out, "{}p{at}", if at > 1 { ", " } else { "" });
        }
        out.push_str(") ");
        unfolded(&mut out, self.tail);
        out
    }
}

/// The statement in capitals, when it begins so and holds no literal, quoted name or comment: such statements are few, and not on
/// the hot path.
fn plain(sql: &str, beginning: &str) -> Option<String> {
    let mut pieces = Pieces::new(sql);
    let Some(Piece::Code(code)) = pieces.next() else { return None };
    if pieces.next().is_some() || code.len() != sql.len() {
        return None;
    }
    let upper = sql.to_ascii_uppercase();
    upper.trim_start().starts_with(beginning).then_some(upper)
}

/// Text whose parameters are columns of the unfolded rows.
fn unfolded(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        out.push_str("v.p");
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// One parameter of all rows, as an array.
#[derive(Debug)]
pub(super) struct Column<'a> {
    pub(super) rows: &'a [Vec<Value<'a>>],
    pub(super) at: usize,
}

impl ToSql for Column<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let Kind::Array(each) = ty.kind() else { return Err(format!("{} is no array", ty.name()).into()) };
        let count = i32::try_from(self.rows.len())?;
        // One dimension, NULLs allowed, the type of each, how many, counted from 1.
        for word in [1, 1, i32::from_be_bytes(each.oid().to_be_bytes()), count, 1] {
            out.put_i32(word);
        }
        for row in self.rows {
            let place = out.len();
            out.put_i32(-1);
            if let IsNull::No = Bound(&row[self.at]).to_sql(each, out)? {
                let length = i32::try_from(out.len() - place - 4)?;
                out[place..place + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_insert_takes_several_rows() {
        let sql = "INSERT INTO t (a, b) VALUES ($1, COALESCE($2, $1)) ON CONFLICT (a) DO NOTHING";
        assert_eq!(
            Many::insert(sql).unwrap().text(&[Type::INT8, Type::TEXT]),
            "INSERT INTO t (a, b) SELECT v.p1, COALESCE(v.p2, v.p1) FROM unnest($1::int8[], $2::text[]) AS v(p1, p2)  ON CONFLICT (a) DO NOTHING"
        );
    }

    #[test]
    fn a_plain_change_takes_several_rows() {
        assert_eq!(
            Many::change("UPDATE t SET a = $2, n = n + 1 WHERE id = $1").unwrap().text(&[Type::INT8, Type::TEXT]),
            "UPDATE t SET a = v.p2, n = n + 1 FROM unnest($1::int8[], $2::text[]) AS v(p1, p2) WHERE id = v.p1"
        );
        assert_eq!(
            Many::change("DELETE FROM t WHERE id = $1").unwrap().text(&[Type::INT8]),
            "DELETE FROM t USING unnest($1::int8[]) AS v(p1) WHERE id = v.p1"
        );
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
            "INSERT INTO t (a) VALUES (1)",
        ] {
            assert!(Many::insert(sql).is_none(), "{sql}");
        }
        for sql in [
            "UPDATE t SET a = $1",
            "UPDATE t SET a = 'x' WHERE id = $1",
            "UPDATE t SET a = u.a FROM u WHERE u.id = $1",
            "UPDATE t SET a = 1 WHERE id IN (SELECT id FROM u WHERE a = $1)",
            "DELETE FROM t WHERE id = $1 RETURNING id",
            "DELETE FROM t",
            "SELECT a FROM t WHERE id = $1",
        ] {
            assert!(Many::change(sql).is_none(), "{sql}");
        }
    }
}
