//! Credentials of programs that end soon or have ended, said where people look first. For those who can do something about it.

use access::{Permit, cap};
use http::{Answer, InWorkspace};
use identity::KeyState;

use crate::Console;

/// What is due, in one sentence with the page that it leads to.
pub struct ProgramsDue {
    pub words: String,
    pub href: String,
}

/// What is due in the workspace; `None` when nothing is, or when the reader manages no keys.
pub async fn programs_due(console: &Console, guard: &InWorkspace<cap::OverviewRead>) -> Answer<Option<ProgramsDue>> {
    let (Some(_), Some(read)) = (guard.also::<cap::ApiKeysManage>(), guard.also::<cap::WorkspaceRead>()) else {
        return Ok(None);
    };
    let read: Permit<cap::WorkspaceRead> = read;
    let (identity, workspace) = (console.identity.clone(), guard.workspace());
    let found = console
        .db
        .read(move |tx| {
            let now = tx.now();
            let keys = identity.keys_due(tx, &read, workspace)?.into_iter().map(|key| key.name);
            let keys: Vec<String> = keys.collect();
            let clients = identity.oauth_clients(tx, &read, workspace)?;
            let clients: Vec<String> = clients
                .into_iter()
                .filter(|client| client.state(now) != KeyState::Good)
                .map(|client| client.name)
                .collect();
            let certificates = identity.certificates(tx, &read, workspace)?;
            let certificates: Vec<String> =
                certificates.into_iter().filter(|one| one.is_due(now)).map(|one| one.rule).collect();
            Ok::<_, identity::Error>((keys, clients, certificates))
        })
        .await?;
    Ok(said(guard.name(), &found.0, &found.1, &found.2))
}

fn said(slug: &str, keys: &[String], clients: &[String], certificates: &[String]) -> Option<ProgramsDue> {
    let named = |what: &str, names: &[String]| {
        let quoted: Vec<String> = names.iter().take(3).map(|name| format!("“{name}”")).collect();
        let more = names.len().saturating_sub(3);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("{what} {}{rest}", quoted.join(", ")))
    };
    let parts: Vec<String> =
        [named("API key", keys), named("OAuth client", clients), named("certificate", certificates)]
            .into_iter()
            .flatten()
            .collect();
    let page = if keys.is_empty() && !clients.is_empty() { "oauth" } else { "keys" };
    (!parts.is_empty()).then(|| ProgramsDue {
        words: format!("Credentials of programs end soon or have ended: {}", parts.join("; ")),
        href: format!("/w/{slug}/{page}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_named_and_leads_to_its_page() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(said("demo", &[], &[], &[]).is_none());
        let due = said("demo", &names(&["a", "b", "c", "d"]), &names(&["e"]), &[]).unwrap();
        assert_eq!(
            due.words,
            "Credentials of programs end soon or have ended: API key “a”, “b”, “c” and 1 more; OAuth client “e”"
        );
        assert_eq!(due.href, "/w/demo/keys");
        assert_eq!(said("demo", &[], &names(&["e"]), &[]).unwrap().href, "/w/demo/oauth");
    }
}
