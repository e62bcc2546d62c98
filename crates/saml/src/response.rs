//! A provider's answer: who has signed it, whom it is for, and what it says. Everything is read from the node that a signature
//! covers.

use base::Timestamp;
use crypto::xmlsec::{OwnKey, PublicKey};

use crate::assertion::attributes;
use crate::names::{ASSERTION, BEARER, DSIG, ENTITY, PROTOCOL, SUCCESS, XSI};
use crate::xml::{At, Document, Strictness};
use crate::{Assertion, NameId, Refused, encrypted, signature, time};

/// What an answer must be.
#[derive(Debug)]
pub struct Expected<'a> {
    /// Who must have made it.
    pub issuer: &'a str,
    /// The certificates' keys that this issuer signs with.
    pub keys: &'a [PublicKey],
    /// Who we are: its audience.
    pub us: &'a str,
    /// Where it must have been sent to.
    pub acs: &'a str,
    /// Our keys, to open what is encrypted.
    pub ours: &'a [OwnKey],
    /// The request that this browser made, if it made one.
    pub request: Option<&'a str>,
    /// Whether an answer may come that nobody asked for.
    pub unsolicited: bool,
    /// Whether the assertion must be encrypted.
    pub encrypted: bool,
    /// Now.
    pub now: Timestamp,
}

/// Reads an answer, unpacked from what the browser posted.
pub fn response(message: &[u8], expected: &Expected<'_>) -> Result<Assertion, Refused> {
    let document = Document::read(message, crate::MESSAGE_BYTES, Strictness::Message)?;
    let root = document.root();
    if !root.is(PROTOCOL, "Response") || root.attribute("Version") != Some("2.0") {
        return Err(Refused::Kind("response"));
    }
    identified(root)?;
    let (found, is_encrypted) = the_one(&document)?;
    let places = if is_encrypted { vec![root.index] } else { vec![root.index, found.index] };
    signature::only_in(&document, &places)?;
    let whole = signature::verify(root, expected.keys)?;
    status(root)?;
    addressed(root, whole, expected)?;
    if !is_encrypted {
        if expected.encrypted {
            return Err(Refused::NotEncrypted);
        }
        return proven(found, root, whole, expected);
    }
    let inner = encrypted::opened(found, expected.ours, whole)?;
    inner.identifiers(Some(&document))?;
    let assertion = inner.root();
    let others = inner.elements().skip(1).any(|at| is_assertion(at));
    if !assertion.is(ASSERTION, "Assertion") || others {
        return Err(Refused::Structure("something else than an assertion was encrypted"));
    }
    signature::only_in(&inner, &[assertion.index])?;
    proven(assertion, root, whole, expected)
}

fn identified(at: At<'_>) -> Result<&str, Refused> {
    let plain = |id: &&str| {
        (1..=256).contains(&id.len())
            && id.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-.:".contains(letter))
    };
    at.attribute("ID").filter(plain).ok_or(Refused::Structure("an identifier is missing or odd"))
}

fn is_assertion(at: At<'_>) -> bool {
    at.is(ASSERTION, "Assertion") || at.is(ASSERTION, "EncryptedAssertion")
}

/// The one assertion of a response, directly in it; and that nothing stands there that could hide another.
fn the_one(document: &Document) -> Result<(At<'_>, bool), Refused> {
    let root = document.root();
    let mut all = document.elements().filter(|at| is_assertion(*at));
    let found = all.next().ok_or(Refused::NoAssertion);
    // A provider that says no sends none.
    if found.is_err() {
        status(root)?;
    }
    let found = found?;
    if all.next().is_some() {
        return Err(Refused::TwoAssertions);
    }
    let known = |at: &At<'_>| {
        at.is(ASSERTION, "Issuer")
            || at.is(DSIG, "Signature")
            || at.is(PROTOCOL, "Extensions")
            || at.is(PROTOCOL, "Status")
            || is_assertion(*at)
    };
    if found.parent().map(|parent| parent.index) != Some(root.index)
        || !root.children().all(|at| known(&at))
        || root.has_text()
    {
        return Err(Refused::Structure(
            "the assertion does not stand directly in the response, or something else does",
        ));
    }
    Ok((found, found.is(ASSERTION, "EncryptedAssertion")))
}

fn status(root: At<'_>) -> Result<(), Refused> {
    let status = root.one(PROTOCOL, "Status")?.ok_or(Refused::Structure("Status is missing"))?;
    let code = status.one(PROTOCOL, "StatusCode")?.ok_or(Refused::Structure("StatusCode is missing"))?;
    if code.attribute("Value") == Some(SUCCESS) {
        return Ok(());
    }
    let inner = code.one(PROTOCOL, "StatusCode")?.and_then(|code| code.attribute("Value")).or(code.attribute("Value"));
    let word = inner.and_then(|code| code.strip_prefix("urn:oasis:names:tc:SAML:2.0:status:")).unwrap_or_default();
    Err(Refused::Status(
        [
            "AuthnFailed",
            "NoPassive",
            "RequestDenied",
            "InvalidNameIDPolicy",
            "NoAuthnContext",
            "UnknownPrincipal",
            "PartialLogout",
            "RequestUnsupported",
            "Requester",
            "Responder",
            "VersionMismatch",
        ]
        .into_iter()
        .find(|known| *known == word)
        .unwrap_or("something unreadable"),
    ))
}

/// What the response itself says about who sent it where. It is proven only when the response is signed, and checked in any case.
fn addressed(root: At<'_>, whole: bool, expected: &Expected<'_>) -> Result<(), Refused> {
    if let Some(issuer) = root.one(ASSERTION, "Issuer")? {
        issued(issuer, expected.issuer)?;
    }
    match root.attribute("Destination") {
        Some(destination) if destination == expected.acs => {}
        None if !whole => {}
        _ => return Err(Refused::Destination),
    }
    let at = root.attribute("IssueInstant").ok_or(Refused::Structure("IssueInstant is missing"))?;
    time::begun(time::read(at)?, expected.now)
}

pub(crate) fn issued(issuer: At<'_>, by: &str) -> Result<(), Refused> {
    if issuer.text()? != by || issuer.attribute("Format").is_some_and(|format| format != ENTITY) {
        return Err(Refused::Issuer);
    }
    Ok(())
}

/// Reads an assertion that its own signature covers, or that of the response around it.
fn proven(at: At<'_>, root: At<'_>, whole: bool, expected: &Expected<'_>) -> Result<Assertion, Refused> {
    let now = expected.now;
    if at.attribute("Version") != Some("2.0") {
        return Err(Refused::Kind("assertion"));
    }
    let id = identified(at)?;
    let own = signature::verify(at, expected.keys)?;
    if !own && !whole {
        return Err(Refused::Unsigned);
    }
    issued(at.one(ASSERTION, "Issuer")?.ok_or(Refused::Issuer)?, expected.issuer)?;
    time::begun(time::read(at.attribute("IssueInstant").ok_or(Refused::Structure("IssueInstant is missing"))?)?, now)?;
    let conditions_end = conditions(at, expected)?;
    let subject = at.one(ASSERTION, "Subject")?.ok_or(Refused::Subject("there is no subject"))?;
    if subject.one(ASSERTION, "EncryptedID")?.is_some() {
        return Err(Refused::Encryption("a name of its own (EncryptedID)"));
    }
    let name = subject.one(ASSERTION, "NameID")?.ok_or(Refused::Subject("there is no NameID"))?;
    let confirmed = confirmed(subject, root, expected)?;
    let statement = at.all(ASSERTION, "AuthnStatement").next().ok_or(Refused::NoStatement)?;
    let instant = statement.attribute("AuthnInstant").ok_or(Refused::Structure("AuthnInstant is missing"))?;
    let authenticated_at = time::read(instant)?;
    time::begun(authenticated_at, now)?;
    // A session that is over there opens none here; ours has an end of its own.
    if let Some(ends) = statement.attribute("SessionNotOnOrAfter") {
        time::lasts(time::read(ends)?, now)?;
    }
    let session = statement.attribute("SessionIndex").map(str::to_owned);
    if session.as_ref().is_some_and(|index| index.len() > 255) {
        return Err(Refused::TooLarge("a session's name"));
    }
    Ok(Assertion {
        id: id.to_owned(),
        good_until: confirmed.until.max(conditions_end.unwrap_or(confirmed.until)).plus(time::SKEW),
        answers: confirmed.answers,
        subject: NameId::read(name)?,
        session,
        authenticated_at,
        attributes: attributes(at)?,
    })
}

/// The conditions: times, and that it is for us. Gives the end, if there is one.
fn conditions(at: At<'_>, expected: &Expected<'_>) -> Result<Option<Timestamp>, Refused> {
    let conditions = at.one(ASSERTION, "Conditions")?.ok_or(Refused::Audience)?;
    if let Some(from) = conditions.attribute("NotBefore") {
        time::begun(time::read(from)?, expected.now)?;
    }
    let until = conditions.attribute("NotOnOrAfter").map(time::read).transpose()?;
    if let Some(until) = until {
        time::lasts(until, expected.now)?;
    }
    let mut for_us = false;
    for condition in conditions.children() {
        if condition.is(ASSERTION, "AudienceRestriction") {
            let mut named = false;
            for audience in condition.all(ASSERTION, "Audience") {
                named |= audience.text()? == expected.us;
            }
            if !named {
                return Err(Refused::Audience);
            }
            for_us = true;
        } else {
            let known = condition.is(ASSERTION, "OneTimeUse") || condition.is(ASSERTION, "ProxyRestriction");
            if !known || condition.within(XSI, "type").is_some() {
                return Err(Refused::Condition);
            }
        }
    }
    if for_us { Ok(until) } else { Err(Refused::Audience) }
}

struct Confirmed {
    until: Timestamp,
    answers: Option<String>,
}

/// The confirmation by bearer: sent to us, in time, as an answer to what this browser asked.
fn confirmed(subject: At<'_>, root: At<'_>, expected: &Expected<'_>) -> Result<Confirmed, Refused> {
    let mut refusal = Refused::Confirmation;
    for one in subject.all(ASSERTION, "SubjectConfirmation").take(10) {
        if one.attribute("Method") != Some(BEARER) {
            continue;
        }
        match bearer(one, root, expected) {
            Ok(confirmed) => return Ok(confirmed),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn bearer(one: At<'_>, root: At<'_>, expected: &Expected<'_>) -> Result<Confirmed, Refused> {
    let data = one.one(ASSERTION, "SubjectConfirmationData")?.ok_or(Refused::Confirmation)?;
    if data.attribute("Recipient") != Some(expected.acs) {
        return Err(Refused::Recipient);
    }
    let until = time::read(data.attribute("NotOnOrAfter").ok_or(Refused::Confirmation)?)?;
    time::lasts(until, expected.now)?;
    if let Some(from) = data.attribute("NotBefore") {
        time::begun(time::read(from)?, expected.now)?;
    }
    // The one inside counts, since it is always signed; the one outside may not say something else.
    let (inside, outside) = (data.attribute("InResponseTo"), root.attribute("InResponseTo"));
    if outside.is_some() && outside != inside {
        return Err(Refused::InResponseTo);
    }
    match (inside, expected.request) {
        (Some(answered), Some(asked)) if crypto::constant_time_eq(answered.as_bytes(), asked.as_bytes()) => {}
        (Some(_), _) => return Err(Refused::InResponseTo),
        (None, _) if expected.unsolicited => {}
        (None, _) => return Err(Refused::Unsolicited),
    }
    Ok(Confirmed { until, answers: inside.map(str::to_owned) })
}
