//! All carriers of this node: started from what is stored, started anew when that changes, stopped with the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use access::{Authority, cap};
use base::SecretString;
use messaging::Messaging;
use store::{Changed, Db, params};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use vault::{Aad, Vault};

use crate::pause::Pause;
use crate::settings::Settings;
use crate::smpp_carrier::{Remembered, SmppCarrier, limits_of};
use crate::status::{CarrierStatus, Profile};
use crate::{Error, TOPIC};

/// The carriers. Cheap to clone.
#[derive(Clone)]
pub struct Carriers(Arc<Inner>);

struct Inner {
    db: Db,
    vault: Vault,
    messaging: Messaging,
    running: Mutex<BTreeMap<String, Running>>,
}

struct Running {
    version: i64,
    carrier: Arc<SmppCarrier>,
}

struct Stored {
    id: String,
    settings: Settings,
    password: SecretString,
    version: i64,
    paused: Option<Pause>,
}

impl Carriers {
    /// The carriers of `db`, which hand in and take from `messaging`. None runs before [`Self::run`].
    pub fn new(db: Db, vault: Vault, messaging: Messaging) -> Self {
        Self(Arc::new(Inner { db, vault, messaging, running: Mutex::default() }))
    }

    /// Starts every stored carrier and follows changes until `stop`; then unbinds them all.
    pub async fn run(&self, stop: CancellationToken) {
        let mut changes = self.0.db.subscribe();
        loop {
            if let Err(error) = self.reconcile().await {
                tracing::error!(%error, "carriers could not be read");
            }
            // A change is told; a poll finds what was not told, such as one made by another node.
            let told = async {
                loop {
                    match changes.recv().await {
                        Ok(changed) if changed.topic == TOPIC => return,
                        Ok(_) => {}
                        Err(RecvError::Lagged(_)) => return,
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                () = told => {}
                () = tokio::time::sleep(std::time::Duration::from_secs(5)) => {}
                () = stop.cancelled() => break,
            }
        }
        let running = self.0.running.lock().map(|mut running| std::mem::take(&mut *running)).unwrap_or_default();
        futures_util::future::join_all(running.values().map(|running| running.carrier.stop())).await;
    }

    /// How each is doing, by name.
    pub fn status(&self) -> Vec<CarrierStatus> {
        let Ok(running) = self.0.running.lock() else { return Vec::new() };
        let mut all: Vec<CarrierStatus> = running.values().map(|running| running.carrier.status()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// One carrier with its settings and history, for those who may see carriers; `None` when it does not run here.
    pub fn profile(&self, permit: &impl Authority<cap::CarriersRead>, name: &str) -> Option<Profile> {
        let _ = permit;
        let running = self.0.running.lock().ok()?;
        let carrier = &running.values().find(|running| running.carrier.settings().name == name)?.carrier;
        Some(Profile {
            status: carrier.status(),
            settings: Settings { password: None, ..carrier.settings().clone() },
            history: carrier.history(),
        })
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn connect_again(&self, name: &str) {
        let Ok(running) = self.0.running.lock() else { return };
        for running in running.values().filter(|running| running.carrier.settings().name == name) {
            running.carrier.connect_again();
        }
    }

    /// Pauses or resumes here at once; other nodes follow when they read it.
    pub(crate) fn set_paused(&self, id: &str, pause: Option<Pause>) {
        let Ok(running) = self.0.running.lock() else { return };
        if let Some(running) = running.get(id) {
            running.carrier.set_paused(pause);
        }
    }

    /// Tells open pages whenever a connection of `carrier` comes or goes, for as long as it runs.
    fn announce(&self, carrier: &SmppCarrier, id: String) {
        let (db, mut moves) = (self.0.db.clone(), carrier.moves());
        tokio::spawn(async move {
            while moves.changed().await.is_ok() {
                db.announce(Changed { workspace: None, topic: TOPIC, id: id.clone() });
            }
        });
    }

    async fn reconcile(&self) -> Result<(), Error> {
        let stored = self.stored().await?;
        let mut gone = Vec::new();
        let mut remembered: BTreeMap<String, Remembered> = BTreeMap::new();
        {
            let Ok(mut running) = self.0.running.lock() else { return Ok(()) };
            let keep = |id: &String, running: &mut Running| {
                stored.iter().any(|stored| stored.id == *id && stored.version == running.version)
            };
            running.retain(|id, one| {
                let kept = keep(id, one);
                if !kept {
                    remembered.insert(id.clone(), one.carrier.remembered());
                    gone.push(Arc::clone(&one.carrier));
                }
                kept
            });
        }
        for carrier in gone {
            if !stored.iter().any(|stored| stored.settings.name == carrier.settings().name) {
                self.0.messaging.detach(&carrier.settings().name);
            }
            // In the background: a drain may take its time, and the others must not wait for it.
            tokio::spawn(async move { carrier.stop().await });
        }
        for stored in stored {
            let known =
                self.0.running.lock().ok().and_then(|running| Some(Arc::clone(&running.get(&stored.id)?.carrier)));
            if let Some(carrier) = known {
                carrier.set_paused(stored.paused);
                continue;
            }
            let deliveries = Arc::new(self.0.messaging.clone());
            let context = self.0.db.context().clone();
            let before = remembered.remove(&stored.id).unwrap_or_default();
            let remembered = Remembered { paused: stored.paused, ..before };
            let limits = limits_of(&stored.settings);
            let carrier =
                SmppCarrier::start_as(stored.settings, &stored.password, deliveries, context, limits, remembered);
            self.announce(&carrier, stored.id.clone());
            self.0.messaging.attach(Arc::clone(&carrier) as Arc<dyn messaging::Carrier>);
            if let Ok(mut running) = self.0.running.lock() {
                running.insert(stored.id, Running { version: stored.version, carrier });
            }
        }
        Ok(())
    }

    async fn stored(&self) -> Result<Vec<Stored>, Error> {
        let vault = self.0.vault.clone();
        self.0
            .db
            .read(move |tx| {
                let rows = tx.query(
                    "SELECT c.id, c.settings, c.password, c.version, p.since, p.paused_by, p.reason FROM carriers c
                     LEFT JOIN carrier_pauses p ON p.carrier = c.id ORDER BY c.name",
                    &params![],
                    |row| {
                        Ok((
                            row.get::<String>("id")?,
                            row.get::<String>("settings")?,
                            row.get::<String>("password")?,
                            row.get::<i64>("version")?,
                            match row.get::<Option<base::Timestamp>>("since")? {
                                Some(since) => {
                                    Some(Pause { since, by: row.get("paused_by")?, reason: row.get("reason")? })
                                }
                                None => None,
                            },
                        ))
                    },
                )?;
                rows.into_iter()
                    .map(|(id, settings, sealed, version, paused)| {
                        let aad = Aad { table: "carriers", column: "password", row: &id };
                        let password = vault.open(tx, None, &aad, &sealed)?;
                        let password = SecretString::from(String::from_utf8_lossy(&password).into_owned());
                        Ok(Stored { settings: serde_json::from_str(&settings)?, password, version, paused, id })
                    })
                    .collect()
            })
            .await
    }
}
