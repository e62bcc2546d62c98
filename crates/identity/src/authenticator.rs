//! Authenticator apps: a secret that person and server share, and codes of six digits that each work once.

use std::time::Duration;

use base::{ExposeSecret, SecretString, Timestamp, UserId};
use crypto::totp;
use store::{Tx, params};
use vault::{Aad, Purpose};
use zeroize::Zeroizing;

use crate::{Error, Identity};

/// The column that holds the secrets, for a rotation of keys.
pub(crate) const SEALED: vault::SealedColumn = vault::SealedColumn {
    table: "authenticators",
    column: "secret",
    id: "user_id",
    workspace: None,
    purpose: Purpose::Configuration,
};

/// For how long a secret waits for its first code; then another one is drawn.
const PENDING: Duration = Duration::from_mins(10);

/// What an app is given: shown until the first code was right, and never again.
#[derive(Clone, Debug)]
pub struct AuthenticatorSecret {
    /// The secret in base32, to be typed.
    pub text: SecretString,
    /// The same as an `otpauth` address, to be read by a camera.
    pub uri: SecretString,
}

fn aad(user: &str) -> Aad<'_> {
    Aad { table: SEALED.table, column: SEALED.column, row: user }
}

struct Row {
    secret: String,
    last_step: i64,
    drawn_for: String,
    created: Timestamp,
    confirmed: Option<Timestamp>,
}

impl Row {
    /// Whether it waits for its first code, was drawn for this session or half-way sign-in, and not too long ago. Of another's
    /// secret nobody knows who saw it.
    fn waits_for(&self, place: &str, now: Timestamp) -> bool {
        self.confirmed.is_none() && self.drawn_for == place && now.since(self.created) < PENDING
    }
}

fn row(tx: &mut Tx<'_>, user: UserId) -> Result<Option<Row>, store::Error> {
    tx.query_opt(
        "SELECT secret, last_step, drawn_for, created_at, confirmed_at FROM authenticators WHERE user_id = $1",
        &params![user],
        |row| {
            Ok(Row {
                secret: row.get("secret")?,
                last_step: row.get("last_step")?,
                drawn_for: row.get("drawn_for")?,
                created: row.get("created_at")?,
                confirmed: row.get("confirmed_at")?,
            })
        },
    )
}

/// Since when the person's app is in use.
pub(crate) fn since(tx: &mut Tx<'_>, user: UserId) -> Result<Option<Timestamp>, store::Error> {
    Ok(row(tx, user)?.and_then(|row| row.confirmed))
}

/// Takes the app away, also one that was never confirmed.
pub(crate) fn remove(tx: &mut Tx<'_>, user: UserId) -> Result<bool, store::Error> {
    let gone =
        tx.execute("DELETE FROM authenticators WHERE user_id = $1 AND confirmed_at IS NOT NULL", &params![user])?;
    tx.execute("DELETE FROM authenticators WHERE user_id = $1", &params![user])?;
    Ok(gone > 0)
}

impl Identity {
    fn secret(&self, tx: &mut Tx<'_>, user: UserId, row: &Row) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(self.0.vault.open(tx, None, &aad(&user.to_string()), &row.secret)?)
    }

    /// The secret of an app that is being set up: for ten minutes the same again in one session, so that a page that is loaded
    /// again does not spoil what a camera has read; drawn anew for any other, and after that time.
    pub(crate) fn authenticator_offer(
        &self,
        tx: &mut Tx<'_>,
        user: UserId,
        login: &str,
        place: &str,
    ) -> Result<AuthenticatorSecret, Error> {
        let now = tx.now();
        let secret = match row(tx, user)? {
            Some(Row { confirmed: Some(_), .. }) => return Err(Error::FactorThere),
            Some(pending) if pending.waits_for(place, now) => self.secret(tx, user, &pending)?,
            _ => self.authenticator_draw(tx, user, place)?,
        };
        let text = totp::base32(&secret);
        let label: String = form(login);
        let uri = format!(
            "otpauth://totp/Loudhailer:{label}?secret={text}&issuer=Loudhailer&algorithm=SHA1&digits=6&period=30"
        );
        Ok(AuthenticatorSecret { text: SecretString::from(text), uri: SecretString::from(uri) })
    }

    fn authenticator_draw(&self, tx: &mut Tx<'_>, user: UserId, place: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        // Keys that last are used under the lock that a rotation takes. Of two pages that were opened at once, both show what was
        // stored first.
        self.0.resources.lock(tx)?;
        let now = tx.now();
        if let Some(stored) = row(tx, user)?.filter(|row| row.waits_for(place, now)) {
            return self.secret(tx, user, &stored);
        }
        let secret: Zeroizing<[u8; totp::SECRET]> = Zeroizing::new(tx.context().random());
        let key = self.0.vault.data_key(tx, None, Purpose::Configuration, now)?;
        let sealed = key.seal(tx.context().chance(), &aad(&user.to_string()), &*secret);
        tx.execute("DELETE FROM authenticators WHERE user_id = $1 AND confirmed_at IS NULL", &params![user])?;
        tx.execute(
            "INSERT INTO authenticators (user_id, secret, last_step, created_at, drawn_for) VALUES ($1, $2, 0, $3, $4) \
             ON CONFLICT (user_id) DO NOTHING",
            &params![user, sealed, now, place],
        )?;
        // One that was put into use in between stands in the way.
        let stored = row(tx, user)?.filter(|row| row.waits_for(place, now)).ok_or(Error::FactorThere)?;
        self.secret(tx, user, &stored)
    }

    /// Puts an app into use with its first code.
    ///
    /// # Errors
    /// [`Error::PageTooOld`] when its secret waited for too long, or another session drew a newer one.
    pub(crate) fn authenticator_confirm(
        &self,
        tx: &mut Tx<'_>,
        user: UserId,
        code: &str,
        place: &str,
    ) -> Result<bool, Error> {
        let Some(pending) = row(tx, user)?.filter(|row| row.confirmed.is_none()) else { return Ok(false) };
        let now = tx.now();
        if !pending.waits_for(place, now) {
            return Err(Error::PageTooOld);
        }
        let secret = self.secret(tx, user, &pending)?;
        // A clock that is a little behind is no reason to fail here: nothing is guarded by it yet.
        let here = totp::step(now);
        let Some(step) = totp::matching(&secret, code, [here - 1, here]) else { return Ok(false) };
        let rows = tx.execute(
            "UPDATE authenticators SET confirmed_at = $2, last_step = $3 WHERE user_id = $1 AND confirmed_at IS NULL",
            &params![user, now, step],
        )?;
        Ok(rows == 1)
    }

    /// Whether a code is right, and new: its step is written down, so that it works once (ASVS 6.5.1).
    pub(crate) fn authenticator_check(
        &self,
        tx: &mut Tx<'_>,
        user: UserId,
        code: &SecretString,
    ) -> Result<bool, Error> {
        let Some(known) = row(tx, user)?.filter(|row| row.confirmed.is_some()) else { return Ok(false) };
        let here = totp::step(tx.now());
        let back = i64::from(resources::settings(tx)?.code_one_step_back);
        let secret = self.secret(tx, user, &known)?;
        let steps = (here - back..=here).filter(|step| *step > known.last_step);
        let Some(step) = totp::matching(&secret, code.expose_secret(), steps) else { return Ok(false) };
        // Of two tries at once with the same code, one changes the row.
        let rows = tx.execute(
            "UPDATE authenticators SET last_step = $2 WHERE user_id = $1 AND last_step < $2",
            &params![user, step],
        )?;
        Ok(rows == 1)
    }
}

/// Letters and digits as they are, all else as bytes: for the label of an `otpauth` address.
fn form(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&base::hex(&[byte]).to_uppercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_change_the_address_it_stands_in() {
        assert_eq!(form("ada@example.com"), "ada@example.com");
        assert_eq!(form("a&secret=b?ü"), "a%26secret%3Db%3F%C3%BC");
    }
}
