//! The kind `carriers`: what people write about a carrier, checked, and its projection.

use access::Capability;
use base::ExposeSecret as _;
use resources::{Check, Class, Error, Field, KindScope, Projection, Shape, TypedKind};
use store::{Changed, Tx, params};
use vault::{Aad, Purpose, SealedColumn, Vault};

use crate::TOPIC;
use crate::settings::Settings;

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
    Field::new("tls_ca", Class::Internal, Shape::Text).about("authority to believe: PEM, or a path on the server"),
    Field::new("tls_name", Class::Internal, Shape::Text).about("name in the certificate, when it is not the host"),
    Field::new("allow_plaintext", Class::Internal, Shape::Boolean).about("allows clear text, together with tls: false"),
    Field::new("system_id", Class::Internal, Shape::Text).required().about("our account there"),
    Field::new("password", Class::Restricted, Shape::SECRET).required().about("its password"),
    Field::new("system_type", Class::Internal, Shape::Text).about("system_type of the bind; mostly empty"),
    Field::new("bind", Class::Internal, Shape::Choice(&["transceiver", "transmitter_receiver"])).about("how to bind"),
    Field::new("sessions", Class::Internal, Shape::Integer(1, 16)).about("connections at once"),
    Field::new("window", Class::Internal, Shape::Integer(1, 2_000)).about("unanswered submits on each session"),
    Field::new("rate", Class::Internal, Shape::Integer(1, 1_000_000)).about("parts a second over all sessions"),
    Field::new("on_unknown_outcome", Class::Internal, Shape::Choice(&["resend", "hold"]))
        .about("what happens to a message whose submit was cut off unanswered"),
    Field::new("simulated", Class::Internal, Shape::Boolean).about("nothing leaves the machine by it"),
    Field::new(
        "message_ids",
        Class::Internal,
        Shape::Choice(&["auto", "same", "hex_then_decimal", "decimal_then_hex"]),
    )
    .about("how message ids are written in answers and in receipts"),
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
    found
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
    }

    #[test]
    fn an_address_may_be_ipv6() {
        check(|s| s.address = "[::1]:2776".into(), &[]);
        assert_eq!(Settings { address: "[::1]:2776".into(), ..sound() }.server_name(), "::1");
    }
}
