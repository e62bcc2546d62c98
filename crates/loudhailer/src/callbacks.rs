//! What becomes of messages, on its way to applications: read from `messaging`, shaped by `api`, written down by `webhooks`, all
//! in one transaction. A kill at any point tells nothing twice and forgets nothing.

use std::collections::HashMap;
use std::time::Duration;

use access::{Engine, OrganisationPermit, cap};
use base::WorkspaceId;
use messaging::{Messaging, Told};
use store::{Db, Held, Tx};
use tokio_util::sync::CancellationToken;
use webhooks::{Batch, New, Webhooks};

use crate::error::Result;

/// Steps that one transaction takes.
const MOST: usize = 256;
/// How often it is looked, when nobody says that there is something.
const LOOK: Duration = Duration::from_millis(500);

/// Runs until `stop`, on one node at a time.
pub async fn run(db: Db, messaging: Messaging, webhooks: Webhooks, stop: CancellationToken) {
    let lease = db.lease("callbacks");
    let mut told = messaging.told();
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = told.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        let held = match lease.hold().await {
            Ok(Some(held)) => held,
            Ok(None) => continue,
            Err(store::Error::Closed) => break,
            Err(error) => {
                tracing::warn!(%error, "the lease on news of messages could not be looked at");
                continue;
            }
        };
        if let Err(error) = pass_on(&db, &messaging, &webhooks, &held, &stop).await {
            tracing::warn!(%error, "news of messages could not be passed on; they wait");
        }
    }
    if let Err(error) = lease.release().await {
        tracing::debug!(%error, "the lease on news of messages was not released; others see it stand still");
    }
}

/// Passes on what there is.
async fn pass_on(
    db: &Db,
    messaging: &Messaging,
    webhooks: &Webhooks,
    held: &Held,
    stop: &CancellationToken,
) -> Result<()> {
    loop {
        let permit = OrganisationPermit::<cap::MessageContentRead>::engine(Engine("webhooks"));
        let (reader, permit_too) = (messaging.clone(), permit.clone());
        // A look without the writer: mostly there is nothing.
        if db.read(move |tx| reader.news(tx, &permit_too, 1)).await?.is_empty() {
            return Ok(());
        }
        let (messaging, webhooks, held) = (messaging.clone(), webhooks.clone(), held.clone());
        let taken = db.write(move |tx| batch(tx, &messaging, &webhooks, &held, &permit)).await?;
        if taken < MOST || stop.is_cancelled() {
            return Ok(());
        }
    }
}

fn batch(
    tx: &mut Tx<'_>,
    messaging: &Messaging,
    webhooks: &Webhooks,
    held: &Held,
    permit: &OrganisationPermit<cap::MessageContentRead>,
) -> std::result::Result<usize, crate::error::Error> {
    held.check(tx)?;
    let news = messaging.news(tx, permit, MOST)?;
    let (mut batch, mut names) = (Batch::default(), HashMap::new());
    for one in &news {
        let Some(workspace) = one.workspace else { continue };
        let name = name(tx, &mut names, workspace)?;
        match &one.what {
            Told::Gone => {}
            Told::Erased { id } => {
                webhooks.erase(tx, workspace, &id.to_string())?;
            }
            Told::Step(step) => {
                let Some(body) = api::callbacks::receipt(step, one.at, &name) else { continue };
                let subject = step.message.to_string();
                let url = step.callback.as_deref();
                let new = New {
                    workspace,
                    subject: &subject,
                    topic: "receipts",
                    event: api::callbacks::RECEIPT,
                    url,
                    body: &body,
                };
                webhooks.enqueue(tx, &mut batch, &new)?;
            }
            Told::Inbound { id, from, to, text, parts, coding } => {
                let subject = id.to_string();
                let body = api::callbacks::inbound(*id, (from, to), text, (*parts, *coding), one.at, &name);
                let new = New {
                    workspace,
                    subject: &subject,
                    topic: "inbound",
                    event: api::callbacks::INBOUND,
                    url: None,
                    body: &body,
                };
                webhooks.enqueue(tx, &mut batch, &new)?;
            }
        }
    }
    messaging.told_news(tx, permit, &news)?;
    Ok(news.len())
}

/// The short name of a workspace: the `subAccountId`.
fn name(
    tx: &mut Tx<'_>,
    names: &mut HashMap<WorkspaceId, String>,
    workspace: WorkspaceId,
) -> std::result::Result<String, crate::error::Error> {
    if let Some(name) = names.get(&workspace) {
        return Ok(name.clone());
    }
    let name = access::workspace(tx, workspace)?.map_or_else(|| workspace.to_string(), |found| found.slug.to_string());
    names.insert(workspace, name.clone());
    Ok(name)
}
