//! Forged answers: every one refused, each for the reason that it should be. Replay is `federation`'s to notice, and tested
//! there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::{Expected, Posted, Refused, response};

use crate::forge::{
    ACS, ASKED, C14N, DS, ENVELOPED, IDP, ISSUER, Mould, SAML, STRANGER, Seal, US, assertion, at, expected, now, read,
    signed, wrapped, written,
};

/// A forgery: what it is called, the reason by its name, and the message.
type Row = (&'static str, &'static str, Vec<u8>);

fn row(name: &'static str, because: &'static str, message: impl Into<Vec<u8>>) -> Row {
    (name, because, message.into())
}

/// A genuine response with a signed assertion.
fn genuine() -> String {
    wrapped(&signed(&assertion()))
}

/// Signed by the provider after a change: the provider itself says it.
fn says(from: &str, to: &str) -> String {
    let changed = assertion().replace(from, to);
    assert_ne!(changed, assertion(), "{from}");
    wrapped(&signed(&changed))
}

/// Somebody else's word, not signed.
fn evil() -> String {
    assertion().replace("ID=\"_a\"", "ID=\"_evil\"").replace(">bea</saml:NameID>", ">root</saml:NameID>")
}

/// Where an assertion's signature is, out of a signed one.
fn signature_of(signed: &str) -> String {
    let from = signed.find("<ds:Signature ").unwrap();
    let to = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    signed[from..to].to_owned()
}

fn with_object(signature: &str, inside: &str) -> String {
    signature.replace("</ds:Signature>", &format!("<ds:Object>{inside}</ds:Object></ds:Signature>"))
}

fn mould(change: impl Fn(&mut Mould)) -> String {
    let mut mould = Mould::of("_a");
    change(&mut mould);
    wrapped(&mould.sign(&assertion()))
}

/// Signature wrapping, XSW1 to XSW8 by the numbers of the literature, and relatives of them.
fn wrapping() -> Vec<Row> {
    let whole = signed(&wrapped(&assertion()));
    let bare = wrapped(&assertion());
    let signature = signature_of(&whole);
    let evil_response = wrapped(&evil()).replace("ID=\"_r\"", "ID=\"_evilr\"");
    let put = |response: &str, what: &str| response.replacen("</saml:Issuer>", &format!("</saml:Issuer>{what}"), 1);
    let before_end =
        |response: &str, what: &str| response.replace("</samlp:Response>", &format!("{what}</samlp:Response>"));
    let good = signed(&assertion());
    let own = signature_of(&good);
    let stripped = good.replace(&own, "");
    let evil_signed = evil().replacen("</saml:Issuer>", &format!("</saml:Issuer>{own}"), 1);
    let into =
        |assertion: &str, what: &str| assertion.replace("</saml:Assertion>", &format!("{what}</saml:Assertion>"));
    vec![
        row(
            "XSW1",
            "TwoAssertions",
            put(&evil_response, &signature.replace("</ds:Signature>", &format!("{bare}</ds:Signature>"))),
        ),
        row("XSW2", "TwoAssertions", put(&evil_response, &format!("{bare}{signature}"))),
        row("XSW3", "TwoAssertions", wrapped(&format!("{}{good}", evil()))),
        row("XSW4", "TwoAssertions", wrapped(&into(&evil(), &good))),
        row("XSW5", "TwoAssertions", before_end(&wrapped(&evil_signed), &stripped)),
        row(
            "XSW6",
            "TwoAssertions",
            wrapped(&evil().replacen(
                "</saml:Issuer>",
                &format!("</saml:Issuer>{}", own.replace("</ds:Signature>", &format!("{stripped}</ds:Signature>"))),
                1,
            )),
        ),
        row("XSW7", "TwoAssertions", put(&genuine(), &format!("<samlp:Extensions>{}</samlp:Extensions>", evil()))),
        row(
            "XSW8",
            "TwoAssertions",
            wrapped(&evil().replacen("</saml:Issuer>", &format!("</saml:Issuer>{}", with_object(&own, &stripped)), 1)),
        ),
        row(
            "the signed one in Extensions",
            "TwoAssertions",
            put(&wrapped(&evil()), &format!("<samlp:Extensions>{good}</samlp:Extensions>")),
        ),
        row("a signature moved to another assertion", "Reference", wrapped(&evil_signed)),
        row("the same identifier, other content", "Digest", wrapped(&evil_signed.replace("_evil", "_a"))),
        row(
            "the response's signature inside the assertion",
            "Reference",
            wrapped(&evil().replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1)),
        ),
        row(
            "a signature in the status",
            "SignaturePlace",
            genuine().replace(&own, "").replace("</samlp:Status>", &format!("{own}</samlp:Status>")),
        ),
        row(
            "a signature deep in the subject",
            "SignaturePlace",
            wrapped(&evil().replace("</saml:Subject>", &format!("{own}</saml:Subject>"))),
        ),
        row(
            "an object inside the signature",
            "SignatureShape",
            wrapped(&good.replace(&own, &with_object(&own, "<x></x>"))),
        ),
        row(
            "two signatures in one assertion",
            "SignatureShape",
            wrapped(&good.replacen(&own, &format!("{own}{own}"), 1)),
        ),
        row(
            "an assertion below something else",
            "Structure",
            wrapped(&format!("<samlp:Extensions>{good}</samlp:Extensions>")),
        ),
        row("an element that is not known beside it", "Structure", before_end(&genuine(), "<samlp:More></samlp:More>")),
        row("text beside it", "Structure", before_end(&genuine(), "more")),
        row("duplicate identifiers", "DuplicateId", genuine().replace("ID=\"_r\"", "ID=\"_a\"")),
        row(
            "duplicate identifiers in other writing",
            "DuplicateId",
            genuine().replace("<samlp:Status>", "<samlp:Status Id=\"_a\">"),
        ),
        row(
            "two signed assertions",
            "TwoAssertions",
            wrapped(&format!("{good}{}", signed(&assertion().replace("\"_a\"", "\"_b\"")))),
        ),
    ]
}

/// Signatures that are none, or not the provider's.
fn signing() -> Vec<Row> {
    let good = signed(&assertion());
    let by_stranger = |shown: Option<&[u8]>| {
        let mould = Mould { shown: shown.map(<[u8]>::to_vec), ..Mould::of("_a") };
        wrapped(&mould.sign_with(&assertion(), &|text| STRANGER.own.sign(text).unwrap()))
    };
    let hmac = |text: &[u8]| crypto::hmac_sha256(IDP.own.certificate(), text).to_vec();
    let keyed = Mould { method: "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256".into(), ..Mould::of("_a") };
    let transform = |all: &[&str]| mould(|mould| mould.transforms = all.iter().map(|&one| one.to_owned()).collect());
    let second = "<ds:Reference URI=\"#_r\"><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
                  <ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>";
    let listed = format!("<ec:InclusiveNamespaces xmlns:ec=\"{C14N}\" PrefixList=\"{}\">", "saml ".repeat(5_000));
    let filled = |end: &str, inside: &str| {
        let changed = genuine().replacen(end, &format!("{inside}{end}"), 1);
        assert_ne!(changed, genuine(), "{end}");
        changed
    };
    vec![
        row("nothing is signed", "Unsigned", wrapped(&assertion())),
        row("the signature was taken out", "Unsigned", wrapped(&good.replace(&signature_of(&good), ""))),
        row("a stranger's key, shown", "Stranger", by_stranger(Some(STRANGER.own.certificate()))),
        row(
            "a stranger's key behind the provider's certificate",
            "Signature",
            by_stranger(Some(IDP.own.certificate())),
        ),
        row("a stranger's key, not shown", "Signature", by_stranger(None)),
        row("a name changed after signing", "Digest", genuine().replace(">bea<", ">root<")),
        row("a group added after signing", "Digest", genuine().replace(">ops", ">admins")),
        row("a response changed after signing", "Digest", signed(&wrapped(&assertion())).replace(">bea<", ">root<")),
        row(
            "one good signature, one bad",
            "Digest",
            signed(&wrapped(&good)).replace("_s1", "_s2").replace("&#x5f;", "_"),
        ),
        row("HMAC with the certificate as the secret", "Algorithm", wrapped(&keyed.sign_with(&assertion(), &hmac))),
        row(
            "SHA-1 in the signature",
            "Algorithm",
            mould(|mould| mould.method = "http://www.w3.org/2000/09/xmldsig#rsa-sha1".into()),
        ),
        row(
            "SHA-1 in the digest",
            "Algorithm",
            mould(|mould| mould.digest_method = "http://www.w3.org/2000/09/xmldsig#sha1".into()),
        ),
        row("MD5", "Algorithm", mould(|mould| mould.method = "http://www.w3.org/2001/04/xmldsig-more#rsa-md5".into())),
        row("no algorithm", "Algorithm", mould(|mould| mould.method = String::new())),
        row(
            "ECDSA with an RSA key",
            "Signature",
            mould(|mould| mould.method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256".into()),
        ),
        row(
            "PSS that is none",
            "Signature",
            mould(|mould| mould.method = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1".into()),
        ),
        row(
            "parameters of a method",
            "SignatureShape",
            mould(|mould| mould.parameters = "<ds:HMACOutputLength>1</ds:HMACOutputLength>".into()),
        ),
        row("an XSLT transform", "Transforms", transform(&[ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116"])),
        row("an XPath transform", "Transforms", transform(&["http://www.w3.org/TR/1999/REC-xpath-19991116", C14N])),
        row("an XPath filter", "Transforms", transform(&[ENVELOPED, "http://www.w3.org/2002/06/xmldsig-filter2"])),
        row("a base64 transform", "Transforms", transform(&[ENVELOPED, "http://www.w3.org/2000/09/xmldsig#base64"])),
        row(
            "inclusive canonicalization",
            "Transforms",
            transform(&[ENVELOPED, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"]),
        ),
        row(
            "canonicalization with comments",
            "Transforms",
            transform(&[ENVELOPED, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"]),
        ),
        row("three transforms", "Transforms", transform(&[ENVELOPED, C14N, C14N])),
        row("transforms the other way round", "Transforms", transform(&[C14N, ENVELOPED])),
        row("no transforms", "Transforms", transform(&[])),
        row(
            "inclusive canonicalization of what is signed",
            "Transforms",
            mould(|mould| mould.canonicalization = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315".into()),
        ),
        row(
            "elements in a parameter of what is signed",
            "Transforms",
            filled(
                "</ds:CanonicalizationMethod>",
                &format!("{listed}{}</ec:InclusiveNamespaces>", "<x/>".repeat(9_000)),
            ),
        ),
        row(
            "elements in a parameter of a transform",
            "Transforms",
            filled("</ds:Transform></ds:Transforms>", &format!("{listed}<x/></ec:InclusiveNamespaces>")),
        ),
        row(
            "two parameters",
            "Transforms",
            filled("</ds:CanonicalizationMethod>", &format!("{listed}</ec:InclusiveNamespaces>").repeat(2)),
        ),
        row("elements in the digest's method", "Transforms", filled("</ds:DigestMethod>", "<x/>")),
        row("two references", "References", mould(|mould| second.clone_into(&mut mould.more))),
        row("no reference", "References", {
            let good = mould(|_| {});
            let (from, to) = (good.find("<ds:Reference ").unwrap(), good.find("</ds:Reference>").unwrap() + 15);
            good.replace(&good[from..to], "")
        }),
        row("an empty reference", "Reference", mould(|mould| mould.uri = String::new())),
        row("a reference elsewhere", "Reference", mould(|mould| mould.uri = "https://evil.example/a.xml".into())),
        row("a reference to another element", "Reference", mould(|mould| mould.uri = "#_r".into())),
        row("a reference by XPointer", "Reference", mould(|mould| mould.uri = "#xpointer(id('_a'))".into())),
        row("odd base64 in the signature", "Base64", {
            let signature = signature_of(&good);
            wrapped(&good.replace(&signature, &signature.replace("<ds:SignatureValue>", "<ds:SignatureValue>!")))
        }),
    ]
}

/// What readers of XML see differently.
fn writing() -> Vec<Row> {
    let doctype = |inside: &str| format!("<!DOCTYPE samlp:Response {inside}>{}", genuine());
    let utf16 = |text: &str| {
        let mut out = vec![0xff, 0xfe];
        out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        out
    };
    let named = |to: &str| genuine().replace(">bea<", to);
    vec![
        row("a comment in a name", "Comment", named(">root<!-- -->bea<")),
        row("a comment that is signed away", "Comment", says(">bea<", ">root@example.com<!---->.evil.example<")),
        row("a comment anywhere", "Comment", genuine().replace("<saml:Conditions", "<!-- x --><saml:Conditions")),
        row("a comment before everything", "Comment", format!("<!-- x -->{}", genuine())),
        row("a processing instruction in a name", "Instruction", named(">root<?x y?>bea<")),
        row("a processing instruction before", "Instruction", format!("<?xml-stylesheet href=\"x\"?>{}", genuine())),
        row("CDATA in a name", "Cdata", named("><![CDATA[bea]]><")),
        row("a document type", "Doctype", doctype("")),
        row(
            "an entity of the document's own",
            "Doctype",
            doctype("[<!ENTITY who \"root\">]").replace(">bea<", ">&who;<"),
        ),
        row(
            "a file as an entity",
            "Doctype",
            doctype("[<!ENTITY who SYSTEM \"file:///etc/passwd\">]").replace(">bea<", ">&who;<"),
        ),
        row("a document type elsewhere", "Doctype", doctype("SYSTEM \"https://evil.example/x.dtd\"")),
        row(
            "a billion laughs",
            "Doctype",
            doctype("[<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]"),
        ),
        row("a document type later", "Doctype", genuine().replace("<samlp:Status>", "<!DOCTYPE x><samlp:Status>")),
        row("an entity that is not declared", "Entity", named(">&who;<")),
        row("an entity without an end", "Entity", named(">root&amp<")),
        row("nul by number", "Character", named(">bea&#0;<")),
        row("nul", "Character", named(">bea\0<")),
        row("a number that is no character", "Character", named(">bea&#xD800;<")),
        row("a number that is none", "Character", named(">bea&#x;<")),
        row("UTF-16", "Encoding", utf16(&genuine())),
        row("UTF-16 that says so", "Encoding", format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{}", genuine())),
        row(
            "Latin-1 that says so",
            "Encoding",
            format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{}", genuine()),
        ),
        row("bytes that are no UTF-8", "Encoding", [genuine().into_bytes(), vec![0xff]].concat()),
        row("a mark of byte order", "Malformed", format!("\u{feff}{}", genuine())),
        row("XML 1.1", "Malformed", format!("<?xml version=\"1.1\"?>{}", genuine())),
        row("two roots", "Malformed", format!("{}{}", genuine(), wrapped(&evil()))),
        row("text behind the root", "Malformed", format!("{}x", genuine())),
        row("cut off", "Malformed", genuine()[..genuine().len() - 5].to_owned()),
        row("nothing", "Malformed", ""),
        row(
            "an attribute twice",
            "Malformed",
            genuine().replace("Version=\"2.0\">", "Version=\"2.0\" Version=\"2.0\">"),
        ),
        row(
            "an attribute twice by two prefixes",
            "Malformed",
            genuine().replacen(
                "<saml:Subject>",
                "<saml:Subject xmlns:p=\"urn:x\" xmlns:q=\"urn:x\" p:a=\"1\" q:a=\"2\">",
                1,
            ),
        ),
        row(
            "a prefix that is not declared",
            "Namespace",
            genuine().replacen("<saml:Subject>", "<saml:Subject p:a=\"1\">", 1),
        ),
        row(
            "the prefix xml bound anew",
            "Namespace",
            genuine().replacen("<saml:Subject>", "<saml:Subject xmlns:xml=\"urn:x\">", 1),
        ),
        row("a prefix undone", "Namespace", genuine().replacen("<saml:Subject>", "<saml:Subject xmlns:p=\"\">", 1)),
        row("names of another namespace", "Subject", says("<saml:NameID ", "<saml:NameID xmlns:saml=\"urn:evil\" ")),
        row(
            "an assertion of another namespace beside it",
            "Structure",
            wrapped(&format!("{}<e:Assertion xmlns:e=\"urn:evil\"></e:Assertion>", signed(&assertion()))),
        ),
        row("a name within a name", "Structure", says(">bea<", "><saml:NameID>root</saml:NameID>bea<")),
        row("elements that overlap", "Malformed", genuine().replacen("</saml:Subject>", "</saml:Conditions>", 1)),
        row("]]> in a text", "Malformed", named(">be]]>a<")),
        row("too long", "TooLarge", named(&format!(">{}<", "x".repeat(300_000)))),
        row("too deep", "TooLarge", named(&format!(">{}{}<", "<x>".repeat(200), "</x>".repeat(200)))),
        row("too many parts", "TooLarge", named(&format!(">{}<", "<x/>".repeat(25_000)))),
        row("too many attributes", "TooLarge", {
            let all: String = (0..200).map(|at| format!(" a{at}=\"\"")).collect();
            genuine().replacen("<saml:Subject>", &format!("<saml:Subject{all}>"), 1)
        }),
        row("too many namespaces in scope", "TooLarge", {
            let level = |at: usize| -> String { (0..50).map(|one| format!(" xmlns:n{at}x{one}=\"urn:x\"")).collect() };
            named(&format!("><x{}><x{}><x{}/></x></x><", level(0), level(1), level(2)))
        }),
    ]
}

/// What the provider did sign, but not for this.
fn meaning() -> Vec<Row> {
    let whole = |from: &str, to: &str| signed(&wrapped(&assertion()).replacen(from, to, 1));
    vec![
        row(
            "another audience",
            "Audience",
            says(&format!("<saml:Audience>{US}"), "<saml:Audience>https://other.example/metadata"),
        ),
        row(
            "an audience with a slash more",
            "Audience",
            says(&format!("{US}</saml:Audience>"), &format!("{US}/</saml:Audience>")),
        ),
        row(
            "no audience",
            "Audience",
            says(
                &format!("<saml:AudienceRestriction><saml:Audience>{US}</saml:Audience></saml:AudienceRestriction>"),
                "",
            ),
        ),
        row(
            "two restrictions, one of others",
            "Audience",
            says(
                "</saml:Conditions>",
                "<saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience></saml:AudienceRestriction></saml:Conditions>",
            ),
        ),
        row(
            "another recipient",
            "Recipient",
            says(&format!("Recipient=\"{ACS}\""), "Recipient=\"https://other.example/acs\""),
        ),
        row("no recipient", "Recipient", says(&format!(" Recipient=\"{ACS}\""), "")),
        row(
            "another destination",
            "Destination",
            whole(&format!("Destination=\"{ACS}\""), "Destination=\"https://other.example/acs\""),
        ),
        row("no destination in a signed response", "Destination", whole(&format!(" Destination=\"{ACS}\""), "")),
        row(
            "another destination in an unsigned response",
            "Destination",
            genuine().replacen(ACS, "https://other.example/acs", 1),
        ),
        row(
            "an answer to another request",
            "InResponseTo",
            says(&format!("InResponseTo=\"{ASKED}\""), "InResponseTo=\"_another\""),
        ),
        row("an answer to another request outside", "InResponseTo", genuine().replacen(ASKED, "_another", 1)),
        row("an answer to no request", "InResponseTo", says(&format!("InResponseTo=\"{ASKED}\" "), "")),
        row(
            "nobody asked",
            "Unsolicited",
            says(&format!("InResponseTo=\"{ASKED}\" "), "").replace(&format!(" InResponseTo=\"{ASKED}\""), ""),
        ),
        row(
            "another issuer of the assertion",
            "Issuer",
            says(&format!("<saml:Issuer>{ISSUER}"), "<saml:Issuer>https://evil.example/metadata"),
        ),
        row("another issuer of the response", "Issuer", genuine().replacen(ISSUER, "https://evil.example/metadata", 1)),
        row(
            "an issuer with a slash more",
            "Issuer",
            says(&format!("{ISSUER}</saml:Issuer>"), &format!("{ISSUER}/</saml:Issuer>")),
        ),
        row("no issuer", "Issuer", {
            let mould = Mould::of("_a");
            let bare = assertion().replace(&format!("<saml:Issuer>{ISSUER}</saml:Issuer>"), "");
            let signature = mould.signature(&bare, &|text| IDP.own.sign(text).unwrap());
            wrapped(&bare.replacen("<saml:Subject>", &format!("{signature}<saml:Subject>"), 1))
        }),
        row(
            "not yet",
            "TooEarly",
            says(&format!("NotBefore=\"{}\"", written(now())), &format!("NotBefore=\"{}\"", written(at(120)))),
        ),
        row(
            "made in a time to come",
            "TooEarly",
            says(&format!("IssueInstant=\"{}\"", written(now())), &format!("IssueInstant=\"{}\"", written(at(120)))),
        ),
        row(
            "signed in in a time to come",
            "TooEarly",
            says(&format!("AuthnInstant=\"{}\"", written(now())), &format!("AuthnInstant=\"{}\"", written(at(120)))),
        ),
        row("over", "TooLate", says(&written(at(300)), &written(at(-60)))),
        row(
            "the confirmation is over",
            "TooLate",
            says(
                &format!("NotOnOrAfter=\"{}\" Recipient", written(at(300))),
                &format!("NotOnOrAfter=\"{}\" Recipient", written(at(-60))),
            ),
        ),
        row(
            "the session is over",
            "TooLate",
            says("SessionIndex=\"_s1\"", &format!("SessionIndex=\"_s1\" SessionNotOnOrAfter=\"{}\"", written(at(-60)))),
        ),
        row(
            "a confirmation without an end",
            "Confirmation",
            says(&format!(" NotOnOrAfter=\"{}\" Recipient", written(at(300))), " Recipient"),
        ),
        row("a time without a zone", "Structure", says(&written(at(300)), "2026-10-23T01:17:07")),
        row("no bearer", "Confirmation", says("cm:bearer", "cm:holder-of-key")),
        row("no confirmation", "Confirmation", {
            let text = assertion();
            let (from, to) = (text.find("<saml:SubjectConfirmation ").unwrap(), text.find("</saml:Subject>").unwrap());
            wrapped(&signed(&text.replace(&text[from..to], "")))
        }),
        row(
            "a condition that nobody knows",
            "Condition",
            says("</saml:Conditions>", "<saml:Condition></saml:Condition></saml:Conditions>"),
        ),
        row("nobody signed in", "NoStatement", {
            let text = assertion();
            let (from, to) =
                (text.find("<saml:AuthnStatement").unwrap(), text.find("<saml:AttributeStatement").unwrap());
            wrapped(&signed(&text.replace(&text[from..to], "")))
        }),
        row("no name", "Subject", says(">bea<", "><")),
        row("a name with a space", "Subject", says(">bea<", ">bea <")),
        row("a name with a line end", "Subject", says(">bea<", ">be\na<")),
        row("two names", "Structure", says("</saml:NameID>", "</saml:NameID><saml:NameID>root</saml:NameID>")),
        row(
            "an attribute of another kind",
            "Structure",
            says("<saml:AttributeStatement>", "<saml:AttributeStatement><saml:Other></saml:Other>"),
        ),
        row("no assertion", "NoAssertion", wrapped("")),
        row("the provider said no", "Status", whole("status:Success", "status:Responder")),
        row("an old version", "Kind", genuine().replacen("Version=\"2.0\"", "Version=\"1.1\"", 1)),
        row("an old version of the assertion", "Kind", says("Version=\"2.0\"", "Version=\"1.1\"")),
        row("another message", "Kind", genuine().replace("samlp:Response", "samlp:LogoutResponse")),
        row("an identifier that is none", "Structure", genuine().replacen("ID=\"_r\"", "ID=\"\"", 1)),
    ]
}

fn encrypting() -> Vec<Row> {
    let good = signed(&assertion());
    let seal = |seal: Seal<'_>| wrapped(&seal.seal(&good));
    let sealed = |inside: &str| wrapped(&Seal::default().seal(inside));
    vec![
        row("encrypted to another key", "Undecipherable", seal(Seal { to: &STRANGER, ..Seal::default() })),
        row("encrypted, not signed", "Unsigned", sealed(&assertion())),
        row("CBC that nothing around signs", "UnsignedCbc", seal(Seal { cbc: true, ..Seal::default() })),
        row(
            "CBC that is called GCM",
            "Undecipherable",
            seal(Seal { cbc: true, cipher: Some("http://www.w3.org/2009/xmlenc11#aes256-gcm"), ..Seal::default() }),
        ),
        row("changed after encrypting", "Undecipherable", seal(Seal { tamper: true, ..Seal::default() })),
        row(
            "triple DES",
            "Encryption",
            seal(Seal { cipher: Some("http://www.w3.org/2001/04/xmlenc#tripledes-cbc"), ..Seal::default() }),
        ),
        row(
            "RSA with PKCS #1 v1.5",
            "Encryption",
            seal(Seal { transport: "http://www.w3.org/2001/04/xmlenc#rsa-1_5", ..Seal::default() }),
        ),
        row("data that lie elsewhere", "Encryption", {
            let text = seal(Seal::default());
            let (from, to) =
                (text.rfind("<xenc:CipherValue>").unwrap(), text.rfind("</xenc:CipherValue>").unwrap() + 19);
            text.replace(&text[from..to], "<xenc:CipherReference URI=\"https://evil.example\"></xenc:CipherReference>")
        }),
        row("a stranger's word, encrypted", "Stranger", {
            let mould = Mould { shown: Some(STRANGER.own.certificate().to_vec()), ..Mould::of("_a") };
            sealed(&mould.sign_with(&assertion(), &|text| STRANGER.own.sign(text).unwrap()))
        }),
        row("two assertions inside", "Malformed", sealed(&format!("{good}{}", evil()))),
        row(
            "an assertion within the assertion",
            "Structure",
            sealed(&signed(&assertion().replace("</saml:Assertion>", &format!("{}</saml:Assertion>", evil())))),
        ),
        row(
            "something else inside",
            "Structure",
            sealed(&format!("<saml:Advice xmlns:saml=\"{SAML}\"></saml:Advice>")),
        ),
        row(
            "an encrypted one beside a plain one",
            "TwoAssertions",
            wrapped(&format!("{good}{}", Seal::default().seal(&evil()))),
        ),
        row("identifiers twice, one encrypted", "DuplicateId", sealed(&good).replace("ID=\"_r\"", "ID=\"_a\"")),
        row("a document type inside", "Doctype", sealed(&format!("<!DOCTYPE x>{good}"))),
        row("a comment inside", "Comment", sealed(&good.replace(">bea<", ">root<!---->bea<"))),
        row(
            "an encrypted name",
            "Encryption",
            wrapped(&signed(
                &assertion().replace("</saml:NameID>", "</saml:NameID><saml:EncryptedID></saml:EncryptedID>"),
            )),
        ),
        row(
            "an encrypted attribute",
            "Encryption",
            says(
                "<saml:AttributeStatement>",
                "<saml:AttributeStatement><saml:EncryptedAttribute></saml:EncryptedAttribute>",
            ),
        ),
    ]
}

#[test]
fn x_11_every_forged_answer_is_refused_for_its_own_reason() {
    // What is forged would be believed if it were not.
    assert_eq!(read(genuine()).unwrap().subject.value, "bea");
    let all = [wrapping(), signing(), writing(), meaning(), encrypting()].concat();
    let mut wrong = Vec::new();
    for (name, because, message) in &all {
        match read(message) {
            Ok(said) => wrong.push(format!("{name}: believed, as {}", said.subject.value)),
            Err(refused) if refused.name() != *because => wrong.push(format!("{name}: {refused:?} and not {because}")),
            Err(refused) => {
                assert!(!refused.to_string().contains("evil") && !refused.public().contains("evil"), "{name}");
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(all.len() >= 40, "{}", all.len());
}

#[test]
fn x_11_what_is_not_encrypted_is_refused_where_that_is_wanted() {
    let keys = [IDP.public()];
    let wanted = Expected { encrypted: true, ..expected(&keys) };
    assert_eq!(response(genuine().as_bytes(), &wanted).unwrap_err(), Refused::NotEncrypted);
    let sealed = wrapped(&Seal::default().seal(&signed(&assertion())));
    assert!(response(sealed.as_bytes(), &wanted).is_ok());
}

/// Base64 is read to the letter, and one message at a time.
#[test]
fn x_11_odd_forms_are_refused() {
    let good = STANDARD.encode(genuine());
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let field = |text: &str| format!("SAMLResponse={}", encoded(text));
    assert!(Posted::form(field(&good).as_bytes()).is_ok());
    let wrapped_lines =
        good.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\r\n");
    assert!(Posted::form(field(&wrapped_lines).as_bytes()).is_ok(), "lines as mail has them");
    let cases = [
        ("the alphabet of addresses", field(&good.replace('+', "-").replace('/', "_")), "Base64"),
        ("without its end", field(good.trim_end_matches('=').get(..good.len() - 3).unwrap()), "Base64"),
        ("something behind it", field(&format!("{good}====")), "Base64"),
        ("something within it", field(&format!("{}*{}", &good[..8], &good[8..])), "Base64"),
        ("nothing", String::new(), "NoMessage"),
        ("another field", "Other=x".to_owned(), "NoMessage"),
        ("two answers", format!("{}&{}", field(&good), field(&good)), "NoMessage"),
        ("a request and an answer", format!("{}&SAMLRequest={}", field(&good), encoded(&good)), "NoMessage"),
        ("two places to go on", format!("{}&RelayState=a&RelayState=b", field(&good)), "NoMessage"),
        ("too long", field(&"A".repeat(500_000)), "TooLarge"),
    ];
    for (name, body, because) in cases {
        assert_eq!(Posted::form(body.as_bytes()).unwrap_err().name(), because, "{name}");
    }
    assert!(DS.contains("xmldsig"));
}
