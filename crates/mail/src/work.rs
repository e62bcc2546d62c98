//! The job that sends a letter: claimed under a lease, sent outside of any transaction, and settled in the transaction that
//! finishes the job. A node that dies between sending and settling sends it again, under the same `Message-ID`.

use std::time::Duration;

use access::Actor;
use audit::{Entry, Outcome};
use base::{MailId, Timestamp};
use serde::Deserialize;
use store::{Job, JobError, Tx, Worker};

use crate::letter::Words;
use crate::mail::{JOB, Way, place};
use crate::rows::Waiting;
use crate::smtp::Trouble;
use crate::state::Event;
use crate::{Error, Mail, meters, rows, smtp};

/// Letters on their way at the same time.
const AT_ONCE: usize = 2;
/// One try, with room for the store.
const DEADLINE: Duration = Duration::from_secs(90);
/// The first pause after a failure; then double.
const FIRST: u64 = 5_000;
/// The longest pause.
const LONGEST: u64 = 15 * 60_000;

#[derive(Deserialize)]
struct Payload {
    id: MailId,
}

impl Mail {
    /// Adds this room's job to a worker.
    #[must_use]
    pub fn work(&self, worker: Worker) -> Worker {
        let mail = self.clone();
        worker
            .handle(JOB, AT_ONCE, move |job| {
                let mail = mail.clone();
                async move { mail.send(job).await }
            })
            // The letter's own end decides, not a number of tries.
            .tries(JOB, u32::MAX)
            .deadline(JOB, DEADLINE)
    }

    async fn send(&self, job: Job) -> Result<(), JobError> {
        let Payload { id } = job.parse()?;
        // Withdrawn meanwhile: the job ends with nothing done.
        let Some(waiting) = self.0.db.read(move |tx| rows::waiting(tx, id)).await? else { return Ok(()) };
        let now = self.0.db.context().now();
        // Before its words are opened: a letter that cannot be read any more ends as well.
        if now >= waiting.expires_at {
            let reason = format!("its time ran out before a mail server took it; {}", tried(waiting.tries));
            return self.settle(job, id, waiting, Event::TooLate, Some(reason)).await;
        }
        let (vault, letter) = (self.0.vault.clone(), waiting.letter.clone());
        let words = self.0.db.read(move |tx| open(tx, &vault, id, &letter)).await?;
        let outcome = match &self.0.way {
            None => Err(Trouble::Later("no mail server is configured any more".into())),
            Some(way) => attempt(way, id, &words, waiting.created_at).await,
        };
        match outcome {
            Ok(()) => self.settle(job, id, waiting, Event::Taken, None).await,
            Err(Trouble::Never(reason)) => self.settle(job, id, waiting, Event::Refused, Some(reason)).await,
            Err(Trouble::Later(reason)) => {
                meters::LETTERS.add(&["tried"], 1);
                tracing::warn!(mail = %id, purpose = waiting.purpose, %reason, "a letter waits");
                let (after, said) = (pause(waiting.tries, self.0.db.context()), reason.clone());
                self.0.db.write(move |tx| rows::happened(tx, id, Event::PutOff, Some(&said))).await?;
                // Not beyond its end: then it is given up, and told as failed.
                let left = waiting.expires_at.since(now);
                Err(JobError::retry_after(after.min(left), reason))
            }
        }
    }

    /// Writes down how it ended, in one transaction with the end of the job.
    async fn settle(
        &self,
        job: Job,
        id: MailId,
        waiting: Waiting,
        event: Event,
        reason: Option<String>,
    ) -> Result<(), JobError> {
        let outcome = if event == Event::Taken { "sent" } else { "failed" };
        if let Some(reason) = &reason {
            tracing::warn!(mail = %id, purpose = waiting.purpose, %reason, "a letter was given up");
        }
        self.0
            .db
            .write(move |tx| {
                if rows::happened(tx, id, event, reason.as_deref())? {
                    tell(tx, &waiting, event, reason.as_deref())?;
                }
                job.finish(tx)?;
                Ok::<_, Error>(())
            })
            .await?;
        meters::LETTERS.add(&[outcome], 1);
        Ok(())
    }
}

fn open(tx: &mut Tx<'_>, vault: &vault::Vault, id: MailId, letter: &str) -> Result<Words, Error> {
    let words = vault.open(tx, None, &place(&id.to_string()), letter)?;
    serde_json::from_slice(&words).map_err(|_| Error::Corrupt)
}

/// The audit log has the letter's cause; here it has its end.
fn tell(tx: &mut Tx<'_>, waiting: &Waiting, event: Event, reason: Option<&str>) -> Result<(), Error> {
    audit::record(
        tx,
        Entry {
            actor: &Actor::engine("mail"),
            workspace: None,
            action: "mail.send",
            target: ("user", &waiting.user.to_string()),
            outcome: if event == Event::Taken { Outcome::Success } else { Outcome::Failure },
            reason,
            changes: Some(serde_json::json!({ "letter": waiting.purpose })),
        },
    )?;
    Ok(())
}

async fn attempt(way: &Way, id: MailId, words: &Words, at: Timestamp) -> Result<(), Trouble> {
    let message = words.message(id, &way.from, at).map_err(|error| Trouble::Never(error.to_string()))?;
    smtp::send(&way.settings, way.tls.clone(), &message).await
}

fn tried(times: u32) -> String {
    match times {
        0 => "it was never tried".to_owned(),
        1 => "it was tried once".to_owned(),
        times => format!("it was tried {times} times"),
    }
}

/// 5 seconds, then double up to a quarter of an hour, give or take half, so that what waits does not come back together.
fn pause(tries: u32, context: &base::Context) -> Duration {
    let whole = FIRST.saturating_mul(1 << tries.min(20)).min(LONGEST);
    let most = u32::try_from(whole).unwrap_or(u32::MAX);
    Duration::from_millis(whole / 2 + u64::from(context.chance().below(most)))
}
