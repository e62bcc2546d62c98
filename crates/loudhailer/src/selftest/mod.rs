//! `loudhailer selftest`: the promise of the house, tried on the user's own machine. A private installation (server, simulated
//! carrier, database) is loaded with messages and signals, the server is killed with SIGKILL and started again at moments drawn from a
//! seed, and the books are compared: what was accepted is at the carrier or shown with its state, nothing went twice in silence, each
//! signal has one alert with its page, the audit chain verifies.
//!
//! The end-to-end tests call [`prove`] with larger numbers: there is one load and one comparison.

mod books;
pub(crate) mod disk;
mod load;
mod plan;
mod report;
pub(crate) mod site;
mod verdict;
mod voice;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{Context, ExposeSecret as _};
use store::{DatabaseUrl, Dialect, Scratch};

use crate::cli::Selftest;
use crate::error::{Error, Result};
use crate::product;
use crate::serve::asked_to_stop;
use books::Taken;
use load::{Accepted, Kind, Load};
use site::Home;

pub use plan::Plan;
pub use report::Report;
pub use site::Site;
pub(crate) use site::{PEOPLE, people};
pub use verdict::{Books, Fault, Shown, Verdict};
pub use voice::Voice;

/// Messages and signals a second at which the load is spread, together; a quick build on a small machine keeps up.
const PER_SECOND: u64 = 40;
/// The shortest load: each kill wants room for the server to come back and work.
const ROOM_FOR_A_KILL: Duration = Duration::from_secs(5);
/// How often the books are looked at while something is missing.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the self-test until its verdict, or until Ctrl-C; cleans up in each case.
pub async fn run(options: &Selftest) -> Result<()> {
    let context = product::context();
    let plan = plan_of(options, &context)?;
    let voice = Voice::aloud();
    let report = tokio::select! {
        report = prove(&plan, options.keep, &voice) => report?,
        asked = asked_to_stop() => {
            asked?;
            return Err(Error::told("stopped before there was a verdict; what was running is ended and removed"));
        }
    };
    if options.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    if report.verdict.is_good() {
        return Ok(());
    }
    Err(Error::told(format!(
        "the self-test found what must not be; the same moments again: --seed {}, and --keep leaves the books",
        report.seed
    )))
}

fn plan_of(options: &Selftest, context: &Context) -> Result<Plan> {
    let total = options.messages + options.signals;
    if total == 0 {
        return Err(Error::told("nothing to send: give --messages or --signals a number above 0"));
    }
    let seconds = Duration::from_secs(total.div_ceil(PER_SECOND));
    Ok(Plan {
        binary: std::env::current_exe()?,
        database: options.database.clone(),
        messages: options.messages,
        signals: options.signals,
        lasts: seconds.max(ROOM_FOR_A_KILL * options.kills),
        kills: options.kills,
        seed: options.seed.unwrap_or_else(|| u64::from(u32::from_be_bytes(context.random()))),
        patience: Duration::from_mins(1),
    })
}

/// Does what `plan` says and compares the books. Whatever happens, and also when this future is dropped, its processes end and
/// its directory goes, unless `keep` says otherwise. On PostgreSQL it works in a schema of its own, which goes as well.
///
/// # Errors
/// When there is no verdict, because something did not start or answer. A bad verdict is no error.
pub async fn prove(plan: &Plan, keep: bool, voice: &Voice) -> Result<Report> {
    let context = product::context();
    let home = Home::make(&context, keep)?;
    let url: Option<DatabaseUrl> = plan.database.as_deref().map(str::parse).transpose()?;
    let scratch = match &url {
        Some(url) if url.dialect() == Dialect::Postgres => Some(Scratch::make(url, &context, keep).await?),
        Some(_) => return Err(Error::told("--database wants postgres://…; without it an embedded database is used")),
        None => None,
    };
    if keep {
        voice.say(&format!("Everything stays in {}", home.path.display()));
        if let Some(scratch) = &scratch {
            voice.say(&format!("… and in the schema {}", scratch.schema()));
        }
    }
    let database = scratch.as_ref().map(|scratch| scratch.url().expose_secret().to_owned());
    let proven = Run { plan, voice, context }.all(&home.path, database.as_deref()).await;
    if let Some(scratch) = scratch {
        scratch.remove().await?;
    }
    proven
}

/// A run under way.
struct Run<'a> {
    plan: &'a Plan,
    voice: &'a Voice,
    context: Context,
}

impl Run<'_> {
    async fn all(&self, home: &Path, database: Option<&str>) -> Result<Report> {
        let (plan, voice) = (self.plan, self.voice);
        let mut report = Report {
            database: if database.is_some() { "postgresql" } else { "sqlite" },
            seed: plan.seed,
            offered: plan.messages + plan.signals,
            syncs_per_second: disk::syncs_per_second(home, &self.context),
            ..Report::default()
        };
        voice.say("Making a private installation: database, keys, certificate, people, simulated carrier …");
        let mut site = Site::make(plan, home, database, &self.context).await?;
        site.start()?;
        site.ready().await?;

        voice.say(&format!(
            "Sending {} messages and {} signals over {} s; killing the server {} times (seed {}) …",
            plan.messages,
            plan.signals,
            plan.lasts.as_secs(),
            plan.kills,
            plan.seed
        ));
        let began = self.context.monotonic();
        let so_far = Arc::new(AtomicU64::new(0));
        let messages = tokio::spawn(self.load(&site, Kind::Message, &so_far).run());
        let signals = tokio::spawn(self.load(&site, Kind::Signal, &so_far).run());
        // A failure must not leave the senders at work.
        let senders = [messages.abort_handle(), signals.abort_handle()];
        let killed = self.kills(&mut site, began, &so_far).await;
        if killed.is_err() {
            senders.iter().for_each(tokio::task::AbortHandle::abort);
        }
        report.recoveries = killed?;
        let lost = |_| Error::told("a sender was lost");
        let (messages, signals) = (messages.await.map_err(lost)?, signals.await.map_err(lost)?);
        report.load = self.context.monotonic().saturating_sub(began);
        (report.messages, report.signals) = (count(messages.len()), count(signals.len()));

        let (books, taken) = self.books(&site, &messages, &signals).await?;
        report.latencies = latencies(&signals, &taken);
        report.verdict = Verdict::of(&books);
        voice.say("Ending and removing the installation …");
        site.stop().await;
        Ok(report)
    }

    fn load(&self, site: &Site, kind: Kind, so_far: &Arc<AtomicU64>) -> Load {
        let (count, client, url) = match kind {
            Kind::Message => {
                (self.plan.messages, site.api.clone(), format!("{}/api/v1/subaccounts/work/messages", site.base))
            }
            Kind::Signal => (self.plan.signals, site.machines.clone(), site.signal_url.clone()),
        };
        let (pace, so_far, context) = (self.plan.pace(count), Arc::clone(so_far), self.context.clone());
        Load { kind, client, url, count, pace, so_far, context }
    }

    /// Kills and starts the server at the plan's moments; how long it took each time until it was ready again.
    async fn kills(&self, site: &mut Site, began: Duration, so_far: &AtomicU64) -> Result<Vec<Duration>> {
        let mut recoveries = Vec::new();
        for (number, moment) in (1_u32..).zip(self.plan.moments()) {
            self.until(began + moment, so_far).await;
            self.voice.say(&format!("  kill {number} at {:.1} s", moment.as_secs_f64()));
            let killed = self.context.monotonic();
            site.kill().await?;
            site.start()?;
            site.ready().await?;
            recoveries.push(self.context.monotonic().saturating_sub(killed));
        }
        self.until(began + self.plan.lasts, so_far).await;
        Ok(recoveries)
    }

    /// Waits for a moment, counting aloud.
    async fn until(&self, moment: Duration, so_far: &AtomicU64) {
        loop {
            let left = moment.saturating_sub(self.context.monotonic());
            if left.is_zero() {
                return;
            }
            self.voice.count(&format!("{} accepted", so_far.load(Ordering::Relaxed)));
            tokio::time::sleep(left.min(Duration::from_millis(200))).await;
        }
    }

    /// The books, once nothing is missing in them or nothing moves any more.
    async fn books(
        &self,
        site: &Site,
        messages: &Accepted,
        signals: &Accepted,
    ) -> Result<(Books, BTreeMap<String, Taken>)> {
        self.voice.say("Waiting for the last texts and receipts …");
        let mut books = Books {
            messages: messages.keys().cloned().collect(),
            signals: signals.keys().cloned().collect(),
            ..Books::default()
        };
        let (mut still, mut before) = (Duration::ZERO, (usize::MAX, usize::MAX));
        let taken = loop {
            let taken = books::at_carrier(&site.ledger())?;
            books.at_carrier = taken.iter().map(|(name, one)| (name.clone(), one.times)).collect();
            let pages = books.missing_pages().len();
            // The lists are long: they are read once the ledger has what it must have, or stands still.
            if pages == 0 || still > LOOK * 5 {
                books.shown = books::messages(site).await?;
            }
            let waiting = books.shown.iter().filter(|one| !one.is_over()).count();
            let missing = pages + books.missing_messages().len();
            self.voice.count(&format!("{missing} texts and {waiting} receipts to come"));
            if missing == 0 && waiting == 0 && !books.shown.is_empty() {
                break taken;
            }
            still = if (missing, waiting) == before { still + LOOK } else { Duration::ZERO };
            before = (missing, waiting);
            if still >= self.plan.patience {
                break taken;
            }
            tokio::time::sleep(LOOK).await;
        };
        self.voice.say("Comparing the books …");
        books.alerts = books::alerts(site).await?;
        books.audit_broken = site.audit_broken().await?;
        Ok((books, taken))
    }
}

/// From sending each signal to its page at the carrier, sorted.
fn latencies(signals: &Accepted, taken: &BTreeMap<String, Taken>) -> Vec<Duration> {
    let mut all: Vec<Duration> =
        signals.iter().filter_map(|(name, sent)| Some(taken.get(name)?.first.since(*sent))).collect();
    all.sort_unstable();
    all
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
