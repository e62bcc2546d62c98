//! Commands that call an operation of the API as it stands in the document, in curl and in Python's standard library.
//!
//! The credential comes from the environment, so that an example can be pasted without becoming a secret in a file.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::page::encode;

/// Who calls: which variable holds the credential.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bearer {
    Key,
    Person,
    Nobody,
}

impl Bearer {
    /// As the operation wants it; `None` when only a browser can call it, or a machine with a credential of its integration.
    fn of(operation: &Value) -> Option<Self> {
        let ways = operation["security"].as_array()?;
        let has = |name: &str| ways.iter().any(|way| way.get(name).is_some());
        if ways.is_empty() {
            Some(Self::Nobody)
        } else if has("apiKey") {
            Some(Self::Key)
        } else if has("personToken") {
            Some(Self::Person)
        } else {
            None
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Key => "LOUDHAILER_KEY",
            Self::Person | Self::Nobody => "LOUDHAILER_TOKEN",
        }
    }
}

/// An example in two languages.
pub struct Example {
    pub curl: String,
    pub python: String,
}

/// The example of an operation, with `values` in the path; the document's own examples stand where a value is not known.
pub fn example(
    public_url: &str,
    method: &str,
    path: &str,
    operation: &Value,
    values: &BTreeMap<&str, String>,
) -> Option<Example> {
    let bearer = Bearer::of(operation)?;
    let mut target = path.to_owned();
    for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path") {
        let name = parameter["name"].as_str().unwrap_or_default();
        let own = parameter["example"].as_str().unwrap_or(name);
        let value = values.get(name).map_or(own, String::as_str);
        target = target.replace(&format!("{{{name}}}"), &encode(value));
    }
    // Where an entry of a workspace is meant, it has to be said which.
    let placed = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["in"] == "query" && one["name"] == "workspace" && one.get("example").is_some());
    if let (true, Some(workspace)) = (placed, values.get("workspace")) {
        target = format!("{target}?workspace={}", encode(workspace));
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] != "query" || parameter["required"] != true {
            continue;
        }
        let name = parameter["name"].as_str().unwrap_or_default();
        let own = parameter.get("example").or_else(|| parameter["schema"].get("example"));
        let first = if target.contains('?') { '&' } else { '?' };
        target = format!("{target}{first}{name}={}", encode(own.and_then(Value::as_str).unwrap_or(name)));
    }
    let url = format!("{public_url}{target}");
    let method = method.to_ascii_uppercase();
    // A form carries a credential of its own, which stands in no example.
    if operation["requestBody"]["content"].get("application/x-www-form-urlencoded").is_some() {
        return None;
    }
    let body = operation["requestBody"]["content"]["application/json"].get("example");
    let keyed = operation["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == "Idempotency-Key");
    let variable = if bearer == Bearer::Nobody { "" } else { bearer.variable() };
    let call = Call { method: &method, url: &url, variable, body, keyed };
    Some(Example { curl: call.curl(), python: call.python() })
}

struct Call<'c> {
    method: &'c str,
    url: &'c str,
    variable: &'static str,
    body: Option<&'c Value>,
    keyed: bool,
}

impl Call<'_> {
    fn curl(&self) -> String {
        let mut lines = vec![format!("curl --fail-with-body --request {} {}", self.method, shell(self.url))];
        if !self.variable.is_empty() {
            lines.push(format!("--header \"Authorization: Bearer ${}\"", self.variable));
        }
        if self.keyed {
            lines.push("--header \"Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)\"".to_owned());
        }
        if let Some(body) = self.body {
            lines.push("--header 'Content-Type: application/json'".to_owned());
            lines.push(format!("--data {}", shell(&body.to_string())));
        }
        lines.join(" \\\n  ")
    }

    fn python(&self) -> String {
        let mut imports = vec!["urllib.request"];
        let mut headers = Vec::new();
        if !self.variable.is_empty() {
            imports.push("os");
            headers.push(format!("    \"Authorization\": \"Bearer \" + os.environ[\"{}\"],", self.variable));
        }
        if self.keyed {
            imports.push("uuid");
            headers.push("    \"Idempotency-Key\": str(uuid.uuid4()),".to_owned());
        }
        let mut data = String::new();
        if let Some(body) = self.body {
            imports.push("json");
            headers.push("    \"Content-Type\": \"application/json\",".to_owned());
            // A JSON text in a JSON text is a text in Python too.
            let text = Value::String(body.to_string()).to_string();
            data = format!(", data=json.dumps(json.loads({text})).encode()");
        }
        imports.sort_unstable();
        let imports = imports.iter().map(|name| format!("import {name}\n")).collect::<Vec<_>>().concat();
        let headers = if headers.is_empty() { "{}".to_owned() } else { format!("{{\n{}\n}}", headers.join("\n")) };
        let (method, url) = (self.method, Value::String(self.url.to_owned()));
        format!(
            "{imports}\nheaders = {headers}\nrequest = urllib.request.Request({url}, method=\"{method}\", headers=headers{data})\n\
             with urllib.request.urlopen(request) as answer:\n    print(answer.status, answer.read().decode())\n"
        )
    }
}

/// For a POSIX shell: nothing in single quotes means anything but the quote itself.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_example_has_the_readers_own_values_and_no_secret() {
        let operation = json!({
            "security": [{"apiKey": []}, {"session": []}],
            "parameters": [
                {"name": "workspace", "in": "path", "example": "demo"}, {"name": "alert", "in": "path", "example": "A-1"},
                {"name": "Idempotency-Key", "in": "header"},
            ],
            "requestBody": {"content": {"application/json": {"example": {"note": "It's \"over\""}}}},
        });
        let values = BTreeMap::from([("workspace", "ward 7".to_owned())]);
        let made = example("https://host:8443", "post", "/w/{workspace}/{alert}/resolve", &operation, &values).unwrap();
        assert!(
            made.curl
                .starts_with("curl --fail-with-body --request POST 'https://host:8443/w/ward%207/A-1/resolve' \\\n")
        );
        assert!(made.curl.ends_with(r#"--data '{"note":"It'\''s \"over\""}'"#), "{}", made.curl);
        assert!(made.python.contains("os.environ[\"LOUDHAILER_KEY\"]"), "{}", made.python);
        assert!(made.python.contains(r#"json.loads("{\"note\":\"It's \\\"over\\\"\"}")"#), "{}", made.python);
        let people = json!({"security": [{"session": []}]});
        assert!(example("https://host", "get", "/", &people, &values).is_none());
    }
}
