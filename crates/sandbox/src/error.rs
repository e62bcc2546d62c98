//! What can go wrong: with the sandbox as a whole, and with one template in it.

use std::fmt;

use base::{Explain, Problem, ProblemKind};
use serde::{Deserialize, Serialize};

/// Why one template or expression gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It is written wrongly.
    Syntax,
    /// It is written rightly, but what it asks for is not there or does not fit.
    Evaluation,
    /// It needs more steps than it may take.
    TooLong,
    /// What it made is larger than 64 KiB.
    OutputTooLarge,
}

/// Why one template or expression gave nothing, for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of mistake.
    pub kind: FailureKind,
    /// The line of the source, from 1, when it is known.
    pub line: Option<u32>,
    /// What is wrong, in a few words.
    pub message: String,
}

impl Failure {
    /// A failure without a place.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, line: None, message: message.into() }
    }
}

impl Failure {
    /// The same without the engine's own words, which can hold values of the context: for where those must not go.
    pub fn brief(&self) -> String {
        let what = match self.kind {
            FailureKind::Syntax => "it is written wrongly",
            FailureKind::Evaluation => "something it needs is missing or does not fit",
            FailureKind::TooLong => "it takes more steps than it may",
            FailureKind::OutputTooLarge => "it makes more than 64 KiB",
        };
        self.line.map_or_else(|| what.to_owned(), |line| format!("line {line}: {what}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Why a task gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The template or expression itself is at fault.
    #[error("{0}")]
    Template(Failure),
    /// It took longer than its deadline; its worker was killed.
    #[error("it took longer than it may")]
    TimedOut,
    /// What it made is larger than allowed.
    #[error("what it made is larger than 64 KiB")]
    OutputTooLarge,
    /// It ended its worker: too much memory, or a forbidden system call.
    #[error("it needed more memory than it may have, or tried something that is not allowed")]
    Crashed,
    /// All workers are taken, and so is the queue before them.
    #[error("all workers of the sandbox are busy")]
    Busy,
    /// No worker can be started on this machine.
    #[error("no worker could be started: {0}")]
    Unavailable(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            FailureKind::TooLong => Self::TimedOut,
            FailureKind::OutputTooLarge => Self::OutputTooLarge,
            FailureKind::Syntax | FailureKind::Evaluation => Self::Template(failure),
        }
    }
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Template(failure) => Problem::new(
                ProblemKind::Unprocessable,
                "template-failed",
                format!("The template could not be evaluated: {failure}. Correct it there and try again."),
            ),
            Self::TimedOut => Problem::new(
                ProblemKind::Unprocessable,
                "template-too-slow",
                "The template took longer than it may. Make its loops shorter or its lists smaller.",
            ),
            Self::OutputTooLarge => Problem::new(
                ProblemKind::Unprocessable,
                "template-output-too-large",
                "The template made more than 64 KiB. Leave something out or cut it with the filter truncate.",
            ),
            Self::Crashed => Problem::new(
                ProblemKind::Unprocessable,
                "template-too-greedy",
                "The template needed more memory than it may have. Do not repeat or join large texts in it.",
            ),
            Self::Busy => Problem::new(
                ProblemKind::Unavailable,
                "sandbox-busy",
                "Too many templates are being evaluated just now. Try again in a moment.",
            ),
            Self::Unavailable(_) => Problem::new(
                ProblemKind::Unavailable,
                "sandbox-unavailable",
                "Templates cannot be evaluated safely on this machine just now. The log of the server says why.",
            ),
        }
    }
}
