//! What a reader may have meant by what they look for: a number, an id, or words.

/// What a reader may have meant.
#[derive(Debug, PartialEq, Eq)]
pub enum Meant {
    /// An alert by its number, beside anything else that these digits are in.
    Alert(i64),
    /// Anything by its id.
    Id(uuid::Uuid),
    /// A phone number.
    Number(sms::Number),
    /// Words.
    Words,
}

/// What `text` stands for.
pub fn meant(text: &str) -> Meant {
    if let Ok(id) = text.parse::<uuid::Uuid>() {
        return Meant::Id(id);
    }
    // A bare number of a few digits is an alert's; one with a plus or many digits is a phone's.
    if let Some(number) = alerts::parse_alert_name(text)
        && number < 10_000_000
        && !text.starts_with(['+', '0'])
    {
        return Meant::Alert(number);
    }
    let international =
        if text.starts_with('+') || text.starts_with("00") { text.to_owned() } else { format!("+{text}") };
    let telephonic = text.chars().all(|c| c.is_ascii_digit() || "+ -()/.".contains(c));
    match sms::Number::parse(&international, None) {
        Ok(number) if telephonic => Meant::Number(number),
        _ => Meant::Words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_ids_are_told_apart() {
        let id = "0192b6f4-7c1e-7a02-9d55-3be1f0a4c217";
        let phone = || Meant::Number(sms::Number::parse("+447700900117", None).unwrap());
        let cases = [
            ("A-1042", Meant::Alert(1042)),
            ("a-7", Meant::Alert(7)),
            ("1042", Meant::Alert(1042)),
            ("+447700900117", phone()),
            ("+44 7700 900-117", phone()),
            ("447700900117", phone()),
            ("00447700900117", phone()),
            ("0192", Meant::Words),
            ("lag", Meant::Words),
            ("", Meant::Words),
            (id, Meant::Id(id.parse().unwrap())),
        ];
        for (text, expected) in cases {
            assert_eq!(meant(text), expected, "{text}");
        }
    }
}
