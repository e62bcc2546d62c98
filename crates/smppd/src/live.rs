//! Looking at accounts and binds, and ending binds.

use access::{Permit, cap};
use audit::{Entry, Outcome};
use base::SmppAccountId;
use store::{Changed, Tx};

use crate::account::AccountInfo;
use crate::binds::BindStatus;
use crate::{Error, Smppd, TOPIC, account};

impl Smppd {
    /// The accounts of the permit's workspace, by name.
    pub fn accounts(&self, tx: &mut Tx<'_>, permit: &Permit<cap::MessagesRead>) -> Result<Vec<AccountInfo>, Error> {
        account::list(tx, permit.workspace(), self.0.ctx.now())
    }

    /// The binds of the permit's workspace on this node, the oldest first.
    pub fn binds(&self, permit: &Permit<cap::MessagesRead>) -> Vec<BindStatus> {
        self.0.binds.statuses(permit.workspace())
    }

    /// How many binds there are on this node, by mode.
    pub fn by_mode(&self) -> [(&'static str, usize); 3] {
        self.0.binds.by_mode()
    }

    /// The node whose binds these are.
    pub fn node(&self) -> &str {
        self.0.db.node()
    }

    /// Ends one bind of an account on this node: it is unbound once that is audited and on disk, and what it asked before is
    /// still answered. Its application may bind again. [`Error::NotFound`] when the workspace has no such bind here.
    pub fn disconnect(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::ApiKeysManage>,
        account: SmppAccountId,
        bind: u64,
    ) -> Result<(), Error> {
        let found = self.0.binds.of(account, bind).filter(|bind| bind.account.workspace == permit.workspace());
        let found = found.ok_or(Error::NotFound)?;
        let reason = format!("bind {bind} on {}", self.node());
        audit(tx, permit, account, &reason)?;
        // What is unanswered is waited for; an application that does not answer is cut off by the link's own timers.
        tx.after_commit(move || found.handle.begin_unbind());
        Ok(())
    }

    /// Ends all binds that an account has on every node, within a second or two. [`Error::NotFound`] when the workspace has no
    /// such account.
    pub fn disconnect_all(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::ApiKeysManage>,
        account: SmppAccountId,
    ) -> Result<(), Error> {
        if !account::end_binds(tx, permit.workspace(), account, self.0.ctx.now())? {
            return Err(Error::NotFound);
        }
        audit(tx, permit, account, "all binds")?;
        // Every node looks when it hears this, and once a second anyway.
        tx.touched(Changed { workspace: Some(permit.workspace()), topic: TOPIC, id: account.to_string() });
        Ok(())
    }
}

fn audit(
    tx: &mut Tx<'_>,
    permit: &Permit<cap::ApiKeysManage>,
    account: SmppAccountId,
    reason: &str,
) -> Result<(), Error> {
    let target = account.to_string();
    let entry = Entry {
        actor: permit.actor(),
        workspace: Some(permit.workspace()),
        action: "smpp.disconnect",
        target: ("smpp_account", &target),
        outcome: Outcome::Success,
        reason: Some(reason),
        changes: None,
    };
    audit::record(tx, entry)?;
    Ok(())
}
