//! Single log-out by the browser (front channel), whichever side begins. There is no other binding: SOAP would need a door that
//! providers reach without a browser.

use std::time::Duration;

use base::{ExposeSecret, Timestamp};
use identity::{Caller, EndedThere, Vouched};
use saml::{Asked, Facts, LogoutAnswer, LogoutRequest, NameId, Parties, Posted, Refused, Sent, Signed, Way};
use store::{Tx, params};

use super::Addresses;
use super::state::{self, Known};
use crate::federation::Federation;
use crate::logout::{Onward, THEIRS, note_refused};
use crate::{Error, Provider};

/// How long an answer to our own request counts.
const LIFE: Duration = Duration::from_mins(10);

/// How a log-out message came.
#[derive(Clone, Copy, Debug)]
pub enum Came<'a> {
    /// In the address: its query as it stands there.
    Query(&'a str),
    /// In a form.
    Form(&'a [u8]),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// The provider asked. So many sessions ended here, and the browser brings it our answer, if it takes one.
    Here {
        /// How many ended.
        ended: u64,
        /// The answer.
        answer: Option<Sent>,
    },
    /// The provider answered our request; whether everything is over there.
    There {
        /// Whether everything is.
        done: bool,
    },
}

/// What a message says that is believed.
enum Said {
    Request(LogoutRequest),
    Answer(LogoutAnswer),
}

/// Proves a message by what is known of its provider; with what it wants to have back.
fn read(
    came: Came<'_>,
    provider: &Provider,
    facts: &Facts,
    at: &Addresses,
    now: Timestamp,
) -> Result<(Option<String>, Said), Refused> {
    let keys = facts.keys();
    let posted = match came {
        Came::Query(query) => Posted::query(query, &keys)?,
        Came::Form(body) => Posted::form(body)?,
    };
    let parties = Parties { issuer: &provider.issuer, keys: &keys, here: &at.slo, now };
    let said = match posted.way {
        Way::Response => Said::Answer(saml::read_logout_answer(&posted, &parties)?),
        Way::Request if posted.signed == Signed::Nowhere => return Err(Refused::UnsignedMessage),
        Way::Request => Said::Request(saml::read_logout_request(&posted, &parties)?),
    };
    Ok((posted.relay, said))
}

impl Federation {
    /// Where the person of a session signs out at a provider that speaks SAML; nothing when it takes no log-outs.
    pub(crate) async fn saml_onward(
        &self,
        provider: &Provider,
        vouched: &Vouched,
        public_url: &str,
    ) -> Result<Option<Onward>, Error> {
        let Ok((provider, known)) = self.saml_provider(&provider.name).await else { return Ok(None) };
        let Some(to) = known.facts.as_ref().and_then(|facts| facts.sign_out.first()) else { return Ok(None) };
        // What was kept under the session's token; where nothing was, who they are is all there is.
        let kept = vouched.hint.as_ref().and_then(|hint| serde_json::from_str::<NameId>(hint.expose_secret()).ok());
        let subject = match kept {
            Some(subject) => subject,
            None if known.settings.subject_attribute.is_none() => {
                NameId { value: vouched.subject.clone(), format: None, qualifier: None, for_us: None }
            }
            None => return Ok(None),
        };
        let keys = self.saml_keys_of(&provider, public_url).await?;
        let at = Addresses::of(public_url, &provider.name);
        let id = provider.id;
        let (asked, now) = self
            .0
            .db
            .write(move |tx| -> Result<_, Error> {
                let asked = format!("_{}", base::hex(&tx.context().random::<20>()));
                let now = tx.now();
                state::once(tx, id, "asked", &asked, now.plus(LIFE))?;
                Ok((asked, now))
            })
            .await?;
        let session = Some(vouched.session.as_str()).filter(|session| !session.is_empty());
        let about = Asked { id: &asked, us: &at.entity_id, to: &to.url, subject: &subject, session, now };
        let text = saml::ask_logout(&about);
        let sent = Sent::new(to.binding, Way::Request, &to.url, &text, &asked, None, keys.current()?)?;
        Ok(Some(match sent {
            Sent::Redirect(location) => Onward { label: provider.label, location, fields: Vec::new() },
            Sent::Post { to, fields } => Onward { label: provider.label, location: to, fields },
        }))
    }

    /// Takes what a provider sends to the address for log-outs: its request that somebody be signed out, or its answer to ours. A
    /// refusal is written down.
    pub async fn saml_leave(
        &self,
        name: &str,
        came: Came<'_>,
        public_url: &str,
        caller: &Caller,
    ) -> Result<Left, Error> {
        self.0.identity.logout_door(caller)?;
        let (provider, known) = self.saml_provider(name).await?;
        let left = self.left(&provider, &known, came, public_url, caller).await;
        if matches!(left, Err(Error::Saml(_) | Error::Provider(_))) {
            self.0.identity.logout_refused(caller);
        }
        if let Err(error @ Error::Saml(_)) = &left {
            let (by, why) = (caller.clone(), error.to_string());
            self.0.db.write(move |tx| note_refused(tx, &provider, &why, &by)).await?;
        }
        left
    }

    async fn left(
        &self,
        provider: &Provider,
        known: &Known,
        came: Came<'_>,
        public_url: &str,
        caller: &Caller,
    ) -> Result<Left, Error> {
        let facts = self.saml_facts(provider, known).await?;
        let (now, at) = (self.0.db.context().now(), Addresses::of(public_url, &provider.name));
        let (facts, (relay, said)) = match read(came, provider, &facts, &at, now) {
            // Its certificate may have changed since its metadata was fetched. An address shows no certificate, only a signature.
            Err(refused @ (Refused::Signature | Refused::Stranger)) => {
                let newer = self.saml_newer(provider, known).await?.ok_or(refused)?;
                let said = read(came, provider, &newer, &at, now)?;
                (newer, said)
            }
            said => (facts, said?),
        };
        let asked = match said {
            Said::Answer(answer) => return self.answered_leave(provider, answer).await,
            Said::Request(asked) => std::sync::Arc::new(asked),
        };
        let (this, of, by, named) =
            (self.clone(), provider.clone(), caller.clone(), known.settings.subject_attribute.is_some());
        let request = std::sync::Arc::clone(&asked);
        let ended = self.0.db.write(move |tx| tx.attempt(|tx| this.leave(tx, &of, &request, named, &by))).await?;
        let Some(to) = facts.sign_out.first() else { return Ok(Left::Here { ended, answer: None }) };
        let url = to.answers.as_deref().unwrap_or(&to.url);
        let ours = self.saml_keys_of(provider, public_url).await?;
        let id = format!("_{}", base::hex(&self.0.db.context().random::<20>()));
        let text = saml::answer_logout(&id, &asked.id, &at.entity_id, url, now);
        let relay = relay.as_deref().filter(|relay| relay.len() <= 1_024);
        let answer = Sent::new(to.binding, Way::Response, url, &text, &id, relay, ours.current()?)?;
        Ok(Left::Here { ended, answer: Some(answer) })
    }

    async fn answered_leave(&self, provider: &Provider, answer: LogoutAnswer) -> Result<Left, Error> {
        let (id, done) = (provider.id, answer.done);
        let ours = self.0.db.write(move |tx| state::take(tx, id, "asked", &answer.answers)).await?;
        if ours { Ok(Left::There { done }) } else { Err(Refused::InResponseTo.into()) }
    }

    /// Ends the sessions that a proven request names.
    fn leave(
        &self,
        tx: &mut Tx<'_>,
        provider: &Provider,
        asked: &LogoutRequest,
        named: bool,
        caller: &Caller,
    ) -> Result<u64, Error> {
        if !state::once(tx, provider.id, "logout", &asked.id, asked.good_until)? {
            return Err(Refused::Replayed.into());
        }
        let subject = if named {
            tx.query_opt(
                "SELECT subject FROM saml_names WHERE provider = $1 AND name_hash = $2",
                &params![provider.id, crypto::sha256(asked.subject.value.as_bytes()).to_vec()],
                |row| row.get::<String>("subject"),
            )?
        } else {
            Some(asked.subject.value.clone())
        };
        let actor = caller.actor(access::Principal::Anonymous, access::AuthMethod::SingleSignOn);
        let mut ended = 0;
        let sessions: Vec<Option<&str>> = match asked.sessions.as_slice() {
            [] => vec![None],
            some => some.iter().map(|session| Some(session.as_str())).collect(),
        };
        for session in sessions {
            let which = EndedThere { provider: provider.id, subject: subject.as_deref(), session };
            ended += self.0.identity.end_vouched(tx, which, &actor, THEIRS)?;
        }
        audit::record(
            tx,
            audit::Entry {
                actor: &actor,
                workspace: None,
                action: "session.end_there",
                target: ("identity_provider", &provider.id.to_string()),
                outcome: audit::Outcome::Success,
                reason: Some(&format!("log-out at {}", provider.name)),
                changes: Some(serde_json::json!({ "sessions": ended })),
            },
        )?;
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use base::SecretString;

    use super::*;

    #[test]
    fn a_name_is_kept_as_a_hint_and_read_back() {
        let name = NameId { value: "bea".into(), format: Some("f".into()), qualifier: None, for_us: Some("us".into()) };
        let hint = SecretString::from(serde_json::to_string(&name).unwrap());
        assert_eq!(serde_json::from_str::<NameId>(hint.expose_secret()).unwrap(), name);
        assert!(serde_json::from_str::<NameId>("eyJhbGciOi").is_err());
    }
}
