//! The secret of a program renewed, and its old one ended: the same for API keys and OAuth clients.

use std::time::Duration;

use ::identity::{Error, Identity, KeyRotation, RotatedKey, USUAL_OVERLAP};
use access::{Permit, cap};
use http::{Answer, Attempt, InWorkspace, Raw, Refusal, Reply, Response, StatusCode};
use serde::{Deserialize, Serialize};
use store::Tx;
use utoipa::ToSchema;

use crate::Api;
use crate::body::optional;
use crate::resources::ground;

/// Which program, by its name.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

/// How to renew a key.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = RotateApiKey)]
pub(crate) struct Rotate {
    /// Hours for which the old token works on, 0 to 168; 24 when left out.
    #[serde(default)]
    #[schema(maximum = 168)]
    overlap_hours: Option<u32>,
    /// Why, for history and audit log.
    #[serde(default)]
    reason: Option<String>,
    /// What the change stands on, in a controlled workspace.
    #[serde(default)]
    change: Option<String>,
}

/// What ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetiredApiKeyToken)]
pub(crate) struct RetiredView {
    /// Whether there was an old token.
    ended: bool,
}

type Manage = Permit<cap::ApiKeysManage>;
type Renews = fn(&Identity, &mut Tx<'_>, &Manage, &KeyRotation<'_>) -> Result<RotatedKey, Error>;
type Ends = fn(&Identity, &mut Tx<'_>, &Manage, &str) -> Result<bool, Error>;

/// Draws a new secret by `renews`; `view` is the answer, which shows it once.
pub(crate) async fn renew<V: Serialize + 'static>(
    (guard, api): (InWorkspace<cap::ApiKeysManage>, Api),
    named: Named,
    (attempt, body): (Attempt, Raw),
    renews: Renews,
    view: fn(RotatedKey) -> V,
) -> Answer<Response> {
    let wanted: Rotate = optional(&body)?;
    let (resources, identity, permit) = (api.resources.clone(), api.identity.clone(), guard.into_permit());
    let effect = move |tx: &mut Tx<'_>| {
        let ground = ground(wanted.change.as_deref())?;
        let clearance = resources.clear(tx, &permit, Some(permit.workspace()), &ground)?;
        let rotation = KeyRotation {
            key: &named.name,
            overlap: wanted.overlap_hours.map_or(USUAL_OVERLAP, |hours| Duration::from_hours(hours.into())),
            reason: wanted.reason.as_deref(),
            clearance: &clearance,
        };
        let rotated = renews(&identity, tx, &permit, &rotation)?;
        Ok::<_, Error>(Reply::json(StatusCode::OK, &view(rotated)))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

/// Ends the old secret now.
pub(crate) async fn end_old(
    (guard, api): (InWorkspace<cap::ApiKeysManage>, Api),
    named: Named,
    attempt: Attempt,
    ends: Ends,
) -> Answer<Response> {
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    let effect = move |tx: &mut Tx<'_>| {
        let ended = ends(&identity, tx, &permit, &named.name)?;
        Ok::<_, Error>(Reply::json(StatusCode::OK, &RetiredView { ended }))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}
