//! The form with which a person is added and changed. Numbers that are stored stay masked: they are kept or taken away, and new
//! ones are typed.

use access::{Role, cap};
use askama::Template;
use axum::extract::State;
use base::{ResourceId, UserId};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Draft, Json};
use serde::Deserialize;
use sms::Number;

use crate::Console;
use crate::editing::{Act, Why, WhyView, everywhere, mistakes, shown, text};
use crate::facts::{Choice, chosen};
use crate::page::{Wrong, page_with, see_other, sentence};
use crate::shell::{Page, Shell};

const KIND: &str = "users";
/// Lines for more roles and numbers than there are.
const MORE: usize = 2;

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct UserForm {
    name: String,
    login: String,
    time_zone: String,
    enabled: bool,
    role: Vec<String>,
    place: Vec<String>,
    /// Which of the stored phones stay, by their place.
    keep: Vec<usize>,
    /// In which order they are tried, one for each stored phone.
    order: Vec<String>,
    /// More numbers.
    number: Vec<String>,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl UserForm {
    fn of(body: &Json) -> Self {
        let roles: Vec<&Json> = body.get("roles").and_then(Json::as_array).into_iter().flatten().collect();
        let phones = devices(body);
        Self {
            name: shown(body, "name"),
            login: shown(body, "login"),
            time_zone: shown(body, "time_zone"),
            enabled: body.get("enabled").and_then(Json::as_bool).unwrap_or(true),
            role: roles.iter().map(|one| name_of_today(shown(one, "role"))).collect(),
            place: roles.iter().map(|one| shown(one, "workspace")).collect(),
            keep: (0..phones.len()).collect(),
            order: phones.iter().map(|one| shown(one, "order")).collect(),
            ..Self::default()
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    /// The form as a draft over what is stored. Numbers are read as people write them.
    fn draft(&self, stored: &Json) -> Result<Draft, Wrong> {
        let roles: Vec<Json> = self
            .role
            .iter()
            .enumerate()
            .filter(|(_, role)| !role.is_empty())
            .map(|(at, role)| {
                serde_json::json!({ "role": role, "workspace": text(self.place.get(at).map_or("", String::as_str)) })
            })
            .collect();
        let mut phones = Vec::new();
        for (at, phone) in devices(stored).into_iter().enumerate() {
            if !self.keep.contains(&at) {
                continue;
            }
            let mut phone = phone.clone();
            if let Some(order) = self.order.get(at).and_then(|order| order.trim().parse::<i64>().ok()) {
                phone["order"] = order.into();
            }
            phones.push(phone);
        }
        let last = phones.iter().filter_map(|phone| phone.get("order").and_then(Json::as_i64)).max().unwrap_or(0);
        for (next, written) in (last + 1..).zip(self.number.iter().filter(|number| !number.trim().is_empty())) {
            let number = Number::parse(written.trim(), None).map_err(|error| {
                Wrong::one("number", format!("“{}”: {}", written.trim(), sentence(&error.to_string())))
            })?;
            phones.push(serde_json::json!({ "kind": "sms", "number": format!("+{}", number.digits()), "order": next }));
        }
        Ok(Draft::new(serde_json::json!({
            "name": self.name.trim(),
            "login": self.login.trim(),
            "roles": roles,
            "time_zone": text(&self.time_zone),
            "enabled": self.enabled,
            "devices": phones,
        })))
    }
}

/// Roles are stored under the names that they had when they were given; what is offered are those of today.
fn name_of_today(role: String) -> String {
    role.parse::<Role>().map_or(role, |ready| ready.name().to_owned())
}

fn devices(body: &Json) -> Vec<&Json> {
    body.get("devices").and_then(Json::as_array).into_iter().flatten().collect()
}

struct RoleLine {
    number: usize,
    roles: Vec<Choice>,
    places: Vec<Choice>,
}

struct PhoneLine {
    at: usize,
    masked: String,
    keep: bool,
    order: String,
}

struct NewLine {
    number: usize,
    value: String,
}

#[derive(Template)]
#[template(path = "user-form.html")]
struct FormPage {
    shell: Shell,
    slug: String,
    /// The person's address and page; none for a new person.
    known: Option<String>,
    back: String,
    action: String,
    wrong: Wrong,
    form: UserForm,
    roles: Vec<RoleLine>,
    phones: Vec<PhoneLine>,
    numbers: Vec<NewLine>,
    zones: Vec<String>,
    /// The directory that says their name and whether their account is in use; empty when that is said here.
    directory: String,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] = &["name", "login", "time_zone", "enabled", "roles", "number", "change"];
}

/// Every role that can be given, ready and custom, with what it is for.
async fn offered(console: &Console) -> Answer<Vec<(String, String)>> {
    let custom = console.db.read(access::custom_roles).await?;
    let ready =
        Role::ALL.into_iter().map(|role| (role.name().to_owned(), format!("{}: {}", role.words(), role.about())));
    Ok(ready
        .chain(custom.into_iter().map(|role| (role.name.clone(), format!("{}: a role of your own", role.name))))
        .collect())
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::PeopleWrite>,
    headers: &HeaderMap,
    known: Option<(UserId, &Json)>,
    form: UserForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Users).await?;
    let slug = guard.name().to_owned();
    let slugs = console.slugs(guard).await?;
    let offered = offered(console).await?;
    let directory = match known {
        Some((user, _)) => console.directory_name(guard, user).await?,
        None => String::new(),
    };
    let role_line = |at: usize| {
        let roles = offered.iter().map(|(name, words)| (name.as_str(), words.as_str()));
        let places = slugs.iter().map(|(_, slug)| (slug.as_str(), slug.as_str()));
        RoleLine {
            number: at + 1,
            roles: chosen(("", "no role"), roles, form.role.get(at)),
            places: chosen(("", "everywhere"), places, form.place.get(at)),
        }
    };
    let held = form.role.iter().rposition(|role| !role.is_empty()).map_or(0, |at| at + 1);
    let phones = known.map(|(_, body)| devices(body)).unwrap_or_default();
    let phone_line = |(at, phone): (usize, &&Json)| PhoneLine {
        at,
        masked: base::mask_phone(&shown(phone, "number")),
        keep: form.keep.contains(&at),
        order: form.order.get(at).cloned().unwrap_or_default(),
    };
    let numbers =
        form.number.iter().filter(|number| !number.is_empty()).cloned().chain((0..MORE).map(|_| String::new()));
    let back = match known {
        Some((user, _)) => format!("/w/{slug}/users/{user}"),
        None => format!("/w/{slug}/users"),
    };
    page_with(
        wrong.status(),
        &FormPage {
            action: match known {
                Some(_) => format!("{back}/edit"),
                None => format!("/w/{slug}/users/new"),
            },
            roles: (0..held + MORE).map(role_line).collect(),
            phones: phones.iter().enumerate().map(phone_line).collect(),
            numbers: numbers.enumerate().map(|(at, value)| NewLine { number: at + 1, value }).collect(),
            zones: crate::zone::all(),
            directory,
            why: form.why().view(false),
            known: known.map(|(_, body)| shown(body, "login")),
            back,
            wrong,
            form,
            slug,
            shell,
        },
    )
}

/// The form for a new person.
pub async fn new(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    everywhere(&guard)?;
    let zone = console.workspace(guard.workspace()).await?.time_zone;
    let form = UserForm { enabled: true, time_zone: zone, place: vec![guard.name().to_owned()], ..UserForm::default() };
    render(&console, &guard, &headers, None, form, Wrong::default()).await
}

/// Adds a person.
pub async fn create(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<UserForm>,
) -> Answer<Response> {
    everywhere(&guard)?;
    let wrong = match form.draft(&Json::Null) {
        Err(wrong) => wrong,
        Ok(draft) => match console.edit(&guard, Act::Save, KIND, None, draft, &form.why()).await {
            Ok(written) => {
                return Ok(see_other(&format!(
                    "/w/{}/users/{}?did=saved",
                    guard.name(),
                    UserId::from(written.id.uuid())
                )));
            }
            Err(error) => mistakes(error)?,
        },
    };
    render(&console, &guard, &headers, None, form, wrong).await
}

/// The form for a person who is there.
pub async fn change(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, user)): Path<(String, UserId)>,
) -> Answer<Response> {
    everywhere(&guard)?;
    let stored = console.stored(&guard, KIND, ResourceId::from(user.uuid())).await?;
    let form = UserForm { version: Some(stored.version), ..UserForm::of(&stored.body) };
    render(&console, &guard, &headers, Some((user, &stored.body)), form, Wrong::default()).await
}

/// Changes a person.
pub async fn save(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, user)): Path<(String, UserId)>,
    Form(mut form): Form<UserForm>,
) -> Answer<Response> {
    everywhere(&guard)?;
    let stored = console.stored(&guard, KIND, ResourceId::from(user.uuid())).await?;
    form.login.clone_from(&stored.key);
    let wrong = match form.draft(&stored.body) {
        Err(wrong) => wrong,
        Ok(draft) => match console.edit(&guard, Act::Save, KIND, Some(&stored.key), draft, &form.why()).await {
            Ok(_) => return Ok(see_other(&format!("/w/{}/users/{user}?did=saved", guard.name()))),
            Err(error) => mistakes(error)?,
        },
    };
    render(&console, &guard, &headers, Some((user, &stored.body)), form, wrong).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::choices;
    use crate::testing::{HOSTILE, checked, shell};

    fn stored() -> Json {
        serde_json::json!({
            "name": "Dina Sample",
            "login": "dina@example.com",
            "roles": [{ "role": "on_call", "workspace": "demo" }, { "role": "observer" }],
            "time_zone": "Europe/London",
            "devices": [
                { "kind": "sms", "number": "+447700900117", "order": 1 },
                { "kind": "sms", "number": "+447700900118", "order": 2 },
            ],
        })
    }

    #[test]
    fn a_form_that_changes_nothing_is_what_is_stored() {
        let draft = UserForm::of(&stored()).draft(&stored()).unwrap();
        let mut expected = stored();
        expected["enabled"] = true.into();
        expected["roles"][1]["workspace"] = Json::Null;
        assert_eq!(draft.body(), &expected);
    }

    /// E-17: a role that is stored in other letters, or in a workspace that is not offered, stays where it is.
    #[test]
    fn e_17_saving_a_form_moves_no_role() {
        let places = || [("demo", "demo"), ("Berlin", "Berlin")].into_iter();
        let current = |stored: &str| {
            let all = chosen(("", "everywhere"), places(), Some(&stored.to_owned()));
            let current: Vec<String> = all.into_iter().filter(|one| one.current).map(|one| one.value).collect();
            current.join(",")
        };
        for (stored, kept) in [("", ""), ("demo", "demo"), ("DEMO", "demo"), ("berlin", "Berlin"), ("hidden", "hidden")]
        {
            assert_eq!(current(stored), kept, "{stored}");
        }
        assert_eq!(chosen(("", "everywhere"), places(), None).iter().filter(|one| one.current).count(), 1);
    }

    #[test]
    fn phones_are_kept_taken_away_and_added() {
        let form = UserForm {
            keep: vec![1],
            number: vec!["+44 7700 900126".into(), String::new()],
            ..UserForm::of(&stored())
        };
        let draft = form.draft(&stored()).unwrap();
        let numbers: Vec<_> =
            devices(draft.body()).iter().map(|phone| (shown(phone, "number"), shown(phone, "order"))).collect();
        let own = |number: &str, order: &str| (number.to_owned(), order.to_owned());
        assert_eq!(numbers, [own("+447700900118", "2"), own("+447700900126", "3")]);
        let wrong = UserForm { number: vec!["07700 900126".into()], ..form }.draft(&stored()).unwrap_err();
        assert!(wrong.at("number").is_some_and(|words| words.contains("07700 900126")));
    }

    /// E-11: the form shows the masks of the numbers that are stored.
    #[test]
    fn e_11_the_form_holds_no_stored_number() {
        let form = UserForm { name: HOSTILE.into(), ..UserForm::of(&stored()) };
        let html = checked(&FormPage {
            shell: shell(),
            slug: "demo".into(),
            known: Some("dina@example.com".into()),
            back: "/w/demo/users/1".into(),
            action: "/w/demo/users/1/edit".into(),
            wrong: Wrong::one("roles", "The same role stands here twice."),
            roles: vec![RoleLine {
                number: 1,
                roles: choices(&[("observer", "observer")], ""),
                places: choices(&[("", "everywhere")], ""),
            }],
            phones: vec![PhoneLine { at: 0, masked: base::mask_phone("+447700900118"), keep: true, order: "1".into() }],
            numbers: vec![NewLine { number: 1, value: String::new() }],
            zones: vec!["Europe/London".into()],
            directory: String::new(),
            why: WhyView::default(),
            form,
        });
        assert!(
            !html.contains("7700900118")
                && html.contains("The same role stands here twice.")
                && !html.contains("name=\"login\"")
        );
    }
}
