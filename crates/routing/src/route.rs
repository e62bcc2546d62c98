//! Routes: what they match and where they lead.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base::{RouteId, WorkspaceId};
use serde::{Deserialize, Serialize};
use sms::Country;

use crate::Sender;
use crate::sender::is_like;

/// How urgent a message is. Alerts go ahead of everything, and capacity is kept for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A page to a person on call, and what belongs to it.
    Alert,
    /// A code that somebody is about to type in.
    Otp,
    /// One message that somebody waits for.
    #[default]
    #[serde(alias = "normal")]
    Transactional,
    /// One of many; may wait.
    #[serde(alias = "bulk")]
    Marketing,
}

impl Class {
    /// Every class, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Alert, Self::Otp, Self::Transactional, Self::Marketing];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Otp => "otp",
            Self::Transactional => "transactional",
            Self::Marketing => "marketing",
        }
    }

    /// The number it is stored as; not its rank, which is the order of the variants.
    pub const fn code(self) -> i64 {
        match self {
            Self::Alert => 0,
            Self::Transactional => 1,
            Self::Marketing => 2,
            Self::Otp => 3,
        }
    }

    /// The class stored as `code`; an unknown one is the least urgent.
    pub const fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Alert,
            1 => Self::Transactional,
            3 => Self::Otp,
            _ => Self::Marketing,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        // The words of before are still in what was stored then.
        let text = match text {
            "normal" => "transactional",
            "bulk" => "marketing",
            text => text,
        };
        Self::ALL.into_iter().find(|class| class.name() == text).ok_or(UnknownClass)
    }
}

/// A text that names no class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a class of message: alert, otp, transactional or marketing")]
pub struct UnknownClass;

/// Which messages a route is for. What is not said matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matcher {
    /// How the destination begins: digits, perhaps with a plus sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The country of the destination: two letters as in ISO 3166-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The source address that the message names; a star at its end stands for any rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
}

/// Why a route is not for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The destination begins otherwise.
    Prefix,
    /// The destination is in another country, or in none that is known.
    Country(Option<Country>),
    /// The message is of another class.
    Class,
    /// The message names another sender, or none.
    Sender,
}

impl Matcher {
    /// The prefix as destinations are compared: digits alone.
    pub fn digits(&self) -> &str {
        self.prefix.as_deref().map_or("", |prefix| prefix.trim_start_matches('+'))
    }

    /// Whether a message to `destination` (digits, in `country`) of `class` from `sender` is matched, or why not.
    pub fn matches(
        &self,
        destination: &str,
        country: Option<Country>,
        class: Class,
        sender: Option<&Sender>,
    ) -> Result<(), Mismatch> {
        if !destination.starts_with(self.digits()) {
            return Err(Mismatch::Prefix);
        }
        if let Some(wanted) = &self.country
            && country.is_none_or(|country| !country.as_str().eq_ignore_ascii_case(wanted))
        {
            return Err(Mismatch::Country(country));
        }
        if self.class.is_some_and(|wanted| wanted != class) {
            return Err(Mismatch::Class);
        }
        if let Some(wanted) = &self.sender
            && sender.is_none_or(|sender| !is_like(wanted, sender))
        {
            return Err(Mismatch::Sender);
        }
        Ok(())
    }

    /// How exactly the destination is said, for comparing: twice the digits of the prefix; a country counts as its calling
    /// code and a little more, so that Canada comes before `+1` and `+4477` before the United Kingdom.
    pub(crate) fn narrow(&self) -> usize {
        let country = self.country.as_ref().and_then(|text| text.parse::<Country>().ok());
        (2 * self.digits().len()).max(country.map_or(0, |country| 2 * country.code_length() + 1))
    }
}

impl fmt::Display for Matcher {
    /// `+44, alert`, `CA, from Acme`, or `everything`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut say = |f: &mut fmt::Formatter<'_>, before: &str, text: &str| {
            let comma = if std::mem::replace(&mut first, false) { "" } else { ", " };
            write!(f, "{comma}{before}{text}")
        };
        if !self.digits().is_empty() {
            say(f, "+", self.digits())?;
        }
        if let Some(country) = &self.country {
            say(f, "", &country.to_ascii_uppercase())?;
        }
        if let Some(class) = self.class {
            say(f, "", class.name())?;
        }
        if let Some(sender) = &self.sender {
            say(f, "from ", sender)?;
        }
        if first { f.write_str("everything") } else { Ok(()) }
    }
}

/// What one part costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Millionths of the currency's unit.
    pub micros: i64,
    /// ISO 4217.
    pub currency: String,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} {}", self.micros / 1_000_000, (self.micros % 1_000_000).abs(), self.currency)
    }
}

/// A rule that leads messages to carriers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its id.
    pub id: RouteId,
    /// The workspace it is for; `None` for all.
    pub workspace: Option<WorkspaceId>,
    /// What tells it from another one for the same messages; mostly empty.
    pub name: String,
    /// Which messages it is for.
    pub matcher: Matcher,
    /// Among the routes that match, the higher goes first; 0 unless said.
    pub priority: i32,
    /// Its share of the messages, among routes that are otherwise equal; none said, the cheaper goes first.
    pub weight: Option<NonZeroU32>,
    /// The carriers to try, in order.
    pub carriers: Vec<String>,
    /// The source address when the message names none.
    pub sender: Option<Sender>,
    /// What one part costs by this route.
    pub cost: Option<Cost>,
    /// Whether a development workspace may reach real carriers by it. An administrator's deliberate act.
    pub open_to_development: bool,
}

impl Route {
    /// What it is called: what it matches, and its name where it has one.
    pub fn label(&self) -> String {
        label(&self.matcher, &self.name)
    }
}

/// What a route of this matcher and name is called.
pub fn label(matcher: &Matcher, name: &str) -> String {
    if name.is_empty() { matcher.to_string() } else { format!("{matcher} ({name})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(matcher: &Matcher, to: &str, class: Class, sender: &str) -> Result<(), Mismatch> {
        let sender = (!sender.is_empty()).then(|| sender.parse().unwrap());
        matcher.matches(to, Country::of_digits(to), class, sender.as_ref())
    }

    #[test]
    fn a_matcher_reads_and_matches() {
        let matcher = Matcher { prefix: Some("+44".into()), class: Some(Class::Alert), ..Matcher::default() };
        assert_eq!(asked(&matcher, "447700900117", Class::Alert, ""), Ok(()));
        assert_eq!(asked(&matcher, "447700900117", Class::Marketing, ""), Err(Mismatch::Class));
        assert_eq!(asked(&matcher, "14155550100", Class::Alert, ""), Err(Mismatch::Prefix));
        assert_eq!(matcher.to_string(), "+44, alert");
        assert_eq!(Matcher::default().to_string(), "everything");
        assert_eq!(asked(&Matcher::default(), "1", Class::Marketing, ""), Ok(()));
    }

    /// Canada and the United States share a calling code; a sender may be said by its beginning.
    #[test]
    fn a_country_and_a_sender_are_matched() {
        let canada = Matcher { country: Some("ca".into()), sender: Some("Acme*".into()), ..Matcher::default() };
        assert_eq!(canada.to_string(), "CA, from Acme*");
        assert_eq!(asked(&canada, "14165550100", Class::Otp, "ACME Bank"), Ok(()));
        assert_eq!(asked(&canada, "14165550100", Class::Otp, "Other"), Err(Mismatch::Sender));
        assert_eq!(asked(&canada, "14165550100", Class::Otp, ""), Err(Mismatch::Sender));
        let us = "US".parse().ok();
        assert_eq!(asked(&canada, "14155550100", Class::Otp, "Acme"), Err(Mismatch::Country(us)));
        let number = Matcher { sender: Some("+447700900100".into()), ..Matcher::default() };
        assert_eq!(asked(&number, "14155550100", Class::Otp, "447700900100"), Ok(()));
        let narrow = |prefix: &str, country: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Matcher { prefix: some(prefix), country: some(country), ..Matcher::default() }.narrow()
        };
        assert!(narrow("", "CA") > narrow("+1", "") && narrow("+1416", "") > narrow("", "CA"));
        assert!(narrow("+4477", "") > narrow("", "GB") && narrow("", "GB") > narrow("+44", ""));
    }

    #[test]
    fn a_class_has_a_word_and_a_number() {
        for class in Class::ALL {
            assert_eq!((class.name().parse(), Class::from_code(class.code())), (Ok(class), class));
        }
        assert_eq!(Cost { micros: 42_500, currency: "EUR".into() }.to_string(), "0.042500 EUR");
    }
}
