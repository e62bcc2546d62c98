//! The kind `carriers`: what people write about a carrier, checked, and its projection.

use access::Capability;
use base::ExposeSecret as _;
use messaging::Sender;
use resources::{Check, Class, Error, Field, KindScope, Projection, Shape, TypedKind};
use store::{Changed, Tx, params};
use vault::{Aad, Purpose, SealedColumn, Vault};

use crate::TOPIC;
use crate::settings::{Senders, Settings};

/// The kind. Passwords are sealed by the vault.
pub struct CarriersKind {
    vault: Option<Vault>,
}

impl CarriersKind {
    /// The kind over `vault`.
    pub const fn new(vault: Vault) -> Self {
        Self { vault: Some(vault) }
    }

    /// The kind for reading files on a machine without a database; it stores nothing.
    pub const fn for_reading() -> Self {
        Self { vault: None }
    }
}

const FIELDS: &[Field] = &[
    Field::new("name", Class::Internal, Shape::Text).required().about("its name, which routes use"),
    Field::new("kind", Class::Internal, Shape::Choice(&["smpp"])).about("how it is reached"),
    Field::new("address", Class::Internal, Shape::Text).required().about("host:port"),
    Field::new("tls", Class::Internal, Shape::Boolean)
        .about("whether the connection is encrypted; true unless said otherwise"),
    Field::new("tls_ca", Class::Internal, Shape::Text)
        .about("authority to believe: PEM, a path on the server, or system for the machine's own"),
    Field::new("tls_pins", Class::Internal, Shape::List(&Shape::Text))
        .about("keys to believe: SHA-256 over the public key of its certificate, one or, while it changes, two"),
    Field::new("tls_name", Class::Internal, Shape::Text).about("name in the certificate, when it is not the host"),
    Field::new("allow_plaintext", Class::Internal, Shape::Boolean).about("allows clear text, together with tls: false"),
    Field::new("system_id", Class::Internal, Shape::Text).required().about("our account there"),
    Field::new("password", Class::Restricted, Shape::SECRET).required().about("its password"),
    Field::new("system_type", Class::Internal, Shape::Text).about("system_type of the bind; mostly empty"),
    Field::new("bind", Class::Internal, Shape::Choice(&["transceiver", "transmitter_receiver"])).about("how to bind"),
    Field::new("sessions", Class::Internal, Shape::Integer(1, 16)).about("connections at once"),
    Field::new("window", Class::Internal, Shape::Integer(1, 2_000)).about("unanswered submits on each session"),
    Field::new("rate", Class::Internal, Shape::Integer(1, 4_294_967_295)).about("parts a second over all sessions"),
    Field::new("response_seconds", Class::Internal, Shape::Integer(1, 60))
        .about("how long a submit may be unanswered; 10 unless said"),
    Field::new("enquire_seconds", Class::Internal, Shape::Integer(5, 300))
        .about("silence after which the carrier is asked whether it is there; 30 unless said"),
    Field::new("on_unknown_outcome", Class::Internal, Shape::Choice(&["resend", "hold"]))
        .about("what happens to a message whose submit was cut off unanswered"),
    Field::new("simulated", Class::Internal, Shape::Boolean).about("nothing leaves the machine by it"),
    Field::new(
        "message_ids",
        Class::Internal,
        Shape::Choice(&["auto", "same", "hex_then_decimal", "decimal_then_hex"]),
    )
    .about("how message ids are written in answers and in receipts"),
    Field::new("senders", Class::Internal, Shape::Object(SENDERS)).about("which source addresses it takes"),
    Field::new("dialect", Class::Internal, Shape::Object(DIALECT))
        .about("how it speaks SMPP where carriers differ; see the page about carriers"),
];

const SENDERS: &[Field] = &[
    Field::new("allowed", Class::Internal, Shape::List(&Shape::Text))
        .about("the addresses it takes, each perhaps with a star at its end; all when empty"),
    Field::new("numeric_only", Class::Internal, Shape::Boolean).about("whether it takes no names"),
    Field::new("instead", Class::Internal, Shape::Text).about("what goes in place of one that it does not take"),
];

const NUMBERING: &[Field] = &[
    Field::new("ton", Class::Internal, Shape::Integer(0, 255)).required().about("type of number"),
    Field::new("npi", Class::Internal, Shape::Integer(0, 255)).required().about("numbering plan"),
];

const NATIONAL: &[Field] = &[
    Field::new("country_code", Class::Internal, Shape::Text).required().about("the calling code, such as 44"),
    Field::new("trunk", Class::Internal, Shape::Text).about("what stands before a national number, such as 0"),
    Field::new("numbering", Class::Internal, Shape::Object(NUMBERING)).about("ton 2 and npi 1 unless said"),
];

const DIALECT: &[Field] = &[
    Field::new("interface_version", Class::Internal, Shape::Choice(&["3.3", "3.4", "5.0"]))
        .about("what the bind names"),
    Field::new("address_range", Class::Internal, Shape::Text).about("address_range of the bind"),
    Field::new("bind_numbering", Class::Internal, Shape::Object(NUMBERING)).about("addr_ton and addr_npi of the bind"),
    Field::new("service_type", Class::Internal, Shape::Text).about("service_type of each submit"),
    Field::new("default_alphabet", Class::Internal, Shape::Choice(&["gsm", "latin1", "ascii"]))
        .about("what data_coding 0 means there"),
    Field::new("text_coding", Class::Internal, Shape::Integer(0, 255)).about("data_coding of a text in that alphabet"),
    Field::new("unicode_coding", Class::Internal, Shape::Integer(0, 255)).about("data_coding of a text in UCS-2"),
    Field::new("long_messages", Class::Internal, Shape::Choice(&["udh", "sar", "payload"]))
        .about("how texts of several parts are handed over"),
    Field::new("validity", Class::Internal, Shape::Choice(&["relative", "absolute", "none"]))
        .about("how the time after which a message is useless is written"),
    Field::new("receipts", Class::Internal, Shape::Choice(&["final", "failures", "none"])).about("which are asked for"),
    Field::new("unmarked_receipts", Class::Internal, Shape::Boolean)
        .about("whether receipts come without the mark that says so, and are known by their text"),
    Field::new("number", Class::Internal, Shape::Object(NUMBERING)).about("numbers as source; 1 and 1 unless said"),
    Field::new("short_code", Class::Internal, Shape::Object(NUMBERING)).about("short codes; 3 and 0 unless said"),
    Field::new("name", Class::Internal, Shape::Object(NUMBERING)).about("names; 5 and 0 unless said"),
    Field::new("destination", Class::Internal, Shape::Object(NUMBERING)).about("destinations; 1 and 1 unless said"),
    Field::new("plus", Class::Internal, Shape::Boolean).about("whether international numbers begin with a plus sign"),
    Field::new("national", Class::Internal, Shape::Object(NATIONAL))
        .about("the country whose numbers it writes without country code"),
];

impl TypedKind for CarriersKind {
    type Body = Settings;
    const NAME: &'static str = "carriers";
    const SCOPE: KindScope = KindScope::Organisation;
    const FIELDS: &'static [Field] = FIELDS;
    const CAPABILITY: Capability = Capability::CarriersWrite;

    fn sealed_columns(&self) -> &'static [SealedColumn] {
        &[SealedColumn {
            table: "carriers",
            column: "password",
            id: "id",
            workspace: None,
            purpose: Purpose::Configuration,
        }]
    }

    fn key(&self, body: &Settings) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &Settings, check: &mut Check<'_, '_>) -> Result<(), Error> {
        for (field, remedy) in problems(body) {
            check.problem(field, "carrier-invalid", remedy);
        }
        if let Some(password) = check.secret("password") {
            let length = password.expose_secret().len();
            if !(1..=8).contains(&length) || password.expose_secret().contains('\0') {
                let remedy = "a password is 1 to 8 octets without NUL, as SMPP 3.4 allows";
                check.problem("password", "carrier-invalid", remedy);
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, Settings>) -> Result<(), Error> {
        let id = change.resource.to_string();
        tx.touched(Changed { workspace: None, topic: TOPIC, id: id.clone() });
        let Some(new) = change.new else {
            tx.execute("DELETE FROM carriers WHERE id = $1", &params![id.as_str()])?;
            tx.execute("DELETE FROM carrier_pauses WHERE carrier = $1", &params![id])?;
            return Ok(());
        };
        let password = change.secret("password").ok_or(Error::NotFound)?;
        let vault = self.vault.as_ref().ok_or(Error::NotFound)?;
        let key = vault.data_key(tx, None, Purpose::Configuration, change.now).map_err(Error::kind)?;
        let aad = Aad { table: "carriers", column: "password", row: &id };
        let sealed = key.seal(tx.context().chance(), &aad, password.expose_secret().as_bytes());
        let settings = serde_json::to_string(&Settings { password: None, ..new.clone() })
            .map_err(|error| Error::Body(Box::new(error)))?;
        tx.execute(
            "INSERT INTO carriers (id, name, settings, password, version) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET name = $2, settings = $3, password = $4, version = $5",
            &params![id, new.name.clone(), settings, sealed, change.version],
        )?;
        Ok(())
    }
}

/// What is wrong with these settings: field and remedy.
fn problems(body: &Settings) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let name_fits = (1..=40).contains(&body.name.len())
        && body.name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
    if !name_fits {
        found.push(("name", "a name is 1 to 40 letters, digits, '-', '_' or '.'"));
    }
    let port = body.address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    if !port.is_some_and(|(host, port)| !host.is_empty() && port > 0) {
        found.push(("address", "write host:port, such as smpp.example.com:2776"));
    }
    if !(1..=15).contains(&body.system_id.len()) {
        found.push(("system_id", "a system_id is 1 to 15 characters (SMPP 3.4 section 5.2.1)"));
    }
    if body.system_type.len() > 12 {
        found.push(("system_type", "a system_type is at most 12 characters"));
    }
    if !body.tls && !body.allow_plaintext {
        found.push((
            "tls",
            "without TLS texts and password travel in clear; say allow_plaintext: true if that is meant",
        ));
    }
    if body.tls && rustls_pki_types::ServerName::try_from(body.server_name().to_owned()).is_err() {
        found.push(("tls_name", "this is no host name that a certificate can carry"));
    }
    if !body.tls && !body.tls_pins.is_empty() {
        found.push(("tls_pins", "without TLS nobody shows a key; remove the pins or encrypt"));
    }
    if body.tls_pins.len() > 4 {
        found.push(("tls_pins", "one pin, or two while the key changes, and four at most"));
    }
    if body.tls_pins.iter().any(|pin| pin.parse::<crypto::tls::Pin>().is_err()) {
        found.push((
            "tls_pins",
            "a pin is sha256/ and 44 characters of base64, or 64 hexadecimal digits, over the public key; the carrier's page shows it",
        ));
    }
    senders(&body.senders, &mut found);
    found.extend(body.dialect.problems());
    found
}

fn senders(senders: &Senders, found: &mut Vec<(&'static str, &'static str)>) {
    if senders.allowed.len() > 1_000 || senders.allowed.iter().any(|one| one.trim().is_empty() || one.len() > 17) {
        found.push((
            "senders.allowed",
            "each is a number, a short code or up to 11 letters, perhaps with a star at its end",
        ));
    }
    let instead = senders.instead.parse::<Sender>();
    if !senders.instead.is_empty() && instead.is_err() {
        found.push(("senders.instead", "write a number such as +447700900100, a short code, or up to 11 letters"));
    }
    if senders.numeric_only && instead.is_ok_and(|sender| !sender.can_be_answered()) {
        found.push(("senders.instead", "this carrier takes no names, so this cannot be one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Settings {
        Settings {
            name: "carrier-a".into(),
            address: "smpp.example.com:2776".into(),
            system_id: "us".into(),
            ..Settings::default()
        }
    }

    fn check(change: impl FnOnce(&mut Settings), expected: &[&str]) {
        let mut settings = sound();
        change(&mut settings);
        let fields: Vec<&str> = problems(&settings).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, expected);
    }

    /// E-02, X-07: TLS unless two switches say otherwise.
    #[test]
    fn settings_that_cannot_work_name_their_field() {
        check(|_| {}, &[]);
        check(|s| s.address = "smpp.example.com".into(), &["address"]);
        check(|s| s.address = ":2775".into(), &["address", "tls_name"]);
        check(|s| s.name = "carrier a".into(), &["name"]);
        check(|s| s.system_id = "sixteen-letters-".into(), &["system_id"]);
        check(|s| s.tls = false, &["tls"]);
        check(|s| (s.tls, s.allow_plaintext) = (false, true), &[]);
        check(|s| s.tls_name = "no host!".into(), &["tls_name"]);
        check(|s| s.tls_pins = vec!["AB".repeat(32)], &[]);
        check(|s| s.tls_pins = vec!["sha1/AAAA".into()], &["tls_pins"]);
        check(|s| (s.tls, s.allow_plaintext, s.tls_pins) = (false, true, vec!["AB".repeat(32)]), &["tls_pins"]);
        check(|s| s.senders.instead = "much too long a name".into(), &["senders.instead"]);
        check(
            |s| s.senders = Senders { numeric_only: true, instead: "Acme".into(), ..Senders::default() },
            &["senders.instead"],
        );
        check(|s| s.senders.allowed = vec![" ".into()], &["senders.allowed"]);
        check(|s| s.dialect.service_type = "toolong".into(), &["dialect.service_type"]);
    }

    #[test]
    fn an_address_may_be_ipv6() {
        check(|s| s.address = "[::1]:2776".into(), &[]);
        assert_eq!(Settings { address: "[::1]:2776".into(), ..sound() }.server_name(), "::1");
    }
}
