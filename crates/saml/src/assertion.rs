//! What a provider says about a person, as a plain value.

use std::fmt;

use base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Refused;
use crate::names::{ASSERTION, TRANSIENT};
use crate::xml::At;

/// Attributes of one assertion at most.
const ATTRIBUTES: usize = 300;
/// Values of one assertion at most.
const VALUES: usize = 2_000;
/// Characters of a value at most.
const VALUE: usize = 4_096;
/// Characters of a name of a person at most.
const NAME: usize = 255;

/// Who somebody is at their provider.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameId {
    /// The name.
    pub value: String,
    /// What sort of name.
    pub format: Option<String>,
    /// Whose name it is.
    pub qualifier: Option<String>,
    /// For whom it was made.
    pub for_us: Option<String>,
}

impl NameId {
    /// Whether the name is another one each time, so that nobody is known by it.
    pub fn is_transient(&self) -> bool {
        self.format.as_deref() == Some(TRANSIENT)
    }

    pub(crate) fn read(at: At<'_>) -> Result<Self, Refused> {
        let value = at.text()?;
        let odd = value.chars().any(char::is_control) || value.trim() != value;
        if value.is_empty() || value.chars().count() > NAME || odd {
            return Err(Refused::Subject("a name has 1 to 255 characters, and no space around it"));
        }
        let attribute = |name| at.attribute(name).filter(|text| text.len() <= 1_024).map(str::to_owned);
        Ok(Self {
            value: value.to_owned(),
            format: attribute("Format"),
            qualifier: attribute("NameQualifier"),
            for_us: attribute("SPNameQualifier"),
        })
    }
}

impl fmt::Debug for NameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameId").field("format", &self.format).finish_non_exhaustive()
    }
}

/// A fact about a person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its name for people, which counts too where it is asked for by that.
    pub friendly: Option<String>,
    /// Its values.
    pub values: Vec<String>,
}

/// A provider's word about a person, proven.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// Its identifier: it is good once.
    pub id: String,
    /// Until when it could be shown again.
    pub good_until: Timestamp,
    /// The request that it answers; none when the provider began.
    pub answers: Option<String>,
    /// Who they are.
    pub subject: NameId,
    /// What the provider calls their session.
    pub session: Option<String>,
    /// When they proved themselves there.
    pub authenticated_at: Timestamp,
    /// What else is said about them.
    pub attributes: Vec<Attribute>,
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").field("attributes", &self.attributes.len()).finish_non_exhaustive()
    }
}

impl Assertion {
    /// The values of an attribute, by its name or its name for people.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let of = |named: &dyn Fn(&Attribute) -> bool| {
            self.attributes
                .iter()
                .filter(|one| named(one))
                .flat_map(|one| one.values.iter().map(String::as_str))
                .collect::<Vec<_>>()
        };
        let exact = of(&|one| one.name == name);
        if exact.is_empty() { of(&|one| one.friendly.as_deref() == Some(name)) } else { exact }
    }

    /// The first value of the first of these attributes that has one.
    pub fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.values(name).into_iter().find(|value| !value.trim().is_empty()))
    }
}

/// The attributes of an assertion. Values that are no plain text are left aside, since nothing here asks for such.
pub(crate) fn attributes(assertion: At<'_>) -> Result<Vec<Attribute>, Refused> {
    let mut all = Vec::new();
    let mut count = 0;
    for statement in assertion.all(ASSERTION, "AttributeStatement") {
        for at in statement.children() {
            if at.is(ASSERTION, "EncryptedAttribute") {
                return Err(Refused::Encryption("an attribute of its own"));
            }
            if !at.is(ASSERTION, "Attribute") {
                return Err(Refused::Structure("something else stands among the attributes"));
            }
            let name = at.attribute("Name").ok_or(Refused::Structure("an attribute has no name"))?;
            let mut values = Vec::new();
            for value in at.all(ASSERTION, "AttributeValue") {
                count += 1;
                let Ok(text) = value.text() else { continue };
                if text.chars().count() > VALUE {
                    return Err(Refused::TooLarge("a value"));
                }
                values.push(text.trim().to_owned());
            }
            if all.len() >= ATTRIBUTES || count > VALUES || name.len() > 1_024 {
                return Err(Refused::TooLarge("attributes"));
            }
            let friendly = at.attribute("FriendlyName").filter(|text| text.len() <= 1_024).map(str::to_owned);
            all.push(Attribute { name: name.to_owned(), friendly, values });
        }
    }
    Ok(all)
}
