//! OAuth clients of a workspace: for people in a session only, so that no program can make another one (E-08).

use ::identity::{Identity, KeyRotation, OauthClientInfo, RotatedKey};
use ::resources::{Draft, Edit, Error, Json as Body, Upon};
use access::{Permit, cap};
use base::{ExposeSecret, OauthClientId};
use http::doc::Doc;
use http::{Answer, Attempt, InWorkspace, Json, Path, Query, Raw, Reply, Response, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Tx;
use utoipa::ToSchema;

use crate::Api;
use crate::body::List;
use crate::resources::{Standing, explained, ground};
use crate::rotation::{Named, RetiredView, Rotate, end_old, renew};
use crate::tag::OAUTH;
use crate::time::At;

const KIND: &str = "oauth_clients";

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/oauth-clients", list)
        .session_only()
        .doc(list_doc())
        .post("/api/v1/workspaces/{workspace}/oauth-clients", create)
        .session_only()
        .atomic()
        .shows_secret()
        .doc(create_doc())
        .delete("/api/v1/workspaces/{workspace}/oauth-clients/{name}", delete)
        .session_only()
        .atomic()
        .doc(
            named(Doc::new("deleteOauthClient", OAUTH, "Delete an OAuth client"))
                .text("Its tokens end with it.")
                .query::<Standing>()
                .answers_nothing(StatusCode::NO_CONTENT, "It is gone."),
        )
        .post("/api/v1/workspaces/{workspace}/oauth-clients/{name}/rotate", rotate)
        .session_only()
        .atomic()
        .shows_secret()
        .doc(
            named(Doc::new("rotateOauthClient", OAUTH, "Renew a client's secret"))
                .text("Draws a new secret, shown once. The old one works on for the overlap. Audited.")
                .reads::<Rotate>(json!({"overlapHours": 24, "reason": "Quarterly"}))
                .or_nothing()
                .answers::<RotatedClient>(
                    StatusCode::OK,
                    "The client with its new secret.",
                    json!({
                        "name": "billing", "clientId": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
                        "clientSecret": "loudhailer_client_…", "expires": "2026-11-30T08:00:00.000Z",
                        "oldUntil": "2026-10-24T01:12:07.214Z",
                    }),
                ),
        )
        .post("/api/v1/workspaces/{workspace}/oauth-clients/{name}/retire", retire)
        .session_only()
        .atomic()
        .doc(
            named(Doc::new("retireOauthClientSecret", OAUTH, "End the old secret now"))
                .text("Before the overlap's end, as after a leak. Audited.")
                .answers::<RetiredView>(StatusCode::OK, "Whether there was one.", json!({"ended": true})),
        )
}

fn named(doc: Doc) -> Doc {
    doc.path("name", "The client's name.", "billing")
}

fn list_doc() -> Doc {
    Doc::new("listOauthClients", OAUTH, "List OAuth clients")
        .text("By name, never with their secrets.")
        .lists::<ClientView>(
            "The clients.",
            false,
            json!({"items": [{
            "clientId": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "name": "billing", "proof": "secret",
            "scopes": ["messages:send"], "audiences": ["api"], "allow": [], "certificates": [], "tokenMinutes": 15,
            "created": "2026-09-01T08:00:00.000Z", "expires": "2026-11-30T08:00:00.000Z",
            "lastUsed": "2026-10-23T01:12:00.000Z",
        }], "next": null}),
        )
}

fn create_doc() -> Doc {
    Doc::new("createOauthClient", OAUTH, "Make an OAuth client")
        .text("With `proof: secret` its secret is drawn by us, shown once and kept as a hash.")
        .reads::<NewClient>(json!({"name": "billing", "scopes": ["messages:send"], "audiences": ["api"]}))
        .answers::<CreatedClient>(
            StatusCode::CREATED,
            "The client with its secret.",
            json!({
                "name": "billing", "clientId": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
                "clientSecret": "loudhailer_client_…",
            }),
        )
}

/// A client, never its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OauthClient)]
struct ClientView {
    /// Its id: the `client_id` of the token endpoint.
    #[schema(value_type = Uuid)]
    client_id: OauthClientId,
    /// Its name.
    name: String,
    /// How it proves itself.
    proof: &'static str,
    /// What its tokens may allow at most.
    scopes: Vec<&'static str>,
    /// Where its tokens may count.
    audiences: Vec<&'static str>,
    /// From which networks it may be used; from everywhere when empty.
    allow: Vec<String>,
    /// Its certificates.
    certificates: Vec<CertificateView>,
    /// Minutes a token lives.
    token_minutes: u32,
    /// When it was made.
    created: At,
    /// When its secret stops to work; null for other proofs.
    expires: Option<At>,
    /// When it last fetched a token.
    last_used: Option<At>,
}

/// A certificate of a program.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClientCertificate)]
pub(crate) struct CertificateView {
    /// A SHA-256 fingerprint, or subject and issuer.
    rule: String,
    /// When one was last shown, to the minute.
    last_used: Option<At>,
    /// When the one that was shown last ends; null before the first use.
    ends: Option<At>,
}

impl From<&::identity::MappedCertificate> for CertificateView {
    fn from(one: &::identity::MappedCertificate) -> Self {
        Self { rule: one.rule.clone(), last_used: one.last_used_at.map(At), ends: one.not_after.map(At) }
    }
}

/// A client to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewOauthClient)]
struct NewClient {
    /// Its name.
    name: String,
    /// What its tokens may allow at most.
    scopes: Vec<String>,
    /// How it proves itself: `secret` (when left out), `private_key_jwt` or `certificate`.
    #[serde(default)]
    proof: Option<String>,
    /// Where its tokens may count: `api`, `signals`, or both when left out.
    #[serde(default)]
    audiences: Option<Vec<String>>,
    /// From which networks it may be used.
    #[serde(default)]
    allow: Vec<String>,
    /// Its certificates, with `proof: certificate`.
    #[serde(default)]
    certificates: Vec<String>,
    /// Its public keys as a set (RFC 7517), with `proof: private_key_jwt`.
    #[serde(default)]
    #[schema(value_type = Object)]
    jwks: Option<Body>,
    /// Minutes a token lives, 1 to 60; 15 when left out.
    #[serde(default)]
    token_minutes: Option<u32>,
    /// Days after which its secret stops to work; 90 when left out.
    #[serde(default)]
    expires_days: Option<u32>,
    /// Why, for history and audit log.
    #[serde(default)]
    reason: Option<String>,
    /// What the change stands on, in a controlled workspace.
    #[serde(default)]
    change: Option<String>,
}

impl NewClient {
    fn body(&self) -> Body {
        let mut body = json!({
            "name": self.name, "scopes": self.scopes, "proof": self.proof, "audiences": self.audiences,
            "allow": self.allow, "certificates": self.certificates, "token_minutes": self.token_minutes,
            "expires_days": self.expires_days, "jwks": self.jwks,
        });
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        body
    }
}

/// A client that was made. Its secret is shown here and never again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreatedOauthClient)]
struct CreatedClient {
    /// Its name.
    name: String,
    /// Its id.
    #[schema(value_type = Uuid)]
    client_id: OauthClientId,
    /// Its secret; null for other proofs.
    client_secret: Option<String>,
}

/// A client with its new secret. It is shown here and never again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RotatedOauthClient)]
struct RotatedClient {
    /// Its name.
    name: String,
    /// Its id, the same as before.
    #[schema(value_type = Uuid)]
    client_id: OauthClientId,
    /// The new secret.
    client_secret: String,
    /// When the new secret stops to work.
    expires: At,
    /// Until when the old secret works.
    old_until: At,
}

async fn list(guard: InWorkspace<cap::WorkspaceRead>, State(api): State<Api>) -> Answer<Json<List<ClientView>>> {
    let (identity, workspace, permit) = (api.identity.clone(), guard.workspace(), guard.into_permit());
    let (clients, certificates) = api
        .db
        .read(move |tx| {
            let clients = identity.oauth_clients(tx, &permit, workspace)?;
            Ok::<_, ::identity::Error>((clients, identity.certificates(tx, &permit, workspace)?))
        })
        .await?;
    let view = |client: OauthClientInfo| ClientView {
        certificates: certificates
            .iter()
            .filter(|one| one.kind == KIND && one.owner == client.id.uuid())
            .map(CertificateView::from)
            .collect(),
        client_id: client.id,
        name: client.name,
        proof: client.proof.map_or("unknown", ::identity::ClientProof::name),
        scopes: client.scopes.iter().map(|scope| scope.name()).collect(),
        audiences: client.audiences.iter().map(|audience| audience.name()).collect(),
        allow: client.allow,
        token_minutes: client.token_minutes,
        created: At(client.created_at),
        expires: client.expires_at.map(At),
        last_used: client.last_used_at.map(At),
    };
    Ok(Json(List::whole(clients.into_iter().map(view).collect())))
}

async fn create(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    attempt: Attempt,
    Json(new): Json<NewClient>,
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
        let secret = written.drawn.iter().find(|drawn| drawn.field == "secret");
        let view = CreatedClient {
            name: new.name.clone(),
            client_id: written.id.uuid().into(),
            client_secret: secret.map(|drawn| drawn.secret.expose_secret().to_owned()),
        };
        Ok::<_, Error>(Reply::json(StatusCode::CREATED, &view))
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

async fn rotate(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    attempt: Attempt,
    body: Raw,
) -> Answer<Response> {
    let view = |rotated: RotatedKey| RotatedClient {
        name: rotated.name,
        client_id: rotated.id.uuid().into(),
        client_secret: rotated.token.expose_secret().to_owned(),
        expires: At(rotated.expires_at),
        old_until: At(rotated.old_until),
    };
    let renews = |identity: &Identity, tx: &mut Tx<'_>, permit: &Permit<cap::ApiKeysManage>, how: &KeyRotation<'_>| {
        identity.rotate_client_secret(tx, permit, permit.workspace(), how)
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
        identity.retire_old_secret(tx, permit, permit.workspace(), name)
    };
    end_old((guard, api), named, attempt, ends).await
}
