//! All carriers of this node: started from what is stored, started anew when that changes, stopped with the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base::SecretString;
use messaging::Messaging;
use store::{Db, params};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use vault::{Aad, Vault};

use crate::settings::Settings;
use crate::smpp_carrier::SmppCarrier;
use crate::status::CarrierStatus;
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

    async fn reconcile(&self) -> Result<(), Error> {
        let stored = self.stored().await?;
        let mut gone = Vec::new();
        {
            let Ok(mut running) = self.0.running.lock() else { return Ok(()) };
            let keep = |id: &String, running: &mut Running| {
                stored.iter().any(|stored| stored.id == *id && stored.version == running.version)
            };
            running.retain(|id, one| {
                let kept = keep(id, one);
                if !kept {
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
            let known = self.0.running.lock().is_ok_and(|running| running.contains_key(&stored.id));
            if !known {
                let deliveries = Arc::new(self.0.messaging.clone());
                let context = self.0.db.context().clone();
                let carrier = SmppCarrier::start(stored.settings, &stored.password, deliveries, context);
                self.0.messaging.attach(Arc::clone(&carrier) as Arc<dyn messaging::Carrier>);
                if let Ok(mut running) = self.0.running.lock() {
                    running.insert(stored.id, Running { version: stored.version, carrier });
                }
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
                    "SELECT id, settings, password, version FROM carriers ORDER BY name",
                    &params![],
                    |row| {
                        Ok((
                            row.get::<String>("id")?,
                            row.get::<String>("settings")?,
                            row.get::<String>("password")?,
                            row.get::<i64>("version")?,
                        ))
                    },
                )?;
                rows.into_iter()
                    .map(|(id, settings, sealed, version)| {
                        let aad = Aad { table: "carriers", column: "password", row: &id };
                        let password = vault.open(tx, None, &aad, &sealed)?;
                        let password = SecretString::from(String::from_utf8_lossy(&password).into_owned());
                        Ok(Stored { settings: serde_json::from_str(&settings)?, password, version, id })
                    })
                    .collect()
            })
            .await
    }
}
