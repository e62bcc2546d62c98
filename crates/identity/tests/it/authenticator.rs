//! An authenticator for passkeys, made of a key pair: what a browser and a key would answer.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base::SecretString;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value as Json, json};

pub struct Authenticator {
    pair: EcdsaKeyPair,
    id: Vec<u8>,
    pub uses: u32,
    pub verifies: bool,
    pub origin: &'static str,
}

pub const SITE: &str = "https://pager.example.com";

impl Authenticator {
    pub fn new(id: &str) -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap();
        Self { pair, id: id.as_bytes().to_vec(), uses: 0, verifies: true, origin: SITE }
    }

    fn client(&self, what: &str, options: &Json) -> Vec<u8> {
        json!({ "type": what, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false })
            .to_string()
            .into_bytes()
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        let flags = flags | 1 | if self.verifies { 4 } else { 0 };
        [&crypto::sha256(b"pager.example.com")[..], &[flags], &self.uses.to_be_bytes()].concat()
    }

    /// Makes a passkey as these options ask.
    pub fn make(&mut self, options: &str) -> SecretString {
        let options: Json = serde_json::from_str(options).unwrap();
        let point = self.pair.public_key().as_ref();
        let key = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], &point[1..33], &[0x22, 0x58, 32], &point[33..]]
            .concat();
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let data = [&self.head(0x40)[..], &[0; 16], &length, &self.id, &key].concat();
        let size = u16::try_from(data.len()).unwrap().to_be_bytes();
        let attestation = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59", &size[..], &data].concat();
        let client = self.client("webauthn.create", &options);
        json!({ "clientData": BASE64.encode(client), "attestation": BASE64.encode(attestation) }).to_string().into()
    }

    /// Answers as these options ask, for the person with this handle.
    pub fn answer(&mut self, options: &str, handle: Option<&[u8]>) -> SecretString {
        let options: Json = serde_json::from_str(options).unwrap();
        self.uses += 1;
        let (data, client) = (self.head(0), self.client("webauthn.get", &options));
        let signed = [&data[..], &crypto::sha256(&client)].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": BASE64.encode(&self.id),
            "clientData": BASE64.encode(client),
            "authenticatorData": BASE64.encode(data),
            "signature": BASE64.encode(signature.as_ref()),
            "userHandle": handle.map(|handle| BASE64.encode(handle)),
        })
        .to_string()
        .into()
    }
}
