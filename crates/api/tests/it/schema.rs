//! As much of JSON Schema as the document uses, to hold examples and answers against it.

use serde_json::{Map, Value};

/// The named schemas of a document.
pub struct Schemas<'d>(&'d Value);

impl<'d> Schemas<'d> {
    pub const fn of(document: &'d Value) -> Self {
        Self(document)
    }

    /// Every reference anywhere in the document leads somewhere.
    pub fn resolve_all(&self) {
        self.walk(self.0);
    }

    fn walk(&self, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    self.target(target);
                }
                fields.values().for_each(|field| self.walk(field));
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    fn target(&self, reference: &str) -> &'d Value {
        let pointer = reference.strip_prefix('#').unwrap();
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// Panics with the place where `value` is not what `schema` says.
    pub fn check(&self, schema: &Value, value: &Value, place: &str) {
        if let Err(why) = self.fits(schema, value, "") {
            panic!("{place}: {why}\n{value:#}");
        }
    }

    fn fits(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.fits(self.target(reference), value, at);
        }
        if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            let tried: Vec<String> = choices.iter().filter_map(|one| self.fits(one, value, at).err()).collect();
            return if tried.len() < choices.len() {
                Ok(())
            } else {
                Err(format!("{at}: none of the choices: {tried:?}"))
            };
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return parts.iter().try_for_each(|part| self.fits(part, value, at));
        }
        Self::kind(schema, value, at)?;
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("{at}: {value} is none of {words:?}"));
        }
        match value {
            Value::Object(fields) => self.object(schema, fields, at),
            Value::Array(items) => {
                let each = &schema["items"];
                items
                    .iter()
                    .enumerate()
                    .try_for_each(|(number, item)| self.fits(each, item, &format!("{at}[{number}]")))
            }
            Value::String(text) => text_fits(schema, text, at),
            Value::Number(number) => {
                let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
                let number = number.as_f64().unwrap();
                if least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
                    Ok(())
                } else {
                    Err(format!("{at}: {number} is not from {least:?} to {most:?}"))
                }
            }
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn kind(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => return Ok(()),
        };
        let is = |kind: &str| match kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{other} is no type"),
        };
        if kinds.iter().any(|kind| is(kind)) { Ok(()) } else { Err(format!("{at}: {value} is no {kinds:?}")) }
    }

    fn object(&self, schema: &Value, fields: &Map<String, Value>, at: &str) -> Result<(), String> {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                return Err(format!("{at}.{name} is missing"));
            }
        }
        let known = schema["properties"].as_object();
        for (name, field) in fields {
            match known.and_then(|known| known.get(name)) {
                Some(one) => self.fits(one, field, &format!("{at}.{name}"))?,
                None if schema["additionalProperties"] == false => return Err(format!("{at}.{name} is not known")),
                None => {}
            }
        }
        Ok(())
    }
}

fn text_fits(schema: &Value, text: &str, at: &str) -> Result<(), String> {
    let length = text.chars().count() as u64;
    let (least, most) = (schema["minLength"].as_u64(), schema["maxLength"].as_u64());
    if least.is_some_and(|least| length < least) || most.is_some_and(|most| length > most) {
        return Err(format!("{at}: {length} characters, not from {least:?} to {most:?}"));
    }
    let right = match schema["format"].as_str() {
        Some("uuid") => uuid::Uuid::try_parse(text).is_ok(),
        Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
        _ => true,
    };
    if right { Ok(()) } else { Err(format!("{at}: {text:?} is no {}", schema["format"])) }
}
