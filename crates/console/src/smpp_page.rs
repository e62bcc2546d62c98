//! Applications that bind by SMPP: the list of accounts, one account with the binds it has now, a new password, and ending binds.

use access::{Permit, cap};
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::{ExposeSecret as _, SecretString, SmppAccountId, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Query, Refusal, Response};
use resources::Change;
use serde::Deserialize;
use smppd::{AccountInfo, BindStatus};

use crate::Console;
use crate::certificate_rows::CertificateRow;
use crate::change::ground;
use crate::draw::Draw;
use crate::facts::Fact;
use crate::page::{Wrong, encode, page, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::zone::age;

const KIND: &str = "smpp_accounts";

/// An account in the list.
struct Row {
    system_id: String,
    href: String,
    knot: Knot,
    words: String,
    binds: String,
    rate_in: u64,
    rate_out: u64,
    from: String,
    clear: bool,
    last: String,
}

#[derive(Template)]
#[template(path = "smpp.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    sentence: String,
    said: Option<String>,
    node: String,
    rows: Vec<Row>,
    may_write: bool,
}

/// One bind.
struct Bind {
    number: u64,
    mode: &'static str,
    source: String,
    tls: bool,
    version: String,
    since: Timestamp,
    ago: String,
    rate_in: u64,
    rate_out: u64,
    window: String,
    used: u64,
    delivering: usize,
    submitted: u64,
    refused: u64,
    delivered: u64,
}

#[derive(Template)]
#[template(path = "smpp-account.html")]
struct AccountPage {
    shell: Shell,
    slug: String,
    system_id: String,
    here: String,
    standing: String,
    node: String,
    said: Option<&'static str>,
    made: Option<Made>,
    wrong: Wrong,
    binds: Vec<Bind>,
    facts: Vec<Fact>,
    certificates: Vec<CertificateRow>,
    old_until: Option<Timestamp>,
    may_write: bool,
    controlled: bool,
    entry: Option<String>,
}

impl AccountPage {
    const FIELDS: &'static [&'static str] = &["change"];
}

/// A password, for the one page that shows it.
pub struct Made {
    /// Whether the account is new.
    pub fresh: bool,
    /// The password.
    pub password: SecretString,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
    gone: String,
}

fn said(did: &str) -> Option<&'static str> {
    match did {
        "saved" => {
            Some("Saved. Binds that were there are ended, and the application binds again under what holds now.")
        }
        "ended" => Some("The bind is being ended. The application may bind again."),
        "all" => {
            Some("All binds are being ended, on every node within a second or two. The application may bind again.")
        }
        _ => None,
    }
}

fn row(slug: &str, account: &AccountInfo, binds: &[BindStatus], shell: &Shell) -> Row {
    let own = || binds.iter().filter(|bind| bind.account == account.id);
    let bound = own().count();
    let last = account.last_bound_at.map(|at| format!("{} ago", age(shell.now.since(at))));
    Row {
        href: format!("/w/{slug}/smpp/{}", encode(&account.system_id)),
        knot: match (bound, &last) {
            (0, None) => Knot::Skipped,
            (0, Some(_)) => Knot::Unknown,
            _ => Knot::Done,
        },
        words: match (bound, &last) {
            (0, None) => "Never bound".to_owned(),
            (0, Some(last)) => format!("Not bound here; last {last}"),
            (1, _) => "Bound".to_owned(),
            (count, _) => format!("Bound {count} times"),
        },
        binds: format!("{bound} of {}", account.max_binds),
        rate_in: own().map(|bind| bind.rate_in).sum(),
        rate_out: own().map(|bind| bind.rate_out).sum(),
        from: places(&account.allow),
        clear: account.allow_plaintext,
        last: last.unwrap_or_else(|| "never".to_owned()),
        system_id: account.system_id.clone(),
    }
}

/// The accounts of the workspace.
pub async fn list(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(asked): Query<Said>,
) -> Answer<Response> {
    let shell = console.shell(&guard, &headers, Page::Smpp).await?.listening(&[smppd::TOPIC]);
    let (smppd, permit) = (console.smppd.clone(), guard.permit().clone());
    let accounts = console.db.read(move |tx| smppd.accounts(tx, &permit)).await?;
    let binds = console.smppd.binds(guard.permit());
    let slug = guard.name().to_owned();
    let sentence = match (accounts.len(), binds.len()) {
        (0, _) => "No application binds by SMPP".to_owned(),
        (1, 0) => "One SMPP account, not bound".to_owned(),
        (count, 0) => format!("{count} SMPP accounts, none bound"),
        (1, 1) => "One SMPP account, one bind".to_owned(),
        (1, bound) => format!("One SMPP account, {bound} binds"),
        (count, 1) => format!("{count} SMPP accounts, one bind"),
        (count, bound) => format!("{count} SMPP accounts, {bound} binds"),
    };
    page(&ListPage {
        sentence,
        said: Some(asked.gone)
            .filter(|name| !name.is_empty())
            .map(|name| format!("“{name}” is deleted, and its binds are ended.")),
        node: console.smppd.node().to_owned(),
        rows: accounts.iter().map(|account| row(&slug, account, &binds, &shell)).collect(),
        may_write: console.may_edit(&guard, KIND),
        slug,
        shell,
    })
}

fn bind(bind: BindStatus, shell: &Shell) -> Bind {
    Bind {
        number: bind.id,
        mode: bind.mode,
        source: bind.source,
        tls: bind.encrypted,
        version: bind.version,
        since: bind.since,
        ago: age(shell.now.since(bind.since)),
        rate_in: bind.rate_in,
        rate_out: bind.rate_out,
        window: format!("{} of {}", bind.unanswered, bind.window),
        used: (bind.unanswered * 100 / (bind.window as u64).max(1)).min(100),
        delivering: bind.delivering,
        submitted: bind.submitted,
        refused: bind.refused,
        delivered: bind.delivered,
    }
}

/// From where an account may bind.
fn places(allow: &[String]) -> String {
    let everywhere = |net: &str| allow.iter().any(|one| one == net);
    match (everywhere("0.0.0.0/0"), everywhere("::/0")) {
        (true, true) => "anywhere".to_owned(),
        _ if allow.is_empty() => "nowhere".to_owned(),
        _ => allow.join(", "),
    }
}

/// `10,000,000`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn facts(account: &AccountInfo, shell: &Shell) -> Vec<Fact> {
    let list = |list: &[String], none: &str| if list.is_empty() { none.to_owned() } else { list.join(", ") };
    vec![
        Fact::mono("Binds from", places(&account.allow)),
        Fact::new(
            "Encryption",
            if account.allow_plaintext { "TLS, or clear text where the server listens for that" } else { "TLS alone" },
        ),
        Fact::new("Binds at once", format!("{} on each node", account.max_binds)),
        Fact::new("Window", format!("{} unanswered on each bind, in each direction", account.window)),
        Fact::new(
            "Rate",
            account.rate.map_or_else(|| "no limit".to_owned(), |rate| format!("{rate} a second on each node")),
        ),
        Fact::new("May wait", format!("{} messages", grouped(account.max_waiting))),
        Fact::new("Class", account.class.name()),
        Fact::mono("Senders", list(&account.senders, "any")),
        Fact::mono("Gets texts to", list(&account.inbound, "none of our addresses")),
        Fact::new(
            "Long texts",
            match account.long_inbound {
                smppd::LongInbound::Joined => "joined",
                smppd::LongInbound::Udh => "in the parts they came in, with headers",
                smppd::LongInbound::Sar => "in the parts they came in, with sar_* parameters",
            },
        ),
        Fact::new(
            "8x8’s own parameters",
            match account.vendor_tlvs {
                None => "told, but not to a program that binds as smpplib does",
                Some(true) => "always told",
                Some(false) => "never told",
            },
        ),
        Fact::new(
            "Message ids",
            match account.message_ids {
                smppd::MessageIds::Uuid => "as in REST, 36 characters",
                smppd::MessageIds::Decimal => "decimal numbers",
                smppd::MessageIds::Hex8 => "eight hexadecimal digits",
            },
        ),
        Fact::new(
            "Last bound",
            account.last_bound_at.map_or_else(|| "never".to_owned(), |at| shell.zone.day_clock(&at)),
        ),
        Fact::new("Password", "kept as a hash, never shown"),
    ]
}

/// What the page shows besides the account.
#[derive(Default)]
pub struct Around {
    /// What was just done.
    pub said: Option<&'static str>,
    /// A password that was drawn.
    pub made: Option<Made>,
    /// What was refused.
    pub wrong: Wrong,
}

/// The page of one account, as it is after `around`.
pub async fn render<C: access::Cap>(
    console: &Console,
    guard: &InWorkspace<C>,
    headers: &HeaderMap,
    name: &str,
    around: Around,
) -> Answer<Response> {
    let permit: Permit<cap::MessagesRead> = guard.also().ok_or_else(Refusal::not_found)?;
    let shell = console.shell(guard, headers, Page::Smpp).await?.listening(&[smppd::TOPIC]);
    let account = find(console, &permit, name).await?;
    let mut binds = console.smppd.binds(&permit);
    binds.retain(|bind| bind.account == account.id);
    let slug = guard.name().to_owned();
    let Around { said, made, wrong } = around;
    let status = wrong.status();
    page_with(
        status,
        &AccountPage {
            here: format!("/w/{slug}/smpp/{}", encode(name)),
            entry: console.entry_path(guard, KIND, name).await?,
            standing: match (binds.len(), account.max_binds) {
                (0, most) => format!("It is not bound to this node. It may have {most} binds here."),
                (1, most) => format!("It has one bind of {most} on this node."),
                (count, most) => format!("It has {count} binds of {most} on this node."),
            },
            node: console.smppd.node().to_owned(),
            facts: facts(&account, &shell),
            certificates: console.certificates_of(guard, KIND, account.id.uuid(), &shell).await?,
            binds: binds.into_iter().map(|one| bind(one, &shell)).collect(),
            old_until: account.retires_at,
            may_write: console.may_edit(guard, KIND),
            controlled: console.is_controlled(guard.workspace()).await?,
            system_id: account.system_id,
            said,
            made,
            wrong,
            slug,
            shell,
        },
    )
}

async fn find(console: &Console, permit: &Permit<cap::MessagesRead>, name: &str) -> Answer<AccountInfo> {
    let (smppd, permit) = (console.smppd.clone(), permit.clone());
    let accounts = console.db.read(move |tx| smppd.accounts(tx, &permit)).await?;
    accounts.into_iter().find(|account| account.system_id == name).ok_or_else(Refusal::not_found)
}

/// The page.
pub async fn show(
    guard: InWorkspace<cap::MessagesRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Query(asked): Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, &name, Around { said: said(&asked.did), ..Around::default() }).await
}

/// What a form on the page has in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ActForm {
    change: String,
}

async fn account_of(console: &Console, guard: &InWorkspace<cap::ApiKeysManage>, name: &str) -> Answer<SmppAccountId> {
    let permit: Permit<cap::MessagesRead> = guard.also().ok_or_else(Refusal::not_found)?;
    Ok(find(console, &permit, name).await?.id)
}

/// Draws a new password. The answer to this very request is the only page that ever shows it.
pub async fn rotate(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<ActForm>,
) -> Answer<Response> {
    let stored = console.stored_named(&guard, KIND, &name).await?;
    let (resources, permit) = (console.resources.clone(), guard.permit().clone());
    let written: Result<_, resources::Error> = console
        .db
        .write(move |tx| {
            let workspace = permit.workspace();
            let clearance = resources.clear(tx, &permit, Some(workspace), &ground(&form.change)?)?;
            let body = resources.draft_of(&stored)?.draw("password");
            let change = Change { kind: KIND, workspace: Some(workspace), body, reason: None, clearance: &clearance };
            resources.put(tx, &permit, change)
        })
        .await;
    let around = match written {
        Ok(written) => {
            let drawn = written.drawn.into_iter().next();
            Around { made: drawn.map(|drawn| Made { fresh: false, password: drawn.secret }), ..Around::default() }
        }
        Err(error) => Around { wrong: crate::editing::mistakes(error)?, ..Around::default() },
    };
    render(&console, &guard, &headers, &name, around).await
}

/// Ends one bind.
pub async fn disconnect(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    Path((_, name, bind)): Path<(String, String, u64)>,
) -> Answer<Response> {
    let account = account_of(&console, &guard, &name).await?;
    let (smppd, permit) = (console.smppd.clone(), guard.permit().clone());
    console.db.write(move |tx| smppd.disconnect(tx, &permit, account, bind)).await?;
    Ok(see_other(&format!("/w/{}/smpp/{}?did=ended", guard.name(), encode(&name))))
}

/// Ends all binds of an account.
pub async fn disconnect_all(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
) -> Answer<Response> {
    let account = account_of(&console, &guard, &name).await?;
    let (smppd, permit) = (console.smppd.clone(), guard.permit().clone());
    console.db.write(move |tx| smppd.disconnect_all(tx, &permit, account)).await?;
    Ok(see_other(&format!("/w/{}/smpp/{}?did=all", guard.name(), encode(&name))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, NOW, checked, shell};

    fn account() -> AccountPage {
        AccountPage {
            shell: shell(),
            slug: "demo".into(),
            system_id: HOSTILE.into(),
            here: "/w/demo/smpp/shop".into(),
            standing: "It has one bind of 4 on this node.".into(),
            node: "node-1".into(),
            said: None,
            made: None,
            wrong: Wrong::default(),
            binds: vec![Bind {
                number: 17,
                mode: "transceiver",
                source: "192.0.2.7".into(),
                tls: true,
                version: "3.4".into(),
                since: NOW,
                ago: "2 min".into(),
                rate_in: 50,
                rate_out: 48,
                window: "4 of 20".into(),
                used: 20,
                delivering: 2,
                submitted: 1_200,
                refused: 3,
                delivered: 1_180,
            }],
            facts: vec![Fact::mono("Binds from", "192.0.2.0/24")],
            certificates: vec![CertificateRow {
                rule: "CN=app issued by CN=Example CA".into(),
                seen: "last shown 2 min ago, ends in 3 d".into(),
                due: true,
            }],
            old_until: None,
            may_write: true,
            controlled: false,
            entry: None,
        }
    }

    /// E-25: a password stands on the page of the request that drew it, and on no other.
    #[test]
    fn e_25_a_password_is_shown_on_one_page() {
        let made = Some(Made { fresh: false, password: "x1y2z3w4".to_owned().into() });
        let html = checked(&AccountPage { made, old_until: Some(NOW), ..account() });
        assert!(html.contains("ends in 3 d") && html.contains("Two at once"), "{html}");
        assert!(html.contains("x1y2z3w4") && html.contains("only time"), "{html}");
        assert!(!checked(&account()).contains("x1y2z3w4"));
    }

    #[test]
    fn binds_are_shown_and_ended_by_those_who_may() {
        let html = checked(&account());
        for words in [
            "transceiver",
            "192.0.2.7",
            "4 of 20",
            "1200",
            "1180",
            r#"action="/w/demo/smpp/shop/binds/17/disconnect""#,
            "node-1",
        ] {
            assert!(html.contains(words), "{words} in {html}");
        }
        let html = checked(&AccountPage { may_write: false, ..account() });
        assert!(!html.contains("/disconnect") && !html.contains("/rotate"), "{html}");
        assert!(checked(&AccountPage { controlled: true, ..account() }).contains("Change reference"));
    }

    #[test]
    fn places_and_numbers_read_like_speech() {
        let nets = |nets: &[&str]| places(&nets.iter().map(|net| (*net).to_owned()).collect::<Vec<_>>());
        assert_eq!((nets(&["::/0", "0.0.0.0/0"]), nets(&[])), ("anywhere".into(), "nowhere".into()));
        assert_eq!(nets(&["192.0.2.0/24", "::/0"]), "192.0.2.0/24, ::/0");
        assert_eq!([7, 1_000, 10_000_000].map(grouped), ["7", "1,000", "10,000,000"]);
    }

    #[test]
    fn the_list_says_who_is_bound() {
        let row = Row {
            system_id: HOSTILE.into(),
            href: "/w/demo/smpp/shop".into(),
            knot: Knot::Done,
            words: "Bound".into(),
            binds: "1 of 4".into(),
            rate_in: 5,
            rate_out: 4,
            from: "192.0.2.0/24".into(),
            clear: true,
            last: "2 min ago".into(),
        };
        let list = |rows, may_write| ListPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "One SMPP account, one bind".into(),
            said: None,
            node: "node-1".into(),
            rows,
            may_write,
        };
        let html = checked(&list(vec![row], true));
        assert!(html.contains("1 of 4") && html.contains("clear text"), "{html}");
        let html = checked(&list(Vec::new(), false));
        assert!(!html.contains("/smpp/new"), "{html}");
    }
}
