//! A flow drawn as boxes and arrows: from its steps to places on a sheet. Pure; the template turns it into SVG.
//!
//! Steps stand in rows, each below all that lead to it. An arrow over several rows gets a lane of its own in the rows
//! between, and rows are ordered so that arrows cross seldom. A way to the end is a short stub: an end is no place to go to.

use std::fmt::Write as _;

use flows::document::{Action, Document, Next};

/// Width and height of a step's box, in pixels.
const BOX: (i32, i32) = (208, 58);
/// Width of a lane for an arrow.
const LANE: i32 = 20;
/// Between two places of a row, and between two rows.
const GAP: (i32, i32) = (28, 52);
/// Around all of it.
const MARGIN: i32 = 8;
/// How long the stub of an end is.
const STUB: i32 = 22;
/// Characters of a line in a box.
const LINE: usize = 25;
/// How often the order of the rows is improved.
const SWEEPS: usize = 6;

/// How a step of a run is drawn over the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trail {
    /// It was done.
    Done,
    /// It was done otherwise than written.
    Otherwise,
    /// It could not be done.
    Failed,
    /// The run did not come by.
    Passed,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepBox {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Its id, cut to the box.
    pub name: String,
    /// What it does, cut to the box.
    pub words: String,
    /// Its icon in the sprite.
    pub icon: &'static str,
    /// Its class.
    pub class: &'static str,
}

/// One way on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The line, as an SVG path.
    pub path: String,
    /// `yes` or `no` behind a condition.
    pub label: &'static str,
    /// Where the label stands.
    pub at: (i32, i32),
    /// Whether it ends here, in a small ring.
    pub end: Option<(i32, i32)>,
    /// Its class.
    pub class: &'static str,
}

/// The whole sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// The steps.
    pub boxes: Vec<StepBox>,
    /// The ways between them.
    pub arrows: Vec<Arrow>,
    /// One sentence for those who do not see it.
    pub sentence: String,
}

/// A place in a row: a step, or the lane of an arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Step(usize),
    Lane(usize),
}

impl Place {
    const fn width(self) -> i32 {
        match self {
            Self::Step(_) => BOX.0,
            Self::Lane(_) => LANE,
        }
    }
}

/// A way from one step to another.
struct Way {
    from: usize,
    to: usize,
    label: &'static str,
    /// The places it goes through: its first step, its lanes, its last step.
    through: Vec<usize>,
}

/// Rows of places, by which arrows go.
struct Sheet {
    places: Vec<Place>,
    rows: Vec<Vec<usize>>,
    ways: Vec<Way>,
}

impl Sheet {
    fn new(document: &Document) -> Self {
        let depth = depths(document);
        let rows = depth.iter().max().map_or(0, |deepest| deepest + 1);
        let mut sheet = Self {
            places: (0..document.steps.len()).map(Place::Step).collect(),
            rows: vec![Vec::new(); rows],
            ways: Vec::new(),
        };
        for (step, row) in depth.iter().enumerate() {
            sheet.rows[*row].push(step);
        }
        for (from, step) in document.steps.iter().enumerate() {
            for (place, next) in step.action.ways().into_iter().enumerate() {
                let Next::Step(to) = next else { continue };
                let mut through = vec![from];
                for row in depth[from] + 1..depth[to] {
                    sheet.places.push(Place::Lane(sheet.ways.len()));
                    sheet.rows[row].push(sheet.places.len() - 1);
                    through.push(sheet.places.len() - 1);
                }
                through.push(to);
                sheet.ways.push(Way { from, to, label: label(&step.action, place), through });
            }
        }
        for sweep in 0..SWEEPS {
            sheet.untangle(sweep % 2 == 0);
        }
        sheet
    }

    /// Orders each row by where its neighbours in the row before (or after) stand.
    fn untangle(&mut self, downwards: bool) {
        let order: Vec<usize> = if downwards {
            (1..self.rows.len()).collect()
        } else {
            (0..self.rows.len().saturating_sub(1)).rev().collect()
        };
        for row in order {
            let beside = if downwards { row - 1 } else { row + 1 };
            let mut keyed: Vec<(usize, usize)> = self.rows[row]
                .iter()
                .enumerate()
                .map(|(own, place)| {
                    let near: Vec<usize> = self
                        .neighbours(*place, downwards)
                        .filter_map(|other| self.rows[beside].iter().position(|one| *one == other))
                        .collect();
                    // In thousandths, so that whole numbers do; alone, it stays where it is.
                    let middle = match near.len() {
                        0 => own * 1_000,
                        count => near.iter().sum::<usize>() * 1_000 / count,
                    };
                    (middle, *place)
                })
                .collect();
            keyed.sort_by_key(|(middle, _)| *middle);
            self.rows[row] = keyed.into_iter().map(|(_, place)| place).collect();
        }
    }

    fn neighbours(&self, place: usize, above: bool) -> impl Iterator<Item = usize> {
        self.ways.iter().flat_map(move |way| way.through.windows(2)).filter_map(move |pair| match above {
            true if pair[1] == place => Some(pair[0]),
            false if pair[0] == place => Some(pair[1]),
            _ => None,
        })
    }

    fn width(&self, row: &[usize]) -> i32 {
        row.iter().map(|place| self.places[*place].width() + GAP.0).sum::<i32>() - GAP.0
    }

    /// The middle of each place, from left, and its row.
    fn middles(&self) -> (Vec<(i32, usize)>, i32) {
        let widest = self.rows.iter().map(|row| self.width(row)).max().unwrap_or_default();
        let mut middles = vec![(0, 0); self.places.len()];
        for (number, row) in self.rows.iter().enumerate() {
            let mut x = MARGIN + (widest - self.width(row)) / 2;
            for place in row {
                let width = self.places[*place].width();
                middles[*place] = (x + width / 2, number);
                x += width + GAP.0;
            }
        }
        (middles, widest + 2 * MARGIN)
    }
}

/// The row of each step: one below the deepest that leads to it. A flow has no circles, so this comes to rest.
fn depths(document: &Document) -> Vec<usize> {
    let mut depth = vec![0; document.steps.len()];
    for _ in 0..document.steps.len() {
        let mut still = true;
        for (from, step) in document.steps.iter().enumerate() {
            for next in step.action.ways() {
                if let Next::Step(to) = next
                    && depth[to] <= depth[from]
                {
                    depth[to] = depth[from] + 1;
                    still = false;
                }
            }
        }
        if still {
            break;
        }
    }
    depth
}

fn label(action: &Action, place: usize) -> &'static str {
    match (action, place) {
        (Action::Condition { .. }, 0) => "yes",
        (Action::Condition { .. }, _) => "no",
        _ => "",
    }
}

fn icon(action: &Action) -> &'static str {
    match action {
        Action::Trigger { .. } => "signal",
        Action::Condition { .. } => "branch",
        Action::Set { .. } => "doc",
        Action::CreateAlert(_) => "bell",
        Action::ResolveAlert { .. } => "check",
    }
}

/// What a step does, in one line.
fn brief(action: &Action) -> String {
    match action {
        Action::Trigger { .. } => "an event comes in".to_owned(),
        Action::Condition { test, .. } => test.clone(),
        Action::Set { values, .. } => {
            format!("keeps {}", values.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        Action::CreateAlert(create) => match &create.group {
            Some(group) => format!("alert for {group}"),
            None => "alert for the event’s group".to_owned(),
        },
        Action::ResolveAlert { key, .. } => format!("resolves {key}"),
    }
}

fn cut(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= most { text } else { text.chars().take(most - 1).chain(['…']).collect() }
}

const fn class(trail: Option<Trail>) -> &'static str {
    match trail {
        None => "",
        Some(Trail::Done) => "ran",
        Some(Trail::Otherwise) => "odd",
        Some(Trail::Failed) => "bad",
        Some(Trail::Passed) => "off",
    }
}

/// Draws a flow; `trail` says for each step what a run did there, when it is drawn for one.
pub fn draw(name: &str, document: &Document, trail: impl Fn(&str) -> Option<Trail>) -> Picture {
    let sheet = Sheet::new(document);
    let (middles, width) = sheet.middles();
    let top = |row: usize| MARGIN + i32::try_from(row).unwrap_or_default() * (BOX.1 + GAP.1);
    let of = |step: usize| trail(&document.steps[step].id);
    let boxes = document.steps.iter().enumerate().map(|(number, step)| StepBox {
        x: middles[number].0 - BOX.0 / 2,
        y: top(middles[number].1),
        name: cut(&step.id, LINE - 3),
        words: cut(&brief(&step.action), LINE),
        icon: icon(&step.action),
        class: class(of(number)),
    });
    let mut arrows = Vec::new();
    for (from, step) in document.steps.iter().enumerate() {
        let ways = step.action.ways();
        let count = i32::try_from(ways.len()).unwrap_or(1);
        let aim = |next: &Next| match next {
            Next::End => middles[from].0,
            Next::Step(to) => middles[*to].0,
        };
        for (place, next) in (0..).zip(ways.iter().copied()) {
            // Two ways leave a box apart from each other, the one that goes left from the left.
            let left = ways.iter().filter(|other| aim(other) < aim(&next)).count();
            let level = ways.iter().take(usize::try_from(place).unwrap_or_default());
            let port = left + level.filter(|other| aim(other) == aim(&next)).count();
            let port = i32::try_from(port).unwrap_or_default();
            let x = middles[from].0 + (2 * port - (count - 1)) * BOX.0 / 5;
            let y = top(middles[from].1) + BOX.1;
            let gone = of(from).is_some_and(|trail| trail == Trail::Passed);
            let name = label(&step.action, usize::try_from(place).unwrap_or_default());
            let at = (x + 6, y + 15);
            match next {
                Next::End => arrows.push(Arrow {
                    path: format!("M{x} {y}v{STUB}"),
                    label: name,
                    at,
                    end: Some((x, y + STUB + 4)),
                    class: if gone { "off" } else { "" },
                }),
                Next::Step(to) => {
                    let Some(way) = sheet.ways.iter().find(|way| way.from == from && way.to == to && way.label == name)
                    else {
                        continue;
                    };
                    let missed = gone || of(to).is_some_and(|trail| trail == Trail::Passed);
                    let path = line(&way.through, &middles, &sheet.places, top, (x, y));
                    arrows.push(Arrow { path, label: name, at, end: None, class: if missed { "off" } else { "" } });
                }
            }
        }
    }
    let rows = i32::try_from(sheet.rows.len()).unwrap_or_default();
    let count = match document.steps.len() {
        1 => "one step".to_owned(),
        count => format!("{count} steps"),
    };
    Picture {
        width,
        height: MARGIN * 2 + rows * BOX.1 + (rows - 1).max(0) * GAP.1 + STUB + MARGIN,
        boxes: boxes.collect(),
        arrows,
        sentence: format!("The flow {name} as {count}, joined by arrows; the same in words is beneath."),
    }
}

/// A line that leaves at `start`, goes down its lanes and ends above its last box.
fn line(
    through: &[usize],
    middles: &[(i32, usize)],
    places: &[Place],
    top: impl Fn(usize) -> i32,
    start: (i32, i32),
) -> String {
    let (mut x, mut y) = start;
    let mut path = format!("M{x} {y}");
    for place in through.iter().skip(1) {
        let (to_x, row) = middles[*place];
        let to_y = top(row);
        let bend = (to_y - y) / 2;
        // Writing to a string cannot fail.
        let _ = write!(path, "C{x} {} {to_x} {} {to_x} {to_y}", y + bend, to_y - bend);
        (x, y) = (to_x, to_y);
        if matches!(places[*place], Place::Lane(_)) {
            let _ = write!(path, "v{}", BOX.1);
            y += BOX.1;
        }
    }
    path
}

#[cfg(test)]
pub mod tests {
    use flows::document::{Definition, read};
    use serde_json::json;

    use super::*;

    /// A flow with a branch, a way over several rows, and two ways into one step.
    pub fn document() -> Document {
        let definition: Definition = serde_json::from_value(json!({
            "name": "checkout", "group": "ops", "steps": [
                {"id": "start", "type": "trigger", "next": "firing"},
                {"id": "firing", "type": "condition", "if": "event.status == \"firing\"", "then": "keep", "else": "clear"},
                {"id": "keep", "type": "set", "values": {"host": "db-1"}, "next": "page"},
                {"id": "page", "type": "create_alert", "title": "Disk full", "group": "ops", "next": "clear"},
                {"id": "clear", "type": "resolve_alert", "key": "disk", "next": "end"}
            ]
        }))
        .unwrap();
        read(&definition).unwrap()
    }

    fn picture() -> Picture {
        draw("checkout", &document(), |_| None)
    }

    #[test]
    fn each_step_stands_below_all_that_lead_to_it() {
        let picture = picture();
        let y = |name: &str| picture.boxes.iter().find(|one| one.name == name).unwrap().y;
        assert!(y("start") < y("firing") && y("firing") < y("keep") && y("keep") < y("page") && y("page") < y("clear"));
    }

    #[test]
    fn no_two_boxes_share_a_place_and_all_are_on_the_sheet() {
        let picture = picture();
        for (number, one) in picture.boxes.iter().enumerate() {
            assert!(one.x >= 0 && one.x + BOX.0 <= picture.width && one.y + BOX.1 <= picture.height, "{one:?}");
            for other in &picture.boxes[number + 1..] {
                assert!((one.x - other.x).abs() >= BOX.0 || (one.y - other.y).abs() >= BOX.1, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn every_way_is_an_arrow_and_an_end_is_a_stub() {
        let picture = picture();
        assert_eq!(picture.arrows.len(), 6);
        assert_eq!(picture.arrows.iter().filter(|arrow| arrow.end.is_some()).count(), 1);
        let labels: Vec<&str> =
            picture.arrows.iter().map(|arrow| arrow.label).filter(|label| !label.is_empty()).collect();
        assert_eq!(labels, ["yes", "no"]);
        let long = picture.arrows.iter().find(|arrow| arrow.label == "no").unwrap();
        assert_eq!(long.path.matches('v').count(), 2, "a lane in each of the two rows it passes: {}", long.path);
    }

    #[test]
    fn a_run_leaves_its_trail() {
        let picture = draw("checkout", &document(), |step| {
            Some(if matches!(step, "keep" | "page") { Trail::Passed } else { Trail::Done })
        });
        let classes: Vec<&str> = picture.boxes.iter().map(|one| one.class).collect();
        assert_eq!(classes, ["ran", "ran", "off", "off", "ran"]);
        assert_eq!(picture.arrows.iter().filter(|arrow| arrow.class == "off").count(), 3);
    }

    #[test]
    fn long_words_are_cut_to_their_box() {
        assert_eq!(cut("a  b", 5), "a b");
        assert_eq!(cut(&"x".repeat(40), 5), "xxxx…");
    }
}
