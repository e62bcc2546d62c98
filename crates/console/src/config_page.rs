//! Everything that is configured, by kind: the way to the text and the history of each entry.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::Timestamp;
use http::{Answer, HeaderMap, InWorkspace, Path, Refusal, Response};
use resources::{Error, KindScope, Stored};

use crate::Console;
use crate::editing::entry_path;
use crate::page::page;
use crate::shell::{Page, Shell};
use crate::zone::age;

struct KindRow {
    href: String,
    name: &'static str,
    words: &'static str,
    place: &'static str,
    /// How many there are; none when the reader may not see them.
    count: Option<usize>,
}

#[derive(Template)]
#[template(path = "config.html")]
struct ConfigPage {
    shell: Shell,
    rows: Vec<KindRow>,
}

struct Row {
    href: String,
    key: String,
    version: i64,
    changed: Timestamp,
    ago: String,
}

#[derive(Template)]
#[template(path = "config-kind.html")]
struct KindPage {
    shell: Shell,
    slug: String,
    kind: &'static str,
    sentence: String,
    words: &'static str,
    may_write: bool,
    rows: Vec<Row>,
}

/// What a kind is, in a sentence. A kind that is new here says what all of them are.
pub fn kind_words(kind: &str) -> &'static str {
    match kind {
        "workspaces" => "The units of separation, each with its environment.",
        "sign_in_rules" => "What passwords must be, and when an account pauses.",
        "settings" => "What the organisation sets for everybody.",
        "carriers" => "Who takes our texts to the network.",
        "routes" => "Which carriers take which messages.",
        "roles" => "Roles of your own: sets of rights that people are given like the ready ones.",
        "users" => "People, with their roles and phones.",
        "groups" => "Who is paged, in which order.",
        "flows" => "What is done with an event.",
        "integrations" => "Where signals come in.",
        "webhooks" => "Which applications hear of messages.",
        "account_webhooks" => "Who hears of messages of workspaces without a webhook of their own.",
        "mappings" => "How a signal becomes events.",
        "api_keys" => "What programs prove themselves with.",
        "smpp_accounts" => "Applications that bind to us.",
        _ => "Configuration of this kind.",
    }
}

impl Console {
    /// All entries of a kind that this reader may see; none when they may not.
    pub async fn entries<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        kind: &'static str,
    ) -> Answer<Option<Vec<Stored>>> {
        let (resources, grants) = (self.resources.clone(), guard.caller().grants());
        let found: Result<Vec<Stored>, Error> = match self.place(kind, guard.workspace()) {
            None => match grants.permit_organisation::<cap::ResourcesRead>() {
                Ok(permit) => self.db.read(move |tx| resources.list(tx, &permit, kind, None)).await,
                Err(denied) => Err(denied.into()),
            },
            Some(place) => match grants.permit::<cap::ResourcesRead>(place) {
                Ok(permit) => self.db.read(move |tx| resources.list(tx, &permit, kind, Some(place))).await,
                Err(denied) => Err(denied.into()),
            },
        };
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Error::Denied(_) | Error::OutOfScope) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The kind of that name, as the registry spells it.
    pub fn kind(&self, name: &str) -> Answer<&'static str> {
        self.resources.registry().get(name).map(resources::Kind::name).ok_or_else(Refusal::not_found)
    }
}

/// The kinds.
pub async fn index(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Configuration).await?;
    let slug = guard.name().to_owned();
    let mut rows = Vec::new();
    for (name, scope) in
        console.resources.registry().kinds().map(|kind| (kind.name(), kind.scope())).collect::<Vec<_>>()
    {
        rows.push(KindRow {
            href: format!("/w/{slug}/config/{name}"),
            name,
            words: kind_words(name),
            place: match scope {
                KindScope::Organisation => "the whole organisation",
                KindScope::Workspace => "this workspace",
            },
            count: console.entries(&guard, name).await?.map(|found| found.len()),
        });
    }
    page(&ConfigPage { shell, rows })
}

/// The entries of a kind.
pub async fn list(
    guard: InWorkspace<cap::ResourcesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, kind)): Path<(String, String)>,
) -> Answer<Response> {
    let kind = console.kind(&kind)?;
    let shell = console.shell(&guard, &headers, Page::Configuration).await?;
    let slug = guard.name().to_owned();
    let found = console.entries(&guard, kind).await?;
    let sentence = match &found {
        None => format!("Your roles do not show you {}", plain(kind)),
        Some(found) => match found.len() {
            0 => format!("No {} yet", plain(kind)),
            1 => format!("One entry of {}", plain(kind)),
            count => format!("{count} {}", plain(kind)),
        },
    };
    let row = |stored: &Stored| Row {
        href: entry_path(&slug, kind, stored.id),
        key: stored.key.clone(),
        version: stored.version,
        changed: stored.updated_at,
        ago: age(shell.now.since(stored.updated_at)),
    };
    page(&KindPage {
        sentence,
        words: kind_words(kind),
        may_write: console.may_edit(&guard, kind),
        rows: found.unwrap_or_default().iter().map(row).collect(),
        kind,
        slug,
        shell,
    })
}

/// A kind's name as words: `api keys`.
pub fn plain(kind: &str) -> String {
    kind.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    #[test]
    fn what_is_configured_is_listed_and_speaks_no_html() {
        let rows = vec![KindRow {
            href: "/w/demo/config/groups".into(),
            name: "groups",
            words: kind_words("groups"),
            place: "this workspace",
            count: None,
        }];
        assert!(checked(&ConfigPage { shell: shell(), rows }).contains("not for your roles"));
        let rows = vec![Row {
            href: "/w/demo/config/groups/1".into(),
            key: HOSTILE.into(),
            version: 3,
            changed: NOW,
            ago: "1 min".into(),
        }];
        let html = checked(&KindPage {
            shell: shell(),
            slug: "demo".into(),
            kind: "groups",
            sentence: "One entry of groups".into(),
            words: kind_words("groups"),
            may_write: true,
            rows,
        });
        assert!(html.contains("/w/demo/config/groups/new"));
    }
}
