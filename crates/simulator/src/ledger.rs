//! The ledger: one line of JSON for each submit, written before its answer, so that a test can hold every
//! message that the product says it sent against what a carrier really got.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use base::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::{Error, TextEncoding};

/// One submit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was taken, in microseconds since 1970.
    pub time: Timestamp,
    /// The carrier's id of it, decimal. Receipts and answers may write it otherwise.
    pub id: u64,
    /// The account that submitted it.
    pub system_id: String,
    /// Its source address.
    pub source: String,
    /// Its destination, `+` and digits.
    pub destination: String,
    /// The text of this part.
    pub text: String,
    /// How the text travelled.
    pub encoding: TextEncoding,
    /// Which part of a longer text it is; absent for a text of one part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartOf>,
    /// Whether a receipt was asked for.
    pub receipt_wanted: bool,
    /// What the carrier did with it.
    pub outcome: Outcome,
    /// The `command_status` of the answer; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u32>,
}

/// Which part of a longer text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// The number that the parts share.
    pub reference: u16,
    /// How many there are.
    pub total: u8,
    /// Which one this is, from 1.
    pub number: u8,
}

/// What the carrier did with a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Taken and answered with an id.
    Accepted,
    /// Refused.
    Rejected,
    /// Throttled.
    Throttled,
    /// Taken; the answer was lost.
    Lost,
    /// Lost before the carrier took it; no answer either.
    Dropped,
}

impl Outcome {
    /// Whether the text goes on to its handset.
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::Accepted | Self::Lost)
    }
}

/// Reads a whole ledger. A last line that a crash cut short is left out; its submit was never answered.
pub fn read(path: &Path) -> Result<Vec<Entry>, Error> {
    let file = |source| Error::File { what: "ledger", source };
    let mut reader = BufReader::new(File::open(path).map_err(file)?);
    let (mut entries, mut line) = (Vec::new(), String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).map_err(file)? == 0 || !line.ends_with('\n') {
            return Ok(entries);
        }
        entries.push(serde_json::from_str(&line).map_err(|error| file(std::io::Error::other(error)))?);
    }
}

struct Append {
    lines: Vec<u8>,
    written: oneshot::Sender<bool>,
}

/// The end of the ledger. Everything that waits is written in one go.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    queue: mpsc::Sender<Append>,
}

impl Ledger {
    /// Opens `path` for appending; a half line at its end, of a crash, is ended first.
    pub(crate) fn open(path: &Path, sync: bool) -> Result<Self, Error> {
        let failed = |source| Error::File { what: "ledger", source };
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path).map_err(failed)?;
        if ends_in_half_a_line(&mut file).map_err(failed)? {
            // The half line cannot be read back as an entry, and must not swallow the next one.
            let whole = whole_lines(path).map_err(failed)?;
            file.set_len(whole).map_err(failed)?;
        }
        let (queue, mut appends) = mpsc::channel::<Append>(1024);
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                let mut batch = Vec::new();
                let mut buffer = Vec::new();
                while appends.blocking_recv_many(&mut batch, 256) > 0 {
                    buffer.clear();
                    for append in &batch {
                        buffer.extend_from_slice(&append.lines);
                    }
                    let written = file.write_all(&buffer).and_then(|()| if sync { file.sync_data() } else { Ok(()) });
                    if let Err(error) = &written {
                        tracing::error!(%error, "the ledger cannot be written; submits are refused until it can");
                    }
                    for append in batch.drain(..) {
                        let _ = append.written.send(written.is_ok());
                    }
                }
            })
            .map_err(failed)?;
        Ok(Self { queue })
    }

    /// Appends whole lines; true once they are written.
    pub(crate) async fn append(&self, lines: Vec<u8>) -> bool {
        let (written, done) = oneshot::channel();
        self.queue.send(Append { lines, written }).await.is_ok() && done.await.unwrap_or(false)
    }
}

fn ends_in_half_a_line(file: &mut File) -> std::io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Octets up to the end of the last whole line.
fn whole_lines(path: &Path) -> std::io::Result<u64> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut whole, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(whole);
        }
        whole += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64) -> Entry {
        Entry {
            time: Timestamp::from_micros(1_792_717_927_214_000),
            id,
            system_id: "demo".into(),
            source: "70007".into(),
            destination: "+447700900117".into(),
            text: "Replication lag\n42 s".into(),
            encoding: TextEncoding::Gsm7,
            part: Some(PartOf { reference: 7, total: 2, number: 1 }),
            receipt_wanted: true,
            outcome: Outcome::Accepted,
            status: Some(0),
        }
    }

    fn line(id: u64) -> Vec<u8> {
        let mut line = serde_json::to_vec(&entry(id)).unwrap();
        line.push(b'\n');
        line
    }

    #[tokio::test]
    async fn what_was_appended_is_read_and_half_a_line_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let ledger = Ledger::open(&path, true).unwrap();
        assert!(ledger.append([line(1), line(2)].concat()).await);
        assert_eq!(read(&path).unwrap(), [entry(1), entry(2)]);
        drop(ledger);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"time\":17927").unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
        let ledger = Ledger::open(&path, false).unwrap();
        assert!(ledger.append(line(3)).await);
        assert_eq!(read(&path).unwrap(), [entry(1), entry(2), entry(3)]);
    }
}
