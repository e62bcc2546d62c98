//! `[audit]`: where the audit log goes besides.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Config, Error};

/// `[audit]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Audit {
    /// The collector that gets every entry over TLS (RFC 5425), as host and port; none when absent.
    pub syslog: Option<String>,
    /// Authority of the collector's certificate, PEM, in place of the machine's.
    pub syslog_ca: Option<PathBuf>,
    /// Our certificate for the collector, PEM, with `syslog_key`.
    pub syslog_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub syslog_key: Option<PathBuf>,
    /// `jsonl` (usual), `cef` or `ocsf`.
    pub syslog_format: Option<String>,
}

impl Config {
    /// Where the audit log is streamed to, and how it is written.
    ///
    /// # Errors
    /// When an address, a format or a pair of files is none.
    pub fn audit_stream(&self) -> Result<Option<(audit::Target, audit::Format)>, Error> {
        let wrong = |key: &str, remedy: String| Error::Value { key: format!("audit.{key}"), remedy };
        let Audit { syslog, syslog_ca, syslog_cert, syslog_key, syslog_format } = &self.audit;
        let Some(address) = syslog else { return Ok(None) };
        let named = syslog_format.as_deref().map_or(Some(audit::Format::JsonLines), audit::Format::named);
        let format = named.filter(|format| *format != audit::Format::Csv);
        let format = format.ok_or_else(|| wrong("syslog_format", "write jsonl, cef or ocsf".into()))?;
        let identity = match (syslog_cert.clone(), syslog_key.clone()) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(wrong("syslog_cert", "give syslog_cert and syslog_key together".into())),
        };
        let ca = syslog_ca.clone();
        // At each connection anew, so that renewed files are taken without a restart.
        let read = move || {
            let roots = match &ca {
                Some(path) => crypto::tls::Roots::Pem(std::fs::read_to_string(path)?),
                None => crypto::tls::Roots::System,
            };
            let identity = match &identity {
                Some((cert, key)) => Some((std::fs::read_to_string(cert)?, std::fs::read_to_string(key)?)),
                None => None,
            };
            Ok((roots, identity))
        };
        let here = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let target = audit::Target::new(address, here.trim(), read);
        Ok(Some((target.map_err(|error| wrong("syslog", error.to_string()))?, format)))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{MINIMAL, check};

    #[test]
    fn the_audit_stream_is_checked_at_the_start() {
        let stream = |lines: &str| check(&format!("{MINIMAL}[audit]\n{lines}"), &[]);
        assert!(check(MINIMAL, &[]).unwrap().audit_stream().unwrap().is_none());
        let (target, format) =
            stream("syslog='logs.example.com:6514'\nsyslog_format='cef'").unwrap().audit_stream().unwrap().unwrap();
        assert_eq!((target.to_string(), format), ("logs.example.com:6514".to_owned(), audit::Format::Cef));
        for (lines, said) in [
            (
                "syslog='logs.example.com'",
                "audit.syslog: write the collector's name and port, such as collector.example.com:6514",
            ),
            ("syslog='a:1'\nsyslog_format='csv'", "audit.syslog_format: write jsonl, cef or ocsf"),
            ("syslog='a:1'\nsyslog_cert='c.pem'", "audit.syslog_cert: give syslog_cert and syslog_key together"),
            ("syslogs='a:1'", "unknown key audit.syslogs; did you mean audit.syslog?"),
        ] {
            assert_eq!(stream(lines).unwrap_err(), said);
        }
    }
}
