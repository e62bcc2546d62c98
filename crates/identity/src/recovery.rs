//! Recovery codes: ten texts of 120 random bits, each good once, for the day on which phone and key are lost. The store has
//! their hashes alone.

use base::{ExposeSecret, SecretString, UserId};
use store::{Tx, params};
use zeroize::Zeroizing;

use crate::Error;

/// Codes drawn at a time.
const COUNT: usize = 10;
/// Characters of one, in base32: five bits each.
const LENGTH: usize = 24;

/// What is hashed: letters and digits alone, however they were typed.
fn plain(code: &str) -> Option<Zeroizing<String>> {
    let plain: Zeroizing<String> = Zeroizing::new(
        code.chars()
            .filter(|letter| !letter.is_whitespace() && *letter != '-')
            .take(LENGTH + 1)
            .collect::<String>()
            .to_uppercase(),
    );
    let fits = plain.len() == LENGTH && plain.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    fits.then_some(plain)
}

fn hash(plain: &str) -> Vec<u8> {
    crypto::sha256(format!("recovery code\0{plain}").as_bytes()).to_vec()
}

/// Draws ten codes in place of those before. They are shown once.
pub(crate) fn draw(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<SecretString>, Error> {
    forget(tx, user)?;
    let (context, now) = (tx.context().clone(), tx.now());
    let mut codes = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let bits: Zeroizing<[u8; 15]> = Zeroizing::new(context.random());
        let text = Zeroizing::new(crypto::totp::base32(&*bits));
        tx.execute(
            "INSERT INTO recovery_codes (user_id, code_hash, created_at) VALUES ($1, $2, $3)",
            &params![user, hash(&text), now],
        )?;
        let groups: Vec<&str> = (0..LENGTH).step_by(4).map(|at| &text[at..at + 4]).collect();
        codes.push(SecretString::from(groups.join("-")));
    }
    Ok(codes)
}

/// Uses a code up.
pub(crate) fn redeem(tx: &mut Tx<'_>, user: UserId, code: &SecretString) -> Result<bool, Error> {
    let Some(plain) = plain(code.expose_secret()) else { return Ok(false) };
    let now = tx.now();
    let rows = tx.execute(
        "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL",
        &params![user, hash(&plain), now],
    )?;
    Ok(rows == 1)
}

/// How many are left.
pub(crate) fn left(tx: &mut Tx<'_>, user: UserId) -> Result<u32, store::Error> {
    tx.query_one(
        "SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL",
        &params![user],
        |row| row.get("n"),
    )
}

/// Whether all of these are codes of the person that still work: for handing them out as a file.
pub(crate) fn are_all(tx: &mut Tx<'_>, user: UserId, codes: &[&str]) -> Result<bool, Error> {
    if codes.is_empty() || codes.len() > COUNT {
        return Ok(false);
    }
    for code in codes {
        let Some(plain) = plain(code) else { return Ok(false) };
        let found = tx.query_opt(
            "SELECT 1 AS found FROM recovery_codes WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL",
            &params![user, hash(&plain)],
            |row| row.get::<i64>("found"),
        )?;
        if found.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes all codes away.
pub(crate) fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), store::Error> {
    tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", &params![user])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let written = "ABCD-EFGH-IJKL-MNOP-QRST-UVWX";
        for typed in [written, "abcdefghijklmnopqrstuvwx", " ABCD EFGH IJKL MNOP QRST UVWX "] {
            assert_eq!(plain(typed).unwrap().as_str(), "ABCDEFGHIJKLMNOPQRSTUVWX");
        }
        for other in ["", "123456", "ABCD-EFGH-IJKL-MNOP-QRST-UVW1", &format!("{written}A")] {
            assert!(plain(other).is_none(), "{other}");
        }
    }
}
