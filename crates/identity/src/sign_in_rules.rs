//! The kind `sign_in_rules`: what passwords must be and when an account pauses (controls ). One entry at most; without
//! it the defaults hold, which are those of NIST SP 800-63B-4. Rules that contradict it exist, are off, and say so.

use std::time::Duration;

use access::Capability;
use resources::{Check, Class, Error, Field, KindScope, Projection, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::{Tx, params};

use crate::lockout::Limits;

/// No setting goes below this many characters.
const FLOOR: u32 = 8;

/// A sort of character that a password may be asked to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CharacterClass {
    /// A small letter.
    Lower,
    /// A capital letter.
    Upper,
    /// A digit.
    Digit,
    /// Anything else.
    Sign,
}

impl CharacterClass {
    /// Every class, with its word in the configuration.
    pub const ALL: [(&'static str, Self); 4] =
        [("lower", Self::Lower), ("upper", Self::Upper), ("digit", Self::Digit), ("sign", Self::Sign)];

    /// Whether a text holds such a character.
    pub(crate) fn is_in(self, text: &str) -> bool {
        text.chars().any(|c| match self {
            Self::Lower => c.is_lowercase(),
            Self::Upper => c.is_uppercase(),
            Self::Digit => c.is_numeric(),
            Self::Sign => !c.is_alphanumeric(),
        })
    }

    /// As people say it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Lower => "a small letter",
            Self::Upper => "a capital letter",
            Self::Digit => "a digit",
            Self::Sign => "a sign or a space",
        }
    }
}

/// What passwords must be, and when an account pauses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignInRules {
    /// Characters at least: 8 to 64.
    pub password_min_length: u32,
    /// The same where a second factor is enforced for the person; never more than of others.
    pub password_min_length_with_factor: u32,
    /// zxcvbn's estimate at least: 3 or 4.
    pub password_strength: u32,
    /// Sorts of characters that must be in a password; none is NIST's advice.
    pub password_classes: Vec<CharacterClass>,
    /// How many passwords before are refused; 0 is NIST's advice.
    pub password_history: u32,
    /// Hours after which a person may change their password again; 0 is NIST's advice.
    pub password_min_age_hours: u32,
    /// Days after which a password must be changed; 0, never, is NIST's advice.
    pub password_max_age_days: u32,
    /// The failure from which on an account pauses, from strangers or from one known device.
    pub lockout_after: u32,
    /// The longest pause, in minutes.
    pub lockout_longest_minutes: u32,
    /// The failure after which only a new password or an administrator helps.
    pub locked_after: u32,
    /// Tries a minute from one address, whatever account they aim at.
    pub tries_per_address: u32,
}

impl Default for SignInRules {
    fn default() -> Self {
        Self {
            password_min_length: 15,
            password_min_length_with_factor: 12,
            password_strength: 3,
            password_classes: Vec::new(),
            password_history: 0,
            password_min_age_hours: 0,
            password_max_age_days: 0,
            lockout_after: 5,
            lockout_longest_minutes: 15,
            locked_after: 100,
            tries_per_address: 20,
        }
    }
}

impl SignInRules {
    /// The key of the one entry there can be.
    pub const KEY: &'static str = "organisation";

    /// The rules in force.
    ///
    /// # Errors
    /// When the store fails.
    pub fn of(tx: &mut Tx<'_>) -> Result<Self, store::Error> {
        let text: Option<String> =
            tx.query_opt("SELECT rules FROM sign_in_rules WHERE only_row = 1", &[], |row| row.get("rules"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Characters at least, never below 8; fewer for somebody of whose roles one must have a second factor.
    pub(crate) fn shortest(&self, enforced: bool) -> usize {
        let least = if enforced { self.password_min_length_with_factor } else { u32::MAX };
        least.min(self.password_min_length).max(FLOOR) as usize
    }

    /// The estimate at least, never below "safely unguessable, moderate protection from offline attack".
    pub(crate) fn strength(&self) -> u8 {
        if self.password_strength >= 4 { 4 } else { 3 }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            free: i64::from(self.lockout_after) - 1,
            locked: i64::from(self.locked_after),
            longest: Duration::from_mins(u64::from(self.lockout_longest_minutes)),
        }
    }

    /// How long a password is good, where it ages.
    pub(crate) fn max_age(&self) -> Option<Duration> {
        (self.password_max_age_days > 0).then(|| Duration::from_hours(24 * u64::from(self.password_max_age_days)))
    }

    /// How long a person must keep one, where that is set.
    pub(crate) fn min_age(&self) -> Option<Duration> {
        (self.password_min_age_hours > 0).then(|| Duration::from_hours(u64::from(self.password_min_age_hours)))
    }

    /// What a new password must be, in words for a form.
    pub(crate) fn words(&self, whose: Whose) -> String {
        let (enforced, other) = (self.shortest(true), self.shortest(false));
        let mut words = match whose {
            Whose::Enforced => format!("{enforced} to 128 characters, any you like"),
            Whose::Unknown if enforced < other => {
                format!(
                    "{other} to 128 characters ({enforced} with a role that must have a second factor), any you like"
                )
            }
            Whose::Unknown | Whose::Other => format!("{other} to 128 characters, any you like"),
        };
        let classes: Vec<&str> = self.password_classes.iter().map(|class| class.words()).collect();
        if !classes.is_empty() {
            words.push_str(", among them ");
            words.push_str(&classes.join(", "));
        }
        words.push_str("; not one of the most used, and not your name.");
        if self.password_history > 0 {
            words.push_str(" None of your last ");
            words.push_str(&self.password_history.to_string());
            words.push('.');
        }
        words
    }
}

/// Whose password a form is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Somebody for whom a second factor is enforced.
    Enforced,
    /// Somebody for whom none is.
    Other,
    /// Nobody knows yet: a link tells with the answer.
    Unknown,
}

/// The rules as a kind of resource.
#[derive(Clone, Copy, Debug)]
pub struct SignInRulesKind;

impl TypedKind for SignInRulesKind {
    type Body = SignInRules;
    const NAME: &'static str = "sign_in_rules";
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::PeopleWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("password_min_length", Class::Internal, Shape::Integer(8, 64))
            .about("characters of a password at least; 15 by default, 128 are always taken"),
        Field::new("password_min_length_with_factor", Class::Internal, Shape::Integer(8, 64)).about(
            "the same for people who must have a second factor (second_factor_for of the settings); 12 by default, and never more \
             than password_min_length",
        ),
        Field::new("password_strength", Class::Internal, Shape::Integer(3, 4))
            .about("zxcvbn's estimate at least; 3 by default"),
        Field::new(
            "password_classes",
            Class::Internal,
            Shape::List(&Shape::Choice(&["lower", "upper", "digit", "sign"])),
        )
        .about("sorts of characters that must be there; none by default. Against NIST SP 800-63B-4, section 3.1.1.2"),
        Field::new("password_history", Class::Internal, Shape::Integer(0, 24)).about(
            "how many passwords before are refused; 0 by default. Not asked for by NIST SP 800-63B-4; makes sense with a maximum age alone",
        ),
        Field::new("password_min_age_hours", Class::Internal, Shape::Integer(0, 720))
            .about("hours for which a person keeps a password; 0 by default. Against NIST SP 800-63B-4"),
        Field::new("password_max_age_days", Class::Internal, Shape::Integer(0, 3650)).about(
            "days after which a password must be changed; 0, never, by default. Against NIST SP 800-63B-4, section 3.1.1.2",
        ),
        Field::new("lockout_after", Class::Internal, Shape::Integer(1, 50))
            .about("the failure from which on an account pauses, a second first and then double; 5 by default"),
        Field::new("lockout_longest_minutes", Class::Internal, Shape::Integer(1, 1440))
            .about("the longest pause in minutes; 15 by default"),
        Field::new("locked_after", Class::Internal, Shape::Integer(2, 1000))
            .about("the failure after which only a new password or an administrator helps; 100 by default"),
        Field::new("tries_per_address", Class::Internal, Shape::Integer(1, 1000))
            .about("tries a minute from one address; 20 by default"),
    ];

    fn key(&self, _body: &SignInRules) -> String {
        SignInRules::KEY.to_owned()
    }

    fn validate(&self, body: &SignInRules, check: &mut Check<'_, '_>) -> Result<(), Error> {
        if body.locked_after <= body.lockout_after {
            check.problem(
                "locked_after",
                "below-pause",
                "an account pauses before it is locked: give a number above lockout_after",
            );
        }
        let (least, most) = (body.min_age(), body.max_age());
        if least.is_some_and(|least| most.is_some_and(|most| least >= most)) {
            check.problem(
                "password_min_age_hours",
                "above-maximum",
                "a password that must be kept longer than it is good can never be changed; give fewer hours",
            );
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, SignInRules>) -> Result<(), Error> {
        let Some(new) = change.new else {
            tx.execute("DELETE FROM sign_in_rules", &[])?;
            return Ok(());
        };
        let rules = serde_json::to_string(new)
            .map_err(|_| Error::invalid("", "unreadable", "the rules cannot be written down"))?;
        tx.execute(
            "INSERT INTO sign_in_rules (only_row, rules) VALUES (1, $1) \
             ON CONFLICT (only_row) DO UPDATE SET rules = excluded.rules",
            &params![rules],
        )?;
        Ok(())
    }
}
