//! Certificates of a program, with what was seen of them.

use access::cap;
use http::{Answer, InWorkspace};
use identity::MappedCertificate;
use uuid::Uuid;

use crate::Console;
use crate::shell::Shell;
use crate::zone::{age, length};

/// A certificate.
pub struct CertificateRow {
    pub rule: String,
    pub seen: String,
    /// Whether its end is near enough to see to it.
    pub due: bool,
}

/// Those of one owner.
pub fn certificate_rows(all: &[MappedCertificate], kind: &str, owner: Uuid, shell: &Shell) -> Vec<CertificateRow> {
    let own = all.iter().filter(|one| one.kind == kind && one.owner == owner);
    own.map(|one| CertificateRow { rule: one.rule.clone(), seen: seen(one, shell), due: one.is_due(shell.now) })
        .collect()
}

impl Console {
    /// Those of one owner, for whoever reads the settings of the workspace.
    pub(crate) async fn certificates_of<C: access::Cap>(
        &self,
        guard: &InWorkspace<C>,
        kind: &'static str,
        owner: Uuid,
        shell: &Shell,
    ) -> Answer<Vec<CertificateRow>> {
        let Some(read) = guard.also::<cap::WorkspaceRead>() else { return Ok(Vec::new()) };
        let (identity, workspace) = (self.identity.clone(), guard.workspace());
        let all = self.db.read(move |tx| identity.certificates(tx, &read, workspace)).await?;
        Ok(certificate_rows(&all, kind, owner, shell))
    }
}

fn seen(one: &MappedCertificate, shell: &Shell) -> String {
    let (Some(used), Some(end)) = (one.last_used_at, one.not_after) else { return "never shown yet".to_owned() };
    let used = age(shell.now.since(used));
    if end <= shell.now {
        format!("last shown {used} ago, and ended since")
    } else {
        format!("last shown {used} ago, ends in {}", length(end.since(shell.now)))
    }
}
