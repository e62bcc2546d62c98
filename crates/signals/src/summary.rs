//! What a list shows of a signal: title and key of its first event. It is what a sender said, so it lies sealed.

use base::{SignalId, Timestamp, WorkspaceId};
use flows::Event;
use serde::{Deserialize, Serialize};
use store::Tx;
use vault::{Aad, Purpose, Vault};

use crate::error::Error;

/// Characters of a title that a list shows.
const TITLE_LIMIT: usize = 200;

/// The summary of a signal.
#[derive(Serialize, Deserialize)]
pub(crate) struct Summary {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Seals the summary of a signal that begins with this event.
pub(crate) fn seal(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: WorkspaceId,
    id: SignalId,
    event: &Event,
    at: Timestamp,
) -> Result<String, Error> {
    let summary = Summary { title: event.title.chars().take(TITLE_LIMIT).collect(), key: event.key.clone() };
    let text = serde_json::to_vec(&summary).map_err(|_| Error::Corrupt("summary"))?;
    let key = vault.data_key(tx, Some(workspace), Purpose::Signals, at)?;
    let row = id.to_string();
    Ok(key.seal(tx.context().chance(), &aad(&row), &text))
}

/// Opens it; none when its key was destroyed with what it belonged to.
pub(crate) fn open(
    tx: &mut Tx<'_>,
    vault: &Vault,
    workspace: WorkspaceId,
    id: SignalId,
    sealed: &str,
) -> Result<Option<Summary>, Error> {
    let row = id.to_string();
    match vault.open(tx, Some(workspace), &aad(&row), sealed) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|_| Error::Corrupt("summary")),
        Err(vault::Error::Destroyed) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn aad(row: &str) -> Aad<'_> {
    Aad { table: "signals", column: "summary", row }
}
