//! What is different between two versions, line by line.

use resources::{Difference, Line, Op};

/// One line of a difference.
pub struct Changed {
    /// How it is drawn.
    pub class: &'static str,
    /// Before the line, for those who see no colours.
    pub sign: &'static str,
    /// The same for a screen reader.
    pub word: &'static str,
    /// Which field.
    pub path: String,
    /// What it says, or that it is not shown.
    pub value: String,
}

/// A difference as lines that are taken away and added.
pub fn lines(difference: &Difference) -> Vec<Changed> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not shown)".to_owned());
    let mut out = Vec::new();
    for Line { op, path, old, new, .. } in &difference.0 {
        let removed = || Changed { class: "del", sign: "−", word: "removed", path: path.clone(), value: value(old) };
        let added = || Changed { class: "add", sign: "+", word: "added", path: path.clone(), value: value(new) };
        match op {
            Op::Removed => out.push(removed()),
            Op::Added => out.push(added()),
            Op::Changed if old.is_none() && new.is_none() => out.push(Changed {
                class: "add",
                sign: "~",
                word: "changed",
                path: path.clone(),
                value: "(changed, not shown)".to_owned(),
            }),
            Op::Changed => out.extend([removed(), added()]),
        }
    }
    out
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::testing::HOSTILE;

    pub fn difference() -> Difference {
        serde_json::from_value(serde_json::json!([
            { "op": "changed", "path": "motto", "old": HOSTILE, "new": "b" },
            { "op": "added", "path": "members[1].user", "sensitive": true },
            { "op": "changed", "path": "password" },
        ]))
        .unwrap()
    }

    #[test]
    fn a_difference_reads_as_lines_out_and_in() {
        let said: Vec<_> = lines(&difference()).into_iter().map(|line| (line.sign, line.value)).collect();
        let own = |sign, value: &str| (sign, value.to_owned());
        assert_eq!(said, [own("−", HOSTILE), own("+", "b"), own("+", "(not shown)"), own("~", "(changed, not shown)")]);
    }
}
