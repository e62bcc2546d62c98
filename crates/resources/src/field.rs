//! Fields: their shapes and their classes. A field without a class cannot be written down.

use crypto::token;
use serde::Serialize;

/// How far a value may travel (control E-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Anybody may know it.
    Public,
    /// People of the organisation.
    Internal,
    /// Personal or sensitive: shown to those whose role needs it, kept out of the audit log.
    Confidential,
    /// Secrets and message texts: for named people under a policy, never printed.
    Restricted,
}

/// How a secret is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Sealed by the vault: we need the value again (a carrier's password).
    Sealed,
    /// As an HMAC under a vault key: we only compare (tokens that others show us).
    Hashed,
}

/// What we draw when a secret is not brought along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// A token, `loudhailer_<kind>_…`.
    Token(token::Kind),
    /// A secret that signs webhooks, `whsec_…`.
    Webhook,
    /// A password of SMPP 3.4, which has room for eight characters.
    Smpp34Password,
}

/// What a value looks like. All shapes are constants: `Shape::List(&Shape::Text)`.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text, in NFC when stored.
    Text,
    /// One of the listed texts.
    Choice(&'static [&'static str]),
    /// A whole number between the two, both included.
    Integer(i64, i64),
    /// Any finite number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// The natural key of an entry of that kind: of the same workspace, or of the organisation.
    Reference(&'static str),
    /// One of these words, or the key of an entry of that kind: a ready role or a custom one. The words in the middle were called so
    /// before: they are read, and not offered.
    ChoiceOr(&'static [&'static str], &'static [&'static str], &'static str),
    /// A secret: never printed, never in clear on disk.
    Secret {
        /// How it is kept.
        keep: Keep,
        /// What we draw ourselves if the file gives none.
        draw: Option<Draw>,
    },
    /// Several values of one shape.
    List(&'static Shape),
    /// Named values, each with its own class.
    Object(&'static [Field]),
    /// Values of one shape under names that the user chooses.
    Map(&'static Shape),
    /// Any JSON; the kind's own validation reads it (a flow's steps).
    Any,
}

impl Shape {
    /// A secret that is kept sealed.
    pub const SECRET: Self = Self::Secret { keep: Keep::Sealed, draw: None };

    /// A machine secret that is kept as a hash, and drawn by us (`loudhailer_<kind>_…`) when not imported.
    pub const fn token(kind: token::Kind) -> Self {
        Self::Secret { keep: Keep::Hashed, draw: Some(Draw::Token(kind)) }
    }

    /// A secret that signs webhooks, which both sides need in clear: kept sealed, and drawn by us when not imported.
    pub const WEBHOOK: Self = Self::Secret { keep: Keep::Sealed, draw: Some(Draw::Webhook) };
}

/// One field of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in files, in snake case.
    pub name: &'static str,
    /// How far its value may travel.
    pub class: Class,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether an entry must have it.
    pub required: bool,
    /// What it means, in one line, for the documentation and error messages.
    pub about: &'static str,
}

impl Field {
    /// An optional field. A secret is restricted whatever `class` says.
    pub const fn new(name: &'static str, class: Class, shape: Shape) -> Self {
        let class = if matches!(shape, Shape::Secret { .. }) { Class::Restricted } else { class };
        Self { name, class, shape, required: false, about: "" }
    }

    /// The same field, which an entry must have.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same field with its meaning in one line.
    #[must_use]
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}
