//! `demo --story`: everything that pages show comes about by itself, by public doors alone, and the demo stops when it is told to.

use std::time::Duration;

use serde_json::Value as Json;
use testkit::{Demo, eventually};

use crate::BINARY;

#[tokio::test(flavor = "multi_thread")]
async fn every_state_that_pages_show_comes_about() {
    let mut demo = Demo::start_with(BINARY, None, &["--story", "--pace", "4"]);
    let key = std::fs::read_to_string(demo.data().join("story.json")).unwrap();
    let key = serde_json::from_str::<Json>(&key).unwrap()["key"].as_str().unwrap().to_owned();
    let seen = Seen { http: demo.client(), base: format!("{}/api/v1/workspaces/demo", demo.fact("console")), key };

    seen.item("a burst is joined into one alert", "alerts", |alert| alert["joined"].as_i64() > Some(3)).await;
    seen.item("a sender without a token is refused", "signals", |signal| signal["status"] == 401).await;
    seen.item("a body that cannot be read is refused", "signals", |signal| signal["status"] == 400).await;
    seen.item("a customer is out of reach", "messages", |message| message["state"] == "sent").await;
    seen.item("a customer got a text", "messages", |message| message["state"] == "delivered").await;
    seen.item("a deploy is noted, nobody is woken", "runs", |run| run.to_string().contains("deploys")).await;
    seen.moment("a person acknowledges by text", "Replication lag", &["alert.acknowledged", "Acknowledged by SMS"])
        .await;
    seen.moment("a critical alert is passed on with its code", "Backup of", &["passed_on"]).await;
    seen.moment("the second hears what the first did not", "is DOWN", &["Step 2", "Eli Sample has it"]).await;
    seen.moment("a source says that it is over", "messages wait", &["alert.resolved", "says it is over"]).await;
    seen.item("the carrier went away in between", "messages", |message| message["unknownOutcomes"].as_i64() > Some(0))
        .await;
    seen.item("what waited for it went out", "messages", |message| {
        message["state"] == "delivered" && message["attempts"].as_i64() > Some(1)
    })
    .await;
    assert!(demo.process().terminate(Duration::from_secs(20)), "it stops when it is told to");
}

struct Seen {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Seen {
    async fn get(&self, path: &str) -> Option<Json> {
        let answer = self.http.get(format!("{}/{path}", self.base)).bearer_auth(&self.key).send().await.ok()?;
        answer.status().is_success().then_some(())?;
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    }

    /// Waits for an item of a list.
    async fn item(&self, what: &str, list: &str, wanted: impl Fn(&Json) -> bool) {
        eventually(what, || async {
            let found = self.get(&format!("{list}?limit=100")).await?;
            found["items"].as_array()?.iter().any(&wanted).then_some(())
        })
        .await;
    }

    /// Waits until the timeline of some alert with this title says all of `words`.
    async fn moment(&self, what: &str, title: &str, words: &[&str]) {
        eventually(what, || async {
            let alerts = self.get("alerts?limit=100").await?;
            for alert in alerts["items"].as_array()? {
                if !alert["title"].as_str()?.contains(title) {
                    continue;
                }
                let timeline = self.get(&format!("alerts/{}/timeline", alert["name"].as_str()?)).await?.to_string();
                if words.iter().all(|word| timeline.contains(word)) {
                    return Some(());
                }
            }
            None
        })
        .await;
    }
}
