//! One key in the list: until when it works, who still shows its old token, and what can be done.

use identity::{ApiKeyInfo, KeyState, MappedCertificate};

use crate::certificate_rows::{CertificateRow, certificate_rows};
use crate::facts::{Choice, choices};
use crate::page::encode;
use crate::shell::Shell;
use crate::zone::{age, length};

/// A key.
pub struct Row {
    pub name: String,
    pub scopes: Vec<&'static str>,
    pub until: String,
    /// Whether its end is near enough to see to it.
    pub due: bool,
    pub over: bool,
    pub used: String,
    pub from: String,
    /// The token before the last rotation, while it works.
    pub old: Option<Old>,
    /// Its certificates.
    pub certificates: Vec<CertificateRow>,
    /// Where the rest of it is changed.
    pub entry: String,
    /// Where its forms go, without the verb.
    pub path: String,
}

/// A token that is on its way out.
pub struct Old {
    pub until: String,
    pub used: String,
    /// Whether a program showed it after the rotation: it has to be told.
    pub in_use: bool,
}

/// For how long the old token of a rotation may work on, as its form offers it.
pub fn overlaps() -> Vec<Choice> {
    let all = [("24", "1 day"), ("1", "1 hour"), ("72", "3 days"), ("168", "7 days"), ("0", "not at all")];
    choices(&all, "24")
}

/// The key as a row.
pub fn row(slug: &str, key: &ApiKeyInfo, shown: &[MappedCertificate], shell: &Shell) -> Row {
    let day = shell.zone.day(&key.expires_at);
    let state = key.state(shell.now);
    let ago = |at: Option<base::Timestamp>| match at {
        Some(at) => format!("{} ago", age(shell.now.since(at))),
        None => "never".to_owned(),
    };
    Row {
        scopes: key.scopes.iter().map(|scope| scope.name()).collect(),
        until: match state {
            KeyState::Over => format!("ended {day}"),
            KeyState::Good | KeyState::Due => format!("until {day}, in {}", length(key.expires_at.since(shell.now))),
        },
        due: state == KeyState::Due,
        over: state == KeyState::Over,
        used: ago(if key.retiring.is_some() { key.token_used_at } else { key.last_used_at }),
        from: if key.allow.is_empty() { "anywhere".to_owned() } else { key.allow.join(", ") },
        old: key.retiring.map(|old| Old {
            until: format!("in {}", length(old.until.since(shell.now))),
            used: ago(old.last_used_at),
            in_use: old.last_used_at.is_some_and(|at| at > key.token_set_at),
        }),
        certificates: certificate_rows(shown, "api_keys", key.id.uuid(), shell),
        entry: format!("/w/{slug}/config/api_keys/{}", key.id),
        path: format!("/w/{slug}/keys/{}", encode(&key.name)),
        name: key.name.clone(),
    }
}

/// What the page says above all when keys end soon or have ended.
pub fn reminder(keys: &[ApiKeyInfo], shell: &Shell) -> Option<String> {
    let named = |wanted: KeyState| {
        let names: Vec<String> =
            keys.iter().filter(|key| key.state(shell.now) == wanted).map(|key| format!("“{}”", key.name)).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let due = named(KeyState::Due).map(|names| format!("Ends within 14 days: {names}."));
    let over = named(KeyState::Over).map(|names| format!("Ended: {names}."));
    let said: Vec<String> = [over, due].into_iter().flatten().collect();
    (!said.is_empty()).then(|| format!("{} Rotate what is still needed, delete the rest.", said.join(" ")))
}
