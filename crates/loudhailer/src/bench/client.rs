//! The application of the bench: binds by SMPP over TLS, keeps its window full or a pace, takes receipts, and notes how long each
//! acceptance took.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base::Context;
use rustls::pki_types::ServerName;
use smpp::{Bind, BindMode, Password, Pdu, Text};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::usage::Times;
use super::wire::{self, ANSWER, DELIVER_SM, ENQUIRE_LINK, Frames, SUBMIT_SM, Template};
use crate::error::{Error, Result};

/// How an application drives the server.
#[derive(Clone)]
pub struct Drive {
    pub address: SocketAddr,
    pub tls: Arc<rustls::ClientConfig>,
    pub system_id: String,
    pub password: String,
    pub sessions: u64,
    pub window: usize,
    /// Messages in all; the time decides when there is one.
    pub messages: u64,
    pub seconds: Option<Duration>,
    /// Messages a second over all sessions; as fast as it goes without one.
    pub rate: Option<f64>,
    pub receipts: bool,
    pub context: Context,
}

/// What became of it.
#[derive(Default)]
pub struct Driven {
    pub accepted: u64,
    /// By status.
    pub refused: BTreeMap<u32, u64>,
    pub receipts: u64,
    pub times: Times,
    /// From the first submit to the last answer.
    pub took: Duration,
    /// The longest time in which a session that waited got no answer, in milliseconds.
    pub stall: f64,
}

/// What the sessions share.
#[derive(Default)]
pub struct Progress {
    next: AtomicU64,
    pub accepted: AtomicU64,
    pub receipts: AtomicU64,
    /// Ends the sessions, whatever is outstanding.
    pub stop: AtomicBool,
}

/// How long receipts are waited for when none comes any more.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sequence numbers whose times are remembered; more than any window.
const RING: usize = 4096;

/// Drives, until everything is answered and told.
pub async fn drive(plan: &Drive, progress: &Arc<Progress>) -> Result<Driven> {
    let began = plan.context.monotonic();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..plan.sessions {
        let (plan, progress) = (plan.clone(), Arc::clone(progress));
        tasks.spawn(async move {
            let source = [127, 0, 0, u8::try_from(1 + number / 500).unwrap_or(1)];
            let stream = bind(&plan, source).await?;
            Session::new(plan, progress, began).run(stream).await
        });
    }
    let mut all = Driven::default();
    while let Some(done) = tasks.join_next().await {
        let one = done.map_err(|error| Error::told(error.to_string()))??;
        all.accepted += one.accepted;
        all.receipts += one.receipts;
        all.times.merge(&one.times);
        all.took = all.took.max(one.took);
        all.stall = all.stall.max(one.stall);
        for (status, count) in one.refused {
            *all.refused.entry(status).or_default() += count;
        }
    }
    Ok(all)
}

/// Connects from `source` and binds as a transceiver.
pub async fn bind(plan: &Drive, source: [u8; 4]) -> Result<TlsStream<TcpStream>> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let stream = socket.connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(|error| Error::told(error.to_string()))?;
    let mut stream = TlsConnector::from(Arc::clone(&plan.tls)).connect(name, stream).await?;
    let request = Bind {
        system_id: Text::from(plan.system_id.clone()),
        password: Password::new(plan.password.clone()),
        interface_version: Bind::VERSION_34,
        ..Bind::default()
    };
    stream.write_all(&wire::octets(1, Pdu::Bind(BindMode::Transceiver, request))?).await?;
    stream.flush().await?;
    let mut frames = Frames::default();
    loop {
        if let Some(answer) = frames.next()? {
            return match answer.status {
                0 => Ok(stream),
                status => Err(Error::told(format!("the bind was refused with status 0x{status:08x}"))),
            };
        }
        if !frames.read(&mut stream).await? {
            return Err(Error::told("the server closed the connection instead of answering the bind"));
        }
    }
}

struct Session {
    plan: Drive,
    progress: Arc<Progress>,
    began: Duration,
    driven: Driven,
    sent: Vec<u64>,
    outstanding: usize,
    sequence: u32,
    first: Option<Duration>,
    heard: Duration,
}

impl Session {
    fn new(plan: Drive, progress: Arc<Progress>, began: Duration) -> Self {
        let driven = Driven::default();
        let sent = vec![0; RING];
        Self { plan, progress, began, driven, sent, outstanding: 0, sequence: 1, first: None, heard: began }
    }

    fn now(&self) -> Duration {
        self.plan.context.monotonic()
    }

    /// Whether everything was sent that shall be.
    fn is_sent(&self, now: Duration) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
            || self.plan.seconds.map_or_else(
                || self.progress.next.load(Ordering::Relaxed) >= self.plan.messages,
                |seconds| now.saturating_sub(self.began) >= seconds,
            )
    }

    /// How many messages are due by the pace, over all sessions.
    fn due(&self, now: Duration) -> u64 {
        let Some(rate) = self.plan.rate else { return u64::MAX };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count")]
        let due = (now.saturating_sub(self.began).as_secs_f64() * rate) as u64;
        due
    }

    async fn run(mut self, mut stream: TlsStream<TcpStream>) -> Result<Driven> {
        let mut template = Template::new("447700900000", self.plan.receipts)?;
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        loop {
            let now = self.now();
            self.take(&mut frames, &mut out, now)?;
            self.fill(&mut template, &mut out, now);
            if !out.is_empty() {
                stream.write_all(&out).await?;
                stream.flush().await?;
                out.clear();
            }
            let sent = self.is_sent(now);
            let told = !self.plan.receipts
                || self.progress.receipts.load(Ordering::Relaxed) >= self.progress.accepted.load(Ordering::Relaxed);
            let given_up = self.progress.stop.load(Ordering::Relaxed) || now.saturating_sub(self.heard) > PATIENCE;
            if sent && ((self.outstanding == 0 && told) || given_up) {
                break;
            }
            let paced = self.plan.rate.is_some() && !sent;
            let wait = if paced { Duration::from_millis(1) } else { Duration::from_millis(200) };
            match tokio::time::timeout(wait, frames.read(&mut stream)).await {
                Ok(Ok(true)) | Err(_) => {}
                Ok(Ok(false)) => return Err(Error::told("the server closed a bind")),
                Ok(Err(error)) => return Err(error),
            }
        }
        let unbind = wire::octets(self.sequence, Pdu::Unbind(smpp::Unbind {}))?;
        // The figures are made; a server that is gone does not mind.
        let _ = stream.write_all(&unbind).await;
        let _ = stream.shutdown().await;
        Ok(self.driven)
    }

    /// Reads what came.
    fn take(&mut self, frames: &mut Frames, out: &mut Vec<u8>, now: Duration) -> Result<()> {
        let (mut accepted, mut receipts, mut answers) = (0, 0, 0);
        while let Some(pdu) = frames.next()? {
            match pdu.id {
                id if id == SUBMIT_SM | ANSWER => {
                    answers += 1;
                    self.outstanding -= 1;
                    if pdu.status == 0 {
                        accepted += 1;
                        let at = self.sent[pdu.sequence as usize % RING];
                        self.driven.times.add(micros(now.saturating_sub(self.began)).saturating_sub(at));
                    } else {
                        *self.driven.refused.entry(pdu.status).or_default() += 1;
                    }
                }
                DELIVER_SM => {
                    receipts += 1;
                    wire::with(out, DELIVER_SM | ANSWER, 0, pdu.sequence, b"\0");
                }
                ENQUIRE_LINK => wire::bare(out, ENQUIRE_LINK | ANSWER, 0, pdu.sequence),
                _ => {}
            }
        }
        if answers > 0 {
            let waited = now.saturating_sub(self.heard.max(self.began));
            self.driven.stall = self.driven.stall.max(waited.as_secs_f64() * 1_000.0);
            self.driven.took = now.saturating_sub(self.first.unwrap_or(self.began));
        }
        if answers + receipts > 0 {
            self.heard = now;
        }
        self.driven.accepted += accepted;
        self.driven.receipts += receipts;
        self.progress.accepted.fetch_add(accepted, Ordering::Relaxed);
        self.progress.receipts.fetch_add(receipts, Ordering::Relaxed);
        Ok(())
    }

    /// Writes as many submits as window, pace and plan allow.
    fn fill(&mut self, template: &mut Template, out: &mut Vec<u8>, now: Duration) {
        let due = self.due(now);
        while self.outstanding < self.plan.window.min(RING) && !self.is_sent(now) {
            let number = self.progress.next.load(Ordering::Relaxed);
            if number >= due {
                return;
            }
            let number = self.progress.next.fetch_add(1, Ordering::Relaxed);
            self.first.get_or_insert(now);
            if self.outstanding == 0 {
                self.heard = now;
            }
            self.sequence = self.sequence % 0x7FFF_FFFF + 1;
            self.sent[self.sequence as usize % RING] = micros(now.saturating_sub(self.began));
            template.write(out, self.sequence, number);
            self.outstanding += 1;
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
