//! A simulator on a free port with TLS, and a client that binds to it.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::{Context, SeededChance, SystemClock};
use crypto::tls::{CertResolver, Roots, SelfSigned, client_config, server_config};
use rustls_pki_types::ServerName;
use simulator::{Account, Behaviour, Control, Options, Security, Simulator};
use smpp::{Address, Bind, BindMode, DataCoding, EsmClass, Password, Pdu, RegisteredDelivery, Status, SubmitSm};
use smpplink::{ConnectError, Limits, Link, NoAnswer, Response, Target, Tls, connect};
use tempfile::TempDir;

pub const DINA: &str = "+447700900117";

pub struct Stage {
    pub directory: TempDir,
    pub simulator: Simulator,
    pub control: Control,
    pub target: Target,
}

pub fn context() -> Context {
    Context::new(Arc::new(SystemClock), Arc::new(SeededChance::new(20_261_122)))
}

impl Stage {
    pub async fn new(behaviour: Behaviour) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let names = ["localhost".to_owned()];
        let made = SelfSigned::generate(&names, &context()).unwrap();
        let key = base::ExposeSecret::expose_secret(&made.key_pem);
        let resolver = CertResolver::from_pem(&made.cert_pem, key).unwrap();
        let config = server_config(Arc::new(resolver), crypto::tls::Clients::Unasked, &[]).unwrap();
        let mut options = Options::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Security::Config(config));
        options.account = Some(Account { system_id: "demo".into(), password: "s3cret".to_owned().into() });
        options.ledger = Some(directory.path().join("ledger.jsonl"));
        options.control = Some(directory.path().join("control.sock"));
        options.scenario.behaviour = behaviour;
        let simulator = Simulator::start(options, context()).await.unwrap();
        let control = Control::connect(directory.path().join("control.sock")).await.unwrap();
        let tls = Tls {
            server_name: ServerName::try_from("localhost").unwrap(),
            config: client_config(&Roots::Pem(made.ca_pem), &[]).unwrap(),
        };
        let target = Target { address: simulator.address().to_string(), tls: Some(tls) };
        Self { directory, simulator, control, target }
    }

    pub fn ledger_path(&self) -> PathBuf {
        self.directory.path().join("ledger.jsonl")
    }

    pub fn ledger(&self) -> Vec<simulator::ledger::Entry> {
        simulator::ledger::read(&self.ledger_path()).unwrap()
    }

    pub async fn try_bind(&self, mode: BindMode, password: &str) -> Result<Link, ConnectError> {
        let limits = Limits { window: 100, response: Duration::from_secs(2), ..Limits::default() };
        connect(&self.target, mode, Bind::new("demo", Password::new(password)), limits).await
    }

    pub async fn bind(&self) -> Link {
        self.try_bind(BindMode::Transceiver, "s3cret").await.unwrap()
    }
}

/// The parts of a text, as an application submits them.
pub fn submits(to: &str, text: &str) -> Vec<SubmitSm> {
    let cut = sms::segment(text, sms::Choice::Auto, 77, false).unwrap();
    let coding = sms::Coding::from(cut.encoding).data_coding();
    let submit = |part: &sms::Part| SubmitSm {
        source: Address::short_code("70007"),
        destination: Address::international(to.trim_start_matches('+')),
        esm_class: if part.concat.is_some() { EsmClass::UDHI } else { EsmClass::DEFAULT },
        data_coding: DataCoding(coding),
        registered_delivery: RegisteredDelivery::FINAL,
        ..SubmitSm::default()
    };
    cut.parts.iter().map(|part| submit(part).with_message(part.octets())).collect()
}

pub fn submit(text: &str) -> SubmitSm {
    submits(DINA, text).remove(0)
}

/// The id of an accepted submit.
pub fn id_of(response: Result<Response, NoAnswer>) -> String {
    let response = response.unwrap();
    assert_eq!(response.status, Status::ROK);
    match response.pdu {
        Pdu::SubmitSmResp(answer) => answer.message_id.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Asks again until it holds, for at most five seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..250 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within five seconds: {what}");
}
