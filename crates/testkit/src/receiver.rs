//! A receiver of callbacks, with a private authority of its own. It answers as a test says, also as nobody should: it hangs,
//! drips, redirects, sends without end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crypto::tls::{CertResolver, SelfSigned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// A header, empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers with this status and body.
    Answer(u16, String),
    /// Answers with this status and one header more.
    With(u16, &'static str, String),
    /// Answers with this status and body, after a while.
    Late(Duration, u16, String),
    /// Says nothing for ever.
    Hang,
    /// Says 200, and then a byte a second.
    Drip,
    /// Says 200, and then ten gigabytes.
    Flood,
    /// Hangs up.
    Close,
}

impl Behaviour {
    /// 200 and nothing else.
    pub fn ok() -> Self {
        Self::Answer(200, String::new())
    }
}

type Decide = dyn Fn(&Received, usize) -> Behaviour + Send + Sync;

/// The receiver; it stops when it is dropped.
pub struct Receiver {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// The authority that vouches for it, PEM.
    pub authority: String,
    seen: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Listens under these names; `decide` sees each request and how many came before it.
    pub async fn start(names: &[&str], decide: impl Fn(&Received, usize) -> Behaviour + Send + Sync + 'static) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let context = base::Context::new(Arc::new(base::SystemClock), Arc::new(crypto::OsChance));
        let made = SelfSigned::generate(&names, &context).expect("a certificate");
        let key = base::ExposeSecret::expose_secret(&made.key_pem).to_owned();
        let resolver = Arc::new(CertResolver::from_pem(&made.cert_pem, &key).expect("a certificate"));
        let tls =
            crypto::tls::server_config(resolver, crypto::tls::Clients::Unasked, &[b"http/1.1"]).expect("a listener");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (acceptor, decide): (_, Arc<Decide>) = (TlsAcceptor::from(tls), Arc::new(decide));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, decide, seen) = (acceptor.clone(), Arc::clone(&decide), Arc::clone(&kept));
                tokio::spawn(async move {
                    if let Ok(mut stream) = acceptor.accept(socket).await {
                        while serve(&mut stream, &*decide, &seen).await.is_some() {}
                    }
                });
            }
        });
        Self { port, authority: made.ca_pem, seen, task }
    }

    /// Everything that came in.
    pub fn seen(&self) -> Vec<Received> {
        self.seen.lock().expect("what was seen").clone()
    }

    /// Waits until `count` requests came in.
    pub async fn until(&self, count: usize) -> Vec<Received> {
        for _ in 0..1_500 {
            let seen = self.seen();
            if seen.len() >= count {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} requests came in, never {count}", self.seen().len());
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    decide: &Decide,
    seen: &Mutex<Vec<Received>>,
) -> Option<()> {
    let received = read(stream).await?;
    let nth = {
        let mut seen = seen.lock().expect("what was seen");
        seen.push(received.clone());
        seen.len() - 1
    };
    match decide(&received, nth) {
        Behaviour::Answer(status, body) => answer(stream, status, None, &body).await,
        Behaviour::With(status, name, value) => answer(stream, status, Some((name, value)), "").await,
        Behaviour::Late(after, status, body) => {
            tokio::time::sleep(after).await;
            answer(stream, status, None, &body).await
        }
        Behaviour::Close => None,
        Behaviour::Hang => {
            tokio::time::sleep(Duration::from_mins(10)).await;
            None
        }
        Behaviour::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await.ok()?;
            loop {
                stream.write_all(b".").await.ok()?;
                stream.flush().await.ok()?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Behaviour::Flood => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n").await.ok()?;
            let block = vec![b'x'; 64 * 1024];
            loop {
                stream.write_all(&block).await.ok()?;
            }
        }
    }
}

async fn answer<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: u16,
    header: Option<(&str, String)>,
    body: &str,
) -> Option<()> {
    let header = header.map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
    let text = format!("HTTP/1.1 {status} X\r\n{header}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received { path, headers, body })
}
