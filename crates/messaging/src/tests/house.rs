//! A running messaging with a workspace, routes and carriers that do what a test says.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::{Engine, Environment, Permit, Workspace, cap};
use async_trait::async_trait;
use base::{MessageId, WorkspaceId};
use routing::{Matcher, Route, Sender};
use sms::{Number, ReceiptState};
use store::{Db, params};
use tokio::sync::watch;
use uuid::Uuid;
use vault::{KeyFile, Vault};

use crate::*;

/// What the fake carrier answers to a submit.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Take,
    Refuse(Remedy),
    Throttle,
    NotSent,
    /// No answer within its response timer.
    Silence(Duration),
    Panic,
}

/// A carrier that does as told and remembers what it saw.
pub(super) struct Fake {
    name: &'static str,
    simulated: bool,
    window: usize,
    policy: OnUnknownOutcome,
    rate: Option<NonZeroU32>,
    link: watch::Sender<LinkState>,
    answers: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
    seen: Mutex<Vec<(String, Submission)>>,
    taken: AtomicUsize,
    latency: Mutex<Duration>,
    /// Called with the id while the submit is not yet answered.
    early: Mutex<Option<Messaging>>,
    pub(super) most_out: AtomicUsize,
    out: AtomicUsize,
}

impl Fake {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            simulated: true,
            window: 16,
            policy: OnUnknownOutcome::Hold,
            rate: None,
            link: watch::Sender::new(LinkState::Up),
            answers: Mutex::default(),
            otherwise: Mutex::new(Answer::Take),
            seen: Mutex::default(),
            taken: AtomicUsize::new(0),
            latency: Mutex::default(),
            early: Mutex::default(),
            most_out: AtomicUsize::new(0),
            out: AtomicUsize::new(0),
        }
    }

    pub(super) fn real(mut self) -> Self {
        self.simulated = false;
        self
    }

    pub(super) fn window(mut self, window: usize) -> Self {
        self.window = window;
        self
    }

    pub(super) fn resends(mut self) -> Self {
        self.policy = OnUnknownOutcome::Resend;
        self
    }

    pub(super) fn rate(mut self, rate: u32) -> Self {
        self.rate = NonZeroU32::new(rate);
        self
    }

    pub(super) fn down(self, reason: &str) -> Self {
        self.set_down(reason);
        self
    }

    pub(super) fn then(self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.answers.lock().unwrap().extend(answers);
        self
    }

    pub(super) fn otherwise(self, answer: Answer) -> Self {
        *self.otherwise.lock().unwrap() = answer;
        self
    }

    pub(super) fn latency(self, latency: Duration) -> Self {
        *self.latency.lock().unwrap() = latency;
        self
    }

    pub(super) fn set_otherwise(&self, answer: Answer) {
        *self.otherwise.lock().unwrap() = answer;
    }

    pub(super) fn receipts_before_answers(&self, messaging: &Messaging) {
        *self.early.lock().unwrap() = Some(messaging.clone());
    }

    pub(super) fn set_down(&self, reason: &str) {
        self.link.send_replace(LinkState::Down { reason: reason.to_owned() });
    }

    pub(super) fn set_up(&self) {
        self.link.send_replace(LinkState::Up);
    }

    /// What was taken: id and part, in order.
    pub(super) fn seen(&self) -> Vec<(String, Submission)> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn texts(&self) -> Vec<String> {
        self.seen().iter().map(|(_, part)| sms::decode(part.encoding.into(), &part.payload)).collect()
    }
}

#[async_trait]
impl Carrier for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn is_simulated(&self) -> bool {
        self.simulated
    }

    fn window(&self) -> usize {
        self.window
    }

    fn rate(&self) -> Option<NonZeroU32> {
        self.rate
    }

    fn on_unknown_outcome(&self) -> OnUnknownOutcome {
        self.policy
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.link.subscribe()
    }

    async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        let out = self.out.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_out.fetch_max(out, Ordering::SeqCst);
        let latency = *self.latency.lock().unwrap();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        self.out.fetch_sub(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().pop_front();
        match answer.unwrap_or_else(|| self.otherwise.lock().unwrap().clone()) {
            Answer::Take => {
                let carrier_ref = format!("{}-{}", self.name, self.taken.fetch_add(1, Ordering::SeqCst));
                self.seen.lock().unwrap().push((carrier_ref.clone(), submission));
                let early = self.early.lock().unwrap().clone();
                if let Some(messaging) = early {
                    let receipt = receipt(self.name, &carrier_ref, ReceiptState::Delivered);
                    tokio::spawn(async move { messaging.on_receipt(receipt).await.unwrap() });
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Ok(Submitted { carrier_ref })
            }
            Answer::Refuse(remedy) => Err(SubmitError::Rejected { status: "ESME_RTEST (0x400)".to_owned(), remedy }),
            Answer::Throttle => Err(SubmitError::Throttled),
            Answer::NotSent => Err(SubmitError::NotSent { reason: "no session is bound".to_owned() }),
            Answer::Silence(timer) => {
                tokio::time::sleep(timer).await;
                Err(SubmitError::Unknown { reason: "no answer within the response timer".to_owned() })
            }
            Answer::Panic => panic!("a defect in a carrier"),
        }
    }
}

pub(super) fn receipt(carrier: &str, carrier_ref: &str, state: ReceiptState) -> Receipt {
    Receipt {
        carrier: carrier.into(),
        carrier_ref: carrier_ref.to_owned(),
        state,
        error: Some("000".to_owned()),
        done_at: None,
        network: None,
    }
}

pub(super) struct House {
    pub(super) db: Db,
    pub(super) vault: Vault,
    pub(super) messaging: Messaging,
    pub(super) workspace: WorkspaceId,
}

pub(super) fn number(last: u32) -> Number {
    Number::parse(&format!("+4477009001{last:02}"), None).unwrap()
}

pub(super) fn workspace_id(n: u128) -> WorkspaceId {
    Uuid::from_u128(n).into()
}

impl House {
    /// With a production workspace whose route leads to `carriers`.
    pub(super) async fn new(db: &Db, carriers: &[&str]) -> Self {
        Self::of(db, Environment::Production, carriers).await
    }

    pub(super) async fn of(db: &Db, environment: Environment, carriers: &[&str]) -> Self {
        // Thirty-two bytes, the first of many guesses.
        let keys = KeyFile::parse("1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
        let vault = Vault::unlock(db.clone(), keys).await.unwrap();
        let carriers: Vec<String> = carriers.iter().map(|&name| name.to_owned()).collect();
        for n in [1, 2] {
            let carriers = carriers.clone();
            db.write(move |tx| {
                let workspace = Workspace {
                    id: workspace_id(n),
                    slug: format!("space-{n}").parse().unwrap(),
                    environment,
                    name: format!("Space {n}"),
                    time_zone: "UTC".to_owned(),
                    controlled: false,
                };
                let now = tx.now();
                access::put_workspace(tx, &workspace, now).unwrap();
                let route = Route {
                    id: Uuid::from_u128(n + 100).into(),
                    workspace: Some(workspace_id(n)),
                    name: String::new(),
                    matcher: Matcher::default(),
                    priority: 0,
                    weight: None,
                    carriers: carriers.clone(),
                    sender: Some(Sender::ShortCode("85432".to_owned())),
                    cost: None,
                    open_to_development: false,
                };
                tx.execute("DELETE FROM routes WHERE id = $1", &params![route.id])?;
                routes::insert(tx, &route)
            })
            .await
            .unwrap();
        }
        let messaging = Messaging::start(db.clone(), vault.clone(), &RoutesKind::new()).await.unwrap();
        Self { db: db.clone(), vault, messaging, workspace: workspace_id(1) }
    }

    pub(super) fn attach(&self, carrier: Fake) -> Arc<Fake> {
        let carrier = Arc::new(carrier);
        self.messaging.attach(carrier.clone());
        carrier
    }

    pub(super) fn permit<C: access::Cap>(&self) -> Permit<C> {
        Permit::engine(Engine("tests"), self.workspace)
    }

    pub(super) async fn submit(&self, new: New) -> Result<Accepted, Error> {
        self.messaging.submit(&self.permit::<cap::MessagesSend>(), new).await
    }

    pub(super) async fn send(&self, last: u32, text: &str) -> MessageId {
        self.submit(New::text(number(last), text)).await.unwrap().id
    }

    pub(super) async fn page(&self, last: u32, text: &str) -> MessageId {
        let new = New { class: Class::Alert, ..New::text(number(last), text) };
        self.submit(new).await.unwrap().id
    }

    pub(super) async fn decide(&self, id: MessageId, decide: Decide, why: &'static str) -> Result<State, Error> {
        let (messaging, permit) = (self.messaging.clone(), self.permit::<cap::MessagesSend>());
        self.db.write(move |tx| messaging.decide_unknown(tx, &permit, id, decide, why)).await
    }

    pub(super) async fn get(&self, id: MessageId) -> Details {
        let (messaging, permit) = (self.messaging.clone(), self.permit::<cap::MessagesRead>());
        self.db.read(move |tx| messaging.get(tx, &permit, id)).await.unwrap().unwrap()
    }

    pub(super) async fn state(&self, id: MessageId) -> State {
        self.get(id).await.summary.state
    }

    /// Waits until the message is in `state`.
    pub(super) async fn until(&self, id: MessageId, state: State) -> Details {
        for _ in 0..1_000 {
            let details = self.get(id).await;
            if details.summary.state == state {
                return details;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it never was {state}: {:#?}", self.get(id).await);
    }

    pub(super) async fn receipt(&self, carrier: &str, carrier_ref: &str, state: ReceiptState) {
        self.messaging.on_receipt(receipt(carrier, carrier_ref, state)).await.unwrap();
    }

    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        self.db.read(move |tx| tx.query_one(sql, &params![], |row| row.get::<i64>(0))).await.unwrap()
    }

    /// Waits until `sql` counts `wanted`.
    pub(super) async fn until_count(&self, sql: &'static str, wanted: i64) {
        let mut seen = 0;
        for _ in 0..1_000 {
            seen = self.count(sql).await;
            if seen == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{sql}: {seen}, never {wanted}");
    }

    /// Submits all of them at the same time.
    pub(super) async fn submit_all(&self, all: impl IntoIterator<Item = New>) {
        let mut tasks = tokio::task::JoinSet::new();
        for new in all {
            let (messaging, permit) = (self.messaging.clone(), self.permit::<cap::MessagesSend>());
            tasks.spawn(async move { messaging.submit(&permit, new).await });
        }
        for accepted in tasks.join_all().await {
            accepted.unwrap();
        }
    }

    /// As when the process is killed: nothing is waited for, nothing is given back.
    pub(super) async fn crash_and_start(&mut self) {
        // The tasks of the old one live on in this test process: without room its lanes claim nothing any more, and what they had
        // claimed is fenced by the new epoch.
        for lane in self.messaging.engine().lanes.load().values() {
            lane.alerts.close();
            lane.others.close();
        }
        self.messaging = Messaging::start(self.db.clone(), self.vault.clone(), &RoutesKind::new()).await.unwrap();
    }
}

pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}
