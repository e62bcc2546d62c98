//! How the demo's phones and their carrier are drawn.

use std::time::Duration;

use simulator::{Behaviour, Counters, Direction, Handset, Text, TextState};

use crate::shell::Shell;
use crate::zone::length;

/// A key under the phone's glass.
pub struct Key {
    /// What stands on it.
    pub digit: String,
    /// What it does.
    pub name: String,
    /// What it sends.
    pub text: String,
}

/// A text on the screen.
pub struct TextView {
    /// Whether the phone’s owner wrote it.
    pub mine: bool,
    /// The words.
    pub body: String,
    /// What is still on its way.
    pub rest: Option<String>,
    /// The line below.
    pub small: String,
}

/// A phone as it is drawn.
pub struct Phone {
    /// Whose it is.
    pub name: String,
    /// Its number.
    pub number: String,
    /// The number for ids.
    pub digits: String,
    /// Whether it can be reached.
    pub in_reach: bool,
    /// Whether its receipts come twice.
    pub receipts_twice: bool,
    /// Since when it cannot be reached.
    pub away_words: String,
    /// What waits for it.
    pub waiting_words: String,
    /// How its last receipt went.
    pub note: String,
    /// The time on its screen.
    pub clock: String,
    /// Its texts, newest first.
    pub texts: Vec<TextView>,
    /// What the latest text offers to answer.
    pub keys: Vec<Key>,
}

/// A slider of the carrier’s behaviour.
pub struct Dial {
    /// The field.
    pub name: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// The most it can be.
    pub max: u64,
    /// How fine it moves.
    pub step: u64,
    /// What it is.
    pub value: u64,
    /// In what.
    pub unit: &'static str,
    /// What follows the value.
    pub after: &'static str,
    /// The value as a sentence.
    pub words: String,
}

/// What the carrier has counted.
pub fn counted(counters: &Counters) -> String {
    let answered = counters.accepted + counters.rejected + counters.throttled;
    format!("{} submits · {answered} answered · {} bound", counters.submits, counters.binds.len())
}

/// A number at the head of a sentence.
pub fn count_word(count: usize) -> String {
    const WORDS: [&str; 13] =
        ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

/// Draws one phone.
pub fn draw(handset: &Handset, shell: &Shell) -> Phone {
    let latest = handset
        .texts
        .iter()
        .rev()
        .find(|text| text.direction == Direction::Received && offers(&text.text).next().is_some());
    let mut keys: Vec<Key> = latest.map(|text| offers(&text.text).take(3).collect()).unwrap_or_default();
    // What was just acknowledged can be taken back: the same key does that now.
    let last = handset.texts.iter().rev().find(|text| text.direction == Direction::Received);
    if let Some(digit) = last.and_then(|text| undo(&text.text))
        && let Some(key) = keys.iter_mut().find(|key| key.text.split(' ').next() == Some(digit))
    {
        *key = Key { digit: digit.to_owned(), name: "undo".to_owned(), text: format!("UNDO {digit}") };
    }
    Phone {
        name: handset.name.clone().unwrap_or_else(|| "A phone".to_owned()),
        number: handset.number.clone(),
        digits: handset.number.trim_start_matches('+').to_owned(),
        in_reach: handset.in_reach,
        receipts_twice: handset.receipts_twice,
        away_words: match handset.out_of_reach_since {
            Some(since) => format!("Out of reach since {}.", short(&shell.zone.clock(&since))),
            None => "Out of reach.".to_owned(),
        },
        waiting_words: match handset.waiting {
            0 => "Nothing waits at the carrier.".to_owned(),
            1 => "1 part waits at the carrier.".to_owned(),
            count => format!("{count} parts wait at the carrier."),
        },
        note: note(handset),
        clock: short(&shell.zone.clock(&shell.now)),
        texts: handset.texts.iter().rev().take(30).map(|text| view(text, shell)).collect(),
        keys,
    }
}

/// The small line below a phone: how its last receipt went.
fn note(handset: &Handset) -> String {
    match (handset.waiting, handset.last_receipt) {
        (1, _) => "1 part waits at the carrier".to_owned(),
        (waiting @ 2.., _) => format!("{waiting} parts wait at the carrier"),
        (0, None) => "no receipt yet".to_owned(),
        (0, Some(receipt)) => {
            let after = length(Duration::from_millis(receipt.after_ms));
            let times = match receipt.times {
                0 | 1 => "",
                2 => ", twice",
                _ => ", more than twice",
            };
            format!("last receipt {after} after submit{times}")
        }
    }
}

/// `03:12` of `03:12:07`.
fn short(clock: &str) -> String {
    clock.chars().take(5).collect()
}

fn view(text: &Text, shell: &Shell) -> TextView {
    let (here, total) = (text.parts.len(), usize::from(text.total));
    let mine = text.direction == Direction::Sent;
    let at = shell.zone.clock(&text.at);
    let small = match (&text.state, mine) {
        (TextState::Waiting, _) => format!("{at} · waits for an application"),
        (TextState::Refused { status }, _) => format!("{at} · refused: {status}"),
        (_, true) => format!("{at} · taken by the application"),
        _ => format!("{at} · {}", text.note()),
    };
    TextView {
        mine,
        body: text.text.clone(),
        rest: (!mine && here < total).then(|| match total - here {
            1 => "one part is on its way".to_owned(),
            missing => format!("{missing} parts are on their way"),
        }),
        small,
    }
}

/// What a text offers to answer: `1 K7Q = acknowledge` gives the key 1.
fn offers(text: &str) -> impl Iterator<Item = Key> + '_ {
    text.split([',', '.', '\n', ';']).filter_map(|piece| {
        let (answer, name) = piece.split_once('=')?;
        let mut words: Vec<&str> = answer.split_whitespace().rev().take(2).collect();
        words.reverse();
        let at = words.iter().position(|word| word.chars().all(|c| c.is_ascii_digit()))?;
        let digit = (*words.get(at)?).to_owned();
        let name = name.trim().to_owned();
        (!name.is_empty() && name.len() <= 20).then(|| Key { text: words[at..].join(" "), digit, name })
    })
}

/// The digit in `Answer UNDO 4 within 5 min`.
fn undo(text: &str) -> Option<&str> {
    let rest = text.split_once("UNDO ")?.1;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    (!digits.is_empty()).then_some(digits)
}

/// The sliders, set as the carrier behaves now.
pub fn dials(now: &Behaviour) -> Vec<Dial> {
    let delay = |name, label, max: u64, value: u64, after| {
        let words = format!("{} {after}", length(Duration::from_millis(value)));
        Dial { name, label, max, step: max / 200, value, unit: "ms", after, words }
    };
    let share = |name, label, value: f64, after| {
        let words = if value > 0.0 { format!("{value:.0} % {after}") } else { "none".to_owned() };
        Dial { name, label, max: 100, step: 1, value: whole(value), unit: "%", after, words }
    };
    vec![
        delay("answer_delay_ms", "Answer time", 2_000, now.answer_delay_ms, "after each submit_sm"),
        delay("receipt_delay_ms", "Receipt delay", 10_000, now.receipt_delay_ms, "after the submit"),
        share("loss_percent", "Loss", now.loss_percent, "of submits are never answered"),
        share("reject_percent", "Rejections", now.reject_percent, "of submits are refused"),
        share("throttle_percent", "Throttling", now.throttle_percent, "of submits are told to slow down"),
        share("receipts_twice_percent", "Receipts twice", now.receipts_twice_percent, "of receipts come twice"),
    ]
}

/// A percentage as a slider shows it.
fn whole(percent: f64) -> u64 {
    (0..=100_u8)
        .min_by(|a, b| (f64::from(*a) - percent).abs().total_cmp(&(f64::from(*b) - percent).abs()))
        .map_or(0, u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_under_the_glass_are_what_the_text_offers() {
        let keys = |text: &str| offers(text).map(|key| (key.digit, key.name, key.text)).collect::<Vec<_>>();
        let own = |digit: &str, name: &str, text: &str| (digit.to_owned(), name.to_owned(), text.to_owned());
        assert_eq!(
            keys("HIGH queue-2: depth 5,210. Answer 1 = acknowledge, 2 = pass on, 3 = resolve."),
            [own("1", "acknowledge", "1"), own("2", "pass on", "2"), own("3", "resolve", "3")]
        );
        assert_eq!(
            keys("CRITICAL db-1. Answer 4 K7Q = acknowledge, 5 K7Q = pass on."),
            [own("4", "acknowledge", "4 K7Q"), own("5", "pass on", "5 K7Q")]
        );
        assert!(keys("A-1042 is resolved.").is_empty());
        assert_eq!(undo("A-2 is yours: Queue depth. Answer UNDO 14 within 5 min to give it back."), Some("14"));
        assert_eq!(undo("Answer UNDO to give it back."), None);
    }
}
