//! Rule 6 of the house at the command line: every command that the parser knows, with what it demands of whoever types it and what it
//! refuses. A command that is added fails here until it stands in the table (E-17, X-14).

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::installation::Installation;

/// What a command demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    /// The machine's owner: configuration and, with `true`, the key file. It works on the data itself.
    Owner { keys: bool },
    /// Either of both: the machine's owner while no server holds the data, or a token at a server.
    Either { keys: bool },
    /// A token at a server.
    Token,
    /// What a sender of signals has: the integration's own address, and a token where the integration asks for one.
    Sender,
    /// Nothing: it makes things of its own and opens nothing that is there.
    Private,
}

/// **The table**: who may type what, with what else the command needs to be understood.
fn demand(path: &str) -> (Demand, &'static [&'static str]) {
    match path {
        "serve" | "setup-link" | "keys rotate" | "keys list" | "keys retire" | "check" => {
            (Demand::Owner { keys: true }, &[])
        }
        // Tables are no secret: the database alone is opened.
        "migrate" => (Demand::Owner { keys: false }, &[]),
        "apply" => (Demand::Either { keys: true }, &["-f", "@FILE@"]),
        "export" => (Demand::Either { keys: true }, &[]),
        "history" => (Demand::Either { keys: true }, &["workspaces", "work"]),
        "restore-version" => (Demand::Either { keys: true }, &["workspaces", "work", "1"]),
        // It only looks, at hashes: beside a server too.
        "audit verify" => (Demand::Either { keys: false }, &[]),
        "send" => (Demand::Token, &["--to", "+447700900117", "--text", "hello", "--workspace", "work"]),
        "signal" => (Demand::Sender, &["title=x"]),
        "demo" | "init" | "simulator" | "bench" | "bench-carrier" | "selftest" | "sandbox-worker" => {
            (Demand::Private, &[])
        }
        new => panic!("the command {new} stands in no row: say here what it demands, and try what it refuses"),
    }
}

/// Every command by its whole name, hidden ones too.
fn commands(of: &clap::Command, above: &str) -> Vec<String> {
    let mut all = Vec::new();
    for one in of.get_subcommands().filter(|one| one.get_name() != "help") {
        let name = format!("{above}{}", one.get_name());
        if one.has_subcommands() {
            all.append(&mut commands(one, &format!("{name} ")));
        } else {
            all.push(name);
        }
    }
    all
}

/// Keys: one that may nothing of this, and one of another workspace that may all that a key may.
const NARROW: &str = "imported-key-of-work-that-reads-01";
const FOREIGN: &str = "imported-key-of-away-that-sends-01";

/// Two workspaces, a door for signals, and both keys.
fn resources() -> String {
    let all = "'messages:send', 'messages:read', 'resources:read', 'resources:apply', 'audit:read', 'audit:verify'";
    format!(
        "workspaces: [{{slug: work, environment: production}}, {{slug: away, environment: production}}]\n\
         groups: [{{workspace: work, name: ops, members: []}}]\n\
         flows: [{{workspace: work, name: none, group: ops, steps: [{{id: start, type: trigger, next: end}}]}}]\n\
         integrations: [{{workspace: work, name: door, auth: [url_token], mapping: generic, flow: none}}]\n\
         api_keys:\n\
         \x20 - {{workspace: work, name: narrow, scopes: ['alerts:read'], token: {{env: NARROW}}}}\n\
         \x20 - {{workspace: away, name: foreign, scopes: [{all}], token: {{env: FOREIGN}}}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn e_17_every_command_refuses_whoever_may_not() {
    let _alone = crate::ALONE.lock().await;
    crypto::install_default_provider();
    let secrets = [("NARROW", NARROW), ("FOREIGN", FOREIGN)];
    let house = Installation::make(&secrets);
    std::fs::write(
        house.path("more.yaml"),
        "workspaces: [{slug: work, environment: production, name: Changed}, {slug: away, environment: production}]\n",
    )
    .unwrap();
    let printed = house.apply(&resources());
    let door = printed.lines().find_map(|line| line.trim().strip_prefix("POST ")?.split_once('?')).unwrap().0;
    let all = commands(&loudhailer::command_line(), "");
    assert!(all.len() > 20, "{all:?}");
    // The owner is whoever may read these: nobody else may.
    for private in ["loudhailer.toml", "loudhailer.keys", "server.key", "loudhailer.db"] {
        assert_eq!(mode(&house.path(private)) & 0o077, 0, "{private} is its owner's alone");
    }
    let other = Installation::make(&[]);

    let words = |path: &str| -> Vec<String> {
        let more = demand(path).1.iter().map(|one| one.replace("@FILE@", "more.yaml"));
        path.split(' ').map(str::to_owned).chain(more).collect()
    };
    let mut tried = 0;
    for path in &all {
        let (demand, line) = (demand(path).0, words(path));
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let with = |more: &[&'static str]| line.iter().copied().chain(more.iter().copied()).collect::<Vec<&str>>();
        tried += 1;
        match demand {
            Demand::Owner { keys } => {
                house.refused(&line, 2, "--config");
                as_the_owner(&house, &other, &with(&["--config"]), keys);
            }
            Demand::Either { keys } => {
                house.refused(&line, 1, "say wh");
                house.refused(
                    &with(&["--config", "loudhailer.toml", "--url", "https://localhost:1"]),
                    2,
                    "cannot be used with",
                );
                as_the_owner(&house, &other, &with(&["--config"]), keys);
            }
            Demand::Token | Demand::Sender => house.refused(&line, 2, "--url"),
            Demand::Private => {}
        }
    }
    assert_eq!(tried, all.len());
    private(&house);
    break_glass(&house);

    let mut server = house.serve().await;
    for path in &all {
        let line = words(path);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        match demand(path).0 {
            Demand::Either { keys } => {
                for (token, refusals) in [
                    (None, &["no access token", "401"][..]),
                    (Some("loudhailer_key_nobodys"), &["401"][..]),
                    // A key is of one workspace, and these are the organisation's.
                    (Some(NARROW), &["403", "404"][..]),
                    (Some(FOREIGN), &["403", "404"][..]),
                ] {
                    house.refused_there(&line, token, refusals);
                }
                // The data has one owner at a time; what only looks may look.
                let mut here = line.clone();
                here.extend(["--config", "loudhailer.toml"]);
                if keys {
                    house.refused(&here, 1, "in use by another process");
                } else {
                    house.done(&here);
                }
            }
            Demand::Token => {
                for (token, refusals) in [
                    (None, &["no access token"][..]),
                    (Some("loudhailer_key_nobodys"), &["401"][..]),
                    (Some(NARROW), &["403"][..]),
                    (Some(FOREIGN), &["404", "403"][..]),
                ] {
                    house.refused_there(&line, token, refusals);
                }
            }
            Demand::Sender => {
                house.refused(
                    &["signal", "--url", "http://localhost/signals/x", "title=x"],
                    1,
                    "is not an https:// address",
                );
                let door = format!("{}{door}?token=wrong", house.url());
                house.refused(&["signal", "--url", &door, "--ca", "ca.pem", "title=x"], 1, "401");
            }
            Demand::Owner { .. } if ["setup-link", "serve", "migrate"].contains(&path.as_str()) => {
                let mut here = line.clone();
                here.extend(["--config", "loudhailer.toml"]);
                house.refused(&here, 1, "in use by another process");
            }
            // These stand beside a server by design: they look, or leave the work to it.
            Demand::Owner { .. } | Demand::Private => {}
        }
    }
    assert!(server.terminate(std::time::Duration::from_secs(30)));
    let exported = house.done(&["export", "--kind", "workspaces", "--config", "loudhailer.toml"]);
    assert!(!exported.contains("Changed"), "what was refused changed nothing: {exported}");
}

/// The machine's owner: whoever has the configuration and, for what is sealed, a key file that nobody else may read and that is
/// the one of this data. `line` ends in `--config`.
fn as_the_owner(house: &Installation, other: &Installation, line: &[&str], keys: bool) {
    let with = |config: &str| -> Vec<String> { line.iter().copied().chain([config]).map(str::to_owned).collect() };
    let refused = |config: &str, words: &str| {
        let line = with(config);
        house.refused(&line.iter().map(String::as_str).collect::<Vec<_>>(), 1, words);
    };
    refused("/nowhere/loudhailer.toml", "cannot read /nowhere/loudhailer.toml");
    if !keys {
        return;
    }
    let file = house.path("loudhailer.keys");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    refused("loudhailer.toml", "chmod 600");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    // `check` says what is so of the parts, each by itself.
    if line[0] == "check" {
        return;
    }
    let own = std::fs::read(&file).unwrap();
    std::fs::copy(other.path("loudhailer.keys"), &file).unwrap();
    refused("loudhailer.toml", "key");
    std::fs::write(&file, own).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What makes an installation of its own opens none that is there, to nobody but its owner.
fn private(house: &Installation) {
    house.refused(&["init", "--dir", "."], 1, "is already there and is never overwritten");
    house.refused(&["demo", "--listen", "0.0.0.0:0", "--data", "demo"], 1, "say --expose if that is meant");
    house.refused(&["simulator", "--listen", "127.0.0.1:0"], 1, "--allow-plaintext");
    house.refused(&["bench", "--dir", "/dev/shm"], 1, "memory");
    house.refused(&["bench-carrier"], 2, "--cert");
    house.refused(&["selftest", "--database", "sqlite:loudhailer.db"], 1, "wants postgres:");
    // The worker holds no key and opens nothing: without its server at the other end it says how it is locked down, and ends.
    let worker = house.done(&["sandbox-worker"]);
    assert!(worker.contains("refusal") && worker.len() < 200, "{worker}");
}

/// E-15: a controlled production workspace is changed on the machine only with a reason for breaking the glass.
fn break_glass(house: &Installation) {
    let controlled = |name: &str| {
        let text = format!(
            "workspaces: [{{slug: work, environment: production}}, {{slug: away, environment: production, controlled: true, name: {name}}}]\n"
        );
        std::fs::write(house.path("away.yaml"), text).unwrap();
    };
    controlled("Away");
    house.refused(&["apply", "-f", "away.yaml", "--break-glass", "the carrier is down"], 2, "--config");
    house.done(&["apply", "-f", "away.yaml", "--config", "loudhailer.toml"]);
    controlled("Farther");
    house.refused(&["apply", "-f", "away.yaml", "--config", "loudhailer.toml"], 1, "is controlled");
    house.refused(
        &["apply", "-f", "away.yaml", "--config", "loudhailer.toml", "--break-glass", "now"],
        1,
        "ten characters",
    );
    house.done(&["apply", "-f", "away.yaml", "--config", "loudhailer.toml", "--break-glass", "the carrier is down"]);
    house.refused(&["restore-version", "workspaces", "away", "1", "--config", "loudhailer.toml"], 1, "is controlled");
}
