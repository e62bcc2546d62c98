//! One person: phones, roles, sessions, groups, and what an administrator does about them.

use access::{Capability, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{DeviceId, ExposeSecret as _, ResourceId, SecretString, UserId, WorkspaceId};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use identity::{Link, PersonInfo, Standing};
use serde::Deserialize;

use crate::Console;
use crate::answers::ActForm;
use crate::draw::Draw;
use crate::editing::{entry_path, everywhere};
use crate::facts::Fact;
use crate::mask::{self, Class, Masked};
use crate::page::page;
use crate::shell::{Page, Shell};
use crate::user_security::Security;
use crate::users_page::{directory_of, roles_words, standing_words};
use crate::zone::age;

struct Phone {
    order: u32,
    masked: Masked,
}

struct Membership {
    name: String,
    href: String,
    words: String,
}

/// An invitation, for the one page that shows it.
struct Invitation {
    url: SecretString,
    until: String,
}

/// What became of a letter.
struct LetterLine {
    knot: Knot,
    name: &'static str,
    words: String,
}

#[derive(Template)]
#[template(path = "user.html")]
#[expect(clippy::struct_excessive_bools, reason = "each shows a part of the page or not")]
struct UserPage {
    shell: Shell,
    slug: String,
    here: String,
    name: String,
    knot: Knot,
    state: &'static str,
    standing: &'static str,
    said: Option<String>,
    invitation: Option<Invitation>,
    letters: Vec<LetterLine>,
    /// What a letter would be: an invitation, or a link for a new password; none where no letter can go out.
    letter: Option<&'static str>,
    facts: Vec<Fact>,
    phones: Vec<Phone>,
    groups: Vec<Membership>,
    sessions: u32,
    sessions_words: String,
    may_write: bool,
    /// Whether they are locked or pausing after failures.
    locked: bool,
    /// Whether there is a password that can be asked to be changed.
    has_password: bool,
    /// Whether a link for a password may be shown here: not one that replaces a password where a letter can bring it.
    may_draw: bool,
    /// Whether a provider is the only way in for them, so that a password would open nothing.
    closed: bool,
    may_invite: bool,
    may_link: bool,
    themselves: bool,
    entry: Option<String>,
    security: Option<Security>,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
    ended: Option<u64>,
}

impl Said {
    fn words(&self) -> Option<String> {
        match (self.did.as_str(), self.ended) {
            ("saved", _) => Some("Saved. Whose roles changed has to sign in again.".into()),
            ("reset", _) => {
                Some("The second factors are gone. They sign in with the password and set up new ones.".into())
            }
            ("one-ended", _) => Some("The session was ended. Whoever used it has to sign in again.".into()),
            ("unlocked", _) => Some("Unlocked. Their next try is looked at.".into()),
            ("expired", _) => Some("Their sessions ended. At the next sign-in they choose another password.".into()),
            ("letter", _) => Some("The letter is queued. What became of it is said below.".into()),
            ("ended", Some(0)) => Some("No session was open.".into()),
            ("ended", Some(1)) => Some("One session was ended. Whoever used it has to sign in again.".into()),
            ("ended", Some(count)) => {
                Some(format!("{count} sessions were ended. Whoever used them has to sign in again."))
            }
            _ => None,
        }
    }
}

fn letter_line(letter: mail::Status, shell: &Shell) -> LetterLine {
    let name = match letter.purpose.as_str() {
        "invite" => "Invitation",
        "reset" => "Link for a new password",
        "password-changed" => "News of a changed password",
        "credentials-end" => "Credentials of programs that end soon",
        _ => "Letter",
    };
    let since = age(shell.now.since(letter.settled_at.unwrap_or(letter.queued_at)));
    let why = letter.reason.unwrap_or_default();
    let (knot, words) = match letter.state {
        mail::State::Sent => (Knot::Done, format!("left {since} ago")),
        mail::State::Queued if letter.tries == 0 => (Knot::Now, "is about to leave".to_owned()),
        mail::State::Queued => (Knot::Waiting, format!("waits, tried {} times: {why}", letter.tries)),
        mail::State::Failed => (Knot::Failed, format!("was given up {since} ago: {why}")),
        mail::State::Withdrawn => (Knot::Skipped, format!("was withdrawn {since} ago: {why}")),
    };
    LetterLine { knot, name, words }
}

fn phone_of(slug: &str, user: UserId, device: &oncall::Device, may: bool) -> Masked {
    let action = format!("/w/{slug}/users/{user}/reveal?device={}", device.id);
    Masked::new(format!("d-{}", device.id), "number", device.number.masked(), Class::Confidential).offered(
        may,
        Capability::PeopleWrite,
        action,
    )
}

/// The groups of this workspace that name a person, and when they are paged in each.
async fn groups<C: access::Cap>(
    console: &Console,
    guard: &InWorkspace<C>,
    person: &PersonInfo,
) -> Answer<Vec<Membership>> {
    let Some(permit) = guard.also::<cap::OnCallRead>() else { return Ok(Vec::new()) };
    let (oncall, now) = (console.oncall.clone(), console.db.context().now());
    let found = console.db.read(move |tx| oncall.groups(tx, &permit, now)).await?;
    let slug = guard.name();
    Ok(found
        .into_iter()
        .filter_map(|group| {
            let at =
                group.definition.members.iter().position(|member| member.user.eq_ignore_ascii_case(&person.login))?;
            let step = group.plan.steps.get(at)?;
            let words = match step {
                oncall::Step::Page { due, .. } if due.since(now).is_zero() => "paged at once".to_owned(),
                oncall::Step::Page { due, .. } => {
                    format!("paged after {}", oncall::delay_words(due.since(now).as_secs()))
                }
                oncall::Step::Skip { reason, .. } => format!("not paged: {}", reason.words()),
            };
            Some(Membership { href: format!("/w/{slug}/groups/{}", group.id), name: group.definition.name, words })
        })
        .collect())
}

/// What the page shows besides the person.
#[derive(Default)]
struct Around {
    said: Option<String>,
    invitation: Option<Link>,
    shown: Option<(DeviceId, Masked)>,
}

async fn render<C: access::Cap>(
    console: &Console,
    guard: &InWorkspace<C>,
    headers: &HeaderMap,
    user: UserId,
    around: Around,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Users).await?;
    let person = console.person_of(guard, user).await?;
    let slug = guard.name().to_owned();
    let slugs = console.slugs(guard).await?;
    let slug_of = |id: WorkspaceId| slugs.iter().find(|(known, _)| *known == id).map(|(_, slug)| slug.clone());
    let may_write = console.may_edit(guard, "users");
    let Around { said, invitation, shown } = around;
    let phones = console.devices_of(user).await?;
    let mail = console.mail.clone();
    let letters = if may_write { console.db.read(move |tx| mail.of(tx, user)).await? } else { Vec::new() };
    let phone = |device: &oncall::Device| Phone {
        order: device.position + 1,
        masked: match &shown {
            Some((id, masked)) if *id == device.id => masked.clone(),
            _ => phone_of(&slug, user, device, may_write),
        },
    };
    let mut facts = vec![
        Fact::new("Address", person.login.clone()),
        Fact::new("Trusted as", roles_words(&person.roles, slug_of)),
        Fact::new("Time zone", person.time_zone.clone()),
        Fact::new(
            "Last sign-in",
            person.last_sign_in.map_or_else(|| "never".to_owned(), |at| shell.zone.day_clock(&at)),
        ),
        Fact::new("Added", shell.zone.day_clock(&person.created_at)),
    ];
    if let Standing::Disabled(since) = person.standing {
        facts.push(Fact::new("Switched off", shell.zone.day_clock(&since)));
    }
    if person.directory.is_some() {
        let directory = directory_of(&console.directories(guard).await?, &person);
        facts.push(Fact::new("Kept by", format!("{directory}: name and standing are said there, not here")));
    }
    facts.push(Fact::mono("Id", user.to_string()));
    let (knot, state, mut standing) = standing_words(person.standing);
    if person.standing == Standing::Active && !person.has_password {
        standing = "Without a password: with a passkey or an identity at a provider.";
    }
    let in_use = !matches!(person.standing, Standing::Disabled(_));
    let read = guard.caller().grants().permit_organisation::<cap::ResourcesRead>().is_ok();
    page(&UserPage {
        here: format!("/w/{slug}/users/{user}"),
        entry: read.then(|| entry_path(&slug, "users", ResourceId::from(user.uuid()))),
        invitation: invitation.map(|link| Invitation {
            url: SecretString::from(format!("{}/invite#{}", console.public_url, link.secret.expose_secret())),
            until: shell.zone.day_clock(&link.expires_at),
        }),
        letters: letters.into_iter().map(|letter| letter_line(letter, &shell)).collect(),
        letter: (may_write && in_use && person.passwords_open && console.mail.is_on())
            .then_some(if person.has_password { "Send a link for a new password" } else { "Send an invitation" }),
        may_draw: person.passwords_open && !(person.has_password && console.mail.is_on()),
        closed: !person.passwords_open,
        phones: phones.iter().map(phone).collect(),
        security: console.security_of(guard, &shell, user).await?,
        groups: groups(console, guard, &person).await?,
        sessions: person.sessions,
        sessions_words: match (person.sessions, person.last_use) {
            (0, _) | (_, None) => "No session is open.".to_owned(),
            (1, Some(at)) => format!("One session is open, last used {} ago.", age(shell.now.since(at))),
            (count, Some(at)) => format!("{count} sessions are open, one last used {} ago.", age(shell.now.since(at))),
        },
        locked: matches!(person.standing, Standing::Locked) || person.pausing,
        has_password: person.has_password,
        may_invite: may_write && in_use,
        may_link: guard.caller().grants().organisation_capabilities().contains(Capability::SignInManage),
        themselves: matches!(guard.caller().actor().principal, access::Principal::User { id, .. } if id == user),
        name: person.name,
        may_write,
        knot,
        state,
        standing,
        said,
        facts,
        slug,
        shell,
    })
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::PeopleRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, user)): Path<(String, UserId)>,
    Query(said): Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, user, Around { said: said.words(), ..Around::default() }).await
}

/// Which phone.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Asked {
    device: DeviceId,
}

/// A phone's number in full: a POST, because it is written to the audit log.
pub async fn reveal(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, user)): Path<(String, UserId)>,
    Query(Asked { device }): Query<Asked>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (permit, oncall) = (everywhere(&guard)?, console.oncall.clone());
    let number =
        console.db.write(move |tx| oncall.reveal(tx, &permit, user, device)).await?.ok_or_else(Refusal::not_found)?;
    let known =
        console.devices_of(user).await?.into_iter().find(|known| known.id == device).ok_or_else(Refusal::not_found)?;
    let action = format!("/w/{}/users/{user}/reveal?device={device}", guard.name());
    let masked = phone_of(guard.name(), user, &known, true).shown(number.to_string(), action);
    if mask::wants_part(&headers) {
        return mask::line(masked);
    }
    render(&console, &guard, &headers, user, Around { shown: Some((device, masked)), ..Around::default() }).await
}

/// Draws an invitation. The answer to this very request is the only page that ever shows it.
pub async fn invite(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, user)): Path<(String, UserId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (permit, identity) = (everywhere(&guard)?, console.identity.clone());
    let link = console.db.write(move |tx| identity.invite_link(tx, &permit, user)).await?;
    render(&console, &guard, &headers, user, Around { invitation: Some(link), ..Around::default() }).await
}

/// Sends a person a letter: an invitation, or a link for a new password to somebody who has one.
pub async fn letter(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    Path((_, user)): Path<(String, UserId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (permit, identity) = (everywhere(&guard)?, console.identity.clone());
    console.db.write(move |tx| identity.write_link_to(tx, &permit, user)).await?;
    Ok(crate::page::see_other(&format!("/w/{}/users/{user}?did=letter", guard.name())))
}

/// Ends all sessions of a person.
pub async fn end_sessions(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    Path((_, user)): Path<(String, UserId)>,
    Form(_): Form<ActForm>,
) -> Answer<Response> {
    let (permit, identity) = (everywhere(&guard)?, console.identity.clone());
    let ended = console.db.write(move |tx| identity.end_sessions(tx, &permit, user)).await?;
    Ok(crate::page::see_other(&format!("/w/{}/users/{user}?did=ended&ended={ended}", guard.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn sample() -> UserPage {
        let (knot, state, standing) = standing_words(Standing::Invited);
        let action = "/w/demo/users/1/reveal?device=2";
        let masked = Masked::new("d-2", "number", "+44 77•• ••• •117", Class::Confidential);
        UserPage {
            shell: shell(),
            slug: "demo".into(),
            here: "/w/demo/users/1".into(),
            name: HOSTILE.into(),
            knot,
            state,
            standing,
            said: None,
            invitation: None,
            letters: vec![LetterLine { knot: Knot::Failed, name: "Invitation", words: HOSTILE.into() }],
            letter: Some("Send an invitation"),
            facts: vec![Fact::new("Address", HOSTILE)],
            phones: vec![Phone { order: 1, masked: masked.offered(true, Capability::PeopleWrite, action) }],
            groups: vec![Membership {
                name: HOSTILE.into(),
                href: "/w/demo/groups/3".into(),
                words: "paged at once".into(),
            }],
            sessions: 2,
            sessions_words: "2 sessions are open.".into(),
            may_write: true,
            locked: true,
            has_password: true,
            may_draw: true,
            closed: false,
            may_invite: true,
            may_link: true,
            themselves: false,
            entry: Some("/w/demo/config/users/1".into()),
            security: Some(Security::sample()),
        }
    }

    /// E-11: the number is not on the page before somebody with the right asked for it.
    #[test]
    fn e_11_numbers_are_masked_until_they_are_asked_for() {
        let html = checked(&sample());
        assert!(html.contains("77•• ••• •117") && html.contains("/reveal?device=2") && !html.contains("7700900117"));
        let masked = Masked::new("d-2", "number", "+44 77•• ••• •117", Class::Confidential);
        let closed = masked.offered(false, Capability::PeopleWrite, "/reveal");
        let html = checked(&UserPage {
            phones: vec![Phone { order: 1, masked: closed }],
            may_write: false,
            may_invite: false,
            ..sample()
        });
        assert!(html.contains("people:write") && !html.contains("/invite\"") && !html.contains("/sessions\""));
    }

    /// A link that is shown lets its reader in: none where a letter can bring it, and none where it would open nothing.
    #[test]
    fn no_link_is_shown_that_should_go_by_letter_or_opens_nothing() {
        assert!(checked(&sample()).contains("/invite\""));
        assert!(!checked(&UserPage { may_draw: false, ..sample() }).contains("/invite\""));
        let html = checked(&UserPage { may_draw: false, letter: None, closed: true, ..sample() });
        assert!(html.contains("only way in") && !html.contains("/letter\""));
    }

    #[test]
    fn an_invitation_is_shown_with_its_end() {
        let url = SecretString::from("https://localhost/invite#secret".to_owned());
        let html = checked(&UserPage { invitation: Some(Invitation { url, until: "Fri 23 Oct".into() }), ..sample() });
        assert!(html.contains("https://localhost/invite#secret") && html.contains("only time"));
    }

    #[test]
    fn a_letter_that_did_not_leave_says_why() {
        let status = |state, tries, reason: Option<&str>| mail::Status {
            id: uuid::Uuid::nil().into(),
            purpose: "invite".into(),
            state,
            tries,
            reason: reason.map(str::to_owned),
            queued_at: shell().now,
            settled_at: None,
        };
        let line = letter_line(status(mail::State::Queued, 3, Some("no TLS with the mail server")), &shell());
        assert_eq!(line.words, "waits, tried 3 times: no TLS with the mail server");
        let line = letter_line(status(mail::State::Failed, 1, Some("the mail server refused it (550)")), &shell());
        assert!(line.words.contains("given up") && line.words.contains("550"));
        let html = checked(&UserPage { letter: None, ..sample() });
        assert!(!html.contains("/letter\"") && html.contains("Invitation"));
    }

    #[test]
    fn ended_sessions_are_counted_in_words() {
        let said = |ended| Said { did: "ended".into(), ended: Some(ended) }.words().unwrap();
        assert!(said(0).contains("No session") && said(1).contains("One session") && said(3).contains("3 sessions"));
        assert_eq!(Said { did: "<script>".into(), ended: None }.words(), None);
    }
}
