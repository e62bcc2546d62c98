//! How meanings look: shape, colour class and word for each. No meaning is by colour alone.

use alerts::{Knot, Priority};

/// Something with a shape in the sprite.
pub trait Draw {
    /// The symbol's id in `icons.svg`.
    fn icon(&self) -> &'static str;
    /// The colour class.
    fn class(&self) -> &'static str;
    /// What a screen reader says.
    fn word(&self) -> &'static str;
}

impl Draw for Priority {
    fn icon(&self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "infos",
        }
    }

    fn class(&self) -> &'static str {
        match self {
            Self::Critical => "crit",
            Self::High => "high",
            Self::Medium => "med",
            Self::Low => "low",
            Self::Info => "info",
        }
    }

    fn word(&self) -> &'static str {
        self.as_str()
    }
}

impl Draw for Knot {
    fn icon(&self) -> &'static str {
        match self {
            Self::Done => "k-done",
            Self::Now => "k-now",
            Self::Waiting => "k-wait",
            Self::Skipped => "k-skip",
            Self::Unknown => "k-unknown",
            Self::Failed => "k-fail",
        }
    }

    fn class(&self) -> &'static str {
        match self {
            Self::Done => "soft",
            Self::Now => "acc pulse",
            Self::Waiting | Self::Skipped => "dim",
            Self::Unknown => "med",
            Self::Failed => "crit",
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::Now => "In progress",
            Self::Waiting => "Waiting",
            Self::Skipped => "Skipped",
            Self::Unknown => "Outcome unknown",
            Self::Failed => "Failed",
        }
    }
}

/// One circle of the 96 pixel chain in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MiniKnot {
    /// Left edge of the line that leads to the next one.
    pub from: u32,
    /// Middle of the circle.
    pub x: u32,
    /// What it stands for.
    pub knot: Knot,
    /// Whether the line to the next one is still to come.
    pub ahead: bool,
    /// Whether it is the last.
    pub last: bool,
}

/// Six knots, evenly spaced in a box 100 wide.
pub fn mini(knots: [Knot; 6]) -> Vec<MiniKnot> {
    const X: [u32; 6] = [2, 20, 39, 57, 76, 94];
    let ahead = |knot: Knot| matches!(knot, Knot::Waiting | Knot::Now);
    X.iter()
        .zip(knots)
        .enumerate()
        .map(|(place, (x, knot))| MiniKnot {
            from: x + 4,
            x: *x,
            knot,
            ahead: knots.get(place + 1).copied().is_some_and(ahead),
            last: place == 5,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPRITE: &str = include_str!("../assets/icons.svg");

    #[test]
    fn every_meaning_has_a_shape_of_its_own_in_the_sprite() {
        let priorities = [Priority::Critical, Priority::High, Priority::Medium, Priority::Low, Priority::Info];
        let knots = [Knot::Done, Knot::Now, Knot::Waiting, Knot::Skipped, Knot::Unknown, Knot::Failed];
        let icons: std::collections::BTreeSet<&str> =
            priorities.iter().map(Draw::icon).chain(knots.iter().map(Draw::icon)).collect();
        assert_eq!(icons.len(), priorities.len() + knots.len(), "no meaning by colour alone");
        for icon in icons {
            assert!(SPRITE.contains(&format!("id=\"{icon}\"")), "{icon}");
        }
    }

    /// What templates name must be in the sprite, or a hole stays on the page.
    #[test]
    fn every_icon_of_the_templates_is_in_the_sprite() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for rest in text.split("parts::icon(\"").skip(1) {
                let name = rest.split('"').next().unwrap();
                assert!(SPRITE.contains(&format!("id=\"{name}\"")), "{name}");
            }
            assert!(!text.contains("|safe"), "nothing is trusted to be HTML");
        }
    }
}
