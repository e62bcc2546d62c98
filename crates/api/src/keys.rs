//! API keys of a workspace: for people in a session only, so that no key can make another one (E-08).

use ::identity::ApiKeyInfo;
use ::resources::{Change, Draft, Error, Ground, Json as Body, Outcome, Removal, Resources, Written};
use access::{Permit, cap};
use base::{ApiKeyId, ExposeSecret};
use http::{Answer, InWorkspace, Json, Path, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::body::List;
use crate::resources::explained;
use crate::time::At;

const KIND: &str = "api_keys";

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/keys", list)
        .session_only()
        .post("/api/v1/workspaces/{workspace}/keys", create)
        .session_only()
        .delete("/api/v1/workspaces/{workspace}/keys/{name}", delete)
        .session_only()
}

/// A key, never its token.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    id: ApiKeyId,
    name: String,
    scopes: Vec<&'static str>,
    allow: Vec<String>,
    created: At,
    expires: At,
    last_used: Option<At>,
    imported: bool,
}

impl From<ApiKeyInfo> for KeyView {
    fn from(key: ApiKeyInfo) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes.iter().map(|scope| scope.name()).collect(),
            allow: key.allow,
            created: At(key.created_at),
            expires: At(key.expires_at),
            last_used: key.last_used_at.map(At),
            imported: key.imported,
        }
    }
}

/// A key to be made. The token is drawn by us.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewKey {
    name: String,
    scopes: Vec<String>,
    #[serde(default)]
    expires_days: Option<u32>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    reason: Option<String>,
}

impl NewKey {
    fn body(&self) -> Body {
        let mut body = serde_json::json!({ "name": self.name, "scopes": self.scopes, "allow": self.allow });
        if let (Some(days), Some(fields)) = (self.expires_days, body.as_object_mut()) {
            fields.insert("expires_days".into(), days.into());
        }
        body
    }
}

/// A key that was made. Its token is shown here and never again.
#[derive(Serialize)]
struct CreatedKey {
    name: String,
    token: String,
}

async fn list(guard: InWorkspace<cap::WorkspaceRead>, State(api): State<Api>) -> Answer<Json<List<KeyView>>> {
    let (identity, workspace, permit) = (api.identity.clone(), guard.workspace(), guard.into_permit());
    let keys = api.db.read(move |tx| identity.api_keys(tx, &permit, workspace)).await?;
    Ok(Json(List::whole(keys.into_iter().map(KeyView::from).collect())))
}

async fn create(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    Json(new): Json<NewKey>,
) -> Answer<(StatusCode, Json<CreatedKey>)> {
    let (resources, permit) = (api.resources.clone(), guard.into_permit());
    let name = new.name.clone();
    let written = api.db.write(move |tx| put(&resources, tx, &permit, &new)).await.map_err(explained)?;
    let token = written.drawn.into_iter().find(|drawn| drawn.field == "token");
    let token = token.map(|drawn| drawn.secret.expose_secret().to_owned()).unwrap_or_default();
    Ok((StatusCode::CREATED, Json(CreatedKey { name, token })))
}

fn put(
    resources: &Resources,
    tx: &mut store::Tx<'_>,
    permit: &Permit<cap::ApiKeysManage>,
    new: &NewKey,
) -> Result<Written, Error> {
    let workspace = Some(permit.workspace());
    let clearance = resources.clear(tx, permit, workspace, &Ground::None)?;
    let change = Change {
        kind: KIND,
        workspace,
        body: Draft::new(new.body()),
        reason: new.reason.as_deref(),
        clearance: &clearance,
    };
    let written = resources.put(tx, permit, change)?;
    if written.outcome == Outcome::Created {
        return Ok(written);
    }
    // The error rolls the change back: creating must not change a key that is there.
    let detail =
        "there is a key of this name already, and its token is not shown again; delete it first, or take another name";
    Err(Error::invalid("name", "key-exists", detail))
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

async fn delete(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<StatusCode> {
    let (resources, permit) = (api.resources.clone(), guard.into_permit());
    let removed = api.db.write(move |tx| {
        let workspace = Some(permit.workspace());
        let clearance = resources.clear(tx, &permit, workspace, &Ground::None)?;
        let removal = Removal { kind: KIND, workspace, key: &named.name, reason: None, clearance: &clearance };
        resources.delete(tx, &permit, removal)
    });
    removed.await.map_err(explained)?;
    Ok(StatusCode::NO_CONTENT)
}
