//! A simulated carrier with TLS, and a carrier of ours that is configured for it.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base::{Context, ExposeSecret, SeededChance, SystemClock};
use carriers::{CarrierStatus, Settings, SmppCarrier};
use messaging::{Carrier, Deliveries, Error, Inbound, Receipt, Reply, Submission, SubmitError, Submitted};
use simulator::{Account, Behaviour, Control, Options, Security, Simulator};
use smpplink::Limits;
use sms::{Choice, Number};
use tempfile::TempDir;

pub const DINA: &str = "+447700900117";

pub fn context() -> Context {
    Context::new(Arc::new(SystemClock), Arc::new(SeededChance::new(20_261_122)))
}

/// Takes what carriers bring, after refusing as often as it is told.
#[derive(Default)]
pub struct Inbox {
    pub receipts: Mutex<Vec<Receipt>>,
    pub texts: Mutex<Vec<Inbound>>,
    pub refusals: AtomicU32,
    /// Replies that are not given yet, once somebody asks for that.
    pub held: Mutex<Option<Vec<Reply<()>>>>,
}

impl Inbox {
    fn refuses(&self) -> Result<(), Error> {
        let left = self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() { Err(Error::Busy) } else { Ok(()) }
    }

    pub fn receipts(&self) -> Vec<Receipt> {
        self.receipts.lock().unwrap().clone()
    }
}

#[async_trait]
impl Deliveries for Inbox {
    fn take_receipt(&self, receipt: Receipt, reply: Reply<()>) {
        let taken = self.refuses();
        if taken.is_ok() {
            self.receipts.lock().unwrap().push(receipt);
        }
        match &mut *self.held.lock().unwrap() {
            Some(held) => held.push(reply),
            None => reply.say(taken),
        }
    }

    async fn on_inbound(&self, inbound: Inbound) -> Result<(), Error> {
        self.refuses()?;
        self.texts.lock().unwrap().push(inbound);
        Ok(())
    }
}

/// The simulated carrier. It can be stopped and started again at the same address.
pub struct Stage {
    pub directory: TempDir,
    pub address: SocketAddr,
    pub ca_pem: String,
    pub control: Control,
    options: Options,
    simulator: Option<Simulator>,
}

impl Stage {
    pub async fn new(behaviour: Behaviour) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = crypto::tls::SelfSigned::generate(&["localhost".to_owned()], &context()).unwrap();
        let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
        std::fs::write(&cert, &made.cert_pem).unwrap();
        std::fs::write(&key, made.key_pem.expose_secret()).unwrap();
        let mut options = Options::new((Ipv4Addr::LOCALHOST, 0).into(), Security::Tls { cert, key });
        options.account = Some(Account { system_id: "demo".into(), password: "s3cret".to_owned().into() });
        options.ledger = Some(directory.path().join("ledger.jsonl"));
        options.control = Some(directory.path().join("control.sock"));
        options.scenario.behaviour = behaviour;
        let simulator = Simulator::start(options.clone(), context()).await.unwrap();
        let address = simulator.address();
        options.listen = address;
        let control = Control::connect(directory.path().join("control.sock")).await.unwrap();
        Self { directory, address, ca_pem: made.ca_pem, control, options, simulator: Some(simulator) }
    }

    pub async fn stop(&mut self) {
        if let Some(simulator) = self.simulator.take() {
            simulator.stop().await;
        }
    }

    pub async fn start(&mut self) {
        self.simulator = Some(Simulator::start(self.options.clone(), context()).await.unwrap());
    }

    pub async fn behave(&self, behaviour: Behaviour) {
        self.control.set_behaviour(&behaviour).await.unwrap();
    }

    pub fn ledger_path(&self) -> PathBuf {
        self.directory.path().join("ledger.jsonl")
    }

    pub fn ledger(&self) -> Vec<simulator::ledger::Entry> {
        simulator::ledger::read(&self.ledger_path()).unwrap()
    }

    pub fn settings(&self) -> Settings {
        Settings {
            name: "sim-1".into(),
            address: format!("localhost:{}", self.address.port()),
            tls_ca: self.ca_pem.clone(),
            system_id: "demo".into(),
            simulated: true,
            ..Settings::default()
        }
    }

    /// A carrier of ours with these settings, and what it brings. Its response timer is two seconds.
    pub fn carrier(settings: Settings) -> (Arc<SmppCarrier>, Arc<Inbox>) {
        Self::carrier_as(settings, "s3cret")
    }

    pub fn carrier_as(settings: Settings, password: &str) -> (Arc<SmppCarrier>, Arc<Inbox>) {
        let inbox = Arc::new(Inbox::default());
        let limits = Limits { response: Duration::from_secs(2), ..Limits::default() };
        let deliveries = Arc::clone(&inbox) as Arc<dyn Deliveries>;
        let carrier = SmppCarrier::start_with(settings, &password.to_owned().into(), deliveries, context(), limits);
        (carrier, inbox)
    }

    /// The same, once all its sessions are bound.
    pub async fn bound(settings: Settings) -> (Arc<SmppCarrier>, Arc<Inbox>) {
        let (carrier, inbox) = Self::carrier(settings);
        until_bound(&carrier).await;
        (carrier, inbox)
    }
}

pub async fn until_bound(carrier: &SmppCarrier) {
    until("every session is bound", async || {
        let status: CarrierStatus = carrier.status();
        status.sessions_bound == status.sessions && carrier.link().borrow().is_up()
    })
    .await;
}

/// The parts of a text.
pub fn parts(text: &str) -> Vec<Submission> {
    let cut = sms::segment(text, Choice::Auto, 77, false).unwrap();
    let (encoding, parts) = (cut.encoding, cut.parts);
    let submission = |part: sms::Part| Submission {
        sender: "70007".parse().unwrap(),
        destination: Number::parse(DINA, None).unwrap(),
        encoding,
        concat: part.concat,
        payload: part.payload,
        coded: None,
        expires_at: None,
        class: routing::Class::Transactional,
    };
    parts.into_iter().map(submission).collect()
}

pub fn part(text: &str) -> Submission {
    parts(text).remove(0)
}

/// Hands over `count` parts at once.
pub async fn burst(carrier: &Arc<SmppCarrier>, count: usize) -> Vec<Result<Submitted, SubmitError>> {
    let submits: Vec<_> = (0..count)
        .map(|number| {
            let carrier = Arc::clone(carrier);
            tokio::spawn(async move { carrier.submit(part(&format!("text {number}"))).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for submit in submits {
        outcomes.push(submit.await.unwrap());
    }
    outcomes
}

/// Asks again until it holds, for at most ten seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within ten seconds: {what}");
}

pub const fn rate(parts: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(parts)
}
