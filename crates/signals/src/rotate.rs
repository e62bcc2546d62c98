//! Renewing an integration's credentials without downtime (controls X-22, E-08): old and new count together for a while.

use std::time::Duration;

use access::{Actor, Permit, cap};
use audit::{Entry, Outcome};
use base::{IntegrationId, ResourceId, SecretString, Timestamp, WorkspaceId};
use resources::{Change, Clearance, Ground, Resources};
use serde_json::{Value as Json, json};
use store::Tx;

use crate::credentials;
use crate::error::Error;
use crate::kinds::field_of;
use crate::signals::Signals;
use crate::types::Auth;

/// What to renew, and how.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The integration.
    pub integration: IntegrationId,
    /// Which of its credentials.
    pub method: Auth,
    /// How long the old one works on: [`Rotation::OVERLAP`] as a rule, [`Rotation::LONGEST`] at most; with zero it ends at once.
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

/// A new credential. It is shown here and never again.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// What it is used for.
    pub method: Auth,
    /// The user name that goes with a password.
    pub user: Option<String>,
    /// The new value.
    pub secret: SecretString,
    /// Until when the old one works on; `None` when there was none, or it ended at once.
    pub old_until: Option<Timestamp>,
}

impl Signals {
    /// Draws a new credential for an integration, as a new version of its resource. The one before counts for the
    /// rotation's overlap more; one that still counted from an earlier rotation ends at once.
    pub async fn rotate(
        &self,
        resources: &Resources,
        permit: &Permit<cap::IntegrationsWrite>,
        rotation: Rotation,
    ) -> Result<Rotated, Error> {
        if rotation.overlap > Rotation::LONGEST {
            return Err(Error::Overlap);
        }
        let (resources, permit) = (resources.clone(), permit.clone());
        self.0
            .db
            .write(move |tx| {
                let Rotation { integration, method, overlap, ground, reason } = &rotation;
                let (now, workspace) = (tx.now(), permit.workspace());
                let path = renewable(tx, workspace, *integration, *method)?;
                let stored = resources.by_id(tx, "integrations", ResourceId::from(integration.uuid()))?;
                let stored = stored.filter(|stored| stored.workspace == Some(workspace)).ok_or(Error::NoIntegration)?;
                let body = resources.draft_of(&stored)?.draw(path);
                let clearance = Clearance::check(tx, Some(workspace), ground, permit.actor())?;
                let change = Change {
                    kind: "integrations",
                    workspace: Some(workspace),
                    body,
                    reason: reason.as_deref(),
                    clearance: &clearance,
                };
                let written = resources.put(tx, &permit, change)?;
                let drawn = written.drawn.into_iter().find(|drawn| drawn.field == path);
                let secret = drawn.ok_or(Error::Corrupt("drawn secret"))?.secret;
                // The resource's own `rotation_hours` set an end already; the rotation's is the one that counts.
                let old_until = if overlap.is_zero() {
                    credentials::retire(tx, *integration, *method, Timestamp::from_micros(i64::MIN))?;
                    None
                } else {
                    credentials::overlap(tx, *integration, *method, now.plus(*overlap))?
                };
                let changes = json!({
                    "method": method.as_str(),
                    "old_until": old_until.map(Timestamp::rfc3339),
                });
                let deed = "integration.credential.rotate";
                record(tx, permit.actor(), workspace, (deed, *integration), reason.as_deref(), changes)?;
                let known = credentials::known(tx, *integration, false)?.ok_or(Error::NoIntegration)?;
                let user = (*method == Auth::Basic).then_some(known.user);
                Ok(Rotated { method: *method, user, secret, old_until })
            })
            .await
    }

    /// Ends the old credentials of a rotation now, before their time; how many. Wants no change reference in a controlled
    /// workspace: it takes a right away and gives none, and a leaked secret does not wait.
    pub async fn retire(
        &self,
        permit: &Permit<cap::IntegrationsWrite>,
        integration: IntegrationId,
        method: Auth,
        reason: Option<String>,
    ) -> Result<u64, Error> {
        let permit = permit.clone();
        self.0
            .db
            .write(move |tx| {
                let (now, workspace) = (tx.now(), permit.workspace());
                renewable(tx, workspace, integration, method)?;
                let ended = credentials::retire(tx, integration, method, now)?;
                if ended > 0 {
                    let changes = json!({ "method": method.as_str(), "ended": ended });
                    let deed = "integration.credential.retire";
                    record(tx, permit.actor(), workspace, (deed, integration), reason.as_deref(), changes)?;
                }
                Ok(ended)
            })
            .await
    }
}

/// The field of the credential, if the integration is the workspace's and proves senders this way.
fn renewable(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    integration: IntegrationId,
    method: Auth,
) -> Result<&'static str, Error> {
    let known = credentials::known(tx, integration, false)?.filter(|known| known.workspace == workspace);
    let known = known.ok_or(Error::NoIntegration)?;
    field_of(method).filter(|_| known.auth.contains(&method)).ok_or(Error::NothingToRenew(method))
}

fn record(
    tx: &mut Tx<'_>,
    actor: &Actor,
    workspace: WorkspaceId,
    (action, integration): (&'static str, IntegrationId),
    reason: Option<&str>,
    changes: Json,
) -> Result<(), Error> {
    let entry = Entry {
        actor,
        workspace: Some(workspace),
        action,
        target: ("integration", &integration.to_string()),
        outcome: Outcome::Success,
        reason,
        changes: Some(changes),
    };
    audit::record(tx, entry)?;
    Ok(())
}
