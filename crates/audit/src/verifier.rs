//! Verification on request, in the background: a long log takes longer than a request should. One at a time, since each reads
//! everything; whoever asks meanwhile sees how far it is.

use std::sync::{Arc, Mutex, PoisonError};

use access::{Actor, Authority, cap};
use base::Timestamp;
use store::Db;

use crate::entry::{Entry, Outcome, record};
use crate::seal::head;
use crate::verify::{Verdict, verify_told};
use crate::{Error, TOPIC};

/// How far a verification is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It walks the chain.
    Running,
    /// It is over.
    Done(Verdict),
    /// It could not be finished; nothing is known about the log. The text is for people.
    Failed(String),
}

/// One verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// When it began.
    pub began: Timestamp,
    /// Who asked, as a name.
    pub by: String,
    /// Entries that were looked at.
    pub looked_at: u64,
    /// Entries that the chain had when it began.
    pub of: u64,
    /// How far it is.
    pub stage: Stage,
}

/// Verifies when asked, and remembers the last verdict of this process. Cheap to clone.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    db: Db,
    latest: Mutex<Option<Verification>>,
}

impl Verifier {
    /// Verifies the log in `db`.
    pub fn new(db: Db) -> Self {
        Self(Arc::new(Inner { db, latest: Mutex::default() }))
    }

    /// The verification that runs, or the last one.
    pub fn latest(&self, permit: &impl Authority<cap::AuditVerify>) -> Option<Verification> {
        let _ = permit;
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins one, unless one is running. Its end is recorded in the log itself (`audit.verify`) and announced.
    pub async fn begin<P>(&self, permit: &P) -> Result<(), Error>
    where
        P: Authority<cap::AuditVerify> + Clone + Send + Sync + 'static,
    {
        // Asked before anything is read, so that impatience costs nothing, and again because somebody else may ask meanwhile.
        let runs = |latest: &Option<Verification>| latest.as_ref().is_some_and(|latest| latest.stage == Stage::Running);
        if runs(&self.0.latest.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let entries = self.0.db.read(|tx| Ok::<_, Error>(head(tx, "")?.map_or(0, |head| head.seq))).await?;
        {
            let mut latest = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner);
            if runs(&latest) {
                return Ok(());
            }
            *latest = Some(Verification {
                began: self.0.db.context().now(),
                by: permit.actor().principal.name().to_owned(),
                looked_at: 0,
                of: u64::try_from(entries).unwrap_or(0),
                stage: Stage::Running,
            });
        }
        let (this, permit) = (self.clone(), permit.clone());
        tokio::spawn(async move { this.run(permit).await });
        Ok(())
    }

    async fn run<P: Authority<cap::AuditVerify> + Clone + Send + Sync + 'static>(&self, permit: P) {
        let looked_at = |count: u64| self.change(|latest| latest.looked_at = count);
        let stage = match verify_told(&self.0.db, &permit, looked_at).await {
            Ok(verdict) => match self.written(permit.actor().clone(), verdict.clone()).await {
                Ok(()) => Stage::Done(verdict),
                Err(error) => failed(&error),
            },
            Err(error) => failed(&error),
        };
        self.change(|latest| {
            latest.looked_at = latest.looked_at.max(if matches!(stage, Stage::Done(_)) { latest.of } else { 0 });
            latest.stage = stage.clone();
        });
        self.0.db.announce(store::Changed { workspace: None, topic: TOPIC, id: "verification".to_owned() });
    }

    fn change(&self, change: impl FnOnce(&mut Verification)) {
        if let Some(latest) = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            change(latest);
        }
    }

    async fn written(&self, actor: Actor, verdict: Verdict) -> Result<(), Error> {
        self.0
            .db
            .write(move |tx| {
                let (outcome, reason) = match &verdict {
                    Verdict::Intact { .. } => (Outcome::Success, None),
                    Verdict::Broken(found) => (Outcome::Failure, Some(found.to_string())),
                };
                let changes = match &verdict {
                    Verdict::Intact { entries, unsealed, erased, .. } => {
                        serde_json::json!({ "entries": entries, "unsealed": unsealed, "erased": erased })
                    }
                    Verdict::Broken(found) => serde_json::json!({ "seq": found.seq }),
                };
                let entry = Entry {
                    actor: &actor,
                    workspace: None,
                    action: "audit.verify",
                    target: ("audit", ""),
                    outcome,
                    reason: reason.as_deref(),
                    changes: Some(changes),
                };
                record(tx, entry).map(drop)
            })
            .await
    }
}

fn failed(error: &Error) -> Stage {
    tracing::warn!(error = error as &dyn std::error::Error, "the audit log could not be verified to its end");
    Stage::Failed("The database did not answer to the end. Nothing is known about the log; try again.".to_owned())
}
