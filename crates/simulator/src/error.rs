//! What can go wrong in and around the simulator.

use base::{Explain, Problem, ProblemKind};

/// Why the simulator, or its control socket, did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could not be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error("could not use the {what}")]
    File {
        /// Which file: `ledger`, `behaviour file`.
        what: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// TLS could not be set up.
    #[error("the certificate or key of the simulator cannot be used")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Neither TLS nor leave to go without.
    #[error("the simulator speaks TLS; give it a certificate and key, or allow clear text")]
    PlaintextNotAllowed,
    /// A behaviour that means nothing.
    #[error("behaviour: `{field}` must be {wanted}")]
    Behaviour {
        /// The field.
        field: String,
        /// What it must be.
        wanted: String,
    },
    /// The control socket could not be used.
    #[error("the simulator's control socket cannot be reached")]
    Control(#[source] std::io::Error),
    /// The control socket did not answer.
    #[error("the simulator did not answer on its control socket")]
    NoAnswer,
    /// The two ends of the control socket do not understand each other.
    #[error("the simulator's control socket spoke another language")]
    Protocol(#[source] serde_json::Error),
    /// The simulator refused.
    #[error("{detail}")]
    Refused {
        /// The part of the request that is wrong.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl Error {
    pub(crate) fn behaviour(field: &str, wanted: &str) -> Self {
        Self::Behaviour { field: field.to_owned(), wanted: wanted.to_owned() }
    }

    pub(crate) fn refused(field: &str, detail: impl Into<String>) -> Self {
        Self::Refused { field: field.to_owned(), detail: detail.into() }
    }
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Behaviour { field, .. } => {
                Problem::new(ProblemKind::Invalid, "simulator-behaviour", self.to_string()).at(field.clone())
            }
            Self::Refused { field, detail } => {
                Problem::new(ProblemKind::Invalid, "simulator-refused", detail.clone()).at(field.clone())
            }
            Self::Control(_) | Self::NoAnswer | Self::Protocol(_) => Problem::new(
                ProblemKind::Unavailable,
                "simulator-away",
                "The simulated carrier does not answer. It restarts by itself within seconds; try again then.",
            ),
            Self::Listen { .. } => Problem::new(
                ProblemKind::Invalid,
                "simulator-address",
                "The simulator's address is in use or is not an address of this machine; choose another.",
            ),
            Self::File { what, .. } => Problem::new(
                ProblemKind::Invalid,
                "simulator-file",
                format!("The simulator's {what} cannot be used; check that it exists, is readable and well-formed."),
            ),
            Self::Tls(_) => Problem::new(
                ProblemKind::Invalid,
                "simulator-tls",
                "The simulator's certificate and key must be PEM files that belong together.",
            ),
            Self::PlaintextNotAllowed => Problem::new(
                ProblemKind::Invalid,
                "simulator-plaintext",
                "Give --tls CERT KEY, or --allow-plaintext for a test link in clear text.",
            ),
        }
    }
}
