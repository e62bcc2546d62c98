//! Looks over hyper's shoulder at the bytes of an HTTP/1 connection, for two things that hyper does not tell: when a head began
//! (for its deadline), and whether it held both `Content-Length` and `Transfer-Encoding` (hyper drops the former silently; we
//! refuse, because another server on the way may have believed the other one; ASVS 4.2.1).
//!
//! It decides nothing about framing: when it meets something that it does not understand it gives up, and hyper's own rules and
//! its header time-out remain.

/// Bytes of a header line that are kept: enough for the two headers.
const KEPT: usize = 256;

/// What a stretch of bytes told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// A head is under way at the end of the bytes.
    pub(super) in_head: bool,
    /// A head in these bytes (or before) was ambiguous.
    pub(super) ambiguous: bool,
}

#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    line: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
    any_line: bool,
    ambiguous: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between two requests.
    Idle,
    Head,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    /// Not understood; nothing more is said.
    Lost,
}

impl Scanner {
    pub(super) const fn new() -> Self {
        Self { state: State::Idle, line: Vec::new(), length: None, chunked: false, any_line: false, ambiguous: false }
    }

    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Seen {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Lost => break,
                State::Body(left) | State::ChunkData(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let left = left - taken as u64;
                    self.state = match (self.state, left) {
                        (State::Body(_), 0) => State::Idle,
                        (State::Body(_), left) => State::Body(left),
                        (_, 0) => State::ChunkEnd,
                        (_, left) => State::ChunkData(left),
                    };
                    bytes = &bytes[taken..];
                    continue;
                }
                State::Idle => {
                    if !matches!(byte, b'\r' | b'\n') {
                        self.state = State::Head;
                        continue;
                    }
                }
                State::Head | State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    if byte == b'\n' {
                        self.end_of_line();
                    } else if self.line.len() < KEPT {
                        self.line.push(byte);
                    }
                }
            }
            bytes = rest;
        }
        Seen { in_head: self.state == State::Head, ambiguous: self.ambiguous }
    }

    fn end_of_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        match self.state {
            State::Head if line.is_empty() => self.end_of_head(),
            State::Head if self.any_line => self.header(&line),
            State::Head => self.any_line = true,
            State::ChunkSize => {
                let digits: Vec<u8> = line.iter().copied().take_while(u8::is_ascii_hexdigit).collect();
                let size = std::str::from_utf8(&digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
                self.state = match size {
                    Some(0) => State::Trailers,
                    Some(size) => State::ChunkData(size),
                    None => State::Lost,
                };
            }
            State::ChunkEnd => self.state = if line.is_empty() { State::ChunkSize } else { State::Lost },
            State::Trailers if line.is_empty() => self.state = State::Idle,
            _ => {}
        }
        line.clear();
        self.line = line;
    }

    fn header(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            self.length = Some(value.unwrap_or(u64::MAX));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        }
    }

    fn end_of_head(&mut self) {
        let (length, chunked) = (self.length.take(), std::mem::take(&mut self.chunked));
        self.any_line = false;
        self.state = match (length, chunked) {
            (Some(_), true) => {
                self.ambiguous = true;
                State::Lost
            }
            (None, true) => State::ChunkSize,
            (Some(0) | None, false) => State::Idle,
            (Some(length), false) => State::Body(length),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Seen = Seen { in_head: false, ambiguous: false };
    const HEAD: Seen = Seen { in_head: true, ambiguous: false };

    /// Whole and byte by byte must tell the same.
    fn scan(text: &str) -> Seen {
        let whole = Scanner::new().read(text.as_bytes());
        let mut scanner = Scanner::new();
        let mut last = IDLE;
        for byte in text.as_bytes() {
            last = scanner.read(std::slice::from_ref(byte));
        }
        assert_eq!(whole, last, "{text:?}");
        whole
    }

    #[test]
    fn heads_begin_and_end() {
        assert_eq!(scan(""), IDLE);
        assert_eq!(scan("\r\n"), IDLE);
        assert_eq!(scan("GET / HTT"), HEAD);
        assert_eq!(scan("GET / HTTP/1.1\r\nHost: a\r\n"), HEAD);
        assert_eq!(scan("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), IDLE);
        assert_eq!(scan("GET / HTTP/1.1\r\n\r\nG"), HEAD);
    }

    #[test]
    fn bodies_are_stepped_over() {
        let tricky = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let length = tricky.len();
        assert_eq!(scan(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{tricky}")), IDLE);
        assert_eq!(scan(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{tricky}GET")), HEAD);
        let chunked = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{length:x};a=b\r\n{tricky}\r\n");
        assert_eq!(scan(&chunked), IDLE);
        assert_eq!(scan(&format!("{chunked}0\r\nTrailer: x\r\n\r\nGET")), HEAD);
    }

    /// ASVS 4.2.1: either order, any case, also on a later request of the connection.
    #[test]
    fn a_length_said_twice_is_ambiguous() {
        for head in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "transfer-encoding: chunked\r\ncontent-length: 3",
            "Content-Length: 3\r\nTransfer-Encoding: identity",
        ] {
            assert!(scan(&format!("POST / HTTP/1.1\r\n{head}\r\n\r\n")).ambiguous, "{head}");
            assert!(scan(&format!("GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\n{head}\n\n")).ambiguous, "{head}");
        }
        assert!(
            !scan(
                "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            .ambiguous
        );
    }

    #[test]
    fn long_lines_are_not_kept() {
        let mut scanner = Scanner::new();
        scanner.read(b"GET / HTTP/1.1\r\nX: ");
        scanner.read(&vec![b'x'; 100_000]);
        assert!(scanner.line.len() <= KEPT);
    }
}
