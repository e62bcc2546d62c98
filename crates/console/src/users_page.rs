//! The people of the organisation: who they are, what they are trusted with, and whether they can sign in.

use access::{Held, Permit, Role, Scope, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{Page as Listed, PageRequest, ResourceId, Timestamp, UserId, WorkspaceId};
use http::{Answer, HeaderMap, InWorkspace, PageQuery, Query, Refusal, Response};
use identity::{PeopleFilter, PersonInfo, Standing};
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::facts::{Choice, choices};
use crate::page::{encode, page};
use crate::shell::{Page, Shell};
use crate::zone::age;

struct Row {
    href: String,
    name: String,
    login: String,
    /// The directory that keeps them; empty when they are kept by hand.
    directory: String,
    roles: String,
    knot: Knot,
    standing: &'static str,
    phones: String,
    last: Option<Timestamp>,
    ago: String,
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    shell: Shell,
    slug: String,
    sentence: String,
    standing: &'static str,
    may_write: bool,
    query: String,
    standings: Vec<Choice>,
    roles: Vec<Choice>,
    /// Whether the list is narrowed.
    narrowed: bool,
    said: Option<String>,
    rows: Vec<Row>,
    older: Option<String>,
}

/// Who is listed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    q: String,
    standing: String,
    role: String,
    added: Option<u64>,
}

/// Whether a person can sign in, as a shape, a word and a sentence.
pub const fn standing_words(standing: Standing) -> (Knot, &'static str, &'static str) {
    match standing {
        Standing::Active => (Knot::Done, "Can sign in", "With a password, a passkey, or an identity at a provider."),
        Standing::Invited => {
            (Knot::Waiting, "Invited", "Their invitation was not used yet. It is good for 24 hours from its drawing.")
        }
        Standing::ReachedOnly => {
            (Knot::Skipped, "Reached by text only", "They have no way to sign in. Invite them if they are to have one.")
        }
        Standing::Locked => (
            Knot::Failed,
            "Locked",
            "There were too many wrong passwords or codes. Unlock them; another password helps against wrong passwords alone.",
        ),
        Standing::Disabled(_) => {
            (Knot::Skipped, "Switched off", "They neither sign in nor are paged. Everything else about them stays.")
        }
    }
}

/// Whether people can sign in, for choosing from.
const STANDINGS: [(&str, &str); 6] = [
    ("", "any"),
    ("active", "can sign in"),
    ("invited", "invited"),
    ("reached_only", "reached by text only"),
    ("locked", "locked"),
    ("disabled", "switched off"),
];

/// Roles as people say them: `on-call member in demo, observer everywhere`.
pub fn roles_words(roles: &[Held], slug_of: impl Fn(WorkspaceId) -> Option<String>) -> String {
    let words: Vec<String> = roles
        .iter()
        .map(|held| match held.scope {
            Scope::Organisation => format!("{} everywhere", held.role.words()),
            Scope::Workspace(id) => {
                let place = slug_of(id).unwrap_or_else(|| "another workspace".to_owned());
                format!("{} in {place}", held.role.words())
            }
        })
        .collect();
    if words.is_empty() { "no role".to_owned() } else { words.join(", ") }
}

impl Console {
    /// Somebody's phones, masked, the first to use first.
    pub async fn devices_of(&self, user: UserId) -> Answer<Vec<oncall::Device>> {
        let oncall = self.oncall.clone();
        Ok(self.db.read(move |tx| oncall.devices(tx, user)).await?)
    }

    /// The slug of a workspace that this reader may see.
    pub async fn slugs<C: access::Cap>(&self, guard: &InWorkspace<C>) -> Answer<Vec<(WorkspaceId, String)>> {
        let grants = guard.caller().grants();
        let all = self.workspaces().await?;
        Ok(all.into_iter().filter(|one| grants.sees(one.id)).map(|one| (one.id, one.slug.to_string())).collect())
    }

    /// The names of the directories that keep people here.
    pub async fn directories<C: access::Cap>(&self, guard: &InWorkspace<C>) -> Answer<Vec<(ResourceId, String)>> {
        let permit: Permit<cap::PeopleRead> = guard.also().ok_or_else(Refusal::not_found)?;
        let scim = self.scim.clone();
        Ok(self.db.read(move |tx| scim.labels(tx, &permit)).await?)
    }

    /// The name of the directory that keeps a person; empty for one who is kept by hand.
    pub async fn directory_name<C: access::Cap>(&self, guard: &InWorkspace<C>, user: UserId) -> Answer<String> {
        let person = self.person_of(guard, user).await?;
        Ok(if person.directory.is_some() {
            directory_of(&self.directories(guard).await?, &person)
        } else {
            String::new()
        })
    }

    /// A page of people, as far as this reader sees them: all of the organisation, or those who have to do with the workspace.
    pub async fn people_of<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        filter: &PeopleFilter,
        request: PageRequest,
    ) -> Answer<Listed<PersonInfo>> {
        let (identity, filter) = (self.identity.clone(), filter.clone());
        if let Ok(permit) = guard.caller().grants().permit_organisation::<cap::PeopleRead>() {
            Ok(self.db.read(move |tx| identity.people(tx, &permit, &filter, &request)).await?)
        } else {
            let permit: Permit<cap::PeopleRead> = guard.also().ok_or_else(Refusal::not_found)?;
            Ok(self.db.read(move |tx| identity.people(tx, &permit, &filter, &request)).await?)
        }
    }

    /// One person, as far as this reader sees them.
    pub async fn person_of<C: access::Cap>(&self, guard: &InWorkspace<C>, user: UserId) -> Answer<PersonInfo> {
        let identity = self.identity.clone();
        let found = if let Ok(permit) = guard.caller().grants().permit_organisation::<cap::PeopleRead>() {
            self.db.read(move |tx| identity.person(tx, &permit, user)).await?
        } else {
            let permit: Permit<cap::PeopleRead> = guard.also().ok_or_else(Refusal::not_found)?;
            self.db.read(move |tx| identity.person(tx, &permit, user)).await?
        };
        found.ok_or_else(Refusal::not_found)
    }
}

/// The name of the directory that keeps a person; empty for one who is kept by hand.
pub fn directory_of(all: &[(ResourceId, String)], person: &PersonInfo) -> String {
    let Some(id) = person.directory else { return String::new() };
    all.iter().find(|(known, _)| *known == id).map_or_else(|| "a directory".to_owned(), |(_, label)| label.clone())
}

fn heading(count: usize, more: bool, narrowed: bool) -> String {
    match (count, !narrowed) {
        (0, true) => "Nobody is here yet".to_owned(),
        (0, false) => "Nobody fits".to_owned(),
        (1, _) => "One person".to_owned(),
        (count, _) if more => format!("The first {count} people"),
        (count, _) => format!("{count} people"),
    }
}

/// The roles to choose from, ready and of the organisation's own, with the one that is asked for; a ready one is found under its
/// name of before as well.
fn role_choices(custom: &[access::CustomRole], asked: &str) -> Vec<Choice> {
    let asked = asked.parse::<Role>().map_or(asked, |role| role.name());
    let mut roles = vec![("", "any")];
    roles.extend(Role::ALL.iter().map(|role| (role.name(), role.words())));
    roles.extend(custom.iter().map(|role| (role.name.as_str(), role.name.as_str())));
    choices(&roles, asked)
}

/// The list.
pub async fn list(
    guard: InWorkspace<cap::PeopleRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    PageQuery(request): PageQuery,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Users).await?;
    let slug = guard.name().to_owned();
    let query = which.q.trim().to_owned();
    let (standing, role) = (which.standing.as_str(), which.role.as_str());
    let narrowed = [&query, &which.standing, &which.role].iter().any(|part| !part.is_empty());
    let filter = PeopleFilter {
        search: query.clone(),
        standing: Some(which.standing.clone()).filter(|standing| !standing.is_empty()),
        role: Some(which.role.clone()).filter(|role| !role.is_empty()),
    };
    let found = console.people_of(&guard, &filter, request).await?;
    let slugs = console.slugs(&guard).await?;
    let directories = console.directories(&guard).await?;
    let slug_of = |id: WorkspaceId| slugs.iter().find(|(known, _)| *known == id).map(|(_, slug)| slug.clone());
    let mut rows = Vec::with_capacity(found.items.len());
    for person in &found.items {
        let phones = console.devices_of(person.id).await?;
        let (knot, standing, _) = standing_words(person.standing);
        rows.push(Row {
            href: format!("/w/{slug}/users/{}", person.id),
            name: person.name.clone(),
            login: person.login.clone(),
            directory: directory_of(&directories, person),
            roles: roles_words(&person.roles, slug_of),
            knot,
            standing,
            phones: phones.iter().map(|phone| phone.number.masked()).collect::<Vec<_>>().join(", "),
            last: person.last_sign_in,
            ago: person.last_sign_in.map(|at| age(shell.now.since(at))).unwrap_or_default(),
        });
    }
    page(&UsersPage {
        sentence: heading(rows.len(), found.next.is_some(), narrowed),
        standing: "Who signs in, who is paged, and what each is trusted with. Numbers are masked.",
        may_write: console.may_edit(&guard, "users"),
        standings: choices(&STANDINGS, standing),
        roles: role_choices(&console.db.read(access::custom_roles).await?, role),
        narrowed,
        said: which.added.map(|added| match added {
            1 => "One person was added.".to_owned(),
            added => format!("{added} people were added."),
        }),
        older: found.next.map(|next| {
            let asked = format!("q={}&standing={}&role={}", encode(&query), encode(standing), encode(role));
            format!("/w/{slug}/users?{asked}&cursor={}", encode(&next.0))
        }),
        query,
        rows,
        slug,
        shell,
    })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    #[test]
    fn roles_read_as_people_say_them() {
        let demo = WorkspaceId::from(uuid::Uuid::from_u128(1));
        let roles: [Held; 2] =
            [(Role::OnCall, Scope::Workspace(demo)).into(), (Role::Observer, Scope::Organisation).into()];
        assert_eq!(roles_words(&roles, |_| Some("demo".into())), "on-call member in demo, observer everywhere");
        assert_eq!(roles_words(&roles[..1], |_| None), "on-call member in another workspace");
        assert_eq!(roles_words(&[], |_| None), "no role");
    }

    #[test]
    fn roles_of_one_s_own_are_chosen_from_and_names_of_before_are_known() {
        let own = access::CustomRole {
            id: uuid::Uuid::from_u128(4).into(),
            name: "night shift".into(),
            capabilities: access::Capabilities::NONE,
            workspace: None,
        };
        let chosen = |asked| {
            let found = role_choices(std::slice::from_ref(&own), asked).into_iter().find(|choice| choice.current);
            found.map(|choice| choice.value)
        };
        assert_eq!(chosen("night shift").as_deref(), Some("night shift"));
        assert_eq!(chosen("viewer").as_deref(), Some("observer"));
        assert_eq!(chosen("").as_deref(), Some(""));
    }

    #[test]
    fn people_are_listed_and_speak_no_html() {
        let page = |rows: Vec<Row>, query: &str| UsersPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: heading(rows.len(), false, !query.is_empty()),
            standing: "Numbers are masked.",
            may_write: true,
            query: query.into(),
            standings: choices(&STANDINGS, "locked"),
            roles: choices(&[("", "any")], ""),
            narrowed: !query.is_empty(),
            said: Some("2 people were added.".into()),
            rows,
            older: None,
        };
        let (knot, standing, _) = standing_words(Standing::Active);
        let row = Row {
            href: "/w/demo/users/1".into(),
            name: HOSTILE.into(),
            login: HOSTILE.into(),
            directory: HOSTILE.into(),
            roles: "observer everywhere".into(),
            knot,
            standing,
            phones: "+44 77•• ••• •117".into(),
            last: Some(NOW),
            ago: "3 min".into(),
        };
        assert!(checked(&page(vec![row], "")).contains("One person"));
        assert!(checked(&page(Vec::new(), "zoe")).contains("Nobody fits"));
    }
}
