//! Accepting one signal: prove, bound, parse, put on disk, answer. In that order, and nothing is answered before the
//! commit (rule 1 of the house).

use std::time::Duration;

use access::Actor;
use audit::{Entry, Outcome};
use base::{Explain as _, IntegrationId, SignalId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use store::{Changed, NewJob, Tx};
use vault::{Aad, DataKey, Purpose};

use crate::TOPIC;
use crate::body::{Media, parse};
use crate::credentials::{self, Known};
use crate::error::{Error, Refused};
use crate::ids;
use crate::meters;
use crate::proof::{Keys, Proven};
use crate::refusals::Refusal;
use crate::rows::{self, Line};
use crate::signals::Signals;
use crate::text::printable;
use crate::types::{Accepted, Request, SignalState};

/// The job that maps signals and starts their runs.
pub(crate) const HANDLE_JOB: &str = "signals.handle";

/// The payload of [`HANDLE_JOB`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HandleJob {
    pub integration: IntegrationId,
}

/// What is committed together with a signal.
pub(crate) struct Taking {
    pub line: Line,
    pub integration: IntegrationId,
    pub proven: Proven,
    pub body: Vec<u8>,
    /// The person or program that sent it itself, for the audit trail: with what was done and why.
    pub deed: Option<Deed>,
}

/// A test or a replay.
#[derive(Clone)]
pub(crate) struct Deed {
    pub actor: Actor,
    pub action: &'static str,
    pub target: (&'static str, String),
    pub reason: Option<String>,
}

impl Signals {
    /// Takes one request. `Ok` means that it is on disk and will be handled, whatever happens to this node: answer 202.
    pub async fn accept(&self, request: Request) -> Result<Accepted, Refused> {
        let context = self.0.db.context();
        let (received, began) = (self.0.received(), context.monotonic());
        let mut found = None;
        let judged = self.judge(&request, received, &mut found).await;
        let known = found.map(|(known, _)| known);
        let mut line = Line {
            id: context.id(),
            workspace: known.as_ref().map(|known| known.workspace),
            integration: known.as_ref().map(|known| known.id),
            received,
            state: SignalState::Refused,
            status: 202,
            door: request.door,
            method: match &request.signature {
                Some(_) => "hmac",
                None => request.credential.method(),
            },
            sender: None,
            source: request.source.map(|source| source.ip().to_string()),
            user_agent: request.user_agent.as_deref().map(printable),
            content_type: request.content_type.as_deref().map(printable),
            bytes: request.body.len(),
            count: 1,
            reason: None,
            took: context.monotonic().saturating_sub(began),
            replay_of: None,
        };
        let refused = match (judged, known) {
            (Ok(proven), Some(known)) => {
                let mut line = line.clone();
                line.state = SignalState::Accepted;
                line.method = proven.method;
                line.sender.clone_from(&proven.sender);
                let taking = Taking { line, integration: known.id, proven, body: request.body, deed: None };
                match self.take(taking, began).await {
                    Ok(accepted) => {
                        meters::ACCEPTED.add(1);
                        meters::TOOK.took(context.monotonic().saturating_sub(began));
                        return Ok(accepted);
                    }
                    Err(refused) => refused,
                }
            }
            (Ok(_), None) => Refused::Unproven,
            (Err(refused), _) => refused,
        };
        meters::REFUSED.add(&[&refused.problem().code], 1);
        if let Some((status, reason)) = refusal_words(&refused) {
            line.status = status;
            line.reason = Some(reason);
            line.took = context.monotonic().saturating_sub(began);
            // A stranger's own words about its body are of no use here, and might be anything.
            line.content_type = None;
            self.0.recorder.refused(Refusal { line, source: request.source.map(|source| source.ip()) });
        }
        Err(refused)
    }

    /// Everything that can be a reason to refuse, cheapest proof first; `found` is set when the integration exists.
    async fn judge(
        &self,
        request: &Request,
        now: Timestamp,
        found: &mut Option<(Known, Keys)>,
    ) -> Result<Proven, Refused> {
        *found = self.known(&request.integration, request.signature.is_some(), now).await?;
        let nobody = Keys::new();
        let (known, keys) = found.as_ref().map_or((None, &nobody), |(known, keys)| (Some(known), keys));
        let proven = self.prove(request, known, keys, now).await?;
        let known = known.ok_or(Refused::Unproven)?;
        self.admit(known, request.content_type.as_deref(), &request.body)?;
        Ok(proven)
    }

    /// What every signal has to pass once its sender is proven.
    pub(crate) fn admit(&self, known: &Known, content_type: Option<&str>, body: &[u8]) -> Result<(), Refused> {
        if !known.enabled {
            return Err(Refused::SwitchedOff);
        }
        self.0.rates.take(known.id, known.rate).map_err(|after| Refused::TooMany { after })?;
        let media = Media::of(content_type);
        let limit = media.map_or(crate::BODY_LIMIT, Media::limit);
        if body.len() > limit {
            return Err(Refused::TooLarge { limit });
        }
        parse(media.ok_or(Refused::Media)?, body)?;
        Ok(())
    }

    /// The row, the sealed body and the job commit together; how long it all took is written down afterwards.
    pub(crate) async fn take(&self, taking: Taking, began: Duration) -> Result<Accepted, Refused> {
        let id = taking.line.id;
        let written = self.store(taking).await;
        let accepted = match written {
            Ok(()) => Ok(Accepted { request_id: id }),
            Err(Error::Replayed(first)) => Err(Refused::Replayed { first }),
            // Rule 3: a commit whose answer was lost is looked up before anyone is answered.
            Err(Error::Store(store::Error::CommitUnknown(cause))) => {
                let there = self.0.db.read(move |tx| rows::is_there(tx, id)).await;
                match there {
                    Ok(true) => Ok(Accepted { request_id: id }),
                    Ok(false) | Err(_) => Err(Error::Store(store::Error::CommitUnknown(cause)).into()),
                }
            }
            Err(error) => Err(error.into()),
        };
        if accepted.is_ok() {
            self.0.recorder.took(id, self.0.db.context().monotonic().saturating_sub(began));
        }
        accepted
    }

    async fn store(&self, taking: Taking) -> Result<(), Error> {
        let Taking { line, integration, proven, body, deed } = taking;
        let (id, received) = (line.id, line.received);
        let workspace = line.workspace.ok_or(Error::NoIntegration)?;
        let vault = self.0.vault.clone();
        // The usual case: sealed out here, because the writer is everybody's.
        let sealed = vault
            .cached_key(Some(workspace), Purpose::Signals, received)
            .map(|key| seal(&key, self.0.db.context(), id, &body));
        let payload = serde_json::to_value(HandleJob { integration }).map_err(|_| Error::Corrupt("job"))?;
        self.0
            .db
            .write(move |tx| {
                if let Some(webhook_id) = &proven.webhook_id {
                    ids::remember(tx, integration, webhook_id, id, received)?;
                }
                let sealed = if let Some(sealed) = &sealed {
                    sealed.clone()
                } else {
                    let key = vault.data_key(tx, Some(workspace), Purpose::Signals, received)?;
                    seal(&key, tx.context(), id, &body)
                };
                rows::insert(tx, std::slice::from_ref(&line))?;
                rows::insert_payload(tx, id, workspace, &sealed)?;
                if let Some(used) = &proven.used {
                    credentials::used(tx, integration, used, received)?;
                }
                if let Some(certificate) = &proven.certificate {
                    identity::certificate_used(tx, credentials::holder(integration), certificate)?;
                }
                if let Some(deed) = &deed {
                    record(tx, &line, deed)?;
                }
                // One job a signal: a job that is shared could be claimed before this commit and miss what it brings.
                tx.enqueue(NewJob { kind: HANDLE_JOB, key: None, payload: &payload, run_at: received })?;
                tx.touched(Changed { workspace: Some(workspace), topic: TOPIC, id: id.to_string() });
                Ok::<_, Error>(())
            })
            .await
    }
}

/// What a person or program did, in the audit trail.
fn record(tx: &mut Tx<'_>, line: &Line, deed: &Deed) -> Result<(), Error> {
    let changes: Json = json!({ "signal": line.id.to_string() });
    let entry = Entry {
        actor: &deed.actor,
        workspace: line.workspace,
        action: deed.action,
        target: (deed.target.0, &deed.target.1),
        outcome: Outcome::Success,
        reason: deed.reason.as_deref(),
        changes: Some(changes),
    };
    audit::record(tx, entry)?;
    Ok(())
}

fn seal(key: &DataKey, context: &base::Context, id: SignalId, body: &[u8]) -> String {
    let row = id.to_string();
    key.seal(context.chance(), &Aad { table: "signal_payloads", column: "body", row: &row }, body)
}

/// The status and the words of a refusal for the activity log; none for what was our fault, which the server's log has.
fn refusal_words(refused: &Refused) -> Option<(u16, String)> {
    let (status, words) = match refused {
        Refused::Unproven => (401, "The credential was missing or wrong.".to_owned()),
        Refused::Stale(why) => (401, format!("The signature was right, but {why}.")),
        Refused::Replayed { first } => (409, format!("Its webhook-id was accepted before, as signal {first}.")),
        Refused::SwitchedOff => (403, "The integration is switched off.".to_owned()),
        Refused::TooLarge { limit } => (413, format!("The body was larger than {} KiB.", limit / 1024)),
        Refused::Media => (415, "The media type is not one that is read here.".to_owned()),
        Refused::TooMany { .. } => (429, "It came faster than the integration may send.".to_owned()),
        Refused::Body { detail, path } if path.is_empty() => (400, detail.clone()),
        Refused::Body { detail, path } => (400, format!("{detail} At {path}.")),
        Refused::NotFound(_) | Refused::Gone(_) | Refused::Failed(_) => return None,
    };
    Some((status, words))
}
