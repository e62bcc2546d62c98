//! The form of a group: its people in order. Every act on the list is a button of the form, so that it works by keyboard, on a
//! phone and without script; nothing is stored before "Save".

use access::{Authority as _, Capability, Denied, Scope, cap};
use askama::Template;
use axum::extract::State;
use base::{GroupId, PageRequest, ResourceId};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Draft, Json};
use serde::Deserialize;

use crate::Console;
use crate::editing::{Act, Why, WhyView, mistakes, number, shown, text};
use crate::facts::{Choice, choices};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};

const KIND: &str = "groups";
/// People that can be chosen from.
const PEOPLE: usize = 1_000;

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GroupForm {
    name: String,
    description: String,
    /// Logins, parted by commas.
    supervisors: String,
    user: Vec<String>,
    delay: Vec<String>,
    times: String,
    pause: String,
    fallback: String,
    /// `save`, `add`, or an act on one line: `up-2`, `down-2`, `out-2`.
    act: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

/// A delay as people write it: `90 s`, `2 min`, `1 h 5 min`; seconds.
fn delay(text: &str) -> Result<u32, String> {
    const UNIT: &str = "Add a unit: 90 s, 2 min or 1 h.";
    let text = text.trim().to_lowercase();
    if text.is_empty() || text == "0" {
        return Ok(0);
    }
    let mut rest = text.as_str();
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let count: u64 = rest[..digits].parse().map_err(|_| UNIT.to_owned())?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|letter: char| !letter.is_alphabetic()).unwrap_or(rest.len());
        let seconds = match &rest[..letters] {
            "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3_600,
            _ => return Err(UNIT.to_owned()),
        };
        sum = sum.saturating_add(count.saturating_mul(seconds));
        rest = rest[letters..].trim_start();
    }
    u32::try_from(sum).map_err(|_| "That is more than a day.".to_owned())
}

impl GroupForm {
    fn of(body: &Json) -> Self {
        let members: Vec<&Json> = body.get("members").and_then(Json::as_array).into_iter().flatten().collect();
        let seconds = |value: Option<&Json>| oncall::delay_words(value.and_then(Json::as_u64).unwrap_or(0));
        Self {
            name: shown(body, "name"),
            description: shown(body, "description"),
            supervisors: supervisors(body).join(", "),
            user: members.iter().map(|member| shown(member, "user")).collect(),
            delay: members.iter().map(|member| seconds(member.get("delay_seconds"))).collect(),
            times: shown(body, "repeat.times"),
            pause: seconds(body.get("repeat").and_then(|repeat| repeat.get("interval_seconds"))),
            fallback: shown(body, "fallback"),
            ..Self::default()
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    /// Does an act on the list; whether there was one.
    fn moved(&mut self) -> bool {
        self.delay.resize(self.user.len(), String::new());
        let (verb, at) = match self.act.split_once('-') {
            Some((verb, at)) => (verb, at.parse::<usize>().ok()),
            None => (self.act.as_str(), None),
        };
        let last = self.user.len().saturating_sub(1);
        match (verb, at) {
            ("add", _) => {
                self.user.push(String::new());
                self.delay.push("5 min".to_owned());
            }
            ("up", Some(at)) if at >= 1 && at <= last => {
                self.user.swap(at, at - 1);
                self.delay.swap(at, at - 1);
            }
            ("down", Some(at)) if at < last => {
                self.user.swap(at, at + 1);
                self.delay.swap(at, at + 1);
            }
            ("out", Some(at)) if at <= last && !self.user.is_empty() => {
                self.user.remove(at);
                self.delay.remove(at);
            }
            ("up" | "down" | "out", _) => {}
            _ => return false,
        }
        true
    }

    fn draft(&self) -> Result<Draft, Wrong> {
        let mut members = Vec::new();
        for (at, user) in self.user.iter().enumerate().filter(|(_, user)| !user.trim().is_empty()) {
            let written = self.delay.get(at).map_or("", String::as_str);
            let seconds = delay(written).map_err(|words| Wrong::one(&format!("members[{at}].delay_seconds"), words))?;
            members.push(serde_json::json!({ "user": user.trim(), "delay_seconds": seconds }));
        }
        let pause = match self.pause.trim() {
            "" => Json::Null,
            written => delay(written).map_err(|words| Wrong::one("repeat.interval_seconds", words))?.into(),
        };
        Ok(Draft::new(serde_json::json!({
            "name": self.name.trim(),
            "description": text(&self.description),
            "supervisors": self.supervisors.split([',', ' ']).filter(|login| !login.is_empty()).collect::<Vec<_>>(),
            "members": members,
            "repeat": { "times": number(&self.times), "interval_seconds": pause },
            "fallback": text(&self.fallback),
        })))
    }
}

fn supervisors(body: &Json) -> Vec<&str> {
    body.get("supervisors").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}

/// Whether somebody changes every group, and so says who supervises this one.
fn names_supervisors(guard: &InWorkspace<cap::GroupsWrite>) -> bool {
    guard.permit().rights().unbounded().contains(Capability::GroupsWrite)
}

/// Refuses a supervisor, who changes the groups that are theirs and makes no others.
fn every_group(guard: &InWorkspace<cap::GroupsWrite>) -> Answer<()> {
    if names_supervisors(guard) {
        return Ok(());
    }
    Err(Denied { capability: Capability::GroupsWrite, scope: Scope::Workspace(guard.workspace()) }.into())
}

struct MemberLine {
    at: usize,
    number: usize,
    people: Vec<Choice>,
    delay: String,
    wrong_user: Option<String>,
    wrong_delay: Option<String>,
    first: bool,
    last: bool,
}

#[derive(Template)]
#[template(path = "group-form.html")]
struct FormPage {
    shell: Shell,
    slug: String,
    known: bool,
    names_supervisors: bool,
    back: String,
    action: String,
    wrong: Wrong,
    form: GroupForm,
    members: Vec<MemberLine>,
    fallbacks: Vec<Choice>,
    why: WhyView,
}

impl FormPage {
    /// Mistakes that stand at their fields; those of members stand at their lines.
    fn beside(&self) -> Vec<String> {
        let mut own: Vec<String> =
            ["name", "description", "supervisors", "repeat.times", "repeat.interval_seconds", "fallback", "change"]
                .map(str::to_owned)
                .into();
        for line in &self.members {
            own.push(format!("members[{}].user", line.at));
            own.push(format!("members[{}].delay_seconds", line.at));
        }
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        self.wrong.beside(&own).map(str::to_owned).collect()
    }
}

impl Console {
    /// Everybody who can be named in a group: the login and the name.
    async fn nameable(&self, guard: &InWorkspace<cap::GroupsWrite>) -> Answer<Vec<(String, String)>> {
        let (mut people, mut after) = (Vec::new(), None);
        while people.len() < PEOPLE {
            let page = self.people_of(guard, &"".into(), PageRequest::new(PageRequest::MAX_LIMIT, after)).await?;
            people.extend(page.items.into_iter().map(|person| (person.login, person.name)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        people.sort_by_key(|(_, name)| name.to_lowercase());
        Ok(people)
    }
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::GroupsWrite>,
    headers: &HeaderMap,
    known: Option<GroupId>,
    form: GroupForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Groups).await?;
    let slug = guard.name().to_owned();
    let people = console.nameable(guard).await?;
    let controlled = console.is_controlled(guard.workspace()).await?;
    let others: Vec<String> = match guard.also::<cap::OnCallRead>() {
        Some(permit) => {
            let (oncall, now) = (console.oncall.clone(), shell.now);
            let groups = console.db.read(move |tx| oncall.groups(tx, &permit, now)).await?;
            groups.into_iter().map(|group| group.definition.name).filter(|name| *name != form.name).collect()
        }
        None => Vec::new(),
    };
    let count = form.user.len();
    let member = |at: usize| {
        let held = form.user.get(at).map_or("", String::as_str);
        let mut all: Vec<(&str, String)> = vec![("", "nobody".to_owned())];
        all.extend(people.iter().map(|(login, name)| (login.as_str(), format!("{name} ({login})"))));
        if !held.is_empty() && !people.iter().any(|(login, _)| login.eq_ignore_ascii_case(held)) {
            all.push((held, format!("{held}, whom nobody knows any more")));
        }
        let current =
            people.iter().find(|(login, _)| login.eq_ignore_ascii_case(held)).map_or(held, |(login, _)| login);
        let all: Vec<(&str, &str)> = all.iter().map(|(login, name)| (*login, name.as_str())).collect();
        MemberLine {
            at,
            number: at + 1,
            people: choices(&all, current),
            delay: form.delay.get(at).cloned().unwrap_or_default(),
            wrong_user: wrong.at(&format!("members[{at}].user")).map(str::to_owned),
            wrong_delay: wrong.at(&format!("members[{at}].delay_seconds")).map(str::to_owned),
            first: at == 0,
            last: at + 1 == count,
        }
    };
    let mut fallbacks = vec![("", "nobody: the alert says so")];
    fallbacks.extend(others.iter().map(|name| (name.as_str(), name.as_str())));
    if !form.fallback.is_empty() && !others.contains(&form.fallback) {
        fallbacks.push((&form.fallback, &form.fallback));
    }
    let back = known.map_or_else(|| format!("/w/{slug}/groups"), |id| format!("/w/{slug}/groups/{id}"));
    page_with(
        wrong.status(),
        &FormPage {
            action: if known.is_some() { format!("{back}/edit") } else { format!("{back}/new") },
            members: (0..count).map(member).collect(),
            fallbacks: choices(&fallbacks, &form.fallback),
            why: form.why().view(controlled),
            known: known.is_some(),
            names_supervisors: names_supervisors(guard),
            back,
            wrong,
            form,
            slug,
            shell,
        },
    )
}

/// The form for a new group.
pub async fn new(
    guard: InWorkspace<cap::GroupsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    every_group(&guard)?;
    let form = GroupForm {
        user: vec![String::new(); 2],
        delay: vec!["0 s".into(), "5 min".into()],
        times: "2".into(),
        pause: "5 min".into(),
        ..GroupForm::default()
    };
    render(&console, &guard, &headers, None, form, Wrong::default()).await
}

/// Adds a group, or moves a line of the form.
pub async fn create(
    guard: InWorkspace<cap::GroupsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(mut form): Form<GroupForm>,
) -> Answer<Response> {
    every_group(&guard)?;
    if form.moved() {
        return render(&console, &guard, &headers, None, form, Wrong::default()).await;
    }
    let wrong = match form.draft() {
        Err(wrong) => wrong,
        Ok(draft) => match console.edit(&guard, Act::Save, KIND, None, draft, &form.why()).await {
            Ok(written) => {
                let id = GroupId::from(written.id.uuid());
                return Ok(see_other(&format!("/w/{}/groups/{id}?saved=true", guard.name())));
            }
            Err(error) => mistakes(error)?,
        },
    };
    render(&console, &guard, &headers, None, form, wrong).await
}

/// The form for a group that is there.
pub async fn change(
    guard: InWorkspace<cap::GroupsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, GroupId)>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, ResourceId::from(id.uuid())).await?;
    let form = GroupForm { version: Some(stored.version), ..GroupForm::of(&stored.body) };
    render(&console, &guard, &headers, Some(id), form, Wrong::default()).await
}

/// Changes a group, or moves a line of the form.
pub async fn save(
    guard: InWorkspace<cap::GroupsWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, GroupId)>,
    Form(mut form): Form<GroupForm>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, ResourceId::from(id.uuid())).await?;
    form.name.clone_from(&stored.key);
    if !names_supervisors(&guard) {
        form.supervisors = supervisors(&stored.body).join(", ");
    }
    if form.moved() {
        return render(&console, &guard, &headers, Some(id), form, Wrong::default()).await;
    }
    let wrong = match form.draft() {
        Err(wrong) => wrong,
        Ok(draft) => match console.edit(&guard, Act::Save, KIND, Some(&stored.key), draft, &form.why()).await {
            Ok(_) => return Ok(see_other(&format!("/w/{}/groups/{id}?saved=true", guard.name()))),
            Err(error) => mistakes(error)?,
        },
    };
    render(&console, &guard, &headers, Some(id), form, wrong).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn delays_are_read_as_people_write_them() {
        let cases = [
            ("90 s", 90),
            ("2 min", 120),
            ("1 h 5 min", 3_900),
            ("5min", 300),
            ("0", 0),
            ("", 0),
            ("0 s", 0),
            ("1h", 3_600),
        ];
        for (text, seconds) in cases {
            assert_eq!(delay(text), Ok(seconds), "{text}");
        }
        for bad in ["90", "five minutes", "5 parsecs", "-3 s", "99999999999999 h"] {
            assert!(delay(bad).is_err(), "{bad}");
        }
        for seconds in [0_u32, 45, 60, 90, 150, 3_600, 3_900] {
            assert_eq!(delay(&oncall::delay_words(u64::from(seconds))), Ok(seconds), "what is shown is read back");
        }
    }

    fn form(act: &str) -> GroupForm {
        let own = |all: [&str; 3]| all.map(str::to_owned).to_vec();
        GroupForm {
            user: own(["a", "b", "c"]),
            delay: own(["0 s", "1 min", "2 min"]),
            act: act.into(),
            ..GroupForm::default()
        }
    }

    #[test]
    fn lines_move_with_their_delays() {
        let moved = |act: &str| {
            let mut form = form(act);
            (form.moved(), form.user.join(""), form.delay.join(" "))
        };
        assert_eq!(moved("up-1"), (true, "bac".into(), "1 min 0 s 2 min".into()));
        assert_eq!(moved("down-1"), (true, "acb".into(), "0 s 2 min 1 min".into()));
        assert_eq!(moved("out-0"), (true, "bc".into(), "1 min 2 min".into()));
        assert_eq!(moved("add").1, "abc");
        for beyond in ["up-0", "down-2", "up-9", "out-7", "up-x"] {
            assert_eq!(moved(beyond).1, "abc", "{beyond}");
        }
        assert!(!moved("save").0 && !moved("").0);
    }

    #[test]
    fn a_form_that_changes_nothing_is_what_is_stored() {
        let body = serde_json::json!({
            "name": "Database",
            "description": "d",
            "supervisors": ["ada@example.com", "bo@example.com"],
            "members": [{ "user": "cem@example.com", "delay_seconds": 0 }, { "user": "dina@example.com", "delay_seconds": 90 }],
            "repeat": { "times": 2, "interval_seconds": 300 },
            "fallback": "Night",
        });
        assert_eq!(GroupForm::of(&body).draft().unwrap().body(), &body);
        let wrong = GroupForm { delay: vec!["0 s".into(), "90".into()], ..GroupForm::of(&body) }.draft().unwrap_err();
        assert!(wrong.at("members[1].delay_seconds").is_some());
    }

    #[test]
    fn a_mistake_stands_at_its_line() {
        let wrong = Wrong::one("members[0].delay_seconds", "Add a unit.");
        let line = MemberLine {
            at: 0,
            number: 1,
            people: choices(&[("dina@example.com", HOSTILE)], ""),
            delay: "90".into(),
            wrong_user: None,
            wrong_delay: Some("Add a unit.".into()),
            first: true,
            last: true,
        };
        let page = FormPage {
            shell: shell(),
            slug: "demo".into(),
            known: false,
            names_supervisors: true,
            back: "/w/demo/groups".into(),
            action: "/w/demo/groups/new".into(),
            wrong,
            form: GroupForm::default(),
            members: vec![line],
            fallbacks: choices(&[("", "nobody")], ""),
            why: WhyView::default(),
        };
        assert!(page.beside().is_empty());
        assert_eq!(checked(&page).matches("Add a unit.").count(), 1);
    }
}
