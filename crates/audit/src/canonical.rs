//! One way to write a JSON value, so that its hash can be computed again: keys sorted, no white space, texts
//! with every invisible character escaped.

use std::fmt::Write as _;

use serde_json::Value;

/// `value` as canonical JSON.
pub(crate) fn to_text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (place, (key, value)) in sorted.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                text(out, key);
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::String(value) => text(out, value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{value}");
        }
    }
}

fn text(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            other if is_invisible(other) => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Characters that could forge a line, hide or turn text round: controls, line separators, joiners, marks of
/// direction, tags.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Free text for the log: at most `most` characters, invisible ones written as `\u{…}`.
pub(crate) fn free_text(value: &str, most: usize) -> String {
    let mut out = String::with_capacity(value.len().min(most));
    for (place, character) in value.chars().enumerate() {
        if place == most {
            out.push('…');
            break;
        }
        if is_invisible(character) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [1, {"d": null, "c": true}], "a": "x", "é": -2.5});
        assert_eq!(to_text(&value), r#"{"a":"x","b":[1,{"c":true,"d":null}],"é":-2.5}"#);
    }

    #[test]
    fn invisible_characters_are_escaped() {
        let value = json!("a\nb\t\"c\"\\ \u{202e}right\u{200b}to\u{e0041}left");
        assert_eq!(to_text(&value), r#""a\u000ab\u0009\"c\"\\ \u202eright\u200bto\udb40\udc41left""#);
        assert_eq!(free_text("ok\r\nforged line\u{1b}[31m", 100), "ok\\u{d}\\u{a}forged line\\u{1b}[31m");
        assert_eq!(free_text("abcdef", 3), "abc…");
        assert_eq!(free_text("abc", 3), "abc");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Decimals as people write them: the reader may miss a float's last bit, so nothing is hashed twice
            // that was read back (see `Stored`).
            any::<i16>().prop_map(|number| Value::from(f64::from(number) / 100.0)),
            "\\PC{0,10}|[\\x00-\\x1f]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::hash_map("\\PC{0,5}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What is read back from canonical text gives the same text: the hash can be computed again.
        #[test]
        fn canonical_text_is_json_and_stable(value in any_json()) {
            let text = to_text(&value);
            let read: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(to_text(&read), text);
        }
    }
}
