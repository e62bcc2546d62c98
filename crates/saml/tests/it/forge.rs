//! A provider and its forgers. Messages are written in canonical form to the letter, so that they are signed here without the code
//! that is tested.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base::{Context, ExposeSecret as _, ManualClock, SecretString, SeededChance, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::{Assertion, Expected, OwnKey, PublicKey, Refused, response};

pub const ISSUER: &str = "https://idp.example.com/metadata";
pub const US: &str = "https://gateway.example.com/sso/corp/metadata";
pub const ACS: &str = "https://gateway.example.com/sso/corp/acs";
pub const SLO: &str = "https://gateway.example.com/sso/corp/slo";
pub const ASKED: &str = "_asked";
pub const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub const C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// A key pair with the text it was made from.
pub struct Pair {
    pub own: OwnKey,
    pem: SecretString,
}

impl Pair {
    fn new(name: &str) -> Self {
        let clock = Arc::new(ManualClock::new(now()));
        let (pem, certificate) = OwnKey::generate(name, &Context::new(clock, Arc::new(SeededChance::new(3)))).unwrap();
        Self { own: OwnKey::of_pem(&pem, &certificate).unwrap(), pem }
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::of_certificate(self.own.certificate()).unwrap()
    }

    /// Encrypts to it.
    fn wrap(&self, key: &[u8]) -> Vec<u8> {
        let body: String = self.pem.expose_secret().lines().filter(|line| !line.starts_with('-')).collect();
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(body).unwrap()).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key_of = PublicEncryptingKey::from_der(der.as_ref()).unwrap();
        let key_of = OaepPublicEncryptingKey::new(key_of).unwrap();
        let mut room = vec![0; key_of.ciphertext_size()];
        key_of.encrypt(&OAEP_SHA1_MGF1SHA1, key, &mut room, None).unwrap().to_vec()
    }
}

pub static IDP: LazyLock<Pair> = LazyLock::new(|| Pair::new("provider"));
pub static STRANGER: LazyLock<Pair> = LazyLock::new(|| Pair::new("stranger"));
pub static OURS: LazyLock<Pair> = LazyLock::new(|| Pair::new("gateway"));

pub fn now() -> Timestamp {
    at(0)
}

/// A moment so many seconds from now.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_792_717_927 + seconds) * 1_000_000)
}

pub fn written(at: Timestamp) -> String {
    at.rfc3339().replace(".000Z", "Z")
}

/// The provider's word about Bea, not signed yet.
pub fn assertion() -> String {
    format!(
        "<saml:Assertion xmlns:saml=\"{SAML}\" ID=\"_a\" IssueInstant=\"{now}\" Version=\"2.0\"><saml:Issuer>{ISSUER}</saml:Issuer>\
         <saml:Subject><saml:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">bea</saml:NameID>\
         <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData \
         InResponseTo=\"{ASKED}\" NotOnOrAfter=\"{later}\" Recipient=\"{ACS}\"></saml:SubjectConfirmationData>\
         </saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore=\"{now}\" NotOnOrAfter=\"{later}\">\
         <saml:AudienceRestriction><saml:Audience>{US}</saml:Audience></saml:AudienceRestriction></saml:Conditions>\
         <saml:AuthnStatement AuthnInstant=\"{now}\" SessionIndex=\"_s1\"><saml:AuthnContext><saml:AuthnContextClassRef>\
         urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext>\
         </saml:AuthnStatement><saml:AttributeStatement><saml:Attribute FriendlyName=\"mail\" \
         Name=\"urn:oid:0.9.2342.19200300.100.1.3\"><saml:AttributeValue>bea@example.com</saml:AttributeValue></saml:Attribute>\
         <saml:Attribute Name=\"groups\"><saml:AttributeValue>night</saml:AttributeValue><saml:AttributeValue>ops\
         </saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>",
        now = written(now()),
        later = written(at(300)),
    )
}

/// A response around it, not signed.
pub fn wrapped(inside: &str) -> String {
    format!(
        "<samlp:Response xmlns:samlp=\"{SAMLP}\" Destination=\"{ACS}\" ID=\"_r\" InResponseTo=\"{ASKED}\" IssueInstant=\"{}\" \
         Version=\"2.0\"><saml:Issuer xmlns:saml=\"{SAML}\">{ISSUER}</saml:Issuer><samlp:Status><samlp:StatusCode \
         Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode></samlp:Status>{inside}</samlp:Response>",
        written(now())
    )
}

/// What a forger may turn.
#[derive(Clone)]
pub struct Mould {
    pub uri: String,
    pub method: String,
    pub digest_method: String,
    pub canonicalization: String,
    pub transforms: Vec<String>,
    /// Put into `SignatureMethod`.
    pub parameters: String,
    /// Put behind the one reference.
    pub more: String,
    /// The certificate that `KeyInfo` shows.
    pub shown: Option<Vec<u8>>,
}

impl Mould {
    pub fn of(id: &str) -> Self {
        Self {
            uri: format!("#{id}"),
            method: RSA_SHA256.into(),
            digest_method: SHA256.into(),
            canonicalization: C14N.into(),
            transforms: vec![ENVELOPED.into(), C14N.into()],
            parameters: String::new(),
            more: String::new(),
            shown: Some(IDP.own.certificate().to_vec()),
        }
    }

    /// The signature over `content`, whatever it says that it is over.
    pub fn signature(&self, content: &str, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
        let weak = self.digest_method.contains("sha1");
        let hash = if weak { &digest::SHA1_FOR_LEGACY_USE_ONLY } else { &digest::SHA256 };
        let digest = STANDARD.encode(digest::digest(hash, content.as_bytes()));
        let transforms: String =
            self.transforms.iter().map(|one| format!("<ds:Transform Algorithm=\"{one}\"></ds:Transform>")).collect();
        let info = format!(
            "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{}\"></ds:CanonicalizationMethod><ds:SignatureMethod \
             Algorithm=\"{}\">{}</ds:SignatureMethod><ds:Reference URI=\"{}\"><ds:Transforms>{transforms}</ds:Transforms>\
             <ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>{}\
             </ds:SignedInfo>",
            self.canonicalization, self.method, self.parameters, self.uri, self.digest_method, self.more
        );
        let canonical = info.replacen("<ds:SignedInfo>", &format!("<ds:SignedInfo xmlns:ds=\"{DS}\">"), 1);
        let value = STANDARD.encode(sign(canonical.as_bytes()));
        let shown = self.shown.as_ref().map(|der| {
            let der = STANDARD.encode(der);
            format!(
                "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
            )
        });
        format!(
            "<ds:Signature xmlns:ds=\"{DS}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue>{}</ds:Signature>",
            shown.unwrap_or_default()
        )
    }

    /// `content` with its signature behind its issuer.
    pub fn sign_with(&self, content: &str, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
        content.replacen("</saml:Issuer>", &format!("</saml:Issuer>{}", self.signature(content, sign)), 1)
    }

    pub fn sign(&self, content: &str) -> String {
        self.sign_with(content, &|text| IDP.own.sign(text).unwrap())
    }
}

/// An assertion or response as the provider signs it.
pub fn signed(content: &str) -> String {
    let id = content.split("ID=\"").nth(1).unwrap().split('"').next().unwrap();
    Mould::of(id).sign(content)
}

/// How an assertion is encrypted.
pub struct Seal<'a> {
    pub to: &'a Pair,
    pub cbc: bool,
    pub transport: &'a str,
    pub cipher: Option<&'a str>,
    pub tamper: bool,
}

impl Default for Seal<'_> {
    fn default() -> Self {
        Self {
            to: &OURS,
            cbc: false,
            transport: "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            cipher: None,
            tamper: false,
        }
    }
}

impl Seal<'_> {
    pub fn seal(&self, assertion: &str) -> String {
        let key = [7_u8; 32];
        let mut sealed = if self.cbc {
            let mut text = assertion.as_bytes().to_vec();
            let filling = 16 - text.len() % 16;
            // Filling as XML Encryption has it: anything, and then how much.
            text.extend(std::iter::repeat_n(0xab, filling - 1));
            text.push(u8::try_from(filling).unwrap());
            let cipher = EncryptingKey::cbc(UnboundCipherKey::new(&AES_256, &key).unwrap()).unwrap();
            let iv = [9; 16];
            cipher.less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from(iv))).unwrap();
            [iv.as_slice(), &text].concat()
        } else {
            let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
            let mut text = assertion.as_bytes().to_vec();
            cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key([5; 12]), Aad::empty(), &mut text).unwrap();
            [[5; 12].as_slice(), &text].concat()
        };
        if self.tamper {
            sealed[40] ^= 1;
        }
        let usual = if self.cbc {
            "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
        } else {
            "http://www.w3.org/2009/xmlenc11#aes256-gcm"
        };
        let cipher = self.cipher.unwrap_or(usual);
        format!(
            "<saml:EncryptedAssertion xmlns:saml=\"{SAML}\"><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" \
             Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"{cipher}\">\
             </xenc:EncryptionMethod><ds:KeyInfo xmlns:ds=\"{DS}\"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"{}\">\
             </xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>\
             </ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>\
             </saml:EncryptedAssertion>",
            self.transport,
            STANDARD.encode(self.to.wrap(&key)),
            STANDARD.encode(sealed),
        )
    }
}

/// What the answer must be, unless a test says otherwise.
pub fn expected(keys: &[PublicKey]) -> Expected<'_> {
    Expected {
        issuer: ISSUER,
        keys,
        us: US,
        acs: ACS,
        ours: std::slice::from_ref(&OURS.own),
        request: Some(ASKED),
        unsolicited: false,
        encrypted: false,
        now: now(),
    }
}

pub fn read(message: impl AsRef<[u8]>) -> Result<Assertion, Refused> {
    let keys = [IDP.public()];
    response(message.as_ref(), &expected(&keys))
}
