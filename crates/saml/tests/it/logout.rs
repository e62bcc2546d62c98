//! Log-outs of providers: proven or refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::{
    Asked, Binding, NameId, OwnKey, Parties, Posted, PublicKey, Sent, Way, answer_logout, ask_logout,
    read_logout_answer, read_logout_request,
};

use crate::forge::{IDP, ISSUER, SLO, STRANGER, at, now};

fn bea() -> NameId {
    NameId { value: "bea".into(), format: None, qualifier: None, for_us: Some("us".into()) }
}

fn request(issuer: &str, to: &str, session: Option<&str>) -> String {
    ask_logout(&Asked { id: "_out", us: issuer, to, subject: &bea(), session, now: now() })
}

fn posted(text: &str, way: Way, binding: Binding, key: &OwnKey) -> Posted {
    let id = text.split("ID=\"").nth(1).unwrap().split('"').next().unwrap();
    match Sent::new(binding, way, SLO, text, id, None, key).unwrap() {
        Sent::Redirect(address) => {
            let keys = [IDP.public(), STRANGER.public()];
            Posted::query(address.split_once('?').unwrap().1, &keys).unwrap()
        }
        Sent::Post { fields, .. } => {
            let body: String =
                form_urlencoded::Serializer::new(String::new()).append_pair(fields[0].0, &fields[0].1).finish();
            Posted::form(body.as_bytes()).unwrap()
        }
    }
}

fn parties(keys: &[PublicKey]) -> Parties<'_> {
    Parties { issuer: ISSUER, keys, here: SLO, now: now() }
}

#[test]
fn a_request_and_its_answer_are_read_by_either_way() {
    let keys = [IDP.public()];
    for binding in [Binding::Redirect, Binding::Post] {
        let asked = posted(&request(ISSUER, SLO, Some("_s1")), Way::Request, binding, &IDP.own);
        let read = read_logout_request(&asked, &parties(&keys)).unwrap();
        assert_eq!((read.id.as_str(), read.subject, read.sessions), ("_out", bea(), vec!["_s1".to_owned()]));
        let answer = answer_logout("_answer", "_out", ISSUER, SLO, now());
        let read = read_logout_answer(&posted(&answer, Way::Response, binding, &IDP.own), &parties(&keys)).unwrap();
        assert!(read.done && read.answers == "_out");
        let partly = answer.replace(
            "\"></samlp:StatusCode>",
            "\"><samlp:StatusCode Value=\"urn:x\"></samlp:StatusCode></samlp:StatusCode>",
        );
        assert!(!read_logout_answer(&posted(&partly, Way::Response, binding, &IDP.own), &parties(&keys)).unwrap().done);
    }
}

#[test]
fn x_11_forged_log_outs_are_refused() {
    let keys = [IDP.public()];
    let good = request(ISSUER, SLO, None);
    let unsigned = |text: &str| {
        let body = format!(
            "SAMLRequest={}",
            form_urlencoded::byte_serialize(STANDARD.encode(text).as_bytes()).collect::<String>()
        );
        Posted::form(body.as_bytes()).unwrap()
    };
    let by = |text: &str, key: &OwnKey| posted(text, Way::Request, Binding::Post, key);
    let cases = [
        ("not signed", unsigned(&good), "UnsignedMessage"),
        ("by a stranger", by(&good, &STRANGER.own), "Stranger"),
        ("of another issuer", by(&request("https://evil.example", SLO, None), &IDP.own), "Issuer"),
        ("for another place", by(&request(ISSUER, "https://other.example/slo", None), &IDP.own), "Destination"),
        ("without a place", by(&good.replace(&format!(" Destination=\"{SLO}\""), ""), &IDP.own), "Destination"),
        ("of nobody", by(&good.replace(">bea<", "><"), &IDP.own), "Subject"),
        (
            "an answer as a request",
            posted(&answer_logout("_x", "_y", ISSUER, SLO, now()), Way::Response, Binding::Post, &IDP.own),
            "Kind",
        ),
    ];
    for (name, posted, because) in cases {
        assert_eq!(read_logout_request(&posted, &parties(&keys)).unwrap_err().name(), because, "{name}");
    }
    let late = Parties { now: at(361), ..parties(&keys) };
    assert_eq!(read_logout_request(&by(&good, &IDP.own), &late).unwrap_err().name(), "TooLate");
    // Changed after signing.
    let Sent::Post { fields, .. } = Sent::new(Binding::Post, Way::Request, SLO, &good, "_out", None, &IDP.own).unwrap()
    else {
        panic!("a form")
    };
    let text = String::from_utf8(STANDARD.decode(&fields[0].1).unwrap()).unwrap().replace(">bea<", ">ada<");
    assert_eq!(read_logout_request(&unsigned(&text), &parties(&keys)).unwrap_err().name(), "Digest");
}
