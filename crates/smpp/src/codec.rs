//! Reading and writing fields. Reading tolerates what the field is known to send (a last text without its
//! NUL, texts longer than the specification says, one to three stray octets at the end); writing is strict.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{CommandId, EncodeError, Malformed};

/// A body being read.
pub(crate) struct Reader {
    body: Bytes,
    /// Whether fields that are missing altogether read as empty: true in responses, where a peer leaves
    /// out the body of an error or the fields that it does not use.
    lenient: bool,
}

impl Reader {
    pub(crate) fn new(body: Bytes, lenient: bool) -> Self {
        Self { body, lenient }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.body.len()
    }

    fn missing(&self) -> bool {
        self.lenient && self.body.is_empty()
    }

    pub(crate) fn byte(&mut self, name: &'static str) -> Result<u8, Malformed> {
        if self.missing() {
            return Ok(0);
        }
        self.body.try_get_u8().map_err(|_| Malformed::Truncated(name))
    }

    pub(crate) fn word(&mut self, name: &'static str) -> Result<u32, Malformed> {
        if self.missing() {
            return Ok(0);
        }
        self.body.try_get_u32().map_err(|_| Malformed::Truncated(name))
    }

    /// A C-octet string. The last one of a body may lack its NUL.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Bytes, Malformed> {
        match self.body.iter().position(|&octet| octet == 0) {
            // An empty text is the usual case, and a static empty value costs no reference count.
            Some(0) => {
                self.body.advance(1);
                Ok(Bytes::new())
            }
            Some(end) => {
                let text = self.body.split_to(end);
                self.body.advance(1);
                Ok(text)
            }
            None if self.missing() => Ok(Bytes::new()),
            None if self.body.is_empty() => Err(Malformed::Truncated(name)),
            None => Ok(std::mem::take(&mut self.body)),
        }
    }

    pub(crate) fn octets(&mut self, length: usize, name: &'static str) -> Result<Bytes, Malformed> {
        if length > self.body.len() {
            return Err(Malformed::Overrun(name));
        }
        Ok(if length == 0 { Bytes::new() } else { self.body.split_to(length) })
    }

    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.body)
    }
}

/// A body being written.
pub(crate) struct Writer<'a> {
    pub(crate) out: &'a mut BytesMut,
    pub(crate) command: CommandId,
}

impl Writer<'_> {
    pub(crate) fn byte(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    pub(crate) fn word(&mut self, value: u32) {
        self.out.put_u32(value);
    }

    /// A C-octet string; `limit` counts its NUL, as the specification does.
    pub(crate) fn text(&mut self, value: &[u8], field: &'static str, limit: usize) -> Result<(), EncodeError> {
        if value.len() >= limit {
            return Err(self.too_long(field, value.len(), limit - 1));
        }
        if value.contains(&0) {
            return Err(EncodeError::Nul { command: self.command, field });
        }
        self.out.put_slice(value);
        self.out.put_u8(0);
        Ok(())
    }

    /// Octets with their length in one octet before them.
    pub(crate) fn counted(&mut self, value: &[u8], field: &'static str, limit: usize) -> Result<(), EncodeError> {
        match u8::try_from(value.len()) {
            Ok(length) if value.len() <= limit => {
                self.out.put_u8(length);
                self.out.put_slice(value);
                Ok(())
            }
            _ => Err(self.too_long(field, value.len(), limit)),
        }
    }

    pub(crate) fn too_long(&self, field: &'static str, length: usize, limit: usize) -> EncodeError {
        EncodeError::TooLong { command: self.command, field, length, limit }
    }
}

/// A value that is one field, or a few that belong together.
pub(crate) trait Field: Sized {
    fn read(from: &mut Reader, name: &'static str) -> Result<Self, Malformed>;
    fn write(&self, to: &mut Writer<'_>, name: &'static str, limit: usize) -> Result<(), EncodeError>;
}

impl Field for u8 {
    fn read(from: &mut Reader, name: &'static str) -> Result<Self, Malformed> {
        from.byte(name)
    }

    fn write(&self, to: &mut Writer<'_>, _name: &'static str, _limit: usize) -> Result<(), EncodeError> {
        to.byte(*self);
        Ok(())
    }
}
