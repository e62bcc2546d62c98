//! The simulator's end of the control socket.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde::Serialize;
use smpp::{Address, DataCoding, DeliverSm, EsmClass};
use sms::Coding;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::protocol::{Change, Handset, Reply, Request, Text};
use crate::Error;
use crate::arrival::{address_of, handset_number, shown};
use crate::courier::{About, Parcel};
use crate::hub::Hub;

/// Connections to the socket at a time.
const CLIENTS: usize = 64;
/// Octets of a request.
const LINE: u64 = 64 * 1024;
/// How long changes are gathered before a watcher hears of them.
const GATHER: Duration = Duration::from_millis(100);
/// How many gatherings pass between counters.
const COUNTERS_EACH: u32 = 5;

/// A control socket that is ready.
#[derive(Debug)]
pub(crate) struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Makes the socket at `path`, for its owner alone. It gets its mode before it gets its name, so that
    /// nobody else can come in between.
    pub(crate) fn bind(path: &Path) -> Result<Self, Error> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = path.with_file_name(name);
        // One that a crash left behind.
        let _ = std::fs::remove_file(&new);
        let listener = UnixListener::bind(&new).map_err(Error::Control)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).map_err(Error::Control)?;
        std::fs::rename(&new, path).map_err(Error::Control)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    pub(crate) async fn run(self, hub: Arc<Hub>) {
        let places = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let stream = tokio::select! {
                () = hub.shutdown.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "the control socket could not accept");
                        tokio::time::sleep(GATHER).await;
                        continue;
                    }
                },
            };
            if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                let hub = Arc::clone(&hub);
                tokio::spawn(async move {
                    // A client that goes away in the middle needs no answer.
                    let _ = serve(&hub, stream).await;
                    drop(place);
                });
            }
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(hub: &Arc<Hub>, mut stream: UnixStream) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let got = (&mut read).take(LINE).read_until(b'\n', &mut line).await?;
        if got == 0 || line.last() != Some(&b'\n') {
            return Ok(());
        }
        let request = match serde_json::from_slice(&line) {
            Ok(request) => request,
            Err(error) => {
                let detail = format!("not a request: {error}");
                send(&mut write, &Reply::Error { field: "do".to_owned(), detail }).await?;
                continue;
            }
        };
        if matches!(request, Request::Watch) {
            send(&mut write, &Reply::Ok(serde_json::Value::Null)).await?;
            return watch(hub, &mut read, &mut write).await;
        }
        let reply = match carry_out(hub, request) {
            Ok(value) => Reply::Ok(value),
            Err(Error::Refused { field, detail }) => Reply::Error { field, detail },
            Err(error @ Error::Behaviour { .. }) => {
                Reply::Error { field: "behaviour".to_owned(), detail: error.to_string() }
            }
            Err(error) => Reply::Error { field: String::new(), detail: error.to_string() },
        };
        send(&mut write, &reply).await?;
    }
}

async fn send<W: AsyncWriteExt + Unpin, T: Serialize>(write: &mut W, value: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// Sends changes until the client goes.
async fn watch<R, W>(hub: &Arc<Hub>, read: &mut R, write: &mut W) -> std::io::Result<()>
where
    R: AsyncReadExt + Unpin,
    W: AsyncWriteExt + Unpin,
{
    let mut changed = hub.changed.subscribe();
    let (mut version, mut behaviour, mut counters) = {
        let state = hub.state();
        (state.phones.version(), state.behaviour_version, state.counters.clone())
    };
    let mut gathered = 0_u32;
    let mut binds = Vec::new();
    loop {
        let mut octet = [0];
        tokio::select! {
            () = hub.shutdown.cancelled() => return Ok(()),
            // Nothing more is expected of a watcher: what it says, and that it goes, both end it.
            _ = read.read(&mut octet) => return Ok(()),
            change = changed.changed() => if change.is_err() { return Ok(()) },
        }
        tokio::time::sleep(GATHER).await;
        changed.mark_unchanged();
        let (handsets, removed, new_behaviour) = {
            let state = hub.state();
            let (handsets, removed) = state.phones.changed_after(version);
            version = state.phones.version();
            let new = (state.behaviour_version != behaviour).then(|| (*state.behaviour).clone());
            behaviour = state.behaviour_version;
            (handsets, removed, new)
        };
        for handset in handsets {
            send(write, &Change::Handset(Box::new(handset))).await?;
        }
        for number in removed {
            send(write, &Change::Removed { number }).await?;
        }
        if let Some(behaviour) = new_behaviour {
            send(write, &Change::Behaviour(Box::new(behaviour))).await?;
        }
        gathered += 1;
        let now = hub.counters();
        if now.binds != binds || gathered >= COUNTERS_EACH && now != counters {
            gathered = 0;
            binds.clone_from(&now.binds);
            counters = now;
            send(write, &Change::Counters(Box::new(counters.clone()))).await?;
        }
    }
}

fn carry_out(hub: &Arc<Hub>, request: Request) -> Result<serde_json::Value, Error> {
    match request {
        Request::Handsets => json(hub.state().phones.all()),
        Request::Handset { number } => json(handset(hub, &known(hub, &number)?)?),
        Request::AddHandset { number, name } => {
            let number = number_of("number", &number)?;
            let name =
                name.map(|name| name.trim().chars().take(60).collect::<String>()).filter(|name| !name.is_empty());
            hub.state().phones.add(&number, name);
            hub.bump();
            json(handset(hub, &number)?)
        }
        Request::RemoveHandset { number } => {
            let number = known(hub, &number)?;
            hub.state().phones.remove(&number);
            hub.bump();
            json(())
        }
        Request::Send { from, to, text } => json(send_text(hub, &from, &to, &text)?),
        Request::SetReach { number, in_reach } => {
            let number = number_of("number", &number)?;
            hub.set_reach(&number, in_reach);
            json(handset(hub, &number)?)
        }
        Request::SetReceiptsTwice { number, twice } => {
            let number = number_of("number", &number)?;
            hub.state().phones.set_receipts_twice(&number, twice);
            hub.bump();
            json(handset(hub, &number)?)
        }
        Request::Behaviour => json(&*Arc::clone(&hub.state().behaviour)),
        Request::SetBehaviour { behaviour } => {
            hub.set_behaviour(*behaviour)?;
            json(())
        }
        Request::Counters => json(hub.counters()),
        // Handled before, because it never ends.
        Request::Watch => json(()),
    }
}

fn json<T: Serialize>(value: T) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value).map_err(Error::Protocol)
}

fn number_of(field: &str, text: &str) -> Result<String, Error> {
    let detail = "This is no phone number; write it as +447700900117.";
    handset_number(text).ok_or_else(|| Error::refused(field, detail))
}

fn known(hub: &Hub, text: &str) -> Result<String, Error> {
    let number = number_of("number", text)?;
    handset(hub, &number).map(|_| number)
}

fn handset(hub: &Hub, number: &str) -> Result<Handset, Error> {
    let handset = hub.state().phones.get(number);
    handset.ok_or_else(|| Error::refused("number", "There is no such handset on the simulated network."))
}

/// A handset writes: the text is cut into parts, and each goes to the application as a `deliver_sm`.
fn send_text(hub: &Arc<Hub>, from: &str, to: &str, text: &str) -> Result<Text, Error> {
    let number = number_of("from", from)?;
    let address = address_of(to).ok_or_else(|| Error::refused("to", "Write to a number, a short code or a name."))?;
    if text.trim().is_empty() {
        return Err(Error::refused("text", "Write something first."));
    }
    let reference = u16::from(hub.ctx.random::<1>()[0]);
    let cut = sms::segment(text, sms::Choice::Auto, reference, false)
        .map_err(|error| Error::refused("text", error.to_string()))?;
    let coding = Coding::from(cut.encoding);
    let total = u8::try_from(cut.parts.len()).unwrap_or(u8::MAX);
    let peer = shown(&address);
    let written = {
        let mut state = hub.state();
        let written = state.phones.write(&number, &peer, text, coding, total, hub.ctx.now());
        if written.is_some() {
            state.counters.handset_texts += 1;
        }
        written
    };
    let Some(written) = written else {
        return Err(Error::refused("from", "This handset has no network; put it back in reach to send."));
    };
    let left = Arc::new(AtomicUsize::new(cut.parts.len()));
    for part in &cut.parts {
        let pdu = DeliverSm {
            source: Address::international(number.trim_start_matches('+')),
            destination: address.clone(),
            esm_class: if part.concat.is_some() { EsmClass::UDHI } else { EsmClass::DEFAULT },
            data_coding: DataCoding(coding.data_coding()),
            ..DeliverSm::default()
        };
        let about = About::Text { number: number.clone(), text: written.id, left: Arc::clone(&left) };
        let parcel = Parcel { account: String::new(), pdu: pdu.with_message(part.octets()), about, tries: 0 };
        hub.hand_over_text(&peer, parcel);
    }
    hub.bump();
    Ok(written)
}
