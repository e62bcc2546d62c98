//! Schemas of bodies and parameters (JSON Schema 2020-12, as OpenAPI 3.1 has them), with the named ones they refer to.

use std::collections::BTreeMap;

use base::PageRequest;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Parameter, Place};

/// A schema and every named schema it needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    pub(crate) json: Value,
    pub(crate) named: BTreeMap<String, Value>,
}

impl Schema {
    /// The schema of `T`, by reference to its name.
    pub fn of<T: ToSchema>() -> Self {
        let mut named = Self::needs_of::<T>();
        named.insert(T::name().into_owned(), value(T::schema()));
        Self { json: reference(&T::name()), named }
    }

    /// A text.
    pub fn text() -> Self {
        Self { json: json!({"type": "string"}), named: BTreeMap::new() }
    }

    /// An object whose fields are described elsewhere.
    pub(crate) fn object(text: &str) -> Self {
        Self { json: json!({"type": "object", "description": text}), named: BTreeMap::new() }
    }

    /// The envelope of every list, around `T`.
    pub(crate) fn list_of<T: ToSchema>() -> Self {
        let item = Self::of::<T>();
        let name = format!("{}List", T::name());
        let envelope = json!({
            "type": "object",
            "description": "One page of a list.",
            "required": ["items", "next"],
            "properties": {
                "items": {"type": "array", "description": "The items, in order.", "items": item.json},
                "next": {
                    "type": ["string", "null"],
                    "description": "The `cursor` of the next page; null on the last one. A page may have fewer items than \
                        asked for, or none, and go on all the same.",
                },
            },
        });
        let mut named = item.named;
        named.insert(name.clone(), envelope);
        Self { json: reference(&name), named }
    }

    fn needs_of<T: ToSchema>() -> BTreeMap<String, Value> {
        let mut needs = Vec::new();
        T::schemas(&mut needs);
        needs.into_iter().map(|(name, schema)| (name, value(schema))).collect()
    }

    /// The fields of an object as query parameters.
    pub(crate) fn into_parameters(mut self) -> Vec<Parameter> {
        let name =
            self.json["$ref"].as_str().and_then(|target| target.rsplit('/').next()).unwrap_or_default().to_owned();
        let object = self.named.remove(&name).unwrap_or_default();
        let required: Vec<&str> =
            object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let fields = object["properties"].as_object().cloned().unwrap_or_default();
        fields
            .into_iter()
            .map(|(name, mut schema)| {
                // A parameter that is not there is not null.
                present(&mut schema);
                let text = take_text(&mut schema, "description");
                let example = schema.as_object_mut().and_then(|schema| schema.remove("example"));
                // One that may be given several times is a list.
                let example = match example {
                    Some(one) if schema["type"] == "array" => Some(Value::Array(vec![one])),
                    other => other,
                };
                let required = required.contains(&name.as_str());
                Parameter {
                    place: Place::Query,
                    text,
                    required,
                    example,
                    schema: Self { json: schema, named: self.named.clone() },
                    name,
                }
            })
            .collect()
    }
}

/// The two parameters of every list that comes in pages.
pub(crate) fn paging() -> [Parameter; 2] {
    let (most, usual) = (PageRequest::MAX_LIMIT, PageRequest::DEFAULT_LIMIT);
    let parameter = |name: &str, text: String, schema: Value, example: Value| Parameter {
        name: name.to_owned(),
        place: Place::Query,
        text,
        required: false,
        schema: Schema { json: schema, named: BTreeMap::new() },
        example: Some(example),
    };
    [
        parameter(
            "limit",
            format!("Items on a page, 1 to {most}; {usual} when it is left out."),
            json!({"type": "integer", "minimum": 1, "maximum": most, "default": usual}),
            json!(usual),
        ),
        parameter(
            "cursor",
            "Where to go on: `next` of the page before. Opaque, at most 200 characters.".to_owned(),
            json!({"type": "string", "maxLength": 200}),
            json!("41"),
        ),
    ]
}

/// A reference to a named schema.
pub(crate) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn value(schema: impl serde::Serialize) -> Value {
    let mut schema = serde_json::to_value(schema).unwrap_or_default();
    tidy(&mut schema);
    schema
}

/// Line breaks of doc comments are no line breaks of the text.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "description" => *text = text.replace('\n', " "),
                    field => tidy(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn take_text(schema: &mut Value, name: &str) -> String {
    match schema.as_object_mut().and_then(|schema| schema.remove(name)) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Takes "or null" out of a schema.
fn present(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [one] = kinds.as_slice() {
            let one = one.clone();
            fields.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(choices)) = fields.get_mut("oneOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(one)] = choices.as_slice() {
            let one: Map<String, Value> = one.clone();
            *fields = one;
        }
    }
}
