//! Masks: what personal values look like to those who may not read them.

use std::net::IpAddr;

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

/// `192.0.2.7` becomes `192.0.2.•`, and `2001:db8:7::1` `2001:db8:7:•`: the network stays, the machine in it does not.
pub fn mask_ip(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            format!("{first}.{second}.{third}.•")
        }
        IpAddr::V6(address) => {
            let [first, second, third, ..] = address.segments();
            format!("{first:x}:{second:x}:{third:x}:•")
        }
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
        assert_eq!(mask_ip("192.0.2.7".parse().unwrap()), "192.0.2.•");
        assert_eq!(mask_ip("2001:db8:7::1".parse().unwrap()), "2001:db8:7:•");
        assert_eq!(mask_text("secret"), "••• (6 characters)");
    }
}
