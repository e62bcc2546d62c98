//! The doors through which the story comes in. None of them is its own.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use base::{IntegrationId, SecretString, Timestamp};
use outbound::{HttpMethod, OperatorClient};
use serde_json::{Value as Json, json};
use simulator::{Behaviour, Control, Cut};

use super::beat::{DINA, Mood, What};
use crate::commands::accepted;
use crate::demo::secrets::StorySecrets;
use crate::error::{Error, Result};

/// The integrations that the story speaks through.
const SOURCES: &[&str] = &["monitoring", "database", "backups", "icinga2", "git"];
/// The number that everything comes from, and that phones write to.
const SENDER: &str = "447700900000";

/// Everything the story can reach. Cheap to clone.
#[derive(Clone)]
pub struct Doors(Arc<Inner>);

struct Inner {
    stranger: OperatorClient,
    application: OperatorClient,
    control: Control,
    public: String,
    token: String,
    integrations: HashMap<String, IntegrationId>,
}

impl Doors {
    /// The doors of the demo in `dir`, at the address `public`.
    pub fn new(
        dir: &Path,
        public: &str,
        secrets: &StorySecrets,
        integrations: HashMap<String, IntegrationId>,
    ) -> Result<Self> {
        let path = dir.join("ca.pem");
        let authority = std::fs::read_to_string(&path).map_err(|source| Error::file(&path, source))?;
        Ok(Self(Arc::new(Inner {
            stranger: OperatorClient::new(Some(&authority), None)?,
            application: OperatorClient::new(Some(&authority), Some(SecretString::from(secrets.key.clone())))?,
            control: Control::at(dir.join("simulator.sock")),
            public: public.to_owned(),
            token: secrets.token.clone(),
            integrations,
        })))
    }

    /// The simulated carrier.
    pub fn control(&self) -> Control {
        self.0.control.clone()
    }

    /// Does what a beat says. Intentions are the people's own business and do nothing here.
    pub async fn carry_out(&self, what: What) -> Result<()> {
        let control = &self.0.control;
        match what {
            What::Signal { from, body } => self.signal(from, &body).await,
            What::Stranger { at } => {
                let url = self.url(at, "not-a-token-that-anybody-drew")?;
                self.0.stranger.send(HttpMethod::POST, &url, Some(&json!({ "title": "Is anybody there?" }))).await?;
                Ok(())
            }
            What::Nonsense { from } => {
                // Deeper than any door reads: refused with the place, and a line of activity.
                let deep = (0..40).fold(json!("?"), |inside, _| json!([inside]));
                let url = self.url(from, &self.0.token)?;
                self.0.stranger.send(HttpMethod::POST, &url, Some(&deep)).await?;
                Ok(())
            }
            What::Text { to, words } => self.text(to, &words).await,
            What::Say { from, words } => told(control.send(from, SENDER, words).await).map(drop),
            What::Reach { of, there } => {
                if !there {
                    told(control.add_handset(of, Some("Fay Sample")).await)?;
                }
                told(control.set_reach(of, there).await).map(drop)
            }
            What::Carrier(mood) => self.mood(mood).await,
            What::Intend(_) => Ok(()),
        }
    }

    /// A signal of the integration `from`.
    pub async fn signal(&self, from: &str, body: &Json) -> Result<()> {
        let url = self.url(from, &self.0.token)?;
        accepted(self.0.stranger.send(HttpMethod::POST, &url, Some(body)).await?).map(drop)
    }

    fn url(&self, integration: &str, token: &str) -> Result<String> {
        let id = self.0.integrations.get(integration);
        let id = id.ok_or_else(|| Error::told(format!("the integration {integration} is gone")))?;
        Ok(format!("{}/signals/{id}?token={token}", self.0.public))
    }

    async fn text(&self, to: &str, words: &str) -> Result<()> {
        let url = format!("{}/api/v1/subaccounts/demo/messages", self.0.public);
        let body = json!({ "destination": to, "text": words });
        accepted(self.0.application.send(HttpMethod::POST, &url, Some(&body)).await?).map(drop)
    }

    /// Turns only the dials that the story owns, so that what people set on the handsets' page stays.
    async fn mood(&self, mood: Mood) -> Result<()> {
        let control = &self.0.control;
        let mut behaviour = told(control.behaviour().await)?;
        let usual = Behaviour::default();
        let (delay, refuse) = match mood {
            Mood::Good => (5, false),
            Mood::Slow => (1_800, false),
            Mood::Away => (behaviour.answer_delay_ms, true),
        };
        behaviour.answer_delay_ms = delay;
        behaviour.refuse_binds = refuse;
        // One connection after the other ends in the middle of its work, and none can be made.
        behaviour.cut = if refuse { Some(Cut { answered: 0, of: 1, times: Some(2) }) } else { usual.cut };
        told(control.set_behaviour(&behaviour).await)?;
        if mood == Mood::Away {
            self.text(DINA, "Your newsletter for this week is here.").await?;
        }
        Ok(())
    }

    /// The story's alerts that are open since before `before`: source and key.
    pub async fn open_before(&self, before: Timestamp) -> Result<Vec<(&'static str, String)>> {
        let names = SOURCES.iter().filter_map(|name| Some((self.0.integrations.get(*name)?.to_string(), *name)));
        let names: HashMap<String, &'static str> = names.collect();
        let mut found = Vec::new();
        for state in ["open", "acknowledged"] {
            let url = format!("{}/api/v1/workspaces/demo/alerts?state={state}&limit=100", self.0.public);
            let answer = accepted(self.0.application.send(HttpMethod::GET, &url, None).await?)?;
            for alert in answer["items"].as_array().into_iter().flatten() {
                let text = |field: &str| alert[field].as_str().unwrap_or_default();
                // RFC 3339 in UTC and one precision: texts are in the order of their times.
                if let Some(from) = names.get(text("integration"))
                    && !text("key").is_empty()
                    && text("opened") < before.rfc3339().as_str()
                {
                    found.push((*from, text("key").to_owned()));
                }
            }
        }
        Ok(found)
    }
}

fn told<T>(done: std::result::Result<T, simulator::Error>) -> Result<T> {
    done.map_err(|error| Error::told(error.to_string()))
}
