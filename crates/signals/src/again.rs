//! Signals that a person or a program of ours sends: a test, and a recorded signal taken again. Both go the way of any
//! signal, through the same limits and the same commit, and say in the activity log what they are.

use access::{Actor, Permit, cap};
use base::{IntegrationId, SignalId, WorkspaceId};
use vault::Aad;

use crate::accept::{Deed, Taking};
use crate::activity;
use crate::credentials::{self, Known};
use crate::error::{Error, Refused};
use crate::mapping::{Mapping, Sample, built_in};
use crate::proof::Proven;
use crate::rows::{self, Line};
use crate::signals::Signals;
use crate::text::printable;
use crate::types::{Accepted, Door, SignalState};

/// A recorded signal as it is taken again.
struct Recorded {
    known: Option<Known>,
    content_type: Option<String>,
    body: Option<Vec<u8>>,
    refused: bool,
}

/// A body on its way in, by somebody's hand.
struct ByHand {
    door: Door,
    content_type: Option<String>,
    body: Vec<u8>,
    replay_of: Option<SignalId>,
    deed: Deed,
}

impl Signals {
    /// The sample of an integration's mapping: what a test sends when nothing else is given.
    pub async fn sample(&self, permit: &Permit<cap::IntegrationsRead>, id: IntegrationId) -> Result<Sample, Error> {
        let workspace = permit.workspace();
        self.0
            .db
            .read(move |tx| {
                let known = credentials::known(tx, id, false)?.filter(|known| known.workspace == workspace);
                let known = known.ok_or(Error::NoIntegration)?;
                Ok(mapping(tx, &known)?.sample())
            })
            .await
    }

    /// Sends a real signal through an integration: it is mapped, its flow runs and pages whom it pages. Marked as a test in
    /// the activity log; without a sample the mapping's own is sent. Follow it by its id.
    pub async fn test(
        &self,
        permit: &Permit<cap::SignalsSend>,
        id: IntegrationId,
        sample: Option<Sample>,
    ) -> Result<Accepted, Refused> {
        let workspace = permit.workspace();
        let found = self
            .0
            .db
            .read(move |tx| {
                let known = credentials::known(tx, id, false)?.filter(|known| known.workspace == workspace);
                let Some(known) = known else { return Ok(None) };
                let sample = match sample.clone() {
                    Some(sample) => sample,
                    None => mapping(tx, &known)?.sample(),
                };
                Ok::<_, Error>(Some((known, sample)))
            })
            .await?;
        let (known, sample) = found.ok_or(Refused::NotFound("integration"))?;
        let deed = Deed {
            actor: permit.actor().clone(),
            action: "signal.test",
            target: ("integration", id.to_string()),
            reason: None,
        };
        let by_hand = ByHand {
            door: Door::Test,
            content_type: Some(sample.content_type),
            body: sample.body.into_bytes(),
            replay_of: None,
            deed,
        };
        self.by_hand(known, by_hand).await
    }

    /// Takes a recorded signal again: a new signal with the same body, handled by the mapping and the flow as they are now.
    /// Refused when the body is not kept, and for an integration that is gone or switched off.
    pub async fn replay(
        &self,
        permit: &Permit<cap::SignalsSend>,
        id: SignalId,
        reason: Option<String>,
    ) -> Result<Accepted, Refused> {
        let recorded = self.recorded(permit.workspace(), id).await?.ok_or(Refused::NotFound("signal"))?;
        if recorded.refused {
            return Err(Refused::Gone(
                "A refused request is never kept, so it cannot be replayed. Have its sender send it again.",
            ));
        }
        let Some(body) = recorded.body else {
            return Err(Refused::Gone(
                "The body of this signal was removed when its time was over, so it cannot be replayed. Signals are kept for as long as `keep_days` of their integration says.",
            ));
        };
        let known = recorded.known.ok_or(Refused::Gone(
            "The integration of this signal was removed, so nothing says how to handle it. Send its body to another one.",
        ))?;
        let deed =
            Deed { actor: permit.actor().clone(), action: "signal.replay", target: ("signal", id.to_string()), reason };
        let by_hand =
            ByHand { door: Door::Replay, content_type: recorded.content_type, body, replay_of: Some(id), deed };
        self.by_hand(known, by_hand).await
    }

    async fn recorded(&self, workspace: WorkspaceId, id: SignalId) -> Result<Option<Recorded>, Error> {
        let vault = self.0.vault.clone();
        self.0
            .db
            .read(move |tx| {
                let Some((line, content_type)) = activity::one(tx, &vault, workspace, id)? else { return Ok(None) };
                let known = match line.integration {
                    Some(integration) => credentials::known(tx, integration, false)?,
                    None => None,
                };
                let body = match rows::payload(tx, workspace, id)? {
                    Some((sealed, _)) => {
                        let row = id.to_string();
                        let aad = Aad { table: "signal_payloads", column: "body", row: &row };
                        match vault.open(tx, Some(workspace), &aad, &sealed) {
                            Ok(body) => Some(body.to_vec()),
                            Err(vault::Error::Destroyed) => None,
                            Err(error) => return Err(error.into()),
                        }
                    }
                    None => None,
                };
                let refused = line.state == SignalState::Refused;
                Ok(Some(Recorded { known, content_type, body, refused }))
            })
            .await
    }

    async fn by_hand(&self, known: Known, sent: ByHand) -> Result<Accepted, Refused> {
        let context = self.0.db.context();
        let (received, began) = (self.0.received(), context.monotonic());
        self.admit(&known, sent.content_type.as_deref(), &sent.body)?;
        let Actor { principal, source, user_agent, .. } = &sent.deed.actor;
        let line = Line {
            id: context.id(),
            workspace: Some(known.workspace),
            integration: Some(known.id),
            received,
            state: SignalState::Accepted,
            status: 202,
            door: sent.door,
            method: principal.kind(),
            sender: Some(principal.name().to_owned()),
            source: source.map(|source| source.ip().to_string()),
            user_agent: user_agent.as_deref().map(printable),
            content_type: sent.content_type.as_deref().map(printable),
            bytes: sent.body.len(),
            count: 1,
            reason: None,
            took: context.monotonic().saturating_sub(began),
            replay_of: sent.replay_of,
        };
        let proven = Proven {
            method: line.method,
            sender: line.sender.clone(),
            used: None,
            certificate: None,
            webhook_id: None,
        };
        let taking = Taking { line, integration: known.id, proven, body: sent.body, deed: Some(sent.deed) };
        self.take(taking, began).await
    }
}

/// The mapping that reads an integration's signals now.
pub(crate) fn mapping(tx: &mut store::Tx<'_>, known: &Known) -> Result<Mapping, Error> {
    if let Some(mapping) = built_in(&known.mapping) {
        return Ok(mapping.clone());
    }
    match rows::mapping(tx, known.workspace, &known.mapping)? {
        Some(text) => serde_json::from_str(&text).map_err(|_| Error::Corrupt("mapping")),
        // Removed while its last signals waited: generic reads anything.
        None => built_in("generic").cloned().ok_or(Error::Corrupt("mapping")),
    }
}
