use super::stage::Stage;

async fn header(stage: &Stage, path: &str, name: &str) -> Option<String> {
    let response =
        stage.client().get(stage.url(path)).header("cookie", "__Host-sid=s-administrator").send().await.unwrap();
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// X-18; ASVS 3.4.1, 3.4.4, 3.4.5, 13.4.6, 14.3.2: on every answer of every door, also on failures.
#[tokio::test]
async fn x_18_every_answer_carries_the_common_headers() {
    let stage = Stage::new().await;
    for path in [
        "/w/demo/alerts",
        "/api/v1/audit",
        "/nothing",
        "/api/v1/nothing",
        "/healthz",
        "/panics",
        "/robots.txt",
        "/slow",
    ] {
        let response = stage.client().get(stage.url(path)).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["strict-transport-security"], "max-age=63072000; includeSubDomains", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert!(headers.contains_key("content-security-policy"), "{path}");
        assert!(headers["x-request-id"].len() == 36, "{path}");
        assert!(!headers.contains_key("server"), "{path}");
        assert!(!headers.contains_key("access-control-allow-origin"), "CORS is off (ASVS 3.4.2): {path}");
    }
}

/// X-18; ASVS 3.4.3, 3.4.6, 3.4.7, 3.4.8.
#[tokio::test]
async fn x_18_pages_and_data_have_their_own_content_policies() {
    let stage = Stage::new().await;
    let page = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
        connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
        require-trusted-types-for 'script'; trusted-types app; report-to csp";
    assert_eq!(header(&stage, "/w/demo/alerts", "content-security-policy").await.as_deref(), Some(page));
    assert_eq!(header(&stage, "/w/demo/alerts", "cross-origin-opener-policy").await.as_deref(), Some("same-origin"));
    let permissions = header(&stage, "/w/demo/alerts", "permissions-policy").await;
    assert_eq!(permissions.as_deref(), Some("camera=(), microphone=(), geolocation=()"));
    assert_eq!(header(&stage, "/w/demo/alerts", "reporting-endpoints").await.as_deref(), Some("csp=\"/csp-reports\""));
    let data = "default-src 'none'; frame-ancestors 'none'; sandbox";
    for path in ["/api/v1/audit", "/healthz", "/api/v1/nothing"] {
        assert_eq!(header(&stage, path, "content-security-policy").await.as_deref(), Some(data), "{path}");
    }
}

/// ASVS 4.1.4, 13.4.4: TRACE and whatever a path does not list.
#[tokio::test]
async fn methods_that_are_not_listed_are_refused() {
    let stage = Stage::new().await;
    for method in ["TRACE", "OPTIONS", "PUT", "DELETE"] {
        let method: reqwest::Method = method.parse().unwrap();
        let response = stage.client().request(method.clone(), stage.url("/api/v1/audit")).send().await.unwrap();
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers()["allow"], "GET,HEAD");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}

/// X-24; RFC 9116.
#[tokio::test]
async fn x_24_security_txt_tells_whom_to_write_to() {
    let stage = Stage::new().await;
    let response = stage.client().get(stage.url("/.well-known/security.txt")).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    let text = response.text().await.unwrap();
    assert!(text.starts_with("Contact: mailto:security@example.com\nExpires: 20"), "{text}");
    assert!(text.contains(&format!("Canonical: {}/.well-known/security.txt", stage.origin())), "{text}");
    let robots = stage.client().get(stage.url("/robots.txt")).send().await.unwrap().text().await.unwrap();
    assert_eq!(robots, "User-agent: *\nDisallow: /\n");
}

#[tokio::test]
async fn supervisors_may_use_an_address_in_place_of_the_name() {
    let stage = Stage::new().await;
    for (path, expected) in [("/healthz", 200), ("/readyz", 200), ("/robots.txt", 421), ("/w/demo/alerts", 421)] {
        let client = stage.client_speaking(&[b"http/1.1"]);
        let response = client.get(stage.url(path)).header("host", "10.1.2.3:8443").send().await.unwrap();
        assert_eq!(response.status(), expected, "{path}");
    }
}

/// What a policy stopped is reported without a credential and never with one.
#[tokio::test]
async fn browsers_can_report_what_the_policy_stopped() {
    let stage = Stage::new().await;
    let report = r#"[{"type":"csp-violation","body":{"effectiveDirective":"script-src-elem","blockedURL":"https://evil.example/"}}]"#;
    let send = |body: String| {
        let request = stage.client().post(stage.url("/csp-reports")).header("content-type", "application/reports+json");
        request.body(body).send()
    };
    assert_eq!(send(report.into()).await.unwrap().status(), 204);
    assert_eq!(send("nonsense".into()).await.unwrap().status(), 400);
    assert_eq!(send("x".repeat(20_000)).await.unwrap().status(), 413);
}
