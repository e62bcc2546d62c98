//! What people configure about a group: pure data and its rules.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// People that can be in a group at most.
pub const MEMBERS_MAX: usize = 200;
/// People that can supervise a group at most.
pub const SUPERVISORS_MAX: usize = 20;
/// Seconds that a delay or an interval can be at most: a day.
pub const DELAY_MAX: u32 = 86_400;
/// Further rounds at most.
pub const REPEAT_MAX: u32 = 100;
/// Seconds between two rounds at least, so that a group of one is not called without a pause.
pub const INTERVAL_MIN: u32 = 30;

/// A group: the people to page, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name, unique in the workspace.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who may change it besides those who change all groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supervisors: Vec<String>,
    /// The people, first to last.
    #[serde(default)]
    pub members: Vec<Member>,
    /// What happens after the last of them.
    #[serde(default)]
    pub repeat: Repeat,
    /// The group to page when nobody in this one can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

/// One place in the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The person's login.
    pub user: String,
    /// How long those before have had to answer when this person is paged.
    #[serde(default)]
    pub delay_seconds: u32,
}

/// How often the list is gone through again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// Further rounds after the first.
    #[serde(default = "Repeat::default_times")]
    pub times: u32,
    /// How long the last person has had to answer when the next round begins, or the list is given up.
    #[serde(default = "Repeat::default_interval")]
    pub interval_seconds: u32,
}

impl Repeat {
    const fn default_times() -> u32 {
        2
    }

    const fn default_interval() -> u32 {
        300
    }

    /// The pause between two rounds.
    pub fn interval(self) -> Duration {
        Duration::from_secs(u64::from(self.interval_seconds.max(INTERVAL_MIN)))
    }
}

impl Default for Repeat {
    fn default() -> Self {
        Self { times: Self::default_times(), interval_seconds: Self::default_interval() }
    }
}

/// A rule that a definition breaks: the field, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The field, as `members[1].user`.
    pub field: String,
    /// What is wrong and what to do about it.
    pub detail: String,
}

impl Definition {
    /// Every rule this definition breaks.
    pub fn breaches(&self) -> Vec<Breach> {
        let mut out = Vec::new();
        let mut say = |field: String, detail: String| out.push(Breach { field, detail });
        let letters = self.name.chars().count();
        if !(1..=100).contains(&letters) || self.name.chars().any(char::is_control) {
            say("name".into(), "A group's name has 1 to 100 printable characters.".into());
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > 1_024) {
            say("description".into(), "A description has at most 1,024 characters.".into());
        }
        if self.supervisors.len() > SUPERVISORS_MAX {
            say("supervisors".into(), format!("A group has at most {SUPERVISORS_MAX} supervisors."));
        }
        for (place, login) in self.supervisors.iter().enumerate() {
            if self.supervisors[..place].iter().any(|before| before.eq_ignore_ascii_case(login)) {
                say(format!("supervisors[{place}]"), format!("{login} supervises this group twice."));
            }
        }
        if self.members.len() > MEMBERS_MAX {
            say("members".into(), format!("A group has at most {MEMBERS_MAX} members; split it."));
        }
        for (place, member) in self.members.iter().enumerate() {
            if member.delay_seconds > DELAY_MAX {
                say(
                    format!("members[{place}].delay_seconds"),
                    format!("A delay is at most {DELAY_MAX} seconds, a day."),
                );
            }
            if self.members[..place].iter().any(|before| before.user.eq_ignore_ascii_case(&member.user)) {
                say(
                    format!("members[{place}].user"),
                    format!("{} is in this group twice. Use `repeat` to page people again.", member.user),
                );
            }
        }
        if self.repeat.times > REPEAT_MAX {
            say("repeat.times".into(), format!("A group is gone through again at most {REPEAT_MAX} times."));
        }
        if !(INTERVAL_MIN..=DELAY_MAX).contains(&self.repeat.interval_seconds) {
            say(
                "repeat.interval_seconds".into(),
                format!("The pause between two rounds is {INTERVAL_MIN} to {DELAY_MAX} seconds."),
            );
        }
        if self.fallback.as_ref().is_some_and(|name| *name == self.name) {
            say("fallback".into(), "A group cannot be its own fallback; name another one or leave it out.".into());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(members: &[(&str, u32)]) -> Definition {
        Definition {
            supervisors: Vec::new(),
            name: "Database".into(),
            description: None,
            members: members
                .iter()
                .map(|(user, delay)| Member { user: (*user).into(), delay_seconds: *delay })
                .collect(),
            repeat: Repeat::default(),
            fallback: None,
        }
    }

    #[test]
    fn a_sound_group_breaks_no_rule() {
        assert_eq!(group(&[("ada@example.com", 0), ("cem@example.com", 120)]).breaches(), []);
        assert_eq!(group(&[]).breaches(), [], "an empty group is allowed: it explains itself when it is paged");
    }

    #[test]
    fn each_rule_names_its_field() {
        let mut wrong = group(&[("ada@example.com", 0), ("ADA@example.com", DELAY_MAX + 1)]);
        wrong.repeat = Repeat { times: 101, interval_seconds: 5 };
        wrong.fallback = Some("a\nb".into());
        wrong.name = "a\nb".into();
        let fields: Vec<_> = wrong.breaches().into_iter().map(|breach| breach.field).collect();
        assert_eq!(
            fields,
            [
                "name",
                "members[1].delay_seconds",
                "members[1].user",
                "repeat.times",
                "repeat.interval_seconds",
                "fallback"
            ]
        );
    }
}
