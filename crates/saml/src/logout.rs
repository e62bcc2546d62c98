//! Single log-out: what either side asks, and what the other answers. Everything must be signed.

use base::Timestamp;
use crypto::xmlsec::PublicKey;

use crate::c14n::escaped;
use crate::names::{ASSERTION, PROTOCOL, SUCCESS};
use crate::response::issued;
use crate::xml::{At, Document, Strictness};
use crate::{NameId, Posted, Refused, Signed, Way, signature, time};

/// Between whom a log-out goes, and where it has come to.
#[derive(Debug)]
pub struct Parties<'a> {
    /// Who must have sent it.
    pub issuer: &'a str,
    /// The certificates' keys that this issuer signs with.
    pub keys: &'a [PublicKey],
    /// Where it must have been sent to.
    pub here: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// A provider's request that somebody be signed out, proven.
#[derive(Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    /// Its identifier, which the answer names; it is good once.
    pub id: String,
    /// Until when it could be shown again.
    pub good_until: Timestamp,
    /// Who.
    pub subject: NameId,
    /// Which sessions; all of theirs when none is named.
    pub sessions: Vec<String>,
}

impl std::fmt::Debug for LogoutRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogoutRequest").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}

/// How long a request without an end of its own is good.
const LIFE: std::time::Duration = std::time::Duration::from_mins(5);

/// Reads a provider's request.
pub fn read_logout_request(posted: &Posted, parties: &Parties<'_>) -> Result<LogoutRequest, Refused> {
    if posted.way != Way::Request {
        return Err(Refused::Kind("log-out request"));
    }
    let document = Document::read(&posted.message, crate::MESSAGE_BYTES, Strictness::Message)?;
    let root = document.root();
    let issued_at = proven(&document, "LogoutRequest", posted.signed, parties)?;
    let end = root.attribute("NotOnOrAfter").map(time::read).transpose()?.unwrap_or(issued_at.plus(LIFE));
    time::lasts(end, parties.now)?;
    if root.one(ASSERTION, "EncryptedID")?.is_some() {
        return Err(Refused::Encryption("a name of its own (EncryptedID)"));
    }
    let name = root.one(ASSERTION, "NameID")?.ok_or(Refused::Subject("there is no NameID"))?;
    let sessions: Result<Vec<String>, Refused> =
        root.all(PROTOCOL, "SessionIndex").take(100).map(|index| Ok(index.text()?.to_owned())).collect();
    Ok(LogoutRequest {
        id: root.attribute("ID").unwrap_or_default().to_owned(),
        good_until: end.plus(time::SKEW),
        subject: NameId::read(name)?,
        sessions: sessions?,
    })
}

/// A provider's answer to our own request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutAnswer {
    /// The request that it answers; the caller knows whether it is one of ours.
    pub answers: String,
    /// Whether it says that all is over there.
    pub done: bool,
}

/// Reads a provider's answer to a request of ours.
pub fn read_logout_answer(posted: &Posted, parties: &Parties<'_>) -> Result<LogoutAnswer, Refused> {
    if posted.way != Way::Response {
        return Err(Refused::Kind("log-out answer"));
    }
    let document = Document::read(&posted.message, crate::MESSAGE_BYTES, Strictness::Message)?;
    let root = document.root();
    let issued_at = proven(&document, "LogoutResponse", posted.signed, parties)?;
    time::lasts(issued_at.plus(LIFE), parties.now)?;
    let answers = root.attribute("InResponseTo").ok_or(Refused::InResponseTo)?.to_owned();
    let status = root.one(PROTOCOL, "Status")?.ok_or(Refused::Structure("Status is missing"))?;
    let code = status.one(PROTOCOL, "StatusCode")?.ok_or(Refused::Structure("StatusCode is missing"))?;
    // Success with PartialLogout inside: somebody else is not signed out.
    let partly = code.one(PROTOCOL, "StatusCode")?.is_some();
    Ok(LogoutAnswer { answers, done: code.attribute("Value") == Some(SUCCESS) && !partly })
}

/// That a message of this kind is signed, by whom it must be, sent here, and when.
fn proven(
    document: &Document,
    kind: &'static str,
    signed: Signed,
    parties: &Parties<'_>,
) -> Result<Timestamp, Refused> {
    let root: At<'_> = document.root();
    if !root.is(PROTOCOL, kind) || root.attribute("Version") != Some("2.0") {
        return Err(Refused::Kind("log-out message"));
    }
    let id = root.attribute("ID").unwrap_or_default();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.:".contains(letter);
    if !(1..=256).contains(&id.len()) || !id.chars().all(plain) {
        return Err(Refused::Structure("an identifier is missing or odd"));
    }
    signature::only_in(document, &[root.index])?;
    let inside = signature::verify(root, parties.keys)?;
    if !inside && signed != Signed::Around {
        return Err(Refused::UnsignedMessage);
    }
    issued(root.one(ASSERTION, "Issuer")?.ok_or(Refused::Issuer)?, parties.issuer)?;
    if root.attribute("Destination") != Some(parties.here) {
        return Err(Refused::Destination);
    }
    let at = time::read(root.attribute("IssueInstant").ok_or(Refused::Structure("IssueInstant is missing"))?)?;
    time::begun(at, parties.now)?;
    Ok(at)
}

/// Whom we ask a provider to sign out.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The identifier of the request.
    pub id: &'a str,
    /// Who asks.
    pub us: &'a str,
    /// Where it goes.
    pub to: &'a str,
    /// Who.
    pub subject: &'a NameId,
    /// Which session there.
    pub session: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// Our request, not yet signed.
pub fn ask_logout(asked: &Asked<'_>) -> String {
    let attribute = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!(" {name}=\"{}\"", escaped(value))).unwrap_or_default()
    };
    let name = asked.subject;
    let session = asked.session.map(|index| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", escaped(index)));
    format!(
        "<samlp:LogoutRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" \
         Destination=\"{}\" NotOnOrAfter=\"{}\" Reason=\"urn:oasis:names:tc:SAML:2.0:logout:user\"><saml:Issuer>{}</saml:Issuer>\
         <saml:NameID{}{}{}>{}</saml:NameID>{}</samlp:LogoutRequest>",
        escaped(asked.id),
        time::written(asked.now),
        escaped(asked.to),
        time::written(asked.now.plus(LIFE)),
        escaped(asked.us),
        attribute("NameQualifier", &name.qualifier),
        attribute("SPNameQualifier", &name.for_us),
        attribute("Format", &name.format),
        escaped(&name.value),
        session.unwrap_or_default(),
    )
}

/// Our answer to a provider's request `asked`, not yet signed: everything is over here.
pub fn answer_logout(id: &str, asked: &str, us: &str, to: &str, now: Timestamp) -> String {
    format!(
        "<samlp:LogoutResponse xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" \
         Destination=\"{}\" InResponseTo=\"{}\"><saml:Issuer>{}</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"{SUCCESS}\">\
         </samlp:StatusCode></samlp:Status></samlp:LogoutResponse>",
        escaped(id),
        time::written(now),
        escaped(to),
        escaped(asked),
        escaped(us),
    )
}
