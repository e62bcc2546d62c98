//! The kind `smpp_accounts`: applications that bind. Made and removed by people with the right `keys:manage` alone (E-08).

use std::time::Duration;

use access::Capability;
use base::{ExposeSecret as _, SmppAccountId, Timestamp};
use identity::Cidr;
use resources::{
    Check, Class as DataClass, Draw, Error, Field, Keep, KindScope, Projection, SecretSlot, Shape, TypedKind,
};
use routing::{Class, Sender};
use serde::{Deserialize, Serialize};
use store::{Changed, Tx, params};

use crate::{LongInbound, MessageIds, TOPIC};

/// SMPP accounts as a kind of resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountsKind;

/// An SMPP account as people configure it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountBody {
    system_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<SecretSlot>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<String>,
    #[serde(default)]
    allow_plaintext: bool,
    #[serde(default = "four")]
    max_binds: u32,
    #[serde(default = "twenty")]
    window: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    #[serde(default)]
    message_ids: MessageIds,
    #[serde(default)]
    class: Class,
    #[serde(default)]
    senders: Vec<String>,
    #[serde(default)]
    inbound: Vec<String>,
    #[serde(default)]
    long_inbound: LongInbound,
    #[serde(default)]
    vendor_tlvs: bool,
    #[serde(default = "ten_million")]
    max_waiting: u32,
    #[serde(default = "twenty_four")]
    rotation_hours: u32,
}

const fn four() -> u32 {
    4
}

const fn twenty() -> u32 {
    20
}

const fn ten_million() -> u32 {
    10_000_000
}

const fn twenty_four() -> u32 {
    24
}

/// The password: kept as a hash, because it is only compared; drawn by us when not brought along.
const PASSWORD: Shape = Shape::Secret { keep: Keep::Hashed, draw: Some(Draw::Smpp34Password) };

const FIELDS: &[Field] = &[
    Field::new("system_id", DataClass::Internal, Shape::Text)
        .required()
        .about("the name it binds with, 1 to 15 characters"),
    Field::new("password", DataClass::Restricted, PASSWORD)
        .about("1 to 8 characters, as SMPP 3.4 allows; drawn and shown once when left out"),
    Field::new("allow", DataClass::Internal, Shape::List(&Shape::Text))
        .about("addresses and networks it may bind from, such as 192.0.2.0/24; may be empty beside a certificate"),
    Field::new("certificates", DataClass::Internal, Shape::List(&Shape::Text)).about(
        "client certificates that stand instead of the address: a SHA-256 fingerprint, or \"CN=app issued by CN=Example CA\"",
    ),
    Field::new("allow_plaintext", DataClass::Internal, Shape::Boolean)
        .about("lets it bind without TLS, where smpp.listen_plain is set too"),
    Field::new("max_binds", DataClass::Internal, Shape::Integer(1, 1_000)).about("binds at once"),
    Field::new("window", DataClass::Internal, Shape::Integer(1, 2_000)).about("unanswered requests on each bind"),
    Field::new("rate", DataClass::Internal, Shape::Integer(1, 1_000_000))
        .about("submits a second over all its binds; no limit when absent"),
    Field::new("message_ids", DataClass::Internal, Shape::Choice(&["uuid", "decimal", "hex8"]))
        .about("how ids of messages are written"),
    Field::new("class", DataClass::Internal, Shape::Choice(&["alert", "otp", "transactional", "marketing"]))
        .about("how urgent its messages are"),
    Field::new("senders", DataClass::Internal, Shape::List(&Shape::Text))
        .about("source addresses it may use; any when empty"),
    Field::new("inbound", DataClass::Internal, Shape::List(&Shape::Text))
        .about("our addresses whose incoming messages it gets"),
    Field::new("long_inbound", DataClass::Internal, Shape::Choice(&["joined", "udh", "sar"]))
        .about("long incoming messages: joined, or in the parts they came in with headers (udh) or parameters (sar)"),
    Field::new("vendor_tlvs", DataClass::Internal, Shape::Boolean)
        .about("tells it the parameters of 8x8's own too (0x1502 to 0x1504), which some libraries do not bear"),
    Field::new("max_waiting", DataClass::Internal, Shape::Integer(1, 100_000_000))
        .about("messages that may wait for a carrier; beyond it ESME_RMSGQFUL"),
    Field::new("rotation_hours", DataClass::Internal, Shape::Integer(0, 720))
        .about("hours for which the password before works on after a new one was set"),
];

impl TypedKind for AccountsKind {
    type Body = AccountBody;
    const NAME: &'static str = "smpp_accounts";
    const SCOPE: KindScope = KindScope::Workspace;
    const FIELDS: &'static [Field] = FIELDS;
    const CAPABILITY: Capability = Capability::ApiKeysManage;

    fn key(&self, body: &AccountBody) -> String {
        body.system_id.clone()
    }

    fn validate(&self, body: &AccountBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        if !(1..=15).contains(&body.system_id.len()) || !body.system_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            check.problem(
                "system_id",
                "bad-system-id",
                "a system_id is 1 to 15 visible ASCII characters (SMPP 3.4 section 5.2.1)",
            );
        }
        if let Some(password) = check.secret("password") {
            let password = password.expose_secret();
            if !(1..=8).contains(&password.len()) || !password.bytes().all(|byte| byte.is_ascii_graphic()) {
                let remedy = "a password is 1 to 8 visible ASCII characters, as SMPP 3.4 allows; draw all 8 at random";
                check.problem("password", "bad-password", remedy);
            }
        }
        // An account is a program of whoever sets its password.
        let beyond = check.beyond(access::of_smpp_accounts());
        if let Some(first) = beyond.iter().next().filter(|_| check.is_new() || check.secret_changed("password")) {
            let words = format!("an application reads and sends messages, and you do not hold {first} here yourself");
            check.problem("password", "beyond-your-rights", words);
        }
        identity::check_certificates(check, &body.certificates);
        if body.allow.is_empty() && body.certificates.is_empty() {
            check.problem(
                "allow",
                "no-network",
                "eight characters alone protect little: list the addresses it binds from, such as 192.0.2.7 (or 0.0.0.0/0 for everywhere)",
            );
        }
        for (at, network) in body.allow.iter().enumerate() {
            if let Err(error) = network.parse::<Cidr>() {
                check.problem(format!("allow[{at}]"), "bad-network", error.to_string());
            }
        }
        for (field, list) in [("senders", &body.senders), ("inbound", &body.inbound)] {
            for (at, address) in list.iter().enumerate() {
                if let Err(error) = address.parse::<Sender>() {
                    check.problem(format!("{field}[{at}]"), "bad-address", error.to_string());
                }
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, AccountBody>) -> Result<(), Error> {
        let id: SmppAccountId = change.id();
        tx.touched(Changed { workspace: change.workspace, topic: TOPIC, id: id.to_string() });
        let owner = identity::CertificateOwner { kind: Self::NAME, id: id.uuid() };
        let (Some(new), Some(workspace)) = (change.new, change.workspace) else {
            identity::forget_certificates(tx, owner)?;
            tx.execute("DELETE FROM smpp_passwords WHERE account = $1", &params![id])?;
            tx.execute("UPDATE smpp_accounts SET removed_at = $2 WHERE id = $1", &params![id, change.now])?;
            return Ok(());
        };
        let other = tx.query_opt(
            "SELECT id FROM smpp_accounts WHERE system_id = $1 AND id <> $2",
            &params![&new.system_id, id],
            |row| row.get::<SmppAccountId>("id"),
        )?;
        if other.is_some() {
            let remedy = "another account has or had this system_id, and none is ever given away again; choose another";
            return Err(Error::invalid("system_id", "system-id-taken", remedy));
        }
        tx.execute(
            "INSERT INTO smpp_accounts (id, workspace, system_id, allow, allow_plaintext, max_binds, send_window, rate, message_ids,
             class, senders, inbound, version, long_inbound, max_waiting, vendor_tlvs)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
             ON CONFLICT (id) DO UPDATE SET system_id = excluded.system_id, allow = excluded.allow,
             allow_plaintext = excluded.allow_plaintext, max_binds = excluded.max_binds, send_window = excluded.send_window,
             rate = excluded.rate, message_ids = excluded.message_ids, class = excluded.class, senders = excluded.senders,
             inbound = excluded.inbound, version = excluded.version, long_inbound = excluded.long_inbound,
             max_waiting = excluded.max_waiting, vendor_tlvs = excluded.vendor_tlvs, removed_at = NULL",
            &params![
                id,
                workspace,
                &new.system_id,
                new.allow.join(" "),
                new.allow_plaintext,
                i64::from(new.max_binds),
                i64::from(new.window),
                new.rate.map(i64::from),
                new.message_ids.name(),
                new.class.name(),
                addresses(&new.senders),
                addresses(&new.inbound),
                change.version,
                new.long_inbound.name(),
                i64::from(new.max_waiting),
                new.vendor_tlvs
            ],
        )?;
        identity::set_certificates(tx, owner, workspace, &new.certificates)?;
        if change.secret_changed("password") {
            rotate(tx, change, id, Duration::from_hours(u64::from(new.rotation_hours)))?;
        }
        Ok(())
    }
}

/// Addresses in one form, as JSON.
fn addresses(list: &[String]) -> String {
    let list: Vec<Sender> = list.iter().filter_map(|text| text.parse().ok()).collect();
    serde_json::to_string(&list).unwrap_or_else(|_| "[]".to_owned())
}

/// The new password, and the one before until it retires; an older one goes at once.
fn rotate(
    tx: &mut Tx<'_>,
    change: &Projection<'_, AccountBody>,
    id: SmppAccountId,
    overlap: Duration,
) -> Result<(), Error> {
    let Some(hash) = change.secret_hash("password") else { return Ok(()) };
    tx.execute(
        "DELETE FROM smpp_passwords WHERE account = $1 AND (retires_at IS NOT NULL OR hash = $2)",
        &params![id, hash.to_vec()],
    )?;
    tx.execute("UPDATE smpp_passwords SET retires_at = $2 WHERE account = $1", &params![id, change.now.plus(overlap)])?;
    tx.execute(
        "INSERT INTO smpp_passwords (account, hash, retires_at) VALUES ($1, $2, $3)",
        &params![id, hash.to_vec(), None::<Timestamp>],
    )?;
    Ok(())
}
