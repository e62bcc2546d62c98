//! SMPP for the bench: PDUs are templates of octets that are filled in, and of what comes only the head is read. A load
//! generator that thinks about each PDU would measure itself.

use smpp::{Address, Command, DataCoding, EsmClass, Pdu, RegisteredDelivery, SubmitSm};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::error::{Error, Result};

pub const SUBMIT_SM: u32 = 0x0000_0004;
pub const DELIVER_SM: u32 = 0x0000_0005;
pub const UNBIND: u32 = 0x0000_0006;
pub const BIND_TRANSCEIVER: u32 = 0x0000_0009;
pub const ENQUIRE_LINK: u32 = 0x0000_0015;
pub const ANSWER: u32 = 0x8000_0000;

/// A PDU without its length; `body` is what follows the head.
pub struct Pdus<'a> {
    pub id: u32,
    pub status: u32,
    pub sequence: u32,
    pub body: &'a [u8],
}

/// Octets that came, cut into PDUs.
#[derive(Default)]
pub struct Frames {
    buffer: Vec<u8>,
    at: usize,
}

/// Longer than any PDU of a bench.
const LONGEST: usize = 64 * 1024;

impl Frames {
    /// Reads what is there; false at the end of the stream.
    pub async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<bool> {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        self.buffer.reserve(LONGEST);
        Ok(stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// The next whole PDU.
    pub fn next(&mut self) -> Result<Option<Pdus<'_>>> {
        let rest = &self.buffer[self.at..];
        let Some(head) = rest.first_chunk::<16>() else { return Ok(None) };
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = word(0) as usize;
        if !(16..=LONGEST).contains(&length) {
            return Err(Error::told("the peer sent what is no PDU"));
        }
        let Some(body) = rest.get(16..length) else { return Ok(None) };
        self.at += length;
        Ok(Some(Pdus { id: word(4), status: word(8), sequence: word(12), body }))
    }
}

/// A head with nothing behind it.
pub fn bare(out: &mut Vec<u8>, id: u32, status: u32, sequence: u32) {
    with(out, id, status, sequence, &[]);
}

/// A head and its body.
pub fn with(out: &mut Vec<u8>, id: u32, status: u32, sequence: u32, body: &[u8]) {
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    for word in [length, id, status, sequence] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(body);
}

/// The octets of a PDU made with care, once.
pub fn octets(sequence: u32, pdu: impl Into<Pdu>) -> Result<Vec<u8>> {
    let mut out = bytes::BytesMut::new();
    Command::request(sequence, pdu).encode(&mut out).map_err(|error| Error::told(error.to_string()))?;
    let out: &[u8] = &out;
    Ok(out.to_vec())
}

/// A submit that is written again and again with another sequence number and another number of a handset.
pub struct Template {
    octets: Vec<u8>,
    digits: usize,
    text: usize,
}

/// What each message says: eighty characters, the first eight of them its name.
pub const TEXT: &str = "M-000000 has eighty characters of text, as an application sends on any usual day";
/// Numbers of handsets are these digits and six more.
const HANDSETS: &str = "447700";

impl Template {
    pub fn new(sender: &str, receipts: bool) -> Result<Self> {
        let pdu = SubmitSm {
            source: Address::international(sender),
            destination: Address::international(format!("{HANDSETS}000000")),
            registered_delivery: RegisteredDelivery(u8::from(receipts)),
            data_coding: DataCoding(0),
            esm_class: EsmClass(0),
            ..SubmitSm::default()
        }
        .with_message(TEXT.as_bytes().to_vec());
        let octets = octets(0, pdu)?;
        let find = |what: &[u8]| octets.windows(what.len()).position(|window| window == what);
        let lost = || Error::told("the bench's own PDU is not as expected");
        let digits = find(format!("{HANDSETS}000000").as_bytes()).ok_or_else(lost)? + HANDSETS.len();
        let text = find(TEXT.as_bytes()).ok_or_else(lost)? + 2;
        Ok(Self { octets, digits, text })
    }

    /// Writes the `number`th message.
    pub fn write(&mut self, out: &mut Vec<u8>, sequence: u32, number: u64) {
        self.octets[12..16].copy_from_slice(&sequence.to_be_bytes());
        // Handsets in no order, as in life: what is filed under them has no warm corner.
        write_six(&mut self.octets[self.digits..], number.wrapping_mul(387_420_489) % 1_000_000);
        write_six(&mut self.octets[self.text..], number % 1_000_000);
        out.extend_from_slice(&self.octets);
    }
}

fn write_six(out: &mut [u8], mut number: u64) {
    for place in out[..6].iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// A text with its zero, and what follows.
pub fn text(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    (&octets[..end], octets.get(end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_template_is_a_submit_that_anyone_reads() {
        let (mut template, mut out) = (Template::new("447700900000", true).unwrap(), Vec::new());
        template.write(&mut out, 7, 1);
        template.write(&mut out, 8, 2);
        let mut frames = Frames::default();
        let mut stream = &out[..];
        assert!(frames.read(&mut stream).await.unwrap());
        let first = frames.next().unwrap().unwrap();
        assert_eq!((first.id, first.sequence), (SUBMIT_SM, 7));
        assert_eq!(frames.next().unwrap().unwrap().sequence, 8);
        assert!(frames.next().unwrap().is_none());
        let mut whole = bytes::BytesMut::from(&out[..]);
        let frame = smpp::Framer::new(smpp::LIMIT_BOUND).next(&mut whole).unwrap().unwrap();
        let Pdu::SubmitSm(pdu) = Command::decode(frame).unwrap().pdu else { panic!("no submit") };
        assert_eq!(pdu.destination.text.to_str(), "447700420489");
        assert_eq!((pdu.message().len(), TEXT.len()), (80, 80));
        assert!(String::from_utf8_lossy(&pdu.message()).starts_with("M-000001 "));
    }
}
