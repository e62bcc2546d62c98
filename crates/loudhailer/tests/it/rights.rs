//! Rights that end where they should, from outside: the real server, over HTTPS, by people who are signed in.

use reqwest::Method;
use testkit::eventually;

use crate::installation::{Installation, Session};

const RESOURCES: &str = "
workspaces: [{slug: home, environment: development}, {slug: away, environment: development}]
roles:
  - {name: Night Shift, capabilities: ['overview:read', 'alerts:read']}
users:
  - {name: Noor Sample, login: noor@example.com, roles: [{role: Night Shift, workspace: away}]}
  - {name: Sam Sample, login: sam@example.com, roles: [{role: supervisor, workspace: home}]}
groups:
  - {workspace: home, name: Database, supervisors: [sam@example.com], members: [{user: sam@example.com}]}
  - {workspace: home, name: Network, members: [{user: noor@example.com}]}
";

/// The id of a group, as the API lists it.
async fn group(who: &Session<'_>, name: &str) -> String {
    let groups = who.json(Method::GET, "/api/v1/workspaces/home/on-call/groups", None).await;
    let found = groups["items"].as_array().unwrap().iter().find(|group| group["name"] == name);
    found.and_then(|group| group["id"].as_str()).unwrap_or_else(|| panic!("{name} in {groups}")).to_owned()
}

/// E-17: a role that becomes one of a single workspace holds nowhere else from then on, also for whoever had it elsewhere; and a
/// role or workspace written in other letters is the same one, on the page of the person and in a table.
#[tokio::test(flavor = "multi_thread")]
async fn e_17_a_role_of_one_workspace_holds_nowhere_else() {
    let _alone = crate::ALONE.lock().await;
    let house = Installation::make(&[]);
    house.apply(RESOURCES);
    let link = house.done(&["setup-link", "--config", "loudhailer.toml"]);
    let _server = house.serve().await;
    let ada = house.set_up(&link).await;
    let noor = house.invited(&ada, "noor@example.com").await;
    let alerts = |slug: &str| format!("/api/v1/workspaces/{slug}/alerts");
    assert_eq!((noor.status(&alerts("away")).await, noor.status(&alerts("home")).await), (200, 404));

    let narrowed = "roles: [{name: Night Shift, capabilities: ['overview:read', 'alerts:read'], workspace: home}]\n";
    let (status, said) = ada.apply(narrowed).await;
    assert_eq!(status, 200, "{said}");
    // Other rights, other session: within a second on every node.
    eventually("the session of before ends", || async { (noor.status(&alerts("away")).await == 401).then_some(()) })
        .await;
    let again = house.signed_in("noor@example.com").await;
    for slug in ["away", "home"] {
        assert_eq!(again.status(&alerts(slug)).await, 404, "{slug}: it was given in away, and is of home");
    }
    assert_eq!(again.status("/api/v1/workspaces/away/alerts").await, 404);

    // Given where it holds, it holds; in whatever letters a table has it, the form shows what is stored.
    let table = "name,login,role,workspace\nEve Sample,eve@example.com,night SHIFT,HOME\n";
    let body = serde_json::json!({"csv": table, "dryRun": false});
    let done = ada.json(Method::POST, "/api/v1/people/import", Some(body)).await;
    assert_eq!(done["done"], true, "{done}");
    let eve = house.invited(&ada, "eve@example.com").await;
    assert_eq!((eve.status(&alerts("home")).await, eve.status(&alerts("away")).await), (200, 404));
    let people = ada.json(Method::GET, "/api/v1/people?search=eve", None).await;
    let id = people["items"][0]["id"].as_str().unwrap();
    let (_, form) = ada.page(&format!("/w/home/users/{id}/edit")).await;
    for chosen in ["value=\"Night Shift\" selected", "value=\"home\" selected"] {
        assert!(form.contains(chosen), "{chosen} in {form}");
    }
    // A table that is too large is refused with the limit.
    let large = serde_json::json!({"csv": format!("name,login\n{}", "x".repeat(1024 * 1024)), "dryRun": true});
    let said = ada.json(Method::POST, "/api/v1/people/import", Some(large)).await;
    assert!(said["problem"].as_str().unwrap().contains("1 MiB"), "{said}");
}

/// E-17: a supervisor changes the groups that name them, and neither others nor the list of groups.
#[tokio::test(flavor = "multi_thread")]
async fn e_17_a_supervisor_changes_their_own_groups_alone() {
    let _alone = crate::ALONE.lock().await;
    let house = Installation::make(&[]);
    house.apply(RESOURCES);
    let link = house.done(&["setup-link", "--config", "loudhailer.toml"]);
    let _server = house.serve().await;
    let ada = house.set_up(&link).await;
    let sam = house.invited(&ada, "sam@example.com").await;
    let (own, other) = (group(&ada, "Database").await, group(&ada, "Network").await);
    let edit = |group: &str| format!("/w/home/groups/{group}/edit");
    let fields = |name: &'static str| {
        [
            ("name", name),
            ("description", "Changed by Sam"),
            ("supervisors", "sam@example.com"),
            ("user", "sam@example.com"),
            ("delay", "2 min"),
            ("times", "1"),
            ("pause", "5 min"),
            ("version", "1"),
            ("act", "save"),
        ]
    };
    let (status, said) = sam.form(&edit(&own), &fields("Database")).await;
    assert_eq!(status, 303, "{said}");
    assert_eq!(sam.status(&edit(&own)).await, 200);

    // Another group, a new one, one that goes: as the console's forms and as configuration.
    assert_eq!(sam.status(&edit(&other)).await, 404);
    let (status, said) = sam.form(&edit(&other), &fields("Network")).await;
    assert_eq!(status, 404, "{said}");
    for (path, fields) in [
        ("/w/home/groups/new".to_owned(), &fields("Sam’s own")[..]),
        (format!("/w/home/config/groups/{own}/delete"), &[("reason", "mine"), ("version", "2")][..]),
        (format!("/w/home/config/groups/{other}/delete"), &[("reason", "mine"), ("version", "1")][..]),
        (format!("/w/home/config/groups/{other}/restore"), &[("reason", "mine"), ("version", "1")][..]),
        (format!("/w/home/config/groups/{other}"), &[("text", "name: Network\nmembers: []"), ("version", "1")][..]),
    ] {
        let (status, said) = sam.form(&path, fields).await;
        assert!([403, 404, 422].contains(&status), "{path}: {status} {said}");
    }
    let (status, _) = sam.apply("groups: [{workspace: home, name: Network, members: []}]\n").await;
    assert_eq!(status, 403);
    assert_eq!(sam.status(&format!("/w/away/groups/{own}/edit")).await, 404, "there it is no group at all");

    let groups = ada.json(Method::GET, "/api/v1/workspaces/home/on-call/groups", None).await;
    let listed: Vec<(&str, Option<&str>)> = groups["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (group["name"].as_str().unwrap(), group["description"].as_str()))
        .collect();
    assert_eq!(listed, [("Database", Some("Changed by Sam")), ("Network", None)], "{groups}");
}

/// Two people change the rules for signing in at once: the second is told, and overwrites nothing.
#[tokio::test(flavor = "multi_thread")]
async fn x_10_rules_are_not_overwritten_unseen() {
    let _alone = crate::ALONE.lock().await;
    let house = Installation::make(&[]);
    house.apply(RESOURCES);
    let link = house.done(&["setup-link", "--config", "loudhailer.toml"]);
    let _server = house.serve().await;
    let ada = house.set_up(&link).await;
    let rules = |length: &'static str| {
        vec![
            ("password_min_length", length),
            ("password_min_length_with_factor", "12"),
            ("password_strength", "3"),
            ("password_history", "0"),
            ("password_min_age_hours", "0"),
            ("password_max_age_days", "0"),
            ("lockout_after", "5"),
            ("lockout_longest_minutes", "15"),
            ("locked_after", "100"),
            ("tries_per_address", "20"),
        ]
    };
    let path = "/w/home/sign-in-rules";
    assert_eq!(ada.form(path, &rules("20")).await.0, 303, "nothing was set yet");
    // Opened before that, without a version; then with an old one.
    let (status, said) = ada.form(path, &rules("30")).await;
    assert!(status != 303 && said.contains("value=\"30\""), "{status} {said}");
    let with = |version: &'static str, length| [rules(length), vec![("version", version)]].concat();
    assert_eq!(ada.form(path, &with("1", "22")).await.0, 303);
    assert_ne!(ada.form(path, &with("1", "33")).await.0, 303);
    let (_, page) = ada.page(path).await;
    assert!(page.contains("value=\"22\"") && page.contains("name=\"version\" value=\"2\""), "{page}");
}

/// E-17: whoever sees people sees no letters to them: that somebody was asked for a new password is for who looks after accounts.
#[tokio::test(flavor = "multi_thread")]
async fn e_17_letters_are_shown_to_those_who_look_after_accounts() {
    let _alone = crate::ALONE.lock().await;
    let house = Installation::make(&[]);
    // Nobody listens there: a letter waits, and is listed all the same.
    let config = std::fs::read_to_string(house.path("loudhailer.toml")).unwrap();
    let mail = format!(
        "\n[mail]\nserver = \"localhost\"\nport = {}\nfrom = \"Loudhailer <pager@example.com>\"\n",
        testkit::free_port()
    );
    std::fs::write(house.path("loudhailer.toml"), config + &mail).unwrap();
    house.apply("users: [{name: Olga Sample, login: olga@example.com, roles: [{role: auditor}]}, {name: Bo Sample, login: bo@example.com}]\n");
    let link = house.done(&["setup-link", "--config", "loudhailer.toml"]);
    let _server = house.serve().await;
    let ada = house.set_up(&link).await;
    let olga = house.invited(&ada, "olga@example.com").await;
    let found = ada.json(Method::GET, "/api/v1/people?search=bo@", None).await;
    let bo = format!("/api/v1/people/{}", found["items"][0]["id"].as_str().unwrap());
    let queued = ada.json(Method::POST, &format!("{bo}/letter"), Some(serde_json::json!({}))).await;
    assert_eq!(queued["queued"], true, "{queued}");
    let letters = async |who: &Session<'_>| {
        let shown = who.json(Method::GET, &bo, None).await;
        assert_eq!(shown["person"]["login"], "bo@example.com", "{shown}");
        shown["letters"].as_array().unwrap().len()
    };
    assert_eq!((letters(&ada).await, letters(&olga).await), (1, 0));
}
