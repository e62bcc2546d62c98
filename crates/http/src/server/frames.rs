//! Looks over hyper's shoulder at the bytes of an HTTP/2 connection, for when a head began and ended: a HEADERS frame and the
//! CONTINUATION frames behind it (RFC 9113 section 6.2). So that a head that is dripped has the same ten seconds as one of HTTP/1.

/// The words with which every client begins (RFC 9113 section 3.4).
const PREFACE: u32 = 24;
/// Bytes before a frame's payload.
const HEADER: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes of the preface that are still to come.
    preface: u32,
    header: [u8; HEADER],
    filled: usize,
    /// Bytes of the payload that are still to come.
    payload: u32,
    in_head: bool,
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self { preface: PREFACE, header: [0; HEADER], filled: 0, payload: 0, in_head: true }
    }

    /// Whether a head (or the preface, which is the connection's) is under way at the end of these bytes.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> bool {
        if self.preface > 0 {
            bytes = skip(bytes, &mut self.preface);
            self.in_head = self.preface > 0;
        }
        while !bytes.is_empty() {
            if self.payload > 0 {
                bytes = skip(bytes, &mut self.payload);
            } else {
                let taken = bytes.len().min(HEADER - self.filled);
                self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
                self.filled += taken;
                bytes = &bytes[taken..];
                if self.filled < HEADER {
                    break;
                }
                self.filled = 0;
                self.payload = u32::from_be_bytes([0, self.header[0], self.header[1], self.header[2]]);
                self.in_head |= self.of_a_head();
            }
            if self.payload == 0 && self.of_a_head() && self.header[4] & END_HEADERS != 0 {
                self.in_head = false;
            }
        }
        self.in_head
    }

    const fn of_a_head(&self) -> bool {
        matches!(self.header[3], HEADERS | CONTINUATION)
    }
}

fn skip<'a>(bytes: &'a [u8], left: &mut u32) -> &'a [u8] {
    let taken = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(*left);
    *left -= taken;
    &bytes[taken as usize..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, u8::try_from(payload).unwrap(), kind, flags, 0, 0, 0, 1];
        bytes.resize(HEADER + payload, 0);
        bytes
    }

    /// Whole and byte by byte must tell the same.
    fn scan(parts: &[&[u8]]) -> bool {
        let bytes = parts.concat();
        let whole = Frames::new().read(&bytes);
        let mut frames = Frames::new();
        let last = bytes.iter().map(|byte| frames.read(std::slice::from_ref(byte))).last();
        assert_eq!(Some(whole), last.or(Some(whole)));
        whole
    }

    #[test]
    fn a_head_lasts_from_its_first_frame_to_the_end_of_its_last() {
        let (settings, data) = (frame(4, 0, 6), frame(0, 1, 100));
        let (whole, open) = (frame(HEADERS, END_HEADERS, 20), frame(HEADERS, 0, 20));
        let (more, last) = (frame(CONTINUATION, 0, 20), frame(CONTINUATION, END_HEADERS, 0));
        assert!(scan(&[b"PRI * HT"]));
        assert!(!scan(&[START]));
        assert!(!scan(&[START, &settings, &whole, &data]));
        assert!(scan(&[START, &settings, &whole[..15]]));
        assert!(scan(&[START, &open]));
        assert!(scan(&[START, &whole, &open, &more, &more]));
        assert!(!scan(&[START, &open, &more, &last, &data[..30]]));
    }
}
