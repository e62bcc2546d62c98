//! Passwords that are guessed first. Three sources: `data/most-used-passwords.bin`, more than a hundred thousand of the most used ones as
//! hashes; `data/common-passwords.txt`, a list of long common phrases, keyboard walks and sequences that are above the minimum
//! length; and zxcvbn's own frequency lists, used through its estimate. See `data/README.md`.

use std::collections::HashSet;
use std::sync::LazyLock;

static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../data/common-passwords.txt")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
});

/// Bytes of a hash that are kept: of a good password one in a million millions meets one of them by chance.
const WIDTH: usize = 5;

/// The most used passwords, folded, as the first bytes of their SHA-256, sorted.
fn most_used() -> &'static [[u8; WIDTH]] {
    include_bytes!("../data/most-used-passwords.bin").as_chunks().0
}

/// Whether a folded password is one of the most used.
fn is_most_used(folded: &str) -> bool {
    let hash = crypto::sha256(folded.as_bytes());
    hash.first_chunk::<WIDTH>().is_some_and(|wanted| most_used().binary_search(wanted).is_ok())
}

/// Names of the product, which nobody's password shall be made of.
const PRODUCT: [&str; 4] = ["loudhailer", "loud", "hailer", "pager"];

/// Whether the password, in any of its usual disguises, is on the list.
pub(crate) fn is_common(password: &str) -> bool {
    let plain = fold(password);
    let letters: String = undisguise(&plain);
    let stripped = |text: &str| text.trim_end_matches(|c: char| !c.is_alphabetic()).to_owned();
    [plain.clone(), letters.clone(), stripped(&plain), stripped(&letters)]
        .iter()
        .any(|form| COMMON.contains(form.as_str()) || is_most_used(form) || is_repeated(form))
}

/// Whether the password is little more than `words` put together: fewer than eight other letters remain.
pub(crate) fn is_made_of(password: &str, words: &[String]) -> bool {
    let mut rest = undisguise(&fold(password));
    let mut found = false;
    for word in words.iter().filter(|word| word.chars().count() >= 3) {
        let word = undisguise(&fold(word));
        if !word.is_empty() && rest.contains(&word) {
            found = true;
            rest = rest.replace(&word, "");
        }
    }
    found && rest.chars().filter(|c| c.is_alphabetic()).count() < 8
}

/// The words in what is known about somebody, longest first, with the product's names.
pub(crate) fn words(known: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = PRODUCT.iter().map(|word| (*word).to_owned()).collect();
    for text in known {
        let text = text.to_lowercase();
        out.extend(
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 3).map(str::to_owned),
        );
        out.push(text);
    }
    out.sort_by_key(|word| std::cmp::Reverse(word.len()));
    out.dedup();
    out
}

/// Lower case, without spaces and punctuation.
fn fold(text: &str) -> String {
    text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The letters that digits and signs stand for in the usual disguises.
fn undisguise(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' => 'i',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            '8' => 'b',
            other => other,
        })
        .collect()
}

/// A short piece over and over.
fn is_repeated(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    letters.len() >= 8
        && (1..=letters.len() / 2).any(|piece| {
            // A piece long enough to be a passphrase of its own may come twice.
            piece < 12 && letters.iter().enumerate().all(|(at, c)| *c == letters[at % piece])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_do_not_help() {
        for password in ["p4ssw0rd-p4ssw0rd", "Iloveyou Iloveyou!", "1qaz2wsx3edc4rfv", "letmein letmein 99"] {
            assert!(is_common(password), "{password}");
        }
        assert!(!is_common("velvet cactus monday rowing"));
    }

    #[test]
    fn the_list_is_folded_and_long_enough_to_matter() {
        assert!(COMMON.len() > 150);
        for line in COMMON.iter() {
            assert_eq!(fold(line), **line, "{line}: the list holds folded forms");
        }
    }

    /// a common list of 100,000 at least is shipped, and each of it is known.
    #[test]
    fn x_10_a_hundred_thousand_of_the_most_used_passwords_are_known() {
        let list = most_used();
        assert!(list.len() >= 100_000, "{}", list.len());
        assert_eq!(include_bytes!("../data/most-used-passwords.bin").len(), list.len() * WIDTH, "nothing is cut off");
        assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
        for used in ["123456789", "Password1", "sunshine1", "football", "1q2w3e4r5t", "trustno1"] {
            assert!(is_common(used), "{used}");
        }
        for other in ["velvet cactus", "kx7#qvw9zt!b", "grün wiese zaun"] {
            assert!(!is_common(other), "{other}");
        }
    }

    #[test]
    fn what_is_known_about_a_person_is_no_password() {
        let words = words(&["Ada Sample", "ada@example.com"]);
        assert!(is_made_of("Ada.Sample.2026!", &words));
        assert!(is_made_of("L0udHailer-ada-123", &words));
        assert!(!is_made_of("ada rides velvet cactus", &words));
    }
}
