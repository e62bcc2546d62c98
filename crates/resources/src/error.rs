//! What can go wrong when configuration is read or written, in words for its author.

use base::{Explain, Problem, ProblemKind};

/// A failed read or change of resources.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input is wrong; all its problems, with the path of each in `field`.
    #[error("{} problem(s) in what was given", .0.len())]
    Invalid(Vec<Problem>),
    /// There is no such kind.
    #[error("no such kind of resource")]
    UnknownKind {
        /// The kind that was probably meant.
        nearest: String,
    },
    /// There is no such entry, or not for this caller.
    #[error("no such resource")]
    NotFound,
    /// There is no such version of the entry.
    #[error("no such version")]
    NoSuchVersion,
    /// The entry cannot go, because others refer to it.
    #[error("still referred to by {} resource(s)", .by.len())]
    Referenced {
        /// What refers to it, as "groups demo/ops (members[0].user)".
        by: Vec<String>,
    },
    /// The right is missing.
    #[error(transparent)]
    Denied(#[from] access::Denied),
    /// What `access` says about a workspace.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// A right in one workspace does not reach the organisation or another workspace.
    #[error("outside the workspace of the permit")]
    OutOfScope,
    /// The permit is of a right that does not write this kind.
    #[error("a permit of another right")]
    WrongRight,
    /// A controlled production workspace is changed only under a change reference.
    #[error("the workspace is controlled")]
    Controlled,
    /// Somebody else changed the entry in between.
    #[error("the entry changed in between")]
    Conflict,
    /// The clearance was made for another workspace.
    #[error("the clearance is for another workspace")]
    WrongClearance,
    /// That is no change reference.
    #[error("not a change reference")]
    ChangeReference,
    /// Breaking the glass wants a reason.
    #[error("no reason for breaking the glass")]
    BreakGlassReason,
    /// The glass is broken on the machine alone.
    #[error("breaking the glass from afar")]
    BreakGlassHere,
    /// A body does not fit its Rust type although its shape is right: mostly a mistake in the kind.
    #[error("body does not fit its type")]
    Body(#[source] Box<serde_json::Error>),
    /// What a kind's own room says, with its public text.
    #[error("refused by the kind")]
    Kind {
        /// The public text.
        problem: Box<Problem>,
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Sealing or opening a secret failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The audit entry could not be written.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// A dry run is rolled back by this; callers never see it.
    #[error("dry run")]
    DryRun(Box<crate::Applied>),
}

impl Error {
    /// Another room's error as this one, keeping its public text: `.map_err(Error::kind)`.
    pub fn kind<E: Explain + Send + Sync + 'static>(error: E) -> Self {
        Self::Kind { problem: Box::new(error.problem()), cause: Box::new(error) }
    }

    pub(crate) fn body(error: serde_json::Error) -> Self {
        Self::Body(Box::new(error))
    }

    /// One wrong field.
    pub fn invalid(
        path: impl Into<String>,
        code: impl Into<std::borrow::Cow<'static, str>>,
        detail: impl Into<std::borrow::Cow<'static, str>>,
    ) -> Self {
        Self::Invalid(vec![Problem::new(ProblemKind::Invalid, code, detail).at(path)])
    }

    /// Every problem of this error: several for wrong input, else one.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Invalid(problems) if !problems.is_empty() => problems.clone(),
            other => vec![other.problem()],
        }
    }
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        let plain = |kind, code: &'static str, detail: &'static str| Problem::new(kind, code, detail);
        match self {
            Self::Invalid(problems) => match problems.as_slice() {
                [] => plain(ProblemKind::Invalid, "invalid", "The input is wrong."),
                [one] => one.clone(),
                [first, ..] => {
                    let mut all = first.clone();
                    let lines: Vec<String> = problems.iter().map(line).collect();
                    all.detail = lines.join("\n").into();
                    all.field = None;
                    all.code = "invalid-resources".into();
                    all
                }
            },
            Self::UnknownKind { nearest } => Problem::new(
                ProblemKind::Invalid,
                "unknown-kind",
                format!("There is no such kind of resource; did you mean {nearest}?"),
            ),
            Self::NotFound => plain(
                ProblemKind::NotFound,
                "no-such-resource",
                "There is no such resource here. Look at the list for its name.",
            ),
            Self::NoSuchVersion => plain(
                ProblemKind::NotFound,
                "no-such-version",
                "This resource has no such version. Its history lists the versions there are.",
            ),
            Self::Referenced { by } => Problem::new(
                ProblemKind::Conflict,
                "still-referenced",
                format!("It cannot go while it is referred to by {}. Change those first.", by.join(", ")),
            ),
            Self::Denied(denied) => denied.problem(),
            Self::Access(error) => error.problem(),
            Self::OutOfScope => plain(
                ProblemKind::Forbidden,
                "outside-workspace",
                "Your right holds in one workspace, and this lies outside it. Ask an administrator of the organisation.",
            ),
            Self::WrongRight => plain(
                ProblemKind::Forbidden,
                "not-permitted",
                "This kind of resource is changed under another right. Ask an administrator.",
            ),
            Self::Controlled => plain(
                ProblemKind::Forbidden,
                "change-reference-needed",
                "This production workspace is under change control: give the reference of an approved change.",
            ),
            Self::Conflict => plain(
                ProblemKind::Conflict,
                "changed-meanwhile",
                "Somebody else changed this in the meantime. Look at it again, then repeat your change.",
            ),
            Self::WrongClearance => plain(
                ProblemKind::Forbidden,
                "wrong-clearance",
                "The change was cleared for another workspace. Clear it for this one.",
            ),
            Self::ChangeReference => plain(
                ProblemKind::Invalid,
                "bad-change-reference",
                "A change reference is 3 to 64 letters, digits, -, _, / or . with at least one digit, such as CHG-1042.",
            ),
            Self::BreakGlassReason => plain(
                ProblemKind::Invalid,
                "reason-needed",
                "Say in at least ten characters why the glass has to be broken; it is kept in the audit log.",
            ),
            Self::BreakGlassHere => plain(
                ProblemKind::Forbidden,
                "break-glass-on-the-machine",
                "The glass is broken on the machine itself only: run apply there with --config and --break-glass.",
            ),
            Self::Kind { problem, .. } => (**problem).clone(),
            Self::Store(error) => error.problem(),
            Self::Vault(error) => error.problem(),
            Self::Audit(error) => error.problem(),
            Self::Body(_) | Self::DryRun(_) => Problem::internal(),
        }
    }
}

/// One problem as a line: `carriers[0].adress: unknown field; did you mean address?`.
pub(crate) fn line(problem: &Problem) -> String {
    match &problem.field {
        Some(field) if !field.is_empty() => format!("{field}: {}", problem.detail),
        _ => problem.detail.clone().into_owned(),
    }
}
