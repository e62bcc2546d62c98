//! From a provider's word to a session: the account that the identity opens, or a new one; the roles of the groups; the audit.

use access::{AuthMethod, Engine, OrganisationPermit, Principal, cap};
use base::{SecretString, UserId};
use identity::{Caller, Entered};
use resources::{Change, Draft, Ground};
use store::Tx;

use crate::federation::Federation;
use crate::{Assertion, Error, Provider, links, mapping, rows};

/// What came of a sign-on.
#[derive(Clone, Debug)]
pub enum Arrived {
    /// Somebody is in.
    In {
        /// The session, or half the way to one where a second factor is wanted.
        entered: Entered,
        /// Where they go on; empty when they said nothing.
        next: String,
    },
    /// An identity was linked with the account of whoever began it.
    Linked {
        /// Where they go on.
        next: String,
    },
}

/// Why a session begins, in the audit log.
pub(crate) fn reason(provider: &Provider) -> String {
    format!("single sign-on with {}", provider.name)
}

impl Federation {
    /// Lets in whom a provider vouches for.
    pub(crate) fn arrive(
        &self,
        tx: &mut Tx<'_>,
        provider: &Provider,
        said: &Assertion,
        old: Option<&SecretString>,
        caller: &Caller,
    ) -> Result<Entered, Error> {
        let user = match links::find(tx, &provider.issuer, &said.subject)? {
            Some(linked) => linked.user,
            None => self.provision(tx, provider, said)?,
        };
        if !identity::is_enabled(tx, user)? {
            return Err(Error::SwitchedOff);
        }
        links::used(tx, &provider.issuer, &said.subject, &said.groups)?;
        let now = tx.now();
        let before = access::roles_of(tx, user)?;
        if mapping::apply(tx, provider.id, user, &said.groups, now)? {
            // Other roles, other session: those of before end.
            self.0.identity.end_all(tx, user)?;
            let held = access::roles_of(tx, user)?;
            let list = |roles: &[access::Held]| roles.iter().map(words).collect::<Vec<_>>();
            audit::record(
                tx,
                audit::Entry {
                    actor: &access::Actor::engine("federation"),
                    workspace: None,
                    action: "user.roles_mapped",
                    target: ("user", &user.to_string()),
                    outcome: audit::Outcome::Success,
                    reason: Some(&format!("groups of {}", provider.name)),
                    changes: Some(serde_json::json!({ "from": list(&before), "to": list(&held) })),
                },
            )?;
        }
        rows::went_well(tx, provider.id)?;
        let entered = self.0.identity.enter_proven(
            tx,
            user,
            AuthMethod::SingleSignOn,
            provider.trusted_factor,
            old,
            &reason(provider),
            caller,
        )?;
        Ok(entered)
    }

    /// An account for somebody who has none, if the provider's settings make one. Never one of an address that is taken: that
    /// would be linking by address.
    fn provision(&self, tx: &mut Tx<'_>, provider: &Provider, said: &Assertion) -> Result<UserId, Error> {
        let wanted = match provider.accounts.as_str() {
            "everyone" => true,
            "mapped" => !mapping::roles(&mapping::of(tx, provider.id)?, &said.groups).is_empty(),
            _ => false,
        };
        if !wanted {
            return Err(Error::NoAccount { label: provider.label.clone(), subject: said.subject.clone() });
        }
        let login = said.address.as_deref().ok_or(Error::Incomplete("e-mail address"))?;
        if identity::login_taken(tx, login)? {
            return Err(Error::AddressTaken);
        }
        let name = said.name.as_deref().unwrap_or(login);
        let mut body = serde_json::json!({ "name": name, "login": login });
        if let Some(zone) = said.time_zone.as_deref().filter(|zone| identity::is_time_zone(zone)) {
            body["time_zone"] = serde_json::json!(zone);
        }
        let permit = OrganisationPermit::<cap::PeopleWrite>::engine(Engine("federation"));
        let clearance = self.0.resources.clear(tx, &permit, None, &Ground::None)?;
        let why = format!("first {}", reason(provider));
        let change = Change {
            kind: "users",
            workspace: None,
            body: Draft::new(body),
            reason: Some(&why),
            clearance: &clearance,
        };
        let written = match self.0.resources.put(tx, &permit, change) {
            Ok(written) => written,
            // What the provider says is no address, or no name.
            Err(resources::Error::Invalid(_)) => return Err(Error::Incomplete("name or e-mail address")),
            Err(error) => return Err(error.into()),
        };
        let user = UserId::from(written.id.uuid());
        links::put(tx, provider, &said.subject, user, "provisioned")?;
        Ok(user)
    }
}

/// Links an identity with the account of whoever is signed in and began it.
pub(crate) fn link_own(
    tx: &mut Tx<'_>,
    provider: &Provider,
    said: &Assertion,
    actor: &access::Actor,
    user: UserId,
) -> Result<(), Error> {
    link(tx, provider, &said.subject, user, "person", actor)?;
    // Its groups count from the next sign-on with it: nobody's rights change under an open session.
    rows::went_well(tx, provider.id)?;
    Ok(())
}

/// Links an identity with an account, and writes down who did.
pub(crate) fn link(
    tx: &mut Tx<'_>,
    provider: &Provider,
    subject: &str,
    user: UserId,
    origin: &str,
    actor: &access::Actor,
) -> Result<(), Error> {
    // Who was removed here does not come back by signing on again; linking them is somebody's act.
    links::forget_removed(tx, &provider.issuer, subject)?;
    if links::of(tx, user)?.len() >= links::PER_PERSON {
        return Err(Error::TooMany);
    }
    if !links::put(tx, provider, subject, user, origin)? {
        return match links::find(tx, &provider.issuer, subject)? {
            Some(linked) if linked.user == user => Ok(()),
            _ => Err(Error::LinkedElsewhere),
        };
    }
    note(tx, actor, "identity.link", user, provider)
}

/// Writes down that an account got or lost an identity. The subject may be an address, so it is not written.
pub(crate) fn note(
    tx: &mut Tx<'_>,
    actor: &access::Actor,
    action: &'static str,
    user: UserId,
    provider: &Provider,
) -> Result<(), Error> {
    audit::record(
        tx,
        audit::Entry {
            actor,
            workspace: None,
            action,
            target: ("user", &user.to_string()),
            outcome: audit::Outcome::Success,
            reason: None,
            changes: Some(serde_json::json!({ "provider": provider.name })),
        },
    )?;
    Ok(())
}

/// Writes down that somebody came from a provider and was not let in. `theirs` says that the provider or its settings failed.
pub(crate) fn note_refused(
    tx: &mut Tx<'_>,
    provider: &Provider,
    why: &str,
    theirs: bool,
    caller: &Caller,
) -> Result<(), Error> {
    if theirs {
        rows::went_wrong(tx, provider.id, why)?;
    }
    audit::record(
        tx,
        audit::Entry {
            actor: &caller.actor(Principal::Anonymous, AuthMethod::SingleSignOn),
            workspace: None,
            action: "session.start",
            target: ("identity_provider", &provider.id.to_string()),
            outcome: audit::Outcome::Failure,
            reason: Some(&format!("{}: {why}", reason(provider))),
            changes: None,
        },
    )?;
    Ok(())
}

fn words(held: &access::Held) -> String {
    match held.scope {
        access::Scope::Organisation => held.role.name().to_owned(),
        access::Scope::Workspace(id) => format!("{} in {id}", held.role.name()),
    }
}
