//! The OpenAPI 3.1 document of everything that is served to programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::never_for_api_keys;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::failures::{self, Shape};
use super::{Content, Doc, Given, Parameter, Place, Schema};
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::routes::{Door, RouteInfo, Rule};

/// What the document says about the whole.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// What each tag is about, in the order in which people should read them.
    pub tags: Vec<(&'static str, &'static str)>,
    /// A few paragraphs (CommonMark) on top of everything.
    pub text: &'static str,
}

/// The document, made once. Cheap to clone; as an argument of a handler it is the one of this server.
#[derive(Clone, Debug)]
pub struct Document(Arc<Made>);

#[derive(Debug)]
struct Made {
    json: Value,
    text: bytes::Bytes,
}

impl Document {
    /// Makes the document of `routes`, whose doors show failures in `shapes` (problem+json where none is given).
    pub(crate) fn of(
        routes: &[RouteInfo],
        overview: &Overview,
        public_url: &str,
        shapes: &BTreeMap<Door, Shape>,
    ) -> Self {
        let mut named = BTreeMap::new();
        let mut paths: Map<String, Value> = Map::new();
        let mut schemes = door_schemes();
        let mut tags: Vec<(&str, &str)> = overview.tags.clone();
        for route in routes.iter().filter(|route| described(route)) {
            let Some(doc) = route.doc.as_deref() else { continue };
            if !tags.iter().any(|(tag, _)| *tag == doc.tag) {
                tags.push((doc.tag, ""));
            }
            for scheme in &doc.schemes {
                schemes.insert(scheme.name.to_owned(), serde_json::from_str(scheme.json).unwrap_or_default());
            }
            let shape = shapes.get(&route.door).cloned().unwrap_or_else(Shape::problem);
            let operation = operation(route, doc, &shape, &mut named);
            let path = paths.entry(plain(&route.path)).or_insert_with(|| json!({}));
            if let Some(path) = path.as_object_mut() {
                path.insert(route.method.as_str().to_ascii_lowercase(), operation);
            }
        }
        let used: Vec<Value> = tags
            .iter()
            .filter(|(tag, _)| paths.values().any(|path| uses(path, tag)))
            .map(|(tag, text)| json!({"name": tag, "description": text}))
            .collect();
        let json = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Loudhailer",
                "version": env!("CARGO_PKG_VERSION"),
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                "description": overview.text,
            },
            "servers": [{"url": public_url, "description": "This server"}],
            "tags": used,
            "paths": paths,
            "components": {"schemas": named, "securitySchemes": schemes},
        });
        let text = serde_json::to_vec(&json).unwrap_or_default().into();
        Self(Arc::new(Made { json, text }))
    }

    /// The document.
    pub fn json(&self) -> &Value {
        &self.0.json
    }

    /// The address under which people and programs know this server.
    pub fn public_url(&self) -> &str {
        self.0.json["servers"][0]["url"].as_str().unwrap_or_default()
    }

    pub(crate) fn response(&self) -> Response {
        let mut response = Response::new(self.0.text.clone().into());
        let json = axum::http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(axum::http::header::CONTENT_TYPE, json);
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Document {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let gate = parts.extensions.get::<Arc<Gate>>();
        gate.map(|gate| gate.document().clone()).ok_or_else(|| Refusal::new(base::Problem::internal()))
    }
}

/// Whether a route belongs into the document: all but the pages of the console and their files, and what describes itself: a
/// directory reads its schemas at its own door (RFC 7643 section 8).
pub(crate) fn described(route: &RouteInfo) -> bool {
    match route.door {
        Door::Console | Door::Scim => false,
        Door::Public => {
            route.doc.is_some() || route.path.starts_with("/.well-known/") || route.path.starts_with("/api")
        }
        Door::Api | Door::Compatible | Door::Signal | Door::Probe => true,
    }
}

fn uses(path: &Value, tag: &str) -> bool {
    path.as_object().into_iter().flatten().any(|(_, operation)| operation["tags"][0] == tag)
}

/// The path as OpenAPI writes it: a wildcard is a parameter like any other.
fn plain(path: &str) -> String {
    path.replace("{*", "{")
}

fn door_schemes() -> Map<String, Value> {
    let mut schemes = Map::new();
    schemes.insert(
        "apiKey".into(),
        json!({"type": "http", "scheme": "bearer", "description": "An API key of a workspace: `Authorization: Bearer loudhailer_key_…`."}),
    );
    schemes.insert(
        "personToken".into(),
        json!({"type": "http", "scheme": "bearer", "description": "A person's token for the command line, good for an hour, drawn on their own page of the console."}),
    );
    schemes.insert(
        "session".into(),
        json!({"type": "apiKey", "in": "cookie", "name": "__Host-sid", "description": "The session of a person signed in to the console. Methods that change something also want the header `X-CSRF-Token` and a same-origin request."}),
    );
    schemes
}

fn security(route: &RouteInfo, doc: &Doc) -> Value {
    if !doc.schemes.is_empty() {
        return doc.schemes.iter().map(|scheme| json!({scheme.name: []})).collect();
    }
    if matches!(route.rule, Rule::Public(_)) {
        return json!([]);
    }
    let mut ways = Vec::new();
    // Keys belong to a workspace, and some rights are never theirs (E-08); a person's token has the person's rights.
    let for_keys = match route.rule {
        Rule::Workspace(capability) => !never_for_api_keys().contains(capability),
        Rule::Organisation(_) => false,
        Rule::SignedIn | Rule::Public(_) => true,
    };
    if route.door.reads_key() && !route.session_only {
        ways.push(if for_keys { json!({"apiKey": []}) } else { json!({"personToken": []}) });
    }
    if route.door.reads_cookie() {
        ways.push(json!({"session": []}));
    }
    Value::Array(ways)
}

fn operation(route: &RouteInfo, doc: &Doc, shape: &Shape, named: &mut BTreeMap<String, Value>) -> Value {
    let mut operation = Map::new();
    let mut set = |name: &str, value: Value| operation.insert(name.to_owned(), value);
    set("operationId", doc.operation.into());
    set("tags", json!([doc.tag]));
    set("summary", doc.summary.into());
    set("description", description(route, doc).into());
    set("security", security(route, doc));
    if let Some(capability) = route.capability() {
        set("x-capability", capability.name().into());
    }
    let parameters = parameters(route, doc);
    if !parameters.is_empty() {
        set("parameters", parameters.into_iter().map(|one| parameter(one, named)).collect());
    }
    if let Some(request) = &doc.request {
        set("x-body-limit", route.body_limit.into());
        set("requestBody", json!({"required": request.required, "content": content(request, named)}));
    }
    set("responses", responses(route, doc, shape, named));
    Value::Object(operation)
}

/// The doc's own text, and what follows from the declaration, in sentences.
fn description(route: &RouteInfo, doc: &Doc) -> String {
    let own = doc.text.map(|text| format!("{text}\n\n")).unwrap_or_default();
    let needs = match route.rule {
        Rule::Workspace(capability) => format!("Needs the right `{}` in the workspace.", capability.name()),
        Rule::Organisation(capability) => format!("Needs the right `{}` in the organisation.", capability.name()),
        Rule::SignedIn => "Needs a valid credential, and no particular right.".to_owned(),
        Rule::Public(reason) => format!("Needs no sign-in: {reason}."),
    };
    let mut text = format!("{own}{needs}");
    if route.session_only {
        text.push_str(" For people in a session only, never for a program with an API key.");
    }
    text
}

fn parameters(route: &RouteInfo, doc: &Doc) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for name in names.map(|name| name.trim_start_matches('*')) {
        let own = doc.parameters.iter().find(|one| one.place == Place::Path && one.name == name);
        parameters.push(own.cloned().unwrap_or_else(|| Parameter {
            name: name.to_owned(),
            place: Place::Path,
            text: if name == "workspace" { "The workspace's short name.".to_owned() } else { String::new() },
            required: true,
            schema: Schema::text(),
            example: (name == "workspace").then(|| "demo".into()),
        }));
    }
    parameters.extend(doc.parameters.iter().filter(|one| one.place != Place::Path).cloned());
    if route.once_kept() {
        parameters.push(Parameter {
            name: "Idempotency-Key".to_owned(),
            place: Place::Header,
            text: "Makes the request safe to send again: for 48 hours the same key of the same caller gets the same answer, \
                and nothing is done twice. 1 to 255 visible ASCII characters of the caller's choice."
                .to_owned(),
            required: false,
            schema: Schema { json: json!({"type": "string", "minLength": 1, "maxLength": 255}), named: BTreeMap::new() },
            example: Some("6f1c2f0e-5d0b-4c58-9c1e-2d8a7c0f9b11".into()),
        });
    }
    parameters
}

fn parameter(one: Parameter, named: &mut BTreeMap<String, Value>) -> Value {
    named.extend(one.schema.named);
    let mut out = json!({
        "name": one.name, "in": one.place.name(), "required": one.required, "description": one.text, "schema": one.schema.json,
    });
    if let (Some(example), Some(fields)) = (one.example, out.as_object_mut()) {
        fields.insert("example".into(), example);
    }
    out
}

fn content(content: &Content, named: &mut BTreeMap<String, Value>) -> Value {
    named.extend(content.schema.named.clone());
    json!({content.media: {"schema": content.schema.json, "example": content.example}})
}

fn header(text: &str) -> Value {
    json!({"description": text, "schema": {"type": "string"}})
}

fn responses(route: &RouteInfo, doc: &Doc, shape: &Shape, named: &mut BTreeMap<String, Value>) -> Value {
    let mut out: BTreeMap<String, Value> = BTreeMap::new();
    for Given { status, text, content: body } in &doc.answers {
        let mut headers = Map::new();
        headers.insert("X-Request-Id".into(), header("The id by which the log knows the request."));
        if route.once_kept() {
            headers.insert(
                "Idempotent-Replayed".into(),
                header("`true` when this is the answer of an earlier request with the same Idempotency-Key."),
            );
        }
        let mut answer = json!({"description": text, "headers": headers});
        if let (Some(body), Some(fields)) = (body, answer.as_object_mut()) {
            fields.insert("content".into(), content(body, named));
        }
        out.insert(status.as_str().to_owned(), answer);
    }
    named.extend(shape.schema.named.clone());
    let own = doc.refusals.iter().map(|(status, when)| (*status, (*when).to_owned()));
    for (status, when) in own.chain(failures::of(route)) {
        out.entry(status.as_str().to_owned()).or_insert_with(|| failure(status, &when, shape));
    }
    serde_json::to_value(out).unwrap_or_default()
}

fn failure(status: StatusCode, when: &str, shape: &Shape) -> Value {
    let mut failure = json!({
        "description": when,
        "content": {shape.media: {"schema": shape.schema.json, "example": shape.example}},
    });
    let waits = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if let (true, Some(fields)) = (waits, failure.as_object_mut()) {
        fields.insert("headers".into(), json!({"Retry-After": header("Seconds after which to come again.")}));
    }
    failure
}

/// Whether the method changes something.
pub(crate) fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
