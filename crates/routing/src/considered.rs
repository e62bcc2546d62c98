//! A decision's record as a path: each route in the order in which it was considered, and in it each carrier.

use base::RouteId;

use crate::Reason;

/// What became of a route or a carrier in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message goes by it.
    Taken,
    /// The message waits for it.
    Waits,
    /// It could not be taken.
    Failed,
    /// It was not for this message, or not to be tried.
    Skipped,
    /// The message did not come so far.
    NotReached,
}

impl Verdict {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Waits => "waits",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::NotReached => "not_reached",
        }
    }
}

/// A carrier on the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Its name.
    pub carrier: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The sentences of the record about it.
    pub words: Vec<String>,
}

/// A route on the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Its id.
    pub id: RouteId,
    /// What it is called.
    pub route: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The sentences of the record about it.
    pub words: Vec<String>,
    /// Its carriers, as far as they were looked at.
    pub carriers: Vec<Way>,
}

/// The routes of `record`, in the order in which they were considered; those that do not match come last.
pub fn considered(record: &[Reason]) -> Vec<Considered> {
    let mut path: Vec<Considered> = Vec::new();
    for reason in record {
        let words = vec![reason.to_string()];
        let route = |id: &RouteId, route: &String, verdict| Considered {
            id: *id,
            route: route.clone(),
            verdict,
            words: words.clone(),
            carriers: Vec::new(),
        };
        match reason {
            Reason::NoRoute { .. } => {}
            Reason::Passed { id, route: name, .. } => path.push(route(id, name, Verdict::Skipped)),
            Reason::NotReached { id, route: name } => path.push(route(id, name, Verdict::NotReached)),
            Reason::Matched { id, route: name, .. } => path.push(route(id, name, Verdict::Failed)),
            Reason::NoSender { .. } => {
                if let Some(last) = path.last_mut() {
                    last.words.extend(words);
                }
            }
            Reason::UnknownCarrier { carrier }
            | Reason::Down { carrier, .. }
            | Reason::SenderNotTaken { carrier, .. } => {
                step(&mut path, carrier, Verdict::Failed, words);
            }
            Reason::NotForDevelopment { carrier } | Reason::Tried { carrier } => {
                step(&mut path, carrier, Verdict::Skipped, words);
            }
            Reason::SenderReplaced { carrier, .. } => step(&mut path, carrier, Verdict::Skipped, words),
            Reason::Chosen { carrier } => end(&mut path, carrier, Verdict::Taken, words),
            Reason::Waits { carrier } => end(&mut path, carrier, Verdict::Waits, words),
        }
    }
    path.sort_by_key(|route| route.verdict == Verdict::Skipped);
    path
}

/// One more sentence about a carrier of the latest route.
fn step(path: &mut [Considered], carrier: &str, verdict: Verdict, words: Vec<String>) {
    let Some(route) = path.last_mut() else { return };
    match route.carriers.iter_mut().find(|way| way.carrier == carrier) {
        Some(way) => {
            way.verdict = verdict;
            way.words.extend(words);
        }
        None => route.carriers.push(Way { carrier: carrier.to_owned(), verdict, words }),
    }
}

/// The end: in the latest route that speaks of this carrier, which after a second choice need not be the last one.
fn end(path: &mut [Considered], carrier: &str, verdict: Verdict, words: Vec<String>) {
    let known = path.iter().position(|route| route.carriers.iter().any(|way| way.carrier == carrier));
    let last = path.iter().rposition(|route| route.verdict == Verdict::Failed);
    let Some(at) = known.or(last) else { return };
    step(&mut path[..=at], carrier, verdict, words);
    path[at].verdict = verdict;
}
