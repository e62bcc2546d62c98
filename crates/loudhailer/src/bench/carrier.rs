//! The carrier of the bench, a process of its own (`bench-carrier`, hidden): answers each submit after a set time with an id
//! in no order, sends the receipt after another, keeps a window, and counts. Light on purpose: it shares the processors with what
//! is measured. The bench talks to it by its standard input and output.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::Context;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::wire::{self, ANSWER, BIND_TRANSCEIVER, DELIVER_SM, ENQUIRE_LINK, Frames, SUBMIT_SM, UNBIND};
use crate::cli::BenchCarrier;
use crate::error::{Error, Result};

/// Where the texts of pages begin with a name; the carrier notes when each came.
pub const PAGE: &[u8] = b"B-9";

/// What it counted so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    pub submits: u64,
    pub receipts_sent: u64,
    pub receipts_taken: u64,
    /// Microseconds of wall time.
    pub first_submit: i64,
    pub last_submit: i64,
    /// The longest time between two submits, in microseconds, since [`Carrier::forget_gaps`].
    pub longest_gap: u64,
    pub used: f64,
    pub pages: Vec<(String, i64)>,
}

/// The carrier as the bench holds it.
pub struct Carrier {
    pub address: SocketAddr,
    child: Child,
    asked: ChildStdin,
    said: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Carrier {
    /// Starts it by `command`, a command of this binary.
    pub async fn start(mut command: Command, home: &Path, latency: Duration, window: usize) -> Result<Self> {
        let mut child = command
            .arg("bench-carrier")
            .arg("--cert")
            .arg(home.join("server.pem"))
            .arg("--key")
            .arg(home.join("server.key"))
            .args(["--answer-after-ms", &latency.as_millis().to_string(), "--window", &window.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (asked, said) = (child.stdin.take(), child.stdout.take());
        let (Some(asked), Some(said)) = (asked, said) else { return Err(Error::told("the carrier has no pipes")) };
        let mut said = BufReader::new(said).lines();
        let line = said.next_line().await?.unwrap_or_default();
        let address = line.strip_prefix("listening on ").and_then(|text| text.parse().ok());
        let address = address.ok_or_else(|| Error::told("the bench's carrier did not start"))?;
        Ok(Self { address, child, asked, said })
    }

    /// What it counted.
    pub async fn count(&mut self) -> Result<Count> {
        self.asked.write_all(b"count\n").await?;
        let line = self.said.next_line().await?.ok_or_else(|| Error::told("the bench's carrier is gone"))?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Lets go of every connection and takes none, or is there again.
    pub async fn set_up(&mut self, up: bool) -> Result<()> {
        self.asked.write_all(if up { b"up\n" } else { b"down\n" }).await?;
        Ok(())
    }

    /// What comes next is the first that gaps are counted from: a pause between two measurements is none of the server's.
    pub async fn forget_gaps(&mut self) -> Result<()> {
        self.asked.write_all(b"forget\n").await?;
        Ok(())
    }

    /// Waits until it has `submits`, for `patience` without any new one at most; what it counted then.
    pub async fn wait_for(&mut self, submits: u64, patience: Duration) -> Result<Count> {
        let (mut last, mut still) = (0, Duration::ZERO);
        let step = Duration::from_millis(50);
        loop {
            let count = self.count().await?;
            if count.submits >= submits {
                return Ok(count);
            }
            still = if count.submits == last { still + step } else { Duration::ZERO };
            if still > patience {
                return Err(Error::told(format!(
                    "the carrier has {} of {submits} messages and gets no more",
                    count.submits
                )));
            }
            last = count.submits;
            tokio::time::sleep(step).await;
        }
    }

    pub async fn stop(mut self) {
        drop(self.asked);
        if tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

struct Shared {
    context: Context,
    answer_after: u64,
    receipt_after: u64,
    window: usize,
    ids: AtomicU64,
    receipts_sent: AtomicU64,
    receipts_taken: AtomicU64,
    first: AtomicU64,
    last: AtomicU64,
    gap: AtomicU64,
    pages: Mutex<Vec<(String, i64)>>,
    up: watch::Sender<bool>,
}

/// Runs until standard input ends.
pub async fn run(options: &BenchCarrier) -> Result<()> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|source| Error::file(path, source));
    let (_resolver, tls) = crate::web::tls(&read(&options.cert)?, &read(&options.key)?, crypto::tls::Clients::Unasked)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let shared = Arc::new(Shared {
        context: crate::product::context(),
        answer_after: options.answer_after_ms * 1_000,
        receipt_after: options.receipt_after_ms * 1_000,
        window: options.window,
        ids: AtomicU64::new(0),
        receipts_sent: AtomicU64::new(0),
        receipts_taken: AtomicU64::new(0),
        first: AtomicU64::new(0),
        last: AtomicU64::new(0),
        gap: AtomicU64::new(0),
        pages: Mutex::default(),
        up: watch::Sender::new(true),
    });
    println!("listening on {}", listener.local_addr()?);
    let (accepting, acceptor) = (Arc::clone(&shared), TlsAcceptor::from(tls));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Down: the connection is dropped, as by a machine that is there and a program that is not.
            if !*accepting.up.borrow() {
                continue;
            }
            tokio::spawn(serve(Arc::clone(&accepting), acceptor.clone(), stream));
        }
    });
    let (asked, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(std::result::Result::ok) {
            if asked.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "count" => println!("{}", serde_json::to_string(&shared.count())?),
            "up" => drop(shared.up.send_replace(true)),
            "down" => drop(shared.up.send_replace(false)),
            "forget" => {
                shared.last.store(0, Ordering::Relaxed);
                shared.gap.store(0, Ordering::Relaxed);
            }
            _ => {}
        }
    }
    Ok(())
}

impl Shared {
    fn count(&self) -> Count {
        let at = |moment: &AtomicU64| i64::try_from(moment.load(Ordering::Relaxed)).unwrap_or(0);
        Count {
            submits: self.ids.load(Ordering::Relaxed),
            receipts_sent: self.receipts_sent.load(Ordering::Relaxed),
            receipts_taken: self.receipts_taken.load(Ordering::Relaxed),
            first_submit: at(&self.first),
            last_submit: at(&self.last),
            longest_gap: self.gap.load(Ordering::Relaxed),
            used: super::usage::of(std::process::id()).cpu,
            pages: self.pages.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Submits came at `now`.
    fn note(&self, now: u64) {
        let last = self.last.swap(now, Ordering::Relaxed);
        if last == 0 {
            self.first.store(now, Ordering::Relaxed);
        } else {
            self.gap.fetch_max(now.saturating_sub(last), Ordering::Relaxed);
        }
    }

    /// An id that is in no order, as those of real carriers, and never comes twice.
    fn id(&self) -> u64 {
        (self.ids.fetch_add(1, Ordering::Relaxed) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.context.now().as_micros()).unwrap_or(0)
    }
}

async fn serve(shared: Arc<Shared>, acceptor: TlsAcceptor, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut up = shared.up.subscribe();
    let Ok(stream) = acceptor.accept(stream).await else { return };
    tokio::select! {
        // A peer that goes away is no news here.
        _ = session(&shared, stream) => {}
        _ = up.wait_for(|up| !up) => {}
    }
}

/// One bind, in one task: reads what is there, answers what is due, writes once, sleeps until something comes or is due.
async fn session<S: AsyncRead + AsyncWrite + Unpin>(shared: &Shared, mut stream: S) -> Result<()> {
    let (mut frames, mut out) = (Frames::default(), Vec::new());
    let mut answers: VecDeque<(u64, u32, u64)> = VecDeque::new();
    let mut receipts: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    let (mut unanswered, mut sequence) = (0_usize, 0_u32);
    loop {
        let now = shared.now();
        let mut submits = 0;
        while let Some(pdu) = frames.next()? {
            match pdu.id {
                SUBMIT_SM => {
                    submits += 1;
                    let id = shared.id();
                    if shared.answer_after == 0 {
                        answer(&mut out, pdu.sequence, id);
                    } else {
                        answers.push_back((now + shared.answer_after, pdu.sequence, id));
                    }
                    submitted(shared, &mut receipts, pdu.body, id, now);
                }
                id if id == DELIVER_SM | ANSWER => {
                    unanswered -= 1;
                    shared.receipts_taken.fetch_add(1, Ordering::Relaxed);
                }
                BIND_TRANSCEIVER => wire::with(&mut out, pdu.id | ANSWER, 0, pdu.sequence, b"bench\0"),
                ENQUIRE_LINK | UNBIND => wire::bare(&mut out, pdu.id | ANSWER, 0, pdu.sequence),
                _ => {}
            }
        }
        if submits > 0 {
            shared.note(now);
        }
        while answers.front().is_some_and(|(due, ..)| *due <= now)
            && let Some((_, sequence, id)) = answers.pop_front()
        {
            answer(&mut out, sequence, id);
        }
        while unanswered < shared.window
            && receipts.front().is_some_and(|(due, _)| *due <= now)
            && let Some((_, body)) = receipts.pop_front()
        {
            sequence += 1;
            unanswered += 1;
            shared.receipts_sent.fetch_add(1, Ordering::Relaxed);
            wire::with(&mut out, DELIVER_SM, 0, sequence, &body);
        }
        if !out.is_empty() {
            stream.write_all(&out).await?;
            stream.flush().await?;
            out.clear();
        }
        let receipt = receipts.front().filter(|_| unanswered < shared.window).map(|(due, _)| *due);
        let next = [answers.front().map(|(due, ..)| *due), receipt].into_iter().flatten().min();
        let wait = next.map_or(Duration::from_hours(1), |due| Duration::from_micros(due.saturating_sub(now)));
        match tokio::time::timeout(wait, frames.read(&mut stream)).await {
            Ok(Ok(true)) | Err(_) => {}
            Ok(Ok(false)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
        }
    }
}

fn answer(out: &mut Vec<u8>, sequence: u32, id: u64) {
    wire::with(out, SUBMIT_SM | ANSWER, 0, sequence, format!("{id:016x}\0").as_bytes());
}

/// Reads of a submit what the receipt repeats.
fn submitted(shared: &Shared, receipts: &mut VecDeque<(u64, Vec<u8>)>, body: &[u8], id: u64, now: u64) {
    let (_service, rest) = wire::text(body);
    let Some((source_kind, rest)) = rest.split_at_checked(2) else { return };
    let (source, rest) = wire::text(rest);
    let Some((kind, rest)) = rest.split_at_checked(2) else { return };
    let (destination, rest) = wire::text(rest);
    let rest = rest.get(3..).unwrap_or_default();
    let (_schedule, rest) = wire::text(rest);
    let (_validity, rest) = wire::text(rest);
    let [registered, _replace, _coding, _default, length, rest @ ..] = rest else { return };
    let said = rest.get(..usize::from(*length)).unwrap_or_default();
    if let Some(at) = said.windows(PAGE.len()).position(|window| window == PAGE)
        && let Some(name) = said.get(at..at + 8)
    {
        let name = String::from_utf8_lossy(name).into_owned();
        let at = i64::try_from(now).unwrap_or(0);
        shared.pages.lock().unwrap_or_else(PoisonError::into_inner).push((name, at));
    }
    if registered & 3 != 1 {
        return;
    }
    let said = format!(
        "id:{id:016x} sub:001 dlvrd:001 submit date:2611300300 done date:2611300300 stat:DELIVRD err:000 text:"
    );
    let mut receipt = Vec::with_capacity(160 + said.len());
    receipt.push(0);
    receipt.extend_from_slice(kind);
    receipt.extend_from_slice(destination);
    receipt.push(0);
    receipt.extend_from_slice(source_kind);
    receipt.extend_from_slice(source);
    // esm_class says receipt; the rest of the head is nothing.
    receipt.extend_from_slice(&[0, 4, 0, 0, 0, 0, 0, 0, 0, 0, u8::try_from(said.len()).unwrap_or(0)]);
    receipt.extend_from_slice(said.as_bytes());
    receipts.push_back((now + shared.answer_after + shared.receipt_after, receipt));
}
