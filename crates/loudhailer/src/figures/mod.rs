//! The text behind `/metrics`: meters that rooms move as things happen, and figures that are read when somebody asks.

pub mod process;

use std::time::Duration;

use access::{Engine, OrganisationPermit, cap};
use async_trait::async_trait;
use base::Timestamp;
use http::Figures;
use tokio::sync::Mutex;

use crate::error::Result;
use crate::meters;
use crate::product::Product;

/// For how long figures from the database hold: whoever scrapes every second does not make it count every second.
const FRESH: Duration = Duration::from_secs(5);
/// How long the database may take for them.
const PATIENCE: Duration = Duration::from_secs(3);
const WHO: Engine = Engine("metrics");

/// Every figure of the product.
pub struct AllFigures {
    product: Product,
    read: Mutex<Option<Duration>>,
}

impl AllFigures {
    /// Over these rooms.
    pub fn new(product: Product) -> Self {
        meters::BUILD.set(&[env!("CARGO_PKG_VERSION")], 1.0);
        meters::STARTED.set(seconds(product.db.context().now()));
        Self { product, read: Mutex::new(None) }
    }

    /// Reads what rooms know, at most every few seconds; who asks meanwhile waits for the same answer.
    async fn refresh(&self) {
        let mut read = self.read.lock().await;
        let now = self.product.db.context().monotonic();
        if read.is_some_and(|at| now.saturating_sub(at) < FRESH) {
            return;
        }
        process::read();
        self.carriers();
        let up = match tokio::time::timeout(PATIENCE, self.database()).await {
            Ok(Ok(())) => 1.0,
            Ok(Err(error)) => {
                tracing::warn!(%error, "figures could not be read from the database");
                0.0
            }
            Err(_) => {
                tracing::warn!("figures could not be read from the database within 3 s");
                0.0
            }
        };
        meters::UP.set(up);
        *read = Some(self.product.db.context().monotonic());
    }

    fn carriers(&self) {
        for family in [&meters::LINKS, &meters::WINDOW, &meters::ANSWERS] {
            family.clear();
        }
        for carrier in self.product.carriers.status() {
            let name = &*carrier.name;
            meters::LINKS.set(&[name, "wanted"], count(carrier.sessions));
            meters::LINKS.set(&[name, "bound"], count(carrier.sessions_bound));
            meters::WINDOW.set(&[name, "size"], count(carrier.window));
            meters::WINDOW.set(&[name, "used"], count(carrier.window_used));
            for (quantile, took) in [("0.5", carrier.p50), ("0.99", carrier.p99)] {
                if let Some(took) = took {
                    meters::ANSWERS.set(&[name, quantile], took.as_secs_f64());
                }
            }
        }
        for lane in self.product.messaging.lanes(&OrganisationPermit::<cap::CarriersRead>::engine(WHO)) {
            let outcomes = [
                ("submitted", lane.submitted),
                ("refused", lane.refused),
                ("throttled", lane.throttled),
                ("not_sent", lane.not_sent),
                ("unknown", lane.unknown),
            ];
            for (outcome, parts) in outcomes {
                meters::PARTS.take_over(&[&lane.carrier, outcome], parts);
            }
        }
        for (mode, binds) in self.product.smppd.by_mode() {
            meters::BINDS.set(&[mode], count(binds));
        }
        meters::STRAYS.at_least(self.product.messaging.stray_receipts());
    }

    async fn database(&self) -> Result<()> {
        let permit = OrganisationPermit::<cap::MetricsRead>::engine(WHO);
        let db = &self.product.db;
        let now = db.context().now();
        let age = |at: Timestamp| now.since(at).as_secs_f64();

        meters::JOURNAL.set(bytes(db.journal_bytes()));
        meters::FILE.set(bytes(db.file_bytes()));

        let alerts = self.product.alerts.figures(&permit).await?;
        meters::ALERTS.clear();
        for live in alerts {
            meters::ALERTS.set(&[&live.state, &live.priority], whole(live.alerts));
        }

        let queues = self.product.messaging.queues(&permit).await?;
        meters::QUEUE.clear();
        meters::QUEUE_AGE.clear();
        for queue in queues {
            let labels = [queue.class.name(), &*queue.carrier];
            meters::QUEUE.set(&labels, whole(queue.messages));
            meters::QUEUE_AGE.set(&labels, age(queue.oldest_due));
        }

        meters::UNKNOWN.clear();
        for unknown in self.product.messaging.unknown_everywhere(&permit).await? {
            meters::UNKNOWN.set(&[&unknown.carrier], whole(unknown.messages));
        }

        let (jobs, unsealed, stream) = db
            .read(move |tx| -> std::result::Result<_, audit::Error> {
                Ok((tx.job_figures()?, audit::unsealed(tx, &permit)?, audit::streaming_figures(tx, &permit)?))
            })
            .await?;
        meters::JOBS.clear();
        meters::JOBS_AGE.clear();
        for kind in jobs {
            for (state, jobs) in [("waiting", kind.waiting), ("claimed", kind.claimed), ("dead", kind.dead)] {
                meters::JOBS.set(&[&kind.kind, state], whole(jobs));
            }
            meters::JOBS_AGE.set(&[&kind.kind], kind.oldest_due.map_or(0.0, age));
        }
        meters::UNSEALED.set(whole(unsealed.entries));
        // Without a stream nothing waits for it: an alert on these ends when somebody takes the stream away.
        meters::STREAM_BEHIND.set(stream.as_ref().map_or(0.0, |stream| whole(stream.behind)));
        meters::STREAM_LAG.set(stream.and_then(|stream| stream.oldest).map_or(0.0, age));
        meters::SEALING_LAG.set(unsealed.oldest.map_or(0.0, age));
        Ok(())
    }
}

#[async_trait]
impl Figures for AllFigures {
    async fn text(&self) -> String {
        self.refresh().await;
        meter::exposition(&meters::all())
    }
}

fn seconds(at: Timestamp) -> f64 {
    whole(u64::try_from(at.as_micros()).unwrap_or(0)) / 1e6
}

fn count(number: usize) -> f64 {
    whole(number as u64)
}

fn bytes(size: Option<u64>) -> f64 {
    whole(size.unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn whole(number: u64) -> f64 {
    number as f64
}
