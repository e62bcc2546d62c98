//! What can go wrong with keys and sealed values.

use std::path::PathBuf;

use base::{Explain, Problem, ProblemKind};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file may be read by others.
    #[error("the key file {path} may be read by others (mode {mode:03o}): run chmod 600 on it")]
    KeyFileNotPrivate {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is a file already; a key file is never overwritten.
    #[error("there is a file {path} already, and a key file is never overwritten: choose another path")]
    KeyFileExists {
        /// Which file.
        path: PathBuf,
    },
    /// The key file cannot be read or written.
    #[error("the key file {path} cannot be used: check that it exists and that the server may read it")]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The key file does not hold what it should. Says the line, never its content.
    #[error("line {line} of the key file is no key: each line holds a version number and 32 bytes in base64")]
    KeyFileLine {
        /// Counted from 1; 0 for a file without any key.
        line: usize,
    },
    /// The key file belongs to another database.
    #[error("the key file does not open this database: give the key file that was used with it")]
    WrongKey,
    /// A version of the key-encryption key that something is wrapped with is not in the key file.
    #[error(
        "the key file has no key of version {0}, which this database needs: the keys were rotated elsewhere, or the line was \
         removed too early. Copy the key file from the machine where `loudhailer keys rotate` ran, or put that line back"
    )]
    MissingVersion(u32),
    /// A version of the key-encryption key that was retired: what it wraps is refused.
    #[error("version {0} of the key-encryption key is retired, and what it wraps is refused")]
    RetiredVersion(u32),
    /// A version in the key file is not the key that the database knows under this number.
    #[error(
        "version {0} in the key file is not the key that this database knows as version {0}: the keys were rotated on two \
         machines. Copy the key file from the machine that was first"
    )]
    OtherVersion(u32),
    /// The key was destroyed on purpose, with what it sealed.
    #[error("the key of this value was destroyed when its retention ended; the value is gone for good")]
    Destroyed,
    /// The value names a key that this database never had.
    #[error("the value names a key that is not in this database")]
    UnknownKey,
    /// The value does not open: it was altered, or it is not where it was sealed.
    #[error("a sealed value does not open: it was altered, or copied from another place")]
    Sealed,
    /// The library refused.
    #[error("the cryptographic library refused")]
    Crypto(#[source] crypto::Error),
    /// A room that was asked to record a rotation or to seal its values anew could not.
    #[error("a part of the rotation failed: {0}")]
    Around(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
}

impl From<crypto::Error> for Error {
    fn from(error: crypto::Error) -> Self {
        match error {
            crypto::Error::Sealed => Self::Sealed,
            other => Self::Crypto(other),
        }
    }
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Destroyed => Problem::new(
                ProblemKind::NotFound,
                "content-erased",
                "This content was erased when its retention ended and cannot be brought back.",
            ),
            Self::WrongKey | Self::MissingVersion(_) | Self::OtherVersion(_) => Problem::new(
                ProblemKind::Unavailable,
                "wrong-key-file",
                "The key file does not fit this database. Start the server with the key file that was used with it.",
            ),
            Self::KeyFileNotPrivate { .. } => Problem::new(
                ProblemKind::Invalid,
                "key-file-not-private",
                "The key file may be read by others. Set its mode to 600.",
            ),
            Self::KeyFileExists { .. } => Problem::new(
                ProblemKind::Conflict,
                "key-file-exists",
                "There is a file of that name already, and a key file is never overwritten. Choose another path.",
            ),
            Self::KeyFile { .. } | Self::KeyFileLine { .. } => Problem::new(
                ProblemKind::Invalid,
                "key-file-unusable",
                "The key file cannot be used. Each of its lines holds a version number and 32 bytes in base64.",
            ),
            Self::Store(error) => error.problem(),
            Self::UnknownKey | Self::Sealed | Self::RetiredVersion(_) | Self::Crypto(_) | Self::Around(_) => {
                Problem::internal()
            }
        }
    }
}
