//! What people do: send again, test, ask at once, renew the secret. Each is audited.

use std::time::Duration;

use access::{Authority, Scope, cap};
use audit::{Entry, Outcome};
use base::{ResourceId, SecretString, Timestamp, WebhookId, WorkspaceId};
use resources::{Change, Clearance, Ground, Resources};
use serde_json::{Value as Json, json};
use store::{Changed, Tx, params};

use crate::circuit::Health;
use crate::queue::{self, Locked};
use crate::schedule::{KEPT, PATIENCE};
use crate::types::{CallbackState, New, Webhook};
use crate::webhooks::Webhooks;
use crate::{ACCOUNT_WEBHOOKS, Error, TOPIC, WEBHOOKS, rows};

/// Callbacks that one transaction sends again.
const AGAIN: i64 = 500;

/// How to renew a signing secret.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Of which webhook.
    pub webhook: WebhookId,
    /// How long the old one signs too: [`Rotation::OVERLAP`] as a rule, [`Rotation::LONGEST`] at most.
    pub overlap: Duration,
    /// What the change stands on, in a controlled workspace.
    pub ground: Ground,
    /// Why, for history and audit log.
    pub reason: Option<String>,
}

impl Rotation {
    /// The usual overlap.
    pub const OVERLAP: Duration = Duration::from_hours(24);
    /// The longest overlap.
    pub const LONGEST: Duration = Duration::from_hours(7 * 24);
}

/// A new signing secret. It is shown here and never again.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The secret.
    pub secret: SecretString,
    /// Until when the old one signs too.
    pub old_until: Option<Timestamp>,
}

/// A webhook that is the permit's to change: its workspace's, or, for a permit of the organisation, the account's.
fn own(tx: &mut Tx<'_>, permit: &impl Authority<cap::IntegrationsWrite>, id: WebhookId) -> Result<Webhook, Error> {
    let workspace = workspace_of(permit.scope());
    let found = rows::find(tx, id, true)?.map(|stored| stored.shown);
    found.filter(|webhook| webhook.workspace == workspace).ok_or(Error::NoWebhook)
}

const fn workspace_of(scope: Scope) -> Option<WorkspaceId> {
    match scope {
        Scope::Organisation => None,
        Scope::Workspace(workspace) => Some(workspace),
    }
}

fn record(
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::IntegrationsWrite>,
    (action, kind, id): (&'static str, &'static str, &str),
    reason: Option<&str>,
    changes: Option<Json>,
) -> Result<(), Error> {
    let entry = Entry {
        actor: permit.actor(),
        workspace: workspace_of(permit.scope()),
        action,
        target: (kind, id),
        outcome: Outcome::Success,
        reason,
        changes,
    };
    audit::record(tx, entry)?;
    Ok(())
}

const AGAIN_SQL: &str =
    "UPDATE callbacks SET state = CASE WHEN EXISTS (SELECT 1 FROM callbacks e WHERE e.webhook = callbacks.webhook
        AND e.subject = callbacks.subject AND e.state < 3 AND e.id < callbacks.id) THEN 2 ELSE 0 END,
    due_at = $2, give_up_at = $3, done_at = NULL, tries = 0, error = NULL WHERE id = $1 AND state >= 3";

pub(crate) fn replay(
    webhooks: &Webhooks,
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::IntegrationsWrite>,
    id: i64,
) -> Result<(), Error> {
    let (place, anywhere) = (queue::place(permit.scope()).unwrap_or_default(), workspace_of(permit.scope()).is_none());
    let now = tx.now();
    let found = tx.query_opt(
        "SELECT webhook, uid, workspace, state, url, body FROM callbacks WHERE id = $1 AND ($3 OR workspace = $2) AND created_at >= $4",
        &params![id, &place, anywhere, now.minus(KEPT)],
        |row| {
            let sealed = (row.get::<Option<String>>("url")?, row.get::<String>("body")?);
            Ok((row.get::<WebhookId>("webhook")?, row.get::<String>("uid")?, row.get::<String>("workspace")?, row.get::<i64>("state")?, sealed))
        },
    )?;
    let (webhook, uid, workspace, state, (url, body)) = found.ok_or(Error::NoCallback)?;
    rows::find(tx, webhook, true)?.ok_or(Error::NoWebhook)?;
    if !matches!(CallbackState::from_code(state), CallbackState::Delivered | CallbackState::GivenUp) {
        return Err(Error::StillTried);
    }
    queue::content(tx, &webhooks.0.vault, workspace.parse().ok(), &uid, url.as_deref(), &body)?.ok_or(Error::Erased)?;
    tx.execute(AGAIN_SQL, &params![id, now, now.plus(PATIENCE)])?;
    tx.touched(Changed { workspace: workspace.parse().ok(), topic: TOPIC, id: webhook.to_string() });
    webhooks.wake_after(tx);
    record(
        tx,
        permit,
        ("webhook.callback.replay", "callback", &uid),
        None,
        Some(json!({ "webhook": webhook.to_string() })),
    )
}

pub(crate) async fn replay_given_up<P>(
    webhooks: &Webhooks,
    permit: &P,
    id: WebhookId,
    since: Timestamp,
) -> Result<u64, Error>
where
    P: Authority<cap::IntegrationsWrite> + Clone + Send + Sync + 'static,
{
    let (mut after, mut again) = (0_i64, 0_u64);
    loop {
        let (handle, permit, first) = (webhooks.clone(), permit.clone(), after == 0);
        let (last, count) = webhooks
            .0
            .db
            .write(move |tx| {
                let webhook = own(tx, &permit, id)?;
                let now = tx.now();
                let since = since.max(now.minus(KEPT));
                let found = tx.query(
                    "SELECT id FROM callbacks WHERE webhook = $1 AND state = 4 AND id > $2 AND created_at >= $3 ORDER BY id LIMIT $4",
                    &params![id, after, since, AGAIN],
                    |row| row.get::<i64>(0),
                )?;
                // One after the other, so that each sees whether an earlier one of its message goes before it.
                for callback in &found {
                    tx.execute(AGAIN_SQL, &params![*callback, now, now.plus(PATIENCE)])?;
                }
                if first {
                    let changes = json!({ "name": webhook.name, "since": since.rfc3339() });
                    record(tx, &permit, ("webhook.replay", "webhook", &id.to_string()), None, Some(changes))?;
                }
                tx.touched(Changed { workspace: webhook.workspace, topic: TOPIC, id: id.to_string() });
                handle.wake_after(tx);
                Ok::<_, Error>((found.last().copied(), found.len() as u64))
            })
            .await?;
        again += count;
        match last {
            Some(last) if count == u64::try_from(AGAIN).unwrap_or(0) => after = last,
            _ => return Ok(again),
        }
    }
}

pub(crate) fn test(
    webhooks: &Webhooks,
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::IntegrationsWrite>,
    id: WebhookId,
    workspace: WorkspaceId,
    body: &[u8],
) -> Result<i64, Error> {
    let webhook = own(tx, permit, id)?;
    if webhook.own {
        return Err(Error::NoWebhook);
    }
    let subject = tx.context().id::<base::RequestId>().to_string();
    let new = New { workspace, subject: &subject, topic: "test", event: "webhook_test", url: None, body };
    let number = queue::write(tx, &webhooks.0.vault, &mut Locked::default(), id, &new)?;
    // Whoever tests wants to know now, also whether a receiver that is left alone answers again.
    ask(tx, &webhook)?;
    webhooks.wake_after(tx);
    record(tx, permit, ("webhook.test", "webhook", &id.to_string()), None, Some(json!({ "name": webhook.name })))?;
    Ok(number)
}

fn ask(tx: &mut Tx<'_>, webhook: &Webhook) -> Result<(), Error> {
    let now = tx.now();
    let mut health: Health = webhook.health.clone();
    health.ask_now(now);
    if health != webhook.health {
        rows::write_health(tx, webhook.id, &health)?;
    }
    Ok(())
}

pub(crate) fn ask_now(
    webhooks: &Webhooks,
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::IntegrationsWrite>,
    id: WebhookId,
) -> Result<(), Error> {
    let webhook = own(tx, permit, id)?;
    ask(tx, &webhook)?;
    tx.touched(Changed { workspace: webhook.workspace, topic: TOPIC, id: id.to_string() });
    webhooks.wake_after(tx);
    record(tx, permit, ("webhook.ask", "webhook", &id.to_string()), None, Some(json!({ "name": webhook.name })))
}

/// Control X-22: a new secret, while the one before signs too.
pub(crate) fn rotate<P: Authority<cap::IntegrationsWrite>>(
    tx: &mut Tx<'_>,
    resources: &Resources,
    permit: &P,
    rotation: &Rotation,
) -> Result<Rotated, Error> {
    const PATH: &str = "signing_secret";
    if rotation.overlap > Rotation::LONGEST {
        return Err(Error::Overlap);
    }
    let id = rotation.webhook;
    let webhook = own(tx, permit, id)?;
    let workspace = workspace_of(permit.scope());
    let kind = if workspace.is_some() { WEBHOOKS } else { ACCOUNT_WEBHOOKS };
    let stored = resources.by_id(tx, kind, ResourceId::from(id.uuid()))?.ok_or(Error::NoWebhook)?;
    let body = resources.draft_of(&stored)?.draw(PATH);
    let clearance = Clearance::check(tx, workspace, &rotation.ground, permit.actor())?;
    let change = Change { kind, workspace, body, reason: rotation.reason.as_deref(), clearance: &clearance };
    let written = resources.put(tx, permit, change)?;
    let drawn = written.drawn.into_iter().find(|drawn| drawn.field == PATH);
    let secret = drawn.ok_or(Error::Corrupt("drawn secret"))?.secret;
    // The webhook's own `rotation_hours` set an end already; the rotation's is the one that counts.
    let until = tx.now().plus(rotation.overlap);
    let old_until = rows::overlap(tx, id, until)?;
    let changes = json!({ "name": webhook.name, "old_until": old_until.map(Timestamp::rfc3339) });
    record(
        tx,
        permit,
        ("webhook.secret.rotate", "webhook", &id.to_string()),
        rotation.reason.as_deref(),
        Some(changes),
    )?;
    Ok(Rotated { secret, old_until })
}

/// The message is erased: what is told of it, too. What still waits is given up.
pub(crate) fn erase(tx: &mut Tx<'_>, workspace: WorkspaceId, subject: &str) -> Result<u64, Error> {
    let now = tx.now();
    Ok(tx.execute(
        "UPDATE callbacks SET body = '', url = NULL, done_at = COALESCE(done_at, $3),
         error = CASE WHEN state < 3 THEN 'the message was erased' ELSE error END, state = CASE WHEN state < 3 THEN 4 ELSE state END
         WHERE subject = $1 AND workspace = $2",
        &params![subject, workspace.to_string(), now],
    )?)
}
