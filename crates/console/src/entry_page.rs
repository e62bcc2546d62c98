//! One entry of any kind as text: read, and changed after its difference was looked at.

use std::fmt::Write as _;

use access::cap;
use askama::Template;
use axum::extract::State;
use base::ResourceId;
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response, StatusCode};
use resources::{Error, Outcome, Stored, VersionEntry};
use serde::Deserialize;

use crate::Console;
use crate::answers::ActForm;
use crate::difference::{Changed, lines};
use crate::editing::{Act, Why, WhyView, entry_path, mistakes};
use crate::page::{Wrong, page_with, see_other};
use crate::shell::{Page, Shell};

/// Bytes of an entry's text at most.
pub const TEXT_LIMIT: usize = 512 * 1024;

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage {
    shell: Shell,
    slug: String,
    kind: &'static str,
    /// The entry's name; none for a new one.
    key: Option<String>,
    here: String,
    said: Option<&'static str>,
    /// The text; none while it is closed because it holds personal values.
    text: Option<String>,
    may_write: bool,
    wrong: Vec<(String, String)>,
    conflict: Option<String>,
    /// What saving would change; none before it was asked for.
    difference: Option<Vec<Changed>>,
    shown: String,
    why: WhyView,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

fn said(did: &str) -> Option<&'static str> {
    match did {
        "saved" => Some("Saved as a new version."),
        "same" => Some("Nothing was different, so nothing was saved."),
        "restored" => Some("The older version is the newest one again. Secrets stayed as they were."),
        _ => None,
    }
}

/// What the editor sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EditorForm {
    text: String,
    act: String,
    /// The fingerprint of the text whose difference was shown.
    shown: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl EditorForm {
    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    fn fingerprint(&self) -> String {
        crate::assets::hex(&crypto::sha256(self.text.as_bytes())[..12])
    }
}

impl Console {
    /// The entry of that id, if it is of this kind and this workspace or the organisation, for a reader of configuration there.
    pub async fn entry(
        &self,
        guard: &InWorkspace<cap::ResourcesRead>,
        kind: &'static str,
        id: ResourceId,
    ) -> Answer<Stored> {
        let place = self.place(kind, guard.workspace());
        if place.is_none() {
            guard.caller().grants().permit_organisation::<cap::ResourcesRead>()?;
        }
        let resources = self.resources.clone();
        let found: Result<_, Error> = self.db.read(move |tx| resources.by_id(tx, kind, id)).await;
        found?.filter(|stored| stored.workspace == place).ok_or_else(Refusal::not_found)
    }

    /// Its versions, the newest first.
    pub async fn versions(
        &self,
        guard: &InWorkspace<cap::ResourcesRead>,
        stored: &Stored,
    ) -> Answer<Vec<VersionEntry>> {
        let (resources, grants) = (self.resources.clone(), guard.caller().grants());
        let (kind, place, key, id) = (stored.kind, stored.workspace, stored.key.clone(), stored.id);
        let found: Result<Vec<VersionEntry>, Error> = match place {
            None => {
                let permit = grants.permit_organisation::<cap::ResourcesRead>()?;
                self.db.read(move |tx| resources.history(tx, &permit, kind, None, &key)).await
            }
            Some(here) => {
                let permit = grants.permit::<cap::ResourcesRead>(here)?;
                self.db.read(move |tx| resources.history(tx, &permit, kind, Some(here), &key)).await
            }
        };
        // A name that was deleted and came back is another entry.
        Ok(found?.into_iter().filter(|version| version.resource == id).collect())
    }
}

/// What the editor shows besides the entry.
#[derive(Default)]
struct Around {
    said: Option<&'static str>,
    text: Option<String>,
    wrong: Wrong,
    conflict: Option<String>,
    difference: Option<Vec<Changed>>,
    shown: String,
    why: Why,
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::ResourcesRead>,
    headers: &HeaderMap,
    kind: &'static str,
    stored: Option<&Stored>,
    around: Around,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Configuration).await?;
    let slug = guard.name().to_owned();
    let controlled = console.is_controlled_at(console.place(kind, guard.workspace())).await?;
    let Around { said, text, wrong, conflict, difference, shown, why } = around;
    let bad = wrong.any() || conflict.is_some();
    page_with(
        if bad { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK },
        &EntryPage {
            here: match stored {
                Some(stored) => entry_path(&slug, kind, stored.id),
                None => format!("/w/{slug}/config/{kind}/new"),
            },
            key: stored.map(|stored| stored.key.clone()),
            may_write: console.may_edit(guard, kind),
            why: why.view(controlled),
            wrong: wrong.all().map(|(path, detail)| (path.unwrap_or_default().to_owned(), detail.to_owned())).collect(),
            said,
            text,
            conflict,
            difference,
            shown,
            kind,
            slug,
            shell,
        },
    )
}

/// The text of an entry. One that holds personal values is opened by a press that is written to the audit log.
pub async fn show(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind, id)): Path<(String, String, ResourceId)>,
    Query(asked): Query<Said>,
) -> Answer<Response> {
    let kind = console.kind(&kind)?;
    let stored = console.entry(&guard, kind, id).await?;
    let closed = console.resources.is_confidential(kind)?;
    let text = if closed { None } else { Some(console.resources.text(kind, &stored.body)?) };
    let why = Why { version: Some(stored.version), ..Why::default() };
    let around = Around { said: said(&asked.did), text, why, ..Around::default() };
    render(&console, &guard, &headers, kind, Some(&stored), around).await
}

/// Opens a text that holds personal values.
pub async fn open(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind, id)): Path<(String, String, ResourceId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let kind = console.kind(&kind)?;
    let stored = console.entry(&guard, kind, id).await?;
    let (resources, grants, key) = (console.resources.clone(), guard.caller().grants(), stored.key.clone());
    let opened: Result<Option<Stored>, Error> = match stored.workspace {
        None => {
            let permit = grants.permit_organisation::<cap::ResourcesRead>()?;
            console.db.write(move |tx| resources.open(tx, &permit, kind, None, &key)).await
        }
        Some(here) => {
            let permit = grants.permit::<cap::ResourcesRead>(here)?;
            console.db.write(move |tx| resources.open(tx, &permit, kind, Some(here), &key)).await
        }
    };
    let stored = opened?.ok_or_else(Refusal::not_found)?;
    let text = Some(console.resources.text(kind, &stored.body)?);
    let why = Why { version: Some(stored.version), ..Why::default() };
    render(&console, &guard, &headers, kind, Some(&stored), Around { text, why, ..Around::default() }).await
}

/// An empty text, with the kind's fields and what each means.
pub async fn new(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind)): Path<(String, String)>,
) -> Answer<Response> {
    let kind = console.kind(&kind)?;
    if !console.may_edit(&guard, kind) {
        return Err(Error::WrongRight.into());
    }
    let fields = console.resources.registry().get(kind).map(resources::Kind::fields).unwrap_or_default();
    let mut text = String::new();
    for field in fields {
        let mark = if field.required { "" } else { "# " };
        let about = if field.about.is_empty() { String::new() } else { format!("  # {}", field.about) };
        let _ = writeln!(text, "{mark}{}:{about}", field.name);
    }
    render(&console, &guard, &headers, kind, None, Around { text: Some(text), ..Around::default() }).await
}

/// Shows what a new text would make, or makes it.
pub async fn create(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind)): Path<(String, String)>,
    Form(form): Form<EditorForm>,
) -> Answer<Response> {
    let kind = console.kind(&kind)?;
    edited(&console, guard, &headers, kind, None, form).await
}

/// Shows what a changed text would change, or saves it.
pub async fn save(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind, id)): Path<(String, String, ResourceId)>,
    Form(form): Form<EditorForm>,
) -> Answer<Response> {
    let kind = console.kind(&kind)?;
    let stored = console.entry(&guard, kind, id).await?;
    edited(&console, guard, &headers, kind, Some(stored), form).await
}

async fn edited(
    console: &Console,
    guard: InWorkspace<cap::ResourcesRead>,
    headers: &HeaderMap,
    kind: &'static str,
    stored: Option<Stored>,
    form: EditorForm,
) -> Answer<Response> {
    let why = form.why();
    let known = stored.as_ref().map(|stored| stored.key.as_str());
    let fingerprint = form.fingerprint();
    // Only what was looked at is saved: a text that changed since is shown once more.
    let act = if form.act == "save" && form.shown == fingerprint { Act::Save } else { Act::Rehearse };
    let saving = matches!(act, Act::Save);
    let written = match console.resources.read_text(kind, &form.text) {
        Ok(draft) => {
            console.edit(&guard, act, kind, known, draft.clone(), &why).await.map_err(|error| (error, Some(draft)))
        }
        Err(error) => Err((error, None)),
    };
    let again = Around { text: Some(form.text), why: why.clone(), ..Around::default() };
    let around = match written {
        Ok(written) if saving => {
            let slug = guard.name();
            let did = if written.outcome == Outcome::Unchanged { "same" } else { "saved" };
            return Ok(see_other(&format!("{}?did={did}", entry_path(slug, kind, written.id))));
        }
        Ok(written) => Around { difference: Some(lines(&written.difference)), shown: fingerprint, ..again },
        // Somebody saved in between: the text stays, and is compared with theirs before it can be saved over it.
        Err((Error::Conflict, Some(draft))) if stored.is_some() => {
            let Some(stored) = &stored else { return Err(Refusal::not_found()) };
            let newer = Why { version: Some(stored.version), ..why };
            let theirs = console.versions(&guard, stored).await?.into_iter().next();
            let who = theirs.map_or_else(
                || "Somebody else".to_owned(),
                |version| format!("{} saved version {}", version.actor, version.version),
            );
            let now = console.edit(&guard, Act::Rehearse, kind, known, draft, &newer).await.map_err(Refusal::from)?;
            let difference = Some(lines(&now.difference));
            Around { conflict: Some(who), difference, shown: fingerprint, why: newer, ..again }
        }
        Err((error, _)) => Around { wrong: mistakes(error)?, ..again },
    };
    render(console, &guard, headers, kind, stored.as_ref(), around).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::difference::tests::difference;
    use crate::testing::{HOSTILE, checked, shell};

    fn editor(text: Option<&str>, difference: Option<Vec<Changed>>) -> EntryPage {
        EntryPage {
            shell: shell(),
            slug: "demo".into(),
            kind: "groups",
            key: Some(HOSTILE.into()),
            here: "/w/demo/config/groups/1".into(),
            said: None,
            text: text.map(str::to_owned),
            may_write: true,
            wrong: vec![("members[0]".into(), HOSTILE.into())],
            conflict: Some("Cem Sample saved version 4".into()),
            difference,
            shown: "ab".into(),
            why: WhyView { version: 3, ..WhyView::default() },
        }
    }

    #[test]
    fn nothing_is_saved_before_its_difference_was_seen() {
        let before = checked(&editor(Some(HOSTILE), None));
        assert!(before.contains("Show what changes") && !before.contains("value=\"save\""));
        let after = checked(&editor(Some(HOSTILE), Some(lines(&difference()))));
        assert!(after.contains("value=\"save\"") && after.contains("Cem Sample saved version 4"));
        let closed = checked(&editor(None, None));
        assert!(closed.contains("/open\"") && !closed.contains("<textarea"));
    }

    #[test]
    fn a_fingerprint_changes_with_the_text() {
        let form = |text: &str| EditorForm { text: text.into(), ..EditorForm::default() };
        assert_ne!(form("a").fingerprint(), form("b").fingerprint());
    }
}
