//! The OpenAPI document as people read it: chapters, operations, and the shapes of what goes in and out.

use std::collections::BTreeSet;

use serde_json::Value;

/// A piece of running text.
pub struct Piece {
    /// How it is set: empty, `code` or `bold`.
    pub set: &'static str,
    /// The text.
    pub text: String,
}

/// A paragraph.
pub type Paragraph = Vec<Piece>;

/// A chapter's name and what it is about.
pub struct Heading {
    /// The tag.
    pub name: String,
    /// The last part of its path.
    pub slug: String,
    /// What it is about.
    pub text: Paragraph,
    /// Its operations, for the list of contents.
    pub contents: Vec<Line>,
}

/// One operation in the list of contents.
pub struct Line {
    pub id: String,
    pub method: String,
    pub summary: String,
}

/// One operation.
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub text: Vec<Paragraph>,
    pub parameters: Vec<Field>,
    /// The body: its shape, and how many bytes of it at most.
    pub body: Option<(Kind, u64)>,
    /// Answers that are no failure.
    pub answers: Vec<Outcome>,
    pub failures: Vec<Outcome>,
}

/// One answer.
pub struct Outcome {
    pub status: String,
    pub text: Paragraph,
    pub kind: Option<Kind>,
    pub example: Option<String>,
}

/// A named shape.
pub struct Shape {
    pub name: String,
    pub text: Paragraph,
    pub fields: Vec<Field>,
}

/// A field or a parameter.
pub struct Field {
    pub name: String,
    /// Where a parameter stands.
    pub place: String,
    pub kind: Kind,
    pub required: bool,
    pub text: Paragraph,
    pub limits: String,
}

/// What sort of value.
#[derive(Clone)]
pub struct Kind {
    /// In words: `text`, `list of Alert`.
    pub words: String,
    /// The named shape behind it, when it has fields of its own.
    pub shape: Option<String>,
}

/// The document.
pub struct Reading<'d>(&'d Value);

impl<'d> Reading<'d> {
    /// Reads `document`.
    pub const fn of(document: &'d Value) -> Self {
        Self(document)
    }

    /// The text on top of everything.
    pub fn overview(&self) -> Vec<Paragraph> {
        paragraphs(text(&self.0["info"]["description"]))
    }

    /// The chapters in the document's order.
    pub fn headings(&self) -> Vec<Heading> {
        let tags = self.0["tags"].as_array().into_iter().flatten();
        tags.map(|tag| {
            let name = text(&tag["name"]);
            let contents = self.raw(name).map(|(method, _, one)| Line {
                id: text(&one["operationId"]).to_owned(),
                method: method.to_ascii_uppercase(),
                summary: text(&one["summary"]).to_owned(),
            });
            Heading {
                name: name.to_owned(),
                slug: slug(name),
                text: pieces(text(&tag["description"])),
                contents: contents.collect(),
            }
        })
        .collect()
    }

    /// The operations of a chapter, as they stand in the document.
    pub fn raw(&self, tag: &str) -> impl Iterator<Item = (&'d str, &'d str, &'d Value)> {
        let paths = self.0["paths"].as_object().into_iter().flatten();
        let all = paths.flat_map(|(path, operations)| {
            let operations = operations.as_object().into_iter().flatten();
            operations.map(move |(method, one)| (method.as_str(), path.as_str(), one))
        });
        let tag = tag.to_owned();
        all.filter(move |(_, _, one)| one["tags"][0] == tag.as_str())
    }

    /// One operation in words.
    pub fn operation(&self, method: &str, path: &str, one: &'d Value) -> Operation {
        let content = |holder: &'d Value| holder["content"].as_object().and_then(|media| media.values().next());
        let outcomes = |good: bool| {
            let all = one["responses"].as_object().into_iter().flatten();
            all.filter(|(status, _)| status.starts_with('2') == good)
                .map(|(status, answer)| Outcome {
                    status: status.clone(),
                    text: pieces(text(&answer["description"])),
                    kind: content(answer).map(|content| self.kind(&content["schema"])),
                    example: content(answer).filter(|_| good).map(|content| pretty(&content["example"])),
                })
                .collect()
        };
        let parameters = one["parameters"].as_array().into_iter().flatten();
        Operation {
            id: text(&one["operationId"]).to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            summary: text(&one["summary"]).to_owned(),
            text: paragraphs(text(&one["description"])),
            parameters: parameters
                .map(|one| Field {
                    name: text(&one["name"]).to_owned(),
                    place: text(&one["in"]).to_owned(),
                    kind: self.kind(&one["schema"]),
                    required: one["required"] == true,
                    text: pieces(text(&one["description"])),
                    limits: self.limits(&one["schema"]),
                })
                .collect(),
            body: content(&one["requestBody"])
                .map(|content| (self.kind(&content["schema"]), one["x-body-limit"].as_u64().unwrap_or_default())),
            answers: outcomes(true),
            failures: outcomes(false),
        }
    }

    /// The shapes that a chapter's operations speak of, each once, in the order of their names.
    pub fn shapes(&self, tag: &str) -> Vec<Shape> {
        let mut names = BTreeSet::new();
        for (_, _, one) in self.raw(tag) {
            self.collect(&one["requestBody"], &mut names);
            for (_, answer) in one["responses"].as_object().into_iter().flatten() {
                self.collect(answer, &mut names);
            }
        }
        names.into_iter().filter_map(|name| self.shape(&name)).collect()
    }

    fn collect(&self, value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(name) = fields.get("$ref").and_then(Value::as_str).map(last)
                    && names.insert(name.to_owned())
                {
                    self.collect(self.named(name), names);
                }
                for (name, field) in fields {
                    // Examples speak of no shape.
                    if name != "example" {
                        self.collect(field, names);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, names)),
            _ => {}
        }
    }

    fn named(&self, name: &str) -> &'d Value {
        &self.0["components"]["schemas"][name]
    }

    /// A named schema as a table; `None` when it has no fields.
    fn shape(&self, name: &str) -> Option<Shape> {
        let mut fields = Vec::new();
        self.fields(self.named(name), &mut fields);
        let text = pieces(text(&self.named(name)["description"]));
        (!fields.is_empty()).then(|| Shape { name: name.to_owned(), text, fields })
    }

    fn fields(&self, schema: &'d Value, out: &mut Vec<Field>) {
        if let Some(name) = schema["$ref"].as_str() {
            return self.fields(self.named(last(name)), out);
        }
        for part in ["allOf", "oneOf"] {
            for one in schema[part].as_array().into_iter().flatten() {
                self.fields(one, out);
            }
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if out.iter().any(|known: &Field| known.name == *name) {
                continue;
            }
            out.push(Field {
                name: name.clone(),
                place: String::new(),
                kind: self.kind(field),
                required: required.contains(&name.as_str()),
                text: pieces(&Self::about(field)),
                limits: self.limits(field),
            });
        }
    }

    /// What a field is, which may stand beside a reference or inside a choice.
    fn about(field: &Value) -> String {
        let own = text(&field["description"]);
        let inside = field["oneOf"].as_array().into_iter().flatten().map(|one| text(&one["description"]));
        std::iter::once(own).chain(inside).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    }

    fn kind(&self, schema: &Value) -> Kind {
        let plain = |words: &str| Kind { words: words.to_owned(), shape: None };
        if let Some(name) = schema["$ref"].as_str().map(last) {
            let target = self.named(name);
            let has_fields = ["properties", "allOf", "oneOf"].iter().any(|part| target.get(part).is_some());
            return if has_fields {
                Kind { words: name.to_owned(), shape: Some(name.to_owned()) }
            } else {
                self.kind(target)
            };
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let one = choices.iter().find(|one| one["type"] != "null").map(|one| self.kind(one));
            let mut one = one.unwrap_or_else(|| plain("anything"));
            if choices.iter().any(|one| one["type"] == "null") {
                one.words.push_str(" or null");
            }
            return one;
        }
        let (kind, null) = match &schema["type"] {
            Value::Array(kinds) => {
                let kind = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null");
                (kind.unwrap_or("null"), kinds.iter().any(|kind| kind == "null"))
            }
            other => (text(other), false),
        };
        let mut out = match kind {
            "array" => {
                let item = self.kind(&schema["items"]);
                Kind { words: format!("list of {}", item.words), shape: item.shape }
            }
            "string" => plain(match text(&schema["format"]) {
                "uuid" => "id",
                "date-time" => "time",
                _ if schema.get("enum").is_some() => "word",
                _ => "text",
            }),
            "integer" => plain("whole number"),
            "number" => plain("number"),
            "boolean" => plain("true or false"),
            "object" => plain("object"),
            _ => plain("anything"),
        };
        if null {
            out.words.push_str(" or null");
        }
        out
    }

    /// What is allowed: words of an enumeration, bounds.
    fn limits(&self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"].as_str().map(last) {
            return self.limits(self.named(name));
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            return choices.iter().map(|one| self.limits(one)).find(|limits| !limits.is_empty()).unwrap_or_default();
        }
        if schema["type"] == "array" {
            return self.limits(&schema["items"]);
        }
        if let Some(words) = schema["enum"].as_array() {
            return words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        }
        match (schema["minimum"].as_i64(), schema["maximum"].as_i64(), schema["maxLength"].as_u64()) {
            (Some(least), Some(most), _) => format!("{least} to {most}"),
            (None, Some(most), _) => format!("at most {most}"),
            (_, _, Some(most)) => format!("at most {most} characters"),
            _ => String::new(),
        }
    }
}

/// The last part of a chapter's path.
pub fn slug(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn pretty(example: &Value) -> String {
    match example {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// Paragraphs of a description, with its `code` and **bold** pieces.
fn paragraphs(text: &str) -> Vec<Paragraph> {
    text.split("\n\n").filter(|text| !text.is_empty()).map(pieces).collect()
}

fn pieces(text: &str) -> Paragraph {
    let mut out = Vec::new();
    for (at, run) in text.split("**").enumerate() {
        for (inner, piece) in run.split('`').enumerate().filter(|(_, piece)| !piece.is_empty()) {
            let set = if inner % 2 == 1 {
                "code"
            } else if at % 2 == 1 {
                "bold"
            } else {
                ""
            };
            out.push(Piece { set, text: piece.to_owned() });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_said_in_words() {
        let document = json!({"components": {"schemas": {
            "Alert": {"type": "object", "required": ["id"], "properties": {
                "id": {"type": "string", "format": "uuid", "description": "Its id."},
                "by": {"oneOf": [{"$ref": "#/components/schemas/By", "description": "Who."}, {"type": "null"}]},
                "states": {"type": "array", "items": {"$ref": "#/components/schemas/State"}},
            }},
            "By": {"type": "object", "properties": {"name": {"type": ["string", "null"]}}},
            "State": {"type": "string", "enum": ["open", "closed"]},
        }}});
        let reading = Reading::of(&document);
        let shape = reading.shape("Alert").unwrap();
        let text = |one: &Field| one.text.iter().map(|piece| piece.text.as_str()).collect::<String>();
        let said: Vec<_> =
            shape.fields.iter().map(|one| (one.kind.words.as_str(), text(one), one.limits.as_str())).collect();
        let said: Vec<_> = said.iter().map(|(kind, text, limits)| (*kind, text.as_str(), *limits)).collect();
        assert_eq!(said, [("id", "Its id.", ""), ("By or null", "Who.", ""), ("list of word", "", "open, closed")]);
        assert!(shape.fields[0].required && !shape.fields[1].required);
        assert!(reading.shape("State").is_none());
    }

    #[test]
    fn descriptions_have_code_and_bold_pieces() {
        let said: Vec<_> = pieces("**Send** the `key` *now*").into_iter().map(|one| (one.set, one.text)).collect();
        let own = |set: &'static str, text: &str| (set, text.to_owned());
        assert_eq!(said, [own("bold", "Send"), own("", " the "), own("code", "key"), own("", " *now*")]);
    }
}
