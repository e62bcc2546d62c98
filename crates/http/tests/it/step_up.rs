//! Step-up at the door (ASVS 7.5.1, 7.5.3): who may, and has not proven themselves for a while, is asked; then it goes on.

use access::Role;
use http::matrix::{Credential, Player, Rights, run_stale};
use http::{Door, Failure, IntoResponse as _, StatusCode};

use super::stage::Stage;

const FORM: &str = "application/x-www-form-urlencoded";

/// Shows what a page of the console would be made of.
fn shown(failure: &Failure) -> http::Response {
    match &failure.asked {
        Some(asked) => format!(
            "asked at {} for {:?} with {:?}, {}, wrong: {:?}",
            asked.action,
            asked.ways.password,
            asked.fields,
            asked.csrf.starts_with('~'),
            asked.wrong
        )
        .into_response(),
        None => failure.problem.code.to_string().into_response(),
    }
}

async fn stage() -> Stage {
    Stage::build(|settings| settings, |builder| builder.render(Door::Console, shown)).await
}

/// Nothing that was typed is lost: the refusal holds it, and with a proof beside it the handler sees it as it was.
#[tokio::test]
async fn x_16_a_form_that_comes_too_late_goes_on_with_a_proof() {
    let stage = stage().await;
    let post = |cookie: &'static str, body: &'static str| {
        let request = stage.client().post(stage.url("/w/demo/risky?x=1")).header("cookie", cookie);
        request.header("content-type", FORM).header("sec-fetch-site", "same-origin").body(body).send()
    };
    let fresh = post("__Host-sid=s-operator", "csrf=csrf-operator&text=hi&tags=a&tags=b").await.unwrap();
    assert_eq!(fresh.text().await.unwrap(), "demo risked: hi, [\"a\", \"b\"]");
    let asked = post("__Host-sid=s-old-operator", "csrf=csrf-operator&text=h%26i&tags=a&tags=b").await.unwrap();
    assert_eq!(asked.status(), StatusCode::FORBIDDEN.as_u16());
    assert!(!asked.headers().contains_key("set-cookie"));
    assert_eq!(
        asked.text().await.unwrap(),
        "asked at /w/demo/risky?x=1 for true with [(\"text\", \"h&i\"), (\"tags\", \"a\"), (\"tags\", \"b\")], true, wrong: None"
    );
    let wrong = post("__Host-sid=s-old-operator", "csrf=csrf-operator&text=hi&prove-password=wrong").await.unwrap();
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN.as_u16());
    let words = wrong.text().await.unwrap();
    assert!(words.contains("wrong: Some(\"Wrong.\")") && words.contains("(\"text\", \"hi\")"), "{words}");
    assert!(!words.contains("prove-"), "a proof is not sent back");
    let right =
        post("__Host-sid=s-old-operator", "csrf=csrf-operator&text=hi&tags=a&prove-password=right").await.unwrap();
    // The identifier is another one from here on (7.2.4), and the handler saw its own fields alone.
    assert!(right.headers()["set-cookie"].to_str().unwrap().starts_with("__Host-sid=s-new-operator; "));
    assert_eq!(right.text().await.unwrap(), "demo risked: hi, [\"a\"]");
    // A proof does not replace the token of the form, nor the right.
    let forged = post("__Host-sid=s-old-operator", "csrf=x&text=hi&prove-password=right").await.unwrap();
    assert_eq!(forged.text().await.unwrap(), "form-out-of-date");
    let viewer = post("__Host-sid=s-old-observer", "csrf=csrf-observer&text=hi").await.unwrap();
    assert_eq!(viewer.text().await.unwrap(), "not-permitted", "who may not is not asked");
}

/// A page that is risky to read leads back to itself; the API says what to do; keys prove themselves with each request.
#[tokio::test]
async fn pages_are_come_back_to_and_what_is_not_risky_asks_nothing() {
    let stage = stage().await;
    let get = |path: &str| stage.client().get(stage.url(path)).header("cookie", "__Host-sid=s-old-operator").send();
    let asked = get("/w/demo/risky?x=1").await.unwrap().text().await.unwrap();
    assert!(asked.starts_with("asked at /step-up for true with [(\"next\", \"/w/demo/risky?x=1\")]"), "{asked}");
    assert_eq!(get("/w/demo/alerts").await.unwrap().status(), 200);
}

/// The table: with an old proof each route asks or does not, as it was declared.
#[tokio::test]
async fn every_route_asks_as_it_was_declared() {
    let stage = stage().await;
    let player = Player {
        name: "administrator".into(),
        credential: Credential::Session { token: "s-administrator".into(), csrf: "csrf-administrator".into() },
        rights: Rights::Roles(vec![(Role::Administrator, None)]),
    };
    let report = run_stale(&stage.app, &player, "demo").await;
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_eq!(report.passed, 2, "the two that say so");
}
