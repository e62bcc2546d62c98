//! Why something is not believed. Each reason has a name; its sentence is for administrators, and holds nothing that a stranger
//! wrote. What the person is told is [`Refused::public`].

/// Why a message or metadata is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    // How it travels.
    /// Nothing, or more than one, stands where one message is expected.
    #[error("the request holds no SAML message, or two")]
    NoMessage,
    /// The message is not in strict base64.
    #[error("the message is not in base64")]
    Base64,
    /// The message does not unpack within limits.
    #[error("the message cannot be unpacked, or unpacks to far more than it should")]
    Unpacking,
    /// Longer, deeper or of more parts than anything genuine.
    #[error("the message is too large: {0}")]
    TooLarge(&'static str),
    // How it is written.
    /// It is not in UTF-8, or says that it is in something else.
    #[error("the message is not in UTF-8")]
    Encoding,
    /// A character that XML does not have, such as nul.
    #[error("the message holds a character that XML does not have")]
    Character,
    /// It is no well-formed XML, or more of XML than is read here.
    #[error("the message is not well-formed XML: {0}")]
    Malformed(&'static str),
    /// A document type: the place where entities are declared.
    #[error("the message holds a document type (DOCTYPE), which is never read")]
    Doctype,
    /// An entity besides the five of XML.
    #[error("the message holds an entity that is none of XML's own five")]
    Entity,
    /// A comment; readers disagree about texts around it.
    #[error("the message holds a comment, which could cut a name in two")]
    Comment,
    /// A processing instruction.
    #[error("the message holds a processing instruction")]
    Instruction,
    /// A CDATA section.
    #[error("the message holds a CDATA section")]
    Cdata,
    /// A prefix without a namespace, or one that is bound to what it cannot be.
    #[error("the message uses namespaces wrongly")]
    Namespace,
    /// An identifier that two elements have.
    #[error("two elements have the same identifier")]
    DuplicateId,
    // What it consists of.
    /// Another message than is expected, or of another version.
    #[error("the message is no {0} of SAML 2.0")]
    Kind(&'static str),
    /// Something stands where it cannot.
    #[error("the message is not built as SAML says: {0}")]
    Structure(&'static str),
    /// Two assertions, or one where none can be.
    #[error("there is more than one assertion")]
    TwoAssertions,
    /// No assertion.
    #[error("there is no assertion")]
    NoAssertion,
    /// The provider says that it did not work.
    #[error("the provider answered {0}")]
    Status(&'static str),
    // Whether it is signed.
    /// Nothing that counts is signed.
    #[error("neither the response nor the assertion is signed; have the provider sign one of them")]
    Unsigned,
    /// A message that has to be signed is not.
    #[error("the message is not signed")]
    UnsignedMessage,
    /// A signature stands where it signs nothing of ours.
    #[error("a signature stands in an odd place")]
    SignaturePlace,
    /// A signature that is not built as it must be.
    #[error("the signature is not built as it must be: {0}")]
    SignatureShape(&'static str),
    /// The signature is over something else than the element it stands in.
    #[error("the signature does not refer to the element that it stands in")]
    Reference,
    /// More or fewer references than one.
    #[error("the signature does not have exactly one reference")]
    References,
    /// Transforms besides the enveloped signature and exclusive canonicalization.
    #[error(
        "the signature uses transforms that are not read (XSLT, XPath, or a canonicalization that is not exclusive)"
    )]
    Transforms,
    /// An algorithm that is not believed.
    #[error("the signature uses {0}, which is not believed; have the provider use RSA or ECDSA with SHA-256 or better")]
    Algorithm(&'static str),
    /// The key in the message is none that was configured.
    #[error(
        "the signature is by a certificate that is not this provider's here; if its certificate changed, renew its metadata"
    )]
    Stranger,
    /// The signature does not hold.
    #[error("the signature does not hold: by none of the configured certificates")]
    Signature,
    /// The signed content was changed.
    #[error("the signed content was changed (its digest differs)")]
    Digest,
    // Whether it can be opened.
    /// Encryption is wanted.
    #[error("the assertion is not encrypted, and this provider's must be")]
    NotEncrypted,
    /// Encrypted in a way that is not read.
    #[error("the assertion is encrypted with {0}, which is not read")]
    Encryption(&'static str),
    /// AES-CBC around what nothing outside signs.
    #[error(
        "the assertion is encrypted with AES-CBC, and the response around it is not signed; have the provider sign the response, or \
         encrypt with AES-GCM"
    )]
    UnsignedCbc,
    /// Encrypted to another key.
    #[error("the assertion is encrypted to another key than ours; renew our metadata at the provider")]
    Undecipherable,
    // Whom it is for.
    /// Another issuer.
    #[error("it is by another issuer")]
    Issuer,
    /// Another destination.
    #[error("it is meant for another address (Destination)")]
    Destination,
    /// Another recipient.
    #[error("it is meant for another recipient")]
    Recipient,
    /// Another audience, or none.
    #[error("it is not meant for us (AudienceRestriction)")]
    Audience,
    /// An answer to another request.
    #[error("it answers another request (InResponseTo)")]
    InResponseTo,
    /// Nobody asked.
    #[error("nobody asked for it, and this provider may not start sign-ons by itself (allow_unsolicited)")]
    Unsolicited,
    /// Too early.
    #[error("it is not good yet; the clocks differ by more than a minute")]
    TooEarly,
    /// Too late.
    #[error("it is over; the clocks differ, or somebody took too long")]
    TooLate,
    /// Used before.
    #[error("it was used before")]
    Replayed,
    // What it says.
    /// No usable name of the subject.
    #[error("it names nobody in a usable way: {0}")]
    Subject(&'static str),
    /// No way to confirm the subject that is read.
    #[error("the subject is not confirmed by bearer")]
    Confirmation,
    /// A condition that is not understood.
    #[error("it has a condition that is not understood")]
    Condition,
    /// No statement about a sign-on.
    #[error("it does not say that anybody signed in (AuthnStatement)")]
    NoStatement,
    /// Metadata that cannot be used.
    #[error("the metadata cannot be used: {0}")]
    Metadata(&'static str),
    /// An algorithm of ours failed.
    #[error("an error on our side")]
    Ours,
}

impl Refused {
    /// Its name: the word of the variant.
    pub fn name(&self) -> String {
        let shown = format!("{self:?}");
        shown.split('(').next().unwrap_or_default().to_owned()
    }

    /// What the person who stands before it is told: nothing about how it was checked.
    pub const fn public(&self) -> &'static str {
        match self {
            Self::Status(_) => "Your provider did not let you through. Try again, or ask those who look after it.",
            Self::TooEarly | Self::TooLate | Self::Replayed => {
                "What your provider said was over, or used already. Begin again on the sign-in page; if it stays, its clock and \
                 ours differ."
            }
            Self::Unsolicited | Self::InResponseTo => {
                "This answer belongs to no sign-on that this browser began here within the last ten minutes. Begin on the sign-in \
                 page."
            }
            Self::Subject(_) => {
                "Your provider did not say who you are in a way that can be used here. Tell your administrator."
            }
            _ => {
                "Signing in with your provider does not work just now. Try again in a minute; if it stays, tell your administrator: \
                 the page of the provider says why."
            }
        }
    }
}
