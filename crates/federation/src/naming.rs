//! What identity providers and directories are called: a name that stands in addresses, and a label for people.

use resources::Check;

/// Bytes of a name at most.
const NAME: usize = 40;
/// Characters of a label at most.
const LABEL: usize = 60;

/// Notes what is wrong with the fields `name` and `label`; `example` is a name as people would give one.
pub fn check_name_and_label(name: &str, label: &str, example: &str, check: &mut Check<'_, '_>) {
    if !name_fits(name) {
        let words = format!("a name has 1 to {NAME} lower-case letters, digits and hyphens, such as {example}");
        check.problem("name", "bad-name", words);
    }
    if !label_fits(label) {
        let words = format!("a label has at most {LABEL} characters, and no line breaks or other control characters");
        check.problem("label", "bad-label", words);
    }
}

fn name_fits(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME).contains(&name.len()) && name.bytes().all(plain)
}

fn label_fits(label: &str) -> bool {
    label.chars().count() <= LABEL && !label.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_addresses_and_labels_are_one_line() {
        for name in ["entra", "okta-2", "a", &"x".repeat(NAME)] {
            assert!(name_fits(name), "{name}");
        }
        for name in ["", "Entra", "a b", "a/b", "a_b", "é", "a.b", &"x".repeat(NAME + 1)] {
            assert!(!name_fits(name), "{name}");
        }
        for label in ["", "Entra ID", &"é".repeat(LABEL)] {
            assert!(label_fits(label), "{label}");
        }
        for label in ["a\nb", "a\0", &"é".repeat(LABEL + 1)] {
            assert!(!label_fits(label), "{label:?}");
        }
    }
}
