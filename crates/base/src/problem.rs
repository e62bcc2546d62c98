//! What went wrong, in words for the person or program that can mend it. Each room's error type says
//! its [`Problem`]; doors turn it into problem+json (RFC 9457), an SMPP status, a form message or a line on
//! the terminal. The private cause stays in the error's source and goes to the log alone.

use std::borrow::Cow;
use std::time::Duration;

/// What sort of answer a problem deserves; a door maps it to its own status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The input is wrong: 400.
    Invalid,
    /// Who is asking could not be proven: 401.
    Unauthenticated,
    /// Proven, but not allowed: 403.
    Forbidden,
    /// Not there, or not for this caller to know: 404.
    NotFound,
    /// The state does not allow it now: 409.
    Conflict,
    /// More than the limit: 413.
    TooLarge,
    /// A media type that is not read here: 415.
    UnsupportedMedia,
    /// Well-formed but refused by a rule: 422.
    Unprocessable,
    /// Too many requests: 429 with `Retry-After`.
    TooMany,
    /// Not now: 503 with `Retry-After`.
    Unavailable,
    /// Our fault: 500.
    Internal,
}

/// What is allowed and what to do, each by itself. Apart, so that a problem stays small where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Help {
    limit: Option<String>,
    remedy: Option<String>,
}

/// A public description of a failure. Never holds a secret, a personal value, SQL or a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The sort of failure.
    pub kind: ProblemKind,
    /// A stable code in kebab-case, such as `text-too-long`.
    pub code: Cow<'static, str>,
    /// What is wrong and what to do about it, in one or two sentences.
    pub detail: Cow<'static, str>,
    /// The field that is wrong, as the caller named it.
    pub field: Option<String>,
    /// What is allowed and what to do, where it can be said by itself.
    help: Option<Box<Help>>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of `kind` with a stable `code` and a `detail` that says the remedy.
    pub fn new(kind: ProblemKind, code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, code: code.into(), detail: detail.into(), field: None, help: None, retry_after: None }
    }

    /// The same problem, naming the field that is wrong.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same problem, saying what is allowed.
    #[must_use]
    pub fn limited(mut self, limit: impl Into<String>) -> Self {
        self.help.get_or_insert_default().limit = Some(limit.into());
        self
    }

    /// The same problem, saying what to do by itself.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.help.get_or_insert_default().remedy = Some(remedy.into());
        self
    }

    /// What is allowed there, in a few words.
    pub fn allowed(&self) -> Option<&str> {
        self.help.as_ref()?.limit.as_deref()
    }

    /// What to do about it. Details say what is wrong and then what to do, so their second sentence is it where none was given
    /// by itself.
    pub fn what_to_do(&self) -> Option<&str> {
        let own = self.help.as_ref().and_then(|help| help.remedy.as_deref());
        own.or_else(|| self.detail.split_once(". ").map(|(_, remedy)| remedy))
    }

    /// The same problem, saying when to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// A failure of ours; the cause belongs in the log, not here.
    pub fn internal() -> Self {
        Self::new(
            ProblemKind::Internal,
            "internal",
            "Something failed on our side and was logged. Try again; if it stays, give the request id to your administrator.",
        )
    }
}

/// Errors that can say what their reader should do.
pub trait Explain: std::error::Error {
    /// The public text of this error.
    fn problem(&self) -> Problem;
}
