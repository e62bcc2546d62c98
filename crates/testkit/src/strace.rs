//! A process under `strace`: killed at the N-th of a system call, or with everything that it writes on record.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A tracer that is attached to a running process. Lets go of it when dropped.
#[derive(Debug)]
pub struct Tracer {
    child: Child,
}

impl Tracer {
    /// Attaches to every thread of `pid` with strace's own arguments; returns when it is attached.
    pub fn attach(pid: u32, arguments: &[&str]) -> Self {
        // Where one may only trace one's own children, root may trace all.
        let mut command =
            if rustix::process::geteuid().is_root() { Command::new("strace") } else { Command::new("sudo") };
        if !rustix::process::geteuid().is_root() {
            command.args(["-n", "strace"]);
        }
        command.args(["-f", "-p", &pid.to_string()]).args(arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is installed");
        let mut said = BufReader::new(child.stderr.take().expect("its words are piped"));
        let mut line = String::new();
        while !line.contains("attached") {
            line.clear();
            assert!(said.read_line(&mut line).expect("strace speaks UTF-8") > 0, "strace ended without attaching");
        }
        std::thread::spawn(move || said.lines().for_each(drop));
        Self { child }
    }

    /// Kills the process when any of its threads enters `call` for the `number`-th time from now on; the call itself does not happen.
    pub fn killing(pid: u32, call: &str, number: u32) -> Self {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={number}"));
        Self::attach(pid, &["-o", "/dev/null", "-e", &trace, "-e", &inject])
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        // Once in a few hundred kills strace waits for ever for a thread of a process that is gone; killed, it lets go of all.
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `command`, to be started with everything that it does to files written to `record`. It stays a child of whoever starts it.
pub fn recorded(command: &Command, record: &Path) -> Command {
    const CALLS: &str = "trace=openat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,fallocate,fsync,fdatasync,\
                         sync_file_range,unlink,unlinkat,rename,renameat,renameat2,io_uring_setup";
    let mut traced = Command::new("strace");
    traced.args(["-D", "-f", "-y", "-xx", "-ttt", "-s", "16777216", "-e", CALLS, "-o"]).arg(record);
    traced.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    traced
}
