//! The log as a file: lines of JSON, or CSV for a spreadsheet.

use access::{Authority, cap};
use base::AuditId;
use bytes::Bytes;
use futures_util::{Stream, stream};
use store::{Db, Tx};

use crate::read::{Filter, Recorded, pages};
use crate::{Entry, Error, Outcome, record};

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, with the hashes of the chain.
    JsonLines,
    /// Comma-separated values (RFC 4180) with a head, safe to open in a spreadsheet.
    Csv,
    /// Common Event Format, a line for each entry.
    Cef,
    /// One event of the Open Cybersecurity Schema Framework a line, as JSON.
    Ocsf,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::JsonLines, Self::Csv, Self::Cef, Self::Ocsf];

    /// The format of that name, which is the ending of its files.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.ending() == name)
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::JsonLines | Self::Ocsf => "application/x-ndjson; charset=utf-8",
            Self::Cef => "text/plain; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// The ending of a file's name, without the dot.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Cef => "cef",
            Self::Ocsf => "ocsf",
        }
    }

    /// What stands before the first entry.
    pub fn head(self) -> String {
        match self {
            Self::JsonLines | Self::Cef | Self::Ocsf => String::new(),
            // The mark tells spreadsheets that this is UTF-8.
            Self::Csv => format!("\u{feff}{}\r\n", COLUMNS.join(",")),
        }
    }
}

const COLUMNS: [&str; 20] = [
    "seq",
    "time",
    "workspace",
    "actor_type",
    "actor_id",
    "actor_name",
    "auth",
    "session",
    "source",
    "user_agent",
    "request_id",
    "action",
    "target_type",
    "target_id",
    "outcome",
    "reason",
    "ticket",
    "changes",
    "prev_hash",
    "hash",
];

/// The next entries of an export in the order of the log, and where to go on; nothing more when the cursor is `None`. The export
/// itself is recorded by [`record_export`] where it begins.
pub fn export(
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::AuditRead>,
    filter: &Filter,
    format: Format,
    after: Option<AuditId>,
) -> Result<(String, Option<AuditId>), Error> {
    let (entries, next) = pages(tx, permit, filter, after)?;
    let mut out = String::new();
    for entry in &entries {
        out.push_str(&entry.line(format));
        out.push_str(if format == Format::Csv { "\r\n" } else { "\n" });
    }
    Ok((out, next))
}

/// The whole export piece by piece: the head, and then one page after the other; memory holds one of them.
pub fn export_stream<P>(
    db: Db,
    permit: P,
    filter: Filter,
    format: Format,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static
where
    P: Authority<cap::AuditRead> + Clone + Send + Sync + 'static,
{
    enum Next {
        Head,
        After(Option<AuditId>),
        End,
    }
    stream::unfold(Next::Head, move |next| {
        let (db, permit, filter) = (db.clone(), permit.clone(), filter.clone());
        async move {
            let after = match next {
                Next::End => return None,
                Next::Head => return Some((Ok(Bytes::from(format.head())), Next::After(None))),
                Next::After(after) => after,
            };
            match db.read(move |tx| export(tx, &permit, &filter, format, after)).await {
                Ok((text, next)) => {
                    let next = next.map_or(Next::End, |after| Next::After(Some(after)));
                    Some((Ok(Bytes::from(text)), next))
                }
                // Whoever reads sees a file that was cut off, and not one that looks whole.
                Err(error) => Some((Err(error), Next::End)),
            }
        }
    })
}

/// Writes down that the log leaves, and which part of it (an export is how knowledge leaves, too).
pub fn record_export(
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::AuditRead>,
    filter: &Filter,
    format: Format,
) -> Result<AuditId, Error> {
    let workspace = match permit.scope() {
        access::Scope::Organisation => None,
        access::Scope::Workspace(id) => Some(id),
    };
    let entry = Entry {
        actor: permit.actor(),
        workspace,
        action: "audit.export",
        target: ("audit", ""),
        outcome: Outcome::Success,
        reason: None,
        changes: Some(serde_json::json!({
            "format": format.ending(),
            "action": filter.action_prefix,
            "outcome": filter.outcome.map(Outcome::name),
            "target": filter.target.as_ref().map(|(kind, _)| kind),
            "from": filter.from.map(base::Timestamp::rfc3339),
            "to": filter.to.map(base::Timestamp::rfc3339),
            "by_actor": filter.actor.is_some() || filter.actors.is_some(),
            "searched": filter.search.is_some(),
        })),
    };
    record(tx, entry)
}

impl Recorded {
    /// The entry as a line of this format, without the line's end.
    pub fn line(&self, format: Format) -> String {
        match format {
            Format::JsonLines => self.to_json_line(),
            Format::Csv => self.to_csv_line(),
            Format::Cef => self.to_cef_line(),
            Format::Ocsf => self.to_ocsf_line(),
        }
    }

    /// The entry as a line of CSV, without the line's end.
    pub fn to_csv_line(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let cells: [String; 20] = [
            self.seq.map(|seq| seq.to_string()).unwrap_or_default(),
            self.time.rfc3339(),
            self.workspace.map(|id| id.to_string()).unwrap_or_default(),
            self.actor_type.clone(),
            self.actor_id.clone(),
            text(&self.actor_name),
            self.auth.clone(),
            self.session.map(|id| id.to_string()).unwrap_or_default(),
            text(&self.source_ip),
            text(&self.user_agent),
            self.request.map(|id| id.to_string()).unwrap_or_default(),
            self.action.clone(),
            self.target_type.clone(),
            self.target_id.clone(),
            self.outcome.name().to_owned(),
            text(&self.reason),
            text(&self.ticket),
            self.changes.as_ref().map(crate::canonical::to_text).unwrap_or_default(),
            text(&self.prev_hash),
            text(&self.hash),
        ];
        cells.iter().map(|value| cell(value)).collect::<Vec<_>>().join(",")
    }
}

/// One cell. A spreadsheet takes what begins with `=`, `+`, `-`, `@` or a tab for a formula, whoever wrote it: an apostrophe in
/// front makes a text of it (OWASP, CSV injection; ASVS 1.2.10).
pub fn cell(value: &str) -> String {
    let risky = value.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'])
        || value.starts_with(['\t', '\r', '\n']);
    let guarded = if risky { format!("'{value}") } else { value.to_owned() };
    if guarded.contains([',', '"', '\n', '\r', ';', '\'']) || guarded.starts_with(' ') {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ASVS 1.2.10: nothing that a stranger wrote runs in a spreadsheet.
    #[test]
    fn a_cell_is_a_text_and_never_a_formula() {
        let cases = [
            ("alert.acknowledge", "alert.acknowledge"),
            ("=HYPERLINK(\"https://x\")", "\"'=HYPERLINK(\"\"https://x\"\")\""),
            ("+447700900117", "\"'+447700900117\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            (" =1", "\"' =1\""),
            ("a,b", "\"a,b\""),
            ("two\nlines", "\"two\nlines\""),
            ("", ""),
        ];
        for (value, expected) in cases {
            assert_eq!(cell(value), expected, "{value}");
        }
        assert_eq!(Format::Csv.head().trim_end().split(',').count(), COLUMNS.len());
    }
}
