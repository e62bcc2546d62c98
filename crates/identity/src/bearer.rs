//! What a program shows as `Authorization: Bearer`: an API key, an administrator's token, an access token of
//! ours, or one of a configured issuer. Told apart by their
//! form, so each costs one look-up.

use access::Grants;
use base::{ExposeSecret, SecretString};

use crate::oauth_client::Audience;
use crate::{Caller, Error, Identity};

impl Identity {
    /// The grants of whatever credential of a program `token` is, at the doors of `audience`. One answer, `None`, for unknown,
    /// ended, elsewhere and meant for other doors.
    pub async fn by_bearer(
        &self,
        token: &SecretString,
        audience: Audience,
        caller: &Caller,
    ) -> Result<Option<Grants>, Error> {
        let text = token.expose_secret();
        match crypto::token::check(text) {
            Ok(crypto::token::Kind::Access) => self.by_access_token(text, audience, caller).await,
            // Three parts with dots between: no key of ours has one, but an imported key may.
            _ if text.bytes().filter(|byte| *byte == b'.').count() == 2 => {
                match self.by_issued_token(text, audience, caller).await? {
                    Some(grants) => Ok(Some(grants)),
                    None => self.by_api_key(token, caller).await,
                }
            }
            _ => self.by_api_key(token, caller).await,
        }
    }
}
