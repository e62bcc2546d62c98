//! `demo --story`: life on the pages. Sources speak, people answer by text, an application writes to its customers, and the carrier has
//! its moods, over and over with small differences. Everything comes in by the doors that anybody uses: signals with their
//! tokens, the messages' API, and the handsets of the simulated carrier.
//!
//! [`scenes`] says what happens, [`owners`] are the people, this file keeps the time.

mod beat;
mod doors;
mod owners;
mod scenes;

use std::time::Duration;

use access::{Engine, OrganisationPermit, Permit, cap};
use base::{Context, SecretString, WorkspaceId};
use resources::{Change, Clearance, Ground};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::beat::{Beat, What};
use self::doors::Doors;
use self::owners::Minds;
use self::scenes::{DECK, OPENING, Scene};
use super::secrets::StorySecrets;
use crate::commands;
use crate::error::{Error, Result};
use crate::product::Product;

const RESOURCES: &str = include_str!("story.yaml");

/// From one scene to the next, at pace 1.
const BETWEEN: Duration = Duration::from_secs(20);
/// When the opening is through, at pace 1.
const OPENED: Duration = Duration::from_secs(110);
/// How often what was left open is looked for, at pace 1.
const TIDYING: Duration = Duration::from_mins(5);
/// Alerts of the story that are older than this, at pace 1, are over.
const LASTS: Duration = Duration::from_mins(12);

/// A story that is ready to be told.
pub struct Story {
    doors: Doors,
    minds: Minds,
    context: Context,
    pace: f64,
}

impl Story {
    /// Brings in what the story needs, once: what people changed since stays. `public` is the console's address and `pace` how much
    /// faster than life everything goes.
    pub async fn prepare(product: &Product, dir: &std::path::Path, public: &str, pace: f64) -> Result<Self> {
        if !(0.1..=100.0).contains(&pace) {
            return Err(Error::told("--pace is a number from 0.1 to 100; 1 is an event about every 20 seconds"));
        }
        let context = product.db.context().clone();
        let secrets = StorySecrets::of(dir, &context)?;
        let workspace = product.db.read(|tx| access::workspace_by_slug(tx, "demo")).await?;
        let workspace = workspace.ok_or_else(|| Error::told("the workspace demo is gone"))?.id;
        let permit = Permit::engine(Engine("demo"), workspace);
        let known = product.signals.integrations(&permit).await?;
        if !known.iter().any(|integration| integration.name == "monitoring") {
            furnish(product, workspace, &secrets).await?;
        }
        let integrations = product.signals.integrations(&permit).await?;
        let doors =
            Doors::new(dir, public, &secrets, integrations.iter().map(|one| (one.name.clone(), one.id)).collect())?;
        Ok(Self { doors, minds: Minds::default(), context, pace })
    }

    /// Tells it until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let people = owners::answer(self.doors.control(), self.minds.clone(), self.pace);
        tokio::select! {
            () = stop.cancelled() => {}
            () = people => {}
            () = self.tell() => {}
        }
    }

    async fn tell(&self) {
        let (mut acting, began) = (JoinSet::new(), tokio::time::Instant::now());
        // What an earlier telling left behind when it was stopped.
        self.tidy(Duration::ZERO).await;
        for (second, scene) in OPENING {
            tokio::time::sleep_until(began + self.scaled(Duration::from_secs(*second))).await;
            self.act(*scene, &mut acting);
        }
        tokio::time::sleep_until(began + self.scaled(OPENED)).await;
        let (mut deck, mut tidied) = (Vec::new(), tokio::time::Instant::now());
        loop {
            if deck.is_empty() {
                deck = DECK.to_vec();
            }
            // Cards are drawn from any place; a short-lived bias of `below` is nothing here.
            let place = self.context.chance().below(u32::try_from(deck.len()).unwrap_or(1)) as usize;
            self.act(deck.swap_remove(place), &mut acting);
            let spread = f64::from(self.context.chance().below(100)) / 100.0;
            tokio::time::sleep(self.scaled(BETWEEN).mul_f64(0.5 + spread)).await;
            while acting.try_join_next().is_some() {}
            if tidied.elapsed() > self.scaled(TIDYING) {
                self.tidy(self.scaled(LASTS)).await;
                tidied = tokio::time::Instant::now();
            }
        }
    }

    fn scaled(&self, time: Duration) -> Duration {
        time.div_f64(self.pace)
    }

    /// Begins a scene; it goes on beside the others.
    fn act(&self, scene: Scene, acting: &mut JoinSet<()>) {
        let mut beats = scene(self.context.chance());
        beats.sort_by_key(|beat| beat.at);
        let (doors, minds, pace) = (self.doors.clone(), self.minds.clone(), self.pace);
        acting.spawn(async move {
            let began = tokio::time::Instant::now();
            for Beat { at, what } in beats {
                tokio::time::sleep_until(began + at.div_f64(pace)).await;
                if let What::Intend(intent) = what {
                    minds.add(intent);
                } else if let Err(error) = doors.carry_out(what).await {
                    // The demo may be stopping, or somebody switched an integration off: the story goes on.
                    tracing::debug!(%error, "a part of the story did not happen");
                }
            }
        });
    }

    /// Whatever is still open and older than `age` is over: a source forgot it, or the demo was stopped in between.
    async fn tidy(&self, age: Duration) {
        let before = self.context.now().minus(age);
        for (from, key) in self.doors.open_before(before).await.unwrap_or_default() {
            if let Some(body) = scenes::over(from, &key)
                && let Err(error) = self.doors.signal(from, &body).await
            {
                tracing::debug!(%error, "an old alert of the story stays open");
            }
        }
    }
}

/// Puts the story's entries beside what the demo has, in one transaction.
async fn furnish(product: &Product, workspace: WorkspaceId, secrets: &StorySecrets) -> Result<()> {
    let resources = product.resources.clone();
    let permit: OrganisationPermit<cap::ResourcesApply> = commands::operator().permit_organisation()?;
    let mut entries = Vec::new();
    for entry in RESOURCES.split("\n--- ").skip(1) {
        let (kind, text) = entry.split_once('\n').unwrap_or((entry, ""));
        let draft = resources.read_text(kind, text).map_err(commands::told)?;
        let secret = match kind {
            "integrations" => Some(&secrets.token),
            "api_keys" => Some(&secrets.key),
            _ => None,
        };
        let draft = match secret {
            Some(secret) => draft.secret("token", SecretString::from(secret.clone())),
            None => draft,
        };
        entries.push((kind, draft));
    }
    let written = product.db.write(move |tx| {
        let clearance = Clearance::check(tx, Some(workspace), &Ground::None, permit.actor())?;
        for (kind, body) in &entries {
            let change = Change {
                kind,
                workspace: Some(workspace),
                body: body.clone(),
                reason: Some("the demo's story"),
                clearance: &clearance,
            };
            resources.put(tx, &permit, change)?;
        }
        Ok::<_, resources::Error>(())
    });
    written.await.map_err(commands::told)
}
