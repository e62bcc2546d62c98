//! Accepting one signal: prove, bound, parse, put on disk, answer. In that order, and nothing is answered before the
//! commit (rule 1 of the house).

use std::time::Duration;

use access::cap;
use base::{ExposeSecret, IntegrationId, SignalId, Timestamp};
use identity::Caller;
use serde::{Deserialize, Serialize};
use store::{Changed, NewJob, params};
use vault::{Aad, DataKey, Purpose};

use crate::body::{Media, parse};
use crate::error::{Error, Refused};
use crate::refusals::Refusal;
use crate::rows::{self, Known, Line};
use crate::signals::Signals;
use crate::types::{Accepted, Auth, Credential, Request, SignalState};
use crate::{BODY_LIMIT, TOPIC};

/// The job that maps signals and starts their runs.
pub(crate) const HANDLE_JOB: &str = "signals.handle";
/// The last use of a token is written down when the last one written is older than this.
const WRITTEN: Duration = Duration::from_mins(1);
/// What a machine secret's length may be; anything else is not looked at.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;
/// Characters of a sender's own description that are kept.
const USER_AGENT_LIMIT: usize = 200;

/// The payload of [`HANDLE_JOB`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HandleJob {
    pub integration: IntegrationId,
}

/// A sender that proved itself.
struct Proven {
    method: &'static str,
    sender: Option<String>,
    /// The token that was shown, when its last use is to be written down.
    stale: Option<[u8; 32]>,
}

impl Signals {
    /// Takes one request. `Ok` means that it is on disk and will be handled, whatever happens to this node: answer 202.
    pub async fn accept(&self, request: Request) -> Result<Accepted, Refused> {
        let context = self.0.db.context();
        let (received, began) = (self.0.received(), context.monotonic());
        let mut known = None;
        let judged = self.judge(&request, received, &mut known).await;
        let took = context.monotonic().saturating_sub(began);
        let mut line = Line {
            id: context.id(),
            workspace: known.as_ref().map(|known| known.workspace),
            integration: known.as_ref().map(|known| known.id),
            received,
            state: SignalState::Refused,
            status: 202,
            door: request.door,
            method: request.credential.method(),
            sender: None,
            source: request.source.map(|source| source.ip().to_string()),
            user_agent: request.user_agent.as_deref().map(|text| printable(text, USER_AGENT_LIMIT)),
            content_type: request.content_type.as_deref().map(|text| printable(text, USER_AGENT_LIMIT)),
            bytes: request.body.len(),
            count: 1,
            reason: None,
            took,
        };
        match (judged, known) {
            (Ok(proven), Some(known)) => {
                line.state = SignalState::Accepted;
                line.method = proven.method;
                line.sender.clone_from(&proven.sender);
                Ok(self.store(line, known, &proven, request.body).await?)
            }
            (Ok(_), None) => Err(Refused::Unproven),
            (Err(refused), _) => {
                if let Some((status, reason)) = refusal_words(&refused) {
                    line.status = status;
                    line.reason = Some(reason);
                    // A stranger's own words about its body are of no use here, and might be anything.
                    line.content_type = None;
                    self.0.recorder.take(Refusal { line, source: request.source.map(|source| source.ip()) });
                }
                Err(refused)
            }
        }
    }

    /// Everything that can be a reason to refuse, cheapest proof first; `known` is set when the integration exists.
    async fn judge(&self, request: &Request, now: Timestamp, known: &mut Option<Known>) -> Result<Proven, Refused> {
        *known = self.known(&request.integration).await?;
        let proven = self.prove(request, known.as_ref(), now).await?;
        let (Some(proven), Some(known)) = (proven, known.as_ref()) else { return Err(Refused::Unproven) };
        if !known.enabled {
            return Err(Refused::SwitchedOff);
        }
        self.0.rates.take(known.id, known.rate).map_err(|after| Refused::TooMany { after })?;
        if request.body.len() > BODY_LIMIT {
            return Err(Refused::TooLarge);
        }
        let media = Media::of(request.content_type.as_deref()).ok_or(Refused::Media)?;
        parse(media, &request.body)?;
        Ok(proven)
    }

    async fn known(&self, path: &str) -> Result<Option<Known>, Error> {
        let Ok(id) = path.parse::<IntegrationId>() else { return Ok(None) };
        self.0.db.read(move |tx| rows::known(tx, id, false)).await
    }

    /// Control X-03: the ways that the integration allows. Does the same work for one that does not exist.
    async fn prove(&self, request: &Request, known: Option<&Known>, now: Timestamp) -> Result<Option<Proven>, Error> {
        let (Credential::UrlToken(secret) | Credential::Bearer(secret)) = &request.credential else { return Ok(None) };
        if !LENGTHS.contains(&secret.expose_secret().len()) {
            return Ok(None);
        }
        let allows = |way: Auth| known.is_some_and(|known| known.auth.contains(&way));
        let hash = self.0.vault.token_hash(secret.expose_secret());
        let mut found = None;
        // Each is compared, so that the time does not tell which one nearly fits.
        for token in known.map(|known| known.tokens.as_slice()).unwrap_or_default() {
            let counts = token.expires.is_none_or(|expires| now < expires);
            if crypto::constant_time_eq(&token.hash, &hash) && counts {
                found = Some(token);
            }
        }
        if let Some(token) = found.filter(|_| allows(Auth::UrlToken)) {
            let stale = token.last_used.is_none_or(|last| now.since(last) >= WRITTEN);
            return Ok(Some(Proven { method: "url_token", sender: None, stale: stale.then_some(hash) }));
        }
        if matches!(request.credential, Credential::UrlToken(_)) {
            return Ok(None);
        }
        let caller =
            Caller { source: request.source, user_agent: request.user_agent.clone(), request: request.request };
        let grants = self.0.identity.by_api_key(secret, &caller).await?;
        let Some((grants, known)) = grants.zip(known) else { return Ok(None) };
        let permitted = allows(Auth::ApiKey) && grants.permit::<cap::SignalsSend>(known.workspace).is_ok();
        let sender = Some(grants.actor().principal.name().to_owned());
        Ok(permitted.then_some(Proven { method: "api_key", sender, stale: None }))
    }

    /// The row, the sealed body and the job commit together.
    async fn store(&self, line: Line, known: Known, proven: &Proven, body: Vec<u8>) -> Result<Accepted, Error> {
        let (id, workspace, received) = (line.id, known.workspace, line.received);
        let vault = self.0.vault.clone();
        // The usual case: sealed out here, because the writer is everybody's.
        let sealed = vault
            .cached_key(Some(workspace), Purpose::Signals, received)
            .map(|key| seal(&key, self.0.db.context(), id, &body));
        let stale = proven.stale;
        let payload = serde_json::to_value(HandleJob { integration: known.id }).map_err(|_| Error::Corrupt("job"))?;
        let written = self
            .0
            .db
            .write(move |tx| {
                let sealed = if let Some(sealed) = &sealed {
                    sealed.clone()
                } else {
                    let key = vault.data_key(tx, Some(workspace), Purpose::Signals, received)?;
                    seal(&key, tx.context(), id, &body)
                };
                rows::insert(tx, std::slice::from_ref(&line))?;
                rows::insert_payload(tx, id, workspace, &sealed)?;
                if let Some(hash) = stale {
                    rows::used(tx, known.id, hash, received)?;
                }
                // One job a signal: a job that is shared could be claimed before this commit and miss what it brings.
                tx.enqueue(NewJob { kind: HANDLE_JOB, key: None, payload: &payload, run_at: received })?;
                tx.touched(Changed { workspace: Some(workspace), topic: TOPIC, id: id.to_string() });
                Ok::<_, Error>(())
            })
            .await;
        match written {
            Ok(()) => Ok(Accepted { request_id: id }),
            // Rule 3: a commit whose answer was lost is looked up before anyone is answered.
            Err(Error::Store(store::Error::CommitUnknown(cause))) => {
                let there = self
                    .0
                    .db
                    .read(move |tx| {
                        tx.query_opt("SELECT id FROM signals WHERE id = $1", &params![id], |row| {
                            row.get::<SignalId>("id")
                        })
                    })
                    .await;
                match there {
                    Ok(Some(_)) => Ok(Accepted { request_id: id }),
                    Ok(None) | Err::<_, store::Error>(_) => Err(store::Error::CommitUnknown(cause).into()),
                }
            }
            Err(error) => Err(error),
        }
    }
}

fn seal(key: &DataKey, context: &base::Context, id: SignalId, body: &[u8]) -> String {
    let row = id.to_string();
    key.seal(context.chance(), &Aad { table: "signal_payloads", column: "body", row: &row }, body)
}

/// The status and the words of a refusal for the activity log; none for what was our fault, which the server's log has.
fn refusal_words(refused: &Refused) -> Option<(u16, String)> {
    let (status, words) = match refused {
        Refused::Unproven => (401, "The credential was missing or wrong.".to_owned()),
        Refused::SwitchedOff => (403, "The integration is switched off.".to_owned()),
        Refused::TooLarge => (413, "The body was larger than 256 KiB.".to_owned()),
        Refused::Media => (415, "The media type is not one that is read here.".to_owned()),
        Refused::TooMany { .. } => (429, "It came faster than the integration may send.".to_owned()),
        Refused::Body { detail, path } if path.is_empty() => (400, detail.clone()),
        Refused::Body { detail, path } => (400, format!("{detail} At {path}.")),
        Refused::Failed(_) => return None,
    };
    Some((status, words))
}

/// A stranger's text, cut and without control characters.
fn printable(text: &str, limit: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(limit).collect()
}
