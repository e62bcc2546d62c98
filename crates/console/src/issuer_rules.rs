//! The rules of an issuer of tokens as lines of a form: `sub = repo:acme/*; ref = main -> messages:send signals:send`. What a line
//! says is taken whole or refused: a claim that is left out makes a rule wider than its writer meant.

use identity::IssuerRule;
use resources::Json;

use crate::page::Wrong;

/// What divides a line; with `\` before it, it stands for itself.
const SIGNS: [char; 3] = [';', '=', '\\'];

/// A rule as a line of the form.
pub fn rule_line(rule: &IssuerRule) -> String {
    let claims: Vec<String> = rule
        .claims
        .iter()
        .map(|(name, value)| format!("{} = {}", escaped(name, &SIGNS), escaped(value, &[';', '\\'])))
        .collect();
    format!("{} -> {}", claims.join("; "), rule.scopes.join(" "))
}

/// The rules of the lines; empty lines are none.
pub fn rules(lines: &str) -> Result<Vec<Json>, Wrong> {
    let lines = lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| rule(line).map_err(|why| Wrong::one("rules", format!("Line {}: {why}", at + 1)))).collect()
}

/// The rule of a line. Which rights there are is for the kind to say, also when there are none.
fn rule(line: &str) -> Result<Json, String> {
    let (claims, scopes) = line.rsplit_once("->").unwrap_or((line, ""));
    let mut read = serde_json::Map::new();
    for part in split(claims, ';') {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let none = || format!("“{part}” is no claim = value.");
        let [name, value] = split(part, '=')[..] else { return Err(none()) };
        let (name, value) = (meant(name.trim()).ok_or_else(none)?, meant(value.trim()).ok_or_else(none)?);
        if name.is_empty() || value.is_empty() {
            return Err(none());
        }
        if read.insert(name, value.into()).is_some() {
            return Err(format!("“{part}” is no claim = value of its own: the claim stands there twice."));
        }
    }
    Ok(serde_json::json!({ "claims": read, "scopes": scopes.split_whitespace().collect::<Vec<_>>() }))
}

/// The text between signs that stand for nothing but themselves; `=` divides once, since values hold it.
fn split(text: &str, sign: char) -> Vec<&str> {
    let (mut parts, mut from, mut literal) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        if !literal && letter == sign && (sign != '=' || parts.is_empty()) {
            parts.push(&text[from..at]);
            from = at + letter.len_utf8();
        }
        literal = !literal && letter == '\\';
    }
    parts.push(&text[from..]);
    parts
}

/// A text as it can stand in a line: signs, and what a line or its edges would lose, are written out.
fn escaped(text: &str, signs: &[char]) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut line = String::with_capacity(text.len());
    for (at, letter) in text.chars().enumerate() {
        let lost = letter.is_control() || letter.is_whitespace() && (letter != ' ' || at == 0 || at == last);
        if lost {
            line.extend(letter.escape_unicode());
        } else {
            if signs.contains(&letter) {
                line.push('\\');
            }
            line.push(letter);
        }
    }
    line
}

/// What an escaped text means; none when a `\` stands before something else.
fn meant(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        rest = if let Some(hex) = after.strip_prefix("u{") {
            let (hex, rest) = hex.split_once('}')?;
            out.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
            rest
        } else {
            let sign = after.chars().next().filter(|sign| SIGNS.contains(sign))?;
            out.push(sign);
            &after[sign.len_utf8()..]
        };
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> IssuerRule {
        serde_json::from_value(rules(line).unwrap().remove(0)).unwrap()
    }

    #[test]
    fn lines_are_rules_and_rules_lines() {
        let text = "ref = refs/heads/main; sub = repo:acme/* -> messages:send signals:send";
        assert_eq!(rule_line(&read(text)), text);
        assert_eq!(read(text).scopes, ["messages:send", "signals:send"]);
        let loose = read(" ; sub=a=b ;; -> messages:send");
        assert_eq!(loose.claims.into_iter().collect::<Vec<_>>(), [("sub".to_owned(), "a=b".to_owned())]);
        assert!(rules("\n  \n").unwrap().is_empty());
    }

    /// E-08: a claim that cannot be read is refused, never left out: the rule would be wider than it was typed.
    #[test]
    fn e_08_what_is_no_claim_is_refused_with_its_line() {
        for (text, line, quoted) in [
            ("sub = repo:acme/*; ref: refs/heads/main -> messages:send", 1, "“ref: refs/heads/main”"),
            ("sub = a -> messages:send\n\nsub = b; = main -> messages:send", 3, "“= main”"),
            ("sub = b; ref = -> messages:send", 1, "“ref =”"),
            ("sub = b; sub = c -> messages:send", 1, "“sub = c”"),
            ("sub = ACME\\bob -> messages:send", 1, "“sub = ACME\\bob”"),
            ("sub = a\\u{110000} -> messages:send", 1, "“sub = a\\u{110000}”"),
            ("nonsense", 1, "“nonsense”"),
        ] {
            let wrong = rules(text).unwrap_err();
            let said = wrong.at("rules").unwrap();
            assert!(said.starts_with(&format!("Line {line}: {quoted} is no claim = value")), "{text}: {said}");
        }
    }

    #[test]
    fn what_is_stored_survives_opening_and_saving() {
        let texts = [
            "a;b",
            "a; ref = main",
            "x\\",
            "\\;",
            "a=b",
            " edges ",
            "a -> messages:send\nsub = *",
            "\u{a0}",
            "“ä”",
            "->",
        ];
        for text in texts {
            let claims = [("sub".to_owned(), text.to_owned()), (format!("n{text}"), "v".to_owned())].into();
            let stored = IssuerRule { claims, scopes: vec!["signals:send".into()] };
            let line = rule_line(&stored);
            assert_eq!(line.lines().count(), 1, "{line}");
            assert_eq!(read(&line), stored, "{line}");
        }
    }
}
