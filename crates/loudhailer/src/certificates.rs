//! The certificate of the listeners: read again on SIGHUP and when its files change, looked over before it is used, and missed
//! in time. Connections that are open go on with what they began with.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base::Context;
use crypto::tls::CertResolver;
use http::{Condition, Health};
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::meters;

/// How often the files are looked at without being asked.
const LOOK: Duration = Duration::from_mins(1);
/// Days before the end at which somebody is warned (security.md, TLS).
const WARN_DAYS: [i64; 4] = [1, 7, 14, 30];
const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;

/// A certificate that follows its files.
#[derive(Debug)]
pub struct Certificates {
    resolver: Arc<CertResolver>,
    files: [PathBuf; 2],
    host: String,
    context: Context,
    /// What the files looked like when they were last read, good or not.
    seen: Mutex<[Stamp; 2]>,
    /// The threshold of the last warning; more days than any when there was none.
    warned: AtomicI64,
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

fn stamp(path: &Path) -> Stamp {
    std::fs::metadata(path).map_or_else(
        |_| Stamp::default(),
        |file| Stamp { inode: file.ino(), size: file.size(), changed: (file.mtime(), file.mtime_nsec()) },
    )
}

impl Certificates {
    /// Reads certificate and key. `public_url` says which name clients expect.
    pub fn load(cert: &Path, key: &Path, public_url: &str, context: Context) -> Result<Arc<Self>> {
        let files = [cert.to_owned(), key.to_owned()];
        let seen = Mutex::new([stamp(cert), stamp(key)]);
        let resolver = Arc::new(CertResolver::from_files(cert, key)?);
        let host = host_of(public_url).to_owned();
        let this = Self { resolver, files, host, context, seen, warned: AtomicI64::new(i64::MAX) };
        this.judge();
        Ok(Arc::new(this))
    }

    /// What listeners ask for the certificate.
    pub fn resolver(&self) -> Arc<CertResolver> {
        Arc::clone(&self.resolver)
    }

    /// Reads the files again. What they hold is used if it is good; otherwise the old certificate stays, and the log says why.
    pub fn reload(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = [stamp(&self.files[0]), stamp(&self.files[1])];
        let outcome = match self.resolver.renew(self.context.now()) {
            Ok(true) => {
                tracing::info!(fingerprint = ?self.resolver.fingerprint(), "a new certificate is in service");
                self.warned.store(i64::MAX, Ordering::Relaxed);
                "replaced"
            }
            Ok(false) => "unchanged",
            Err(error) => {
                tracing::error!(%error, "the new certificate was refused; the old one stays in service");
                "refused"
            }
        };
        meters::CERTIFICATE_RELOADS.add(&[outcome], 1);
        self.judge();
    }

    /// Looks after the certificate until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
            let now = [stamp(&self.files[0]), stamp(&self.files[1])];
            let changed = *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != now;
            if changed {
                self.reload();
            } else {
                self.judge();
            }
        }
    }

    /// Whole days until the certificate ends; negative when it has.
    fn days_left(&self) -> Option<i64> {
        let end = self.resolver.not_after()?;
        Some((end.as_micros() - self.context.now().as_micros()).div_euclid(DAY_MICROS))
    }

    /// Puts the end into the figures, and warns once at each threshold.
    fn judge(&self) {
        show_end(&self.resolver);
        if !self.resolver.is_for(&self.host) {
            tracing::warn!(
                host = self.host,
                "the certificate is not for the host of public_url; clients will refuse it"
            );
        }
        let Some(days) = self.days_left() else { return };
        if let Some(threshold) = threshold(days)
            && threshold < self.warned.swap(threshold, Ordering::Relaxed)
        {
            tracing::warn!(days, "the certificate ends soon; put a new one in its files, it is taken up by itself");
        }
    }
}

/// Puts the certificate's end into the figures.
pub fn show_end(resolver: &CertResolver) {
    if let Some(end) = resolver.not_after() {
        meters::CERTIFICATE_EXPIRY.set(seconds(end.as_micros()));
    }
}

/// The nearest threshold that is reached.
fn threshold(days: i64) -> Option<i64> {
    WARN_DAYS.into_iter().find(|threshold| days < *threshold)
}

#[expect(clippy::cast_precision_loss, reason = "figures are read to the second")]
fn seconds(micros: i64) -> f64 {
    (micros / 1_000_000) as f64
}

/// The host in `https://host:port`.
fn host_of(url: &str) -> &str {
    let authority = url.trim_start_matches("https://").split('/').next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Said in the details of `/readyz`; a certificate that ends takes no node out of service, since the others have the same.
#[async_trait]
impl Health for Certificates {
    fn name(&self) -> &'static str {
        "certificate"
    }

    async fn look(&self) -> Condition {
        let fits = if self.resolver.is_for(&self.host) { "is" } else { "is NOT" };
        let days = self.days_left().map_or_else(|| "an unknown number of".to_owned(), |days| days.to_string());
        Condition::good(format!("it {fits} for {} and good for {days} days", self.host))
    }
}

#[cfg(test)]
mod tests {
    use base::{ExposeSecret as _, ManualClock, Timestamp};
    use crypto::tls::SelfSigned;

    use super::*;

    #[test]
    fn warnings_come_30_14_7_and_1_days_before_the_end() {
        let reached: Vec<i64> = (-1..=31).rev().filter_map(threshold).collect();
        let mut steps = reached.clone();
        steps.dedup();
        assert_eq!(steps, [30, 14, 7, 1]);
        assert_eq!((threshold(30), threshold(29), threshold(0)), (None, Some(30), Some(1)));
    }

    #[test]
    fn the_host_is_read_from_every_form_of_url() {
        assert_eq!(host_of("https://alerts.example.com:8443/x"), "alerts.example.com");
        assert_eq!(host_of("https://[::1]:8443"), "::1");
    }

    /// a bad pair is refused and the old one stays, an ended one too; the next good one is taken up.
    #[tokio::test]
    async fn x_21_only_a_good_pair_replaces_the_old_one() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_792_717_927_000_000)));
        let context = Context::new(clock.clone(), Arc::new(crypto::OsChance));
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let make = || SelfSigned::generate(&["localhost".to_owned()], &context).unwrap();
        let (first, second) = (make(), make());
        std::fs::write(&cert, &first.cert_pem).unwrap();
        std::fs::write(&key, first.key_pem.expose_secret()).unwrap();
        let certificates = Certificates::load(&cert, &key, "https://localhost:8443", context.clone()).unwrap();
        let old = certificates.resolver.fingerprint();
        // Half of the new pair, as when somebody copies one file after the other.
        std::fs::write(&cert, &second.cert_pem).unwrap();
        certificates.reload();
        assert_eq!(certificates.resolver.fingerprint(), old);
        std::fs::write(&key, second.key_pem.expose_secret()).unwrap();
        certificates.reload();
        let new = certificates.resolver.fingerprint();
        assert_ne!(new, old);
        assert!(certificates.look().await.detail.contains("good for 81"), "{}", certificates.look().await.detail);
        // The first pair comes back after its end.
        clock.advance(Duration::from_hours(900 * 24));
        std::fs::write(&cert, &first.cert_pem).unwrap();
        std::fs::write(&key, first.key_pem.expose_secret()).unwrap();
        certificates.reload();
        assert_eq!(certificates.resolver.fingerprint(), new);
        assert!(certificates.look().await.ready, "a node whose certificate ends is not taken out of service");
    }
}
