//! Who is on call: the groups, and who of each would be paged first now.

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use http::{Answer, HeaderMap, InWorkspace, Response};
use oncall::{Group, Step, Who};

use crate::Console;
use crate::draw::Draw;
use crate::page::page;
use crate::shell::{Page, Shell};

struct Row {
    href: String,
    name: String,
    description: String,
    knot: Knot,
    first: String,
    then: String,
    left_out: Vec<String>,
}

#[derive(Template)]
#[template(path = "groups.html")]
struct GroupsPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: &'static str,
    may_write: bool,
    rows: Vec<Row>,
}

/// A person who is left out, with the reason.
pub fn left_out(step: &Step, people: bool) -> Option<String> {
    let Step::Skip { login, who, reason, .. } = step else { return None };
    Some(format!("{} is left out: {}.", named(login, who.as_ref(), people), reason.words()))
}

/// What somebody is called whom a group names: by the login when nobody has it, which is masked for those who may not see
/// people.
pub fn named(login: &str, who: Option<&Who>, people: bool) -> String {
    match (who, people) {
        (Some(who), _) => who.name.clone(),
        (None, true) => login.to_owned(),
        (None, false) => base::mask_email(login),
    }
}

fn row(slug: &str, group: &Group, people: bool, now: base::Timestamp) -> Row {
    let mut paged = group.plan.steps.iter().filter_map(|step| match step {
        Step::Page { who, due, .. } => Some((who.name.as_str(), due.since(now).as_secs())),
        Step::Skip { .. } => None,
    });
    let (knot, first) = match paged.next() {
        Some((name, 0)) => (Knot::Done, format!("{name}, at once")),
        Some((name, after)) => (Knot::Done, format!("{name}, after {}", oncall::delay_words(after))),
        None => match &group.definition.fallback {
            Some(fallback) => (Knot::Unknown, format!("nobody here; group “{fallback}” is paged instead")),
            None => (Knot::Failed, "nobody: an alert for it would reach no one".to_owned()),
        },
    };
    let then: Vec<String> = paged.map(|(name, after)| format!("{name} after {}", oncall::delay_words(after))).collect();
    Row {
        href: format!("/w/{slug}/groups/{}", group.id),
        name: group.definition.name.clone(),
        description: group.definition.description.clone().unwrap_or_default(),
        knot,
        first,
        then: then.join(", "),
        left_out: group.plan.steps.iter().filter_map(|step| left_out(step, people)).collect(),
    }
}

fn heading(groups: &[Group]) -> String {
    let empty: Vec<&str> = groups
        .iter()
        .filter(|group| !group.plan.reaches_anybody())
        .map(|group| group.definition.name.as_str())
        .collect();
    match (groups.len(), empty.as_slice()) {
        (0, _) => "Nobody is on call: there is no group yet".to_owned(),
        (1, []) => "One group is on call".to_owned(),
        (count, []) => format!("{count} groups are on call"),
        (_, [one]) => format!("“{one}” reaches nobody"),
        (_, many) => format!("{} groups reach nobody", many.len()),
    }
}

/// The groups.
pub async fn list(
    guard: InWorkspace<cap::OnCallRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Groups).await?;
    let (oncall, permit, now) = (console.oncall.clone(), guard.permit().clone(), shell.now);
    let groups = console.db.read(move |tx| oncall.groups(tx, &permit, now)).await?;
    let slug = guard.name().to_owned();
    let people = guard.may(Capability::PeopleRead);
    page(&GroupsPage {
        sentence: heading(&groups),
        standing: "Who would be paged if an alert opened now, first to last, and who would not and why.",
        may_write: console.may_add(&guard, "groups"),
        rows: groups.iter().map(|group| row(&slug, group, people, now)).collect(),
        slug,
        shell,
    })
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use oncall::{Definition, Member, Plan, Reachable, Repeat, Who};

    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    /// A group whose first member can be reached and whose second nobody knows.
    pub fn group(name: &str, at: Timestamp, reachable: bool) -> Group {
        let member = |user: &str, delay_seconds| Member { user: user.into(), delay_seconds };
        let definition = Definition {
            name: name.into(),
            description: Some(HOSTILE.into()),
            supervisors: Vec::new(),
            members: vec![member("dina@example.com", 60), member("gone@example.com", 120)],
            repeat: Repeat::default(),
            fallback: None,
        };
        let dina = Reachable {
            who: Who { id: uuid::Uuid::from_u128(1).into(), name: "Dina Sample".into() },
            login: "dina@example.com".into(),
            enabled: reachable,
            devices: vec![uuid::Uuid::from_u128(2).into()],
        };
        let plan: Plan = oncall::plan(&definition, &[dina], at);
        Group { id: uuid::Uuid::from_u128(3).into(), policy: String::new(), definition, plan }
    }

    #[test]
    fn a_group_says_who_is_first_and_who_is_not_and_why() {
        let said = row("demo", &group("Database", NOW, true), false, NOW);
        assert_eq!((said.knot, said.first.as_str()), (Knot::Done, "Dina Sample, after 1 min"));
        assert_eq!(said.left_out.len(), 1);
        assert!(
            said.left_out[0].contains("nobody has this login") && !said.left_out[0].contains("gone@"),
            "{:?}",
            said.left_out
        );
        assert!(row("demo", &group("Database", NOW, true), true, NOW).left_out[0].starts_with("gone@example.com"));
        let nobody = row("demo", &group("Database", NOW, false), true, NOW);
        assert_eq!(nobody.knot, Knot::Failed);
    }

    #[test]
    fn the_first_sentence_is_the_answer() {
        assert!(heading(&[]).contains("no group yet"));
        assert_eq!(heading(&[group("A", NOW, true)]), "One group is on call");
        assert_eq!(heading(&[group("A", NOW, true), group("B", NOW, false)]), "“B” reaches nobody");
    }

    #[test]
    fn groups_speak_no_html() {
        let page = |rows| GroupsPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "One group is on call".into(),
            standing: "Who would be paged.",
            may_write: true,
            rows,
        };
        assert!(checked(&page(vec![row("demo", &group(HOSTILE, NOW, true), true, NOW)])).contains("Dina Sample"));
        assert!(checked(&page(Vec::new())).contains("/w/demo/groups/new"));
    }
}
