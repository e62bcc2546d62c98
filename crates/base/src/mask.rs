//! Masks: what personal values look like to those who may not read them.

/// `+447700900117` becomes `+44 77•• ••• 117`: country and last three digits stay, for a person to recognise.
pub fn mask_phone(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < 7 {
        return "•••".to_owned();
    }
    let hidden = digits.len() - 7;
    let mut out = String::from("+");
    out.extend(&digits[..2]);
    out.push(' ');
    out.extend(&digits[2..4]);
    for place in 0..hidden {
        if place == 2 || (place > 2 && (place - 2) % 3 == 0) {
            out.push(' ');
        }
        out.push('•');
    }
    out.push(' ');
    out.extend(&digits[digits.len() - 3..]);
    out
}

/// `dina@example.com` becomes `d•••@example.com`.
pub fn mask_email(address: &str) -> String {
    match address.split_once('@') {
        Some((local, domain)) => {
            let first = local.chars().next().map(String::from).unwrap_or_default();
            format!("{first}•••@{domain}")
        }
        None => "•••".to_owned(),
    }
}

/// A text without its words: only how long it was.
pub fn mask_text(text: &str) -> String {
    format!("••• ({} characters)", text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_what_a_person_recognises_and_nothing_more() {
        assert_eq!(mask_phone("+447700900117"), "+44 77•• ••• 117");
        assert_eq!(mask_phone("12345"), "•••");
        assert_eq!(mask_email("dina@example.com"), "d•••@example.com");
        assert_eq!(mask_text("secret"), "••• (6 characters)");
    }
}
