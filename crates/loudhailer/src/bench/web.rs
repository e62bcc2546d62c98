//! The program of the bench: HTTP/1.1 over TLS with connections that stay, each with one request under way.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::Driven;
use super::house::House;
use super::wire::TEXT;
use crate::error::{Error, Result};

/// What is asked again and again.
#[derive(Clone, Copy)]
pub enum Ask {
    /// One message in each request.
    Single,
    /// So many.
    Batch(u64),
}

impl Ask {
    /// How many messages an answer says were accepted.
    fn accepted(self, answer: &[u8]) -> u64 {
        let text = String::from_utf8_lossy(answer);
        let after = |name: &str| text.split_once(name).map(|(_, rest)| rest);
        match self {
            Self::Single => u64::from(after("\"QUEUED\"").is_some()),
            Self::Batch(_) => after("\"acceptedCount\":")
                .and_then(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok())
                .unwrap_or(0),
        }
    }

    /// The body of the `number`th request.
    fn body(self, number: u64) -> String {
        match self {
            Self::Single => message(number),
            Self::Batch(size) => {
                let mut body = String::with_capacity(160 * usize::try_from(size).unwrap_or(0));
                body.push_str("{\"messages\":[");
                for each in 0..size {
                    if each > 0 {
                        body.push(',');
                    }
                    body.push_str(&message(number * size + each));
                }
                body.push_str("]}");
                body
            }
        }
    }
}

fn message(number: u64) -> String {
    let to = number.wrapping_mul(387_420_489) % 1_000_000;
    format!("{{\"destination\":\"+447700{to:06}\",\"text\":\"{TEXT}\"}}")
}

/// Sends `requests`, `at_once` of them under way.
pub async fn drive(house: &House, ask: Ask, requests: u64, at_once: u64) -> Result<Driven> {
    let (next, began) = (Arc::new(AtomicU64::new(0)), house.context.monotonic());
    let mut tasks = tokio::task::JoinSet::new();
    let mut head = String::new();
    let place = if matches!(ask, Ask::Single) { "messages" } else { "messages/batch" };
    // Writing to a string cannot fail.
    let _ = write!(
        head,
        "POST /api/v1/subaccounts/bench/{place} HTTP/1.1\r\nhost: localhost:{}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
        house.https.port(),
        house.key
    );
    let head: Arc<str> = head.into();
    for each in 0..at_once {
        let (next, head, context) = (Arc::clone(&next), Arc::clone(&head), house.context.clone());
        let mut stream = connect(house, each).await?;
        tasks.spawn(async move {
            let (mut driven, mut buffer) = (Driven::default(), Vec::with_capacity(16 * 1024));
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return Ok::<_, Error>(driven);
                }
                let body = ask.body(number);
                let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                let sent = context.monotonic();
                stream.write_all(request.as_bytes()).await?;
                stream.flush().await?;
                let status = answer(&mut stream, &mut buffer).await?;
                let took = context.monotonic().saturating_sub(sent);
                if (200..300).contains(&status) {
                    driven.accepted += ask.accepted(&buffer);
                    driven.times.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
                } else {
                    *driven.refused.entry(status).or_default() += 1;
                }
                driven.stall = driven.stall.max(took.as_secs_f64() * 1_000.0);
            }
        });
    }
    let mut all = Driven::default();
    while let Some(done) = tasks.join_next().await {
        let one = done.map_err(|error| Error::told(error.to_string()))??;
        all.accepted += one.accepted;
        all.times.merge(&one.times);
        all.stall = all.stall.max(one.stall);
        for (status, count) in one.refused {
            *all.refused.entry(status).or_default() += count;
        }
    }
    all.took = house.context.monotonic().saturating_sub(began).max(Duration::from_micros(1));
    Ok(all)
}

/// Connects, fifty from each of several loopback addresses: a hundred are what one address may have, and the bench's own questions need
/// some.
async fn connect(house: &House, number: u64) -> Result<TlsStream<TcpStream>> {
    let source = [127, 0, 0, u8::try_from(2 + number / 50).unwrap_or(2)];
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let stream = socket.connect(house.https).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(|error| Error::told(error.to_string()))?;
    Ok(TlsConnector::from(Arc::clone(&house.tls)).connect(name, stream).await?)
}

/// Reads one answer to its end; its status.
async fn answer(stream: &mut TlsStream<TcpStream>, buffer: &mut Vec<u8>) -> Result<u32> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(Error::told("the server closed a connection"));
        }
        if let Some((status, length)) = head(buffer)
            && buffer.len() >= length
        {
            return Ok(status);
        }
    }
}

/// Status and length of an answer, once its head is there.
fn head(buffer: &[u8]) -> Option<(u32, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..end]).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some((status, end + length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"), None);
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), Some((200, 40)));
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((204, 27)));
    }

    #[test]
    fn a_batch_is_json_with_so_many_messages() {
        let body: serde_json::Value = serde_json::from_str(&Ask::Batch(3).body(1)).unwrap();
        assert_eq!(body["messages"].as_array().unwrap().len(), 3);
        assert_eq!(body["messages"][0]["destination"], "+447700261467");
    }
}
