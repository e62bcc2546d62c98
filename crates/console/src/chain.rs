//! The chain as it is drawn: from what `alerts`, `signals` and `flows` know to six columns of knots.

use std::time::Duration;

use alerts::{Alert, By, Chain, ChainRow, Knot, State, StepState};
use base::{RunId, SignalId, Timestamp};

use crate::zone::{gap, length};

/// One knot with what stands beneath it.
#[derive(Clone, Debug)]
pub struct Link {
    /// How it is drawn.
    pub knot: Knot,
    /// The bold line.
    pub title: String,
    /// When.
    pub at: Option<Timestamp>,
    /// The line beneath.
    pub small: Option<String>,
    /// Where the bold line leads.
    pub href: Option<String>,
    /// The gap to the next knot.
    pub gap: Option<String>,
    /// Whether the line onwards is still to come.
    pub wait: bool,
}

impl Link {
    fn new(knot: Knot, title: impl Into<String>) -> Self {
        Self { knot, title: title.into(), at: None, small: None, href: None, gap: None, wait: false }
    }
}

/// One person's row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who and when.
    pub first: Link,
    /// Parts, receipt, answer; nothing when there is a reason.
    pub links: Vec<Link>,
    /// Why this person is not paged.
    pub reason: Option<String>,
    /// Whether all of it is still to come.
    pub later: bool,
}

impl Row {
    fn knots(&self) -> [Knot; 4] {
        let at = |place: usize| self.links.get(place).map_or(Knot::Waiting, |link| link.knot);
        [self.first.knot, at(0), at(1), at(2)]
    }
}

/// What is known of the signal that began it.
#[derive(Clone, Debug, Default)]
pub struct SignalFacts {
    /// Which one.
    pub id: Option<SignalId>,
    /// The integration's name.
    pub integration: String,
    /// When it came.
    pub at: Option<Timestamp>,
    /// How long until it was accepted.
    pub took: Option<Duration>,
}

/// What is known of the run between signal and alert.
#[derive(Clone, Debug, Default)]
pub struct RunFacts {
    /// Which one.
    pub id: Option<RunId>,
    /// The flow's name.
    pub flow: String,
    /// Its version.
    pub version: i64,
    /// When it began.
    pub at: Option<Timestamp>,
    /// Steps done and steps altogether.
    pub steps: (usize, usize),
}

/// The whole picture.
#[derive(Clone, Debug)]
pub struct View {
    /// `A-1042`
    pub alert: String,
    /// What is known of the signal.
    pub signal: Option<SignalFacts>,
    /// What is known of the run.
    pub run: Option<RunFacts>,
    /// Signal and run.
    pub trunk: Vec<Link>,
    /// One row a person.
    pub rows: Vec<Row>,
    /// The plan in words.
    pub policy: String,
    /// Whether nobody was or will be paged.
    pub lonely: bool,
    /// `116 ms`, once the first page went out.
    pub first_page: Option<String>,
    /// Who answered and how long it took, or that nobody did.
    pub answered: String,
}

impl View {
    /// Draws `chain` of `alert`; `base` is the workspace's path for a reader who may open messages.
    pub fn new(
        alert: &Alert,
        chain: &Chain,
        signal: Option<SignalFacts>,
        run: Option<RunFacts>,
        base: Option<&str>,
    ) -> Self {
        let first_page_at =
            chain.rows.iter().filter(|row| row.notified.knot != Knot::Skipped).find_map(|row| row.notified.at);
        let signal_at = signal.as_ref().and_then(|facts| facts.at);
        let run_at = run.as_ref().and_then(|facts| facts.at);
        let mut trunk = vec![signal_link(signal.as_ref(), base), run_link(run.as_ref(), base)];
        trunk[0].gap = between(signal_at, run_at);
        trunk[1].gap = between(run_at, first_page_at);
        let mut rows: Vec<Row> = chain.rows.iter().map(|row| draw_row(row, alert, base)).collect();
        let lonely = rows.is_empty();
        if lonely {
            rows.push(Row {
                first: Link::new(Knot::Skipped, "Nobody"),
                links: Vec::new(),
                reason: Some("Nobody was paged. The timeline says why.".into()),
                later: false,
            });
        }
        Self {
            alert: alert.name(),
            signal,
            run,
            trunk,
            rows,
            policy: chain.policy.clone(),
            lonely,
            first_page: chain.first_page_after.map(length),
            answered: answered(alert, chain.first_answer_after),
        }
    }

    /// The whole chain as six knots: those of the row that got furthest.
    pub fn six(&self, alert: &Alert) -> [Knot; 6] {
        let far = |row: &&Row| row.knots().into_iter().map(weight).sum::<u32>();
        let best = self.rows.iter().filter(|row| row.reason.is_none()).max_by_key(far);
        let [page, parts, receipt, answer] = best.map_or([Knot::Waiting; 4], Row::knots);
        let taken = alert.acknowledged.is_some() || alert.closed_by.is_some();
        let there = |known: bool| if known { Knot::Done } else { Knot::Skipped };
        let answer = if taken { Knot::Done } else { answer };
        [there(alert.signal.is_some()), there(alert.run.is_some()), page, parts, receipt, answer]
    }
}

/// How far a knot is on the way to an answer.
const fn weight(knot: Knot) -> u32 {
    match knot {
        Knot::Done => 3,
        Knot::Now => 2,
        Knot::Unknown | Knot::Failed => 1,
        Knot::Waiting | Knot::Skipped => 0,
    }
}

/// The six knots of a chain for a list, where signal and run are not looked at more closely.
pub fn six(alert: &Alert, chain: &Chain) -> [Knot; 6] {
    View::new(alert, chain, None, None, None).six(alert)
}

fn signal_link(facts: Option<&SignalFacts>, base: Option<&str>) -> Link {
    let Some(facts) = facts else { return Link::new(Knot::Skipped, "No signal") };
    let mut link = Link::new(Knot::Done, facts.integration.clone());
    link.at = facts.at;
    link.href = base.zip(facts.id).map(|(base, id)| format!("{base}/signals/{id}"));
    link.small = facts.took.map(|took| format!("202 in {}", length(took)));
    link
}

fn run_link(facts: Option<&RunFacts>, base: Option<&str>) -> Link {
    let Some(facts) = facts else { return Link::new(Knot::Skipped, "No run") };
    let mut link = Link::new(Knot::Done, format!("{}, v{}", facts.flow, facts.version));
    link.at = facts.at;
    link.href = base.zip(facts.id).map(|(base, id)| format!("{base}/runs/{id}"));
    link.small = (facts.steps.1 > 0).then(|| format!("{} of {} steps", facts.steps.0, facts.steps.1));
    link
}

/// Who answered first: a person whose phone rang, or somebody at a desk.
fn answered(alert: &Alert, first: Option<Duration>) -> String {
    if let Some(first) = first {
        return format!("answered after {}", length(first));
    }
    let by = |by: &Option<By>, did: &str, at: Option<Timestamp>| {
        let name = by.as_ref().map_or("somebody", |by| by.name.as_str());
        let after = at.map(|at| format!(" after {}", length(at.since(alert.opened)))).unwrap_or_default();
        format!("{did} by {name}{after}")
    };
    match alert.state {
        State::Open => "answer: none yet".to_owned(),
        State::Acknowledged => by(&alert.acknowledged_by, "taken", alert.acknowledged),
        State::Resolved => by(&alert.closed_by, "resolved", alert.closed),
        State::Expired => "nobody answered".to_owned(),
    }
}

fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<String> {
    let (from, to) = (from?, to?);
    // Two clocks, or one that was set back, may tell them in the wrong order: then no gap is better than a wrong one.
    (from <= to).then(|| gap(to.since(from)))
}

fn draw_row(row: &ChainRow, alert: &Alert, base: Option<&str>) -> Row {
    let place =
        if row.round > 1 { format!("round {}, step {}", row.round, row.step) } else { format!("step {}", row.step) };
    let mut notified = Link::new(row.notified.knot, row.person.clone());
    notified.at = row.notified.at;
    notified.small = Some(place);
    if row.state == StepState::Skipped {
        return Row {
            first: notified,
            links: Vec::new(),
            reason: Some(row.reason.clone().unwrap_or_default()),
            later: false,
        };
    }
    let later = row.state == StepState::Planned;
    if later && row.notified.knot == Knot::Skipped {
        let who = alert.acknowledged_by.as_ref().map_or("somebody", |by| by.name.as_str());
        return Row {
            first: notified,
            links: Vec::new(),
            reason: Some(format!("Not paged while {who} has it.")),
            later: false,
        };
    }
    notified.gap = if later { None } else { between(row.notified.at, row.message.at) };
    let mut message = Link::new(row.message.knot, message_title(row));
    message.at = row.message.at;
    message.small.clone_from(&row.message.carrier);
    message.href = base.zip(row.message_id).map(|(base, id)| format!("{base}/messages/{id}"));
    message.gap = between(row.message.at, row.receipt.at);
    let mut receipt = Link::new(row.receipt.knot, receipt_title(row));
    receipt.at = row.receipt.at;
    receipt.gap = between(row.receipt.at, row.answer.at);
    receipt.wait = row.answer.at.is_none();
    message.wait = row.receipt.at.is_none();
    let answer_title = match (&row.answer.words, row.answer.knot) {
        (Some(words), _) => words.clone(),
        _ if row.state == StepState::Failed => "Not reached".into(),
        (None, Knot::Waiting | Knot::Now) if !later && alert.state == State::Open => "No answer yet".into(),
        (None, Knot::Skipped) => "None needed".into(),
        _ => String::new(),
    };
    let mut answer = Link::new(row.answer.knot, answer_title);
    answer.at = row.answer.at;
    if row.state == StepState::Failed && row.answer.words.is_none() {
        answer.small.clone_from(&row.reason);
    }
    Row { first: notified, links: vec![message, receipt, answer], reason: None, later }
}

fn message_title(row: &ChainRow) -> String {
    let message = &row.message;
    match row.state {
        StepState::Planned => "Planned".into(),
        _ if message.again > 0 => format!("{} of {} sent, {} sent again", message.sent, message.total, message.again),
        _ if message.total == 0 => "Not sent yet".into(),
        _ => format!("{} of {} sent", message.sent, message.total),
    }
}

fn receipt_title(row: &ChainRow) -> &'static str {
    match (row.state, row.receipt.knot) {
        (StepState::Planned, _) => "",
        (_, Knot::Done) => "Delivered",
        (_, Knot::Failed) => "Not delivered",
        (_, Knot::Unknown) => "Unknown",
        _ => "Waiting",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, after, alert, by, chain, step};

    fn view(alert: &Alert, rows: Vec<ChainRow>) -> View {
        let signal = SignalFacts {
            id: alert.signal,
            integration: "alertmanager".into(),
            at: Some(NOW.minus(Duration::from_millis(49))),
            took: Some(Duration::from_millis(4)),
        };
        let run = RunFacts {
            id: alert.run,
            flow: "page-on-call".into(),
            version: 3,
            at: Some(NOW.minus(Duration::from_millis(28))),
            steps: (3, 4),
        };
        View::new(alert, &chain(rows), Some(signal), Some(run), Some("/w/demo"))
    }

    #[test]
    fn the_six_links_carry_times_and_gaps() {
        let view = view(&alert(), vec![step()]);
        let trunk: Vec<_> = view.trunk.iter().map(|link| (link.title.as_str(), link.gap.as_deref())).collect();
        assert_eq!(trunk, [("alertmanager", Some("+21 ms")), ("page-on-call, v3", Some("+56 ms"))]);
        assert_eq!(view.trunk[1].small.as_deref(), Some("3 of 4 steps"));
        let row = &view.rows[0];
        assert_eq!((row.first.title.as_str(), row.first.gap.as_deref()), ("Cem Sample", Some("+67 ms")));
        let rest: Vec<_> = row.links.iter().map(|link| (link.title.as_str(), link.gap.as_deref())).collect();
        assert_eq!(rest, [("1 of 1 sent", Some("+3.1 s")), ("Delivered", None), ("No answer yet", None)]);
        assert_eq!(row.links[0].href.as_deref(), Some("/w/demo/messages/00000000-0000-0000-0000-000000000009"));
        assert!(row.links[1].wait, "the line to an answer that is not there is dotted");
        assert_eq!(view.answered, "answer: none yet");
    }

    #[test]
    fn parts_are_told_as_they_went() {
        let titles = |sent, total, again, state| {
            let mut row = step();
            (row.message.sent, row.message.total, row.message.again, row.state) = (sent, total, again, state);
            view(&alert(), vec![row]).rows[0].links[0].title.clone()
        };
        let cases = [
            (titles(1, 2, 0, StepState::Sent), "1 of 2 sent"),
            (titles(2, 2, 1, StepState::Sent), "2 of 2 sent, 1 sent again"),
            (titles(0, 0, 0, StepState::Sent), "Not sent yet"),
            (titles(0, 1, 0, StepState::Planned), "Planned"),
        ];
        for (title, expected) in cases {
            assert_eq!(title, expected);
        }
    }

    #[test]
    fn every_non_event_has_a_reason() {
        let mut skipped = step();
        (skipped.state, skipped.reason) = (StepState::Skipped, Some("Not paged: absent.".into()));
        let mut planned = step();
        (planned.state, planned.notified.knot) = (StepState::Planned, Knot::Skipped);
        let mut taken = alert();
        (taken.state, taken.acknowledged) = (State::Acknowledged, Some(after(90_000)));
        taken.acknowledged_by = by("Ada Sample");
        let view = view(&taken, vec![skipped, planned]);
        let reasons: Vec<_> = view.rows.iter().map(|row| row.reason.as_deref()).collect();
        assert_eq!(reasons, [Some("Not paged: absent."), Some("Not paged while Ada Sample has it.")]);
        assert_eq!(view.answered, "taken by Ada Sample after 1 min 30 s");
        let nobody = View::new(&alert(), &chain(Vec::new()), None, None, None);
        assert!(nobody.lonely && nobody.rows[0].reason.is_some());
        assert_eq!(nobody.trunk[0].title, "No signal");
    }

    #[test]
    fn a_gap_that_would_be_negative_is_not_told() {
        assert_eq!(between(Some(after(10)), Some(NOW)), None);
        assert_eq!(between(Some(NOW), Some(NOW)).as_deref(), Some("+0 ms"));
    }

    #[test]
    fn the_small_chain_shows_who_got_furthest() {
        let mut planned = step();
        planned.state = StepState::Planned;
        for knot in [&mut planned.notified.knot, &mut planned.message.knot, &mut planned.receipt.knot] {
            *knot = Knot::Waiting;
        }
        let mut failed = step();
        for knot in [&mut failed.message.knot, &mut failed.receipt.knot] {
            *knot = Knot::Failed;
        }
        let six = view(&alert(), vec![step(), failed, planned]).six(&alert());
        assert_eq!(six, [Knot::Done, Knot::Done, Knot::Done, Knot::Done, Knot::Done, Knot::Waiting]);
        let by_hand = Alert { signal: None, run: None, closed_by: by("Ada Sample"), ..alert() };
        let six = super::six(&by_hand, &chain(vec![step()]));
        assert_eq!((six[0], six[1], six[5]), (Knot::Skipped, Knot::Skipped, Knot::Done));
    }
}
