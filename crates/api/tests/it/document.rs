//! The OpenAPI document is what is served, and what is served is in the document.

use std::collections::BTreeSet;

use http::Door;
use http::doc::Document;
use serde_json::Value;

use super::house::House;
use super::schema::Schemas;

/// Every operation of the document: its method, its path and itself.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, operations)| {
        operations.as_object().into_iter().flatten().map(move |(method, one)| (method.as_str(), path.as_str(), one))
    })
}

fn routes(house: &House) -> BTreeSet<(String, String)> {
    let doors = [Door::Api, Door::Compatible, Door::Signal, Door::Probe];
    let routes = house.app.routes().iter().filter(|route| {
        doors.contains(&route.door)
            || (route.door == Door::Public && (route.doc.is_some() || route.path.starts_with("/.well-known")))
    });
    routes.map(|route| (route.method.as_str().to_ascii_lowercase(), route.path.clone())).collect()
}

/// Issue 3: every route served is in the document and the other way round.
#[tokio::test]
async fn what_is_served_and_what_is_described_are_the_same() {
    let house = House::new().await;
    let document = house.app.document().json().clone();
    let described: BTreeSet<_> =
        operations(&document).map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(described, routes(&house));
    let served: Value = house.get("/api/openapi.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(served, document);
    // Without figures nobody serves them; the composed product does.
    for (method, path, _) in operations(&document).filter(|(_, path, _)| *path != "/metrics") {
        let filled = path.replace("{workspace}", "demo").replace(['{', '}'], "");
        let method: reqwest::Method = method.to_ascii_uppercase().parse().unwrap();
        let answer = house.request(method.clone(), &filled).send().await.unwrap();
        assert_ne!(answer.status(), 405, "{method} {path}");
        let unknown = answer.status() == 404 && answer.text().await.unwrap().contains("There is nothing here");
        assert!(!unknown, "{method} {path} is not served");
    }
}

#[tokio::test]
async fn every_operation_is_whole() {
    let house = House::new().await;
    let document = house.app.document().json();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(document) {
        let place = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{place}: its id is another's too");
        for text in ["summary", "description"] {
            assert!(operation[text].as_str().is_some_and(|text| text.len() > 5), "{place} has no {text}");
        }
        let tag = &operation["tags"][0];
        let tags = document["tags"].as_array().unwrap();
        assert!(tags.iter().any(|one| one["name"] == *tag && one["description"] != ""), "{place}: {tag}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert!(
                parameter["description"].as_str().is_some_and(|text| text.len() > 5),
                "{place}: {name} says nothing"
            );
            assert!(parameter["in"] != "path" || parameter.get("example").is_some(), "{place}: {name} has no example");
        }
        assert!(
            operation["requestBody"]["content"]
                .as_object()
                .into_iter()
                .flatten()
                .all(|(_, it)| it.get("example").is_some())
        );
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{place} never answers");
        for (status, response) in responses {
            let contents = response["content"].as_object();
            assert!(
                contents.into_iter().flatten().all(|(_, content)| content.get("example").is_some()),
                "{place}: {status} has no example"
            );
        }
        let own_rules = ["/signals", "/api/integration", "/oauth/"].iter().any(|door| path.starts_with(door));
        let unsafe_api = method != "get" && !own_rules;
        let header =
            operation["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == "Idempotency-Key");
        assert_eq!(header, unsafe_api, "{place}: Idempotency-Key");
    }
    assert!(ids.len() > 35, "{}", ids.len());
}

/// Every reference resolves, every example is what its schema says, and every example of a body is one that the handler reads.
#[tokio::test]
async fn every_example_is_true() {
    let house = House::new().await;
    let document = house.app.document().json();
    let schemas = Schemas::of(document);
    schemas.resolve_all();
    for (method, path, operation) in operations(document) {
        let place = format!("{method} {path}");
        let request = operation["requestBody"]["content"].as_object().into_iter().flatten();
        let answers = operation["responses"].as_object().unwrap().values();
        let answers = answers.flat_map(|answer| answer["content"].as_object().into_iter().flatten());
        for (media, content) in request.chain(answers) {
            schemas.check(&content["schema"], &content["example"], &format!("{place} {media}"));
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if let Some(example) = parameter.get("example") {
                schemas.check(&parameter["schema"], example, &format!("{place} {}", parameter["name"]));
            }
        }
    }
    for route in house.app.routes() {
        let Some(doc) = &route.doc else { continue };
        if let Some((example, read)) = doc.request_example() {
            assert!(read.is_ok(), "{} {}: {example} is refused: {read:?}", route.method, route.path);
        }
    }
}

/// What callers hold on to: a change of it shows here.
#[tokio::test]
async fn the_document_stays() {
    let house = House::new().await;
    let mut document = Document::json(house.app.document()).clone();
    document["servers"][0]["url"] = "https://localhost".into();
    insta::assert_json_snapshot!("openapi", document);
}
