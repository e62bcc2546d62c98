//! Identities that a directory links: it says of a person whom it keeps here who they are to a provider. The link is by the
//! provider's subject, never by an address, and the directory says it only of people of its own.

use base::{ResourceId, UserId};
use store::Tx;

use crate::{links, rows};

/// Who linked it.
const ORIGIN: &str = "provisioned";

/// What came of linking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// The identity opens the account.
    Done,
    /// It opens another account.
    Elsewhere,
    /// There is no such provider.
    NoProvider,
    /// The account has as many identities as one may have.
    TooMany,
}

/// Links an identity of a provider with the account of somebody whom a directory keeps.
pub fn link_provisioned(
    tx: &mut Tx<'_>,
    provider: ResourceId,
    subject: &str,
    user: UserId,
) -> Result<Linked, store::Error> {
    let Some(provider) = rows::by_id(tx, provider)? else { return Ok(Linked::NoProvider) };
    links::forget_removed(tx, &provider.issuer, subject)?;
    if let Some(known) = links::find(tx, &provider.issuer, subject)? {
        return Ok(if known.user == user { Linked::Done } else { Linked::Elsewhere });
    }
    if links::of(tx, user)?.len() >= links::PER_PERSON {
        return Ok(Linked::TooMany);
    }
    links::put(tx, &provider, subject, user, ORIGIN)?;
    Ok(Linked::Done)
}

/// Takes away an identity that a directory linked, when it says another one now; whether there was one. What its groups gave
/// goes with the next sign-on, or with the person's other sources.
pub fn unlink_provisioned(
    tx: &mut Tx<'_>,
    provider: ResourceId,
    subject: &str,
    user: UserId,
) -> Result<bool, store::Error> {
    let Some(provider) = rows::by_id(tx, provider)? else { return Ok(false) };
    match links::find(tx, &provider.issuer, subject)? {
        Some(known) if known.user == user && known.origin == ORIGIN => {
            links::remove(tx, &provider.issuer, subject, user)
        }
        _ => Ok(false),
    }
}
