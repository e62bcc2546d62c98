//! Looks over hyper's shoulder at the bytes of an HTTP/1 connection, for two things that hyper does not tell: when a head began
//! (for its deadline), and whether it could be read in two ways: it held both `Content-Length` and `Transfer-Encoding` (hyper
//! drops the former silently), or ended a line with a bare line feed (hyper takes it for a line's end, others do not). We refuse,
//! because another server on the way may have read it the other way (ASVS 4.2.1).
//!
//! It decides nothing about framing: when it meets something that it does not understand it gives up, and hyper's own rules and
//! its header time-out remain.

use base::{Problem, ProblemKind};

use crate::refusal::Refusal;

/// Bytes of a header line that are kept: enough for the two headers.
const KEPT: usize = 256;

/// What a stretch of bytes told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// A head is under way at the end of the bytes.
    pub(super) in_head: bool,
    /// How a head in these bytes (or before) could be read in two ways.
    pub(super) ambiguous: Option<Ambiguity>,
}

/// How a head could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ambiguity {
    /// `Content-Length` and `Transfer-Encoding` in one head.
    TwoLengths,
    /// A line that ends with a line feed alone.
    BareLineFeed,
    /// A line that goes on on the next one (obsolete since RFC 7230).
    FoldedLine,
}

impl Ambiguity {
    /// What its sender is told.
    pub(crate) fn refusal(self) -> Refusal {
        let (code, detail) = match self {
            Self::TwoLengths => {
                ("ambiguous-length", "The request has both Content-Length and Transfer-Encoding. Send one of them.")
            }
            Self::BareLineFeed => {
                ("ambiguous-line-end", "A line of the request's head ends with a line feed alone. End each with CR LF.")
            }
            Self::FoldedLine => {
                ("ambiguous-header", "A header field of the request goes on on a second line. Write each on one line.")
            }
        };
        Refusal::new(Problem::new(ProblemKind::Invalid, code, detail))
    }
}

#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    line: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
    any_line: bool,
    ambiguous: Option<Ambiguity>,
    /// The byte before this one, in a head.
    before: u8,
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
        Self {
            state: State::Idle,
            line: Vec::new(),
            length: None,
            chunked: false,
            any_line: false,
            ambiguous: None,
            before: 0,
        }
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
                        if self.state == State::Head && self.before != b'\r' {
                            self.ambiguous.get_or_insert(Ambiguity::BareLineFeed);
                        }
                        self.end_of_line();
                    } else if self.line.len() < KEPT {
                        self.line.push(byte);
                    }
                }
            }
            self.before = byte;
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
        if matches!(line.first(), Some(b' ' | b'\t')) {
            self.ambiguous.get_or_insert(Ambiguity::FoldedLine);
        }
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
                self.ambiguous.get_or_insert(Ambiguity::TwoLengths);
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

    const IDLE: Seen = Seen { in_head: false, ambiguous: None };
    const HEAD: Seen = Seen { in_head: true, ambiguous: None };

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
            let twice = Some(Ambiguity::TwoLengths);
            assert_eq!(scan(&format!("POST / HTTP/1.1\r\n{head}\r\n\r\n")).ambiguous, twice, "{head}");
            let second = format!("GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\n{head}\r\n\r\n");
            assert_eq!(scan(&second).ambiguous, twice, "{head}");
        }
        let apart =
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(scan(apart).ambiguous, None);
    }

    /// ASVS 4.2.1; RFC 9112 sections 2.2 and 5.2: what others may read as one line, or as two.
    #[test]
    fn odd_line_ends_are_ambiguous() {
        for (text, expected) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", Ambiguity::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", Ambiguity::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", Ambiguity::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", Ambiguity::FoldedLine),
            ("GET / HTTP/1.1\r\nHost: a\r\n\tX: b\r\n\r\n", Ambiguity::FoldedLine),
        ] {
            assert_eq!(scan(text).ambiguous, Some(expected), "{text:?}");
        }
        let body = "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\na\n\nGET / HTTP/1.1\r\n\r\n";
        assert_eq!(scan(body).ambiguous, None, "bodies may hold what they like");
    }

    #[test]
    fn long_lines_are_not_kept() {
        let mut scanner = Scanner::new();
        scanner.read(b"GET / HTTP/1.1\r\nX: ");
        scanner.read(&vec![b'x'; 100_000]);
        assert!(scanner.line.len() <= KEPT);
    }
}
