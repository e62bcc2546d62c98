//! Who a directory's people are to the provider of their source: the one place that links and unlinks them.

use access::Actor;
use base::{ResourceId, UserId};
use federation::{Linked, link_provisioned, unlink_provisioned};
use store::{Tx, params};

use crate::Error;
use crate::rows::Source;

/// The attribute that is a person's subject at the provider.
pub(crate) fn subject<'a>(source: &Source, user_name: &'a str, external_id: Option<&'a str>) -> Option<&'a str> {
    match source.subject.as_str() {
        "user_name" => Some(user_name),
        _ => external_id,
    }
}

/// Links a person with an identity of the provider.
pub(crate) fn give(
    tx: &mut Tx<'_>,
    actor: &Actor,
    provider: ResourceId,
    subject: &str,
    user: UserId,
) -> Result<Linked, Error> {
    Ok(link_provisioned(tx, actor, provider, subject, user)?)
}

/// Takes the identity away that was linked.
pub(crate) fn take(
    tx: &mut Tx<'_>,
    actor: &Actor,
    provider: ResourceId,
    subject: &str,
    user: UserId,
) -> Result<(), Error> {
    unlink_provisioned(tx, actor, provider, subject, user)?;
    Ok(())
}

/// The people of a source are somebody else to its provider from now on: another provider, or another attribute. What was linked
/// opens nothing any more, and whoever was known by it signs in again. Where the new identity is another account's already, or
/// one cannot be told, the person stays without a link, as the directory's page shows.
pub(crate) fn again(tx: &mut Tx<'_>, actor: &Actor, old: &Source, new: &Source) -> Result<(), Error> {
    if old.provider == new.provider && old.subject == new.subject {
        return Ok(());
    }
    let people = tx.query(
        "SELECT p.user_id, p.user_name, p.external_id, p.subject FROM provisioned_people p JOIN users u ON u.id = p.user_id \
         WHERE p.source = $1 AND u.removed_at IS NULL ORDER BY p.user_id",
        &params![new.id],
        |row| {
            Ok((
                row.get::<UserId>("user_id")?,
                row.get::<String>("user_name")?,
                row.get::<Option<String>>("external_id")?,
                row.get::<Option<String>>("subject")?,
            ))
        },
    )?;
    // Everybody's old link goes before anybody's new one comes: one person's new subject may be another's old one.
    for (user, _, _, linked) in &people {
        if let (Some(provider), Some(linked)) = (old.provider, linked) {
            take(tx, actor, provider, linked, *user)?;
            identity::end_everything_of(tx, *user)?;
        }
    }
    for (user, user_name, external_id, _) in &people {
        let wanted = new.provider.zip(subject(new, user_name, external_id.as_deref()));
        let linked = match wanted {
            Some((provider, subject)) if !identity::is_break_glass(tx, *user)? => {
                (give(tx, actor, provider, subject, *user)? == Linked::Done).then_some(subject)
            }
            _ => None,
        };
        tx.execute("UPDATE provisioned_people SET subject = $2 WHERE user_id = $1", &params![*user, linked])?;
    }
    Ok(())
}
