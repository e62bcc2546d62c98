//! The known word that a mistyped one was probably meant to be.

/// The candidate with the least edit distance (Levenshtein) to `word`; the empty text when there is none.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> &'a str {
    candidates.into_iter().min_by_key(|candidate| distance(word, candidate)).unwrap_or_default()
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_the_one_that_was_meant() {
        assert_eq!(nearest("adress", ["name", "address", "tls"]), "address");
        assert_eq!(nearest("listn", ["listen", "level"]), "listen");
        assert_eq!(nearest("x", []), "");
    }
}
