//! HTTP/2 by hand, for what no client library would send: frames (RFC 9113) and the plainest form of HPACK (RFC 7541).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::stage::Stage;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header field, literal and never indexed.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// The fields of a `GET`.
pub fn get(stage: &Stage, path: &str) -> Vec<u8> {
    let authority = format!("localhost:{}", stage.address.port());
    [(":method", "GET"), (":scheme", "https"), (":path", path), (":authority", &authority)]
        .iter()
        .flat_map(|(name, value)| field(name, value))
        .collect()
}

/// One frame that came.
#[derive(Debug)]
pub struct Came {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection after the exchange of prefaces.
pub struct Http2 {
    stream: TlsStream<TcpStream>,
}

impl Http2 {
    /// Opens one; each stream starts with a window of `window` bytes for the server to send.
    pub async fn open(stage: &Stage, window: u32) -> Self {
        let mut stream = stage.raw_speaking(&[b"h2"]).await;
        let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
        let start = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &settings)].concat();
        stream.write_all(&start).await.unwrap();
        Self { stream }
    }

    /// Sends; whether the connection still takes it.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// The next frame, pings answered as every client does; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Came> {
        let mut header = [0; 9];
        self.stream.read_exact(&mut header).await.ok()?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        if (header[3], header[4]) == (PING, 0) {
            self.send(&frame(PING, ACK, 0, &payload)).await;
        }
        Some(Came { kind: header[3], stream, payload })
    }

    /// Everything until the connection ends, or until nothing came for `patience`; whether it ended.
    pub async fn rest(&mut self, patience: Duration) -> (Vec<Came>, bool) {
        let mut frames = Vec::new();
        loop {
            match tokio::time::timeout(patience, self.next()).await {
                Ok(Some(came)) => frames.push(came),
                Ok(None) => return (frames, true),
                Err(_) => return (frames, false),
            }
        }
    }
}
