//! Rules of a flow's graph: one trigger at the start, every step reachable, no way round in a circle.

use crate::document::{Action, END, EXPIRES_MAX, Mistake, Next, Step};

/// Whether `text` can be a step's id.
pub(crate) fn is_id(text: &str) -> bool {
    text != END
        && text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

/// Whether `text` can be a name that templates use: `vars.NAME`.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A number of minutes from 1 on.
pub(crate) fn minutes(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|minutes| (1..=EXPIRES_MAX).contains(minutes))
}

/// The mistakes in the way the steps hang together.
pub(crate) fn graph(steps: &[Step]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let triggers: Vec<usize> =
        (0..steps.len()).filter(|place| matches!(steps[*place].action, Action::Trigger { .. })).collect();
    if triggers != [0] {
        mistakes.push(Mistake {
            path: "steps".to_owned(),
            code: "trigger",
            detail: "A flow has exactly one step of the type trigger, and it is the first.".to_owned(),
        });
        return mistakes;
    }
    let mut seen = vec![Mark::New; steps.len()];
    if let Some(circle) = circle(steps, 0, &mut seen) {
        let names: Vec<&str> = circle.iter().map(|place| steps[*place].id.as_str()).collect();
        mistakes.push(Mistake {
            path: format!("steps[{}]", circle.last().copied().unwrap_or_default()),
            code: "circle",
            detail: format!("The flow goes round in a circle: {}. Let one of them go on at `end`.", names.join(" → ")),
        });
        return mistakes;
    }
    for (place, step) in steps.iter().enumerate().filter(|(place, _)| seen[*place] == Mark::New) {
        mistakes.push(Mistake {
            path: format!("steps[{place}]"),
            code: "unreachable-step",
            detail: format!("No way leads to step `{}`. Let another step go on there, or remove it.", step.id),
        });
    }
    mistakes
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnTheWay,
    Done,
}

/// Walks from `place` and gives the first circle found. At most as deep as there are steps, which are few.
fn circle(steps: &[Step], place: usize, marks: &mut [Mark]) -> Option<Vec<usize>> {
    match marks[place] {
        Mark::Done => return None,
        Mark::OnTheWay => return Some(vec![place]),
        Mark::New => marks[place] = Mark::OnTheWay,
    }
    for next in steps[place].action.ways() {
        let Next::Step(next) = next else { continue };
        if let Some(mut found) = circle(steps, next, marks) {
            // Closed already when its two ends are the same step.
            if found.len() == 1 || found.first() != found.last() {
                found.insert(0, place);
            }
            return Some(found);
        }
    }
    marks[place] = Mark::Done;
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::document::{Definition, read};

    fn mistakes(steps: serde_json::Value) -> Vec<(String, &'static str, String)> {
        let definition: Definition =
            serde_json::from_value(json!({"name": "f", "group": "ops", "steps": steps})).unwrap();
        match read(&definition) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.into_iter().map(|one| (one.path, one.code, one.detail)).collect(),
        }
    }

    fn one(steps: serde_json::Value) -> (String, &'static str, String) {
        let all = mistakes(steps);
        assert_eq!(all.len(), 1, "{all:?}");
        all.into_iter().next().unwrap()
    }

    #[test]
    fn a_right_flow_has_no_mistakes() {
        let steps = json!([
            {"id": "start", "type": "trigger", "next": "firing"},
            {"id": "firing", "type": "condition", "if": "event.status == 'firing'", "then": "team", "else": "clear"},
            {"id": "team", "type": "set", "values": {"team": "{{ event.group or 'ops' }}", "n": 3, "on": true}, "next": "page"},
            {"id": "page", "type": "create_alert", "title": "{{ event.title }}", "group": "{{ vars.team }}",
             "priority": "high", "expires_in": 60, "next": "end"},
            {"id": "clear", "type": "resolve_alert", "key": "{{ event.key }}", "next": "end"},
        ]);
        assert_eq!(mistakes(steps), []);
    }

    #[test]
    fn each_mistake_names_its_step_and_the_remedy() {
        let (path, code, detail) = one(json!([{"id": "start", "type": "trigger", "next": "pge"},
            {"id": "page", "type": "create_alert", "title": "x", "next": "end"}]));
        assert_eq!((path.as_str(), code), ("steps[0].next", "unknown-step"));
        assert!(detail.contains("`start`") && detail.contains("`page`"), "{detail}");

        let (_, code, detail) = one(json!([{"id": "start", "type": "trigger", "next": "page"},
            {"id": "page", "type": "create_alert", "title": "x"}]));
        assert!(code == "missing-end" && detail.contains("`page`"), "{detail}");

        let (path, code, detail) = one(json!([{"id": "start", "type": "trigger", "next": "end"},
            {"id": "page", "type": "create_alert", "title": "x", "next": "end"}]));
        assert_eq!((path.as_str(), code), ("steps[1]", "unreachable-step"));
        assert!(detail.contains("`page`"), "{detail}");

        let (_, code, detail) = one(json!([{"id": "start", "type": "trigger", "next": "a"},
            {"id": "a", "type": "set", "values": {"x": 1}, "next": "b"},
            {"id": "b", "type": "condition", "if": "vars.x", "then": "a", "else": "end"}]));
        assert!(code == "circle" && detail.contains("a → b → a"), "{detail}");

        let (path, code, detail) = one(json!([{"id": "start", "type": "trigger", "next": "page"},
            {"id": "page", "type": "create_alert", "title": "one\n{{ event.title | uper }}", "next": "end"}]));
        assert_eq!((path.as_str(), code), ("steps[1].title", "template-syntax"));
        assert!(detail.contains("line 2") && detail.contains("upper"), "{detail}");

        let (path, code, detail) = one(json!([{"id": "start", "type": "trigger", "next": "page"},
            {"id": "page", "type": "create_alert", "titel": "x", "title": "y", "next": "end"}]));
        assert_eq!((path.as_str(), code), ("steps[1].titel", "unknown-field"));
        assert!(detail.contains("`title`"), "{detail}");

        let (_, code, _) = one(json!([{"id": "start", "type": "triger", "next": "end"}]));
        assert_eq!(code, "step-type");
        let (_, code, _) = one(json!([{"id": "page", "type": "create_alert", "title": "x", "next": "end"}]));
        assert_eq!(code, "trigger");
        let (_, code, _) = one(json!([{"id": "end", "type": "trigger", "next": "end"}]));
        assert_eq!(code, "step-id");
        let (_, code, _) = one(json!([{"id": "start", "type": "trigger", "next": "a"},
            {"id": "a", "type": "condition", "if": "{{ event.x }}", "then": "end", "else": "end"}]));
        assert_eq!(code, "template-in-expression");
        let (_, code, _) = one(json!([{"id": "start", "type": "trigger", "next": "a"},
            {"id": "a", "type": "create_alert", "title": "x", "priority": "urgentest", "next": "end"}]));
        assert_eq!(code, "unknown-priority");
    }

    #[test]
    fn several_mistakes_are_told_at_once() {
        let all = mistakes(json!([{"id": "start", "type": "trigger"}, {"id": "Bad Id", "type": "set"},
            {"id": "a", "type": "set", "values": {"1x": 1}, "next": "nowhere"}]));
        assert_eq!(all.len(), 4, "{all:?}");
    }
}
