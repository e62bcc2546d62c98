//! The typed client of the control socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;

use super::protocol::{Change, Counters, Handset, Reply, Request, Text};
use crate::{Behaviour, Error};

/// Longer than any request takes on a machine that still works.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cheap, cloneable client of one simulator. Each request opens the socket anew, so that a client outlives
/// a restart of the simulator.
#[derive(Clone, Debug)]
pub struct Control {
    path: Arc<Path>,
}

impl Control {
    /// A client of the simulator behind the socket at `path`, after making sure that one answers there.
    pub async fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let control = Self::at(path);
        control.counters().await?;
        Ok(control)
    }

    /// A client of the simulator that will be behind the socket at `path`: for a composition that starts both.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into() }
    }

    /// Every handset, by number.
    pub async fn handsets(&self) -> Result<Vec<Handset>, Error> {
        self.ask(&Request::Handsets).await
    }

    /// One handset.
    pub async fn handset(&self, number: &str) -> Result<Handset, Error> {
        self.ask(&Request::Handset { number: number.to_owned() }).await
    }

    /// Puts a phone on the network, or gives the one there another name.
    pub async fn add_handset(&self, number: &str, name: Option<&str>) -> Result<Handset, Error> {
        self.ask(&Request::AddHandset { number: number.to_owned(), name: name.map(str::to_owned) }).await
    }

    /// Takes a phone off the network, with its texts.
    pub async fn remove_handset(&self, number: &str) -> Result<(), Error> {
        self.ask(&Request::RemoveHandset { number: number.to_owned() }).await
    }

    /// Writes `text` on the handset `from` and sends it to `to`, an application's number or short code.
    pub async fn send(&self, from: &str, to: &str, text: &str) -> Result<Text, Error> {
        self.ask(&Request::Send { from: from.to_owned(), to: to.to_owned(), text: text.to_owned() }).await
    }

    /// Takes a handset out of reach, or back: then what waited is delivered.
    pub async fn set_reach(&self, number: &str, in_reach: bool) -> Result<Handset, Error> {
        self.ask(&Request::SetReach { number: number.to_owned(), in_reach }).await
    }

    /// Sends each receipt about this handset twice, or once.
    pub async fn set_receipts_twice(&self, number: &str, twice: bool) -> Result<Handset, Error> {
        self.ask(&Request::SetReceiptsTwice { number: number.to_owned(), twice }).await
    }

    /// How the carrier behaves.
    pub async fn behaviour(&self) -> Result<Behaviour, Error> {
        self.ask(&Request::Behaviour).await
    }

    /// Changes how the carrier behaves, from the next submit on.
    pub async fn set_behaviour(&self, behaviour: &Behaviour) -> Result<(), Error> {
        self.ask(&Request::SetBehaviour { behaviour: Box::new(behaviour.clone()) }).await
    }

    /// What the carrier has counted.
    pub async fn counters(&self) -> Result<Counters, Error> {
        self.ask(&Request::Counters).await
    }

    /// The stream of changes from now on. Read the handsets after calling this, and nothing is missed.
    pub async fn watch(&self) -> Result<Watch, Error> {
        let mut lines = self.open(&Request::Watch).await?;
        accept::<serde_json::Value>(lines.next_line().await)?;
        Ok(Watch { lines })
    }

    async fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        let exchange = async {
            let mut lines = self.open(request).await?;
            accept(lines.next_line().await)
        };
        tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| Error::NoAnswer)?
    }

    async fn open(&self, request: &Request) -> Result<Replies, Error> {
        let (read, mut write) = UnixStream::connect(&*self.path).await.map_err(Error::Control)?.into_split();
        let mut line = serde_json::to_vec(request).map_err(Error::Protocol)?;
        line.push(b'\n');
        write.write_all(&line).await.map_err(Error::Control)?;
        Ok(Replies { lines: BufReader::new(read).lines(), _write: write })
    }
}

/// The write half is kept: closing it would tell the simulator that nobody listens.
#[derive(Debug)]
struct Replies {
    lines: Lines<BufReader<OwnedReadHalf>>,
    _write: tokio::net::unix::OwnedWriteHalf,
}

impl Replies {
    async fn next_line(&mut self) -> std::io::Result<Option<String>> {
        self.lines.next_line().await
    }
}

fn accept<T: DeserializeOwned>(line: std::io::Result<Option<String>>) -> Result<T, Error> {
    let line = line.map_err(Error::Control)?.ok_or(Error::NoAnswer)?;
    match serde_json::from_str(&line).map_err(Error::Protocol)? {
        Reply::Ok(value) => serde_json::from_value(value).map_err(Error::Protocol),
        Reply::Error { field, detail } => Err(Error::Refused { field, detail }),
    }
}

/// Changes as they happen.
#[derive(Debug)]
pub struct Watch {
    lines: Replies,
}

impl Watch {
    /// The next change; `None` once the simulator has gone. Safe to cancel, as in a `select!`.
    pub async fn next(&mut self) -> Result<Option<Change>, Error> {
        match self.lines.next_line().await.map_err(Error::Control)? {
            Some(line) => serde_json::from_str(&line).map(Some).map_err(Error::Protocol),
            None => Ok(None),
        }
    }
}
