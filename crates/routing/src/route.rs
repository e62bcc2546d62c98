//! Routes: what they match and where they lead.

use std::fmt;
use std::str::FromStr;

use base::{RouteId, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::Sender;

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
    /// The class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
}

impl Matcher {
    /// The prefix as destinations are compared: digits alone.
    pub fn digits(&self) -> &str {
        self.prefix.as_deref().map_or("", |prefix| prefix.trim_start_matches('+'))
    }

    /// Whether a message to `destination` (digits) of `class` is matched.
    pub fn matches(&self, destination: &str, class: Class) -> bool {
        destination.starts_with(self.digits()) && self.class.is_none_or(|wanted| wanted == class)
    }
}

impl fmt::Display for Matcher {
    /// `+44, alert`, or `everything`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.digits(), self.class) {
            ("", None) => f.write_str("everything"),
            ("", Some(class)) => write!(f, "{class}"),
            (digits, None) => write!(f, "+{digits}"),
            (digits, Some(class)) => write!(f, "+{digits}, {class}"),
        }
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
    /// Which messages it is for.
    pub matcher: Matcher,
    /// The carriers to try, in order.
    pub carriers: Vec<String>,
    /// The source address when the message names none.
    pub sender: Option<Sender>,
    /// What one part costs by this route.
    pub cost: Option<Cost>,
    /// Whether a development workspace may reach real carriers by it. An administrator's deliberate act.
    pub open_to_development: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_reads_and_matches() {
        let matcher = Matcher { prefix: Some("+44".into()), class: Some(Class::Alert) };
        assert!(matcher.matches("447700900117", Class::Alert));
        assert!(!matcher.matches("447700900117", Class::Marketing));
        assert!(!matcher.matches("14155550100", Class::Alert));
        assert_eq!(matcher.to_string(), "+44, alert");
        assert_eq!(Matcher::default().to_string(), "everything");
        assert!(Matcher::default().matches("1", Class::Marketing));
    }

    #[test]
    fn a_class_has_a_word_and_a_number() {
        for class in Class::ALL {
            assert_eq!((class.name().parse(), Class::from_code(class.code())), (Ok(class), class));
        }
        assert_eq!(Cost { micros: 42_500, currency: "EUR".into() }.to_string(), "0.042500 EUR");
    }
}
