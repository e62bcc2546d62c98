//! What can go wrong between a button and a session, in words for the person who stands before it.

use base::{Explain, Problem, ProblemKind};

/// A sign-on, a link or a setting that did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such provider, or it is switched off.
    #[error("no such identity provider")]
    NoProvider,
    /// The answer belongs to no sign-on of this browser, or it took too long.
    #[error("the answer belongs to no sign-on of this browser")]
    NotBegun,
    /// The provider let the person not in, or they went back.
    #[error("the provider answered {0}")]
    Declined(String),
    /// The provider cannot be asked, or what it says does not hold. The sentence is for administrators.
    #[error("{0}")]
    Provider(String),
    /// The answer names another provider than the one that was asked. It came by the browser, so it says nothing about the provider.
    #[error("{0}")]
    Mixed(&'static str),
    /// The provider does not take the code. It came by the browser, too.
    #[error("{0}")]
    BadCode(String),
    /// The provider let the person through without asking them, or does not say when it did.
    #[error("the provider did not ask the person anew (auth_time)")]
    NotFresh,
    /// The token says of no session that it ended.
    #[error("{0}")]
    NotLogout(String),
    /// Nobody here is known by this identity.
    #[error("no account is linked with this identity")]
    NoAccount {
        /// What the person calls the provider.
        label: String,
        /// Who they are there: what an administrator needs to link them.
        subject: String,
    },
    /// No account is made for somebody of whom the provider does not say what an account needs.
    #[error("the provider names no usable {0}")]
    Incomplete(&'static str),
    /// An account with this address exists, and an address proves nothing.
    #[error("an account has this address already")]
    AddressTaken,
    /// The account that the identity opens is switched off or gone.
    #[error("the account is switched off")]
    SwitchedOff,
    /// The identity opens another account.
    #[error("the identity is linked with another account")]
    LinkedElsewhere,
    /// More identities than one account may have.
    #[error("too many identities")]
    TooMany,
    /// There is no such link.
    #[error("no such link")]
    NoLink,
    /// The last way into one's own account.
    #[error("this is the last way into the account")]
    LastWay,
    /// Somebody else is signed in than the one who began.
    #[error("another person is signed in than the one who began to link")]
    OtherPerson,
    /// What came by SAML is not believed, or could not be made.
    #[error(transparent)]
    Saml(#[from] saml::Refused),
    /// Our keys are not as an act wants them.
    #[error("{0}")]
    Key(&'static str),
    /// The right is missing.
    #[error(transparent)]
    Denied(#[from] access::Denied),
    /// Sessions or accounts failed.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// Roles could not be read or written.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// An account could not be made.
    #[error(transparent)]
    Resources(#[from] resources::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// A derivation failed.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
    /// The audit entry could not be written.
    #[error(transparent)]
    Audit(#[from] audit::Error),
}

impl Error {
    /// Why it failed, for the audit log: nothing about the person.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Identity(_) | Self::Access(_) | Self::Resources(_) | Self::Store(_) => {
                "an error on our side".to_owned()
            }
            other => other.to_string(),
        }
    }
}

impl Explain for Error {
    fn problem(&self) -> Problem {
        let forbidden = |code, detail: String| Problem::new(ProblemKind::Forbidden, code, detail);
        match self {
            Self::NoProvider => Problem::new(
                ProblemKind::NotFound,
                "no-such-provider",
                "There is no such way to sign in, or it is switched off. Go back to the sign-in page and choose another.",
            ),
            Self::NotBegun => Problem::new(
                ProblemKind::Invalid,
                "not-begun",
                "This answer belongs to no sign-on that this browser began within the last ten minutes, or it was used already. \
                 Begin again on the sign-in page.",
            ),
            Self::Declined(code) => forbidden(
                "declined",
                format!("Your provider did not let you through (it says {code}). Try again, or ask those who look after it."),
            ),
            Self::Provider(_) => Problem::new(
                ProblemKind::Unavailable,
                "provider-failed",
                "Signing in with your provider does not work just now. Try again in a minute; if it stays, tell your \
                 administrator: the page of the provider says why.",
            ),
            Self::Mixed(_) => forbidden(
                "mixed-up",
                "The answer that your browser brought is not your provider's. Begin again on the sign-in page, and tell your \
                 administrator if it happens again."
                    .to_owned(),
            ),
            Self::BadCode(_) => forbidden(
                "bad-code",
                "Your provider does not know the answer that your browser brought, or it was used already. Begin again on the \
                 sign-in page; if it stays, tell your administrator."
                    .to_owned(),
            ),
            Self::NotFresh => forbidden(
                "not-fresh",
                "Your provider let you through without asking who you are, or does not say when it asked (auth_time). That is no \
                 fresh proof. Set up a second factor on the page about your security, and prove yourself with that."
                    .to_owned(),
            ),
            Self::NotLogout(_) => Problem::new(
                ProblemKind::Invalid,
                "not-a-logout",
                "This is no log-out token of that provider, or it was shown before. The audit log says why.",
            ),
            Self::NoAccount { label, subject } => forbidden(
                "no-account",
                format!(
                    "{label} let you in, but no account here belongs to you there. If you have an account, sign in as usual and \
                     link {label} on the page about you. Otherwise give your administrator this, who can link it: {subject}"
                ),
            ),
            Self::Incomplete(what) => forbidden(
                "incomplete",
                format!("An account would be made for you, but your provider names no usable {what}. Tell your administrator."),
            ),
            Self::AddressTaken => forbidden(
                "address-taken",
                "An account with your address exists already, and an address proves nothing. Sign in to it as usual and link your \
                 provider on the page about you, or have an administrator link it."
                    .to_owned(),
            ),
            Self::SwitchedOff => forbidden(
                "switched-off",
                "Your account here is switched off, or was removed. Ask your administrator about it.".to_owned(),
            ),
            Self::LinkedElsewhere => Problem::new(
                ProblemKind::Conflict,
                "linked-elsewhere",
                "This identity opens another account already. Remove it there first, or sign in there as somebody else.",
            ),
            Self::TooMany => Problem::new(
                ProblemKind::Conflict,
                "too-many-identities",
                format!("An account has at most {} identities. Remove one first.", crate::links::PER_PERSON),
            ),
            Self::NoLink => {
                Problem::new(ProblemKind::NotFound, "no-such-link", "There is no such identity at this account any more.")
            }
            Self::LastWay => Problem::new(
                ProblemKind::Conflict,
                "last-way",
                "This identity is the only way into your account. Have an administrator invite you to choose a password first, \
                 or link another identity.",
            ),
            Self::OtherPerson => forbidden(
                "other-person",
                "Somebody else is signed in now than when this began. Begin again on the page about you.".to_owned(),
            ),
            Self::Saml(refused) if *refused != saml::Refused::Ours => forbidden("saml-refused", refused.public().to_owned()),
            Self::Key(why) => Problem::new(ProblemKind::Conflict, "key-act", format!("Nothing was done: {why}.")),
            Self::Denied(denied) => denied.problem(),
            Self::Identity(error) => error.problem(),
            Self::Access(error) => error.problem(),
            Self::Resources(error) => error.problem(),
            Self::Store(error) => error.problem(),
            Self::Vault(_) | Self::Crypto(_) | Self::Audit(_) | Self::Saml(_) => Problem::internal(),
        }
    }
}
