//! From a provider's word to a session: the account that the identity opens, or a new one; the roles of the groups; the audit.
//! Every protocol comes in here, with an [`Arrival`].

use std::time::Duration;

use access::{Actor, AuthMethod, Engine, OrganisationPermit, Principal, cap};
use base::{SecretString, Timestamp, UserId};
use identity::{Caller, Entered, Proven, Session};
use resources::{Change, Draft, Ground};
use store::Tx;

use crate::federation::Federation;
use crate::flight::Purpose;
use crate::{Assertion, Error, Provider, half, links, mapping, rows};

/// How far the clocks of two machines may be apart.
const LEEWAY: Duration = Duration::from_mins(1);

/// Somebody comes from a provider with its word, which the protocol's own means have proven.
#[derive(Debug)]
pub struct Arrival {
    /// The provider as it was when its word was checked.
    pub provider: Provider,
    /// Its word.
    pub said: Assertion,
    /// What they were sent there for. Who comes unasked, by a sign-on that the provider began, signs in.
    pub purpose: Purpose,
    /// When they were sent there. Who is to prove themselves must have done so since.
    pub began_at: Timestamp,
    /// Where they go on; empty when they said nothing.
    pub next: String,
    /// The session that the browser still has, with its token: it is replaced, or it is the one whose person links an identity or
    /// proves themselves.
    pub session: Option<(Session, SecretString)>,
}

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
    /// Somebody proved once more who they are.
    Proved {
        /// The token that takes the place of their session's.
        token: SecretString,
        /// Where they go on.
        next: String,
    },
}

/// Why a session begins, in the audit log.
pub(crate) fn reason(provider: &Provider) -> String {
    format!("single sign-on with {}", provider.name)
}

impl Federation {
    /// Ends a sign-on with what a provider said, whichever protocol it speaks: somebody is let in, links an identity, or proves
    /// themselves. A refusal is written down.
    ///
    /// # Errors
    /// When the provider was switched off meanwhile, nobody is known by the identity, or somebody else is signed in.
    pub(crate) async fn land(&self, arrival: Arrival, caller: &Caller) -> Result<Arrived, Error> {
        let (this, by, provider) = (self.clone(), caller.clone(), arrival.provider.clone());
        let arrival = std::sync::Arc::new(arrival);
        let landed = self
            .0
            .db
            .write(move |tx| tx.attempt(|tx| -> Result<Arrived, Error> { this.lands(tx, &arrival, &by) }))
            .await;
        match landed {
            Ok(arrived) => Ok(arrived),
            Err(error) => Err(self.refused(provider, error, caller).await),
        }
    }

    fn lands(&self, tx: &mut Tx<'_>, arrival: &Arrival, caller: &Caller) -> Result<Arrived, Error> {
        // Switched off while the person was there: its word counts no more.
        let of = rows::by_id(tx, arrival.provider.id)?
            .filter(|now| now.enabled && now.issuer == arrival.provider.issuer)
            .ok_or(Error::NoProvider)?;
        let (said, next) = (&arrival.said, arrival.next.clone());
        if said.proven_at.is_some_and(|at| at > tx.now().plus(LEEWAY)) {
            return Err(Error::Provider("it says that the person proved themselves at a time to come".to_owned()));
        }
        match (arrival.purpose, &arrival.session) {
            (Purpose::SignIn, session) => {
                let old = session.as_ref().map(|(_, token)| token);
                let entered = self.arrive(tx, &of, said, old, caller)?;
                Ok(Arrived::In { entered, next })
            }
            (Purpose::Link(user), Some((session, _))) if session.user == user => {
                link_own(tx, &of, said, session.grants.actor(), user)?;
                Ok(Arrived::Linked { next })
            }
            (Purpose::Prove(user), Some((session, token))) if session.user == user => {
                let known = links::find(tx, &of.issuer, &said.subject)?.ok_or(Error::OtherPerson)?;
                if known.user != user {
                    return Err(Error::OtherPerson);
                }
                // Silently passed through, or a provider that does not say when: no fresh proof.
                let at = said.proven_at.filter(|at| at.plus(LEEWAY) >= arrival.began_at).ok_or(Error::NotFresh)?;
                rows::went_well(tx, of.id)?;
                // A proof anew may be another session there: that is the one whose end is told.
                let by = said.vouched(of.id);
                let token = self.0.identity.step_up_vouched(tx, session, token, &by, at, of.trusted_factor)?;
                Ok(Arrived::Proved { token, next })
            }
            (Purpose::Link(_) | Purpose::Prove(_), _) => Err(Error::OtherPerson),
        }
    }

    /// Lets in whom a provider vouches for.
    fn arrive(
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
        self.settle(tx, &Actor::engine("federation"), user, &format!("groups of {}", provider.name))?;
        rows::went_well(tx, provider.id)?;
        let vouched = said.vouched(provider.id);
        let proven = Proven {
            user,
            auth: AuthMethod::SingleSignOn,
            strong: provider.trusted_factor,
            at: said.proven_at,
            vouched: &vouched,
            old,
            reason: &reason(provider),
        };
        let entered = self.0.identity.enter_proven(tx, &proven, caller)?;
        half::keep(tx, &entered, &vouched)?;
        Ok(entered)
    }

    /// Gives a person what all their identities give, and ends what they have open when that changes what they hold.
    pub(crate) fn settle(&self, tx: &mut Tx<'_>, actor: &Actor, user: UserId, why: &str) -> Result<(), Error> {
        if mapping::settle(tx, actor, user, why)? {
            // Also what this node remembers.
            self.0.identity.end_all(tx, user)?;
        }
        Ok(())
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
    actor: &Actor,
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
    actor: &Actor,
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
    Ok(note(tx, actor, "identity.link", ("user", &user.to_string()), provider)?)
}

/// Writes down what was done with a provider, to what: an account that got or lost an identity, or the provider's own keys. The
/// subject may be an address, so it is not written.
pub(crate) fn note(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: &'static str,
    (kind, id): (&'static str, &str),
    provider: &Provider,
) -> Result<(), audit::Error> {
    audit::record(
        tx,
        audit::Entry {
            actor,
            workspace: None,
            action,
            target: (kind, id),
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
