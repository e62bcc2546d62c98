//! A sign-on that stops half way, before the second factor. What its provider said waits with it: the session that it becomes can
//! sign out there with it, and so can who gives the way up.

use base::{ExposeSecret, SecretString};
use identity::{Entered, HINT, Kept, Vouched};
use store::Tx;

use crate::Error;
use crate::federation::Federation;
use crate::logout::Onward;
use crate::parked::{self, Sort};

/// Lays a provider's word down beside the way of somebody who is not in yet, as long as that lasts.
pub(crate) fn keep(tx: &mut Tx<'_>, entered: &Entered, vouched: &Vouched) -> Result<(), Error> {
    let hint = vouched.hint.as_ref().filter(|hint| hint.expose_secret().len() <= HINT);
    let (Entered::Half(half), Some(hint)) = (entered, hint) else { return Ok(()) };
    parked::lay(tx, Sort::Hint, &half.token, vouched.provider, &hint.expose_secret(), half.expires_at)
}

fn hint(tx: &mut Tx<'_>, half: &SecretString) -> Result<Option<SecretString>, Error> {
    Ok(parked::take::<String>(tx, Sort::Hint, half, None)?.map(SecretString::from))
}

impl Federation {
    /// What waits beside the way of somebody half way: taken when the way ends, in the same transaction.
    pub fn kept(&self, half: &SecretString) -> Kept {
        let half = half.clone();
        Kept::by(move |tx| {
            // A word that does not open is none: the person comes in without it.
            hint(tx, &half).or_else(|error| match error {
                Error::Store(error) => Err(error),
                _ => Ok(None),
            })
        })
    }

    /// Gives the way up; where the person signs out at the provider that vouched for them, if one did.
    pub async fn give_up(&self, half: &SecretString, public_url: &str) -> Result<Option<Onward>, Error> {
        let (identity, kept, half) = (self.0.identity.clone(), self.kept(half), half.clone());
        match self.0.db.write(move |tx| identity.give_up(tx, &half, &kept)).await? {
            Some(vouched) => self.sign_out_at(&vouched, public_url).await,
            None => Ok(None),
        }
    }
}
