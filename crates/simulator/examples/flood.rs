//! How many submits a second the simulated carrier takes, so that nobody mistakes its limit for the product's.
//!
//! `flood [MESSAGES] [SESSIONS] [WINDOW]` (200,000, 2, 500) submits over TLS on the loopback with a ledger and receipts, and
//! prints the rate. Build it with `--release`.

use std::sync::Arc;
use std::time::Instant;

use base::{Context, ExposeSecret, SystemClock};
use crypto::tls::{Roots, SelfSigned, client_config};
use simulator::{Behaviour, Options, Security, Simulator};
use smpp::{Address, Bind, BindMode, DeliverSmResp, Password, RegisteredDelivery, Status, SubmitSm};
use smpplink::{Limits, Link, Target, Tls, connect};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut number = |default| numbers.next().unwrap_or(Ok(default));
    let (messages, sessions, window) = (number(200_000)?, number(2)?, number(500)?);
    let directory = tempfile::tempdir()?;
    let ctx = Context::new(Arc::new(SystemClock), Arc::new(crypto::OsChance));
    let made = SelfSigned::generate(&["localhost".to_owned()], &ctx)?;
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    std::fs::write(&cert, &made.cert_pem)?;
    std::fs::write(&key, made.key_pem.expose_secret())?;
    let mut options = Options::new(([127, 0, 0, 1], 0).into(), Security::Tls { cert, key });
    options.ledger = Some(directory.path().join("ledger.jsonl"));
    options.scenario.behaviour = Behaviour { receipt_delay_ms: 10, ..Behaviour::default() };
    let simulator = Simulator::start(options, ctx).await?;
    let tls = Tls { server_name: "localhost".try_into()?, config: client_config(&Roots::Pem(made.ca_pem), &[])? };
    let target = Target { address: simulator.address().to_string(), tls: Some(tls) };

    let started = now();
    let mut running = Vec::new();
    for session in 0..sessions {
        let limits = Limits { window, incoming: 1_000, ..Limits::default() };
        let link = connect(&target, BindMode::Transceiver, Bind::new("flood", Password::new("flood")), limits).await?;
        running.push(tokio::spawn(flood(link, session, messages / sessions)));
    }
    for session in running {
        session.await??;
    }
    let took = started.elapsed();
    let submitted = messages / sessions * sessions;
    let written = simulator::ledger::read(&directory.path().join("ledger.jsonl"))?.len();
    let rate = u128::try_from(submitted)? * 1_000 / took.as_millis().max(1);
    println!("{submitted} submits in {took:.2?}: {rate} a second; {written} lines in the ledger");
    simulator.stop().await;
    Ok(())
}

async fn flood(link: Link, session: usize, messages: usize) -> Result<(), smpplink::NoAnswer> {
    let Link { handle, mut incoming, .. } = link;
    let receipts = tokio::spawn(async move {
        let mut batch = Vec::new();
        while incoming.next_many(&mut batch, 256).await > 0 {
            for request in batch.drain(..) {
                // A connection that is being closed needs no answer.
                let _ = request.answer(Status::ROK, DeliverSmResp::default());
            }
        }
    });
    let text =
        bytes::Bytes::from_static(b"Replication lag 42 s, limit 30 s. Answer 1 to acknowledge, 2 to pass on, 3 done.");
    let (answers, mut pending) = tokio::sync::mpsc::unbounded_channel();
    let waiting = tokio::spawn(async move {
        while let Some(answer) = pending.recv().await {
            let answer: smpplink::Pending = answer;
            answer.await?;
        }
        Ok(())
    });
    for message in 0..messages {
        let number = 447_700_900_000_u64 + u64::try_from((message * 7 + session) % 1_000).unwrap_or(0);
        let submit = SubmitSm {
            source: Address::short_code("70007"),
            destination: Address::international(number.to_string()),
            registered_delivery: RegisteredDelivery::FINAL,
            ..SubmitSm::default()
        };
        let answer = handle.reserve().await?.send(submit.with_message(text.clone()))?;
        // The other half ends only with an error, which is returned below.
        let _ = answers.send(answer);
    }
    drop(answers);
    let outcome = waiting.await.unwrap_or(Ok(()));
    handle.unbind().await;
    receipts.abort();
    outcome
}

#[expect(clippy::disallowed_methods, reason = "a measurement takes real time")]
fn now() -> Instant {
    Instant::now()
}
