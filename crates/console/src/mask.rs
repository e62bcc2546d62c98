//! A value that not everybody may read, on a page: masked, or shown for a minute to somebody who asked for it.
//!
//! Every masked value of the console is one of these, so that all behave alike: the mask is what everybody sees; who holds
//! the right presses it, which is a POST (form or fragment) that the room behind writes to the audit log in the transaction
//! that opens the value; the browser puts the mask back after [`SECONDS`]; who lacks the right is told at the same place
//! which one it is. Asking for a fresh factor before (step-up) belongs between the press and the answer.

use access::Capability;
use askama::Template;
use http::{Answer, HeaderMap, Response};

use crate::page::page;

/// For how long a value stays on the page.
pub const SECONDS: u32 = 60;

/// How much a value asks of its reader (the classes of configuration and messages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Numbers of people, what senders sent.
    Confidential,
    /// What people were told.
    Restricted,
}

impl Class {
    /// The word of the tag.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }
}

/// What this reader sees of the value now.
#[derive(Clone, Debug)]
pub enum Sight {
    /// The mask, which can be pressed: where that posts to.
    Offered(String),
    /// The mask; this right is missing.
    Closed(Capability),
    /// The value, for [`SECONDS`]; and where the mask will post to again.
    Shown(String, String),
    /// Nothing is kept; a sentence says since when or why.
    Gone(String),
}

/// One masked value. Rendered by `masked.html` within a line and by `masked-block.html` as a part of a page; both call it `masked`.
#[derive(Clone, Debug)]
pub struct Masked {
    /// Its element's id, unique on the page.
    pub spot: String,
    /// What it is, for sentences: `number`, `text`, `payload`.
    pub what: &'static str,
    /// What everybody sees.
    pub mask: String,
    /// How much it asks of its reader.
    pub class: Class,
    /// What this reader sees now.
    pub sight: Sight,
    /// Whether it stands for itself in the answer to a press, to be put in its place.
    pub swap: bool,
}

impl Masked {
    /// A value at `spot`, of which nothing is kept until one of the methods below says what this reader sees.
    pub fn new(spot: impl Into<String>, what: &'static str, mask: impl Into<String>, class: Class) -> Self {
        Self { spot: spot.into(), what, mask: mask.into(), class, sight: Sight::Gone(String::new()), swap: false }
    }

    /// Can be pressed by a reader who `may`; another is told that `right` is missing.
    #[must_use]
    pub fn offered(mut self, may: bool, right: Capability, action: impl Into<String>) -> Self {
        self.sight = if may { Sight::Offered(action.into()) } else { Sight::Closed(right) };
        self
    }

    /// Shown to this reader; `action` is where its mask posts to afterwards.
    #[must_use]
    pub fn shown(mut self, value: impl Into<String>, action: impl Into<String>) -> Self {
        self.sight = Sight::Shown(value.into(), action.into());
        self
    }

    /// Not kept any more, and why.
    #[must_use]
    pub fn gone(mut self, why: impl Into<String>) -> Self {
        self.sight = Sight::Gone(why.into());
        self
    }

    /// Whether the value itself is on the page.
    pub const fn is_shown(&self) -> bool {
        matches!(self.sight, Sight::Shown(..))
    }

    /// The words behind a mask that this reader cannot lift.
    pub fn why_closed(&self) -> String {
        match &self.sight {
            Sight::Closed(right) => format!(
                "Reading this {} in full needs the right {right}, which your roles do not give. Ask an administrator.",
                self.what
            ),
            _ => String::new(),
        }
    }

    /// The seconds it is shown for, for templates.
    #[expect(clippy::unused_self, reason = "templates call methods")]
    pub const fn seconds(&self) -> u32 {
        SECONDS
    }
}

#[derive(Template)]
#[template(path = "masked.html")]
struct Line<'a> {
    masked: &'a Masked,
}

#[derive(Template)]
#[template(path = "masked-block.html")]
struct Block<'a> {
    masked: &'a Masked,
}

/// Whether a request wants only the part of the page that changes.
pub fn wants_part(headers: &HeaderMap) -> bool {
    headers.get("hx-request").is_some_and(|value| value == "true")
}

/// The answer to a press by script: a value within a line, to stand where its mask was.
pub fn line(masked: Masked) -> Answer<Response> {
    page(&Line { masked: &Masked { swap: true, ..masked } })
}

/// The same for a value that is a part of the page.
pub fn block(masked: Masked) -> Answer<Response> {
    page(&Block { masked: &Masked { swap: true, ..masked } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::HOSTILE;

    fn number() -> Masked {
        Masked::new("m-9-number", "number", "+44 77•• ••• 117", Class::Confidential)
    }

    fn rendered(masked: &Masked) -> (String, String) {
        (Line { masked }.render().unwrap(), Block { masked }.render().unwrap())
    }

    #[test]
    fn a_mask_offers_what_the_reader_may_press() {
        let (line, block) = rendered(&number().offered(true, Capability::MessageContentRead, "/w/demo/x?part=number"));
        for html in [line, block] {
            assert!(
                html.contains("formaction=\"/w/demo/x?part=number\"") && html.contains("form=\"reveal\""),
                "{html}"
            );
            assert!(html.contains("+44 77•• ••• 117") && html.contains("60 s") && html.contains("audit"), "{html}");
            assert!(!html.contains("data-shown"));
        }
    }

    #[test]
    fn without_the_right_the_same_place_says_which_is_missing() {
        let (line, block) = rendered(&number().offered(false, Capability::MessageContentRead, "/w/demo/x"));
        for html in [line, block] {
            assert!(html.contains("messages:content") && html.contains("Ask an administrator"), "{html}");
            assert!(!html.contains("formaction") && !html.contains("/w/demo/x"), "{html}");
        }
    }

    #[test]
    fn a_shown_value_carries_its_mask_for_afterwards() {
        let (line, block) = rendered(&number().shown(HOSTILE, "/w/demo/x"));
        for html in [line, block] {
            assert!(html.contains("data-shown=\"60\"") && html.contains("<template>"), "{html}");
            let after = html.split("<template>").nth(1).unwrap();
            assert!(after.contains("id=\"m-9-number\"") && after.contains("+44 77•• ••• 117"), "{html}");
            assert!(!after.contains("alert(1)"), "the value is not in what stays");
            assert!(!html.contains("<script>"));
        }
    }

    #[test]
    fn what_is_gone_says_so() {
        let (line, block) = rendered(&number().gone("It was erased with its day’s key."));
        assert!(line.contains("erased") && block.contains("erased") && !line.contains("formaction"));
    }
}
