//! The form with which a route is added and changed. What it is for is its name, and stays.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Draft, Json};
use serde::Deserialize;

use crate::Console;
use crate::editing::{Act, Why, WhyView, entry_path, mistakes, number, shown, text};
use crate::facts::{Choice, choices};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};

const KIND: &str = "routes";
/// Carriers that a route can name in the form.
const WAYS: usize = 6;

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RouteForm {
    prefix: String,
    country: String,
    class: String,
    from: String,
    name: String,
    priority: String,
    weight: String,
    carrier: Vec<String>,
    sender: String,
    amount: String,
    currency: String,
    open_to_development: bool,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl RouteForm {
    fn of(body: &Json) -> Self {
        Self {
            prefix: shown(body, "match.prefix"),
            country: shown(body, "match.country"),
            class: shown(body, "match.class"),
            from: shown(body, "match.sender"),
            name: shown(body, "name"),
            priority: shown(body, "priority"),
            weight: shown(body, "weight"),
            carrier: body
                .get("carriers")
                .and_then(Json::as_array)
                .map(|all| all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect())
                .unwrap_or_default(),
            sender: shown(body, "sender"),
            amount: shown(body, "cost.amount"),
            currency: shown(body, "cost.currency"),
            open_to_development: body.get("open_to_development").and_then(Json::as_bool).unwrap_or(false),
            ..Self::default()
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    fn draft(&self) -> Draft {
        let carriers: Vec<&str> = self.carrier.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
        let cost = match (self.amount.trim(), self.currency.trim()) {
            ("", "") => Json::Null,
            (amount, currency) => serde_json::json!({
                "amount": amount.parse::<f64>().map_or_else(|_| Json::from(amount), Json::from),
                "currency": currency.to_uppercase(),
            }),
        };
        Draft::new(serde_json::json!({
            "match": {
                "prefix": text(&self.prefix),
                "country": text(&self.country.to_uppercase()),
                "class": text(&self.class),
                "sender": text(&self.from),
            },
            "name": text(&self.name),
            "priority": number(&self.priority),
            "weight": number(&self.weight),
            "carriers": carriers,
            "sender": text(&self.sender),
            "cost": cost,
            "open_to_development": self.open_to_development,
        }))
    }
}

/// What is said of a route that is for the same messages as another one, and has no name of its own.
const TAKEN: &str = "There is a route for these messages already. Say more exactly which ones this is for, give it a name of its own, or change that one.";

/// One place in the order of carriers.
struct Way {
    number: usize,
    choices: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "route-form.html")]
struct FormPage {
    shell: Shell,
    slug: String,
    /// What the route that is changed is for; none for a new one.
    known: Option<String>,
    action: String,
    entry: Option<String>,
    wrong: Wrong,
    form: RouteForm,
    classes: Vec<Choice>,
    ways: Vec<Way>,
    development: bool,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] = &[
        "match.prefix",
        "match.country",
        "match.class",
        "match.sender",
        "match",
        "name",
        "priority",
        "weight",
        "carriers",
        "sender",
        "cost.amount",
        "cost.currency",
        "open_to_development",
        "change",
    ];
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::CarriersWrite>,
    headers: &HeaderMap,
    known: Option<(ResourceId, String)>,
    form: RouteForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Routes).await?;
    let slug = guard.name().to_owned();
    let controlled = console.is_controlled(guard.workspace()).await?;
    let carriers: Vec<String> = console.carriers.status().into_iter().map(|one| one.name).collect();
    let way = |number: usize| {
        let held = form.carrier.get(number).map_or("", String::as_str);
        let mut all = vec![("", "none")];
        all.extend(carriers.iter().map(|name| (name.as_str(), name.as_str())));
        // A carrier that does not run here is named all the same, or saving would lose it.
        if !held.is_empty() && !carriers.iter().any(|name| name == held) {
            all.push((held, held));
        }
        Way { number: number + 1, choices: choices(&all, held) }
    };
    page_with(
        wrong.status(),
        &FormPage {
            action: match &known {
                Some((id, _)) => format!("/w/{slug}/routes/{id}"),
                None => format!("/w/{slug}/routes/new"),
            },
            entry: known.as_ref().map(|(id, _)| entry_path(&slug, KIND, *id)),
            ways: (0..WAYS.max(form.carrier.len())).map(way).collect(),
            classes: choices(
                &[
                    ("", "every class"),
                    ("alert", "alert"),
                    ("otp", "otp"),
                    ("transactional", "transactional"),
                    ("marketing", "marketing"),
                ],
                &form.class,
            ),
            development: shell
                .place
                .as_ref()
                .is_some_and(|place| place.environment == access::Environment::Development),
            why: form.why().view(controlled),
            known: known.map(|(_, key)| key),
            wrong,
            form,
            slug,
            shell,
        },
    )
}

/// The form for a new one.
pub async fn new(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    render(&console, &guard, &headers, None, RouteForm::default(), Wrong::default()).await
}

/// Adds one.
pub async fn create(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<RouteForm>,
) -> Answer<Response> {
    match console.edit(&guard, Act::Save, KIND, None, form.draft(), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/routes?saved=true", guard.name()))),
        // What a route is for is its name, as long as it has none of its own.
        Err(error) if error.problems().iter().any(|problem| problem.code == "name-taken") => {
            let wrong = Wrong::one("name", TAKEN);
            render(&console, &guard, &headers, None, form, wrong).await
        }
        Err(error) => {
            let wrong = mistakes(error)?;
            render(&console, &guard, &headers, None, form, wrong).await
        }
    }
}

/// The form for one that is there.
pub async fn change(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, id).await?;
    let form = RouteForm { version: Some(stored.version), ..RouteForm::of(&stored.body) };
    render(&console, &guard, &headers, Some((id, stored.key)), form, Wrong::default()).await
}

/// Changes one.
pub async fn save(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, ResourceId)>,
    Form(form): Form<RouteForm>,
) -> Answer<Response> {
    let stored = console.stored(&guard, KIND, id).await?;
    let before = RouteForm::of(&stored.body);
    let RouteForm { prefix, country, class, from, name, .. } = before;
    let form = RouteForm { prefix, country, class, from, name, ..form };
    match console.edit(&guard, Act::Save, KIND, Some(&stored.key), form.draft(), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/routes?saved=true", guard.name()))),
        Err(error) => {
            let wrong = mistakes(error)?;
            render(&console, &guard, &headers, Some((id, stored.key)), form, wrong).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn a_form_and_what_is_stored_are_the_same() {
        let body = serde_json::json!({
            "match": { "prefix": "+44", "country": "GB", "class": "alert", "sender": "Acme*" },
            "name": "cheap",
            "priority": 5,
            "weight": 3,
            "carriers": ["a", "b"],
            "sender": "70007",
            "cost": { "amount": 0.0425, "currency": "EUR" },
            "open_to_development": true,
        });
        assert_eq!(RouteForm::of(&body).draft().body(), &body);
        let bare =
            RouteForm { carrier: vec!["a".into(), String::new()], amount: "cheap".into(), ..RouteForm::default() };
        let draft = bare.draft();
        assert_eq!(
            (draft.body()["carriers"].as_array().map(Vec::len), draft.body()["cost"]["amount"].as_str()),
            (Some(1), Some("cheap"))
        );
    }

    #[test]
    fn the_form_keeps_what_was_typed() {
        let page = |known: Option<&str>| FormPage {
            shell: shell(),
            slug: "demo".into(),
            known: known.map(str::to_owned),
            action: "/w/demo/routes/new".into(),
            entry: None,
            wrong: Wrong::one("cost.amount", "A number is expected."),
            form: RouteForm { sender: HOSTILE.into(), amount: "cheap".into(), ..RouteForm::default() },
            classes: choices(&[("", "every class")], ""),
            ways: vec![Way { number: 1, choices: choices(&[("sim-1", "sim-1")], "sim-1") }],
            development: true,
            why: WhyView::default(),
        };
        let html = checked(&page(None));
        assert!(html.contains("value=\"cheap\"") && html.contains("A number is expected."));
        assert!(!checked(&page(Some("+44"))).contains("name=\"prefix\""));
    }
}
