//! What is said to whom, and the message made of it.

use std::fmt;
use std::time::{Duration, SystemTime};

use base::{MailId, Timestamp, UserId};
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A letter to one person, in plain text.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Whom it is about and for.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub address: String,
    /// Which sort it is: a newer one of the same sort takes the place of one that has not left.
    pub purpose: &'static str,
    /// The line that mail programs list.
    pub subject: String,
    /// The text. It may hold a link with a secret.
    pub text: Zeroizing<String>,
    /// When what it says holds no longer: it is not tried beyond.
    pub expires_at: Timestamp,
}

/// What of a letter is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Words {
    name: String,
    address: String,
    subject: String,
    text: String,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words(•••)")
    }
}

impl From<&Letter> for Words {
    fn from(letter: &Letter) -> Self {
        Self {
            name: plain(&letter.name),
            address: letter.address.trim().to_owned(),
            subject: plain(&letter.subject),
            text: letter.text.to_string(),
        }
    }
}

/// One line without controls: a name must not begin another header.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Why no message can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("their address is not one that e-mail can be sent to")]
pub(crate) struct Unaddressable;

impl Words {
    /// The message. Its id is the letter's, so that one that goes twice is known for one.
    pub(crate) fn message(&self, id: MailId, from: &Mailbox, at: Timestamp) -> Result<Message, Unaddressable> {
        let address = self.address.parse().map_err(|_| Unaddressable)?;
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or_default());
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(Some(self.name.clone()).filter(|name| !name.is_empty()), address))
            .subject(self.subject.clone())
            .date(at)
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            // RFC 3834: nobody's holiday answers this.
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .header(header::MIME_VERSION_1_0)
            .body(self.text.clone())
            .map_err(|_| Unaddressable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, address: &str) -> Words {
        Words {
            name: name.into(),
            address: address.into(),
            subject: plain("Your invitation\r\nBcc: eve@example.com"),
            text: "Grüezi\n\nhttps://pager.example.com/invite#loudhailer_setup_x\n".into(),
        }
    }

    fn shown(words: &Words) -> String {
        let from = "Loudhailer <pager@example.com>".parse().unwrap();
        let id = MailId::from(uuid::Uuid::from_u128(7));
        let message = words.message(id, &from, Timestamp::from_micros(1_792_717_927_000_000)).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn a_message_says_when_from_whom_and_that_a_machine_wrote_it() {
        let text = shown(&words("Ada Sample", "ada@example.com"));
        for line in [
            "From: Loudhailer <pager@example.com>",
            "To: \"Ada Sample\" <ada@example.com>",
            "Date: Fri, 23 Oct 2026 01:12:07 +0000",
            "Message-ID: <00000000-0000-0000-0000-000000000007@example.com>",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn a_name_begins_no_header() {
        let hostile = words(&plain("Ada\r\nBcc: eve@example.com"), "ada@example.com");
        let text = shown(&hostile);
        assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
    }

    #[test]
    fn an_address_with_a_line_break_or_two_is_none() {
        let from = "pager@example.com".parse().unwrap();
        for bad in ["ada@example.com\r\nRCPT TO:<eve@example.com>", "ada@example.com, eve@example.com", "ada", ""] {
            let made = words("Ada", bad).message(MailId::from(uuid::Uuid::nil()), &from, Timestamp::from_micros(0));
            assert!(made.is_err(), "{bad}");
        }
    }

    #[test]
    fn words_are_never_printed() {
        assert_eq!(format!("{:?}", words("Ada", "ada@example.com")), "Words(•••)");
    }
}
