//! The rules for passwords and lock-out: what is so by default, and what an organisation may ask for besides.

use access::cap;
use askama::Template;
use axum::extract::State;
use http::{Answer, Form, HeaderMap, InWorkspace, Query, Response};
use identity::{CharacterClass, SignInRules};
use resources::{Draft, Error};
use serde::Deserialize;
use serde_json::json;

use crate::Console;
use crate::editing::{Act, Why, everywhere, mistakes};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};

const KIND: &str = "sign_in_rules";

/// A sort of character, and whether it is asked for.
struct ClassLine {
    value: &'static str,
    words: &'static str,
    on: bool,
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    shell: Shell,
    slug: String,
    said: bool,
    wrong: Wrong,
    form: RulesForm,
    classes: Vec<ClassLine>,
    may_write: bool,
}

impl RulesPage {
    const FIELDS: &'static [&'static str] = &[
        "password_min_length",
        "password_min_length_with_factor",
        "password_strength",
        "password_classes",
        "password_history",
        "password_min_age_hours",
        "password_max_age_days",
        "lockout_after",
        "lockout_longest_minutes",
        "locked_after",
        "tries_per_address",
    ];
}

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RulesForm {
    password_min_length: String,
    password_min_length_with_factor: String,
    password_strength: String,
    password_classes: Vec<String>,
    password_history: String,
    password_min_age_hours: String,
    password_max_age_days: String,
    lockout_after: String,
    lockout_longest_minutes: String,
    locked_after: String,
    tries_per_address: String,
    reason: String,
    /// The version that its author looked at; none while the defaults hold.
    version: Option<i64>,
}

impl RulesForm {
    fn of(rules: &SignInRules, version: Option<i64>) -> Self {
        let words = CharacterClass::ALL.into_iter();
        Self {
            password_min_length: rules.password_min_length.to_string(),
            password_min_length_with_factor: rules.password_min_length_with_factor.to_string(),
            password_strength: rules.password_strength.to_string(),
            password_classes: words
                .filter(|(_, class)| rules.password_classes.contains(class))
                .map(|(word, _)| word.to_owned())
                .collect(),
            password_history: rules.password_history.to_string(),
            password_min_age_hours: rules.password_min_age_hours.to_string(),
            password_max_age_days: rules.password_max_age_days.to_string(),
            lockout_after: rules.lockout_after.to_string(),
            lockout_longest_minutes: rules.lockout_longest_minutes.to_string(),
            locked_after: rules.locked_after.to_string(),
            tries_per_address: rules.tries_per_address.to_string(),
            reason: String::new(),
            version,
        }
    }

    /// The form as a draft. What is no number is refused by the kind, at its field.
    fn draft(&self) -> Draft {
        let number =
            |text: &str| text.trim().parse::<u32>().map_or_else(|_| json!(text.trim()), |number| json!(number));
        Draft::new(json!({
            "password_min_length": number(&self.password_min_length),
            "password_min_length_with_factor": number(&self.password_min_length_with_factor),
            "password_strength": number(&self.password_strength),
            "password_classes": self.password_classes,
            "password_history": number(&self.password_history),
            "password_min_age_hours": number(&self.password_min_age_hours),
            "password_max_age_days": number(&self.password_max_age_days),
            "lockout_after": number(&self.lockout_after),
            "lockout_longest_minutes": number(&self.lockout_longest_minutes),
            "locked_after": number(&self.locked_after),
            "tries_per_address": number(&self.tries_per_address),
        }))
    }
}

async fn render<C: access::Cap>(
    console: &Console,
    guard: &InWorkspace<C>,
    headers: &HeaderMap,
    said: bool,
    given: Option<(Wrong, RulesForm)>,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Users).await?;
    let (wrong, form) = if let Some(given) = given {
        given
    } else {
        let version = console.rules_version().await?;
        (Wrong::default(), RulesForm::of(&console.db.read(SignInRules::of).await?, version))
    };
    let class = |(value, class): (&'static str, CharacterClass)| ClassLine {
        value,
        words: class.words(),
        on: form.password_classes.iter().any(|chosen| chosen == value),
    };
    let page = RulesPage {
        slug: guard.name().to_owned(),
        classes: CharacterClass::ALL.into_iter().map(class).collect(),
        may_write: console.may_edit(guard, KIND),
        said,
        form,
        wrong,
        shell,
    };
    page_with(page.wrong.status(), &page)
}

impl Console {
    /// The version of the rules that were set; none while the defaults hold.
    async fn rules_version(&self) -> Result<Option<i64>, Error> {
        let resources = self.resources.clone();
        let stored = self.db.read(move |tx| resources.by_key(tx, KIND, None, SignInRules::KEY)).await?;
        Ok(stored.map(|stored| stored.version))
    }
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    saved: bool,
}

/// The rules.
pub async fn show(
    guard: InWorkspace<cap::PeopleRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(said): Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, said.saved, None).await
}

/// Changes them, for everybody in the organisation.
pub async fn save(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<RulesForm>,
) -> Answer<Response> {
    everywhere(&guard)?;
    let why = Why { reason: form.reason.clone(), change: String::new(), version: form.version };
    // Set for the first time only if it was so when the form was opened: else somebody else was faster.
    let set = form.version.is_some() || console.rules_version().await?.is_some();
    let known = set.then_some(SignInRules::KEY);
    match console.edit(&guard, Act::Save, KIND, known, form.draft(), &why).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/sign-in-rules?saved=true", guard.name()))),
        Err(error) => render(&console, &guard, &headers, false, Some((mistakes(error)?, form))).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{checked, shell};

    fn sample(may_write: bool) -> RulesPage {
        let form = RulesForm::of(&SignInRules::default(), may_write.then_some(7));
        RulesPage {
            shell: shell(),
            slug: "demo".into(),
            said: false,
            wrong: Wrong::one("locked_after", "An account pauses before it is locked."),
            classes: vec![ClassLine { value: "upper", words: "a capital letter", on: false }],
            form,
            may_write,
        }
    }

    /// what contradicts NIST is off and says so.
    #[test]
    fn x_10_rules_against_nist_are_off_and_say_so() {
        let html = checked(&sample(true));
        assert!(html.contains("NIST SP 800-63B-4") && html.contains("An account pauses before it is locked."));
        assert!(!html.contains("value=\"upper\" checked"));
        for field in RulesPage::FIELDS.iter().filter(|field| **field != "password_classes") {
            assert!(html.contains(&format!("id=\"{field}\"")), "{field}");
        }
    }

    #[test]
    fn the_form_carries_the_version_that_it_was_made_on() {
        assert!(checked(&sample(true)).contains("name=\"version\" value=\"7\""));
        assert!(!checked(&sample(false)).contains("name=\"version\""), "nothing is set yet");
    }

    #[test]
    fn who_may_not_change_them_sees_no_button() {
        let html = checked(&sample(false));
        assert!(!html.contains("Save</button>") && html.contains("administrator of the organisation"));
    }

    #[test]
    fn a_form_that_changes_nothing_is_what_is_stored() {
        let rules = SignInRules { password_classes: vec![CharacterClass::Digit], ..SignInRules::default() };
        let draft = RulesForm::of(&rules, None).draft();
        assert_eq!(serde_json::from_value::<SignInRules>(draft.body().clone()).unwrap(), rules);
    }
}
