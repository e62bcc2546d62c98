//! Identities that a directory links: it says of a person whom it keeps here who they are to a provider. The link is by the
//! provider's subject, never by an address, and the directory says it only of people of its own.

use access::Actor;
use base::{Problem, ProblemKind, ResourceId, UserId};
use store::Tx;

use crate::{arrive, links, mapping, rows};

/// Who linked it. Accounts that are made at somebody's first sign-on have another origin: no directory keeps those.
const ORIGIN: &str = "directory";

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

/// Links an identity of a provider with the account of somebody whom a directory keeps. `actor` is the directory.
///
/// # Errors
/// When the subject can be nobody's.
pub fn link_provisioned(
    tx: &mut Tx<'_>,
    actor: &Actor,
    provider: ResourceId,
    subject: &str,
    user: UserId,
) -> Result<Linked, identity::Error> {
    let Some(provider) = rows::by_id(tx, provider)? else { return Ok(Linked::NoProvider) };
    if !links::is_subject(subject) {
        return Err(identity::Error::Invalid(Box::new(Problem::new(
            ProblemKind::Invalid,
            "bad-subject",
            "Who somebody is to the identity provider has 1 to 255 characters, exactly as the provider writes it.",
        ))));
    }
    links::forget_removed(tx, &provider.issuer, subject)?;
    if let Some(known) = links::find(tx, &provider.issuer, subject)? {
        return Ok(if known.user == user { Linked::Done } else { Linked::Elsewhere });
    }
    if links::of(tx, user)?.len() >= links::PER_PERSON {
        return Ok(Linked::TooMany);
    }
    links::put(tx, &provider, subject, user, ORIGIN)?;
    arrive::note(tx, actor, "identity.link", ("user", &user.to_string()), &provider)?;
    Ok(Linked::Done)
}

/// Takes away an identity that a directory linked, when it says another one now; whether there was one. What its groups gave
/// goes with it.
pub fn unlink_provisioned(
    tx: &mut Tx<'_>,
    actor: &Actor,
    provider: ResourceId,
    subject: &str,
    user: UserId,
) -> Result<bool, identity::Error> {
    let Some(provider) = rows::by_id(tx, provider)? else { return Ok(false) };
    let known = links::find(tx, &provider.issuer, subject)?;
    if !known.is_some_and(|known| known.user == user && known.origin == ORIGIN) {
        return Ok(false);
    }
    links::remove(tx, &provider, subject, user)?;
    arrive::note(tx, actor, "identity.unlink", ("user", &user.to_string()), &provider)?;
    mapping::settle(tx, actor, user, &format!("an identity of {} was removed", provider.name))?;
    Ok(true)
}
