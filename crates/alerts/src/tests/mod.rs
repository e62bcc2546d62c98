//! A small house for tests: two workspaces, the Sample family with phones, a carrier that takes everything, and a clock
//! that the test moves.

mod keys;
mod life;
mod lists;
mod paging;
mod replies;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::sms::Number;
use access::{Actor, AuthMethod, Engine, Environment, Grants, Permit, Principal, Role, Scope, cap};
use async_trait::async_trait;
use base::{AlertId, InboundId, IntegrationId, ManualClock, MessageId, UserId, WorkspaceId};
use channels::Sms;
use messaging::{
    Carrier, InboundArrived, InboundMessage, InboundSummary, LinkState, Messaging, OnUnknownOutcome, RoutesKind,
    Submission, SubmitError, Submitted,
};
use oncall::{Definition, DeviceKind, Member, NewDevice, OnCall, Person, PersonChange, Repeat};
use store::{Db, Migrations, Tx, Worker, params};
use tokio::sync::watch;
use uuid::Uuid;
use vault::{KeyFile, Vault};

use crate::types::{Alert, Answer, Answered, NewAlert, Opened, Priority, ResolveKey};
use crate::views::Chain;
use crate::{Alerts, Error, Settings};

pub(super) const ROOMS: [&Migrations; 6] = [
    &access::MIGRATIONS,
    &vault::MIGRATIONS,
    &audit::MIGRATIONS,
    &messaging::MIGRATIONS,
    &oncall::MIGRATIONS,
    &channels::MIGRATIONS,
];

pub(super) const ADA: (&str, &str) = ("Ada Sample", "+447700900101");
pub(super) const CEM: (&str, &str) = ("Cem Sample", "+447700900102");
pub(super) const ELI: (&str, &str) = ("Eli Sample", "+447700900103");
/// The address pages come from.
pub(super) const SENDER: &str = "447700900199";

/// A carrier that takes everything and remembers nothing but how many.
pub(super) struct Plain {
    link: watch::Sender<LinkState>,
    taken: AtomicU64,
}

#[async_trait]
impl Carrier for Plain {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn window(&self) -> usize {
        10
    }

    fn rate(&self) -> Option<std::num::NonZeroU32> {
        None
    }

    fn on_unknown_outcome(&self) -> OnUnknownOutcome {
        OnUnknownOutcome::Resend
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.link.subscribe()
    }

    async fn submit(&self, _submission: Submission) -> Result<Submitted, SubmitError> {
        Ok(Submitted { carrier_ref: format!("{:x}", self.taken.fetch_add(1, Ordering::Relaxed)) })
    }
}

pub(super) struct House {
    pub(super) db: Db,
    pub(super) clock: Arc<ManualClock>,
    pub(super) alerts: Alerts,
    pub(super) messaging: Messaging,
    pub(super) oncall: OnCall,
    pub(super) demo: WorkspaceId,
    pub(super) other: WorkspaceId,
    pub(super) integration: IntegrationId,
    vault: Vault,
    worker: Worker,
    seen: Mutex<Vec<MessageId>>,
    _keys: tempfile::TempDir,
}

impl House {
    pub(super) async fn new(db: Db, clock: Arc<ManualClock>) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let file = KeyFile::create(&keys.path().join("keys"), db.context()).unwrap();
        let vault = Vault::unlock(db.clone(), file).await.unwrap();
        let oncall = OnCall::new(vault.clone());
        let (demo, other) = (db.context().id(), db.context().id());
        let people = oncall.clone();
        db.write(move |tx| {
            for (id, slug) in [(demo, "demo"), (other, "other")] {
                let workspace = access::Workspace {
                    id,
                    slug: slug.parse().unwrap(),
                    environment: Environment::Development,
                    name: slug.to_owned(),
                    time_zone: "Etc/UTC".to_owned(),
                    controlled: false,
                };
                let now = tx.now();
                access::put_workspace(tx, &workspace, now).unwrap();
                let route: Uuid = tx.context().id();
                tx.execute(
                    "INSERT INTO routes (id, workspace, carriers, sender, open_to_development) VALUES ($1, $2, $3, $4, $5)",
                    &params![route, id, "[\"simulated\"]", SENDER, false],
                )?;
            }
            for (place, (name, number)) in [ADA, CEM, ELI].into_iter().enumerate() {
                set_person(tx, &people, user(place), name, Some(number));
            }
            Ok::<_, store::Error>(())
        })
        .await
        .unwrap();
        let messaging = Messaging::start(db.clone(), vault.clone(), &RoutesKind::new()).await.unwrap();
        messaging.attach(Arc::new(Plain { link: watch::Sender::new(LinkState::Up), taken: AtomicU64::new(1) }));
        let alerts = Alerts::new(
            db.clone(),
            vault.clone(),
            oncall.clone(),
            Sms::new(messaging.clone(), vault.clone()),
            messaging.clone(),
            Settings::default(),
        );
        let worker = alerts.work(Worker::new(db.clone()));
        let integration = Uuid::from_u128(77).into();
        let house = Self {
            db,
            clock,
            alerts,
            messaging,
            oncall,
            demo,
            other,
            integration,
            vault,
            worker,
            seen: Mutex::default(),
            _keys: keys,
        };
        house.group(demo, "Database", &[(ADA, 0), (CEM, 120)], 1).await;
        house
    }

    /// A second handle over the same database, as after a restart: nothing is remembered but what is on disk.
    pub(super) fn restarted(&mut self) {
        self.alerts = Alerts::new(
            self.db.clone(),
            self.vault.clone(),
            self.oncall.clone(),
            Sms::new(self.messaging.clone(), self.vault.clone()),
            self.messaging.clone(),
            Settings::default(),
        );
        self.worker = self.alerts.work(Worker::new(self.db.clone()));
    }

    pub(super) async fn group(&self, workspace: WorkspaceId, name: &str, members: &[((&str, &str), u32)], times: u32) {
        let definition = Definition {
            supervisors: Vec::new(),
            name: name.to_owned(),
            description: None,
            members: members
                .iter()
                .map(|((name, _), delay_seconds)| Member { user: login(name), delay_seconds: *delay_seconds })
                .collect(),
            repeat: Repeat { times, interval_seconds: 300 },
            fallback: None,
        };
        self.define(workspace, definition).await;
    }

    pub(super) async fn define(&self, workspace: WorkspaceId, definition: Definition) {
        self.db
            .write(move |tx| {
                let id: Uuid = tx.context().id();
                let text = serde_json::to_string(&definition).unwrap();
                let folded = definition.name.to_lowercase();
                tx.execute("DELETE FROM oncall_groups WHERE workspace = $1 AND name_folded = $2", &params![workspace, &folded])?;
                tx.execute(
                    "INSERT INTO oncall_groups (id, workspace, name, name_folded, definition, changed_at) VALUES ($1, $2, $3, $4, $5, 0)",
                    &params![id, workspace, &definition.name, folded, text],
                )
            })
            .await
            .unwrap();
    }

    pub(super) async fn person(&self, place: usize, name: &'static str, number: Option<&'static str>) {
        let oncall = self.oncall.clone();
        self.db
            .write(move |tx| {
                set_person(tx, &oncall, user(place), name, number);
                Ok::<_, store::Error>(())
            })
            .await
            .unwrap();
    }

    pub(super) fn new_alert(&self, priority: Priority, title: &str) -> NewAlert {
        NewAlert {
            workspace: self.demo,
            integration: Some(self.integration),
            signal: Some(self.db.context().id()),
            run: Some(self.db.context().id()),
            key: None,
            priority,
            title: title.to_owned(),
            text: "More about it.".to_owned(),
            sms: None,
            link: Some("https://runbooks.example.com/db".to_owned()),
            group: "Database".to_owned(),
            expires_in: None,
        }
    }

    pub(super) async fn try_open(&self, new: NewAlert) -> Result<Opened, Error> {
        let alerts = self.alerts.clone();
        self.db
            .write(move |tx| {
                let permit = Permit::<cap::AlertsOpen>::engine(Engine("flows"), new.workspace);
                alerts.open(tx, &permit, new.clone())
            })
            .await
    }

    pub(super) async fn open(&self, priority: Priority, title: &str) -> AlertId {
        self.try_open(self.new_alert(priority, title)).await.unwrap().id
    }

    pub(super) async fn resolve_key(&self, resolve: ResolveKey) -> Vec<AlertId> {
        let alerts = self.alerts.clone();
        self.db
            .write(move |tx| {
                let permit = Permit::<cap::AlertsOpen>::engine(Engine("flows"), resolve.workspace);
                alerts.resolve_key(tx, &permit, resolve.clone())
            })
            .await
            .unwrap()
    }

    /// The grants of a person in the console, as a responder of the demo workspace.
    pub(super) fn console(&self, place: usize, name: &str) -> Grants {
        let actor = Actor::new(Principal::User { id: user(place), name: name.to_owned() }, AuthMethod::Password);
        Grants::of_roles(actor, &[(Role::OnCall, Scope::Workspace(self.demo))])
    }

    pub(super) async fn answer(
        &self,
        place: usize,
        name: &str,
        alert: AlertId,
        answer: Answer,
    ) -> Result<Answered, Error> {
        let permit = self.console(place, name).permit(self.demo).unwrap();
        self.alerts.answer(permit, alert, answer).await
    }

    fn read(&self) -> Permit<cap::AlertsRead> {
        Permit::engine(Engine("test"), self.demo)
    }

    pub(super) async fn get(&self, alert: AlertId) -> Alert {
        self.alerts.get(self.read(), alert).await.unwrap().unwrap()
    }

    pub(super) async fn chain(&self, alert: AlertId) -> Chain {
        self.alerts.chain(self.read(), alert).await.unwrap().unwrap()
    }

    /// The timeline, oldest first, as its headlines.
    pub(super) async fn headlines(&self, alert: AlertId) -> Vec<String> {
        let mut entries = self.alerts.timeline(self.read(), alert).await.unwrap();
        entries.reverse();
        entries.into_iter().map(|entry| entry.headline).collect()
    }

    /// Moves the clock and lets everything that is due happen, a minute at a time as the clock would.
    pub(super) async fn wait(&self, seconds: u64) {
        let mut left = seconds;
        while left > 0 {
            let step = left.min(30);
            self.clock.advance(Duration::from_secs(step));
            self.work().await;
            left -= step;
        }
    }

    /// Moves the clock at once, as for a machine that was off, and then lets everything happen.
    pub(super) async fn jump(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.work().await;
    }

    pub(super) async fn work(&self) {
        self.worker.drain().await.unwrap();
    }

    /// Texts handed over since the last call, in order, as `number: text` with the last three digits of the number.
    pub(super) async fn texts(&self) -> Vec<String> {
        let messaging = self.messaging.clone();
        let all: Vec<(MessageId, WorkspaceId)> = self
            .db
            .read(|tx| {
                tx.query("SELECT umid, workspace FROM messages ORDER BY id", &[], |row| {
                    Ok((row.get("umid")?, row.get("workspace")?))
                })
            })
            .await
            .unwrap();
        let new: Vec<_> = {
            let mut seen = self.seen.lock().unwrap();
            let new: Vec<_> = all.into_iter().filter(|(id, _)| !seen.contains(id)).collect();
            seen.extend(new.iter().map(|(id, _)| *id));
            new
        };
        self.db
            .write(move |tx| {
                let mut out = Vec::new();
                for (id, workspace) in &new {
                    let permit = Permit::<cap::MessageContentRead>::engine(Engine("test"), *workspace);
                    let content = messaging.content(tx, &permit, *id)?.unwrap();
                    let digits = content.to.digits().to_owned();
                    out.push(format!("{}: {}", &digits[digits.len() - 3..], content.text));
                }
                Ok::<_, messaging::Error>(out)
            })
            .await
            .unwrap()
    }

    /// A text comes in from a phone over the simulated carrier to the address pages come from.
    pub(super) async fn text(&self, from: &str, text: &str) -> InboundId {
        self.text_over("simulated", SENDER, from, text).await
    }

    pub(super) async fn text_over(&self, carrier: &str, to: &str, from: &str, text: &str) -> InboundId {
        // No two texts come in one instant, so that the log has an order.
        self.clock.advance(Duration::from_millis(1));
        let inbound = self.db.context().id();
        self.again(inbound, carrier, to, from, text).await;
        inbound
    }

    /// The same event once more: they come at least once.
    pub(super) async fn again(&self, inbound: InboundId, carrier: &str, to: &str, from: &str, text: &str) {
        let at = self.db.context().now();
        let summary = InboundSummary {
            id: inbound,
            country: None,
            workspace: Some(self.demo),
            carrier: carrier.to_owned(),
            from: base::mask_phone(from),
            to: to.to_owned(),
            parts: 1,
            missing_parts: 0,
            coding: None,
            at,
        };
        let arrived =
            InboundArrived { inbound, workspace: Some(self.demo), carrier: carrier.to_owned(), to: to.to_owned(), at };
        let message = InboundMessage { summary, from: from.trim_start_matches('+').to_owned(), text: text.to_owned() };
        let inner = Arc::clone(&self.alerts.0);
        self.db.write(move |tx| inner.receive(tx, &arrived, &message)).await.unwrap();
        self.work().await;
    }

    /// The newest reply: what became of it and why.
    pub(super) async fn last_reply(&self) -> String {
        let page = self.alerts.replies(self.read(), base::PageRequest::new(1, None)).await.unwrap();
        page.items[0].reason.clone()
    }

    /// Actions of the audit log, oldest first, with actor and outcome.
    pub(super) async fn audited(&self) -> Vec<String> {
        self.db
            .read(|tx| {
                // Without the entries of the tests' own look at the texts.
                let sql = "SELECT action, actor_type, auth, outcome FROM audit_entries
                    WHERE action <> 'message.content.read' ORDER BY id";
                tx.query(sql, &[], |row| {
                    let (action, actor): (String, String) = (row.get("action")?, row.get("actor_type")?);
                    let (auth, outcome): (String, String) = (row.get("auth")?, row.get("outcome")?);
                    Ok(format!("{action} by {actor} ({auth}): {outcome}"))
                })
            })
            .await
            .unwrap()
    }

    /// Waits until the carrier has taken everything and the events about it have been seen.
    pub(super) async fn settled(&self) {
        for _ in 0..500 {
            self.work().await;
            let waiting: i64 = self
                .db
                .read(|tx| tx.query_one("SELECT COUNT(*) FROM messages WHERE state < 2", &[], |row| row.get(0)))
                .await
                .unwrap();
            if waiting == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.work().await;
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the carrier did not take everything");
    }

    pub(super) async fn end(self) {
        self.messaging.stop().await;
    }
}

pub(super) fn user(place: usize) -> UserId {
    Uuid::from_u128(1_000 + place as u128).into()
}

fn login(name: &str) -> String {
    format!("{}@example.com", name.split(' ').next().unwrap_or_default().to_lowercase())
}

fn set_person(tx: &mut Tx<'_>, oncall: &OnCall, id: UserId, name: &str, number: Option<&str>) {
    let devices = number
        .map(|number| NewDevice { kind: DeviceKind::Sms, number: Number::parse(number, None).unwrap(), verified: true })
        .into_iter()
        .collect();
    let person = Person { id, login: login(name), name: name.to_owned(), enabled: true };
    oncall.set_person(tx, &PersonChange { person, devices }).unwrap();
}

/// The code in a critical page's text.
pub(super) fn code_of(text: &str) -> String {
    let line = text.split("Answer ").nth(1).unwrap();
    line.split(' ').nth(1).unwrap().to_owned()
}

impl House {
    /// What a carrier says about the page of a step, brought up as the event would.
    pub(super) async fn receipt(&self, alert: AlertId, row: usize, state: messaging::State) {
        let chain = self.chain(alert).await;
        let (notification, message) = (chain.rows[row].notification, chain.rows[row].message_id.unwrap());
        let (inner, messaging, demo) = (Arc::clone(&self.alerts.0), self.messaging.clone(), self.demo);
        self.db
            .write(move |tx| {
                let permit = Permit::<cap::MessagesRead>::engine(Engine("test"), demo);
                let mut details = messaging.get(tx, &permit, message)?.unwrap();
                details.summary.state = state;
                details.summary.done_at = Some(tx.now());
                inner.follow(tx, notification, &details)
            })
            .await
            .unwrap();
        self.work().await;
    }
}
