//! An authenticator made of a key pair, and every way in which its answer can be wrong.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use proptest::prelude::*;

use super::*;

const CHALLENGE: &[u8] = b"a challenge of thirty-two bytes!";

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Pair {
    fn es256() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        Self::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap())
    }

    fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn cose(&self) -> Vec<u8> {
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (&point[1..33], &point[33..65]);
                [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], x, &[0x22, 0x58, 32], y].concat()
            }
            Self::EdDsa(pair) => {
                [&[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32][..], pair.public_key().as_ref()].concat()
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

fn site() -> Site {
    Site { id: "pager.example.com".into(), origin: "https://pager.example.com".into() }
}

/// What an answer says; each test changes one thing.
struct Says {
    what: &'static str,
    challenge: Vec<u8>,
    origin: &'static str,
    cross: bool,
    site: &'static str,
    flags: u8,
    tail: Vec<u8>,
}

impl Says {
    fn of(what: &'static str, flags: u8) -> Self {
        Self {
            what,
            challenge: CHALLENGE.to_vec(),
            origin: "https://pager.example.com",
            cross: false,
            site: "pager.example.com",
            flags,
            tail: Vec::new(),
        }
    }

    fn client(&self) -> Vec<u8> {
        let challenge = BASE64.encode(&self.challenge);
        let (what, origin, cross) = (self.what, self.origin, self.cross);
        format!(r#"{{"type":"{what}","challenge":"{challenge}","origin":"{origin}","crossOrigin":{cross},"other":1}}"#)
            .into_bytes()
    }

    fn head(&self) -> Vec<u8> {
        [&sha256(self.site.as_bytes())[..], &[self.flags], &7_u32.to_be_bytes()].concat()
    }

    fn creation(&self, pair: &Pair, id: &[u8]) -> Creation {
        let length = u16::try_from(id.len()).unwrap().to_be_bytes();
        let data = [&self.head()[..], &[0; 16], &length, id, &pair.cose(), &self.tail].concat();
        let size = u16::try_from(data.len()).unwrap().to_be_bytes();
        let attestation = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59", &size[..], &data].concat();
        Creation { client_data: BASE64.encode(self.client()), attestation: BASE64.encode(attestation) }
    }

    fn assertion(&self, pair: &Pair, id: &[u8]) -> Assertion {
        let data = [&self.head()[..], &self.tail].concat();
        let signed = [&data[..], &sha256(&self.client())].concat();
        Assertion {
            id: BASE64.encode(id),
            client_data: BASE64.encode(self.client()),
            authenticator_data: BASE64.encode(data),
            signature: BASE64.encode(pair.sign(&signed)),
            user_handle: None,
        }
    }
}

const CREATED: u8 = PRESENT | VERIFIED | NEW_CREDENTIAL;
const USED: u8 = PRESENT | VERIFIED;

fn expected(site: &Site) -> Expected<'_> {
    Expected { site, challenge: CHALLENGE, verified: true }
}

#[test]
fn both_algorithms_are_made_stored_and_used() {
    let site = site();
    for (pair, algorithm) in [(Pair::es256(), Algorithm::Es256), (Pair::ed25519(), Algorithm::EdDsa)] {
        let made = made(&Says::of("webauthn.create", CREATED).creation(&pair, b"id"), &expected(&site)).unwrap();
        assert_eq!((made.id.as_slice(), made.count, made.verified, made.backed_up), (&b"id"[..], 7, true, false));
        let key = PublicKey::of_stored(&made.key.stored()).unwrap();
        assert_eq!((&key, key.algorithm()), (&made.key, algorithm));
        let answer = Says::of("webauthn.get", USED).assertion(&pair, b"id");
        assert_eq!(answer.credential().unwrap(), b"id");
        assert_eq!(challenge_of(&answer.client_data).unwrap(), CHALLENGE);
        let used = used(&answer, &key, &expected(&site)).unwrap();
        assert_eq!((used.count, used.verified), (7, true));
    }
}

/// Each of these is one thing wrong with an answer that is right otherwise.
#[test]
fn every_forgery_is_refused() {
    type Change = fn(&mut Says);
    let (site, pair) = (site(), Pair::es256());
    let changes: [(&str, Change); 10] = [
        ("another act", |says| says.what = "payment.get"),
        ("another challenge", |says| says.challenge = b"another".to_vec()),
        ("another origin", |says| says.origin = "https://pager.example.com.evil.example"),
        ("clear text", |says| says.origin = "http://pager.example.com"),
        ("a frame of another site", |says| says.cross = true),
        ("another site's key", |says| says.site = "evil.example"),
        ("nobody there", |says| says.flags &= !PRESENT),
        ("nobody verified", |says| says.flags &= !VERIFIED),
        ("backed up and not to be backed up", |says| says.flags |= BACKED_UP),
        ("more behind it", |says| says.tail = vec![0]),
    ];
    let key = made(&Says::of("webauthn.create", CREATED).creation(&pair, b"id"), &expected(&site)).unwrap().key;
    for (name, change) in changes {
        let mut says = Says::of("webauthn.create", CREATED);
        change(&mut says);
        assert!(made(&says.creation(&pair, b"id"), &expected(&site)).is_err(), "made: {name}");
        let mut says = Says::of("webauthn.get", USED);
        change(&mut says);
        assert!(used(&says.assertion(&pair, b"id"), &key, &expected(&site)).is_err(), "used: {name}");
    }
    let says = Says::of("webauthn.get", USED);
    assert!(used(&says.assertion(&Pair::es256(), b"id"), &key, &expected(&site)).is_err(), "another's key");
    let creation = Says::of("webauthn.create", USED).creation(&pair, b"id");
    assert!(made(&creation, &expected(&site)).is_err(), "no credential in it");
    let creation = Says::of("webauthn.create", CREATED).creation(&pair, b"");
    assert!(made(&creation, &expected(&site)).is_err(), "no id");
    let mut swapped = says.assertion(&pair, b"id");
    swapped.client_data =
        BASE64.encode(Says { challenge: CHALLENGE.to_vec(), ..Says::of("webauthn.get", USED) }.client().repeat(2));
    assert!(used(&swapped, &key, &expected(&site)).is_err(), "two objects");
}

#[test]
fn an_unverified_person_is_let_through_where_that_is_enough() {
    let (site, pair) = (site(), Pair::ed25519());
    let loose = Expected { verified: false, ..expected(&site) };
    let made = made(&Says::of("webauthn.create", PRESENT | NEW_CREDENTIAL).creation(&pair, b"id"), &loose).unwrap();
    assert!(!made.verified);
    assert!(!used(&Says::of("webauthn.get", PRESENT).assertion(&pair, b"id"), &made.key, &loose).unwrap().verified);
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(client in ".{0,80}", data in proptest::collection::vec(any::<u8>(), 0..200)) {
        let site = site();
        let encoded = BASE64.encode(&data);
        let says = Says::of("webauthn.create", CREATED).client();
        for client in [BASE64.encode(client), BASE64.encode(says)] {
            let _ = made(&Creation { client_data: client, attestation: encoded.clone() }, &expected(&site));
        }
        let _ = PublicKey::of_stored(&data);
    }
}
