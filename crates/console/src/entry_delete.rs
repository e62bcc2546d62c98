//! An entry deleted, once its name was written and nothing refers to it.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Error, Stored};
use serde::Deserialize;

use crate::Console;
use crate::editing::{Going, Why, WhyView, entry_path, mistakes};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};

impl Console {
    async fn dependants(&self, guard: &InWorkspace<cap::ResourcesRead>, stored: &Stored) -> Answer<Vec<String>> {
        let (resources, grants) = (self.resources.clone(), guard.caller().grants());
        let (kind, key) = (stored.kind, stored.key.clone());
        let found: Result<Vec<String>, Error> = match stored.workspace {
            None => {
                let permit = grants.permit_organisation::<cap::ResourcesRead>()?;
                self.db.read(move |tx| resources.referrers(tx, &permit, kind, None, &key)).await
            }
            Some(here) => {
                let permit = grants.permit::<cap::ResourcesRead>(here)?;
                self.db.read(move |tx| resources.referrers(tx, &permit, kind, Some(here), &key)).await
            }
        };
        Ok(found?)
    }
}

#[derive(Template)]
#[template(path = "entry-delete.html")]
struct DeletePage {
    shell: Shell,
    slug: String,
    kind: &'static str,
    key: String,
    /// What has to be written: the whole name.
    here: String,
    back: String,
    may_write: bool,
    dependants: Vec<String>,
    last: Option<String>,
    /// What it means that it is gone.
    after: String,
    wrong: Wrong,
    typed: String,
    why: WhyView,
}

/// What follows for whoever wants it back: identifiers are never given again (E-16).
fn after(kind: &str, once: Option<&str>) -> String {
    match (kind, once) {
        ("users", _) => "Whoever is deleted stays deleted: the id and the log-in name are never given again, and who comes back gets a \
                         new account with another log-in name. If they may come back, switch the account off instead. The history stays."
            .to_owned(),
        (_, Some(field)) => format!(
            "What is deleted stays deleted: its {field} is never given again, and a new entry takes another one. Its history stays."
        ),
        (_, None) => "Its history stays. Another one of the same name would be another one.".to_owned(),
    }
}

impl DeletePage {
    const FIELDS: &'static [&'static str] = &["typed", "change"];
}

async fn delete_page(
    console: &Console,
    guard: InWorkspace<cap::ResourcesRead>,
    headers: &HeaderMap,
    stored: Stored,
    wrong: Wrong,
    typed: String,
    why: Why,
) -> Answer<Response> {
    let shell = console.shell(&guard, headers, Page::Configuration).await?;
    let slug = guard.name().to_owned();
    let controlled = console.is_controlled_at(stored.workspace).await?;
    let last = console.versions(&guard, &stored).await?.into_iter().next();
    page_with(
        wrong.status(),
        &DeletePage {
            dependants: console.dependants(&guard, &stored).await?,
            last: last
                .map(|version| format!("{} changed it last, {}.", version.actor, shell.zone.day_clock(&version.at))),
            after: after(stored.kind, console.resources.registry().get(stored.kind).and_then(resources::Kind::once)),
            may_write: console.may_edit(&guard, stored.kind),
            here: format!("{}/delete", entry_path(&slug, stored.kind, stored.id)),
            back: entry_path(&slug, stored.kind, stored.id),
            why: why.view(controlled),
            kind: stored.kind,
            key: stored.key,
            wrong,
            typed,
            slug,
            shell,
        },
    )
}

/// Asks before an entry is deleted, and names what depends on it.
pub async fn ask_delete(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind, id)): Path<(String, String, ResourceId)>,
) -> Answer<Response> {
    let stored = console.entry(&guard, console.kind(&kind)?, id).await?;
    delete_page(&console, guard, &headers, stored, Wrong::default(), String::new(), Why::default()).await
}

/// What the form sends: the name, written once more.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeleteForm {
    typed: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

/// Deletes an entry.
pub async fn delete(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind, id)): Path<(String, String, ResourceId)>,
    Form(form): Form<DeleteForm>,
) -> Answer<Response> {
    let stored = console.entry(&guard, console.kind(&kind)?, id).await?;
    let why = Why { reason: form.reason, change: form.change, version: form.version };
    let wrong = if form.typed.trim() == stored.key {
        let going = Going { kind: stored.kind, workspace: stored.workspace, key: stored.key.clone() };
        match console.remove(&guard, going, &why).await {
            Ok(_) => return Ok(see_other(&format!("/w/{}/config/{}", guard.name(), stored.kind))),
            Err(error) => mistakes(error)?,
        }
    } else {
        Wrong::one("typed", "That is not its name. Write it as it stands above.")
    };
    delete_page(&console, guard, &headers, stored, wrong, form.typed, why).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    #[test]
    fn what_others_refer_to_is_not_deleted() {
        let page = |dependants: Vec<String>| DeletePage {
            shell: shell(),
            slug: "demo".into(),
            kind: "groups",
            key: HOSTILE.into(),
            here: "/w/demo/config/groups/1/delete".into(),
            back: "/w/demo/config/groups/1".into(),
            may_write: true,
            dependants,
            last: Some(HOSTILE.into()),
            after: after("groups", None),
            wrong: Wrong::default(),
            typed: String::new(),
            why: WhyView::default(),
        };
        let blocked = checked(&page(vec!["flows demo/page (group)".into()]));
        assert!(blocked.contains("flows demo/page (group)") && blocked.contains("disabled"));
        assert!(!checked(&page(Vec::new())).contains("disabled"));
    }

    /// Before it is done, not in a refusal afterwards.
    #[test]
    fn e_16_whoever_is_deleted_stays_deleted_and_the_page_says_so() {
        let people = after("users", Some("login"));
        for words in ["stays deleted", "never given again", "another log-in name", "switch the account off"] {
            assert!(people.contains(words), "{people}");
        }
        assert!(after("smpp_accounts", Some("system_id")).contains("its system_id is never given again"));
        assert!(after("groups", None).contains("Another one of the same name"));
    }
}
