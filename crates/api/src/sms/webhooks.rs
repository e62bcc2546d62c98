//! Where callbacks go, in that API's shape: `/api/v1/accounts/{organisation}/webhooks`. The account is the organisation's id, with or
//! without dashes, or its name. Each sub-account has one entry there, and `*` is that of the whole account: of all that its
//! setter may see. A key of one workspace sees that one alone, so what it sets as `*` is a webhook of its workspace that stands
//! back where there is another; somebody with the right in the whole organisation sets the account's.

use ::resources::{Change, Clearance, Draft, Ground, Removal, Resources};
use ::webhooks::{ACCOUNT_WEBHOOKS, Listed, STANDS_BACK, WEBHOOKS, Webhooks};
use access::{Authority, Capability, Denied, Grants, Scope, cap};
use base::{Explain as _, ExposeSecret as _, Problem, ProblemKind, ResourceId, SecretString, WorkspaceId};
use http::doc::Doc;
use http::{Answer, IntoResponse, Json, Path, Raw, Refusal, Response, SignedIn, State, StatusCode, parse_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::Tx;
use utoipa::ToSchema;

use crate::Api;
use crate::tag::SMS;

/// Entries of one request at most.
const ENTRIES: usize = 100;
/// What stands in place of a secret.
const MASK: &str = "***";
/// The name of a webhook that is made here.
const NAME: &str = "sms";

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    organisation: String,
}

/// Where the callbacks of a sub-account go.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsWebhook)]
struct WebhookView {
    /// The sub-account; `*` for the whole account.
    sub_account_id: String,
    /// The address.
    url: String,
    /// Whether callbacks are sent.
    enabled: bool,
    /// `***` when there is a static value for the header Authorization.
    http_authorization: Option<&'static str>,
    /// How a token is fetched.
    oauth: Option<OauthView>,
}

/// How a token is fetched.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsWebhookOauth)]
struct OauthView {
    /// Where.
    url: String,
    /// Who we are there.
    client_id: String,
    /// Always `***`.
    client_secret: &'static str,
    /// `header` or `body`.
    credentials_location: String,
    /// The scope.
    scope: Option<String>,
}

impl WebhookView {
    fn of(listed: Listed, sub_account_id: String) -> Self {
        let webhook = listed.webhook;
        let oauth = webhook.token_url.zip(webhook.client_id).map(|(url, client_id)| OauthView {
            url,
            client_id,
            client_secret: MASK,
            credentials_location: webhook.credentials_in.unwrap_or_default(),
            scope: webhook.scope,
        });
        Self {
            sub_account_id,
            url: webhook.url,
            enabled: webhook.enabled,
            http_authorization: webhook.has_authorization.then_some(MASK),
            oauth,
        }
    }
}

/// A webhook as asked for. Fields that are not listed are ignored.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsWebhookRequest)]
pub(super) struct Wanted {
    /// The sub-account, or `*` for the whole account.
    sub_account_id: String,
    /// The address, https.
    url: String,
    /// Whether callbacks are sent; true when left out.
    #[serde(default)]
    enabled: Option<bool>,
    /// The value of the header Authorization; `***` keeps the one that is there.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    http_authorization: Option<Secret>,
    /// How a token for that header is fetched.
    #[serde(default)]
    oauth: Option<Oauth>,
}

/// A text that nothing prints.
#[derive(Clone, Debug)]
struct Secret(SecretString);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl Secret {
    fn text(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Client credentials (RFC 6749 section 4.4).
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsWebhookOauthRequest)]
struct Oauth {
    /// Where the token is fetched, https.
    url: String,
    /// Who we are there.
    client_id: String,
    /// How we prove it; `***` keeps the one that is there.
    #[schema(value_type = String)]
    client_secret: Secret,
    /// `header` or `body`.
    #[serde(default)]
    credentials_location: Option<String>,
    /// The scope.
    #[serde(default)]
    scope: Option<String>,
}

/// Which webhook is to go.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsWebhookRemoval)]
pub(super) struct Unwanted {
    /// The sub-account; `*` removes that of the whole account alone.
    sub_account_id: String,
}

fn account(doc: Doc) -> Doc {
    doc.path("organisation", "The account's id, or its name.", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
}

pub(super) fn get_doc() -> Doc {
    account(Doc::new("getSmsWebhooks", SMS, "Read where callbacks go"))
        .text("Of the sub-accounts whose integrations the caller may see. Credentials are `***`.")
        .answers::<Vec<WebhookView>>(StatusCode::OK, "The webhooks.", json!([{
            "subAccountId": "demo", "url": "https://app.example.com/sms", "enabled": true, "httpAuthorization": "***", "oauth": null,
        }]))
}

pub(super) fn put_doc() -> Doc {
    account(Doc::new("setSmsWebhooks", SMS, "Set where callbacks go"))
        .text("Makes or replaces the webhook of each sub-account named, all or none. Callbacks are signed too (Standard Webhooks); the secret is drawn here, and shown when it is rotated.")
        .reads::<Vec<Wanted>>(json!([{"subAccountId": "demo", "url": "https://app.example.com/sms", "enabled": true, "httpAuthorization": "Bearer a-token-of-yours"}]))
        .answers_nothing(StatusCode::OK, "It is so.")
}

pub(super) fn delete_doc() -> Doc {
    account(Doc::new("deleteSmsWebhooks", SMS, "Send callbacks nowhere"))
        .text("Removes the webhook of each sub-account named; `*` removes that of the whole account, and no other.")
        .reads::<Vec<Unwanted>>(json!([{"subAccountId": "demo"}]))
        .answers_nothing(StatusCode::OK, "It is so.")
}

pub(super) async fn get(guard: SignedIn, State(api): State<Api>, Path(named): Path<Named>) -> Answer<Response> {
    let grants = guard.caller().grants().clone();
    holds_somewhere(&grants, Capability::IntegrationsRead)?;
    let webhooks = api.webhooks.clone();
    let all = api
        .db
        .read(move |tx| {
            is_ours(tx, &named.organisation)?;
            let mut all = Vec::new();
            if let Ok(permit) = grants.permit_organisation::<cap::IntegrationsRead>() {
                all.extend(
                    of(tx, &webhooks, &permit, None)?.into_iter().map(|one| WebhookView::of(one, "*".to_owned())),
                );
            }
            for workspace in access::workspaces(tx).map_err(Failed::from)? {
                let Ok(permit) = grants.permit::<cap::IntegrationsRead>(workspace.id) else { continue };
                let found = of(tx, &webhooks, &permit, Some(workspace.id))?;
                all.extend(found.into_iter().map(|one| {
                    let all = one.webhook.name == STANDS_BACK;
                    WebhookView::of(one, if all { STANDS_BACK.to_owned() } else { workspace.slug.to_string() })
                }));
            }
            Ok::<_, Failed>(all)
        })
        .await?;
    Ok(Json(all).into_response())
}

pub(super) async fn put(
    guard: SignedIn,
    State(api): State<Api>,
    Path(named): Path<Named>,
    Raw(body): Raw,
) -> Answer<StatusCode> {
    let wanted: Vec<Wanted> = entries(&body)?;
    let (grants, webhooks, resources) = (guard.caller().grants().clone(), api.webhooks.clone(), api.resources.clone());
    holds_somewhere(&grants, Capability::IntegrationsWrite)?;
    api.db
        .write(move |tx| {
            is_ours(tx, &named.organisation)?;
            for one in &wanted {
                for place in places(tx, &grants, &one.sub_account_id)? {
                    match place.workspace {
                        None => {
                            let permit = grants.permit_organisation::<cap::IntegrationsWrite>()?;
                            set(tx, &webhooks, &resources, &permit, place, one)?;
                        }
                        Some(workspace) => {
                            let permit = grants.permit::<cap::IntegrationsWrite>(workspace)?;
                            set(tx, &webhooks, &resources, &permit, place, one)?;
                        }
                    }
                }
            }
            Ok::<_, Failed>(())
        })
        .await?;
    Ok(StatusCode::OK)
}

pub(super) async fn delete(
    guard: SignedIn,
    State(api): State<Api>,
    Path(named): Path<Named>,
    Raw(body): Raw,
) -> Answer<StatusCode> {
    let unwanted: Vec<Unwanted> = entries(&body)?;
    let (grants, webhooks, resources) = (guard.caller().grants().clone(), api.webhooks.clone(), api.resources.clone());
    holds_somewhere(&grants, Capability::IntegrationsWrite)?;
    api.db
        .write(move |tx| {
            is_ours(tx, &named.organisation)?;
            for one in &unwanted {
                for place in places(tx, &grants, &one.sub_account_id)? {
                    match place.workspace {
                        None => {
                            let permit = grants.permit_organisation::<cap::IntegrationsWrite>()?;
                            remove(tx, &webhooks, &resources, &permit, place)?;
                        }
                        Some(workspace) => {
                            let permit = grants.permit::<cap::IntegrationsWrite>(workspace)?;
                            remove(tx, &webhooks, &resources, &permit, place)?;
                        }
                    }
                }
            }
            Ok::<_, Failed>(())
        })
        .await?;
    Ok(StatusCode::OK)
}

/// Why a change did not come about.
#[derive(Debug)]
struct Failed(Box<Problem>, Option<store::Error>);

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem), None)
    }
}

macro_rules! failed {
    ($($error:ty),*) => {$(
        impl From<$error> for Failed {
            fn from(error: $error) -> Self {
                Self(Box::new(error.problem()), None)
            }
        }
    )*};
}

failed!(access::Error, Denied, ::resources::Error, ::webhooks::Error);

impl From<store::Error> for Failed {
    fn from(error: store::Error) -> Self {
        Self(Box::new(error.problem()), Some(error))
    }
}

impl From<Failed> for Refusal {
    fn from(Failed(problem, cause): Failed) -> Self {
        let refusal = Self::new(*problem);
        match cause {
            Some(cause) => refusal.because(cause),
            None => refusal,
        }
    }
}

/// Refuses a caller who holds the right nowhere, before anything is looked up.
fn holds_somewhere(grants: &Grants, capability: Capability) -> Answer<()> {
    if grants.holds_somewhere(capability) {
        return Ok(());
    }
    Err(Refusal::from(Denied { capability, scope: Scope::Organisation }))
}

/// The entries of a body: an array, as that API has it.
fn entries<T: serde::de::DeserializeOwned>(body: &[u8]) -> Answer<Vec<T>> {
    let all: Vec<T> = parse_json(body).map_err(Refusal::new)?;
    if !(1..=ENTRIES).contains(&all.len()) {
        let detail = format!("Send an array of 1 to {ENTRIES} webhooks, such as [{{\"subAccountId\": \"demo\"}}].");
        return Err(Refusal::new(Problem::new(ProblemKind::Invalid, "invalid-parameter", detail)));
    }
    Ok(all)
}

/// Whether that is our account: its id in any form, or its name.
fn is_ours(tx: &mut Tx<'_>, account: &str) -> Result<(), Failed> {
    let ours = access::organisation(tx)?.ok_or_else(Problem::internal)?;
    let id = account.parse().is_ok_and(|id: base::OrganisationId| id == ours.id);
    if id || account.eq_ignore_ascii_case(&ours.name) {
        return Ok(());
    }
    let detail = "This is not the account of this installation. Send its id (with or without dashes) or its name.";
    Err(Problem::new(ProblemKind::Invalid, "invalid-account", detail).into())
}

/// Where an entry belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The workspace; `None` for the whole account.
    workspace: Option<WorkspaceId>,
    /// Whether it was called `*`.
    all: bool,
}

/// Where a sub-account's entry belongs. A sub-account that the caller does not see is not there.
fn places(tx: &mut Tx<'_>, grants: &Grants, name: &str) -> Result<Vec<Place>, Failed> {
    if name == STANDS_BACK {
        if grants.organisation_capabilities().contains(Capability::IntegrationsWrite) {
            return Ok(vec![Place { workspace: None, all: true }]);
        }
        let seen = access::workspaces(tx)?.into_iter().map(|workspace| workspace.id);
        let own = seen.filter(|id| grants.may(Capability::IntegrationsWrite, *id));
        return Ok(own.map(|id| Place { workspace: Some(id), all: true }).collect());
    }
    let found = access::workspace_by_slug(tx, name)?.map(|workspace| workspace.id).filter(|id| grants.sees(*id));
    let found = found.ok_or_else(|| {
        let detail = "There is no such sub-account, or it is not yours.";
        Problem::new(ProblemKind::Invalid, "workspace-not-found", detail).at("subAccountId")
    })?;
    Ok(vec![Place { workspace: Some(found), all: false }])
}

/// The webhooks that people or programs configured there.
fn of<P: Authority<cap::IntegrationsRead>>(
    tx: &mut Tx<'_>,
    webhooks: &Webhooks,
    permit: &P,
    workspace: Option<WorkspaceId>,
) -> Result<Vec<Listed>, Failed> {
    let all = webhooks.list(tx, permit)?;
    Ok(all.into_iter().filter(|one| !one.webhook.own && one.webhook.workspace == workspace).collect())
}

/// The one that this API means: the only one, or the one that was made here.
fn meant<P: Authority<cap::IntegrationsWrite>>(
    tx: &mut Tx<'_>,
    webhooks: &Webhooks,
    permit: &P,
    place: Place,
) -> Result<Option<Listed>, Failed> {
    let mut all = webhooks.configured(tx, permit)?;
    let stands_back = place.workspace.is_some() && place.all;
    all.retain(|one| {
        let webhook = &one.webhook;
        webhook.workspace == place.workspace
            && (place.workspace.is_none() || (webhook.name == STANDS_BACK) == stands_back)
    });
    if all.len() == 1 {
        return Ok(all.pop());
    }
    Ok(all.into_iter().find(|one| one.webhook.name == NAME))
}

const fn kind(workspace: Option<WorkspaceId>) -> &'static str {
    if workspace.is_some() { WEBHOOKS } else { ACCOUNT_WEBHOOKS }
}

fn set<P: Authority<cap::IntegrationsWrite>>(
    tx: &mut Tx<'_>,
    webhooks: &Webhooks,
    resources: &Resources,
    permit: &P,
    place: Place,
    wanted: &Wanted,
) -> Result<(), Failed> {
    let (workspace, kind) = (place.workspace, kind(place.workspace));
    let found = meant(tx, webhooks, permit, place)?;
    let stored = match &found {
        Some(found) => resources.by_id(tx, kind, ResourceId::from(found.webhook.id.uuid()))?,
        None => None,
    };
    // What that API does not know (name, events, private authority) stays as it is.
    let mut body = match &stored {
        Some(stored) => resources.draft_of(stored)?.body().clone(),
        None => json!({ "name": if workspace.is_some() && place.all { STANDS_BACK } else { NAME } }),
    };
    body["url"] = wanted.url.clone().into();
    body["enabled"] = wanted.enabled.unwrap_or(true).into();
    if let Value::Object(map) = &mut body {
        map.shift_remove("oauth");
        map.shift_remove("authorization");
    }
    if let Some(oauth) = &wanted.oauth {
        let mut fields = Map::new();
        fields.insert("url".to_owned(), oauth.url.clone().into());
        fields.insert("client_id".to_owned(), oauth.client_id.clone().into());
        if let Some(location) = &oauth.credentials_location {
            fields.insert("credentials_in".to_owned(), location.to_ascii_lowercase().into());
        }
        if let Some(scope) = oauth.scope.as_ref().filter(|scope| !scope.is_empty()) {
            fields.insert("scope".to_owned(), scope.clone().into());
        }
        body["oauth"] = Value::Object(fields);
    }
    let mut draft = Draft::new(body);
    if stored.is_some() {
        draft = draft.unchanged("signing_secret");
    }
    let had = found.as_ref().map(|found| &found.webhook);
    if let Some(value) = wanted.http_authorization.as_ref().filter(|value| !value.text().is_empty()) {
        draft = if value.text() == MASK && had.is_some_and(|had| had.has_authorization) {
            draft.unchanged("authorization")
        } else {
            draft.secret("authorization", value.0.clone())
        };
    }
    if let Some(oauth) = &wanted.oauth {
        draft = if oauth.client_secret.text() == MASK && had.is_some_and(|had| had.token_url.is_some()) {
            draft.unchanged("oauth.client_secret")
        } else {
            draft.secret("oauth.client_secret", oauth.client_secret.0.clone())
        };
    }
    let clearance = Clearance::check(tx, workspace, &Ground::None, permit.actor())?;
    let change = Change { kind, workspace, body: draft, reason: Some("set over the SMS API"), clearance: &clearance };
    resources.put(tx, permit, change)?;
    Ok(())
}

fn remove<P: Authority<cap::IntegrationsWrite>>(
    tx: &mut Tx<'_>,
    webhooks: &Webhooks,
    resources: &Resources,
    permit: &P,
    place: Place,
) -> Result<(), Failed> {
    // What is not there is gone already: whoever repeats a removal gets the same answer.
    let Some(found) = meant(tx, webhooks, permit, place)? else { return Ok(()) };
    let workspace = place.workspace;
    let clearance = Clearance::check(tx, workspace, &Ground::None, permit.actor())?;
    let (kind, key) = (kind(workspace), found.webhook.name);
    let removal =
        Removal { kind, workspace, key: &key, reason: Some("removed over the SMS API"), clearance: &clearance };
    resources.delete(tx, permit, removal)?;
    Ok(())
}
