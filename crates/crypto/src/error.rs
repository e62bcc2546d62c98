//! What can go wrong with algorithms and certificates.

use base::{Explain, Problem, ProblemKind};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A sealed value does not open: wrong key, or it was altered or moved.
    #[error("the sealed value does not open with this key in this place")]
    Sealed,
    /// An algorithm refused its input: only ever a bug or a machine without entropy.
    #[error("the cryptographic library refused: {0}")]
    Refused(&'static str),
    /// Password parameters below the floor.
    #[error("Argon2id parameters are below the floor of m=19456 KiB, t=2 (or m=47104 KiB, t=1)")]
    WeakCost,
    /// A stored password hash that cannot be read.
    #[error("a stored password hash cannot be read")]
    Hash,
    /// A certificate, key or certificate authority that cannot be used.
    #[error("{what}: {remedy}")]
    Certificate {
        /// What it was meant for.
        what: &'static str,
        /// What is wrong and what to do.
        remedy: String,
    },
    /// A certificate or key file that cannot be read.
    #[error("the {what} file cannot be read")]
    File {
        /// Which one.
        what: &'static str,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// rustls refused a configuration.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

impl Error {
    pub(crate) fn certificate(what: &'static str, remedy: impl Into<String>) -> Self {
        Self::Certificate { what, remedy: remedy.into() }
    }
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::WeakCost => Problem::new(
                ProblemKind::Invalid,
                "weak-password-cost",
                "The password hashing parameters are below the floor. Use m=47104, t=1 or more.",
            ),
            Self::Certificate { what, remedy } => {
                Problem::new(ProblemKind::Invalid, "certificate-unusable", format!("{what}: {remedy}"))
            }
            Self::File { what, .. } => Problem::new(
                ProblemKind::Invalid,
                "file-unreadable",
                format!("The {what} file cannot be read. Check that it exists and that the server may read it."),
            ),
            Self::Sealed | Self::Refused(_) | Self::Hash | Self::Tls(_) => Problem::internal(),
        }
    }
}
