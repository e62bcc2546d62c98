//! What can go wrong at a directory's door, in the protocol's words and in sentences for its administrator.

use base::{Explain, Problem, ProblemKind};

/// The protocol's word for what is wrong (RFC 7644 section 3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The filter cannot be read, or asks for what cannot be looked for.
    InvalidFilter,
    /// More than is allowed.
    TooMany,
    /// A name belongs to somebody else.
    Uniqueness,
    /// The attribute is not changed.
    Mutability,
    /// The body is no such message.
    InvalidSyntax,
    /// The path of an operation names nothing.
    InvalidPath,
    /// The path of an operation finds nothing.
    NoTarget,
    /// A value is none that fits.
    InvalidValue,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::InvalidFilter,
        Self::TooMany,
        Self::Uniqueness,
        Self::Mutability,
        Self::InvalidSyntax,
        Self::InvalidPath,
        Self::NoTarget,
        Self::InvalidValue,
    ];

    /// The word in `scimType`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::InvalidFilter => "scim-invalid-filter",
            Self::TooMany => "scim-too-many",
            Self::Uniqueness => "scim-uniqueness",
            Self::Mutability => "scim-mutability",
            Self::InvalidSyntax => "scim-invalid-syntax",
            Self::InvalidPath => "scim-invalid-path",
            Self::NoTarget => "scim-no-target",
            Self::InvalidValue => "scim-invalid-value",
        }
    }

    /// The fault behind a problem's code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.code() == code)
    }
}

/// A request of a directory that was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory asked for something that is not done, in the protocol's words.
    #[error("{}: {detail}", .fault.name())]
    Refused {
        /// The protocol's word.
        fault: Fault,
        /// What is wrong and what to do.
        detail: String,
    },
    /// There is no such resource, or none of this directory.
    #[error("no such resource")]
    NotFound,
    /// There is no such source, or the program does not speak for it.
    #[error("no such source")]
    NoSource,
    /// The source is switched off.
    #[error("the source is switched off")]
    SwitchedOff,
    /// Only programs come in here.
    #[error("a person at a directory's door")]
    PeopleNever,
    /// The account is not a directory's to touch.
    #[error("not a directory's to touch")]
    HandsOff(&'static str),
    /// The resource changed in between.
    #[error("another version than the one that was asked for")]
    OtherVersion,
    /// A resource could not be written.
    #[error(transparent)]
    Resources(resources::Error),
    /// Sessions or accounts failed.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// Roles could not be read or written.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// Sealing or opening failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The audit entry could not be written.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    pub(crate) fn refused(fault: Fault, detail: impl Into<String>) -> Self {
        Self::Refused { fault, detail: detail.into() }
    }

    pub(crate) fn value(detail: impl Into<String>) -> Self {
        Self::refused(Fault::InvalidValue, detail)
    }
}

impl From<resources::Error> for Error {
    fn from(error: resources::Error) -> Self {
        let resources::Error::Invalid(problems) = &error else { return Self::Resources(error) };
        if problems.iter().any(|one| one.code == "last-administrator") {
            return Self::HandsOff(
                "This is the last administrator who can sign in here, and is neither switched off nor deleted by a directory. Have \
                 another administrator made first.",
            );
        }
        if problems.iter().any(|one| one.code == "identifier-used") {
            return Self::refused(
                Fault::Uniqueness,
                "This userName belonged to somebody who was deleted here, and a log-in name is never given again: what is written \
                 down about the one would be taken for the other. Give another one.",
            );
        }
        let said: Vec<&str> = problems.iter().map(|one| &*one.detail).collect();
        Self::value(said.join("; "))
    }
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Refused { fault: Fault::Uniqueness, detail } => {
                Problem::new(ProblemKind::Conflict, Fault::Uniqueness.code(), detail.clone())
            }
            Self::Refused { fault, detail } => Problem::new(ProblemKind::Invalid, fault.code(), detail.clone()),
            Self::NotFound => Problem::new(
                ProblemKind::NotFound,
                "scim-not-found",
                "There is no such resource of this directory. People who were made here by hand are not the directory's until an \
                 administrator hands them over.",
            ),
            Self::NoSource => Problem::new(
                ProblemKind::NotFound,
                "scim-no-source",
                "There is no such directory here, or this key does not speak for it. The base address stands on the page Provisioning.",
            ),
            Self::SwitchedOff => Problem::new(
                ProblemKind::Forbidden,
                "scim-switched-off",
                "Provisioning by this directory is switched off. An administrator switches it on on the page Provisioning.",
            ),
            Self::PeopleNever => Problem::new(
                ProblemKind::Forbidden,
                "programs-only",
                "Only a program comes in here: an API key or an OAuth client with the scope people:provision.",
            ),
            Self::HandsOff(words) => Problem::new(ProblemKind::Forbidden, "scim-hands-off", *words),
            Self::OtherVersion => Problem::new(
                ProblemKind::Conflict,
                "scim-other-version",
                "The resource was changed since that version. Read it again, then repeat the change.",
            ),
            Self::Resources(error) => error.problem(),
            Self::Identity(error) => error.problem(),
            Self::Access(error) => error.problem(),
            Self::Vault(error) => error.problem(),
            Self::Audit(error) => error.problem(),
            Self::Store(error) => error.problem(),
        }
    }
}
