//! A group's plan in words, for whoever reads an alert.

use crate::definition::Definition;

/// `2 min`, `90 s`, `1 h 5 min`: a delay as people say it.
pub fn delay_words(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, 1, left) if left > 0 => format!("{} s", 60 + left),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, left) => format!("{minutes} min {left} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// The whole plan as one sentence. `name_of` gives a person's name for a login.
pub fn policy_words(group: &Definition, name_of: impl Fn(&str) -> Option<String>) -> String {
    if group.members.is_empty() {
        return format!("Group “{}” has no members.", group.name);
    }
    let mut parts = Vec::with_capacity(group.members.len() + 1);
    for (place, member) in group.members.iter().enumerate() {
        let name = name_of(&member.user).unwrap_or_else(|| member.user.clone());
        parts.push(match (place, member.delay_seconds) {
            (0, 0) => format!("{name} at once"),
            (0, delay) => format!("{name} after {}", delay_words(u64::from(delay))),
            (_, 0) => format!("{name} at the same time"),
            (_, delay) => format!("{name} {} later or when passed on", delay_words(u64::from(delay))),
        });
    }
    parts.push(match group.repeat.times {
        0 => "then nobody else".to_owned(),
        1 => format!("then once more after {}", delay_words(group.repeat.interval().as_secs())),
        times => format!(
            "then the same again, {times} times with {} between, until someone answers",
            delay_words(group.repeat.interval().as_secs())
        ),
    });
    format!("Group “{}”, in words: {}.", group.name, parts.join("; "))
}

/// What happens when nobody answers, and when nobody can be reached, as sentences.
pub fn ending_words(group: &Definition) -> String {
    let unanswered = match group.repeat.times {
        0 => "If nobody answers, the alert stays open and says that nobody did.".to_owned(),
        1 => "If nobody answers in both rounds, the alert stays open and says that nobody did.".to_owned(),
        times => {
            format!("If nobody answers in all {} rounds, the alert stays open and says that nobody did.", times + 1)
        }
    };
    match &group.fallback {
        Some(fallback) => format!("{unanswered} If nobody in it can be reached at all, group “{fallback}” is paged."),
        None => unanswered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Member, Repeat};

    #[test]
    fn delays_read_as_people_say_them() {
        for (seconds, words) in [
            (0, "0 s"),
            (45, "45 s"),
            (60, "1 min"),
            (90, "90 s"),
            (120, "2 min"),
            (150, "2 min 30 s"),
            (3_600, "1 h"),
            (3_900, "1 h 5 min"),
            (86_400, "24 h"),
        ] {
            assert_eq!(delay_words(seconds), words);
        }
    }

    #[test]
    fn the_end_is_said_with_the_fallback() {
        let group = |times, fallback: Option<&str>| Definition {
            supervisors: Vec::new(),
            name: "Database".into(),
            description: None,
            members: Vec::new(),
            repeat: Repeat { times, interval_seconds: 300 },
            fallback: fallback.map(str::to_owned),
        };
        assert!(ending_words(&group(0, None)).starts_with("If nobody answers, the alert stays open"));
        let words = ending_words(&group(2, Some("Night")));
        assert!(words.contains("in all 3 rounds") && words.ends_with("group “Night” is paged."), "{words}");
    }

    #[test]
    fn a_policy_reads_as_one_sentence() {
        let member = |user: &str, delay_seconds| Member { user: user.into(), delay_seconds };
        let group = Definition {
            supervisors: Vec::new(),
            name: "Database".into(),
            description: None,
            members: vec![member("ada@example.com", 0), member("cem@example.com", 120)],
            repeat: Repeat { times: 2, interval_seconds: 300 },
            fallback: None,
        };
        let names = |login: &str| (login == "ada@example.com").then(|| "Ada Sample".to_owned());
        assert_eq!(
            policy_words(&group, names),
            "Group “Database”, in words: Ada Sample at once; cem@example.com 2 min later or when passed on; \
             then the same again, 2 times with 5 min between, until someone answers."
        );
    }
}
