//! A running room with a workspace, and webhooks to receivers on this machine.

use std::time::Duration;

use access::{Actor, Environment, Grants, Permit, Workspace, cap};
use base::{PageRequest, SecretString, WebhookId, WorkspaceId};
use outbound::{Guarded, Rules};
use resources::{Change, Clearance, Draft, Ground, Registry, Resources};
use serde_json::{Value as Json, json};
use store::Db;
use testkit::Receiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vault::{KeyFile, Vault};

use crate::*;

pub(super) struct House {
    pub(super) db: Db,
    pub(super) resources: Resources,
    pub(super) webhooks: Webhooks,
    pub(super) workspace: WorkspaceId,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

/// The receivers' ports, as an operator would allow them.
pub(super) fn rules(receivers: &[&Receiver]) -> Rules {
    let allow = receivers.iter().map(|receiver| format!("127.0.0.1:{}", receiver.port).parse().unwrap()).collect();
    Rules { allow, ..Rules::default() }
}

impl House {
    pub(super) async fn new(db: &Db, rules: Rules) -> Self {
        let keys = KeyFile::parse("1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
        let vault = Vault::unlock(db.clone(), keys).await.unwrap();
        let kinds = Kinds::new(Some(vault.clone()));
        let registry =
            Registry::new(vec![resources::typed(kinds.of_workspaces()), resources::typed(kinds.of_account())]).unwrap();
        let resources = Resources::new(db.clone(), registry, vault.clone());
        let workspace = Uuid::from_u128(1).into();
        db.write(move |tx| {
            let stored = Workspace {
                id: workspace,
                slug: "demo".parse().unwrap(),
                environment: Environment::Production,
                name: "Demo".to_owned(),
                time_zone: "UTC".to_owned(),
                controlled: false,
            };
            let now = tx.now();
            access::put_workspace(tx, &stored, now)
        })
        .await
        .unwrap();
        let webhooks = Webhooks::new(db.clone(), vault, &kinds, Guarded::new(rules)).await.unwrap();
        Self { db: db.clone(), resources, webhooks, workspace, stop: CancellationToken::new(), running: None }
    }

    pub(super) fn run(&mut self) {
        self.stop = CancellationToken::new();
        self.running = Some(tokio::spawn(self.webhooks.clone().run(self.stop.clone())));
    }

    pub(super) async fn halt(&mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            running.await.unwrap();
        }
    }

    /// As when the process is killed: nothing is settled, nothing given back, and the lease stands still.
    pub(super) fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }

    pub(super) fn grants() -> Grants {
        Grants::of_operator(Actor::engine("tests"))
    }

    pub(super) fn permit<C: access::Cap>(&self) -> Permit<C> {
        Self::grants().permit(self.workspace).unwrap()
    }

    /// Puts a webhook; the drawn secret.
    pub(super) async fn put(
        &self,
        body: Json,
        secrets: &[(&str, &str)],
    ) -> Result<(WebhookId, Option<SecretString>), resources::Error> {
        let (resources, permit, workspace) =
            (self.resources.clone(), self.permit::<cap::IntegrationsWrite>(), self.workspace);
        let mut draft = Draft::new(body);
        for (path, value) in secrets {
            draft = draft.secret(*path, SecretString::from(*value));
        }
        self.db
            .write(move |tx| {
                let clearance = Clearance::check(tx, Some(workspace), &Ground::None, permit.actor())?;
                let change = Change {
                    kind: WEBHOOKS,
                    workspace: Some(workspace),
                    body: draft.clone(),
                    reason: None,
                    clearance: &clearance,
                };
                let written = resources.put(tx, &permit, change)?;
                let secret = written.drawn.first().map(|drawn| drawn.secret.clone());
                Ok((WebhookId::from(written.id.uuid()), secret))
            })
            .await
    }

    /// A webhook to a receiver.
    pub(super) async fn to(&self, name: &str, receiver: &Receiver) -> (WebhookId, SecretString) {
        let (id, secret) = self.put(body(name, receiver), &[]).await.unwrap();
        (id, secret.unwrap())
    }

    /// Tells something about `subject`.
    pub(super) async fn tell(&self, subject: &str, text: &str) -> usize {
        self.tell_to(subject, text, None).await
    }

    pub(super) async fn tell_to(&self, subject: &str, text: &str, url: Option<String>) -> usize {
        let (webhooks, workspace, subject) = (self.webhooks.clone(), self.workspace, subject.to_owned());
        let body = json!({ "text": text }).to_string().into_bytes();
        self.db
            .write(move |tx| {
                let url = url.as_deref();
                let new = New {
                    workspace,
                    subject: &subject,
                    topic: "receipts",
                    event: "outbound_message_status_changed",
                    url,
                    body: &body,
                };
                webhooks.enqueue(tx, &mut Batch::default(), &new)
            })
            .await
            .unwrap()
    }

    pub(super) async fn list(&self) -> Vec<Listed> {
        let (webhooks, permit) = (self.webhooks.clone(), self.permit::<cap::IntegrationsRead>());
        self.db.read(move |tx| webhooks.list(tx, &permit)).await.unwrap()
    }

    pub(super) async fn one(&self, id: WebhookId) -> Listed {
        self.list().await.into_iter().find(|listed| listed.webhook.id == id).unwrap()
    }

    pub(super) async fn callbacks(&self, filter: Filter) -> Vec<Callback> {
        let (webhooks, permit) = (self.webhooks.clone(), self.permit::<cap::IntegrationsRead>());
        let page = PageRequest::new(200, None);
        self.db.read(move |tx| webhooks.callbacks(tx, &permit, &filter, &page)).await.unwrap().items
    }

    pub(super) async fn details(&self, id: i64) -> Details {
        let (webhooks, permit) = (self.webhooks.clone(), self.permit::<cap::IntegrationsRead>());
        self.db.read(move |tx| webhooks.callback(tx, &permit, id)).await.unwrap().unwrap()
    }

    /// Waits until as many callbacks are in `state`.
    pub(super) async fn until(&self, state: CallbackState, count: usize) -> Vec<Callback> {
        let mut seen = 0;
        for _ in 0..2_000 {
            let found = self.callbacks(Filter { state: Some(state), ..Filter::default() }).await;
            if found.len() == count {
                return found;
            }
            seen = found.len();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{seen} callbacks were {}, never {count}", state.name());
    }
}

pub(super) fn body(name: &str, receiver: &Receiver) -> Json {
    json!({ "name": name, "url": format!("https://127.0.0.1:{}/{name}", receiver.port), "tls_ca": receiver.authority })
}

/// The texts that came in, in order.
pub(super) fn texts(receiver: &Receiver) -> Vec<String> {
    receiver.seen().iter().map(|one| one.json()["text"].as_str().unwrap_or_default().to_owned()).collect()
}
