//! A push to a real bare repository with the hook that we ship: created, pushed, rewritten, and a branch nobody asked about.

use std::path::Path;
use std::process::{Command, Output};

use super::stage::{Stage, settings, shipped};

mod sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn a_push_pages_as_its_guide_says() {
        super::proof().await;
    }
}

async fn proof() {
    let stage = Stage::start("git", None).await;
    let dir = tempfile::tempdir().unwrap();
    let (bare, work) = (dir.path().join("shop.git"), dir.path().join("work"));
    git(dir.path(), &["init", "--quiet", "--bare", "--initial-branch=main", "shop.git"]);
    std::fs::copy(shipped("contrib/git/post-receive"), bare.join("hooks/post-receive")).unwrap();
    git(&bare, &["config", "loudhailer.branches", "main release/*"]);
    git(&bare, &["config", "loudhailer.priority", "high"]);
    git(dir.path(), &["clone", "--quiet", "shop.git", "work"]);

    commit(&work, "Open the shop");
    let output = git(&work, &["push", "--quiet", "origin", "HEAD:main"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("loudhailer.curl") && said.contains("0600"),
        "a push works before the hook is set up: {said}"
    );

    settings(&bare.join("loudhailer.curl"), &stage, &stage.ca());
    commit(&work, "Pay twice no more");
    commit(&work, "Ship \"gift wrapping\" \\o/");
    quiet(&git(&work, &["push", "--quiet", "origin", "HEAD:main"]));
    stage.text(&["shop: main: Ship \"gift wrapping\" \\o/"]).await;

    quiet(&git(&work, &["push", "--quiet", "origin", "HEAD:unheard-of", "HEAD:release/1"]));
    stage.text(&["shop: release/1: Ship "]).await;
    git(&work, &["reset", "--quiet", "--hard", "HEAD~1"]);
    commit(&work, "Pay once");
    quiet(&git(&work, &["push", "--quiet", "--force", "origin", "HEAD:main"]));
    stage.text(&["shop: main was rewritten"]).await;
    quiet(&git(&work, &["push", "--quiet", "origin", ":release/1"]));
    stage.text(&["shop: release/1 was deleted"]).await;

    // A secret that is wrong is said to who pushes, and holds up no push.
    let file = bare.join("loudhailer.curl");
    let text = std::fs::read_to_string(&file).unwrap().replace(&stage.token, "wrong");
    std::fs::write(&file, text).unwrap();
    commit(&work, "One more");
    let output = git(&work, &["push", "--quiet", "origin", "HEAD:main"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("refused with status 401") && !said.contains(&stage.token), "{said}");
    let phone_heard = stage.received().await;
    assert!(!phone_heard.iter().any(|text| text.contains("unheard-of")), "{phone_heard:?}");
}

fn commit(work: &Path, subject: &str) {
    git(work, &["commit", "--quiet", "--allow-empty", "-m", subject]);
}

fn quiet(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("loudhailer"), "{said}");
}

fn git(dir: &Path, arguments: &[&str]) -> Output {
    let output = Command::new("git")
        .current_dir(dir)
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "Ada Sample")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "ada@example.com")))
        .env("GIT_PUSHER", "Ada Sample")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
