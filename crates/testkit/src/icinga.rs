//! Icinga 2 from the distribution, as a private instance in a temporary directory: one host, one service whose check reads a file.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::process::Process;

/// The account that Debian's package brings; used when the tests run as root, because Icinga does not stay root.
const ACCOUNT: &str = "nagios";

/// A directory for an instance.
#[derive(Debug)]
pub struct Icinga {
    dir: TempDir,
    /// User and group id that the instance runs under, when that is another than ours.
    account: Option<(u32, u32)>,
}

/// An instance that runs.
#[derive(Debug)]
pub struct RunningIcinga<'i> {
    icinga: &'i Icinga,
    process: Process,
}

impl Icinga {
    /// Makes the directory, for the account that Icinga will run under.
    pub fn prepare() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let account = geteuid().is_root().then(|| {
            let id = |what: &str| {
                let output = Command::new("id").args([what, ACCOUNT]).output().expect("id runs");
                let text = String::from_utf8_lossy(&output.stdout);
                text.trim().parse().expect("the account of Icinga exists: install icinga2-common")
            };
            (id("-u"), id("-g"))
        });
        let icinga = Self { dir, account };
        fs::set_permissions(icinga.dir.path(), fs::Permissions::from_mode(0o755))
            .expect("the directory can be entered");
        for name in ["data", "log", "cache", "spool", "run"] {
            fs::create_dir(icinga.path(name)).expect("a directory of the instance");
            icinga.own(name);
        }
        icinga
    }

    /// A place in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a copy of `file` there.
    pub fn copy(&self, file: &Path, name: &str, mode: u32) -> PathBuf {
        let to = self.path(name);
        fs::copy(file, &to).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).expect("the mode is set");
        to
    }

    /// Gives a file to the account.
    pub fn own(&self, name: &str) {
        if let Some((user, group)) = self.account {
            chown(self.path(name), Some(user), Some(group)).expect("the file is given away");
        }
    }

    /// Starts the instance on its host and service and `config` besides, with `environment`.
    pub fn start(&self, config: &str, environment: &[(&str, &str)]) -> RunningIcinga<'_> {
        fs::write(self.path("flag"), "").expect("the flag is written");
        fs::write(self.path("check"), "#!/bin/sh\nif [ -s \"$1\" ]; then cat \"$1\"; exit 2; fi\necho 'all well'\n")
            .expect("the check is written");
        fs::set_permissions(self.path("check"), fs::Permissions::from_mode(0o755)).expect("the check can run");
        let own = OWN.replace("@CHECK@", &self.path("check").display().to_string());
        let own = own.replace("@FLAG@", &self.path("flag").display().to_string());
        let main = self.path("icinga2.conf");
        fs::write(&main, own + config).expect("the configuration is written");
        let mut command = if self.account.is_some() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups", "/usr/sbin/icinga2"]);
            command.env("ICINGA2_USER", ACCOUNT).env("ICINGA2_GROUP", ACCOUNT);
            command
        } else {
            let mut command = Command::new("/usr/sbin/icinga2");
            for (variable, flag) in [("ICINGA2_USER", "-un"), ("ICINGA2_GROUP", "-gn")] {
                let name = Command::new("id").arg(flag).output().expect("id runs").stdout;
                command.env(variable, String::from_utf8_lossy(&name).trim());
            }
            command
        };
        command.args(["daemon", "-x", "critical", "-c"]).arg(main).envs(environment.iter().copied());
        let places = [
            ("DataDir", "data"),
            ("LogDir", "log"),
            ("CacheDir", "cache"),
            ("SpoolDir", "spool"),
            ("InitRunDir", "run"),
        ];
        for (constant, name) in places {
            command.arg("-D").arg(format!("{constant}={}", self.path(name).display()));
        }
        command.arg("-D").arg(format!("ConfigDir={}", self.dir.path().display()));
        let mut process = Process::start(&mut command);
        process.drain();
        RunningIcinga { icinga: self, process }
    }
}

impl RunningIcinga<'_> {
    /// The check of the service is critical from now on, in these words.
    pub fn fail(&self, words: &str) {
        fs::write(self.icinga.path("flag"), words).expect("the flag is written");
    }

    /// The check is well again.
    pub fn recover(&self) {
        fs::write(self.icinga.path("flag"), "").expect("the flag is written");
    }
}

impl Drop for RunningIcinga<'_> {
    /// Asked first: a supervisor that is killed would leave its worker behind.
    fn drop(&mut self) {
        self.process.terminate(Duration::from_secs(10));
    }
}

const OWN: &str = r#"
include <itl>
object CheckerComponent "checker" {
}
object NotificationComponent "notification" {
}
object CheckCommand "flag" {
  command = [ "@CHECK@", "@FLAG@" ]
}
object Host "db-1.example.com" {
  check_command = "dummy"
  display_name = "db-1"
}
object Service "replication" {
  host_name = "db-1.example.com"
  check_command = "flag"
  check_interval = 1s
  retry_interval = 1s
  max_check_attempts = 1
}
"#;
