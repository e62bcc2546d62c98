//! One worker process, seen from the parent.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::error::Error;
use crate::protocol::{self, Answer, Hello};

/// How long a worker may take to start and lock itself down; exec of a large binary on a busy machine.
const START: Duration = Duration::from_secs(5);

/// The product's allocator would reserve a gigabyte at the start, and the limit on memory counts from there.
pub const NO_RESERVE: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");

/// How a worker is started: the product's own binary with `sandbox-worker`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerCommand {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl WorkerCommand {
    /// A worker is `program` with `arguments`.
    pub fn new<A: Into<OsString>>(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = A>) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// A worker is this very binary with the argument `sandbox-worker`.
    pub fn own_binary() -> io::Result<Self> {
        Ok(Self::new(std::env::current_exe()?, ["sandbox-worker"]))
    }
}

/// A running, locked-down worker. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// Tasks it has answered.
    pub(crate) answered: u32,
}

/// What became of a task in a worker.
pub(crate) enum Outcome {
    /// It answered and can take the next.
    Answered(Answer),
    /// It ended in the middle.
    Died,
    /// It did not answer in time.
    TimedOut,
}

impl Process {
    /// Starts a worker and waits until it has locked itself down.
    pub(crate) async fn start(command: &WorkerCommand) -> Result<Self, Error> {
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            .env(NO_RESERVE.0, NO_RESERVE.1)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Out of the terminal's process group: Ctrl-C is for the server, which then ends its workers.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let gone = || Error::Unavailable("its pipes are missing".to_owned());
        let input = child.stdin.take().ok_or_else(gone)?;
        let mut output = child.stdout.take().ok_or_else(gone)?;
        match timeout(START, protocol::read::<Hello>(&mut output)).await {
            Ok(Ok(Hello { refusal: None })) => Ok(Self { child, input, output, answered: 0 }),
            Ok(Ok(Hello { refusal: Some(why) })) => Err(Error::Unavailable(why)),
            Ok(Err(error)) => Err(Error::Unavailable(format!("it ended at once ({error})"))),
            Err(_) => Err(Error::Unavailable("it did not get ready in time".to_owned())),
        }
    }

    /// Gives the worker a task and waits for the answer. After anything but an answer the worker must be dropped.
    pub(crate) async fn answer(&mut self, frame: &[u8], deadline: Duration) -> Outcome {
        let talk = async {
            protocol::write(&mut self.input, frame).await?;
            protocol::read::<Answer>(&mut self.output).await
        };
        match timeout(deadline, talk).await {
            Ok(Ok(answer)) => {
                self.answered = self.answered.saturating_add(1);
                Outcome::Answered(answer)
            }
            Ok(Err(_)) => Outcome::Died,
            Err(_) => Outcome::TimedOut,
        }
    }

    /// Kills the worker and takes it off the process table.
    pub(crate) async fn kill(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::debug!(%error, "a sandbox worker had ended already");
        }
    }
}
