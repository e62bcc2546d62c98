//! Certificates of programs: which belong to whom (RFC 8705). A rule names one certificate by its fingerprint, or every one that an
//! authority issues to one name, so that the next certificate of the same program needs no change. Two rules at once carry a
//! program through a rotation.
//!
//! The TLS library has checked the chain, the dates and the possession of the key at the handshake. The end is looked at again at
//! each use, because connections and their resumptions outlive certificates.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use access::Capability;
use base::{Timestamp, WorkspaceId};
use crypto::tls::{ClientCertificate, DistinguishedName, Fingerprint};
use resources::Check;
use store::{Tx, params};
use uuid::Uuid;

/// Rules of one owner at most: two in rotation, and as many again for a second site.
pub const MOST_CERTIFICATES: usize = 4;
/// How long before its end a certificate is due.
pub const CERTIFICATE_DUE: Duration = Duration::from_hours(30 * 24);
/// The last use is written down when the last one written is older than this.
const WRITTEN: Duration = Duration::from_mins(1);
/// What stands between subject and issuer.
const BETWEEN: &str = " issued by ";

/// Which certificates are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateRule {
    /// This one.
    Fingerprint(Fingerprint),
    /// Each that `issuer` issues to `subject`.
    Names {
        /// To whom.
        subject: DistinguishedName,
        /// By whom.
        issuer: DistinguishedName,
    },
}

/// A text that is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a SHA-256 fingerprint (64 hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints it) or \"CN=app, O=Example issued by CN=Example CA\" is expected"
)]
pub struct RuleError;

impl FromStr for CertificateRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let text = text.trim();
        if let Some((subject, issuer)) = text.split_once(BETWEEN) {
            if issuer.contains(BETWEEN) {
                return Err(RuleError);
            }
            let name = |text: &str| text.parse::<DistinguishedName>().map_err(|_| RuleError);
            return Ok(Self::Names { subject: name(subject)?, issuer: name(issuer)? });
        }
        // `sha256 Fingerprint=4E:91:…` is what openssl prints.
        let digits = text.rsplit_once(['=', ' ']).map_or(text, |(_, digits)| digits);
        let digits = digits.strip_prefix("sha256:").unwrap_or(digits);
        let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return Err(RuleError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(RuleError)?;
        }
        Ok(Self::Fingerprint(Fingerprint(bytes)))
    }
}

impl fmt::Display for CertificateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(fingerprint) => fmt::Display::fmt(fingerprint, f),
            Self::Names { subject, issuer } => write!(f, "{subject}{BETWEEN}{issuer}"),
        }
    }
}

impl CertificateRule {
    /// Whether `certificate` is meant.
    pub fn means(&self, certificate: &ClientCertificate) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => *fingerprint == certificate.fingerprint,
            Self::Names { subject, issuer } => subject.is(&certificate.subject) && issuer.is(&certificate.issuer),
        }
    }

    /// What rows are found by: of the same length for every rule.
    fn matcher(&self) -> String {
        match self {
            Self::Fingerprint(fingerprint) => by_fingerprint(*fingerprint),
            Self::Names { subject, issuer } => by_names(subject, issuer),
        }
    }
}

fn by_fingerprint(fingerprint: Fingerprint) -> String {
    format!("f{}", base::hex(&fingerprint.0))
}

fn by_names(subject: &DistinguishedName, issuer: &DistinguishedName) -> String {
    let (subject, issuer) = (subject.canonical(), issuer.canonical());
    // The length keeps what belongs to the subject from being read as the issuer's.
    format!("n{}", base::hex(&crypto::sha256(format!("{} {subject} {issuer}", subject.len()).as_bytes())))
}

/// Notes what is wrong with rules in the field `certificates`.
pub fn check_certificates(check: &mut Check<'_, '_>, rules: &[String]) {
    if rules.len() > MOST_CERTIFICATES {
        let remedy = format!("at most {MOST_CERTIFICATES} certificates are kept: the present one and the next");
        check.problem("certificates", "too-many-certificates", remedy);
    }
    for (at, rule) in rules.iter().enumerate() {
        if let Err(error) = rule.parse::<CertificateRule>() {
            check.problem(format!("certificates[{at}]"), "bad-certificate", error.to_string());
        }
    }
}

/// Notes what is wrong with naming certificates of an owner for whoever may not (control X-08). Those that stand there stay.
pub fn check_new_certificates(
    check: &mut Check<'_, '_>,
    kind: &'static str,
    rules: &[String],
) -> Result<(), store::Error> {
    let id: Uuid = check.id();
    let held: Vec<String> = check.tx().query(
        "SELECT matcher FROM client_certificates WHERE kind = $1 AND owner = $2",
        &params![kind, id.to_string()],
        |row| row.get("matcher"),
    )?;
    let new = rules.iter().filter_map(|rule| rule.parse::<CertificateRule>().ok()).any(|rule| {
        let matcher = rule.matcher();
        !held.contains(&matcher)
    });
    if new {
        check_credential(check, "certificates", Capability::CredentialCertificate);
    }
    Ok(())
}

/// Notes that whoever makes a credential lacks the right to make that kind (control X-08). The product's own work makes any.
pub fn check_credential(check: &mut Check<'_, '_>, path: &'static str, kind: Capability) {
    if !check.beyond([kind].into_iter().collect()).is_empty() {
        let words =
            format!("none of your roles holds {kind} here: somebody whose role does makes credentials of this kind");
        check.problem(path, "kind-not-held", words);
    }
}

/// Whose certificates: the kind of the owner, and its id.
#[derive(Clone, Copy, Debug)]
pub struct CertificateOwner {
    /// The kind's name, such as `api_keys`.
    pub kind: &'static str,
    /// The owner.
    pub id: Uuid,
}

/// Gives an owner exactly these certificates, in the transaction of the change. What was seen of those that stay, stays.
pub fn set_certificates(
    tx: &mut Tx<'_>,
    owner: CertificateOwner,
    workspace: WorkspaceId,
    rules: &[String],
) -> Result<(), store::Error> {
    let wanted: Vec<CertificateRule> = rules.iter().filter_map(|rule| rule.parse().ok()).collect();
    let id = owner.id.to_string();
    let held: Vec<String> = tx.query(
        "SELECT matcher FROM client_certificates WHERE kind = $1 AND owner = $2",
        &params![owner.kind, &id],
        |row| row.get("matcher"),
    )?;
    for gone in held.iter().filter(|held| !wanted.iter().any(|rule| rule.matcher() == **held)) {
        tx.execute(
            "DELETE FROM client_certificates WHERE kind = $1 AND owner = $2 AND matcher = $3",
            &params![owner.kind, &id, gone],
        )?;
    }
    for rule in wanted {
        tx.execute(
            "INSERT INTO client_certificates (kind, owner, workspace, matcher, rule) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (kind, owner, matcher) DO NOTHING",
            &params![owner.kind, &id, workspace, rule.matcher(), rule.to_string()],
        )?;
    }
    Ok(())
}

/// Takes an owner's certificates away, in the transaction of its removal.
pub fn forget_certificates(tx: &mut Tx<'_>, owner: CertificateOwner) -> Result<(), store::Error> {
    let sql = "DELETE FROM client_certificates WHERE kind = $1 AND owner = $2";
    tx.execute(sql, &params![owner.kind, owner.id.to_string()])?;
    Ok(())
}

/// The other owner of the kind who has one of these certificates: for kinds whose entries are found by the certificate alone.
pub(crate) fn taken(
    tx: &mut Tx<'_>,
    owner: CertificateOwner,
    rules: &[String],
) -> Result<Option<String>, store::Error> {
    for rule in rules.iter().filter_map(|rule| rule.parse::<CertificateRule>().ok()) {
        let other = tx.query_opt(
            "SELECT owner FROM client_certificates WHERE kind = $1 AND matcher = $2 AND owner <> $3 LIMIT 1",
            &params![owner.kind, rule.matcher(), owner.id.to_string()],
            |row| row.get::<String>("owner"),
        )?;
        if other.is_some() {
            return Ok(Some(rule.to_string()));
        }
        // The certificate that another one showed, which stands there by its name.
        let CertificateRule::Fingerprint(fingerprint) = rule else { continue };
        let shown = tx.query_opt(
            "SELECT owner FROM client_certificates WHERE kind = $1 AND seen_fingerprint = $2 AND owner <> $3 LIMIT 1",
            &params![owner.kind, fingerprint.to_string(), owner.id.to_string()],
            |row| row.get::<String>("owner"),
        )?;
        if shown.is_some() {
            return Ok(Some(fingerprint.to_string()));
        }
    }
    Ok(None)
}

/// Whether `certificate` is one of the owner's and has not ended. Its use is written down by [`certificate_used`].
pub fn certificate_fits(
    tx: &mut Tx<'_>,
    owner: CertificateOwner,
    certificate: &ClientCertificate,
) -> Result<bool, store::Error> {
    let now = tx.now();
    let found = tx.query_opt(
        "SELECT matcher FROM client_certificates WHERE kind = $1 AND owner = $2 AND matcher IN ($3, $4) LIMIT 1",
        &params![
            owner.kind,
            owner.id.to_string(),
            by_fingerprint(certificate.fingerprint),
            by_names(&certificate.subject, &certificate.issuer)
        ],
        |row| row.get::<String>("matcher"),
    )?;
    Ok(found.is_some() && now < certificate.not_after)
}

/// The owner of that kind whom the certificate proves, when it has not ended.
///
/// Fingerprints and names are no secrets, so somebody in another workspace may have written down the certificate of a program that
/// is not theirs, by the other sort of rule. Then it goes on proving whom it has proven so far, and else nobody.
pub(crate) fn owner_of(
    tx: &mut Tx<'_>,
    kind: &'static str,
    certificate: &ClientCertificate,
) -> Result<Option<String>, store::Error> {
    if certificate.not_after <= tx.now() {
        return Ok(None);
    }
    let found = tx.query(
        "SELECT owner, seen_fingerprint FROM client_certificates WHERE kind = $1 AND matcher IN ($2, $3)",
        &params![kind, by_fingerprint(certificate.fingerprint), by_names(&certificate.subject, &certificate.issuer)],
        |row| Ok(Claim { owner: row.get("owner")?, known: row.get::<Option<String>>("seen_fingerprint")?.is_some() }),
    )?;
    let owner = decide(&found);
    if owner.is_none() && !found.is_empty() {
        tracing::warn!(certificate = %certificate.fingerprint, "several programs have this certificate, so it proves none of them");
    }
    Ok(owner)
}

/// A rule that fits a certificate.
struct Claim {
    owner: String,
    /// Whether the rule has proven its owner before.
    known: bool,
}

fn decide(claims: &[Claim]) -> Option<String> {
    let first = claims.first()?;
    if claims.iter().all(|one| one.owner == first.owner) {
        return Some(first.owner.clone());
    }
    let mut known = claims.iter().filter(|one| one.known);
    let one = known.next()?;
    known.all(|other| other.owner == one.owner).then(|| one.owner.clone())
}

/// Writes down that a certificate proved its owner, and when it ends: at most once a minute.
pub fn certificate_used(
    tx: &mut Tx<'_>,
    owner: CertificateOwner,
    certificate: &ClientCertificate,
) -> Result<(), store::Error> {
    let now = tx.now();
    tx.send(
        "UPDATE client_certificates SET last_used_at = $5, seen_fingerprint = $6, seen_not_after = $7 \
         WHERE kind = $1 AND owner = $2 AND matcher IN ($3, $4) \
         AND (last_used_at IS NULL OR last_used_at <= $8 OR seen_not_after <> $7)",
        &params![
            owner.kind,
            owner.id.to_string(),
            by_fingerprint(certificate.fingerprint),
            by_names(&certificate.subject, &certificate.issuer),
            now,
            certificate.fingerprint.to_string(),
            certificate.not_after,
            now.minus(WRITTEN)
        ],
    )
}

/// A certificate of an owner, as lists show it.
#[derive(Clone, Debug)]
pub struct MappedCertificate {
    /// The kind's name of the owner.
    pub kind: String,
    /// The owner's id.
    pub owner: Uuid,
    /// Which is meant.
    pub rule: String,
    /// When one was shown, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The fingerprint of the one that was shown last.
    pub seen: Option<String>,
    /// When that one ends. Nothing is known of a certificate that was never shown.
    pub not_after: Option<Timestamp>,
}

impl MappedCertificate {
    /// Whether the one shown last ends within [`CERTIFICATE_DUE`], or has ended.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.not_after.is_some_and(|end| end <= now.plus(CERTIFICATE_DUE))
    }
}

/// Every certificate of a workspace's programs.
pub(crate) fn of_workspace(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<Vec<MappedCertificate>, store::Error> {
    tx.query(
        "SELECT kind, owner, rule, last_used_at, seen_fingerprint, seen_not_after FROM client_certificates \
         WHERE workspace = $1 ORDER BY kind, owner, rule",
        &params![workspace],
        |row| {
            Ok(MappedCertificate {
                kind: row.get("kind")?,
                owner: row.get::<String>("owner")?.parse().unwrap_or_default(),
                rule: row.get("rule")?,
                last_used_at: row.get("last_used_at")?,
                seen: row.get("seen_fingerprint")?,
                not_after: row.get("seen_not_after")?,
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn rule(text: &str) -> CertificateRule {
        text.parse().unwrap()
    }

    #[test]
    fn rules_are_read_as_openssl_prints_them() {
        let colons = HEX.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap().to_uppercase());
        let colons = colons.collect::<Vec<_>>().join(":");
        for text in [HEX.to_owned(), colons.clone(), format!("sha256:{HEX}"), format!("sha256 Fingerprint={colons}")] {
            assert_eq!(rule(&text).to_string(), colons, "{text}");
        }
        let names = rule("O=Example, CN=app issued by CN=Example CA");
        assert_eq!(names.to_string(), "O=Example, CN=app issued by CN=Example CA");
        assert_eq!(names.matcher(), rule("CN=app,O=Example issued by CN=Example CA").matcher());
        let crooked = format!("é{}", &HEX[..62]);
        for wrong in ["", "app", &HEX[1..], "CN=app", "CN=a issued by CN=b issued by CN=c", "issued by CN=x", &crooked]
        {
            assert!(wrong.parse::<CertificateRule>().is_err(), "{wrong}");
        }
    }

    /// whoever writes down the certificate of somebody else's program becomes nobody by it, and takes nobody's place.
    #[test]
    fn x_22_a_certificate_of_two_programs_proves_whom_it_has_proven_so_far() {
        let claim = |owner: &str, known| Claim { owner: owner.to_owned(), known };
        let decided = |claims: &[Claim]| decide(claims).unwrap_or_default();
        assert_eq!(decided(&[]), "");
        assert_eq!(decided(&[claim("a", false), claim("a", false)]), "a");
        assert_eq!(decided(&[claim("a", true), claim("b", false)]), "a");
        assert_eq!(decided(&[claim("a", false), claim("b", true)]), "b");
        assert_eq!(decided(&[claim("a", false), claim("b", false)]), "", "nobody guesses");
        assert_eq!(decided(&[claim("a", true), claim("b", true)]), "");
    }

    #[test]
    fn a_rule_means_its_certificates_and_no_others() {
        let certificate = ClientCertificate {
            fingerprint: crypto::tls::fingerprint(b"abc"),
            subject: "CN=app, O=Example".parse().unwrap(),
            issuer: "CN=Example CA".parse().unwrap(),
            not_after: Timestamp::from_micros(0),
        };
        assert!(rule(HEX).means(&certificate));
        assert!(rule("O=Example, CN=app issued by CN=Example CA").means(&certificate));
        for other in ["CN=app issued by CN=Example CA", "CN=app, O=Example issued by CN=Other CA"] {
            assert!(!rule(other).means(&certificate), "{other}");
        }
        assert!(!rule(&HEX.replace('b', "c")).means(&certificate));
    }
}
