//! RFC 9457 everywhere outside the compatible doors: each route with everything that can be wrong about a request.

use reqwest::Method;
use serde_json::{Value, json};

use super::document::operations;
use super::house::{House, Proves};
use super::schema::Schemas;

/// Where the document's path leads.
fn filled(path: &str) -> String {
    path.replace("{workspace}", "demo")
        .replace("{alert}", "A-999999")
        .replace("{kind}", "groups")
        .replace("{name}", "nobody")
        .replace("{integration}", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
        .replace("{signal}", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
        .replace("{run}", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
        .replace("{message}", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
        .replace("{umid}", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
        .replace("{webhook}", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
}

struct Check<'h> {
    house: &'h House,
    seen: usize,
    findings: Vec<String>,
}

impl Check<'_> {
    fn that(&mut self, right: bool, place: &str, answer: &Value) {
        if !right {
            self.findings.push(format!("{place}: {answer}"));
        }
    }

    /// The failure, which must be one, in the shape of its door.
    async fn fails(&mut self, request: reqwest::RequestBuilder, status: u16, place: &str) -> Value {
        let compatible = ["/subaccounts/", "/api/v1/accounts/", "/sms/v1/"].iter().any(|part| place.contains(part));
        let request = if compatible { request.key(super::house::KEY) } else { request.administrator(self.house) };
        let answer = request.send().await.unwrap();
        let (got, id) = (answer.status().as_u16(), answer.headers()["x-request-id"].to_str().unwrap().to_owned());
        let media = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let body: Value = answer.json().await.unwrap_or_else(|error| panic!("{place}: {got} is no JSON: {error}"));
        if got != status {
            self.findings.push(format!("{place}: expected {status}, got {got} {body}"));
            return body;
        }
        self.seen += 1;
        let document = self.house.app.document().json();
        if compatible {
            assert_eq!((media.as_str(), &body["errorId"]), ("application/json", &json!(id)), "{place}");
            return body;
        }
        assert_eq!(media, "application/problem+json", "{place}");
        Schemas::of(document).check(&json!({"$ref": "#/components/schemas/Problem"}), &body, place);
        assert_eq!((&body["status"], &body["requestId"]), (&json!(status), &json!(id)), "{place}");
        assert_eq!(body["instance"], format!("urn:uuid:{id}"), "{place}");
        assert!(body["type"].as_str().unwrap().starts_with("urn:loudhailer:problem:"), "{place}");
        body
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_in_one_shape() {
    let house = House::new().await;
    let mut check = Check { house: &house, seen: 0, findings: Vec::new() };
    let document = house.app.document().json().clone();
    for (method, path, operation) in operations(&document) {
        if path == "/healthz" || path == "/readyz" || path == "/metrics" {
            continue;
        }
        let place = format!("{method} {path}");
        let target = filled(path);
        let method: Method = method.to_ascii_uppercase().parse().unwrap();
        let send = |target: &str| house.request(method.clone(), target);

        // A method that the path does not list.
        check.fails(house.request(Method::PATCH, &target), 405, &format!("PATCH {path}")).await;
        // A cursor and a limit that are none; a parameter that nobody knows.
        let queries = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query");
        let names: Vec<&str> = queries.filter_map(|one| one["name"].as_str()).collect();
        if names.contains(&"cursor") {
            let body = check.fails(send(&format!("{target}?cursor=nonsense")), 400, &place).await;
            check.that(body["errors"][0]["field"] == "cursor", &place, &body);
            let body = check.fails(send(&format!("{target}?limit=0")), 400, &place).await;
            check.that(body["errors"][0]["limit"] == "a whole number from 1 to 200", &place, &body);
        }
        if !names.is_empty() && method == Method::GET {
            let body = check.fails(send(&format!("{target}?colour=red")), 400, &place).await;
            check.that(
                body["errors"][0]["field"] == "colour" && body["errors"][0]["remedy"].is_string(),
                &place,
                &body,
            );
        }
        // What a path names and is not there.
        if target != path.replace("{workspace}", "demo")
            && method == Method::GET
            && !path.contains("{kind}")
            && !path.contains("{account}")
        {
            check.fails(send(&target), 404, &place).await;
        }
        if path.contains("{workspace}") {
            let body = check.fails(send(&target.replace("/demo/", "/nowhere/")), 404, &place).await;
            check.that(body["code"] == "workspace-not-found" || body["code"] == 1001, &place, &body);
        }
        let Some(request) = operation.get("requestBody") else { continue };
        // The token endpoint has the shape of RFC 6749 section 5.2; its own tests look at it.
        if ["/signals", "/api/integration", "/oauth/"].iter().any(|door| path.starts_with(door)) {
            continue;
        }
        // A body of another type, one that is no JSON, one that is too large.
        let text = send(&target).header("content-type", "text/html").body("<p>");
        check.fails(text, 415, &place).await;
        let broken = send(&target).header("content-type", "application/json").body("{\"a\": ");
        check.fails(broken, 400, &place).await;
        let limit = usize::try_from(operation["x-body-limit"].as_u64().unwrap()).unwrap();
        if limit <= 1 << 20 {
            let large = send(&target).header("content-type", "application/json").body(vec![b' '; limit + 1]);
            check.fails(large, 413, &place).await;
        }
        // A field of another type, and in our own API one that nobody knows.
        if path.contains("/resources/plan") || path.contains("/resources/apply") || path.contains("/api/v1/accounts/") {
            continue;
        }
        let mut body = request["content"]["application/json"]["example"].clone();
        let field = body.as_object().unwrap().keys().next().unwrap().clone();
        body[&field] = json!({"not": ["this"]});
        let answer = check.fails(send(&target).json(&body), 400, &place).await;
        if path.contains("/subaccounts/") || path.contains("/sms/v1/") {
            continue;
        }
        let named = answer["errors"][0]["field"].as_str().unwrap_or_default();
        check.that(named.starts_with(&field), &place, &answer);
        let mut body = request["content"]["application/json"]["example"].clone();
        let mistyped = format!("{field}x");
        body[&mistyped] = json!(1);
        let answer = check.fails(send(&target).json(&body), 400, &place).await;
        let error = &answer["errors"][0];
        let remedy = error["remedy"].as_str().unwrap_or_default();
        let near = remedy.contains(&format!("Did you mean `{field}`?"));
        check.that(error["field"] == mistyped.as_str() && near, &place, &answer);
    }
    assert!(check.findings.is_empty(), "{} findings:\n{}", check.findings.len(), check.findings.join("\n"));
    assert!(check.seen > 150, "{}", check.seen);
}
