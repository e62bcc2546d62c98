//! The sentence for each happening: pure, and the only place where timeline texts are.

use oncall::delay_words;

use crate::happening::{Cause, Happening, Nobody, Told, Typed};
use crate::types::{By, Priority, Via, alert_name};
use crate::views::Knot;

/// A line of the timeline without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) knot: Knot,
    pub(crate) headline: String,
    pub(crate) detail: Option<String>,
    pub(crate) why: Vec<String>,
    pub(crate) alarming: bool,
}

impl Line {
    fn new(knot: Knot, headline: impl Into<String>) -> Self {
        Self { knot, headline: headline.into(), detail: None, why: Vec::new(), alarming: false }
    }

    fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    fn because(mut self, why: impl IntoIterator<Item = String>) -> Self {
        self.why.extend(why);
        self
    }

    fn alarming(mut self) -> Self {
        self.alarming = true;
        self
    }
}

/// How late a page may be before the timeline says so.
const LATE_SECONDS: u64 = 5;

/// The line for `happening`; `at` is when it happened.
pub(crate) fn line(happening: &Happening, at: base::Timestamp) -> Line {
    use Happening as H;
    match happening {
        H::Opened { number, priority, group, key } => {
            let line = Line::new(Knot::Done, format!("Alert {} opened, {priority}.", alert_name(*number)));
            let who = format!("Group “{group}” is paged.");
            match key {
                Some(key) => line.detail(format!("Key “{key}”. {who}")),
                None => line.detail(format!("No key, so later signals open alerts of their own. {who}")),
            }
        }
        H::Joined { count, priority, last_shown, .. } => {
            let line = Line::new(Knot::Done, format!("Signal {} joined and paged nobody: same key.", count + 1));
            let line = line
                .because([format!("It came as {priority}. An alert with its key lives, so nobody is called twice.")]);
            if *last_shown { line.detail("Further ones are counted and not shown here.") } else { line }
        }
        H::NobodyToPage { group, why, instead } => nobody(group, *why, instead.as_deref()),
        H::Skipped { person, step, round, group, reason } => {
            Line::new(Knot::Skipped, format!("{} was not paged.", person.name))
                .detail(sentence(reason.words()))
                .because([
                    format!("Group “{group}”, round {round}, place {step} names {}.", person.name),
                    sentence(reason.words()),
                    "The next person takes this place in time, since no answer can come from here.".to_owned(),
                ])
        }
        H::Paged { person, step, round, cause, due, phone, parts, carrier, digits, answerable, .. } => {
            let answers = if *answerable {
                format!("Answers start at {digits}.")
            } else {
                "Its sender is a name, which phones cannot answer: give the route a number.".to_owned()
            };
            let line = Line::new(Knot::Done, format!("{} is paged by SMS.", person.name)).detail(format!(
                "Step {step}{}, {phone}, {}{}. {answers}",
                if *round > 1 { format!(" of round {round}") } else { String::new() },
                plural(*parts, "part"),
                carrier.as_ref().map_or_else(String::new, |carrier| format!(" over {carrier}")),
            ));
            line.because(cause_words(cause, *due, at))
        }
        H::NotPaged { person, why } => {
            Line::new(Knot::Failed, format!("{} could not be paged.", person.name)).detail(sentence(why)).alarming()
        }
        H::Sent { person, parts, carrier } => Line::new(Knot::Done, format!("The page for {} went out.", person.name))
            .detail(format!("{} taken by {}.", plural(*parts, "part"), carrier.as_deref().unwrap_or("the carrier"))),
        H::Again { person, parts, carrier } => Line::new(
            Knot::Unknown,
            format!("{} of the page for {} went again.", plural(*parts, "part"), person.name),
        )
        .detail(format!(
            "The link{} broke before it answered, so the first outcome is unknown. Alerts resend; {} may get it twice.",
            carrier.as_ref().map_or_else(String::new, |carrier| format!(" to {carrier}")),
            person.name
        )),
        H::Delivered { person, carrier } => {
            let line = Line::new(Knot::Done, format!("Delivered to {}’s phone.", person.name));
            match carrier {
                Some(carrier) => line.detail(format!("Receipt from {carrier}.")),
                None => line,
            }
        }
        H::Undelivered { person, why } => {
            let line = Line::new(Knot::Failed, format!("The page did not reach {}.", person.name)).alarming();
            match why {
                Some(why) => line.detail(sentence(why)),
                None => line,
            }
        }
        H::Round { round, rounds, group } => {
            Line::new(Knot::Done, format!("Group “{group}” is paged again: round {round} of {rounds}."))
                .detail("Nobody has answered yet.")
        }
        H::Unanswered { group, rounds, paged, priority } => {
            let line = Line::new(Knot::Failed, "Nobody answered.").detail(format!(
                "Group “{group}” was gone through {}, {} sent. The alert stays open; acknowledge it here, or call somebody.",
                plural(*rounds, "time"),
                plural(*paged, "page"),
            ));
            if *priority == Priority::Critical { line.alarming() } else { line }
        }
        H::Acknowledged { by, reply } => Line::new(Knot::Done, format!("{} has it.", by.name))
            .detail(format!("Acknowledged {}. Nobody else is paged.", way(by, reply.as_ref()))),
        H::PassedOn { by, next, reply } => {
            let line = Line::new(Knot::Done, format!("{} passed it on.", by.name));
            match next {
                Some(next) => line.detail(format!("Said {}. {next} is paged at once.", way(by, reply.as_ref()))),
                None => line
                    .detail(format!("Said {}. Nobody is left to page; the alert stays open.", way(by, reply.as_ref())))
                    .alarming(),
            }
        }
        H::Resolved { by, note, reply, .. } => {
            let line = Line::new(Knot::Done, format!("Resolved by {}.", by.name));
            match note {
                Some(note) => line.detail(format!("“{note}” Said {}.", way(by, reply.as_ref()))),
                None => line.detail(format!("Said {}.", way(by, reply.as_ref()))),
            }
        }
        H::Undone { by, next, reply } => {
            Line::new(Knot::Done, format!("{} took the answer back.", by.name)).detail(format!(
                "Said {}. The alert is open again; {}.",
                way(by, reply.as_ref()),
                next.as_ref().map_or_else(|| "nobody is left to page".to_owned(), |next| format!("{next} is next")),
            ))
        }
        H::Refused { person, reply, why } => {
            Line::new(Knot::Skipped, format!("{person} answered “{}”, and nothing changed.", reply.words))
                .detail(sentence(why))
        }
        H::StaysCritical { by, note } => {
            let line =
                Line::new(Knot::Skipped, format!("{} says that it is over; the alert stays.", by.name)).because([
                    "Critical alerts are closed by people, unless the flow’s step allows a machine to.".to_owned(),
                ]);
            match note {
                Some(note) => line.detail(format!("“{note}” A person resolves it.")),
                None => line.detail("A person resolves it."),
            }
        }
        H::Told { people, what } => {
            Line::new(Knot::Done, format!("{} told by SMS.", were(people))).detail(match what {
                Told::Taken => "That somebody has it, so that nobody gets up for nothing.",
                Told::Resolved => "That it is over.",
                Told::Expired => "That it expired.",
                Told::Reopened => "That it is open again.",
            })
        }
        H::NotTold { person, why } => {
            Line::new(Knot::Failed, format!("{person} could not be told.")).detail(sentence(why))
        }
        H::Expired { after_seconds, owner } => {
            let line =
                Line::new(Knot::Failed, format!("Expired: nobody resolved it in {}.", delay_words(*after_seconds)));
            let line = line.because(["A signal with the same key opens a new alert from now on.".to_owned()]);
            match owner {
                Some(owner) => line.detail(format!("{owner} had it.")),
                None => line.detail("Nobody had it.").alarming(),
            }
        }
    }
}

fn nobody(group: &str, why: Nobody, instead: Option<&str>) -> Line {
    let reason = match why {
        Nobody::NoGroup => format!("There is no group “{group}” in this workspace."),
        Nobody::Empty => format!("Group “{group}” has no members."),
        Nobody::Unreachable => format!("None of the members of group “{group}” can be reached."),
    };
    match instead {
        Some(instead) => Line::new(Knot::Skipped, format!("Group “{group}” pages nobody."))
            .detail(format!("{reason} Group “{instead}” is paged instead.")),
        None => Line::new(Knot::Failed, "Nobody is paged.")
            .detail(format!("{reason} The alert stays open; correct the group under People, and acknowledge it here."))
            .alarming(),
    }
}

fn cause_words(cause: &Cause, due: base::Timestamp, at: base::Timestamp) -> Vec<String> {
    let late = at.since(due).as_secs();
    let early = due.since(at).as_secs();
    let mut out = vec![match cause {
        Cause::Due if late > LATE_SECONDS => {
            format!("It was due {} ago: late, because nothing ran here in between.", delay_words(late))
        }
        Cause::Due => "It was due.".to_owned(),
        Cause::PassedOn { by } => format!("At once, because {by} passed the alert on."),
        Cause::Undeliverable { to } => format!("At once, because the page did not reach {to}."),
        Cause::Undone { by } => format!("At once, because {by} took the answer back."),
    }];
    if !matches!(cause, Cause::Due) && early > 0 {
        out.push(format!("It was due {} later.", delay_words(early)));
    }
    out
}

/// How an answer came: `by SMS: “1 K7Q” from +44 77•• ••• 104`.
fn way(by: &By, reply: Option<&Typed>) -> String {
    match (by.via, reply) {
        (Via::Sms, Some(typed)) => format!("by SMS: “{}” from {}", typed.words, typed.phone),
        (Via::Sms, None) => "by SMS".to_owned(),
        (Via::Console, _) => "in the console".to_owned(),
        (Via::Api, _) => "over the API".to_owned(),
        (Via::Flow, _) => "by a signal".to_owned(),
    }
}

fn were(people: &[String]) -> String {
    match people {
        [] => "Nobody was".to_owned(),
        [one] => format!("{one} was"),
        [first @ .., last] => format!("{} and {last} were", first.join(", ")),
    }
}

fn plural(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// First letter large, full stop at the end.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use oncall::SkipReason;
    use uuid::Uuid;

    use super::*;
    use crate::happening::Person;

    const NOW: Timestamp = Timestamp::from_micros(1_792_717_927_214_000);

    fn said(happening: Happening) -> String {
        let line = line(&happening, NOW);
        format!("{:?} {} {}", line.knot, line.headline, line.detail.unwrap_or_default())
    }

    fn ada() -> Person {
        Person { id: None, name: "Ada Sample".into() }
    }

    fn by(via: Via) -> By {
        By { user: None, name: "Cem Sample".into(), via }
    }

    #[test]
    fn sentences_are_short_and_say_why() {
        assert_eq!(
            said(Happening::Skipped {
                person: ada(),
                step: 1,
                round: 1,
                group: "Database".into(),
                reason: SkipReason::NoDevice
            }),
            "Skipped Ada Sample was not paged. No phone number is stored; add one under People."
        );
        assert_eq!(
            said(Happening::Acknowledged {
                by: by(Via::Sms),
                reply: Some(Typed {
                    words: "1 K7Q".into(),
                    phone: "+44 77•• ••• 104".into(),
                    inbound: Uuid::nil().into()
                })
            }),
            "Done Cem Sample has it. Acknowledged by SMS: “1 K7Q” from +44 77•• ••• 104. Nobody else is paged."
        );
        assert_eq!(
            said(Happening::NobodyToPage { group: "Nope".into(), why: Nobody::NoGroup, instead: None }),
            "Failed Nobody is paged. There is no group “Nope” in this workspace. The alert stays open; correct the group under \
             People, and acknowledge it here."
        );
        assert_eq!(
            said(Happening::Told { people: vec!["Ada Sample".into(), "Cem Sample".into()], what: Told::Resolved }),
            "Done Ada Sample and Cem Sample were told by SMS. That it is over."
        );
    }

    #[test]
    fn a_late_page_says_that_it_is_late() {
        let paged = |cause, due| {
            line(
                &Happening::Paged {
                    person: ada(),
                    step: 2,
                    round: 1,
                    cause,
                    due,
                    phone: "+44 77•• ••• 101".into(),
                    message: Uuid::nil().into(),
                    parts: 1,
                    carrier: Some("simulated".into()),
                    digits: 1,
                    answerable: true,
                },
                NOW,
            )
            .why
        };
        let minutes = |count| std::time::Duration::from_mins(count);
        assert_eq!(paged(Cause::Due, NOW), ["It was due."]);
        assert_eq!(
            paged(Cause::Due, NOW.minus(minutes(3))),
            ["It was due 3 min ago: late, because nothing ran here in between."]
        );
        assert_eq!(
            paged(Cause::PassedOn { by: "Cem Sample".into() }, NOW.plus(minutes(2))),
            ["At once, because Cem Sample passed the alert on.", "It was due 2 min later."]
        );
    }

    #[test]
    fn what_needs_somebody_is_marked() {
        let unanswered = |priority| {
            line(&Happening::Unanswered { group: "Database".into(), rounds: 3, paged: 6, priority }, NOW).alarming
        };
        assert!(unanswered(Priority::Critical) && !unanswered(Priority::Low));
    }
}
