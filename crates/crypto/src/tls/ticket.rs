//! Session tickets under AES-256-GCM keys that live in memory only. (The library's own ticketer uses CBC,
//! which the house does not speak.)

use std::fmt;
use std::sync::Arc;

use base::Chance;
use rustls::crypto::GetRandomFailed;
use rustls::server::ProducesTickets;
use rustls::ticketer::TicketRotator;
use zeroize::Zeroizing;

use crate::aead::{KEY_BYTES, Key, NONCE_BYTES};
use crate::{Error, OsChance};

/// A key serves for 6 hours and opens old tickets for 6 more.
const LIFETIME_SECONDS: u32 = 6 * 60 * 60;

pub(super) fn rotating() -> Result<Arc<dyn ProducesTickets>, Error> {
    Ok(Arc::new(TicketRotator::new(LIFETIME_SECONDS, || {
        Tickets::new().map(|tickets| Box::new(tickets) as Box<dyn ProducesTickets>).map_err(|_| GetRandomFailed)
    })?))
}

struct Tickets(Key);

impl Tickets {
    fn new() -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        OsChance.fill(&mut *key);
        Ok(Self(Key::new(&key)?))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        OsChance.fill(&mut nonce);
        let sealed = self.0.seal(nonce, b"ticket", plain).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = cipher.split_first_chunk::<NONCE_BYTES>()?;
        self.0.open(*nonce, b"ticket", sealed).ok().map(|plain| plain.to_vec())
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_under_its_own_key_only() {
        let tickets = Tickets::new().unwrap();
        let ticket = tickets.encrypt(b"state").unwrap();
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
        assert_eq!(Tickets::new().unwrap().decrypt(&ticket), None);
        assert_eq!(tickets.decrypt(b"short"), None);
    }

    #[test]
    fn keys_rotate_within_a_day() {
        assert!(rotating().unwrap().lifetime() <= 24 * 60 * 60);
    }
}
