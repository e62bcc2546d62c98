//! Our SMPP client against a server that we did not write.
//!
//! `client ADDRESS CA|plain TEXT…` binds as `interop` with the password `s3cret`, sends each text to a handset, waits for the
//! receipt of every part and for one reply, unbinds, and prints one line. Exits with 1 when something stays out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base::{Context, SystemClock};
use carriers::{Settings, SmppCarrier};
use messaging::{Carrier, Deliveries, Error, Inbound, Receipt, Reply, Submission};
use sms::{Choice, Number, ReceiptState};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[derive(Default)]
struct Inbox {
    receipts: Mutex<Vec<Receipt>>,
    replies: Mutex<Vec<String>>,
}

#[async_trait]
impl Deliveries for Inbox {
    fn take_receipt(&self, receipt: Receipt, reply: Reply<()>) {
        reply.say(self.receipts.lock().map(|mut receipts| receipts.push(receipt)).map_err(|_| Error::Stopped));
    }

    async fn on_inbound(&self, inbound: Inbound) -> Result<(), Error> {
        self.replies.lock().map_err(|_| Error::Stopped)?.push(inbound.message.text());
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, ca, texts @ ..] = arguments.as_slice() else {
        return Err("usage: client ADDRESS CA|plain TEXT…".into());
    };
    let plain = ca == "plain";
    let settings = Settings {
        name: "interop".into(),
        address: address.clone(),
        tls: !plain,
        allow_plaintext: plain,
        tls_ca: if plain { String::new() } else { ca.clone() },
        system_id: "interop".into(),
        ..Settings::default()
    };
    let inbox = Arc::new(Inbox::default());
    let ctx = Context::new(Arc::new(SystemClock), Arc::new(crypto::OsChance));
    let deliveries = Arc::clone(&inbox) as Arc<dyn Deliveries>;
    let carrier = SmppCarrier::start(settings, &"s3cret".to_owned().into(), deliveries, ctx);
    let mut link = carrier.link();
    let bound = tokio::time::timeout(Duration::from_secs(10), link.wait_for(messaging::LinkState::is_up)).await;
    if bound.is_err() {
        return Err(format!("not bound: {}", carrier.status().words).into());
    }
    let mut sent = Vec::new();
    for (reference, text) in (1..).zip(texts) {
        let cut = sms::segment(text, Choice::Auto, reference, false)?;
        for part in cut.parts {
            let submission = Submission {
                sender: "70007".parse()?,
                destination: Number::parse("+447700900117", None)?,
                encoding: cut.encoding,
                concat: part.concat,
                payload: part.payload,
                coded: None,
                expires_at: None,
                class: routing::Class::Transactional,
            };
            sent.push(carrier.submit(submission).await?.carrier_ref);
        }
    }
    let came = wait(&inbox, &sent).await?;
    carrier.stop().await;
    println!("{} parts sent, {} receipts, {} replies", sent.len(), came.0, came.1);
    Ok(())
}

/// Waits for a receipt about each part and for one reply.
async fn wait(inbox: &Inbox, sent: &[String]) -> Outcome<(usize, usize)> {
    for _ in 0..500 {
        let delivered = |id: &String| {
            let matches = |receipt: &Receipt| receipt.carrier_ref == *id && receipt.state == ReceiptState::Delivered;
            inbox.receipts.lock().is_ok_and(|receipts| receipts.iter().any(matches))
        };
        let replies = inbox.replies.lock().map_err(|_| "poisoned")?.clone();
        if sent.iter().all(delivered) && replies.iter().any(|reply| reply == "1 K7Q €") {
            return Ok((sent.len(), replies.len()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let receipts = inbox.receipts.lock().map_err(|_| "poisoned")?.len();
    Err(format!("within ten seconds only {receipts} receipts for {} parts, or no reply", sent.len()).into())
}
