use serde_json::Value;

use super::stage::Stage;

/// The body of a problem with what changes from run to run taken out.
async fn problem(response: reqwest::Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let mut body: Value = response.json().await.unwrap();
    assert_eq!(body["requestId"], id.as_str());
    body["requestId"] = "[id]".into();
    assert_eq!(body["instance"], format!("urn:uuid:{id}"));
    body["instance"] = "[instance]".into();
    body
}

async fn note(stage: &Stage, body: &str) -> reqwest::Response {
    let post = stage.client().post(stage.url("/api/v1/workspaces/demo/notes")).header("authorization", "Bearer k-demo");
    post.header("content-type", "application/json; charset=utf-8").body(body.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn problems_say_what_is_wrong_and_where() {
    let stage = Stage::new().await;
    let unknown = problem(note(&stage, r#"{"text":"hi","colour":1}"#).await).await;
    let wrong = problem(note(&stage, r#"{"text":"hi","tags":["a",2]}"#).await).await;
    let missing = problem(stage.client().get(stage.url("/api/v1/nothing")).send().await.unwrap()).await;
    let nobody = problem(stage.client().get(stage.url("/api/v1/audit")).send().await.unwrap()).await;
    let get = stage.client().get(stage.url("/api/v1/audit")).header("cookie", "__Host-sid=s-observer");
    let forbidden = problem(get.send().await.unwrap()).await;
    let get = stage
        .client()
        .get(stage.url("/api/v1/workspaces/demo/alerts?limit=0"))
        .header("authorization", "Bearer k-demo");
    let query = problem(get.send().await.unwrap()).await;
    insta::assert_json_snapshot!("problems", [unknown, wrong, missing, nobody, forbidden, query]);
}

/// ASVS 16.5.1: no stack, no SQL, no path.
#[tokio::test]
async fn failures_of_ours_keep_their_cause_to_themselves() {
    let stage = Stage::new().await;
    for path in ["/api/v1/internal", "/panics"] {
        let response = stage.client().get(stage.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 500);
        let text = response.text().await.unwrap();
        assert!(!["SELECT", "passwd", "a bug", "src/"].iter().any(|leak| text.contains(leak)), "{text}");
        assert!(text.contains("request id"), "{text}");
    }
}

/// ASVS 15.3.3, fault F-23.
#[tokio::test]
async fn json_that_means_two_things_is_refused() {
    let stage = Stage::new().await;
    assert_eq!(note(&stage, r#"{"text":"hi"}"#).await.status(), 200);
    for body in [r#"{"text":"a","text":"b"}"#, r#"{"text":1e999}"#, "", "{", "[]", r#"{"text":"a"}x"#] {
        assert_eq!(note(&stage, body).await.status(), 400, "{body}");
    }
}

#[tokio::test]
async fn bodies_of_other_types_are_not_read() {
    let stage = Stage::new().await;
    let post =
        || stage.client().post(stage.url("/api/v1/workspaces/demo/notes")).header("authorization", "Bearer k-demo");
    let typed =
        |content_type: &'static str| post().header("content-type", content_type).body(r#"{"text":"hi"}"#).send();
    assert_eq!(typed("application/vnd.sample+json").await.unwrap().status(), 200);
    for wrong in
        ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data; boundary=a"]
    {
        assert_eq!(typed(wrong).await.unwrap().status(), 415, "{wrong}");
    }
    assert_eq!(post().body(r#"{"text":"hi"}"#).send().await.unwrap().status(), 415, "without a type");
    // ASVS 5.2.3: what is unpacked is bounded (see `encodings`), and most ways to pack are not read at all (fault F-22).
    let packed =
        post().header("content-type", "application/json").header("content-encoding", "br").body(vec![0x1f, 0x8b]);
    assert_eq!(packed.send().await.unwrap().status(), 415);
}
