//! Applications that bind by SMPP: their accounts, the binds they have now, and ending these. Accounts are made and changed as
//! resources of the kind `smpp_accounts`.

use ::smppd::{AccountInfo, BindStatus, Error};
use access::cap;
use base::SmppAccountId;
use http::doc::Doc;
use http::{Answer, Attempt, InWorkspace, Json, Path, Refusal, Reply, Response, Routes, State, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::Api;
use crate::body::List;
use crate::tag::SMPP;
use crate::time::At;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/workspaces/{workspace}/smpp/accounts", accounts)
        .doc(accounts_doc())
        .get("/api/v1/workspaces/{workspace}/smpp/binds", binds)
        .doc(binds_doc())
        .post("/api/v1/workspaces/{workspace}/smpp/accounts/{account}/disconnect", disconnect_all)
        .atomic()
        .doc(
            of_account(Doc::new("disconnectSmppAccount", SMPP, "End all binds of an account"))
                .text("On every node, within a second or two. The application may bind again: to keep it out, delete the account or narrow its addresses. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "Its binds end."),
        )
        .post("/api/v1/workspaces/{workspace}/smpp/accounts/{account}/binds/{bind}/disconnect", disconnect)
        .atomic()
        .doc(
            of_account(Doc::new("disconnectSmppBind", SMPP, "End one bind"))
                .path("bind", "The bind's number, on the node that is asked.", "17")
                .text("It is unbound, and what was submitted before is still answered. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "It ends."),
        )
}

fn of_account(doc: Doc) -> Doc {
    doc.path("account", "The account's id.", "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
}

fn accounts_doc() -> Doc {
    Doc::new("listSmppAccounts", SMPP, "List SMPP accounts").text("By name, never with their passwords.").lists::<AccountView>(
        "The accounts.",
        false,
        json!({"items": [{
            "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "systemId": "shop", "allow": ["192.0.2.0/24"], "allowPlaintext": false,
            "maxBinds": 4, "window": 20, "rate": 100, "maxWaiting": 10_000_000, "class": "transactional",
            "lastBound": "2026-10-23T01:12:00.000Z", "oldPasswordUntil": null,
        }], "next": null}),
    )
}

fn binds_doc() -> Doc {
    Doc::new("listSmppBinds", SMPP, "List binds")
        .text("Those that the answering node has now, the oldest first. Rates are those of the last second.")
        .lists::<BindView>(
            "The binds.",
            false,
            json!({"items": [{
                "id": 17, "account": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", "systemId": "shop", "node": "node-1",
                "mode": "transceiver", "source": "192.0.2.7", "tls": true, "version": "3.4", "vendorTlvs": true,
                "since": "2026-10-23T01:12:00.000Z", "submitted": 1200, "refused": 3, "delivered": 1180,
                "submitsPerSecond": 50, "deliveriesPerSecond": 48, "window": 20, "unanswered": 4, "delivering": 2,
            }], "next": null}),
        )
}

/// An account, never its password.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmppAccount)]
struct AccountView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: SmppAccountId,
    /// The name it binds with.
    system_id: String,
    /// The networks it may bind from.
    allow: Vec<String>,
    /// Whether it may bind without TLS, where the server listens for that.
    allow_plaintext: bool,
    /// Binds at once, on each node.
    max_binds: usize,
    /// Unanswered requests on each bind.
    window: usize,
    /// Submits a second over all its binds on a node; no limit when null.
    rate: Option<u32>,
    /// Messages that may wait for a carrier.
    max_waiting: usize,
    /// How urgent its messages are.
    class: &'static str,
    /// When it last bound.
    last_bound: Option<At>,
    /// Until when the password before works, after a rotation.
    old_password_until: Option<At>,
}

impl From<AccountInfo> for AccountView {
    fn from(account: AccountInfo) -> Self {
        Self {
            id: account.id,
            system_id: account.system_id,
            allow: account.allow,
            allow_plaintext: account.allow_plaintext,
            max_binds: account.max_binds,
            window: account.window,
            rate: account.rate,
            max_waiting: account.max_waiting,
            class: account.class.name(),
            last_bound: account.last_bound_at.map(At),
            old_password_until: account.retires_at.map(At),
        }
    }
}

/// A bind.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmppBind)]
struct BindView {
    /// Its number on its node.
    id: u64,
    /// Its account.
    #[schema(value_type = Uuid)]
    account: SmppAccountId,
    /// The name it bound with.
    system_id: String,
    /// The node it is bound to.
    node: String,
    /// `transmitter`, `receiver` or `transceiver`.
    mode: &'static str,
    /// From which address.
    source: String,
    /// Whether it is TLS.
    tls: bool,
    /// The SMPP version it speaks.
    version: String,
    /// Whether it is told the parameters of 8x8's own, 0x1502 to 0x1504.
    vendor_tlvs: bool,
    /// Since when.
    since: At,
    /// Submits that were accepted.
    submitted: u64,
    /// Submits that were refused.
    refused: u64,
    /// Receipts and texts it took.
    delivered: u64,
    /// Submits in the last second.
    submits_per_second: u64,
    /// Receipts and texts it took in the last second.
    deliveries_per_second: u64,
    /// Requests that may be unanswered, in each direction.
    window: usize,
    /// Its submits that are unanswered.
    unanswered: u64,
    /// Receipts and texts that are on their way to it.
    delivering: usize,
}

impl BindView {
    fn of(bind: BindStatus, node: &str) -> Self {
        Self {
            id: bind.id,
            account: bind.account,
            system_id: bind.system_id,
            node: node.to_owned(),
            mode: bind.mode,
            source: bind.source,
            tls: bind.encrypted,
            version: bind.version,
            vendor_tlvs: bind.vendor_tlvs,
            since: At(bind.since),
            submitted: bind.submitted,
            refused: bind.refused,
            delivered: bind.delivered,
            submits_per_second: bind.rate_in,
            deliveries_per_second: bind.rate_out,
            window: bind.window,
            unanswered: bind.unanswered,
            delivering: bind.delivering,
        }
    }
}

async fn accounts(guard: InWorkspace<cap::MessagesRead>, State(api): State<Api>) -> Answer<Json<List<AccountView>>> {
    let (smppd, permit) = (api.smppd.clone(), guard.into_permit());
    let found = api.db.read(move |tx| smppd.accounts(tx, &permit)).await?;
    Ok(Json(List::whole(found.into_iter().map(AccountView::from).collect())))
}

async fn binds(guard: InWorkspace<cap::MessagesRead>, State(api): State<Api>) -> Answer<Json<List<BindView>>> {
    let (binds, node) = (api.smppd.binds(guard.permit()), api.smppd.node());
    Ok(Json(List::whole(binds.into_iter().map(|bind| BindView::of(bind, node)).collect())))
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct OfAccount {
    account: SmppAccountId,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct OfBind {
    account: SmppAccountId,
    bind: u64,
}

async fn disconnect_all(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    Path(of): Path<OfAccount>,
    attempt: Attempt,
) -> Answer<Response> {
    let (smppd, permit) = (api.smppd.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        smppd.disconnect_all(tx, &permit, of.account)?;
        Ok::<_, Error>(Reply::empty(StatusCode::NO_CONTENT))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

async fn disconnect(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(api): State<Api>,
    Path(of): Path<OfBind>,
    attempt: Attempt,
) -> Answer<Response> {
    let (smppd, permit) = (api.smppd.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        smppd.disconnect(tx, &permit, of.account, of.bind)?;
        Ok::<_, Error>(Reply::empty(StatusCode::NO_CONTENT))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}
