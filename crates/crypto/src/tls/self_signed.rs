//! A private certificate authority with one leaf, for demos, tests and first starts.

use std::fmt;
use std::time::Duration;

use base::{Context, SecretString, Timestamp};
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber, date_time_ymd,
};

use crate::Error;

const DAY: Duration = Duration::from_hours(24);
const CA_DAYS: u32 = 3_650;
/// Longer lives are refused by Apple's clients even for authorities that a user added.
const LEAF_DAYS: u32 = 820;

/// A new authority and a leaf it signed. The authority's key is dropped at once: nobody can sign a second
/// leaf with it.
pub struct SelfSigned {
    /// The authority's certificate, PEM: what clients trust.
    pub ca_pem: String,
    /// The leaf's certificate, PEM, good for HTTPS and SMPP, server and client.
    pub cert_pem: String,
    /// The leaf's private key, PEM.
    pub key_pem: SecretString,
}

impl SelfSigned {
    /// Makes one for these host names and addresses, good from yesterday (clocks differ) on.
    pub fn generate(names: &[String], ctx: &Context) -> Result<Self, Error> {
        let today = ctx.now();
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(refused)?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name = common_name("Loudhailer private CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.serial_number = Some(serial(ctx));
        set_life(&mut ca, today, CA_DAYS);
        let ca_certificate = ca.self_signed(&ca_key).map_err(refused)?;

        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(refused)?;
        let mut leaf = CertificateParams::new(names.to_vec()).map_err(|_| {
            Error::certificate("self-signed certificate", "one of the names is neither a host name nor an address")
        })?;
        leaf.distinguished_name = common_name(names.first().map_or("loudhailer", String::as_str));
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        leaf.use_authority_key_identifier_extension = true;
        leaf.serial_number = Some(serial(ctx));
        set_life(&mut leaf, today, LEAF_DAYS);
        let issuer = Issuer::from_params(&ca, &ca_key);
        let leaf_certificate = leaf.signed_by(&leaf_key, &issuer).map_err(refused)?;

        Ok(Self {
            ca_pem: ca_certificate.pem(),
            cert_pem: leaf_certificate.pem(),
            key_pem: SecretString::from(leaf_key.serialize_pem()),
        })
    }
}

impl fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfSigned(…)")
    }
}

pub(crate) fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// 127 random bits: positive, as RFC 5280 wants.
pub(crate) fn serial(ctx: &Context) -> SerialNumber {
    let mut bytes: [u8; 16] = ctx.random();
    bytes[0] &= 0x7f;
    SerialNumber::from_slice(&bytes)
}

/// Good from the beginning of yesterday (UTC) for `days` days.
pub(crate) fn set_life(params: &mut CertificateParams, today: Timestamp, days: u32) {
    let date = |at: Timestamp| at.to_jiff().to_zoned(TimeZone::UTC).date();
    let (from, to) = (date(today.minus(DAY)), date(today.plus(DAY * days)));
    params.not_before = date_time_ymd(from.year().into(), from.month().unsigned_abs(), from.day().unsigned_abs());
    params.not_after = date_time_ymd(to.year().into(), to.month().unsigned_abs(), to.day().unsigned_abs());
}

fn refused(_: rcgen::Error) -> Error {
    Error::Refused("self-signed certificate")
}
