//! API keys of a workspace: for people in a session only, so that no key can make another one (E-08).

use ::identity::{ApiKeyInfo, Identity, KeyRotation, MappedCertificate, RotatedKey};
use ::resources::{Draft, Edit, Error, Json as Body, Upon};
use access::{Permit, cap};
use base::{ApiKeyId, ExposeSecret, Timestamp};
use http::doc::Doc;
use http::{Answer, Attempt, InWorkspace, Json, Path, Query, Raw, Reply, Response, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Tx;
use utoipa::ToSchema;

use crate::Api;
use crate::body::List;
use crate::oauth_clients::CertificateView;
use crate::resources::{Standing, explained, ground};
use crate::rotation::{Named, RetiredView, Rotate, end_old, renew};
use crate::tag::KEYS;
use crate::time::At;

const KIND: &str = "api_keys";

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/keys", list)
        .session_only()
        .doc(list_doc())
        .post("/api/v1/workspaces/{workspace}/keys", create)
        .session_only()
        .atomic()
        .shows_secret()
        .doc(create_doc())
        .delete("/api/v1/workspaces/{workspace}/keys/{name}", delete)
        .session_only()
        .atomic()
        .doc(
            named(Doc::new("deleteKey", KEYS, "Delete an API key"))
                .query::<Standing>()
                .answers_nothing(StatusCode::NO_CONTENT, "It is gone."),
        )
        .post("/api/v1/workspaces/{workspace}/keys/{name}/rotate", rotate)
        .session_only()
        .atomic()
        .shows_secret()
        .doc(rotate_doc())
        .post("/api/v1/workspaces/{workspace}/keys/{name}/retire", retire)
        .session_only()
        .atomic()
        .doc(
            named(Doc::new("retireKeyToken", KEYS, "End the old token now"))
                .text("Before the overlap's end, as after a leak. Audited.")
                .answers::<RetiredView>(StatusCode::OK, "Whether there was one.", json!({"ended": true})),
        )
}

fn named(doc: Doc) -> Doc {
    doc.path("name", "The key's name.", "checkout")
}

fn list_doc() -> Doc {
    Doc::new("listKeys", KEYS, "List API keys").text("By name, never with their tokens.").lists::<KeyView>(
        "The keys.",
        false,
        json!({"items": [{
            "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "name": "checkout", "scopes": ["messages:send"], "allow": [],
            "created": "2026-09-01T08:00:00.000Z", "expires": "2026-11-30T08:00:00.000Z",
            "lastUsed": "2026-10-23T01:12:00.000Z", "imported": false, "tokenSet": "2026-09-01T08:00:00.000Z",
            "oldUntil": null, "oldLastUsed": null, "state": "good", "certificates": [],
        }], "next": null}),
    )
}

fn create_doc() -> Doc {
    Doc::new("createKey", KEYS, "Make an API key")
        .text("Its token is drawn by us, shown once and kept nowhere.")
        .reads::<NewKey>(json!({"name": "checkout", "scopes": ["messages:send"], "expiresDays": 90}))
        .answers::<CreatedKey>(
            StatusCode::CREATED,
            "The key with its token.",
            json!({"name": "checkout", "token": "loudhailer_key_…"}),
        )
}

fn rotate_doc() -> Doc {
    named(Doc::new("rotateKey", KEYS, "Renew an API key"))
        .text("Draws a new token, shown once. The old one works on for the overlap. Audited.")
        .reads::<Rotate>(json!({"overlapHours": 24, "reason": "Quarterly"}))
        .or_nothing()
        .answers::<RotatedView>(
            StatusCode::OK,
            "The key with its new token.",
            json!({
                "name": "checkout", "token": "loudhailer_key_…", "expires": "2026-11-30T08:00:00.000Z",
                "oldUntil": "2026-10-24T01:12:07.214Z",
            }),
        )
}

/// A key, never its token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
struct KeyView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: ApiKeyId,
    /// Its name.
    name: String,
    /// What it may do.
    scopes: Vec<&'static str>,
    /// From which networks it may be used; from everywhere when empty.
    allow: Vec<String>,
    /// When it was made.
    created: At,
    /// When it stops to work.
    expires: At,
    /// When it was last used, to the minute.
    last_used: Option<At>,
    /// Whether its token was brought along rather than drawn by us.
    imported: bool,
    /// When its present token was set.
    token_set: At,
    /// Until when the token before works, in rotation.
    old_until: Option<At>,
    /// When the token before was last used: a program that has to be told.
    old_last_used: Option<At>,
    /// How it stands: `good`, `due` within 14 days of its end, or `over`.
    state: &'static str,
    /// Its client certificates.
    certificates: Vec<CertificateView>,
}

impl KeyView {
    fn of(key: ApiKeyInfo, certificates: &[MappedCertificate], now: Timestamp) -> Self {
        let own = certificates.iter().filter(|one| one.kind == KIND && one.owner == key.id.uuid());
        Self {
            state: key.state(now).name(),
            certificates: own.map(CertificateView::from).collect(),
            old_until: key.retiring.map(|old| At(old.until)),
            old_last_used: key.retiring.and_then(|old| old.last_used_at).map(At),
            id: key.id,
            name: key.name,
            scopes: key.scopes.iter().map(|scope| scope.name()).collect(),
            allow: key.allow,
            created: At(key.created_at),
            expires: At(key.expires_at),
            last_used: key.last_used_at.map(At),
            imported: key.imported,
            token_set: At(key.token_set_at),
        }
    }
}

/// A key to be made. The token is drawn by us.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewApiKey)]
struct NewKey {
    /// Its name.
    name: String,
    /// What it may do.
    scopes: Vec<String>,
    /// Days after which it stops to work; 90 when left out.
    #[serde(default)]
    expires_days: Option<u32>,
    /// From which networks it may be used.
    #[serde(default)]
    allow: Vec<String>,
    /// Client certificates that stand for it: SHA-256 fingerprints, or `CN=app issued by CN=Example CA`.
    #[serde(default)]
    certificates: Vec<String>,
    /// Why, for history and audit log.
    #[serde(default)]
    reason: Option<String>,
    /// What the change stands on, in a controlled workspace.
    #[serde(default)]
    change: Option<String>,
}

impl NewKey {
    fn body(&self) -> Body {
        let mut body = serde_json::json!({ "name": self.name, "scopes": self.scopes, "allow": self.allow, "certificates": self.certificates });
        if let (Some(days), Some(fields)) = (self.expires_days, body.as_object_mut()) {
            fields.insert("expires_days".into(), days.into());
        }
        body
    }
}

/// A key that was made. Its token is shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
struct CreatedKey {
    /// Its name.
    name: String,
    /// Its token.
    token: String,
}

async fn list(guard: InWorkspace<cap::WorkspaceRead>, State(api): State<Api>) -> Answer<Json<List<KeyView>>> {
    let (identity, workspace, permit) = (api.identity.clone(), guard.workspace(), guard.into_permit());
    let (keys, certificates, now) = api
        .db
        .read(move |tx| {
            let keys = identity.api_keys(tx, &permit, workspace)?;
            Ok::<_, ::identity::Error>((keys, identity.certificates(tx, &permit, workspace)?, tx.now()))
        })
        .await?;
    Ok(Json(List::whole(keys.into_iter().map(|key| KeyView::of(key, &certificates, now)).collect())))
}

async fn create(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    attempt: Attempt,
    Json(new): Json<NewKey>,
) -> Answer<Response> {
    let (resources, permit) = (api.resources.clone(), guard.into_permit());
    let effect = move |tx: &mut Tx<'_>| {
        let edit = Edit {
            kind: KIND.to_owned(),
            workspace: Some(permit.workspace()),
            upon: Upon::Nothing,
            draft: Draft::new(new.body()),
            reason: new.reason.clone(),
            ground: ground(new.change.as_deref())?,
        };
        let written = resources.edit(tx, &permit, &edit)?;
        let token = written.drawn.into_iter().find(|drawn| drawn.field == "token");
        let token = token.map(|drawn| drawn.secret.expose_secret().to_owned()).unwrap_or_default();
        Ok::<_, Error>(Reply::json(StatusCode::CREATED, &CreatedKey { name: new.name.clone(), token }))
    };
    attempt.write(&api.db, explained, effect).await
}

async fn delete(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    Query(standing): Query<Standing>,
    attempt: Attempt,
) -> Answer<Response> {
    let (resources, permit) = (api.resources.clone(), guard.into_permit());
    let effect =
        move |tx: &mut Tx<'_>| standing.delete(&resources, tx, &permit, (KIND, Some(permit.workspace()), &named.name));
    attempt.write(&api.db, explained, effect).await
}

/// A key with its new token. It is shown here and never again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RotatedApiKey)]
struct RotatedView {
    /// Its name.
    name: String,
    /// The new token.
    token: String,
    /// When the new token stops to work.
    expires: At,
    /// Until when the old token works.
    old_until: At,
}

async fn rotate(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    attempt: Attempt,
    body: Raw,
) -> Answer<Response> {
    let view = |rotated: RotatedKey| RotatedView {
        name: rotated.name,
        token: rotated.token.expose_secret().to_owned(),
        expires: At(rotated.expires_at),
        old_until: At(rotated.old_until),
    };
    let renews = |identity: &Identity, tx: &mut Tx<'_>, permit: &Permit<cap::ApiKeysManage>, how: &KeyRotation<'_>| {
        identity.rotate_key(tx, permit, permit.workspace(), how)
    };
    renew((guard, api), named, (attempt, body), renews, view).await
}

async fn retire(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    attempt: Attempt,
) -> Answer<Response> {
    let ends = |identity: &Identity, tx: &mut Tx<'_>, permit: &Permit<cap::ApiKeysManage>, name: &str| {
        identity.retire_old_token(tx, permit, permit.workspace(), name)
    };
    end_old((guard, api), named, attempt, ends).await
}
