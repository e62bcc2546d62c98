//! The steps of a decision, as values that read as sentences.

use std::fmt;

use base::RouteId;

use crate::{Class, Mismatch};

/// One step of a decision. `Display` gives the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No route matches.
    NoRoute {
        /// How many there are.
        routes: usize,
        /// The class of the message.
        class: Class,
    },
    /// A route does not match; told only to those who ask for an explanation.
    Passed {
        /// Its id.
        id: RouteId,
        /// What it matches.
        route: String,
        /// Why not.
        why: Mismatch,
    },
    /// A route matches.
    Matched {
        /// Its id.
        id: RouteId,
        /// What it matches.
        route: String,
        /// Whether it is the workspace's own.
        own: bool,
        /// The share that it has among its equals, in hundredths, when weights decided.
        share: Option<u8>,
    },
    /// A route that matches was not reached: one before it took the message. Told only to those who ask for an explanation.
    NotReached {
        /// Its id.
        id: RouteId,
        /// What it matches.
        route: String,
    },
    /// A route names a carrier that is not attached.
    UnknownCarrier {
        /// Its name.
        carrier: String,
    },
    /// A development workspace reaches simulated carriers only (control E-12).
    NotForDevelopment {
        /// The carrier.
        carrier: String,
    },
    /// A carrier was tried already.
    Tried {
        /// The carrier.
        carrier: String,
    },
    /// A carrier is down.
    Down {
        /// The carrier.
        carrier: String,
        /// Why.
        reason: String,
    },
    /// A carrier does not take the source address and is given no other.
    SenderNotTaken {
        /// The carrier.
        carrier: String,
        /// The address.
        sender: String,
    },
    /// A carrier is given another source address.
    SenderReplaced {
        /// The carrier.
        carrier: String,
        /// The address it does not take.
        sender: String,
        /// The one it is given.
        instead: String,
    },
    /// Neither the message nor the route names a source address.
    NoSender {
        /// What the route matches.
        route: String,
    },
    /// This carrier it is.
    Chosen {
        /// The carrier.
        carrier: String,
    },
    /// This carrier it is, and the message waits until it is up.
    Waits {
        /// The carrier.
        carrier: String,
    },
}

impl Reason {
    /// Whether people should be told although they did not ask.
    pub(crate) const fn is_unusual(&self) -> bool {
        !matches!(
            self,
            Self::Matched { .. }
                | Self::Chosen { .. }
                | Self::Passed { .. }
                | Self::NotReached { .. }
                | Self::SenderReplaced { .. }
        )
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => f.write_str("the number begins otherwise"),
            Self::Country(Some(country)) => write!(f, "the number is in {country}"),
            Self::Country(None) => f.write_str("the number is in no country that is known"),
            Self::Class => f.write_str("the message is of another class"),
            Self::Sender => f.write_str("the message names another sender, or none"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute { routes: 0, .. } => f.write_str("there is no route yet; add one under routes"),
            Self::NoRoute { routes, class } => {
                write!(
                    f,
                    "none of the {routes} routes matches this destination and class {class}; add one under routes"
                )
            }
            Self::Passed { route, why, .. } => write!(f, "the route for {route} does not match: {why}"),
            Self::Matched { route, own, share, .. } => {
                let whose = if *own { "workspace's" } else { "general" };
                write!(f, "the {whose} route for {route} matches")?;
                match share {
                    Some(share) => write!(f, " and is drawn among its equals, with {share} of 100 by weight"),
                    None => Ok(()),
                }
            }
            Self::NotReached { route, .. } => {
                write!(f, "the route for {route} would match; one before it took the message")
            }
            Self::UnknownCarrier { carrier } => write!(f, "carrier {carrier} is named by the route but does not exist"),
            Self::NotForDevelopment { carrier } => write!(
                f,
                "carrier {carrier} is real and a development workspace reaches simulated carriers only, unless an administrator opens the route"
            ),
            Self::Tried { carrier } => write!(f, "carrier {carrier} was tried already"),
            Self::Down { carrier, reason } => write!(f, "carrier {carrier} is down ({reason})"),
            Self::SenderNotTaken { carrier, sender } => {
                write!(f, "carrier {carrier} does not take sender {sender}, and its settings name no other")
            }
            Self::SenderReplaced { carrier, sender, instead } => {
                write!(f, "carrier {carrier} does not take sender {sender} and is given {instead}")
            }
            Self::NoSender { route } => {
                write!(f, "neither the message nor the route for {route} names a sender; set one in the route")
            }
            Self::Chosen { carrier } => write!(f, "carrier {carrier} takes it"),
            Self::Waits { carrier } => write!(f, "it waits for carrier {carrier}"),
        }
    }
}

/// A record as one line of text.
pub(crate) fn sentences(record: &[Reason]) -> String {
    record.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
