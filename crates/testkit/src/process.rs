//! Child processes that end with the test.

use std::future::Future;
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A process that is killed when the test lets go of it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
}

impl Process {
    /// Starts `command`; its standard output can be read line by line, its standard error goes to the test's.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display()));
        let stdout = child.stdout.take().map(|out| BufReader::new(out).lines());
        Self { child, stdout }
    }

    /// The next line of standard output; panics when there is none.
    pub fn line(&mut self) -> String {
        let lines = self.stdout.as_mut().expect("standard output was given away");
        lines.next().expect("the process ended without a word").expect("standard output is readable")
    }

    /// Reads standard output to its end in the background, so that the process never waits for a reader.
    pub fn drain(&mut self) {
        if let Some(lines) = self.stdout.take() {
            std::thread::spawn(move || lines.for_each(drop));
        }
    }

    /// Reads standard output to its end in the background, and hands each line on.
    pub fn each_line(&mut self, mut each: impl FnMut(String) + Send + 'static) {
        if let Some(lines) = self.stdout.take() {
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(&mut each));
        }
    }

    /// SIGKILL, as power loss would; returns when the process is gone.
    pub fn kill_9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, as a supervisor would; returns whether the process ended well within `patience`.
    pub fn terminate(&mut self, patience: Duration) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        self.wait(patience).is_some_and(|status| status.success())
    }

    /// Waits until the process has ended by itself; `None` when it has not within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let step = Duration::from_millis(50);
        let mut waited = Duration::ZERO;
        while waited < patience {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(step);
            waited += step;
        }
        None
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_9();
    }
}

/// A TCP port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Asks again and again until there is an answer; panics with `what` when none comes within a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let found = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited a minute in vain: {what}"))
}
