//! Who may do what: who can do this, what can they do, and the picture of all roles.

use access::{Capability, cap};
use askama::Template;
use axum::extract::State;
use http::{Answer, HeaderMap, InWorkspace, Query, Refusal, Response};
use identity::{Holder, HolderKind, RoleRow, Way};
use serde::Deserialize;

use crate::Console;
use crate::facts::{Choice, choices};
use crate::page::page;
use crate::shell::{Page, Shell};

/// What is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Who can do this?
    can: String,
    /// What can they do? `user:ID`, `key:ID` and so on, by [`HolderKind::name`].
    of: String,
    /// What was just done.
    did: String,
}

/// Somebody who can, or something that somebody can.
struct Line {
    name: String,
    href: String,
    what: String,
    by: String,
}

struct Cell {
    holds: bool,
    bounded: bool,
}

struct CapabilityRow {
    name: &'static str,
    about: &'static str,
    cells: Vec<Cell>,
}

struct RoleColumn {
    words: String,
    about: String,
    custom: bool,
    /// Where one of the organisation's own is changed.
    href: Option<String>,
    holds: Vec<String>,
}

struct Answered {
    sentence: String,
    standing: String,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "access.html")]
struct AccessPage {
    shell: Shell,
    slug: String,
    capabilities: Vec<Choice>,
    answered: Option<Answered>,
    roles: Vec<RoleColumn>,
    rows: Vec<CapabilityRow>,
    may_write: bool,
    /// Whether a role was just saved.
    saved: bool,
}

fn by_words(ways: &[Way]) -> String {
    let words: Vec<String> = ways
        .iter()
        .map(|way| {
            let place = if way.scope.is_some() { "in this workspace" } else { "everywhere" };
            let bound = match (way.bounded, way.by.as_str()) {
                (true, "itself") => ", for its own signals",
                (true, _) => ", for their own groups",
                (false, _) => "",
            };
            format!("{} {place}{bound}", way.words)
        })
        .collect();
    words.join("; ")
}

const fn kind_words(kind: HolderKind) -> &'static str {
    match kind {
        HolderKind::Person => "person",
        HolderKind::Key => "API key",
        HolderKind::OauthClient => "OAuth client",
        HolderKind::TokenIssuer => "issuer of tokens",
        HolderKind::SmppAccount => "SMPP account",
        HolderKind::Integration => "integration",
    }
}

fn who(slug: &str, capability: Capability, found: Vec<Holder>, more: bool) -> Answered {
    let count = found.len();
    Answered {
        sentence: match (count, more) {
            (0, _) => format!("Nobody holds {capability} here"),
            (1, _) => format!("One holds {capability} here"),
            (count, false) => format!("{count} hold {capability} here"),
            (count, true) => format!("More than {count} hold {capability} here"),
        },
        standing: capability.about().to_owned(),
        lines: found
            .into_iter()
            .map(|holder| Line {
                href: format!("/w/{slug}/access?of={}:{}", holder.kind.name(), holder.id),
                what: kind_words(holder.kind).to_owned(),
                by: holder.rights.first().map(|(_, ways)| by_words(ways)).unwrap_or_default(),
                name: holder.name,
            })
            .collect(),
    }
}

fn what(slug: &str, holder: &Holder) -> Answered {
    Answered {
        sentence: format!("What {} can do here", holder.name),
        standing: format!("{} rights in this workspace. What it is: {}.", holder.rights.len(), kind_words(holder.kind)),
        lines: holder
            .rights
            .iter()
            .map(|(capability, ways)| Line {
                name: capability.name().to_owned(),
                href: format!("/w/{slug}/access?can={capability}"),
                what: capability.about().to_owned(),
                by: by_words(ways),
            })
            .collect(),
    }
}

fn picture(slug: &str, roles: &[RoleRow], may_write: bool) -> (Vec<RoleColumn>, Vec<CapabilityRow>) {
    let columns = roles
        .iter()
        .map(|role| RoleColumn {
            words: role.words.clone(),
            about: role.about.clone(),
            custom: role.id.is_some(),
            href: role.id.filter(|_| may_write).map(|id| format!("/w/{slug}/roles/{id}")),
            holds: role
                .capabilities
                .iter()
                .map(|capability| {
                    let own = if role.bounded.contains(capability) { ", for their own groups" } else { "" };
                    format!("{capability}{own}")
                })
                .collect(),
        })
        .collect();
    let rows = Capability::ALL
        .iter()
        .map(|capability| CapabilityRow {
            name: capability.name(),
            about: capability.about(),
            cells: roles
                .iter()
                .map(|role| Cell {
                    holds: role.capabilities.contains(*capability),
                    bounded: role.bounded.contains(*capability),
                })
                .collect(),
        })
        .collect();
    (columns, rows)
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::AccessRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Access).await?;
    let slug = guard.name().to_owned();
    let permit = guard.permit().clone();
    let answered = if let Ok(capability) = asked.can.parse::<Capability>() {
        let permit = permit.clone();
        let (found, more) = console.db.read(move |tx| identity::who_can(tx, &permit, capability)).await?;
        Some(who(&slug, capability, found, more))
    } else if let Some((kind, id)) = asked.of.split_once(':') {
        let kind = HolderKind::named(kind).ok_or_else(Refusal::not_found)?;
        let (permit, id) = (permit.clone(), id.to_owned());
        let found = console.db.read(move |tx| identity::what_can(tx, &permit, kind, &id)).await?;
        Some(what(&slug, &found.ok_or_else(Refusal::not_found)?))
    } else {
        None
    };
    let roles = console.db.read(move |tx| identity::roles(tx, &permit)).await?;
    let may_write = console.may_edit(&guard, "roles");
    let (columns, rows) = picture(&slug, &roles, may_write);
    let mut offered = vec![("", "Choose a right")];
    offered.extend(Capability::ALL.iter().map(|capability| (capability.name(), capability.name())));
    page(&AccessPage {
        capabilities: choices(&offered, &asked.can),
        answered,
        roles: columns,
        rows,
        may_write,
        saved: asked.did == "saved",
        slug,
        shell,
    })
}

#[cfg(test)]
mod tests {
    use access::{Capabilities, Role};

    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn row(words: &str) -> RoleRow {
        RoleRow {
            name: words.into(),
            words: words.into(),
            about: "x".into(),
            id: Some(uuid::Uuid::from_u128(9).into()),
            capabilities: Role::Supervisor.capabilities(),
            bounded: [Capability::GroupsWrite].into_iter().collect::<Capabilities>(),
        }
    }

    #[test]
    fn the_picture_says_each_cell_in_words() {
        let (roles, rows) = picture("demo", &[row(HOSTILE)], true);
        assert!(roles[0].holds.iter().any(|holds| holds == "groups:write, for their own groups"));
        let way = Way { by: "on_call".into(), words: HOSTILE.into(), scope: None, bounded: true };
        let holder = Holder {
            kind: HolderKind::Person,
            id: "7".into(),
            name: HOSTILE.into(),
            rights: vec![(Capability::GroupsWrite, vec![way])],
        };
        let html = checked(&AccessPage {
            shell: shell(),
            slug: "demo".into(),
            capabilities: choices(&[("", "Choose a right")], ""),
            answered: Some(what("demo", &holder)),
            roles,
            rows,
            may_write: true,
            saved: true,
        });
        assert!(
            html.contains("/w/demo/roles/new") && html.contains("/w/demo/roles/00000000-0000-0000-0000-000000000009")
        );
        assert!(picture("demo", &[row("x")], false).0[0].href.is_none(), "who may not change it is led nowhere");
        assert!(html.contains("everywhere, for their own groups") && html.contains("their own"));
        assert_eq!(who("demo", Capability::RunsRead, Vec::new(), false).sentence, "Nobody holds runs:read here");
    }
}
